//! The connections to the smarthost: how one is opened, how many there may be, which one is used again.
//!
//! Who holds a permit has one connection or opens one; an idle connection is taken before a new one is opened. So
//! connections in use and idle ones together never exceed `connections_max`.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    net::{TcpStream, lookup_host},
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::net::outgoing::{TlsClient, TlsStream};

use super::{
    Envelope,
    body::Body,
    classify::{Cause, Delivery, Phase, Trouble, failure},
    connection::{Session, grew_stale, in_time},
    settings::{Security, SmtpSettings},
};

/// How long a connection may wait for the next letter.
const IDLE_SECONDS_MAX: Duration = Duration::from_secs(30);
/// How long a connection may be used: behind one name stand several machines, which come and go.
const AGE_SECONDS_MAX: Duration = Duration::from_secs(300);
/// Addresses of the host that are tried in turn.
const ADDRESSES_MAX: usize = 8;

type Private = Session<TlsStream<TcpStream>>;

/// The smarthost's connections.
pub struct Pool {
    settings: SmtpSettings,
    tls: TlsClient,
    permits: Semaphore,
    parked: Mutex<Parked>,
    /// `IDLE_SECONDS_MAX`, shorter in a test.
    pub(super) idle_max: Duration,
}

/// Connections that wait, the longest waiting first.
#[derive(Default)]
struct Parked {
    idle: Vec<Idle>,
    /// Whether a task looks after them.
    is_watched: bool,
}

struct Idle {
    session: Private,
    opened: Instant,
    since: Instant,
}

impl Pool {
    pub(super) fn new(settings: SmtpSettings, tls: TlsClient) -> Arc<Pool> {
        let permits = Semaphore::new(settings.connections_max);
        Arc::new(Pool { settings, tls, permits, parked: Mutex::default(), idle_max: IDLE_SECONDS_MAX })
    }

    pub(super) async fn deliver(self: &Arc<Pool>, envelope: &Envelope, letter: &[u8]) -> Delivery {
        let body = match Body::new(letter) {
            Ok(body) => body,
            Err(why) => return failure(Trouble { phase: Phase::Check, cause: Cause::Unfit(why) }),
        };
        let Ok(_permit) = self.permits.acquire().await else {
            return failure(Trouble { phase: Phase::Connect, cause: Cause::Closing });
        };
        if let Some((session, opened)) = self.take().await {
            let (delivery, session) = session.send(envelope, &body).await;
            if !grew_stale(&delivery) {
                self.park(session, opened);
                return delivery;
            }
        }
        let opened = Instant::now();
        match self.open().await {
            Ok(session) => {
                let (delivery, session) = session.send(envelope, &body).await;
                self.park(session, opened);
                delivery
            }
            Err(trouble) => failure(trouble),
        }
    }

    /// Takes no more letters, lets the ones under way finish, says goodbye on what is idle.
    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut self.parked().idle);
        let mut farewells: JoinSet<()> = idle.into_iter().map(|parked| parked.session.quit()).collect();
        while farewells.join_next().await.is_some() {}
    }

    /// A connection that can take a letter, the one used last: the others may then grow old and go.
    async fn take(&self) -> Option<(Private, Instant)> {
        let Idle { mut session, opened, .. } = self.parked().idle.pop()?;
        if !session.is_quiet() {
            return None;
        }
        if session.letters() >= self.settings.messages_per_connection_max || opened.elapsed() >= AGE_SECONDS_MAX {
            session.quit().await;
            return None;
        }
        Some((session, opened))
    }

    fn park(self: &Arc<Pool>, session: Option<Private>, opened: Instant) {
        let Some(session) = session else {
            return;
        };
        let mut parked = self.parked();
        // Looked at under the lock: `close` empties the list after it has closed the permits.
        if self.permits.is_closed() {
            return;
        }
        parked.idle.push(Idle { session, opened, since: Instant::now() });
        if !std::mem::replace(&mut parked.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    fn parked(&self) -> MutexGuard<'_, Parked> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the longest waiting connection has waited enough; ends the watch when none waits.
    fn next_farewell(&self) -> Option<Instant> {
        let mut parked = self.parked();
        let next = parked.idle.first().map(|oldest| oldest.since + self.idle_max);
        parked.is_watched = next.is_some();
        next
    }

    fn take_expired(&self) -> Option<Private> {
        let mut parked = self.parked();
        let expired = parked.idle.first().is_some_and(|oldest| oldest.since.elapsed() >= self.idle_max);
        expired.then(|| parked.idle.remove(0).session)
    }

    async fn open(&self) -> Result<Private, Trouble> {
        let SmtpSettings { host, hello_name, timeouts, .. } = &self.settings;
        let stream = self.connect().await?;
        let stream = match self.settings.security {
            Security::ImplicitTls => stream,
            Security::StartTls => Session::greeted(stream, hello_name, timeouts).await?.start_tls().await?,
        };
        let stream = in_time(Phase::Tls, timeouts.tls, self.tls.connect_tls(stream, host)).await?;
        let mut session = match self.settings.security {
            Security::ImplicitTls => Session::greeted(stream, hello_name, timeouts).await?,
            Security::StartTls => Session::upgraded(stream, hello_name, timeouts).await?,
        };
        if let Some(credentials) = &self.settings.credentials {
            session.authenticate(credentials).await?;
        }
        Ok(session)
    }

    async fn connect(&self) -> Result<TcpStream, Trouble> {
        let SmtpSettings { host, port, timeouts, .. } = &self.settings;
        let addresses = in_time(Phase::Connect, timeouts.connect, lookup_host((host.as_str(), *port))).await?;
        let mut last = Trouble { phase: Phase::Connect, cause: Cause::Io(io::ErrorKind::NotFound) };
        for address in addresses.take(ADDRESSES_MAX) {
            let connecting = async {
                let stream = TcpStream::connect(address).await?;
                // Without it a letter's last segment waits for the server's delayed acknowledgement: 22 letters a second.
                stream.set_nodelay(true)?;
                Ok(stream)
            };
            match in_time(Phase::Connect, timeouts.connect, connecting).await {
                Ok(stream) => return Ok(stream),
                Err(trouble) => last = trouble,
            }
        }
        Err(last)
    }
}

/// Says goodbye on connections that nobody has needed. Lives while one is idle, never keeps the pool alive.
async fn watch(pool: Weak<Pool>) {
    while let Some(at) = pool.upgrade().and_then(|pool| pool.next_farewell()) {
        sleep_until(at).await;
        let Some(pool) = pool.upgrade() else {
            return;
        };
        // With a permit, since a connection that is being closed is still open. Without one all are busy or taken soon.
        while let Ok(_permit) = pool.permits.acquire().await {
            let Some(session) = pool.take_expired() else {
                break;
            };
            session.quit().await;
        }
    }
}
