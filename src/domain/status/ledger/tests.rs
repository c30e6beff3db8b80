//! The promise, held against random days: whoever was told that it broke is told that it is over, once, and nobody is
//! told anything after leaving. The model plays the expander, the disk, a smarthost with moods, and kills.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::domain::clinic::Texts;
use crate::domain::mail_address::MailAddress;
use crate::domain::status::Audience;
use crate::domain::status::choice::{Choices, Subscription, Target};
use crate::domain::status::subject::{Impact, Incident, IncidentStatus, Origin, Subject};
use crate::domain::status::subscriber::Asked;

/// Small batches, so that a handful of subscribers fills several.
const BATCH: usize = 2;
const LIMITS: LeaseLimits = LeaseLimits { all: 4, domain: 3 };
const SUBJECTS: u8 = 2;

fn start() -> Timestamp {
    "2026-11-22T08:00:00Z".parse().unwrap()
}

fn event(subject: u8, kind: EventKind, at: Timestamp) -> Event {
    let texts = Texts { sv: "Journalen".into(), en: None };
    let over = kind.is_closing().then_some(at);
    let incident = Incident {
        id: Uuid::from_u128(u128::from(subject)),
        title: texts,
        audience: Audience::Public,
        status: if kind == EventKind::Resolved { IncidentStatus::Resolved } else { IncidentStatus::Investigating },
        impact_override: Some(Impact::Major),
        affected: Vec::new(),
        started_at: at,
        published_at: at,
        resolved_at: over,
        withdrawn_at: over.filter(|_| kind == EventKind::Withdrawn),
        expected_end: None,
        next_update_by: None,
        lateness_alarmed: false,
        origin: Origin::Person,
        reference: None,
        workaround: None,
        revision: 1,
        updates: Vec::new(),
    };
    let not_after = at.checked_add(SignedDuration::from_hours(100_000)).unwrap();
    let subject = Subject::Incident(incident);
    Event { kind, at, subject, update: None, components: Vec::new(), notify: true, not_after }
}

fn subscriber(number: u128, confirmed_seq: u64) -> Subscriber {
    let choices =
        Choices { language: Language::Sv, mode: Mode::AtOnce, subscriptions: vec![Subscription::of(Target::All)] };
    let asked = Asked { at: start(), choices, consent_version: 1, source: "form".into() };
    let address = MailAddress::parse("tolvan@example.test").unwrap();
    let mut subscriber = Subscriber::pending(Uuid::from_u128(number), address, Audience::Public, asked);
    subscriber.confirm(0, confirmed_seq, start()).unwrap();
    subscriber
}

#[derive(Debug, Clone)]
enum Act {
    /// Whatever the subject's next step is: opened, updated or, with `over`, resolved or withdrawn.
    Tell {
        subject: u8,
        over: Option<bool>,
    },
    Subscribe,
    Leave(usize),
    Lease,
    /// The leased letter at this place is offered.
    Begin(usize),
    /// What comes of the offered letter at this place.
    End(usize, Mood),
    Write,
    Wait(u16),
    Kill,
}

#[derive(Debug, Clone, Copy)]
enum Mood {
    Takes,
    /// Takes it, and is gone before it says so.
    TakesSilently,
    DropsSilently,
    Defers,
    IsDown,
    Rejects,
}

#[derive(Default)]
struct Model {
    now: Timestamp,
    ledger: Ledger,
    disk: BTreeMap<BatchId, (u64, Batch)>,
    events: Vec<Event>,
    open: [bool; SUBJECTS as usize],
    subscribers: BTreeMap<Uuid, Subscriber>,
    leases: Vec<Lease>,
    offered: Vec<Lease>,
    /// What lies in the mailboxes, by subscriber and notice.
    inbox: HashMap<(Uuid, u64), u32>,
    /// Times that a letter may have been taken without our hearing so, by subscriber and notice.
    doubts: HashMap<(Uuid, u64), u32>,
    refused: BTreeSet<(Uuid, u64)>,
}

impl Model {
    fn new() -> Model {
        let subscribers = (1..=5).map(|number| (Uuid::from_u128(number), subscriber(number, 0))).collect();
        Model { now: start(), subscribers, ..Model::default() }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Tell { subject, over } => self.tell(subject, over),
            Act::Subscribe => {
                let number = u128::try_from(self.subscribers.len()).unwrap() + 1;
                let seq = u64::try_from(self.events.len()).unwrap();
                self.subscribers.insert(Uuid::from_u128(number), subscriber(number, seq));
            }
            Act::Leave(which) => {
                let place = which % self.subscribers.len();
                self.subscribers.values_mut().nth(place).unwrap().state = SubscriberState::Left;
            }
            Act::Lease => {
                let leases = self.ledger.lease(self.now, LIMITS);
                self.write();
                self.leases.extend(leases);
            }
            Act::Begin(place) if !self.leases.is_empty() => {
                let lease = self.leases.remove(place % self.leases.len());
                self.begin(lease);
            }
            Act::End(place, mood) if !self.offered.is_empty() => {
                let lease = self.offered.remove(place % self.offered.len());
                self.end(&lease, mood);
            }
            Act::Begin(_) | Act::End(..) => {}
            Act::Write => self.write(),
            Act::Wait(seconds) => self.now = self.now.checked_add(SignedDuration::from_secs(seconds.into())).unwrap(),
            Act::Kill => self.kill(),
        }
    }

    fn tell(&mut self, subject: u8, over: Option<bool>) {
        let is_open = &mut self.open[usize::from(subject)];
        let kind = match (*is_open, over) {
            (false, _) => EventKind::Opened,
            (true, None) => EventKind::Updated,
            (true, Some(true)) => EventKind::Resolved,
            (true, Some(false)) => EventKind::Withdrawn,
        };
        *is_open = !kind.is_closing();
        // A subject that is over stays over: the next trouble is a new one.
        let generation = self.events.iter().filter(|e| e.kind == EventKind::Opened).count() * usize::from(SUBJECTS);
        let same = self.events.iter().rev().find(|e| e.subject.id().as_u128() % u128::from(SUBJECTS) == subject.into());
        let id = match (kind, same) {
            (EventKind::Opened, _) | (_, None) => u128::try_from(generation).unwrap() + u128::from(subject),
            (_, Some(event)) => event.subject.id().as_u128(),
        };
        let mut event = event(subject, kind, self.now);
        if let Subject::Incident(incident) = &mut event.subject {
            incident.id = Uuid::from_u128(id);
        }
        self.events.push(event);
        self.expand();
    }

    /// As `usecase/fanout/expand.rs` does.
    fn expand(&mut self) {
        let seq = u64::try_from(self.events.len()).unwrap();
        let event = self.events.last().unwrap().clone();
        let subject = event.subject.id();
        let subscribers: Vec<Subscriber> = self.subscribers.values().cloned().collect();
        for (number, page) in subscribers.chunks(BATCH).enumerate() {
            let mut entries = Vec::new();
            for subscriber in page {
                let done = self
                    .disk
                    .values()
                    .map(|(_, batch)| batch)
                    .filter(|batch| batch.subject == subject && batch.seq < seq && !self.ledger.holds(batch.id()));
                let on_disk = done.filter_map(|batch| batch.find(subscriber.id)).map(standing_by).max();
                let standing =
                    self.ledger.standing(subject, seq, subscriber.id).max(on_disk.unwrap_or(Standing::Nothing));
                if let Some(share) = share(seq, &event, subscriber, standing, false) {
                    entries.push(Entry::new(subscriber.id, Language::Sv, 7, share == Share::IfTold));
                }
            }
            if !entries.is_empty() {
                let mut batch = Batch { seq, number: u32::try_from(number).unwrap(), subject, entries };
                self.ledger.supersede(&mut batch);
                self.ledger.take_up(Facts::of(&event), batch.clone(), 0);
                self.write();
                self.disk.insert(batch.id(), (1, batch.clone()));
                self.ledger.written(&[batch.id()]);
            }
        }
    }

    fn begin(&mut self, lease: Lease) {
        if !self.ledger.begin(&lease, self.now) {
            return;
        }
        if self.subscribers[&lease.subscriber].state == SubscriberState::Active {
            self.offered.push(lease);
        } else {
            self.ledger.settle(&lease, Outcome::Suppressed, self.now);
        }
    }

    fn end(&mut self, lease: &Lease, mood: Mood) {
        let key = (lease.subscriber, lease.batch.seq);
        if matches!(mood, Mood::Takes | Mood::TakesSilently) {
            *self.inbox.entry(key).or_default() += 1;
        }
        let outcome = match mood {
            Mood::Takes => Outcome::Accepted(None),
            Mood::TakesSilently | Mood::DropsSilently => {
                *self.doubts.entry(key).or_default() += 1;
                Outcome::InDoubt
            }
            Mood::Defers => Outcome::Deferred(None),
            Mood::IsDown => Outcome::NotTried,
            Mood::Rejects => {
                self.refused.insert(key);
                Outcome::Rejected(None)
            }
        };
        self.ledger.settle(lease, outcome, self.now);
    }

    fn write(&mut self) {
        let dirty = self.ledger.dirty();
        let ids: Vec<BatchId> = dirty.iter().map(|(_, batch)| batch.id()).collect();
        for (version, batch) in dirty {
            let on_disk = self.disk.insert(batch.id(), (version + 1, batch)).unwrap();
            assert_eq!(on_disk.0, version, "written over what was not seen");
        }
        self.ledger.written(&ids);
    }

    fn kill(&mut self) {
        self.leases.clear();
        // Of those that were being offered every other had been taken.
        for lease in std::mem::take(&mut self.offered).iter().step_by(2) {
            *self.inbox.entry((lease.subscriber, lease.batch.seq)).or_default() += 1;
        }
        self.ledger = Ledger::default();
        for (version, batch) in self.disk.values() {
            let leased = batch.entries.iter().filter(|entry| entry.state == State::Leased);
            for entry in leased {
                *self.doubts.entry((entry.subscriber, batch.seq)).or_default() += 1;
            }
            let event = &self.events[usize::try_from(batch.seq).unwrap() - 1];
            self.ledger.take_up(Facts::of(event), batch.clone(), *version);
        }
        self.ledger.recover();
    }

    /// A quiet night: the smarthost takes everything, until nothing is left.
    fn settle_down(&mut self) {
        for _ in 0..10_000 {
            self.act(Act::Lease);
            while !self.leases.is_empty() || !self.offered.is_empty() {
                self.act(Act::Begin(0));
                self.act(Act::End(0, Mood::Takes));
            }
            self.write();
            if self.ledger.unsent() == 0 {
                return;
            }
            self.act(Act::Wait(600));
        }
        panic!("it never comes to an end: {:?}", self.ledger);
    }

    fn check(&self) {
        let has = |subscriber: Uuid, seq: u64| self.inbox.get(&(subscriber, seq)).copied().unwrap_or_default();
        for (subscriber, record) in &self.subscribers {
            let mut subjects: BTreeMap<Uuid, Vec<(u64, EventKind)>> = BTreeMap::new();
            for (seq, event) in (1..).zip(&self.events) {
                subjects.entry(event.subject.id()).or_default().push((seq, event.kind));
                let doubts = self.doubts.get(&(*subscriber, seq)).copied().unwrap_or_default();
                let times = has(*subscriber, seq);
                assert!(times <= 1 + doubts, "{subscriber} has notice {seq} {times} times");
                assert!(times == 0 || record.confirmed_seq < seq, "{subscriber} was told of what was before it came");
            }
            for told in subjects.values() {
                let (last, kind) = *told.last().unwrap();
                let before = &told[..told.len() - 1];
                let knows = before.iter().any(|(seq, _)| has(*subscriber, *seq) > 0);
                let may_know = before.iter().any(|(seq, _)| self.doubts.contains_key(&(*subscriber, *seq)));
                let refused = self.refused.contains(&(*subscriber, last));
                let stays = record.state == SubscriberState::Active && !refused;
                if kind.is_closing() {
                    assert!(
                        !knows || !stays || has(*subscriber, last) > 0,
                        "{subscriber} is not told of the end, {last}"
                    );
                    assert!(
                        knows || may_know || has(*subscriber, last) == 0,
                        "{subscriber} is told the end of nothing"
                    );
                } else if stays && record.confirmed_seq < last {
                    assert!(has(*subscriber, last) > 0, "{subscriber} does not know the latest, {last}");
                }
            }
        }
    }
}

fn any_act() -> impl Strategy<Value = Act> {
    let mood = prop_oneof![
        4 => Just(Mood::Takes),
        1 => Just(Mood::TakesSilently),
        1 => Just(Mood::DropsSilently),
        1 => Just(Mood::Defers),
        2 => Just(Mood::IsDown),
        1 => Just(Mood::Rejects),
    ];
    prop_oneof![
        3 => (0..SUBJECTS, proptest::option::of(any::<bool>())).prop_map(|(subject, over)| Act::Tell { subject, over }),
        1 => Just(Act::Subscribe),
        1 => (0..8_usize).prop_map(Act::Leave),
        4 => Just(Act::Lease),
        6 => (0..8_usize).prop_map(Act::Begin),
        6 => (0..8_usize, mood).prop_map(|(place, mood)| Act::End(place, mood)),
        1 => Just(Act::Write),
        1 => (0..2_000_u16).prop_map(Act::Wait),
        1 => Just(Act::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whoever_was_told_it_broke_is_told_it_is_over_and_nobody_else_is(
        acts in proptest::collection::vec(any_act(), 0..60),
    ) {
        let mut model = Model::new();
        for act in acts {
            model.act(act);
        }
        model.settle_down();
        model.check();
    }
}

fn told(events: &[(u8, Option<bool>)]) -> Model {
    let mut model = Model::new();
    for (subject, over) in events {
        model.tell(*subject, *over);
    }
    model
}

fn states(model: &Model, seq: u64) -> BTreeSet<String> {
    let batches = model.disk.values().map(|(_, batch)| batch).filter(|batch| batch.seq == seq);
    batches.flat_map(|batch| &batch.entries).map(|entry| format!("{:?}", entry.state)).collect()
}

fn set(states: &[&str]) -> BTreeSet<String> {
    states.iter().map(|state| (*state).to_owned()).collect()
}

#[test]
fn after_an_outage_the_newest_is_sent_and_what_is_over_is_not_mentioned() {
    let mut model = told(&[(0, None), (0, None), (0, None), (1, None), (1, Some(true))]);
    model.settle_down();
    assert_eq!(states(&model, 1), set(&["Superseded"]));
    assert_eq!(states(&model, 2), set(&["Superseded"]));
    assert_eq!(states(&model, 3), set(&["Accepted"]));
    assert_eq!(states(&model, 4), set(&["Superseded"]));
    assert_eq!(states(&model, 5), set(&["Cancelled"]));
}

#[test]
fn an_end_waits_for_the_letter_under_way_and_goes_only_if_that_was_taken() {
    let mut model = told(&[(0, None)]);
    model.act(Act::Lease);
    for _ in 0..LIMITS.domain {
        model.act(Act::Begin(0));
    }
    model.tell(0, Some(true));
    for mood in [Mood::Takes, Mood::IsDown, Mood::Rejects] {
        model.act(Act::End(0, mood));
    }
    model.settle_down();
    assert_eq!(states(&model, 1), set(&["Accepted", "Rejected", "Superseded"]));
    let ends: Vec<_> = model.inbox.keys().filter(|(_, seq)| *seq == 2).collect();
    assert_eq!(ends.len(), 1);
}

#[test]
fn the_urgent_goes_before_the_rest_and_the_newest_before_the_older() {
    let mut model = told(&[(0, None), (1, None), (0, None)]);
    let mut order = Vec::new();
    while let Some(lease) = model.ledger.lease(model.now, LeaseLimits { all: 1, domain: 1 }).pop() {
        order.push(lease.batch.seq);
        model.ledger.settle(&lease, Outcome::Accepted(None), model.now);
    }
    order.dedup();
    assert_eq!(order, [2, 3]);
}

#[test]
fn one_domain_never_has_all_leases() {
    let mut model = told(&[(0, None)]);
    assert_eq!(model.ledger.lease(model.now, LeaseLimits { all: 5, domain: 2 }).len(), 2);
    assert_eq!(model.ledger.lease(model.now, LeaseLimits { all: 5, domain: 2 }).len(), 0);
}

#[test]
fn what_is_too_old_expires_and_is_not_sent() {
    let mut model = told(&[(0, None)]);
    model.now = Timestamp::MAX;
    assert!(model.ledger.lease(model.now, LIMITS).is_empty());
    model.write();
    assert_eq!(states(&model, 1), set(&["Expired"]));
    assert_eq!(model.ledger.unsent(), 0);
}
