//! One caller at one door: an HTTPS client with a certificate, over HTTP/2 or HTTP/1.1, and bare TLS for odd bytes.

use std::future::IntoFuture;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper::header::HeaderMap;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longer than any answer may take; a test that meets it has found a fault.
const PATIENCE: Duration = Duration::from_secs(45);

/// Somebody at a door. The connection is opened at the first request and kept.
pub struct Caller {
    pub door: SocketAddr,
    tls: Arc<ClientConfig>,
    http2: bool,
    from: IpAddr,
    open: tokio::sync::Mutex<Option<Connection>>,
}

enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Caller {
    /// With the pair `NAME.pem` and `NAME.key`, or with none.
    pub fn new(door: SocketAddr, authority: &Path, identity: Option<&Path>) -> Caller {
        Caller::showing(door, authority, identity.map(|pair| (pair, pair)))
    }

    /// With the certificate of one pair and the key of another, which may be what a thief has.
    pub fn showing(door: SocketAddr, authority: &Path, identity: Option<(&Path, &Path)>) -> Caller {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let builder = builder.unwrap().with_root_certificates(roots);
        let tls = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = CertificateDer::pem_file_iter(certificate.with_extension("pem")).unwrap();
                let key = PrivateKeyDer::from_pem_file(key.with_extension("key")).unwrap();
                let key = provider.key_provider.load_private_key(key).unwrap();
                // Whether the two belong together is the door's to find out.
                let pair = CertifiedKey::new(chain.map(Result::unwrap).collect(), key);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)))
            }
        };
        Caller {
            door,
            tls: Arc::new(tls),
            http2: true,
            from: Ipv4Addr::LOCALHOST.into(),
            open: tokio::sync::Mutex::default(),
        }
    }

    /// The same caller, speaking HTTP/1.1.
    pub fn http1(self) -> Caller {
        Caller { http2: false, ..self }
    }

    /// The same caller on another machine: the whole of 127/8 is here.
    pub fn from(self, address: [u8; 4]) -> Caller {
        Caller { from: address.into(), ..self }
    }

    pub fn get(&self, path: &str) -> Ask<'_> {
        self.ask("GET", path)
    }

    pub fn post(&self, path: &str, body: &Value) -> Ask<'_> {
        self.ask("POST", path).json(body)
    }

    pub fn put(&self, path: &str, body: &Value) -> Ask<'_> {
        self.ask("PUT", path).json(body)
    }

    pub fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        let request = hyper::Request::builder().method(method);
        Ask { caller: self, path: path.to_owned(), request, body: Bytes::new() }
    }

    /// A TLS connection on which the test writes its own HTTP/1.1.
    pub async fn raw(&self) -> TlsStream<TcpStream> {
        self.raw_speaking(b"http/1.1").await
    }

    /// As `raw`, for another protocol.
    pub async fn raw_speaking(&self, protocol: &[u8]) -> TlsStream<TcpStream> {
        self.connect(protocol).await.unwrap()
    }

    /// The alert with which the door ends the handshake. With TLS 1.3 it comes after the client's own last message.
    pub async fn alert(&self) -> AlertDescription {
        self.refusal().await.unwrap_or_else(|told| panic!("no alert but {told}"))
    }

    /// As `alert`, for a client that has sent its request by the time that it is refused, as most do.
    pub async fn alert_in_mid_request(&self) -> AlertDescription {
        let request = format!("GET /v1/whoami HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(8_000));
        self.refusal_of(request.as_bytes()).await.unwrap_or_else(|told| panic!("no alert but {told}"))
    }

    /// As `alert`, but what else may happen is told instead of failing the test.
    pub async fn refusal(&self) -> Result<AlertDescription, String> {
        self.refusal_of(b"").await
    }

    async fn refusal_of(&self, request: &[u8]) -> Result<AlertDescription, String> {
        let error = match self.connect(b"http/1.1").await {
            Err(error) => error,
            Ok(mut stream) => match stream.write_all(request).await {
                Err(error) => error,
                Ok(()) => stream.read_u8().await.err().ok_or("the door let the caller in")?,
            },
        };
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(alert)) => Ok(*alert),
            _ => Err(error.to_string()),
        }
    }

    async fn connect(&self, protocol: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut tls = (*self.tls).clone();
        tls.alpn_protocols = vec![protocol.to_vec()];
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.from, 0).into())?;
        let stream = socket.connect(self.door).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(Arc::new(tls)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    async fn connection(&self) -> Result<Connection, String> {
        let mut kept = self.open.lock().await.take();
        let usable = match &mut kept {
            Some(Connection::Http1(sender)) => sender.ready().await.is_ok(),
            Some(Connection::Http2(sender)) => sender.ready().await.is_ok(),
            None => false,
        };
        if let Some(connection) = kept.filter(|_| usable) {
            return Ok(connection);
        }
        let told = |error: &dyn std::error::Error| format!("{error}: {:?}", error.source());
        if self.http2 {
            let io = TokioIo::new(self.connect(b"h2").await.map_err(|e| told(&e))?);
            let (sender, driver) = http2::handshake(TokioExecutor::new(), io).await.map_err(|e| told(&e))?;
            tokio::spawn(driver);
            return Ok(Connection::Http2(sender));
        }
        let io = TokioIo::new(self.connect(b"http/1.1").await.map_err(|e| told(&e))?);
        let (sender, driver) = http1::handshake(io).await.map_err(|e| told(&e))?;
        tokio::spawn(driver);
        Ok(Connection::Http1(sender))
    }
}

/// A request that is sent by awaiting it.
pub struct Ask<'a> {
    caller: &'a Caller,
    path: String,
    request: hyper::http::request::Builder,
    body: Bytes,
}

impl Ask<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.bytes("application/json", body.to_string())
    }

    pub fn bytes(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// As awaiting it, but a connection that fails is told instead of failing the test.
    pub async fn attempt(self) -> Result<Answer, String> {
        let host = format!("localhost:{}", self.caller.door.port());
        let request = match self.caller.http2 {
            true => self.request.uri(format!("https://{host}{}", self.path)),
            false => self.request.uri(self.path).header("host", host),
        };
        let request = request.body(Full::new(self.body)).map_err(|e| e.to_string())?;
        let mut connection = self.caller.connection().await?;
        let sent = async {
            match &mut connection {
                Connection::Http1(sender) => sender.send_request(request).await,
                Connection::Http2(sender) => {
                    // The next request may go out while this one is answered.
                    *self.caller.open.lock().await = Some(Connection::Http2(sender.clone()));
                    sender.send_request(request).await
                }
            }
        };
        let response = tokio::time::timeout(PATIENCE, sent).await.map_err(|_| "no answer")?;
        let (head, body) = response.map_err(|e| format!("{e:?}"))?.into_parts();
        let body = body.collect().await.map_err(|e| format!("{e:?}"))?.to_bytes();
        if let Connection::Http1(_) = connection {
            *self.caller.open.lock().await = Some(connection);
        }
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }
}

impl<'a> IntoFuture for Ask<'a> {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { self.attempt().await.unwrap() })
    }
}

/// What came back, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The answer itself, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The problem that was answered, checked to be one in full, of this status and code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(problem.header("content-type"), "application/problem+json");
        let body = problem.json();
        assert_eq!((body["code"].as_str(), body["status"].as_u64()), (Some(code), Some(status.into())), "{body}");
        for member in ["type", "title", "detail", "instance", "remedy", "requestId"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member} of {body}");
        }
        assert_eq!(body["requestId"], problem.header("x-request-id"));
        body
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
