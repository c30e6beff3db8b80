//! The stories of the support on a gateway of their own.

use jiff::SignedDuration;
use uuid::Uuid;

use super::*;
use crate::admit::IpKey;
use crate::crypto::sha256;
use crate::domain::case::tests::hsa;
use crate::domain::case::{DocumentBody, State};
use crate::domain::clinic::Texts;
use crate::domain::id::Private;
use crate::domain::mail_address::MailAddress;
use crate::domain::staff::Post;
use crate::domain::status::Audience;
use crate::domain::status::act::{Act, Correct, OpenIncident, UpdateIncident};
use crate::domain::status::component::ComponentStatus;
use crate::domain::status::subject::{Affected, IncidentStatus, Origin};
use crate::domain::support::{Promises, SupportService};
use crate::domain::ticket::{ClinicOrder, Extent, Fault, LoginFault, Matter, Order, Priority, Reporter};
use crate::store::record::{assert_golden, assert_lifted};
use crate::usecase::directory::{Intake, Source};
use crate::usecase::letters::LetterStore;
use crate::usecase::region::Author;
use crate::usecase::status::{self, ComponentDraft};
use crate::usecase::testing::TestGateway;

const SUPPORTER: &str = "1006";
const OTHER_SUPPORTER: &str = "1016";
const NURSE: &str = "1001";

fn operator() -> Author {
    Author::Operator("root".into())
}

fn visitor(person: &str) -> Visitor {
    Visitor { hsa_id: hsa(person), request: "r".into() }
}

fn texts(sv: &str) -> Texts {
    Texts { sv: sv.into(), en: None }
}

fn desk() -> SupportDesk {
    let promise = |minutes| crate::domain::clinic::Promise {
        distributed_within_minutes: minutes,
        answered_within_minutes: 4 * minutes,
    };
    SupportDesk {
        unit: hsa("K001"),
        opening: serde_json::from_str(
            r#"{"hours": [{"days": ["monday", "tuesday"], "from": "08:00", "to": "17:00"}]}"#,
        )
        .unwrap(),
        urgent_round_the_clock: false,
        promises: Promises {
            priority1: promise(15),
            priority2: promise(60),
            priority3: promise(120),
            priority4: promise(240),
        },
        follow_up_days: 14,
        mailbox: Some(MailAddress::parse("support@region.example").unwrap()),
        local_it: texts("Ring lokal IT"),
    }
}

/// A region with a support of two, a nurse, and one service.
async fn region() -> TestGateway {
    let region = TestGateway::start().await;
    let post = |person: &str, unit: &str| Post {
        person: hsa(person),
        given_name: Private::new("Fatima".into()),
        surname: Private::new("Rahimi".into()),
        title: None,
        mail: Some(Private::new(format!("p{person}@region.example"))),
        unit: hsa(unit),
        start: jiff::civil::date(2020, 1, 1),
        end: None,
        protected: false,
    };
    let posts = [post(SUPPORTER, "K001"), post(OTHER_SUPPORTER, "K001"), post(NURSE, "A001")];
    let gateway = &region.gateway;
    let intake = Intake { posts: &posts, source: Source::Import, whole: true, accept_loss: false };
    gateway.import_directory(&operator(), intake).await.unwrap();
    for person in [SUPPORTER, OTHER_SUPPORTER] {
        let roles = [Role::Support].into();
        gateway.put_roles(&operator(), &hsa("K001"), &hsa(person), roles, None).await.unwrap();
    }
    gateway.put_support_desk(&operator(), &desk()).await.unwrap();
    let service =
        SupportService { slug: "e-tjanster".into(), name: texts("1177 e-tjänster"), position: 1, archived: false };
    gateway.put_support_service(&operator(), &service).await.unwrap();
    region
}

fn fault(extent: Extent, work_goes_on: bool) -> Fault {
    Fault { extent, work_goes_on, patient_safety: false, login: None, environment: None }
}

fn report(matter: Matter) -> Report {
    Report {
        matter,
        service: "e-tjanster".into(),
        reporter: Reporter {
            name: Private::new("Anna Åkesson".into()),
            email: MailAddress::parse("anna.akesson@region.example").unwrap(),
            language: Language::Sv,
            telephone: None,
            unit: None,
            person: None,
            reference: None,
        },
        text: Private::new("Sidan är tom sedan kl. 07.40.".into()),
    }
}

fn here() -> IpKey {
    IpKey::new(std::net::IpAddr::from([192, 0, 2, 1]))
}

fn by_link(token: &str) -> WriterFrom<'_> {
    WriterFrom::Link { token, address: here() }
}

async fn send(region: &TestGateway, key: &str, report: &Report) -> Result<Reported, Refusal> {
    let body_digest = sha256(&[report.text.expose().as_bytes()]);
    let request = ReportRequest { from: ReporterFrom::Anyone(here()), key, body_digest, request: "r" };
    region.gateway.report(&request, report).await
}

async fn sent(region: &TestGateway, key: &str) -> Reported {
    send(region, key, &report(Matter::FaultReport(fault(Extent::Many, false)))).await.unwrap()
}

fn refusal<T>(told: Result<T, Refusal>) -> SupportRefusal {
    match told {
        Err(Refusal::Support(refusal)) => refusal,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

/// Kind and recipient of the letters that are owed, told and forgotten.
async fn letters(region: &TestGateway) -> Vec<(&'static str, String)> {
    let gateway = &region.gateway;
    let owed = gateway.due_letters(LetterStore::Common, gateway.now(), 100).await.unwrap();
    let mut told = Vec::new();
    for letter in owed {
        told.push((letter.record.kind.as_str(), letter.record.to.expose().to_owned()));
        let delivered = crate::usecase::letters::Settlement::Delivered;
        gateway.settle_letter(LetterStore::Common, &letter, delivered).await.unwrap();
    }
    told.sort();
    told
}

#[tokio::test]
async fn a_report_gets_a_number_a_promise_a_receipt_and_is_told_to_the_support() {
    let region = region().await;
    let first = sent(&region, "a").await;
    let second = sent(&region, "b").await;
    assert_eq!(first.ticket.errand.number.to_string(), "S-2026-000001");
    assert_eq!(second.ticket.errand.number.to_string(), "S-2026-000002");
    assert_eq!((first.ticket.errand.priority, first.ticket.state), (Priority::Two, State::Received));
    // Monday at nine, within the hour.
    assert_eq!(first.ticket.distributed_by, "2026-11-23T09:00:00Z".parse().unwrap());
    let once = [
        ("ticket-new", "p1006@region.example"),
        ("ticket-new", "p1016@region.example"),
        ("ticket-new", "support@region.example"),
        ("ticket-received", "anna.akesson@region.example"),
    ];
    let twice: Vec<_> = once.iter().flat_map(|(kind, to)| vec![(*kind, (*to).to_owned()); 2]).collect();
    assert_eq!(letters(&region).await, twice);
}

#[tokio::test]
async fn the_most_urgent_is_promised_by_the_clock_where_somebody_answers_at_any_hour() {
    let region = region().await;
    // Wednesday, two in the morning: the support opens on Monday.
    region.clock.advance("2026-11-25T01:00:00Z".parse::<Timestamp>().unwrap().duration_since(region.gateway.now()));
    let standstill = report(Matter::FaultReport(fault(Extent::Everyone, false)));
    let by = |text: &str| text.parse::<Timestamp>().unwrap();
    let waiting = send(&region, "a", &standstill).await.unwrap().ticket;
    assert_eq!((waiting.errand.priority, waiting.distributed_by), (Priority::One, by("2026-11-30T07:15:00Z")));
    let at_any_hour = SupportDesk { urgent_round_the_clock: true, ..desk() };
    region.gateway.put_support_desk(&operator(), &at_any_hour).await.unwrap();
    let urgent = send(&region, "b", &standstill).await.unwrap().ticket;
    assert_eq!((urgent.distributed_by, urgent.answered_by), (by("2026-11-25T01:15:00Z"), by("2026-11-25T02:00:00Z")));
    let lesser = sent(&region, "c").await.ticket;
    assert_eq!(lesser.distributed_by, by("2026-11-30T08:00:00Z"), "the others wait for the opening");
}

#[tokio::test]
async fn the_same_request_again_is_the_same_ticket_and_another_under_its_key_is_refused() {
    let region = region().await;
    let first = sent(&region, "a").await;
    let again = sent(&region, "a").await;
    assert_eq!((again.ticket.id, again.replayed, &again.token), (first.ticket.id, true, &first.token));
    let other = Report { text: Private::new("Något annat".into()), ..report(Matter::UserSupport) };
    assert!(matches!(send(&region, "a", &other).await, Err(Refusal::IdempotencyReused)));
    region.clock.advance(SignedDuration::from_hours(7 * 24 + 1));
    assert_eq!(region.gateway.keep_up_tickets().await.unwrap().forgotten, 1);
    assert!(!sent(&region, "a").await.replayed, "after a week it is a new one");
}

#[tokio::test]
async fn reports_at_the_same_moment_get_numbers_of_their_own() {
    let region = region().await;
    let sending = ["a", "b", "c", "d"].map(|key| sent(&region, key));
    let mut numbers: Vec<_> =
        futures_util::future::join_all(sending).await.into_iter().map(|r| r.ticket.errand.number).collect();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 4);
}

#[tokio::test]
async fn a_login_fault_of_one_card_goes_by_local_it_first_and_a_standstill_does_not() {
    let region = region().await;
    let login = |extent, local_it_checked| {
        let login = Some(LoginFault { local_it_checked, rejection: None });
        report(Matter::FaultReport(Fault { login, ..fault(extent, false) }))
    };
    assert_eq!(refusal(send(&region, "a", &login(Extent::One, false)).await), SupportRefusal::LocalItFirst);
    send(&region, "b", &login(Extent::One, true)).await.unwrap();
    let all = send(&region, "c", &login(Extent::Everyone, false)).await.unwrap();
    assert_eq!(all.ticket.errand.priority, Priority::One);
}

#[tokio::test]
async fn a_citizens_number_an_unknown_service_and_a_loop_are_refused() {
    let region = region().await;
    let telling = Report { text: Private::new("Gäller 19121212-1212".into()), ..report(Matter::UserSupport) };
    assert_eq!(refusal(send(&region, "a", &telling).await), SupportRefusal::PersonId { field: "text" });
    let elsewhere = Report { service: "fax".into(), ..report(Matter::UserSupport) };
    assert_eq!(refusal(send(&region, "b", &elsewhere).await), SupportRefusal::UnknownService);
    for n in 0..10 {
        sent(&region, &n.to_string()).await;
    }
    let eleventh = send(&region, "eleventh", &report(Matter::UserSupport)).await;
    assert!(matches!(refusal(eleventh), SupportRefusal::TooManyByReporter(_)));
}

#[tokio::test]
async fn support_takes_asks_and_answers_and_the_reporter_replies_by_the_link() {
    let region = region().await;
    let gateway = &region.gateway;
    let Reported { ticket, token, .. } = sent(&region, "a").await;
    letters(&region).await;
    let me = visitor(SUPPORTER);
    let text = |words: &str| Private::new(words.into());
    let early = gateway.act_on_ticket(&me, ticket.id, 1, TicketAct::Answer { text: text("Svar") }).await;
    assert!(matches!(early, Err(Refusal::TakeFirst)));
    let take = TicketAct::Distribute { to: hsa(SUPPORTER) };
    let (version, _) = gateway.act_on_ticket(&me, ticket.id, 1, take).await.unwrap();
    let question = TicketAct::Question { text: text("Vilken webbläsare?") };
    gateway.act_on_ticket(&me, ticket.id, version, question).await.unwrap();
    assert_eq!(letters(&region).await, [("ticket-question", "anna.akesson@region.example".to_owned())]);
    let (version, asked) = gateway.write_to_ticket(&by_link(&token), &text("Firefox"), "r").await.unwrap();
    assert_eq!((version, asked.handler.clone()), (4, Some(hsa(SUPPORTER))));
    assert_eq!(letters(&region).await, [("ticket-message", "p1006@region.example".to_owned())]);
    let stale = gateway.act_on_ticket(&me, ticket.id, 3, TicketAct::Answer { text: text("Svar") }).await;
    assert!(matches!(stale, Err(Refusal::Stale { current: Some(4) })));
    gateway.act_on_ticket(&me, ticket.id, 4, TicketAct::Answer { text: text("Ladda om sidan.") }).await.unwrap();
    assert_eq!(letters(&region).await, [("ticket-answer", "anna.akesson@region.example".to_owned())]);
    let view = gateway.open_ticket(&token, "r").await.unwrap();
    let words: Vec<_> = view
        .documents
        .iter()
        .map(|(_, document)| match &document.body {
            DocumentBody::Text(text) => text.expose(),
            DocumentBody::Form { .. } => panic!("a form in a ticket"),
        })
        .collect();
    assert_eq!(words, ["Sidan är tom sedan kl. 07.40.", "Vilken webbläsare?", "Firefox", "Ladda om sidan."]);
    assert_eq!(view.state, State::Answered);
    region.clock.advance(SignedDuration::from_hours(14 * 24 + 1));
    assert_eq!(gateway.keep_up_tickets().await.unwrap().lapsed, 1);
    let late = gateway.write_to_ticket(&by_link(&token), &text("Hallå?"), "r").await;
    assert!(matches!(late, Err(Refusal::WrongState(State::Closed))));
}

#[tokio::test]
async fn what_ended_two_years_ago_is_forgotten_and_what_is_open_is_not() {
    let region = region().await;
    let gateway = &region.gateway;
    let (closed, open) = (sent(&region, "a").await, sent(&region, "b").await);
    let why = TicketAct::Close { reason: Private::new("Dubblett".into()) };
    let support = visitor(SUPPORTER);
    region.clock.advance(SignedDuration::from_hours(24));
    gateway.act_on_ticket(&support, closed.ticket.id, 1, why).await.unwrap();
    region.clock.advance(SignedDuration::from_hours(730 * 24 - 1));
    gateway.keep_up_tickets().await.unwrap();
    assert!(gateway.open_ticket(&closed.token, "r").await.is_ok());
    region.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(gateway.keep_up_tickets().await.unwrap().forgotten, 1);
    assert!(matches!(gateway.open_ticket(&closed.token, "r").await, Err(Refusal::NotFound)));
    assert!(gateway.ticket_by_number(closed.ticket.errand.number).await.is_err());
    let written = gateway.common.get(&key::document(closed.ticket.id, 0)).await.unwrap();
    assert!(written.is_none(), "nor what was written");
    let listed = gateway.list_tickets(&support, TicketList::All, 10, None).await.unwrap();
    assert_eq!(listed.items.iter().map(|item| item.case.id).collect::<Vec<_>>(), [open.ticket.id]);
    assert_eq!(gateway.keep_up_tickets().await.unwrap().forgotten, 0);
}

#[tokio::test]
async fn only_the_support_and_the_reporter_see_a_ticket_and_only_the_right_link_opens_it() {
    let region = region().await;
    let gateway = &region.gateway;
    let nurse = visitor(NURSE);
    let mut own = report(Matter::UserSupport);
    own.reporter.person = Some(nurse.hsa_id.clone());
    let request = ReportRequest { from: ReporterFrom::Staff(&nurse), key: "a", body_digest: [0; 32], request: "r" };
    let mine = gateway.report(&request, &own).await.unwrap();
    let others = sent(&region, "b").await;
    assert!(gateway.read_ticket(&nurse, mine.ticket.id).await.unwrap().readable);
    assert!(matches!(gateway.read_ticket(&nurse, others.ticket.id).await, Err(Refusal::NotFound)));
    let act = gateway.act_on_ticket(&nurse, mine.ticket.id, 1, TicketAct::Return).await;
    assert!(matches!(act, Err(Refusal::NotPermitted)));
    let open = TicketList::Inbox(InboxList::Undistributed);
    assert!(matches!(gateway.list_tickets(&nurse, open, 10, None).await, Err(Refusal::NotPermitted)));
    assert_eq!(gateway.list_tickets(&nurse, TicketList::Reported, 10, None).await.unwrap().items.len(), 1);
    let support = visitor(SUPPORTER);
    let page = gateway.list_tickets(&support, open, 10, None).await.unwrap();
    let numbers: Vec<_> = page.items.iter().map(|item| item.case.errand.number.serial()).collect();
    assert_eq!(numbers, [2, 1], "the more urgent promise first");
    let mut bent = others.token.clone().into_bytes();
    for at in 0..bent.len() {
        bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
        let told = gateway.open_ticket(std::str::from_utf8(&bent).unwrap(), "r").await;
        assert!(matches!(told, Err(Refusal::NotFound)), "byte {at}");
        bent = others.token.clone().into_bytes();
    }
}

async fn told(gateway: &Gateway, act: Act) -> Uuid {
    let author = status::Author::Operator { user: "root".into() };
    gateway.publish_at_once(&author, &act).await.unwrap().subject
}

fn opening(component: Uuid) -> Act {
    Act::OpenIncident(Box::new(OpenIncident {
        title: texts("Inloggning fungerar inte"),
        audience: Audience::Staff,
        status: IncidentStatus::Investigating,
        affected: vec![Affected { component, status: ComponentStatus::MajorOutage }],
        body: texts("Vi letar efter orsaken."),
        started_at: None,
        impact_override: None,
        expected_end: None,
        next_update_by: None,
        reference: None,
        workaround: None,
        origin: Origin::Person,
        notify: false,
    }))
}

fn update(id: Uuid, status: IncidentStatus) -> Act {
    Act::UpdateIncident(Box::new(UpdateIncident {
        id,
        seen: None,
        status,
        body: texts("Det fungerar igen."),
        title: None,
        affected: None,
        impact_override: None,
        expected_end: None,
        next_update_by: None,
        workaround: None,
        notify: false,
    }))
}

#[tokio::test]
async fn who_reported_hears_once_that_the_incident_is_over() {
    let region = region().await;
    let gateway = &region.gateway;
    let Reported { ticket, .. } = sent(&region, "a").await;
    let author = operator();
    let tie = |seen, to| gateway.tie_ticket(&author, ticket.id, seen, to);
    assert_eq!(refusal(tie(None, Some(Uuid::from_u128(7))).await), SupportRefusal::IncidentNotOngoing);
    let login = ComponentDraft {
        slug: "inloggning".into(),
        name: texts("Inloggning"),
        description: Texts::default(),
        group: None,
        position: 0,
        audience: Audience::Staff,
        external: false,
    };
    let root = status::Author::Operator { user: "root".into() };
    gateway.put_component(&root, login, None).await.unwrap();
    let id = told(gateway, opening(gateway.board().components[0].id)).await;
    tie(Some(1), Some(id)).await.unwrap();
    assert_eq!(gateway.tickets_tied(id).await.unwrap(), 1);
    letters(&region).await;
    assert_eq!(gateway.tell_mended().await.unwrap(), 0);
    told(gateway, update(id, IncidentStatus::Resolved)).await;
    assert_eq!(gateway.tell_mended().await.unwrap(), 1);
    assert_eq!(letters(&region).await, [("ticket-mended", "anna.akesson@region.example".to_owned())]);
    // Nor when it is told again.
    let mended = Correct { id, number: 2, body: texts("Det går att logga in igen nu."), notify: true };
    told(gateway, Act::CorrectIncident(mended)).await;
    assert_eq!(gateway.tell_mended().await.unwrap(), 0);
    assert_eq!(refusal(tie(None, Some(id)).await), SupportRefusal::IncidentNotOngoing);
}

#[tokio::test]
async fn a_broken_promise_is_told_once_to_who_made_it_and_to_the_support() {
    let region = region().await;
    let gateway = &region.gateway;
    let audience = Audience::Staff;
    let login = ComponentDraft {
        slug: "login".into(),
        name: texts("Inloggning"),
        description: Texts::default(),
        group: None,
        position: 0,
        audience,
        external: false,
    };
    let root = status::Author::Operator { user: "root".into() };
    gateway.put_component(&root, login, None).await.unwrap();
    let author = status::Author::Staff { person: hsa(SUPPORTER), request: "r".into() };
    let Act::OpenIncident(mut act) = opening(gateway.board().components[0].id) else { unreachable!() };
    let hour = SignedDuration::from_hours(1);
    act.next_update_by = Some(gateway.now() + hour);
    let id = gateway.publish_at_once(&author, &Act::OpenIncident(act)).await.unwrap().subject;
    gateway.status_clock().await.unwrap();
    assert!(letters(&region).await.is_empty(), "it may still be kept");
    region.clock.advance(hour);
    for _ in 0..2 {
        gateway.status_clock().await.unwrap();
    }
    let both = ["p1006@region.example", "support@region.example"].map(|to| ("promise-broken", to.to_owned()));
    assert_eq!(letters(&region).await, both);
    // Another promise, by an operator, whom no letter reaches; and no mailbox: all of the support.
    let Act::UpdateIncident(mut act) = update(id, IncidentStatus::Identified) else { unreachable!() };
    act.next_update_by = Some(gateway.now() + hour);
    gateway.publish_at_once(&root, &Act::UpdateIncident(act)).await.unwrap();
    gateway.put_support_desk(&operator(), &SupportDesk { mailbox: None, ..desk() }).await.unwrap();
    region.clock.advance(hour);
    gateway.status_clock().await.unwrap();
    let all = ["p1006@region.example", "p1016@region.example"].map(|to| ("promise-broken", to.to_owned()));
    assert_eq!(letters(&region).await, all);
}

#[tokio::test]
async fn an_order_becomes_a_clinic_with_its_manager_and_its_answer_in_one_go() {
    let region = region().await;
    let gateway = &region.gateway;
    let order = ClinicOrder {
        clinic: hsa("D001"),
        name: "Vårdcentralen Bäcken".into(),
        telephone: "031-390 06 30".into(),
        manager: hsa(NURSE),
        case_types: vec!["radgivning".into()],
    };
    let order = report(Matter::Order(Order::ConnectClinic(order)));
    let Reported { ticket, .. } = send(&region, "a", &order).await.unwrap();
    letters(&region).await;
    let author = operator();
    let connect = |by, make| gateway.connect_clinic(&author, ticket.id, by, make);
    let shown = connect(None, false).await.unwrap();
    assert!(!shown.done && shown.manager_has_post && shown.unknown_case_types == ["radgivning"]);
    assert!(gateway.catalog().clinic(&hsa("D001")).is_none(), "showing makes nothing");
    assert_eq!(refusal(connect(None, true).await), SupportRefusal::NobodyAnswers);
    let support = hsa(SUPPORTER);
    connect(Some(&support), true).await.unwrap();
    let catalog = gateway.catalog();
    assert_eq!(catalog.clinic(&hsa("D001")).unwrap().name, "Vårdcentralen Bäcken");
    assert_eq!(catalog.roles_at(&hsa("D001"), &hsa(NURSE)), [Role::Administrator, Role::Manager].into());
    assert_eq!(letters(&region).await, [("ticket-answer", "anna.akesson@region.example".to_owned())]);
    let view = gateway.read_ticket(&visitor(SUPPORTER), ticket.id).await.unwrap();
    assert_eq!((view.state, view.documents.len()), (State::Answered, 2));
    assert_eq!(refusal(connect(Some(&support), true).await), SupportRefusal::ClinicExists);
    assert_eq!(refusal(send(&region, "b", &order).await), SupportRefusal::ClinicExists);
}

#[tokio::test]
async fn the_day_of_a_question_changes_with_what_people_read_and_not_with_its_place() {
    let region = region().await;
    let gateway = &region.gateway;
    let support = Author::Support(visitor(SUPPORTER));
    let entry = |answer: &str, position| crate::domain::faq::FaqEntry {
        slug: "kostar-det-nagot".into(),
        audience: Audience::Staff,
        question: texts("Kostar det något?"),
        answer: texts(answer),
        updated: jiff::civil::date(1999, 1, 1),
        shown: true,
        position,
    };
    let nurse = Author::Support(visitor(NURSE));
    assert!(matches!(gateway.put_faq(&nurse, entry("Nej.", 1), None).await, Err(Refusal::NotPermitted)));
    let version = gateway.put_faq(&support, entry("Nej.", 1), Some(None)).await.unwrap();
    let updated = || gateway.catalog().faq["kostar-det-nagot"].record.updated;
    assert_eq!(updated(), jiff::civil::date(2026, 11, 23));
    region.clock.advance(SignedDuration::from_hours(24));
    let version = gateway.put_faq(&support, entry("Nej.", 2), Some(Some(version))).await.unwrap();
    assert_eq!(updated(), jiff::civil::date(2026, 11, 23));
    let version = gateway.put_faq(&support, entry("Nej, inget.", 2), Some(Some(version))).await.unwrap();
    assert_eq!(updated(), jiff::civil::date(2026, 11, 24));
    assert_eq!(gateway.catalog().shown_faq(Audience::Staff).len(), 1);
    assert!(gateway.catalog().shown_faq(Audience::Public).is_empty(), "the staff's are not the public's");
    gateway.delete_faq(&support, "kostar-det-nagot", version).await.unwrap();
    assert!(gateway.catalog().faq.is_empty());
}

#[tokio::test]
async fn what_the_support_keeps_is_golden() {
    let login =
        LoginFault { local_it_checked: true, rejection: crate::domain::rejection::RejectionCode::parse("expired") };
    let fault =
        Fault { login: Some(login), environment: Some(Private::new("Edge".into())), ..fault(Extent::One, false) };
    let mut report = report(Matter::FaultReport(fault));
    report.reporter.telephone = Some(Private::new("031-390 06 11".into()));
    report.reporter.unit = Some(hsa("A001"));
    report.reporter.person = Some(hsa(NURSE));
    report.reporter.reference = Some(Private::new("L-778".into()));
    let errand = SupportErrand {
        number: TicketNumber::next(2026, 122),
        priority: report.matter.priority(),
        matter: report.matter,
        service: report.service,
        reporter: report.reporter,
        incident: Some(Uuid::from_u128(7)),
        told_mended: Some("2026-11-23T09:00:00Z".parse().unwrap()),
    };
    let now = "2026-11-23T08:00:00Z".parse().unwrap();
    let promise = desk().promises.priority3;
    let promised = promise.from(now, &desk().opening).unwrap();
    let ticket = Ticket::received(Uuid::from_u128(1), hsa("K001"), errand, (promise, promised), 14, now);
    assert_golden(&ticket, include_str!("golden/ticket-1.txt"));
    let order = ClinicOrder {
        clinic: hsa("D001"),
        name: "Vårdcentralen Bäcken".into(),
        telephone: "031-390 06 30".into(),
        manager: hsa(NURSE),
        case_types: vec!["radgivning".into()],
    };
    let matter = serde_json::to_value(Matter::Order(Order::ConnectClinic(order))).unwrap();
    assert_eq!(matter["kind"], "order");
    assert_eq!(matter["what"], "connect-clinic");
    assert_lifted(&desk(), include_str!("golden/support-desk-1.txt"));
    let at_any_hour = SupportDesk { urgent_round_the_clock: true, ..desk() };
    assert_golden(&at_any_hour, include_str!("golden/support-desk-2.txt"));
    let service =
        SupportService { slug: "e-tjanster".into(), name: texts("1177 e-tjänster"), position: 1, archived: false };
    assert_golden(&service, include_str!("golden/support-service-1.txt"));
    let entry = crate::domain::faq::FaqEntry {
        slug: "kostar-det-nagot".into(),
        audience: Audience::Staff,
        question: texts("Kostar det något?"),
        answer: texts("Nej."),
        updated: jiff::civil::date(2026, 11, 23),
        shown: true,
        position: 2,
    };
    assert_golden(&entry, include_str!("golden/faq-1.txt"));
    let stored = report::StoredReport { fingerprint: "00".repeat(32), ticket: Uuid::from_u128(1) };
    assert_golden(&stored, include_str!("golden/stored-report-1.txt"));
    assert_golden(&report::TicketCounter { last: 122 }, include_str!("golden/ticket-counter-1.txt"));
    assert_golden(&TicketRef { ticket: Uuid::from_u128(1) }, include_str!("golden/ticket-ref-1.txt"));
    assert_golden(&tie::MendedCursor { sequence: 4 }, include_str!("golden/mended-cursor-1.txt"));
}
