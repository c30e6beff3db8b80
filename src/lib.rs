//! Budkavle: the gateway that carries a citizen's case to the clinic and the answer back.

mod admin;
mod admit;
mod config;
mod crypto;
mod daemon;
mod directory;
mod domain;
mod exit;
mod fetch;
mod http;
mod identity;
mod mail;
mod net;
mod notify;
mod outbox;
mod render;
mod signal;
mod store;
mod telemetry;
mod usecase;
