//! The card test on the wire.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::card::{CertificateFacts, DoorRule, Purpose, TriedDoor};
use crate::domain::id::Private;
use crate::domain::rejection::{RejectionCode, Verdict};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CardTest {
    /// Null when none was shown, or one that cannot be read.
    pub certificate: Option<WireCertificate>,
    pub doors: Vec<WireDoor>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireCertificate {
    pub name: Option<String>,
    /// The HSA-id; of any other number the end is hidden.
    pub identifiers: Vec<String>,
    pub organisation: Option<String>,
    pub card_number: Option<String>,
    pub issuer: Option<String>,
    /// What the issuer's name stands for, where that is known.
    pub known_as: Option<String>,
    /// The level of assurance of a person's certificate.
    pub level: Option<u8>,
    /// `authentication`, `signing` or `other`.
    pub purpose: &'static str,
    #[schema(value_type = String)]
    pub not_before: Timestamp,
    #[schema(value_type = String)]
    pub not_after: Timestamp,
    /// Hexadecimal.
    pub serial: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireDoor {
    /// `staff` or `portal`.
    pub door: &'static str,
    /// Whether it would let the certificate in.
    pub accepted: bool,
    /// Every rule in the order in which it is judged.
    pub rules: Vec<WireRule>,
    pub rejection: Option<WireRefusal>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireRule {
    pub rule: &'static str,
    /// `passed`, `failed` or `notReached`.
    pub verdict: &'static str,
    /// Of a rule that failed.
    #[schema(value_type = Option<String>)]
    pub code: Option<RejectionCode>,
}

/// Why a door would not let it in, and the cure.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireRefusal {
    #[schema(value_type = String)]
    pub code: RejectionCode,
    pub title: String,
    pub text: String,
    pub cure: Vec<String>,
}

impl WireCertificate {
    pub fn of(facts: &CertificateFacts, known_as: Option<String>, level: Option<u8>) -> WireCertificate {
        let own = |text: &Private| text.expose().to_owned();
        WireCertificate {
            name: facts.name.as_ref().map(own),
            identifiers: facts.half_hidden_identifiers(),
            organisation: facts.organisation.as_ref().map(own),
            card_number: facts.card_number.as_ref().map(own),
            issuer: facts.issuer.clone(),
            known_as,
            level,
            purpose: match facts.purpose {
                Purpose::Authentication => "authentication",
                Purpose::Signing => "signing",
                Purpose::Other => "other",
            },
            not_before: facts.not_before,
            not_after: facts.not_after,
            serial: facts.serial.clone(),
        }
    }
}

impl WireDoor {
    pub fn of(door: TriedDoor, rules: &[(DoorRule, Verdict)], rejection: Option<WireRefusal>) -> WireDoor {
        let rules = rules.iter().map(|(rule, verdict)| WireRule::of(*rule, *verdict)).collect();
        WireDoor { door: door.as_str(), accepted: rejection.is_none(), rules, rejection }
    }
}

impl WireRule {
    fn of(rule: DoorRule, verdict: Verdict) -> WireRule {
        let (verdict, code) = match verdict {
            Verdict::Passed => ("passed", None),
            Verdict::Failed(code) => ("failed", Some(code)),
            Verdict::NotReached => ("notReached", None),
        };
        WireRule { rule: rule.as_str(), verdict, code }
    }
}
