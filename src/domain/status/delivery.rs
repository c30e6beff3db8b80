//! Who is owed a notice, and what has become of it: entries, kept in batches of many recipients. What entries of
//! several notices mean to each other is `ledger`'s; when and where mail is sent is not here.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use uuid::Uuid;

use super::event::EventKind;
use crate::domain::language::Language;

/// Recipients of one batch: written as one record, so that a hundred thousand are two hundred records.
pub const BATCH_RECIPIENTS_MAX: usize = 500;
/// Seconds between tries, to one's own smarthost and not the world; the last goes on until the notice is too old.
const STEPS_SECONDS: [u32; 8] = [15, 30, 60, 120, 300, 600, 900, 1_800];
/// Octets of an entry as it is kept.
const ENTRY_OCTETS: usize = 32;

/// A batch by its notice's number and its place within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId {
    pub seq: u64,
    /// From 0.
    pub number: u32,
}

/// Recipients of one notice, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Batch {
    pub seq: u64,
    pub number: u32,
    pub subject: Uuid,
    #[serde(serialize_with = "pack", deserialize_with = "unpack")]
    pub entries: Vec<Entry>,
}

/// One recipient of one notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub subscriber: Uuid,
    pub language: Language,
    /// Keyed hash of the recipient's mail domain, cut: who shares it shares a fate.
    pub domain: u32,
    pub state: State,
    /// Tries that the recipient's own server or the letter was to blame for.
    pub attempts: u8,
    /// Times that nobody knows whether the letter was taken.
    pub doubts: u8,
    /// Seconds since 1970.
    pub next_at: u32,
    /// The server's last word.
    pub code: Option<Code>,
    /// Of an ending: owed only if a letter about the beginning, under way now, is taken.
    pub if_told: bool,
    /// A newer notice on the same subject stands for it: not to be sent (again).
    pub outdated: bool,
}

/// What has become of an entry. All but the first three are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    Waiting,
    /// About to be sent, or being sent: after a crash nobody knows.
    Leased,
    /// The smarthost's policy stands in the way: tried seldom, looked at by people.
    Held,
    Accepted,
    Rejected,
    Bounced,
    Superseded,
    Expired,
    /// The recipient left, or its address is dead.
    Suppressed,
    /// About the end of what the recipient was never told of.
    Cancelled,
}

/// A server's reply: `550` and, of `5.1.1`, `1` and `1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    pub basic: u16,
    /// Subject and detail of the enhanced code; both 0 where there was none.
    pub enhanced: (u8, u8),
}

/// What came of offering an entry's letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Accepted(Option<Code>),
    /// Not now; the recipient's or the letter's fault.
    Deferred(Option<Code>),
    /// The smarthost's trouble or ours: costs the recipient nothing.
    NotTried,
    InDoubt,
    Rejected(Option<Code>),
    Held(Option<Code>),
    /// Not offered: the recipient is no longer one.
    Suppressed,
}

/// How many entries are in which state; `in_doubt` counts those that may have been taken and are tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    pub targeted: u64,
    pub waiting: u64,
    pub deferred: u64,
    pub in_doubt: u64,
    pub held: u64,
    pub accepted: u64,
    pub rejected: u64,
    pub bounced: u64,
    pub superseded: u64,
    pub expired: u64,
    pub suppressed: u64,
    pub cancelled: u64,
}

/// Who goes first; the smaller the sooner.
pub fn priority(kind: EventKind) -> u8 {
    match kind {
        EventKind::Opened | EventKind::Resolved | EventKind::Withdrawn => 0,
        EventKind::Started | EventKind::Overrun | EventKind::Completed | EventKind::Cancelled => 1,
        EventKind::Updated | EventKind::Corrected | EventKind::Rescheduled => 2,
        EventKind::Scheduled | EventKind::Reminder(_) => 3,
    }
}

impl BatchId {
    /// As a UUID, which timed keys end with.
    pub fn to_uuid(self) -> Uuid {
        Uuid::from_u64_pair(self.seq, u64::from(self.number))
    }

    /// Reads `to_uuid` back.
    pub fn from_uuid(id: Uuid) -> Option<BatchId> {
        let (seq, number) = id.as_u64_pair();
        Some(BatchId { seq, number: u32::try_from(number).ok()? })
    }
}

impl Batch {
    pub fn id(&self) -> BatchId {
        BatchId { seq: self.seq, number: self.number }
    }

    /// Whether anything is still to be done.
    pub fn is_open(&self) -> bool {
        self.entries.iter().any(|entry| entry.state.is_open())
    }

    pub fn find(&self, subscriber: Uuid) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&subscriber, |entry| entry.subscriber).ok()?;
        self.entries.get(at)
    }

    pub fn find_mut(&mut self, subscriber: Uuid) -> Option<&mut Entry> {
        let at = self.entries.binary_search_by_key(&subscriber, |entry| entry.subscriber).ok()?;
        self.entries.get_mut(at)
    }
}

impl State {
    /// Not final.
    pub fn is_open(self) -> bool {
        matches!(self, State::Waiting | State::Leased | State::Held)
    }

    const ALL: [State; 10] = [
        State::Waiting,
        State::Leased,
        State::Held,
        State::Accepted,
        State::Rejected,
        State::Bounced,
        State::Superseded,
        State::Expired,
        State::Suppressed,
        State::Cancelled,
    ];
}

impl Entry {
    pub fn new(subscriber: Uuid, language: Language, domain: u32, if_told: bool) -> Entry {
        Entry {
            subscriber,
            language,
            domain,
            state: State::Waiting,
            attempts: 0,
            doubts: 0,
            next_at: 0,
            code: None,
            if_told,
            outdated: false,
        }
    }

    /// Whether the recipient has the letter, or may have it.
    pub fn may_be_told(&self) -> bool {
        self.state == State::Accepted || (self.doubts > 0 && self.state != State::Bounced)
    }

    /// A try ended. What is outdated by then is not tried again.
    pub fn settle(&mut self, outcome: Outcome, now: Timestamp) {
        let now = seconds(now);
        self.state = State::Waiting;
        match outcome {
            Outcome::Accepted(code) => (self.state, self.code) = (State::Accepted, code),
            Outcome::Rejected(code) => (self.state, self.code) = (State::Rejected, code),
            Outcome::Suppressed => self.state = State::Suppressed,
            Outcome::NotTried => self.next_at = now,
            Outcome::Deferred(code) => {
                self.attempts = self.attempts.saturating_add(1);
                self.code = code;
                self.next_at = now.saturating_add(self.back_off(self.attempts));
            }
            Outcome::InDoubt => {
                self.doubts = self.doubts.saturating_add(1);
                self.next_at = now.saturating_add(self.back_off(self.doubts));
            }
            Outcome::Held(code) => {
                (self.state, self.code) = (State::Held, code);
                self.next_at = now.saturating_add(self.back_off(u8::MAX));
            }
        }
        if self.outdated && self.state.is_open() {
            self.state = State::Superseded;
        }
    }

    /// A crash came while it was leased: it may have been taken, and is tried again at once.
    pub fn recover(&mut self) {
        if self.state == State::Leased {
            self.doubts = self.doubts.saturating_add(1);
            self.state = if self.outdated { State::Superseded } else { State::Waiting };
        }
    }

    /// The step for the n-th failure and up to a tenth more, by the subscriber: who failed together spreads out.
    fn back_off(&self, tries: u8) -> u32 {
        let step = usize::from(tries.saturating_sub(1)).min(STEPS_SECONDS.len() - 1);
        let seconds = STEPS_SECONDS.get(step).copied().unwrap_or_default();
        seconds + u32::from(self.subscriber.as_bytes()[15]) * seconds / 2_560
    }

    fn pack(&self) -> [u8; ENTRY_OCTETS] {
        let mut out = [0; ENTRY_OCTETS];
        let flags =
            u8::from(self.language == Language::En) | u8::from(self.if_told) << 1 | u8::from(self.outdated) << 2;
        let code = self.code.map_or([0; 4], |code| {
            let [high, low] = code.basic.to_be_bytes();
            [high, low, code.enhanced.0, code.enhanced.1]
        });
        let state = State::ALL.iter().position(|state| *state == self.state).unwrap_or_default();
        out[..16].copy_from_slice(self.subscriber.as_bytes());
        out[16..20].copy_from_slice(&self.domain.to_be_bytes());
        out[20..24].copy_from_slice(&self.next_at.to_be_bytes());
        out[24..28].copy_from_slice(&code);
        out[28..].copy_from_slice(&[u8::try_from(state).unwrap_or_default(), flags, self.attempts, self.doubts]);
        out
    }

    fn unpack(bytes: &[u8; ENTRY_OCTETS]) -> Option<Entry> {
        let (subscriber, rest) = bytes.split_first_chunk::<16>()?;
        let (domain, rest) = rest.split_first_chunk::<4>()?;
        let (next_at, rest) = rest.split_first_chunk::<4>()?;
        let &[high, low, subject, detail, state, flags, attempts, doubts] = rest else { return None };
        let basic = u16::from_be_bytes([high, low]);
        Some(Entry {
            subscriber: Uuid::from_bytes(*subscriber),
            language: if flags & 1 == 0 { Language::Sv } else { Language::En },
            domain: u32::from_be_bytes(*domain),
            state: *State::ALL.get(usize::from(state))?,
            attempts,
            doubts,
            next_at: u32::from_be_bytes(*next_at),
            code: (basic > 0).then_some(Code { basic, enhanced: (subject, detail) }),
            if_told: flags & 2 != 0,
            outdated: flags & 4 != 0,
        })
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.enhanced {
            (0, 0) => write!(f, "{}", self.basic),
            (subject, detail) => write!(f, "{} {}.{subject}.{detail}", self.basic, self.basic / 100),
        }
    }
}

impl Tally {
    pub fn add(&mut self, entry: &Entry) {
        self.targeted += 1;
        let count = match entry.state {
            State::Waiting | State::Leased if entry.doubts > 0 => &mut self.in_doubt,
            State::Waiting | State::Leased if entry.attempts > 0 => &mut self.deferred,
            State::Waiting | State::Leased => &mut self.waiting,
            State::Held => &mut self.held,
            State::Accepted => &mut self.accepted,
            State::Rejected => &mut self.rejected,
            State::Bounced => &mut self.bounced,
            State::Superseded => &mut self.superseded,
            State::Expired => &mut self.expired,
            State::Suppressed => &mut self.suppressed,
            State::Cancelled => &mut self.cancelled,
        };
        *count += 1;
    }

    /// Entries that are not final.
    pub fn open(&self) -> u64 {
        self.waiting + self.deferred + self.in_doubt + self.held
    }
}

/// Whole seconds since 1970, as entries keep time.
pub fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX)
}

/// How long after a moment an entry's second has certainly come.
pub fn until(second: u32, now: Timestamp) -> SignedDuration {
    let at = Timestamp::from_second(i64::from(second)).unwrap_or(Timestamp::MAX);
    now.duration_until(at).max(SignedDuration::ZERO)
}

fn pack<S: Serializer>(entries: &[Entry], serializer: S) -> Result<S::Ok, S::Error> {
    let mut octets = Vec::with_capacity(entries.len() * ENTRY_OCTETS);
    entries.iter().for_each(|entry| octets.extend(entry.pack()));
    serializer.serialize_str(&STANDARD_NO_PAD.encode(octets))
}

fn unpack<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Entry>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let octets = STANDARD_NO_PAD.decode(text).map_err(|_| D::Error::custom("entries are base64"))?;
    let (whole, rest) = octets.as_chunks::<ENTRY_OCTETS>();
    if !rest.is_empty() || whole.len() > BATCH_RECIPIENTS_MAX {
        return Err(D::Error::custom("entries have one length, and no more fit a batch"));
    }
    whole.iter().map(|octets| Entry::unpack(octets).ok_or_else(|| D::Error::custom("no such state"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> Timestamp {
        "2026-11-22T08:00:00Z".parse().unwrap()
    }

    fn entry() -> Entry {
        Entry::new(Uuid::from_u128(0xff), Language::Sv, 7, false)
    }

    #[test]
    fn a_recipient_at_fault_is_tried_with_growing_pauses_up_to_half_an_hour() {
        let mut entry = entry();
        let mut last = 0;
        for _ in 0..20 {
            entry.settle(Outcome::Deferred(None), now());
            let pause = entry.next_at - seconds(now());
            assert!(pause >= last && pause <= 33 * 60, "{pause}");
            last = pause;
        }
        assert_eq!((entry.state, entry.attempts), (State::Waiting, 20));
    }

    #[test]
    fn the_smarthosts_trouble_costs_the_recipient_neither_attempts_nor_time() {
        let mut entry = entry();
        entry.settle(Outcome::NotTried, now());
        assert_eq!((entry.attempts, entry.doubts, entry.next_at), (0, 0, seconds(now())));
        assert!(!entry.may_be_told());
    }

    #[test]
    fn what_was_leased_at_a_crash_may_have_been_told_and_is_tried_again_unless_outdated() {
        let mut first = Entry { state: State::Leased, ..entry() };
        first.recover();
        assert_eq!((first.state, first.may_be_told()), (State::Waiting, true));
        let mut second = Entry { state: State::Leased, outdated: true, ..entry() };
        second.recover();
        assert_eq!((second.state, second.may_be_told()), (State::Superseded, true));
    }

    #[test]
    fn an_outdated_letter_under_way_is_not_tried_again_whatever_came_of_it() {
        for outcome in [Outcome::NotTried, Outcome::Deferred(None), Outcome::InDoubt, Outcome::Held(None)] {
            let mut entry = Entry { state: State::Leased, outdated: true, ..entry() };
            entry.settle(outcome, now());
            assert_eq!(entry.state, State::Superseded, "{outcome:?}");
        }
    }

    #[test]
    fn a_code_is_told_as_servers_write_it() {
        assert_eq!(Code { basic: 550, enhanced: (1, 1) }.to_string(), "550 5.1.1");
        assert_eq!(Code { basic: 421, enhanced: (0, 0) }.to_string(), "421");
    }

    #[test]
    fn a_torn_or_overfull_batch_is_refused() {
        let text =
            |entries: &str| format!(r#"{{"seq":1,"number":0,"subject":"{}","entries":"{entries}"}}"#, Uuid::nil());
        let many = STANDARD_NO_PAD.encode([0; ENTRY_OCTETS * (BATCH_RECIPIENTS_MAX + 1)]);
        for entries in ["AAAA", many.as_str(), "!"] {
            assert!(serde_json::from_str::<Batch>(&text(entries)).is_err());
        }
        let mut strange = [0; ENTRY_OCTETS];
        strange[28] = 10;
        assert!(serde_json::from_str::<Batch>(&text(&STANDARD_NO_PAD.encode(strange))).is_err());
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        let code = proptest::option::of((1_u16..600, any::<(u8, u8)>()));
        let numbers = (any::<u128>(), any::<u32>(), any::<u32>(), any::<u8>(), any::<u8>());
        (numbers, 0..State::ALL.len(), any::<[bool; 3]>(), code).prop_map(|(numbers, state, flags, code)| Entry {
            subscriber: Uuid::from_u128(numbers.0),
            language: if flags[0] { Language::En } else { Language::Sv },
            domain: numbers.1,
            state: State::ALL[state],
            attempts: numbers.3,
            doubts: numbers.4,
            next_at: numbers.2,
            code: code.map(|(basic, enhanced)| Code { basic, enhanced }),
            if_told: flags[1],
            outdated: flags[2],
        })
    }

    proptest! {
        #[test]
        fn a_batch_comes_back_as_it_was_kept(entries in proptest::collection::vec(any_entry(), 0..8)) {
            let batch = Batch { seq: 3, number: 1, subject: Uuid::from_u128(5), entries };
            let text = serde_json::to_string(&batch).unwrap();
            prop_assert_eq!(serde_json::from_str::<Batch>(&text).unwrap(), batch);
        }
    }
}
