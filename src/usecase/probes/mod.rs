//! Probes as operators keep them: put, listed, paused, removed; and heartbeats heard. `observe` says what follows from
//! a result; the looking itself is the jobs'.

mod observe;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::watch;
use uuid::Uuid;

pub use self::observe::Outcome;
use self::observe::{Sight, is_held};
use super::catalog::{At, read_all};
use super::status::Author;
use super::{Gateway, Refusal};
use crate::crypto::{hex, random_bytes};
use crate::domain::status::probe::state::{Condition, ProbeState};
use crate::domain::status::probe::{Cause, Look, Probe, ProbeFault, ProbeKind, ProbeSettings, Verdict};
use crate::store::record::{Record, encode};
use crate::store::{Change, ReadError, Store, key};

/// Probes of a region; far more than a page has components.
pub const PROBES_MAX: usize = 500;
/// Random bytes of a heartbeat's token.
const TOKEN_BYTES: usize = 32;
/// That our own network is out holds for so long without being seen anew.
const LOST_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Longest token that is looked at.
const TOKEN_LEN_MAX: usize = 64;

impl Record for Probe {
    const VERSION: u8 = 1;
}

impl Record for ProbeState {
    const VERSION: u8 = 1;
}

/// What the gateway holds in memory of its probes.
pub struct Watch {
    probes: ArcSwap<Vec<Arc<At<Probe>>>>,
    /// Counts the changes of the list; who looks waits here.
    changed: watch::Sender<u64>,
    /// One change of the list at a time.
    changing: tokio::sync::Mutex<()>,
    /// One result at a time is judged and told.
    sights: tokio::sync::Mutex<HashMap<Uuid, Sight>>,
    /// The latest heartbeats, by probe.
    beats: Mutex<HashMap<Uuid, Timestamp>>,
    /// When it was last seen that our own network is out, until a host is reached.
    network_lost: Mutex<Option<Timestamp>>,
    /// A start counts as a heartbeat: while we were away nobody could be heard.
    started: Timestamp,
}

/// Why a probe was not put, paused or removed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeRefusal {
    #[error(transparent)]
    Unfit(#[from] ProbeFault),
    #[error("component: there is none with this slug; `budkavle component list` names them")]
    UnknownComponent,
    #[error("there are {PROBES_MAX} probes already: remove one first")]
    TooMany,
    #[error("there is no such probe; `budkavle probe list` names them")]
    Unknown,
    #[error("{0}")]
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for ProbeRefusal {
    fn from(error: E) -> ProbeRefusal {
        ProbeRefusal::Refused(error.into())
    }
}

/// A probe that was put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PutProbe {
    pub probe: String,
    pub id: Uuid,
    /// `added` or `changed`.
    pub outcome: &'static str,
    /// Of a new heartbeat: told once, kept nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// A probe that was paused or removed, and the incident that it leaves to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftProbe {
    pub probe: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_incident: Option<Uuid>,
}

/// How a probe is, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeReport {
    pub probe: String,
    pub component: String,
    pub kind: &'static str,
    pub target: String,
    pub paused: bool,
    /// A maintenance runs: nothing is told until it is over.
    pub held: bool,
    pub level: Verdict,
    /// What readers are told, or would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// The class of what was wrong, or of what operators are warned of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Why it could not look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<Uuid>,
    /// The incident is left to people: theirs from the beginning, or taken over.
    pub left_to_people: bool,
}

impl Watch {
    pub(super) async fn start(common: &Store, now: Timestamp) -> Result<Watch, ReadError> {
        let states = read_all::<ProbeState>(common, &key::probe_states()).await?;
        let states: HashMap<_, _> = states.into_iter().collect();
        let probes = load(common).await?;
        let kept = |probe: &Arc<At<Probe>>| {
            let id = probe.record.id;
            states.get(&key::probe_state(id)).map(|state| (id, Sight::kept(state.clone())))
        };
        let sights = probes.iter().filter_map(kept).collect();
        Ok(Watch {
            probes: ArcSwap::from_pointee(probes),
            changed: watch::Sender::new(1),
            changing: tokio::sync::Mutex::default(),
            sights: tokio::sync::Mutex::new(sights),
            beats: Mutex::default(),
            network_lost: Mutex::default(),
            started: now,
        })
    }

    fn of_slug(&self, slug: &str) -> Option<Arc<At<Probe>>> {
        self.probes.load().iter().find(|probe| probe.record.settings.slug == slug).cloned()
    }
}

impl Gateway {
    /// All probes, paused ones too.
    pub fn probes(&self) -> Arc<Vec<Arc<At<Probe>>>> {
        self.watch.probes.load_full()
    }

    pub fn probe(&self, slug: &str) -> Result<Arc<At<Probe>>, ProbeRefusal> {
        self.watch.of_slug(slug).ok_or(ProbeRefusal::Unknown)
    }

    /// Hears of each new list of probes.
    pub fn probe_changes(&self) -> watch::Receiver<u64> {
        self.watch.changed.subscribe()
    }

    /// Adds a probe, or changes the one with that slug.
    pub async fn put_probe(&self, author: &Author, settings: ProbeSettings) -> Result<PutProbe, ProbeRefusal> {
        settings.check()?;
        let component = self.board().components.iter().find(|c| c.slug == settings.component).map(|c| c.id);
        let component = component.ok_or(ProbeRefusal::UnknownComponent)?;
        let _one = self.watch.changing.lock().await;
        let before = self.watch.of_slug(&settings.slug);
        if before.is_none() && self.watch.probes.load().len() >= PROBES_MAX {
            return Err(ProbeRefusal::TooMany);
        }
        let known = before.as_ref().and_then(|at| at.record.token_hash.clone()).filter(|_| settings.is_heartbeat());
        let token = if settings.is_heartbeat() && known.is_none() { Some(new_token()?) } else { None };
        let probe = Probe {
            id: before.as_ref().map_or_else(|| self.new_id(self.now()), |at| Ok(at.record.id))?,
            component,
            paused: before.as_ref().is_some_and(|at| at.record.paused),
            token_hash: token.as_deref().map(|token| self.token_hash(token)).or(known),
            settings,
        };
        let mut change = Change::new();
        match &before {
            Some(at) => change.replace(key::probe(probe.id), at.version, encode(&probe)),
            None => change.create(key::probe(probe.id), encode(&probe)),
        }
        // What was seen of another component says nothing about this one.
        let outcome = if before.is_some() { "changed" } else { "added" };
        let moved = before.is_some_and(|at| at.record.component != probe.component);
        self.begin_silence(probe.id);
        self.commit_probe(author, "probe-put", change, moved.then_some(probe.id)).await?;
        Ok(PutProbe { probe: probe.settings.slug, id: probe.id, outcome, token })
    }

    /// Stops or resumes the looking. An open incident of the probe is left to people.
    pub async fn pause_probe(&self, author: &Author, slug: &str, paused: bool) -> Result<LeftProbe, ProbeRefusal> {
        let _one = self.watch.changing.lock().await;
        let before = self.probe(slug)?;
        let probe = Probe { paused, ..before.record.clone() };
        let mut change = Change::new();
        change.replace(key::probe(probe.id), before.version, encode(&probe));
        let act = if paused { "probe-pause" } else { "probe-resume" };
        self.begin_silence(probe.id);
        let open_incident = self.commit_probe(author, act, change, paused.then_some(probe.id)).await?;
        Ok(LeftProbe { probe: slug.to_owned(), open_incident })
    }

    pub async fn remove_probe(&self, author: &Author, slug: &str) -> Result<LeftProbe, ProbeRefusal> {
        let _one = self.watch.changing.lock().await;
        let before = self.probe(slug)?;
        let id = before.record.id;
        let mut change = Change::new();
        change.remove(key::probe(id), before.version);
        let open_incident = self.commit_probe(author, "probe-remove", change, Some(id)).await?;
        self.watch.beats.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(LeftProbe { probe: slug.to_owned(), open_incident })
    }

    /// Commits a change of the list; of the probe to be forgotten, what it knew goes in the same change. The incident
    /// that it had told of, if there is one.
    async fn commit_probe(
        &self,
        author: &Author,
        act: &str,
        mut change: Change,
        forgotten: Option<Uuid>,
    ) -> Result<Option<Uuid>, ProbeRefusal> {
        let mut sights = self.watch.sights.lock().await;
        let sight = forgotten.and_then(|id| Some((id, sights.get(&id)?)));
        let open_incident = sight.and_then(|(_, sight)| sight.state.told).map(|told| told.incident);
        if let Some((id, Some(kept))) = sight.map(|(id, sight)| (id, &sight.kept)) {
            change.remove(key::probe_state(id), kept.version);
        }
        self.log_in(&mut change, &author.line(act), self.now())?;
        self.common.commit(change).await?;
        if let Some(id) = forgotten {
            sights.remove(&id);
        }
        drop(sights);
        self.watch.probes.store(Arc::new(load(&self.common).await?));
        self.watch.changed.send_modify(|count| *count += 1);
        Ok(open_incident)
    }

    /// Whether no host can be reached, as far as probes say.
    pub fn has_lost_network(&self, now: Timestamp) -> bool {
        let lost = *self.watch.network_lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.is_some_and(|at| at.duration_until(now) < LOST_FOR)
    }

    /// How each probe is, by slug.
    pub async fn probe_reports(&self) -> Vec<ProbeReport> {
        let (board, probes) = (self.board(), self.probes());
        let sights = self.watch.sights.lock().await;
        let mut reports = Vec::with_capacity(probes.len());
        for probe in probes.iter().map(|at| &at.record) {
            let sight = sights.get(&probe.id).cloned().unwrap_or_default();
            let (state, last) = (&sight.state, sight.last.as_ref());
            let look = last.and_then(|(_, outcome)| outcome.as_ref().ok());
            let left_to_people = state.told.is_some_and(|told| {
                !told.own || board.incidents.iter().any(|i| i.id == told.incident && i.is_taken_over())
            });
            reports.push(ProbeReport {
                probe: probe.settings.slug.clone(),
                component: probe.settings.component.clone(),
                kind: probe.settings.kind.as_str(),
                target: probe.settings.target(),
                paused: probe.paused,
                held: is_held(&board, probe.component),
                level: state.level,
                condition: state.condition(),
                since: state.since,
                looked_at: last.map(|(at, _)| *at),
                milliseconds: look.map(|look| look.milliseconds),
                cause: look.and_then(|look| look.cause).map(|cause| cause.to_string()),
                blind: last.and_then(|(_, outcome)| outcome.as_ref().err()).cloned(),
                incident: state.told.map(|told| told.incident),
                left_to_people,
            });
        }
        reports.sort_by(|a, b| a.probe.cmp(&b.probe));
        reports
    }

    /// Silence is counted from now on: nobody could have sent a heartbeat before.
    fn begin_silence(&self, probe: Uuid) {
        self.watch.beats.lock().unwrap_or_else(PoisonError::into_inner).insert(probe, self.now());
    }

    /// Somebody says that it works. Whether the token is a heartbeat's.
    pub fn heartbeat(&self, token: &str) -> bool {
        if token.len() > TOKEN_LEN_MAX {
            return false;
        }
        let hash = self.token_hash(token);
        let probes = self.watch.probes.load();
        let probe = probes.iter().find(|probe| probe.record.token_hash.as_ref() == Some(&hash));
        if let Some(probe) = probe {
            let mut beats = self.watch.beats.lock().unwrap_or_else(PoisonError::into_inner);
            beats.insert(probe.record.id, self.now());
        }
        probe.is_some()
    }

    /// What silence since the latest heartbeat comes to.
    pub fn look_at_heartbeat(&self, probe: &Probe) -> Look {
        let ProbeKind::Heartbeat { every_seconds, grace_seconds } = probe.settings.kind else {
            return Look { verdict: Verdict::Works, cause: None, milliseconds: 0 };
        };
        let beats = self.watch.beats.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = beats.get(&probe.id).copied().unwrap_or(self.watch.started);
        let silence = latest.duration_until(self.now());
        let allowed = SignedDuration::from_secs(i64::from(every_seconds) + i64::from(grace_seconds));
        let late = silence > allowed;
        Look {
            verdict: if late { Verdict::Fails } else { Verdict::Works },
            cause: late.then_some(Cause::NoHeartbeat),
            milliseconds: 0,
        }
    }

    fn token_hash(&self, token: &str) -> String {
        hex(&self.common.hash(&[b"heartbeat", token.as_bytes()]))
    }
}

async fn load(common: &Store) -> Result<Vec<Arc<At<Probe>>>, ReadError> {
    let probes = read_all::<Probe>(common, &key::probes()).await?;
    Ok(probes.into_iter().map(|(_, at)| Arc::new(at)).collect())
}

fn new_token() -> Result<String, Refusal> {
    let bytes: [u8; TOKEN_BYTES] = random_bytes().map_err(|_| Refusal::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
