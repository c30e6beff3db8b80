//! Leased entries on their way to a connection: the most urgent first, and no mail domain on more than half of the
//! connections while others wait.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::after;
use crate::domain::status::ledger::Lease;

/// Kinds of urgency, from 0.
const PRIORITIES: usize = 4;

pub struct Pool {
    state: Mutex<State>,
    connections: usize,
    /// Rung when a connection would take an entry.
    ready: Notify,
    /// Rung when more should be leased, or something was settled.
    pub wants: Notify,
}

#[derive(Default)]
struct State {
    waiting: [VecDeque<Lease>; PRIORITIES],
    in_flight: HashMap<u32, usize>,
    paused_until: Option<Instant>,
    closed: bool,
}

impl Pool {
    pub fn new(connections: usize) -> Pool {
        Pool { state: Mutex::default(), connections, ready: Notify::new(), wants: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn fill(&self, leases: Vec<Lease>) {
        let mut state = self.state();
        for lease in leases {
            let class = usize::from(lease.priority).min(PRIORITIES - 1);
            if let Some(waiting) = state.waiting.get_mut(class) {
                waiting.push_back(lease);
            }
        }
        drop(state);
        self.ready.notify_waiters();
    }

    /// The next entry to offer; None when no more are to be.
    pub async fn take(&self) -> Option<Lease> {
        loop {
            let ready = self.ready.notified();
            tokio::pin!(ready);
            // Waits from here on: what is filled in between is not missed.
            ready.as_mut().enable();
            let pause = {
                let mut state = self.state();
                if state.closed {
                    return None;
                }
                match state.pause() {
                    Some(pause) => pause,
                    None => match state.next(self.connections) {
                        Some(lease) => {
                            drop(state);
                            self.wants.notify_one();
                            return Some(lease);
                        }
                        None => Duration::MAX,
                    },
                }
            };
            tokio::select! {
                () = ready => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// An entry is no longer being offered.
    pub fn done(&self, lease: &Lease) {
        let mut state = self.state();
        if let Some(count) = state.in_flight.get_mut(&lease.domain) {
            *count -= 1;
            if *count == 0 {
                state.in_flight.remove(&lease.domain);
            }
        }
    }

    /// Nothing is offered for so long: the smarthost, or the store, is in trouble.
    pub fn pause_for(&self, pause: Duration) {
        let until = after(pause);
        let mut state = self.state();
        state.paused_until = state.paused_until.max(Some(until));
        drop(state);
        self.wants.notify_one();
    }

    /// How much of a pause is left.
    pub fn pause(&self) -> Option<Duration> {
        self.state().pause()
    }

    pub fn drain(&self) -> Vec<Lease> {
        self.state().waiting.iter_mut().flat_map(std::mem::take).collect()
    }

    /// Nothing more is offered; what waited comes back.
    pub fn close(&self) -> Vec<Lease> {
        self.state().closed = true;
        self.ready.notify_waiters();
        self.drain()
    }

    pub fn is_low(&self, enough: usize) -> bool {
        self.state().waiting.iter().map(VecDeque::len).sum::<usize>() < enough
    }

    /// Nothing waits and nothing is being offered.
    pub fn is_idle(&self) -> bool {
        let state = self.state();
        state.in_flight.is_empty() && state.waiting.iter().all(VecDeque::is_empty)
    }
}

impl State {
    fn pause(&mut self) -> Option<Duration> {
        let left = self.paused_until?.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.paused_until = None;
        }
        self.paused_until.map(|_| left)
    }

    fn next(&mut self, connections: usize) -> Option<Lease> {
        let share = (connections / 2).max(1);
        let in_flight = &self.in_flight;
        let is_free = |lease: &Lease| in_flight.get(&lease.domain).is_none_or(|count| *count < share);
        let free =
            self.waiting.iter().enumerate().find_map(|(class, all)| Some((class, all.iter().position(is_free)?)));
        let first = || self.waiting.iter().position(|all| !all.is_empty()).map(|class| (class, 0));
        let (class, at) = free.or_else(first)?;
        let lease = self.waiting.get_mut(class)?.remove(at)?;
        *self.in_flight.entry(lease.domain).or_default() += 1;
        Some(lease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::language::Language;
    use crate::domain::status::delivery::BatchId;
    use uuid::Uuid;

    fn lease(number: u128, domain: u32, priority: u8) -> Lease {
        let batch = BatchId { seq: 1, number: 0 };
        Lease { batch, subscriber: Uuid::from_u128(number), language: Language::Sv, domain, priority }
    }

    fn taken(lease: Option<Lease>) -> (u128, u32) {
        lease.map(|lease| (lease.subscriber.as_u128(), lease.domain)).unwrap()
    }

    #[tokio::test]
    async fn a_domain_that_is_slow_leaves_half_of_the_connections_to_others() {
        let pool = Pool::new(4);
        pool.fill((0..6).map(|n| lease(n, 7, 0)).chain([lease(9, 8, 0)]).collect());
        assert_eq!(taken(pool.take().await), (0, 7));
        assert_eq!(taken(pool.take().await), (1, 7));
        assert_eq!(taken(pool.take().await), (9, 8));
        // Nobody else waits: a connection that has nothing to do helps nobody.
        assert_eq!(taken(pool.take().await), (2, 7));
    }

    #[tokio::test]
    async fn what_is_urgent_goes_first_even_if_it_came_last() {
        let pool = Pool::new(1);
        pool.fill(vec![lease(1, 7, 3), lease(2, 7, 2)]);
        pool.fill(vec![lease(3, 7, 0)]);
        assert_eq!(taken(pool.take().await), (3, 7));
        assert_eq!(taken(pool.take().await), (2, 7));
    }

    #[tokio::test]
    async fn nothing_is_offered_in_a_pause_and_what_waits_can_be_taken_back() {
        let pool = Pool::new(1);
        pool.fill(vec![lease(1, 7, 0), lease(2, 7, 0)]);
        pool.pause_for(Duration::from_millis(30));
        let begun = Instant::now();
        assert_eq!(taken(pool.take().await).0, 1);
        assert!(begun.elapsed() >= Duration::from_millis(30));
        assert_eq!(pool.close().len(), 1);
        assert!(pool.take().await.is_none());
    }
}
