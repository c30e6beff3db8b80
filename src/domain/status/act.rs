//! What an author wants done, as data: the same from the staff door, the command line, a probe and the clock, and
//! what a held publication keeps until its hold has passed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Audience;
use super::event::Told;
use super::fault::Fault;
use super::subject::{Affected, Impact, Incident, IncidentStatus, Maintenance, MaintenanceStatus, Origin, Subject};
use super::words::Circumstances;
use crate::domain::clinic::Texts;

/// One act on what is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    OpenIncident(Box<OpenIncident>),
    UpdateIncident(Box<UpdateIncident>),
    /// Replaces the text of an update; told as a correction.
    CorrectIncident(Correct),
    /// Takes a mistaken incident off the page; whoever was told of it is told so.
    WithdrawIncident(Withdraw),
    ScheduleMaintenance(Box<ScheduleMaintenance>),
    /// Times, title, components: told as changed.
    ChangeMaintenance(Box<ChangeMaintenance>),
    /// Begins, verifies, completes, or just says something.
    UpdateMaintenance(Box<UpdateMaintenance>),
    CorrectMaintenance(Correct),
    CancelMaintenance(Withdraw),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenIncident {
    pub title: Texts,
    pub audience: Audience,
    pub status: IncidentStatus,
    pub affected: Vec<Affected>,
    pub body: Texts,
    /// Not before now: it was noticed when it is told.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    #[serde(default)]
    pub impact_override: Option<Impact>,
    #[serde(default)]
    pub expected_end: Option<Timestamp>,
    #[serde(default)]
    pub next_update_by: Option<Timestamp>,
    #[serde(default)]
    pub reference: Option<String>,
    #[serde(default)]
    pub workaround: Option<Texts>,
    pub origin: Origin,
    pub notify: bool,
}

/// What is left out stays as it is; promises are made anew by each update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateIncident {
    pub id: Uuid,
    /// The revision that the author saw; none takes whichever stands.
    #[serde(default)]
    pub seen: Option<u32>,
    pub status: IncidentStatus,
    pub body: Texts,
    #[serde(default)]
    pub title: Option<Texts>,
    #[serde(default)]
    pub affected: Option<Vec<Affected>>,
    #[serde(default)]
    pub impact_override: Option<Impact>,
    #[serde(default)]
    pub expected_end: Option<Timestamp>,
    #[serde(default)]
    pub next_update_by: Option<Timestamp>,
    #[serde(default)]
    pub workaround: Option<Texts>,
    pub notify: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Correct {
    pub id: Uuid,
    /// The update whose text was wrong.
    pub number: u32,
    pub body: Texts,
    pub notify: bool,
}

/// Takes back an incident, or cancels a maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Withdraw {
    pub id: Uuid,
    #[serde(default)]
    pub seen: Option<u32>,
    /// Why, as readers are told.
    pub body: Texts,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleMaintenance {
    pub title: Texts,
    pub audience: Audience,
    pub affected: Vec<Affected>,
    pub body: Texts,
    pub scheduled_for: Timestamp,
    pub scheduled_until: Timestamp,
    /// Needed when it begins sooner than the region's rule asks.
    #[serde(default)]
    pub emergency_reason: Option<Texts>,
    pub starts_by_itself: bool,
    pub ends_by_itself: bool,
    pub tell_transitions: bool,
    #[serde(default)]
    pub series: Option<Uuid>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeMaintenance {
    pub id: Uuid,
    #[serde(default)]
    pub seen: Option<u32>,
    pub body: Texts,
    #[serde(default)]
    pub title: Option<Texts>,
    #[serde(default)]
    pub affected: Option<Vec<Affected>>,
    #[serde(default)]
    pub scheduled_for: Option<Timestamp>,
    #[serde(default)]
    pub scheduled_until: Option<Timestamp>,
    #[serde(default)]
    pub emergency_reason: Option<Texts>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateMaintenance {
    pub id: Uuid,
    #[serde(default)]
    pub seen: Option<u32>,
    pub status: MaintenanceStatus,
    pub body: Texts,
    pub notify: bool,
}

impl Act {
    /// What it comes to: the subject as it stands afterwards, and what is told. `id` is that of a new subject.
    pub fn apply(&self, before: Option<&Subject>, id: Uuid, at: &Circumstances) -> Result<(Subject, Told), Fault> {
        let incident = |done: (Incident, Told)| (Subject::Incident(done.0), done.1);
        let maintenance = |done: (Maintenance, Told)| (Subject::Maintenance(done.0), done.1);
        match (self, before) {
            (Act::OpenIncident(act), None) => Incident::open(id, act, at).map(incident),
            (Act::ScheduleMaintenance(act), None) => Maintenance::schedule(id, act, at).map(maintenance),
            (Act::UpdateIncident(act), Some(Subject::Incident(one))) => one.update(act, at).map(incident),
            (Act::CorrectIncident(act), Some(Subject::Incident(one))) => one.correct(act, at).map(incident),
            (Act::WithdrawIncident(act), Some(Subject::Incident(one))) => one.withdraw(act, at).map(incident),
            (Act::ChangeMaintenance(act), Some(Subject::Maintenance(one))) => one.change(act, at).map(maintenance),
            (Act::UpdateMaintenance(act), Some(Subject::Maintenance(one))) => one.update(act, at).map(maintenance),
            (Act::CorrectMaintenance(act), Some(Subject::Maintenance(one))) => one.correct(act, at).map(maintenance),
            (Act::CancelMaintenance(act), Some(Subject::Maintenance(one))) => one.cancel(act, at).map(maintenance),
            _ => Err(Fault::Unknown),
        }
    }

    /// Which subject it is about; none begins a new one.
    pub fn subject(&self) -> Option<Uuid> {
        match self {
            Act::OpenIncident(_) | Act::ScheduleMaintenance(_) => None,
            Act::UpdateIncident(act) => Some(act.id),
            Act::ChangeMaintenance(act) => Some(act.id),
            Act::UpdateMaintenance(act) => Some(act.id),
            Act::CorrectIncident(act) | Act::CorrectMaintenance(act) => Some(act.id),
            Act::WithdrawIncident(act) | Act::CancelMaintenance(act) => Some(act.id),
        }
    }

    /// For the access log.
    pub fn name(&self) -> &'static str {
        match self {
            Act::OpenIncident(_) => "incident-open",
            Act::UpdateIncident(_) => "incident-update",
            Act::CorrectIncident(_) => "incident-correct",
            Act::WithdrawIncident(_) => "incident-withdraw",
            Act::ScheduleMaintenance(_) => "maintenance-schedule",
            Act::ChangeMaintenance(_) => "maintenance-change",
            Act::UpdateMaintenance(_) => "maintenance-update",
            Act::CorrectMaintenance(_) => "maintenance-correct",
            Act::CancelMaintenance(_) => "maintenance-cancel",
        }
    }
}
