//! Stories of form and response: what a form may be, what a response may hold, when a question is asked.

mod enable;
mod forms;
mod properties;
mod responses;
mod values;

use serde_json::{Value, json};

use super::{Issue, Questionnaire};

const NOW: &str = "2026-11-22T08:00:00Z";

fn form(items: &Value) -> Questionnaire {
    let form = json!({"resourceType": "Questionnaire", "status": "active", "item": items});
    Questionnaire::parse(&form).unwrap_or_else(|issues| panic!("{issues:?}"))
}

fn response(items: &Value) -> Value {
    json!({"resourceType": "QuestionnaireResponse", "status": "completed", "item": items})
}

/// Code and pointer of each issue, in the order told.
fn told(issues: &[Issue]) -> Vec<String> {
    issues.iter().map(|issue| format!("{} {}", issue.code.as_str(), issue.pointer)).collect()
}

fn issues(form: &Questionnaire, items: &Value) -> Vec<String> {
    told(&form.check(&response(items), NOW.parse().unwrap()))
}

/// The faults of a form with these items.
fn faults(items: &Value) -> Vec<String> {
    faults_of(&json!({"resourceType": "Questionnaire", "status": "active", "item": items}))
}

fn faults_of(form: &Value) -> Vec<String> {
    told(&Questionnaire::parse(form).err().unwrap_or_default())
}
