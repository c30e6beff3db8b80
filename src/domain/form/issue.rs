//! What is wrong with a form or a response, where, and what to do about it. Never holds an answer.

use serde::Serialize;

use super::code::IssueCode;
use crate::domain::language::Language;

/// FHIR's `OperationOutcome.issue.severity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Told, and accepted.
    Warning,
    /// The answers break a rule of the form: whoever filled it in can mend it.
    Error,
    /// The document itself is broken: the sending system must be mended.
    Fatal,
}

impl Severity {
    /// As FHIR's `IssueSeverity` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Fatal => "fatal",
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    pub severity: Severity,
    pub code: IssueCode,
    /// The item concerned; absent where there is none, or where its name might be content.
    pub link_id: Option<String>,
    /// RFC 6901, into the response (or into the form, when that was read).
    pub pointer: String,
    /// What the rule asks for (a length, a type), from the form or the standard: never from an answer.
    pub detail: String,
}

impl Issue {
    /// The rule, the place, the remedy: three sentences for people.
    pub fn text(&self, language: Language) -> String {
        let (rule, remedy) = self.code.words(language);
        let rule = rule.replace("{}", &self.detail);
        let pointer = if self.pointer.is_empty() { "/" } else { &self.pointer };
        let place = match (language, &self.link_id) {
            (Language::Sv, Some(link_id)) => format!("Plats: fråga {link_id} ({pointer})."),
            (Language::En, Some(link_id)) => format!("Place: question {link_id} ({pointer})."),
            (Language::Sv, None) => format!("Plats: {pointer}."),
            (Language::En, None) => format!("Place: {pointer}."),
        };
        format!("{rule} {place} {}", remedy.replace("{}", &self.detail))
    }
}

/// Whether what was checked may be accepted: warnings only, or nothing at all.
pub fn is_valid(issues: &[Issue]) -> bool {
    issues.iter().all(|issue| issue.severity == Severity::Warning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_tells_rule_place_and_remedy_in_that_order() {
        let issue = Issue {
            severity: Severity::Error,
            code: IssueCode::MaxLength,
            link_id: Some("q1".into()),
            pointer: "/item/0/answer/0".into(),
            detail: "500".into(),
        };
        assert_eq!(
            issue.text(Language::Sv),
            "Svaret får ha högst 500 tecken. Plats: fråga q1 (/item/0/answer/0). Korta svaret."
        );
        assert_eq!(
            issue.text(Language::En),
            "The answer may have at most 500 characters. Place: question q1 (/item/0/answer/0). Shorten the answer."
        );
    }

    #[test]
    fn every_code_has_its_own_name_and_whole_sentences_in_both_languages() {
        let mut names: Vec<_> = IssueCode::ALL.iter().map(|code| code.as_str()).collect();
        for code in IssueCode::ALL {
            for language in [Language::Sv, Language::En] {
                let (rule, remedy) = code.words(language);
                assert!(rule.ends_with('.') && remedy.ends_with('.'), "{code:?} {language:?}");
            }
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), IssueCode::ALL.len());
    }

    #[test]
    fn warnings_alone_do_not_make_anything_invalid() {
        let issue = |code: IssueCode| Issue {
            severity: code.severity(),
            code,
            link_id: None,
            pointer: String::new(),
            detail: String::new(),
        };
        assert!(is_valid(&[]) && is_valid(&[issue(IssueCode::QuestionnaireRetired)]));
        assert!(!is_valid(&[issue(IssueCode::QuestionnaireRetired), issue(IssueCode::Required)]));
        assert!(!is_valid(&[issue(IssueCode::InvalidLinkId)]));
    }
}
