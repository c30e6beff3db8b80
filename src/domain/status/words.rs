//! Bounds of what authors write, and the collector of what breaks them.

use jiff::{SignedDuration, Timestamp};

use super::Audience;
use super::component::{Component, ComponentStatus};
use super::fault::{AFFECTED_MAX, Fault, Rule, Violation};
use super::subject::Affected;
use crate::domain::clinic::Texts;
use crate::domain::id::holds_person_id;

pub const TITLE_CHARS_MAX: usize = 120;
pub const BODY_CHARS_MAX: usize = 4_000;
pub const REFERENCE_CHARS_MAX: usize = 64;
/// The farthest that a next update may be promised.
const PROMISE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Under what circumstances somebody acts.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    pub now: Timestamp,
    /// Staff HSA-id, `operator NAME`, `probe SLUG` or `clock`.
    pub by: &'a str,
    /// Rules for people (advance notice, taking over from a probe) are not for clocks and probes.
    pub is_person: bool,
    /// All of the region's, archived ones too.
    pub components: &'a [Component],
    /// How long ahead a window is asked for.
    pub minimum_notice_days: u16,
}

/// Collects everything that is unfit, so that authors are told all at once.
#[derive(Default)]
pub struct Check {
    violations: Vec<Violation>,
}

impl Check {
    pub fn that(&mut self, fits: bool, pointer: &str, rule: Rule) {
        if !fits {
            self.violations.push(Violation { pointer: pointer.to_owned(), rule });
        }
    }

    pub fn finish(self) -> Result<(), Fault> {
        if self.violations.is_empty() { Ok(()) } else { Err(Fault::Unfit(self.violations)) }
    }

    /// One line.
    pub fn title(&mut self, pointer: &str, texts: &Texts) {
        self.texts(pointer, texts, |check, pointer, text| {
            check.that(text.chars().count() <= TITLE_CHARS_MAX, pointer, Rule::TitleTooLong);
            check.that(!text.chars().any(is_forbidden), pointer, Rule::ForbiddenCharacter);
            check.that(!holds_person_id(text), pointer, Rule::PersonId);
        });
    }

    /// Paragraphs.
    pub fn body(&mut self, pointer: &str, texts: &Texts) {
        self.texts(pointer, texts, |check, pointer, text| {
            check.that(text.chars().count() <= BODY_CHARS_MAX, pointer, Rule::BodyTooLong);
            check.that(!text.chars().any(|c| c != '\n' && is_forbidden(c)), pointer, Rule::ForbiddenCharacter);
            check.that(!holds_person_id(text), pointer, Rule::PersonId);
        });
    }

    /// A text that may be left out altogether.
    pub fn optional_body(&mut self, pointer: &str, texts: &Texts) {
        if texts != &Texts::default() {
            self.body(pointer, texts);
        }
    }

    pub fn reference(&mut self, pointer: &str, reference: Option<&str>) {
        if let Some(text) = reference {
            self.that(text.chars().count() <= REFERENCE_CHARS_MAX, pointer, Rule::ReferenceTooLong);
            self.that(!text.chars().any(is_forbidden), pointer, Rule::ForbiddenCharacter);
        }
    }

    pub fn ahead(&mut self, pointer: &str, at: Option<Timestamp>, now: Timestamp) {
        self.that(at.is_none_or(|at| at > now), pointer, Rule::NotAhead);
    }

    pub fn promise(&mut self, pointer: &str, at: Option<Timestamp>, now: Timestamp) {
        self.ahead(pointer, at, now);
        self.that(at.is_none_or(|at| at.duration_since(now) <= PROMISE_MAX), pointer, Rule::PromiseTooFar);
    }

    /// `before` are components that it affected already: those may have been archived since.
    pub fn affected(
        &mut self,
        affected: &[Affected],
        before: &[Affected],
        audience: Audience,
        maintenance: bool,
        components: &[Component],
    ) {
        self.that(!affected.is_empty(), "/affected", Rule::NoComponents);
        self.that(affected.len() <= AFFECTED_MAX, "/affected", Rule::TooManyComponents);
        for (n, one) in affected.iter().take(AFFECTED_MAX).enumerate() {
            let pointer = format!("/affected/{n}");
            let earlier = affected.iter().take(n).any(|other| other.component == one.component);
            self.that(!earlier, &pointer, Rule::RepeatedComponent);
            let status_fits = maintenance || one.status != ComponentStatus::UnderMaintenance;
            self.that(status_fits, &pointer, Rule::NotUnderMaintenance);
            match components.iter().find(|component| component.id == one.component) {
                None => self.that(false, &pointer, Rule::UnknownComponent),
                Some(component) => {
                    let was_there = before.iter().any(|b| b.component == one.component);
                    self.that(!component.archived || was_there, &pointer, Rule::ArchivedComponent);
                    self.that(audience.sees(component.audience), &pointer, Rule::ComponentNotPublic);
                }
            }
        }
    }

    fn texts(&mut self, pointer: &str, texts: &Texts, check: impl Fn(&mut Check, &str, &str)) {
        let sv = format!("{pointer}/sv");
        self.that(!texts.sv.trim().is_empty(), &sv, Rule::SwedishMissing);
        check(self, &sv, &texts.sv);
        if let Some(en) = &texts.en {
            let pointer = format!("{pointer}/en");
            self.that(!en.trim().is_empty(), &pointer, Rule::EnglishEmpty);
            check(self, &pointer, en);
        }
    }
}

/// C0, C1, line and paragraph separators, and whatever turns or hides the writing direction: a header or a heading
/// with one of these reads differently from what was written.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sv: &str, en: Option<&str>) -> Texts {
        Texts { sv: sv.into(), en: en.map(Into::into) }
    }

    fn rules_of(check: Check) -> Vec<(String, Rule)> {
        match check.finish() {
            Err(Fault::Unfit(violations)) => violations.into_iter().map(|v| (v.pointer, v.rule)).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_title_is_one_swedish_line_and_english_is_written_or_left_out() {
        for (title, expected) in [
            (texts("Inloggning med SITHS fungerar inte", None), vec![]),
            (texts("Å", Some("A")), vec![]),
            (texts(" ", None), vec![("/title/sv", Rule::SwedishMissing)]),
            (texts("x", Some("")), vec![("/title/en", Rule::EnglishEmpty)]),
            (texts("a\r\nBcc: b", None), vec![("/title/sv", Rule::ForbiddenCharacter)]),
            (texts("a\u{202e}b", None), vec![("/title/sv", Rule::ForbiddenCharacter)]),
            (texts("Fel för 19121212-1212", None), vec![("/title/sv", Rule::PersonId)]),
            (texts(&"å".repeat(121), None), vec![("/title/sv", Rule::TitleTooLong)]),
        ] {
            let mut check = Check::default();
            check.title("/title", &title);
            let expected: Vec<_> = expected.into_iter().map(|(p, r)| (p.to_owned(), r)).collect();
            assert_eq!(rules_of(check), expected, "{title:?}");
        }
    }

    #[test]
    fn a_body_has_paragraphs_and_no_other_control_characters() {
        let mut check = Check::default();
        check.body("/body", &texts("En rad.\n\nEn till.", None));
        assert_eq!(rules_of(check), []);
        let mut check = Check::default();
        check.body("/body", &texts("En\ttabb", Some(&"x".repeat(BODY_CHARS_MAX + 1))));
        let expected = [("/body/sv".to_owned(), Rule::ForbiddenCharacter), ("/body/en".to_owned(), Rule::BodyTooLong)];
        assert_eq!(rules_of(check), expected);
    }
}
