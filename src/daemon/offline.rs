//! Publishing while the gateway is down: the store `common` is opened directly, what is told is written there as always,
//! the copy of the public pages is renewed, and what is owed is sent. Only the owner of the data may: files of anybody
//! else's would keep the service out afterwards.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::parts::{fanout, outbox_settings};
use super::publishing::copier;
use super::{StartError, SystemClock, blocking, build_gateway, open_store};
use crate::admit::Limits;
use crate::config::Config;
use crate::domain::time::Clock;
use crate::jobs::leavings::{Leavings, take_up};
use crate::jobs::publisher::{PublishError, Publisher};
use crate::mail::Mailer;
use crate::outbox::fanout::Fanout;
use crate::outbox::{Counters, Outbox};
use crate::render::Renderer;
use crate::store::Store;
use crate::usecase::letters::LetterStore;
use crate::usecase::{Gateway, Refusal};

/// How often it is asked whether all is sent.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{path} belongs to user {owner}, and this is user {user}", path = path.display())]
    NotOwner { path: PathBuf, owner: u32, user: u32 },
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("what is owed cannot be read: {0}")]
    Read(Refusal),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// A gateway without doors, on `common` alone.
pub struct Offline {
    pub gateway: Arc<Gateway>,
    pub renderer: Arc<Renderer>,
    mailer: Arc<Mailer>,
    publisher: Publisher,
    outbox: Arc<Outbox>,
    fanout: Arc<Fanout>,
}

impl Offline {
    /// Opens `common`; fails while a gateway has it, naming its process.
    pub async fn open(config: &Config) -> Result<Offline, OfflineError> {
        check_owner(&config.data_dir)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let common = {
            let (config, clock) = (config.clone(), clock.clone());
            blocking(move || open_store(&config, "common", &clock)).await?
        };
        let limits = Arc::new(Limits::new(config.limits));
        let cases = Store::absent("the gateway is down");
        let gateway = build_gateway(config, cases, common, &clock, &limits).await?;
        // Who left by the copy gets none of what is sent now.
        let leavings = Leavings::new(config.leavings_dir());
        let io = |source| OfflineError::Io { path: config.leavings_dir(), source };
        take_up(&gateway, &leavings).await.map_err(io)?;
        let renderer = Renderer::new(config.service.clone(), config.template_dir.as_deref());
        let renderer = Arc::new(renderer.map_err(StartError::from)?);
        let mailer = Arc::new(Mailer::new(config.mail.clone()).map_err(StartError::from)?);
        let publisher = copier(config, &gateway, &renderer);
        let fanout = fanout(config, &gateway, &mailer, &renderer);
        let (settings, counters) = (outbox_settings(config), Arc::<Counters>::default());
        let outbox =
            Outbox::new(gateway.clone(), LetterStore::Common, mailer.clone(), renderer.clone(), settings, counters);
        Ok(Offline { gateway, renderer, mailer, publisher, outbox: Arc::new(outbox), fanout })
    }

    /// Renews the copy of the public pages.
    pub async fn publish(&mut self) -> Result<(), OfflineError> {
        Ok(self.publisher.publish().await?)
    }

    /// Sends what is owed until nothing is left or the time is up; how much is left then. What is left goes out when the
    /// gateway runs again.
    pub async fn send(&self, at_most: Duration) -> Result<usize, OfflineError> {
        let (stop, stopped) = watch::channel(false);
        let letters = tokio::spawn(self.outbox.clone().run(stopped.clone()));
        let notices = tokio::spawn(self.fanout.clone().run(stopped));
        let all_sent = async {
            while self.owed().await? > 0 {
                tokio::time::sleep(LOOK).await;
            }
            Ok::<_, OfflineError>(())
        };
        let ended = tokio::time::timeout(at_most, all_sent).await;
        stop.send_replace(true);
        // What is under way is settled before the store closes.
        let _ = tokio::join!(letters, notices);
        ended.unwrap_or(Ok(()))?;
        self.owed().await
    }

    /// Letters that wait, those included that are tried again later, and events that are not made into letters yet.
    async fn owed(&self) -> Result<usize, OfflineError> {
        let letters = self.gateway.count_letters(LetterStore::Common).await.map_err(OfflineError::Read)?;
        let events = self.gateway.unexpanded_events().await.map_err(OfflineError::Read)?;
        Ok(letters.queued + events + self.gateway.unsent_notices())
    }

    pub async fn close(self) {
        self.mailer.close().await;
        let gateway = self.gateway.clone();
        blocking(move || gateway.common.close()).await;
    }
}

/// The user that this process runs as, as a number.
pub fn own_user() -> io::Result<u32> {
    std::fs::metadata("/proc/self").map(|process| process.uid())
}

fn check_owner(data_dir: &Path) -> Result<(), OfflineError> {
    let io = |source| OfflineError::Io { path: data_dir.to_owned(), source };
    let (owner, user) = (std::fs::metadata(data_dir).map_err(io)?.uid(), own_user().map_err(io)?);
    if owner == user { Ok(()) } else { Err(OfflineError::NotOwner { path: data_dir.to_owned(), owner, user }) }
}
