//! The citizen's later word on a case, through the portal that sent it: a message, a withdrawal.

use super::access::{AccessEntry, Visitor};
use super::idempotency::{Acknowledged, Acknowledgement, Request, Running};
use super::kept::Held;
use super::owe::{EventType, relist};
use super::read_cases::Reader;
use super::{Gateway, Refusal};
use crate::domain::case::{Act, Case, Document, DocumentBody, DocumentKind};
use crate::domain::clinic::{Clinic, Promised};
use crate::domain::id::Private;
use crate::domain::policy::{Actor, Deed, decide};
use crate::store::record::encode;
use crate::store::{Append, Chain, Change, CommitError, key};
use uuid::Uuid;

/// How often a citizen's word is tried again when staff acted on the case at the same moment.
const TRIES_MAX: u32 = 5;

impl Gateway {
    /// A message: an addition, the reply to a counter-question, or a follow-up that reopens the case.
    pub async fn write_message(&self, request: &Request<'_>, id: Uuid, text: Private) -> Result<Acknowledged, Refusal> {
        self.admit_portal(request.portal)?;
        let running = match self.begin(request).await? {
            Ok(running) => running,
            Err(replayed) => return Ok(replayed),
        };
        self.limits.submission.check(request.portal.as_str().as_bytes()).map_err(Refusal::SubmissionLimit)?;
        for _ in 0..TRIES_MAX {
            match self.try_message(request, &running, id, text.clone()).await {
                Err(Refusal::Stale { .. }) => {
                    // Staff acted at the same moment, or an earlier try of this request has come through.
                    if let Some(stored) = self.replay(running.id, request).await? {
                        return Ok(stored);
                    }
                }
                told => return told,
            }
        }
        Err(Refusal::Commit(CommitError::Overloaded))
    }

    async fn try_message(
        &self,
        request: &Request<'_>,
        running: &Running<'_>,
        id: Uuid,
        text: Private,
    ) -> Result<Acknowledged, Refusal> {
        let Held { version, case: before } = self.hold(id).await?;
        let actor = Actor::Portal { system: request.portal.clone() };
        let _permit = decide(&actor, Deed::Message, &before)?;
        let now = self.now();
        let catalog = self.catalog();
        let mut case = before.clone();
        let stays = case.handler.as_ref().is_none_or(|handler| catalog.may_handle(&case.clinic, handler));
        let promised = promised_anew(catalog.clinic(&case.clinic), &before, now);
        let (number, act) = case.message(stays, || promised, now)?;
        let mut change = Change::new();
        change.append(Append {
            chain: Chain::Receipts(request.portal.as_str().to_owned()),
            entry: self.new_id(now)?,
            digest: request.body_digest,
            payload: case.id.as_bytes().to_vec(),
            pointer: Some(key::receipt(case.id, number)),
        });
        change.replace(key::case(id), version, encode(&case));
        let document = Document { kind: DocumentKind::Message, body: DocumentBody::Text(text) };
        change.create(key::document(id, number), encode(&document));
        let answer = Acknowledgement {
            case: id,
            document: number,
            state: case.state,
            received_at: now,
            distributed_by: case.distributed_by,
            answered_by: case.answered_by,
            version: version + 1,
        };
        Gateway::store_answer(&mut change, running, request, &answer, now);
        relist(&mut change, Some(&before), &case);
        let event = if act == Act::Reopen { EventType::Reopened } else { EventType::MessageReceived };
        self.tell_portal(&mut change, &case, event, now)?;
        match &case.handler {
            Some(_) => self.tell_handler(&mut change, &catalog, &case, None, now)?,
            None => self.tell_receivers(&mut change, &catalog, &case, None, now)?,
        }
        let line = AccessEntry::new(request.portal.as_str(), "portal", "message", request.request);
        let line = line.at(&case.clinic).of(vec![id]).about(&self.citizen_hash(&case.errand.citizen.identifier)?);
        self.log_in(&mut change, &line, now)?;
        let committed = self.cases.commit(change).await?;
        self.feed_of(&case.errand.portal).notify_waiters();
        self.letters_owed.notify_one();
        let receipt = committed.stamps.first().copied().ok_or(Refusal::Random)?;
        Ok(Acknowledged { answer, receipt, replayed: false })
    }

    /// The citizen takes the case back. Saying it twice is saying it once.
    pub async fn withdraw_case(&self, visitor: &Visitor, id: Uuid) -> Result<(u64, Case), Refusal> {
        self.admit_portal(&visitor.hsa_id)?;
        for _ in 0..TRIES_MAX {
            match self.try_withdrawal(visitor, id).await {
                Err(Refusal::Stale { .. }) => {}
                Ok((version, mut case)) => {
                    self.shield(&Reader::Portal(visitor.clone()), &mut case).await?;
                    return Ok((version, case));
                }
                refused => return refused,
            }
        }
        Err(Refusal::Commit(CommitError::Overloaded))
    }

    async fn try_withdrawal(&self, visitor: &Visitor, id: Uuid) -> Result<(u64, Case), Refusal> {
        let Held { version, case: before } = self.hold(id).await?;
        let actor = Actor::Portal { system: visitor.hsa_id.clone() };
        let _permit = decide(&actor, Deed::Withdraw, &before)?;
        if before.state == crate::domain::case::State::Withdrawn {
            return Ok((version, before));
        }
        let now = self.now();
        let mut case = before.clone();
        case.withdraw(now)?;
        let mut change = Change::new();
        change.replace(key::case(id), version, encode(&case));
        relist(&mut change, Some(&before), &case);
        self.tell_portal(&mut change, &case, EventType::Withdrawn, now)?;
        let line = AccessEntry::new(visitor.hsa_id.as_str(), "portal", "withdraw", &visitor.request);
        let line = line.at(&case.clinic).of(vec![id]).about(&self.citizen_hash(&case.errand.citizen.identifier)?);
        self.log_in(&mut change, &line, now)?;
        self.cases.commit(change).await?;
        self.feed_of(&case.errand.portal).notify_waiters();
        Ok((version + 1, case))
    }
}

/// The promises begin again; a clinic that has gone or never opens keeps those that it had.
pub(super) fn promised_anew(clinic: Option<&Clinic>, case: &Case, now: jiff::Timestamp) -> Promised {
    clinic
        .and_then(|clinic| case.promise.from(now, &clinic.opening).ok())
        .unwrap_or(Promised { distributed_by: case.distributed_by, answered_by: case.answered_by })
}
