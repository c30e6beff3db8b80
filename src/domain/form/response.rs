//! The filled-in form as a tree: a FHIR R4 `QuestionnaireResponse` whose structure holds. Whether its answers fit is
//! judged by `check` and `rules`.

use serde_json::Value;

use super::{
    ANSWERS_MAX, DEPTH_MAX,
    answer::{Answer, Datatype},
    code::IssueCode,
    moment::Moment,
    read::{Findings, Object},
};

/// A response, not yet compared with its form.
pub struct Response<'r> {
    pub status: Status,
    /// The canonical of the form that it answers.
    pub questionnaire: Option<&'r str>,
    pub authored: Option<Moment>,
    pub nodes: Vec<Node<'r>>,
}

/// FHIR's `QuestionnaireResponse.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    InProgress,
    Completed,
    Amended,
    EnteredInError,
    Stopped,
}

impl Status {
    /// Whether it claims that everything asked for has been answered.
    pub fn is_complete(self) -> bool {
        matches!(self, Status::Completed | Status::Amended)
    }
}

/// An `item` of the response.
pub struct Node<'r> {
    pub link_id: &'r str,
    pub pointer: String,
    pub answers: Vec<Answered<'r>>,
    pub items: Vec<Node<'r>>,
}

/// An `answer` of an item.
pub struct Answered<'r> {
    pub pointer: String,
    /// What its `value[x]` says it is; `None` is no answer type of R4.
    pub datatype: Option<Datatype>,
    pub value: Result<Answer, IssueCode>,
    pub items: Vec<Node<'r>>,
}

impl Node<'_> {
    /// Whether anything at all has been answered in it.
    pub fn is_answered(&self) -> bool {
        !self.answers.is_empty() || self.items.iter().any(Node::is_answered)
    }
}

const RESPONSE_ELEMENTS: &[&str] = &[
    "resourceType",
    "meta",
    "language",
    "text",
    "contained",
    "identifier",
    "basedOn",
    "partOf",
    "questionnaire",
    "status",
    "subject",
    "encounter",
    "authored",
    "author",
    "source",
    "item",
];

impl<'r> Response<'r> {
    /// `None` where a fault of structure was found: what can't be read can't be judged.
    pub fn read(value: &'r Value, findings: &mut Findings) -> Option<Response<'r>> {
        let object = Object::read(value, String::new(), findings)?;
        if object.fields.get("resourceType").and_then(Value::as_str) != Some("QuestionnaireResponse") {
            findings.add(IssueCode::ResourceType, "/resourceType", None, "QuestionnaireResponse");
            return None;
        }
        object.only(RESPONSE_ELEMENTS, findings);
        let status = status(&object, findings);
        let questionnaire = object.text("questionnaire", findings);
        let authored = object.text("authored", findings).and_then(|text| {
            let moment = Moment::date_time(text);
            if moment.is_none() {
                findings.add(IssueCode::Structure, "/authored", None, "dateTime");
            }
            moment
        });
        let mut reading = Reading { nodes: 0, answers: 0, findings };
        let nodes = reading.nodes(&object, 1);
        if findings.is_fatal() { None } else { Some(Response { status: status?, questionnaire, authored, nodes }) }
    }
}

fn status(object: &Object<'_>, findings: &mut Findings) -> Option<Status> {
    let status = match object.fields.get("status").and_then(Value::as_str) {
        Some("in-progress") => Some(Status::InProgress),
        Some("completed") => Some(Status::Completed),
        Some("amended") => Some(Status::Amended),
        Some("entered-in-error") => Some(Status::EnteredInError),
        Some("stopped") => Some(Status::Stopped),
        _ => None,
    };
    if status.is_none() {
        let known = "in-progress, completed, amended, entered-in-error, stopped";
        findings.add(IssueCode::InvalidStatus, "/status", None, known);
    }
    status
}

/// What the items of a response have in common while they are read.
struct Reading<'f> {
    nodes: usize,
    answers: usize,
    findings: &'f mut Findings,
}

impl Reading<'_> {
    fn nodes<'r>(&mut self, parent: &Object<'r>, depth: usize) -> Vec<Node<'r>> {
        let objects = parent.objects("item", self.findings);
        if depth > DEPTH_MAX && !objects.is_empty() {
            self.findings.add(IssueCode::TooLarge, &parent.at("item"), None, format!("{DEPTH_MAX} item/item"));
            return Vec::new();
        }
        objects.into_iter().filter_map(|object| self.node(object, depth)).collect()
    }

    fn node<'r>(&mut self, object: Object<'r>, depth: usize) -> Option<Node<'r>> {
        self.nodes += 1;
        if self.nodes > ANSWERS_MAX {
            if self.nodes == ANSWERS_MAX + 1 {
                self.findings.add(IssueCode::TooLarge, &object.pointer, None, format!("{ANSWERS_MAX} item"));
            }
            return None;
        }
        object.only(&["linkId", "definition", "text", "answer", "item"], self.findings);
        // Texts beside the answers are the sender's copy of the form's; only their type matters here.
        object.text("text", self.findings);
        if !object.fields.contains_key("linkId") {
            self.findings.add(IssueCode::MissingElement, &object.pointer, None, "linkId");
        }
        let link_id = object.text("linkId", self.findings);
        let answers = object.objects("answer", self.findings);
        let answers = answers.into_iter().filter_map(|answer| self.answered(answer, depth)).collect();
        let items = self.nodes(&object, depth + 1);
        Some(Node { link_id: link_id?, pointer: object.pointer, answers, items })
    }

    fn answered<'r>(&mut self, object: Object<'r>, depth: usize) -> Option<Answered<'r>> {
        self.answers += 1;
        if self.answers > ANSWERS_MAX {
            if self.answers == ANSWERS_MAX + 1 {
                self.findings.add(IssueCode::TooLarge, &object.pointer, None, format!("{ANSWERS_MAX} answer"));
            }
            return None;
        }
        object.only(&["value[x]", "item"], self.findings);
        let items = self.nodes(&object, depth + 1);
        let (suffix, value) = match object.choice("value")[..] {
            [one] => one,
            [] => {
                self.findings.add(IssueCode::MissingValue, &object.pointer, None, "");
                return None;
            }
            _ => {
                self.findings.add(IssueCode::MultipleValues, &object.pointer, None, "");
                return None;
            }
        };
        let datatype = Datatype::of_suffix(suffix);
        let value = datatype.ok_or(IssueCode::InvalidAnswerType).and_then(|datatype| Answer::read(datatype, value));
        Some(Answered { pointer: object.pointer, datatype, value, items })
    }
}
