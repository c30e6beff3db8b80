//! Who left just now, in memory: whoever is about to send a notice sees it before its next command, and a leaving that
//! the store could not take is not lost while the process lives.

use std::collections::{HashSet, VecDeque};

use uuid::Uuid;

/// Remembered departures; far more than leave while one notice is under way.
const RECENT_MAX: usize = 65_536;
/// Departures that may wait for the store.
const WAITING_MAX: usize = 10_000;

#[derive(Default)]
pub struct Departures {
    recent: HashSet<Uuid>,
    order: VecDeque<Uuid>,
    waiting: VecDeque<Uuid>,
}

impl Departures {
    pub fn has(&self, id: &Uuid) -> bool {
        self.recent.contains(id)
    }

    pub fn remember(&mut self, id: Uuid) {
        if !self.recent.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.recent.remove(&oldest);
        }
    }

    /// Is back: confirmed anew, or put on a list.
    pub fn forget(&mut self, id: &Uuid) {
        self.recent.remove(id);
        self.order.retain(|known| known != id);
        self.waiting.retain(|known| known != id);
    }

    /// Keeps a leaving until the store takes it. False where too many wait.
    pub fn wait(&mut self, id: Uuid) -> bool {
        let has_room = self.waiting.len() < WAITING_MAX;
        if has_room && !self.waiting.contains(&id) {
            self.waiting.push_back(id);
        }
        has_room
    }

    pub fn next(&mut self) -> Option<Uuid> {
        self.waiting.pop_front()
    }

    #[cfg(test)]
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_departures_are_remembered_and_the_memory_is_bounded() {
        let mut departures = Departures::default();
        for number in 0..=RECENT_MAX as u128 {
            departures.remember(Uuid::from_u128(number));
        }
        assert!(!departures.has(&Uuid::from_u128(0)) && departures.has(&Uuid::from_u128(1)));
        departures.forget(&Uuid::from_u128(1));
        assert!(!departures.has(&Uuid::from_u128(1)));
        assert_eq!(departures.order.len(), departures.recent.len());
    }

    #[test]
    fn leavings_wait_once_each_and_too_many_are_refused() {
        let mut departures = Departures::default();
        assert!(departures.wait(Uuid::nil()) && departures.wait(Uuid::nil()));
        assert_eq!((departures.next(), departures.is_waiting()), (Some(Uuid::nil()), false));
        assert!((0..WAITING_MAX as u128).all(|number| departures.wait(Uuid::from_u128(number))));
        assert!(!departures.wait(Uuid::max()));
    }
}
