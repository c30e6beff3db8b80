//! A real Postfix receives the real daemon's letters over TLS: as they should be, refused, delayed, not trusted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, what must hold is asserted")]

#[path = "../crash/client.rs"]
mod client;
#[path = "../crash/gateway.rs"]
mod gateway;
mod server;
mod subscriber;

use std::time::Duration;

use client::Caller;
use gateway::{Gateway, Region, comes_true, scratch, skip};
use hyper::body::Bytes;
use serde_json::{Value, json};
use server::Postfix;

const QUESTION: &str = include_str!("../../config/region/samples/kontakta-mig.question.response.json");
const ANSWER: &str = include_str!("../../config/region/samples/kontakta-mig.answer.response.json");
const HANDLER: &str = "TSTNMT2321000156-1002";
/// Longest that a letter may take: after trouble with the smarthost the first pause is 15 s and a tenth.
const LETTER_WAIT: Duration = Duration::from_secs(40);

/// A region, and the smarthost that its configuration names.
struct Post {
    region: Region,
    postfix: Postfix,
    _scratch: tempfile::TempDir,
}

impl Post {
    /// None, and the test told to be skipped, where there is no Postfix.
    fn new(test: &str) -> Option<Post> {
        let scratch = scratch();
        let region = Region::prepare(scratch.path().join("r"), scratch.path().join("log"), |config| config);
        let tls = region.dir.join("tls");
        match Postfix::start(&scratch.path().join("p"), &tls.join("server.pem"), &tls.join("server.key")) {
            Ok(postfix) => Some(Post { region, postfix, _scratch: scratch }),
            Err(why) => {
                skip(test, &why);
                None
            }
        }
    }

    /// The gateway sends to this port, and trusts this CA.
    fn configured(self, security: &str, ca_file: &str) -> Post {
        let port = if security == "starttls" { self.postfix.starttls } else { self.postfix.implicit_tls };
        self.region.edit(|config| {
            let (before, rest) = config.split_once("[mail]\n").unwrap();
            let (_, after) = rest.split_once("[log]\n").unwrap();
            format!(
                r#"{before}[mail]
from-name = "e-tjänsterna i Region Exempel"
from-address = "noreply@region.example"
transport = "smtp"
host = "localhost"
port = {port}
security = "{security}"
hello-name = "gateway.region.example"
ca-file = "{ca_file}"

[log]
{after}"#
            )
        });
        self
    }

    fn letters(&self) -> Value {
        self.region.told(&["status"])["letters"].clone()
    }

    fn dead(&self) -> Vec<Value> {
        self.region.told(&["outbox", "list"]).as_array().unwrap().clone()
    }

    /// Waits until the citizens have so many letters.
    #[track_caller]
    fn citizens_have(&self, count: usize) -> Vec<String> {
        let came = comes_true(LETTER_WAIT, || self.postfix.letters("citizens").len() >= count);
        let letters = self.postfix.letters("citizens");
        assert!(came && letters.len() == count, "{}\n{}\n{}", letters.len(), self.region.said(), self.postfix.log());
        letters
    }
}

/// A case that is submitted, distributed and answered: letters are owed to receiver, handler and citizen.
async fn answered_case(region: &Region, gateway: &Gateway, key: &str, citizen: &str) {
    let response: Value = serde_json::from_str(QUESTION).unwrap();
    let case = json!({
        "clinic": "TSTNMT2321000156-A001",
        "caseType": "kontakta-mig",
        "senderReference": key,
        "citizen": {
            "identifier": { "system": "urn:oid:1.2.752.129.2.1.3.1", "value": "191212121212" },
            "name": "Tolvan Tolvansson",
            "protected": false,
        },
        "contact": { "email": citizen, "language": "sv" },
        "response": response,
    });
    let bytes = |value: Value| Bytes::from(value.to_string());
    let mut portal = Caller::new(&region.dir, "tls/portal", gateway.portal);
    let told = portal.post("/v1/cases", &[("idempotency-key", key)], bytes(case)).await.unwrap();
    assert_eq!(told.status, 201, "{told:?}");
    let case = format!("/v1/cases/{}", told.json()["id"].as_str().unwrap());
    let mut receiver = Caller::new(&region.dir, "cards/receiver", gateway.staff);
    let to = bytes(json!({ "handler": HANDLER }));
    let told = receiver.post(&format!("{case}/distribution"), &[("if-match", told.header("etag"))], to).await.unwrap();
    assert_eq!(told.status, 200, "{told:?}");
    let mut handler = Caller::new(&region.dir, "cards/handler", gateway.staff);
    let answer = bytes(json!({ "response": serde_json::from_str::<Value>(ANSWER).unwrap() }));
    let told = handler.post(&format!("{case}/answer"), &[("if-match", told.header("etag"))], answer).await.unwrap();
    assert_eq!(told.status, 200, "{told:?}");
    let told = portal.get(&case).await.unwrap();
    assert_eq!(told.json()["state"], "answered");
}

/// Header lines of a letter as it arrived, folded ones joined.
fn headers(letter: &str) -> Vec<(String, String)> {
    let head = letter.split("\n\n").next().unwrap().replace("\n ", " ").replace("\n\t", " ");
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    head.lines().filter_map(pair).collect()
}

/// Quoted-printable (RFC 2045 section 6.7), as a mail program reads it.
fn readable(letter: &str) -> String {
    let joined = letter.replace("=\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_str();
    while let Some((before, after)) = rest.split_once('=') {
        bytes.extend(before.bytes());
        let code = after.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(code.unwrap_or(b'='));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    bytes.extend(rest.bytes());
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_arrive_over_both_kinds_of_tls_with_their_headers_and_in_readable_swedish() {
    let name = "letters_arrive_over_both_kinds_of_tls_with_their_headers_and_in_readable_swedish";
    let Some(mut post) = Post::new(name) else { return };
    for (round, security) in ["implicit-tls", "starttls"].into_iter().enumerate() {
        post = post.configured(security, "tls/server-ca.pem");
        let gateway = post.region.start();
        answered_case(&post.region, &gateway, security, "tolvan@example.test").await;
        post.citizens_have(round + 1);
        assert!(comes_true(LETTER_WAIT, || post.postfix.letters("staff").len() == 2 * (round + 1)));
        gateway.stop();
    }
    for (whose, addresses) in [
        ("citizens", &["tolvan@example.test"][..]),
        ("staff", &["anna.akesson@region.example", "bjorn.oberg@region.example"]),
    ] {
        for letter in post.postfix.letters(whose) {
            let headers = headers(&letter);
            let all = |name: &str| {
                let found = headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
            };
            assert_eq!(all("Auto-Submitted"), ["auto-generated"]);
            assert!(matches!(all("To")[..], [to] if addresses.contains(&to)), "{headers:?}");
            assert!(matches!(all("Message-ID")[..], [id] if id.ends_with("@region.example>")), "{headers:?}");
            assert!(!headers.iter().any(|(name, _)| name.to_lowercase().starts_with("list-")), "{headers:?}");
            assert!(all("Received").iter().any(|received| received.contains("using TLSv1.3")), "{headers:?}");
            let text = readable(&letter);
            assert!(text.contains("e-tjänsterna i Region Exempel") && text.contains("Behöver du hjälp"), "{text}");
            for secret in ["191212121212", "Tolvan", "salvan", "Björkvik", "A001"] {
                assert!(!text.split_once("\n\n").unwrap().1.contains(secret), "{secret} is nobody's business: {text}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipients_letter_is_listed_until_it_is_resent_or_dropped_with_a_reason() {
    let name = "a_refused_recipients_letter_is_listed_until_it_is_resent_or_dropped_with_a_reason";
    let Some(post) = Post::new(name) else { return };
    let post = post.configured("implicit-tls", "tls/server-ca.pem");
    post.postfix.stop();
    post.postfix.refuse(&["gone@example.test", "moved@example.test"]);
    post.postfix.start_again();
    let gateway = post.region.start();
    answered_case(&post.region, &gateway, "gone", "gone@example.test").await;
    assert!(comes_true(LETTER_WAIT, || post.dead().len() == 1), "{}", post.postfix.log());
    let gone = post.dead()[0]["letter"].as_str().unwrap().to_owned();
    answered_case(&post.region, &gateway, "moved", "moved@example.test").await;
    assert!(comes_true(LETTER_WAIT, || post.dead().len() == 2), "{}", post.postfix.log());
    let is_gone = |letter: &&Value| letter["letter"] == gone.as_str();
    let moved = post.dead().iter().find(|letter| !is_gone(letter)).unwrap()["letter"].as_str().unwrap().to_owned();
    for letter in post.dead() {
        assert_eq!((&letter["kind"], &letter["fault"]["class"]), (&"answer-waits".into(), &"recipient".into()));
        assert!(!letter.to_string().contains("@example.test"), "an address in the list: {letter}");
    }
    // The mailbox is back: the same letter, once more, arrives.
    post.postfix.stop();
    post.postfix.refuse(&["gone@example.test"]);
    post.postfix.start_again();
    post.region.told(&["outbox", "resend", &moved]);
    let arrived = post.citizens_have(1);
    assert!(arrived[0].contains("To: moved@example.test"));
    let unreasoned = post.region.operate(&["outbox", "drop", &gone, "--reason", " "]);
    assert!(!unreasoned.status.success(), "dropped without a reason");
    assert_eq!(post.dead().len(), 1);
    post.region.told(&["outbox", "drop", &gone, "--reason", "flyttad, portalen är underrättad"]);
    assert_eq!(post.dead(), Vec::<Value>::new());
    let log = post.region.told(&["access-log", "list"]).to_string();
    for act in ["letter-resend", "letter-drop: flyttad, portalen är underrättad"] {
        assert!(log.contains(act), "{log}");
    }
    gateway.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_outlive_a_smarthost_that_is_away_and_a_gateway_that_is_killed_meanwhile() {
    let name = "letters_outlive_a_smarthost_that_is_away_and_a_gateway_that_is_killed_meanwhile";
    let Some(post) = Post::new(name) else { return };
    let post = post.configured("implicit-tls", "tls/server-ca.pem");
    post.postfix.stop();
    let gateway = post.region.start();
    for case in ["first", "second", "third"] {
        answered_case(&post.region, &gateway, case, "tolvan@example.test").await;
    }
    assert!(comes_true(LETTER_WAIT, || post.letters()["smarthostFaultsSinceStart"] != 0));
    assert_eq!((&post.letters()["waiting"], &post.letters()["givenUp"]), (&9.into(), &0.into()));
    gateway.kill();
    let gateway = post.region.start();
    post.postfix.start_again();
    post.citizens_have(3);
    assert!(comes_true(LETTER_WAIT, || post.letters()["waiting"] == 0));
    assert!(comes_true(LETTER_WAIT, || post.postfix.letters("staff").len() == 6));
    assert_eq!(post.letters()["givenUp"], 0);
    gateway.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smarthost_that_another_ca_vouches_for_gets_no_letter_and_none_is_lost() {
    let Some(post) = Post::new("a_smarthost_that_another_ca_vouches_for_gets_no_letter_and_none_is_lost") else {
        return;
    };
    let mut post = post;
    for security in ["implicit-tls", "starttls"] {
        post = post.configured(security, "ca/telia.pem");
        let gateway = post.region.start();
        answered_case(&post.region, &gateway, security, "tolvan@example.test").await;
        assert!(comes_true(LETTER_WAIT, || post.letters()["smarthostFaultsSinceStart"] != 0));
        let seen = comes_true(LETTER_WAIT, || post.postfix.log().contains("unknown ca"));
        assert!(seen, "{}", post.postfix.log());
        assert_eq!(post.letters()["givenUp"], 0);
        let smarthosts = post.region.told(&["status"])["smarthosts"].clone();
        let why = "in the TLS handshake: the server's certificate has an issuer that is not trusted";
        assert_eq!((&smarthosts[0]["lastTrouble"], &smarthosts[0]["accepted"]), (&why.into(), &0.into()));
        gateway.stop();
    }
    for whose in ["citizens", "staff"] {
        assert_eq!(post.postfix.letters(whose), Vec::<String>::new());
    }
    let post = post.configured("starttls", "tls/server-ca.pem");
    let gateway = post.region.start();
    post.citizens_have(2);
    gateway.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_greets_a_postfix_that_works_and_tells_why_another_does_not() {
    let Some(post) = Post::new("a_probe_greets_a_postfix_that_works_and_tells_why_another_does_not") else { return };
    let gateway = post.region.start();
    post.region.told(&["component", "add", "mail", "--name", "Regionens e-post", "--audience", "staff"]);
    let file = post.region.dir.join("probe.json");
    let look = |security: &str, ca: &str, port: u16| {
        let ca = post.region.dir.join(ca);
        let kind = json!({ "type": "smtp", "host": "localhost", "port": port, "security": security, "caFile": ca });
        let probe = json!({ "slug": "smtp", "component": "mail", "kind": kind, "intervalSeconds": 86_400, "failuresToOpen": 20 });
        std::fs::write(&file, probe.to_string()).unwrap();
        post.region.told(&["probe", "put", file.to_str().unwrap()]);
        let told = post.region.told(&["probe", "check", "smtp"]);
        (told["verdict"].as_str().unwrap().to_owned(), told["cause"].as_str().unwrap_or_default().to_owned())
    };
    let works = ("works".to_owned(), String::new());
    let fails = |cause: &str| ("fails".to_owned(), cause.to_owned());
    let (starttls, implicit_tls) = (post.postfix.starttls, post.postfix.implicit_tls);
    assert_eq!(look("starttls", "tls/server-ca.pem", starttls), works);
    assert_eq!(look("implicit-tls", "tls/server-ca.pem", implicit_tls), works);
    assert_eq!(look("none", "tls/server-ca.pem", starttls), works);
    assert_eq!(look("implicit-tls", "ca/telia.pem", implicit_tls), fails("certificate-issuer"));
    assert_eq!(look("implicit-tls", "tls/server-ca.pem", starttls), fails("tls"));
    post.postfix.stop();
    assert_eq!(look("starttls", "tls/server-ca.pem", starttls), fails("connection-refused"));
    // Polite: Postfix saw no connection that was just dropped.
    let impolite = post.postfix.log().lines().filter(|line| line.contains("lost connection after EHLO")).count();
    assert_eq!(impolite, 0, "{}", post.postfix.log());
    gateway.stop();
}
