//! What operators say of services. Each takes a gateway, so that it works with the daemon and without it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::clinic::Texts;
use crate::domain::language::Language;
use crate::domain::status::Audience;
use crate::domain::status::act::Act;
use crate::domain::status::board::Board;
use crate::domain::status::component::ComponentStatus;
use crate::domain::status::event::Event;
use crate::domain::status::recurrence::Plan;
use crate::domain::status::subject::{Affected, Incident, Maintenance, Subject};
use crate::render::Renderer;
use crate::usecase::fanout::Matching;
use crate::usecase::status::{Author, ComponentDraft, GroupDraft, Outcome, Publication};
use crate::usecase::{Gateway, Refusal};

/// A component by its slug, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedAffected {
    pub component: String,
    pub status: ComponentStatus,
}

/// A plan in a file: its components by their slugs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeriesFile {
    pub affected: Vec<NamedAffected>,
    #[serde(flatten)]
    pub plan: serde_json::Map<String, Value>,
}

/// What a change of a component gives; what is left out stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComponentPatch {
    pub name: Option<Texts>,
    pub description: Option<Texts>,
    pub group: Option<String>,
    pub position: Option<u32>,
    pub audience: Option<Audience>,
    pub external: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum StatusCommand {
    /// `affected` are the act's components; of an update those that change. With `keep_status` an update leaves the
    /// status as it is.
    Publish {
        wanted: Box<Act>,
        affected: Vec<NamedAffected>,
        keep_status: bool,
        hold: Option<u32>,
        preview: bool,
    },
    IncidentList {
        all: bool,
    },
    MaintenanceList {
        all: bool,
    },
    Show {
        id: Uuid,
    },
    PendingList,
    TakeBack {
        id: Uuid,
    },
    ComponentPut {
        draft: Box<ComponentDraft>,
    },
    ComponentChange {
        slug: String,
        patch: Box<ComponentPatch>,
    },
    ComponentArchive {
        slug: String,
        archived: bool,
    },
    ComponentList,
    GroupPut {
        draft: GroupDraft,
    },
    GroupRemove {
        slug: String,
    },
    GroupList,
    SeriesBegin {
        file: Box<SeriesFile>,
        preview: bool,
    },
    SeriesChange {
        id: Uuid,
        file: Box<SeriesFile>,
        reason: Texts,
        preview: bool,
    },
    SeriesEnd {
        id: Uuid,
        reason: Texts,
        preview: bool,
    },
    SeriesList,
}

/// Does it in the operator's name; the reply is for programs, and for the command line to put into words.
pub async fn carry_out(
    gateway: &Gateway,
    renderer: &Renderer,
    command: StatusCommand,
    user: &str,
) -> Result<Value, String> {
    let author = Author::Operator { user: user.to_owned() };
    let told = |refusal: Refusal| refusal.to_string();
    match command {
        StatusCommand::Publish { wanted, affected, keep_status, hold, preview } => {
            let mut act = with_components(gateway, *wanted, affected).await.map_err(told)?;
            if keep_status {
                act = with_its_status(gateway, act).await.map_err(told)?;
            }
            if preview {
                return foresee(gateway, renderer, &author, &act).await;
            }
            publish(gateway, &author, act, hold).await.map_err(told)
        }
        StatusCommand::IncidentList { all } => {
            let board = gateway.board();
            let listed = board.incidents.iter().filter(|incident| all || !incident.is_over());
            Ok(json!(listed.map(|one| incident(one, &board, gateway)).collect::<Vec<_>>()))
        }
        StatusCommand::MaintenanceList { all } => {
            let board = gateway.board();
            let listed = board.maintenances.iter().filter(|maintenance| all || !maintenance.is_over());
            Ok(json!(listed.map(|one| maintenance(one, &board, gateway)).collect::<Vec<_>>()))
        }
        StatusCommand::Show { id } => show(gateway, id).await,
        StatusCommand::PendingList => {
            let pending = gateway.pending_acts().await.map_err(told)?;
            let lines = pending.iter().map(|one| {
                json!({
                    "id": one.id,
                    "subject": one.subject,
                    "act": one.act.name(),
                    "by": one.author.name(),
                    "publishAt": one.publish_at,
                    "failed": one.failed,
                })
            });
            Ok(json!(lines.collect::<Vec<_>>()))
        }
        StatusCommand::TakeBack { id } => {
            let pending = gateway.take_back(&author, id).await.map_err(told)?;
            Ok(json!({ "state": "taken-back", "act": pending.act.name(), "id": pending.subject }))
        }
        series @ (StatusCommand::SeriesBegin { .. }
        | StatusCommand::SeriesChange { .. }
        | StatusCommand::SeriesEnd { .. }
        | StatusCommand::SeriesList) => carry_out_series(gateway, renderer, &author, series).await,
        other => region(gateway, &author, other).await,
    }
}

async fn carry_out_series(
    gateway: &Gateway,
    renderer: &Renderer,
    author: &Author,
    command: StatusCommand,
) -> Result<Value, String> {
    let told = |refusal: Refusal| refusal.to_string();
    match command {
        StatusCommand::SeriesBegin { file, preview } => {
            let plan = plan(gateway, *file)?;
            if preview {
                return foresee_series(gateway, renderer, author, None, Some(plan), &Texts::default()).await;
            }
            let series = gateway.begin_series(author, plan, Publication::default()).await.map_err(told)?;
            Ok(json!({ "series": series.id, "revision": series.revision }))
        }
        StatusCommand::SeriesChange { id, file, reason, preview } => {
            let plan = plan(gateway, *file)?;
            if preview {
                return foresee_series(gateway, renderer, author, Some(id), Some(plan), &reason).await;
            }
            let series = gateway.change_series(author, id, plan, &reason, None).await.map_err(told)?;
            Ok(json!({ "series": series.id, "revision": series.revision }))
        }
        StatusCommand::SeriesEnd { id, reason, preview } => {
            if preview {
                return foresee_series(gateway, renderer, author, Some(id), None, &reason).await;
            }
            let series = gateway.end_series(author, id, &reason).await.map_err(told)?;
            Ok(json!({ "series": series.id, "ended": series.ended }))
        }
        StatusCommand::SeriesList => Ok(json!(gateway.all_series().await.map_err(told)?)),
        _ => Err("not a command about series".into()),
    }
}

/// What operators should know of what is told: above all what waits for them.
pub async fn figures(gateway: &Gateway) -> Result<Value, String> {
    let (board, now) = (gateway.board(), gateway.now());
    let pending = gateway.pending_acts().await.map_err(|refusal| refusal.to_string())?;
    let count = |failed: bool| pending.iter().filter(|one| one.failed.is_some() == failed).count();
    Ok(json!({
        "openIncidents": board.ongoing().count(),
        "lateUpdates": board.ongoing().filter(|incident| incident.is_late(now)).count(),
        "runningMaintenances": board.maintenances.iter().filter(|one| one.is_running()).count(),
        "overrunMaintenances": board.maintenances.iter().filter(|one| one.is_overrun(now)).count(),
        "held": count(false),
        "failed": count(true),
    }))
}

/// Components and groups.
async fn region(gateway: &Gateway, author: &Author, command: StatusCommand) -> Result<Value, String> {
    let told = |refusal: Refusal| refusal.to_string();
    match command {
        StatusCommand::ComponentPut { draft } => {
            let slug = draft.slug.clone();
            gateway.put_component(author, *draft, None).await.map_err(told)?;
            Ok(json!({ "component": slug }))
        }
        StatusCommand::ComponentChange { slug, patch } => {
            change_component(gateway, author, &slug, *patch).await.map_err(told)?;
            Ok(json!({ "component": slug }))
        }
        StatusCommand::ComponentArchive { slug, archived } => {
            gateway.archive_component(author, &slug, archived, None).await.map_err(told)?;
            Ok(json!({ "component": slug, "archived": archived }))
        }
        StatusCommand::ComponentList => Ok(components(&gateway.board())),
        StatusCommand::GroupPut { draft } => {
            let slug = draft.slug.clone();
            gateway.put_group(author, draft, None).await.map_err(told)?;
            Ok(json!({ "group": slug }))
        }
        StatusCommand::GroupRemove { slug } => {
            gateway.remove_group(author, &slug, None).await.map_err(told)?;
            Ok(json!({ "group": slug, "removed": true }))
        }
        StatusCommand::GroupList => Ok(json!(gateway.board().groups)),
        _ => Err("not a command about services".into()),
    }
}

async fn foresee(gateway: &Gateway, renderer: &Renderer, author: &Author, act: &Act) -> Result<Value, String> {
    let told = |refusal: Refusal| refusal.to_string();
    let event = gateway.preview(author, act).await.map_err(told)?.event;
    let recipients = gateway.count_recipients(&event).await.map_err(told)?;
    foreseen(renderer, &event, &recipients)
}

async fn foresee_series(
    gateway: &Gateway,
    renderer: &Renderer,
    author: &Author,
    id: Option<Uuid>,
    plan: Option<Plan>,
    reason: &Texts,
) -> Result<Value, String> {
    let preview = gateway.preview_series(author, id, plan, reason).await.map_err(|refusal| refusal.to_string())?;
    let first = preview.event.as_ref().map(|event| foreseen(renderer, event, &preview.recipients)).transpose()?;
    Ok(json!({
        "state": "series-preview",
        "planned": preview.planned,
        "changed": preview.changed,
        "cancelled": preview.cancelled,
        "first": first,
    }))
}

fn foreseen(renderer: &Renderer, event: &Event, recipients: &Matching) -> Result<Value, String> {
    let names = event.components.iter().map(|component| &component.name.sv);
    let mail = |language| -> Result<Value, String> {
        let mail = renderer.notice(event, language).map_err(|error| error.to_string())?;
        Ok(json!({ "subject": mail.subject, "text": mail.without_links() }))
    };
    let mail = json!({ "sv": mail(Language::Sv)?, "en": mail(Language::En)? });
    Ok(json!({
        "state": "preview",
        "kind": event.kind,
        "title": event.subject.title(),
        "components": names.collect::<Vec<_>>(),
        "mailed": event.notify,
        "firstMailAt": event.first_mail_at(),
        "notAfter": event.not_after,
        "recipients": {
            "atOnce": recipients.at_once,
            "digest": recipients.digest,
            "inSwedish": recipients.in_swedish,
            "inEnglish": recipients.in_english,
        },
        "mail": mail,
    }))
}

async fn publish(gateway: &Gateway, author: &Author, act: Act, hold: Option<u32>) -> Result<Value, Refusal> {
    let event = gateway.preview(author, &act).await?.event;
    let hold = hold.map(|seconds| jiff::SignedDuration::from_secs(i64::from(seconds)));
    let outcome = gateway.publish(author, act, Publication { hold, id: None }).await?;
    Ok(match outcome {
        Outcome::Published(published) => json!({
            "state": "published",
            "id": published.subject,
            "revision": published.revision,
            "seq": published.seq,
            "mailed": event.notify,
            "firstMailAt": event.first_mail_at(),
        }),
        Outcome::Held(pending) => json!({
            "state": "held",
            "id": pending.subject,
            "pending": pending.id,
            "publishAt": pending.publish_at,
            "mailed": event.notify,
            "firstMailAt": event.first_mail_at(),
        }),
        Outcome::Known { subject, revision } => json!({ "state": "known", "id": subject, "revision": revision }),
    })
}

/// The act with its components found by their slugs. An update keeps those that it doesn't name.
async fn with_components(gateway: &Gateway, mut act: Act, named: Vec<NamedAffected>) -> Result<Act, Refusal> {
    if named.is_empty() {
        return Ok(act);
    }
    let board = gateway.board();
    let mut affected = match act.subject() {
        Some(id) => gateway.find_subject(id).await?.map(|at| at.record.affected().to_vec()).unwrap_or_default(),
        None => Vec::new(),
    };
    let fixed = affected.len();
    for named in named {
        // The rules refuse what no component is called, with its place.
        let component = board.component_by_slug(&named.component).map_or(Uuid::nil(), |component| component.id);
        match affected.iter_mut().take(fixed).find(|one| one.component == component) {
            Some(one) => one.status = named.status,
            None => affected.push(Affected { component, status: named.status }),
        }
    }
    match &mut act {
        Act::OpenIncident(act) => act.affected = affected,
        Act::ScheduleMaintenance(act) => act.affected = affected,
        Act::UpdateIncident(act) => act.affected = Some(affected),
        Act::ChangeMaintenance(act) => act.affected = Some(affected),
        _ => {}
    }
    Ok(act)
}

/// An update that says something and leaves the status alone.
async fn with_its_status(gateway: &Gateway, mut act: Act) -> Result<Act, Refusal> {
    let Some(id) = act.subject() else { return Ok(act) };
    let subject = gateway.find_subject(id).await?.map(|at| at.record);
    match (&mut act, subject) {
        (Act::UpdateIncident(act), Some(Subject::Incident(incident))) => act.status = incident.status,
        (Act::UpdateMaintenance(act), Some(Subject::Maintenance(one))) => act.status = one.status,
        _ => {}
    }
    Ok(act)
}

fn plan(gateway: &Gateway, file: SeriesFile) -> Result<Plan, String> {
    let board = gateway.board();
    let slug = |named: &NamedAffected| {
        let component = board.component_by_slug(&named.component).map_or(Uuid::nil(), |component| component.id);
        Affected { component, status: named.status }
    };
    let affected: Vec<Affected> = file.affected.iter().map(slug).collect();
    let mut members = file.plan;
    members.insert("affected".into(), json!(affected));
    serde_json::from_value(Value::Object(members)).map_err(|error| format!("the plan is unfit: {error}"))
}

async fn change_component(
    gateway: &Gateway,
    author: &Author,
    slug: &str,
    patch: ComponentPatch,
) -> Result<u64, Refusal> {
    let at = gateway.find_component(slug).await?;
    let board = gateway.board();
    let group = at.record.group.and_then(|id| board.groups.iter().find(|group| group.id == id));
    let draft = ComponentDraft {
        slug: slug.to_owned(),
        name: patch.name.unwrap_or(at.record.name),
        description: patch.description.unwrap_or(at.record.description),
        group: patch.group.or_else(|| group.map(|group| group.slug.clone())).filter(|slug| !slug.is_empty()),
        position: patch.position.unwrap_or(at.record.position),
        audience: patch.audience.unwrap_or(at.record.audience),
        external: patch.external.unwrap_or(at.record.external),
    };
    gateway.put_component(author, draft, Some(Some(at.version))).await
}

async fn show(gateway: &Gateway, id: Uuid) -> Result<Value, String> {
    match gateway.find_subject(id).await.map_err(|refusal| refusal.to_string())? {
        Some(at) => match at.record {
            Subject::Incident(incident) => Ok(json!(incident)),
            Subject::Maintenance(maintenance) => Ok(json!(maintenance)),
        },
        None => Err("there is no such incident or maintenance".into()),
    }
}

fn incident(incident: &Incident, board: &Board, gateway: &Gateway) -> Value {
    json!({
        "id": incident.id,
        "title": incident.title.sv,
        "status": incident.status,
        "impact": incident.impact(),
        "audience": incident.audience,
        "components": slugs(&incident.affected, board),
        "startedAt": incident.started_at,
        "nextUpdateBy": incident.next_update_by,
        "isLate": incident.is_late(gateway.now()),
        "revision": incident.revision,
    })
}

fn maintenance(maintenance: &Maintenance, board: &Board, gateway: &Gateway) -> Value {
    json!({
        "id": maintenance.id,
        "title": maintenance.title.sv,
        "status": maintenance.status,
        "audience": maintenance.audience,
        "components": slugs(&maintenance.affected, board),
        "scheduledFor": maintenance.scheduled_for,
        "scheduledUntil": maintenance.scheduled_until,
        "isOverrun": maintenance.is_overrun(gateway.now()),
        "series": maintenance.series,
        "revision": maintenance.revision,
    })
}

fn components(board: &Board) -> Value {
    let lines = board.components.iter().chain(&board.archived).map(|component| {
        let group = component.group.and_then(|id| board.groups.iter().find(|group| group.id == id));
        json!({
            "slug": component.slug,
            "name": component.name.sv,
            "status": board.status_of(component.id),
            "group": group.map(|group| &group.slug),
            "audience": component.audience,
            "external": component.external,
            "archived": component.archived,
        })
    });
    json!(lines.collect::<Vec<_>>())
}

fn slugs(affected: &[Affected], board: &Board) -> Vec<String> {
    let slug = |one: &Affected| {
        let slug = board.component(one.component).map(|component| component.slug.clone());
        format!("{}={}", slug.unwrap_or_default(), one.status.as_str())
    };
    affected.iter().map(slug).collect()
}
