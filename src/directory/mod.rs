//! What operators bring in as files: the staff of the region, addresses of subscribers. Reads and checks; stores nothing,
//! replaces nothing.
//!
//! | file | holds |
//! |---|---|
//! | `csv_import` | a file of posts, every faulty row told with its cure |
//! | `addresses` | a file of addresses with what they subscribe to |

pub mod addresses;
mod csv_import;

pub use csv_import::{FaultyRows, Import, import};
