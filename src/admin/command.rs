//! What operators can have done, and how it is done.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::status::StatusCommand;
use super::subscriber::{self, SubscriberCommand};
use super::{NoticeCommand, Operations, ProbeCommand, notices, probes};
use crate::domain::clinic::{Clinic, Portal, Promise, Role, Texts, is_case_type_id};
use crate::domain::id::HsaId;
use crate::domain::language::Language;
use crate::domain::staff::Post;
use crate::domain::status::board::OwnComponent;
use crate::store::{ReadError, Store};
use crate::usecase::access::AccessEntry;
use crate::usecase::letters::{LetterStore, OutboxCount};
use crate::usecase::region::{Author, CaseTypeDraft};
use crate::usecase::{Gateway, Refusal};

/// Letters and log lines of one reply.
const LIST_MAX: usize = 1_000;

/// A case type as an operator's file has it, forms included.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaseTypeFile {
    pub id: String,
    pub clinics: Vec<HsaId>,
    pub title: Texts,
    #[serde(default)]
    pub description: Texts,
    #[serde(default)]
    pub terms: Texts,
    #[serde(default)]
    pub fees: Texts,
    pub promise: Promise,
    pub follow_up_days: u16,
    pub question_form: Value,
    pub answer_form: Value,
}

impl CaseTypeFile {
    /// One draft for each clinic that is to offer it.
    pub fn drafts(&self) -> Result<Vec<CaseTypeDraft>, String> {
        if !is_case_type_id(&self.id) {
            return Err(format!("case type {:?}: an id is a-z, digits and single hyphens", self.id));
        }
        let draft = |clinic: &HsaId| CaseTypeDraft {
            id: self.id.clone(),
            clinic: clinic.clone(),
            title: self.title.clone(),
            description: self.description.clone(),
            terms: self.terms.clone(),
            fees: self.fees.clone(),
            promise: self.promise,
            follow_up_days: self.follow_up_days,
            active: true,
            question_form: self.question_form.clone(),
            answer_form: self.answer_form.clone(),
        };
        Ok(self.clinics.iter().map(draft).collect())
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    Status,
    ClinicPut {
        clinic: Box<Clinic>,
    },
    ClinicList,
    CaseTypePut {
        case_type: Box<CaseTypeFile>,
    },
    CaseTypeList,
    PortalPut {
        portal: Box<Portal>,
    },
    PortalList,
    RoleGrant {
        clinic: HsaId,
        person: HsaId,
        role: Role,
    },
    RoleRevoke {
        clinic: HsaId,
        person: HsaId,
        role: Role,
    },
    RoleList {
        clinic: Option<HsaId>,
    },
    DirectoryImport {
        posts: Vec<Post>,
        whole: bool,
        #[serde(default)]
        accept_loss: bool,
    },
    Directory(super::DirectoryCommand),
    Probe(ProbeCommand),
    Notice(NoticeCommand),
    OutboxList,
    OutboxResend {
        letter: Uuid,
    },
    OutboxDrop {
        letter: Uuid,
        reason: String,
    },
    AccessLog {
        store: LogStore,
        after: u64,
        limit: usize,
    },
    Verify,
    Subscriber {
        act: SubscriberCommand,
    },
    Support(super::SupportCommand),
    /// What is told of services.
    Told {
        told: Box<StatusCommand>,
    },
    /// Moves the clock, in test mode only.
    Clock {
        clock: ClockCommand,
    },
}

/// Whose access log.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogStore {
    Cases,
    Common,
}

/// Where the clock is moved to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockCommand {
    Set(Timestamp),
    Advance(SignedDuration),
}

pub async fn carry_out(operations: &Operations, command: Command, user: &str) -> Result<Value, String> {
    let gateway = &operations.gateway;
    let author = Author::Operator(user.to_owned());
    match command {
        Command::Status => status(operations).await,
        Command::ClinicPut { clinic } => {
            gateway.put_clinic(&author, &clinic).await.map_err(told)?;
            Ok(json!({ "clinic": clinic.hsa_id }))
        }
        Command::ClinicList => Ok(list(gateway.catalog().clinics.values().map(|at| &at.record))),
        Command::CaseTypePut { case_type } => {
            for draft in case_type.drafts()? {
                gateway.put_case_type(&author, draft, None).await.map_err(told)?;
            }
            Ok(json!({ "caseType": case_type.id, "clinics": case_type.clinics }))
        }
        Command::CaseTypeList => Ok(list(gateway.catalog().case_types.values().map(|at| &at.record))),
        Command::PortalPut { portal } => {
            gateway.put_portal(&author, &portal).await.map_err(told)?;
            Ok(json!({ "portal": portal.hsa_id }))
        }
        Command::PortalList => Ok(list(gateway.catalog().portals.values().map(|at| &at.record))),
        Command::RoleGrant { clinic, person, role } => set_role(operations, &author, clinic, person, role, true).await,
        Command::RoleRevoke { clinic, person, role } => {
            set_role(operations, &author, clinic, person, role, false).await
        }
        Command::RoleList { clinic } => {
            let catalog = gateway.catalog();
            let grants = catalog.roles.values().map(|at| &at.record);
            Ok(list(grants.filter(|grant| clinic.as_ref().is_none_or(|c| grant.clinic == *c))))
        }
        Command::DirectoryImport { posts, whole, accept_loss } => {
            super::directory::import(gateway, &author, &posts, whole, accept_loss).await
        }
        Command::Directory(command) => super::directory::carry_out(operations, command, &author).await,
        Command::Probe(command) => probes::carry_out(operations, command, user).await,
        Command::Notice(command) => notices::carry_out(operations, command).await,
        Command::OutboxList => outbox_list(operations).await,
        Command::OutboxResend { letter } => {
            let of = letter_store(gateway, letter).await?;
            gateway.resend_letter(of, letter, user).await.map_err(told)?;
            Ok(json!({ "letter": letter, "state": "queued" }))
        }
        Command::OutboxDrop { letter, reason } => {
            if reason.trim().is_empty() || reason.len() > 500 || reason.chars().any(char::is_control) {
                return Err("a reason of 1 to 500 characters on one line is kept in the access log: give one".into());
            }
            let of = letter_store(gateway, letter).await?;
            gateway.drop_letter(of, letter, user, &reason).await.map_err(told)?;
            Ok(json!({ "letter": letter, "state": "dropped" }))
        }
        Command::AccessLog { store, after, limit } => access_log(operations, store, after, limit, user).await,
        Command::Verify => verify(operations).await,
        Command::Subscriber { act } => subscriber::carry_out(gateway, act, user).await,
        Command::Support(command) => super::support::carry_out(gateway, command, &author).await,
        Command::Told { told } => super::status::carry_out(gateway, &operations.renderer, *told, user).await,
        Command::Clock { clock } => steer(operations, clock),
    }
}

fn steer(operations: &Operations, command: ClockCommand) -> Result<Value, String> {
    let Some(steer) = &operations.steer else {
        return Err("the clock is moved in test mode only".into());
    };
    let now = operations.gateway.now();
    let to = match command {
        ClockCommand::Set(to) => Some(to),
        ClockCommand::Advance(by) => now.saturating_add(by).ok(),
    };
    // What has been told has been told at a time: a clock that goes back would tell it anew.
    let to = to.filter(|to| *to >= now).ok_or("the clock is moved forwards only")?;
    steer(to);
    let gateway = &operations.gateway;
    gateway.desk.clock_moved.notify_one();
    gateway.desk.notices_owed.notify_one();
    gateway.directory.moved.notify_one();
    gateway.expiry_bell().notify_one();
    LetterStore::ALL.into_iter().for_each(|of| gateway.letters_owed(of).notify_one());
    Ok(json!({ "now": operations.gateway.now() }))
}

pub(super) fn told(refusal: Refusal) -> String {
    match refusal {
        Refusal::FormInvalid(issues) => {
            let lines = issues.iter().take(20).map(|i| i.text(crate::domain::language::Language::En));
            format!("the form is unfit:\n{}", lines.collect::<Vec<_>>().join("\n"))
        }
        refusal => refusal.to_string(),
    }
}

pub(super) fn list<'a, T: Serialize + 'a>(items: impl Iterator<Item = &'a T>) -> Value {
    json!(items.collect::<Vec<_>>())
}

async fn status(operations: &Operations) -> Result<Value, String> {
    let gateway = &operations.gateway;
    let mut letters = OutboxCount::default();
    for of in LetterStore::ALL {
        letters = letters.and(unless_absent(gateway.count_letters(of).await)?);
    }
    let catalog = gateway.catalog();
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    Ok(json!({
        "version": operations.facts.version,
        "mode": operations.facts.mode,
        "doors": {
            "portal": operations.facts.portal,
            "staff": operations.facts.staff,
            "public": operations.facts.public,
            "cardTest": operations.facts.card_test,
        },
        "stores": {
            "cases": store_state(&gateway.cases),
            "common": store_state(&gateway.common),
        },
        "own": own(gateway).await,
        "directory": super::directory::report(operations),
        "smarthosts": operations.mailer.report(),
        "trust": (operations.trust)(),
        "expiresSoon": expires_soon(operations),
        "region": {
            "clinics": catalog.clinics.len(),
            "caseTypes": catalog.case_types.len(),
            "portals": catalog.portals.len(),
            "roles": catalog.roles.len(),
        },
        "told": super::status::figures(gateway).await?,
        "letters": {
            "waiting": letters.queued,
            "oldestDue": letters.oldest_due,
            "givenUp": letters.dead,
            "acceptedSinceStart": read(&operations.outbox.accepted),
            "deferredSinceStart": read(&operations.outbox.deferred),
            "smarthostFaultsSinceStart": read(&operations.outbox.session_faults),
            "inDoubtSinceStart": read(&operations.outbox.in_doubt),
        },
        "notices": {
            "unsent": gateway.unsent_notices(),
            "oldestUnsent": gateway.oldest_unsent_notice(),
            "acceptedSinceStart": read(&operations.fanout.accepted),
            "deferredSinceStart": read(&operations.fanout.deferred),
            "rejectedSinceStart": read(&operations.fanout.rejected),
            "inDoubtSinceStart": read(&operations.fanout.in_doubt),
            "smarthostFaultsSinceStart": read(&operations.fanout.session_faults),
        },
    }))
}

/// What ends within 30 days, of issuers within 90, in plain words, the first to end first.
fn expires_soon(operations: &Operations) -> Vec<String> {
    let now = operations.gateway.now();
    let mut endings = (operations.endings)();
    endings.extend(operations.gateway.system_endings());
    endings.sort_unstable();
    let soon = endings.iter().filter(|ending| ending.step(now).is_some());
    soon.map(|ending| ending.text(now, Language::En)).collect()
}

fn store_state(store: &Store) -> String {
    match store.absence() {
        Some(reason) => format!("not open: {reason}"),
        None if store.health().is_failing() => "failing".to_owned(),
        None => "working".to_owned(),
    }
}

/// Our own parts as the status page shows them.
async fn own(gateway: &Gateway) -> Value {
    let health = gateway.own_health(gateway.now()).await;
    let part = |c: &OwnComponent| {
        let detail = c.detail.en.clone().unwrap_or_default();
        (c.slug.to_owned(), json!({ "status": c.status, "detail": detail }))
    };
    Value::Object(health.components.iter().map(part).collect())
}

async fn set_role(
    operations: &Operations,
    author: &Author,
    clinic: HsaId,
    person: HsaId,
    role: Role,
    granted: bool,
) -> Result<Value, String> {
    let gateway = &operations.gateway;
    let before = gateway.catalog().roles_at(&clinic, &person);
    let mut roles: BTreeSet<Role> = before.clone();
    let changed = if granted { roles.insert(role) } else { roles.remove(&role) };
    if changed {
        gateway.put_roles(author, &clinic, &person, roles.clone(), None).await.map_err(told)?;
    }
    Ok(json!({ "clinic": clinic, "person": person, "roles": roles }))
}

/// What a store that is not open has: nothing that can be told, while all else can.
fn unless_absent<T: Default>(read: Result<T, Refusal>) -> Result<T, String> {
    match read {
        Err(Refusal::Read(ReadError::Absent)) => Ok(T::default()),
        read => read.map_err(told),
    }
}

/// In which store a letter lies.
async fn letter_store(gateway: &Gateway, letter: Uuid) -> Result<LetterStore, String> {
    for of in LetterStore::ALL {
        if unless_absent(gateway.letter(of, letter).await)?.is_some() {
            return Ok(of);
        }
    }
    Err(told(Refusal::NotFound))
}

/// Letters that were given up, without their addresses: whose they are is found by what they are about.
async fn outbox_list(operations: &Operations) -> Result<Value, String> {
    let mut dead = Vec::new();
    for of in LetterStore::ALL {
        let found = unless_absent(operations.gateway.dead_letters(of, LIST_MAX).await)?;
        dead.extend(found.into_iter().map(|at| (of, at)));
    }
    let lines = dead.iter().map(|(of, at)| {
        let letter = &at.record;
        json!({
            "letter": letter.id,
            "store": of.as_str(),
            "case": letter.about,
            "kind": letter.kind,
            "mailDomain": letter.to.domain(),
            "createdAt": letter.created_at,
            "givenUpAt": letter.next_at,
            "attempts": letter.attempts,
            "inDoubt": letter.in_doubt,
            "fault": letter.last_fault,
        })
    });
    Ok(json!(lines.collect::<Vec<_>>()))
}

async fn access_log(
    operations: &Operations,
    store: LogStore,
    after: u64,
    limit: usize,
    user: &str,
) -> Result<Value, String> {
    let gateway = &operations.gateway;
    let store = match store {
        LogStore::Cases => &gateway.cases,
        LogStore::Common => &gateway.common,
    };
    // Reading the log is itself logged, before anything is shown.
    let line = AccessEntry::new(user, "operator", "access-log-read", "");
    gateway.log_operator(store, &line).await.map_err(told)?;
    let entries = gateway.access_log(store, after, limit.clamp(1, LIST_MAX)).await.map_err(told)?;
    let lines = entries.iter().map(|e| json!({ "sequence": e.sequence, "at": e.at, "entry": e.entry }));
    Ok(json!(lines.collect::<Vec<_>>()))
}

async fn verify(operations: &Operations) -> Result<Value, String> {
    let mut out = serde_json::Map::new();
    for (name, store) in [("common", &operations.gateway.common), ("cases", &operations.gateway.cases)] {
        let report = store.verify().await.map_err(|e| format!("{name}: {e}"))?;
        out.insert(
            name.to_owned(),
            json!({ "groups": report.groups, "keys": report.keys, "records": report.records, "faults": report.faults }),
        );
    }
    Ok(Value::Object(out))
}
