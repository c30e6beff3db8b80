//! What the gateway has after a crash, compared with what clients had read before it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::client::{Caller, Told};
use crate::gateway::{Gateway, Region, comes_true};
use crate::load::{Case, Clients, Dice, PORTALS, Progress, answer};

/// Callers that read at once.
const READERS: usize = 8;
/// Of the cases from earlier rounds so many are read again after each crash; the last comparison reads all.
const OLDER: u64 = 60;
/// Longest that owed letters may take to leave.
const LETTERS_WAIT: Duration = Duration::from_secs(60);
const FEED_PAGE: usize = 100;
const LOG_PAGE: usize = 1_000;

/// How much is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The last two rounds' cases, some older ones, all receipts, events and records.
    Recent,
    /// Everything, and the letters that are owed.
    All,
}

/// How much was compared.
#[derive(Default)]
pub struct Compared {
    pub unsure: usize,
    pub cases: usize,
    pub answered: usize,
    pub receipts: usize,
    pub events: usize,
    pub letters: usize,
    pub log_lines: usize,
}

impl Compared {
    pub fn add(&mut self, other: &Compared) {
        self.unsure += other.unsure;
        self.cases += other.cases;
        self.answered += other.answered;
        self.receipts += other.receipts;
        self.events += other.events;
        self.letters += other.letters;
        self.log_lines += other.log_lines;
    }
}

impl std::fmt::Display for Compared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "compared {} cases whole and replayed ({} answered), {} receipts recomputed, {} events, {} letters, {} lines of the access log; {} submissions left without an answer were sent again",
            self.cases, self.answered, self.receipts, self.events, self.letters, self.log_lines, self.unsure
        )
    }
}

/// Compares; every difference is a panic that says what was promised.
pub async fn compare(
    clients: &Arc<Clients>,
    region: &Region,
    gateway: &Gateway,
    extent: Extent,
    dice: &mut Dice,
) -> Compared {
    let unsure = chosen(clients, |case| case.accepted.is_none());
    each(clients, region, gateway, &unsure, Look::Submit).await;
    let round = clients.ledger().round;
    let share = (clients.ledger().cases.len() as u64 / OLDER).max(1);
    let cases = chosen(clients, |case| extent == Extent::All || case.round + 1 >= round || dice.below(share) == 0);
    each(clients, region, gateway, &cases, Look::Read).await;
    let mut compared = Compared { unsure: unsure.len(), cases: cases.len(), ..Compared::default() };
    compared.answered = cases.iter().filter(|at| clients.ledger().cases[**at].known == Progress::Answered).count();
    for (portal, name) in PORTALS.iter().enumerate() {
        let mut caller = Caller::new(&region.dir, name, gateway.portal);
        compared.receipts += receipts(clients, portal, &mut caller).await;
        compared.events += events(clients, portal, &mut caller).await;
    }
    if extent == Extent::All {
        compared.letters = owed_letters(clients, region);
        compared.log_lines = access_log(clients, region);
    }
    letters_are_as_before(clients, &region.dir.join("mail"));
    let report = region.told(&["verify"]);
    for store in ["common", "cases"] {
        assert_eq!(report[store]["faults"], serde_json::json!([]), "{report}\n{}", region.said());
    }
    compared
}

fn chosen(clients: &Clients, mut choose: impl FnMut(&Case) -> bool) -> Vec<usize> {
    let ledger = clients.ledger();
    (0..ledger.cases.len()).filter(|at| choose(&ledger.cases[*at])).collect()
}

#[derive(Clone, Copy)]
enum Look {
    /// Nobody knows whether the gateway has it: the same key and body again tells.
    Submit,
    Read,
}

async fn each(clients: &Arc<Clients>, region: &Region, gateway: &Gateway, places: &[usize], look: Look) {
    let mut tasks = JoinSet::new();
    for share in places.chunks(places.len().div_ceil(READERS).max(1)) {
        let mut callers = PORTALS.map(|who| Caller::new(&region.dir, who, gateway.portal));
        let (clients, share) = (clients.clone(), share.to_vec());
        tasks.spawn(async move {
            for place in share {
                let case = clients.ledger().cases[place].clone();
                let caller = &mut callers[case.portal];
                let told =
                    caller.post("/v1/cases", &[("idempotency-key", &case.key)], case.body.clone()).await.unwrap();
                assert_eq!(told.status, 201, "{}: {told:?}", case.key);
                match look {
                    Look::Submit => drop(clients.ledger().accept(place, &told)),
                    Look::Read => read(&clients, place, &case, &told, caller).await,
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        if let Err(failed) = done {
            std::panic::resume_unwind(failed.into_panic());
        }
    }
}

/// The same key gives the same 201, receipt included; the case is there, whole, and no further back than was read.
async fn read(clients: &Clients, place: usize, case: &Case, replay: &Told, caller: &mut Caller) {
    let accepted = case.accepted.as_ref().unwrap();
    assert_eq!(replay.header("idempotency-status"), "replayed", "{}", case.key);
    assert_eq!(replay.body, accepted.answer, "{}: another answer to the same key", case.key);
    let told = caller.get(&format!("/v1/cases/{}", accepted.id)).await.unwrap();
    assert_eq!(told.status, 200, "{} {}: {told:?}", case.key, accepted.id);
    let found = told.json();
    let sent: Value = serde_json::from_slice(&case.body).unwrap();
    assert_eq!(found["documents"][0]["response"], sent["response"], "{}", case.key);
    for member in ["clinic", "caseType", "citizen"] {
        assert_eq!(found[member], sent[member], "{}: {member}", case.key);
    }
    let state = match found["state"].as_str().unwrap() {
        "received" => Progress::Received,
        "distributed" => Progress::Distributed,
        "answered" => Progress::Answered,
        other => panic!("{}: {other} was never asked for", case.key),
    };
    assert!(case.known <= state && state <= case.asked, "{}: read {:?}, found {state:?}", case.key, case.known);
    let documents = found["documents"].as_array().unwrap();
    assert_eq!(documents.len(), 1 + usize::from(state == Progress::Answered), "{}", case.key);
    if let Some(written) = documents.get(1) {
        assert_eq!(written["response"], answer(&case.key), "{}", case.key);
    }
    // What was read now is a promise too.
    let mut ledger = clients.ledger();
    (ledger.cases[place].known, ledger.cases[place].asked) = (state, state);
}

/// A portal's receipts count from 1 without a gap, and their chain is what its own bodies give.
async fn receipts(clients: &Clients, portal: usize, caller: &mut Caller) -> usize {
    let mut all: Vec<Case> = clients.ledger().cases.iter().filter(|case| case.portal == portal).cloned().collect();
    all.sort_by_key(|case| case.accepted.as_ref().unwrap().sequence);
    let mut chain = [0; 32];
    for (before, case) in all.iter().enumerate() {
        let receipt = case.accepted.as_ref().unwrap();
        assert_eq!(receipt.sequence, before as u64 + 1, "a gap, or a number given twice, at {}", case.key);
        let body = sha256(&case.body);
        assert_eq!(receipt.digest, format!("sha256:{}", hex(&body)), "{}", case.key);
        chain = sha256(&[&chain[..], &body, &receipt.sequence.to_be_bytes()].concat());
        assert_eq!(receipt.chain, format!("sha256:{}", hex(&chain)), "{}: the chain is broken", case.key);
    }
    let days: HashSet<String> = all.iter().map(|case| swedish_day(case.accepted.as_ref().unwrap())).collect();
    let mut count = 0;
    for day in &days {
        let told = caller.get(&format!("/v1/reconciliation?date={day}")).await.unwrap().json();
        count += told["count"].as_u64().unwrap();
        if told["lastSequence"] == all.len() {
            assert_eq!(told["chainAfter"], format!("sha256:{}", hex(&chain)));
        }
    }
    assert_eq!(count, all.len() as u64, "the days' reconciliation");
    all.len()
}

fn swedish_day(accepted: &crate::load::Accepted) -> String {
    let answer: Value = serde_json::from_slice(&accepted.answer).unwrap();
    let at: jiff::Timestamp = answer["receivedAt"].as_str().unwrap().parse().unwrap();
    at.in_tz("Europe/Stockholm").unwrap().date().to_string()
}

/// The feed goes on where the portal stood, without a gap, and told each act once.
async fn events(clients: &Clients, portal: usize, caller: &mut Caller) -> usize {
    loop {
        let after =
            clients.ledger().feeds[portal].next.clone().map(|next| format!("&after={next}")).unwrap_or_default();
        let page = caller.get(&format!("/v1/events?limit={FEED_PAGE}{after}")).await.unwrap();
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        let mut ledger = clients.ledger();
        let feed = &mut ledger.feeds[portal];
        let items = page["items"].as_array().unwrap();
        for event in items {
            feed.sequence += 1;
            assert_eq!(event["seq"], feed.sequence, "a gap in the feed");
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            *feed.told.entry((text("caseId"), text("type"))).or_default() += 1;
        }
        feed.next = page["next"].as_str().map(str::to_owned);
        if items.len() < FEED_PAGE {
            break;
        }
    }
    let ledger = clients.ledger();
    let mut count = 0;
    for case in ledger.cases.iter().filter(|case| case.portal == portal) {
        let id = &case.accepted.as_ref().unwrap().id;
        let acts = [
            ("received", Progress::Received),
            ("distributed", Progress::Distributed),
            ("answered", Progress::Answered),
        ];
        for (event, progress) in acts {
            let told = ledger.feeds[portal].told.get(&(id.clone(), event.to_owned())).copied().unwrap_or_default();
            let possible = u32::from(case.known >= progress)..=u32::from(case.asked >= progress);
            assert!(possible.contains(&told), "{}: {event} was told {told} times", case.key);
            count += told as usize;
        }
    }
    count
}

/// Every act's letter lies in the mail directory, once: to the receiver, the handler, the citizen.
fn owed_letters(clients: &Clients, region: &Region) -> usize {
    let count = |least: Progress| clients.ledger().cases.iter().filter(|case| case.known >= least).count();
    let owed = [
        ("anna.akesson@region.example", count(Progress::Received)),
        ("bjorn.oberg@region.example", count(Progress::Distributed)),
        ("tolvan@example.test", count(Progress::Answered)),
    ];
    let gone = comes_true(LETTERS_WAIT, || region.told(&["status"])["letters"]["waiting"] == 0);
    let status = region.told(&["status"]);
    assert!(gone && status["letters"]["givenUp"] == 0, "{status}\n{}", region.said());
    let texts: Vec<String> =
        letters(&region.dir.join("mail")).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for (to, expected) in owed {
        let header = format!("To: {to}");
        let found = texts.iter().filter(|text| text.lines().any(|line| line == header)).count();
        assert_eq!(found, expected, "letters to {to}");
    }
    texts.len()
}

/// A letter that was sent twice is the same letter: its file never changes.
fn letters_are_as_before(clients: &Clients, mail: &Path) {
    let mut ledger = clients.ledger();
    for path in letters(mail) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let found = sha256(&fs::read(&path).unwrap());
        let before = *ledger.letters.entry(name.clone()).or_insert(found);
        assert_eq!(before, found, "{name} was sent again and differs");
    }
}

fn letters(mail: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(mail).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|ending| ending == "eml")).collect()
}

/// The access log has a line for each submission, its numbers without a gap.
fn access_log(clients: &Clients, region: &Region) -> usize {
    let (mut last, mut submissions) = (0, 0);
    loop {
        let after = last.to_string();
        let words = ["access-log", "list", "--store", "cases", "--limit", "1000", "--after", &after];
        let page = region.told(&words);
        let page = page.as_array().unwrap();
        for line in page {
            last += 1;
            assert_eq!(line["sequence"], last, "a gap in the access log");
            submissions += usize::from(line["entry"]["act"] == "submit");
        }
        if page.len() < LOG_PAGE {
            break;
        }
    }
    assert_eq!(submissions, clients.ledger().cases.len());
    usize::try_from(last).unwrap()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
