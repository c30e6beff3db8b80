//! Roles at a clinic, and which letters a member of the staff wants.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::Api;
use super::super::problem::Problem;
use super::super::request::Call;
use super::super::response::Answer;
use super::super::wire::region::{PutRoles, RoleList, WireNotifications, WireRoles};
use crate::usecase::Refusal;
use crate::usecase::region::Author;

pub async fn list_roles(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let grants = api.gateway.roles_of_clinic(&call.visitor()?, &call.hsa_id("hsaId")?)?;
    let items = grants.iter().map(|at| WireRoles::of(&at.record, at.version)).collect();
    Ok(Answer::ok(&RoleList { items }))
}

pub async fn read_roles(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let person = call.hsa_id("person")?;
    let grants = api.gateway.roles_of_clinic(&call.visitor()?, &call.hsa_id("hsaId")?)?;
    let at = grants.iter().find(|at| at.record.person == person).ok_or(Refusal::NotFound)?;
    Ok(Answer::ok(&WireRoles::of(&at.record, at.version)).etag(at.version))
}

pub async fn put_roles(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let seen = call.expected_version()?;
    let roles = call.read::<PutRoles>()?.roles;
    if roles.is_empty() {
        return Err(Problem::new("malformed-value").at(
            "/roles",
            "Minst en roll. Ta bort alla med DELETE.",
            "At least one role. Remove all with DELETE.",
        ));
    }
    let version = set_roles(&api, &call, roles, seen).await?;
    Ok(Answer::no_content().etag(version))
}

pub async fn delete_roles(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let seen = call.if_match()?;
    set_roles(&api, &call, BTreeSet::new(), Some(seen)).await?;
    Ok(Answer::no_content())
}

async fn set_roles(
    api: &Api,
    call: &Call,
    roles: BTreeSet<crate::domain::clinic::Role>,
    seen: Option<u64>,
) -> Result<u64, Problem> {
    let (clinic, person) = (call.hsa_id("hsaId")?, call.hsa_id("person")?);
    let author = Author::Administrator(call.visitor()?);
    Ok(api.gateway.put_roles(&author, &clinic, &person, roles, Some(seen)).await?)
}

pub async fn read_notifications(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let at = api.gateway.notification_choice(&call.visitor()?);
    Ok(Answer::ok(&WireNotifications::of(&at.record)).etag(at.version))
}

pub async fn put_notifications(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let seen = call.if_match()?;
    let choice = call.read::<WireNotifications>()?.read();
    let version = api.gateway.choose_notifications(&call.visitor()?, &choice, seen).await?;
    Ok(Answer::no_content().etag(version))
}
