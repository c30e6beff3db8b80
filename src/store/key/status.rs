//! Keys of what is told of services, in the store `common`.

use uuid::Uuid;

use super::{Key, key, prefix};

pub fn component(id: Uuid) -> Key {
    key(&[b"component", id.as_bytes()])
}

pub fn components() -> Key {
    prefix(&[b"component"])
}

pub fn group(id: Uuid) -> Key {
    key(&[b"group", id.as_bytes()])
}

pub fn groups() -> Key {
    prefix(&[b"group"])
}

/// Ids are time-ordered, so key order is the order of publication.
pub fn incident(id: Uuid) -> Key {
    key(&[b"incident", id.as_bytes()])
}

pub fn incidents() -> Key {
    prefix(&[b"incident"])
}

pub fn maintenance(id: Uuid) -> Key {
    key(&[b"maintenance", id.as_bytes()])
}

pub fn maintenances() -> Key {
    prefix(&[b"maintenance"])
}
