//! News that come together: the daily digest, and what goes on when somebody begins to subscribe. The expansion notes
//! who is to be told and from which event on; at their time they get one letter, or none where nothing is left to tell.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::read;
use crate::domain::calendar::next_local;
use crate::domain::language::Language;
use crate::domain::letter::{Letter, LetterKind};
use crate::domain::status::board::Board;
use crate::domain::status::choice::Mode;
use crate::domain::status::event::{Event, EventKind, NamedComponent};
use crate::domain::status::ledger::{is_ending, is_mailed};
use crate::domain::status::subject::Subject;
use crate::domain::status::subscriber::{Subscriber, SubscriberState};
use crate::store::record::{Record, encode};
use crate::store::{Change, Range, key};
use crate::usecase::catalog::At;
use crate::usecase::owe::owe;
use crate::usecase::{Gateway, Refusal};

/// Events read at a time, and for one letter at most; what is older than so many is history.
const EVENTS_PAGE: usize = 200;
const EVENTS_MAX: usize = 2_000;
/// Tries against somebody else's change of the same record.
const TRIES: usize = 3;

/// What a subscriber is to be told together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Pending {
    /// Told of, or mailed otherwise, up to this event.
    pub after: u64,
    /// None while there is nothing to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Just confirmed: told what goes on, not what happened.
    #[serde(default)]
    pub welcome: bool,
}

impl Record for Pending {
    const VERSION: u8 = 1;
}

/// One subscriber's news at their time.
pub struct News {
    pub subscriber: Subscriber,
    /// Oldest first.
    pub events: Vec<Event>,
    /// What goes on, rather than what happened.
    pub is_welcome: bool,
    pending: At<Pending>,
    until: u64,
}

impl News {
    pub fn kind(&self) -> LetterKind {
        if self.is_welcome { LetterKind::OpenNow } else { LetterKind::Digest }
    }

    pub fn language(&self) -> Language {
        self.subscriber.language
    }

    /// Names the letter: the same news are the same letter.
    pub fn name(&self) -> String {
        format!("news.{}.{}.{}", self.subscriber.id.simple(), self.pending.record.after, self.until)
    }
}

impl Gateway {
    /// Adds to the change by which somebody becomes a subscriber that it is to be told what goes on, if anything does.
    pub async fn welcome(&self, change: &mut Change, subscriber: &Subscriber) -> Result<(), Refusal> {
        let now = self.now();
        let before = read::<Pending>(&self.common, &key::news(subscriber.id)).await?;
        let goes_on = !ongoing(&self.board(), subscriber, now).is_empty();
        let pending = Pending { after: subscriber.confirmed_seq, due: goes_on.then_some(now), welcome: goes_on };
        match before {
            // From an earlier time as a subscriber, of which nothing is told any more.
            Some(at) => {
                at.record.due.into_iter().for_each(|due| change.unindex(key::news_due(due, subscriber.id)));
                change.replace(key::news(subscriber.id), at.version, encode(&pending));
            }
            None if goes_on => change.create(key::news(subscriber.id), encode(&pending)),
            None => return Ok(()),
        }
        if goes_on {
            change.index(key::news_due(now, subscriber.id));
            self.fanout.news_owed.notify_one();
        }
        Ok(())
    }

    /// Notes for whom an event waits until their time of day.
    pub(super) async fn note_for_digest(&self, seq: u64, subscribers: &[(Uuid, Mode)]) -> Result<(), Refusal> {
        for (subscriber, mode) in subscribers {
            let Mode::Digest { hour, minute } = *mode else { continue };
            let mut tried = 1;
            while let Err(error) = self.try_note(seq, *subscriber, hour, minute).await {
                if tried == TRIES || !matches!(error, Refusal::Stale { .. }) {
                    return Err(error);
                }
                tried += 1;
            }
        }
        Ok(())
    }

    async fn try_note(&self, seq: u64, subscriber: Uuid, hour: u8, minute: u8) -> Result<(), Refusal> {
        let before = read::<Pending>(&self.common, &key::news(subscriber)).await?;
        if before.as_ref().is_some_and(|at| at.record.due.is_some() || at.record.after >= seq) {
            return Ok(());
        }
        let due = next_local(self.now(), hour, minute);
        let pending = Pending { after: seq - 1, due: Some(due), welcome: false };
        let mut change = Change::new();
        match before {
            Some(at) => change.replace(key::news(subscriber), at.version, encode(&pending)),
            None => change.create(key::news(subscriber), encode(&pending)),
        }
        change.index(key::news_due(due, subscriber));
        self.common.commit(change).await?;
        Ok(())
    }

    /// News whose time has come, earliest first; those with nothing to tell are done with on the way.
    pub async fn news_due(&self, limit: usize) -> Result<Vec<News>, Refusal> {
        let now = self.now();
        let prefix = key::all_news_due();
        // What is due now is due.
        let next = now.saturating_add(SignedDuration::from_millis(1)).unwrap_or(now);
        let range = Range::prefix(&prefix).until(&key::timed_bound(&prefix, next));
        let mut out = Vec::new();
        for (index, _) in self.common.scan(range, limit).await? {
            let Some((_, id)) = key::timed_target(&index) else { continue };
            let pending = read::<Pending>(&self.common, &key::news(id)).await?;
            let subscriber = self.subscriber(id).await?.map(|at| at.record);
            let subscriber = subscriber.filter(|subscriber| subscriber.state == SubscriberState::Active);
            match (pending, subscriber) {
                (Some(pending), Some(subscriber)) => {
                    let news = self.news_for(subscriber, pending, now).await?;
                    if news.events.is_empty() {
                        self.settle_news(&news, None).await?;
                    } else {
                        out.push(news);
                    }
                }
                (pending, _) => {
                    let mut change = Change::new();
                    change.unindex(index);
                    pending.into_iter().for_each(|at| change.remove(key::news(id), at.version));
                    self.common.commit(change).await?;
                }
            }
        }
        Ok(out)
    }

    /// When the next news are due.
    pub async fn next_news_due(&self) -> Result<Option<Timestamp>, Refusal> {
        let found = self.common.scan(Range::prefix(&key::all_news_due()), 1).await?;
        Ok(found.first().and_then(|(key, _)| key::timed_target(key)).map(|(at, _)| at))
    }

    /// Owes the letter that tells the news, complete as it will be sent, or nothing; and is done with them.
    pub async fn settle_news(&self, news: &News, message: Option<String>) -> Result<(), Refusal> {
        let id = news.subscriber.id;
        let mut change = Change::new();
        let done = Pending { after: news.until, due: None, welcome: false };
        change.replace(key::news(id), news.pending.version, encode(&done));
        news.pending.record.due.into_iter().for_each(|due| change.unindex(key::news_due(due, id)));
        if let Some(message) = message {
            let now = self.now();
            let to = news.subscriber.address.clone();
            let letter = Letter::new(self.new_id(now)?, id, news.kind(), to, news.language(), now);
            owe(&mut change, &Letter { message: Some(message), event: Some(news.until), ..letter });
            for event in &news.events {
                let told = key::told(event.subject.id(), id);
                if is_ending(event) { change.unindex(told) } else { change.index(told) }
            }
        }
        self.commit_common(change).await?;
        Ok(())
    }

    async fn news_for(&self, subscriber: Subscriber, pending: At<Pending>, now: Timestamp) -> Result<News, Refusal> {
        if pending.record.welcome {
            let board = self.board();
            let (events, until) = (ongoing(&board, &subscriber, now), board.seq.max(pending.record.after));
            return Ok(News { subscriber, events, is_welcome: true, pending, until });
        }
        let (mut events, mut until, mut told) = (Vec::new(), pending.record.after, BTreeSet::new());
        while events.len() < EVENTS_MAX {
            let page = self.notices_after(until, EVENTS_PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            until = *last;
            for (seq, event) in page {
                let subject = event.subject.id();
                let wanted = if !is_mailed(&event) || seq <= subscriber.confirmed_seq {
                    false
                } else if is_ending(&event) {
                    told.contains(&subject)
                        || subscriber.wants_ending(&event)
                        || self.common.get(&key::told(subject, subscriber.id)).await?.is_some()
                } else {
                    subscriber.wants(&event)
                };
                if wanted {
                    told.insert(subject);
                    events.push(event);
                }
            }
        }
        Ok(News { subscriber, events, is_welcome: false, pending, until })
    }
}

/// What a subscriber would have been told of what goes on now, had it been one before.
fn ongoing(board: &Board, subscriber: &Subscriber, now: Timestamp) -> Vec<Event> {
    let since = subscriber.confirmed_at.unwrap_or(now);
    let incidents = board.ongoing().filter(|incident| incident.published_at <= since);
    let running = board.maintenances.iter().filter(|work| work.is_running() && work.published_at <= since);
    let incidents = incidents.map(|incident| Subject::Incident(incident.as_ref().clone()));
    let subjects = incidents.chain(running.map(|work| Subject::Maintenance(work.as_ref().clone())));
    let events = subjects.map(|subject| {
        let named = |id: Uuid| {
            let component = board.components.iter().find(|component| component.id == id)?;
            Some(NamedComponent { id, name: component.name.clone(), group: component.group })
        };
        let components = subject.ever_affected().into_iter().filter_map(named).collect();
        let kind = match &subject {
            Subject::Incident(incident) if incident.updates.len() == 1 => EventKind::Opened,
            Subject::Incident(_) => EventKind::Updated,
            Subject::Maintenance(_) => EventKind::Started,
        };
        Event { kind, at: now, subject, update: None, components, notify: true, not_after: now }
    });
    events.filter(|event| subscriber.wants(event)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::assert_golden;

    #[test]
    fn the_record_of_pending_news_is_the_golden_one() {
        let pending = Pending { after: 7, due: Some("2026-11-23T06:30:00Z".parse().unwrap()), welcome: false };
        assert_golden(&pending, include_str!("../golden/news-1.txt"));
    }
}
