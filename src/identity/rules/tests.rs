//! Each reason of refusal by a certificate that earns it.

use std::collections::{BTreeMap, HashSet};

use jiff::civil::date;
use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd};

use super::*;
use crate::domain::clinic::Texts;
use crate::identity::testing::{Ca, CrlSketch, FUNCTION_CA, Leaf, PERSON_CA, Tree, at, ca_params, now};
use crate::identity::{CrlError, IssuerSettings, RefusedIssuer, TrustError, TrustSettings};

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

fn critical_and_unknown() -> CustomExtension {
    let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![0x05, 0x00]);
    unknown.set_criticality(true);
    unknown
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
            staff(tree.card(ANNA).with(|p| p.custom_extensions.push(critical_and_unknown()))),
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
    let elsewhere = [
        RejectionCode::AnchorExpired,
        RejectionCode::IssuerEnded,
        RejectionCode::ClockWrong,
        RejectionCode::Revoked,
        RejectionCode::RevocationUnknown,
        RejectionCode::CrlStale,
        RejectionCode::LevelTooLow,
    ];
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
    assert_eq!((stale.code, stale.detail), (RejectionCode::CrlStale, Some(Detail::ListDue(at("2026-11-24")))));

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

#[test]
fn a_fetched_list_makes_a_snapshot_of_its_own_and_an_unfit_one_makes_none() {
    let tree = Tree::grow();
    let before = Trust::load(&tree.settings()).unwrap();
    let card = tree.card(ANNA).der();
    before.judge(Door::Staff, std::slice::from_ref(&card), now()).unwrap();
    let kept = tree.dir.path().join("kept.crl");
    let list = CrlSketch::new(7, &[&[0x4a, 1]]).signed_by(&tree.person);
    let (after, status) = before.with_list(&kept, &list).unwrap();
    assert_ne!(before.generation(), after.generation());
    assert_eq!((status.entries, &status.source), (1, &kept));
    assert_eq!(code(&after, Door::Staff, card.clone()), RejectionCode::Revoked);
    before.judge(Door::Staff, &[card], now()).unwrap();
    let older = CrlSketch::new(6, &[]).signed_by(&tree.person);
    assert_eq!(after.with_list(&kept, &older).unwrap_err(), CrlError::Older);
    assert_eq!(after.with_list(&kept, b"<!doctype html>").unwrap_err(), CrlError::Malformed);
}

#[test]
fn lists_that_were_fetched_are_read_from_their_directory_and_it_may_be_missing() {
    let tree = Tree::grow();
    let mut settings = tree.settings();
    settings.crl_cache = Some(tree.dir.path().join("cache"));
    let without = Trust::load(&settings).unwrap();
    without.judge(Door::Staff, &[tree.card(ANNA).der()], now()).unwrap();
    std::fs::create_dir(tree.dir.path().join("cache")).unwrap();
    tree.write("cache/person.crl", CrlSketch::new(7, &[&[0x4a, 1]]).signed_by(&tree.person));
    tree.write("cache/points.json", "{}");
    let with = Trust::load(&settings).unwrap();
    assert_eq!(with.crl_faults(), []);
    assert_eq!(code(&with, Door::Staff, tree.card(ANNA).der()), RejectionCode::Revoked);
}

#[test]
fn only_certificates_that_their_issuer_has_signed_teach_where_lists_are() {
    let tree = Tree::grow();
    let mut settings = tree.settings();
    settings.staff[0].crl_urls = vec!["http://crl.region.example/written.crl".to_owned()];
    let trust = Trust::load(&settings).unwrap();
    let pointing = |leaf: Leaf<'_>, uri: &str| {
        let point = rcgen::CrlDistributionPoint { uris: vec![uri.to_owned()] };
        leaf.with(|p| p.crl_distribution_points = vec![point]).der()
    };
    let forger = Ca::self_signed(ca_params(PERSON_CA), KeyPair::generate().unwrap()).unwrap();
    let forged = pointing(Leaf::card(&forger, ANNA), "http://inside.region.example/");
    assert_eq!(code(&trust, Door::Staff, forged), RejectionCode::UntrustedSignature);
    trust.judge(Door::Staff, &[pointing(tree.card(ANNA), "http://crl.region.example/a.crl")], now()).unwrap();
    trust.remember_point(&[7; 32], "http://crl.region.example/of-nobody.crl");
    let points: Vec<_> = trust.crl_points().into_iter().map(|point| (point.url, point.configured)).collect();
    let expected = [("http://crl.region.example/written.crl", true), ("http://crl.region.example/a.crl", false)];
    assert_eq!(points, expected.map(|(url, configured)| (url.to_owned(), configured)));
}

fn known(common_name: &str, kind: IssuerKind) -> KnownIssuer {
    KnownIssuer {
        common_name: common_name.to_owned(),
        organisation: Some("Inera AB".to_owned()),
        kind,
        environment: Environment::Test,
        level: None,
        fingerprint: None,
        parent: None,
        state: IssuerState::Current,
        label: Texts { sv: "Mobilt SITHS".into(), en: Some("Mobile SITHS".into()) },
        crls: Vec::new(),
        ocsp: None,
        certificate: None,
    }
}

#[test]
fn an_issuer_that_the_door_has_ended_is_refused_from_that_swedish_day_on_and_the_day_is_told() {
    let tree = Tree::grow();
    let mut settings = tree.settings();
    settings.staff[0].ends = Some(date(2026, 8, 30));
    let trust = Trust::load(&settings).unwrap();
    let card = [tree.card(ANNA).der()];
    let last: Timestamp = "2026-08-29T23:59:59+02:00".parse().unwrap();
    trust.judge(Door::Staff, &card, last).unwrap();
    let told = trust.judge(Door::Staff, &card, "2026-08-30T00:00:00+02:00".parse().unwrap()).unwrap_err();
    assert_eq!(told.code, RejectionCode::IssuerEnded);
    assert_eq!(told.detail, Some(Detail::IssuerEnded(date(2026, 8, 30))));
    assert_eq!(trust.statuses()[1].ends, Some(date(2026, 8, 30)));
}

#[test]
fn a_clock_that_is_behind_what_has_certainly_passed_is_called_wrong_instead_of_the_card() {
    let tree = Tree::grow();
    let mut settings = tree.settings();
    let young = [tree.card(ANNA).with(|p| p.not_before = date_time_ymd(2026, 11, 1)).der()];
    let slow = at("2026-10-31");
    let code = |settings: &TrustSettings, now| {
        Trust::load(settings).unwrap().judge(Door::Staff, &young, now).map_err(|told| (told.code, told.detail))
    };
    let not_yet = RejectionCode::NotYetValid;
    assert_eq!(code(&settings, slow).unwrap_err(), (not_yet, Some(Detail::Begins(at("2026-11-01")))));

    settings.own_certificates = vec![tree.write("own.pem", tree.function.pem())];
    assert_eq!(code(&settings, slow).unwrap_err().0, not_yet, "a certificate of 2020 says nothing of 2026");

    settings.crls = vec![tree.write("list.crl", CrlSketch::new(1, &[]).signed_by(&tree.person))];
    let passed = at("2026-11-20");
    let wrong = (RejectionCode::ClockWrong, Some(Detail::Clock { ours: slow, passed }));
    assert_eq!(code(&settings, slow).unwrap_err(), wrong);
    assert!(code(&settings, now()).is_ok());

    settings.crls.clear();
    let before_the_issuer = code(&settings, at("2019-12-31")).unwrap_err();
    assert_eq!(before_the_issuer.0, RejectionCode::ClockWrong);
}

#[test]
fn a_level_below_the_doors_is_refused_by_the_issuer_or_by_the_lowest_policy() {
    let tree = Tree::grow();
    let two = tree.ca("TEST SITHS e-id Person HSA-id 2 CA v1");
    let mut settings = tree.settings();
    settings.least_level = 3;
    settings.staff.push(tree.issuer(&two, IssuerKind::PersonHsaId { loa: 2 }));
    let trust = Trust::load(&settings).unwrap();
    trust.judge(Door::Staff, &[tree.card(ANNA).der()], now()).unwrap();
    let told = trust.judge(Door::Staff, &[Leaf::card(&two, ANNA).der()], now()).unwrap_err();
    let low = (RejectionCode::LevelTooLow, Some(Detail::Level { own: 2, least: 3 }));
    assert_eq!((told.code, told.detail), low);

    settings.loa_policies = BTreeMap::from([("1.2.752.74.8.500".to_owned(), 2)]);
    let by_policy = Trust::load(&settings).unwrap().judge(Door::Staff, &[tree.card(ANNA).der()], now()).unwrap_err();
    assert_eq!((by_policy.code, by_policy.detail), low.clone());

    settings.staff.pop();
    settings.known = vec![KnownIssuer { level: Some(2), ..known(&two_name(), IssuerKind::PersonHsaId { loa: 2 }) }];
    let unlisted = Trust::load(&settings).unwrap().judge(Door::Staff, &[Leaf::card(&two, ANNA).der()], now());
    let unlisted = unlisted.unwrap_err();
    assert_eq!((unlisted.code, unlisted.detail), low, "known by name though not allow-listed");
}

fn two_name() -> String {
    "TEST SITHS e-id Person HSA-id 2 CA v1".to_owned()
}

#[test]
fn what_was_chosen_is_named_by_the_whole_name_of_its_issuer_only() {
    let tree = Tree::grow();
    let name = "TEST SITHS e-id Person ID Mobile CA v1";
    let mobile = tree.ca(name);
    let ended = KnownIssuer {
        state: IssuerState::Ended(Some(date(2020, 2, 11))),
        ..known("TEST SITHS Type 1 CA v1", IssuerKind::PersonHsaId { loa: 2 })
    };
    let mut settings = tree.settings();
    settings.known = vec![known(name, IssuerKind::PersonIdMobile), ended];
    let trust = Trust::load(&settings).unwrap();
    let told = trust.judge(Door::Staff, &[Leaf::card(&mobile, "191212121212").der()], now()).unwrap_err();
    assert_eq!(told.code, RejectionCode::PersonIdCertificate);
    assert!(matches!(told.detail, Some(Detail::Chosen(label)) if label.sv == "Mobilt SITHS"));

    let newer = tree.ca("TEST SITHS e-id Person ID Mobile CA v2");
    let told = trust.judge(Door::Staff, &[Leaf::card(&newer, "191212121212").der()], now()).unwrap_err();
    assert_eq!((told.code, told.detail), (RejectionCode::PersonIdCertificate, None), "an unknown version by pattern");

    let old = tree.ca("TEST SITHS Type 1 CA v1");
    let told = trust.judge(Door::Staff, &[Leaf::card(&old, ANNA).der()], now()).unwrap_err();
    assert_eq!(told.code, RejectionCode::IssuerEnded);
    assert_eq!(told.detail, Some(Detail::IssuerEnded(date(2020, 2, 11))));
}

#[test]
fn a_good_signature_lets_a_rejection_name_the_organisation_and_nothing_else_does() {
    let tree = Tree::grow();
    let trust = Trust::load(&tree.settings()).unwrap();
    let expired = |leaf: Leaf<'_>| leaf.with(|p| p.not_after = date_time_ymd(2026, 1, 1)).der();
    let told = trust.judge(Door::Staff, &[expired(tree.card(ANNA))], now()).unwrap_err();
    assert_eq!(told.organisation.as_deref(), Some("2321000156"));
    assert_eq!(told.detail, Some(Detail::Ended(at("2026-01-01"))));
    let forger = Ca::self_signed(ca_params(PERSON_CA), KeyPair::generate().unwrap()).unwrap();
    let told = trust.judge(Door::Staff, &[expired(Leaf::card(&forger, ANNA))], now()).unwrap_err();
    assert_eq!(told.organisation, None);
}

#[test]
fn an_examination_tells_every_rule_of_both_doors_and_agrees_with_the_judgement() {
    let tree = Tree::grow();
    let mut settings = tree.settings();
    settings.crls = vec![tree.write("list.crl", CrlSketch::new(1, &[&[0x4a, 1]]).signed_by(&tree.person))];
    let trust = Trust::load(&settings).unwrap();
    let card = tree.card("").with(|p| p.not_after = date_time_ymd(2026, 1, 1)).der();
    let seen = trust.examine(std::slice::from_ref(&card), now());
    let verdict = |door: &DoorExamination, rule| door.rules.iter().find(|(of, _)| *of == rule).map(|(_, v)| *v);
    for (rule, expected) in [
        (Rule::Presented, Verdict::Passed),
        (Rule::Signature, Verdict::Passed),
        (Rule::Validity, Verdict::Failed(RejectionCode::Expired)),
        (Rule::Purpose, Verdict::Passed),
        (Rule::NotRevoked, Verdict::Failed(RejectionCode::Revoked)),
        (Rule::HsaId, Verdict::Failed(RejectionCode::NoHsaId)),
        (Rule::Level, Verdict::Passed),
    ] {
        assert_eq!(verdict(&seen.staff, rule), Some(expected), "{rule:?}");
    }
    assert_eq!(seen.staff.outcome.unwrap_err(), trust.judge(Door::Staff, &[card], now()).unwrap_err());
    assert_eq!(
        verdict(&seen.portal, Rule::Issuer),
        Some(Verdict::Failed(RejectionCode::PersonCertificateAtPortalDoor))
    );
    assert_eq!(verdict(&seen.portal, Rule::Validity), Some(Verdict::NotReached));
    assert_eq!(verdict(&seen.portal, Rule::Level), None, "systems have no level");

    let good = trust.examine(&[tree.system(PORTAL).der()], now());
    assert!(good.portal.rules.iter().all(|(_, verdict)| *verdict == Verdict::Passed));
    assert_eq!(good.portal.outcome.unwrap().hsa_id.as_str(), PORTAL);
    let nothing = trust.examine(&[], now());
    assert_eq!(verdict(&nothing.staff, Rule::Presented), Some(Verdict::Failed(RejectionCode::NoCertificate)));
    assert!(nothing.certificate.is_none());
}

#[test]
fn the_first_rule_that_fails_in_an_examination_is_the_code_of_the_judgement() {
    let tree = Tree::grow();
    let trust = Trust::load(&tree.settings()).unwrap();
    let telia = tree.ca("Telia e-legitimation HW CA v3");
    for leaf in [
        tree.card(ANNA),
        tree.card("191212121212"),
        tree.card(ANNA).with(|p| p.key_usages = vec![KeyUsagePurpose::ContentCommitment]),
        tree.card(ANNA).with(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
        tree.card(ANNA).with(|p| p.not_before = date_time_ymd(2027, 1, 1)),
        tree.card("SE2321000156-P001"),
        tree.card(ANNA).with(|p| p.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained)),
        tree.system(PORTAL),
        Leaf::card(&telia, "191212121212"),
    ] {
        let chain = [leaf.der()];
        let seen = trust.examine(&chain, now());
        for (door, at) in [(Door::Portal, &seen.portal), (Door::Staff, &seen.staff)] {
            let first = at.rules.iter().find_map(|(_, verdict)| match verdict {
                Verdict::Failed(code) => Some(*code),
                _ => None,
            });
            assert_eq!(first, trust.judge(door, &chain, now()).err().map(|told| told.code));
        }
    }
}

#[test]
fn in_production_a_published_name_with_another_fingerprint_is_an_impostor() {
    let tree = Tree::grow();
    let name = "SITHS e-id Function CA v1";
    let ca = tree.ca(name);
    let own = describe(ca.der()).unwrap().fingerprint;
    let issuer = IssuerSettings { environment: Environment::Production, ..tree.issuer(&ca, IssuerKind::Function) };
    let settings = |published| TrustSettings {
        environment: Environment::Production,
        portal: vec![issuer.clone()],
        staff: Vec::new(),
        known: vec![KnownIssuer { fingerprint: Some(published), ..known(name, IssuerKind::Function) }],
        ..tree.settings()
    };
    Trust::load(&settings(own)).unwrap();
    let Err(TrustError::Issuer { error, .. }) = Trust::load(&settings([7; 32])) else { panic!("an impostor") };
    assert!(error.to_string().contains("fingerprint") && error.to_string().contains(name), "{error}");
}

#[test]
fn where_roots_are_given_an_issuer_of_another_root_is_refused_at_the_start() {
    let tree = Tree::grow();
    let other = Tree::grow();
    let roots = |root: &Ca| vec![tree.write("root.pem", root.pem())];
    Trust::load(&TrustSettings { roots: roots(&tree.root), ..tree.settings() }).unwrap();
    let stranger = TrustSettings { roots: roots(&other.root), ..tree.settings() };
    let Err(TrustError::Issuer { error, .. }) = Trust::load(&stranger) else { panic!("another root") };
    assert!(error.to_string().contains("root"), "{error}");
}
