//! One smarthost or two: which one takes the next letter, what is known of each. A connection is `pool`'s matter.
//!
//! The first whose breaker lets a letter through gets it; one that fails before it has taken the letter hands it to the
//! next. When none may be tried the answer comes at once and says how long to wait.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{
    Envelope,
    body::Body,
    breaker::Breaker,
    classify::{Cause, Class, Delivery, Phase, Trouble, failure},
    pool::{Held, Pool},
};

/// A smarthost with its connections and its record.
pub(super) struct Smarthost {
    pool: Arc<Pool>,
    breaker: Mutex<Breaker>,
    counters: Counters,
    last_trouble: Mutex<Option<Trouble>>,
}

#[derive(Default)]
struct Counters {
    accepted: AtomicU64,
    refused: AtomicU64,
    in_doubt: AtomicU64,
    session_faults: AtomicU64,
    rests: AtomicU64,
}

/// What an operator wants to know of a smarthost. Names no person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SmarthostReport {
    /// As `smtp.region.example:465`.
    pub smarthost: String,
    /// `closed`, `open` (left in peace), `half-open` (one letter is on trial).
    pub breaker: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_in_seconds: Option<u64>,
    pub accepted: u64,
    /// Letters that this smarthost did not want, now or ever; no fault of its own.
    pub refused: u64,
    pub in_doubt: u64,
    pub session_faults: u64,
    /// How often it was left in peace.
    pub rests: u64,
    pub connections_opened: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_trouble: Option<String>,
}

impl Smarthost {
    fn new(pool: Arc<Pool>) -> Smarthost {
        Smarthost {
            pool,
            breaker: Mutex::new(Breaker::new()),
            counters: Counters::default(),
            last_trouble: Mutex::default(),
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a delivery and lets the breaker know. Whether the next smarthost may have the letter.
    fn note(&self, delivery: &Delivery) -> bool {
        if let Some(trouble) = delivery.trouble() {
            // About the letter or about ourselves.
            if trouble.phase == Phase::Check || trouble.cause == Cause::Closing {
                return false;
            }
            *self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(*trouble);
        }
        let (counter, is_fault, goes_on) = match delivery {
            Delivery::Accepted { .. } => (&self.counters.accepted, false, false),
            Delivery::Deferred { class: Class::Session, .. } => (&self.counters.session_faults, true, true),
            Delivery::Deferred { .. } | Delivery::Rejected { .. } => (&self.counters.refused, false, false),
            Delivery::InDoubt { .. } => (&self.counters.in_doubt, true, false),
        };
        counter.fetch_add(1, Relaxed);
        // About one sender of ours: notices that may not be sent from their address must not stop other letters.
        if delivery.trouble().is_some_and(refuses_sender) {
            return true;
        }
        let smarthost = self.pool.name();
        if !is_fault {
            if self.breaker().succeeded() {
                tracing::info!(event = "mail.breaker", smarthost, state = "closed", "the smarthost works again");
            }
        } else if let Some(rest) = self.breaker().failed(Instant::now()) {
            self.counters.rests.fetch_add(1, Relaxed);
            let (rest_s, trouble) = (rest.as_secs(), delivery.trouble().map(ToString::to_string));
            tracing::warn!(
                event = "mail.breaker",
                smarthost,
                state = "open",
                rest_s,
                trouble,
                "the smarthost is left in peace"
            );
        }
        goes_on
    }

    fn report(&self) -> SmarthostReport {
        let (breaker, retry_in) = self.breaker().state(Instant::now());
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        SmarthostReport {
            smarthost: self.pool.name().to_owned(),
            breaker,
            retry_in_seconds: retry_in.map(|rest| rest.as_secs()),
            accepted: count(&self.counters.accepted),
            refused: count(&self.counters.refused),
            in_doubt: count(&self.counters.in_doubt),
            session_faults: count(&self.counters.session_faults),
            rests: count(&self.counters.rests),
            connections_opened: self.pool.opened(),
            last_trouble: self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner).map(|t| t.to_string()),
        }
    }
}

fn refuses_sender(trouble: &Trouble) -> bool {
    trouble.phase == Phase::MailFrom && matches!(trouble.cause, Cause::Reply(reply) if reply.class() == 5)
}

/// All smarthosts, the preferred one first.
pub struct Smarthosts {
    hosts: Vec<Smarthost>,
    /// How many may keep a connection: one fewer than there may be, so that a single letter never waits behind many.
    leases: Arc<Semaphore>,
}

/// A connection that is kept, and whose it is.
pub(super) struct Kept {
    host: usize,
    held: Held,
}

impl Smarthosts {
    pub(super) fn new(pools: Vec<Arc<Pool>>) -> Smarthosts {
        let connections_max = pools.iter().map(|pool| pool.connections_max()).min().unwrap_or(1);
        Smarthosts {
            hosts: pools.into_iter().map(Smarthost::new).collect(),
            leases: Arc::new(Semaphore::new(connections_max.saturating_sub(1).max(1))),
        }
    }

    pub(super) async fn deliver(&self, envelope: &Envelope, letter: &[u8]) -> Delivery {
        let mut kept = None;
        let delivery = self.deliver_on(&mut kept, envelope, letter, None).await;
        self.park(kept);
        delivery
    }

    /// Uses the connection that is kept, or one that is opened; leaves it in `kept` when it can take another letter.
    /// With `next` its transaction may begin behind this letter.
    pub(super) async fn deliver_on(
        &self,
        kept: &mut Option<Kept>,
        envelope: &Envelope,
        letter: &[u8],
        next: Option<&Envelope>,
    ) -> Delivery {
        let body = match Body::new(letter) {
            Ok(body) => body,
            Err(why) => return failure(Trouble { phase: Phase::Check, cause: Cause::Unfit(why) }),
        };
        let first = kept.as_ref().map(|kept| kept.host);
        let others = (0..self.hosts.len()).filter(|host| Some(*host) != first);
        let (mut soonest, mut last) = (Duration::MAX, None);
        for index in first.into_iter().chain(others) {
            let Some(host) = self.hosts.get(index) else { continue };
            let mut held = kept.take().map(|kept| kept.held);
            if held.is_none()
                && let Err(retry_in) = host.breaker().admit(Instant::now())
            {
                soonest = soonest.min(retry_in);
                continue;
            }
            // On the heap: a TLS connection and what it does is much for a caller's future to carry.
            let delivery = Box::pin(host.pool.deliver_on(&mut held, envelope, &body, next)).await;
            if !host.note(&delivery) {
                *kept = held.map(|held| Kept { host: index, held });
                return delivery;
            }
            host.pool.park(held);
            last = Some(delivery);
        }
        let trouble = Trouble { phase: Phase::Connect, cause: Cause::Resting(soonest) };
        last.unwrap_or_else(|| failure(trouble))
    }

    /// Gives a kept connection back, for whoever is next.
    pub(super) fn park(&self, kept: Option<Kept>) {
        if let Some(Kept { host, held }) = kept
            && let Some(host) = self.hosts.get(host)
        {
            host.pool.park(Some(held));
        }
    }

    /// A place among those who may keep a connection; waits for one.
    pub(super) async fn lease(&self) -> Result<OwnedSemaphorePermit, Trouble> {
        let closing = Trouble { phase: Phase::Connect, cause: Cause::Closing };
        self.leases.clone().acquire_owned().await.map_err(|_| closing)
    }

    /// Whether so few connections may be open that one must not be kept between two letters.
    pub(super) fn must_share(&self) -> bool {
        self.hosts.iter().any(|host| host.pool.connections_max() == 1)
    }

    pub(super) async fn close(&self) {
        self.leases.close();
        for host in &self.hosts {
            host.pool.close().await;
        }
    }

    pub(super) fn report(&self) -> Vec<SmarthostReport> {
        self.hosts.iter().map(Smarthost::report).collect()
    }
}
