//! How a store comes up: the journal judged, the view compared with it, what is missing replayed. In doubt the view
//! is put aside and rebuilt from the journal, and the operator is told.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::access_log::AccessLog;
use super::committer::append_access;
use super::journal::{Journal, JournalError};
use super::view::{View, ViewError, Writer};

/// How many groups between two words about progress.
const PROGRESS_GROUPS: u64 = 5_000;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Keyring(#[from] super::keyring::KeyringError),
    #[error("{path}: another budkavle (process {holder}) has this store open. Stop it first", path = path.display())]
    Locked { path: PathBuf, holder: String },
    #[error("{path}: the journal ends at group {journal}, but the view has seen group {view}: acknowledged groups are missing from the journal. Restore the journal from a mirror or a backup; what was cut from its end now lies beside it as .torn", path = path.display())]
    JournalShort { path: PathBuf, journal: u64, view: u64 },
    #[error("the view could not be rebuilt: {0}")]
    View(#[from] ViewError),
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Opens the view and brings it up to the journal's end.
pub fn open_view(
    path: &Path,
    cache_bytes: u64,
    journal: &Journal,
    access: &mut AccessLog,
) -> Result<Writer, OpenError> {
    let doubt = match follow(path, cache_bytes, journal, access) {
        Ok(writer) => return Ok(writer),
        Err(Doubt::Short { view }) => {
            let path = path.to_owned();
            return Err(OpenError::JournalShort { path, journal: journal.head.group, view });
        }
        Err(Doubt::View(error)) => error,
        Err(Doubt::Journal(error)) => return Err(error.into()),
    };
    tracing::error!(
        event = "store.view.doubt",
        path = %path.display(),
        error = %doubt,
        "the view cannot be trusted and is rebuilt from the journal"
    );
    Ok(rebuild_view(path, cache_bytes, journal, access)?)
}

/// Puts the view aside and makes a new one from the whole journal.
pub fn rebuild_view(
    path: &Path,
    cache_bytes: u64,
    journal: &Journal,
    access: &mut AccessLog,
) -> Result<Writer, ViewError> {
    quarantine(path)?;
    let mut writer = Writer::new(View::open(path, cache_bytes)?)?;
    replay(journal, 0, &mut writer, access).map_err(|doubt| match doubt {
        Doubt::View(error) => error,
        Doubt::Short { .. } => ViewError::Stranger,
        Doubt::Journal(error) => ViewError::Io(io::Error::other(error.to_string())),
    })?;
    tracing::warn!(
        event = "store.view.rebuilt",
        path = %path.display(),
        groups = journal.head.group,
        keys = writer.applied.keys,
        "the view was rebuilt from the journal; the old one lies beside it as quarantine"
    );
    Ok(writer)
}

/// Why the view was not simply taken up again.
enum Doubt {
    View(ViewError),
    Short { view: u64 },
    Journal(JournalError),
}

impl From<ViewError> for Doubt {
    fn from(error: ViewError) -> Doubt {
        Doubt::View(error)
    }
}

impl From<JournalError> for Doubt {
    fn from(error: JournalError) -> Doubt {
        Doubt::Journal(error)
    }
}

fn follow(path: &Path, cache_bytes: u64, journal: &Journal, access: &mut AccessLog) -> Result<Writer, Doubt> {
    let mut writer = Writer::new(View::open(path, cache_bytes)?)?;
    let applied = writer.applied;
    if applied.head.group > journal.head.group {
        return Err(Doubt::Short { view: applied.head.group });
    }
    let found = writer.view().count()?;
    if found != applied.keys {
        return Err(ViewError::Count { found, expected: applied.keys }.into());
    }
    if applied.head.group == 0 && journal.head.group > 0 {
        return Err(ViewError::Empty.into());
    }
    // The access log is synced when a segment is closed: what may be missing there stands in the last segment.
    let from = applied.head.group.min(journal.last_segment() - 1);
    replay(journal, from, &mut writer, access)?;
    if writer.applied.head.hash != journal.head.hash {
        return Err(ViewError::Stranger.into());
    }
    Ok(writer)
}

fn replay(journal: &Journal, from: u64, writer: &mut Writer, access: &mut AccessLog) -> Result<(), Doubt> {
    let start = writer.applied.head;
    journal.replay::<Doubt>(from, |frame, place| {
        let group = frame.header.group;
        append_access(access, frame.payload, frame.header.time_us).map_err(ViewError::from)?;
        if group == start.group && frame.hash != start.hash {
            return Err(ViewError::Stranger.into());
        }
        if group > start.group {
            writer.apply(frame, place)?;
            if (group - start.group).is_multiple_of(PROGRESS_GROUPS) {
                tracing::info!(event = "store.replay", group, of = journal.head.group, "replaying the journal");
            }
        }
        Ok(())
    })
}

/// The old view stays beside for whoever wants to know what happened to it; one is enough.
fn quarantine(path: &Path) -> io::Result<()> {
    let aside = path.with_extension("quarantine");
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    if path.exists() {
        fs::rename(path, &aside)?;
    }
    Ok(())
}
