//! What became of notices.

use std::sync::Arc;

use super::super::Api;
use super::super::problem::Problem;
use super::super::request::Call;
use super::super::response::Answer;
use super::super::wire::notice::{NoticeList, WireNotice};

/// Notices of one answer.
const PAGE: usize = 20;

pub async fn list(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let after = match call.query.get("after") {
        None => 0,
        Some(text) => text.parse().map_err(|_| Problem::new("cursor-malformed"))?,
    };
    let reports = api.gateway.delivery_reports(after, PAGE).await?;
    let next = reports.last().filter(|_| reports.len() == PAGE).map(|last| last.seq);
    Ok(Answer::ok(&NoticeList { items: reports.iter().map(WireNotice::of).collect(), next }))
}

pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let seq = call.parameter("seq")?.parse().map_err(|_| Problem::new("not-found"))?;
    Ok(Answer::ok(&WireNotice::of(&api.gateway.delivery_report(seq).await?)))
}
