//! The status as JSON in Statuspage's shapes (`/api/v2`), so that widgets and exporters made for it read ours. Field
//! names, their order and the null ones are its; ids are ours and stay.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::view::View;
use super::when::iso;
use super::words::{pick, said};
use super::{RenderError, Renderer};
use crate::domain::language::Language;
use crate::domain::status::board::{Board, OwnComponent};
use crate::domain::status::component::{Component, ComponentStatus};
use crate::domain::status::subject::{
    Affected, Impact, Incident, IncidentStatus, Maintenance, MaintenanceStatus, Update,
};

/// As Statuspage answers: the newest fifty.
const SUBJECTS_MAX: usize = 50;
/// The group of our own parts; no group of the region's can have this id.
const OWN_GROUP: &str = "own";

#[derive(Serialize)]
struct Body<'a> {
    page: &'a Page,
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<&'a [ComponentShape]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incidents: Option<Vec<&'a SubjectShape>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_maintenances: Option<Vec<&'a SubjectShape>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Status>,
}

#[derive(Serialize)]
struct Page {
    id: &'static str,
    name: String,
    url: String,
    time_zone: &'static str,
    updated_at: String,
}

#[derive(Serialize)]
struct Status {
    indicator: &'static str,
    description: String,
}

#[derive(Serialize, Clone)]
struct ComponentShape {
    id: String,
    name: String,
    status: &'static str,
    created_at: String,
    updated_at: String,
    position: usize,
    description: Option<String>,
    showcase: bool,
    start_date: Option<String>,
    group_id: Option<String>,
    page_id: &'static str,
    group: bool,
    only_show_if_degraded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<Vec<String>>,
}

#[derive(Serialize)]
struct SubjectShape {
    id: String,
    name: String,
    status: &'static str,
    created_at: String,
    updated_at: String,
    monitoring_at: Option<String>,
    resolved_at: Option<String>,
    impact: &'static str,
    shortlink: String,
    started_at: String,
    page_id: &'static str,
    incident_updates: Vec<UpdateShape>,
    components: Vec<ComponentShape>,
    reminder_intervals: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_until: Option<String>,
}

#[derive(Serialize)]
struct UpdateShape {
    id: String,
    status: &'static str,
    body: String,
    incident_id: String,
    created_at: String,
    updated_at: String,
    display_at: String,
    affected_components: Vec<AffectedShape>,
    deliver_notifications: bool,
    custom_tweet: Option<String>,
    tweet_id: Option<String>,
}

#[derive(Serialize)]
struct AffectedShape {
    code: String,
    name: String,
    old_status: &'static str,
    new_status: &'static str,
}

impl Renderer {
    /// Names below `/api/v2/`, without their ending, and their bytes.
    pub(super) fn statuspage(&self, view: &View, board: &Board) -> Result<Vec<(&'static str, Vec<u8>)>, RenderError> {
        let writer = Writer::new(self, view, board);
        let page = writer.page();
        let status = Status { indicator: indicator(view.status), description: view.headline.clone() };
        let components = writer.all_components(view);
        let incidents: Vec<(&Incident, SubjectShape)> = board
            .incidents
            .iter()
            .filter(|incident| incident.withdrawn_at.is_none())
            .map(|incident| (incident.as_ref(), writer.incident(incident)))
            .collect();
        let works = board.maintenances.iter().rev().map(|work| (work.as_ref(), writer.maintenance(work)));
        let works: Vec<(&Maintenance, SubjectShape)> = works.collect();
        let told = |wanted: fn(&Incident) -> bool| {
            let fitting = incidents.iter().filter(|(incident, _)| wanted(incident));
            Some(fitting.map(|(_, shape)| shape).take(SUBJECTS_MAX).collect::<Vec<_>>())
        };
        let planned = |wanted: fn(&Maintenance) -> bool| {
            let fitting = works.iter().filter(|(work, _)| wanted(work));
            Some(fitting.map(|(_, shape)| shape).take(SUBJECTS_MAX).collect::<Vec<_>>())
        };
        let upcoming = |work: &Maintenance| work.status == MaintenanceStatus::Scheduled;
        let bare =
            || Body { page: &page, components: None, incidents: None, scheduled_maintenances: None, status: None };
        let bodies = [
            (
                "summary",
                Body {
                    components: Some(&components),
                    incidents: told(|incident| !incident.is_over()),
                    scheduled_maintenances: planned(|work| !work.is_over()),
                    status: Some(&status),
                    ..bare()
                },
            ),
            ("status", Body { status: Some(&status), ..bare() }),
            ("components", Body { components: Some(&components), ..bare() }),
            ("incidents", Body { incidents: told(|_| true), ..bare() }),
            ("incidents/unresolved", Body { incidents: told(|incident| !incident.is_over()), ..bare() }),
            ("scheduled-maintenances", Body { scheduled_maintenances: planned(|_| true), ..bare() }),
            ("scheduled-maintenances/upcoming", Body { scheduled_maintenances: planned(upcoming), ..bare() }),
            (
                "scheduled-maintenances/active",
                Body { scheduled_maintenances: planned(Maintenance::is_running), ..bare() },
            ),
        ];
        let bytes = bodies.iter().map(|(name, body)| {
            let bytes = serde_json::to_vec(body).map_err(|_| RenderError::Json((*name).to_owned()))?;
            Ok((*name, bytes))
        });
        bytes.collect()
    }
}

/// What one edition's shapes are made from.
struct Writer<'a> {
    renderer: &'a Renderer,
    view: &'a View,
    language: Language,
    page_id: &'static str,
    components: HashMap<Uuid, ComponentShape>,
    in_order: Vec<Uuid>,
    board: &'a Board,
}

impl<'a> Writer<'a> {
    fn new(renderer: &'a Renderer, view: &'a View, board: &'a Board) -> Writer<'a> {
        let language = view.edition.language;
        let page_id = view.edition.audience.as_str();
        let shape = |(place, component): (usize, &Component)| {
            let created_at = made_at(component.id);
            let touched = touched_at(board, component.id).unwrap_or(created_at);
            let shape = ComponentShape {
                id: component.id.to_string(),
                name: said(&component.name, language).text,
                status: board.status_of(component.id).as_str(),
                created_at: iso(created_at),
                updated_at: iso(touched),
                position: place + 1,
                description: Some(said(&component.description, language).text).filter(|text| !text.is_empty()),
                showcase: true,
                start_date: None,
                group_id: component.group.map(|group| group.to_string()),
                page_id,
                group: false,
                only_show_if_degraded: false,
                components: None,
            };
            (component.id, shape)
        };
        let components = board.components.iter().chain(&board.archived).enumerate().map(shape).collect();
        let in_order = board.components.iter().map(|component| component.id).collect();
        Writer { renderer, view, language, page_id, components, in_order, board }
    }

    fn page(&self) -> Page {
        let url = format!("{}{}", self.renderer.service.public_url, self.view.edition.path("/status"));
        let name = pick(self.language, "Driftstatus", "Service status");
        let name = format!("{name} – {}", self.renderer.service.name);
        Page { id: self.page_id, name, url, time_zone: "Europe/Stockholm", updated_at: iso(self.view.now) }
    }

    /// Groups are components, too: each before its members.
    fn all_components(&self, view: &View) -> Vec<ComponentShape> {
        let mut out = Vec::with_capacity(self.components.len() + self.board.groups.len() + 4);
        let members = |group: Option<&str>| {
            let all = self.in_order.iter().filter_map(|id| self.components.get(id));
            all.filter(move |component| component.group_id.as_deref() == group).cloned().collect::<Vec<_>>()
        };
        for group in &self.board.groups {
            let (id, name) = (group.id.to_string(), said(&group.name, self.language).text);
            let members = members(Some(&id));
            if !members.is_empty() {
                out.push(self.group(id, name, made_at(group.id), &members, out.len() + 1));
                out.extend(members);
            }
        }
        out.extend(members(None));
        let own: Vec<ComponentShape> = view.own.iter().enumerate().map(|(at, own)| self.own(own, at)).collect();
        if !own.is_empty() {
            let name = pick(self.language, "Meddelandeväxeln", "The message gateway").to_owned();
            out.push(self.group(OWN_GROUP.to_owned(), name, view.started_at, &own, out.len() + 1));
            out.extend(own);
        }
        out
    }

    fn group(
        &self,
        id: String,
        name: String,
        made: Timestamp,
        members: &[ComponentShape],
        place: usize,
    ) -> ComponentShape {
        let worst = ComponentStatus::ALL.into_iter().rev().map(ComponentStatus::as_str);
        let mut worst = worst.filter(|status| members.iter().any(|member| member.status == *status));
        ComponentShape {
            id,
            name,
            status: worst.next().unwrap_or(ComponentStatus::Operational.as_str()),
            created_at: iso(made),
            updated_at: members.iter().map(|member| member.updated_at.clone()).max().unwrap_or_else(|| iso(made)),
            position: place,
            description: None,
            showcase: false,
            start_date: None,
            group_id: None,
            page_id: self.page_id,
            group: true,
            only_show_if_degraded: false,
            components: Some(members.iter().map(|member| member.id.clone()).collect()),
        }
    }

    fn own(&self, own: &OwnComponent, place: usize) -> ComponentShape {
        let checked = iso(self.view.checked_at);
        ComponentShape {
            id: format!("{OWN_GROUP}-{}", own.slug),
            name: said(&own.name, self.language).text,
            status: own.status.as_str(),
            created_at: iso(self.view.started_at),
            updated_at: checked,
            position: place + 1,
            description: Some(said(&own.detail, self.language).text).filter(|text| !text.is_empty()),
            showcase: false,
            start_date: None,
            group_id: Some(OWN_GROUP.to_owned()),
            page_id: self.page_id,
            group: false,
            only_show_if_degraded: false,
            components: None,
        }
    }

    fn incident(&self, incident: &Incident) -> SubjectShape {
        let monitored = incident.updates.iter().find(|update| update.status == IncidentStatus::Monitoring);
        let impact = incident.updates.iter().flat_map(|update| &update.affected).map(|a| Impact::of(a.status)).max();
        let impact = incident.impact_override.unwrap_or(incident.impact().max(impact.unwrap_or(Impact::None)));
        SubjectShape {
            id: incident.id.to_string(),
            name: said(&incident.title, self.language).text,
            status: incident.status.as_str(),
            created_at: iso(incident.published_at),
            updated_at: iso(last(&incident.updates).unwrap_or(incident.published_at)),
            monitoring_at: monitored.map(|update| iso(update.at)),
            resolved_at: incident.resolved_at.map(iso),
            impact: impact.as_str(),
            shortlink: self.link(incident.id),
            started_at: iso(incident.started_at),
            page_id: self.page_id,
            incident_updates: self.updates(incident.id, &incident.updates, IncidentStatus::as_str),
            components: self.affected(&incident.affected),
            reminder_intervals: None,
            scheduled_for: None,
            scheduled_until: None,
        }
    }

    fn maintenance(&self, work: &Maintenance) -> SubjectShape {
        SubjectShape {
            id: work.id.to_string(),
            name: said(&work.title, self.language).text,
            status: maintenance_status(work.status),
            created_at: iso(work.published_at),
            updated_at: iso(last(&work.updates).unwrap_or(work.published_at)),
            monitoring_at: None,
            resolved_at: work.ended_at.filter(|_| work.is_over()).map(iso),
            impact: "maintenance",
            shortlink: self.link(work.id),
            started_at: iso(work.started_at.unwrap_or(work.scheduled_for)),
            page_id: self.page_id,
            incident_updates: self.updates(work.id, &work.updates, maintenance_status),
            components: self.affected(&work.affected),
            reminder_intervals: None,
            scheduled_for: Some(iso(work.scheduled_for)),
            scheduled_until: Some(iso(work.scheduled_until)),
        }
    }

    fn link(&self, id: Uuid) -> String {
        let path = self.view.edition.path(&format!("/status/handelse/{id}"));
        format!("{}{path}", self.renderer.service.public_url)
    }

    fn affected(&self, affected: &[Affected]) -> Vec<ComponentShape> {
        affected.iter().filter_map(|one| self.components.get(&one.component)).cloned().collect()
    }

    /// Newest first, as Statuspage has them.
    fn updates<S: Copy>(&self, subject: Uuid, all: &[Update<S>], word: fn(S) -> &'static str) -> Vec<UpdateShape> {
        let before = std::iter::once(&[] as &[Affected]).chain(all.iter().map(|update| update.affected.as_slice()));
        let shape = |(update, before): (&Update<S>, &[Affected])| {
            let at = iso(update.at);
            UpdateShape {
                id: format!("{subject}-{}", update.number),
                status: word(update.status),
                body: said(&update.body, self.language).text,
                incident_id: subject.to_string(),
                created_at: at.clone(),
                updated_at: at.clone(),
                display_at: at,
                affected_components: self.changes(before, &update.affected),
                deliver_notifications: update.notify,
                custom_tweet: None,
                tweet_id: None,
            }
        };
        let mut out: Vec<UpdateShape> = all.iter().zip(before).map(shape).collect();
        out.reverse();
        out
    }

    fn changes(&self, before: &[Affected], after: &[Affected]) -> Vec<AffectedShape> {
        let of = |list: &[Affected], id| list.iter().find(|one| one.component == id).map(|one| one.status);
        let new = after.iter().filter(|one| of(before, one.component).is_none());
        let ids = before.iter().chain(new).map(|one| one.component);
        let shape = |id: Uuid| {
            Some(AffectedShape {
                code: id.to_string(),
                name: self.components.get(&id)?.name.clone(),
                old_status: of(before, id).unwrap_or(ComponentStatus::Operational).as_str(),
                new_status: of(after, id).unwrap_or(ComponentStatus::Operational).as_str(),
            })
        };
        ids.filter_map(shape).collect()
    }
}

/// Statuspage knows no cancelled one: to its readers that is over.
fn maintenance_status(status: MaintenanceStatus) -> &'static str {
    match status {
        MaintenanceStatus::Cancelled => MaintenanceStatus::Completed.as_str(),
        status => status.as_str(),
    }
}

fn indicator(status: ComponentStatus) -> &'static str {
    match status {
        ComponentStatus::Operational => "none",
        ComponentStatus::UnderMaintenance => "maintenance",
        ComponentStatus::DegradedPerformance => "minor",
        ComponentStatus::PartialOutage => "major",
        ComponentStatus::MajorOutage => "critical",
    }
}

fn last<S>(updates: &[Update<S>]) -> Option<Timestamp> {
    updates.iter().map(|update| update.at).max()
}

/// When something last was said of a component.
fn touched_at(board: &Board, id: Uuid) -> Option<Timestamp> {
    let holds = |affected: &[Affected]| affected.iter().any(|one| one.component == id);
    let told = board.incidents.iter().flat_map(|incident| &incident.updates);
    let told = told.filter(|update| holds(&update.affected)).map(|update| update.at);
    let worked = board.maintenances.iter().filter(|work| work.started_at.is_some()).flat_map(|work| &work.updates);
    let worked = worked.filter(|update| holds(&update.affected)).map(|update| update.at);
    told.chain(worked).max()
}

/// When an id was made (RFC 9562 version 7); the epoch for others.
fn made_at(id: Uuid) -> Timestamp {
    let (seconds, nanos) = id.get_timestamp().map_or((0, 0), |at| at.to_unix());
    let made = i64::try_from(seconds).ok().zip(i32::try_from(nanos).ok());
    made.and_then(|(seconds, nanos)| Timestamp::new(seconds, nanos).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::sample;
    use super::super::tests::published;

    fn answer(path: &str) -> Value {
        let documents = published();
        let found = documents.iter().find(|document| document.path == path).unwrap();
        serde_json::from_slice(&found.bytes).unwrap()
    }

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// The members of the documented answers; a client may name any of them.
    #[test]
    fn answers_have_statuspages_members_and_no_others() {
        let summary = answer("/api/v2/summary.json");
        assert_eq!(keys(&summary), ["components", "incidents", "page", "scheduled_maintenances", "status"]);
        assert_eq!(keys(&summary["page"]), ["id", "name", "time_zone", "updated_at", "url"]);
        let component = [
            "created_at",
            "description",
            "group",
            "group_id",
            "id",
            "name",
            "only_show_if_degraded",
            "page_id",
            "position",
            "showcase",
            "start_date",
            "status",
            "updated_at",
        ];
        for shape in summary["components"].as_array().unwrap() {
            let members = keys(shape);
            let is_group = shape["group"] == true;
            assert_eq!(members.contains(&"components"), is_group);
            assert_eq!(members.into_iter().filter(|key| *key != "components").collect::<Vec<_>>(), component);
        }
        let incident = [
            "components",
            "created_at",
            "id",
            "impact",
            "incident_updates",
            "monitoring_at",
            "name",
            "page_id",
            "reminder_intervals",
            "resolved_at",
            "shortlink",
            "started_at",
            "status",
            "updated_at",
        ];
        assert_eq!(keys(&summary["incidents"][0]), incident);
        let mut maintenance = incident.to_vec();
        maintenance.extend(["scheduled_for", "scheduled_until"]);
        maintenance.sort_unstable();
        assert_eq!(keys(&summary["scheduled_maintenances"][0]), maintenance);
        assert_eq!(
            keys(&summary["incidents"][0]["incident_updates"][0]),
            [
                "affected_components",
                "body",
                "created_at",
                "custom_tweet",
                "deliver_notifications",
                "display_at",
                "id",
                "incident_id",
                "status",
                "tweet_id",
                "updated_at",
            ]
        );
    }

    #[test]
    fn each_answer_holds_what_its_name_says() {
        let names = |path: &str, list: &str| -> Vec<String> {
            let answer = answer(path);
            answer[list].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names("/api/v2/incidents.json", "incidents"), ["identified", "resolved"]);
        assert_eq!(names("/api/v2/incidents/unresolved.json", "incidents"), ["identified"]);
        let list = "scheduled_maintenances";
        assert_eq!(names("/api/v2/scheduled-maintenances.json", list), ["scheduled", "in_progress"]);
        assert_eq!(names("/api/v2/scheduled-maintenances/upcoming.json", list), ["scheduled"]);
        assert_eq!(names("/api/v2/scheduled-maintenances/active.json", list), ["in_progress"]);
        assert_eq!(answer("/api/v2/status.json")["status"]["indicator"], "critical");
        assert_eq!(answer("/invanare/api/v2/status.json")["status"]["indicator"], "minor", "our own mail is late");
        assert_eq!(answer("/api/v2/status.json")["page"]["url"], "https://status.region.example/status");
    }

    #[test]
    fn an_incident_says_what_changed_with_each_update() {
        let incident = answer("/en/api/v2/incidents.json")["incidents"][1].clone();
        assert_eq!(incident["impact"], "major", "as bad as it was");
        assert_eq!(incident["components"], json!([]));
        let changes = |at: usize| incident["incident_updates"][at]["affected_components"][0].clone();
        assert_eq!(
            (&changes(0)["old_status"], &changes(0)["new_status"]),
            (&json!("partial_outage"), &json!("operational"))
        );
        assert_eq!(
            (&changes(1)["old_status"], &changes(1)["new_status"]),
            (&json!("operational"), &json!("partial_outage"))
        );
        let id = sample::board().incidents[1].id;
        assert_eq!(incident["shortlink"], format!("https://status.region.example/en/status/handelse/{id}"));
        assert_eq!(incident["started_at"], "2026-11-22T03:55:00.000Z");
    }

    #[test]
    fn groups_hold_their_members_and_ours_is_one_of_them() {
        let components = answer("/api/v2/components.json")["components"].as_array().unwrap().clone();
        let group = components.iter().find(|one| one["name"] == "Andras system").unwrap();
        let members: Vec<&Value> = components.iter().filter(|one| one["group_id"] == group["id"]).collect();
        assert_eq!(group["components"], json!(members.iter().map(|one| &one["id"]).collect::<Vec<_>>()));
        assert_eq!(group["status"], "major_outage");
        assert!(components.iter().any(|one| one["id"] == "own-mail" && one["status"] == "degraded_performance"));
    }
}
