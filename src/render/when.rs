//! Times for one reader of one page: which of them need their day, their year, their offset. The words are the domain's.

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::domain::calendar::{day_bounds, local_date};
use crate::domain::language::Language;
use crate::domain::status::subject::Window;
use crate::domain::status::swedish_time;

/// A moment for `<time>`: for machines and in words.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Moment {
    pub iso: String,
    pub words: String,
    /// Without its day when that is the page's own.
    pub short: String,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    pub language: Language,
    /// The day of the page: its year needs not be said.
    today: Option<Date>,
}

impl When {
    pub fn new(language: Language, now: Timestamp) -> When {
        When { language, today: Some(local_date(now)) }
    }

    /// For what may be read at any time.
    pub fn with_years(language: Language) -> When {
        When { language, today: None }
    }

    pub fn moment(self, at: Timestamp) -> Moment {
        let is_today = self.today == Some(local_date(at));
        let words = self.words(at);
        let short = if is_today { self.clock(at) } else { words.clone() };
        Moment { iso: iso(at), words, short }
    }

    /// *måndag 23 november kl. 07.40*, with the year when it is another.
    pub fn words(self, at: Timestamp) -> String {
        let (day, clock) = (self.day(local_date(at)), self.clock(at));
        match self.language {
            Language::Sv => format!("{day} {clock}"),
            Language::En => format!("{day}, {clock}"),
        }
    }

    /// *kl. 07.40*; on the two days when the offset changes, with its name: *kl. 02.30 (CEST)*.
    pub fn clock(self, at: Timestamp) -> String {
        let time = swedish_time::time(at, self.language);
        let clock = if self.language == Language::Sv { format!("kl. {time}") } else { time };
        let (begin, end) = day_bounds(local_date(at));
        if end.duration_since(begin) == SignedDuration::from_hours(24) {
            return clock;
        }
        let is_summer = swedish_time::zone(at, Language::En).starts_with("CEST");
        format!("{clock} ({})", if is_summer { "CEST" } else { "CET" })
    }

    /// *kl. 08.30* when it is the same day as `day_of`, else with the day.
    pub fn clock_or_day(self, at: Timestamp, day_of: Timestamp) -> String {
        if local_date(at) == local_date(day_of) { self.clock(at) } else { self.words(at) }
    }

    /// *måndag 23 november*
    pub fn day(self, date: Date) -> String {
        if self.today.is_some_and(|today| today.year() == date.year()) {
            swedish_time::date(date, self.language)
        } else {
            swedish_time::date_with_year(date, self.language)
        }
    }

    /// *måndag 23 november kl. 22.00–24.00, svensk normaltid (CET, UTC+1)*
    pub fn range(self, from: Timestamp, until: Timestamp) -> String {
        swedish_time::range_with_zone(from, until, self.language)
    }

    /// The window before it was moved to another: its offset is named where it is another one, too.
    pub fn former(self, old: Window, new: Window) -> String {
        let zone = |at| swedish_time::zone(at, self.language);
        let same = [old.until, new.from, new.until].into_iter().all(|at| zone(at) == zone(old.from));
        if same { swedish_time::range(old.from, old.until, self.language) } else { self.range(old.from, old.until) }
    }

    /// *svensk normaltid (CET, UTC+1)*
    pub fn zone(self, at: Timestamp) -> String {
        let zone = swedish_time::zone(at, self.language);
        if self.language == Language::Sv { zone.to_owned() } else { format!("Swedish time ({zone})") }
    }

    /// *måndag 23 november kl. 07.40, svensk normaltid (CET, UTC+1)*
    pub fn words_in_zone(self, at: Timestamp) -> String {
        let (words, zone) = (self.words(at), swedish_time::zone(at, self.language));
        if self.language == Language::Sv { format!("{words}, {zone}") } else { format!("{words} ({zone})") }
    }

    /// *1 timme 32 minuter*
    pub fn span(self, from: Timestamp, until: Timestamp) -> String {
        swedish_time::duration(until.duration_since(from), self.language)
    }

    /// How far ahead something is, as nobody counts it more exactly: whole hours, below two of them five minutes.
    pub fn ahead(self, from: Timestamp, until: Timestamp) -> String {
        let minutes = until.duration_since(from).as_mins().max(0);
        let step = if minutes < 115 { 5 } else { 60 };
        let minutes = (minutes + step / 2) / step * step;
        let words = match (self.language, minutes) {
            (Language::Sv, 10_080) => "sju dagar",
            (Language::Sv, 1_440) => "ett dygn",
            (Language::Sv, 60) => "en timme",
            (Language::En, 10_080) => "seven days",
            (Language::En, 1_440) => "24 hours",
            (Language::En, 60) => "one hour",
            _ => return swedish_time::duration(SignedDuration::from_mins(minutes), self.language),
        };
        words.to_owned()
    }

    /// *november 2026*
    pub fn month(self, month: Month) -> String {
        let first = Date::new(month.year, month.month, 1).unwrap_or_default();
        swedish_time::month_of(first, self.language)
    }
}

/// A month on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month {
    pub year: i16,
    pub month: i8,
}

impl Month {
    pub fn of(at: Timestamp) -> Month {
        let date = local_date(at);
        Month { year: date.year(), month: date.month() }
    }

    pub fn before(self) -> Month {
        if self.month == 1 { Month { year: self.year - 1, month: 12 } } else { Month { month: self.month - 1, ..self } }
    }

    /// `2026-11`, as in URLs.
    pub fn tag(self) -> String {
        format!("{:04}-{:02}", self.year, self.month)
    }
}

/// RFC 3339 in UTC with milliseconds, as Statuspage writes it.
pub(super) fn iso(at: Timestamp) -> String {
    Offset::UTC.to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{En, Sv};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_says_its_day_its_year_and_its_offset_where_they_are_needed() {
        let now = at("2026-11-23T06:55:00Z");
        let (sv, en) = (When::new(Sv, now), When::new(En, now));
        let today = sv.moment(at("2026-11-23T06:40:00Z"));
        assert_eq!((today.words.as_str(), today.short.as_str()), ("måndag 23 november kl. 07.40", "kl. 07.40"));
        assert_eq!(today.iso, "2026-11-23T06:40:00.000Z");
        assert_eq!(sv.moment(at("2026-11-22T06:40:00Z")).short, "söndag 22 november kl. 07.40");
        assert_eq!(en.words(at("2025-11-22T06:40:00Z")), "Saturday 22 November 2025, 07:40");
        // Both of the hour that comes twice, and both sides of the one that never comes.
        assert_eq!(sv.words(at("2026-10-25T00:30:00Z")), "söndag 25 oktober kl. 02.30 (CEST)");
        assert_eq!(sv.words(at("2026-10-25T01:30:00Z")), "söndag 25 oktober kl. 02.30 (CET)");
        assert_eq!(en.words(at("2026-03-29T00:59:00Z")), "Sunday 29 March, 01:59 (CET)");
        assert_eq!(en.words(at("2026-03-29T01:00:00Z")), "Sunday 29 March, 03:00 (CEST)");
    }

    #[test]
    fn how_far_ahead_is_said_as_people_count() {
        let (sv, start) = (When::with_years(Sv), at("2026-11-23T21:00:00Z"));
        for (now, words) in [
            ("2026-11-16T21:00:14Z", "sju dagar"),
            ("2026-11-22T21:00:14Z", "ett dygn"),
            ("2026-11-23T20:00:14Z", "en timme"),
            ("2026-11-23T02:10:00Z", "19 timmar"),
            ("2026-11-23T20:34:00Z", "25 minuter"),
        ] {
            assert_eq!(sv.ahead(at(now), start), words, "{now}");
        }
    }
}
