//! What is known of issuers, trusted or not: by their names a rejection says what was chosen, and an issuer's file is
//! held against the fingerprint that was published. The descriptions themselves lie in `config/pki/`.

use jiff::civil::Date;

use super::certificate::Certificate;
use super::issuer::{Environment, IssuerKind};
use crate::domain::clinic::Texts;

/// More authorities than all of Sweden's care has had.
pub(super) const KNOWN_MAX: usize = 256;

/// One authority by its published name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIssuer {
    /// The whole common name.
    pub common_name: String,
    /// The organisation in its name; none where it is not known for certain.
    pub organisation: Option<String>,
    pub kind: IssuerKind,
    pub environment: Environment,
    /// The level of assurance of people's certificates.
    pub level: Option<u8>,
    /// SHA-256 of its certificate, where published.
    pub fingerprint: Option<[u8; 32]>,
    /// The common name of the authority above it.
    pub parent: Option<String>,
    pub state: IssuerState,
    /// What people call what it issues.
    pub label: Texts,
    /// Where its own revocation lists, answers and certificate are published.
    pub crls: Vec<String>,
    pub ocsp: Option<String>,
    pub certificate: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerState {
    Current,
    /// Issues no more; with the day where it is known.
    Ended(Option<Date>),
}

impl KnownIssuer {
    /// Whether `certificate` claims to come from this authority. Whole names are compared: a claim is not yet a proof.
    pub(super) fn is_claimed_by(&self, certificate: &Certificate) -> bool {
        let organisation_fits = match (&self.organisation, &certificate.issuer_organisation) {
            (Some(known), Some(claimed)) => known == claimed,
            (Some(_), None) => false,
            (None, _) => true,
        };
        certificate.issuer_name.as_ref() == Some(&self.common_name) && organisation_fits
    }
}
