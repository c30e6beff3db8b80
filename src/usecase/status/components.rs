//! Components and groups: what can be down. Known by their slugs; archived, not removed, so that history has names.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::author::Author;
use super::board::get;
use crate::domain::clinic::{Texts, is_case_type_id};
use crate::domain::status::Audience;
use crate::domain::status::component::{Component, Group};
use crate::domain::status::fault::Rule;
use crate::domain::status::words::Check;
use crate::store::record::{Record, encode};
use crate::store::{Change, Key, key};
use crate::usecase::catalog::At;
use crate::usecase::{Gateway, Refusal};

/// Components of a region, archived ones counted; as many groups.
const COMPONENTS_MAX: usize = 500;

/// A component as an author gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComponentDraft {
    pub slug: String,
    pub name: Texts,
    #[serde(default)]
    pub description: Texts,
    /// The group's slug.
    #[serde(default)]
    pub group: Option<String>,
    #[serde(default)]
    pub position: u32,
    pub audience: Audience,
    #[serde(default)]
    pub external: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupDraft {
    pub slug: String,
    pub name: Texts,
    #[serde(default)]
    pub position: u32,
}

impl Gateway {
    /// Adds a component or changes the one with its slug. `seen` is the version that the author saw of it (none: that
    /// there was none); an operator may leave it out. Answers its version. An archived one comes back.
    pub async fn put_component(
        &self,
        author: &Author,
        draft: ComponentDraft,
        seen: Option<Option<u64>>,
    ) -> Result<u64, Refusal> {
        self.permit_telling(author)?;
        let _one = self.desk.writing.lock().await;
        let board = self.board();
        let group = draft.group.as_deref().map(|slug| board.group_by_slug(slug).map(|group| group.id));
        let mut check = named(&draft.slug, &draft.name);
        check.optional_body("/description", &draft.description);
        check.that(group != Some(None), "/group", Rule::UnknownGroup);
        check.finish()?;
        let known = board.component_by_slug(&draft.slug).map(|component| component.id);
        if known.is_none() && board.components.len() + board.archived.len() >= COMPONENTS_MAX {
            return Err(Refusal::TooMany);
        }
        let id = known.map_or_else(|| self.new_id(self.now()), Ok)?;
        let component = Component {
            id,
            slug: draft.slug,
            name: draft.name,
            description: draft.description,
            group: group.flatten(),
            position: draft.position,
            audience: draft.audience,
            external: draft.external,
            archived: false,
        };
        let act = format!("component-put {}", component.slug);
        self.put_at(author, &act, key::component(id), seen, &component).await
    }

    /// Offers a component no longer, or offers it again.
    pub async fn archive_component(
        &self,
        author: &Author,
        slug: &str,
        archived: bool,
        seen: Option<u64>,
    ) -> Result<u64, Refusal> {
        self.permit_telling(author)?;
        let _one = self.desk.writing.lock().await;
        let component = self.board().component_by_slug(slug).cloned().ok_or(Refusal::NotFound)?;
        let act = format!("component-{} {slug}", if archived { "archive" } else { "restore" });
        let at = key::component(component.id);
        self.put_at(author, &act, at, seen.map(Some), &Component { archived, ..component }).await
    }

    pub async fn put_group(
        &self,
        author: &Author,
        draft: GroupDraft,
        seen: Option<Option<u64>>,
    ) -> Result<u64, Refusal> {
        self.permit_telling(author)?;
        let _one = self.desk.writing.lock().await;
        named(&draft.slug, &draft.name).finish()?;
        let board = self.board();
        let known = board.group_by_slug(&draft.slug).map(|group| group.id);
        if known.is_none() && board.groups.len() >= COMPONENTS_MAX {
            return Err(Refusal::TooMany);
        }
        let id = known.map_or_else(|| self.new_id(self.now()), Ok)?;
        let group = Group { id, slug: draft.slug, name: draft.name, position: draft.position };
        self.put_at(author, &format!("group-put {}", group.slug), key::group(id), seen, &group).await
    }

    /// Removes a group that nothing is in.
    pub async fn remove_group(&self, author: &Author, slug: &str, seen: Option<u64>) -> Result<(), Refusal> {
        self.permit_telling(author)?;
        let _one = self.desk.writing.lock().await;
        let board = self.board();
        let id = board.group_by_slug(slug).ok_or(Refusal::NotFound)?.id;
        let mut check = Check::default();
        let in_use = board.components.iter().any(|component| component.group == Some(id));
        check.that(!in_use, "/group", Rule::GroupInUse);
        check.finish()?;
        let at = get::<Group>(&self.common, key::group(id)).await?.ok_or(Refusal::NotFound)?;
        if seen.is_some_and(|seen| seen != at.version) {
            return Err(Refusal::Stale { current: Some(at.version) });
        }
        let mut change = Change::new();
        change.remove(key::group(id), at.version);
        self.log_in(&mut change, &author.line(&format!("group-remove {slug}")), self.now())?;
        self.common.commit(change).await?;
        Ok(self.take_up_components().await?)
    }

    /// A component with its version.
    pub async fn find_component(&self, slug: &str) -> Result<At<Component>, Refusal> {
        let id = self.board().component_by_slug(slug).map(|component| component.id).ok_or(Refusal::NotFound)?;
        get(&self.common, key::component(id)).await?.ok_or(Refusal::NotFound)
    }

    /// A group with its version.
    pub async fn find_group(&self, slug: &str) -> Result<At<Group>, Refusal> {
        let id: Uuid = self.board().group_by_slug(slug).map(|group| group.id).ok_or(Refusal::NotFound)?;
        get(&self.common, key::group(id)).await?.ok_or(Refusal::NotFound)
    }

    /// The caller holds the desk.
    async fn put_at<R: Record>(
        &self,
        author: &Author,
        act: &str,
        at: Key,
        seen: Option<Option<u64>>,
        record: &R,
    ) -> Result<u64, Refusal> {
        let current = get::<R>(&self.common, at.clone()).await?.map(|at| at.version);
        if seen.is_some_and(|seen| seen != current) {
            return Err(Refusal::Stale { current });
        }
        let mut change = Change::new();
        match current {
            Some(version) => change.replace(at, version, encode(record)),
            None => change.create(at, encode(record)),
        }
        self.log_in(&mut change, &author.line(act), self.now())?;
        self.common.commit(change).await?;
        self.take_up_components().await?;
        Ok(current.unwrap_or(0) + 1)
    }
}

fn named(slug: &str, name: &Texts) -> Check {
    let mut check = Check::default();
    check.that(is_case_type_id(slug), "/slug", Rule::Slug);
    check.title("/name", name);
    check
}
