//! The region's support as it is set up: who answers, where and when, and which services it answers for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::calendar::{ClinicHours, NeverOpen};
use super::clinic::{Promise, Promised, Texts};
use super::id::HsaId;
use super::mail_address::MailAddress;
use super::ticket::Priority;

/// The support of the region; there is one. Its telephone is the configuration's: it is told when no store can be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SupportDesk {
    /// The unit whose cases the tickets are.
    pub unit: HsaId,
    /// The working hours in which promised times run.
    pub opening: ClinicHours,
    /// Priority 1 is answered at any hour: its promised times run by the clock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub urgent_round_the_clock: bool,
    pub promises: Promises,
    /// How long after the answer the reporter may come back to the same ticket.
    pub follow_up_days: u16,
    /// A mailbox that hears of each new ticket, beside the people of the support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<MailAddress>,
    /// How local IT is reached: cards, PINs, readers, Net iD and the computer itself are its matter.
    pub local_it: Texts,
}

impl SupportDesk {
    /// What a promise comes to for a ticket of that priority.
    pub fn promised(&self, promise: Promise, priority: Priority, start: Timestamp) -> Result<Promised, NeverOpen> {
        if priority == Priority::One && self.urgent_round_the_clock {
            return Ok(promise.at_any_hour(start));
        }
        promise.from(start, &self.opening)
    }
}

/// What the support promises, by priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Promises {
    pub priority1: Promise,
    pub priority2: Promise,
    pub priority3: Promise,
    pub priority4: Promise,
}

impl Promises {
    pub fn of(&self, priority: Priority) -> Promise {
        match priority {
            Priority::One => self.priority1,
            Priority::Two => self.priority2,
            Priority::Three => self.priority3,
            Priority::Four => self.priority4,
        }
    }
}

/// Something that people may need support with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SupportService {
    /// `a-z`, digits and single hyphens.
    pub slug: String,
    pub name: Texts,
    #[serde(default)]
    pub position: u32,
    /// No longer offered; tickets that name it keep it.
    #[serde(default)]
    pub archived: bool,
}
