//! Who is connected at the staff door, by certificate, so that logging out ends every connection of it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::crypto::Digest;

/// Has the door's TLS forget a certificate's sessions.
type Forget = Box<dyn Fn() + Send + Sync>;

/// Certificates whose last connection is gone and whose TLS sessions may still be resumed; as many as there are sessions.
const LATELY_MAX: usize = 4_096;

/// Open connections, never more than the door lets in, and who was here lately.
#[derive(Default)]
pub struct Connected(Mutex<Seats>);

#[derive(Default)]
struct Seats {
    open: HashMap<Digest, OfOne>,
    lately: VecDeque<(Digest, Forget)>,
}

struct OfOne {
    forget: Forget,
    /// What ends each of them.
    bells: Vec<Arc<Notify>>,
}

/// One connection's place; it leaves the list when this is dropped.
pub struct Seat {
    connected: Arc<Connected>,
    certificate: Digest,
    bell: Arc<Notify>,
}

impl Connected {
    /// Enters a connection; `forget` is that of its certificate, whichever connection brings it first.
    pub fn enter(self: &Arc<Connected>, certificate: Digest, bell: Arc<Notify>, forget: Forget) -> Seat {
        let mut seats = self.lock();
        seats.open.entry(certificate).or_insert(OfOne { forget, bells: Vec::new() }).bells.push(bell.clone());
        drop(seats);
        Seat { connected: self.clone(), certificate, bell }
    }

    /// Ends them all once their open requests are answered; none of their TLS sessions is resumed again.
    pub fn hang_up(&self, certificate: &Digest) {
        let seats = self.lock();
        if let Some(one) = seats.open.get(certificate) {
            (one.forget)();
            one.bells.iter().for_each(|bell| bell.notify_one());
        } else if let Some((_, forget)) = seats.lately.iter().find(|(left, _)| left == certificate) {
            forget();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.connected.lock();
        let Some(one) = seats.open.get_mut(&self.certificate) else { return };
        one.bells.retain(|bell| !Arc::ptr_eq(bell, &self.bell));
        if !one.bells.is_empty() {
            return;
        }
        if let Some(OfOne { forget, .. }) = seats.open.remove(&self.certificate) {
            seats.lately.retain(|(left, _)| *left != self.certificate);
            if seats.lately.len() >= LATELY_MAX {
                seats.lately.pop_front();
            }
            seats.lately.push_back((self.certificate, forget));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn hanging_up_rings_at_every_connection_of_one_certificate_and_forgets_it_once_also_when_the_last_is_gone() {
        let connected = Arc::new(Connected::default());
        let forgotten = Arc::new(AtomicU32::new(0));
        let enter = |certificate: u8| {
            let (bell, forgotten) = (Arc::new(Notify::new()), forgotten.clone());
            let forget = Box::new(move || {
                forgotten.fetch_add(1, Ordering::Relaxed);
            });
            (bell.clone(), connected.enter([certificate; 32], bell, forget))
        };
        let [(first, _first), (second, _second), (other, _other)] = [1, 1, 2].map(enter);
        let (gone, seat) = enter(1);
        drop(seat);
        connected.hang_up(&[1; 32]);
        let rang = |bell: &Notify| bell.notified().now_or_never().is_some();
        assert_eq!([&first, &second, &other, &gone].map(|bell| rang(bell)), [true, true, false, false]);
        assert_eq!(forgotten.load(Ordering::Relaxed), 1);
        drop((_first, _second));
        connected.hang_up(&[1; 32]);
        // Its tickets outlive its connections.
        assert_eq!((forgotten.load(Ordering::Relaxed), connected.lock().open.len()), (2, 1));
    }
}
