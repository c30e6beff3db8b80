//! Each reason of refusal by a certificate that earns it.

use std::collections::HashSet;

use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd};

use super::*;
use crate::identity::testing::{Ca, CrlSketch, FUNCTION_CA, Leaf, PERSON_CA, Tree, at, ca_params, now};

const ANNA: &str = "TSTNMT2321000156-P001";
const PORTAL: &str = "TSTNMT2321000156-S001";

fn code(trust: &Trust, door: Door, leaf: CertificateDer<'static>) -> RejectionCode {
    trust.judge(door, &[leaf], now()).unwrap_err().code
}

#[test]
fn a_card_is_a_person_and_a_function_certificate_a_system() {
    let tree = Tree::grow();
    let trust = Trust::load(&tree.settings()).unwrap();
    let anna = trust.judge(Door::Staff, &[tree.card(ANNA).der()], now()).unwrap();
    assert_eq!((anna.hsa_id.as_str(), anna.kind, anna.loa), (ANNA, CallerKind::Person, Some(3)));
    assert_eq!((anna.issuer.as_str(), anna.serial.to_string().as_str()), (PERSON_CA, "4a01"));
    assert_eq!(anna.display.unwrap().expose(), "Anna Åkesson");
    assert_eq!(anna.not_after, at("2030-01-01"));
    let portal = trust.judge(Door::Portal, &[tree.system(PORTAL).der()], now()).unwrap();
    assert_eq!((portal.hsa_id.as_str(), portal.kind, portal.loa), (PORTAL, CallerKind::System, None));
}

#[test]
fn every_reason_that_a_certificate_can_give_is_told_by_its_own_code() {
    let tree = Tree::grow();
    let trust = Trust::load(&tree.settings()).unwrap();
    let production = Trust::load(&TrustSettings { environment: Environment::Production, ..tree.settings() }).unwrap();
    let telia = tree.ca("Telia e-legitimation HW CA v3");
    let person_id = tree.ca("TEST SITHS e-id Person ID 3 CA v1");
    let unknown = tree.ca("Grannregionens CA");
    let forger = Ca::self_signed(ca_params(PERSON_CA), KeyPair::generate().unwrap()).unwrap();
    let staff = |leaf: Leaf<'_>| code(&trust, Door::Staff, leaf.der());
    let seen = [
        (RejectionCode::TeliaELegitimation, staff(Leaf::card(&telia, "191212121212"))),
        (RejectionCode::PersonIdCertificate, staff(Leaf::card(&person_id, "191212121212"))),
        (RejectionCode::FunctionCertificateAtStaffDoor, staff(tree.system(PORTAL))),
        (RejectionCode::PersonCertificateAtPortalDoor, code(&trust, Door::Portal, tree.card(ANNA).der())),
        (RejectionCode::WrongIssuer, staff(Leaf::card(&unknown, ANNA))),
        (RejectionCode::WrongIssuer, code(&trust, Door::Staff, Tree::self_signed("Anna Åkesson"))),
        (RejectionCode::UntrustedSignature, staff(Leaf::card(&forger, ANNA))),
        (RejectionCode::TestInProduction, code(&production, Door::Staff, tree.card(ANNA).der())),
        (RejectionCode::TestInProduction, code(&production, Door::Staff, Leaf::card(&tree.ca("TEST X"), ANNA).der())),
        (RejectionCode::ProductionInTest, staff(tree.card("SE2321000156-P001"))),
        (RejectionCode::NotYetValid, staff(tree.card(ANNA).with(|p| p.not_before = date_time_ymd(2027, 1, 1)))),
        (RejectionCode::Expired, staff(tree.card(ANNA).with(|p| p.not_after = date_time_ymd(2026, 1, 1)))),
        (
            RejectionCode::SigningCertificate,
            staff(tree.card(ANNA).with(|p| p.key_usages = vec![KeyUsagePurpose::ContentCommitment])),
        ),
        (
            RejectionCode::NotForClientAuthentication,
            staff(tree.card(ANNA).with(|p| p.key_usages = vec![KeyUsagePurpose::KeyEncipherment])),
        ),
        (RejectionCode::NotForClientAuthentication, staff(tree.card(ANNA).with(|p| p.key_usages.clear()))),
        (
            RejectionCode::NotForClientAuthentication,
            staff(tree.card(ANNA).with(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])),
        ),
        (
            RejectionCode::NotForClientAuthentication,
            staff(tree.card(ANNA).with(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any])),
        ),
        (
            RejectionCode::NotForClientAuthentication,
            staff(tree.card(ANNA).with(|p| p.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained))),
        ),
        (RejectionCode::NoHsaId, staff(tree.card(""))),
        (RejectionCode::MalformedHsaId, staff(tree.card("191212121212"))),
        (
            RejectionCode::MalformedCertificate,
            staff(tree.card(ANNA).with(|p| {
                let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![0x05, 0x00]);
                unknown.set_criticality(true);
                p.custom_extensions.push(unknown);
            })),
        ),
        (
            RejectionCode::MalformedCertificate,
            code(&trust, Door::Staff, CertificateDer::from(vec![0x30, 0x03, 1, 1, 0])),
        ),
        (RejectionCode::NoCertificate, trust.judge(Door::Staff, &[], now()).unwrap_err().code),
    ];
    for (place, (expected, got)) in seen.iter().enumerate() {
        assert_eq!(got, expected, "case {place}");
    }
    // The others have tests of their own below.
    let elsewhere = [RejectionCode::AnchorExpired, RejectionCode::Revoked, RejectionCode::RevocationUnknown];
    let tested: HashSet<_> = seen.iter().map(|(code, _)| *code).chain(elsewhere).collect();
    let of_identity = RejectionCode::ALL.into_iter().take_while(|code| *code != RejectionCode::NoPost);
    assert_eq!(of_identity.filter(|code| !tested.contains(code)).collect::<Vec<_>>(), []);
}

#[test]
fn a_certificate_without_extended_key_usage_may_come_in() {
    let tree = Tree::grow();
    let trust = Trust::load(&tree.settings()).unwrap();
    let bare = tree.card(ANNA).with(|p| p.extended_key_usages.clear()).der();
    trust.judge(Door::Staff, &[bare], now()).unwrap();
}

#[test]
fn the_reason_that_helps_most_comes_first() {
    let tree = Tree::grow();
    let mut settings = tree.settings();
    settings.crls = vec![tree.write("list.crl", CrlSketch::new(1, &[&[0x4a, 1]]).signed_by(&tree.person))];
    let trust = Trust::load(&settings).unwrap();
    let expire = |leaf: Leaf<'_>| leaf.with(|p| p.not_after = date_time_ymd(2026, 1, 1)).der();
    let telia = tree.ca("Telia e-legitimation HW CA v3");
    let forger = Ca::self_signed(ca_params(PERSON_CA), KeyPair::generate().unwrap()).unwrap();
    for (leaf, expected) in [
        (expire(Leaf::card(&telia, "")), RejectionCode::TeliaELegitimation),
        (expire(Leaf::card(&forger, "")), RejectionCode::UntrustedSignature),
        (expire(tree.card("")), RejectionCode::Expired),
        (tree.card("").der(), RejectionCode::Revoked),
    ] {
        assert_eq!(code(&trust, Door::Staff, leaf), expected);
    }
}

#[test]
fn an_issuer_that_has_expired_lets_nobody_in_though_webpki_would() {
    let tree = Tree::grow();
    let mut params = ca_params("TEST SITHS e-id Person HSA-id 2 CA v1");
    params.not_after = date_time_ymd(2026, 6, 30);
    let old = tree.ca_with(params);
    let mut settings = tree.settings();
    settings.staff.push(tree.issuer(&old, IssuerKind::PersonHsaId { loa: 2 }));
    let trust = Trust::load(&settings).unwrap();
    let card = Leaf::card(&old, ANNA).der();
    assert_eq!(code(&trust, Door::Staff, card.clone()), RejectionCode::AnchorExpired);
    assert_eq!(trust.judge(Door::Staff, &[card], at("2026-06-01")).unwrap().loa, Some(2));
}

#[test]
fn a_production_issuer_does_not_serve_a_test_gateway() {
    let tree = Tree::grow();
    let ca = tree.ca("SITHS e-id Person HSA-id 3 CA v1");
    let mut settings = tree.settings();
    let issuer = tree.issuer(&ca, IssuerKind::PersonHsaId { loa: 3 });
    settings.staff.push(IssuerSettings { environment: Environment::Production, ..issuer });
    let trust = Trust::load(&settings).unwrap();
    assert_eq!(code(&trust, Door::Staff, Leaf::card(&ca, ANNA).der()), RejectionCode::ProductionInTest);
    assert_eq!(trust.hints(Door::Staff).len(), 1, "nor is it named to clients");
}

#[test]
fn a_certificate_under_an_intermediate_of_a_trusted_issuer_stays_out() {
    let tree = Tree::grow();
    let trust = Trust::load(&tree.settings()).unwrap();
    let below = Ca::signed_by(ca_params("Nedanför"), KeyPair::generate().unwrap(), &tree.person).unwrap();
    let chain = [Leaf::card(&below, ANNA).der(), below.der().clone()];
    assert_eq!(trust.judge(Door::Staff, &chain, now()).unwrap_err().code, RejectionCode::WrongIssuer);
}

#[test]
fn a_missing_or_stale_list_of_an_issuer_that_needs_one_keeps_everybody_out() {
    let tree = Tree::grow();
    let mut settings = tree.settings();
    settings.staff[0].crl_required = true;
    let card = tree.card(ANNA).der();
    let missing = Trust::load(&settings).unwrap();
    assert_eq!(code(&missing, Door::Staff, card.clone()), RejectionCode::RevocationUnknown);

    settings.crls = vec![tree.write("list.crl", CrlSketch::new(1, &[]).signed_by(&tree.person))];
    let trust = Trust::load(&settings).unwrap();
    trust.judge(Door::Staff, std::slice::from_ref(&card), now()).unwrap();
    let stale = trust.judge(Door::Staff, std::slice::from_ref(&card), at("2026-11-25")).unwrap_err();
    assert_eq!(stale.code, RejectionCode::RevocationUnknown);

    settings.crl_max_stale = Duration::from_secs(2 * 24 * 3600);
    let graceful = Trust::load(&settings).unwrap();
    graceful.judge(Door::Staff, std::slice::from_ref(&card), at("2026-11-25")).unwrap();
    assert!(graceful.judge(Door::Staff, &[card], at("2026-11-27")).is_err());
}

#[test]
fn a_rejection_names_the_ca_and_the_serial_but_no_person() {
    let tree = Tree::grow();
    let trust = Trust::load(&tree.settings()).unwrap();
    let telia = tree.ca("Telia e-legitimation HW CA v3");
    let told = trust.judge(Door::Staff, &[Leaf::card(&telia, "191212121212").der()], now()).unwrap_err();
    let text = format!("{told} {told:?}");
    assert!(text.contains("telia-e-legitimation") && text.contains("Telia e-legitimation HW CA v3"), "{text}");
    assert!(text.contains("4a01") && !text.contains("Anna") && !text.contains("1212121212"), "{text}");
}

#[test]
fn the_level_of_assurance_is_read_from_the_policy_where_it_is_mapped() {
    let tree = Tree::grow();
    let mut settings = tree.settings();
    settings.loa_policies = BTreeMap::from([("1.2.752.74.8.500".to_owned(), 2)]);
    let trust = Trust::load(&settings).unwrap();
    assert_eq!(trust.judge(Door::Staff, &[tree.card(ANNA).der()], now()).unwrap().loa, Some(2));
}

#[test]
fn refused_issuers_can_be_named_by_file_and_by_text() {
    let tree = Tree::grow();
    let by_file = tree.ca("Bankens CA");
    let by_text = tree.ca("Kommunens e-legitimation CA");
    let mut settings = tree.settings();
    settings.refused = vec![
        RefusedIssuer::File { path: tree.write("bank.pem", by_file.pem()), kind: IssuerKind::PersonId },
        RefusedIssuer::Pattern { text: "e-legitimation CA".into(), kind: IssuerKind::TeliaELegitimation },
    ];
    let trust = Trust::load(&settings).unwrap();
    assert_eq!(code(&trust, Door::Staff, Leaf::card(&by_file, "").der()), RejectionCode::PersonIdCertificate);
    assert_eq!(code(&trust, Door::Portal, Leaf::card(&by_text, "").der()), RejectionCode::TeliaELegitimation);
}

#[test]
fn an_allow_list_takes_only_issuing_cas_that_belong_at_its_door() {
    let tree = Tree::grow();
    let person = IssuerKind::PersonHsaId { loa: 3 };
    let refusal = |issuer: IssuerSettings| match Trust::load(&TrustSettings { staff: vec![issuer], ..tree.settings() })
    {
        Err(TrustError::Issuer { error, .. }) => error.to_string(),
        _ => String::new(),
    };
    assert!(refusal(tree.issuer(&tree.root, person)).contains("root"));
    assert!(refusal(tree.issuer(&tree.function, IssuerKind::Function)).contains("door"));
    let as_production = IssuerSettings { environment: Environment::Production, ..tree.issuer(&tree.person, person) };
    assert!(refusal(as_production).contains("TEST"));
    let leaf =
        IssuerSettings { file: tree.write("leaf.der", tree.card(ANNA).der()), ..tree.issuer(&tree.person, person) };
    assert!(refusal(leaf).contains("not the certificate of a CA"));
    let two = format!("{}{}", tree.person.pem(), tree.function.pem());
    let two = IssuerSettings { file: tree.write("two.pem", two), ..tree.issuer(&tree.person, person) };
    assert!(refusal(two).contains("more than one"));
    let gone = IssuerSettings { file: tree.dir.path().join("gone"), ..tree.issuer(&tree.person, person) };
    assert!(refusal(gone).contains("cannot be read"));
}

#[test]
fn clients_are_told_the_names_of_the_doors_own_issuers_only() {
    let tree = Tree::grow();
    let trust = Trust::load(&tree.settings()).unwrap();
    assert_eq!(trust.hints(Door::Staff), [describe(tree.person.der()).unwrap().subject_der]);
    assert_eq!(trust.hints(Door::Portal), [describe(tree.function.der()).unwrap().subject_der]);
    assert_eq!(trust.statuses()[0].issuer, FUNCTION_CA);
}

#[test]
fn a_reload_is_a_new_generation_and_keeps_a_list_whose_file_went_bad() {
    let tree = Tree::grow();
    let mut settings = tree.settings();
    settings.crls = vec![tree.write("list.crl", CrlSketch::new(7, &[&[0x4a, 1]]).signed_by(&tree.person))];
    let before = Trust::load(&settings).unwrap();
    tree.write("list.crl", b"\x30 half a file");
    let after = before.reload(&settings).unwrap();
    assert_ne!(before.generation(), after.generation());
    assert_eq!(after.crl_faults().len(), 1);
    assert_eq!(code(&after, Door::Staff, tree.card(ANNA).der()), RejectionCode::Revoked);
}
