//! A letter that is owed: to whom, which one, in which language. About a case it says only that something waits.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::language::Language;
use super::mail_address::MailAddress;

/// The letters that go to one person each. Notices to subscribers are the fan-out's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LetterKind {
    /// To the citizen: an answer waits.
    AnswerWaits,
    /// To the citizen: a question waits.
    QuestionWaits,
    /// To staff: new at my clinic.
    NewCase,
    /// To staff: assigned to me.
    AssignedCase,
    /// To an address that somebody signed up: the one link that confirms it, and nothing else.
    ConfirmSubscription,
    /// To a subscriber whose address was signed up again: links to confirm the addition and to manage.
    ManageSubscription,
    /// To the owner of a managed list: a member wants to leave it.
    ListLeaveWish,
    /// To who reported: we have it, under this number, at this link.
    TicketReceived,
    /// To who reported: an answer waits.
    TicketAnswer,
    /// To who reported: a question waits.
    TicketQuestion,
    /// To who reported: the incident that the ticket belongs to is resolved.
    TicketMended,
    /// To the support: somebody reported.
    TicketNew,
    /// To the support: a ticket was given to me, or back to all.
    TicketGiven,
    /// To the support: the reporter wrote.
    TicketMessage,
    /// To the operators: certificates or issuers end soon.
    ExpiresSoon,
    /// To who promised an update of an incident, and to the support: it has not come.
    PromiseBroken,
    /// To a subscriber: what happened since the last one. Comes complete, not from a template of its own.
    Digest,
    /// To a new subscriber: what goes on. Comes complete, as a digest does.
    OpenNow,
}

impl LetterKind {
    /// Those that are made from their templates when they are sent.
    pub const ALL: [LetterKind; 16] = [
        LetterKind::AnswerWaits,
        LetterKind::QuestionWaits,
        LetterKind::NewCase,
        LetterKind::AssignedCase,
        LetterKind::ConfirmSubscription,
        LetterKind::ManageSubscription,
        LetterKind::ListLeaveWish,
        LetterKind::TicketReceived,
        LetterKind::TicketAnswer,
        LetterKind::TicketQuestion,
        LetterKind::TicketMended,
        LetterKind::TicketNew,
        LetterKind::TicketGiven,
        LetterKind::TicketMessage,
        LetterKind::ExpiresSoon,
        LetterKind::PromiseBroken,
    ];

    /// The name of its templates.
    pub fn as_str(self) -> &'static str {
        match self {
            LetterKind::AnswerWaits => "answer-waits",
            LetterKind::QuestionWaits => "question-waits",
            LetterKind::NewCase => "new-case",
            LetterKind::AssignedCase => "assigned-case",
            LetterKind::ConfirmSubscription => "confirm-subscription",
            LetterKind::ManageSubscription => "manage-subscription",
            LetterKind::ListLeaveWish => "list-leave-wish",
            LetterKind::TicketReceived => "ticket-received",
            LetterKind::TicketAnswer => "ticket-answer",
            LetterKind::TicketQuestion => "ticket-question",
            LetterKind::TicketMended => "ticket-mended",
            LetterKind::TicketNew => "ticket-new",
            LetterKind::TicketGiven => "ticket-given",
            LetterKind::TicketMessage => "ticket-message",
            LetterKind::ExpiresSoon => "expires-soon",
            LetterKind::PromiseBroken => "promise-broken",
            LetterKind::Digest => "digest",
            LetterKind::OpenNow => "open-now",
        }
    }

    /// How long it is tried, in hours: a person waits for it, and after that it is history.
    pub fn tried_hours(self) -> i64 {
        match self {
            // Its link is dead by then.
            LetterKind::ConfirmSubscription | LetterKind::ManageSubscription => 24,
            _ => TRIED_HOURS,
        }
    }
}

/// Where a letter stands. A letter is gone from the store when it was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LetterState {
    /// Waits for its time.
    Queued,
    /// Being sent: found so after a crash it is in doubt and is sent again, byte for byte.
    Sending,
    /// Given up: an operator sends it again or drops it with a reason.
    Dead,
}

/// Why a letter was not accepted, in our own words: a server's text may hold an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LetterFault {
    pub at: Timestamp,
    /// What went wrong, as a class: `session`, `recipient`, `message`, `policy`, `in-doubt`.
    pub class: String,
    /// Three-digit reply and enhanced code where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// What a letter's template is filled with. May hold links that only the recipient may have, so it prints as nothing.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LetterFacts(serde_json::Value);

impl LetterFacts {
    pub fn new(facts: serde_json::Value) -> LetterFacts {
        LetterFacts(facts)
    }

    /// The facts themselves, for the template.
    pub fn expose(&self) -> &serde_json::Value {
        &self.0
    }
}

impl fmt::Debug for LetterFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•")
    }
}

/// One owed letter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Letter {
    pub id: Uuid,
    /// The case, subscriber or ticket, for the operator's search; never in the letter.
    #[serde(rename = "case")]
    pub about: Uuid,
    pub kind: LetterKind,
    pub to: MailAddress,
    pub language: Language,
    pub created_at: Timestamp,
    /// Tried until then at least.
    pub give_up_at: Timestamp,
    pub state: LetterState,
    pub next_at: Timestamp,
    /// Attempts that the recipient's side answered; trouble of the smarthost counts apart.
    pub attempts: u32,
    pub session_faults: u32,
    /// How often it may have been accepted without our hearing so.
    pub in_doubt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_fault: Option<LetterFault>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<LetterFacts>,
    /// The message as it was first rendered: a resend is byte-identical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The newest event that it tells a subscriber of: what comes back is counted under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
}

/// How long most letters are tried, in hours.
const TRIED_HOURS: i64 = 48;

impl Letter {
    pub fn new(id: Uuid, about: Uuid, kind: LetterKind, to: MailAddress, language: Language, now: Timestamp) -> Letter {
        let tried = jiff::SignedDuration::from_hours(kind.tried_hours());
        let give_up_at = now.saturating_add(tried).unwrap_or(Timestamp::MAX);
        Letter {
            id,
            about,
            kind,
            to,
            language,
            created_at: now,
            give_up_at,
            state: LetterState::Queued,
            next_at: now,
            attempts: 0,
            session_faults: 0,
            in_doubt: 0,
            last_fault: None,
            facts: None,
            message: None,
            event: None,
        }
    }
}
