//! A prepared region and the real daemon in it: started, killed, stopped, asked by its command line.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest that a start may take; a view that is rebuilt takes a second or two here.
const START_WAIT: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(20);

/// A prepared region.
pub struct Region {
    pub dir: PathBuf,
    /// What the daemon says on standard error, from all its lives.
    pub log: PathBuf,
}

/// A running daemon; killed when dropped.
pub struct Gateway {
    child: Child,
    pub portal: SocketAddr,
    pub staff: SocketAddr,
}

impl Region {
    /// Writes a region on free ports, its configuration edited.
    pub fn prepare(dir: PathBuf, log: PathBuf, edit: impl FnOnce(String) -> String) -> Region {
        let made = Command::new(binary()).args(["demo", "--port-base", "0", "--prepare"]).arg(&dir).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let region = Region { dir, log };
        region.edit(edit);
        region
    }

    /// Rewrites the configuration.
    pub fn edit(&self, edit: impl FnOnce(String) -> String) {
        let config = fs::read_to_string(self.config()).unwrap();
        fs::write(self.config(), edit(config)).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.dir.join("budkavle.toml")
    }

    /// Starts the daemon and does not wait for anything.
    pub fn spawn(&self) -> Child {
        let log = File::options().append(true).create(true).open(&self.log).unwrap();
        let mut command = Command::new(binary());
        command.args(["run", "--config"]).arg(self.config()).env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap()
    }

    /// Starts the daemon and waits for its doors.
    pub fn start(&self) -> Gateway {
        let mut child = self.spawn();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(out.lines().next().and_then(Result::ok)));
        match receiver.recv_timeout(START_WAIT) {
            Ok(Some(line)) => {
                let mut doors = line.split_whitespace().filter_map(|word| word.strip_prefix("https://"));
                let mut door = || doors.next().unwrap().parse().unwrap();
                Gateway { child, portal: door(), staff: door() }
            }
            other => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the gateway did not start ({other:?}):\n{}", self.said());
            }
        }
    }

    /// The end of what the daemon said on standard error.
    pub fn said(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Gives a command to the running daemon, as an operator does.
    pub fn operate(&self, words: &[&str]) -> Output {
        Command::new(binary()).args(words).arg("--config").arg(self.config()).arg("--json").output().unwrap()
    }

    /// The reply to a command that has to succeed.
    pub fn told(&self, words: &[&str]) -> Value {
        let output = self.operate(words);
        assert!(output.status.success(), "{words:?}: {output:?}\n{}", self.said());
        // A command that does several things replies to each.
        let mut replies = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
        replies.next().unwrap().unwrap()
    }
}

impl Gateway {
    /// SIGKILL.
    pub fn kill(self) {
        drop(self);
    }

    /// SIGTERM, and an orderly end.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a condition; false when it did not come in time.
pub fn comes_true(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    true
}

/// A line that the harness does not swallow.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A test that cannot run here says so by name; where nothing may be skipped it fails.
pub fn skip(test: &str, why: &str) {
    tell(&format!("SKIPPED {test}: {why}"));
    assert!(
        std::env::var_os("BUDKAVLE_NOTHING_SKIPPED").is_none_or(|set| set != "1"),
        "{test} may not be skipped: {why}"
    );
}

/// A scratch directory with a short path (a socket's may have 107 bytes) that other users may pass through.
pub fn scratch() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let open = fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().prefix("budkavle-").permissions(open).tempdir().unwrap()
}

fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_budkavle")
}
