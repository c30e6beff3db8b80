//! The way of a case, from the portal to the clinic and back, and what a portal can rely on meanwhile.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::client::{Answer, Caller};
use crate::common::{
    CITIZEN, CITIZEN_NAME, CLINIC, Gateway, HANDLER, OTHER_CLINIC, OTHER_HANDLER, RECEIVER, Region, act, distributed,
    form, received, submission, submit, until, write,
};

fn strings<'a>(items: &'a Value, member: &str) -> Vec<&'a str> {
    items.as_array().unwrap().iter().map(|item| item[member].as_str().unwrap()).collect()
}

async fn read(who: &Caller, case: &str) -> Value {
    who.get(&format!("/v1/cases/{case}")).await.expect(200).json()
}

async fn inbox(who: &Caller, list: &str) -> Value {
    who.get(&format!("/v1/inbox?clinic={CLINIC}&list={list}")).await.expect(200).json()["items"].clone()
}

async fn events(portal: &Caller, query: &str) -> Value {
    portal.get(&format!("/v1/events{query}")).await.expect(200).json()
}

fn answer() -> Value {
    json!({ "response": form("fornya-recept.answer") })
}

#[tokio::test]
async fn a_case_goes_its_whole_way_and_the_portal_hears_of_every_step() {
    let gateway = Gateway::start();
    let (portal, receiver, handler) = (gateway.portal(), gateway.receiver(), gateway.handler());
    let case = received(&portal, "1").await;
    assert_eq!(strings(&inbox(&receiver, "undistributed").await, "id"), [&case]);

    act(&receiver, &case, "distribution", &json!({ "handler": HANDLER })).await.expect(200);
    assert_eq!(strings(&inbox(&handler, "mine").await, "id"), [&case]);
    let seen = read(&handler, &case).await;
    assert_eq!(seen["citizen"]["name"], CITIZEN_NAME);
    assert_eq!(seen["documents"][0]["response"], form("fornya-recept.question"));

    act(&handler, &case, "interim-answer", &json!({ "text": "Vi tittar på det." })).await.expect(200);
    act(&handler, &case, "question", &json!({ "text": "Vilken styrka?" })).await.expect(200);
    assert_eq!(strings(&inbox(&receiver, "awaiting-citizen").await, "id"), [&case]);
    assert_eq!(read(&portal, &case).await["awaiting"], "citizen");
    let reply = write(&portal, &case, "2", "500 mg").await.expect(201).json();
    assert_eq!((&reply["document"], &reply["receipt"]["sequence"]), (&json!(3), &json!(2)));
    assert_eq!(read(&handler, &case).await["awaiting"], "staff");

    act(&handler, &case, "answer", &answer()).await.expect(200);
    let seen = read(&portal, &case).await;
    assert_eq!((&seen["state"], &seen["awaiting"]), (&json!("answered"), &Value::Null));
    assert_eq!(seen["documents"][4]["response"], form("fornya-recept.answer"));
    act(&handler, &case, "answer", &answer()).await.expect(200);

    write(&portal, &case, "3", "En sak till.").await.expect(201);
    let seen = read(&handler, &case).await;
    assert_eq!((&seen["state"], &seen["handler"]), (&json!("distributed"), &json!(HANDLER)));
    act(&handler, &case, "answer", &answer()).await.expect(200);

    let seen = read(&portal, &case).await;
    assert_eq!(
        strings(&seen["documents"], "kind"),
        ["submission", "interim-answer", "question", "message", "answer", "correction", "message", "answer"]
    );
    let feed = events(&portal, "").await;
    assert_eq!(
        strings(&feed["items"], "type"),
        [
            "received",
            "distributed",
            "interim-answer",
            "question",
            "message-received",
            "answered",
            "corrected",
            "reopened",
            "answered"
        ]
    );
    assert!(strings(&feed["items"], "caseId").iter().all(|id| *id == case));
}

#[tokio::test]
async fn a_move_ends_the_former_handlers_access() {
    let gateway = Gateway::start();
    let (portal, receiver) = (gateway.portal(), gateway.receiver());
    let (handler, other) = (gateway.handler(), gateway.other_handler());
    let case = distributed(&gateway, "1").await;
    let path = format!("/v1/cases/{case}");
    other.get(&path).await.refused(404, "not-found");

    let moved = act(&handler, &case, "distribution", &json!({ "handler": OTHER_HANDLER })).await.expect(200).json();
    assert_eq!(moved["handler"], OTHER_HANDLER);
    handler.get(&path).await.refused(404, "not-found");
    act(&other, &case, "return", &Value::Null).await.expect(200);
    other.get(&path).await.refused(404, "not-found");
    assert_eq!(read(&receiver, &case).await["state"], "received");

    let moved = act(&receiver, &case, "forwarding", &json!({ "clinic": OTHER_CLINIC })).await.expect(200).json();
    assert_eq!((&moved["clinic"], &moved["state"]), (&json!(OTHER_CLINIC), &json!("received")));
    receiver.get(&path).await.refused(404, "not-found");
    assert_eq!(read(&portal, &case).await["clinic"], OTHER_CLINIC);
    assert_eq!(
        strings(&events(&portal, "").await["items"], "type"),
        ["received", "distributed", "redistributed", "returned", "forwarded"]
    );
}

#[tokio::test]
async fn a_receiver_answers_after_taking_the_case() {
    let gateway = Gateway::start();
    let receiver = gateway.receiver();
    let case = received(&gateway.portal(), "1").await;
    let told = act(&receiver, &case, "question", &json!({ "text": "?" })).await.refused(403, "not-permitted");
    assert!(told["detail"].as_str().unwrap().contains("fördela det till dig själv"), "{told}");
    act(&receiver, &case, "distribution", &json!({ "handler": RECEIVER })).await.expect(200);
    act(&receiver, &case, "answer", &answer()).await.expect(200);
}

#[tokio::test]
async fn a_case_is_distributed_only_to_somebody_who_may_handle_it() {
    let gateway = Gateway::start();
    let receiver = gateway.receiver();
    let case = received(&gateway.portal(), "1").await;
    for (person, code) in [
        ("TSTNMT2321000156-1999", "handler-unknown"),
        (crate::common::ADMINISTRATOR, "handler-without-role"),
        ("TSTNMT2321000156-1008", "handler-without-role"),
    ] {
        let told = act(&receiver, &case, "distribution", &json!({ "handler": person })).await.refused(422, code);
        assert_eq!(told["violations"][0]["pointer"], "/handler");
    }
    for clinic in [CLINIC, "TSTNMT2321000156-Z999"] {
        let told = act(&receiver, &case, "forwarding", &json!({ "clinic": clinic })).await;
        told.refused(422, "clinic-unknown-target");
    }
    assert_eq!(read(&receiver, &case).await["state"], "received");
}

#[tokio::test]
async fn a_case_closed_without_an_answer_shows_the_citizen_why_and_takes_no_more_words() {
    let gateway = Gateway::start();
    let (portal, receiver) = (gateway.portal(), gateway.receiver());
    let case = received(&portal, "1").await;
    act(&receiver, &case, "closure", &json!({ "reason": " " })).await.refused(422, "reason-required");
    act(&receiver, &case, "closure", &json!({ "reason": "Samma ärende finns redan." })).await.expect(200);
    let seen = read(&portal, &case).await;
    assert_eq!((&seen["state"], &seen["closureReason"]), (&json!("closed"), &json!("Samma ärende finns redan.")));
    write(&portal, &case, "2", "Hallå?").await.refused(409, "case-closed");
    act(&receiver, &case, "distribution", &json!({ "handler": HANDLER })).await.refused(409, "case-closed");
}

#[tokio::test]
async fn a_citizen_takes_a_case_back_until_it_is_answered() {
    let gateway = Gateway::start();
    let (portal, handler) = (gateway.portal(), gateway.handler());
    let withdraw = async |case: &str| portal.ask("POST", &format!("/v1/cases/{case}/withdrawal")).await;
    let taken = distributed(&gateway, "1").await;
    let told = withdraw(&taken).await.expect(200).json();
    assert_eq!(told["state"], "withdrawn");
    assert_eq!(withdraw(&taken).await.expect(200).json()["etag"], told["etag"], "twice is once");
    let told = act(&handler, &taken, "answer", &answer()).await.refused(409, "wrong-state");
    assert_eq!(told["state"], "withdrawn");

    let answered = distributed(&gateway, "2").await;
    act(&handler, &answered, "answer", &answer()).await.expect(200);
    withdraw(&answered).await.refused(409, "wrong-state");
    assert_eq!(read(&portal, &answered).await["state"], "answered");
}

#[tokio::test]
async fn http_1_1_carries_a_case_as_well_and_a_case_keeps_the_channel_it_came_by() {
    let gateway = Gateway::start();
    let (system, handler) = (gateway.staff_system().http1(), gateway.handler().http1());
    let case = received(&system, "1").await;
    act(&gateway.receiver().http1(), &case, "distribution", &json!({ "handler": HANDLER })).await.expect(200);
    act(&handler, &case, "answer", &answer()).await.expect(200);
    let seen = read(&system, &case).await;
    assert_eq!((&seen["channel"], &seen["state"]), (&json!("staff"), &json!("answered")));
    gateway.portal().get(&format!("/v1/cases/{case}")).await.refused(404, "not-found");
}

#[tokio::test]
async fn a_poll_that_waits_is_woken_by_the_event() {
    let gateway = Gateway::start();
    let portal = gateway.portal();
    let next = events(&portal, "").await["next"].as_str().unwrap().to_owned();
    let began = Instant::now();
    let (page, case) = tokio::join!(events(&portal, "?wait=30"), async {
        // Answered on the same connection after the poll began.
        portal.get("/v1/whoami").await.expect(200);
        received(&portal, "1").await
    });
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(strings(&page["items"], "caseId"), [&case]);
    assert_ne!(page["next"], next);
}

#[tokio::test]
async fn a_poll_for_which_nothing_comes_answers_when_its_time_is_up() {
    let gateway = Gateway::start();
    let portal = gateway.portal();
    received(&portal, "1").await;
    let next = events(&portal, "").await["next"].as_str().unwrap().to_owned();
    let began = Instant::now();
    let page = events(&portal, &format!("?after={next}&wait=1")).await;
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(page, json!({ "items": [], "next": next }));
}

#[tokio::test]
async fn a_cursor_goes_on_exactly_where_it_left_off_and_each_portal_has_a_feed_of_its_own() {
    let gateway = Gateway::start();
    let portal = gateway.portal();
    for key in ["1", "2", "3", "4", "5"] {
        received(&portal, key).await;
    }
    received(&gateway.staff_system(), "1").await;
    let (mut sequences, mut after) = (Vec::new(), String::new());
    for _ in 0..4 {
        let page = events(&portal, &format!("?limit=2{after}")).await;
        sequences.extend(page["items"].as_array().unwrap().iter().map(|item| item["seq"].as_u64().unwrap()));
        after = format!("&after={}", page["next"].as_str().unwrap());
    }
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
    portal.get("/v1/events?after=1-6").await.refused(400, "cursor-malformed");
    portal.get("/v1/events?after=9-1").await.refused(400, "cursor-malformed");
}

/// The chain as the description of the API tells it, computed here from what was sent.
#[tokio::test]
async fn a_days_reconciliation_equals_the_receipts_and_the_chain_recomputed() {
    let gateway = Gateway::start();
    let portal = gateway.portal();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut chain = [0; 32].to_vec();
    let mut last = Value::Null;
    for sequence in 1_u64..=5 {
        let body = submission("kontakta-mig");
        let told = submit(&portal, &sequence.to_string(), &body).await.expect(201).json();
        // Neither a replay nor a refusal counts.
        submit(&portal, &sequence.to_string(), &body).await.expect(201);
        submit(&portal, "bad", &json!({})).await.expect(422);
        let sent = digest(&SHA256, body.to_string().as_bytes());
        let link = [&chain, sent.as_ref(), &sequence.to_be_bytes()].concat();
        chain = digest(&SHA256, &link).as_ref().to_vec();
        let receipt = json!({
            "epoch": 1,
            "sequence": sequence,
            "digest": format!("sha256:{}", hex(sent.as_ref())),
            "chain": format!("sha256:{}", hex(&chain)),
        });
        assert_eq!(told["receipt"], receipt);
        last = told;
    }
    let at: jiff::Timestamp = last["receivedAt"].as_str().unwrap().parse().unwrap();
    let date = at.in_tz("Europe/Stockholm").unwrap().date();
    let day = portal.get(&format!("/v1/reconciliation?date={date}")).await.expect(200).json();
    assert_eq!((&day["count"], &day["firstSequence"], &day["lastSequence"]), (&json!(5), &json!(1), &json!(5)));
    assert_eq!(day["chainBefore"], format!("sha256:{}", "0".repeat(64)));
    assert_eq!(day["chainAfter"], last["receipt"]["chain"]);
    let next = portal.get(&format!("/v1/reconciliation?date={}", date.tomorrow().unwrap())).await.expect(200).json();
    assert_eq!((&next["count"], &next["chainBefore"]), (&json!(0), &day["chainAfter"]));
}

#[tokio::test]
async fn the_same_key_and_body_get_the_same_answer_and_another_body_is_refused() {
    let gateway = Gateway::start();
    let portal = gateway.portal();
    let body = submission("fornya-recept");
    let first = submit(&portal, "key", &body).await.expect(201);
    assert_eq!(first.header("idempotency-status"), "");
    let again = submit(&portal, "key", &body).await.expect(201);
    assert_eq!(again.header("idempotency-status"), "replayed");
    assert_eq!((again.json(), again.header("location")), (first.json(), first.header("location")));
    submit(&portal, "key", &submission("kontakta-mig")).await.refused(422, "idempotency-key-reused");
    portal.post("/v1/cases", &body).await.refused(400, "idempotency-key-missing");
    submit(&portal, "no spaces", &body).await.refused(400, "idempotency-key-malformed");
    // A key belongs to its portal and its address.
    let other = submit(&gateway.staff_system(), "key", &body).await.expect(201).json();
    assert_ne!(other["id"], first.json()["id"]);
    let case = first.json()["id"].as_str().unwrap().to_owned();
    let message = write(&portal, &case, "key", "Hej").await.expect(201).json();
    assert_eq!(write(&portal, &case, "key", "Hej").await.expect(201).json(), message);
    assert_eq!(read(&portal, &case).await["documents"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn of_many_at_once_with_one_key_one_is_carried_out() {
    let gateway = Gateway::start();
    let callers: Vec<_> = (0..8).map(|_| gateway.portal()).collect();
    let body = submission("fornya-recept");
    let answers: Vec<Answer> =
        futures_util::future::join_all(callers.iter().map(|portal| submit(portal, "key", &body))).await;
    let mut made = BTreeSet::new();
    let mut first = 0;
    for answer in answers {
        match answer.status {
            201 => {
                first += usize::from(answer.header("idempotency-status").is_empty());
                made.insert(answer.json()["id"].as_str().unwrap().to_owned());
            }
            _ => assert_eq!(answer.refused(409, "idempotency-key-in-progress")["code"], "idempotency-key-in-progress"),
        }
    }
    assert_eq!((first, made.len()), (1, 1));
    assert_eq!(inbox(&gateway.receiver(), "undistributed").await.as_array().unwrap().len(), 1);
}

/// Not a conflict with oneself: the first try may come through after its caller has gone.
#[tokio::test]
async fn who_hangs_up_and_asks_again_gets_the_one_case_that_came_of_it() {
    const ROUNDS: u64 = 40;
    let gateway = Region::prepare().with("[limits]\ncitizen-per-hour = 1000\n").run();
    for round in 0..ROUNDS {
        let mut body = submission("kontakta-mig");
        body["senderReference"] = json!(format!("reference-{round}"));
        let key = format!("key-{round}");
        // A little later each time: somewhere on the way is the commit.
        let patience = Duration::from_micros(50 * round);
        let (hasty, again) = (gateway.portal(), gateway.portal());
        // Their connections stand already: what is timed is the request alone.
        hasty.get("/v1/api-info").await.expect(200);
        again.get("/v1/api-info").await.expect(200);
        let _ = tokio::time::timeout(patience, submit(&hasty, &key, &body)).await;
        until("an answer", Duration::from_secs(10), async || {
            let answer = submit(&again, &key, &body).await;
            match answer.status {
                201 => Some(()),
                _ => {
                    answer.refused(409, "idempotency-key-in-progress");
                    None
                }
            }
        })
        .await;
    }
    let search = json!({ "limit": 100 });
    let found = gateway.portal().post("/v1/cases/search", &search).await.expect(200).json();
    assert_eq!(found["items"].as_array().unwrap().len() as u64, ROUNDS);
}

#[tokio::test]
async fn a_senders_reference_used_again_leads_to_the_case_that_has_it() {
    let gateway = Gateway::start();
    let portal = gateway.portal();
    let mut body = submission("fornya-recept");
    body["senderReference"] = json!("portal-8841");
    let first = submit(&portal, "1", &body).await.expect(201);
    let told = submit(&portal, "2", &body).await.refused(409, "sender-reference-reused");
    assert_eq!(told["case"], first.header("location"));
    portal.get(told["case"].as_str().unwrap()).await.expect(200);
    submit(&gateway.staff_system(), "1", &body).await.expect(201);
    assert!(!told.to_string().contains("portal-8841"));
}

#[tokio::test]
async fn a_patient_with_a_reserve_number_is_found_by_register_and_number_and_by_neither_alone() {
    let gateway = Gateway::start();
    let portal = gateway.portal();
    let oid = |last: &str| format!("urn:oid:1.2.752.{last}");
    let (gotland, local) = (oid("113.11.0.2.1.1.1"), oid("129.2.1.2.1"));
    let interim = "TSTNMT2321000156-A001:20000101T220";
    let mut cases = Vec::new();
    for (key, system, pasted) in [("1", &gotland, "\u{a0}19810829\u{2013}m071"), ("2", &local, interim)] {
        let mut body = submission("kontakta-mig");
        body["citizen"]["identifier"] = json!({ "system": system, "value": pasted });
        cases.push(submit(&portal, key, &body).await.expect(201).json()["id"].as_str().unwrap().to_owned());
    }
    for (system, value, found) in [
        (&gotland, "19810829M071", vec![&cases[0]]),
        (&local, "TSTNMT2321000156-A001:19810829M071", vec![]),
        (&local, "TSTNMT2321000156-A002:20000101T220", vec![]),
        (&local, interim, vec![&cases[1]]),
    ] {
        let question = json!({ "citizen": { "system": system, "value": value } });
        let page = portal.post("/v1/cases/search", &question).await.expect(200).json();
        assert_eq!(strings(&page["items"], "id"), found, "{question}");
    }
    let read = read(&portal, &cases[0]).await;
    assert_eq!(read["citizen"]["identifier"], json!({ "system": gotland, "value": "19810829M071" }));
}

#[tokio::test]
async fn a_search_finds_what_fits_and_the_searcher_may_see_without_what_was_written() {
    let gateway = Gateway::start();
    let (portal, receiver) = (gateway.portal(), gateway.receiver());
    let given = distributed(&gateway, "1").await;
    let waiting = received(&portal, "2").await;
    let foreign = received(&gateway.staff_system(), "1").await;
    let citizen = json!({ "system": "urn:oid:1.2.752.129.2.1.3.1", "value": CITIZEN });
    let nobody = json!({ "system": "urn:oid:1.2.752.129.2.1.3.3", "value": "198001910002" });
    let received_at = read(&portal, &waiting).await["receivedAt"].clone();
    for (who, question, found) in [
        (&portal, json!({}), vec![&given, &waiting]),
        (&portal, json!({ "citizen": citizen }), vec![&given, &waiting]),
        (&portal, json!({ "citizen": nobody }), vec![]),
        (&portal, json!({ "states": ["received"] }), vec![&waiting]),
        (&portal, json!({ "receivedFrom": received_at }), vec![&waiting]),
        (&portal, json!({ "receivedBefore": received_at }), vec![&given]),
        (&receiver, json!({ "clinic": CLINIC }), vec![&given, &waiting, &foreign]),
        (&receiver, json!({ "clinic": CLINIC, "handler": HANDLER }), vec![&given]),
        (&receiver, json!({ "citizen": citizen, "states": ["received"] }), vec![&waiting, &foreign]),
        (&gateway.handler(), json!({}), vec![&given]),
        (&gateway.handler(), json!({ "citizen": citizen }), vec![&given]),
        (&gateway.other_handler(), json!({ "clinic": CLINIC }), vec![]),
    ] {
        let page = who.post("/v1/cases/search", &question).await.expect(200).json();
        assert_eq!(strings(&page["items"], "id"), found, "{question}");
        assert!(!page.to_string().contains("Metformin"), "{page}");
    }
    // Who may see that a case exists but not read it learns nobody's name.
    let page = gateway.card("manager").post("/v1/cases/search", &json!({ "clinic": CLINIC })).await.expect(200);
    assert_eq!(page.json()["items"].as_array().unwrap().len(), 3);
    assert!(!page.text().contains(CITIZEN) && !page.text().contains(CITIZEN_NAME), "{}", page.text());
}

#[tokio::test]
async fn the_inbox_turns_its_pages_in_the_order_of_the_promises() {
    let gateway = Gateway::start();
    let (portal, receiver) = (gateway.portal(), gateway.receiver());
    let types = ["fornya-recept", "bestall-tid", "kontakta-mig", "bestall-tid", "av-omboka-tid"];
    for (key, case_type) in types.iter().enumerate() {
        submit(&portal, &key.to_string(), &submission(case_type)).await.expect(201);
    }
    let (mut promises, mut ids, mut cursor) = (Vec::new(), BTreeSet::new(), String::new());
    let mut pages = 0;
    loop {
        let page = receiver.get(&format!("/v1/inbox?limit=2{cursor}")).await.expect(200).json();
        pages += 1;
        ids.extend(strings(&page["items"], "id").into_iter().map(str::to_owned));
        promises.extend(strings(&page["items"], "distributedBy").into_iter().map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((pages, ids.len()), (3, 5));
    assert!(promises.is_sorted() && promises.first() < promises.last(), "{promises:?}");
}

#[tokio::test]
async fn whoever_acts_names_the_version_that_was_seen() {
    let gateway = Gateway::start();
    let receiver = gateway.receiver();
    let case = received(&gateway.portal(), "1").await;
    let (path, body) = (format!("/v1/cases/{case}/distribution"), json!({ "handler": HANDLER }));
    receiver.post(&path, &body).await.refused(428, "if-match-required");
    let told = receiver.post(&path, &body).header("if-match", "\"7\"").await.refused(412, "stale-version");
    let current = told["currentETag"].as_str().unwrap();
    for odd in ["*", "W/\"1\"", "1", "\"1\", \"2\""] {
        receiver.post(&path, &body).header("if-match", odd).await.refused(412, "stale-version");
    }
    let read = receiver.get(&format!("/v1/cases/{case}")).await;
    assert_eq!(read.header("etag"), current, "reading changes nothing");
    let done = receiver.post(&path, &body).header("if-match", current).await.expect(200);
    assert_eq!(done.json()["etag"], done.header("etag"));
    receiver.post(&path, &body).header("if-match", current).await.refused(412, "stale-version");
}

#[tokio::test]
async fn a_citizen_may_come_back_only_within_the_follow_up_days() {
    let region = Region::prepare();
    let types = std::fs::read_to_string(region.path("region/case-types.json")).unwrap();
    std::fs::write(region.path("region/none.json"), types.replace("\"followUpDays\": 14", "\"followUpDays\": 0"))
        .unwrap();
    let gateway = region.run();
    let file = gateway.region.path("region/none.json");
    let put = gateway.operate(&["case-type", "put", file.to_str().unwrap()]);
    assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
    let case = distributed(&gateway, "1").await;
    act(&gateway.handler(), &case, "answer", &answer()).await.expect(200);
    let portal = gateway.portal();
    write(&portal, &case, "2", "Tack!").await.refused(409, "case-closed");
    assert_eq!(read(&portal, &case).await["state"], "closed");
}
