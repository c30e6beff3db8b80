//! What ends one day (certificates, issuers) and when its operators are to be told. Revocation lists have rules of
//! their own.

use jiff::Timestamp;

use super::calendar::local_date;
use super::language::Language;
use super::status::swedish_time;

/// Days before the end at which it is told anew, the last first.
const STEPS_DAYS: [i64; 5] = [1, 7, 14, 30, ISSUER_DAYS];
/// Only for authorities, as new ones take long to come by: many a certificate lives no longer than this.
const ISSUER_DAYS: i64 = 90;
/// From so many days before the end it is worth a letter a day,
const LETTER_DAYS: i64 = 30;
/// until so many days after it: by then it was meant.
const ENDED_DAYS: i64 = 7;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Of what kind it is, in the order in which it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndingKind {
    /// The certificate that we show at a door.
    Door,
    /// An issuing CA that a door trusts.
    Issuer,
    /// The same, where the region turns it away from a day on.
    IssuerTaken,
    /// What a registered system showed last.
    System,
    /// The CA by which we know the smarthost.
    Smarthost,
    /// What the caller shows now: told to nobody else.
    Caller,
}

impl EndingKind {
    pub fn as_str(self) -> &'static str {
        match self {
            EndingKind::Door => "door",
            EndingKind::Issuer => "issuer",
            EndingKind::IssuerTaken => "issuer-taken",
            EndingKind::System => "system",
            EndingKind::Smarthost => "smarthost",
            EndingKind::Caller => "caller",
        }
    }
}

/// Something that ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ending {
    pub ends: Timestamp,
    pub kind: EndingKind,
    /// The door, the CA, the system as it is registered, or the smarthost: nobody's own name.
    pub name: String,
}

impl Ending {
    /// Whole days until the end; negative once it has passed.
    pub fn days_left(&self, now: Timestamp) -> i64 {
        (self.ends.as_second() - now.as_second()).div_euclid(DAY_SECONDS)
    }

    /// The last step that has been reached, in days before the end; none while it is far off. 0 once it has passed.
    pub fn step(&self, now: Timestamp) -> Option<i64> {
        if self.ends < now {
            return Some(0);
        }
        let is_authority = matches!(self.kind, EndingKind::Issuer | EndingKind::IssuerTaken | EndingKind::Smarthost);
        let step = STEPS_DAYS.into_iter().find(|step| self.days_left(now) < *step);
        step.filter(|step| is_authority || *step < ISSUER_DAYS)
    }

    pub fn is_worth_a_letter(&self, now: Timestamp) -> bool {
        (-ENDED_DAYS..LETTER_DAYS).contains(&self.days_left(now))
    }

    /// What ends and when, as a sentence.
    pub fn text(&self, now: Timestamp, language: Language) -> String {
        let (name, on) = (&self.name, swedish_time::date_with_year(local_date(self.ends), language));
        let has_ended = self.ends < now;
        match language {
            Language::Sv => {
                let what = match self.kind {
                    EndingKind::Door => format!("Vårt certifikat vid dörren {name}"),
                    EndingKind::Issuer => format!("Utfärdaren {name}"),
                    EndingKind::IssuerTaken => format!("Tiden för utfärdaren {name} vid vår dörr"),
                    EndingKind::System => format!("Certifikatet som {name} visade senast"),
                    EndingKind::Smarthost => format!("CA-certifikatet för e-postservern {name}"),
                    EndingKind::Caller => "Certifikatet som du visar".to_owned(),
                };
                match (has_ended, self.days_left(now)) {
                    (true, _) => format!("{what} gick ut {on}."),
                    (false, 0) => format!("{what} går ut {on}, inom ett dygn."),
                    (false, 1) => format!("{what} går ut {on}, om en dag."),
                    (false, days) => format!("{what} går ut {on}, om {days} dagar."),
                }
            }
            Language::En => {
                let what = match self.kind {
                    EndingKind::Door => format!("Our certificate at the {name} door"),
                    EndingKind::Issuer => format!("The issuer {name}"),
                    EndingKind::IssuerTaken => format!("Our door's time for the issuer {name}"),
                    EndingKind::System => format!("The certificate that {name} showed last"),
                    EndingKind::Smarthost => format!("The CA certificate of the smarthost {name}"),
                    EndingKind::Caller => "The certificate that you show".to_owned(),
                };
                match (has_ended, self.days_left(now)) {
                    (true, _) => format!("{what} expired on {on}."),
                    (false, 0) => format!("{what} expires on {on}, within a day."),
                    (false, 1) => format!("{what} expires on {on}, in one day."),
                    (false, days) => format!("{what} expires on {on}, in {days} days."),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    fn ending() -> Ending {
        let ends = "2026-12-04T12:00:00Z".parse().unwrap();
        Ending { ends, kind: EndingKind::Door, name: "portal".into() }
    }

    fn issuer() -> Ending {
        Ending { kind: EndingKind::Issuer, name: "Region CA".into(), ..ending() }
    }

    fn before(days: i64) -> Timestamp {
        ending().ends - SignedDuration::from_hours(24 * days)
    }

    #[test]
    fn an_issuers_end_is_told_at_ninety_thirty_fourteen_seven_and_one_day_and_when_it_has_passed() {
        let second = SignedDuration::from_secs(1);
        for (days, step) in [(90, 90), (30, 30), (14, 14), (7, 7), (1, 1)] {
            assert_ne!(issuer().step(before(days)), Some(step), "{days} whole days are left");
            assert_eq!(issuer().step(before(days) + second), Some(step), "{days}");
        }
        assert_eq!(issuer().step(before(91)), None);
        assert_eq!(
            (ending().step(before(89)), ending().step(before(29))),
            (None, Some(30)),
            "a certificate's at thirty"
        );
        assert_eq!((ending().step(before(0)), ending().step(before(0) + second)), (Some(1), Some(0)));
    }

    #[test]
    fn letters_come_from_thirty_days_before_the_end_to_a_week_after_it() {
        let worth = |days| ending().is_worth_a_letter(before(days));
        assert_eq!([31, 30, 29, 0, -7, -8].map(worth), [false, false, true, true, true, false]);
    }

    #[test]
    fn it_is_said_what_ends_and_when_in_both_languages() {
        for (days, sv, en) in [
            (12, "om 12 dagar.", "in 12 days."),
            (1, "om en dag.", "in one day."),
            (0, "inom ett dygn.", "within a day."),
        ] {
            let now = before(days);
            let told = ending().text(now, Language::Sv);
            assert_eq!(told, format!("Vårt certifikat vid dörren portal går ut fredag 4 december 2026, {sv}"));
            let told = ending().text(now, Language::En);
            assert_eq!(told, format!("Our certificate at the portal door expires on Friday 4 December 2026, {en}"));
        }
        assert_eq!(issuer().text(before(-1), Language::Sv), "Utfärdaren Region CA gick ut fredag 4 december 2026.");
        assert_eq!(issuer().text(before(-1), Language::En), "The issuer Region CA expired on Friday 4 December 2026.");
    }
}
