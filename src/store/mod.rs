//! Where cases lie: one narrow door, plain bytes in and out.
//!
//! `change.rs` says what can be written, `journal.rs` is the truth on disk, `view.rs` (sled) is what can be looked
//! up and rebuilt, `committer.rs` is the one thread between them, `access_log.rs` keeps who did what, `keyring.rs`
//! seals, `key.rs` and `record.rs` lay out what the program keeps. Nothing above this room knows which engine runs.

mod access_log;
pub mod change;
mod committer;
#[cfg(test)]
mod contract;
mod frame;
mod journal;
pub mod key;
mod keyring;
mod opening;
pub mod record;
mod view;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

pub use self::change::{Append, Chain, Change, Committed, Entry, Key, Stamp, Versioned};
pub use self::journal::FIRST_EPOCH;
pub use self::key::Range;
pub use self::keyring::MasterKey;
pub use self::opening::OpenError;

use self::committer::{Committer, Request, SealedAppend, SealedChange};
use self::journal::{Journal, Place};
use self::keyring::{Keyring, SealError};
use self::view::{Held, View};
use crate::crypto::Digest;
use crate::domain::time::Clock;

/// Changes that may wait for the commit thread; one more is refused at once, before memory grows.
const QUEUE_MAX: usize = 4_096;

/// One store's place and size.
#[derive(Debug, Clone)]
pub struct Settings {
    pub dir: PathBuf,
    /// What the view may keep in memory; it takes up to four times as much.
    pub cache_bytes: u64,
}

/// Why a change was not made. Nothing of it is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    #[error("a record was changed by somebody else meanwhile")]
    Conflict { key: Key },
    #[error("the disk is full")]
    Full,
    #[error("the store cannot write now")]
    Unavailable,
    #[error("the store is not open")]
    Absent,
    #[error("too many changes wait already")]
    Overloaded,
    #[error("the change is larger than the store takes or writes what it has not seen")]
    Malformed,
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("the store cannot read now")]
    Unavailable,
    #[error("the store is not open")]
    Absent,
    #[error("a stored value is damaged")]
    Damaged,
    #[error("a stored value is of a newer program")]
    Newer,
}

/// What a walk through everything found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub groups: u64,
    pub keys: u64,
    pub records: u64,
    /// At most `FAULTS_MAX`, each a sentence without any content.
    pub faults: Vec<String>,
}

/// More faults than these are not listed: one is enough to act on.
const FAULTS_MAX: usize = 100;
/// Records read at a time by `verify`.
const VERIFY_PAGE: usize = 1_000;

/// A store. Cheap to clone; the last clone to go stops the commit thread. One that could not be opened is a store too:
/// each call answers `Absent` until [`Store::take_up`] puts an open one in its place, for all clones at once. A store
/// that has been open once is never absent again.
#[derive(Clone)]
pub struct Store {
    state: Arc<ArcSwap<State>>,
}

enum State {
    Open(Arc<Inner>),
    Absent { reason: String, health: Arc<Health> },
}

struct Inner {
    dir: PathBuf,
    keyring: Keyring,
    view: Arc<ArcSwap<View>>,
    sender: Mutex<Option<SyncSender<Request>>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    health: Arc<Health>,
    clock: Arc<dyn Clock>,
    _lock: File,
}

impl Store {
    /// Opens or creates the store. Blocking; may take long when the view must be rebuilt.
    pub fn open(settings: &Settings, master: &MasterKey, clock: Arc<dyn Clock>) -> Result<Store, OpenError> {
        let dir = settings.dir.clone();
        let io = |source| OpenError::Io { path: dir.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(io)?;
        let lock = lock(&dir)?;
        let journal_dir = dir.join("journal");
        let fresh = !journal_dir.exists();
        let keyring = Keyring::open(&dir.join("keyring.json"), master, fresh)?;
        let journal = Journal::open(&journal_dir, keyring.store)?;
        if journal.torn_bytes > 0 {
            tracing::warn!(
                event = "store.journal.torn",
                bytes = journal.torn_bytes,
                path = %journal_dir.display(),
                "a torn, never acknowledged tail of the journal was cut"
            );
        }
        let mut access = access_log::AccessLog::open(&dir.join("access")).map_err(io)?;
        let view_dir = dir.join("view");
        let writer = opening::open_view(&view_dir, settings.cache_bytes, &journal, &mut access)?;
        let view = Arc::new(ArcSwap::from_pointee(writer.view()));
        let health = Arc::new(Health::default());
        let (sender, receiver) = sync_channel(QUEUE_MAX);
        let committer = Committer {
            journal,
            writer,
            access,
            shared: view.clone(),
            health: health.clone(),
            clock: clock.clone(),
            cache_bytes: settings.cache_bytes,
        };
        let thread =
            std::thread::Builder::new().name("commit".into()).spawn(move || committer.run(&receiver)).map_err(io)?;
        let (sender, thread) = (Mutex::new(Some(sender)), Mutex::new(Some(thread)));
        let inner = Inner { dir, keyring, view, sender, thread, health, clock, _lock: lock };
        Ok(Store::of(State::Open(Arc::new(inner))))
    }

    /// A store that could not be opened, and why, in words for operators.
    pub fn absent(reason: impl Into<String>) -> Store {
        let health = Health { journal_failing: AtomicBool::new(true), ..Health::default() };
        Store::of(State::Absent { reason: reason.into(), health: Arc::new(health) })
    }

    fn of(state: State) -> Store {
        Store { state: Arc::new(ArcSwap::from_pointee(state)) }
    }

    /// Puts what `other` is in the place of an absent store; an open one stays as it is.
    pub fn take_up(&self, other: &Store) {
        if self.absence().is_some() {
            self.state.store(other.state.load_full());
        }
    }

    /// Why the store is not open; none if it is.
    pub fn absence(&self) -> Option<String> {
        match &**self.state.load() {
            State::Open(_) => None,
            State::Absent { reason, .. } => Some(reason.clone()),
        }
    }

    /// Fails while the store is not open.
    pub fn ready(&self) -> Result<(), ReadError> {
        self.inner().map(drop).ok_or(ReadError::Absent)
    }

    fn inner(&self) -> Option<Arc<Inner>> {
        match &**self.state.load() {
            State::Open(inner) => Some(inner.clone()),
            State::Absent { .. } => None,
        }
    }

    /// A keyed hash under this store's own key: what a citizen is indexed by. A store that may be absent is asked
    /// whether it is `ready` first: an absent one has no key, and gives zeros.
    pub fn hash(&self, parts: &[&[u8]]) -> Digest {
        self.inner().map_or([0; 32], |inner| inner.keyring.hash(parts))
    }

    pub async fn get(&self, key: &Key) -> Result<Option<Versioned>, ReadError> {
        let key = key.clone();
        self.blocking(move |inner| inner.get(&key)).await
    }

    /// Records and index keys of a range in key order, at most `limit`; index keys come with an empty version 0.
    pub async fn scan(&self, range: Range, limit: usize) -> Result<Vec<(Key, Versioned)>, ReadError> {
        self.blocking(move |inner| inner.scan(&range, limit)).await
    }

    /// Entries of a chain after a sequence, oldest first, at most `limit`.
    pub async fn entries(&self, chain: Chain, after: u64, limit: usize) -> Result<Vec<Entry>, ReadError> {
        self.blocking(move |inner| inner.entries(&chain, after, limit)).await
    }

    /// Number and chain value of a chain's last entry.
    pub async fn chain_head(&self, chain: Chain) -> Result<Option<(u64, Digest)>, ReadError> {
        self.blocking(move |inner| {
            let head = inner.view.load().chain_head(&chain.encode());
            head.map_err(|e| inner.doubt(&e))
        })
        .await
    }

    /// Makes a change. Ok means on disk, and readable.
    pub async fn commit(&self, change: Change) -> Result<Committed, CommitError> {
        let inner = self.inner().ok_or(CommitError::Absent)?;
        let change = inner.seal(change)?;
        let (reply, answer) = oneshot::channel();
        let sender = {
            let guard = inner.sender.lock().unwrap_or_else(PoisonError::into_inner);
            guard.clone().ok_or(CommitError::Unavailable)?
        };
        sender.try_send(Request { change, reply }).map_err(|e| match e {
            TrySendError::Full(_) => CommitError::Overloaded,
            TrySendError::Disconnected(_) => CommitError::Unavailable,
        })?;
        drop(sender);
        answer.await.unwrap_or(Err(CommitError::Unavailable))
    }

    /// Walks everything: frames and their chain, every record opened, the count.
    pub async fn verify(&self) -> Result<Report, ReadError> {
        self.blocking(|inner| inner.verify()).await
    }

    pub fn health(&self) -> Arc<Health> {
        match &**self.state.load() {
            State::Open(inner) => inner.health.clone(),
            State::Absent { health, .. } => health.clone(),
        }
    }

    /// Stops the commit thread after what waits is written. Later commits are refused.
    pub fn close(&self) {
        if let Some(inner) = self.inner() {
            inner.close();
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Inner) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let inner = self.inner().ok_or(ReadError::Absent)?;
        // sled may wait for the disk or for its own locks: never on a worker that serves callers.
        tokio::task::spawn_blocking(move || read(&inner)).await.unwrap_or(Err(ReadError::Unavailable))
    }
}

impl Inner {
    fn get(&self, key: &Key) -> Result<Option<Versioned>, ReadError> {
        match self.view.load().held(key.as_bytes()).map_err(|e| self.doubt(&e))? {
            Some(held) => self.open_held(key.as_bytes(), held).map(Some),
            None => Ok(None),
        }
    }

    fn scan(&self, range: &Range, limit: usize) -> Result<Vec<(Key, Versioned)>, ReadError> {
        let held = self.view.load().scan(&range.from, &range.to, limit).map_err(|e| self.doubt(&e))?;
        held.into_iter().map(|(key, held)| Ok((Key(key.clone()), self.open_held(&key, held)?))).collect()
    }

    fn entries(&self, chain: &Chain, after: u64, limit: usize) -> Result<Vec<Entry>, ReadError> {
        let name = chain.encode();
        let encoded = match chain {
            Chain::AccessLog => access_log::read(&self.dir.join("access"), after, limit).map_err(|error| {
                tracing::error!(event = "store.access-log.read", %error, "the access log cannot be read");
                ReadError::Unavailable
            })?,
            _ => self.view.load().entries(&name, after, limit).map_err(|e| self.doubt(&e))?,
        };
        encoded.iter().map(|bytes| self.open_entry(&name, bytes)).collect()
    }

    fn open_entry(&self, chain: &[u8], bytes: &[u8]) -> Result<Entry, ReadError> {
        let (stamp, time_us, entry, payload) = frame::decode_entry(bytes).map_err(|_| ReadError::Damaged)?;
        let (_, payload) = self.keyring.open_value(&entry_name(chain, entry), payload).map_err(|e| seal_fault(&e))?;
        Ok(Entry { stamp, at: frame::timestamp(time_us), payload })
    }

    fn open_held(&self, key: &[u8], held: Held) -> Result<Versioned, ReadError> {
        let (sealed, in_view) = match held {
            Held::Index => return Ok(Versioned { version: 0, value: Vec::new() }),
            Held::Pointer { sequence } => return Ok(Versioned { version: sequence, value: Vec::new() }),
            Held::Inline(sealed) => (sealed, true),
            Held::InJournal { place, length, .. } => (self.read_journal(place, length)?, false),
        };
        let opened = self.keyring.open_value(&record_name(key), &sealed);
        if in_view && opened == Err(SealError::Broken) {
            // The journal has the value as it was acknowledged.
            self.health.doubt_view("a value in the view is damaged");
        }
        let (version, value) = opened.map_err(|e| seal_fault(&e))?;
        Ok(Versioned { version, value })
    }

    fn read_journal(&self, place: Place, length: u32) -> Result<Vec<u8>, ReadError> {
        let path = self.dir.join("journal").join(format!("{:020}.log", place.segment));
        let mut bytes = vec![0; length as usize];
        let read = File::open(&path).and_then(|file| file.read_exact_at(&mut bytes, place.offset));
        read.map(|()| bytes).map_err(|error| {
            tracing::error!(event = "store.journal.read", path = %path.display(), %error, "a value cannot be read");
            ReadError::Unavailable
        })
    }

    fn seal(&self, change: Change) -> Result<SealedChange, CommitError> {
        if !change.is_within_bounds() {
            return Err(CommitError::Malformed);
        }
        let now = self.clock.now();
        let seal = |name: &[u8], version, plain: &[u8]| {
            self.keyring.seal(name, version, plain, now).map_err(|error| {
                tracing::error!(event = "store.seal", %error, "nothing can be sealed");
                CommitError::Unavailable
            })
        };
        let mut put = Vec::with_capacity(change.put.len());
        for (key, value) in &change.put {
            let version = change.version_of(key).ok_or(CommitError::Malformed)?;
            put.push((key.clone(), seal(&record_name(key.as_bytes()), version, value)?));
        }
        let mut append = Vec::with_capacity(change.append.len());
        for entry in change.append {
            let chain = entry.chain.encode();
            let payload = seal(&entry_name(&chain, entry.entry), 1, &entry.payload)?;
            let (pointer, digest) = (entry.pointer, entry.digest);
            append.push(SealedAppend { chain, entry: entry.entry, digest, payload, pointer });
        }
        Ok(SealedChange { expect: change.expect, put, index: change.index, delete: change.delete, append })
    }

    fn doubt(&self, error: &view::ViewError) -> ReadError {
        self.health.doubt_view(&error.to_string());
        ReadError::Unavailable
    }

    fn verify(&self) -> Result<Report, ReadError> {
        let mut report = Report::default();
        let view = self.view.load_full();
        let journal = self.dir.join("journal");
        match journal::Reading::of(&journal).and_then(|reading| reading.count()) {
            Ok(groups) => report.groups = groups,
            Err(error) => report.faults.push(error.to_string()),
        }
        let applied = view.applied().map_err(|e| self.doubt(&e))?;
        report.keys = view.count().map_err(|e| self.doubt(&e))?;
        let mut from = Vec::new();
        loop {
            let page = view.scan(&from, &[0xff], VERIFY_PAGE).map_err(|e| self.doubt(&e))?;
            let Some((last, _)) = page.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            for (key, held) in page {
                report.records += u64::from(matches!(held, Held::Inline(_) | Held::InJournal { .. }));
                if self.open_held(&key, held).is_err() && report.faults.len() < FAULTS_MAX {
                    report.faults.push(format!("record {}: cannot be opened", key.escape_ascii()));
                }
            }
        }
        // Commits go on while this runs: a count is a fault only if nothing moved meanwhile.
        if view.applied().is_ok_and(|now| now == applied) && applied.keys != report.keys {
            report.faults.push(format!("{} keys where {} were counted", report.keys, applied.keys));
        }
        Ok(report)
    }

    fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let io = |source| OpenError::Io { path: path.clone(), source };
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let told = fs::read_to_string(&path).unwrap_or_default();
            let holder = told.trim().parse().map_or_else(|_| "unknown".to_owned(), |id: u32| id.to_string());
            return Err(OpenError::Locked { path: dir.to_owned(), holder });
        }
        Err(fs::TryLockError::Error(source)) => return Err(io(source)),
    }
    // For whoever is turned away; the lock itself is what counts, on a full disk too.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// What the seal of a record is bound to.
fn record_name(key: &[u8]) -> Vec<u8> {
    [b"record/", key].concat()
}

/// What the seal of a chain's entry is bound to.
fn entry_name(chain: &[u8], entry: uuid::Uuid) -> Vec<u8> {
    [b"entry/", chain, b"/", entry.as_bytes()].concat()
}

fn seal_fault(error: &SealError) -> ReadError {
    match error {
        SealError::Newer => ReadError::Newer,
        SealError::UnknownKey | SealError::Broken => ReadError::Damaged,
    }
}

/// What the operator is told about a store.
#[derive(Debug, Default)]
pub struct Health {
    journal_failing: AtomicBool,
    view_in_doubt: AtomicBool,
}

impl Health {
    /// The journal cannot be written, or the store is not open: changes are refused.
    pub fn is_failing(&self) -> bool {
        self.journal_failing.load(Ordering::Relaxed) || self.view_is_in_doubt()
    }

    fn view_is_in_doubt(&self) -> bool {
        self.view_in_doubt.load(Ordering::Relaxed)
    }

    fn doubt_view(&self, error: &str) {
        if !self.view_in_doubt.swap(true, Ordering::Relaxed) {
            tracing::error!(event = "store.view.doubt", error, "the view is in doubt and will be rebuilt");
        }
    }

    fn view_works(&self) {
        self.view_in_doubt.store(false, Ordering::Relaxed);
    }

    fn journal_fails(&self, error: &io::Error) {
        if !self.journal_failing.swap(true, Ordering::Relaxed) {
            tracing::error!(event = "store.journal.failing", %error, "the journal cannot be written");
        }
    }

    fn journal_works(&self) {
        if self.journal_failing.swap(false, Ordering::Relaxed) {
            tracing::info!(event = "store.journal.working", "the journal can be written again");
        }
    }
}
