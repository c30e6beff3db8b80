//! The shapes on the wire: what comes in, strictly, and what goes out. The API changes here and nowhere else.

pub mod card_test;
pub mod case;
pub mod faq;
pub mod notice;
pub mod portal;
pub mod region;
pub mod status;
pub mod status_view;
pub mod subscribe;
pub mod subscribe_form;
pub mod ticket;
pub mod ticket_form;
mod ticket_questions;
