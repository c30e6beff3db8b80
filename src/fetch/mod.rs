//! HTTP out of the gateway: one request, one whole answer, bounded in time and size. `probe` looks at other people's
//! services, `dial` connects to them, `http` asks by plain HTTP for what proves itself.

pub mod dial;
pub mod http;
pub mod probe;

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::net::outgoing::TlsClient;

/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// From connecting to the answer's last byte.
const WHOLE: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("no answer within 60 s")]
    Timeout,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Http(String),
}

/// A request to one server by TLS.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    pub method: &'a str,
    pub host: &'a str,
    pub port: u16,
    pub path: &'a str,
    pub headers: Vec<(&'a str, String)>,
    pub body: Vec<u8>,
}

#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Asks and waits for the whole answer.
pub async fn fetch(tls: &TlsClient, ask: &Ask<'_>) -> Result<Told, FetchError> {
    tokio::time::timeout(WHOLE, fetch_now(tls, ask)).await.unwrap_or(Err(FetchError::Timeout))
}

async fn fetch_now(tls: &TlsClient, ask: &Ask<'_>) -> Result<Told, FetchError> {
    let http = |error: hyper::Error| FetchError::Http(error.to_string());
    let stream = TcpStream::connect((ask.host, ask.port)).await?;
    stream.set_nodelay(true)?;
    let stream = tls.connect_tls(stream, ask.host).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    let driving = tokio::spawn(connection);
    let mut request =
        hyper::Request::builder().method(ask.method).uri(ask.path).header("host", format!("{}:{}", ask.host, ask.port));
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    let body = Full::new(hyper::body::Bytes::from(ask.body.clone()));
    let request = request.body(body).map_err(|e| FetchError::Http(e.to_string()))?;
    let answer = sender.send_request(request).await.map_err(http)?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|e| FetchError::Http(e.to_string()))?.to_bytes().to_vec();
    driving.abort();
    Ok(Told { status, body })
}
