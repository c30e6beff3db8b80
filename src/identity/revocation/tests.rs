//! Revocation lists as they should be and in every way in which they may not be.

use rcgen::KeyPair;

use super::*;
use crate::identity::testing::{Ca, CrlSketch, Leaf, Tree, at, ca_params, extension, now, tlv};
use crate::identity::{Door, IssuerKind};

const REVOKED: &[u8] = &[0x4a, 1];

struct Room {
    tree: Tree,
    issuers: Vec<Issuer>,
}

impl Room {
    fn new() -> Room {
        let tree = Tree::grow();
        let settings = tree.issuer(&tree.person, IssuerKind::PersonHsaId { loa: 3 });
        let issuers = vec![Issuer::load(&settings, Door::Staff).unwrap()];
        Room { tree, issuers }
    }

    fn refusal(&self, list: &[u8]) -> CrlError {
        parse(list, &self.issuers).unwrap_err()
    }

    fn with(&self, lists: &[Vec<u8>]) -> (Revocations, Vec<CrlError>) {
        self.after(&Revocations::default(), lists)
    }

    fn after(&self, before: &Revocations, lists: &[Vec<u8>]) -> (Revocations, Vec<CrlError>) {
        let write = |(place, list): (usize, &Vec<u8>)| self.tree.write(&format!("{place}.crl"), list);
        let files: Vec<_> = lists.iter().enumerate().map(write).collect();
        let (revocations, faults) = before.renewed(&files, &self.issuers);
        (revocations, faults.into_iter().map(|fault| fault.error).collect())
    }

    fn standing(&self, revocations: &Revocations, leaf: &Leaf<'_>) -> Standing {
        let certificate = crate::identity::describe(&leaf.der()).unwrap();
        revocations.standing(&self.issuers[0], &certificate, now(), Duration::ZERO)
    }
}

fn sketch(change: impl FnOnce(&mut CrlSketch)) -> CrlSketch {
    let mut sketch = CrlSketch::new(5, &[REVOKED, &[0x00, 0x9f]]);
    change(&mut sketch);
    sketch
}

#[test]
fn a_listed_serial_is_revoked_and_its_neighbours_are_not() {
    let room = Room::new();
    let (revocations, faults) = room.with(&[sketch(|_| {}).signed_by(&room.tree.person)]);
    assert_eq!(faults, []);
    let card = |serial: &[u8]| {
        let serial = rcgen::SerialNumber::from_slice(serial);
        room.standing(&revocations, &room.tree.card("").with(|p| p.serial_number = Some(serial)))
    };
    for (serial, standing) in [
        (REVOKED, Standing::Revoked),
        (&[0x9f], Standing::Revoked),
        (&[0x4a, 2], Standing::Good),
        (&[0x01, 0x4a, 1], Standing::Good),
    ] {
        assert_eq!(card(serial), standing, "{serial:?}");
    }
    assert_eq!(
        revocations.status(&room.issuers[0]),
        [CrlStatus {
            this_update: at("2026-11-20"),
            next_update: at("2026-11-24"),
            half_life: at("2026-11-22"),
            entries: 2
        }]
    );
}

#[test]
fn a_list_that_is_less_or_more_than_one_issuers_whole_list_is_refused_by_name() {
    let room = Room::new();
    let scope = |content: &[u8]| extension(28, true, &tlv(0x30, content));
    for (extra, expected) in [
        (extension(27, true, &tlv(0x02, &[4])), CrlError::Delta),
        (scope(&tlv(0x84, &[0xff])), CrlError::Indirect),
        (scope(&tlv(0x83, &[0x06, 0x40])), CrlError::SomeReasons),
        (scope(&tlv(0x82, &[0xff])), CrlError::OtherCertificates),
        (scope(&tlv(0x85, &[0xff])), CrlError::OtherCertificates),
        (extension(99, true, &[0x05, 0x00]), CrlError::CriticalExtension("2.5.29.99".into())),
    ] {
        let list = sketch(|s| s.extensions.push(extra)).signed_by(&room.tree.person);
        assert_eq!(room.refusal(&list), expected);
    }
    let of_another = extension(29, true, &tlv(0x30, &tlv(0xa4, &tlv(0x30, &[]))));
    let list = sketch(|s| s.entry_extensions.push(of_another)).signed_by(&room.tree.person);
    assert_eq!(room.refusal(&list), CrlError::Indirect);
}

#[test]
fn a_list_without_number_or_end_is_refused() {
    let room = Room::new();
    let unnumbered = sketch(|s| s.extensions = vec![extension(35, false, &tlv(0x30, &tlv(0x80, &[1])))]);
    assert_eq!(room.refusal(&unnumbered.signed_by(&room.tree.person)), CrlError::NoNumber);
    let endless = sketch(|s| s.next_update = None);
    assert!(matches!(
        room.refusal(&endless.signed_by(&room.tree.person)),
        CrlError::Malformed | CrlError::NoNextUpdate
    ));
}

#[test]
fn only_the_issuers_own_signature_counts() {
    let room = Room::new();
    let list = sketch(|_| {});
    assert_eq!(room.refusal(&list.signed_by(&room.tree.function)), CrlError::UnknownIssuer);
    let stranger = KeyPair::generate().unwrap();
    let forged = list.signed_as(&room.issuers[0].certificate.subject_der, &stranger);
    assert_eq!(room.refusal(&forged), CrlError::BadSignature);
    let mut changed = list.signed_by(&room.tree.person);
    let place = changed.windows(2).rposition(|pair| pair == REVOKED).unwrap();
    changed[place + 1] = 3;
    assert_eq!(room.refusal(&changed), CrlError::BadSignature);
}

#[test]
fn a_ca_that_may_not_sign_lists_signs_none() {
    let tree = Tree::grow();
    let mut params = ca_params("TEST SITHS e-id Person HSA-id 2 CA v1");
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let ca: Ca = tree.ca_with(params);
    let settings = tree.issuer(&ca, IssuerKind::PersonHsaId { loa: 2 });
    let issuers = [Issuer::load(&settings, Door::Staff).unwrap()];
    assert_eq!(parse(&sketch(|_| {}).signed_by(&ca), &issuers).unwrap_err(), CrlError::IssuerMayNotSign);
}

#[test]
fn the_highest_number_stays_whatever_comes_after_it() {
    let room = Room::new();
    let newer = CrlSketch::new(6, &[REVOKED]).signed_by(&room.tree.person);
    let older = CrlSketch::new(5, &[]).signed_by(&room.tree.person);
    let card = room.tree.card("");
    for order in [[older.clone(), newer.clone()], [newer.clone(), older.clone()]] {
        let (revocations, _) = room.with(&order);
        assert_eq!(room.standing(&revocations, &card), Standing::Revoked);
    }
    let (held, _) = room.with(&[newer]);
    let (rolled_back, faults) = room.after(&held, &[older]);
    assert_eq!(faults, [CrlError::Older]);
    assert_eq!(room.standing(&rolled_back, &card), Standing::Revoked);
}

#[test]
fn a_partial_list_speaks_only_for_certificates_that_point_to_it() {
    let room = Room::new();
    let uri = "http://crl.region.example/1.crl";
    let point = tlv(0xa0, &tlv(0xa0, &tlv(0x86, uri.as_bytes())));
    let list = sketch(|s| s.extensions.push(extension(28, true, &tlv(0x30, &point))));
    let (revocations, faults) = room.with(&[list.signed_by(&room.tree.person)]);
    assert_eq!(faults, []);
    assert_eq!(room.standing(&revocations, &room.tree.card("")), Standing::Unknown);
    let pointing = room.tree.card("").with(|p| {
        p.crl_distribution_points = vec![rcgen::CrlDistributionPoint { uris: vec![uri.to_owned()] }];
    });
    assert_eq!(room.standing(&revocations, &pointing), Standing::Revoked);
}

#[test]
fn a_list_for_end_entities_without_an_address_is_a_whole_list() {
    let room = Room::new();
    let list = sketch(|s| s.extensions.push(extension(28, true, &tlv(0x30, &tlv(0x81, &[0xff])))));
    let (revocations, faults) = room.with(&[list.signed_by(&room.tree.person)]);
    assert_eq!(faults, []);
    assert_eq!(room.standing(&revocations, &room.tree.card("")), Standing::Revoked);
}

#[test]
fn a_list_in_pem_is_read_and_rubbish_is_told() {
    let room = Room::new();
    let der = sketch(|_| {}).signed_by(&room.tree.person);
    let line = "-----BEGIN X509 CRL-----\n";
    let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &der);
    let pem = format!("{line}{body}\n-----END X509 CRL-----\n");
    let (_, faults) = room.with(&[pem.into_bytes(), b"no list".to_vec(), der[..der.len() - 1].to_vec()]);
    assert_eq!(faults, [CrlError::Malformed, CrlError::Malformed]);
    let (_, faults) = Revocations::default().renewed(&[room.tree.dir.path().join("gone")], &room.issuers);
    assert_eq!(faults[0].error, CrlError::Io(std::io::ErrorKind::NotFound));
}
