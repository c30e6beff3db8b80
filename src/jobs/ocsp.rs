//! Asks an issuer's responder about one certificate, when somebody comes with it whom only the answer can let in. Each
//! certificate is asked about once at a time; whoever else waits for the same answer gets it too.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, timeout};

use crate::domain::status::probe::target::HttpTarget;
use crate::domain::time::Clock;
use crate::fetch::http::{Answer, Ask, HttpClient, HttpError};
use crate::identity::{OCSP_ANSWER_BYTES_MAX, OcspError, OcspKey, OcspQuestion, OcspSaid, Trust};

/// Questions under way at once; whoever comes beyond is not let in for now.
const UNDER_WAY_MAX: usize = 256;
/// Responders that are told of: issuers have one or two each.
const RESPONDERS_MAX: usize = 64;

/// Whom and how to ask.
#[derive(Debug, Clone)]
pub struct Settings {
    pub proxy: Option<HttpTarget>,
    /// Only these hosts are asked; every host when empty.
    pub hosts: Vec<String>,
    /// From connecting to the answer's last byte; whoever waits, waits no longer.
    pub timeout: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Http(HttpError),
    #[error("what came {0}")]
    Answer(OcspError),
    #[error("what is not an address of plain HTTP is not asked")]
    Address,
    #[error("its host is none of trust.revocation.hosts")]
    Host,
}

/// How one responder does, since the start.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tally {
    asked: u64,
    good: u64,
    revoked: u64,
    unanswered: u64,
    /// Of the last question, where it had no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

/// Asks responders and remembers how they do.
pub struct Asker {
    settings: Settings,
    client: HttpClient,
    clock: Arc<dyn Clock>,
    under_way: Mutex<HashMap<OcspKey, Arc<tokio::sync::Mutex<()>>>>,
    /// By host.
    responders: Mutex<BTreeMap<String, Tally>>,
}

impl Asker {
    /// `clock` is the one that certificates are judged by.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Asker {
        let client = HttpClient::new(settings.proxy.clone());
        Asker { settings, client, clock, under_way: Mutex::default(), responders: Mutex::default() }
    }

    /// Comes back when the question is settled in `trust`, or cannot be settled now. Whoever asked judges anew.
    pub async fn settle(&self, trust: &Trust, question: &OcspQuestion) {
        let turn = {
            let mut under_way = lock(&self.under_way);
            if under_way.len() >= UNDER_WAY_MAX && !under_way.contains_key(&question.about) {
                tracing::warn!(
                    event = "identity.ocsp.busy",
                    "too many questions under way: a certificate is not asked about"
                );
                return;
            }
            under_way.entry(question.about).or_default().clone()
        };
        // Dropped with this future too: a caller who has gone leaves no place taken.
        let _place = Place { asker: self, about: question.about };
        // Whoever is before us asks, and we take its answer; it has no more time than we.
        let Ok(_alone) = timeout(self.settings.timeout, turn.lock()).await else { return };
        if trust.ocsp_is_settled(question, self.clock.now()) {
            return;
        }
        let asked = self.ask(trust, question).await;
        if asked.is_err() {
            trust.note_no_ocsp_answer(question, self.clock.now());
        }
        self.note(&question.url, asked);
    }

    async fn ask(&self, trust: &Trust, question: &OcspQuestion) -> Result<OcspSaid, Fault> {
        let target = HttpTarget::parse(&question.url).ok().filter(|target| !target.tls).ok_or(Fault::Address)?;
        if !self.settings.hosts.is_empty() && !self.settings.hosts.contains(&target.host) {
            return Err(Fault::Host);
        }
        let ask = Ask::Post { content_type: "application/ocsp-request", body: &question.request };
        let deadline = Instant::now() + self.settings.timeout;
        match self.client.ask(&target, ask, OCSP_ANSWER_BYTES_MAX, deadline).await.map_err(Fault::Http)? {
            Answer::Whole { body, .. } => {
                trust.take_ocsp_answer(question, &body, self.clock.now()).map_err(Fault::Answer)
            }
            Answer::NotModified => Err(Fault::Answer(OcspError::Malformed)),
        }
    }

    fn note(&self, url: &str, asked: Result<OcspSaid, Fault>) {
        let host = HttpTarget::parse(url).map_or_else(|_| String::new(), |target| target.authority());
        let mut responders = lock(&self.responders);
        if responders.len() >= RESPONDERS_MAX && !responders.contains_key(&host) {
            return;
        }
        let tally = responders.entry(host.clone()).or_default();
        tally.asked += 1;
        let fault = match asked {
            Ok(OcspSaid::Good) => {
                tally.good += 1;
                None
            }
            Ok(OcspSaid::Revoked { .. }) => {
                tally.revoked += 1;
                None
            }
            Err(fault) => {
                tally.unanswered += 1;
                Some(fault.to_string())
            }
        };
        match &fault {
            // Told when it begins and when it ends, not for each card in between.
            Some(fault) if tally.fault.is_none() => {
                tracing::error!(event = "identity.ocsp", responder = host, fault, "a responder did not answer");
            }
            None if tally.fault.is_some() => {
                tracing::info!(event = "identity.ocsp", responder = host, "a responder answers again");
            }
            _ => {}
        }
        tally.fault = fault;
    }

    /// How each responder does, by host.
    pub fn report(&self) -> impl Serialize + use<> {
        lock(&self.responders).clone()
    }

    /// Responders whose last question had no answer, and why.
    pub fn faults(&self) -> Vec<String> {
        let responders = lock(&self.responders);
        responders
            .iter()
            .filter_map(|(host, tally)| Some(format!("OCSP at {host}: {}", tally.fault.as_ref()?)))
            .collect()
    }
}

/// A question under way, until the last who waits for it has gone.
struct Place<'a> {
    asker: &'a Asker,
    about: OcspKey,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut under_way = lock(&self.asker.under_way);
        // Ours and the map's own.
        if under_way.get(&self.about).is_some_and(|turn| Arc::strong_count(turn) <= 2) {
            under_way.remove(&self.about);
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
