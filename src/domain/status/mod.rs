//! Driftstatus: what is down, what will be, and who wants to know. Types and rules, pure.
//!
//! | file | holds |
//! |---|---|
//! | `component` | what can be down, in groups |
//! | `subject` | incidents and maintenances with their updates, and what they have in common |
//! | `act` | what an author wants done with them, as data |
//! | `event` | what happened, as readers and subscribers are told |
//! | `choice` | what one may choose to be told of |
//! | `subscriber` | who wants to be told of what |
//! | `delivery` | who is owed a notice, and what has become of it |
//! | `ledger` | who is next, and what notices on one subject mean to each other |
//! | `probe` | what looks by itself whether a component works |
//! | `incident`, `maintenance` | what may be done with each, and what it comes to |
//! | `recurrence` | maintenances that come again |
//! | `fault`, `words` | why an act does not fit; the bounds of what authors write |
//! | `swedish_time` | times in words and from words |
//! | `board` | everything the pages show, as of one moment |
//! | `edition` | the pages' language and audience, as the path says them |
//!
//! Names follow Statuspage where it has one.

pub mod act;
pub mod board;
pub mod choice;
pub mod component;
pub mod delivery;
pub mod edition;
pub mod event;
pub mod fault;
pub mod incident;
pub mod ledger;
pub mod maintenance;
pub mod probe;
pub mod recurrence;
pub mod subject;
pub mod subscriber;
pub mod swedish_time;
#[cfg(test)]
mod tests;
pub mod words;

use serde::{Deserialize, Serialize};

/// Whose page: the staff's shows everything, the public's only what is marked public. Both are read without a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    Staff,
    Public,
}

impl Audience {
    pub const ALL: [Audience; 2] = [Audience::Staff, Audience::Public];

    pub fn as_str(self) -> &'static str {
        match self {
            Audience::Staff => "staff",
            Audience::Public => "public",
        }
    }

    /// Whether readers of `self` are shown what is meant for `other`.
    pub fn sees(self, other: Audience) -> bool {
        self == Audience::Staff || other == Audience::Public
    }
}
