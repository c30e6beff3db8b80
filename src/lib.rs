//! Budkavle: the gateway that carries a citizen's case to the clinic and the answer back.

mod crypto;
mod directory;
mod domain;
mod identity;
mod mail;
mod net;
mod render;
mod store;
