//! Keys of the region in the store `common`.

use super::{Key, key, prefix};
use crate::domain::id::HsaId;

pub fn portal(id: &HsaId) -> Key {
    key(&[b"portal", id.as_str().as_bytes()])
}

pub fn portals() -> Key {
    prefix(&[b"portal"])
}

/// What certificate a registered system showed last.
pub fn system_certificate(id: &HsaId) -> Key {
    key(&[b"system-certificate", id.as_str().as_bytes()])
}

pub fn system_certificates() -> Key {
    prefix(&[b"system-certificate"])
}

/// When the operators were told by letter of what ends soon.
pub fn expiry_letter() -> Key {
    key(&[b"expiry-letter"])
}

pub fn clinic(id: &HsaId) -> Key {
    key(&[b"clinic", id.as_str().as_bytes()])
}

pub fn clinics() -> Key {
    prefix(&[b"clinic"])
}

pub fn case_type(clinic: &HsaId, id: &str) -> Key {
    key(&[b"case-type", clinic.as_str().as_bytes(), id.as_bytes()])
}

pub fn case_types() -> Key {
    prefix(&[b"case-type"])
}

pub fn forms() -> Key {
    prefix(&[b"form"])
}

pub fn role(clinic: &HsaId, person: &HsaId) -> Key {
    key(&[b"role", clinic.as_str().as_bytes(), person.as_str().as_bytes()])
}

pub fn roles() -> Key {
    prefix(&[b"role"])
}

pub fn post(person: &HsaId, unit: &HsaId) -> Key {
    key(&[b"post", person.as_str().as_bytes(), unit.as_str().as_bytes()])
}

pub fn posts_of(person: &HsaId) -> Key {
    prefix(&[b"post", person.as_str().as_bytes()])
}

pub fn posts() -> Key {
    prefix(&[b"post"])
}

pub fn notification(person: &HsaId) -> Key {
    key(&[b"notification", person.as_str().as_bytes()])
}

pub fn notifications() -> Key {
    prefix(&[b"notification"])
}

/// How the directory came in last.
pub fn directory() -> Key {
    key(&[b"directory"])
}
