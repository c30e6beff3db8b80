//! Questions asked often: read at both doors, written by the support.

use std::sync::Arc;

use super::super::Api;
use super::super::problem::Problem;
use super::super::request::{Call, Door};
use super::super::response::Answer;
use super::super::wire::faq::{FaqList, PutFaq, WireFaq};
use crate::domain::faq::FaqEntry;
use crate::domain::status::Audience;
use crate::usecase::Refusal;
use crate::usecase::region::Author;

pub async fn list(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let catalog = api.gateway.catalog();
    let mut entries: Vec<&FaqEntry> =
        catalog.faq.values().map(|at| &at.record).filter(|e| may_see(&api, &call, e)).collect();
    entries.sort_by_key(|entry| entry.position);
    let items = entries.into_iter().map(WireFaq::of).collect();
    std::future::ready(Ok(Answer::ok(&FaqList { items }))).await
}

pub async fn read(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let catalog = api.gateway.catalog();
    let at = catalog.faq.get(call.parameter("slug")?).filter(|at| may_see(&api, &call, &at.record));
    let at = at.ok_or(Refusal::NotFound)?;
    std::future::ready(Ok(Answer::ok(&WireFaq::of(&at.record)).etag(at.version))).await
}

/// What is hidden is seen by who writes it. The public door shows the staff's too, as its pages do: a card may be what
/// does not work.
fn may_see(api: &Api, call: &Call, entry: &FaqEntry) -> bool {
    let writes = || {
        let who = call.known().map(|caller| caller.hsa_id.clone());
        call.door == Door::Staff && who.is_ok_and(|who| api.gateway.catalog().is_support(&who))
    };
    (entry.shown && Audience::Staff.sees(entry.audience)) || writes()
}

pub async fn put(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let seen = call.expected_version()?;
    let entry = call.read::<PutFaq>()?.read(call.parameter("slug")?.to_owned());
    let author = Author::Support(call.visitor()?);
    let version = api.gateway.put_faq(&author, entry, Some(seen)).await?;
    Ok(Answer::no_content().etag(version))
}

pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let seen = call.if_match()?;
    let author = Author::Support(call.visitor()?);
    api.gateway.delete_faq(&author, call.parameter("slug")?, seen).await?;
    Ok(Answer::no_content())
}
