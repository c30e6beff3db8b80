//! What the peer learns of a refused certificate: TLS has a handful of words for it. The whole reason stays with us.

use std::sync::Arc;

use rustls::{CertificateError, OtherError};

/// The alert that a refusal is told by (RFC 8446 section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alert {
    /// `bad_certificate`: damaged, badly signed, or without what it has to hold.
    Bad,
    /// `certificate_expired`: past its end or before its beginning.
    Expired,
    /// `certificate_revoked`
    Revoked,
    /// `unknown_ca`: of an issuer that this door does not take.
    UnknownIssuer,
    /// `unsupported_certificate`: made for another purpose.
    WrongPurpose,
    /// `access_denied`: good, and not good enough.
    Denied,
    /// `certificate_unknown`: nothing that its holder could cure.
    Unspecified,
}

/// A judge's no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    pub alert: Alert,
    /// For our log, never for the peer.
    pub reason: String,
}

impl From<Refused> for rustls::Error {
    fn from(refused: Refused) -> rustls::Error {
        rustls::Error::InvalidCertificate(match refused.alert {
            Alert::Bad => CertificateError::BadEncoding,
            Alert::Expired => CertificateError::Expired,
            Alert::Revoked => CertificateError::Revoked,
            Alert::UnknownIssuer => CertificateError::UnknownIssuer,
            Alert::WrongPurpose => CertificateError::InvalidPurpose,
            Alert::Denied => CertificateError::ApplicationVerificationFailure,
            Alert::Unspecified => CertificateError::Other(OtherError(Arc::new(refused))),
        })
    }
}
