//! Swedish days: non-working days, the date on the wall, the bounds of a local day. A clinic's hours are in `hours`.
//!
//! Everything here takes its time as a value; nothing asks a clock, and the zone comes from the bundled database.

mod hours;

use std::sync::LazyLock;

#[cfg(test)]
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase, offset};
use jiff::{SignedDuration, Timestamp};

pub use hours::{ClinicHours, NeverOpen, promise};

const MINUTES_PER_DAY: u16 = 24 * 60;

/// The one time zone of the gateway. A test pins that the bundled database has it; winter time stands in so that no
/// caller has a failure to handle that cannot happen.
pub(in crate::domain) static STOCKHOLM: LazyLock<TimeZone> = LazyLock::new(|| {
    TimeZoneDatabase::bundled().get("Europe/Stockholm").unwrap_or_else(|_| TimeZone::fixed(offset(1)))
});

/// A day on which care units are closed whatever the weekday.
///
/// Public holidays by law (1989:253) and, by custom, the three eves: midsummer's, Christmas and New Year's. The
/// holidays of today's law apply to every year (the national day is one since 2005, Whit Monday no longer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holiday {
    /// nyårsdagen
    NewYearsDay,
    /// trettondedag jul
    Epiphany,
    /// långfredagen
    GoodFriday,
    /// påskdagen
    EasterSunday,
    /// annandag påsk
    EasterMonday,
    /// första maj
    MayDay,
    /// Kristi himmelsfärdsdag
    AscensionDay,
    /// pingstdagen
    WhitSunday,
    /// nationaldagen
    NationalDay,
    /// midsommarafton
    MidsummerEve,
    /// midsommardagen
    MidsummerDay,
    /// alla helgons dag
    AllSaintsDay,
    /// julafton
    ChristmasEve,
    /// juldagen
    ChristmasDay,
    /// annandag jul
    BoxingDay,
    /// nyårsafton
    NewYearsEve,
}

/// What makes the date a non-working day apart from its weekday. Where two fall together (first of May and Ascension
/// Day, 2008) the one with the fixed date is told.
pub fn holiday(date: Date) -> Option<Holiday> {
    let fixed = match (date.month(), date.day(), date.weekday()) {
        (1, 1, _) => Some(Holiday::NewYearsDay),
        (1, 6, _) => Some(Holiday::Epiphany),
        (5, 1, _) => Some(Holiday::MayDay),
        (6, 6, _) => Some(Holiday::NationalDay),
        (6, 19..=25, Weekday::Friday) => Some(Holiday::MidsummerEve),
        (6, 20..=26, Weekday::Saturday) => Some(Holiday::MidsummerDay),
        (10, 31, Weekday::Saturday) | (11, 1..=6, Weekday::Saturday) => Some(Holiday::AllSaintsDay),
        (12, 24, _) => Some(Holiday::ChristmasEve),
        (12, 25, _) => Some(Holiday::ChristmasDay),
        (12, 26, _) => Some(Holiday::BoxingDay),
        (12, 31, _) => Some(Holiday::NewYearsEve),
        _ => None,
    };
    fixed.or_else(|| match date.day_of_year() - easter_day_of_year(date) {
        -2 => Some(Holiday::GoodFriday),
        0 => Some(Holiday::EasterSunday),
        1 => Some(Holiday::EasterMonday),
        39 => Some(Holiday::AscensionDay),
        49 => Some(Holiday::WhitSunday),
        _ => None,
    })
}

#[cfg(test)]
/// The year's non-working days in order, weekends not counted; empty for a year outside the calendar (±9999).
pub fn holidays(year: i16) -> Vec<(Date, Holiday)> {
    let first = Date::new(year, 1, 1).into_iter();
    first
        .flat_map(|first| first.series(1.day()).take_while(move |date| date.year() == year))
        .filter_map(|date| Some((date, holiday(date)?)))
        .collect()
}

/// Easter Sunday's day of the year (Meeus, Jones and Butcher's rule for the Gregorian calendar).
fn easter_day_of_year(date: Date) -> i16 {
    let year = date.year();
    let (a, b, c) = (year.rem_euclid(19), year.div_euclid(100), year.rem_euclid(100));
    let h = (19 * a + b - b.div_euclid(4) - (b - (b + 8).div_euclid(25) + 1).div_euclid(3) + 15).rem_euclid(30);
    let l = (32 + 2 * b.rem_euclid(4) + 2 * c.div_euclid(4) - h - c.rem_euclid(4)).rem_euclid(7);
    let m = (a + 11 * h + 22 * l).div_euclid(451);
    let march_day = 22 + h + l - 7 * m;
    let days_before_march = if date.in_leap_year() { 60 } else { 59 };
    days_before_march + march_day
}

/// The date that a calendar on the wall in Sweden shows at that instant.
pub fn local_date(at: Timestamp) -> Date {
    STOCKHOLM.to_datetime(at).date()
}

/// The first instant of the local day and the first of the next: 23, 24 or 25 hours. Ends of the calendar saturate.
pub fn day_bounds(date: Date) -> (Timestamp, Timestamp) {
    (instant(date, 0), instant(date, MINUTES_PER_DAY))
}

/// The first instant at which clocks show that minute of the day or later: an hour that spring leaves out begins
/// where the clocks jump, an hour that autumn repeats begins the first time. So later minutes never come earlier.
fn instant(date: Date, minute: u16) -> Timestamp {
    let midnight = date.to_datetime(Time::midnight());
    let local = midnight.saturating_add(SignedDuration::from_mins(i64::from(minute)));
    let ambiguous = STOCKHOLM.to_ambiguous_timestamp(local);
    let gap = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
    match ambiguous.earlier() {
        // Reckoned with summer time before it began, so the jump is what comes next.
        Ok(before) if gap => STOCKHOLM.following(before).next().map_or(before, |jump| jump.timestamp()),
        Ok(at) => at,
        Err(_) if local < DateTime::ZERO => Timestamp::MIN,
        Err(_) => Timestamp::MAX,
    }
}

/// The next time after a moment that clocks here show an hour and a minute; where they skip it, when they have moved on.
pub fn next_local(after: Timestamp, hour: u8, minute: u8) -> Timestamp {
    let small = |number: u8, max: i8| i8::try_from(number).unwrap_or(max).min(max);
    let time = jiff::civil::Time::new(small(hour, 23), small(minute, 59), 0, 0).unwrap_or_default();
    let mut date = after.to_zoned(STOCKHOLM.clone()).date();
    // Today, else tomorrow; a day is added once at most.
    for _ in 0..2 {
        match date.to_datetime(time).to_zoned(STOCKHOLM.clone()) {
            Ok(next) if next.timestamp() > after => return next.timestamp(),
            _ => date = date.tomorrow().unwrap_or(date),
        }
    }
    Timestamp::MAX
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_next_time_of_day_is_right_on_both_sides_of_both_changes_of_the_clock() {
        for (after, next) in [
            ("2026-11-22T08:00:00Z", "2026-11-23T06:30:00Z"),
            ("2026-11-22T06:29:59Z", "2026-11-22T06:30:00Z"),
            ("2026-11-22T06:30:00Z", "2026-11-23T06:30:00Z"),
            ("2026-10-24T08:00:00Z", "2026-10-25T06:30:00Z"),
            ("2027-03-27T08:00:00Z", "2027-03-28T05:30:00Z"),
        ] {
            assert_eq!(super::next_local(after.parse().unwrap(), 7, 30), next.parse().unwrap(), "{after}");
        }
        let skipped = super::next_local("2027-03-27T12:00:00Z".parse().unwrap(), 2, 30);
        assert_eq!(skipped, "2027-03-28T01:30:00Z".parse().unwrap());
    }

    use super::*;
    use jiff::civil::date;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn easter_falls_where_the_almanacs_put_it() {
        for (year, month, day) in [
            (1818, 3, 22),
            (1913, 3, 23),
            (1943, 4, 25),
            (1954, 4, 18),
            (1961, 4, 2),
            (1981, 4, 19),
            (2000, 4, 23),
            (2008, 3, 23),
            (2011, 4, 24),
            (2016, 3, 27),
            (2019, 4, 21),
            (2020, 4, 12),
            (2024, 3, 31),
            (2025, 4, 20),
            (2026, 4, 5),
            (2027, 3, 28),
            (2028, 4, 16),
            (2029, 4, 1),
            (2030, 4, 21),
            (2038, 4, 25),
        ] {
            assert_eq!(holiday(date(year, month, day)), Some(Holiday::EasterSunday), "{year}");
        }
    }

    #[test]
    fn the_year_2026_has_these_sixteen_days_and_no_others() {
        use Holiday::*;
        let expected = [
            (date(2026, 1, 1), NewYearsDay),
            (date(2026, 1, 6), Epiphany),
            (date(2026, 4, 3), GoodFriday),
            (date(2026, 4, 5), EasterSunday),
            (date(2026, 4, 6), EasterMonday),
            (date(2026, 5, 1), MayDay),
            (date(2026, 5, 14), AscensionDay),
            (date(2026, 5, 24), WhitSunday),
            (date(2026, 6, 6), NationalDay),
            (date(2026, 6, 19), MidsummerEve),
            (date(2026, 6, 20), MidsummerDay),
            (date(2026, 10, 31), AllSaintsDay),
            (date(2026, 12, 24), ChristmasEve),
            (date(2026, 12, 25), ChristmasDay),
            (date(2026, 12, 26), BoxingDay),
            (date(2026, 12, 31), NewYearsEve),
        ];
        assert_eq!(holidays(2026), expected);
    }

    #[test]
    fn every_year_has_sixteen_days_unless_two_fall_together_and_the_calendars_ends_hold() {
        for year in 1900..2200 {
            let days = holidays(year).len();
            let together = [39, 49].into_iter().any(|after| {
                let easter = holidays(year).into_iter().find(|(_, h)| *h == Holiday::EasterSunday).unwrap().0;
                let movable = easter.saturating_add(after.days());
                [(5, 1), (6, 6)].contains(&(movable.month(), movable.day()))
            });
            assert_eq!(days, if together { 15 } else { 16 }, "{year}");
        }
        for year in [-9999, 9999, i16::MIN, i16::MAX] {
            holidays(year);
        }
    }

    #[test]
    fn the_zone_is_swedens_own_and_its_days_have_23_24_or_25_hours() {
        assert_eq!(STOCKHOLM.iana_name(), Some("Europe/Stockholm"));
        for (day, length) in [(date(2026, 3, 29), 23), (date(2026, 7, 1), 24), (date(2026, 10, 25), 25)] {
            let (from, to) = day_bounds(day);
            assert_eq!(to.duration_since(from), SignedDuration::from_hours(length), "{day}");
            assert_eq!((local_date(from), local_date(to)), (day, day.tomorrow().unwrap()));
        }
        assert_eq!(local_date(at("2026-12-31T23:00:00Z")), date(2027, 1, 1));
        assert_eq!(day_bounds(Date::MAX).1, Timestamp::MAX);
        assert_eq!(day_bounds(Date::MIN).0, Timestamp::MIN);
    }
}
