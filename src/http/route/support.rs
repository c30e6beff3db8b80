//! The support's routes: tickets, questions asked often.

use super::{Method, Need, Route, SMALL_BYTES, STAFF, STAFF_PUBLIC, Speaks};
use crate::http::handlers::{faq, tickets};

use Need::{IdempotencyKey, IfMatch, IfMatchOrNone};

#[rustfmt::skip]
pub static SUPPORT: &[Route] = &[
    route!(Get "/v1/support", STAFF_PUBLIC, "support", "Hur supporten nås, och för vilka tjänster", "How the support is reached, and for which services",
        None, 0, (200, Some("WireSupport")), &[], &[], tickets::support),
    route!(Post "/v1/tickets", STAFF_PUBLIC, "submitTicket", "Anmäl fel, be om hjälp eller beställ", "Report a fault, ask for help, or order",
        Some("SubmitTicket"), SMALL_BYTES, (201, Some("TicketReceived")), &[], &[IdempotencyKey], tickets::submit),
    route!(Get "/v1/tickets", STAFF, "listTickets", "Supportens ärenden", "The support's tickets",
        None, 0, (200, Some("TicketPage")), &["list", "limit", "cursor"], &[], tickets::list),
    route!(Get "/v1/tickets/{id}", STAFF_PUBLIC, "readTicket", "Läs ett supportärende", "Read a ticket",
        None, 0, (200, Some("WireTicket")), &[], &[], tickets::read),
    route!(Post "/v1/tickets/{id}/messages", STAFF_PUBLIC, "writeToTicket", "Anmälaren skriver till ärendet", "The reporter writes to the ticket",
        Some("WriteText"), SMALL_BYTES, (201, Some("TicketChanged")), &[], &[], tickets::message),
    route!(Post "/v1/tickets/{id}/distribution", STAFF, "distributeTicket", "Ta ärendet eller fördela det", "Take or distribute the ticket",
        Some("DistributeCase"), SMALL_BYTES, (200, Some("TicketChanged")), &[], &[IfMatch], tickets::distribute),
    route!(Post "/v1/tickets/{id}/return", STAFF, "returnTicket", "Lämna tillbaka till supporten", "Return to the support",
        None, SMALL_BYTES, (200, Some("TicketChanged")), &[], &[IfMatch], tickets::give_back),
    route!(Post "/v1/tickets/{id}/interim-answer", STAFF, "giveTicketInterimAnswer", "Ge delsvar", "Give an interim answer",
        Some("WriteText"), SMALL_BYTES, (200, Some("TicketChanged")), &[], &[IfMatch], tickets::interim_answer),
    route!(Post "/v1/tickets/{id}/question", STAFF, "askReporter", "Ställ motfråga", "Ask a counter-question",
        Some("WriteText"), SMALL_BYTES, (200, Some("TicketChanged")), &[], &[IfMatch], tickets::question),
    route!(Post "/v1/tickets/{id}/answer", STAFF, "answerTicket", "Svara", "Answer",
        Some("WriteText"), SMALL_BYTES, (200, Some("TicketChanged")), &[], &[IfMatch], tickets::answer),
    route!(Post "/v1/tickets/{id}/closure", STAFF, "closeTicket", "Avsluta utan svar", "Close without an answer",
        Some("CloseCase"), SMALL_BYTES, (200, Some("TicketChanged")), &[], &[IfMatch], tickets::close),
    route!(Put "/v1/tickets/{id}/incident", STAFF, "tieTicket", "Koppla ärendet till en störning", "Tie the ticket to an incident",
        Some("TieTicket"), SMALL_BYTES, (200, Some("TicketChanged")), &[], &[IfMatch], tickets::tie),
    route!(Get "/v1/status/incidents/{id}/tickets", STAFF, "tiedTickets", "Hur många som har anmält störningen", "How many reported the incident",
        None, 0, (200, Some("TiedTickets")), &[], &[], tickets::tied),
    route!(Get "/v1/faq", STAFF_PUBLIC, "listFaq", "Frågor och svar", "Questions asked often",
        None, 0, (200, Some("FaqList")), &[], &[], faq::list),
    route!(Get "/v1/faq/{slug}", STAFF_PUBLIC, "readFaq", "En fråga med svar", "One question with its answer",
        None, 0, (200, Some("WireFaq")), &[], &[], faq::read),
    route!(Put "/v1/faq/{slug}", STAFF, "putFaq", "Lägg till eller ändra en fråga", "Add or change a question",
        Some("PutFaq"), SMALL_BYTES, (204, None), &[], &[IfMatchOrNone], faq::put),
    route!(Delete "/v1/faq/{slug}", STAFF, "deleteFaq", "Ta bort en fråga", "Delete a question",
        None, 0, (204, None), &[], &[IfMatch], faq::delete),
];
