//! What may be done with an incident, and what it comes to. Total: every act on every state gives a next state or a
//! fault.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::act::{Correct, OpenIncident, UpdateIncident, Withdraw};
use super::component::ComponentStatus;
use super::event::{EventKind, Told};
use super::fault::{Fault, Rule};
use super::subject::{Affected, Impact, Incident, IncidentStatus, Origin, Update, bytes_of};
use super::words::{Check, Circumstances};

/// Updates of one subject.
pub const UPDATES_MAX: usize = 200;
/// Of these the last can only end it: nothing is stuck open because its record is full.
const UPDATES_FOR_ENDING: usize = 10;
/// Text of one subject: it stands in every event, and a change to the store is bounded.
const SUBJECT_BYTES_MAX: usize = 512 << 10;
/// An incident that began longer ago is a slip of the pen.
const BEGAN_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);
/// A mail about what goes on is stale after this, one about an end after twice as long.
const DAY: SignedDuration = SignedDuration::from_hours(24);
const TWO_DAYS: SignedDuration = SignedDuration::from_hours(48);

impl Incident {
    pub fn open(id: Uuid, act: &OpenIncident, at: &Circumstances) -> Result<(Incident, Told), Fault> {
        let now = at.now;
        let started_at = act.started_at.unwrap_or(now);
        let mut check = Check::default();
        check.title("/title", &act.title);
        check.body("/body", &act.body);
        check.affected(&act.affected, &[], act.audience, false, at.components);
        check.that(act.status != IncidentStatus::Resolved, "/status", Rule::OpenedResolved);
        if act.impact_override != Some(Impact::None) {
            for (n, one) in act.affected.iter().enumerate() {
                let hurts = one.status != ComponentStatus::Operational;
                check.that(hurts, &format!("/affected/{n}"), Rule::OpenedWorking);
            }
        }
        check.that(started_at <= now, "/startedAt", Rule::BeganInTheFuture);
        check.that(now.duration_since(started_at) <= BEGAN_MAX, "/startedAt", Rule::BeganLongAgo);
        check.ahead("/expectedEnd", act.expected_end, now);
        check.promise("/nextUpdateBy", act.next_update_by, now);
        check.reference("/reference", act.reference.as_deref());
        if let Some(workaround) = &act.workaround {
            check.body("/workaround", workaround);
        }
        check.finish()?;
        let mut incident = Incident {
            id,
            title: act.title.clone(),
            audience: act.audience,
            status: act.status,
            impact_override: act.impact_override,
            affected: act.affected.clone(),
            started_at,
            published_at: now,
            resolved_at: None,
            withdrawn_at: None,
            expected_end: act.expected_end,
            next_update_by: act.next_update_by,
            lateness_alarmed: false,
            origin: act.origin.clone(),
            reference: act.reference.clone(),
            workaround: act.workaround.clone(),
            revision: 0,
            updates: Vec::new(),
        };
        let told = incident.write(&act.body, act.notify, None, EventKind::Opened, at);
        Ok((incident, told))
    }

    pub fn update(&self, act: &UpdateIncident, at: &Circumstances) -> Result<(Incident, Told), Fault> {
        self.check_open(act.seen)?;
        let ends = act.status == IncidentStatus::Resolved;
        check_room(self.updates.len(), bytes_of(&self.updates), ends)?;
        if !at.is_person && matches!(self.origin, Origin::Probe { taken_over: true, .. }) {
            return Err(Fault::TakenOver);
        }
        let mut check = Check::default();
        check.body("/body", &act.body);
        if let Some(title) = &act.title {
            check.title("/title", title);
        }
        if let Some(affected) = &act.affected {
            check.affected(affected, &self.affected, self.audience, false, at.components);
        }
        check.ahead("/expectedEnd", act.expected_end, at.now);
        check.promise("/nextUpdateBy", act.next_update_by, at.now);
        if let Some(workaround) = &act.workaround {
            check.optional_body("/workaround", workaround);
        }
        check.finish()?;
        let mut next = self.clone();
        next.status = act.status;
        next.title = act.title.clone().unwrap_or(next.title);
        next.affected = act.affected.clone().unwrap_or(next.affected);
        next.impact_override = act.impact_override.or(next.impact_override);
        next.expected_end = act.expected_end.or(next.expected_end);
        next.next_update_by = act.next_update_by;
        next.lateness_alarmed = false;
        next.workaround = act.workaround.clone().or(next.workaround).filter(|texts| !texts.sv.is_empty());
        if let Origin::Probe { taken_over, .. } = &mut next.origin {
            *taken_over |= at.is_person;
        }
        let kind = if ends {
            next.end(at.now);
            next.resolved_at = Some(at.now);
            EventKind::Resolved
        } else {
            EventKind::Updated
        };
        let told = next.write(&act.body, act.notify, None, kind, at);
        Ok((next, told))
    }

    /// A new row that replaces the text of an older one, also when it is over.
    pub fn correct(&self, act: &Correct, at: &Circumstances) -> Result<(Incident, Told), Fault> {
        if self.withdrawn_at.is_some() {
            return Err(Fault::Over { status: "withdrawn" });
        }
        let corrects = original(&self.updates, act.number)?;
        check_room(self.updates.len(), bytes_of(&self.updates), self.is_over())?;
        let mut check = Check::default();
        check.body("/body", &act.body);
        check.finish()?;
        let mut next = self.clone();
        let told = next.write(&act.body, act.notify, Some(corrects), EventKind::Corrected, at);
        Ok((next, told))
    }

    pub fn withdraw(&self, act: &Withdraw, at: &Circumstances) -> Result<(Incident, Told), Fault> {
        self.check_open(act.seen)?;
        check_room(self.updates.len(), bytes_of(&self.updates), true)?;
        let mut check = Check::default();
        check.body("/body", &act.body);
        check.finish()?;
        let mut next = self.clone();
        next.end(at.now);
        next.withdrawn_at = Some(at.now);
        let told = next.write(&act.body, true, None, EventKind::Withdrawn, at);
        Ok((next, told))
    }

    /// When the clock has something to do with it: the promised update is late then.
    pub fn due(&self) -> Option<Timestamp> {
        self.next_update_by.filter(|_| !self.is_over() && !self.lateness_alarmed)
    }

    /// Whether an update that was promised has not come.
    pub fn is_late(&self, now: Timestamp) -> bool {
        !self.is_over() && self.next_update_by.is_some_and(|by| by <= now)
    }

    /// Nothing of it hurts any more. The components stay named.
    fn end(&mut self, now: Timestamp) {
        let operational = |a: &Affected| Affected { component: a.component, status: ComponentStatus::Operational };
        self.affected = self.affected.iter().map(operational).collect();
        self.expected_end = self.expected_end.map(|at| at.min(now));
        self.next_update_by = None;
    }

    fn check_open(&self, seen: Option<u32>) -> Result<(), Fault> {
        if self.withdrawn_at.is_some() {
            return Err(Fault::Over { status: "withdrawn" });
        }
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
        body: &crate::domain::clinic::Texts,
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
        let lasts = if kind.is_closing() { TWO_DAYS } else { DAY };
        Told { kind, update: Some(number), notify, not_after: at.now.saturating_add(lasts).unwrap_or(Timestamp::MAX) }
    }
}

pub(super) fn next_number(updates: usize) -> u32 {
    u32::try_from(updates).unwrap_or(u32::MAX).saturating_add(1)
}

/// The update whose text a correction replaces: of a corrected correction, the one that both are about.
pub(super) fn original<S>(updates: &[Update<S>], number: u32) -> Result<u32, Fault> {
    let update = updates.iter().find(|update| update.number == number).ok_or(Fault::UnknownUpdate)?;
    Ok(update.corrects.unwrap_or(number))
}

pub(super) fn check_room(updates: usize, bytes: usize, ends: bool) -> Result<(), Fault> {
    let kept = if ends { 0 } else { UPDATES_FOR_ENDING };
    if updates < UPDATES_MAX - kept && (ends || bytes < SUBJECT_BYTES_MAX) { Ok(()) } else { Err(Fault::Full) }
}
