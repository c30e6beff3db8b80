//! What time demands of tickets: answered ones lapse, ended ones are forgotten in the end, as are requests that may no
//! longer be repeated.

use jiff::Timestamp;
use uuid::Uuid;

use super::TicketRef;
use crate::domain::ticket::SupportErrand;
use crate::store::record::{decode, encode};
use crate::store::{Change, Key, Range, key};
use crate::usecase::access::AccessEntry;
use crate::usecase::kept::Held;
use crate::usecase::owe::relist;
use crate::usecase::upkeep::Upkeep;
use crate::usecase::{Gateway, Refusal};

/// Tickets forgotten in one round.
const BATCH: usize = 200;

impl Gateway {
    /// One round; call again at once while there is more.
    pub async fn keep_up_tickets(&self) -> Result<Upkeep, Refusal> {
        let now = self.now();
        let mut done = Upkeep::default();
        for id in self.due(&self.common, &key::follow_up_ends(), now).await? {
            match self.lapse_ticket(id, now).await {
                Ok(lapsed) => done.lapsed += usize::from(lapsed),
                Err(error) => tracing::error!(event = "upkeep.lapse", ticket = %id, %error, "a ticket could not lapse"),
            }
        }
        done.forgotten = self.forget_answers(&self.common, now).await?;
        done.forgotten += self.forget_tickets(now).await?;
        Ok(done)
    }

    /// Forgets what ended long ago; at most a batch, the oldest first.
    async fn forget_tickets(&self, now: Timestamp) -> Result<usize, Refusal> {
        let kept_from = self.tickets_kept_from(now);
        let mut range = Range::prefix(&key::ticket_numbers());
        let mut forgotten = 0;
        loop {
            let page = self.common.scan(range.clone(), BATCH).await?;
            let Some((last, _)) = page.last() else { return Ok(forgotten) };
            range = range.after(last);
            for (at, number) in &page {
                let held = match decode::<TicketRef>(&number.value) {
                    Ok(TicketRef { ticket }) => self.hold::<SupportErrand>(ticket).await,
                    Err(error) => Err(error.into()),
                };
                let held = match held {
                    Ok(held) => held,
                    Err(error) => {
                        // The others are forgotten in time all the same.
                        tracing::error!(event = "upkeep.tickets", %error, "a ticket cannot be read, and so not forgotten");
                        continue;
                    }
                };
                // Numbers are given out in the order of time: those that follow are younger.
                if held.case.received_at > kept_from || forgotten == BATCH {
                    return Ok(forgotten);
                }
                if held.case.ended_at().is_some_and(|ended| ended <= kept_from) {
                    match self.forget_ticket(held, (at, number.version), now).await {
                        Ok(()) => forgotten += 1,
                        Err(Refusal::Stale { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }

    async fn forget_ticket(
        &self,
        held: Held<SupportErrand>,
        (number, number_version): (&Key, u64),
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Held { version, case: ticket } = held;
        let mut change = Change::new();
        change.remove(key::case(ticket.id), version);
        change.remove(number.clone(), number_version);
        for entry in &ticket.documents {
            let at = key::document(ticket.id, entry.number);
            if let Some(found) = self.common.get(&at).await? {
                change.remove(at, found.version);
            }
        }
        change.unindex(key::by_clinic(&ticket.clinic, ticket.received_at, ticket.id));
        if let Some(person) = &ticket.errand.reporter.person {
            change.unindex(key::by_portal(person, ticket.received_at, ticket.id));
        }
        if let Some(incident) = ticket.errand.incident {
            change.unindex(key::ticket_of_incident(incident, ticket.id));
        }
        let line = AccessEntry::new("budkavle", "system", "ticket-forget", "").at(&ticket.clinic).of(vec![ticket.id]);
        self.log_in(&mut change, &line, now)?;
        self.commit_common(change).await.map(drop)
    }

    async fn lapse_ticket(&self, id: Uuid, now: Timestamp) -> Result<bool, Refusal> {
        let Held { version, case: before } = self.hold::<SupportErrand>(id).await?;
        let mut ticket = before.clone();
        if ticket.lapse(now).is_err() {
            return Ok(false);
        }
        let mut change = Change::new();
        change.replace(key::case(id), version, encode(&ticket));
        relist(&mut change, Some(&before), &ticket);
        let line = AccessEntry::new("budkavle", "system", "ticket-lapse", "").at(&ticket.clinic).of(vec![id]);
        self.log_in(&mut change, &line, now)?;
        match self.commit_common(change).await {
            Ok(_) => Ok(true),
            // Somebody wrote to it at the same moment: the next round looks again.
            Err(Refusal::Stale { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
