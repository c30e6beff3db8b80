//! Keys of the region's support, in the store `common`. The tickets themselves are cases and lie under a case's keys.

use uuid::Uuid;

use super::{Key, key, prefix};
use crate::domain::ticket::TicketNumber;

pub fn support_desk() -> Key {
    key(&[b"support-desk"])
}

pub fn support_service(slug: &str) -> Key {
    key(&[b"support-service", slug.as_bytes()])
}

pub fn support_services() -> Key {
    prefix(&[b"support-service"])
}

pub fn faq(slug: &str) -> Key {
    key(&[b"faq", slug.as_bytes()])
}

pub fn faqs() -> Key {
    prefix(&[b"faq"])
}

/// The last number given out in a year.
pub fn ticket_counter(year: i16) -> Key {
    key(&[b"ticket-counter", &year.to_be_bytes()])
}

/// Which ticket has a number.
pub fn ticket_number(number: TicketNumber) -> Key {
    key(&[b"ticket-number", &number.year().to_be_bytes(), &number.serial().to_be_bytes()])
}

/// All tickets, the oldest number first.
pub fn ticket_numbers() -> Key {
    prefix(&[b"ticket-number"])
}

/// Tickets that belong to an incident.
pub fn ticket_of_incident(incident: Uuid, ticket: Uuid) -> Key {
    key(&[b"i-ticket-incident", incident.as_bytes(), ticket.as_bytes()])
}

pub fn tickets_of_incident(incident: Uuid) -> Key {
    prefix(&[b"i-ticket-incident", incident.as_bytes()])
}

/// How far the events have been read for those whose tickets wait for the end of an incident.
pub fn mended_cursor() -> Key {
    key(&[b"ticket-mended-cursor"])
}

/// The ticket of an index key that ends with one.
pub fn last_uuid(key: &Key) -> Option<Uuid> {
    let bytes = key.as_bytes();
    Uuid::from_slice(bytes.get(bytes.len().checked_sub(16)?..)?).ok()
}
