//! Why somebody who knocked is not let in: the rules in their order, the codes, and what a code alone does not say. The
//! texts for people are written elsewhere, keyed by these.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::clinic::Texts;

/// Stable codes, kebab-case on the wire, in logs and in the catalogue of problems.
///
/// Identity judges the first group from the certificate alone; use cases judge the rest from the directory and the
/// register of portals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectionCode {
    NoCertificate,
    MalformedCertificate,
    TeliaELegitimation,
    PersonIdCertificate,
    FunctionCertificateAtStaffDoor,
    PersonCertificateAtPortalDoor,
    WrongIssuer,
    UntrustedSignature,
    TestInProduction,
    ProductionInTest,
    AnchorExpired,
    IssuerEnded,
    ClockWrong,
    NotYetValid,
    Expired,
    SigningCertificate,
    NotForClientAuthentication,
    Revoked,
    RevocationUnknown,
    CrlStale,
    NoHsaId,
    MalformedHsaId,
    LevelTooLow,
    NoPost,
    PostEnded,
    NoRole,
    PortalNotRegistered,
    PortalSuspended,
    CaseTypeNotAllowed,
}

impl RejectionCode {
    /// Every code, in the order in which it is judged: catalogues and text tables are tested against it.
    pub const ALL: [RejectionCode; 29] = [
        RejectionCode::NoCertificate,
        RejectionCode::MalformedCertificate,
        RejectionCode::TeliaELegitimation,
        RejectionCode::PersonIdCertificate,
        RejectionCode::FunctionCertificateAtStaffDoor,
        RejectionCode::PersonCertificateAtPortalDoor,
        RejectionCode::WrongIssuer,
        RejectionCode::UntrustedSignature,
        RejectionCode::TestInProduction,
        RejectionCode::ProductionInTest,
        RejectionCode::AnchorExpired,
        RejectionCode::IssuerEnded,
        RejectionCode::ClockWrong,
        RejectionCode::NotYetValid,
        RejectionCode::Expired,
        RejectionCode::SigningCertificate,
        RejectionCode::NotForClientAuthentication,
        RejectionCode::Revoked,
        RejectionCode::RevocationUnknown,
        RejectionCode::CrlStale,
        RejectionCode::NoHsaId,
        RejectionCode::MalformedHsaId,
        RejectionCode::LevelTooLow,
        RejectionCode::NoPost,
        RejectionCode::PostEnded,
        RejectionCode::NoRole,
        RejectionCode::PortalNotRegistered,
        RejectionCode::PortalSuspended,
        RejectionCode::CaseTypeNotAllowed,
    ];

    /// The code as it stands in a problem, a log line or a URL of the catalogue.
    pub fn as_str(self) -> &'static str {
        match self {
            RejectionCode::NoCertificate => "no-certificate",
            RejectionCode::MalformedCertificate => "malformed-certificate",
            RejectionCode::TeliaELegitimation => "telia-e-legitimation",
            RejectionCode::PersonIdCertificate => "person-id-certificate",
            RejectionCode::FunctionCertificateAtStaffDoor => "function-certificate-at-staff-door",
            RejectionCode::PersonCertificateAtPortalDoor => "person-certificate-at-portal-door",
            RejectionCode::WrongIssuer => "wrong-issuer",
            RejectionCode::UntrustedSignature => "untrusted-signature",
            RejectionCode::TestInProduction => "test-in-production",
            RejectionCode::ProductionInTest => "production-in-test",
            RejectionCode::AnchorExpired => "anchor-expired",
            RejectionCode::IssuerEnded => "issuer-ended",
            RejectionCode::ClockWrong => "clock-wrong",
            RejectionCode::NotYetValid => "not-yet-valid",
            RejectionCode::Expired => "expired",
            RejectionCode::SigningCertificate => "signing-certificate",
            RejectionCode::NotForClientAuthentication => "not-for-client-authentication",
            RejectionCode::Revoked => "revoked",
            RejectionCode::RevocationUnknown => "revocation-unknown",
            RejectionCode::CrlStale => "crl-stale",
            RejectionCode::NoHsaId => "no-hsa-id",
            RejectionCode::MalformedHsaId => "malformed-hsa-id",
            RejectionCode::LevelTooLow => "level-too-low",
            RejectionCode::NoPost => "no-post",
            RejectionCode::PostEnded => "post-ended",
            RejectionCode::NoRole => "no-role",
            RejectionCode::PortalNotRegistered => "portal-not-registered",
            RejectionCode::PortalSuspended => "portal-suspended",
            RejectionCode::CaseTypeNotAllowed => "case-type-not-allowed",
        }
    }
}

impl RejectionCode {
    /// A code that somebody was told and tells again.
    pub fn parse(text: &str) -> Option<RejectionCode> {
        RejectionCode::ALL.into_iter().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for RejectionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RejectionCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RejectionCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RejectionCode, D::Error> {
        let text = String::deserialize(deserializer)?;
        RejectionCode::parse(&text).ok_or_else(|| serde::de::Error::custom("a code of the catalogue of rejections"))
    }
}

/// A rule of a door, in the order in which they are judged. The first four prove whose certificate it is: without one of
/// them, those after it say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A certificate came.
    Presented,
    Readable,
    /// Its issuer stands in the door's allow-list.
    Issuer,
    /// That issuer has signed it.
    Signature,
    /// A test issuer in test, a production one in production.
    Environment,
    /// The issuer's own certificate is valid, and the door has not ended it.
    IssuerCurrent,
    Validity,
    /// Made for signing in.
    Purpose,
    NotRevoked,
    /// It holds an HSA-id of the right environment.
    HsaId,
    /// The level of assurance is enough for the door. People only.
    Level,
}

impl Rule {
    pub const ALL: [Rule; 11] = [
        Rule::Presented,
        Rule::Readable,
        Rule::Issuer,
        Rule::Signature,
        Rule::Environment,
        Rule::IssuerCurrent,
        Rule::Validity,
        Rule::Purpose,
        Rule::NotRevoked,
        Rule::HsaId,
        Rule::Level,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Rule::Presented => "presented",
            Rule::Readable => "readable",
            Rule::Issuer => "issuer",
            Rule::Signature => "signature",
            Rule::Environment => "environment",
            Rule::IssuerCurrent => "issuer-current",
            Rule::Validity => "validity",
            Rule::Purpose => "purpose",
            Rule::NotRevoked => "not-revoked",
            Rule::HsaId => "hsa-id",
            Rule::Level => "level",
        }
    }
}

/// What became of one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Failed(RejectionCode),
    /// What it would have looked at is not proven.
    NotReached,
}

/// What a code alone does not say. Names of authorities, times and levels; nothing of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// The certificate, or its issuer's, was valid until then.
    Ended(Timestamp),
    /// It will be valid from then on.
    Begins(Timestamp),
    Revoked(Timestamp),
    /// A newer revocation list was due then.
    ListDue(Timestamp),
    /// The first day on which the issuer is no longer taken.
    IssuerEnded(Date),
    /// By our clock it is `ours`, although `passed` lies behind us.
    Clock {
        ours: Timestamp,
        passed: Timestamp,
    },
    Level {
        own: u8,
        least: u8,
    },
    /// What was chosen, in the words of the description of issuers.
    Chosen(Texts),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once_and_kebab_case() {
        for (place, code) in RejectionCode::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, place, "{code} is listed out of order or twice");
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{code}");
        }
        assert_eq!(RejectionCode::CaseTypeNotAllowed as usize + 1, RejectionCode::ALL.len());
    }
}
