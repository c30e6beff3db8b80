//! What comes in from outside, held to `deny.toml` without any tool: no banned crate is built, every licence is allowed,
//! everything is from the official registry. `cargo deny check` says the same and more.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::process::Command;

const OFFICIAL: &str = "registry+https://github.com/rust-lang/";

struct Rules {
    banned: BTreeSet<String>,
    allowed: BTreeSet<String>,
}

/// The names in double quotes of a section of `deny.toml`.
fn rules() -> Rules {
    let text = include_str!("../deny.toml");
    let quoted = |line: &str| line.split('"').nth(1).map(str::to_owned);
    let section = |name: &str| {
        let start = text.split_once(&format!("\n[{name}]")).unwrap().1;
        start.split("\n[").next().unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let banned = section("bans").iter().filter(|l| l.contains("{ crate =")).filter_map(|l| quoted(l)).collect();
    let licences = section("licenses");
    let after = licences.iter().skip_while(|l| !l.starts_with("allow = [")).skip(1);
    let allowed = after.take_while(|l| !l.starts_with(']')).filter_map(|l| quoted(l)).collect();
    Rules { banned, allowed }
}

/// An SPDX expression is met when one of its alternatives has only allowed parts.
fn met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let plain = expression.replace(['(', ')'], " ").replace('/', " OR ");
    plain.split(" OR ").any(|alternative| {
        alternative.split(" AND ").all(|part| allowed.contains(part.trim().split(" WITH ").next().unwrap()))
    })
}

/// Name and licence of every crate that a build of ours compiles.
fn built() -> BTreeSet<(String, String)> {
    let cargo = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}|{l}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let text = String::from_utf8(cargo.stdout).unwrap();
    let line = |line: &str| {
        let (package, licence) = line.split_once('|')?;
        Some((package.split(' ').next()?.to_owned(), licence.trim_end_matches(" (*)").to_owned()))
    };
    text.lines().filter_map(line).collect()
}

#[test]
fn no_banned_crate_is_built_and_every_licence_is_allowed() {
    let Rules { banned, allowed } = rules();
    assert!(banned.contains("openssl-sys") && allowed.contains("MIT"), "deny.toml was not understood");
    let crates = built();
    assert!(crates.len() > 100);
    for (name, licence) in &crates {
        assert!(!banned.contains(name), "{name} is banned");
        assert!(met(licence, &allowed), "{name}: {licence:?} is not allowed");
    }
}

#[test]
fn everything_comes_from_the_official_registry() {
    let lock = include_str!("../Cargo.lock");
    let sources: Vec<_> = lock.lines().filter_map(|line| line.strip_prefix("source = \"")).collect();
    assert!(sources.len() > 100);
    for source in sources {
        assert!(source.starts_with(OFFICIAL), "{source}");
    }
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed: BTreeSet<String> = ["MIT".to_owned(), "ISC".to_owned()].into();
    for (expression, good) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("MIT AND GPL-3.0", false),
        ("MIT/Apache-2.0", true),
        ("(MIT AND ISC)", true),
        ("", false),
    ] {
        assert_eq!(met(expression, &allowed), good, "{expression}");
    }
}
