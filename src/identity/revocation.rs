//! Our own index of revoked serial numbers. Each list's signature is checked once, when it is taken; a look-up is a
//! binary search. (The library's way checks the signature at every look-up: 20 ms a handshake at 8 MB.)
//! Where lists are published is in `distribution.rs`; fetching them is not in this room.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::asn1_rs::FromDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{IssuingDistributionPoint, ParsedExtension, X509Extension};
use x509_parser::revocation_list::CertificateRevocationList;

use super::certificate::{Certificate, Serial, timestamp, uris};
use super::distribution::DistributionPoints;
use super::issuer::{Issuer, ReadError, is_pem, read_bounded};
use super::ocsp::{OcspAnswers, OcspQuestion, OcspSaid, RevocationSource};

/// Eight times the largest list that we know of.
pub const LIST_BYTES_MAX: usize = 64 << 20;
const ENTRIES_MAX: usize = 2_000_000;
const EXTENSION_CRL_NUMBER: &str = "2.5.29.20";
const EXTENSION_REASON: &str = "2.5.29.21";
const EXTENSION_INVALIDITY_DATE: &str = "2.5.29.24";
const EXTENSION_DELTA: &str = "2.5.29.27";
const EXTENSION_ISSUING_DISTRIBUTION_POINT: &str = "2.5.29.28";
const EXTENSION_CERTIFICATE_ISSUER: &str = "2.5.29.29";
const EXTENSION_AUTHORITY_KEY: &str = "2.5.29.35";
/// RSA with SHA-1, by its two names: the parser would take it.
pub(super) const SHA1_SIGNATURES: [&str; 2] = ["1.2.840.113549.1.1.5", "1.3.14.3.2.29"];

/// Why a file is not used as a revocation list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    #[error("cannot be read: {0}")]
    Io(std::io::ErrorKind),
    #[error("is larger than 64 MiB or has more than 2,000,000 entries")]
    TooLarge,
    #[error("is not a revocation list in DER or PEM")]
    Malformed,
    #[error("is of an issuer that no door trusts")]
    UnknownIssuer,
    #[error("is signed by somebody else, or was changed")]
    BadSignature,
    #[error("is signed with SHA-1")]
    WeakSignature,
    #[error("is of a CA that may not sign revocation lists")]
    IssuerMayNotSign,
    #[error("is a delta list: the whole list is needed")]
    Delta,
    #[error("is an indirect list, which speaks for other issuers too")]
    Indirect,
    #[error("covers only some reasons of revocation")]
    SomeReasons,
    #[error("does not cover the certificates of persons and systems")]
    OtherCertificates,
    #[error("has a scope that is not a list of addresses")]
    Scope,
    #[error("has an unknown critical extension {0}")]
    CriticalExtension(String),
    #[error("has no number")]
    NoNumber,
    #[error("has no time of the next update")]
    NoNextUpdate,
    #[error("is older than the list already in use")]
    Older,
}

/// A file that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlFault {
    pub file: PathBuf,
    pub error: CrlError,
}

/// One list in use, for the status page and for alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlStatus {
    pub this_update: Timestamp,
    pub next_update: Timestamp,
    /// Half its life: by now a newer one should have come.
    pub half_life: Timestamp,
    pub entries: usize,
    /// The file that it was read from, or where what was fetched is kept.
    pub source: PathBuf,
}

impl CrlStatus {
    /// From here on nobody doubts that a newer list should be in hand: a twentieth of its life past the half, for
    /// authorities that publish at the half.
    pub fn overdue_from(&self) -> Timestamp {
        let life = self.this_update.duration_until(self.next_update);
        self.half_life.saturating_add(life / 20).unwrap_or(self.next_update)
    }
}

/// One whole list of one issuer.
#[derive(Debug)]
struct Crl {
    source: PathBuf,
    number: Serial,
    /// The addresses of the distribution point that it covers; empty: all of the issuer's certificates.
    scope: Vec<String>,
    this_update: Timestamp,
    next_update: Timestamp,
    /// By serial number.
    entries: Vec<Entry>,
}

/// 24 octets: 200,000 of them are 4.8 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    serial: Serial,
    /// Since 1970; good until 2106.
    revoked_at_seconds: u32,
}

/// What the lists say about a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    Revoked {
        at: Timestamp,
    },
    /// There is no list that speaks of it.
    Unknown,
    /// There is one, and it is past its grace.
    Stale {
        next_update: Timestamp,
    },
}

/// The fingerprint of an issuer's certificate: two issuers of one name but with different keys are two.
pub(super) type IssuerKey = [u8; 32];

/// All lists in use: one per issuer and scope. A clone shares the lists.
#[derive(Debug, Clone, Default)]
pub(super) struct Revocations {
    lists: BTreeMap<IssuerKey, Vec<Arc<Crl>>>,
    points: Arc<DistributionPoints>,
    answers: Arc<OcspAnswers>,
}

impl Revocations {
    /// Reads `files`, and then `cached`, which was fetched before; keeps from `self` what they don't replace: a damaged
    /// or older file never takes a good list away. Of what was fetched, only damage is told: that a file is newer or an
    /// issuer no longer trusted is no fault of it. Blocking, some hundred milliseconds for the largest lists.
    pub fn renewed(&self, files: &[PathBuf], cached: &[PathBuf], issuers: &[Issuer]) -> (Revocations, Vec<CrlFault>) {
        let trusted = |key: &IssuerKey| issuers.iter().any(|issuer| issuer.certificate.fingerprint == *key);
        let mut renewed = self.clone();
        renewed.lists.retain(|key, _| trusted(key));
        renewed.points.retain(trusted);
        let mut faults = Vec::new();
        for (place, file) in files.iter().chain(cached).enumerate() {
            match read(file).and_then(|list| renewed.take(file, &list, issuers)) {
                Err(CrlError::Older | CrlError::UnknownIssuer) if place >= files.len() => {}
                Err(error) => faults.push(CrlFault { file: file.clone(), error }),
                Ok(_) => {}
            }
        }
        (renewed, faults)
    }

    /// Takes `list`, DER or PEM, in the place of an older one of the same issuer and scope. Blocking, as `renewed`.
    pub fn take(&mut self, source: &Path, list: &[u8], issuers: &[Issuer]) -> Result<CrlStatus, CrlError> {
        let (keys, crl) = if is_pem(list) {
            let der = CertificateRevocationListDer::from_pem_slice(list).map_err(|_| CrlError::Malformed)?;
            parse(source, &der, issuers)?
        } else {
            parse(source, list, issuers)?
        };
        let crl = Arc::new(crl);
        for key in keys {
            let lists = self.lists.entry(key).or_default();
            match lists.iter_mut().find(|held| held.scope == crl.scope) {
                Some(held) if held.number > crl.number => return Err(CrlError::Older),
                Some(held) => *held = Arc::clone(&crl),
                None => lists.push(Arc::clone(&crl)),
            }
        }
        Ok(crl.status())
    }

    /// What lists and responders say, by what the issuer is set to, of a certificate whose signature by `issuer` has been
    /// verified. Who stands on a list is revoked in any case.
    pub fn standing(
        &self,
        issuer: &Issuer,
        certificate: &Certificate,
        now: Timestamp,
        max_stale: Duration,
    ) -> Standing {
        let said = || match self.answers.said(&(issuer.certificate.fingerprint, certificate.serial), now)? {
            OcspSaid::Good => Some(Standing::Good),
            OcspSaid::Revoked { at } => Some(Standing::Revoked { at }),
        };
        match issuer.revocation {
            RevocationSource::Crl => self.listed(issuer, certificate, now, max_stale),
            RevocationSource::Ocsp => {
                let mut lists = self.of(issuer).filter(|crl| crl.covers(certificate));
                match lists.find_map(|crl| crl.revoked_at(certificate.serial)) {
                    Some(at) => Standing::Revoked { at },
                    None => said().unwrap_or(Standing::Unknown),
                }
            }
            RevocationSource::CrlThenOcsp => match self.listed(issuer, certificate, now, max_stale) {
                open @ (Standing::Unknown | Standing::Stale { .. }) => said().unwrap_or(open),
                settled => settled,
            },
        }
    }

    /// What to ask of a responder, where only that can settle how the certificate stands.
    pub fn question(
        &self,
        issuer: &Issuer,
        certificate: &Certificate,
        now: Timestamp,
        max_stale: Duration,
    ) -> Option<OcspQuestion> {
        if issuer.revocation == RevocationSource::Crl {
            return None;
        }
        match self.standing(issuer, certificate, now, max_stale) {
            Standing::Unknown | Standing::Stale { .. } => OcspQuestion::about(issuer, certificate),
            Standing::Good | Standing::Revoked { .. } => None,
        }
    }

    pub fn answers(&self) -> &OcspAnswers {
        &self.answers
    }

    /// By lists alone. Of a certificate whose signature by `issuer` has been verified: only then are the addresses that it names worth
    /// noting. `max_stale` is the grace after a list's next update. A serial once listed is revoked, however old the
    /// list.
    fn listed(&self, issuer: &Issuer, certificate: &Certificate, now: Timestamp, max_stale: Duration) -> Standing {
        self.points.note(&issuer.certificate.fingerprint, &certificate.crl_uris);
        let mut newest: Option<Timestamp> = None;
        for crl in self.of(issuer).filter(|crl| crl.covers(certificate)) {
            if let Some(at) = crl.revoked_at(certificate.serial) {
                return Standing::Revoked { at };
            }
            newest = newest.max(Some(crl.next_update));
        }
        match newest {
            Some(next_update) if next_update.checked_add(max_stale).is_ok_and(|end| now <= end) => Standing::Good,
            Some(next_update) => Standing::Stale { next_update },
            None if !issuer.crl_required && self.of(issuer).next().is_none() => Standing::Good,
            None => Standing::Unknown,
        }
    }

    pub fn points(&self) -> &Arc<DistributionPoints> {
        &self.points
    }

    /// When the newest list was made: that moment has passed.
    pub fn newest(&self) -> Option<Timestamp> {
        self.lists.values().flatten().map(|crl| crl.this_update).max()
    }

    pub fn status(&self, issuer: &Issuer) -> Vec<CrlStatus> {
        self.of(issuer).map(|crl| crl.status()).collect()
    }

    fn of(&self, issuer: &Issuer) -> impl Iterator<Item = &Arc<Crl>> {
        self.lists.get(&issuer.certificate.fingerprint).into_iter().flatten()
    }
}

impl Crl {
    fn covers(&self, certificate: &Certificate) -> bool {
        self.scope.is_empty() || self.scope.iter().any(|uri| certificate.crl_uris.contains(uri))
    }

    fn revoked_at(&self, serial: Serial) -> Option<Timestamp> {
        let place = self.entries.binary_search_by_key(&serial, |entry| entry.serial).ok()?;
        let at = i64::from(self.entries.get(place)?.revoked_at_seconds);
        // Every second until 2106 is a time.
        Some(Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    fn status(&self) -> CrlStatus {
        let half = (self.next_update.as_second() - self.this_update.as_second()) / 2;
        CrlStatus {
            this_update: self.this_update,
            next_update: self.next_update,
            half_life: Timestamp::from_second(self.this_update.as_second() + half).unwrap_or(self.next_update),
            entries: self.entries.len(),
            source: self.source.clone(),
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, CrlError> {
    read_bounded(file, LIST_BYTES_MAX as u64).map_err(|error| match error {
        ReadError::Io(kind) => CrlError::Io(kind),
        ReadError::TooLarge => CrlError::TooLarge,
    })
}

/// The issuers whose list it is (one CA may stand at several doors), and the list.
fn parse(source: &Path, der: &[u8], issuers: &[Issuer]) -> Result<(Vec<IssuerKey>, Crl), CrlError> {
    let (rest, list) = CertificateRevocationList::from_der(der).map_err(|_| CrlError::Malformed)?;
    if !rest.is_empty() {
        return Err(CrlError::Malformed);
    }
    let keys = signers(&list, issuers)?;
    let scope = scope(list.extensions())?;
    // The lenient parser has named what it could; whatever the strict one refuses beyond that, we refuse too. It alone
    // insists on an address in the scope, which RFC 5280 leaves open.
    match webpki::BorrowedCertRevocationList::from_der(der) {
        Ok(_) | Err(webpki::Error::UnsupportedCrlIssuingDistributionPoint) => {}
        Err(_) => return Err(CrlError::Malformed),
    }
    let number = list.crl_number().ok_or(CrlError::NoNumber)?;
    let mut entries = Vec::new();
    for entry in list.iter_revoked_certificates() {
        entry.extensions().iter().try_for_each(check_entry)?;
        let at = entry.revocation_date.timestamp().clamp(0, i64::from(u32::MAX));
        entries.push(Entry {
            serial: Serial::from_raw(entry.raw_serial()).ok_or(CrlError::Malformed)?,
            revoked_at_seconds: u32::try_from(at).unwrap_or(u32::MAX),
        });
        if entries.len() > ENTRIES_MAX {
            return Err(CrlError::TooLarge);
        }
    }
    entries.sort_unstable();
    let crl = Crl {
        source: source.to_owned(),
        number: Serial::from_raw(&number.to_bytes_be()).ok_or(CrlError::NoNumber)?,
        scope,
        this_update: timestamp(list.last_update()).map_err(|_| CrlError::Malformed)?,
        next_update: timestamp(list.next_update().ok_or(CrlError::NoNextUpdate)?).map_err(|_| CrlError::Malformed)?,
        entries,
    };
    Ok((keys, crl))
}

/// Whose list it is: by name first, by signature in the end.
fn signers(list: &CertificateRevocationList<'_>, issuers: &[Issuer]) -> Result<Vec<IssuerKey>, CrlError> {
    let named: Vec<_> =
        issuers.iter().filter(|issuer| issuer.certificate.subject_der == list.issuer().as_raw()).collect();
    if named.is_empty() {
        return Err(CrlError::UnknownIssuer);
    }
    if SHA1_SIGNATURES.contains(&list.signature_algorithm.algorithm.to_id_string().as_str()) {
        return Err(CrlError::WeakSignature);
    }
    let mut keys = Vec::new();
    for issuer in named {
        let (_, ca) = X509Certificate::from_der(&issuer.der).map_err(|_| CrlError::UnknownIssuer)?;
        if list.verify_signature(ca.public_key()).is_err() {
            continue;
        }
        if issuer.certificate.key_usage.is_some_and(|usage| !usage.crl_sign) {
            return Err(CrlError::IssuerMayNotSign);
        }
        keys.push(issuer.certificate.fingerprint);
    }
    if keys.is_empty() { Err(CrlError::BadSignature) } else { Ok(keys) }
}

/// The addresses that the list covers; refuses what makes it less, or more, than one issuer's whole list.
fn scope(extensions: &[X509Extension<'_>]) -> Result<Vec<String>, CrlError> {
    let mut scope = Vec::new();
    for extension in extensions {
        match extension.oid.to_id_string().as_str() {
            EXTENSION_DELTA => return Err(CrlError::Delta),
            EXTENSION_ISSUING_DISTRIBUTION_POINT => match extension.parsed_extension() {
                ParsedExtension::IssuingDistributionPoint(point) => scope = addresses(point)?,
                _ => return Err(CrlError::Scope),
            },
            EXTENSION_CRL_NUMBER | EXTENSION_AUTHORITY_KEY => {}
            other if extension.critical => return Err(CrlError::CriticalExtension(other.to_owned())),
            _ => {}
        }
    }
    Ok(scope)
}

fn addresses(point: &IssuingDistributionPoint<'_>) -> Result<Vec<String>, CrlError> {
    if point.indirect_crl {
        return Err(CrlError::Indirect);
    }
    if point.only_some_reasons.is_some() {
        return Err(CrlError::SomeReasons);
    }
    if point.only_contains_ca_certs || point.only_contains_attribute_certs {
        return Err(CrlError::OtherCertificates);
    }
    let Some(name) = &point.distribution_point else { return Ok(Vec::new()) };
    let mut addresses = uris(name);
    if addresses.is_empty() {
        return Err(CrlError::Scope);
    }
    addresses.sort_unstable();
    Ok(addresses)
}

fn check_entry(extension: &X509Extension<'_>) -> Result<(), CrlError> {
    match extension.oid.to_id_string().as_str() {
        EXTENSION_CERTIFICATE_ISSUER => Err(CrlError::Indirect),
        EXTENSION_REASON | EXTENSION_INVALIDITY_DATE => Ok(()),
        other if extension.critical => Err(CrlError::CriticalExtension(other.to_owned())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
