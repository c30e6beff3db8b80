//! The gateway is down and people still read how things stand: a standby serves the copy of the pages, and an operator
//! renews it from the store.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, chown};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::client::{Answer, Caller};
use crate::common::{Region, budkavle, budkavle_reading, until};

const SOON: Duration = Duration::from_secs(10);

/// A region whose public door has a port that two processes can agree on.
fn agreed() -> (Region, SocketAddr) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let region = Region::prepare();
    let at = |door: &str| format!("url = \"https://localhost:0\"\nlisten = \"{door}\"");
    (region.changed(&at("127.0.0.1:0"), &at(&free.to_string())), free)
}

/// Serves the copy; it dies with the test.
struct Standby(Child);

impl Drop for Standby {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve_snapshot(config: &str, arguments: &[&str]) -> Standby {
    let mut command = Command::new(env!("CARGO_BIN_EXE_budkavle"));
    command.args(["serve-snapshot", "--config", config]).args(arguments);
    Standby(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// On a connection of its own: which of two processes answers is settled when it is opened.
async fn fresh(region: &Region, door: SocketAddr, path: &str, accept: &str) -> Option<Answer> {
    let caller = Caller::new(door, &region.path("tls/server-ca.pem"), None);
    caller.get(path).header("accept", accept).attempt().await.ok()
}

/// Whose answer it is: the gateway's own is 200.
async fn health(region: &Region, door: SocketAddr) -> Option<u16> {
    fresh(region, door, "/v1/health", "*/*").await.map(|told| told.status)
}

#[tokio::test]
async fn a_standby_takes_the_public_door_when_the_gateway_is_killed_and_gives_it_back() {
    let (region, door) = agreed();
    let config = region.config();
    let gateway = region.run();
    let _standby = serve_snapshot(&config, &["--standby"]);
    let own = gateway.anyone().get("/api/v2/status.json").await.expect(200);
    let region = gateway.killed();
    let page = async || fresh(&region, door, "/en/status", "text/html").await.filter(|told| told.status == 200);
    let page = until("the standby serves", SOON, page).await;
    assert!(page.header("cache-control").starts_with("public, max-age=") && !page.header("etag").is_empty());
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    let feed = fresh(&region, door, "/api/v2/status.json", "*/*").await.unwrap().expect(200);
    assert_eq!(feed.header("content-type"), own.header("content-type"));
    // The number to ring, what people ask often, and what stands where the forms were.
    let reads = async |path: &str| fresh(&region, door, path, "text/html").await.unwrap().expect(200).text();
    for path in ["/support", "/support/felanmalan", "/status/prenumerera", "/invanare/support"] {
        let told = reads(path).await;
        assert!(told.contains("Formulären är stängda just nu") && told.contains("0771-25 10 10"), "{path}: {told}");
    }
    assert!(reads("/fragor-och-svar").await.contains("Frågor och svar"));
    assert!(reads("/fragor-och-svar/logga-in").await.contains("0771-25 10 10"));
    for (path, to) in [("/", "/status"), ("/en", "/en/status")] {
        let leads = format!("<meta http-equiv=\"refresh\" content=\"0; url={to}\">");
        assert!(reads(path).await.contains(&leads), "{path}");
    }
    // All else is told to be down, with the number to ring.
    for path in ["/support/arende/x", "/v1/health", "/en/entre"] {
        let told = fresh(&region, door, path, "text/html").await.unwrap().expect(503);
        assert!(told.text().contains("0771-25 10 10") && !told.header("retry-after").is_empty(), "{}", told.text());
    }
    let caller = Caller::new(door, &region.path("tls/server-ca.pem"), None);
    caller.ask("POST", "/v1/tickets").await.refused(503, "gateway-down");
    caller.ask("POST", "/status").await.refused(503, "gateway-down");

    let gateway = region.run();
    let region = &gateway.region;
    let own = async || {
        for _ in 0..20 {
            health(region, door).await.filter(|status| *status == 200)?;
        }
        Some(())
    };
    until("the gateway has its door back", SOON, own).await;
}

#[tokio::test]
async fn who_leaves_with_one_click_while_only_the_copy_stands_has_left() {
    let (region, door) = agreed();
    let config = region.config();
    let gateway = region.run();
    let list = gateway.region.path("subscribers.csv");
    fs::write(&list, "address,language,targets,dailyAt\ntolvan@example.test,sv,all,\n").unwrap();
    let import = ["subscriber", "import", list.to_str().unwrap(), "--source", "test", "--confirmed"];
    assert!(gateway.operate(&import).status.success());
    let words = ["incident", "open", "--title", "Växeln", "--audience", "public", "--text", "Strömmen är borta."];
    let words = [&words[..], &["--component", "e-tjanster=major_outage", "--hold", "0"]].concat();
    assert!(gateway.operate(&words).status.success());
    let letter = gateway.letters(1).await.remove(0).replace("=\r\n", "").replace("\r\n ", "");
    let (_, link) = letter.split_once("/u/").unwrap();
    let token: String = link.chars().take_while(char::is_ascii_alphanumeric).collect();

    let region = gateway.killed();
    let standby = serve_snapshot(&config, &["--standby"]);
    let path = format!("/u/{token}");
    let asked = async || fresh(&region, door, &path, "text/html").await.filter(|told| told.status == 200);
    let asked = until("the standby asks whether to leave", SOON, asked).await.text();
    assert!(asked.contains(&format!("action=\"{path}\"")), "{asked}");
    let caller = Caller::new(door, &region.path("tls/server-ca.pem"), None);
    for _ in 0..2 {
        let body = "List-Unsubscribe=One-Click";
        caller.ask("POST", &path).bytes("application/x-www-form-urlencoded", body).await.expect(202);
    }
    drop(standby);

    // Not mailed by the gateway, and not by the command that works without it.
    let told = ["incident", "open", "--title", "En till", "--audience", "public", "--text", "Nu den också."];
    let told = [&told[..], &["--component", "e-tjanster=major_outage", "--offline", "--send"]].concat();
    let told = budkavle(&[&told[..], &["--config", &config]].concat());
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let gateway = region.run();
    assert_eq!(gateway.letters(1).await.len(), 1, "the one from before");
    let shown = budkavle_reading(&["subscriber", "show", "--json", "--config", &config], "tolvan@example.test");
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["subscribers"][0]["state"], "left", "{shown}");
    assert_eq!(fs::read_dir(gateway.region.path("data/leavings")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_leaving_that_cannot_be_written_down_is_told_with_the_address_that_takes_it() {
    let (region, door) = agreed();
    let config = region.config();
    let region = region.run().killed();
    // Where the directory should be lies a file.
    fs::write(region.path("data/leavings"), "").unwrap();
    let _standby = serve_snapshot(&config, &["--standby"]);
    let caller = Caller::new(door, &region.path("tls/server-ca.pem"), None);
    let token = "a".repeat(52);
    let refused = async || {
        let told = caller.ask("POST", &format!("/u/{token}")).attempt().await.ok()?;
        (told.status == 503).then_some(told)
    };
    let refused = until("the standby answers", SOON, refused).await.refused(503, "leaving-not-kept");
    assert!(refused["detail"].as_str().unwrap().contains(&format!("avsluta+{token}@")), "{refused}");
}

#[tokio::test]
async fn a_standby_ends_at_term_and_one_that_stands_alone_serves_at_once() {
    let (region, door) = agreed();
    let config = region.config();
    let region = region.run().killed();
    let mut alone = serve_snapshot(&config, &[]);
    let page = async || fresh(&region, door, "/status", "text/html").await.filter(|told| told.status == 200);
    until("the copy is served", SOON, page).await;
    assert!(Command::new("kill").arg(alone.0.id().to_string()).status().unwrap().success());
    assert!(alone.0.wait().unwrap().success());
    let mut standing_by = serve_snapshot(&config, &["--standby"]);
    until("it serves again", SOON, page).await;
    assert!(Command::new("kill").arg(standing_by.0.id().to_string()).status().unwrap().success());
    assert!(standing_by.0.wait().unwrap().success());
}

fn stamp(region: &Region) -> String {
    let listed = fs::read(region.path("data/snapshot/current/snapshot.json")).unwrap();
    serde_json::from_slice::<serde_json::Value>(&listed).unwrap()["generatedAt"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_operator_renews_the_copy_while_the_gateway_is_down_and_whoever_serves_it_follows() {
    let (region, door) = agreed();
    let config = region.config();
    let gateway = region.run();
    // A running gateway does it by itself, and is named.
    let refused = gateway.operate(&["renew-snapshot"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(75), "{told}");
    assert!(told.contains(&format!("process {}", gateway.process())) && told.contains("by itself"), "{told}");
    let region = gateway.killed();
    let _standby = serve_snapshot(&config, &["--standby"]);
    let page = async || fresh(&region, door, "/status", "text/html").await.filter(|told| told.status == 200);
    let before = (stamp(&region), until("the copy is served", SOON, page).await.header("etag").to_owned());
    let renewed = budkavle(&["renew-snapshot", "--send", "--config", &config]);
    let told = String::from_utf8_lossy(&renewed.stdout).into_owned();
    assert!(renewed.status.success(), "{}", String::from_utf8_lossy(&renewed.stderr));
    assert!(told.contains("renewed") && told.contains("sent"), "{told}");
    assert!(stamp(&region) > before.0);
    let other = async || page().await.filter(|told| told.header("etag") != before.1);
    until("the new copy is served", SOON, other).await;
    // Nothing is left behind that the gateway minds.
    let gateway = region.run();
    gateway.portal().get("/v1/whoami").await.expect(200);
}

#[tokio::test]
async fn an_incident_is_told_and_mailed_while_the_gateway_is_down_and_the_gateway_goes_on_from_there() {
    let (region, door) = agreed();
    let config = region.config();
    let gateway = region.run();
    let list = gateway.region.path("subscribers.csv");
    fs::write(&list, "address,language,targets,dailyAt\ntolvan@example.test,sv,all,\n").unwrap();
    let import = ["subscriber", "import", list.to_str().unwrap(), "--source", "test", "--confirmed"];
    let imported = gateway.operate(&import);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let region = gateway.killed();
    let _standby = serve_snapshot(&config, &["--standby"]);
    let words = ["incident", "open", "--title", "Hela växeln", "--audience", "public", "--text", "Strömmen är borta."];
    let words = [&words[..], &["--component", "e-tjanster=major_outage"]].concat();
    let held = budkavle(&[&words[..], &["--offline", "--hold", "5m", "--config", &config]].concat());
    assert_eq!(held.status.code(), Some(64), "{}", String::from_utf8_lossy(&held.stderr));
    let told = budkavle(&[&words[..], &["--offline", "--send", "--config", &config]].concat());
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success() && said.contains("Published: "), "{said}{}", String::from_utf8_lossy(&told.stderr));
    let id = said.split(&[' ', ','][..]).nth(1).unwrap().to_owned();
    // It can be read there, too, before anybody goes on with it.
    for read in
        [&["incident", "list"][..], &["incident", "show", &id], &["maintenance", "list", "--all"], &["pending", "list"]]
    {
        let listed = budkavle(&[read, &["--offline", "--json", "--config", &config]].concat());
        let told = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.status.success(), "{read:?}: {}", String::from_utf8_lossy(&listed.stderr));
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told.to_string().contains(&id), read[0] == "incident", "{read:?}: {told}");
    }
    // Sent before the command came back: no gateway runs that could have done it.
    let letters =
        fs::read_dir(region.path("mail")).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let letters: Vec<String> = letters.filter(|letter| letter.contains("\nTo: tolvan@example.test")).collect();
    assert_eq!(letters.len(), 1, "{said}");
    assert!(letters[0].contains("List-Unsubscribe-Post:"), "{letters:?}");
    let shows = async || {
        let told = fresh(&region, door, "/invanare/status", "text/html").await?;
        told.text().contains("Hela växeln").then_some(())
    };
    until("the page tells of it", SOON, shows).await;
    let gateway = region.run();
    let listed = gateway.operated(&["incident", "list"]);
    assert!(listed.as_array().unwrap().iter().any(|incident| incident["id"] == id.as_str()), "{listed}");
    let resolved = gateway.operate(&["incident", "resolve", &id, "--text", "Strömmen är tillbaka.", "--hold", "0"]);
    assert!(resolved.status.success(), "{}", String::from_utf8_lossy(&resolved.stderr));
}

#[test]
fn nobody_but_the_owner_of_the_data_works_on_it_and_is_told_the_command_that_does() {
    let region = Region::prepare();
    // As root the data is made somebody else's; others already meet data that is not theirs.
    let region = match fs::metadata("/proc/self").unwrap().uid() {
        0 => {
            chown(region.path("data"), Some(65_534), None).unwrap();
            region
        }
        _ => region.changed("data-dir = \"data\"", "data-dir = \"/\""),
    };
    let refused = budkavle(&["renew-snapshot", "--config", &region.config()]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(77), "{told}");
    assert!(told.contains("setpriv --reuid=") && told.contains("renew-snapshot --config"), "{told}");
}

#[test]
fn the_key_is_read_as_the_service_reads_it_or_the_command_that_can_is_named() {
    let region = Region::prepare().changed("master-key-file = \"master.key\"\n", "");
    let run = |directory: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_budkavle"));
        command.args(["renew-snapshot", "--config", &region.config()]).env_remove("CREDENTIALS_DIRECTORY");
        directory.map(|directory| command.env("CREDENTIALS_DIRECTORY", directory));
        command.output().unwrap()
    };
    let refused = run(None);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(77), "{told}");
    assert!(told.contains("systemd-run --pipe") && told.contains("LoadCredential=master-key:"), "{told}");
    fs::copy(region.path("master.key"), region.path("master-key")).unwrap();
    let done = run(Some(region.path("").to_str().unwrap()));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn without_a_copy_there_is_still_a_page_that_says_so() {
    let (region, door) = agreed();
    assert!(!region.path("data/snapshot").exists());
    let _alone = serve_snapshot(&region.config(), &[]);
    let told = until("it serves", SOON, async || fresh(&region, door, "/status", "text/html").await).await.expect(503);
    assert!(told.text().contains("0771-25 10 10"), "{}", told.text());
}
