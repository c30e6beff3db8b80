//! Programs of the Python environment that `tests/run` makes.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A program of the environment; none where there is no environment, which is told as a skipped test.
pub fn program(test: &str, name: &str) -> Option<Command> {
    let found = std::env::var_os("BUDKAVLE_PYTHON_BIN").map(|bin| PathBuf::from(bin).join(name));
    if let Some(path) = found.filter(|path| path.exists()) {
        return Some(Command::new(path));
    }
    let why = format!("no {name} where BUDKAVLE_PYTHON_BIN points");
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
    let is_allowed = std::env::var_os("BUDKAVLE_NOTHING_SKIPPED").is_none_or(|set| set != "1");
    assert!(is_allowed, "{test} may not be skipped: {why}");
    None
}

/// What the program writes when it reads `input`; it has to end well.
pub fn output(mut command: Command, input: &str) -> String {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let told = child.wait_with_output().unwrap();
    let said = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success(), "{said}\n{}", String::from_utf8_lossy(&told.stderr));
    said
}
