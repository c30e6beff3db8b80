//! Letters and pages from templates. Ours are built in; a region's own stand in for them by the same path below its
//! template directory. Every template is rendered once at the start: an unfit one is told then, not at night.
//!
//! | file | holds |
//! |---|---|
//! | `letters` | letters that say that something waits |
//! | `rejections` | who is not let in: rule, detail, cure |
//! | `notices` | mails of what happened to services |
//! | `publish` | everything that many read, as documents |
//! | `status_pages`, `statuspage`, `feeds`, `calendar` | those documents: pages, JSON, Atom and badge, iCalendar |
//! | `staff` | the pages of the staff door |
//! | `card_test` | the card test's page |
//! | `page`, `pages` | pages for people who do something: their facts, their rendering |
//! | `view`, `words`, `when`, `markup` | what all of them say, and how |
//! | `environment` | the templates and what they may call |
//! | `sample` | facts to try every template with |
//!
//! A template is given one language and says both: `t("svenska", "English")`.

mod calendar;
pub mod card_test;
mod environment;
mod feeds;
mod letters;
mod markup;
pub mod notices;
pub mod page;
mod pages;
pub mod publish;
mod rejections;
mod sample;
pub mod staff;
mod status_pages;
mod statuspage;
#[cfg(test)]
mod tests;
mod view;
mod when;
mod words;

use std::path::{Path, PathBuf};

use minijinja::{Environment, Value};

use self::rejections::Words;
use crate::domain::clinic::Texts;
use crate::domain::language::Language;
use crate::domain::letter::LetterKind;
use crate::domain::rejection::RejectionCode;
use crate::domain::status::Audience;

pub use self::letters::LetterTexts;
pub use self::rejections::Rejected;

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
    /// When somebody answers there; empty where it need not be said.
    pub support_hours: Texts,
    /// A page of somebody else's that each audience's status page links to.
    pub staff_link: Option<ExternalPage>,
    pub public_link: Option<ExternalPage>,
    /// Where a card is tried, without a slash at its end; none where there is no such door.
    pub card_test_url: Option<String>,
    /// Who helps which organisation's staff.
    pub local_it: Vec<LocalIt>,
}

/// An organisation's own IT support.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalIt {
    /// Its number, ten digits.
    pub organisation: String,
    pub name: String,
    pub telephone: String,
    pub url: Option<String>,
}

/// A page of somebody else's, such as 1177.se.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalPage {
    pub url: String,
    pub label: Texts,
}

impl Service {
    fn link_for(&self, audience: Audience) -> Option<&ExternalPage> {
        match audience {
            Audience::Staff => self.staff_link.as_ref(),
            Audience::Public => self.public_link.as_ref(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("template {name}: {reason}")]
    Template { name: String, reason: String },
    #[error("{path}: {reason}", path = path.display())]
    File { path: PathBuf, reason: String },
    #[error("no words for {0}")]
    Words(&'static str),
    #[error("{0} cannot be written as JSON")]
    Json(String),
}

pub struct Renderer {
    environment: Environment<'static>,
    service: Service,
    words: Words,
}

/// Facts of each kind of letter that has some, to try its templates with.
const SAMPLE_FACTS: &str = include_str!("sample-facts.json");

impl Renderer {
    /// Reads the templates and renders each of them once. Blocking.
    pub fn new(service: Service, own: Option<&Path>) -> Result<Renderer, RenderError> {
        let environment = environment::load(own)?;
        let renderer = Renderer { environment, service, words: Words::built_in()? };
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
                self.rejected(&Rejected::bare(code), language, "")?;
            }
            self.try_notices(language)?;
            self.try_staff_pages(language)?;
            self.try_card_test(language)?;
            for audience in Audience::ALL {
                self.try_pages(language, audience)?;
            }
        }
        self.publish(&sample::board(), &sample::own_health(), sample::now())?;
        self.publish_standing(&sample::board(), &[], sample::now())?;
        Ok(())
    }

    fn rendered(&self, name: &'static str, facts: Value) -> Result<String, RenderError> {
        let template = self.environment.get_template(name).map_err(|e| unfit(name, &e))?;
        template.render(facts).map_err(|e| unfit(name, &e))
    }
}

fn unfit(name: &str, error: &minijinja::Error) -> RenderError {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let reason = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    RenderError::Template { name: name.to_owned(), reason }
}
