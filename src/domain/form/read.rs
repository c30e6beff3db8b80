//! FHIR objects read element by element. Every fault is collected with its place, so that a sender gets all of them at once.

use serde_json::{Map, Value};

use super::{
    ISSUES_MAX, TEXT_CHARS_MAX,
    code::IssueCode,
    issue::{Issue, Severity},
};
use crate::domain::json;

/// What has been found so far, bounded.
#[derive(Default)]
pub struct Findings(Vec<Issue>);

impl Findings {
    pub fn add(&mut self, code: IssueCode, pointer: &str, link_id: Option<&str>, detail: impl Into<String>) {
        if self.0.len() < ISSUES_MAX {
            self.0.push(Issue {
                severity: code.severity(),
                code,
                link_id: link_id.map(str::to_owned),
                pointer: pointer.to_owned(),
                detail: detail.into(),
            });
        }
    }

    pub fn is_fatal(&self) -> bool {
        self.0.iter().any(|issue| issue.severity == Severity::Fatal)
    }

    pub fn into_issues(self) -> Vec<Issue> {
        self.0
    }
}

/// One JSON object on its place.
pub struct Object<'a> {
    pub fields: &'a Map<String, Value>,
    pub pointer: String,
}

impl<'a> Object<'a> {
    pub fn read(value: &'a Value, pointer: String, findings: &mut Findings) -> Option<Object<'a>> {
        let object = value.as_object();
        if object.is_none() {
            findings.add(IssueCode::Structure, &pointer, None, "object");
        }
        object.map(|fields| Object { fields, pointer })
    }

    pub fn at(&self, element: &str) -> String {
        format!("{}/{element}", self.pointer)
    }

    /// An element read by `read`; present but not fit is a fault of structure.
    fn element<T>(
        &self,
        element: &str,
        expected: &str,
        findings: &mut Findings,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.fields.get(element)?;
        let fit = read(value);
        if fit.is_none() {
            findings.add(IssueCode::Structure, &self.at(element), None, expected);
        }
        fit
    }

    /// A string that is not empty, and of bounded length.
    pub fn text(&self, element: &str, findings: &mut Findings) -> Option<&'a str> {
        let text = self.element(element, "string", findings, |v| v.as_str().filter(|s| !s.is_empty()))?;
        if text.chars().count() > TEXT_CHARS_MAX {
            findings.add(IssueCode::TooLarge, &self.at(element), None, format!("{TEXT_CHARS_MAX} characters"));
            return None;
        }
        Some(text)
    }

    pub fn owned(&self, element: &str, findings: &mut Findings) -> Option<String> {
        self.text(element, findings).map(str::to_owned)
    }

    /// `false` when absent, as all of FHIR's flags that we read.
    pub fn flag(&self, element: &str, findings: &mut Findings) -> bool {
        self.element(element, "boolean", findings, Value::as_bool).unwrap_or_default()
    }

    pub fn count(&self, element: &str, findings: &mut Findings) -> Option<u64> {
        self.element(element, "unsignedInt", findings, Value::as_u64)
    }

    pub fn object(&self, element: &str, findings: &mut Findings) -> Option<Object<'a>> {
        self.fields.get(element).and_then(|value| Object::read(value, self.at(element), findings))
    }

    /// The objects of an array; none when it is absent.
    pub fn objects(&self, element: &str, findings: &mut Findings) -> Vec<Object<'a>> {
        let values = self.element(element, "array", findings, Value::as_array).map_or(&[][..], Vec::as_slice);
        let pointer = self.at(element);
        values
            .iter()
            .enumerate()
            .filter_map(|(index, value)| Object::read(value, format!("{pointer}/{index}"), findings))
            .collect()
    }

    /// The elements `value[x]` (or another name): what follows the name, and the value.
    pub fn choice(&self, name: &str) -> Vec<(&'a str, &'a Value)> {
        let suffix = |key: &'a String| {
            key.strip_prefix(name).filter(|suffix| suffix.starts_with(|c: char| c.is_ascii_uppercase()))
        };
        self.fields.iter().filter_map(|(key, value)| suffix(key).map(|suffix| (suffix, value))).collect()
    }

    /// Elements that FHIR does not have here are typing errors that would lose content. `name[x]` stands for a choice.
    pub fn only(&self, known: &[&str], findings: &mut Findings) {
        for key in self.fields.keys() {
            let name = key.strip_prefix('_').unwrap_or(key);
            let is_known = known.iter().chain(ELEMENT).any(|known| match known.strip_suffix("[x]") {
                Some(stem) => name.strip_prefix(stem).is_some_and(|x| x.starts_with(|c: char| c.is_ascii_uppercase())),
                None => *known == name,
            });
            if MODIFIERS.contains(&name) {
                findings.add(IssueCode::NotUnderstood, &self.at(name), None, name);
            } else if !is_known {
                let shown = if json::is_showable(key) { key } else { "…" };
                findings.add(IssueCode::UnknownElement, &self.pointer, None, shown);
            }
        }
    }
}

/// What any element may have.
const ELEMENT: &[&str] = &["id", "extension"];
/// FHIR R4, "modifierExtension" and "implicitRules": whoever does not understand them must not go on.
const MODIFIERS: &[&str] = &["modifierExtension", "implicitRules"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_issues_than_the_bound_are_kept() {
        let mut findings = Findings::default();
        for _ in 0..ISSUES_MAX * 2 {
            findings.add(IssueCode::Required, "", None, "");
        }
        assert_eq!(findings.into_issues().len(), ISSUES_MAX);
    }
}
