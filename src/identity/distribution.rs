//! Where issuers publish their revocation lists, as certificates have named it that their issuer's key had signed. Whoever
//! could name an address without that could make us ask any server. Nothing is fetched here.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use tokio::sync::Notify;

use super::revocation::IssuerKey;
use crate::domain::status::probe::target::HttpTarget;

/// Most authorities name one or two; some cut their list in parts, each at an address of its own.
pub const POINTS_PER_ISSUER_MAX: usize = 8;

/// Shared by all snapshots of a process: what has been learned stays known when trust is renewed.
#[derive(Debug, Default)]
pub struct DistributionPoints {
    noted: RwLock<BTreeMap<IssuerKey, Vec<String>>>,
    news: Notify,
}

impl DistributionPoints {
    /// Notes what a certificate names whose signature by that issuer has been verified. What is not plain HTTP, or one
    /// too many, is not noted.
    pub(super) fn note(&self, issuer: &IssuerKey, uris: &[String]) {
        let is_new = |noted: &BTreeMap<IssuerKey, Vec<String>>, uri: &String| {
            let room = noted.get(issuer).is_none_or(|of| of.len() < POINTS_PER_ISSUER_MAX && !of.contains(uri));
            room && HttpTarget::parse(uri).is_ok_and(|target| !target.tls)
        };
        // Asked at each judgement, and hardly ever news.
        let has_news = {
            let noted = self.noted.read().unwrap_or_else(PoisonError::into_inner);
            uris.iter().any(|uri| is_new(&noted, uri))
        };
        if !has_news {
            return;
        }
        let mut noted = self.noted.write().unwrap_or_else(PoisonError::into_inner);
        for uri in uris {
            if is_new(&noted, uri) {
                noted.entry(*issuer).or_default().push(uri.clone());
                self.news.notify_one();
            }
        }
    }

    /// Forgets issuers that are no longer trusted.
    pub(super) fn retain(&self, trusted: impl Fn(&IssuerKey) -> bool) {
        self.noted.write().unwrap_or_else(PoisonError::into_inner).retain(|issuer, _| trusted(issuer));
    }

    pub(super) fn of(&self, issuer: &IssuerKey) -> Vec<String> {
        self.noted.read().unwrap_or_else(PoisonError::into_inner).get(issuer).cloned().unwrap_or_default()
    }

    /// Returns when an address has been noted that was not known before. For one waiter.
    pub async fn learned(&self) {
        self.news.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris(all: &[&str]) -> Vec<String> {
        all.iter().map(|uri| (*uri).to_owned()).collect()
    }

    #[tokio::test]
    async fn what_is_new_is_told_once_and_belongs_to_its_issuer() {
        let (points, one, other) = (DistributionPoints::default(), [1; 32], [2; 32]);
        points.note(&one, &uris(&["http://crl.region.example/1.crl"]));
        points.learned().await;
        assert_eq!(points.of(&one), ["http://crl.region.example/1.crl"]);
        assert!(points.of(&other).is_empty());
        points.note(&one, &uris(&["http://crl.region.example/1.crl"]));
        let again = tokio::time::timeout(std::time::Duration::from_millis(20), points.learned()).await;
        assert!(again.is_err(), "nothing was new");
    }

    #[test]
    fn only_plain_http_is_noted_and_no_more_than_eight_of_an_issuer() {
        let points = DistributionPoints::default();
        points.note(&[1; 32], &uris(&["ldap://x/cn=CRL", "https://crl.region.example/", "http://a b/", "file:///etc"]));
        assert!(points.of(&[1; 32]).is_empty());
        let many: Vec<String> = (0..20).map(|n| format!("http://crl.region.example/{n}.crl")).collect();
        points.note(&[1; 32], &many);
        assert_eq!(points.of(&[1; 32]), many[..POINTS_PER_ISSUER_MAX]);
    }
}
