//! The stream of what happens, for those who watch a page.

use std::sync::Arc;

use super::super::Api;
use super::super::problem::Problem;
use super::super::request::Call;
use super::super::response::Answer;

/// From after the event that the reader saw last: the header is the browser's when it comes back, the parameter the
/// page's own when it first asks.
pub async fn stream(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let seen = call.header("last-event-id").or_else(|| call.query.get("efter").map(String::as_str));
    let seen = seen.and_then(|text| text.parse().ok());
    let body = api.live.stream(&api.gateway, call.audience, seen, call.address).await?;
    let answer = Answer { status: 200, headers: Vec::new(), content_type: Some("text/event-stream"), body };
    // Said to proxies, which would otherwise keep events until there are enough of them.
    Ok(answer.header("x-accel-buffering", "no"))
}
