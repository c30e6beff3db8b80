//! Every route, called by every kind of caller, against a table written out by hand. The routes are those that each
//! door's own description names: one that the table does not know fails the test.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::client::{Answer, Caller};
use crate::common::{CLINIC, Gateway, HANDLER, OTHER_CLINIC, Region, form, submission, submit};
use crate::support;
use crate::told::{self, Ready};

/// Somebody with a post but no role: roles are given and taken here.
const PERSON: &str = "TSTNMT2321000156-1008";

/// At the portal door: the portal that sent the case, another registered system.
const PORTALS: [&str; 2] = ["tls/portal", "tls/staff-system"];
const PORTAL_TABLE: [(&str, [u16; 2]); 15] = [
    ("GET /v1/api-info", [200, 200]),
    ("GET /v1/openapi.json", [200, 200]),
    ("GET /v1/problems", [200, 200]),
    ("GET /v1/whoami", [200, 200]),
    ("GET /v1/clinics", [200, 200]),
    ("GET /v1/clinics/{hsaId}", [200, 200]),
    ("GET /v1/clinics/{hsaId}/case-types", [200, 200]),
    ("GET /v1/clinics/{hsaId}/case-types/{caseType}", [200, 200]),
    ("POST /v1/cases", [201, 201]),
    ("POST /v1/cases/search", [200, 200]),
    ("GET /v1/cases/{id}", [200, 404]),
    ("POST /v1/cases/{id}/messages", [201, 404]),
    ("POST /v1/cases/{id}/withdrawal", [200, 404]),
    ("GET /v1/events", [200, 200]),
    ("GET /v1/reconciliation", [200, 200]),
];

/// At the staff door: receiver, handler of the case, another handler of the clinic, its administrator, its manager.
const CARDS: [&str; 5] =
    ["cards/receiver", "cards/handler", "cards/other-handler", "cards/administrator", "cards/manager"];
const STAFF_TABLE: [(&str, [u16; 5]); 73] = [
    ("GET /v1/api-info", [200, 200, 200, 200, 200]),
    ("GET /v1/openapi.json", [200, 200, 200, 200, 200]),
    ("GET /v1/problems", [200, 200, 200, 200, 200]),
    ("GET /v1/whoami", [200, 200, 200, 200, 200]),
    ("GET /v1/clinics", [200, 200, 200, 200, 200]),
    ("GET /v1/clinics/{hsaId}", [200, 200, 200, 200, 200]),
    ("GET /v1/clinics/{hsaId}/case-types", [200, 200, 200, 200, 200]),
    ("GET /v1/clinics/{hsaId}/case-types/{caseType}", [200, 200, 200, 200, 200]),
    ("PUT /v1/clinics/{hsaId}/case-types/{caseType}", [403, 403, 403, 204, 403]),
    ("PUT /v1/clinics/{hsaId}/information", [403, 403, 403, 204, 403]),
    ("GET /v1/clinics/{hsaId}/roles", [200, 403, 403, 200, 200]),
    ("GET /v1/clinics/{hsaId}/roles/{person}", [200, 403, 403, 200, 200]),
    ("PUT /v1/clinics/{hsaId}/roles/{person}", [403, 403, 403, 204, 403]),
    ("DELETE /v1/clinics/{hsaId}/roles/{person}", [403, 403, 403, 204, 403]),
    ("GET /v1/me/notifications", [200, 200, 200, 200, 200]),
    ("PUT /v1/me/notifications", [204, 204, 204, 204, 204]),
    ("POST /v1/cases/search", [200, 200, 200, 200, 200]),
    ("GET /v1/cases/{id}", [200, 200, 404, 200, 200]),
    ("POST /v1/cases/{id}/distribution", [200, 200, 404, 403, 403]),
    ("POST /v1/cases/{id}/return", [200, 200, 404, 403, 403]),
    ("POST /v1/cases/{id}/forwarding", [200, 200, 404, 403, 403]),
    ("POST /v1/cases/{id}/interim-answer", [403, 200, 404, 403, 403]),
    ("POST /v1/cases/{id}/question", [403, 200, 404, 403, 403]),
    ("POST /v1/cases/{id}/answer", [403, 200, 404, 403, 403]),
    ("POST /v1/cases/{id}/closure", [200, 200, 404, 403, 403]),
    ("GET /v1/inbox", [200, 200, 200, 200, 200]),
    ("GET /v1/status/components", [200, 200, 200, 200, 200]),
    ("GET /v1/status/components/{slug}", [200, 200, 200, 200, 200]),
    ("PUT /v1/status/components/{slug}", [403, 403, 403, 403, 403]),
    ("DELETE /v1/status/components/{slug}", [403, 403, 403, 403, 403]),
    ("GET /v1/status/groups", [200, 200, 200, 200, 200]),
    ("GET /v1/status/groups/{slug}", [200, 200, 200, 200, 200]),
    ("PUT /v1/status/groups/{slug}", [403, 403, 403, 403, 403]),
    ("DELETE /v1/status/groups/{slug}", [403, 403, 403, 403, 403]),
    ("GET /v1/status/incidents", [200, 200, 200, 200, 200]),
    ("POST /v1/status/incidents", [403, 403, 403, 403, 403]),
    ("GET /v1/status/incidents/{id}", [200, 200, 200, 200, 200]),
    ("POST /v1/status/incidents/{id}/updates", [403, 403, 403, 403, 403]),
    ("POST /v1/status/incidents/{id}/corrections", [403, 403, 403, 403, 403]),
    ("POST /v1/status/incidents/{id}/withdrawal", [403, 403, 403, 403, 403]),
    ("GET /v1/status/maintenances", [200, 200, 200, 200, 200]),
    ("POST /v1/status/maintenances", [403, 403, 403, 403, 403]),
    ("GET /v1/status/maintenances/{id}", [200, 200, 200, 200, 200]),
    ("PUT /v1/status/maintenances/{id}", [403, 403, 403, 403, 403]),
    ("POST /v1/status/maintenances/{id}/updates", [403, 403, 403, 403, 403]),
    ("POST /v1/status/maintenances/{id}/corrections", [403, 403, 403, 403, 403]),
    ("POST /v1/status/maintenances/{id}/cancellation", [403, 403, 403, 403, 403]),
    ("GET /v1/status/series", [200, 200, 200, 200, 200]),
    ("POST /v1/status/series", [403, 403, 403, 403, 403]),
    ("GET /v1/status/series/{id}", [200, 200, 200, 200, 200]),
    ("PUT /v1/status/series/{id}", [403, 403, 403, 403, 403]),
    ("POST /v1/status/series/{id}/ending", [403, 403, 403, 403, 403]),
    ("GET /v1/status/notices", [200, 200, 200, 200, 200]),
    ("GET /v1/status/notices/{seq}", [200, 200, 200, 200, 200]),
    ("GET /v1/status/pending", [200, 200, 200, 200, 200]),
    ("DELETE /v1/status/pending/{id}", [403, 403, 403, 403, 403]),
    ("GET /v1/support", [200, 200, 200, 200, 200]),
    ("POST /v1/tickets", [201, 201, 201, 201, 201]),
    ("GET /v1/tickets", [403, 403, 403, 403, 403]),
    ("GET /v1/tickets/{id}", [404, 404, 404, 404, 404]),
    ("POST /v1/tickets/{id}/messages", [404, 404, 404, 404, 404]),
    ("POST /v1/tickets/{id}/distribution", [404, 404, 404, 404, 404]),
    ("POST /v1/tickets/{id}/return", [404, 404, 404, 404, 404]),
    ("POST /v1/tickets/{id}/interim-answer", [404, 404, 404, 404, 404]),
    ("POST /v1/tickets/{id}/question", [404, 404, 404, 404, 404]),
    ("POST /v1/tickets/{id}/answer", [404, 404, 404, 404, 404]),
    ("POST /v1/tickets/{id}/closure", [404, 404, 404, 404, 404]),
    ("PUT /v1/tickets/{id}/incident", [403, 403, 403, 403, 403]),
    ("GET /v1/status/incidents/{id}/tickets", [200, 200, 200, 200, 200]),
    ("GET /v1/faq", [200, 200, 200, 200, 200]),
    ("GET /v1/faq/{slug}", [200, 200, 200, 200, 200]),
    ("PUT /v1/faq/{slug}", [403, 403, 403, 403, 403]),
    ("DELETE /v1/faq/{slug}", [403, 403, 403, 403, 403]),
];

/// What is told of services, tickets and questions are the support role's, and nobody's of the clinics.
const SUPPORT_TABLE: [(&str, u16); 29] = [
    ("PUT /v1/status/components/{slug}", 204),
    ("DELETE /v1/status/components/{slug}", 204),
    ("PUT /v1/status/groups/{slug}", 204),
    ("DELETE /v1/status/groups/{slug}", 204),
    ("POST /v1/status/incidents", 201),
    ("POST /v1/status/incidents/{id}/updates", 200),
    ("POST /v1/status/incidents/{id}/corrections", 200),
    ("POST /v1/status/incidents/{id}/withdrawal", 200),
    ("POST /v1/status/maintenances", 201),
    ("PUT /v1/status/maintenances/{id}", 200),
    ("POST /v1/status/maintenances/{id}/updates", 200),
    ("POST /v1/status/maintenances/{id}/corrections", 200),
    ("POST /v1/status/maintenances/{id}/cancellation", 200),
    ("POST /v1/status/series", 201),
    ("PUT /v1/status/series/{id}", 200),
    ("POST /v1/status/series/{id}/ending", 200),
    ("DELETE /v1/status/pending/{id}", 204),
    ("GET /v1/tickets", 200),
    ("GET /v1/tickets/{id}", 200),
    ("POST /v1/tickets/{id}/messages", 403),
    ("POST /v1/tickets/{id}/distribution", 200),
    ("POST /v1/tickets/{id}/return", 200),
    ("POST /v1/tickets/{id}/interim-answer", 200),
    ("POST /v1/tickets/{id}/question", 200),
    ("POST /v1/tickets/{id}/answer", 200),
    ("POST /v1/tickets/{id}/closure", 200),
    ("PUT /v1/tickets/{id}/incident", 200),
    ("PUT /v1/faq/{slug}", 204),
    ("DELETE /v1/faq/{slug}", 204),
];

/// At the staff door with something else than a good card: no route does anything for them.
const NOBODY_AT_STAFF_DOOR: [Option<&str>; 9] = [
    None,
    Some("cards/telia"),
    Some("cards/person-id"),
    Some("cards/expired"),
    Some("cards/not-yet"),
    Some("cards/revoked"),
    Some("cards/no-post"),
    Some("cards/no-role"),
    Some("tls/portal"),
];

/// The stage: what the requests are about, made anew where a request would change it.
struct Stage {
    gateway: Gateway,
    portal: Caller,
    receiver: Caller,
    administrator: Caller,
    cases: u32,
}

impl Stage {
    fn set() -> Stage {
        let gateway = Region::prepare().with("[limits]\ncitizen-per-hour = 1000").run();
        let (portal, receiver) = (gateway.portal(), gateway.receiver());
        let administrator = gateway.administrator();
        Stage { gateway, portal, receiver, administrator, cases: 0 }
    }

    /// A case that the handler has, with its version.
    async fn case(&mut self) -> (String, String) {
        self.cases += 1;
        let told = submit(&self.portal, &self.cases.to_string(), &submission("fornya-recept")).await.expect(201);
        let id = told.json()["id"].as_str().unwrap().to_owned();
        let given = self.receiver.post(&format!("/v1/cases/{id}/distribution"), &json!({ "handler": HANDLER }));
        (id, given.header("if-match", "\"1\"").await.expect(200).header("etag").to_owned())
    }

    /// The version of what a PUT replaces or a DELETE removes; the administrator sees to it that it is there.
    async fn version(&self, path: &str) -> String {
        let path = path.replace("/information", "");
        if path.contains("/roles/") {
            let put = self.administrator.put(&path, &json!({ "roles": ["handler"] }));
            put.header("if-none-match", "*").await;
        }
        self.administrator.get(&path).await.expect(200).header("etag").to_owned()
    }

    /// A good request for the route, so that only permission decides.
    async fn call(&mut self, who: &Caller, method: &str, route: &str) -> Answer {
        let of_support = ["/v1/support", "/v1/tickets", "/v1/faq"].iter().any(|path| route.starts_with(path));
        if of_support || route.starts_with("/v1/status/") {
            self.cases += 1;
            let Ready { path, etag, body } = match of_support {
                true => support::ready(&self.gateway, method, route, self.cases).await,
                false => told::ready(&self.gateway, method, route, self.cases).await,
            };
            let ask = who.ask(method, &path).header("if-match", &etag);
            let ask = ask.header("idempotency-key", &format!("key-{}", self.cases));
            return if body.is_null() { ask.await } else { ask.json(&body).await };
        }
        let mut path = route.replace("{hsaId}", CLINIC).replace("{caseType}", "fornya-recept");
        path = path.replace("{person}", PERSON);
        let mut etag = String::new();
        if path.contains("{id}") {
            let (id, version) = self.case().await;
            (path, etag) = (path.replace("{id}", &id), version);
        } else if method == "PUT" && path.contains("/me/") {
            // Everybody's own: asked by the caller.
            etag = who.get(&path).await.header("etag").to_owned();
        } else if path.contains("/roles/") || method == "PUT" {
            etag = self.version(&path).await;
        }
        match route {
            "/v1/reconciliation" => path.push_str("?date=2026-11-22"),
            "/v1/inbox" => path = format!("{path}?clinic={CLINIC}"),
            _ => {}
        }
        let mut ask = who.ask(method, &path).header("idempotency-key", &format!("key-{}", self.cases));
        if !etag.is_empty() {
            ask = ask.header("if-match", &etag);
        }
        match body(&self.gateway, method, route) {
            Value::Null => ask.await,
            body => ask.json(&body).await,
        }
    }
}

fn body(gateway: &Gateway, method: &str, route: &str) -> Value {
    let file = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(gateway.region.path(&format!("region/forms/{name}.json"))).unwrap())
            .unwrap()
    };
    match (method, route.rsplit('/').next().unwrap()) {
        ("POST", "cases") => submission("kontakta-mig"),
        ("POST", "search") => json!({ "clinic": CLINIC }),
        ("POST", "messages" | "interim-answer" | "question") => json!({ "text": "Hej" }),
        ("POST", "distribution") => json!({ "handler": HANDLER }),
        ("POST", "forwarding") => json!({ "clinic": OTHER_CLINIC }),
        ("POST", "answer") => json!({ "response": form("fornya-recept.answer") }),
        ("POST", "closure") => json!({ "reason": "Klart" }),
        ("PUT", "{caseType}") => json!({
            "title": { "sv": "Förnya recept" },
            "promise": { "distributedWithinMinutes": 60, "answeredWithinMinutes": 600 },
            "followUpDays": 14,
            "active": true,
            "questionQuestionnaire": file("fornya-recept.question"),
            "answerQuestionnaire": file("fornya-recept.answer"),
        }),
        ("PUT", "information") => json!({ "sv": "Välkommen" }),
        ("PUT", "{person}") => json!({ "roles": ["handler", "receiver"] }),
        ("PUT", "notifications") => json!({ "newCase": true, "assignedCase": true }),
        _ => Value::Null,
    }
}

async fn described(who: &Caller) -> BTreeSet<String> {
    let document = who.get("/v1/openapi.json").await.expect(200).json();
    let paths = document["paths"].as_object().unwrap().iter();
    let routes = paths.flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    routes.collect()
}

async fn compare<const N: usize>(stage: &mut Stage, callers: [Caller; N], table: &[(&str, [u16; N])]) {
    let known: BTreeSet<String> = table.iter().map(|(route, _)| (*route).to_owned()).collect();
    assert_eq!(described(&callers[0]).await, known, "each route has a row, and each row a route");
    let mut wrong = BTreeMap::new();
    for (route, expected) in table {
        let (method, path) = route.split_once(' ').unwrap();
        let mut told = [0; N];
        for (cell, caller) in told.iter_mut().zip(&callers) {
            *cell = stage.call(caller, method, path).await.status;
        }
        if told != *expected {
            wrong.insert(*route, format!("{told:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn at_the_portal_door_every_route_is_for_whom_the_table_says() {
    let mut stage = Stage::set();
    let callers = PORTALS.map(|name| stage.gateway.at(stage.gateway.portal_door, Some(name)));
    compare(&mut stage, callers, &PORTAL_TABLE).await;
}

#[tokio::test]
async fn at_the_staff_door_every_route_is_for_whom_the_table_says() {
    let mut stage = Stage::set();
    let callers = CARDS.map(|name| stage.gateway.at(stage.gateway.staff_door, Some(name)));
    compare(&mut stage, callers, &STAFF_TABLE).await;
}

#[tokio::test]
async fn who_has_the_support_role_writes_what_is_told_and_answers() {
    let mut stage = Stage::set();
    let support = stage.gateway.card("support");
    for (route, expected) in SUPPORT_TABLE {
        let (method, path) = route.split_once(' ').unwrap();
        assert_eq!(stage.call(&support, method, path).await.status, expected, "{route}");
    }
}

#[tokio::test]
async fn whoever_is_rejected_meets_the_same_reason_on_every_route_and_on_none() {
    let mut stage = Stage::set();
    let (portal_door, staff_door) = (stage.gateway.portal_door, stage.gateway.staff_door);
    let odd = [("GET", "/"), ("GET", "/v1/nothing"), ("DELETE", "/v1/cases"), ("OPTIONS", "/v1/cases")];
    let routes = |table: Vec<&'static str>| table.into_iter().map(|r| r.split_once(' ').unwrap()).chain(odd);
    let at_portal_door: Vec<_> = routes(PORTAL_TABLE.map(|(route, _)| route).to_vec()).collect();
    let at_staff_door: Vec<_> = routes(STAFF_TABLE.map(|(route, _)| route).to_vec()).collect();
    let strangers = NOBODY_AT_STAFF_DOOR.iter().map(|name| (staff_door, *name, &at_staff_door));
    for (door, name, routes) in strangers.chain([(portal_door, Some("tls/stranger"), &at_portal_door)]) {
        let caller = stage.gateway.at(door, name);
        let reason = caller.get("/v1/whoami").await.refused(403, "rejected")["rejection"]["code"].clone();
        for (method, path) in routes {
            let told = stage.call(&caller, method, path).await.refused(403, "rejected");
            assert_eq!(told["rejection"]["code"], reason, "{name:?} {method} {path}");
        }
    }
}

#[tokio::test]
async fn who_was_let_in_hears_404_and_405_where_there_is_nothing() {
    let gateway = Gateway::start();
    for caller in [gateway.portal(), gateway.receiver()] {
        caller.get("/v1/nothing").await.refused(404, "not-found");
        caller.get("/v1/cases/not-a-uuid").await.refused(404, "not-found");
        caller.get("/v1/clinics/not-an-id").await.refused(404, "not-found");
        caller.ask("DELETE", "/v1/clinics").await.refused(405, "method-not-allowed");
    }
    // A door gives nothing of what belongs to the other.
    gateway.portal().get("/v1/inbox").await.refused(404, "not-found");
    gateway.receiver().get("/v1/events").await.refused(404, "not-found");
}
