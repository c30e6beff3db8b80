//! Who is told: from the sign-up to being forgotten.
//!
//! | file | story |
//! |---|---|
//! | `sign_up` | somebody asks for an address; its owner confirms |
//! | `manage` | its owner changes what is sent, or leaves |
//! | `lists` | the region's own lists |
//! | `import` | addresses that were confirmed elsewhere |
//! | `upkeep` | quarantine, suppression, forgetting |
//! | `token` | the links in letters |
//!
//! One address is one subscriber for each audience, found by a keyed hash of both. Whoever asks for an address learns
//! nothing about it: the answer and the work are the same whether it is known or not.

mod departures;
pub mod import;
pub mod lists;
pub mod manage;
pub mod sign_up;
#[cfg(test)]
mod tests;
pub mod token;
pub mod upkeep;

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

use self::departures::Departures;
use super::catalog::At;
use super::{Gateway, Refusal};
use crate::admit::Wait;
use crate::crypto::Digest;
use crate::domain::mail_address::MailAddress;
use crate::domain::status::Audience;
use crate::domain::status::choice::{ChoiceFault, Target};
use crate::domain::status::edition::Edition;
use crate::domain::status::subscriber::{Evidence, List, Subscriber};
use crate::store::record::{Record, decode, encode};
use crate::store::{Change, CommitError, Key, ReadError, key};

/// Tries of one act when somebody else writes to the same subscriber meanwhile.
const TRIES: u32 = 5;

/// What the region has decided about sign-ups.
#[derive(Debug, Clone, Default)]
pub struct SignUpRules {
    /// What links in letters begin with, without a slash at its end.
    pub public_url: String,
    /// Only addresses of these domains may subscribe; all when empty.
    pub allowed_domains: Vec<String>,
}

/// What the gateway holds in memory of subscribers.
#[derive(Default)]
pub struct Roll {
    rules: SignUpRules,
    departures: Mutex<Departures>,
    /// Rung when somebody's leaving could not be written down and waits.
    pub leaving: Notify,
}

/// Why a story of a subscriber was not carried out. Nothing was changed.
#[derive(Debug)]
pub enum SubscribeError {
    /// Too many sign-ups from one network, or in all.
    Limited(Wait),
    DomainNotAllowed,
    Unfit(Vec<ChoiceFault>),
    /// Too old, used up, overtaken, or never ours: all the same to whoever holds it.
    LinkUnknown,
    /// The link to choose anew is of a subscription that has ended.
    HasLeft,
    /// A slug or title that breaks its rule.
    ListMalformed,
    Refused(Refusal),
}

impl From<Refusal> for SubscribeError {
    fn from(refusal: Refusal) -> SubscribeError {
        SubscribeError::Refused(refusal)
    }
}

impl From<ReadError> for SubscribeError {
    fn from(error: ReadError) -> SubscribeError {
        SubscribeError::Refused(error.into())
    }
}

impl From<CommitError> for SubscribeError {
    fn from(error: CommitError) -> SubscribeError {
        SubscribeError::Refused(error.into())
    }
}

impl std::fmt::Display for SubscribeError {
    /// For operators.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SubscribeError::Limited(_) => f.write_str("too many sign-ups"),
            SubscribeError::DomainNotAllowed => f.write_str("addresses of this domain may not subscribe"),
            SubscribeError::Unfit(faults) => {
                let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("; "))
            }
            SubscribeError::LinkUnknown => f.write_str("the link is unknown"),
            SubscribeError::HasLeft => f.write_str("the subscription has ended"),
            SubscribeError::ListMalformed => f.write_str(
                "a list is named by a-z, digits and single hyphens, its title is 1 to 120 characters on one line, and its \
                 audience never changes",
            ),
            SubscribeError::Refused(refusal) => refusal.fmt(f),
        }
    }
}

/// Which subscriber has an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressEntry {
    subscriber: Uuid,
}

/// An address that gets no mail, after everything else about it was forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    pub evidence: Evidence,
    /// When this too is forgotten; none for what only an operator ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<jiff::Timestamp>,
}

macro_rules! first_version {
    ($($record:ty),* $(,)?) => {
        $(impl Record for $record {
            const VERSION: u8 = 1;
        })*
    };
}

first_version!(Subscriber, AddressEntry, Suppression, List);

impl Gateway {
    /// As the configuration has it.
    pub fn with_sign_up_rules(mut self, rules: SignUpRules) -> Gateway {
        self.roll.rules = rules;
        self
    }

    /// A subscriber as it is kept.
    pub async fn subscriber(&self, id: Uuid) -> Result<Option<At<Subscriber>>, Refusal> {
        let Some(found) = self.common.get(&key::subscriber(id)).await? else { return Ok(None) };
        Ok(Some(At { version: found.version, record: decode(&found.value)? }))
    }

    /// Who has an address.
    pub(super) async fn subscriber_of(
        &self,
        address: &MailAddress,
        audience: Audience,
    ) -> Result<Option<At<Subscriber>>, Refusal> {
        let at = key::subscriber_address(&self.subscriber_hash(address, audience));
        let Some(found) = self.common.get(&at).await? else { return Ok(None) };
        self.subscriber(decode::<AddressEntry>(&found.value)?.subscriber).await
    }

    /// Two spellings are one subscriber; letters go to the one that was typed.
    fn subscriber_hash(&self, address: &MailAddress, audience: Audience) -> Digest {
        self.common.hash(&[b"subscriber", audience.as_str().as_bytes(), address.folded().as_bytes()])
    }

    fn suppression_hash(&self, address: &MailAddress) -> Digest {
        self.common.hash(&[b"suppression", address.folded().as_bytes()])
    }

    /// Whether and why an address gets no mail.
    pub async fn suppression(&self, address: &MailAddress) -> Result<Option<At<Suppression>>, Refusal> {
        let at = key::suppression(&self.suppression_hash(address));
        let Some(found) = self.common.get(&at).await? else { return Ok(None) };
        Ok(Some(At { version: found.version, record: decode(&found.value)? }))
    }

    fn create_subscriber(&self, change: &mut Change, subscriber: &Subscriber) {
        let hash = self.subscriber_hash(&subscriber.address, subscriber.audience);
        change.create(key::subscriber(subscriber.id), encode(subscriber));
        change.create(key::subscriber_address(&hash), encode(&AddressEntry { subscriber: subscriber.id }));
        relist(change, None, subscriber);
    }

    /// The link by which a subscriber changes or ends what it gets; good as long as the subscription.
    pub fn manage_link(&self, subscriber: &Subscriber) -> String {
        self.link(subscriber, &format!("/status/prenumeration/{}", self.manage_token(subscriber.id)))
    }

    /// The page of what a subscriber is told of, in the edition that it reads.
    pub fn subject_link(&self, subscriber: &Subscriber, subject: Uuid) -> String {
        self.link(subscriber, &format!("/status/handelse/{subject}"))
    }

    /// What a manage link ends with.
    pub fn manage_token(&self, subscriber: Uuid) -> String {
        token::manage(&self.common, subscriber)
    }

    /// What a leave link and a leave address hold; case does not matter in it.
    pub fn leave_token(&self, subscriber: Uuid) -> String {
        token::leave(&self.common, subscriber)
    }

    /// The link that `List-Unsubscribe` holds.
    pub fn leave_link(&self, subscriber: Uuid) -> String {
        format!("{}/u/{}", self.roll.rules.public_url, self.leave_token(subscriber))
    }

    /// What the envelope's sender holds, so that a bounce says whom and which notice it is about. By the time of what is
    /// told, not of the sending: a letter tried again has the same sender, which is how receivers know a new try.
    pub fn bounce_token(&self, subscriber: Uuid, event: u64, told: Timestamp) -> String {
        token::bounce(&self.common, subscriber, event, told)
    }

    /// Subscriber and event. None for a forgery, and for what is too old to be believed.
    pub fn read_bounce_token(&self, text: &str) -> Option<(Uuid, u64)> {
        token::read_bounce(&self.common, text, self.now())
    }

    fn link(&self, subscriber: &Subscriber, path: &str) -> String {
        let edition = Edition { language: subscriber.language, audience: subscriber.audience };
        format!("{}{}", self.roll.rules.public_url, edition.path(path))
    }

    fn departures(&self) -> MutexGuard<'_, Departures> {
        self.roll.departures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a subscriber over what was read, and into the lists in which it stands now.
fn rewrite(change: &mut Change, before: &At<Subscriber>, after: &Subscriber) {
    change.replace(key::subscriber(after.id), before.version, encode(after));
    relist(change, Some(&before.record), after);
}

fn relist(change: &mut Change, before: Option<&Subscriber>, after: &Subscriber) {
    let (old, new) = (before.map(places).unwrap_or_default(), places(after));
    old.iter().filter(|place| !new.contains(place)).for_each(|place| change.unindex(place.clone()));
    new.iter().filter(|place| !old.contains(place)).for_each(|place| change.index(place.clone()));
}

/// The index keys of a subscriber.
fn places(subscriber: &Subscriber) -> Vec<Key> {
    let forget = subscriber.forget_at().map(|at| key::subscriber_forget(at, subscriber.id));
    let lists = subscriber.lists.iter().map(|membership| key::list_member(&membership.list, subscriber.id));
    let followed = subscriber.subscriptions.iter().filter_map(|subscription| match subscription.target {
        Target::Subject(subject) => Some(key::subject_follower(subject, subscriber.id)),
        _ => None,
    });
    lists.chain(forget).chain(followed).collect()
}

/// Whether somebody else wrote to the same record meanwhile: to be tried again.
fn is_overtaken(error: &SubscribeError) -> bool {
    matches!(error, SubscribeError::Refused(Refusal::Stale { .. }))
}
