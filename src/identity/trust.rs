//! Everything that we trust at one time, and the judging. webpki decides on signature, validity and purpose; the order
//! of the checks gives whoever is refused the reason that helps most.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage as Purpose};

use super::certificate::{Certificate, describe};
use super::issuer::{Environment, Issuer, IssuerError, IssuerKind, IssuerSettings, Refused, RefusedIssuer, names_test};
use super::revocation::{CrlFault, CrlStatus, Revocations, Standing};
use super::{Caller, CallerKind, Door, Facts, Rejection};
use crate::domain::id::{HsaId, Private};
use crate::domain::rejection::RejectionCode;

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
    /// Refused by name, beside the patterns built in (Telia, SITHS Person ID).
    pub refused: Vec<RefusedIssuer>,
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
}

/// An issuer's state, for the status page and for alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerStatus {
    pub issuer: String,
    pub door: Door,
    pub not_after: Timestamp,
    /// Without a list nobody of this issuer comes in.
    pub crl_required: bool,
    pub crls: Vec<CrlStatus>,
}

/// An immutable snapshot of issuers and revocation lists.
pub struct Trust {
    generation: u64,
    environment: Environment,
    issuers: Vec<Issuer>,
    refused: Vec<Refused>,
    revocations: Revocations,
    faults: Vec<CrlFault>,
    crl_max_stale: Duration,
    loa_policies: BTreeMap<String, u8>,
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
        let mut issuers = Vec::new();
        for (door, list) in [(Door::Portal, &settings.portal), (Door::Staff, &settings.staff)] {
            for issuer in list {
                let loaded = Issuer::load(issuer, door)
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
        refused.extend(Refused::built_in());
        let (revocations, faults) = before.renewed(&settings.crls, &issuers);
        Ok(Trust {
            generation: GENERATION.fetch_add(1, Ordering::Relaxed) + 1,
            environment: settings.environment,
            issuers,
            refused,
            revocations,
            faults,
            crl_max_stale: settings.crl_max_stale,
            loa_policies: settings.loa_policies.clone(),
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

    /// Who the leaf of `chain` names at `door`. The rest of the chain is not looked at: allow-lists name the issuing
    /// CAs themselves.
    pub fn judge(&self, door: Door, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<Caller, Rejection> {
        let bare = |code| Rejection { code, issuer: None, facts: None };
        let leaf = chain.first().ok_or_else(|| bare(RejectionCode::NoCertificate))?;
        let certificate = describe(leaf).map_err(|_| bare(RejectionCode::MalformedCertificate))?;
        self.judge_certificate(door, leaf, &certificate, now).map_err(|code| Rejection {
            code,
            issuer: certificate.issuer_name.clone(),
            facts: Some(Box::new(Facts {
                serial: certificate.serial,
                fingerprint: certificate.fingerprint,
                not_before: certificate.not_before,
                not_after: certificate.not_after,
            })),
        })
    }

    fn judge_certificate(
        &self,
        door: Door,
        leaf: &CertificateDer<'_>,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<Caller, RejectionCode> {
        let candidates = self.candidates(door, certificate)?;
        let issuer = signed_by(candidates, leaf, certificate, now)?;
        self.check_environment(issuer.environment == Environment::Test)?;
        if now < issuer.certificate.not_before || now > issuer.certificate.not_after {
            return Err(RejectionCode::AnchorExpired);
        }
        check_validity(certificate, now)?;
        check_key_usage(certificate)?;
        verify(issuer, leaf, now, Purpose::client_auth()).map_err(|error| explain(&error))?;
        match self.revocations.standing(issuer, certificate, now, self.crl_max_stale) {
            Standing::Good => {}
            Standing::Revoked => return Err(RejectionCode::Revoked),
            Standing::Unknown => return Err(RejectionCode::RevocationUnknown),
        }
        let hsa_id = hsa_id(certificate)?;
        self.check_environment(hsa_id.is_test())?;
        let (kind, loa) = match issuer.kind {
            IssuerKind::PersonHsaId { loa } => (CallerKind::Person, Some(self.policy_loa(certificate).unwrap_or(loa))),
            _ => (CallerKind::System, None),
        };
        Ok(Caller {
            hsa_id,
            kind,
            display: display(certificate),
            issuer: issuer.name.clone(),
            serial: certificate.serial,
            fingerprint: certificate.fingerprint,
            not_after: certificate.not_after,
            loa,
        })
    }

    /// The door's issuers of the certificate's issuer name, or the reason by which that name is refused.
    fn candidates(&self, door: Door, certificate: &Certificate) -> Result<Vec<&Issuer>, RejectionCode> {
        let named = |issuer: &&Issuer| issuer.certificate.subject_der == certificate.issuer_der;
        let candidates: Vec<_> = self.issuers.iter().filter(named).filter(|issuer| issuer.door == door).collect();
        if !candidates.is_empty() {
            return Ok(candidates);
        }
        let elsewhere = self.issuers.iter().find(named).map(|issuer| issuer.kind);
        let kind = elsewhere.or_else(|| self.refused.iter().find_map(|refused| refused.kind_of(certificate)));
        let test = certificate.issuer_name.as_deref().is_some_and(names_test);
        Err(match (door, kind) {
            (_, Some(IssuerKind::TeliaELegitimation)) => RejectionCode::TeliaELegitimation,
            (_, Some(IssuerKind::PersonId)) => RejectionCode::PersonIdCertificate,
            (Door::Staff, Some(IssuerKind::Function)) => RejectionCode::FunctionCertificateAtStaffDoor,
            (Door::Portal, Some(IssuerKind::PersonHsaId { .. })) => RejectionCode::PersonCertificateAtPortalDoor,
            _ if test && self.environment == Environment::Production => RejectionCode::TestInProduction,
            _ => RejectionCode::WrongIssuer,
        })
    }

    fn check_environment(&self, test: bool) -> Result<(), RejectionCode> {
        match (self.environment, test) {
            (Environment::Production, true) => Err(RejectionCode::TestInProduction),
            (Environment::Test, false) => Err(RejectionCode::ProductionInTest),
            _ => Ok(()),
        }
    }

    /// The lowest level that the certificate's policies give, if any.
    fn policy_loa(&self, certificate: &Certificate) -> Option<u8> {
        certificate.policies.iter().filter_map(|policy| self.loa_policies.get(policy)).min().copied()
    }
}

/// The candidate whose key has signed the leaf. Time and purpose don't matter yet, so that a forged certificate is
/// called forged even when it has expired too.
fn signed_by<'i>(
    candidates: Vec<&'i Issuer>,
    leaf: &CertificateDer<'_>,
    certificate: &Certificate,
    now: Timestamp,
) -> Result<&'i Issuer, RejectionCode> {
    let while_valid = now.clamp(certificate.not_before, certificate.not_after);
    let mut refused = RejectionCode::UntrustedSignature;
    for issuer in candidates {
        match verify(issuer, leaf, while_valid, AnyPurpose) {
            Ok(()) => return Ok(issuer),
            Err(error) => refused = explain(&error),
        }
    }
    Err(refused)
}

fn verify(
    issuer: &Issuer,
    leaf: &CertificateDer<'_>,
    at: Timestamp,
    purpose: impl ExtendedKeyUsageValidator,
) -> Result<(), webpki::Error> {
    let seconds = u64::try_from(at.as_second()).unwrap_or(0);
    EndEntityCert::try_from(leaf)?
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            std::slice::from_ref(&issuer.anchor),
            &[],
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            purpose,
            None,
            None,
        )
        .map(|_| ())
}

/// Takes every purpose, as long as the list can be read.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, mut purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        purposes.try_for_each(|purpose| purpose.map(|_| ()))
    }
}

fn explain(error: &webpki::Error) -> RejectionCode {
    match error {
        webpki::Error::CertNotValidYet { .. } => RejectionCode::NotYetValid,
        webpki::Error::CertExpired { .. } => RejectionCode::Expired,
        webpki::Error::RequiredEkuNotFoundContext(_)
        | webpki::Error::EmptyEkuExtension
        | webpki::Error::CaUsedAsEndEntity => RejectionCode::NotForClientAuthentication,
        webpki::Error::BadDer
        | webpki::Error::BadDerTime
        | webpki::Error::TrailingData(_)
        | webpki::Error::ExtensionValueInvalid
        | webpki::Error::InvalidCertValidity
        | webpki::Error::InvalidSerialNumber
        | webpki::Error::MalformedExtensions
        | webpki::Error::UnsupportedCertVersion
        | webpki::Error::UnsupportedCriticalExtension => RejectionCode::MalformedCertificate,
        _ => RejectionCode::UntrustedSignature,
    }
}

fn check_validity(certificate: &Certificate, now: Timestamp) -> Result<(), RejectionCode> {
    if now < certificate.not_before {
        return Err(RejectionCode::NotYetValid);
    }
    if now > certificate.not_after {
        return Err(RejectionCode::Expired);
    }
    Ok(())
}

/// A card's pair is told apart by key usage; without it we could not, so a missing extension is refused too.
fn check_key_usage(certificate: &Certificate) -> Result<(), RejectionCode> {
    match certificate.key_usage {
        Some(usage) if usage.digital_signature => Ok(()),
        Some(usage) if usage.non_repudiation => Err(RejectionCode::SigningCertificate),
        _ => Err(RejectionCode::NotForClientAuthentication),
    }
}

/// The one serialNumber of the subject.
fn hsa_id(certificate: &Certificate) -> Result<HsaId, RejectionCode> {
    match certificate.subject_serial_numbers.as_slice() {
        [] => Err(RejectionCode::NoHsaId),
        [one] => HsaId::parse(one.expose()).map_err(|_| RejectionCode::MalformedHsaId),
        _ => Err(RejectionCode::MalformedHsaId),
    }
}

fn display(certificate: &Certificate) -> Option<Private> {
    match (&certificate.given_name, &certificate.surname) {
        (Some(given), Some(surname)) => Some(Private::new(format!("{} {}", given.expose(), surname.expose()))),
        _ => certificate.common_name.clone(),
    }
}

#[cfg(test)]
mod tests;
