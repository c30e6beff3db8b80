//! Stories through the real program: the built `budkavle` is started on a region of its own and met at its doors, as
//! portals, staff, operators and strangers meet it. `common.rs` and `client.rs` are the stage; every other module tells
//! one kind of story. Nothing of the library is called: what these tests know is what anybody outside can see.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod asked;
mod bad_input;
mod card_test;
mod client;
mod common;
mod directory;
mod ldap;
mod letters;
mod lifecycle;
mod limits;
mod living;
mod operate;
mod outliving;
mod permissions;
mod probes;
mod public;
mod refused;
mod revoked;
mod sessions;
mod subscribing;
mod support;
mod told;
mod travels;
