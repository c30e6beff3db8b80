//! What is told of services, as the API shows it to the staff.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::region::WireTexts;
use crate::domain::clinic::Texts;
use crate::domain::status::Audience;
use crate::domain::status::board::Board;
use crate::domain::status::component::{Component, ComponentStatus, Group};
use crate::domain::status::event::{Event, EventKind};
use crate::domain::status::recurrence::Series;
use crate::domain::status::subject::{Affected, Impact, Incident, Maintenance, Update, Window};
use crate::usecase::fanout::Matching;
use crate::usecase::status::{Outcome, Pending, Preview, SeriesPreview};

/// What became of an act: `published`, `held` until `publishAt`, `known` when the same request came before, or
/// `preview` when nothing was done.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusOutcome {
    pub state: &'static str,
    /// The incident or maintenance.
    pub id: Option<Uuid>,
    pub revision: Option<u32>,
    /// The event's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// What can be taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub publish_at: Option<Timestamp>,
    /// When subscribers first hear of it: a window farther ahead than seven days is on the page only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub first_mail_at: Option<Timestamp>,
    /// What would be told, and whether it would be mailed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<WirePreview>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WirePreview {
    #[schema(value_type = Object)]
    pub kind: EventKind,
    pub mailed: bool,
    pub title: WireTexts,
    /// Names of all components that it is about.
    pub components: Vec<WireTexts>,
    #[schema(value_type = String, format = DateTime)]
    pub not_after: Timestamp,
    pub recipients: WireRecipients,
    /// The mail in Swedish and English; none where nobody is mailed.
    pub mails: Vec<WireMail>,
}

/// How many would be mailed: at once, in their daily mail, and of both in each language.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireRecipients {
    pub at_once: u64,
    pub digest: u64,
    pub in_swedish: u64,
    pub in_english: u64,
}

/// A mail as it would look; a recipient's own links stand as …
#[derive(Serialize, ToSchema)]
pub struct WireMail {
    pub language: &'static str,
    pub subject: String,
    pub text: String,
}

impl StatusOutcome {
    pub fn of(outcome: &Outcome) -> StatusOutcome {
        let blank = |state| StatusOutcome {
            state,
            id: None,
            revision: None,
            seq: None,
            pending: None,
            publish_at: None,
            first_mail_at: None,
            event: None,
        };
        match outcome {
            Outcome::Published(published) => StatusOutcome {
                id: Some(published.subject),
                revision: Some(published.revision),
                seq: Some(published.seq),
                first_mail_at: published.first_mail_at,
                ..blank("published")
            },
            Outcome::Held(pending) => StatusOutcome {
                id: Some(pending.subject),
                pending: Some(pending.id),
                publish_at: Some(pending.publish_at),
                ..blank("held")
            },
            Outcome::Known { subject, revision } => {
                StatusOutcome { id: Some(*subject), revision: Some(*revision), ..blank("known") }
            }
        }
    }

    pub fn preview(preview: &Preview, recipients: Matching, mails: Vec<WireMail>) -> StatusOutcome {
        let event = &preview.event;
        StatusOutcome {
            state: "preview",
            id: None,
            revision: Some(preview.revision),
            seq: None,
            pending: None,
            publish_at: None,
            first_mail_at: event.first_mail_at(),
            event: Some(WirePreview::of(event, recipients, mails)),
        }
    }
}

impl WirePreview {
    fn of(event: &Event, recipients: Matching, mails: Vec<WireMail>) -> WirePreview {
        let Matching { at_once, digest, in_swedish, in_english } = recipients;
        WirePreview {
            kind: event.kind,
            mailed: event.notify,
            title: WireTexts::of(event.subject.title()),
            components: event.components.iter().map(|component| WireTexts::of(&component.name)).collect(),
            not_after: event.not_after,
            recipients: WireRecipients { at_once, digest, in_swedish, in_english },
            mails,
        }
    }
}

/// What a series, or its change or end, would come to; nothing was done.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireSeriesPreview {
    /// `preview`.
    pub state: &'static str,
    /// Would be scheduled now, as far as the region looks ahead.
    pub planned: Vec<WireWindow>,
    /// Of those scheduled before.
    pub changed: usize,
    pub cancelled: usize,
    /// When subscribers first hear of the first of these, if not now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub first_mail_at: Option<Timestamp>,
    /// The first of these as it would be told, and to how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<WirePreview>,
}

#[derive(Serialize, ToSchema)]
pub struct WireWindow {
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
}

impl WireSeriesPreview {
    pub fn of(preview: SeriesPreview, mails: Vec<WireMail>) -> WireSeriesPreview {
        let SeriesPreview { planned, changed, cancelled, event, recipients } = preview;
        let window = |window: Window| WireWindow { from: window.from, until: window.until };
        WireSeriesPreview {
            state: "preview",
            planned: planned.into_iter().map(window).collect(),
            changed,
            cancelled,
            first_mail_at: event.as_ref().and_then(Event::first_mail_at),
            event: event.map(|event| WirePreview::of(&event, recipients, mails)),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct WireAffected {
    /// The component's slug.
    pub component: String,
    #[schema(value_type = String)]
    pub status: ComponentStatus,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireUpdate {
    pub number: u32,
    pub status: &'static str,
    pub body: WireTexts,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub by: String,
    pub notify: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrects: Option<u32>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireIncident {
    pub id: Uuid,
    pub title: WireTexts,
    #[schema(value_type = String)]
    pub audience: Audience,
    pub status: &'static str,
    #[schema(value_type = String)]
    pub impact: Impact,
    pub affected: Vec<WireAffected>,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub published_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resolved_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub withdrawn_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expected_end: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_update_by: Option<Timestamp>,
    /// The promised update has not come.
    pub is_late: bool,
    pub reference: Option<String>,
    pub workaround: Option<WireTexts>,
    pub revision: u32,
    /// Left out in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<WireUpdate>,
}

#[derive(Serialize, ToSchema)]
pub struct IncidentList {
    pub items: Vec<WireIncident>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireMaintenance {
    pub id: Uuid,
    pub title: WireTexts,
    #[schema(value_type = String)]
    pub audience: Audience,
    pub status: &'static str,
    pub affected: Vec<WireAffected>,
    #[schema(value_type = String, format = DateTime)]
    pub scheduled_for: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub scheduled_until: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// It should be over and nobody has said so.
    pub is_overrun: bool,
    pub starts_by_itself: bool,
    pub ends_by_itself: bool,
    pub tell_transitions: bool,
    /// Whether subscribers have been mailed about it.
    pub is_announced: bool,
    pub emergency_reason: Option<WireTexts>,
    pub series: Option<Uuid>,
    pub revision: u32,
    /// Left out in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<WireUpdate>,
}

#[derive(Serialize, ToSchema)]
pub struct MaintenanceList {
    pub items: Vec<WireMaintenance>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WirePending {
    pub id: Uuid,
    /// The incident or maintenance that it is about; of a new one the id that it will have.
    pub subject: Uuid,
    pub act: &'static str,
    pub by: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub publish_at: Timestamp,
    /// Why it was not published when its time had come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct PendingList {
    pub items: Vec<WirePending>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireSeries {
    pub id: Uuid,
    pub title: WireTexts,
    #[schema(value_type = String)]
    pub audience: Audience,
    pub affected: Vec<WireAffected>,
    /// `weekly` or `monthly`.
    #[schema(value_type = Object)]
    pub recurrence: Value,
    /// The next dates, ten at most.
    #[schema(value_type = Vec<String>)]
    pub next: Vec<Date>,
    pub from: String,
    pub until: String,
    #[schema(value_type = Option<String>, format = Date)]
    pub scheduled_to: Option<Date>,
    pub ended: bool,
    pub revision: u32,
}

#[derive(Serialize, ToSchema)]
pub struct SeriesList {
    pub items: Vec<WireSeries>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireComponent {
    pub slug: String,
    pub id: Uuid,
    pub name: WireTexts,
    pub description: WireTexts,
    /// The group's slug.
    pub group: Option<String>,
    pub position: u32,
    #[schema(value_type = String)]
    pub audience: Audience,
    pub external: bool,
    pub archived: bool,
    #[schema(value_type = String)]
    pub status: ComponentStatus,
}

#[derive(Serialize, ToSchema)]
pub struct ComponentList {
    pub items: Vec<WireComponent>,
}

#[derive(Serialize, ToSchema)]
pub struct WireGroup {
    pub slug: String,
    pub id: Uuid,
    pub name: WireTexts,
    pub position: u32,
}

#[derive(Serialize, ToSchema)]
pub struct GroupList {
    pub items: Vec<WireGroup>,
}

/// Dates of a series that are shown.
const NEXT_SHOWN: usize = 10;

impl WireIncident {
    pub fn of(incident: &Incident, board: &Board, now: Timestamp, whole: bool) -> WireIncident {
        WireIncident {
            id: incident.id,
            title: WireTexts::of(&incident.title),
            audience: incident.audience,
            status: incident.status.as_str(),
            impact: incident.impact(),
            affected: affected(&incident.affected, board),
            started_at: incident.started_at,
            published_at: incident.published_at,
            resolved_at: incident.resolved_at,
            withdrawn_at: incident.withdrawn_at,
            expected_end: incident.expected_end,
            next_update_by: incident.next_update_by,
            is_late: incident.is_late(now),
            reference: incident.reference.clone(),
            workaround: optional(incident.workaround.as_ref()),
            revision: incident.revision,
            updates: updates(&incident.updates, whole, |status| status.as_str()),
        }
    }
}

impl WireMaintenance {
    pub fn of(maintenance: &Maintenance, board: &Board, now: Timestamp, whole: bool) -> WireMaintenance {
        WireMaintenance {
            id: maintenance.id,
            title: WireTexts::of(&maintenance.title),
            audience: maintenance.audience,
            status: maintenance.status.as_str(),
            affected: affected(&maintenance.affected, board),
            scheduled_for: maintenance.scheduled_for,
            scheduled_until: maintenance.scheduled_until,
            started_at: maintenance.started_at,
            ended_at: maintenance.ended_at,
            is_overrun: maintenance.is_overrun(now),
            starts_by_itself: maintenance.starts_by_itself,
            ends_by_itself: maintenance.ends_by_itself,
            tell_transitions: maintenance.tell_transitions,
            is_announced: maintenance.is_announced(),
            emergency_reason: optional(maintenance.emergency_reason.as_ref()),
            series: maintenance.series,
            revision: maintenance.revision,
            updates: updates(&maintenance.updates, whole, |status| status.as_str()),
        }
    }
}

impl WirePending {
    pub fn of(pending: &Pending) -> WirePending {
        WirePending {
            id: pending.id,
            subject: pending.subject,
            act: pending.act.name(),
            by: pending.author.name(),
            created_at: pending.created_at,
            publish_at: pending.publish_at,
            failed: pending.failed.clone(),
        }
    }
}

impl WireSeries {
    pub fn of(series: &Series, board: &Board) -> WireSeries {
        let plan = &series.plan;
        let ahead = plan.dates().filter(|date| series.scheduled_to.is_none_or(|to| *date > to));
        WireSeries {
            id: series.id,
            title: WireTexts::of(&plan.title),
            audience: plan.audience,
            affected: affected(&plan.affected, board),
            recurrence: serde_json::to_value(&plan.recurrence).unwrap_or_default(),
            next: if series.ended { Vec::new() } else { ahead.take(NEXT_SHOWN).collect() },
            from: plan.from.to_string(),
            until: plan.until.to_string(),
            scheduled_to: series.scheduled_to,
            ended: series.ended,
            revision: series.revision,
        }
    }
}

impl WireComponent {
    pub fn of(component: &Component, board: &Board) -> WireComponent {
        let group = component.group.and_then(|id| board.groups.iter().find(|group| group.id == id));
        WireComponent {
            slug: component.slug.clone(),
            id: component.id,
            name: WireTexts::of(&component.name),
            description: WireTexts::of(&component.description),
            group: group.map(|group| group.slug.clone()),
            position: component.position,
            audience: component.audience,
            external: component.external,
            archived: component.archived,
            status: board.status_of(component.id),
        }
    }
}

impl WireGroup {
    pub fn of(group: &Group) -> WireGroup {
        let (slug, id, name, position) = (group.slug.clone(), group.id, WireTexts::of(&group.name), group.position);
        WireGroup { slug, id, name, position }
    }
}

fn optional(texts: Option<&Texts>) -> Option<WireTexts> {
    texts.map(WireTexts::of)
}

fn affected(affected: &[Affected], board: &Board) -> Vec<WireAffected> {
    let slug = |id: Uuid| board.component(id).map(|component| component.slug.clone()).unwrap_or_default();
    affected.iter().map(|one| WireAffected { component: slug(one.component), status: one.status }).collect()
}

fn updates<S: Copy>(updates: &[Update<S>], whole: bool, name: impl Fn(S) -> &'static str) -> Vec<WireUpdate> {
    let one = |update: &Update<S>| WireUpdate {
        number: update.number,
        status: name(update.status),
        body: WireTexts::of(&update.body),
        at: update.at,
        by: update.by.clone(),
        notify: update.notify,
        corrects: update.corrects,
    };
    if whole { updates.iter().map(one).collect() } else { Vec::new() }
}
