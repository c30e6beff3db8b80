//! What comes back by mail, read: a bounce, a complaint, or the wish to leave. Whether the token in its address is ours, and
//! what follows, is not here; nor is an answer: none of this is ever answered (RFC 3834 section 2).
//!
//! Anybody may write to these addresses. What is kept of a letter are codes, ids of our own making and the token.

use std::fmt;

use super::{
    EnvelopeId,
    classify::{Verdict, verdict},
    message::MessageId,
    mime::{Header, Part, parts},
    reply::Reply,
};

pub use super::reply::EnhancedCode;

/// Reports hold at most the letter that they are about. In octets.
pub const INCOMING_OCTETS_MAX: usize = 1024 * 1024;
/// Recipients of one report that are looked at: a letter of ours has one.
const RECIPIENTS_MAX: usize = 20;
/// Octets of a token: the rest of a local part (RFC 5321 section 4.5.3.1.1).
const TOKEN_OCTETS_MAX: usize = 64;
/// Where mail systems write down to whom a letter was really delivered, the surest first.
const RECIPIENT_HEADERS: [&str; 4] = ["X-Original-To", "Delivered-To", "Envelope-To", "To"];

/// What stands before the `+` in addresses that letters of ours invite mail to.
#[derive(Debug, Clone)]
pub struct Mailboxes {
    /// Of the envelope's sender, such as `b`.
    pub bounce: String,
    /// Of the mailto in List-Unsubscribe, such as `avsluta`.
    pub leave: String,
}

/// A letter that came back to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    Bounce(Bounce),
    Leave { token: AddressToken },
}

/// A report about a letter of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounce {
    pub token: AddressToken,
    pub kind: BounceKind,
    pub status: Option<EnhancedCode>,
    /// As `Envelope::id` had it.
    pub envelope_id: Option<EnvelopeId>,
    pub message_id: Option<MessageId>,
}

/// What the report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BounceKind {
    Failure(BounceClass),
    /// Still being tried by the mail system that has it: nothing to do but know.
    Delayed,
    /// The reader called it spam (RFC 5965).
    Complaint,
}

/// What a failure says about the address (RFC 3463).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BounceClass {
    /// There is no such address.
    Hard,
    /// A full mailbox, a system in trouble, a reason not given: counts, and many make one hard.
    Soft,
    /// Somebody distrusts us: for an operator, never against the address.
    Policy,
}

/// The part of an address after the `+`. Proves nothing until it is verified; whoever has it may leave in another's name, so it
/// never prints. Mail systems may have changed the case of its letters.
#[derive(Clone, PartialEq, Eq)]
pub struct AddressToken(String);

/// Why a letter is none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IncomingError {
    #[error("the letter is larger than {INCOMING_OCTETS_MAX} octets")]
    TooLarge,
    #[error("the letter has more parts, or deeper ones, than any report")]
    TooManyParts,
    #[error("the letter is addressed to none of the mailboxes for bounces and for leaving")]
    NotAddressed,
    #[error("the letter is neither a delivery report (RFC 3464) nor a complaint (RFC 5965)")]
    NoReport,
    #[error("the report tells of no failure")]
    NoFailure,
}

/// Reads one letter as it lies in a mailbox.
pub fn read(letter: &[u8], mailboxes: &Mailboxes) -> Result<Incoming, IncomingError> {
    if letter.len() > INCOMING_OCTETS_MAX {
        return Err(IncomingError::TooLarge);
    }
    let message = String::from_utf8_lossy(letter).replace("\r\n", "\n");
    let (header, body) = Header::split(&message);
    if let Some(token) = addressed(&header, &mailboxes.leave) {
        return Ok(Incoming::Leave { token });
    }
    let parts = parts(&header, body).map_err(|_| IncomingError::TooManyParts)?;
    let find = |kinds: &[&str]| parts.iter().find(|part| kinds.contains(&part.kind.as_str()));
    let recipient = addressed(&header, &mailboxes.bounce);
    let report = if let Some(part) = find(&["message/delivery-status", "message/global-delivery-status"]) {
        delivery_report(part)?
    } else if let Some(part) = find(&["message/feedback-report"]) {
        feedback_report(part)?
    } else {
        return Err(if recipient.is_some() { IncomingError::NoReport } else { IncomingError::NotAddressed });
    };
    let returned = find(&["message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"]);
    let returned = returned.map(|part| Header::split(part.content).0);
    let of_returned = || token_in(returned.as_ref()?.first("Return-Path")?, &mailboxes.bounce);
    let of_report = || token_in(report.sender.as_deref()?, &mailboxes.bounce);
    Ok(Incoming::Bounce(Bounce {
        token: recipient.or_else(of_report).or_else(of_returned).ok_or(IncomingError::NotAddressed)?,
        kind: report.kind,
        status: report.status,
        envelope_id: report.envelope_id,
        message_id: returned.as_ref().and_then(|header| MessageId::read(header.first("Message-ID")?)),
    }))
}

struct Report {
    kind: BounceKind,
    status: Option<EnhancedCode>,
    envelope_id: Option<EnvelopeId>,
    /// Whom the report names as the letter's sender: a complaint does not come to the address that the letter came from.
    sender: Option<String>,
}

/// RFC 3464: fields about the letter, then a group of fields for each recipient.
fn delivery_report(part: &Part<'_>) -> Result<Report, IncomingError> {
    let groups = groups(part);
    let envelope_id = groups.first().and_then(envelope_id);
    let acting =
        |wanted: &str| groups.iter().find(|group| action(group).is_some_and(|a| a.eq_ignore_ascii_case(wanted)));
    let (kind, status) = if let Some(group) = acting("failed") {
        let status = failure_status(group);
        (BounceKind::Failure(status.map_or(BounceClass::Soft, class)), status)
    } else if let Some(group) = acting("delayed") {
        (BounceKind::Delayed, failure_status(group))
    } else {
        let told = groups.iter().any(|group| action(group).is_some());
        return Err(if told { IncomingError::NoFailure } else { IncomingError::NoReport });
    };
    Ok(Report { kind, status, envelope_id, sender: None })
}

/// RFC 5965.
fn feedback_report(part: &Part<'_>) -> Result<Report, IncomingError> {
    let groups = groups(part);
    let group = groups.first().ok_or(IncomingError::NoReport)?;
    let kind = group.first("Feedback-Type").ok_or(IncomingError::NoReport)?;
    if word(kind).eq_ignore_ascii_case("not-spam") {
        return Err(IncomingError::NoFailure);
    }
    let sender = group.first("Original-Mail-From").map(str::to_owned);
    Ok(Report { kind: BounceKind::Complaint, status: None, envelope_id: envelope_id(group), sender })
}

fn envelope_id(group: &Header<'_>) -> Option<EnvelopeId> {
    EnvelopeId::new(group.first("Original-Envelope-Id")?)
}

fn action<'a>(group: &'a Header<'_>) -> Option<&'a str> {
    group.first("Action").map(word)
}

/// The status, or the one in the words of the system that refused where the status says nothing.
fn failure_status(group: &Header<'_>) -> Option<EnhancedCode> {
    let status = group.first("Status").and_then(|text| EnhancedCode::read(word(text)));
    if status.is_some_and(|code| (code.1, code.2) != (0, 0)) {
        return status;
    }
    let diagnostic = group.first("Diagnostic-Code").unwrap_or_default();
    diagnostic.split_ascii_whitespace().find_map(EnhancedCode::read).or(status)
}

fn class(status: EnhancedCode) -> BounceClass {
    if status.0 != 5 {
        return BounceClass::Soft;
    }
    match verdict(Reply { code: 500, enhanced: Some(status) }) {
        Verdict::Dead => BounceClass::Hard,
        Verdict::Policy => BounceClass::Policy,
        Verdict::Soft | Verdict::Unfit | Verdict::Unsaid => BounceClass::Soft,
    }
}

/// Groups of fields, with blank lines between them.
fn groups<'a>(part: &Part<'a>) -> Vec<Header<'a>> {
    let groups = part.content.split("\n\n").map(|group| group.trim_matches('\n')).filter(|group| !group.is_empty());
    groups.take(RECIPIENTS_MAX + 1).map(|group| Header::split(group).0).collect()
}

/// The first word: comments and parameters may follow.
fn word(text: &str) -> &str {
    text.split([' ', '\t', '\r', '\n', ';', '(']).find(|word| !word.is_empty()).unwrap_or_default()
}

fn addressed(header: &Header<'_>, mailbox: &str) -> Option<AddressToken> {
    RECIPIENT_HEADERS.into_iter().find_map(|name| header.all(name).find_map(|value| token_in(value, mailbox)))
}

/// The token of the first address of that mailbox in a header's value.
fn token_in(value: &str, mailbox: &str) -> Option<AddressToken> {
    let is_delimiter = |c: char| c.is_whitespace() || "<>,;:\"()".contains(c);
    value.split(is_delimiter).find_map(|address| {
        let (local, _domain) = address.rsplit_once('@')?;
        let (name, token) = local.split_once('+')?;
        let sound = |b: u8| b.is_ascii_alphanumeric() || b".-_=".contains(&b);
        let is_token = (1..=TOKEN_OCTETS_MAX).contains(&token.len()) && token.bytes().all(sound);
        (name.eq_ignore_ascii_case(mailbox) && is_token).then(|| AddressToken(token.to_owned()))
    })
}

impl AddressToken {
    /// For verifying, nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AddressToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressToken(•)")
    }
}

#[cfg(test)]
#[path = "incoming_tests.rs"]
mod tests;
