//! The support's commands: who it is, what it answers for, its tickets, the questions asked often.

use clap::Subcommand;
use uuid::Uuid;

use super::grammar::{Ask, FileAct};
use super::operate::unfit;
use super::say::complain;
use super::{region, typed_hsa_id};
use crate::admin::{Command, SupportCommand};
use crate::domain::faq::FaqEntry;
use crate::domain::support::{SupportDesk, SupportService};
use crate::domain::ticket::TicketNumber;
use crate::exit::Exit;

#[derive(Subcommand)]
pub(super) enum ClinicAct {
    #[command(flatten)]
    File(FileAct),
    /// Make a clinic of the order that a ticket holds, and answer it. Shows what would be made until told to make it.
    Connect {
        /// The ticket's number: S-2026-000123.
        order: String,
        /// Make it.
        #[arg(long)]
        make: bool,
        /// Who of the support answers, when nobody has taken the ticket.
        #[arg(long, value_name = "HSA-ID")]
        by: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Subcommand)]
pub(super) enum TicketAct {
    /// Those that wait for somebody, most urgent promise first; nothing of what was written.
    List(Ask),
    /// Say which disturbance a ticket belongs to: its reporter is told when that is over.
    Tie {
        /// The ticket's number: S-2026-000123.
        ticket: String,
        /// None takes the tie away.
        incident: Option<Uuid>,
        #[command(flatten)]
        ask: Ask,
    },
}

pub(super) fn clinic_connect(
    order: &str,
    make: bool,
    by: Option<String>,
    ask: Ask,
) -> Result<(Vec<Command>, Ask), Exit> {
    let by = by.map(|text| typed_hsa_id(&text)).transpose()?;
    Ok(one(SupportCommand::ClinicConnect { order: typed_number(order)?, by, make }, ask))
}

pub(super) fn desk(act: FileAct) -> Result<(Vec<Command>, Ask), Exit> {
    Ok(match act {
        FileAct::List(ask) => one(SupportCommand::DeskShow, ask),
        FileAct::Put { file, ask } => {
            let desk: SupportDesk = region::read_json(&file).map_err(|e| unfit(&e))?;
            one(SupportCommand::DeskPut { desk: Box::new(desk) }, ask)
        }
    })
}

pub(super) fn services(act: FileAct) -> Result<(Vec<Command>, Ask), Exit> {
    Ok(match act {
        FileAct::List(ask) => one(SupportCommand::ServiceList, ask),
        FileAct::Put { file, ask } => {
            let services: Vec<SupportService> = region::read_entries(&file).map_err(|e| unfit(&e))?;
            many(services, |service| SupportCommand::ServicePut { service }, ask)
        }
    })
}

pub(super) fn faq(act: FileAct) -> Result<(Vec<Command>, Ask), Exit> {
    Ok(match act {
        FileAct::List(ask) => one(SupportCommand::FaqList, ask),
        FileAct::Put { file, ask } => {
            let entries: Vec<FaqEntry> = region::read_entries(&file).map_err(|e| unfit(&e))?;
            many(entries, |entry| SupportCommand::FaqPut { entry: Box::new(entry) }, ask)
        }
    })
}

pub(super) fn tickets(act: TicketAct) -> Result<(Vec<Command>, Ask), Exit> {
    Ok(match act {
        TicketAct::List(ask) => one(SupportCommand::TicketList, ask),
        TicketAct::Tie { ticket, incident, ask } => {
            one(SupportCommand::TicketTie { ticket: typed_number(&ticket)?, incident }, ask)
        }
    })
}

fn one(command: SupportCommand, ask: Ask) -> (Vec<Command>, Ask) {
    (vec![Command::Support(command)], ask)
}

fn many<T>(items: Vec<T>, command: impl Fn(T) -> SupportCommand, ask: Ask) -> (Vec<Command>, Ask) {
    (items.into_iter().map(|item| Command::Support(command(item))).collect(), ask)
}

fn typed_number(text: &str) -> Result<TicketNumber, Exit> {
    TicketNumber::parse(text).map_err(|error| {
        complain(&format!("{text}: {error}"));
        Exit::Usage
    })
}
