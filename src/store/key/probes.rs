//! Keys of probes, in the store `common`.

use uuid::Uuid;

use super::{Key, key, prefix};

pub fn probe(id: Uuid) -> Key {
    key(&[b"probe", id.as_bytes()])
}

pub fn probes() -> Key {
    prefix(&[b"probe"])
}

/// What a probe has settled and told.
pub fn probe_state(id: Uuid) -> Key {
    key(&[b"probe-state", id.as_bytes()])
}

pub fn probe_states() -> Key {
    prefix(&[b"probe-state"])
}
