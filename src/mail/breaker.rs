//! Whether a smarthost is to be left in peace: a pure state machine. What counts as its fault is `smarthost`'s matter.

use std::time::Duration;

use tokio::time::Instant;

/// Faults in a row, with no success between, after which a smarthost is left in peace.
pub(super) const FAULTS_TO_OPEN: u32 = 3;
/// The first rest; each trial that fails doubles it, up to the longest.
const REST_SECONDS_FIRST: Duration = Duration::from_secs(15);
const REST_SECONDS_LONGEST: Duration = Duration::from_secs(300);

/// Closed lets everything through; open nothing, but for one trial at the end of each rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaker {
    Closed {
        faults: u32,
    },
    Open {
        rest: Duration,
        /// The next trial; a trial that nobody reports back from is followed by another after one more rest.
        until: Instant,
        on_trial: bool,
    },
}

impl Breaker {
    pub(super) fn new() -> Breaker {
        Breaker::Closed { faults: 0 }
    }

    /// Whether a letter may be tried now, or how long to wait. A yes of an open breaker is the one trial.
    pub(super) fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        match self {
            Breaker::Closed { .. } => Ok(()),
            Breaker::Open { until, .. } if now < *until => Err(*until - now),
            Breaker::Open { rest, until, on_trial } => {
                *until = now + *rest;
                *on_trial = true;
                Ok(())
            }
        }
    }

    /// The smarthost did its work. Whether that closed the breaker.
    pub(super) fn succeeded(&mut self) -> bool {
        let was_open = matches!(self, Breaker::Open { .. });
        *self = Breaker::new();
        was_open
    }

    /// The smarthost or the way there failed. Whether that began a rest, and how long it is.
    pub(super) fn failed(&mut self, now: Instant) -> Option<Duration> {
        let rest = match *self {
            Breaker::Closed { faults } if faults + 1 < FAULTS_TO_OPEN => {
                *self = Breaker::Closed { faults: faults + 1 };
                return None;
            }
            Breaker::Closed { .. } => REST_SECONDS_FIRST,
            // Begun before the breaker opened: says nothing new.
            Breaker::Open { on_trial: false, .. } => return None,
            Breaker::Open { rest, .. } => (rest * 2).min(REST_SECONDS_LONGEST),
        };
        *self = Breaker::Open { rest, until: now + rest, on_trial: false };
        Some(rest)
    }

    /// For operators: the state's name, and the time until the next trial.
    pub(super) fn state(&self, now: Instant) -> (&'static str, Option<Duration>) {
        match self {
            Breaker::Closed { .. } => ("closed", None),
            Breaker::Open { until, on_trial: false, .. } => ("open", Some(until.saturating_duration_since(now))),
            Breaker::Open { until, on_trial: true, .. } => ("half-open", Some(until.saturating_duration_since(now))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new();
        assert_eq!((breaker.failed(now), breaker.failed(now)), (None, None));
        assert_eq!(breaker.failed(now), Some(seconds(15)));
        breaker
    }

    #[test]
    fn three_faults_in_a_row_open_it_and_a_success_between_them_does_not() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        for _ in 0..5 {
            assert_eq!((breaker.failed(now), breaker.failed(now)), (None, None));
            assert!(!breaker.succeeded());
        }
        assert_eq!(breaker.admit(now), Ok(()));
        assert_eq!(opened(now).admit(now + seconds(5)), Err(seconds(10)));
    }

    #[test]
    fn at_the_end_of_a_rest_one_letter_is_tried_and_its_success_closes_it() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + seconds(15);
        assert_eq!((breaker.admit(later), breaker.admit(later)), (Ok(()), Err(seconds(15))));
        assert_eq!(breaker.state(later).0, "half-open");
        assert!(breaker.succeeded());
        assert_eq!((breaker.admit(later), breaker.state(later)), (Ok(()), ("closed", None)));
    }

    #[test]
    fn each_failed_trial_doubles_the_rest_up_to_five_minutes() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        let mut rest = seconds(15);
        for expected in [30, 60, 120, 240, 300, 300] {
            now += rest;
            assert_eq!(breaker.admit(now), Ok(()));
            rest = breaker.failed(now).unwrap();
            assert_eq!(rest, seconds(expected));
        }
    }

    #[test]
    fn letters_that_were_under_way_when_it_opened_change_nothing() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let before = breaker;
        assert_eq!((breaker.failed(now + seconds(1)), breaker), (None, before));
        assert!(breaker.succeeded(), "a letter that went through shows that the smarthost works");
    }

    #[test]
    fn a_trial_that_nobody_reports_back_from_is_followed_by_another() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.admit(now + seconds(15)), Ok(()));
        assert_eq!(breaker.admit(now + seconds(30)), Ok(()));
    }

    proptest! {
        #[test]
        fn whatever_happens_a_letter_waits_five_minutes_at_most(acts in prop::collection::vec((0_u8..3, 0_u64..400), 0..60)) {
            let mut now = Instant::now();
            let mut breaker = Breaker::new();
            for (act, passed) in acts {
                now += seconds(passed);
                match act {
                    0 => drop(breaker.failed(now)),
                    1 => drop(breaker.succeeded()),
                    _ => prop_assert!(breaker.admit(now).err().is_none_or(|wait| wait <= REST_SECONDS_LONGEST)),
                }
            }
        }
    }
}
