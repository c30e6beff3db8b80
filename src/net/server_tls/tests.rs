//! Real handshakes over loopback, with a rustls client.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use rustls_pki_types::{PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::*;

const DEADLINE: Duration = Duration::from_secs(10);

/// A certificate and a key, which need not fit.
#[derive(Clone)]
struct Pair {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Pair {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

struct Region {
    dir: tempfile::TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Region {
    fn new() -> Region {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "TEST CA");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let region = Region { dir: tempfile::tempdir().unwrap(), ca };
        region.write_server_pair(&region.issue("localhost"));
        region
    }

    fn issue(&self, name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.ca).unwrap().der().clone();
        Pair { certificate, key: key.serialize_der() }
    }

    fn settings(&self) -> ServerTlsSettings {
        let [certificate, key] = ["server.pem", "server.key"].map(|name| self.dir.path().join(name));
        ServerTlsSettings { certificate, key, card_compat: false }
    }

    fn write_server_pair(&self, pair: &Pair) {
        let pem = |label: &str, der: &[u8]| {
            let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
            format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
        };
        fs::write(self.settings().certificate, pem("CERTIFICATE", &pair.certificate)).unwrap();
        fs::write(self.settings().key, pem("PRIVATE KEY", &pair.key)).unwrap();
    }

    fn server(&self, client_auth: ClientAuth) -> ServerTls {
        ServerTls::load(self.settings(), client_auth).unwrap()
    }

    fn client(&self, pair: Option<&Pair>) -> Arc<ClientConfig> {
        self.client_of(pair, rustls::DEFAULT_VERSIONS)
    }

    fn client_speaking(
        &self,
        pair: Option<&Pair>,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> Arc<ClientConfig> {
        self.client_of(pair, &[version])
    }

    fn client_of(
        &self,
        pair: Option<&Pair>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der().clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = provider.key_provider.load_private_key(pair.key()).unwrap();
                let certified = CertifiedKey::new(vec![pair.certificate.clone()], key);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
        })
    }
}

/// One connection: the server's verdict, and whether the client could read the byte that a good one is sent.
async fn meet(server: &ServerTls, client: Arc<ClientConfig>) -> (Result<Tls, HandshakeError>, bool) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ours = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut met = server.handshake(stream, DEADLINE).await;
        if let Ok(tls) = &mut met {
            tls.stream.write_all(b"!").await.unwrap();
            tls.stream.flush().await.unwrap();
        }
        met
    };
    let theirs = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        match TlsConnector::from(client).connect(name, stream).await {
            // In TLS 1.3 a client believes itself inside before it is judged: only a byte proves it.
            Ok(mut stream) => stream.read_u8().await.is_ok(),
            Err(_) => false,
        }
    };
    tokio::join!(ours, theirs)
}

/// Takes one certificate only, and counts how often it is asked.
#[derive(Debug)]
struct OnlyThis {
    certificate: CertificateDer<'static>,
    alert: Alert,
    asked: AtomicU32,
}

impl PeerJudge for OnlyThis {
    fn judge(&self, leaf: &CertificateDer<'_>) -> Result<(), Refused> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if *leaf == self.certificate { Ok(()) } else { Err(Refused { alert: self.alert, reason: "no".into() }) }
    }

    fn allowed_issuers(&self) -> Vec<DistinguishedNameDer> {
        Vec::new()
    }
}

fn only(pair: &Pair) -> Arc<OnlyThis> {
    only_or(pair, Alert::Unspecified)
}

fn only_or(pair: &Pair, alert: Alert) -> Arc<OnlyThis> {
    Arc::new(OnlyThis { certificate: pair.certificate.clone(), alert, asked: AtomicU32::new(0) })
}

fn staff() -> ClientAuth {
    ClientAuth::AskedFor { hints: Vec::new() }
}

#[tokio::test]
async fn a_portal_with_its_certificate_is_met_judged_each_time_and_never_resumed() {
    let region = Region::new();
    let portal = region.issue("portal");
    let judge = only(&portal);
    let server = region.server(ClientAuth::Required(judge.clone()));
    let client = region.client(Some(&portal));
    for round in 1..=2 {
        let (met, inside) = meet(&server, Arc::clone(&client)).await;
        let met = met.unwrap();
        assert!(inside && !met.resumed);
        assert_eq!((met.peer_chain, met.alpn), (vec![portal.certificate.clone()], Alpn::Http1));
        assert_eq!(judge.asked.load(Ordering::Relaxed), round);
    }
}

#[tokio::test]
async fn at_the_portal_door_nobody_comes_in_without_a_certificate() {
    let region = Region::new();
    let server = region.server(ClientAuth::Required(only(&region.issue("portal"))));
    let (met, inside) = meet(&server, region.client(None)).await;
    assert_eq!(met.unwrap_err(), HandshakeError::NoCertificate);
    assert!(!inside);
}

#[tokio::test]
async fn at_the_portal_door_the_judges_refusal_ends_the_handshake_by_its_alert() {
    let region = Region::new();
    let (portal, stranger) = (region.issue("portal"), region.issue("stranger"));
    for (alert, told) in [
        (Alert::Bad, AlertDescription::BadCertificate),
        (Alert::Expired, AlertDescription::CertificateExpired),
        (Alert::Revoked, AlertDescription::CertificateRevoked),
        (Alert::UnknownIssuer, AlertDescription::UnknownCA),
        (Alert::WrongPurpose, AlertDescription::UnsupportedCertificate),
        (Alert::Denied, AlertDescription::AccessDenied),
        (Alert::Unspecified, AlertDescription::CertificateUnknown),
    ] {
        let server = region.server(ClientAuth::Required(only_or(&portal, alert)));
        let (met, inside) = meet(&server, region.client(Some(&stranger))).await;
        assert!(matches!(met.unwrap_err(), HandshakeError::Refused(_)) && !inside, "{alert:?}");
        let refused = rustls::Error::from(Refused { alert, reason: String::new() });
        let rustls::Error::InvalidCertificate(refused) = refused else { panic!("{alert:?}") };
        assert_eq!(AlertDescription::from(refused), told);
    }
}

#[tokio::test]
async fn a_stolen_certificate_without_its_key_opens_no_door_and_is_not_even_judged() {
    let region = Region::new();
    let owner = region.issue("portal");
    let thief = Pair { key: region.issue("thief").key, ..owner.clone() };
    let judge = only(&owner);
    for client_auth in [ClientAuth::Required(judge.clone()), staff(), ClientAuth::Shown] {
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let client = region.client_speaking(Some(&thief), version);
            let (met, inside) = meet(&region.server(client_auth.clone()), client).await;
            assert_eq!(met.unwrap_err(), HandshakeError::KeyNotProven);
            assert!(!inside);
        }
    }
    assert_eq!(judge.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_certificate_is_judged_in_tls_1_2_as_well() {
    let region = Region::new();
    let portal = region.issue("portal");
    let server = region.server(ClientAuth::Required(only(&portal)));
    for (pair, expected) in [(&portal, true), (&region.issue("stranger"), false)] {
        let (met, inside) = meet(&server, region.client_speaking(Some(pair), &rustls::version::TLS12)).await;
        assert_eq!((met.is_ok(), inside), (expected, expected));
    }
}

#[tokio::test]
async fn the_staff_door_takes_whatever_is_proven_and_leaves_the_judging_to_its_caller() {
    let region = Region::new();
    let server = region.server(staff());
    let card = Region::new().issue("card of another tree");
    let (met, inside) = meet(&server, region.client(Some(&card))).await;
    assert!(inside);
    assert_eq!(met.unwrap().peer_chain, [card.certificate]);
    let (met, inside) = meet(&server, region.client(None)).await;
    assert!(inside && met.unwrap().peer_chain.is_empty());
}

#[tokio::test]
async fn a_resumed_session_at_the_staff_door_still_shows_the_chain() {
    let region = Region::new();
    let server = region.server(staff());
    let card = region.issue("card");
    let client = region.client(Some(&card));
    let (first, _) = meet(&server, Arc::clone(&client)).await;
    assert!(!first.unwrap().resumed);
    let (second, _) = meet(&server, Arc::clone(&client)).await;
    let second = second.unwrap();
    assert!(second.resumed);
    assert_eq!(second.peer_chain, std::slice::from_ref(&card.certificate));
}

#[tokio::test]
async fn a_renewed_pair_leaves_sessions_to_be_resumed_and_other_issuers_end_them() {
    let region = Region::new();
    let server = region.server(staff());
    let card = region.issue("card");
    let client = region.client(Some(&card));
    assert!(meet(&server, Arc::clone(&client)).await.1);
    region.write_server_pair(&region.issue("localhost"));
    server.reload(staff()).unwrap();
    let (met, _) = meet(&server, Arc::clone(&client)).await;
    let met = met.unwrap();
    assert!(met.resumed);
    assert_eq!(met.peer_chain, std::slice::from_ref(&card.certificate), "whoever judges it sees whose it is");
    // An empty name: any will do that is another than before.
    server.reload(ClientAuth::AskedFor { hints: vec![vec![0x30, 0]] }).unwrap();
    let (met, inside) = meet(&server, client).await;
    assert!(inside && !met.unwrap().resumed);
}

#[tokio::test]
async fn a_door_for_old_cards_speaks_tls_1_2_and_never_asks_for_pss() {
    let region = Region::new();
    let settings = ServerTlsSettings { card_compat: true, ..region.settings() };
    let server = ServerTls::load(settings, staff()).unwrap();
    let card = region.issue("card");
    let (met, inside) = meet(&server, region.client(Some(&card))).await;
    let met = met.unwrap();
    assert!(inside);
    assert_eq!(met.peer_chain, std::slice::from_ref(&card.certificate));
    assert_eq!(met.stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
    let provider = || Arc::new(aws_lc_rs::default_provider());
    let offered = |card_compat| verifier(staff(), provider(), card_compat).unwrap().supported_verify_schemes();
    assert!(RSA_PSS.iter().all(|scheme| offered(false).contains(scheme) && !offered(true).contains(scheme)));
    assert!(offered(true).contains(&SignatureScheme::RSA_PKCS1_SHA256));
}

#[tokio::test]
async fn who_is_forgotten_shows_the_certificate_anew_and_others_go_on() {
    let region = Region::new();
    let server = region.server(staff());
    let [leaving, staying] = ["leaving", "staying"].map(|name| region.issue(name));
    let [leaver, stayer] = [&leaving, &staying].map(|card| region.client(Some(card)));
    for client in [&leaver, &stayer] {
        assert!(!meet(&server, Arc::clone(client)).await.0.unwrap().resumed);
    }
    server.forget(&leaving.certificate);
    let (back, inside) = meet(&server, leaver).await;
    let back = back.unwrap();
    assert!(inside && !back.resumed, "a ticket of before is worth nothing");
    assert_eq!(back.peer_chain, [leaving.certificate]);
    assert!(meet(&server, stayer).await.0.unwrap().resumed);
}

#[tokio::test]
async fn where_a_certificate_is_only_shown_any_will_do_and_each_connection_is_a_new_choice() {
    let region = Region::new();
    let server = region.server(ClientAuth::Shown);
    let card = Region::new().issue("card of another tree");
    let mut client = Arc::unwrap_or_clone(region.client(Some(&card)));
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = Arc::new(client);
    for _ in 0..2 {
        let (met, inside) = meet(&server, Arc::clone(&client)).await;
        let met = met.unwrap();
        assert!(inside && !met.resumed);
        assert_eq!((met.peer_chain, met.alpn), (vec![card.certificate.clone()], Alpn::Http1));
    }
    let (met, inside) = meet(&server, region.client(None)).await;
    assert!(inside && met.unwrap().peer_chain.is_empty());
}

#[tokio::test]
async fn a_reload_with_bad_files_keeps_the_pair_in_use() {
    let region = Region::new();
    let server = region.server(staff());
    let in_use = server.certificate();
    let next = region.issue("localhost");
    region.write_server_pair(&Pair { key: region.issue("localhost").key, ..next.clone() });
    assert!(matches!(server.reload(staff()), Err(TlsError::KeyDoesNotFit { .. })));
    fs::write(region.settings().certificate, "half a fi").unwrap();
    assert!(matches!(server.reload(staff()), Err(TlsError::Certificate { .. })));
    fs::remove_file(region.settings().key).unwrap();
    region.write_server_pair(&next);
    fs::remove_file(region.settings().key).unwrap();
    assert!(matches!(server.reload(staff()), Err(TlsError::Key { .. })));
    assert_eq!(server.certificate(), in_use);
    assert!(meet(&server, region.client(None)).await.1);
    region.write_server_pair(&next);
    server.reload(staff()).unwrap();
    assert_eq!(server.certificate(), next.certificate);
    assert!(meet(&server, region.client(None)).await.1);
}

#[tokio::test]
async fn http2_is_chosen_where_the_client_offers_it_with_a_post_quantum_key_exchange() {
    let region = Region::new();
    let server = region.server(staff());
    let mut client = Arc::unwrap_or_clone(region.client(None));
    client.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let met = meet(&server, Arc::new(client)).await.0.unwrap();
    assert_eq!(met.alpn, Alpn::Http2);
    let group = met.stream.get_ref().1.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn a_peer_that_never_speaks_and_one_that_speaks_http_are_told_apart() {
    let region = Region::new();
    let server = region.server(staff());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let error = server.handshake(stream, Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(error, HandshakeError::Timeout);
    let mut plain = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    assert!(matches!(server.handshake(stream, DEADLINE).await, Err(HandshakeError::Protocol(_))));
}

#[tokio::test]
async fn a_chain_beyond_all_reason_is_refused_before_it_is_looked_at() {
    let region = Region::new();
    let portal = region.issue("portal");
    let judge = ClientAuth::Required(only(&portal));
    let verifier = verifier(judge, Arc::new(aws_lc_rs::default_provider()), false).unwrap();
    let many = vec![portal.certificate.clone(); CHAIN_CERTIFICATES_MAX];
    verifier.verify_client_cert(&portal.certificate, &many[1..], UnixTime::now()).unwrap();
    assert!(verifier.verify_client_cert(&portal.certificate, &many, UnixTime::now()).is_err());
    let huge = CertificateDer::from(vec![0; CHAIN_BYTES_MAX]);
    assert!(verifier.verify_client_cert(&portal.certificate, &[huge], UnixTime::now()).is_err());
}

#[tokio::test]
async fn a_door_for_everybody_asks_for_no_certificate_and_resumes() {
    let region = Region::new();
    let server = region.server(ClientAuth::None);
    let client = region.client(Some(&region.issue("somebody")));
    let (first, _) = meet(&server, Arc::clone(&client)).await;
    assert!(first.unwrap().peer_chain.is_empty());
    let (again, _) = meet(&server, client).await;
    assert!(again.unwrap().resumed);
}
