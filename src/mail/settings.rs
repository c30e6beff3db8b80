//! Where letters go and within which bounds, and the checks of that. Reading the configuration file is not here.

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

use zeroize::Zeroizing;

use crate::net::outgoing::is_server_name;

/// Postfix turns away more than 50 connections from one client (`smtpd_client_connection_count_limit`).
const CONNECTIONS_CEILING: usize = 50;
/// RFC 5321 section 4.5.3.2.6: who gives up on the reply to the final dot sooner makes duplicates.
const DOT_SECONDS_MIN: Duration = Duration::from_secs(600);
/// Nobody waits longer for one phase.
const PHASE_SECONDS_MAX: Duration = Duration::from_secs(3600);
/// Longest user name or password, in octets: both fit one command line.
const CREDENTIAL_OCTETS_MAX: usize = 255;

/// Where letters go.
#[derive(Debug, Clone)]
pub enum Settings {
    Smtp {
        first: Box<SmtpSettings>,
        /// Asked when the first fails.
        second: Option<Box<SmtpSettings>>,
    },
    /// Each letter becomes an `.eml` file here: for the demo and for tests.
    Directory { path: PathBuf },
}

/// The smarthost.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// DNS name or IP address; the certificate must be for it.
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub credentials: Option<Credentials>,
    /// The CAs to trust; without it the system's store.
    pub ca_file: Option<PathBuf>,
    /// How the gateway names itself in EHLO.
    pub hello_name: String,
    /// Connections open at once, idle ones counted: 1 to 50.
    pub connections_max: usize,
    /// Letters on one connection before it is closed.
    pub messages_per_connection_max: u32,
    pub timeouts: Timeouts,
}

/// How the connection becomes private. There is no third way: never opportunistic, never in the clear (RFC 8314).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Security {
    /// TLS from the first octet, port 465.
    #[default]
    ImplicitTls,
    /// STARTTLS or nothing, port 587.
    StartTls,
}

/// A user and a password; the password is wiped when dropped and never prints.
#[derive(Clone)]
pub struct Credentials {
    pub user: String,
    pub password: Zeroizing<String>,
}

/// One timer for each phase of the dialogue.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// For each address of the host.
    pub connect: Duration,
    pub greeting: Duration,
    pub hello: Duration,
    pub tls: Duration,
    pub auth: Duration,
    pub mail: Duration,
    pub rcpt: Duration,
    pub data: Duration,
    /// For writing the letter.
    pub body: Duration,
    /// For the reply to the final dot: at least ten minutes.
    pub dot: Duration,
}

/// What is wrong with the settings, named by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("host: give the smarthost's DNS name or IP address")]
    Host,
    #[error("port: give the smarthost's port, 465 with implicit TLS or 587 with STARTTLS")]
    Port,
    #[error("hello_name: give this machine's DNS name, such as gateway.region.example")]
    HelloName,
    #[error("credentials: user and password are 1 to 255 octets without control characters")]
    Credentials,
    #[error("connections_max: 1 to 50")]
    Connections,
    #[error("messages_per_connection_max: at least 1")]
    Messages,
    #[error("timeouts.{0}: more than nothing and at most an hour")]
    Timeout(&'static str),
    #[error("timeouts.dot: at least 600 seconds (RFC 5321 section 4.5.3.2.6), or letters go out twice")]
    DotTimeout,
}

impl SmtpSettings {
    /// Settings for a host with everything else as it should be when nothing speaks against it.
    pub fn new(host: String, hello_name: String) -> SmtpSettings {
        SmtpSettings {
            host,
            port: 465,
            security: Security::ImplicitTls,
            credentials: None,
            ca_file: None,
            hello_name,
            connections_max: 4,
            messages_per_connection_max: 1000,
            timeouts: Timeouts::default(),
        }
    }

    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), SettingsError> {
        if !is_server_name(&self.host) {
            return Err(SettingsError::Host);
        }
        if self.port == 0 {
            return Err(SettingsError::Port);
        }
        if !is_server_name(&self.hello_name) || self.hello_name.parse::<IpAddr>().is_ok() {
            return Err(SettingsError::HelloName);
        }
        let sound = |text: &str| (1..=CREDENTIAL_OCTETS_MAX).contains(&text.len()) && !text.contains(char::is_control);
        if self.credentials.as_ref().is_some_and(|c| !sound(&c.user) || !sound(&c.password)) {
            return Err(SettingsError::Credentials);
        }
        if !(1..=CONNECTIONS_CEILING).contains(&self.connections_max) {
            return Err(SettingsError::Connections);
        }
        if self.messages_per_connection_max == 0 {
            return Err(SettingsError::Messages);
        }
        self.timeouts.check()
    }
}

impl Timeouts {
    fn check(&self) -> Result<(), SettingsError> {
        let named = [
            ("connect", self.connect),
            ("greeting", self.greeting),
            ("hello", self.hello),
            ("tls", self.tls),
            ("auth", self.auth),
            ("mail", self.mail),
            ("rcpt", self.rcpt),
            ("data", self.data),
            ("body", self.body),
            ("dot", self.dot),
        ];
        if let Some((name, _)) = named.iter().find(|(_, time)| time.is_zero() || *time > PHASE_SECONDS_MAX) {
            return Err(SettingsError::Timeout(name));
        }
        if self.dot < DOT_SECONDS_MIN { Err(SettingsError::DotTimeout) } else { Ok(()) }
    }
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        let seconds = Duration::from_secs;
        Timeouts {
            connect: seconds(10),
            greeting: seconds(60),
            hello: seconds(60),
            tls: seconds(30),
            auth: seconds(60),
            mail: seconds(60),
            rcpt: seconds(60),
            data: seconds(120),
            body: seconds(180),
            dot: DOT_SECONDS_MIN,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(•)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> SmtpSettings {
        SmtpSettings::new("mail.region.example".into(), "gateway.region.example".into())
    }

    fn spoilt(spoil: impl FnOnce(&mut SmtpSettings)) -> SettingsError {
        let mut settings = sound();
        spoil(&mut settings);
        settings.check().unwrap_err()
    }

    #[test]
    fn every_unfit_setting_is_told_by_its_key() {
        sound().check().unwrap();
        assert_eq!(spoilt(|s| s.host = "mail region".into()), SettingsError::Host);
        assert_eq!(spoilt(|s| s.port = 0), SettingsError::Port);
        assert_eq!(spoilt(|s| s.hello_name = "a\r\nQUIT".into()), SettingsError::HelloName);
        assert_eq!(spoilt(|s| s.hello_name = "192.0.2.1".into()), SettingsError::HelloName);
        assert_eq!(spoilt(|s| s.connections_max = 0), SettingsError::Connections);
        assert_eq!(spoilt(|s| s.connections_max = 51), SettingsError::Connections);
        assert_eq!(spoilt(|s| s.messages_per_connection_max = 0), SettingsError::Messages);
        assert_eq!(spoilt(|s| s.timeouts.rcpt = Duration::ZERO), SettingsError::Timeout("rcpt"));
        assert_eq!(spoilt(|s| s.timeouts.dot = Duration::from_secs(599)), SettingsError::DotTimeout);
        let credentials = |user: &str| Some(Credentials { user: user.into(), password: String::from("x").into() });
        assert_eq!(spoilt(|s| s.credentials = credentials("a\0b")), SettingsError::Credentials);
    }

    #[test]
    fn a_password_never_prints() {
        let mut settings = sound();
        settings.credentials = Some(Credentials { user: "gateway".into(), password: String::from("hemligt").into() });
        assert!(!format!("{:?}", Settings::Smtp { first: settings.into(), second: None }).contains("hemligt"));
    }
}
