//! Revocation lists as they should be and in every way in which they may not be.

use rcgen::KeyPair;

use super::*;
use crate::identity::testing::{Ca, CrlSketch, Leaf, Tree, at, ca_params, extension, now, tlv};
use crate::identity::{Door, IssuerKind};

const REVOKED: &[u8] = &[0x4a, 1];

fn revoked() -> Standing {
    Standing::Revoked { at: at("2026-11-01") }
}

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
        parse(Path::new("list.crl"), list, &self.issuers).unwrap_err()
    }

    fn with(&self, lists: &[Vec<u8>]) -> (Revocations, Vec<CrlError>) {
        self.after(&Revocations::default(), lists)
    }

    fn after(&self, before: &Revocations, lists: &[Vec<u8>]) -> (Revocations, Vec<CrlError>) {
        let write = |(place, list): (usize, &Vec<u8>)| self.tree.write(&format!("{place}.crl"), list);
        let files: Vec<_> = lists.iter().enumerate().map(write).collect();
        let (revocations, faults) = before.renewed(&files, &[], &self.issuers);
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
    for (serial, standing) in
        [(REVOKED, revoked()), (&[0x9f], revoked()), (&[0x4a, 2], Standing::Good), (&[0x01, 0x4a, 1], Standing::Good)]
    {
        assert_eq!(card(serial), standing, "{serial:?}");
    }
    assert_eq!(
        revocations.status(&room.issuers[0]),
        [CrlStatus {
            this_update: at("2026-11-20"),
            next_update: at("2026-11-24"),
            half_life: at("2026-11-22"),
            entries: 2,
            source: room.tree.dir.path().join("0.crl"),
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
    assert_eq!(
        parse(Path::new("list.crl"), &sketch(|_| {}).signed_by(&ca), &issuers).unwrap_err(),
        CrlError::IssuerMayNotSign
    );
}

#[test]
fn the_highest_number_stays_whatever_comes_after_it() {
    let room = Room::new();
    let newer = CrlSketch::new(6, &[REVOKED]).signed_by(&room.tree.person);
    let older = CrlSketch::new(5, &[]).signed_by(&room.tree.person);
    let card = room.tree.card("");
    for order in [[older.clone(), newer.clone()], [newer.clone(), older.clone()]] {
        let (revocations, _) = room.with(&order);
        assert_eq!(room.standing(&revocations, &card), revoked());
    }
    let (held, _) = room.with(&[newer]);
    let (rolled_back, faults) = room.after(&held, &[older]);
    assert_eq!(faults, [CrlError::Older]);
    assert_eq!(room.standing(&rolled_back, &card), revoked());
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
    assert_eq!(room.standing(&revocations, &pointing), revoked());
}

#[test]
fn a_list_for_end_entities_without_an_address_is_a_whole_list() {
    let room = Room::new();
    let list = sketch(|s| s.extensions.push(extension(28, true, &tlv(0x30, &tlv(0x81, &[0xff])))));
    let (revocations, faults) = room.with(&[list.signed_by(&room.tree.person)]);
    assert_eq!(faults, []);
    assert_eq!(room.standing(&revocations, &room.tree.card("")), revoked());
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
    let (_, faults) = Revocations::default().renewed(&[room.tree.dir.path().join("gone")], &[], &room.issuers);
    assert_eq!(faults[0].error, CrlError::Io(std::io::ErrorKind::NotFound));
}

#[test]
fn what_was_fetched_before_gives_way_to_a_newer_file_without_a_word_but_damage_is_told() {
    let room = Room::new();
    let newer = room.tree.write("newer.crl", CrlSketch::new(6, &[REVOKED]).signed_by(&room.tree.person));
    let older = room.tree.write("older.crl", CrlSketch::new(5, &[]).signed_by(&room.tree.person));
    let of_another = room.tree.write("other.crl", sketch(|_| {}).signed_by(&room.tree.function));
    let torn = room.tree.write("torn.crl", b"\x30 half a file");
    let (revocations, faults) =
        Revocations::default().renewed(&[newer], &[older, of_another, torn.clone()], &room.issuers);
    assert_eq!(faults, [CrlFault { file: torn, error: CrlError::Malformed }]);
    assert_eq!(room.standing(&revocations, &room.tree.card("")), revoked());
}

#[test]
fn past_its_grace_a_list_is_stale_and_still_names_the_revoked() {
    let room = Room::new();
    let (revocations, _) = room.with(&[CrlSketch::new(5, &[&[0x9f]]).signed_by(&room.tree.person)]);
    let standing = |serial: &[u8], now: &str, grace_days: u64| {
        let card = room.tree.card("").with(|p| p.serial_number = Some(rcgen::SerialNumber::from_slice(serial)));
        let certificate = crate::identity::describe(&card.der()).unwrap();
        revocations.standing(&room.issuers[0], &certificate, at(now), Duration::from_secs(grace_days * 86_400))
    };
    assert_eq!(standing(&[1], "2026-11-24", 0), Standing::Good);
    assert_eq!(standing(&[1], "2026-11-25", 1), Standing::Good);
    assert_eq!(standing(&[1], "2026-11-26", 1), Standing::Stale { next_update: at("2026-11-24") });
    assert_eq!(standing(&[0x9f], "2026-11-26", 1), revoked());
}

#[test]
fn addresses_are_learned_from_whoever_asks_and_survive_a_renewal() {
    let room = Room::new();
    let uri = "http://crl.region.example/person.crl";
    let card = room.tree.card("").with(|p| {
        p.crl_distribution_points = vec![rcgen::CrlDistributionPoint { uris: vec![uri.to_owned()] }];
    });
    let revocations = Revocations::default();
    room.standing(&revocations, &card);
    let (renewed, _) = revocations.renewed(&[], &[], &room.issuers);
    assert_eq!(renewed.points().of(&room.issuers[0].certificate.fingerprint), [uri]);
    let (without_issuer, _) = renewed.renewed(&[], &[], &[]);
    assert!(without_issuer.points().of(&room.issuers[0].certificate.fingerprint).is_empty());
}

#[test]
fn two_hundred_thousand_entries_take_five_megabytes_and_microseconds_at_most_to_look_up() {
    let entry = |n: u32| Entry {
        serial: Serial::from_raw(&[[0x4a; 12].as_slice(), &n.wrapping_mul(2_654_435_761).to_be_bytes()].concat())
            .unwrap(),
        revoked_at_seconds: n,
    };
    let mut entries: Vec<Entry> = (0..200_000).map(entry).collect();
    entries.sort_unstable();
    assert!(size_of_val(entries.as_slice()) <= 5_000_000);
    let list = Crl {
        source: PathBuf::new(),
        number: Serial::from_raw(&[1]).unwrap(),
        scope: Vec::new(),
        this_update: at("2026-11-20"),
        next_update: at("2026-11-24"),
        entries,
    };
    let serials: Vec<Serial> = (0..400_000).map(|n| entry(n).serial).collect();
    let round = || {
        let began = std::time::Instant::now();
        let found = serials.iter().filter(|serial| list.revoked_at(**serial).is_some()).count();
        assert_eq!(found, 200_000);
        began.elapsed() / 400_000
    };
    // The best of some, as other things run on the machine too.
    let each = (0..5).map(|_| round()).min().unwrap();
    // The goal is 1 µs; 0.33 were measured. The rest is for builds that aren't optimised.
    assert!(each < Duration::from_micros(10), "{each:?}");
}
