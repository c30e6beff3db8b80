//! Support tickets as JSON, at the staff door and at the public one: where an id stands in the path, the public door
//! takes the token of the receipt.

use std::sync::Arc;

use super::super::Api;
use super::super::problem::Problem;
use super::super::request::{Call, Door};
use super::super::response::Answer;
use super::super::wire::case::{CloseCase, DistributeCase, WriteText};
use super::super::wire::ticket::{
    SubmitTicket, TicketChanged, TicketPage, TicketReceived, TieTicket, TiedTickets, WireSupport, WireTicket,
};
use crate::crypto::sha256;
use crate::domain::id::{HsaId, Private};
use crate::domain::support::SupportDesk;
use crate::domain::ticket::Reporter;
use crate::usecase::Refusal;
use crate::usecase::read_cases::InboxList;
use crate::usecase::region::Author;
use crate::usecase::tickets::{ReportRequest, ReporterFrom, SupportRefusal, TicketAct, TicketList, WriterFrom};

pub async fn support(api: Arc<Api>, _call: Call) -> Result<Answer, Problem> {
    let catalog = api.gateway.catalog();
    let desk = desk(&api)?;
    std::future::ready(Ok(Answer::ok(&WireSupport::of(
        &desk,
        &catalog.offered_services(),
        api.renderer.support_telephone(),
    ))))
    .await
}

pub(super) fn desk(api: &Api) -> Result<SupportDesk, Problem> {
    let catalog = api.gateway.catalog();
    let desk = catalog.support.as_ref().map(|at| at.record.clone());
    desk.ok_or_else(|| Refusal::from(SupportRefusal::NotSetUp).into())
}

pub async fn submit(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let key = call.idempotency_key()?.to_owned();
    let desk = desk(&api)?;
    let visitor = match call.door {
        Door::Public => None,
        Door::Portal | Door::Staff | Door::CardTest => Some(call.visitor()?),
    };
    let known = visitor.as_ref().and_then(|visitor| colleague(&api, &visitor.hsa_id));
    let mut report = call.read::<SubmitTicket>()?.read(&desk, known)?;
    report.reporter.person = visitor.as_ref().map(|visitor| visitor.hsa_id.clone());
    let from = visitor.as_ref().map_or(ReporterFrom::Anyone(call.address), ReporterFrom::Staff);
    let request = ReportRequest { from, key: &key, body_digest: sha256(&[&call.body]), request: &call.request_id };
    let reported = api.gateway.report(&request, &report).await.map_err(|refusal| told(&api, refusal))?;
    let place = match call.door {
        Door::Public => format!("/v1/tickets/{}", reported.token),
        Door::Portal | Door::Staff | Door::CardTest => format!("/v1/tickets/{}", reported.ticket.id),
    };
    let answer =
        Answer::created(&TicketReceived::of(&reported, api.renderer.support_telephone().0)).header("location", place);
    let answer = answer.etag(reported.version);
    Ok(if reported.replayed { answer.header("idempotency-status", "replayed") } else { answer })
}

/// Whoever is told to wait is told whom to ring.
pub(super) fn told(api: &Api, refusal: Refusal) -> Problem {
    let limited =
        matches!(refusal, Refusal::Support(SupportRefusal::TooManyFromHere(_) | SupportRefusal::TooManyByReporter(_)));
    let problem = Problem::from(refusal);
    if limited { problem.with("telephone", api.renderer.support_telephone().0) } else { problem }
}

/// Who reports, as the directory knows them; none without a mail address.
fn colleague(api: &Api, person: &HsaId) -> Option<Reporter> {
    let catalog = api.gateway.catalog();
    let post = catalog.colleagues.get(person)?.first()?;
    Some(Reporter {
        name: Private::new(post.shown_name()),
        email: catalog.address_of(person)?,
        language: catalog.choice(person).language,
        telephone: None,
        unit: Some(post.unit.clone()),
        person: Some(person.clone()),
        reference: None,
    })
}

pub async fn read(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    if call.door == Door::Public {
        let view = api.gateway.open_ticket(call.parameter("id")?, &call.request_id).await?;
        return Ok(Answer::ok(&WireTicket::for_reporter(&view)).etag(view.version));
    }
    let visitor = call.visitor()?;
    let view = api.gateway.read_ticket(&visitor, call.id()?).await?;
    let wire = match api.gateway.catalog().is_support(&visitor.hsa_id) {
        true if shielded(&api, &visitor.hsa_id, view.case.errand.reporter.person.as_ref()).await? => {
            WireTicket::of(&view).shielded()
        }
        true => WireTicket::of(&view),
        false => WireTicket::for_reporter(&view),
    };
    Ok(Answer::ok(&wire).etag(view.version))
}

/// Whether the support sees of a colleague only that there is one.
async fn shielded(api: &Api, reader: &HsaId, reporter: Option<&HsaId>) -> Result<bool, Problem> {
    match reporter.filter(|reporter| *reporter != reader) {
        Some(reporter) => Ok(api.gateway.is_shielded(reporter).await?),
        None => Ok(false),
    }
}

pub async fn list(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let list = match call.query.get("list").map(String::as_str) {
        None | Some("undistributed") => TicketList::Inbox(InboxList::Undistributed),
        Some("mine") => TicketList::Inbox(InboxList::Mine),
        Some("overdue") => TicketList::Inbox(InboxList::Overdue),
        Some("awaiting-reporter") => TicketList::Inbox(InboxList::AwaitingCitizen),
        Some("all") => TicketList::All,
        Some("reported") => TicketList::Reported,
        Some(_) => {
            return Err(Problem::new("malformed-value").detail(
                "list är undistributed, mine, overdue, awaiting-reporter, all eller reported.",
                "list is undistributed, mine, overdue, awaiting-reporter, all or reported.",
            ));
        }
    };
    let (limit, cursor) = call.paging()?;
    let page = api.gateway.list_tickets(&call.visitor()?, list, limit, cursor).await?;
    Ok(Answer::ok(&TicketPage::of(&page)))
}

pub async fn message(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let text = call.read::<WriteText>()?.read()?;
    let visitor;
    let from = match call.door {
        Door::Public => WriterFrom::Link { token: call.parameter("id")?, address: call.address },
        Door::Portal | Door::Staff | Door::CardTest => {
            visitor = call.visitor()?;
            WriterFrom::Staff { visitor: &visitor, ticket: call.id()? }
        }
    };
    let (version, ticket) = api.gateway.write_to_ticket(&from, &text, &call.request_id).await?;
    let mut changed = TicketChanged::of(version, &ticket);
    changed.handler = None;
    Ok(Answer::created(&changed).etag(version))
}

pub async fn distribute(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let to = call.read::<DistributeCase>()?.handler;
    act(&api, &call, TicketAct::Distribute { to }).await
}

pub async fn give_back(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    act(&api, &call, TicketAct::Return).await
}

pub async fn interim_answer(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let text = call.read::<WriteText>()?.read()?;
    act(&api, &call, TicketAct::InterimAnswer { text }).await
}

pub async fn question(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let text = call.read::<WriteText>()?.read()?;
    act(&api, &call, TicketAct::Question { text }).await
}

pub async fn answer(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let text = call.read::<WriteText>()?.read()?;
    act(&api, &call, TicketAct::Answer { text }).await
}

pub async fn close(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let reason = call.read::<CloseCase>()?.read()?;
    act(&api, &call, TicketAct::Close { reason }).await
}

async fn act(api: &Api, call: &Call, act: TicketAct) -> Result<Answer, Problem> {
    let (id, seen) = (call.id()?, call.if_match()?);
    let (version, ticket) = api.gateway.act_on_ticket(&call.visitor()?, id, seen, act).await?;
    Ok(Answer::ok(&TicketChanged::of(version, &ticket)).etag(version))
}

pub async fn tie(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let (id, seen) = (call.id()?, call.if_match()?);
    let incident = call.read::<TieTicket>()?.incident;
    let author = Author::Support(call.visitor()?);
    let (version, ticket) = api.gateway.tie_ticket(&author, id, Some(seen), incident).await?;
    Ok(Answer::ok(&TicketChanged::of(version, &ticket)).etag(version))
}

pub async fn tied(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let incident = call.id()?;
    if !api.gateway.board().incidents.iter().any(|one| one.id == incident) {
        return Err(Refusal::NotFound.into());
    }
    Ok(Answer::ok(&TiedTickets { tickets: api.gateway.tickets_tied(incident).await? }))
}
