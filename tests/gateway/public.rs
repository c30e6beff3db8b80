//! The public door: anybody comes in, nobody is asked who they are, and it stands when `cases` does not.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::client::Caller;
use crate::common::{CLINIC, Gateway, Region, received, submission, submit, until};

const SOON: Duration = Duration::from_secs(10);
/// What stands open to everybody, and nothing else does.
const TABLE: [&str; 8] = [
    "GET /v1/api-info",
    "GET /v1/clinics",
    "GET /v1/clinics/{hsaId}",
    "GET /v1/clinics/{hsaId}/case-types",
    "GET /v1/clinics/{hsaId}/case-types/{caseType}",
    "GET /v1/health",
    "GET /v1/openapi.json",
    "GET /v1/problems",
];

async fn page(who: &Caller, path: &str, language: &str) -> crate::client::Answer {
    who.get(path).header("accept", "text/html").header("accept-language", language).await
}

#[tokio::test]
async fn anybody_comes_in_and_is_led_to_the_status_page_of_the_asked_edition() {
    let gateway = Gateway::start();
    for (path, leads_to) in [
        ("/", "/status"),
        ("/en", "/en/status"),
        ("/invanare", "/invanare/status"),
        ("/en/invanare", "/en/invanare/status"),
    ] {
        let told = gateway.anyone().get(path).await.expect(303);
        assert_eq!(told.header("location"), leads_to);
    }
    for (path, leads_to) in [("/", "/en/status"), ("/invanare", "/invanare/status")] {
        let told = gateway.anyone().get(path).header("accept-language", "en-GB,sv;q=0.5").await.expect(303);
        assert_eq!(told.header("location"), leads_to, "an edition that is asked for is given");
    }
    let lost = gateway.anyone().get("/nagot").await.refused(404, "not-found");
    assert!(lost["detail"].as_str().unwrap().contains("/status"), "{lost}");
    // A certificate is not asked for, and whoever has one is nobody in particular.
    let holder = gateway.at(gateway.public_door, Some("cards/receiver"));
    holder.get("/v1/health").await.expect(200);
    holder.get("/v1/whoami").await.refused(404, "not-found");
}

#[tokio::test]
async fn what_stands_open_is_what_the_table_says() {
    let gateway = Gateway::start();
    let anyone = gateway.anyone();
    let document = anyone.get("/v1/openapi.json").await.expect(200).json();
    assert_eq!(document["security"], serde_json::json!([]));
    let mut described: Vec<String> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        described.extend(methods.as_object().unwrap().keys().map(|m| format!("{} {path}", m.to_uppercase())));
    }
    described.sort();
    for route in TABLE {
        assert!(described.iter().any(|d| d == route), "{route} is not open");
    }
    for route in &described {
        let (method, path) = route.split_once(' ').unwrap();
        let of_portals = ["/v1/cases", "/v1/events", "/v1/reconciliation", "/v1/inbox", "/v1/whoami", "/v1/me"];
        assert!(!of_portals.iter().any(|p| path.starts_with(p)) && !path.contains("roles"), "{route} is open");
        if TABLE.contains(&route.as_str()) {
            let path = path.replace("{hsaId}", CLINIC).replace("{caseType}", "fornya-recept");
            anyone.ask(method, &path).await.expect(200);
        }
    }
    for (method, path) in
        [("POST", "/v1/cases"), ("GET", "/v1/inbox"), ("GET", "/v1/events"), ("GET", "/v1/me/notifications")]
    {
        anyone.ask(method, path).await.refused(404, "not-found");
    }
}

#[tokio::test]
async fn a_clinic_is_shown_with_what_can_be_sent_to_it_but_without_forms() {
    let gateway = Gateway::start();
    let path = format!("/v1/clinics/{CLINIC}/case-types/fornya-recept");
    let (seen, known) = (gateway.anyone().get(&path).await.expect(200), gateway.portal().get(&path).await.expect(200));
    assert!(seen.json().get("questionQuestionnaire").is_none());
    assert!(known.json()["questionQuestionnaire"].is_object());
    assert_eq!(seen.json()["title"], known.json()["title"]);
    let clinics = gateway.anyone().get("/v1/clinics").await.expect(200).json();
    assert!(clinics["items"].as_array().unwrap().iter().any(|c| c["hsaId"] == CLINIC && c["telephone"].is_string()));
}

#[tokio::test]
async fn every_answer_forbids_what_pages_here_never_need() {
    let gateway = Gateway::start();
    let anyone = gateway.anyone();
    for path in ["/v1/health", "/v1/nothing", "/", "/v1/problems"] {
        let told = anyone.get(path).header("accept", "text/html").await;
        let policy = told.header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "style-src 'self'",
            "script-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(told.header("set-cookie"), "", "{path}");
        assert_eq!((told.header("x-content-type-options"), told.header("referrer-policy")), ("nosniff", "no-referrer"));
    }
}

#[tokio::test]
async fn where_there_is_nothing_a_person_gets_a_page_and_a_program_a_problem() {
    let gateway = Gateway::start();
    let anyone = gateway.anyone();
    for (path, asked, lang, way_out) in [
        ("/ingenting", "sv", "sv", "/status"),
        ("/nothing", "en", "en", "/en/status"),
        ("/en/nothing", "sv", "en", "/en/status"),
        ("/en/invanare/nothing", "sv", "en", "/en/invanare/status"),
        ("/v1/inbox", "sv", "sv", "/status"),
    ] {
        let told = page(&anyone, path, asked).await.expect(404);
        assert!(told.header("content-type").starts_with("text/html"), "{path}");
        for expected in [format!("<html lang=\"{lang}\""), format!("href=\"{way_out}\"")] {
            assert!(told.text().contains(&expected), "{path}: {expected} in {}", told.text());
        }
        assert!(!told.text().contains("<style") && !told.text().contains("<script>"), "{path}");
    }
    anyone.get("/nothing").await.refused(404, "not-found");
    anyone.ask("DELETE", "/v1/clinics").await.refused(405, "method-not-allowed");
}

fn limited(settings: &str) -> Gateway {
    Region::prepare().with(&format!("[limits]\n{settings}")).run()
}

#[tokio::test]
async fn an_address_that_asks_or_writes_too_much_waits_and_another_does_not() {
    let gateway = limited("public-request-per-minute = 30\npublic-write-per-minute = 2");
    let (greedy, modest) = (gateway.anyone(), gateway.anyone().from([127, 0, 0, 2]));
    for _ in 0..2 {
        greedy.ask("POST", "/v1/nothing").await.refused(404, "not-found");
    }
    let told = greedy.ask("POST", "/v1/nothing").await;
    assert_eq!(told.header("retry-after"), "30");
    told.refused(429, "rate-limited");
    // Reading is not writing.
    greedy.get("/v1/api-info").await.expect(200);
    modest.ask("POST", "/v1/nothing").await.refused(404, "not-found");
    for _ in 0..30 {
        greedy.get("/v1/api-info").await;
    }
    greedy.get("/v1/api-info").await.refused(429, "rate-limited");
    modest.get("/v1/api-info").await.expect(200);
    // A crowd at this door costs nobody at the others anything.
    gateway.portal().get("/v1/whoami").await.expect(200);
}

#[tokio::test]
async fn one_address_holds_so_many_connections_and_the_next_is_closed_until_one_is_given_back() {
    let gateway = Region::prepare().changed("[public]", "[public]\nconnections-per-address-max = 2").run();
    let (first, second, third) = (gateway.anyone(), gateway.anyone(), gateway.anyone());
    first.get("/v1/api-info").await.expect(200);
    second.get("/v1/api-info").await.expect(200);
    assert!(third.get("/v1/api-info").attempt().await.is_err());
    gateway.anyone().from([127, 0, 0, 2]).get("/v1/api-info").await.expect(200);
    drop(first);
    until("the place is free", SOON, async || third.get("/v1/api-info").attempt().await.ok()).await.expect(200);
}

#[tokio::test]
async fn the_status_page_lies_ready_and_is_read_again_only_when_it_has_changed() {
    let gateway = Gateway::start();
    for caller in [gateway.anyone(), gateway.anyone().http1()] {
        for (path, lang) in [
            ("/status", "sv"),
            ("/en/status", "en"),
            ("/invanare/status", "sv"),
            ("/en/invanare/status/?from=mail", "en"),
        ] {
            let page = caller.get(path).await.expect(200);
            assert_eq!((page.header("content-language"), page.header("set-cookie")), (lang, ""), "{path}");
            assert!(page.header("cache-control").starts_with("public, max-age="), "{path}");
            assert!(page.header("content-security-policy").contains("script-src 'self'"), "{path}");
            let again = caller.get(path).header("if-none-match", page.header("etag")).await;
            // The stamp may have been renewed in between.
            assert!(again.status == 304 && again.body.is_empty() || again.header("etag") != page.header("etag"));
            let head = caller.ask("HEAD", path).await.expect(200);
            assert!(head.body.is_empty());
            assert_eq!(head.header("content-length").parse::<usize>().unwrap(), page.body.len());
        }
        let feed = caller.get("/api/v2/status.json").await.expect(200);
        assert_eq!(
            (feed.header("content-type"), feed.header("access-control-allow-origin")),
            ("application/json", "*")
        );
        caller.ask("POST", "/status").await.refused(404, "not-found");
    }
}

#[tokio::test]
async fn reading_ready_pages_has_a_generous_limit_of_its_own() {
    let gateway = limited("public-page-per-minute = 20\npublic-request-per-minute = 5");
    let (greedy, modest) = (gateway.anyone(), gateway.anyone().from([127, 0, 0, 2]));
    for _ in 0..20 {
        greedy.get("/status").await.expect(200);
    }
    let told = greedy.get("/status").await.expect(429);
    assert_eq!((told.header("retry-after"), told.json()["code"].as_str()), ("3", Some("rate-limited")));
    modest.get("/status").await.expect(200);
    greedy.get("/v1/api-info").await.expect(200);
}

/// Opens a stream and reads what it begins with.
async fn watch(who: &Caller, path: &str) -> (TlsStream<TcpStream>, String) {
    let mut stream = who.raw().await;
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let begun = told(&mut stream, "\n\n").await;
    (stream, begun)
}

/// What comes, until it holds this.
async fn told(stream: &mut TlsStream<TcpStream>, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let mut buffer = [0; 4_096];
        let read = tokio::time::timeout(SOON, stream.read(&mut buffer)).await;
        let length = read.unwrap_or_else(|_| panic!("{wanted:?} did not come: {text}")).unwrap();
        assert!(length > 0, "the stream ended before {wanted:?}: {text}");
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    text
}

#[tokio::test]
async fn who_watches_has_a_stream_a_bounded_number_of_them_and_an_end_when_the_gateway_stops() {
    let mut gateway =
        Region::prepare().changed("[public]", "[public]\nconnections-max = 8\nconnections-per-address-max = 6").run();
    let (anyone, other) = (gateway.anyone(), gateway.anyone().from([127, 0, 0, 2]));
    let mut open = Vec::new();
    for path in ["/status/handelser", "/en/invanare/status/handelser?efter=3"] {
        let (stream, begun) = watch(&anyone, path).await;
        assert!(begun.starts_with("HTTP/1.1 200 ") && begun.contains("text/event-stream"), "{begun}");
        assert!(begun.contains("retry: 5000"), "{begun}");
        open.push(stream);
    }
    // Streams take half of the connections: two more, and then no more for anybody.
    let (third, fourth) = (watch(&other, "/status/handelser").await.0, watch(&other, "/status/handelser").await.0);
    other.get("/status/handelser").await.refused(503, "overloaded");
    drop(third);
    let next = gateway.anyone().from([127, 0, 0, 3]);
    let free = async || Some(watch(&next, "/status/handelser").await).filter(|(_, begun)| begun.contains(" 200 "));
    open.push(until("a place is free", SOON, free).await.0);
    open.push(fourth);
    gateway.signal("TERM");
    for stream in &mut open {
        let mut rest = Vec::new();
        tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.expect("the stream ends").ok();
    }
    assert_eq!(gateway.ended().await, Some(0));
}

/// An incident that the operator tells at once; its id.
fn open_incident(gateway: &Gateway, title: &str, audience: &str) -> String {
    let words = ["incident", "open", "--title", title, "--audience", audience, "--text", "Vi söker felet."];
    let told = gateway.operated(&[&words[..], &["--component", "e-tjanster=major_outage", "--hold", "0"]].concat());
    told["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_watches_hears_what_happens_and_who_comes_back_what_was_missed() {
    let gateway = Gateway::start();
    let anyone = gateway.anyone();
    let (mut staff, _) = watch(&anyone, "/status/handelser").await;
    let (mut public, _) = watch(&anyone, "/invanare/status/handelser").await;
    let first = open_incident(&gateway, "Kortinloggning", "staff");
    let second = open_incident(&gateway, "Nationella plattformen", "public");
    let heard = told(&mut staff, "id: 2\n").await;
    assert!(heard.contains("id: 1\n") && heard.contains(&first) && heard.contains("\"kind\":\"opened\""), "{heard}");
    let heard = told(&mut public, "\n\n").await;
    assert!(heard.contains("id: 2\n") && heard.contains(&second) && !heard.contains("id: 1\n"), "{heard}");
    // The page shows it when it is told.
    let page = anyone.get("/status").await.expect(200).text();
    assert!(page.contains("Kortinloggning") && page.contains("Nationella plattformen"), "{page}");
    let page = anyone.get("/invanare/status").await.expect(200).text();
    assert!(!page.contains("Kortinloggning") && page.contains("Nationella plattformen"), "{page}");
    let (mut again, begun) = watch(&anyone, "/status/handelser?efter=1").await;
    let missed = if begun.contains("id: 2\n") { begun } else { told(&mut again, "id: 2\n").await };
    assert!(!missed.contains("id: 1\n") && missed.contains(&second), "{missed}");
}

#[tokio::test]
async fn a_copy_of_the_pages_lies_on_disk_for_whoever_serves_it_when_we_do_not() {
    let gateway = Gateway::start();
    let copy = gateway.region.path("data/snapshot/current");
    let same = async || {
        let page = gateway.anyone().get("/en/status").await.expect(200).body;
        let file = fs::read(copy.join("en/status/index.html")).ok()?;
        (file == page).then_some(())
    };
    until("the copy is what is served", SOON, same).await;
    let listed = fs::read_to_string(copy.join("snapshot.json")).unwrap();
    assert!(listed.contains("\"generatedAt\"") && listed.contains("\"/api/v2/status.json\""), "{listed}");
}

fn journal(region: &Region) -> PathBuf {
    let files = fs::read_dir(region.path("data/cases/journal")).unwrap().map(|file| file.unwrap().path());
    files.min().unwrap()
}

#[tokio::test]
async fn with_a_damaged_cases_store_status_stands_and_cases_come_back_with_the_repaired_file_without_a_restart() {
    let gateway = Gateway::start();
    let case = received(&gateway.portal(), "1").await;
    for key in ["2", "3", "4"] {
        received(&gateway.portal(), key).await;
    }
    let mut good = Vec::new();
    let gateway = gateway.restarted_after(|region| {
        good = fs::read(journal(region)).unwrap();
        let mut damaged = good.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0xff;
        fs::write(journal(region), damaged).unwrap();
    });
    let health = gateway.anyone().get("/v1/health").await.expect(200).json();
    assert_eq!((&health["status"], &health["stores"]["cases"]), (&"degraded".into(), &"closed".into()));
    gateway.anyone().get("/").await.expect(303);
    crate::support::reports_a_fault(&gateway).await;
    let (portal, receiver) = (gateway.portal(), gateway.receiver());
    portal.get("/v1/whoami").await.expect(200);
    let told = submit(&portal, "5", &submission("kontakta-mig")).await;
    assert_eq!(told.header("retry-after"), "60");
    told.refused(503, "cases-unavailable");
    portal.get("/v1/events").await.refused(503, "cases-unavailable");
    receiver.get(&format!("/v1/inbox?clinic={CLINIC}")).await.refused(503, "cases-unavailable");
    receiver.get(&format!("/v1/cases/{case}")).await.refused(503, "cases-unavailable");
    let told = gateway.operated(&["status"])["stores"].clone();
    assert!(told["cases"].as_str().unwrap().starts_with("not open: "), "{told}");
    assert_eq!(told["common"], "working");
    assert!(gateway.log().contains("cases cannot be opened") && gateway.log().contains("reload"), "{}", gateway.log());

    fs::write(journal(&gateway.region), &good).unwrap();
    gateway.signal("HUP");
    let opened = async || Some(portal.get(&format!("/v1/cases/{case}")).await).filter(|told| told.status == 200);
    until("cases is open again", SOON, opened).await;
    submit(&portal, "5", &submission("kontakta-mig")).await.expect(201);
    assert_eq!(gateway.operated(&["status"])["stores"]["cases"], "working");
    assert_eq!(gateway.anyone().get("/v1/health").await.expect(200).json()["status"], "working");
    // The letters that it owed go out now.
    gateway.letters(1).await;
}

#[tokio::test]
async fn without_common_nothing_starts() {
    let region = Region::prepare();
    fs::write(region.path("data/common/keyring.json"), "{}").unwrap();
    let ended = crate::common::budkavle(&["run", "--config", &region.config()]);
    assert_eq!(ended.status.code(), Some(65), "{}", String::from_utf8_lossy(&ended.stderr));
}
