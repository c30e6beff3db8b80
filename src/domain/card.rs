//! What a certificate says of its holder, and what the doors say to it: shown to the holder by the card test. How it is
//! read and judged is not here.

use jiff::Timestamp;

use super::clinic::Texts;
use super::id::{HsaId, Private, holds_person_id};
use super::rejection::{RejectionCode, Rule, Verdict};

/// Of a number that is no HSA-id, so many characters are hidden.
const HIDDEN_CHARS: usize = 4;

/// What the certificate says. Nothing of it is verified but that the peer has the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    pub name: Option<Private>,
    /// Every serialNumber of the subject: the HSA-id, or on other cards the personnummer.
    pub identifiers: Vec<Private>,
    pub organisation: Option<Private>,
    /// The number printed on the card.
    pub card_number: Option<Private>,
    /// The issuing CA's name, where it could be read and is no person's.
    pub issuer: Option<String>,
    pub purpose: Purpose,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// The certificate's own number, hexadecimal.
    pub serial: String,
}

/// What the key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// *Legitimering*.
    Authentication,
    /// *Underskrift*.
    Signing,
    Other,
}

/// What an authority issues, by the description of known issuers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAs {
    pub label: Texts,
    /// The level of assurance of people's certificates.
    pub level: Option<u8>,
}

/// The doors to which one comes with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriedDoor {
    Staff,
    Portal,
}

/// A rule that a door holds a certificate to: one about the certificate, or one about what the region knows of its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoorRule {
    Certificate(Rule),
    /// A post in the staff directory that holds today.
    Post,
    /// A role at some clinic.
    Role,
    /// The system is registered.
    Registered,
    /// Its registration is in force.
    InForce,
}

impl CertificateFacts {
    /// The identifiers as the page shows them: an HSA-id as it is, well written or not. Of anything else the end is
    /// hidden: who shows the page to local IT, or mails a picture of it, knows the own number without its last digits, and
    /// gives it to nobody.
    pub fn half_hidden_identifiers(&self) -> Vec<String> {
        self.identifiers.iter().map(|identifier| half_hidden(identifier.expose())).collect()
    }
}

impl TriedDoor {
    pub fn as_str(self) -> &'static str {
        match self {
            TriedDoor::Staff => "staff",
            TriedDoor::Portal => "portal",
        }
    }

    /// What the door asks once the certificate is good, in its order.
    pub fn own_rules(self) -> [DoorRule; 2] {
        match self {
            TriedDoor::Staff => [DoorRule::Post, DoorRule::Role],
            TriedDoor::Portal => [DoorRule::Registered, DoorRule::InForce],
        }
    }

    /// The verdicts on [`TriedDoor::own_rules`]: none was reached while the certificate itself failed.
    pub fn own_verdicts(self, is_certificate_good: bool, refused: Option<RejectionCode>) -> [(DoorRule, Verdict); 2] {
        let [first, second] = self.own_rules();
        let verdicts = match refused {
            _ if !is_certificate_good => [Verdict::NotReached, Verdict::NotReached],
            None => [Verdict::Passed, Verdict::Passed],
            Some(code @ (RejectionCode::NoRole | RejectionCode::PortalSuspended)) => {
                [Verdict::Passed, Verdict::Failed(code)]
            }
            Some(code) => [Verdict::Failed(code), Verdict::NotReached],
        };
        let [of_first, of_second] = verdicts;
        [(first, of_first), (second, of_second)]
    }
}

impl DoorRule {
    pub fn as_str(self) -> &'static str {
        match self {
            DoorRule::Certificate(rule) => rule.as_str(),
            DoorRule::Post => "post",
            DoorRule::Role => "role",
            DoorRule::Registered => "registered",
            DoorRule::InForce => "in-force",
        }
    }
}

fn half_hidden(identifier: &str) -> String {
    let text = identifier.trim();
    let upper = text.to_ascii_uppercase();
    let after_prefix = upper.strip_prefix("SE").or_else(|| upper.strip_prefix("TSTNMT"));
    let is_meant_as_hsa_id = after_prefix.is_some_and(|rest| !holds_person_id(rest));
    if HsaId::parse(text).is_ok() || is_meant_as_hsa_id {
        return text.to_owned();
    }
    let digits: String = text.chars().filter(|c| !matches!(c, '-' | '+')).collect();
    let kept = digits.chars().count().saturating_sub(HIDDEN_CHARS);
    format!("{}-{}", digits.chars().take(kept).collect::<String>(), "•".repeat(HIDDEN_CHARS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hsa_id_is_shown_and_of_an_identity_number_the_last_digits_are_not() {
        for (identifier, shown) in [
            ("TSTNMT2321000156-1001", "TSTNMT2321000156-1001"),
            ("tstnmt2321000156-10_01", "tstnmt2321000156-10_01"),
            ("191212121212", "19121212-••••"),
            ("19121212-1212", "19121212-••••"),
            ("121212-1212", "121212-••••"),
            ("SE191212121212", "SE19121212-••••"),
            ("12", "-••••"),
            ("", "-••••"),
        ] {
            assert_eq!(half_hidden(identifier), shown, "{identifier}");
        }
    }

    #[test]
    fn a_doors_own_rules_are_reached_by_a_good_certificate_only_and_fail_in_their_order() {
        use Verdict::{Failed, NotReached, Passed};
        let verdicts = |door: TriedDoor, good, refused| door.own_verdicts(good, refused).map(|(_, verdict)| verdict);
        assert_eq!(verdicts(TriedDoor::Staff, true, None), [Passed, Passed]);
        for (door, code, expected) in [
            (TriedDoor::Staff, RejectionCode::PostEnded, [Failed(RejectionCode::PostEnded), NotReached]),
            (TriedDoor::Staff, RejectionCode::NoRole, [Passed, Failed(RejectionCode::NoRole)]),
            (TriedDoor::Portal, RejectionCode::PortalSuspended, [Passed, Failed(RejectionCode::PortalSuspended)]),
        ] {
            assert_eq!(verdicts(door, true, Some(code)), expected);
        }
        let expired = Some(RejectionCode::Expired);
        assert_eq!(verdicts(TriedDoor::Staff, false, expired), [NotReached, NotReached]);
    }
}
