//! One connection, from its first byte to its last: HTTP/1.1 or HTTP/2 as ALPN chose, each with its own timers.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};

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
pub struct Drain(Mutex<Option<watch::Sender<()>>>);

/// A connection's place in the drain.
pub struct Watched {
    /// Dropped with the connection: the drain waits for that.
    drain: watch::Receiver<()>,
    hang_up: Arc<Notify>,
}

impl Watched {
    /// Rung, it ends this connection alone: after the requests that are open on it.
    pub fn hang_up(&self) -> Arc<Notify> {
        self.hang_up.clone()
    }

    /// Until the connection is to end.
    async fn asked_to_end(&mut self) {
        tokio::select! {
            // An error means that the drain is gone, and with it whoever might wait.
            _ = self.drain.changed() => {}
            () = self.hang_up.notified() => {}
        }
    }
}

impl Default for Drain {
    fn default() -> Drain {
        Drain(Mutex::new(Some(watch::Sender::new(()))))
    }
}

impl Drain {
    /// A place for a new connection; none when the drain has begun.
    pub fn watch(&self) -> Option<Watched> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|drain| Watched { drain: drain.subscribe(), hang_up: Arc::default() })
    }

    /// Asks every connection to end after its open requests and waits for them.
    pub async fn begin(&self) {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(drain) = open {
            drain.send_replace(());
            drain.closed().await;
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
pub async fn serve<S, F>(
    stream: S,
    version: Version,
    routes: Routes,
    judge: impl Fn() -> F + Clone + Send + 'static,
    mut watched: Watched,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Peer> + Send + 'static,
{
    let header_max = if routes.are_public() { HEADER_PUBLIC_MAX } else { HEADER_MAX };
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        // Judged for each request: trust may have changed since the handshake.
        let (routes, judged) = (routes.clone(), judge());
        async move { Ok::<_, Infallible>(routes.answer(request, judged.await).await) }
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
            let mut open = pin!(builder.serve_connection(io, service));
            tokio::select! {
                ended = open.as_mut() => ended,
                () = watched.asked_to_end() => {
                    open.as_mut().graceful_shutdown();
                    open.await
                }
            }
        }
        Version::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS_MAX)
                .max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
                // No pings of ours: their answers would count as life, and an idle connection would never end.
                .max_pending_accept_reset_streams(32);
            let mut open = pin!(builder.serve_connection(io, service));
            tokio::select! {
                ended = open.as_mut() => ended,
                () = watched.asked_to_end() => {
                    open.as_mut().graceful_shutdown();
                    open.await
                }
            }
        }
    };
    if let Err(error) = ended {
        // A stranger can make these: never louder than debug.
        tracing::debug!(event = "http.connection", %error, "a connection ended early");
    }
}
