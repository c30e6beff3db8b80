//! The words and rules of the gateway, pure: no async, no I/O, no clock, no HTTP, no TLS, no sled.
//!
//! | Swedish | here | meaning |
//! |---|---|---|
//! | mottagning | clinic | a care unit, keyed by HSA-id |
//! | ärende | case | one errand at one clinic |
//! | ärendetyp | case type | what may be sent in: forms, terms, promised times |
//! | frågeformulär, svarsformulär | question form, answer form | FHIR R4 `Questionnaire` |
//! | ärendemottagare | receiver | sees all the clinic's cases, distributes them |
//! | vårdgivare, ärendehanterare | handler | sees own cases, answers them |
//! | lokal administratör | clinic administrator | roles, case types, texts of a clinic |
//! | verksamhetschef | clinic manager | answers for the routines |
//! | granskare | log reviewer | reads the access log |
//! | invånare, ombud | citizen, representative | |
//! | fördela | distribute | |
//! | delsvar, motfråga | interim answer, counter-question | |
//! | driftstörning, servicefönster | incident, maintenance | |
//! | felanmälan, användarstöd, beställning | fault report, user support, order | the three kinds of support ticket |

pub mod calendar;
pub mod card;
pub mod case;
pub mod clinic;
pub mod expiry;
pub mod faq;
pub mod form;
pub mod id;
pub mod json;
pub mod language;
pub mod letter;
pub mod mail_address;
pub mod policy;
pub mod rejection;
pub mod staff;
pub mod status;
pub mod support;
pub mod ticket;
pub mod time;
