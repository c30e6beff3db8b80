//! Probes against living and dying services, heartbeats, and how the gateway is itself: seen by operators and on the
//! public page.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::common::{Gateway, Region, received, until};

/// A page follows a change at once; a probe's first look comes within ten seconds.
const SOON: Duration = Duration::from_secs(20);
const TITLE: &str = "Inloggning med SITHS svarar inte";
const PORTAL: &str = "TSTNMT2321000156-P001";

/// Somebody else's service, which answers 200 while it is well and 503 while it is not.
struct Service {
    port: u16,
    well: Arc<AtomicBool>,
}

impl Service {
    async fn start() -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, well) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(true)));
        let seen = well.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = if seen.load(Ordering::SeqCst) { "200 OK" } else { "503 Ill" };
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => asked.push(byte),
                        Err(_) => break,
                    }
                }
                let _ = stream.write_all(format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await;
            }
        });
        Service { port, well }
    }

    fn is_well(&self, well: bool) {
        self.well.store(well, Ordering::SeqCst);
    }
}

/// A gateway with a component and a probe, which is looked at so seldom that only the test looks.
struct Stage {
    gateway: Gateway,
    service: Service,
}

impl Stage {
    async fn set() -> Stage {
        let (gateway, service) = (Gateway::start(), Service::start().await);
        add_component(&gateway);
        put(&gateway, http(service.port, json!({ "intervalSeconds": 86_400 })));
        // The look that every new probe gets.
        let looked = async || Some(()).filter(|()| !report(&gateway)["lookedAt"].is_null());
        until("the probe has looked by itself", SOON, looked).await;
        Stage { gateway, service }
    }

    /// What was told by so many looks.
    fn look(&self, times: usize) -> Vec<String> {
        let look = || self.gateway.operated(&["probe", "check", "siths"])["told"].as_str().unwrap().to_owned();
        (0..times).map(|_| look()).collect()
    }

    /// The incidents that last, once there are this many on the page's own list.
    async fn ongoing(&self, count: usize) -> Vec<Value> {
        let anyone = self.gateway.anyone();
        let read = async || {
            let told = anyone.get("/api/v2/incidents/unresolved.json").await.expect(200).json();
            told["incidents"].as_array().cloned().filter(|all| all.len() == count)
        };
        until("the page says so", SOON, read).await
    }
}

fn add_component(gateway: &Gateway) {
    let name = ["--name", "Inloggning med SITHS", "--name-en", "SITHS login", "--audience", "public"];
    gateway.operated(&[&["component", "add", "siths"], &name[..]].concat());
}

fn http(port: u16, more: Value) -> Value {
    let mut probe = json!({ "slug": "siths", "component": "siths", "audience": "public",
        "kind": { "type": "http", "url": format!("http://127.0.0.1:{port}/health") } });
    probe.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    probe
}

#[track_caller]
fn put(gateway: &Gateway, probe: Value) -> Value {
    let file = gateway.region.path("probe.json");
    std::fs::write(&file, probe.to_string()).unwrap();
    gateway.operated(&["probe", "put", file.to_str().unwrap()])
}

fn report(gateway: &Gateway) -> Value {
    gateway.operated(&["probe", "list"])[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_dies_is_on_the_page_after_three_looks_and_gone_when_it_has_recovered() {
    let stage = Stage::set().await;
    stage.service.is_well(false);
    assert_eq!(stage.look(2), ["nothing", "nothing"]);
    stage.ongoing(0).await;
    assert_eq!(stage.look(1), ["opened"]);
    let incident = stage.ongoing(1).await.remove(0);
    assert_eq!((&incident["name"], &incident["impact"]), (&json!(TITLE), &json!("critical")));
    let page = stage.gateway.anyone().get("/invanare/status").await.expect(200).text();
    assert!(page.contains(TITLE) && page.contains("En människa tittar på det.") && !page.contains("503"), "{page}");
    let listed = report(&stage.gateway);
    assert_eq!((&listed["cause"], &listed["level"]), (&json!("status 503"), &json!("fails")));

    stage.service.is_well(true);
    assert_eq!(stage.look(2), ["nothing", "resolved"]);
    stage.ongoing(0).await;
    let log = stage.gateway.operated(&["access-log", "list", "--store", "common", "--limit", "1000"]).to_string();
    assert!(log.contains(r#""role":"probe""#) && log.contains(r#""who":"siths""#), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_looks_by_itself_and_a_restart_tells_nothing_twice() {
    let (gateway, service) = (Gateway::start(), Service::start().await);
    service.is_well(false);
    add_component(&gateway);
    put(&gateway, http(service.port, json!({ "failuresToOpen": 1, "successesToClose": 1, "intervalSeconds": 15 })));
    let stage = Stage { gateway, service };
    let first = stage.ongoing(1).await;
    let Stage { gateway, service } = stage;
    let stage = Stage { gateway: gateway.restarted(), service };
    let looked = async || Some(()).filter(|()| !report(&stage.gateway)["lookedAt"].is_null());
    until("the probe has looked again", SOON, looked).await;
    assert_eq!(stage.ongoing(1).await[0]["id"], first[0]["id"]);
    stage.service.is_well(true);
    stage.ongoing(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_has_taken_over_the_probe_leaves_alone() {
    let stage = Stage::set().await;
    stage.service.is_well(false);
    stage.look(3);
    let incident = stage.ongoing(1).await.remove(0);
    let id = incident["id"].as_str().unwrap();
    let text = ["--text", "Vi har hittat felet.", "--hold", "0"];
    stage.gateway.operated(&[&["incident", "update", id, "--status", "identified"], &text[..]].concat());
    stage.service.is_well(true);
    stage.look(3);
    assert_eq!(report(&stage.gateway)["level"], "works");
    let told = stage.gateway.operated(&["incident", "show", id]);
    assert_eq!((&told["status"], told["updates"].as_array().unwrap().len()), (&json!("identified"), 2));
    stage.gateway.operated(&[&["incident", "resolve", id], &text[..]].concat());
    stage.ongoing(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_holds_the_probe_back_and_no_longer() {
    let stage = Stage::set().await;
    let text = ["--text", "SITHS byter servrar.", "--hold", "0"];
    let window = ["maintenance", "schedule", "--title", "SITHS stängs", "--audience", "public", "--component", "siths"];
    let times = [
        "--from",
        "23:58",
        "--until",
        "23:59",
        "--emergency",
        "Felet måste rättas i dag.",
        "--started-by-hand",
        "--ended-by-hand",
    ];
    let planned = stage.gateway.operated(&[&window[..], &times, &text].concat());
    let id = planned["subject"].as_str().or(planned["id"].as_str()).unwrap_or_else(|| panic!("{planned}")).to_owned();
    stage.gateway.operated(&[&["maintenance", "start", &id], &text[..]].concat());
    stage.service.is_well(false);
    assert_eq!(stage.look(5), ["nothing"; 5]);
    assert_eq!(report(&stage.gateway)["held"], true);
    stage.gateway.operated(&[&["maintenance", "complete", &id], &text[..]].concat());
    assert_eq!(stage.look(1), ["opened"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_comes_through_the_public_door_by_a_token_that_is_told_once_and_logged_nowhere() {
    let gateway = Region::prepare().changed("filter = \"warn\"", "filter = \"trace\"").run();
    add_component(&gateway);
    let kind = json!({ "type": "heartbeat", "everySeconds": 300, "graceSeconds": 60 });
    let probe = json!({ "slug": "siths", "component": "siths", "kind": kind, "intervalSeconds": 86_400 });
    let token = put(&gateway, probe.clone())["token"].as_str().unwrap().to_owned();
    assert!(put(&gateway, probe)["token"].is_null());
    let anyone = gateway.anyone();
    let path = format!("/v1/heartbeats/{token}");
    anyone.ask("POST", &path).await.expect(204);
    anyone.ask("POST", "/v1/heartbeats/nobody").await.refused(404, "not-found");
    anyone.get(&path).await.refused(405, "method-not-allowed");
    let look = || gateway.operated(&["probe", "check", "siths"]);
    assert_eq!(look()["verdict"], "works");
    gateway.operated(&["clock", "advance", "7m"]);
    let told = look();
    assert_eq!(
        (&told["verdict"], &told["cause"], &told["told"]),
        (&json!("fails"), &json!("no-heartbeat"), &json!("opened"))
    );
    anyone.ask("POST", &path).await.expect(204);
    assert_eq!(look()["told"], "resolved");
    assert!(!gateway.log().contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfit_probe_and_a_secret_in_its_address_are_refused_with_the_key_and_the_remedy() {
    let gateway = Gateway::start();
    add_component(&gateway);
    let refused = |probe: Value| {
        let file = gateway.region.path("probe.json");
        std::fs::write(&file, probe.to_string()).unwrap();
        let told = gateway.operate(&["probe", "put", file.to_str().unwrap()]);
        assert!(!told.status.success());
        String::from_utf8_lossy(&told.stderr).into_owned()
    };
    let secret = json!({ "kind": { "type": "http", "url": "https://user:secret@siths.example.test/" } });
    let told = refused(http(1, secret));
    assert!(told.contains("kind.url") && told.contains("user and password") && !told.contains("secret@"), "{told}");
    assert!(refused(http(1, json!({ "component": "nothing" }))).contains("component"));
    assert!(refused(http(1, json!({ "interval": 5 }))).contains("interval"));
    assert_eq!(gateway.operated(&["probe", "list"]), json!([]));
}

/// Our own parts as `budkavle status` tells them.
fn own(gateway: &Gateway, part: &str) -> Value {
    gateway.operated(&["status"])["own"][part]["status"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smarthost_that_does_nothing_makes_our_mail_late_and_the_page_says_so() {
    // A port at which nobody listens any more.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let smtp =
        format!("transport = \"smtp\"\nhost = \"127.0.0.1\"\nport = {port}\nhello-name = \"gateway.region.example\"");
    let gateway = Region::prepare().changed("transport = \"directory\"\ndirectory = \"mail\"", &smtp).run();
    assert_eq!(own(&gateway, "mail"), "operational");
    received(&gateway.portal(), "1").await;
    let tried = async || {
        let letters = gateway.operated(&["status"])["letters"].clone();
        Some(()).filter(|()| letters["smarthostFaultsSinceStart"].as_u64() > Some(0))
    };
    until("the smarthost was tried", SOON, tried).await;
    gateway.operated(&["clock", "advance", "6m"]);
    assert_eq!(own(&gateway, "mail"), "degraded_performance");
    gateway.operated(&["clock", "advance", "30m"]);
    assert_eq!(own(&gateway, "mail"), "partial_outage");
    let anyone = gateway.anyone();
    let said = async || {
        let page = anyone.get("/status").await.expect(200).text();
        Some(()).filter(|()| page.contains("E-post från oss kommer inte fram just nu."))
    };
    until("the page says so", SOON, said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_is_never_silent_is_missed_when_it_is() {
    let silence = format!("[status]\nportal-silent-minutes = {{ \"{PORTAL}\" = 30 }}");
    let gateway = Region::prepare().with(&silence).run();
    assert_eq!(own(&gateway, "portals"), "operational");
    gateway.operated(&["clock", "advance", "31m"]);
    assert_eq!(own(&gateway, "portals"), "degraded_performance");
    gateway.portal().get("/v1/whoami").await.expect(200);
    gateway.operated(&["clock", "advance", "6s"]);
    assert_eq!(own(&gateway, "portals"), "operational");
    // Who named none, is told nothing.
    assert_eq!(own(&Gateway::start(), "portals"), Value::Null);
}
