//! The one table of routes: it drives the router, the OpenAPI description and the test that calls every route as
//! every kind of caller.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::http::HeaderMap;

use super::Api;
use super::handlers::{cases, clinics, components, feed, live, meta, notices, probes, staff, status};
use super::problem::Problem;
use super::request::{Call, Door};
use super::response::Answer;
use super::session::is_of_browser;
use crate::domain::status::Audience;
use crate::domain::status::edition::Edition;

pub type Handler = fn(Arc<Api>, Call) -> Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }
}

/// One operation of the API.
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub doors: &'static [Door],
    /// OpenAPI's operation id.
    pub id: &'static str,
    pub summary_sv: &'static str,
    pub summary: &'static str,
    /// Name of the body's schema; none takes no body.
    pub takes: Option<&'static str>,
    pub body_bytes_max: usize,
    /// Status and schema of success.
    pub gives: (u16, Option<&'static str>),
    pub query: &'static [&'static str],
    pub needs: &'static [Need],
    pub speaks: Speaks,
    /// Whether limits hold it back. What a mail provider does for a subscriber is never held back.
    pub throttled: bool,
    pub handler: Handler,
}

/// What a route speaks, and so what it takes and under which paths it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// JSON under one path, in the language that the caller asks for.
    Json,
    /// Pages and forms under one path.
    Page,
    /// Pages and forms in all editions, each under its own beginning of the path.
    Pages,
    /// Pages in both languages.
    InBothLanguages,
    /// Pages and forms of the staff door in both languages, for whoever has a good card or for who is logged in. Each
    /// form carries a token.
    StaffPages { logged_in: bool },
}

impl Route {
    /// Every path under which the route stands, with the edition that it means there.
    pub fn paths(&self) -> Vec<(String, Edition)> {
        match self.speaks {
            Speaks::Json | Speaks::Page => vec![(self.path.to_owned(), Edition::ALL[0])],
            Speaks::Pages => Edition::ALL.map(|edition| (edition.path(self.path), edition)).to_vec(),
            Speaks::InBothLanguages | Speaks::StaffPages { .. } => {
                let editions = Edition::ALL.into_iter().filter(|edition| edition.audience == Audience::Staff);
                editions.map(|edition| (edition.path(self.path), edition)).collect()
            }
        }
    }

    /// Whether this request at the staff door is answered within a session only. What every door gives is nobody's.
    pub fn needs_session(&self, headers: &HeaderMap) -> bool {
        let is_anybodys = [Door::Portal, Door::Public].iter().all(|door| self.doors.contains(door));
        match self.speaks {
            Speaks::Json => !is_anybodys && is_of_browser(headers),
            Speaks::StaffPages { logged_in } => logged_in,
            Speaks::Page | Speaks::Pages | Speaks::InBothLanguages => false,
        }
    }
}

/// Headers that a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    IfMatch,
    /// `If-Match`, or `If-None-Match: *` for what is not there yet.
    IfMatchOrNone,
    IdempotencyKey,
}

const SMALL_BYTES: usize = 64 << 10;
/// A filled-in form, or two forms of a case type.
const FORM_BYTES: usize = 1 << 20;

const ALL: &[Door] = &[Door::Portal, Door::Staff, Door::Public];
const BOTH: &[Door] = &[Door::Portal, Door::Staff];
const PORTAL: &[Door] = &[Door::Portal];
const STAFF: &[Door] = &[Door::Staff];
const STAFF_PUBLIC: &[Door] = &[Door::Staff, Door::Public];
const PUBLIC: &[Door] = &[Door::Public];
const EVERY: &[Door] = &[Door::Portal, Door::Staff, Door::Public, Door::CardTest];

/// A route that speaks JSON.
macro_rules! route {
    ($method:ident $path:literal, $doors:expr, $id:literal, $sv:literal, $en:literal,
     $takes:expr, $max:expr, $gives:expr, $query:expr, $needs:expr, $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            doors: $doors,
            id: $id,
            summary_sv: $sv,
            summary: $en,
            takes: $takes,
            body_bytes_max: $max,
            gives: $gives,
            query: $query,
            needs: $needs,
            speaks: Speaks::Json,
            throttled: true,
            handler: |api, call| Box::pin($handler(api, call)),
        }
    };
}

/// A route of the public door that answers with pages; a POST takes a form.
macro_rules! page {
    ($method:ident $path:literal, $speaks:ident, $id:literal, $sv:literal, $en:literal, $query:expr, $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            doors: PUBLIC,
            id: $id,
            summary_sv: $sv,
            summary: $en,
            takes: None,
            body_bytes_max: if matches!(Method::$method, Method::Post) { SMALL_BYTES } else { 0 },
            gives: (200, None),
            query: $query,
            needs: &[],
            speaks: Speaks::$speaks,
            throttled: true,
            handler: |api, call| Box::pin($handler(api, call)),
        }
    };
}

mod card_test;
mod staff_web;
mod subscribe;
mod support;

use Need::{IdempotencyKey, IfMatch, IfMatchOrNone};

/// The whole API: each table's routes.
pub fn all() -> impl Iterator<Item = &'static Route> {
    let public = [PAGES, subscribe::SUBSCRIBE, support::SUPPORT];
    let [card_test, staff_web] = [card_test::CARD_TEST, staff_web::STAFF_PAGES];
    [CASES, STATUS, PROBES, card_test, staff_web].into_iter().chain(public).flatten()
}

#[rustfmt::skip]
static CASES: &[Route] = &[
    route!(Get "/v1/api-info", EVERY, "apiInfo", "Om API:et", "About the API",
        None, 0, (200, Some("ApiInfo")), &[], &[], meta::api_info),
    route!(Get "/v1/openapi.json", EVERY, "openapi", "Beskrivningen av API:et", "The API's description",
        None, 0, (200, None), &[], &[], meta::describe),
    route!(Get "/v1/problems", EVERY, "problems", "Alla felkoder, som en sida", "All problem codes, as a page",
        None, 0, (200, None), &[], &[], meta::problems),
    route!(Get "/v1/health", PUBLIC, "health", "Hur växeln mår", "How the gateway is",
        None, 0, (200, Some("Health")), &[], &[], meta::health),
    route!(Get "/v1/whoami", BOTH, "whoami", "Anroparen som växeln ser den", "The caller as the gateway sees it",
        None, 0, (200, Some("Whoami")), &[], &[], meta::whoami),
    route!(Get "/v1/clinics", ALL, "listClinics", "Mottagningarna", "The clinics",
        None, 0, (200, Some("ClinicList")), &[], &[], clinics::list),
    route!(Get "/v1/clinics/{hsaId}", ALL, "readClinic", "En mottagning", "One clinic",
        None, 0, (200, Some("WireClinic")), &[], &[], clinics::read),
    route!(Get "/v1/clinics/{hsaId}/case-types", ALL, "listCaseTypes", "Vad som kan skickas till mottagningen", "What may be sent to the clinic",
        None, 0, (200, Some("CaseTypeList")), &[], &[], clinics::case_types),
    route!(Get "/v1/clinics/{hsaId}/case-types/{caseType}", ALL, "readCaseType", "En ärendetyp med sina formulär", "A case type with its forms",
        None, 0, (200, Some("WireCaseType")), &[], &[], clinics::case_type),
    route!(Put "/v1/clinics/{hsaId}/case-types/{caseType}", STAFF, "putCaseType", "Lägg till eller ändra en ärendetyp", "Add or change a case type",
        Some("PutCaseType"), FORM_BYTES, (204, None), &[], &[IfMatchOrNone], clinics::put_case_type),
    route!(Put "/v1/clinics/{hsaId}/information", STAFF, "putInformation", "Ändra övrig information", "Change the clinic's information text",
        Some("WireTexts"), SMALL_BYTES, (204, None), &[], &[IfMatch], clinics::put_information),
    route!(Get "/v1/clinics/{hsaId}/roles", STAFF, "listRoles", "Roller vid mottagningen", "Roles at the clinic",
        None, 0, (200, Some("RoleList")), &[], &[], staff::list_roles),
    route!(Get "/v1/clinics/{hsaId}/roles/{person}", STAFF, "readRoles", "En persons roller vid mottagningen", "A person's roles at the clinic",
        None, 0, (200, Some("WireRoles")), &[], &[], staff::read_roles),
    route!(Put "/v1/clinics/{hsaId}/roles/{person}", STAFF, "putRoles", "Ge roller", "Grant roles",
        Some("PutRoles"), SMALL_BYTES, (204, None), &[], &[IfMatchOrNone], staff::put_roles),
    route!(Delete "/v1/clinics/{hsaId}/roles/{person}", STAFF, "deleteRoles", "Ta bort roller", "Revoke roles",
        None, 0, (204, None), &[], &[IfMatch], staff::delete_roles),
    route!(Get "/v1/me/notifications", STAFF, "readNotifications", "Vilka brev jag vill ha", "Which letters I want",
        None, 0, (200, Some("WireNotifications")), &[], &[], staff::read_notifications),
    route!(Put "/v1/me/notifications", STAFF, "putNotifications", "Välj vilka brev jag vill ha", "Choose which letters I want",
        Some("WireNotifications"), SMALL_BYTES, (204, None), &[], &[IfMatch], staff::put_notifications),
    route!(Post "/v1/cases", PORTAL, "submitCase", "Skicka in ett ärende", "Submit a case",
        Some("SubmitCase"), FORM_BYTES, (201, Some("Accepted")), &[], &[IdempotencyKey], cases::submit),
    route!(Post "/v1/cases/search", BOTH, "searchCases", "Sök ärenden", "Search cases",
        Some("SearchCases"), SMALL_BYTES, (200, Some("CasePage")), &[], &[], cases::search),
    route!(Get "/v1/cases/{id}", BOTH, "readCase", "Läs ett ärende", "Read a case",
        None, 0, (200, Some("WireCase")), &[], &[], cases::read),
    route!(Post "/v1/cases/{id}/messages", PORTAL, "writeMessage", "Invånaren skriver till ärendet", "The citizen writes to the case",
        Some("WriteText"), SMALL_BYTES, (201, Some("Accepted")), &[], &[IdempotencyKey], cases::message),
    route!(Post "/v1/cases/{id}/withdrawal", PORTAL, "withdrawCase", "Invånaren tar tillbaka ärendet", "The citizen takes the case back",
        None, SMALL_BYTES, (200, Some("CaseChanged")), &[], &[], cases::withdraw),
    route!(Post "/v1/cases/{id}/distribution", STAFF, "distributeCase", "Fördela eller omfördela", "Distribute or redistribute",
        Some("DistributeCase"), SMALL_BYTES, (200, Some("CaseChanged")), &[], &[IfMatch], cases::distribute),
    route!(Post "/v1/cases/{id}/return", STAFF, "returnCase", "Lämna tillbaka till mottagarna", "Return to the receivers",
        None, SMALL_BYTES, (200, Some("CaseChanged")), &[], &[IfMatch], cases::give_back),
    route!(Post "/v1/cases/{id}/forwarding", STAFF, "forwardCase", "Skicka vidare till en annan mottagning", "Forward to another clinic",
        Some("ForwardCase"), SMALL_BYTES, (200, Some("CaseChanged")), &[], &[IfMatch], cases::forward),
    route!(Post "/v1/cases/{id}/interim-answer", STAFF, "giveInterimAnswer", "Ge delsvar", "Give an interim answer",
        Some("WriteText"), SMALL_BYTES, (200, Some("CaseChanged")), &[], &[IfMatch], cases::interim_answer),
    route!(Post "/v1/cases/{id}/question", STAFF, "askQuestion", "Ställ motfråga", "Ask a counter-question",
        Some("WriteText"), SMALL_BYTES, (200, Some("CaseChanged")), &[], &[IfMatch], cases::question),
    route!(Post "/v1/cases/{id}/answer", STAFF, "answerCase", "Svara på svarsformuläret", "Answer on the answer form",
        Some("AnswerCase"), FORM_BYTES, (200, Some("CaseChanged")), &[], &[IfMatch], cases::answer),
    route!(Post "/v1/cases/{id}/closure", STAFF, "closeCase", "Avsluta utan svar", "Close without an answer",
        Some("CloseCase"), SMALL_BYTES, (200, Some("CaseChanged")), &[], &[IfMatch], cases::close),
    route!(Get "/v1/inbox", STAFF, "inbox", "Inkorgen", "The inbox",
        None, 0, (200, Some("CasePage")), &["list", "clinic", "limit", "cursor"], &[], cases::inbox),
    route!(Get "/v1/events", PORTAL, "events", "Händelseflödet", "The event feed",
        None, 0, (200, Some("EventPage")), &["after", "wait", "limit"], &[], feed::events),
    route!(Get "/v1/reconciliation", PORTAL, "reconciliation", "Avstämning av en dag", "Reconciliation of a day",
        None, 0, (200, Some("WireReconciliation")), &["date"], &[], feed::reconciliation),
];

#[rustfmt::skip]
static PROBES: &[Route] = &[
    route!(Post "/v1/heartbeats/{token}", PUBLIC, "heartbeat", "En tjänst säger att den fungerar", "A service says that it works",
        None, SMALL_BYTES, (204, None), &[], &[], probes::heartbeat),
];

#[rustfmt::skip]
static PAGES: &[Route] = &[
    page!(Get "/status/handelser", Pages, "statusEvents", "Det som händer, medan det händer", "What happens, as it happens",
        &["efter"], live::stream),
    page!(Get "/", Pages, "home", "Till driftstatus", "To the status page", &[], meta::home),
];

/// What is told of services, at the staff door.
#[rustfmt::skip]
static STATUS: &[Route] = &[
    route!(Get "/v1/status/components", STAFF, "listComponents", "Tjänster och system", "Components",
        None, 0, (200, Some("ComponentList")), &[], &[], components::list),
    route!(Get "/v1/status/components/{slug}", STAFF, "readComponent", "En tjänst", "One component",
        None, 0, (200, Some("WireComponent")), &[], &[], components::read),
    route!(Put "/v1/status/components/{slug}", STAFF, "putComponent", "Lägg till eller ändra en tjänst", "Add or change a component",
        Some("PutComponent"), SMALL_BYTES, (204, None), &[], &[IfMatchOrNone], components::put),
    route!(Delete "/v1/status/components/{slug}", STAFF, "archiveComponent", "Arkivera en tjänst", "Archive a component",
        None, 0, (204, None), &[], &[IfMatch], components::archive),
    route!(Get "/v1/status/groups", STAFF, "listGroups", "Grupper av tjänster", "Groups of components",
        None, 0, (200, Some("GroupList")), &[], &[], components::groups),
    route!(Get "/v1/status/groups/{slug}", STAFF, "readGroup", "En grupp", "One group",
        None, 0, (200, Some("WireGroup")), &[], &[], components::group),
    route!(Put "/v1/status/groups/{slug}", STAFF, "putGroup", "Lägg till eller ändra en grupp", "Add or change a group",
        Some("PutGroup"), SMALL_BYTES, (204, None), &[], &[IfMatchOrNone], components::put_group),
    route!(Delete "/v1/status/groups/{slug}", STAFF, "removeGroup", "Ta bort en tom grupp", "Remove an empty group",
        None, 0, (204, None), &[], &[IfMatch], components::remove_group),
    route!(Get "/v1/status/incidents", STAFF, "listIncidents", "Störningar, de senaste tretton månaderna", "Incidents of the last thirteen months",
        None, 0, (200, Some("IncidentList")), &[], &[], status::incidents),
    route!(Post "/v1/status/incidents", STAFF, "openIncident", "Öppna en störning (202: den hålls)", "Open an incident (202: it is held)",
        Some("PostIncident"), SMALL_BYTES, (201, Some("StatusOutcome")), &["preview"], &[], status::open_incident),
    route!(Get "/v1/status/incidents/{id}", STAFF, "readIncident", "En störning", "One incident",
        None, 0, (200, Some("WireIncident")), &[], &[], status::incident),
    route!(Post "/v1/status/incidents/{id}/updates", STAFF, "updateIncident", "Nytt besked om en störning, eller åtgärdad", "Update an incident, or resolve it",
        Some("PostIncidentUpdate"), SMALL_BYTES, (200, Some("StatusOutcome")), &["preview"], &[], status::update_incident),
    route!(Post "/v1/status/incidents/{id}/corrections", STAFF, "correctIncident", "Rätta ett besked", "Correct an update",
        Some("PostCorrection"), SMALL_BYTES, (200, Some("StatusOutcome")), &["preview"], &[], status::correct_incident),
    route!(Post "/v1/status/incidents/{id}/withdrawal", STAFF, "withdrawIncident", "Ta tillbaka en störning som inte var någon", "Withdraw an incident told by mistake",
        Some("PostReason"), SMALL_BYTES, (200, Some("StatusOutcome")), &["preview"], &[], status::withdraw_incident),
    route!(Get "/v1/status/maintenances", STAFF, "listMaintenances", "Servicefönster", "Maintenances",
        None, 0, (200, Some("MaintenanceList")), &[], &[], status::maintenances),
    route!(Post "/v1/status/maintenances", STAFF, "scheduleMaintenance", "Planera ett servicefönster (202: det hålls)", "Schedule a maintenance (202: it is held)",
        Some("PostMaintenance"), SMALL_BYTES, (201, Some("StatusOutcome")), &["preview"], &[], status::schedule_maintenance),
    route!(Get "/v1/status/maintenances/{id}", STAFF, "readMaintenance", "Ett servicefönster", "One maintenance",
        None, 0, (200, Some("WireMaintenance")), &[], &[], status::maintenance),
    route!(Put "/v1/status/maintenances/{id}", STAFF, "changeMaintenance", "Flytta eller ändra ett servicefönster", "Move or change a maintenance",
        Some("PutMaintenance"), SMALL_BYTES, (200, Some("StatusOutcome")), &["preview"], &[IfMatch], status::change_maintenance),
    route!(Post "/v1/status/maintenances/{id}/updates", STAFF, "updateMaintenance", "Börja, verifiera, avsluta eller ge besked", "Begin, verify, complete or say something",
        Some("PostMaintenanceUpdate"), SMALL_BYTES, (200, Some("StatusOutcome")), &["preview"], &[], status::update_maintenance),
    route!(Post "/v1/status/maintenances/{id}/corrections", STAFF, "correctMaintenance", "Rätta ett besked", "Correct an update",
        Some("PostCorrection"), SMALL_BYTES, (200, Some("StatusOutcome")), &["preview"], &[], status::correct_maintenance),
    route!(Post "/v1/status/maintenances/{id}/cancellation", STAFF, "cancelMaintenance", "Ställ in ett servicefönster", "Cancel a maintenance",
        Some("PostReason"), SMALL_BYTES, (200, Some("StatusOutcome")), &["preview"], &[], status::cancel_maintenance),
    route!(Get "/v1/status/series", STAFF, "listSeries", "Återkommande servicefönster", "Recurring maintenances",
        None, 0, (200, Some("SeriesList")), &[], &[], status::all_series),
    route!(Post "/v1/status/series", STAFF, "beginSeries", "Planera återkommande servicefönster", "Plan recurring maintenances",
        Some("PutSeries"), SMALL_BYTES, (201, Some("WireSeries")), &["preview"], &[], status::begin_series),
    route!(Get "/v1/status/series/{id}", STAFF, "readSeries", "En serie", "One series",
        None, 0, (200, Some("WireSeries")), &[], &[], status::series),
    route!(Put "/v1/status/series/{id}", STAFF, "changeSeries", "Ändra en serie", "Change a series",
        Some("PutSeries"), SMALL_BYTES, (200, Some("WireSeries")), &["preview"], &[IfMatch], status::change_series),
    route!(Post "/v1/status/series/{id}/ending", STAFF, "endSeries", "Avsluta en serie och ställ in det som återstår", "End a series and cancel what is left of it",
        Some("PostReason"), SMALL_BYTES, (200, Some("WireSeries")), &["preview"], &[], status::end_series),
    route!(Get "/v1/status/notices", STAFF, "listNotices", "Vad som hände med utskicken", "What became of notices",
        None, 0, (200, Some("NoticeList")), &["after"], &[], notices::list),
    route!(Get "/v1/status/notices/{seq}", STAFF, "getNotice", "Vad som hände med ett utskick", "What became of a notice",
        None, 0, (200, Some("WireNotice")), &[], &[], notices::show),
    route!(Get "/v1/status/pending", STAFF, "listPending", "Besked som hålls", "Held notices",
        None, 0, (200, Some("PendingList")), &[], &[], status::pending),
    route!(Delete "/v1/status/pending/{id}", STAFF, "takeBack", "Ta tillbaka ett besked innan det går ut", "Take a notice back before it goes out",
        None, 0, (204, None), &[], &[], status::take_back),
];
