//! A real Chromium reads and uses the pages of the real gateway: rules of accessibility, keyboard, width, print, live
//! update, the way from subscribing to leaving. What it does is in `pages.mjs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test, what must hold is asserted")]

#[path = "../gateway/client.rs"]
#[allow(dead_code, reason = "other stories call the rest")]
mod client;
#[path = "../gateway/common.rs"]
#[allow(dead_code, reason = "other stories call the rest")]
mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Gateway, received};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
const NAME: &str = "people_read_and_use_the_pages_in_a_real_browser";

#[test]
fn people_read_and_use_the_pages_in_a_real_browser() {
    let scratch = tempfile::tempdir().unwrap();
    let chromium = match (found("chromium"), prepared(scratch.path())) {
        (Ok(chromium), Ok(())) => chromium,
        (Err(why), _) | (_, Err(why)) => return skip(&why),
    };
    let gateway = Gateway::start();
    // Something waits in the staff's inbox.
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        for key in ["1", "2"] {
            received(&gateway.portal(), key).await;
        }
    });
    let told = Command::new("node")
        .args(["--test", "--test-reporter=spec", "pages.mjs"])
        .current_dir(scratch.path())
        .env("BUDKAVLE_BINARY", env!("CARGO_BIN_EXE_budkavle"))
        .env("BUDKAVLE_CONFIG", gateway.region.config())
        .env("BUDKAVLE_URL", format!("https://localhost:{}", gateway.public_door.port()))
        .env("BUDKAVLE_STAFF_URL", format!("https://localhost:{}", gateway.staff_door.port()))
        .env("BUDKAVLE_CARD_TEST_URL", format!("https://localhost:{}", gateway.card_test_door.unwrap().port()))
        .env("BUDKAVLE_CARDS", gateway.region.path("cards"))
        .env("BUDKAVLE_MAIL", gateway.region.path("mail"))
        .env("BUDKAVLE_CHROMIUM", chromium)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&told.stdout);
    println!("{said}");
    assert!(told.status.success(), "{said}\n{}", String::from_utf8_lossy(&told.stderr));
}

/// Script and libraries in a directory of their own: nothing is left in the tree.
fn prepared(dir: &Path) -> Result<(), String> {
    found("node")?;
    for name in ["package.json", "package-lock.json", "pages.mjs"] {
        fs::copy(Path::new(HERE).join(name), dir.join(name)).unwrap();
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-fund", "--no-audit"]).current_dir(dir);
    match npm.output() {
        Ok(told) if told.status.success() => Ok(()),
        Ok(told) => Err(format!("npm ci: {}", String::from_utf8_lossy(&told.stderr))),
        Err(error) => Err(format!("npm: {error}")),
    }
}

fn found(program: &str) -> Result<String, String> {
    let told = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output().unwrap();
    let path = String::from_utf8(told.stdout).unwrap().trim().to_owned();
    if path.is_empty() { Err(format!("no {program} here")) } else { Ok(path) }
}

/// A test that cannot run here says so by name; where nothing may be skipped it fails.
fn skip(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED {NAME}: {why}");
    let is_allowed = std::env::var_os("BUDKAVLE_NOTHING_SKIPPED").is_none_or(|set| set != "1");
    assert!(is_allowed, "{NAME} may not be skipped: {why}");
}
