//! FHIR dates and times of any precision, each the span of time that it may mean.

use std::fmt;

use jiff::{Timestamp, ToSpan as _, civil, tz::TimeZone};

/// A `date` or `dateTime`: the text as written, and the span `[start, end)` that it covers. A date without time is a day
/// (month, year) in Sweden. Masks itself: a birthday is personal.
#[derive(Clone, PartialEq, Eq)]
pub struct Moment {
    text: String,
    start: Timestamp,
    end: Timestamp,
}

impl Moment {
    /// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, and the day exists.
    pub fn date(text: &str) -> Option<Moment> {
        let number = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<i16>().ok());
        let part = |from: usize, to: usize| number(from, to).and_then(|n| i8::try_from(n).ok());
        let (year, month, day, span) = match text.len() {
            4 if fits(text, "dddd") => (number(0, 4)?, 1, 1, 1.year()),
            7 if fits(text, "dddd-dd") => (number(0, 4)?, part(5, 7)?, 1, 1.month()),
            10 if fits(text, "dddd-dd-dd") => (number(0, 4)?, part(5, 7)?, part(8, 10)?, 1.day()),
            _ => return None,
        };
        if year == 0 {
            return None;
        }
        let first = civil::Date::new(year, month, day).ok()?;
        // Past the calendar's end (9999-12-31 as "for ever") time has no end.
        let next = first.checked_add(span).map_or(Timestamp::MAX, midnight);
        Some(Moment { text: text.to_owned(), start: midnight(first), end: next })
    }

    /// As `date`, or with a time to the second or finer, and then with a zone.
    pub fn date_time(text: &str) -> Option<Moment> {
        Moment::date(text).or_else(|| {
            let (head, rest) = text.split_at_checked("dddd-dd-ddTdd:dd:dd".len())?;
            let zone = without_fraction(rest)?;
            let offset = zone.strip_prefix(['+', '-']);
            if !fits(head, "dddd-dd-ddTdd:dd:dd") || !(zone == "Z" || offset.is_some_and(|o| fits(o, "dd:dd"))) {
                return None;
            }
            let instant: Timestamp = text.parse().ok()?;
            Some(Moment { text: text.to_owned(), start: instant, end: instant })
        })
    }

    /// An instant by the gateway's own clock.
    pub fn at(instant: Timestamp) -> Moment {
        Moment { text: instant.to_string(), start: instant, end: instant }
    }

    /// The text as written, for the one who may read it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Certainly earlier: no reading of the two lets them meet.
    pub fn is_before(&self, other: &Moment) -> bool {
        self.end <= other.start && self.start < other.start
    }

    /// The same time to the same precision.
    pub fn equals(&self, other: &Moment) -> bool {
        self.start == other.start && self.end == other.end
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moment(•)")
    }
}

/// FHIR's `time`: `hh:mm:ss`, finer if wanted, no zone.
pub fn time(text: &str) -> Option<civil::Time> {
    let (head, rest) = text.split_at_checked("dd:dd:dd".len())?;
    if !fits(head, "dd:dd:dd") || !without_fraction(rest)?.is_empty() {
        return None;
    }
    text.parse().ok()
}

/// What follows `.` and its digits; `None` for a point without digits.
fn without_fraction(text: &str) -> Option<&str> {
    let Some(fraction) = text.strip_prefix('.') else { return Some(text) };
    let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < fraction.len()).then_some(rest)
}

/// `d` in the shape stands for a digit, anything else for itself.
fn fits(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(b, s)| if s == b'd' { b.is_ascii_digit() } else { b == s })
}

fn midnight(date: civil::Date) -> Timestamp {
    let stockholm = TimeZone::get("Europe/Stockholm").unwrap_or(TimeZone::UTC);
    date.to_zoned(stockholm).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_each_precision_are_read_and_impossible_ones_are_not() {
        for good in ["2024", "2024-02", "2024-02-29", "9999-12-31", "0001"] {
            assert!(Moment::date(good).is_some(), "{good}");
        }
        for bad in
            ["", "24", "0000", "2023-02-29", "2024-13", "2024-1-1", "2024-02-29T10:00:00Z", "２０２４", "2024-02-"]
        {
            assert!(Moment::date(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_time_of_day_needs_seconds_and_with_a_date_a_zone() {
        for good in ["2024", "2024-02-29T10:00:00Z", "2024-02-29T10:00:00.123+01:00", "2024-02-29T10:00:00-00:00"] {
            assert!(Moment::date_time(good).is_some(), "{good}");
        }
        for bad in ["2024-02-29T10:00Z", "2024-02-29T10:00:00", "2024-02-29T10:00:00.Z", "2024-02-29 10:00:00Z"] {
            assert!(Moment::date_time(bad).is_none(), "{bad}");
        }
        for bad in ["2024-02-29T25:00:00Z", "2024-02-29t10:00:00z", "2024-02-29T10:00:00+1:00", "2024-02-29T10:00:0å"]
        {
            assert!(Moment::date_time(bad).is_none(), "{bad}");
        }
        assert!(time("23:59:59").is_some() && time("23:59:59.5").is_some());
        for bad in ["24:00:00", "10:00", "10:00:00Z", "10:00:00.", "1:00:00"] {
            assert!(time(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn order_is_told_only_where_it_is_certain() {
        let moment = |text: &str| Moment::date_time(text).unwrap();
        assert!(moment("2023").is_before(&moment("2024-01")));
        assert!(!moment("2024").is_before(&moment("2024-06")) && !moment("2024-06").is_before(&moment("2024")));
        assert!(moment("2024-05-31").is_before(&moment("2024-05-31T22:00:00Z")), "Swedish midnight");
        assert!(!moment("2024-05-31").is_before(&moment("2024-05-31T21:59:59Z")));
        assert!(moment("2024-05-31T12:00:00+02:00").equals(&moment("2024-05-31T10:00:00Z")));
        assert!(!moment("2024").equals(&moment("2024-01")));
    }

    #[test]
    fn a_moment_never_prints() {
        assert_eq!(format!("{:?}", Moment::date("1912-12-12")), "Some(Moment(•))");
    }
}
