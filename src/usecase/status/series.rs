//! Maintenances that come again. Each date becomes a maintenance of its own some weeks ahead, through the same rules
//! as one that a person schedules; one can then be moved or cancelled without its series. A date's maintenance has
//! its id from series and date, so that none is scheduled twice and a changed plan finds what it has announced.

use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::author::Author;
use super::board::get;
use super::publish::{Publication, uuid_of};
use crate::crypto::sha256;
use crate::domain::clinic::Texts;
use crate::domain::status::act::{Act, ChangeMaintenance, ScheduleMaintenance, Withdraw};
use crate::domain::status::event::Event;
use crate::domain::status::fault::Fault;
use crate::domain::status::recurrence::{Plan, Series};
use crate::domain::status::subject::{Maintenance, MaintenanceStatus, Window};
use crate::store::record::encode;
use crate::store::{Change, key};
use crate::usecase::catalog::{At, read_all};
use crate::usecase::fanout::Matching;
use crate::usecase::{Gateway, Refusal};

/// Series of a region.
const SERIES_MAX: usize = 200;

/// What a plan of windows that come again, or its end, would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesPreview {
    /// Would be scheduled now, as far as the region looks ahead, earliest first.
    pub planned: Vec<Window>,
    /// Of those scheduled before.
    pub changed: usize,
    pub cancelled: usize,
    /// The first of all these as it would be told; none where nothing is.
    pub event: Option<Event>,
    /// Who hears of that first one, now or when seven days remain.
    pub recipients: Matching,
}

impl Gateway {
    pub async fn all_series(&self) -> Result<Vec<Series>, Refusal> {
        let series = read_all::<Series>(&self.common, &key::all_series()).await?;
        Ok(series.into_iter().map(|(_, at)| at.record).collect())
    }

    pub async fn series(&self, id: Uuid) -> Result<Series, Refusal> {
        Ok(get::<Series>(&self.common, key::series(id)).await?.ok_or(Refusal::NotFound)?.record)
    }

    /// Keeps a plan; the clock schedules its dates at once as far as the region looks ahead.
    pub async fn begin_series(&self, author: &Author, plan: Plan, how: Publication) -> Result<Series, Refusal> {
        self.permit_telling(author)?;
        self.check_plan(author, &plan)?;
        let now = self.now();
        let id = how.id.map_or_else(|| self.new_id(now), Ok)?;
        let series = Series { id, plan, scheduled_to: None, ended: false, revision: 1 };
        {
            let _one = self.desk.writing.lock().await;
            if let Some(at) = get::<Series>(&self.common, key::series(id)).await? {
                return Ok(at.record);
            }
            if self.all_series().await?.len() >= SERIES_MAX {
                return Err(Refusal::TooMany);
            }
            let mut change = Change::new();
            self.write_series(&mut change, None, &series);
            self.log_in(&mut change, &author.line(&format!("series-begin {id}")), now)?;
            self.common.commit(change).await?;
        }
        self.desk.clock_moved.notify_one();
        Ok(series)
    }

    /// Another plan from now on. What has been scheduled by the old one and lies ahead is moved to the new times or
    /// cancelled, with `body` as the reason; what somebody has moved singly keeps its time.
    pub async fn change_series(
        &self,
        author: &Author,
        id: Uuid,
        plan: Plan,
        body: &Texts,
        seen: Option<u32>,
    ) -> Result<Series, Refusal> {
        self.permit_telling(author)?;
        self.check_plan(author, &plan)?;
        let (old, series) = self.rewrite_series(author, id, seen, "series-change", |series| series.plan = plan).await?;
        for act in self.consequences(&old, Some(&series.plan), body) {
            self.follow(author, &act).await?;
        }
        self.desk.clock_moved.notify_one();
        Ok(series)
    }

    /// No more dates; what has been scheduled and lies ahead is cancelled, with `body` as the reason.
    pub async fn end_series(&self, author: &Author, id: Uuid, body: &Texts) -> Result<Series, Refusal> {
        self.permit_telling(author)?;
        let (old, series) = self.rewrite_series(author, id, None, "series-end", |series| series.ended = true).await?;
        for act in self.consequences(&old, None, body) {
            self.follow(author, &act).await?;
        }
        Ok(series)
    }

    /// What a plan would come to, as a new series or instead of that of `id`; without a plan, what its end would.
    /// Nothing is changed.
    pub async fn preview_series(
        &self,
        author: &Author,
        id: Option<Uuid>,
        plan: Option<Plan>,
        body: &Texts,
    ) -> Result<SeriesPreview, Refusal> {
        self.permit_telling(author)?;
        if let Some(plan) = &plan {
            self.check_plan(author, plan)?;
        }
        let now = self.now();
        let old = match id {
            Some(id) => Some(self.series(id).await?),
            None => None,
        };
        if old.as_ref().is_some_and(|old| old.ended) {
            return Err(Fault::Over { status: "ended" }.into());
        }
        let acts = old.as_ref().map(|old| self.consequences(old, plan.as_ref(), body)).unwrap_or_default();
        let cancelled = acts.iter().filter(|act| matches!(act, Act::CancelMaintenance(_))).count();
        let scheduled_to = old.and_then(|old| old.scheduled_to);
        let new_id = self.new_id(now)?;
        let planned = plan.map(|plan| Series { id: new_id, plan, scheduled_to, ended: false, revision: 0 });
        let planned = planned.map(|series| self.planned(series, now)).unwrap_or_default();
        let event = match (acts.first(), planned.first()) {
            (Some(act), _) => Some(self.compose(author, act, new_id, now).await?.event),
            (None, Some(act)) => {
                let act = Act::ScheduleMaintenance(Box::new(act.clone()));
                Some(self.compose(&Author::Clock {}, &act, new_id, now).await?.event)
            }
            (None, None) => None,
        };
        let recipients = match &event {
            // As it will be when it is mailed.
            Some(event) if event.notify || event.first_mail_at().is_some() => {
                self.recipients_of(&Event { notify: true, ..event.clone() }).await?
            }
            _ => Matching::default(),
        };
        let windows = planned.iter().map(|act| Window { from: act.scheduled_for, until: act.scheduled_until });
        let (planned, changed) = (windows.collect(), acts.len() - cancelled);
        Ok(SeriesPreview { planned, changed, cancelled, event, recipients })
    }

    /// What the clock would schedule of a series now, earliest first.
    fn planned(&self, mut series: Series, now: Timestamp) -> Vec<ScheduleMaintenance> {
        let horizon = self.desk.settings.series_horizon_days;
        let mut out = Vec::new();
        while let Some(date) = series.next().filter(|_| series.due(horizon).is_some_and(|due| due <= now)) {
            out.extend(series.plan.act(series.id, date).filter(|act| act.scheduled_for > now));
            series.scheduled_to = Some(date);
        }
        out
    }

    /// What another plan, or none any more, demands of the windows that have been scheduled and lie ahead.
    fn consequences(&self, old: &Series, plan: Option<&Plan>, body: &Texts) -> Vec<Act> {
        let act = |(date, maintenance): (Date, Maintenance)| {
            let Some(plan) = plan.filter(|plan| plan.dates().any(|at| at == date)) else {
                return Act::CancelMaintenance(Withdraw { id: maintenance.id, seen: None, body: body.clone() });
            };
            let untouched = old.plan.window(date) == Some((maintenance.scheduled_for, maintenance.scheduled_until));
            let (from, until) = plan.window(date).filter(|_| untouched).unzip();
            Act::ChangeMaintenance(Box::new(ChangeMaintenance {
                id: maintenance.id,
                seen: None,
                body: body.clone(),
                title: Some(plan.title.clone()).filter(|title| *title != maintenance.title),
                affected: Some(plan.affected.clone()).filter(|affected| *affected != maintenance.affected),
                scheduled_for: from.filter(|from| *from != maintenance.scheduled_for),
                scheduled_until: until.filter(|until| *until != maintenance.scheduled_until),
                emergency_reason: plan.emergency_reason.clone(),
            }))
        };
        self.scheduled_of(old).into_iter().map(act).filter(|act| !is_idle(act)).collect()
    }

    /// Schedules the next date of a series that is due; a date that has passed is passed over.
    pub(super) async fn schedule_next(&self, id: Uuid) -> Result<bool, Refusal> {
        let _one = self.desk.writing.lock().await;
        let Some(at) = get::<Series>(&self.common, key::series(id)).await? else { return Ok(false) };
        let horizon = self.desk.settings.series_horizon_days;
        let now = self.now();
        let Some(date) = at.record.next().filter(|_| at.record.due(horizon).is_some_and(|due| due <= now)) else {
            return Ok(false);
        };
        let after = Series { scheduled_to: Some(date), ..at.record.clone() };
        let mut change = Change::new();
        self.write_series(&mut change, Some(&at), &after);
        let (author, maintenance) = (Author::Clock {}, occurrence(id, date));
        let act = at.record.plan.act(id, date).filter(|act| act.scheduled_for > now);
        let exists = self.find_subject(maintenance).await?.is_some();
        if let Some(act) = act.filter(|_| !exists) {
            let act = Act::ScheduleMaintenance(Box::new(act));
            match self.compose(&author, &act, maintenance, now).await {
                Ok(composed) => {
                    self.commit_told(change, &author, "series-schedule", composed).await?;
                    return Ok(true);
                }
                // The region has changed since the plan was checked: the other dates must not wait for this one.
                Err(Refusal::Told(fault)) => {
                    tracing::error!(event = "status.series.failed", series = %id, %date, %fault, "a date of a series was not scheduled");
                }
                Err(error) => return Err(error),
            }
        }
        self.common.commit(change).await?;
        Ok(true)
    }

    fn check_plan(&self, author: &Author, plan: &Plan) -> Result<(), Fault> {
        let (by, components) = (author.name(), self.all_components());
        plan.check(&self.circumstances(self.now(), &by, author, &components))
    }

    async fn rewrite_series(
        &self,
        author: &Author,
        id: Uuid,
        seen: Option<u32>,
        act: &str,
        rewrite: impl FnOnce(&mut Series),
    ) -> Result<(Series, Series), Refusal> {
        let _one = self.desk.writing.lock().await;
        let at = get::<Series>(&self.common, key::series(id)).await?.ok_or(Refusal::NotFound)?;
        if seen.is_some_and(|seen| seen != at.record.revision) {
            return Err(Fault::Stale { current: at.record.revision }.into());
        }
        if at.record.ended {
            return Err(Fault::Over { status: "ended" }.into());
        }
        let mut after = at.record.clone();
        rewrite(&mut after);
        after.revision = after.revision.saturating_add(1);
        let mut change = Change::new();
        self.write_series(&mut change, Some(&at), &after);
        self.log_in(&mut change, &author.line(&format!("{act} {id}")), self.now())?;
        self.common.commit(change).await?;
        Ok((at.record, after))
    }

    /// Carries a change of the plan out on one date. One that has begun meanwhile stays as it is.
    async fn follow(&self, author: &Author, act: &Act) -> Result<(), Refusal> {
        match self.publish_at_once(author, act).await {
            Ok(_) | Err(Refusal::Told(Fault::Over { .. })) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What lies ahead of a series, by the date that it was made for.
    fn scheduled_of(&self, series: &Series) -> Vec<(Date, Maintenance)> {
        let dates = series.plan.dates().take_while(|date| series.scheduled_to.is_some_and(|to| *date <= to));
        let board = self.board();
        let found = |date: Date| {
            let id = occurrence(series.id, date);
            let one = board.maintenances.iter().find(|m| m.id == id && m.status == MaintenanceStatus::Scheduled)?;
            Some((date, Maintenance::clone(one)))
        };
        dates.filter_map(found).collect()
    }

    fn write_series(&self, change: &mut Change, before: Option<&At<Series>>, after: &Series) {
        let horizon = self.desk.settings.series_horizon_days;
        let due = |series: &Series| series.due(horizon).map(|at| key::status_due(key::Due::Series, at, series.id));
        let old = before.and_then(|at| due(&at.record));
        let new = due(after);
        if old != new {
            old.into_iter().for_each(|key| change.unindex(key));
            new.into_iter().for_each(|key| change.index(key));
        }
        match before {
            Some(at) => change.replace(key::series(after.id), at.version, encode(after)),
            None => change.create(key::series(after.id), encode(after)),
        }
    }
}

/// The id of a date's maintenance.
fn occurrence(series: Uuid, date: Date) -> Uuid {
    uuid_of(&sha256(&[series.as_bytes(), date.to_string().as_bytes()]))
}

/// A change that changes nothing is not told.
fn is_idle(act: &Act) -> bool {
    matches!(act, Act::ChangeMaintenance(act) if act.title.is_none()
        && act.affected.is_none()
        && act.scheduled_for.is_none()
        && act.scheduled_until.is_none())
}
