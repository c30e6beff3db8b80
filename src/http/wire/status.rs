//! What authors send about services: acts in the words of the API. Components are named by their slugs, times are
//! RFC 3339 or local in Sweden; the rules are the domain's.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use serde::Deserialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::problem::Problem;
use super::region::WireTexts;
use crate::domain::clinic::Texts;
use crate::domain::status::Audience;
use crate::domain::status::act::{
    Act, ChangeMaintenance, Correct, OpenIncident, ScheduleMaintenance, UpdateIncident, UpdateMaintenance, Withdraw,
};
use crate::domain::status::board::Board;
use crate::domain::status::component::ComponentStatus;
use crate::domain::status::recurrence::{Day, Plan, Recurrence};
use crate::domain::status::subject::{Affected, Impact, IncidentStatus, MaintenanceStatus, Origin};
use crate::domain::status::swedish_time;
use crate::usecase::status::{ComponentDraft, GroupDraft};

/// What the reading of a body needs to know.
pub struct Reading<'a> {
    pub board: &'a Board,
    pub now: Timestamp,
}

/// A component and what becomes of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NameAffected {
    /// The component's slug.
    pub component: String,
    /// `operational`, `under_maintenance`, `degraded_performance`, `partial_outage`, `major_outage`.
    #[schema(value_type = String)]
    pub status: ComponentStatus,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostIncident {
    pub title: WireTexts,
    pub body: WireTexts,
    /// `staff`, or `public`: shown on both pages.
    #[schema(value_type = String)]
    pub audience: Audience,
    /// `investigating` unless said otherwise.
    #[schema(value_type = Option<String>)]
    pub status: Option<IncidentStatus>,
    pub affected: Vec<NameAffected>,
    pub started_at: Option<String>,
    /// Instead of what follows from the components: `none`, `minor`, `major`, `critical`.
    #[schema(value_type = Option<String>)]
    pub impact: Option<Impact>,
    /// A guess: it closes nothing.
    pub expected_end: Option<String>,
    /// A promise: its breach is alarmed.
    pub next_update_by: Option<String>,
    /// The region's own case number.
    pub reference: Option<String>,
    pub workaround: Option<WireTexts>,
    /// Whether subscribers are mailed.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub notify: bool,
    /// Seconds in which it can be taken back.
    pub hold: Option<u32>,
}

/// What is left out stays as it is; the next update is promised anew each time.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostIncidentUpdate {
    /// `investigating`, `identified`, `monitoring`, `resolved`.
    #[schema(value_type = String)]
    pub status: IncidentStatus,
    pub body: WireTexts,
    pub title: Option<WireTexts>,
    pub affected: Option<Vec<NameAffected>>,
    #[schema(value_type = Option<String>)]
    pub impact: Option<Impact>,
    pub expected_end: Option<String>,
    pub next_update_by: Option<String>,
    pub workaround: Option<WireTexts>,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub notify: bool,
    pub hold: Option<u32>,
}

/// A new text for an update that said something wrong.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostCorrection {
    pub number: u32,
    pub body: WireTexts,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub notify: bool,
    pub hold: Option<u32>,
}

/// Why it is withdrawn or cancelled, as readers are told.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostReason {
    pub body: WireTexts,
    pub hold: Option<u32>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostMaintenance {
    pub title: WireTexts,
    pub body: WireTexts,
    #[schema(value_type = String)]
    pub audience: Audience,
    pub affected: Vec<NameAffected>,
    pub scheduled_for: String,
    pub scheduled_until: String,
    /// Needed when it begins sooner than the region's rule asks.
    pub emergency_reason: Option<WireTexts>,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub starts_by_itself: bool,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub ends_by_itself: bool,
    /// Whether start and end are mailed.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub tell_transitions: bool,
    pub hold: Option<u32>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutMaintenance {
    pub body: WireTexts,
    pub title: Option<WireTexts>,
    pub affected: Option<Vec<NameAffected>>,
    pub scheduled_for: Option<String>,
    pub scheduled_until: Option<String>,
    pub emergency_reason: Option<WireTexts>,
    pub hold: Option<u32>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostMaintenanceUpdate {
    /// `scheduled`, `in_progress`, `verifying`, `completed`.
    #[schema(value_type = String)]
    pub status: MaintenanceStatus,
    pub body: WireTexts,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub notify: bool,
    pub hold: Option<u32>,
}

/// Weekly on `days` of every `every`th week, or monthly on the `nth` (1-4, -1 last) of the one day in `days`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutSeries {
    pub title: WireTexts,
    pub body: WireTexts,
    #[schema(value_type = String)]
    pub audience: Audience,
    pub affected: Vec<NameAffected>,
    /// `monday` … `sunday`.
    #[schema(value_type = Vec<String>)]
    pub days: BTreeSet<Day>,
    pub every: Option<u8>,
    pub nth: Option<i8>,
    #[schema(value_type = String, format = Date)]
    pub first: Date,
    #[schema(value_type = Option<String>, format = Date)]
    pub last: Option<Date>,
    pub count: Option<u32>,
    /// Local time in Sweden, such as `22:00`.
    #[schema(value_type = String)]
    pub from: Time,
    /// The next day if it is not after `from`.
    #[schema(value_type = String)]
    pub until: Time,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub exceptions: BTreeSet<Date>,
    pub emergency_reason: Option<WireTexts>,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub starts_by_itself: bool,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub ends_by_itself: bool,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub tell_transitions: bool,
    /// When a series is changed: why, for what has been announced already.
    pub reason: Option<WireTexts>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutComponent {
    pub name: WireTexts,
    pub description: Option<WireTexts>,
    /// The group's slug.
    pub group: Option<String>,
    #[serde(default)]
    pub position: u32,
    #[schema(value_type = String)]
    pub audience: Audience,
    /// Run by somebody else.
    #[serde(default)]
    pub external: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutGroup {
    pub name: WireTexts,
    #[serde(default)]
    pub position: u32,
}

fn yes() -> bool {
    true
}

impl Reading<'_> {
    /// The domain refuses what no component is called.
    fn affected(&self, named: Vec<NameAffected>) -> Vec<Affected> {
        let one = |named: NameAffected| Affected {
            component: self.board.component_by_slug(&named.component).map_or(Uuid::nil(), |component| component.id),
            status: named.status,
        };
        named.into_iter().map(one).collect()
    }

    fn time(&self, pointer: &str, text: &str) -> Result<Timestamp, Problem> {
        swedish_time::parse(text, self.now).map_err(|fault| {
            let sv = fault.swedish();
            Problem::new("malformed-value").at(pointer, sv, format!("{fault}."))
        })
    }

    fn optional_time(&self, pointer: &str, text: Option<String>) -> Result<Option<Timestamp>, Problem> {
        text.map(|text| self.time(pointer, &text)).transpose()
    }
}

/// As they are: the domain checks them with the rest.
fn texts(wire: WireTexts) -> Texts {
    Texts { sv: wire.sv, en: wire.en }
}

impl PostIncident {
    pub fn act(self, at: &Reading) -> Result<Act, Problem> {
        Ok(Act::OpenIncident(Box::new(OpenIncident {
            title: texts(self.title),
            audience: self.audience,
            status: self.status.unwrap_or(IncidentStatus::Investigating),
            affected: at.affected(self.affected),
            body: texts(self.body),
            started_at: at.optional_time("/startedAt", self.started_at)?,
            impact_override: self.impact,
            expected_end: at.optional_time("/expectedEnd", self.expected_end)?,
            next_update_by: at.optional_time("/nextUpdateBy", self.next_update_by)?,
            reference: self.reference,
            workaround: self.workaround.map(texts),
            origin: Origin::Person,
            notify: self.notify,
        })))
    }
}

impl PostIncidentUpdate {
    pub fn act(self, id: Uuid, seen: Option<u32>, at: &Reading) -> Result<Act, Problem> {
        Ok(Act::UpdateIncident(Box::new(UpdateIncident {
            id,
            seen,
            status: self.status,
            body: texts(self.body),
            title: self.title.map(texts),
            affected: self.affected.map(|affected| at.affected(affected)),
            impact_override: self.impact,
            expected_end: at.optional_time("/expectedEnd", self.expected_end)?,
            next_update_by: at.optional_time("/nextUpdateBy", self.next_update_by)?,
            workaround: self.workaround.map(texts),
            notify: self.notify,
        })))
    }
}

impl PostCorrection {
    pub fn correct(self, id: Uuid) -> Correct {
        Correct { id, number: self.number, body: texts(self.body), notify: self.notify }
    }
}

impl PostReason {
    pub fn withdraw(self, id: Uuid, seen: Option<u32>) -> Withdraw {
        Withdraw { id, seen, body: texts(self.body) }
    }

    pub fn texts(self) -> Texts {
        texts(self.body)
    }
}

impl PostMaintenance {
    pub fn act(self, at: &Reading) -> Result<Act, Problem> {
        Ok(Act::ScheduleMaintenance(Box::new(ScheduleMaintenance {
            title: texts(self.title),
            audience: self.audience,
            affected: at.affected(self.affected),
            body: texts(self.body),
            scheduled_for: at.time("/scheduledFor", &self.scheduled_for)?,
            scheduled_until: at.time("/scheduledUntil", &self.scheduled_until)?,
            emergency_reason: self.emergency_reason.map(texts),
            starts_by_itself: self.starts_by_itself,
            ends_by_itself: self.ends_by_itself,
            tell_transitions: self.tell_transitions,
            series: None,
        })))
    }
}

impl PutMaintenance {
    pub fn act(self, id: Uuid, seen: Option<u32>, at: &Reading) -> Result<Act, Problem> {
        Ok(Act::ChangeMaintenance(Box::new(ChangeMaintenance {
            id,
            seen,
            body: texts(self.body),
            title: self.title.map(texts),
            affected: self.affected.map(|affected| at.affected(affected)),
            scheduled_for: at.optional_time("/scheduledFor", self.scheduled_for)?,
            scheduled_until: at.optional_time("/scheduledUntil", self.scheduled_until)?,
            emergency_reason: self.emergency_reason.map(texts),
        })))
    }
}

impl PostMaintenanceUpdate {
    pub fn act(self, id: Uuid, seen: Option<u32>) -> Act {
        let (status, body, notify) = (self.status, texts(self.body), self.notify);
        Act::UpdateMaintenance(Box::new(UpdateMaintenance { id, seen, status, body, notify }))
    }
}

impl PutSeries {
    /// The plan, and why an earlier one is changed.
    pub fn plan(self, at: &Reading) -> Result<(Plan, Option<Texts>), Problem> {
        let recurrence = match (self.nth, self.days.iter().next(), self.days.len()) {
            (Some(nth), Some(day), 1) if self.every.is_none() => Recurrence::Monthly { nth, day: *day },
            (None, ..) => Recurrence::Weekly { every: self.every.unwrap_or(1), days: self.days },
            _ => {
                return Err(Problem::new("malformed-value").at(
                    "/nth",
                    "Med nth står en dag i days, och inget every.",
                    "With nth, days holds one day, and there is no every.",
                ));
            }
        };
        let plan = Plan {
            title: texts(self.title),
            audience: self.audience,
            affected: at.affected(self.affected),
            body: texts(self.body),
            recurrence,
            first: self.first,
            last: self.last,
            count: self.count,
            from: self.from,
            until: self.until,
            exceptions: self.exceptions,
            emergency_reason: self.emergency_reason.map(texts),
            starts_by_itself: self.starts_by_itself,
            ends_by_itself: self.ends_by_itself,
            tell_transitions: self.tell_transitions,
        };
        Ok((plan, self.reason.map(texts)))
    }
}

impl PutComponent {
    pub fn draft(self, slug: String) -> ComponentDraft {
        ComponentDraft {
            slug,
            name: texts(self.name),
            description: self.description.map(texts).unwrap_or_default(),
            group: self.group,
            position: self.position,
            audience: self.audience,
            external: self.external,
        }
    }
}

impl PutGroup {
    pub fn draft(self, slug: String) -> GroupDraft {
        GroupDraft { slug, name: texts(self.name), position: self.position }
    }
}
