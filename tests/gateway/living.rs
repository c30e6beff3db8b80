//! Trust that changes while the gateway runs: certificates and issuers are renewed without a request lost, what ends is
//! told in time, old cards have a way in.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::HandshakeKind;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::Caller;
use crate::common::{Gateway, RECEIVER, Region, until};

/// Two looks at the files and a reading, on a machine that does much else.
const SOON: Duration = Duration::from_secs(30);
const RELOADS: usize = 50;

/// An issuing CA, and the root above it that nobody here needs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Two of one name differ by their keys.
    fn new(name: &str) -> Authority {
        let root = CertifiedIssuer::self_signed(ca("TEST root"), KeyPair::generate().unwrap()).unwrap();
        Authority(CertifiedIssuer::signed_by(ca(name), KeyPair::generate().unwrap(), &root).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A pair for `localhost`, good for so many days from now.
    fn server(&self, days: i64) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = OffsetDateTime::now_utc() - time::Duration::days(30);
        params.not_after = OffsetDateTime::now_utc() + time::Duration::days(days) + time::Duration::hours(1);
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// A card of the receiver's.
    fn card(&self, key: &KeyPair) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("Anna Åkesson");
        params.distinguished_name.push(DnType::from_oid(&[2, 5, 4, 5]), RECEIVER);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = OffsetDateTime::now_utc() - time::Duration::days(30);
        params.not_after = OffsetDateTime::now_utc() + time::Duration::days(300);
        params.signed_by(key, &self.0).unwrap().pem()
    }
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Budkavle test");
    name.push(DnType::CommonName, common_name);
    name
}

fn ca(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = OffsetDateTime::now_utc() - time::Duration::days(30);
    params.not_after = OffsetDateTime::now_utc() + time::Duration::days(3_000);
    params
}

/// The sample region with servers of `authority`, good for `days`.
fn served_by(authority: &Authority, days: i64) -> Region {
    let region = Region::prepare();
    fs::write(region.path("tls/server-ca.pem"), authority.pem()).unwrap();
    write_pair(&region, &authority.server(days));
    region
}

fn write_pair(region: &Region, (certificate, key): &(String, String)) {
    fs::write(region.path("tls/server.pem"), certificate).unwrap();
    fs::write(region.path("tls/server.key"), key).unwrap();
}

/// The sample region whose staff have cards of `authority`, with the receiver's at `cards/own`.
fn with_cards_of(authority: &Authority) -> Region {
    let region = Region::prepare().changed("loa = 3", "loa = 3\ncrl-required = false");
    let region = region.changed(", \"ca/person-hsa-id-3.crl\"", "");
    fs::write(region.path("ca/person-hsa-id-3.pem"), authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    fs::write(region.path("cards/own.pem"), authority.card(&key)).unwrap();
    fs::write(region.path("cards/own.key"), key.serialize_pem()).unwrap();
    region
}

/// Who the door shows itself to be, by a handshake of its own.
async fn meets(gateway: &Gateway, authority: &Authority) -> bool {
    let path = gateway.region.path("tls/tried-ca.pem");
    fs::write(&path, authority.pem()).unwrap();
    let card = gateway.region.path("cards/receiver");
    let caller = Caller::new(gateway.staff_door, &path, Some(&card));
    caller.get("/v1/whoami").attempt().await.is_ok()
}

#[tokio::test]
async fn fifty_reloads_under_load_drop_no_request_and_no_connection() {
    let authority = Authority::new("TEST server CA");
    let region = served_by(&authority, 300).with(
        "[limits]\ncertificate-per-minute = 1000000\naddress-per-minute = 1000000\n\
         public-connection-per-minute = 1000000\npublic-request-per-minute = 1000000\npublic-page-per-minute = 1000000",
    );
    let gateway = Arc::new(region.changed("filter = \"warn\"", "filter = \"info\"").run());
    let pairs = [authority.server(200), authority.server(250)];
    let (done, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let kept = [
        (gateway.portal(), "/v1/whoami"),
        (gateway.portal().http1(), "/v1/whoami"),
        (gateway.receiver(), "/v1/inbox"),
        (gateway.receiver().http1(), "/v1/inbox"),
        (gateway.anyone(), "/status"),
        (gateway.anyone().http1(), "/status"),
    ];
    let mut asking = tokio::task::JoinSet::new();
    for (caller, path) in kept {
        let (done, asked) = (done.clone(), asked.clone());
        asking.spawn(async move {
            while !done.load(Ordering::Relaxed) {
                caller.get(path).await.expect(200);
                asked.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let fresh = gateway.clone();
    let ended = done.clone();
    asking.spawn(async move {
        while !ended.load(Ordering::Relaxed) {
            fresh.portal().get("/v1/whoami").await.expect(200);
            fresh.receiver().http1().get("/v1/whoami").await.expect(200);
        }
    });
    let reloaded = || gateway.log().matches("certificates and revocation lists were read again").count();
    for round in 0..RELOADS {
        let before = asked.load(Ordering::Relaxed);
        write_pair(&gateway.region, &pairs[round % 2]);
        gateway.signal("HUP");
        let through = async || (reloaded() > round && asked.load(Ordering::Relaxed) > before).then_some(());
        until("the reload is done and callers were answered meanwhile", SOON, through).await;
    }
    done.store(true, Ordering::Relaxed);
    while let Some(ended) = asking.join_next().await {
        ended.unwrap();
    }
    assert!(asked.load(Ordering::Relaxed) >= RELOADS);
    assert_eq!(gateway.operated(&["status"])["trust"]["unfit"], serde_json::json!([]));
}

#[tokio::test]
async fn a_pair_is_taken_up_by_itself_when_both_halves_are_there_and_half_of_one_is_told_once() {
    let gateway = Gateway::start();
    let authority = Authority::new("TEST server CA");
    let (certificate, key) = authority.server(300);
    fs::write(gateway.region.path("tls/server.pem"), certificate).unwrap();
    let unfit = async || {
        let status = gateway.operated(&["status"]);
        let unfit = status["trust"]["unfit"].as_array().unwrap().clone();
        (unfit.len() == 4).then_some(unfit)
    };
    let unfit = until("all four doors tell of the half pair", SOON, unfit).await;
    assert!(unfit[0]["error"].as_str().unwrap().contains("does not belong to the certificate"), "{unfit:?}");
    gateway.receiver().get("/v1/whoami").await.expect(200);
    let told = || gateway.log().matches("a certificate was not renewed: the old stays").count();
    assert_eq!(told(), 4, "once a door");

    fs::write(gateway.region.path("tls/server.key"), key).unwrap();
    until("the whole pair is shown", SOON, async || meets(&gateway, &authority).await.then_some(())).await;
    let mended = async || (gateway.operated(&["status"])["trust"]["unfit"] == serde_json::json!([])).then_some(());
    until("nothing is unfit any more", SOON, mended).await;
    assert_eq!(told(), 4, "no look has told it again");
}

/// One request on a connection of its own: how the handshake went, and the answer.
async fn once(caller: &Caller) -> (HandshakeKind, String) {
    let mut stream = caller.raw().await;
    stream.write_all(b"GET /v1/whoami HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut told = Vec::new();
    // Tickets come before the answer: by its end they are kept.
    let _ = stream.read_to_end(&mut told).await;
    (stream.get_ref().1.handshake_kind().unwrap(), String::from_utf8_lossy(&told).into_owned())
}

#[tokio::test]
async fn a_session_resumed_after_its_issuer_was_taken_away_is_refused_and_so_is_an_idle_connection() {
    let issuer = "TEST SITHS e-id Person HSA-id 3 CA v1";
    let gateway = with_cards_of(&Authority::new(issuer)).run();
    let (card, idle) = (gateway.card("own"), gateway.card("own"));
    idle.get("/v1/whoami").await.expect(200);
    assert_eq!(once(&card).await.0, HandshakeKind::Full);
    let (kind, told) = once(&card).await;
    assert_eq!(kind, HandshakeKind::Resumed);
    assert!(told.starts_with("HTTP/1.1 200 "), "{told}");

    // Of the same name, so that sessions stay: only the judging is between them and the door.
    fs::write(gateway.region.path("ca/person-hsa-id-3.pem"), Authority::new(issuer).pem()).unwrap();
    let refused = async || Some(idle.get("/v1/whoami").await).filter(|told| told.status != 200);
    let told = until("the new issuer is in use", SOON, refused).await.refused(403, "rejected");
    assert_eq!(told["rejection"]["code"], "untrusted-signature");
    let (kind, told) = once(&card).await;
    assert_eq!(kind, HandshakeKind::Resumed);
    assert!(told.starts_with("HTTP/1.1 403 ") && told.contains("untrusted-signature"), "{told}");
}

#[tokio::test]
async fn what_ends_soon_is_told_to_log_status_operators_and_the_caller_and_outlives_a_restart() {
    let region = served_by(&Authority::new("TEST server CA"), 12);
    let gateway = region
        .changed("[[trust.portal-issuer]]", "operators-addresses = [\"drift@region.example\"]\n[[trust.portal-issuer]]")
        .run();
    let letters = gateway.letters(1).await;
    assert!(letters[0].contains("drift@region.example"), "{}", letters[0]);
    for door in ["portal", "staff", "public"] {
        let line = format!("Our certificate at the {door} door expires on ");
        assert_eq!(gateway.log().matches(&line).count(), 1, "{}", gateway.log());
        let soon = gateway.operated(&["status"])["expiresSoon"].clone();
        assert!(soon.as_array().unwrap().iter().any(|told| told.as_str().unwrap().starts_with(&line)), "{soon}");
    }
    let shown = gateway.operate(&["status"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("Our certificate at the staff door expires on "));

    // The sample region's systems have certificates for ninety days.
    assert!(gateway.portal().get("/v1/whoami").await.expect(200).json().get("warnings").is_none());
    let (portal, soon) = ("TSTNMT2321000156-P001", "The certificate that ");
    let system = |gateway: &Gateway| {
        let told = gateway.operated(&["status"])["expiresSoon"].as_array().unwrap().clone();
        told.iter().map(|told| told.as_str().unwrap()).any(|told| told.starts_with(soon) && told.contains(portal))
    };
    assert!(!system(&gateway));
    gateway.operated(&["clock", "advance", "1464h"]);
    let warnings = gateway.portal().get("/v1/whoami").header("accept-language", "en").await.expect(200).json();
    assert_eq!(warnings["warnings"][0]["code"], "certificate-expires-soon", "{warnings}");
    assert!(system(&gateway));
    gateway.letters(2).await;
    let gateway = gateway.restarted();
    gateway.operated(&["clock", "advance", "1464h"]);
    assert!(system(&gateway), "nobody has called since the restart");
}

#[tokio::test]
async fn a_card_that_cannot_sign_with_pss_comes_in_where_the_door_is_set_for_it() {
    let authority = Authority::new("TEST SITHS e-id Person HSA-id 3 CA v1");
    let told_by = async |region: Region| {
        let made = Command::new("openssl")
            .args(["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out"])
            .arg(region.path("cards/old.key"))
            .status();
        assert!(made.unwrap().success());
        let key = KeyPair::from_pem(&fs::read_to_string(region.path("cards/old.key")).unwrap()).unwrap();
        fs::write(region.path("cards/old.pem"), authority.card(&key)).unwrap();
        let gateway = region.run();
        // What such a card's software would offer to make; the server's own signature is on a P-256 key.
        let client = Command::new("openssl")
            .args(["s_client", "-quiet", "-ign_eof", "-sigalgs", "ECDSA+SHA256:RSA+SHA256", "-connect"])
            .arg(gateway.staff_door.to_string())
            .arg("-cert")
            .arg(gateway.region.path("cards/old.pem"))
            .arg("-key")
            .arg(gateway.region.path("cards/old.key"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut client = client.unwrap();
        let request = b"GET /v1/whoami HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        std::io::Write::write_all(client.stdin.as_mut().unwrap(), request).unwrap();
        String::from_utf8_lossy(&client.wait_with_output().unwrap().stdout).into_owned()
    };
    let told = told_by(with_cards_of(&authority)).await;
    assert!(told.contains("no-certificate"), "in TLS 1.3 it has nothing to sign with: {told}");
    let region = with_cards_of(&authority).changed("[staff]", "[staff]\ncard-compat = true");
    let told = told_by(region).await;
    assert!(told.starts_with("HTTP/1.1 200 ") && told.contains(RECEIVER), "{told}");
}
