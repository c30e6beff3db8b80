//! Identities and requests smuggled in: headers that other gateways would believe, requests that two readers would read
//! differently. Whoever calls stays who the certificate says, and one request stays one.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Ask, Caller};
use crate::common::{Gateway, HANDLER, RECEIVER, Region};
use crate::handshakes::NO_LIMITS;

const PORTAL: &str = "TSTNMT2321000156-P001";
/// Headers by which proxies tell those behind them whom they have met, each naming somebody else.
const BELIEVED_ELSEWHERE: [(&str, &str); 22] = [
    ("x-ssl-client-s-dn", "CN=Annan,serialNumber=TSTNMT2321000156-1004"),
    ("x-ssl-client-verify", "SUCCESS"),
    ("x-ssl-client-cert", "-----BEGIN CERTIFICATE-----"),
    ("x-ssl-client-dn", "serialNumber=TSTNMT2321000156-1004"),
    ("ssl-client-cert", "MIIB"),
    ("ssl_client_s_dn", "serialNumber=TSTNMT2321000156-1004"),
    ("ssl-client-verify", "SUCCESS"),
    ("x-client-cert", "MIIB"),
    ("x-client-certificate", "MIIB"),
    ("client-cert", ":MIIB:"),
    ("x-forwarded-client-cert", "Subject=\"serialNumber=TSTNMT2321000156-1004\";URI=spiffe://x"),
    ("x-arr-clientcert", "MIIB"),
    ("x-amzn-mtls-clientcert-subject", "serialNumber=TSTNMT2321000156-1004"),
    ("x-rivta-original-serviceconsumer-hsaid", "TSTNMT2321000156-P002"),
    ("x-vp-sender-id", "TSTNMT2321000156-P002"),
    ("x-skltp-correlation-id", "TSTNMT2321000156-P002"),
    ("x-remote-user", "TSTNMT2321000156-1004"),
    ("remote-user", "TSTNMT2321000156-1004"),
    ("x-forwarded-user", "TSTNMT2321000156-1004"),
    ("x-hsa-id", "TSTNMT2321000156-1004"),
    ("forwarded", "for=127.0.0.1;host=evil.example;proto=http"),
    ("x-forwarded-for", "127.0.0.1"),
];
const INNER: &str = "GET /v1/clinics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
/// A door that says nothing more in this time waits for us.
const PATIENCE: Duration = Duration::from_secs(40);

/// The caller, with every header by which somebody else might be meant.
fn dressed_up(caller: &Caller) -> Ask<'_> {
    let ask = caller.get("/v1/whoami").header("authorization", "Bearer TSTNMT2321000156-1004");
    BELIEVED_ELSEWHERE.iter().fold(ask, |ask, (name, value)| ask.header(name, value))
}

#[tokio::test]
async fn no_header_makes_a_caller_somebody_else() {
    let gateway = Region::prepare().with(NO_LIMITS).run();
    for (caller, hsa_id) in [
        (gateway.portal(), PORTAL),
        (gateway.portal().http1(), PORTAL),
        (gateway.receiver(), RECEIVER),
        (gateway.receiver().http1(), RECEIVER),
        (gateway.handler(), HANDLER),
    ] {
        let told = dressed_up(&caller).await.expect(200);
        assert_eq!(told.json()["hsaId"], hsa_id);
    }
    for (caller, code) in [
        (gateway.at(gateway.staff_door, None), "no-certificate"),
        (gateway.card("telia"), "telia-e-legitimation"),
        (gateway.stranger(), "portal-not-registered"),
    ] {
        let told = dressed_up(&caller).await.refused(403, "rejected");
        assert_eq!(told["rejection"]["code"], code);
    }
    dressed_up(&gateway.anyone()).await.refused(404, "not-found");
}

/// All that the door answers to these bytes until it closes, or until it waits for more; whether it has closed.
async fn answers(caller: &Caller, bytes: &[u8]) -> (String, bool) {
    let mut stream = caller.raw().await;
    stream.write_all(bytes).await.unwrap();
    let mut told = Vec::new();
    let closed = loop {
        let mut buffer = [0; 4096];
        match tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await {
            Err(_) => break false,
            Ok(Ok(0) | Err(_)) => break true,
            Ok(Ok(read)) => told.extend_from_slice(&buffer[..read]),
        }
    };
    (String::from_utf8_lossy(&told).into_owned(), closed)
}

#[tokio::test]
async fn what_two_readers_would_read_differently_is_answered_once_and_ends_the_connection() {
    let gateway = Region::prepare().with(NO_LIMITS).run();
    let portal = gateway.portal();
    let get = |fields: &str| format!("GET /v1/whoami HTTP/1.1\r\n{fields}\r\n\r\n{INNER}");
    let post = |fields: &str, body: &str| {
        format!(
            "POST /v1/cases/search HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{fields}\r\n\r\n\
             {body}{INNER}"
        )
    };
    for attack in [
        get("host: localhost\r\nhost: localhost"),
        get("host: localhost\r\nhost: evil.example"),
        get("x-no-host: 1"),
        get("host: localhost\r\n folded: 1"),
        get("host : localhost"),
        get("host: localhost\r\nx-a\r\n"),
        get("host: localhost\r\ncontent-length: 1e1"),
        get("host: localhost\r\ntransfer-encoding: \x0bchunked"),
        format!("GET https://evil.example/v1/whoami HTTP/1.1\r\nhost: localhost\r\n\r\n{INNER}"),
        format!("GET /v1/whoami HTTP/1.2\r\nhost: localhost\r\n\r\n{INNER}"),
        format!("GET /v1/whoami HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{INNER}"),
        post("content-length: 0\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
        post("transfer-encoding: chunked\r\ncontent-length: 0", "0\r\n\r\n"),
        post("transfer-encoding: chunked\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
        post("transfer-encoding: gzip, chunked", "0\r\n\r\n"),
        post("transfer-encoding: chunked, chunked", "0\r\n\r\n"),
        post("transfer-encoding: identity", "{}"),
        post("content-length: 2\r\ncontent-length: 3", "{}"),
        post("content-length: 2, 2", "{}"),
        post("content-length: 99999999999999999999999", "{}"),
    ] {
        let (told, closed) = answers(&portal, attack.as_bytes()).await;
        assert!(told.starts_with("HTTP/1.1 400 ") || told.starts_with("HTTP/1.0 400 "), "{attack:?}: {told}");
        assert_eq!(told.matches("HTTP/1.").count(), 1, "{attack:?}: {told}");
        assert!(closed, "{attack:?}");
    }
    portal.get("/v1/whoami").await.expect(200);
}

/// An HTTP/2 connection on which the test writes its own frames.
mod frames {
    pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RESET: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const GOAWAY: u8 = 7;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;

    pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    /// HPACK without its table: each field as it is.
    pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
        let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
    }
}

/// How the door ends the first stream: `reset`, `goaway`, or its `:status` if it answers.
async fn told_over_http2(gateway: &Gateway, fields: &[(&str, &str)], body: Option<&[u8]>) -> String {
    use frames::{DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, RESET, SETTINGS, block, frame};
    let mut stream = gateway.portal().raw_speaking(b"h2").await;
    let end = if body.is_none() { END_STREAM } else { 0 };
    let headers = frame(HEADERS, END_HEADERS | end, 1, &block(fields));
    let data = body.map(|body| frame(DATA, END_STREAM, 1, body)).unwrap_or_default();
    let sent = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &headers, &data].concat();
    stream.write_all(&sent).await.unwrap();
    loop {
        let mut head = [0; 9];
        let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut head)).await.expect("no answer");
        if read.is_err() {
            return "closed".to_owned();
        }
        let mut payload = vec![0; usize::from(head[1]) * 256 + usize::from(head[2])];
        stream.read_exact(&mut payload).await.unwrap();
        match head[3] {
            RESET => return "reset".to_owned(),
            GOAWAY => return "goaway".to_owned(),
            // The status stands first, from HPACK's static table or as digits behind its name.
            HEADERS => return if payload[0] == 0x88 { "200" } else { "refused" }.to_owned(),
            _ => {}
        }
    }
}

#[tokio::test]
async fn malformed_requests_over_http2_are_reset_or_refused_and_never_served() {
    let gateway = Region::prepare().with(NO_LIMITS).run();
    let good = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/v1/whoami")];
    let with = |extra: &[(&'static str, &'static str)]| [good.as_slice(), extra].concat();
    assert_eq!(told_over_http2(&gateway, &good, None).await, "200", "the stage itself");
    assert_eq!(told_over_http2(&gateway, &with(&[("host", "localhost")]), None).await, "200");
    for attack in [
        with(&[("host", "evil.example")]),
        with(&[("host", "localhost"), ("host", "localhost")]),
        with(&[(":path", "/v1/clinics")]),
        with(&[(":authority", "evil.example")]),
        with(&[(":status", "200")]),
        with(&[(":hsa-id", PORTAL)]),
        with(&[("x-a", "1"), (":scheme", "https")]),
        with(&[("X-Upper", "1")]),
        with(&[("connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("te", "gzip")]),
        with(&[("upgrade", "h2c")]),
        with(&[("x-split", "a\r\nx-hsa-id: b")]),
        with(&[("x-nul", "a\0b")]),
        with(&[("x name", "1")]),
        good[1..].to_vec(),
        good[..3].to_vec(),
        [("x-first", "1")].into_iter().chain(good).collect(),
    ] {
        let told = told_over_http2(&gateway, &attack, None).await;
        assert!(["reset", "goaway", "refused", "closed"].contains(&told.as_str()), "{attack:?}: {told}");
    }
    // A body that is longer or shorter than it was said to be.
    for length in ["1", "100"] {
        let search = [(":method", "POST"), (":path", "/v1/cases/search"), ("content-type", "application/json")];
        let fields = [&good[1..3], &search, &[("content-length", length)]].concat();
        let told = told_over_http2(&gateway, &fields, Some(b"{}")).await;
        assert!(["reset", "goaway", "refused", "closed"].contains(&told.as_str()), "{length}: {told}");
    }
}
