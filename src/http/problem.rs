//! Every refusal as an RFC 9457 problem: a stable code, the rule, the place and the remedy in the asked language.
//!
//! The catalogue `problems.json` holds code, status and words; it is served as a page and a test keeps it complete.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::request::RejectionFacts;
use crate::admit::Wait;
use crate::domain::case::State;
use crate::domain::form::Issue;
use crate::domain::json::FaultKind;
use crate::domain::language::Language;
use crate::domain::status::fault::Fault;
use crate::store::{CommitError, ReadError};
use crate::usecase::Refusal;

#[derive(Debug, Deserialize, Serialize)]
pub struct CatalogueEntry {
    pub status: u16,
    pub sv: CatalogueWords,
    pub en: CatalogueWords,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct CatalogueWords {
    pub title: String,
    pub remedy: String,
}

/// Code → status and words. Built in, and read by a test: an unreadable one would leave the API without words.
pub static CATALOGUE: LazyLock<BTreeMap<String, CatalogueEntry>> =
    LazyLock::new(|| serde_json::from_str(include_str!("problems.json")).unwrap_or_default());

/// One value that breaks a rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// RFC 6901 into the body.
    pub pointer: String,
    pub code: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
}

/// A refusal on its way to the caller. Holds no value that the caller sent.
#[derive(Debug, Clone)]
pub struct Problem {
    pub code: &'static str,
    pub detail: Option<Box<[String; 2]>>,
    pub violations: Vec<[Violation; 2]>,
    pub retry_after: Option<Duration>,
    /// The limit that was met: requests in a window, in seconds.
    pub limit: Option<(u32, u32)>,
    /// Members of its own, such as the current version.
    pub more: BTreeMap<&'static str, Value>,
    pub rejection: Option<Box<RejectionFacts>>,
    /// The connection ends with the answer: what was sent cannot be read to its end.
    pub close: bool,
    /// The browser is to forget the session that it showed.
    pub ends_session: bool,
}

impl Problem {
    pub fn new(code: &'static str) -> Problem {
        Problem {
            code,
            detail: None,
            violations: Vec::new(),
            retry_after: None,
            limit: None,
            more: BTreeMap::new(),
            rejection: None,
            close: false,
            ends_session: false,
        }
    }

    /// What exactly, in Swedish and English.
    pub fn detail(mut self, sv: impl Into<String>, en: impl Into<String>) -> Problem {
        self.detail = Some(Box::new([sv.into(), en.into()]));
        self
    }

    /// A limit that was met, with the numbers of the RateLimit header fields.
    pub fn limited(code: &'static str, wait: &Wait) -> Problem {
        let limit = Some((wait.limit, u32::try_from(wait.window.as_secs()).unwrap_or(u32::MAX)));
        Problem { limit, ..Problem::new(code).retry_after(wait.retry_after) }
    }

    /// One value in the body, by its pointer.
    pub fn at(mut self, pointer: impl Into<String>, sv: impl Into<String>, en: impl Into<String>) -> Problem {
        let pointer = pointer.into();
        let violation = |message| Violation {
            pointer: pointer.clone(),
            code: self.code.to_owned(),
            message,
            link_id: None,
            severity: None,
        };
        self.violations.push([violation(sv.into()), violation(en.into())]);
        self
    }

    pub fn with(mut self, member: &'static str, value: impl Into<Value>) -> Problem {
        self.more.insert(member, value.into());
        self
    }

    pub fn retry_after(mut self, wait: Duration) -> Problem {
        self.retry_after = Some(wait);
        self
    }

    pub fn rejected(facts: RejectionFacts) -> Problem {
        Problem { rejection: Some(Box::new(facts)), ..Problem::new("rejected") }
    }

    pub fn status(&self) -> u16 {
        CATALOGUE.get(self.code).map_or(500, |entry| entry.status)
    }

    /// The body of the answer.
    pub fn body(&self, language: Language, request: &str) -> Value {
        let words = CATALOGUE.get(self.code).map(|entry| match language {
            Language::Sv => &entry.sv,
            Language::En => &entry.en,
        });
        let pick = |pair: &[String; 2]| match language {
            Language::Sv => pair[0].clone(),
            Language::En => pair[1].clone(),
        };
        let (title, remedy) = words.map_or((self.code, ""), |w| (w.title.as_str(), w.remedy.as_str()));
        let mut body = json!({
            "type": format!("/v1/problems#{}", self.code),
            "title": title,
            "status": self.status(),
            "detail": self.detail.as_deref().map_or_else(|| title.to_owned(), pick),
            "instance": format!("urn:uuid:{request}"),
            "code": self.code,
            "remedy": remedy,
            "requestId": request,
        });
        if let Value::Object(members) = &mut body {
            if !self.violations.is_empty() {
                let picked: Vec<_> =
                    self.violations.iter().map(|[sv, en]| if language == Language::Sv { sv } else { en }).collect();
                members.insert("violations".into(), json!(picked));
            }
            for (name, value) in &self.more {
                members.insert((*name).to_owned(), value.clone());
            }
        }
        body
    }
}

/// Violations of one answer; the rest is counted, not listed.
const VIOLATIONS_MAX: usize = 100;

fn form_problem(issues: &[Issue]) -> Problem {
    let mut problem = Problem::new("form-invalid");
    let count = issues.len();
    problem = problem
        .detail(format!("{count} fel i det ifyllda formuläret."), format!("{count} faults in the filled-in form."));
    for issue in issues.iter().take(VIOLATIONS_MAX) {
        let violation = |language| Violation {
            pointer: format!("/response{}", issue.pointer),
            code: issue.code.as_str().to_owned(),
            message: issue.text(language),
            link_id: issue.link_id.clone(),
            severity: Some(issue.severity.as_str().to_owned()),
        };
        problem.violations.push([violation(Language::Sv), violation(Language::En)]);
    }
    problem
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        match refusal {
            Refusal::Rejected(code) => Problem::rejected(RejectionFacts::bare(code)),
            Refusal::UnknownClinic => Problem::new("unknown-clinic").at(
                "/clinic",
                "Ingen mottagning har detta HSA-id.",
                "No clinic has this HSA-id.",
            ),
            Refusal::ClinicClosed { telephone } => Problem::new("clinic-closed").with("telephone", telephone),
            Refusal::UnknownCaseType => Problem::new("unknown-case-type").at(
                "/caseType",
                "Ärendetypen finns inte.",
                "There is no such case type.",
            ),
            Refusal::CaseTypeNotOffered => Problem::new("case-type-not-offered"),
            Refusal::FormVersion { expected } => form_version(&expected),
            Refusal::FormInvalid(issues) => form_problem(&issues),
            Refusal::ProtectedWithRepresentative => Problem::new("protected-citizen-with-representative").at(
                "/representative",
                "Ska vara null när citizen.protected är sant.",
                "Must be null when citizen.protected is true.",
            ),
            Refusal::TestPerson => Problem::new("test-number-in-production").at(
                "/citizen/identifier/value",
                "Numret är till för test, som Skatteverkets testpersoner.",
                "The number is for tests, as Skatteverket's test persons are.",
            ),
            Refusal::SubmissionLimit(wait) => Problem::limited("rate-limited", &wait),
            Refusal::CitizenLimit(wait) => Problem::limited("citizen-limit", &wait),
            Refusal::IdempotencyReused => Problem::new("idempotency-key-reused"),
            Refusal::IdempotencyRunning => {
                Problem::new("idempotency-key-in-progress").retry_after(Duration::from_secs(1))
            }
            Refusal::SenderReferenceUsed { case } => {
                Problem::new("sender-reference-reused").with("case", format!("/v1/cases/{case}"))
            }
            Refusal::NotFound => Problem::new("not-found"),
            Refusal::NotPermitted => Problem::new("not-permitted"),
            Refusal::TakeFirst => Problem::new("not-permitted").detail(
                "Ta ärendet först: fördela det till dig själv.",
                "Take the case first: distribute it to yourself.",
            ),
            Refusal::WrongState(State::Closed) => Problem::new("case-closed"),
            Refusal::WrongState(state) => wrong_state(state),
            Refusal::TooManyDocuments => Problem::new("too-many-messages"),
            Refusal::FollowUpOver => Problem::new("case-closed"),
            Refusal::Stale { current } => stale(current),
            Refusal::HandlerUnknown => Problem::new("handler-unknown").at(
                "/handler",
                "Personen har ingen post i katalogen.",
                "The person has no post in the directory.",
            ),
            Refusal::HandlerWithoutRole => Problem::new("handler-without-role").at(
                "/handler",
                "Personen har ingen roll vid mottagningen eller ingen pågående post.",
                "The person has no role at the clinic or no current post.",
            ),
            Refusal::TargetClinicUnknown => Problem::new("clinic-unknown-target").at(
                "/clinic",
                "Ange en annan mottagning som finns.",
                "Name another clinic that exists.",
            ),
            Refusal::CursorMalformed => Problem::new("cursor-malformed"),
            Refusal::Told(fault) => told(&fault),
            Refusal::TooMany => Problem::new("status-full"),
            Refusal::Support(refusal) => super::support::problem(refusal),
            Refusal::Commit(error) => storage(&error),
            Refusal::Read(ReadError::Absent) => cases_unavailable(),
            Refusal::Read(_) => Problem::new("storage-unavailable").retry_after(Duration::from_secs(5)),
            Refusal::Random => Problem::new("internal"),
        }
    }
}

/// What is told of services: the rules of `domain/status/fault.rs`.
fn told(fault: &Fault) -> Problem {
    match fault {
        Fault::Unknown => Problem::new("not-found"),
        Fault::Stale { current } => stale(Some(u64::from(*current))),
        Fault::Over { status } => Problem::new("status-over").with("state", *status),
        Fault::WrongStep { from, to } => {
            let sv = format!("Från {from} till {to} går det inte.");
            Problem::new("status-wrong-step").detail(sv, fault.to_string()).with("state", *from)
        }
        Fault::Full | Fault::TakenOver => Problem::new("status-full"),
        Fault::UnknownUpdate => Problem::new("status-unfit").at(
            "/number",
            "Det finns inget besked med det numret.",
            "There is no update with that number.",
        ),
        Fault::Unfit(violations) => {
            let mut problem = Problem::new("status-unfit");
            for violation in violations.iter().take(VIOLATIONS_MAX) {
                let one = |language| Violation {
                    pointer: violation.pointer.clone(),
                    code: violation.rule.code().to_owned(),
                    message: violation.rule.text(language),
                    link_id: None,
                    severity: None,
                };
                problem.violations.push([one(Language::Sv), one(Language::En)]);
            }
            problem
        }
    }
}

fn form_version(expected: &str) -> Problem {
    let (sv, en) = (format!("Formuläret ska vara {expected}."), format!("The form must be {expected}."));
    Problem::new("form-version-mismatch").at("/response/questionnaire", sv, en).with("expected", expected)
}

fn wrong_state(state: State) -> Problem {
    let sv = match state {
        State::Received => "inkommet och inte fördelat",
        State::Distributed => "fördelat",
        State::Answered => "besvarat",
        State::Closed => "avslutat",
        State::Withdrawn => "återtaget av invånaren",
    };
    Problem::new("wrong-state")
        .detail(format!("Ärendet är {sv}."), format!("The case is {}.", state.as_str()))
        .with("state", state.as_str())
}

fn stale(current: Option<u64>) -> Problem {
    let problem = Problem::new("stale-version");
    match current {
        Some(version) => problem.with("currentETag", format!("\"{version}\"")),
        None => problem,
    }
}

fn storage(error: &CommitError) -> Problem {
    match error {
        CommitError::Full => Problem::new("storage-full").retry_after(Duration::from_secs(60)),
        CommitError::Overloaded => Problem::new("overloaded").retry_after(Duration::from_secs(2)),
        CommitError::Conflict { .. } => stale(None),
        CommitError::Absent => cases_unavailable(),
        CommitError::Unavailable => Problem::new("storage-unavailable").retry_after(Duration::from_secs(5)),
        CommitError::Malformed => Problem::new("body-too-large"),
    }
}

/// Only `cases` can be absent: without `common` nothing starts. It is tried again every minute.
fn cases_unavailable() -> Problem {
    Problem::new("cases-unavailable").retry_after(Duration::from_secs(60))
}

/// The codes of strict JSON reading.
pub fn json_fault_code(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::NotUtf8 => "not-utf8",
        FaultKind::NotJson => "not-json",
        FaultKind::TooDeep => "too-deep",
        FaultKind::DuplicateKey => "duplicate-key",
        FaultKind::TooLarge => "body-too-large",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code that the sources give is in the catalogue, and the catalogue has no others.
    #[test]
    fn the_catalogue_has_words_for_exactly_the_codes_in_use() {
        let sources = [
            include_str!("problem.rs"),
            include_str!("request.rs"),
            include_str!("form.rs"),
            include_str!("live.rs"),
            include_str!("fallback.rs"),
            include_str!("mod.rs"),
            include_str!("session.rs"),
            include_str!("support.rs"),
            include_str!("wire/case.rs"),
            include_str!("wire/region.rs"),
            include_str!("wire/subscribe.rs"),
            include_str!("handlers/subscribe_pages.rs"),
            include_str!("handlers/cases.rs"),
            include_str!("handlers/staff.rs"),
            include_str!("handlers/staff_pages.rs"),
            include_str!("handlers/feed.rs"),
            include_str!("handlers/clinics.rs"),
            include_str!("handlers/status.rs"),
            include_str!("wire/status.rs"),
        ];
        let mut used = std::collections::BTreeSet::new();
        for source in sources {
            // A code is a literal of its own: lower case and hyphens between quotation marks.
            for literal in source.split('"').skip(1).step_by(2) {
                if CATALOGUE.contains_key(literal) {
                    used.insert(literal.to_owned());
                }
            }
            for given in source.split("Problem::new(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(CATALOGUE.contains_key(given) || given == "…", "{given} has no words");
            }
        }
        let catalogue: std::collections::BTreeSet<_> = CATALOGUE.keys().cloned().collect();
        assert_eq!(used, catalogue);
    }

    #[test]
    fn a_problem_speaks_the_asked_language_and_names_rule_place_and_remedy() {
        let problem = Problem::from(Refusal::UnknownClinic);
        let sv = problem.body(Language::Sv, "r");
        let en = problem.body(Language::En, "r");
        assert_eq!(
            (&sv["code"], &sv["status"], &sv["instance"]),
            (&json!("unknown-clinic"), &json!(problem.status()), &json!("urn:uuid:r"))
        );
        assert_eq!(sv["violations"][0]["pointer"], "/clinic");
        assert_ne!(sv["title"], en["title"]);
        assert_ne!(sv["remedy"], "");
    }
}
