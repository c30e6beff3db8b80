//! What every act owes besides itself: a line in the access log, an event in the portal's feed, letters.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::catalog::Catalog;
use super::{Gateway, Refusal};
use crate::crypto::sha256;
use crate::domain::case::{Awaiting, Case, State};
use crate::domain::clinic::Role;
use crate::domain::id::HsaId;
use crate::domain::letter::{Letter, LetterKind};
use crate::store::record::{Record, encode};
use crate::store::{Append, Chain, Change, key};

/// What a portal is told in its feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventType {
    Received,
    Distributed,
    Redistributed,
    Returned,
    Forwarded,
    InterimAnswer,
    Question,
    Answered,
    Corrected,
    Closed,
    MessageReceived,
    Reopened,
    Withdrawn,
    Lapsed,
}

/// Thin: what it is about is fetched, and logged, by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortalEvent {
    pub case: Uuid,
    pub r#type: EventType,
}

impl Record for PortalEvent {
    const VERSION: u8 = 1;
}

/// Letters of one act to staff; a clinic with more receivers than this has a list of its own to mend.
const STAFF_LETTERS_MAX: usize = 50;

impl Gateway {
    /// Adds an event to the feed of the portal that sent the case.
    pub(super) fn tell_portal(
        &self,
        change: &mut Change,
        case: &Case,
        event: EventType,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let payload = encode(&PortalEvent { case: case.id, r#type: event });
        change.append(Append {
            chain: Chain::Events(case.errand.portal.as_str().to_owned()),
            entry: self.new_id(now)?,
            digest: sha256(&[&payload]),
            payload,
            pointer: None,
        });
        Ok(())
    }

    /// Owes the citizen a letter, if the citizen gave an address.
    pub(super) fn tell_citizen(
        &self,
        change: &mut Change,
        case: &Case,
        kind: LetterKind,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(contact) = &case.errand.contact else { return Ok(()) };
        let letter = Letter::new(self.new_id(now)?, case.id, kind, contact.email.clone(), contact.language, now);
        owe(change, &letter);
        Ok(())
    }

    /// Owes the receivers of the case's clinic a letter, as each has chosen; never to who acted.
    pub(super) fn tell_receivers(
        &self,
        change: &mut Change,
        catalog: &Catalog,
        case: &Case,
        actor: Option<&HsaId>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let receivers = catalog
            .people_at(&case.clinic)
            .filter(|at| at.record.roles.contains(&Role::Receiver))
            .map(|at| &at.record.person)
            .filter(|person| Some(*person) != actor && catalog.choice(person).new_case)
            .take(STAFF_LETTERS_MAX);
        for person in receivers {
            self.tell_staff(change, catalog, case, person, LetterKind::NewCase, now)?;
        }
        Ok(())
    }

    /// Owes a new handler a letter, if it is wanted and the handler did not take the case itself.
    pub(super) fn tell_handler(
        &self,
        change: &mut Change,
        catalog: &Catalog,
        case: &Case,
        actor: Option<&HsaId>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        match &case.handler {
            Some(handler) if actor != Some(handler) && catalog.choice(handler).assigned_case => {
                self.tell_staff(change, catalog, case, handler, LetterKind::AssignedCase, now)
            }
            _ => Ok(()),
        }
    }

    fn tell_staff(
        &self,
        change: &mut Change,
        catalog: &Catalog,
        case: &Case,
        person: &HsaId,
        kind: LetterKind,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let works = catalog.colleagues.get(person).is_some_and(|posts| !posts.is_empty());
        if let (true, Some(to)) = (works, catalog.address_of(person)) {
            let language = catalog.choice(person).language;
            owe(change, &Letter::new(self.new_id(now)?, case.id, kind, to, language, now));
        }
        Ok(())
    }
}

/// Whether a change owes any letters: the outbox need not look otherwise.
pub(super) fn owes_letters(change: &Change) -> bool {
    change.creates_below(&key::letters())
}

pub(super) fn owe(change: &mut Change, letter: &Letter) {
    change.create(key::letter(letter.id), encode(letter));
    change.index(key::letter_due(letter.next_at, letter.id));
}

/// Takes a case out of the lists in which it stood and puts it into those in which it stands now.
pub(super) fn relist<E>(change: &mut Change, before: Option<&Case<E>>, after: &Case<E>) {
    for key in before.map(lists).unwrap_or_default() {
        change.unindex(key);
    }
    if before.is_none_or(|b| b.clinic != after.clinic) {
        if let Some(before) = before {
            change.unindex(key::by_clinic(&before.clinic, before.received_at, before.id));
        }
        change.index(key::by_clinic(&after.clinic, after.received_at, after.id));
    }
    for key in lists(after) {
        change.index(key);
    }
}

fn lists<E>(case: &Case<E>) -> Vec<crate::store::Key> {
    let mut out = Vec::new();
    match (case.state, case.awaiting) {
        (State::Received, _) => out.push(key::undistributed(&case.clinic, case.distributed_by, case.id)),
        (State::Distributed, Awaiting::Staff) => {
            out.push(key::unanswered(&case.clinic, case.answered_by, case.id));
        }
        (State::Distributed, Awaiting::Citizen) => {
            out.push(key::awaiting_citizen(&case.clinic, case.answered_by, case.id));
        }
        (State::Answered, _) => {
            out.extend(case.follow_up_until().map(|until| key::follow_up_end(until, case.id)));
        }
        (State::Closed | State::Withdrawn, _) => {}
    }
    if let (State::Distributed, Some(handler)) = (case.state, &case.handler) {
        out.push(key::mine(handler, case.answered_by, case.id));
    }
    out
}
