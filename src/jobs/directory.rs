//! The copy of the region's directory kept young: asked again and again, by operators too, and told when it grows old. A
//! refresh that fails, or that would put many out, leaves everything as it is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::directory::{LdapError, LdapSettings, fetch};
use crate::usecase::Gateway;
use crate::usecase::directory::{Imported, Intake, IntakeError, Source};
use crate::usecase::region::Author;

/// After a failure it is tried again this soon, or at its time if that is sooner.
const AGAIN: Duration = Duration::from_secs(60);
/// Between two looks at the age, and between two alarms of it.
const LOOK: Duration = Duration::from_secs(60);
const LOOKS_AN_ALARM: u32 = 60;
/// Unfit entries named in the log, one by one.
const FAULTS_TOLD_MAX: usize = 20;

/// How the directory is asked.
#[derive(Debug, Clone)]
pub struct Settings {
    pub ldap: LdapSettings,
    /// Between two refreshes.
    pub every: Duration,
}

/// Why a refresh left everything as it was.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    #[error("no directory is configured: set [directory] source = \"ldap\", or import a file")]
    NotConfigured,
    #[error(transparent)]
    Ldap(#[from] LdapError),
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

/// What a refresh came to.
#[derive(Debug, Clone, Copy)]
pub struct Refreshed {
    pub imported: Imported,
    /// Entries with something unfit in them.
    pub unfit: usize,
}

/// The last try, for operators.
#[derive(Debug, Clone)]
pub struct LastTry {
    pub at: Timestamp,
    pub unfit: usize,
    /// None where it went well.
    pub fault: Option<String>,
}

/// Keeps the copy young. One a gateway.
pub struct Refresher {
    gateway: Arc<Gateway>,
    settings: Option<Settings>,
    last: Mutex<Option<LastTry>>,
    /// One refresh at a time.
    refreshing: tokio::sync::Mutex<()>,
}

impl Refresher {
    /// Without settings there is no directory to ask, and only the age is looked at.
    pub fn new(gateway: Arc<Gateway>, settings: Option<Settings>) -> Refresher {
        Refresher { gateway, settings, last: Mutex::default(), refreshing: tokio::sync::Mutex::default() }
    }

    /// Runs until told to stop.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let age = self.watch_age();
        let refresh = self.refresh_again_and_again();
        tokio::select! {
            () = age => {}
            () = refresh => {}
            _ = stop.changed() => {}
        }
    }

    async fn refresh_again_and_again(&self) {
        let Some(settings) = &self.settings else { return std::future::pending().await };
        loop {
            let wait = match self.refresh(&Author::System, false).await {
                Ok(_) => settings.every,
                Err(_) => settings.every.min(AGAIN),
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Asks for the whole directory and takes it in, whoever wants it.
    pub async fn refresh(&self, author: &Author, accept_loss: bool) -> Result<Refreshed, RefreshError> {
        let settings = self.settings.as_ref().ok_or(RefreshError::NotConfigured)?;
        let _one = self.refreshing.lock().await;
        let refreshed = self.fetch_and_import(&settings.ldap, author, accept_loss).await;
        let (unfit, fault) = match &refreshed {
            Ok(refreshed) => {
                let Imported { new, changed, removed, .. } = refreshed.imported;
                tracing::info!(
                    event = "directory.refreshed",
                    new,
                    changed,
                    removed,
                    unfit = refreshed.unfit,
                    "refreshed"
                );
                (refreshed.unfit, None)
            }
            Err(error) => {
                tracing::error!(event = "directory.refresh", %error, "the directory was not refreshed: the copy stays");
                (0, Some(error.to_string()))
            }
        };
        let last = LastTry { at: self.gateway.now(), unfit, fault };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        refreshed
    }

    async fn fetch_and_import(
        &self,
        ldap: &LdapSettings,
        author: &Author,
        accept_loss: bool,
    ) -> Result<Refreshed, RefreshError> {
        let fetched = fetch(ldap.clone(), self.gateway.now()).await?;
        for fault in fetched.faults.iter().take(FAULTS_TOLD_MAX) {
            tracing::warn!(event = "directory.unfit", %fault, "an entry is unfit; it is named by its number");
        }
        let intake = Intake { posts: &fetched.posts, source: Source::Ldap, whole: true, accept_loss };
        let imported = self.gateway.import_directory(author, intake).await?;
        Ok(Refreshed { imported, unfit: fetched.faults.len() })
    }

    /// The last try since the start, if there was one.
    pub fn last_try(&self) -> Option<LastTry> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn watch_age(&self) {
        let mut looks = 0_u32;
        loop {
            tokio::time::sleep(LOOK).await;
            match self.gateway.directory_overdue() {
                Some(age) if looks.is_multiple_of(LOOKS_AN_ALARM) => {
                    let hours = age.as_hours();
                    tracing::error!(
                        event = "directory.old",
                        hours,
                        "the staff directory is old: who left is still let in"
                    );
                    looks += 1;
                }
                Some(_) => looks += 1,
                None => looks = 0,
            }
        }
    }
}
