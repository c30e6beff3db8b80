//! Notices to thousands, the daemon killed at random moments again and again: nobody is forgotten, and no more letters
//! come twice than each mode says. How often: BUDKAVLE_FANOUT_KILLS. The same moments again: BUDKAVLE_SEED.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test, what must hold is asserted")]

#[allow(dead_code, reason = "made for the kills of cases, of which it can more")]
#[path = "../crash/gateway.rs"]
mod gateway;
mod sink;

use std::fmt::Write as _;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use gateway::{Gateway, Region, comes_true, scratch, tell};
use serde_json::Value;
use sink::Sink;

const KILLS: u64 = 10;
/// Enough that most kills meet a fan-out.
const SUBSCRIBERS: u64 = 2_500;
/// Of these one is for single letters.
const CONNECTIONS: u64 = 8;
/// What `src/outbox/fanout/mod.rs` leases at once at most.
const LEASED_MAX: u64 = 1_000;
/// A kill comes so long after a start or a notice.
const KILL_MS: (u64, u64) = (30, 700);
const LAST_LETTER: Duration = Duration::from_secs(120);

/// Numbers that a seed repeats (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap())
}

struct House {
    region: Region,
    sink: Sink,
    _scratch: tempfile::TempDir,
}

impl House {
    async fn new(strict: bool) -> House {
        let scratch = scratch();
        let region = Region::prepare(scratch.path().join("r"), scratch.path().join("log"), |config| config);
        let sink = Sink::start(&region.dir, Duration::ZERO).await;
        let port = sink.port;
        region.edit(|config| {
            let (before, rest) = config.split_once("[mail]\n").unwrap();
            let (_, after) = rest.split_once("[log]\n").unwrap();
            format!(
                r#"{before}[mail]
from-name = "Driftinformation"
from-address = "driftinfo@status.region.example"
transport = "smtp"
host = "localhost"
port = {port}
security = "implicit-tls"
hello-name = "gateway.region.example"
ca-file = "tls/server-ca.pem"
connections-max = {CONNECTIONS}
strict = {strict}

[log]
{after}"#
            )
        });
        House { region, sink, _scratch: scratch }
    }

    fn subscribe(&self) {
        let mut rows = String::from("address,language,targets,dailyAt\n");
        for number in 0..SUBSCRIBERS {
            writeln!(rows, "s{number}@d{}.example.test,sv,,", number % 11).unwrap();
        }
        let file = self.region.dir.join("subscribers.csv");
        fs::write(&file, rows).unwrap();
        let file = file.to_str().unwrap();
        let imported = self.region.operate(&["subscriber", "import", file, "--source", "test", "--confirmed"]);
        assert!(imported.status.success(), "{imported:?}");
    }

    /// Opens an incident, and tells its notice's number.
    fn open(&self) -> u64 {
        let told = self.region.told(&[
            "incident",
            "open",
            "--title",
            "Inloggning med SITHS fungerar inte",
            "--audience",
            "staff",
            "--component",
            "siths=major_outage",
            "--text",
            "Du som redan är inloggad kan arbeta vidare.",
            "--hold",
            "0",
        ]);
        told["seq"].as_u64().unwrap_or_else(|| panic!("{told}"))
    }

    fn report(&self, notice: u64) -> Value {
        let output = self.region.operate(&["notice", "show", &notice.to_string()]);
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Waits until a notice is done with.
    fn done(&self, notice: u64) -> Value {
        let mut report = Value::Null;
        let done = comes_true(LAST_LETTER, || {
            report = self.report(notice);
            report["isExpanding"] == false && report["oldestUnsent"].is_null()
        });
        assert!(done, "{report}\n{}", self.region.said());
        report
    }

    /// How many subscribers have a notice's letter, and how many letters came twice.
    fn letters(&self, notice: u64) -> (u64, u64) {
        let prefix = format!("<{notice}.");
        self.sink.with(|counted| {
            let of_it = counted.letters.iter().filter(|(id, _)| id.starts_with(&prefix));
            of_it.fold((0, 0), |(people, twice), (_, count)| (people + 1, twice + u64::from(*count) - 1))
        })
    }
}

/// Kills the daemon during fan-outs, and counts what came.
async fn kill(strict: bool, bound: u64) {
    let random = || RandomState::new().build_hasher().finish();
    let mut dice = Dice(number("BUDKAVLE_SEED").unwrap_or_else(random));
    let (kills, mode) = (number("BUDKAVLE_FANOUT_KILLS").unwrap_or(KILLS), if strict { "strict" } else { "default" });
    tell(&format!("fan-out, {mode}: BUDKAVLE_SEED={}", dice.0));
    let (house, started) = (House::new(strict).await, Instant::now());
    let mut gateway: Gateway = house.region.start();
    house.subscribe();
    let (mut killed, mut notices, mut met, mut twice) = (0, 0_u64, 0, 0);
    while killed < kills {
        let notice = house.open();
        notices += 1;
        while killed < kills {
            let while_ = KILL_MS.0 + dice.below(KILL_MS.1 - KILL_MS.0);
            tokio::time::sleep(Duration::from_millis(while_)).await;
            let people = house.letters(notice).0;
            if people == SUBSCRIBERS {
                break;
            }
            gateway.kill();
            killed += 1;
            met += u64::from(people > 0);
            gateway = house.region.start();
        }
        let report = house.done(notice);
        let (people, doubled) = house.letters(notice);
        assert_eq!(people, SUBSCRIBERS, "{} are forgotten\n{report}\n{}", SUBSCRIBERS - people, house.region.said());
        assert_eq!(report["accepted"], SUBSCRIBERS, "{report}");
        twice += doubled;
    }
    gateway.stop();
    assert!(twice <= bound * killed, "{twice} letters came twice in {killed} kills");
    tell(&format!(
        "fan-out, {mode}: {killed} kills, {met} while letters went, in {:.0?}; {notices} notices to {SUBSCRIBERS} each: \
         0 lost, {twice} letters twice (at most {bound} a kill may be)",
        started.elapsed()
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nobody_and_double_at_most_what_is_leased() {
    kill(false, LEASED_MAX).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_in_strict_mode_lose_nobody_and_double_at_most_a_letter_a_connection() {
    kill(true, CONNECTIONS - 1).await;
}
