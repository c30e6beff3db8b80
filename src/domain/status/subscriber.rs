//! Who wants to be told of what, where and in which language. Matched when something happens, so that who follows a
//! group also follows what is added to it later.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Audience;
use super::event::{Event, EventKind};
use super::subject::{Impact, Subject};
use crate::domain::language::Language;
use crate::domain::mail_address::MailAddress;

/// Choices of one subscriber; a page has room for no more.
pub const SUBSCRIPTIONS_MAX: usize = 50;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subscriber {
    pub id: Uuid,
    pub address: MailAddress,
    pub language: Language,
    /// Whose notices: the staff's hold everything.
    pub audience: Audience,
    pub state: SubscriberState,
    pub kind: SubscriberKind,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Timestamp>,
    /// Told only of events with a greater number.
    pub confirmed_seq: u64,
    /// Which wording was agreed to.
    pub consent_version: u32,
    /// `form`, `api`, `import NAME`, `list NAME`.
    pub source: String,
    pub mode: Mode,
    pub subscriptions: Vec<Subscription>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubscriberState {
    /// Asked for, not confirmed: gets nothing but the one letter that asks.
    Pending,
    Active,
    /// The address bounced: gets nothing until it is confirmed anew.
    Quarantined,
    /// Gone by own wish; forgotten soon.
    Left,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SubscriberKind {
    Own,
    /// On a list that the region keeps; not left by a slip of the hand.
    Managed {
        list: String,
    },
}

/// When mail is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    AtOnce,
    /// Once a day at this local time, when there is something.
    Digest {
        hour: u8,
        minute: u8,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subscription {
    pub target: Target,
    pub incidents: bool,
    pub maintenances: bool,
    /// Of incidents only that they are over.
    #[serde(default)]
    pub only_resolved: bool,
    pub least_impact: Impact,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    All,
    /// Its members, also those added later.
    Group(Uuid),
    Component(Uuid),
    /// One incident or maintenance, until it is over.
    Subject(Uuid),
}

impl Subscriber {
    /// Whether this is something that the subscriber asked to be told of. Whether it was told before, and so must be
    /// told the end, is the fan-out's question.
    pub fn wants(&self, event: &Event) -> bool {
        self.audience.sees(event.subject.audience()) && self.subscriptions.iter().any(|s| s.wants(event))
    }
}

impl Subscription {
    fn wants(&self, event: &Event) -> bool {
        let kind = match &event.subject {
            Subject::Incident(_) if self.only_resolved => self.incidents && event.kind == EventKind::Resolved,
            Subject::Incident(_) => self.incidents,
            Subject::Maintenance(_) => self.maintenances,
        };
        kind && event.impact() >= self.least_impact && self.target.holds(event)
    }
}

impl Target {
    fn holds(self, event: &Event) -> bool {
        match self {
            Target::All => true,
            Target::Group(id) => event.components.iter().any(|c| c.group == Some(id)),
            Target::Component(id) => event.components.iter().any(|c| c.id == id),
            Target::Subject(id) => event.subject.id() == id,
        }
    }
}
