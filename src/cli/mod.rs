//! The command line: which room does what is asked. `grammar.rs` says what may be asked; `check.rs` judges files and numbers,
//! `check_certificate.rs` certificates,
//! `operate.rs` gives commands to a running daemon, `offline.rs` works while there is none; `status.rs`, `probe.rs`,
//! `subscriber.rs` and `support.rs` hold the commands of their parts; `region.rs` reads a region's files, `demo/` shows it all.

mod check;
mod check_certificate;
mod demo;
mod grammar;
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

use std::time::Duration;

use clap::Parser;

use crate::config::{Config, ConfigError};
use crate::daemon::{self, StartError};
use crate::domain::id::HsaId;
pub use crate::exit::Exit;
use crate::store::OpenError;
use crate::telemetry;

use self::grammar::{Check, Command, Line};
use self::say::{complain, say};

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
            let how = offline::Offline::Tell { send: send.then_some(Duration::from_secs(send_seconds)) };
            offline::work(&config, how, async |_, _| Ok(())).await.err().unwrap_or(Exit::Ok)
        }),
        Command::Check { what } => match what {
            Check::Config { file } => check::config(&file),
            Check::Form { questionnaire, response, json, language } => {
                check::form(&questionnaire, &response, json, language)
            }
            Check::Certificate(asked) => check_certificate::certificate(&asked),
            Check::PersonId => check::person_ids(),
            Check::HsaId => check::hsa_ids(),
            Check::OrganisationNumber => check::organisation_numbers(),
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
            let daemon::Addresses { portal, staff, public, card_test } = addresses;
            let card_test = card_test.map(|address| format!("  card test https://{address}")).unwrap_or_default();
            say(&format!(
                "portal door https://{portal}  staff door https://{staff}  public door https://{public}{card_test}"
            ));
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
        StartError::Signals(_) | StartError::Random(_) => Exit::OsErr,
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
