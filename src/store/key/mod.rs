//! The layout of keys: what can be looked up and listed. No key holds personal data; a citizen stands as keyed hash.
//!
//! Parts are separated by a zero byte, which no HSA-id, case type or UUID text holds; times and numbers are
//! big-endian, so that key order is time order.
//!
//! | store | key | holds |
//! |---|---|---|
//! | cases | `case` id | the case: state, who, when; not what was written |
//! | cases | `document` case, number | what was written: question, message, answer |
//! | cases | `form` digest | a form as it was when a case used it |
//! | cases | `idempotency` hash | the stored answer |
//! | cases | `sender-reference` hash | which case has it |
//! | cases | `receipt` case, document | the number of its receipt |
//! | both | `letter` id | an owed letter: about a case in `cases`, any other in `common` |
//! | cases | `i-…` | index keys: see the functions |
//! | common | `portal` `clinic` `case-type` `form` `role` `post` `directory` `notification` | the region: `region` |
//! | common | `system-certificate` `expiry-letter` | what ends soon, and who was told: `region` |
//! | common | `component` `group` `incident` `maintenance` `pending` `series` | what is told of services: `status` |
//! | common | `notice` `batch` `fanout-cursor` `news` `bounce-score` | who is owed which notice: `fanout` |
//! | common | `probe` `probe-state` | what looks at services by itself: `probes` |
//! | common | `subscriber` `subscriber-address` `subscriber-list` `suppression` | who is told: `subscribers` |
//! | common | `support-desk` `support-service` `faq` `ticket-…` | support; its tickets are `case`s and `document`s here: `support` |

mod cases;
mod fanout;
mod probes;
mod region;
mod status;
mod subscribers;
mod support;

use jiff::Timestamp;
use uuid::Uuid;

use super::change::Key;

pub use self::cases::*;
pub use self::fanout::*;
pub use self::probes::*;
pub use self::region::*;
pub use self::status::*;
pub use self::subscribers::*;
pub use self::support::*;

/// Bytes with which a timed index key ends: milliseconds and a UUID.
const TIMED_TAIL_BYTES: usize = 24;

/// Half-open range of keys.
#[derive(Debug, Clone)]
pub struct Range {
    pub(super) from: Vec<u8>,
    pub(super) to: Vec<u8>,
}

impl Range {
    /// All keys that begin with the prefix.
    pub fn prefix(prefix: &Key) -> Range {
        let mut to = prefix.0.clone();
        // No part of a key holds 0xff where a prefix ends: prefixes end with the separator.
        to.push(0xff);
        Range { from: prefix.0.clone(), to: successor(&prefix.0).unwrap_or(to) }
    }

    /// The rest of the range after a key.
    pub fn after(mut self, key: &Key) -> Range {
        let next = [key.as_bytes(), &[0]].concat();
        self.from = self.from.max(next);
        self
    }

    /// The part of the range before a key.
    pub fn until(mut self, key: &Key) -> Range {
        self.to = self.to.min(key.0.clone());
        self
    }
}

/// The smallest key greater than all that begin with `prefix`.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut out = prefix.get(..=last)?.to_vec();
    if let Some(byte) = out.last_mut() {
        *byte += 1;
    }
    Some(out)
}

fn key(parts: &[&[u8]]) -> Key {
    Key(parts.join(&0))
}

/// A prefix: the parts and a separator, so that `A1` does not also match `A10`.
fn prefix(parts: &[&[u8]]) -> Key {
    let mut bytes = parts.join(&0);
    bytes.push(0);
    Key(bytes)
}

fn time(at: Timestamp) -> [u8; 8] {
    // Negative times sort before positive ones.
    (at.as_millisecond().cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

fn timed(parts: &[&[u8]], at: Timestamp, id: Uuid) -> Key {
    timed_key(&prefix(parts), at, id)
}

/// A key of a timed index.
pub fn timed_key(prefix: &Key, at: Timestamp, id: Uuid) -> Key {
    Key([prefix.as_bytes(), &timed_tail(at, id)].concat())
}

/// What a timed index key ends with: when, and which record.
pub fn timed_tail(at: Timestamp, id: Uuid) -> [u8; TIMED_TAIL_BYTES] {
    let mut tail = [0; TIMED_TAIL_BYTES];
    tail[..8].copy_from_slice(&time(at));
    tail[8..].copy_from_slice(id.as_bytes());
    tail
}

/// Reads a tail back; None where it is none.
pub fn read_timed_tail(tail: &[u8]) -> Option<(Timestamp, Uuid)> {
    let (at, id) = tail.split_at_checked(8)?;
    let at = u64::from_be_bytes(at.try_into().ok()?) ^ (1 << 63);
    Some((Timestamp::from_millisecond(at.cast_signed()).ok()?, Uuid::from_slice(id).ok()?))
}

/// Everything in a timed index up to and without a time.
pub fn timed_bound(prefix: &Key, at: Timestamp) -> Key {
    Key([prefix.as_bytes(), &time(at)].concat())
}

/// The record that a timed index key points at, and its time.
pub fn timed_target(key: &Key) -> Option<(Timestamp, Uuid)> {
    let bytes = key.as_bytes();
    read_timed_tail(bytes.get(bytes.len().checked_sub(TIMED_TAIL_BYTES)?..)?)
}

/// The last part of a key as text.
pub fn last_part(key: &Key) -> Option<&str> {
    std::str::from_utf8(key.as_bytes().rsplit(|b| *b == 0).next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::HsaId;

    #[test]
    fn timed_keys_sort_by_time_and_point_at_their_record() {
        let clinic = HsaId::parse("TSTNMT2321000156-A001").unwrap();
        let id = Uuid::from_u128(9);
        let early = undistributed(&clinic, "1969-01-01T00:00:00Z".parse().unwrap(), id);
        let late = undistributed(&clinic, "2026-11-22T08:00:00Z".parse().unwrap(), id);
        assert!(early < late);
        assert_eq!(timed_target(&late), Some(("2026-11-22T08:00:00Z".parse().unwrap(), id)));
    }

    #[test]
    fn a_prefix_holds_its_keys_and_no_neighbours() {
        let a1 = HsaId::parse("TSTNMT2321000156-A1").unwrap();
        let a10 = HsaId::parse("TSTNMT2321000156-A10").unwrap();
        let range = Range::prefix(&all_mine(&a1));
        let at = Timestamp::UNIX_EPOCH;
        let holds = |k: &Key| range.from.as_slice() <= k.as_bytes() && k.as_bytes() < range.to.as_slice();
        assert!(holds(&mine(&a1, at, Uuid::max())));
        assert!(holds(&mine(&a1, at, Uuid::nil())));
        assert!(!holds(&mine(&a10, at, Uuid::nil())));
    }
}
