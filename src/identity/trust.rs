//! Everything that we trust at one time: issuers, revocation lists, what a door asks for. The judging is not here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use super::Door;
use super::issuer::{
    Environment, Issuer, IssuerError, IssuerSettings, Refused, RefusedIssuer, Root, first_certificate,
};
use super::known::{KNOWN_MAX, KnownIssuer};
use super::revocation::{CrlFault, CrlStatus, Revocations};

/// More issuing CAs than all of Sweden's care has.
const ISSUERS_MAX: usize = 64;
const CRL_FILES_MAX: usize = 256;
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
    /// How long after its next update a revocation list still counts.
    pub crl_max_stale: Duration,
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
    pub crls: Vec<CrlStatus>,
}

/// An immutable snapshot of issuers and revocation lists.
pub struct Trust {
    generation: u64,
    pub(super) environment: Environment,
    pub(super) issuers: Vec<Issuer>,
    pub(super) refused: Vec<Refused>,
    pub(super) patterns: Vec<Refused>,
    pub(super) known: Vec<KnownIssuer>,
    pub(super) revocations: Revocations,
    faults: Vec<CrlFault>,
    pub(super) crl_max_stale: Duration,
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
                    .and_then(|loaded| loaded.as_published(&settings.known)?.under(&roots))
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
        let (revocations, faults) = before.renewed(&settings.crls, &issuers);
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
            faults,
            crl_max_stale: settings.crl_max_stale,
            loa_policies: settings.loa_policies.clone(),
            least_level: settings.least_level,
            passed,
        })
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
