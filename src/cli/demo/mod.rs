//! `budkavle demo`: a throwaway region on this machine, and the way of a case and of news through it, step by step, each
//! with the `curl` or `budkavle` line that does the same.

mod case;
mod letters;
mod pki;
mod prepare;
mod readme;
mod shown;
mod steps;
mod told;

use std::path::{Path, PathBuf};

use self::steps::Steps;
use super::say::{complain, say};
use crate::config::Config;
use crate::daemon::Daemon;
use crate::exit::Exit;
use crate::signal::Signals;
use crate::telemetry;

pub async fn run(once: bool, only_prepare: Option<PathBuf>, port_base: u16) -> Exit {
    if let Some(dir) = only_prepare {
        return match prepare::prepare(&dir, port_base).await {
            Ok(config) => {
                say(&format!("Prepared. Start it with:  budkavle run --config {}", config.display()));
                Exit::Ok
            }
            Err(error) => {
                complain(&error.to_string());
                Exit::CantCreate
            }
        };
    }
    let dir = std::env::temp_dir().join(format!("budkavle-demo-{}", std::process::id()));
    let exit = show(&dir, once, port_base).await;
    if let Err(error) = std::fs::remove_dir_all(&dir) {
        complain(&format!("{}: left behind: {error}", dir.display()));
    }
    exit
}

async fn show(dir: &Path, once: bool, port_base: u16) -> Exit {
    let config = match prepare::prepare(dir, port_base).await {
        Ok(path) => Config::load(&path),
        Err(error) => {
            complain(&format!("The region could not be made: {error}"));
            return Exit::CantCreate;
        }
    };
    let config = match config {
        Ok(config) => config,
        Err(error) => return super::config_fault(&error),
    };
    if let Err(error) = telemetry::init(&config.log) {
        complain(&error.to_string());
        return Exit::Software;
    }
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            complain(&error.to_string());
            return Exit::OsErr;
        }
    };
    let started = std::time::Instant::now();
    let daemon = match Daemon::start(config).await {
        Ok(daemon) => daemon,
        Err(error) => {
            complain(&format!(
                "The gateway did not start: {error}. If a port is taken, choose others with --port-base N"
            ));
            return super::start_exit(&error);
        }
    };
    let public_port = daemon.addresses.public.port();
    let steps = Steps { dir: dir.to_owned(), addresses: daemon.addresses, started };
    let exit = match steps.walk().await {
        Ok(()) => Exit::Ok,
        Err(failed) => {
            complain(&format!("FAILED at step {}: {}", failed.step, failed.reason));
            Exit::Software
        }
    };
    if !once && exit == Exit::Ok {
        say(&format!(
            r#"
The gateway stays up for your own tries; its clock stands where the steps have moved it.
   status page   https://localhost:{public_port}/status, in English https://localhost:{public_port}/en/status
                 (a browser does not know the demo's authority: go on past its warning, or trust tls/server-ca.pem)
   files, cards  {readme}
Ctrl-C ends it and removes everything."#,
            readme = dir.join("README.txt").display()
        ));
        let _ = signals.next().await;
    }
    daemon.stop(std::time::Duration::from_secs(2)).await;
    exit
}
