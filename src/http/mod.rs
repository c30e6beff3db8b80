//! HTTP and nothing else: from a connection's bytes to a call, from a use case's answer to a response.
//!
//! `route.rs` is the table; `request.rs` and `form.rs` read, `handlers/` ask, `wire/` shapes, `problem.rs`,
//! `rejection.rs` and `support.rs` refuse, `session.rs` knows who is logged in, `response.rs` answers,
//! `connection.rs` serves one connection, `openapi.rs` describes. `shelf.rs`
//! holds what lies ready, `live.rs` tells those who watch, `fallback.rs` serves the copy when all else is down.

pub mod card;
pub mod connection;
pub mod fallback;
mod form;
mod handlers;
pub mod live;
mod openapi;
pub mod problem;
mod rejection;
pub mod request;
mod response;
pub mod route;
pub mod session;
pub mod shelf;
mod support;
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
use hyper::body::Incoming;
use jiff::Timestamp;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use self::live::Live;
use self::problem::Problem;
use self::request::{Call, Caller, Door, Peer, RejectionFacts};
use self::response::Answer;
use self::route::{Method, Route, Speaks, all};
use self::session::{Sessions, Standing};
use self::shelf::Shelf;
use crate::admit::{IpKey, Limits, Wait};
use crate::crypto::Digest;
use crate::domain::language::Language;
use crate::domain::status::Audience;
use crate::domain::status::edition::Edition;
use crate::render::Renderer;
use crate::render::page::FaultFacts;
use crate::render::staff::{FORM_TOKEN, StaffPage};
use crate::usecase::Gateway;

/// What a door answers with: what lies ready, else its part of the table.
#[derive(Clone)]
pub struct Routes(Arc<Answering>);

struct Answering {
    door: Door,
    /// Of the public door only.
    shelf: Option<Arc<Shelf>>,
    limits: Arc<Limits>,
    router: Router,
}

impl Routes {
    fn new(door: Door, shelf: Option<Arc<Shelf>>, limits: Arc<Limits>, router: Router) -> Routes {
        Routes(Arc::new(Answering { door, shelf, limits, router }))
    }

    /// Whether anybody may come: with less patience.
    fn are_public(&self) -> bool {
        matches!(self.0.door, Door::Public | Door::CardTest)
    }

    /// What lies ready costs a look-up; only the rest is routed, named and logged.
    async fn answer(self, request: hyper::Request<Incoming>, peer: Peer) -> Response<Body> {
        if !request::is_unambiguous(request.version(), request.uri(), request.headers()) {
            let problem = Problem::new("ambiguous-request").body(Language::Sv, &Uuid::nil().to_string());
            let answer = Answer::json(400, "application/problem+json", &problem).header("connection", "close");
            return answer.into_response(peer.door);
        }
        let lying = self.0.shelf.as_ref().and_then(|shelf| shelf.answer(&request));
        if let Some(response) = lying {
            return match self.0.limits.public_page.check(peer.address.as_bytes()) {
                Ok(_) => response,
                Err(wait) => too_many_pages(&wait),
            };
        }
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        match self.0.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

fn too_many_pages(wait: &Wait) -> Response<Body> {
    let seconds = wait.retry_after.as_secs().to_string();
    let problem = Problem::limited("rate-limited", wait).body(Language::Sv, &Uuid::nil().to_string());
    Answer::json(429, "application/problem+json", &problem).header("retry-after", seconds).into_response(Door::Public)
}

/// What every request needs.
pub struct Api {
    pub gateway: Arc<Gateway>,
    pub limits: Arc<Limits>,
    pub renderer: Arc<Renderer>,
    /// Pages and feeds that lie ready at the public door.
    pub shelf: Arc<Shelf>,
    /// Those who watch.
    pub live: Arc<Live>,
    /// Browsers at the staff door.
    pub sessions: Sessions,
    pub hang_up: HangUp,
}

/// Ends every connection of a certificate once its open requests are answered, and lets none of its TLS sessions be
/// resumed.
pub type HangUp = Arc<dyn Fn(&Digest) + Send + Sync>;

/// The router of one door: its part of the table, and refusals for everything else.
pub fn router(api: &Arc<Api>, door: Door) -> Routes {
    let mut by_path: BTreeMap<String, MethodRouter> = BTreeMap::new();
    for route in all().filter(|route| route.doors.contains(&door)) {
        let filter = match route.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Put => MethodFilter::PUT,
            Method::Delete => MethodFilter::DELETE,
        };
        for (path, edition) in route.paths() {
            let api = api.clone();
            let handle = move |request: Request| serve(api.clone(), route, edition, request);
            let methods = by_path.remove(&path).unwrap_or_default();
            by_path.insert(path, methods.merge(on(filter, handle)));
        }
    }
    let (lost, wrong) = (api.clone(), api.clone());
    let router = by_path
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| router.route(&path, methods))
        .fallback(move |request: Request| refuse(lost.clone(), request, "not-found"))
        .method_not_allowed_fallback(move |request: Request| refuse(wrong.clone(), request, "method-not-allowed"))
        .layer(CatchPanicLayer::custom(move |_| {
            tracing::error!(event = "http.panic", "a handler panicked; its caller got 500");
            let problem = Problem::new("internal").body(Language::Sv, &Uuid::nil().to_string());
            Answer::json(500, "application/problem+json", &problem).into_response(door)
        }));
    let shelf = (door == Door::Public).then(|| api.shelf.clone());
    Routes::new(door, shelf, api.limits.clone(), router)
}

/// What is known of a request before it is judged.
struct Context {
    request_id: String,
    door: Door,
    language: Language,
    /// By the link to the other language that a rejection page bears, whatever the path is.
    asked: Option<Language>,
    audience: Audience,
    wants_page: bool,
}

impl Context {
    /// `page` is the edition of a page's route.
    fn of(parts: &Parts, page: Option<Edition>) -> Context {
        let text = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        // Always our own: it goes into the access log, where nothing that a caller chose belongs.
        let new =
            || crate::crypto::random_bytes().ok().map(|bytes| uuid::Builder::from_random_bytes(bytes).into_uuid());
        let id = new().unwrap_or_default();
        // A path that begins as a page's does is answered in its language even where there is none.
        let edition = page.unwrap_or_else(|| Edition::of_path(parts.uri.path()));
        let language = match page {
            None if edition.language == Language::Sv => Language::from_accept_language(text("accept-language")),
            _ => edition.language,
        };
        Context {
            request_id: id.to_string(),
            door: parts.extensions.get::<Peer>().map_or(Door::Portal, |peer| peer.door),
            language,
            asked: match parts.uri.query() {
                Some("lang=sv") => Some(Language::Sv),
                Some("lang=en") => Some(Language::En),
                _ => None,
            },
            audience: edition.audience,
            wants_page: text("accept").contains("text/html"),
        }
    }

    fn edition(&self) -> Edition {
        Edition { language: self.language, audience: self.audience }
    }
}

async fn refuse(api: Arc<Api>, request: Request, code: &'static str) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let context = Context::of(&parts, None);
    // A stranger does not learn from 404 and 405 which addresses there are.
    let result = match admit(&api, &parts, true).await {
        Ok(caller) if context.door == Door::Staff && context.wants_page => {
            match standing(&api, &parts, Door::Staff, &caller) {
                Standing::LoggedIn(_) => Err(Problem::new(code)),
                _ => Ok(Answer::see_other(Edition { audience: Audience::Staff, ..context.edition() }.path("/"))),
            }
        }
        Ok(_) if context.door == Door::Public && code == "not-found" => Err(Problem::new(code).detail(
            "Sidan finns inte. Läget nu står på /status, hjälp finns på /support.",
            "There is no such page. The status right now is at /en/status, help at /en/support.",
        )),
        Ok(_) => Err(Problem::new(code)),
        Err(problem) => Err(problem),
    };
    respond(&api, &context, &parts, result)
}

async fn serve(api: Arc<Api>, route: &'static Route, edition: Edition, request: Request) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    // At the staff door a refusal speaks as its reader asks, whichever page it stands in for.
    let page = matches!(route.speaks, Speaks::Page | Speaks::Pages | Speaks::InBothLanguages).then_some(edition);
    let context = Context::of(&parts, page);
    let result = carry_out(&api, route, edition, &context, &mut parts, body).await;
    respond(&api, &context, &parts, result)
}

/// The request as a sentence: let in within its limit → same origin → session → parameters → body → use case.
async fn carry_out(
    api: &Arc<Api>,
    route: &'static Route,
    edition: Edition,
    context: &Context,
    parts: &mut Parts,
    body: Body,
) -> Result<Answer, Problem> {
    let door = peer(parts)?.door;
    let caller = admit(api, parts, route.throttled).await?;
    match door {
        Door::Staff if route.method != Method::Get => request::check_same_origin(parts)?,
        Door::Public if route.method != Method::Get && route.throttled => request::check_same_site(parts)?,
        _ => {}
    }
    let standing = standing(api, parts, door, &caller);
    let is_over = matches!(standing, Standing::Ended(_));
    let result = call(api, route, edition, context, (parts, body), (caller, standing)).await;
    match result {
        Ok(answer) if is_over && !answer.has("set-cookie") => Ok(answer.forgetting_session()),
        Err(problem) if is_over => Err(Problem { ends_session: true, ..problem }),
        result => result,
    }
}

async fn call(
    api: &Arc<Api>,
    route: &'static Route,
    edition: Edition,
    context: &Context,
    (parts, body): (&mut Parts, Body),
    (caller, standing): (Caller, Standing),
) -> Result<Answer, Problem> {
    let Peer { door, address, .. } = *peer(parts)?;
    if door == Door::Staff && route.needs_session(&parts.headers) && !matches!(standing, Standing::LoggedIn(_)) {
        return Err(session::problem(&standing));
    }
    let query = request::read_query(parts, route)?;
    let parameters = parts.extract::<RawPathParams>().await.map_err(|_| Problem::new("not-found"))?;
    let parameters = parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let body = request::read_body(body, route).await?;
    let fields = match route.speaks {
        Speaks::Json => form::Fields::new(),
        Speaks::Page | Speaks::Pages | Speaks::InBothLanguages | Speaks::StaffPages { .. } => {
            form::read(&parts.headers, &body).await?
        }
    };
    let call = Call {
        caller,
        door,
        address,
        request_id: context.request_id.clone(),
        language: if matches!(route.speaks, Speaks::StaffPages { .. }) { edition.language } else { context.language },
        audience: edition.audience,
        standing,
        fields,
        parameters,
        query,
        headers: parts.headers.clone(),
        body,
    };
    if matches!(route.speaks, Speaks::StaffPages { .. }) && route.method != Method::Get {
        check_form(api, route, &call)?;
    }
    (route.handler)(api.clone(), call).await
}

/// How a browser at the staff door stands. With a session that is over go the connections that it came by.
fn standing(api: &Api, parts: &Parts, door: Door, caller: &Caller) -> Standing {
    let Caller::Known(facts) = caller else { return Standing::LoggedOut };
    if door != Door::Staff {
        return Standing::LoggedOut;
    }
    let standing = api.sessions.standing(&parts.headers, &facts.fingerprint, api.gateway.now());
    match &standing {
        Standing::Ended(session::Ended::OtherCard(first)) => (api.hang_up)(first),
        Standing::Ended(session::Ended::Idle | session::Ended::Old) => (api.hang_up)(&facts.fingerprint),
        Standing::Ended(session::Ended::Unknown) | Standing::LoggedOut | Standing::LoggedIn(_) => {}
    }
    standing
}

/// Every form of the staff door carries a token, beside the same-origin rule: only our own page can have shown it.
fn check_form(api: &Api, route: &Route, call: &Call) -> Result<(), Problem> {
    let expected = match route.speaks {
        Speaks::StaffPages { logged_in: true } => api.sessions.form_token(call.session()?, route.path),
        _ => api.sessions.open_form_token(call.known()?, route.path),
    };
    session::check_form_token(call.field(FORM_TOKEN), &expected)
}

/// Whoever was not found good, or is not known here, gets the reason and nothing else.
async fn admit(api: &Api, parts: &Parts, throttled: bool) -> Result<Caller, Problem> {
    let peer = peer(parts)?;
    let caller = match &peer.identity {
        Ok(caller) => caller.clone(),
        Err(facts) => return Err(rejection(api, facts)),
    };
    let known = match &caller {
        Caller::Known(known) => known,
        Caller::Anyone => {
            if throttled {
                admit_anyone(api, peer.address, &parts.method)?;
            }
            return Ok(caller);
        }
        // One connection is one request there: the door has counted it.
        Caller::Shown(_) => return Ok(caller),
    };
    api.limits.certificate.check(&known.fingerprint).map_err(|wait| Problem::limited("rate-limited", &wait))?;
    match peer.door {
        Door::Portal => {
            let admitted = api.gateway.admit_portal(&known.hsa_id);
            admitted.map_err(|refusal| rejection::told_at_home(refusal, known))?;
            api.gateway.note_certificate(&known.hsa_id, known.not_after);
        }
        Door::Staff => {
            let admitted = api.gateway.admit_staff(&known.hsa_id).await;
            admitted.map_err(|refusal| rejection::told_at_home(refusal, known))?;
        }
        Door::Public | Door::CardTest => {}
    }
    Ok(caller)
}

/// Who is nobody in particular is known by the address alone.
fn admit_anyone(api: &Api, address: IpKey, method: &axum::http::Method) -> Result<(), Problem> {
    let limited = |wait| Problem::limited("rate-limited", &wait);
    api.limits.public_request.check(address.as_bytes()).map_err(limited)?;
    if !method.is_safe() {
        api.limits.public_write.check(address.as_bytes()).map_err(limited)?;
    }
    Ok(())
}

fn peer(parts: &Parts) -> Result<&Peer, Problem> {
    parts.extensions.get::<Peer>().ok_or_else(|| Problem::new("internal"))
}

/// Told once, and the connection ends. Nobody's in particular, the reasons share a limit each.
fn rejection(api: &Api, facts: &RejectionFacts) -> Problem {
    if let Err(wait) = api.limits.certificate.check(facts.code.as_str().as_bytes()) {
        return Problem { close: true, ..Problem::limited("rate-limited", &wait) };
    }
    let problem = Problem { close: true, ..Problem::rejected(facts.clone()) };
    match &facts.issuer {
        Some(issuer) => problem.with("issuer", issuer.clone()),
        None => problem,
    }
}

fn respond(api: &Api, context: &Context, parts: &Parts, result: Result<Answer, Problem>) -> Response<Body> {
    let answer = match result {
        Ok(answer) => answer,
        Err(problem) => {
            note_rejection(context, &problem);
            answer_of(&api.renderer, context, &problem, api.gateway.now())
        }
    };
    let status = answer.status;
    let who = match parts.extensions.get::<Peer>().map(|peer| &peer.identity) {
        Some(Ok(Caller::Known(facts))) => facts.hsa_id.as_str(),
        _ => "",
    };
    // The path holds HSA-ids, UUIDs and names of ours only (design 6); queries are never logged.
    tracing::debug!(
        event = "http.request",
        door = context.door.as_str(),
        method = %parts.method,
        status,
        who,
        request = %context.request_id,
        "request"
    );
    finish(answer, context, parts)
}

/// By the request's number people find in the log what they were told on the page. How many there can be is limited by
/// connections and by the limit that each reason has.
fn note_rejection(context: &Context, problem: &Problem) {
    if let Some(facts) = &problem.rejection {
        let (door, code, request) = (context.door.as_str(), facts.code.as_str(), context.request_id.as_str());
        tracing::info!(event = "http.rejected", door, code, issuer = facts.issuer, request, "somebody was not let in");
    }
}

/// With what every answer of this request carries.
fn finish(answer: Answer, context: &Context, parts: &Parts) -> Response<Body> {
    let answer =
        if answer.has("content-language") { answer } else { answer.header("content-language", context.language.tag()) };
    let answer = answer.header("x-request-id", context.request_id.clone()).header("vary", "accept-language, accept");
    let mut response = answer.into_response(context.door);
    if parts.method == axum::http::Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

fn answer_of(renderer: &Renderer, context: &Context, problem: &Problem, now: Timestamp) -> Answer {
    let language = match &problem.rejection {
        Some(_) => context.asked.unwrap_or(context.language),
        None => context.language,
    };
    let mut body = problem.body(language, &context.request_id);
    let mut page = None;
    if let Some(facts) = &problem.rejection {
        let told = facts.told();
        rejection::tell(&mut body, renderer, facts, language);
        if context.wants_page {
            page = renderer.rejection_page(&told, language, &context.request_id);
        }
    } else if context.wants_page {
        let text = |name: &str| body.get(name).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
        let (title, detail) = (text("title"), text("detail"));
        let facts = FaultFacts {
            text: if detail == title { String::new() } else { detail },
            title,
            cure: vec![match problem.retry_after {
                // What a program reads of the header, a person reads as a time of day.
                Some(wait) => renderer.wait_in_words(wait, context.language, now),
                None => text("remedy"),
            }],
            code: problem.code.to_owned(),
            request_id: context.request_id.clone(),
        };
        page = match context.door {
            Door::Public => renderer.problem_page(facts, context.edition()),
            Door::Staff => renderer.staff_page(&StaffPage::Fault(facts), context.language).ok(),
            Door::Portal | Door::CardTest => None,
        };
    }
    let status = problem.status();
    let mut answer = match page {
        Some(page) => Answer::html(status, page),
        None => Answer::json(status, "application/problem+json", &body),
    };
    answer = answer.header("content-language", language.tag());
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
    if status == 401 {
        // RFC 9110 has a 401 name its scheme; ours is no registered one.
        answer = answer.header("www-authenticate", "Session");
    }
    if problem.ends_session { answer.forgetting_session() } else { answer }
}
