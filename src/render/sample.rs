//! Facts that reach every branch of every template, so that an unfit one is told at the start. The region is made up.

pub(super) mod staff;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::notices::KINDS;
use super::page::{
    ConfirmFacts, ConfirmedFacts, FaqFacts, FaqItem, FaultFacts, FieldKind, FieldOption, Form, FormField, LeaveFacts,
    LeftFacts, ManageFacts, Ongoing, Page, SubscribeFacts, SupportFacts, TicketFacts, TicketFormFacts, TicketKind,
    TicketMessage, TicketReceivedFacts,
};
use crate::domain::clinic::Texts;
use crate::domain::status::Audience;
use crate::domain::status::board::{Board, OwnComponent, OwnHealth};
use crate::domain::status::component::{Component, ComponentStatus, Group};
use crate::domain::status::event::{Event, EventKind, NamedComponent};
use crate::domain::status::subject::{
    Affected, Incident, IncidentStatus, Maintenance, MaintenanceStatus, Origin, Subject, Update,
};

/// 2026-11-23, a Monday, 07.55 in Sweden.
const NOW_SECOND: i64 = 1_795_416_900;
const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

pub(super) fn now() -> Timestamp {
    at(0)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(NOW_SECOND + seconds)
}

/// A version 7 id of the sample's moment.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x019a_af00_0000_7000_8000_0000_0000_0000 + number)
}

fn texts(sv: &str, en: &str) -> Texts {
    Texts { sv: sv.to_owned(), en: (!en.is_empty()).then(|| en.to_owned()) }
}

fn component(number: u128, slug: &str, name: Texts, group: u128, external: bool) -> Component {
    let audience = if external { Audience::Staff } else { Audience::Public };
    let description = if external {
        texts("Personer, enheter och deras uppdrag", "People, units and their assignments")
    } else {
        Texts::default()
    };
    let group = (group > 0).then(|| id(group));
    Component {
        id: id(number),
        slug: slug.to_owned(),
        name,
        description,
        group,
        position: 0,
        audience,
        external,
        archived: false,
    }
}

fn update<S>(number: u32, status: S, body: Texts, seconds: i64, affected: Vec<Affected>) -> Update<S> {
    let by = "operator sample".to_owned();
    Update { number, status, body, at: at(seconds), by, notify: true, corrects: None, affected, moved_from: None }
}

pub(super) fn board() -> Board {
    let group = |number, slug: &str, name| Group { id: id(number), slug: slug.to_owned(), name, position: 0 };
    Board {
        seq: 7,
        groups: vec![
            group(1, "invanare", texts("För invånare", "For residents")),
            group(2, "personal", texts("För vårdpersonal", "For healthcare staff")),
            group(3, "andras", texts("Andras system", "Systems of others")),
        ],
        components: vec![
            component(11, "e-tjanster", texts("1177 e-tjänster", "1177 e-services"), 1, false),
            component(12, "stod", texts("Stöd och behandling", "Support and treatment"), 1, false),
            component(13, "verktyg", texts("Personalverktyget", "The staff tool"), 2, false),
            component(14, "siths", texts("Inloggning med SITHS-kort", "Login with SITHS card"), 3, true),
            component(15, "hsa", texts("HSA-katalogen", "The HSA directory"), 3, true),
            component(16, "telefoni", texts("Telefoni", ""), 0, false),
        ],
        incidents: vec![Arc::new(incident()), Arc::new(resolved()), Arc::new(withdrawn())],
        maintenances: vec![Arc::new(running()), Arc::new(planned())],
        archived: Vec::new(),
    }
}

pub(super) fn own_health() -> OwnHealth {
    let component = |slug, name, status, detail| OwnComponent { slug, name, status, detail };
    OwnHealth {
        checked_at: Some(now()),
        started_at: Some(at(-86_400)),
        components: vec![
            component(
                "mail",
                texts("Mejlutskick", "Mail"),
                ComponentStatus::DegradedPerformance,
                texts("Mejl är försenade.", "Mails are delayed."),
            ),
            component("cases", texts("Ärenden", "Cases"), ComponentStatus::Operational, Texts::default()),
        ],
    }
}

fn incident() -> Incident {
    let affected = vec![
        Affected { component: id(14), status: ComponentStatus::MajorOutage },
        Affected { component: id(13), status: ComponentStatus::DegradedPerformance },
    ];
    let mut correction = update(
        3,
        IncidentStatus::Identified,
        texts(
            "Felet gäller alla kort, inte bara nya.\nSe https://status.region.example/support.",
            "It concerns all cards, not only new ones.",
        ),
        -5 * MINUTE,
        affected.clone(),
    );
    correction.corrects = Some(2);
    Incident {
        id: id(101),
        title: texts("Det går inte att logga in med SITHS-kort", "Logging in with a SITHS card does not work"),
        audience: Audience::Staff,
        status: IncidentStatus::Identified,
        impact_override: None,
        started_at: at(-15 * MINUTE),
        published_at: at(-13 * MINUTE),
        resolved_at: None,
        withdrawn_at: None,
        expected_end: Some(at(2 * HOUR)),
        next_update_by: Some(at(35 * MINUTE)),
        lateness_alarmed: false,
        origin: Origin::Person,
        reference: Some("INC-4711".to_owned()),
        workaround: Some(texts(
            "Du som redan är inloggad kan arbeta vidare: logga inte ut.",
            "If you are logged in, you can go on: do not log out.",
        )),
        revision: 3,
        updates: vec![
            update(
                1,
                IncidentStatus::Investigating,
                texts(
                    "Inloggning med SITHS-kort fungerar inte sedan kl. 07.40.",
                    "Login with SITHS cards has not worked since 07:40.",
                ),
                -13 * MINUTE,
                affected.clone(),
            ),
            update(2, IncidentStatus::Identified, texts("Felet gäller nya kort.", ""), -8 * MINUTE, affected.clone()),
            correction,
        ],
        affected,
    }
}

fn resolved() -> Incident {
    let broken = vec![Affected { component: id(11), status: ComponentStatus::PartialOutage }];
    Incident {
        id: id(102),
        title: texts("Bilder i meddelanden visas inte", ""),
        audience: Audience::Public,
        status: IncidentStatus::Resolved,
        started_at: at(-DAY - 3 * HOUR),
        published_at: at(-DAY - 3 * HOUR),
        resolved_at: Some(at(-DAY)),
        expected_end: None,
        next_update_by: None,
        reference: None,
        workaround: None,
        revision: 2,
        updates: vec![
            update(1, IncidentStatus::Monitoring, texts("Bilder visas inte.", ""), -DAY - 3 * HOUR, broken),
            update(2, IncidentStatus::Resolved, texts("Bilderna visas igen.", ""), -DAY, Vec::new()),
        ],
        affected: Vec::new(),
        ..incident()
    }
}

fn withdrawn() -> Incident {
    Incident { id: id(103), withdrawn_at: Some(at(-DAY)), started_at: at(-2 * DAY), ..resolved() }
}

fn planned() -> Maintenance {
    let affected = vec![Affected { component: id(12), status: ComponentStatus::UnderMaintenance }];
    Maintenance {
        id: id(201),
        title: texts("Byte av databasserver", "Change of database server"),
        audience: Audience::Public,
        status: MaintenanceStatus::Scheduled,
        scheduled_for: at(DAY + 14 * HOUR + 5 * MINUTE),
        scheduled_until: at(DAY + 16 * HOUR + 5 * MINUTE),
        published_at: at(-DAY),
        started_at: None,
        ended_at: None,
        starts_by_itself: true,
        ends_by_itself: true,
        overrun_told: false,
        emergency_reason: Some(texts(
            "Den gamla servern har ett trasigt minne.",
            "The old server has a broken memory.",
        )),
        reminded: BTreeSet::new(),
        tell_transitions: true,
        series: None,
        revision: 1,
        updates: vec![update(
            1,
            MaintenanceStatus::Scheduled,
            texts(
                "Stöd och behandling går inte att använda under arbetet.",
                "Support and treatment cannot be used meanwhile.",
            ),
            -DAY,
            affected.clone(),
        )],
        affected,
    }
}

fn running() -> Maintenance {
    let affected = vec![Affected { component: id(16), status: ComponentStatus::UnderMaintenance }];
    Maintenance {
        id: id(202),
        title: texts("Uppgradering av växeln", "Upgrade of the switchboard"),
        status: MaintenanceStatus::InProgress,
        scheduled_for: at(-HOUR),
        scheduled_until: at(HOUR),
        started_at: Some(at(-HOUR)),
        emergency_reason: None,
        revision: 2,
        updates: vec![update(
            1,
            MaintenanceStatus::InProgress,
            texts("Samtal kan brytas.", "Calls may be cut."),
            -HOUR,
            affected.clone(),
        )],
        affected,
        ..planned()
    }
}

/// One of each kind.
pub(super) fn events() -> Vec<Event> {
    KINDS.into_iter().map(event).collect()
}

/// One event of the kind, of a subject that fits it.
pub(super) fn event(kind: EventKind) -> Event {
    let moved = |status, ended| Maintenance { status, ended_at: ended, revision: 3, ..planned() };
    let subject = match kind {
        EventKind::Opened | EventKind::Updated | EventKind::Corrected => Subject::Incident(incident()),
        EventKind::Resolved => Subject::Incident(resolved()),
        EventKind::Withdrawn => Subject::Incident(withdrawn()),
        EventKind::Scheduled | EventKind::Rescheduled | EventKind::Reminder(_) => Subject::Maintenance(planned()),
        EventKind::Started => Subject::Maintenance(running()),
        EventKind::Overrun => Subject::Maintenance(Maintenance { overrun_told: true, ..running() }),
        EventKind::Completed => Subject::Maintenance(moved(MaintenanceStatus::Completed, Some(now()))),
        EventKind::Cancelled => Subject::Maintenance(moved(MaintenanceStatus::Cancelled, None)),
    };
    let all = board().components;
    let affected = match &subject {
        Subject::Incident(incident) => incident.updates.iter().flat_map(|update| update.affected.clone()).collect(),
        Subject::Maintenance(maintenance) => maintenance.affected.clone(),
    };
    let is_told = |component: &&Component| affected.iter().any(|one| one.component == component.id);
    let named = |component: &Component| NamedComponent {
        id: component.id,
        name: component.name.clone(),
        group: component.group,
    };
    let update = match &subject {
        Subject::Incident(incident) => incident.updates.last().map(|update| update.number),
        Subject::Maintenance(maintenance) => maintenance.updates.last().map(|update| update.number),
    };
    // The clock speaks without an update.
    let update = update.filter(|_| !matches!(kind, EventKind::Reminder(_) | EventKind::Overrun));
    let components = all.iter().filter(is_told).map(named).collect();
    Event { kind, at: now(), subject, update, components, notify: true, not_after: at(DAY) }
}

/// One of each page, those with forms once as they are first seen and once with errors.
pub(super) fn pages() -> Vec<Page> {
    let managed_by = || Some("Driftkontakter".to_owned());
    let manage = ManageFacts {
        path: "/status/prenumeration/sample".to_owned(),
        address: "k…@region.example".to_owned(),
        managed_by: None,
        saved: false,
        form: form(false),
        leave_path: "/u/sample".to_owned(),
    };
    let ticket = TicketFacts {
        path: "/support/arende/sample".to_owned(),
        number: "S-2026-000123".to_owned(),
        reference: Some("L-778".to_owned()),
        kind: TicketKind::FaultReport,
        service: "Personalverktyget".to_owned(),
        state: "Väntar på supporten".to_owned(),
        messages: vec![TicketMessage {
            own: true,
            from: "Du".to_owned(),
            at: now(),
            text: "Det går inte att spara.".to_owned(),
        }],
        saved: true,
        form: Some(form(true)),
        call_first: false,
    };
    let form_facts = |kind, call_first, with_errors| {
        let notes = vec!["Fråga först er lokala IT-support om kort och läsare.".to_owned()];
        Page::TicketForm(TicketFormFacts { kind, ongoing: vec![ongoing()], call_first, notes, form: form(with_errors) })
    };
    let received = TicketReceivedFacts {
        number: "S-2026-000123".to_owned(),
        reference: Some("L-778".to_owned()),
        path: "/support/arende/sample".to_owned(),
        call_first: true,
        next: vec!["Vi svarar senast tisdag 24 november kl. 12.00.".to_owned()],
    };
    let choices = vec!["Alla tjänster".to_owned()];
    vec![
        Page::Subscribe(SubscribeFacts { form: form(false), subject: None }),
        Page::Subscribe(SubscribeFacts { form: form(true), subject: Some(incident().title) }),
        Page::SubscribeAsked,
        Page::ConfirmAsk(ConfirmFacts { path: "/status/bekrafta/sample".to_owned(), choices }),
        Page::Confirmed(ConfirmedFacts { manage_path: manage.path.clone(), already: false }),
        Page::Confirmed(ConfirmedFacts { manage_path: manage.path.clone(), already: true }),
        Page::Manage(ManageFacts { managed_by: managed_by(), saved: true, form: form(true), ..manage.clone() }),
        Page::Manage(manage),
        Page::LeaveAsk(LeaveFacts { path: "/u/sample".to_owned(), managed_by: None }),
        Page::LeaveAsk(LeaveFacts { path: "/u/sample".to_owned(), managed_by: managed_by() }),
        Page::Left(LeftFacts { managed_by: None }),
        Page::Left(LeftFacts { managed_by: managed_by() }),
        Page::LinkUnknown,
        Page::Support(SupportFacts { ongoing: vec![ongoing()] }),
        form_facts(TicketKind::FaultReport, true, true),
        form_facts(TicketKind::UserSupport, false, false),
        form_facts(TicketKind::Order, false, false),
        Page::TicketReceived(received),
        Page::Ticket(TicketFacts { form: None, call_first: true, saved: false, ..ticket.clone() }),
        Page::Ticket(ticket),
        Page::Faq(FaqFacts { entries: vec![faq_item()] }),
        Page::Faq(FaqFacts::default()),
        Page::FaqEntry(faq_item()),
        Page::NotFound,
        Page::Home,
        Page::Closed("/support", SupportFacts { ongoing: vec![ongoing()] }),
        Page::Down,
        Page::Fault(fault()),
    ]
}

fn fault() -> FaultFacts {
    FaultFacts {
        title: "Formuläret är för långt".to_owned(),
        text: "Det du skrev får inte plats.".to_owned(),
        cure: vec!["Korta texten.".to_owned()],
        code: "body-too-large".to_owned(),
        request_id: "sample".to_owned(),
    }
}

fn ongoing() -> Ongoing {
    Ongoing {
        id: id(101),
        title: incident().title.sv,
        title_language: None,
        sentence: "Pågår sedan måndag 23 november kl. 07.40.".to_owned(),
        path: format!("/status/handelse/{}", id(101)),
        follow_path: format!("/status/prenumerera?handelse={}", id(101)),
    }
}

fn faq_item() -> FaqItem {
    FaqItem {
        slug: "inloggning-misslyckades".to_owned(),
        question: texts("Inloggningen misslyckades, vad gör jag?", "The login failed, what do I do?"),
        answer: texts(
            "Gör så här:\n1. Ta ut kortet.\n2. Vänta en minut och sätt i det.\n\nHjälper inte det:\n- prova en annan dator\n- ring er lokala IT-support",
            "",
        ),
        updated: jiff::civil::Date::constant(2026, 11, 20),
    }
}

/// A form with a field of each kind.
fn form(with_errors: bool) -> Form {
    let error = |text: &str| with_errors.then(|| text.to_owned());
    let option = |value: &str, label: &str, group: &str| FieldOption {
        value: value.to_owned(),
        label: label.to_owned(),
        help: String::new(),
        chosen: value == "all",
        group: group.to_owned(),
    };
    let field = |name: &str, label: &str, kind| FormField {
        name: name.to_owned(),
        label: label.to_owned(),
        kind,
        ..FormField::default()
    };
    Form {
        action: "/status/prenumerera".to_owned(),
        fields: vec![
            FormField {
                help: "Dit besked ska skickas.".to_owned(),
                value: "kim.test".to_owned(),
                error: error("Adressen saknar @. Skriv den som namn@region.example."),
                required: true,
                autocomplete: "email",
                length_max: 254,
                ..field("epost", "Din e-postadress", FieldKind::Email)
            },
            FormField {
                options: vec![
                    FieldOption {
                        help: "Även sådana som kommer till.".to_owned(),
                        ..option("all", "Alla tjänster", "")
                    },
                    option("siths", "Inloggning med SITHS-kort", "Andras system"),
                    option("hsa", "HSA-katalogen", "Andras system"),
                ],
                error: error("Välj minst en tjänst."),
                ..field("tjanster", "Vilka tjänster gäller det?", FieldKind::Checkboxes)
            },
            FormField {
                options: vec![option("all", "Varje gång något händer", ""), option("digest", "Ett mejl om dagen", "")],
                ..field("nar", "När ska mejlen komma?", FieldKind::Radio)
            },
            FormField { value: "07:00".to_owned(), ..field("klockan", "Klockan", FieldKind::Time) },
            FormField {
                options: vec![option("sv", "Svenska", ""), option("en", "English", "")],
                ..field("sprak", "Språk", FieldKind::Select)
            },
            FormField { autocomplete: "tel", ..field("telefon", "Telefon", FieldKind::Telephone) },
            FormField { value: "TSTNMT2321000156-A001".to_owned(), ..field("enhet", "Enhet", FieldKind::Text) },
            FormField { value: "Rad ett\nrad två".to_owned(), ..field("text", "Vad hände?", FieldKind::LongText) },
        ],
        submit: "Skicka".to_owned(),
        hidden: vec![("nonce".to_owned(), "sample".to_owned())],
    }
}
