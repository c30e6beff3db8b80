//! Acts that are held: until their time has come they can be taken back, then the clock publishes them.

use jiff::SignedDuration;
use uuid::Uuid;

use super::author::Author;
use super::board::get;
use super::records::Pending;
use crate::domain::status::act::Act;
use crate::store::record::encode;
use crate::store::{Change, key};
use crate::usecase::catalog::{At, read_all};
use crate::usecase::{Gateway, Refusal};

/// Held and failed acts in all; nobody writes so many within a day.
const PENDING_MAX: usize = 200;

impl Gateway {
    /// What is held, and what failed and was not taken away yet; the oldest first.
    pub async fn pending_acts(&self) -> Result<Vec<Pending>, Refusal> {
        let held = read_all::<Pending>(&self.common, &key::pendings()).await?;
        Ok(held.into_iter().map(|(_, at)| at.record).collect())
    }

    /// Takes an act back before it is published, or a failed one away. Nobody has been told of it.
    pub async fn take_back(&self, author: &Author, id: Uuid) -> Result<Pending, Refusal> {
        self.permit_telling(author)?;
        let _one = self.desk.writing.lock().await;
        let at = get::<Pending>(&self.common, key::pending(id)).await?.ok_or(Refusal::NotFound)?;
        let mut change = Change::new();
        remove(&mut change, &at);
        self.log_in(&mut change, &author.line(&format!("take-back {id}")), self.now())?;
        self.common.commit(change).await?;
        Ok(at.record)
    }

    pub(super) async fn hold_act(
        &self,
        author: &Author,
        act: Act,
        subject: Uuid,
        hold: SignedDuration,
    ) -> Result<Pending, Refusal> {
        let _one = self.desk.writing.lock().await;
        let now = self.now();
        let publish_at = now.saturating_add(hold).unwrap_or(now);
        // What would not fit then is refused now.
        self.compose(author, &act, subject, publish_at).await?;
        if self.pending_acts().await?.len() >= PENDING_MAX {
            return Err(Refusal::TooMany);
        }
        let (id, author) = (self.new_id(now)?, author.clone());
        let subject = act.subject().unwrap_or(subject);
        let pending = Pending { id, subject, act, author, created_at: now, publish_at, failed: None };
        let mut change = Change::new();
        change.create(key::pending(id), encode(&pending));
        change.index(key::status_due(key::Due::Pending, publish_at, id));
        let line = pending.author.line(&format!("hold {} {subject}", pending.act.name()));
        self.log_in(&mut change, &line, now)?;
        self.common.commit(change).await?;
        self.desk.clock_moved.notify_one();
        Ok(pending)
    }

    /// Publishes what has been held long enough; what does not fit any more is kept with the reason.
    pub(super) async fn release(&self, id: Uuid) -> Result<bool, Refusal> {
        let _one = self.desk.writing.lock().await;
        let Some(at) = get::<Pending>(&self.common, key::pending(id)).await? else { return Ok(false) };
        let now = self.now();
        if at.record.failed.is_some() || at.record.publish_at > now {
            return Ok(false);
        }
        let Pending { act, author, subject, .. } = &at.record;
        match self.compose(author, act, *subject, now).await {
            Ok(composed) => {
                let mut change = Change::new();
                remove(&mut change, &at);
                self.commit_told(change, author, act.name(), composed).await?;
                Ok(true)
            }
            Err(Refusal::Told(fault)) => {
                let failed = Some(fault.to_string());
                tracing::error!(
                    event = "status.pending.failed",
                    pending = %id,
                    subject = %subject,
                    act = act.name(),
                    "a held notice does not fit any more and was not published: see `budkavle pending list`"
                );
                let mut change = Change::new();
                let kept = Pending { failed, ..at.record.clone() };
                change.replace(key::pending(id), at.version, encode(&kept));
                change.unindex(key::status_due(key::Due::Pending, kept.publish_at, id));
                self.common.commit(change).await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

fn remove(change: &mut Change, at: &At<Pending>) {
    let Pending { id, publish_at, .. } = at.record;
    change.remove(key::pending(id), at.version);
    change.unindex(key::status_due(key::Due::Pending, publish_at, id));
}
