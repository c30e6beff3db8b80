//! Why somebody who knocked is not let in: the codes only. The texts for people are written elsewhere, keyed by these.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
    NotYetValid,
    Expired,
    SigningCertificate,
    NotForClientAuthentication,
    Revoked,
    RevocationUnknown,
    NoHsaId,
    MalformedHsaId,
    NoPost,
    PostEnded,
    NoRole,
    PortalNotRegistered,
    PortalSuspended,
    CaseTypeNotAllowed,
}

impl RejectionCode {
    /// Every code, in the order in which it is judged: catalogues and text tables are tested against it.
    pub const ALL: [RejectionCode; 25] = [
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
        RejectionCode::NotYetValid,
        RejectionCode::Expired,
        RejectionCode::SigningCertificate,
        RejectionCode::NotForClientAuthentication,
        RejectionCode::Revoked,
        RejectionCode::RevocationUnknown,
        RejectionCode::NoHsaId,
        RejectionCode::MalformedHsaId,
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
            RejectionCode::NotYetValid => "not-yet-valid",
            RejectionCode::Expired => "expired",
            RejectionCode::SigningCertificate => "signing-certificate",
            RejectionCode::NotForClientAuthentication => "not-for-client-authentication",
            RejectionCode::Revoked => "revoked",
            RejectionCode::RevocationUnknown => "revocation-unknown",
            RejectionCode::NoHsaId => "no-hsa-id",
            RejectionCode::MalformedHsaId => "malformed-hsa-id",
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
