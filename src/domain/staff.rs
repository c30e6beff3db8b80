//! A person's post at a unit, as the region's directory states it. What the person may do there is a role, not a post.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::id::{HsaId, Private};

/// One person's post at one unit for a span of days. A person may hold several; without a current one nobody comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Post {
    pub person: HsaId,
    pub given_name: Private,
    pub surname: Private,
    pub title: Option<String>,
    /// Where letters to the person go, as the directory writes it.
    pub mail: Option<Private>,
    pub unit: HsaId,
    /// The first day of the post.
    pub start: Date,
    /// The last day of the post, itself included; none: until further notice.
    pub end: Option<Date>,
    /// The person's own identity is protected: names are shown to nobody who doesn't need them.
    pub protected: bool,
}

/// What others read in the place of a protected name.
pub const PROTECTED_NAME: &str = "Medarbetare med skyddade personuppgifter";

impl Post {
    /// The person's name, where others may read it.
    pub fn shown_name(&self) -> String {
        match self.protected {
            true => PROTECTED_NAME.to_owned(),
            false => format!("{} {}", self.given_name.expose(), self.surname.expose()),
        }
    }

    /// Whether the post holds on `day` (the local day in Europe/Stockholm).
    pub fn is_current(&self, day: Date) -> bool {
        self.start <= day && self.end.is_none_or(|end| day <= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn post() -> Post {
        Post {
            person: HsaId::parse("TSTNMT2321000156-P001").unwrap(),
            given_name: Private::new("Anna".into()),
            surname: Private::new("Åkesson".into()),
            title: Some("Läkare".into()),
            mail: Some(Private::new("anna@region.example".into())),
            unit: HsaId::parse("TSTNMT2321000156-A001").unwrap(),
            start: date(2026, 1, 1),
            end: Some(date(2026, 6, 30)),
            protected: false,
        }
    }

    #[test]
    fn a_post_holds_from_its_first_day_through_its_last() {
        let post = post();
        for (day, current) in [
            (date(2025, 12, 31), false),
            (date(2026, 1, 1), true),
            (date(2026, 6, 30), true),
            (date(2026, 7, 1), false),
        ] {
            assert_eq!(post.is_current(day), current, "{day}");
        }
        assert!(Post { end: None, ..post }.is_current(date(2099, 1, 1)));
    }

    #[test]
    fn a_protected_persons_name_is_not_shown() {
        assert_eq!(post().shown_name(), "Anna Åkesson");
        assert_eq!(Post { protected: true, ..post() }.shown_name(), PROTECTED_NAME);
    }

    #[test]
    fn a_stored_post_reads_back_and_does_not_print_the_person() {
        let post = post();
        let stored = serde_json::to_string(&post).unwrap();
        assert_eq!(serde_json::from_str::<Post>(&stored).unwrap(), post);
        let printed = format!("{post:?}");
        assert!(!printed.contains("Anna") && !printed.contains("Åkesson") && !printed.contains("anna@"), "{printed}");
    }
}
