//! What is served when the gateway itself is down: the copy of the public pages, leaving by link, and for everything else
//! a page that says so and gives the telephone number.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::Response;
use axum::http::request::Parts;
use axum::routing::get;

use super::problem::Problem;
use super::request::Door;
use super::response::Answer;
use super::shelf::Shelf;
use super::{Context, Routes, answer_of, finish};
use crate::admit::Limits;
use crate::domain::status::edition::Edition;
use crate::domain::time::Clock;
use crate::render::Renderer;
use crate::render::page::{LeaveFacts, LeftFacts, Page};

/// What a browser or a program waits before it tries again.
const COME_BACK: Duration = Duration::from_secs(60);

/// Writes the token of a leave link down for the gateway. Blocking.
pub type Keep = Box<dyn Fn(&str) -> io::Result<()> + Send + Sync>;

/// What the fallback answers with besides the copy.
pub struct Fallback {
    pub renderer: Arc<Renderer>,
    pub clock: Arc<dyn Clock>,
    pub keep: Keep,
    /// Of the addresses that take a wish to leave by mail.
    pub mail_domain: String,
}

/// The routes of the fallback: the shelf, and the one promise that is kept without a gateway, that who wants to leave
/// leaves (RFC 8058).
pub fn routes(shelf: Arc<Shelf>, limits: Arc<Limits>, fallback: Fallback) -> Routes {
    let fallback = Arc::new(fallback);
    let (asked, left, down) = (fallback.clone(), fallback.clone(), fallback);
    let ask = move |Path(token): Path<String>, request: Request| {
        std::future::ready(asked.answer(request, |context| asked.leave_page(&token, context)))
    };
    let leave = move |Path(token): Path<String>, request: Request| left.leave(token, request);
    let router = Router::new().route("/u/{token}", get(ask).post(leave)).fallback(move |request: Request| {
        let problem = Problem::new("gateway-down").retry_after(COME_BACK);
        std::future::ready(down.answer(request, |_| Err(problem)))
    });
    Routes::new(Door::Public, Some(shelf), limits, router)
}

impl Fallback {
    fn answer(&self, request: Request, answer: impl FnOnce(&Context) -> Result<Answer, Problem>) -> Response<Body> {
        let (parts, _) = request.into_parts();
        let context = Context::of(&parts, None);
        let answered = answer(&context);
        self.finished(answered, &context, &parts)
    }

    fn finished(&self, answer: Result<Answer, Problem>, context: &Context, parts: &Parts) -> Response<Body> {
        let told = |problem| answer_of(&self.renderer, context, &problem, self.clock.now());
        finish(answer.unwrap_or_else(told), context, parts)
    }

    fn leave_page(&self, token: &str, context: &Context) -> Result<Answer, Problem> {
        self.page(200, &Page::LeaveAsk(LeaveFacts { path: format!("/u/{token}"), managed_by: None }), context)
    }

    /// The same answer whosever token it is: nobody here can tell.
    async fn leave(self: Arc<Self>, token: String, request: Request) -> Response<Body> {
        let (parts, _) = request.into_parts();
        let context = Context::of(&parts, None);
        let (this, name) = (self.clone(), token.clone());
        let kept = tokio::task::spawn_blocking(move || (this.keep)(&name)).await;
        let answer = match kept.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => self.page(202, &Page::Left(LeftFacts { managed_by: None }), &context),
            Err(error) => {
                tracing::error!(event = "fallback.leaving", %error, "a leaving cannot be written down");
                Err(self.not_kept(&token))
            }
        };
        self.finished(answer, &context, &parts)
    }

    fn not_kept(&self, token: &str) -> Problem {
        let domain = &self.mail_domain;
        let plain = token.bytes().all(|b| b.is_ascii_alphanumeric());
        let problem = Problem::new("leaving-not-kept").retry_after(COME_BACK);
        match plain {
            true => problem.detail(
                format!("Skicka ett tomt mejl till avsluta+{token}@{domain} så slutar beskeden komma."),
                format!("Send an empty e-mail to avsluta+{token}@{domain} and the notices end."),
            ),
            false => problem,
        }
    }

    fn page(&self, status: u16, page: &Page, context: &Context) -> Result<Answer, Problem> {
        let Edition { language, audience } = Edition { language: context.language, audience: context.audience };
        let html = self.renderer.page(page, language, audience).map_err(|error| {
            tracing::error!(event = "http.page", %error, "a page that was fit at the start is not now");
            Problem::new("internal")
        })?;
        Ok(Answer::html(status, html))
    }
}
