//! Forgetting: what became of notices is kept thirteen months, as long as the pages tell of them.

use jiff::SignedDuration;

use super::records::Notice;
use crate::domain::status::delivery::Batch;
use crate::store::record::decode;
use crate::store::{Change, Range, key};
use crate::usecase::{Gateway, Refusal};

const KEPT_DAYS: i64 = 396;
/// Records forgotten in one go.
const ROUND: usize = 200;

impl Gateway {
    /// Forgets one round of what is old enough; true while there may be more.
    pub async fn forget_notices(&self) -> Result<bool, Refusal> {
        let now = self.now();
        let mut change = Change::new();
        let prefix = key::bounce_score_ends();
        let ended = Range::prefix(&prefix).until(&key::timed_bound(&prefix, now));
        let ended = self.common.scan(ended, ROUND).await?;
        for (index, _) in &ended {
            change.unindex(index.clone());
            key::timed_target(index).into_iter().for_each(|(_, id)| change.unindex(key::bounce_score(id)));
        }
        let mut more = ended.len() == ROUND;
        if let Some((notice_key, found)) = self.common.scan(Range::prefix(&key::notices()), 1).await?.pop() {
            let notice: Notice = decode(&found.value)?;
            if notice.at.duration_until(now) > SignedDuration::from_hours(24 * KEPT_DAYS) {
                let batches = self.common.scan(Range::prefix(&key::batches_of(notice.seq)), ROUND).await?;
                for (batch_key, found) in &batches {
                    let batch: Batch = decode(&found.value)?;
                    change.unindex(batch_key.clone());
                    change.unindex(key::batch_open(batch.id()));
                    let last = batch.entries.last().map(|entry| entry.subscriber);
                    last.into_iter().for_each(|last| {
                        change.unindex(key::batch_of_subject(notice.subject, batch.id(), last));
                    });
                }
                let told = self.common.scan(Range::prefix(&key::told_of(notice.subject)), ROUND).await?;
                told.iter().for_each(|(key, _)| change.unindex(key.clone()));
                if batches.len() < ROUND && told.len() < ROUND {
                    change.unindex(notice_key);
                }
                more = true;
            }
        }
        if !change.is_empty() {
            self.common.commit(change).await?;
        }
        Ok(more)
    }
}
