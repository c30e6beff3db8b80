//! A ticket may belong to an incident. When that is resolved, the reporters of its tickets are told, once each: the
//! events are read in their order, and how far is kept.

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::SupportRefusal;
use crate::domain::case::State;
use crate::domain::letter::LetterKind;
use crate::domain::status::event::EventKind;
use crate::domain::status::subject::Subject;
use crate::domain::ticket::{SupportErrand, Ticket};
use crate::store::record::{Record, decode, encode};
use crate::store::{Change, CommitError, Range, key};
use crate::usecase::access::AccessEntry;
use crate::usecase::kept::Held;
use crate::usecase::region::Author;
use crate::usecase::{Gateway, Refusal};

/// Events read at a time.
const EVENTS_BATCH: usize = 100;
/// Tickets looked at at a time.
const TICKETS_BATCH: usize = 500;
/// How often a ticket is tried again when somebody acted on it at the same moment.
const TRIES_MAX: u32 = 5;

/// How far the events have been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MendedCursor {
    /// The last event whose reporters have been told.
    pub sequence: u64,
}

impl Record for MendedCursor {
    const VERSION: u8 = 1;
}

impl Gateway {
    /// Ties a ticket to an incident that goes on, or to none. `seen` is the version that the author saw; an operator may
    /// leave it out.
    pub async fn tie_ticket(
        &self,
        author: &Author,
        id: Uuid,
        seen: Option<u64>,
        incident: Option<Uuid>,
    ) -> Result<(u64, Ticket), Refusal> {
        self.permit_support(author)?;
        let Held { version, case: before } = self.hold::<SupportErrand>(id).await?;
        if seen.is_some_and(|seen| seen != version) {
            return Err(Refusal::Stale { current: Some(version) });
        }
        let board = self.board();
        if incident.is_some_and(|incident| !board.ongoing().any(|one| one.id == incident)) {
            return Err(SupportRefusal::IncidentNotOngoing.into());
        }
        let mut ticket = before.clone();
        ticket.errand.incident = incident;
        ticket.errand.told_mended = None;
        let mut change = Change::new();
        if let Some(old) = before.errand.incident {
            change.unindex(key::ticket_of_incident(old, id));
        }
        if let Some(new) = incident {
            change.index(key::ticket_of_incident(new, id));
        }
        change.replace(key::case(id), version, encode(&ticket));
        let line = author.line("ticket-tie").at(&ticket.clinic).of(vec![id]);
        self.log_in(&mut change, &line, self.now())?;
        self.commit_common(change).await?;
        Ok((version + 1, ticket))
    }

    /// How many tickets belong to an incident; counted up to a bound.
    pub async fn tickets_tied(&self, incident: Uuid) -> Result<usize, Refusal> {
        Ok(self.common.scan(Range::prefix(&key::tickets_of_incident(incident)), TICKETS_BATCH).await?.len())
    }

    /// Tells the reporters whose incidents have been resolved since the last look. Returns how many were told.
    pub async fn tell_mended(&self) -> Result<usize, Refusal> {
        let (mut version, mut sequence) = match self.common.get(&key::mended_cursor()).await? {
            Some(found) => (Some(found.version), decode::<MendedCursor>(&found.value)?.sequence),
            None => (None, 0),
        };
        let mut told = 0;
        loop {
            let events = self.notices_after(sequence, EVENTS_BATCH).await?;
            let Some((last, _)) = events.last() else { return Ok(told) };
            let last = *last;
            for (_, event) in &events {
                if let (EventKind::Resolved, Subject::Incident(incident)) = (event.kind, &event.subject) {
                    told += self.tell_reporters_of(incident.id).await?;
                }
            }
            let mut change = Change::new();
            let cursor = encode(&MendedCursor { sequence: last });
            match version {
                Some(version) => change.replace(key::mended_cursor(), version, cursor),
                None => change.create(key::mended_cursor(), cursor),
            }
            self.commit_common(change).await?;
            (version, sequence) = (Some(version.unwrap_or(0) + 1), last);
        }
    }

    async fn tell_reporters_of(&self, incident: Uuid) -> Result<usize, Refusal> {
        let mut range = Range::prefix(&key::tickets_of_incident(incident));
        let mut told = 0;
        loop {
            let found = self.common.scan(range.clone(), TICKETS_BATCH).await?;
            let Some((last, _)) = found.last() else { return Ok(told) };
            range = range.after(last);
            for (at, _) in &found {
                if let Some(ticket) = key::last_uuid(at) {
                    told += usize::from(self.tell_one_mended(ticket, incident).await?);
                }
            }
        }
    }

    /// False when there is nothing to tell: told already, ended, or tied to another incident by now.
    async fn tell_one_mended(&self, id: Uuid, incident: Uuid) -> Result<bool, Refusal> {
        for _ in 0..TRIES_MAX {
            let Held { version, case: mut ticket } = self.hold::<SupportErrand>(id).await?;
            let errand = &ticket.errand;
            let ended = matches!(ticket.state, State::Closed | State::Withdrawn);
            if errand.told_mended.is_some() || errand.incident != Some(incident) || ended {
                return Ok(false);
            }
            let now = self.now();
            ticket.errand.told_mended = Some(now);
            let mut change = Change::new();
            change.replace(key::case(id), version, encode(&ticket));
            self.tell_reporter(&mut change, &ticket, LetterKind::TicketMended, json!({ "incident": incident }))?;
            let line = AccessEntry::new("budkavle", "system", "ticket-mended", "").at(&ticket.clinic).of(vec![id]);
            self.log_in(&mut change, &line, now)?;
            match self.commit_common(change).await {
                Ok(_) => return Ok(true),
                Err(Refusal::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Refusal::Commit(CommitError::Overloaded))
    }
}
