//! A letter that is owed: to whom, which one, in which language. It says only that something waits.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::language::Language;
use super::mail_address::MailAddress;

/// The letters about cases.
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
}

impl LetterKind {
    pub const ALL: [LetterKind; 4] =
        [LetterKind::AnswerWaits, LetterKind::QuestionWaits, LetterKind::NewCase, LetterKind::AssignedCase];

    /// The name of its templates.
    pub fn as_str(self) -> &'static str {
        match self {
            LetterKind::AnswerWaits => "answer-waits",
            LetterKind::QuestionWaits => "question-waits",
            LetterKind::NewCase => "new-case",
            LetterKind::AssignedCase => "assigned-case",
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

/// One owed letter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Letter {
    pub id: Uuid,
    /// For the operator's search; never in the letter.
    pub case: Uuid,
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
    /// The message as it was first rendered: a resend is byte-identical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How long a letter about a case is tried, in hours. A person waits for it; after two days it is history.
pub const TRIED_HOURS: i64 = 48;

impl Letter {
    pub fn new(id: Uuid, case: Uuid, kind: LetterKind, to: MailAddress, language: Language, now: Timestamp) -> Letter {
        let give_up_at = now.saturating_add(jiff::SignedDuration::from_hours(TRIED_HOURS)).unwrap_or(Timestamp::MAX);
        Letter {
            id,
            case,
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
            message: None,
        }
    }
}
