//! Keys of what is told of services, in the store `common`.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Key, key, prefix, timed};

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

pub fn maintenance(id: Uuid) -> Key {
    key(&[b"maintenance", id.as_bytes()])
}

/// An act that is held before it is published.
pub fn pending(id: Uuid) -> Key {
    key(&[b"pending", id.as_bytes()])
}

pub fn pendings() -> Key {
    prefix(&[b"pending"])
}

/// Maintenances that come again.
pub fn series(id: Uuid) -> Key {
    key(&[b"series", id.as_bytes()])
}

pub fn all_series() -> Key {
    prefix(&[b"series"])
}

/// What the clock has something to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Due {
    Pending,
    Incident,
    Maintenance,
    Series,
}

impl Due {
    pub const ALL: [Due; 4] = [Due::Pending, Due::Incident, Due::Maintenance, Due::Series];

    fn name(self) -> &'static [u8] {
        match self {
            Due::Pending => b"pending",
            Due::Incident => b"incident",
            Due::Maintenance => b"maintenance",
            Due::Series => b"series",
        }
    }
}

/// By when the clock is to look at it.
pub fn status_due(kind: Due, at: Timestamp, id: Uuid) -> Key {
    timed(&[b"i-status-due", kind.name()], at, id)
}

pub fn all_status_due(kind: Due) -> Key {
    prefix(&[b"i-status-due", kind.name()])
}

/// Incidents that are not over: read at the start without reading history.
pub fn incident_open(id: Uuid) -> Key {
    key(&[b"i-incident-open", id.as_bytes()])
}

pub fn incidents_open() -> Key {
    prefix(&[b"i-incident-open"])
}

/// Incidents by when they ended.
pub fn incident_ended(at: Timestamp, id: Uuid) -> Key {
    timed(&[b"i-incident-ended"], at, id)
}

pub fn incidents_ended() -> Key {
    prefix(&[b"i-incident-ended"])
}

/// Maintenances that are not over.
pub fn maintenance_open(id: Uuid) -> Key {
    key(&[b"i-maintenance-open", id.as_bytes()])
}

pub fn maintenances_open() -> Key {
    prefix(&[b"i-maintenance-open"])
}

/// Maintenances by when they ended or were cancelled.
pub fn maintenance_ended(at: Timestamp, id: Uuid) -> Key {
    timed(&[b"i-maintenance-ended"], at, id)
}

pub fn maintenances_ended() -> Key {
    prefix(&[b"i-maintenance-ended"])
}

/// The id that an index key of `*_open` ends with.
pub fn trailing_id(key: &Key) -> Option<Uuid> {
    let bytes = key.as_bytes();
    Uuid::from_slice(bytes.get(bytes.len().checked_sub(16)?..)?).ok()
}
