//! From a certificate to a [`Caller`] or a [`Rejection`]. Whether the caller has a post, a role or a registration is
//! a use case's question. The only room that parses X.509: webpki decides, x509-parser describes.
//!
//! | file | holds |
//! |---|---|
//! | `certificate` | the few fields read |
//! | `distribution` | where lists of revoked certificates are published |
//! | `issuer` | issuing CAs, trusted and refused by name |
//! | `known` | what is known of issuers, trusted or not |
//! | `ocsp` | the question to an issuer's responder, its answer, what answers are remembered |
//! | `revocation` | the index of revoked serial numbers |
//! | `trust` | the snapshot of all that |
//! | `rules` | the judging, rule by rule |
//! | `seen` | what need not be proven twice |

mod certificate;
mod distribution;
mod issuer;
mod known;
mod ocsp;
mod revocation;
mod rules;
mod seen;
mod trust;

#[cfg(test)]
mod testing;

use std::fmt;

use jiff::Timestamp;

use crate::domain::id::{HsaId, Private};
use crate::domain::rejection::{Detail, RejectionCode};

pub use certificate::{Certificate, Serial, describe};
pub use distribution::POINTS_PER_ISSUER_MAX;
pub use issuer::{Environment, IssuerKind, IssuerSettings, RefusedIssuer};
pub use known::{IssuerState, KnownIssuer};
pub use ocsp::{OCSP_ANSWER_BYTES_MAX, OcspError, OcspKey, OcspQuestion, OcspSaid, RevocationSource};
pub use revocation::{CrlError, CrlStatus, LIST_BYTES_MAX};
pub use rules::{DoorExamination, Examination};
pub use trust::{CrlPoint, IssuerStatus, Trust, TrustError, TrustSettings};

/// The two doors at which a certificate lets somebody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// Registered systems, by function certificates.
    Portal,
    /// People, by their cards.
    Staff,
}

/// What the caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerKind {
    System,
    Person,
}

/// Whom a good certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub hsa_id: HsaId,
    pub kind: CallerKind,
    /// The person's or the system's name as the certificate writes it.
    pub display: Option<Private>,
    /// The issuing CA's name.
    pub issuer: String,
    pub serial: Serial,
    /// SHA-256 of the certificate: what a session is bound to.
    pub fingerprint: [u8; 32],
    pub not_after: Timestamp,
    /// The person's level of assurance, 2 or 3.
    pub loa: Option<u8>,
}

/// Why a certificate lets nobody in. Fit for a log: the names of CAs only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub code: RejectionCode,
    /// The issuing CA's name, where it could be read and is no person's.
    pub issuer: Option<String>,
    /// None where there was no certificate to read.
    pub facts: Option<Box<Facts>>,
    /// What the code alone does not say.
    pub detail: Option<Detail>,
    /// The organisation number in the HSA-id of a certificate whose signature is good: whose local IT helps.
    pub organisation: Option<String>,
}

/// What a log may hold of a refused certificate: enough to find it at its issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub serial: Serial,
    pub fingerprint: [u8; 32],
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(issuer) = &self.issuer {
            write!(f, ", issuer {issuer:?}")?;
        }
        if let Some(facts) = &self.facts {
            let (serial, sha256) = (facts.serial, certificate::hex(&facts.fingerprint));
            write!(f, ", serial {serial}, sha256 {sha256}, valid {} to {}", facts.not_before, facts.not_after)?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}
