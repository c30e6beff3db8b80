//! Fetches revocation lists from where their issuers publish them, in time, and tells operators of lists that grow old.
//! What is fit comes into use at once; what is unfit, whoever sent it, leaves the list in use where it is.

mod board;
mod cache;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};

pub use self::board::Board;
use self::board::Point;
use self::cache::{Cache, Known};
pub use self::schedule::Age;
use self::schedule::{until_next, until_retry};
use super::probes::jittered;
use crate::domain::status::probe::target::HttpTarget;
use crate::fetch::http::{Answer, Ask, HttpClient, HttpError, Validators};
use crate::identity::{CrlError, CrlPoint, CrlStatus, LIST_BYTES_MAX, RevocationSource, Trust};
use crate::usecase::Gateway;

/// Addresses asked at once: each may send a list of the greatest length.
const ASKED_AT_ONCE_MAX: usize = 4;
/// From connecting to a list's last byte.
const ANSWER_SECONDS_MAX: Duration = Duration::from_secs(60);
/// However little is to do, lists are looked at so often: they grow old by themselves.
const LOOK_SECONDS_MAX: Duration = Duration::from_secs(10);

/// Whom and how to ask.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Left out, lists come from files alone.
    pub fetch: bool,
    pub proxy: Option<HttpTarget>,
    /// Only these hosts are asked, beside those that operators wrote themselves; every host when empty.
    pub hosts: Vec<String>,
    /// The longest time between two questions to one address.
    pub every: Duration,
    /// Where lists are kept. Trust reads them there at a start.
    pub dir: PathBuf,
}

/// Who holds the trust that the lists renew.
pub trait TrustKeeper: Send + Sync + 'static {
    fn current(&self) -> Arc<Trust>;

    /// Brings a list into use. Blocking.
    fn take_list(&self, source: &Path, list: &[u8]) -> Result<CrlStatus, CrlError>;

    /// By the clock that certificates are judged by.
    fn now(&self) -> Timestamp;
}

/// Why an address gave no fit list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Http(HttpError),
    #[error("what came {0}")]
    List(CrlError),
    #[error("what is not an address of plain HTTP is not asked")]
    Address,
    #[error("its host is none of trust.revocation.hosts")]
    Host,
}

impl Fault {
    fn remedy(&self) -> &'static str {
        match self {
            Fault::Http(HttpError::Connect(_) | HttpError::Timeout | HttpError::Closed) => {
                "let this machine reach the host by plain HTTP, or name the region's proxy as trust.revocation.proxy"
            }
            Fault::List(CrlError::Older) => "a copy of the issuer's server lags behind: nothing to do unless it lasts",
            Fault::List(CrlError::UnknownIssuer) => "the address belongs to another issuer: correct crl-urls",
            Fault::List(CrlError::Delta | CrlError::Indirect | CrlError::SomeReasons | CrlError::OtherCertificates) => {
                "ask the issuer for the address of its whole list, and write it as the issuer's crl-urls"
            }
            Fault::Http(_) | Fault::List(_) => {
                "look at what the address gives: a proxy or a page of errors may answer in its place; a list that you \
                 have verified helps out as one of trust.crl-files"
            }
            Fault::Address => "write an address that begins with http:// as the issuer's crl-urls",
            Fault::Host => "add the host to trust.revocation.hosts, or name lists as trust.crl-files",
        }
    }
}

/// What an address has answered.
enum Told {
    List(Validators),
    Unchanged,
}

/// One question to one address.
struct Question {
    url: String,
    target: HttpTarget,
    known: Validators,
}

/// Keeps the lists of all trusted issuers fresh.
pub struct Fetcher {
    keeper: Arc<dyn TrustKeeper>,
    gateway: Arc<Gateway>,
    settings: Settings,
    client: HttpClient,
    cache: Cache,
    board: Arc<Board>,
}

impl Fetcher {
    /// `board` is where it is told how each address does.
    pub fn new(
        keeper: Arc<dyn TrustKeeper>,
        gateway: Arc<Gateway>,
        settings: Settings,
        board: Arc<Board>,
    ) -> Arc<Fetcher> {
        let client = HttpClient::new(settings.proxy.clone());
        let cache = Cache::new(settings.dir.clone());
        Arc::new(Fetcher { keeper, gateway, settings, client, cache, board })
    }

    /// Runs until told to stop.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let recalled = if self.settings.fetch { self.recall().await } else { BTreeMap::new() };
        let news = self.keeper.current().distribution_points().clone();
        let mut indexed = Vec::new();
        let mut ages = BTreeMap::new();
        let mut asking: JoinSet<(String, Result<Told, Fault>)> = JoinSet::new();
        loop {
            let (trust, now) = (self.keeper.current(), self.keeper.now());
            if self.settings.fetch {
                self.reconcile(&trust, &recalled, now);
                for question in self.due(&trust, now, ASKED_AT_ONCE_MAX - asking.len()) {
                    asking.spawn(self.clone().ask(question));
                }
                self.index(&mut indexed).await;
            }
            self.watch_ages(&trust, now, &mut ages);
            let wait = if asking.len() < ASKED_AT_ONCE_MAX { self.until_due(now) } else { LOOK_SECONDS_MAX };
            tokio::select! {
                _ = stop.changed() => break,
                Some(answered) = asking.join_next() => match answered {
                    Ok((url, outcome)) => self.settle(&url, outcome),
                    // Only a panic brings us here; it goes on as one.
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                },
                () = news.learned() => {}
                () = self.board.asked_for_all() => self.make_all_due(),
                () = sleep(wait) => {}
            }
        }
    }

    /// What an earlier process had learned: whoever was let in then is let in now without asking first.
    async fn recall(&self) -> BTreeMap<String, Validators> {
        let (cache, trust) = (self.cache.clone(), self.keeper.current());
        let recalled = spawn_blocking(move || {
            let Some(known) = cache.index() else { return BTreeMap::new() };
            for point in &known {
                trust.remember_point(&point.issuer, &point.url);
            }
            let targets = trust.crl_points().into_iter().filter_map(|point| HttpTarget::parse(&point.url).ok());
            let files: BTreeSet<PathBuf> = targets.map(|target| cache.file_of(&target)).collect();
            if let Err(error) = cache.sweep(&files) {
                tracing::warn!(event = "identity.crl.sweep", %error, "old revocation lists were not removed");
            }
            known.into_iter().map(|point| (point.url, point.validators)).collect()
        });
        joined(recalled.await)
    }

    /// Addresses come with issuers and certificates, and go with issuers.
    fn reconcile(&self, trust: &Trust, recalled: &BTreeMap<String, Validators>, now: Timestamp) {
        let wanted = trust.crl_points();
        let mut points = self.board.points();
        points.retain(|url, _| wanted.iter().any(|point| point.url == *url));
        for CrlPoint { issuer, issuer_name, url, configured } in wanted {
            if points.contains_key(&url) {
                continue;
            }
            let target = HttpTarget::parse(&url).ok().filter(|target| !target.tls).ok_or(Fault::Address);
            let target = target.and_then(|target| {
                let hosts = &self.settings.hosts;
                let allowed = configured || hosts.is_empty() || hosts.contains(&target.host);
                if allowed { Ok(target) } else { Err(Fault::Host) }
            });
            let held = target.as_ref().ok().and_then(|target| self.held(trust, target));
            let wait = held.map_or(Duration::ZERO, |held| until_next(&held, now, self.settings.every));
            if let Err(fault) = &target {
                tell_fault(&url, &issuer_name, fault);
            }
            let validators = recalled.get(&url).cloned().unwrap_or_default();
            let (due, fault) = (Some(after(now, wait)), target.as_ref().err().cloned());
            let target = target.ok();
            let (again, failures, answered_at) = (false, 0, None);
            let point = Point { issuer, issuer_name, target, validators, due, again, failures, answered_at, fault };
            points.insert(url, point);
        }
        // A clock that was ahead and has been put right must not leave us waiting for its times.
        let latest = after(now, self.settings.every * 2);
        points.values_mut().for_each(|point| point.due = point.due.map(|due| due.min(latest)));
    }

    /// Up to so many addresses whose time has come; they count as being asked from here on.
    fn due(&self, trust: &Trust, now: Timestamp, at_most: usize) -> Vec<Question> {
        let mut points = self.board.points();
        let due = points.iter_mut().filter(|(_, point)| point.due.is_some_and(|due| due <= now));
        let questions = due.filter_map(|(url, point)| {
            let target = point.target.clone()?;
            point.due = None;
            // "Not modified" means something only while the list is in hand.
            let known = self.held(trust, &target).map(|_| point.validators.clone()).unwrap_or_default();
            Some(Question { url: url.clone(), target, known })
        });
        questions.take(at_most).collect()
    }

    fn until_due(&self, now: Timestamp) -> Duration {
        let points = self.board.points();
        let next = points.values().filter(|point| point.target.is_some()).filter_map(|point| point.due).min();
        let wait = next.map(|due| Duration::try_from(now.duration_until(due)).unwrap_or_default());
        wait.map_or(LOOK_SECONDS_MAX, |wait| wait.min(LOOK_SECONDS_MAX))
    }

    fn make_all_due(&self) {
        let now = self.keeper.now();
        for point in self.board.points().values_mut() {
            point.again = point.due.is_none();
            point.due = point.due.map(|_| now);
        }
    }

    async fn ask(self: Arc<Self>, question: Question) -> (String, Result<Told, Fault>) {
        let Question { url, target, known } = question;
        let deadline = Instant::now() + ANSWER_SECONDS_MAX;
        let answer = self.client.ask(&target, Ask::Get { known: &known }, LIST_BYTES_MAX, deadline).await;
        let told = match answer {
            Err(error) => Err(Fault::Http(error)),
            Ok(Answer::NotModified) => Ok(Told::Unchanged),
            Ok(Answer::Whole { body, validators }) => {
                let taken = spawn_blocking(move || self.take(&target, &body));
                joined(taken.await).map(|()| Told::List(validators)).map_err(Fault::List)
            }
        };
        (url, told)
    }

    /// Verified before it is kept, in use before it is on disk: a full disk keeps no revocation from counting.
    fn take(&self, target: &HttpTarget, list: &[u8]) -> Result<(), CrlError> {
        let file = self.cache.file_of(target);
        let held = self.keeper.take_list(&file, list)?;
        tracing::info!(
            event = "identity.crl.taken",
            host = target.host,
            entries = held.entries,
            next_update = %held.next_update,
            "a revocation list is in use"
        );
        if let Err(error) = self.cache.keep_list(&file, list) {
            let file = file.display();
            tracing::error!(event = "identity.crl.unkept", %file, %error, "a revocation list is in use but not on disk");
        }
        Ok(())
    }

    fn settle(&self, url: &str, outcome: Result<Told, Fault>) {
        let (trust, now) = (self.keeper.current(), self.keeper.now());
        let mut points = self.board.points();
        // Its issuer may have gone meanwhile.
        let Some(point) = points.get_mut(url) else { return };
        let wait = match outcome {
            Ok(told) => {
                if let Told::List(validators) = told {
                    point.validators = validators;
                }
                if point.fault.take().is_some() {
                    tracing::info!(event = "identity.crl.fetched", url, "the address gives fit revocation lists again");
                }
                (point.answered_at, point.failures) = (Some(now), 0);
                let held = point.target.as_ref().and_then(|target| self.held(&trust, target));
                held.map_or(self.settings.every, |held| until_next(&held, now, self.settings.every))
            }
            Err(fault) => {
                if point.fault.as_ref() != Some(&fault) {
                    tell_fault(url, &point.issuer_name, &fault);
                }
                point.failures = point.failures.saturating_add(1);
                point.fault = Some(fault);
                until_retry(point.failures, self.settings.every)
            }
        };
        let again = std::mem::take(&mut point.again);
        point.due = Some(if again { now } else { after(now, jittered(wait)) });
    }

    /// The list of that address, if it is the one in use.
    fn held(&self, trust: &Trust, target: &HttpTarget) -> Option<CrlStatus> {
        let file = self.cache.file_of(target);
        trust.statuses().into_iter().flat_map(|issuer| issuer.crls).find(|list| list.source == file)
    }

    async fn index(&self, indexed: &mut Vec<Known>) {
        let known = self.board.known();
        if known == *indexed {
            return;
        }
        indexed.clone_from(&known);
        let cache = self.cache.clone();
        let kept: io::Result<()> = joined(spawn_blocking(move || cache.keep_index(&known)).await);
        if let Err(error) = kept {
            tracing::error!(event = "identity.crl.unkept", %error, "addresses of revocation lists are not on disk");
        }
    }

    /// Tells each list's growing old once a step.
    fn watch_ages(&self, trust: &Trust, now: Timestamp, told: &mut BTreeMap<PathBuf, Age>) {
        let (grace, issuers) = (trust.crl_grace(), trust.statuses());
        told.retain(|source, _| issuers.iter().flat_map(|issuer| &issuer.crls).any(|list| list.source == *source));
        for issuer in &issuers {
            for list in &issuer.crls {
                let age = Age::of(list, grace, now);
                let before = told.insert(list.source.clone(), age).unwrap_or(Age::Fresh);
                let (name, next_update, source) = (&issuer.issuer, list.next_update, list.source.display());
                if age > before {
                    let age = age.as_str();
                    tracing::error!(event = "identity.crl.old", issuer = name, age, %next_update, %source,
                        "a newer revocation list should be in use: see `budkavle status`");
                } else if age < before {
                    tracing::info!(event = "identity.crl.renewed", issuer = name, %next_update, "a revocation list is newer");
                }
            }
        }
        let shut = issuers.iter().any(|issuer| {
            let past = |list: &CrlStatus| Age::of(list, grace, now) == Age::Stale;
            // Where a responder is asked instead, a stale list shuts nobody out.
            let alone = issuer.revocation == RevocationSource::Crl;
            alone && issuer.crl_required && !issuer.crls.is_empty() && issuer.crls.iter().all(past)
        });
        self.gateway.note_revocation_lists(!shut);
    }
}

fn tell_fault(url: &str, issuer: &str, fault: &Fault) {
    let remedy = fault.remedy();
    tracing::error!(event = "identity.crl.unfetched", url, issuer, %fault, remedy, "no revocation list from this address");
}

fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// Of a blocking act, which nobody aborts.
fn joined<T>(done: Result<T, tokio::task::JoinError>) -> T {
    // Only a panic in the act brings an error; it goes on as one.
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
