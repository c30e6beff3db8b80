//! What the support does with a ticket: takes it, asks, answers, gives it back, closes it. Each act names the version
//! that it saw.

use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::SupportRefusal;
use crate::domain::case::{Document, DocumentBody, DocumentKind};
use crate::domain::id::holds_person_id;
use crate::domain::id::{HsaId, Private};
use crate::domain::letter::LetterKind;
use crate::domain::policy::{Actor, Deed, decide};
use crate::domain::ticket::{SupportErrand, Ticket};
use crate::store::record::encode;
use crate::store::{Change, key};
use crate::usecase::access::{AccessEntry, Visitor};
use crate::usecase::act_on_case::role;
use crate::usecase::kept::{Held, Kept};
use crate::usecase::owe::relist;
use crate::usecase::{Gateway, Refusal};

/// What a member of the support wants done.
#[derive(Clone)]
pub enum TicketAct {
    Distribute {
        to: HsaId,
    },
    Return,
    InterimAnswer {
        text: Private,
    },
    Question {
        text: Private,
    },
    Answer {
        text: Private,
    },
    /// For a reason that the reporter sees.
    Close {
        reason: Private,
    },
}

impl TicketAct {
    fn deed(&self) -> Deed {
        match self {
            TicketAct::Distribute { .. } => Deed::Distribute,
            TicketAct::Return => Deed::Return,
            TicketAct::InterimAnswer { .. } | TicketAct::Question { .. } | TicketAct::Answer { .. } => Deed::Answer,
            TicketAct::Close { .. } => Deed::Close,
        }
    }

    fn text(&self) -> Option<&Private> {
        match self {
            TicketAct::Distribute { .. } | TicketAct::Return => None,
            TicketAct::InterimAnswer { text } | TicketAct::Question { text } | TicketAct::Answer { text } => Some(text),
            TicketAct::Close { reason } => Some(reason),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            TicketAct::Distribute { .. } => "ticket-distribute",
            TicketAct::Return => "ticket-return",
            TicketAct::InterimAnswer { .. } => "ticket-interim-answer",
            TicketAct::Question { .. } => "ticket-question",
            TicketAct::Answer { .. } => "ticket-answer",
            TicketAct::Close { .. } => "ticket-close",
        }
    }
}

impl Gateway {
    /// Carries out an act on the version that the caller saw; returns the new version.
    pub async fn act_on_ticket(
        &self,
        visitor: &Visitor,
        id: Uuid,
        seen: u64,
        act: TicketAct,
    ) -> Result<(u64, Ticket), Refusal> {
        let Held { version, case: before } = self.hold::<SupportErrand>(id).await?;
        let catalog = self.catalog();
        let me = &visitor.hsa_id;
        let roles = SupportErrand::roles(&catalog, &before.clinic, me);
        let permit = decide(&Actor::Staff { person: me.clone(), roles }, act.deed(), &before)?;
        if version != seen {
            return Err(Refusal::Stale { current: Some(version) });
        }
        if act.text().is_some_and(|text| holds_person_id(text.expose())) {
            return Err(SupportRefusal::PersonId { field: "text" }.into());
        }
        if let TicketAct::Distribute { to } = &act
            && !catalog.is_support(to)
        {
            return Err(SupportRefusal::NotSupport(to.clone()).into());
        }
        let now = self.now();
        let mut ticket = before.clone();
        let mut change = Change::new();
        let name = act.name();
        let letter = carry_out(&mut ticket, &mut change, act, me, now)?;
        change.replace(key::case(id), version, encode(&ticket));
        relist(&mut change, Some(&before), &ticket);
        match letter {
            Some(kind) => self.tell_reporter(&mut change, &ticket, kind, json!({}))?,
            // Whoever has it now, or everybody where nobody has.
            None => self.tell_support(&mut change, &catalog, &ticket, LetterKind::TicketGiven, Some(me))?,
        }
        let line = AccessEntry::new(me.as_str(), role(permit), name, &visitor.request);
        self.log_in(&mut change, &line.at(&ticket.clinic).of(vec![id]), now)?;
        self.commit_common(change).await?;
        Ok((version + 1, ticket))
    }
}

/// Makes the ticket's next shape and writes its document; says which letter the reporter is owed.
fn carry_out(
    ticket: &mut Ticket,
    change: &mut Change,
    act: TicketAct,
    by: &HsaId,
    now: Timestamp,
) -> Result<Option<LetterKind>, Refusal> {
    let by = by.clone();
    let (number, kind, text, letter) = match act {
        TicketAct::Distribute { to } => {
            ticket.distribute(to, by, now)?;
            return Ok(None);
        }
        TicketAct::Return => {
            ticket.give_back(Some(by), now)?;
            return Ok(None);
        }
        TicketAct::Close { reason } => {
            ticket.close(reason, by, now)?;
            return Ok(Some(LetterKind::TicketAnswer));
        }
        TicketAct::InterimAnswer { text } => {
            let number = ticket.interim_answer(by, now)?;
            (number, DocumentKind::InterimAnswer, text, LetterKind::TicketAnswer)
        }
        TicketAct::Question { text } => {
            (ticket.question(by, now)?, DocumentKind::Question, text, LetterKind::TicketQuestion)
        }
        TicketAct::Answer { text } => {
            let (number, _) = ticket.answer(by, now)?;
            let kind = ticket.documents.last().map_or(DocumentKind::Answer, |entry| entry.kind);
            (number, kind, text, LetterKind::TicketAnswer)
        }
    };
    let document = Document { kind, body: DocumentBody::Text(text) };
    change.create(key::document(ticket.id, number), encode(&document));
    Ok(Some(letter))
}
