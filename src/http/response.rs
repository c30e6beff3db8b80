//! Every answer that goes out, with the headers that each of them carries.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::request::Door;

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
}

/// Pages with a card stand alone, their style in them; the public pages have a style sheet, a script and forms of ours.
fn content_policy(door: Door) -> &'static str {
    match door {
        Door::Portal | Door::Staff => {
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        }
        Door::Public => {
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        }
    }
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

    pub fn html(status: u16, page: String) -> Answer {
        let body = Body::from(page);
        Answer { status, headers: Vec::new(), content_type: Some("text/html; charset=utf-8"), body }
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
