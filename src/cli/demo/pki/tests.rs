//! The demo's keys as others see them: files and modes, OpenSSL's verdict on chains and keystores, X.509 fields.

use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tempfile::TempDir;
use x509_parser::prelude::{CertificateRevocationList, FromDer, GeneralName, X509Certificate};

use super::*;

const NOW: &str = "2026-11-22T08:00:00Z";
const DAY_SECONDS: i64 = DAY_HOURS * HOUR_SECONDS;

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn written() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), now()).unwrap();
    dir
}

fn chain(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path).unwrap().map(Result::unwrap).collect()
}

/// Hands the first certificate of a file to `look`.
fn leaf<T>(dir: &TempDir, file: &str, look: impl FnOnce(&X509Certificate<'_>) -> T) -> T {
    let chain = chain(&dir.path().join(file));
    look(&X509Certificate::from_der(&chain[0]).unwrap().1)
}

fn subject_serial_number(certificate: &X509Certificate<'_>) -> String {
    let oid = x509_parser::oid_registry::OID_X509_SERIALNUMBER;
    let values: Vec<&str> = certificate.subject().iter_by_oid(&oid).map(|value| value.as_str().unwrap()).collect();
    values.concat()
}

/// From when to when, in seconds from `now`.
fn life(dir: &TempDir, file: &str) -> (i64, i64) {
    leaf(dir, file, |certificate| {
        let validity = certificate.validity();
        let now = now().as_second();
        (validity.not_before.timestamp() - now, validity.not_after.timestamp() - now)
    })
}

/// None where the machine has no OpenSSL.
fn openssl(arguments: &[&str]) -> Option<Output> {
    match Command::new("openssl").args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            eprintln!("skipped: no openssl on this machine");
            None
        }
        Err(error) => panic!("openssl: {error}"),
    }
}

/// What OpenSSL says of the first certificate of `file`, on the day that it was written, when it trusts `anchor`, takes
/// intermediates from the file itself and looks the certificate up in `revocations`.
fn verdict(dir: &TempDir, file: &str, anchor: &str, revocations: Option<&str>, purpose: &str) -> Option<String> {
    let path = |file: &str| dir.path().join(file).to_str().unwrap().to_owned();
    let at = now().as_second().to_string();
    let (anchor, file, revocations) = (path(anchor), path(file), revocations.map(path));
    let mut arguments = vec!["verify", "-x509_strict", "-attime", &at, "-purpose", purpose, "-CAfile", &anchor];
    if let Some(revocations) = &revocations {
        arguments.extend(["-crl_check", "-CRLfile", revocations]);
    }
    arguments.extend(["-untrusted", &file, &file]);
    let output = openssl(&arguments)?;
    Some(if output.status.success() { "OK".to_owned() } else { String::from_utf8(output.stderr).unwrap() })
}

#[test]
fn every_file_of_the_design_is_there_and_no_other() {
    let dir = written();
    let mut expected = BTreeSet::from(["master.key", "tls/server-ca.pem"].map(str::to_owned));
    for authority in ["root", "person-hsa-id-3", "person-hsa-id-2", "person-id-3", "function", "telia"] {
        expected.insert(format!("ca/{authority}.pem"));
    }
    expected.extend(["ca/person-hsa-id-3.crl", "ca/person-hsa-id-2.crl", "ca/function.crl"].map(str::to_owned));
    for pair in ["server", "portal", "staff-system", "stranger"] {
        expected.extend(["pem", "key"].map(|end| format!("tls/{pair}.{end}")));
    }
    let good = ["receiver", "handler", "other-handler", "administrator", "manager", "support"];
    let bad = ["telia", "person-id", "expired", "not-yet", "revoked", "no-post", "no-role"];
    let worse = ["mobile", "signing", "loa-2", "no-hsa-id", "malformed-hsa-id"];
    for card in good.iter().chain(&bad).chain(&worse) {
        expected.extend(["pem", "key", "p12"].map(|end| format!("cards/{card}.{end}")));
    }
    let mut found = BTreeSet::new();
    for place in ["", "ca", "tls", "cards"] {
        for entry in fs::read_dir(dir.path().join(place)).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                found.insert(Path::new(place).join(entry.file_name()).to_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(found, expected);
}

#[test]
fn keys_are_for_the_owner_alone() {
    let dir = written();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("master.key")), 0o600);
    for place in ["tls", "cards"] {
        assert_eq!(mode(&dir.path().join(place)), 0o700);
        for entry in fs::read_dir(dir.path().join(place)).unwrap().map(Result::unwrap) {
            if entry.path().extension().is_some_and(|end| end == "key" || end == "p12") {
                assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
            }
        }
    }
}

#[test]
fn the_master_key_is_64_hexadecimal_digits_and_new_each_time() {
    let read = |dir: &TempDir| fs::read_to_string(dir.path().join("master.key")).unwrap();
    let (one, other) = (read(&written()), read(&written()));
    assert_eq!(one.len(), 64);
    assert!(one.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_ne!(one, other);
}

#[test]
fn a_second_writing_changes_nothing_and_says_what_is_in_the_way() {
    let dir = written();
    let before = fs::read(dir.path().join("master.key")).unwrap();
    let error = write(dir.path(), now()).unwrap_err();
    assert!(matches!(&error, PkiError::Exists(path) if path.ends_with("master.key")), "{error}");
    assert_eq!(fs::read(dir.path().join("master.key")).unwrap(), before);
}

#[test]
fn the_keys_of_authorities_are_nowhere() {
    let dir = written();
    for entry in fs::read_dir(dir.path().join("ca")).unwrap().map(Result::unwrap) {
        let bytes = fs::read(entry.path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("PRIVATE KEY"), "{}", entry.path().display());
    }
}

#[test]
fn openssl_takes_what_is_good_and_says_of_each_bad_card_what_we_say() {
    let dir = written();
    for card in CARDS.iter().filter(|card| matches!(card.issuer, CardIssuer::PersonHsaId)) {
        let file = format!("cards/{}.pem", card.file);
        let Some(said) = verdict(&dir, &file, "ca/root.pem", Some("ca/person-hsa-id-3.crl"), "sslclient") else {
            return;
        };
        let expected = match card.file {
            "expired" => "certificate has expired",
            "not-yet" => "certificate is not yet valid",
            "revoked" => "certificate revoked",
            "signing" => "purpose",
            _ => "OK",
        };
        assert!(said.contains(expected), "{file}: {said}");
    }
    let mut others = vec![
        ("cards/person-id.pem", "ca/root.pem", None, "sslclient", "OK"),
        ("cards/telia.pem", "ca/telia.pem", None, "sslclient", "OK"),
        ("cards/telia.pem", "ca/root.pem", None, "sslclient", "unable to get local issuer certificate"),
        ("tls/server.pem", "tls/server-ca.pem", None, "sslserver", "OK"),
        ("tls/server.pem", "ca/root.pem", None, "sslserver", "unable to get local issuer certificate"),
    ];
    for system in ["tls/portal.pem", "tls/staff-system.pem", "tls/stranger.pem"] {
        others.extend(
            ["sslclient", "sslserver"].map(|purpose| (system, "ca/root.pem", Some("ca/function.crl"), purpose, "OK")),
        );
    }
    for (file, anchor, revocations, purpose, expected) in others {
        let said = verdict(&dir, file, anchor, revocations, purpose).unwrap();
        assert!(said.contains(expected), "{file} under {anchor} as {purpose}: {said}");
    }
}

#[test]
fn a_chain_brings_its_issuer_and_never_a_root() {
    let dir = written();
    let length = |file: &str| chain(&dir.path().join(file)).len();
    assert_eq!(length("tls/portal.pem"), 2);
    assert_eq!(length("cards/receiver.pem"), 2);
    assert_eq!(length("cards/telia.pem"), 1);
    assert_eq!(length("tls/server.pem"), 1);
    let issuer = |file: &str| chain(&dir.path().join(file)).pop();
    assert_eq!(issuer("cards/handler.pem"), issuer("ca/person-hsa-id-3.pem"));
    assert_eq!(issuer("cards/person-id.pem"), issuer("ca/person-id-3.pem"));
    assert_eq!(issuer("tls/stranger.pem"), issuer("ca/function.pem"));
}

#[test]
fn a_card_to_be_refused_breaks_the_rule_of_its_name() {
    let dir = written();
    let day = DAY_SECONDS;
    let hour = HOUR_SECONDS;
    assert_eq!(life(&dir, "cards/receiver.pem"), (-hour, 90 * day));
    assert_eq!(life(&dir, "cards/revoked.pem"), (-hour, 90 * day));
    assert_eq!(life(&dir, "cards/expired.pem"), (-91 * day, -day));
    assert_eq!(life(&dir, "cards/not-yet.pem"), (2 * day, 92 * day));
    let identifier = |file: &str| leaf(&dir, file, subject_serial_number);
    for file in ["receiver", "expired", "not-yet", "revoked"] {
        assert_eq!(identifier(&format!("cards/{file}.pem")), "TSTNMT2321000156-1001");
    }
    assert_eq!(identifier("cards/no-post.pem"), "TSTNMT2321000156-1999");
    assert_eq!(identifier("cards/malformed-hsa-id.pem"), "TSTNMT2321000156");
    for file in ["cards/telia.pem", "cards/person-id.pem", "cards/mobile.pem"] {
        assert_eq!(identifier(file), "191212121212");
    }
}

#[test]
fn authorities_outlive_all_that_they_issued() {
    let dir = written();
    for authority in ["ca/root.pem", "ca/person-hsa-id-3.pem", "ca/function.pem", "ca/telia.pem", "tls/server-ca.pem"] {
        let (from, until) = life(&dir, authority);
        assert_eq!((until - from) / DAY_SECONDS, AUTHORITY_DAYS, "{authority}");
        assert!(from < -91 * DAY_SECONDS && until > 92 * DAY_SECONDS, "{authority}");
    }
}

#[test]
fn the_revocation_lists_name_the_revoked_card_and_nothing_else() {
    let dir = written();
    let revoked = leaf(&dir, "cards/revoked.pem", |certificate| certificate.serial.clone());
    let read = |file: &str| fs::read(dir.path().join(file)).unwrap();
    for (name, serials) in [("person-hsa-id-3", vec![revoked]), ("person-hsa-id-2", vec![]), ("function", vec![])] {
        let bytes = read(&format!("ca/{name}.crl"));
        let (rest, list) = CertificateRevocationList::from_der(&bytes).unwrap();
        assert!(rest.is_empty());
        let listed: Vec<_> = list.iter_revoked_certificates().map(|entry| entry.serial().clone()).collect();
        assert_eq!(listed, serials, "{name}");
        assert_eq!(list.next_update().unwrap().timestamp(), now().as_second() + 30 * DAY_SECONDS);
        leaf(&dir, &format!("ca/{name}.pem"), |issuer| {
            assert_eq!(list.issuer(), issuer.subject());
            list.verify_signature(issuer.public_key()).unwrap();
        });
    }
}

#[test]
fn a_keystore_holds_the_key_and_the_chain_of_the_files_beside_it() {
    let dir = written();
    for card in &CARDS {
        let path = |end: &str| dir.path().join(format!("cards/{}.{end}", card.file));
        let bytes = fs::read(path("p12")).unwrap();
        assert!(KeyStore::from_pkcs12(&bytes, "wrong", Pkcs12ImportPolicy::Strict).is_err());
        let store = KeyStore::from_pkcs12(&bytes, "demo", Pkcs12ImportPolicy::Strict).unwrap();
        let (alias, entry) = store.private_key_chain().unwrap();
        assert!(alias.contains(card.holder.surname) && alias.contains(card.file), "{alias}");
        let certificates: Vec<&[u8]> = entry.certs().iter().map(p12_keystore::Certificate::as_der).collect();
        assert_eq!(certificates, chain(&path("pem")).iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>());
        let key = rcgen::KeyPair::from_pem(&fs::read_to_string(path("key")).unwrap()).unwrap();
        assert_eq!(entry.key().as_der(), key.serialized_der());
        let public =
            leaf(&dir, &format!("cards/{}.pem", card.file), |c| c.public_key().subject_public_key.data.to_vec());
        assert_eq!(public, key.public_key_raw());
    }
}

#[test]
fn openssl_opens_a_keystore_with_aes_and_the_holders_name() {
    let dir = written();
    let file = dir.path().join("cards/receiver.p12");
    let file = file.to_str().unwrap();
    let Some(opened) = openssl(&["pkcs12", "-in", file, "-passin", "pass:demo", "-nodes", "-info"]) else { return };
    // OpenSSL prints a name's letters beyond ASCII as Latin-1.
    let [text, info] = [&opened.stdout, &opened.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(opened.status.success(), "{info}");
    assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(text.matches("BEGIN PRIVATE KEY").count(), 1);
    assert!(text.contains("friendlyName: Anna"), "{text}");
    assert_eq!(info.matches("PBES2, PBKDF2, AES-256-CBC").count(), 2, "{info}");
}

#[test]
fn the_people_on_good_cards_are_those_of_the_sample_directory() {
    let directory = include_str!("../../../../config/region/directory.csv");
    let dir = written();
    for card in CARDS.iter().take(6) {
        let Person { given_name, surname, identifier } = card.holder;
        assert!(directory.contains(&format!("\n{identifier},{given_name},{surname},")), "{}", card.file);
        leaf(&dir, &format!("cards/{}.pem", card.file), |certificate| {
            assert_eq!(subject_serial_number(certificate), identifier);
            let subject = certificate.subject().to_string();
            let expected = format!("C=SE, O=Region Exempel, CN={given_name} {surname}, SN={surname}, GN={given_name}");
            let normal = subject.replace("givenName=", "GN=").replace("surname=", "SN=");
            assert!(normal.starts_with(&expected), "{normal}");
        });
    }
    assert!(!directory.contains(NILS.identifier));
}

#[test]
fn registered_systems_bear_the_ids_of_the_sample_portals_and_the_stranger_does_not() {
    let portals = include_str!("../../../../config/region/portals.json");
    let dir = written();
    for (file, is_registered) in [("portal", true), ("staff-system", true), ("stranger", false)] {
        let hsa_id = leaf(&dir, &format!("tls/{file}.pem"), subject_serial_number);
        assert_eq!(portals.contains(&format!("\"{hsa_id}\"")), is_registered, "{file}");
    }
}

#[test]
fn the_server_certificate_is_for_this_machine() {
    let dir = written();
    leaf(&dir, "tls/server.pem", |certificate| {
        let names = certificate.subject_alternative_name().unwrap().unwrap().value.general_names.clone();
        let expected = [
            GeneralName::DNSName("localhost"),
            GeneralName::IPAddress(&[127, 0, 0, 1]),
            GeneralName::IPAddress(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ];
        assert_eq!(names, expected);
    });
}
