//! Support tickets. A ticket is a case of the support's unit ([`crate::domain::ticket::Ticket`]): the same record, states,
//! promises, documents, lists, versions and access log as a citizen's case, by the same code (`kept`, `owe::relist`,
//! `read_cases`). It lies in `common`, so that support works when `cases` is down, and it has what a citizen's case has
//! not: a number, a link for a reporter who has no card, an incident that it may belong to.
//!
//! | file | story |
//! |---|---|
//! | `report` | somebody reports, asks or orders |
//! | `answer` | support takes, asks, answers, closes |
//! | `link` | the reporter reads and writes by the link of the receipt |
//! | `tie` | a ticket belongs to an incident, and its reporter hears when that is over |
//! | `connect` | an order becomes a clinic |
//! | `desk` | the support itself, its services, the questions asked often |
//! | `upkeep` | what time demands |

mod answer;
mod connect;
mod desk;
mod link;
mod report;
#[cfg(test)]
mod tests;
mod tie;
mod upkeep;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::access::Visitor;
use super::catalog::{At, Catalog};
use super::read_cases::{CaseView, InboxList, Page, Reader};
use super::region::Author;
use super::{Gateway, Refusal};
use crate::admit::Wait;
use crate::domain::clinic::Role;
use crate::domain::faq::FaqError;
use crate::domain::id::HsaId;
use crate::domain::language::Language;
use crate::domain::letter::LetterKind;
use crate::domain::support::SupportDesk;
use crate::domain::ticket::{SupportErrand, Ticket, TicketNumber};
use crate::store::record::{Record, decode};
use crate::store::{Change, Range, key};

pub use self::answer::TicketAct;
pub use self::link::WriterFrom;
pub use self::report::{Report, ReportRequest, Reported, ReporterFrom};

/// Letters of one act to the people of the support; a longer list has a mailbox of its own.
const SUPPORT_LETTERS_MAX: usize = 50;
/// Tickets listed to an operator; a longer list is the support's to shorten.
const OPEN_MAX: usize = 1_000;
/// Bytes of the keyed hash in a reporter's link.
const LINK_HASH_BYTES: usize = 16;

/// Why support could not do what was asked. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SupportRefusal {
    #[error("the support is not set up: put it with `budkavle support put`")]
    NotSetUp,
    #[error("there is no such service")]
    UnknownService,
    /// By the field in which it stands.
    #[error("a citizen's identity number stands in the text")]
    PersonId { field: &'static str },
    #[error("local IT looks into it first")]
    LocalItFirst,
    #[error("too many reports from one place")]
    TooManyFromHere(Wait),
    #[error("too many reports by one reporter")]
    TooManyByReporter(Wait),
    #[error("the incident is not there, or it is over")]
    IncidentNotOngoing,
    #[error("the ticket is no order of a clinic")]
    NotAClinicOrder,
    #[error("there is a clinic with this HSA-id already")]
    ClinicExists,
    #[error("nobody has taken the order: say with --by who of the support answers it")]
    NobodyAnswers,
    #[error("{0} is not of the support")]
    NotSupport(HsaId),
    #[error("the region has as many questions as it can have")]
    TooManyQuestions,
    #[error("{0}")]
    Faq(#[from] FaqError),
    #[error("a slug is 1-64 characters: a-z, digits and single hyphens")]
    Slug,
}

impl From<SupportRefusal> for Refusal {
    fn from(refusal: SupportRefusal) -> Refusal {
        Refusal::Support(refusal)
    }
}

/// Which ticket it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TicketRef {
    pub ticket: Uuid,
}

impl Record for TicketRef {
    const VERSION: u8 = 1;
}

/// A list of the support's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketList {
    /// One of the inbox's lists, oldest promise first.
    Inbox(InboxList),
    /// All, oldest first.
    All,
    /// Those that the asker reported.
    Reported,
}

/// What a ticket is about, in words.
pub fn service_words(catalog: &Catalog, errand: &SupportErrand, language: Language) -> String {
    let connection = match language {
        Language::Sv => "anslutning av en mottagning",
        Language::En => "connection of a clinic",
    };
    match catalog.services.get(&errand.service) {
        Some(at) => at.record.name.in_language(language).to_owned(),
        None if errand.service.is_empty() => connection.to_owned(),
        None => errand.service.clone(),
    }
}

impl Gateway {
    fn support_desk(&self, catalog: &Catalog) -> Result<At<SupportDesk>, Refusal> {
        Ok(catalog.support.clone().ok_or(SupportRefusal::NotSetUp)?)
    }

    /// One ticket, for the support or for the member of the staff who reported it.
    pub async fn read_ticket(&self, visitor: &Visitor, id: Uuid) -> Result<CaseView<SupportErrand>, Refusal> {
        self.view(&Reader::Staff(visitor.clone()), id).await
    }

    /// A page of tickets: for the support its lists, for everybody the own ones.
    pub async fn list_tickets(
        &self,
        visitor: &Visitor,
        list: TicketList,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<SupportErrand>, Refusal> {
        let catalog = self.catalog();
        let unit = self.support_desk(&catalog)?.record.unit;
        let prefix = match list {
            TicketList::Inbox(list) => return self.inbox(visitor, list, Some(&unit), limit, cursor).await,
            TicketList::All if !catalog.is_support(&visitor.hsa_id) => return Err(Refusal::NotPermitted),
            TicketList::All => key::all_by_clinic(&unit),
            TicketList::Reported => key::all_by_portal(&visitor.hsa_id),
        };
        let reader = Reader::Staff(visitor.clone());
        let page = self.page(&reader, &[prefix], None, limit, cursor, |_| true).await?;
        self.log_list(&reader, Some(&unit), "ticket-list", None, &page).await?;
        Ok(page)
    }

    /// Tickets that wait for somebody, for an operator: those nobody has taken first, each list by its promise.
    pub async fn open_tickets(&self, author: &Author) -> Result<Vec<Ticket>, Refusal> {
        let unit = self.support_desk(&self.catalog())?.record.unit;
        let lists = [key::all_undistributed(&unit), key::all_unanswered(&unit), key::all_awaiting_citizen(&unit)];
        let mut out = Vec::new();
        for list in lists {
            for (at, _) in self.common.scan(Range::prefix(&list), OPEN_MAX - out.len()).await? {
                let Some((_, id)) = key::timed_target(&at) else { continue };
                out.push(self.hold::<SupportErrand>(id).await?.case);
            }
        }
        let line = author.line("ticket-list").at(&unit).of(out.iter().map(|ticket| ticket.id).collect());
        self.log_reading::<SupportErrand>(&line).await?;
        Ok(out)
    }

    /// The ticket that has a number.
    pub async fn ticket_by_number(&self, number: TicketNumber) -> Result<Uuid, Refusal> {
        let found = self.common.get(&key::ticket_number(number)).await?.ok_or(Refusal::NotFound)?;
        let TicketRef { ticket } = decode(&found.value)?;
        Ok(ticket)
    }

    /// What opens a ticket to its reporter: the id with a keyed hash of it, which nobody else can make.
    pub fn ticket_token(&self, id: Uuid) -> String {
        let hash = self.common.hash(&[b"ticket-link", id.as_bytes()]);
        let hash = hash.get(..LINK_HASH_BYTES).unwrap_or_default();
        URL_SAFE_NO_PAD.encode([id.as_bytes().as_slice(), hash].concat())
    }

    /// The ticket that a link opens.
    fn ticket_of_token(&self, token: &str) -> Result<Uuid, Refusal> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Refusal::NotFound)?;
        let id = bytes.get(..16).and_then(|id| Uuid::from_slice(id).ok()).ok_or(Refusal::NotFound)?;
        // Compared as keyed hashes: how long that takes tells a guesser nothing.
        let alike = |text: &str| self.common.hash(&[b"ticket-link-compared", text.as_bytes()]);
        if alike(token) == alike(&self.ticket_token(id)) { Ok(id) } else { Err(Refusal::NotFound) }
    }

    /// Owes the reporter a letter. It holds the number and the link, nothing of what was written.
    fn tell_reporter(
        &self,
        change: &mut Change,
        ticket: &Ticket,
        kind: LetterKind,
        mut facts: serde_json::Value,
    ) -> Result<(), Refusal> {
        let reporter = &ticket.errand.reporter;
        facts["number"] = json!(ticket.errand.number);
        facts["reference"] = json!(reporter.reference.as_ref().map(|text| text.expose()));
        facts["token"] = json!(self.ticket_token(ticket.id));
        self.owe_common(change, kind, reporter.email.clone(), reporter.language, Some(facts), ticket.id)
    }

    /// Owes a letter to who has the ticket, or to everybody of the support and its mailbox where nobody has; never to
    /// who acted.
    pub(in crate::usecase) fn tell_support(
        &self,
        change: &mut Change,
        catalog: &Catalog,
        ticket: &Ticket,
        kind: LetterKind,
        actor: Option<&HsaId>,
    ) -> Result<(), Refusal> {
        let errand = &ticket.errand;
        let facts = |language| {
            let service = service_words(catalog, errand, language);
            Some(json!({
                "number": errand.number,
                "kind": errand.matter.kind(),
                "priority": errand.priority,
                "service": service,
            }))
        };
        let people = catalog.roles.values().map(|at| &at.record).filter(|grant| match &ticket.handler {
            Some(handler) => grant.person == *handler && catalog.choice(handler).assigned_case,
            None => grant.roles.contains(&Role::Support) && catalog.choice(&grant.person).new_case,
        });
        let people: std::collections::BTreeSet<_> = people.map(|grant| &grant.person).collect();
        let works = |person: &&&HsaId| catalog.is_support(person) && Some(**person) != actor;
        for person in people.iter().filter(works).take(SUPPORT_LETTERS_MAX) {
            if let Some(to) = catalog.address_of(person) {
                let language = catalog.choice(person).language;
                self.owe_common(change, kind, to, language, facts(language), ticket.id)?;
            }
        }
        let mailbox = catalog.support.as_ref().and_then(|at| at.record.mailbox.clone());
        if let (None, Some(mailbox)) = (&ticket.handler, mailbox) {
            self.owe_common(change, kind, mailbox, Language::Sv, facts(Language::Sv), ticket.id)?;
        }
        Ok(())
    }

    /// What a promise made again comes to; a support that never opens keeps what it promised before.
    fn ticket_promised_anew(
        &self,
        catalog: &Catalog,
        ticket: &Ticket,
        now: Timestamp,
    ) -> crate::domain::clinic::Promised {
        let desk = catalog.support.as_ref().map(|at| &at.record);
        let anew = desk.and_then(|desk| desk.promised(ticket.promise, ticket.errand.priority, now).ok());
        anew.unwrap_or(crate::domain::clinic::Promised {
            distributed_by: ticket.distributed_by,
            answered_by: ticket.answered_by,
        })
    }
}
