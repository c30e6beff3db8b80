//! Components and groups: read by all staff, written by people with the support role.

use std::sync::Arc;

use super::super::Api;
use super::super::problem::Problem;
use super::super::request::Call;
use super::super::response::Answer;
use super::super::wire::status::{PutComponent, PutGroup};
use super::super::wire::status_view::{ComponentList, GroupList, WireComponent, WireGroup};
use super::status::author;

pub async fn list(api: Arc<Api>, _call: Call) -> Result<Answer, Problem> {
    let board = api.gateway.board();
    let all = board.components.iter().chain(&board.archived);
    Ok(Answer::ok(&ComponentList { items: all.map(|component| WireComponent::of(component, &board)).collect() }))
}

pub async fn read(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let at = api.gateway.find_component(call.parameter("slug")?).await?;
    Ok(Answer::ok(&WireComponent::of(&at.record, &api.gateway.board())).etag(at.version))
}

pub async fn put(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let seen = call.expected_version()?;
    let draft = call.read::<PutComponent>()?.draft(call.parameter("slug")?.to_owned());
    let version = api.gateway.put_component(&author(&call)?, draft, Some(seen)).await?;
    Ok(Answer::no_content().etag(version))
}

/// Archived: history keeps its name.
pub async fn archive(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let (slug, seen) = (call.parameter("slug")?, call.if_match()?);
    api.gateway.archive_component(&author(&call)?, slug, true, Some(seen)).await?;
    Ok(Answer::no_content())
}

pub async fn groups(api: Arc<Api>, _call: Call) -> Result<Answer, Problem> {
    Ok(Answer::ok(&GroupList { items: api.gateway.board().groups.iter().map(WireGroup::of).collect() }))
}

pub async fn group(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let at = api.gateway.find_group(call.parameter("slug")?).await?;
    Ok(Answer::ok(&WireGroup::of(&at.record)).etag(at.version))
}

pub async fn put_group(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let seen = call.expected_version()?;
    let draft = call.read::<PutGroup>()?.draft(call.parameter("slug")?.to_owned());
    let version = api.gateway.put_group(&author(&call)?, draft, Some(seen)).await?;
    Ok(Answer::no_content().etag(version))
}

pub async fn remove_group(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let (slug, seen) = (call.parameter("slug")?, call.if_match()?);
    api.gateway.remove_group(&author(&call)?, slug, Some(seen)).await?;
    Ok(Answer::no_content())
}
