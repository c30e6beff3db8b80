//! What may be done with a maintenance, by people and by the clock, and what it comes to. Total, as for incidents.
//!
//! When it is mailed: at once if it begins within seven days, otherwise when seven days remain (the page has it at
//! once in any case); again a day and an hour before. Once mailed, every change and its cancellation are; before
//! that, a change is for the page, and the later mail tells the times as they are then.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::act::{ChangeMaintenance, Correct, ScheduleMaintenance, UpdateMaintenance, Withdraw};
use super::event::{EventKind, Told};
use super::fault::{Fault, Rule};
use super::incident::{check_room, next_number, original};
use super::subject::{Maintenance, MaintenanceStatus, Reminder, Update, bytes_of};
use super::words::{Check, Circumstances};
use crate::domain::clinic::Texts;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// A longer window is a slip of the pen, or several.
const WINDOW_MAX: SignedDuration = SignedDuration::from_hours(31 * 24);
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(2 * 366 * 24);

impl Maintenance {
    pub fn schedule(id: Uuid, act: &ScheduleMaintenance, at: &Circumstances) -> Result<(Maintenance, Told), Fault> {
        let mut check = Check::default();
        check.title("/title", &act.title);
        check.body("/body", &act.body);
        check.affected(&act.affected, &[], act.audience, true, at.components);
        check.that(act.scheduled_for > at.now, "/scheduledFor", Rule::WindowInThePast);
        check_window(&mut check, act.scheduled_for, act.scheduled_until, at.now);
        check_notice(&mut check, act.scheduled_for, act.emergency_reason.as_ref(), at);
        check.finish()?;
        let reminded = Reminder::ALL.into_iter().filter(|r| moment(act.scheduled_for, *r) <= at.now).collect();
        let mut maintenance = Maintenance {
            id,
            title: act.title.clone(),
            audience: act.audience,
            status: MaintenanceStatus::Scheduled,
            affected: act.affected.clone(),
            scheduled_for: act.scheduled_for,
            scheduled_until: act.scheduled_until,
            published_at: at.now,
            started_at: None,
            ended_at: None,
            starts_by_itself: act.starts_by_itself,
            ends_by_itself: act.ends_by_itself,
            overrun_told: false,
            emergency_reason: act.emergency_reason.clone(),
            reminded,
            tell_transitions: act.tell_transitions,
            series: act.series,
            revision: 0,
            updates: Vec::new(),
        };
        let soon = maintenance.is_announced();
        let told = maintenance.write(&act.body, soon, None, EventKind::Scheduled, at);
        Ok((maintenance, told))
    }

    /// Other times, another title, other components.
    pub fn change(&self, act: &ChangeMaintenance, at: &Circumstances) -> Result<(Maintenance, Told), Fault> {
        self.check_open(act.seen)?;
        check_room(self.updates.len(), bytes_of(&self.updates), false)?;
        let (from, until) =
            (act.scheduled_for.unwrap_or(self.scheduled_for), act.scheduled_until.unwrap_or(self.scheduled_until));
        let moved = from != self.scheduled_for;
        let mut check = Check::default();
        check.body("/body", &act.body);
        if let Some(title) = &act.title {
            check.title("/title", title);
        }
        if let Some(affected) = &act.affected {
            check.affected(affected, &self.affected, self.audience, true, at.components);
        }
        check.that(!moved || self.status == MaintenanceStatus::Scheduled, "/scheduledFor", Rule::AlreadyBegun);
        check.that(!moved || from > at.now, "/scheduledFor", Rule::WindowInThePast);
        check_window(&mut check, from, until, at.now);
        // Who is given less time than was announced is owed a reason; who is given more is not.
        if from < self.scheduled_for {
            check_notice(&mut check, from, act.emergency_reason.as_ref(), at);
        }
        check.finish()?;
        let mut next = self.clone();
        next.title = act.title.clone().unwrap_or(next.title);
        next.affected = act.affected.clone().unwrap_or(next.affected);
        next.emergency_reason = act.emergency_reason.clone().or(next.emergency_reason);
        next.overrun_told &= until <= at.now;
        let before = self.window();
        (next.scheduled_for, next.scheduled_until) = (from, until);
        if moved {
            next.reminded = Reminder::ALL.into_iter().filter(|r| moment(from, *r) <= at.now).collect();
        }
        // Whoever has not been told of it yet is told of it, not of its change.
        let was_announced = self.is_announced();
        let kind = if !was_announced && next.is_announced() { EventKind::Scheduled } else { EventKind::Rescheduled };
        let notify = was_announced || next.is_announced();
        let told = next.write(&act.body, notify, None, kind, at);
        let is_moved = next.window() != before;
        if let Some(update) = next.updates.last_mut().filter(|_| is_moved) {
            update.moved_from = Some(before);
        }
        Ok((next, told))
    }

    /// When subscribers hear of it for the first time; none where they have, or will not any more.
    pub fn first_mail_at(&self) -> Option<Timestamp> {
        let waits = self.status == MaintenanceStatus::Scheduled && !self.is_announced();
        waits.then(|| moment(self.scheduled_for, Reminder::SevenDays))
    }

    /// Begins, verifies, completes, or just says something.
    pub fn update(&self, act: &UpdateMaintenance, at: &Circumstances) -> Result<(Maintenance, Told), Fault> {
        use MaintenanceStatus::{Completed, InProgress, Scheduled, Verifying};
        self.check_open(act.seen)?;
        let ends = act.status == Completed;
        check_room(self.updates.len(), bytes_of(&self.updates), ends)?;
        let kind = match (self.status, act.status) {
            (Scheduled, InProgress) => EventKind::Started,
            (InProgress | Verifying, Completed) => EventKind::Completed,
            (Scheduled, Scheduled) | (InProgress | Verifying, InProgress | Verifying) => EventKind::Updated,
            (from, to) => return Err(Fault::WrongStep { from: from.as_str(), to: to.as_str() }),
        };
        let mut check = Check::default();
        check.body("/body", &act.body);
        check.finish()?;
        let mut next = self.clone();
        let notify = act.notify && (kind != EventKind::Updated || self.is_announced());
        next.status = act.status;
        match kind {
            EventKind::Started => next.begin(at.now),
            EventKind::Completed => next.ended_at = Some(at.now),
            _ => {}
        }
        let told = next.write(&act.body, notify, None, kind, at);
        Ok((next, told))
    }

    pub fn correct(&self, act: &Correct, at: &Circumstances) -> Result<(Maintenance, Told), Fault> {
        let corrects = original(&self.updates, act.number)?;
        check_room(self.updates.len(), bytes_of(&self.updates), self.is_over())?;
        let mut check = Check::default();
        check.body("/body", &act.body);
        check.finish()?;
        let mut next = self.clone();
        let notify = act.notify && self.is_announced();
        let told = next.write(&act.body, notify, Some(corrects), EventKind::Corrected, at);
        Ok((next, told))
    }

    pub fn cancel(&self, act: &Withdraw, at: &Circumstances) -> Result<(Maintenance, Told), Fault> {
        self.check_open(act.seen)?;
        check_room(self.updates.len(), bytes_of(&self.updates), true)?;
        let mut check = Check::default();
        check.body("/body", &act.body);
        check.finish()?;
        let mut next = self.clone();
        next.status = MaintenanceStatus::Cancelled;
        next.ended_at = Some(at.now);
        let told = next.write(&act.body, self.is_announced(), None, EventKind::Cancelled, at);
        Ok((next, told))
    }

    /// When the clock has something to do with it.
    pub fn due(&self) -> Option<Timestamp> {
        match self.status {
            MaintenanceStatus::Scheduled => {
                let waiting = Reminder::ALL.into_iter().filter(|r| !self.reminded.contains(r));
                let reminder = waiting.map(|r| moment(self.scheduled_for, r)).min();
                let turn = if self.starts_by_itself {
                    Some(self.scheduled_for)
                } else {
                    Some(self.scheduled_until).filter(|_| !self.overrun_told)
                };
                reminder.into_iter().chain(turn).min()
            }
            MaintenanceStatus::InProgress | MaintenanceStatus::Verifying => {
                Some(self.scheduled_until).filter(|_| self.ends_by_itself || !self.overrun_told)
            }
            MaintenanceStatus::Completed | MaintenanceStatus::Cancelled => None,
        }
    }

    /// The next thing that the clock does when it is due; nothing told where it only makes a note. A clock that was
    /// away begins and ends at the times that were announced, and tells no reminder that a later one has overtaken.
    pub fn tick(&self, at: &Circumstances) -> Option<(Maintenance, Option<Told>)> {
        self.due().filter(|due| *due <= at.now)?;
        let mut next = self.clone();
        let told = match self.status {
            MaintenanceStatus::Scheduled if self.scheduled_for > at.now => {
                let due = Reminder::ALL.into_iter().filter(|r| moment(self.scheduled_for, *r) <= at.now);
                next.reminded.extend(due);
                let last = next.reminded.iter().next_back().copied()?;
                // Whoever has not been told of it yet is told of it, not reminded.
                Some(if self.is_announced() {
                    let kind = EventKind::Reminder(last);
                    Told { kind, update: None, notify: true, not_after: self.scheduled_for }
                } else {
                    let (kind, update) = (EventKind::Scheduled, self.updates.last().map(|update| update.number));
                    Told { kind, update, notify: true, not_after: self.not_after(kind, at.now) }
                })
            }
            MaintenanceStatus::Scheduled if self.starts_by_itself => {
                let notify = self.tell_transitions || !self.is_announced();
                next.status = MaintenanceStatus::InProgress;
                next.begin(self.scheduled_for);
                Some(next.write(
                    &texts("Arbetet har påbörjats.", "The work has begun."),
                    notify,
                    None,
                    EventKind::Started,
                    at,
                ))
            }
            MaintenanceStatus::Scheduled => {
                next.reminded.extend(Reminder::ALL);
                next.overrun_told = self.scheduled_until <= at.now;
                None
            }
            _ if self.ends_by_itself => {
                next.status = MaintenanceStatus::Completed;
                next.ended_at = Some(self.scheduled_until);
                let body = texts("Arbetet är klart.", "The work is done.");
                Some(next.write(&body, self.tell_transitions, None, EventKind::Completed, at))
            }
            _ => {
                next.overrun_told = true;
                next.revision = next.revision.saturating_add(1);
                let not_after = at.now.saturating_add(DAY).unwrap_or(Timestamp::MAX);
                Some(Told { kind: EventKind::Overrun, update: None, notify: true, not_after })
            }
        };
        Some((next, told))
    }

    /// It was to begin or end, nobody has said that it has, and the clock may not.
    pub fn is_overrun(&self, now: Timestamp) -> bool {
        !self.is_over() && self.scheduled_until <= now
    }

    fn begin(&mut self, at: Timestamp) {
        self.started_at = Some(at);
        self.reminded.extend(Reminder::ALL);
        self.overrun_told = false;
    }

    fn check_open(&self, seen: Option<u32>) -> Result<(), Fault> {
        if self.is_over() {
            return Err(Fault::Over { status: self.status.as_str() });
        }
        match seen {
            Some(seen) if seen != self.revision => Err(Fault::Stale { current: self.revision }),
            _ => Ok(()),
        }
    }

    fn write(
        &mut self,
        body: &Texts,
        notify: bool,
        corrects: Option<u32>,
        kind: EventKind,
        at: &Circumstances,
    ) -> Told {
        let number = next_number(self.updates.len());
        self.updates.push(Update {
            number,
            status: self.status,
            body: body.clone(),
            at: at.now,
            by: at.by.to_owned(),
            notify,
            corrects,
            affected: self.affected.clone(),
            moved_from: None,
        });
        self.revision = self.revision.saturating_add(1);
        Told { kind, update: Some(number), notify, not_after: self.not_after(kind, at.now) }
    }

    /// What is announced is news until the window is over; what has happened for a day or two.
    fn not_after(&self, kind: EventKind, now: Timestamp) -> Timestamp {
        let later = |from: Timestamp, by: SignedDuration| from.saturating_add(by).unwrap_or(Timestamp::MAX);
        match kind {
            EventKind::Scheduled => self.scheduled_until,
            EventKind::Started => later(self.started_at.unwrap_or(now), HOUR).max(self.scheduled_until),
            EventKind::Completed => later(now, DAY + DAY),
            EventKind::Cancelled => later(now, DAY + DAY).max(self.scheduled_until),
            _ => later(now, DAY).max(self.scheduled_until),
        }
    }
}

fn moment(scheduled_for: Timestamp, reminder: Reminder) -> Timestamp {
    scheduled_for.saturating_sub(reminder.ahead()).unwrap_or(Timestamp::MIN)
}

fn check_window(check: &mut Check, from: Timestamp, until: Timestamp, now: Timestamp) {
    check.that(until > from, "/scheduledUntil", Rule::WindowBackwards);
    check.that(until > now, "/scheduledUntil", Rule::NotAhead);
    check.that(until.duration_since(from) <= WINDOW_MAX, "/scheduledUntil", Rule::WindowTooLong);
    check.that(from.duration_since(now) <= AHEAD_MAX, "/scheduledFor", Rule::WindowTooFar);
}

/// A window is asked for a number of days ahead, or the emergency is explained.
fn check_notice(check: &mut Check, from: Timestamp, reason: Option<&Texts>, at: &Circumstances) {
    if let Some(reason) = reason {
        check.body("/emergencyReason", reason);
    }
    let days = at.minimum_notice_days;
    let ahead = from.duration_since(at.now) >= SignedDuration::from_hours(i64::from(days) * 24);
    check.that(ahead || reason.is_some() || !at.is_person, "/emergencyReason", Rule::NoticeTooShort { days });
}

fn texts(sv: &str, en: &str) -> Texts {
    Texts { sv: sv.into(), en: Some(en.into()) }
}
