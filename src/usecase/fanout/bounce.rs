//! Letters that came back, and refusals on the spot: the delivery is marked, and an address that takes no mail is left
//! in peace. Evidence is a code, a date and a notice; never a server's text.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::read;
use crate::domain::status::delivery::{Batch, BatchId, Code, State};
use crate::domain::status::subscriber::{Evidence, Reason};
use crate::mail::incoming::{Bounce, BounceClass, BounceKind};
use crate::store::record::{Record, encode};
use crate::store::{Change, Range, key};
use crate::usecase::subscribers::SubscribeError;
use crate::usecase::{Gateway, Refusal};

/// Soft bounces that are as good as a hard one, of so many notices within so many days.
const SOFT_BOUNCES_MAX: usize = 5;
const SOFT_BOUNCE_DAYS: i64 = 7;
/// Batches of a notice that are looked through for its recipient.
const BATCHES_MAX: usize = 10_000;

/// What followed from a letter that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Returned {
    /// The address gets no mail until it is confirmed anew.
    Quarantined,
    /// Counted against the address.
    Counted,
    /// Known, and nothing follows: a delay, or a policy that is for people to look at.
    Noted,
    /// Not from a letter of ours, or too old to be believed.
    Forged,
}

/// Soft bounces of the last days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BounceScore {
    /// Oldest first, one a notice.
    bounces: Vec<SoftBounce>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SoftBounce {
    at: Timestamp,
    notice: u64,
}

impl Record for BounceScore {
    const VERSION: u8 = 1;
}

impl Gateway {
    /// A report about a letter of ours. Reading the same one twice changes nothing.
    pub async fn returned(&self, bounce: &Bounce) -> Result<Returned, Refusal> {
        let Some((subscriber, notice)) = self.read_bounce_token(bounce.token.expose()) else {
            tracing::warn!(event = "fanout.bounce.forged", "a bounce that answers no letter of ours was ignored");
            return Ok(Returned::Forged);
        };
        let small = |number: u16| u8::try_from(number).unwrap_or(u8::MAX);
        let code = bounce.status.map(|code| Code { basic: code.0 * 100, enhanced: (small(code.1), small(code.2)) });
        let status = bounce.status.map(|code| format!("{}.{}.{}", code.0, code.1, code.2));
        let kind = bounce.kind;
        tracing::info!(event = "fanout.bounce", notice, %subscriber, ?kind, status, "a letter came back");
        if let BounceKind::Failure(_) = kind {
            self.mark_bounced(notice, subscriber, code).await?;
        }
        match kind {
            BounceKind::Delayed | BounceKind::Failure(BounceClass::Policy) => Ok(Returned::Noted),
            BounceKind::Failure(BounceClass::Hard) => {
                self.give_up(subscriber, notice, Reason::HardBounce, status).await
            }
            BounceKind::Complaint => self.give_up(subscriber, notice, Reason::Complaint, status).await,
            BounceKind::Failure(BounceClass::Soft) => self.count_soft_bounce(subscriber, notice, status).await,
        }
    }

    /// The smarthost refused a recipient on the spot. Without an enhanced code that says that there is no such address,
    /// one refusal is not enough.
    pub async fn refused(&self, subscriber: Uuid, notice: u64, code: Option<Code>) -> Result<Returned, Refusal> {
        let status = code.map(|code| format!("{}.{}.{}", code.basic / 100, code.enhanced.0, code.enhanced.1));
        let is_hard = code.is_some_and(|code| matches!(code.enhanced, (1, 1 | 2 | 3 | 10) | (2, 1)));
        if is_hard {
            self.give_up(subscriber, notice, Reason::HardBounce, status).await
        } else {
            self.count_soft_bounce(subscriber, notice, status).await
        }
    }

    async fn give_up(
        &self,
        subscriber: Uuid,
        notice: u64,
        reason: Reason,
        code: Option<String>,
    ) -> Result<Returned, Refusal> {
        let evidence = Evidence { at: self.now(), reason, code, event: Some(notice) };
        match self.quarantine(subscriber, evidence).await {
            Ok(true) => {
                tracing::warn!(event = "fanout.quarantine", notice, %subscriber, ?reason, "an address gets no more mail");
                Ok(Returned::Quarantined)
            }
            Ok(false) => Ok(Returned::Noted),
            Err(SubscribeError::Refused(refusal)) => Err(refusal),
            // A quarantine asks for nothing that could be unfit.
            Err(_) => Ok(Returned::Noted),
        }
    }

    async fn count_soft_bounce(
        &self,
        subscriber: Uuid,
        notice: u64,
        code: Option<String>,
    ) -> Result<Returned, Refusal> {
        let now = self.now();
        let week = SignedDuration::from_hours(24 * SOFT_BOUNCE_DAYS);
        let before = read::<BounceScore>(&self.common, &key::bounce_score(subscriber)).await?;
        let mut score = before.as_ref().map(|at| at.record.clone()).unwrap_or_default();
        let end = |score: &BounceScore| score.bounces.last().and_then(|last| last.at.checked_add(week).ok());
        let old_end = end(&score);
        score.bounces.retain(|bounce| bounce.at.duration_until(now) < week);
        if score.bounces.iter().any(|bounce| bounce.notice == notice) {
            return Ok(Returned::Counted);
        }
        score.bounces.push(SoftBounce { at: now, notice });
        let mut change = Change::new();
        match &before {
            Some(at) => change.replace(key::bounce_score(subscriber), at.version, encode(&score)),
            None => change.create(key::bounce_score(subscriber), encode(&score)),
        }
        old_end.into_iter().for_each(|at| change.unindex(key::bounce_score_end(at, subscriber)));
        end(&score).into_iter().for_each(|at| change.index(key::bounce_score_end(at, subscriber)));
        self.common.commit(change).await?;
        if score.bounces.len() < SOFT_BOUNCES_MAX {
            return Ok(Returned::Counted);
        }
        self.give_up(subscriber, notice, Reason::SoftBounces, code).await
    }

    async fn mark_bounced(&self, notice: u64, subscriber: Uuid, code: Option<Code>) -> Result<(), Refusal> {
        let Ok(subject) = self.notice(notice).await.map(|notice| notice.subject) else { return Ok(()) };
        let first = key::batch_of_subject(subject, BatchId { seq: notice, number: 0 }, Uuid::nil());
        let range = Range::prefix(&key::batches_of_subject(subject)).after(&first);
        let found = self.common.scan(range, BATCHES_MAX).await?;
        let mut batches = found.iter().filter_map(|(key, _)| key::batch_of_subject_target(key));
        let batch = batches.find(|(id, last)| id.seq == notice && *last >= subscriber);
        let Some((id, _)) = batch else { return Ok(()) };
        let _one = self.fanout.writing.lock().await;
        let mut change = Change::new();
        let is_held = self.fanout.ledger().ledger.bounce(id, subscriber, code);
        if !is_held && let Some(at) = read::<Batch>(&self.common, &key::batch(id)).await? {
            let mut batch = at.record;
            if let Some(entry) = batch.find_mut(subscriber).filter(|entry| entry.state == State::Accepted) {
                (entry.state, entry.code) = (State::Bounced, code);
                change.replace(key::batch(id), at.version, encode(&batch));
            }
        }
        self.write_ledger(change).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::assert_golden;

    #[test]
    fn the_record_of_soft_bounces_is_the_golden_one() {
        let at = "2026-11-22T08:00:00Z".parse().unwrap();
        let score = BounceScore { bounces: vec![SoftBounce { at, notice: 7 }] };
        assert_golden(&score, include_str!("../golden/bounce-score-1.txt"));
    }
}
