//! What can be down. A component's status is never stored: it follows from what is told about it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::clinic::Texts;
use crate::domain::status::Audience;

/// How a component is; the worse the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComponentStatus {
    Operational,
    UnderMaintenance,
    DegradedPerformance,
    PartialOutage,
    MajorOutage,
}

impl ComponentStatus {
    pub const ALL: [ComponentStatus; 5] = [
        ComponentStatus::Operational,
        ComponentStatus::UnderMaintenance,
        ComponentStatus::DegradedPerformance,
        ComponentStatus::PartialOutage,
        ComponentStatus::MajorOutage,
    ];

    /// Statuspage's word.
    pub fn as_str(self) -> &'static str {
        match self {
            ComponentStatus::Operational => "operational",
            ComponentStatus::UnderMaintenance => "under_maintenance",
            ComponentStatus::DegradedPerformance => "degraded_performance",
            ComponentStatus::PartialOutage => "partial_outage",
            ComponentStatus::MajorOutage => "major_outage",
        }
    }
}

/// A service, or a system of somebody else's that services lean on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Component {
    pub id: Uuid,
    /// `a-z`, digits and single hyphens; what operators type.
    pub slug: String,
    pub name: Texts,
    #[serde(default)]
    pub description: Texts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Uuid>,
    /// Lower comes first.
    #[serde(default)]
    pub position: u32,
    /// `Public` is shown on both pages.
    pub audience: Audience,
    /// Run by somebody else: SITHS, HSA, BankID, the national platform.
    #[serde(default)]
    pub external: bool,
    /// No longer offered for new incidents, kept for history.
    #[serde(default)]
    pub archived: bool,
}

/// Components that are shown together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    pub id: Uuid,
    pub slug: String,
    pub name: Texts,
    #[serde(default)]
    pub position: u32,
}
