//! Everything the pages show, as of one moment. Built by a use case from the store, rendered without asking it again.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::Audience;
use super::component::{Component, ComponentStatus, Group};
use super::subject::{Incident, Maintenance};
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
            incidents: self.incidents.iter().filter(|i| audience.sees(i.audience)).cloned().collect(),
            maintenances: self.maintenances.iter().filter(|m| audience.sees(m.audience)).cloned().collect(),
        }
    }

    pub fn ongoing(&self) -> impl Iterator<Item = &Arc<Incident>> {
        self.incidents.iter().filter(|incident| !incident.is_over())
    }
}
