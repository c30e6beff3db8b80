//! The region as it stands: clinics, case types with their forms, portals, roles and choices of letters. A snapshot,
//! taken anew after each change, so that submitting a case reads nothing of it from disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::directory::DirectoryRecord;
use crate::domain::calendar::local_date;
use crate::domain::clinic::{CaseType, Clinic, NotificationChoice, Portal, Role, RoleGrant};
use crate::domain::faq::FaqEntry;
use crate::domain::form::Questionnaire;
use crate::domain::id::HsaId;
use crate::domain::mail_address::MailAddress;
use crate::domain::staff::Post;
use crate::domain::status::Audience;
use crate::domain::support::{SupportDesk, SupportService};
use crate::store::record::{Record, decode};
use crate::store::{Key, Range, ReadError, Store, key};

/// Records read at a time.
const PAGE: usize = 1_000;

/// A form as the region has it.
pub struct Form {
    /// The questionnaire as it was given.
    pub source: serde_json::Value,
    pub questionnaire: Questionnaire,
}

/// A record and the version that a change of it must name.
#[derive(Debug, Clone)]
pub struct At<T> {
    pub version: u64,
    pub record: T,
}

#[derive(Default)]
pub struct Catalog {
    pub clinics: BTreeMap<HsaId, At<Clinic>>,
    pub case_types: BTreeMap<(HsaId, String), At<CaseType>>,
    /// By digest in hexadecimal.
    pub forms: HashMap<String, Arc<Form>>,
    pub portals: BTreeMap<HsaId, At<Portal>>,
    /// By clinic and person.
    pub roles: BTreeMap<(HsaId, HsaId), At<RoleGrant>>,
    pub choices: HashMap<HsaId, At<NotificationChoice>>,
    /// Current posts of everybody who has a role.
    pub colleagues: HashMap<HsaId, Vec<Post>>,
    /// How the directory came in last; none before it ever did.
    pub directory: Option<At<DirectoryRecord>>,
    /// The region's support; none until an operator has put it.
    pub support: Option<At<SupportDesk>>,
    /// What the support answers for, by slug.
    pub services: BTreeMap<String, At<SupportService>>,
    /// Questions asked often, by slug.
    pub faq: BTreeMap<String, At<FaqEntry>>,
}

impl Catalog {
    pub async fn load(common: &Store, now: Timestamp) -> Result<Catalog, ReadError> {
        let mut catalog = Catalog::default();
        for (_, at) in read_all::<Clinic>(common, &key::clinics()).await? {
            catalog.clinics.insert(at.record.hsa_id.clone(), at);
        }
        for (_, at) in read_all::<CaseType>(common, &key::case_types()).await? {
            catalog.case_types.insert((at.record.clinic.clone(), at.record.id.clone()), at);
        }
        for (_, at) in read_all::<FormRecord>(common, &key::forms()).await? {
            let FormRecord { digest, source } = at.record;
            // Checked when it came in; a form that a later program finds fault with is not offered any more.
            match Questionnaire::parse(&source) {
                Ok(questionnaire) => {
                    catalog.forms.insert(digest, Arc::new(Form { source, questionnaire }));
                }
                Err(issues) => {
                    let faults = issues.len();
                    tracing::error!(event = "catalog.form.unfit", digest, faults, "a stored form is no longer fit");
                }
            }
        }
        for (_, at) in read_all::<Portal>(common, &key::portals()).await? {
            catalog.portals.insert(at.record.hsa_id.clone(), at);
        }
        for (_, at) in read_all::<RoleGrant>(common, &key::roles()).await? {
            let person = at.record.person.clone();
            if !catalog.colleagues.contains_key(&person) {
                let posts = posts_of(common, &person).await?;
                catalog.colleagues.insert(person.clone(), current(posts, now));
            }
            catalog.roles.insert((at.record.clinic.clone(), person), at);
        }
        for (key, at) in read_all::<NotificationChoice>(common, &key::notifications()).await? {
            if let Some(person) = key::last_part(&key).and_then(|p| HsaId::parse(p).ok()) {
                catalog.choices.insert(person, at);
            }
        }
        if let Some(found) = common.get(&key::directory()).await? {
            catalog.directory = Some(At { version: found.version, record: decode(&found.value)? });
        }
        if let Some(found) = common.get(&key::support_desk()).await? {
            catalog.support = Some(At { version: found.version, record: decode(&found.value)? });
        }
        for (_, at) in read_all::<SupportService>(common, &key::support_services()).await? {
            catalog.services.insert(at.record.slug.clone(), at);
        }
        for (_, at) in read_all::<FaqEntry>(common, &key::faqs()).await? {
            catalog.faq.insert(at.record.slug.clone(), at);
        }
        Ok(catalog)
    }

    /// Services that may be named in a new ticket, in the order of the page.
    pub fn offered_services(&self) -> Vec<&SupportService> {
        let mut services: Vec<_> = self.services.values().map(|at| &at.record).filter(|s| !s.archived).collect();
        services.sort_by_key(|service| service.position);
        services
    }

    /// Questions that readers of a page are shown, in its order.
    pub fn shown_faq(&self, audience: Audience) -> Vec<&FaqEntry> {
        let shown = |entry: &&FaqEntry| entry.shown && audience.sees(entry.audience);
        let mut entries: Vec<_> = self.faq.values().map(|at| &at.record).filter(shown).collect();
        entries.sort_by_key(|entry| entry.position);
        entries
    }

    pub fn clinic(&self, id: &HsaId) -> Option<&Clinic> {
        self.clinics.get(id).map(|at| &at.record)
    }

    pub fn case_type(&self, clinic: &HsaId, id: &str) -> Option<&CaseType> {
        self.case_types.get(&(clinic.clone(), id.to_owned())).map(|at| &at.record)
    }

    pub fn roles_at(&self, clinic: &HsaId, person: &HsaId) -> std::collections::BTreeSet<Role> {
        let grant = self.roles.get(&(clinic.clone(), person.clone()));
        grant.map(|at| at.record.roles.clone()).unwrap_or_default()
    }

    /// Clinics at which a person has a role, with the roles.
    pub fn clinics_of<'a>(&'a self, person: &'a HsaId) -> impl Iterator<Item = &'a RoleGrant> + 'a {
        self.roles.values().map(|at| &at.record).filter(move |grant| grant.person == *person)
    }

    /// Who has a role at a clinic.
    pub fn people_at<'a>(&'a self, clinic: &'a HsaId) -> impl Iterator<Item = &'a At<RoleGrant>> + 'a {
        self.roles.values().filter(move |at| at.record.clinic == *clinic)
    }

    pub fn choice(&self, person: &HsaId) -> NotificationChoice {
        self.choices.get(person).map(|at| at.record.clone()).unwrap_or_default()
    }

    /// Where letters to a member of the staff go: the own choice, else the directory's address.
    pub fn address_of(&self, person: &HsaId) -> Option<MailAddress> {
        if let Some(own) = self.choice(person).email {
            return Some(own);
        }
        let posts = self.colleagues.get(person)?;
        posts.iter().find_map(|post| MailAddress::parse(post.mail.as_ref()?.expose()).ok())
    }

    /// A current post and the support role, at whichever unit.
    pub fn is_support(&self, person: &HsaId) -> bool {
        let works = self.colleagues.get(person).is_some_and(|posts| !posts.is_empty());
        works && self.clinics_of(person).any(|grant| grant.roles.contains(&Role::Support))
    }

    /// A current post and a role that lets a case be handled.
    pub fn may_handle(&self, clinic: &HsaId, person: &HsaId) -> bool {
        let roles = self.roles_at(clinic, person);
        let works = self.colleagues.get(person).is_some_and(|posts| !posts.is_empty());
        works && (roles.contains(&Role::Handler) || roles.contains(&Role::Receiver))
    }
}

/// A form in `common`, under its digest.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FormRecord {
    pub digest: String,
    pub source: serde_json::Value,
}

/// Every record under a prefix.
pub async fn read_all<R: Record>(store: &Store, prefix: &Key) -> Result<Vec<(Key, At<R>)>, ReadError> {
    let mut out = Vec::new();
    let mut range = Range::prefix(prefix);
    loop {
        let page = store.scan(range.clone(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(out) };
        range = range.after(last);
        for (key, versioned) in page {
            out.push((key, At { version: versioned.version, record: decode(&versioned.value)? }));
        }
    }
}

/// All posts of a person, current or not.
pub async fn posts_of(common: &Store, person: &HsaId) -> Result<Vec<Post>, ReadError> {
    Ok(read_all::<Post>(common, &key::posts_of(person)).await?.into_iter().map(|(_, at)| at.record).collect())
}

fn current(posts: Vec<Post>, now: Timestamp) -> Vec<Post> {
    let today = local_date(now);
    posts.into_iter().filter(|post| post.is_current(today)).collect()
}

impl Record for FormRecord {
    const VERSION: u8 = 1;
}
