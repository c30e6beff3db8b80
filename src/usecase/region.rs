//! Who sets the region up: operators on the machine (clinics, portals, first roles), administrators at
//! the staff door (roles, case types, texts of their clinic), everybody their own letters. All of it is logged.

use std::collections::BTreeSet;

use serde_json::Value;

use super::access::{AccessEntry, Visitor};
use super::catalog::{At, Catalog, FormRecord};
use super::{Gateway, Refusal};
use crate::crypto::{hex, sha256};
use crate::domain::clinic::{CaseType, Clinic, FormRef, NotificationChoice, Portal, Promise, Role, RoleGrant, Texts};
use crate::domain::form::Questionnaire;
use crate::domain::id::HsaId;
use crate::store::record::{Record, encode};
use crate::store::{Change, Key, key};

/// Who changes the region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// The user's name on the machine.
    Operator(String),
    /// The gateway itself, on its own time.
    System,
    /// An administrator of the clinic in question.
    Administrator(Visitor),
    /// Somebody of the region's support.
    Support(Visitor),
}

impl Author {
    pub(super) fn line(&self, act: &str) -> AccessEntry {
        match self {
            Author::Operator(user) => AccessEntry::new(user, "operator", act, ""),
            Author::System => AccessEntry::new("budkavle", "system", act, ""),
            Author::Administrator(v) => AccessEntry::new(v.hsa_id.as_str(), "administrator", act, &v.request),
            Author::Support(v) => AccessEntry::new(v.hsa_id.as_str(), "support", act, &v.request),
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Author::Operator(user) => format!("operator {user}"),
            Author::System => "budkavle".to_owned(),
            Author::Administrator(visitor) | Author::Support(visitor) => visitor.hsa_id.to_string(),
        }
    }
}

/// A case type as it is put in: with the forms themselves.
#[derive(Clone)]
pub struct CaseTypeDraft {
    pub id: String,
    pub clinic: HsaId,
    pub title: Texts,
    pub description: Texts,
    pub terms: Texts,
    pub fees: Texts,
    pub promise: Promise,
    pub follow_up_days: u16,
    pub active: bool,
    pub question_form: Value,
    pub answer_form: Value,
}

impl Gateway {
    pub async fn put_clinic(&self, author: &Author, clinic: &Clinic) -> Result<u64, Refusal> {
        let seen = self.catalog().clinics.get(&clinic.hsa_id).map(|at| at.version);
        self.put_one(author, "clinic-put", Some(&clinic.hsa_id), key::clinic(&clinic.hsa_id), seen, clinic).await
    }

    pub async fn put_portal(&self, author: &Author, portal: &Portal) -> Result<u64, Refusal> {
        let seen = self.catalog().portals.get(&portal.hsa_id).map(|at| at.version);
        self.put_one(author, "portal-put", None, key::portal(&portal.hsa_id), seen, portal).await
    }

    /// Puts a case type with its forms. `seen` is what the author saw of it; an operator may leave it out.
    pub async fn put_case_type(
        &self,
        author: &Author,
        draft: CaseTypeDraft,
        seen: Option<Option<u64>>,
    ) -> Result<u64, Refusal> {
        let catalog = self.catalog();
        self.permit_administration(&catalog, author, &draft.clinic)?;
        if catalog.clinic(&draft.clinic).is_none() {
            return Err(Refusal::UnknownClinic);
        }
        let id = (draft.clinic.clone(), draft.id.clone());
        let current = catalog.case_types.get(&id).map(|at| at.version);
        if seen.is_some_and(|seen| seen != current) {
            return Err(Refusal::Stale { current });
        }
        let mut change = Change::new();
        let case_type = CaseType {
            question_form: add_form(&mut change, &catalog, draft.question_form)?,
            answer_form: add_form(&mut change, &catalog, draft.answer_form)?,
            id: draft.id,
            clinic: draft.clinic,
            title: draft.title,
            description: draft.description,
            terms: draft.terms,
            fees: draft.fees,
            promise: draft.promise,
            follow_up_days: draft.follow_up_days,
            active: draft.active,
        };
        let at = key::case_type(&case_type.clinic, &case_type.id);
        put(&mut change, at, current, &case_type);
        self.commit_region(change, author.line("case-type-put").at(&case_type.clinic)).await?;
        Ok(current.unwrap_or(0) + 1)
    }

    /// The clinic's own texts: "Övrig information".
    pub async fn put_information(
        &self,
        author: &Author,
        clinic: &HsaId,
        information: Texts,
        seen: u64,
    ) -> Result<u64, Refusal> {
        let catalog = self.catalog();
        self.permit_administration(&catalog, author, clinic)?;
        let at = catalog.clinics.get(clinic).ok_or(Refusal::UnknownClinic)?;
        if at.version != seen {
            return Err(Refusal::Stale { current: Some(at.version) });
        }
        let record = Clinic { information, ..at.record.clone() };
        self.put_one(author, "information-put", Some(clinic), key::clinic(clinic), Some(seen), &record).await
    }

    /// Sets a person's roles at a clinic; none takes them all away.
    pub async fn put_roles(
        &self,
        author: &Author,
        clinic: &HsaId,
        person: &HsaId,
        roles: BTreeSet<Role>,
        seen: Option<Option<u64>>,
    ) -> Result<u64, Refusal> {
        let catalog = self.catalog();
        self.permit_administration(&catalog, author, clinic)?;
        // Support belongs to a unit that takes no cases.
        if catalog.clinic(clinic).is_none() && roles.iter().any(|role| *role != Role::Support) {
            return Err(Refusal::UnknownClinic);
        }
        let current = catalog.roles.get(&(clinic.clone(), person.clone())).map(|at| at.version);
        if seen.is_some_and(|seen| seen != current) {
            return Err(Refusal::Stale { current });
        }
        let at = key::role(clinic, person);
        let mut change = Change::new();
        let now = self.now();
        if roles.is_empty() {
            let version = current.ok_or(Refusal::NotFound)?;
            change.remove(at, version);
        } else {
            // Whoever has no post could not use a role: said here, not at the first log-in.
            if super::catalog::posts_of(&self.common, person).await?.is_empty() {
                return Err(Refusal::HandlerUnknown);
            }
            let (clinic, person, granted_by) = (clinic.clone(), person.clone(), author.name());
            put(&mut change, at, current, &RoleGrant { clinic, person, roles, granted_by, granted_at: now });
        }
        let act = format!("role-put {person}");
        self.commit_region(change, author.line(&act).at(clinic)).await?;
        self.directory.moved.notify_one();
        Ok(current.unwrap_or(0) + 1)
    }

    /// Who has which role at a clinic; for its administrator and manager.
    pub fn roles_of_clinic(&self, visitor: &Visitor, clinic: &HsaId) -> Result<Vec<At<RoleGrant>>, Refusal> {
        let catalog = self.catalog();
        let mine = catalog.roles_at(clinic, &visitor.hsa_id);
        if catalog.clinic(clinic).is_none() || mine.is_empty() {
            return Err(Refusal::NotFound);
        }
        if !mine.contains(&Role::Administrator) && !mine.contains(&Role::Manager) && !mine.contains(&Role::Receiver) {
            return Err(Refusal::NotPermitted);
        }
        Ok(catalog.people_at(clinic).cloned().collect())
    }

    /// Which letters a member of the staff wants; version 0 where nothing was chosen yet.
    pub fn notification_choice(&self, visitor: &Visitor) -> At<NotificationChoice> {
        let catalog = self.catalog();
        let chosen = catalog.choices.get(&visitor.hsa_id).cloned();
        chosen.unwrap_or(At { version: 0, record: NotificationChoice::default() })
    }

    pub async fn choose_notifications(
        &self,
        visitor: &Visitor,
        choice: &NotificationChoice,
        seen: u64,
    ) -> Result<u64, Refusal> {
        let current = self.notification_choice(visitor).version;
        if seen != current {
            return Err(Refusal::Stale { current: Some(current) });
        }
        let mut change = Change::new();
        put(&mut change, key::notification(&visitor.hsa_id), (seen > 0).then_some(seen), choice);
        let line = AccessEntry::new(visitor.hsa_id.as_str(), "staff", "notifications-put", &visitor.request);
        self.commit_region(change, line).await?;
        Ok(seen + 1)
    }

    fn permit_administration(&self, catalog: &Catalog, author: &Author, clinic: &HsaId) -> Result<(), Refusal> {
        match author {
            Author::Operator(_) | Author::System => Ok(()),
            Author::Support(_) => Err(Refusal::NotPermitted),
            Author::Administrator(visitor) => {
                let roles = catalog.roles_at(clinic, &visitor.hsa_id);
                if roles.contains(&Role::Administrator) { Ok(()) } else { Err(Refusal::NotPermitted) }
            }
        }
    }

    pub(super) async fn put_one<R: Record>(
        &self,
        author: &Author,
        act: &str,
        clinic: Option<&HsaId>,
        at: Key,
        seen: Option<u64>,
        record: &R,
    ) -> Result<u64, Refusal> {
        let mut change = Change::new();
        put(&mut change, at, seen, record);
        let mut line = author.line(act);
        line.clinic = clinic.cloned();
        self.commit_region(change, line).await?;
        Ok(seen.unwrap_or(0) + 1)
    }

    pub(super) async fn commit_region(&self, mut change: Change, line: AccessEntry) -> Result<(), Refusal> {
        self.log_in(&mut change, &line, self.now())?;
        self.common.commit(change).await?;
        self.reload_catalog().await?;
        Ok(())
    }

    /// Posts begin and end at midnight without anybody writing anything.
    pub async fn refresh_catalog(&self) -> Result<(), Refusal> {
        self.reload_catalog().await?;
        self.directory.moved.notify_one();
        Ok(())
    }
}

pub(super) fn put<R: Record>(change: &mut Change, at: Key, seen: Option<u64>, record: &R) {
    match seen {
        Some(version) => change.replace(at, version, encode(record)),
        None => change.create(at, encode(record)),
    }
}

/// A form goes in once, under the digest of its canonical bytes.
fn add_form(change: &mut Change, catalog: &Catalog, source: Value) -> Result<FormRef, Refusal> {
    let questionnaire = Questionnaire::parse(&source).map_err(Refusal::FormInvalid)?;
    let bytes = serde_json::to_vec(&source).map_err(|_| Refusal::Read(crate::store::ReadError::Damaged))?;
    let digest = sha256(&[&bytes]);
    let reference = FormRef {
        url: questionnaire.url.clone().unwrap_or_default(),
        version: questionnaire.version.clone().unwrap_or_default(),
        digest: hex(&digest),
    };
    if !catalog.forms.contains_key(&reference.digest) {
        change.create(key::form(&digest), encode(&FormRecord { digest: reference.digest.clone(), source }));
    }
    Ok(reference)
}
