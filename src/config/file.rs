//! The shape of `budkavle.toml`: kebab-case, unknown keys refused, places kept for messages.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct File {
    pub mode: Mode,
    pub data_dir: PathBuf,
    pub master_key_file: Option<PathBuf>,
    pub service: Service,
    pub portal: Door,
    pub staff: StaffDoor,
    pub public: PublicDoor,
    pub card_test: Option<CardTestDoor>,
    pub admin: Admin,
    pub trust: Trust,
    #[serde(default)]
    pub local_it: Vec<LocalIt>,
    pub mail: Spanned<Mail>,
    #[serde(default)]
    pub directory: super::directory::Table,
    #[serde(default)]
    pub status: Status,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub store: Store,
    #[serde(default)]
    pub log: Log,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    Test,
    Production,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Service {
    pub name: Spanned<String>,
    pub portal_url: Spanned<String>,
    pub staff_url: Spanned<String>,
    pub support_telephone: Spanned<String>,
    pub support_hours: Option<Spanned<String>>,
    pub support_hours_en: Option<Spanned<String>>,
    pub staff_link: Option<ExternalPage>,
    pub public_link: Option<ExternalPage>,
    pub template_dir: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExternalPage {
    pub url: Spanned<String>,
    pub label: Spanned<String>,
    pub label_en: Option<Spanned<String>>,
}

/// Who helps the staff of one organisation with their cards and computers.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LocalIt {
    pub organisation: Spanned<String>,
    pub name: Spanned<String>,
    pub telephone: Spanned<String>,
    pub url: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Door {
    pub listen: Spanned<String>,
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub connections_max: Option<Spanned<usize>>,
    /// Of doors for cards.
    pub card_compat: Option<Spanned<bool>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StaffDoor {
    pub listen: Spanned<String>,
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub connections_max: Option<Spanned<usize>>,
    pub card_compat: Option<Spanned<bool>>,
    pub session_idle_minutes: Option<Spanned<u32>>,
    pub session_max_hours: Option<Spanned<u32>>,
    pub least_level: Option<Spanned<u8>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PublicDoor {
    pub url: Spanned<String>,
    pub listen: Spanned<String>,
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub connections_max: Option<Spanned<usize>>,
    pub connections_per_address_max: Option<Spanned<usize>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CardTestDoor {
    pub url: Spanned<String>,
    pub listen: Spanned<String>,
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub connections_max: Option<Spanned<usize>>,
    pub card_compat: Option<Spanned<bool>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Admin {
    pub socket: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Trust {
    pub portal_issuer: Spanned<Vec<Issuer>>,
    pub staff_issuer: Spanned<Vec<Issuer>>,
    #[serde(default)]
    pub refused_issuer: Vec<RefusedIssuer>,
    #[serde(default)]
    pub crl_files: Vec<PathBuf>,
    pub crl_max_stale_hours: Option<Spanned<u64>>,
    #[serde(default)]
    pub loa_policies: BTreeMap<String, Spanned<u8>>,
    #[serde(default)]
    pub known_issuers: Vec<Spanned<PathBuf>>,
    #[serde(default)]
    pub root_files: Vec<PathBuf>,
    #[serde(default)]
    pub operators_addresses: Vec<Spanned<String>>,
    #[serde(default)]
    pub revocation: Revocation,
    #[serde(default)]
    pub ocsp: Ocsp,
}

/// How responders are asked.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ocsp {
    pub timeout_seconds: Option<Spanned<u64>>,
    pub cache_seconds_max: Option<Spanned<u64>>,
}

/// How revocation lists are fetched.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Revocation {
    pub fetch: Option<bool>,
    pub proxy: Option<Spanned<String>>,
    #[serde(default)]
    pub hosts: Vec<Spanned<String>>,
    pub fetch_every_minutes: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Issuer {
    pub file: PathBuf,
    pub kind: Spanned<IssuerKind>,
    pub loa: Option<Spanned<u8>>,
    pub crl_required: Option<bool>,
    pub ends: Option<Spanned<String>>,
    #[serde(default)]
    pub crl_urls: Vec<Spanned<String>>,
    #[serde(default)]
    pub revocation: RevocationSource,
    pub ocsp_url: Option<Spanned<String>>,
}

/// By what an issuer tells of revocations.
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationSource {
    #[default]
    Crl,
    Ocsp,
    CrlThenOcsp,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum IssuerKind {
    PersonHsaId,
    Function,
}

/// An issuer to refuse by name: by its certificate or by a part of its common name.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RefusedIssuer {
    pub file: Option<PathBuf>,
    pub name_part: Option<Spanned<String>>,
    pub kind: Spanned<RefusedKind>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedKind {
    TeliaELegitimation,
    PersonId,
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mail {
    pub from_name: Option<String>,
    pub from_address: Spanned<String>,
    pub bounce_address: Option<Spanned<String>>,
    pub transport: Spanned<Transport>,
    pub directory: Option<PathBuf>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub security: Option<Security>,
    pub hello_name: Option<String>,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub connections_max: Option<Spanned<usize>>,
    pub second: Option<Spanned<Smarthost>>,
    pub domain: Option<Spanned<String>>,
    pub incoming_maildir: Option<PathBuf>,
    #[serde(default)]
    pub strict: bool,
}

/// What `[mail]` says of the first smarthost, and `[mail.second]` of the second.
#[derive(Deserialize, Clone)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Smarthost {
    pub host: Option<String>,
    pub port: Option<u16>,
    pub security: Option<Security>,
    pub hello_name: Option<String>,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
}

impl Mail {
    pub fn first(&self) -> Smarthost {
        Smarthost {
            host: self.host.clone(),
            port: self.port,
            security: self.security,
            hello_name: self.hello_name.clone(),
            user: self.user.clone(),
            password_file: self.password_file.clone(),
            ca_file: self.ca_file.clone(),
        }
    }
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    Smtp,
    Directory,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    ImplicitTls,
    Starttls,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Limits {
    pub certificate_per_minute: Option<Spanned<u32>>,
    pub submission_per_minute: Option<Spanned<u32>>,
    pub citizen_per_hour: Option<Spanned<u32>>,
    pub address_per_minute: Option<Spanned<u32>>,
    pub replay_per_minute: Option<Spanned<u32>>,
    pub public_connection_per_minute: Option<Spanned<u32>>,
    pub public_request_per_minute: Option<Spanned<u32>>,
    pub public_write_per_minute: Option<Spanned<u32>>,
    pub public_page_per_minute: Option<Spanned<u32>>,
    pub card_test_per_minute: Option<Spanned<u32>>,
    pub sign_up_network_per_hour: Option<Spanned<u32>>,
    pub sign_up_per_hour: Option<Spanned<u32>>,
    pub ticket_per_hour: Option<Spanned<u32>>,
    pub reporter_per_hour: Option<Spanned<u32>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Store {
    pub cache_mib: Option<Spanned<u64>>,
}

/// What is told of services.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Status {
    pub snapshot_dir: Option<PathBuf>,
    pub minimum_notice_days: Option<Spanned<u16>>,
    pub hold_seconds: Option<Spanned<u32>>,
    pub series_horizon_days: Option<Spanned<u16>>,
    pub tickets_kept_days: Option<Spanned<u16>>,
    #[serde(default)]
    pub portal_silent_minutes: BTreeMap<String, Spanned<u32>>,
    #[serde(default)]
    pub allowed_domains: Vec<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Log {
    pub filter: Option<String>,
}
