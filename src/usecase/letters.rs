//! The owed letters as records: taken when due, settled after a try, listed and decided on by operators. Letters about
//! cases lie in `cases`, all others in `common`: these leave while `cases` is down or full.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Notify;
use uuid::Uuid;

use super::access::AccessEntry;
use super::catalog::At;
use super::owe::{owe, owes_letters};
use super::{Gateway, Refusal};
use crate::domain::language::Language;
use crate::domain::letter::{Letter, LetterFacts, LetterKind, LetterState};
use crate::domain::mail_address::MailAddress;
use crate::store::record::{decode, encode};
use crate::store::{Change, Committed, Range, ReadError, Store, key};

/// Whose letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterStore {
    /// About cases.
    Cases,
    /// Of Driftstatus and support.
    Common,
}

impl LetterStore {
    /// `common` first: it is there whenever the gateway is.
    pub const ALL: [LetterStore; 2] = [LetterStore::Common, LetterStore::Cases];

    pub fn as_str(self) -> &'static str {
        match self {
            LetterStore::Cases => "cases",
            LetterStore::Common => "common",
        }
    }
}

/// What became of a try.
pub enum Settlement {
    /// Accepted: nothing is owed any more.
    Delivered,
    /// To be tried again, or given up: the letter says so itself.
    Kept(Box<Letter>),
}

/// How many letters there are of each kind of waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxCount {
    pub queued: usize,
    pub dead: usize,
    pub oldest_due: Option<Timestamp>,
}

impl OutboxCount {
    /// Both outboxes as one.
    pub fn and(self, other: OutboxCount) -> OutboxCount {
        OutboxCount {
            queued: self.queued + other.queued,
            dead: self.dead + other.dead,
            oldest_due: self.oldest_due.into_iter().chain(other.oldest_due).min(),
        }
    }
}

/// More than these are not counted one by one.
const COUNT_MAX: usize = 10_000;

impl Gateway {
    fn letters_in(&self, of: LetterStore) -> &Store {
        match of {
            LetterStore::Cases => &self.cases,
            LetterStore::Common => &self.common,
        }
    }

    /// Rung after a commit that owes letters.
    pub fn letters_owed(&self, of: LetterStore) -> &Arc<Notify> {
        match of {
            LetterStore::Cases => &self.letters_owed,
            LetterStore::Common => &self.common_letters_owed,
        }
    }

    /// Owes somebody a letter of Driftstatus or support. `facts` fill its template, `about` names the record that it
    /// is about. The change is to be made by `commit_common`, which wakes the outbox.
    pub(super) fn owe_common(
        &self,
        change: &mut Change,
        kind: LetterKind,
        to: MailAddress,
        language: Language,
        facts: Option<Value>,
        about: Uuid,
    ) -> Result<(), Refusal> {
        let now = self.now();
        let letter = Letter::new(self.new_id(now)?, about, kind, to, language, now);
        owe(change, &Letter { facts: facts.map(LetterFacts::new), ..letter });
        Ok(())
    }

    /// Commits to `common` and wakes the outbox if letters are owed.
    pub(super) async fn commit_common(&self, change: Change) -> Result<Committed, Refusal> {
        let owes = owes_letters(&change);
        let committed = self.common.commit(change).await?;
        if owes {
            self.common_letters_owed.notify_one();
        }
        Ok(committed)
    }

    /// Letters whose time has come, earliest first.
    pub async fn due_letters(&self, of: LetterStore, now: Timestamp, limit: usize) -> Result<Vec<At<Letter>>, Refusal> {
        let prefix = key::letters_due();
        let until = key::timed_bound(&prefix, now.saturating_add(jiff::SignedDuration::from_millis(1)).unwrap_or(now));
        let found = self.letters_in(of).scan(Range::prefix(&prefix).until(&until), limit).await?;
        let mut out = Vec::new();
        for (key, _) in found {
            let Some((_, id)) = key::timed_target(&key) else { continue };
            match self.letter(of, id).await {
                Ok(letter) => out.extend(letter),
                // One that cannot be read must not hold up the others.
                Err(Refusal::Read(error @ (ReadError::Damaged | ReadError::Newer))) => {
                    tracing::error!(event = "outbox.unreadable", letter = %id, %error, "an owed letter cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(out)
    }

    /// When the next letter is due, if any waits.
    pub async fn next_letter_due(&self, of: LetterStore) -> Result<Option<Timestamp>, Refusal> {
        let found = self.letters_in(of).scan(Range::prefix(&key::letters_due()), 1).await?;
        Ok(found.first().and_then(|(key, _)| key::timed_target(key)).map(|(at, _)| at))
    }

    pub async fn letter(&self, of: LetterStore, id: Uuid) -> Result<Option<At<Letter>>, Refusal> {
        let Some(found) = self.letters_in(of).get(&key::letter(id)).await? else { return Ok(None) };
        Ok(Some(At { version: found.version, record: decode(&found.value)? }))
    }

    /// Notes on disk that a letter is being sent, with the bytes that are sent: whoever finds it so after a crash
    /// knows that it may have gone, and sends the same bytes again.
    pub async fn lease_letter(
        &self,
        of: LetterStore,
        letter: &At<Letter>,
        message: String,
    ) -> Result<At<Letter>, Refusal> {
        let mut record = letter.record.clone();
        record.state = LetterState::Sending;
        record.message = Some(message);
        self.keep(of, letter, record).await
    }

    pub async fn settle_letter(
        &self,
        of: LetterStore,
        letter: &At<Letter>,
        settlement: Settlement,
    ) -> Result<(), Refusal> {
        match settlement {
            Settlement::Delivered => {
                let mut change = Change::new();
                change.remove(key::letter(letter.record.id), letter.version);
                change.unindex(key::letter_due(letter.record.next_at, letter.record.id));
                self.letters_in(of).commit(change).await?;
            }
            Settlement::Kept(record) => {
                self.keep(of, letter, *record).await?;
            }
        }
        Ok(())
    }

    /// Letters that were given up, oldest first.
    pub async fn dead_letters(&self, of: LetterStore, limit: usize) -> Result<Vec<At<Letter>>, Refusal> {
        let found = self.letters_in(of).scan(Range::prefix(&key::letters_dead()), limit).await?;
        let mut out = Vec::new();
        for (key, _) in found {
            if let Some((_, id)) = key::timed_target(&key) {
                out.extend(self.letter(of, id).await?);
            }
        }
        Ok(out)
    }

    pub async fn count_letters(&self, of: LetterStore) -> Result<OutboxCount, Refusal> {
        let queued = self.letters_in(of).scan(Range::prefix(&key::letters_due()), COUNT_MAX).await?;
        let dead = self.letters_in(of).scan(Range::prefix(&key::letters_dead()), COUNT_MAX).await?;
        let oldest_due = queued.first().and_then(|(key, _)| key::timed_target(key)).map(|(at, _)| at);
        Ok(OutboxCount { queued: queued.len(), dead: dead.len(), oldest_due })
    }

    /// An operator has a dead letter tried again, from now.
    pub async fn resend_letter(&self, of: LetterStore, id: Uuid, operator: &str) -> Result<(), Refusal> {
        let letter = self.letter(of, id).await?.filter(|l| l.record.state == LetterState::Dead);
        let letter = letter.ok_or(Refusal::NotFound)?;
        let now = self.now();
        let old = &letter.record;
        let fresh = Letter::new(old.id, old.about, old.kind, old.to.clone(), old.language, now);
        // Created when it was: its bytes stay what they were.
        let record = Letter {
            created_at: old.created_at,
            facts: old.facts.clone(),
            message: old.message.clone(),
            in_doubt: old.in_doubt,
            event: old.event,
            ..fresh
        };
        let mut change = keeping(&letter, &record);
        let line = AccessEntry::new(operator, "operator", "letter-resend", "");
        self.log_in(&mut change, &line.of(vec![old.about]), now)?;
        self.letters_in(of).commit(change).await?;
        self.letters_owed(of).notify_one();
        Ok(())
    }

    /// An operator lets a dead letter go, and says why.
    pub async fn drop_letter(&self, of: LetterStore, id: Uuid, operator: &str, reason: &str) -> Result<(), Refusal> {
        let letter = self.letter(of, id).await?.filter(|l| l.record.state == LetterState::Dead);
        let letter = letter.ok_or(Refusal::NotFound)?;
        let mut change = Change::new();
        change.remove(key::letter(id), letter.version);
        change.unindex(key::letter_dead(letter.record.next_at, id));
        let line = AccessEntry::new(operator, "operator", &format!("letter-drop: {reason}"), "");
        self.log_in(&mut change, &line.of(vec![letter.record.about]), self.now())?;
        self.letters_in(of).commit(change).await?;
        Ok(())
    }

    async fn keep(&self, of: LetterStore, letter: &At<Letter>, record: Letter) -> Result<At<Letter>, Refusal> {
        self.letters_in(of).commit(keeping(letter, &record)).await?;
        Ok(At { version: letter.version + 1, record })
    }
}

fn keeping(letter: &At<Letter>, record: &Letter) -> Change {
    let mut change = Change::new();
    change.replace(key::letter(record.id), letter.version, encode(record));
    let place = |l: &Letter| match l.state {
        LetterState::Dead => key::letter_dead(l.next_at, l.id),
        LetterState::Queued | LetterState::Sending => key::letter_due(l.next_at, l.id),
    };
    if place(&letter.record) != place(record) {
        change.unindex(place(&letter.record));
        change.index(place(record));
    }
    change
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usecase::testing::TestGateway;

    #[tokio::test]
    async fn a_letter_of_the_status_is_owed_taken_and_settled_without_the_store_of_cases() {
        let TestGateway { gateway, clock, .. } = &TestGateway::start().await;
        gateway.cases.close();
        let (about, to) = (Uuid::from_u128(7), MailAddress::parse("tolvan@example.test").unwrap());
        let mut change = Change::new();
        let facts = Some(serde_json::json!({ "link": "https://status.region.example/hemlig" }));
        let (kind, language) = (LetterKind::ConfirmSubscription, Language::Sv);
        gateway.owe_common(&mut change, kind, to.clone(), language, facts.clone(), about).unwrap();
        gateway.commit_common(change).await.unwrap();
        gateway.letters_owed(LetterStore::Common).notified().await;

        let due = gateway.due_letters(LetterStore::Common, gateway.now(), 10).await.unwrap();
        let [letter] = due.as_slice() else { panic!("{} letters", due.len()) };
        assert_eq!((letter.record.about, &letter.record.to), (about, &to));
        assert_eq!(letter.record.facts.as_ref().map(LetterFacts::expose), facts.as_ref());
        assert!(!format!("{:?}", letter.record).contains("hemlig"));
        assert_eq!(gateway.due_letters(LetterStore::Cases, gateway.now(), 10).await.unwrap().len(), 0);

        let letter = gateway.lease_letter(LetterStore::Common, letter, "bytes".into()).await.unwrap();
        clock.advance(jiff::SignedDuration::from_hours(24));
        assert_eq!(letter.record.give_up_at, gateway.now(), "a confirm link that is dead is not sent");
        gateway.settle_letter(LetterStore::Common, &letter, Settlement::Delivered).await.unwrap();
        assert_eq!(gateway.count_letters(LetterStore::Common).await.unwrap(), OutboxCount::default());
    }
}
