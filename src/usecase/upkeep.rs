//! What time demands: answered cases lapse when their follow-up days have passed, stored answers are forgotten.

use jiff::Timestamp;
use uuid::Uuid;

use super::access::AccessEntry;
use super::owe::{EventType, relist};
use super::write_to_case::Held;
use super::{Gateway, Refusal};
use crate::store::record::encode;
use crate::store::{Change, CommitError, Key, Range, key};

/// Records touched in one go: upkeep never stands in callers' way for long.
const BATCH: usize = 200;

/// What a round of upkeep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upkeep {
    pub lapsed: usize,
    pub forgotten: usize,
    /// A whole batch was due: there may be more.
    pub more: bool,
}

impl Gateway {
    /// One round; call again at once while it did a whole batch.
    pub async fn keep_up(&self) -> Result<Upkeep, Refusal> {
        let now = self.now();
        let mut done = Upkeep::default();
        if self.cases.ready().is_err() {
            return Ok(done);
        }
        let due = self.due(&key::follow_up_ends(), now).await?;
        let whole = due.len();
        for id in due {
            match self.lapse(id, now).await {
                Ok(lapsed) => done.lapsed += usize::from(lapsed),
                Err(error) => tracing::error!(event = "upkeep.lapse", case = %id, %error, "a case could not lapse"),
            }
        }
        let forgettable = self.expired_answers(now).await?;
        if !forgettable.is_empty() {
            let mut change = Change::new();
            done.forgotten = forgettable.len();
            done.more = done.forgotten == BATCH;
            for (index, id) in forgettable {
                change.unindex(index);
                change.unindex(key::idempotency(id));
            }
            self.cases.commit(change).await?;
        }
        // A case that cannot lapse is not tried again in the same round.
        done.more |= whole == BATCH && done.lapsed == BATCH;
        Ok(done)
    }

    async fn lapse(&self, id: Uuid, now: Timestamp) -> Result<bool, Refusal> {
        let Held { version, case: before } = self.hold(id).await?;
        let mut case = before.clone();
        if case.lapse(now).is_err() {
            return Ok(false);
        }
        let mut change = Change::new();
        change.replace(key::case(id), version, encode(&case));
        relist(&mut change, Some(&before), &case);
        self.tell_portal(&mut change, &case, EventType::Lapsed, now)?;
        let line = AccessEntry::new("budkavle", "system", "lapse", "").at(&case.clinic).of(vec![id]);
        let line = line.about(&self.citizen_hash(&case.citizen.identifier)?);
        self.log_in(&mut change, &line, now)?;
        match self.cases.commit(change).await {
            Ok(_) => {
                self.feed_of(&case.portal).notify_waiters();
                Ok(true)
            }
            // Somebody wrote to it at the same moment: the next round looks again.
            Err(CommitError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn due(&self, prefix: &Key, now: Timestamp) -> Result<Vec<Uuid>, Refusal> {
        let range = Range::prefix(prefix).until(&key::timed_bound(prefix, now));
        let found = self.cases.scan(range, BATCH).await?;
        Ok(found.iter().filter_map(|(key, _)| key::timed_target(key)).map(|(_, id)| id).collect())
    }

    async fn expired_answers(&self, now: Timestamp) -> Result<Vec<(Key, Uuid)>, Refusal> {
        let prefix = key::idempotency_expiries();
        let range = Range::prefix(&prefix).until(&key::timed_bound(&prefix, now));
        let found = self.cases.scan(range, BATCH).await?;
        Ok(found.into_iter().filter_map(|(key, _)| key::timed_target(&key).map(|(_, id)| (key, id))).collect())
    }
}
