//! Events made into batches: the cursor moves in the change that writes the batch, so a kill repeats and skips nobody.

use std::sync::Arc;

use uuid::Uuid;

use super::read;
use super::records::{Cursor, Frozen, Notice, Walk};
use crate::domain::status::delivery::{BATCH_RECIPIENTS_MAX, Batch, BatchId, Entry};
use crate::domain::status::event::Event;
use crate::domain::status::ledger::{Facts, Share, Standing, is_ending, is_mailed, share, standing_by};
use crate::domain::status::subscriber::Subscriber;
use crate::store::record::{decode, encode};
use crate::store::{Change, Key, Range, ReadError, Store, key};
use crate::usecase::catalog::At;
use crate::usecase::{Gateway, Refusal};

/// Subscribers read at a time.
pub(super) const PAGE: usize = 500;
/// Pages read in one step; then what was found is written, however little.
const STEP_PAGES_MAX: usize = 40;
/// Batches of one subject: of fifty events to a hundred thousand.
const SUBJECT_BATCHES_MAX: usize = 10_000;

/// What a step of the expansion came to.
pub enum Step {
    /// Nothing is left to expand.
    Idle,
    /// So much waits to be sent that more would fill memory.
    Full,
    /// The next event's mail is to be frozen: `begin_notice`.
    Freeze(u64, Box<Event>),
    Went,
}

/// How far the expansion has come, as the store has it.
pub struct Expansion {
    /// Version 0 before the first write.
    cursor: At<Cursor>,
    walk: Option<Arc<Underway>>,
}

/// The event of the walk, and what is read for it once.
struct Underway {
    seq: u64,
    event: Event,
    /// Of an ending: the earlier batches on its subject, with their last recipients.
    earlier: Vec<(BatchId, Uuid)>,
}

/// Some subscribers in the order of their ids.
pub(super) struct Page {
    pub subscribers: Vec<Subscriber>,
    /// The last that was read, fit or not.
    pub last: Option<Uuid>,
    /// There are no more.
    pub is_last: bool,
}

/// What is known of some subscribers from disk, for an ending.
#[derive(Default)]
pub(super) struct Earlier {
    batches: Vec<Batch>,
    noted: Vec<Uuid>,
}

impl Expansion {
    pub(super) async fn start(common: &Store) -> Result<Expansion, ReadError> {
        let cursor = read::<Cursor>(common, &key::fanout_cursor()).await?;
        Ok(Expansion { cursor: cursor.unwrap_or(At { version: 0, record: Cursor::default() }), walk: None })
    }

    pub(super) fn done(&self) -> u64 {
        self.cursor.record.done
    }

    pub(super) fn is_expanding(&self, seq: u64) -> bool {
        self.cursor.record.walk.as_ref().is_some_and(|walk| walk.seq == seq)
    }

    /// Puts the cursor into a change, for `moved` when it is on disk.
    fn put(&self, change: &mut Change, cursor: &Cursor) {
        match self.cursor.version {
            0 => change.create(key::fanout_cursor(), encode(cursor)),
            version => change.replace(key::fanout_cursor(), version, encode(cursor)),
        }
    }

    fn moved(&mut self, cursor: Cursor) {
        self.cursor = At { version: self.cursor.version + 1, record: cursor };
    }
}

impl Gateway {
    /// One step: the next event taken up or passed over, or the next batch written. Cancelled half-way it must not
    /// be called again.
    pub async fn expand(&self) -> Result<Step, Refusal> {
        let mut expansion = self.fanout.expansion.lock().await;
        let Some(walk) = expansion.cursor.record.walk.clone() else {
            return self.next_event(&mut expansion).await;
        };
        if self.fanout.ledger().ledger.is_full() {
            return Ok(Step::Full);
        }
        let underway = self.underway(&mut expansion, walk.seq).await?;
        if is_ending(&underway.event) {
            self.step_of_ending(&mut expansion, walk, &underway).await?;
        } else {
            self.step(&mut expansion, walk, &underway).await?;
        }
        Ok(Step::Went)
    }

    /// Freezes an event's mail, or that none could be made, and begins the walk through the subscribers.
    pub async fn begin_notice(&self, seq: u64, event: &Event, frozen: Option<Frozen>) -> Result<(), Refusal> {
        let mut expansion = self.fanout.expansion.lock().await;
        let walk = frozen.is_some().then_some(Walk { seq, batches: 0, after: None });
        let done = if walk.is_some() { seq - 1 } else { seq };
        let cursor = Cursor { done, walk };
        let mut change = Change::new();
        change.create(key::notice(seq), encode(&Notice::of(seq, event, frozen)));
        expansion.put(&mut change, &cursor);
        self.common.commit(change).await?;
        expansion.moved(cursor);
        Ok(())
    }

    async fn next_event(&self, expansion: &mut Expansion) -> Result<Step, Refusal> {
        let next = self.notices_after(expansion.cursor.record.done, 1).await?.pop();
        let Some((seq, event)) = next else { return Ok(Step::Idle) };
        if is_mailed(&event) && event.not_after > self.now() {
            return Ok(Step::Freeze(seq, Box::new(event)));
        }
        if is_mailed(&event) {
            tracing::warn!(event = "fanout.late", notice = seq, "a notice was too old to be mailed when its turn came");
        }
        let cursor = Cursor { done: seq, walk: None };
        let mut change = Change::new();
        expansion.put(&mut change, &cursor);
        self.common.commit(change).await?;
        expansion.moved(cursor);
        Ok(Step::Went)
    }

    async fn underway(&self, expansion: &mut Expansion, seq: u64) -> Result<Arc<Underway>, Refusal> {
        if let Some(walk) = expansion.walk.as_ref().filter(|walk| walk.seq == seq) {
            return Ok(walk.clone());
        }
        let (_, event) = self.notices_after(seq - 1, 1).await?.pop().ok_or(Refusal::NotFound)?;
        let earlier = if is_ending(&event) { self.earlier_batches(event.subject.id(), seq).await? } else { Vec::new() };
        let walk = Arc::new(Underway { seq, event, earlier });
        expansion.walk = Some(walk.clone());
        Ok(walk)
    }

    /// Batches about a subject of notices before a number.
    pub(super) async fn earlier_batches(&self, subject: Uuid, before: u64) -> Result<Vec<(BatchId, Uuid)>, Refusal> {
        let found = self.common.scan(Range::prefix(&key::batches_of_subject(subject)), SUBJECT_BATCHES_MAX).await?;
        let read = found.iter().filter_map(|(key, _)| key::batch_of_subject_target(key));
        Ok(read.filter(|(id, _)| id.seq < before).collect())
    }

    /// Collects up to a batch of who wants the event.
    async fn step(&self, expansion: &mut Expansion, walk: Walk, underway: &Underway) -> Result<(), Refusal> {
        let mut after = walk.after;
        let (mut entries, mut later) = (Vec::new(), Vec::new());
        let mut ended = false;
        for _ in 0..STEP_PAGES_MAX {
            let page = self.subscribers_after(after, PAGE).await?;
            for subscriber in &page.subscribers {
                if entries.len() == BATCH_RECIPIENTS_MAX {
                    break;
                }
                after = Some(subscriber.id);
                match share(walk.seq, &underway.event, subscriber, Standing::Nothing, false) {
                    Some(Share::Digest) => later.push((subscriber.id, subscriber.mode)),
                    Some(share) => entries.push(self.entry_for(subscriber, share)),
                    None => {}
                }
            }
            if entries.len() == BATCH_RECIPIENTS_MAX {
                break;
            }
            (after, ended) = (page.last.or(after), page.is_last);
            if ended {
                break;
            }
        }
        self.note_for_digest(walk.seq, &later).await?;
        let _one = self.fanout.writing.lock().await;
        self.write_batch(expansion, Walk { after, ..walk }, underway, entries, ended).await
    }

    /// Looks at one page of subscribers, the ledger held still: what is under way decides who is told of the end.
    async fn step_of_ending(&self, expansion: &mut Expansion, walk: Walk, underway: &Underway) -> Result<(), Refusal> {
        let page = self.subscribers_after(walk.after, PAGE).await?;
        let after = page.last.or(walk.after);
        let _one = self.fanout.writing.lock().await;
        let earlier = self.earlier(&underway.event, &underway.earlier, &page.subscribers).await?;
        let told = self.who_is_told(walk.seq, &underway.event, &page.subscribers, &earlier);
        let (later, at_once): (Vec<_>, Vec<_>) = told.into_iter().partition(|(_, share)| *share == Share::Digest);
        let later: Vec<_> = later.into_iter().map(|(subscriber, _)| (subscriber.id, subscriber.mode)).collect();
        self.note_for_digest(walk.seq, &later).await?;
        let entries = at_once.into_iter().map(|(subscriber, share)| self.entry_for(subscriber, share)).collect();
        self.write_batch(expansion, Walk { after, ..walk }, underway, entries, page.is_last).await
    }

    /// Who of a page of subscribers hears of an event, and how.
    pub(super) fn who_is_told<'a>(
        &self,
        seq: u64,
        event: &Event,
        page: &'a [Subscriber],
        earlier: &Earlier,
    ) -> Vec<(&'a Subscriber, Share)> {
        let written = self.fanout.ledger();
        let shares = page.iter().filter_map(|subscriber| {
            let held = written.ledger.standing(event.subject.id(), seq, subscriber.id);
            let standing = held.max(earlier.standing(subscriber.id));
            Some((subscriber, share(seq, event, subscriber, standing, earlier.noted.contains(&subscriber.id))?))
        });
        shares.collect()
    }

    /// What is on disk of earlier notices on the event's subject to these subscribers. Batches in memory are left
    /// out: the ledger knows better.
    pub(super) async fn earlier(
        &self,
        event: &Event,
        batches: &[(BatchId, Uuid)],
        page: &[Subscriber],
    ) -> Result<Earlier, Refusal> {
        let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(Earlier::default()) };
        let mut earlier = Earlier::default();
        let mut begun = None;
        for (id, ends_with) in batches {
            // In the order of notices and of recipients: after the one that reaches beyond the page come only later ones.
            if *ends_with < first.id || begun == Some(id.seq) {
                continue;
            }
            begun = (*ends_with >= last.id).then_some(id.seq);
            let held = self.fanout.ledger().ledger.holds(*id);
            if let Some(batch) = if held { None } else { read::<Batch>(&self.common, &key::batch(*id)).await? } {
                earlier.batches.push(batch.record);
            }
        }
        let subject = event.subject.id();
        let told = Range::prefix(&key::told_of(subject)).after(&key::told(subject, before(first.id)));
        let told = self.common.scan(told.until(&key::told(subject, last.id)), page.len()).await?;
        earlier.noted = told.iter().filter_map(|(key, _)| last_uuid(key)).collect();
        // The range is without its end.
        if self.common.get(&key::told(subject, last.id)).await?.is_some() {
            earlier.noted.push(last.id);
        }
        Ok(earlier)
    }

    fn entry_for(&self, subscriber: &Subscriber, share: Share) -> Entry {
        let domain = self.mail_domain_tag(&subscriber.address);
        Entry::new(subscriber.id, subscriber.language, domain, share == Share::IfTold)
    }

    /// Subscribers in the order of their ids. One that cannot be read must not hold up the others.
    pub(super) async fn subscribers_after(&self, after: Option<Uuid>, limit: usize) -> Result<Page, Refusal> {
        let mut range = Range::prefix(&key::subscribers());
        if let Some(after) = after {
            range = range.after(&key::subscriber(after));
        }
        let found = self.common.scan(range, limit).await?;
        let (last, is_last) = (found.last().and_then(|(key, _)| last_uuid(key)), found.len() < limit);
        let mut subscribers = Vec::with_capacity(found.len());
        for (_, versioned) in found {
            match decode(&versioned.value) {
                Ok(subscriber) => subscribers.push(subscriber),
                Err(error) => tracing::error!(event = "fanout.subscriber", %error, "a subscriber cannot be read"),
            }
        }
        Ok(Page { subscribers, last, is_last })
    }

    /// Writes a batch, what it supersedes, and the cursor behind it. The caller holds `writing`.
    async fn write_batch(
        &self,
        expansion: &mut Expansion,
        mut walk: Walk,
        underway: &Underway,
        entries: Vec<Entry>,
        ended: bool,
    ) -> Result<(), Refusal> {
        let mut change = Change::new();
        let (seq, subject) = (walk.seq, underway.event.subject.id());
        let id = BatchId { seq, number: walk.batches };
        let last = entries.last().map(|entry| entry.subscriber);
        if let Some(last) = last {
            let mut batch = Batch { seq, number: id.number, subject, entries };
            {
                let mut written = self.fanout.ledger();
                written.ledger.supersede(&mut batch);
                written.ledger.take_up(Facts::of(&underway.event), batch.clone(), 0);
            }
            change.create(key::batch(id), encode(&batch));
            change.index(key::batch_of_subject(subject, id, last));
            if batch.is_open() {
                change.index(key::batch_open(id));
            }
            walk.batches += 1;
        }
        let cursor = if ended { Cursor { done: seq, walk: None } } else { Cursor { done: seq - 1, walk: Some(walk) } };
        expansion.put(&mut change, &cursor);
        if let Err(error) = self.write_ledger(change).await {
            self.fanout.ledger().ledger.discard(id);
            return Err(error);
        }
        self.fanout.ledger().ledger.written(&[id]);
        expansion.moved(cursor);
        self.fanout.owed.notify_one();
        Ok(())
    }
}

impl Earlier {
    fn standing(&self, subscriber: Uuid) -> Standing {
        let entries = self.batches.iter().filter_map(|batch| batch.find(subscriber));
        entries.map(standing_by).max().unwrap_or(Standing::Nothing)
    }
}

/// The UUID just before another, for ranges that begin with it.
fn before(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_sub(1))
}

fn last_uuid(key: &Key) -> Option<Uuid> {
    let bytes = key.as_bytes();
    Uuid::from_slice(bytes.get(bytes.len().checked_sub(16)?..)?).ok()
}
