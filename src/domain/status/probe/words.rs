//! What a probe tells readers, in plain words. Never what the other side answered: readers can do nothing with it.

use jiff::Timestamp;

use super::super::swedish_time::{moment, time};
use super::state::{Condition, UNSTABLE_WINDOW};
use super::{Cause, ProbeSettings};
use crate::domain::calendar::local_date;
use crate::domain::clinic::Texts;
use crate::domain::language::Language;

/// What an incident of a probe is about.
#[derive(Debug, Clone, Copy)]
pub struct Trouble<'a> {
    /// The component's.
    pub name: &'a Texts,
    pub condition: Condition,
    pub cause: Option<Cause>,
    /// The first of the results that made it so.
    pub since: Timestamp,
}

fn pair(sv: String, en: String) -> Texts {
    Texts { sv, en: Some(en) }
}

impl Trouble<'_> {
    /// Names in Swedish and English; who has no English name is called by the Swedish one.
    fn names(&self) -> (&str, &str) {
        names(self.name)
    }

    /// The operator's title, or one made of the component's name.
    pub fn title(&self, settings: &ProbeSettings) -> Texts {
        if let Some(title) = &settings.title {
            return title.clone();
        }
        let (sv, en) = self.names();
        match (self.condition, self.cause) {
            (Condition::Weak, Some(Cause::CertificateEnds { .. })) => {
                pair(format!("{sv}: certifikatet går snart ut"), format!("{en}: the certificate expires soon"))
            }
            (Condition::Weak, _) => {
                pair(format!("{sv} svarar långsammare än vanligt"), format!("{en} is slower than usual"))
            }
            (Condition::Unstable, _) => pair(format!("{sv} fungerar ojämnt"), format!("{en} works on and off")),
            (Condition::Fails, _) => pair(format!("{sv} svarar inte"), format!("{en} is not responding")),
        }
    }

    /// The first word: what is broken since when, and that somebody knows.
    pub fn opening(&self, now: Timestamp) -> Texts {
        let Texts { sv, en } = self.sentence(now);
        let en = en.unwrap_or_default();
        pair(format!("{sv} En människa tittar på det."), format!("{en} Somebody is looking into it."))
    }

    /// A later word of the same incident.
    pub fn sentence(&self, now: Timestamp) -> Texts {
        let (sv, en) = self.names();
        let (since, since_en) = (swedish(self.since, now), english(self.since, now));
        match (self.condition, self.cause) {
            (Condition::Weak, Some(Cause::CertificateEnds { days })) => pair(
                format!("{sv} fungerar, men certifikatet går ut om {}.", days_in_swedish(days)),
                format!("{en} works, but its certificate expires in {}.", days_in_english(days)),
            ),
            (Condition::Weak, _) => pair(
                format!("{sv} svarar, men långsammare än vanligt sedan {since}."),
                format!("{en} responds, but has been slower than usual since {since_en}."),
            ),
            (Condition::Unstable, _) => pair(
                format!(
                    "{sv} fungerar ojämnt: ibland svarar tjänsten på våra automatiska kontroller, ibland inte. \
                     Vi säger till när den har fungerat utan avbrott i {} minuter.",
                    UNSTABLE_WINDOW.as_mins()
                ),
                format!(
                    "{en} works on and off: sometimes it responds to our automatic checks, sometimes not. \
                     We will tell you when it has worked without a break for {} minutes.",
                    UNSTABLE_WINDOW.as_mins()
                ),
            ),
            (Condition::Fails, _) => pair(
                format!("{sv} svarar inte på våra automatiska kontroller sedan {since}."),
                format!("{en} has not responded to our automatic checks since {since_en}."),
            ),
        }
    }
}

/// The last word.
pub fn resolved(name: &Texts, now: Timestamp) -> Texts {
    let (sv, en) = names(name);
    pair(
        format!("{sv} fungerar igen enligt våra automatiska kontroller, kl. {}.", time(now, Language::Sv)),
        format!("{en} works again according to our automatic checks, at {}.", time(now, Language::En)),
    )
}

fn names(name: &Texts) -> (&str, &str) {
    (&name.sv, name.en.as_deref().unwrap_or(&name.sv))
}

/// The time alone on the same day, with the day on another.
fn swedish(at: Timestamp, now: Timestamp) -> String {
    if local_date(at) == local_date(now) { format!("kl. {}", time(at, Language::Sv)) } else { moment(at, Language::Sv) }
}

fn english(at: Timestamp, now: Timestamp) -> String {
    if local_date(at) == local_date(now) { time(at, Language::En) } else { moment(at, Language::En) }
}

fn days_in_swedish(days: i64) -> String {
    match days {
        ..=0 => "mindre än ett dygn".to_owned(),
        1 => "en dag".to_owned(),
        days => format!("{days} dagar"),
    }
}

fn days_in_english(days: i64) -> String {
    match days {
        ..=0 => "less than a day".to_owned(),
        1 => "one day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::status::probe::tests::settings;
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn siths() -> Texts {
        Texts { sv: "Inloggning med SITHS".into(), en: Some("SITHS login".into()) }
    }

    fn trouble(name: &Texts, condition: Condition, cause: Option<Cause>) -> Trouble<'_> {
        Trouble { name, condition, cause, since: at("2026-11-23T06:40:00Z") }
    }

    #[test]
    fn an_opening_says_what_since_when_and_that_somebody_knows() {
        let name = siths();
        let told = trouble(&name, Condition::Fails, Some(Cause::Refused)).opening(at("2026-11-23T06:43:00Z"));
        let sv = "Inloggning med SITHS svarar inte på våra automatiska kontroller sedan kl. 07.40. En människa tittar på det.";
        assert_eq!(told.sv, sv);
        let en = "SITHS login has not responded to our automatic checks since 07:40. Somebody is looking into it.";
        assert_eq!(told.en.as_deref(), Some(en));
    }

    #[test]
    fn another_day_is_named_and_summer_time_is_kept() {
        let name = siths();
        let told = trouble(&name, Condition::Fails, None).sentence(at("2026-11-24T06:43:00Z"));
        assert!(told.sv.ends_with("sedan måndag 23 november kl. 07.40."), "{}", told.sv);
        assert!(told.en.unwrap().ends_with("since Monday 23 November, 07:40."));
        assert_eq!(swedish(at("2026-07-01T05:40:00Z"), at("2026-07-01T06:00:00Z")), "kl. 07.40");
        // 23.30 yesterday here, the same day in UTC.
        assert_eq!(swedish(at("2026-11-22T22:30:00Z"), at("2026-11-22T23:30:00Z")), "söndag 22 november kl. 23.30");
    }

    #[test]
    fn the_title_is_the_operators_or_says_what_is_wrong() {
        let name = Texts { sv: "Personalverktyget".into(), en: None };
        let mut probe = settings(json!({ "type": "tcp", "host": "a", "port": 1 }));
        let title = |condition, cause| trouble(&name, condition, cause).title(&probe);
        assert_eq!(title(Condition::Fails, Some(Cause::Dns)).sv, "Personalverktyget svarar inte");
        assert_eq!(title(Condition::Fails, None).en.as_deref(), Some("Personalverktyget is not responding"));
        let ends = Some(Cause::CertificateEnds { days: 1 });
        assert_eq!(title(Condition::Weak, ends).sv, "Personalverktyget: certifikatet går snart ut");
        let told = trouble(&name, Condition::Weak, ends).sentence(at("2026-11-23T06:43:00Z"));
        assert_eq!(told.sv, "Personalverktyget fungerar, men certifikatet går ut om en dag.");
        probe.title = Some(Texts { sv: "Nattligt stopp".into(), en: None });
        assert_eq!(trouble(&name, Condition::Fails, None).title(&probe).sv, "Nattligt stopp");
    }

    #[test]
    fn no_text_holds_a_cause_in_the_words_of_machines() {
        let name = siths();
        let causes = [Cause::Dns, Cause::Refused, Cause::Status(503), Cause::TlsIssuer, Cause::AnswerTimeout];
        for condition in [Condition::Weak, Condition::Unstable, Condition::Fails] {
            for cause in causes {
                let told = trouble(&name, condition, Some(cause)).opening(at("2026-11-23T06:43:00Z"));
                let text = format!("{} {}", told.sv, told.en.unwrap());
                assert!(!text.contains(cause.as_str()) && !text.contains("503"), "{text}");
            }
        }
        let told = resolved(&name, at("2026-11-23T07:05:00Z"));
        assert_eq!(told.sv, "Inloggning med SITHS fungerar igen enligt våra automatiska kontroller, kl. 08.05.");
    }
}
