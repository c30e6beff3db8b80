//! The judging: one list of rules and two uses. [`Trust::judge`] stops at the first that fails, [`Trust::examine`] goes
//! on to the end. webpki decides on the signature and the purpose; the order gives whoever is refused the reason that
//! helps most.

use std::cell::Cell;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage as Purpose};

use super::certificate::{Certificate, describe};
use super::issuer::{Environment, Issuer, IssuerKind, names_test};
use super::known::{IssuerState, KnownIssuer};
use super::ocsp::OcspQuestion;
use super::revocation::Standing;
use super::seen::Seen;
use super::trust::Trust;
use super::{Caller, CallerKind, Door, Facts, Rejection};
use crate::crypto::sha256;
use crate::domain::calendar::local_date;
use crate::domain::id::HsaId;
use crate::domain::rejection::{Detail, RejectionCode, Rule, Verdict};

/// So much a clock may be behind before it is called wrong.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_mins(5);

/// What a certificate is, and what each door makes of it.
#[derive(Debug)]
pub struct Examination {
    /// None where none came or it cannot be read.
    pub certificate: Option<Certificate>,
    /// What its issuer is, where the descriptions know the name. A claim until a door's signature rule has passed.
    pub issuer: Option<KnownIssuer>,
    pub portal: DoorExamination,
    pub staff: DoorExamination,
}

/// Every rule of one door with its verdict.
#[derive(Debug)]
pub struct DoorExamination {
    /// In the order of [`Rule::ALL`].
    pub rules: Vec<(Rule, Verdict)>,
    /// What [`Trust::judge`] says: the first failure, or who comes in.
    pub outcome: Result<Caller, Rejection>,
}

/// A rule's no.
struct Refusal {
    code: RejectionCode,
    detail: Option<Detail>,
}

impl From<RejectionCode> for Refusal {
    fn from(code: RejectionCode) -> Refusal {
        Refusal { code, detail: None }
    }
}

impl RejectionCode {
    fn because(self, detail: Detail) -> Refusal {
        Refusal { code: self, detail: Some(detail) }
    }
}

/// A certificate whose issuer is allow-listed and has signed it.
struct Proven<'a> {
    certificate: &'a Certificate,
    issuer: &'a Issuer,
    /// By extended key usage.
    client_authentication: bool,
    hsa_id: Result<HsaId, RejectionCode>,
}

/// A rule about a proven certificate. They don't need each other.
type Check = fn(&Trust, Door, &Proven<'_>, Timestamp) -> Result<(), Refusal>;

const CHECKS: [(Rule, Check); 7] = [
    (Rule::Environment, Trust::check_environment),
    (Rule::IssuerCurrent, Trust::check_issuer_current),
    (Rule::Validity, Trust::check_validity),
    (Rule::Purpose, Trust::check_purpose),
    (Rule::NotRevoked, Trust::check_not_revoked),
    (Rule::HsaId, Trust::check_hsa_id),
    (Rule::Level, Trust::check_level),
];

impl Trust {
    /// Who the leaf of `chain` names at `door`. The rest of the chain is not looked at: allow-lists name the issuing
    /// CAs themselves.
    pub fn judge(&self, door: Door, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<Caller, Rejection> {
        let bare = |code| Rejection { code, issuer: None, facts: None, detail: None, organisation: None };
        let leaf = chain.first().ok_or_else(|| bare(RejectionCode::NoCertificate))?;
        let digest = sha256(&[leaf]);
        if let Some(seen) = self.seen.find(door, &digest)
            && let Some(proven) = self.recalled(&seen)
        {
            return self.check(door, &proven, now);
        }
        let certificate = describe(leaf).map_err(|_| bare(RejectionCode::MalformedCertificate))?;
        let proven =
            self.prove(door, leaf, &certificate, now).map_err(|(_, refusal)| rejection(refusal, &certificate, None))?;
        if let Some(issuer) = self.issuers.iter().position(|issuer| std::ptr::eq(issuer, proven.issuer)) {
            let (client_authentication, hsa_id) = (proven.client_authentication, proven.hsa_id.clone());
            let seen = Seen { certificate: certificate.clone(), issuer, client_authentication, hsa_id };
            self.seen.note(door, digest, seen);
        }
        self.check(door, &proven, now)
    }

    /// What was proven of a certificate when it was first seen: neither time nor a revocation list changes it.
    fn recalled<'a>(&'a self, seen: &'a Seen) -> Option<Proven<'a>> {
        Some(Proven {
            certificate: &seen.certificate,
            issuer: self.issuers.get(seen.issuer)?,
            client_authentication: seen.client_authentication,
            hsa_id: seen.hsa_id.clone(),
        })
    }

    /// Everything else about a certificate, each time that it is shown.
    fn check(&self, door: Door, proven: &Proven<'_>, now: Timestamp) -> Result<Caller, Rejection> {
        for (_, check) in CHECKS {
            check(self, door, proven, now)
                .map_err(|refusal| rejection(refusal, proven.certificate, organisation(proven)))?;
        }
        self.caller(proven).map_err(|code| rejection(code.into(), proven.certificate, None))
    }

    /// What to ask of the issuer's responder, where nothing but its answer stands between the leaf of `chain` and `door`.
    pub fn ocsp_question(&self, door: Door, chain: &[CertificateDer<'_>], now: Timestamp) -> Option<OcspQuestion> {
        let leaf = chain.first()?;
        let certificate = describe(leaf).ok()?;
        let proven = self.prove(door, leaf, &certificate, now).ok()?;
        let mut others = CHECKS.into_iter().filter(|(rule, _)| *rule != Rule::NotRevoked);
        if !others.all(|(_, check)| check(self, door, &proven, now).is_ok()) {
            return None;
        }
        self.revocations.question(proven.issuer, &certificate, now, self.crl_max_stale)
    }

    /// What the leaf of `chain` is, and every rule of both doors. Costs two judgements: for who asks, not for each
    /// connection.
    pub fn examine(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> Examination {
        let certificate = chain.first().and_then(|leaf| describe(leaf).ok());
        Examination {
            issuer: certificate.as_ref().and_then(|certificate| self.recognise(certificate)).cloned(),
            portal: self.examine_at(Door::Portal, chain, certificate.as_ref(), now),
            staff: self.examine_at(Door::Staff, chain, certificate.as_ref(), now),
            certificate,
        }
    }

    fn examine_at(
        &self,
        door: Door,
        chain: &[CertificateDer<'_>],
        certificate: Option<&Certificate>,
        now: Timestamp,
    ) -> DoorExamination {
        let outcome = self.judge(door, chain, now);
        let proven = match (chain.first(), certificate) {
            (None, _) => Err((Rule::Presented, RejectionCode::NoCertificate)),
            (Some(_), None) => Err((Rule::Readable, RejectionCode::MalformedCertificate)),
            (Some(leaf), Some(certificate)) => {
                self.prove(door, leaf, certificate, now).map_err(|(rule, refusal)| (rule, refusal.code))
            }
        };
        let verdict = |rule| match &proven {
            Err((failed, code)) if rule == *failed => Verdict::Failed(*code),
            Err((failed, _)) if rule > *failed => Verdict::NotReached,
            Err(_) => Verdict::Passed,
            Ok(proven) => match CHECKS.into_iter().find(|(of, _)| *of == rule) {
                Some((_, check)) => check(self, door, proven, now)
                    .map_or_else(|refusal| Verdict::Failed(refusal.code), |()| Verdict::Passed),
                None => Verdict::Passed,
            },
        };
        let of_door = |rule: &Rule| *rule != Rule::Level || door == Door::Staff;
        DoorExamination {
            rules: Rule::ALL.into_iter().filter(of_door).map(|rule| (rule, verdict(rule))).collect(),
            outcome,
        }
    }

    /// The description of the authority that `certificate` claims to come from.
    pub(super) fn recognise(&self, certificate: &Certificate) -> Option<&KnownIssuer> {
        self.known.iter().find(|known| known.is_claimed_by(certificate))
    }

    fn prove<'a>(
        &'a self,
        door: Door,
        leaf: &CertificateDer<'_>,
        certificate: &'a Certificate,
        now: Timestamp,
    ) -> Result<Proven<'a>, (Rule, Refusal)> {
        let candidates = self.candidates(door, certificate).map_err(|refusal| (Rule::Issuer, refusal))?;
        // Time is judged later, so that a forged certificate is called forged even when it has expired too.
        let while_valid = now.clamp(certificate.not_before, certificate.not_after);
        let mut refused = RejectionCode::UntrustedSignature;
        for issuer in candidates {
            let purpose = NotedPurpose(Cell::new(true));
            match verify(issuer, leaf, while_valid, &purpose) {
                Ok(()) => {
                    let client_authentication = purpose.0.get();
                    let hsa_id = hsa_id(certificate);
                    return Ok(Proven { certificate, issuer, client_authentication, hsa_id });
                }
                Err(error) => refused = explain(&error),
            }
        }
        let rule = match refused {
            RejectionCode::MalformedCertificate => Rule::Readable,
            _ => Rule::Signature,
        };
        Err((rule, refused.into()))
    }

    /// The door's issuers of the certificate's issuer name, or the reason by which that name is refused.
    fn candidates(&self, door: Door, certificate: &Certificate) -> Result<Vec<&Issuer>, Refusal> {
        let named = |issuer: &&Issuer| issuer.certificate.subject_der == certificate.issuer_der;
        let candidates: Vec<_> = self.issuers.iter().filter(named).filter(|issuer| issuer.door == door).collect();
        if !candidates.is_empty() {
            return Ok(candidates);
        }
        let known = self.recognise(certificate);
        let kind = self
            .issuers
            .iter()
            .find(named)
            .map(|issuer| issuer.kind)
            .or_else(|| self.refused.iter().find_map(|refused| refused.kind_of(certificate)))
            .or_else(|| known.map(|known| known.kind))
            .or_else(|| self.patterns.iter().find_map(|pattern| pattern.kind_of(certificate)));
        let chosen =
            |code: RejectionCode| Refusal { code, detail: known.map(|known| Detail::Chosen(known.label.clone())) };
        let test = certificate.issuer_name.as_deref().is_some_and(names_test);
        Err(match (door, kind) {
            (_, Some(IssuerKind::TeliaELegitimation)) => chosen(RejectionCode::TeliaELegitimation),
            (_, Some(IssuerKind::PersonId | IssuerKind::PersonIdMobile)) => chosen(RejectionCode::PersonIdCertificate),
            (Door::Staff, Some(IssuerKind::Function)) => chosen(RejectionCode::FunctionCertificateAtStaffDoor),
            (Door::Portal, Some(IssuerKind::PersonHsaId { .. })) => {
                chosen(RejectionCode::PersonCertificateAtPortalDoor)
            }
            _ if test && self.environment == Environment::Production => RejectionCode::TestInProduction.into(),
            _ => match known.map(|known| (known.state, known.level)) {
                Some((IssuerState::Ended(Some(day)), _)) => {
                    RejectionCode::IssuerEnded.because(Detail::IssuerEnded(day))
                }
                Some((IssuerState::Ended(None), _)) => chosen(RejectionCode::IssuerEnded),
                Some((_, Some(own))) if own < self.least_level => {
                    RejectionCode::LevelTooLow.because(Detail::Level { own, least: self.least_level })
                }
                _ => chosen(RejectionCode::WrongIssuer),
            },
        })
    }

    fn check_environment(&self, _: Door, proven: &Proven<'_>, _: Timestamp) -> Result<(), Refusal> {
        self.same_environment(proven.issuer.environment == Environment::Test)
    }

    fn same_environment(&self, test: bool) -> Result<(), Refusal> {
        match (self.environment, test) {
            (Environment::Production, true) => Err(RejectionCode::TestInProduction.into()),
            (Environment::Test, false) => Err(RejectionCode::ProductionInTest.into()),
            _ => Ok(()),
        }
    }

    fn check_issuer_current(&self, _: Door, proven: &Proven<'_>, now: Timestamp) -> Result<(), Refusal> {
        let issuer = proven.issuer;
        if now < issuer.certificate.not_before {
            // Its file lies here: it has begun, whatever our clock says.
            let passed = issuer.certificate.not_before;
            return Err(RejectionCode::ClockWrong.because(Detail::Clock { ours: now, passed }));
        }
        if now > issuer.certificate.not_after {
            return Err(RejectionCode::AnchorExpired.because(Detail::Ended(issuer.certificate.not_after)));
        }
        match issuer.ends {
            Some(day) if local_date(now) >= day => Err(RejectionCode::IssuerEnded.because(Detail::IssuerEnded(day))),
            _ => Ok(()),
        }
    }

    fn check_validity(&self, _: Door, proven: &Proven<'_>, now: Timestamp) -> Result<(), Refusal> {
        let Certificate { not_before, not_after, .. } = proven.certificate;
        if now < *not_before {
            return Err(match self.passed {
                Some(passed) if now < passed.saturating_sub(CLOCK_SLACK).unwrap_or(Timestamp::MIN) => {
                    RejectionCode::ClockWrong.because(Detail::Clock { ours: now, passed })
                }
                _ => RejectionCode::NotYetValid.because(Detail::Begins(*not_before)),
            });
        }
        if now > *not_after {
            return Err(RejectionCode::Expired.because(Detail::Ended(*not_after)));
        }
        Ok(())
    }

    /// A card's pair is told apart by key usage; without it we could not, so a missing extension is refused too.
    fn check_purpose(&self, _: Door, proven: &Proven<'_>, _: Timestamp) -> Result<(), Refusal> {
        match proven.certificate.key_usage {
            Some(usage) if usage.digital_signature && proven.client_authentication => Ok(()),
            Some(usage) if usage.non_repudiation && !usage.digital_signature => {
                Err(RejectionCode::SigningCertificate.into())
            }
            _ => Err(RejectionCode::NotForClientAuthentication.into()),
        }
    }

    fn check_not_revoked(&self, _: Door, proven: &Proven<'_>, now: Timestamp) -> Result<(), Refusal> {
        match self.revocations.standing(proven.issuer, proven.certificate, now, self.crl_max_stale) {
            Standing::Good => Ok(()),
            Standing::Revoked { at } => Err(RejectionCode::Revoked.because(Detail::Revoked(at))),
            Standing::Unknown => Err(RejectionCode::RevocationUnknown.into()),
            Standing::Stale { next_update } => Err(RejectionCode::CrlStale.because(Detail::ListDue(next_update))),
        }
    }

    fn check_hsa_id(&self, _: Door, proven: &Proven<'_>, _: Timestamp) -> Result<(), Refusal> {
        match &proven.hsa_id {
            Ok(hsa_id) => self.same_environment(hsa_id.is_test()),
            Err(code) => Err((*code).into()),
        }
    }

    fn check_level(&self, door: Door, proven: &Proven<'_>, _: Timestamp) -> Result<(), Refusal> {
        let least = self.least_level;
        match (door, self.level(proven)) {
            (Door::Staff, Some(own)) if own < least => {
                Err(RejectionCode::LevelTooLow.because(Detail::Level { own, least }))
            }
            _ => Ok(()),
        }
    }

    /// By the certificate's policies, the lowest of them; where none of them is mapped, by its issuer. None of systems.
    fn level(&self, proven: &Proven<'_>) -> Option<u8> {
        let IssuerKind::PersonHsaId { loa } = proven.issuer.kind else { return None };
        let policies = proven.certificate.policies.iter();
        Some(policies.filter_map(|policy| self.loa_policies.get(policy)).min().copied().unwrap_or(loa))
    }

    fn caller(&self, proven: &Proven<'_>) -> Result<Caller, RejectionCode> {
        let loa = self.level(proven);
        Ok(Caller {
            hsa_id: proven.hsa_id.clone()?,
            kind: if loa.is_some() { CallerKind::Person } else { CallerKind::System },
            display: proven.certificate.display_name(),
            issuer: proven.issuer.name.clone(),
            serial: proven.certificate.serial,
            fingerprint: proven.certificate.fingerprint,
            not_after: proven.certificate.not_after,
            loa,
        })
    }
}

fn rejection(refusal: Refusal, certificate: &Certificate, organisation: Option<String>) -> Rejection {
    Rejection {
        code: refusal.code,
        issuer: certificate.issuer_name.clone(),
        facts: Some(Box::new(Facts {
            serial: certificate.serial,
            fingerprint: certificate.fingerprint,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        })),
        detail: refusal.detail,
        organisation,
    }
}

/// The ten digits before the hyphen of the HSA-id: whose local IT helps its holder.
fn organisation(proven: &Proven<'_>) -> Option<String> {
    proven.hsa_id.as_ref().ok()?.organisation().map(|organisation| organisation.as_str().to_owned())
}

/// The one serialNumber of the subject.
fn hsa_id(certificate: &Certificate) -> Result<HsaId, RejectionCode> {
    match certificate.subject_serial_numbers.as_slice() {
        [] => Err(RejectionCode::NoHsaId),
        [one] => HsaId::parse(one.expose()).map_err(|_| RejectionCode::MalformedHsaId),
        _ => Err(RejectionCode::MalformedHsaId),
    }
}

pub(super) fn verify(
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

/// Lets every purpose pass and keeps webpki's verdict for the rule that asks: the signature is verified once.
struct NotedPurpose(Cell<bool>);

impl ExtendedKeyUsageValidator for &NotedPurpose {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        match Purpose::client_auth().validate(purposes) {
            Err(webpki::Error::RequiredEkuNotFoundContext(_)) => {
                self.0.set(false);
                Ok(())
            }
            other => other,
        }
    }
}

fn explain(error: &webpki::Error) -> RejectionCode {
    match error {
        webpki::Error::EmptyEkuExtension | webpki::Error::CaUsedAsEndEntity => {
            RejectionCode::NotForClientAuthentication
        }
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

#[cfg(test)]
mod tests;
