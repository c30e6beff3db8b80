//! The staff of the region, imported from its directory. Reads and checks; stores nothing, replaces nothing.
//!
//! | file | holds |
//! |---|---|
//! | `csv_import` | a file of posts, every faulty row told with its cure |

mod csv_import;

pub use csv_import::{FaultyRows, Import, import};
