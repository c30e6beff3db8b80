//! Letters out of the gateway: built as MIME, offered to the smarthost, its answer judged.
//!
//! | file | holds |
//! |---|---|
//! | `message` | a letter's facts made into bytes, the same each time |
//! | `notice` | the same for many recipients, encoded once |
//! | `settings` | smarthost or directory, bounds, checks |
//! | `smarthost` | one or two: who takes the next letter, what is known of each |
//! | `breaker` | when a smarthost is left in peace |
//! | `lease` | a connection kept for many letters in a row |
//! | `pool` | how a connection is opened, how many there may be |
//! | `connection` | one SMTP connection, phase by phase |
//! | `body` | the bytes after DATA: fit for the wire, dots stuffed |
//! | `reply` | bounded reading of replies |
//! | `classify` | who is at fault and what follows |
//! | `directory` | letters as files |
//! | `greet` | a look at a mail server, for probes |
//! | `incoming` | what comes back: bounces, complaints, wishes to leave |
//! | `mime` | how its parts are found, within bounds |
//! | `maildir` | where that is picked up |
//!
//! What is owed, when it is tried again and what is recorded is the outbox's; the texts are `render`'s.
//! lettre builds the MIME and nothing else: its transport has no timers and reuses a connection after a cancelled send.

use std::sync::Arc;

use crate::{
    domain::mail_address::MailAddress,
    net::outgoing::{TlsClient, TlsClientError, TlsClientSettings},
};

mod body;
mod breaker;
mod classify;
mod connection;
mod directory;
mod greet;
pub mod incoming;
mod lease;
pub mod maildir;
mod message;
mod mime;
pub mod notice;
mod pool;
mod reply;
mod settings;
mod smarthost;

#[cfg(test)]
mod fault_server;
#[cfg(test)]
mod smarthost_tests;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub use self::{
    classify::{Cause, Phase},
    reply::{EnhancedCode, ReplyError},
    settings::Timeouts,
};
pub use classify::{Class, Delivery, Trouble};
pub use greet::greet;
pub use lease::Lease;
pub use message::{Letter, LetterError, MessageId, Sender};
pub use reply::Reply;
pub use settings::{Credentials, Security, Settings, SettingsError, SmtpSettings};
pub use smarthost::SmarthostReport;

use directory::Directory;
use pool::Pool;
use smarthost::Smarthosts;

/// RFC 3461 section 4.4, in octets.
const ENVELOPE_ID_OCTETS_MAX: usize = 100;

/// From whom and to whom, as the smarthost is told. One recipient always: nobody sees another's address, and one bad
/// address spoils nobody's letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Where bounces go.
    pub from: MailAddress,
    pub to: MailAddress,
    /// Comes back in reports about this letter; with one, reports are asked for of a server that can (RFC 3461).
    pub id: Option<EnvelopeId>,
}

/// What a delivery report names the letter by: 1 to 100 letters, digits, `.`, `-`, `_`. Names no person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EnvelopeId(String);

impl EnvelopeId {
    /// RFC 3461 section 4.4; of printable ASCII only what xtext leaves as it is and people can read out.
    pub fn new(id: &str) -> Option<EnvelopeId> {
        let sound = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
        ((1..=ENVELOPE_ID_OCTETS_MAX).contains(&id.len()) && id.bytes().all(sound)).then(|| EnvelopeId(id.to_owned()))
    }

    /// The id itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Hands letters over. Shared by reference among all who send.
pub enum Mailer {
    Smtp(Arc<Smarthosts>),
    Directory(Arc<Directory>),
}

/// Why letters cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Tls(#[from] TlsClientError),
}

impl Mailer {
    /// Checks the settings and reads the CA file. Connects nowhere: a smarthost that is down must not stop a start.
    pub fn new(settings: Settings) -> Result<Mailer, MailerError> {
        match settings {
            Settings::Smtp { first, second } => {
                let mut pools = Vec::new();
                for smtp in [Some(first), second].into_iter().flatten() {
                    smtp.check()?;
                    let tls = TlsClient::new(&TlsClientSettings { ca_file: smtp.ca_file.clone(), identity: None })?;
                    pools.push(Pool::new(*smtp, tls));
                }
                Ok(Mailer::Smtp(Arc::new(Smarthosts::new(pools))))
            }
            Settings::Directory { path } => Ok(Mailer::Directory(Arc::new(Directory::new(path)))),
        }
    }

    /// Offers the bytes of `Letter::to_bytes` once; waits while `connections_max` others are under way. With two
    /// smarthosts the second is asked when the first fails or rests. Dropping the
    /// future is safe (its connection is closed), but whether the letter was taken is then as unknown as with
    /// `Delivery::InDoubt`.
    pub async fn deliver(&self, envelope: &Envelope, letter: &[u8]) -> Delivery {
        match self {
            Mailer::Smtp(smarthosts) => smarthosts.deliver(envelope, letter).await,
            Mailer::Directory(directory) => directory.deliver(letter).await,
        }
    }

    /// A connection for many letters in a row; waits while `connections_max - 1` others are leased: the last one is for
    /// single letters, which never wait behind many. Where only one connection may be open, all share it letter by letter.
    pub async fn lease(&self) -> Result<Lease, Trouble> {
        Ok(match self {
            Mailer::Smtp(smarthosts) => Lease::smtp(smarthosts.clone(), smarthosts.lease().await?),
            Mailer::Directory(directory) => Lease::directory(directory.clone()),
        })
    }

    /// How the smarthosts do; empty where letters become files.
    pub fn report(&self) -> Vec<SmarthostReport> {
        match self {
            Mailer::Smtp(smarthosts) => smarthosts.report(),
            Mailer::Directory(_) => Vec::new(),
        }
    }

    /// Refuses further letters and says goodbye on idle connections. Deliveries under way end by themselves.
    pub async fn close(&self) {
        match self {
            Mailer::Smtp(smarthosts) => smarthosts.close().await,
            Mailer::Directory(_) => {}
        }
    }
}
