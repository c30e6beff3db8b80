//! Renders what is read by many, once for all of them: at each change of what is told or of our own health, and every
//! minute, so that a page never looks fresher than it is. What was rendered goes to the shelf first, then to disk, then
//! those who watch are told.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::snapshot::{Snapshot, SnapshotError};
use crate::domain::status::Audience;
use crate::domain::status::board::OwnHealth;
use crate::domain::status::event::Event;
use crate::render::publish::{Document, STALE_AFTER_MINUTES};
use crate::render::{RenderError, Renderer};
use crate::usecase::Gateway;

/// What is older than this is not to be trusted: nobody has renewed it.
pub const STALE_AFTER: SignedDuration = SignedDuration::from_mins(STALE_AFTER_MINUTES);
/// How often it is renewed without a change.
const RENEWED: Duration = Duration::from_secs(60);
/// How often our own health is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Changes within this time are rendered together.
const TOGETHER: Duration = Duration::from_millis(50);
/// Events told in one go.
const EVENTS: usize = 100;

/// Takes what was rendered, and as of when.
pub type Shelve = Box<dyn Fn(&[Document], Timestamp) + Send + Sync>;
/// Hears each event with its number, after the pages that show it are there.
pub type Tell = Box<dyn Fn(u64, &Event) + Send + Sync>;

/// Why what is published is not everywhere where it should be.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("the pages cannot be rendered: {0}")]
    Render(#[from] RenderError),
    #[error("the copy on disk cannot be written: {0}")]
    Snapshot(#[from] SnapshotError),
    #[error("a panic while publishing; see the log")]
    Panic,
}

pub struct Publisher {
    gateway: Arc<Gateway>,
    renderer: Arc<Renderer>,
    snapshot: Arc<Snapshot>,
    shelve: Shelve,
    tell: Tell,
    /// Of the newest event that was told.
    told: u64,
    health: OwnHealth,
}

impl Publisher {
    pub fn new(
        gateway: Arc<Gateway>,
        renderer: Arc<Renderer>,
        snapshot: Arc<Snapshot>,
        shelve: Shelve,
        tell: Tell,
    ) -> Publisher {
        let told = gateway.board().seq;
        Publisher { gateway, renderer, snapshot, shelve, tell, told, health: OwnHealth::default() }
    }

    /// Once, now. On a fault everything stays as it was, and grows old where people see it.
    pub async fn publish(&mut self) -> Result<(), PublishError> {
        let (board, now) = (self.gateway.board(), self.gateway.now());
        let shown = board.seq;
        self.health = self.gateway.own_health(now).await;
        let (renderer, health) = (self.renderer.clone(), self.health.clone());
        let faq: Vec<_> = self.gateway.catalog().shown_faq(Audience::Staff).into_iter().cloned().collect();
        let rendered = tokio::task::spawn_blocking(move || {
            let documents = renderer.publish(&board, &health, now)?;
            Ok::<_, RenderError>((documents, renderer.publish_standing(&board, &faq, now)?))
        });
        let (mut documents, standing) = rendered.await.map_err(|_| PublishError::Panic)??;
        (self.shelve)(&documents, now);
        self.tell_events(shown).await;
        let snapshot = self.snapshot.clone();
        documents.extend(standing);
        let written = tokio::task::spawn_blocking(move || snapshot.write(&documents, now, now + STALE_AFTER)).await;
        Ok(written.map_err(|_| PublishError::Panic)??)
    }

    /// Works until told to stop.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut changes = self.gateway.board_changes();
        let mut renewed = tokio::time::Instant::now();
        loop {
            tokio::select! {
                _ = changes.changed() => tokio::time::sleep(TOGETHER).await,
                () = tokio::time::sleep(LOOK) => {
                    let same = self.gateway.own_health(self.gateway.now()).await.components == self.health.components;
                    if same && renewed.elapsed() < RENEWED {
                        continue;
                    }
                }
                _ = stop.changed() => return,
            }
            changes.mark_unchanged();
            renewed = tokio::time::Instant::now();
            if let Err(error) = self.publish().await {
                tracing::error!(event = "publish.failed", %error, "the public pages are not renewed everywhere");
            }
        }
    }

    /// Those that the pages show: what was told since then waits for its own pages.
    async fn tell_events(&mut self, shown: u64) {
        loop {
            let events = match self.gateway.notices_after(self.told, EVENTS).await {
                Ok(events) => events,
                Err(error) => {
                    tracing::error!(event = "publish.events", %error, "what happened cannot be read");
                    return;
                }
            };
            for (seq, event) in events.iter().take_while(|(seq, _)| *seq <= shown) {
                (self.tell)(*seq, event);
                self.told = *seq;
            }
            if events.len() < EVENTS || self.told >= shown {
                return;
            }
        }
    }
}
