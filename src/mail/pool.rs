//! The connections to the smarthost: how one is opened, how many there may be, which one is used again.
//!
//! Who holds a permit has one connection or opens one; an idle connection is taken before a new one is opened. So
//! connections in use and idle ones together never exceed `connections_max`.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    net::{TcpStream, lookup_host},
    sync::{OwnedSemaphorePermit, Semaphore},
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

/// The connections to one smarthost.
pub struct Pool {
    settings: SmtpSettings,
    /// Host and port, for people.
    name: String,
    tls: TlsClient,
    permits: Arc<Semaphore>,
    parked: Mutex<Parked>,
    opened: AtomicU64,
    /// `IDLE_SECONDS_MAX`, shorter in a test.
    pub(super) idle_max: Duration,
}

/// A connection that can take a letter, and since when it is open.
struct Connection {
    session: Private,
    opened: Instant,
}

/// A connection in somebody's hands. Its permit is given back when it is parked or dropped.
pub(super) struct Held {
    connection: Box<Connection>,
    permit: OwnedSemaphorePermit,
}

/// Connections that wait, the longest waiting first.
#[derive(Default)]
struct Parked {
    idle: Vec<Idle>,
    /// Whether a task looks after them.
    is_watched: bool,
}

struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

impl Connection {
    async fn send(
        self: Box<Connection>,
        envelope: &Envelope,
        body: &Body,
        next: Option<&Envelope>,
    ) -> (Delivery, Option<Box<Connection>>) {
        let Connection { session, opened } = *self;
        let (delivery, session) = session.send(envelope, body, next).await;
        (delivery, session.map(|session| Box::new(Connection { session, opened })))
    }
}

impl Pool {
    pub(super) fn new(settings: SmtpSettings, tls: TlsClient) -> Arc<Pool> {
        Arc::new(Pool {
            name: format!("{}:{}", settings.host, settings.port),
            permits: Arc::new(Semaphore::new(settings.connections_max)),
            settings,
            tls,
            parked: Mutex::default(),
            opened: AtomicU64::new(0),
            idle_max: IDLE_SECONDS_MAX,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn connections_max(&self) -> usize {
        self.settings.connections_max
    }

    /// Connections opened, ever.
    pub(super) fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    /// Sends on what is held, on an idle connection or on a new one; what can take another letter is left in `held`. It is
    /// out of there while it is in use, so that a send that is dropped half-way takes its connection with it. What is left
    /// may have begun the transaction of `next`, and is then good for nothing else.
    pub(super) async fn deliver_on(
        &self,
        held: &mut Option<Held>,
        envelope: &Envelope,
        body: &Body,
        next: Option<&Envelope>,
    ) -> Delivery {
        let closing = Trouble { phase: Phase::Connect, cause: Cause::Closing };
        let (mut ready, permit) = match held.take() {
            Some(Held { connection, .. }) if self.permits.is_closed() => {
                connection.session.quit().await;
                return failure(closing);
            }
            Some(Held { connection, permit }) if connection.session.opened().is_none() => {
                (self.fit(connection).await, permit)
            }
            Some(Held { mut connection, permit }) => {
                let waits = connection.session.opened() == Some(envelope) && connection.session.is_quiet();
                (waits.then_some(connection), permit)
            }
            None => match self.permits.clone().acquire_owned().await {
                Ok(permit) => (self.take().await, permit),
                Err(_) => return failure(closing),
            },
        };
        if let Some(connection) = ready.take() {
            let next = next.filter(|_| !self.is_spent(&connection, 1));
            let (delivery, connection) = connection.send(envelope, body, next).await;
            if !grew_stale(&delivery) {
                *held = connection.map(|connection| Held { connection, permit });
                return delivery;
            }
        }
        let opened = Instant::now();
        match self.open().await {
            Ok(session) => {
                let connection = Box::new(Connection { session, opened });
                let next = next.filter(|_| !self.is_spent(&connection, 1));
                let (delivery, connection) = connection.send(envelope, body, next).await;
                *held = connection.map(|connection| Held { connection, permit });
                delivery
            }
            Err(trouble) => failure(trouble),
        }
    }

    /// Takes no more letters, lets the ones under way finish, says goodbye on what is idle.
    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut self.parked().idle);
        let mut farewells: JoinSet<()> = idle.into_iter().map(|parked| parked.connection.session.quit()).collect();
        while farewells.join_next().await.is_some() {}
    }

    /// An idle connection, the one used last: the others may then grow old and go.
    async fn take(&self) -> Option<Box<Connection>> {
        let idle = self.parked().idle.pop()?;
        self.fit(idle.connection).await
    }

    /// The connection, unless the server has spoken on it or it is spent.
    async fn fit(&self, mut connection: Box<Connection>) -> Option<Box<Connection>> {
        if !connection.session.is_quiet() {
            return None;
        }
        if self.is_spent(&connection, 0) {
            connection.session.quit().await;
            return None;
        }
        Some(connection)
    }

    /// Whether a connection that carries so many letters more has done enough.
    fn is_spent(&self, connection: &Connection, letters: u32) -> bool {
        let carried = connection.session.letters().saturating_add(letters);
        carried >= self.settings.messages_per_connection_max || connection.opened.elapsed() >= AGE_SECONDS_MAX
    }

    /// Keeps a connection for the next letter, whosever it is.
    pub(super) fn park(self: &Arc<Pool>, held: Option<Held>) {
        let Some(Held { connection, permit: _permit }) = held else {
            return;
        };
        if connection.session.opened().is_some() {
            return;
        }
        let mut parked = self.parked();
        // Looked at under the lock: `close` empties the list after it has closed the permits.
        if self.permits.is_closed() {
            return;
        }
        parked.idle.push(Idle { connection, since: Instant::now() });
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
        expired.then(|| parked.idle.remove(0).connection.session)
    }

    async fn open(&self) -> Result<Private, Trouble> {
        self.opened.fetch_add(1, Relaxed);
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
