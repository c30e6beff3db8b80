//! What operators do on the machine: the command line, with and without a running gateway.

use serde_json::{Value, json};

use crate::common::{
    CITIZEN, CITIZEN_NAME, CLINIC, Gateway, HANDLER, OTHER_CLINIC, OTHER_HANDLER, Region, act, budkavle,
    budkavle_reading, distributed, form, received, submission, submit,
};

const NEW_PORTAL: &str = "TSTNMT2321000156-P999";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn status_tells_doors_stores_region_and_letters_to_people_and_programs() {
    let gateway = Gateway::start();
    received(&gateway.portal(), "1").await;
    gateway.letters(1).await;
    let status = gateway.operated(&["status"]);
    let [portal, staff, public] =
        [gateway.portal_door, gateway.staff_door, gateway.public_door].map(|door| door.to_string());
    let card_test = gateway.card_test_door.map(|door| door.to_string());
    let doors = json!({ "portal": portal, "staff": staff, "public": public, "cardTest": card_test });
    assert_eq!((&status["doors"], &status["mode"]), (&doors, &json!("test")));
    assert_eq!(status["stores"], json!({ "cases": "working", "common": "working" }));
    assert_eq!(status["region"], json!({ "clinics": 2, "caseTypes": 9, "portals": 2, "roles": 10 }));
    let told = gateway.operate(&["status"]);
    assert!(text(&told.stdout).contains(&gateway.portal_door.to_string()));
}

#[test]
fn without_a_gateway_a_command_says_so_and_ends_with_69() {
    let region = Region::prepare();
    let told = budkavle(&["status", "--config", &region.config()]);
    assert_eq!(told.status.code(), Some(69));
    assert!(text(&told.stderr).contains("Is the gateway running?"));
    assert_eq!(budkavle(&["conquer"]).status.code(), Some(64));
}

#[tokio::test]
async fn a_system_sends_only_after_it_is_registered_and_only_what_it_may() {
    let gateway = Gateway::start();
    let stranger = gateway.stranger();
    let rejection = async || stranger.get("/v1/whoami").await.refused(403, "rejected")["rejection"]["code"].clone();
    assert_eq!(rejection().await, "portal-not-registered");
    let add = ["portal", "add", "--hsa-id", NEW_PORTAL, "--name", "Ny portal", "--channel", "citizen"];
    let scope = ["--clinic", CLINIC, "--case-type", "kontakta-mig"];
    gateway.operated(&[&add[..], &scope].concat());
    assert_eq!(stranger.get("/v1/whoami").await.expect(200).json()["portal"], "Ny portal");
    submit(&stranger, "1", &submission("kontakta-mig")).await.expect(201);
    let refused = submit(&stranger, "2", &submission("fornya-recept")).await.refused(403, "rejected");
    assert_eq!(refused["rejection"]["code"], "case-type-not-allowed");
    let mut elsewhere = submission("kontakta-mig");
    elsewhere["clinic"] = json!(OTHER_CLINIC);
    submit(&stranger, "3", &elsewhere).await.refused(403, "rejected");

    gateway.operated(&[&add[..], &scope, &["--suspended"]].concat());
    assert_eq!(rejection().await, "portal-suspended");
    assert_eq!(gateway.operated(&["portal", "list"]).as_array().unwrap().len(), 3);
    assert_eq!(
        gateway.operate(&["portal", "add", "--hsa-id", "x", "--name", "x", "--channel", "citizen"]).status.code(),
        Some(64)
    );
}

#[tokio::test]
async fn a_role_holds_from_the_moment_it_is_granted_until_it_is_revoked() {
    let gateway = Gateway::start();
    let case = received(&gateway.portal(), "1").await;
    let (path, other) = (format!("/v1/cases/{case}"), gateway.other_handler());
    other.get(&path).await.refused(404, "not-found");
    let of = |act| ["role", act, "--clinic", CLINIC, "--person", OTHER_HANDLER, "--role", "receiver"];
    assert_eq!(gateway.operated(&of("grant"))["roles"], json!(["receiver", "handler"]));
    other.get(&path).await.expect(200);
    gateway.operated(&of("grant"));
    assert_eq!(gateway.operated(&of("revoke"))["roles"], json!(["handler"]));
    other.get(&path).await.refused(404, "not-found");
    assert_eq!(gateway.operated(&["role", "list", "--clinic", CLINIC]).as_array().unwrap().len(), 5);
    // Nobody without a post, and no role that there is not.
    let unknown = ["role", "grant", "--clinic", CLINIC, "--person", "TSTNMT2321000156-1999", "--role", "receiver"];
    assert_eq!(gateway.operate(&unknown).status.code(), Some(1));
    let odd = ["role", "grant", "--clinic", CLINIC, "--person", HANDLER, "--role", "king"];
    assert_eq!(gateway.operate(&odd).status.code(), Some(64));
}

#[tokio::test]
async fn clinics_and_case_types_come_from_files_and_a_case_keeps_the_form_it_came_with() {
    let gateway = Gateway::start();
    let before = distributed(&gateway, "1").await;
    let region = |name: &str| gateway.region.path(&format!("region/{name}"));
    let clinics = std::fs::read_to_string(region("clinics.json")).unwrap();
    std::fs::write(region("clinics.json"), clinics.replace("Vårdcentralen Ängen", "Vårdcentralen Skogen")).unwrap();
    gateway.operate(&["clinic", "put", region("clinics.json").to_str().unwrap()]);
    assert_eq!(gateway.operated(&["clinic", "list"])[0]["name"], "Vårdcentralen Skogen");

    for name in ["question", "answer"] {
        let file = region(&format!("forms/fornya-recept.{name}.json"));
        let newer =
            std::fs::read_to_string(&file).unwrap().replacen("\"version\": \"1.0.0\"", "\"version\": \"2.0.0\"", 1);
        std::fs::write(&file, newer).unwrap();
    }
    let put = gateway.operate(&["case-type", "put", region("case-types.json").to_str().unwrap()]);
    assert!(put.status.success(), "{}", text(&put.stderr));
    assert_eq!(gateway.operated(&["case-type", "list"]).as_array().unwrap().len(), 9);
    submit(&gateway.portal(), "2", &submission("fornya-recept")).await.refused(422, "form-version-mismatch");
    let path = format!("/v1/clinics/{CLINIC}/case-types/fornya-recept");
    let offered = gateway.portal().get(&path).await.expect(200).json();
    assert_eq!(offered["questionQuestionnaire"]["version"], "2.0.0");
    // The old case is answered on the form that it came with.
    let answer = json!({ "response": form("fornya-recept.answer") });
    act(&gateway.handler(), &before, "answer", &answer).await.expect(200);
}

#[tokio::test]
async fn the_directory_is_imported_and_who_is_no_longer_in_it_is_no_longer_let_in() {
    let gateway = Gateway::start();
    let handler = gateway.handler();
    handler.get("/v1/whoami").await.expect(200);
    let file = gateway.region.path("region/directory.csv");
    let lines = std::fs::read_to_string(&file).unwrap();
    let without: Vec<_> = lines.lines().filter(|line| !line.starts_with(HANDLER)).collect();
    std::fs::write(&file, without.join("\n").replace("Distriktssköterska", "Sjuksköterska")).unwrap();
    let file = file.to_str().unwrap();
    let counted = |new, changed, unchanged, removed| json!({ "new": new, "changed": changed, "unchanged": unchanged, "removed": removed });
    assert_eq!(gateway.operated(&["directory", "import", file]), counted(0, 1, 7, 0));
    handler.get("/v1/whoami").await.expect(200);
    assert_eq!(gateway.operated(&["directory", "import", file, "--whole"]), counted(0, 0, 8, 1));
    assert_eq!(handler.get("/v1/whoami").await.refused(403, "rejected")["rejection"]["code"], "no-post");
}

#[tokio::test]
async fn the_access_log_tells_who_read_and_wrote_in_which_role_and_names_no_citizen() {
    let gateway = Gateway::start();
    let case = distributed(&gateway, "1").await;
    let path = format!("/v1/cases/{case}");
    gateway.handler().get(&path).await.expect(200);
    gateway.card("manager").get(&path).await.expect(200);
    gateway.other_handler().get(&path).await.refused(404, "not-found");
    gateway.portal().get(&path).await.expect(200);
    gateway.receiver().get("/v1/inbox").await.expect(200);
    let log = gateway.operated(&["access-log", "list"]);
    let lines: Vec<_> = log.as_array().unwrap().iter().map(|line| &line["entry"]).collect();
    let told: Vec<_> = lines.iter().map(|l| (l["role"].as_str().unwrap(), l["act"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("portal", "submit"),
            ("receiver", "read"),
            ("receiver", "distribute"),
            ("handler", "read"),
            ("leader", "see"),
            ("portal", "read"),
            ("staff", "inbox"),
            ("operator", "access-log-read"),
        ]
    );
    for line in &lines[..6] {
        assert_eq!((&line["clinic"], &line["cases"]), (&json!(CLINIC), &json!([case])));
        assert_eq!(line["patient"], lines[0]["patient"]);
        assert!(!line["request"].as_str().unwrap().is_empty());
    }
    assert!(!log.to_string().contains(CITIZEN) && !log.to_string().contains(CITIZEN_NAME));
    let later = gateway.operated(&["access-log", "list", "--after", "8", "--limit", "1"]);
    assert_eq!((later.as_array().unwrap().len(), &later[0]["sequence"]), (1, &json!(9)));

    gateway.operated(&["role", "grant", "--clinic", CLINIC, "--person", HANDLER, "--role", "receiver"]);
    let common = gateway.operated(&["access-log", "list", "--store", "common", "--limit", "1000"]);
    let acts: Vec<_> = common.as_array().unwrap().iter().map(|line| line["entry"]["act"].as_str().unwrap()).collect();
    assert!(acts.contains(&format!("role-put {HANDLER}").as_str()), "{acts:?}");
}

#[tokio::test]
async fn verify_walks_through_both_stores_and_finds_no_fault() {
    let gateway = Gateway::start();
    distributed(&gateway, "1").await;
    let report = gateway.operated(&["verify"]);
    for store in ["cases", "common"] {
        assert_eq!(report[store]["faults"], json!([]));
        assert!(report[store]["records"].as_u64().unwrap() > 0);
    }
    assert_eq!(gateway.operated(&["outbox", "list"]), json!([]));
    let nothing = "01a201b4-3495-7f84-9f59-18005fa5a3c0";
    assert_eq!(gateway.operate(&["outbox", "drop", nothing, "--reason", "x"]).status.code(), Some(1));
}

#[test]
fn a_configuration_is_judged_without_a_gateway() {
    let region = Region::prepare();
    let told = budkavle(&["check", "config", &region.config()]);
    assert_eq!((told.status.code(), text(&told.stdout).contains("fit")), (Some(0), true));
    let region = region.changed("mode = \"test\"", "mode = \"tset\"");
    assert_eq!(budkavle(&["check", "config", &region.config()]).status.code(), Some(78));
}

#[test]
fn numbers_are_judged_one_a_line_without_being_repeated() {
    let told = budkavle_reading(&["check", "person-id"], "191212121212\n198001910002\n");
    assert_eq!(
        (told.status.code(), text(&told.stdout).as_str()),
        (Some(0), "valid\tpersonnummer\nvalid\tsamordningsnummer\n")
    );
    let told = budkavle_reading(&["check", "person-id"], "191212121212\n191212121213\n");
    assert_eq!(told.status.code(), Some(1));
    let lines = text(&told.stdout);
    assert!(lines.lines().nth(1).unwrap().starts_with("invalid\t") && !lines.contains("191212121213"), "{lines}");
    let told = budkavle_reading(
        &["check", "person-id"],
        "\u{feff}22950606-FH20\r\n991981000010\n20000101T220\n\n121212-1212\n\u{a0}191212121212",
    );
    let verdicts = text(&told.stdout);
    let verdicts: Vec<_> = verdicts.lines().map(|line| line.split('\t').take(2).collect::<Vec<_>>()).collect();
    let registers = ["nationellt-reservnummer", "reservnummer-stockholm", "interimsnummer"];
    assert_eq!(verdicts[..3], registers.map(|register| vec!["valid", register]));
    assert_eq!((verdicts[3][0], verdicts[4][0]), ("invalid", "invalid"));
    assert!(verdicts[4][1].contains("century") && verdicts[5] == ["valid", "personnummer"], "{verdicts:?}");
    let told = budkavle_reading(&["check", "organisation-number"], "16232100-0016\n121212-1212\n");
    assert_eq!(told.status.code(), Some(1));
    assert!(text(&told.stdout).starts_with("valid\t232100-0016\ninvalid\t"));
    let told = budkavle_reading(&["check", "person-id"], &"1".repeat(5000));
    assert_eq!((told.status.code(), text(&told.stdout).as_str()), (Some(65), ""));
    let told = budkavle_reading(&["check", "hsa-id"], &format!("{CLINIC}\n"));
    assert_eq!(told.status.code(), Some(0));
    let told = budkavle_reading(&["check", "hsa-id"], "hello\n");
    assert_eq!((told.status.code(), text(&told.stdout).starts_with("invalid\t")), (Some(1), true));
}

#[test]
fn a_filled_in_form_is_judged_without_a_gateway() {
    let root = env!("CARGO_MANIFEST_DIR");
    let check = |response: &str, more: &[&str]| {
        let questionnaire = format!("{root}/config/region/forms/kontakta-mig.question.json");
        let response = format!("{root}/config/region/samples/{response}.response.json");
        let arguments = ["check", "form", "--questionnaire", &questionnaire, "--response", &response];
        budkavle(&[&arguments[..], more].concat())
    };
    assert_eq!(check("kontakta-mig.question", &[]).status.code(), Some(0));
    let bad = "kontakta-mig.question.invalid-telephone-in-words";
    let told = check(bad, &["--json"]);
    assert_eq!(told.status.code(), Some(1));
    let verdict: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(verdict["valid"], false);
    for member in ["severity", "code", "linkId", "text"] {
        assert!(verdict["issues"][0][member].is_string(), "{verdict}");
    }
    let (sv, en) = (check(bad, &["--language", "sv"]), check(bad, &["--language", "en"]));
    assert_ne!(text(&sv.stdout), text(&en.stdout));
}
