//! The access log's segments: chained entries, append-only, apart from the view, kept for years.
//!
//! Filled from the same frames as the view, so the journal covers what is not yet synced here.
//!
//! ```text
//! file "{first sequence}.log": "BKVKACCS", format u32, reserved u32, then entries:
//! length u32, crc32 of the entry u32, entry (see frame.rs)
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame::{self, Reader};

const MAGIC: &[u8; 8] = b"BKVKACCS";
const HEADER_BYTES: usize = 16;
const FORMAT: u32 = 1;
const SEGMENT_BYTES_MAX: u64 = 64 << 20;

pub struct AccessLog {
    dir: PathBuf,
    file: Option<File>,
    end: u64,
    /// Sequence of the last entry, 0 before the first.
    pub last: u64,
}

impl AccessLog {
    /// Opens the newest segment and cuts a torn entry at its end: the journal has it.
    pub fn open(dir: &Path) -> io::Result<AccessLog> {
        fs::create_dir_all(dir)?;
        let Some(first) = segments(dir)?.pop() else {
            return Ok(AccessLog { dir: dir.to_owned(), file: None, end: 0, last: 0 });
        };
        let path = segment_path(dir, first);
        let bytes = fs::read(&path)?;
        check_header(&path, &bytes)?;
        let mut last = first - 1;
        let mut end = HEADER_BYTES;
        while let Some((entry, length)) = entry_at(&bytes, end) {
            last = frame::decode_entry(entry).map_or(last, |(stamp, ..)| stamp.sequence);
            end += length;
        }
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        file.set_len(end as u64)?;
        Ok(AccessLog { dir: dir.to_owned(), file: Some(file), end: end as u64, last })
    }

    /// Appends an entry unless it is there already; not synced.
    pub fn append(&mut self, sequence: u64, entry: &[u8]) -> io::Result<()> {
        if sequence <= self.last {
            return Ok(());
        }
        if self.end > SEGMENT_BYTES_MAX {
            self.sync()?;
            self.file = None;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                self.end = HEADER_BYTES as u64;
                none.insert(create_segment(&self.dir, sequence)?)
            }
        };
        let length = u32::try_from(entry.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut out = Vec::with_capacity(entry.len() + 8);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&crc32fast::hash(entry).to_be_bytes());
        out.extend_from_slice(entry);
        file.write_all_at(&out, self.end)?;
        self.end += out.len() as u64;
        self.last = sequence;
        Ok(())
    }

    pub fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }
}

/// Up to `limit` entries after a sequence, oldest first, as they stand on disk.
pub fn read(dir: &Path, after: u64, limit: usize) -> io::Result<Vec<Vec<u8>>> {
    let all = segments(dir)?;
    let start = all.iter().rposition(|first| *first <= after + 1).unwrap_or(0);
    let mut out = Vec::new();
    for first in all.into_iter().skip(start) {
        let path = segment_path(dir, first);
        let bytes = fs::read(&path)?;
        check_header(&path, &bytes)?;
        let mut at = HEADER_BYTES;
        while let Some((entry, length)) = entry_at(&bytes, at) {
            at += length;
            if frame::decode_entry(entry).is_ok_and(|(stamp, ..)| stamp.sequence > after) {
                out.push(entry.to_vec());
            }
            if out.len() == limit {
                return Ok(out);
            }
        }
    }
    Ok(out)
}

/// The entry at a place and the bytes that it takes; None where no whole entry stands.
fn entry_at(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let mut read = Reader(bytes.get(at..)?);
    let length = read.u32().ok()? as usize;
    let crc = read.u32().ok()?;
    let entry = read.take(length).ok()?;
    (length > 0 && crc32fast::hash(entry) == crc).then_some((entry, length + 8))
}

fn check_header(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut read = Reader(bytes);
    let known = read.take(8).is_ok_and(|m| m == MAGIC) && read.u32() == Ok(FORMAT);
    if known {
        return Ok(());
    }
    let text = format!("{}: no access log of format 1", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidData, text))
}

fn segments(dir: &Path) -> io::Result<Vec<u64>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        out.extend(name.to_str().and_then(|n| n.strip_suffix(".log")).and_then(|n| n.parse::<u64>().ok()));
    }
    out.sort_unstable();
    Ok(out)
}

fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.log"))
}

fn create_segment(dir: &Path, first: u64) -> io::Result<File> {
    let path = segment_path(dir, first);
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&unfinished)?;
    file.write_all(MAGIC)?;
    file.write_all(&FORMAT.to_be_bytes())?;
    file.write_all(&[0; 4])?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    File::open(dir)?.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::change::Stamp;
    use uuid::Uuid;

    fn entry(sequence: u64) -> Vec<u8> {
        let stamp = Stamp { epoch: 1, sequence, digest: [1; 32], chain: [2; 32] };
        frame::encode_entry(&stamp, 5, Uuid::nil(), b"sealed")
    }

    #[test]
    fn entries_are_read_back_in_order_and_a_repeated_one_is_not_written_twice() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = AccessLog::open(dir.path()).unwrap();
        for sequence in [1, 2, 2, 3] {
            log.append(sequence, &entry(sequence)).unwrap();
        }
        assert_eq!(read(dir.path(), 1, 10).unwrap(), [entry(2), entry(3)]);
        assert_eq!(read(dir.path(), 0, 2).unwrap().len(), 2);
    }

    #[test]
    fn a_torn_entry_is_cut_and_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = AccessLog::open(dir.path()).unwrap();
        log.append(1, &entry(1)).unwrap();
        log.append(2, &entry(2)).unwrap();
        let path = segment_path(dir.path(), 1);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        let mut log = AccessLog::open(dir.path()).unwrap();
        assert_eq!(log.last, 1);
        log.append(2, &entry(2)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
