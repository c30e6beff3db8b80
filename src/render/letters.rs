//! Letters that say that something waits, and where people are sent for help.

use minijinja::context;
use minijinja::value::Serde;

use super::{RenderError, Renderer, unfit};
use crate::domain::clinic::Texts;
use crate::domain::faq::LOGIN_GUIDE;
use crate::domain::language::Language;
use crate::domain::letter::LetterKind;
use crate::domain::rejection::RejectionCode;
use crate::domain::status::Audience;
use crate::domain::status::edition::Edition;

/// A letter's three texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterTexts {
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl Renderer {
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

    /// Where it is told how to log in.
    pub fn login_guide(&self, language: Language) -> String {
        self.public_page(language, &format!("/fragor-och-svar/{LOGIN_GUIDE}"))
    }

    /// Where the rejection is reported as a fault, its code filled in.
    pub fn fault_report(&self, code: RejectionCode, language: Language) -> String {
        self.public_page(language, &format!("/support/felanmalan?kod={code}"))
    }

    pub(super) fn public_page(&self, language: Language, path: &str) -> String {
        format!("{}{}", self.service.public_url, Edition { language, audience: Audience::Staff }.path(path))
    }

    /// The support's telephone, and when it is answered.
    pub fn support_telephone(&self) -> (&str, &Texts) {
        (&self.service.support_telephone, &self.service.support_hours)
    }
}
