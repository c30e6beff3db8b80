//! The clock on the wall: the one place that reads it.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

use crate::domain::time::Clock;

pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is given")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The wall's clock and an offset that operators move, so that whole windows pass in a moment. Test mode only.
#[derive(Default)]
pub struct SteeredClock {
    ahead_ms: AtomicI64,
}

impl SteeredClock {
    pub fn set(&self, to: Timestamp) {
        let ahead = to.as_millisecond().saturating_sub(SystemClock.now().as_millisecond());
        self.ahead_ms.store(ahead, Ordering::Release);
    }
}

impl Clock for SteeredClock {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.ahead_ms.load(Ordering::Acquire));
        SystemClock.now().saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }
}
