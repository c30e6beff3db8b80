//! Whoever is not let in learns why and what cures it, and nothing else.

use rustls::AlertDescription;

use crate::common::{Gateway, Region, budkavle};

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
        let caller = gateway.at(gateway.portal_door, name);
        let told = caller.alert().await;
        for _ in 0..10 {
            assert_eq!(caller.alert_in_mid_request().await, told, "{name:?}");
        }
        assert_eq!(told, alert, "{name:?}");
    }
    // The door is as open as before for who belongs there.
    gateway.portal().get("/v1/whoami").await.expect(200);
}

#[tokio::test]
async fn a_rejection_tells_the_date_the_level_or_what_was_shown_to_people_and_to_programs() {
    let gateway = Gateway::start();
    for (card, fact, words) in [
        ("cards/expired", "notAfter", "Det gällde till "),
        ("cards/not-yet", "notBefore", "Det gäller från "),
        ("cards/revoked", "revokedAt", "Det spärrades "),
        ("cards/loa-2", "leastLevel", "tillitsnivå är 2. Här krävs minst 3."),
        ("cards/mobile", "shown", "Det som visades är Mobilt SITHS för test."),
        ("tls/portal", "shown", "Det som visades är SITHS funktionscertifikat för test."),
    ] {
        let caller = gateway.at(gateway.staff_door, Some(card));
        let told = caller.get("/v1/inbox").await.refused(403, "rejected");
        assert!(!told["rejection"]["facts"][fact].is_null(), "{card}: {told}");
        assert!(told["detail"].as_str().unwrap().contains(words), "{card}: {told}");
        let page = caller.get("/").header("accept", "text/html").await.expect(403).text();
        assert!(page.contains(words), "{card}: {page}");
    }
}

#[tokio::test]
async fn local_it_is_named_by_the_organisation_of_a_proven_hsa_id_only() {
    let gateway = Gateway::start();
    for (card, named) in [("expired", true), ("no-post", true), ("loa-2", true), ("telia", false), ("no-hsa-id", false)]
    {
        let page = gateway.card(card).get("/").header("accept", "text/html").await.expect(403).text();
        assert_eq!(page.contains("Din lokala IT-support är Region Exempels IT-support"), named, "{card}: {page}");
        assert!(page.contains("uppge avvisningskoden"), "{card}: {page}");
    }
}

#[tokio::test]
async fn the_page_links_to_itself_in_the_other_language_whatever_the_browser_prefers() {
    let gateway = Gateway::start();
    let telia = gateway.card("telia");
    for (prefers, path, language, link) in [
        ("sv", "/", "sv", "href=\"?lang=en\""),
        ("sv", "/?lang=en", "en", "href=\"?lang=sv\""),
        ("en", "/?lang=sv", "sv", "href=\"?lang=en\""),
        ("en", "/anywhere", "en", "href=\"?lang=sv\""),
    ] {
        let page = telia.get(path).header("accept", "text/html").header("accept-language", prefers).await.expect(403);
        assert_eq!(page.header("content-language"), language, "{path}");
        assert!(page.text().contains(link) && page.text().contains(&format!("lang=\"{language}\"")), "{path}");
    }
}

#[tokio::test]
async fn an_issuer_that_has_ended_is_refused_at_both_doors_and_operators_see_by_which_rule() {
    let region = Region::prepare();
    let region = region.changed("kind = \"function\"", "kind = \"function\"\nends = \"2020-02-11\"");
    let region = region.changed("loa = 3", "loa = 3\nends = \"2017-08-30\"");
    let gateway = region.run();
    let told = gateway.receiver().get("/v1/inbox").await.refused(403, "rejected");
    assert_eq!(told["rejection"]["code"], "issuer-ended");
    assert_eq!(told["rejection"]["facts"]["issuerEnded"], "2017-08-30");
    assert!(told["detail"].as_str().unwrap().contains("onsdag 30 augusti 2017"), "{told}");
    let alert = gateway.at(gateway.portal_door, Some("tls/portal")).alert().await;
    assert_eq!(alert, AlertDescription::UnknownCA);

    let status = gateway.operated(&["status"]).to_string();
    for words in ["\"refusals\":[", "issuer-ended", "TEST SITHS e-id Function CA v1", "\"door\":\"portal\""] {
        assert!(status.contains(words), "{words}: {status}");
    }
    assert!(!status.contains("Åkesson"), "{status}");
}

#[test]
fn a_certificate_is_examined_off_line_by_the_rules_of_the_door() {
    let region = Region::prepare();
    let check = |file: &str, more: &[&str]| {
        let (file, config) = (region.path(file), region.config());
        let arguments = ["check", "certificate", file.to_str().unwrap(), "--config", &config];
        budkavle(&[&arguments, more].concat())
    };
    for (file, door, exit, code) in [
        ("cards/receiver.pem", "staff", 0, None),
        ("tls/portal.pem", "portal", 0, None),
        ("cards/receiver.pem", "portal", 1, Some("person-certificate-at-portal-door")),
        ("cards/expired.pem", "staff", 1, Some("expired")),
        ("cards/revoked.pem", "staff", 1, Some("revoked")),
        ("cards/mobile.pem", "staff", 1, Some("person-id-certificate")),
        ("cards/signing.pem", "staff", 1, Some("signing-certificate")),
    ] {
        let told = check(file, &["--door", door, "--json"]);
        assert_eq!(told.status.code(), Some(exit), "{file}: {}", String::from_utf8_lossy(&told.stderr));
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!((told["letIn"].as_bool(), told["rejection"]["code"].as_str()), (Some(exit == 0), code), "{told}");
        assert!(!told.to_string().contains("191212121212") && !told.to_string().contains("Åkesson"), "{told}");
    }
    let told = check("cards/expired.pem", &["--door", "staff", "--language", "sv"]);
    let text = String::from_utf8(told.stdout).unwrap();
    for words in [
        "passed       Utfärdaren har skrivit under",
        "FAILED       Certifikatet gäller nu (expired)",
        "Det gällde till",
    ] {
        assert!(text.contains(words), "{text}");
    }
    let early = check("cards/receiver.pem", &["--door", "staff", "--at", "2010-01-01 12:00", "--json"]);
    let early: serde_json::Value = serde_json::from_slice(&early.stdout).unwrap();
    assert_eq!(early["rejection"]["code"], "clock-wrong");
    assert_eq!(check("cards/nobody.pem", &["--door", "staff"]).status.code(), Some(66));
    assert_eq!(check("cards/receiver.key", &["--door", "staff"]).status.code(), Some(65));
}
