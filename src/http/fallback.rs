//! What is served when the gateway itself is down: the copy of the public pages, and for everything else a page that says
//! so and gives the telephone number.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;

use super::problem::Problem;
use super::shelf::Shelf;
use super::{Context, Routes, answer_of, finish};
use crate::admit::Limits;
use crate::render::Renderer;

/// What a browser or a program waits before it tries again.
const COME_BACK_SECONDS: u64 = 60;

/// The routes of the fallback: none but the shelf.
pub fn routes(shelf: Arc<Shelf>, limits: Arc<Limits>, renderer: Arc<Renderer>) -> Routes {
    let router = Router::new().fallback(move |request: Request| {
        let (parts, _) = request.into_parts();
        let context = Context::of(&parts, None);
        let problem = Problem::new("gateway-down").retry_after(std::time::Duration::from_secs(COME_BACK_SECONDS));
        std::future::ready(finish(answer_of(&renderer, &context, &problem), &context, &parts))
    });
    Routes::new(Some(shelf), limits, router)
}
