//! Who works where: staff brought in from files, what becomes of cases when somebody leaves, and what is shown of staff
//! whose identity is protected.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{CLINIC, Gateway, HANDLER, RECEIVER, Region, act, distributed, received, until};

/// What happens by itself has happened by then.
const SOON: Duration = Duration::from_secs(20);

/// The sample region's staff as a directory exports them, each line of the CSV file changed first.
pub fn ldif(region: &Region, change: impl Fn(&str) -> String) -> String {
    let mut out = String::from("version: 1\n\ndn: o=Region Test,c=SE\nobjectClass: organization\n\n");
    let csv = std::fs::read_to_string(region.path("region/directory.csv")).unwrap();
    let mut units = std::collections::BTreeSet::new();
    for line in csv.lines().skip(1).map(change).filter(|line| !line.is_empty()) {
        let [id, given, surname, title, mail, unit, start, end, protected] =
            line.split(',').collect::<Vec<_>>().try_into().unwrap();
        let above = format!("ou={unit},o=Region Test,c=SE");
        if units.insert(unit.to_owned()) {
            write!(out, "dn: {above}\nobjectClass: organizationalUnit\nobjectClass: hsaUnit\nou: {unit}\nhsaIdentity: {unit}\n\n").unwrap();
        }
        write!(out, "dn: cn={given} {surname},{above}\nobjectClass: inetOrgPerson\nobjectClass: hsaPerson\n").unwrap();
        write!(out, "cn: {given} {surname}\nhsaIdentity: {id}\ngivenName: {given}\nsn: {surname}\nhsaTitle: {title}\n")
            .unwrap();
        write!(out, "mail: {mail}\nhsaStartDate: {}000000Z\n", start.replace('-', "")).unwrap();
        if !end.is_empty() {
            writeln!(out, "hsaEndDate: {}225959Z", end.replace('-', "")).unwrap();
        }
        write!(out, "hsaProtectedPerson: {}\n\n", protected.to_uppercase()).unwrap();
    }
    out
}

/// Brings the whole directory in as LDIF.
fn import(gateway: &Gateway, change: impl Fn(&str) -> String) -> Value {
    let file = gateway.region.path("katalog.ldif");
    std::fs::write(&file, ldif(&gateway.region, change)).unwrap();
    gateway.operated(&["directory", "import", file.to_str().unwrap(), "--whole"])
}

pub async fn back_with_the_receivers(gateway: &Gateway, case: &str) {
    let path = format!("/v1/cases/{case}");
    until("the case is with the receivers", SOON, async || {
        let case = gateway.receiver().get(&path).await.expect(200).json();
        (case["state"] == "received" && case["handler"].is_null()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_handler_whose_post_ended_is_out_at_the_next_request_and_the_cases_are_back_with_the_receivers() {
    let gateway = Gateway::start();
    let case = distributed(&gateway, "1").await;
    // To the receiver for the new case, to the handler for the distributed one.
    gateway.letters(2).await;
    let handler = gateway.handler();
    let me = handler.get("/v1/whoami").await.expect(200).json();
    assert!(me["directoryAsOf"].is_string());
    let ended =
        |line: &str| if line.starts_with(HANDLER) { line.replace(",,false", ",2026-01-31,false") } else { line.into() };
    assert_eq!(import(&gateway, ended)["changed"], 1);
    // The same connection as before.
    assert_eq!(handler.get("/v1/whoami").await.refused(403, "rejected")["rejection"]["code"], "post-ended");
    back_with_the_receivers(&gateway, &case).await;
    let events = gateway.portal().get("/v1/events").await.expect(200).json();
    assert_eq!(events["items"].as_array().unwrap().last().unwrap()["type"], "returned");
    let seen = gateway.portal().get(&format!("/v1/cases/{case}")).await.expect(200).json();
    assert_eq!(seen["state"], "received");
    gateway.letters(3).await;
    let log = gateway.operated(&["access-log", "list"]);
    let line = log.as_array().unwrap().iter().find(|line| line["entry"]["act"] == "return: post-ended").unwrap();
    assert_eq!((&line["entry"]["who"], &line["entry"]["cases"][0]), (&json!("budkavle"), &json!(case)));
    let status = gateway.operated(&["directory", "status"]);
    assert_eq!((&status["source"], &status["posts"], &status["tooOld"]), (&json!("import"), &json!(9), &json!(false)));
    assert_eq!(gateway.operated(&["status"])["directory"], status);
}

#[tokio::test]
async fn a_kill_between_the_import_and_the_return_leaves_no_case_behind() {
    let gateway = Gateway::start();
    let case = distributed(&gateway, "1").await;
    import(&gateway, |line| if line.starts_with(HANDLER) { String::new() } else { line.into() });
    let gateway = gateway.restarted();
    back_with_the_receivers(&gateway, &case).await;
    let log = gateway.operated(&["access-log", "list"]);
    let returns = log.as_array().unwrap().iter().filter(|line| line["entry"]["act"] == "return: post-ended");
    assert_eq!(returns.count(), 1);
}

#[tokio::test]
async fn whoever_loses_the_role_loses_the_cases_too() {
    let gateway = Gateway::start();
    let case = distributed(&gateway, "1").await;
    gateway.operated(&["role", "revoke", "--clinic", CLINIC, "--person", HANDLER, "--role", "handler"]);
    back_with_the_receivers(&gateway, &case).await;
}

#[tokio::test]
async fn half_a_directory_puts_nobody_out_until_an_operator_accepts_the_loss() {
    let gateway = Gateway::start();
    let file = gateway.region.path("katalog.ldif");
    let few = ldif(&gateway.region, |line| if line.starts_with(RECEIVER) { line.to_owned() } else { String::new() });
    std::fs::write(&file, few).unwrap();
    let import = ["directory", "import", file.to_str().unwrap(), "--whole"];
    let refused = gateway.operate(&import);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("7 of 8") && told.contains("--accept-loss"), "{told}");
    gateway.handler().get("/v1/whoami").await.expect(200);
    assert_eq!(gateway.operated(&[&import[..], &["--accept-loss"]].concat())["removed"], 8);
    gateway.handler().get("/v1/whoami").await.refused(403, "rejected");
}

#[tokio::test]
async fn a_portal_learns_nothing_of_protected_staff_and_colleagues_see_who_has_the_case() {
    let gateway = Gateway::start();
    let protect = |line: &str| if line.starts_with(HANDLER) { line.replace("false", "true") } else { line.into() };
    import(&gateway, protect);
    let case = received(&gateway.portal(), "1").await;
    act(&gateway.receiver(), &case, "distribution", &json!({ "handler": HANDLER })).await.expect(200);
    act(&gateway.handler(), &case, "interim-answer", &json!({ "text": "Vi återkommer." })).await.expect(200);
    let path = format!("/v1/cases/{case}");
    let seen = gateway.portal().get(&path).await.expect(200).json();
    assert_eq!(seen["state"], "distributed");
    assert!(!seen.to_string().contains(HANDLER), "{seen}");
    assert!(seen.to_string().contains(RECEIVER), "who is not protected is seen as before");
    let found = gateway.portal().post("/v1/cases/search", &json!({})).await.expect(200).json();
    assert_eq!(found["items"][0]["id"], json!(case));
    assert!(!found.to_string().contains(HANDLER), "{found}");
    assert_eq!(gateway.receiver().get(&path).await.expect(200).json()["handler"], HANDLER);
    // What the support sees of a colleague who reports.
    let report = json!({ "kind": "user-support", "service": "e-tjanster", "text": "Hur byter jag språk?" });
    let reported = gateway.handler().post("/v1/tickets", &report).header("idempotency-key", "t").await.expect(201);
    let shown = gateway.card("support").get(reported.header("location")).await;
    let shown = shown.expect(200).json();
    assert_eq!(shown["reporter"]["name"], "Medarbetare med skyddade personuppgifter");
    assert!(shown["reporter"]["email"].is_null() && !shown.to_string().contains("Öberg"), "{shown}");
}
