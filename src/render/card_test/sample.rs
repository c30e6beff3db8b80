//! Cards to try the page with: one that works, one that has expired, none, and one with an identity number.

use jiff::SignedDuration;

use super::super::{Rejected, RenderError, sample};
use super::{CardTestFacts, DoorFacts};
use crate::domain::card::{CertificateFacts, DoorRule, KnownAs, Purpose, TriedDoor};
use crate::domain::clinic::Texts;
use crate::domain::id::Private;
use crate::domain::rejection::{RejectionCode, Rule, Verdict};

const LIFE: SignedDuration = SignedDuration::from_hours(24 * 365);
const REQUEST: &str = "019aaf00-0000-7000-8000-000000000001";

/// Calls with the facts of each.
pub(in super::super) fn each(
    mut show: impl FnMut(&CardTestFacts<'_>) -> Result<(), RenderError>,
) -> Result<(), RenderError> {
    let card = certificate("TSTNMT2321000156-1001", "TEST SITHS e-id Person HSA-id 3 CA v1");
    let telia = certificate("191212121212", "TEST Telia e-legitimation HW CA v3");
    let known = KnownAs { label: texts("SITHS e-id med HSA-id", "SITHS e-id with an HSA-id"), level: Some(3) };
    let person = Some((Rule::Issuer, RejectionCode::PersonCertificateAtPortalDoor));
    let nothing = Some((Rule::Presented, RejectionCode::NoCertificate));
    let private = Some((Rule::Issuer, RejectionCode::TeliaELegitimation));
    for (certificate, at_staff, at_portal) in [
        (Some(&card), None, person),
        (Some(&card), Some((Rule::Validity, RejectionCode::Expired)), person),
        (None, nothing, nothing),
        (Some(&telia), private, private),
    ] {
        let doors = [(TriedDoor::Staff, at_staff), (TriedDoor::Portal, at_portal)];
        let rules = doors.map(|(door, failed)| rules(door, failed));
        let told = doors.iter().zip(&rules).map(|((door, failed), rules)| DoorFacts {
            door: *door,
            rules,
            refused: failed.map(|(_, code)| Rejected::bare(code)),
        });
        show(&CardTestFacts {
            certificate,
            known_as: certificate.map(|_| &known),
            level: certificate.map(|_| 3),
            doors: told.collect(),
            request: REQUEST,
        })?;
    }
    Ok(())
}

fn texts(sv: &str, en: &str) -> Texts {
    Texts { sv: sv.to_owned(), en: Some(en.to_owned()) }
}

fn certificate(identifier: &str, issuer: &str) -> CertificateFacts {
    CertificateFacts {
        name: Some(Private::new("Anna Åkesson".to_owned())),
        identifiers: vec![Private::new(identifier.to_owned())],
        organisation: Some(Private::new("Region Exempel".to_owned())),
        card_number: Some(Private::new("9752269875705018125".to_owned())),
        issuer: Some(issuer.to_owned()),
        purpose: Purpose::Authentication,
        not_before: sample::now() - LIFE,
        not_after: sample::now() + LIFE,
        serial: "4b1f00".to_owned(),
    }
}

/// A door's rules, all met or up to the one that is not.
fn rules(door: TriedDoor, failed: Option<(Rule, RejectionCode)>) -> Vec<(DoorRule, Verdict)> {
    let verdict = |rule: Rule| match failed {
        Some((at, code)) if rule == at => Verdict::Failed(code),
        Some((at, _)) if rule > at => Verdict::NotReached,
        _ => Verdict::Passed,
    };
    let certificate = Rule::ALL.into_iter().map(|rule| (DoorRule::Certificate(rule), verdict(rule)));
    certificate.chain(door.own_verdicts(failed.is_none(), failed.map(|(_, code)| code))).collect()
}
