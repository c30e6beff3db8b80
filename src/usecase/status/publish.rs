//! An act, told at once: one change with the subject's record, the event and the log's line. Its cost does not depend
//! on how many subscribe.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::author::Author;
use super::board::write_subject;
use super::records::Pending;
use crate::crypto::Digest;
use crate::domain::status::act::Act;
use crate::domain::status::event::Event;
use crate::domain::status::fault::{Fault, Rule, Violation};
use crate::domain::status::subject::Subject;
use crate::store::Change;
use crate::usecase::catalog::At;
use crate::usecase::{Gateway, Refusal};

/// The longest that an act may be held.
const HOLD_MAX: SignedDuration = SignedDuration::from_hours(24);

/// How an act is to be published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Publication {
    /// How long it can be taken back; none leaves it to the region's rule.
    pub hold: Option<SignedDuration>,
    /// The id of a new subject, so that the same request begins it once.
    pub id: Option<Uuid>,
}

/// What stands on disk, and on the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    pub subject: Uuid,
    pub revision: u32,
    /// The event's number.
    pub seq: u64,
    /// When subscribers first hear of it, of work that lies so far ahead that they have not.
    pub first_mail_at: Option<Timestamp>,
}

/// What became of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Published(Published),
    Held(Box<Pending>),
    /// The same request began this subject before.
    Known {
        subject: Uuid,
        revision: u32,
    },
}

/// An act worked out, not yet written.
pub(super) struct Composed {
    pub before: Option<At<Subject>>,
    pub event: Event,
}

impl Gateway {
    /// Publishes an act, or holds it so that it can be taken back. Only what mails somebody is held by default.
    pub async fn publish(&self, author: &Author, act: Act, how: Publication) -> Result<Outcome, Refusal> {
        self.permit_telling(author)?;
        if let Some(known) = self.known(how.id).await? {
            return Ok(known);
        }
        let now = self.now();
        let hold = match how.hold {
            Some(hold) => hold,
            None if author.is_person() && self.preview(author, &act).await?.event.notify => self.desk.settings.hold,
            None => SignedDuration::ZERO,
        };
        let id = how.id.map_or_else(|| self.new_id(now), Ok)?;
        if hold <= SignedDuration::ZERO {
            return Ok(Outcome::Published(self.publish_now(author, &act, id).await?));
        }
        if hold > HOLD_MAX {
            return Err(Fault::Unfit(vec![Violation { pointer: "/hold".into(), rule: Rule::HoldTooLong }]).into());
        }
        Ok(Outcome::Held(Box::new(self.hold_act(author, act, id, hold).await?)))
    }

    /// The id that a repeated request of the same author begins its subject with.
    pub fn id_for(&self, author: &Author, key: &str) -> Uuid {
        uuid_of(&self.common.hash(&[b"status-request", author.name().as_bytes(), key.as_bytes()]))
    }

    /// Publishes without a hold; what a probe does.
    pub async fn publish_at_once(&self, author: &Author, act: &Act) -> Result<Published, Refusal> {
        self.permit_telling(author)?;
        self.publish_now(author, act, self.new_id(self.now())?).await
    }

    /// The act applied to what stands in the store.
    pub(super) async fn compose(
        &self,
        author: &Author,
        act: &Act,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Composed, Refusal> {
        let before = match act.subject() {
            None => None,
            Some(id) => Some(self.find_subject(id).await?.ok_or(Fault::Unknown)?),
        };
        let (by, components) = (author.name(), self.all_components());
        let at = self.circumstances(now, &by, author, &components);
        let (after, told) = act.apply(before.as_ref().map(|at| &at.record), id, &at)?;
        let event = Event::new(told, after, &at);
        Ok(Composed { before, event })
    }

    async fn publish_now(&self, author: &Author, act: &Act, id: Uuid) -> Result<Published, Refusal> {
        let _one = self.desk.writing.lock().await;
        let composed = self.compose(author, act, id, self.now()).await?;
        self.commit_told(Change::new(), author, act.name(), composed).await
    }

    /// Writes it, with whatever the change holds already. The caller holds the desk.
    pub(super) async fn commit_told(
        &self,
        mut change: Change,
        author: &Author,
        act: &str,
        composed: Composed,
    ) -> Result<Published, Refusal> {
        let Composed { before, event } = composed;
        let subject = event.subject.id();
        write_subject(&mut change, before.as_ref(), &event.subject);
        // First, so that the first stamp is its number.
        self.tell(&mut change, &event)?;
        self.log_in(&mut change, &author.line(&format!("{act} {subject}")), event.at)?;
        let committed = self.common.commit(change).await?;
        let seq = committed.stamps.first().map_or(0, |stamp| stamp.sequence);
        let (revision, first_mail_at) = (event.subject.revision(), event.first_mail_at());
        self.take_up(event.subject, seq);
        self.desk.notices_owed.notify_one();
        self.desk.clock_moved.notify_one();
        Ok(Published { subject, revision, seq, first_mail_at })
    }

    async fn known(&self, id: Option<Uuid>) -> Result<Option<Outcome>, Refusal> {
        let Some(id) = id else { return Ok(None) };
        if let Some(at) = self.find_subject(id).await? {
            return Ok(Some(Outcome::Known { subject: id, revision: at.record.revision() }));
        }
        let held = self.pending_acts().await?.into_iter().find(|pending| pending.subject == id);
        Ok(held.map(|pending| Outcome::Held(Box::new(pending))))
    }
}

/// An id that follows from what it stands for.
pub(super) fn uuid_of(digest: &Digest) -> Uuid {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest) {
        *to = *from;
    }
    let id = uuid::Builder::from_bytes(bytes).with_variant(uuid::Variant::RFC4122);
    id.with_version(uuid::Version::Custom).into_uuid()
}
