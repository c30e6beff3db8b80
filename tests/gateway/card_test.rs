//! Anybody's card at the card test: what it is and which door would take it, and nothing granted.

use serde_json::Value;

use crate::client::Caller;
use crate::common::{Gateway, Region};

/// Every certificate that the demo makes, with what the staff door and the portal door would say.
const TRIED: [(Option<&str>, &str, &str); 17] = [
    (None, "no-certificate", "no-certificate"),
    (Some("cards/receiver"), "accepted", "person-certificate-at-portal-door"),
    (Some("cards/handler"), "accepted", "person-certificate-at-portal-door"),
    (Some("cards/other-handler"), "accepted", "person-certificate-at-portal-door"),
    (Some("cards/administrator"), "accepted", "person-certificate-at-portal-door"),
    (Some("cards/manager"), "accepted", "person-certificate-at-portal-door"),
    (Some("cards/support"), "accepted", "person-certificate-at-portal-door"),
    (Some("cards/telia"), "telia-e-legitimation", "telia-e-legitimation"),
    (Some("cards/person-id"), "person-id-certificate", "person-id-certificate"),
    (Some("cards/expired"), "expired", "person-certificate-at-portal-door"),
    (Some("cards/not-yet"), "not-yet-valid", "person-certificate-at-portal-door"),
    (Some("cards/revoked"), "revoked", "person-certificate-at-portal-door"),
    (Some("cards/no-post"), "no-post", "person-certificate-at-portal-door"),
    (Some("cards/no-role"), "no-role", "person-certificate-at-portal-door"),
    (Some("tls/portal"), "function-certificate-at-staff-door", "accepted"),
    (Some("tls/staff-system"), "function-certificate-at-staff-door", "accepted"),
    (Some("tls/stranger"), "function-certificate-at-staff-door", "portal-not-registered"),
];

fn trying(gateway: &Gateway, identity: Option<&str>) -> Caller {
    gateway.at(gateway.card_test_door.unwrap(), identity).http1()
}

fn said<'a>(told: &'a Value, door: &str) -> &'a str {
    let at = told["doors"].as_array().unwrap().iter().find(|at| at["door"] == door).unwrap();
    match at["accepted"].as_bool().unwrap() {
        true => "accepted",
        false => at["rejection"]["code"].as_str().unwrap(),
    }
}

#[tokio::test]
async fn every_card_is_told_what_each_door_would_say_as_the_doors_say_it() {
    let gateway = Gateway::start();
    for (identity, staff, portal) in TRIED {
        let told = trying(&gateway, identity).get("/v1/card-test").await.expect(200).json();
        assert_eq!((said(&told, "staff"), said(&told, "portal")), (staff, portal), "{identity:?}: {told}");
        assert_eq!(told["certificate"].is_null(), identity.is_none(), "{told}");
        let at_staff_door = gateway.at(gateway.staff_door, identity).get("/v1/whoami").await;
        let code = match at_staff_door.status {
            200 => "accepted".to_owned(),
            _ => at_staff_door.refused(403, "rejected")["rejection"]["code"].as_str().unwrap().to_owned(),
        };
        assert_eq!(code, staff, "{identity:?}: the door itself says otherwise");
    }
}

#[tokio::test]
async fn a_certificate_is_described_to_its_holder_without_the_end_of_an_identity_number() {
    let gateway = Gateway::start();
    let card = trying(&gateway, Some("cards/receiver")).get("/v1/card-test").await.expect(200).json();
    let certificate = &card["certificate"];
    assert_eq!(certificate["name"], "Anna Åkesson");
    assert_eq!(certificate["identifiers"], serde_json::json!(["TSTNMT2321000156-1001"]));
    assert_eq!(certificate["issuer"], "TEST SITHS e-id Person HSA-id 3 CA v1");
    assert_eq!(certificate["purpose"], "authentication");
    for name in ["cards/telia", "cards/person-id"] {
        let told = trying(&gateway, Some(name)).get("/v1/card-test").await.expect(200);
        assert!(!told.text().contains("191212121212") && told.text().contains("19121212-••••"), "{}", told.text());
    }
}

#[tokio::test]
async fn a_browser_gets_the_same_as_a_page_in_both_languages_with_its_own_style_and_no_script() {
    let gateway = Gateway::start();
    for (identity, staff, portal) in TRIED {
        for (path, language, again) in [("/", "sv", "Prova igen"), ("/en", "en", "Try again")] {
            let page = trying(&gateway, identity).get(path).header("accept", "text/html").await.expect(200);
            let text = page.text();
            assert_eq!((page.header("content-language"), page.header("cache-control")), (language, "no-store"));
            assert!(page.header("content-security-policy").contains("style-src 'sha256-"), "{identity:?}");
            assert!(text.contains(&format!("<html lang=\"{language}\">")) && text.contains(again), "{text}");
            // The door that got furthest with the certificate gives the code to quote.
            let nearest = if portal == "portal-not-registered" { portal } else { staff };
            let is_accepted = staff == "accepted" || portal == "accepted";
            assert_eq!(text.contains(&format!("<dd>{nearest}</dd>")), !is_accepted, "{identity:?} {text}");
            assert!(text.contains(page.header("x-request-id")) && !text.contains("191212121212"), "{text}");
            assert!(!text.contains("<script") && !text.contains("<link"), "{text}");
        }
    }
}

#[tokio::test]
async fn every_rule_is_told_in_its_order_up_to_the_one_that_failed_and_those_that_need_it_are_not_judged() {
    let gateway = Gateway::start();
    let verdicts = async |identity: &str| {
        let told = trying(&gateway, Some(identity)).get("/v1/card-test").await.expect(200).json();
        let staff = told["doors"].as_array().unwrap().iter().find(|at| at["door"] == "staff").unwrap().clone();
        let rules = staff["rules"].as_array().unwrap().iter();
        let words =
            rules.map(|rule| format!("{} {}", rule["rule"].as_str().unwrap(), rule["verdict"].as_str().unwrap()));
        words.collect::<Vec<_>>()
    };
    let good = verdicts("cards/receiver").await;
    assert!(good.iter().all(|rule| rule.ends_with(" passed")), "{good:?}");
    assert_eq!(good.first().map(String::as_str), Some("presented passed"));
    assert_eq!(good[good.len() - 2..], ["post passed", "role passed"]);
    let expired = verdicts("cards/expired").await;
    assert!(expired.contains(&"validity failed".to_owned()) && expired.contains(&"post notReached".to_owned()));
    let no_role = verdicts("cards/no-role").await;
    assert_eq!(no_role[no_role.len() - 2..], ["post passed", "role failed"]);
    let telia = verdicts("cards/telia").await;
    assert!(telia.contains(&"issuer failed".to_owned()) && telia.contains(&"signature notReached".to_owned()));
}

#[tokio::test]
async fn whoever_is_refused_is_led_to_the_card_test() {
    let gateway = Gateway::start();
    let told = gateway.card("telia").get("/v1/whoami").await.refused(403, "rejected");
    assert_eq!(told["rejection"]["cardTest"], "https://localhost:0/");
    let guide = gateway.anyone().get("/en/fragor-och-svar/logga-in").header("accept", "text/html").await.expect(200);
    assert!(guide.text().contains("href=\"https://localhost:0/en\""), "{}", guide.text());
}

#[tokio::test]
async fn the_door_gives_nothing_of_what_the_others_give_even_to_a_good_card() {
    let gateway = Gateway::start();
    for name in ["cards/receiver", "cards/administrator", "tls/portal"] {
        for path in ["/v1/whoami", "/v1/inbox", "/v1/clinics", "/v1/events", "/v1/cases/x", "/v1/tickets", "/status"] {
            trying(&gateway, Some(name)).get(path).await.refused(404, "not-found");
        }
        let caller = trying(&gateway, Some(name));
        caller.post("/v1/cases/search", &serde_json::json!({})).await.refused(404, "not-found");
    }
    let described = trying(&gateway, None).get("/v1/openapi.json").await.expect(200).json();
    let paths: Vec<_> = described["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(paths, ["/v1/api-info", "/v1/card-test", "/v1/openapi.json", "/v1/problems"]);
}

#[tokio::test]
async fn each_answer_ends_its_connection_so_that_the_next_can_show_another_certificate() {
    let gateway = Gateway::start();
    let caller = trying(&gateway, Some("cards/receiver"));
    for _ in 0..3 {
        let told = caller.get("/v1/card-test").await.expect(200);
        assert_eq!((told.header("connection"), told.header("cache-control")), ("close", "no-store"));
    }
    let opened = gateway.operated(&["status"]);
    let doors = opened["trust"]["doors"].as_array().unwrap().iter();
    let counts =
        doors.filter(|door| door["door"] == "card-test").map(|door| door["connections"]["handshakes"].as_u64());
    assert_eq!(counts.collect::<Vec<_>>(), [Some(3)]);
}

#[tokio::test]
async fn the_log_tells_issuer_and_codes_of_what_was_tried_and_names_nobody() {
    let gateway = Region::prepare().changed("filter = \"warn\"", "filter = \"debug\"").run();
    for (identity, ..) in TRIED {
        trying(&gateway, identity).get("/v1/card-test").await.expect(200);
    }
    let log = gateway.log();
    assert_eq!(log.matches("identity.shown").count(), TRIED.len(), "{log}");
    assert!(log.contains("telia-e-legitimation") && log.contains("TEST SITHS e-id Person HSA-id 3 CA v1"), "{log}");
    for secret in ["Tolvan", "19121212", "Anna", "Åkesson", "2321000156-1001"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[tokio::test]
async fn an_address_that_tries_too_often_is_held_back_and_the_staff_door_is_not_touched_by_it() {
    let gateway = Region::prepare().with("[limits]\ncard-test-per-minute = 3").run();
    let caller = trying(&gateway, Some("cards/telia"));
    for _ in 0..3 {
        caller.get("/v1/card-test").await.expect(200);
    }
    assert!(caller.get("/v1/card-test").attempt().await.is_err(), "a fourth try was served");
    trying(&gateway, None).from([127, 0, 0, 9]).get("/v1/card-test").await.expect(200);
    gateway.receiver().get("/v1/whoami").await.expect(200);
}

#[tokio::test]
async fn a_region_without_the_table_has_no_such_door() {
    let region = Region::prepare();
    let text = std::fs::read_to_string(region.config()).unwrap();
    let (before, after) = text.split_once("[card-test]").unwrap();
    let (_, after) = after.split_once("[admin]").unwrap();
    std::fs::write(region.config(), format!("{before}[admin]{after}")).unwrap();
    let gateway = region.run();
    assert_eq!(gateway.card_test_door, None);
    gateway.receiver().get("/v1/whoami").await.expect(200);
}
