//! The operators' door: a Unix socket on the machine, one JSON request a line, one JSON reply a line. Who asks is
//! read from the socket's peer credentials: root, or the user that the daemon runs as. What is done is logged.

mod command;
mod directory;
mod notices;
mod probes;
pub mod status;
mod subscriber;
mod support;

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

pub use self::command::{CaseTypeFile, ClockCommand, Command, LogStore};
pub use self::directory::DirectoryCommand;
pub use self::notices::NoticeCommand;
pub use self::probes::ProbeCommand;
pub use self::subscriber::{ImportLine, ListFile, SubscriberCommand};
pub use self::support::SupportCommand;
use crate::domain::expiry::Ending;
use crate::jobs::directory::Refresher;
use crate::jobs::probes::Prober;
use crate::mail::Mailer;
use crate::outbox::{Counters, fanout};
use crate::render::Renderer;
use crate::usecase::Gateway;

/// Longest request, in bytes: a case type with its forms, a batch of posts.
const REQUEST_BYTES_MAX: u64 = 32 << 20;
/// Longest that a request or reply may take to pass.
const PASS: Duration = Duration::from_secs(60);
/// Operators at once.
const CONNECTIONS_MAX: usize = 16;

/// What `status` tells of the start.
#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    pub version: String,
    pub mode: String,
    pub portal: SocketAddr,
    pub staff: SocketAddr,
    pub public: SocketAddr,
    /// None where there is no such door.
    pub card_test: Option<SocketAddr>,
}

/// Moves the gateway's clock.
pub type Steer = Arc<dyn Fn(jiff::Timestamp) + Send + Sync>;

/// What commands work on.
#[derive(Clone)]
pub struct Operations {
    pub gateway: Arc<Gateway>,
    pub outbox: Arc<Counters>,
    pub fanout: Arc<fanout::Counters>,
    pub prober: Arc<Prober>,
    pub refresher: Arc<Refresher>,
    pub mailer: Arc<Mailer>,
    pub facts: Arc<Facts>,
    /// Issuers, revocation lists and our own certificates as they are now.
    pub trust: Arc<dyn Fn() -> Value + Send + Sync>,
    /// What of ours ends one day, as it is in use now.
    pub endings: Arc<dyn Fn() -> Vec<Ending> + Send + Sync>,
    /// For the mail of a preview.
    pub renderer: Arc<Renderer>,
    /// Moves the clock; there in test mode only.
    pub steer: Option<Steer>,
}

/// One reply.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    Done(Value),
    Refused(String),
}

/// Makes the socket, for its owner only. A leftover of a killed daemon is removed, a living one is not.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Ok(there) = std::fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no socket is in its place"));
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "another budkavle answers here")),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Err(error) => return Err(error),
        }
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves operators until told to stop.
pub async fn serve(listener: UnixListener, operations: Operations, mut stop: watch::Receiver<bool>) {
    let owner = listener
        .local_addr()
        .ok()
        .and_then(|a| a.as_pathname().map(Path::to_owned))
        .and_then(|path| std::fs::metadata(path).ok())
        .map(|meta| meta.uid());
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(event = "admin.accept", %error, "the admin socket did not accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let operations = operations.clone();
        tokio::spawn(async move {
            if let Err(error) = converse(stream, &operations, owner).await {
                tracing::debug!(event = "admin.connection", %error, "an operator's connection ended early");
            }
            drop(place);
        });
    }
}

async fn converse(stream: UnixStream, operations: &Operations, owner: Option<u32>) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read.take(REQUEST_BYTES_MAX));
    let mut line = Vec::new();
    tokio::time::timeout(PASS, lines.read_until(b'\n', &mut line)).await??;
    let reply = if uid != 0 && Some(uid) != owner {
        Reply::Refused("only root and the daemon's own user may give commands".into())
    } else {
        match serde_json::from_slice::<Command>(&line) {
            Ok(command) => match command::carry_out(operations, command, &user_name(uid)).await {
                Ok(value) => Reply::Done(value),
                Err(refusal) => Reply::Refused(refusal),
            },
            Err(error) => Reply::Refused(format!("not a command of this version: {error}")),
        }
    };
    let mut bytes = serde_json::to_vec(&reply)?;
    bytes.push(b'\n');
    tokio::time::timeout(PASS, write.write_all(&bytes)).await??;
    write.shutdown().await
}

/// For the access log: a name says more than a number where the machine has one.
pub fn user_name(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {uid}"))
}

/// Gives one command to a running daemon.
pub async fn ask(socket: &Path, command: &Command) -> io::Result<Reply> {
    let stream = UnixStream::connect(socket).await?;
    let (read, mut write) = stream.into_split();
    let mut bytes = serde_json::to_vec(command)?;
    bytes.push(b'\n');
    write.write_all(&bytes).await?;
    let mut reply = Vec::new();
    BufReader::new(read).read_until(b'\n', &mut reply).await?;
    Ok(serde_json::from_slice(&reply)?)
}
