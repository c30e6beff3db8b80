//! Maintenances that come again, by the clock on the wall: each becomes a maintenance of its own some weeks ahead.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Audience;
use super::act::ScheduleMaintenance;
use super::fault::{Fault, Rule};
use super::subject::Affected;
use super::swedish_time::resolved;
use super::words::{Check, Circumstances};
use crate::domain::clinic::Texts;

/// The longest that a series is looked along, in days: ten years.
const DAYS_MAX: usize = 3_660;
/// Dates that are left out of one series.
const EXCEPTIONS_MAX: usize = 200;

/// Every so often, in local time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Recurrence {
    /// On these days of every `every`th week, counted from the week of the first date.
    Weekly { every: u8, days: BTreeSet<Day> },
    /// On the first to fourth such day of each month, or the last (-1).
    Monthly { nth: i8, day: Day },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// What recurs, as an author gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    pub title: Texts,
    pub audience: Audience,
    pub affected: Vec<Affected>,
    pub body: Texts,
    pub recurrence: Recurrence,
    /// Not before this date.
    pub first: Date,
    /// Not after this date.
    #[serde(default)]
    pub last: Option<Date>,
    /// No more than so many, those left out counted.
    #[serde(default)]
    pub count: Option<u32>,
    /// When the window begins on the clock.
    pub from: Time,
    /// When it ends; the next day if that is not after `from`.
    pub until: Time,
    /// Dates left out.
    #[serde(default)]
    pub exceptions: BTreeSet<Date>,
    #[serde(default)]
    pub emergency_reason: Option<Texts>,
    #[serde(default = "yes")]
    pub starts_by_itself: bool,
    #[serde(default = "yes")]
    pub ends_by_itself: bool,
    #[serde(default = "yes")]
    pub tell_transitions: bool,
}

fn yes() -> bool {
    true
}

/// A plan that is kept, and how far it has been carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Series {
    pub id: Uuid,
    pub plan: Plan,
    /// The last date that has been made a maintenance or passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_to: Option<Date>,
    pub ended: bool,
    pub revision: u32,
}

impl Day {
    fn weekday(self) -> Weekday {
        match self {
            Day::Monday => Weekday::Monday,
            Day::Tuesday => Weekday::Tuesday,
            Day::Wednesday => Weekday::Wednesday,
            Day::Thursday => Weekday::Thursday,
            Day::Friday => Weekday::Friday,
            Day::Saturday => Weekday::Saturday,
            Day::Sunday => Weekday::Sunday,
        }
    }
}

impl Recurrence {
    fn holds(&self, first: Date, date: Date) -> bool {
        match self {
            Recurrence::Weekly { every, days } => {
                let week = |date: Date| monday_of(date).duration_since(monday_of(first)).as_hours() / (7 * 24);
                let every = i64::from((*every).max(1));
                week(date) % every == 0 && days.iter().any(|day| day.weekday() == date.weekday())
            }
            Recurrence::Monthly { nth, day } => {
                date.nth_weekday_of_month(*nth, day.weekday()).is_ok_and(|at| at == date)
            }
        }
    }

    fn is_sound(&self) -> bool {
        match self {
            Recurrence::Weekly { every, days } => (1..=52).contains(every) && !days.is_empty(),
            Recurrence::Monthly { nth, .. } => (1..=4).contains(nth) || *nth == -1,
        }
    }
}

impl Plan {
    /// Whether it may be kept. Of its dates the first that lies ahead must keep the region's notice.
    pub fn check(&self, at: &Circumstances) -> Result<(), Fault> {
        let mut check = Check::default();
        check.title("/title", &self.title);
        check.body("/body", &self.body);
        check.affected(&self.affected, &[], self.audience, true, at.components);
        let first = self.dates().find_map(|date| self.window(date).filter(|(from, _)| *from > at.now));
        let sound = self.recurrence.is_sound() && self.exceptions.len() <= EXCEPTIONS_MAX && first.is_some();
        check.that(sound, "/recurrence", Rule::NeverHappens);
        if let Some(reason) = &self.emergency_reason {
            check.body("/emergencyReason", reason);
        }
        let days = at.minimum_notice_days;
        let soon = first.is_some_and(|(from, _)| from.duration_since(at.now).as_hours() < i64::from(days) * 24);
        let unexplained = soon && self.emergency_reason.is_none() && at.is_person;
        check.that(!unexplained, "/emergencyReason", Rule::NoticeTooShort { days });
        check.finish()
    }

    /// The dates on which it falls, in order.
    pub fn dates(&self) -> impl Iterator<Item = Date> + '_ {
        let days = std::iter::successors(Some(self.first), |date| date.tomorrow().ok()).take(DAYS_MAX);
        let days = days.take_while(|date| self.last.is_none_or(|last| *date <= last));
        let count = self.count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let all = days.filter(|date| self.recurrence.holds(self.first, *date)).take(count);
        all.filter(|date| !self.exceptions.contains(date))
    }

    /// Start and end of the window that begins on a date.
    pub fn window(&self, date: Date) -> Option<(Timestamp, Timestamp)> {
        let last = if self.until > self.from { date } else { date.tomorrow().ok()? };
        let at = |date: Date, time: Time| resolved(DateTime::from_parts(date, time));
        let (from, until) = (at(date, self.from)?, at(last, self.until)?);
        // A window within the hour that spring skips keeps its length.
        let length = DateTime::from_parts(last, self.until).duration_since(DateTime::from_parts(date, self.from));
        if until > from { Some((from, until)) } else { Some((from, from.saturating_add(length).ok()?)) }
    }

    /// What is to be scheduled for a date.
    pub fn act(&self, series: Uuid, date: Date) -> Option<ScheduleMaintenance> {
        let (scheduled_for, scheduled_until) = self.window(date)?;
        Some(ScheduleMaintenance {
            title: self.title.clone(),
            audience: self.audience,
            affected: self.affected.clone(),
            body: self.body.clone(),
            scheduled_for,
            scheduled_until,
            emergency_reason: self.emergency_reason.clone(),
            starts_by_itself: self.starts_by_itself,
            ends_by_itself: self.ends_by_itself,
            tell_transitions: self.tell_transitions,
            series: Some(series),
        })
    }
}

impl Series {
    /// The next date that is to become a maintenance.
    pub fn next(&self) -> Option<Date> {
        if self.ended {
            return None;
        }
        self.plan.dates().find(|date| self.scheduled_to.is_none_or(|to| *date > to))
    }

    /// When it is to become one.
    pub fn due(&self, horizon_days: u16) -> Option<Timestamp> {
        let (from, _) = self.plan.window(self.next()?)?;
        let ahead = jiff::SignedDuration::from_hours(i64::from(horizon_days) * 24);
        from.saturating_sub(ahead).ok()
    }
}

fn monday_of(date: Date) -> Date {
    let back = i64::from(date.weekday().to_monday_zero_offset());
    date.saturating_sub(jiff::SignedDuration::from_hours(24 * back))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date, time};

    fn plan(recurrence: Recurrence, first: Date) -> Plan {
        let texts = Texts { sv: "x".into(), en: None };
        Plan {
            title: texts.clone(),
            audience: Audience::Staff,
            affected: vec![],
            body: texts,
            recurrence,
            first,
            last: None,
            count: None,
            from: time(22, 0, 0, 0),
            until: time(2, 0, 0, 0),
            exceptions: BTreeSet::new(),
            emergency_reason: None,
            starts_by_itself: true,
            ends_by_itself: true,
            tell_transitions: true,
        }
    }

    #[test]
    fn every_other_tuesday_and_thursday_is_counted_from_the_first_week() {
        let weekly = Recurrence::Weekly { every: 2, days: [Day::Tuesday, Day::Thursday].into() };
        let plan = Plan { count: Some(4), ..plan(weekly, date(2026, 11, 25)) };
        let dates: Vec<_> = plan.dates().collect();
        assert_eq!(dates, [date(2026, 11, 26), date(2026, 12, 8), date(2026, 12, 10), date(2026, 12, 22)]);
    }

    #[test]
    fn the_last_sunday_of_the_month_keeps_its_local_hours_on_both_sides_of_the_changes() {
        let monthly = Recurrence::Monthly { nth: -1, day: Day::Sunday };
        let plan = Plan { from: time(1, 0, 0, 0), until: time(5, 0, 0, 0), ..plan(monthly, date(2026, 9, 1)) };
        let windows: Vec<_> = plan.dates().take(2).map(|date| plan.window(date).unwrap()).collect();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(windows[0], (at("2026-09-26T23:00:00Z"), at("2026-09-27T03:00:00Z")));
        // The night of 25 October has five hours between one and five.
        assert_eq!(windows[1], (at("2026-10-24T23:00:00Z"), at("2026-10-25T04:00:00Z")));
        let spring = plan.window(date(2027, 3, 28)).unwrap();
        assert_eq!(spring, (at("2027-03-28T00:00:00Z"), at("2027-03-28T03:00:00Z")));
        let short = Plan { from: time(2, 0, 0, 0), until: time(3, 0, 0, 0), ..plan };
        assert_eq!(short.window(date(2027, 3, 28)).unwrap(), (at("2027-03-28T01:00:00Z"), at("2027-03-28T02:00:00Z")));
    }

    #[test]
    fn dates_left_out_count_and_a_series_goes_on_after_the_last_scheduled() {
        let weekly = Recurrence::Weekly { every: 1, days: [Day::Monday].into() };
        let exceptions = [date(2026, 11, 30)].into();
        let plan = Plan { count: Some(3), exceptions, ..plan(weekly, date(2026, 11, 23)) };
        let mut series = Series { id: Uuid::nil(), plan, scheduled_to: None, ended: false, revision: 1 };
        assert_eq!(series.next(), Some(date(2026, 11, 23)));
        series.scheduled_to = Some(date(2026, 11, 23));
        assert_eq!(series.next(), Some(date(2026, 12, 7)));
        assert_eq!(series.due(35), Some("2026-11-02T21:00:00Z".parse().unwrap()));
        series.scheduled_to = Some(date(2026, 12, 7));
        assert_eq!((series.next(), series.due(35)), (None, None));
    }
}
