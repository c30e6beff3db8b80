//! What is kept of what is told, by version.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::author::Author;
use crate::domain::status::act::Act;
use crate::domain::status::component::{Component, Group};
use crate::domain::status::event::Event;
use crate::domain::status::recurrence::Series;
use crate::domain::status::subject::{Incident, Maintenance};
use crate::store::record::Record;

/// An act that is held: the clock publishes it when its time has come, and until then it can be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pending {
    pub id: Uuid,
    /// The subject that it is about; of a new one the id that it will have.
    pub subject: Uuid,
    pub act: Act,
    pub author: Author,
    pub created_at: Timestamp,
    pub publish_at: Timestamp,
    /// Why it did not fit any more when its time had come. It stays until somebody takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

macro_rules! first_version {
    ($($record:ty),* $(,)?) => {
        $(impl Record for $record {
            const VERSION: u8 = 1;
        })*
    };
}

first_version!(Component, Group, Incident, Pending, Series);

/// The second knows the window that an update moved.
impl Record for Maintenance {
    const VERSION: u8 = 2;

    fn lift(version: u8, value: serde_json::Value) -> Option<serde_json::Value> {
        (version == 1).then_some(value)
    }
}

/// As `Maintenance`, which stands in it.
impl Record for Event {
    const VERSION: u8 = 2;

    fn lift(version: u8, value: serde_json::Value) -> Option<serde_json::Value> {
        (version == 1).then_some(value)
    }
}
