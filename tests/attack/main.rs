//! Attacks on the real program, as strangers, thieves of certificates and rude clients make them at its doors. Each must
//! end in the refusal that its rule asks for, and never in a request that is served.
//!
//! `handshakes.py` breaks TLS with tlslite-ng and `scan.rs` has sslyze look at every door. Both live in a Python
//! environment whose `bin` directory `BUDKAVLE_PYTHON_BIN` names; `tests/run` makes it. Without it they are skipped by
//! name. Everything else needs nothing.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "../gateway/client.rs"]
#[allow(dead_code, reason = "other stories call the rest")]
mod client;
#[path = "../gateway/common.rs"]
#[allow(dead_code, reason = "other stories call the rest")]
mod common;
mod flood;
mod handshakes;
mod python;
mod scan;
mod smuggling;
mod thief;
mod timing;

use std::net::SocketAddr;

/// Every door that asks for certificates, with the pair of somebody who gets an answer there.
fn doors_for_certificates(gateway: &common::Gateway) -> [(&'static str, SocketAddr, &'static str); 3] {
    [
        ("portal", gateway.portal_door, "tls/portal"),
        ("staff", gateway.staff_door, "cards/receiver"),
        ("card-test", gateway.card_test_door.expect("the demo has one"), "cards/telia"),
    ]
}
