//! What staff does with a case: distribute, return, forward, answer, close. Each act names the version that it saw.

use jiff::Timestamp;
use uuid::Uuid;

use super::access::{AccessEntry, Visitor};
use super::catalog::Catalog;
use super::kept::Held;
use super::owe::{EventType, relist};
use super::{Gateway, Refusal};
use crate::domain::case::{Act, Case, Document, DocumentBody, DocumentKind};
use crate::domain::form::{Questionnaire, is_valid};
use crate::domain::id::{HsaId, Private};
use crate::domain::letter::LetterKind;
use crate::domain::policy::{Actor, Deed, Permit, decide};
use crate::store::record::{decode, encode};
use crate::store::{Change, CommitError, key};

/// What a member of the staff wants done.
#[derive(Clone)]
pub enum StaffAct {
    Distribute {
        to: HsaId,
    },
    Return,
    Forward {
        to: HsaId,
    },
    InterimAnswer {
        text: Private,
    },
    Question {
        text: Private,
    },
    /// The filled-in answer form: a FHIR `QuestionnaireResponse`.
    Answer {
        response: serde_json::Value,
    },
    /// For a reason that the citizen sees.
    Close {
        reason: Private,
    },
}

impl StaffAct {
    fn deed(&self) -> Deed {
        match self {
            StaffAct::Distribute { .. } => Deed::Distribute,
            StaffAct::Return => Deed::Return,
            StaffAct::Forward { .. } => Deed::Forward,
            StaffAct::InterimAnswer { .. } | StaffAct::Question { .. } | StaffAct::Answer { .. } => Deed::Answer,
            StaffAct::Close { .. } => Deed::Close,
        }
    }
}

/// What an act came to: the case's new shape, and what else its change must hold.
struct Outcome {
    case: Case,
    document: Option<(u32, Document)>,
    event: EventType,
    letter: Option<LetterKind>,
}

impl Gateway {
    /// Carries out an act on the version that the caller saw; returns the new version.
    pub async fn act_on_case(
        &self,
        visitor: &Visitor,
        id: Uuid,
        seen: u64,
        act: StaffAct,
    ) -> Result<(u64, Case, Permit), Refusal> {
        let Held { version, case: before } = self.hold(id).await?;
        let catalog = self.catalog();
        let roles = catalog.roles_at(&before.clinic, &visitor.hsa_id);
        let actor = Actor::Staff { person: visitor.hsa_id.clone(), roles };
        let permit = decide(&actor, act.deed(), &before)?;
        if version != seen {
            return Err(Refusal::Stale { current: Some(version) });
        }
        let now = self.now();
        let outcome = self.carry_out(&catalog, &before, act, &visitor.hsa_id, now).await?;
        let case = outcome.case;
        let mut change = Change::new();
        change.replace(key::case(id), version, encode(&case));
        if let Some((number, document)) = &outcome.document {
            change.create(key::document(id, *number), encode(document));
        }
        relist(&mut change, Some(&before), &case);
        self.tell_portal(&mut change, &case, outcome.event, now)?;
        if let Some(kind) = outcome.letter {
            self.tell_citizen(&mut change, &case, kind, now)?;
        }
        let actor = Some(&visitor.hsa_id);
        match outcome.event {
            EventType::Distributed | EventType::Redistributed => {
                self.tell_handler(&mut change, &catalog, &case, actor, now)?;
            }
            EventType::Returned | EventType::Forwarded => {
                self.tell_receivers(&mut change, &catalog, &case, actor, now)?;
            }
            _ => {}
        }
        let line = AccessEntry::new(visitor.hsa_id.as_str(), role(permit), act_name(outcome.event), &visitor.request);
        let line = line.at(&before.clinic).of(vec![id]).about(&self.citizen_hash(&case.errand.citizen.identifier)?);
        self.log_in(&mut change, &line, now)?;
        match self.cases.commit(change).await {
            Ok(_) => {}
            Err(CommitError::Conflict { .. }) => return Err(Refusal::Stale { current: None }),
            Err(error) => return Err(error.into()),
        }
        self.feed_of(&case.errand.portal).notify_waiters();
        self.letters_owed.notify_one();
        Ok((version + 1, case, permit))
    }

    async fn carry_out(
        &self,
        catalog: &Catalog,
        before: &Case,
        act: StaffAct,
        by: &HsaId,
        now: Timestamp,
    ) -> Result<Outcome, Refusal> {
        let mut case = before.clone();
        let by = by.clone();
        let text = |kind, text| Document { kind, body: DocumentBody::Text(text) };
        let (document, event, letter) = match act {
            StaffAct::Distribute { to } => {
                self.check_handler(catalog, &case.clinic, &to).await?;
                let act = case.distribute(to, by, now)?;
                let first = act == Act::Distribute;
                (None, if first { EventType::Distributed } else { EventType::Redistributed }, None)
            }
            StaffAct::Return => {
                case.give_back(Some(by), now)?;
                (None, EventType::Returned, None)
            }
            StaffAct::Forward { to } => {
                forward(catalog, &mut case, to, by, now)?;
                (None, EventType::Forwarded, None)
            }
            StaffAct::InterimAnswer { text: words } => {
                let number = case.interim_answer(by, now)?;
                let document = text(DocumentKind::InterimAnswer, words);
                (Some((number, document)), EventType::InterimAnswer, Some(LetterKind::AnswerWaits))
            }
            StaffAct::Question { text: words } => {
                let number = case.question(by, now)?;
                let document = text(DocumentKind::Question, words);
                (Some((number, document)), EventType::Question, Some(LetterKind::QuestionWaits))
            }
            StaffAct::Answer { response } => {
                let (number, act) = case.answer(by, now)?;
                self.check_answer(before, &response, now).await?;
                let correct = act == Act::Correct;
                let kind = if correct { DocumentKind::Correction } else { DocumentKind::Answer };
                let body = DocumentBody::Form { form: case.errand.answer_form.clone(), response };
                let event = if correct { EventType::Corrected } else { EventType::Answered };
                (Some((number, Document { kind, body })), event, Some(LetterKind::AnswerWaits))
            }
            StaffAct::Close { reason } => {
                case.close(reason, by, now)?;
                (None, EventType::Closed, Some(LetterKind::AnswerWaits))
            }
        };
        Ok(Outcome { case, document, event, letter })
    }

    async fn check_handler(&self, catalog: &Catalog, clinic: &HsaId, person: &HsaId) -> Result<(), Refusal> {
        if catalog.may_handle(clinic, person) {
            return Ok(());
        }
        let posts = super::catalog::posts_of(&self.common, person).await?;
        Err(if posts.is_empty() { Refusal::HandlerUnknown } else { Refusal::HandlerWithoutRole })
    }

    /// Against the answer form as it was when the case came.
    async fn check_answer(&self, case: &Case, response: &serde_json::Value, now: Timestamp) -> Result<(), Refusal> {
        let expected = case.errand.answer_form.canonical();
        if response.get("questionnaire").and_then(|q| q.as_str()) != Some(expected.as_str()) {
            return Err(Refusal::FormVersion { expected });
        }
        let form = self.case_form(&case.errand.answer_form).await?;
        let questionnaire = Questionnaire::parse(&form).map_err(Refusal::FormInvalid)?;
        let issues = questionnaire.check_submission(response, now);
        if is_valid(&issues) { Ok(()) } else { Err(Refusal::FormInvalid(issues)) }
    }

    /// A form as a case froze it.
    pub async fn case_form(&self, form: &crate::domain::clinic::FormRef) -> Result<serde_json::Value, Refusal> {
        if let Some(form) = self.catalog().forms.get(&form.digest) {
            return Ok(form.source.clone());
        }
        let digest = super::submit_case::digest_of(form).ok_or(Refusal::NotFound)?;
        let found = self.cases.get(&key::form(&digest)).await?.ok_or(Refusal::NotFound)?;
        let record: super::catalog::FormRecord = decode(&found.value)?;
        Ok(record.source)
    }
}

fn forward(catalog: &Catalog, case: &mut Case, to: HsaId, by: HsaId, now: Timestamp) -> Result<(), Refusal> {
    let clinic = catalog.clinic(&to).filter(|_| to != case.clinic).ok_or(Refusal::TargetClinicUnknown)?;
    let closed = || Refusal::ClinicClosed { telephone: clinic.telephone.clone() };
    if !clinic.open {
        return Err(closed());
    }
    let case_type =
        catalog.case_type(&to, &case.errand.case_type).filter(|t| t.active).ok_or(Refusal::CaseTypeNotOffered)?;
    let promised = case_type.promise.from(now, &clinic.opening).map_err(|_| closed())?;
    case.promise = case_type.promise;
    case.forward(to, promised, by, now)?;
    Ok(())
}

/// The role in which something was done, for the access log.
pub(super) fn role(permit: Permit) -> &'static str {
    use crate::domain::policy::Standing;
    match permit.standing {
        Standing::Receiver => "receiver",
        Standing::HandlerOfCase | Standing::OtherHandler => "handler",
        Standing::Leader => "leader",
        Standing::SendingPortal => "portal",
        Standing::Reporter => "reporter",
        Standing::Stranger => "stranger",
    }
}

fn act_name(event: EventType) -> &'static str {
    match event {
        EventType::Received => "submit",
        EventType::Distributed => "distribute",
        EventType::Redistributed => "redistribute",
        EventType::Returned => "return",
        EventType::Forwarded => "forward",
        EventType::InterimAnswer => "interim-answer",
        EventType::Question => "question",
        EventType::Answered => "answer",
        EventType::Corrected => "correct",
        EventType::Closed => "close",
        EventType::MessageReceived => "message",
        EventType::Reopened => "reopen",
        EventType::Withdrawn => "withdraw",
        EventType::Lapsed => "lapse",
    }
}
