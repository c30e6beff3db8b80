//! One limit: a bucket for each key, a bound on the keys, one shared bucket beyond it.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::{HashMapStateStore, ShrinkableKeyedStateStore};
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

/// How much, how often, for how many. A bucket holds `burst`, and an empty one is full again after a `period`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Requests that an idle key may make at once.
    pub burst: NonZeroU32,
    /// The time in which an empty bucket fills.
    pub period: Period,
    /// Keys held at a time, some 50 bytes each.
    pub keys_max: usize,
}

/// The periods that limits are spoken of in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Minute,
    Hour,
    Day,
}

impl Period {
    /// Its length, the `w` of `RateLimit-Policy`.
    pub const fn length(self) -> Duration {
        match self {
            Period::Minute => Duration::from_secs(60),
            Period::Hour => Duration::from_secs(60 * 60),
            Period::Day => Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Settings {
    /// `burst` requests a `period` for each of `keys_max` keys.
    pub const fn new(burst: NonZeroU32, period: Period, keys_max: usize) -> Settings {
        Settings { burst, period, keys_max }
    }

    fn quota(self) -> Quota {
        match self.period {
            Period::Minute => Quota::per_minute(self.burst),
            Period::Hour => Quota::per_hour(self.burst),
            // governor has no word for a day; none of these periods is zero.
            Period::Day => Quota::with_period(self.period.length() / self.burst.get())
                .unwrap_or_else(|| Quota::per_hour(self.burst))
                .allow_burst(self.burst),
        }
    }
}

/// How a caller stands after a request that was let through: the numbers of the `RateLimit` header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What the bucket holds when full.
    pub limit: u32,
    /// What is left in it.
    pub remaining: u32,
    /// Until it is full again, in whole seconds, rounded up.
    pub reset: Duration,
}

/// The bucket is empty: refuse, and say when one request more will be let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// What the bucket holds when full.
    pub limit: u32,
    /// In which an empty bucket fills.
    pub window: Duration,
    /// In whole seconds, rounded up, at least one: the value of `Retry-After`.
    pub retry_after: Duration,
}

/// A bucket for each key. Keys are held as keyed hashes, so memory holds no caller's name and nobody can choose keys
/// that meet in one bucket.
pub struct Limiter<C: Clock = DefaultClock> {
    settings: Settings,
    hasher: RandomState,
    buckets: RateLimiter<Key, Buckets, C, StateInformationMiddleware>,
}

#[cfg(test)]
impl Limiter {
    /// All buckets full.
    pub fn new(settings: Settings) -> Limiter {
        Limiter::with_clock(settings, DefaultClock::default())
    }
}

impl<C: Clock> Limiter<C> {
    /// As `new`, on a clock that a test can hold.
    pub fn with_clock(settings: Settings, clock: C) -> Limiter<C> {
        let buckets = Buckets { keys_max: settings.keys_max, ..Buckets::default() };
        let buckets = RateLimiter::new(settings.quota(), buckets, clock);
        Limiter { settings, hasher: RandomState::new(), buckets }
    }

    /// Takes one request from the key's bucket, or from the shared one if the key is new and `keys_max` are live.
    pub fn check(&self, key: &[u8]) -> Result<Standing, Wait> {
        let limit = self.settings.burst.get();
        match self.buckets.check_key(&self.hashed(key)) {
            Ok(bucket) => {
                let remaining = bucket.remaining_burst_capacity();
                let reset = bucket.quota().replenish_interval().saturating_mul(limit.saturating_sub(remaining));
                Ok(Standing { limit, remaining, reset: whole_seconds(reset) })
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(self.buckets.clock().now());
                let retry_after = whole_seconds(wait).max(Duration::from_secs(1));
                Err(Wait { limit, window: self.settings.period.length(), retry_after })
            }
        }
    }

    /// Forgets the keys whose buckets are full again and gives their memory back.
    pub fn sweep(&self) {
        self.buckets.retain_recent();
        self.buckets.shrink_to_fit();
    }

    #[cfg(test)]
    /// Keys held now; a metric, and at `keys_max` a warning that strangers share a bucket.
    pub fn keys(&self) -> usize {
        self.buckets.len()
    }

    /// Two halves of the standard library's keyed hash, told apart by their first byte, under a key drawn at the start.
    fn hashed(&self, key: &[u8]) -> Key {
        [self.hasher.hash_one((0_u8, key)), self.hasher.hash_one((1_u8, key))]
    }
}

fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)))
}

/// 16 bytes of hash.
type Key = [u64; 2];

/// What governor's own stores lack: a bound. The lock is held for one look at one bucket, so the bound is exact.
#[derive(Default)]
struct Buckets {
    known: HashMapStateStore<Key>,
    strangers: InMemoryState,
    keys_max: usize,
}

impl StateStore for Buckets {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut known = self.known.lock();
        let bucket: &InMemoryState = if known.len() < self.keys_max || known.contains_key(key) {
            known.entry(*key).or_default()
        } else {
            &self.strangers
        };
        bucket.measure_and_replace(&NotKeyed::NonKey, f)
    }
}

impl ShrinkableKeyedStateStore<Key> for Buckets {
    fn retain_recent(&self, drop_below: Nanos) {
        self.known.retain_recent(drop_below);
    }

    fn shrink_to_fit(&self) {
        ShrinkableKeyedStateStore::shrink_to_fit(&self.known);
    }

    fn len(&self) -> usize {
        ShrinkableKeyedStateStore::len(&self.known)
    }

    fn is_empty(&self) -> bool {
        ShrinkableKeyedStateStore::is_empty(&self.known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    fn limiter(burst: u32, keys_max: usize) -> (Limiter<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let settings = Settings::new(NonZeroU32::new(burst).unwrap(), Period::Minute, keys_max);
        (Limiter::with_clock(settings, clock.clone()), clock)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_caller_sees_what_is_left_and_an_empty_bucket_says_when_to_come_back() {
        let (limiter, clock) = limiter(3, 10);
        for (remaining, reset_s) in [(2, 20), (1, 40), (0, 60)] {
            let reset = SECOND * reset_s;
            assert_eq!(limiter.check(b"portal"), Ok(Standing { limit: 3, remaining, reset }));
        }
        let wait = |retry_after| Err(Wait { limit: 3, window: SECOND * 60, retry_after });
        assert_eq!(limiter.check(b"portal"), wait(SECOND * 20));
        clock.advance(Duration::from_millis(19_001));
        assert_eq!(limiter.check(b"portal"), wait(SECOND));
        clock.advance(SECOND);
        assert_eq!(limiter.check(b"portal").map(|standing| standing.remaining), Ok(0));
    }

    #[test]
    fn one_callers_greed_costs_another_nothing() {
        let (limiter, _clock) = limiter(1, 10);
        limiter.check(b"greedy").unwrap();
        limiter.check(b"greedy").unwrap_err();
        limiter.check(b"modest").unwrap();
    }

    #[test]
    fn strangers_beyond_the_bound_share_one_bucket_and_the_known_keep_their_own() {
        let (limiter, clock) = limiter(2, 3);
        for known in 0..3_u8 {
            limiter.check(&[known]).unwrap();
        }
        let let_in = (3..=u8::MAX).filter(|stranger| limiter.check(&[*stranger]).is_ok()).count();
        assert_eq!((let_in, limiter.keys()), (2, 3), "one bucket's worth for all, and nothing kept about them");
        limiter.check(&[0]).unwrap();
        clock.advance(SECOND * 30);
        limiter.check(b"yet another").unwrap();
        limiter.check(b"and another").unwrap_err();
    }

    #[test]
    fn a_sweep_forgets_the_idle_keeps_the_busy_and_makes_room() {
        let (limiter, clock) = limiter(2, 2);
        limiter.check(b"idle").unwrap();
        clock.advance(SECOND * 59);
        limiter.check(b"busy").unwrap();
        limiter.check(b"busy").unwrap();
        clock.advance(SECOND * 2);
        limiter.sweep();
        assert_eq!(limiter.keys(), 1);
        limiter.check(b"busy").unwrap_err();
        assert_eq!(limiter.check(b"newcomer").unwrap().remaining, 1);
        assert_eq!(limiter.keys(), 2);
    }

    #[test]
    fn a_limit_that_may_hold_no_keys_is_one_bucket_for_all() {
        let (limiter, _clock) = limiter(1, 0);
        limiter.check(b"first").unwrap();
        limiter.check(b"second").unwrap_err();
    }

    #[test]
    fn two_limits_hash_the_same_key_apart() {
        let ((one, _), (other, _)) = (limiter(1, 1), limiter(1, 1));
        assert_ne!(one.hashed(b"191212121212"), other.hashed(b"191212121212"));
        let [left, right] = one.hashed(b"191212121212");
        assert_ne!(left, right);
    }

    #[test]
    fn the_real_clock_serves() {
        let settings = Settings::new(NonZeroU32::MIN, Period::Hour, 1);
        let limiter = Limiter::new(settings);
        limiter.check(b"once").unwrap();
        let wait = limiter.check(b"once").unwrap_err();
        assert!(wait.retry_after > SECOND && wait.retry_after <= Period::Hour.length());
    }

    proptest! {
        #[test]
        fn whatever_comes_keys_stay_within_the_bound_and_no_key_gets_more_than_its_rate(
            burst in 1_u32..20, keys_max in 0_usize..5, calls in proptest::collection::vec((0_u8..8, 0_u64..10_000), 1..200),
        ) {
            let (limiter, clock) = limiter(burst, keys_max);
            let (mut now_ms, mut let_in) = (0, [0_u64; 8]);
            for (key, pause_ms) in calls {
                clock.advance(Duration::from_millis(pause_ms));
                now_ms += pause_ms;
                let_in[usize::from(key)] += u64::from(limiter.check(&[key]).is_ok());
                prop_assert!(limiter.keys() <= keys_max);
                let fair = u64::from(burst) + now_ms * u64::from(burst) / 60_000;
                prop_assert!(let_in[usize::from(key)] <= fair + 1);
            }
        }
    }
}
