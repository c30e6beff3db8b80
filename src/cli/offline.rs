//! Commands that work on the stores themselves while the gateway is down. The master key is read as the service reads
//! it: from its file, or as systemd's credential, for which the command runs itself anew in a unit of the moment.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::say::{complain, say};
use super::{Exit, config_fault, start_exit};
use crate::config::{Config, MasterKeyPlace};
use crate::daemon::StartError;
use crate::daemon::offline::{self as daemon, OfflineError, own_user};
use crate::render::Renderer;
use crate::store::OpenError;
use crate::usecase::Gateway;

/// The unit whose credential and user are borrowed.
const UNIT: &str = "budkavle.service";
/// There where systemd is the machine's first process.
const SYSTEMD: &str = "/run/systemd/system";

/// How a command works without a gateway.
#[derive(Debug, Clone, Copy)]
pub enum Offline {
    /// Nobody is told anything.
    Read,
    /// The copy of the public pages is renewed afterwards. With a time for it, what is owed is sent; else it is left for
    /// the gateway.
    Tell { send: Option<Duration> },
}

/// The configuration, once this process can read the master key. An `Err(Exit::Ok)` means that another run of the
/// program, which could, has done it all. To be called before anything is read from standard input, which that run
/// reads.
pub fn with_key(path: &Path) -> Result<Config, Exit> {
    let config = Config::load(path).map_err(|error| config_fault(&error))?;
    if config.master_key == MasterKeyPlace::Credential && std::env::var_os("CREDENTIALS_DIRECTORY").is_none() {
        return Err(with_credential(path));
    }
    Ok(config)
}

/// Does `act` on `common`, and what follows from it.
pub async fn work(
    path: &Path,
    how: Offline,
    act: impl AsyncFnOnce(&Gateway, &Renderer) -> Result<(), Exit>,
) -> Result<(), Exit> {
    let config = with_key(path)?;
    let mut offline = daemon::Offline::open(&config).await.map_err(|error| fault(&error))?;
    let done = match (act(&offline.gateway, &offline.renderer).await, how) {
        (Ok(()), Offline::Tell { send }) => give_out(&mut offline, send).await,
        (done, _) => done,
    };
    offline.close().await;
    done
}

async fn give_out(offline: &mut daemon::Offline, send: Option<Duration>) -> Result<(), Exit> {
    offline.publish().await.map_err(|error| fault(&error))?;
    say("The copy of the public pages is renewed.");
    let Some(at_most) = send else { return Ok(()) };
    match offline.send(at_most).await.map_err(|error| fault(&error))? {
        0 => say("Everything that was owed is sent."),
        left => {
            complain(&format!("{left} letters wait still: they go out when the gateway runs, or try again"));
            return Err(Exit::TempFail);
        }
    }
    Ok(())
}

fn fault(error: &OfflineError) -> Exit {
    complain(&error.to_string());
    match error {
        OfflineError::Start(start) => {
            if matches!(start, StartError::Store { error, .. } if matches!(**error, OpenError::Locked { .. })) {
                complain(
                    "A gateway that runs renews pages and sends letters by itself: --offline is for when it is down.",
                );
            }
            start_exit(start)
        }
        OfflineError::NotOwner { owner, .. } => {
            complain(&format!(
                "Files of anybody else's would keep the service out. This works:\n  {}",
                as_user(*owner)
            ));
            Exit::NoPerm
        }
        OfflineError::Io { .. } | OfflineError::Publish(_) => Exit::IoErr,
        OfflineError::Read(_) => Exit::DataErr,
    }
}

/// This command line, as it can be run from any directory.
fn rooted(config: &Path) -> Vec<String> {
    let program = std::env::current_exe().map_or_else(|_| "budkavle".into(), |path| path.display().to_string());
    let given = config.display().to_string();
    let whole = std::path::absolute(config).map_or_else(|_| given.clone(), |path| path.display().to_string());
    let arguments = std::env::args().skip(1).map(|word| match word.strip_suffix(&given) {
        Some("") => whole.clone(),
        Some("--config=") => format!("--config={whole}"),
        _ => word,
    });
    std::iter::once(program).chain(arguments).collect()
}

fn quoted_all(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn as_user(user: u32) -> String {
    let words: Vec<String> = std::env::args().collect();
    format!("setpriv --reuid={user} --regid={user} --clear-groups {}", quoted_all(&words))
}

fn quoted(word: &str) -> String {
    let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-=:@,+".contains(c));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Runs this command anew where systemd gives it the key, as the unit has it. It begins in another directory there: the
/// one here may be closed to the service's user.
fn with_credential(config: &Path) -> Exit {
    let unit = unit_settings();
    let arguments = rooted(config);
    let is_root = own_user().is_ok_and(|user| user == 0);
    let credentials = unit.iter().any(|setting| setting.starts_with("LoadCredential"));
    if !is_root || !credentials || !Path::new(SYSTEMD).exists() {
        let shown =
            if credentials { unit } else { vec!["LoadCredential=master-key:FILE".into(), "User=budkavle".into()] };
        let properties = shown.iter().map(|setting| format!(" -p {}", quoted(setting))).collect::<String>();
        complain(&format!(
            "The master key is a credential that systemd gives to {UNIT} only. As root, this works:\n  \
             systemd-run --pipe --wait --collect --quiet{properties} {}",
            quoted_all(&arguments)
        ));
        return Exit::NoPerm;
    }
    let mut run = Command::new("systemd-run");
    run.args(["--pipe", "--wait", "--collect", "--quiet"]);
    unit.iter().for_each(|setting| {
        run.args(["-p", setting]);
    });
    match run.args(&arguments).status() {
        // The act was done there, or refused there with its reason told.
        Ok(status) => status.code().map_or(Exit::Software, Exit::of_code),
        Err(error) => {
            complain(&format!("systemd-run: {error}"));
            Exit::OsErr
        }
    }
}

/// What the unit says of its key and its user; empty where there is no such unit.
fn unit_settings() -> Vec<String> {
    let Ok(told) = Command::new("systemctl").args(["cat", UNIT]).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let ours = ["LoadCredential=", "LoadCredentialEncrypted=", "User=", "Group=", "UMask="];
    let lines = text.lines().map(str::trim).filter(|line| ours.iter().any(|name| line.starts_with(name)));
    lines.map(str::to_owned).collect()
}
