//! The pages of the support at the public door: where to begin, the three forms, a ticket by its link, the questions
//! asked often.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::Api;
use super::super::form::Fields;
use super::super::problem::Problem;
use super::super::request::Call;
use super::super::response::Answer;
use super::super::wire::case::text;
use super::super::wire::ticket::TEXT_LEN_MAX;
use super::super::wire::ticket_form::{Asked, NONCE, TicketForm, WHAT};
use super::tickets::{desk, told};
use crate::crypto::{hex, random_bytes, sha256};
use crate::domain::case::{Awaiting, DocumentBody, State};
use crate::domain::clinic::CaseType;
use crate::domain::language::Language;
use crate::domain::rejection::RejectionCode;
use crate::domain::ticket::{Priority, SupportErrand, TicketKind};
use crate::render::page::{
    FaqFacts, FaqItem, FieldKind, Form, FormField, Page, SupportFacts, TicketFacts, TicketFormFacts, TicketMessage,
    TicketReceivedFacts, ticket_form_path,
};
use crate::usecase::Refusal;
use crate::usecase::catalog::Catalog;
use crate::usecase::read_cases::CaseView;
use crate::usecase::tickets::{ReportRequest, Reported, ReporterFrom, SupportRefusal, WriterFrom, service_words};

pub async fn support(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let ongoing = ongoing(&api, &call);
    std::future::ready(page(&api, &call, 200, Page::Support(SupportFacts { ongoing }))).await
}

pub async fn fault_form(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    // As the page of a rejection links to it.
    let mut fields = Fields::new();
    if let Some(code) = call.query.get("kod").and_then(|code| RejectionCode::parse(code)) {
        for (name, value) in [("kod", code.as_str()), ("inloggning", "ja"), ("omfattning", "jag")] {
            fields.insert(name.to_owned(), vec![value.to_owned()]);
        }
    }
    std::future::ready(empty_form(&api, &call, TicketKind::FaultReport, &fields)).await
}

pub async fn help_form(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    std::future::ready(empty_form(&api, &call, TicketKind::UserSupport, &Fields::new())).await
}

pub async fn order_form(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    std::future::ready(empty_form(&api, &call, TicketKind::Order, &Fields::new())).await
}

pub async fn send_fault(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    send(&api, &call, TicketKind::FaultReport).await
}

pub async fn send_help(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    send(&api, &call, TicketKind::UserSupport).await
}

pub async fn send_order(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    send(&api, &call, TicketKind::Order).await
}

fn empty_form(api: &Api, call: &Call, kind: TicketKind, fields: &Fields) -> Result<Answer, Problem> {
    desk(api)?;
    let catalog = api.gateway.catalog();
    let form = ticket_form(&catalog, call, Asked::of(kind, fields), fields);
    show(api, call, kind, &form, Vec::new(), 200)
}

fn ticket_form<'a>(catalog: &'a Catalog, call: &Call, asked: Asked, fields: &'a Fields) -> TicketForm<'a> {
    let mut case_types: BTreeMap<&str, &CaseType> = BTreeMap::new();
    for case_type in catalog.case_types.values().map(|at| &at.record).filter(|case_type| case_type.active) {
        case_types.entry(&case_type.id).or_insert(case_type);
    }
    TicketForm {
        asked,
        language: call.language,
        fields,
        services: catalog.offered_services(),
        case_types: case_types.into_values().collect(),
        errors: BTreeMap::new(),
    }
}

fn show(
    api: &Api,
    call: &Call,
    kind: TicketKind,
    form: &TicketForm<'_>,
    notes: Vec<String>,
    status: u16,
) -> Result<Answer, Problem> {
    let nonce = hex(&random_bytes::<16>().map_err(|_| Problem::new("internal"))?);
    let mut notes = notes;
    if form.asked == Asked::Clinic {
        notes.push(say(
            call,
            "Att ansluta en mottagning kostar ingenting. Vi hör av oss när den är ansluten.",
            "Connecting a clinic costs nothing. We tell you when it is connected.",
        ));
    }
    let facts = TicketFormFacts {
        kind,
        ongoing: ongoing(api, call),
        call_first: form.is_most_urgent(),
        notes,
        form: form.shown(call.edition().path(ticket_form_path(kind)), nonce),
    };
    page(api, call, status, Page::TicketForm(facts))
}

/// What was sent becomes a ticket, or the form again with what is wrong and all that was typed.
async fn send(api: &Api, call: &Call, kind: TicketKind) -> Result<Answer, Problem> {
    let desk = desk(api)?;
    let catalog = api.gateway.catalog();
    let fields = call.form();
    let mut form = ticket_form(&catalog, call, Asked::of(kind, fields), fields);
    if form.asked == Asked::What {
        if form.local_item().is_some() {
            let notes = vec![desk.local_it.in_language(call.language).to_owned()];
            return show(api, call, kind, &form, notes, 200);
        }
        form.nothing_chosen();
        return show(api, call, kind, &form, Vec::new(), 422);
    }
    // What is ordered was chosen just now: its own questions come next.
    if kind == TicketKind::Order && call.field("steg").is_empty() {
        let chosen = Fields::from([(WHAT.to_owned(), vec![call.field(WHAT).to_owned()])]);
        let form = ticket_form(&catalog, call, form.asked, &chosen);
        return show(api, call, kind, &form, Vec::new(), 200);
    }
    let Some(report) = form.read() else { return show(api, call, kind, &form, Vec::new(), 422) };
    let body_digest = sha256(&[&call.body]);
    let own_key = hex(&body_digest);
    let request = ReportRequest {
        from: ReporterFrom::Anyone(call.address),
        key: Some(call.field(NONCE)).filter(|key| !key.is_empty()).unwrap_or(&own_key),
        body_digest,
        request: &call.request_id,
    };
    match api.gateway.report(&request, &report).await {
        Ok(reported) => received(api, call, &reported),
        Err(refusal) => refused(api, call, kind, form, &desk.local_it, refusal),
    }
}

fn refused(
    api: &Api,
    call: &Call,
    kind: TicketKind,
    mut form: TicketForm<'_>,
    local_it: &crate::domain::clinic::Texts,
    refusal: Refusal,
) -> Result<Answer, Problem> {
    let mut notes = Vec::new();
    match refusal {
        Refusal::Support(SupportRefusal::PersonId { field }) => form.holds_person_id(field),
        Refusal::Support(SupportRefusal::UnknownService) => form.unknown_service(),
        Refusal::Support(SupportRefusal::ClinicExists) => form.clinic_exists(),
        Refusal::Support(SupportRefusal::LocalItFirst) => {
            form.local_it_first();
            notes.push(format!(
                "{} {}",
                say(call, "Gör så här först:", "Do this first:"),
                api.renderer.login_guide(call.language)
            ));
            notes.push(local_it.in_language(call.language).to_owned());
        }
        Refusal::IdempotencyReused => notes.push(say(
            call,
            "Du har redan skickat det här formuläret en gång. Vill du skicka det du har ändrat också, tryck på knappen igen.",
            "You have sent this form once already. To send what you have changed as well, press the button again.",
        )),
        refusal => return Err(told(api, refusal)),
    }
    show(api, call, kind, &form, notes, 422)
}

fn received(api: &Api, call: &Call, reported: &Reported) -> Result<Answer, Problem> {
    let ticket = &reported.ticket;
    let when = |at| api.renderer.time_in_words(at, call.language, api.gateway.now());
    let (taken, answered) = (when(ticket.distributed_by), when(ticket.answered_by));
    let next = vec![
        say(
            call,
            &format!("Någon i supporten tar ärendet senast {taken}."),
            &format!("Somebody of the support takes it by {taken}."),
        ),
        say(call, &format!("Du får svar senast {answered}."), &format!("You get an answer by {answered}.")),
        say(call, "Kvittot är på väg till din e-post.", "The receipt is on its way to your e-mail."),
    ];
    let facts = TicketReceivedFacts {
        number: ticket.errand.number.to_string(),
        reference: own_number(&ticket.errand),
        path: ticket_path(call, &reported.token),
        call_first: ticket.errand.priority == Priority::One,
        next,
    };
    page(api, call, 200, Page::TicketReceived(facts))
}

fn own_number(errand: &SupportErrand) -> Option<String> {
    errand.reporter.reference.as_ref().map(|text| text.expose().to_owned())
}

pub async fn ticket(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    match api.gateway.open_ticket(call.parameter("token")?, &call.request_id).await {
        Ok(view) => {
            let saved = call.query.contains_key("skickat");
            show_ticket(&api, &call, &view, saved, None, 200)
        }
        Err(Refusal::NotFound) => page(&api, &call, 404, Page::LinkUnknown),
        Err(refusal) => Err(refusal.into()),
    }
}

pub async fn write(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let token = call.parameter("token")?;
    let fault = match text(call.field("text").to_owned(), "/text", TEXT_LEN_MAX) {
        Ok(text) => {
            let from = WriterFrom::Link { token, address: call.address };
            match api.gateway.write_to_ticket(&from, &text, &call.request_id).await {
                Ok(_) => return Ok(Answer::see_other(format!("{}?skickat=1", ticket_path(&call, token)))),
                Err(Refusal::NotFound) => return page(&api, &call, 404, Page::LinkUnknown),
                Err(Refusal::Support(SupportRefusal::PersonId { .. })) => say(
                    &call,
                    "Ta bort personnumret. Supporten ska inte veta vem patienten är.",
                    "Remove the identity number. The support must not know who the patient is.",
                ),
                Err(refusal) => return Err(told(&api, refusal)),
            }
        }
        Err(_) if call.field("text").trim().is_empty() => say(&call, "Skriv något.", "Write something."),
        Err(_) => say(&call, "Skriv högst 10 000 läsbara tecken.", "Write at most 10,000 readable characters."),
    };
    let view = api.gateway.open_ticket(token, &call.request_id).await?;
    show_ticket(&api, &call, &view, false, Some(fault), 422)
}

fn show_ticket(
    api: &Api,
    call: &Call,
    view: &CaseView<SupportErrand>,
    saved: bool,
    fault: Option<String>,
    status: u16,
) -> Result<Answer, Problem> {
    let ticket = &view.case;
    let path = ticket_path(call, call.parameter("token")?);
    let over = matches!(view.state, State::Closed | State::Withdrawn);
    let mut messages: Vec<TicketMessage> = view
        .documents
        .iter()
        .map(|(entry, document)| TicketMessage {
            own: entry.by.is_none(),
            from: if entry.by.is_none() { say(call, "Du", "You") } else { say(call, "Supporten", "The support") },
            at: entry.at,
            text: match &document.body {
                DocumentBody::Text(text) => text.expose().to_owned(),
                DocumentBody::Form { .. } => String::new(),
            },
        })
        .collect();
    if let (Some(reason), Some(last)) = (&ticket.closure_reason, ticket.history.last()) {
        let from = say(call, "Supporten", "The support");
        messages.push(TicketMessage { own: false, from, at: last.at, text: reason.expose().to_owned() });
    }
    let catalog = api.gateway.catalog();
    let service = service_words(&catalog, &ticket.errand, call.language);
    let facts = TicketFacts {
        number: ticket.errand.number.to_string(),
        reference: own_number(&ticket.errand),
        kind: ticket.errand.matter.kind(),
        service,
        state: state_words(call, view),
        messages,
        saved,
        form: (!over).then(|| message_form(call, path.clone(), fault)),
        call_first: ticket.errand.priority == Priority::One && view.state != State::Answered && !over,
        path,
    };
    page(api, call, status, Page::Ticket(facts))
}

fn message_form(call: &Call, action: String, error: Option<String>) -> Form {
    let text = FormField {
        name: "text".into(),
        label: say(call, "Ditt meddelande", "Your message"),
        help: say(call, "Skriv inget om patienter.", "Write nothing about patients."),
        kind: FieldKind::LongText,
        value: if error.is_some() { call.field("text").to_owned() } else { String::new() },
        error,
        required: true,
        length_max: u32::try_from(TEXT_LEN_MAX).unwrap_or(0),
        ..FormField::default()
    };
    Form { action, fields: vec![text], submit: say(call, "Skicka meddelandet", "Send the message"), hidden: Vec::new() }
}

fn state_words(call: &Call, view: &CaseView<SupportErrand>) -> String {
    match (view.state, view.case.awaiting) {
        (State::Received, _) => say(call, "Inkommet, väntar på supporten", "Received, waits for the support"),
        (State::Distributed, Awaiting::Staff) => say(call, "Supporten arbetar med det", "The support is working on it"),
        (State::Distributed, Awaiting::Citizen) => say(call, "Väntar på svar från dig", "Waits for your answer"),
        (State::Answered, _) => say(call, "Besvarat", "Answered"),
        (State::Closed, _) => say(call, "Avslutat", "Closed"),
        (State::Withdrawn, _) => say(call, "Återtaget", "Withdrawn"),
    }
}

pub async fn faq(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let catalog = api.gateway.catalog();
    let entries = catalog.shown_faq(call.audience).into_iter().map(FaqItem::from).collect();
    std::future::ready(page(&api, &call, 200, Page::Faq(FaqFacts { entries }))).await
}

pub async fn faq_entry(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let catalog = api.gateway.catalog();
    let slug = call.parameter("slug")?;
    let entry = catalog.shown_faq(call.audience).into_iter().find(|entry| entry.slug == slug);
    let answer = match entry {
        Some(entry) => page(&api, &call, 200, Page::FaqEntry(entry.into())),
        None => page(&api, &call, 404, Page::NotFound),
    };
    std::future::ready(answer).await
}

fn ticket_path(call: &Call, token: &str) -> String {
    call.edition().path(&format!("/support/arende/{token}"))
}

fn ongoing(api: &Api, call: &Call) -> Vec<crate::render::page::Ongoing> {
    api.renderer.ongoing(&api.gateway.board(), call.language, call.audience, api.gateway.now())
}

fn say(call: &Call, sv: &str, en: &str) -> String {
    match call.language {
        Language::Sv => sv.to_owned(),
        Language::En => en.to_owned(),
    }
}

fn page(api: &Api, call: &Call, status: u16, page: Page) -> Result<Answer, Problem> {
    let html = api.renderer.page(&page, call.language, call.audience).map_err(|error| {
        tracing::error!(event = "http.page", %error, "a template that was fit at the start is not now");
        Problem::new("internal")
    })?;
    Ok(Answer::html(status, html))
}
