//! Certificates whose issuer's signature was verified by one set of issuers: the costly part of a judgement, and the one
//! that stays as it is. Whether they are good now is asked each time, and not here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Door;
use super::certificate::Certificate;
use crate::crypto::Digest;
use crate::domain::id::HsaId;
use crate::domain::rejection::RejectionCode;

/// All portals and a shift of staff; some KiB each. Beyond it, who was not seen for longest is proven anew.
const SEEN_MAX: usize = 4_096;

/// What the first look at a certificate has shown.
pub(super) struct Seen {
    pub certificate: Certificate,
    /// The place among these issuers of the one that has signed it.
    pub issuer: usize,
    pub client_authentication: bool,
    pub hsa_id: Result<HsaId, RejectionCode>,
}

/// By the door and the digest of the whole certificate. A stranger adds nothing: what is in here was signed by an
/// allow-listed authority.
#[derive(Default)]
pub(super) struct SeenBefore(Mutex<Halves>);

type Half = HashMap<(Door, Digest), Arc<Seen>>;

/// The older half goes when the newer one is full; who comes back in time moves over.
#[derive(Default)]
struct Halves {
    newer: Half,
    older: Half,
}

impl SeenBefore {
    pub fn find(&self, door: Door, certificate: &Digest) -> Option<Arc<Seen>> {
        let key = (door, *certificate);
        let mut halves = self.lock();
        if let Some(seen) = halves.newer.get(&key) {
            return Some(seen.clone());
        }
        let seen = halves.older.remove(&key)?;
        halves.put(key, seen.clone());
        Some(seen)
    }

    pub fn note(&self, door: Door, certificate: Digest, seen: Seen) {
        self.lock().put((door, certificate), Arc::new(seen));
    }

    fn lock(&self) -> MutexGuard<'_, Halves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn put(&mut self, key: (Door, Digest), seen: Arc<Seen>) {
        if self.newer.len() >= SEEN_MAX / 2 {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key, seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::certificate::describe;
    use crate::identity::testing::{CrlSketch, Tree, at, now};
    use crate::identity::{IssuerSettings, Trust, TrustSettings};

    fn seen() -> Seen {
        let certificate = describe(&Tree::self_signed("TEST CA")).unwrap();
        Seen { certificate, issuer: 0, client_authentication: true, hsa_id: Err(RejectionCode::NoHsaId) }
    }

    fn digest(number: usize) -> Digest {
        let mut digest = Digest::default();
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn memory_is_bounded_and_who_comes_again_stays() {
        let before = SeenBefore::default();
        let somebody = Arc::new(seen());
        for number in 0..3 * SEEN_MAX {
            before.lock().put((Door::Portal, digest(number)), somebody.clone());
            assert!(before.find(Door::Portal, &digest(0)).is_some());
        }
        assert!(before.find(Door::Portal, &digest(1)).is_none());
        let halves = before.lock();
        assert!(halves.newer.len() + halves.older.len() <= SEEN_MAX);
    }

    #[test]
    fn one_door_says_nothing_of_the_other() {
        let before = SeenBefore::default();
        before.note(Door::Portal, digest(1), seen());
        assert!(before.find(Door::Portal, &digest(1)).is_some());
        assert!(before.find(Door::Staff, &digest(1)).is_none());
    }

    /// A certificate that is known already is judged by today's clock and today's list all the same.
    #[test]
    fn who_was_let_in_before_is_refused_when_the_time_is_over_or_the_list_names_it() {
        let tree = Tree::grow();
        let issuer = tree.issuer(&tree.function, super::super::IssuerKind::Function);
        let list = |number, revoked: &[&[u8]]| CrlSketch::new(number, revoked).signed_by(&tree.function);
        let settings = |bytes: Vec<u8>| TrustSettings {
            crls: vec![tree.write("function.crl", bytes)],
            portal: vec![IssuerSettings { crl_required: true, ..issuer.clone() }],
            ..tree.settings()
        };
        let chain = [tree.system("TSTNMT2321000156-P001").der()];
        let trust = Trust::load(&settings(list(1, &[&[0x11]]))).unwrap();
        let judged = |trust: &Trust, now| trust.judge(Door::Portal, &chain, now).map_err(|rejection| rejection.code);
        let first = judged(&trust, now()).unwrap();
        assert_eq!(judged(&trust, now()).unwrap(), first, "the second judgement names the same caller");
        assert_eq!(judged(&trust, at("2031-01-01")).unwrap_err(), RejectionCode::Expired);
        assert_eq!(judged(&trust, at("2026-12-31")).unwrap_err(), RejectionCode::CrlStale);
        let renewed = trust.reload(&settings(list(2, &[&[0x4a, 1]]))).unwrap();
        assert_eq!(judged(&renewed, now()).unwrap_err(), RejectionCode::Revoked);
        assert_eq!(judged(&renewed, now()).unwrap_err(), RejectionCode::Revoked);
        assert_eq!(judged(&trust, now()).unwrap(), first);
    }

    /// The leaf's own octets are the key: a copy with one bit changed is another certificate, and forged.
    #[test]
    fn a_forged_copy_gains_nothing_from_its_original() {
        let tree = Tree::grow();
        let trust = Trust::load(&tree.settings()).unwrap();
        let good = tree.system("TSTNMT2321000156-P001").der();
        trust.judge(Door::Portal, std::slice::from_ref(&good), now()).unwrap();
        let mut forged = good.to_vec();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        let refused = trust.judge(Door::Portal, &[forged.into()], now()).unwrap_err();
        assert_eq!(refused.code, RejectionCode::UntrustedSignature);
        assert_eq!(refused.organisation, None);
    }
}
