//! The journal's bytes: segment headers, frame groups and the operations in them. Pure.
//!
//! Formats are fixed by golden files; all numbers are big-endian.
//!
//! ```text
//! segment header, 128 bytes
//!   0 "BKVKJRNL"  8 format u32  12 reserved u32  16 store uuid  32 epoch u64  40 first group u64
//!  48 hash of the frame before 32  80 reserved  124 crc32 of 0..124
//! frame
//!   0 "BkvG"  4 kind u8  5 reserved 3  8 payload length u32  12 crc32 of 4..12 and 16..end
//!  16 group u64  24 time i64 (µs since 1970)  32 hash of the frame before 32  64 payload
//! payload
//!   change count u32, then for each change: operation count u32, then operations
//! operation
//!   1 put     key u16+bytes, sealed value u32+bytes
//!   2 index   key u16+bytes
//!   3 delete  key u16+bytes
//!   4 append  chain u16+bytes, epoch u64, sequence u64, digest 32, chain value 32, entry uuid, payload u32+bytes
//!   5 pointer key u16+bytes, sequence u64
//! ```

use jiff::Timestamp;
use uuid::Uuid;

use super::change::Stamp;
use crate::crypto::{Digest, sha256};

pub const SEGMENT_HEADER_BYTES: usize = 128;
pub const FRAME_HEADER_BYTES: usize = 64;
/// Largest payload of a frame; a group is closed before it grows past this.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;

const SEGMENT_MAGIC: &[u8; 8] = b"BKVKJRNL";
const FRAME_MAGIC: &[u8; 4] = b"BkvG";
const FORMAT: u32 = 1;
const KIND_GROUP: u8 = 1;

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the bytes end before the frame does")]
    Short,
    #[error("no frame begins here")]
    Magic,
    #[error("the checksum does not match")]
    Checksum,
    #[error("written by a newer program (format or operation unknown)")]
    Newer,
    #[error("a length runs past its frame")]
    Length,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHeader {
    pub store: Uuid,
    pub epoch: u64,
    pub first_group: u64,
    pub previous: Digest,
}

impl SegmentHeader {
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut out = [0; SEGMENT_HEADER_BYTES];
        out[..8].copy_from_slice(SEGMENT_MAGIC);
        out[8..12].copy_from_slice(&FORMAT.to_be_bytes());
        out[16..32].copy_from_slice(self.store.as_bytes());
        out[32..40].copy_from_slice(&self.epoch.to_be_bytes());
        out[40..48].copy_from_slice(&self.first_group.to_be_bytes());
        out[48..80].copy_from_slice(&self.previous);
        let crc = crc32fast::hash(&out[..124]);
        out[124..].copy_from_slice(&crc.to_be_bytes());
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<SegmentHeader, FrameError> {
        let mut read = Reader(bytes.get(..SEGMENT_HEADER_BYTES).ok_or(FrameError::Short)?);
        if read.take(8)? != SEGMENT_MAGIC {
            return Err(FrameError::Magic);
        }
        let format = read.u32()?;
        let crc = Reader(&bytes[124..]).u32()?;
        if crc != crc32fast::hash(&bytes[..124]) {
            return Err(FrameError::Checksum);
        }
        if format != FORMAT {
            return Err(FrameError::Newer);
        }
        read.take(4)?;
        Ok(SegmentHeader {
            store: Uuid::from_bytes(read.array()?),
            epoch: read.u64()?,
            first_group: read.u64()?,
            previous: read.array()?,
        })
    }
}

/// What a frame says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameHeader {
    pub group: u64,
    pub time_us: i64,
    pub previous: Digest,
}

/// A frame found in a segment.
#[derive(Debug)]
pub struct Frame<'a> {
    pub header: FrameHeader,
    pub payload: &'a [u8],
    /// Bytes of the whole frame.
    pub bytes: usize,
    pub hash: Digest,
}

/// Closes `buffer`, which holds room for the header and then the payload.
pub fn seal_frame(buffer: &mut [u8], header: &FrameHeader) -> Result<Digest, FrameError> {
    let length = buffer.len().checked_sub(FRAME_HEADER_BYTES).ok_or(FrameError::Short)?;
    let length = u32::try_from(length).map_err(|_| FrameError::Length)?;
    buffer[..4].copy_from_slice(FRAME_MAGIC);
    buffer[4..8].copy_from_slice(&[KIND_GROUP, 0, 0, 0]);
    buffer[8..12].copy_from_slice(&length.to_be_bytes());
    buffer[16..24].copy_from_slice(&header.group.to_be_bytes());
    buffer[24..32].copy_from_slice(&header.time_us.to_be_bytes());
    buffer[32..64].copy_from_slice(&header.previous);
    let crc = checksum(buffer);
    buffer[12..16].copy_from_slice(&crc.to_be_bytes());
    Ok(sha256(&[buffer]))
}

/// Reads the frame at the beginning of `bytes`.
pub fn read_frame(bytes: &[u8]) -> Result<Frame<'_>, FrameError> {
    let mut read = Reader(bytes);
    if read.take(4)? != FRAME_MAGIC {
        return Err(FrameError::Magic);
    }
    let kind = read.take(4)?[0];
    let length = read.u32()? as usize;
    if length > PAYLOAD_BYTES_MAX {
        return Err(FrameError::Length);
    }
    let crc = read.u32()?;
    let whole = bytes.get(..FRAME_HEADER_BYTES + length).ok_or(FrameError::Short)?;
    if checksum(whole) != crc {
        return Err(FrameError::Checksum);
    }
    if kind != KIND_GROUP {
        return Err(FrameError::Newer);
    }
    let header = FrameHeader { group: read.u64()?, time_us: read.i64()?, previous: read.array()? };
    Ok(Frame { header, payload: &whole[FRAME_HEADER_BYTES..], bytes: whole.len(), hash: sha256(&[whole]) })
}

fn checksum(frame: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&frame[4..12]);
    hasher.update(&frame[16..]);
    hasher.finalize()
}

/// One operation as it stands in a frame, borrowed from it.
#[derive(Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    Put { key: &'a [u8], value: &'a [u8], value_at: usize },
    Index { key: &'a [u8] },
    Delete { key: &'a [u8] },
    Append { chain: &'a [u8], stamp: Stamp, entry: Uuid, payload: &'a [u8] },
    Pointer { key: &'a [u8], sequence: u64 },
}

/// Writes operations of changes into a frame's payload.
pub struct Encoder {
    buffer: Vec<u8>,
    changes: u32,
    /// Where the running change's operation count stands.
    count_at: usize,
    operations: u32,
}

impl Default for Encoder {
    fn default() -> Encoder {
        let mut buffer = vec![0; FRAME_HEADER_BYTES];
        buffer.extend_from_slice(&[0; 4]);
        Encoder { buffer, changes: 0, count_at: 0, operations: 0 }
    }
}

impl Encoder {
    /// Bytes so far, header included.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    pub fn begin_change(&mut self) {
        self.count_at = self.buffer.len();
        self.operations = 0;
        self.changes += 1;
        self.buffer.extend_from_slice(&[0; 4]);
    }

    pub fn end_change(&mut self) {
        let count = self.operations.to_be_bytes();
        if let Some(place) = self.buffer.get_mut(self.count_at..self.count_at + 4) {
            place.copy_from_slice(&count);
        }
    }

    /// Returns where in the frame the value begins.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> usize {
        self.tag(1);
        self.short(key);
        self.long(value)
    }

    pub fn index(&mut self, key: &[u8]) {
        self.tag(2);
        self.short(key);
    }

    pub fn delete(&mut self, key: &[u8]) {
        self.tag(3);
        self.short(key);
    }

    pub fn append(&mut self, chain: &[u8], stamp: &Stamp, entry: Uuid, payload: &[u8]) {
        self.tag(4);
        self.short(chain);
        self.buffer.extend_from_slice(&stamp.epoch.to_be_bytes());
        self.buffer.extend_from_slice(&stamp.sequence.to_be_bytes());
        self.buffer.extend_from_slice(&stamp.digest);
        self.buffer.extend_from_slice(&stamp.chain);
        self.buffer.extend_from_slice(entry.as_bytes());
        self.long(payload);
    }

    pub fn pointer(&mut self, key: &[u8], sequence: u64) {
        self.tag(5);
        self.short(key);
        self.buffer.extend_from_slice(&sequence.to_be_bytes());
    }

    /// The frame, ready to be written, and its hash.
    pub fn finish(mut self, header: &FrameHeader) -> Result<(Vec<u8>, Digest), FrameError> {
        let count = self.changes.to_be_bytes();
        self.buffer[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + 4].copy_from_slice(&count);
        let hash = seal_frame(&mut self.buffer, header)?;
        Ok((self.buffer, hash))
    }

    fn tag(&mut self, tag: u8) {
        self.operations += 1;
        self.buffer.push(tag);
    }

    // Bounds of keys and values are checked before a change comes here, so the lengths fit.
    fn short(&mut self, bytes: &[u8]) {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        self.buffer.extend_from_slice(&length.to_be_bytes());
        self.buffer.extend_from_slice(bytes);
    }

    fn long(&mut self, bytes: &[u8]) -> usize {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.buffer.extend_from_slice(&length.to_be_bytes());
        let at = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        at
    }
}

/// Every operation of a payload, in order; `value_at` counts from the beginning of the frame.
pub fn operations(payload: &[u8]) -> Result<Vec<Operation<'_>>, FrameError> {
    let mut read = Reader(payload);
    let mut out = Vec::new();
    for _ in 0..read.u32()? {
        for _ in 0..read.u32()? {
            out.push(operation(&mut read, payload.len())?);
        }
    }
    if read.0.is_empty() { Ok(out) } else { Err(FrameError::Length) }
}

fn operation<'a>(read: &mut Reader<'a>, payload_bytes: usize) -> Result<Operation<'a>, FrameError> {
    Ok(match read.take(1)?[0] {
        1 => {
            let key = read.short()?;
            let value = read.long()?;
            let value_at = FRAME_HEADER_BYTES + payload_bytes - read.0.len() - value.len();
            Operation::Put { key, value, value_at }
        }
        2 => Operation::Index { key: read.short()? },
        3 => Operation::Delete { key: read.short()? },
        4 => Operation::Append {
            chain: read.short()?,
            stamp: Stamp { epoch: read.u64()?, sequence: read.u64()?, digest: read.array()?, chain: read.array()? },
            entry: Uuid::from_bytes(read.array()?),
            payload: read.long()?,
        },
        5 => Operation::Pointer { key: read.short()?, sequence: read.u64()? },
        _ => return Err(FrameError::Newer),
    })
}

/// An entry of a chain as the view and the access log keep it.
///
/// ```text
/// epoch u64, sequence u64, time i64 (µs), digest 32, chain value 32, entry uuid, sealed payload
/// ```
pub fn encode_entry(stamp: &Stamp, time_us: i64, entry: Uuid, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(104 + payload.len());
    out.extend_from_slice(&stamp.epoch.to_be_bytes());
    out.extend_from_slice(&stamp.sequence.to_be_bytes());
    out.extend_from_slice(&time_us.to_be_bytes());
    out.extend_from_slice(&stamp.digest);
    out.extend_from_slice(&stamp.chain);
    out.extend_from_slice(entry.as_bytes());
    out.extend_from_slice(payload);
    out
}

/// The parts of an entry: stamp, time in µs, entry id, sealed payload.
pub fn decode_entry(bytes: &[u8]) -> Result<(Stamp, i64, Uuid, &[u8]), FrameError> {
    let mut read = Reader(bytes);
    let (epoch, sequence, time_us) = (read.u64()?, read.u64()?, read.i64()?);
    let stamp = Stamp { epoch, sequence, digest: read.array()?, chain: read.array()? };
    Ok((stamp, time_us, Uuid::from_bytes(read.array()?), read.0))
}

/// Time as the journal keeps it.
pub fn timestamp(time_us: i64) -> Timestamp {
    Timestamp::from_microsecond(time_us).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Reads big-endian numbers and length-prefixed bytes; never past the end.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], FrameError> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(FrameError::Short)?;
        self.0 = tail;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        self.take(N)?.try_into().map_err(|_| FrameError::Short)
    }

    pub fn u32(&mut self) -> Result<u32, FrameError> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, FrameError> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, FrameError> {
        self.array().map(i64::from_be_bytes)
    }

    fn short(&mut self) -> Result<&'a [u8], FrameError> {
        let length = u16::from_be_bytes(self.array()?);
        self.take(usize::from(length))
    }

    fn long(&mut self) -> Result<&'a [u8], FrameError> {
        let length = self.u32()? as usize;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hex;
    use proptest::prelude::*;

    fn sample() -> (Vec<u8>, Digest) {
        let stamp = Stamp { epoch: 1, sequence: 7, digest: [3; 32], chain: [4; 32] };
        let mut encoder = Encoder::default();
        encoder.begin_change();
        encoder.put(b"k", b"value");
        encoder.index(b"i");
        encoder.end_change();
        encoder.begin_change();
        encoder.delete(b"old");
        encoder.append(b"r/P", &stamp, Uuid::from_bytes([5; 16]), b"payload");
        encoder.pointer(b"p", 7);
        encoder.end_change();
        let header = FrameHeader { group: 9, time_us: 1_700_000_000_000_000, previous: [2; 32] };
        encoder.finish(&header).unwrap()
    }

    #[test]
    fn a_frame_is_read_back_as_it_was_written() {
        let (bytes, hash) = sample();
        let frame = read_frame(&bytes).unwrap();
        assert_eq!((frame.header.group, frame.bytes, frame.hash), (9, bytes.len(), hash));
        let operations = operations(frame.payload).unwrap();
        assert_eq!(operations.len(), 5);
        let Operation::Put { key, value, value_at } = operations[0] else { panic!("first is a put") };
        assert_eq!((key, value), (&b"k"[..], &b"value"[..]));
        assert_eq!(&bytes[value_at..value_at + 5], b"value");
    }

    #[test]
    fn the_frame_format_is_the_golden_one() {
        let golden = include_str!("golden/frame-1.hex");
        assert_eq!(hex(&sample().0), golden.split_whitespace().collect::<String>());
        let header = SegmentHeader { store: Uuid::from_bytes([1; 16]), epoch: 2, first_group: 3, previous: [4; 32] };
        let golden = include_str!("golden/segment-header-1.hex");
        assert_eq!(hex(&header.encode()), golden.split_whitespace().collect::<String>());
        assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn every_bent_byte_of_a_frame_is_noticed() {
        let (bytes, _) = sample();
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 0x10;
            assert!(read_frame(&bent).is_err(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_readers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_frame(&bytes);
            let _ = operations(&bytes);
            let _ = SegmentHeader::decode(&bytes);
            let _ = decode_entry(&bytes);
        }
    }
}
