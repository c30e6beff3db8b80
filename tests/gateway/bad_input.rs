//! Bad input of every kind: each refusal names code, place, rule and remedy in the asked language and never what was
//! sent; nothing half-written remains.

use std::time::Duration;

use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Answer, Ask, Caller};
use crate::common::{CITIZEN, CLINIC, Gateway, HANDLER, OTHER_CLINIC, act, form, received, submission, submit};
use crate::sessions::Browser;

/// Stands in what is sent; may stand in no answer.
const SECRET: &str = "hemligt";
const CASE_BYTES_MAX: usize = 1 << 20;
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Asks in both languages; the problem in Swedish.
async fn refused<'a>(ask: impl Fn() -> Ask<'a>, status: u16, code: &str) -> Value {
    let mut told = Vec::new();
    for language in ["sv", "en"] {
        let answer: Answer = ask().header("accept-language", language).await;
        let text = answer.text();
        assert_eq!(answer.header("content-language"), language, "{text}");
        assert!(!text.contains(SECRET) && !text.contains(CITIZEN), "{text}");
        told.push(answer.refused(status, code));
    }
    for member in ["title", "remedy"] {
        assert_ne!(told[0][member], told[1][member], "{member}");
    }
    told.remove(0)
}

/// A portal that sends what is bad; at the end, that nothing of it is there.
struct Scene {
    gateway: Gateway,
    portal: Caller,
}

impl Scene {
    fn set() -> Scene {
        let gateway = Gateway::start();
        Scene { portal: gateway.portal(), gateway }
    }

    /// Sends the bytes as a case; the first place that the problem names.
    async fn sends(&self, body: impl Into<Bytes>, status: u16, code: &str) -> String {
        let body = body.into();
        let ask = || self.portal.ask("POST", "/v1/cases").header("idempotency-key", SECRET);
        let told = refused(|| ask().bytes("application/json", body.clone()), status, code).await;
        told["violations"][0]["pointer"].as_str().unwrap_or("nowhere").to_owned()
    }

    /// Sends a good case with one thing changed.
    async fn sends_changed(&self, change: impl FnOnce(&mut Value), status: u16, code: &str) -> String {
        let mut body = submission("kontakta-mig");
        change(&mut body);
        self.sends(body.to_string(), status, code).await
    }

    /// What comes next, under the very key of what was refused, is the first that there is.
    async fn nothing_remains(self) {
        let receiver = self.gateway.receiver();
        let inbox = async || receiver.get("/v1/inbox").await.expect(200).json()["items"].as_array().unwrap().len();
        assert_eq!(inbox().await, 0);
        let told = submit(&self.portal, SECRET, &submission("kontakta-mig")).await.expect(201);
        assert_eq!((told.json()["receipt"]["sequence"].as_u64(), told.header("idempotency-status")), (Some(1), ""));
        let events = self.portal.get("/v1/events").await.expect(200).json();
        assert_eq!((events["items"].as_array().unwrap().len(), inbox().await), (1, 1));
        let at: jiff::Timestamp = told.json()["receivedAt"].as_str().unwrap().parse().unwrap();
        let date = at.in_tz("Europe/Stockholm").unwrap().date();
        let day = self.portal.get(&format!("/v1/reconciliation?date={date}")).await.expect(200).json();
        assert_eq!(day["count"], 1);
    }
}

#[tokio::test]
async fn what_is_no_strict_json_is_refused_by_its_place() {
    let scene = Scene::set();
    let good = submission("kontakta-mig").to_string();
    let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
    let doubled = good.replacen("\"caseType\":", "\"caseType\":\"hemligt\",\"caseType\":", 1);
    assert_ne!(good, doubled);
    for (body, code, pointer) in [
        (Bytes::from("{\"clinic\": hemligt"), "not-json", "/clinic"),
        (Bytes::from(format!("{good} hemligt")), "not-json", ""),
        (Bytes::new(), "not-json", ""),
        (Bytes::from_static(b"{\"clinic\": \"hemligt\xff\"}"), "not-utf8", ""),
        (
            Bytes::from(good.replacen("\"response\":{", &format!("\"response\":{{\"x\":{deep},"), 1)),
            "too-deep",
            "/response/x",
        ),
        (Bytes::from(doubled), "duplicate-key", "/caseType"),
    ] {
        let place = scene.sends(body, 400, code).await;
        assert!(place.starts_with(pointer), "{code} at {place}");
    }
    scene.nothing_remains().await;
}

#[tokio::test]
async fn what_has_the_wrong_shape_is_refused_by_its_place() {
    let scene = Scene::set();
    let set = |pointer: &'static str, value: Value| move |body: &mut Value| *body.pointer_mut(pointer).unwrap() = value;
    for (pointer, value, code) in [
        ("/citizen/name", json!(17), "wrong-type"),
        ("/citizen", json!(SECRET), "wrong-type"),
        ("/citizen/name", json!("  "), "malformed-value"),
        ("/citizen/name", json!("hemligt\u{0}"), "malformed-value"),
        ("/citizen/name", json!("x".repeat(201)), "malformed-value"),
        ("/clinic", json!(SECRET), "malformed-value"),
        ("/clinic", json!("TSTNMT2321000156-Z999"), "unknown-clinic"),
        ("/caseType", json!(SECRET), "unknown-case-type"),
        ("/contact/email", json!("hemligt@"), "malformed-value"),
        ("/contact/language", json!(SECRET), "malformed-value"),
        ("/citizen/identifier/value", json!("191212121213"), "malformed-person-id"),
        ("/citizen/identifier/value", json!("1212121212"), "malformed-person-id"),
        ("/citizen/identifier/value", json!("209912121218"), "malformed-person-id"),
        ("/citizen/identifier/value", json!("hemligt"), "malformed-person-id"),
        ("/response/questionnaire", json!("https://hemligt.example|1.0.0"), "form-version-mismatch"),
    ] {
        assert_eq!(scene.sends_changed(set(pointer, value), 422, code).await, pointer, "{code}");
    }
    let system = "/citizen/identifier/system";
    for (value, code, place) in [
        (json!("urn:oid:hemligt"), "malformed-value", system),
        // A personnummer where a samordningsnummer was said to come.
        (json!("urn:oid:1.2.752.129.2.1.3.3"), "malformed-person-id", "/citizen/identifier/value"),
    ] {
        assert_eq!(scene.sends_changed(set(system, value), 422, code).await, place);
    }
    let put = |name: &'static str, value: Value| move |body: &mut Value| body[name] = value;
    assert_eq!(scene.sends_changed(put("extra", json!(SECRET)), 422, "unknown-field").await, "/extra");
    assert_eq!(
        scene.sends_changed(put("senderReference", json!("hemligt 1")), 422, "malformed-value").await,
        "/senderReference"
    );
    let without = |body: &mut Value| drop(body.as_object_mut().unwrap().remove("citizen"));
    assert_eq!(scene.sends_changed(without, 422, "missing-field").await, "/citizen");
    assert_eq!(scene.sends("\"hemligt\"", 422, "wrong-type").await, "");
    scene.nothing_remains().await;
}

#[tokio::test]
async fn a_form_of_another_version_is_told_which_one_is_expected() {
    let scene = Scene::set();
    let mut body = submission("kontakta-mig");
    let current = body["response"]["questionnaire"].as_str().unwrap().to_owned();
    body["response"]["questionnaire"] = json!(current.replace("|1.0.0", "|0.9.0"));
    let told = submit(&scene.portal, SECRET, &body).await.refused(422, "form-version-mismatch");
    assert_eq!(
        (&told["expected"], &told["violations"][0]["pointer"]),
        (&json!(current), &json!("/response/questionnaire"))
    );
    scene.nothing_remains().await;
}

#[tokio::test]
async fn answers_that_break_the_forms_rules_are_told_one_by_one() {
    let scene = Scene::set();
    for (case_type, fault) in [
        ("fornya-recept", "invalid-eleven-medicines"),
        ("kontakta-mig", "invalid-telephone-in-words"),
        ("av-omboka-tid", "invalid-wishes-when-cancelling"),
        ("bestall-tid", "invalid-reason-missing"),
        ("radgivning", "invalid-age-as-number"),
    ] {
        let mut body = submission(case_type);
        body["response"] = form(&format!("{case_type}.question.{fault}"));
        let told = submit(&scene.portal, SECRET, &body).await.refused(422, "form-invalid");
        let violation = &told["violations"][0];
        assert!(violation["pointer"].as_str().unwrap().starts_with("/response"), "{told}");
        assert!(violation["linkId"].is_string() && violation["message"].is_string() && violation["code"].is_string());
    }
    scene.nothing_remains().await;
}

#[tokio::test]
async fn an_answer_form_is_held_to_its_rules_too() {
    let gateway = Gateway::start();
    let case = crate::common::distributed(&gateway, "1").await;
    let handler = gateway.handler();
    let mut response = form("fornya-recept.answer");
    response["item"] = json!([]);
    act(&handler, &case, "answer", &json!({ "response": response })).await.refused(422, "form-invalid");
    response["questionnaire"] = json!("https://budkavle.example/fhir/Questionnaire/fornya-recept-answer|9.0.0");
    act(&handler, &case, "answer", &json!({ "response": response })).await.refused(422, "form-version-mismatch");
    let seen = handler.get(&format!("/v1/cases/{case}")).await.expect(200).json();
    assert_eq!((&seen["state"], seen["documents"].as_array().unwrap().len()), (&json!("distributed"), 1));
}

#[tokio::test]
async fn a_protected_citizen_cannot_have_a_representative() {
    let scene = Scene::set();
    let representative = json!({
        "identifier": { "system": "urn:oid:1.2.752.129.2.1.3.3", "value": "198001910002" }, "name": "Ombudet",
    });
    let both = |body: &mut Value| {
        body["representative"] = representative.clone();
        body["citizen"]["protected"] = json!(true);
    };
    let code = "protected-citizen-with-representative";
    assert_eq!(scene.sends_changed(both, 422, code).await, "/representative");
    scene.nothing_remains().await;
}

#[tokio::test]
async fn a_case_type_that_the_clinic_does_not_offer_is_refused() {
    let scene = Scene::set();
    let mut body = submission("radgivning");
    body["clinic"] = json!(OTHER_CLINIC);
    scene.sends(body.to_string(), 422, "case-type-not-offered").await;
    scene.nothing_remains().await;
}

#[tokio::test]
async fn a_closed_clinic_takes_nothing_new_and_gives_its_telephone_number() {
    let scene = Scene::set();
    let there = received(&scene.portal, "before").await;
    let path = scene.gateway.region.path("region/clinics.json");
    let closed = std::fs::read_to_string(&path).unwrap().replace("\"open\": true", "\"open\": false");
    std::fs::write(&path, closed).unwrap();
    assert!(scene.gateway.operate(&["clinic", "put", path.to_str().unwrap()]).status.success());
    let told = submit(&scene.portal, SECRET, &submission("kontakta-mig")).await.refused(409, "clinic-closed");
    assert_eq!(told["telephone"], "031-390 06 10");
    assert_eq!(scene.portal.get(&format!("/v1/clinics/{CLINIC}")).await.expect(200).json()["open"], false);
    // What is there goes on, but not to a clinic that is closed.
    let receiver = scene.gateway.receiver();
    act(&receiver, &there, "forwarding", &json!({ "clinic": OTHER_CLINIC })).await.refused(409, "clinic-closed");
    act(&receiver, &there, "distribution", &json!({ "handler": HANDLER })).await.expect(200);
}

#[tokio::test]
async fn another_content_type_than_json_is_refused() {
    let scene = Scene::set();
    let body = submission("kontakta-mig").to_string();
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let ask = || scene.portal.ask("POST", "/v1/cases").header("idempotency-key", SECRET);
        refused(|| ask().bytes(content_type, body.clone()), 415, "unsupported-media-type").await;
    }
    let ask = || scene.portal.ask("POST", "/v1/cases").header("idempotency-key", SECRET);
    refused(ask, 415, "unsupported-media-type").await;
    scene.nothing_remains().await;
}

#[tokio::test]
async fn what_is_asked_for_in_an_address_is_held_to_its_rules() {
    let gateway = Gateway::start();
    let (portal, receiver) = (gateway.portal(), gateway.receiver());
    for (path, status, code) in [
        ("/v1/events?hemligt=1", 422, "unknown-field"),
        ("/v1/events?wait=1&wait=1", 422, "unknown-field"),
        ("/v1/events?wait=31", 400, "wait-malformed"),
        ("/v1/events?wait=-1", 400, "wait-malformed"),
        ("/v1/events?wait=hemligt", 400, "wait-malformed"),
        ("/v1/events?after=hemligt", 400, "cursor-malformed"),
        ("/v1/events?after=1-99999999999999999999999", 400, "cursor-malformed"),
        ("/v1/events?limit=101", 400, "limit-malformed"),
        ("/v1/reconciliation", 400, "date-malformed"),
        ("/v1/reconciliation?date=2026-02-30", 400, "date-malformed"),
        ("/v1/reconciliation?date=hemligt", 400, "date-malformed"),
    ] {
        refused(|| portal.get(path), status, code).await;
    }
    for (path, status, code) in [
        ("/v1/inbox?hemligt=1", 422, "unknown-field"),
        ("/v1/inbox?limit=0", 400, "limit-malformed"),
        ("/v1/inbox?limit=hemligt", 400, "limit-malformed"),
        ("/v1/inbox?limit=%ff", 400, "limit-malformed"),
        ("/v1/inbox?cursor=hemligt", 400, "cursor-malformed"),
        ("/v1/inbox?list=hemligt", 422, "malformed-value"),
        ("/v1/inbox?clinic=hemligt", 422, "unknown-clinic"),
        ("/v1/whoami?hemligt=1", 422, "unknown-field"),
    ] {
        refused(|| receiver.get(path), status, code).await;
    }
    for (body, status, code) in [
        (json!({ "limit": 0 }), 400, "limit-malformed"),
        (json!({ "cursor": SECRET }), 400, "cursor-malformed"),
        (json!({ "states": [SECRET] }), 422, "malformed-value"),
        (json!({ "receivedFrom": SECRET }), 422, "malformed-value"),
        (
            json!({ "citizen": { "system": "urn:oid:1.2.752.129.2.1.3.1", "value": SECRET } }),
            422,
            "malformed-person-id",
        ),
    ] {
        refused(|| receiver.post("/v1/cases/search", &body), status, code).await;
    }
}

#[tokio::test]
async fn a_body_beyond_its_cap_is_refused_whichever_http_carries_it() {
    let scene = Scene::set();
    let case = received(&scene.gateway.staff_system(), "1").await;
    for portal in [scene.gateway.portal(), scene.gateway.portal().http1()] {
        for (path, cap, more) in [
            ("/v1/cases".to_owned(), CASE_BYTES_MAX, 1),
            ("/v1/cases".to_owned(), CASE_BYTES_MAX, 4 << 20),
            (format!("/v1/cases/{case}/messages"), TEXT_BYTES_MAX, 1),
        ] {
            let body = Bytes::from("x".repeat(cap + more));
            let ask =
                || portal.ask("POST", &path).header("idempotency-key", SECRET).bytes("application/json", body.clone());
            let told = refused(ask, 413, "body-too-large").await;
            assert_eq!(told["maxBytes"], cap);
        }
        portal.get("/v1/whoami").bytes("text/plain", "x").await.refused(413, "body-too-large");
    }
}

#[tokio::test]
async fn a_body_far_beyond_its_cap_is_not_read_to_its_end() {
    let scene = Scene::set();
    let mut stream = scene.portal.raw().await;
    let head = format!(
        "POST /v1/cases HTTP/1.1\r\nhost: localhost\r\nidempotency-key: {SECRET}\r\n\
         content-type: application/json\r\ncontent-length: 1000000000\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let told = rest(&mut stream).await;
    assert!(told.starts_with("HTTP/1.1 413 ") && told.contains("\r\nconnection: close\r\n"), "{told}");
    scene.nothing_remains().await;
}

/// All that the door still says, until it closes the connection.
async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut told = Vec::new();
    // A door that closes without TLS's farewell has closed as well.
    let read = tokio::time::timeout(Duration::from_secs(40), stream.read_to_end(&mut told)).await;
    let _ = read.expect("the door closes the connection");
    String::from_utf8_lossy(&told).into_owned()
}

#[tokio::test]
async fn a_body_that_does_not_come_is_waited_for_half_a_minute() {
    let scene = Scene::set();
    let mut stream = scene.portal.raw().await;
    let head = format!(
        "POST /v1/cases HTTP/1.1\r\nhost: localhost\r\nidempotency-key: {SECRET}\r\n\
         content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let began = std::time::Instant::now();
    let told = rest(&mut stream).await;
    assert!(began.elapsed() >= Duration::from_secs(29), "{:?}", began.elapsed());
    assert!(told.starts_with("HTTP/1.1 408 ") && told.contains("\"code\":\"body-too-slow\""), "{told}");
    scene.nothing_remains().await;
}

#[tokio::test]
async fn a_header_beyond_its_cap_is_refused() {
    let gateway = Gateway::start();
    let long = "x".repeat(20 << 10);
    for portal in [gateway.portal(), gateway.portal().http1()] {
        portal.get("/v1/whoami").header("x-long", &long).await.expect(431);
        portal.get("/v1/whoami").await.expect(200);
    }
    let portal = gateway.portal().http1();
    let many = (0..100).fold(portal.get("/v1/whoami"), |ask, n| ask.header(&format!("x-{n}"), "1"));
    many.await.expect(431);
}

#[tokio::test]
async fn a_request_that_two_readers_could_read_differently_is_refused() {
    let scene = Scene::set();
    let inner = "GET /v1/whoami HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for fault in [
        "content-length: 5\r\ncontent-length: 6".to_owned(),
        "content-length: 5, 6".to_owned(),
        "content-length: +5".to_owned(),
        "content-length: -5".to_owned(),
        "transfer-encoding: xchunked".to_owned(),
        "transfer-encoding: chunked, identity".to_owned(),
        format!("content-length: {}\r\ntransfer-encoding: chunked", inner.len()),
        format!("transfer-encoding: chunked\r\ncontent-length: {}", inner.len()),
        "content-length : 5".to_owned(),
        "content-length: 5\r\n x-folded: 1".to_owned(),
        "x-bare: a\rb".to_owned(),
        "x-nul: a\0b".to_owned(),
    ] {
        let mut stream = scene.portal.raw().await;
        let head = format!(
            "POST /v1/cases HTTP/1.1\r\nhost: localhost\r\nidempotency-key: {SECRET}\r\n\
             content-type: application/json\r\n{fault}\r\n\r\n0\r\n\r\n{inner}"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let told = rest(&mut stream).await;
        assert!(told.starts_with("HTTP/1.1 400 "), "{fault:?}: {told}");
        assert_eq!(told.matches("HTTP/1.1 ").count(), 1, "{fault:?}: {told}");
    }
    scene.nothing_remains().await;
}

#[tokio::test]
async fn at_the_staff_door_a_write_from_another_site_is_refused() {
    let gateway = Gateway::start();
    let own = format!("https://localhost:{}", gateway.staff_door.port());
    let choice = json!({ "newCase": false, "assignedCase": false });
    let cookie = Browser::logged_in(gateway.receiver()).await.cookie;
    for receiver in [gateway.receiver(), gateway.receiver().http1()] {
        let write =
            || receiver.put("/v1/me/notifications", &choice).header("if-match", "\"7\"").header("cookie", &cookie);
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "https://localhost"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            refused(|| write().header(name, value), 403, "cross-origin-write").await;
            receiver.get("/v1/whoami").header(name, value).header("cookie", &cookie).await.expect(200);
        }
        // The right site comes as far as the version.
        for (name, value) in [("origin", own.as_str()), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")] {
            refused(|| write().header(name, value), 412, "stale-version").await;
        }
    }
}
