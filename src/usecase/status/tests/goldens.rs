//! What is kept of what is told, held to golden files.

use jiff::civil::{date, time};

use super::*;
use crate::domain::status::component::{Component, Group};
use crate::domain::status::event::NamedComponent;
use crate::domain::status::recurrence::{Day, Plan, Recurrence, Series};
use crate::domain::status::subject::{Impact, Incident, MaintenanceStatus, Reminder, Update, Window};
use crate::store::record::{assert_golden, assert_lifted};
use crate::usecase::status::Pending;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn both() -> Texts {
    Texts { sv: "Svenska".into(), en: Some("English".into()) }
}

fn affected() -> Vec<Affected> {
    vec![Affected { component: id(1), status: ComponentStatus::DegradedPerformance }]
}

fn update<S>(status: S) -> Update<S> {
    let (body, at, by) = (both(), at("2026-11-22T08:00:00Z"), "operator root".to_owned());
    Update { number: 1, status, body, at, by, notify: true, corrects: Some(1), affected: affected(), moved_from: None }
}

fn incident() -> Incident {
    Incident {
        id: id(2),
        title: both(),
        audience: Audience::Public,
        status: IncidentStatus::Resolved,
        impact_override: Some(Impact::Minor),
        affected: affected(),
        started_at: at("2026-11-22T07:40:00Z"),
        published_at: at("2026-11-22T08:00:00Z"),
        resolved_at: Some(at("2026-11-22T09:00:00Z")),
        withdrawn_at: Some(at("2026-11-22T09:30:00Z")),
        expected_end: Some(at("2026-11-22T09:00:00Z")),
        next_update_by: Some(at("2026-11-22T08:30:00Z")),
        lateness_alarmed: true,
        origin: Origin::Probe { probe: id(3), taken_over: true },
        reference: Some("INC-1".into()),
        workaround: Some(both()),
        revision: 3,
        updates: vec![update(IncidentStatus::Investigating)],
    }
}

#[test]
fn records_of_what_is_told_are_the_golden_ones() {
    assert_golden(&incident(), include_str!("../../golden/incident-1.txt"));
    let mut maintenance = Maintenance {
        id: id(4),
        title: both(),
        audience: Audience::Staff,
        status: MaintenanceStatus::InProgress,
        affected: affected(),
        scheduled_for: at("2026-12-10T21:00:00Z"),
        scheduled_until: at("2026-12-11T01:00:00Z"),
        published_at: at("2026-11-22T08:00:00Z"),
        started_at: Some(at("2026-12-10T21:00:00Z")),
        ended_at: Some(at("2026-12-11T01:00:00Z")),
        starts_by_itself: true,
        ends_by_itself: false,
        overrun_told: true,
        emergency_reason: Some(both()),
        reminded: Reminder::ALL.into(),
        tell_transitions: true,
        series: Some(id(5)),
        revision: 4,
        updates: vec![update(MaintenanceStatus::Verifying)],
    };
    assert_lifted(&maintenance, include_str!("../../golden/maintenance-1.txt"));
    let mut event = Event {
        kind: EventKind::Reminder(Reminder::Day),
        at: at("2026-12-09T21:00:00Z"),
        subject: Subject::Maintenance(maintenance.clone()),
        update: Some(1),
        components: vec![NamedComponent { id: id(1), name: both(), group: Some(id(6)) }],
        notify: true,
        not_after: at("2026-12-10T21:00:00Z"),
    };
    assert_lifted(&event, include_str!("../../golden/event-1.txt"));
    let old = Window { from: at("2026-12-09T21:00:00Z"), until: at("2026-12-10T01:00:00Z") };
    maintenance.updates[0].moved_from = Some(old);
    assert_golden(&maintenance, include_str!("../../golden/maintenance-2.txt"));
    event.subject = Subject::Maintenance(maintenance);
    assert_golden(&event, include_str!("../../golden/event-2.txt"));
}

#[test]
fn records_of_components_held_acts_and_series_are_the_golden_ones() {
    let component = Component {
        id: id(1),
        slug: "siths".into(),
        name: both(),
        description: both(),
        group: Some(id(6)),
        position: 2,
        audience: Audience::Public,
        external: true,
        archived: true,
    };
    assert_golden(&component, include_str!("../../golden/component-1.txt"));
    let group = Group { id: id(6), slug: "external".into(), name: both(), position: 1 };
    assert_golden(&group, include_str!("../../golden/group-1.txt"));
    let act = Act::OpenIncident(Box::new(OpenIncident {
        title: both(),
        audience: Audience::Public,
        status: IncidentStatus::Identified,
        affected: affected(),
        body: both(),
        started_at: Some(at("2026-11-22T07:40:00Z")),
        impact_override: Some(Impact::Critical),
        expected_end: Some(at("2026-11-22T09:00:00Z")),
        next_update_by: Some(at("2026-11-22T08:30:00Z")),
        reference: Some("INC-1".into()),
        workaround: Some(both()),
        origin: Origin::Person,
        notify: true,
    }));
    let pending = Pending {
        id: id(7),
        subject: id(2),
        act,
        author: Author::Operator { user: "root".into() },
        created_at: at("2026-11-22T08:00:00Z"),
        publish_at: at("2026-11-22T08:01:00Z"),
        failed: Some("it is over".into()),
    };
    assert_golden(&pending, include_str!("../../golden/pending-1.txt"));
    let plan = Plan {
        title: both(),
        audience: Audience::Public,
        affected: affected(),
        body: both(),
        recurrence: Recurrence::Monthly { nth: -1, day: Day::Sunday },
        first: date(2026, 12, 1),
        last: Some(date(2027, 12, 1)),
        count: Some(12),
        from: time(1, 0, 0, 0),
        until: time(5, 0, 0, 0),
        exceptions: [date(2026, 12, 27)].into(),
        emergency_reason: Some(both()),
        starts_by_itself: true,
        ends_by_itself: true,
        tell_transitions: false,
    };
    let series = Series { id: id(8), plan, scheduled_to: Some(date(2026, 12, 27)), ended: true, revision: 2 };
    assert_golden(&series, include_str!("../../golden/series-1.txt"));
}
