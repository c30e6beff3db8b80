//! Forms: FHIR R4 `Questionnaire` and `QuestionnaireResponse`, the one checked against the other. Pure.
//!
//! | room | holds |
//! |---|---|
//! | `questionnaire` | the form: reading it, and whether it is sound in itself |
//! | `limits` | the extensions that limit answers, read into values |
//! | `options`, `terminology` | what may be chosen; the few code systems known by heart |
//! | `enable` | when a question is asked at all (`enableWhen`) |
//! | `response` | the filled-in form as a tree, structure only |
//! | `check` | the walk along form and response together: presence, number, order |
//! | `rules` | one small function a rule about one answer's value |
//! | `answer`, `moment` | `value[x]`; dates and times of any precision |
//! | `issue`, `code` | what is wrong, where, and what to do about it, in Swedish and English |
//! | `read` | FHIR objects read with every fault collected |
//!
//! Not here: FHIRPath (invariants, expressions), profiles, terminology servers, XML. A form that hides questions by an
//! expression is refused, for its answers could not be judged; a constraint in FHIRPath is left to whoever made the form.
//!
//! Codes are those of the public validator suite (`tests/fhir/`), extended in the same style.

mod answer;
mod check;
mod code;
mod enable;
mod issue;
mod limits;
mod moment;
mod options;
mod questionnaire;
mod read;
mod response;
mod rules;
#[cfg(test)]
mod suite;
mod terminology;
#[cfg(test)]
mod tests;

pub use issue::{Issue, is_valid};
pub use questionnaire::Questionnaire;

#[cfg(test)]
use self::{
    answer::Answer,
    code::IssueCode,
    options::Choices,
    questionnaire::{ItemType, PublicationStatus},
};

/// Items in a form, all levels together.
const ITEMS_MAX: usize = 500;
/// Items within items. The JSON reader's own bound allows for it.
const DEPTH_MAX: usize = 10;
/// Answers in a response, all levels together; as many items.
const ANSWERS_MAX: usize = 2_000;
/// One text in a form or a response.
const TEXT_CHARS_MAX: usize = 100_000;
/// Issues told at once; whoever has more mends these first.
const ISSUES_MAX: usize = 200;
