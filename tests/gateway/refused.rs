//! Whoever is not let in learns why and what cures it, and nothing else.

use rustls::AlertDescription;

use crate::common::Gateway;

/// Each card breaks one rule only.
const AT_STAFF_DOOR: [(Option<&str>, &str); 14] = [
    (None, "no-certificate"),
    (Some("cards/telia"), "telia-e-legitimation"),
    (Some("cards/person-id"), "person-id-certificate"),
    (Some("cards/expired"), "expired"),
    (Some("cards/not-yet"), "not-yet-valid"),
    (Some("cards/revoked"), "revoked"),
    (Some("cards/no-post"), "no-post"),
    (Some("cards/no-role"), "no-role"),
    (Some("tls/portal"), "function-certificate-at-staff-door"),
    (Some("cards/mobile"), "person-id-certificate"),
    (Some("cards/signing"), "signing-certificate"),
    (Some("cards/loa-2"), "level-too-low"),
    (Some("cards/no-hsa-id"), "no-hsa-id"),
    (Some("cards/malformed-hsa-id"), "malformed-hsa-id"),
];

#[tokio::test]
async fn a_program_with_a_bad_card_gets_a_problem_with_code_and_cure_in_its_language() {
    let gateway = Gateway::start();
    for (name, code) in AT_STAFF_DOOR {
        let caller = gateway.at(gateway.staff_door, name);
        let mut titles = Vec::new();
        for (asked, language) in [("", "sv"), ("en-GB, sv;q=0.5", "en")] {
            let told = caller.get("/v1/inbox").header("accept-language", asked).await;
            assert_eq!(told.header("content-language"), language);
            let problem = told.refused(403, "rejected");
            assert_eq!(problem["rejection"]["code"], code, "{name:?}");
            assert!(!problem["rejection"]["cure"].as_array().unwrap().is_empty(), "{problem}");
            titles.push(problem["title"].clone());
        }
        assert_ne!(titles[0], titles[1]);
    }
}

#[tokio::test]
async fn a_browser_with_a_bad_card_gets_a_page_without_script_that_names_the_code() {
    let gateway = Gateway::start();
    for (name, code) in AT_STAFF_DOOR {
        for caller in [gateway.at(gateway.staff_door, name), gateway.at(gateway.staff_door, name).http1()] {
            for (language, heading) in [("sv", "Gör så här"), ("en", "What to do")] {
                let page = caller.get("/").header("accept", "text/html,*/*;q=0.8").header("accept-language", language);
                let page = page.await.expect(403);
                let text = page.text();
                assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
                assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
                assert!(text.contains(&format!("<dd>{code}</dd>")) && text.contains(heading), "{text}");
                assert!(text.contains(&format!("lang=\"{language}\"")) && text.contains(page.header("x-request-id")));
                assert!(!text.to_lowercase().contains("<script") && !text.contains(" onload="), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_does_not_tell_who_the_certificate_is_of() {
    let gateway = Gateway::start();
    for (name, _) in AT_STAFF_DOOR {
        let caller = gateway.at(gateway.staff_door, name);
        for accept in ["application/json", "text/html"] {
            let text = caller.get("/").header("accept", accept).await.expect(403).text();
            for secret in ["Tolvan", "191212121212", "Anna", "Åkesson", "Norling", "Rahimi"] {
                assert!(!text.contains(secret), "{name:?}: {secret} in {text}");
            }
        }
    }
}

#[tokio::test]
async fn a_good_certificate_that_is_not_registered_is_told_so() {
    let gateway = Gateway::start();
    for stranger in [gateway.stranger(), gateway.stranger().http1()] {
        let told = stranger.get("/v1/whoami").await.refused(403, "rejected");
        assert_eq!(told["rejection"]["code"], "portal-not-registered");
    }
}

#[tokio::test]
async fn at_the_portal_door_persons_and_the_nameless_do_not_get_through_the_handshake() {
    let gateway = Gateway::start();
    for (name, alert) in [
        (None, AlertDescription::CertificateRequired),
        (Some("cards/telia"), AlertDescription::UnknownCA),
        (Some("cards/receiver"), AlertDescription::UnknownCA),
        (Some("cards/person-id"), AlertDescription::UnknownCA),
    ] {
        let told = gateway.at(gateway.portal_door, name).alert().await;
        assert_eq!(told, alert, "{name:?}");
    }
    // The door is as open as before for who belongs there.
    gateway.portal().get("/v1/whoami").await.expect(200);
}
