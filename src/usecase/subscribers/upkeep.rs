//! What ends an address: it bounces, complains, is kept from mail by an operator, or its time is up. What is kept then
//! is a keyed hash and a reason, as long as it does somebody good.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{SubscribeError, Suppression, TRIES, is_overtaken, places, rewrite};
use crate::crypto::Digest;
use crate::domain::mail_address::MailAddress;
use crate::domain::status::Audience;
use crate::domain::status::subscriber::{Evidence, Reason, Subscriber, SubscriberState};
use crate::store::record::{decode, encode};
use crate::store::{Change, Range, key};
use crate::usecase::access::AccessEntry;
use crate::usecase::catalog::At;
use crate::usecase::{Gateway, Refusal};

/// Records touched in one go: upkeep never stands in callers' way for long.
const BATCH: usize = 200;
/// Who left is not brought back by an import for so long; an address that bounced is a stranger's afterwards.
const SUPPRESSED_DAYS: i64 = 3 * 365;

/// A subject that is over is followed so much longer: its last mail may still be on its way.
const FOLLOWED_FURTHER: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How many subscribers there are of each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubscriberCount {
    pub pending: usize,
    pub active: usize,
    pub quarantined: usize,
    pub left: usize,
}

impl Gateway {
    /// An address does not take mail: nothing more is sent until it is confirmed anew. False if nothing was sent anyway.
    pub async fn quarantine(&self, id: Uuid, evidence: Evidence) -> Result<bool, SubscribeError> {
        let mut tried = 1;
        loop {
            let Some(before) = self.subscriber(id).await? else { return Ok(false) };
            let mut subscriber = before.record.clone();
            if !subscriber.quarantine(evidence.clone(), self.now()) {
                return Ok(false);
            }
            let mut change = Change::new();
            rewrite(&mut change, &before, &subscriber);
            match self.commit_common(change).await.map_err(SubscribeError::Refused) {
                Err(error) if is_overtaken(&error) && tried < TRIES => tried += 1,
                done => {
                    done?;
                    self.departures().remember(id);
                    return Ok(true);
                }
            }
        }
    }

    /// An address is never to be mailed again: it is forgotten, and only its keyed hash and the reason stay.
    pub async fn suppress(&self, address: &MailAddress, evidence: Evidence, who: &str) -> Result<(), SubscribeError> {
        let mut tried = 1;
        loop {
            match self.try_suppress(address, &evidence, who).await {
                Err(error) if is_overtaken(&error) && tried < TRIES => tried += 1,
                done => return done,
            }
        }
    }

    async fn try_suppress(&self, address: &MailAddress, evidence: &Evidence, who: &str) -> Result<(), SubscribeError> {
        let mut change = Change::new();
        let mut gone = Vec::new();
        for audience in Audience::ALL {
            if let Some(at) = self.subscriber_of(address, audience).await? {
                self.remove(&mut change, &at).await?;
                gone.push(at.record.id);
            }
        }
        self.put_suppression(&mut change, address, Suppression { evidence: evidence.clone(), until: None }).await?;
        let line = AccessEntry::new(who, "operator", "subscriber-suppress", "").of(gone.clone());
        self.log_in(&mut change, &line, self.now())?;
        self.commit_common(change).await?;
        gone.into_iter().for_each(|id| self.departures().remember(id));
        Ok(())
    }

    /// An operator lets an address be mailed again. False if nothing kept it from mail.
    pub async fn allow(&self, address: &MailAddress, operator: &str) -> Result<bool, SubscribeError> {
        let mut change = Change::new();
        let was_suppressed = self.end_suppression(&mut change, address).await?;
        if was_suppressed {
            self.log_in(&mut change, &AccessEntry::new(operator, "operator", "subscriber-allow", ""), self.now())?;
            self.commit_common(change).await?;
        }
        Ok(was_suppressed)
    }

    /// An operator looks an address up; that it was read is logged first.
    pub async fn look_up(
        &self,
        address: &MailAddress,
        operator: &str,
    ) -> Result<(Vec<Subscriber>, Option<Suppression>), SubscribeError> {
        let mut found = Vec::new();
        for audience in Audience::ALL {
            found.extend(self.subscriber_of(address, audience).await?.map(|at| at.record));
        }
        let ids = found.iter().map(|subscriber| subscriber.id).collect();
        let line = AccessEntry::new(operator, "operator", "subscriber-read", "").of(ids);
        self.log_operator(&self.common, &line).await?;
        Ok((found, self.suppression(address).await?.map(|at| at.record)))
    }

    /// An operator has an address forgotten at once, as its owner asked. An import does not bring it back.
    pub async fn forget_address(&self, address: &MailAddress, operator: &str) -> Result<bool, SubscribeError> {
        let (found, _) = self.look_up(address, operator).await?;
        for subscriber in &found {
            if let Some(at) = self.subscriber(subscriber.id).await? {
                self.forget(&at, Some(Reason::Left)).await?;
            }
        }
        Ok(!found.is_empty())
    }

    /// How many there are for each audience; walks through all.
    pub async fn count_subscribers(&self) -> Result<BTreeMap<Audience, SubscriberCount>, Refusal> {
        let mut counts = BTreeMap::from(Audience::ALL.map(|audience| (audience, SubscriberCount::default())));
        let mut range = Range::prefix(&key::subscribers());
        loop {
            let page = self.common.scan(range.clone(), BATCH).await?;
            let Some((last, _)) = page.last() else { return Ok(counts) };
            range = range.after(last);
            for (_, found) in &page {
                let subscriber: Subscriber = decode(&found.value)?;
                let count = counts.entry(subscriber.audience).or_default();
                match subscriber.state {
                    SubscriberState::Pending => count.pending += 1,
                    SubscriberState::Active => count.active += 1,
                    SubscriberState::Quarantined => count.quarantined += 1,
                    SubscriberState::Left => count.left += 1,
                }
            }
        }
    }

    /// One round of forgetting. True while there may be more.
    pub async fn keep_up_subscribers(&self) -> Result<bool, Refusal> {
        let now = self.now();
        let due = |prefix: &crate::store::Key| Range::prefix(prefix).until(&key::timed_bound(prefix, now));
        let to_forget = self.common.scan(due(&key::subscribers_to_forget()), BATCH).await?;
        let mut forgotten = 0;
        for (index, _) in &to_forget {
            let Some((_, id)) = key::timed_target(index) else { continue };
            match self.forget_if_due(id, now).await {
                Ok(()) => forgotten += 1,
                Err(error) => {
                    tracing::error!(event = "subscriber.forget", subscriber = %id, %error, "a subscriber could not be forgotten");
                }
            }
        }
        let ended = self.common.scan(due(&key::suppression_ends()), BATCH).await?;
        for (index, _) in &ended {
            let mut change = Change::new();
            change.unindex(index.clone());
            if let Some(hash) = key::ended_suppression(index)
                && let Some(found) = self.common.get(&key::suppression(&hash)).await?
            {
                change.remove(key::suppression(&hash), found.version);
            }
            self.commit_common(change).await?;
        }
        // Whoever could not be forgotten is not tried again in the same round.
        Ok(forgotten == BATCH || ended.len() == BATCH)
    }

    /// Ends what was followed to its end: who followed nothing else has no mail to wait for and is let go.
    pub async fn end_followings(&self) -> Result<(), SubscribeError> {
        let (board, now) = (self.board(), self.now());
        let mut range = Range::prefix(&key::subject_followers());
        loop {
            let page = self.common.scan(range.clone(), BATCH).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            range = range.after(last);
            for (index, _) in &page {
                if let Some((subject, id)) = key::follower_of_subject(index)
                    && board.ended_before(subject, now.saturating_sub(FOLLOWED_FURTHER).unwrap_or(now))
                {
                    self.change_subscriber(id, |subscriber, _, now| subscriber.end_following(subject, now)).await?;
                }
            }
        }
    }

    async fn forget_if_due(&self, id: Uuid, now: Timestamp) -> Result<(), SubscribeError> {
        match self.subscriber(id).await? {
            Some(at) if at.record.forget_at().is_some_and(|due| due <= now) => {
                let reason = match at.record.state {
                    SubscriberState::Left => Some(Reason::Left),
                    SubscriberState::Quarantined => at.record.evidence.as_ref().map(|evidence| evidence.reason),
                    SubscriberState::Pending | SubscriberState::Active => None,
                };
                self.forget(&at, reason).await
            }
            _ => Ok(()),
        }
    }

    async fn forget(&self, at: &At<Subscriber>, reason: Option<Reason>) -> Result<(), SubscribeError> {
        let subscriber = &at.record;
        let mut change = Change::new();
        self.remove(&mut change, at).await?;
        // What an operator or a complaint has closed stays closed as it is.
        if let Some(reason) = reason
            && self.suppression(&subscriber.address).await?.is_none()
        {
            let now = self.now();
            let until = now.saturating_add(SignedDuration::from_hours(SUPPRESSED_DAYS * 24)).ok();
            let seen = subscriber.evidence.clone().filter(|evidence| evidence.reason == reason);
            let evidence = seen.unwrap_or(Evidence { at: now, reason, code: None, event: None });
            self.put_suppression(&mut change, &subscriber.address, Suppression { evidence, until }).await?;
        }
        self.commit_common(change).await?;
        self.departures().remember(subscriber.id);
        Ok(())
    }

    async fn remove(&self, change: &mut Change, at: &At<Subscriber>) -> Result<(), Refusal> {
        let subscriber = &at.record;
        change.remove(key::subscriber(subscriber.id), at.version);
        let address = key::subscriber_address(&self.subscriber_hash(&subscriber.address, subscriber.audience));
        if let Some(entry) = self.common.get(&address).await? {
            change.remove(address, entry.version);
        }
        places(subscriber).into_iter().for_each(|place| change.unindex(place));
        Ok(())
    }

    async fn put_suppression(
        &self,
        change: &mut Change,
        address: &MailAddress,
        suppression: Suppression,
    ) -> Result<(), Refusal> {
        let hash = self.suppression_hash(address);
        let value = encode(&suppression);
        match self.suppression(address).await? {
            Some(at) => {
                self.unindex_end(change, &hash, &at.record);
                change.replace(key::suppression(&hash), at.version, value);
            }
            None => change.create(key::suppression(&hash), value),
        }
        if let Some(until) = suppression.until {
            change.index(key::suppression_end(until, &hash));
        }
        Ok(())
    }

    /// Whether there was one to end.
    pub(super) async fn end_suppression(&self, change: &mut Change, address: &MailAddress) -> Result<bool, Refusal> {
        let Some(at) = self.suppression(address).await? else { return Ok(false) };
        let hash = self.suppression_hash(address);
        self.unindex_end(change, &hash, &at.record);
        change.remove(key::suppression(&hash), at.version);
        Ok(true)
    }

    fn unindex_end(&self, change: &mut Change, hash: &Digest, suppression: &Suppression) {
        if let Some(until) = suppression.until {
            change.unindex(key::suppression_end(until, hash));
        }
    }
}
