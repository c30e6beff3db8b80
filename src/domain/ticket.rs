//! A support ticket: a case of the region's support, whose subject is a reporter instead of a citizen. States, promises,
//! messages and their bounds are `case`'s; here is what a report says and how urgent it is.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::calendar::local_date;
use super::case::{Case, Errand};
use super::id::{HsaId, Private};
use super::language::Language;
use super::mail_address::MailAddress;
use super::rejection::RejectionCode;

/// A case of the region's support.
pub type Ticket = Case<SupportErrand>;

/// What somebody reports, asks or orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupportErrand {
    pub number: TicketNumber,
    pub matter: Matter,
    /// The service that it is about, by its slug; empty for an order to connect a clinic.
    pub service: String,
    pub priority: Priority,
    pub reporter: Reporter,
    /// The disturbance that it belongs to: the reporter is told when that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Uuid>,
    /// When the reporter was told that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_mended: Option<Timestamp>,
}

impl Errand for SupportErrand {
    fn sender(&self) -> Option<&HsaId> {
        self.reporter.person.as_ref()
    }
}

/// The three kinds of ticket, with what only one of them has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Matter {
    FaultReport(Fault),
    UserSupport,
    Order(Order),
}

impl Matter {
    pub fn kind(&self) -> TicketKind {
        match self {
            Matter::FaultReport(_) => TicketKind::FaultReport,
            Matter::UserSupport => TicketKind::UserSupport,
            Matter::Order(_) => TicketKind::Order,
        }
    }

    /// Only a fault hurries; a question and an order wait their turn.
    pub fn priority(&self) -> Priority {
        match self {
            Matter::FaultReport(fault) => Priority::of(fault.extent, fault.work_goes_on, fault.patient_safety),
            Matter::UserSupport | Matter::Order(_) => Priority::Four,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TicketKind {
    FaultReport,
    UserSupport,
    Order,
}

/// Whom a fault meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// Everybody, as far as the reporter can see.
    Everyone,
    /// Several at the workplace.
    Many,
    One,
}

/// What was answered about a fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    pub extent: Extent,
    /// The work can be done in another way meanwhile.
    pub work_goes_on: bool,
    /// Patients may come to harm.
    pub patient_safety: bool,
    /// Set when the fault is that somebody cannot log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginFault>,
    /// Browser, operating system, place: whatever the reporter thinks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Private>,
}

/// Somebody cannot log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginFault {
    /// Local IT has ruled out card, reader, PIN, Net iD and computer.
    pub local_it_checked: bool,
    /// What the gateway answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<RejectionCode>,
}

/// What is ordered here. Cards, PINs, readers and Net iD are not: see [`LocalItem`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Order {
    /// A service as the reporter describes it.
    Service,
    /// To connect a clinic. Costs nothing.
    ConnectClinic(ClinicOrder),
}

/// What is asked when a clinic is to be connected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClinicOrder {
    pub clinic: HsaId,
    pub name: String,
    /// Told to citizens.
    pub telephone: String,
    /// Answers for the clinic's routines.
    pub manager: HsaId,
    /// Case types wished, by the names that other clinics of the region have them under.
    pub case_types: Vec<String>,
}

/// Case types of one order; a region offers a few dozen.
pub const CASE_TYPES_MAX: usize = 100;

/// What local IT or the card's issuer provides, and this support does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LocalItem {
    Card,
    Pin,
    Reader,
    NetId,
}

impl LocalItem {
    pub fn parse(text: &str) -> Option<LocalItem> {
        match text {
            "card" => Some(LocalItem::Card),
            "pin" => Some(LocalItem::Pin),
            "reader" => Some(LocalItem::Reader),
            "net-id" => Some(LocalItem::NetId),
            _ => None,
        }
    }
}

/// Who reports, and where the answer goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reporter {
    pub name: Private,
    pub email: MailAddress,
    pub language: Language,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telephone: Option<Private>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<HsaId>,
    /// Known when the report came by the staff door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<HsaId>,
    /// The reporter's own case number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Private>,
}

/// How urgent; 1 is told by telephone, at any hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Priority {
    One = 1,
    Two = 2,
    Three = 3,
    Four = 4,
}

impl Priority {
    /// Harm to patients, or a standstill for everybody, is told at once by telephone. Otherwise each step down, from
    /// everybody over many to one and from standstill to a detour, is a step less urgent.
    pub fn of(extent: Extent, work_goes_on: bool, patient_safety: bool) -> Priority {
        match (patient_safety, extent, work_goes_on) {
            (true, _, _) | (_, Extent::Everyone, false) => Priority::One,
            (_, Extent::Everyone, true) | (_, Extent::Many, false) => Priority::Two,
            (_, Extent::Many, true) | (_, Extent::One, false) => Priority::Three,
            (_, Extent::One, true) => Priority::Four,
        }
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> u8 {
        match priority {
            Priority::One => 1,
            Priority::Two => 2,
            Priority::Three => 3,
            Priority::Four => 4,
        }
    }
}

impl TryFrom<u8> for Priority {
    type Error = &'static str;
    fn try_from(number: u8) -> Result<Priority, &'static str> {
        match number {
            1 => Ok(Priority::One),
            2 => Ok(Priority::Two),
            3 => Ok(Priority::Three),
            4 => Ok(Priority::Four),
            _ => Err("a priority is 1, 2, 3 or 4"),
        }
    }
}

/// What people call a ticket by: `S-2026-000123`. It opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TicketNumber {
    /// Of the local day on which it came.
    year: i16,
    serial: u32,
}

/// Why a text is no ticket's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a ticket's number is written S-2026-000123")]
pub struct TicketNumberError;

impl TicketNumber {
    /// The one after `last` of that year, the first one after none.
    pub fn next(year: i16, last: u32) -> TicketNumber {
        TicketNumber { year, serial: last.saturating_add(1) }
    }

    /// The year whose numbers are given out at that time.
    pub fn year_at(now: Timestamp) -> i16 {
        local_date(now).year()
    }

    pub fn year(self) -> i16 {
        self.year
    }

    pub fn serial(self) -> u32 {
        self.serial
    }

    /// As people type it: blanks around it, small letters.
    pub fn parse(text: &str) -> Result<TicketNumber, TicketNumberError> {
        let text = text.trim().to_ascii_uppercase();
        let digits = |text: &str, least: usize| text.len() >= least && text.bytes().all(|b| b.is_ascii_digit());
        let (year, serial) = text.strip_prefix("S-").and_then(|rest| rest.split_once('-')).ok_or(TicketNumberError)?;
        if !digits(year, 4) || year.len() != 4 || !digits(serial, 6) {
            return Err(TicketNumberError);
        }
        match (year.parse(), serial.parse()) {
            (Ok(year), Ok(serial)) if serial > 0 => Ok(TicketNumber { year, serial }),
            _ => Err(TicketNumberError),
        }
    }
}

impl fmt::Display for TicketNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S-{:04}-{:06}", self.year, self.serial)
    }
}

impl TryFrom<String> for TicketNumber {
    type Error = TicketNumberError;
    fn try_from(text: String) -> Result<TicketNumber, TicketNumberError> {
        TicketNumber::parse(&text)
    }
}

impl From<TicketNumber> for String {
    fn from(number: TicketNumber) -> String {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_priorities() {
        for (extent, goes_on, still) in [
            (Extent::Everyone, Priority::Two, Priority::One),
            (Extent::Many, Priority::Three, Priority::Two),
            (Extent::One, Priority::Four, Priority::Three),
        ] {
            assert_eq!(Priority::of(extent, true, false), goes_on, "{extent:?}, work goes on");
            assert_eq!(Priority::of(extent, false, false), still, "{extent:?}, work stands still");
            for work in [true, false] {
                assert_eq!(Priority::of(extent, work, true), Priority::One, "harm to patients comes first");
            }
        }
        assert_eq!(Matter::UserSupport.priority(), Priority::Four);
        assert_eq!(Matter::Order(Order::Service).priority(), Priority::Four);
    }

    #[test]
    fn a_number_reads_back_however_it_was_typed() {
        let number = TicketNumber::next(2026, 122);
        assert_eq!(number.to_string(), "S-2026-000123");
        assert_eq!(TicketNumber::parse(" s-2026-000123\n"), Ok(number));
        assert_eq!(TicketNumber::next(2026, 1_999_999).to_string(), "S-2026-2000000");
        for bad in ["", "2026-000123", "S-26-000123", "S-2026-123", "S-2026-000000", "S-2026-00012x", "S-02026-000123"]
        {
            assert_eq!(TicketNumber::parse(bad), Err(TicketNumberError), "{bad}");
        }
    }

    #[test]
    fn the_year_of_a_number_is_the_local_one() {
        assert_eq!(TicketNumber::year_at("2026-12-31T22:59:59Z".parse().unwrap()), 2026);
        assert_eq!(TicketNumber::year_at("2026-12-31T23:00:00Z".parse().unwrap()), 2027);
    }

    #[test]
    fn a_report_prints_nobody() {
        let reporter = Reporter {
            name: Private::new("Anna Åkesson".into()),
            email: MailAddress::parse("anna.akesson@region.example").unwrap(),
            language: Language::Sv,
            telephone: Some(Private::new("031-390 06 11".into())),
            unit: None,
            person: None,
            reference: Some(Private::new("L-778".into())),
        };
        let printed = format!("{reporter:?}");
        for secret in ["Anna", "anna.", "390", "778"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}
