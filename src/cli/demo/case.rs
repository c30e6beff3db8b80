//! The way of a case: from the portal to the receiver to the handler and back, and one who is not let in.

use serde_json::{Value, json};

use super::super::say::say;
use super::letters::Inbox;
use super::steps::{Body, Failed, Request, Steps, expect, failed};

const CLINIC: &str = "TSTNMT2321000156-A001";
const HANDLER: &str = "TSTNMT2321000156-1002";
const RECEIVER_CARD: Option<&str> = Some("cards/receiver");
const HANDLER_CARD: Option<&str> = Some("cards/handler");
const PORTAL: Option<&str> = Some("tls/portal");
/// Letters that the steps owe: new case twice, assigned once, answer once.
const LETTERS: usize = 4;
/// Lines of the answer that are shown.
const ANSWERS_SHOWN: usize = 6;

const PRESCRIPTION: &str = include_str!("../../../config/region/samples/fornya-recept.question.response.json");
const PRESCRIPTION_ANSWER: &str = include_str!("../../../config/region/samples/fornya-recept.answer.response.json");
const CALL_ME: &str = include_str!("../../../config/region/samples/kontakta-mig.question.response.json");

impl Steps {
    pub async fn case(&self, inbox: &mut Inbox) -> Result<(), Failed> {
        let (portal, staff) = (self.addresses.portal.port(), self.addresses.staff.port());
        let first = self.submit("1", "A citizen portal posts a case", PORTAL, "fornya-recept", PRESCRIPTION).await?;
        let elapsed = self.started.elapsed();
        say(&format!("   first case {} ms after the gateway began to start", elapsed.as_millis()));
        let (title, staff_system) = ("A staff system posts one on the staff channel", Some("tls/staff-system"));
        self.submit("2", title, staff_system, "kontakta-mig", CALL_ME).await?;
        let undistributed = format!("/v1/inbox?clinic={CLINIC}&list=undistributed");
        let look = Request::get(RECEIVER_CARD, staff, undistributed);
        let found = self.step("3", "The receiver's inbox shows both", look).await?;
        expect("3", found["items"].as_array().map_or(0, Vec::len) == 2, "two undistributed cases")?;
        let body = Body::Json("distribution.json".into(), json!({ "handler": HANDLER }));
        let distribute = Request {
            headers: vec![("if-match", "\"1\"".into())],
            ..Request::post(RECEIVER_CARD, staff, format!("/v1/cases/{first}/distribution"), body)
        };
        self.step("4", "The receiver distributes the first to a handler", distribute).await?;
        let read = Request::get(HANDLER_CARD, staff, format!("/v1/cases/{first}"));
        let case = self.step("5", "The handler reads it", read).await?;
        expect("5", case["documents"][0]["response"].is_object(), "the filled-in question form")?;
        let etag = case["etag"].as_str().unwrap_or_default().to_owned();
        let body = Body::Json("answer.json".into(), json!({ "response": parse(PRESCRIPTION_ANSWER) }));
        let answer = Request {
            headers: vec![("if-match", etag)],
            ..Request::post(HANDLER_CARD, staff, format!("/v1/cases/{first}/answer"), body)
        };
        self.step("6", "The handler answers on the clinic's answer form", answer).await?;
        let events = Request::get(PORTAL, portal, "/v1/events?wait=5");
        let events = self.step("7", "The portal sees it in its event feed", events).await?;
        let answered = events["items"].as_array().is_some_and(|items| items.iter().any(|e| e["type"] == "answered"));
        expect("7", answered, "an event of type answered")?;
        let fetch_answer = Request::get(PORTAL, portal, format!("/v1/cases/{first}"));
        let case = self.step("8", "The portal fetches the answer", fetch_answer).await?;
        expect("8", case["state"] == "answered" && case["documents"][1]["kind"] == "answer", "the answer")?;
        for (question, answer) in answers(&case["documents"][1]["response"]) {
            say(&format!("      {question}: {answer}"));
        }
        say("\n9. The letters that went out say that something waits, never what\n   ls mail");
        inbox.receive("9", LETTERS).await?;
        let knock = Request { expects: 403, ..Request::get(Some("cards/telia"), staff, "/v1/whoami") };
        let told = self.step("10", "A Telia certificate knocks at the staff door and is told why not", knock).await?;
        expect("10", told["rejection"]["code"] == "telia-e-legitimation", "the reason")?;
        let Some(card_test) = self.addresses.card_test else { return Ok(()) };
        say("   The card test says what it is, and what each door says to it; a browser gets a page:");
        let shown = self.call("10", &Request::get(Some("cards/telia"), card_test.port(), "/v1/card-test")).await?;
        let shown: Value = serde_json::from_slice(&shown.body).unwrap_or_default();
        let refused = |door: &Value| door["rejection"]["code"] == "telia-e-legitimation";
        expect("10", shown["doors"].as_array().is_some_and(|doors| doors.iter().all(refused)), "the same of both doors")
    }

    async fn submit(
        &self,
        step: &str,
        title: &str,
        who: Option<&str>,
        case_type: &str,
        response: &str,
    ) -> Result<String, Failed> {
        let body = json!({
            "clinic": CLINIC,
            "caseType": case_type,
            "senderReference": format!("demo-{step}"),
            "citizen": {
                "identifier": { "system": "urn:oid:1.2.752.129.2.1.3.1", "value": "191212121212" },
                "name": "Tolvan Tolvansson",
                "protected": false,
            },
            "representative": null,
            "contact": { "email": "tolvan@example.test", "language": "sv" },
            "response": parse(response),
        });
        let body = Body::Json(format!("case-{step}.json"), body);
        let request = Request {
            headers: vec![("idempotency-key", format!("demo-{step}"))],
            expects: 201,
            ..Request::post(who, self.addresses.portal.port(), "/v1/cases", body)
        };
        let told = self.step(step, title, request).await?;
        told["id"].as_str().map(str::to_owned).ok_or_else(|| failed(step, "the answer has no id"))
    }
}

/// The first lines of a filled-in form: linkId and what was answered.
fn answers(response: &Value) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut waiting: Vec<&Value> = response["item"].as_array().into_iter().flatten().rev().collect();
    while let Some(item) = waiting.pop() {
        waiting.extend(item["item"].as_array().into_iter().flatten().rev());
        for answer in item["answer"].as_array().into_iter().flatten() {
            let value = answer.as_object().and_then(|a| a.iter().find(|(name, _)| name.starts_with("value")));
            let text = value.map(|(_, value)| match value {
                Value::String(text) => text.clone(),
                Value::Object(coding) => coding.get("display").and_then(Value::as_str).unwrap_or_default().to_owned(),
                other => other.to_string(),
            });
            out.extend(text.map(|text| (item["linkId"].as_str().unwrap_or_default().to_owned(), text)));
        }
    }
    out.truncate(ANSWERS_SHOWN);
    out
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}
