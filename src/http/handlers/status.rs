//! What is told of services: written by people with the support role, read by all staff.

use std::sync::Arc;

use jiff::SignedDuration;
use uuid::Uuid;

use super::super::Api;
use super::super::problem::Problem;
use super::super::request::Call;
use super::super::response::Answer;
use super::super::wire::status::{
    PostCorrection, PostIncident, PostIncidentUpdate, PostMaintenance, PostMaintenanceUpdate, PostReason,
    PutMaintenance, PutSeries, Reading,
};
use super::super::wire::status_view::{
    IncidentList, MaintenanceList, PendingList, SeriesList, StatusOutcome, WireIncident, WireMail, WireMaintenance,
    WirePending, WireSeries, WireSeriesPreview,
};
use crate::domain::clinic::Texts;
use crate::domain::language::Language;
use crate::domain::status::act::Act;
use crate::domain::status::event::Event;
use crate::domain::status::recurrence::Plan;
use crate::domain::status::subject::Subject;
use crate::usecase::Refusal;
use crate::usecase::status::{Author, Outcome, Publication};

pub async fn incidents(api: Arc<Api>, _call: Call) -> Result<Answer, Problem> {
    let (board, now) = (api.gateway.board(), api.gateway.now());
    let items = board.incidents.iter().map(|one| WireIncident::of(one, &board, now, false)).collect();
    Ok(Answer::ok(&IncidentList { items }))
}

pub async fn incident(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    match api.gateway.find_subject(call.id()?).await?.map(|at| at.record) {
        Some(Subject::Incident(incident)) => {
            let wire = WireIncident::of(&incident, &api.gateway.board(), api.gateway.now(), true);
            Ok(Answer::ok(&wire).etag(u64::from(incident.revision)))
        }
        _ => Err(Refusal::NotFound.into()),
    }
}

pub async fn open_incident(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let body = call.read::<PostIncident>()?;
    let hold = body.hold;
    let act = body.act(&reading(&api, &api.gateway.board()))?;
    begin(&api, &call, act, hold, "incidents").await
}

pub async fn update_incident(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let body = call.read::<PostIncidentUpdate>()?;
    let hold = body.hold;
    let act = body.act(call.id()?, seen(&call)?, &reading(&api, &api.gateway.board()))?;
    go_on(&api, &call, act, hold).await
}

pub async fn correct_incident(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let body = call.read::<PostCorrection>()?;
    let hold = body.hold;
    go_on(&api, &call, Act::CorrectIncident(body.correct(call.id()?)), hold).await
}

pub async fn withdraw_incident(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let body = call.read::<PostReason>()?;
    let hold = body.hold;
    go_on(&api, &call, Act::WithdrawIncident(body.withdraw(call.id()?, seen(&call)?)), hold).await
}

pub async fn maintenances(api: Arc<Api>, _call: Call) -> Result<Answer, Problem> {
    let (board, now) = (api.gateway.board(), api.gateway.now());
    let items = board.maintenances.iter().map(|one| WireMaintenance::of(one, &board, now, false)).collect();
    Ok(Answer::ok(&MaintenanceList { items }))
}

pub async fn maintenance(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    match api.gateway.find_subject(call.id()?).await?.map(|at| at.record) {
        Some(Subject::Maintenance(maintenance)) => {
            let wire = WireMaintenance::of(&maintenance, &api.gateway.board(), api.gateway.now(), true);
            Ok(Answer::ok(&wire).etag(u64::from(maintenance.revision)))
        }
        _ => Err(Refusal::NotFound.into()),
    }
}

pub async fn schedule_maintenance(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let body = call.read::<PostMaintenance>()?;
    let hold = body.hold;
    let act = body.act(&reading(&api, &api.gateway.board()))?;
    begin(&api, &call, act, hold, "maintenances").await
}

pub async fn change_maintenance(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    call.if_match()?;
    let body = call.read::<PutMaintenance>()?;
    let hold = body.hold;
    let act = body.act(call.id()?, seen(&call)?, &reading(&api, &api.gateway.board()))?;
    go_on(&api, &call, act, hold).await
}

pub async fn update_maintenance(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let body = call.read::<PostMaintenanceUpdate>()?;
    let hold = body.hold;
    go_on(&api, &call, body.act(call.id()?, seen(&call)?), hold).await
}

pub async fn correct_maintenance(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let body = call.read::<PostCorrection>()?;
    let hold = body.hold;
    go_on(&api, &call, Act::CorrectMaintenance(body.correct(call.id()?)), hold).await
}

pub async fn cancel_maintenance(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let body = call.read::<PostReason>()?;
    let hold = body.hold;
    go_on(&api, &call, Act::CancelMaintenance(body.withdraw(call.id()?, seen(&call)?)), hold).await
}

pub async fn all_series(api: Arc<Api>, _call: Call) -> Result<Answer, Problem> {
    let board = api.gateway.board();
    let series = api.gateway.all_series().await?;
    Ok(Answer::ok(&SeriesList { items: series.iter().map(|one| WireSeries::of(one, &board)).collect() }))
}

pub async fn series(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let series = api.gateway.series(call.id()?).await?;
    Ok(Answer::ok(&WireSeries::of(&series, &api.gateway.board())).etag(u64::from(series.revision)))
}

pub async fn begin_series(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let author = author(&call)?;
    let (plan, _) = call.read::<PutSeries>()?.plan(&reading(&api, &api.gateway.board()))?;
    if wants_preview(&call)? {
        return preview_series(&api, &author, None, Some(plan), &Texts::default()).await;
    }
    let how = publication(&api, &call, &author, None)?;
    let series = api.gateway.begin_series(&author, plan, how).await?;
    let answer = Answer::created(&WireSeries::of(&series, &api.gateway.board())).etag(u64::from(series.revision));
    Ok(answer.header("location", format!("/v1/status/series/{}", series.id)))
}

pub async fn change_series(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    call.if_match()?;
    let (plan, reason) = call.read::<PutSeries>()?.plan(&reading(&api, &api.gateway.board()))?;
    let reason = reason.ok_or_else(|| {
        let (sv, en) = ("Skriv varför: de som har fått besked får veta det.", "Say why: who has been told is told.");
        Problem::new("missing-field").at("/reason", sv, en)
    })?;
    if wants_preview(&call)? {
        return preview_series(&api, &author(&call)?, Some(call.id()?), Some(plan), &reason).await;
    }
    let changed = api.gateway.change_series(&author(&call)?, call.id()?, plan, &reason, seen(&call)?).await?;
    Ok(Answer::ok(&WireSeries::of(&changed, &api.gateway.board())).etag(u64::from(changed.revision)))
}

pub async fn end_series(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let reason = call.read::<PostReason>()?.texts();
    if wants_preview(&call)? {
        return preview_series(&api, &author(&call)?, Some(call.id()?), None, &reason).await;
    }
    let ended = api.gateway.end_series(&author(&call)?, call.id()?, &reason).await?;
    Ok(Answer::ok(&WireSeries::of(&ended, &api.gateway.board())).etag(u64::from(ended.revision)))
}

pub async fn pending(api: Arc<Api>, _call: Call) -> Result<Answer, Problem> {
    let pending = api.gateway.pending_acts().await?;
    Ok(Answer::ok(&PendingList { items: pending.iter().map(WirePending::of).collect() }))
}

pub async fn take_back(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    api.gateway.take_back(&author(&call)?, call.id()?).await?;
    Ok(Answer::no_content())
}

/// Begins a subject: 201 when it stands, 202 when it is held, 200 when the same request came before.
async fn begin(api: &Api, call: &Call, act: Act, hold: Option<u32>, kind: &str) -> Result<Answer, Problem> {
    let author = author(call)?;
    if wants_preview(call)? {
        return preview(api, &author, &act).await;
    }
    let how = publication(api, call, &author, hold)?;
    let outcome = api.gateway.publish(&author, act, how).await?;
    let body = StatusOutcome::of(&outcome);
    let place = body.id.map(|id| format!("/v1/status/{kind}/{id}")).unwrap_or_default();
    Ok(match outcome {
        Outcome::Published(published) => {
            Answer::created(&body).header("location", place).etag(u64::from(published.revision))
        }
        Outcome::Held(_) => Answer::json(202, "application/json", &body).header("location", place),
        Outcome::Known { .. } => Answer::ok(&body).header("location", place).header("idempotency-status", "replayed"),
    })
}

/// Another act on a subject: 200 when it stands, 202 when it is held.
async fn go_on(api: &Api, call: &Call, act: Act, hold: Option<u32>) -> Result<Answer, Problem> {
    let author = author(call)?;
    if wants_preview(call)? {
        return preview(api, &author, &act).await;
    }
    let how = Publication { hold: seconds(hold), id: None };
    let outcome = api.gateway.publish(&author, act, how).await?;
    let body = StatusOutcome::of(&outcome);
    Ok(match (&outcome, body.revision) {
        (Outcome::Published(_), Some(revision)) => Answer::ok(&body).etag(u64::from(revision)),
        _ => Answer::json(202, "application/json", &body),
    })
}

async fn preview(api: &Api, author: &Author, act: &Act) -> Result<Answer, Problem> {
    let preview = api.gateway.preview(author, act).await?;
    let recipients = api.gateway.count_recipients(&preview.event).await?;
    let mails = if preview.event.notify { mails(api, &preview.event)? } else { Vec::new() };
    Ok(Answer::ok(&StatusOutcome::preview(&preview, recipients, mails)))
}

async fn preview_series(
    api: &Api,
    author: &Author,
    id: Option<Uuid>,
    plan: Option<Plan>,
    reason: &Texts,
) -> Result<Answer, Problem> {
    let preview = api.gateway.preview_series(author, id, plan, reason).await?;
    let mails = preview.event.as_ref().map(|event| mails(api, event)).transpose()?.unwrap_or_default();
    Ok(Answer::ok(&WireSeriesPreview::of(preview, mails)))
}

/// An event's mail in both languages, without anybody's own links.
fn mails(api: &Api, event: &Event) -> Result<Vec<WireMail>, Problem> {
    let mail = |language: Language| {
        let notice = api.renderer.notice(event, language).map_err(|_| Problem::new("internal"))?;
        Ok(WireMail { language: language.tag(), text: notice.without_links(), subject: notice.subject })
    };
    [Language::Sv, Language::En].into_iter().map(mail).collect()
}

pub(super) fn author(call: &Call) -> Result<Author, Problem> {
    Ok(Author::Staff { person: call.known()?.hsa_id.clone(), request: call.request_id.clone() })
}

fn reading<'a>(api: &Api, board: &'a crate::domain::status::board::Board) -> Reading<'a> {
    Reading { board, now: api.gateway.now() }
}

fn wants_preview(call: &Call) -> Result<bool, Problem> {
    match call.query.get("preview").map(String::as_str) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => {
            Err(Problem::new("malformed-value").detail("preview är true eller false.", "preview is true or false."))
        }
    }
}

/// A repeated request begins nothing twice; the key is the caller's own.
fn publication(api: &Api, call: &Call, author: &Author, hold: Option<u32>) -> Result<Publication, Problem> {
    let id = match call.header("idempotency-key") {
        Some(_) => Some(api.gateway.id_for(author, call.idempotency_key()?)),
        None => None,
    };
    Ok(Publication { hold: seconds(hold), id })
}

fn seconds(hold: Option<u32>) -> Option<SignedDuration> {
    hold.map(|seconds| SignedDuration::from_secs(i64::from(seconds)))
}

/// The revision that the author saw, where the request names one.
fn seen(call: &Call) -> Result<Option<u32>, Problem> {
    match call.header("if-match") {
        None => Ok(None),
        Some(_) => Ok(Some(u32::try_from(call.if_match()?).unwrap_or(u32::MAX))),
    }
}
