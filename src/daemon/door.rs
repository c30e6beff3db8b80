//! A door on TCP: accept, limit, handshake, judge, serve. One connection is one task with a permit and deadlines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustls_pki_types::CertificateDer;
use tokio::sync::{Mutex, watch};

use super::connected::Connected;
use super::trust::TrustState;
use crate::admit::{IpKey, Limits, Place, Places};
use crate::crypto::sha256;
use crate::http::Routes;
use crate::http::connection::{self, Drain, Version, Watched};
use crate::http::request::{Caller, Door, Peer};
use crate::net::{Accepted, Alpn, ClientAuth, IdleIo, Listener, ServerTls};

/// A handshake that takes longer is none.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The same where a card signs: some card programs ask for the PIN while the handshake waits.
const HANDSHAKE_WITH_CARD: Duration = Duration::from_secs(60);
/// A connection on which nothing moves in either direction is closed; longer than the longest poll.
const IDLE: Duration = Duration::from_secs(75);
/// The same where anybody may come: longer than the beat of a stream.
const IDLE_PUBLIC: Duration = Duration::from_secs(45);
/// A judgement holds so long on an open connection, unless trust is renewed before.
const JUDGED_ANEW: Duration = Duration::from_secs(10);

/// What one door needs.
pub struct DoorState {
    pub door: Door,
    pub listener: Listener,
    pub tls: ServerTls,
    /// Who judges certificates; none where nobody is asked for one.
    pub trust: Option<Arc<TrustState>>,
    pub limits: Arc<Limits>,
    /// How many connections one address may hold, where anybody may come.
    pub places: Option<Arc<Places>>,
    pub routes: Routes,
    pub counters: DoorCounters,
    /// Where people log out.
    pub connected: Option<Arc<Connected>>,
}

/// What an operator wants to know of a door.
#[derive(Debug, Default)]
pub struct DoorCounters {
    pub accepted: AtomicU64,
    pub limited: AtomicU64,
    pub handshakes: AtomicU64,
    pub refused: AtomicU64,
}

impl DoorCounters {
    pub fn report(&self) -> serde_json::Value {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        serde_json::json!({
            "accepted": read(&self.accepted),
            "limited": read(&self.limited),
            "handshakes": read(&self.handshakes),
            "refused": read(&self.refused),
        })
    }
}

impl DoorState {
    /// Lets people in until told to stop. Nothing that a stranger does ends it.
    pub async fn run(self: Arc<Self>, drain: Arc<Drain>, mut stop: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stop.changed() => break,
            };
            self.counters.accepted.fetch_add(1, Ordering::Relaxed);
            let Some(place) = self.admit(&accepted) else {
                // Closed without a word: a handshake is what the limit protects.
                self.counters.limited.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            match drain.watch() {
                Some(watched) => tokio::spawn(self.clone().connection(accepted, place, watched)),
                // The drain has begun between the two lines above.
                None => break,
            };
        }
        self.listener.close().await;
    }

    /// What is asked of who connects, as trust stands now.
    pub fn client_auth(&self) -> ClientAuth {
        self.trust.as_ref().map_or(ClientAuth::None, |trust| trust.client_auth(self.door))
    }

    /// None for an address that connects too often or holds too much already.
    fn admit(&self, accepted: &Accepted) -> Option<Option<Place>> {
        let address = IpKey::new(accepted.peer.ip());
        let limit = match self.door {
            Door::Portal | Door::Staff => &self.limits.address,
            Door::Public => &self.limits.public_connection,
            Door::CardTest => &self.limits.card_test,
        };
        limit.check(address.as_bytes()).ok()?;
        self.places.as_ref().map(|places| places.take(address)).transpose().ok()
    }

    async fn connection(self: Arc<Self>, accepted: Accepted, place: Option<Place>, watched: Watched) {
        let Accepted { stream, permit, peer } = accepted;
        let address = IpKey::new(peer.ip());
        let deadline = match self.door {
            Door::Staff | Door::CardTest => HANDSHAKE_WITH_CARD,
            Door::Portal | Door::Public => HANDSHAKE,
        };
        let tls = match self.tls.handshake(stream, deadline).await {
            Ok(tls) => tls,
            Err(error) => {
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(event = "tls.refused", door = self.door.as_str(), %error, "no handshake");
                return;
            }
        };
        self.counters.handshakes.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(event = "tls.open", door = self.door.as_str(), resumed = tls.resumed, "a handshake is through");
        let _seat = self.connected.as_ref().zip(tls.peer_chain.first().cloned()).map(|(connected, leaf)| {
            let (certificate, door) = (sha256(&[&leaf]), self.clone());
            connected.enter(certificate, watched.hang_up(), Box::new(move || door.tls.forget(&leaf)))
        });
        let judge = {
            let judging = Arc::new(Judging {
                trust: self.trust.clone(),
                door: self.door,
                address,
                chain: tls.peer_chain,
                judged: Mutex::default(),
            });
            move || judging.clone().judge()
        };
        let version = match tls.alpn {
            Alpn::Http1 => Version::Http1,
            Alpn::Http2 => Version::Http2,
        };
        let idle = if matches!(self.door, Door::Public | Door::CardTest) { IDLE_PUBLIC } else { IDLE };
        let stream = IdleIo::new(tls.stream, idle);
        connection::serve(stream, version, self.routes.clone(), judge, watched).await;
        drop((permit, place));
    }
}

/// Who is at the other end of one connection, judged for each request.
struct Judging {
    trust: Option<Arc<TrustState>>,
    door: Door,
    address: IpKey,
    chain: Vec<CertificateDer<'static>>,
    /// Under which generation of trust, and when. Held while a responder is asked: requests beside wait for its answer.
    judged: Mutex<Option<(u64, Instant, Peer)>>,
}

impl Judging {
    async fn judge(self: Arc<Judging>) -> Peer {
        let (door, address) = (self.door, self.address);
        let Some(trust) = &self.trust else { return Peer { door, address, identity: Ok(Caller::Anyone) } };
        let generation = trust.generation();
        let mut judged = self.judged.lock().await;
        match &*judged {
            // Certificates and revocation lists end at a moment, not at a reload: they are looked at again.
            Some((seen, at, peer)) if *seen == generation && at.elapsed() < JUDGED_ANEW => peer.clone(),
            _ => {
                let peer = trust.judge(door, address, &self.chain).await;
                *judged = Some((generation, Instant::now(), peer.clone()));
                peer
            }
        }
    }
}
