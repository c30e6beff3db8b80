//! From the board to what templates show: one reader's texts, states and times. Nothing here knows HTML.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::when::{Moment, When, iso};
use super::words::{
    Said, State, Tally, component_state, headline, incident_stage, incident_state, maintenance_stage,
    maintenance_state, pick, said, sentence,
};
use crate::domain::clinic::Texts;
use crate::domain::language::Language;
use crate::domain::status::board::{Board, OwnComponent, OwnHealth};
use crate::domain::status::component::{Component, ComponentStatus};
use crate::domain::status::edition::Edition;
use crate::domain::status::subject::{Affected, Incident, Maintenance, Subject, Update};

/// What is over stays so long on the first page.
const LATELY_HOURS: i64 = 72;
/// Of what is over, at most so many stand on the first page.
const LATELY_MAX: usize = 5;

/// Everything that one edition's pages are made from.
pub(super) struct View {
    pub edition: Edition,
    pub when: When,
    pub now: Timestamp,
    /// Incidents and maintenances, newest first.
    pub subjects: Vec<SubjectView>,
    pub groups: Vec<GroupView>,
    pub own: Vec<OwnComponent>,
    pub status: ComponentStatus,
    pub headline: String,
    pub checked_at: Timestamp,
    /// Since when we have been there.
    pub started_at: Timestamp,
}

#[derive(Debug, Serialize)]
pub(super) struct SubjectView {
    #[serde(skip)]
    pub uuid: Uuid,
    pub id: String,
    /// With its edition's prefix.
    pub path: String,
    pub is_maintenance: bool,
    pub title: Said,
    pub state: State,
    /// Of an incident that lasts; of what is over and of planned work the state says it.
    pub stage: &'static str,
    pub sentence: String,
    pub is_over: bool,
    pub is_running: bool,
    pub is_withdrawn: bool,
    pub is_late: bool,
    pub since: Moment,
    /// The planned window, when there is one.
    pub window: Option<Window>,
    pub ended: Option<Moment>,
    pub expected_end: Option<Moment>,
    pub next_update_by: Option<Moment>,
    pub affected: Vec<AffectedView>,
    pub workaround: Option<Said>,
    pub reason: Option<Said>,
    pub reference: Option<String>,
    /// Newest first.
    pub updates: Vec<UpdateView>,
    /// When something was last said or done.
    #[serde(skip)]
    pub touched_at: Timestamp,
    #[serde(skip)]
    pub published_at: Timestamp,
    #[serde(skip)]
    pub began_at: Timestamp,
    #[serde(skip)]
    pub ended_at: Option<Timestamp>,
    #[serde(skip)]
    pub is_ahead: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Window {
    pub words: String,
    pub from: String,
    pub until: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct AffectedView {
    pub name: Said,
    pub state: State,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct UpdateView {
    pub number: u32,
    pub stage: &'static str,
    pub body: Said,
    pub at: Moment,
    /// The moment of the update whose text this one replaces.
    pub corrects: Option<Moment>,
    /// The moment of the update that replaces this one's text.
    pub corrected_by: Option<Moment>,
    /// The window that was told before this update moved it.
    pub moved_from: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct GroupView {
    pub id: String,
    pub name: Said,
    pub is_troubled: bool,
    pub state: State,
    #[serde(skip)]
    pub status: ComponentStatus,
    /// Those with troubles first, else in the order of the page.
    pub components: Vec<ComponentView>,
}

#[derive(Debug, Serialize)]
pub(super) struct ComponentView {
    pub name: Said,
    pub description: Option<Said>,
    pub state: State,
    pub is_external: bool,
    #[serde(skip)]
    pub status: ComponentStatus,
}

impl View {
    /// `board` is the edition's audience's.
    pub fn new(board: &Board, own: &OwnHealth, edition: Edition, now: Timestamp) -> View {
        let language = edition.language;
        let when = When::new(language, now);
        let names: HashMap<Uuid, &Component> =
            board.components.iter().chain(&board.archived).map(|c| (c.id, c)).collect();
        let name_of = |id: Uuid| names.get(&id).map(|component| &component.name);
        let of = |subject: &Subject| SubjectView::new(subject, edition, when, now, &name_of);
        let incidents = board.incidents.iter().map(|incident| of(&Subject::Incident(Incident::clone(incident))));
        let maintenances = board.maintenances.iter();
        let maintenances = maintenances.map(|work| of(&Subject::Maintenance(Maintenance::clone(work))));
        let mut subjects: Vec<SubjectView> = incidents.chain(maintenances).collect();
        subjects.sort_by_key(|subject| std::cmp::Reverse(subject.began_at));
        let (groups, tally) = groups(board, own, language);
        let (status, headline) = headline(&tally, language);
        let checked_at = own.checked_at.unwrap_or(now);
        let started_at = own.started_at.unwrap_or(now);
        let own = own.components.clone();
        View { edition, when, now, subjects, groups, own, status, headline, checked_at, started_at }
    }

    /// What goes on, newest first.
    pub fn ongoing(&self) -> impl Iterator<Item = &SubjectView> {
        self.subjects.iter().filter(|subject| !subject.is_over && !subject.is_ahead)
    }

    /// What is planned, soonest first.
    pub fn ahead(&self) -> impl Iterator<Item = &SubjectView> {
        self.subjects.iter().rev().filter(|subject| subject.is_ahead)
    }

    /// What ended lately, newest first.
    pub fn lately(&self) -> impl Iterator<Item = &SubjectView> {
        let bound = self.now.as_second() - LATELY_HOURS * 3_600;
        let recent = move |subject: &&SubjectView| subject.ended_at.is_some_and(|at| at.as_second() > bound);
        self.subjects.iter().filter(recent).filter(|subject| !subject.is_withdrawn).take(LATELY_MAX)
    }
}

impl SubjectView {
    /// `name_of` tells the name of a component that is known.
    pub fn new<'a>(
        subject: &Subject,
        edition: Edition,
        when: When,
        now: Timestamp,
        name_of: &dyn Fn(Uuid) -> Option<&'a Texts>,
    ) -> SubjectView {
        let mut view = match subject {
            Subject::Incident(incident) => of_incident(incident, when, now),
            Subject::Maintenance(maintenance) => of_maintenance(maintenance, when),
        };
        view.path = edition.path(&format!("/status/handelse/{}", view.id));
        view.title = said(subject.title(), when.language);
        view.sentence = sentence(subject, when);
        view.affected = affected(subject, when.language, name_of);
        view
    }
}

fn of_incident(incident: &Incident, when: When, now: Timestamp) -> SubjectView {
    let language = when.language;
    let promise = incident.next_update_by.filter(|_| !incident.is_over());
    let ended_at = incident.withdrawn_at.or(incident.resolved_at);
    SubjectView {
        uuid: incident.id,
        id: incident.id.to_string(),
        path: String::new(),
        is_maintenance: false,
        title: Said { text: String::new(), lang: None },
        state: incident_state(incident, language),
        stage: if incident.is_over() { "" } else { incident_stage(incident.status, language) },
        sentence: String::new(),
        is_over: incident.is_over(),
        is_running: !incident.is_over(),
        is_withdrawn: incident.withdrawn_at.is_some(),
        is_late: promise.is_some_and(|by| by < now),
        since: when.moment(incident.started_at),
        window: None,
        ended: ended_at.map(|at| when.moment(at)),
        expected_end: incident.expected_end.filter(|_| !incident.is_over()).map(|at| when.moment(at)),
        next_update_by: promise.map(|at| when.moment(at)),
        affected: Vec::new(),
        workaround: incident.workaround.as_ref().filter(|_| !incident.is_over()).map(|texts| said(texts, language)),
        reason: None,
        reference: incident.reference.clone(),
        updates: updates(&incident.updates, when, incident_stage),
        touched_at: last(&incident.updates).unwrap_or(incident.published_at),
        published_at: incident.published_at,
        began_at: incident.started_at,
        ended_at,
        is_ahead: false,
    }
}

fn of_maintenance(maintenance: &Maintenance, when: When) -> SubjectView {
    let language = when.language;
    let (from, until) = (maintenance.scheduled_for, maintenance.scheduled_until);
    let is_over = maintenance.is_over();
    let touched = [maintenance.started_at, maintenance.ended_at, last(&maintenance.updates)];
    // A cancelled one ended when somebody said so, which may lie long before its window.
    let ended_at = maintenance.ended_at.or_else(|| last(&maintenance.updates)).filter(|_| is_over);
    SubjectView {
        uuid: maintenance.id,
        id: maintenance.id.to_string(),
        path: String::new(),
        is_maintenance: true,
        title: Said { text: String::new(), lang: None },
        state: maintenance_state(maintenance, language),
        stage: "",
        sentence: String::new(),
        is_over,
        is_running: maintenance.is_running(),
        is_withdrawn: false,
        is_late: false,
        since: when.moment(maintenance.started_at.unwrap_or(from)),
        window: Some(Window { words: when.range(from, until), from: iso(from), until: iso(until) }),
        ended: ended_at.map(|at| when.moment(at)),
        expected_end: None,
        next_update_by: None,
        affected: Vec::new(),
        workaround: None,
        reason: maintenance.emergency_reason.as_ref().map(|texts| said(texts, language)),
        reference: None,
        updates: updates(&maintenance.updates, when, |status, language| {
            maintenance_stage(status, maintenance.was_broken_off(), language)
        }),
        touched_at: touched.into_iter().flatten().max().unwrap_or(maintenance.published_at),
        published_at: maintenance.published_at,
        began_at: maintenance.started_at.unwrap_or(from),
        ended_at,
        is_ahead: !is_over && !maintenance.is_running(),
    }
}

fn last<S>(updates: &[Update<S>]) -> Option<Timestamp> {
    updates.iter().map(|update| update.at).max()
}

fn updates<S: Copy>(all: &[Update<S>], when: When, stage: impl Fn(S, Language) -> &'static str) -> Vec<UpdateView> {
    let at_of = |number: u32| all.iter().find(|update| update.number == number).map(|update| when.moment(update.at));
    let view = |update: &Update<S>| UpdateView {
        number: update.number,
        stage: stage(update.status, when.language),
        body: said(&update.body, when.language),
        at: when.moment(update.at),
        corrects: update.corrects.and_then(at_of),
        corrected_by: all
            .iter()
            .rev()
            .find(|later| later.corrects == Some(update.number))
            .map(|later| when.moment(later.at)),
        moved_from: update.moved_from.map(|old| when.range(old.from, old.until)),
    };
    all.iter().rev().map(view).collect()
}

/// Once it is over everything works again: then what it affected at its worst is told.
fn affected<'a>(
    subject: &Subject,
    language: Language,
    name_of: &dyn Fn(Uuid) -> Option<&'a Texts>,
) -> Vec<AffectedView> {
    let mut told: Vec<Affected> = Vec::new();
    for affected in subject.affected().iter().copied().chain(past(subject).filter(|_| subject.is_over())) {
        match told.iter_mut().find(|known| known.component == affected.component) {
            Some(known) => known.status = known.status.max(affected.status),
            None => told.push(affected),
        }
    }
    let view = |affected: Affected| {
        let name = said(name_of(affected.component)?, language);
        Some(AffectedView { name, state: component_state(affected.status, language) })
    };
    told.into_iter().filter_map(view).collect()
}

fn past(subject: &Subject) -> Box<dyn Iterator<Item = Affected> + '_> {
    match subject {
        Subject::Incident(incident) => {
            Box::new(incident.updates.iter().flat_map(|update| update.affected.iter().copied()))
        }
        Subject::Maintenance(work) => Box::new(work.updates.iter().flat_map(|update| update.affected.iter().copied())),
    }
}

/// The worst groups first; our own health is the last of those that are alike.
fn groups(board: &Board, own: &OwnHealth, language: Language) -> (Vec<GroupView>, Tally) {
    let component = |component: &Component| {
        let status = board.status_of(component.id);
        ComponentView {
            name: said(&component.name, language),
            description: (!component.description.sv.is_empty()).then(|| said(&component.description, language)),
            state: component_state(status, language),
            is_external: component.external,
            status,
        }
    };
    let known = |id: Uuid| board.groups.iter().any(|group| group.id == id);
    let members = |group: Option<Uuid>| {
        let members = board.components.iter().filter(|c| c.group.filter(|id| known(*id)) == group);
        members.map(component).collect()
    };
    let mut groups: Vec<GroupView> = Vec::new();
    for known in &board.groups {
        groups.push(group(known.id.to_string(), said(&known.name, language), members(Some(known.id)), language));
    }
    let others = pick(language, "Övriga tjänster", "Other services").to_owned();
    groups.push(group("ovriga".to_owned(), Said { text: others, lang: None }, members(None), language));
    let own_components = own.components.iter().map(|own| ComponentView {
        name: said(&own.name, language),
        description: (!own.detail.sv.is_empty()).then(|| said(&own.detail, language)),
        state: component_state(own.status, language),
        is_external: false,
        status: own.status,
    });
    let own_name = pick(language, "Meddelandeväxeln", "The message gateway").to_owned();
    groups.push(group("vaxeln".to_owned(), Said { text: own_name, lang: None }, own_components.collect(), language));
    groups.retain(|group| !group.components.is_empty());
    groups.sort_by_key(|group| std::cmp::Reverse(group.status));
    let tally = tally(board, &groups);
    (groups, tally)
}

fn group(id: String, name: Said, mut components: Vec<ComponentView>, language: Language) -> GroupView {
    components.sort_by_key(|component| std::cmp::Reverse(component.status));
    let worst = components.iter().map(|component| component.status).max().unwrap_or(ComponentStatus::Operational);
    GroupView {
        id,
        name,
        is_troubled: worst != ComponentStatus::Operational,
        state: component_state(worst, language),
        status: worst,
        components,
    }
}

fn tally(board: &Board, groups: &[GroupView]) -> Tally {
    let components = groups.iter().flat_map(|group| &group.components);
    let disturbed = components.filter(|component| component.status >= ComponentStatus::DegradedPerformance);
    let mut disturbed: Vec<_> = disturbed.map(|c| (c.name.text.clone(), c.status)).collect();
    disturbed.sort_by_key(|(_, status)| std::cmp::Reverse(*status));
    Tally {
        disturbed,
        incident: board.ongoing().next().is_some(),
        maintenance: board.maintenances.iter().any(|maintenance| maintenance.is_running()),
    }
}
