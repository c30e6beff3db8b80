//! The fan-out: events become batches of recipients, batches are leased, sent and settled; nothing is lost at a kill.
//!
//! | file | holds |
//! |---|---|
//! | `records` | what is kept besides the batches, by version |
//! | `expand` | events made into batches |
//! | `news` | what is told together: digests, and what goes on when somebody begins to subscribe |
//! | `bounce` | what came back, and what follows for the address |
//! | `report` | what became of a notice; who would get one |
//! | `upkeep` | forgetting |
//!
//! Publishing costs one small commit; all else happens here afterwards. Five hundred recipients are one record, and
//! every write of the ledger is one change with all that is dirty, so that the disk never holds half a thought. Who
//! sends, when and over which connection, is the outbox's.

mod bounce;
mod expand;
mod news;
pub mod records;
mod report;
mod upkeep;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use uuid::Uuid;

use self::expand::Expansion;
use self::records::Notice;
use super::catalog::At;
use super::{Gateway, Refusal};
use crate::domain::mail_address::MailAddress;
use crate::domain::status::delivery::{Batch, BatchId, Outcome};
use crate::domain::status::ledger::{Lease, LeaseLimits, Ledger};
use crate::domain::status::subscriber::{Subscriber, SubscriberState};
use crate::store::record::{Record, decode, encode};
use crate::store::{Change, Key, Range, ReadError, Store, key};

pub use self::bounce::Returned;
pub use self::expand::Step;
pub use self::news::News;
pub use self::report::{DeliveryReport, Matching};

/// Open batches read at a time when the gateway starts.
const PAGE: usize = 1_000;

/// What the gateway holds in memory of the fan-out.
pub struct Fanout {
    ledger: Mutex<Written>,
    /// Held while the ledger is written: one write at a time, each with all that changed before it.
    writing: tokio::sync::Mutex<()>,
    expansion: tokio::sync::Mutex<Expansion>,
    /// The number of the last write that is on disk.
    on_disk: watch::Sender<u64>,
    /// Rung when there may be something to lease.
    pub owed: Arc<Notify>,
    /// Rung when somebody is to be told news at once.
    pub news_owed: Arc<Notify>,
}

struct Written {
    ledger: Ledger,
    /// Writes that were begun.
    writes: u64,
}

/// The write that a settlement will be on disk with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

impl Fanout {
    pub(super) async fn start(common: &Store) -> Result<Fanout, ReadError> {
        let mut ledger = Ledger::default();
        let mut range = Range::prefix(&key::batches_open());
        loop {
            let page = common.scan(range.clone(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            range = range.after(last);
            for id in page.iter().filter_map(|(key, _)| key::batch_target(key)) {
                take_up(common, &mut ledger, id).await?;
            }
        }
        ledger.recover();
        Ok(Fanout {
            ledger: Mutex::new(Written { ledger, writes: 0 }),
            writing: tokio::sync::Mutex::default(),
            expansion: tokio::sync::Mutex::new(Expansion::start(common).await?),
            on_disk: watch::Sender::new(0),
            owed: Arc::default(),
            news_owed: Arc::default(),
        })
    }

    fn ledger(&self) -> MutexGuard<'_, Written> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch that cannot be read must not hold up the others, nor the start: somebody is told.
async fn take_up(common: &Store, ledger: &mut Ledger, id: BatchId) -> Result<(), ReadError> {
    let (batch, notice) = (common.get(&key::batch(id)).await?, common.get(&key::notice(id.seq)).await?);
    let (Some(batch), Some(notice)) = (batch, notice) else { return Ok(()) };
    match (decode::<Batch>(&batch.value), decode::<Notice>(&notice.value)) {
        (Ok(record), Ok(notice)) => ledger.take_up(notice.facts(), record, batch.version),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(event = "fanout.unreadable", notice = id.seq, batch = id.number, %error, "a batch of recipients cannot be read");
        }
    }
    Ok(())
}

impl Gateway {
    /// Leases entries that are due, earlier settlements written in the same change. What is returned may be sent.
    pub async fn lease_deliveries(&self, limits: LeaseLimits) -> Result<Vec<Lease>, Refusal> {
        let _one = self.fanout.writing.lock().await;
        let now = self.now();
        let leases = self.fanout.ledger().ledger.lease(now, limits);
        if let Err(error) = self.write_ledger(Change::new()).await {
            let mut written = self.fanout.ledger();
            leases.iter().for_each(|lease| written.ledger.settle(lease, Outcome::NotTried, now));
            return Err(error);
        }
        Ok(leases)
    }

    /// Whether a leased letter is still to be offered: nothing newer stands for it, and it is not too old.
    pub fn begin_delivery(&self, lease: &Lease) -> bool {
        self.fanout.ledger().ledger.begin(lease, self.now())
    }

    /// Settles a lease in memory; on disk with the next write.
    pub fn settle_delivery(&self, lease: &Lease, outcome: Outcome) -> Ticket {
        let mut written = self.fanout.ledger();
        written.ledger.settle(lease, outcome, self.now());
        Ticket(written.writes + 1)
    }

    /// Waits until a settlement is on disk.
    pub async fn delivery_on_disk(&self, ticket: Ticket) {
        // The sender lives as long as the gateway: there is no other end to this.
        let _ = self.fanout.on_disk.subscribe().wait_for(|write| *write >= ticket.0).await;
    }

    /// Writes what was settled.
    pub async fn write_deliveries(&self) -> Result<(), Refusal> {
        let _one = self.fanout.writing.lock().await;
        self.write_ledger(Change::new()).await
    }

    /// The second, since 1970, in which something is due next, and whether settlements wait to be written.
    pub fn next_delivery(&self) -> (Option<u32>, bool) {
        let written = self.fanout.ledger();
        (written.ledger.next_due(), written.ledger.has_dirty())
    }

    /// To whom a leased letter goes, if it still may: asked last thing before the letter is offered.
    pub async fn recipient(&self, subscriber: Uuid) -> Result<Option<Subscriber>, Refusal> {
        let found = self.subscriber(subscriber).await?.map(|at| at.record);
        // Who was told that no mail will come gets none, written down or not.
        Ok(found.filter(|found| found.state == SubscriberState::Active && !self.has_left(&found.id)))
    }

    /// A notice as it was frozen.
    pub async fn notice(&self, seq: u64) -> Result<Notice, Refusal> {
        let found = self.common.get(&key::notice(seq)).await?.ok_or(Refusal::NotFound)?;
        Ok(decode(&found.value)?)
    }

    /// By what recipients at one mail provider are told from those at others.
    pub(super) fn mail_domain_tag(&self, address: &MailAddress) -> u32 {
        let [a, b, c, d, ..] = self.common.hash(&[b"mail-domain", address.domain().as_bytes()]);
        u32::from_be_bytes([a, b, c, d])
    }

    /// Writes all that is dirty, and `change` with it. The caller holds `writing`.
    async fn write_ledger(&self, mut change: Change) -> Result<(), Refusal> {
        let (write, dirty) = {
            let mut written = self.fanout.ledger();
            written.writes += 1;
            (written.writes, written.ledger.dirty())
        };
        for (version, batch) in &dirty {
            change.replace(key::batch(batch.id()), *version, encode(batch));
            if !batch.is_open() {
                change.unindex(key::batch_open(batch.id()));
            }
        }
        let ids: Vec<BatchId> = dirty.iter().map(|(_, batch)| batch.id()).collect();
        let committed = if change.is_empty() { Ok(()) } else { self.common.commit(change).await.map(drop) };
        let mut written = self.fanout.ledger();
        match committed {
            Ok(()) => {
                written.ledger.written(&ids);
                self.fanout.on_disk.send_replace(write);
                Ok(())
            }
            Err(error) => {
                written.ledger.unwritten(&ids);
                Err(error.into())
            }
        }
    }
}

/// Reads one record.
async fn read<R: Record>(store: &Store, key: &Key) -> Result<Option<At<R>>, ReadError> {
    let Some(found) = store.get(key).await? else { return Ok(None) };
    Ok(Some(At { version: found.version, record: decode(&found.value)? }))
}
