//! A problem that says why a certificate was not let in: the rule, what exactly it met, the cure.

use serde_json::{Value, json};

use super::problem::Problem;
use super::request::{CallerFacts, RejectionFacts};
use crate::domain::language::Language;
use crate::domain::rejection::Detail;
use crate::render::Renderer;
use crate::usecase::Refusal;

/// The certificate is proven: whoever is not known here is told whom to ask at home.
pub fn told_at_home(refusal: Refusal, known: &CallerFacts) -> Problem {
    let mut problem = Problem::from(refusal);
    if let Some(facts) = &mut problem.rejection {
        facts.organisation = known.organisation();
    }
    problem
}

/// The rule, what exactly it met and the cure, into the problem's body.
pub fn tell(body: &mut Value, renderer: &Renderer, facts: &RejectionFacts, language: Language) {
    let Value::Object(members) = body else { return };
    let words = renderer.rejection(&facts.told(), language);
    let detail = [Some(words.text), words.detail].into_iter().flatten().collect::<Vec<_>>().join(" ");
    members.insert("title".into(), words.title.into());
    members.insert("detail".into(), detail.into());
    let rejection = json!({
        "code": facts.code.as_str(),
        "cure": words.cure.into_iter().map(|step| step.text).collect::<Vec<_>>(),
        "guide": renderer.login_guide(language),
        "report": renderer.fault_report(facts.code, language),
        "cardTest": renderer.card_test(language),
        "facts": facts.detail.as_ref().map(particulars),
    });
    members.insert("rejection".into(), rejection);
}

/// What the code alone does not say, for programs.
fn particulars(detail: &Detail) -> Value {
    match detail {
        Detail::Ended(at) => json!({ "notAfter": at }),
        Detail::Begins(at) => json!({ "notBefore": at }),
        Detail::Revoked(at) => json!({ "revokedAt": at }),
        Detail::ListDue(at) => json!({ "nextUpdate": at }),
        Detail::IssuerEnded(day) => json!({ "issuerEnded": day }),
        Detail::Clock { ours, passed } => json!({ "ourClock": ours, "passed": passed }),
        Detail::Level { own, least } => json!({ "level": own, "leastLevel": least }),
        Detail::Chosen(label) => json!({ "shown": label }),
    }
}
