//! What operators bring in as files, and what the region's directory answers: the staff of the region, addresses of
//! subscribers. Reads and checks; stores nothing, replaces nothing.
//!
//! | file | holds |
//! |---|---|
//! | `csv_import` | a file of posts, every faulty row told with its cure |
//! | `ldif` | the same from the export of a directory |
//! | `ldap` | the same from the directory itself |
//! | `guard` | what the directory's server may send |
//! | `entry` | entries of a directory, and the posts that they tell of |
//! | `value` | what a value of a post has to be |
//! | `addresses` | a file of addresses with what they subscribe to |

pub mod addresses;
mod csv_import;
mod entry;
mod guard;
mod ldap;
pub mod ldif;
mod value;

pub use csv_import::{FaultyRows, import};
pub use entry::Attributes;
pub use ldap::{LdapError, LdapSettings, fetch, is_filter};
