//! Subscriptions as JSON: sign up, confirm, read, choose anew, leave. The same answer for every address.

use std::sync::Arc;

use super::super::Api;
use super::super::problem::Problem;
use super::super::request::Call;
use super::super::response::Answer;
use super::super::wire::subscribe::{
    ConfirmRequest, ConfirmedSubscription, SignUpRequest, WireChoices, WireLeft, WireSubscription, problem,
};
use crate::domain::status::subscriber::Subscriber;
use crate::usecase::subscribers::sign_up::SignUp;

pub async fn sign_up(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let SignUpRequest { address, audience, choices } = call.read()?;
    let choices = choices.read(&api.gateway.board(), "/choices")?;
    let sign_up = SignUp { address, audience, choices, source: "api" };
    api.gateway.sign_up(call.address, &sign_up).await.map_err(|error| problem(error, "/choices"))?;
    Ok(Answer { status: 202, ..Answer::no_content() })
}

pub async fn confirm(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let ConfirmRequest { token } = call.read()?;
    let (_, subscriber) = api.gateway.confirm(&token).await.map_err(|error| problem(error, ""))?;
    let subscription = wire(&api, &subscriber).await?;
    Ok(Answer::ok(&ConfirmedSubscription { token: api.gateway.manage_token(subscriber.id), subscription }))
}

pub async fn read(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let link = call.parameter("token")?;
    let found = api.gateway.subscriber_by_link(link).await.map_err(|error| problem(error, ""))?;
    Ok(Answer::ok(&wire(&api, &found.record).await?))
}

pub async fn choose(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let choices = call.read::<WireChoices>()?.read(&api.gateway.board(), "")?;
    let chosen = api.gateway.choose(call.parameter("token")?, &choices).await.map_err(|error| problem(error, ""))?;
    Ok(Answer::ok(&wire(&api, &chosen).await?))
}

pub async fn end(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let left = api.gateway.leave_by_link(call.parameter("token")?).await.map_err(|error| problem(error, ""))?;
    Ok(Answer::ok(&WireLeft::of(left)))
}

async fn wire(api: &Api, subscriber: &Subscriber) -> Result<WireSubscription, Problem> {
    let lists = api.gateway.titles_of_lists(subscriber).await?;
    Ok(WireSubscription::of(subscriber, &api.gateway.board(), lists))
}
