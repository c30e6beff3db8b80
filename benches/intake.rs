//! `cargo bench --bench intake`: how many cases a second the gateway takes in, each on disk before its 201, and what
//! the same machine could do at best: a TLS echo of equal bytes, and the disk's own syncs.
//!
//! The gateway and the echo are processes of their own, so that their CPU time can be told from the clients'.
//! `BUDKAVLE_BENCH_SECONDS` is the time of each measurement (default 4: the whole then takes under a minute).

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

type Fault = Box<dyn Error + Send + Sync>;

const CLIENTS: [usize; 4] = [1, 16, 64, 256];
/// With letters: as many clients as a busy region's portals keep connections.
const CLIENTS_WITH_LETTERS: usize = 64;
const SECONDS_DEFAULT: u64 = 4;
const SECONDS: RangeInclusive<u64> = 1..=60;
/// Cases and echoes for each of `CLIENTS`, and cases with letters.
const MEASUREMENTS: u32 = 2 * 4 + 1;
/// For starts, warm-ups and syncs; whoever needs longer hangs.
const MARGIN: Duration = Duration::from_secs(30);
/// Clients already run so long before the measurement begins.
const WARM_UP: Duration = Duration::from_millis(500);
const SYNCS: Duration = Duration::from_secs(1);
/// Linux tells CPU time in hundredths of a second, whatever its own clock does.
const TICK_US: u64 = 10_000;

const FORM: &str = include_str!("../config/region/samples/kontakta-mig.question.response.json");
/// Stands in the body where each case has its own reference, of the same length.
const REFERENCE: &str = "bench-0000000000";
/// High enough that no limit is met; the gateway still asks each of them.
const LIMITS: &str = "
[limits]
certificate-per-minute = 1000000
submission-per-minute = 1000000
citizen-per-hour = 1000000
address-per-minute = 1000000
replay-per-minute = 1000000
";

fn main() -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [part, region] if part == "--echo" => runtime.block_on(echo(Path::new(region))),
        _ => runtime.block_on(async {
            // Told to stop, it still ends its servers and removes its region.
            let mut signals = Signals::new([SIGINT, SIGTERM])?;
            let time = time_of_each()?;
            tokio::select! {
                measured = measure(time) => measured,
                _ = signals.next() => Err("stopped before the end".into()),
                () = tokio::time::sleep(time * MEASUREMENTS + MARGIN) => Err("a server answers no more".into()),
            }
        }),
    }
}

fn time_of_each() -> Result<Duration, Fault> {
    let seconds = match std::env::var("BUDKAVLE_BENCH_SECONDS") {
        Ok(text) => text.parse().ok().filter(|s| SECONDS.contains(s)),
        Err(_) => Some(SECONDS_DEFAULT),
    };
    seconds.map(Duration::from_secs).ok_or_else(|| format!("BUDKAVLE_BENCH_SECONDS: a number in {SECONDS:?}").into())
}

async fn measure(time: Duration) -> Result<(), Fault> {
    // Not the system's temporary directory: that may be memory, whose syncs cost nothing.
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let region = scratch.path().join("region");
    let gateway = start_gateway(&region)?;
    let portal = connector(&region, "tls/portal")?;
    choose_letters(&region, gateway.staff, false).await?;

    let mut numbers = 0..u64::MAX;
    let example = submit_one(&portal, gateway.portal, &mut numbers).await?;
    let echo = start_echo(&region, &example)?;

    let journal = region.join("data/cases/journal");
    let journal_before = bytes_in(&journal)?;
    let mut frame_bytes = 0;
    say(HEADINGS)?;
    for clients in CLIENTS {
        let load = Load { tls: &portal, clients, time };
        let (cases, taken) = load.put_on(&gateway.process, gateway.portal, &mut numbers).await?;
        if frame_bytes == 0 {
            // A client alone: each case had a frame to itself.
            frame_bytes = usize::try_from((bytes_in(&journal)? - journal_before) / taken.max(1))?;
        }
        let (echoes, _) = load.put_on(&echo.process, echo.portal, &mut (0..u64::MAX)).await?;
        let syncs = syncs_per_second(&scratch.path().join("syncs"), frame_bytes)?;
        say(&row(&clients.to_string(), &cases, Some((&echoes, syncs))))?;
    }
    choose_letters(&region, gateway.staff, true).await?;
    let load = Load { tls: &portal, clients: CLIENTS_WITH_LETTERS, time };
    let (cases, _) = load.put_on(&gateway.process, gateway.portal, &mut numbers).await?;
    say(&row(&format!("{CLIENTS_WITH_LETTERS}+letters"), &cases, None))?;

    let last = submit_one(&portal, gateway.portal, &mut numbers).await?;
    let counted = serde_json::from_slice::<Value>(&last.body)?["receipt"]["sequence"].as_u64();
    if counted != Some(numbers.start) {
        return Err(format!("{} cases were acknowledged, the receipts count {counted:?}", numbers.start).into());
    }
    let cpus = std::thread::available_parallelism()?;
    say(&format!(
        "\n{} cases, each acknowledged once. {cpus} CPUs, shared by server and clients; a case is {} bytes of request, \
         {} of answer, {frame_bytes} of journal.\nCPU: µs a request, of the server and of its clients. \
         With letters: one is owed for each case, and leaves as fast as it can meanwhile.",
        numbers.start,
        body_of(0).len(),
        example.body.len(),
    ))
}

/// Clients that each send the next case when the last was acknowledged.
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
    clients_us: f64,
}

impl Load<'_> {
    /// Figures of the measured time, and how many requests there were with those of the warm-up.
    async fn put_on(&self, server: &Child, port: u16, numbers: &mut Range<u64>) -> Result<(Figures, u64), Fault> {
        let mut connections = Vec::with_capacity(self.clients);
        for _ in 0..self.clients {
            connections.push(connect(self.tls, port).await?);
        }
        let next = Arc::new(AtomicU64::new(numbers.start));
        let from = Instant::now() + WARM_UP;
        let until = from + self.time;
        let mut clients = JoinSet::new();
        for connection in connections {
            let next = next.clone();
            clients.spawn(client(connection, from, until, move || next.fetch_add(1, Ordering::Relaxed)));
        }
        tokio::time::sleep_until(from.into()).await;
        let before = (cpu_us(server.id())?, cpu_us(std::process::id())?);
        tokio::time::sleep_until(until.into()).await;
        let after = (cpu_us(server.id())?, cpu_us(std::process::id())?);
        let mut latencies = Vec::new();
        while let Some(ended) = clients.join_next().await {
            latencies.extend(ended??);
        }
        latencies.sort_unstable();
        let requests = latencies.len() as f64;
        let end = next.load(Ordering::Relaxed);
        let made = end - numbers.start;
        numbers.start = end;
        let figures = Figures {
            per_second: requests / self.time.as_secs_f64(),
            latencies,
            server_us: (after.0 - before.0) as f64 / requests,
            clients_us: (after.1 - before.1) as f64 / requests,
        };
        Ok((figures, made))
    }
}

/// Latencies, in microseconds, of what was answered between the two moments.
async fn client(
    mut connection: Connection,
    from: Instant,
    until: Instant,
    next: impl Fn() -> u64,
) -> Result<Vec<u32>, Fault> {
    let mut latencies = Vec::new();
    loop {
        let asked = Instant::now();
        if asked >= until {
            return Ok(latencies);
        }
        submit(&mut connection, next()).await?;
        let told = Instant::now();
        if told >= from && told < until {
            latencies.push(u32::try_from((told - asked).as_micros())?);
        }
    }
}

/// What the disk can do at best for a client alone: a frame's bytes appended and synced, over and over.
fn syncs_per_second(path: &Path, bytes: usize) -> Result<f64, Fault> {
    let mut file = File::create(path)?;
    let frame = vec![0xa5; bytes];
    let began = Instant::now();
    let mut syncs = 0_u32;
    while began.elapsed() < SYNCS {
        file.write_all(&frame)?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(f64::from(syncs) / began.elapsed().as_secs_f64())
}

/// CPU time of a process, in user and system mode together.
fn cpu_us(process: u32) -> Result<u64, Fault> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Behind the name in parentheses, which may hold anything: fields 3 and on; 14 and 15 are the times.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).ok_or("/proc/PID/stat")?;
    fields.skip(11).take(2).try_fold(0, |sum, ticks| Ok(sum + ticks.parse::<u64>()? * TICK_US))
}

fn bytes_in(dir: &Path) -> Result<u64, Fault> {
    fs::read_dir(dir)?.try_fold(0, |sum, entry| Ok(sum + entry?.metadata()?.len()))
}

/// A server process; it ends with this value.
struct Server {
    process: Child,
    portal: u16,
    staff: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts it and waits for the line that names its ports.
    fn start(command: &mut Command) -> Result<Server, Fault> {
        let process = command.stdout(Stdio::piped()).spawn()?;
        let mut server = Server { process, portal: 0, staff: 0 };
        let mut line = String::new();
        BufReader::new(server.process.stdout.take().ok_or("no standard output")?).read_line(&mut line)?;
        let mut ports = line.split_whitespace().filter_map(|word| word.rsplit_once(':')?.1.parse().ok());
        server.portal = ports.next().ok_or_else(|| format!("the server did not start: {line}"))?;
        server.staff = ports.next().unwrap_or_default();
        Ok(server)
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
    Server::start(Command::new(budkavle).args(["run", "--config"]).arg(&configuration))
}

type Connection = SendRequest<Full<Bytes>>;

/// TLS as a caller with one of the region's certificates.
fn connector(region: &Path, identity: &str) -> Result<TlsConnector, Fault> {
    let file = |name: String| region.join(name);
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(&file("tls/server-ca.pem".into()))?)
        .with_client_auth_cert(
            certificates(&file(format!("{identity}.pem")))?,
            PrivateKeyDer::from_pem_file(file(format!("{identity}.key")))?,
        )?;
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn connect(tls: &TlsConnector, port: u16) -> Result<Connection, Fault> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let stream = tls.connect(ServerName::try_from("localhost")?, stream).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

struct Told {
    headers: HeaderMap,
    body: Bytes,
}

/// Sends a request and reads the answer whole; any other status than the expected one is a fault.
async fn ask(to: &mut Connection, request: Request<Full<Bytes>>, expected: StatusCode) -> Result<Told, Fault> {
    to.ready().await?;
    let (head, body) = to.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    if head.status != expected {
        return Err(format!("{} where {expected} was expected: {}", head.status, String::from_utf8_lossy(&body)).into());
    }
    Ok(Told { headers: head.headers, body })
}

/// On a connection of its own.
async fn submit_one(tls: &TlsConnector, port: u16, numbers: &mut Range<u64>) -> Result<Told, Fault> {
    submit(&mut connect(tls, port).await?, numbers.next().unwrap_or_default()).await
}

async fn submit(to: &mut Connection, number: u64) -> Result<Told, Fault> {
    let request = Request::post("/v1/cases")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept-language", "sv")
        .header("idempotency-key", format!("bench-key-{number}"))
        .body(Full::from(body_of(number)))?;
    ask(to, request, StatusCode::CREATED).await
}

/// What a portal sends, with a reference of its own.
fn body_of(number: u64) -> String {
    static BODY: LazyLock<String> = LazyLock::new(|| {
        json!({
            "clinic": "TSTNMT2321000156-A001",
            "caseType": "kontakta-mig",
            "senderReference": REFERENCE,
            "citizen": {
                "identifier": { "system": "urn:oid:1.2.752.129.2.1.3.1", "value": "191212121212" },
                "name": "Tolvan Tolvansson",
                "protected": false,
            },
            "representative": null,
            "contact": { "email": "tolvan@example.test", "language": "sv" },
            "response": serde_json::from_str::<Value>(FORM).unwrap_or_default(),
        })
        .to_string()
    });
    BODY.replacen(REFERENCE, &format!("bench-{number:010}"), 1)
}

/// The clinic's one receiver wants a letter for each new case, or none.
async fn choose_letters(region: &Path, staff: u16, wanted: bool) -> Result<(), Fault> {
    let mut door = connect(&connector(region, "cards/receiver")?, staff).await?;
    let address = "/v1/me/notifications";
    let read = Request::get(address).header("host", "localhost").body(Full::default())?;
    let now = ask(&mut door, read, StatusCode::OK).await?;
    let mut choice: Value = serde_json::from_slice(&now.body)?;
    choice["newCase"] = wanted.into();
    let version = now.headers.get("etag").ok_or("no version of the choice")?;
    let put = Request::put(address)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("if-match", version)
        .body(Full::from(choice.to_string()))?;
    ask(&mut door, put, StatusCode::NO_CONTENT).await.map(drop)
}

fn start_echo(region: &Path, example: &Told) -> Result<Server, Fault> {
    let headers: Vec<_> =
        example.headers.iter().map(|(n, v)| Ok((n.as_str(), v.to_str()?))).collect::<Result<_, Fault>>()?;
    let example = json!({ "headers": headers, "body": std::str::from_utf8(&example.body)? });
    fs::write(region.join(EXAMPLE), example.to_string())?;
    Server::start(Command::new(std::env::current_exe()?).arg("--echo").arg(region))
}

const EXAMPLE: &str = "echo.json";

/// Mutual TLS and HTTP as at the portal door, with the same keys; every body is read, and the same answer given to it
/// that the gateway gave to one case. No rule, no disk.
async fn echo(region: &Path) -> Result<(), Fault> {
    let (headers, body): (Vec<(String, String)>, String) = {
        let example: Value = serde_json::from_slice(&fs::read(region.join(EXAMPLE))?)?;
        (serde_json::from_value(example["headers"].clone())?, serde_json::from_value(example["body"].clone())?)
    };
    let mut answer = HeaderMap::new();
    for (name, value) in headers {
        answer.insert(hyper::header::HeaderName::try_from(name)?, value.parse()?);
    }
    let answer = Arc::new((answer, Bytes::from(body)));
    let issuers = Arc::new(roots(&region.join("ca/function.pem"))?);
    let verifier = WebPkiClientVerifier::builder_with_provider(issuers, provider()).build()?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            certificates(&region.join("tls/server.pem"))?,
            PrivateKeyDer::from_pem_file(region.join("tls/server.key"))?,
        )?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    say(&format!("echo https://{}", listener.local_addr()?))?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (tls, answer) = (tls.clone(), answer.clone());
        tokio::spawn(async move { answer_all(stream, tls, answer).await });
    }
}

async fn answer_all(stream: TcpStream, tls: TlsAcceptor, answer: Arc<(HeaderMap, Bytes)>) -> Result<(), Fault> {
    stream.set_nodelay(true)?;
    let stream = tls.accept(stream).await?;
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            request.into_body().collect().await?;
            let mut response = Response::new(Full::new(answer.1.clone()));
            *response.status_mut() = StatusCode::CREATED;
            *response.headers_mut() = answer.0.clone();
            Ok::<_, hyper::Error>(response)
        }
    });
    Ok(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    Ok(CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?)
}

fn roots(path: &Path) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

const HEADINGS: &str = "
             gateway                                          TLS echo                                 disk
    clients   cases/s   p50 ms   p99 ms  CPU µs  clients'    echo/s   p50 ms   p99 ms  CPU µs   ratio   syncs/s   ratio";

fn row(label: &str, cases: &Figures, beside: Option<(&Figures, f64)>) -> String {
    let percentile = |figures: &Figures, percent: usize| {
        let at = figures.latencies.len().saturating_sub(1) * percent / 100;
        f64::from(figures.latencies.get(at).copied().unwrap_or_default()) / 1_000.0
    };
    let mut text = format!(
        "{label:>11} {:>9.0} {:>8.2} {:>8.2} {:>7.0} {:>9.0}",
        cases.per_second,
        percentile(cases, 50),
        percentile(cases, 99),
        cases.server_us,
        cases.clients_us,
    );
    if let Some((echo, syncs)) = beside {
        text += &format!(
            " {:>9.0} {:>8.2} {:>8.2} {:>7.1} {:>7.2} {syncs:>9.0} {:>7.2}",
            echo.per_second,
            percentile(echo, 50),
            percentile(echo, 99),
            echo.server_us,
            cases.per_second / echo.per_second,
            cases.per_second / syncs,
        );
    }
    text
}

fn say(line: &str) -> Result<(), Fault> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
