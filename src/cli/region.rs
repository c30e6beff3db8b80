//! A region as files: clinics, case types with their forms, staff directory, roles, portals, support. Read whole and judged
//! before anything of it is put in.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::admin::CaseTypeFile;
use crate::daemon::SystemClock;
use crate::directory::{self, Attributes, FaultyRows, ldif};
use crate::domain::clinic::{Clinic, Portal, Promise, Role, Texts};
use crate::domain::faq::FaqEntry;
use crate::domain::id::HsaId;
use crate::domain::json;
use crate::domain::staff::Post;
use crate::domain::support::{SupportDesk, SupportService};
use crate::domain::time::Clock;
use crate::usecase::directory::{Intake, Source};
use crate::usecase::region::Author;
use crate::usecase::status::{self, ComponentDraft, GroupDraft};
use crate::usecase::{Gateway, Refusal};

/// Bytes of a file of staff by which its kind is known.
const HEAD_BYTES: u64 = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    #[error("{path}: {reason}", path = path.display())]
    File { path: PathBuf, reason: String },
    #[error("{what}: {refusal}")]
    Refused { what: String, refusal: Refusal },
}

/// A case type in a file: the forms are files too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CaseTypeEntry {
    id: String,
    clinics: Vec<HsaId>,
    title: Texts,
    #[serde(default)]
    description: Texts,
    #[serde(default)]
    terms: Texts,
    #[serde(default)]
    fees: Texts,
    promise: Promise,
    follow_up_days: u16,
    question_form: PathBuf,
    answer_form: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleEntry {
    clinic: HsaId,
    person: HsaId,
    role: Role,
}

/// Services, systems that they lean on, and their groups.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentsFile {
    #[serde(default)]
    pub groups: Vec<GroupDraft>,
    #[serde(default)]
    pub components: Vec<ComponentDraft>,
}

/// One or many: a file may hold either.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Value>),
    One(Value),
}

/// Reads a JSON file strictly: duplicate keys and unknown fields are refused with their place.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, RegionError> {
    let fault = |reason: String| RegionError::File { path: path.to_owned(), reason };
    let bytes = fs::read(path).map_err(|e| fault(e.to_string()))?;
    let value = json::parse(&bytes).map_err(|e| fault(e.to_string()))?;
    serde_path_to_error::deserialize(value).map_err(|e| fault(format!("at {}: {}", e.path(), e.inner())))
}

/// A file that holds one entry or a list of them.
pub fn read_entries<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, RegionError> {
    let fault = |reason: String| RegionError::File { path: path.to_owned(), reason };
    let entries = match read_json(path)? {
        OneOrMany::Many(entries) => entries,
        OneOrMany::One(entry) => vec![entry],
    };
    let read = |entry| serde_path_to_error::deserialize(entry);
    let entries = entries.into_iter().map(read).collect::<Result<Vec<T>, _>>();
    entries.map_err(|e| fault(format!("at {}: {}", e.path(), e.inner())))
}

/// Case types with the forms that they name, which lie relative to the file.
pub fn read_case_types(path: &Path) -> Result<Vec<CaseTypeFile>, RegionError> {
    let base = path.parent().unwrap_or(Path::new("."));
    let mut out = Vec::new();
    for entry in read_entries::<CaseTypeEntry>(path)? {
        out.push(CaseTypeFile {
            question_form: read_json(&base.join(&entry.question_form))?,
            answer_form: read_json(&base.join(&entry.answer_form))?,
            id: entry.id,
            clinics: entry.clinics,
            title: entry.title,
            description: entry.description,
            terms: entry.terms,
            fees: entry.fees,
            promise: entry.promise,
            follow_up_days: entry.follow_up_days,
        });
    }
    Ok(out)
}

/// Puts a whole region into empty stores.
pub async fn load(gateway: &Gateway, dir: &Path, operator: &str) -> Result<(), RegionError> {
    let author = Author::Operator(operator.to_owned());
    let clinics: Vec<Clinic> = read_entries(&dir.join("clinics.json"))?;
    let case_types = read_case_types(&dir.join("case-types.json"))?;
    let roles: Vec<RoleEntry> = read_entries(&dir.join("roles.json"))?;
    let portals: Vec<Portal> = read_entries(&dir.join("portals.json"))?;
    let components: ComponentsFile = read_json(&dir.join("components.json"))?;
    let posts = read_directory(&dir.join("directory.csv"), &Attributes::default(), false)?.posts;
    let refused = |what: String| move |refusal| RegionError::Refused { what, refusal };
    let intake = Intake { posts: &posts, source: Source::Import, whole: true, accept_loss: false };
    let imported = gateway.import_directory(&author, intake).await;
    imported.map_err(|error| RegionError::File { path: dir.join("directory.csv"), reason: error.to_string() })?;
    for clinic in &clinics {
        gateway.put_clinic(&author, clinic).await.map_err(refused(format!("clinic {}", clinic.hsa_id)))?;
    }
    for case_type in case_types {
        let what = format!("case type {}", case_type.id);
        let drafts = case_type.drafts().map_err(|reason| RegionError::File { path: dir.to_owned(), reason })?;
        for draft in drafts {
            gateway.put_case_type(&author, draft, None).await.map_err(refused(what.clone()))?;
        }
    }
    let mut granted: BTreeMap<(HsaId, HsaId), std::collections::BTreeSet<Role>> = BTreeMap::new();
    for entry in roles {
        granted.entry((entry.clinic, entry.person)).or_default().insert(entry.role);
    }
    for ((clinic, person), roles) in granted {
        let what = format!("roles of {person} at {clinic}");
        gateway.put_roles(&author, &clinic, &person, roles, None).await.map_err(refused(what))?;
    }
    load_support(gateway, &author, dir).await?;
    let told = status::Author::Operator { user: operator.to_owned() };
    for group in components.groups {
        let what = format!("group {}", group.slug);
        gateway.put_group(&told, group, None).await.map_err(refused(what))?;
    }
    for component in components.components {
        let what = format!("component {}", component.slug);
        gateway.put_component(&told, component, None).await.map_err(refused(what))?;
    }
    for portal in &portals {
        gateway.put_portal(&author, portal).await.map_err(refused(format!("portal {}", portal.hsa_id)))?;
    }
    Ok(())
}

async fn load_support(gateway: &Gateway, author: &Author, dir: &Path) -> Result<(), RegionError> {
    let desk: SupportDesk = read_json(&dir.join("support.json"))?;
    let services: Vec<SupportService> = read_entries(&dir.join("services.json"))?;
    let faq: Vec<FaqEntry> = read_entries(&dir.join("faq.json"))?;
    let refused = |what: String| move |refusal| RegionError::Refused { what, refusal };
    gateway.put_support_desk(author, &desk).await.map_err(refused("support".into()))?;
    for service in &services {
        gateway.put_support_service(author, service).await.map_err(refused(format!("service {}", service.slug)))?;
    }
    for entry in faq {
        let what = format!("question {}", entry.slug);
        gateway.put_faq(author, entry, None).await.map_err(refused(what))?;
    }
    Ok(())
}

/// What a file of staff came to.
pub struct Staff {
    pub posts: Vec<Post>,
    /// Rows or entries that were left out, each with its cure.
    pub faults: Vec<String>,
}

/// Staff from a CSV or LDIF file; any fault refuses the whole, unless what is faulty is to be left out.
pub fn read_directory(path: &Path, attributes: &Attributes, skip_faulty: bool) -> Result<Staff, RegionError> {
    let fault = |reason: String| RegionError::File { path: path.to_owned(), reason };
    let mut file = fs::File::open(path).map_err(|e| fault(e.to_string()))?;
    let faulty = if skip_faulty { FaultyRows::Skip } else { FaultyRows::RefuseFile };
    let mut head = Vec::new();
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut head).map_err(|e| fault(e.to_string()))?;
    let staff = if ldif::is_ldif(&head) {
        let mut source = head;
        file.take(ldif::FILE_BYTES_MAX).read_to_end(&mut source).map_err(|e| fault(e.to_string()))?;
        let now = SystemClock.now();
        let import = ldif::import(&source, attributes, faulty, now).map_err(|e| fault(e.to_string()))?;
        Staff { posts: import.posts, faults: import.faults.iter().map(ToString::to_string).collect() }
    } else {
        let import = directory::import(head.as_slice().chain(file), faulty).map_err(|e| fault(e.to_string()))?;
        Staff { posts: import.posts, faults: import.faults.iter().map(ToString::to_string).collect() }
    };
    if staff.faults.is_empty() || skip_faulty {
        return Ok(staff);
    }
    Err(fault(format!("{} faults, nothing imported\n{}", staff.faults.len(), staff.faults.join("\n"))))
}
