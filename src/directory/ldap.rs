//! The region's directory over LDAP, always within TLS: connect, bind, one paged search below a base, each step under a
//! timer. Gives posts; what becomes of them is not decided here.
//!
//! The library takes messages of any size and depth and panics at some. So it speaks through a socket pair: our side
//! of it holds the TLS connection and passes on whole messages within bounds (`guard`).

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchEntry, StdStream};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use super::entry::{self, Attributes, Entry, EntryFault};
use super::guard::{self, Broken};
use crate::domain::staff::Post;
use crate::net::outgoing::{TlsClient, TlsClientError, TlsClientSettings, TlsFault};

/// Entries of one page: small enough for every server's limit.
const PAGE_ENTRIES: i32 = 500;
/// Entries of one directory, units among them.
const ENTRIES_MAX: usize = 400_000;
/// Longest that a whole refresh may take, however steadily the server answers.
const REFRESH: Duration = Duration::from_secs(600);

/// Where the directory is and what is asked of it.
#[derive(Debug, Clone)]
pub struct LdapSettings {
    /// A DNS name or an IP address; must stand in the server's certificate.
    pub host: String,
    pub port: u16,
    /// TLS begins after a plain request for it; otherwise at once.
    pub start_tls: bool,
    /// Only these CAs; without it the system's store counts.
    pub ca_file: Option<PathBuf>,
    /// Name and password file; without it nobody binds.
    pub bind: Option<(String, PathBuf)>,
    pub base: String,
    pub filter: String,
    pub attributes: Attributes,
    /// Longest that the server may be silent.
    pub silence: Duration,
}

/// Whether a text is a filter (RFC 4515), for checks of a configuration.
pub fn is_filter(text: &str) -> bool {
    ldap3::parse_filter(text).is_ok()
}

/// What a server was doing when it fell silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Connect,
    StartTls,
    Handshake,
    Bind,
    Search,
    Whole,
}

impl Step {
    fn as_str(self) -> &'static str {
        match self {
            Step::Connect => "connecting",
            Step::StartTls => "asking for TLS",
            Step::Handshake => "the TLS handshake",
            Step::Bind => "the bind",
            Step::Search => "the search",
            Step::Whole => "the whole refresh",
        }
    }
}

/// Why there are no posts. Holds nothing that the server wrote.
#[derive(Debug, thiserror::Error)]
pub enum LdapError {
    #[error("the CA file does not do: {0}")]
    Trust(#[from] TlsClientError),
    #[error("the password file {} cannot be read: {kind}", path.display())]
    Password { path: PathBuf, kind: io::ErrorKind },
    #[error("the directory is not reached ({0}): is it up, and does a firewall let us through?")]
    Unreachable(io::ErrorKind),
    #[error("the directory was silent for too long: {}", .0.as_str())]
    Silent(Step),
    #[error("TLS to the directory failed: {}", tls_remedy(*.0))]
    Tls(TlsFault),
    #[error("the directory refuses StartTLS (result {0}): use ldaps://")]
    StartTls(u32),
    #[error("the directory refuses us (result {0}): are bind-dn and the password right?")]
    Bind(u32),
    #[error("the directory refuses the search (result {result}): {}", search_remedy(*result))]
    Search { result: u32 },
    #[error("the directory answered with no person: look at base, filter and our rights")]
    Nobody,
    #[error("the directory answered with more than 400000 entries: narrow base or filter")]
    TooMany,
    #[error("the directory broke the connection")]
    Closed,
    #[error("{0}")]
    Broken(#[from] Broken),
    /// The library could not make sense of an answer.
    #[error("the directory's answer is not LDAP as we know it")]
    Unknown,
}

fn tls_remedy(fault: TlsFault) -> &'static str {
    match fault {
        TlsFault::Name => "its certificate is for another name than the one in `url`",
        TlsFault::Issuer => "its certificate's issuer is not trusted: name the right `ca-file`",
        TlsFault::Validity => "its certificate is not valid now: renew it there, or set our clock",
        TlsFault::Handshake => "no common version, or no TLS at that port",
    }
}

fn search_remedy(result: u32) -> &'static str {
    match result {
        // timeLimitExceeded, sizeLimitExceeded, adminLimitExceeded.
        3 | 4 | 11 => "it gives us a part only: have its limits raised for our name, for paged searches too",
        32 => "there is no such `base`, or not for us",
        _ => "are `base`, `filter` and our rights right?",
    }
}

/// What the directory told.
#[derive(Debug)]
pub struct Fetched {
    pub posts: Vec<Post>,
    /// What is unfit, by the entry's number in the answer.
    pub faults: Vec<EntryFault>,
}

/// Asks for the whole directory. `now` decides which posts have ended.
pub async fn fetch(settings: LdapSettings, now: Timestamp) -> Result<Fetched, LdapError> {
    // On a task of its own: a panic of the library is an answer that we do not know.
    let fetching = tokio::spawn(async move {
        let attributes = settings.attributes.clone();
        let entries = timeout(REFRESH, ask(&settings)).await.map_err(|_| LdapError::Silent(Step::Whole))??;
        let (posts, faults) = entry::posts(&entries, &attributes, now);
        if posts.is_empty() { Err(LdapError::Nobody) } else { Ok(Fetched { posts, faults }) }
    });
    fetching.await.unwrap_or(Err(LdapError::Unknown))
}

async fn ask(settings: &LdapSettings) -> Result<Vec<Entry>, LdapError> {
    let password = settings.bind.as_ref().map(|(_, path)| read_password(path)).transpose()?;
    let trust = TlsClientSettings { ca_file: settings.ca_file.clone(), identity: None };
    let tls = tokio::task::spawn_blocking(move || TlsClient::new(&trust)).await.map_err(|_| LdapError::Unknown)??;
    let address = (settings.host.as_str(), settings.port);
    let mut stream = in_time(settings, Step::Connect, TcpStream::connect(address)).await?.map_err(unreachable)?;
    if settings.start_tls {
        let result = in_time(settings, Step::StartTls, guard::start_tls(&mut stream)).await??;
        if result != 0 {
            return Err(LdapError::StartTls(result));
        }
    }
    let handshake = in_time(settings, Step::Handshake, tls.connect_tls(stream, &settings.host)).await?;
    // A server that ends in the middle of it does not speak TLS there.
    let stream = handshake.map_err(|error| LdapError::Tls(TlsFault::of(&error).unwrap_or(TlsFault::Handshake)))?;
    let (near, far) = UnixStream::pair().map_err(unreachable)?;
    let far = LdapConnSettings::new().set_std_stream(StdStream::Unix(far.into_std().map_err(unreachable)?));
    // The address is not looked at: the stream is there already.
    let opened = LdapConnAsync::with_settings(far, "ldapi://directory").await;
    let (connection, ldap) = opened.map_err(|_| LdapError::Unknown)?;
    // When the library's connection ends, the conversation is told by its own means, after what came before.
    let driven = async {
        let _ = connection.drive().await;
        std::future::pending().await
    };
    tokio::select! {
        found = converse(settings, ldap, password) => found,
        broken = guard::pass_on(stream, near) => Err(broken.into()),
        ended = driven => ended,
    }
}

fn read_password(path: &PathBuf) -> Result<Zeroizing<String>, LdapError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| LdapError::Password { path: path.clone(), kind: error.kind() })?;
    Ok(Zeroizing::new(Zeroizing::new(text).trim_end_matches(['\r', '\n']).to_owned()))
}

fn unreachable(error: io::Error) -> LdapError {
    LdapError::Unreachable(error.kind())
}

async fn in_time<T>(settings: &LdapSettings, step: Step, act: impl Future<Output = T>) -> Result<T, LdapError> {
    timeout_at(Instant::now() + settings.silence, act).await.map_err(|_| LdapError::Silent(step))
}

async fn converse(
    settings: &LdapSettings,
    mut ldap: Ldap,
    password: Option<Zeroizing<String>>,
) -> Result<Vec<Entry>, LdapError> {
    if let (Some((name, _)), Some(password)) = (&settings.bind, &password) {
        let bound = in_time(settings, Step::Bind, ldap.simple_bind(name, password)).await?;
        match bound.map_err(|_| LdapError::Closed)?.rc {
            0 => {}
            result => return Err(LdapError::Bind(result)),
        }
    }
    let adapters: Vec<Box<dyn Adapter<_, _>>> =
        vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(PAGE_ENTRIES))];
    let wanted = settings.attributes.names();
    let search = ldap.streaming_search_with(adapters, &settings.base, Scope::Subtree, &settings.filter, wanted);
    let mut found = in_time(settings, Step::Search, search).await?.map_err(|_| LdapError::Closed)?;
    let mut entries = Vec::new();
    while let Some(entry) = in_time(settings, Step::Search, found.next()).await?.map_err(|_| LdapError::Closed)? {
        if entries.len() >= ENTRIES_MAX {
            return Err(LdapError::TooMany);
        }
        entries.push(read_entry(entries.len(), SearchEntry::construct(entry)));
    }
    match in_time(settings, Step::Search, found.finish()).await?.rc {
        0 => {}
        result => return Err(LdapError::Search { result }),
    }
    // Politeness: whether it is heard does not matter.
    let _ = in_time(settings, Step::Search, ldap.unbind()).await;
    Ok(entries)
}

fn read_entry(before: usize, found: SearchEntry) -> Entry {
    let mut entry = Entry::new(before as u64 + 1, found.dn);
    for (name, values) in found.attrs {
        values.into_iter().for_each(|value| entry.add(&name, value.into_bytes()));
    }
    for (name, values) in found.bin_attrs {
        values.into_iter().for_each(|value| entry.add(&name, value));
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::outgoing::fixture::TlsServer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// BindResponse, success, to message 1.
    const BOUND: &[u8] = &[0x30, 0x0c, 0x02, 0x01, 0x01, 0x61, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00];

    /// What becomes of a refresh when the server sends this after the first request, and this after the second.
    async fn refused(answers: [Vec<u8>; 2]) -> LdapError {
        let dir = tempfile::tempdir().unwrap();
        let (ca_file, password) = (dir.path().join("ca.pem"), dir.path().join("password"));
        let server = TlsServer::new("localhost");
        std::fs::write(&ca_file, server.ca_pem()).unwrap();
        std::fs::write(&password, "lösenord\n").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let mut stream = server.accept(listener.accept().await.unwrap().0).await.unwrap();
            for answer in answers {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(&answer).await;
            }
            let _ = stream.shutdown().await;
        });
        let settings = LdapSettings {
            host: "localhost".into(),
            port,
            start_tls: false,
            ca_file: Some(ca_file),
            bind: Some(("cn=gateway,c=SE".into(), password)),
            base: "c=SE".into(),
            filter: "(hsaIdentity=*)".into(),
            attributes: Attributes::default(),
            silence: Duration::from_secs(20),
        };
        let refused = fetch(settings, "2026-11-22T09:15:00Z".parse().unwrap()).await.unwrap_err();
        serving.abort();
        refused
    }

    /// A message around an operation, nothing longer than 127 bytes.
    fn message(number: u8, operation: &[u8]) -> Vec<u8> {
        let content = [&[0x02, 0x01, number], operation].concat();
        [&[0x30, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()
    }

    #[tokio::test]
    async fn whatever_a_server_answers_is_a_refusal_and_never_our_end() {
        // Each level holds all that follow.
        let levels = (0..20_000_u32).rev().flat_map(|inside| [&[0x30, 0x84][..], &(inside * 6).to_be_bytes()].concat());
        let levels: Vec<u8> = levels.collect();
        let length = u32::try_from(levels.len() + 3).unwrap().to_be_bytes();
        let nested = [&[0x30, 0x84][..], &length, &[0x02, 0x01, 0x01], &levels].concat();
        assert!(matches!(refused([nested, Vec::new()]).await, LdapError::Broken(Broken::Malformed)));
        assert!(matches!(refused([b"HTTP/1.1 400".to_vec(), Vec::new()]).await, LdapError::Broken(_)));
        assert!(matches!(refused([BOUND.to_vec(), Vec::new()]).await, LdapError::Closed));
        // Sound envelopes with something else in them than an answer.
        let entry_without_attributes = message(2, &[0x64, 0x02, 0x04, 0x00]);
        let entry_of_numbers = message(2, &[0x64, 0x08, 0x02, 0x01, 0x07, 0x30, 0x03, 0x02, 0x01, 0x07]);
        for answers in [
            [message(1, &[0x04, 0x00]), Vec::new()],
            [message(1, &[0x61, 0x00]), Vec::new()],
            [BOUND.to_vec(), entry_without_attributes],
            [BOUND.to_vec(), entry_of_numbers],
            [BOUND.to_vec(), message(2, &[0x65, 0x02, 0x04, 0x00])],
        ] {
            assert!(matches!(refused(answers).await, LdapError::Unknown | LdapError::Closed));
        }
    }
}
