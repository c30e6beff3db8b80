//! Looks at services, each on a schedule of its own, and hands in what it saw. What follows from it is the use case's.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::crypto::random_bytes;
use crate::domain::status::probe::state::Step;
use crate::domain::status::probe::target::HttpTarget;
use crate::domain::status::probe::{Cause, Look, Probe, ProbeKind, Verdict};
use crate::fetch::dial::dial;
use crate::fetch::probe::{self as fetch, HttpLook};
use crate::identity;
use crate::mail;
use crate::net::outgoing::{TlsClient, TlsClientSettings};
use crate::usecase::Gateway;
use crate::usecase::probes::{Outcome, ProbeRefusal};

/// Looks under way at once.
const LOOKS_MAX: usize = 16;
/// The first looks after a start come within so long, spread out.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
/// How often there is a look at the list if nothing else is to do.
const IDLE: Duration = Duration::from_secs(3_600);
/// How long a trust store that was read is used: CA files change, and the system's too.
const TRUST_KEPT: Duration = Duration::from_secs(600);
const SECONDS_A_DAY: i64 = 86_400;

/// Looks when asked. Shared by the schedule and operators.
pub struct Prober {
    gateway: Arc<Gateway>,
    /// How we name ourselves to mail servers.
    hello_name: String,
    places: Semaphore,
    /// By CA file; no more than there are probes.
    trusted: Mutex<HashMap<Option<PathBuf>, (Instant, TlsClient)>>,
}

impl Prober {
    pub fn new(gateway: Arc<Gateway>, hello_name: String) -> Prober {
        Prober { gateway, hello_name, places: Semaphore::new(LOOKS_MAX), trusted: Mutex::default() }
    }

    /// Looks at all probes' targets until told to stop.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut changes = self.gateway.probe_changes();
        let mut due: HashMap<Uuid, Instant> = HashMap::new();
        let mut under_way: HashSet<Uuid> = HashSet::new();
        let mut looking: JoinSet<Uuid> = JoinSet::new();
        loop {
            changes.mark_unchanged();
            let now = Instant::now();
            self.schedule(&mut due, now);
            for probe in self.gateway.probes().iter().map(|at| &at.record) {
                let Some(at) = due.get_mut(&probe.id).filter(|at| **at <= now) else { continue };
                *at = now + jittered(Duration::from_secs(u64::from(probe.settings.interval_seconds)));
                // One that is slower than its interval is not looked at twice at once.
                if under_way.insert(probe.id) {
                    let (this, probe) = (self.clone(), probe.clone());
                    looking.spawn(async move {
                        this.look_and_tell(&probe).await;
                        probe.id
                    });
                }
            }
            let next = due.values().min().copied().unwrap_or(now + IDLE);
            tokio::select! {
                () = sleep_until(next) => {}
                changed = changes.changed() => if changed.is_err() { return },
                Some(looked) = looking.join_next() => match looked {
                    Ok(id) => { under_way.remove(&id); }
                    // Whose it was is not known: all may be looked at again.
                    Err(_) => under_way.clear(),
                },
                _ = stop.changed() => return,
            }
        }
    }

    /// Gives each probe that is new a first moment, and forgets those that are gone or paused.
    fn schedule(&self, due: &mut HashMap<Uuid, Instant>, now: Instant) {
        let probes = self.gateway.probes();
        let active: HashMap<Uuid, u32> = probes
            .iter()
            .filter(|at| !at.record.paused)
            .map(|at| (at.record.id, at.record.settings.interval_seconds))
            .collect();
        due.retain(|id, _| active.contains_key(id));
        for (id, interval) in active {
            let interval = Duration::from_secs(u64::from(interval));
            let at = due.entry(id).or_insert_with(|| now + fraction(FIRST_WITHIN.min(interval)));
            // A shorter interval holds from now on.
            *at = (*at).min(now + interval + interval / 10);
        }
    }

    async fn look_and_tell(&self, probe: &Probe) {
        let Ok(_place) = self.places.acquire().await else { return };
        let outcome = self.look(probe).await;
        if let Err(error) = self.gateway.observe(probe.id, outcome).await {
            let slug = &probe.settings.slug;
            tracing::error!(event = "probe.unkept", probe = slug, %error, "a probe's result could not be kept");
        }
    }

    /// An operator's look: it counts as any other.
    pub async fn look_now(&self, slug: &str) -> Result<(Outcome, Step), ProbeRefusal> {
        let probe = self.gateway.probe(slug)?;
        let outcome = self.look(&probe.record).await;
        let step = self.gateway.observe(probe.record.id, outcome.clone()).await?;
        Ok((outcome, step))
    }

    async fn look(&self, probe: &Probe) -> Outcome {
        if probe.settings.is_heartbeat() {
            return Ok(self.gateway.look_at_heartbeat(probe));
        }
        let tls = self.trust(probe.settings.kind.ca_file().map(PathBuf::from)).await?;
        let began = Instant::now();
        let within = Duration::from_secs(u64::from(probe.settings.timeout_seconds));
        let (verdict, cause) = match self.ask(&probe.settings.kind, &tls, began + within, within).await {
            Ok((verdict, cause)) => (verdict, cause),
            Err(cause) => (Verdict::Fails, Some(cause)),
        };
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let look = Look { verdict, cause, milliseconds: took };
        Ok(match probe.settings.kind {
            ProbeKind::Http { slow_milliseconds: Some(slow), .. }
                if verdict == Verdict::Works && took > u64::from(slow) =>
            {
                Look { verdict: Verdict::Weak, cause: Some(Cause::Slow { milliseconds: took }), ..look }
            }
            _ => look,
        })
    }

    async fn ask(
        &self,
        kind: &ProbeKind,
        tls: &TlsClient,
        deadline: Instant,
        within: Duration,
    ) -> Result<(Verdict, Option<Cause>), Cause> {
        match kind {
            ProbeKind::Http { url, method, expect_status, expect_text, follow_redirects, .. } => {
                // Checked when it was put.
                let target = HttpTarget::parse(url).map_err(|_| Cause::Garbage)?;
                let look = HttpLook {
                    target: &target,
                    method: *method,
                    status: *expect_status,
                    text: expect_text.as_deref(),
                    follow_redirects: *follow_redirects,
                };
                fetch::http(look, tls, deadline).await?;
            }
            ProbeKind::Tcp { host, port } => {
                dial(host, *port, deadline).await?;
            }
            ProbeKind::TlsExpiry { host, port, days_warned, days_critical, .. } => {
                let certificate = fetch::certificate(host, *port, tls, deadline).await?;
                let ends = identity::describe(&certificate).map_err(|_| Cause::Tls)?.not_after;
                return Ok(judge_end(ends, self.gateway.now(), *days_warned, *days_critical));
            }
            ProbeKind::Smtp { host, port, security, .. } => {
                let stream = dial(host, *port, deadline).await?;
                let greeting = mail::greet(stream, host, &self.hello_name, *security, tls, within);
                tokio::time::timeout_at(deadline, greeting).await.unwrap_or(Err(Cause::AnswerTimeout))?;
            }
            ProbeKind::Heartbeat { .. } => {}
        }
        Ok((Verdict::Works, None))
    }

    /// A client that trusts the CAs of a file, or the system's.
    async fn trust(&self, ca_file: Option<PathBuf>) -> Result<TlsClient, String> {
        let now = Instant::now();
        let known = self.trusted.lock().unwrap_or_else(PoisonError::into_inner).get(&ca_file).cloned();
        if let Some((_, client)) = known.filter(|(read, _)| now.duration_since(*read) < TRUST_KEPT) {
            return Ok(client);
        }
        let settings = TlsClientSettings { ca_file: ca_file.clone(), identity: None };
        let reading = tokio::task::spawn_blocking(move || TlsClient::new(&settings)).await;
        let client = reading.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        let mut trusted = self.trusted.lock().unwrap_or_else(PoisonError::into_inner);
        trusted.retain(|_, (read, _)| now.duration_since(*read) < TRUST_KEPT);
        trusted.insert(ca_file, (now, client.clone()));
        Ok(client)
    }
}

/// Operators are warned of a certificate's end while the component still works as usual; then readers are.
fn judge_end(ends: Timestamp, now: Timestamp, warned: u16, critical: u16) -> (Verdict, Option<Cause>) {
    let days = now.duration_until(ends).as_secs().div_euclid(SECONDS_A_DAY);
    let cause = Cause::CertificateEnds { days };
    if days < 0 {
        (Verdict::Fails, Some(Cause::TlsValidity))
    } else if days <= i64::from(critical) {
        (Verdict::Weak, Some(cause))
    } else if days <= i64::from(warned) {
        (Verdict::Works, Some(cause))
    } else {
        (Verdict::Works, None)
    }
}

/// Up to a twentieth more or less: what began together does not stay together.
pub(super) fn jittered(interval: Duration) -> Duration {
    interval - interval / 20 + fraction(interval / 10)
}

/// A random part of a duration. Without randomness all of it: late rather than all at once.
fn fraction(whole: Duration) -> Duration {
    let random = random_bytes::<2>().map_or(u16::MAX, u16::from_be_bytes);
    whole * u32::from(random) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_near_its_end_warns_operators_first_and_readers_later() {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let judged = |ends: &str| judge_end(ends.parse().unwrap(), now, 30, 7);
        let ends = |days| Some(Cause::CertificateEnds { days });
        assert_eq!(judged("2027-01-01T00:00:00Z"), (Verdict::Works, None));
        assert_eq!(judged("2026-12-23T09:00:00Z"), (Verdict::Works, ends(30)));
        assert_eq!(judged("2026-12-01T08:00:00Z"), (Verdict::Weak, ends(7)));
        assert_eq!(judged("2026-11-23T09:00:01Z"), (Verdict::Weak, ends(0)));
        assert_eq!(judged("2026-11-23T08:59:59Z"), (Verdict::Fails, Some(Cause::TlsValidity)));
    }

    #[test]
    fn intervals_vary_by_a_twentieth_and_no_more() {
        let minute = Duration::from_secs(60);
        let all: Vec<Duration> = (0..1_000).map(|_| jittered(minute)).collect();
        assert!(all.iter().all(|d| (Duration::from_secs(57)..=Duration::from_secs(63)).contains(d)));
        assert!(all.iter().any(|d| *d < minute) && all.iter().any(|d| *d > minute));
    }
}
