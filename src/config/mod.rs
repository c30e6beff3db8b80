//! The configuration file: its shape (`file.rs`), the rules between its settings (`check.rs`), how its faults are told
//! (`diagnostic.rs`), and the descriptions of issuers (`pki.rs`). The only room for `toml`.

mod check;
pub mod diagnostic;
mod directory;
mod doors;
mod file;
mod letters;
mod pki;
mod revocation;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;

use crate::admit::LimitsSettings;
use crate::domain::id::HsaId;
use crate::domain::mail_address::MailAddress;
use crate::identity::TrustSettings;
use crate::mail;
use crate::net::ServerTlsSettings;
use crate::render::Service;
use crate::render::staff::SessionLimits;
use crate::telemetry;
use crate::usecase::status;

pub use self::diagnostic::Faults;
pub use self::directory::DirectorySettings;

/// Test identities and production ones never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Test,
    Production,
}

/// A door that listens on TCP.
#[derive(Debug, Clone)]
pub struct DoorSettings {
    pub listen: SocketAddr,
    pub tls: ServerTlsSettings,
    pub connections_max: usize,
}

/// The door that asks nobody who they are.
#[derive(Debug, Clone)]
pub struct PublicDoorSettings {
    pub door: DoorSettings,
    pub connections_per_address_max: usize,
}

/// Where the master key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeyPlace {
    File(PathBuf),
    /// `$CREDENTIALS_DIRECTORY/master-key`, as systemd's LoadCredential gives it.
    Credential,
}

/// Everything that a start needs, complete and checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub mode: Mode,
    pub data_dir: PathBuf,
    pub master_key: MasterKeyPlace,
    pub cache_bytes: u64,
    pub service: Service,
    pub template_dir: Option<PathBuf>,
    pub portal: DoorSettings,
    pub staff: DoorSettings,
    pub sessions: SessionLimits,
    pub public: PublicDoorSettings,
    /// None where the region has no card test.
    pub card_test: Option<DoorSettings>,
    pub admin_socket: PathBuf,
    /// Where the copy of the public pages is kept.
    pub snapshot_dir: PathBuf,
    pub trust: TrustSettings,
    /// Who is told by letter of certificates that end soon.
    pub operators: Vec<MailAddress>,
    pub revocation: crate::jobs::revocation::Settings,
    pub ocsp: crate::jobs::ocsp::Settings,
    pub mail: mail::Settings,
    pub mail_from: mail::Sender,
    pub bounce_address: MailAddress,
    pub letters_at_once: usize,
    /// Portals that are never silent for longer.
    pub portal_silence: BTreeMap<HsaId, SignedDuration>,
    /// Of Message-IDs, of the addresses that bounces of notices go to, and of those to leave by.
    pub mail_domain: String,
    /// A notice's recipient is marked on disk before its letter is sent, one by one: slower, hardly a duplicate after a
    /// crash.
    pub mail_strict: bool,
    /// Where bounces and wishes to leave are picked up.
    pub incoming_maildir: Option<PathBuf>,
    /// Where staff come from.
    pub directory: DirectorySettings,
    pub limits: LimitsSettings,
    pub status: status::Settings,
    /// Only addresses of these domains may subscribe; all when empty.
    pub allowed_domains: Vec<String>,
    pub log: telemetry::Settings,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: {source}. Name the configuration with --config FILE", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Unfit(#[from] Faults),
}

impl Config {
    /// Reads and checks the file. Relative paths in it are relative to its directory.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let source =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Ok(Config::read(path, &source)?)
    }

    /// Where it lies who left while the gateway was down, until it is up.
    pub fn leavings_dir(&self) -> PathBuf {
        self.data_dir.join("leavings")
    }

    /// As `load`, from text.
    pub fn read(path: &Path, source: &str) -> Result<Config, Faults> {
        let mut scrutiny = diagnostic::Scrutiny::new(path, source);
        let file: Option<file::File> = scrutiny.read();
        let base = path.parent().map(Path::to_owned).unwrap_or_default();
        let config = file.and_then(|file| check::check(&mut scrutiny, &base, file));
        scrutiny.finish_with(config)
    }
}
