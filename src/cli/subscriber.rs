//! Commands about subscribers. An address is typed on standard input: arguments are seen by everybody on the machine.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::grammar::Ask;
use super::say::complain;
use crate::admin::{Command, ImportLine, ListFile, SubscriberCommand};
use crate::directory::addresses;
use crate::domain::mail_address::MailAddress;
use crate::domain::status::Audience;
use crate::domain::status::subject::Impact;
use crate::exit::Exit;

/// Addresses of one command: the daemon is never busy with one for long.
const ADDRESSES_A_COMMAND: usize = 2_000;
/// Longest standard input, in bytes.
const INPUT_BYTES_MAX: u64 = 32 << 20;

#[derive(Subcommand)]
pub enum SubscriberAct {
    /// How many there are, by audience and state.
    Count(Ask),
    /// What is kept of an address, which is read from standard input. The reading is logged.
    Show(Ask),
    /// Forget an address, read from standard input, at once, as its owner asked.
    Forget(Ask),
    /// Never mail an address again, read from standard input; only a keyed hash of it stays.
    Suppress(Ask),
    /// Let a suppressed address, read from standard input, be mailed again.
    Allow(Ask),
    /// Take over addresses that were confirmed elsewhere. Brings nobody back who left.
    Import {
        /// A CSV file with the header address,language,targets,dailyAt; - reads standard input.
        file: PathBuf,
        /// The system that had them, kept as evidence of the consent.
        #[arg(long)]
        source: String,
        /// Each of them has been confirmed by its owner.
        #[arg(long, required = true)]
        confirmed: bool,
        #[arg(long, value_enum, default_value_t = Whose::Staff)]
        audience: Whose,
        /// Import the sound rows although others are faulty.
        #[arg(long)]
        skip_faulty: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// The region's own lists, which are not left by a slip of the hand.
    List {
        #[command(subcommand)]
        act: ListAct,
    },
}

#[derive(Subcommand)]
pub enum ListAct {
    /// Make a list, or change what it chooses. Its owner's address is read from standard input.
    Create(NewList),
    /// All lists.
    All(Ask),
    /// Who is on a list. The reading is logged.
    Show {
        list: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Put addresses on a list, one a line.
    Add(Members),
    /// Take addresses off a list, one a line.
    Remove(Members),
    /// Put the addresses of a CSV file on a list; its first column is read.
    Import(Members),
}

#[derive(Args)]
pub struct NewList {
    /// a-z, digits and single hyphens
    list: String,
    /// As its members read it.
    #[arg(long)]
    title: String,
    #[arg(long, value_enum, default_value_t = Whose::Staff)]
    audience: Whose,
    /// A component's slug, or group:SLUG; repeat, or leave out for everything.
    #[arg(long = "target")]
    targets: Vec<String>,
    /// Incidents of less impact are not told.
    #[arg(long, value_enum, default_value_t = Least::None)]
    least_impact: Least,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct Members {
    list: String,
    /// - reads standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Whose {
    Staff,
    Public,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Least {
    None,
    Minor,
    Major,
    Critical,
}

/// What the daemon is to be told.
pub fn commands(act: SubscriberAct) -> Result<(Vec<Command>, Ask), Exit> {
    let (acts, ask) = match act {
        SubscriberAct::Count(ask) => (vec![SubscriberCommand::Count], ask),
        SubscriberAct::Show(ask) => (vec![SubscriberCommand::Show { address: typed_address()? }], ask),
        SubscriberAct::Forget(ask) => (vec![SubscriberCommand::Forget { address: typed_address()? }], ask),
        SubscriberAct::Suppress(ask) => (vec![SubscriberCommand::Suppress { address: typed_address()? }], ask),
        SubscriberAct::Allow(ask) => (vec![SubscriberCommand::Allow { address: typed_address()? }], ask),
        SubscriberAct::Import { file, source, audience, skip_faulty, ask, .. } => {
            (import(&file, &source, audience, skip_faulty)?, ask)
        }
        SubscriberAct::List { act } => list(act)?,
    };
    Ok((acts.into_iter().map(|act| Command::Subscriber { act }).collect(), ask))
}

fn list(act: ListAct) -> Result<(Vec<SubscriberCommand>, Ask), Exit> {
    Ok(match act {
        ListAct::Create(NewList { list, title, audience, targets, least_impact, ask }) => {
            let least_impact = match least_impact {
                Least::None => Impact::None,
                Least::Minor => Impact::Minor,
                Least::Major => Impact::Major,
                Least::Critical => Impact::Critical,
            };
            let owner = typed_address()?;
            let list = ListFile { slug: list, title, audience: whose(audience), owner, targets, least_impact };
            (vec![SubscriberCommand::ListPut { list: Box::new(list) }], ask)
        }
        ListAct::All(ask) => (vec![SubscriberCommand::Lists], ask),
        ListAct::Show { list, ask } => (vec![SubscriberCommand::ListShow { list }], ask),
        ListAct::Add(Members { list, file, ask }) => {
            let add = |addresses| SubscriberCommand::ListAdd { list: list.clone(), addresses };
            (portions(lines(&file)?, add), ask)
        }
        ListAct::Remove(Members { list, file, ask }) => {
            let remove = |addresses| SubscriberCommand::ListRemove { list: list.clone(), addresses };
            (portions(lines(&file)?, remove), ask)
        }
        ListAct::Import(Members { list, file, ask }) => {
            let addresses = rows(&file, false)?.into_iter().map(|row| row.address).collect();
            let add = |addresses| SubscriberCommand::ListAdd { list: list.clone(), addresses };
            (portions(addresses, add), ask)
        }
    })
}

fn whose(whose: Whose) -> Audience {
    match whose {
        Whose::Staff => Audience::Staff,
        Whose::Public => Audience::Public,
    }
}

fn portions(
    addresses: Vec<MailAddress>,
    command: impl Fn(Vec<MailAddress>) -> SubscriberCommand,
) -> Vec<SubscriberCommand> {
    addresses.chunks(ADDRESSES_A_COMMAND).map(|portion| command(portion.to_vec())).collect()
}

fn import(file: &Path, source: &str, audience: Whose, skip_faulty: bool) -> Result<Vec<SubscriberCommand>, Exit> {
    let lines: Vec<ImportLine> = rows(file, skip_faulty)?
        .into_iter()
        .map(|row| {
            let addresses::AddressRow { line, address, language, targets, mode } = row;
            ImportLine { line, address, language, targets, mode }
        })
        .collect();
    let (source, audience) = (source.to_owned(), whose(audience));
    let portion =
        |rows: &[ImportLine]| SubscriberCommand::Import { source: source.clone(), audience, rows: rows.to_vec() };
    Ok(lines.chunks(ADDRESSES_A_COMMAND).map(portion).collect())
}

fn rows(file: &Path, skip_faulty: bool) -> Result<Vec<addresses::AddressRow>, Exit> {
    let (rows, faults) = addresses::read(&bytes(file)?).map_err(|error| unfit(file, &error.to_string()))?;
    for (line, fault) in &faults {
        complain(&format!("{}: line {line}: {fault}", file.display()));
    }
    if faults.is_empty() || skip_faulty { Ok(rows) } else { Err(Exit::DataErr) }
}

/// Addresses one a line; empty lines are passed over.
fn lines(file: &Path) -> Result<Vec<MailAddress>, Exit> {
    let text = String::from_utf8(bytes(file)?).map_err(|_| unfit(file, "is not UTF-8 text"))?;
    let (mut addresses, mut is_sound) = (Vec::new(), true);
    for (line, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        match MailAddress::parse(text) {
            Ok(address) => addresses.push(address),
            Err(error) => {
                complain(&format!("{}: line {}: {error}", file.display(), line + 1));
                is_sound = false;
            }
        }
    }
    if is_sound { Ok(addresses) } else { Err(Exit::DataErr) }
}

fn bytes(file: &Path) -> Result<Vec<u8>, Exit> {
    let read = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().take(INPUT_BYTES_MAX).read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    read.map_err(|error| unfit(file, &error.to_string()))
}

fn typed_address() -> Result<MailAddress, Exit> {
    let mut line = String::new();
    let read = std::io::stdin().lock().take(INPUT_BYTES_MAX).read_line(&mut line);
    let address = read.ok().and_then(|_| MailAddress::parse(line.trim_end()).ok());
    address.ok_or_else(|| {
        complain("type one e-mail address on standard input");
        Exit::DataErr
    })
}

fn unfit(file: &Path, reason: &str) -> Exit {
    complain(&format!("{}: {reason}", file.display()));
    Exit::DataErr
}
