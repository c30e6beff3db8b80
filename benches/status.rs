//! `cargo bench --bench status`: how many reads of the status page a second the public door gives, beside nginx, which
//! serves the same bytes under the same headers over TLS on the same machine in the same run.
//!
//! Clients keep their connections, speak HTTP/1.1 and read each answer whole; they are the same for both servers and
//! share the processors with them, so the CPU time of a request is told too. Without nginx only our own figures are told.
//! `BUDKAVLE_BENCH_SECONDS` is the time of each measurement (default 4).

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

type Fault = Box<dyn Error + Send + Sync>;

const CLIENTS: [usize; 4] = [1, 16, 64, 256];
/// Of nginx's requests a second, by the sum over all numbers of clients.
const GOAL: f64 = 0.7;
const SECONDS_DEFAULT: u64 = 4;
/// Clients already run so long before the measurement begins.
const WARM_UP: Duration = Duration::from_millis(500);
/// For a server to come up.
const START: Duration = Duration::from_secs(20);
/// Linux tells CPU time in hundredths of a second, whatever its own clock does.
const TICK_US: u64 = 10_000;
const PAGE: &str = "/status";
const REQUEST: &[u8] = b"GET /status HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\n\r\n";
/// Longer than any answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// High enough that no limit is met; the door still asks each of them.
const LIMITS: &str = "
[limits]
public-connection-per-minute = 1000000
public-page-per-minute = 1000000
";
/// 1,000,000 a minute would be met: each client comes from an address of its own.
const CLIENT_NETWORK: [u8; 2] = [127, 7];

fn main() -> Result<(), Fault> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure())
}

async fn measure() -> Result<(), Fault> {
    let seconds = std::env::var("BUDKAVLE_BENCH_SECONDS").ok().map_or(Ok(SECONDS_DEFAULT), |text| text.parse())?;
    let time = Duration::from_secs(seconds.clamp(1, 60));
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let region = scratch.path().join("region");
    let gateway = start_gateway(&region)?;
    let tls = connector(&region)?;
    let example = open(&tls, gateway.port, 0).await?.read().await?;
    let nginx = start_nginx(scratch.path(), &region, &example).await?;
    let cpus = std::thread::available_parallelism()?;
    say(&format!(
        "{PAGE}: {} bytes under {} bytes of headers; {cpus} CPUs, shared by server and clients",
        example.body.len(),
        example.head.len()
    ))?;
    say("
             budkavle                             nginx
    clients   reads/s   p50 ms   p99 ms  CPU µs   reads/s   p50 ms   p99 ms  CPU µs   ratio")?;
    let (mut ours, mut theirs) = (0.0, 0.0);
    for clients in CLIENTS {
        let load = Load { tls: &tls, clients, time };
        let own = load.put_on(&gateway).await?;
        let mut line = format!("{clients:>11} {}", own.columns());
        if let Some(nginx) = &nginx {
            let other = load.put_on(nginx).await?;
            (ours, theirs) = (ours + own.per_second, theirs + other.per_second);
            line += &format!(" {} {:>7.2}", other.columns(), own.per_second / other.per_second);
        }
        say(&line)?;
    }
    if nginx.is_none() {
        return say("\nnginx is not installed: nothing to compare with");
    }
    let ratio = ours / theirs;
    say(&format!("\nratio in all: {ratio:.2}; the goal is {GOAL}"))?;
    if ratio < GOAL { Err("below the goal".into()) } else { Ok(()) }
}

/// Clients that each read the page again when they have it.
struct Load<'a> {
    tls: &'a TlsConnector,
    clients: usize,
    time: Duration,
}

struct Figures {
    per_second: f64,
    /// Sorted, in microseconds.
    latencies: Vec<u32>,
    server_us: f64,
}

impl Figures {
    fn columns(&self) -> String {
        let percentile = |percent: usize| {
            let at = self.latencies.len().saturating_sub(1) * percent / 100;
            f64::from(self.latencies.get(at).copied().unwrap_or_default()) / 1_000.0
        };
        format!("{:>9.0} {:>8.2} {:>8.2} {:>7.1}", self.per_second, percentile(50), percentile(99), self.server_us)
    }
}

impl Load<'_> {
    async fn put_on(&self, server: &Server) -> Result<Figures, Fault> {
        let mut readers = Vec::with_capacity(self.clients);
        for number in 0..self.clients {
            readers.push(open(self.tls, server.port, u16::try_from(number)?).await?);
        }
        let from = Instant::now() + WARM_UP;
        let until = from + self.time;
        let mut clients = JoinSet::new();
        for reader in readers {
            clients.spawn(read_on(reader, from, until));
        }
        tokio::time::sleep_until(from.into()).await;
        let before = server.cpu_us()?;
        tokio::time::sleep_until(until.into()).await;
        let after = server.cpu_us()?;
        let mut latencies = Vec::new();
        while let Some(ended) = clients.join_next().await {
            latencies.extend(ended??);
        }
        latencies.sort_unstable();
        let reads = latencies.len() as f64;
        let per_second = reads / self.time.as_secs_f64();
        Ok(Figures { per_second, latencies, server_us: (after - before) as f64 / reads })
    }
}

/// Latencies, in microseconds, of what was read between the two moments.
async fn read_on(mut reader: Reader, from: Instant, until: Instant) -> Result<Vec<u32>, Fault> {
    let mut latencies = Vec::new();
    loop {
        let asked = Instant::now();
        if asked >= until {
            return Ok(latencies);
        }
        reader.pass().await?;
        let told = Instant::now();
        if told >= from && told < until {
            latencies.push(u32::try_from((told - asked).as_micros())?);
        }
    }
}

/// One connection. As little HTTP as reads an answer whole, so that the clients take little of the machine.
struct Reader {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

struct Answer {
    head: String,
    body: Vec<u8>,
}

async fn open(tls: &TlsConnector, port: u16, number: u16) -> Result<Reader, Fault> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    let [high, low] = number.to_be_bytes();
    let [a, b] = CLIENT_NETWORK;
    socket.bind(([a, b, high, low.max(1)], 0).into())?;
    let stream = socket.connect(([127, 0, 0, 1], port).into()).await?;
    stream.set_nodelay(true)?;
    let stream = tls.connect(ServerName::try_from("localhost")?, stream).await?;
    Ok(Reader { stream, buffer: vec![0; ANSWER_BYTES_MAX] })
}

impl Reader {
    async fn read(&mut self) -> Result<Answer, Fault> {
        let (head, whole) = self.pass().await?;
        let text = String::from_utf8(self.buffer[..head].to_vec())?;
        Ok(Answer { head: text, body: self.buffer[head..whole].to_vec() })
    }

    /// Asks and reads; where the head ends, and the whole.
    async fn pass(&mut self) -> Result<(usize, usize), Fault> {
        self.stream.write_all(REQUEST).await?;
        let (mut filled, mut ends) = (0, None);
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err("the server hung up".into());
            }
            filled += read;
            if ends.is_none() {
                ends = ends_of(&self.buffer[..filled])?;
            }
            if let Some((head, whole)) = ends.filter(|(_, whole)| filled >= *whole) {
                return Ok((head, whole));
            }
        }
    }
}

fn ends_of(bytes: &[u8]) -> Result<Option<(usize, usize)>, Fault> {
    let Some(head) = bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4) else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..head])?;
    if !text.starts_with("HTTP/1.1 200 ") {
        return Err(text.lines().next().unwrap_or_default().into());
    }
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse::<usize>().ok() } else { None }
    });
    Ok(Some((head, head + length.ok_or("no length")?)))
}

/// A server process; it ends with this value.
struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx's workers end with their master only if it is asked.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

impl Server {
    /// CPU time of the process and its children, in user and system mode together.
    fn cpu_us(&self) -> Result<u64, Fault> {
        let id = self.process.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let ids = children.split_whitespace().map(str::to_owned).chain([id.to_string()]);
        ids.into_iter().try_fold(0, |sum, id| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
            // Behind the name in parentheses, which may hold anything: fields 3 and on; 14 and 15 are the times.
            let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).ok_or("/proc/PID/stat")?;
            fields.skip(11).take(2).try_fold(sum, |sum, ticks| Ok(sum + ticks.parse::<u64>()? * TICK_US))
        })
    }
}

fn start_gateway(region: &Path) -> Result<Server, Fault> {
    let budkavle = env!("CARGO_BIN_EXE_budkavle");
    let prepared = Command::new(budkavle)
        .args(["demo", "--port-base", "0", "--prepare"])
        .arg(region)
        .stdout(Stdio::null())
        .status()?;
    if !prepared.success() {
        return Err("the sample region could not be prepared".into());
    }
    let configuration = region.join("budkavle.toml");
    File::options().append(true).open(&configuration)?.write_all(LIMITS.as_bytes())?;
    let mut command = Command::new(budkavle);
    let process = command.args(["run", "--config"]).arg(&configuration).stdout(Stdio::piped()).spawn()?;
    let mut server = Server { process, port: 0 };
    let mut line = String::new();
    BufReader::new(server.process.stdout.take().ok_or("no standard output")?).read_line(&mut line)?;
    let mut doors = line.split_whitespace().filter_map(|word| word.rsplit_once(':')?.1.parse().ok());
    server.port = doors.next_back().ok_or_else(|| format!("the gateway did not start: {line}"))?;
    Ok(server)
}

/// nginx with the page as a file and our headers beside its own; none where it is not installed.
async fn start_nginx(scratch: &Path, region: &Path, example: &Answer) -> Result<Option<Server>, Fault> {
    if !Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let root = scratch.join("nginx");
    fs::create_dir_all(&root)?;
    fs::write(root.join("status"), &example.body)?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    // What nginx says by itself; the others are told to it.
    let its_own = ["content-length", "content-type", "date", "etag"];
    let headers = example.head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers = headers.filter(|(name, _)| !its_own.contains(name));
    let headers: String = headers.map(|(name, value)| format!("add_header {name} \"{value}\";\n")).collect();
    let (here, tls) = (root.display(), region.join("tls"));
    let tls = tls.display();
    let configuration = format!(
        "daemon off; worker_processes auto; pid {here}/pid; error_log {here}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {here}/t1; proxy_temp_path {here}/t2; fastcgi_temp_path {here}/t3;
  uwsgi_temp_path {here}/t4; scgi_temp_path {here}/t5; default_type \"text/html; charset=utf-8\";
  sendfile on; tcp_nopush on; keepalive_requests 1000000000; open_file_cache max=10;
  server {{ listen 127.0.0.1:{port} ssl; server_name localhost; root {here};
    ssl_certificate {tls}/server.pem; ssl_certificate_key {tls}/server.key; ssl_protocols TLSv1.3;
    {headers} }}
}}"
    );
    let file = root.join("nginx.conf");
    fs::write(&file, configuration)?;
    // Workers that give their rights up could not read below a closed directory.
    let process = Command::new("nginx").args(["-g", "user root;", "-c"]).arg(&file).stderr(Stdio::null()).spawn()?;
    let server = Server { process, port };
    let deadline = Instant::now() + START;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if Instant::now() > deadline {
            let said = fs::read_to_string(root.join("error.log")).unwrap_or_default();
            return Err(format!("nginx did not start: {said}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(Some(server))
}

fn connector(region: &Path) -> Result<TlsConnector, Fault> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(region.join("tls/server-ca.pem"))?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn say(line: &str) -> Result<(), Fault> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
