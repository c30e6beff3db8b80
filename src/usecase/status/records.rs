//! What is kept of what is told, by version.

use crate::domain::status::component::{Component, Group};
use crate::domain::status::event::Event;
use crate::domain::status::subject::{Incident, Maintenance};
use crate::store::record::Record;

impl Record for Component {
    const VERSION: u8 = 1;
}

impl Record for Group {
    const VERSION: u8 = 1;
}

impl Record for Incident {
    const VERSION: u8 = 1;
}

impl Record for Maintenance {
    const VERSION: u8 = 1;
}

impl Record for Event {
    const VERSION: u8 = 1;
}
