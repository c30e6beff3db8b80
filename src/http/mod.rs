//! HTTP and nothing else: from a connection's bytes to a call, from a use case's answer to a response.
//!
//! `route.rs` is the table; `request.rs` reads, `handlers/` ask, `wire/` shapes, `problem.rs` refuses,
//! `response.rs` answers, `connection.rs` serves one connection, `openapi.rs` describes.

pub mod connection;
mod handlers;
mod openapi;
pub mod problem;
pub mod request;
mod response;
pub mod route;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::RequestPartsExt;
use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, Request};
use axum::http::Response;
use axum::http::request::Parts;
use axum::routing::{MethodFilter, MethodRouter, on};
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use self::problem::Problem;
use self::request::{Call, CallerFacts, Door, Peer, RejectionFacts};
use self::response::Answer;
use self::route::{Method, Route, all};
use crate::admit::Limits;
use crate::domain::language::Language;
use crate::render::Renderer;
use crate::usecase::Gateway;

/// A door's part of the table, ready to serve.
pub type Routes = Router;

/// What every request needs.
pub struct Api {
    pub gateway: Arc<Gateway>,
    pub limits: Arc<Limits>,
    pub renderer: Arc<Renderer>,
}

/// The router of one door: its part of the table, and refusals for everything else.
pub fn router(api: &Arc<Api>, door: Door) -> Routes {
    let mut by_path: BTreeMap<&str, MethodRouter> = BTreeMap::new();
    for route in all().filter(|route| route.doors.contains(&door)) {
        let api = api.clone();
        let handle = move |request: Request| serve(api.clone(), route, request);
        let filter = match route.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Put => MethodFilter::PUT,
            Method::Delete => MethodFilter::DELETE,
        };
        let methods = by_path.remove(route.path).unwrap_or_default();
        by_path.insert(route.path, methods.merge(on(filter, handle)));
    }
    let (lost, wrong) = (api.clone(), api.clone());
    by_path
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| router.route(path, methods))
        .fallback(move |request: Request| refuse(lost.clone(), request, "not-found"))
        .method_not_allowed_fallback(move |request: Request| refuse(wrong.clone(), request, "method-not-allowed"))
        .layer(CatchPanicLayer::custom(|_| {
            tracing::error!(event = "http.panic", "a handler panicked; its caller got 500");
            let problem = Problem::new("internal").body(Language::Sv, &Uuid::nil().to_string());
            Answer::json(500, "application/problem+json", &problem).into_response()
        }))
}

/// What is known of a request before it is judged.
struct Context {
    request_id: String,
    language: Language,
    wants_page: bool,
}

impl Context {
    fn of(parts: &Parts) -> Context {
        let text = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        // Always our own: it goes into the access log, where nothing that a caller chose belongs.
        let new =
            || crate::crypto::random_bytes().ok().map(|bytes| uuid::Builder::from_random_bytes(bytes).into_uuid());
        let id = new().unwrap_or_default();
        Context {
            request_id: id.to_string(),
            language: Language::from_accept_language(text("accept-language")),
            wants_page: text("accept").contains("text/html"),
        }
    }
}

async fn refuse(api: Arc<Api>, request: Request, code: &'static str) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let context = Context::of(&parts);
    // A stranger does not learn from 404 and 405 which addresses there are.
    let problem = match admit(&api, &parts).await {
        Ok(_) => Problem::new(code),
        Err(problem) => problem,
    };
    respond(&api, &context, &parts, Err(problem))
}

async fn serve(api: Arc<Api>, route: &'static Route, request: Request) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let context = Context::of(&parts);
    let result = carry_out(&api, route, &context, &mut parts, body).await;
    respond(&api, &context, &parts, result)
}

/// The request as a sentence: let in within its limit → same origin → parameters → body → use case.
async fn carry_out(
    api: &Arc<Api>,
    route: &'static Route,
    context: &Context,
    parts: &mut Parts,
    body: Body,
) -> Result<Answer, Problem> {
    let (caller, door) = admit(api, parts).await?;
    if door == Door::Staff && route.method != Method::Get {
        request::check_same_origin(parts)?;
    }
    let query = request::read_query(parts, route)?;
    let parameters = parts.extract::<RawPathParams>().await.map_err(|_| Problem::new("not-found"))?;
    let parameters = parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let body = request::read_body(body, route).await?;
    let call = Call {
        caller,
        door,
        request_id: context.request_id.clone(),
        language: context.language,
        parameters,
        query,
        headers: parts.headers.clone(),
        body,
    };
    (route.handler)(api.clone(), call).await
}

/// Whoever was not found good, or is not known here, gets the reason and nothing else.
async fn admit(api: &Api, parts: &Parts) -> Result<(CallerFacts, Door), Problem> {
    let peer = parts.extensions.get::<Peer>().ok_or_else(|| Problem::new("internal"))?;
    let caller = match &peer.identity {
        Ok(caller) => caller.clone(),
        Err(facts) => return Err(rejection(api, facts)),
    };
    api.limits.certificate.check(&caller.fingerprint).map_err(|wait| Problem::limited("rate-limited", &wait))?;
    match peer.door {
        Door::Portal => api.gateway.admit_portal(&caller.hsa_id).map(|_| ())?,
        Door::Staff => api.gateway.admit_staff(&caller.hsa_id).await?,
    }
    Ok((caller, peer.door))
}

/// Told once, and the connection ends. Nobody's in particular, the reasons share a limit each.
fn rejection(api: &Api, facts: &RejectionFacts) -> Problem {
    if let Err(wait) = api.limits.certificate.check(facts.code.as_str().as_bytes()) {
        return Problem { close: true, ..Problem::limited("rate-limited", &wait) };
    }
    let problem = Problem { close: true, ..Problem::rejected(facts.code) };
    match &facts.issuer {
        Some(issuer) => problem.with("issuer", issuer.clone()),
        None => problem,
    }
}

fn respond(api: &Api, context: &Context, parts: &Parts, result: Result<Answer, Problem>) -> Response<Body> {
    let answer = match result {
        Ok(answer) => answer,
        Err(problem) => problem_answer(api, context, &problem),
    };
    let status = answer.status;
    let door = parts.extensions.get::<Peer>().map_or("", |peer| peer.door.as_str());
    let who = parts.extensions.get::<Peer>().and_then(|p| p.identity.as_ref().ok()).map(|c| c.hsa_id.as_str());
    // The path holds HSA-ids, UUIDs and names of ours only (design 6); queries are never logged.
    tracing::debug!(
        event = "http.request",
        door,
        method = %parts.method,
        status,
        who = who.unwrap_or(""),
        request = %context.request_id,
        "request"
    );
    let answer = answer
        .header("x-request-id", context.request_id.clone())
        .header("content-language", context.language.tag())
        .header("vary", "accept-language, accept");
    let mut response = answer.into_response();
    if parts.method == axum::http::Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

fn problem_answer(api: &Api, context: &Context, problem: &Problem) -> Answer {
    let mut body = problem.body(context.language, &context.request_id);
    let mut page = None;
    if let Some(code) = problem.rejection {
        let words = api.renderer.rejection(code, context.language);
        if let serde_json::Value::Object(members) = &mut body {
            members.insert("title".into(), words.title.clone().into());
            members.insert("detail".into(), words.text.clone().into());
            let rejection = serde_json::json!({ "code": code.as_str(), "cure": words.cure });
            members.insert("rejection".into(), rejection);
        }
        if context.wants_page {
            page = api.renderer.rejection_page(code, context.language, &context.request_id);
        }
    }
    let status = problem.status();
    let mut answer = match page {
        Some(page) => Answer::html(status, page),
        None => Answer::json(status, "application/problem+json", &body),
    };
    if let Some(wait) = problem.retry_after {
        let seconds = wait.as_secs().max(1);
        answer = answer.header("retry-after", seconds.to_string());
        // draft-ietf-httpapi-ratelimit-headers: a help to callers, no promise of the API.
        if let Some((quota, window)) = problem.limit {
            answer = answer
                .header("ratelimit-policy", format!("\"{}\";q={quota};w={window}", problem.code))
                .header("ratelimit", format!("\"{}\";r=0;t={seconds}", problem.code));
        }
    }
    if problem.close {
        answer = answer.header("connection", "close");
    }
    answer
}
