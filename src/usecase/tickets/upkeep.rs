//! What time demands of tickets: answered ones lapse, requests that may no longer be repeated are forgotten.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::ticket::SupportErrand;
use crate::store::record::encode;
use crate::store::{Change, key};
use crate::usecase::access::AccessEntry;
use crate::usecase::kept::Held;
use crate::usecase::owe::relist;
use crate::usecase::upkeep::Upkeep;
use crate::usecase::{Gateway, Refusal};

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
        Ok(done)
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
