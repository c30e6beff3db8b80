//! `cargo bench --bench fanout`: how long a notice takes from being published to the last subscriber's letter, how many
//! letters a second that is beside Postfix's own `smtp-source` into the same `smtp-sink`, and what it costs in memory.
//!
//! The gateway speaks TLS, which `smtp-sink` cannot: this process takes the TLS off in between, on the same CPUs.
//! `BUDKAVLE_BENCH_RECIPIENTS` names how many subscribers the largest region has (default 100000).

use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener as FreePort;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

type Fault = Box<dyn Error + Send + Sync>;

const BUDKAVLE: &str = env!("CARGO_BIN_EXE_budkavle");
/// Subscribers of the status page that took 800 s for them (cachet#4410).
const CACHET: u64 = 10_201;
const LARGEST: u64 = 100_000;
const CONNECTIONS: usize = 8;
/// Publications whose time is taken with few and with many subscribers.
const PUBLICATIONS: usize = 100;
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(600);

fn main() -> Result<(), Fault> {
    let sink = Sink::start()?;
    let largest = match std::env::var("BUDKAVLE_BENCH_RECIPIENTS") {
        Ok(text) => text.parse()?,
        Err(_) => LARGEST,
    };
    let peer = smtp_source(sink.port)?;
    say(&format!("smtp-source, {CONNECTIONS} connections, no TLS: {peer:.0} letters/s"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    say("subscribers    mode    publish   first letter    last letter   letters/s  of smtp-source   memory")?;
    for (subscribers, strict) in [(10, false), (CACHET, false), (CACHET, true), (largest, false)] {
        let house = runtime.block_on(House::start(sink.port, strict))?;
        house.subscribe(subscribers)?;
        let run = house.tell_all(subscribers)?;
        let rate = subscribers as f64 / run.last.as_secs_f64();
        say(&format!(
            "{subscribers:>11} {:>7} {:>7.0?} {:>14.0?} {:>14.2?} {rate:>11.0} {:>15.2} {:>5} MB",
            if strict { "strict" } else { "default" },
            run.published,
            run.first,
            run.last,
            rate / peer,
            house.memory_mb()?,
        ))?;
        if !strict {
            let mut times = house.publish_times()?;
            times.sort();
            let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
            say(&format!(
                "{:>11} publishing: p50 {:.0?}, p99 {:.0?}, the command line's own start included",
                "",
                at(50),
                at(99)
            ))?;
        }
    }
    let mailman = Command::new("mailman").arg("--version").output();
    say(if mailman.is_ok() {
        "Mailman is installed; compare by hand."
    } else {
        "Mailman 3 is not installed: no figure of it."
    })
}

/// Postfix's sink for letters, ended when dropped.
struct Sink {
    process: Child,
    port: u16,
}

impl Sink {
    fn start() -> Result<Sink, Fault> {
        let port = FreePort::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(tool("smtp-sink"));
        command.args(["-u", "nobody", "-m", "256", &format!("127.0.0.1:{port}"), "256"]);
        let process = command.spawn().map_err(|e| format!("smtp-sink: {e}. It comes with Debian's postfix"))?;
        let sink = Sink { process, port };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err("smtp-sink does not answer".into());
            }
            std::thread::sleep(LOOK);
        }
        Ok(sink)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Letters a second of Postfix's own source, connections kept as ours are.
fn smtp_source(port: u16) -> Result<f64, Fault> {
    let begun = Instant::now();
    let letters = CACHET.to_string();
    let connections = CONNECTIONS.to_string();
    let mut command = Command::new(tool("smtp-source"));
    command.args(["-d", "-s", &connections, "-m", &letters, "-l", "4000", &format!("127.0.0.1:{port}")]);
    if !command.status()?.success() {
        return Err("smtp-source failed".into());
    }
    Ok(CACHET as f64 / begun.elapsed().as_secs_f64())
}

fn tool(name: &str) -> PathBuf {
    let installed = Path::new("/usr/sbin").join(name);
    if installed.exists() { installed } else { name.into() }
}

/// A region with its gateway, which sends through a relay of this process.
struct House {
    dir: tempfile::TempDir,
    gateway: Child,
}

/// How long a notice took.
struct Run {
    published: Duration,
    first: Duration,
    last: Duration,
}

impl House {
    async fn start(sink: u16, strict: bool) -> Result<House, Fault> {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let region = dir.path().join("r");
        let made = Command::new(BUDKAVLE).args(["demo", "--port-base", "0", "--prepare"]).arg(&region).output()?;
        if !made.status.success() {
            return Err(String::from_utf8_lossy(&made.stderr).into());
        }
        let port = relay(&region, sink).await?;
        let config = fs::read_to_string(region.join("budkavle.toml"))?;
        let (before, rest) = config.split_once("[mail]\n").ok_or("no [mail]")?;
        let (_, after) = rest.split_once("[log]\n").ok_or("no [log]")?;
        let mail = format!(
            "[mail]\nfrom-name = \"Driftinformation\"\nfrom-address = \"driftinfo@status.region.example\"\ntransport = \
             \"smtp\"\nhost = \"localhost\"\nport = {port}\nsecurity = \"implicit-tls\"\nhello-name = \
             \"gateway.region.example\"\nca-file = \"tls/server-ca.pem\"\nconnections-max = {CONNECTIONS}\nstrict = {strict}\n\n"
        );
        fs::write(region.join("budkavle.toml"), format!("{before}{mail}[log]\n{after}"))?;
        let log = File::create(dir.path().join("log"))?;
        let mut command = Command::new(BUDKAVLE);
        command.args(["run", "--config"]).arg(region.join("budkavle.toml")).env_remove("NOTIFY_SOCKET");
        let mut gateway = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let out = gateway.stdout.take().ok_or("no output")?;
        BufReader::new(out).lines().next().ok_or("the gateway did not start")??;
        Ok(House { dir, gateway })
    }

    fn operate(&self, words: &[&str]) -> Result<Vec<u8>, Fault> {
        let config = self.dir.path().join("r/budkavle.toml");
        let output = Command::new(BUDKAVLE).args(words).arg("--json").arg("--config").arg(config).output()?;
        if !output.status.success() {
            return Err(format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(output.stdout)
    }

    fn subscribe(&self, count: u64) -> Result<(), Fault> {
        let mut rows = String::from("address,language,targets,dailyAt\n");
        for number in 0..count {
            let domain = if number % 5 == 0 { number % 40 } else { 0 };
            let language = if number % 10 == 0 { "en" } else { "sv" };
            writeln!(rows, "s{number}@d{domain}.example.test,{language},,")?;
        }
        let file = self.dir.path().join("subscribers.csv");
        fs::write(&file, rows)?;
        let file = file.to_str().ok_or("a path")?;
        self.operate(&["subscriber", "import", file, "--source", "bench", "--confirmed"])?;
        Ok(())
    }

    fn open(&self, mail: bool) -> Result<(), Fault> {
        let mut words =
            vec!["incident", "open", "--title", "Inloggning med SITHS fungerar inte", "--audience", "staff"];
        words.extend(["--component", "siths=major_outage", "--text", "Du som redan är inloggad kan arbeta vidare."]);
        words.extend(["--hold", "0"]);
        if !mail {
            words.push("--no-mail");
        }
        self.operate(&words).map(drop)
    }

    fn tell_all(&self, subscribers: u64) -> Result<Run, Fault> {
        let begun = Instant::now();
        self.open(true)?;
        let published = begun.elapsed();
        let mut first = None;
        while begun.elapsed() < PATIENCE {
            let accepted = self.accepted()?;
            if accepted > 0 && first.is_none() {
                first = Some(begun.elapsed());
            }
            if accepted == subscribers {
                return Ok(Run { published, first: first.unwrap_or_default(), last: begun.elapsed() });
            }
            std::thread::sleep(LOOK);
        }
        Err(format!("only {} of {subscribers} letters came", self.accepted()?).into())
    }

    /// Letters of notices that the smarthost has taken.
    fn accepted(&self) -> Result<u64, Fault> {
        let config = fs::read_to_string(self.dir.path().join("r/budkavle.toml"))?;
        let socket = config.lines().find_map(|line| line.strip_prefix("socket = ")).ok_or("no admin socket")?;
        let mut stream = UnixStream::connect(self.dir.path().join("r").join(socket.trim_matches('"')))?;
        stream.write_all(b"{\"command\":\"status\"}\n")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let status: Value = serde_json::from_str(&line)?;
        status["done"]["notices"]["acceptedSinceStart"].as_u64().ok_or_else(|| line.into())
    }

    fn publish_times(&self) -> Result<Vec<Duration>, Fault> {
        let mut times = Vec::new();
        for _ in 0..PUBLICATIONS {
            let begun = Instant::now();
            self.open(false)?;
            times.push(begun.elapsed());
        }
        Ok(times)
    }

    /// The most that the gateway has held at once.
    fn memory_mb(&self) -> Result<u64, Fault> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.gateway.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.gateway.kill();
        let _ = self.gateway.wait();
    }
}

/// Takes TLS off with the region's certificate and hands the rest to the sink; gives the port.
async fn relay(region: &Path, sink: u16) -> Result<u16, Fault> {
    let file = |name: &str| File::open(region.join("tls").join(name)).map(BufReader::new);
    let chain = CertificateDer::pem_reader_iter(file("server.pem")?).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_reader(file("server.key")?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                near.set_nodelay(true)?;
                let mut far = TcpStream::connect(("127.0.0.1", sink)).await?;
                far.set_nodelay(true)?;
                let mut near = acceptor.accept(near).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    Ok(port)
}

fn say(line: &str) -> Result<(), Fault> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
