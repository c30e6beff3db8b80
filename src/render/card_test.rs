//! The card test's page: what a certificate is, which door would take it, and how to try another one.

mod sample;

use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::rejections::RejectionWords;
use super::when::When;
use super::{Rejected, RenderError, Renderer};
use crate::domain::calendar::local_date;
use crate::domain::card::{CertificateFacts, DoorRule, KnownAs, Purpose, TriedDoor};
use crate::domain::id::Private;
use crate::domain::language::Language;
use crate::domain::rejection::Verdict;
use crate::domain::status::Audience;
use crate::domain::status::edition::Edition;

/// What the page shows.
#[derive(Debug)]
pub struct CardTestFacts<'a> {
    /// None where none was shown, or one that cannot be read.
    pub certificate: Option<&'a CertificateFacts>,
    pub known_as: Option<&'a KnownAs>,
    /// The certificate's level of assurance.
    pub level: Option<u8>,
    pub doors: Vec<DoorFacts<'a>>,
    /// The request's number, to quote.
    pub request: &'a str,
}

/// What a door says.
#[derive(Debug)]
pub struct DoorFacts<'a> {
    pub door: TriedDoor,
    pub rules: &'a [(DoorRule, Verdict)],
    /// None where it lets the certificate in.
    pub refused: Option<Rejected<'a>>,
}

impl DoorFacts<'_> {
    fn passed(&self) -> usize {
        self.rules.iter().filter(|(_, verdict)| *verdict == Verdict::Passed).count()
    }
}

/// A line of the certificate's description.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
struct DoorView<'a> {
    name: &'static str,
    /// In one sentence.
    answer: String,
    is_open: bool,
    rules: Vec<RuleView<'a>>,
}

#[derive(Serialize)]
struct RuleView<'a> {
    words: &'a str,
    mark: &'static str,
    verdict: &'static str,
    is_failed: bool,
}

impl Renderer {
    /// The page, for the certificate's holder alone.
    pub fn card_test_page(&self, facts: &CardTestFacts<'_>, language: Language) -> Result<String, RenderError> {
        let say = |sv: &'static str, en: &'static str| if language == Language::Sv { sv } else { en };
        // The door that the card is for: the one that takes it, or the one that got furthest with it.
        let nearest = facts.doors.iter().rev().max_by_key(|door| (door.refused.is_none(), door.passed()));
        let refused = nearest.and_then(|door| door.refused);
        let words = refused.map(|rejected| self.rejection_at_card_test(&rejected, language));
        let (title, text) = match (&words, nearest.map(|door| door.door)) {
            (Some(words), _) => (words.title.as_str(), words.text.as_str()),
            (None, Some(TriedDoor::Portal)) => (
                say("Certifikatet fungerar", "The certificate works"),
                say("Systemet släpps in vid portalporten.", "The system is let in at the portal door."),
            ),
            (None, _) => (
                say("Kortet fungerar", "The card works"),
                say(
                    "Du släpps in vid personalens inloggning. Kommer du ändå inte in där: stäng webbläsaren helt, alla fönster, och logga in igen.",
                    "You are let in at the staff login. If you still cannot log in there, close the browser completely, every window, and log in again.",
                ),
            ),
        };
        let other = match language {
            Language::Sv => Language::En,
            Language::En => Language::Sv,
        };
        let path = |language| Edition { language, audience: Audience::Staff }.path("/");
        let doors: Vec<DoorView<'_>> = facts
            .doors
            .iter()
            .map(|door| self.door_view(door, nearest.map(|nearest| nearest.door), language))
            .collect();
        let context = context! {
            language => language.tag(),
            other_language_path => path(other),
            own_path => path(language),
            title,
            text,
            detail => words.as_ref().and_then(|words| words.detail.as_deref()),
            cure => Serde(words.as_ref().map(|words| &words.cure)),
            is_accepted => refused.is_none(),
            rows => Serde(facts.certificate.map(|certificate| rows(certificate, facts, language))),
            hides_digits => facts.certificate.is_some_and(|c| c.half_hidden_identifiers().iter().any(|i| i.ends_with('•'))),
            doors => Serde(doors),
            code => refused.map(|rejected| rejected.code.as_str()),
            request => facts.request,
            login_guide => self.login_guide(language),
            fault_report => refused.map(|rejected| self.fault_report(rejected.code, language)),
            telephone => &self.service.support_telephone,
            service_name => &self.service.name,
        };
        self.rendered("card-test.html", context)
    }

    fn door_view(&self, door: &DoorFacts<'_>, nearest: Option<TriedDoor>, language: Language) -> DoorView<'_> {
        let say = |sv: &'static str, en: &'static str| if language == Language::Sv { sv } else { en };
        DoorView {
            name: match door.door {
                TriedDoor::Staff => say("Personalens inloggning", "Staff login"),
                TriedDoor::Portal => say("Porten för system", "The door of systems"),
            },
            answer: match door.refused {
                None => say("Släpper in.", "Lets it in.").to_owned(),
                Some(rejected) => {
                    let title = self.rejection(&rejected, language).title;
                    format!("{} {title}.", say("Släpper inte in:", "Does not let it in:"))
                }
            },
            is_open: Some(door.door) == nearest,
            rules: door.rules.iter().map(|(rule, verdict)| self.rule_view(*rule, *verdict, language)).collect(),
        }
    }

    fn rule_view(&self, rule: DoorRule, verdict: Verdict, language: Language) -> RuleView<'_> {
        let say = |sv: &'static str, en: &'static str| if language == Language::Sv { sv } else { en };
        let (mark, told) = match verdict {
            Verdict::Passed => ("✓", say("uppfylld", "met")),
            Verdict::Failed(_) => ("✗", say("inte uppfylld", "not met")),
            Verdict::NotReached => ("–", say("inte prövad", "not judged")),
        };
        let words = match rule {
            DoorRule::Certificate(rule) => self.rule(rule, language),
            DoorRule::Post => say("Du finns i personalkatalogen", "You are in the staff directory"),
            DoorRule::Role => say("Du har en roll vid någon mottagning", "You have a role at some clinic"),
            DoorRule::Registered => say("Systemet är registrerat", "The system is registered"),
            DoorRule::InForce => say("Registreringen är inte vilande", "The registration is not suspended"),
        };
        RuleView { words, mark, verdict: told, is_failed: matches!(verdict, Verdict::Failed(_)) }
    }

    /// As [`Renderer::rejection`], for somebody who is trying the card already.
    pub fn rejection_at_card_test(&self, rejected: &Rejected<'_>, language: Language) -> RejectionWords {
        let mut words = self.rejection(rejected, language);
        let here = self.card_test(language);
        words.cure.retain(|step| here.is_none() || step.link != here);
        words
    }

    /// Renders the page once for each thing that may be shown.
    pub(super) fn try_card_test(&self, language: Language) -> Result<(), RenderError> {
        sample::each(|facts| self.card_test_page(facts, language).map(drop))
    }
}

/// The certificate, field by field, in the order in which people look for them.
fn rows(certificate: &CertificateFacts, facts: &CardTestFacts<'_>, language: Language) -> Vec<Row> {
    let say = |sv: &'static str, en: &'static str| if language == Language::Sv { sv } else { en };
    let when = When::with_years(language);
    let day = |at| when.day(local_date(at));
    let identifiers = certificate.half_hidden_identifiers();
    let purpose = match certificate.purpose {
        Purpose::Authentication => say("Legitimering", "Identification"),
        Purpose::Signing => say("Underskrift", "Signing"),
        Purpose::Other => say("Varken legitimering eller underskrift", "Neither identification nor signing"),
    };
    let validity = format!("{} – {}", day(certificate.not_before), day(certificate.not_after));
    let own = |text: &Private| text.expose().to_owned();
    let rows = [
        (say("Namn", "Name"), certificate.name.as_ref().map(own)),
        (say("HSA-id eller nummer", "HSA-id or number"), Some(identifiers.join(", "))),
        (say("Organisation", "Organisation"), certificate.organisation.as_ref().map(own)),
        (say("Sort", "Kind"), facts.known_as.map(|known| known.label.in_language(language).to_owned())),
        (say("Utfärdare", "Issuer"), certificate.issuer.clone()),
        (say("Tillitsnivå", "Level of assurance"), facts.level.map(|level| level.to_string())),
        (say("Användning", "Use"), Some(purpose.to_owned())),
        (say("Gäller", "Valid"), Some(validity)),
        (say("Kortnummer", "Card number"), certificate.card_number.as_ref().map(own)),
        (say("Certifikatets nummer", "Certificate number"), Some(certificate.serial.clone())),
    ];
    let told = |(name, value): (&'static str, Option<String>)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some(Row { name, value })
    };
    rows.into_iter().filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::renderer;
    use super::*;

    fn pages(language: Language) -> Vec<String> {
        let mut pages = Vec::new();
        let renderer = renderer();
        sample::each(|facts| {
            pages.push(renderer.card_test_page(facts, language)?);
            Ok(())
        })
        .unwrap();
        pages
    }

    #[test]
    fn a_card_that_works_is_said_to_work_and_every_rule_stands_with_its_verdict_in_words() {
        let page = pages(Language::Sv).remove(0);
        assert!(page.contains("<h1>Kortet fungerar</h1>") && page.contains("Anna Åkesson"), "{page}");
        assert!(page.contains("Tillitsnivån räcker") && page.contains("uppfylld"), "{page}");
        assert!(page.contains("Du har en roll vid någon mottagning"), "{page}");
        assert!(!page.contains("Avvisningskod"), "{page}");
    }

    #[test]
    fn the_door_that_got_furthest_with_a_certificate_gives_the_reason_and_the_other_door_is_folded() {
        let page = pages(Language::Sv).remove(1);
        assert!(page.contains("<h1>Certifikatet har gått ut</h1>") && page.contains("<dd>expired</dd>"), "{page}");
        assert_eq!(page.matches("<details open>").count(), 1, "{page}");
        assert!(page.contains("Porten för system") && page.contains("inte prövad"), "{page}");
    }

    #[test]
    fn without_a_certificate_the_steps_that_staff_know_are_told_and_nothing_is_described() {
        for (language, step) in [(Language::Sv, "Sätt i kortet igen."), (Language::En, "Put the card back in.")] {
            let page = pages(language).remove(2);
            assert!(page.contains(step) && page.contains("<dd>no-certificate</dd>"), "{page}");
            assert!(!page.contains("<h2>Certifikatet</h2>") && !page.contains("<h2>The certificate</h2>"), "{page}");
        }
    }

    #[test]
    fn every_page_says_how_to_try_another_certificate_and_needs_nothing_from_elsewhere() {
        for (language, words) in [(Language::Sv, "privat fönster"), (Language::En, "private window")] {
            for page in pages(language) {
                assert!(page.contains(words) && page.contains(&format!("lang=\"{}\"", language.tag())), "{page}");
                assert!(!page.contains("<script") && !page.contains("<link") && !page.contains(" style="), "{page}");
                assert!(page.matches("<style>").count() == 1 && page.matches("<h1>").count() == 1, "{page}");
            }
        }
    }

    #[test]
    fn the_end_of_an_identity_number_is_nowhere_on_the_page() {
        let page = pages(Language::Sv).remove(3);
        assert!(page.contains("19121212-••••") && page.contains("fyra sista"), "{page}");
        assert!(!page.contains("191212121212") && !page.contains("1212-1212"), "{page}");
    }
}
