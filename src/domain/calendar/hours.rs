//! When a clinic is open, and when its promises fall due.

use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::{Date, Weekday};
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::{MINUTES_PER_DAY, holiday, instant, local_date};

/// A week of two spans a day; nobody keeps more hours than that.
const SPANS_MAX: usize = 14;
/// More than a year of closed days is a clinic that is closed, not one with exceptions.
const CLOSED_DAYS_MAX: usize = 400;
/// How far a promise is followed, in days: ten years. Beyond it the hours are wrong, not the case.
const PROMISE_DAYS_MAX: usize = 3_660;

/// A weekday as the configuration and the API write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<Weekday> for Day {
    fn from(weekday: Weekday) -> Day {
        match weekday {
            Weekday::Monday => Day::Monday,
            Weekday::Tuesday => Day::Tuesday,
            Weekday::Wednesday => Day::Wednesday,
            Weekday::Thursday => Day::Thursday,
            Weekday::Friday => Day::Friday,
            Weekday::Saturday => Day::Saturday,
            Weekday::Sunday => Day::Sunday,
        }
    }
}

/// A whole minute on the wall clock, `00:00` to `24:00`, written `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    minute: u16,
}

impl TimeOfDay {
    /// Exactly two digits, a colon, two digits.
    pub fn parse(text: &str) -> Result<TimeOfDay, HoursError> {
        let number = |digits: &str| match digits.as_bytes() {
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some(u16::from(tens - b'0') * 10 + u16::from(ones - b'0')),
            _ => None,
        };
        let (hour, minute) = text.split_once(':').ok_or(HoursError::Time)?;
        match (number(hour), number(minute)) {
            (Some(hour @ 0..=23), Some(minute @ 0..=59)) => Ok(TimeOfDay { minute: hour * 60 + minute }),
            (Some(24), Some(0)) => Ok(TimeOfDay { minute: MINUTES_PER_DAY }),
            _ => Err(HoursError::Time),
        }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = HoursError;
    fn try_from(text: String) -> Result<TimeOfDay, HoursError> {
        TimeOfDay::parse(&text)
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> String {
        time.to_string()
    }
}

/// One row of a clinic's hours: open on those days from the one time until just before the other. A night is two rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpeningHours {
    pub days: Vec<Day>,
    pub from: TimeOfDay,
    pub to: TimeOfDay,
}

/// When a clinic is open: its weekly hours, less Swedish holidays and its own closed days. Closed on Saturdays and
/// Sundays unless its hours name them. In JSON `{"hours": [{"days", "from", "to"}], "closedDays": ["2026-12-24"]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct ClinicHours {
    /// In order of `from`, so that one day's spans are too.
    hours: Vec<OpeningHours>,
    closed_days: BTreeSet<Date>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Record {
    hours: Vec<OpeningHours>,
    #[serde(default)]
    closed_days: Vec<Date>,
}

/// Why hours are no clinic's hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    #[error("a time of day is HH:MM between 00:00 and 24:00")]
    Time,
    #[error("a clinic has at least one row of hours: one that takes nothing is closed by `open`, not by its hours")]
    NoHours,
    #[error("a clinic has at most {SPANS_MAX} rows of hours")]
    TooManyHours,
    #[error("a clinic has at most {CLOSED_DAYS_MAX} closed days")]
    TooManyClosedDays,
    #[error("a row of hours names each of its days once, and at least one")]
    Days,
    #[error("hours {from}-{to} end before they begin: split a night at 24:00")]
    Order { from: TimeOfDay, to: TimeOfDay },
    #[error("hours that begin {from} overlap others on the same day")]
    Overlap { from: TimeOfDay },
}

impl ClinicHours {
    /// Checked as the type's text says; the rows are kept in order of their beginning.
    pub fn new(mut hours: Vec<OpeningHours>, closed_days: BTreeSet<Date>) -> Result<ClinicHours, HoursError> {
        match hours.len() {
            0 => return Err(HoursError::NoHours),
            1..=SPANS_MAX => {}
            _ => return Err(HoursError::TooManyHours),
        }
        if closed_days.len() > CLOSED_DAYS_MAX {
            return Err(HoursError::TooManyClosedDays);
        }
        hours.sort_by_key(|row| (row.from, row.to));
        for (i, row) in hours.iter().enumerate() {
            let named_twice = row.days.iter().enumerate().any(|(i, day)| row.days.iter().skip(i + 1).any(|d| d == day));
            if row.days.is_empty() || named_twice {
                return Err(HoursError::Days);
            }
            if row.from >= row.to {
                return Err(HoursError::Order { from: row.from, to: row.to });
            }
            let mut before = hours.iter().take(i).filter(|other| other.days.iter().any(|day| row.days.contains(day)));
            if before.any(|other| row.from < other.to) {
                return Err(HoursError::Overlap { from: row.from });
            }
        }
        Ok(ClinicHours { hours, closed_days })
    }

    #[cfg(test)]
    /// Is the clinic open at that instant? At its closing time it no longer is.
    pub fn open_at(&self, at: Timestamp) -> bool {
        self.open_on(local_date(at)).any(|(opens, closes)| opens <= at && at < closes)
    }

    /// The date's spans in order, as instants.
    fn open_on(&self, date: Date) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let closed = self.closed_days.contains(&date) || holiday(date).is_some();
        let day = Day::from(date.weekday());
        let rows = self.hours.iter().filter(move |row| !closed && row.days.contains(&day));
        rows.map(move |row| (instant(date, row.from.minute), instant(date, row.to.minute)))
    }
}

impl TryFrom<Record> for ClinicHours {
    type Error = HoursError;
    fn try_from(record: Record) -> Result<ClinicHours, HoursError> {
        ClinicHours::new(record.hours, record.closed_days.into_iter().collect())
    }
}

impl From<ClinicHours> for Record {
    fn from(hours: ClinicHours) -> Record {
        Record { hours: hours.hours, closed_days: hours.closed_days.into_iter().collect() }
    }
}

/// The clinic is not open for that long within ten years of the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the clinic's hours do not hold the promised working time within ten years")]
pub struct NeverOpen;

/// The instant at which the clinic has been open for `working_minutes` since `start`: a promise falls within its hours
/// or at its closing time. A start outside them counts from the next opening. Minutes are real ones, so a night with an
/// hour more or less counts as long as it lasts.
pub fn promise(start: Timestamp, working_minutes: u32, hours: &ClinicHours) -> Result<Timestamp, NeverOpen> {
    let mut left = SignedDuration::from_mins(i64::from(working_minutes));
    for date in local_date(start).series(1.day()).take(PROMISE_DAYS_MAX) {
        for (opens, closes) in hours.open_on(date).filter(|(_, closes)| *closes > start) {
            let from = opens.max(start);
            let open = closes.duration_since(from);
            if left <= open {
                return from.checked_add(left).map_err(|_| NeverOpen);
            }
            left -= open;
        }
    }
    Err(NeverOpen)
}

#[cfg(test)]
mod tests {
    use super::super::STOCKHOLM;
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hours(json: &str) -> ClinicHours {
        serde_json::from_str(json).unwrap()
    }

    /// Monday to Friday, eight to five.
    fn office() -> ClinicHours {
        hours(
            r#"{"hours": [{"days": ["monday", "tuesday", "wednesday", "thursday", "friday"], "from": "08:00", "to": "17:00"}]}"#,
        )
    }

    fn every_day(from: &str, to: &str) -> ClinicHours {
        hours(&format!(
            r#"{{"hours": [{{"days": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
                "from": "{from}", "to": "{to}"}}]}}"#
        ))
    }

    #[test]
    fn a_promise_over_easter_passes_the_four_closed_days() {
        // Maundy Thursday 2 April 2026, four in the afternoon: one hour left, then Tuesday from eight.
        let start = at("2026-04-02T16:00:00+02:00");
        assert_eq!(promise(start, 60, &office()), Ok(at("2026-04-02T17:00:00+02:00")));
        assert_eq!(promise(start, 61, &office()), Ok(at("2026-04-07T08:01:00+02:00")));
        assert_eq!(promise(start, 60 + 9 * 60, &office()), Ok(at("2026-04-07T17:00:00+02:00")));
    }

    #[test]
    fn a_start_outside_the_hours_counts_from_the_next_opening() {
        for start in ["2026-11-20T17:00:00+01:00", "2026-11-21T12:00:00+01:00", "2026-11-23T03:00:00+01:00"] {
            assert_eq!(promise(at(start), 30, &office()), Ok(at("2026-11-23T08:30:00+01:00")), "{start}");
            assert_eq!(promise(at(start), 0, &office()), Ok(at("2026-11-23T08:00:00+01:00")), "{start}");
        }
        assert_eq!(promise(at("2026-11-20T08:00:30Z"), 1, &office()), Ok(at("2026-11-20T08:01:30Z")));
    }

    #[test]
    fn the_clinics_own_closed_day_is_passed() {
        let mut closed = office();
        closed.closed_days.insert(date(2026, 11, 23));
        assert_eq!(promise(at("2026-11-21T12:00:00Z"), 1, &closed), Ok(at("2026-11-24T08:01:00+01:00")));
    }

    #[test]
    fn a_night_clinic_works_an_hour_more_in_autumn_and_one_less_in_spring() {
        let night = every_day("00:00", "06:00");
        let autumn = at("2026-10-25T00:00:00+02:00");
        assert_eq!(promise(autumn, 7 * 60, &night), Ok(at("2026-10-25T06:00:00+01:00")));
        assert_eq!(promise(autumn, 7 * 60 + 1, &night), Ok(at("2026-10-26T00:01:00+01:00")));
        let spring = at("2026-03-29T00:00:00+01:00");
        assert_eq!(promise(spring, 5 * 60, &night), Ok(at("2026-03-29T06:00:00+02:00")));
        assert_eq!(promise(spring, 5 * 60 + 1, &night), Ok(at("2026-03-30T00:01:00+02:00")));
    }

    #[test]
    fn hours_that_begin_or_end_in_the_hour_that_spring_skips_or_autumn_repeats_do_so_once() {
        let jump = at("2026-03-29T01:00:00Z");
        assert_eq!(instant(date(2026, 3, 29), 2 * 60), jump);
        assert_eq!(instant(date(2026, 3, 29), 2 * 60 + 59), jump);
        assert_eq!(instant(date(2026, 3, 29), 3 * 60), jump);
        assert_eq!(instant(date(2026, 10, 25), 2 * 60 + 30), at("2026-10-25T00:30:00Z"));
        assert_eq!(promise(at("2026-03-29T00:00:00Z"), 1, &every_day("02:15", "02:45")), {
            Ok(at("2026-03-30T02:16:00+02:00"))
        });
    }

    #[test]
    fn hours_are_refused_by_name() {
        let row = |days: &str, from: &str, to: &str| format!(r#"{{"days": [{days}], "from": "{from}", "to": "{to}"}}"#);
        let monday = |from: &str, to: &str| row(r#""monday""#, from, to);
        let many = vec![monday("08:00", "09:00"); SPANS_MAX + 1].join(",");
        let overlap = format!("{},{}", monday("12:59", "17:00"), row(r#""sunday", "monday""#, "08:00", "13:00"));
        for (rows, why) in [
            (String::new(), "at least one row"),
            (many, "at most 14 rows"),
            (row("", "08:00", "17:00"), "names each of its days once"),
            (row(r#""monday", "monday""#, "08:00", "17:00"), "names each of its days once"),
            (row(r#""måndag""#, "08:00", "17:00"), "unknown variant"),
            (monday("22:00", "06:00"), "hours 22:00-06:00 end before they begin"),
            (monday("08:00", "08:00"), "hours 08:00-08:00 end before they begin"),
            (overlap, "hours that begin 12:59 overlap"),
            (monday("8:00", "17:00"), "HH:MM"),
            (monday("08.00", "17:00"), "HH:MM"),
            (monday("+8:00", "17:00"), "HH:MM"),
            (monday("08:60", "17:00"), "HH:MM"),
            (monday("08:00", "24:01"), "HH:MM"),
            (monday("08:00", "1７:00"), "HH:MM"),
            (r#"{"days": ["monday"], "from": "08:00", "to": "17:00", "lunch": true}"#.into(), "unknown field `lunch`"),
        ] {
            let told = serde_json::from_str::<ClinicHours>(&format!(r#"{{"hours": [{rows}]}}"#)).unwrap_err();
            assert!(told.to_string().contains(why), "{rows}: {told}");
        }
        let all_closed = date(2026, 1, 1).series(1.day()).take(CLOSED_DAYS_MAX + 1).collect();
        assert_eq!(ClinicHours::new(office().hours, all_closed), Err(HoursError::TooManyClosedDays));
    }

    #[test]
    fn hours_are_written_as_they_were_read() {
        let json = r#"{"hours":[{"days":["monday","sunday"],"from":"00:00","to":"12:00"},{"days":["monday"],"from":"12:00","to":"24:00"}],"closedDays":["2026-12-23"]}"#;
        assert_eq!(serde_json::to_string(&hours(json)).unwrap(), json);
    }

    #[test]
    fn a_promise_that_ten_years_cannot_hold_is_refused_not_followed() {
        assert_eq!(promise(at("2026-01-01T00:00:00Z"), u32::MAX, &office()), Err(NeverOpen));
        assert_eq!(promise(Timestamp::MAX, 1, &office()), Err(NeverOpen));
        promise(Timestamp::MIN, 1, &office()).unwrap();
    }

    /// Rows of whole hours at any time of the week, in up to two spans a day.
    fn any_hours() -> impl Strategy<Value = ClinicHours> {
        let span = (0_u16..12, 1_u16..=6, proptest::bool::ANY);
        proptest::collection::vec(span, 7).prop_filter_map("no hours at all", |week| {
            let days =
                [Day::Monday, Day::Tuesday, Day::Wednesday, Day::Thursday, Day::Friday, Day::Saturday, Day::Sunday];
            let row = |day, from: u16, to: u16| OpeningHours {
                days: vec![day],
                from: TimeOfDay { minute: from * 60 },
                to: TimeOfDay { minute: to * 60 },
            };
            let rows =
                days.into_iter().zip(week).filter(|(_, (_, _, open))| *open).flat_map(|(day, (from, length, _))| {
                    [row(day, from, from + length), row(day, from + length + 1, 24.min(from + length + 5))]
                });
            ClinicHours::new(rows.collect(), BTreeSet::from([date(2026, 3, 30), date(2026, 10, 26)])).ok()
        })
    }

    /// Instants around both changes of the clocks, Easter and the turn of the year, to the minute.
    fn any_start() -> impl Strategy<Value = Timestamp> {
        let anchors = ["2026-03-27T00:00:00Z", "2026-10-23T00:00:00Z", "2026-12-22T00:00:00Z", "2026-04-01T00:00:00Z"];
        (proptest::sample::select(anchors.to_vec()), 0_i64..6 * 24 * 60)
            .prop_map(|(anchor, minutes)| at(anchor).checked_add(SignedDuration::from_mins(minutes)).unwrap())
    }

    /// The wall clock's own word, knowing nothing of spans as instants.
    fn wall_clock_open(hours: &ClinicHours, at: Timestamp) -> bool {
        let local = STOCKHOLM.to_datetime(at);
        let minute =
            TimeOfDay { minute: u16::try_from(i16::from(local.hour()) * 60 + i16::from(local.minute())).unwrap() };
        let closed = hours.closed_days.contains(&local.date()) || holiday(local.date()).is_some();
        let day = Day::from(local.weekday());
        !closed && hours.hours.iter().any(|row| row.days.contains(&day) && row.from <= minute && minute < row.to)
    }

    proptest! {
        #[test]
        fn minute_by_minute_the_promised_time_is_exactly_that_long(
            hours in any_hours(), start in any_start(), minutes in 0_u32..600,
        ) {
            let due = promise(start, minutes, &hours).unwrap();
            let minute = SignedDuration::from_mins(1);
            let (mut now, mut worked) = (start, 0);
            while now < due {
                worked += u32::from(wall_clock_open(&hours, now));
                now = now.checked_add(minute).unwrap();
            }
            prop_assert_eq!((worked, now), (minutes, due));
            let last = if minutes == 0 { due } else { due.checked_sub(minute).unwrap() };
            prop_assert!(wall_clock_open(&hours, last), "{} is outside the hours", last);
            prop_assert_eq!(hours.open_at(start), wall_clock_open(&hours, start));
        }

        #[test]
        fn a_later_start_or_more_minutes_never_promise_less(
            hours in any_hours(), start in any_start(), later_s in 0_i64..400_000, minutes in 0_u32..2_000, more in 0_u32..500,
        ) {
            let later = start.checked_add(SignedDuration::from_secs(later_s)).unwrap();
            let due = promise(start, minutes, &hours).unwrap();
            prop_assert!(due <= promise(later, minutes, &hours).unwrap());
            prop_assert!(due <= promise(start, minutes + more, &hours).unwrap());
        }

        #[test]
        fn no_text_makes_the_time_parser_panic(text in ".{0,8}") {
            if let Ok(time) = TimeOfDay::parse(&text) {
                prop_assert_eq!(time.to_string(), text);
            }
        }
    }
}
