//! A gateway for the stories' own tests: two fresh stores in a directory that goes away, and a clock that is held.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::Gateway;
use crate::admit::{Limits, LimitsSettings};
use crate::crypto::SecretBytes;
use crate::domain::time::Clock;
use crate::store::{MasterKey, Settings, Store};

/// A clock that stands still until it is moved.
pub struct HeldClock(Mutex<Timestamp>);

impl HeldClock {
    pub fn at(time: &str) -> Arc<HeldClock> {
        Arc::new(HeldClock(Mutex::new(time.parse().unwrap())))
    }

    pub fn advance(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for HeldClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Keep it as long as its gateway is used: the stores' files go with it.
pub struct TestGateway {
    pub gateway: Arc<Gateway>,
    pub clock: Arc<HeldClock>,
    _dir: TempDir,
}

impl TestGateway {
    pub async fn start() -> TestGateway {
        TestGateway::made(|gateway| gateway).await
    }

    /// As `start`, with what the daemon would set.
    pub async fn made(settle: impl FnOnce(Gateway) -> Gateway) -> TestGateway {
        let dir = tempfile::tempdir().unwrap();
        let clock = HeldClock::at("2026-11-23T08:00:00Z");
        let open = |name: &str| {
            let settings = Settings { dir: dir.path().join(name), cache_bytes: 8 << 20 };
            Store::open(&settings, &MasterKey::new(SecretBytes::from_slice(&[9; 32]).unwrap()), clock.clone()).unwrap()
        };
        let limits = Arc::new(Limits::new(LimitsSettings::default()));
        let gateway = Gateway::start(open("cases"), open("common"), clock.clone(), limits, false).await.unwrap();
        TestGateway { gateway: Arc::new(settle(gateway)), clock, _dir: dir }
    }
}
