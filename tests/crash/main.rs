//! The real daemon under load, killed, its power cut, its view destroyed; each time compared with what its clients had
//! read before. How often: BUDKAVLE_KILLS, BUDKAVLE_CUTS. The same moments again: BUDKAVLE_SEED.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "in a test, what must hold is asserted"
)]

mod client;
mod compare;
mod disk;
mod gateway;
mod load;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use compare::{Compared, Extent, compare};
use disk::Disk;
use gateway::{Gateway, Region, comes_true, scratch, skip, tell};
use load::{Clients, Dice};

const KILLS: u64 = 30;
const CUTS: u64 = 5;
/// Of so many kills one meets a daemon that is still opening.
const OPENING_EVERY: u64 = 3;
const OPENING_MS: u64 = 60;
/// Load before a kill or cut lasts from the first to the second.
const LOAD_MS: (u64, u64) = (40, 240);
/// Before a view is destroyed there are so many cases more in it.
const LOAD_CASES: usize = 20;
const LOAD_WAIT: Duration = Duration::from_secs(20);

fn count(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |value| value.parse().unwrap())
}

/// Limits far away, and letters quick: what is tested is the disk.
fn for_load(config: String) -> String {
    let wide = [
        "certificate-per-minute",
        "submission-per-minute",
        "citizen-per-hour",
        "address-per-minute",
        "replay-per-minute",
    ];
    let limits: Vec<_> = wide.iter().map(|limit| format!("{limit} = 1000000\n")).collect();
    let config = config.replace("directory = \"mail\"\n", "directory = \"mail\"\nconnections-max = 16\n");
    format!("{config}\n[limits]\n{}", limits.concat())
}

async fn a_random_while(dice: &mut Dice, (from, to): (u64, u64)) {
    tokio::time::sleep(Duration::from_millis(from + dice.below(to - from))).await;
}

async fn finished(mut work: tokio::task::JoinSet<()>) {
    while let Some(done) = work.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_client_had_read_outlives_kills_under_load_and_while_opening() {
    let (started, mut dice) = (Instant::now(), Dice::new());
    let (seed, kills) = (dice.0, count("BUDKAVLE_KILLS", KILLS));
    tell(&format!("kills: BUDKAVLE_SEED={seed}"));
    let scratch = scratch();
    let region = Region::prepare(scratch.path().join("r"), scratch.path().join("log"), for_load);
    let clients = Arc::new(Clients::default());
    let mut compared = Compared::default();
    let mut gateway = region.start();
    for kill in 1..=kills {
        if kill.is_multiple_of(OPENING_EVERY) {
            gateway.kill();
            let mut opening = region.spawn();
            a_random_while(&mut dice, (0, OPENING_MS)).await;
            opening.kill().unwrap();
            opening.wait().unwrap();
        } else {
            let work = clients.at_work(&region.dir, &gateway, &mut dice);
            a_random_while(&mut dice, LOAD_MS).await;
            gateway.kill();
            finished(work).await;
        }
        gateway = region.start();
        compared.add(&compare(&clients, &region, &gateway, Extent::Recent, &mut dice).await);
    }
    compared.add(&compare(&clients, &region, &gateway, Extent::All, &mut dice).await);
    gateway.stop();
    tell(&format!("{kills} kills in {:.0?}: {compared}", started.elapsed()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_client_had_read_before_a_power_cut_is_there_after_it() {
    let (started, mut dice) = (Instant::now(), Dice::new());
    let (seed, cuts) = (dice.0, count("BUDKAVLE_CUTS", CUTS));
    let scratch = scratch();
    let mut disk = match Disk::new(scratch.path()) {
        Ok(disk) => disk,
        Err(why) => return skip("whatever_a_client_had_read_before_a_power_cut_is_there_after_it", &why),
    };
    tell(&format!("power cuts: BUDKAVLE_SEED={seed}"));
    let region = Region::prepare(disk.point.join("r"), scratch.path().join("log"), for_load);
    disk.sync().unwrap();
    let clients = Arc::new(Clients::default());
    let mut compared = Compared::default();
    let mut gateway = region.start();
    for _ in 0..cuts {
        let work = clients.at_work(&region.dir, &gateway, &mut dice);
        a_random_while(&mut dice, LOAD_MS).await;
        clients.ledger().frozen = true;
        disk.cut().unwrap();
        gateway.kill();
        finished(work).await;
        clients.ledger().frozen = false;
        disk.unmount().unwrap();
        disk.mount().unwrap();
        gateway = region.start();
        compared.add(&compare(&clients, &region, &gateway, Extent::Recent, &mut dice).await);
    }
    compared.add(&compare(&clients, &region, &gateway, Extent::All, &mut dice).await);
    gateway.stop();
    disk.unmount().unwrap();
    tell(&format!("{cuts} power cuts in {:.0?}: {compared}", started.elapsed()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_was_destroyed_is_rebuilt_from_the_journal_and_the_operator_is_told() {
    let (started, mut dice) = (Instant::now(), Dice::new());
    tell(&format!("views: BUDKAVLE_SEED={}", dice.0));
    let scratch = scratch();
    let region = Region::prepare(scratch.path().join("r"), scratch.path().join("log"), for_load);
    let clients = Arc::new(Clients::default());
    let mut compared = Compared::default();
    let mut gateway = loaded(&clients, &region, &mut dice).await;
    let view = region.dir.join("data/cases/view");
    let removed: fn(&Path, &mut Dice) = |view, _| fs::remove_dir_all(view).unwrap();
    let overwritten: fn(&Path, &mut Dice) = |view, _| {
        let db = File::options().write(true).open(view.join("db")).unwrap();
        db.write_all_at(&vec![0x5a; db.metadata().unwrap().len() as usize], 0).unwrap();
    };
    let one_bit: fn(&Path, &mut Dice) = |view, dice| {
        let db = File::options().read(true).write(true).open(view.join("db")).unwrap();
        let at = dice.below(db.metadata().unwrap().len());
        let mut byte = [0];
        db.read_exact_at(&mut byte, at).unwrap();
        db.write_all_at(&[byte[0] ^ (1 << dice.below(8))], at).unwrap();
    };
    let mut told = Vec::new();
    for (what, destroy, must_be_told) in [
        ("removed", removed, true),
        ("overwritten", overwritten, true),
        // A bit in a page that is no longer used harms nothing and nobody is told.
        ("one bit flipped", one_bit, false),
        ("one bit flipped", one_bit, false),
        ("one bit flipped", one_bit, false),
        ("one bit flipped", one_bit, false),
    ] {
        gateway.stop();
        destroy(&view, &mut dice);
        fs::write(&region.log, "").unwrap();
        gateway = region.start();
        compared.add(&compare(&clients, &region, &gateway, Extent::All, &mut dice).await);
        let is_told = fs::read_to_string(&region.log).unwrap().contains("rebuilt from the journal");
        assert!(is_told || !must_be_told, "{what}, and the operator is not told:\n{}", region.said());
        told.push(format!("{what}{}", if is_told { ": rebuilt" } else { "" }));
        gateway.kill();
        gateway = loaded(&clients, &region, &mut dice).await;
    }
    gateway.stop();
    tell(&format!("views in {:.0?}: {}: {compared}", started.elapsed(), told.join(", ")));
}

/// Some load that ends with a kill, then an orderly start.
async fn loaded(clients: &Arc<Clients>, region: &Region, dice: &mut Dice) -> Gateway {
    let gateway = region.start();
    let before = clients.accepted();
    let work = clients.at_work(&region.dir, &gateway, dice);
    assert!(comes_true(LOAD_WAIT, || clients.accepted() >= before + LOAD_CASES));
    a_random_while(dice, LOAD_MS).await;
    gateway.kill();
    finished(work).await;
    region.start()
}
