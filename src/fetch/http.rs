//! One request by plain HTTP and its whole answer, straight or through the region's proxy: for what its issuer has
//! signed, such as revocation lists and OCSP answers. TLS would prove nothing more of them, and would ask for
//! certificates that are to be looked up first (RFC 5280 section 8).

use std::error::Error;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::dial::dial;
use crate::domain::status::probe::Cause;
use crate::domain::status::probe::target::HttpTarget;

const USER_AGENT: &str = concat!("budkavle/", env!("CARGO_PKG_VERSION"));
/// Headers of an answer.
const HEAD_BYTES_MAX: usize = 16 << 10;
const REDIRECTS_MAX: usize = 3;
/// Longest validator that is remembered and sent again.
const VALIDATOR_BYTES_MAX: usize = 200;

/// Asks servers by plain HTTP, one connection a request.
#[derive(Debug, Clone, Default)]
pub struct HttpClient {
    proxy: Option<HttpTarget>,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// The document, unless it is still the one that `known` came with.
    Get { known: &'a Validators },
    /// Never follows a redirect.
    Post { content_type: &'a str, body: &'a [u8] },
}

/// What a server has said of a document's version (RFC 9110 section 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Validators {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

/// What came back with a status that means success.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Whole { body: Vec<u8>, validators: Validators },
    NotModified,
}

/// Why there is no answer. Holds nothing that the server wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    #[error("the address is not one of plain HTTP")]
    Tls,
    #[error("no connection: {}", .0.as_str())]
    Connect(Cause),
    #[error("no whole answer in time")]
    Timeout,
    #[error("the connection ended before the answer did")]
    Closed,
    #[error("what came is not HTTP")]
    Garbage,
    #[error("the server answered with status {0}")]
    Status(u16),
    #[error("the server sends on to another host, to TLS, or in circles")]
    Redirect,
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
}

impl HttpClient {
    /// Through `proxy`, which is itself spoken to by plain HTTP, or straight.
    pub fn new(proxy: Option<HttpTarget>) -> HttpClient {
        HttpClient { proxy }
    }

    /// Asks `target` and waits for all of the answer, no more than `bytes_max`, until the deadline at most. A GET
    /// follows redirects within the host.
    pub async fn ask(
        &self,
        target: &HttpTarget,
        ask: Ask<'_>,
        bytes_max: usize,
        deadline: Instant,
    ) -> Result<Answer, HttpError> {
        let mut target = target.clone();
        for _ in 0..=REDIRECTS_MAX {
            if target.tls {
                return Err(HttpError::Tls);
            }
            let next_hop = self.proxy.as_ref().unwrap_or(&target);
            let stream = dial(&next_hop.host, next_hop.port, deadline).await.map_err(HttpError::Connect)?;
            let answered = timeout_at(deadline, self.exchange(&target, ask, bytes_max, stream)).await;
            match answered.unwrap_or(Err(HttpError::Timeout))? {
                Answered::Here(answer) => return Ok(answer),
                Answered::Elsewhere(next) => target = next,
            }
        }
        Err(HttpError::Redirect)
    }

    async fn exchange(
        &self,
        target: &HttpTarget,
        ask: Ask<'_>,
        bytes_max: usize,
        stream: TcpStream,
    ) -> Result<Answered, HttpError> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_BYTES_MAX);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|e| fault_of(&e))?;
        // Ends with this request, however it ends.
        let mut driving = JoinSet::new();
        driving.spawn(connection);
        let request = self.request(target, ask).map_err(|_| HttpError::Garbage)?;
        let answer = sender.send_request(request).await.map_err(|e| fault_of(&e))?;
        let asked_conditionally = matches!(ask, Ask::Get { known } if *known != Validators::default());
        match (answer.status(), ask) {
            (StatusCode::OK, _) => {
                let validators = validators(&answer);
                let body = collect(answer.into_body(), bytes_max).await?;
                Ok(Answered::Here(Answer::Whole { body, validators }))
            }
            (StatusCode::NOT_MODIFIED, _) if asked_conditionally => Ok(Answered::Here(Answer::NotModified)),
            (status, Ask::Get { .. }) if status.is_redirection() && status != StatusCode::NOT_MODIFIED => {
                let location = header(&answer, "location").and_then(|location| target.redirected(location));
                location.filter(|next| !next.tls).map(Answered::Elsewhere).ok_or(HttpError::Redirect)
            }
            (status, _) => Err(HttpError::Status(status.as_u16())),
        }
    }

    fn request(&self, target: &HttpTarget, ask: Ask<'_>) -> Result<hyper::Request<Full<Bytes>>, hyper::http::Error> {
        let uri = match &self.proxy {
            // A proxy is told the whole address (RFC 9112 section 3.2.2).
            Some(_) => format!("http://{}{}", target.authority(), target.path),
            None => target.path.clone(),
        };
        let mut request = hyper::Request::builder()
            .uri(uri)
            .header("host", target.authority())
            .header("user-agent", USER_AGENT)
            .header("accept", "*/*")
            .header("connection", "close");
        match ask {
            Ask::Get { known } => {
                for (name, value) in [("if-none-match", &known.etag), ("if-modified-since", &known.last_modified)] {
                    if let Some(value) = value {
                        request = request.header(name, value);
                    }
                }
                request.method(Method::GET).body(Full::default())
            }
            Ask::Post { content_type, body } => {
                let body = Full::new(Bytes::copy_from_slice(body));
                request.method(Method::POST).header("content-type", content_type).body(body)
            }
        }
    }
}

enum Answered {
    Here(Answer),
    Elsewhere(HttpTarget),
}

fn header<'a>(answer: &'a Response<Incoming>, name: &str) -> Option<&'a str> {
    answer.headers().get(name).and_then(|value| value.to_str().ok())
}

fn validators(answer: &Response<Incoming>) -> Validators {
    let kept = |name| header(answer, name).filter(|value| value.len() <= VALIDATOR_BYTES_MAX).map(str::to_owned);
    Validators { etag: kept("etag"), last_modified: kept("last-modified") }
}

/// Refuses what is announced too long before a byte of it is read, and what is not announced as soon as it is.
async fn collect(mut body: Incoming, bytes_max: usize) -> Result<Vec<u8>, HttpError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(HttpError::TooLarge(bytes_max));
    }
    let mut read = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|e| fault_of(&e))?.into_data() else { continue };
        if read.len() + data.len() > bytes_max {
            return Err(HttpError::TooLarge(bytes_max));
        }
        read.extend_from_slice(&data);
    }
    Ok(read)
}

fn fault_of(error: &hyper::Error) -> HttpError {
    // A body that is cut off is told as an error of the connection below.
    let below = error.source().is_some_and(|source| source.is::<std::io::Error>());
    if below || error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        HttpError::Closed
    } else {
        HttpError::Garbage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers the connections with these bytes in turn, the last ones for ever, and remembers what it was asked.
    struct Server {
        target: HttpTarget,
        heard: Arc<Mutex<Vec<String>>>,
    }

    impl Server {
        async fn start(answers: Vec<Vec<u8>>) -> Server {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let heard = Arc::<Mutex<Vec<String>>>::default();
            let kept = heard.clone();
            tokio::spawn(async move {
                for turn in 0.. {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        request.push(stream.read_u8().await.unwrap());
                    }
                    let length = String::from_utf8_lossy(&request).find("content-length: 4").map_or(0, |_| 4);
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).await.unwrap();
                    request.extend(body);
                    kept.lock().unwrap().push(String::from_utf8(request).unwrap());
                    let answer = answers.get(turn).or(answers.last()).unwrap();
                    stream.write_all(answer).await.unwrap();
                    // An answer that promises more than it holds is cut off; silence stays silent.
                    if answer.is_empty() {
                        let _ = stream.read_u8().await;
                    }
                }
            });
            Server { target: HttpTarget::parse(&format!("http://127.0.0.1:{port}/list.crl")).unwrap(), heard }
        }

        async fn get(&self, known: &Validators) -> Result<Answer, HttpError> {
            let client = HttpClient::default();
            client.ask(&self.target, Ask::Get { known }, 1_000, soon()).await
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
    }

    fn whole(body: &str) -> Result<Answer, HttpError> {
        Ok(Answer::Whole { body: body.as_bytes().to_vec(), validators: Validators::default() })
    }

    #[tokio::test]
    async fn a_document_comes_whole_and_is_asked_for_by_its_version_the_next_time() {
        let versioned = answer("200 OK", "etag: \"7\"\r\nlast-modified: Sun, 22 Nov 2026 08:00:00 GMT\r\n", "list");
        let server = Server::start(vec![versioned, answer("304 Not Modified", "", "")]).await;
        let Ok(Answer::Whole { body, validators }) = server.get(&Validators::default()).await else { panic!() };
        assert_eq!((body.as_slice(), validators.etag.as_deref()), (b"list".as_slice(), Some("\"7\"")));
        assert_eq!(server.get(&validators).await, Ok(Answer::NotModified));
        let heard = server.heard.lock().unwrap().clone();
        assert!(heard[0].starts_with("GET /list.crl HTTP/1.1\r\n") && !heard[0].contains("if-"), "{heard:?}");
        assert!(heard[1].contains("if-none-match: \"7\"\r\n"), "{heard:?}");
        assert!(heard[1].contains("if-modified-since: Sun, 22 Nov 2026 08:00:00 GMT\r\n"), "{heard:?}");
    }

    #[tokio::test]
    async fn not_modified_counts_only_for_who_has_asked_so() {
        let server = Server::start(vec![answer("304 Not Modified", "", "")]).await;
        assert_eq!(server.get(&Validators::default()).await, Err(HttpError::Status(304)));
    }

    #[tokio::test]
    async fn an_answer_beyond_the_cap_is_refused_announced_or_not() {
        let long = "x".repeat(1_001);
        let announced = Server::start(vec![answer("200 OK", "", &long)]).await;
        let creeping = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{long}").into_bytes();
        let creeping = Server::start(vec![creeping]).await;
        let fits = Server::start(vec![answer("200 OK", "", &long[1..])]).await;
        assert_eq!(announced.get(&Validators::default()).await, Err(HttpError::TooLarge(1_000)));
        assert_eq!(creeping.get(&Validators::default()).await, Err(HttpError::TooLarge(1_000)));
        assert_eq!(fits.get(&Validators::default()).await, whole(&long[1..]));
    }

    #[tokio::test]
    async fn every_way_of_not_answering_has_its_name() {
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(2 * HEAD_BYTES_MAX)).into_bytes();
        for (bytes, fault) in [
            (answer("500 Oh", "", "ill"), HttpError::Status(500)),
            (answer("204 No Content", "", ""), HttpError::Status(204)),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec(), HttpError::Closed),
            (b"SSH-2.0-OpenSSH\r\n\r\n".to_vec(), HttpError::Garbage),
            (endless, HttpError::Garbage),
        ] {
            let server = Server::start(vec![bytes]).await;
            assert_eq!(server.get(&Validators::default()).await, Err(fault));
        }
        let silent = Server::start(vec![Vec::new()]).await;
        let (known, shortly) = (Validators::default(), Instant::now() + Duration::from_millis(100));
        let told = HttpClient::default().ask(&silent.target, Ask::Get { known: &known }, 1, shortly).await;
        assert_eq!(told, Err(HttpError::Timeout));
        let nobody = HttpTarget::parse("http://nobody.invalid/").unwrap();
        let told = HttpClient::default().ask(&nobody, Ask::Get { known: &known }, 1, soon()).await;
        assert_eq!(told, Err(HttpError::Connect(Cause::Dns)));
        let tls = HttpTarget { tls: true, ..silent.target };
        let told = HttpClient::default().ask(&tls, Ask::Get { known: &known }, 1, soon()).await;
        assert_eq!(told, Err(HttpError::Tls));
    }

    #[tokio::test]
    async fn redirects_stay_within_the_host_and_end() {
        let home = answer("302 Found", "location: /other.crl\r\n", "");
        let server = Server::start(vec![home.clone(), answer("200 OK", "", "list")]).await;
        assert_eq!(server.get(&Validators::default()).await, whole("list"));
        assert!(server.heard.lock().unwrap()[1].starts_with("GET /other.crl "));
        for leads_away in ["http://localhost/x", "https://127.0.0.1/x", "//localhost/x", "/in-circles"] {
            let away = answer("301 Moved", &format!("location: {leads_away}\r\n"), "");
            let server = Server::start(vec![away]).await;
            assert_eq!(server.get(&Validators::default()).await, Err(HttpError::Redirect), "{leads_away}");
        }
        let server = Server::start(vec![home]).await;
        let post = Ask::Post { content_type: "application/ocsp-request", body: b"ask?" };
        let told = HttpClient::default().ask(&server.target, post, 1_000, soon()).await;
        assert_eq!(told, Err(HttpError::Status(302)));
    }

    #[tokio::test]
    async fn a_question_is_posted_with_its_type_and_its_answer_read() {
        let server = Server::start(vec![answer("200 OK", "", "good")]).await;
        let post = Ask::Post { content_type: "application/ocsp-request", body: b"ask?" };
        assert_eq!(HttpClient::default().ask(&server.target, post, 1_000, soon()).await, whole("good"));
        let heard = server.heard.lock().unwrap()[0].clone();
        assert!(heard.starts_with("POST /list.crl ") && heard.ends_with("\r\n\r\nask?"), "{heard}");
        assert!(heard.contains("content-type: application/ocsp-request\r\n"), "{heard}");
    }

    #[tokio::test]
    async fn a_proxy_is_told_the_whole_address_of_a_host_that_only_it_can_reach() {
        let proxy = Server::start(vec![answer("200 OK", "", "list")]).await;
        let client = HttpClient::new(Some(proxy.target.clone()));
        let target = HttpTarget::parse("http://crl.region.invalid:8080/a?b").unwrap();
        let known = Validators::default();
        assert_eq!(client.ask(&target, Ask::Get { known: &known }, 1_000, soon()).await, whole("list"));
        let heard = proxy.heard.lock().unwrap()[0].clone();
        assert!(heard.starts_with("GET http://crl.region.invalid:8080/a?b HTTP/1.1\r\n"), "{heard}");
        assert!(heard.contains("host: crl.region.invalid:8080\r\n"), "{heard}");
    }
}
