//! The command line: its grammar, and which room does what is asked. `check.rs` judges files and numbers,
//! `operate.rs` gives commands to a running daemon, `offline.rs` works while there is none; `status.rs`, `probe.rs`,
//! `subscriber.rs` and `support.rs` hold the commands of their parts; `region.rs` reads a region's files, `demo/` shows it all.

mod check;
mod demo;
mod man;
mod notice;
mod offline;
mod operate;
mod probe;
mod region;
mod say;
mod status;
mod subscriber;
mod support;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

use crate::config::{Config, ConfigError};
use crate::daemon::{self, StartError};
use crate::domain::id::HsaId;
pub use crate::exit::Exit;
use crate::store::OpenError;
use crate::telemetry;

use self::say::{complain, say};

/// Where the installed configuration lies.
const CONFIG_DEFAULT: &str = "/etc/budkavle/budkavle.toml";

#[derive(Parser)]
#[command(name = "budkavle", version, about = "Carries citizens' cases to their clinic and the answers back.")]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
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
        /// The portal door's port; the staff door takes the next, the public door the one after. 0 takes free ports.
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
struct Ask {
    /// The gateway's configuration, which names its admin socket.
    #[arg(long, default_value = CONFIG_DEFAULT)]
    config: PathBuf,
    /// The admin socket itself.
    #[arg(long)]
    socket: Option<PathBuf>,
    /// Answer in JSON, for programs.
    #[arg(long)]
    json: bool,
    /// Set by the few commands that work on the stores themselves while the gateway is down.
    #[arg(skip)]
    offline: Option<offline::Offline>,
}

#[derive(Subcommand)]
enum Check {
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
    /// Identity numbers on standard input, one a line: a verdict a line, exit 0 all valid, 1 not.
    PersonId,
    /// HSA-ids on standard input, one a line: a verdict a line, exit 0 all valid, 1 not.
    HsaId,
}

#[derive(Clone, Copy, ValueEnum)]
enum Tongue {
    Sv,
    En,
}

#[derive(Subcommand)]
enum FileAct {
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
enum RoleAct {
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
struct RoleOf {
    #[arg(long)]
    clinic: String,
    #[arg(long)]
    person: String,
    /// receiver, handler, administrator, manager or log-reviewer
    #[arg(long)]
    role: String,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Subcommand)]
enum PortalAct {
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
enum DirectoryAct {
    /// Import staff from a CSV file.
    Import {
        file: PathBuf,
        /// The file is the whole directory: posts that are not in it are removed.
        #[arg(long)]
        whole: bool,
        /// Import the sound rows although others are faulty.
        #[arg(long, conflicts_with = "whole")]
        skip_faulty: bool,
        #[command(flatten)]
        ask: Ask,
    },
}

#[derive(Subcommand)]
enum OutboxAct {
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
enum LogAct {
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
enum Which {
    Cases,
    Common,
}

/// Reads the command line and does what it asks.
pub fn run() -> Exit {
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    match line.command {
        Command::Run { config } => run_gateway(&config),
        Command::ServeSnapshot { config, standby } => serve_snapshot(&config, standby),
        Command::RenewSnapshot { config, send, send_seconds } => on_runtime(async move {
            let how = offline::Offline { send: send.then_some(Duration::from_secs(send_seconds)) };
            offline::work(&config, how, async |_, _| Ok(())).await.err().unwrap_or(Exit::Ok)
        }),
        Command::Check { what } => match what {
            Check::Config { file } => check::config(&file),
            Check::Form { questionnaire, response, json, language } => {
                check::form(&questionnaire, &response, json, language)
            }
            Check::PersonId => check::person_ids(),
            Check::HsaId => check::hsa_ids(),
        },
        Command::Demo { once, prepare, port_base } => on_runtime(demo::run(once, prepare, port_base)),
        Command::Man { dir } => man::write(&dir),
        command => match status::Act::of(command) {
            Ok(act) => on_runtime(status::run(act)),
            Err(command) => on_runtime(operate::run(*command)),
        },
    }
}

/// The runtime for everything that talks to somebody.
fn on_runtime(work: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            complain(&format!("no threads to run on: {error}"));
            Exit::OsErr
        }
    }
}

/// The configuration of a process that runs on, and its log.
fn load(path: &std::path::Path) -> Result<Config, Exit> {
    let config = Config::load(path).map_err(|error| config_fault(&error))?;
    telemetry::init(&config.log).map_err(|error| {
        complain(&format!("{}: log.filter: {error}", path.display()));
        Exit::Config
    })?;
    Ok(config)
}

fn run_gateway(path: &std::path::Path) -> Exit {
    let config = match load(path) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    on_runtime(async {
        let told = daemon::run(config, |addresses| {
            let daemon::Addresses { portal, staff, public } = addresses;
            say(&format!("portal door https://{portal}  staff door https://{staff}  public door https://{public}"));
        });
        match told.await {
            Ok(()) => Exit::Ok,
            Err(error) => {
                tracing::error!(event = "daemon.start", %error, "the gateway did not start");
                complain(&error.to_string());
                start_exit(&error)
            }
        }
    })
}

fn serve_snapshot(path: &std::path::Path, standby: bool) -> Exit {
    let config = match load(path) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if standby {
        say("standing by");
    }
    on_runtime(async {
        let told = daemon::serve_snapshot(config, standby, |address| say(&format!("public door https://{address}")));
        match told.await {
            Ok(()) => Exit::Ok,
            Err(error) => {
                complain(&error.to_string());
                start_exit(&error)
            }
        }
    })
}

fn config_fault(error: &ConfigError) -> Exit {
    complain(&error.to_string());
    match error {
        ConfigError::Read { .. } => Exit::NoInput,
        ConfigError::Unfit(_) => Exit::Config,
    }
}

/// What cures nothing by trying again is not restarted.
fn start_exit(error: &StartError) -> Exit {
    match error {
        StartError::MasterKey(_) | StartError::Trust(_) | StartError::Tls { .. } => Exit::Config,
        StartError::Render(_) | StartError::Mail(_) => Exit::Config,
        StartError::Store { error, .. } => match **error {
            OpenError::Io { .. } => Exit::IoErr,
            OpenError::Locked { .. } => Exit::TempFail,
            _ => Exit::DataErr,
        },
        StartError::Catalog(_) => Exit::DataErr,
        StartError::Listen { .. } | StartError::Admin { .. } => Exit::OsErr,
        StartError::Signals(_) => Exit::OsErr,
        StartError::TaskEnded => Exit::Software,
    }
}

/// An HSA-id that somebody typed.
fn typed_hsa_id(text: &str) -> Result<HsaId, Exit> {
    HsaId::parse(text).map_err(|error| {
        complain(&format!("{text}: {error}"));
        Exit::Usage
    })
}
