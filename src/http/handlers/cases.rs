//! Cases: submitted, read, searched, written to, acted on.

use std::sync::Arc;

use super::super::Api;
use super::super::problem::Problem;
use super::super::request::{Call, Door};
use super::super::response::Answer;
use super::super::wire::case::{
    AnswerCase, CaseChanged, CasePage, CloseCase, DistributeCase, ForwardCase, SearchCases, SubmitCase, WireCase,
    WriteText,
};
use super::super::wire::portal::Accepted;
use crate::crypto::sha256;
use crate::domain::calendar::local_date;
use crate::usecase::act_on_case::StaffAct;
use crate::usecase::idempotency::{Acknowledged, Request};
use crate::usecase::read_cases::{InboxList, Reader, Search};

pub async fn submit(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let key = call.idempotency_key()?.to_owned();
    let submission = call.read::<SubmitCase>()?.read(local_date(api.gateway.now()))?;
    let request = Request {
        portal: &call.known()?.hsa_id,
        key: &key,
        target: "POST /v1/cases",
        body_digest: sha256(&[&call.body]),
        request: &call.request_id,
    };
    accepted(&api, &call, api.gateway.submit_case(&request, &submission).await?)
}

pub async fn message(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let key = call.idempotency_key()?.to_owned();
    let id = call.id()?;
    let text = call.read::<WriteText>()?.read()?;
    let target = format!("POST /v1/cases/{id}/messages");
    let request = Request {
        portal: &call.known()?.hsa_id,
        key: &key,
        target: &target,
        body_digest: sha256(&[&call.body]),
        request: &call.request_id,
    };
    accepted(&api, &call, api.gateway.write_message(&request, id, text).await?)
}

/// A replay costs the gateway a look-up: it has a bucket of its own, so that a portal in a loop harms nobody.
fn accepted(api: &Api, call: &Call, acknowledged: Acknowledged) -> Result<Answer, Problem> {
    if acknowledged.replayed
        && let Err(wait) = api.limits.replay.check(call.known()?.hsa_id.as_str().as_bytes())
    {
        return Err(Problem::limited("replay-limited", &wait));
    }
    let answer = Answer::created(&Accepted::of(&acknowledged))
        .header("location", format!("/v1/cases/{}", acknowledged.answer.case))
        .etag(acknowledged.answer.version);
    Ok(if acknowledged.replayed { answer.header("idempotency-status", "replayed") } else { answer })
}

pub async fn withdraw(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let (version, case) = api.gateway.withdraw_case(&call.visitor()?, call.id()?).await?;
    Ok(Answer::ok(&CaseChanged::of(version, &case)).etag(version))
}

pub async fn read(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let view = api.gateway.read_case(&reader(&call)?, call.id()?).await?;
    Ok(Answer::ok(&WireCase::of(&view)).etag(view.version))
}

pub async fn search(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let wanted = call.read::<SearchCases>()?;
    let limit = wanted.limit.map(|limit| limit.to_string());
    let (limit, _) = super::super::request::paging(limit.as_deref(), None)?;
    let today = local_date(api.gateway.now());
    let search = Search {
        citizen: wanted.citizen.map(|c| c.read("/citizen", today)).transpose()?,
        clinic: wanted.clinic,
        states: wanted.states,
        handler: wanted.handler,
        received_from: wanted.received_from,
        received_before: wanted.received_before,
    };
    let page = api.gateway.search_cases(&reader(&call)?, &search, limit, wanted.cursor.as_deref()).await?;
    Ok(Answer::ok(&CasePage::of(&page)))
}

pub async fn inbox(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let list = match call.query.get("list").map(String::as_str) {
        None | Some("undistributed") => InboxList::Undistributed,
        Some("mine") => InboxList::Mine,
        Some("overdue") => InboxList::Overdue,
        Some("awaiting-citizen") => InboxList::AwaitingCitizen,
        Some(_) => {
            return Err(Problem::new("malformed-value").detail(
                "list är undistributed, mine, overdue eller awaiting-citizen.",
                "list is undistributed, mine, overdue or awaiting-citizen.",
            ));
        }
    };
    let clinic = match call.query.get("clinic") {
        Some(text) => Some(crate::domain::id::HsaId::parse(text).map_err(|_| Problem::new("unknown-clinic"))?),
        None => api.gateway.only_clinic_of(&call.known()?.hsa_id),
    };
    let (limit, cursor) = call.paging()?;
    let page = api.gateway.inbox(&call.visitor()?, list, clinic.as_ref(), limit, cursor).await?;
    Ok(Answer::ok(&CasePage::of(&page)))
}

pub async fn distribute(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let to = call.read::<DistributeCase>()?.handler;
    act(&api, &call, StaffAct::Distribute { to }).await
}

pub async fn give_back(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    act(&api, &call, StaffAct::Return).await
}

pub async fn forward(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let to = call.read::<ForwardCase>()?.clinic;
    act(&api, &call, StaffAct::Forward { to }).await
}

pub async fn interim_answer(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let text = call.read::<WriteText>()?.read()?;
    act(&api, &call, StaffAct::InterimAnswer { text }).await
}

pub async fn question(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let text = call.read::<WriteText>()?.read()?;
    act(&api, &call, StaffAct::Question { text }).await
}

pub async fn answer(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let response = call.read::<AnswerCase>()?.response;
    act(&api, &call, StaffAct::Answer { response }).await
}

pub async fn close(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let reason = call.read::<CloseCase>()?.read()?;
    act(&api, &call, StaffAct::Close { reason }).await
}

async fn act(api: &Api, call: &Call, act: StaffAct) -> Result<Answer, Problem> {
    let (id, seen) = (call.id()?, call.if_match()?);
    let (version, case, _) = api.gateway.act_on_case(&call.visitor()?, id, seen, act).await?;
    Ok(Answer::ok(&CaseChanged::of(version, &case)).etag(version))
}

fn reader(call: &Call) -> Result<Reader, Problem> {
    let visitor = call.visitor()?;
    match call.door {
        Door::Portal => Ok(Reader::Portal(visitor)),
        Door::Staff => Ok(Reader::Staff(visitor)),
        Door::Public | Door::CardTest => Err(Problem::new("not-found")),
    }
}
