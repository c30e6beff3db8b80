//! Commands to a running gateway, through its admin socket.

use std::path::PathBuf;

use serde_json::Value;

use super::grammar::{
    Ask, Command as Line, DirectoryAct, FileAct, LogAct, OutboxAct, PortalAct, RoleAct, RoleOf, Which,
};
use super::region::{self, RegionError};
use super::say::{complain, say};
use super::status;
use super::subscriber;
use super::support::{self, ClinicAct};
use super::typed_hsa_id;
use crate::admin::{self, Command, DirectoryCommand, LogStore, Reply};
use crate::config::Config;
use crate::domain::clinic::{Channel, Clinic, Portal, Role, Scope};
use crate::exit::Exit;

pub async fn run(line: Line) -> Exit {
    match commands(line) {
        Ok((commands, ask)) => give(commands, &ask, show).await,
        Err(exit) => exit,
    }
}

/// Gives commands to the running gateway, one after the other until one is refused, and shows each reply.
pub(super) async fn give(commands: Vec<Command>, ask: &Ask, show: fn(&Value, bool)) -> Exit {
    let socket = match socket(ask) {
        Ok(socket) => socket,
        Err(exit) => return exit,
    };
    for command in commands {
        match admin::ask(&socket, &command).await {
            Ok(Reply::Done(value)) => show(&value, ask.json),
            Ok(Reply::Refused(reason)) => {
                complain(&reason);
                return Exit::Invalid;
            }
            Err(error) => {
                complain(&format!("{}: {error}. Is the gateway running?", socket.display()));
                return Exit::Unavailable;
            }
        }
    }
    Exit::Ok
}

pub(super) fn socket(ask: &Ask) -> Result<PathBuf, Exit> {
    match &ask.socket {
        Some(socket) => Ok(socket.clone()),
        None => Config::load(&ask.config).map(|c| c.admin_socket).map_err(|e| super::config_fault(&e)),
    }
}

/// What a line asks of the running gateway, and how to reach it.
pub(super) fn commands(line: Line) -> Result<(Vec<Command>, Ask), Exit> {
    let line = match status::Act::of(line) {
        Ok(act) => return status::commands(act),
        Err(line) => *line,
    };
    Ok(match line {
        Line::Status(ask) => (vec![Command::Status], ask),
        Line::Verify(ask) => (vec![Command::Verify], ask),
        Line::Clinic { act: ClinicAct::Connect { order, make, by, ask } } => {
            support::clinic_connect(&order, make, by, ask)?
        }
        Line::Clinic { act: ClinicAct::File(FileAct::List(ask)) } => (vec![Command::ClinicList], ask),
        Line::Clinic { act: ClinicAct::File(FileAct::Put { file, ask }) } => {
            let clinics: Vec<Clinic> = region::read_entries(&file).map_err(|e| unfit(&e))?;
            (clinics.into_iter().map(|clinic| Command::ClinicPut { clinic: Box::new(clinic) }).collect(), ask)
        }
        Line::CaseType { act: FileAct::List(ask) } => (vec![Command::CaseTypeList], ask),
        Line::CaseType { act: FileAct::Put { file, ask } } => {
            let types = region::read_case_types(&file).map_err(|e| unfit(&e))?;
            let put = |case_type| Command::CaseTypePut { case_type: Box::new(case_type) };
            (types.into_iter().map(put).collect(), ask)
        }
        Line::Role { act } => role(act)?,
        Line::Portal { act } => portal(act)?,
        Line::Directory { act: DirectoryAct::Import { file, whole, accept_loss, skip_faulty, ask } } => {
            // Without a readable configuration the socket has to be given; the names are the schema's then.
            let attributes = Config::load(&ask.config).map(|config| config.directory.attributes).unwrap_or_default();
            let staff = region::read_directory(&file, &attributes, skip_faulty).map_err(|e| unfit(&e))?;
            staff.faults.iter().for_each(|fault| complain(&format!("left out: {fault}")));
            (vec![Command::DirectoryImport { posts: staff.posts, whole, accept_loss }], ask)
        }
        Line::Directory { act: DirectoryAct::Refresh { accept_loss, ask } } => {
            (vec![Command::Directory(DirectoryCommand::Refresh { accept_loss })], ask)
        }
        Line::Directory { act: DirectoryAct::Status(ask) } => (vec![Command::Directory(DirectoryCommand::Status)], ask),
        Line::Support { act } => support::desk(act)?,
        Line::Service { act } => support::services(act)?,
        Line::Ticket { act } => support::tickets(act)?,
        Line::Faq { act } => support::faq(act)?,
        Line::Probe { act } => super::probe::commands(act)?,
        Line::Notice { act } => super::notice::notices(act),
        Line::Bounce { act } => super::notice::bounces(act)?,
        Line::Outbox { act } => match act {
            OutboxAct::List(ask) => (vec![Command::OutboxList], ask),
            OutboxAct::Resend { letter, ask } => (vec![Command::OutboxResend { letter }], ask),
            OutboxAct::Drop { letter, reason, ask } => (vec![Command::OutboxDrop { letter, reason }], ask),
        },
        Line::AccessLog { act: LogAct::List { store, after, limit, ask } } => {
            let store = match store {
                Which::Cases => LogStore::Cases,
                Which::Common => LogStore::Common,
            };
            (vec![Command::AccessLog { store, after, limit }], ask)
        }
        Line::Subscriber { act } => subscriber::commands(act)?,
        // These never come here: they need no running gateway.
        Line::Run { .. }
        | Line::ServeSnapshot { .. }
        | Line::RenewSnapshot { .. }
        | Line::Demo { .. }
        | Line::Check { .. }
        | Line::Man { .. } => return Err(Exit::Usage),
        // These have been taken above.
        Line::Component { .. }
        | Line::Group { .. }
        | Line::Incident { .. }
        | Line::Maintenance { .. }
        | Line::Series { .. }
        | Line::Pending { .. }
        | Line::Clock { .. } => return Err(Exit::Usage),
    })
}

fn role(act: RoleAct) -> Result<(Vec<Command>, Ask), Exit> {
    let of = |of: &RoleOf| -> Result<_, Exit> {
        let role = Role::parse(&of.role).ok_or_else(|| {
            let known: Vec<_> = Role::ALL.iter().map(|r| r.as_str()).collect();
            complain(&format!("{}: a role is one of {}", of.role, known.join(", ")));
            Exit::Usage
        })?;
        Ok((typed_hsa_id(&of.clinic)?, typed_hsa_id(&of.person)?, role))
    };
    Ok(match act {
        RoleAct::Grant(r) => {
            let (clinic, person, role) = of(&r)?;
            (vec![Command::RoleGrant { clinic, person, role }], r.ask)
        }
        RoleAct::Revoke(r) => {
            let (clinic, person, role) = of(&r)?;
            (vec![Command::RoleRevoke { clinic, person, role }], r.ask)
        }
        RoleAct::List { clinic, ask } => {
            let clinic = clinic.map(|text| typed_hsa_id(&text)).transpose()?;
            (vec![Command::RoleList { clinic }], ask)
        }
    })
}

fn portal(act: PortalAct) -> Result<(Vec<Command>, Ask), Exit> {
    let scope = |names: Vec<String>| match names.is_empty() {
        true => Scope::All,
        false => Scope::Only(names.into_iter().collect()),
    };
    Ok(match act {
        PortalAct::List(ask) => (vec![Command::PortalList], ask),
        PortalAct::Add { hsa_id, name, channel, clinics, case_types, suspended, ask } => {
            let channel = match channel.as_str() {
                "citizen" => Channel::Citizen,
                "staff" => Channel::Staff,
                other => {
                    complain(&format!("{other}: a channel is citizen or staff"));
                    return Err(Exit::Usage);
                }
            };
            let clinics = clinics.iter().map(|c| typed_hsa_id(c).map(|id| id.to_string())).collect::<Result<_, _>>()?;
            let portal = Portal {
                hsa_id: typed_hsa_id(&hsa_id)?,
                name,
                channel,
                clinics: scope(clinics),
                case_types: scope(case_types),
                suspended,
            };
            (vec![Command::PortalPut { portal: Box::new(portal) }], ask)
        }
    })
}

pub fn unfit(error: &RegionError) -> Exit {
    complain(&error.to_string());
    Exit::DataErr
}

/// JSON for programs; for people a line a value, lists one block an entry.
pub(super) fn show(value: &Value, json: bool) {
    if json {
        say(&value.to_string());
        return;
    }
    match value {
        Value::Array(entries) if entries.is_empty() => say("none"),
        Value::Array(entries) => {
            for entry in entries {
                show_members(entry, "");
                say("");
            }
        }
        value => show_members(value, ""),
    }
}

fn show_members(value: &Value, prefix: &str) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                show_members(member, &path);
            }
        }
        Value::String(text) => say(&format!("{prefix:<34} {text}")),
        Value::Array(items) if items.is_empty() => say(&format!("{prefix:<34} none")),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().for_each(|item| show_members(item, prefix));
        }
        other => say(&format!("{prefix:<34} {other}")),
    }
}
