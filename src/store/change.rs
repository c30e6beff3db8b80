//! A `Change`: what one act writes, as data. All of it happens or none of it.

use jiff::Timestamp;
use uuid::Uuid;

use crate::crypto::Digest;

/// Largest change, in bytes of keys and values before sealing.
pub const CHANGE_BYTES_MAX: usize = 4 << 20;
/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 512;

/// A key of the store: made in `key.rs`, holds no personal data.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub(super) Vec<u8>);

impl Key {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// What a change relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The key is not there; what is put becomes version 1.
    Absent,
    /// The key is there in this version; what is put becomes the next.
    Version(u64),
}

/// A chain: an append-only list whose entries are numbered from 1 and bound to each other by digests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Chain {
    /// A portal's receipts: exactly its accepted submissions.
    Receipts(String),
    /// A portal's event feed.
    Events(String),
    /// What is told of services: numbered in the order in which readers and subscribers are told.
    Notices,
    /// The access log of this store, kept in segments of its own.
    AccessLog,
}

impl Chain {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Chain::Receipts(portal) => [b"r/", portal.as_bytes()].concat(),
            Chain::Events(portal) => [b"e/", portal.as_bytes()].concat(),
            Chain::Notices => b"n/".to_vec(),
            Chain::AccessLog => b"a/".to_vec(),
        }
    }
}

/// One entry to append; number, chain value and time are given by the commit.
#[derive(Debug, Clone)]
pub struct Append {
    pub chain: Chain,
    /// Names the entry before its number is known: its seal is bound to this.
    pub entry: Uuid,
    /// What the chain binds; for receipts the digest of the raw body.
    pub digest: Digest,
    pub payload: Vec<u8>,
    /// Where the commit leaves the entry's number, to be read as that key's version.
    pub pointer: Option<Key>,
}

/// One act on the store.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub(super) expect: Vec<(Key, Expected)>,
    pub(super) put: Vec<(Key, Vec<u8>)>,
    pub(super) index: Vec<Key>,
    pub(super) delete: Vec<Key>,
    pub(super) append: Vec<Append>,
}

impl Change {
    pub fn new() -> Change {
        Change::default()
    }

    /// Writes a record that must not exist yet.
    pub fn create(&mut self, key: Key, value: Vec<u8>) {
        self.expect.push((key.clone(), Expected::Absent));
        self.put.push((key, value));
    }

    /// Writes a record over the version that was read.
    pub fn replace(&mut self, key: Key, version: u64, value: Vec<u8>) {
        self.expect.push((key.clone(), Expected::Version(version)));
        self.put.push((key, value));
    }

    /// Removes the version that was read.
    pub fn remove(&mut self, key: Key, version: u64) {
        self.expect.push((key.clone(), Expected::Version(version)));
        self.delete.push(key);
    }

    /// Sets an index key: no value, no version.
    pub fn index(&mut self, key: Key) {
        self.index.push(key);
    }

    /// Removes an index key, there or not.
    pub fn unindex(&mut self, key: Key) {
        self.delete.push(key);
    }

    /// Whether it would write nothing.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.index.is_empty() && self.delete.is_empty() && self.append.is_empty()
    }

    /// Whether a record below the prefix is written.
    pub fn creates_below(&self, prefix: &Key) -> bool {
        self.put.iter().any(|(key, _)| key.0.starts_with(&prefix.0))
    }

    pub fn append(&mut self, append: Append) {
        self.append.push(append);
    }

    /// The version that a put gives its key. None breaks the rule that nobody writes over what was not seen.
    pub(super) fn version_of(&self, key: &Key) -> Option<u64> {
        self.expect.iter().find(|(k, _)| k == key).and_then(|(_, expected)| match expected {
            Expected::Absent => Some(1),
            Expected::Version(v) => v.checked_add(1),
        })
    }

    pub(super) fn is_within_bounds(&self) -> bool {
        let keys = self
            .put
            .iter()
            .map(|(k, _)| k)
            .chain(&self.index)
            .chain(&self.delete)
            .chain(self.expect.iter().map(|(k, _)| k));
        let mut bytes = 0;
        for key in keys {
            if key.0.is_empty() || key.0.len() > KEY_BYTES_MAX {
                return false;
            }
            bytes += key.0.len();
        }
        bytes += self.put.iter().map(|(_, v)| v.len()).sum::<usize>();
        bytes += self.append.iter().map(|a| a.payload.len()).sum::<usize>();
        bytes <= CHANGE_BYTES_MAX && self.append.iter().all(|a| a.chain.encode().len() <= KEY_BYTES_MAX)
    }
}

/// Where an appended entry came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub epoch: u64,
    /// From 1.
    pub sequence: u64,
    pub digest: Digest,
    /// SHA-256(previous chain value ‖ digest ‖ sequence as 8 bytes big-endian).
    pub chain: Digest,
}

/// A change on disk: when, and where its appended entries stand, in their order.
#[derive(Debug, Clone)]
pub struct Committed {
    pub at: Timestamp,
    pub stamps: Vec<Stamp>,
}

/// A record with the version to expect when it is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    pub version: u64,
    pub value: Vec<u8>,
}

/// An entry of a chain, read back.
#[derive(Debug, Clone)]
pub struct Entry {
    pub stamp: Stamp,
    pub at: Timestamp,
    pub payload: Vec<u8>,
}
