//! Notices leave here: events are frozen and made into batches, leased entries are offered over a few connections, what
//! came of them is settled. The rules are `domain/status/ledger.rs`'s, the records `usecase/fanout`'s.
//!
//! What a crash can double: without `strict`, what was accepted since the last write, at most a tenth of a second of
//! sending and never more than `LEASED_MAX` letters; with it, one letter a connection, since a connection offers
//! nothing before the last letter's settlement is on disk.

mod letter;
mod news;
mod pool;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use self::letter::LetterSettings;

use self::letter::Letters;
use self::pool::Pool;
use crate::domain::status::delivery::{Code, Outcome};
use crate::domain::status::ledger::{Lease, LeaseLimits};
use crate::mail::{self, Class, Delivery, Mailer};
use crate::render::Renderer;
use crate::usecase::Gateway;
use crate::usecase::fanout::Step;

/// Entries leased at once: all that a crash can leave in doubt.
const LEASED_MAX: usize = 1_000;
/// For each connection in strict mode.
const LEASED_STRICT: usize = 8;
/// Settlements are on disk after so long at the latest, with the disk's own time for a sync.
const WRITE: Duration = Duration::from_millis(100);
/// How often one looks although nobody rang.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// A connection with nothing to send is given back after so long.
const IDLE: Duration = Duration::from_secs(2);
/// After trouble of the smarthost that does not say how long it lasts, or of the store.
const PAUSE: Duration = Duration::from_secs(5);
/// Between two steps of the expansion when memory is full.
const FULL_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub struct Settings {
    pub letters: LetterSettings,
    /// Connections for notices; single letters have one more.
    pub connections_max: usize,
    /// Slower, and hardly a duplicate after a crash.
    pub strict: bool,
}

/// What an operator wants to know.
#[derive(Debug, Default)]
pub struct Counters {
    pub accepted: AtomicU64,
    pub deferred: AtomicU64,
    pub rejected: AtomicU64,
    pub in_doubt: AtomicU64,
    pub session_faults: AtomicU64,
}

pub struct Fanout {
    gateway: Arc<Gateway>,
    mailer: Arc<Mailer>,
    letters: Letters,
    settings: Settings,
    limits: LeaseLimits,
    pool: Pool,
    /// The notice that was last told of as held.
    held: AtomicU64,
    pub counters: Arc<Counters>,
}

impl Fanout {
    pub fn new(gateway: Arc<Gateway>, mailer: Arc<Mailer>, renderer: Arc<Renderer>, settings: Settings) -> Fanout {
        let letters = Letters::new(gateway.clone(), renderer, settings.letters.clone());
        let pool = Pool::new(settings.connections_max);
        // Where each connection waits for the disk anyway, no more is leased than keeps them at work.
        let all = if settings.strict { settings.connections_max * LEASED_STRICT } else { LEASED_MAX };
        // The rest is for the others when one mail domain is slow.
        let limits = LeaseLimits { all, domain: (all / 2).max(1) };
        Fanout { gateway, mailer, letters, settings, limits, pool, held: AtomicU64::new(0), counters: Arc::default() }
    }

    /// Works until told to stop; then finishes the letters under way, begins nothing more, writes what came of them.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut workers = JoinSet::new();
        for _ in 0..self.settings.connections_max {
            workers.spawn(self.clone().work());
        }
        let mut others = JoinSet::new();
        others.spawn(self.clone().expand(stop.clone()));
        others.spawn(self.clone().tell_news(stop.clone()));
        while !*stop.borrow() {
            self.pump().await;
            tokio::select! {
                () = self.rest() => {}
                _ = stop.changed() => {}
            }
        }
        self.release(self.pool.close());
        while others.join_next().await.is_some() || self.ends(&mut workers).await {}
        self.write().await;
    }

    /// Whether a worker is still at its last letter. Without a write now and then, one in strict mode would not end.
    async fn ends(&self, workers: &mut JoinSet<()>) -> bool {
        self.write().await;
        match tokio::time::timeout(WRITE, workers.join_next()).await {
            Ok(ended) => ended.is_some(),
            Err(_) => true,
        }
    }

    /// Freezes events and writes their batches.
    async fn expand(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let wait = match self.gateway.expand().await {
                Ok(Step::Went) => continue,
                Ok(Step::Freeze(seq, event)) => {
                    let frozen = self.letters.freeze(seq, &event);
                    match self.gateway.begin_notice(seq, &event, frozen).await {
                        Ok(()) => continue,
                        Err(error) => {
                            tracing::error!(event = "fanout.begin", notice = seq, %error, "a notice cannot be begun");
                            PAUSE
                        }
                    }
                }
                Ok(Step::Full) => FULL_PAUSE,
                Ok(Step::Idle) => LOOK_AGAIN,
                Err(error) => {
                    tracing::error!(event = "fanout.expand", %error, "recipients of a notice cannot be found");
                    PAUSE
                }
            };
            tokio::select! {
                () = self.gateway.desk.notices_owed.notified(), if wait == LOOK_AGAIN => {}
                () = tokio::time::sleep(wait) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Writes what was settled and leases more, unless the smarthost rests.
    async fn pump(&self) {
        if self.pool.pause().is_some() {
            // Leased again when it can be sent: by then a newer notice may stand for it.
            self.release(self.pool.drain());
            return self.write().await;
        }
        match self.gateway.lease_deliveries(self.limits).await {
            Ok(leases) => self.pool.fill(leases),
            Err(error) => {
                tracing::error!(event = "fanout.lease", %error, "recipients cannot be marked as being mailed");
                self.pool.pause_for(PAUSE);
            }
        }
    }

    /// Waits until there is something to write or to lease.
    async fn rest(&self) {
        let (due, unwritten) = self.gateway.next_delivery();
        let busy = unwritten || !self.pool.is_idle();
        let until_due = due.map(|second| {
            let left = crate::domain::status::delivery::until(second, self.gateway.now());
            Duration::try_from(left).unwrap_or_default().max(WRITE)
        });
        let wait = match self.pool.pause() {
            Some(pause) if !unwritten => pause.min(LOOK_AGAIN),
            _ if busy => WRITE,
            _ => until_due.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN),
        };
        let low = async {
            loop {
                tokio::select! {
                    () = self.pool.wants.notified() => {}
                    () = self.gateway.fanout.owed.notified() => {}
                }
                if (self.settings.strict || self.pool.is_low(self.limits.domain / 2)) && self.pool.pause().is_none() {
                    return;
                }
            }
        };
        tokio::select! {
            () = low => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    async fn write(&self) {
        if let Err(error) = self.gateway.write_deliveries().await {
            tracing::error!(event = "fanout.write", %error, "what became of notices cannot be written; it is tried again");
        }
    }

    fn release(&self, leases: Vec<Lease>) {
        for lease in leases {
            self.gateway.settle_delivery(&lease, Outcome::NotTried);
        }
    }

    /// One connection's worth of sending.
    async fn work(self: Arc<Self>) {
        let mut line: Option<mail::Lease> = None;
        loop {
            let lease = match tokio::time::timeout(IDLE, self.pool.take()).await {
                Ok(Some(lease)) => lease,
                Ok(None) => break,
                Err(_) => {
                    if let Some(line) = line.take() {
                        line.end();
                    }
                    match self.pool.take().await {
                        Some(lease) => lease,
                        None => break,
                    }
                }
            };
            let outcome = self.offer(&lease, &mut line).await;
            self.pool.done(&lease);
            let Some(outcome) = outcome else { continue };
            let ticket = self.gateway.settle_delivery(&lease, outcome);
            if self.settings.strict {
                self.pool.wants.notify_one();
                self.gateway.delivery_on_disk(ticket).await;
            }
        }
        if let Some(line) = line {
            line.end();
        }
    }

    /// Offers one letter; None where its lease has ended without.
    async fn offer(&self, lease: &Lease, line: &mut Option<mail::Lease>) -> Option<Outcome> {
        if line.is_none() {
            match self.mailer.lease().await {
                Ok(fresh) => *line = Some(fresh),
                Err(_) => return Some(Outcome::NotTried),
            }
        }
        if !self.gateway.begin_delivery(lease) {
            return None;
        }
        let letter = match self.letters.letter_for(lease).await {
            Ok(Some(letter)) => letter,
            Ok(None) => return Some(Outcome::Suppressed),
            Err(error) => {
                tracing::error!(event = "fanout.letter", notice = lease.batch.seq, %error, "a notice's letter cannot be made");
                self.pool.pause_for(PAUSE);
                return Some(Outcome::NotTried);
            }
        };
        let delivery = match line {
            Some(line) => line.deliver(&letter.envelope, &letter.bytes, None).await,
            None => return Some(Outcome::NotTried),
        };
        let outcome = self.judge(lease, &delivery);
        if let (Outcome::Rejected(code), Delivery::Rejected { class: Class::Recipient, .. }) = (outcome, &delivery)
            && let Err(error) = self.gateway.refused(lease.subscriber, lease.batch.seq, code).await
        {
            // The next notice to this address is refused again, and then it is written down.
            tracing::error!(event = "fanout.refused", notice = lease.batch.seq, %error, "a refused address cannot be noted");
        }
        Some(outcome)
    }

    fn judge(&self, lease: &Lease, delivery: &Delivery) -> Outcome {
        let (notice, subscriber) = (lease.batch.seq, lease.subscriber);
        self.gateway.note_smarthost(!matches!(delivery, Delivery::Deferred { class: Class::Session, .. }));
        if let Some(trouble) = delivery.trouble() {
            tracing::warn!(event = "fanout.trouble", notice, %subscriber, %trouble, "a notice was not accepted");
        }
        let code = |trouble: &mail::Trouble| trouble.reply().map(code_of);
        let (counter, outcome) = match delivery {
            Delivery::Accepted { reply } => (&self.counters.accepted, Outcome::Accepted(Some(code_of(*reply)))),
            Delivery::InDoubt { .. } => (&self.counters.in_doubt, Outcome::InDoubt),
            Delivery::Deferred { class: Class::Session, trouble } => {
                self.pool.pause_for(trouble.retry_in().unwrap_or(PAUSE));
                (&self.counters.session_faults, Outcome::NotTried)
            }
            Delivery::Deferred { trouble, .. } => (&self.counters.deferred, Outcome::Deferred(code(trouble))),
            Delivery::Rejected { class: Class::Policy, trouble } => {
                // Once a notice: whom it concerns is in the report.
                if self.held.swap(notice, Ordering::Relaxed) != notice {
                    tracing::error!(event = "fanout.policy", notice, %trouble, "the smarthost refuses a notice by its policy: it is held and tried again");
                }
                (&self.counters.deferred, Outcome::Held(code(trouble)))
            }
            Delivery::Rejected { trouble, .. } => (&self.counters.rejected, Outcome::Rejected(code(trouble))),
        };
        self.gateway.note_smarthost(outcome != Outcome::NotTried);
        counter.fetch_add(1, Ordering::Relaxed);
        outcome
    }
}

pub(super) fn code_of(reply: mail::Reply) -> Code {
    let small = |number: u16| u8::try_from(number).unwrap_or(u8::MAX);
    let enhanced = reply.enhanced.map_or((0, 0), |code| (small(code.1), small(code.2)));
    Code { basic: reply.code, enhanced }
}

/// When a pause that begins now ends.
fn after(pause: Duration) -> Instant {
    Instant::now() + pause
}
