//! `budkavle probe`: what looks at services by itself.

use std::path::PathBuf;

use clap::Subcommand;

use super::grammar::Ask;
use super::{operate, region};
use crate::admin::{Command, ProbeCommand};
use crate::domain::status::probe::ProbeSettings;
use crate::exit::Exit;

#[derive(Subcommand)]
pub enum ProbeAct {
    /// Add or change what the JSON file holds. A new heartbeat's token is told once.
    Put {
        file: PathBuf,
        #[command(flatten)]
        ask: Ask,
    },
    /// All that there are, and what they see.
    List(Ask),
    /// Look no more, until resumed. An incident that it opened is left to you.
    Pause(ProbeOf),
    /// Look again.
    Resume(ProbeOf),
    /// Forget the probe. An incident that it opened is left to you.
    Remove(ProbeOf),
    /// Look now; the result counts.
    Check(ProbeOf),
}

#[derive(clap::Args)]
pub struct ProbeOf {
    slug: String,
    #[command(flatten)]
    ask: Ask,
}

pub fn commands(act: ProbeAct) -> Result<(Vec<Command>, Ask), Exit> {
    let (commands, ask) = match act {
        ProbeAct::Put { file, ask } => {
            let probes: Vec<ProbeSettings> = region::read_entries(&file).map_err(|e| operate::unfit(&e))?;
            (probes.into_iter().map(|probe| ProbeCommand::Put { probe: Box::new(probe) }).collect(), ask)
        }
        ProbeAct::List(ask) => (vec![ProbeCommand::List], ask),
        ProbeAct::Pause(of) => (vec![ProbeCommand::Pause { slug: of.slug }], of.ask),
        ProbeAct::Resume(of) => (vec![ProbeCommand::Resume { slug: of.slug }], of.ask),
        ProbeAct::Remove(of) => (vec![ProbeCommand::Remove { slug: of.slug }], of.ask),
        ProbeAct::Check(of) => (vec![ProbeCommand::Check { slug: of.slug }], of.ask),
    };
    Ok((commands.into_iter().map(Command::Probe).collect(), ask))
}
