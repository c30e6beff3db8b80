//! The support itself, the services that it answers for, the questions that people ask often: put by operators, the
//! questions also by the support at the staff door.

use super::SupportRefusal;
use crate::domain::calendar::local_date;
use crate::domain::clinic::is_case_type_id;
use crate::domain::faq::{ENTRIES_MAX, FaqEntry};
use crate::domain::support::{SupportDesk, SupportService};
use crate::store::{Change, key};
use crate::usecase::region::Author;
use crate::usecase::{Gateway, Refusal};

impl Gateway {
    pub async fn put_support_desk(&self, author: &Author, desk: &SupportDesk) -> Result<u64, Refusal> {
        let seen = self.catalog().support.as_ref().map(|at| at.version);
        self.put_one(author, "support-put", Some(&desk.unit), key::support_desk(), seen, desk).await
    }

    pub async fn put_support_service(&self, author: &Author, service: &SupportService) -> Result<u64, Refusal> {
        if !is_case_type_id(&service.slug) {
            return Err(SupportRefusal::Slug.into());
        }
        let seen = self.catalog().services.get(&service.slug).map(|at| at.version);
        self.put_one(author, "service-put", None, key::support_service(&service.slug), seen, service).await
    }

    /// Adds or replaces a question. `seen` is what the author saw of it; an operator may leave it out. The day on which
    /// it was updated is today when what people read changes, and stays when not.
    pub async fn put_faq(
        &self,
        author: &Author,
        mut entry: FaqEntry,
        seen: Option<Option<u64>>,
    ) -> Result<u64, Refusal> {
        self.permit_support(author)?;
        let catalog = self.catalog();
        let current = catalog.faq.get(&entry.slug);
        let version = current.map(|at| at.version);
        if seen.is_some_and(|seen| seen != version) {
            return Err(Refusal::Stale { current: version });
        }
        entry.check().map_err(SupportRefusal::Faq)?;
        if version.is_none() && catalog.faq.len() >= ENTRIES_MAX {
            return Err(SupportRefusal::TooManyQuestions.into());
        }
        if let Author::Support(_) = author {
            let kept = current.filter(|at| at.record.reads_as(&entry)).map(|at| at.record.updated);
            entry.updated = kept.unwrap_or_else(|| local_date(self.now()));
        }
        self.put_one(author, "faq-put", None, key::faq(&entry.slug), version, &entry).await
    }

    pub async fn delete_faq(&self, author: &Author, slug: &str, seen: u64) -> Result<(), Refusal> {
        self.permit_support(author)?;
        let catalog = self.catalog();
        let current = catalog.faq.get(slug).ok_or(Refusal::NotFound)?;
        if current.version != seen {
            return Err(Refusal::Stale { current: Some(current.version) });
        }
        let mut change = Change::new();
        change.remove(key::faq(slug), seen);
        self.commit_region(change, author.line("faq-delete")).await
    }

    pub(super) fn permit_support(&self, author: &Author) -> Result<(), Refusal> {
        match author {
            Author::Operator(_) | Author::System => Ok(()),
            Author::Support(visitor) if self.catalog().is_support(&visitor.hsa_id) => Ok(()),
            Author::Support(_) | Author::Administrator(_) => Err(Refusal::NotPermitted),
        }
    }
}
