//! Who works where, as the region's directory says: taken in whole or in part, and how old it is. A directory that is
//! old or silent stops nothing: what was taken in last holds until something newer comes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, Notify};

use super::catalog::{At, posts_of, read_all};
use super::region::{Author, put};
use super::{Gateway, Refusal};
use crate::domain::calendar::local_date;
use crate::domain::id::HsaId;
use crate::domain::staff::Post;
use crate::store::record::Record;
use crate::store::{Change, CommitError, Key, key};

/// Posts of one change: small enough that others get their turn.
const POSTS_A_CHANGE: usize = 500;
/// Current posts that one import may end, in percent, unless the region says otherwise.
const LOSS_PERCENT_MAX: u8 = 20;

/// Where posts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A file that an operator brought.
    Import,
    Ldap,
}

/// How the directory came in last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DirectoryRecord {
    pub as_of: Timestamp,
    pub source: Source,
    /// Posts after it, current or not.
    pub posts: usize,
}

impl Record for DirectoryRecord {
    const VERSION: u8 = 1;
}

/// The region's rules for its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Nothing is imported that would end a larger part of the current posts, in percent.
    pub loss_percent_max: u8,
    /// Older than this, operators are told; none where only people bring it in.
    pub alarm_after: Option<SignedDuration>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { loss_percent_max: LOSS_PERCENT_MAX, alarm_after: None }
    }
}

/// What the stories of the directory share.
#[derive(Default)]
pub struct Office {
    pub settings: Settings,
    /// One import at a time.
    importing: Mutex<()>,
    /// Rung when posts or roles have changed: what lies with whom is to be looked at.
    pub moved: Arc<Notify>,
}

/// Posts that come in.
#[derive(Debug, Clone, Copy)]
pub struct Intake<'p> {
    pub posts: &'p [Post],
    pub source: Source,
    /// They are the whole directory: posts that are not among them are removed.
    pub whole: bool,
    /// However many current posts that ends.
    pub accept_loss: bool,
}

/// What an import of the directory came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    pub new: usize,
    pub changed: usize,
    pub unchanged: usize,
    /// Posts that are no longer in the directory.
    pub removed: usize,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error(
        "{ended} of {current} current posts would end, more than {percent_max} %: nothing was imported. Is the directory \
         whole? If these people have really left, give the command again with --accept-loss"
    )]
    Loss { ended: usize, current: usize, percent_max: u8 },
    #[error("{0}")]
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for IntakeError {
    fn from(error: E) -> IntakeError {
        IntakeError::Refused(error.into())
    }
}

impl Gateway {
    /// Under other rules than the default ones.
    #[must_use]
    pub fn with_directory(mut self, settings: Settings) -> Gateway {
        self.directory.settings = settings;
        self
    }

    /// Makes the directory what the posts say, and rings for what lies with people who have gone.
    pub async fn import_directory(&self, author: &Author, intake: Intake<'_>) -> Result<Imported, IntakeError> {
        let _one = self.directory.importing.lock().await;
        let known: HashMap<Key, At<Post>> = read_all::<Post>(&self.common, &key::posts()).await?.into_iter().collect();
        let today = local_date(self.now());
        let coming = one_a_place(intake.posts, today);
        let gone: Vec<&Key> = known.keys().filter(|at| intake.whole && !coming.contains_key(*at)).collect();
        if !intake.accept_loss {
            self.check_loss(&known, &coming, intake.whole, today)?;
        }
        let written = self.write_posts(author, &known, &coming, &gone).await;
        let noted = match &written {
            Ok(imported) => {
                let posts = known.len() + imported.new - imported.removed;
                self.note_import(DirectoryRecord { as_of: self.now(), source: intake.source, posts }).await
            }
            Err(_) => Ok(()),
        };
        // What was written before a fault holds as well.
        self.reload_catalog().await?;
        self.directory.moved.notify_one();
        noted?;
        Ok(written?)
    }

    async fn write_posts(
        &self,
        author: &Author,
        known: &HashMap<Key, At<Post>>,
        coming: &BTreeMap<Key, &Post>,
        gone: &[&Key],
    ) -> Result<Imported, Refusal> {
        let mut imported = Imported { removed: gone.len(), ..Imported::default() };
        let mut changes = Batches { change: Change::new(), pending: 0 };
        for (at, post) in coming {
            let old = known.get(at);
            match old {
                Some(old) if old.record == **post => {
                    imported.unchanged += 1;
                    continue;
                }
                Some(_) => imported.changed += 1,
                None => imported.new += 1,
            }
            put(&mut changes.change, at.clone(), old.map(|old| old.version), *post);
            changes.next(self, author).await?;
        }
        for at in gone {
            changes.change.remove((*at).clone(), known.get(at).map_or(0, |old| old.version));
            changes.next(self, author).await?;
        }
        changes.commit(self, author).await?;
        Ok(imported)
    }

    /// An empty answer, a wrong base, half a file: none of them may put everybody out.
    fn check_loss(
        &self,
        known: &HashMap<Key, At<Post>>,
        coming: &BTreeMap<Key, &Post>,
        whole: bool,
        today: Date,
    ) -> Result<(), IntakeError> {
        let percent_max = self.directory.settings.loss_percent_max;
        let current: Vec<_> = known.iter().filter(|(_, at)| at.record.is_current(today)).map(|(key, _)| key).collect();
        let ends = |at: &&&Key| coming.get(**at).map_or(whole, |post| !post.is_current(today));
        let ended = current.iter().filter(ends).count();
        if ended * 100 > current.len() * usize::from(percent_max) {
            return Err(IntakeError::Loss { ended, current: current.len(), percent_max });
        }
        Ok(())
    }

    async fn note_import(&self, record: DirectoryRecord) -> Result<(), Refusal> {
        let seen = self.common.get(&key::directory()).await?.map(|found| found.version);
        let mut change = Change::new();
        put(&mut change, key::directory(), seen, &record);
        self.common.commit(change).await?;
        Ok(())
    }

    /// When the directory was last as it is known here.
    pub fn directory_as_of(&self) -> Option<Timestamp> {
        self.catalog().directory.as_ref().map(|at| at.record.as_of)
    }

    /// How much older the directory is than it may be; none where it is not, or where there is no such rule.
    pub fn directory_overdue(&self) -> Option<SignedDuration> {
        let age = self.directory_as_of()?.duration_until(self.now());
        self.directory.settings.alarm_after.filter(|after| age > *after).map(|_| age)
    }

    /// Whether others are shown nothing of a member of the staff but that there is one: protected by the directory, or
    /// no longer known to it, which then cannot say that they are not.
    pub async fn is_shielded(&self, person: &HsaId) -> Result<bool, Refusal> {
        if let Some([first, rest @ ..]) = self.catalog().colleagues.get(person).map(Vec::as_slice) {
            return Ok(first.protected || rest.iter().any(|post| post.protected));
        }
        let posts = posts_of(&self.common, person).await?;
        Ok(posts.is_empty() || posts.iter().any(|post| post.protected))
    }
}

/// Of several posts of one person at one unit the one that holds today, or else the latest, is kept.
fn one_a_place(posts: &[Post], today: Date) -> BTreeMap<Key, &Post> {
    let mut coming: BTreeMap<Key, &Post> = BTreeMap::new();
    for post in posts {
        let kept = coming.entry(key::post(&post.person, &post.unit)).or_insert(post);
        if (kept.is_current(today), kept.start) < (post.is_current(today), post.start) {
            *kept = post;
        }
    }
    coming
}

/// A long import in several changes.
struct Batches {
    change: Change,
    pending: usize,
}

impl Batches {
    async fn next(&mut self, gateway: &Gateway, author: &Author) -> Result<(), Refusal> {
        self.pending += 1;
        if self.pending < POSTS_A_CHANGE { Ok(()) } else { self.commit(gateway, author).await }
    }

    async fn commit(&mut self, gateway: &Gateway, author: &Author) -> Result<(), Refusal> {
        if self.pending == 0 {
            return Ok(());
        }
        self.pending = 0;
        let mut change = std::mem::take(&mut self.change);
        gateway.log_in(&mut change, &author.line("directory-import"), gateway.now())?;
        match gateway.common.commit(change).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict { .. }) => Err(Refusal::Stale { current: None }),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::case::tests::hsa;
    use crate::domain::id::Private;
    use crate::store::record::assert_golden;
    use crate::usecase::testing::TestGateway;
    use jiff::civil::date;

    fn post(person: u32) -> Post {
        Post {
            person: hsa(&format!("{person}")),
            given_name: Private::new("Fatima".into()),
            surname: Private::new("Rahimi".into()),
            title: None,
            mail: None,
            unit: hsa("A001"),
            start: date(2020, 1, 1),
            end: None,
            protected: false,
        }
    }

    async fn take(gateway: &Gateway, posts: &[Post], accept_loss: bool) -> Result<Imported, IntakeError> {
        let intake = Intake { posts, source: Source::Ldap, whole: true, accept_loss };
        gateway.import_directory(&Author::Operator("root".into()), intake).await
    }

    #[tokio::test]
    async fn an_import_that_would_put_many_out_is_refused_whole_until_the_loss_is_accepted() {
        let TestGateway { gateway, clock, .. } = &TestGateway::start().await;
        let all: Vec<Post> = (1000..1700).map(post).collect();
        assert_eq!(take(gateway, &all, false).await.unwrap().new, 700);
        let as_of = gateway.directory_as_of().unwrap();
        clock.advance(SignedDuration::from_hours(1));
        let ended = |post: &Post| Post { end: Some(date(2026, 11, 1)), ..post.clone() };
        // Half of the loss are posts that are gone, half are posts that have ended.
        let mut fewer: Vec<Post> = all[71..].to_vec();
        fewer[..70].iter_mut().for_each(|post| *post = ended(post));
        let refused = take(gateway, &fewer, false).await.unwrap_err();
        assert!(matches!(refused, IntakeError::Loss { ended: 141, current: 700, percent_max: 20 }), "{refused}");
        assert!(matches!(take(gateway, &[], false).await, Err(IntakeError::Loss { ended: 700, .. })));
        assert_eq!(gateway.directory_as_of(), Some(as_of), "what was refused makes nothing younger");
        let just_so = take(gateway, &[&all[70..71], &fewer].concat(), false).await.unwrap();
        assert_eq!((just_so.removed, just_so.changed, just_so.unchanged), (70, 70, 560));
        assert_eq!(gateway.directory_as_of(), Some(gateway.now()));
        assert_eq!(take(gateway, &[], true).await.unwrap().removed, 630);
    }

    #[tokio::test]
    async fn of_two_posts_at_one_unit_the_one_that_holds_today_counts_and_the_import_settles() {
        let TestGateway { gateway, .. } = &TestGateway::start().await;
        let earlier = Post { end: Some(date(2026, 11, 30)), ..post(1000) };
        let later = Post { start: date(2026, 12, 1), ..post(1000) };
        for posts in [[earlier.clone(), later.clone()], [later, earlier]] {
            take(gateway, &posts, true).await.unwrap();
            assert!(gateway.admit_staff(&hsa("1000")).await.is_err_and(|e| e.to_string().contains("no-role")));
        }
        assert_eq!(take(gateway, &[post(1000)], false).await.unwrap().changed, 1);
    }

    #[tokio::test]
    async fn an_old_directory_is_told_only_where_the_region_has_set_an_age() {
        let TestGateway { gateway, clock, .. } = &TestGateway::made(|gateway| {
            let alarm_after = Some(SignedDuration::from_hours(24));
            gateway.with_directory(Settings { alarm_after, ..Settings::default() })
        })
        .await;
        take(gateway, &[post(1000)], false).await.unwrap();
        clock.advance(SignedDuration::from_hours(24));
        assert_eq!(gateway.directory_overdue(), None);
        clock.advance(SignedDuration::from_secs(1));
        assert!(gateway.directory_overdue().is_some());
    }

    #[tokio::test]
    async fn whoever_is_protected_or_unknown_is_shielded() {
        let TestGateway { gateway, .. } = &TestGateway::start().await;
        let posts = [post(1000), Post { protected: true, ..post(1001) }];
        take(gateway, &posts, false).await.unwrap();
        for (person, shielded) in [("1000", false), ("1001", true), ("1002", true)] {
            assert_eq!(gateway.is_shielded(&hsa(person)).await.unwrap(), shielded, "{person}");
        }
    }

    #[test]
    fn the_directorys_record_is_the_golden_one() {
        let as_of = "2026-11-23T08:00:00Z".parse().unwrap();
        let record = DirectoryRecord { as_of, source: Source::Ldap, posts: 7 };
        assert_golden(&record, include_str!("golden/directory-1.txt"));
    }
}
