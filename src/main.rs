//! The doorway: parse, do, tell the shell how it went.

use std::process::ExitCode;

fn main() -> ExitCode {
    budkavle::cli::run().into()
}
