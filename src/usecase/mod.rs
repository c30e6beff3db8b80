//! One file a story: it reads the stores, asks the policy and makes one `Change`.
//!
//! `submit_case`, `write_to_case` and `feed` are the portals' stories, `act_on_case` the staff's, `read_cases`
//! both's; `catalog` is the region as it stands (clinics, forms, roles), `region` changes it; `owe` adds what every
//! act owes (log entry, event, letters) to its change; `kept` is what cases of citizens and of support have in common;
//! `directory` takes in who works where, `returns` brings back what lies with people who no longer do;
//! `upkeep` does what time demands, `expiry` remembers what ends; `status` tells of services, `probes` looks at them, `own_health` at ourselves.

pub mod access;
pub mod act_on_case;
pub mod catalog;
pub mod directory;
pub mod expiry;
pub mod fanout;
pub mod feed;
pub mod idempotency;
pub mod kept;
pub mod letters;
pub mod owe;
pub mod own_health;
pub mod probes;
pub mod read_cases;
pub mod region;
pub mod returns;
pub mod status;
pub mod submit_case;
pub mod subscribers;
#[cfg(test)]
pub mod testing;
pub mod tickets;
pub mod upkeep;
pub mod write_to_case;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::admit::{Limits, Wait};
use crate::crypto::{self, Digest};
use crate::domain::case::{ActError, State};
use crate::domain::form::Issue;
use crate::domain::id::{HsaId, PersonId};
use crate::domain::policy::Denial;
use crate::domain::rejection::RejectionCode;
use crate::domain::status::fault::Fault;
use crate::domain::time::Clock;
use crate::store::{CommitError, ReadError, Store};

use self::catalog::Catalog;

/// What the stories share: two stores, the time, the region.
pub struct Gateway {
    pub cases: Store,
    pub common: Store,
    clock: Arc<dyn Clock>,
    catalog: ArcSwap<Catalog>,
    /// One reload of the catalog at a time.
    reloading: tokio::sync::Mutex<()>,
    /// Keys of requests that are being carried out now.
    running: Mutex<HashSet<Uuid>>,
    /// Forms that `cases` holds a copy of already, by digest; never more than the region has forms.
    copied_forms: Mutex<HashSet<Digest>>,
    /// Who works where, and how old that is.
    pub directory: directory::Office,
    /// Wakes long polls; one for each portal that ever asked, and only registered portals can ask.
    feeds: Mutex<HashMap<HsaId, Arc<Notify>>>,
    /// The gateway is about to stop: nobody is made to wait for what will not come.
    closing: AtomicBool,
    /// Wakes the outbox after a commit that owes letters.
    letters_owed: Arc<Notify>,
    common_letters_owed: Arc<Notify>,
    /// What is told of services.
    pub desk: status::Desk,
    /// Who is owed which notice of it.
    pub fanout: fanout::Fanout,
    /// What looks at services by itself.
    watch: probes::Watch,
    /// What is noted of our own health.
    pulse: own_health::Pulse,
    /// What certificates registered systems have shown.
    certificates: expiry::Certificates,
    /// Who is told, as far as memory holds it.
    roll: subscribers::Roll,
    /// Of these the portal's and the citizen's are asked here, where it is known what is new and about whom.
    limits: Arc<Limits>,
    /// Test persons are nobody's patients: production refuses them.
    production: bool,
}

/// Why a story was not carried out. Nothing was changed.
#[derive(Debug)]
pub enum Refusal {
    Rejected(RejectionCode),
    UnknownClinic,
    ClinicClosed {
        telephone: String,
    },
    UnknownCaseType,
    CaseTypeNotOffered,
    FormVersion {
        expected: String,
    },
    FormInvalid(Vec<Issue>),
    ProtectedWithRepresentative,
    /// One of Skatteverket's test persons, and this is production.
    TestPerson,
    SubmissionLimit(Wait),
    CitizenLimit(Wait),
    IdempotencyReused,
    IdempotencyRunning,
    SenderReferenceUsed {
        case: Uuid,
    },
    /// Not there, or not for the asker to know of.
    NotFound,
    NotPermitted,
    TakeFirst,
    WrongState(State),
    TooManyDocuments,
    FollowUpOver,
    /// Somebody else changed it meanwhile.
    Stale {
        current: Option<u64>,
    },
    HandlerUnknown,
    HandlerWithoutRole,
    TargetClinicUnknown,
    CursorMalformed,
    /// An act on what is told of services does not fit.
    Told(Fault),
    /// As many held notices, series or components as one region has room for.
    TooMany,
    /// About a support ticket or a question asked often.
    Support(tickets::SupportRefusal),
    Commit(CommitError),
    Read(ReadError),
    /// The operating system gave no random bytes.
    Random,
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Refusal {
        match error {
            CommitError::Conflict { .. } => Refusal::Stale { current: None },
            error => Refusal::Commit(error),
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Refusal {
        Refusal::Told(fault)
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Refusal {
        Refusal::Read(error)
    }
}

impl From<ActError> for Refusal {
    fn from(error: ActError) -> Refusal {
        match error {
            ActError::WrongState(state) => Refusal::WrongState(state),
            ActError::TooManyDocuments => Refusal::TooManyDocuments,
            ActError::FollowUpOver => Refusal::FollowUpOver,
        }
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Refusal {
        match denial {
            Denial::Hidden => Refusal::NotFound,
            Denial::NotPermitted => Refusal::NotPermitted,
            Denial::TakeFirst => Refusal::TakeFirst,
        }
    }
}

impl Gateway {
    /// Takes up the region as `common` has it.
    pub async fn start(
        cases: Store,
        common: Store,
        clock: Arc<dyn Clock>,
        limits: Arc<Limits>,
        production: bool,
    ) -> Result<Gateway, ReadError> {
        let catalog = Catalog::load(&common, clock.now()).await?;
        let watch = probes::Watch::start(&common, clock.now()).await?;
        let pulse = own_health::Pulse::new(clock.now());
        let certificates = expiry::Certificates::start(&common).await?;
        let desk = status::Desk::start(&common, clock.now()).await?;
        let fanout = fanout::Fanout::start(&common).await?;
        Ok(Gateway {
            cases,
            common,
            clock,
            catalog: ArcSwap::from_pointee(catalog),
            reloading: tokio::sync::Mutex::new(()),
            running: Mutex::default(),
            copied_forms: Mutex::default(),
            directory: directory::Office::default(),
            feeds: Mutex::default(),
            closing: AtomicBool::new(false),
            letters_owed: Arc::default(),
            common_letters_owed: Arc::default(),
            desk,
            fanout,
            watch,
            pulse,
            certificates,
            roll: subscribers::Roll::default(),
            limits,
            production,
        })
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The region as it stands now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    async fn reload_catalog(&self) -> Result<(), ReadError> {
        let _one = self.reloading.lock().await;
        self.catalog.store(Arc::new(Catalog::load(&self.common, self.now()).await?));
        Ok(())
    }

    /// A UUIDv7 by the gateway's own clock.
    fn new_id(&self, now: Timestamp) -> Result<Uuid, Refusal> {
        let random = crypto::random_bytes().map_err(|_| Refusal::Random)?;
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// What a citizen is indexed by.
    fn citizen_hash(&self, id: &PersonId) -> Result<Digest, Refusal> {
        self.cases_hash(&[b"citizen", id.system().urn().as_bytes(), id.expose().as_bytes()])
    }

    /// A keyed hash of `cases`, which may not be open yet: then there is none.
    fn cases_hash(&self, parts: &[&[u8]]) -> Result<Digest, Refusal> {
        self.cases.ready()?;
        Ok(self.cases.hash(parts))
    }

    /// Answers the long polls that wait, and lets none wait from here on.
    pub fn end_polls(&self) {
        self.closing.store(true, Ordering::Release);
        for feed in self.feeds.lock().unwrap_or_else(PoisonError::into_inner).values() {
            feed.notify_waiters();
        }
    }

    /// Whether the stop has begun.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    fn feed_of(&self, portal: &HsaId) -> Arc<Notify> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.entry(portal.clone()).or_default().clone()
    }
}

impl std::fmt::Display for Refusal {
    /// For operators; callers get a problem with words in their language.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Rejected(code) => write!(f, "rejected: {code}"),
            Refusal::UnknownClinic => f.write_str("there is no such clinic: add it first"),
            Refusal::HandlerUnknown => f.write_str("this person has no post in the directory: import it first"),
            Refusal::NotFound => f.write_str("there is no such thing"),
            Refusal::Stale { .. } => f.write_str("somebody else changed it at the same moment: try again"),
            Refusal::FormInvalid(issues) => write!(f, "the form has {} faults", issues.len()),
            Refusal::Told(fault) => fault.fmt(f),
            Refusal::TooMany => f.write_str("there are as many as a region has room for: take some away first"),
            Refusal::Commit(error) => error.fmt(f),
            Refusal::Read(error) => error.fmt(f),
            Refusal::ClinicClosed { .. } => f.write_str("the clinic is closed or never open"),
            Refusal::NotPermitted | Refusal::TakeFirst => f.write_str("this is not permitted"),
            Refusal::CaseTypeNotOffered | Refusal::UnknownCaseType => f.write_str("the clinic does not offer this"),
            Refusal::Support(refusal) => refusal.fmt(f),
            Refusal::WrongState(state) => write!(f, "the case is {}", state.as_str()),
            _ => f.write_str("refused"),
        }
    }
}

#[cfg(test)]
mod golden {
    //! What the stories keep, held to golden files.

    use super::access::AccessEntry;
    use super::catalog::FormRecord;
    use super::idempotency::{Acknowledgement, StoredAnswer};
    use super::owe::{EventType, PortalEvent};
    use super::submit_case::SenderReference;
    use crate::domain::case::State;
    use crate::domain::case::tests::{at, hsa};
    use crate::store::record::assert_golden;
    use uuid::Uuid;

    #[test]
    fn records_of_the_stories_are_the_golden_ones() {
        let case = Uuid::from_u128(1);
        assert_golden(&SenderReference { case }, include_str!("golden/sender-reference-1.txt"));
        let event = PortalEvent { case, r#type: EventType::InterimAnswer };
        assert_golden(&event, include_str!("golden/portal-event-1.txt"));
        let answer = Acknowledgement {
            case,
            document: 0,
            state: State::Received,
            received_at: at("2026-11-23T09:00:00Z"),
            distributed_by: at("2026-11-23T10:00:00Z"),
            answered_by: at("2026-11-24T10:00:00Z"),
            version: 1,
        };
        let stored = StoredAnswer { fingerprint: "00".repeat(32), answer };
        assert_golden(&stored, include_str!("golden/stored-answer-1.txt"));
        let line = AccessEntry::new(hsa("1001").as_str(), "receiver", "read", "r").at(&hsa("A001"));
        let line = line.of(vec![case]).about(&[7; 32]);
        assert_golden(&line, include_str!("golden/access-entry-1.txt"));
        let form =
            FormRecord { digest: "00".repeat(32), source: serde_json::json!({ "resourceType": "Questionnaire" }) };
        assert_golden(&form, include_str!("golden/form-1.txt"));
    }
}
