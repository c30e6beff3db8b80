//! The routes of subscribers, all at the public door. A token in a path is its subscriber's secret: paths are never
//! logged.

use super::{Method, PUBLIC, Route, SMALL_BYTES, Speaks};
use crate::http::handlers::{subscribe, subscribe_pages};

#[rustfmt::skip]
pub static SUBSCRIBE: &[Route] = &[
    route!(Post "/v1/subscriptions", PUBLIC, "subscribe", "Anmäl en adress; ett brev ber om bekräftelse", "Sign an address up; a letter asks for confirmation",
        Some("SignUpRequest"), SMALL_BYTES, (202, None), &[], &[], subscribe::sign_up),
    route!(Post "/v1/subscriptions/confirmation", PUBLIC, "confirmSubscription", "Bekräfta med brevets länk", "Confirm by the letter's link",
        Some("ConfirmRequest"), SMALL_BYTES, (200, Some("ConfirmedSubscription")), &[], &[], subscribe::confirm),
    route!(Get "/v1/subscriptions/{token}", PUBLIC, "readSubscription", "Vad adressen får", "What the address gets",
        None, 0, (200, Some("WireSubscription")), &[], &[], subscribe::read),
    route!(Put "/v1/subscriptions/{token}", PUBLIC, "changeSubscription", "Välj på nytt", "Choose anew",
        Some("WireChoices"), SMALL_BYTES, (200, Some("WireSubscription")), &[], &[], subscribe::choose),
    route!(Delete "/v1/subscriptions/{token}", PUBLIC, "endSubscription", "Sluta prenumerera", "Leave",
        None, 0, (200, Some("WireLeft")), &[], &[], subscribe::end),
    page!(Get "/status/prenumerera", Pages, "subscribeForm", "Formuläret för att prenumerera", "The form to subscribe", &["handelse"], subscribe_pages::sign_up_form),
    page!(Post "/status/prenumerera", Pages, "subscribeByForm", "Anmäl en adress", "Sign an address up", &[], subscribe_pages::sign_up),
    page!(Get "/status/bekrafta/{token}", Pages, "confirmPage", "Sidan bakom brevets länk", "The page behind the letter's link", &[], subscribe_pages::confirm_page),
    page!(Post "/status/bekrafta/{token}", Pages, "confirmByForm", "Bekräfta", "Confirm", &[], subscribe_pages::confirm),
    page!(Get "/status/prenumeration/{token}", Pages, "managePage", "En prenumeration", "A subscription", &[], subscribe_pages::manage_page),
    page!(Post "/status/prenumeration/{token}", Pages, "manageByForm", "Välj på nytt", "Choose anew", &[], subscribe_pages::manage),
    page!(Get "/u/{token}", Page, "leavePage", "Sidan för att sluta prenumerera", "The page to leave from", &[], subscribe_pages::leave_page),
    // A mail provider leaves for its user, and shares its address with everybody else's.
    Route {
        throttled: false,
        ..page!(Post "/u/{token}", Page, "leave", "Sluta prenumerera med ett klick", "Leave with one click", &[], subscribe_pages::leave)
    },
];
