//! Who is not let in: the rule, what exactly it met, and the cure as steps. The words stand in `rejections.json`, each
//! step that several share once.

use std::collections::HashMap;

use minijinja::context;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};

use super::when::When;
use super::{LocalIt, RenderError, Renderer, unfit};
use crate::domain::clinic::Texts;
use crate::domain::language::Language;
use crate::domain::rejection::{Detail, RejectionCode, Rule};
use crate::domain::status::swedish_time;

/// Why somebody was not let in, as far as it is known. Nothing of a person.
#[derive(Debug, Clone, Copy)]
pub struct Rejected<'a> {
    pub code: RejectionCode,
    /// The issuing authority.
    pub issuer: Option<&'a str>,
    pub detail: Option<&'a Detail>,
    /// Whose local IT helps.
    pub organisation: Option<&'a str>,
}

impl Rejected<'_> {
    /// With nothing known but the code.
    pub fn bare(code: RejectionCode) -> Rejected<'static> {
        Rejected { code, issuer: None, detail: None, organisation: None }
    }
}

/// The same in words for people.
#[derive(Debug)]
pub struct RejectionWords {
    pub title: String,
    pub text: String,
    /// What exactly: a date, a level, what was chosen.
    pub detail: Option<String>,
    pub cure: Vec<Step>,
}

/// One step of a cure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub text: String,
    /// Where it is done.
    pub link: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    steps: HashMap<String, Texts>,
    rules: HashMap<String, Texts>,
    codes: HashMap<String, CodeWords>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeWords {
    title: Texts,
    text: Texts,
    cure: Vec<Cure>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Cure {
    Shared(String),
    Own(Texts),
}

/// Steps that stand only where there is something to point at.
const CARD_TEST: &str = "card-test";
const LOCAL_IT: &str = "local-it";
const STATUS: &str = "status";

impl Words {
    pub fn built_in() -> Result<Words, RenderError> {
        let unfit = |_| RenderError::Words("rejections.json");
        let words: Words = serde_json::from_str(include_str!("rejections.json")).map_err(unfit)?;
        for code in RejectionCode::ALL {
            let known = words.codes.get(code.as_str()).ok_or(RenderError::Words(code.as_str()))?;
            let known = known.cure.iter().all(|cure| match cure {
                Cure::Shared(name) => words.steps.contains_key(name),
                Cure::Own(_) => true,
            });
            if !known {
                return Err(RenderError::Words(code.as_str()));
            }
        }
        match Rule::ALL.into_iter().find(|rule| !words.rules.contains_key(rule.as_str())) {
            Some(rule) => Err(RenderError::Words(rule.as_str())),
            None => Ok(words),
        }
    }
}

impl Renderer {
    /// The words for a rejection; the start has seen that there are some for each code.
    pub fn rejection(&self, rejected: &Rejected<'_>, language: Language) -> RejectionWords {
        let Some(words) = self.words.codes.get(rejected.code.as_str()) else {
            let title = rejected.code.as_str().to_owned();
            return RejectionWords { title, text: String::new(), detail: None, cure: Vec::new() };
        };
        RejectionWords {
            title: words.title.in_language(language).to_owned(),
            text: words.text.in_language(language).to_owned(),
            detail: rejected.detail.map(|detail| sentence(rejected.code, detail, language)),
            cure: words.cure.iter().filter_map(|cure| self.step(cure, rejected, language)).collect(),
        }
    }

    /// What a rule asks for, as a sentence that holds when it is met.
    pub fn rule(&self, rule: Rule, language: Language) -> &str {
        self.words.rules.get(rule.as_str()).map_or(rule.as_str(), |words| words.in_language(language))
    }

    fn step(&self, cure: &Cure, rejected: &Rejected<'_>, language: Language) -> Option<Step> {
        let (name, words) = match cure {
            Cure::Own(words) => ("", words),
            Cure::Shared(name) => (name.as_str(), self.words.steps.get(name)?),
        };
        let words = words.in_language(language);
        match name {
            LOCAL_IT => {
                let LocalIt { name, telephone, url, .. } = self.local_it(rejected.organisation?)?;
                let text = words.replace("{name}", name).replace("{telephone}", telephone);
                Some(Step { text, link: url.clone() })
            }
            CARD_TEST => Some(Step { text: words.to_owned(), link: Some(self.card_test(language)?) }),
            STATUS => Some(Step { text: words.to_owned(), link: Some(self.public_page(language, "/status")) }),
            _ => {
                let text = words.replace("{telephone}", &self.service.support_telephone);
                Some(Step { text: text.replace("{code}", rejected.code.as_str()), link: None })
            }
        }
    }

    fn local_it(&self, organisation: &str) -> Option<&LocalIt> {
        self.service.local_it.iter().find(|helper| helper.organisation == organisation)
    }

    /// Where a card is tried, in that language; none where there is no such door.
    pub fn card_test(&self, language: Language) -> Option<String> {
        let url = self.service.card_test_url.as_ref()?;
        Some(match language {
            Language::Sv => format!("{url}/"),
            Language::En => format!("{url}/en"),
        })
    }

    /// The one page that a person who is not let in gets to see.
    pub fn rejection_page(&self, rejected: &Rejected<'_>, language: Language, request: &str) -> Option<String> {
        self.rejected(rejected, language, request).ok()
    }

    pub(super) fn rejected(
        &self,
        rejected: &Rejected<'_>,
        language: Language,
        request: &str,
    ) -> Result<String, RenderError> {
        let name = "rejection.html";
        let words = self.rejection(rejected, language);
        let facts = context! {
            language => language.tag(),
            title => words.title,
            text => words.text,
            detail => words.detail,
            cure => Serde(words.cure),
            code => rejected.code.as_str(),
            issuer => rejected.issuer,
            request_id => request,
            login_guide => self.login_guide(language),
            fault_report => self.fault_report(rejected.code, language),
            support_telephone => &self.service.support_telephone,
            service_name => &self.service.name,
        };
        let template = self.environment.get_template(name).map_err(|e| unfit(name, &e))?;
        template.render(facts).map_err(|e| unfit(name, &e))
    }
}

/// What the code alone does not say, as one sentence. Times in Swedish time, with their year.
fn sentence(code: RejectionCode, detail: &Detail, language: Language) -> String {
    let when = When::with_years(language);
    let (sv, en) = match detail {
        Detail::Ended(at) if code == RejectionCode::AnchorExpired => {
            let at = when.words(*at);
            (
                format!("Utfärdarens certifikat gällde till {at}."),
                format!("The issuer’s certificate was valid until {at}."),
            )
        }
        Detail::Ended(at) => {
            let at = when.words(*at);
            (format!("Det gällde till {at}."), format!("It was valid until {at}."))
        }
        Detail::Begins(at) => {
            let at = when.words(*at);
            (format!("Det gäller från {at}."), format!("It is valid from {at}."))
        }
        Detail::Revoked(at) => {
            let at = when.words(*at);
            (format!("Det spärrades {at}."), format!("It was revoked on {at}."))
        }
        Detail::ListDue(at) => {
            let at = when.words(*at);
            (format!("En nyare lista skulle ha kommit senast {at}."), format!("A newer list was due by {at}."))
        }
        Detail::IssuerEnded(day) => {
            let day = swedish_time::date_with_year(*day, language);
            (format!("Utfärdaren har upphört {day}."), format!("The issuer ended on {day}."))
        }
        Detail::Clock { ours, passed } => {
            let (ours, passed) = (when.words(*ours), when.words(*passed));
            (
                format!("Vår klocka visar {ours}, men {passed} har redan passerat."),
                format!("Our clock says {ours}, yet {passed} has already passed."),
            )
        }
        Detail::Level { own, least } => (
            format!("Certifikatets tillitsnivå är {own}. Här krävs minst {least}."),
            format!("The certificate’s level of assurance is {own}. At least {least} is required here."),
        ),
        Detail::Chosen(label) => (
            format!("Det som visades är {}.", label.in_language(Language::Sv)),
            format!("What was shown is {}.", label.in_language(Language::En)),
        ),
    };
    match language {
        Language::Sv => sv,
        Language::En => en,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests::renderer;
    use jiff::civil::date;

    fn rejected(code: RejectionCode, detail: &Detail) -> Rejected<'_> {
        Rejected { detail: Some(detail), ..Rejected::bare(code) }
    }

    #[test]
    fn what_exactly_was_met_is_told_with_swedish_dates_in_both_languages() {
        let renderer = renderer();
        let at = "2026-11-22T06:40:00Z".parse().unwrap();
        for (code, detail, sv, en) in [
            (
                RejectionCode::Expired,
                Detail::Ended(at),
                "till söndag 22 november 2026 kl. 07.40.",
                "22 November 2026, 07:40.",
            ),
            (RejectionCode::NotYetValid, Detail::Begins(at), "gäller från söndag 22 november", "valid from Sunday 22"),
            (
                RejectionCode::IssuerEnded,
                Detail::IssuerEnded(date(2017, 8, 30)),
                "onsdag 30 augusti 2017",
                "30 August 2017",
            ),
            (
                RejectionCode::LevelTooLow,
                Detail::Level { own: 2, least: 3 },
                "är 2. Här krävs minst 3",
                "is 2. At least 3",
            ),
            (RejectionCode::CrlStale, Detail::ListDue(at), "senast söndag", "due by Sunday"),
            (RejectionCode::Revoked, Detail::Revoked(at), "spärrades söndag", "revoked on Sunday"),
            (
                RejectionCode::AnchorExpired,
                Detail::Ended(at),
                "Utfärdarens certifikat gällde",
                "issuer’s certificate was",
            ),
            (RejectionCode::ClockWrong, Detail::Clock { ours: at, passed: at }, "Vår klocka visar", "Our clock says"),
        ] {
            for (language, words) in [(Language::Sv, sv), (Language::En, en)] {
                let told = renderer.rejection(&rejected(code, &detail), language).detail.unwrap();
                assert!(told.contains(words), "{told}");
                let page = renderer.rejection_page(&rejected(code, &detail), language, "").unwrap();
                assert!(page.contains(words), "{page}");
            }
        }
    }

    #[test]
    fn the_cure_names_the_card_test_and_the_organisations_own_it_where_there_are_such() {
        let mut renderer = renderer();
        let expired = Rejected { organisation: Some("2321000156"), ..Rejected::bare(RejectionCode::Expired) };
        let without = renderer.rejection(&expired, Language::Sv).cure;
        assert!(!without.iter().any(|step| step.text.contains("kortprovet") || step.text.contains("Din lokala")));

        renderer.service.card_test_url = Some("https://kort.region.example".into());
        renderer.service.local_it = vec![LocalIt {
            organisation: "2321000156".into(),
            name: "Exempels IT".into(),
            telephone: "010-123 45 67".into(),
            url: Some("https://it.region.example/".into()),
        }];
        let cure = renderer.rejection(&expired, Language::Sv).cure;
        let step = |words: &str| cure.iter().find(|step| step.text.contains(words)).unwrap();
        assert_eq!(step("kortprovet").link.as_deref(), Some("https://kort.region.example/"));
        assert_eq!(step("Exempels IT").text, "Din lokala IT-support är Exempels IT, telefon 010-123 45 67.");
        assert_eq!(step("Exempels IT").link.as_deref(), Some("https://it.region.example/"));
        assert!(step("ring oss på 0771-00 00 00").text.ends_with("avvisningskoden expired."));
        let other = Rejected { organisation: Some("2321000016"), ..expired };
        let cure = renderer.rejection(&other, Language::Sv).cure;
        assert!(!cure.iter().any(|step| step.text.contains("Exempels IT")), "another organisation's");
    }

    #[test]
    fn whose_card_is_not_read_is_told_the_steps_that_staff_know_in_their_order() {
        let mut renderer = renderer();
        renderer.service.card_test_url = Some("https://kort.region.example".into());
        let cure = renderer.rejection(&Rejected::bare(RejectionCode::NoCertificate), Language::Sv).cure;
        let told: Vec<_> = cure.iter().map(|step| step.text.as_str()).collect();
        let mut rest = told.iter();
        for words in [
            "Ta ut kortet",
            "Stäng webbläsaren",
            "Sätt i kortet",
            "Läs in kortet på nytt",
            "en minut",
            "utfärdat av SITHS",
            "pinkoden",
            "kortprovet",
            "Starta om datorn",
            "annan dator",
            "card-compat",
            "no-certificate",
        ] {
            assert!(rest.any(|step| step.contains(words)), "{words} comes too early or not at all: {told:?}");
        }
    }

    #[test]
    fn there_are_words_for_what_can_be_told_and_for_nothing_else() {
        let Words { codes, rules, steps } = Words::built_in().unwrap();
        assert_eq!(codes.len(), RejectionCode::ALL.len());
        assert_eq!(rules.len(), Rule::ALL.len());
        let used: Vec<_> = codes.values().flat_map(|code| &code.cure).collect();
        for name in steps.keys() {
            assert!(used.iter().any(|cure| matches!(cure, Cure::Shared(used) if used == name)), "{name}");
        }
    }

    #[test]
    fn every_code_has_a_title_a_text_and_a_cure_in_both_languages() {
        let renderer = renderer();
        for code in RejectionCode::ALL {
            let [sv, en] =
                [Language::Sv, Language::En].map(|language| renderer.rejection(&Rejected::bare(code), language));
            assert!(sv.title != en.title && sv.text != en.text, "{code}");
            assert!(sv.cure.len() >= 2 && sv.cure.len() == en.cure.len(), "{code}");
            let texts = |words: &RejectionWords| words.cure.iter().map(|step| step.text.clone()).collect::<String>();
            assert!(!texts(&sv).contains('{') && !texts(&en).contains('{'), "{code}");
        }
    }
}
