//! What a portal reads of its own: the event feed, with long poll, and the reconciliation of a day.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::access::Visitor;
use super::owe::{EventType, PortalEvent};
use super::{Gateway, Refusal};
use crate::crypto::Digest;
use crate::domain::calendar::day_bounds;
use crate::store::record::decode;
use crate::store::{Chain, Entry};

/// Longest that a poll is held, in seconds: shorter than any idle limit on the way.
pub const WAIT_SECONDS_MAX: u64 = 30;
/// Events of one page at most.
pub const EVENTS_MAX: usize = 500;

/// A place in a feed: epoch and sequence, as `1-4711`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedCursor {
    pub epoch: u64,
    pub sequence: u64,
}

impl FeedCursor {
    pub fn parse(text: &str) -> Option<FeedCursor> {
        let (epoch, sequence) = text.split_once('-')?;
        Some(FeedCursor { epoch: epoch.parse().ok()?, sequence: sequence.parse().ok()? })
    }
}

impl std::fmt::Display for FeedCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.epoch, self.sequence)
    }
}

/// One event as the portal sees it.
pub struct FeedEvent {
    pub sequence: u64,
    pub case: Uuid,
    pub kind: EventType,
    pub at: Timestamp,
}

pub struct FeedPage {
    pub events: Vec<FeedEvent>,
    /// Where to go on; the same as before when nothing came.
    pub next: FeedCursor,
}

/// A day's accepted submissions as the gateway counts them.
pub struct Reconciliation {
    pub date: Date,
    pub from: Timestamp,
    pub until: Timestamp,
    pub count: u64,
    pub first: Option<u64>,
    pub last: Option<u64>,
    pub epoch: u64,
    /// Chain value before the day's first receipt and after its last.
    pub chain_before: Digest,
    pub chain_after: Digest,
}

impl Gateway {
    /// Events after a place, oldest first; waits for the first when there is none.
    pub async fn read_events(
        &self,
        visitor: &Visitor,
        after: Option<FeedCursor>,
        limit: usize,
        wait: Duration,
    ) -> Result<FeedPage, Refusal> {
        self.admit_portal(&visitor.hsa_id)?;
        let chain = Chain::Events(visitor.hsa_id.as_str().to_owned());
        let mut cursor = after.unwrap_or_default();
        cursor = self.place_in_epoch(&chain, cursor).await?;
        let feed = self.feed_of(&visitor.hsa_id);
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            // Listening begins before looking, so that nothing is missed between the two.
            let told = feed.notified();
            let entries = self.cases.entries(chain.clone(), cursor.sequence, limit.clamp(1, EVENTS_MAX)).await?;
            if !entries.is_empty() || self.is_closing() || tokio::time::Instant::now() >= deadline {
                return page(entries, cursor);
            }
            let _ = tokio::time::timeout_at(deadline, told).await;
        }
    }

    /// A place in an ended epoch goes on at the beginning of the next; a place that was never given is refused.
    async fn place_in_epoch(&self, chain: &Chain, cursor: FeedCursor) -> Result<FeedCursor, Refusal> {
        let Some((last, _)) = self.cases.chain_head(chain.clone()).await? else {
            return if cursor.sequence == 0 { Ok(cursor) } else { Err(Refusal::CursorMalformed) };
        };
        if cursor.epoch == 0 {
            return if cursor.sequence == 0 { Ok(cursor) } else { Err(Refusal::CursorMalformed) };
        }
        let newest = self.entry(chain, last).await?.map_or(0, |e| e.stamp.epoch);
        if cursor.epoch == newest {
            return if cursor.sequence <= last { Ok(cursor) } else { Err(Refusal::CursorMalformed) };
        }
        if cursor.epoch > newest {
            return Err(Refusal::CursorMalformed);
        }
        let next_epoch = self.first_where(chain, last, |e| e.stamp.epoch > cursor.epoch).await?;
        Ok(FeedCursor { sequence: cursor.sequence.min(next_epoch.saturating_sub(1)), ..cursor })
    }

    /// Count and chain of what a portal handed in on a day, by Swedish midnight.
    pub async fn reconcile(&self, visitor: &Visitor, date: Date) -> Result<Reconciliation, Refusal> {
        self.admit_portal(&visitor.hsa_id)?;
        let (from, until) = day_bounds(date);
        let chain = Chain::Receipts(visitor.hsa_id.as_str().to_owned());
        let last = self.cases.chain_head(chain.clone()).await?.map_or(0, |(sequence, _)| sequence);
        let first = self.first_where(&chain, last, |e| e.at >= from).await?;
        let beyond = self.first_where(&chain, last, |e| e.at >= until).await?;
        let before = self.entry(&chain, first.saturating_sub(1)).await?;
        let after = self.entry(&chain, beyond.saturating_sub(1)).await?;
        let count = beyond - first;
        Ok(Reconciliation {
            date,
            from,
            until,
            count,
            first: (count > 0).then_some(first),
            last: (count > 0).then_some(beyond - 1),
            epoch: after.as_ref().map_or(crate::store::FIRST_EPOCH, |e| e.stamp.epoch),
            chain_before: before.map_or([0; 32], |e| e.stamp.chain),
            chain_after: after.map_or([0; 32], |e| e.stamp.chain),
        })
    }

    async fn entry(&self, chain: &Chain, sequence: u64) -> Result<Option<Entry>, Refusal> {
        if sequence == 0 {
            return Ok(None);
        }
        Ok(self.cases.entries(chain.clone(), sequence - 1, 1).await?.into_iter().next())
    }

    /// The first sequence for which something holds that holds for all after it; one past the last if for none.
    async fn first_where(&self, chain: &Chain, last: u64, holds: impl Fn(&Entry) -> bool) -> Result<u64, Refusal> {
        let (mut low, mut high) = (1, last + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(chain, middle).await? {
                Some(entry) if holds(&entry) => high = middle,
                _ => low = middle + 1,
            }
        }
        Ok(low)
    }
}

fn page(entries: Vec<Entry>, cursor: FeedCursor) -> Result<FeedPage, Refusal> {
    let mut next = cursor;
    let mut events = Vec::with_capacity(entries.len());
    for entry in entries {
        let event: PortalEvent = decode(&entry.payload)?;
        next = FeedCursor { epoch: entry.stamp.epoch, sequence: entry.stamp.sequence };
        let (case, kind) = (event.case, event.r#type);
        events.push(FeedEvent { sequence: next.sequence, case, kind, at: entry.at });
    }
    Ok(FeedPage { events, next })
}
