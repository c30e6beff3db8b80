//! Questions that people ask often, with their answers: plain text with paragraphs, lists and links, and nothing else.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::clinic::{Texts, is_case_type_id};
use super::status::Audience;

/// The entry that every rejection points at: how to log in.
pub const LOGIN_GUIDE: &str = "logga-in";
/// Longest question, in characters.
pub const QUESTION_LEN_MAX: usize = 200;
/// Longest answer, in characters.
pub const ANSWER_LEN_MAX: usize = 20_000;
/// Entries of a region; more would be a handbook.
pub const ENTRIES_MAX: usize = 500;

/// One question with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaqEntry {
    /// Stands in its address: `a-z`, digits and single hyphens.
    pub slug: String,
    pub audience: Audience,
    pub question: Texts,
    /// Paragraphs, lines that begin with `- ` or `1. `, addresses that begin with `https://`: what pages make of a text.
    pub answer: Texts,
    /// Shown as "Senast uppdaterat"; the day on which what people read was changed.
    pub updated: Date,
    pub shown: bool,
    /// Lower comes first.
    #[serde(default)]
    pub position: u32,
}

/// Why an entry is not fit to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FaqError {
    #[error("an address is 1-64 characters: a-z, digits and single hyphens")]
    Slug,
    #[error("a question is a line of 1-{QUESTION_LEN_MAX} characters")]
    Question,
    #[error("an answer is 1-{ANSWER_LEN_MAX} characters without control characters but line breaks")]
    Answer,
}

impl FaqEntry {
    /// Whether what people read is the same: if not, it was updated today.
    pub fn reads_as(&self, other: &FaqEntry) -> bool {
        self.question == other.question && self.answer == other.answer
    }

    /// Slug, lengths, characters.
    pub fn check(&self) -> Result<(), FaqError> {
        if !is_case_type_id(&self.slug) {
            return Err(FaqError::Slug);
        }
        for question in std::iter::once(&self.question.sv).chain(&self.question.en) {
            let fits = (1..=QUESTION_LEN_MAX).contains(&question.chars().count());
            if !fits || question.trim().is_empty() || question.chars().any(char::is_control) {
                return Err(FaqError::Question);
            }
        }
        for answer in std::iter::once(&self.answer.sv).chain(&self.answer.en) {
            let clean = answer.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r'));
            if !clean || answer.trim().is_empty() || answer.chars().count() > ANSWER_LEN_MAX {
                return Err(FaqError::Answer);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    fn entry(answer: &str) -> FaqEntry {
        FaqEntry {
            slug: "logga-in".into(),
            audience: Audience::Staff,
            question: Texts { sv: "Hur loggar jag in?".into(), en: None },
            answer: Texts { sv: answer.into(), en: None },
            updated: date(2026, 11, 23),
            shown: true,
            position: 1,
        }
    }

    #[test]
    fn an_entry_that_cannot_be_shown_is_refused_by_name() {
        assert_eq!(FaqEntry { slug: "Å".into(), ..entry("Svar") }.check(), Err(FaqError::Slug));
        let question = Texts { sv: "två\nrader".into(), en: None };
        assert_eq!(FaqEntry { question, ..entry("Svar") }.check(), Err(FaqError::Question));
        assert_eq!(entry(" ").check(), Err(FaqError::Answer));
        assert_eq!(entry(&"x".repeat(ANSWER_LEN_MAX + 1)).check(), Err(FaqError::Answer));
    }
}
