//! The journal: append-only segments on disk, one frame a group, synced before anybody hears of it. The truth.
//!
//! A torn tail is cut. Damage before good frames is refused: cutting there would lose what was acknowledged.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::frame::{self, Frame, FrameError, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::crypto::Digest;

/// A segment is closed when it would grow past this.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// The epoch of a store that was never restored.
pub const FIRST_EPOCH: u64 = 1;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}, byte {offset}: {error}, and good frames follow. Nothing was changed. Restore this file from a mirror or a backup, or move the store aside and restore the whole of it", path = path.display())]
    Damaged { path: PathBuf, offset: u64, error: FrameError },
    #[error("{path}: belongs to store {found}, this is store {expected}. Put back the keyring that lies beside this journal", path = path.display())]
    OtherStore { path: PathBuf, found: Uuid, expected: Uuid },
    #[error("{path}: does not continue the segment before it. A segment is missing: put it back from a mirror or a backup", path = path.display())]
    Gap { path: PathBuf },
    #[error("{path}: {error}. Run the version of budkavle that wrote it, or a later one", path = path.display())]
    Newer { path: PathBuf, error: FrameError },
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io { path, source }
}

/// Where a frame came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// First group of the segment, which is its name.
    pub segment: u64,
    pub offset: u64,
}

/// The end of the journal: what the next frame continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub group: u64,
    pub hash: Digest,
    pub time_us: i64,
}

pub struct Journal {
    dir: PathBuf,
    store: Uuid,
    pub epoch: u64,
    /// First groups of all segments, ascending; the last is open for writing.
    segments: Vec<u64>,
    file: File,
    /// Where the next frame goes. Bytes behind it are not part of the journal.
    end: u64,
    pub head: Head,
    /// The last write failed: what lies behind `end` must be cut before the next.
    uncertain: bool,
    /// Bytes of a torn frame that were cut while opening.
    pub torn_bytes: u64,
}

impl Journal {
    /// Opens or creates the journal in `dir`. Reads the last segment whole, of the others the headers.
    pub fn open(dir: &Path, store: Uuid) -> Result<Journal, JournalError> {
        fs::create_dir_all(dir).map_err(io_at(dir))?;
        let segments = list_segments(dir)?;
        let Some(&last) = segments.last() else {
            return Journal::create(dir, store);
        };
        let mut epoch = FIRST_EPOCH;
        for (at, first) in segments.iter().enumerate() {
            let path = segment_path(dir, *first);
            let header = read_header(&path)?;
            if header.store != store {
                return Err(JournalError::OtherStore { path, found: header.store, expected: store });
            }
            if header.first_group != *first || (at == 0 && *first != 1) {
                return Err(JournalError::Gap { path });
            }
            epoch = epoch.max(header.epoch);
        }
        let path = segment_path(dir, last);
        let bytes = fs::read(&path).map_err(io_at(&path))?;
        let header = read_header(&path)?;
        let before = Head { group: last - 1, hash: header.previous, time_us: 0 };
        let (head, end) = walk(&path, &bytes, before, |_, _| Ok(()))?;
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(io_at(&path))?;
        let torn_bytes = bytes.len() as u64 - end;
        if torn_bytes > 0 {
            keep_torn(&path, head.group, bytes.get(usize::try_from(end).unwrap_or(usize::MAX)..).unwrap_or_default())
                .map_err(io_at(&path))?;
            file.set_len(end).map_err(io_at(&path))?;
        }
        // A kill may have come between write and sync: what the view is about to be given has to outlive a power cut,
        // or the view would know more than the journal.
        file.sync_all().map_err(io_at(&path))?;
        let dir = dir.to_owned();
        Ok(Journal { dir, store, epoch, segments, file, end, head, uncertain: false, torn_bytes })
    }

    fn create(dir: &Path, store: Uuid) -> Result<Journal, JournalError> {
        let header = SegmentHeader { store, epoch: FIRST_EPOCH, first_group: 1, previous: [0; 32] };
        let file = create_segment(dir, &header).map_err(io_at(dir))?;
        Ok(Journal {
            dir: dir.to_owned(),
            store,
            epoch: FIRST_EPOCH,
            segments: vec![1],
            file,
            end: SEGMENT_HEADER_BYTES as u64,
            head: Head { group: 0, hash: [0; 32], time_us: 0 },
            uncertain: false,
            torn_bytes: 0,
        })
    }

    /// Writes one frame and syncs it. After an error nothing of it counts: the next append cuts first.
    pub fn append(&mut self, frame: &[u8], head: Head) -> io::Result<Place> {
        if self.uncertain {
            self.file.set_len(self.end)?;
            self.file.sync_all()?;
            self.uncertain = false;
        }
        if self.is_full_for(frame.len()) {
            self.rotate()?;
        }
        self.uncertain = true;
        self.file.write_all_at(frame, self.end)?;
        self.file.sync_data()?;
        self.uncertain = false;
        let place = Place { segment: self.last_segment(), offset: self.end };
        self.end += frame.len() as u64;
        self.head = head;
        Ok(place)
    }

    /// The next frame of so many bytes will begin a new segment.
    pub fn is_full_for(&self, bytes: usize) -> bool {
        self.end + bytes as u64 > SEGMENT_BYTES_MAX && self.end > SEGMENT_HEADER_BYTES as u64
    }

    /// First group of the segment that is being written.
    pub fn last_segment(&self) -> u64 {
        self.segments.last().copied().unwrap_or(1)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let first_group = self.head.group + 1;
        let header = SegmentHeader { store: self.store, epoch: self.epoch, first_group, previous: self.head.hash };
        self.file = create_segment(&self.dir, &header)?;
        self.segments.push(first_group);
        self.end = SEGMENT_HEADER_BYTES as u64;
        Ok(())
    }

    /// Gives every frame after `group` to `each`, in order, with its place.
    pub fn replay<E: From<JournalError>>(
        &self,
        group: u64,
        each: impl FnMut(&Frame<'_>, Place) -> Result<(), E>,
    ) -> Result<(), E> {
        let reading = Reading { dir: self.dir.clone(), segments: self.segments.clone() };
        reading.replay(group, each)
    }

    #[cfg(test)]
    pub fn segment_path(&self, segment: u64) -> PathBuf {
        segment_path(&self.dir, segment)
    }
}

/// A journal's segments, to be read only: beside a running commit thread its last frame may be half there.
pub struct Reading {
    dir: PathBuf,
    segments: Vec<u64>,
}

impl Reading {
    pub fn of(dir: &Path) -> Result<Reading, JournalError> {
        Ok(Reading { dir: dir.to_owned(), segments: list_segments(dir)? })
    }

    /// Reads every frame and its place in the chain; how many there are.
    pub fn count(&self) -> Result<u64, JournalError> {
        let mut last = 0;
        self.replay::<JournalError>(0, |frame, _| {
            last = frame.header.group;
            Ok(())
        })?;
        Ok(last)
    }

    fn replay<E: From<JournalError>>(
        &self,
        group: u64,
        mut each: impl FnMut(&Frame<'_>, Place) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.segments.iter().rposition(|first| *first <= group + 1).unwrap_or(0);
        let mut before: Option<Head> = None;
        for segment in self.segments.iter().skip(start).copied() {
            let path = segment_path(&self.dir, segment);
            let bytes = fs::read(&path).map_err(|e| E::from(io_at(&path)(e)))?;
            let header = read_header(&path).map_err(E::from)?;
            let expected = before.unwrap_or(Head { group: segment - 1, hash: header.previous, time_us: 0 });
            if expected.group + 1 != segment || expected.hash != header.previous {
                return Err(E::from(JournalError::Gap { path }));
            }
            let end = walk(&path, &bytes, expected, |frame, offset| match frame.header.group > group {
                true => each(frame, Place { segment, offset }),
                false => Ok(()),
            })?;
            before = Some(end.0);
        }
        Ok(())
    }
}

/// Goes through the frames of a segment; returns the head and where the good frames end.
fn walk<E: From<JournalError>>(
    path: &Path,
    bytes: &[u8],
    mut head: Head,
    mut each: impl FnMut(&Frame<'_>, u64) -> Result<(), E>,
) -> Result<(Head, u64), E> {
    let mut at = SEGMENT_HEADER_BYTES;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.iter().all(|b| *b == 0) {
            return Ok((head, at as u64));
        }
        let error = match frame::read_frame(rest) {
            Ok(frame) if frame.header.group == head.group + 1 && frame.header.previous == head.hash => {
                each(&frame, at as u64)?;
                head = Head { group: frame.header.group, hash: frame.hash, time_us: frame.header.time_us };
                at += frame.bytes;
                continue;
            }
            Ok(_) => FrameError::Magic,
            Err(FrameError::Newer) => {
                let path = path.to_owned();
                return Err(JournalError::Newer { path, error: FrameError::Newer }.into());
            }
            Err(error) => error,
        };
        if good_frame_follows(rest) {
            let path = path.to_owned();
            return Err(JournalError::Damaged { path, offset: at as u64, error }.into());
        }
        return Ok((head, at as u64));
    }
}

/// Values are sealed, so nobody outside can plant the bytes of a frame in one.
fn good_frame_follows(rest: &[u8]) -> bool {
    (1..rest.len()).filter(|at| rest[*at..].starts_with(b"BkvG")).any(|at| frame::read_frame(&rest[at..]).is_ok())
}

fn list_segments(dir: &Path) -> Result<Vec<u64>, JournalError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_at(dir))? {
        let name = entry.map_err(io_at(dir))?.file_name();
        if let Some(first) = name.to_str().and_then(|n| n.strip_suffix(".log")).and_then(|n| n.parse().ok()) {
            segments.push(first);
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.log"))
}

fn read_header(path: &Path) -> Result<SegmentHeader, JournalError> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    let file = File::open(path).map_err(io_at(path))?;
    file.read_exact_at(&mut bytes, 0).map_err(io_at(path))?;
    SegmentHeader::decode(&bytes).map_err(|error| match error {
        FrameError::Newer => JournalError::Newer { path: path.to_owned(), error },
        error => JournalError::Damaged { path: path.to_owned(), offset: 0, error },
    })
}

/// What is cut is kept beside: should it turn out to have been acknowledged, it is the only copy.
fn keep_torn(path: &Path, after_group: u64, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path.with_extension(format!("{after_group}.torn")))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whole or not there: written beside, synced, renamed, the directory synced.
fn create_segment(dir: &Path, header: &SegmentHeader) -> io::Result<File> {
    let path = segment_path(dir, header.first_group);
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&unfinished)?;
    file.write_all(&header.encode())?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    File::open(dir)?.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::frame::{Encoder, FrameHeader};

    const STORE: Uuid = Uuid::from_u128(7);

    fn write(journal: &mut Journal, text: &[u8]) {
        let mut encoder = Encoder::default();
        encoder.begin_change();
        encoder.put(b"k", text);
        encoder.end_change();
        let header = FrameHeader { group: journal.head.group + 1, time_us: 5, previous: journal.head.hash };
        let (bytes, hash) = encoder.finish(&header).unwrap();
        journal.append(&bytes, Head { group: header.group, hash, time_us: 5 }).unwrap();
    }

    fn groups(journal: &Journal, after: u64) -> Vec<u64> {
        let mut seen = Vec::new();
        journal
            .replay::<JournalError>(after, |frame, _| {
                seen.push(frame.header.group);
                Ok(())
            })
            .unwrap();
        seen
    }

    fn three_frames(dir: &Path) -> PathBuf {
        let mut journal = Journal::open(dir, STORE).unwrap();
        for text in [&b"one"[..], b"two", b"three"] {
            write(&mut journal, text);
        }
        journal.segment_path(1)
    }

    #[test]
    fn what_was_appended_is_replayed_and_continued() {
        let dir = tempfile::tempdir().unwrap();
        three_frames(dir.path());
        let mut journal = Journal::open(dir.path(), STORE).unwrap();
        assert_eq!((journal.head.group, journal.torn_bytes), (3, 0));
        write(&mut journal, b"four");
        assert_eq!(groups(&journal, 0), [1, 2, 3, 4]);
        assert_eq!(groups(&journal, 3), [4]);
    }

    #[test]
    fn a_torn_tail_is_cut_wherever_it_was_torn() {
        let dir = tempfile::tempdir().unwrap();
        let path = three_frames(dir.path());
        let whole = fs::read(&path).unwrap();
        let frame = (whole.len() - SEGMENT_HEADER_BYTES) / 3;
        for missing in 1..frame - 2 {
            fs::write(&path, &whole[..whole.len() - missing]).unwrap();
            let journal = Journal::open(dir.path(), STORE).unwrap();
            assert_eq!(groups(&journal, 0), [1, 2], "{missing} bytes missing");
        }
    }

    #[test]
    fn damage_before_good_frames_is_refused_and_nothing_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = three_frames(dir.path());
        let mut bytes = fs::read(&path).unwrap();
        bytes[SEGMENT_HEADER_BYTES + 70] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let error = Journal::open(dir.path(), STORE).err().unwrap();
        assert!(matches!(error, JournalError::Damaged { offset: 128, .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn another_stores_segment_and_a_missing_segment_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = three_frames(dir.path());
        let error = Journal::open(dir.path(), Uuid::from_u128(8)).err().unwrap();
        assert!(matches!(error, JournalError::OtherStore { .. }), "{error}");
        fs::rename(&path, dir.path().join(format!("{:020}.log", 4))).unwrap();
        let error = Journal::open(dir.path(), STORE).err().unwrap();
        assert!(matches!(error, JournalError::Gap { .. }), "{error}");
    }

    #[test]
    fn a_half_made_segment_is_no_segment() {
        let dir = tempfile::tempdir().unwrap();
        three_frames(dir.path());
        fs::write(dir.path().join(format!("{:020}.new", 4)), b"BKVK").unwrap();
        assert_eq!(Journal::open(dir.path(), STORE).unwrap().head.group, 3);
    }
}
