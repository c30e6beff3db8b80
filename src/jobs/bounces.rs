//! What comes back by mail, picked up from a Maildir: bounces, complaints, wishes to leave. Nothing is ever answered.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::mail::incoming::{self, Incoming, Mailboxes};
use crate::mail::maildir::{Found, Maildir, Settled};
use crate::usecase::Gateway;
use crate::usecase::fanout::Returned;

/// Between two looks into the Maildir.
const LOOK: Duration = Duration::from_secs(10);

/// The mailboxes that notices name.
pub fn mailboxes() -> Mailboxes {
    Mailboxes { bounce: "b".into(), leave: "avsluta".into() }
}

/// Runs until told to stop. Without a Maildir there is nothing to do.
pub async fn run(gateway: Arc<Gateway>, maildir: Option<PathBuf>, mut stop: watch::Receiver<bool>) {
    let maildir = maildir.map(Maildir::new);
    while !*stop.borrow() {
        if let Some(maildir) = &maildir {
            pick_up(&gateway, maildir).await;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stop.changed() => {}
        }
    }
}

async fn pick_up(gateway: &Gateway, maildir: &Maildir) {
    let found = match maildir.list().await {
        Ok(found) => found,
        Err(error) => {
            tracing::error!(event = "bounces.maildir", %error, "bounces cannot be picked up");
            return;
        }
    };
    for letter in found {
        if let Some(settled) = read(gateway, maildir, &letter).await
            && let Err(error) = maildir.settle(letter, settled).await
        {
            tracing::error!(event = "bounces.settle", %error, "a letter cannot be taken out of the Maildir");
        }
    }
}

/// What is to become of a letter; None leaves it where it is, to be read again.
async fn read(gateway: &Gateway, maildir: &Maildir, found: &Found) -> Option<Settled> {
    let letter = match maildir.read(found).await {
        Ok(letter) => letter,
        Err(error) => {
            tracing::warn!(event = "bounces.unreadable", %error, "a letter that came back was put aside");
            return Some(Settled::Unreadable);
        }
    };
    match take(gateway, &letter).await {
        Ok(_) => Some(Settled::Removed),
        Err(Fault::Unreadable(reason)) => {
            tracing::warn!(event = "bounces.unreadable", reason, "a letter that came back was put aside");
            Some(Settled::Unreadable)
        }
        Err(Fault::Store(reason)) => {
            tracing::error!(event = "bounces.store", reason, "what came back cannot be noted now; it is read again");
            None
        }
    }
}

/// What followed from a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Bounce(Returned),
    Left,
}

/// Why nothing followed from a letter.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// For a person to look at.
    #[error("{0}")]
    Unreadable(String),
    /// To be tried again.
    #[error("{0}")]
    Store(String),
}

/// Reads one letter and does what follows from it.
pub async fn take(gateway: &Gateway, letter: &[u8]) -> Result<Taken, Fault> {
    match incoming::read(letter, &mailboxes()).map_err(|error| Fault::Unreadable(error.to_string()))? {
        Incoming::Bounce(bounce) => {
            gateway.returned(&bounce).await.map(Taken::Bounce).map_err(|error| Fault::Store(error.to_string()))
        }
        Incoming::Leave { token } => {
            let left = gateway.leave_by_token(token.expose(), "mail").await;
            left.map(|_| Taken::Left).map_err(|error| Fault::Store(error.to_string()))
        }
    }
}
