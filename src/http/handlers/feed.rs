//! What portals follow: the event feed and a day's reconciliation.

use std::sync::Arc;
use std::time::Duration;

use super::super::Api;
use super::super::problem::Problem;
use super::super::request::Call;
use super::super::response::Answer;
use super::super::wire::portal::{EventPage, WireReconciliation};
use crate::usecase::feed::{FeedCursor, WAIT_SECONDS_MAX};

pub async fn events(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let after = match call.query.get("after") {
        Some(text) => Some(FeedCursor::parse(text).ok_or_else(|| Problem::new("cursor-malformed"))?),
        None => None,
    };
    let wait = match call.query.get("wait") {
        Some(text) => {
            text.parse().ok().filter(|s| *s <= WAIT_SECONDS_MAX).ok_or_else(|| Problem::new("wait-malformed"))?
        }
        None => 0,
    };
    let (limit, _) = call.paging()?;
    let page = api.gateway.read_events(&call.visitor()?, after, limit, Duration::from_secs(wait)).await?;
    Ok(Answer::ok(&EventPage::of(&page)))
}

pub async fn reconciliation(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let date = call.query.get("date").and_then(|text| text.parse().ok());
    let date = date.ok_or_else(|| Problem::new("date-malformed"))?;
    let day = api.gateway.reconcile(&call.visitor()?, date).await?;
    Ok(Answer::ok(&WireReconciliation::of(&day)))
}
