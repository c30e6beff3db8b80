//! What became of a notice, and who would get one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::expand::PAGE;
use super::records::Notice;
use crate::domain::clinic::Texts;
use crate::domain::language::Language;
use crate::domain::status::delivery::{Batch, Tally};
use crate::domain::status::event::{Event, EventKind};
use crate::domain::status::ledger::{Share, is_ending};
use crate::store::record::decode;
use crate::store::{Chain, Range, key};
use crate::usecase::{Gateway, Refusal};

/// Batches read at a time.
const BATCHES_PAGE: usize = 50;

/// What became of a notice, as the disk has it: at most a tenth of a second old.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryReport {
    pub seq: u64,
    pub kind: EventKind,
    pub subject: Uuid,
    pub title: Texts,
    pub at: Timestamp,
    pub not_after: Timestamp,
    /// False where its mail could not be made.
    pub made: bool,
    /// Its recipients are still being found.
    pub is_expanding: bool,
    #[serde(flatten)]
    pub tally: Tally,
    /// When it was told, while letters about it have not all gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_unsent: Option<Timestamp>,
}

/// How many would be told of an event, if it were told now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Matching {
    pub at_once: u64,
    pub digest: u64,
    /// Of all of them.
    pub in_swedish: u64,
    pub in_english: u64,
}

impl Gateway {
    pub async fn delivery_report(&self, seq: u64) -> Result<DeliveryReport, Refusal> {
        let notice = self.notice(seq).await?;
        self.report_on(notice).await
    }

    /// Reports on the notices after a number, oldest first.
    pub async fn delivery_reports(&self, after: u64, limit: usize) -> Result<Vec<DeliveryReport>, Refusal> {
        let range = Range::prefix(&key::notices()).after(&key::notice(after));
        let mut out = Vec::new();
        for (_, found) in self.common.scan(range, limit).await? {
            out.push(self.report_on(decode(&found.value)?).await?);
        }
        Ok(out)
    }

    /// When the oldest notice was told of which letters wait for us or for the smarthost.
    pub fn oldest_unsent_notice(&self) -> Option<Timestamp> {
        self.fanout.ledger().ledger.oldest_unsent()
    }

    /// Events that have not become batches yet.
    pub async fn unexpanded_events(&self) -> Result<usize, Refusal> {
        let head = self.common.chain_head(Chain::Notices).await?.map_or(0, |(seq, _)| seq);
        let done = self.fanout.expansion.lock().await.done();
        Ok(usize::try_from(head.saturating_sub(done)).unwrap_or(usize::MAX))
    }

    /// Letters of notices that are still to go.
    pub fn unsent_notices(&self) -> usize {
        self.fanout.ledger().ledger.unsent()
    }

    /// Exactly who would be told: by the rules by which they are.
    pub async fn recipients_of(&self, event: &Event) -> Result<Matching, Refusal> {
        let head = self.common.chain_head(Chain::Notices).await?.map_or(0, |(seq, _)| seq);
        let seq = head.saturating_add(1);
        let batches = if is_ending(event) { self.earlier_batches(event.subject.id(), seq).await? } else { Vec::new() };
        let mut matching = Matching::default();
        let mut after = None;
        loop {
            let page = self.subscribers_after(after, PAGE).await?;
            let earlier = self.earlier(event, &batches, &page.subscribers).await?;
            for (subscriber, share) in self.who_is_told(seq, event, &page.subscribers, &earlier) {
                match share {
                    Share::AtOnce | Share::IfTold => matching.at_once += 1,
                    Share::Digest => matching.digest += 1,
                }
                match subscriber.language {
                    Language::Sv => matching.in_swedish += 1,
                    Language::En => matching.in_english += 1,
                }
            }
            if page.is_last {
                return Ok(matching);
            }
            after = page.last;
        }
    }

    async fn report_on(&self, notice: Notice) -> Result<DeliveryReport, Refusal> {
        // Asked before the batches are counted: the last of them may come meanwhile.
        let is_expanding = self.fanout.expansion.lock().await.is_expanding(notice.seq);
        let mut tally = Tally::default();
        let mut range = Range::prefix(&key::batches_of(notice.seq));
        loop {
            let page = self.common.scan(range.clone(), BATCHES_PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            range = range.after(last);
            for (_, found) in &page {
                decode::<Batch>(&found.value)?.entries.iter().for_each(|entry| tally.add(entry));
            }
        }
        Ok(DeliveryReport {
            seq: notice.seq,
            kind: notice.kind,
            subject: notice.subject,
            title: notice.title,
            at: notice.at,
            not_after: notice.not_after,
            made: notice.frozen.is_some(),
            is_expanding,
            tally,
            oldest_unsent: (is_expanding || tally.open() > 0).then_some(notice.at),
        })
    }
}
