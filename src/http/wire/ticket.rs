//! A support ticket on the wire, and the support as everybody may see it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::case::{WireDocument, WireHistory, text};
use super::region::WireTexts;
use crate::domain::case::{Awaiting, State};
use crate::domain::clinic::{Texts, is_case_type_id};
use crate::domain::id::{HsaId, Private};
use crate::domain::language::Language;
use crate::domain::mail_address::MailAddress;
use crate::domain::staff::PROTECTED_NAME;
use crate::domain::support::{SupportDesk, SupportService};
use crate::domain::ticket::{
    CASE_TYPES_MAX, ClinicOrder, Extent, Fault, LocalItem, LoginFault, Matter, Order, Reporter, Ticket,
};
use crate::http::problem::Problem;
use crate::http::support::from_local_it;
use crate::usecase::read_cases::{CaseView, Page};
use crate::usecase::tickets::{Report, Reported};

/// Longest name, telephone number or reference, in characters.
pub const LINE_LEN_MAX: usize = 200;
/// Longest description or message, in characters.
pub const TEXT_LEN_MAX: usize = 10_000;

/// What somebody reports, asks or orders.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitTicket {
    /// `fault-report` (with `fault`), `user-support`, or `order` (with `order`).
    pub kind: String,
    /// One of the services of `/v1/support`; left out where a clinic is to be connected.
    #[serde(default)]
    pub service: String,
    /// At most 10,000 characters, without anybody's identity number.
    pub text: String,
    #[serde(default)]
    pub fault: Option<WireFault>,
    #[serde(default)]
    pub order: Option<WireOrder>,
    /// May be left out at the staff door: the directory knows.
    #[serde(default)]
    pub reporter: Option<WireReporter>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireFault {
    /// `everyone`, `many` or `one`.
    #[schema(value_type = String)]
    pub extent: Extent,
    /// The work can be done in another way meanwhile.
    pub work_goes_on: bool,
    /// Patients may come to harm.
    pub patient_safety: bool,
    /// When somebody cannot log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<WireLoginFault>,
    /// Browser, operating system, place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireLoginFault {
    /// Local IT has ruled out card, reader, PIN, Net iD and computer.
    pub local_it_checked: bool,
    /// The code that the gateway answered, from its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub rejection: Option<crate::domain::rejection::RejectionCode>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireOrder {
    /// `connect-clinic` or `service`. Local IT provides `card`, `pin`, `reader` and `net-id`: asking for them here is
    /// answered with how to reach it.
    pub what: String,
    /// What is asked when a clinic is to be connected, which costs nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clinic: Option<WireClinicOrder>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireClinicOrder {
    #[schema(value_type = String)]
    pub hsa_id: HsaId,
    pub name: String,
    pub telephone: String,
    /// The manager's HSA-id.
    #[schema(value_type = String)]
    pub manager: HsaId,
    /// Wished, by their ids.
    #[serde(default)]
    pub case_types: Vec<String>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireReporter {
    pub name: String,
    #[schema(value_type = String, format = Email)]
    pub email: MailAddress,
    /// `sv` (default) or `en`.
    #[serde(default)]
    #[schema(value_type = String)]
    pub language: Language,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telephone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub unit: Option<HsaId>,
    /// The reporter's own case number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl SubmitTicket {
    /// As the story takes it. `known` is who reports at the staff door, as the directory has it.
    pub fn read(self, desk: &SupportDesk, known: Option<Reporter>) -> Result<Report, Problem> {
        let person = known.as_ref().and_then(|reporter| reporter.person.clone());
        let reporter = match (self.reporter, known) {
            (Some(wire), _) => Reporter { person, ..wire.read()? },
            (None, Some(known)) => known,
            (None, None) => {
                return Err(Problem::new("missing-field").at(
                    "/reporter",
                    "Fältet reporter saknas: skriv namn och e-postadress.",
                    "The field reporter is missing: give name and e-mail address.",
                ));
            }
        };
        let matter = match (self.kind.as_str(), self.fault, self.order) {
            ("fault-report", Some(fault), None) => Matter::FaultReport(fault.read()?),
            ("user-support", None, None) => Matter::UserSupport,
            ("order", None, Some(order)) => Matter::Order(order.read(desk)?),
            _ => {
                return Err(Problem::new("malformed-value").at(
                    "/kind",
                    "fault-report (med fault), user-support eller order (med order).",
                    "fault-report (with fault), user-support, or order (with order).",
                ));
            }
        };
        Ok(Report { matter, service: self.service, reporter, text: text(self.text, "/text", TEXT_LEN_MAX)? })
    }
}

impl WireFault {
    fn read(self) -> Result<Fault, Problem> {
        let login = self.login.map(|l| LoginFault { local_it_checked: l.local_it_checked, rejection: l.rejection });
        Ok(Fault {
            extent: self.extent,
            work_goes_on: self.work_goes_on,
            patient_safety: self.patient_safety,
            login,
            environment: line(self.environment, "/fault/environment")?,
        })
    }

    fn of(fault: &Fault) -> WireFault {
        let login =
            fault.login.map(|l| WireLoginFault { local_it_checked: l.local_it_checked, rejection: l.rejection });
        WireFault {
            extent: fault.extent,
            work_goes_on: fault.work_goes_on,
            patient_safety: fault.patient_safety,
            login,
            environment: exposed(fault.environment.as_ref()),
        }
    }
}

impl WireOrder {
    fn read(self, desk: &SupportDesk) -> Result<Order, Problem> {
        match (self.what.as_str(), self.clinic) {
            ("service", None) => Ok(Order::Service),
            ("connect-clinic", Some(clinic)) => Ok(Order::ConnectClinic(clinic.read()?)),
            (what, _) if LocalItem::parse(what).is_some() => Err(from_local_it(&desk.local_it)),
            _ => Err(Problem::new("malformed-value").at(
                "/order/what",
                "service, eller connect-clinic med clinic.",
                "service, or connect-clinic with clinic.",
            )),
        }
    }

    fn of(order: &Order) -> WireOrder {
        match order {
            Order::Service => WireOrder { what: "service".into(), clinic: None },
            Order::ConnectClinic(clinic) => WireOrder {
                what: "connect-clinic".into(),
                clinic: Some(WireClinicOrder {
                    hsa_id: clinic.clinic.clone(),
                    name: clinic.name.clone(),
                    telephone: clinic.telephone.clone(),
                    manager: clinic.manager.clone(),
                    case_types: clinic.case_types.clone(),
                }),
            },
        }
    }
}

impl WireClinicOrder {
    pub fn read(self) -> Result<ClinicOrder, Problem> {
        if self.case_types.len() > CASE_TYPES_MAX || !self.case_types.iter().all(|id| is_case_type_id(id)) {
            return Err(Problem::new("malformed-value").at(
                "/order/clinic/caseTypes",
                format!("Högst {CASE_TYPES_MAX}, skrivna som i mottagningarnas listor."),
                format!("At most {CASE_TYPES_MAX}, written as in the clinics' lists."),
            ));
        }
        let plain = |value, pointer| text(value, pointer, LINE_LEN_MAX).map(|text| text.expose().trim().to_owned());
        Ok(ClinicOrder {
            clinic: self.hsa_id,
            name: plain(self.name, "/order/clinic/name")?,
            telephone: plain(self.telephone, "/order/clinic/telephone")?,
            manager: self.manager,
            case_types: self.case_types,
        })
    }
}

impl WireReporter {
    pub fn read(self) -> Result<Reporter, Problem> {
        Ok(Reporter {
            name: text(self.name, "/reporter/name", LINE_LEN_MAX)?,
            email: self.email,
            language: self.language,
            telephone: line(self.telephone, "/reporter/telephone")?,
            unit: self.unit,
            person: None,
            reference: line(self.reference, "/reporter/reference")?,
        })
    }
}

/// Who reported, as others see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownReporter {
    pub name: String,
    /// Left out where the reporter's identity is protected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub email: Option<MailAddress>,
    #[schema(value_type = String)]
    pub language: Language,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telephone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub unit: Option<HsaId>,
    /// The reporter's own case number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl ShownReporter {
    fn of(reporter: &Reporter) -> ShownReporter {
        ShownReporter {
            name: reporter.name.expose().to_owned(),
            email: Some(reporter.email.clone()),
            language: reporter.language,
            telephone: exposed(reporter.telephone.as_ref()),
            unit: reporter.unit.clone(),
            reference: exposed(reporter.reference.as_ref()),
        }
    }
}

/// A line that may be left out or left empty.
fn line(value: Option<String>, pointer: &str) -> Result<Option<Private>, Problem> {
    value.filter(|value| !value.trim().is_empty()).map(|value| text(value, pointer, LINE_LEN_MAX)).transpose()
}

fn exposed(text: Option<&Private>) -> Option<String> {
    text.map(|text| text.expose().to_owned())
}

/// The receipt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketReceived {
    pub number: String,
    /// Opens the ticket to its reporter at the public door: `/support/arende/{token}` and `/v1/tickets/{token}`.
    pub token: String,
    /// 1 to 4; 1 is told by telephone.
    pub priority: u8,
    #[schema(value_type = String, format = DateTime)]
    pub answered_by: Timestamp,
    /// Ring this now: a fault of priority 1 is taken by telephone, at any hour. The ticket is kept all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_now: Option<String>,
}

impl TicketReceived {
    pub fn of(reported: &Reported, telephone: &str) -> TicketReceived {
        let errand = &reported.ticket.errand;
        let urgent = errand.priority == crate::domain::ticket::Priority::One;
        TicketReceived {
            number: errand.number.to_string(),
            token: reported.token.clone(),
            priority: errand.priority.into(),
            answered_by: reported.ticket.answered_by,
            call_now: urgent.then(|| telephone.to_owned()),
        }
    }
}

/// One line of a list: nothing that was written but the reporter's own number, and nobody's name.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketEnvelope {
    pub id: Uuid,
    pub number: String,
    #[schema(value_type = String)]
    pub kind: crate::domain::ticket::TicketKind,
    pub service: String,
    pub priority: u8,
    pub state: &'static str,
    /// Whose turn it is: `support` or `reporter`; none when ended.
    pub awaiting: Option<&'static str>,
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub distributed_by: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub answered_by: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub handler: Option<HsaId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<Uuid>,
    /// The reporter's own case number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// For `If-Match`.
    pub etag: String,
}

impl TicketEnvelope {
    fn of(ticket: &Ticket, version: u64, state: State) -> TicketEnvelope {
        let errand = &ticket.errand;
        let awaiting = match (state, ticket.awaiting) {
            (State::Closed | State::Withdrawn | State::Answered, _) => None,
            (_, Awaiting::Staff) => Some("support"),
            (_, Awaiting::Citizen) => Some("reporter"),
        };
        TicketEnvelope {
            id: ticket.id,
            number: errand.number.to_string(),
            kind: errand.matter.kind(),
            service: errand.service.clone(),
            priority: errand.priority.into(),
            state: state.as_str(),
            awaiting,
            received_at: ticket.received_at,
            distributed_by: ticket.distributed_by,
            answered_by: ticket.answered_by,
            handler: ticket.handler.clone(),
            incident: errand.incident,
            reference: exposed(errand.reporter.reference.as_ref()),
            etag: format!("\"{version}\""),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct TicketPage {
    pub items: Vec<TicketEnvelope>,
    /// Given back as `cursor`; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl TicketPage {
    pub fn of(page: &Page<crate::domain::ticket::SupportErrand>) -> TicketPage {
        let items = page.items.iter().map(|item| TicketEnvelope::of(&item.case, item.version, item.state)).collect();
        TicketPage { items, next: page.next.clone() }
    }
}

/// A whole ticket.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireTicket {
    #[serde(flatten)]
    pub envelope: TicketEnvelope,
    pub reporter: ShownReporter,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<WireFault>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<WireOrder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub answered_at: Option<Timestamp>,
    /// The reporter may come back until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub follow_up_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closure_reason: Option<String>,
    pub documents: Vec<WireDocument>,
    /// For the support only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<WireHistory>,
}

impl WireTicket {
    /// As the support sees it.
    pub fn of(view: &CaseView<crate::domain::ticket::SupportErrand>) -> WireTicket {
        let ticket = &view.case;
        let (fault, order) = match &ticket.errand.matter {
            Matter::FaultReport(fault) => (Some(WireFault::of(fault)), None),
            Matter::UserSupport => (None, None),
            Matter::Order(order) => (None, Some(WireOrder::of(order))),
        };
        WireTicket {
            envelope: TicketEnvelope::of(ticket, view.version, view.state),
            reporter: ShownReporter::of(&ticket.errand.reporter),
            fault,
            order,
            answered_at: ticket.answered_at,
            follow_up_until: ticket.follow_up_until(),
            closure_reason: exposed(ticket.closure_reason.as_ref()),
            documents: view.documents.iter().map(WireDocument::of).collect(),
            history: ticket.history.iter().map(WireHistory::of).collect(),
        }
    }

    /// As others see it where the reporter's identity is protected.
    pub fn shielded(mut self) -> WireTicket {
        PROTECTED_NAME.clone_into(&mut self.reporter.name);
        self.reporter.email = None;
        // Where somebody works is where somebody is.
        self.reporter.unit = None;
        self.reporter.telephone = None;
        self
    }

    /// As the reporter sees it: it is the support that answers, not somebody of it.
    pub fn for_reporter(view: &CaseView<crate::domain::ticket::SupportErrand>) -> WireTicket {
        let mut wire = WireTicket::of(view);
        wire.envelope.handler = None;
        wire.history.clear();
        wire.documents.iter_mut().for_each(|document| document.by = None);
        wire
    }
}

/// What became of a ticket after an act.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketChanged {
    pub number: String,
    pub state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub handler: Option<HsaId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<Uuid>,
    pub etag: String,
}

impl TicketChanged {
    pub fn of(version: u64, ticket: &Ticket) -> TicketChanged {
        TicketChanged {
            number: ticket.errand.number.to_string(),
            state: ticket.state.as_str(),
            handler: ticket.handler.clone(),
            incident: ticket.errand.incident,
            etag: format!("\"{version}\""),
        }
    }
}

/// The incident that a ticket belongs to; null for none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TieTicket {
    pub incident: Option<Uuid>,
}

/// How many reported what an incident is about.
#[derive(Serialize, ToSchema)]
pub struct TiedTickets {
    pub tickets: usize,
}

/// How the support is reached, and what for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireSupport {
    pub telephone: String,
    pub telephone_hours: WireTexts,
    /// How local IT is reached: cards, PINs, readers, Net iD.
    pub local_it: WireTexts,
    pub services: Vec<WireService>,
}

#[derive(Serialize, ToSchema)]
pub struct WireService {
    pub slug: String,
    pub name: WireTexts,
}

impl WireSupport {
    pub fn of(desk: &SupportDesk, services: &[&SupportService], (telephone, hours): (&str, &Texts)) -> WireSupport {
        WireSupport {
            telephone: telephone.to_owned(),
            telephone_hours: WireTexts::of(hours),
            local_it: WireTexts::of(&desk.local_it),
            services: services
                .iter()
                .map(|service| WireService { slug: service.slug.clone(), name: WireTexts::of(&service.name) })
                .collect(),
        }
    }
}
