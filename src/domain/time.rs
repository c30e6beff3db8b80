//! Where rules get the time from: whoever starts the gateway hands out one clock, tests hold it still.

use jiff::Timestamp;

/// The one source of time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}
