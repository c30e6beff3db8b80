//! A desk of its own for each story: a screen (Xvfb), a bus on which programs tell what they show (AT-SPI), a card
//! (SoftHSM), Chromium and its remote control. Everything ends with it, only its screenshots stay.
//!
//! The PIN and the choice are typed (xdotool): neither can be reached by remote control, nor may a policy choose.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Gateway, until};

pub const PIN: &str = "123456";
const SO_PIN: &str = "12345678";
const TOKEN: &str = "SITHS-kort";
/// Debian's path, as the rest is Debian's.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN_DIALOG: &str = "^Unlock Security Device$";
const ROWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/card/rows.py");
/// Debian's own: it has the bindings of AT-SPI, another before it on the path need not.
const PYTHON: &str = "/usr/bin/python3";
const BINDINGS: &str = "import gi; gi.require_version('Atspi', '2.0')";
/// The words of a page that has come to its end.
const WHOLE: &str = "return document.readyState === 'complete' ? document.body.innerText : null";
const NEEDED: [&str; 13] = [
    "chromium",
    "chromedriver",
    "Xvfb",
    "xdotool",
    "scrot",
    "dbus-daemon",
    "/usr/libexec/at-spi-bus-launcher",
    PYTHON,
    "softhsm2-util",
    "certutil",
    "modutil",
    "pk12util",
    "curl",
];
/// Longer than Chromium takes to start on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(90);
const COMMAND_SECONDS_MAX: &str = "60";

pub struct Desk {
    dir: TempDir,
    environment: Vec<(&'static str, String)>,
    driver: String,
    story: &'static str,
    /// Ended last to first.
    programs: Vec<Program>,
}

/// A program with all that it started.
struct Program {
    child: Child,
    said: BufReader<ChildStdout>,
}

/// One row of the certificate chooser.
#[derive(Debug, PartialEq)]
pub struct Row {
    is_selected: bool,
    pub name: String,
    pub issuer: String,
}

impl Desk {
    /// With a card that holds these of the region's certificates. `None` where a part can't be had, said by name.
    pub fn with_card(gateway: &Gateway, certificates: &[&str], story: &'static str) -> Option<Desk> {
        let missing = NEEDED.into_iter().find(|program| !succeeds("sh", &["-c", "command -v \"$0\"", program]));
        let missing = missing.or_else(|| (!succeeds(PYTHON, &["-c", BINDINGS])).then_some("AT-SPI for Python"));
        if let Some(missing) = missing {
            skip(story, missing);
            return None;
        }
        let dir = TempDir::new().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let environment = vec![
            ("HOME", path("")),
            ("XDG_RUNTIME_DIR", path("")),
            ("TMPDIR", path("")),
            ("SOFTHSM2_CONF", path("softhsm2.conf")),
            ("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", path("bus"))),
            ("ACCESSIBILITY_ENABLED", "1".to_owned()),
            ("LC_ALL", "C.UTF-8".to_owned()),
        ];
        let mut desk = Desk { dir, environment, driver: String::new(), story, programs: Vec::new() };
        desk.issue_card(gateway, certificates);
        let screen = ["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "1100x800x24"];
        // Its directory is named so that who ends what belongs to a story finds it.
        let display =
            desk.start("Xvfb", &[&screen[..], &["-fbdir", &desk.path("")]].concat(), |line| Some(line.into()));
        desk.environment.push(("DISPLAY", format!(":{display}")));
        let address = format!("--address=unix:path={}", desk.path("bus"));
        desk.start("dbus-daemon", &["--session", "--nofork", "--print-address", &address], |line| Some(line.into()));
        let log = format!("--log-path={}", desk.path("driver.log"));
        let port = desk.start("chromedriver", &["--port=0", &log], |line| {
            line.strip_prefix("ChromeDriver was started successfully on port ").map(|port| port.replace('.', ""))
        });
        desk.driver = format!("http://127.0.0.1:{port}/session");
        Some(desk)
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Keys and certificates come onto the token as they come onto a card: a PIN stands before them.
    fn issue_card(&self, gateway: &Gateway, certificates: &[&str]) {
        let region = |name: &str| gateway.region.path(name).to_str().unwrap().to_owned();
        let store = format!("sql:{}", self.path(".pki/nssdb"));
        for name in [".pki/nssdb", "tokens"] {
            fs::create_dir_all(self.path(name)).unwrap();
        }
        fs::write(self.path("softhsm2.conf"), format!("directories.tokendir = {}\n", self.path("tokens"))).unwrap();
        fs::write(self.path("pin"), PIN).unwrap();
        let token = ["--init-token", "--free", "--label", TOKEN, "--so-pin", SO_PIN, "--pin", PIN];
        self.done("softhsm2-util", &token);
        self.done("certutil", &["-N", "-d", &store, "--empty-password"]);
        let server = region("tls/server-ca.pem");
        self.done("certutil", &["-A", "-d", &store, "-n", "server", "-t", "C,,", "-i", &server]);
        self.done("modutil", &["-force", "-dbdir", &store, "-add", "card", "-libfile", MODULE]);
        for name in certificates {
            let pair = region(&format!("cards/{name}.p12"));
            self.done("pk12util", &["-d", &store, "-h", TOKEN, "-k", &self.path("pin"), "-W", "demo", "-i", &pair]);
        }
    }

    /// A command at this desk, with an end.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args([COMMAND_SECONDS_MAX, program]).args(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What it said, if it could do it.
    fn said(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let told = self.command(program, arguments).stdin(Stdio::null()).output().unwrap();
        told.status.success().then(|| String::from_utf8(told.stdout).unwrap().trim().to_owned())
    }

    fn done(&self, program: &str, arguments: &[&str]) {
        let told = self.command(program, arguments).stdin(Stdio::null()).output().unwrap();
        assert!(told.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&told.stderr));
    }

    /// Starts a program and reads on until it says what is looked for.
    fn start(&mut self, program: &str, arguments: &[&str], found: impl Fn(&str) -> Option<String>) -> String {
        let mut command = Command::new(program);
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        self.programs.push(Program { child, said });
        let mut said = self.programs.last_mut().unwrap().said.by_ref().lines();
        said.find_map(|line| found(&line.unwrap())).unwrap_or_else(|| panic!("{program} did not start"))
    }

    /// A browser that remembers nothing, as one does that has been closed.
    pub fn browser(&self) -> Browser<'_> {
        let arguments = [
            "--no-sandbox",
            "--no-first-run",
            "--disable-gpu",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--force-renderer-accessibility",
            "--window-size=1000,780",
            "--window-position=0,0",
        ];
        let options = json!({ "args": arguments, "prefs": { "intl.accept_languages": "sv" } });
        let wanted = json!({ "pageLoadStrategy": "none", "goog:chromeOptions": options });
        let told = self.drive("POST", "", &json!({ "capabilities": { "alwaysMatch": wanted } })).expect("a browser");
        Browser { desk: self, session: format!("/{}", told["sessionId"].as_str().unwrap()) }
    }

    /// One command of WebDriver; `None` when it was not carried out.
    fn drive(&self, method: &str, path: &str, body: &Value) -> Option<Value> {
        let url = format!("{}{path}", self.driver);
        let body = body.to_string();
        let mut arguments = vec!["--silent", "--fail", "--request", method, &url];
        if method == "POST" {
            arguments.extend(["--header", "content-type: application/json", "--data", &body]);
        }
        let told = self.said("curl", &arguments)?;
        Some(serde_json::from_str::<Value>(&told).unwrap()["value"].take())
    }

    /// The window of this name, when it is seen.
    fn window(&self, name: &str) -> Option<String> {
        let found = self.said("xdotool", &["search", "--onlyvisible", "--name", name])?;
        found.lines().next().map(str::to_owned)
    }

    /// Into this window, once it listens.
    async fn type_into(&self, window: &str, keys: &[&str]) {
        until("the window listens", PATIENCE, async || {
            self.said("xdotool", &["windowfocus", window])?;
            self.said("xdotool", &["getwindowfocus"]).filter(|focused| focused == window)
        })
        .await;
        self.done("xdotool", keys);
    }

    fn shoot(&self, name: &str) {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("card");
        fs::create_dir_all(&dir).unwrap();
        self.done("scrot", &["--overwrite", dir.join(format!("{}-{name}.png", self.story)).to_str().unwrap()]);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        for mut program in self.programs.drain(..).rev() {
            let _ = Command::new("kill").args(["-s", "KILL", "--", &format!("-{}", program.child.id())]).status();
            let _ = program.child.wait();
        }
    }
}

/// A Chromium on the desk's screen; closed with all its windows when it goes.
pub struct Browser<'a> {
    desk: &'a Desk,
    session: String,
}

impl Drop for Browser<'_> {
    fn drop(&mut self) {
        self.desk.drive("DELETE", &self.session, &Value::Null);
    }
}

impl Browser<'_> {
    fn drive(&self, method: &str, path: &str, body: &Value) -> Option<Value> {
        self.desk.drive(method, &format!("{}/{path}", self.session), body)
    }

    /// Asks for the first page of a door and waits for nothing.
    pub fn visit(&self, door: SocketAddr) {
        let url = format!("https://localhost:{}/", door.port());
        self.drive("POST", "url", &json!({ "url": url })).expect("an address is taken");
    }

    /// The dialog that asks for the PIN, once it is there, and another one than `before`.
    pub async fn asked_for_pin(&self, before: Option<&str>) -> String {
        let other = async || self.desk.window(PIN_DIALOG).filter(|dialog| Some(dialog.as_str()) != before);
        let dialog = until("Chromium asks for the PIN", PATIENCE, other).await;
        self.desk.shoot("pin");
        dialog
    }

    pub async fn type_pin(&self, dialog: &str, pin: &str) {
        self.desk.type_into(dialog, &["type", pin]).await;
        self.desk.done("xdotool", &["key", "Return"]);
    }

    /// Chromium asks more than once.
    pub async fn cancel_pin_until(&self, title: &str) {
        let dialog = self.asked_for_pin(None).await;
        self.desk.type_into(&dialog, &["key", "Escape"]).await;
        until("the PIN need not be given", PATIENCE, async || {
            if let Some(dialog) = self.desk.window(PIN_DIALOG) {
                self.desk.said("xdotool", &["windowfocus", &dialog, "key", "Escape"]);
            }
            self.desk.window(&format!("^{title}"))
        })
        .await;
    }

    /// What the chooser shows; `None` when there is none.
    pub fn offered(&self) -> Option<Vec<Row>> {
        // The tree may change while it is read; then it says nothing.
        let rows: Vec<(bool, String, String)> = serde_json::from_str(&self.desk.said(PYTHON, &[ROWS])?).unwrap();
        let rows = rows.into_iter().map(|(is_selected, name, issuer)| Row { is_selected, name, issuer });
        Some(rows.collect()).filter(|rows: &Vec<_>| !rows.is_empty())
    }

    /// What the chooser shows, once there is one and it stays the same.
    pub async fn offered_in_the_end(&self) -> Vec<Row> {
        let mut last = None;
        let rows = until("Chromium offers certificates", PATIENCE, async || {
            let rows = self.offered();
            let rests = rows.is_some() && rows == last;
            last = rows;
            if rests { last.take() } else { None }
        });
        let rows = rows.await;
        self.desk.shoot("offered");
        rows
    }

    /// With the keyboard, the row of this issuer.
    pub async fn choose(&self, issuer: &str) {
        let window = self.desk.window(" - Chromium$").expect("Chromium's window");
        until("the row is selected", PATIENCE, async || {
            let rows = self.offered()?;
            if rows.iter().any(|row| row.is_selected && row.issuer == issuer) {
                return Some(());
            }
            self.desk.type_into(&window, &["key", "Down"]).await;
            None
        })
        .await;
        self.desk.type_into(&window, &["key", "Return"]).await;
    }

    /// The words of the page whose title begins so, once it is there.
    pub async fn page(&self, title: &str) -> String {
        let text = until(title, PATIENCE, async || {
            // Remote control waits as long as a chooser is open; the window's name does not.
            self.desk.window(&format!("^{title} – "))?;
            let body = json!({ "script": WHOLE, "args": [] });
            self.drive("POST", "execute/sync", &body)?.as_str().map(str::to_owned)
        });
        let text = text.await;
        let name: String = title.chars().map(|c| if c.is_ascii_alphabetic() { c } else { '-' }).collect();
        self.desk.shoot(&name);
        text
    }

    /// Presses what this selector finds.
    pub fn press(&self, selector: &str) {
        let found = self.drive("POST", "element", &json!({ "using": "css selector", "value": selector }));
        let found = found.unwrap_or_else(|| panic!("no {selector}"));
        let element = found.as_object().and_then(|element| element.values().next()).and_then(Value::as_str).unwrap();
        self.drive("POST", &format!("element/{element}/click"), &json!({})).expect("it can be pressed");
    }

    /// How many cookies the page has.
    pub fn cookies(&self) -> usize {
        self.drive("GET", "cookie", &Value::Null).unwrap().as_array().unwrap().len()
    }
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|told| told.status.success())
}

/// A story that cannot be played here says so by name; where nothing may be skipped it fails.
fn skip(story: &str, missing: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED a real card in a real browser ({story}): no {missing} here");
    let is_allowed = std::env::var_os("BUDKAVLE_NOTHING_SKIPPED").is_none_or(|set| set != "1");
    assert!(is_allowed, "a real card in a real browser ({story}) may not be skipped: no {missing}");
}
