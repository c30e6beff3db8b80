//! A case on the wire.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use uuid::Uuid;

use crate::domain::case::{
    Awaiting, Case, Citizen, Contact, Document, DocumentBody, DocumentEntry, HistoryEntry, Representative,
};
use crate::domain::id::{HsaId, PersonId, PersonIdSystem, Private};
use crate::domain::language::Language;
use crate::domain::mail_address::MailAddress;
use crate::http::problem::Problem;
use crate::http::request::TOKEN_LEN_MAX;
use crate::usecase::read_cases::{CaseView, Envelope, Page};
use crate::usecase::submit_case::Submission;

/// Longest name of a person, in characters.
const NAME_LEN_MAX: usize = 200;
/// Longest free text of a message, question, interim answer or reason, in characters.
const TEXT_LEN_MAX: usize = 10_000;

/// FHIR `Identifier`: the register and the number in it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Identifier {
    #[schema(schema_with = person_id_systems)]
    pub system: PersonIdSystem,
    /// As the register writes it: twelve digits with the century, or the twelve characters of a reserve number.
    pub value: String,
}

impl Identifier {
    /// `today` is the day in Sweden.
    pub fn read(&self, pointer: &str, today: Date) -> Result<PersonId, Problem> {
        PersonId::parse_in(self.system, &self.value, today).map_err(|error| {
            Problem::new("malformed-person-id").at(
                format!("{pointer}/value"),
                format!("Regeln är: {}.", error.text(Language::Sv)),
                format!("The rule: {}.", error.text(Language::En)),
            )
        })
    }

    fn of(id: &PersonId) -> Identifier {
        Identifier { system: id.system(), value: id.expose().to_owned() }
    }
}

/// Every register whose numbers the gateway reads, told by its OID.
fn person_id_systems() -> Object {
    let meanings = PersonIdSystem::ALL.map(|system| format!("`{}` ({})", system.urn(), system.word()));
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(PersonIdSystem::ALL.map(PersonIdSystem::urn)))
        .description(Some(format!("The register that gave the number: {}.", meanings.join(", "))))
        .build()
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireCitizen {
    pub identifier: Identifier,
    /// At most 200 characters.
    pub name: String,
    /// Sekretessmarkering or skyddad folkbokföring.
    #[serde(default)]
    pub protected: bool,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireRepresentative {
    pub identifier: Identifier,
    pub name: String,
}

/// Where letters to the citizen go. They say only that something waits.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireContact {
    #[schema(value_type = String, format = Email)]
    pub email: MailAddress,
    /// `sv` (default) or `en`.
    #[serde(default)]
    #[schema(value_type = String)]
    pub language: Language,
}

/// What a portal hands in.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitCase {
    #[schema(value_type = String)]
    pub clinic: HsaId,
    pub case_type: String,
    /// The portal's own name for it, unique for the portal for ever; kept as a keyed hash.
    #[serde(default)]
    pub sender_reference: Option<String>,
    pub citizen: WireCitizen,
    #[serde(default)]
    pub representative: Option<WireRepresentative>,
    #[serde(default)]
    pub contact: Option<WireContact>,
    /// The filled-in question form, a FHIR R4 `QuestionnaireResponse`.
    #[schema(value_type = Object)]
    pub response: Value,
}

impl SubmitCase {
    /// `today` is the day in Sweden.
    pub fn read(self, today: Date) -> Result<Submission, Problem> {
        if let Some(reference) = &self.sender_reference {
            let fits =
                (1..=TOKEN_LEN_MAX).contains(&reference.len()) && reference.bytes().all(|b| b.is_ascii_graphic());
            if !fits {
                return Err(Problem::new("malformed-value").at(
                    "/senderReference",
                    format!("1–{TOKEN_LEN_MAX} synliga ASCII-tecken."),
                    format!("1–{TOKEN_LEN_MAX} visible ASCII characters."),
                ));
            }
        }
        let citizen = Citizen {
            identifier: self.citizen.identifier.read("/citizen/identifier", today)?,
            name: text(self.citizen.name, "/citizen/name", NAME_LEN_MAX)?,
            protected: self.citizen.protected,
        };
        let representative = match self.representative {
            None => None,
            Some(r) => Some(Representative {
                identifier: r.identifier.read("/representative/identifier", today)?,
                name: text(r.name, "/representative/name", NAME_LEN_MAX)?,
            }),
        };
        let contact = self.contact.map(|c| Contact { email: c.email, language: c.language });
        Ok(Submission {
            clinic: self.clinic,
            case_type: self.case_type,
            sender_reference: self.sender_reference,
            citizen,
            representative,
            contact,
            response: self.response,
        })
    }
}

/// A text of people: not empty, bounded, without control characters but line breaks and tabs.
pub fn text(text: String, pointer: &str, len_max: usize) -> Result<Private, Problem> {
    let clean = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    if clean && !text.trim().is_empty() && text.chars().count() <= len_max {
        return Ok(Private::new(text));
    }
    Err(Problem::new("malformed-value").at(
        pointer,
        format!("En text på 1–{len_max} tecken utan styrtecken."),
        format!("A text of 1–{len_max} characters without control characters."),
    ))
}

/// A message, question or interim answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteText {
    /// At most 10,000 characters.
    pub text: String,
}

impl WriteText {
    pub fn read(self) -> Result<Private, Problem> {
        text(self.text, "/text", TEXT_LEN_MAX)
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DistributeCase {
    /// Who is to answer; oneself to take the case.
    #[schema(value_type = String)]
    pub handler: HsaId,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardCase {
    #[schema(value_type = String)]
    pub clinic: HsaId,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerCase {
    /// The filled-in answer form, a FHIR R4 `QuestionnaireResponse`.
    #[schema(value_type = Object)]
    pub response: Value,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseCase {
    /// Seen by the citizen.
    pub reason: String,
}

impl CloseCase {
    pub fn read(self) -> Result<Private, Problem> {
        if self.reason.trim().is_empty() {
            return Err(Problem::new("reason-required").at("/reason", "Ange ett skäl.", "Give a reason."));
        }
        text(self.reason, "/reason", TEXT_LEN_MAX)
    }
}

/// Every field given must fit.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchCases {
    #[serde(default)]
    pub citizen: Option<Identifier>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub clinic: Option<HsaId>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub states: Vec<crate::domain::case::State>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub handler: Option<HsaId>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub received_from: Option<Timestamp>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub received_before: Option<Timestamp>,
    /// 1–100, 20 when left out.
    #[serde(default)]
    pub limit: Option<usize>,
    #[serde(default)]
    pub cursor: Option<String>,
}

/// One line of a list: no content.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaseEnvelope {
    pub id: Uuid,
    #[schema(value_type = String)]
    pub clinic: HsaId,
    pub case_type: String,
    pub state: &'static str,
    /// Whose turn it is: `staff` or `citizen`; none when ended.
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
    /// Only for who may read the case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub citizen: Option<WireCitizen>,
    /// For `If-Match`.
    pub etag: String,
}

impl CaseEnvelope {
    pub fn of(envelope: &Envelope) -> CaseEnvelope {
        build_envelope(&envelope.case, envelope.version, envelope.readable, envelope.state)
    }
}

fn build_envelope(case: &Case, version: u64, readable: bool, state: crate::domain::case::State) -> CaseEnvelope {
    use crate::domain::case::State;
    let awaiting = match (state, case.awaiting) {
        (State::Closed | State::Withdrawn | State::Answered, _) => None,
        (_, Awaiting::Staff) => Some("staff"),
        (_, Awaiting::Citizen) => Some("citizen"),
    };
    CaseEnvelope {
        id: case.id,
        clinic: case.clinic.clone(),
        case_type: case.errand.case_type.clone(),
        state: state.as_str(),
        awaiting,
        received_at: case.received_at,
        distributed_by: case.distributed_by,
        answered_by: case.answered_by,
        handler: case.handler.clone(),
        citizen: readable.then(|| wire_citizen(&case.errand.citizen)),
        etag: format!("\"{version}\""),
    }
}

fn wire_citizen(citizen: &Citizen) -> WireCitizen {
    WireCitizen {
        identifier: Identifier::of(&citizen.identifier),
        name: citizen.name.expose().to_owned(),
        protected: citizen.protected,
    }
}

#[derive(Serialize, ToSchema)]
pub struct CasePage {
    pub items: Vec<CaseEnvelope>,
    /// Given back as `cursor`; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl CasePage {
    pub fn of(page: &Page) -> CasePage {
        CasePage { items: page.items.iter().map(CaseEnvelope::of).collect(), next: page.next.clone() }
    }
}

/// Something that was written, with what it says.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireDocument {
    pub number: u32,
    /// `submission`, `message`, `interim-answer`, `question`, `answer`, `correction`.
    #[schema(value_type = String)]
    pub kind: crate::domain::case::DocumentKind,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub by: Option<HsaId>,
    /// The form's canonical address and version, where it is a filled-in form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub response: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl WireDocument {
    pub fn of((entry, document): &(DocumentEntry, Document)) -> WireDocument {
        let (form, response, text) = match &document.body {
            DocumentBody::Form { form, response } => (Some(form.canonical()), Some(response.clone()), None),
            DocumentBody::Text(text) => (None, None, Some(text.expose().to_owned())),
        };
        WireDocument {
            number: entry.number,
            kind: entry.kind,
            at: entry.at,
            by: entry.by.clone(),
            form,
            response,
            text,
        }
    }
}

/// A line of the case's history.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireHistory {
    #[schema(value_type = String)]
    pub act: crate::domain::case::Act,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub by: Option<HsaId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub to: Option<HsaId>,
}

impl WireHistory {
    pub fn of(entry: &HistoryEntry) -> WireHistory {
        WireHistory { act: entry.act, at: entry.at, by: entry.by.clone(), to: entry.to.clone() }
    }
}

/// A whole case, as its reader may see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireCase {
    #[serde(flatten)]
    pub envelope: CaseEnvelope,
    /// `citizen` or `staff`: the channel that it came by.
    #[schema(value_type = String)]
    pub channel: crate::domain::clinic::Channel,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub answered_at: Option<Timestamp>,
    /// The citizen may come back until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub follow_up_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub representative: Option<WireRepresentative>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closure_reason: Option<String>,
    pub question_form: String,
    pub answer_form: String,
    pub documents: Vec<WireDocument>,
    pub history: Vec<WireHistory>,
}

impl WireCase {
    pub fn of(view: &CaseView) -> WireCase {
        let case = &view.case;
        let representative = case.errand.representative.as_ref().filter(|_| view.readable);
        let history = case.history.iter().filter(|_| view.readable);
        WireCase {
            envelope: build_envelope(case, view.version, view.readable, view.state),
            channel: case.errand.channel,
            answered_at: case.answered_at,
            follow_up_until: case.follow_up_until(),
            representative: representative.map(|r| WireRepresentative {
                identifier: Identifier::of(&r.identifier),
                name: r.name.expose().to_owned(),
            }),
            closure_reason: case.closure_reason.as_ref().filter(|_| view.readable).map(|r| r.expose().to_owned()),
            question_form: case.errand.question_form.canonical(),
            answer_form: case.errand.answer_form.canonical(),
            documents: view.documents.iter().map(WireDocument::of).collect(),
            history: history.map(WireHistory::of).collect(),
        }
    }
}

/// What became of a case after an act.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaseChanged {
    pub id: Uuid,
    pub state: &'static str,
    #[schema(value_type = String)]
    pub clinic: HsaId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub handler: Option<HsaId>,
    pub etag: String,
}

impl CaseChanged {
    pub fn of(version: u64, case: &Case) -> CaseChanged {
        CaseChanged {
            id: case.id,
            state: case.state.as_str(),
            clinic: case.clinic.clone(),
            handler: case.handler.clone(),
            etag: format!("\"{version}\""),
        }
    }
}
