//! Budkavle: the gateway that carries a citizen's case to the clinic and the answer back.
//!
//! `accept → TLS → identity → admit → route → use case → store → outbox → SMTP`. Rooms import downwards only
//! (`tests/architecture.rs` keeps the ladder); `docs/architecture.md` draws the way of a case.

mod admin;
mod admit;
pub mod cli;
mod config;
mod crypto;
mod daemon;
mod directory;
mod domain;
mod exit;
mod fetch;
mod http;
mod identity;
mod jobs;
mod mail;
mod net;
mod notify;
mod outbox;
mod render;
mod signal;
mod store;
mod telemetry;
mod usecase;
