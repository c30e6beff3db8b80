//! The certificates that were refused lately: for operators whom somebody rings, and so that the log tells of each once.
//! Issuers and serial numbers only, nobody's name and no address.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::crypto::hex;
use crate::http::request::Door;
use crate::identity::Rejection;

/// So many are kept; the oldest go.
const KEPT_MAX: usize = 50;
/// Who is refused again within this time is counted, not told anew.
const TOLD_AGAIN: SignedDuration = SignedDuration::from_mins(10);
/// Somebody who makes certificates up does not fill the log.
const TOLD_PER_MINUTE_MAX: u32 = 60;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

#[derive(Debug, Default)]
pub struct Refusals(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The latest last.
    refusals: VecDeque<Refusal>,
    minute: Option<Timestamp>,
    told: u32,
}

#[derive(Debug)]
struct Refusal {
    door: Door,
    rejection: Rejection,
    first: Timestamp,
    last: Timestamp,
    told: Timestamp,
    count: u64,
}

impl Refusals {
    /// Keeps it; whether the log is to tell of it.
    pub fn note(&self, door: Door, rejection: &Rejection, now: Timestamp) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.refusals.iter().position(|refusal| refusal.is(door, rejection));
        let mut refusal = known.and_then(|at| kept.refusals.remove(at)).unwrap_or_else(|| Refusal {
            door,
            rejection: rejection.clone(),
            first: now,
            last: now,
            told: Timestamp::MIN,
            count: 0,
        });
        refusal.last = now;
        refusal.count = refusal.count.saturating_add(1);
        let due = refusal.told == Timestamp::MIN || now.duration_since(refusal.told) >= TOLD_AGAIN;
        let tell = due && kept.may_tell(now);
        if tell {
            refusal.told = now;
        }
        kept.refusals.push_back(refusal);
        if kept.refusals.len() > KEPT_MAX {
            kept.refusals.pop_front();
        }
        tell
    }

    /// The latest first.
    pub fn report(&self) -> Value {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.refusals.iter().rev().map(Refusal::report).collect()
    }
}

impl Kept {
    fn may_tell(&mut self, now: Timestamp) -> bool {
        if self.minute.is_none_or(|begun| now.duration_since(begun).abs() >= MINUTE) {
            (self.minute, self.told) = (Some(now), 0);
        }
        self.told += 1;
        self.told <= TOLD_PER_MINUTE_MAX
    }
}

impl Refusal {
    fn is(&self, door: Door, rejection: &Rejection) -> bool {
        let of = |rejection: &Rejection| rejection.facts.as_ref().map(|facts| facts.fingerprint);
        self.door == door && self.rejection.code == rejection.code && of(&self.rejection) == of(rejection)
    }

    fn report(&self) -> Value {
        let facts = self.rejection.facts.as_deref();
        json!({
            "door": self.door.as_str(),
            "code": self.rejection.code,
            "issuer": self.rejection.issuer,
            "serial": facts.map(|facts| facts.serial.to_string()),
            "sha256": facts.map(|facts| hex(&facts.fingerprint)),
            "first": self.first,
            "last": self.last,
            "count": self.count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rejection::RejectionCode;
    use crate::identity::{Facts, Serial};

    fn rejection(code: RejectionCode, of: u8) -> Rejection {
        let now = Timestamp::UNIX_EPOCH;
        let facts =
            Facts { serial: Serial::from_raw(&[of]).unwrap(), fingerprint: [of; 32], not_before: now, not_after: now };
        Rejection { code, issuer: Some("CA".into()), facts: Some(Box::new(facts)), detail: None, organisation: None }
    }

    #[test]
    fn the_same_certificate_is_told_once_counted_always_and_told_again_later() {
        let refusals = Refusals::default();
        let (expired, now) = (rejection(RejectionCode::Expired, 1), Timestamp::UNIX_EPOCH);
        assert!(refusals.note(Door::Portal, &expired, now));
        assert!(!refusals.note(Door::Portal, &expired, now + MINUTE));
        assert!(refusals.note(Door::Staff, &expired, now + MINUTE), "another door is another story");
        assert!(refusals.note(Door::Portal, &expired, now + TOLD_AGAIN));
        let report = refusals.report();
        assert_eq!((&report[0]["door"], &report[0]["count"]), (&json!("portal"), &json!(3)));
        assert_eq!((&report[0]["serial"], &report[0]["code"]), (&json!("01"), &json!("expired")));
        assert_eq!(report.as_array().unwrap().len(), 2);
    }

    #[test]
    fn whoever_makes_certificates_up_fills_neither_the_list_nor_the_log() {
        let refusals = Refusals::default();
        let now = Timestamp::UNIX_EPOCH;
        let told = (0..=u8::MAX).filter(|of| refusals.note(Door::Staff, &rejection(RejectionCode::Revoked, *of), now));
        assert_eq!(told.count(), 60);
        assert_eq!(refusals.report().as_array().unwrap().len(), KEPT_MAX);
        assert_eq!(refusals.report()[0]["serial"], "ff", "the latest first");
        assert!(refusals.note(Door::Staff, &rejection(RejectionCode::Expired, 1), now + MINUTE));
    }
}
