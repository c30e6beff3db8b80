//! The routes of the card test. They show a certificate to its holder and give nothing.

use super::{Door, Method, Route, Speaks};
use crate::http::handlers::card_test;

const CARD_TEST_DOOR: &[Door] = &[Door::CardTest];

#[rustfmt::skip]
pub static CARD_TEST: &[Route] = &[
    route!(Get "/v1/card-test", CARD_TEST_DOOR, "cardTest", "Vad certifikatet är och vilken dörr som tar det", "What the certificate is and which door would take it",
        None, 0, (200, Some("CardTest")), &[], &[], card_test::tell),
    Route {
        speaks: Speaks::InBothLanguages,
        ..route!(Get "/", CARD_TEST_DOOR, "cardTestPage", "Kortprovet", "The card test",
            None, 0, (200, None), &[], &[], card_test::page)
    },
];
