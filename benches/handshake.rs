//! `cargo bench --bench handshake`: how many full mutual TLS handshakes the portal door gives for a second of the
//! server's processor time, with a revocation list of 200,000 entries, beside nginx (`ssl_verify_client on`, one worker)
//! with the same P-256 keys on the same machine in the same run.
//!
//! A handshake is one connection with one small request, and its answer read to the end: in TLS 1.3 a client believes
//! itself inside before it was judged. Nothing is resumed. Ours answers `/v1/api-info` through limits, registration and
//! routing; nginx says `return 200`. nginx is given the issuing CA as a self-signed certificate and no list: one
//! signature to check, the least that it can do. What it does with the same list is told for the record, and what a
//! handshake costs that shows a stolen certificate, without its key. Rounds alternate between the servers.
//! Without nginx only our own figures are told. `BUDKAVLE_BENCH_SECONDS` is the time of each measurement of a round
//! (default 2).

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use rustls::client::Resumption;
use rustls::crypto::{SupportedKxGroup, aws_lc_rs};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription, ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use time::OffsetDateTime;

type Fault = Box<dyn Error + Send + Sync>;

/// Of nginx's handshakes a second of processor time, over the same group.
const GOAL: f64 = 1.3;
const ENTRIES: u64 = 200_000;
/// The first one warms up and is not counted.
const ROUNDS: usize = 4;
const SECONDS_DEFAULT: u64 = 2;
/// Clients at once: enough that the server never waits for them.
const CLIENTS: usize = 8;
/// For a server to come up; nginx reads the list for seconds.
const START: Duration = Duration::from_secs(60);
/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Linux tells CPU time in hundredths of a second, whatever its own clock does.
const TICK_US: u64 = 10_000;
const REQUEST: &[u8] = b"GET /v1/api-info HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
/// High enough that no limit is met; the door still asks each of them.
const LIMITS: &str = "
[limits]
address-per-minute = 1000000
certificate-per-minute = 1000000
";

fn main() -> Result<(), Fault> {
    let seconds = std::env::var("BUDKAVLE_BENCH_SECONDS").ok().map_or(Ok(SECONDS_DEFAULT), |text| text.parse())?;
    let time = Duration::from_secs(seconds.clamp(1, 60));
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let region = prepare(&scratch.path().join("region"))?;
    let gateway = start_gateway(&region)?;
    let mut servers = vec![("budkavle", gateway)];
    for (name, list) in [("nginx", None), ("nginx with the list", Some(region.join("ca/function.crl")))] {
        servers.extend(start_nginx(&scratch.path().join(name), &region, list)?.map(|server| (name, server)));
    }
    let clients = Clients::new(&region)?;
    let mut loads = Vec::new();
    for (at, (name, _)) in servers.iter().enumerate() {
        let of_all = [("good, X25519", &clients.good, true), ("stolen, X25519", &clients.stolen, false)];
        loads.extend(of_all.map(|(what, tls, good)| Load::new(at, format!("{name}: {what}"), tls, good)));
        if at == 0 {
            loads.push(Load::new(at, format!("{name}: good, X25519MLKEM768"), &clients.post_quantum, true));
        }
    }
    for round in 0..ROUNDS {
        for load in &mut loads {
            let (_, server) = servers.get(load.server).ok_or("no such server")?;
            let measured = load.put_on(server, time)?;
            if round > 0 {
                load.handshakes += measured.0;
                load.cpu_us += measured.1;
            }
        }
    }
    report(&loads)
}

fn report(loads: &[Load]) -> Result<(), Fault> {
    say(&format!("{ENTRIES} entries in the revocation list; TLS 1.3, P-256, one request a connection\n"))?;
    say("                                      handshakes   CPU µs each   per CPU second")?;
    for load in loads {
        let (name, us) = (&load.name, load.us());
        say(&format!("{name:<38} {:>9} {us:>13.0} {:>16.0}", load.handshakes, 1e6 / us))?;
    }
    let find = |name: &str| loads.iter().find(|load| load.name == name).map(Load::us);
    let (good, stolen) = find("budkavle: good, X25519").zip(find("budkavle: stolen, X25519")).ok_or("not measured")?;
    say(&format!("\na stolen certificate costs {:.2} of a good one; the goal is less than 1", stolen / good))?;
    if stolen >= good {
        return Err("a stolen certificate costs more than a good one".into());
    }
    let Some(nginx) = find("nginx: good, X25519") else {
        return say("nginx is not installed: nothing to compare with");
    };
    let ratio = nginx / good;
    say(&format!("good ones, X25519 on both sides, beside nginx without a list: {ratio:.2}; the goal is {GOAL}"))?;
    if ratio < GOAL { Err("below the goal".into()) } else { Ok(()) }
}

/// Whoever connects, all in the same way.
struct Clients {
    good: Arc<ClientConfig>,
    /// The certificate is public; the key is another one's.
    stolen: Arc<ClientConfig>,
    post_quantum: Arc<ClientConfig>,
}

impl Clients {
    fn new(region: &Path) -> Result<Clients, Fault> {
        let key = PrivateKeyDer::from_pem_file(region.join("tls/portal.key"))?;
        let other = PrivatePkcs8KeyDer::from(KeyPair::generate()?.serialize_der());
        Ok(Clients {
            good: client(region, key.clone_key(), aws_lc_rs::kx_group::X25519)?,
            stolen: client(region, other.into(), aws_lc_rs::kx_group::X25519)?,
            post_quantum: client(region, key, aws_lc_rs::kx_group::X25519MLKEM768)?,
        })
    }
}

fn client(
    region: &Path,
    key: PrivateKeyDer<'static>,
    group: &'static dyn SupportedKxGroup,
) -> Result<Arc<ClientConfig>, Fault> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(region.join("tls/server-ca.pem"))?)?;
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![group];
    let certificate = CertificateDer::from_pem_file(region.join("tls/portal.pem"))?;
    // Not checked to fit, which is what a thief needs.
    let pair = CertifiedKey::new(vec![certificate], provider.key_provider.load_private_key(key)?);
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// One kind of client at one server.
struct Load {
    server: usize,
    name: String,
    tls: Arc<ClientConfig>,
    good: bool,
    handshakes: u64,
    cpu_us: u64,
}

impl Load {
    fn new(server: usize, name: String, tls: &Arc<ClientConfig>, good: bool) -> Load {
        Load { server, name, tls: tls.clone(), good, handshakes: 0, cpu_us: 0 }
    }

    /// Microseconds of the server's processor time for one handshake.
    fn us(&self) -> f64 {
        self.cpu_us as f64 / self.handshakes as f64
    }

    /// Handshakes, and what they cost the server in microseconds of processor time.
    fn put_on(&self, server: &Server, time: Duration) -> Result<(u64, u64), Fault> {
        let (before, until) = (server.cpu_us()?, Instant::now() + time);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (tls, good, port) = (self.tls.clone(), self.good, server.port);
                thread::spawn(move || {
                    let mut handshakes = 0;
                    while Instant::now() < until {
                        connect(&tls, port, good)?;
                        handshakes += 1;
                    }
                    Ok::<u64, Fault>(handshakes)
                })
            })
            .collect();
        let mut handshakes = 0;
        for client in clients {
            handshakes +=
                client.join().map_err(|_| "a client has failed")?.map_err(|e| format!("{}: {e}", self.name))?;
        }
        Ok((handshakes, server.cpu_us()? - before))
    }
}

/// One connection to its verdict: an answer, or for a thief the alert.
fn connect(tls: &Arc<ClientConfig>, port: u16, good: bool) -> Result<(), Fault> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let connection = ClientConnection::new(tls.clone(), ServerName::try_from("localhost")?)?;
    let mut stream = StreamOwned::new(connection, socket);
    let mut answer = Vec::new();
    let told = stream.write_all(REQUEST).and_then(|()| stream.read_to_end(&mut answer));
    let refused = told.as_ref().err().and_then(|error| error.get_ref()?.downcast_ref::<rustls::Error>());
    match refused {
        None if good && answer.starts_with(b"HTTP/1.1 200 ") => Ok(()),
        Some(rustls::Error::AlertReceived(AlertDescription::DecryptError)) if !good => Ok(()),
        // nginx may be gone before the alert has been read.
        None if !good && answer.is_empty() => Ok(()),
        _ => Err(format!("{told:?}: {}", String::from_utf8_lossy(&answer)).into()),
    }
}

/// A server process; it ends with this value.
struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx's worker ends with its master only if that one is asked.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Processor time of the process and its children, in user and system mode together.
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

/// The sample region with an issuing CA whose key is ours, so that its list can be made.
fn prepare(region: &Path) -> Result<PathBuf, Fault> {
    let budkavle = env!("CARGO_BIN_EXE_budkavle");
    let mut command = Command::new(budkavle);
    let prepared =
        command.args(["demo", "--port-base", "0", "--prepare"]).arg(region).stdout(Stdio::null()).status()?;
    if !prepared.success() {
        return Err("the sample region could not be prepared".into());
    }
    File::options().append(true).open(region.join("budkavle.toml"))?.write_all(LIMITS.as_bytes())?;
    let (root_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
    let root = Issuer::new(authority("TEST bench Root CA v1"), root_key);
    let issuing = authority("TEST SITHS e-id Function CA v1");
    fs::write(region.join("ca/function.pem"), issuing.signed_by(&key, &root)?.pem())?;
    fs::write(region.join("ca/function-for-nginx.pem"), issuing.self_signed(&key)?.pem())?;
    let issuing = Issuer::new(issuing, key);
    let holder = KeyPair::generate()?;
    let mut portal = CertificateParams::default();
    portal.distinguished_name = named("The portal");
    portal.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), "TSTNMT2321000156-P001");
    portal.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    portal.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    (portal.not_before, portal.not_after) = life();
    fs::write(region.join("tls/portal.pem"), portal.signed_by(&holder, &issuing)?.pem())?;
    fs::write(region.join("tls/portal.key"), holder.serialize_pem())?;
    fs::write(region.join("ca/function.crl"), list(&issuing)?)?;
    Ok(region.to_owned())
}

fn list(issuing: &Issuer<'_, KeyPair>) -> Result<String, Fault> {
    let (this_update, next_update) = life();
    let revoked = (1..=ENTRIES).map(|number| RevokedCertParams {
        serial_number: SerialNumber::from([0x40_u64 << 56, number].map(u64::to_be_bytes).concat()),
        revocation_time: this_update,
        reason_code: None,
        invalidity_date: None,
    });
    let list = CertificateRevocationListParams {
        this_update,
        next_update,
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(list.signed_by(issuing)?.pem()?)
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = life();
    params
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Budkavle bench");
    name.push(DnType::CommonName, common_name);
    name
}

fn life() -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    (now - Duration::from_secs(3_600), now + Duration::from_secs(365 * 24 * 3_600))
}

fn start_gateway(region: &Path) -> Result<Server, Fault> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_budkavle"));
    let command = command.args(["run", "--config"]).arg(region.join("budkavle.toml")).stdout(Stdio::piped());
    let mut server = Server { process: command.spawn()?, port: 0 };
    let mut line = String::new();
    BufReader::new(server.process.stdout.take().ok_or("no standard output")?).read_line(&mut line)?;
    let mut doors = line.split_whitespace().filter_map(|word| word.rsplit_once(':')?.1.parse().ok());
    server.port = doors.next().ok_or_else(|| format!("the gateway did not start: {line}"))?;
    Ok(server)
}

/// None where it is not installed.
fn start_nginx(root: &Path, region: &Path, list: Option<PathBuf>) -> Result<Option<Server>, Fault> {
    if !Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    fs::create_dir_all(root)?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let list = list.map(|list| format!("ssl_crl {};", list.display())).unwrap_or_default();
    let (here, region) = (root.display(), region.display());
    let configuration = format!(
        "daemon off; worker_processes 1; pid \"{here}/pid\"; error_log \"{here}/error.log\" crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path \"{here}/t1\"; proxy_temp_path \"{here}/t2\"; fastcgi_temp_path \"{here}/t3\";
  uwsgi_temp_path \"{here}/t4\"; scgi_temp_path \"{here}/t5\";
  server {{ listen 127.0.0.1:{port} ssl; server_name localhost;
    ssl_certificate {region}/tls/server.pem; ssl_certificate_key {region}/tls/server.key;
    ssl_client_certificate {region}/ca/function-for-nginx.pem; ssl_verify_client on; {list}
    ssl_protocols TLSv1.3; ssl_ecdh_curve X25519; ssl_session_cache off; ssl_session_tickets off;
    location / {{ return 200 'ok'; }} }}
}}"
    );
    let file = root.join("nginx.conf");
    fs::write(&file, configuration)?;
    // Workers that give their rights up could not read below a closed directory.
    let process = Command::new("nginx").args(["-g", "user root;", "-c"]).arg(&file).stderr(Stdio::null()).spawn()?;
    let server = Server { process, port };
    let deadline = Instant::now() + START;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > deadline {
            let said = fs::read_to_string(root.join("error.log")).unwrap_or_default();
            return Err(format!("nginx did not start: {said}").into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(Some(server))
}

fn say(line: &str) -> Result<(), Fault> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
