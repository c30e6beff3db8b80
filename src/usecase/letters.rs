//! The owed letters as records: taken when due, settled after a try, listed and decided on by operators.

use jiff::Timestamp;
use uuid::Uuid;

use super::access::AccessEntry;
use super::catalog::At;
use super::{Gateway, Refusal};
use crate::domain::letter::{Letter, LetterState};
use crate::store::record::{decode, encode};
use crate::store::{Change, Range, ReadError, key};

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

/// More than these are not counted one by one.
const COUNT_MAX: usize = 10_000;

impl Gateway {
    /// Letters whose time has come, earliest first.
    pub async fn due_letters(&self, now: Timestamp, limit: usize) -> Result<Vec<At<Letter>>, Refusal> {
        let prefix = key::letters_due();
        let until = key::timed_bound(&prefix, now.saturating_add(jiff::SignedDuration::from_millis(1)).unwrap_or(now));
        let found = self.cases.scan(Range::prefix(&prefix).until(&until), limit).await?;
        let mut out = Vec::new();
        for (key, _) in found {
            let Some((_, id)) = key::timed_target(&key) else { continue };
            match self.letter(id).await {
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
    pub async fn next_letter_due(&self) -> Result<Option<Timestamp>, Refusal> {
        let found = self.cases.scan(Range::prefix(&key::letters_due()), 1).await?;
        Ok(found.first().and_then(|(key, _)| key::timed_target(key)).map(|(at, _)| at))
    }

    pub async fn letter(&self, id: Uuid) -> Result<Option<At<Letter>>, Refusal> {
        let Some(found) = self.cases.get(&key::letter(id)).await? else { return Ok(None) };
        Ok(Some(At { version: found.version, record: decode(&found.value)? }))
    }

    /// Notes on disk that a letter is being sent, with the bytes that are sent: whoever finds it so after a crash
    /// knows that it may have gone, and sends the same bytes again.
    pub async fn lease_letter(&self, letter: &At<Letter>, message: String) -> Result<At<Letter>, Refusal> {
        let mut record = letter.record.clone();
        record.state = LetterState::Sending;
        record.message = Some(message);
        self.keep(letter, record).await
    }

    pub async fn settle_letter(&self, letter: &At<Letter>, settlement: Settlement) -> Result<(), Refusal> {
        match settlement {
            Settlement::Delivered => {
                let mut change = Change::new();
                change.remove(key::letter(letter.record.id), letter.version);
                change.unindex(key::letter_due(letter.record.next_at, letter.record.id));
                self.cases.commit(change).await?;
            }
            Settlement::Kept(record) => {
                self.keep(letter, *record).await?;
            }
        }
        Ok(())
    }

    /// Letters that were given up, oldest first.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<At<Letter>>, Refusal> {
        let found = self.cases.scan(Range::prefix(&key::letters_dead()), limit).await?;
        let mut out = Vec::new();
        for (key, _) in found {
            if let Some((_, id)) = key::timed_target(&key) {
                out.extend(self.letter(id).await?);
            }
        }
        Ok(out)
    }

    pub async fn count_letters(&self) -> Result<OutboxCount, Refusal> {
        let queued = self.cases.scan(Range::prefix(&key::letters_due()), COUNT_MAX).await?;
        let dead = self.cases.scan(Range::prefix(&key::letters_dead()), COUNT_MAX).await?;
        let oldest_due = queued.first().and_then(|(key, _)| key::timed_target(key)).map(|(at, _)| at);
        Ok(OutboxCount { queued: queued.len(), dead: dead.len(), oldest_due })
    }

    /// An operator has a dead letter tried again, from now.
    pub async fn resend_letter(&self, id: Uuid, operator: &str) -> Result<(), Refusal> {
        let letter = self.letter(id).await?.filter(|l| l.record.state == LetterState::Dead);
        let letter = letter.ok_or(Refusal::NotFound)?;
        let now = self.now();
        let old = &letter.record;
        let fresh = Letter::new(old.id, old.case, old.kind, old.to.clone(), old.language, now);
        // Created when it was: its bytes stay what they were.
        let record =
            Letter { created_at: old.created_at, message: old.message.clone(), in_doubt: old.in_doubt, ..fresh };
        let mut change = keeping(&letter, &record);
        let line = AccessEntry::new(operator, "operator", "letter-resend", "");
        self.log_in(&mut change, &line.of(vec![old.case]), now)?;
        self.cases.commit(change).await?;
        self.letters_owed.notify_one();
        Ok(())
    }

    /// An operator lets a dead letter go, and says why.
    pub async fn drop_letter(&self, id: Uuid, operator: &str, reason: &str) -> Result<(), Refusal> {
        let letter = self.letter(id).await?.filter(|l| l.record.state == LetterState::Dead);
        let letter = letter.ok_or(Refusal::NotFound)?;
        let mut change = Change::new();
        change.remove(key::letter(id), letter.version);
        change.unindex(key::letter_dead(letter.record.next_at, id));
        let line = AccessEntry::new(operator, "operator", &format!("letter-drop: {reason}"), "");
        self.log_in(&mut change, &line.of(vec![letter.record.case]), self.now())?;
        self.cases.commit(change).await?;
        Ok(())
    }

    async fn keep(&self, letter: &At<Letter>, record: Letter) -> Result<At<Letter>, Refusal> {
        self.cases.commit(keeping(letter, &record)).await?;
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
