//! Keys of subscribers in the store `common`. An address stands only as keyed hash.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Key, key, prefix, time, timed};
use crate::crypto::Digest;

pub fn subscriber(id: Uuid) -> Key {
    key(&[b"subscriber", id.as_bytes()])
}

/// All of them, in the order in which they came.
pub fn subscribers() -> Key {
    prefix(&[b"subscriber"])
}

/// Who has an address, for one audience: named by a keyed hash of both.
pub fn subscriber_address(hash: &Digest) -> Key {
    key(&[b"subscriber-address", hash])
}

/// Subscribers by when they are to be forgotten.
pub fn subscriber_forget(at: Timestamp, id: Uuid) -> Key {
    timed(&[b"i-subscriber-forget"], at, id)
}

pub fn subscribers_to_forget() -> Key {
    prefix(&[b"i-subscriber-forget"])
}

/// Why an address gets no mail: named by its keyed hash.
pub fn suppression(hash: &Digest) -> Key {
    key(&[b"suppression", hash])
}

/// Suppressions by when they end.
pub fn suppression_end(at: Timestamp, hash: &Digest) -> Key {
    Key([suppression_ends().as_bytes(), &time(at), hash].concat())
}

pub fn suppression_ends() -> Key {
    prefix(&[b"i-suppression-end"])
}

/// The address that a key of `suppression_end` names.
pub fn ended_suppression(key: &Key) -> Option<Digest> {
    key.as_bytes().last_chunk().copied()
}

pub fn subscriber_list(slug: &str) -> Key {
    key(&[b"subscriber-list", slug.as_bytes()])
}

pub fn subscriber_lists() -> Key {
    prefix(&[b"subscriber-list"])
}

pub fn list_member(slug: &str, id: Uuid) -> Key {
    key(&[b"i-list-member", slug.as_bytes(), id.as_bytes()])
}

pub fn list_members(slug: &str) -> Key {
    prefix(&[b"i-list-member", slug.as_bytes()])
}

/// The subscriber that a key of `list_member` names.
pub fn member_of_list(key: &Key) -> Option<Uuid> {
    Uuid::from_slice(key.as_bytes().last_chunk::<16>()?).ok()
}

/// Who follows one incident or maintenance.
pub fn subject_follower(subject: Uuid, id: Uuid) -> Key {
    key(&[b"i-subject-follower", subject.as_bytes(), id.as_bytes()])
}

pub fn subject_followers() -> Key {
    prefix(&[b"i-subject-follower"])
}

/// The subject and the subscriber that a key of `subject_follower` names.
pub fn follower_of_subject(key: &Key) -> Option<(Uuid, Uuid)> {
    // Both ids may hold a zero byte: they stand at fixed places from the end.
    let (subject, id) = key.as_bytes().last_chunk::<33>()?.split_first_chunk::<16>()?;
    Some((Uuid::from_bytes(*subject), Uuid::from_slice(id.get(1..)?).ok()?))
}
