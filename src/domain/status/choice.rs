//! What one may choose to be told of: which services, which kinds, from which weight on, when and in which language.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Audience;
use super::board::Board;
use super::event::{Event, EventKind};
use super::subject::{Impact, Subject};
use crate::domain::language::Language;

/// Choices of one subscriber; a page has room for no more.
pub const SUBSCRIPTIONS_MAX: usize = 50;

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

/// What an owner of an address chooses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Choices {
    pub language: Language,
    pub mode: Mode,
    pub subscriptions: Vec<Subscription>,
}

/// What is wrong with a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChoiceFault {
    /// Nothing chosen.
    Nothing,
    TooMany,
    /// The choice with this index names neither incidents nor maintenances.
    NoKind(usize),
    /// The choice with this index names something that the page does not show.
    UnknownTarget(usize),
    /// No time of a day.
    DigestTime,
}

impl fmt::Display for ChoiceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChoiceFault::Nothing => f.write_str("choose something to be told of"),
            ChoiceFault::TooMany => write!(f, "at most {SUBSCRIPTIONS_MAX} choices"),
            ChoiceFault::NoKind(index) => write!(f, "choice {}: incidents, maintenances or both", index + 1),
            ChoiceFault::UnknownTarget(index) => write!(f, "choice {}: the page shows no such thing", index + 1),
            ChoiceFault::DigestTime => f.write_str("a time of a day is 00:00 to 23:59"),
        }
    }
}

impl Mode {
    /// Once a day at `HH:MM`; None for what is no time of a day.
    pub fn daily_at(text: &str) -> Option<Mode> {
        let (hour, minute) = text.split_once(':')?;
        let is_number = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        let number = |text: &str| is_number(text).then(|| text.parse::<u8>().ok())?;
        let (hour, minute) = (number(hour)?, number(minute)?);
        (hour < 24 && minute < 60).then_some(Mode::Digest { hour, minute })
    }

    /// The time of day as `daily_at` reads it, of a digest.
    pub fn time(self) -> Option<String> {
        match self {
            Mode::AtOnce => None,
            Mode::Digest { hour, minute } => Some(format!("{hour:02}:{minute:02}")),
        }
    }
}

impl Subscription {
    /// Everything of every weight.
    pub fn of(target: Target) -> Subscription {
        Subscription { target, incidents: true, maintenances: true, only_resolved: false, least_impact: Impact::None }
    }

    /// Whether it asks for this event.
    pub fn wants(&self, event: &Event) -> bool {
        let kind = match &event.subject {
            Subject::Incident(_) if self.only_resolved => self.incidents && event.kind == EventKind::Resolved,
            Subject::Incident(_) => self.incidents,
            Subject::Maintenance(_) => self.maintenances,
        };
        kind && event.impact() >= self.least_impact && self.target.holds(event)
    }
}

impl Target {
    /// Reads a target as forms, files and programs write it: `all`, `group:`, `component:` (which may be left out) with
    /// a slug or an id, `subject:` with an id. None for what a board does not hold.
    pub fn named(text: &str, board: &Board) -> Option<Target> {
        let (kind, name) = text.split_once(':').unwrap_or(("component", text));
        let id = Uuid::parse_str(name).ok();
        match kind {
            "component" if name == "all" => Some(Target::All),
            "component" => {
                let found = board.components.iter().find(|c| c.slug == name || Some(c.id) == id)?;
                Some(Target::Component(found.id))
            }
            "group" => {
                let found = board.groups.iter().find(|group| group.slug == name || Some(group.id) == id)?;
                Some(Target::Group(found.id))
            }
            "subject" => id.map(Target::Subject),
            _ => None,
        }
    }

    /// As `named` reads it; by its slug where the board still has it.
    pub fn name(self, board: &Board) -> String {
        match self {
            Target::All => "all".to_owned(),
            Target::Group(id) => match board.groups.iter().find(|group| group.id == id) {
                Some(group) => format!("group:{}", group.slug),
                None => format!("group:{id}"),
            },
            Target::Component(id) => match board.components.iter().find(|component| component.id == id) {
                Some(component) => format!("component:{}", component.slug),
                None => format!("component:{id}"),
            },
            Target::Subject(id) => format!("subject:{id}"),
        }
    }

    fn holds(self, event: &Event) -> bool {
        match self {
            Target::All => true,
            Target::Group(id) => event.components.iter().any(|c| c.group == Some(id)),
            Target::Component(id) => event.components.iter().any(|c| c.id == id),
            Target::Subject(id) => event.subject.id() == id,
        }
    }

    /// Whether readers of a page are shown it.
    fn is_shown(self, board: &Board, audience: Audience) -> bool {
        let is_seen = |of: Audience| audience.sees(of);
        match self {
            Target::All => true,
            Target::Group(id) => board.groups.iter().any(|group| group.id == id),
            Target::Component(id) => board.components.iter().any(|c| c.id == id && is_seen(c.audience)),
            Target::Subject(id) => {
                board.incidents.iter().any(|i| i.id == id && is_seen(i.audience))
                    || board.maintenances.iter().any(|m| m.id == id && is_seen(m.audience))
            }
        }
    }
}

impl Choices {
    /// All that is wrong with them, for readers of a page. `may_be_none` for who is on a list anyway.
    pub fn faults(&self, board: &Board, audience: Audience, may_be_none: bool) -> Vec<ChoiceFault> {
        let mut faults = subscription_faults(&self.subscriptions, board, audience);
        if may_be_none {
            faults.retain(|fault| *fault != ChoiceFault::Nothing);
        }
        if let Mode::Digest { hour, minute } = self.mode
            && (hour > 23 || minute > 59)
        {
            faults.push(ChoiceFault::DigestTime);
        }
        faults
    }
}

/// All that is wrong with a set of subscriptions, for readers of a page.
pub fn subscription_faults(subscriptions: &[Subscription], board: &Board, audience: Audience) -> Vec<ChoiceFault> {
    if subscriptions.is_empty() {
        return vec![ChoiceFault::Nothing];
    }
    if subscriptions.len() > SUBSCRIPTIONS_MAX {
        return vec![ChoiceFault::TooMany];
    }
    let mut faults = Vec::new();
    for (index, subscription) in subscriptions.iter().enumerate() {
        if !subscription.incidents && !subscription.maintenances {
            faults.push(ChoiceFault::NoKind(index));
        }
        if !subscription.target.is_shown(board, audience) {
            faults.push(ChoiceFault::UnknownTarget(index));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_four_digits_and_exists() {
        assert_eq!(Mode::daily_at("00:00"), Some(Mode::Digest { hour: 0, minute: 0 }));
        assert_eq!(Mode::daily_at("07:30").and_then(Mode::time).as_deref(), Some("07:30"));
        for text in ["", "7:30", "07.30", "24:00", "07:60", "+7:30", "07:30:00"] {
            assert_eq!(Mode::daily_at(text), None, "{text}");
        }
    }

    #[test]
    fn a_target_is_read_as_it_is_written() {
        let board = Board::default();
        let subject = Target::Subject(Uuid::from_u128(7));
        for target in [Target::All, subject] {
            assert_eq!(Target::named(&target.name(&board), &board), Some(target));
        }
        for unknown in ["", "group:", "group:okänd", "component:okänd", "okänd", "subject:7", "annat:all", "all:all"]
        {
            assert_eq!(Target::named(unknown, &board), None, "{unknown}");
        }
    }
}
