//! Identifiers, parsed once into types: staff and systems (`hsa`), organisations, citizens (`person`: the register and the
//! number in it). Those of citizens mask themselves wherever they might be printed.

mod civic;
mod hsa;
mod in_text;
mod organisation;
mod pasted;
mod person;
mod private;
mod register;
mod reserve;
#[cfg(test)]
mod tests;

pub use hsa::HsaId;
pub use in_text::holds_person_id;
pub use organisation::OrganisationNumber;
pub use person::{PersonId, Recognised, recognise};
pub use private::Private;
pub use register::PersonIdSystem;
