//! When a list is asked for, and when it is called late: rules without a clock.

use std::time::Duration;

use jiff::Timestamp;

use crate::identity::CrlStatus;

/// However short a list lives, its server is left in peace for so long.
const WAIT_SECONDS_MIN: Duration = Duration::from_secs(5);
/// Between tries that fail: the first, doubled each time until the last.
const RETRY_SECONDS_MIN: Duration = Duration::from_secs(10);
const RETRY_SECONDS_MAX: Duration = Duration::from_secs(600);

/// How long until a newer list is asked for: at the half of its life, from then on by twentieths of it, and always as
/// often as operators want.
pub fn until_next(held: &CrlStatus, now: Timestamp, every: Duration) -> Duration {
    let wait = if now < held.half_life {
        now.duration_until(held.half_life)
    } else {
        held.this_update.duration_until(held.next_update) / 20
    };
    Duration::try_from(wait).unwrap_or_default().min(every).max(WAIT_SECONDS_MIN)
}

/// How long until the next try after so many failures in a row.
pub fn until_retry(failures: u32, every: Duration) -> Duration {
    let doubled = RETRY_SECONDS_MIN.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(RETRY_SECONDS_MAX).min(every)
}

/// What operators are told of a list in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    Fresh,
    /// A newer one should be in hand.
    Overdue,
    /// Past its end, still within the grace.
    Ended,
    /// Past its grace: it lets nobody in.
    Stale,
}

impl Age {
    pub fn of(held: &CrlStatus, grace: Duration, now: Timestamp) -> Age {
        if now > held.next_update.checked_add(grace).unwrap_or(Timestamp::MAX) {
            Age::Stale
        } else if now > held.next_update {
            Age::Ended
        } else if now > held.overdue_from() {
            Age::Overdue
        } else {
            Age::Fresh
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Age::Fresh => "fresh",
            Age::Overdue => "overdue",
            Age::Ended => "ended",
            Age::Stale => "stale",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(text: &str) -> Timestamp {
        format!("2026-11-{text}:00Z").parse().unwrap()
    }

    /// Lives for two days.
    fn list() -> CrlStatus {
        CrlStatus {
            this_update: at("20T00:00"),
            next_update: at("22T00:00"),
            half_life: at("21T00:00"),
            entries: 0,
            source: "list.crl".into(),
        }
    }

    #[test]
    fn a_list_is_asked_for_at_the_half_of_its_life_and_then_by_twentieths() {
        let day = 24 * HOUR;
        assert_eq!(until_next(&list(), at("20T06:00"), day), 18 * HOUR);
        assert_eq!(until_next(&list(), at("20T06:00"), HOUR), HOUR);
        let twentieth = Duration::from_secs(48 * 3_600 / 20);
        for late in ["21T00:00", "21T23:00", "29T00:00"] {
            assert_eq!(until_next(&list(), at(late), day), twentieth, "{late}");
        }
        let moment = CrlStatus { next_update: at("20T00:00"), half_life: at("20T00:00"), ..list() };
        assert_eq!(until_next(&moment, at("20T00:00"), day), WAIT_SECONDS_MIN);
        let backwards = CrlStatus { next_update: at("19T00:00"), half_life: at("19T12:00"), ..list() };
        assert_eq!(until_next(&backwards, at("20T00:00"), day), WAIT_SECONDS_MIN);
    }

    #[test]
    fn failures_are_tried_again_ever_later_but_never_later_than_usual() {
        let tries: Vec<u64> = [1, 2, 3, 7, 8, 90].map(|failures| until_retry(failures, HOUR).as_secs()).into();
        assert_eq!(tries, [10, 20, 40, 600, 600, 600]);
        assert_eq!(until_retry(9, Duration::from_secs(60)), Duration::from_secs(60));
    }

    #[test]
    fn a_list_ages_in_four_steps() {
        let age = |now: &str| Age::of(&list(), 2 * HOUR, at(now));
        assert_eq!(age("21T00:01"), Age::Fresh);
        assert_eq!(age("21T02:24"), Age::Fresh);
        assert_eq!(age("21T02:25"), Age::Overdue);
        assert_eq!(age("22T00:00"), Age::Overdue);
        assert_eq!(age("22T02:00"), Age::Ended);
        assert_eq!(age("22T02:01"), Age::Stale);
    }
}
