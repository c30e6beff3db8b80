//! What the support refuses, as problems: its own rules with their places and remedies.

use super::problem::Problem;
use crate::domain::clinic::Texts;
use crate::domain::faq::FaqError;
use crate::domain::language::Language;
use crate::usecase::Refusal;
use crate::usecase::tickets::SupportRefusal;

pub fn problem(refusal: SupportRefusal) -> Problem {
    match refusal {
        SupportRefusal::NotSetUp => Problem::new("support-not-set-up"),
        SupportRefusal::UnknownService => Problem::new("unknown-service").at(
            "/service",
            "Tjänsten finns inte i listan.",
            "The service is not in the list.",
        ),
        SupportRefusal::PersonId { field } => Problem::new("person-id-in-text").at(
            format!("/{field}"),
            "Texten innehåller ett personnummer eller samordningsnummer.",
            "The text holds a Swedish identity number.",
        ),
        SupportRefusal::LocalItFirst => Problem::new("local-it-first").at(
            "/fault/login/localItChecked",
            "Ska vara true när lokal IT har kontrollerat kort, läsare, pinkod, Net iD och dator.",
            "Must be true: local IT has checked card, reader, PIN, Net iD and computer.",
        ),
        SupportRefusal::TooManyFromHere(wait) | SupportRefusal::TooManyByReporter(wait) => {
            Problem::limited("ticket-limit", &wait)
        }
        SupportRefusal::IncidentNotOngoing => Problem::new("incident-not-ongoing").at(
            "/incident",
            "Ingen pågående störning har detta id.",
            "No incident that goes on has this id.",
        ),
        SupportRefusal::ClinicExists => Problem::new("clinic-exists").at(
            "/order/clinic",
            "Mottagningen är redan ansluten.",
            "The clinic is connected already.",
        ),
        SupportRefusal::NotSupport(_) => Refusal::HandlerWithoutRole.into(),
        // An operator's command alone meets these.
        SupportRefusal::NotAClinicOrder | SupportRefusal::NobodyAnswers => Problem::new("wrong-state"),
        SupportRefusal::TooManyQuestions => Problem::new("too-many-questions"),
        SupportRefusal::Faq(error) => {
            let (sv, pointer) = match error {
                FaqError::Slug => ("Adressen är 1–64 tecken: a–z, siffror och enkla bindestreck.", ""),
                FaqError::Question => ("En fråga är en rad på högst 200 tecken.", "/question"),
                FaqError::Answer => ("Ett svar är högst 20 000 tecken utan styrtecken.", "/answer"),
            };
            Problem::new("malformed-value").at(pointer, sv, format!("The rule: {error}."))
        }
        SupportRefusal::Slug => Problem::new("malformed-value"),
    }
}

/// What is not ordered here, with where it is.
pub fn from_local_it(local_it: &Texts) -> Problem {
    let words = |language| local_it.in_language(language);
    Problem::new("order-from-local-it").detail(words(Language::Sv), words(Language::En))
}
