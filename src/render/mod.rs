//! Letters and pages from templates. Ours are built in; a region's own stand in for them by the same path below its
//! template directory. Every template is rendered once at the start: an unfit one is told then, not at night.

pub mod publish;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Deserialize;

use crate::domain::language::Language;
use crate::domain::letter::LetterKind;
use crate::domain::rejection::RejectionCode;

/// A region's own template may be this long, in bytes.
const TEMPLATE_BYTES_MAX: u64 = 64 << 10;
/// Steps that rendering one template may take.
const FUEL: u64 = 50_000;

/// What templates may say of this installation.
#[derive(Debug, Clone)]
pub struct Service {
    pub name: String,
    /// The portal's own first page, never a case's.
    pub portal_url: String,
    pub staff_url: String,
    /// Where the public door is reached from outside, without a slash at its end.
    pub public_url: String,
    pub support_telephone: String,
}

/// A letter's three texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterTexts {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Why somebody was not let in, in words for people.
#[derive(Debug, Deserialize)]
pub struct RejectionWords {
    pub title: String,
    pub text: String,
    pub cure: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Both {
    sv: RejectionWords,
    en: RejectionWords,
}

#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("template {name}: {reason}")]
    Template { name: String, reason: String },
    #[error("{path}: {reason}", path = path.display())]
    File { path: PathBuf, reason: String },
    #[error("no words for {0}")]
    Words(&'static str),
}

pub struct Renderer {
    environment: Environment<'static>,
    service: Service,
    rejections: HashMap<String, Both>,
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("templates/", $name)))),*]
    };
}

const BUILT_IN: &[(&str, &str)] = built_in![
    "letter.html",
    "rejection.html",
    "problem.html",
    "status.html",
    "sv/answer-waits.subject",
    "sv/answer-waits.txt",
    "sv/answer-waits.html",
    "sv/question-waits.subject",
    "sv/question-waits.txt",
    "sv/question-waits.html",
    "sv/new-case.subject",
    "sv/new-case.txt",
    "sv/new-case.html",
    "sv/assigned-case.subject",
    "sv/assigned-case.txt",
    "sv/assigned-case.html",
    "en/answer-waits.subject",
    "en/answer-waits.txt",
    "en/answer-waits.html",
    "en/question-waits.subject",
    "en/question-waits.txt",
    "en/question-waits.html",
    "en/new-case.subject",
    "en/new-case.txt",
    "en/new-case.html",
    "en/assigned-case.subject",
    "en/assigned-case.txt",
    "en/assigned-case.html",
    "sv/confirm-subscription.subject",
    "sv/confirm-subscription.txt",
    "sv/confirm-subscription.html",
    "sv/manage-subscription.subject",
    "sv/manage-subscription.txt",
    "sv/manage-subscription.html",
    "sv/list-leave-wish.subject",
    "sv/list-leave-wish.txt",
    "sv/list-leave-wish.html",
    "en/confirm-subscription.subject",
    "en/confirm-subscription.txt",
    "en/confirm-subscription.html",
    "en/manage-subscription.subject",
    "en/manage-subscription.txt",
    "en/manage-subscription.html",
    "en/list-leave-wish.subject",
    "en/list-leave-wish.txt",
    "en/list-leave-wish.html",
    "sv/ticket-received.subject",
    "sv/ticket-received.txt",
    "sv/ticket-received.html",
    "sv/ticket-answer.subject",
    "sv/ticket-answer.txt",
    "sv/ticket-answer.html",
    "sv/ticket-question.subject",
    "sv/ticket-question.txt",
    "sv/ticket-question.html",
    "sv/ticket-mended.subject",
    "sv/ticket-mended.txt",
    "sv/ticket-mended.html",
    "sv/ticket-new.subject",
    "sv/ticket-new.txt",
    "sv/ticket-new.html",
    "sv/ticket-given.subject",
    "sv/ticket-given.txt",
    "sv/ticket-given.html",
    "sv/ticket-message.subject",
    "sv/ticket-message.txt",
    "sv/ticket-message.html",
    "en/ticket-received.subject",
    "en/ticket-received.txt",
    "en/ticket-received.html",
    "en/ticket-answer.subject",
    "en/ticket-answer.txt",
    "en/ticket-answer.html",
    "en/ticket-question.subject",
    "en/ticket-question.txt",
    "en/ticket-question.html",
    "en/ticket-mended.subject",
    "en/ticket-mended.txt",
    "en/ticket-mended.html",
    "en/ticket-new.subject",
    "en/ticket-new.txt",
    "en/ticket-new.html",
    "en/ticket-given.subject",
    "en/ticket-given.txt",
    "en/ticket-given.html",
    "en/ticket-message.subject",
    "en/ticket-message.txt",
    "en/ticket-message.html",
];

/// Facts of each kind of letter that has some, to try its templates with.
const SAMPLE_FACTS: &str = include_str!("sample-facts.json");

impl Renderer {
    /// Reads the templates and renders each of them once. Blocking.
    pub fn new(service: Service, own: Option<&Path>) -> Result<Renderer, RenderError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        for (name, source) in BUILT_IN {
            let source = match own {
                Some(dir) => read_own(&dir.join(name))?.unwrap_or_else(|| (*source).to_owned()),
                None => (*source).to_owned(),
            };
            environment.add_template_owned(*name, source).map_err(|e| unfit(name, &e))?;
        }
        let rejections =
            serde_json::from_str(include_str!("rejections.json")).map_err(|_| RenderError::Words("rejections.json"))?;
        let renderer = Renderer { environment, service, rejections };
        renderer.try_all()?;
        Ok(renderer)
    }

    fn try_all(&self) -> Result<(), RenderError> {
        let samples: serde_json::Value =
            serde_json::from_str(SAMPLE_FACTS).map_err(|_| RenderError::Words("sample-facts.json"))?;
        for language in [Language::Sv, Language::En] {
            for kind in LetterKind::ALL {
                self.letter(kind, language, samples.get(kind.as_str()))?;
            }
            for code in RejectionCode::ALL {
                if !self.rejections.contains_key(code.as_str()) {
                    return Err(RenderError::Words(code.as_str()));
                }
                self.page(code, language, "")?;
            }
            self.problem("", "", "", language)?;
        }
        Ok(())
    }

    /// A letter's texts. `facts` are those of its kind, as in `sample-facts.json`.
    pub fn letter(
        &self,
        kind: LetterKind,
        language: Language,
        facts: Option<&serde_json::Value>,
    ) -> Result<LetterTexts, RenderError> {
        let render = |part: &str| {
            let name = format!("{}/{}.{part}", language.tag(), kind.as_str());
            let context = context! {
                service_name => &self.service.name,
                portal_url => &self.service.portal_url,
                staff_url => &self.service.staff_url,
                public_url => &self.service.public_url,
                support_telephone => &self.service.support_telephone,
                facts => Serde(facts),
            };
            let template = self.environment.get_template(&name).map_err(|e| unfit(&name, &e))?;
            template.render(context).map_err(|e| unfit(&name, &e))
        };
        Ok(LetterTexts { subject: render("subject")?.trim().to_owned(), text: render("txt")?, html: render("html")? })
    }

    /// The words for a rejection; the start has seen that there are some for each.
    pub fn rejection(&self, code: RejectionCode, language: Language) -> RejectionWords {
        let words = self.rejections.get(code.as_str()).map(|both| match language {
            Language::Sv => &both.sv,
            Language::En => &both.en,
        });
        match words {
            Some(words) => {
                RejectionWords { title: words.title.clone(), text: words.text.clone(), cure: words.cure.clone() }
            }
            None => RejectionWords { title: code.as_str().to_owned(), text: String::new(), cure: Vec::new() },
        }
    }

    /// The one page that a person who is not let in gets to see.
    pub fn rejection_page(&self, code: RejectionCode, language: Language, request: &str) -> Option<String> {
        self.page(code, language, request).ok()
    }

    /// A refusal as a page of the public door.
    pub fn problem_page(&self, title: &str, detail: &str, remedy: &str, language: Language) -> Option<String> {
        self.problem(title, detail, remedy, language).ok()
    }

    fn problem(&self, title: &str, detail: &str, remedy: &str, language: Language) -> Result<String, RenderError> {
        let name = "problem.html";
        let facts = context! {
            language => language.tag(),
            title,
            detail,
            remedy,
            support_telephone => &self.service.support_telephone,
            service_name => &self.service.name,
        };
        let template = self.environment.get_template(name).map_err(|e| unfit(name, &e))?;
        template.render(facts).map_err(|e| unfit(name, &e))
    }

    fn page(&self, code: RejectionCode, language: Language, request: &str) -> Result<String, RenderError> {
        let name = "rejection.html";
        let words = self.rejection(code, language);
        let facts = context! {
            language => language.tag(),
            title => words.title,
            text => words.text,
            cure => words.cure,
            code => code.as_str(),
            request_id => request,
            support_telephone => &self.service.support_telephone,
            service_name => &self.service.name,
        };
        let template = self.environment.get_template(name).map_err(|e| unfit(name, &e))?;
        template.render(facts).map_err(|e| unfit(name, &e))
    }
}

fn unfit(name: &str, error: &minijinja::Error) -> RenderError {
    RenderError::Template { name: name.to_owned(), reason: error.to_string() }
}

fn read_own(path: &Path) -> Result<Option<String>, RenderError> {
    let fault = |reason: String| RenderError::File { path: path.to_owned(), reason };
    match std::fs::metadata(path) {
        Err(_) => return Ok(None),
        Ok(meta) if meta.len() > TEMPLATE_BYTES_MAX => return Err(fault("longer than 64 KiB".into())),
        Ok(_) => {}
    }
    std::fs::read_to_string(path).map(Some).map_err(|e| fault(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        Service {
            name: "e-tjänsterna i Region Exempel".into(),
            portal_url: "https://portal.region.example/".into(),
            staff_url: "https://staff.region.example/".into(),
            public_url: "https://status.region.example".into(),
            support_telephone: "0771-00 00 00".into(),
        }
    }

    #[test]
    fn every_letter_and_every_rejection_has_its_words_in_both_languages() {
        let renderer = Renderer::new(service(), None).unwrap();
        let samples: serde_json::Value = serde_json::from_str(SAMPLE_FACTS).unwrap();
        for kind in LetterKind::ALL {
            let sv = renderer.letter(kind, Language::Sv, samples.get(kind.as_str())).unwrap();
            let en = renderer.letter(kind, Language::En, samples.get(kind.as_str())).unwrap();
            assert_ne!(sv.text, en.text);
            assert!(!sv.subject.contains('\n') && !sv.subject.is_empty());
            // A link is on a line of its own and cannot be broken.
            let prose = sv.text.lines().chain(en.text.lines()).filter(|line| !line.starts_with("https://"));
            let longest = prose.map(|l| l.chars().count()).max().unwrap();
            assert!(longest <= 72, "{kind:?} has a line of {longest} columns");
            assert!(sv.html.contains("lang=\"sv\"") && en.html.contains("lang=\"en\""));
        }
    }

    #[test]
    fn the_catalogue_of_rejections_has_no_words_for_codes_that_are_not() {
        let renderer = Renderer::new(service(), None).unwrap();
        let mut known: Vec<_> = RejectionCode::ALL.iter().map(|c| c.as_str().to_owned()).collect();
        let mut written: Vec<_> = renderer.rejections.keys().cloned().collect();
        known.sort();
        written.sort();
        assert_eq!(known, written);
    }

    #[test]
    fn a_regions_own_template_stands_in_and_an_unfit_one_is_told_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sv")).unwrap();
        let own = dir.path().join("sv/new-case.txt");
        std::fs::write(&own, "Ett ärende väntar. {{ staff_url }}\n").unwrap();
        let renderer = Renderer::new(service(), Some(dir.path())).unwrap();
        assert!(
            renderer.letter(LetterKind::NewCase, Language::Sv, None).unwrap().text.starts_with("Ett ärende väntar.")
        );
        std::fs::write(&own, "{{ citizen_name }}").unwrap();
        let error = Renderer::new(service(), Some(dir.path())).err().unwrap();
        assert!(error.to_string().contains("sv/new-case.txt"), "{error}");
    }
}
