//! The manual pages, made from the same grammar that reads the command line: packages write them when they are built.

use std::path::Path;

use clap::CommandFactory;

use super::grammar::Line;
use super::say::{complain, say};
use crate::exit::Exit;

/// Writes `budkavle.1` and a page for each command into a directory that is there.
pub fn write(dir: &Path) -> Exit {
    match clap_mangen::generate_to(Line::command(), dir) {
        Ok(()) => {
            say(&format!("manual pages written to {}", dir.display()));
            Exit::Ok
        }
        Err(error) => {
            complain(&format!("{}: {error}. Give a directory that is there and can be written to", dir.display()));
            Exit::CantCreate
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_shown_has_a_manual_page_that_says_what_it_does() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(write(dir.path()), Exit::Ok);
        let mut waiting = vec![("budkavle".to_owned(), Line::command())];
        while let Some((name, command)) = waiting.pop() {
            let page = std::fs::read_to_string(dir.path().join(format!("{name}.1"))).unwrap();
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty(), "{name} says nothing about itself");
            assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}");
            let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
            waiting.extend(shown.map(|sub| (format!("{name}-{}", sub.get_name()), sub.clone())));
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_told() {
        assert_eq!(write(Path::new("/nowhere/at/all")), Exit::CantCreate);
    }
}
