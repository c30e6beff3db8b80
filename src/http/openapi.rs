//! The OpenAPI 3.1 description: paths from the route table, shapes from the wire types.

use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::problem::CATALOGUE;
use super::request::Door;
use super::route::{Need, Route, Speaks, all};
use super::wire::{card_test, case, faq, notice, portal, region, status, status_view, subscribe, ticket};

#[derive(OpenApi)]
#[openapi(components(schemas(
    case::SubmitCase,
    case::WireCitizen,
    case::WireRepresentative,
    case::WireContact,
    case::Identifier,
    case::WriteText,
    case::DistributeCase,
    case::ForwardCase,
    case::AnswerCase,
    case::CloseCase,
    case::SearchCases,
    case::CaseEnvelope,
    case::CasePage,
    case::WireCase,
    case::WireDocument,
    case::WireHistory,
    case::CaseChanged,
    portal::Receipt,
    portal::Accepted,
    portal::WireEvent,
    portal::EventPage,
    portal::WireReconciliation,
    region::WireTexts,
    region::WireClinic,
    region::ClinicList,
    region::WireCaseType,
    region::CaseTypeList,
    region::WirePromise,
    region::PutCaseType,
    region::PutRoles,
    region::WireRoles,
    region::RoleList,
    region::WireNotifications,
    region::Whoami,
    region::WireMyRoles,
    region::ApiInfo,
    ticket::SubmitTicket,
    ticket::WireFault,
    ticket::WireLoginFault,
    ticket::WireOrder,
    ticket::WireClinicOrder,
    ticket::ShownReporter,
    ticket::WireReporter,
    ticket::TicketReceived,
    ticket::TicketEnvelope,
    ticket::TicketPage,
    ticket::WireTicket,
    ticket::TicketChanged,
    ticket::TieTicket,
    ticket::TiedTickets,
    ticket::WireSupport,
    ticket::WireService,
    faq::PutFaq,
    faq::WireFaq,
    faq::FaqList,
    status::NameAffected,
    status::PostIncident,
    status::PostIncidentUpdate,
    status::PostCorrection,
    status::PostReason,
    status::PostMaintenance,
    status::PutMaintenance,
    status::PostMaintenanceUpdate,
    status::PutSeries,
    status::PutComponent,
    status::PutGroup,
    status_view::StatusOutcome,
    status_view::WirePreview,
    status_view::WireSeriesPreview,
    status_view::WireWindow,
    status_view::WireRecipients,
    status_view::WireMail,
    status_view::WireAffected,
    status_view::WireUpdate,
    status_view::WireIncident,
    status_view::IncidentList,
    status_view::WireMaintenance,
    status_view::MaintenanceList,
    status_view::WirePending,
    status_view::PendingList,
    notice::WireNotice,
    notice::NoticeList,
    status_view::WireSeries,
    status_view::SeriesList,
    status_view::WireComponent,
    status_view::ComponentList,
    status_view::WireGroup,
    status_view::GroupList,
    region::Health,
    region::StoresHealth,
    subscribe::SignUpRequest,
    subscribe::WireSubscription,
    subscribe::ConfirmRequest,
    subscribe::ConfirmedSubscription,
    subscribe::WireChoices,
    subscribe::WireChoice,
    subscribe::WireLeft,
    card_test::CardTest,
    card_test::WireCertificate,
    card_test::WireDoor,
    card_test::WireRule,
    card_test::WireRefusal,
)))]
struct Shapes;

/// The description of one door.
pub fn document(door: Door) -> Value {
    let shapes = serde_json::to_value(Shapes::openapi()).unwrap_or_default();
    let mut schemas = shapes.pointer("/components/schemas").cloned().unwrap_or_default();
    if let Value::Object(schemas) = &mut schemas {
        schemas.insert("Problem".into(), problem_schema());
    }
    let mut paths = Map::new();
    for route in all().filter(|route| route.doors.contains(&door) && route.speaks == Speaks::Json) {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(path) = path {
            path.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("Budkavle, {} door", door.as_str()),
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "EUPL-1.2", "identifier": "EUPL-1.2" },
            "description": "Ärenden från invånare till mottagningar och svar tillbaka, över ömsesidig TLS. / Cases from \
                citizens to clinics and answers back, over mutual TLS. Lists are paged by cursor (a documented \
                deviation from FNS.07 of Digg's REST profile); the caller is its certificate (mutualTLS, a deviation \
                from SAK.09). A request that creates something carries an Idempotency-Key: the same key and body get \
                the same answer for 7 days.",
            "x-limitations": "Bodies up to 1 MiB, 64 KiB where no form is carried; nesting up to 64 levels; header fields up to 16 KiB; pages of 1-100; polls held up to 30 s.",
            "x-sla": "A 201 means that the case is on disk with its letters, its log entry and its receipt.",
        },
        "security": match door {
            Door::Public => json!([]),
            // Whoever shows none is told so.
            Door::CardTest => json!([{}, { "certificate": [] }]),
            Door::Portal | Door::Staff => json!([{ "certificate": [] }]),
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "certificate": { "type": "mutualTLS", "description": "The HSA-id in the certificate's subject serialNumber is the caller." }
            },
            "schemas": schemas,
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.summary,
        "description": format!("{}. / {}.", route.summary_sv, route.summary),
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if let (Some(schema), Value::Object(members)) = (route.takes, &mut operation) {
        members.insert(
            "requestBody".into(),
            json!({ "required": true, "content": { "application/json": { "schema": reference(schema) } } }),
        );
    }
    operation
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut out = Vec::new();
    for part in route.path.split('/').filter_map(|p| p.strip_prefix('{')?.strip_suffix('}')) {
        out.push(json!({ "name": part, "in": "path", "required": true, "schema": { "type": "string" } }));
    }
    for name in route.query {
        let required = *name == "date";
        let schema = match *name {
            "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 }),
            "wait" => json!({ "type": "integer", "minimum": 0, "maximum": 30, "default": 0 }),
            "preview" => json!({ "type": "boolean", "default": false }),
            "date" => json!({ "type": "string", "format": "date" }),
            "after" => json!({ "type": "string", "pattern": "^[0-9]+-[0-9]+$" }),
            "list" if route.id == "listTickets" => {
                let lists = ["undistributed", "mine", "overdue", "awaiting-reporter", "all", "reported"];
                json!({ "type": "string", "enum": lists, "default": "undistributed" })
            }
            "list" => {
                json!({ "type": "string", "enum": ["undistributed", "mine", "overdue", "awaiting-citizen"], "default": "undistributed" })
            }
            _ => json!({ "type": "string" }),
        };
        out.push(json!({ "name": name, "in": "query", "required": required, "schema": schema }));
    }
    for need in route.needs {
        let (name, required) = match need {
            Need::IfMatch => ("If-Match", true),
            Need::IfMatchOrNone => ("If-Match", false),
            Need::IdempotencyKey => ("Idempotency-Key", true),
        };
        out.push(json!({ "name": name, "in": "header", "required": required, "schema": { "type": "string" } }));
        if *need == Need::IfMatchOrNone {
            let schema = json!({ "type": "string", "const": "*" });
            out.push(json!({ "name": "If-None-Match", "in": "header", "required": false, "schema": schema }));
        }
    }
    out
}

fn responses(route: &Route) -> Value {
    let (status, schema) = route.gives;
    let success = match (schema, route.id) {
        (Some(schema), _) => {
            json!({ "description": "Done", "content": { "application/json": { "schema": reference(schema) } } })
        }
        (None, "problems") => json!({ "description": "A page", "content": { "text/html": {} } }),
        (None, "openapi") => {
            json!({ "description": "This", "content": { "application/json": { "schema": { "type": "object" } } } })
        }
        (None, _) => json!({ "description": "Done" }),
    };
    let mut out = Map::new();
    out.insert(status.to_string(), success);
    let mut statuses = vec![400, 403, 404, 405, 406, 408, 413, 429, 431, 500, 503];
    if route.takes.is_some() {
        statuses.extend([415, 422]);
    }
    if route.needs.iter().any(|n| matches!(n, Need::IfMatch | Need::IfMatchOrNone)) {
        statuses.extend([409, 412, 428]);
    }
    if route.needs.contains(&Need::IdempotencyKey) || route.id == "withdrawCase" {
        statuses.push(409);
    }
    for status in statuses {
        out.insert(
            status.to_string(),
            json!({ "description": codes_of(status), "content": { "application/problem+json": { "schema": reference("Problem") } } }),
        );
    }
    Value::Object(out)
}

fn codes_of(status: u16) -> String {
    let codes: Vec<_> = CATALOGUE.iter().filter(|(_, e)| e.status == status).map(|(code, _)| code.as_str()).collect();
    if codes.is_empty() { "Refused".to_owned() } else { codes.join(", ") }
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457",
        "required": ["type", "title", "status", "detail", "instance", "code", "remedy", "requestId"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "instance": { "type": "string" },
            "code": { "type": "string", "description": "Stable" },
            "remedy": { "type": "string" },
            "requestId": { "type": "string" },
            "rejection": { "type": "object", "description": "Why the certificate was not let in, and the cure" },
            "violations": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["pointer", "code", "message"],
                    "properties": {
                        "pointer": { "type": "string", "description": "RFC 6901 into the body" },
                        "code": { "type": "string" },
                        "message": { "type": "string" },
                        "linkId": { "type": "string" },
                        "severity": { "type": "string" }
                    }
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` leads somewhere, and every shape that a route names is described.
    #[test]
    fn every_reference_of_the_description_resolves() {
        for (door, at_least) in [(Door::Portal, 50), (Door::Staff, 50), (Door::Public, 10), (Door::CardTest, 10)] {
            let document = document(door);
            let mut waiting = vec![&document];
            let mut references = 0;
            while let Some(value) = waiting.pop() {
                match value {
                    Value::Object(members) => {
                        if let Some(Value::String(target)) = members.get("$ref") {
                            let pointer = target.strip_prefix('#').unwrap();
                            assert!(document.pointer(pointer).is_some(), "{target}");
                            references += 1;
                        }
                        waiting.extend(members.values());
                    }
                    Value::Array(items) => waiting.extend(items),
                    _ => {}
                }
            }
            assert!(references > at_least);
        }
    }

    #[test]
    fn every_route_of_a_door_is_described_there_and_no_other() {
        for door in [Door::Portal, Door::Staff, Door::Public, Door::CardTest] {
            let document = document(door);
            for route in all().filter(|route| route.speaks == Speaks::Json) {
                let method = route.method.as_str().to_ascii_lowercase();
                let pointer = format!("/paths/{}/{method}", route.path.replace('/', "~1"));
                let described = document.pointer(&pointer).is_some();
                assert_eq!(described, route.doors.contains(&door), "{} {}", door.as_str(), route.id);
            }
        }
    }
}
