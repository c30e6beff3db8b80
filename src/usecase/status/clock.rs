//! What time demands of what is told, in time's order, each thing a commit of its own: held acts are published,
//! maintenances are reminded of, begun, ended or told to overrun, broken promises are alarmed, series are scheduled.

use std::collections::HashSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::author::Author;
use super::board::write_subject;
use super::publish::Composed;
use crate::domain::status::event::Event;
use crate::domain::status::subject::{Incident, Maintenance, MaintenanceStatus, Subject};
use crate::domain::status::words::Circumstances;
use crate::store::{Change, Range, key};
use crate::usecase::catalog::At;
use crate::usecase::{Gateway, Refusal};

/// Things done in one go; more wait for the next.
const ACTS_A_TICK: usize = 1_000;
/// Index keys looked at for the earliest, beyond those that have failed.
const LOOKED_AT: usize = 8;

/// What a look at the clock came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Things that were told or noted.
    pub done: usize,
    /// When there is something to do again, as far as is known.
    pub next_at: Option<Timestamp>,
}

impl Gateway {
    /// Does everything that is due. What cannot be done is logged and tried at the next call.
    pub async fn status_clock(&self) -> Result<Ticked, Refusal> {
        let mut ticked = Ticked::default();
        let mut passed: HashSet<Uuid> = HashSet::new();
        for _ in 0..ACTS_A_TICK {
            ticked.next_at = None;
            let Some((at, kind, id)) = self.next_due(&passed).await? else { break };
            if at > self.now() {
                ticked.next_at = Some(at);
                break;
            }
            ticked.next_at = Some(at);
            match self.do_due(kind, id).await {
                Ok(true) => ticked.done += 1,
                Ok(false) => {
                    passed.insert(id);
                }
                Err(error) => {
                    tracing::error!(event = "status.clock.failed", subject = %id, %error, "what was due could not be done");
                    passed.insert(id);
                }
            }
        }
        Ok(ticked)
    }

    /// The earliest thing due, ahead or behind, among those not passed over.
    async fn next_due(&self, passed: &HashSet<Uuid>) -> Result<Option<(Timestamp, key::Due, Uuid)>, Refusal> {
        let mut first: Option<(Timestamp, key::Due, Uuid)> = None;
        for kind in key::Due::ALL {
            let found = self.common.scan(Range::prefix(&key::all_status_due(kind)), LOOKED_AT + passed.len()).await?;
            let mut due = found.iter().filter_map(|(key, _)| key::timed_target(key));
            if let Some((at, id)) = due.find(|(_, id)| !passed.contains(id))
                && first.is_none_or(|(earliest, ..)| at < earliest)
            {
                first = Some((at, kind, id));
            }
        }
        Ok(first)
    }

    async fn do_due(&self, kind: key::Due, id: Uuid) -> Result<bool, Refusal> {
        match kind {
            key::Due::Pending => self.release(id).await,
            key::Due::Series => self.schedule_next(id).await,
            key::Due::Incident | key::Due::Maintenance => self.tick(id).await,
        }
    }

    async fn tick(&self, id: Uuid) -> Result<bool, Refusal> {
        let _one = self.desk.writing.lock().await;
        let Some(before) = self.find_subject(id).await? else { return Ok(false) };
        let (author, components, now) = (Author::Clock {}, self.all_components(), self.now());
        let at = self.circumstances(now, "clock", &author, &components);
        match &before.record {
            Subject::Incident(incident) if incident.is_late(now) && incident.due().is_some() => {
                tracing::warn!(
                    event = "status.update.late",
                    incident = %id,
                    promised = ?incident.next_update_by,
                    "the update that was promised has not come: write one with `budkavle incident update`"
                );
                let noted = Incident { lateness_alarmed: true, ..incident.clone() };
                let mut change = Change::new();
                self.alarm(&mut change, incident)?;
                self.note(change, &before, Subject::Incident(noted)).await?;
                Ok(true)
            }
            Subject::Incident(_) => Ok(false),
            Subject::Maintenance(maintenance) => self.tick_maintenance(&before, maintenance, &at, &author).await,
        }
    }

    async fn tick_maintenance(
        &self,
        before: &At<Subject>,
        maintenance: &Maintenance,
        at: &Circumstances<'_>,
        author: &Author,
    ) -> Result<bool, Refusal> {
        let Some((next, told)) = maintenance.tick(at) else { return Ok(false) };
        if let Some(told) = told {
            let event = Event::new(told, Subject::Maintenance(next), at);
            let composed = Composed { before: Some(before.clone()), event };
            self.commit_told(Change::new(), author, "maintenance-clock", composed).await?;
            return Ok(true);
        }
        if next.status == MaintenanceStatus::Scheduled && next.overrun_told {
            tracing::warn!(
                event = "status.maintenance.not-begun",
                maintenance = %next.id,
                "a planned window has passed and nobody has said that it began: start, change or cancel it"
            );
        }
        self.note(Change::new(), before, Subject::Maintenance(next)).await?;
        Ok(true)
    }

    /// Keeps what the clock has noted, with whatever the change holds already; no reader is told. The caller holds the
    /// desk.
    async fn note(&self, mut change: Change, before: &At<Subject>, after: Subject) -> Result<(), Refusal> {
        write_subject(&mut change, Some(before), &after);
        self.commit_common(change).await?;
        self.take_up(after, 0);
        Ok(())
    }
}
