//! Whatever is done in whatever order, by people and by the clock, these hold.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::Audience;
use super::act::{
    Act, ChangeMaintenance, Correct, OpenIncident, ScheduleMaintenance, UpdateIncident, UpdateMaintenance, Withdraw,
};
use super::component::{Component, ComponentStatus};
use super::event::{Event, EventKind, Told};
use super::fault::Fault;
use super::incident::UPDATES_MAX;
use super::subject::{Affected, IncidentStatus, MaintenanceStatus, Origin, Reminder, Subject};
use super::words::Circumstances;
use crate::domain::clinic::Texts;

const ID: Uuid = Uuid::from_u128(1);

fn start() -> Timestamp {
    "2026-11-22T08:00:00Z".parse().unwrap()
}

fn texts() -> Texts {
    Texts { sv: "Text".into(), en: None }
}

fn components() -> Vec<Component> {
    let one = |n: u128| Component {
        id: Uuid::from_u128(n),
        slug: format!("c{n}"),
        name: texts(),
        description: Texts::default(),
        group: None,
        position: 0,
        audience: Audience::Public,
        external: false,
        archived: false,
    };
    (0..3).map(one).collect()
}

fn affected(n: u128) -> Vec<Affected> {
    vec![Affected { component: Uuid::from_u128(n % 3), status: ComponentStatus::PartialOutage }]
}

/// One thing that somebody does after a while, or a look at the clock.
#[derive(Debug, Clone)]
enum Step {
    Update(u8, u128),
    Correct(u32),
    Withdraw,
    Move(i64),
    Look,
}

fn step() -> impl Strategy<Value = (i64, Step)> {
    let step = prop_oneof![
        (0..4_u8, 0..3_u128).prop_map(|(status, n)| Step::Update(status, n)),
        (0..6_u32).prop_map(Step::Correct),
        Just(Step::Withdraw),
        (1..30_i64 * 24).prop_map(Step::Move),
        Just(Step::Look),
        Just(Step::Look),
    ];
    (0..100_i64, step)
}

struct World {
    now: Timestamp,
    components: Vec<Component>,
    subject: Subject,
    told: Vec<Event>,
}

impl World {
    fn begin(act: &Act) -> World {
        let (now, components) = (start(), components());
        let at =
            Circumstances { now, by: "operator x", is_person: true, components: &components, minimum_notice_days: 0 };
        let (subject, told) = act.apply(None, ID, &at).unwrap();
        let told = vec![Event::new(told, subject.clone(), &at)];
        World { now, components, subject, told }
    }

    fn at(&self) -> Circumstances<'_> {
        let (now, components) = (self.now, self.components.as_slice());
        Circumstances { now, by: "operator x", is_person: true, components, minimum_notice_days: 0 }
    }

    fn act(&mut self, act: &Act) -> Result<(), Fault> {
        let (subject, told) = act.apply(Some(&self.subject), ID, &self.at())?;
        self.take(subject, Some(told));
        Ok(())
    }

    /// The clock, as often as it has something to do.
    fn look(&mut self) {
        for _ in 0..20 {
            let Subject::Maintenance(maintenance) = &self.subject else { return };
            let Some((next, told)) = maintenance.tick(&self.at()) else { return };
            self.take(Subject::Maintenance(next), told);
        }
        panic!("the clock does not come to an end: {:?}", self.subject);
    }

    fn take(&mut self, after: Subject, told: Option<Told>) {
        self.hold_true_of(&after);
        if let Some(told) = told {
            let event = Event::new(told, after.clone(), &self.at());
            let names = event.components.iter().map(|c| c.id).collect::<Vec<_>>();
            let before = self.subject.ever_affected();
            assert!(before.iter().all(|id| names.contains(id)), "who follows what was affected is not told");
            assert!(!event.notify || event.not_after > event.at);
            self.told.push(event);
        }
        self.subject = after;
    }

    fn hold_true_of(&self, after: &Subject) {
        let before = &self.subject;
        assert!(after.revision() >= before.revision());
        let times: Vec<Timestamp> = match after {
            Subject::Incident(incident) => incident.updates.iter().map(|u| u.at).collect(),
            Subject::Maintenance(maintenance) => maintenance.updates.iter().map(|u| u.at).collect(),
        };
        assert!(times.is_sorted() && times.len() <= UPDATES_MAX);
        assert_eq!(after.is_over(), after.ended_at().is_some());
        assert!(after.due().is_none() || !after.is_over(), "what is over is not the clock's");
        if before.is_over() {
            assert!(after.is_over() && after.ended_at() == before.ended_at(), "what is over stays over");
        }
        if let (Subject::Incident(_), true) = (after, after.is_over()) {
            assert!(after.affected().iter().all(|a| a.status == ComponentStatus::Operational));
        }
    }
}

fn opened() -> Act {
    Act::OpenIncident(Box::new(OpenIncident {
        title: texts(),
        audience: Audience::Public,
        status: IncidentStatus::Investigating,
        affected: affected(0),
        body: texts(),
        started_at: None,
        impact_override: None,
        expected_end: None,
        next_update_by: None,
        reference: None,
        workaround: None,
        origin: Origin::Person,
        notify: true,
    }))
}

fn updated(status: IncidentStatus, n: u128) -> Act {
    Act::UpdateIncident(Box::new(UpdateIncident {
        id: ID,
        seen: None,
        status,
        body: texts(),
        title: None,
        affected: Some(affected(n)),
        impact_override: None,
        expected_end: None,
        next_update_by: None,
        workaround: None,
        notify: true,
    }))
}

fn scheduled(hours_ahead: i64, starts_by_itself: bool, ends_by_itself: bool) -> Act {
    let scheduled_for = start() + SignedDuration::from_hours(hours_ahead);
    Act::ScheduleMaintenance(Box::new(ScheduleMaintenance {
        title: texts(),
        audience: Audience::Public,
        affected: affected(0),
        body: texts(),
        scheduled_for,
        scheduled_until: scheduled_for + SignedDuration::from_hours(4),
        emergency_reason: None,
        starts_by_itself,
        ends_by_itself,
        tell_transitions: true,
        series: None,
    }))
}

fn moved(now: Timestamp, hours: i64) -> Act {
    let from = now + SignedDuration::from_hours(hours);
    Act::ChangeMaintenance(Box::new(ChangeMaintenance {
        id: ID,
        seen: None,
        body: texts(),
        title: None,
        affected: None,
        scheduled_for: Some(from),
        scheduled_until: Some(from + SignedDuration::from_hours(4)),
        emergency_reason: None,
    }))
}

proptest! {
    #[test]
    fn an_incident_keeps_its_order_and_ends_once(steps in prop::collection::vec(step(), 0..30)) {
        use IncidentStatus::{Identified, Investigating, Monitoring, Resolved};
        let mut world = World::begin(&opened());
        for (hours, step) in steps {
            world.now += SignedDuration::from_hours(hours);
            let over = world.subject.is_over();
            let act = match step {
                Step::Update(status, n) => {
                    updated([Investigating, Identified, Monitoring, Resolved][usize::from(status)], n)
                }
                Step::Correct(number) => Act::CorrectIncident(Correct { id: ID, number, body: texts(), notify: true }),
                Step::Withdraw => Act::WithdrawIncident(Withdraw { id: ID, seen: None, body: texts() }),
                Step::Move(_) | Step::Look => continue,
            };
            let done = world.act(&act);
            if over && !matches!(act, Act::CorrectIncident(_)) {
                prop_assert!(matches!(done, Err(Fault::Over { .. })), "{done:?}");
            }
        }
        let endings = world.told.iter().filter(|event| event.kind.is_closing()).count();
        prop_assert_eq!(endings, usize::from(world.subject.is_over()));
    }

    #[test]
    fn a_window_is_told_in_order_by_people_and_clock(
        ahead in 1..30_i64 * 24,
        by_itself in any::<(bool, bool)>(),
        steps in prop::collection::vec(step(), 0..30),
    ) {
        use MaintenanceStatus::{Completed, InProgress, Scheduled, Verifying};
        let mut world = World::begin(&scheduled(ahead, by_itself.0, by_itself.1));
        for (hours, step) in steps {
            world.now += SignedDuration::from_hours(hours);
            world.look();
            let act = match step {
                Step::Update(status, _) => Act::UpdateMaintenance(Box::new(UpdateMaintenance {
                    id: ID,
                    seen: None,
                    status: [Scheduled, InProgress, Verifying, Completed][usize::from(status)],
                    body: texts(),
                    notify: true,
                })),
                Step::Correct(number) => Act::CorrectMaintenance(Correct { id: ID, number, body: texts(), notify: true }),
                Step::Withdraw => Act::CancelMaintenance(Withdraw { id: ID, seen: None, body: texts() }),
                Step::Move(hours) => moved(world.now, hours),
                Step::Look => continue,
            };
            let over = world.subject.is_over();
            if world.act(&act).is_ok() {
                prop_assert!(!over || matches!(act, Act::CorrectMaintenance(_)));
            }
        }
        let kinds: Vec<EventKind> = world.told.iter().map(|event| event.kind).collect();
        let count = |kind: EventKind| kinds.iter().filter(|k| **k == kind).count();
        prop_assert!(count(EventKind::Started) <= 1);
        prop_assert_eq!(kinds.iter().filter(|k| k.is_closing()).count(), usize::from(world.subject.is_over()));
        // A reminder comes again only after the window has been moved.
        for reminder in Reminder::ALL {
            prop_assert!(count(EventKind::Reminder(reminder)) <= 1 + count(EventKind::Rescheduled) + count(EventKind::Scheduled));
        }
        // Whoever was mailed that it was planned is mailed that it is off.
        let Subject::Maintenance(window) = &world.subject else { unreachable!() };
        let mailed = world.told.iter().any(|e| e.notify && !e.kind.is_closing());
        if mailed && window.status == MaintenanceStatus::Cancelled {
            prop_assert!(world.told.iter().any(|e| e.kind == EventKind::Cancelled && e.notify));
        }
    }
}

#[test]
fn a_full_incident_can_still_be_resolved() {
    let mut world = World::begin(&opened());
    while world.act(&updated(IncidentStatus::Monitoring, 1)).is_ok() {}
    assert_eq!(world.act(&updated(IncidentStatus::Monitoring, 1)), Err(Fault::Full));
    world.act(&updated(IncidentStatus::Resolved, 1)).unwrap();
    assert!(world.subject.is_over());
}
