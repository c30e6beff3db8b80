//! TLS of one door: our certificate, what is asked of the peer, the handshake, reload.
//! Whether a certificate is good is not decided here: a [`PeerJudge`] decides, rustls proves that the peer has the key.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, HandshakeKind, ServerConfig, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::alert::{Alert, Refused};
use super::resumption::Resumption;

/// The longest chain a peer may send, or we may have: SITHS has three certificates.
const CHAIN_CERTIFICATES_MAX: usize = 8;
const CHAIN_BYTES_MAX: usize = 64 * 1024;
/// Sessions that may be resumed at a door that allows it: a shift of staff.
const SESSIONS_MAX: usize = 4096;
/// A TLS 1.3 client spends a ticket a connection; browsers open a few.
const TICKETS_PER_HANDSHAKE: usize = 2;
/// No handshake takes longer, whatever its door's deadline.
const HANDSHAKE_MAX: Duration = Duration::from_secs(60);
/// What old cards and their middleware cannot make, yet promise to when it is offered.
const RSA_PSS: [SignatureScheme; 3] =
    [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PSS_SHA384, SignatureScheme::RSA_PSS_SHA512];
/// Whoever says nothing for so long does not hold a place.
const FIRST_BYTE_MAX: Duration = Duration::from_secs(10);
/// How long, and over how many bytes, somebody who is refused is waited for to have read the alert.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_BYTES_MAX: u64 = 64 << 10;
const ALPN_HTTP2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// A server connection after its handshake.
pub type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

/// An X.501 name as it stands in a certificate, DER, the outer SEQUENCE included.
pub type DistinguishedNameDer = Vec<u8>;

/// Decides about a peer's certificate while the handshake runs. The daemon implements it with `identity`.
pub trait PeerJudge: fmt::Debug + Send + Sync {
    /// `leaf` is within our caps, and its key is proven: whoever shows somebody else's certificate learns nothing about
    /// it, and makes us work for nothing but his own signature. The reason of a refusal goes to our log, the peer gets
    /// the alert.
    fn judge(&self, leaf: &CertificateDer<'_>) -> Result<(), Refused>;

    /// The names of the issuers that can pass: clients choose their certificate by these.
    fn allowed_issuers(&self) -> Vec<DistinguishedNameDer>;
}

/// What a door asks of its peers.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// No handshake without a certificate that the judge takes; every connection is judged (no resumption).
    Required(Arc<dyn PeerJudge>),
    /// Nobody is asked for a certificate; sessions may be resumed.
    None,
    /// A certificate is asked for and its key proven, whoever issued it; the caller judges after each handshake,
    /// resumed ones too. `hints` filter what a browser offers; without any it offers all.
    AskedFor { hints: Vec<DistinguishedNameDer> },
    /// As asked for, without hints. A connection is one try: no session is resumed, and only HTTP/1.1 is spoken, which
    /// can end a connection after an answer.
    Shown,
}

/// Our own certificate chain and its key, PEM files.
#[derive(Debug, Clone)]
pub struct ServerTlsSettings {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// For cards that cannot sign with RSA-PSS, and so not in TLS 1.3: TLS 1.2 only, PKCS#1 signatures asked for. Costs the
    /// post-quantum key exchange.
    pub card_compat: bool,
}

/// Why a door's TLS could not be set up. The files named, never their content.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read the certificate file {}: {reason}", path.display())]
    Certificate { path: PathBuf, reason: String },
    #[error("cannot read the key file {}: {reason}", path.display())]
    Key { path: PathBuf, reason: String },
    #[error("the key {} does not belong to the certificate {}", key.display(), certificate.display())]
    KeyDoesNotFit { certificate: PathBuf, key: PathBuf },
    #[error("TLS settings do not hold: {0}")]
    Settings(rustls::Error),
}

/// Why a handshake came to nothing, in classes fit for a log and a counter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    #[error("no handshake within the time given")]
    Timeout,
    #[error("the peer brought no certificate")]
    NoCertificate,
    #[error("the peer does not have the key of its certificate")]
    KeyNotProven,
    /// By the judge, or by us for the chain's size.
    #[error("certificate refused: {0}")]
    Refused(String),
    /// What the peer told us in its alert, as `TLS alert description`.
    #[error("the peer broke off: {0}")]
    Alert(String),
    #[error("not TLS as we speak it: {0}")]
    Protocol(String),
    #[error("connection lost: {0}")]
    Io(io::ErrorKind),
}

/// Which HTTP was agreed upon; a client without ALPN speaks HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    Http1,
    Http2,
}

/// A connection whose peer has proven the key of `peer_chain` (leaf first; empty where none came).
#[derive(Debug)]
pub struct Tls {
    pub stream: TlsStream,
    pub peer_chain: Vec<CertificateDer<'static>>,
    pub alpn: Alpn,
    /// The chain is the one of the first handshake: nothing has judged it since.
    pub resumed: bool,
}

/// The TLS side of one door. Connections already open keep the settings they began with.
#[derive(Debug)]
pub struct ServerTls {
    settings: ServerTlsSettings,
    current: ArcSwap<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
    /// None at a door that resumes nothing.
    resumption: Option<Arc<Resumption>>,
    /// What resumed sessions were asked for.
    hints: Vec<DistinguishedNameDer>,
}

impl ServerTls {
    /// Reads the pair and checks that the key fits the certificate. Blocking: two small files.
    pub fn load(settings: ServerTlsSettings, client_auth: ClientAuth) -> Result<ServerTls, TlsError> {
        let current = ArcSwap::from_pointee(build(&settings, client_auth, None)?);
        Ok(ServerTls { settings, current })
    }

    /// Reads the pair again and takes `client_auth` (new hints, another judge) from here on. Sessions of before can be
    /// resumed, as each is judged by the caller, unless other issuers are hinted at. On an error everything stays as it
    /// was. Blocking; one at a time.
    pub fn reload(&self, client_auth: ClientAuth) -> Result<(), TlsError> {
        let renewed = build(&self.settings, client_auth, Some(&self.current.load()))?;
        self.current.store(Arc::new(renewed));
        Ok(())
    }

    /// The files that [`ServerTls::reload`] reads.
    pub fn files(&self) -> [&Path; 2] {
        [&self.settings.certificate, &self.settings.key]
    }

    /// Our own leaf certificate in use, for warnings ahead of its end.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.current.load().certificate.clone()
    }

    /// Sessions of this certificate are not resumed any more: its holder shows the card anew.
    pub fn forget(&self, certificate: &CertificateDer<'_>) {
        if let Some(resumption) = &self.current.load().resumption {
            resumption.forget(certificate);
        }
    }

    /// Brings a connection through its handshake within `deadline`.
    pub async fn handshake(&self, stream: TcpStream, deadline: Duration) -> Result<Tls, HandshakeError> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.current.load().config));
        // A card's holder types a PIN in mid-handshake; nobody needs long for the first word.
        let spoke = tokio::time::timeout(deadline.min(FIRST_BYTE_MAX), stream.peek(&mut [0])).await;
        spoke.map_err(|_| HandshakeError::Timeout)?.map_err(|error| HandshakeError::Io(error.kind()))?;
        let accepting = acceptor.accept(stream).into_fallible();
        let stream = match tokio::time::timeout(deadline.min(HANDSHAKE_MAX), accepting).await {
            Err(_) => return Err(HandshakeError::Timeout),
            Ok(Err((error, stream))) => {
                let refusal = HandshakeError::from_io(&error);
                if matches!(refusal, HandshakeError::Refused(_) | HandshakeError::NoCertificate) {
                    let _ = tokio::time::timeout(FAREWELL, bid_farewell(stream)).await;
                }
                return Err(refusal);
            }
            Ok(Ok(stream)) => stream,
        };
        let (_, connection) = stream.get_ref();
        let peer_chain = connection.peer_certificates().map(<[_]>::to_vec).unwrap_or_default();
        let alpn = if connection.alpn_protocol() == Some(ALPN_HTTP2) { Alpn::Http2 } else { Alpn::Http1 };
        let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        Ok(Tls { stream, peer_chain, alpn, resumed })
    }
}

/// A TLS 1.3 client has sent its request by the time that it is refused. Were the connection closed over unread bytes, the
/// reset would overtake the alert, and nobody would read why.
async fn bid_farewell(mut stream: TcpStream) {
    if stream.shutdown().await.is_ok() {
        let _ = tokio::io::copy(&mut stream.take(FAREWELL_BYTES_MAX), &mut tokio::io::sink()).await;
    }
}

impl HandshakeError {
    fn from_io(error: &io::Error) -> HandshakeError {
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
            return HandshakeError::Io(error.kind());
        };
        match tls {
            rustls::Error::NoCertificatesPresented => HandshakeError::NoCertificate,
            rustls::Error::InvalidCertificate(CertificateError::BadSignature) => HandshakeError::KeyNotProven,
            // The judge has told its whole reason where it judged: this is what the peer learned of it.
            rustls::Error::InvalidCertificate(refused) => HandshakeError::Refused(refused.to_string()),
            rustls::Error::AlertReceived(alert) => HandshakeError::Alert(format!("{alert:?}")),
            other => HandshakeError::Protocol(other.to_string()),
        }
    }
}

fn build(settings: &ServerTlsSettings, client_auth: ClientAuth, before: Option<&Current>) -> Result<Current, TlsError> {
    let chain = read_chain(&settings.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key)
        .map_err(|error| TlsError::Key { path: settings.key.clone(), reason: error.to_string() })?;
    // X25519MLKEM768 comes first in this provider (`prefer-post-quantum`). Nothing is installed process-wide.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions: &[_] = match settings.card_compat {
        true => &[&rustls::version::TLS12],
        false => &[&rustls::version::TLS13, &rustls::version::TLS12],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(TlsError::Settings)?;
    let resumption = !matches!(client_auth, ClientAuth::Required(_) | ClientAuth::Shown);
    let is_one_try = matches!(client_auth, ClientAuth::Shown);
    let hints = match &client_auth {
        ClientAuth::AskedFor { hints } => hints.clone(),
        ClientAuth::Required(_) | ClientAuth::Shown | ClientAuth::None => Vec::new(),
    };
    let builder = match verifier(client_auth, provider, settings.card_compat) {
        Some(verifier) => builder.with_client_cert_verifier(Arc::new(verifier)),
        None => builder.with_no_client_auth(),
    };
    let Some(certificate) = chain.first().cloned() else {
        return Err(TlsError::Certificate {
            path: settings.certificate.clone(),
            reason: "no certificate in it".into(),
        });
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::KeyDoesNotFit { certificate: settings.certificate.clone(), key: settings.key.clone() }
        }
        rustls::Error::InvalidCertificate(reason) => {
            TlsError::Certificate { path: settings.certificate.clone(), reason: format!("{reason:?}") }
        }
        other => TlsError::Settings(other),
    })?;
    config.alpn_protocols =
        if is_one_try { vec![ALPN_HTTP1.to_vec()] } else { vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()] };
    let sessions = sessions(resumption, &hints, before);
    config.session_storage = match &sessions {
        Some(sessions) => Arc::<Resumption>::clone(sessions),
        None => Arc::new(NoServerSessionStorage {}),
    };
    config.send_tls13_tickets = if resumption { TICKETS_PER_HANDSHAKE } else { 0 };
    Ok(Current { config: Arc::new(config), certificate, resumption: sessions, hints })
}

/// Where sessions wait to be resumed: where they did before, while the same issuers are asked for.
fn sessions(resumption: bool, hints: &[DistinguishedNameDer], before: Option<&Current>) -> Option<Arc<Resumption>> {
    if !resumption {
        // rustls judges no resumed session: a revoked certificate would go on coming in; and nobody could show another.
        return None;
    }
    let kept = before.filter(|before| before.hints == hints).and_then(|before| before.resumption.clone());
    Some(kept.unwrap_or_else(|| Arc::new(Resumption::new(SESSIONS_MAX, HANDSHAKE_MAX))))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |reason: String| TlsError::Certificate { path: path.to_owned(), reason };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(|error| unreadable(error.to_string()))?
        .take(CHAIN_CERTIFICATES_MAX + 1)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(error.to_string()))?;
    match chain.len() {
        0 => Err(unreadable("no certificate in it".into())),
        1..=CHAIN_CERTIFICATES_MAX => Ok(chain),
        _ => Err(unreadable(format!("more than {CHAIN_CERTIFICATES_MAX} certificates in it"))),
    }
}

fn verifier(client_auth: ClientAuth, provider: Arc<CryptoProvider>, card_compat: bool) -> Option<PeerVerifier> {
    let (judge, hints) = match client_auth {
        ClientAuth::None => return None,
        ClientAuth::Required(judge) => {
            let hints = judge.allowed_issuers();
            (Some(judge), hints)
        }
        ClientAuth::AskedFor { hints } => (None, hints),
        ClientAuth::Shown => (None, Vec::new()),
    };
    let hints = hints.into_iter().map(DistinguishedName::from).collect();
    Some(PeerVerifier { judge, hints, provider, card_compat })
}

/// Proves possession of the key; asks the judge, where there is one, about the certificate.
#[derive(Debug)]
struct PeerVerifier {
    judge: Option<Arc<dyn PeerJudge>>,
    hints: Vec<DistinguishedName>,
    provider: Arc<CryptoProvider>,
    card_compat: bool,
}

impl PeerVerifier {
    fn ask_judge(&self, leaf: &CertificateDer<'_>) -> Result<(), Refused> {
        self.judge.as_ref().map_or(Ok(()), |judge| judge.judge(leaf))
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.judge.is_some()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let bytes = end_entity.len() + intermediates.iter().map(|certificate| certificate.len()).sum::<usize>();
        if intermediates.len() >= CHAIN_CERTIFICATES_MAX || bytes > CHAIN_BYTES_MAX {
            return Err(Refused { alert: Alert::Bad, reason: "the chain is too long".into() }.into());
        }
        // Judged when the signature has shown that it is the peer's own.
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let proven = verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)?;
        self.ask_judge(cert)?;
        Ok(proven)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let proven = verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)?;
        self.ask_judge(cert)?;
        Ok(proven)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.provider.signature_verification_algorithms.supported_schemes();
        schemes.retain(|scheme| !(self.card_compat && RSA_PSS.contains(scheme)));
        schemes
    }
}

#[cfg(test)]
mod tests;
