//! The region's own lists: staff whom it wants told whether they sign up or not. Whoever keeps a list puts people on it
//! and takes them off; a member who wishes to leave has the list's owner told.

use uuid::Uuid;

use super::{SubscribeError, TRIES, is_overtaken, rewrite};
use crate::domain::mail_address::MailAddress;
use crate::domain::status::choice::subscription_faults;
use crate::domain::status::subscriber::{List, Subscriber};
use crate::store::record::{decode, encode};
use crate::store::{Chain, Change, Range, key};
use crate::usecase::access::AccessEntry;
use crate::usecase::catalog::{At, read_all};
use crate::usecase::{Gateway, Refusal};

/// Members looked up at a time.
const PAGE: usize = 200;

/// What putting addresses on a list came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Joined {
    pub added: usize,
    pub already: usize,
    /// They complained, or an operator keeps them from all mail.
    pub suppressed: usize,
    /// On as many lists as one address may be.
    pub full: usize,
}

impl Gateway {
    pub async fn list(&self, slug: &str) -> Result<Option<At<List>>, Refusal> {
        let Some(found) = self.common.get(&key::subscriber_list(slug)).await? else { return Ok(None) };
        Ok(Some(At { version: found.version, record: decode(&found.value)? }))
    }

    /// The lists that somebody is on, as people read them.
    pub async fn titles_of_lists(&self, subscriber: &Subscriber) -> Result<Vec<String>, Refusal> {
        let mut titles = Vec::new();
        for membership in &subscriber.lists {
            titles.extend(self.list(&membership.list).await?.map(|at| at.record.title));
        }
        Ok(titles)
    }

    pub async fn lists(&self) -> Result<Vec<List>, Refusal> {
        let lists = read_all::<List>(&self.common, &key::subscriber_lists()).await?;
        Ok(lists.into_iter().map(|(_, at)| at.record).collect())
    }

    /// Makes a list, or changes it; its members then get what it chooses now. Tried again after a crash it ends the
    /// same.
    pub async fn put_list(&self, operator: &str, list: &List) -> Result<(), SubscribeError> {
        if !list.is_named_well() {
            return Err(SubscribeError::ListMalformed);
        }
        let faults = subscription_faults(&list.subscriptions, &self.board(), list.audience);
        if !faults.is_empty() {
            return Err(SubscribeError::Unfit(faults));
        }
        let mut change = Change::new();
        match self.list(&list.slug).await? {
            // Its members are of the audience that they were put on it for.
            Some(at) if at.record.audience != list.audience => return Err(SubscribeError::ListMalformed),
            Some(at) => change.replace(key::subscriber_list(&list.slug), at.version, encode(list)),
            None => change.create(key::subscriber_list(&list.slug), encode(list)),
        }
        let line = AccessEntry::new(operator, "operator", &format!("subscriber-list-put: {}", list.slug), "");
        self.log_in(&mut change, &line, self.now())?;
        self.commit_common(change).await?;
        for id in self.members(&list.slug).await? {
            self.change_subscriber(id, |subscriber, head, now| {
                subscriber.join(list, head, now);
            })
            .await?;
        }
        Ok(())
    }

    /// Puts addresses on a list. The log's line comes first: who did it is known even of a part.
    pub async fn join_list(
        &self,
        operator: &str,
        slug: &str,
        addresses: &[MailAddress],
    ) -> Result<Joined, SubscribeError> {
        let list = self.list(slug).await?.ok_or(Refusal::NotFound)?.record;
        let line = AccessEntry::new(operator, "operator", &format!("subscriber-list-add: {slug}"), "");
        self.log_operator(&self.common, &line).await?;
        let mut joined = Joined::default();
        for address in addresses {
            let mut tried = 1;
            loop {
                match self.join_one(&list, address, &mut joined).await {
                    Err(error) if is_overtaken(&error) && tried < TRIES => tried += 1,
                    done => break done?,
                }
            }
        }
        Ok(joined)
    }

    async fn join_one(&self, list: &List, address: &MailAddress, joined: &mut Joined) -> Result<(), SubscribeError> {
        if self.suppression(address).await?.is_some_and(|at| at.record.evidence.reason.is_final()) {
            joined.suppressed += 1;
            return Ok(());
        }
        let (now, head) = (self.now(), self.notices_head().await?);
        let mut change = Change::new();
        let Some(before) = self.subscriber_of(address, list.audience).await? else {
            let subscriber = Subscriber::listed(self.new_id(now)?, address.clone(), list, head, now);
            self.create_subscriber(&mut change, &subscriber);
            self.commit_common(change).await?;
            joined.added += 1;
            return Ok(());
        };
        let mut subscriber = before.record.clone();
        if subscriber.lists.iter().any(|membership| membership.list == list.slug) {
            joined.already += 1;
        } else if subscriber.join(list, head, now) {
            rewrite(&mut change, &before, &subscriber);
            self.commit_common(change).await?;
            self.departures().forget(&subscriber.id);
            joined.added += 1;
        } else {
            joined.full += 1;
        }
        Ok(())
    }

    /// Takes addresses off a list; how many were on it.
    pub async fn drop_from_list(
        &self,
        operator: &str,
        slug: &str,
        addresses: &[MailAddress],
    ) -> Result<usize, SubscribeError> {
        let list = self.list(slug).await?.ok_or(Refusal::NotFound)?.record;
        let line = AccessEntry::new(operator, "operator", &format!("subscriber-list-remove: {slug}"), "");
        self.log_operator(&self.common, &line).await?;
        let mut dropped = 0;
        for address in addresses {
            let Some(at) = self.subscriber_of(address, list.audience).await? else { continue };
            if at.record.lists.iter().any(|membership| membership.list == slug) {
                self.change_subscriber(at.record.id, |subscriber, _, now| subscriber.drop_from(slug, now)).await?;
                dropped += 1;
            }
        }
        Ok(dropped)
    }

    /// Who is on a list; that it was read is logged first.
    pub async fn read_list(&self, operator: &str, slug: &str) -> Result<(List, Vec<Subscriber>), SubscribeError> {
        let list = self.list(slug).await?.ok_or(Refusal::NotFound)?.record;
        let line = AccessEntry::new(operator, "operator", &format!("subscriber-list-read: {slug}"), "");
        self.log_operator(&self.common, &line).await?;
        let mut members = Vec::new();
        for id in self.members(slug).await? {
            members.extend(self.subscriber(id).await?.map(|at| at.record));
        }
        Ok((list, members))
    }

    pub(super) async fn change_subscriber(
        &self,
        id: Uuid,
        act: impl Fn(&mut Subscriber, u64, jiff::Timestamp),
    ) -> Result<(), SubscribeError> {
        let mut tried = 1;
        loop {
            let Some(before) = self.subscriber(id).await? else { return Ok(()) };
            let mut subscriber = before.record.clone();
            act(&mut subscriber, self.notices_head().await?, self.now());
            let mut change = Change::new();
            rewrite(&mut change, &before, &subscriber);
            match self.commit_common(change).await.map_err(SubscribeError::Refused) {
                Err(error) if is_overtaken(&error) && tried < TRIES => tried += 1,
                done => {
                    done?;
                    if !subscriber.is_active() {
                        self.departures().remember(id);
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Number of the newest notice.
    pub(super) async fn notices_head(&self) -> Result<u64, Refusal> {
        Ok(self.common.chain_head(Chain::Notices).await?.map_or(0, |(number, _)| number))
    }

    async fn members(&self, slug: &str) -> Result<Vec<Uuid>, Refusal> {
        let mut out = Vec::new();
        let mut range = Range::prefix(&key::list_members(slug));
        loop {
            let page = self.common.scan(range.clone(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(out) };
            range = range.after(last);
            out.extend(page.iter().filter_map(|(key, _)| key::member_of_list(key)));
        }
    }
}
