//! Files that are read again while we run: each door's pair, issuers, revocation lists. At SIGHUP at once; otherwise when
//! they have changed and then rested. What is unfit leaves the old in use, and is told once a change.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};

use super::blocking;
use super::door::DoorState;
use super::trust::TrustState;

/// How often files are looked at. Changed ones are read at the look that finds them as the one before did: whoever
/// writes certificate and key one after the other is not read in between.
const LOOK: Duration = Duration::from_secs(2);

/// Reads files again, one renewal at a time.
pub struct Renewal {
    trust: Arc<TrustState>,
    doors: Vec<Arc<DoorState>>,
    watched: Mutex<Vec<Watched>>,
    /// What is unfit now, for the status.
    unfit: std::sync::Mutex<Vec<Unfit>>,
}

/// What is read together.
struct Watched {
    of: Of,
    files: Vec<PathBuf>,
    /// As they were when they were read.
    read: Vec<Stamp>,
    /// As they were at the last look.
    seen: Vec<Stamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Trust,
    /// By its place among the doors.
    Door(usize),
}

struct Unfit {
    of: Of,
    since: Timestamp,
    error: String,
}

/// Differs when a file was written or another one put in its place; all zeros where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// Of the file that a link points at.
    fn of(path: &PathBuf) -> Stamp {
        let stamp = |meta: std::fs::Metadata| Stamp {
            device: meta.dev(),
            inode: meta.ino(),
            bytes: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        };
        std::fs::metadata(path).map(stamp).unwrap_or_default()
    }
}

impl Renewal {
    /// Of files that have just been read. Blocking.
    pub fn new(trust: Arc<TrustState>, doors: Vec<Arc<DoorState>>) -> Arc<Renewal> {
        let watched = |of, files: Vec<PathBuf>| {
            let read: Vec<_> = files.iter().map(Stamp::of).collect();
            Watched { of, files, seen: read.clone(), read }
        };
        let mut all = vec![watched(Of::Trust, trust.files())];
        for (place, door) in doors.iter().enumerate() {
            all.push(watched(Of::Door(place), door.tls.files().map(Path::to_path_buf).to_vec()));
        }
        Arc::new(Renewal { trust, doors, watched: Mutex::new(all), unfit: std::sync::Mutex::default() })
    }

    /// Reads everything again, changed or not; what is fetched is asked for again.
    pub async fn all(self: &Arc<Renewal>) {
        self.trust.board.ask_all();
        let renewal = self.clone();
        let mut watched = self.watched.lock().await;
        let mut taken = std::mem::take(&mut *watched);
        *watched = blocking(move || {
            taken.iter_mut().for_each(|one| renewal.read(one));
            taken
        })
        .await;
    }

    /// Looks at the files until told to stop.
    pub async fn run(self: Arc<Renewal>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stop.changed() => return,
            }
            let renewal = self.clone();
            let mut watched = self.watched.lock().await;
            let mut taken = std::mem::take(&mut *watched);
            *watched = blocking(move || {
                renewal.look(&mut taken);
                taken
            })
            .await;
        }
    }

    fn look(&self, watched: &mut [Watched]) {
        let mut is_trust_new = false;
        for one in watched {
            let seen: Vec<_> = one.files.iter().map(Stamp::of).collect();
            let rests = seen == one.seen;
            one.seen = seen;
            // Who is asked for a certificate follows from the issuers.
            let is_due = (rests && one.seen != one.read) || (is_trust_new && matches!(one.of, Of::Door(_)));
            if is_due {
                is_trust_new |= one.of == Of::Trust;
                self.read(one);
            }
        }
    }

    /// Blocking.
    fn read(&self, one: &mut Watched) {
        // Stamped before they are read: what changes meanwhile is found changed at the next look.
        one.read = one.files.iter().map(Stamp::of).collect();
        one.seen.clone_from(&one.read);
        let error = match one.of {
            Of::Trust => self.trust.reload().map_err(|error| error.to_string()).err(),
            Of::Door(place) => self
                .doors
                .get(place)
                .and_then(|door| door.tls.reload(door.client_auth()).map_err(|error| error.to_string()).err()),
        };
        let name = self.name(one.of);
        match &error {
            None => tracing::info!(event = "daemon.renewed", of = name, "files were read again"),
            Some(error) if one.of == Of::Trust => {
                tracing::error!(event = "daemon.reload.trust", %error, "trust was not renewed: the old stays");
            }
            Some(error) => {
                tracing::error!(event = "daemon.reload.tls", of = name, %error, "a certificate was not renewed: the old stays");
            }
        }
        let mut unfit = self.unfit.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        unfit.retain(|fault| fault.of != one.of);
        unfit.extend(error.map(|error| Unfit { of: one.of, since: self.trust.now(), error }));
    }

    fn name(&self, of: Of) -> &'static str {
        match of {
            Of::Trust => "trust",
            Of::Door(place) => self.doors.get(place).map_or("", |door| door.door.as_str()),
        }
    }

    /// What is unfit and leaves the old in use, since when and why.
    pub fn report(&self) -> Value {
        let unfit = self.unfit.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let line = |fault: &Unfit| json!({ "of": self.name(fault.of), "since": fault.since, "error": fault.error });
        unfit.iter().map(line).collect()
    }
}
