//! Who did what to which patient's case, from which unit, when, in which role: what the access log holds, and who
//! among the staff is let in at all.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::catalog::posts_of;
use super::{Gateway, Refusal};
use crate::crypto::{Digest, hex, sha256};
use crate::domain::calendar::local_date;
use crate::domain::clinic::Portal;
use crate::domain::id::HsaId;
use crate::domain::rejection::RejectionCode;
use crate::store::record::{Record, decode, encode};
use crate::store::{Append, Chain, Change, Store};

/// One line of the access log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessEntry {
    /// HSA-id of a person or system; an operator's user name on the machine.
    pub who: String,
    /// `receiver`, `handler`, `administrator`, `portal`, `operator`, …
    pub role: String,
    /// What was done, in the API's words.
    pub act: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clinic: Option<HsaId>,
    /// The cases; a list that was read is one entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<Uuid>,
    /// Keyed hash of the patient's identity: an extract for a patient finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// Ties the line to the caller's own records.
    pub request: String,
}

impl Record for AccessEntry {
    const VERSION: u8 = 1;
}

impl AccessEntry {
    pub fn new(who: &str, role: &str, act: &str, request: &str) -> AccessEntry {
        AccessEntry {
            who: who.to_owned(),
            role: role.to_owned(),
            act: act.to_owned(),
            clinic: None,
            cases: Vec::new(),
            patient: None,
            request: request.to_owned(),
        }
    }

    pub fn at(mut self, clinic: &HsaId) -> AccessEntry {
        self.clinic = Some(clinic.clone());
        self
    }

    pub fn of(mut self, cases: Vec<Uuid>) -> AccessEntry {
        self.cases = cases;
        self
    }

    pub fn about(mut self, patient: &Digest) -> AccessEntry {
        self.patient = Some(hex(patient));
        self
    }

    /// As `about`, for what may concern no patient.
    pub fn about_any(self, patient: Option<&Digest>) -> AccessEntry {
        match patient {
            Some(patient) => self.about(patient),
            None => self,
        }
    }
}

/// A line of the access log as it is read back.
#[derive(Debug, Clone)]
pub struct LoggedEntry {
    pub sequence: u64,
    pub at: Timestamp,
    pub entry: AccessEntry,
}

/// Who calls, as a use case sees it: proven by certificate, let in by post or registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    pub hsa_id: HsaId,
    /// For the access log and the caller's own support case.
    pub request: String,
}

impl Gateway {
    /// A member of the staff with a current post in the directory and a role at some clinic.
    pub async fn admit_staff(&self, person: &HsaId) -> Result<(), Refusal> {
        let posts = posts_of(&self.common, person).await?;
        let today = local_date(self.now());
        if posts.is_empty() {
            return Err(Refusal::Rejected(RejectionCode::NoPost));
        }
        if !posts.iter().any(|post| post.is_current(today)) {
            return Err(Refusal::Rejected(RejectionCode::PostEnded));
        }
        match self.catalog().clinics_of(person).next() {
            Some(_) => Ok(()),
            None => Err(Refusal::Rejected(RejectionCode::NoRole)),
        }
    }

    /// A system that is registered and not suspended.
    pub fn admit_portal(&self, system: &HsaId) -> Result<Portal, Refusal> {
        let portal = self.registered_portal(system)?;
        self.note_portal(system);
        Ok(portal)
    }

    /// As `admit_portal`, but nobody has been heard of: the question alone is no sign of the portal's life.
    pub fn registered_portal(&self, system: &HsaId) -> Result<Portal, Refusal> {
        let catalog = self.catalog();
        let portal = catalog.portals.get(system).map(|at| &at.record);
        match portal {
            None => Err(Refusal::Rejected(RejectionCode::PortalNotRegistered)),
            Some(portal) if portal.suspended => Err(Refusal::Rejected(RejectionCode::PortalSuspended)),
            Some(portal) => Ok(portal.clone()),
        }
    }

    /// Adds the log's line to the change that it tells of.
    pub(super) fn log_in(&self, change: &mut Change, entry: &AccessEntry, now: Timestamp) -> Result<(), Refusal> {
        let payload = encode(entry);
        let digest = sha256(&[&payload]);
        let entry = self.new_id(now)?;
        change.append(Append { chain: Chain::AccessLog, entry, digest, payload, pointer: None });
        Ok(())
    }

    /// What was read or done that changes no store.
    pub async fn log_operator(&self, store: &Store, entry: &AccessEntry) -> Result<(), Refusal> {
        let mut change = Change::new();
        self.log_in(&mut change, entry, self.now())?;
        store.commit(change).await?;
        Ok(())
    }

    /// Lines of a store's access log after a number, oldest first.
    pub async fn access_log(&self, store: &Store, after: u64, limit: usize) -> Result<Vec<LoggedEntry>, Refusal> {
        let entries = store.entries(Chain::AccessLog, after, limit).await?;
        entries
            .into_iter()
            .map(|e| Ok(LoggedEntry { sequence: e.stamp.sequence, at: e.at, entry: decode(&e.payload)? }))
            .collect()
    }
}

impl Gateway {
    /// The clinic of somebody who works at one only: an inbox needs no more to be told.
    pub fn only_clinic_of(&self, person: &HsaId) -> Option<HsaId> {
        let catalog = self.catalog();
        let mut clinics = catalog.clinics_of(person).map(|grant| grant.clinic.clone());
        let first = clinics.next()?;
        clinics.next().is_none().then_some(first)
    }
}
