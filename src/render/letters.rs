//! Letters that say that something waits, and the words for who is not let in.

use minijinja::context;
use minijinja::value::Serde;
use serde::Deserialize;

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

/// Why somebody was not let in, in words for people.
#[derive(Debug, Deserialize)]
pub struct RejectionWords {
    pub title: String,
    pub text: String,
    pub cure: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Both {
    sv: RejectionWords,
    en: RejectionWords,
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

    /// Where it is told how to log in.
    pub fn login_guide(&self, language: Language) -> String {
        self.public_page(language, &format!("/fragor-och-svar/{LOGIN_GUIDE}"))
    }

    /// Where the rejection is reported as a fault, its code filled in.
    pub fn fault_report(&self, code: RejectionCode, language: Language) -> String {
        self.public_page(language, &format!("/support/felanmalan?kod={code}"))
    }

    fn public_page(&self, language: Language, path: &str) -> String {
        format!("{}{}", self.service.public_url, Edition { language, audience: Audience::Staff }.path(path))
    }

    /// The support's telephone, and when it is answered.
    pub fn support_telephone(&self) -> (&str, &Texts) {
        (&self.service.support_telephone, &self.service.support_hours)
    }

    /// The one page that a person who is not let in gets to see.
    pub fn rejection_page(&self, code: RejectionCode, language: Language, request: &str) -> Option<String> {
        self.rejected(code, language, request).ok()
    }

    pub(super) fn rejected(
        &self,
        code: RejectionCode,
        language: Language,
        request: &str,
    ) -> Result<String, RenderError> {
        let name = "rejection.html";
        let words = self.rejection(code, language);
        let facts = context! {
            language => language.tag(),
            title => words.title,
            text => words.text,
            cure => words.cure,
            code => code.as_str(),
            request_id => request,
            login_guide => self.login_guide(language),
            fault_report => self.fault_report(code, language),
            support_telephone => &self.service.support_telephone,
            service_name => &self.service.name,
        };
        let template = self.environment.get_template(name).map_err(|e| unfit(name, &e))?;
        template.render(facts).map_err(|e| unfit(name, &e))
    }
}
