//! Times in words and from words, in Europe/Stockholm, right on both sides of both changes of the clock.
//!
//! Swedish writes *måndag 23 november kl. 07.40*, English *Monday 23 November, 07:40*. Where the offset matters it is
//! named: *svensk normaltid (CET, UTC+1)*, once where both ends share it, at each end where they don't.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, Timestamp};

use crate::domain::calendar::STOCKHOLM;
use crate::domain::language::Language;

/// Why a text is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeFault {
    #[error("a time is local like 2026-11-23 22:00, or RFC 3339 like 2026-11-23T22:00:00+01:00")]
    Shape,
    #[error("the clock skips from {before} to {after} that night: give one of these")]
    Skipped { before: String, after: String },
    #[error("the clock shows that time twice that night: write {summer} for the first or {winter} for the second")]
    Twice { summer: String, winter: String },
}

impl TimeFault {
    /// The rule and the remedy in Swedish.
    pub fn swedish(&self) -> String {
        match self {
            TimeFault::Shape => {
                "En tid är svensk som 2026-11-23 22:00, eller RFC 3339 som 2026-11-23T22:00:00+01:00.".into()
            }
            TimeFault::Skipped { before, after } => {
                format!("Klockan hoppar från {before} till {after} den natten: ange någon av dem.")
            }
            TimeFault::Twice { summer, winter } => {
                format!(
                    "Klockan visar den tiden två gånger den natten: skriv {summer} för den första eller {winter} för den andra."
                )
            }
        }
    }
}

/// Reads RFC 3339 with offset, or local time in Sweden: `2026-11-23 22:00`, or `22:00` for the next time it is that.
pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, TimeFault> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let time = |text: &str| Time::strptime("%H:%M", text.replace('.', ":")).map_err(|_| TimeFault::Shape);
    let Some((date, at)) = text.split_once([' ', 'T']) else {
        let time = time(text)?;
        let today = STOCKHOLM.to_datetime(now).date();
        let first = local(today.to_datetime(time))?;
        return if first > now { Ok(first) } else { local(next(today).to_datetime(time)) };
    };
    let date: Date = date.parse().map_err(|_| TimeFault::Shape)?;
    local(date.to_datetime(time(at.trim())?))
}

/// What the clock on the wall shows at one moment exactly, or why there is none such.
pub fn local(at: DateTime) -> Result<Timestamp, TimeFault> {
    let ambiguous = STOCKHOLM.to_ambiguous_timestamp(at);
    let (earlier, later) = match (ambiguous.earlier(), ambiguous.later()) {
        (Ok(earlier), Ok(later)) => (earlier, later),
        _ => return Err(TimeFault::Shape),
    };
    let written = |at: Timestamp| at.to_zoned(STOCKHOLM.clone());
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => Ok(earlier),
        AmbiguousOffset::Gap { .. } => {
            // Reckoned by the offset of the other side, each lands on its own side of the jump.
            let jump = STOCKHOLM.following(earlier).next().map_or(later, |jump| jump.timestamp());
            let before = jump.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(jump);
            let before = written(before).datetime().strftime("%Y-%m-%d %H:%M").to_string();
            Err(TimeFault::Skipped { before, after: written(jump).datetime().strftime("%Y-%m-%d %H:%M").to_string() })
        }
        AmbiguousOffset::Fold { .. } => {
            let text = |at: Timestamp| written(at).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
            Err(TimeFault::Twice { summer: text(earlier), winter: text(later) })
        }
    }
}

/// The moment that a recurring local time comes to: where spring skips it, as much later; where autumn repeats it,
/// the first time.
pub fn resolved(at: DateTime) -> Option<Timestamp> {
    STOCKHOLM.to_ambiguous_timestamp(at).compatible().ok()
}

/// *måndag 23 november*, *Monday 23 November*.
pub fn date(date: Date, language: Language) -> String {
    let (weekday, month) = (weekday(date.weekday(), language), month(date.month(), language));
    format!("{weekday} {} {month}", date.day())
}

/// *måndag 23 november 2026*.
pub fn date_with_year(at: Date, language: Language) -> String {
    format!("{} {}", date(at, language), at.year())
}

/// *november 2026*, *November 2026*.
pub fn month_of(at: Date, language: Language) -> String {
    format!("{} {}", month(at.month(), language), at.year())
}

/// *07.40*, *07:40*.
pub fn time(at: Timestamp, language: Language) -> String {
    clock(STOCKHOLM.to_datetime(at).time(), language)
}

/// *måndag 23 november kl. 07.40*, *Monday 23 November, 07:40*.
pub fn moment(at: Timestamp, language: Language) -> String {
    let local = STOCKHOLM.to_datetime(at);
    let (day, time) = (date(local.date(), language), clock(local.time(), language));
    match language {
        Language::Sv => format!("{day} kl. {time}"),
        Language::En => format!("{day}, {time}"),
    }
}

/// *svensk normaltid (CET, UTC+1)*, *CET, UTC+1*.
pub fn zone(at: Timestamp, language: Language) -> &'static str {
    match (STOCKHOLM.to_offset_info(at).dst().is_dst(), language) {
        (true, Language::Sv) => "svensk sommartid (CEST, UTC+2)",
        (false, Language::Sv) => "svensk normaltid (CET, UTC+1)",
        (true, Language::En) => "CEST, UTC+2",
        (false, Language::En) => "CET, UTC+1",
    }
}

/// *måndag 23 november kl. 07.40, svensk normaltid (CET, UTC+1)*, *Monday 23 November, 07:40 (CET, UTC+1)*.
pub fn moment_with_zone(at: Timestamp, language: Language) -> String {
    named(moment(at, language), at, language)
}

/// *måndag 23 november kl. 22.00–24.00*, *Monday 23 November, 22:00–24:00*.
pub fn range(from: Timestamp, until: Timestamp, language: Language) -> String {
    let (first, second) = ends(from, until, language);
    joined(&first, &second)
}

/// As `range`, with the offset's name: once, or at both ends when the clocks change between them.
pub fn range_with_zone(from: Timestamp, until: Timestamp, language: Language) -> String {
    let (first, second) = ends(from, until, language);
    if zone(from, language) == zone(until, language) {
        return named(range(from, until, language), from, language);
    }
    let second = match second {
        End::SameDay(time) if language == Language::Sv => format!("kl. {time}"),
        End::SameDay(text) | End::OtherDay(text) => text,
    };
    format!("{} – {}", named(first, from, language), named(second, until, language))
}

/// *1 timme 20 minuter*, *2 dygn 3 timmar*; at least a minute.
pub fn duration(length: SignedDuration, language: Language) -> String {
    let minutes = length.as_secs().max(60) / 60;
    let (days, hours, minutes) = (minutes / (24 * 60), minutes / 60 % 24, minutes % 60);
    let words = match language {
        Language::Sv => [("dygn", "dygn"), ("timme", "timmar"), ("minut", "minuter")],
        Language::En => [("day", "days"), ("hour", "hours"), ("minute", "minutes")],
    };
    // Beyond a day nobody counts minutes.
    let minutes = if days > 0 { 0 } else { minutes };
    let parts = [days, hours, minutes].into_iter().zip(words).filter(|(count, _)| *count > 0);
    let text = parts.map(|(count, (one, many))| format!("{count} {}", if count == 1 { one } else { many }));
    text.collect::<Vec<_>>().join(" ")
}

enum End {
    SameDay(String),
    OtherDay(String),
}

fn ends(from: Timestamp, until: Timestamp, language: Language) -> (String, End) {
    let (first, last) = (STOCKHOLM.to_datetime(from), STOCKHOLM.to_datetime(until));
    let at_midnight = last.time() == Time::midnight() && next(first.date()) == last.date();
    let second = if at_midnight {
        // The day's own end: nobody has to think about which day midnight belongs to.
        End::SameDay(if language == Language::Sv { "24.00".into() } else { "24:00".into() })
    } else if first.date() == last.date() {
        End::SameDay(clock(last.time(), language))
    } else {
        End::OtherDay(moment(until, language))
    };
    (moment(from, language), second)
}

fn joined(first: &str, second: &End) -> String {
    match second {
        End::SameDay(time) => format!("{first}–{time}"),
        End::OtherDay(moment) => format!("{first} – {moment}"),
    }
}

fn named(text: String, at: Timestamp, language: Language) -> String {
    match language {
        Language::Sv => format!("{text}, {}", zone(at, language)),
        Language::En => format!("{text} ({})", zone(at, language)),
    }
}

fn clock(time: Time, language: Language) -> String {
    let mark = if language == Language::Sv { '.' } else { ':' };
    format!("{:02}{mark}{:02}", time.hour(), time.minute())
}

fn next(date: Date) -> Date {
    date.tomorrow().unwrap_or(date)
}

fn weekday(weekday: Weekday, language: Language) -> &'static str {
    let sv = ["måndag", "tisdag", "onsdag", "torsdag", "fredag", "lördag", "söndag"];
    let en = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let names = if language == Language::Sv { sv } else { en };
    let at = usize::try_from(weekday.to_monday_zero_offset()).unwrap_or(0);
    names.get(at).copied().unwrap_or_default()
}

fn month(month: i8, language: Language) -> &'static str {
    let sv = [
        "januari",
        "februari",
        "mars",
        "april",
        "maj",
        "juni",
        "juli",
        "augusti",
        "september",
        "oktober",
        "november",
        "december",
    ];
    let en = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let names = if language == Language::Sv { sv } else { en };
    usize::try_from(month - 1).ok().and_then(|at| names.get(at)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{En, Sv};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_moment_reads_as_people_say_it() {
        let morning = at("2026-11-23T06:40:00Z");
        assert_eq!(moment(morning, Sv), "måndag 23 november kl. 07.40");
        assert_eq!(moment_with_zone(morning, En), "Monday 23 November, 07:40 (CET, UTC+1)");
        let summer = at("2026-07-01T06:40:00Z");
        assert_eq!(moment_with_zone(summer, Sv), "onsdag 1 juli kl. 08.40, svensk sommartid (CEST, UTC+2)");
        assert_eq!(month_of(STOCKHOLM.to_datetime(summer).date(), En), "July 2026");
        assert_eq!(date_with_year(STOCKHOLM.to_datetime(summer).date(), Sv), "onsdag 1 juli 2026");
    }

    #[test]
    fn a_range_names_its_day_once_and_ends_a_day_at_24() {
        for (from, until, sv, en) in [
            (
                "2026-11-23T21:00:00Z",
                "2026-11-23T23:00:00Z",
                "måndag 23 november kl. 22.00–24.00, svensk normaltid (CET, UTC+1)",
                "Monday 23 November, 22:00–24:00 (CET, UTC+1)",
            ),
            (
                "2026-11-23T21:00:00Z",
                "2026-11-24T01:00:00Z",
                "måndag 23 november kl. 22.00 – tisdag 24 november kl. 02.00, svensk normaltid (CET, UTC+1)",
                "Monday 23 November, 22:00 – Tuesday 24 November, 02:00 (CET, UTC+1)",
            ),
        ] {
            assert_eq!(range_with_zone(at(from), at(until), Sv), sv);
            assert_eq!(range_with_zone(at(from), at(until), En), en);
        }
    }

    #[test]
    fn across_a_change_of_the_clock_both_ends_name_their_offset() {
        // 2026-10-25: 03:00 CEST becomes 02:00 CET.
        assert_eq!(
            range_with_zone(at("2026-10-24T23:00:00Z"), at("2026-10-25T03:00:00Z"), Sv),
            "söndag 25 oktober kl. 01.00, svensk sommartid (CEST, UTC+2) – kl. 04.00, svensk normaltid (CET, UTC+1)"
        );
        // 2027-03-28: 02:00 CET becomes 03:00 CEST.
        assert_eq!(
            range_with_zone(at("2027-03-27T22:00:00Z"), at("2027-03-28T02:00:00Z"), En),
            "Saturday 27 March, 23:00 (CET, UTC+1) – Sunday 28 March, 04:00 (CEST, UTC+2)"
        );
        // The hour that comes twice is told apart.
        assert_eq!(time(at("2026-10-25T00:30:00Z"), Sv), "02.30");
        assert_eq!(time(at("2026-10-25T01:30:00Z"), Sv), "02.30");
        assert_ne!(zone(at("2026-10-25T00:30:00Z"), Sv), zone(at("2026-10-25T01:30:00Z"), Sv));
    }

    #[test]
    fn local_times_are_read_as_swedish_and_others_by_their_offset() {
        let now = at("2026-11-22T08:00:00Z");
        for (text, expected) in [
            ("2026-11-23 22:00", "2026-11-23T21:00:00Z"),
            ("2026-11-23T22:00", "2026-11-23T21:00:00Z"),
            ("2026-07-01 22.00", "2026-07-01T20:00:00Z"),
            ("2026-11-23T22:00:00+01:00", "2026-11-23T21:00:00Z"),
            ("2026-11-23T22:00:00Z", "2026-11-23T22:00:00Z"),
            ("10:30", "2026-11-22T09:30:00Z"),
            ("08:30", "2026-11-23T07:30:00Z"),
        ] {
            assert_eq!(parse(text, now), Ok(at(expected)), "{text}");
        }
        for text in ["", "tomorrow", "2026-11-23", "2026-13-01 10:00", "25:00", "2026-11-23 22", "10:30:00 "] {
            assert_eq!(parse(text, now), Err(TimeFault::Shape), "{text}");
        }
    }

    #[test]
    fn an_hour_that_is_skipped_or_comes_twice_is_not_guessed() {
        let now = at("2026-09-01T08:00:00Z");
        let skipped = TimeFault::Skipped { before: "2027-03-28 01:59".into(), after: "2027-03-28 03:00".into() };
        assert_eq!(parse("2027-03-28 02:30", now), Err(skipped));
        let twice =
            TimeFault::Twice { summer: "2026-10-25T02:30:00+02:00".into(), winter: "2026-10-25T02:30:00+01:00".into() };
        assert_eq!(parse("2026-10-25 02:30", now), Err(twice.clone()));
        let TimeFault::Twice { summer, winter } = twice else { unreachable!() };
        assert_eq!(parse(&summer, now), Ok(at("2026-10-25T00:30:00Z")));
        assert_eq!(parse(&winter, now), Ok(at("2026-10-25T01:30:00Z")));
        assert_eq!(parse("2026-10-25 03:00", now), Ok(at("2026-10-25T02:00:00Z")));
        assert_eq!(parse("2027-03-28 03:00", now), Ok(at("2027-03-28T01:00:00Z")));
    }

    #[test]
    fn durations_are_told_in_the_units_that_matter() {
        for (minutes, sv, en) in [
            (0, "1 minut", "1 minute"),
            (80, "1 timme 20 minuter", "1 hour 20 minutes"),
            (120, "2 timmar", "2 hours"),
            (24 * 60 + 61, "1 dygn 1 timme", "1 day 1 hour"),
        ] {
            let length = SignedDuration::from_mins(minutes);
            assert_eq!((duration(length, Sv), duration(length, En)), (sv.into(), en.into()));
        }
    }
}
