//! Incidents and maintenances. Each is one record with its updates in it; an update never changes, a correction is
//! a new one.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Audience;
use super::component::ComponentStatus;
use crate::domain::clinic::Texts;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    Investigating,
    Identified,
    Monitoring,
    Resolved,
}

impl IncidentStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            IncidentStatus::Investigating => "investigating",
            IncidentStatus::Identified => "identified",
            IncidentStatus::Monitoring => "monitoring",
            IncidentStatus::Resolved => "resolved",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaintenanceStatus {
    Scheduled,
    InProgress,
    Verifying,
    Completed,
    Cancelled,
}

impl MaintenanceStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            MaintenanceStatus::Scheduled => "scheduled",
            MaintenanceStatus::InProgress => "in_progress",
            MaintenanceStatus::Verifying => "verifying",
            MaintenanceStatus::Completed => "completed",
            MaintenanceStatus::Cancelled => "cancelled",
        }
    }
}

/// How much an incident hurts; derived from the components' worst status unless somebody says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Impact {
    None,
    Minor,
    Major,
    Critical,
}

impl Impact {
    pub const ALL: [Impact; 4] = [Impact::None, Impact::Minor, Impact::Major, Impact::Critical];

    pub fn as_str(self) -> &'static str {
        match self {
            Impact::None => "none",
            Impact::Minor => "minor",
            Impact::Major => "major",
            Impact::Critical => "critical",
        }
    }

    /// What the worst status of a component comes to.
    pub fn of(worst: ComponentStatus) -> Impact {
        match worst {
            ComponentStatus::Operational | ComponentStatus::UnderMaintenance => Impact::None,
            ComponentStatus::DegradedPerformance => Impact::Minor,
            ComponentStatus::PartialOutage => Impact::Major,
            ComponentStatus::MajorOutage => Impact::Critical,
        }
    }
}

/// What a subject does to a component while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Affected {
    pub component: Uuid,
    pub status: ComponentStatus,
}

/// Who began it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    Person,
    /// A probe's; only while nobody has taken it over does the probe write to it.
    #[serde(rename_all = "camelCase")]
    Probe {
        probe: Uuid,
        taken_over: bool,
    },
}

/// One told step. `S` is the kind of status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Update<S> {
    /// From 1.
    pub number: u32,
    pub status: S,
    pub body: Texts,
    pub at: Timestamp,
    /// Staff HSA-id, `operator NAME`, `probe SLUG` or `clock`; never shown to readers.
    pub by: String,
    /// Whether subscribers were to be mailed.
    pub notify: bool,
    /// The number of the update whose text this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<u32>,
    /// The components as they stood from here on.
    pub affected: Vec<Affected>,
    /// Of a maintenance whose times this changed: those that were told before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<Window>,
}

/// From when until when something is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub from: Timestamp,
    pub until: Timestamp,
}

/// Something broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Incident {
    pub id: Uuid,
    pub title: Texts,
    pub audience: Audience,
    pub status: IncidentStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact_override: Option<Impact>,
    pub affected: Vec<Affected>,
    pub started_at: Timestamp,
    pub published_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// Taken off the page: told by mistake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Timestamp>,
    /// A guess; passing it closes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_end: Option<Timestamp>,
    /// A promise: operators are alarmed when it is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_update_by: Option<Timestamp>,
    #[serde(default)]
    pub lateness_alarmed: bool,
    pub origin: Origin,
    /// The region's own case number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What to do meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workaround: Option<Texts>,
    /// Raised by each act.
    pub revision: u32,
    pub updates: Vec<Update<IncidentStatus>>,
}

/// Something is going to be worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Maintenance {
    pub id: Uuid,
    pub title: Texts,
    pub audience: Audience,
    pub status: MaintenanceStatus,
    pub affected: Vec<Affected>,
    pub scheduled_for: Timestamp,
    pub scheduled_until: Timestamp,
    pub published_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The clock begins it at `scheduled_for`.
    pub starts_by_itself: bool,
    /// The clock ends it at `scheduled_until`; otherwise it overruns until somebody says that it is over.
    pub ends_by_itself: bool,
    #[serde(default)]
    pub overrun_told: bool,
    /// Why it was announced later than the region's rule asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency_reason: Option<Texts>,
    pub reminded: BTreeSet<Reminder>,
    /// Whether start and end are mailed; announcement, changes and cancellation always are.
    pub tell_transitions: bool,
    /// The recurring series that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Uuid>,
    /// Raised by each act; iCalendar's SEQUENCE.
    pub revision: u32,
    pub updates: Vec<Update<MaintenanceStatus>>,
}

/// How long before its start a maintenance is told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reminder {
    SevenDays,
    Day,
    Hour,
}

/// An incident or a maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    Incident(Incident),
    Maintenance(Maintenance),
}

impl Incident {
    pub fn impact(&self) -> Impact {
        let worst = self.affected.iter().map(|a| a.status).max().unwrap_or(ComponentStatus::Operational);
        self.impact_override.unwrap_or(Impact::of(worst))
    }

    /// A probe began it, a person goes on with it.
    pub fn is_taken_over(&self) -> bool {
        matches!(self.origin, Origin::Probe { taken_over: true, .. })
    }

    pub fn is_over(&self) -> bool {
        self.status == IncidentStatus::Resolved || self.withdrawn_at.is_some()
    }
}

impl Maintenance {
    pub fn is_over(&self) -> bool {
        matches!(self.status, MaintenanceStatus::Completed | MaintenanceStatus::Cancelled)
    }

    /// Whether subscribers have been mailed about it, so that changes are mailed too.
    pub fn is_announced(&self) -> bool {
        self.reminded.contains(&Reminder::SevenDays) || self.updates.iter().any(|update| update.notify)
    }

    /// It had begun when it was called off: the work ended early, and was not left undone.
    pub fn was_broken_off(&self) -> bool {
        self.status == MaintenanceStatus::Cancelled && self.started_at.is_some()
    }

    pub fn window(&self) -> Window {
        Window { from: self.scheduled_for, until: self.scheduled_until }
    }

    /// It goes on now: its components are under maintenance.
    pub fn is_running(&self) -> bool {
        matches!(self.status, MaintenanceStatus::InProgress | MaintenanceStatus::Verifying)
    }
}

impl Reminder {
    pub const ALL: [Reminder; 3] = [Reminder::SevenDays, Reminder::Day, Reminder::Hour];

    /// How long before the start.
    pub fn ahead(self) -> SignedDuration {
        SignedDuration::from_hours(match self {
            Reminder::SevenDays => 7 * 24,
            Reminder::Day => 24,
            Reminder::Hour => 1,
        })
    }
}

/// What the texts and components of updates take, in bytes as they are kept, roughly.
pub(super) fn bytes_of<S>(updates: &[Update<S>]) -> usize {
    const AFFECTED_BYTES: usize = 80;
    let one =
        |u: &Update<S>| u.body.sv.len() + u.body.en.as_ref().map_or(0, String::len) + u.affected.len() * AFFECTED_BYTES;
    updates.iter().map(one).sum()
}

impl Subject {
    /// Components that it affects or has affected, those of now first.
    pub fn ever_affected(&self) -> Vec<Uuid> {
        let earlier: Vec<&Affected> = match self {
            Subject::Incident(incident) => incident.updates.iter().rev().flat_map(|u| &u.affected).collect(),
            Subject::Maintenance(maintenance) => maintenance.updates.iter().rev().flat_map(|u| &u.affected).collect(),
        };
        let mut out: Vec<Uuid> = Vec::new();
        for one in self.affected().iter().chain(earlier) {
            if !out.contains(&one.component) {
                out.push(one.component);
            }
        }
        out
    }

    /// When the clock has something to do with it.
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Subject::Incident(incident) => incident.due(),
            Subject::Maintenance(maintenance) => maintenance.due(),
        }
    }

    pub fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Subject::Incident(incident) => incident.resolved_at.or(incident.withdrawn_at),
            Subject::Maintenance(maintenance) => maintenance.ended_at,
        }
    }

    pub fn id(&self) -> Uuid {
        match self {
            Subject::Incident(incident) => incident.id,
            Subject::Maintenance(maintenance) => maintenance.id,
        }
    }

    pub fn title(&self) -> &Texts {
        match self {
            Subject::Incident(incident) => &incident.title,
            Subject::Maintenance(maintenance) => &maintenance.title,
        }
    }

    pub fn audience(&self) -> Audience {
        match self {
            Subject::Incident(incident) => incident.audience,
            Subject::Maintenance(maintenance) => maintenance.audience,
        }
    }

    pub fn affected(&self) -> &[Affected] {
        match self {
            Subject::Incident(incident) => &incident.affected,
            Subject::Maintenance(maintenance) => &maintenance.affected,
        }
    }

    pub fn revision(&self) -> u32 {
        match self {
            Subject::Incident(incident) => incident.revision,
            Subject::Maintenance(maintenance) => maintenance.revision,
        }
    }

    pub fn is_over(&self) -> bool {
        match self {
            Subject::Incident(incident) => incident.is_over(),
            Subject::Maintenance(maintenance) => maintenance.is_over(),
        }
    }
}
