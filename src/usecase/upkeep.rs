//! What time demands: answered cases lapse when their follow-up days have passed, stored answers are forgotten.

use jiff::Timestamp;
use uuid::Uuid;

use super::access::AccessEntry;
use super::kept::Held;
use super::owe::{EventType, relist};
use super::{Gateway, Refusal};
use crate::store::record::encode;
use crate::store::{Change, CommitError, Key, Range, Store, key};

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
        let due = self.due(&self.cases, &key::follow_up_ends(), now).await?;
        let whole = due.len();
        for id in due {
            match self.lapse(id, now).await {
                Ok(lapsed) => done.lapsed += usize::from(lapsed),
                Err(error) => tracing::error!(event = "upkeep.lapse", case = %id, %error, "a case could not lapse"),
            }
        }
        done.forgotten = self.forget_answers(&self.cases, now).await?;
        done.more = done.forgotten == BATCH;
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
        let line = line.about(&self.citizen_hash(&case.errand.citizen.identifier)?);
        self.log_in(&mut change, &line, now)?;
        match self.cases.commit(change).await {
            Ok(_) => {
                self.feed_of(&case.errand.portal).notify_waiters();
                Ok(true)
            }
            // Somebody wrote to it at the same moment: the next round looks again.
            Err(CommitError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whose time has come by a timed index, at most a batch.
    pub(super) async fn due(&self, store: &Store, prefix: &Key, now: Timestamp) -> Result<Vec<Uuid>, Refusal> {
        let range = Range::prefix(prefix).until(&key::timed_bound(prefix, now));
        let found = store.scan(range, BATCH).await?;
        Ok(found.iter().filter_map(|(key, _)| key::timed_target(key)).map(|(_, id)| id).collect())
    }

    /// Forgets a batch of requests that may no longer be repeated; returns how many.
    pub(super) async fn forget_answers(&self, store: &Store, now: Timestamp) -> Result<usize, Refusal> {
        let prefix = key::idempotency_expiries();
        let range = Range::prefix(&prefix).until(&key::timed_bound(&prefix, now));
        let mut change = Change::new();
        let mut forgotten = 0;
        for (index, _) in store.scan(range, BATCH).await? {
            if let Some((_, id)) = key::timed_target(&index) {
                change.unindex(key::idempotency(id));
                change.unindex(index);
                forgotten += 1;
            }
        }
        if forgotten > 0 {
            store.commit(change).await?;
        }
        Ok(forgotten)
    }
}
