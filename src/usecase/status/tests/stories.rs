//! The ways of incidents, windows, held acts and series, told by what readers and subscribers get.

use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil::{date, time};
use uuid::Uuid;

use super::*;
use crate::domain::status::act::{ChangeMaintenance, Correct, UpdateMaintenance, Withdraw};
use crate::domain::status::fault::{Fault, Rule};
use crate::domain::status::recurrence::{Day, Plan, Recurrence};
use crate::domain::status::subject::{Impact, MaintenanceStatus, Reminder, Window};
use crate::usecase::Refusal;
use crate::usecase::status::{Outcome, Publication};

fn rules(refusal: Refusal) -> Vec<(String, Rule)> {
    match refusal {
        Refusal::Told(Fault::Unfit(violations)) => violations.into_iter().map(|v| (v.pointer, v.rule)).collect(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_incident_is_opened_followed_resolved_and_corrected_and_nothing_else_after_that() {
    let region = region().await;
    let opened = region.open(region.opening()).await;
    assert_eq!((opened.revision, opened.seq), (1, 1));
    let siths = region.component("siths");
    assert_eq!(region.gateway.board().status_of(siths), ComponentStatus::MajorOutage);
    let mut update = region.update(opened.subject, IncidentStatus::Identified);
    update.affected = Some(region.affected("journal", ComponentStatus::PartialOutage));
    region.publish(Act::UpdateIncident(Box::new(update.clone()))).await;
    let board = region.gateway.board();
    assert_eq!(board.incidents[0].impact(), Impact::Major);
    assert_eq!(board.status_of(siths), ComponentStatus::Operational);
    region.publish(Act::UpdateIncident(Box::new(region.update(opened.subject, IncidentStatus::Resolved)))).await;
    let correct = Correct { id: opened.subject, number: 2, body: texts("Rättat."), notify: false };
    region.publish(Act::CorrectIncident(correct)).await;
    let board = region.gateway.board();
    assert!(
        board.incidents[0].is_over() && board.status_of(region.component("journal")) == ComponentStatus::Operational
    );
    assert_eq!((board.seq, board.incidents[0].revision), (4, 4));
    assert_eq!(board.incidents[0].updates[3].corrects, Some(2));
    // Who follows a component that is no longer affected is told of the end all the same.
    let resolved = &region.events().await[2];
    let names: Vec<_> = resolved.components.iter().map(|c| c.name.sv.as_str()).collect();
    assert_eq!((names, resolved.impact()), (vec!["journal", "siths"], Impact::Critical));
    let refused = region.gateway.publish_at_once(&operator(), &Act::UpdateIncident(Box::new(update))).await;
    assert!(matches!(refused, Err(Refusal::Told(Fault::Over { status: "resolved" }))));
}

#[tokio::test]
async fn an_author_is_told_everything_that_is_unfit_at_once() {
    let region = region().await;
    let mut act = region.opening();
    act.title.en = Some(String::new());
    act.affected.push(Affected { component: region.component("staff-tool"), status: ComponentStatus::MajorOutage });
    act.affected.push(Affected { component: Uuid::nil(), status: ComponentStatus::UnderMaintenance });
    act.next_update_by = Some(at("2026-11-22T07:00:00Z"));
    let refused = region.gateway.publish_at_once(&operator(), &Act::OpenIncident(Box::new(act))).await;
    let expected = [
        ("/title/en", Rule::EnglishEmpty),
        ("/affected/1", Rule::ComponentNotPublic),
        ("/affected/2", Rule::NotUnderMaintenance),
        ("/affected/2", Rule::UnknownComponent),
        ("/nextUpdateBy", Rule::NotAhead),
    ];
    assert_eq!(rules(refused.unwrap_err()), expected.map(|(p, r)| (p.to_owned(), r)));
    assert!(region.events().await.is_empty());
}

#[tokio::test]
async fn an_incident_of_what_works_is_refused_unless_it_only_informs() {
    let region = region().await;
    let mut act = region.opening();
    act.affected[0].status = ComponentStatus::Operational;
    let refused = region.gateway.publish_at_once(&operator(), &Act::OpenIncident(Box::new(act.clone()))).await;
    assert_eq!(rules(refused.unwrap_err()), [("/affected/0".to_owned(), Rule::OpenedWorking)]);
    act.impact_override = Some(Impact::None);
    region.open(act).await;
}

#[tokio::test]
async fn who_writes_to_something_that_changed_meanwhile_is_told_so() {
    let region = region().await;
    let opened = region.open(region.opening()).await;
    let mut update = region.update(opened.subject, IncidentStatus::Identified);
    update.seen = Some(1);
    let act = Act::UpdateIncident(Box::new(update));
    region.publish(act.clone()).await;
    let refused = region.gateway.publish_at_once(&operator(), &act).await;
    assert!(matches!(refused, Err(Refusal::Told(Fault::Stale { current: 2 }))));
}

#[tokio::test]
async fn a_probe_writes_until_a_person_has_taken_over() {
    let region = region().await;
    let probe = Author::Probe { slug: "siths-login".into() };
    let origin = Origin::Probe { probe: Uuid::from_u128(1), taken_over: false };
    let act = Act::OpenIncident(Box::new(OpenIncident { origin, ..region.opening() }));
    let id = region.gateway.publish_at_once(&probe, &act).await.unwrap().subject;
    let update = Act::UpdateIncident(Box::new(region.update(id, IncidentStatus::Investigating)));
    region.gateway.publish_at_once(&probe, &update).await.unwrap();
    region.publish(update.clone()).await;
    let refused = region.gateway.publish_at_once(&probe, &update).await;
    assert!(matches!(refused, Err(Refusal::Told(Fault::TakenOver))));
}

#[tokio::test]
async fn a_promised_update_that_does_not_come_is_alarmed_once_and_closes_nothing() {
    let region = region().await;
    let mut act = region.opening();
    act.next_update_by = Some(at("2026-11-22T09:00:00Z"));
    act.expected_end = Some(at("2026-11-22T08:30:00Z"));
    let id = region.open(act).await.subject;
    assert_eq!(region.gateway.status_clock().await.unwrap().next_at, Some(at("2026-11-22T09:00:00Z")));
    region.set("2026-11-22T09:00:00Z");
    assert_eq!(region.gateway.status_clock().await.unwrap().done, 1);
    assert_eq!(region.gateway.status_clock().await.unwrap().done, 0);
    let board = region.gateway.board();
    assert!(board.incidents[0].is_late(region.gateway.now()) && !board.incidents[0].is_over());
    let mut update = region.update(id, IncidentStatus::Monitoring);
    update.next_update_by = Some(at("2026-11-22T10:00:00Z"));
    region.publish(Act::UpdateIncident(Box::new(update))).await;
    assert!(!region.gateway.board().incidents[0].is_late(region.gateway.now()));
    assert_eq!(region.gateway.status_clock().await.unwrap().next_at, Some(at("2026-11-22T10:00:00Z")));
}

#[tokio::test]
async fn a_withdrawn_incident_is_told_as_withdrawn_and_hurts_nobody() {
    let region = region().await;
    let id = region.open(region.opening()).await.subject;
    region.publish(Act::WithdrawIncident(Withdraw { id, seen: Some(1), body: texts("Fel av oss.") })).await;
    assert_eq!(region.told(id).await, [(EventKind::Opened, true), (EventKind::Withdrawn, true)]);
    assert_eq!(region.gateway.board().status_of(region.component("siths")), ComponentStatus::Operational);
}

#[tokio::test]
async fn a_window_is_on_the_page_at_once_and_announced_when_seven_days_remain_then_reminded_of_a_day_and_an_hour_before()
 {
    let region = region().await;
    let id = region.schedule(region.window("2026-12-10T21:00:00Z", "2026-12-11T01:00:00Z")).await.subject;
    for now in [
        "2026-12-03T20:59:59Z",
        "2026-12-03T21:00:00Z",
        "2026-12-09T21:00:00Z",
        "2026-12-10T20:00:00Z",
        "2026-12-10T21:00:00Z",
        "2026-12-11T01:00:00Z",
    ] {
        region.set(now);
        region.gateway.status_clock().await.unwrap();
    }
    let expected = [
        (EventKind::Scheduled, false),
        (EventKind::Scheduled, true),
        (EventKind::Reminder(Reminder::Day), true),
        (EventKind::Reminder(Reminder::Hour), true),
        (EventKind::Started, true),
        (EventKind::Completed, true),
    ];
    assert_eq!(region.told(id).await, expected);
    let done = region.maintenance(id).await;
    assert_eq!((done.started_at, done.ended_at), (Some(done.scheduled_for), Some(done.scheduled_until)));
    assert_eq!(done.updates.last().unwrap().by, "clock");
    assert_eq!(region.gateway.status_clock().await.unwrap().next_at, None);
}

#[tokio::test]
async fn a_window_sooner_than_the_region_asks_needs_the_reason_of_the_emergency() {
    let region = region().await;
    let mut act = region.window("2026-11-24T21:00:00Z", "2026-11-25T01:00:00Z");
    let refused = region.gateway.publish_at_once(&operator(), &Act::ScheduleMaintenance(Box::new(act.clone()))).await;
    assert_eq!(rules(refused.unwrap_err()), [("/emergencyReason".into(), Rule::NoticeTooShort { days: 10 })]);
    act.emergency_reason = Some(texts("Ett säkerhetshål."));
    let id = region.schedule(act).await.subject;
    // Within seven days: mailed at once, then the two reminders that are left.
    assert_eq!(region.told(id).await, [(EventKind::Scheduled, true)]);
    assert_eq!(region.gateway.status_clock().await.unwrap().next_at, Some(at("2026-11-23T21:00:00Z")));
}

fn moved(id: Uuid, from: &str, until: &str) -> Act {
    Act::ChangeMaintenance(Box::new(ChangeMaintenance {
        id,
        seen: None,
        body: texts("Flyttat."),
        title: None,
        affected: None,
        scheduled_for: Some(at(from)),
        scheduled_until: Some(at(until)),
        emergency_reason: None,
    }))
}

#[tokio::test]
async fn a_move_is_mailed_once_the_window_has_been_and_its_reminders_come_anew() {
    let region = region().await;
    let far = region.schedule(region.window("2026-12-10T21:00:00Z", "2026-12-11T01:00:00Z")).await;
    let id = far.subject;
    assert_eq!(far.first_mail_at, Some(at("2026-12-03T21:00:00Z")), "its author is told when it is mailed");
    let farther = region.publish(moved(id, "2026-12-12T21:00:00Z", "2026-12-13T01:00:00Z")).await;
    assert_eq!(farther.first_mail_at, Some(at("2026-12-05T21:00:00Z")));
    region.set("2026-12-12T20:30:00Z");
    region.gateway.status_clock().await.unwrap();
    let near = region.publish(moved(id, "2026-12-20T21:00:00Z", "2026-12-21T01:00:00Z")).await;
    assert_eq!(near.first_mail_at, None);
    let old = region.maintenance(id).await.updates.last().unwrap().moved_from;
    assert_eq!(old, Some(Window { from: at("2026-12-12T21:00:00Z"), until: at("2026-12-13T01:00:00Z") }));
    region.set("2026-12-19T21:00:00Z");
    region.gateway.status_clock().await.unwrap();
    region.publish(Act::CancelMaintenance(Withdraw { id, seen: None, body: texts("Behövs inte.") })).await;
    let expected = [
        (EventKind::Scheduled, false),
        (EventKind::Rescheduled, false),
        (EventKind::Scheduled, true),
        (EventKind::Rescheduled, true),
        (EventKind::Reminder(Reminder::Day), true),
        (EventKind::Cancelled, true),
    ];
    assert_eq!(region.told(id).await, expected);
    assert_eq!(region.maintenance(id).await.status, MaintenanceStatus::Cancelled);
}

#[tokio::test]
async fn a_window_moved_so_near_that_it_must_be_mailed_is_mailed_as_planned() {
    let region = region().await;
    let id = region.schedule(region.window("2026-12-10T21:00:00Z", "2026-12-11T01:00:00Z")).await.subject;
    let Act::ChangeMaintenance(mut sooner) = moved(id, "2026-11-26T21:00:00Z", "2026-11-27T01:00:00Z") else {
        panic!()
    };
    sooner.emergency_reason = Some(texts("Leverantören kräver det."));
    region.publish(Act::ChangeMaintenance(sooner)).await;
    assert_eq!(region.told(id).await, [(EventKind::Scheduled, false), (EventKind::Scheduled, true)]);
}

#[tokio::test]
async fn a_window_that_nobody_ends_overruns_once_and_goes_on_until_somebody_says_so() {
    let region = region().await;
    let mut act = region.window("2026-12-10T21:00:00Z", "2026-12-11T01:00:00Z");
    act.ends_by_itself = false;
    let id = region.schedule(act).await.subject;
    for now in ["2026-12-10T21:00:00Z", "2026-12-11T01:00:00Z"] {
        region.set(now);
        region.gateway.status_clock().await.unwrap();
    }
    region.set("2026-12-11T05:00:00Z");
    assert_eq!(region.gateway.status_clock().await.unwrap().done, 0);
    assert!(region.maintenance(id).await.is_overrun(region.gateway.now()));
    let (status, body) = (MaintenanceStatus::Completed, texts("Klart."));
    region
        .publish(Act::UpdateMaintenance(Box::new(UpdateMaintenance { id, seen: None, status, body, notify: true })))
        .await;
    let kinds: Vec<_> = region.told(id).await;
    let expected = [
        (EventKind::Scheduled, false),
        (EventKind::Started, true),
        (EventKind::Overrun, true),
        (EventKind::Completed, true),
    ];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn a_window_that_nobody_begins_is_not_begun_by_the_clock() {
    let region = region().await;
    let mut act = region.window("2026-12-10T21:00:00Z", "2026-12-11T01:00:00Z");
    act.starts_by_itself = false;
    let id = region.schedule(act).await.subject;
    region.set("2026-12-12T00:00:00Z");
    region.gateway.status_clock().await.unwrap();
    assert_eq!(region.maintenance(id).await.status, MaintenanceStatus::Scheduled);
    assert_eq!(region.gateway.status_clock().await.unwrap(), Default::default());
    assert_eq!(region.told(id).await, [(EventKind::Scheduled, false)]);
}

#[tokio::test]
async fn a_daemon_that_was_down_over_a_window_catches_up_in_order_without_stale_mail() {
    let region = region().await;
    let id = region.schedule(region.window("2026-12-10T21:00:00Z", "2026-12-11T01:00:00Z")).await.subject;
    let region = region.restarted().await;
    region.set("2026-12-13T08:00:00Z");
    region.gateway.status_clock().await.unwrap();
    let told = region.told(id).await;
    assert_eq!(told, [(EventKind::Scheduled, false), (EventKind::Started, false), (EventKind::Completed, true)]);
    let done = region.maintenance(id).await;
    assert_eq!(done.started_at, Some(at("2026-12-10T21:00:00Z")));
}

#[tokio::test]
async fn a_held_act_can_be_taken_back_and_is_published_by_the_clock_otherwise() {
    let region = region().await;
    let act = Act::OpenIncident(Box::new(region.opening()));
    let hold = async |act: &Act| match region.gateway.publish(&operator(), act.clone(), Publication::default()).await {
        Ok(Outcome::Held(pending)) => pending,
        other => panic!("{other:?}"),
    };
    let first = hold(&act).await;
    region.gateway.take_back(&operator(), first.id).await.unwrap();
    let second = hold(&act).await;
    assert_eq!(second.publish_at, at("2026-11-22T08:01:00Z"));
    region.set("2026-11-22T08:00:59Z");
    region.gateway.status_clock().await.unwrap();
    assert!(region.events().await.is_empty() && region.gateway.board().incidents.is_empty());
    region.set("2026-11-22T08:01:00Z");
    region.gateway.status_clock().await.unwrap();
    assert_eq!(region.told(second.subject).await, [(EventKind::Opened, true)]);
    let events = region.events().await;
    assert_eq!(events.len(), 1);
    let Subject::Incident(incident) = &events[0].subject else { panic!() };
    assert_eq!((incident.updates[0].by.as_str(), incident.published_at), ("operator root", region.gateway.now()));
    assert!(matches!(region.gateway.take_back(&operator(), second.id).await, Err(Refusal::NotFound)));
}

#[tokio::test]
async fn a_held_act_that_no_longer_fits_is_kept_with_its_reason_and_tells_nobody() {
    let region = region().await;
    let id = region.open(region.opening()).await.subject;
    let update = Act::UpdateIncident(Box::new(region.update(id, IncidentStatus::Monitoring)));
    let how = Publication { hold: Some(SignedDuration::from_mins(5)), id: None };
    region.gateway.publish(&operator(), update, how).await.unwrap();
    region.publish(Act::UpdateIncident(Box::new(region.update(id, IncidentStatus::Resolved)))).await;
    region.set("2026-11-22T08:06:00Z");
    region.gateway.status_clock().await.unwrap();
    let pending = region.gateway.pending_acts().await.unwrap();
    assert!(pending[0].failed.as_ref().unwrap().starts_with("it is over (resolved)"), "{pending:?}");
    assert_eq!(region.told(id).await.len(), 2);
    region.gateway.take_back(&operator(), pending[0].id).await.unwrap();
    assert!(region.gateway.pending_acts().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_mails_nobody_is_not_held_and_the_same_request_begins_one_subject() {
    let region = region().await;
    let act = Act::OpenIncident(Box::new(OpenIncident { notify: false, ..region.opening() }));
    let how = Publication { hold: None, id: Some(Uuid::from_u128(7)) };
    let first = region.gateway.publish(&operator(), act.clone(), how).await.unwrap();
    assert!(matches!(first, Outcome::Published(_)));
    let again = region.gateway.publish(&operator(), act, how).await.unwrap();
    assert_eq!(again, Outcome::Known { subject: Uuid::from_u128(7), revision: 1 });
    assert_eq!(region.events().await.len(), 1);
}

#[tokio::test]
async fn a_start_reads_what_lasts_and_thirteen_months_and_no_more() {
    let region = region().await;
    let old = region.open(region.opening()).await.subject;
    let lasting = region.open(region.opening()).await.subject;
    region.publish(Act::UpdateIncident(Box::new(region.update(old, IncidentStatus::Resolved)))).await;
    region.set("2028-01-15T08:00:00Z");
    let recent = region.open(region.opening()).await.subject;
    region.publish(Act::UpdateIncident(Box::new(region.update(recent, IncidentStatus::Resolved)))).await;
    let in_memory: Vec<_> = region.gateway.board().incidents.iter().map(|i| i.id).collect();
    assert_eq!(in_memory, [recent, old, lasting].into_iter().filter(|id| *id != old).collect::<Vec<_>>());
    let before = region.gateway.board();
    let region = region.restarted().await;
    let after = region.gateway.board();
    assert_eq!((after.seq, &after.incidents), (before.seq, &before.incidents));
    assert_eq!(after.components, before.components);
    // It is still found by its permanent address.
    assert!(region.gateway.find_subject(old).await.unwrap().is_some());
}

#[tokio::test]
async fn a_series_is_scheduled_ahead_once_and_one_of_its_dates_moves_alone() {
    let region = region().await;
    let window = region.window("2026-12-10T21:00:00Z", "2026-12-11T01:00:00Z");
    let plan = Plan {
        title: window.title,
        audience: Audience::Public,
        affected: window.affected,
        body: window.body,
        recurrence: Recurrence::Weekly { every: 2, days: [Day::Thursday].into() },
        first: date(2026, 12, 3),
        last: None,
        count: Some(4),
        from: time(22, 0, 0, 0),
        until: time(2, 0, 0, 0),
        exceptions: [date(2026, 12, 31)].into(),
        emergency_reason: None,
        starts_by_itself: true,
        ends_by_itself: true,
        tell_transitions: true,
    };
    let how = Publication::default();
    let series = region.gateway.begin_series(&operator(), plan.clone(), how).await.unwrap();
    region.gateway.status_clock().await.unwrap();
    let starts = |region: &Region| -> Vec<String> {
        let board = region.gateway.board();
        board.maintenances.iter().filter(|m| !m.is_over()).map(|m| m.scheduled_for.to_string()).collect()
    };
    assert_eq!(starts(&region), ["2026-12-03T21:00:00Z", "2026-12-17T21:00:00Z"]);
    let alone = region.gateway.board().maintenances[1].id;
    region.publish(moved(alone, "2026-12-18T21:00:00Z", "2026-12-19T01:00:00Z")).await;
    let region = region.restarted().await;
    region.gateway.status_clock().await.unwrap();
    assert_eq!(starts(&region).len(), 2);
    // Another hour for all: what was moved alone keeps its own time, and the far one comes by the new plan.
    let later = Plan { from: time(23, 0, 0, 0), ..plan.clone() };
    region.gateway.change_series(&operator(), series.id, later, &texts("En timme senare."), Some(1)).await.unwrap();
    region.set("2026-12-10T22:00:00Z");
    region.gateway.status_clock().await.unwrap();
    let expected = ["2026-12-18T21:00:00Z", "2027-01-14T22:00:00Z"];
    assert_eq!(starts(&region), expected);
    region.gateway.end_series(&operator(), series.id, &texts("Behövs inte mer.")).await.unwrap();
    assert!(starts(&region).is_empty());
    let cancelled = region.told(alone).await;
    assert_eq!(cancelled.last(), Some(&(EventKind::Cancelled, false)));
}

#[tokio::test]
async fn an_archived_component_keeps_its_name_in_history_and_is_offered_no_more() {
    let region = region().await;
    region.gateway.archive_component(&operator(), "journal", true, Some(1)).await.unwrap();
    let board = region.gateway.board();
    assert!(board.components.iter().all(|c| c.slug != "journal") && board.component_by_slug("journal").is_some());
    let mut act = region.opening();
    act.affected = region.affected("journal", ComponentStatus::MajorOutage);
    let refused = region.gateway.publish_at_once(&operator(), &Act::OpenIncident(Box::new(act))).await;
    assert_eq!(rules(refused.unwrap_err()), [("/affected/0".into(), Rule::ArchivedComponent)]);
    let refused = region.gateway.remove_group(&operator(), "external", None).await;
    assert_eq!(rules(refused.unwrap_err()), [("/group".into(), Rule::GroupInUse)]);
}

#[tokio::test]
async fn what_is_told_concurrently_is_all_told_and_the_board_holds_all() {
    let region = Arc::new(region().await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let region = region.clone();
        tasks.spawn(async move { region.open(region.opening()).await.seq });
    }
    let mut numbers = tasks.join_all().await;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    let board = region.gateway.board();
    assert_eq!((board.seq, board.incidents.len()), (20, 20));
}
