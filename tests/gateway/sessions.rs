//! People at the staff door in a browser: logging in with the card, what a session lets them do, every way in which it
//! ends. What a browser sends of itself (`Sec-Fetch-*`, cookies) is sent here too.

use rustls::HandshakeKind;
use serde_json::json;

use crate::client::{Answer, Ask, Caller};
use crate::common::{Gateway, Region, received};

const COOKIE: &str = "__Host-budkavle";
const FORM: &str = "application/x-www-form-urlencoded";

/// A browser with a card.
pub struct Browser {
    pub card: Caller,
    /// What it keeps of us: `name=value`, or nothing.
    pub cookie: String,
}

impl Browser {
    pub fn with(card: Caller) -> Browser {
        Browser { card, cookie: String::new() }
    }

    pub async fn logged_in(card: Caller) -> Browser {
        let mut browser = Browser::with(card);
        let token = token_of(&browser.open("/").await.expect(200).text(), "/logga-in");
        let told = browser.send("/logga-in", &[("blankett", &token)]).await.expect(303);
        assert_eq!(told.header("location"), "/");
        assert!(browser.is_keeping_a_session());
        browser
    }

    /// Goes to a page, as by a link on another page of ours.
    pub async fn open(&mut self, path: &str) -> Answer {
        let ask = self.as_browser(self.card.get(path), "navigate").header("accept", "text/html");
        let answer = ask.await;
        self.keep(answer)
    }

    /// Sends a form of a page of ours, whose address a browser does not tell.
    pub async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let ask = self.card.ask("POST", path).bytes(FORM, urlencoded(fields)).header("origin", "null");
        let answer = self.as_browser(ask, "navigate").header("accept", "text/html").await;
        self.keep(answer)
    }

    pub fn as_browser<'a>(&self, ask: Ask<'a>, mode: &str) -> Ask<'a> {
        let ask = ask.header("sec-fetch-site", "same-origin").header("sec-fetch-mode", mode);
        if self.cookie.is_empty() { ask } else { ask.header("cookie", &self.cookie) }
    }

    pub fn is_keeping_a_session(&self) -> bool {
        !self.cookie.is_empty()
    }

    fn keep(&mut self, answer: Answer) -> Answer {
        if let Some((pair, attributes)) = answer.header("set-cookie").split_once("; ") {
            let ends = attributes.contains("Max-Age=0");
            self.cookie = if ends { String::new() } else { pair.to_owned() };
        }
        answer
    }
}

fn urlencoded(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", value.replace('@', "%40")));
    pairs.collect::<Vec<_>>().join("&")
}

/// The token of the form on a page that is sent to `action`.
#[track_caller]
pub fn token_of(page: &str, action: &str) -> String {
    hidden(page, action, "blankett")
}

#[track_caller]
fn hidden(page: &str, action: &str, name: &str) -> String {
    let form = page.split_once(&format!("action=\"{action}\"")).unwrap_or_else(|| panic!("no {action} in {page}")).1;
    let field =
        form.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name} in {form}")).1;
    field.split_once('"').unwrap().0.to_owned()
}

/// What the access log has of the doors' own acts.
fn log_ins(gateway: &Gateway) -> Vec<(String, String)> {
    let log = gateway.operated(&["access-log", "list", "--store", "common", "--limit", "1000"]);
    let lines = log.as_array().unwrap().iter().map(|line| &line["entry"]);
    let lines = lines.map(|line| (line["who"].as_str().unwrap().to_owned(), line["act"].as_str().unwrap().to_owned()));
    lines.filter(|(_, act)| act.starts_with("log-")).collect()
}

#[tokio::test]
async fn somebody_logs_in_sees_the_inbox_and_logs_out() {
    let gateway = Gateway::start();
    received(&gateway.portal(), "1").await;
    let mut browser = Browser::with(gateway.receiver());
    let login = browser.open("/").await.expect(200).text();
    assert!(login.contains("Logga in med SITHS-kort") && login.contains("TSTNMT2321000156-1001"), "{login}");
    assert!(login.contains("Anna") && !login.contains("Förnya recept"), "{login}");
    let told = browser.send("/logga-in", &[("blankett", &token_of(&login, "/logga-in"))]).await.expect(303);
    let cookie = told.header("set-cookie").to_owned();
    let token = cookie.strip_prefix(&format!("{COOKIE}=")).unwrap().split_once(';').unwrap().0;
    assert_eq!(token.len(), 64, "256 bits");
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
    let start = browser.open("/").await.expect(200).text();
    for words in ["Att fördela", "Förnya recept", "kvar", "ärendemottagare", "Logga ut"] {
        assert!(start.contains(words), "{words} in {start}");
    }
    for secret in ["Tolvan", "191212121212"] {
        assert!(!start.contains(secret), "{start}");
    }
    let english = browser.open("/en").await.expect(200).text();
    assert!(english.contains("To distribute") && english.contains("receiver"), "{english}");
    let gone = browser.send("/logga-ut", &[("blankett", &token_of(&start, "/logga-ut"))]).await.expect(200);
    assert!(gone.text().contains("Du är utloggad") && gone.text().contains("Ta ut kortet"));
    assert_eq!(gone.header("clear-site-data"), r#""cache", "cookies", "storage""#);
    assert!(!browser.is_keeping_a_session());
    assert!(browser.open("/").await.expect(200).text().contains("Logga in med SITHS-kort"));
    let who = "TSTNMT2321000156-1001".to_owned();
    assert_eq!(log_ins(&gateway), [(who.clone(), "log-in".to_owned()), (who, "log-out".to_owned())]);
}

#[tokio::test]
async fn a_browser_needs_a_session_for_the_api_and_a_program_does_not() {
    let gateway = Gateway::start();
    let mut browser = Browser::with(gateway.receiver());
    for path in ["/v1/inbox", "/v1/whoami", "/v1/me/notifications"] {
        browser.card.get(path).await.expect(200);
        browser.as_browser(browser.card.get(path), "cors").await.refused(401, "session-required");
        browser.card.get(path).header("cookie", "theme=dark").await.refused(401, "session-required");
        let forged = format!("{COOKIE}={}", "0".repeat(64));
        let told = browser.card.get(path).header("cookie", &forged).await;
        assert_eq!(told.header("www-authenticate"), "Session");
        assert!(told.header("set-cookie").contains("Max-Age=0"));
        told.refused(401, "session-ended");
    }
    // What every door gives is nobody's in particular.
    browser.as_browser(browser.card.get("/v1/problems"), "navigate").await.expect(200);
    let page = browser.open("/v1/inbox").await.expect(401);
    assert!(page.text().contains("Till startsidan") && page.text().contains("session-required"));
    let browser = Browser::logged_in(gateway.receiver()).await;
    browser.as_browser(browser.card.get("/v1/inbox"), "cors").await.expect(200);
    let choice = json!({ "newCase": false, "assignedCase": false });
    let put = browser.card.put("/v1/me/notifications", &choice).header("if-match", "\"0\"");
    browser.as_browser(put, "cors").await.expect(204);
    let put = browser.card.put("/v1/me/notifications", &choice).header("if-match", "\"1\"");
    put.header("cookie", &browser.cookie)
        .header("sec-fetch-site", "cross-site")
        .await
        .refused(403, "cross-origin-write");
}

#[tokio::test]
async fn logging_out_ends_every_connection_of_the_card_and_its_tls_sessions() {
    let gateway = Gateway::start();
    for card in [gateway.receiver(), gateway.handler().http1()] {
        let mut browser = Browser::logged_in(card).await;
        let start = browser.open("/").await.text();
        // Tickets have come with the first answers; another window holds a connection of its own.
        let mut resting = browser.card.raw().await;
        assert_eq!(resting.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
        browser.send("/logga-ut", &[("blankett", &token_of(&start, "/logga-ut"))]).await.expect(200);
        let mut rest = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut resting, &mut rest).await.unwrap();
        assert!(rest.is_empty(), "closed without a word");
        assert_eq!(browser.card.raw().await.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        assert!(browser.open("/").await.expect(200).text().contains("Logga in med SITHS-kort"));
    }
}

#[tokio::test]
async fn a_session_ends_by_rest_by_age_and_says_so() {
    let region = Region::prepare().changed("[staff]", "[staff]\nsession-idle-minutes = 10\nsession-max-hours = 1");
    let gateway = region.run();
    let mut browser = Browser::logged_in(gateway.receiver()).await;
    gateway.operated(&["clock", "advance", "9m"]);
    assert!(browser.open("/").await.expect(200).text().contains("10 minuter"));
    gateway.operated(&["clock", "advance", "9m"]);
    browser.as_browser(browser.card.get("/v1/inbox"), "cors").await.expect(200);
    gateway.operated(&["clock", "advance", "10m"]);
    let told = browser.open("/").await.expect(200);
    assert!(told.text().contains("Du hade inte gjort något på 10 minuter"), "{}", told.text());
    assert!(told.text().contains("Logga in med SITHS-kort") && !browser.is_keeping_a_session());
    assert_ne!(told.header("clear-site-data"), "");
    let mut browser = Browser::logged_in(gateway.receiver()).await;
    for _ in 0..7 {
        gateway.operated(&["clock", "advance", "8m"]);
        browser.open("/").await.expect(200);
        assert!(browser.is_keeping_a_session());
    }
    gateway.operated(&["clock", "advance", "8m"]);
    let told = browser.as_browser(browser.card.get("/v1/inbox"), "cors").await.refused(401, "session-ended");
    assert_eq!(told["detail"], "Du hade varit inloggad så länge som är tillåtet.");
}

#[tokio::test]
async fn a_session_shown_with_another_card_ends_for_both_and_says_so() {
    let gateway = Gateway::start();
    let mut first = Browser::logged_in(gateway.receiver()).await;
    let mut second = Browser { card: gateway.handler(), cookie: first.cookie.clone() };
    let told = second.open("/").await.expect(200).text();
    assert!(told.contains("Ett annat kort sitter i än det som loggade in.") && told.contains("TSTNMT2321000156-1002"));
    assert!(!told.contains("Anna"), "{told}");
    let again = first.open("/").await.expect(200).text();
    assert!(again.contains("Inloggningen gäller inte längre.") && again.contains("Logga in med SITHS-kort"), "{again}");
}

#[tokio::test]
async fn a_restart_logs_everybody_out() {
    let gateway = Gateway::start();
    let browser = Browser::logged_in(gateway.receiver()).await;
    let gateway = gateway.restarted();
    let mut browser = Browser { card: gateway.receiver(), cookie: browser.cookie };
    assert!(browser.open("/").await.expect(200).text().contains("Inloggningen gäller inte längre."));
}

#[tokio::test]
async fn a_form_without_its_token_changes_nothing() {
    let gateway = Gateway::start();
    let mut browser = Browser::with(gateway.receiver());
    let login = token_of(&browser.open("/").await.text(), "/logga-in");
    let others = token_of(&Browser::with(gateway.handler()).open("/").await.text(), "/logga-in");
    for wrong in ["", "0", &others] {
        let told = browser.send("/logga-in", &[("blankett", wrong)]).await.expect(403);
        assert!(told.text().contains("form-token-wrong"), "{}", told.text());
        assert!(!browser.is_keeping_a_session());
    }
    browser.send("/logga-in", &[("blankett", &login)]).await.expect(303);
    let page = browser.open("/installningar").await.expect(200).text();
    let log_out = token_of(&page, "/logga-ut");
    for wrong in ["", &login, &log_out] {
        let fields = [("version", "0"), ("sprak", "en"), ("blankett", wrong)];
        browser.send("/installningar", &fields).await.expect(403);
    }
    browser.send("/logga-ut", &[("blankett", &token_of(&page, "/installningar"))]).await.expect(403);
    // With the token, but not from our own page.
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null")] {
        let form = urlencoded(&[("blankett", &log_out)]);
        let ask = browser.card.ask("POST", "/logga-ut").bytes(FORM, form).header("cookie", &browser.cookie);
        ask.header(name, value).await.refused(403, "cross-origin-write");
    }
    assert_eq!(gateway.receiver().get("/v1/me/notifications").await.expect(200).header("etag"), "\"0\"");
    assert!(browser.open("/").await.text().contains("Logga ut"), "still logged in");
}

#[tokio::test]
async fn somebody_chooses_letters_by_form_and_nothing_typed_is_lost() {
    let gateway = Gateway::start();
    let mut browser = Browser::logged_in(gateway.receiver()).await;
    let page = browser.open("/installningar").await.expect(200).text();
    let (token, version) = (token_of(&page, "/installningar"), hidden(&page, "/installningar", "version"));
    let send = |email: &'static str| {
        [
            ("blankett", token.clone()),
            ("version", version.clone()),
            ("brev", "fordelat".into()),
            ("epost", email.into()),
            ("sprak", "en".into()),
        ]
    };
    let unfit = send("anna.test");
    let told = browser.send("/installningar", &unfit.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    let told = told.expect(422).text();
    assert!(told.contains("value=\"anna.test\"") && told.contains("<title>Fel: "), "{told}");
    let checked = |page: &str, value: &str| page.contains(&format!("value=\"{value}\" checked"));
    assert!(checked(&told, "fordelat") && checked(&told, "en") && !checked(&told, "nytt"), "{told}");
    let fit = send("anna@example.test");
    let fit = fit.each_ref().map(|(name, value)| (*name, value.as_str()));
    let told = browser.send("/installningar", &fit).await.expect(303);
    assert_eq!(told.header("location"), "/installningar?sparat=1");
    let saved = browser.open("/installningar?sparat=1").await.expect(200).text();
    assert!(saved.contains("Dina val är sparade") && saved.contains("anna@example.test"), "{saved}");
    let kept = browser.card.get("/v1/me/notifications").await.expect(200).json();
    let expected = json!({ "newCase": false, "assignedCase": true, "email": "anna@example.test", "language": "en" });
    assert_eq!(kept, expected);
    let overtaken = browser.send("/installningar", &fit).await.expect(409).text();
    assert!(overtaken.contains("ändrats i ett annat fönster"), "{overtaken}");
}

#[tokio::test]
async fn pages_behind_the_log_in_lead_to_it_and_unknown_ones_too() {
    let gateway = Gateway::start();
    let mut browser = Browser::with(gateway.receiver());
    for (path, login) in [("/arende/1", "/"), ("/status", "/"), ("/en/nothing", "/en")] {
        assert_eq!(browser.open(path).await.expect(303).header("location"), login);
    }
    let page = browser.open("/en/installningar").await.expect(401).text();
    assert!(page.contains("You are not logged in") && page.contains("href=\"/en\""), "{page}");
    let mut browser = Browser::logged_in(gateway.receiver()).await;
    assert!(browser.open("/arende/1").await.expect(404).text().contains("not-found"));
    // A program hears what it always did.
    gateway.receiver().get("/arende/1").await.refused(404, "not-found");
}

#[tokio::test]
async fn whoever_is_not_let_in_meets_the_reason_on_the_pages_too_and_no_log_in() {
    let gateway = Gateway::start();
    for name in [None, Some("cards/telia"), Some("cards/revoked"), Some("cards/no-role")] {
        let mut browser = Browser::with(gateway.at(gateway.staff_door, name));
        for path in ["/", "/installningar", "/style.css", "/arende/1"] {
            assert!(browser.open(path).await.expect(403).text().contains("Du släpptes inte in"), "{name:?} {path}");
        }
        browser.send("/logga-in", &[("blankett", "0")]).await.expect(403);
        assert!(!browser.is_keeping_a_session());
    }
    assert_eq!(log_ins(&gateway), []);
}

#[tokio::test]
async fn every_staff_page_has_the_strict_headers_and_no_script_in_it() {
    let gateway = Gateway::start();
    let mut browser = Browser::with(gateway.receiver());
    let mut pages = vec![browser.open("/").await, browser.open("/installningar").await];
    let mut browser = Browser::logged_in(gateway.receiver()).await;
    for path in ["/", "/en", "/installningar", "/en/installningar", "/nothing"] {
        pages.push(browser.open(path).await);
    }
    let token = token_of(&pages[2].text(), "/logga-ut");
    pages.push(browser.send("/logga-ut", &[("blankett", &token)]).await);
    let mut refused = Browser::with(gateway.card("revoked"));
    pages.push(refused.open("/").await);
    for page in pages {
        let policy = page.header("content-security-policy");
        for part in ["default-src 'none'", "base-uri 'none'", "form-action '", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(page.header(name), value, "{name}");
        }
        assert!(page.header("permissions-policy").contains("camera=()"));
        let text = page.text();
        assert!(!text.contains("<script") && !text.contains(" style=") && !text.contains("javascript:"), "{text}");
    }
    let sheet = gateway.receiver().get("/style.css").await.expect(200);
    assert_eq!(sheet.header("content-type"), "text/css; charset=utf-8");
}
