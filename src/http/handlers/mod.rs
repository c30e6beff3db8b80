//! Handlers: each reads its call, asks a use case and gives the answer its shape. Rules live elsewhere.

pub mod card_test;
pub mod cases;
pub mod clinics;
pub mod components;
pub mod faq;
pub mod feed;
pub mod live;
pub mod meta;
pub mod notices;
pub mod probes;
pub mod staff;
pub mod staff_pages;
pub mod status;
pub mod subscribe;
pub mod subscribe_pages;
pub mod support_pages;
pub mod tickets;
