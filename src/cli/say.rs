//! Lines on the terminal. A reader that has gone away is no reason to panic.

use std::io::Write;

/// A line on standard output.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// A line on standard error.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
