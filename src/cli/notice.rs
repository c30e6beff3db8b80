//! `budkavle notice` and `budkavle bounce`: what became of notices, and what came back of them.

use std::io::Read;

use clap::Subcommand;

use super::grammar::Ask;
use super::say::complain;
use crate::admin::{Command, NoticeCommand};
use crate::exit::Exit;

/// Larger letters are no reports about ours, in bytes.
const LETTER_BYTES_MAX: u64 = 1 << 20;

#[derive(Subcommand)]
pub enum NoticeAct {
    /// The latest notices: to how many they went, and what became of each.
    List(Ask),
    /// What became of one notice.
    Show {
        /// Its number, as the list has it.
        seq: u64,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Subcommand)]
pub enum BounceAct {
    /// Read a letter that came back from standard input, and do what follows from it.
    Read(Ask),
}

pub fn notices(act: NoticeAct) -> (Vec<Command>, Ask) {
    let (command, ask) = match act {
        NoticeAct::List(ask) => (NoticeCommand::List, ask),
        NoticeAct::Show { seq, ask } => (NoticeCommand::Show { seq }, ask),
    };
    (vec![Command::Notice(command)], ask)
}

pub fn bounces(act: BounceAct) -> Result<(Vec<Command>, Ask), Exit> {
    let BounceAct::Read(ask) = act;
    let mut letter = Vec::new();
    if let Err(error) = std::io::stdin().take(LETTER_BYTES_MAX + 1).read_to_end(&mut letter) {
        complain(&format!("standard input: {error}"));
        return Err(Exit::Invalid);
    }
    // Reports are ASCII where it matters; what is not may be anything.
    let letter = String::from_utf8_lossy(&letter).into_owned();
    Ok((vec![Command::Notice(NoticeCommand::Returned { letter })], ask))
}
