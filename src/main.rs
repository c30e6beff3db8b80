//! The doorway: parse, do, tell the shell how it went.

fn main() {}
