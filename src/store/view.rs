//! The view: what the journal says, in sled, so that it can be looked up. The only file that knows sled.
//!
//! Every sled call is guarded: a damaged tree panics, and a panic here is an error, never the end of the process.
//! Small values lie in the view, large ones stay in the journal and the view holds their place (sled spills values
//! near 8 KiB into files that it never syncs).
//!
//! | first byte of a key | holds |
//! |---|---|
//! | 0 | `meta`: how far the journal is applied |
//! | 1 | records and index keys of the program |
//! | 2 | entries of chains |
//! | 3 | heads of chains |

use std::collections::HashMap;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::change::Stamp;
use super::frame::{self, Frame, Operation, Reader};
use super::journal::{Head, Place};
use super::keyring;
use crate::crypto::Digest;

/// Sealed values longer than this stay in the journal.
const INLINE_BYTES_MAX: usize = 1024;
/// Longest that sled may take to open before it counts as hung. Its first open after a bulk load reads everything.
const OPEN_SECONDS_MAX: u64 = 120;
const META: &[u8] = &[0];
const PROGRAM: u8 = 1;
const ENTRY: u8 = 2;
const HEAD: u8 = 3;

/// The view cannot be trusted; the journal can rebuild it.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    #[error("the view's engine failed: {0}")]
    Engine(String),
    #[error("the view's engine panicked, as it does on damage")]
    Panic,
    #[error("the view did not open within {OPEN_SECONDS_MAX} s")]
    Hung,
    #[error("the view holds {found} keys where {expected} were counted")]
    Count { found: u64, expected: u64 },
    #[error("the view is empty and the journal is not")]
    Empty,
    #[error("the view does not belong to this journal")]
    Stranger,
    #[error("a value in the view cannot be read")]
    Value,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<sled::Error> for ViewError {
    fn from(error: sled::Error) -> ViewError {
        ViewError::Engine(error.to_string())
    }
}

/// A value as the view has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    Index,
    Inline(Vec<u8>),
    InJournal { version: u64, place: Place, length: u32 },
    Pointer { sequence: u64 },
}

#[derive(Clone)]
pub struct View {
    tree: sled::Db,
    path: PathBuf,
}

/// How far the view has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    pub head: Head,
    /// Keys of the program and entries of chains in the view.
    pub keys: u64,
}

fn guarded<T>(act: impl FnOnce() -> Result<T, ViewError>) -> Result<T, ViewError> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or(Err(ViewError::Panic))
}

impl View {
    /// Opens in a thread of its own: damage makes sled panic or hang.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<View, ViewError> {
        fs::create_dir_all(path)?;
        remove_unfinished_snapshots(path)?;
        let (sender, receiver) = mpsc::channel();
        let owned = path.to_owned();
        std::thread::Builder::new().name("view-open".into()).spawn(move || {
            let opened = guarded(|| {
                Ok(sled::Config::new()
                    .path(&owned)
                    .cache_capacity(cache_bytes)
                    .flush_every_ms(Some(500))
                    .use_compression(false)
                    .open()?)
            });
            // The other side may have given up waiting.
            let _ = sender.send(opened);
        })?;
        match receiver.recv_timeout(Duration::from_secs(OPEN_SECONDS_MAX)) {
            Ok(tree) => Ok(View { tree: tree?, path: path.to_owned() }),
            Err(_) => Err(ViewError::Hung),
        }
    }

    pub fn applied(&self) -> Result<Applied, ViewError> {
        let Some(bytes) = guarded(|| Ok(self.tree.get(META)?))? else {
            return Ok(Applied { head: Head { group: 0, hash: [0; 32], time_us: 0 }, keys: 0 });
        };
        let mut read = Reader(&bytes);
        let mut decode = || -> Result<Applied, frame::FrameError> {
            let head = Head { group: read.u64()?, hash: read.array()?, time_us: read.i64()? };
            Ok(Applied { head, keys: read.u64()? })
        };
        decode().map_err(|_| ViewError::Value)
    }

    /// Counts every key: silently missing ones show only so.
    pub fn count(&self) -> Result<u64, ViewError> {
        guarded(|| {
            let mut count = 0;
            for key in self.tree.range([PROGRAM].as_slice()..[HEAD].as_slice()).keys() {
                key?;
                count += 1;
            }
            Ok(count)
        })
    }

    pub fn held(&self, key: &[u8]) -> Result<Option<Held>, ViewError> {
        guarded(|| match self.tree.get(program_key(key))? {
            Some(bytes) => decode_held(&bytes).map(Some),
            None => Ok(None),
        })
    }

    /// Keys from `from` up to but without `to`, in order, at most `limit`.
    pub fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Held)>, ViewError> {
        guarded(|| {
            let mut out = Vec::new();
            for pair in self.tree.range(program_key(from)..program_key(to)).take(limit) {
                let (key, value) = pair?;
                out.push((key.get(1..).unwrap_or_default().to_vec(), decode_held(&value)?));
            }
            Ok(out)
        })
    }

    /// Number and chain value of a chain's last entry.
    pub fn chain_head(&self, chain: &[u8]) -> Result<Option<(u64, Digest)>, ViewError> {
        guarded(|| {
            let Some(bytes) = self.tree.get([&[HEAD], chain].concat())? else { return Ok(None) };
            let mut read = Reader(&bytes);
            let mut decode = || Ok::<_, frame::FrameError>((read.u64()?, read.array()?));
            decode().map(Some).map_err(|_| ViewError::Value)
        })
    }

    /// Entries of a chain after a number, in order, as encoded in `frame.rs`.
    pub fn entries(&self, chain: &[u8], after: u64, limit: usize) -> Result<Vec<Vec<u8>>, ViewError> {
        guarded(|| {
            let from = entry_key(chain, after.saturating_add(1));
            let to = entry_key(chain, u64::MAX);
            self.tree.range(from..=to).values().take(limit).map(|v| Ok(v?.to_vec())).collect()
        })
    }

    /// Drops the handle; sled writes out what it holds.
    pub fn flush(&self) -> Result<(), ViewError> {
        guarded(|| {
            self.tree.flush()?;
            Ok(())
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Applies frames, one batch each, with the journal's position in the same batch.
pub struct Writer {
    view: View,
    pub applied: Applied,
}

impl Writer {
    pub fn new(view: View) -> Result<Writer, ViewError> {
        let applied = view.applied()?;
        Ok(Writer { view, applied })
    }

    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// The same path for what was just written and for what is replayed.
    pub fn apply(&mut self, frame: &Frame<'_>, place: Place) -> Result<(), ViewError> {
        let operations = frame::operations(frame.payload).map_err(|_| ViewError::Value)?;
        let head = Head { group: frame.header.group, hash: frame.hash, time_us: frame.header.time_us };
        let mut batch = sled::Batch::default();
        let mut present: HashMap<Vec<u8>, bool> = HashMap::new();
        let mut keys = self.applied.keys;
        for operation in operations {
            match operation {
                Operation::Put { key, value, value_at } => {
                    let key = program_key(key);
                    keys += u64::from(!self.was_present(&mut present, &key, true)?);
                    let at = Place { offset: place.offset + value_at as u64, ..place };
                    batch.insert(key, encode_held(value, at)?);
                }
                Operation::Index { key } => {
                    let key = program_key(key);
                    keys += u64::from(!self.was_present(&mut present, &key, true)?);
                    batch.insert(key, Vec::new());
                }
                Operation::Pointer { key, sequence } => {
                    let key = program_key(key);
                    keys += u64::from(!self.was_present(&mut present, &key, true)?);
                    batch.insert(key, [&[3][..], &sequence.to_be_bytes()].concat());
                }
                Operation::Delete { key } => {
                    let key = program_key(key);
                    keys -= u64::from(self.was_present(&mut present, &key, false)?).min(keys);
                    batch.remove(key);
                }
                Operation::Append { chain, stamp, entry, payload } => {
                    batch.insert([&[HEAD], chain].concat(), encode_head(&stamp));
                    if !is_access_log(chain) {
                        keys += 1;
                        let value = frame::encode_entry(&stamp, head.time_us, entry, payload);
                        batch.insert(entry_key(chain, stamp.sequence), value);
                    }
                }
            }
        }
        let applied = Applied { head, keys };
        batch.insert(META, encode_applied(&applied));
        guarded(|| Ok(self.view.tree.apply_batch(batch)?))?;
        self.applied = applied;
        Ok(())
    }

    fn was_present(&self, group: &mut HashMap<Vec<u8>, bool>, key: &[u8], becomes: bool) -> Result<bool, ViewError> {
        match group.insert(key.to_vec(), becomes) {
            Some(before) => Ok(before),
            None => guarded(|| Ok(self.view.tree.contains_key(key)?)),
        }
    }
}

/// The access log has segments of its own and must not fill the view.
pub fn is_access_log(chain: &[u8]) -> bool {
    chain == b"a/"
}

/// sled takes a snapshot that was being written for its newest one and then cannot open: it is safe to remove
/// exactly those, they are renamed only when complete.
fn remove_unfinished_snapshots(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn program_key(key: &[u8]) -> Vec<u8> {
    [&[PROGRAM], key].concat()
}

fn entry_key(chain: &[u8], sequence: u64) -> Vec<u8> {
    [&[ENTRY], chain, &[0], &sequence.to_be_bytes()].concat()
}

fn encode_head(stamp: &Stamp) -> Vec<u8> {
    [&stamp.sequence.to_be_bytes()[..], &stamp.chain].concat()
}

fn encode_applied(applied: &Applied) -> Vec<u8> {
    let head = &applied.head;
    [&head.group.to_be_bytes()[..], &head.hash, &head.time_us.to_be_bytes(), &applied.keys.to_be_bytes()].concat()
}

fn encode_held(sealed: &[u8], at: Place) -> Result<Vec<u8>, ViewError> {
    if sealed.len() <= INLINE_BYTES_MAX {
        return Ok([&[1], sealed].concat());
    }
    let version = keyring::version_of(sealed).map_err(|_| ViewError::Value)?;
    let length = u32::try_from(sealed.len()).map_err(|_| ViewError::Value)?;
    Ok([&[2][..], &version.to_be_bytes(), &at.segment.to_be_bytes(), &at.offset.to_be_bytes(), &length.to_be_bytes()]
        .concat())
}

fn decode_held(bytes: &[u8]) -> Result<Held, ViewError> {
    match bytes.split_first() {
        None => Ok(Held::Index),
        Some((1, sealed)) => Ok(Held::Inline(sealed.to_vec())),
        Some((2, place)) => decode_place(place).map_err(|_| ViewError::Value),
        Some((3, number)) => {
            let sequence = Reader(number).u64().map_err(|_| ViewError::Value)?;
            Ok(Held::Pointer { sequence })
        }
        Some(_) => Err(ViewError::Value),
    }
}

fn decode_place(bytes: &[u8]) -> Result<Held, frame::FrameError> {
    let mut read = Reader(bytes);
    let version = read.u64()?;
    let place = Place { segment: read.u64()?, offset: read.u64()? };
    Ok(Held::InJournal { version, place, length: read.u32()? })
}
