//! One connection, from its first byte to its last: HTTP/1.1 or HTTP/2 as ALPN chose, each with its own timers.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Routes;
use super::request::Peer;

/// Header fields of a request together, in bytes.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// Header fields of a request.
const HEADERS_MAX: usize = 64;
/// HTTP/2 requests at once on one connection.
const STREAMS_MAX: u32 = 64;
/// How long a header may take; on HTTP/1.1 also how long a kept-alive connection may rest.
const HEADER_MAX: Duration = Duration::from_secs(60);
/// The same where anybody may come and hold a place.
const HEADER_PUBLIC_MAX: Duration = Duration::from_secs(15);

/// Knows the open connections of all doors, and asks them to end when the gateway stops.
#[derive(Default)]
pub struct Drain(Mutex<Option<GracefulShutdown>>);

/// A connection's place in the drain.
pub struct Watched(Watcher);

impl Drain {
    pub fn new() -> Drain {
        Drain(Mutex::new(Some(GracefulShutdown::new())))
    }

    /// A place for a new connection; none when the drain has begun.
    pub fn watch(&self) -> Option<Watched> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|graceful| Watched(graceful.watcher()))
    }

    /// Asks every connection to end after its open requests and waits for them.
    pub async fn begin(&self) {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(graceful) = open {
            graceful.shutdown().await;
        }
    }
}

/// Which HTTP the two ends agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Http1,
    Http2,
}

/// Hands a connection's requests to the router until it ends or the drain asks it to.
pub async fn serve<S>(
    stream: S,
    version: Version,
    routes: Routes,
    judge: impl Fn() -> Peer + Clone + Send + 'static,
    watched: Watched,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let header_max = if routes.are_public() { HEADER_PUBLIC_MAX } else { HEADER_MAX };
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        // Judged for each request: trust may have changed since the handshake.
        let answered = routes.clone().answer(request, judge());
        async { Ok::<_, Infallible>(answered.await) }
    });
    let io = TokioIo::new(stream);
    let ended = match version {
        Version::Http1 => {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(header_max)
                .max_buf_size(HEADER_BYTES_MAX)
                .max_headers(HEADERS_MAX)
                .half_close(false);
            watched.0.watch(builder.serve_connection(io, service)).await
        }
        Version::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS_MAX)
                .max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
                // No pings of ours: their answers would count as life, and an idle connection would never end.
                .max_pending_accept_reset_streams(32);
            watched.0.watch(builder.serve_connection(io, service)).await
        }
    };
    if let Err(error) = ended {
        // A stranger can make these: never louder than debug.
        tracing::debug!(event = "http.connection", %error, "a connection ended early");
    }
}
