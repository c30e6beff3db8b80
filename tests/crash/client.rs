//! A caller over mutual TLS, as small as can be: one kept-alive HTTP/1.1 connection, an answer read whole or none.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Longest wait for an answer; a gateway whose disk has gone may never give one.
const ANSWER_WAIT: Duration = Duration::from_secs(20);

/// The connection ended before an answer was read: done or not, the caller cannot know.
#[derive(Debug)]
pub struct Unanswered;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Told {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Whoever holds a certificate of the prepared region, at one door.
pub struct Caller {
    tls: TlsConnector,
    door: SocketAddr,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Caller {
    /// `who` is a certificate below the region's directory, such as `tls/portal` or `cards/handler`.
    pub fn new(region: &Path, who: &str, door: SocketAddr) -> Caller {
        let certificates = |file: String| {
            let read = CertificateDer::pem_file_iter(region.join(file)).unwrap();
            read.map(Result::unwrap).collect::<Vec<_>>()
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates("tls/server-ca.pem".into()));
        let key = PrivateKeyDer::from_pem_file(region.join(format!("{who}.key"))).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = config.with_client_auth_cert(certificates(format!("{who}.pem")), key).unwrap();
        Caller { tls: TlsConnector::from(Arc::new(config)), door, connection: None }
    }

    pub async fn get(&mut self, path: &str) -> Result<Told, Unanswered> {
        self.ask("GET", path, &[], Bytes::new()).await
    }

    pub async fn post(&mut self, path: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Told, Unanswered> {
        self.ask("POST", path, headers, body).await
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Told, Unanswered> {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).unwrap();
        let told = tokio::time::timeout(ANSWER_WAIT, self.exchange(request)).await;
        let told = told.ok().and_then(Result::ok);
        if told.is_none() {
            self.connection = None;
        }
        told.ok_or(Unanswered)
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Told, Box<dyn std::error::Error>> {
        let mut connection = match self.connection.take() {
            Some(kept) if !kept.is_closed() => kept,
            _ => self.connect().await?,
        };
        connection.ready().await?;
        let (head, body) = connection.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        self.connection = Some(connection);
        Ok(Told { status: head.status.as_u16(), headers: head.headers, body })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error>> {
        let stream = TcpStream::connect(self.door).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(ServerName::try_from("localhost")?, stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
