//! The command line's grammar: what may be asked, and how. The parts' own commands stand with their parts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

use super::{notice, offline, probe, status, subscriber, support};

/// Where the installed configuration lies.
pub const CONFIG_DEFAULT: &str = "/etc/budkavle/budkavle.toml";

#[derive(Parser)]
#[command(name = "budkavle", version, about = "Carries citizens' cases to their clinic and the answers back.")]
pub struct Line {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the gateway.
    Run {
        #[arg(long, default_value = CONFIG_DEFAULT)]
        config: PathBuf,
    },
    /// Serve the copy of the public pages, without any store.
    ServeSnapshot {
        #[arg(long, default_value = CONFIG_DEFAULT)]
        config: PathBuf,
        /// Hold the public door only while the gateway does not answer on its admin socket.
        #[arg(long)]
        standby: bool,
    },
    /// Renew the copy of the public pages from the store, while the gateway is down.
    RenewSnapshot {
        #[arg(long, default_value = CONFIG_DEFAULT)]
        config: PathBuf,
        /// Send what is owed to subscribers and reporters, too.
        #[arg(long)]
        send: bool,
        /// How long the sending may take.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
        send_seconds: u64,
    },
    /// Show the way of a case, and of news about services, in a throwaway region on this machine.
    Demo {
        /// Exit when the steps are done: 0 if all went well.
        #[arg(long)]
        once: bool,
        /// Only write certificates, keys, configuration and sample region to this directory.
        #[arg(long, value_name = "DIR")]
        prepare: Option<PathBuf>,
        /// The portal door's port; the staff door takes the next, then the public door, then the card test. 0
        /// takes free ports.
        #[arg(long, default_value_t = 8440, value_parser = clap::value_parser!(u16).range(..=65532))]
        port_base: u16,
    },
    /// Judge a file or numbers without a running gateway.
    Check {
        #[command(subcommand)]
        what: Check,
    },
    /// Write the manual pages to a directory.
    #[command(hide = true)]
    Man { dir: PathBuf },
    /// How the running gateway is.
    Status(Ask),
    /// Walk through everything in the stores of the running gateway.
    Verify(Ask),
    /// Clinics.
    Clinic {
        #[command(subcommand)]
        act: support::ClinicAct,
    },
    /// Case types with their forms.
    CaseType {
        #[command(subcommand)]
        act: FileAct,
    },
    /// Roles of staff at a clinic.
    Role {
        #[command(subcommand)]
        act: RoleAct,
    },
    /// Registered systems.
    Portal {
        #[command(subcommand)]
        act: PortalAct,
    },
    /// The staff directory.
    Directory {
        #[command(subcommand)]
        act: DirectoryAct,
    },
    /// The region's support: how it is reached and what it promises.
    Support {
        #[command(subcommand)]
        act: FileAct,
    },
    /// What the support answers for.
    Service {
        #[command(subcommand)]
        act: FileAct,
    },
    /// The support's tickets.
    Ticket {
        #[command(subcommand)]
        act: support::TicketAct,
    },
    /// Questions asked often.
    Faq {
        #[command(subcommand)]
        act: FileAct,
    },
    /// What looks at services by itself.
    Probe {
        #[command(subcommand)]
        act: probe::ProbeAct,
    },
    /// What became of notices to subscribers.
    Notice {
        #[command(subcommand)]
        act: notice::NoticeAct,
    },
    /// Letters that came back.
    Bounce {
        #[command(subcommand)]
        act: notice::BounceAct,
    },
    /// Letters that were given up.
    Outbox {
        #[command(subcommand)]
        act: OutboxAct,
    },
    /// Who is told of disturbances and planned work by e-mail.
    Subscriber {
        #[command(subcommand)]
        act: subscriber::SubscriberAct,
    },
    /// Who did what to which case.
    AccessLog {
        #[command(subcommand)]
        act: LogAct,
    },
    /// Services, and systems that they lean on.
    Component {
        #[command(subcommand)]
        act: status::ComponentAct,
    },
    /// Groups of components.
    Group {
        #[command(subcommand)]
        act: status::GroupAct,
    },
    /// Tell that something is wrong, what is done about it, and that it is over.
    Incident {
        #[command(subcommand)]
        act: status::IncidentAct,
    },
    /// Tell of planned windows.
    Maintenance {
        #[command(subcommand)]
        act: status::MaintenanceAct,
    },
    /// Windows that come again.
    Series {
        #[command(subcommand)]
        act: status::SeriesAct,
    },
    /// What is held and can be taken back.
    Pending {
        #[command(subcommand)]
        act: status::PendingAct,
    },
    /// Move the gateway's clock; in test mode only.
    #[command(hide = true)]
    Clock {
        #[command(subcommand)]
        act: status::ClockAct,
    },
}

// How to reach the running gateway, and how to be answered. No doc comment: it would stand in each command's help.
#[derive(Args, Clone)]
pub struct Ask {
    /// The gateway's configuration, which names its admin socket.
    #[arg(long, default_value = CONFIG_DEFAULT)]
    pub config: PathBuf,
    /// The admin socket itself.
    #[arg(long)]
    pub socket: Option<PathBuf>,
    /// Answer in JSON, for programs.
    #[arg(long)]
    pub json: bool,
    /// Set by the few commands that work on the stores themselves while the gateway is down.
    #[arg(skip)]
    pub offline: Option<offline::Offline>,
}

#[derive(Subcommand)]
pub enum Check {
    /// A configuration file.
    Config { file: PathBuf },
    /// A FHIR QuestionnaireResponse against its Questionnaire: exit 0 valid, 1 invalid.
    Form {
        #[arg(long)]
        questionnaire: PathBuf,
        #[arg(long)]
        response: PathBuf,
        #[arg(long)]
        json: bool,
        #[arg(long, value_enum, default_value_t = Tongue::En)]
        language: Tongue,
    },
    /// What a door would say to a certificate, rule by rule, with the cure: exit 0 let in, 1 not. Its key is not needed.
    Certificate(CertificateCheck),
    /// Identity numbers on standard input, one a line: a verdict a line with the register that the number is of
    /// (personnummer, samordningsnummer, reserve and interim numbers), exit 0 all valid, 1 not.
    PersonId,
    /// HSA-ids on standard input, one a line: a verdict a line, exit 0 all valid, 1 not.
    HsaId,
    /// Organisation numbers on standard input, one a line: a verdict a line, exit 0 all valid, 1 not.
    OrganisationNumber,
}

#[derive(Args)]
pub struct CertificateCheck {
    /// PEM, the certificate first, or DER.
    pub file: PathBuf,
    #[arg(long, value_enum)]
    pub door: CheckedDoor,
    /// The gateway's configuration, which names the trusted issuers and the revocation lists.
    #[arg(long, default_value = CONFIG_DEFAULT)]
    pub config: PathBuf,
    /// Judge as of then: RFC 3339, or "2026-11-23 22:00" in Swedish time.
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    #[arg(long)]
    pub json: bool,
    #[arg(long, value_enum, default_value_t = Tongue::En)]
    pub language: Tongue,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum CheckedDoor {
    Portal,
    Staff,
}

impl CheckedDoor {
    pub fn as_str(self) -> &'static str {
        match self {
            CheckedDoor::Portal => "portal",
            CheckedDoor::Staff => "staff",
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Tongue {
    Sv,
    En,
}

#[derive(Subcommand)]
pub enum FileAct {
    /// Add or replace what the JSON file holds.
    Put {
        file: PathBuf,
        #[command(flatten)]
        ask: Ask,
    },
    /// All that there are.
    List(Ask),
}

#[derive(Subcommand)]
pub enum RoleAct {
    /// Give a person a role at a clinic.
    Grant(RoleOf),
    /// Take it away again.
    Revoke(RoleOf),
    /// Who has which role.
    List {
        #[arg(long)]
        clinic: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Args)]
pub struct RoleOf {
    #[arg(long)]
    pub clinic: String,
    #[arg(long)]
    pub person: String,
    /// receiver, handler, administrator, manager or log-reviewer
    #[arg(long)]
    pub role: String,
    #[command(flatten)]
    pub ask: Ask,
}

#[derive(Subcommand)]
pub enum PortalAct {
    /// Register a system, or change its registration.
    Add {
        #[arg(long)]
        hsa_id: String,
        #[arg(long)]
        name: String,
        /// citizen or staff
        #[arg(long)]
        channel: String,
        /// A clinic that it may send to; repeat, or leave out for all.
        #[arg(long = "clinic")]
        clinics: Vec<String>,
        /// A case type that it may send; repeat, or leave out for all.
        #[arg(long = "case-type")]
        case_types: Vec<String>,
        /// Let it in no longer, until it is added again without this.
        #[arg(long)]
        suspended: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// All that are registered.
    List(Ask),
}

#[derive(Subcommand)]
pub enum DirectoryAct {
    /// Import staff from a file: CSV, or LDIF as a directory exports it.
    Import {
        file: PathBuf,
        /// The file is the whole directory: posts that are not in it are removed.
        #[arg(long)]
        whole: bool,
        /// However many current posts that ends.
        #[arg(long)]
        accept_loss: bool,
        /// Import the sound rows although others are faulty.
        #[arg(long, conflicts_with = "whole")]
        skip_faulty: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// Ask the region's directory now.
    Refresh {
        /// However many current posts that ends.
        #[arg(long)]
        accept_loss: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// How old the directory is, where it came from, and how the last refresh went.
    Status(Ask),
}

#[derive(Subcommand)]
pub enum OutboxAct {
    /// All that were given up, without their addresses.
    List(Ask),
    /// Try a letter again.
    Resend {
        letter: Uuid,
        #[command(flatten)]
        ask: Ask,
    },
    /// Let a letter go; the reason is kept in the access log.
    Drop {
        letter: Uuid,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Subcommand)]
pub enum LogAct {
    /// Lines in their order; asking for them is a line of its own.
    List {
        #[arg(long, value_enum, default_value_t = Which::Cases)]
        store: Which,
        /// Lines after this number.
        #[arg(long, default_value_t = 0)]
        after: u64,
        #[arg(long, default_value_t = 100)]
        limit: usize,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Which {
    Cases,
    Common,
}
