//! The commit thread: takes everything that waits, checks it, writes one frame, syncs once, applies, acknowledges.
//!
//! One thread owns the journal, the view's writer and the access log, so no caller ever fights over a chain's head.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::access_log::AccessLog;
use super::change::{Committed, Expected, Key, Stamp};
use super::frame::{self, Encoder, FrameHeader, Operation};
use super::journal::{Head, Journal};
use super::view::{Held, View, ViewError, Writer, is_access_log};
use super::{CommitError, Health, opening};
use crate::crypto::{Digest, sha256};
use crate::domain::time::Clock;

/// Changes in one frame. More would make the first wait for the last.
const GROUP_CHANGES_MAX: usize = 512;
/// Bytes after which a group takes no more changes; one change more may stand in the frame.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// How often an idle thread looks whether a reader has reported the view as damaged.
const IDLE_LOOK: Duration = Duration::from_millis(500);
/// Attempts to rebuild a view within one group before the callers are told.
const REBUILDS_MAX: u32 = 2;

/// A change whose values are sealed already.
pub struct SealedChange {
    pub expect: Vec<(Key, Expected)>,
    pub put: Vec<(Key, Vec<u8>)>,
    pub index: Vec<Key>,
    pub delete: Vec<Key>,
    pub append: Vec<SealedAppend>,
}

pub struct SealedAppend {
    pub chain: Vec<u8>,
    pub entry: Uuid,
    pub digest: Digest,
    pub payload: Vec<u8>,
    pub pointer: Option<Key>,
}

pub struct Request {
    pub change: SealedChange,
    pub reply: oneshot::Sender<Result<Committed, CommitError>>,
}

pub struct Committer {
    pub journal: Journal,
    pub writer: Writer,
    pub access: AccessLog,
    pub shared: Arc<ArcSwap<View>>,
    pub health: Arc<Health>,
    pub clock: Arc<dyn Clock>,
    pub cache_bytes: u64,
}

/// What the group being made has already changed.
#[derive(Default)]
struct Group {
    versions: HashMap<Vec<u8>, Option<u64>>,
    heads: HashMap<Vec<u8>, (u64, Digest)>,
}

type Reply = (oneshot::Sender<Result<Committed, CommitError>>, Result<Vec<Stamp>, CommitError>);

impl Committer {
    /// Runs until every sender is gone.
    pub fn run(mut self, requests: &Receiver<Request>) {
        loop {
            match requests.recv_timeout(IDLE_LOOK) {
                Ok(first) => self.commit(first, requests),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.health.view_is_in_doubt() {
                let _ = self.rebuild();
            }
        }
        // What the journal holds is safe; these only make the next start shorter.
        let _ = self.access.sync();
        let _ = self.shared.load().flush();
    }

    /// The view has everything that the journal has: versions and chain heads are read from it.
    fn view_follows(&self) -> bool {
        !self.health.view_is_in_doubt() && self.writer.applied.head.group == self.journal.head.group
    }

    fn commit(&mut self, first: Request, requests: &Receiver<Request>) {
        // Checked against a view that lags, a change could take a number of a chain that is taken already.
        if !self.view_follows() && self.rebuild().is_err() {
            let _ = first.reply.send(Err(CommitError::Unavailable));
            return;
        }
        let mut encoder = Encoder::default();
        let mut group = Group::default();
        let mut replies: Vec<Reply> = Vec::new();
        let mut accepted = 0;
        let mut next = Some(first);
        while let Some(request) = next {
            let checked = self.check(&request.change, &mut group);
            if let Ok(stamps) = &checked {
                encode(&mut encoder, &request.change, stamps);
                accepted += 1;
            }
            replies.push((request.reply, checked));
            let full = replies.len() >= GROUP_CHANGES_MAX || encoder.len() >= GROUP_BYTES_MAX;
            next = if full { None } else { requests.try_recv().ok() };
        }
        let time_us = self.clock.now().as_microsecond().max(self.journal.head.time_us);
        let written = if accepted > 0 { self.write(encoder, time_us) } else { Ok(()) };
        let at = frame::timestamp(time_us);
        for (reply, checked) in replies {
            let answer = match (&written, checked) {
                // A conflict may rest on a change of this very group that is not on disk now.
                (Err(error), _) => Err(error.clone()),
                (Ok(()), checked) => checked.map(|stamps| Committed { at, stamps }),
            };
            // The caller may have gone; the change stands all the same.
            let _ = reply.send(answer);
        }
    }

    fn check(&self, change: &SealedChange, group: &mut Group) -> Result<Vec<Stamp>, CommitError> {
        for (key, expected) in &change.expect {
            let version = match group.versions.get(key.as_bytes()) {
                Some(version) => *version,
                None => self.version(key.as_bytes())?,
            };
            let holds = match expected {
                Expected::Absent => version.is_none(),
                Expected::Version(v) => version == Some(*v),
            };
            if !holds {
                return Err(CommitError::Conflict { key: key.clone() });
            }
        }
        let mut stamps = Vec::with_capacity(change.append.len());
        // Not the group's until the whole change is accepted, or a refused one would leave a gap.
        let mut heads: HashMap<Vec<u8>, (u64, Digest)> = HashMap::new();
        for append in &change.append {
            let (sequence, chain) = match heads.get(&append.chain).or_else(|| group.heads.get(&append.chain)) {
                Some(head) => *head,
                None => self.head(&append.chain)?,
            };
            let sequence = sequence + 1;
            let chain = sha256(&[&chain, &append.digest, &sequence.to_be_bytes()]);
            heads.insert(append.chain.clone(), (sequence, chain));
            stamps.push(Stamp { epoch: self.journal.epoch, sequence, digest: append.digest, chain });
        }
        group.heads.extend(heads);
        for key in &change.delete {
            group.versions.insert(key.as_bytes().to_vec(), None);
        }
        for (key, sealed) in &change.put {
            let version = super::keyring::version_of(sealed).ok();
            group.versions.insert(key.as_bytes().to_vec(), version);
        }
        for key in &change.index {
            group.versions.insert(key.as_bytes().to_vec(), Some(0));
        }
        Ok(stamps)
    }

    fn version(&self, key: &[u8]) -> Result<Option<u64>, CommitError> {
        let held = self.shared.load().held(key).map_err(|e| self.doubt(&e))?;
        Ok(match held {
            None => None,
            Some(Held::Index) => Some(0),
            Some(Held::InJournal { version, .. } | Held::Pointer { sequence: version }) => Some(version),
            Some(Held::Inline(sealed)) => {
                Some(super::keyring::version_of(&sealed).map_err(|_| self.doubt(&ViewError::Value))?)
            }
        })
    }

    fn head(&self, chain: &[u8]) -> Result<(u64, Digest), CommitError> {
        let head = self.shared.load().chain_head(chain).map_err(|e| self.doubt(&e))?;
        Ok(head.unwrap_or((0, [0; 32])))
    }

    fn doubt(&self, error: &ViewError) -> CommitError {
        self.health.doubt_view(&error.to_string());
        CommitError::Unavailable
    }

    /// Journal first and synced, then the view. What the journal has is never lost, so a failing view is rebuilt.
    fn write(&mut self, encoder: Encoder, time_us: i64) -> Result<(), CommitError> {
        let header = FrameHeader { group: self.journal.head.group + 1, time_us, previous: self.journal.head.hash };
        let (bytes, hash) = encoder.finish(&header).map_err(|_| CommitError::Malformed)?;
        if self.journal.is_full_for(bytes.len()) {
            // Older segments are not read again for the access log.
            self.access.sync().map_err(|e| self.refuse(&e))?;
        }
        let head = Head { group: header.group, hash, time_us };
        // Before it is durable: afterwards there is no refusing it.
        let frame = frame::read_frame(&bytes).map_err(|_| CommitError::Malformed)?;
        let place = self.journal.append(&bytes, head).map_err(|e| self.refuse(&e))?;
        self.health.journal_works();
        let applied = append_access(&mut self.access, frame.payload, time_us)
            .map_err(ViewError::from)
            .and_then(|()| self.writer.apply(&frame, place));
        match applied {
            Ok(()) => Ok(()),
            Err(error) => {
                self.health.doubt_view(&error.to_string());
                (0..REBUILDS_MAX).find_map(|_| self.rebuild().ok()).ok_or(CommitError::Unavailable)
            }
        }
    }

    fn refuse(&self, error: &std::io::Error) -> CommitError {
        self.health.journal_fails(error);
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => CommitError::Full,
            _ => CommitError::Unavailable,
        }
    }

    fn rebuild(&mut self) -> Result<(), ViewError> {
        let path = self.shared.load().path().to_owned();
        let result = opening::rebuild_view(&path, self.cache_bytes, &self.journal, &mut self.access);
        match result {
            Ok(writer) => {
                self.shared.store(Arc::new(writer.view()));
                self.writer = writer;
                self.health.view_works();
                Ok(())
            }
            Err(error) => {
                self.health.doubt_view(&error.to_string());
                Err(error)
            }
        }
    }
}

/// Feeds the access log's entries of a frame to its segments.
pub fn append_access(access: &mut AccessLog, payload: &[u8], time_us: i64) -> std::io::Result<()> {
    let operations =
        frame::operations(payload).map_err(|e| std::io::Error::new(std::io::ErrorKind::InvalidData, e.to_string()))?;
    for operation in operations {
        if let Operation::Append { chain, stamp, entry, payload } = operation
            && is_access_log(chain)
        {
            access.append(stamp.sequence, &frame::encode_entry(&stamp, time_us, entry, payload))?;
        }
    }
    Ok(())
}

fn encode(encoder: &mut Encoder, change: &SealedChange, stamps: &[Stamp]) {
    encoder.begin_change();
    for key in &change.delete {
        encoder.delete(key.as_bytes());
    }
    for (key, value) in &change.put {
        encoder.put(key.as_bytes(), value);
    }
    for key in &change.index {
        encoder.index(key.as_bytes());
    }
    for (append, stamp) in change.append.iter().zip(stamps) {
        encoder.append(&append.chain, stamp, append.entry, &append.payload);
        if let Some(key) = &append.pointer {
            encoder.pointer(key.as_bytes(), stamp.sequence);
        }
    }
    encoder.end_change();
}
