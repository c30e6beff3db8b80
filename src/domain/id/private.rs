//! Texts about a person that must not be printed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text about a person that must not be printed: a name, a telephone number, an address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Private(String);

impl Private {
    pub fn new(text: String) -> Private {
        Private(text)
    }

    /// The text itself, for the one who may read it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•")
    }
}
