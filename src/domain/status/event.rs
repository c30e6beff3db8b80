//! What happened to a subject, as readers and subscribers are told: one entry of the chain of notices. Its number in
//! that chain is the feed's and the fan-out's order.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::subject::{Impact, Reminder, Subject, Window};
use super::words::Circumstances;
use crate::domain::clinic::Texts;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    Opened,
    Updated,
    Resolved,
    Corrected,
    /// An incident told by mistake.
    Withdrawn,
    Scheduled,
    Rescheduled,
    Reminder(Reminder),
    Started,
    Overrun,
    Completed,
    Cancelled,
}

impl EventKind {
    /// Ends the subject: goes to exactly those who were told of it, and to who asked for endings only.
    pub fn is_closing(self) -> bool {
        matches!(self, EventKind::Resolved | EventKind::Withdrawn | EventKind::Completed | EventKind::Cancelled)
    }
}

/// A component by the names that it had when it was told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedComponent {
    pub id: Uuid,
    pub name: Texts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Uuid>,
}

/// One thing that happened, complete in itself: a mail can be made of it whatever happens afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    pub kind: EventKind,
    pub at: Timestamp,
    /// The subject as it stood then, its updates included.
    pub subject: Subject,
    /// The update that this event tells; none where the clock speaks without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<u32>,
    /// All components that the subject affects, or did before this event.
    pub components: Vec<NamedComponent>,
    /// Whether subscribers are mailed.
    pub notify: bool,
    /// A mail that has not gone by then is not sent any more.
    pub not_after: Timestamp,
}

/// What an act or the clock did to a subject, before it stands in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub kind: EventKind,
    pub update: Option<u32>,
    pub notify: bool,
    pub not_after: Timestamp,
}

impl Event {
    /// The event of a subject as it stands after the act. What is stale already when it is told is not mailed.
    pub fn new(told: Told, subject: Subject, at: &Circumstances) -> Event {
        let named = |id: Uuid| {
            let component = at.components.iter().find(|component| component.id == id)?;
            Some(NamedComponent { id, name: component.name.clone(), group: component.group })
        };
        let components = subject.ever_affected().into_iter().filter_map(named).collect();
        Event {
            kind: told.kind,
            at: at.now,
            subject,
            update: told.update,
            components,
            notify: told.notify && told.not_after > at.now,
            not_after: told.not_after,
        }
    }

    /// The window that this event moved.
    pub fn moved_from(&self) -> Option<Window> {
        let Subject::Maintenance(maintenance) = &self.subject else { return None };
        maintenance.updates.iter().find(|update| Some(update.number) == self.update)?.moved_from
    }

    /// When subscribers hear of what is on the page only so far, of work that lies far ahead.
    pub fn first_mail_at(&self) -> Option<Timestamp> {
        match &self.subject {
            Subject::Maintenance(maintenance) if !self.notify => maintenance.first_mail_at(),
            _ => None,
        }
    }

    /// What a filter on impact compares with; a maintenance passes every filter.
    pub fn impact(&self) -> Impact {
        match &self.subject {
            Subject::Incident(incident) => {
                // What is over hurts nobody now, but who was told that it did is told of its end.
                let told = incident.updates.iter().flat_map(|u| &u.affected).map(|a| a.status).max();
                incident.impact().max(told.map_or(Impact::None, Impact::of))
            }
            Subject::Maintenance(_) => Impact::Critical,
        }
    }
}
