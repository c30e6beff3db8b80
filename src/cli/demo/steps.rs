//! The steps of the demo: from the portal to the receiver to the handler and back, and one who is not let in.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::say::say;
use crate::daemon::Addresses;
use crate::fetch::{Ask, Told, fetch};
use crate::net::outgoing::{TlsClient, TlsClientSettings};

const CLINIC: &str = "TSTNMT2321000156-A001";
const HANDLER: &str = "TSTNMT2321000156-1002";
/// Letters that the steps owe: new case twice, assigned once, answer once.
const LETTERS: usize = 4;
/// Lines of the answer that are shown.
const ANSWERS_SHOWN: usize = 6;
/// Longest wait for them.
const LETTERS_WAIT: Duration = Duration::from_secs(10);

const PRESCRIPTION: &str = include_str!("../../../config/region/samples/fornya-recept.question.response.json");
const PRESCRIPTION_ANSWER: &str = include_str!("../../../config/region/samples/fornya-recept.answer.response.json");
const CALL_ME: &str = include_str!("../../../config/region/samples/kontakta-mig.question.response.json");

pub struct Steps {
    pub dir: PathBuf,
    pub addresses: Addresses,
    pub started: Instant,
}

/// Which step failed, and why.
pub struct Failed {
    pub step: String,
    pub reason: String,
}

/// Who makes a call: the name of a certificate below the directory.
#[derive(Clone, Copy)]
struct Who(&'static str);

struct Request<'a> {
    who: Who,
    port: u16,
    method: &'a str,
    path: String,
    headers: Vec<(&'a str, String)>,
    body: Option<Value>,
    /// File in which the body lies, for the curl line.
    file: &'a str,
    expects: u16,
}

impl Steps {
    pub async fn walk(&self) -> Result<(), Failed> {
        say(&format!("Each step with the command that does the same. For them:\n   cd {}", self.dir.display()));
        let (portal, staff) = (self.addresses.portal.port(), self.addresses.staff.port());
        let first =
            self.submit("1", "A citizen portal posts a case", Who("tls/portal"), "fornya-recept", PRESCRIPTION).await?;
        let elapsed = self.started.elapsed();
        say(&format!("   first case {} ms after the gateway began to start", elapsed.as_millis()));
        self.submit(
            "2",
            "A staff system posts one on the staff channel",
            Who("tls/staff-system"),
            "kontakta-mig",
            CALL_ME,
        )
        .await?;
        let get = |who, port, path: String| Request {
            who,
            port,
            method: "GET",
            path,
            headers: Vec::new(),
            body: None,
            file: "",
            expects: 200,
        };
        let inbox = get(Who("cards/receiver"), staff, format!("/v1/inbox?clinic={CLINIC}&list=undistributed"));
        let inbox = self.step("3", "The receiver's inbox shows both", inbox).await?;
        expect("3", inbox["items"].as_array().map_or(0, Vec::len) == 2, "two undistributed cases")?;
        let distribute = Request {
            method: "POST",
            headers: vec![("if-match", "\"1\"".into())],
            body: Some(json!({ "handler": HANDLER })),
            file: "distribution.json",
            ..get(Who("cards/receiver"), staff, format!("/v1/cases/{first}/distribution"))
        };
        self.step("4", "The receiver distributes the first to a handler", distribute).await?;
        let read = get(Who("cards/handler"), staff, format!("/v1/cases/{first}"));
        let case = self.step("5", "The handler reads it", read).await?;
        expect("5", case["documents"][0]["response"].is_object(), "the filled-in question form")?;
        let etag = case["etag"].as_str().unwrap_or_default().to_owned();
        let answer = Request {
            method: "POST",
            headers: vec![("if-match", etag)],
            body: Some(json!({ "response": parse(PRESCRIPTION_ANSWER) })),
            file: "answer.json",
            ..get(Who("cards/handler"), staff, format!("/v1/cases/{first}/answer"))
        };
        self.step("6", "The handler answers on the clinic's answer form", answer).await?;
        let events = get(Who("tls/portal"), portal, "/v1/events?wait=5".into());
        let events = self.step("7", "The portal sees it in its event feed", events).await?;
        let answered = events["items"].as_array().is_some_and(|items| items.iter().any(|e| e["type"] == "answered"));
        expect("7", answered, "an event of type answered")?;
        let fetch_answer = get(Who("tls/portal"), portal, format!("/v1/cases/{first}"));
        let case = self.step("8", "The portal fetches the answer", fetch_answer).await?;
        expect("8", case["state"] == "answered" && case["documents"][1]["kind"] == "answer", "the answer")?;
        for (question, answer) in answers(&case["documents"][1]["response"]) {
            say(&format!("      {question}: {answer}"));
        }
        self.letters("9").await?;
        let knock = Request { expects: 403, ..get(Who("cards/telia"), staff, "/v1/whoami".into()) };
        let told = self.step("10", "A Telia certificate knocks at the staff door and is told why not", knock).await?;
        expect("10", told["rejection"]["code"] == "telia-e-legitimation", "the reason")?;
        say("\nAll went well.");
        Ok(())
    }

    async fn submit(
        &self,
        step: &str,
        title: &str,
        who: Who,
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
        let request = Request {
            who,
            port: self.addresses.portal.port(),
            method: "POST",
            path: "/v1/cases".into(),
            headers: vec![("idempotency-key", format!("demo-{step}"))],
            body: Some(body),
            file: &format!("case-{step}.json"),
            expects: 201,
        };
        let told = self.step(step, title, request).await?;
        told["id"].as_str().map(str::to_owned).ok_or_else(|| failed(step, "the answer has no id"))
    }

    /// Prints the step, the curl line that does the same, and what came back; an unexpected status fails it.
    async fn step(&self, step: &str, title: &str, request: Request<'_>) -> Result<Value, Failed> {
        say(&format!("\n{step}. {title}"));
        if let (Some(body), false) = (&request.body, request.file.is_empty()) {
            // So that the curl line below can be run as it stands.
            let path = self.dir.join(request.file);
            fs::write(&path, format!("{body:#}\n")).map_err(|e| failed(step, &e.to_string()))?;
        }
        say(&format!("   {}", curl(&request)));
        let told = self.ask(&request).await.map_err(|reason| failed(step, &reason))?;
        let body: Value = serde_json::from_slice(&told.body).unwrap_or_default();
        say(&format!("   {} {}", told.status, summary(&body)));
        if told.status != request.expects {
            let reason = format!("expected {}, got {}: {body}", request.expects, told.status);
            return Err(failed(step, &reason));
        }
        Ok(body)
    }

    async fn ask(&self, request: &Request<'_>) -> Result<Told, String> {
        let identity = |ending: &str| self.dir.join(format!("{}.{ending}", request.who.0));
        let settings = TlsClientSettings {
            ca_file: Some(self.dir.join("tls/server-ca.pem")),
            identity: Some((identity("pem"), identity("key"))),
        };
        let tls = TlsClient::new(&settings).map_err(|e| e.to_string())?;
        let mut headers = request.headers.clone();
        headers.push(("accept-language", "sv".into()));
        let body = match &request.body {
            Some(body) => {
                headers.push(("content-type", "application/json".into()));
                body.to_string().into_bytes()
            }
            None => Vec::new(),
        };
        let ask =
            Ask { method: request.method, host: "localhost", port: request.port, path: &request.path, headers, body };
        fetch(&tls, &ask).await.map_err(|e| e.to_string())
    }

    async fn letters(&self, step: &str) -> Result<(), Failed> {
        say(&format!("\n{step}. The letters that went out say that something waits, never what"));
        let mail = self.dir.join("mail");
        say("   ls mail");
        let deadline = Instant::now() + LETTERS_WAIT;
        let mut letters = eml_files(&mail);
        while letters.len() < LETTERS && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
            letters = eml_files(&mail);
        }
        for path in &letters {
            let text = fs::read_to_string(path).unwrap_or_default();
            // Long header fields go on in lines that begin with a blank (RFC 5322).
            let unfolded = text.replace("\r\n ", " ");
            let header =
                |name: &str| unfolded.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().to_owned();
            say(&format!("   {:<36} {}", header("To: "), decoded(&header("Subject: "))));
        }
        expect(step, letters.len() == LETTERS, &format!("{LETTERS} letters, there are {}", letters.len()))
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

fn eml_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let mut out: Vec<_> = entries.filter(|p| p.extension().is_some_and(|e| e == "eml")).collect();
    out.sort();
    out
}

/// A Subject as a mail program shows it: blanks between encoded words are not part of the text (RFC 2047).
fn decoded(subject: &str) -> String {
    let mut out = String::new();
    let mut after_encoded = false;
    for word in subject.split_whitespace() {
        let inner = word.strip_prefix("=?utf-8?b?").and_then(|w| w.strip_suffix("?="));
        let bytes = inner.and_then(|w| STANDARD.decode(w).ok());
        let plain = bytes.and_then(|b| String::from_utf8(b).ok());
        let between_encoded = after_encoded && plain.is_some();
        if !out.is_empty() && !between_encoded {
            out.push(' ');
        }
        after_encoded = plain.is_some();
        out.push_str(plain.as_deref().unwrap_or(word));
    }
    out
}

fn curl(request: &Request<'_>) -> String {
    let who = request.who.0;
    let mut line = format!("curl --cacert tls/server-ca.pem --cert {who}.pem --key {who}.key");
    for (name, value) in &request.headers {
        line.push_str(&format!(" -H '{name}: {value}'"));
    }
    if request.body.is_some() {
        line.push_str(&format!(" -H 'content-type: application/json' --data-binary @{}", request.file));
    }
    line.push_str(&format!(" 'https://localhost:{}{}'", request.port, request.path));
    line
}

/// What of an answer fits on a line.
fn summary(body: &Value) -> String {
    let pick = |names: &[&str]| {
        let found = names.iter().filter_map(|name| body.get(*name).map(|value| format!("{name}={value}")));
        found.collect::<Vec<_>>().join(" ")
    };
    if let Some(rejection) = body.get("rejection") {
        let cure = rejection["cure"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let steps: Vec<_> = cure.enumerate().map(|(n, step)| format!("\n      {}. {step}", n + 1)).collect();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        return format!("{} – {}{}", text("title"), text("detail"), steps.concat());
    }
    if let Some(items) = body.get("items").and_then(Value::as_array) {
        let line = |item: &Value| {
            let shown = ["type", "caseType", "state", "caseId", "id", "distributedBy"];
            let shown = shown.iter().filter_map(|name| item.get(*name).and_then(Value::as_str));
            format!("\n      {}", shown.collect::<Vec<_>>().join("  "))
        };
        return format!("{} items{}", items.len(), items.iter().map(line).collect::<String>());
    }
    let mut text = pick(&["id", "state", "handler", "distributedBy", "answeredBy", "title"]);
    if let Some(receipt) = body.get("receipt") {
        text.push_str(&format!("\n      receipt {receipt}"));
    }
    text
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

fn failed(step: &str, reason: &str) -> Failed {
    Failed { step: step.to_owned(), reason: reason.to_owned() }
}

fn expect(step: &str, holds: bool, what: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(failed(step, &format!("expected {what}"))) }
}
