//! One look at somebody else's service: by HTTP, or at its certificate. Each has one deadline for all it does, and
//! says no more than a class when it fails.

use std::io;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::dial::{cause_of, dial};
use crate::domain::status::probe::Cause;
use crate::domain::status::probe::HttpMethod;
use crate::domain::status::probe::target::HttpTarget;
use crate::net::outgoing::{TlsClient, TlsFault, TlsStream, server_certificate};

const USER_AGENT: &str = concat!("budkavle-probe/", env!("CARGO_PKG_VERSION"));
/// How much of an answer is looked through.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Headers of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
const REDIRECTS_MAX: usize = 5;

/// What is asked, and what the answer must be.
#[derive(Debug, Clone, Copy)]
pub struct HttpLook<'a> {
    pub target: &'a HttpTarget,
    pub method: HttpMethod,
    /// Any 2xx when none is given.
    pub status: Option<u16>,
    /// Somewhere in the first 64 KiB.
    pub text: Option<&'a str>,
    pub follow_redirects: bool,
}

/// Asks and judges the answer.
pub async fn http(look: HttpLook<'_>, tls: &TlsClient, deadline: Instant) -> Result<(), Cause> {
    let mut target = look.target.clone();
    for _ in 0..=REDIRECTS_MAX {
        let stream = dial(&target.host, target.port, deadline).await?;
        let asked = async {
            if target.tls {
                let stream = handshake(tls, stream, &target.host).await?;
                ask(look, &target, stream).await
            } else {
                ask(look, &target, stream).await
            }
        };
        match timeout_at(deadline, asked).await.unwrap_or(Err(Cause::AnswerTimeout))? {
            Asked::Fits => return Ok(()),
            Asked::Elsewhere(next) => target = next,
        }
    }
    Err(Cause::Redirect)
}

/// The certificate that a server shows, in DER, after its name, issuer and validity have been judged.
pub async fn certificate(host: &str, port: u16, tls: &TlsClient, deadline: Instant) -> Result<Vec<u8>, Cause> {
    let stream = dial(host, port, deadline).await?;
    let stream = timeout_at(deadline, handshake(tls, stream, host)).await.unwrap_or(Err(Cause::AnswerTimeout))?;
    server_certificate(&stream).map(<[u8]>::to_vec).ok_or(Cause::Tls)
}

async fn handshake(tls: &TlsClient, stream: TcpStream, host: &str) -> Result<TlsStream<TcpStream>, Cause> {
    tls.connect_tls(stream, host).await.map_err(|error| cause_of_tls(&error))
}

fn cause_of_tls(error: &io::Error) -> Cause {
    match TlsFault::of(error) {
        Some(TlsFault::Name) => Cause::TlsName,
        Some(TlsFault::Issuer) => Cause::TlsIssuer,
        Some(TlsFault::Validity) => Cause::TlsValidity,
        Some(TlsFault::Handshake) => Cause::Tls,
        None => cause_of(error),
    }
}

enum Asked {
    Fits,
    Elsewhere(HttpTarget),
}

async fn ask<S>(look: HttpLook<'_>, target: &HttpTarget, stream: S) -> Result<Asked, Cause>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|e| cause_of_http(&e))?;
    // Ends with this look, however it ends.
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let request = hyper::Request::builder()
        .method(match look.method {
            HttpMethod::Get => hyper::Method::GET,
            HttpMethod::Head => hyper::Method::HEAD,
        })
        .uri(&target.path)
        .header("host", target.authority())
        .header("user-agent", USER_AGENT)
        .header("accept", "*/*")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Cause::Garbage)?;
    let answer = sender.send_request(request).await.map_err(|e| cause_of_http(&e))?;
    let status = answer.status();
    if look.follow_redirects && status.is_redirection() {
        let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
        return location.and_then(|l| target.redirected(l)).map(Asked::Elsewhere).ok_or(Cause::Redirect);
    }
    let fits = look.status.map_or(status.is_success(), |expected| status.as_u16() == expected);
    if !fits {
        return Err(Cause::Status(status.as_u16()));
    }
    match look.text {
        Some(text) => find(answer.into_body(), text.as_bytes()).await,
        None => Ok(Asked::Fits),
    }
}

/// Looks for the text without keeping more than may hold it.
async fn find(mut body: Incoming, text: &[u8]) -> Result<Asked, Cause> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|e| cause_of_http(&e))?.into_data() else { continue };
        let (seen, room) = (read.len(), BODY_BYTES_MAX.saturating_sub(read.len()));
        read.extend_from_slice(data.get(..room).unwrap_or(&data));
        // It may have begun in what came before.
        let new = read.get((seen + 1).saturating_sub(text.len())..).unwrap_or_default();
        if new.windows(text.len()).any(|window| window == text) {
            return Ok(Asked::Fits);
        }
        if read.len() >= BODY_BYTES_MAX {
            break;
        }
    }
    Err(Cause::TextMissing)
}

fn cause_of_http(error: &hyper::Error) -> Cause {
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        Cause::Closed
    } else {
        Cause::Garbage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::outgoing::fixture::TlsServer;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers every connection with these bytes, then with silence.
    async fn server(answer: Vec<u8>, tls: Option<TlsServer>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, tls) = (answer.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &answer).await;
                            }
                        }
                        None => serve(stream, &answer).await,
                    }
                });
            }
        });
        port
    }

    async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) {
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => heard.push(byte),
                Err(_) => return,
            }
        }
        if stream.write_all(answer).await.is_ok() && stream.flush().await.is_ok() {
            let _ = stream.read_u8().await;
        }
    }

    fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(1_500)
    }

    /// No certificate is asked about where there is no TLS.
    fn anybody() -> TlsClient {
        TlsServer::new("nobody.region.example").client()
    }

    async fn look(url: &str, text: Option<&str>, follow_redirects: bool) -> Result<(), Cause> {
        let target = HttpTarget::parse(url).unwrap();
        let look = HttpLook { target: &target, method: HttpMethod::Get, status: None, text, follow_redirects };
        http(look, &anybody(), soon()).await
    }

    #[tokio::test]
    async fn statuses_and_texts_are_judged_as_asked() {
        let good = server(answer("200 OK", "", "all is well"), None).await;
        assert_eq!(look(&format!("http://127.0.0.1:{good}/"), None, false).await, Ok(()));
        assert_eq!(look(&format!("http://127.0.0.1:{good}/"), Some("is well"), false).await, Ok(()));
        assert_eq!(look(&format!("http://127.0.0.1:{good}/"), Some("is ill"), false).await, Err(Cause::TextMissing));
        let bad = server(answer("500 Oh", "", "all is well"), None).await;
        assert_eq!(look(&format!("http://127.0.0.1:{bad}/"), None, false).await, Err(Cause::Status(500)));
        let target = HttpTarget::parse(&format!("http://127.0.0.1:{bad}/")).unwrap();
        let asked = HttpLook {
            target: &target,
            method: HttpMethod::Head,
            status: Some(500),
            text: None,
            follow_redirects: false,
        };
        assert_eq!(http(asked, &anybody(), soon()).await, Ok(()));
    }

    #[tokio::test]
    async fn no_more_than_the_first_64_kib_is_looked_through() {
        let pages = |before: usize| answer("200 OK", "", &format!("{}found", " ".repeat(before)));
        let near = server(pages(BODY_BYTES_MAX - 5), None).await;
        assert_eq!(look(&format!("http://127.0.0.1:{near}/"), Some("found"), false).await, Ok(()));
        let far = server(pages(BODY_BYTES_MAX - 4), None).await;
        assert_eq!(look(&format!("http://127.0.0.1:{far}/"), Some("found"), false).await, Err(Cause::TextMissing));
    }

    #[tokio::test]
    async fn silence_garbage_and_half_an_answer_are_told_apart() {
        let silent = server(Vec::new(), None).await;
        assert_eq!(look(&format!("http://127.0.0.1:{silent}/"), None, false).await, Err(Cause::AnswerTimeout));
        let odd = server(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec(), None).await;
        assert_eq!(look(&format!("http://127.0.0.1:{odd}/"), None, false).await, Err(Cause::Garbage));
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(2 * HEAD_BYTES_MAX));
        let endless = server(endless.into_bytes(), None).await;
        assert_eq!(look(&format!("http://127.0.0.1:{endless}/"), None, false).await, Err(Cause::Garbage));
        let half = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = half.local_addr().unwrap().port();
        tokio::spawn(async move { while half.accept().await.is_ok() {} });
        assert_eq!(look(&format!("http://127.0.0.1:{port}/"), None, false).await, Err(Cause::Closed));
    }

    #[tokio::test]
    async fn redirects_are_failures_unless_they_are_to_be_followed_and_stay_at_home() {
        let good = server(answer("200 OK", "", "home"), None).await;
        let there = server(answer("302 Found", &format!("location: http://127.0.0.1:{good}/\r\n"), ""), None).await;
        let url = format!("http://127.0.0.1:{there}/");
        assert_eq!(look(&url, Some("home"), false).await, Err(Cause::Status(302)));
        assert_eq!(look(&url, Some("home"), true).await, Ok(()));
        let abroad = server(answer("302 Found", &format!("location: http://localhost:{good}/\r\n"), ""), None).await;
        assert_eq!(look(&format!("http://127.0.0.1:{abroad}/"), None, true).await, Err(Cause::Redirect));
        let circle = server(answer("302 Found", "location: /again\r\n", ""), None).await;
        assert_eq!(look(&format!("http://127.0.0.1:{circle}/"), None, true).await, Err(Cause::Redirect));
    }

    #[tokio::test]
    async fn certificates_are_judged_by_name_issuer_and_date() {
        let tls = TlsServer::new("localhost");
        let port = server(answer("200 OK", "", ""), Some(tls.clone())).await;
        let target = HttpTarget::parse(&format!("https://localhost:{port}/")).unwrap();
        let asked =
            HttpLook { target: &target, method: HttpMethod::Get, status: None, text: None, follow_redirects: false };
        assert_eq!(http(asked, &tls.client(), soon()).await, Ok(()));
        assert!(!certificate("localhost", port, &tls.client(), soon()).await.unwrap().is_empty());
        assert_eq!(http(asked, &anybody(), soon()).await, Err(Cause::TlsIssuer));
        assert_eq!(certificate("127.0.0.1", port, &tls.client(), soon()).await, Err(Cause::TlsName));
        let expired = TlsServer::expired("localhost");
        let port = server(answer("200 OK", "", ""), Some(expired.clone())).await;
        assert_eq!(certificate("localhost", port, &expired.client(), soon()).await, Err(Cause::TlsValidity));
        let plain = server(answer("400 Bad", "", ""), None).await;
        assert_eq!(certificate("localhost", plain, &tls.client(), soon()).await, Err(Cause::AnswerTimeout));
    }
}
