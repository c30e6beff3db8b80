//! Letters: who is told of what, in which language, and how little each letter says.

use serde_json::{Value, json};

use crate::common::{
    CITIZEN, CITIZEN_MAIL, CITIZEN_NAME, CLINIC, Gateway, HANDLER, OTHER_CLINIC, RECEIVER, act, distributed, form,
    received, submission, submit,
};

const RECEIVER_MAIL: &str = "anna.akesson@region.example";
const HANDLER_MAIL: &str = "bjorn.oberg@region.example";
const OTHER_CLINICS_RECEIVER_MAIL: &str = "gustav.nyqvist@region.example";

/// Quoted-printable undone, far enough to search in.
fn readable(letter: &str) -> String {
    let joined = letter.replace("\r\n", "\n").replace("=\n", "");
    let mut parts = joined.split('=');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => bytes.extend_from_slice(format!("={part}").as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Each letter as addressee, language and what it tells, sorted.
async fn told(gateway: &Gateway, count: usize) -> Vec<(String, &'static str, &'static str)> {
    let kinds = [
        ("Ett nytt ärende väntar", "sv", "new case"),
        ("Ett ärende väntar på dig", "sv", "assigned"),
        ("A case is waiting for you", "en", "assigned"),
        ("Du har fått ett svar", "sv", "answer"),
        ("You have an answer", "en", "answer"),
        ("Du har fått en fråga", "sv", "question"),
        ("You have a question", "en", "question"),
    ];
    let letters = gateway.letters(count).await;
    assert_eq!(letters.len(), count);
    let mut told: Vec<_> = letters
        .iter()
        .map(|letter| {
            let text = readable(letter);
            let to = text.lines().find_map(|line| line.strip_prefix("To: ")).unwrap().to_owned();
            let kind = kinds.iter().find(|(words, _, _)| text.contains(words));
            let (_, language, kind) = kind.unwrap_or_else(|| panic!("{text}"));
            assert!(text.contains(&format!("Content-Language: {language}")), "{text}");
            (to, *language, *kind)
        })
        .collect();
    told.sort();
    told
}

fn to(mail: &str, language: &'static str, kind: &'static str) -> (String, &'static str, &'static str) {
    (mail.to_owned(), language, kind)
}

fn answer() -> Value {
    json!({ "response": form("fornya-recept.answer") })
}

#[tokio::test]
async fn each_is_told_of_what_waits_for_them() {
    let gateway = Gateway::start();
    let handler = gateway.handler();
    let case = distributed(&gateway, "1").await;
    act(&handler, &case, "question", &json!({ "text": "Vilken styrka?" })).await.expect(200);
    act(&handler, &case, "answer", &answer()).await.expect(200);
    let expected = [
        to(RECEIVER_MAIL, "sv", "new case"),
        to(HANDLER_MAIL, "sv", "assigned"),
        to(CITIZEN_MAIL, "sv", "answer"),
        to(CITIZEN_MAIL, "sv", "question"),
    ];
    assert_eq!(told(&gateway, 4).await, expected);
}

#[tokio::test]
async fn a_letter_says_only_that_something_waits() {
    let gateway = Gateway::start();
    let handler = gateway.handler();
    let case = distributed(&gateway, "1").await;
    act(&handler, &case, "question", &json!({ "text": "Vilken styrka?" })).await.expect(200);
    act(&handler, &case, "answer", &answer()).await.expect(200);
    let numbers = [&CITIZEN[..8], &CITIZEN[2..8], &CITIZEN[8..]];
    for letter in gateway.letters(4).await {
        let text = readable(&letter);
        for secret in [CLINIC, "Vårdcentralen", "Ängen", &case, CITIZEN_NAME, "Tolvansson", "recept", "Vilken styrka"]
        {
            assert!(!text.contains(secret) && !letter.contains(secret), "{secret} in {text}");
        }
        // Boundaries and identifiers hold digits of every kind; the text does not.
        let body = text.split("\n\n").filter(|part| !part.contains("boundary")).collect::<String>();
        assert!(!numbers.iter().all(|number| body.contains(number)), "{text}");
        assert!(!text.contains(&case.replace('-', "")) && !text.contains("/v1/cases"), "{text}");
    }
}

#[tokio::test]
async fn nobody_is_told_of_what_they_did_themselves() {
    let gateway = Gateway::start();
    let receiver = gateway.receiver();
    let case = received(&gateway.portal(), "1").await;
    act(&receiver, &case, "distribution", &json!({ "handler": RECEIVER })).await.expect(200);
    act(&receiver, &case, "return", &Value::Null).await.expect(200);
    act(&receiver, &case, "distribution", &json!({ "handler": HANDLER })).await.expect(200);
    act(&gateway.handler(), &case, "return", &Value::Null).await.expect(200);
    // The receiver hears of the portal's and of the handler's act, not of the own ones.
    let expected =
        [to(RECEIVER_MAIL, "sv", "new case"), to(RECEIVER_MAIL, "sv", "new case"), to(HANDLER_MAIL, "sv", "assigned")];
    assert_eq!(told(&gateway, 3).await, expected);
}

#[tokio::test]
async fn a_forwarded_case_is_news_to_the_other_clinics_receivers() {
    let gateway = Gateway::start();
    let case = received(&gateway.portal(), "1").await;
    act(&gateway.receiver(), &case, "forwarding", &json!({ "clinic": OTHER_CLINIC })).await.expect(200);
    let expected = [to(RECEIVER_MAIL, "sv", "new case"), to(OTHER_CLINICS_RECEIVER_MAIL, "sv", "new case")];
    assert_eq!(told(&gateway, 2).await, expected);
}

#[tokio::test]
async fn everybodys_choice_of_letters_address_and_language_is_kept() {
    let gateway = Gateway::start();
    let (receiver, handler) = (gateway.receiver(), gateway.handler());
    let path = "/v1/me/notifications";
    let asked = receiver.get(path).await.expect(200);
    assert_eq!((asked.header("etag"), &asked.json()["newCase"]), ("\"0\"", &json!(true)));
    let none = json!({ "newCase": false, "assignedCase": false });
    receiver.put(path, &none).header("if-match", "\"0\"").await.expect(204);
    receiver.put(path, &none).header("if-match", "\"0\"").await.refused(412, "stale-version");
    let choice = json!({ "newCase": true, "assignedCase": true, "email": "bjorn@example.test", "language": "en" });
    let put = handler.put(path, &choice).header("if-match", "\"0\"").await.expect(204);
    let asked = handler.get(path).await.expect(200);
    assert_eq!((asked.header("etag"), asked.json()), (put.header("etag"), choice));

    let mut body = submission("fornya-recept");
    body["contact"]["language"] = json!("en");
    let case = submit(&gateway.portal(), "1", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    act(&receiver, &case, "distribution", &json!({ "handler": HANDLER })).await.expect(200);
    act(&handler, &case, "answer", &answer()).await.expect(200);
    let expected = [to("bjorn@example.test", "en", "assigned"), to(CITIZEN_MAIL, "en", "answer")];
    assert_eq!(told(&gateway, 2).await, expected);
}

#[tokio::test]
async fn a_citizen_who_gave_no_address_gets_no_letter() {
    let gateway = Gateway::start();
    let mut body = submission("fornya-recept");
    body.as_object_mut().unwrap().remove("contact");
    let case = submit(&gateway.portal(), "1", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    act(&gateway.receiver(), &case, "closure", &json!({ "reason": "Dubblett" })).await.expect(200);
    // A later letter shows that no earlier one is still to come.
    received(&gateway.staff_system(), "1").await;
    let expected = [to(RECEIVER_MAIL, "sv", "new case"), to(RECEIVER_MAIL, "sv", "new case")];
    assert_eq!(told(&gateway, 2).await, expected);
}
