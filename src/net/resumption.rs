//! TLS sessions that may be resumed, kept so that those of one certificate can be forgotten: whoever logs out has to
//! show the card anew.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::server::StoresServerSessions;

/// Bytes of a certificate that are compared first; those before them are alike in many certificates.
const HEAD_BYTES: usize = 8;
/// Certificates whose forgetting is remembered at once; beyond them the oldest is not.
const FORGOTTEN_MAX: usize = 256;

/// Bounded; when it is full the oldest session makes room.
pub(super) struct Resumption {
    kept: Mutex<Kept>,
    sessions_max: usize,
    /// A handshake that began before its certificate was forgotten has ended by then.
    handshake_max: Duration,
}

#[derive(Default)]
struct Kept {
    sessions: HashMap<Vec<u8>, Vec<u8>>,
    /// Keys in the order in which they came; those taken since are skipped.
    order: VecDeque<Vec<u8>>,
    forgotten: VecDeque<(Instant, Vec<u8>)>,
}

impl Resumption {
    pub fn new(sessions_max: usize, handshake_max: Duration) -> Resumption {
        Resumption { kept: Mutex::default(), sessions_max, handshake_max }
    }

    /// Nobody resumes a session of this certificate (DER) any more, nor one that a handshake under way is about to leave.
    pub fn forget(&self, certificate: &[u8]) {
        let mut kept = self.lock();
        kept.sessions.retain(|_, session| !holds(session, certificate));
        kept.forgotten.retain(|(_, forgotten)| forgotten != certificate);
        if kept.forgotten.len() >= FORGOTTEN_MAX {
            kept.forgotten.pop_front();
        }
        kept.forgotten.push_back((Instant::now(), certificate.to_vec()));
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoresServerSessions for Resumption {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let mut kept = self.lock();
        let handshake_max = self.handshake_max;
        kept.forgotten.retain(|(at, _)| at.elapsed() < handshake_max);
        if kept.forgotten.iter().any(|(_, certificate)| holds(&value, certificate)) {
            return false;
        }
        while kept.sessions.len() >= self.sessions_max || kept.order.len() >= 2 * self.sessions_max {
            let Some(oldest) = kept.order.pop_front() else { break };
            kept.sessions.remove(&oldest);
        }
        kept.order.push_back(key.clone());
        kept.sessions.insert(key, value);
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.lock().sessions.get(key).cloned()
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.lock().sessions.remove(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl fmt::Debug for Resumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumption").field("sessions", &self.lock().sessions.len()).finish_non_exhaustive()
    }
}

/// Whether a stored session is one of this certificate. rustls writes the peer's chain into it as it came; where in it
/// is rustls's own affair.
fn holds(session: &[u8], certificate: &[u8]) -> bool {
    let head = certificate.first_chunk::<HEAD_BYTES>();
    head.is_some() && session.windows(certificate.len()).any(|part| part.first_chunk() == head && part == certificate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &[u8] = b"\x30\x82\x01\x00certificate of A";
    const B: &[u8] = b"\x30\x82\x01\x00certificate of B";

    fn session_of(certificate: &[u8]) -> Vec<u8> {
        [b"\x03\x04secret", certificate, b"and more"].concat()
    }

    fn has(kept: &Resumption, key: u8) -> bool {
        kept.get(&[key]).is_some()
    }

    #[test]
    fn forgetting_a_certificate_takes_its_sessions_and_no_others() {
        let kept = Resumption::new(8, Duration::ZERO);
        assert!(
            kept.put(vec![1], session_of(A)) && kept.put(vec![2], session_of(B)) && kept.put(vec![3], session_of(A))
        );
        kept.forget(A);
        assert_eq!([1, 2, 3].map(|key| has(&kept, key)), [false, true, false]);
        assert!(kept.put(vec![4], session_of(A)), "a later log-in begins anew");
    }

    #[test]
    fn a_handshake_under_way_leaves_no_session_of_a_certificate_that_was_just_forgotten() {
        let kept = Resumption::new(8, Duration::from_secs(3_600));
        kept.forget(A);
        assert!(!kept.put(vec![1], session_of(A)) && !has(&kept, 1));
        assert!(kept.put(vec![2], session_of(B)) && has(&kept, 2));
    }

    #[test]
    fn memory_is_bounded_whether_sessions_are_resumed_or_not() {
        let kept = Resumption::new(2, Duration::ZERO);
        for key in 1..=3 {
            kept.put(vec![key], session_of(B));
        }
        assert_eq!([1, 2, 3].map(|key| has(&kept, key)), [false, true, true]);
        for key in 4..=200 {
            kept.put(vec![key], session_of(B));
            kept.take(&[key]);
        }
        assert!(kept.lock().order.len() <= 4, "{}", kept.lock().order.len());
        for certificate in 0..=FORGOTTEN_MAX {
            kept.forget(&certificate.to_be_bytes());
        }
        assert_eq!(kept.lock().forgotten.len(), FORGOTTEN_MAX);
    }

    #[test]
    fn something_shorter_than_a_certificate_is_none() {
        assert!(!holds(b"\x03\x04", A) && !holds(&session_of(A), b"") && !holds(&session_of(A), b"\x30"));
    }
}
