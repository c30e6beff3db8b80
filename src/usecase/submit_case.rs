//! A portal hands in a case. Everything that it needs is in one change: the case, what was written, the receipt, the
//! event, the log's line, the letters, the stored answer.

use std::sync::PoisonError;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::access::AccessEntry;
use super::catalog::{Catalog, Form, FormRecord};
use super::idempotency::{Acknowledged, Acknowledgement, Request, Running};
use super::owe::{EventType, owes_letters, relist};
use super::{Gateway, Refusal};
use crate::crypto::Digest;
use crate::domain::case::{
    Case, Citizen, CitizenErrand, Contact, Document, DocumentBody, DocumentKind, Representative,
};
use crate::domain::clinic::{CaseType, Clinic, FormRef, Portal};
use crate::domain::form::is_valid;
use crate::domain::id::{HsaId, PersonId};
use crate::domain::rejection::RejectionCode;
use crate::store::record::{Record, decode, encode};
use crate::store::{Append, Chain, Change, CommitError, key};

/// How often a submission is tried again after it met a form that was being copied at the same moment.
const COPY_TRIES_MAX: u32 = 3;

/// What a portal hands in.
#[derive(Clone)]
pub struct Submission {
    pub clinic: HsaId,
    pub case_type: String,
    pub sender_reference: Option<String>,
    pub citizen: Citizen,
    pub representative: Option<Representative>,
    pub contact: Option<Contact>,
    /// The filled-in question form: a FHIR `QuestionnaireResponse`.
    pub response: serde_json::Value,
}

/// Which case has a portal's own reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SenderReference {
    pub case: Uuid,
}

impl Record for SenderReference {
    const VERSION: u8 = 1;
}

impl Gateway {
    pub async fn submit_case(&self, request: &Request<'_>, submission: &Submission) -> Result<Acknowledged, Refusal> {
        let portal = self.admit_portal(request.portal)?;
        let running = match self.begin(request).await? {
            Ok(running) => running,
            Err(replayed) => return Ok(replayed),
        };
        self.limits.submission.check(request.portal.as_str().as_bytes()).map_err(Refusal::SubmissionLimit)?;
        let catalog = self.catalog();
        let (clinic, case_type) = offered(&catalog, &portal, submission)?;
        let form = catalog.forms.get(&case_type.question_form.digest).ok_or(Refusal::CaseTypeNotOffered)?;
        let now = self.now();
        self.check_persons(submission)?;
        check(submission, case_type, form, now)?;
        let citizen = self.citizen_hash(&submission.citizen.identifier)?;
        self.limits.citizen.check(&citizen).map_err(Refusal::CitizenLimit)?;
        let case = new_case(self.new_id(now)?, &portal, clinic, case_type, submission, now)?;
        for _ in 0..COPY_TRIES_MAX {
            let change = self.submission_change(request, &running, submission, &catalog, &case, &citizen, now)?;
            let owes = owes_letters(&change);
            match self.cases.commit(change).await {
                Ok(committed) => {
                    tracing::debug!(event = "case.submitted", case = %case.id, at = %committed.at, "a case is on disk");
                    self.remember_copies(case_type);
                    self.feed_of(&portal.hsa_id).notify_waiters();
                    if owes {
                        self.letters_owed.notify_one();
                    }
                    let receipt = committed.stamps.first().copied().ok_or(Refusal::Random)?;
                    return Ok(Acknowledged { answer: acknowledge(&case), receipt, replayed: false });
                }
                Err(CommitError::Conflict { key }) => {
                    // An earlier try of the same request, whose caller had gone, may have come through meanwhile.
                    if let Some(stored) = self.replay(running.id, request).await? {
                        return Ok(stored);
                    }
                    self.explain_conflict(&key, request.portal, submission, case_type).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Commit(CommitError::Unavailable))
    }

    #[expect(clippy::too_many_arguments, reason = "one change is made of all that the submission brought together")]
    fn submission_change(
        &self,
        request: &Request<'_>,
        running: &Running<'_>,
        submission: &Submission,
        catalog: &Catalog,
        case: &Case,
        citizen: &Digest,
        now: Timestamp,
    ) -> Result<Change, Refusal> {
        let mut change = Change::new();
        // First of all: its stamp is the receipt.
        change.append(Append {
            chain: Chain::Receipts(request.portal.as_str().to_owned()),
            entry: case.id,
            digest: request.body_digest,
            payload: case.id.as_bytes().to_vec(),
            pointer: Some(key::receipt(case.id, 0)),
        });
        change.create(key::case(case.id), encode(case));
        let document = Document {
            kind: DocumentKind::Submission,
            body: DocumentBody::Form { form: case.errand.question_form.clone(), response: submission.response.clone() },
        };
        change.create(key::document(case.id, 0), encode(&document));
        self.copy_forms(&mut change, catalog, case);
        if let Some(reference) = &submission.sender_reference {
            let hash = self.reference_hash(request.portal, reference)?;
            change.create(key::sender_reference(&hash), encode(&SenderReference { case: case.id }));
        }
        Gateway::store_answer(&mut change, running, request, &acknowledge(case), now);
        relist(&mut change, None, case);
        change.index(key::by_citizen(citizen, case.received_at, case.id));
        change.index(key::by_portal(&case.errand.portal, case.received_at, case.id));
        self.tell_portal(&mut change, case, EventType::Received, now)?;
        let line = AccessEntry::new(request.portal.as_str(), "portal", "submit", request.request);
        self.log_in(&mut change, &line.at(&case.clinic).of(vec![case.id]).about(citizen), now)?;
        self.tell_receivers(&mut change, catalog, case, None, now)?;
        Ok(change)
    }

    fn check_persons(&self, submission: &Submission) -> Result<(), Refusal> {
        let representative = submission.representative.as_ref().map(|r| &r.identifier);
        let persons = std::iter::once(&submission.citizen.identifier).chain(representative);
        match self.production && persons.into_iter().any(PersonId::is_test_person) {
            true => Err(Refusal::TestPerson),
            false => Ok(()),
        }
    }

    fn reference_hash(&self, portal: &HsaId, reference: &str) -> Result<Digest, Refusal> {
        self.cases_hash(&[b"sender-reference", portal.as_str().as_bytes(), reference.as_bytes()])
    }

    /// The forms as they are now go into `cases`, so that the case can be read when the region has newer ones.
    fn copy_forms(&self, change: &mut Change, catalog: &Catalog, case: &Case) {
        let copied = self.copied_forms.lock().unwrap_or_else(PoisonError::into_inner);
        for reference in [&case.errand.question_form, &case.errand.answer_form] {
            let (Some(digest), Some(form)) = (digest_of(reference), catalog.forms.get(&reference.digest)) else {
                continue;
            };
            if !copied.contains(&digest) {
                let record = FormRecord { digest: reference.digest.clone(), source: form.source.clone() };
                change.create(key::form(&digest), encode(&record));
            }
        }
    }

    fn remember_copies(&self, case_type: &CaseType) {
        let mut copied = self.copied_forms.lock().unwrap_or_else(PoisonError::into_inner);
        copied.extend([&case_type.question_form, &case_type.answer_form].into_iter().filter_map(digest_of));
    }

    /// A conflict on a form means that it is copied already; one on the reference names the case that has it.
    async fn explain_conflict(
        &self,
        conflict: &crate::store::Key,
        portal: &HsaId,
        submission: &Submission,
        case_type: &CaseType,
    ) -> Result<(), Refusal> {
        for reference in [&case_type.question_form, &case_type.answer_form] {
            if let Some(digest) = digest_of(reference)
                && *conflict == key::form(&digest)
            {
                self.copied_forms.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
                return Ok(());
            }
        }
        let reference = submission.sender_reference.as_deref();
        let hash = reference.map(|reference| self.reference_hash(portal, reference)).transpose()?;
        let reference = hash.map(|hash| key::sender_reference(&hash));
        match self.cases.get(conflict).await? {
            Some(taken) if reference.as_ref() == Some(conflict) => {
                let taken: SenderReference = decode(&taken.value)?;
                Err(Refusal::SenderReferenceUsed { case: taken.case })
            }
            _ => Err(Refusal::Stale { current: None }),
        }
    }
}

pub(super) fn digest_of(form: &FormRef) -> Option<Digest> {
    let bytes = form.digest.as_bytes();
    let mut out = [0; 32];
    for (place, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        *place = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    (bytes.len() == 64).then_some(out)
}

/// The clinic and case type, if they are there, open, and this portal may send to them.
fn offered<'a>(
    catalog: &'a Catalog,
    portal: &Portal,
    submission: &Submission,
) -> Result<(&'a Clinic, &'a CaseType), Refusal> {
    let clinic = catalog.clinic(&submission.clinic).ok_or(Refusal::UnknownClinic)?;
    if !portal.clinics.holds(clinic.hsa_id.as_str()) || !portal.case_types.holds(&submission.case_type) {
        return Err(Refusal::Rejected(RejectionCode::CaseTypeNotAllowed));
    }
    if !clinic.open {
        return Err(Refusal::ClinicClosed { telephone: clinic.telephone.clone() });
    }
    let known = catalog.case_types.keys().any(|(_, id)| *id == submission.case_type);
    match catalog.case_type(&clinic.hsa_id, &submission.case_type) {
        Some(case_type) if case_type.active => Ok((clinic, case_type)),
        _ if known => Err(Refusal::CaseTypeNotOffered),
        _ => Err(Refusal::UnknownCaseType),
    }
}

fn check(submission: &Submission, case_type: &CaseType, form: &Form, now: Timestamp) -> Result<(), Refusal> {
    // The link to a representative is cut for whoever lives under protection.
    if submission.citizen.protected && submission.representative.is_some() {
        return Err(Refusal::ProtectedWithRepresentative);
    }
    let expected = case_type.question_form.canonical();
    if submission.response.get("questionnaire").and_then(|q| q.as_str()) != Some(expected.as_str()) {
        return Err(Refusal::FormVersion { expected });
    }
    let issues = form.questionnaire.check_submission(&submission.response, now);
    if is_valid(&issues) { Ok(()) } else { Err(Refusal::FormInvalid(issues)) }
}

fn new_case(
    id: Uuid,
    portal: &Portal,
    clinic: &Clinic,
    case_type: &CaseType,
    submission: &Submission,
    now: Timestamp,
) -> Result<Case, Refusal> {
    let promised = case_type
        .promise
        .from(now, &clinic.opening)
        .map_err(|_| Refusal::ClinicClosed { telephone: clinic.telephone.clone() })?;
    let errand = CitizenErrand {
        case_type: case_type.id.clone(),
        portal: portal.hsa_id.clone(),
        channel: portal.channel,
        citizen: submission.citizen.clone(),
        representative: submission.representative.clone(),
        contact: submission.contact.clone(),
        question_form: case_type.question_form.clone(),
        answer_form: case_type.answer_form.clone(),
    };
    let promised = (case_type.promise, promised);
    Ok(Case::received(id, clinic.hsa_id.clone(), errand, promised, case_type.follow_up_days, now))
}

fn acknowledge(case: &Case) -> Acknowledgement {
    Acknowledgement {
        case: case.id,
        document: 0,
        state: case.state,
        received_at: case.received_at,
        distributed_by: case.distributed_by,
        answered_by: case.answered_by,
        version: 1,
    }
}
