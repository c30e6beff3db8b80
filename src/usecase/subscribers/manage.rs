//! The owner of an address changes what is sent to it, or leaves. Leaving is never refused for a fault of ours that can
//! be waited out: what the store cannot take now is kept and tried again.

use uuid::Uuid;

use super::{SubscribeError, TRIES, is_overtaken, rewrite, token};
use crate::domain::language::Language;
use crate::domain::letter::LetterKind;
use crate::domain::status::choice::Choices;
use crate::domain::status::subscriber::{Leaving, Subscriber, SubscriberState};
use crate::store::{Change, CommitError, ReadError};
use crate::usecase::catalog::At;
use crate::usecase::{Gateway, Refusal};

/// What somebody who leaves is told. Who is not known is told the same as who left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// No mail from now on.
    Gone,
    /// On lists of these titles, whose owners have been told of the wish.
    OnLists(Vec<String>),
    /// Not mailed from now on; written down as soon as the store can.
    Waiting,
}

impl Gateway {
    /// The subscriber of a manage link, as long as it subscribes.
    pub async fn subscriber_by_link(&self, link: &str) -> Result<At<Subscriber>, SubscribeError> {
        let id = token::read_manage(&self.common, link).ok_or(SubscribeError::LinkUnknown)?;
        // The link was handed out once: whoever is not there any more has left, and may have been forgotten.
        let found = self.subscriber(id).await?.ok_or(SubscribeError::HasLeft)?;
        match found.record.state {
            SubscriberState::Active | SubscriberState::Quarantined => Ok(found),
            SubscriberState::Pending | SubscriberState::Left => Err(SubscribeError::HasLeft),
        }
    }

    /// Replaces all that was chosen. Who is on a list may choose nothing else.
    pub async fn choose(&self, link: &str, choices: &Choices) -> Result<Subscriber, SubscribeError> {
        let mut tried = 1;
        loop {
            let before = self.subscriber_by_link(link).await?;
            match self.try_choose(&before, choices).await {
                Err(error) if is_overtaken(&error) && tried < TRIES => tried += 1,
                done => return done,
            }
        }
    }

    async fn try_choose(&self, before: &At<Subscriber>, choices: &Choices) -> Result<Subscriber, SubscribeError> {
        let mut subscriber = before.record.clone();
        let faults = choices.faults(&self.board(), subscriber.audience, subscriber.is_managed());
        if !faults.is_empty() {
            return Err(SubscribeError::Unfit(faults));
        }
        subscriber.choose(choices.clone());
        let mut change = Change::new();
        rewrite(&mut change, before, &subscriber);
        self.commit_common(change).await?;
        Ok(subscriber)
    }

    /// Leaves by a manage link.
    pub async fn leave_by_link(&self, link: &str) -> Result<Left, SubscribeError> {
        let id = token::read_manage(&self.common, link).ok_or(SubscribeError::LinkUnknown)?;
        self.leave(id, "page").await
    }

    /// Leaves by what `List-Unsubscribe` held; `how` is `one-click`, `page` or `mail`. Idempotent, and a token that is
    /// not ours gets the same answer.
    pub async fn leave_by_token(&self, text: &str, how: &'static str) -> Result<Left, SubscribeError> {
        match token::read_leave(&self.common, text) {
            Some(id) => self.leave(id, how).await,
            None => Ok(Left::Gone),
        }
    }

    /// The subscriber behind a leave link, for the page that asks whether to leave.
    pub async fn leaver(&self, text: &str) -> Result<Option<Subscriber>, Refusal> {
        match token::read_leave(&self.common, text) {
            Some(id) => Ok(self.subscriber(id).await?.map(|at| at.record)),
            None => Ok(None),
        }
    }

    async fn leave(&self, id: Uuid, how: &'static str) -> Result<Left, SubscribeError> {
        let left = match self.write_leaving(id).await {
            Err(SubscribeError::Refused(refusal)) if passes(&refusal) => {
                // Nobody is mailed who has been told that no mail will come.
                let mut departures = self.departures();
                if !departures.wait(id) {
                    return Err(SubscribeError::Refused(refusal));
                }
                departures.remember(id);
                self.roll.leaving.notify_one();
                Ok(Left::Waiting)
            }
            written => written,
        }?;
        tracing::info!(event = "subscriber.leaving", how, waits = (left == Left::Waiting), "somebody left");
        Ok(left)
    }

    async fn write_leaving(&self, id: Uuid) -> Result<Left, SubscribeError> {
        let mut tried = 1;
        loop {
            let Some(before) = self.subscriber(id).await? else { return Ok(Left::Gone) };
            match self.try_leave(&before).await {
                Err(error) if is_overtaken(&error) && tried < TRIES => tried += 1,
                done => return done,
            }
        }
    }

    async fn try_leave(&self, before: &At<Subscriber>) -> Result<Left, SubscribeError> {
        let now = self.now();
        let mut subscriber = before.record.clone();
        let leaving = subscriber.leave(now);
        let mut change = Change::new();
        let mut titles = Vec::new();
        if leaving == Leaving::OnLists {
            let told_now = subscriber.wish_to_leave_lists(now);
            for membership in &subscriber.lists {
                let Some(list) = self.list(&membership.list).await? else { continue };
                let list = list.record;
                if told_now.contains(&list.slug) {
                    let facts = serde_json::json!({ "list": list.title, "member": subscriber.address.expose() });
                    let (kind, owner) = (LetterKind::ListLeaveWish, list.owner.clone());
                    self.owe_common(&mut change, kind, owner, Language::Sv, Some(facts), subscriber.id)?;
                }
                titles.push(list.title);
            }
        }
        let same = Subscriber { generation: before.record.generation, ..subscriber.clone() } == before.record;
        if !same {
            rewrite(&mut change, before, &subscriber);
            self.commit_common(change).await?;
        }
        if subscriber.is_active() {
            self.departures().forget(&subscriber.id);
        } else {
            self.departures().remember(subscriber.id);
        }
        Ok(if leaving == Leaving::OnLists { Left::OnLists(titles) } else { Left::Gone })
    }

    /// Tries again what could not be written down. True when nothing waits any more.
    pub async fn retry_leavings(&self) -> bool {
        loop {
            let Some(id) = self.departures().next() else { return true };
            if let Err(error) = self.write_leaving(id).await {
                self.departures().wait(id);
                tracing::warn!(event = "subscriber.leaving.waits", %error, "somebody's leaving is not written down yet");
                return false;
            }
        }
    }

    /// Rung when leavings wait.
    pub async fn leavings_wait(&self) {
        self.roll.leaving.notified().await;
    }

    /// Whether somebody left since the start: asked of memory, right before a notice is sent.
    pub fn has_left(&self, id: &Uuid) -> bool {
        self.departures().has(id)
    }

    /// Whether a subscriber is mailed at this moment.
    #[cfg(test)]
    pub async fn may_be_mailed(&self, id: &Uuid) -> Result<bool, Refusal> {
        if self.has_left(id) {
            return Ok(false);
        }
        Ok(self.subscriber(*id).await?.is_some_and(|at| at.record.is_active()))
    }
}

/// A fault of ours that can be waited out.
fn passes(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Commit(error) => *error != CommitError::Malformed,
        Refusal::Read(error) => !matches!(error, ReadError::Damaged | ReadError::Newer),
        Refusal::Stale { .. } | Refusal::Random => true,
        _ => false,
    }
}
