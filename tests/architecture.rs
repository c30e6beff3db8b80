//! Keeps the house a ladder: imports go down only, each library is known in one place, files stay small. The table is
//! `architecture/ladder.rs`; reading sources is `architecture/source.rs`; here are the rules, and for each of them a
//! test that shows it failing.

#[path = "architecture/ladder.rs"]
mod ladder;
#[path = "architecture/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use ladder::{DOMAIN_LIBRARIES, DOMAIN_NEVER, EVERYWHERE, FILE_LINES_MAX, FILE_LINES_WARNED, LADDER, LIBRARIES};
use source::Source;

const DIRECTORIES_MAX: usize = 200;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All of `src/`, without what only tests mount.
fn house() -> io::Result<Vec<Source>> {
    let src = root().join("src");
    let mut directories: Vec<PathBuf> = vec![src.clone()];
    let mut sources = Vec::new();
    let mut read = 0;
    while let Some(directory) = directories.pop() {
        read += 1;
        if read > DIRECTORIES_MAX {
            return Err(io::Error::other("more directories under src/ than a person can keep in mind"));
        }
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(&src).map_err(io::Error::other)?.to_string_lossy().into_owned();
                sources.push(Source::read(&file, &fs::read_to_string(&path)?));
            }
        }
    }
    sources.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(production(sources))
}

fn production(sources: Vec<Source>) -> Vec<Source> {
    let for_tests: Vec<Vec<String>> = sources.iter().flat_map(|source| source.test_modules.clone()).collect();
    sources.into_iter().filter(|source| !for_tests.iter().any(|module| source.module().starts_with(module))).collect()
}

fn rank(room: &str) -> Option<u8> {
    LADDER.iter().find(|(_, rooms)| rooms.contains(&room)).map(|(rank, _)| *rank)
}

/// Who imports whom among rooms, and where. An item that lies in no room of the ladder lies in `lib`, above them all.
fn imports(sources: &[Source]) -> BTreeMap<(&str, &str), Vec<String>> {
    let mut found: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    let built: BTreeSet<&str> = sources.iter().map(Source::room).collect();
    for source in sources {
        for name in &source.names {
            let [first, target, ..] = name.path.as_slice() else { continue };
            if first != "crate" || target == source.room() {
                continue;
            }
            let known = rank(target).is_some() || built.contains(target.as_str());
            let target = if known { target.as_str() } else { "lib" };
            let place = format!("{}:{}: {}", source.file, name.line, name.path.join("::"));
            found.entry((source.room(), target)).or_default().push(place);
        }
    }
    found
}

fn unnamed_rooms(sources: &[Source]) -> Vec<String> {
    let rooms: BTreeSet<&str> = sources.iter().map(Source::room).filter(|room| rank(room).is_none()).collect();
    rooms.into_iter().map(|room| format!("src/{room} has no place on the ladder")).collect()
}

fn climbing_imports(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for ((from, to), places) in imports(sources) {
        let (Some(above), Some(below)) = (rank(from), rank(to)) else { continue };
        let how = match below.cmp(&above) {
            std::cmp::Ordering::Less => continue,
            std::cmp::Ordering::Equal => "sideways",
            std::cmp::Ordering::Greater => "upward",
        };
        faults.extend(places.iter().map(|place| format!("{place} ({how}: {from} is {above}, {to} is {below})")));
    }
    faults
}

/// Rooms that import each other, round about. Asked without the ladder, so that a mistake in its table cannot hide one.
fn cycles(sources: &[Source]) -> Vec<String> {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in imports(sources).into_keys() {
        below.entry(from).or_default().insert(to);
    }
    // A room from which nothing more hangs can be in no cycle: take such rooms off until nothing changes.
    loop {
        let standing: BTreeSet<&str> = below.keys().copied().collect();
        let before = below.values().map(BTreeSet::len).sum::<usize>() + below.len();
        below.values_mut().for_each(|rooms| rooms.retain(|room| standing.contains(room)));
        below.retain(|_, rooms| !rooms.is_empty());
        if below.values().map(BTreeSet::len).sum::<usize>() + below.len() == before {
            break;
        }
    }
    below.into_iter().map(|(from, to)| format!("{from} hangs in a cycle through {to:?}")).collect()
}

fn is_part_of(path: &str, whole: &str) -> bool {
    path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn is_at(file: &str, place: &str) -> bool {
    file.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
}

fn strayed_libraries(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources {
        for name in &source.names {
            let path = name.path.join("::");
            let rules = LIBRARIES.iter().filter(|(library, _)| is_part_of(&path, library));
            let rule = rules.max_by_key(|(library, _)| library.len());
            let Some((library, places)) = rule else { continue };
            if !places.iter().any(|place| is_at(&source.file, place)) {
                faults.push(format!(
                    "{}:{}: {path} ({library} belongs to {})",
                    source.file,
                    name.line,
                    places.join(", ")
                ));
            }
        }
    }
    faults
}

/// The domain decides and nothing else: no library that waits or touches, no part of std that does.
fn impure_domain(sources: &[Source]) -> Vec<String> {
    let libraries: BTreeSet<&str> =
        LIBRARIES.iter().map(|(library, _)| *library).chain(EVERYWHERE.iter().copied()).collect();
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| source.room() == "domain") {
        for name in &source.names {
            let path = name.path.join("::");
            let first = name.path.first().map_or("", String::as_str);
            let strange = libraries.contains(first) && !DOMAIN_LIBRARIES.contains(&first);
            if strange || DOMAIN_NEVER.iter().any(|never| is_part_of(&path, never)) {
                faults.push(format!("{}:{}: {path}", source.file, name.line));
            }
        }
    }
    faults
}

/// Files beyond the bound, then those that grow towards it; nothing as long as no file is beyond.
fn oversized_files(sources: &[Source]) -> Vec<String> {
    let longer_than = |lines: usize| sources.iter().filter(move |source| source.lines > lines);
    if longer_than(FILE_LINES_MAX).next().is_none() {
        return Vec::new();
    }
    longer_than(FILE_LINES_WARNED - 1)
        .map(|source| {
            let what = if source.lines > FILE_LINES_MAX { "too long" } else { "growing" };
            format!("{}: {} lines without tests, {what}", source.file, source.lines)
        })
        .collect()
}

/// Libraries of the manifest that the tables do not place, and libraries of the tables that the manifest lacks.
fn unplaced_libraries(manifest: &str) -> Vec<String> {
    let dependencies = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let wanted: BTreeSet<String> = dependencies
        .take_while(|line| !line.starts_with('['))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_alphanumeric()))
        .filter_map(|line| line.split([' ', '=', '.']).next())
        // the one package whose library has another name
        .map(|package| if package == "rustls-webpki" { "webpki".to_owned() } else { package.replace('-', "_") })
        .collect();
    let placed: BTreeSet<String> = LIBRARIES
        .iter()
        .map(|(library, _)| library)
        .chain(EVERYWHERE)
        .filter_map(|library| library.split("::").next().map(str::to_owned))
        .collect();
    let unplaced = wanted.difference(&placed).map(|library| format!("{library} has no place in the tables"));
    unplaced.chain(placed.difference(&wanted).map(|library| format!("{library} is not in Cargo.toml"))).collect()
}

/// Rows of a Markdown table that begin with a rank, as `| 1 | `store` `mail` | … |`, against the ladder.
fn ladder_as_told(document: &str) -> BTreeMap<u8, BTreeSet<String>> {
    let mut told: BTreeMap<u8, BTreeSet<String>> = BTreeMap::new();
    for line in document.lines() {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (Some(Ok(rank)), Some(rooms)) = (cells.next().map(str::parse::<u8>), cells.next()) else { continue };
        told.entry(rank).or_default().extend(rooms.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    told
}

#[cfg(test)]
mod the_house {
    use super::*;

    #[track_caller]
    fn none(faults: Vec<String>) {
        assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    }

    #[test]
    fn every_room_stands_on_the_ladder() {
        none(unnamed_rooms(&house().unwrap()));
    }

    #[test]
    fn imports_go_down_only() {
        none(climbing_imports(&house().unwrap()));
    }

    #[test]
    fn no_rooms_import_each_other() {
        none(cycles(&house().unwrap()));
    }

    #[test]
    fn each_library_is_imported_where_it_belongs() {
        none(strayed_libraries(&house().unwrap()));
    }

    #[test]
    fn the_domain_is_pure() {
        none(impure_domain(&house().unwrap()));
    }

    #[test]
    fn no_file_is_too_long() {
        none(oversized_files(&house().unwrap()));
    }

    #[test]
    fn every_library_of_the_manifest_has_its_place() {
        let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        none(unplaced_libraries(&manifest));
    }

    #[test]
    fn the_architecture_page_draws_this_ladder() {
        let told = ladder_as_told(&fs::read_to_string(root().join("docs/architecture.md")).unwrap());
        let held = LADDER.iter().map(|(rank, rooms)| (*rank, rooms.iter().map(|room| (*room).to_owned()).collect()));
        assert_eq!(told, held.collect());
    }

    #[test]
    fn the_house_was_really_read() {
        let rooms: BTreeSet<String> = house().unwrap().iter().map(|source| source.room().to_owned()).collect();
        assert!(rooms.contains("domain") && rooms.contains("store") && rooms.contains("main"), "{rooms:?}");
    }
}

/// Small invented houses, each with one thing wrong.
#[cfg(test)]
mod the_rules {
    use super::*;

    fn invented(files: &[(&str, &str)]) -> Vec<Source> {
        production(files.iter().map(|(file, text)| Source::read(file, text)).collect())
    }

    #[track_caller]
    fn climbs(file: &str, text: &str) {
        assert_eq!(climbing_imports(&invented(&[(file, text)])).len(), 1, "{file}: {text}");
    }

    #[track_caller]
    fn descends(file: &str, text: &str) {
        assert_eq!(climbing_imports(&invented(&[(file, text)])), [""; 0], "{file}: {text}");
    }

    #[track_caller]
    fn strays(file: &str, text: &str) {
        assert_eq!(strayed_libraries(&invented(&[(file, text)])).len(), 1, "{file}: {text}");
    }

    #[track_caller]
    fn belongs(file: &str, text: &str) {
        assert_eq!(strayed_libraries(&invented(&[(file, text)])), [""; 0], "{file}: {text}");
    }

    #[test]
    fn a_room_that_nobody_named_is_a_fault() {
        assert_eq!(unnamed_rooms(&invented(&[("helpers/mod.rs", "")])), ["src/helpers has no place on the ladder"]);
        assert_eq!(unnamed_rooms(&invented(&[("store/view.rs", ""), ("exit.rs", ""), ("lib.rs", "")])), [""; 0]);
    }

    #[test]
    fn an_import_upward_is_a_fault() {
        climbs("store/mod.rs", "use crate::usecase::Gateway;");
        climbs("domain/case.rs", "use crate::store::Key;");
        climbs("mail/mod.rs", "use crate::SomethingOfTheRoot;");
        descends("usecase/mod.rs", "use crate::store::Key;");
        descends("main.rs", "fn main() { budkavle::cli::run() }");
    }

    #[test]
    fn an_import_sideways_is_a_fault() {
        climbs("mail/mod.rs", "use crate::store::Key;");
        climbs("domain/mod.rs", "use crate::crypto::Digest;");
        climbs("signal.rs", "use crate::notify;");
        descends("store/mod.rs", "use crate::store::view::View; use self::key::Key; use super::crypto::Digest;");
    }

    #[test]
    fn an_import_is_seen_however_it_is_written() {
        climbs("store/view.rs", "use super::super::usecase::Gateway;");
        climbs("store/mod.rs", "pub(crate) use {std::fmt, crate::{domain::id::HsaId, usecase::{feed as f}}};");
        climbs("store/mod.rs", "fn f() -> crate::http::Answer { todo() }");
        climbs("store/mod.rs", "mod inner { use super::super::http::Answer; }");
        climbs("store/mod.rs", "macro_rules! m { () => { $crate::http::f() } }");
        climbs("store/mod.rs", r#"#[serde(with = "crate::http::moment")] struct S;"#);
        climbs("store/mod.rs", "const C: char = '\"'; use crate::http::Answer; const D: char = '\"';");
    }

    #[test]
    fn what_is_not_code_imports_nothing() {
        descends("store/mod.rs", "// use crate::http::Answer;\n/* use /* crate::http */ crate::http; */");
        descends("store/mod.rs", "/// See [`crate::http::Answer`].\nstruct S;");
        descends("store/mod.rs", r##"const A: &str = "use crate::http;"; const B: &str = r#"crate::http::"x""#;"##);
    }

    #[test]
    fn tests_may_import_what_they_like() {
        descends("store/mod.rs", "#[cfg(test)]\nmod tests { use crate::http::Answer; }");
        descends("store/mod.rs", "#[cfg(test)] use crate::http::{Answer, Problem};");
        descends("store/mod.rs", "impl S { #[cfg(test)] fn f(a: A, b: B) -> [u8; 2] { crate::http::f() } }");
        descends("store/contract.rs", "#![cfg(test)] use crate::http::Answer;");
        let files =
            [("store/mod.rs", "#[cfg(test)]\nmod contract;"), ("store/contract.rs", "use crate::http::Answer;")];
        assert_eq!(climbing_imports(&invented(&files)), [""; 0]);
    }

    #[test]
    fn what_follows_a_test_is_read_again() {
        climbs("store/mod.rs", "#[cfg(test)] mod tests { fn f() {} }\nuse crate::http::Answer;");
        climbs("store/mod.rs", "#[cfg(test)] mod contract;\nuse crate::http::Answer;");
        climbs("store/mod.rs", "struct S { #[cfg(test)] seen: u32, answer: crate::http::Answer }");
        climbs("store/mod.rs", "#[cfg(not(test))] use crate::http::Answer;");
        climbs("store/mod.rs", "#[cfg(any(test, unix))] use crate::http::Answer;");
    }

    #[test]
    fn rooms_that_import_each_other_are_a_fault() {
        let pair = invented(&[("http/mod.rs", "use crate::outbox::A;"), ("outbox/mod.rs", "use crate::http::B;")]);
        assert_eq!(cycles(&pair).len(), 2);
        let ring = [
            ("mail.rs", "use crate::store::A;"),
            ("store.rs", "use crate::admit::B;"),
            ("admit.rs", "use crate::mail::C;"),
        ];
        assert_eq!(cycles(&invented(&ring)).len(), 3);
        let chain = [("usecase.rs", "use crate::{store, domain};"), ("store.rs", "use crate::domain::C;")];
        assert_eq!(cycles(&invented(&chain)), [""; 0]);
    }

    #[test]
    fn a_library_in_a_second_place_is_a_fault() {
        strays("store/journal.rs", "use sled::Db;");
        strays("usecase/mod.rs", "fn f() { lettre::Message::builder(); }");
        strays("cli/mod.rs", "use rcgen::KeyPair;");
        strays("daemon/mod.rs", "#[derive(utoipa::ToSchema)] struct S;");
        strays("daemon/mod.rs", "extern crate sled;");
        strays("daemon/mod.rs", "use sled as view;");
        strays("daemon/mod.rs", "use sled;");
        strays("daemon/mod.rs", "fn f() { ::sled::open(\"x\") }");
        strays("cli/demo/client.rs", "use hyper::server::conn::http1;");
        strays("http/mod.rs", "use hyper::{Request, client::conn::http1};");
        belongs("store/view.rs", "use sled::{self, Db}; fn f() -> sled::Result<()> { Ok(()) }");
        belongs("cli/demo.rs", "use rcgen::KeyPair;");
        belongs("cli/demo/pki.rs", "use rcgen::KeyPair; use hyper::{Request, client::conn::http1};");
    }

    #[test]
    fn a_name_that_only_looks_like_a_library_is_none() {
        belongs("mail/pool.rs", "use tokio::time; fn f() { time::sleep(ONE).await }");
        belongs("mail/pool.rs", "use tokio::{net, time::{self, timeout}}; fn f() { time::sleep(ONE).await }");
        belongs("domain/mod.rs", "pub mod time; pub use time::Clock;");
        belongs(
            "net/server_tls.rs",
            "use rustls::crypto::{CryptoProvider, aws_lc_rs}; fn f() { aws_lc_rs::default_provider() }",
        );
        belongs("config/mod.rs", "fn f(x: T) { x.toml::<U>(); std::time::Duration::ZERO; }");
    }

    #[test]
    fn a_domain_that_touches_the_world_is_a_fault() {
        let touches = |text| impure_domain(&invented(&[("domain/case.rs", text)])).len();
        assert_eq!(touches("use std::{fmt, fs::File};"), 1);
        assert_eq!(touches("async fn f() { tokio::task::yield_now().await }"), 1);
        assert_eq!(touches("fn f() { tracing::info!(\"x\") }"), 1);
        assert_eq!(touches("fn f() -> jiff::Timestamp { jiff::Timestamp::now() }"), 1);
        assert_eq!(touches("use serde::Serialize; use jiff::Timestamp; use std::collections::BTreeMap;"), 0);
        assert_eq!(impure_domain(&invented(&[("store/journal.rs", "use std::fs::File;")])), [""; 0]);
    }

    #[test]
    fn a_file_beyond_the_bound_is_a_fault_and_names_those_that_grow() {
        let file = |lines: usize| "fn f() {}\n".repeat(lines);
        let (long, growing) = (file(FILE_LINES_MAX + 1), file(FILE_LINES_WARNED));
        let faults = oversized_files(&invented(&[("a.rs", &long), ("b.rs", &growing), ("c.rs", "")]));
        assert_eq!(faults, ["a.rs: 601 lines without tests, too long", "b.rs: 500 lines without tests, growing"]);
        assert_eq!(oversized_files(&invented(&[("b.rs", &growing)])), [""; 0]);
    }

    #[test]
    fn inline_tests_do_not_make_a_file_long() {
        let text = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", "fn t() {}\n".repeat(FILE_LINES_MAX));
        assert_eq!(invented(&[("a.rs", &text)])[0].lines, 1);
    }

    #[test]
    fn a_library_that_the_tables_do_not_place_is_a_fault() {
        let complete: String = LIBRARIES
            .iter()
            .map(|(library, _)| library)
            .chain(EVERYWHERE)
            .filter(|library| !library.contains("::"))
            .map(|library| format!("{} = \"1\"\n", library.replace("webpki", "rustls-webpki")))
            .collect();
        let manifest = |more: &str| {
            format!("[package]\nname = \"x\"\n[dependencies]\n{complete}{more}[dev-dependencies]\ny = \"1\"\n")
        };
        assert_eq!(unplaced_libraries(&manifest("")), [""; 0]);
        assert_eq!(unplaced_libraries(&manifest("left-pad = \"1\"\n")), ["left_pad has no place in the tables"]);
        assert!(unplaced_libraries("[dependencies]\n").contains(&"sled is not in Cargo.toml".to_owned()));
    }

    #[test]
    fn a_ladder_that_is_told_otherwise_is_noticed() {
        let told =
            ladder_as_told("| rank | rooms |\n|---|---|\n| 1 | `store`, `mail` | two |\n| 0 | `domain` | words |\n");
        assert_eq!(told.len(), 2);
        assert_eq!(told[&1].iter().collect::<Vec<_>>(), ["mail", "store"]);
    }
}
