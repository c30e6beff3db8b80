//! What a step of the demo is: a title, the command that does the same, what came back, and what is expected of it.
//! The steps themselves are in `case.rs` and `told.rs`, how things are printed is in `shown.rs`.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;

use super::super::say::say;
use super::letters::Inbox;
use super::readme::quoted;
use super::shown;
use crate::daemon::Addresses;
use crate::fetch::{Ask, Told, fetch};
use crate::net::outgoing::{TlsClient, TlsClientSettings};

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

pub struct Request<'a> {
    /// Who calls: a certificate below the directory, without its ending. Nobody at the public door.
    pub who: Option<&'a str>,
    pub port: u16,
    pub method: &'a str,
    pub path: String,
    pub headers: Vec<(&'a str, String)>,
    pub body: Body<'a>,
    pub expects: u16,
}

pub enum Body<'a> {
    Nothing,
    /// With the name of the file in which it lies for the curl line.
    Json(String, Value),
    /// Fields, none of which needs escaping.
    Form(&'a [&'a str]),
}

impl<'a> Request<'a> {
    pub fn get(who: Option<&'a str>, port: u16, path: impl Into<String>) -> Request<'a> {
        let (path, headers) = (path.into(), Vec::new());
        Request { who, port, method: "GET", path, headers, body: Body::Nothing, expects: 200 }
    }

    pub fn post(who: Option<&'a str>, port: u16, path: impl Into<String>, body: Body<'a>) -> Request<'a> {
        Request { method: "POST", body, ..Request::get(who, port, path) }
    }
}

impl Steps {
    pub async fn walk(&self) -> Result<(), Failed> {
        let place = quoted(&self.dir.to_string_lossy());
        say(&format!("Each step with the command that does the same. For them:\n   cd {place}"));
        if let Ok(program) = std::env::current_exe() {
            say(&format!("   alias budkavle={}", quoted(&program.to_string_lossy())));
        }
        let mut inbox = Inbox::new(self.dir.join("mail"));
        self.case(&mut inbox).await?;
        self.told(&mut inbox).await?;
        say("\nAll went well.");
        Ok(())
    }

    /// Prints the step, the curl line that does the same, and what came back; an unexpected status fails it.
    pub async fn step(&self, step: &str, title: &str, request: Request<'_>) -> Result<Value, Failed> {
        say(&format!("\n{step}. {title}"));
        let told = self.call(step, &request).await?;
        Ok(serde_json::from_slice(&told.body).unwrap_or_default())
    }

    /// The same without a title.
    pub async fn call(&self, step: &str, request: &Request<'_>) -> Result<Told, Failed> {
        if let Body::Json(file, body) = &request.body {
            // So that the curl line below can be run as it stands.
            fs::write(self.dir.join(file), format!("{body:#}\n")).map_err(|e| failed(step, &e.to_string()))?;
        }
        say(&shown::command(&shown::curl(request)));
        let told = self.ask(request).await.map_err(|reason| failed(step, &reason))?;
        say(&format!("   {} {}", told.status, shown::summary(&told.body)));
        if told.status != request.expects {
            let body = String::from_utf8_lossy(&told.body);
            return Err(failed(step, &format!("expected {}, got {}: {body}", request.expects, told.status)));
        }
        Ok(told)
    }

    pub async fn ask(&self, request: &Request<'_>) -> Result<Told, String> {
        let pair = |who: &str| ["pem", "key"].map(|ending| self.dir.join(format!("{who}.{ending}")));
        let settings = TlsClientSettings {
            ca_file: Some(self.dir.join("tls/server-ca.pem")),
            identity: request.who.map(|who| pair(who).into()),
        };
        let tls = TlsClient::new(&settings).map_err(|e| e.to_string())?;
        let mut headers = request.headers.clone();
        headers.push(("accept-language", "sv".into()));
        let (content_type, body) = match &request.body {
            Body::Nothing => (None, Vec::new()),
            Body::Json(_, body) => (Some("application/json"), body.to_string().into_bytes()),
            Body::Form(fields) => (Some("application/x-www-form-urlencoded"), fields.join("&").into_bytes()),
        };
        headers.extend(content_type.map(|name| ("content-type", name.to_owned())));
        let ask =
            Ask { method: request.method, host: "localhost", port: request.port, path: &request.path, headers, body };
        fetch(&tls, &ask).await.map_err(|e| e.to_string())
    }
}

pub fn failed(step: &str, reason: &str) -> Failed {
    Failed { step: step.to_owned(), reason: reason.to_owned() }
}

pub fn expect(step: &str, holds: bool, what: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(failed(step, &format!("expected {what}"))) }
}
