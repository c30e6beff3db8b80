//! Everything the pages show, as of one moment. Built by a use case from the store, rendered without asking it again.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::Audience;
use super::component::{Component, ComponentStatus, Group};
use super::subject::{Incident, Maintenance, Subject};
use crate::domain::clinic::Texts;

/// The region's services and what is told about them.
#[derive(Debug, Clone, Default)]
pub struct Board {
    /// Number of the newest event in it.
    pub seq: u64,
    /// In the order of the page.
    pub groups: Vec<Group>,
    /// In the order of the page, archived ones left out.
    pub components: Vec<Component>,
    /// No longer offered; still named in history.
    pub archived: Vec<Component>,
    /// Newest first: all that last, and those that ended within the kept months.
    pub incidents: Vec<Arc<Incident>>,
    /// By start, earliest first: all that lie ahead or run, and those that ended within the kept months.
    pub maintenances: Vec<Arc<Maintenance>>,
}

/// How our own parts are: not told by anybody, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnComponent {
    pub slug: &'static str,
    pub name: Texts,
    pub status: ComponentStatus,
    /// What it means for people; empty while it works.
    pub detail: Texts,
}

/// Our own health as the pages show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnHealth {
    pub checked_at: Option<Timestamp>,
    /// When the gateway began to run.
    pub started_at: Option<Timestamp>,
    pub components: Vec<OwnComponent>,
}

impl Board {
    /// The worst that is told of a component now.
    pub fn status_of(&self, component: Uuid) -> ComponentStatus {
        let incidents = self.incidents.iter().filter(|i| !i.is_over()).flat_map(|i| &i.affected);
        let maintenances = self.maintenances.iter().filter(|m| m.is_running()).flat_map(|m| &m.affected);
        let told = incidents.chain(maintenances).filter(|a| a.component == component).map(|a| a.status);
        told.max().unwrap_or(ComponentStatus::Operational)
    }

    /// As readers of one page see it.
    pub fn for_audience(&self, audience: Audience) -> Board {
        Board {
            seq: self.seq,
            groups: self.groups.clone(),
            components: self.components.iter().filter(|c| audience.sees(c.audience)).cloned().collect(),
            archived: self.archived.iter().filter(|c| audience.sees(c.audience)).cloned().collect(),
            incidents: self.incidents.iter().filter(|i| audience.sees(i.audience)).cloned().collect(),
            maintenances: self.maintenances.iter().filter(|m| audience.sees(m.audience)).cloned().collect(),
        }
    }

    /// Whether a subject ended before a time, or so long ago that it is not kept.
    pub fn ended_before(&self, subject: Uuid, at: Timestamp) -> bool {
        let incident = self.incidents.iter().find(|i| i.id == subject).map(|i| i.resolved_at.or(i.withdrawn_at));
        let maintenance = self.maintenances.iter().find(|m| m.id == subject).map(|m| m.ended_at);
        incident.or(maintenance).is_none_or(|ended| ended.is_some_and(|ended| ended < at))
    }

    /// A component by its id, archived or not.
    pub fn component(&self, id: Uuid) -> Option<&Component> {
        self.components.iter().chain(&self.archived).find(|component| component.id == id)
    }

    /// A component by what operators type, archived or not.
    pub fn component_by_slug(&self, slug: &str) -> Option<&Component> {
        self.components.iter().chain(&self.archived).find(|component| component.slug == slug)
    }

    pub fn group_by_slug(&self, slug: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.slug == slug)
    }

    /// The board with a subject as it stands now, without what ended before `kept_from`.
    pub fn with(&self, subject: Subject, seq: u64, kept_from: Timestamp) -> Board {
        let mut next = self.clone();
        next.seq = seq.max(self.seq);
        next.incidents.retain(|one| one.id != subject.id() && ended(one.resolved_at.or(one.withdrawn_at)) >= kept_from);
        next.maintenances.retain(|one| one.id != subject.id() && ended(one.ended_at) >= kept_from);
        match subject {
            Subject::Incident(incident) => {
                let at = next.incidents.partition_point(|one| incident_order(one) < incident_order(&incident));
                next.incidents.insert(at, Arc::new(incident));
            }
            Subject::Maintenance(one) => {
                let at = next.maintenances.partition_point(|other| maintenance_order(other) < maintenance_order(&one));
                next.maintenances.insert(at, Arc::new(one));
            }
        }
        next
    }

    /// Puts everything into the order of the page.
    pub fn sort(&mut self) {
        self.groups.sort_by_key(|group| (group.position, group.id));
        self.components.sort_by_key(|component| (component.position, component.id));
        self.archived.sort_by_key(|component| (component.position, component.id));
        self.incidents.sort_by_key(|incident| incident_order(incident));
        self.maintenances.sort_by_key(|maintenance| maintenance_order(maintenance));
    }

    pub fn ongoing(&self) -> impl Iterator<Item = &Arc<Incident>> {
        self.incidents.iter().filter(|incident| !incident.is_over())
    }
}

/// Newest first.
fn incident_order(incident: &Incident) -> (std::cmp::Reverse<Timestamp>, Uuid) {
    (std::cmp::Reverse(incident.published_at), incident.id)
}

fn maintenance_order(maintenance: &Maintenance) -> (Timestamp, Uuid) {
    (maintenance.scheduled_for, maintenance.id)
}

/// What is not over has not ended yet.
fn ended(at: Option<Timestamp>) -> Timestamp {
    at.unwrap_or(Timestamp::MAX)
}
