//! Revocation lists fetched while the gateway runs: from a server that may be well, ill, behind a proxy or silent, for a
//! card of an issuer that each test has for itself.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, CrlDistributionPoint,
    DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber,
};
use rustls::HandshakeKind;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::client::Caller;
use crate::common::{Gateway, RECEIVER, Region, until};

/// A list's half life, a question, an answer; and a machine that does other things too.
const SOON: Duration = Duration::from_secs(40);
const CARD: &str = "cards/fetched";
const CARD_SERIAL: &[u8] = &[0x4a, 0x11];

/// An issuing CA that the gateway trusts at the staff door.
struct Authority(CertifiedIssuer<'static, KeyPair>);

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
        let issuing = params("TEST Region Person HSA-id CA v1");
        Authority(CertifiedIssuer::signed_by(issuing, KeyPair::generate().unwrap(), &root).unwrap())
    }

    /// A region that trusts this authority, and a card of the receiver that says where lists are.
    fn region(&self, list: &str) -> Region {
        let region =
            Region::prepare().with("[[trust.staff-issuer]]\nfile = \"ca/fetched.pem\"\nkind = \"person-hsa-id\"\n");
        fs::write(region.path("ca/fetched.pem"), self.0.pem()).unwrap();
        let mut params = CertificateParams::default();
        let subject = &mut params.distinguished_name;
        subject.push(DnType::CommonName, "Tolvan Tolvansson");
        subject.push(DnType::from_oid(&[2, 5, 4, 5]), DnValue::PrintableString(RECEIVER.try_into().unwrap()));
        params.serial_number = Some(SerialNumber::from_slice(CARD_SERIAL));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![list.to_owned()] }];
        let key = KeyPair::generate().unwrap();
        fs::write(region.path(CARD).with_extension("pem"), params.signed_by(&key, &self.0).unwrap().pem()).unwrap();
        fs::write(region.path(CARD).with_extension("key"), key.serialize_pem()).unwrap();
        region
    }

    /// Good for so many seconds from now on.
    fn list(&self, number: u64, life_seconds: i64, revoked: &[&[u8]]) -> Vec<u8> {
        let now = OffsetDateTime::now_utc();
        let revoked = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: now,
            next_update: now + Duration::from_secs(life_seconds.unsigned_abs()),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).unwrap().der().to_vec()
    }
}

/// What a server of lists says to everybody.
#[derive(Clone)]
enum Says {
    List(Vec<u8>),
    Status(&'static str),
    Page(&'static str),
}

/// A server of lists, or a proxy: it answers whatever it is asked for.
struct Publisher {
    port: u16,
    says: Arc<Mutex<Says>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Publisher {
    async fn start(says: Says) -> Publisher {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (says, heard) = (Arc::new(Mutex::new(says)), Arc::<Mutex<Vec<String>>>::default());
        let (script, kept) = (says.clone(), heard.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => asked.push(byte),
                        Err(_) => break,
                    }
                }
                let asked = String::from_utf8_lossy(&asked).into_owned();
                let (status, etag, body) = match script.lock().unwrap().clone() {
                    Says::Status(status) => (status, String::new(), Vec::new()),
                    Says::Page(text) => ("200 OK", String::new(), text.as_bytes().to_vec()),
                    Says::List(list) => {
                        let etag = format!("\"{}\"", list.iter().map(|byte| u64::from(*byte)).sum::<u64>());
                        if asked.contains(&format!("if-none-match: {etag}\r\n")) {
                            ("304 Not Modified", etag, Vec::new())
                        } else {
                            ("200 OK", etag, list)
                        }
                    }
                };
                let line = asked.lines().next().unwrap_or_default().to_owned();
                kept.lock().unwrap().push(format!("{line} -> {status}"));
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\netag: {etag}\r\ncontent-length: {length}\r\n\r\n");
                let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
            }
        });
        Publisher { port, says, heard }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/person.crl", self.port)
    }

    fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn card(gateway: &Gateway) -> Caller {
    gateway.at(gateway.staff_door, Some(CARD))
}

/// Waits until whoever has the card is let in.
async fn let_in(caller: &Caller) {
    let came = async || (caller.get("/v1/whoami").await.status == 200).then_some(());
    until("the card is let in", SOON, came).await;
}

/// Waits until whoever has the card is refused by this code.
async fn refused(caller: &Caller, code: &str) {
    let met = async || {
        let told = caller.get("/v1/whoami").await;
        (told.status == 403 && told.json()["rejection"]["code"] == code).then_some(())
    };
    until(code, SOON, met).await;
}

fn alarms(gateway: &Gateway) -> String {
    gateway.operated(&["status"])["trust"]["revocationAlarms"].to_string()
}

async fn alarmed(gateway: &Gateway, by: &str) {
    until(by, SOON, async || alarms(gateway).contains(by).then_some(())).await;
}

#[tokio::test]
async fn a_list_is_fetched_for_the_first_card_and_a_newer_one_in_time_without_a_restart() {
    let authority = Authority::new();
    let publisher = Publisher::start(Says::List(authority.list(1, 14, &[]))).await;
    let gateway = authority.region(&publisher.url()).run();
    let caller = card(&gateway);
    // Nobody can say yet whether it is revoked; the address has just been learned from it.
    let told = caller.get("/v1/whoami").await.refused(403, "rejected");
    assert_eq!(told["rejection"]["code"], "revocation-unknown");
    let_in(&caller).await;
    publisher.say(Says::List(authority.list(2, 3_600, &[CARD_SERIAL])));
    refused(&caller, "revoked").await;
    // Others don't notice.
    gateway.receiver().get("/v1/whoami").await.expect(200);
}

#[tokio::test]
async fn a_session_that_is_resumed_does_not_outlive_the_revocation_of_its_card() {
    let authority = Authority::new();
    let publisher = Publisher::start(Says::List(authority.list(1, 3_600, &[]))).await;
    let gateway = authority.region(&publisher.url()).run();
    let caller = card(&gateway).http1();
    let_in(&caller).await;
    let met = async || {
        let mut stream = caller.raw().await;
        let kind = stream.get_ref().1.handshake_kind();
        stream.write_all(b"GET /v1/whoami HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut told = String::new();
        let _ = stream.read_to_string(&mut told).await;
        (kind, told)
    };
    let (kind, told) = met().await;
    assert_eq!(kind, Some(HandshakeKind::Resumed));
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    publisher.say(Says::List(authority.list(2, 3_600, &[CARD_SERIAL])));
    gateway.signal("HUP");
    refused(&card(&gateway), "revoked").await;
    let (_, told) = met().await;
    assert!(told.starts_with("HTTP/1.1 403") && told.contains("\"revoked\""), "{told}");
}

#[tokio::test]
async fn an_ill_server_leaves_the_list_in_use_and_operators_hear_why_and_what_to_do() {
    let authority = Authority::new();
    let good = authority.list(5, 3_600, &[]);
    let publisher = Publisher::start(Says::List(good.clone())).await;
    let gateway = authority.region(&publisher.url()).run();
    let caller = card(&gateway);
    let_in(&caller).await;
    assert_eq!(alarms(&gateway), "[]");
    let mut cut = good.clone();
    cut.truncate(good.len() - 9);
    for (says, fault) in [
        (Says::Status("500 Ill"), "the server answered with status 500. look at what the address gives"),
        (Says::Page("<!doctype html><p>Sidan finns inte"), "what came is not a revocation list in DER or PEM"),
        (Says::List(cut), "what came is not a revocation list in DER or PEM"),
        (Says::List(Authority::new().list(6, 3_600, &[CARD_SERIAL])), "signed by somebody else"),
        (Says::List(authority.list(4, 3_600, &[CARD_SERIAL])), "what came is older than the list already in use"),
    ] {
        publisher.say(says);
        gateway.signal("HUP");
        alarmed(&gateway, fault).await;
        assert!(gateway.log().contains("identity.crl.unfetched"), "the log has it too");
        caller.get("/v1/whoami").await.expect(200);
    }
    publisher.say(Says::List(authority.list(6, 3_600, &[])));
    gateway.signal("HUP");
    until("the alarm is over", SOON, async || (alarms(&gateway) == "[]").then_some(())).await;
}

#[tokio::test]
async fn a_list_past_its_grace_lets_nobody_in_and_the_status_page_says_so() {
    let authority = Authority::new();
    let publisher = Publisher::start(Says::List(authority.list(1, 10, &[]))).await;
    let region = authority.region(&publisher.url()).changed("[trust]", "[trust]\ncrl-max-stale-hours = 0");
    let gateway = region.run();
    let caller = card(&gateway);
    let_in(&caller).await;
    publisher.say(Says::Status("503 Ill"));
    refused(&caller, "crl-stale").await;
    alarmed(&gateway, "and its grace with it: nobody of this issuer comes in").await;
    let told = async || {
        let page = gateway.anyone().get("/status").await.expect(200).text();
        page.contains("Inloggning med kort kan misslyckas just nu").then_some(())
    };
    until("the page says so", Duration::from_secs(90), told).await;
    publisher.say(Says::List(authority.list(2, 3_600, &[])));
    gateway.signal("HUP");
    let_in(&caller).await;
}

#[tokio::test]
async fn a_list_behind_a_proxy_is_fetched_through_it() {
    let authority = Authority::new();
    let proxy = Publisher::start(Says::List(authority.list(1, 3_600, &[]))).await;
    let region = authority.region("http://crl.region.invalid/person.crl");
    let table = format!("[trust.revocation]\nproxy = \"http://127.0.0.1:{}\"\n", proxy.port);
    let gateway = region.changed("[mail]", &format!("{table}\n[mail]")).run();
    let_in(&card(&gateway)).await;
    assert_eq!(proxy.heard(), ["GET http://crl.region.invalid/person.crl HTTP/1.1 -> 200 OK"]);
}

#[tokio::test]
async fn what_was_fetched_is_asked_for_by_version_and_outlives_a_restart_without_the_server() {
    let authority = Authority::new();
    let publisher = Publisher::start(Says::List(authority.list(1, 3_600, &[]))).await;
    let gateway = authority.region(&publisher.url()).run();
    let_in(&card(&gateway)).await;
    gateway.signal("HUP");
    let asked_again =
        async || publisher.heard().last().is_some_and(|line| line.ends_with("304 Not Modified")).then_some(());
    until("the server says that nothing is new", SOON, asked_again).await;
    assert_eq!(alarms(&gateway), "[]");

    publisher.say(Says::Status("503 Ill"));
    let gateway = gateway.restarted();
    card(&gateway).get("/v1/whoami").await.expect(200);
    // The address is known without any card: nobody waits for the next list.
    gateway.signal("HUP");
    alarmed(&gateway, "the server answered with status 503").await;
    publisher.say(Says::List(authority.list(2, 3_600, &[CARD_SERIAL])));
    refused(&card(&gateway), "revoked").await;
}

#[tokio::test]
async fn a_host_that_operators_have_not_named_is_not_asked() {
    let authority = Authority::new();
    let publisher = Publisher::start(Says::List(authority.list(1, 3_600, &[]))).await;
    let region = authority.region(&publisher.url());
    let gateway = region.changed("[mail]", "[trust.revocation]\nhosts = [\"crl.region.example\"]\n\n[mail]").run();
    refused(&card(&gateway), "revocation-unknown").await;
    alarmed(&gateway, "its host is none of trust.revocation.hosts").await;
    assert!(publisher.heard().is_empty());
}
