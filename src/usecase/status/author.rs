//! Who acts on what is told.

use serde::{Deserialize, Serialize};

use crate::domain::id::HsaId;
use crate::usecase::access::AccessEntry;
use crate::usecase::{Gateway, Refusal};

/// A person with the support role, an operator on the machine, a probe, or time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Author {
    Staff { person: HsaId, request: String },
    Operator { user: String },
    Probe { slug: String },
    Clock {},
}

impl Author {
    /// As updates name who wrote them; never shown to readers.
    pub fn name(&self) -> String {
        match self {
            Author::Staff { person, .. } => person.to_string(),
            Author::Operator { user } => format!("operator {user}"),
            Author::Probe { slug } => format!("probe {slug}"),
            Author::Clock {} => "clock".to_owned(),
        }
    }

    pub fn is_person(&self) -> bool {
        matches!(self, Author::Staff { .. } | Author::Operator { .. })
    }

    pub(in crate::usecase) fn line(&self, act: &str) -> AccessEntry {
        match self {
            Author::Staff { person, request } => AccessEntry::new(person.as_str(), "support", act, request),
            Author::Operator { user } => AccessEntry::new(user, "operator", act, ""),
            Author::Probe { slug } => AccessEntry::new(slug, "probe", act, ""),
            Author::Clock {} => AccessEntry::new("budkavle", "system", act, ""),
        }
    }
}

impl Gateway {
    /// Of the staff, those with the support role write.
    pub(super) fn permit_telling(&self, author: &Author) -> Result<(), Refusal> {
        match author {
            Author::Staff { person, .. } if !self.catalog().is_support(person) => Err(Refusal::NotPermitted),
            _ => Ok(()),
        }
    }
}
