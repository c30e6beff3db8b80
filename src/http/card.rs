//! A certificate that somebody shows at the card test, with what the certificate alone means to each door. It grants
//! nothing, and is shown to nobody but who has its key.

use super::request::{CallerFacts, RejectionFacts};
use crate::domain::card::{CertificateFacts, KnownAs, TriedDoor};
use crate::domain::rejection::{Rule, Verdict};

/// What was shown: perhaps no certificate at all, or one that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub certificate: Option<CertificateFacts>,
    /// What its issuer's name stands for, where that is known. The issuer has perhaps not signed it.
    pub known_as: Option<KnownAs>,
    pub doors: Vec<AtDoor>,
}

/// What a door says to the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtDoor {
    pub door: TriedDoor,
    /// In the order in which they are judged.
    pub rules: Vec<(Rule, Verdict)>,
    pub judged: Result<CallerFacts, RejectionFacts>,
}
