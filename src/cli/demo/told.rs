//! The way of news: somebody subscribes, a window is planned, moved, reminded of and completed, an incident is opened
//! and resolved, and whoever has had enough leaves by one click.

use std::time::{Duration, Instant};

use clap::Parser;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, time};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::super::say::say;
use super::super::status::words;
use super::super::{Line, operate};
use super::letters::Inbox;
use super::readme::quoted;
use super::shown;
use super::steps::{Body, Failed, Request, Steps, expect, failed};
use crate::admin::{self, Reply};
use crate::daemon::SystemClock;
use crate::domain::time::Clock;

const NURSE: &str = "nurse@region.example";
const SUPPORT: Option<&str> = Some("cards/support");
/// From now to the window: more than the ten days that a region asks for.
const AHEAD_DAYS: i32 = 12;
/// Longest wait for a page to show what has been told.
const PAGE_WAIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The marks of the page's sections.
const NOW: &str = "id=\"nu\"";
const PLANNED: &str = "id=\"planerat\"";

impl Steps {
    pub async fn told(&self, inbox: &mut Inbox) -> Result<(), Failed> {
        say("\nSo far a case. Now what everybody wants to know: what is down, what will be, and when it is over.");
        say(&format!("It is read at https://localhost:{}/status, by anybody.", self.addresses.public.port()));
        self.subscribing(inbox).await?;
        let day = SystemClock.now().to_zoned(TimeZone::UTC).date().saturating_add(AHEAD_DAYS.days());
        let end = self.window(inbox, day).await?;
        let last_letter_leaves = self.incident(inbox, end).await?;
        self.leaving(&last_letter_leaves).await
    }

    async fn subscribing(&self, inbox: &mut Inbox) -> Result<(), Failed> {
        let port = self.addresses.public.port();
        let address = format!("epost={NURSE}");
        let fields = [&address, "tjanster=all"];
        let ask = Request::post(None, port, "/status/prenumerera", Body::Form(&fields));
        self.step("11", "A nurse subscribes to everything on the status page", Request { expects: 202, ..ask }).await?;
        let letter = inbox.receive("11", 1).await?;
        let link = letter.first().and_then(|letter| letter.link("/status/bekrafta/"));
        let link = link.ok_or_else(|| failed("11", "the letter has no link"))?;
        let title = "A mail scanner follows the letter's link: it gets a page with a button and changes nothing";
        self.step("12", title, Request::get(None, port, &link)).await?;
        self.subscribers("12", 0).await?;
        let press = Request::post(None, port, &link, Body::Nothing);
        self.step("13", "The nurse presses the button", press).await?;
        self.subscribers("13", 1).await
    }

    /// Returns when it is over.
    async fn window(&self, inbox: &mut Inbox, day: Date) -> Result<DateTime, Failed> {
        let [evening, late] = [20, 22].map(|hour| day.to_datetime(time(hour, 0, 0, 0)));
        let midnight = day.saturating_add(1.day()).to_datetime(time(0, 0, 0, 0));
        say("\n14. The support plans a window. The page has it at once, mail goes out a week before");
        let (from, until) = (typed(evening), typed(late));
        let plan = ["maintenance", "schedule", "--audience", "public", "--component", "e-tjanster"];
        let titles = ["--title", "Ny version av 1177 e-tjänster", "--title-en", "New version of the 1177 e-services"];
        let texts = ["--text", "Ärenden kan inte skickas.", "--text-en", "Cases cannot be sent."];
        let times = ["--from", &from, "--until", &until, "--hold", "0"];
        let told = self.operate("14", &[&plan[..], &titles, &texts, &times].concat()).await?;
        let id = told["id"].as_str().ok_or_else(|| failed("14", "the window has no id"))?;
        self.page("14", |page| page.contains(PLANNED)).await?;
        say("\n15. Less than a week before (a gateway in test mode lets its clock be moved)");
        let before = day.saturating_sub(6.days()).to_datetime(time(8, 0, 0, 0));
        self.clock("15", inbox, before).await?;
        say("\n16. It is moved by two hours; everybody who was told of it is told");
        let (from, until, text) = (typed(late), typed(midnight), "Vi börjar två timmar senare.");
        let change = ["maintenance", "change", id, "--from", &from, "--until", &until];
        let texts = ["--text", text, "--text-en", "We begin two hours later.", "--hold", "0"];
        self.operate("16", &[&change[..], &texts].concat()).await?;
        inbox.receive("16", 1).await?;
        self.page("16", |page| page.contains(text)).await?;
        say("\n17. The clock passes a day before and an hour before; then the window begins and ends by itself");
        self.clock("17", inbox, late.saturating_sub(1.day())).await?;
        self.clock("17", inbox, late.saturating_sub(1.hour())).await?;
        self.clock("17", inbox, late).await?;
        self.page("17", |page| page.contains(NOW)).await?;
        self.clock("17", inbox, midnight).await?;
        self.page("17", |page| !page.contains(NOW) && !page.contains(PLANNED)).await?;
        Ok(midnight)
    }

    /// Returns the path by which the last letter's reader leaves.
    async fn incident(&self, inbox: &mut Inbox, now: DateTime) -> Result<String, Failed> {
        let staff = self.addresses.staff.port();
        let open = json!({
            "title": { "sv": "Inloggning med SITHS-kort fungerar inte", "en": "SITHS cards cannot log in" },
            "body": { "sv": "Är du redan inloggad kan du arbeta vidare.", "en": "If you are logged in you can go on." },
            "audience": "staff",
            "affected": [{ "component": "siths", "status": "major_outage" }],
            "nextUpdateBy": typed(now.saturating_add(30.minutes())),
            "hold": 0,
        });
        let open = Body::Json("incident.json".into(), open);
        let open = Request::post(SUPPORT, staff, "/v1/status/incidents", open);
        let title = "SITHS is down: the support opens an incident, here with a card at the staff door";
        let told = self.step("18", title, Request { expects: 201, ..open }).await?;
        let id = told["id"].as_str().ok_or_else(|| failed("18", "the incident has no id"))?;
        inbox.receive("18", 1).await?;
        self.page("18", |page| page.contains(NOW)).await?;
        let update = |step: &str, status: &str, sv: &str, en: &str| {
            let update = json!({ "status": status, "body": { "sv": sv, "en": en }, "hold": 0 });
            let body = Body::Json(format!("update-{step}.json"), update);
            Request::post(SUPPORT, staff, format!("/v1/status/incidents/{id}/updates"), body)
        };
        let found = "Felet är funnet hos leverantören.";
        let identified = update("19", "identified", found, "The fault is found, at the supplier.");
        self.step("19", "The fault is found", identified).await?;
        inbox.receive("19", 1).await?;
        self.page("19", |page| page.contains(found)).await?;
        let resolved = update("20", "resolved", "Inloggningen fungerar igen.", "Logging in works again.");
        self.step("20", "It is over", resolved).await?;
        let letter = inbox.receive("20", 1).await?;
        self.page("20", |page| !page.contains(NOW)).await?;
        let leave = letter.first().map(|letter| letter.header("List-Unsubscribe"));
        let leave = leave.as_deref().and_then(|header| header.split_once("/u/")?.1.split_once('>'));
        leave.map(|(token, _)| format!("/u/{token}")).ok_or_else(|| failed("20", "the letter has no way to leave"))
    }

    async fn leaving(&self, path: &str) -> Result<(), Failed> {
        let port = self.addresses.public.port();
        let click = Request::post(None, port, path, Body::Form(&["List-Unsubscribe=One-Click"]));
        self.step("21", "The mail program's own button for leaving sends this, and that is all", click).await?;
        self.subscribers("21", 0).await
    }

    /// Moves the clock to a moment at which one letter goes out.
    async fn clock(&self, step: &str, inbox: &mut Inbox, to: DateTime) -> Result<(), Failed> {
        self.operate(step, &["clock", "set", &typed(to)]).await?;
        inbox.receive(step, 1).await.map(drop)
    }

    async fn subscribers(&self, step: &str, active: u64) -> Result<(), Failed> {
        let told = self.operate(step, &["subscriber", "count"]).await?;
        let of_staff = &told["staff"];
        say(&format!("   on the staff's page: active {}, waiting {}", of_staff["active"], of_staff["pending"]));
        expect(step, of_staff["active"] == active, &format!("{active} active, of {told}"))
    }

    /// Gives a command through the admin socket, read by the grammar that reads what operators type, and prints it.
    async fn operate(&self, step: &str, words: &[&str]) -> Result<Value, Failed> {
        let shown = ["budkavle"].iter().chain(words).chain(&["--config", "budkavle.toml"]);
        say(&shown::command(&shown.map(|word| quoted(word)).collect::<Vec<_>>()));
        let config = self.dir.join("budkavle.toml").display().to_string();
        let line = Line::try_parse_from(["budkavle"].iter().chain(words).chain(&["--config", &config]));
        let line = line.map_err(|error| failed(step, &error.to_string()))?;
        let (commands, ask) = operate::commands(line.command).map_err(|_| failed(step, "no such command"))?;
        let socket = operate::socket(&ask).map_err(|_| failed(step, "no admin socket"))?;
        let mut told = Value::Null;
        for command in commands {
            told = match admin::ask(&socket, &command).await {
                Ok(Reply::Done(value)) => value,
                Ok(Reply::Refused(reason)) => return Err(failed(step, &reason)),
                Err(error) => return Err(failed(step, &error.to_string())),
            };
        }
        if let Some(sentences) = words::sentences(&told) {
            say(&shown::folded(&sentences, 3, 3));
        }
        Ok(told)
    }

    /// Waits until the staff's page is as it should be, and prints what it says first, in both languages.
    async fn page(&self, step: &str, shows: impl Fn(&str) -> bool) -> Result<(), Failed> {
        let port = self.addresses.public.port();
        let page = async |path: &str| {
            let told = self.ask(&Request::get(None, port, path)).await.map_err(|reason| failed(step, &reason))?;
            expect(step, told.status == 200, &format!("{path}, got {}", told.status))?;
            Ok(String::from_utf8_lossy(&told.body).into_owned())
        };
        let deadline = Instant::now() + PAGE_WAIT;
        while !shows(&page("/status").await?) {
            expect(step, Instant::now() < deadline, "the page to show it")?;
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        for (path, planned) in [("/status", "<dt>Planerat till</dt>"), ("/en/status", "<dt>Planned for</dt>")] {
            let html = page(path).await?;
            say(&format!("   page {path:<11} {}", shown::heading(&html)));
            // The first of what goes on or lies ahead.
            if let Some((_, brief)) = html.split_once("<article>") {
                let part = |from, until| shown::words_between(brief, from, until);
                let parts = [part("<h3", "</h3>"), part(planned, "</dd>"), part("<div class=\"body\"", "</div>")];
                say(&shown::folded(&parts.into_iter().flatten().collect::<Vec<_>>().join(" · "), 20, 20));
            }
        }
        Ok(())
    }
}

/// As operators write a Swedish time.
fn typed(at: DateTime) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}
