//! A case and its states: `received → distributed → answered → closed`, and `withdrawn`.
//!
//! Every act is a function from a case to the next one; what cannot be done in a state says so and changes nothing.
//! What was written lies in documents that are never changed; the case only counts them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::clinic::{Channel, FormRef, Promise, Promised};
use super::id::{HsaId, PersonId, Private};
use super::language::Language;
use super::mail_address::MailAddress;

/// Documents of one case; a conversation longer than this belongs on the telephone.
pub const DOCUMENTS_MAX: usize = 100;
/// Acts remembered in one case; more than any case needs, and a bound on its record.
pub const HISTORY_MAX: usize = 500;

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Received,
    Distributed,
    Answered,
    Closed,
    Withdrawn,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Received => "received",
            State::Distributed => "distributed",
            State::Answered => "answered",
            State::Closed => "closed",
            State::Withdrawn => "withdrawn",
        }
    }
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Awaiting {
    Staff,
    Citizen,
}

/// The one whom the case is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Citizen {
    pub identifier: PersonId,
    pub name: Private,
    /// Sekretessmarkering, skyddad folkbokföring: shown to staff by a mark.
    pub protected: bool,
}

/// Who writes for the citizen: a guardian.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Representative {
    pub identifier: PersonId,
    pub name: Private,
}

/// Where letters to the citizen go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contact {
    pub email: MailAddress,
    #[serde(default)]
    pub language: Language,
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    /// The citizen's filled-in question form.
    Submission,
    /// The citizen's later word.
    Message,
    InterimAnswer,
    /// The handler's counter-question.
    Question,
    /// The filled-in answer form.
    Answer,
    /// A later answer: the first one stays as it was sent.
    Correction,
}

/// A document's place in its case; the text lies under case and number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentEntry {
    pub number: u32,
    pub kind: DocumentKind,
    pub at: Timestamp,
    /// The member of the staff who wrote it; none when the citizen did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<HsaId>,
}

/// What was written: a filled-in form or plain text. Never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    pub kind: DocumentKind,
    pub body: DocumentBody,
}

/// The two shapes of what is written.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DocumentBody {
    Form { form: FormRef, response: serde_json::Value },
    Text(Private),
}

impl std::fmt::Debug for DocumentBody {
    /// Content reaches no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("•")
    }
}

/// Everything that is done with a case, by anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    Submit,
    Distribute,
    Redistribute,
    Return,
    Forward,
    InterimAnswer,
    Question,
    Answer,
    Correct,
    Close,
    Message,
    Reopen,
    Withdraw,
    /// The follow-up days have passed.
    Lapse,
}

/// One line of a case's history. Names staff and clinics, never the citizen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryEntry {
    pub act: Act,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<HsaId>,
    /// The new handler or clinic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<HsaId>,
}

/// What a case is about and what it came with: a citizen's errand at a clinic, or a report to the region's support.
pub trait Errand {
    /// The portal or the member of the staff that handed it in; none when nobody whom the gateway knows did.
    fn sender(&self) -> Option<&HsaId>;
}

/// A citizen's errand, as a portal hands it in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CitizenErrand {
    pub case_type: String,
    pub portal: HsaId,
    pub channel: Channel,
    pub citizen: Citizen,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representative: Option<Representative>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Contact>,
    /// Frozen when the case came.
    pub question_form: FormRef,
    pub answer_form: FormRef,
}

impl Errand for CitizenErrand {
    fn sender(&self) -> Option<&HsaId> {
        Some(&self.portal)
    }
}

/// One errand at one clinic, or at the region's support.
///
/// Unknown fields cannot be refused beside a flattened one: that a record is not newer than the program is what its
/// version says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case<E = CitizenErrand> {
    pub id: Uuid,
    /// The unit that has it now.
    pub clinic: HsaId,
    #[serde(flatten)]
    pub errand: E,
    /// What was promised when the case came.
    pub promise: Promise,
    pub follow_up_days: u16,
    pub received_at: Timestamp,
    pub state: State,
    pub awaiting: Awaiting,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<HsaId>,
    pub distributed_by: Timestamp,
    pub answered_by: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// Why it was closed without an answer; the citizen sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closure_reason: Option<Private>,
    pub documents: Vec<DocumentEntry>,
    pub history: Vec<HistoryEntry>,
}

/// Why an act cannot be done now. The case is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    #[error("the case is {}: this cannot be done with it now", .0.as_str())]
    WrongState(State),
    #[error("the case has as many documents as a case can have")]
    TooManyDocuments,
    #[error("the follow-up days have passed")]
    FollowUpOver,
}

impl<E> Case<E> {
    /// As it comes, with its first document.
    pub fn received(
        id: Uuid,
        clinic: HsaId,
        errand: E,
        (promise, promised): (Promise, Promised),
        follow_up_days: u16,
        now: Timestamp,
    ) -> Case<E> {
        Case {
            id,
            clinic,
            errand,
            promise,
            follow_up_days,
            received_at: now,
            state: State::Received,
            awaiting: Awaiting::Staff,
            handler: None,
            distributed_by: promised.distributed_by,
            answered_by: promised.answered_by,
            answered_at: None,
            closure_reason: None,
            documents: vec![DocumentEntry { number: 0, kind: DocumentKind::Submission, at: now, by: None }],
            history: vec![HistoryEntry { act: Act::Submit, at: now, by: None, to: None }],
        }
    }

    /// A citizen may come back until then.
    pub fn follow_up_until(&self) -> Option<Timestamp> {
        let hours = i64::from(self.follow_up_days) * 24;
        self.answered_at.map(|at| at.saturating_add(jiff::SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX))
    }

    /// The state as it is at a moment: an answered case is closed when its follow-up days have passed, whether or
    /// not anybody has noted it yet.
    pub fn state_at(&self, now: Timestamp) -> State {
        match self.state {
            State::Answered if self.follow_up_until().is_some_and(|until| now >= until) => State::Closed,
            state => state,
        }
    }

    /// Gives the case to a handler, the first or another one.
    pub fn distribute(&mut self, to: HsaId, by: HsaId, now: Timestamp) -> Result<Act, ActError> {
        self.require(now, &[State::Received, State::Distributed, State::Answered])?;
        let act = if self.handler.is_some() { Act::Redistribute } else { Act::Distribute };
        if self.state == State::Received {
            self.state = State::Distributed;
            self.awaiting = Awaiting::Staff;
        }
        self.handler = Some(to.clone());
        self.note(act, now, Some(by), Some(to));
        Ok(act)
    }

    /// Back to the receivers: the handler has it no longer. By nobody where the handler is gone.
    pub fn give_back(&mut self, by: Option<HsaId>, now: Timestamp) -> Result<Act, ActError> {
        self.require(now, &[State::Distributed, State::Answered])?;
        self.handler = None;
        if self.state == State::Distributed {
            self.state = State::Received;
        }
        self.note(Act::Return, now, by, None);
        Ok(Act::Return)
    }

    /// To another clinic, whose promises begin now.
    pub fn forward(&mut self, to: HsaId, promised: Promised, by: HsaId, now: Timestamp) -> Result<Act, ActError> {
        self.require(now, &[State::Received, State::Distributed, State::Answered])?;
        self.clinic = to.clone();
        self.handler = None;
        self.state = State::Received;
        self.awaiting = Awaiting::Staff;
        self.answered_at = None;
        self.promise_anew(promised);
        self.note(Act::Forward, now, Some(by), Some(to));
        Ok(Act::Forward)
    }

    /// A first word; the answer is still owed.
    pub fn interim_answer(&mut self, by: HsaId, now: Timestamp) -> Result<u32, ActError> {
        self.require(now, &[State::Distributed])?;
        let number = self.add_document(DocumentKind::InterimAnswer, now, Some(by.clone()))?;
        self.note(Act::InterimAnswer, now, Some(by), None);
        Ok(number)
    }

    /// A counter-question: now it is the citizen's turn.
    pub fn question(&mut self, by: HsaId, now: Timestamp) -> Result<u32, ActError> {
        self.require(now, &[State::Distributed])?;
        let number = self.add_document(DocumentKind::Question, now, Some(by.clone()))?;
        self.awaiting = Awaiting::Citizen;
        self.note(Act::Question, now, Some(by), None);
        Ok(number)
    }

    /// The answer; after it, a correction. What was sent stays as it was.
    pub fn answer(&mut self, by: HsaId, now: Timestamp) -> Result<(u32, Act), ActError> {
        self.require(now, &[State::Distributed, State::Answered])?;
        let (kind, act) = match self.state {
            State::Answered => (DocumentKind::Correction, Act::Correct),
            _ => (DocumentKind::Answer, Act::Answer),
        };
        let number = self.add_document(kind, now, Some(by.clone()))?;
        self.state = State::Answered;
        self.answered_at = Some(now);
        self.awaiting = Awaiting::Citizen;
        self.note(act, now, Some(by), None);
        Ok((number, act))
    }

    /// Ends the case without an answer, for a reason that the citizen sees.
    pub fn close(&mut self, reason: Private, by: HsaId, now: Timestamp) -> Result<Act, ActError> {
        self.require(now, &[State::Received, State::Distributed, State::Answered])?;
        self.state = State::Closed;
        self.closure_reason = Some(reason);
        self.note(Act::Close, now, Some(by), None);
        Ok(Act::Close)
    }

    /// The citizen's word: an addition, the reply to a counter-question, or a follow-up that reopens the case to
    /// who answered it, or to the receivers where `handler_stays` is false or the case was returned.
    pub fn message(
        &mut self,
        handler_stays: bool,
        promised: impl FnOnce() -> Promised,
        now: Timestamp,
    ) -> Result<(u32, Act), ActError> {
        if self.state == State::Answered && self.state_at(now) == State::Closed {
            return Err(ActError::FollowUpOver);
        }
        self.require(now, &[State::Received, State::Distributed, State::Answered])?;
        let number = self.add_document(DocumentKind::Message, now, None)?;
        let reopened = self.state == State::Answered;
        if reopened || self.awaiting == Awaiting::Citizen {
            self.promise_anew(promised());
        }
        if reopened {
            self.answered_at = None;
            self.state = State::Distributed;
        }
        if self.state == State::Distributed && (!handler_stays || self.handler.is_none()) {
            self.handler = None;
            self.state = State::Received;
        }
        self.awaiting = Awaiting::Staff;
        let act = if reopened { Act::Reopen } else { Act::Message };
        self.note(act, now, None, None);
        Ok((number, act))
    }

    /// The citizen takes it back, until it is answered.
    pub fn withdraw(&mut self, now: Timestamp) -> Result<Act, ActError> {
        self.require(now, &[State::Received, State::Distributed])?;
        self.state = State::Withdrawn;
        self.note(Act::Withdraw, now, None, None);
        Ok(Act::Withdraw)
    }

    /// Notes that the follow-up days have passed.
    pub fn lapse(&mut self, now: Timestamp) -> Result<Act, ActError> {
        if self.state != State::Answered || self.state_at(now) != State::Closed {
            return Err(ActError::WrongState(self.state));
        }
        self.state = State::Closed;
        self.note(Act::Lapse, now, None, None);
        Ok(Act::Lapse)
    }

    /// When it was closed, lapsed or was withdrawn; none while something may still be done with it.
    pub fn ended_at(&self) -> Option<Timestamp> {
        let is_over = matches!(self.state, State::Closed | State::Withdrawn);
        self.history.last().filter(|_| is_over).map(|entry| entry.at)
    }

    fn require(&self, now: Timestamp, states: &[State]) -> Result<(), ActError> {
        let state = self.state_at(now);
        if states.contains(&state) { Ok(()) } else { Err(ActError::WrongState(state)) }
    }

    fn promise_anew(&mut self, promised: Promised) {
        self.distributed_by = promised.distributed_by;
        self.answered_by = promised.answered_by;
    }

    fn add_document(&mut self, kind: DocumentKind, at: Timestamp, by: Option<HsaId>) -> Result<u32, ActError> {
        let number = u32::try_from(self.documents.len()).map_err(|_| ActError::TooManyDocuments)?;
        if self.documents.len() >= DOCUMENTS_MAX {
            return Err(ActError::TooManyDocuments);
        }
        self.documents.push(DocumentEntry { number, kind, at, by });
        Ok(number)
    }

    fn note(&mut self, act: Act, at: Timestamp, by: Option<HsaId>, to: Option<HsaId>) {
        // The access log has them all; the case keeps the newest.
        if self.history.len() >= HISTORY_MAX {
            self.history.remove(0);
        }
        self.history.push(HistoryEntry { act, at, by, to });
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    pub fn hsa(suffix: &str) -> HsaId {
        HsaId::parse(&format!("TSTNMT2321000156-{suffix}")).unwrap()
    }

    fn promised(text: &str) -> Promised {
        Promised { distributed_by: at(text), answered_by: at(text) }
    }

    pub fn received() -> Case {
        let form = |name: &str| FormRef {
            url: format!("https://budkavle.example/fhir/Questionnaire/{name}"),
            version: "1.0.0".into(),
            digest: "00".repeat(32),
        };
        let identifier = serde_json::json!({ "system": "urn:oid:1.2.752.129.2.1.3.1", "value": "191212121212" });
        let errand = CitizenErrand {
            case_type: "radgivning".into(),
            portal: hsa("P001"),
            channel: Channel::Citizen,
            citizen: Citizen {
                identifier: serde_json::from_value(identifier).unwrap(),
                name: Private::new("Tolvan Tolvansson".into()),
                protected: false,
            },
            representative: None,
            contact: Some(Contact {
                email: MailAddress::parse("tolvan@example.test").unwrap(),
                language: Language::Sv,
            }),
            question_form: form("radgivning-question"),
            answer_form: form("radgivning-answer"),
        };
        let promise = Promise { distributed_within_minutes: 120, answered_within_minutes: 960 };
        let promised = Promised { distributed_by: at("2026-11-23T10:00:00Z"), answered_by: at("2026-11-25T08:00:00Z") };
        let now = at("2026-11-23T08:00:00Z");
        Case::received(Uuid::from_u128(1), hsa("A001"), errand, (promise, promised), 14, now)
    }

    const T1: &str = "2026-11-23T09:00:00Z";
    const T2: &str = "2026-11-24T09:00:00Z";

    #[test]
    fn the_ordinary_way_of_a_case() {
        let mut case = received();
        assert_eq!(case.distribute(hsa("1002"), hsa("1001"), at(T1)), Ok(Act::Distribute));
        assert_eq!((case.state, case.handler.clone()), (State::Distributed, Some(hsa("1002"))));
        assert_eq!(case.answer(hsa("1002"), at(T2)), Ok((1, Act::Answer)));
        assert_eq!(case.state_at(at(T2)), State::Answered);
        assert_eq!(case.state_at(at("2026-12-08T09:00:00Z")), State::Closed);
    }

    #[test]
    fn a_counter_question_waits_for_the_citizen_whose_reply_starts_the_promise_again() {
        let mut case = received();
        case.distribute(hsa("1002"), hsa("1001"), at(T1)).unwrap();
        case.question(hsa("1002"), at(T1)).unwrap();
        assert_eq!((case.state, case.awaiting), (State::Distributed, Awaiting::Citizen));
        case.message(true, || promised("2026-11-26T09:00:00Z"), at(T2)).unwrap();
        assert_eq!((case.awaiting, case.answered_by), (Awaiting::Staff, at("2026-11-26T09:00:00Z")));
    }

    #[test]
    fn a_message_while_staff_is_to_act_keeps_the_promise() {
        let mut case = received();
        let before = case.answered_by;
        case.message(true, || promised("2030-01-01T00:00:00Z"), at(T1)).unwrap();
        assert_eq!(case.answered_by, before);
    }

    #[test]
    fn a_follow_up_reopens_to_who_answered_or_to_the_receivers_if_that_one_is_gone() {
        for (stays, state, handler) in [(true, State::Distributed, Some(hsa("1002"))), (false, State::Received, None)] {
            let mut case = received();
            case.distribute(hsa("1002"), hsa("1001"), at(T1)).unwrap();
            case.answer(hsa("1002"), at(T1)).unwrap();
            let (_, act) = case.message(stays, || promised("2026-11-26T09:00:00Z"), at(T2)).unwrap();
            assert_eq!((act, case.state, case.handler.clone()), (Act::Reopen, state, handler));
            assert_eq!(case.answered_by, at("2026-11-26T09:00:00Z"));
        }
    }

    #[test]
    fn after_the_follow_up_days_nothing_can_be_added() {
        let mut case = received();
        case.distribute(hsa("1002"), hsa("1001"), at(T1)).unwrap();
        case.answer(hsa("1002"), at(T1)).unwrap();
        let late = at("2026-12-24T09:00:00Z");
        assert_eq!(case.message(true, || promised(T2), late), Err(ActError::FollowUpOver));
        assert_eq!(case.answer(hsa("1002"), late), Err(ActError::WrongState(State::Closed)));
        assert_eq!(case.lapse(late), Ok(Act::Lapse));
        assert_eq!(case.state, State::Closed);
    }

    #[test]
    fn a_sent_answer_never_changes_a_correction_is_a_new_one() {
        let mut case = received();
        case.distribute(hsa("1002"), hsa("1001"), at(T1)).unwrap();
        case.answer(hsa("1002"), at(T1)).unwrap();
        assert_eq!(case.answer(hsa("1002"), at(T2)), Ok((2, Act::Correct)));
        assert_eq!(case.documents[1].kind, DocumentKind::Answer);
        assert_eq!(case.documents[2].kind, DocumentKind::Correction);
    }

    #[test]
    fn returning_and_forwarding_end_the_handlers_access() {
        let mut case = received();
        case.distribute(hsa("1002"), hsa("1001"), at(T1)).unwrap();
        case.give_back(Some(hsa("1002")), at(T1)).unwrap();
        assert_eq!((case.state, case.handler.clone()), (State::Received, None));
        case.distribute(hsa("1002"), hsa("1001"), at(T1)).unwrap();
        case.forward(hsa("B001"), promised(T2), hsa("1001"), at(T1)).unwrap();
        assert_eq!((case.state, case.handler.clone(), case.clinic.clone()), (State::Received, None, hsa("B001")));
    }

    #[test]
    fn a_case_is_withdrawn_only_until_it_is_answered() {
        let mut case = received();
        case.distribute(hsa("1002"), hsa("1001"), at(T1)).unwrap();
        case.answer(hsa("1002"), at(T1)).unwrap();
        assert_eq!(case.withdraw(at(T2)), Err(ActError::WrongState(State::Answered)));
        let mut other = received();
        assert_eq!(other.withdraw(at(T2)), Ok(Act::Withdraw));
        assert_eq!(
            other.close(Private::new("x".into()), hsa("1001"), at(T2)),
            Err(ActError::WrongState(State::Withdrawn))
        );
    }

    #[test]
    fn the_number_of_documents_and_of_remembered_acts_is_bounded() {
        let mut case = received();
        while case.documents.len() < DOCUMENTS_MAX {
            case.message(true, || promised(T2), at(T1)).unwrap();
        }
        assert_eq!(case.message(true, || promised(T2), at(T1)), Err(ActError::TooManyDocuments));
        for _ in 0..2 * HISTORY_MAX {
            case.distribute(hsa("1002"), hsa("1001"), at(T1)).unwrap();
        }
        assert_eq!(case.history.len(), HISTORY_MAX);
    }

    #[test]
    fn printing_a_case_tells_nobody_who_it_is_about() {
        let text = format!("{:?}", received());
        for secret in ["1212", "Tolvan", "tolvan@"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_done_in_whatever_order_the_rules_of_states_hold(acts in proptest::collection::vec(0..9_u8, 0..60)) {
            let mut case = received();
            let mut now = at(T1);
            for act in acts {
                now += jiff::SignedDuration::from_hours(9);
                let before = case.clone();
                let done = match act {
                    0 => case.distribute(hsa("1002"), hsa("1001"), now).is_ok(),
                    1 => case.give_back(Some(hsa("1002")), now).is_ok(),
                    2 => case.forward(hsa("B001"), promised(T2), hsa("1001"), now).is_ok(),
                    3 => case.interim_answer(hsa("1002"), now).is_ok(),
                    4 => case.question(hsa("1002"), now).is_ok(),
                    5 => case.answer(hsa("1002"), now).is_ok(),
                    6 => case.close(Private::new("r".into()), hsa("1001"), now).is_ok(),
                    7 => case.message(true, || promised(T2), now).is_ok(),
                    _ => case.withdraw(now).is_ok(),
                };
                if !done {
                    prop_assert_eq!(&case, &before);
                }
                // Ended is ended; a distributed case has a handler, an undistributed one has none.
                if matches!(before.state_at(now), State::Closed | State::Withdrawn) {
                    prop_assert!(!done);
                }
                match case.state {
                    State::Received => prop_assert!(case.handler.is_none()),
                    State::Distributed => prop_assert!(case.handler.is_some()),
                    _ => {}
                }
                prop_assert!(case.documents.len() >= before.documents.len());
                prop_assert_eq!(&case.documents[..before.documents.len()], &before.documents[..]);
            }
        }
    }
}
