//! What is told of services: written at the staff door and on the command line, held, taken back, and carried on by
//! the clock, through stops and starts.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::common::{Gateway, until};

/// A request that could be carried out, whoever makes it.
pub struct Ready {
    pub path: String,
    pub etag: String,
    pub body: Value,
}

fn window(from: &str, until: &str) -> Value {
    json!({
        "title": { "sv": "Uppgradering av 1177 e-tjänster" },
        "body": { "sv": "Det går inte att skicka ärenden." },
        "audience": "public",
        "affected": [{ "component": "e-tjanster", "status": "under_maintenance" }],
        "scheduledFor": from,
        "scheduledUntil": until,
        "hold": 0,
    })
}

/// A month ahead by the wall's clock.
fn far_window() -> Value {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let at = |hours: u64| Timestamp::from_second(i64::try_from(since + hours * 3_600).unwrap()).unwrap().to_string();
    window(&at(30 * 24), &at(30 * 24 + 2))
}

fn incident() -> Value {
    json!({
        "title": { "sv": "Inloggning med SITHS-kort fungerar inte", "en": "SITHS cards cannot log in" },
        "body": { "sv": "Du som redan är inloggad kan arbeta vidare." },
        "audience": "staff",
        "affected": [{ "component": "siths", "status": "major_outage" }],
        "hold": 0,
    })
}

fn series() -> Value {
    json!({
        "title": { "sv": "Månatlig uppdatering" },
        "body": { "sv": "Korta avbrott." },
        "audience": "staff",
        "affected": [{ "component": "hsa", "status": "under_maintenance" }],
        "days": ["tuesday"],
        "nth": 2,
        "first": "2090-01-01",
        "from": "22:00",
        "until": "23:00",
    })
}

/// What a route of `/v1/status` is about, made by the support; `n` keeps names apart.
pub async fn ready(gateway: &Gateway, method: &str, route: &str, n: u32) -> Ready {
    let support = gateway.card("support");
    let begun = async |path: &str, body: &Value| -> String {
        support.post(path, body).await.expect(201).json()["id"].as_str().unwrap().to_owned()
    };
    let slug = format!("prov-{n}");
    let mut body = match (method, route.rsplit('/').next().unwrap()) {
        ("POST", "incidents") => incident(),
        ("POST", "maintenances") => far_window(),
        ("POST", "series") => series(),
        ("POST", "updates") if route.contains("incidents") => {
            json!({ "status": "identified", "body": { "sv": "Felet är funnet." }, "hold": 0 })
        }
        ("POST", "updates") => json!({ "status": "scheduled", "body": { "sv": "Som planerat." }, "hold": 0 }),
        ("POST", "corrections") => json!({ "number": 1, "body": { "sv": "Rättat." }, "hold": 0 }),
        ("POST", "withdrawal" | "cancellation") => json!({ "body": { "sv": "Ett misstag." }, "hold": 0 }),
        ("POST", "ending") => json!({ "body": { "sv": "Behövs inte mer." } }),
        ("PUT", "{slug}") if route.contains("components") => json!({ "name": { "sv": "Prov" }, "audience": "staff" }),
        ("PUT", "{slug}") => json!({ "name": { "sv": "Prov" } }),
        _ => Value::Null,
    };
    let (path, etag) = if route.contains("{slug}") {
        let path = route.replace("{slug}", &slug);
        let put = if route.contains("components") {
            json!({ "name": { "sv": "Prov" }, "audience": "staff" })
        } else {
            json!({ "name": { "sv": "Prov" } })
        };
        support.put(&path, &put).header("if-none-match", "*").await.expect(204);
        (path, "\"1\"")
    } else if route.contains("incidents/{id}") {
        (route.replace("{id}", &begun("/v1/status/incidents", &incident()).await), "\"1\"")
    } else if route.contains("maintenances/{id}") {
        if method == "PUT" {
            body = json!({ "title": { "sv": "Ett annat namn" }, "body": { "sv": "Nytt namn." }, "hold": 0 });
        }
        (route.replace("{id}", &begun("/v1/status/maintenances", &far_window()).await), "\"1\"")
    } else if route.contains("series/{id}") {
        if method == "PUT" {
            body = series();
            body["reason"] = json!({ "sv": "En annan dag." });
        }
        (route.replace("{id}", &begun("/v1/status/series", &series()).await), "\"1\"")
    } else if route.contains("{seq}") {
        let told = support.post("/v1/status/incidents", &incident()).await.expect(201).json();
        let path = route.replace("{seq}", &told["seq"].to_string());
        // Nobody subscribes, and still it is a notice: as soon as its mail is frozen.
        for _ in 0..500 {
            if support.get(&path).await.status == 200 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        (path, "\"1\"")
    } else if route.contains("pending/{id}") {
        let mut held = incident();
        held["hold"] = json!(600);
        let pending = support.post("/v1/status/incidents", &held).await.expect(202).json()["pending"].clone();
        (route.replace("{id}", pending.as_str().unwrap()), "\"1\"")
    } else {
        (route.to_owned(), "\"1\"")
    };
    Ready { path, etag: etag.to_owned(), body }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn an_incident_is_previewed_held_taken_back_opened_and_resolved_at_the_staff_door() {
    let gateway = Gateway::start();
    let (support, reader) = (gateway.card("support"), gateway.receiver());
    let preview = support.post("/v1/status/incidents?preview=true", &incident()).await.expect(200).json();
    assert_eq!((&preview["state"], &preview["event"]["mailed"]), (&json!("preview"), &json!(true)));
    let mails = preview["event"]["mails"].as_array().unwrap();
    assert_eq!(mails.iter().map(|mail| mail["language"].as_str().unwrap()).collect::<Vec<_>>(), ["sv", "en"]);
    assert!(mails[1]["subject"].as_str().unwrap().contains("SITHS cards cannot log in"), "{mails:?}");
    assert_eq!(preview["event"]["components"], json!([{ "sv": "SITHS", "en": "SITHS" }]));
    let mut held = incident();
    held["hold"] = json!(600);
    let held = support.post("/v1/status/incidents", &held).await.expect(202).json();
    let pending = format!("/v1/status/pending/{}", held["pending"].as_str().unwrap());
    assert_eq!(reader.get("/v1/status/pending").await.expect(200).json()["items"][0]["act"], "incident-open");
    support.ask("DELETE", &pending).await.expect(204);
    support.ask("DELETE", &pending).await.refused(404, "not-found");
    assert_eq!(reader.get("/v1/status/incidents").await.expect(200).json()["items"], json!([]));

    let opened = support.post("/v1/status/incidents", &incident()).header("idempotency-key", "a").await.expect(201);
    let again = support.post("/v1/status/incidents", &incident()).header("idempotency-key", "a").await.expect(200);
    assert_eq!((&again.json()["state"], &again.json()["id"]), (&json!("known"), &opened.json()["id"]));
    let place = opened.header("location").to_owned();
    let update = json!({ "status": "monitoring", "body": { "sv": "Vi ser om det håller." }, "hold": 0 });
    let updates = format!("{place}/updates");
    let answer = support.post(&updates, &update).header("if-match", "\"1\"").await.expect(200);
    assert_eq!(answer.header("etag"), "\"2\"");
    let stale = support.post(&updates, &update).header("if-match", "\"1\"").await.refused(412, "stale-version");
    assert_eq!(stale["currentETag"], "\"2\"");
    let resolved = json!({ "status": "resolved", "body": { "sv": "Inloggningen fungerar." }, "hold": 0 });
    support.post(&updates, &resolved).await.expect(200);
    support.post(&updates, &update).await.refused(409, "status-over");
    let incident = reader.get(&place).await.expect(200).json();
    assert_eq!(
        (&incident["status"], &incident["impact"], &incident["revision"]),
        (&json!("resolved"), &json!("none"), &json!(3))
    );
    assert_eq!(incident["updates"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_breaks_the_rules_is_told_all_at_once_with_its_places() {
    let gateway = Gateway::start();
    let support = gateway.card("support");
    let mut body = incident();
    body["title"]["sv"] = json!("Två\nrader");
    body["affected"] = json!([{ "component": "nothing", "status": "under_maintenance" }]);
    body["expectedEnd"] = json!("2020-01-01 08:00");
    let refused = support.post("/v1/status/incidents", &body).await.refused(422, "status-unfit");
    let told: Vec<_> = refused["violations"].as_array().unwrap().iter().map(|v| (&v["pointer"], &v["code"])).collect();
    let expected = [
        ("/title/sv", "forbidden-character"),
        ("/affected/0", "not-under-maintenance"),
        ("/affected/0", "unknown-component"),
        ("/expectedEnd", "not-ahead"),
    ]
    .map(|(pointer, code)| (json!(pointer), json!(code)));
    assert_eq!(told, expected.each_ref().map(|(pointer, code)| (pointer, code)));
    // A night of spring has no half past two.
    let skipped = window("2027-03-28 02:30", "2027-03-28 05:00");
    let refused = support.post("/v1/status/maintenances", &skipped).await;
    let refused = refused.refused(422, "malformed-value");
    assert_eq!(refused["violations"][0]["pointer"], "/scheduledFor");
    assert!(refused["violations"][0]["message"].as_str().unwrap().contains("2027-03-28 01:59"), "{refused}");
    let soon = window("2020-01-01 08:00", "2020-01-01 09:00");
    let refused = support.post("/v1/status/maintenances", &soon).await.refused(422, "status-unfit");
    assert_eq!(refused["violations"][0]["code"], "window");
}

#[tokio::test]
async fn an_operator_opens_updates_and_resolves_from_the_command_line_and_reads_sentences() {
    let gateway = Gateway::start();
    let open = ["incident", "open", "--title", "BankID svarar inte", "--audience", "public", "--text", "Vänta."];
    let refused = gateway.operate(&[&open[..], &["--component", "bank=major_outage"]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("/affected/0: There is no such component"), "{refused:?}");
    let refused = gateway.operate(&[&open[..], &["--component", "bankid"]].concat());
    assert_eq!(refused.status.code(), Some(64), "{refused:?}");
    let with = ["--component", "bankid=major_outage"];
    let preview = gateway.operate(&[&open[..], &with, &["--preview"]].concat());
    let told = text(&preview.stdout);
    assert!(told.starts_with("Nothing was done. It would be told as opened: BankID svarar inte (BankID).\n"), "{told}");
    assert!(told.contains("Mailed to 0 at once") && told.contains("[sv] Pågår: BankID svarar inte"), "{told}");
    assert!(told.contains("\n[en] "), "who reads English is shown too: {told}");
    let held = gateway.operate(&[&open[..], &with].concat());
    assert!(text(&held.stdout).contains("budkavle pending take-back"), "{held:?}");
    let pending = gateway.operated(&["pending", "list"])[0]["id"].as_str().unwrap().to_owned();
    let taken = gateway.operate(&["pending", "take-back", &pending]);
    assert!(text(&taken.stdout).starts_with("Taken back: incident-open"), "{taken:?}");
    let opened = gateway.operated(&[&open[..], &with, &["--hold", "0"]].concat());
    let id = opened["id"].as_str().unwrap();
    let update = ["incident", "update", id, "--component", "e-tjanster=partial_outage", "--text", "Vi vet varför."];
    gateway.operated(&[&update[..], &["--status", "identified", "--hold", "0", "--no-mail"]].concat());
    let listed = gateway.operated(&["incident", "list"]);
    assert_eq!(listed[0]["components"], json!(["bankid=major_outage", "e-tjanster=partial_outage"]));
    assert_eq!((&listed[0]["status"], &listed[0]["impact"]), (&json!("identified"), &json!("critical")));
    let resolve = gateway.operate(&["incident", "resolve", id, "--text", "Klart.", "--hold", "0"]);
    assert_eq!(text(&resolve.stdout), format!("Published: {id}, revision 3. Subscribers are mailed.\n"));
    assert_eq!(gateway.operated(&["incident", "list"]), json!([]));
    let correct = ["incident", "correct", id, "--update", "2", "--text", "Rättat.", "--hold", "0"];
    gateway.operated(&correct);
    let shown = gateway.operated(&["incident", "show", id]);
    assert_eq!((&shown["updates"][3]["corrects"], &shown["status"]), (&json!(2), &json!("resolved")));
}

/// A gateway whose clock stands at noon of a day in the year 2031, far from what the wall shows.
fn in_2031() -> Gateway {
    let gateway = Gateway::start();
    gateway.operated(&["clock", "set", "2031-10-01T10:00:00Z"]);
    gateway
}

#[tokio::test]
async fn a_window_over_the_night_that_is_an_hour_longer_begins_and_ends_by_the_clock() {
    let gateway = in_2031();
    let reader = gateway.receiver();
    let schedule = ["maintenance", "schedule", "--title", "Uppgradering", "--audience", "staff", "--component", "hsa"];
    let rest = ["--text", "Katalogen är stängd.", "--until", "2031-10-26 04:00", "--hold", "0"];
    let twice = gateway.operate(&[&schedule[..], &rest, &["--from", "2031-10-26 02:30"]].concat());
    assert_eq!(twice.status.code(), Some(64));
    assert!(text(&twice.stderr).contains("2031-10-26T02:30:00+02:00 for the first"), "{twice:?}");
    let planned = [&schedule[..], &rest, &["--from", "2031-10-26 01:00"]].concat();
    let told = text(&gateway.operate(&[&planned[..], &["--preview"]].concat()).stdout);
    assert!(told.contains("subscribers are mailed on Sunday 19 October, 01:00 (CEST, UTC+2), seven days"), "{told}");
    let planned = gateway.operated(&planned);
    assert_eq!(planned["firstMailAt"], "2031-10-18T23:00:00Z");
    let id = planned["id"].clone();
    let path = format!("/v1/status/maintenances/{}", id.as_str().unwrap());
    let window = reader.get(&path).await.expect(200).json();
    let times = (&window["scheduledFor"], &window["scheduledUntil"], &window["isAnnounced"]);
    assert_eq!(times, (&json!("2031-10-25T23:00:00Z"), &json!("2031-10-26T03:00:00Z"), &json!(false)));
    for (now, status) in [
        ("2031-10-18T23:00:00Z", "scheduled"),
        ("2031-10-25T23:00:00Z", "in_progress"),
        ("2031-10-26T02:59:00Z", "in_progress"),
        ("2031-10-26T03:00:00Z", "completed"),
    ] {
        gateway.operated(&["clock", "set", now]);
        let what = format!("{status} at {now}");
        until(&what, Duration::from_secs(10), async || {
            let window = reader.get(&path).await.expect(200).json();
            (window["status"] == status && window["isAnnounced"] == true).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_window_that_passed_while_the_gateway_was_stopped_is_caught_up_with_in_order() {
    let gateway = in_2031();
    let support = gateway.card("support");
    let window = window("2031-10-20T20:00:00Z", "2031-10-20T22:00:00Z");
    let told = support.post("/v1/status/maintenances", &window).await.expect(201);
    assert_eq!(told.json()["firstMailAt"], "2031-10-13T20:00:00Z");
    let place = told.header("location").to_owned();
    let gateway = gateway.restarted();
    gateway.operated(&["clock", "set", "2031-10-24T08:00:00Z"]);
    let reader = gateway.receiver();
    let caught_up = until("it is completed", Duration::from_secs(10), async || {
        let window = reader.get(&place).await.expect(200).json();
        (window["status"] == "completed").then_some(window)
    });
    let window = caught_up.await;
    assert_eq!(
        (&window["startedAt"], &window["endedAt"]),
        (&json!("2031-10-20T20:00:00Z"), &json!("2031-10-20T22:00:00Z"))
    );
    let updates = window["updates"].as_array().unwrap().iter().map(|update| (&update["status"], &update["by"]));
    let expected = [("scheduled", "TSTNMT2321000156-1006"), ("in_progress", "clock"), ("completed", "clock")];
    let expected = expected.map(|(status, by)| (json!(status), json!(by)));
    assert!(updates.eq(expected.each_ref().map(|(status, by)| (status, by))), "{window}");
}

#[tokio::test]
async fn a_held_notice_is_published_by_the_clock_though_the_gateway_stopped_meanwhile() {
    let gateway = Gateway::start();
    let mut held = incident();
    held["hold"] = json!(2);
    let held = gateway.card("support").post("/v1/status/incidents", &held).await.expect(202).json();
    let path = format!("/v1/status/incidents/{}", held["id"].as_str().unwrap());
    gateway.receiver().get(&path).await.refused(404, "not-found");
    let gateway = gateway.restarted();
    let reader = gateway.receiver();
    let published = until("the hold has passed", Duration::from_secs(20), async || {
        let answer = reader.get(&path).await;
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!(published.await["status"], "investigating");
    assert_eq!(reader.get("/v1/status/pending").await.expect(200).json()["items"], json!([]));
}

#[tokio::test]
async fn a_clock_is_moved_forwards_only() {
    let gateway = Gateway::start();
    let now = gateway.operated(&["clock", "advance", "1h"]);
    assert!(now["now"].is_string());
    let back = gateway.operate(&["clock", "set", "2020-01-01T00:00:00Z"]);
    assert!(text(&back.stderr).contains("forwards only"), "{back:?}");
}

#[tokio::test]
async fn a_series_is_shown_before_it_is_begun_with_its_windows_and_who_would_hear_of_them() {
    let gateway = in_2031();
    let support = gateway.card("support");
    let list = gateway.region.path("subscribers.csv");
    std::fs::write(&list, "address,language,targets,dailyAt\ntolvan@example.test,sv,all,\n").unwrap();
    let import = ["subscriber", "import", list.to_str().unwrap(), "--source", "test", "--confirmed"];
    assert!(gateway.operate(&import).status.success());
    let mut plan = series();
    for (member, value) in [("first", json!("2031-10-14")), ("nth", json!(null)), ("every", json!(1))] {
        plan[member] = value;
    }
    // The addresses of a file are the public's.
    plan["audience"] = json!("public");
    plan["affected"] = json!([{ "component": "e-tjanster", "status": "under_maintenance" }]);
    let seen = support.post("/v1/status/series?preview=true", &plan).await.expect(200).json();
    // Tuesdays of the next 35 days: 14, 21 and 28 October, 4 November.
    assert_eq!(seen["planned"].as_array().unwrap().len(), 4, "{seen}");
    assert_eq!(seen["planned"][2], json!({ "from": "2031-10-28T21:00:00Z", "until": "2031-10-28T22:00:00Z" }));
    assert_eq!((&seen["event"]["recipients"]["atOnce"], &seen["changed"]), (&json!(1), &json!(0)));
    assert_eq!(seen["firstMailAt"], "2031-10-07T20:00:00Z");
    assert_eq!(support.get("/v1/status/series").await.expect(200).json()["items"], json!([]), "nothing was done");

    let begun = support.post("/v1/status/series", &plan).await.expect(201);
    let path = begun.header("location").to_owned();
    until("its windows are planned", Duration::from_secs(10), async || {
        let listed = support.get("/v1/status/maintenances").await.expect(200).json();
        (listed["items"].as_array().unwrap().len() == 4).then_some(())
    })
    .await;
    let reason = json!({ "body": { "sv": "Behövs inte mer." } });
    let seen = support.post(&format!("{path}/ending?preview=true"), &reason).await.expect(200).json();
    assert_eq!((&seen["cancelled"], &seen["planned"]), (&json!(4), &json!([])), "{seen}");
    let id = path.rsplit('/').next().unwrap();
    let told = text(&gateway.operate(&["series", "end", id, "--text", "Slut.", "--preview"]).stdout);
    assert!(told.contains("0 windows would be scheduled now, 0 changed, 4 cancelled"), "{told}");
    let listed = support.get("/v1/status/maintenances").await.expect(200).json();
    assert!(listed["items"].as_array().unwrap().iter().all(|one| one["status"] == "scheduled"), "{listed}");
}
