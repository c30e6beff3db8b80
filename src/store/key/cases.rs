//! Keys of the store `cases`.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Key, key, prefix, timed};
use crate::crypto::Digest;
use crate::domain::id::HsaId;

pub fn case(id: Uuid) -> Key {
    key(&[b"case", id.as_bytes()])
}

pub fn document(case: Uuid, number: u32) -> Key {
    key(&[b"document", case.as_bytes(), &number.to_be_bytes()])
}

pub fn form(digest: &Digest) -> Key {
    key(&[b"form", digest])
}

/// Named by a keyed hash of portal and key.
pub fn idempotency(id: Uuid) -> Key {
    key(&[b"idempotency", id.as_bytes()])
}

/// Stored answers by when they may be forgotten.
pub fn idempotency_expiry(at: Timestamp, id: Uuid) -> Key {
    timed(&[b"i-idempotency"], at, id)
}

pub fn idempotency_expiries() -> Key {
    prefix(&[b"i-idempotency"])
}

/// Named by a keyed hash of portal and reference.
pub fn sender_reference(hash: &Digest) -> Key {
    key(&[b"sender-reference", hash])
}

/// Where the commit leaves the number of the receipt of a case's document.
pub fn receipt(case: Uuid, document: u32) -> Key {
    key(&[b"receipt", case.as_bytes(), &document.to_be_bytes()])
}

pub fn letter(id: Uuid) -> Key {
    key(&[b"letter", id.as_bytes()])
}

pub fn letters() -> Key {
    prefix(&[b"letter"])
}

/// Owed letters by when they are to be tried next.
pub fn letter_due(at: Timestamp, id: Uuid) -> Key {
    timed(&[b"i-letter-due"], at, id)
}

pub fn letters_due() -> Key {
    prefix(&[b"i-letter-due"])
}

/// Letters that were given up, by when.
pub fn letter_dead(at: Timestamp, id: Uuid) -> Key {
    timed(&[b"i-letter-dead"], at, id)
}

pub fn letters_dead() -> Key {
    prefix(&[b"i-letter-dead"])
}

/// Undistributed cases of a clinic by the promised time of distribution.
pub fn undistributed(clinic: &HsaId, due: Timestamp, case: Uuid) -> Key {
    timed(&[b"i-undistributed", clinic.as_str().as_bytes()], due, case)
}

pub fn all_undistributed(clinic: &HsaId) -> Key {
    prefix(&[b"i-undistributed", clinic.as_str().as_bytes()])
}

/// Distributed cases of a clinic that wait for staff, by the promised time of the answer.
pub fn unanswered(clinic: &HsaId, due: Timestamp, case: Uuid) -> Key {
    timed(&[b"i-unanswered", clinic.as_str().as_bytes()], due, case)
}

pub fn all_unanswered(clinic: &HsaId) -> Key {
    prefix(&[b"i-unanswered", clinic.as_str().as_bytes()])
}

/// Cases of a clinic that wait for the citizen, by the promised time of the answer.
pub fn awaiting_citizen(clinic: &HsaId, due: Timestamp, case: Uuid) -> Key {
    timed(&[b"i-awaiting-citizen", clinic.as_str().as_bytes()], due, case)
}

pub fn all_awaiting_citizen(clinic: &HsaId) -> Key {
    prefix(&[b"i-awaiting-citizen", clinic.as_str().as_bytes()])
}

/// A handler's open cases, by the promised time of the answer.
pub fn mine(handler: &HsaId, due: Timestamp, case: Uuid) -> Key {
    timed(&[b"i-mine", handler.as_str().as_bytes()], due, case)
}

/// Whatever lies with anybody.
pub fn all_handled() -> Key {
    prefix(&[b"i-mine"])
}

pub fn all_mine(handler: &HsaId) -> Key {
    prefix(&[b"i-mine", handler.as_str().as_bytes()])
}

/// Answered cases by when their follow-up days end.
pub fn follow_up_end(at: Timestamp, case: Uuid) -> Key {
    timed(&[b"i-follow-up-end"], at, case)
}

pub fn follow_up_ends() -> Key {
    prefix(&[b"i-follow-up-end"])
}

pub fn by_citizen(citizen: &Digest, received: Timestamp, case: Uuid) -> Key {
    timed(&[b"i-citizen", hex_of(citizen).as_bytes()], received, case)
}

pub fn all_by_citizen(citizen: &Digest) -> Key {
    prefix(&[b"i-citizen", hex_of(citizen).as_bytes()])
}

pub fn by_clinic(clinic: &HsaId, received: Timestamp, case: Uuid) -> Key {
    timed(&[b"i-clinic", clinic.as_str().as_bytes()], received, case)
}

pub fn all_by_clinic(clinic: &HsaId) -> Key {
    prefix(&[b"i-clinic", clinic.as_str().as_bytes()])
}

pub fn by_portal(portal: &HsaId, received: Timestamp, case: Uuid) -> Key {
    timed(&[b"i-portal", portal.as_str().as_bytes()], received, case)
}

pub fn all_by_portal(portal: &HsaId) -> Key {
    prefix(&[b"i-portal", portal.as_str().as_bytes()])
}

fn hex_of(digest: &Digest) -> String {
    crate::crypto::hex(digest)
}
