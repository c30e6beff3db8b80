//! Heartbeats: somebody else's service says that it works.

use std::sync::Arc;

use super::super::Api;
use super::super::problem::Problem;
use super::super::request::Call;
use super::super::response::Answer;

/// The token is all that is known of the caller, so an unknown one is nothing that there is.
pub async fn heartbeat(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let known = call.parameters.get("token").is_some_and(|token| api.gateway.heartbeat(token));
    std::future::ready(if known { Ok(Answer::no_content()) } else { Err(Problem::new("not-found")) }).await
}
