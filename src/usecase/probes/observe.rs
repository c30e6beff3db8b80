//! What follows from a probe's result: an incident opened, written to or resolved by the probe itself, as long as no
//! person has taken it over, and as long as nobody else's incident says as much already.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::super::catalog::At;
use super::super::status::Author;
use super::super::{Gateway, Refusal};
use crate::domain::clinic::Texts;
use crate::domain::status::Audience;
use crate::domain::status::act::{Act, OpenIncident, UpdateIncident};
use crate::domain::status::board::Board;
use crate::domain::status::component::{Component, ComponentStatus};
use crate::domain::status::probe::state::{Condition, ProbeState, Step, Thresholds, Told};
use crate::domain::status::probe::words::{self, Trouble};
use crate::domain::status::probe::{Cause, Look, Probe, Verdict, network};
use crate::domain::status::subject::{Affected, Incident, IncidentStatus, Origin, Subject};
use crate::store::record::encode;
use crate::store::{Change, key};

/// What one look came to, or why it could not be made: our own fault says nothing about others.
pub type Outcome = Result<Look, String>;

/// What is known of one probe.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    pub state: ProbeState,
    /// As it lies on disk.
    pub kept: Option<At<ProbeState>>,
    pub last: Option<(Timestamp, Outcome)>,
}

impl Sight {
    pub fn kept(state: At<ProbeState>) -> Sight {
        Sight { state: state.record.clone(), kept: Some(state), last: None }
    }
}

impl Gateway {
    /// Takes a result in, tells what is to be told, and keeps what a restart must know.
    pub async fn observe(&self, probe: Uuid, outcome: Outcome) -> Result<Step, Refusal> {
        let mut sights = self.watch.sights.lock().await;
        // Paused or removed while it was being looked at.
        let probes = self.probes();
        let Some(probe) = probes.iter().map(|at| &at.record).find(|at| at.id == probe && !at.paused) else {
            return Ok(Step::Nothing);
        };
        let now = self.now();
        let sight = sights.entry(probe.id).or_default();
        let before = sight.last.replace((now, outcome.clone()));
        let look = match outcome {
            Ok(look) => look,
            Err(reason) => {
                if before.is_none_or(|(_, before)| before.is_ok()) {
                    let slug = &probe.settings.slug;
                    tracing::error!(event = "probe.blind", probe = slug, reason, "a probe cannot look");
                }
                return Ok(Step::Nothing);
            }
        };
        log_look(probe, look, before.and_then(|(_, before)| before.ok()));
        let since = sight.state.failing_since().unwrap_or(now);
        let is_lost = look.verdict == Verdict::Fails && network::is_out(since, seen(&probes, &sights));
        self.note_network(is_lost, probe.settings.host().is_some() && look.has_reached(), now);
        if is_lost {
            return Ok(Step::Nothing);
        }
        let sight = sights.entry(probe.id).or_default();
        let incident = self.incident_told_of(&mut sight.state).await?;
        let thresholds = Thresholds {
            failures_to_open: probe.settings.failures_to_open(),
            successes_to_close: probe.settings.successes_to_close(),
        };
        let held = is_held(&self.board(), probe.component);
        let step = sight.state.observe(thresholds, look.verdict, now, held);
        let told = self.tell_probe_step(probe, &sight.state, incident, step, look.cause).await;
        match told {
            Ok(told) => sight.state.told = told,
            // Not noted as told: the next result tries again.
            Err(error) => {
                let slug = &probe.settings.slug;
                tracing::error!(event = "probe.untold", probe = slug, %error, "a probe's word could not be published");
            }
        }
        self.keep_sight(probe.id, sight).await?;
        Ok(step)
    }

    /// Our own network is said to be out from the first sign of it until any host is reached.
    fn note_network(&self, is_lost: bool, has_reached: bool, now: Timestamp) {
        let mut lost = self.watch.network_lost.lock().unwrap_or_else(PoisonError::into_inner);
        if is_lost && lost.is_none() {
            tracing::error!(
                event = "probe.network",
                "no host is reached: our own network may be out, nothing is opened"
            );
        } else if has_reached && lost.is_some() {
            tracing::info!(event = "probe.network", "hosts are reached again");
        }
        *lost = if is_lost { Some(now) } else { lost.filter(|_| !has_reached) };
    }

    /// The incident that tells of the probe, while it lasts. One that somebody ended is let go.
    async fn incident_told_of(&self, state: &mut ProbeState) -> Result<Option<Incident>, Refusal> {
        let Some(told) = state.told else { return Ok(None) };
        match self.find_subject(told.incident).await?.map(|at| at.record) {
            Some(Subject::Incident(incident)) if !incident.is_over() => return Ok(Some(incident)),
            // A person said that the probe was mistaken: it is silent until it has seen the component work.
            Some(Subject::Incident(incident)) if told.own && incident.withdrawn_at.is_some() => {}
            _ => state.let_go(),
        }
        Ok(None)
    }

    /// What was told afterwards. `incident` is the one that tells of it now.
    async fn tell_probe_step(
        &self,
        probe: &Probe,
        state: &ProbeState,
        incident: Option<Incident>,
        step: Step,
        cause: Option<Cause>,
    ) -> Result<Option<Told>, Refusal> {
        let condition = match step {
            Step::Nothing => return Ok(state.told),
            Step::Resolve => return self.tell_probe_end(probe, state.told, incident).await.map(|()| None),
            Step::Open(condition) | Step::Update(condition) => condition,
            Step::Unstable => Condition::Unstable,
        };
        let board = self.board();
        let Some(component) = board.components.iter().find(|component| component.id == probe.component) else {
            tracing::warn!(event = "probe.archived", probe = probe.settings.slug, "a probe's component is archived");
            return Ok(state.told);
        };
        let told = |incident, own| Some(Told { incident, condition, own });
        let now = self.now();
        let since = state.since.unwrap_or(now);
        let trouble = Trouble { name: &component.name, condition, cause, since };
        match (state.told, incident) {
            (Some(before), Some(incident)) if before.own => {
                if let Some(act) = update(probe, &incident, condition, trouble, now) {
                    self.publish_of(probe, act).await?;
                }
                Ok(told(incident.id, true))
            }
            // Withdrawn by a person.
            (Some(before), None) => Ok(told(before.incident, before.own)),
            _ => {
                if let Some(incident) = covering(&board, probe, condition) {
                    let own = is_of(incident, probe);
                    let slug = &probe.settings.slug;
                    tracing::info!(event = "probe.attached", probe = slug, incident = %incident.id, own, "told already");
                    return Ok(told(incident.id, own));
                }
                let opened = self.publish_of(probe, open(probe, component, condition, trouble, now)).await?;
                Ok(told(opened, true))
            }
        }
    }

    async fn tell_probe_end(
        &self,
        probe: &Probe,
        told: Option<Told>,
        incident: Option<Incident>,
    ) -> Result<(), Refusal> {
        let slug = &probe.settings.slug;
        let Some((told, incident)) = told.zip(incident) else { return Ok(()) };
        if !told.own || incident.is_taken_over() {
            tracing::info!(event = "probe.works", probe = slug, incident = %incident.id, "works again; people will say so");
            return Ok(());
        }
        let board = self.board();
        let name = board.components.iter().find(|component| component.id == probe.component).map(|c| &c.name);
        let name = name.unwrap_or(&incident.title);
        let act = Act::UpdateIncident(Box::new(UpdateIncident {
            status: IncidentStatus::Resolved,
            ..written_to(probe, &incident, words::resolved(name, self.now()))
        }));
        self.publish_of(probe, act).await.map(drop)
    }

    /// The subject that the act was about.
    async fn publish_of(&self, probe: &Probe, act: Act) -> Result<Uuid, Refusal> {
        let author = Author::Probe { slug: probe.settings.slug.clone() };
        self.publish_at_once(&author, &act).await.map(|published| published.subject)
    }

    async fn keep_sight(&self, probe: Uuid, sight: &mut Sight) -> Result<(), Refusal> {
        let kept = sight.kept.as_ref();
        if kept.map_or_else(ProbeState::default, |at| at.record.clone()).differs_on_disk(&sight.state) {
            let (mut change, value) = (Change::new(), encode(&sight.state));
            match kept {
                Some(at) => change.replace(key::probe_state(probe), at.version, value),
                None => change.create(key::probe_state(probe), value),
            }
            let version = kept.map_or(0, |at| at.version) + 1;
            self.common.commit(change).await?;
            sight.kept = Some(At { version, record: sight.state.clone() });
        }
        Ok(())
    }
}

/// The latest looks of all active probes that reach out.
fn seen(probes: &[Arc<At<Probe>>], sights: &HashMap<Uuid, Sight>) -> Vec<network::Seen> {
    let active = probes.iter().map(|at| &at.record).filter(|probe| !probe.paused);
    let one = |probe: &Probe| {
        let last = sights.get(&probe.id).and_then(|sight| sight.last.as_ref());
        let latest = last.and_then(|(at, outcome)| Some((*at, outcome.as_ref().ok()?.has_reached())));
        Some(network::Seen { host: probe.settings.host()?, latest })
    };
    active.filter_map(one).collect()
}

fn log_look(probe: &Probe, look: Look, before: Option<Look>) {
    let class = |look: Look| (look.verdict, look.cause.map(Cause::as_str));
    if before.map(class) == Some(class(look)) || (before.is_none() && look.cause.is_none()) {
        return;
    }
    let slug = &probe.settings.slug;
    let cause = look.cause.map(|cause| cause.to_string());
    if look.cause.is_some() {
        tracing::warn!(event = "probe.result", probe = slug, verdict = ?look.verdict, cause, "a probe saw trouble");
    } else {
        tracing::info!(event = "probe.result", probe = slug, "a probe sees it work again");
    }
}

/// Somebody works on the component: that it fails is no news.
pub fn is_held(board: &Board, component: Uuid) -> bool {
    let running = board.maintenances.iter().filter(|maintenance| maintenance.is_running());
    running.flat_map(|maintenance| &maintenance.affected).any(|affected| affected.component == component)
}

/// What the component's status is while it is told so.
fn status_of(probe: &Probe, condition: Condition) -> ComponentStatus {
    let worst = probe.settings.status_when_failing;
    match condition {
        Condition::Weak => ComponentStatus::DegradedPerformance,
        Condition::Unstable => worst.min(ComponentStatus::PartialOutage),
        Condition::Fails => worst,
    }
}

fn is_of(incident: &Incident, probe: &Probe) -> bool {
    matches!(incident.origin, Origin::Probe { probe: id, .. } if id == probe.id)
}

/// An incident that lasts and says as much to the same readers: the probe's own, found again after a stop, or another.
fn covering<'a>(board: &'a Board, probe: &Probe, condition: Condition) -> Option<&'a Incident> {
    let status = status_of(probe, condition);
    let says = |incident: &Incident| {
        incident.affected.iter().any(|affected| affected.component == probe.component && affected.status >= status)
            && probe.settings.audience.sees(incident.audience)
    };
    let mut own = board.ongoing().filter(|incident| is_of(incident, probe));
    own.next().or_else(|| board.ongoing().find(|incident| says(incident))).map(|incident| &**incident)
}

fn affected(probe: &Probe, condition: Condition) -> Vec<Affected> {
    vec![Affected { component: probe.component, status: status_of(probe, condition) }]
}

fn promise(probe: &Probe, now: Timestamp) -> Option<Timestamp> {
    let minutes = i64::from(probe.settings.next_update_minutes?);
    now.checked_add(SignedDuration::from_mins(minutes)).ok()
}

fn open(probe: &Probe, component: &Component, condition: Condition, trouble: Trouble<'_>, now: Timestamp) -> Act {
    // The public page shows nothing of a component that is the staff's.
    let audience = if component.audience == Audience::Staff { Audience::Staff } else { probe.settings.audience };
    Act::OpenIncident(Box::new(OpenIncident {
        title: trouble.title(&probe.settings),
        audience,
        status: IncidentStatus::Investigating,
        affected: affected(probe, condition),
        body: trouble.opening(now),
        started_at: Some(trouble.since),
        impact_override: None,
        expected_end: None,
        next_update_by: promise(probe, now),
        reference: None,
        workaround: None,
        origin: Origin::Probe { probe: probe.id, taken_over: false },
        notify: probe.settings.notify,
    }))
}

/// None where a person has the word.
fn update(
    probe: &Probe,
    incident: &Incident,
    condition: Condition,
    trouble: Trouble<'_>,
    now: Timestamp,
) -> Option<Act> {
    if incident.is_taken_over() {
        let slug = &probe.settings.slug;
        tracing::info!(event = "probe.changed", probe = slug, incident = %incident.id, ?condition, "left to people");
        return None;
    }
    Some(Act::UpdateIncident(Box::new(UpdateIncident {
        title: Some(trouble.title(&probe.settings)),
        affected: Some(affected(probe, condition)),
        next_update_by: promise(probe, now),
        ..written_to(probe, incident, trouble.sentence(now))
    })))
}

/// Names the revision that was seen: what a person wrote meanwhile takes the incident over.
fn written_to(probe: &Probe, incident: &Incident, body: Texts) -> UpdateIncident {
    UpdateIncident {
        id: incident.id,
        seen: Some(incident.revision),
        status: IncidentStatus::Investigating,
        body,
        title: None,
        affected: None,
        impact_override: None,
        expected_end: None,
        next_update_by: None,
        workaround: None,
        notify: probe.settings.notify,
    }
}
