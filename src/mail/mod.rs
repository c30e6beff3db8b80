//! Letters out of the gateway: built as MIME, offered to the smarthost, its answer judged.
//!
//! | file | holds |
//! |---|---|
//! | `message` | a letter's facts made into bytes, the same each time |
//! | `settings` | smarthost or directory, bounds, checks |
//! | `pool` | how a connection is opened, how many there may be |
//! | `connection` | one SMTP connection, phase by phase |
//! | `body` | the bytes after DATA: fit for the wire, dots stuffed |
//! | `reply` | bounded reading of replies |
//! | `classify` | who is at fault and what follows |
//! | `directory` | letters as files |
//!
//! What is owed, when it is tried again and what is recorded is the outbox's; the texts are `render`'s.
//! lettre builds the MIME and nothing else: its transport has no timers and reuses a connection after a cancelled send.

use std::sync::Arc;

use crate::{
    domain::mail_address::MailAddress,
    net::outgoing::{TlsClient, TlsClientError, TlsClientSettings},
};

mod body;
mod classify;
mod connection;
mod directory;
mod message;
mod pool;
mod reply;
mod settings;

#[cfg(test)]
mod fault_server;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub use self::{
    classify::{Cause, Phase},
    reply::ReplyError,
    settings::Timeouts,
};
pub use classify::{Class, Delivery, Trouble};
pub use message::{Letter, LetterError, MessageId, Sender};
pub use settings::{Credentials, Security, Settings, SettingsError, SmtpSettings};

use directory::Directory;
use pool::Pool;

/// From whom and to whom, as the smarthost is told. One recipient always: nobody sees another's address, and one bad
/// address spoils nobody's letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Where bounces go.
    pub from: MailAddress,
    pub to: MailAddress,
}

/// Hands letters over. Shared by reference among all who send.
pub enum Mailer {
    Smtp(Arc<Pool>),
    Directory(Directory),
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
            Settings::Smtp(smtp) => {
                smtp.check()?;
                let tls = TlsClient::new(&TlsClientSettings { ca_file: smtp.ca_file.clone(), identity: None })?;
                Ok(Mailer::Smtp(Pool::new(*smtp, tls)))
            }
            Settings::Directory { path } => Ok(Mailer::Directory(Directory::new(path))),
        }
    }

    /// Offers the bytes of `Letter::to_bytes` once; waits while `connections_max` others are under way. Dropping the
    /// future is safe (its connection is closed), but whether the letter was taken is then as unknown as with
    /// `Delivery::InDoubt`.
    pub async fn deliver(&self, envelope: &Envelope, letter: &[u8]) -> Delivery {
        match self {
            Mailer::Smtp(pool) => pool.deliver(envelope, letter).await,
            Mailer::Directory(directory) => directory.deliver(letter).await,
        }
    }

    /// Refuses further letters and says goodbye on idle connections. Deliveries under way end by themselves.
    pub async fn close(&self) {
        match self {
            Mailer::Smtp(pool) => pool.close().await,
            Mailer::Directory(_) => {}
        }
    }
}
