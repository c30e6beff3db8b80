//! The pages of the staff door: logging in and out, the start page, one's own settings. `Door::Staff` only, in Swedish
//! and under `/en`.

use super::{Method, Route, SMALL_BYTES, STAFF, Speaks};
use crate::http::handlers::staff_pages as pages;

macro_rules! staff_page {
    ($method:ident $path:literal, $speaks:expr, $id:literal, $sv:literal, $en:literal, $query:expr, $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            doors: STAFF,
            id: $id,
            summary_sv: $sv,
            summary: $en,
            takes: None,
            body_bytes_max: if matches!(Method::$method, Method::Post) { SMALL_BYTES } else { 0 },
            gives: (200, None),
            query: $query,
            needs: &[],
            speaks: $speaks,
            throttled: true,
            handler: |api, call| Box::pin($handler(api, call)),
        }
    };
}

/// Whoever has a good card, and who has logged in with it.
const WITH_CARD: Speaks = Speaks::StaffPages { logged_in: false };
const LOGGED_IN: Speaks = Speaks::StaffPages { logged_in: true };

#[rustfmt::skip]
pub static STAFF_PAGES: &[Route] = &[
    staff_page!(Get "/", WITH_CARD, "staffHome", "Startsidan, eller inloggningen", "The start page, or the log-in",
        &["mottagning"], pages::home),
    staff_page!(Post "/logga-in", WITH_CARD, "logIn", "Logga in med SITHS-kort", "Log in with a SITHS card", &[], pages::log_in),
    staff_page!(Post "/logga-ut", WITH_CARD, "logOut", "Logga ut", "Log out", &[], pages::log_out),
    staff_page!(Get "/installningar", LOGGED_IN, "lettersPage", "Vilka brev jag vill ha", "Which letters I want",
        &["sparat"], pages::letters),
    staff_page!(Post "/installningar", LOGGED_IN, "chooseLetters", "Välj vilka brev jag vill ha", "Choose which letters I want",
        &[], pages::choose_letters),
    staff_page!(Get "/style.css", Speaks::Page, "staffStyle", "Sidornas utseende", "How the pages look", &[], pages::style),
];
