//! Everything that we trust at one time: issuers, revocation lists, what a door asks for. The judging is not here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use super::Door;
use super::distribution::{DistributionPoints, POINTS_PER_ISSUER_MAX};
use super::issuer::{
    Environment, Issuer, IssuerError, IssuerSettings, Refused, RefusedIssuer, Root, first_certificate,
};
use super::known::{KNOWN_MAX, KnownIssuer};
use super::ocsp::RevocationSource;
use super::revocation::{CrlError, CrlFault, CrlStatus, Revocations};
use super::seen::SeenBefore;

/// More issuing CAs than all of Sweden's care has.
const ISSUERS_MAX: usize = 64;
const CRL_FILES_MAX: usize = 256;
/// As many as all issuers may have addresses.
const CACHED_LISTS_MAX: usize = ISSUERS_MAX * POINTS_PER_ISSUER_MAX * 2;
/// Numbers the snapshots of this process.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// What to trust, all as files.
#[derive(Debug, Clone)]
pub struct TrustSettings {
    /// The environment that this gateway serves.
    pub environment: Environment,
    /// The issuing CAs of systems.
    pub portal: Vec<IssuerSettings>,
    /// The issuing CAs of people.
    pub staff: Vec<IssuerSettings>,
    /// Refused by name, beside the authorities of `known` and the patterns built in (Telia, SITHS Person ID).
    pub refused: Vec<RefusedIssuer>,
    /// What is known of authorities, trusted or not.
    pub known: Vec<KnownIssuer>,
    /// Where there are any, each issuing CA has to be signed by one of these roots.
    pub roots: Vec<PathBuf>,
    /// The least level of assurance at the staff door.
    pub least_level: u8,
    /// Our own certificates: a clock before their beginning is wrong. What cannot be read says nothing; whoever shows
    /// them tells of it.
    pub own_certificates: Vec<PathBuf>,
    pub crls: Vec<PathBuf>,
    /// A directory of lists that were fetched: every `.crl` in it. It may be missing.
    pub crl_cache: Option<PathBuf>,
    /// How long after its next update a revocation list still counts.
    pub crl_max_stale: Duration,
    /// How long an OCSP answer is remembered at most.
    pub ocsp_cache_max: Duration,
    /// Levels of assurance by certificate policy (dotted OID); they go before the issuer's.
    pub loa_policies: BTreeMap<String, u8>,
}

/// Why there is no new snapshot. The one in use stays.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("issuer {} {error}", file.display())]
    Issuer { file: PathBuf, error: IssuerError },
    #[error("more than 64 issuers")]
    TooManyIssuers,
    #[error("more than 256 revocation lists")]
    TooManyLists,
    #[error("more than 256 descriptions of authorities")]
    TooManyKnown,
}

/// An issuer's state, for the status page and for alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerStatus {
    pub issuer: String,
    pub door: Door,
    pub not_after: Timestamp,
    /// The first day on which the door takes it no longer.
    pub ends: Option<Date>,
    /// Without a list nobody of this issuer comes in.
    pub crl_required: bool,
    pub revocation: RevocationSource,
    pub crls: Vec<CrlStatus>,
}

/// An address at which an issuer publishes a revocation list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlPoint {
    /// The fingerprint of the issuer's certificate.
    pub issuer: [u8; 32],
    pub issuer_name: String,
    pub url: String,
    /// Written by an operator, not learned from a certificate.
    pub configured: bool,
}

/// An immutable snapshot of issuers and revocation lists.
#[derive(Clone)]
pub struct Trust {
    generation: u64,
    pub(super) environment: Environment,
    pub(super) issuers: Vec<Issuer>,
    pub(super) refused: Vec<Refused>,
    pub(super) patterns: Vec<Refused>,
    pub(super) known: Vec<KnownIssuer>,
    pub(super) revocations: Revocations,
    /// Shared by all snapshots with these issuers.
    pub(super) seen: Arc<SeenBefore>,
    faults: Vec<CrlFault>,
    pub(super) crl_max_stale: Duration,
    pub(super) ocsp_cache_max: Duration,
    pub(super) loa_policies: BTreeMap<String, u8>,
    pub(super) least_level: u8,
    /// A moment that lies behind us, whatever the clock says.
    pub(super) passed: Option<Timestamp>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl Trust {
    /// Reads everything. Blocking. An unfit issuer is an error; an unfit revocation list is left out and told by
    /// [`Trust::crl_faults`], as its issuer's certificates are then refused one by one.
    pub fn load(settings: &TrustSettings) -> Result<Trust, TrustError> {
        Trust::build(settings, &Revocations::default())
    }

    /// As `load`, and keeps this snapshot's revocation lists where the files hold nothing newer. Blocking.
    pub fn reload(&self, settings: &TrustSettings) -> Result<Trust, TrustError> {
        Trust::build(settings, &self.revocations)
    }

    fn build(settings: &TrustSettings, before: &Revocations) -> Result<Trust, TrustError> {
        if settings.portal.len() + settings.staff.len() + settings.refused.len() > ISSUERS_MAX {
            return Err(TrustError::TooManyIssuers);
        }
        if settings.crls.len() > CRL_FILES_MAX {
            return Err(TrustError::TooManyLists);
        }
        if settings.known.len() > KNOWN_MAX {
            return Err(TrustError::TooManyKnown);
        }
        let mut roots = Vec::new();
        for file in &settings.roots {
            let root = Root::load(file).map_err(|error| TrustError::Issuer { file: file.clone(), error })?;
            roots.push(root);
        }
        let mut issuers = Vec::new();
        for (door, list) in [(Door::Portal, &settings.portal), (Door::Staff, &settings.staff)] {
            for issuer in list {
                let loaded = Issuer::load(issuer, door)
                    .and_then(|loaded| loaded.unless_impostor(&settings.known)?.under(&roots))
                    .map_err(|error| TrustError::Issuer { file: issuer.file.clone(), error })?;
                issuers.push(loaded);
            }
        }
        let mut refused = Vec::new();
        for issuer in &settings.refused {
            refused.push(Refused::load(issuer).map_err(|error| match issuer {
                RefusedIssuer::File { path, .. } => TrustError::Issuer { file: path.clone(), error },
                RefusedIssuer::Pattern { text, .. } => TrustError::Issuer { file: PathBuf::from(text), error },
            })?);
        }
        let cached = settings.crl_cache.as_deref().map(cached_lists).unwrap_or_default();
        let (revocations, faults) = before.renewed(&settings.crls, &cached, &issuers);
        let own = settings.own_certificates.iter().filter_map(|file| first_certificate(file).ok());
        let passed = own.map(|certificate| certificate.not_before).chain(revocations.newest()).max();
        Ok(Trust {
            generation: GENERATION.fetch_add(1, Ordering::Relaxed) + 1,
            environment: settings.environment,
            issuers,
            refused,
            patterns: Refused::built_in(),
            known: settings.known.clone(),
            revocations,
            seen: Arc::default(),
            faults,
            crl_max_stale: settings.crl_max_stale,
            ocsp_cache_max: settings.ocsp_cache_max,
            loa_policies: settings.loa_policies.clone(),
            least_level: settings.least_level,
            passed,
        })
    }

    /// A snapshot with one more revocation list, which replaces an older one of the same issuer and scope. `source` is
    /// what [`CrlStatus::source`] tells of it. Blocking, some hundred milliseconds for the largest lists.
    pub fn with_list(&self, source: &Path, list: &[u8]) -> Result<(Trust, CrlStatus), CrlError> {
        let mut renewed = self.clone();
        let status = renewed.revocations.take(source, list, &self.issuers)?;
        renewed.passed = renewed.passed.max(Some(status.this_update));
        renewed.generation = GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
        Ok((renewed, status))
    }

    /// Where lists of these issuers are published, as operators wrote it and as verified certificates have named it.
    pub fn crl_points(&self) -> Vec<CrlPoint> {
        let mut points: Vec<CrlPoint> = Vec::new();
        for issuer in &self.issuers {
            let key = issuer.certificate.fingerprint;
            let learned = self.revocations.points().of(&key);
            let written = issuer.crl_urls.iter().cloned().map(|url| (url, true));
            for (url, configured) in written.chain(learned.into_iter().map(|url| (url, false))) {
                if !points.iter().any(|point| point.url == url) {
                    points.push(CrlPoint { issuer: key, issuer_name: issuer.name.clone(), url, configured });
                }
            }
        }
        points
    }

    /// How long after its next update a list still counts.
    pub fn crl_grace(&self) -> Duration {
        self.crl_max_stale
    }

    /// What all snapshots of this line have learned of addresses.
    pub fn distribution_points(&self) -> &Arc<DistributionPoints> {
        self.revocations.points()
    }

    /// Notes an address that an earlier process had learned, if its issuer is still trusted.
    pub fn remember_point(&self, issuer: &[u8; 32], url: &str) {
        if self.issuers.iter().any(|trusted| trusted.certificate.fingerprint == *issuer) {
            self.revocations.points().note(issuer, &[url.to_owned()]);
        }
    }

    /// Differs between any two snapshots of a process: a connection judged under another one is judged again.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Revocation list files that were left out.
    pub fn crl_faults(&self) -> &[CrlFault] {
        &self.faults
    }

    /// Each issuer with its revocation lists.
    pub fn statuses(&self) -> Vec<IssuerStatus> {
        let status = |issuer: &Issuer| IssuerStatus {
            issuer: issuer.name.clone(),
            door: issuer.door,
            not_after: issuer.certificate.not_after,
            ends: issuer.ends,
            crl_required: issuer.crl_required,
            revocation: issuer.revocation,
            crls: self.revocations.status(issuer),
        };
        self.issuers.iter().map(status).collect()
    }

    /// The names (DER) of the issuers that can pass at `door`: what the handshake tells the client.
    pub fn hints(&self, door: Door) -> Vec<Vec<u8>> {
        let passes = |issuer: &&Issuer| issuer.door == door && issuer.environment == self.environment;
        self.issuers.iter().filter(passes).map(|issuer| issuer.certificate.subject_der.clone()).collect()
    }
}

fn cached_lists(dir: &Path) -> Vec<PathBuf> {
    // No directory, no lists: whoever fetches makes it, and tells when that fails.
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let lists = entries.filter(|path| path.extension().is_some_and(|extension| extension == "crl"));
    let mut lists: Vec<PathBuf> = lists.take(CACHED_LISTS_MAX).collect();
    lists.sort_unstable();
    lists
}
