//! Start, reload and stop, as systemd and operators see them.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::client::Caller;
use crate::common::{Gateway, Region, budkavle, received, submission, until};

const SOON: Duration = Duration::from_secs(10);

/// A submission of which the door has read the head and half the body; the other half.
async fn half_sent(portal: &Caller) -> (TlsStream<TcpStream>, String) {
    let body = submission("kontakta-mig").to_string();
    let (first, second) = body.split_at(body.len() / 2);
    let mut stream = portal.raw().await;
    let head = format!(
        "POST /v1/cases HTTP/1.1\r\nhost: localhost\r\nidempotency-key: 1\r\nexpect: 100-continue\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(first.as_bytes()).await.unwrap();
    (stream, second.to_owned())
}

async fn shut(gateway: &Gateway) {
    let door = gateway.portal_door;
    until("the door shuts", SOON, async || TcpStream::connect(door).await.is_err().then_some(())).await;
}

#[tokio::test]
async fn term_answers_an_open_poll_at_once_and_ends_with_0() {
    let mut gateway = Gateway::start();
    let portal = gateway.portal();
    let began = Instant::now();
    let (page, ()) = tokio::join!(async { portal.get("/v1/events?wait=30").await }, async {
        // Answered on the same connection after the poll began.
        portal.get("/v1/whoami").await.expect(200);
        gateway.signal("TERM");
    });
    assert_eq!(page.expect(200).json()["items"], json!([]));
    assert_eq!(gateway.ended().await, Some(0));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[tokio::test]
async fn term_lets_a_request_under_way_finish_and_what_it_brought_is_kept() {
    let mut gateway = Gateway::start();
    let (mut stream, second) = half_sent(&gateway.portal()).await;
    gateway.signal("TERM");
    shut(&gateway).await;
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told).await;
    assert!(told.starts_with(b"HTTP/1.1 201 "), "{}", String::from_utf8_lossy(&told));
    assert_eq!(gateway.ended().await, Some(0));
}

#[tokio::test]
async fn a_second_term_waits_for_nobody() {
    let mut gateway = Gateway::start();
    let _open = half_sent(&gateway.portal()).await;
    gateway.signal("TERM");
    shut(&gateway).await;
    let began = Instant::now();
    gateway.signal("TERM");
    assert_eq!(gateway.ended().await, Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let mut gateway = Gateway::start();
    let case = received(&gateway.portal(), "1").await;
    gateway.signal("KILL");
    gateway.ended().await;
    let gateway = gateway.restarted();
    let seen = gateway.portal().get(&format!("/v1/cases/{case}")).await.expect(200);
    assert_eq!(seen.json()["state"], "received");
}

#[tokio::test]
async fn hup_takes_up_a_renewed_server_certificate_and_an_unfit_one_leaves_the_old() {
    let gateway = Gateway::start();
    let before = gateway.receiver();
    before.get("/v1/whoami").await.expect(200);
    let renewed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = gateway.region.path("tls/server.pem");
    fs::write(&certificate, renewed.cert.pem()).unwrap();
    fs::write(gateway.region.path("tls/server.key"), renewed.signing_key.serialize_pem()).unwrap();
    gateway.signal("HUP");
    let card = gateway.region.path("cards/receiver");
    let after = Caller::new(gateway.staff_door, &certificate, Some(&card));
    let met = async || after.get("/v1/whoami").attempt().await.ok();
    until("the door shows the new certificate", SOON, met).await.expect(200);
    before.get("/v1/whoami").await.expect(200);
    assert!(gateway.receiver().get("/v1/whoami").attempt().await.is_err(), "nobody meets the old one any more");

    let after = Caller::new(gateway.staff_door, &certificate, Some(&card));
    fs::write(&certificate, "nothing").unwrap();
    gateway.signal("HUP");
    let stays = async || gateway.log().contains("a certificate was not renewed: the old stays").then_some(());
    until("the log tells of it", SOON, stays).await;
    after.get("/v1/whoami").await.expect(200);
}

#[tokio::test]
async fn a_card_that_a_new_list_revokes_is_refused_at_the_next_request_of_an_open_connection() {
    let region = Region::prepare().changed("loa = 3", "loa = 3\ncrl-required = false");
    let (list, later) = (region.path("ca/person-hsa-id-3.crl"), region.path("later.crl"));
    fs::rename(&list, &later).unwrap();
    let gateway = region.run();
    let (caller, good) = (gateway.card("revoked"), gateway.handler());
    caller.get("/v1/whoami").await.expect(200);
    fs::copy(&later, &list).unwrap();
    gateway.signal("HUP");
    let refused = async || Some(caller.get("/v1/whoami").await).filter(|told| told.status != 200);
    let told = until("the list is in use", SOON, refused).await.refused(403, "rejected");
    assert_eq!(told["rejection"]["code"], "revoked");
    good.get("/v1/whoami").await.expect(200);

    let faults = || gateway.log().matches("a revocation list was left out").count();
    let before = faults();
    fs::write(&list, "nothing").unwrap();
    gateway.signal("HUP");
    until("the log tells of it", SOON, async || (faults() > before).then_some(())).await;
    caller.get("/v1/whoami").await.refused(403, "rejected");
    good.get("/v1/whoami").await.expect(200);
}

#[tokio::test]
async fn systemd_hears_of_start_reload_and_stop() {
    let region = Region::prepare();
    let path = region.path("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(SOON)).unwrap();
    let mut gateway = region.run_with(|command| {
        command.env("NOTIFY_SOCKET", &path);
    });
    let hear = |wanted: &str| loop {
        let mut buffer = [0; 512];
        let length = systemd.recv(&mut buffer).unwrap();
        if String::from_utf8_lossy(&buffer[..length]).lines().any(|line| line == wanted) {
            return;
        }
    };
    hear("READY=1");
    gateway.signal("HUP");
    hear("RELOADING=1");
    hear("READY=1");
    gateway.signal("TERM");
    hear("STOPPING=1");
    assert_eq!(gateway.ended().await, Some(0));
}

#[test]
fn an_unfit_configuration_is_told_by_place_and_remedy_and_ends_with_78() {
    for (from, to, told) in [
        ("mode = \"test\"", "mode = \"tset\"", "budkavle.toml:2:8: unknown variant `tset`"),
        ("mode = \"test\"", "mode = \"test\"\ncolour = 1", "budkavle.toml:3:1: unknown key `colour`"),
        ("transport = \"directory\"", "transport = \"directory\"\nconnections-max = 900", "connections-max = 900\n"),
        ("data-dir = \"data\"", "", "data-dir"),
        ("https://portal.region.example/", "http://portal.region.example/", "help: such as \"https://"),
    ] {
        let region = Region::prepare().changed(from, to);
        let ended = budkavle(&["run", "--config", &region.config()]);
        let complaint = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(78), "{complaint}");
        assert!(complaint.contains(told) && complaint.contains('^'), "{complaint}");
    }
    assert_eq!(budkavle(&["run", "--config", "/nowhere/budkavle.toml"]).status.code(), Some(66));
}

#[test]
fn production_takes_no_letters_in_a_directory() {
    let region = Region::prepare().changed("mode = \"test\"", "mode = \"production\"");
    let ended = budkavle(&["run", "--config", &region.config()]);
    assert_eq!(ended.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("production sends letters"));
}

#[tokio::test]
async fn a_busy_port_is_told_with_its_address() {
    let gateway = Gateway::start();
    let door = gateway.portal_door.to_string();
    let region =
        Region::prepare().changed("[portal]\nlisten = \"127.0.0.1:0\"", &format!("[portal]\nlisten = \"{door}\""));
    let ended = budkavle(&["run", "--config", &region.config()]);
    let complaint = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(71), "{complaint}");
    assert!(complaint.contains(&format!("portal door: cannot listen on {door}")), "{complaint}");
}

#[tokio::test]
async fn a_second_gateway_on_the_same_stores_is_turned_away_for_now_and_the_first_goes_on() {
    let gateway = Gateway::start();
    let ended = budkavle(&["run", "--config", &gateway.region.config()]);
    assert_eq!(ended.status.code(), Some(75), "{}", String::from_utf8_lossy(&ended.stderr));
    received(&gateway.portal(), "1").await;
    assert_eq!(gateway.operated(&["status"])["stores"]["cases"], "working");
}
