//! What clients do to the gateway, and the ledger of what they have read: that, and only that, it has promised.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{Caller, Told};
use crate::gateway::Gateway;

pub const PORTALS: [&str; 2] = ["tls/portal", "tls/staff-system"];
const CLINIC: &str = "TSTNMT2321000156-A001";
const HANDLER: &str = "TSTNMT2321000156-1002";
const CITIZEN_MAIL: &str = "tolvan@example.test";
const QUESTION: &str = include_str!("../../config/region/samples/kontakta-mig.question.response.json");
const ANSWER: &str = include_str!("../../config/region/samples/kontakta-mig.answer.response.json");
/// Clients of each portal that submit at once.
const CLIENTS_PER_PORTAL: usize = 4;

/// How far a case has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    Received,
    Distributed,
    Answered,
}

/// A submission and what is known of it.
#[derive(Debug, Clone)]
pub struct Case {
    pub portal: usize,
    /// Idempotency key and senderReference.
    pub key: String,
    pub body: Bytes,
    /// The 201 as it was read; none while nobody knows whether the gateway has the case.
    pub accepted: Option<Accepted>,
    /// The furthest that a client has read, and the furthest that one has asked for.
    pub known: Progress,
    pub asked: Progress,
    /// The round of load in which it was submitted.
    pub round: u32,
}

#[derive(Debug, Clone)]
pub struct Accepted {
    pub id: String,
    pub answer: Bytes,
    pub sequence: u64,
    pub digest: String,
    pub chain: String,
}

/// What clients have sent and read.
#[derive(Default)]
pub struct Ledger {
    pub cases: Vec<Case>,
    pub round: u32,
    /// A power cut has begun: what is read from now on promises nothing.
    pub frozen: bool,
    /// Where each portal stands in its feed, and how often it was told what of which case.
    pub feeds: [Feed; 2],
    /// Digest of each letter, by its file's name.
    pub letters: HashMap<String, [u8; 32]>,
}

#[derive(Default)]
pub struct Feed {
    pub next: Option<String>,
    pub sequence: u64,
    pub told: HashMap<(String, String), u32>,
}

/// The ledger, shared by all clients.
#[derive(Default)]
pub struct Clients {
    ledger: Mutex<Ledger>,
}

impl Clients {
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many submissions have been read to be accepted.
    pub fn accepted(&self) -> usize {
        self.ledger().cases.iter().filter(|case| case.accepted.is_some()).count()
    }

    /// Clients at work until the gateway leaves them without an answer.
    pub fn at_work(self: &Arc<Self>, region: &Path, gateway: &Gateway, dice: &mut Dice) -> JoinSet<()> {
        self.ledger().round += 1;
        let mut tasks = JoinSet::new();
        for client in 0..PORTALS.len() * CLIENTS_PER_PORTAL {
            let portal = client % PORTALS.len();
            let callers = Callers {
                portal: Caller::new(region, PORTALS[portal], gateway.portal),
                receiver: Caller::new(region, "cards/receiver", gateway.staff),
                handler: Caller::new(region, "cards/handler", gateway.staff),
            };
            let (clients, dice) = (self.clone(), Dice(dice.roll()));
            tasks.spawn(async move {
                // Ends when an answer does not come.
                let _ = clients.work(portal, callers, dice).await;
            });
        }
        tasks
    }

    /// One case after the other: submitted; of three, two distributed and one of these answered.
    async fn work(&self, portal: usize, mut callers: Callers, mut dice: Dice) -> Option<()> {
        loop {
            let (place, key, body) = self.ledger().begin(portal, &mut dice);
            let told = callers.portal.post("/v1/cases", &[("idempotency-key", &key)], body).await.ok()?;
            let id = done(&told, 201).then(|| self.ledger().accept(place, &told))??;
            if dice.below(3) == 0 {
                continue;
            }
            self.ledger().cases[place].asked = Progress::Distributed;
            let path = format!("/v1/cases/{id}/distribution");
            let handler = Bytes::from(json!({ "handler": HANDLER }).to_string());
            let told = callers.receiver.post(&path, &[("if-match", "\"1\"")], handler).await.ok()?;
            done(&told, 200).then(|| self.ledger().learn(place, Progress::Distributed))?;
            if dice.below(2) == 0 {
                continue;
            }
            self.ledger().cases[place].asked = Progress::Answered;
            let path = format!("/v1/cases/{id}/answer");
            let answer = Bytes::from(json!({ "response": answer(&key) }).to_string());
            let told = callers.handler.post(&path, &[("if-match", told.header("etag"))], answer).await.ok()?;
            done(&told, 200).then(|| self.ledger().learn(place, Progress::Answered))?;
        }
    }
}

struct Callers {
    portal: Caller,
    receiver: Caller,
    handler: Caller,
}

/// As it should be, or the gateway in trouble: anything else is a fault of this test or of the gateway.
fn done(told: &Told, expected: u16) -> bool {
    assert!(told.status == expected || told.status >= 500, "{told:?}");
    told.status == expected
}

impl Ledger {
    fn begin(&mut self, portal: usize, dice: &mut Dice) -> (usize, String, Bytes) {
        let key = format!("crash-{}", self.cases.len());
        let body = submission(&key, dice.below(400));
        let case = Case {
            portal,
            key: key.clone(),
            body: body.clone(),
            accepted: None,
            known: Progress::Received,
            asked: Progress::Received,
            round: self.round,
        };
        self.cases.push(case);
        (self.cases.len() - 1, key, body)
    }

    /// Notes a 201 that was read; gives the case's id.
    pub fn accept(&mut self, place: usize, told: &Told) -> Option<String> {
        if self.frozen {
            return None;
        }
        let body = told.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let receipt = &body["receipt"];
        let accepted = Accepted {
            id: text(&body["id"]),
            answer: told.body.clone(),
            sequence: receipt["sequence"].as_u64().unwrap(),
            digest: text(&receipt["digest"]),
            chain: text(&receipt["chain"]),
        };
        let id = accepted.id.clone();
        self.cases[place].accepted = Some(accepted);
        Some(id)
    }

    fn learn(&mut self, place: usize, progress: Progress) {
        if !self.frozen {
            self.cases[place].known = progress;
        }
    }
}

fn submission(key: &str, letters: u64) -> Bytes {
    let mut response: Value = serde_json::from_str(QUESTION).unwrap();
    let about: String = "åäö abcde".chars().cycle().take(letters as usize).collect();
    response["item"][0]["answer"][0]["valueString"] = format!("{key} {about}.").into();
    let body = json!({
        "clinic": CLINIC,
        "caseType": "kontakta-mig",
        "senderReference": key,
        "citizen": {
            "identifier": { "system": "urn:oid:1.2.752.129.2.1.3.1", "value": "191212121212" },
            "name": "Tolvan Tolvansson",
            "protected": false,
        },
        "representative": null,
        "contact": { "email": CITIZEN_MAIL, "language": "sv" },
        "response": response,
    });
    body.to_string().into()
}

/// The answer that the handler gives to the case with this key.
pub fn answer(key: &str) -> Value {
    let mut response: Value = serde_json::from_str(ANSWER).unwrap();
    response["item"][2]["answer"][0]["valueString"] = format!("Svar på {key}.").into();
    response
}

/// SplitMix64: moments and choices that differ from run to run, and are the same for the same seed.
pub struct Dice(pub u64);

impl Dice {
    /// From BUDKAVLE_SEED, or fresh.
    pub fn new() -> Dice {
        let given = std::env::var("BUDKAVLE_SEED").ok().map(|seed| seed.parse().unwrap());
        Dice(given.unwrap_or_else(|| RandomState::new().build_hasher().finish()))
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }
}
