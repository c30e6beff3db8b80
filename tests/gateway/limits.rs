//! Every limit, driven through the door: whoever meets it is told for how long, waits exactly that, and comes in; all
//! others never notice.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Answer, Caller};
use crate::common::{CITIZEN, Gateway, Region, received, submission, submit, write};

fn limited(settings: &str) -> Gateway {
    Region::prepare().with(&format!("[limits]\n{settings}")).run()
}

/// Asks until the limit is met, and waits as long as the answer says.
async fn meet(code: &str, most: usize, mut ask: impl AsyncFnMut(usize) -> Answer) -> usize {
    for times in 0..most {
        let told = ask(times).await;
        if told.status != 429 {
            assert!(told.status < 300, "{}", told.text());
            continue;
        }
        let seconds: u64 = told.header("retry-after").parse().unwrap();
        assert!((1..=2).contains(&seconds), "{seconds}");
        assert_eq!(told.header("ratelimit"), format!("\"{code}\";r=0;t={seconds}"));
        told.refused(429, code);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        return times;
    }
    panic!("no limit in {most} requests")
}

#[tokio::test]
async fn a_certificate_that_asks_too_often_waits_and_another_does_not() {
    let gateway = limited("certificate-per-minute = 40");
    let (greedy, modest) = (gateway.receiver(), gateway.handler());
    let passed = meet("rate-limited", 60, async |_| {
        let told = greedy.get("/v1/whoami").await;
        if told.status == 429 {
            modest.get("/v1/whoami").await.expect(200);
        }
        told
    });
    assert!(passed.await >= 40);
    greedy.get("/v1/whoami").await.expect(200);
}

/// What is nowhere counts too: a search for open addresses is as bounded as everything else.
#[tokio::test]
async fn asking_for_what_is_not_there_draws_on_the_certificates_limit() {
    let gateway = limited("certificate-per-minute = 40");
    let portal = gateway.portal();
    for _ in 0..40 {
        portal.get("/v1/nothing").await.refused(404, "not-found");
    }
    portal.get("/v1/nothing").await.refused(429, "rate-limited");
    gateway.staff_system().get("/v1/nothing").await.refused(404, "not-found");
}

#[tokio::test]
async fn a_portal_that_submits_too_fast_waits_and_another_does_not() {
    let gateway = limited("submission-per-minute = 30\ncitizen-per-hour = 1000");
    let (greedy, modest) = (gateway.portal(), gateway.staff_system());
    let body = submission("kontakta-mig");
    let passed = meet("rate-limited", 40, async |times| submit(&greedy, &times.to_string(), &body).await).await;
    assert!(passed >= 30);
    submit(&greedy, &passed.to_string(), &body).await.expect(201);
    submit(&modest, "1", &body).await.expect(201);
    // Reading is not submitting.
    greedy.get("/v1/events").await.expect(200);
}

#[tokio::test]
async fn while_a_portal_waits_another_one_submits() {
    let gateway = limited("submission-per-minute = 2\ncitizen-per-hour = 1000");
    let (greedy, modest) = (gateway.portal(), gateway.staff_system());
    let body = submission("kontakta-mig");
    for key in ["1", "2"] {
        submit(&greedy, key, &body).await.expect(201);
    }
    submit(&greedy, "3", &body).await.refused(429, "rate-limited");
    submit(&modest, "1", &body).await.expect(201);
    let case = received(&modest, "2").await;
    write(&modest, &case, "1", "Också ett meddelande är ett inlämnande.").await.refused(429, "rate-limited");
}

fn about(identifier: &str, system: &str) -> Value {
    let mut body = submission("kontakta-mig");
    body["citizen"]["identifier"] =
        json!({ "system": format!("urn:oid:1.2.752.129.2.1.3.{system}"), "value": identifier });
    body.as_object_mut().unwrap().remove("contact");
    body
}

/// Sends as many at once as a connection takes, until one is refused.
async fn flood(portal: &Caller, body: &Value, most: usize) -> Answer {
    for batch in 0..most / 60 {
        let keys: Vec<String> = (0..60).map(|n| format!("{batch}-{n}")).collect();
        let answers = futures_util::future::join_all(keys.iter().map(|key| submit(portal, key, body))).await;
        if let Some(refused) = answers.into_iter().find(|answer| answer.status != 201) {
            return refused;
        }
    }
    panic!("no limit in {most} submissions")
}

#[tokio::test]
async fn a_citizen_about_whom_too_much_comes_is_protected_whichever_portal_sends_it() {
    let gateway = limited("citizen-per-hour = 1800\nsubmission-per-minute = 100000\ncertificate-per-minute = 100000");
    // Nobody wants 1,800 letters.
    let choice = json!({ "newCase": false, "assignedCase": false });
    gateway.receiver().put("/v1/me/notifications", &choice).header("if-match", "\"0\"").await.expect(204);
    let (portal, other) = (gateway.portal(), gateway.staff_system());
    let told = flood(&portal, &about(CITIZEN, "1"), 2_400).await;
    let seconds: u64 = told.header("retry-after").parse().unwrap();
    assert!((1..=2).contains(&seconds), "{seconds}");
    let told = told.refused(429, "citizen-limit");
    assert!(!told.to_string().contains(CITIZEN));
    submit(&other, "another", &about("198001910002", "3")).await.expect(201);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    submit(&other, "the-same", &about(CITIZEN, "1")).await.expect(201);
}

#[tokio::test]
async fn a_citizens_limit_is_one_for_all_portals() {
    let gateway = limited("citizen-per-hour = 1");
    submit(&gateway.portal(), "1", &about(CITIZEN, "1")).await.expect(201);
    let told = submit(&gateway.staff_system(), "1", &about(CITIZEN, "1")).await;
    assert_eq!(told.header("retry-after"), "3600");
    told.refused(429, "citizen-limit");
}

#[tokio::test]
async fn an_address_that_connects_too_often_is_not_even_shaken_hands_with() {
    let gateway = limited("address-per-minute = 60");
    let mut refused = false;
    for _ in 0..80 {
        // Each a connection of its own.
        refused = gateway.portal().get("/v1/api-info").attempt().await.is_err();
        if refused {
            break;
        }
    }
    assert!(refused);
    gateway.portal().from([127, 0, 0, 2]).get("/v1/api-info").await.expect(200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    gateway.portal().get("/v1/api-info").await.expect(200);
}

#[tokio::test]
async fn replays_have_a_limit_of_their_own_and_cost_no_submissions() {
    let gateway = limited("replay-per-minute = 30\nsubmission-per-minute = 2");
    let (portal, body) = (gateway.portal(), submission("kontakta-mig"));
    submit(&portal, "1", &body).await.expect(201);
    let passed = meet("replay-limited", 40, async |_| submit(&portal, "1", &body).await).await;
    assert!(passed >= 30);
    assert_eq!(submit(&portal, "1", &body).await.expect(201).header("idempotency-status"), "replayed");
    submit(&portal, "2", &body).await.expect(201);
    let system = gateway.staff_system();
    submit(&system, "1", &body).await.expect(201);
    submit(&system, "1", &body).await.expect(201);
}
