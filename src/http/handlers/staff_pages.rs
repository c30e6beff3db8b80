//! The pages of the staff door: logging in and out, who one is with what waits, which letters one wants. Cases are read
//! and acted on elsewhere.

use std::sync::Arc;

use super::super::Api;
use super::super::problem::Problem;
use super::super::request::Call;
use super::super::response::Answer;
use super::super::session::{Ended, LiveSession, Standing};
use crate::domain::case::{Awaiting, CitizenErrand, State};
use crate::domain::clinic::{NotificationChoice, Texts};
use crate::domain::id::HsaId;
use crate::domain::language::Language;
use crate::domain::mail_address::MailAddress;
use crate::render::page::{FieldKind, FieldOption, Form, FormField};
use crate::render::staff::{
    ClinicFacts, EndedHow, FORM_TOKEN, LettersFacts, ListFacts, ListKind, LogInFacts, RowFacts, StaffPage, StartFacts,
};
use crate::store::{CommitError, ReadError};
use crate::usecase::Refusal;
use crate::usecase::access::{AccessEntry, Visitor};
use crate::usecase::catalog::Catalog;
use crate::usecase::read_cases::{Envelope, InboxList, Page};

/// Paths of forms, as their routes have them: a form's token holds for one of them.
const LOG_IN: &str = "/logga-in";
const LOG_OUT: &str = "/logga-ut";
const LETTERS: &str = "/installningar";
/// Cases of one list on the start page.
const ROWS_MAX: usize = 20;
/// Longest e-mail address, in characters (RFC 5321 section 4.5.3.1.3).
const MAIL_LEN_MAX: u32 = 254;
const STYLE: &str = include_str!("../../render/assets/style.css");

/// The sheet of all pages here.
pub async fn style(_api: Arc<Api>, _call: Call) -> Result<Answer, Problem> {
    let answer = Answer::text("text/css; charset=utf-8", STYLE).header("cache-control", "private, max-age=3600");
    std::future::ready(Ok(answer)).await
}

pub async fn home(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let ended = match &call.standing {
        Standing::LoggedIn(session) => return start(&api, &call, session).await,
        Standing::LoggedOut => None,
        Standing::Ended(Ended::Idle) => Some(EndedHow::Idle),
        Standing::Ended(Ended::Old) => Some(EndedHow::Old),
        Standing::Ended(Ended::OtherCard(_)) => Some(EndedHow::OtherCard),
        Standing::Ended(Ended::Unknown) => Some(EndedHow::Unknown),
    };
    let caller = call.known()?;
    let facts = LogInFacts {
        name: caller.name.clone(),
        hsa_id: caller.hsa_id.clone(),
        token: api.sessions.open_form_token(caller, LOG_IN),
        ended,
        limits: api.sessions.limits(),
    };
    show(&api, &call, 200, &StaffPage::LogIn(facts))
}

/// Always a session of its own: one that was there before is given up.
pub async fn log_in(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    note(&api, &call, "log-in").await?;
    if let Standing::LoggedIn(before) = &call.standing {
        api.sessions.end(before);
    }
    let token = api.sessions.begin(&call.known()?.fingerprint, api.gateway.now());
    let token = token.map_err(|_| Problem::new("internal"))?;
    Ok(Answer::see_other(call.edition().path("/")).with_session(&token))
}

/// Nothing keeps anybody logged in: neither a session that was over already, nor a disk that takes no log entry.
pub async fn log_out(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    if let Standing::LoggedIn(session) = &call.standing {
        api.sessions.end(session);
        if let Err(problem) = note(&api, &call, "log-out").await {
            let code = problem.code;
            tracing::error!(
                event = "session.log-out.unlogged",
                code,
                "somebody logged out, and the access log lacks it"
            );
        }
    }
    (api.hang_up)(&call.known()?.fingerprint);
    Ok(show(&api, &call, 200, &StaffPage::LoggedOut)?.forgetting_session())
}

async fn note(api: &Api, call: &Call, act: &str) -> Result<(), Problem> {
    let visitor = call.visitor()?;
    let entry = AccessEntry::new(visitor.hsa_id.as_str(), "staff", act, &visitor.request);
    Ok(api.gateway.log_operator(&api.gateway.common, &entry).await?)
}

async fn start(api: &Api, call: &Call, session: &LiveSession) -> Result<Answer, Problem> {
    let caller = call.known()?;
    let catalog = api.gateway.catalog();
    let me = &caller.hsa_id;
    // Units that take no cases, such as the support's, have no inbox.
    let with_inbox = || catalog.clinics_of(me).filter_map(|grant| catalog.clinic(&grant.clinic));
    let asked = call.query.get("mottagning").map(String::as_str);
    let chosen = with_inbox().find(|clinic| Some(clinic.hsa_id.as_str()) == asked).or_else(|| with_inbox().next());
    let (inbox, is_down) = match chosen {
        None => (Vec::new(), false),
        Some(clinic) => match inbox(api, &catalog, &call.visitor()?, &clinic.hsa_id).await {
            Ok(lists) => (lists, false),
            // Who one is and how to reach the support is told without the cases.
            Err(Refusal::Read(ReadError::Absent) | Refusal::Commit(CommitError::Absent)) => (Vec::new(), true),
            Err(refusal) => return Err(refusal.into()),
        },
    };
    let clinics = catalog.clinics_of(me).map(|grant| {
        let clinic = catalog.clinic(&grant.clinic);
        let is_other = clinic.is_some() && chosen.is_none_or(|chosen| chosen.hsa_id != grant.clinic);
        ClinicFacts {
            name: clinic.map_or_else(|| grant.clinic.to_string(), |clinic| clinic.name.clone()),
            roles: grant.roles.clone(),
            path: is_other.then(|| format!("/?mottagning={}", grant.clinic)),
        }
    });
    let facts = StartFacts {
        name: caller.name.clone(),
        hsa_id: me.clone(),
        clinic: chosen.map(|clinic| clinic.name.clone()),
        clinics: clinics.collect(),
        inbox,
        is_down,
        log_out: api.sessions.open_form_token(caller, LOG_OUT),
        limits: api.sessions.limits(),
        begun: session.begun,
        now: api.gateway.now(),
    };
    show(api, call, 200, &StaffPage::Start(Box::new(facts)))
}

/// The four lists of a clinic; each reading is a line of the access log.
async fn inbox(api: &Api, catalog: &Catalog, visitor: &Visitor, clinic: &HsaId) -> Result<Vec<ListFacts>, Refusal> {
    let list = |list| api.gateway.inbox::<CitizenErrand>(visitor, list, Some(clinic), ROWS_MAX, None);
    let (undistributed, mine, overdue, awaiting) = tokio::try_join!(
        list(InboxList::Undistributed),
        list(InboxList::Mine),
        list(InboxList::Overdue),
        list(InboxList::AwaitingCitizen),
    )?;
    let facts = |kind, page: Page| ListFacts {
        kind,
        rows: page.items.iter().map(|envelope| row(catalog, envelope)).collect(),
        has_more: page.next.is_some(),
    };
    Ok(vec![
        facts(ListKind::Undistributed, undistributed),
        facts(ListKind::Mine, mine),
        facts(ListKind::Overdue, overdue),
        facts(ListKind::AwaitingCitizen, awaiting),
    ])
}

fn row(catalog: &Catalog, envelope: &Envelope) -> RowFacts {
    let (case, state) = (&envelope.case, envelope.state);
    let id = &case.errand.case_type;
    let title = catalog.case_type(&case.clinic, id).map(|case_type| case_type.title.clone());
    RowFacts {
        // A case goes on when its type has been taken away, or it was forwarded to where there is none.
        title: title.unwrap_or_else(|| Texts { sv: id.clone(), en: None }),
        state,
        awaits_citizen: case.awaiting == Awaiting::Citizen,
        received_at: case.received_at,
        due: if state == State::Received { case.distributed_by } else { case.answered_by },
    }
}

pub async fn letters(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let saved = call.query.contains_key("sparat");
    std::future::ready(show_letters(&api, &call, LettersFacts { saved, ..LettersFacts::default() }, None, 200)).await
}

pub async fn choose_letters(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let seen = call.field("version").parse().map_err(|_| Problem::new("form-malformed"))?;
    let typed = call.field("epost");
    let email = match typed {
        "" => Ok(None),
        typed => MailAddress::parse(typed).map(Some),
    };
    let Ok(email) = email else {
        return show_letters(&api, &call, LettersFacts::default(), Some(typed), 422);
    };
    let wanted = |letter: &str| call.form().get("brev").is_some_and(|wanted| wanted.iter().any(|one| one == letter));
    let choice = NotificationChoice {
        new_case: wanted("nytt"),
        assigned_case: wanted("fordelat"),
        email,
        language: if call.field("sprak") == "en" { Language::En } else { Language::Sv },
    };
    match api.gateway.choose_notifications(&call.visitor()?, &choice, seen).await {
        Ok(_) => Ok(Answer::see_other(format!("{}?sparat=1", call.edition().path(LETTERS)))),
        Err(Refusal::Stale { .. }) => {
            show_letters(&api, &call, LettersFacts { overtaken: true, ..LettersFacts::default() }, None, 409)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// `unfit` is an address as it was typed, when it is none: the form then stands as it was sent.
fn show_letters(
    api: &Api,
    call: &Call,
    facts: LettersFacts,
    unfit: Option<&str>,
    status: u16,
) -> Result<Answer, Problem> {
    let at = api.gateway.notification_choice(&call.visitor()?);
    let token = api.sessions.form_token(call.session()?, LETTERS);
    let version = if unfit.is_some() { call.field("version").to_owned() } else { at.version.to_string() };
    let form = Form {
        action: call.edition().path(LETTERS),
        fields: fields(call, &at.record, unfit),
        submit: say(call, "Spara", "Save"),
        hidden: vec![(FORM_TOKEN.to_owned(), token), ("version".to_owned(), version)],
    };
    let log_out = api.sessions.open_form_token(call.known()?, LOG_OUT);
    show(api, call, status, &StaffPage::Letters(LettersFacts { form, log_out, ..facts }))
}

fn fields(call: &Call, kept: &NotificationChoice, unfit: Option<&str>) -> Vec<FormField> {
    let sent = |name: &str, value: &str| call.form().get(name).is_some_and(|sent| sent.iter().any(|one| one == value));
    let option = |name: &str, value: &str, label: String, is_kept: bool| FieldOption {
        value: value.to_owned(),
        label,
        chosen: if unfit.is_some() { sent(name, value) } else { is_kept },
        ..FieldOption::default()
    };
    let kept_address = kept.email.as_ref().map(|email| email.expose().to_owned());
    vec![
        FormField {
            name: "brev".into(),
            label: say(call, "Skriv till mig när", "Write to me when"),
            kind: FieldKind::Checkboxes,
            options: vec![
                option(
                    "brev",
                    "nytt",
                    say(call, "ett nytt ärende har kommit in", "a new case has come in"),
                    kept.new_case,
                ),
                option(
                    "brev",
                    "fordelat",
                    say(call, "ett ärende har fördelats till mig", "a case has been given to me"),
                    kept.assigned_case,
                ),
            ],
            ..FormField::default()
        },
        FormField {
            name: "epost".into(),
            label: say(call, "E-postadress", "E-mail address"),
            help: say(call, "Tomt betyder adressen i katalogen.", "Empty means the address in the directory."),
            kind: FieldKind::Email,
            value: unfit.map_or_else(|| kept_address.unwrap_or_default(), str::to_owned),
            error: unfit.map(|_| {
                say(
                    call,
                    "E-postadressen går inte att använda. Skriv den som namn@region.example.",
                    "The e-mail address cannot be used. Write it as name@region.example.",
                )
            }),
            autocomplete: "email",
            length_max: MAIL_LEN_MAX,
            ..FormField::default()
        },
        FormField {
            name: "sprak".into(),
            label: say(call, "Språk i breven", "Language of the letters"),
            kind: FieldKind::Radio,
            options: vec![
                option("sprak", "sv", "Svenska".into(), kept.language == Language::Sv),
                option("sprak", "en", "English".into(), kept.language == Language::En),
            ],
            ..FormField::default()
        },
    ]
}

fn say(call: &Call, sv: &str, en: &str) -> String {
    match call.language {
        Language::Sv => sv.to_owned(),
        Language::En => en.to_owned(),
    }
}

fn show(api: &Api, call: &Call, status: u16, page: &StaffPage) -> Result<Answer, Problem> {
    match api.renderer.staff_page(page, call.language) {
        Ok(html) => Ok(Answer::html(status, html).header("content-language", call.language.tag())),
        Err(error) => {
            tracing::error!(event = "http.page", %error, "a page that was fit at the start is not now");
            Err(Problem::new("internal"))
        }
    }
}
