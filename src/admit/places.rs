//! How much somebody may hold at once: connections or streams of one address. How often is the limiter's question.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::IpKey;

/// Places that are held now, counted for each address and in all. Memory grows with what is held, never beyond `all_max`.
#[derive(Debug)]
pub struct Places {
    each_max: usize,
    all_max: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    each: HashMap<IpKey, usize>,
    all: usize,
}

/// Free again when dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    address: IpKey,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// This address holds as many as one may.
    ByThisAddress,
    /// There are no more for anybody.
    ByAll,
}

impl Places {
    pub fn new(each_max: usize, all_max: usize) -> Arc<Places> {
        Arc::new(Places { each_max, all_max, held: Mutex::default() })
    }

    pub fn take(self: &Arc<Places>, address: IpKey) -> Result<Place, Taken> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.all >= self.all_max {
            return Err(Taken::ByAll);
        }
        let count = held.each.get(&address).copied().unwrap_or(0);
        if count >= self.each_max {
            return Err(Taken::ByThisAddress);
        }
        held.each.insert(address, count + 1);
        held.all += 1;
        Ok(Place { places: self.clone(), address })
    }

    #[cfg(test)]
    /// How many are held.
    pub fn held(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.all -= 1;
        if let Some(count) = held.each.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.each.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpKey {
        IpKey::new(std::net::IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn one_address_holds_its_share_all_hold_the_whole_and_what_is_given_back_is_free() {
        let places = Places::new(2, 3);
        let first = places.take(address(1)).unwrap();
        let _second = places.take(address(1)).unwrap();
        assert_eq!(places.take(address(1)).unwrap_err(), Taken::ByThisAddress);
        let _third = places.take(address(2)).unwrap();
        assert_eq!(places.take(address(3)).unwrap_err(), Taken::ByAll);
        drop(first);
        assert_eq!(places.held(), 2);
        places.take(address(1)).unwrap();
        assert_eq!(places.held.lock().unwrap().each.len(), 2, "nothing is remembered of who holds nothing");
    }
}
