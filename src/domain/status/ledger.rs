//! The open batches of all notices, and what their entries mean to each other: who is next, what a newer notice makes
//! of an older one, whether an ending is owed. Pure; who keeps it on disk writes `dirty` batches in one change.
//!
//! The rules (told-open ⇒ told-closed):
//! - A newer notice supersedes what of the same subject has not gone to the same recipient; its own letter has it all.
//! - An ending goes to whoever has, or may have, an earlier letter on its subject. Where the only earlier letter is
//!   under way just then, the ending waits for what comes of it.
//! - A letter is offered only while its entry is leased on disk. A crash leaves in doubt what is leased and no more.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use jiff::Timestamp;
use uuid::Uuid;

use super::choice::Mode;
use super::delivery::{Batch, BatchId, Code, Entry, Outcome, State, priority, seconds};
use super::event::{Event, EventKind};
use super::subscriber::{Subscriber, SubscriberState};
use crate::domain::language::Language;

/// Open batches in memory: two million entries, 80 MB. What is told beyond that waits in its chain.
pub const OPEN_BATCHES_MAX: usize = 4_000;

/// What of a notice decides about its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    pub subject: Uuid,
    pub kind: EventKind,
    pub at: Timestamp,
    pub not_after: Timestamp,
}

/// An entry that may be sent once its lease is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub batch: BatchId,
    pub subscriber: Uuid,
    pub language: Language,
    pub domain: u32,
    pub priority: u8,
}

/// What a recipient knows of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Nothing,
    /// Letters are owed and none has gone, or one is under way.
    Owed,
    /// Has one, or may have.
    Told,
}

/// How a subscriber is to hear of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    AtOnce,
    /// At once, unless what is under way turns out not to have been told.
    IfTold,
    /// With the day's other news.
    Digest,
}

/// How many may be leased at once, in all and of one mail domain.
#[derive(Debug, Clone, Copy)]
pub struct LeaseLimits {
    pub all: usize,
    /// What one slow domain can take away from the others.
    pub domain: usize,
}

/// All batches with something left to do.
#[derive(Debug, Default)]
pub struct Ledger {
    notices: BTreeMap<u64, Facts>,
    open: BTreeMap<BatchId, Open>,
    leased: usize,
    leased_by_domain: HashMap<u32, usize>,
}

#[derive(Debug)]
struct Open {
    batch: Batch,
    /// As the store has it.
    version: u64,
    dirty: bool,
    /// No entry waits for an earlier second.
    next_due: u32,
}

impl Facts {
    pub fn of(event: &Event) -> Facts {
        Facts { subject: event.subject.id(), kind: event.kind, at: event.at, not_after: event.not_after }
    }
}

impl Ledger {
    /// Takes up a batch that the store has, in this version; 0 for one that is being written. That has its place at
    /// once, for what ends meanwhile concerns it, but nothing of it is leased before it is `written`.
    pub fn take_up(&mut self, facts: Facts, batch: Batch, version: u64) {
        if batch.is_open() {
            self.notices.insert(batch.seq, facts);
            self.open.insert(batch.id(), Open { batch, version, dirty: false, next_due: 0 });
        }
    }

    /// A batch that was being written is not.
    pub fn discard(&mut self, id: BatchId) {
        self.open.remove(&id);
        self.forget_notice(id.seq);
    }

    /// After a start, when all is taken up: what was leased at the crash may have been sent.
    pub fn recover(&mut self) {
        let mut doubtful = Vec::new();
        for open in self.open.values_mut() {
            for entry in open.batch.entries.iter_mut().filter(|entry| entry.state == State::Leased) {
                entry.recover();
                open.dirty = true;
                doubtful.push((open.batch.seq, entry.subscriber));
            }
        }
        for (seq, subscriber) in doubtful {
            self.resolve_endings(seq, subscriber);
        }
    }

    /// Gives a new batch's entries their place among older ones on the same subject, which they supersede. To be
    /// taken up at once and written together with all that is dirty then.
    pub fn supersede(&mut self, batch: &mut Batch) {
        let older: Vec<u64> = self.of_subject(batch.subject).filter(|seq| *seq < batch.seq).collect();
        for entry in &mut batch.entries {
            let (mut under_way, mut told) = (false, false);
            for seq in &older {
                self.with_entry(*seq, entry.subscriber, |older| {
                    told |= older.may_be_told();
                    match older.state {
                        State::Waiting | State::Held => older.state = State::Superseded,
                        State::Leased => (older.outdated, under_way) = (true, true),
                        _ => return false,
                    }
                    true
                });
            }
            // What was under way when the recipients were chosen may have come to an end since.
            entry.if_told &= !told;
            if entry.if_told && !under_way {
                entry.state = State::Cancelled;
            }
        }
    }

    /// What a recipient knows of a subject from open batches of notices before a number.
    pub fn standing(&self, subject: Uuid, before: u64, subscriber: Uuid) -> Standing {
        let earlier = self.of_subject(subject).filter(|seq| *seq < before);
        let entries = earlier.filter_map(|seq| self.batch_of(seq, subscriber)?.batch.find(subscriber));
        entries.map(standing_by).max().unwrap_or(Standing::Nothing)
    }

    pub fn holds(&self, id: BatchId) -> bool {
        self.open.contains_key(&id)
    }

    /// Leases what is due: by priority, then newest notice first.
    pub fn lease(&mut self, now: Timestamp, limits: LeaseLimits) -> Vec<Lease> {
        let mut order: Vec<(u64, Facts)> = self.notices.iter().map(|(seq, facts)| (*seq, *facts)).collect();
        order.sort_by_key(|(seq, facts)| (priority(facts.kind), std::cmp::Reverse(*seq)));
        let mut leases = Vec::new();
        for (seq, facts) in order {
            let written = self.open.range_mut(batches(seq)).filter(|(_, open)| open.version > 0);
            for (_, open) in written {
                if self.leased >= limits.all {
                    return leases;
                }
                if facts.not_after <= now {
                    open.expire();
                } else if open.next_due <= seconds(now) {
                    let room = LeaseLimits { all: limits.all - self.leased, ..limits };
                    let more = open.lease(facts, seconds(now), room, &mut self.leased_by_domain);
                    self.leased += more.len();
                    leases.extend(more);
                }
            }
        }
        leases
    }

    /// Whether a leased letter is still to be offered; if not, its lease is at an end.
    pub fn begin(&mut self, lease: &Lease, now: Timestamp) -> bool {
        let expired = self.notices.get(&lease.batch.seq).is_none_or(|facts| facts.not_after <= now);
        let outdated = self.entry(lease).is_some_and(|entry| entry.outdated);
        if outdated || expired {
            self.settle(lease, Outcome::NotTried, now);
        }
        !outdated && !expired
    }

    /// A lease ended.
    pub fn settle(&mut self, lease: &Lease, outcome: Outcome, now: Timestamp) {
        let Some(open) = self.open.get_mut(&lease.batch) else { return };
        let Some(entry) = open.batch.find_mut(lease.subscriber).filter(|entry| entry.state == State::Leased) else {
            return;
        };
        entry.settle(outcome, now);
        open.dirty = true;
        open.next_due = open.next_due.min(entry.next_at);
        let outdated = entry.outdated;
        self.leased = self.leased.saturating_sub(1);
        if let Some(count) = self.leased_by_domain.get_mut(&lease.domain) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.leased_by_domain.remove(&lease.domain);
            }
        }
        if outdated {
            self.resolve_endings(lease.batch.seq, lease.subscriber);
        }
    }

    /// A letter came back after all. False where its batch is not open: the store's own is to be marked then.
    pub fn bounce(&mut self, id: BatchId, subscriber: Uuid, code: Option<Code>) -> bool {
        let Some(open) = self.open.get_mut(&id) else { return false };
        if let Some(entry) = open.batch.find_mut(subscriber).filter(|entry| entry.state == State::Accepted) {
            (entry.state, entry.code) = (State::Bounced, code);
            open.dirty = true;
        }
        true
    }

    /// Batches to write, with the versions they replace; they count as written until `unwritten` says otherwise.
    pub fn dirty(&mut self) -> Vec<(u64, Batch)> {
        let mut out = Vec::new();
        for open in self.open.values_mut().filter(|open| open.dirty && open.version > 0) {
            open.dirty = false;
            out.push((open.version, open.batch.clone()));
        }
        out
    }

    /// They are on disk. What is done leaves memory.
    pub fn written(&mut self, ids: &[BatchId]) {
        for id in ids {
            let Some(open) = self.open.get_mut(id) else { continue };
            open.version += 1;
            if !open.dirty && !open.batch.is_open() {
                self.open.remove(id);
                self.forget_notice(id.seq);
            }
        }
    }

    /// They could not be written.
    pub fn unwritten(&mut self, ids: &[BatchId]) {
        for id in ids {
            if let Some(open) = self.open.get_mut(id) {
                open.dirty = true;
            }
        }
    }

    pub fn is_full(&self) -> bool {
        self.open.len() >= OPEN_BATCHES_MAX
    }

    pub fn has_dirty(&self) -> bool {
        self.open.values().any(|open| open.dirty)
    }

    /// When something waits next; None where nothing does.
    pub fn next_due(&self) -> Option<u32> {
        self.open.values().map(|open| open.next_due).filter(|due| *due < u32::MAX).min()
    }

    /// When the oldest notice was told of which letters wait for us or for the smarthost. Those whose recipients' own
    /// servers put them off, or that its policy holds, are no sign of trouble with the mail.
    pub fn oldest_unsent(&self) -> Option<Timestamp> {
        let ours = |entry: &Entry| matches!(entry.state, State::Waiting | State::Leased) && entry.attempts == 0;
        let late = self.open.values().filter(|open| open.batch.entries.iter().any(ours));
        late.filter_map(|open| Some(self.notices.get(&open.batch.seq)?.at)).min()
    }

    /// Entries that are not final.
    pub fn unsent(&self) -> usize {
        let entries = self.open.values().flat_map(|open| &open.batch.entries);
        entries.filter(|entry| entry.state.is_open()).count()
    }

    /// What became of an outdated letter decides whether the endings that waited for it are owed.
    fn resolve_endings(&mut self, seq: u64, subscriber: Uuid) {
        let Some(subject) = self.notices.get(&seq).map(|facts| facts.subject) else { return };
        let same: Vec<u64> = self.of_subject(subject).collect();
        let known = same.iter().filter_map(|other| self.batch_of(*other, subscriber)?.batch.find(subscriber));
        let known: Vec<(State, bool)> = known.map(|entry| (entry.state, entry.may_be_told())).collect();
        let under_way = known.iter().any(|(state, _)| *state == State::Leased);
        let told = known.iter().any(|(_, told)| *told);
        if under_way && !told {
            return;
        }
        for other in same {
            self.with_entry(other, subscriber, |entry| {
                if !entry.if_told || !entry.state.is_open() {
                    return false;
                }
                entry.if_told = false;
                if !told {
                    entry.state = State::Cancelled;
                }
                true
            });
        }
    }

    fn forget_notice(&mut self, seq: u64) {
        if self.open.range(batches(seq)).next().is_none() {
            self.notices.remove(&seq);
        }
    }

    fn of_subject(&self, subject: Uuid) -> impl Iterator<Item = u64> + '_ {
        self.notices.iter().filter(move |(_, facts)| facts.subject == subject).map(|(seq, _)| *seq)
    }

    fn entry(&self, lease: &Lease) -> Option<&Entry> {
        self.open.get(&lease.batch)?.batch.find(lease.subscriber)
    }

    /// Batches lie in the order of their recipients: the last that does not begin after the recipient.
    fn batch_of(&self, seq: u64, subscriber: Uuid) -> Option<&Open> {
        let all = self.open.range(batches(seq));
        let begins_before =
            |open: &&Open| open.batch.entries.first().is_some_and(|first| first.subscriber <= subscriber);
        all.map(|(_, open)| open).take_while(begins_before).last()
    }

    fn with_entry(&mut self, seq: u64, subscriber: Uuid, change: impl FnOnce(&mut Entry) -> bool) {
        let Some(id) = self.batch_of(seq, subscriber).map(|open| open.batch.id()) else { return };
        let Some(open) = self.open.get_mut(&id) else { return };
        let Some(entry) = open.batch.find_mut(subscriber) else { return };
        if change(entry) {
            open.dirty = true;
            open.next_due = open.next_due.min(entry.next_at);
        }
    }
}

impl Open {
    fn lease(
        &mut self,
        facts: Facts,
        now: u32,
        limits: LeaseLimits,
        by_domain: &mut HashMap<u32, usize>,
    ) -> Vec<Lease> {
        let id = self.batch.id();
        let mut leases = Vec::new();
        let mut next_due = u32::MAX;
        for entry in &mut self.batch.entries {
            if !matches!(entry.state, State::Waiting | State::Held) || entry.if_told {
                continue;
            }
            let of_domain = by_domain.get(&entry.domain).copied().unwrap_or_default();
            if entry.next_at > now || leases.len() >= limits.all || of_domain >= limits.domain {
                next_due = next_due.min(entry.next_at);
                continue;
            }
            entry.state = State::Leased;
            self.dirty = true;
            by_domain.insert(entry.domain, of_domain + 1);
            let Entry { subscriber, language, domain, .. } = *entry;
            leases.push(Lease { batch: id, subscriber, language, domain, priority: priority(facts.kind) });
        }
        self.next_due = next_due;
        leases
    }

    /// What is under way ends by itself.
    fn expire(&mut self) {
        for entry in &mut self.batch.entries {
            if matches!(entry.state, State::Waiting | State::Held) {
                entry.state = State::Expired;
                self.dirty = true;
            }
        }
        self.next_due = u32::MAX;
    }
}

fn batches(seq: u64) -> RangeInclusive<BatchId> {
    BatchId { seq, number: 0 }..=BatchId { seq, number: u32::MAX }
}

/// Whether and how a subscriber is told of an event. `standing` is what letters say that it knows of the subject,
/// `noted` that a digest or a welcome told it.
pub fn share(seq: u64, event: &Event, subscriber: &Subscriber, standing: Standing, noted: bool) -> Option<Share> {
    if subscriber.state != SubscriberState::Active || subscriber.confirmed_seq >= seq || !is_mailed(event) {
        return None;
    }
    let by_mode = if subscriber.mode == Mode::AtOnce { Share::AtOnce } else { Share::Digest };
    if !is_ending(event) {
        return subscriber.wants(event).then_some(by_mode);
    }
    match standing {
        Standing::Told => Some(Share::AtOnce),
        _ if noted => Some(by_mode),
        Standing::Owed => Some(Share::IfTold),
        Standing::Nothing => (event.notify && subscriber.wants_ending(event)).then_some(by_mode),
    }
}

/// Whether an event is mailed to anybody. That a fault is mended, or work called off, is told to those who were told of
/// it even when its author asked for no mail: else they would go on believing it.
pub fn is_mailed(event: &Event) -> bool {
    event.notify || matches!(event.kind, EventKind::Resolved | EventKind::Withdrawn | EventKind::Cancelled)
}

/// Whether an event is about something over: goes to those who were told of it, and to who asked for endings.
pub fn is_ending(event: &Event) -> bool {
    event.kind.is_closing() || event.subject.is_over()
}

/// What one entry says of what its recipient knows.
pub fn standing_by(entry: &Entry) -> Standing {
    match entry.state {
        _ if entry.may_be_told() => Standing::Told,
        state if state.is_open() => Standing::Owed,
        _ => Standing::Nothing,
    }
}

#[cfg(test)]
mod tests;
