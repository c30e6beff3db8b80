//! A TCP connection to a host by name: all its addresses, of both families, the next one tried before the last has
//! been waited out (RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::domain::status::probe::Cause;

/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;
/// How long an address is waited for before the next one is tried beside it (RFC 8305 section 5).
const STAGGER_MILLISECONDS: Duration = Duration::from_millis(250);

/// Connects to whichever address answers first, before the deadline.
pub async fn dial(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, Cause> {
    let looked_up = timeout_at(deadline, lookup_host((host, port))).await;
    let addresses = looked_up.ok().and_then(Result::ok).ok_or(Cause::Dns)?;
    let stream = timeout_at(deadline, first_of(alternating(addresses.take(ADDRESSES_MAX))));
    stream.await.unwrap_or(Err(Cause::ConnectTimeout))
}

async fn first_of(addresses: Vec<SocketAddr>) -> Result<TcpStream, Cause> {
    let mut waiting = addresses.into_iter();
    let mut trying: JoinSet<io::Result<TcpStream>> = JoinSet::new();
    let mut last = Cause::Dns;
    loop {
        if let Some(address) = waiting.next() {
            trying.spawn(TcpStream::connect(address));
        }
        let more = !waiting.as_slice().is_empty();
        tokio::select! {
            tried = trying.join_next() => match tried {
                None => return Err(last),
                Some(Ok(Ok(stream))) => return stream.set_nodelay(true).map(|()| stream).map_err(|e| cause_of(&e)),
                Some(Ok(Err(error))) => last = cause_of(&error),
                Some(Err(_)) => last = Cause::Unreachable,
            },
            () = sleep(STAGGER_MILLISECONDS), if more => {}
        }
    }
}

/// The resolver's first, then the families in turn, so that a family without a way out costs one stagger only.
fn alternating(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let all: Vec<SocketAddr> = addresses.collect();
    let v6_first = all.first().is_some_and(SocketAddr::is_ipv6);
    let (mut one, mut other): (Vec<_>, Vec<_>) = all.into_iter().partition(|a| a.is_ipv6() == v6_first);
    let mut out = Vec::with_capacity(one.len() + other.len());
    one.reverse();
    other.reverse();
    while !one.is_empty() || !other.is_empty() {
        out.extend(one.pop());
        out.extend(other.pop());
    }
    out
}

/// What an error of a connection says to operators.
pub fn cause_of(error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Cause::Refused,
        io::ErrorKind::TimedOut => Cause::ConnectTimeout,
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => Cause::Closed,
        _ => Cause::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn a_name_with_addresses_of_both_families_is_reached_by_the_one_that_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let nobody_at_v6 = SocketAddr::new("::1".parse().unwrap(), address.port());
        assert_eq!(first_of(vec![nobody_at_v6, address]).await.unwrap().peer_addr().unwrap(), address);
        assert!(dial("localhost", address.port(), soon()).await.is_ok());
    }

    #[tokio::test]
    async fn a_silent_address_does_not_keep_a_living_one_waiting() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // TEST-NET-1: nobody answers there.
        let silent: SocketAddr = "192.0.2.1:9".parse().unwrap();
        let began = Instant::now();
        let stream = first_of(vec![silent, listener.local_addr().unwrap()]).await;
        assert!(stream.is_ok() && began.elapsed() < Duration::from_secs(3));
    }

    #[tokio::test]
    async fn nobody_there_is_told_by_its_class() {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        assert_eq!(dial("127.0.0.1", port, soon()).await.unwrap_err(), Cause::Refused);
        assert_eq!(dial("nobody.invalid", 1, soon()).await.unwrap_err(), Cause::Dns);
    }

    #[test]
    fn families_take_turns() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (a, b, c) = (at("[::1]:1"), at("[::2]:1"), at("[::3]:1"));
        let (x, y) = (at("10.0.0.1:1"), at("10.0.0.2:1"));
        assert_eq!(alternating([a, b, c, x, y].into_iter()), [a, x, b, y, c]);
        assert_eq!(alternating([x, a].into_iter()), [x, a]);
    }
}
