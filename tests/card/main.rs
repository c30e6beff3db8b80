//! A card with two certificates behind a PIN, in a real Chromium that somebody sees and types into: what it offers at
//! the staff door and at the card test, and what the pages say then. The desk at which this happens is in `desk.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test, what must hold is asserted")]

#[path = "../gateway/client.rs"]
#[allow(dead_code, reason = "other stories call the rest")]
mod client;
#[path = "../gateway/common.rs"]
#[allow(dead_code, reason = "other stories call the rest")]
mod common;
mod desk;

use common::Gateway;
use desk::{Desk, PIN};

const SITHS: &str = "TEST SITHS e-id Person HSA-id 3 CA v1";
const TELIA: &str = "TEST Telia e-legitimation HW CA v3";
const LOG_IN: &str = "Logga in med SITHS-kort";

#[tokio::test]
async fn the_staff_door_offers_siths_only_and_lets_its_holder_in_and_out() {
    let gateway = Gateway::start();
    let Some(desk) = Desk::with_card(&gateway, &["receiver", "telia"], "staff") else { return };
    let browser = desk.browser();
    browser.visit(gateway.staff_door);
    let first = browser.asked_for_pin(None).await;
    browser.type_pin(&first, "654321").await;
    let again = browser.asked_for_pin(Some(&first)).await;
    assert_eq!(browser.offered(), None, "a wrong PIN shows what is on the card");
    browser.type_pin(&again, PIN).await;
    let offered = browser.offered_in_the_end().await;
    let offered: Vec<_> = offered.iter().map(|row| (row.name.as_str(), row.issuer.as_str())).collect();
    assert_eq!(offered, [("Anna Åkesson", SITHS)]);
    browser.choose(SITHS).await;
    let login = browser.page("Logga in").await;
    assert!(login.contains(LOG_IN) && login.contains("Anna Åkesson") && !login.contains("Inkorg"), "{login}");
    browser.press("form[action='/logga-in'] button");
    let start = browser.page("Start").await;
    for words in ["Anna Åkesson", "TSTNMT2321000156-1001", "Inkorg", "Logga ut"] {
        assert!(start.contains(words), "{words} in {start}");
    }
    assert_eq!(browser.cookies(), 1);
    browser.press("form[action='/logga-ut'] button");
    let gone = browser.page("Du är utloggad").await;
    assert!(gone.contains("Ta ut kortet"), "{gone}");
    assert_eq!(browser.cookies(), 0);
    browser.visit(gateway.staff_door);
    let login = browser.page("Logga in").await;
    assert!(login.contains(LOG_IN) && !login.contains("Inkorg"), "{login}");
}

#[tokio::test]
async fn the_card_test_offers_both_and_tells_of_each_where_it_is_let_in() {
    let gateway = Gateway::start();
    let Some(desk) = Desk::with_card(&gateway, &["receiver", "telia"], "card-test") else { return };
    for (issuer, title, told) in [
        (TELIA, "Du valde Telia e-legitimation", "Personalens inloggning Släpper inte in"),
        (SITHS, "Kortet fungerar", "Personalens inloggning Släpper in."),
    ] {
        let browser = desk.browser();
        browser.visit(gateway.card_test_door.unwrap());
        let dialog = browser.asked_for_pin(None).await;
        browser.type_pin(&dialog, PIN).await;
        let mut offered: Vec<_> = browser.offered_in_the_end().await.into_iter().map(|row| row.issuer).collect();
        offered.sort();
        assert_eq!(offered, [SITHS, TELIA]);
        browser.choose(issuer).await;
        let page = browser.page(title).await;
        assert!(page.contains(told) && page.contains(issuer), "{page}");
        // The end of an identity number stays out of sight of who stands beside.
        assert!(!page.contains("1212-1212") && !page.contains("191212121212"), "{page}");
    }
    // The staff door does not rely on what it asks the browser to offer.
    let unheeding = gateway.card("telia").get("/").header("accept", "text/html").await.expect(403).text();
    for words in ["Du valde Telia e-legitimation", "välj certifikatet som är utfärdat av SITHS", "telia-e-legitimation"]
    {
        assert!(unheeding.contains(words), "{words} in {unheeding}");
    }
}

#[tokio::test]
async fn without_a_pin_or_without_siths_on_the_card_the_page_says_that_no_card_was_read() {
    let gateway = Gateway::start();
    let Some(desk) = Desk::with_card(&gateway, &["telia"], "no-certificate") else { return };
    for pin in [None, Some(PIN)] {
        let browser = desk.browser();
        browser.visit(gateway.staff_door);
        match pin {
            None => browser.cancel_pin_until("Inget kort lästes in").await,
            Some(pin) => browser.type_pin(&browser.asked_for_pin(None).await, pin).await,
        }
        let page = browser.page("Inget kort lästes in").await;
        assert!(page.contains("no-certificate") && page.contains("Ta ut kortet"), "{page}");
        assert_eq!(browser.offered(), None);
    }
}
