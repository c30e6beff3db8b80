//! The reporter reads and writes by the link of the receipt, which whoever has it may, or writes with a card.

use jiff::SignedDuration;
use uuid::Uuid;

use super::SupportRefusal;
use crate::admit::IpKey;
use crate::domain::case::{Document, DocumentBody, DocumentKind};
use crate::domain::id::Private;
use crate::domain::id::holds_person_id;
use crate::domain::letter::LetterKind;
use crate::domain::policy::{Actor, Deed, decide};
use crate::domain::ticket::{SupportErrand, Ticket};
use crate::store::record::{decode, encode};
use crate::store::{Change, CommitError, key};
use crate::usecase::access::{AccessEntry, Visitor};
use crate::usecase::kept::{Held, Kept};
use crate::usecase::owe::relist;
use crate::usecase::read_cases::CaseView;
use crate::usecase::{Gateway, Refusal};

/// Where a reporter's word comes from.
pub enum WriterFrom<'a> {
    Link {
        token: &'a str,
        /// For limits only.
        address: IpKey,
    },
    Staff {
        visitor: &'a Visitor,
        ticket: Uuid,
    },
}

/// The same words again within this time are the same message.
const TWICE_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// How often a reporter's word is tried again when support acted at the same moment.
const TRIES_MAX: u32 = 5;

impl Gateway {
    /// The ticket of a link, with everything that was written.
    pub async fn open_ticket(&self, token: &str, request: &str) -> Result<CaseView<SupportErrand>, Refusal> {
        let id = self.ticket_of_token(token)?;
        let Held { version, case } = self.hold::<SupportErrand>(id).await?;
        let documents = self.documents(&case).await?;
        let line = AccessEntry::new("link", "reporter", "ticket-read", request);
        self.log_reading::<SupportErrand>(&line.at(&case.clinic).of(vec![id])).await?;
        let state = case.state_at(self.now());
        Ok(CaseView { version, case, readable: true, documents, state })
    }

    /// The reporter adds something, answers a question, or comes back after the answer.
    pub async fn write_to_ticket(
        &self,
        from: &WriterFrom<'_>,
        text: &Private,
        request: &str,
    ) -> Result<(u64, Ticket), Refusal> {
        let (id, place) = match from {
            WriterFrom::Link { token, address } => (self.ticket_of_token(token)?, address.as_bytes()),
            WriterFrom::Staff { visitor, ticket } => (*ticket, visitor.hsa_id.as_str().as_bytes()),
        };
        self.limits.tickets.check(place).map_err(SupportRefusal::TooManyFromHere)?;
        if holds_person_id(text.expose()) {
            return Err(SupportRefusal::PersonId { field: "text" }.into());
        }
        for _ in 0..TRIES_MAX {
            match self.try_writing(from, id, text, request).await {
                Err(Refusal::Stale { .. }) => {}
                told => return told,
            }
        }
        Err(Refusal::Commit(CommitError::Overloaded))
    }

    async fn try_writing(
        &self,
        from: &WriterFrom<'_>,
        id: Uuid,
        text: &Private,
        request: &str,
    ) -> Result<(u64, Ticket), Refusal> {
        let Held { version, case: before } = self.hold::<SupportErrand>(id).await?;
        let who = match from {
            // The link is the permit.
            WriterFrom::Link { .. } => "link",
            WriterFrom::Staff { visitor, .. } => {
                let person = visitor.hsa_id.clone();
                let roles = SupportErrand::roles(&self.catalog(), &before.clinic, &person);
                let _permit = decide(&Actor::Staff { person, roles }, Deed::Message, &before)?;
                visitor.hsa_id.as_str()
            }
        };
        if self.said_just_now(&before, text).await? {
            return Ok((version, before));
        }
        let catalog = self.catalog();
        let now = self.now();
        let mut ticket = before.clone();
        let stays = ticket.handler.as_ref().is_none_or(|handler| catalog.is_support(handler));
        let promised = self.ticket_promised_anew(&catalog, &before, now);
        let (number, _) = ticket.message(stays, || promised, now)?;
        let mut change = Change::new();
        change.replace(key::case(id), version, encode(&ticket));
        let document = Document { kind: DocumentKind::Message, body: DocumentBody::Text(text.clone()) };
        change.create(key::document(id, number), encode(&document));
        relist(&mut change, Some(&before), &ticket);
        self.tell_support(&mut change, &catalog, &ticket, LetterKind::TicketMessage, None)?;
        let line = AccessEntry::new(who, "reporter", "ticket-message", request);
        self.log_in(&mut change, &line.at(&ticket.clinic).of(vec![id]), now)?;
        self.commit_common(change).await?;
        Ok((version + 1, ticket))
    }
    /// A button that was pressed twice says a thing once.
    async fn said_just_now(&self, ticket: &Ticket, text: &Private) -> Result<bool, Refusal> {
        let Some(last) = ticket.documents.last().filter(|last| last.kind == DocumentKind::Message) else {
            return Ok(false);
        };
        let found = self.common.get(&key::document(ticket.id, last.number)).await?.ok_or(Refusal::NotFound)?;
        let document: Document = decode(&found.value)?;
        let just_now = self.now().duration_since(last.at) < TWICE_WITHIN;
        Ok(just_now && document.body == DocumentBody::Text(text.clone()))
    }
}
