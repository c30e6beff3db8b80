//! Revocation asked about by OCSP: a real responder, OpenSSL's, behind a relay that counts the questions and can fall
//! silent, for certificates of an issuer that each test has for itself.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, DnValue, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, SerialNumber,
};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

use crate::common::{RECEIVER, Region, until};

/// A judgement's ten seconds, and as long for an answer that did not come; and a machine that does other things too.
const SOON: Duration = Duration::from_secs(60);
const PORTAL: &str = "TSTNMT2321000156-P001";

struct Authority {
    ca: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new() -> Authority {
        let params = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            params
        };
        let root = params("TEST Region Root CA v1");
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let issuing = params("TEST Region CA v1");
        let ca = CertifiedIssuer::signed_by(issuing, KeyPair::generate().unwrap(), &root).unwrap();
        Authority { ca, dir: TempDir::new().unwrap() }
    }

    /// A region that trusts this authority at both doors, with a system (serial 11) and a card (serial 12, which names
    /// the responder itself) of it.
    fn region(&self, relay: &Relay, tables: &str) -> Region {
        let url = relay.url();
        let region = Region::prepare().with(&format!(
            "[[trust.portal-issuer]]\nfile = \"ca/asked.pem\"\nkind = \"function\"\nrevocation = \"ocsp\"\n\
             ocsp-url = \"{url}\"\n[[trust.staff-issuer]]\nfile = \"ca/asked.pem\"\nkind = \"person-hsa-id\"\n\
             revocation = \"crl-then-ocsp\"\n\
             [limits]\naddress-per-minute = 100000\ncertificate-per-minute = 100000\n{tables}"
        ));
        fs::write(region.path("ca/asked.pem"), self.ca.pem()).unwrap();
        self.issue(&region, "tls/asked", PORTAL, 0x11, None);
        self.issue(&region, "cards/asked", RECEIVER, 0x12, Some(&url));
        region
    }

    fn issue(&self, region: &Region, name: &str, hsa_id: &str, serial: u8, responder: Option<&str>) {
        let mut params = CertificateParams::default();
        let subject = &mut params.distinguished_name;
        subject.push(DnType::CommonName, "Tolvan Tolvansson");
        subject.push(DnType::from_oid(&[2, 5, 4, 5]), DnValue::PrintableString(hsa_id.try_into().unwrap()));
        params.serial_number = Some(SerialNumber::from_slice(&[serial]));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if let Some(url) = responder {
            // AuthorityInfoAccess: id-ad-ocsp, and the address as [6].
            let tlv = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
            let method = tlv(0x06, &[0x2b, 6, 1, 5, 5, 7, 0x30, 1]);
            let access = tlv(0x30, &[method, tlv(0x86, url.as_bytes())].concat());
            let oid = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
            params.custom_extensions = vec![CustomExtension::from_oid_content(oid, tlv(0x30, &access))];
        }
        let key = KeyPair::generate().unwrap();
        fs::write(region.path(name).with_extension("pem"), params.signed_by(&key, &self.ca).unwrap().pem()).unwrap();
        fs::write(region.path(name).with_extension("key"), key.serialize_pem()).unwrap();
    }

    /// A responder that signs as the authority itself, and knows these lines.
    fn responder(&self, lines: &[&str]) -> Responder {
        let signer = format!("{}{}", self.ca.pem(), self.ca.key().serialize_pem());
        self.responder_as(lines, &signer)
    }

    /// One with a certificate of its own.
    fn appointed(&self, lines: &[&str]) -> Responder {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "TEST responder");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        self.responder_as(lines, &format!("{}{}", certificate.pem(), key.serialize_pem()))
    }

    fn responder_as(&self, lines: &[&str], signer: &str) -> Responder {
        // Each has files of its own: it says that it listens before it has read them.
        let dir = TempDir::new_in(self.dir.path()).unwrap().keep();
        let write = |name: &str, text: &str| {
            fs::write(dir.join(name), text).unwrap();
            dir.join(name)
        };
        let index = write("index.txt", &lines.concat());
        let (ca, signer) = (write("ca.pem", &self.ca.pem()), write("signer.pem", signer));
        let child = Command::new("openssl")
            .args(["ocsp", "-port", "0", "-ndays", "1", "-index"])
            .arg(index)
            .arg("-CA")
            .arg(ca)
            .arg("-rsigner")
            .arg(&signer)
            .arg("-rkey")
            .arg(&signer)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.unwrap();
        // "ACCEPT [::]:45711 PID=4841"
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.split_whitespace().nth(1).and_then(|at| at.rsplit(':').next()).unwrap().parse().unwrap();
        Responder { child, port }
    }
}

/// A responder takes no two of one name.
const SYSTEM_VALID: &str = "V\t401122000000Z\t\t11\tunknown\t/CN=system\n";
const CARD_VALID: &str = "V\t401122000000Z\t\t12\tunknown\t/CN=card\n";
const SYSTEM_REVOKED: &str = "R\t401122000000Z\t261101000000Z\t11\tunknown\t/CN=system\n";
const CARD_REVOKED: &str = "R\t401122000000Z\t261101000000Z\t12\tunknown\t/CN=card\n";

/// OpenSSL's responder; it ends with the test.
struct Responder {
    child: Child,
    port: u16,
}

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What stands behind the address.
#[derive(Clone, Copy)]
enum Behind {
    Responder(u16),
    /// Takes the question and never answers.
    Silence,
    Nobody,
}

/// OpenSSL listens to one family only, which one depends on the machine.
fn here(port: u16) -> [SocketAddr; 2] {
    [(Ipv6Addr::LOCALHOST, port).into(), (Ipv4Addr::LOCALHOST, port).into()]
}

/// An address that stays while responders come and go, and counts who asks.
struct Relay {
    port: u16,
    behind: Arc<Mutex<Behind>>,
    asked: Arc<AtomicUsize>,
}

impl Relay {
    async fn start(behind: Behind) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (behind, asked) = (Arc::new(Mutex::new(behind)), Arc::<AtomicUsize>::default());
        let (to, counted) = (behind.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let to = *to.lock().unwrap();
                tokio::spawn(async move {
                    match to {
                        Behind::Responder(port) => {
                            let mut responder = TcpStream::connect(&here(port)[..]).await.unwrap();
                            let _ = tokio::io::copy_bidirectional(&mut stream, &mut responder).await;
                        }
                        Behind::Silence => std::future::pending().await,
                        Behind::Nobody => drop(stream),
                    }
                });
            }
        });
        Relay { port, behind, asked }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    fn put(&self, behind: Behind) {
        *self.behind.lock().unwrap() = behind;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_good_certificate_comes_in_at_both_doors_and_is_asked_about_once() {
    let authority = Authority::new();
    for responder in
        [authority.responder(&[SYSTEM_VALID, CARD_VALID]), authority.appointed(&[SYSTEM_VALID, CARD_VALID])]
    {
        let relay = Relay::start(Behind::Responder(responder.port)).await;
        let gateway = authority.region(&relay, "").run();
        for _ in 0..3 {
            let system = gateway.at(gateway.portal_door, Some("tls/asked"));
            assert_eq!(system.get("/v1/whoami").await.expect(200).json()["hsaId"], PORTAL);
            let card = gateway.card("asked");
            // Side by side on one connection, before anything is known.
            let (one, other) =
                tokio::join!(async { card.get("/v1/whoami").await }, async { card.get("/v1/inbox").await });
            assert_eq!((one.status, other.status), (200, 200), "{}", one.text());
        }
        assert_eq!(relay.asked(), 2, "once a certificate");
        let tried = gateway.at(gateway.card_test_door.unwrap(), Some("cards/asked")).http1();
        let tried = tried.get("/v1/card-test").await.expect(200).json();
        assert_eq!(
            (&tried["doors"][0]["door"], &tried["doors"][0]["accepted"]),
            (&"staff".into(), &true.into()),
            "{tried}"
        );
        let status = gateway.operated(&["status"])["trust"]["responders"].clone();
        let host = format!("127.0.0.1:{}", relay.port);
        assert_eq!((&status[&host]["good"], &status[&host]["unanswered"]), (&2.into(), &0.into()), "{status}");
    }
}

#[tokio::test]
async fn a_revoked_system_gets_a_problem_that_says_so_and_a_card_is_revoked_while_its_connection_is_open() {
    let authority = Authority::new();
    let first = authority.responder(&[SYSTEM_REVOKED, CARD_VALID]);
    let relay = Relay::start(Behind::Responder(first.port)).await;
    let gateway = authority.region(&relay, "[trust.ocsp]\ncache-seconds-max = 1\n").run();
    let system = gateway.at(gateway.portal_door, Some("tls/asked"));
    let told = system.get("/v1/whoami").await.refused(403, "rejected");
    assert_eq!(told["rejection"]["code"], "revoked");

    let card = gateway.card("asked");
    card.get("/v1/whoami").await.expect(200);
    let second = authority.responder(&[SYSTEM_VALID, CARD_REVOKED]);
    relay.put(Behind::Responder(second.port));
    let refused = async || Some(card.get("/v1/whoami").await).filter(|told| told.status != 200);
    let told = until("the card is asked about again", SOON, refused).await.refused(403, "rejected");
    assert_eq!(told["rejection"]["code"], "revoked");
    let system = gateway.at(gateway.portal_door, Some("tls/asked"));
    let well = async || system.get("/v1/whoami").attempt().await.ok().filter(|told| told.status == 200);
    until("the system is let in, as the responder says so now", SOON, well).await;
}

#[tokio::test]
async fn without_a_believable_answer_nobody_comes_in_and_operators_hear_of_it_once() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let forger = stranger.ca.pem() + &stranger.ca.key().serialize_pem();
    let ignorant = authority.responder(&[]);
    let forged = authority.responder_as(&[SYSTEM_VALID, CARD_VALID], &forger);
    for (behind, why) in [
        (Behind::Nobody, "the connection ended before the answer did"),
        (Behind::Silence, "no whole answer in time"),
        (Behind::Responder(ignorant.port), "does not know the certificate"),
        (Behind::Responder(forged.port), "has a signature that does not hold"),
    ] {
        let relay = Relay::start(behind).await;
        let gateway = authority.region(&relay, "[trust.ocsp]\ntimeout-seconds = 1\n").run();
        for _ in 0..3 {
            for caller in [gateway.at(gateway.portal_door, Some("tls/asked")), gateway.card("asked")] {
                let told = caller.get("/v1/whoami").await.refused(403, "rejected");
                assert_eq!(told["rejection"]["code"], "revocation-unknown", "{why}");
            }
        }
        assert_eq!(relay.asked(), 2, "not for each connection: {why}");
        let alarms = gateway.operated(&["status"])["trust"]["revocationAlarms"].to_string();
        assert!(alarms.contains("OCSP at 127.0.0.1") && alarms.contains(why), "{alarms}");
        assert_eq!(gateway.log().matches("a responder did not answer").count(), 1, "{}", gateway.log());

        let well = authority.responder(&[SYSTEM_VALID, CARD_VALID]);
        relay.put(Behind::Responder(well.port));
        let told = async || gateway.card("asked").get("/v1/whoami").attempt().await;
        let card = async || told().await.ok().filter(|told| told.status == 200);
        until("the responder is believed again", SOON, card).await;
    }
}

#[tokio::test]
async fn the_card_test_asks_the_responder_too() {
    let authority = Authority::new();
    let responder = authority.responder(&[SYSTEM_VALID, CARD_REVOKED]);
    let relay = Relay::start(Behind::Responder(responder.port)).await;
    let gateway = authority.region(&relay, "").run();
    let card = gateway.at(gateway.card_test_door.unwrap(), Some("cards/asked")).http1();
    let told = card.get("/v1/card-test").await.expect(200).json();
    assert_eq!(told["doors"][0]["rejection"]["code"], "revoked", "{told}");
    assert_eq!(relay.asked(), 1);
}
