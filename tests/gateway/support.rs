//! The support: faults, questions and orders, with a card and without, answered at the staff door and read by the link
//! of the receipt; the questions asked often.

use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::{Value, json};

use crate::client::{Answer, Caller};
use crate::common::{Gateway, HANDLER};
use crate::told::Ready;

/// Who has the support role in the sample region.
const SUPPORT: &str = "TSTNMT2321000156-1006";
const REPORTER_MAIL: &str = "anna.test@example.test";
/// A region's answer to a rush is a limit; the table of permissions is no rush.
static CALLERS: AtomicU8 = AtomicU8::new(1);

fn ticket(mail: &str) -> Value {
    json!({
        "kind": "fault-report",
        "service": "personalverktyget",
        "text": "Inkorgen är tom sedan kl. 07.40.",
        "fault": { "extent": "many", "workGoesOn": false, "patientSafety": false },
        "reporter": { "name": "Anna Test", "email": mail },
    })
}

/// What a route of the support is about: a ticket that the support has, a question; `n` keeps names apart.
pub async fn ready(gateway: &Gateway, method: &str, route: &str, n: u32) -> Ready {
    let support = gateway.card("support");
    let faq =
        json!({ "audience": "staff", "question": { "sv": "Fråga?" }, "answer": { "sv": "Svar." }, "shown": true });
    let body = match (method, route.rsplit('/').next().unwrap()) {
        ("POST", "tickets") => {
            let mut own = ticket(REPORTER_MAIL);
            own.as_object_mut().unwrap().remove("reporter");
            own
        }
        ("POST", "distribution") => json!({ "handler": SUPPORT }),
        ("POST", "messages" | "interim-answer" | "question" | "answer") => json!({ "text": "Hej" }),
        ("POST", "closure") => json!({ "reason": "Klart" }),
        ("PUT", "incident") => json!({ "incident": null }),
        ("PUT", "{slug}") => faq.clone(),
        _ => Value::Null,
    };
    let (path, etag) = if route.contains("{id}") {
        let somebody = gateway.anyone().from([127, 1, 0, CALLERS.fetch_add(1, Ordering::Relaxed)]);
        let key = format!("ready-{n}");
        let sent = somebody.post("/v1/tickets", &ticket(&format!("anna-{n}@example.test")));
        let token = sent.header("idempotency-key", &key).await.expect(201).json()["number"].clone();
        let id = id_of(&support, token.as_str().unwrap()).await;
        let taken = support.post(&format!("/v1/tickets/{id}/distribution"), &json!({ "handler": SUPPORT }));
        taken.header("if-match", "\"1\"").await.expect(200);
        (route.replace("{id}", &id), "\"2\"")
    } else if route.contains("{slug}") {
        let path = route.replace("{slug}", &format!("prov-{n}"));
        support.put(&path, &faq).header("if-none-match", "*").await.expect(204);
        (path, "\"1\"")
    } else {
        (route.to_owned(), "")
    };
    Ready { path, etag: etag.to_owned(), body }
}

/// The id by which the support knows a number.
async fn id_of(support: &Caller, number: &str) -> String {
    let mut cursor = String::new();
    loop {
        let page = support.get(&format!("/v1/tickets?list=all&limit=100{cursor}")).await.expect(200).json();
        let items = page["items"].as_array().unwrap();
        if let Some(found) = items.iter().find(|item| item["number"] == number) {
            return found["id"].as_str().unwrap().to_owned();
        }
        cursor = format!("&cursor={}", page["next"].as_str().expect("the ticket is in the list"));
    }
}

/// Somebody without a card reports, and the support reads it.
pub async fn reports_a_fault(gateway: &Gateway) {
    let anyone = gateway.anyone();
    let sent = anyone.post("/v1/tickets", &ticket(REPORTER_MAIL)).header("idempotency-key", "a");
    let number = sent.await.expect(201).json()["number"].clone();
    let support = gateway.card("support");
    let id = id_of(&support, number.as_str().unwrap()).await;
    support.get(&format!("/v1/tickets/{id}")).await.expect(200);
}

/// An act on a ticket in the version that is there now.
async fn act(support: &Caller, id: &str, act: &str, body: &Value) -> Answer {
    let etag = support.get(&format!("/v1/tickets/{id}")).await.expect(200).header("etag").to_owned();
    support.post(&format!("/v1/tickets/{id}/{act}"), body).header("if-match", &etag).await
}

async fn send(who: &Caller, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    who.ask("POST", path).bytes("application/x-www-form-urlencoded", form.finish()).header("accept", "text/html").await
}

/// A fault report that several stand still, filled in.
fn fault<'a>() -> Vec<(&'a str, &'a str)> {
    vec![
        ("nyckel", "en-egen-nyckel"),
        ("tjanst", "personalverktyget"),
        ("beskrivning", "Inkorgen är <tom> sedan kl. 07.40."),
        ("omfattning", "flera"),
        ("arbete", "nej"),
        ("patientsakerhet", "nej"),
        ("inloggning", "nej"),
        ("namn", "Anna Test"),
        ("e-post", REPORTER_MAIL),
    ]
}

fn with<'a>(mut fields: Vec<(&'a str, &'a str)>, name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    fields.retain(|(known, _)| *known != name);
    fields.push((name, value));
    fields
}

/// The number on a receipt.
fn number(page: &str) -> String {
    let at = page.find("S-2").unwrap_or_else(|| panic!("no number in {page}"));
    page[at..].chars().take_while(|c| c.is_ascii_digit() || "S-".contains(*c)).collect()
}

/// The address of one's own ticket, on a page or in a letter.
fn link(text: &str) -> String {
    let text = text.replace("&#x2f;", "/").replace("=\r\n", "");
    let at = text.find("/support/arende/").unwrap_or_else(|| panic!("no link in {text}"));
    text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/-_".contains(*c)).collect()
}

fn to<'a>(letters: &'a [String], mail: &str) -> Vec<&'a String> {
    letters.iter().filter(|letter| letter.contains(&format!("To: {mail}"))).collect()
}

#[tokio::test]
async fn a_fault_is_reported_without_a_card_answered_with_one_and_read_by_the_link() {
    let gateway = Gateway::start();
    let (anyone, support) = (gateway.anyone(), gateway.card("support"));
    let form = anyone.get("/support/felanmalan").await.expect(200).text();
    assert!(form.contains("0771-25 10 10") && form.contains("name=\"nyckel\""), "{form}");
    assert!(form.find("0771-25 10 10") < form.find("<form"), "who would rather call need not read to the end");
    let empty = send(&anyone, "/support/felanmalan", &with(fault(), "beskrivning", " ")).await.expect(422).text();
    assert!(empty.contains("Fyll i fältet.") && !empty.contains("högst 10000"), "{empty}");
    let fault = || with(fault(), "referens", "L-778");
    let receipt = send(&anyone, "/support/felanmalan", &fault()).await.expect(200).text();
    assert!(receipt.contains("L-778"), "{receipt}");
    let (number, link) = (number(&receipt), link(&receipt));
    assert!(!receipt.contains("Ring nu"), "several who stand still are no matter of priority 1");
    let again = send(&anyone, "/support/felanmalan", &fault()).await.expect(200).text();
    assert_eq!(crate::support::number(&again), number, "a button pressed twice sends once");
    let letters = gateway.letters(3).await;
    let own = to(&letters, REPORTER_MAIL);
    assert!(own.len() == 1 && own[0].contains(&number) && crate::support::link(own[0]) == link, "{own:?}");
    assert!(own[0].contains("L-778"), "{}", own[0]);
    assert!(letters.iter().all(|letter| !letter.contains("Inkorgen")), "nothing that was written is in a letter");
    assert_eq!(letters.len(), 3, "the reporter, the support, its mailbox");

    let listed = support.get("/v1/tickets?list=all").await.expect(200).json();
    assert_eq!(listed["items"][0]["reference"], "L-778");
    let id = id_of(&support, &number).await;
    let read = support.get(&format!("/v1/tickets/{id}")).await.expect(200).json();
    assert_eq!((&read["priority"], &read["reporter"]["email"]), (&json!(2), &json!(REPORTER_MAIL)));
    act(&support, &id, "answer", &json!({ "text": "Hej" })).await.refused(403, "not-permitted");
    act(&support, &id, "distribution", &json!({ "handler": HANDLER })).await.refused(422, "handler-without-role");
    act(&support, &id, "distribution", &json!({ "handler": SUPPORT })).await.expect(200);
    act(&support, &id, "question", &json!({ "text": "Vilken webbläsare?" })).await.expect(200);
    let page = anyone.get(&link).await.expect(200).text();
    assert!(page.contains("L-778"), "{page}");
    assert!(page.contains("Vilken webbläsare?") && page.contains("Väntar på svar från dig"), "{page}");
    assert!(page.contains("&lt;tom&gt;") && !page.contains(SUPPORT), "what was written is text, and nobody is named");
    for _ in 0..2 {
        let written = send(&anyone, &link, &[("text", "Firefox")]).await.expect(303);
        assert_eq!(written.header("location"), format!("{link}?skickat=1"));
    }
    act(&support, &id, "answer", &json!({ "text": "Ladda om sidan." })).await.expect(200);
    let read = support.get(&format!("/v1/tickets/{id}")).await.expect(200).json();
    let written: Vec<_> = read["documents"].as_array().unwrap().iter().map(|d| d["kind"].as_str().unwrap()).collect();
    assert_eq!(written, ["submission", "question", "message", "answer"], "the same words twice are one message");
    let english = anyone.get(&format!("/en{link}?skickat=1")).await.expect(200).text();
    assert!(english.contains("Ladda om sidan.") && english.contains("Answered"), "{english}");
    // Number and id open nothing without a card, and another link is nobody's.
    anyone.get(&format!("/v1/tickets/{id}")).await.refused(404, "not-found");
    anyone.get("/support/arende/AAAA").header("accept", "text/html").await.expect(404);
    assert_eq!(to(&gateway.letters(6).await, REPORTER_MAIL).len(), 3, "receipt, question, answer");
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field_and_nothing_that_was_typed_is_lost() {
    let gateway = Gateway::start();
    let anyone = gateway.anyone();
    let sent = with(with(with(fault(), "e-post", "anna"), "tjanst", ""), "omfattning", "");
    let page = send(&anyone, "/support/felanmalan", &sent).await.expect(422).text();
    for error in ["id=\"e-post-fel\"", "id=\"tjanst-fel\"", "id=\"omfattning-fel\""] {
        assert!(page.contains(error), "{error} in {page}");
    }
    assert!(page.contains("value=\"anna\"") && page.contains("Inkorgen är &lt;tom&gt;"), "{page}");
    let telling = with(fault(), "beskrivning", "Patienten 19121212-1212 kan inte logga in");
    let page = send(&anyone, "/en/support/felanmalan", &telling).await.expect(422).text();
    assert!(page.contains("Remove the identity number"), "{page}");
    let changed = with(fault(), "beskrivning", "Något annat");
    send(&anyone, "/support/felanmalan", &fault()).await.expect(200);
    let page = send(&anyone, "/support/felanmalan", &changed).await.expect(422).text();
    assert!(page.contains("redan skickat") && page.contains("Något annat"), "{page}");
}

#[tokio::test]
async fn a_standstill_for_everybody_is_kept_and_told_to_ring() {
    let gateway = Gateway::start();
    let page = send(&gateway.anyone(), "/support/felanmalan", &with(fault(), "omfattning", "alla")).await.expect(200);
    let page = page.text();
    assert!(page.contains("Ring nu") && page.contains("0771-25 10 10"), "{page}");
    let letters = gateway.letters(3).await;
    assert!(to(&letters, REPORTER_MAIL)[0].contains("0771-25 10 10"));
    let mut body = ticket(REPORTER_MAIL);
    body["fault"]["patientSafety"] = json!(true);
    let told = gateway.receiver().post("/v1/tickets", &body).header("idempotency-key", "a").await.expect(201).json();
    assert_eq!((&told["priority"], &told["callNow"]), (&json!(1), &json!("0771-25 10 10")));
    // Whoever reported with a card sees and writes to the own ones, and to no others.
    let nurse = gateway.receiver();
    let own = nurse.get("/v1/tickets?list=reported").await.expect(200).json()["items"].clone();
    assert_eq!(own.as_array().unwrap().len(), 1);
    let path = format!("/v1/tickets/{}", own[0]["id"].as_str().unwrap());
    nurse.post(&format!("{path}/messages"), &json!({ "text": "Nu fungerar det." })).await.expect(201);
    let read = nurse.get(&path).await.expect(200).json();
    assert_eq!((read["documents"].as_array().unwrap().len(), read.get("history")), (2, None));
    gateway.handler().get(&path).await.refused(404, "not-found");
}

#[tokio::test]
async fn who_cannot_log_in_comes_with_the_code_and_goes_by_local_it() {
    let gateway = Gateway::start();
    let anyone = gateway.anyone();
    let refused = gateway.card("expired").get("/v1/whoami").await.refused(403, "rejected");
    let report = refused["rejection"]["report"].as_str().unwrap();
    let form = anyone.get(&report[report.find("/support").unwrap()..]).await.expect(200).text();
    assert!(form.contains("value=\"expired\""), "{form}");
    let guide = refused["rejection"]["guide"].as_str().unwrap();
    let guide = anyone.get(&guide[guide.find("/fragor").unwrap()..]).await.expect(200).text();
    assert!(guide.contains("SITHS") && guide.contains("<ol>"), "{guide}");
    let login = with(with(with(fault(), "omfattning", "jag"), "inloggning", "ja"), "kod", "expired");
    let page = send(&anyone, "/support/felanmalan", &login).await.expect(422).text();
    assert!(page.contains("031-390 06 90") && page.contains("logga-in"), "local IT and the guide: {page}");
    let receipt = send(&anyone, "/support/felanmalan", &with(login.clone(), "lokal-it", "ja")).await.expect(200).text();
    let support = gateway.card("support");
    let id = id_of(&support, &number(&receipt)).await;
    let login = &support.get(&format!("/v1/tickets/{id}")).await.expect(200).json()["fault"]["login"];
    assert_eq!(*login, json!({ "localItChecked": true, "rejection": "expired" }));
}

#[tokio::test]
async fn cards_come_from_local_it_and_a_clinic_is_connected_by_its_order() {
    let gateway = Gateway::start();
    let anyone = gateway.anyone();
    let page = send(&anyone, "/support/bestallning", &[("vad", "card")]).await.expect(200).text();
    assert!(page.contains("031-390 06 90"), "{page}");
    let page = send(&anyone, "/support/bestallning", &[("vad", "connect-clinic")]).await.expect(200).text();
    assert!(!page.contains("name=\"tjanst\""), "an order of a clinic is about no service: {page}");
    assert!(page.contains("kostar ingenting") && page.contains("value=\"fornya-recept\""), "{page}");
    let order = [
        ("nyckel", "en-order"),
        ("vad", "connect-clinic"),
        ("steg", "2"),
        ("mottagning", "Vårdcentralen Bäcken"),
        ("hsa-id", "TSTNMT2321000156-D001"),
        ("mottagning-telefon", "031-390 06 30"),
        ("chef", "TSTNMT2321000156-1005"),
        ("arendetyper", "fornya-recept"),
        ("arendetyper", "kontakta-mig"),
        ("namn", "Eva Test"),
        ("e-post", REPORTER_MAIL),
    ];
    let receipt = send(&anyone, "/support/bestallning", &order).await.expect(200).text();
    let (number, link) = (number(&receipt), link(&receipt));
    let shown = gateway.operated(&["clinic", "connect", &number]);
    assert_eq!((&shown["done"], &shown["caseTypes"]), (&json!(false), &json!(["fornya-recept", "kontakta-mig"])));
    assert!(!gateway.operate(&["clinic", "connect", &number, "--make"]).status.success(), "nobody answers yet");
    gateway.operated(&["clinic", "connect", &number, "--make", "--by", SUPPORT]);
    let clinic = anyone.get("/v1/clinics/TSTNMT2321000156-D001").await.expect(200).json();
    assert_eq!(clinic["name"], "Vårdcentralen Bäcken");
    let roles = gateway.card("manager").get("/v1/clinics/TSTNMT2321000156-D001/roles").await.expect(200).json();
    assert_eq!(roles["items"][0]["roles"], json!(["administrator", "manager"]));
    let page = anyone.get(&link).await.expect(200).text();
    assert!(page.contains("anslutning av en mottagning"), "{page}");
    assert!(page.contains("är ansluten") && page.contains("Besvarat"), "{page}");
    assert_eq!(to(&gateway.letters(4).await, REPORTER_MAIL).len(), 2, "receipt and answer");
}

#[tokio::test]
async fn a_disturbance_is_shown_first_and_who_reported_it_hears_of_its_end() {
    let gateway = Gateway::start();
    let (anyone, support) = (gateway.anyone(), gateway.card("support"));
    let incident = json!({
        "title": { "sv": "Inkorgen visas inte" },
        "body": { "sv": "Vi söker felet." },
        "audience": "staff",
        "affected": [{ "component": "siths", "status": "major_outage" }],
        "hold": 0,
    });
    let begun = support.post("/v1/status/incidents", &incident).await.expect(201).json()["id"].clone();
    let begun = begun.as_str().unwrap();
    let form = anyone.get("/support/felanmalan").await.expect(200).text();
    let (shown, asked) = (form.find("Inkorgen visas inte"), form.find("<form"));
    assert!(shown.is_some() && shown < asked, "{form}");
    let number = number(&send(&anyone, "/support/felanmalan", &fault()).await.expect(200).text());
    gateway.operated(&["ticket", "tie", &number, begun]);
    let tied = support.get(&format!("/v1/status/incidents/{begun}/tickets")).await.expect(200).json();
    assert_eq!(tied, json!({ "tickets": 1 }));
    let resolved = json!({ "status": "resolved", "body": { "sv": "Det fungerar." }, "hold": 0 });
    support.post(&format!("/v1/status/incidents/{begun}/updates"), &resolved).await;
    let letters = gateway.letters(4).await;
    let own = to(&letters, REPORTER_MAIL);
    assert!(own.iter().any(|letter| letter.contains(begun) && letter.contains(&number)), "{own:?}");
    let open = gateway.operated(&["ticket", "list"]);
    assert_eq!((&open[0]["number"], &open[0]["incident"]), (&json!(number), &json!(begun)));
}

#[tokio::test]
async fn questions_are_written_with_a_card_read_without_and_hidden_when_they_are_wrong() {
    let gateway = Gateway::start();
    let (anyone, support) = (gateway.anyone(), gateway.card("support"));
    let list = anyone.get("/fragor-och-svar").await.expect(200).text();
    assert!(list.contains("Kostar det något") && list.contains("Senast uppdaterat"), "{list}");
    let public = anyone.get("/invanare/fragor-och-svar").await.expect(200).text();
    assert!(public.contains("Vem kan använda") && !public.contains("Kostar det något"), "{public}");
    let path = "/v1/faq/skriv-ut";
    let entry = |shown: bool| {
        json!({
            "audience": "staff",
            "question": { "sv": "Hur skriver jag ut?", "en": "How do I print?" },
            "answer": { "sv": "Så här:\n\n1. Tryck på Ctrl+P.\n2. <Vänta>." },
            "shown": shown,
        })
    };
    gateway.receiver().put(path, &entry(true)).header("if-none-match", "*").await.refused(403, "not-permitted");
    support.put(path, &entry(true)).header("if-none-match", "*").await.expect(204);
    let page = anyone.get("/en/fragor-och-svar/skriv-ut").await.expect(200).text();
    assert!(page.contains("How do I print?") && page.contains("&lt;Vänta&gt;") && page.contains("<ol>"), "{page}");
    support.put(path, &entry(false)).header("if-match", "\"1\"").await.expect(204);
    anyone.get("/fragor-och-svar/skriv-ut").header("accept", "text/html").await.expect(404);
    anyone.get(path).await.refused(404, "not-found");
    support.put(path, &entry(true)).header("if-match", "\"1\"").await.refused(412, "stale-version");
    let listed = gateway.operated(&["faq", "list"]);
    assert!(listed.as_array().unwrap().iter().any(|entry| entry["slug"] == "skriv-ut"));
}

#[tokio::test]
async fn programs_report_by_json_under_the_same_rules() {
    let gateway = Gateway::start();
    let anyone = gateway.anyone();
    let services = anyone.get("/v1/support").await.expect(200).json();
    assert_eq!(services["telephone"], "0771-25 10 10");
    let report = async |key: &str, body: &Value| anyone.post("/v1/tickets", body).header("idempotency-key", key).await;
    let first = report("a", &ticket(REPORTER_MAIL)).await.expect(201);
    let token = first.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(first.header("location"), format!("/v1/tickets/{token}"));
    let again = report("a", &ticket(REPORTER_MAIL)).await.expect(201);
    assert_eq!(again.json()["number"], first.json()["number"]);
    assert_eq!(again.header("idempotency-status"), "replayed");
    report("a", &ticket("bo.test@example.test")).await.refused(422, "idempotency-key-reused");
    anyone.post("/v1/tickets", &ticket(REPORTER_MAIL)).await.refused(400, "idempotency-key-missing");
    let mut telling = ticket(REPORTER_MAIL);
    telling["text"] = json!("Gäller 191212121212");
    let refused = report("b", &telling).await.refused(422, "person-id-in-text");
    assert_eq!(refused["violations"][0]["pointer"], "/text");
    let card = json!({
        "kind": "order", "service": "annat", "text": "Ett kort", "order": { "what": "card" },
        "reporter": { "name": "Anna Test", "email": REPORTER_MAIL },
    });
    assert!(report("c", &card).await.refused(422, "order-from-local-it")["detail"].as_str().unwrap().contains("031"));
    let path = format!("/v1/tickets/{token}");
    anyone.post(&format!("{path}/messages"), &json!({ "text": "Fortfarande så." })).await.expect(201);
    let read = anyone.get(&path).await.expect(200).json();
    assert_eq!((read["documents"].as_array().unwrap().len(), &read["awaiting"]), (2, &json!("support")));
    assert!(!gateway.log().contains(&token), "a link is a secret, and no log's");
    // Nobody's mailbox is filled.
    for n in 0..9 {
        report(&format!("rush-{n}"), &ticket(REPORTER_MAIL)).await.expect(201);
    }
    let limited = report("rush", &ticket(REPORTER_MAIL)).await.refused(429, "ticket-limit");
    assert_eq!(limited["telephone"], "0771-25 10 10");
}
