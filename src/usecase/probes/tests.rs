//! What follows from results, over real stores and a clock that stands still until it is moved.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::domain::status::Audience;
use crate::domain::status::act::{Act, OpenIncident, UpdateMaintenance, Withdraw};
use crate::domain::status::component::ComponentStatus;
use crate::domain::status::event::EventKind;
use crate::domain::status::probe::state::{Step, Told};
use crate::domain::status::subject::{Incident, IncidentStatus, MaintenanceStatus, Origin};
use crate::store::record::assert_golden;
use crate::usecase::status::tests::{Region, at, operator, region, texts};

const FAILED: Look = Look { verdict: Verdict::Fails, cause: Some(Cause::Refused), milliseconds: 2 };
const SLOW: Look = Look { verdict: Verdict::Weak, cause: Some(Cause::Slow { milliseconds: 900 }), milliseconds: 900 };
const WORKED: Look = Look { verdict: Verdict::Works, cause: None, milliseconds: 2 };

fn settings(more: Value) -> ProbeSettings {
    let mut probe = json!({ "slug": "siths", "component": "siths",
        "kind": { "type": "tcp", "host": "siths.example.test", "port": 443 } });
    probe.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(probe).unwrap()
}

/// A region with one probe, looked at once a minute.
struct Stage {
    region: Region,
    now: Timestamp,
    id: Uuid,
}

impl Stage {
    async fn set(more: Value) -> Stage {
        let region = region().await;
        let id = region.gateway.put_probe(&operator(), settings(more)).await.unwrap().id;
        Stage { region, now: at("2026-11-23T06:40:00Z"), id }
    }

    async fn look(&mut self, look: Look) -> Step {
        self.region.set(&self.now.to_string());
        let step = self.region.gateway.observe(self.id, Ok(look)).await.unwrap();
        self.now += SignedDuration::from_mins(1);
        step
    }

    async fn see(&mut self, looks: &[Look]) -> Vec<Step> {
        let mut steps = Vec::new();
        for look in looks {
            steps.push(self.look(*look).await);
        }
        steps.retain(|step| *step != Step::Nothing);
        steps
    }

    fn incidents(&self) -> Vec<Incident> {
        let mut all: Vec<Incident> = self.region.gateway.board().incidents.iter().map(|i| (**i).clone()).collect();
        all.reverse();
        all
    }

    /// The only one that there is.
    fn incident(&self) -> Incident {
        let mut all = self.incidents();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    async fn report(&self) -> ProbeReport {
        self.region.gateway.probe_reports().await.remove(0)
    }

    async fn restarted(self) -> Stage {
        Stage { region: self.region.restarted().await, ..self }
    }

    async fn write_to(&self, incident: Uuid, status: IncidentStatus) {
        self.region.publish(Act::UpdateIncident(Box::new(self.region.update(incident, status)))).await;
    }
}

#[tokio::test]
async fn a_service_that_dies_is_told_of_and_is_told_to_work_again() {
    let mut stage = Stage::set(json!({})).await;
    assert_eq!(stage.see(&[WORKED, FAILED, FAILED]).await, []);
    assert!(stage.incidents().is_empty());
    assert_eq!(stage.see(&[FAILED]).await, [Step::Open(Condition::Fails)]);
    let incident = stage.incident();
    assert_eq!(incident.title.sv, "siths svarar inte");
    assert_eq!((incident.audience, incident.status), (Audience::Staff, IncidentStatus::Investigating));
    assert_eq!(incident.affected, stage.region.affected("siths", ComponentStatus::MajorOutage));
    assert_eq!(incident.origin, Origin::Probe { probe: stage.id, taken_over: false });
    assert_eq!(incident.started_at, at("2026-11-23T06:41:00Z"));
    let body = "siths svarar inte på våra automatiska kontroller sedan kl. 07.41. En människa tittar på det.";
    assert_eq!(incident.updates[0].body.sv, body);
    assert_eq!(incident.updates[0].by, "probe siths");
    assert_eq!(stage.see(&[FAILED, FAILED, WORKED]).await, []);
    assert_eq!(stage.see(&[WORKED]).await, [Step::Resolve]);
    let resolved = stage.incident();
    assert_eq!(resolved.status, IncidentStatus::Resolved);
    assert!(resolved.updates[1].body.sv.contains("fungerar igen"));
    assert_eq!(stage.region.told(incident.id).await, [(EventKind::Opened, true), (EventKind::Resolved, true)]);
    assert_eq!(stage.report().await.incident, None);
}

#[tokio::test]
async fn the_operators_choices_stand_in_the_incident() {
    let title = json!({ "sv": "Kortinloggning nere", "en": "Card login is down" });
    let choices = json!({ "title": title, "statusWhenFailing": "partial_outage", "audience": "public",
        "notify": false, "nextUpdateMinutes": 60, "failuresToOpen": 1 });
    let mut stage = Stage::set(choices).await;
    assert_eq!(stage.see(&[FAILED]).await, [Step::Open(Condition::Fails)]);
    let incident = stage.incident();
    assert_eq!((incident.title.sv.as_str(), incident.audience), ("Kortinloggning nere", Audience::Public));
    assert_eq!(incident.affected, stage.region.affected("siths", ComponentStatus::PartialOutage));
    assert_eq!((incident.next_update_by, incident.updates[0].notify), (Some(at("2026-11-23T07:40:00Z")), false));
}

#[tokio::test]
async fn what_is_the_staffs_is_not_told_to_the_public() {
    let mut stage = Stage::set(json!({ "component": "staff-tool", "audience": "public", "failuresToOpen": 1 })).await;
    stage.see(&[FAILED]).await;
    assert_eq!(stage.incident().audience, Audience::Staff);
}

#[tokio::test]
async fn getting_worse_and_flapping_are_updates_of_the_same_incident() {
    let mut stage = Stage::set(json!({})).await;
    assert_eq!(stage.see(&[SLOW; 3]).await, [Step::Open(Condition::Weak)]);
    assert_eq!(stage.incident().affected, stage.region.affected("siths", ComponentStatus::DegradedPerformance));
    assert_eq!(stage.see(&[FAILED; 3]).await, [Step::Update(Condition::Fails)]);
    let incident = stage.incident();
    assert_eq!(incident.affected, stage.region.affected("siths", ComponentStatus::MajorOutage));
    assert_eq!(incident.title.sv, "siths svarar inte");

    let mut stage = Stage::set(json!({})).await;
    let flap = [FAILED, FAILED, FAILED, WORKED, WORKED];
    let steps = stage.see(&flap.repeat(5)).await;
    let open = Step::Open(Condition::Fails);
    assert_eq!(steps, [open, Step::Resolve, open, Step::Unstable]);
    let held = stage.incidents().pop().unwrap();
    assert_eq!((stage.incidents().len(), held.status), (2, IncidentStatus::Investigating));
    assert_eq!(held.title.sv, "siths fungerar ojämnt");
    assert_eq!(stage.see(&[WORKED; 31]).await, [Step::Resolve]);
    assert!(stage.incidents().iter().all(Incident::is_over));
}

#[tokio::test]
async fn an_incident_that_a_person_has_taken_over_is_neither_written_to_nor_resolved_by_the_probe() {
    let mut stage = Stage::set(json!({})).await;
    stage.see(&[FAILED; 3]).await;
    let id = stage.incident().id;
    stage.write_to(id, IncidentStatus::Identified).await;
    assert!(stage.report().await.left_to_people);
    assert_eq!(stage.see(&[WORKED, WORKED]).await, [Step::Resolve]);
    let incident = stage.incident();
    assert_eq!((incident.status, incident.updates.len()), (IncidentStatus::Identified, 2));
    // Down again: the person's incident says so already.
    assert_eq!(stage.see(&[FAILED; 3]).await, [Step::Open(Condition::Fails)]);
    assert_eq!(stage.incident().updates.len(), 2);
    // The person says that it is over; it is not.
    stage.write_to(id, IncidentStatus::Resolved).await;
    assert_eq!(stage.see(&[FAILED, FAILED]).await, []);
    assert_eq!(stage.see(&[FAILED]).await, [Step::Open(Condition::Fails)]);
    assert_eq!(stage.incidents().len(), 2);
}

#[tokio::test]
async fn a_probe_whose_incident_was_withdrawn_is_silent_until_it_has_seen_the_service_work() {
    let mut stage = Stage::set(json!({})).await;
    stage.see(&[FAILED; 3]).await;
    let withdraw = Withdraw { id: stage.incident().id, seen: None, body: texts("Kontrollen var fel inställd.") };
    stage.region.publish(Act::WithdrawIncident(withdraw)).await;
    assert_eq!(stage.see(&[FAILED; 10]).await, []);
    stage.see(&[WORKED; 2]).await;
    assert_eq!(stage.see(&[FAILED; 3]).await, [Step::Open(Condition::Fails)]);
    let over: Vec<bool> = stage.region.gateway.board().ongoing().map(|incident| incident.is_over()).collect();
    assert_eq!(over, [false]);
}

#[tokio::test]
async fn no_second_incident_is_opened_where_one_says_as_much_to_the_same_readers() {
    let mut stage = Stage::set(json!({ "audience": "public" })).await;
    let persons = stage.region.open(stage.region.opening()).await.subject;
    stage.see(&[FAILED; 3]).await;
    assert_eq!((stage.incident().id, stage.incident().updates.len()), (persons, 1));
    let report = stage.report().await;
    assert_eq!((report.incident, report.left_to_people), (Some(persons), true));
    stage.see(&[WORKED; 2]).await;
    assert_eq!(stage.incident().status, IncidentStatus::Investigating);

    // Of less, or to fewer readers, another is opened.
    let less: fn(&mut OpenIncident) = |act| act.affected[0].status = ComponentStatus::DegradedPerformance;
    let fewer: fn(&mut OpenIncident) = |act| act.audience = Audience::Staff;
    for change in [less, fewer] {
        let mut stage = Stage::set(json!({ "audience": "public" })).await;
        let mut act = stage.region.opening();
        change(&mut act);
        stage.region.open(act).await;
        stage.see(&[FAILED; 3]).await;
        assert_eq!(stage.incidents().len(), 2);
    }
}

#[tokio::test]
async fn a_restart_opens_no_second_incident_and_forgets_none() {
    let mut stage = Stage::set(json!({})).await;
    stage.see(&[FAILED; 3]).await;
    let id = stage.incident().id;
    let mut stage = stage.restarted().await;
    assert_eq!(stage.see(&[FAILED; 5]).await, []);
    assert_eq!(stage.see(&[WORKED; 2]).await, [Step::Resolve]);
    assert_eq!((stage.incident().id, stage.incident().status), (id, IncidentStatus::Resolved));
}

#[tokio::test]
async fn an_incident_told_just_before_a_power_cut_is_found_again() {
    let mut stage = Stage::set(json!({})).await;
    stage.see(&[FAILED; 3]).await;
    // As if the power had gone between the incident and the probe's own record.
    let state = key::probe_state(stage.id);
    let mut change = Change::new();
    change.remove(state.clone(), stage.region.gateway.common.get(&state).await.unwrap().unwrap().version);
    stage.region.gateway.common.commit(change).await.unwrap();
    let mut stage = stage.restarted().await;
    stage.see(&[FAILED; 3]).await;
    assert_eq!(stage.incident().updates.len(), 1);
    stage.see(&[WORKED; 2]).await;
    assert_eq!(stage.incident().status, IncidentStatus::Resolved);
}

#[tokio::test]
async fn a_running_maintenance_holds_the_probe_and_what_is_still_broken_afterwards_is_told() {
    let mut stage = Stage::set(json!({ "component": "journal" })).await;
    let mut window = stage.region.window("2026-11-23T06:30:00Z", "2026-11-23T07:30:00Z");
    window.emergency_reason = Some(texts("Felet måste rättas nu."));
    let id = stage.region.schedule(window).await.subject;
    stage.region.set("2026-11-23T06:35:00Z");
    stage.region.gateway.status_clock().await.unwrap();
    assert_eq!(stage.see(&[FAILED; 5]).await, []);
    assert!(stage.report().await.held);
    let status = MaintenanceStatus::Completed;
    let done = UpdateMaintenance { id, seen: None, status, body: texts("Klart."), notify: true };
    stage.region.publish(Act::UpdateMaintenance(Box::new(done))).await;
    assert_eq!(stage.see(&[FAILED]).await, [Step::Open(Condition::Fails)]);
}

#[tokio::test]
async fn a_probe_that_cannot_look_says_nothing_about_others() {
    let mut stage = Stage::set(json!({ "failuresToOpen": 1 })).await;
    for _ in 0..5 {
        let outcome = Err("the CA file /ca.pem holds no certificate".to_owned());
        assert_eq!(stage.region.gateway.observe(stage.id, outcome).await.unwrap(), Step::Nothing);
    }
    assert!(stage.incidents().is_empty() && stage.report().await.blind.is_some());
    stage.see(&[WORKED]).await;
    assert_eq!(stage.report().await.blind, None);
}

#[tokio::test]
async fn a_heartbeat_is_known_by_its_token_and_missed_when_it_does_not_come() {
    let beat = json!({ "kind": { "type": "heartbeat", "everySeconds": 300, "graceSeconds": 60 } });
    let stage = Stage::set(json!({})).await;
    let region = stage.region;
    let put = region.gateway.put_probe(&operator(), settings(beat.clone())).await.unwrap();
    let token = put.token.unwrap();
    let again = region.gateway.put_probe(&operator(), settings(beat)).await.unwrap();
    assert_eq!((put.outcome, again.outcome, again.token), ("changed", "changed", None));
    let probe = region.gateway.probe("siths").unwrap();
    assert!(!format!("{:?}", probe.record).contains(&token));
    let verdict = |now: &str| {
        region.set(now);
        region.gateway.look_at_heartbeat(&probe.record).verdict
    };
    // The start counts as one.
    assert_eq!(verdict("2026-11-22T08:06:00Z"), Verdict::Works);
    assert_eq!(verdict("2026-11-22T08:06:01Z"), Verdict::Fails);
    assert!(region.gateway.heartbeat(&token));
    assert_eq!(verdict("2026-11-22T08:12:01Z"), Verdict::Works);
    assert!(!region.gateway.heartbeat("x") && !region.gateway.heartbeat(&token.repeat(9)));
    assert_eq!(verdict("2026-11-22T08:12:02Z"), Verdict::Fails);
    region.gateway.remove_probe(&operator(), "siths").await.unwrap();
    assert!(!region.gateway.heartbeat(&token));
}

#[tokio::test]
async fn silence_before_a_heartbeat_was_set_up_or_resumed_is_not_held_against_it() {
    let region = Stage::set(json!({})).await.region;
    let gateway = &region.gateway;
    let verdict = |now: &str| {
        region.set(now);
        gateway.look_at_heartbeat(&gateway.probe("siths").unwrap().record).verdict
    };
    region.set("2026-11-22T12:00:00Z");
    let beat = json!({ "kind": { "type": "heartbeat", "everySeconds": 300, "graceSeconds": 60 } });
    gateway.put_probe(&operator(), settings(beat)).await.unwrap();
    assert_eq!(verdict("2026-11-22T12:06:00Z"), Verdict::Works);
    assert_eq!(verdict("2026-11-22T12:06:01Z"), Verdict::Fails);
    gateway.pause_probe(&operator(), "siths", true).await.unwrap();
    region.set("2026-11-22T18:00:00Z");
    gateway.pause_probe(&operator(), "siths", false).await.unwrap();
    assert_eq!(verdict("2026-11-22T18:06:00Z"), Verdict::Works);
    assert_eq!(verdict("2026-11-22T18:06:01Z"), Verdict::Fails);
}

#[tokio::test]
async fn who_pauses_or_removes_a_probe_is_told_which_incident_is_left_to_people() {
    let mut stage = Stage::set(json!({})).await;
    stage.see(&[FAILED; 3]).await;
    let incident = stage.incident().id;
    let gateway = &stage.region.gateway;
    let left = gateway.pause_probe(&operator(), "siths", true).await.unwrap();
    assert_eq!(left.open_incident, Some(incident));
    assert_eq!(stage.see(&[WORKED; 5]).await, []);
    assert_eq!(stage.incident().status, IncidentStatus::Investigating);
    let gateway = &stage.region.gateway;
    gateway.pause_probe(&operator(), "siths", false).await.unwrap();
    assert_eq!(gateway.remove_probe(&operator(), "siths").await.unwrap().open_incident, None);
    assert!(gateway.probes().is_empty());
    assert!(matches!(gateway.remove_probe(&operator(), "siths").await, Err(ProbeRefusal::Unknown)));
}

#[tokio::test]
async fn an_unfit_probe_is_refused_with_its_reason() {
    let region = region().await;
    let put = async |more| region.gateway.put_probe(&operator(), settings(more)).await.unwrap_err().to_string();
    assert!(put(json!({ "component": "nothing" })).await.starts_with("component: "));
    assert!(put(json!({ "intervalSeconds": 1 })).await.starts_with("intervalSeconds: "));
    assert!(region.gateway.probes().is_empty());
}

#[test]
fn records_of_probes_are_the_golden_ones() {
    let more = json!({ "kind": { "type": "http", "url": "https://siths.example.test/health", "expectText": "ok",
        "slowMilliseconds": 800, "caFile": "/etc/ssl/siths.pem" }, "title": { "sv": "SITHS svarar inte" },
        "failuresToOpen": 4, "nextUpdateMinutes": 60 });
    let (id, component) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let token_hash = Some("00".repeat(32));
    let probe = Probe { id, component, settings: settings(more), paused: false, token_hash };
    assert_golden(&probe, include_str!("../golden/probe-1.txt"));
    let mut state = ProbeState::default();
    (state.level, state.since) = (Verdict::Fails, Some(at("2026-11-23T06:40:00Z")));
    state.changes = vec![at("2026-11-23T06:42:00Z")];
    state.unstable_until = Some(at("2026-11-23T07:12:00Z"));
    state.told = Some(Told { incident: Uuid::from_u128(3), condition: Condition::Unstable, own: true });
    assert_golden(&state, include_str!("../golden/probe-state-1.txt"));
}

#[tokio::test]
async fn when_our_own_network_dies_nothing_is_opened_and_we_say_that_it_is_us() {
    const LOST: Look = Look { verdict: Verdict::Fails, cause: Some(Cause::ConnectTimeout), milliseconds: 10_000 };
    let mut stage = Stage::set(json!({})).await;
    let mut ids = vec![stage.id];
    for (slug, component) in [("journal", "journal"), ("verktyg", "staff-tool")] {
        let kind = json!({ "type": "tcp", "host": format!("{slug}.example.test"), "port": 443 });
        let more = settings(json!({ "slug": slug, "component": component, "kind": kind }));
        let put = stage.region.gateway.put_probe(&operator(), more).await.unwrap();
        assert_eq!(put.outcome, "added");
        ids.push(put.id);
    }
    let own = async |stage: &Stage| {
        let now = stage.now;
        stage.region.set(&now.to_string());
        let health = stage.region.gateway.own_health(now).await;
        health.components.iter().any(|component| component.slug == "network")
    };
    for _ in 0..10 {
        for id in &ids {
            stage.id = *id;
            assert_eq!(stage.look(LOST).await, Step::Nothing);
        }
    }
    assert!(stage.incidents().is_empty() && own(&stage).await);
    // The network is back, and one service is down indeed.
    stage.id = ids[1];
    stage.look(WORKED).await;
    assert!(!own(&stage).await);
    let mut opened = Vec::new();
    for _ in 0..3 {
        stage.id = ids[0];
        opened.extend(stage.see(&[LOST]).await);
        stage.id = ids[1];
        stage.look(WORKED).await;
    }
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert_eq!(stage.incidents().len(), 1);
}
