//! Facts for the pages of the staff door.

use jiff::SignedDuration;

use super::{DAY, HOUR, MINUTE, at, form, now, texts};
use crate::domain::case::State;
use crate::domain::clinic::Role;
use crate::domain::id::{HsaId, Private};
use crate::render::page::{FaultFacts, Form};
use crate::render::staff::{
    ClinicFacts, EndedHow, FORM_TOKEN, LettersFacts, ListFacts, ListKind, LogInFacts, RowFacts, SessionLimits,
    StaffPage, StartFacts,
};

/// One of each page of the staff door.
pub fn pages() -> Vec<StaffPage> {
    let limits = SessionLimits { idle_max: SignedDuration::from_mins(30), age_max: SignedDuration::from_hours(12) };
    let name = || Some(Private::new("Anna Åkesson".to_owned()));
    let token = || "sample".to_owned();
    let Ok(hsa_id) = HsaId::parse("TSTNMT2321000156-1001") else { return Vec::new() };
    let row = |state, due| RowFacts {
        title: texts("Förnya recept", ""),
        state,
        awaits_citizen: false,
        received_at: at(-15 * MINUTE),
        due: at(due),
    };
    let list = |kind, rows| ListFacts { kind, has_more: kind == ListKind::Overdue, rows };
    let clinic = |path: Option<&str>, roles: &[Role]| ClinicFacts {
        name: "Vårdcentralen Exemplet".to_owned(),
        roles: roles.iter().copied().collect(),
        path: path.map(str::to_owned),
    };
    let start = StartFacts {
        name: name(),
        hsa_id: hsa_id.clone(),
        clinic: Some("Vårdcentralen Exemplet".to_owned()),
        clinics: vec![clinic(None, &[Role::Receiver, Role::Administrator]), clinic(Some("/?mottagning=x"), &Role::ALL)],
        inbox: vec![
            list(ListKind::Undistributed, vec![row(State::Received, HOUR + 20 * MINUTE)]),
            list(ListKind::Mine, Vec::new()),
            list(ListKind::Overdue, vec![row(State::Distributed, -15 * MINUTE)]),
            list(ListKind::AwaitingCitizen, vec![RowFacts { awaits_citizen: true, ..row(State::Distributed, DAY) }]),
        ],
        is_down: false,
        log_out: token(),
        limits,
        begun: now(),
        now: now(),
    };
    let log_in =
        |ended| StaffPage::LogIn(LogInFacts { name: name(), hsa_id: hsa_id.clone(), token: token(), ended, limits });
    let with_token = |form: Form| Form { hidden: vec![(FORM_TOKEN.to_owned(), token())], ..form };
    let letters = |saved, with_errors| {
        let form = with_token(form(with_errors));
        StaffPage::Letters(LettersFacts { saved, overtaken: !saved, form, log_out: token() })
    };
    vec![
        log_in(None),
        log_in(Some(EndedHow::Idle)),
        log_in(Some(EndedHow::Old)),
        log_in(Some(EndedHow::OtherCard)),
        log_in(Some(EndedHow::Unknown)),
        StaffPage::Start(Box::new(start.clone())),
        StaffPage::Start(Box::new(StartFacts { name: None, inbox: Vec::new(), is_down: true, ..start })),
        letters(true, false),
        letters(false, true),
        StaffPage::LoggedOut,
        StaffPage::Fault(FaultFacts {
            title: "Du är inte inloggad".to_owned(),
            text: "Du hade inte gjort något på en stund.".to_owned(),
            cure: vec!["Logga in igen.".to_owned()],
            code: "session-ended".to_owned(),
            request_id: "sample".to_owned(),
        }),
    ]
}
