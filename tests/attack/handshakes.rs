//! Handshakes that break one rule each: what the door answers has to be the alert that the RFC asks for.

use std::process::Command;

use serde_json::{Value, json};

use crate::common::Region;
use crate::doors_for_certificates;
use crate::python::{output, program};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/attack/handshakes.py");
const NAME: &str = "every_handshake_that_breaks_a_rule_ends_in_its_alert_and_serves_nothing";
/// More cases at a door than this; fewer, and the script has lost some.
const CASES_MIN: usize = 60;
pub const NO_LIMITS: &str = "[limits]
address-per-minute = 1000000
certificate-per-minute = 1000000
public-connection-per-minute = 1000000
card-test-per-minute = 1000000";

#[test]
fn every_handshake_that_breaks_a_rule_ends_in_its_alert_and_serves_nothing() {
    let Some(mut python) = program(NAME, "python") else { return };
    python.arg(SCRIPT);
    let gateway = Region::prepare().with(NO_LIMITS).run();
    let path = |name: &str| gateway.region.path(name).to_str().unwrap().to_owned();
    let doors = doors_for_certificates(&gateway).map(|(door, address, identity)| {
        json!({
            "door": door,
            "port": address.port(),
            "certificate": path(&format!("{identity}.pem")),
            "key": path(&format!("{identity}.key")),
            "other_key": path("tls/stranger.key"),
        })
    });
    let told = run(python, &json!(doors));
    for (door, ..) in doors_for_certificates(&gateway) {
        let cases: Vec<_> = told.iter().filter(|case| case["door"] == door).collect();
        assert!(cases.len() > CASES_MIN, "{door}: {}", cases.len());
        for case in cases {
            let awaited = case["awaited"].as_array().unwrap();
            assert!(awaited.contains(&case["told"]), "{case}");
        }
    }
    assert!(!gateway.log().contains("panic"), "{}", gateway.log());
}

fn run(python: Command, doors: &Value) -> Vec<Value> {
    output(python, &doors.to_string()).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
