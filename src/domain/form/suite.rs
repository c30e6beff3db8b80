//! The cases of the public validator suite in `tests/fhir/`: each must give exactly the issues that it expects.

use std::{fs, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::{Issue, Questionnaire, is_valid};
use crate::domain::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    valid: bool,
    issues: Vec<Expected>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    severity: String,
    code: String,
    link_id: Option<String>,
}

fn read(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fhir").join(format!("{name}.json"));
    json::parse(&fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

fn told(issue: &Issue) -> String {
    format!("{:?} {} {:?}", issue.severity, issue.code.as_str(), issue.link_id).to_lowercase()
}

#[test]
fn every_case_of_the_public_suite_gives_exactly_the_issues_that_it_expects() {
    let cases: Vec<Case> = serde_json::from_value(read("expected")).unwrap();
    assert_eq!(cases.len(), 26);
    for case in cases {
        let form = Questionnaire::parse(&read(&format!("{}.questionnaire", case.name)))
            .unwrap_or_else(|issues| panic!("{}: {issues:?}", case.name));
        let issues = form.check(&read(&format!("{}.response", case.name)), "2026-11-22T08:00:00Z".parse().unwrap());
        let mut actual: Vec<_> = issues.iter().map(told).collect();
        let mut expected: Vec<_> = case
            .issues
            .iter()
            .map(|issue| format!("{} {} {:?}", issue.severity, issue.code, issue.link_id).to_lowercase())
            .collect();
        actual.sort();
        expected.sort();
        assert_eq!(actual, expected, "{}", case.name);
        assert_eq!(is_valid(&issues), case.valid, "{}", case.name);
    }
}
