//! Somebody reports a fault, asks for help or orders something, with a card or without.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{SupportRefusal, TicketRef};
use crate::admit::IpKey;
use crate::crypto::{Digest, hex};
use crate::domain::case::{Case, Document, DocumentBody, DocumentKind};
use crate::domain::id::Private;
use crate::domain::id::holds_person_id;
use crate::domain::letter::LetterKind;
use crate::domain::support::SupportDesk;
use crate::domain::ticket::{Matter, Order, Priority, Reporter, SupportErrand, Ticket, TicketNumber};
use crate::store::record::{Record, decode, encode};
use crate::store::{Change, CommitError, key};
use crate::usecase::access::{AccessEntry, Visitor};
use crate::usecase::catalog::Catalog;
use crate::usecase::idempotency::KEPT_HOURS;
use crate::usecase::owe::relist;
use crate::usecase::{Gateway, Refusal};

/// How often a report is tried again after another one took the same number.
const NUMBER_TRIES_MAX: u32 = 8;

/// What somebody reports.
#[derive(Clone)]
pub struct Report {
    pub matter: Matter,
    /// By its slug; empty where a clinic is to be connected.
    pub service: String,
    pub reporter: Reporter,
    /// In the reporter's words.
    pub text: Private,
}

/// Where a report comes from.
#[derive(Debug, Clone, Copy)]
pub enum ReporterFrom<'a> {
    Staff(&'a Visitor),
    /// Without a card; the address is for limits only.
    Anyone(IpKey),
}

/// A request that creates a ticket.
pub struct ReportRequest<'a> {
    pub from: ReporterFrom<'a>,
    /// The caller's key for it: the same key and body get the same ticket.
    pub key: &'a str,
    /// SHA-256 of the raw body.
    pub body_digest: Digest,
    pub request: &'a str,
}

/// A ticket that is on disk.
pub struct Reported {
    pub ticket: Ticket,
    pub version: u64,
    /// Opens it to the reporter.
    pub token: String,
    /// It was there before this request.
    pub replayed: bool,
}

/// Which ticket a request made, for as long as it may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredReport {
    /// Digest of the request, hexadecimal.
    pub fingerprint: String,
    pub ticket: Uuid,
}

impl Record for StoredReport {
    const VERSION: u8 = 1;
}

/// The last number that was given out in a year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TicketCounter {
    pub last: u32,
}

impl Record for TicketCounter {
    const VERSION: u8 = 1;
}

impl Gateway {
    /// Takes the report in: number, receipt by mail, word to the support, all of it or nothing.
    pub async fn report(&self, request: &ReportRequest<'_>, report: &Report) -> Result<Reported, Refusal> {
        let repeated = self.report_id(request);
        if let Some(reported) = self.replay_report(repeated, request).await? {
            return Ok(reported);
        }
        let catalog = self.catalog();
        let desk = self.support_desk(&catalog)?.record;
        check(&catalog, report)?;
        self.limit(request, &report.reporter)?;
        for _ in 0..NUMBER_TRIES_MAX {
            let now = self.now();
            let (counted, number) = self.next_number(now).await?;
            let ticket = self.new_ticket(&desk, number, report, now)?;
            let mut change = self.report_change(&catalog, request, report, &ticket, now)?;
            let counter = encode(&TicketCounter { last: number.serial() });
            match counted {
                Some(version) => change.replace(key::ticket_counter(number.year()), version, counter),
                None => change.create(key::ticket_counter(number.year()), counter),
            }
            let stored = StoredReport { fingerprint: hex(&request.body_digest), ticket: ticket.id };
            change.create(key::idempotency(repeated), encode(&stored));
            let until = now.saturating_add(SignedDuration::from_hours(KEPT_HOURS)).unwrap_or(Timestamp::MAX);
            change.index(key::idempotency_expiry(until, repeated));
            match self.commit_common(change).await {
                Ok(_) => {
                    let token = self.ticket_token(ticket.id);
                    return Ok(Reported { ticket, version: 1, token, replayed: false });
                }
                Err(Refusal::Stale { .. }) => {
                    // Another report took the number, or this one came twice at once.
                    if let Some(reported) = self.replay_report(repeated, request).await? {
                        return Ok(reported);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(Refusal::Commit(CommitError::Overloaded))
    }

    fn report_change(
        &self,
        catalog: &Catalog,
        request: &ReportRequest<'_>,
        report: &Report,
        ticket: &Ticket,
        now: Timestamp,
    ) -> Result<Change, Refusal> {
        let mut change = Change::new();
        change.create(key::case(ticket.id), encode(ticket));
        let document = Document { kind: DocumentKind::Submission, body: DocumentBody::Text(report.text.clone()) };
        change.create(key::document(ticket.id, 0), encode(&document));
        change.create(key::ticket_number(ticket.errand.number), encode(&TicketRef { ticket: ticket.id }));
        relist(&mut change, None, ticket);
        if let Some(person) = &ticket.errand.reporter.person {
            change.index(key::by_portal(person, ticket.received_at, ticket.id));
        }
        let at_any_hour = catalog.support.as_ref().is_some_and(|at| at.record.urgent_round_the_clock);
        let facts = json!({ "priority": ticket.errand.priority, "round_the_clock": at_any_hour });
        self.tell_reporter(&mut change, ticket, LetterKind::TicketReceived, facts)?;
        let reporter = ticket.errand.reporter.person.as_ref();
        self.tell_support(&mut change, catalog, ticket, LetterKind::TicketNew, reporter)?;
        let who = reporter.map_or("anyone", |person| person.as_str());
        let line = AccessEntry::new(who, "reporter", "ticket-submit", request.request);
        self.log_in(&mut change, &line.at(&ticket.clinic).of(vec![ticket.id]), now)?;
        Ok(change)
    }

    fn new_ticket(
        &self,
        desk: &SupportDesk,
        number: TicketNumber,
        report: &Report,
        now: Timestamp,
    ) -> Result<Ticket, Refusal> {
        let priority = report.matter.priority();
        let errand = SupportErrand {
            number,
            matter: report.matter.clone(),
            service: report.service.clone(),
            priority,
            reporter: report.reporter.clone(),
            incident: None,
            told_mended: None,
        };
        let promise = desk.promises.of(priority);
        let promised = desk.promised(promise, priority, now).map_err(|_| SupportRefusal::NotSetUp)?;
        Ok(Case::received(self.new_id(now)?, desk.unit.clone(), errand, (promise, promised), desk.follow_up_days, now))
    }

    /// The version of the year's counter and the number after its last.
    async fn next_number(&self, now: Timestamp) -> Result<(Option<u64>, TicketNumber), Refusal> {
        let year = TicketNumber::year_at(now);
        match self.common.get(&key::ticket_counter(year)).await? {
            Some(found) => {
                let TicketCounter { last } = decode(&found.value)?;
                Ok((Some(found.version), TicketNumber::next(year, last)))
            }
            None => Ok((None, TicketNumber::next(year, 0))),
        }
    }

    /// A person's keys are the person's own. Without a card a key is everybody's: whoever meets another's is told so and
    /// takes a new one, and only who sends the same bytes gets the same ticket.
    fn report_id(&self, request: &ReportRequest<'_>) -> Uuid {
        let who = match request.from {
            ReporterFrom::Staff(visitor) => visitor.hsa_id.as_str(),
            ReporterFrom::Anyone(_) => "",
        };
        let hash = self.common.hash(&[b"ticket-request", who.as_bytes(), request.key.as_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        Uuid::from_bytes(id)
    }

    async fn replay_report(&self, id: Uuid, request: &ReportRequest<'_>) -> Result<Option<Reported>, Refusal> {
        let Some(found) = self.common.get(&key::idempotency(id)).await? else { return Ok(None) };
        let stored: StoredReport = decode(&found.value)?;
        if stored.fingerprint != hex(&request.body_digest) {
            return Err(Refusal::IdempotencyReused);
        }
        let held = self.hold(stored.ticket).await?;
        let token = self.ticket_token(stored.ticket);
        Ok(Some(Reported { ticket: held.case, version: held.version, token, replayed: true }))
    }

    fn limit(&self, request: &ReportRequest<'_>, reporter: &Reporter) -> Result<(), Refusal> {
        let place = match &request.from {
            ReporterFrom::Staff(visitor) => visitor.hsa_id.as_str().as_bytes(),
            ReporterFrom::Anyone(address) => address.as_bytes(),
        };
        self.limits.tickets.check(place).map_err(SupportRefusal::TooManyFromHere)?;
        let folded = reporter.email.expose().to_ascii_lowercase();
        self.limits.reporter.check(folded.as_bytes()).map_err(SupportRefusal::TooManyByReporter)?;
        Ok(())
    }
}

/// What only the region can tell, and what nobody may write.
fn check(catalog: &Catalog, report: &Report) -> Result<(), SupportRefusal> {
    let needs_none = matches!(report.matter, Matter::Order(Order::ConnectClinic(_))) && report.service.is_empty();
    if !needs_none && catalog.services.get(&report.service).is_none_or(|at| at.record.archived) {
        return Err(SupportRefusal::UnknownService);
    }
    let mut texts = vec![("text", report.text.expose())];
    texts.extend(report.reporter.reference.as_ref().map(|text| ("reference", text.expose())));
    match &report.matter {
        Matter::FaultReport(fault) => {
            texts.extend(fault.environment.as_ref().map(|text| ("environment", text.expose())));
            // What stops everybody, or harms somebody, is no matter of one card.
            let checked = fault.login.is_none_or(|login| login.local_it_checked);
            if !checked && report.matter.priority() != Priority::One {
                return Err(SupportRefusal::LocalItFirst);
            }
        }
        Matter::Order(Order::ConnectClinic(order)) => {
            texts.push(("name", &order.name));
            if catalog.clinic(&order.clinic).is_some() {
                return Err(SupportRefusal::ClinicExists);
            }
        }
        Matter::UserSupport | Matter::Order(Order::Service) => {}
    }
    match texts.into_iter().find(|(_, text)| holds_person_id(text)) {
        Some((field, _)) => Err(SupportRefusal::PersonId { field }),
        None => Ok(()),
    }
}
