//! A TCP listener whose accept loop nothing from outside can end: peers that hang up, a full table of file
//! descriptors, even a broken socket only cost a pause. TLS and limits per address are not here.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

/// Connections that the kernel holds ready for us: a burst while we are busy, not a reserve.
const BACKLOG: u32 = 1024;
/// The first and the longest pause after running out of descriptors or memory.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// The pause after an error that we cannot explain, and between attempts to bind anew.
const PAUSE_BROKEN: Duration = Duration::from_secs(1);
/// How many unexplained errors in a row before the socket is bound anew.
const BROKEN_MAX: u32 = 5;
/// A shortage is told once in this time, however many accepts it hits.
const WARN_INTERVAL: Duration = Duration::from_secs(10);

/// One door's socket.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    shared: bool,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    socket: Option<TcpListener>,
    broken: u32,
    pause: Duration,
    warned: Option<Instant>,
}

/// A peer that has connected. The connection's place is free again when `permit` is dropped.
#[derive(Debug)]
pub struct Accepted {
    pub stream: TcpStream,
    pub peer: SocketAddr,
    pub permit: OwnedSemaphorePermit,
}

/// Why a door could not be opened at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ListenError {
    pub address: SocketAddr,
    pub source: io::Error,
}

impl Listener {
    /// Binds `address`; at most `connections_max` connections hold a permit at once, further ones wait in the backlog.
    pub fn bind(address: SocketAddr, connections_max: usize) -> Result<Listener, ListenError> {
        Listener::open(address, connections_max, false)
    }

    /// As `bind`, beside another process of the same user that binds it so too: who comes meets one of the two, and a
    /// door passes from one to the other without ever being shut.
    pub fn bind_shared(address: SocketAddr, connections_max: usize) -> Result<Listener, ListenError> {
        Listener::open(address, connections_max, true)
    }

    fn open(address: SocketAddr, connections_max: usize, shared: bool) -> Result<Listener, ListenError> {
        let (socket, address) = listen(address, shared)
            .and_then(|socket| socket.local_addr().map(|bound| (socket, bound)))
            .map_err(|source| ListenError { address, source })?;
        Ok(Listener {
            address,
            shared,
            permits: Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS))),
            state: Mutex::new(State { socket: Some(socket), broken: 0, pause: PAUSE_MIN, warned: None }),
        })
    }

    /// The address in use: the port that the system chose where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next peer. Returns only with one: every error is logged and survived. Dropping the future loses no peer.
    pub async fn accept(&self) -> Accepted {
        // Before the accept, so that a peer for whom there is no place stays in the kernel's queue.
        let permit = match Arc::clone(&self.permits).acquire_owned().await {
            Ok(permit) => permit,
            // Nobody closes the semaphore.
            Err(_) => std::future::pending().await,
        };
        let mut state = self.state.lock().await;
        loop {
            let Some(socket) = &state.socket else {
                self.rebind(&mut state).await;
                continue;
            };
            match socket.accept().await {
                Ok((stream, peer)) => {
                    (state.broken, state.pause) = (0, PAUSE_MIN);
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "peer left before its first byte");
                        continue;
                    }
                    return Accepted { stream, peer, permit };
                }
                Err(error) => self.survive(&mut state, &error).await,
            }
        }
    }

    /// Lets the address go: from here on peers are refused by the kernel instead of waiting for who does not come.
    /// To be called when `accept` is called no more.
    pub async fn close(&self) {
        self.state.lock().await.socket = None;
    }

    async fn survive(&self, state: &mut State, error: &io::Error) {
        match classify(error) {
            Fault::Peer => tracing::debug!(%error, "peer left while it was accepted"),
            Fault::Shortage => {
                if state.warned.is_none_or(|at| at.elapsed() >= WARN_INTERVAL) {
                    state.warned = Some(Instant::now());
                    tracing::warn!(%error, address = %self.address, "no resources for another connection; pausing");
                }
                sleep(state.pause).await;
                state.pause = (state.pause * 2).min(PAUSE_MAX);
            }
            Fault::Socket => {
                state.broken += 1;
                tracing::error!(%error, address = %self.address, in_a_row = state.broken, "accept failed; pausing");
                if state.broken >= BROKEN_MAX {
                    state.socket = None;
                }
                sleep(PAUSE_BROKEN).await;
            }
        }
    }

    /// The old socket is gone by now: two cannot listen on one address.
    async fn rebind(&self, state: &mut State) {
        match listen(self.address, self.shared) {
            Ok(socket) => {
                tracing::warn!(address = %self.address, "bound anew");
                state.socket = Some(socket);
                state.broken = 0;
            }
            Err(error) => {
                tracing::error!(%error, address = %self.address, "cannot bind anew; trying again");
                sleep(PAUSE_BROKEN).await;
            }
        }
    }
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(shared)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whose fault a failed accept is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// That one connection's: the next accept may follow at once.
    Peer,
    /// We are out of descriptors or memory: accepting again at once would only spin.
    Shortage,
    /// The socket's own, or unknown.
    Socket,
}

/// Linux hands a connection's pending network errors out of accept(2); they say nothing about the listener.
fn classify(error: &io::Error) -> Fault {
    const EPERM: i32 = 1;
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    /// EPROTO, ENOPROTOOPT, EOPNOTSUPP, ENONET, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH.
    const PEERS: [i32; 8] = [71, 92, 95, 64, 100, 101, 112, 113];
    match error.raw_os_error() {
        Some(ENOMEM | ENFILE | EMFILE | ENOBUFS) => Fault::Shortage,
        // A firewall rule forbade this one (accept(2)).
        Some(EPERM) => Fault::Peer,
        Some(code) if PEERS.contains(&code) => Fault::Peer,
        _ => match error.kind() {
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::WouldBlock => Fault::Peer,
            io::ErrorKind::OutOfMemory => Fault::Shortage,
            _ => Fault::Socket,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::task::Poll;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn only_an_error_of_the_socket_itself_counts_against_it() {
        for (code, fault) in [
            (103, Fault::Peer), // ECONNABORTED
            (104, Fault::Peer), // ECONNRESET
            (4, Fault::Peer),   // EINTR
            (71, Fault::Peer),
            (113, Fault::Peer),
            (1, Fault::Peer),
            (24, Fault::Shortage),
            (23, Fault::Shortage),
            (105, Fault::Shortage),
            (12, Fault::Shortage),
            (9, Fault::Socket),  // EBADF
            (22, Fault::Socket), // EINVAL
        ] {
            assert_eq!(classify(&io::Error::from_raw_os_error(code)), fault, "errno {code}");
        }
    }

    #[tokio::test]
    async fn a_shortage_pauses_and_a_socket_that_keeps_failing_is_bound_anew() {
        let listener = Listener::bind(loopback(), 4).unwrap();
        {
            let mut state = listener.state.lock().await;
            let before = Instant::now();
            listener.survive(&mut state, &io::Error::from_raw_os_error(24)).await;
            assert!(before.elapsed() >= PAUSE_MIN);
            for _ in 0..8 {
                listener.survive(&mut state, &io::Error::from_raw_os_error(24)).await;
            }
            assert_eq!(state.pause, PAUSE_MAX);
            assert!(state.socket.is_some(), "a shortage is no reason to give the socket up");
            for _ in 0..BROKEN_MAX {
                listener.survive(&mut state, &io::Error::from_raw_os_error(22)).await;
            }
            assert!(state.socket.is_none());
        }
        let address = listener.address();
        let (accepted, client) = tokio::join!(listener.accept(), async {
            loop {
                match TcpStream::connect(address).await {
                    Ok(client) => break client,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
        assert_eq!(accepted.peer, client.local_addr().unwrap());
    }

    #[tokio::test]
    async fn a_flood_of_peers_that_hang_up_at_once_does_not_keep_an_honest_one_out() {
        let listener = Arc::new(Listener::bind(loopback(), 8).unwrap());
        let address = listener.address();
        let door = Arc::clone(&listener);
        let served = tokio::spawn(async move {
            loop {
                let mut accepted = door.accept().await;
                tokio::spawn(async move {
                    let mut byte = [0_u8; 1];
                    if accepted.stream.read_exact(&mut byte).await.is_ok() {
                        let _ = accepted.stream.write_all(&byte).await;
                    }
                    drop(accepted.permit);
                });
            }
        });
        for _ in 0..300 {
            let abrupt = TcpStream::connect(address).await.unwrap();
            // A reset instead of a farewell: the peer may be gone before it is accepted.
            abrupt.set_zero_linger().unwrap();
            drop(abrupt);
        }
        let mut honest = TcpStream::connect(address).await.unwrap();
        honest.write_all(b"x").await.unwrap();
        let mut back = [0_u8; 1];
        honest.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"x");
        assert!(!served.is_finished());
        served.abort();
    }

    #[tokio::test]
    async fn without_a_free_place_the_next_peer_waits_until_one_is_given_back() {
        let listener = Listener::bind(loopback(), 1).unwrap();
        let _first = TcpStream::connect(listener.address()).await.unwrap();
        let _second = TcpStream::connect(listener.address()).await.unwrap();
        let first = listener.accept().await;
        let second = listener.accept();
        tokio::pin!(second);
        let waits = std::future::poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_pending())).await;
        assert!(waits);
        drop(first.permit);
        second.await;
    }
}
