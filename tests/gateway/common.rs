//! A region of its own for each test, the gateway that serves it, and the cases that people send there.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Caller};

/// The clinic to which stories send, and the other one of the sample region.
pub const CLINIC: &str = "TSTNMT2321000156-A001";
pub const OTHER_CLINIC: &str = "TSTNMT2321000156-B001";
pub const RECEIVER: &str = "TSTNMT2321000156-1001";
pub const HANDLER: &str = "TSTNMT2321000156-1002";
pub const OTHER_HANDLER: &str = "TSTNMT2321000156-1003";
pub const ADMINISTRATOR: &str = "TSTNMT2321000156-1004";
/// Skatteverket's test person.
pub const CITIZEN: &str = "191212121212";
pub const CITIZEN_NAME: &str = "Tolvan Tolvansson";
pub const CITIZEN_MAIL: &str = "tolvan@example.test";
/// How long the program may take to end, drain included.
const END_MAX: Duration = Duration::from_secs(40);

/// The program with these arguments, run to its end.
pub fn budkavle(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_budkavle")).args(arguments).output().unwrap()
}

/// As `budkavle`, reading `input`.
pub fn budkavle_reading(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_budkavle"));
    let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What `demo --prepare` writes: certificates, configuration, stores with the sample region.
pub struct Region {
    dir: TempDir,
}

impl Region {
    pub fn prepare() -> Region {
        let dir = TempDir::new().unwrap();
        let told = budkavle(&["demo", "--prepare", dir.path().to_str().unwrap(), "--port-base", "0"]);
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        Region { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn config(&self) -> String {
        self.path("budkavle.toml").to_str().unwrap().to_owned()
    }

    /// With more tables in the configuration.
    pub fn with(self, tables: &str) -> Region {
        let text = fs::read_to_string(self.config()).unwrap();
        fs::write(self.config(), format!("{text}\n{tables}\n")).unwrap();
        self
    }

    /// With a part of the configuration changed.
    pub fn changed(self, from: &str, to: &str) -> Region {
        let text = fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(self.config(), text.replace(from, to)).unwrap();
        self
    }

    pub fn run(self) -> Gateway {
        self.run_with(|_| {})
    }

    /// With an environment of its own.
    pub fn run_with(self, prepare: impl FnOnce(&mut Command)) -> Gateway {
        let (log, config) = (fs::File::create(self.path("log")).unwrap(), self.config());
        let mut command = Command::new(env!("CARGO_BIN_EXE_budkavle"));
        command.args(["run", "--config", &config]).stdout(Stdio::piped()).stderr(log);
        prepare(&mut command);
        let mut child = command.spawn().unwrap();
        // The program tells its doors once it serves.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let doors: Vec<_> = line.split_whitespace().filter_map(|word| word.strip_prefix("https://")).collect();
        let [portal, staff, public, ref card_test @ ..] = doors[..] else {
            panic!("not started: {}", fs::read_to_string(self.path("log")).unwrap());
        };
        let [portal_door, staff_door, public_door] = [portal, staff, public].map(|door| door.parse().unwrap());
        let card_test_door = card_test.first().map(|door| door.parse().unwrap());
        Gateway { region: self, child, portal_door, staff_door, public_door, card_test_door }
    }
}

/// A running gateway; it dies with the test.
pub struct Gateway {
    pub region: Region,
    child: Child,
    pub portal_door: SocketAddr,
    pub staff_door: SocketAddr,
    pub public_door: SocketAddr,
    /// None where the configuration has no such door.
    pub card_test_door: Option<SocketAddr>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Gateway {
    /// On a fresh sample region.
    pub fn start() -> Gateway {
        Region::prepare().run()
    }

    pub fn portal(&self) -> Caller {
        self.system("portal")
    }

    pub fn staff_system(&self) -> Caller {
        self.system("staff-system")
    }

    /// Not registered.
    pub fn stranger(&self) -> Caller {
        self.system("stranger")
    }

    fn system(&self, name: &str) -> Caller {
        self.at(self.portal_door, Some(&format!("tls/{name}")))
    }

    pub fn receiver(&self) -> Caller {
        self.card("receiver")
    }

    pub fn handler(&self) -> Caller {
        self.card("handler")
    }

    pub fn other_handler(&self) -> Caller {
        self.card("other-handler")
    }

    pub fn administrator(&self) -> Caller {
        self.card("administrator")
    }

    /// Somebody with a card at the staff door.
    pub fn card(&self, name: &str) -> Caller {
        self.at(self.staff_door, Some(&format!("cards/{name}")))
    }

    /// Anybody at the public door.
    pub fn anyone(&self) -> Caller {
        self.at(self.public_door, None)
    }

    /// Anybody at any door: a pair below the region's directory, or no certificate.
    pub fn at(&self, door: SocketAddr, identity: Option<&str>) -> Caller {
        let identity = identity.map(|name| self.region.path(name));
        Caller::new(door, &self.region.path("tls/server-ca.pem"), identity.as_deref())
    }

    /// An operator's command to this gateway.
    pub fn operate(&self, arguments: &[&str]) -> Output {
        let config = self.region.config();
        budkavle(&[arguments, &["--config", &config]].concat())
    }

    /// As `operate`, answered in JSON.
    #[track_caller]
    pub fn operated(&self, arguments: &[&str]) -> Value {
        let told = self.operate(&[arguments, &["--json"]].concat());
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        serde_json::from_slice(&told.stdout).unwrap()
    }

    /// The same region, run anew once this one has ended.
    pub fn restarted(self) -> Gateway {
        self.restarted_after(|_| {})
    }

    /// As `restarted`, with something done to the region in between.
    pub fn restarted_after(self, meanwhile: impl FnOnce(&Region)) -> Gateway {
        let region = self.killed();
        meanwhile(&region);
        region.run()
    }

    /// The region, once this one has ended.
    pub fn killed(mut self) -> Region {
        let region = std::mem::replace(&mut self.region, Region { dir: TempDir::new().unwrap() });
        drop(self);
        region
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// The exit code, once the program has ended.
    pub async fn ended(&mut self) -> Option<i32> {
        let ended = until("the program ends", END_MAX, async || self.child.try_wait().unwrap());
        ended.await.code()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.region.path("log")).unwrap()
    }

    /// All letters, once there are this many.
    pub async fn letters(&self, count: usize) -> Vec<String> {
        let read = || -> Vec<String> {
            let files = fs::read_dir(self.region.path("mail")).unwrap().map(|file| file.unwrap().path());
            files
                .filter(|f| f.extension().is_some_and(|e| e == "eml"))
                .map(|f| fs::read_to_string(f).unwrap())
                .collect()
        };
        until("the letters are there", Duration::from_secs(10), async || Some(read()).filter(|l| l.len() >= count))
            .await
    }
}

/// Waits on a condition that nothing announces.
pub async fn until<T>(what: &str, at_most: Duration, mut holds: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + at_most;
    loop {
        if let Some(value) = holds().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A filled-in form of the sample region, such as `fornya-recept.answer`.
pub fn form(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("config/region/samples/{name}.response.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What a portal sends for the citizen.
pub fn submission(case_type: &str) -> Value {
    json!({
        "clinic": CLINIC,
        "caseType": case_type,
        "citizen": {
            "identifier": { "system": "urn:oid:1.2.752.129.2.1.3.1", "value": CITIZEN },
            "name": CITIZEN_NAME,
        },
        "contact": { "email": CITIZEN_MAIL, "language": "sv" },
        "response": form(&format!("{case_type}.question")),
    })
}

/// Sends it under a key of its own.
pub async fn submit(portal: &Caller, key: &str, body: &Value) -> Answer {
    portal.post("/v1/cases", body).header("idempotency-key", key).await
}

/// A renewal of prescriptions that has been received; its id.
pub async fn received(portal: &Caller, key: &str) -> String {
    let told = submit(portal, key, &submission("fornya-recept")).await.expect(201).json();
    told["id"].as_str().unwrap().to_owned()
}

/// An act on a case in the version that is there now.
pub async fn act(who: &Caller, case: &str, act: &str, body: &Value) -> Answer {
    let etag = who.get(&format!("/v1/cases/{case}")).await.expect(200).header("etag").to_owned();
    who.post(&format!("/v1/cases/{case}/{act}"), body).header("if-match", &etag).await
}

/// A case that the receiver has given to a handler; its id.
pub async fn distributed(gateway: &Gateway, key: &str) -> String {
    let case = received(&gateway.portal(), key).await;
    act(&gateway.receiver(), &case, "distribution", &json!({ "handler": HANDLER })).await.expect(200);
    case
}

/// The citizen writes, through the portal.
pub async fn write(portal: &Caller, case: &str, key: &str, text: &str) -> Answer {
    let path = format!("/v1/cases/{case}/messages");
    portal.post(&path, &json!({ "text": text })).header("idempotency-key", key).await
}
