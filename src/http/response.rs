//! Every answer that goes out, with the headers that each of them carries.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::request::Door;
use crate::crypto::sha256;

/// The headers of every answer at a door: what it is may not be guessed, framed or told to others.
pub fn guard(headers: &mut HeaderMap, door: Door) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("content-security-policy", content_policy(door)),
        ("strict-transport-security", "max-age=31536000"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // What the public door gives, such as badges and feeds, may stand on other people's pages.
    if door != Door::Public {
        for (name, value) in [
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("permissions-policy", POWERS_REFUSED),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
}

/// What no page of ours needs of a browser.
const POWERS_REFUSED: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
    microphone=(), midi=(), payment=(), usb=()";

/// Pages at the staff door have our style sheet and forms, the public ones a script too.
fn content_policy(door: Door) -> &'static str {
    match door {
        // At the card test a style sheet would be another connection, and perhaps another question about certificates.
        Door::Portal | Door::CardTest => {
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        }
        Door::Staff => {
            "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'"
        }
        Door::Public => {
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        }
    }
}

/// A page that stands alone has its style in it, and its policy names just that one by digest (CSP level 2).
fn policy_of_lone_page(page: &str) -> Option<String> {
    let style = page.split_once("<style>")?.1.split_once("</style>")?.0;
    let digest = STANDARD.encode(sha256(&[style.as_bytes()]));
    Some(format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ))
}

/// What a handler answers.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub content_type: Option<&'static str>,
    pub body: Body,
}

impl Answer {
    pub fn ok<T: Serialize>(body: &T) -> Answer {
        Answer::json(200, "application/json", body)
    }

    pub fn created<T: Serialize>(body: &T) -> Answer {
        Answer::json(201, "application/json", body)
    }

    pub fn no_content() -> Answer {
        Answer { status: 204, headers: Vec::new(), content_type: None, body: Body::empty() }
    }

    pub fn text(content_type: &'static str, text: &'static str) -> Answer {
        Answer { status: 200, headers: Vec::new(), content_type: Some(content_type), body: Body::from(text) }
    }

    pub fn html(status: u16, page: String) -> Answer {
        let policy = policy_of_lone_page(&page).map(|policy| ("content-security-policy", policy));
        let headers = policy.into_iter().collect();
        Answer { status, headers, content_type: Some("text/html; charset=utf-8"), body: Body::from(page) }
    }

    pub fn json<T: Serialize>(status: u16, content_type: &'static str, body: &T) -> Answer {
        match serde_json::to_vec(body) {
            Ok(body) => {
                Answer { status, headers: Vec::new(), content_type: Some(content_type), body: Body::from(body) }
            }
            // Our own shapes always serialise; were one not to, nothing half-written goes out.
            Err(_) => Answer { status: 500, headers: Vec::new(), content_type: None, body: Body::empty() },
        }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| *known == name)
    }

    /// The version of what is answered, as a strong entity tag.
    pub fn etag(self, version: u64) -> Answer {
        self.header("etag", format!("\"{version}\""))
    }

    /// To another page of ours, to be fetched with GET.
    pub fn see_other(path: impl Into<String>) -> Answer {
        let answer = Answer { status: 303, headers: Vec::new(), content_type: None, body: Body::empty() };
        answer.header("location", path)
    }

    /// With the headers of every answer at this door: nothing here may be cached, framed or sniffed.
    pub fn into_response(self, door: Door) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        guard(headers, door);
        headers.insert("cache-control", HeaderValue::from_static("no-store"));
        if door == Door::CardTest {
            // The next request is a new handshake, and so a new choice of certificate.
            headers.insert("connection", HeaderValue::from_static("close"));
        }
        if let Some(content_type) = self.content_type {
            headers.insert("content-type", HeaderValue::from_static(content_type));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_stands_alone_allows_its_own_style_and_no_other() {
        let answer = Answer::html(200, "<head><style>p{margin:0}</style></head>".to_owned());
        let headers = answer.into_response(Door::Staff).headers().clone();
        // printf 'p{margin:0}' | openssl dgst -sha256 -binary | base64
        let digest = "QRQPRLGyxt3RJiKpYNjpkgHcmHU2PywsfL2e8oI0LQA=";
        let policy = headers.get("content-security-policy").unwrap().to_str().unwrap();
        assert!(policy.contains(&format!("style-src 'sha256-{digest}'; ")), "{policy}");
        let plain = Answer::html(200, "<p>".to_owned()).into_response(Door::Staff).headers().clone();
        assert_eq!(plain.get("content-security-policy").unwrap(), content_policy(Door::Staff));
    }
}
