//! TLS out of the gateway, to a smarthost or a directory: whom to trust, and the handshake. What is said is not here.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

/// A TLS connection that the gateway opened, the server's name and chain judged.
pub type TlsStream<S> = tokio_rustls::client::TlsStream<S>;

/// More certificates than any trust store holds.
const CERTIFICATES_MAX: usize = 10_000;

/// Whom an outgoing connection trusts.
#[derive(Debug, Clone, Default)]
pub struct TlsClientSettings {
    /// PEM file with the CAs to trust, and no others; without it the system's store counts.
    pub ca_file: Option<PathBuf>,
    /// Certificate chain and key (PEM files) to show to a server that asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Why the trust for outgoing connections cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsClientError {
    #[error("the CA file {} cannot be read as PEM certificates: {reason}", path.display())]
    CaFile { path: PathBuf, reason: String },
    #[error("the CA file {} holds no certificate", .0.display())]
    CaFileEmpty(PathBuf),
    #[error("the client certificate {} or its key {} cannot be used: {reason}", certificate.display(), key.display())]
    Identity { certificate: PathBuf, key: PathBuf, reason: String },
    #[error("the system's trust store holds no certificate: install ca-certificates, or name a CA file")]
    SystemStoreEmpty,
    #[error("the crypto provider lacks the TLS versions: {0}")]
    Provider(#[from] rustls::Error),
}

/// What an operator can do something about when a handshake fails. Never holds the peer's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate is for another name than the configured host.
    Name,
    /// The certificate's issuer is not trusted.
    Issuer,
    /// The certificate is not valid at this time.
    Validity,
    /// Anything else in TLS: no common version, an alert, a forged message.
    Handshake,
}

impl TlsFault {
    /// Sorts an error of `connect_tls`; `None` when the connection failed below TLS.
    pub fn of(error: &io::Error) -> Option<TlsFault> {
        let fault = match error.get_ref()?.downcast_ref::<rustls::Error>()? {
            rustls::Error::InvalidCertificate(why) => match why {
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsFault::Name,
                // A bad signature is a CA of the same name with another key.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFault::Issuer,
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => TlsFault::Validity,
                _ => TlsFault::Handshake,
            },
            _ => TlsFault::Handshake,
        };
        Some(fault)
    }
}

/// Opens TLS on connected streams. Cheap to clone.
#[derive(Clone)]
pub struct TlsClient {
    connector: TlsConnector,
}

impl TlsClient {
    /// Reads the trust store once; a changed CA file takes a new `TlsClient`.
    pub fn new(settings: &TlsClientSettings) -> Result<TlsClient, TlsClientError> {
        let roots = match &settings.ca_file {
            Some(path) => roots_of_file(path)?,
            None => roots_of_system()?,
        };
        // Given explicitly: an installed default would depend on who came first in the process.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match &settings.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let unfit = |reason: String| TlsClientError::Identity {
                    certificate: certificate.clone(),
                    key: key.clone(),
                    reason,
                };
                let chain = CertificateDer::pem_file_iter(certificate)
                    .and_then(|pems| pems.take(CERTIFICATES_MAX).collect::<Result<Vec<_>, _>>())
                    .map_err(|e| unfit(e.to_string()))?;
                let key_der = PrivateKeyDer::from_pem_file(key).map_err(|e| unfit(e.to_string()))?;
                builder.with_client_auth_cert(chain, key_der).map_err(|e| unfit(e.to_string()))?
            }
        };
        Ok(TlsClient { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Handshakes on a connected stream; `server_name` (a DNS name or an IP address) must stand in the certificate.
    /// Has no timer: the caller's phase has one.
    pub async fn connect_tls<S>(&self, stream: S, server_name: &str) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the server's name is no DNS name"))?;
        self.connector.connect(name, stream).await
    }
}

/// The server's own certificate, in DER.
pub fn server_certificate<S>(stream: &TlsStream<S>) -> Option<&[u8]> {
    stream.get_ref().1.peer_certificates()?.first().map(AsRef::as_ref)
}

/// Whether `connect_tls` can look for this name in a certificate, for checks of a configuration.
pub fn is_server_name(name: &str) -> bool {
    ServerName::try_from(name).is_ok()
}

fn roots_of_file(path: &Path) -> Result<RootCertStore, TlsClientError> {
    let unreadable = |reason: String| TlsClientError::CaFile { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in
        CertificateDer::pem_file_iter(path).map_err(|e| unreadable(e.to_string()))?.take(CERTIFICATES_MAX)
    {
        let certificate = certificate.map_err(|e| unreadable(e.to_string()))?;
        roots.add(certificate).map_err(|e| unreadable(e.to_string()))?;
    }
    if roots.is_empty() { Err(TlsClientError::CaFileEmpty(path.to_owned())) } else { Ok(roots) }
}

/// The system's store may hold a certificate that nobody can parse; the others still count.
fn roots_of_system() -> Result<RootCertStore, TlsClientError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsClientError::SystemStoreEmpty) } else { Ok(roots) }
}

/// A throwaway CA and server, for every room that tests its outgoing connections.
#[cfg(test)]
pub(crate) mod fixture {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    pub(crate) type ServerStream<S> = tokio_rustls::server::TlsStream<S>;

    #[derive(Clone)]
    pub(crate) struct TlsServer {
        acceptor: tokio_rustls::TlsAcceptor,
        ca_pem: String,
    }

    impl TlsServer {
        /// A server whose certificate is for `name`, issued by a CA of its own.
        pub(crate) fn new(name: &str) -> TlsServer {
            TlsServer::with(name, |_| {})
        }

        /// One whose certificate ended years ago.
        pub(crate) fn expired(name: &str) -> TlsServer {
            TlsServer::with(name, |leaf| leaf.not_after = rcgen::date_time_ymd(2020, 1, 1))
        }

        fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> TlsServer {
            let mut ca = CertificateParams::new(Vec::new()).unwrap();
            ca.distinguished_name.push(DnType::CommonName, format!("CA of {name}"));
            ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
            let key = KeyPair::generate().unwrap();
            let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
            change(&mut leaf);
            let leaf = leaf.signed_by(&key, &ca).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = rustls::ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
                .unwrap();
            TlsServer { acceptor: Arc::new(config).into(), ca_pem: ca.pem() }
        }

        /// The CA that a client has to trust.
        pub(crate) fn ca_pem(&self) -> &str {
            &self.ca_pem
        }

        pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<ServerStream<S>> {
            self.acceptor.accept(stream).await
        }

        /// A client that trusts this server's CA alone, by way of a real file.
        pub(crate) fn client(&self) -> TlsClient {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &self.ca_pem).unwrap();
            TlsClient::new(&TlsClientSettings { ca_file: Some(file.path().to_owned()), identity: None }).unwrap()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{fixture::TlsServer, *};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn handshake(server: TlsServer, client: TlsClient, name: &str) -> io::Result<String> {
        let (near, far) = tokio::io::duplex(4096);
        tokio::spawn(async move {
            if let Ok(mut stream) = server.accept(far).await {
                let _ = stream.write_all(b"hej").await;
                let _ = stream.shutdown().await;
            }
        });
        let mut text = String::new();
        client.connect_tls(near, name).await?.read_to_string(&mut text).await?;
        Ok(text)
    }

    #[tokio::test]
    async fn a_server_of_the_right_name_and_ca_is_talked_to() {
        let server = TlsServer::new("mail.region.example");
        let client = server.client();
        assert_eq!(handshake(server, client, "mail.region.example").await.unwrap(), "hej");
    }

    #[tokio::test]
    async fn a_wrong_name_and_an_unknown_ca_are_told_apart() {
        let server = TlsServer::new("mail.region.example");
        let error = handshake(server.clone(), server.client(), "other.region.example").await.unwrap_err();
        assert_eq!(TlsFault::of(&error), Some(TlsFault::Name));
        for other_ca in ["mail.region.example", "other.region.example"] {
            let stranger = TlsServer::new(other_ca).client();
            let error = handshake(server.clone(), stranger, "mail.region.example").await.unwrap_err();
            assert_eq!(TlsFault::of(&error), Some(TlsFault::Issuer));
        }
    }

    #[test]
    fn a_ca_file_that_is_missing_empty_or_garbage_is_refused_with_its_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused =
            |path: &Path| match TlsClient::new(&TlsClientSettings { ca_file: Some(path.to_owned()), identity: None }) {
                Ok(_) => panic!("{} was taken", path.display()),
                Err(error) => error,
            };
        assert!(matches!(refused(file.path()), TlsClientError::CaFileEmpty(_)));
        std::fs::write(file.path(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(matches!(refused(file.path()), TlsClientError::CaFile { .. }));
        let missing = refused(Path::new("/nonexistent/ca.pem"));
        assert!(missing.to_string().contains("/nonexistent/ca.pem"), "{missing}");
    }
}
