//! Subscribing by form: every GET shows a page and changes nothing, since mail scanners follow every link; a button's
//! POST does what it says.

use std::sync::Arc;

use uuid::Uuid;

use super::super::Api;
use super::super::problem::Problem;
use super::super::request::Call;
use super::super::response::Answer;
use super::super::wire::subscribe::problem;
use super::super::wire::subscribe_form::{FieldFault, Filled, SUBJECT, domain_fault, field_fault, in_words, title_of};
use crate::domain::mail_address::MailAddress;
use crate::domain::status::edition::Edition;
use crate::domain::status::subscriber::{Confirmed, Subscriber};
use crate::render::page::{ConfirmFacts, ConfirmedFacts, LeaveFacts, LeftFacts, ManageFacts, Page, SubscribeFacts};
use crate::usecase::subscribers::SubscribeError;
use crate::usecase::subscribers::manage::Left;
use crate::usecase::subscribers::sign_up::SignUp;

pub async fn sign_up_form(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let subject = call.query.get(SUBJECT).and_then(|text| Uuid::parse_str(text).ok());
    let filled = Filled::blank(call.language, subject);
    show_sign_up(&api, call.edition(), filled, &[])
}

pub async fn sign_up(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let filled = Filled::sent(&call);
    let board = api.gateway.board();
    let (address, choices) = match (filled.address(), filled.choices(&board, call.language)) {
        (Ok(address), Ok(choices)) => (address, choices),
        (address, choices) => {
            let faults: Vec<_> = address.err().into_iter().chain(choices.err().unwrap_or_default()).collect();
            return show_sign_up(&api, call.edition(), filled, &faults);
        }
    };
    let sign_up = SignUp { address, audience: call.audience, choices, source: "form" };
    match api.gateway.sign_up(call.address, &sign_up).await {
        Ok(()) => show(&api, call.edition(), 202, &Page::SubscribeAsked),
        Err(SubscribeError::DomainNotAllowed) => show_sign_up(&api, call.edition(), filled, &[domain_fault()]),
        Err(SubscribeError::Unfit(faults)) => {
            let faults: Vec<_> = faults.into_iter().map(field_fault).collect();
            show_sign_up(&api, call.edition(), filled, &faults)
        }
        Err(error) => Err(problem(error, "")),
    }
}

fn show_sign_up(api: &Api, edition: Edition, mut filled: Filled, faults: &[FieldFault]) -> Result<Answer, Problem> {
    let board = api.gateway.board().for_audience(edition.audience);
    // What is over can't be followed any more: the form then asks as it otherwise does.
    let subject = filled.subject.and_then(|id| title_of(&board, id));
    filled.subject = filled.subject.filter(|_| subject.is_some());
    let facts = SubscribeFacts { form: filled.sign_up_form(&board, edition, faults), subject };
    show(api, edition, if faults.is_empty() { 200 } else { 422 }, &Page::Subscribe(facts))
}

pub async fn confirm_page(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let token = call.parameter("token")?;
    let asked = match api.gateway.asked_by_link(token).await {
        Ok((Confirmed::Already, subscriber)) => return show_confirmed(&api, &call, &subscriber, true),
        Ok((Confirmed::New | Confirmed::Added, subscriber)) => subscriber,
        Err(error) => return unless_unknown(&api, call.edition(), error),
    };
    let choices = asked.asked.as_ref().map(|asked| &asked.choices);
    let lines = choices.map(|choices| in_words(choices, &api.gateway.board(), call.language)).unwrap_or_default();
    let path = call.edition().path(&format!("/status/bekrafta/{token}"));
    show(&api, call.edition(), 200, &Page::ConfirmAsk(ConfirmFacts { path, choices: lines }))
}

pub async fn confirm(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    match api.gateway.confirm(call.parameter("token")?).await {
        Ok((confirmed, subscriber)) => show_confirmed(&api, &call, &subscriber, confirmed == Confirmed::Already),
        Err(error) => unless_unknown(&api, call.edition(), error),
    }
}

fn show_confirmed(api: &Api, call: &Call, subscriber: &Subscriber, already: bool) -> Result<Answer, Problem> {
    let manage_path = manage_path(api, call.edition(), subscriber);
    show(api, call.edition(), 200, &Page::Confirmed(ConfirmedFacts { manage_path, already }))
}

pub async fn manage_page(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let subscriber = match api.gateway.subscriber_by_link(call.parameter("token")?).await {
        Ok(at) => at.record,
        Err(error) => return unless_unknown(&api, call.edition(), error),
    };
    let filled = Filled::chosen(&subscriber.choices(), &api.gateway.board());
    show_manage(&api, call.edition(), &subscriber, &filled, Some(&[])).await
}

pub async fn manage(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let token = call.parameter("token")?;
    let subscriber = match api.gateway.subscriber_by_link(token).await {
        Ok(at) => at.record,
        Err(error) => return unless_unknown(&api, call.edition(), error),
    };
    let filled = Filled::sent(&call);
    let faults = match filled.choices(&api.gateway.board(), subscriber.language) {
        Err(faults) => faults,
        Ok(choices) => match api.gateway.choose(token, &choices).await {
            Ok(chosen) => return show_manage(&api, call.edition(), &chosen, &filled, None).await,
            Err(SubscribeError::Unfit(faults)) => faults.into_iter().map(field_fault).collect(),
            Err(error) => return unless_unknown(&api, call.edition(), error),
        },
    };
    show_manage(&api, call.edition(), &subscriber, &filled, Some(&faults)).await
}

/// `faults` is none when what was sent has been kept.
async fn show_manage(
    api: &Api,
    edition: Edition,
    subscriber: &Subscriber,
    filled: &Filled,
    faults: Option<&[FieldFault]>,
) -> Result<Answer, Problem> {
    let board = api.gateway.board().for_audience(subscriber.audience);
    let path = manage_path(api, edition, subscriber);
    let facts = ManageFacts {
        address: masked(&subscriber.address),
        managed_by: managed_by(api, subscriber).await?,
        saved: faults.is_none(),
        form: filled.manage_form(&board, edition, path.clone(), faults.unwrap_or_default()),
        leave_path: format!("/u/{}", api.gateway.leave_token(subscriber.id)),
        path,
    };
    let status = if faults.is_some_and(|faults| !faults.is_empty()) { 422 } else { 200 };
    show(api, edition, status, &Page::Manage(facts))
}

pub async fn leave_page(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let token = call.parameter("token")?;
    let leaver = api.gateway.leaver(token).await?;
    let managed_by = match &leaver {
        Some(subscriber) => managed_by(&api, subscriber).await?,
        None => None,
    };
    // Whoever is not known is asked the same.
    let facts = LeaveFacts { path: format!("/u/{token}"), managed_by };
    show(&api, readers(&call, leaver.as_ref()), 200, &Page::LeaveAsk(facts))
}

/// RFC 8058: whoever has the token may POST, with nothing else to show, and is answered at once.
pub async fn leave(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let token = call.parameter("token")?;
    let is_browser = call.header("accept").is_some_and(|accept| accept.contains("text/html"));
    let how = if is_browser { "page" } else { "one-click" };
    let left = api.gateway.leave_by_token(token, how).await.map_err(|error| problem(error, ""))?;
    // In the leaver's language where that can be found out; the answer does not wait for it.
    let leaver = api.gateway.leaver(token).await.ok().flatten();
    let (status, managed_by) = match left {
        Left::Gone => (200, None),
        Left::Waiting => (202, None),
        Left::OnLists(titles) => (200, Some(titles.join(", "))),
    };
    show(&api, readers(&call, leaver.as_ref()), status, &Page::Left(LeftFacts { managed_by }))
}

/// The address of `/u/` has no edition: its subscriber has.
fn readers(call: &Call, subscriber: Option<&Subscriber>) -> Edition {
    subscriber.map_or(call.edition(), |s| Edition { language: s.language, audience: s.audience })
}

fn manage_path(api: &Api, edition: Edition, subscriber: &Subscriber) -> String {
    edition.path(&format!("/status/prenumeration/{}", api.gateway.manage_token(subscriber.id)))
}

async fn managed_by(api: &Api, subscriber: &Subscriber) -> Result<Option<String>, Problem> {
    let titles = api.gateway.titles_of_lists(subscriber).await?;
    Ok((!titles.is_empty()).then(|| titles.join(", ")))
}

/// Enough for its owner to know it.
fn masked(address: &MailAddress) -> String {
    let first: String = address.expose().chars().take(1).collect();
    format!("{first}…@{}", address.domain())
}

fn unless_unknown(api: &Api, edition: Edition, error: SubscribeError) -> Result<Answer, Problem> {
    match error {
        SubscribeError::LinkUnknown => show(api, edition, 404, &Page::LinkUnknown),
        SubscribeError::HasLeft => show(api, edition, 410, &Page::Left(LeftFacts { managed_by: None })),
        error => Err(problem(error, "")),
    }
}

fn show(api: &Api, edition: Edition, status: u16, page: &Page) -> Result<Answer, Problem> {
    match api.renderer.page(page, edition.language, edition.audience) {
        Ok(html) => Ok(Answer::html(status, html).header("content-language", edition.language.tag())),
        Err(error) => {
            tracing::error!(event = "http.page", %error, "a page that was fit at the start is not now");
            Err(Problem::new("internal"))
        }
    }
}
