//! Where log records go: with their fields to the journal when standard error is the journal, else as text to standard
//! error.
//!
//! Rules for whoever writes a record. The message reads alone; what varies is a field, with its unit in its name.
//! `error!` only if someone must act, `warn!` if someone should look; nothing at `info!` or above that a stranger on the
//! network can trigger at will. A fault is logged once, where it is handled. Never in a record: identity numbers, names,
//! contacts, content, keys, a citizen's or a mailbox's address; staff and system HSA-ids may stand there. The types of
//! `domain` mask themselves, so a mistake prints `•`. What must be kept for the law is in the access log, not here.

use std::fs;
use std::os::unix::fs::MetadataExt;

use tracing::Subscriber;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// `journalctl -t budkavle`
const SYSLOG_IDENTIFIER: &str = "budkavle";

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Directives as in `info,budkavle::outbox=debug`; what none of them names is logged from info.
    pub filter: String,
}

/// Where the records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    Journal,
    StandardError,
}

/// Why nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("the log filter is not understood: {0}")]
    Filter(#[from] ParseError),
    #[error("log records already have a destination in this process")]
    AlreadySet,
}

/// Sends the process's records to their destination, once; a second call leaves the first one's work.
pub fn init(settings: &Settings) -> Result<Destination, TelemetryError> {
    let filter = filter(settings)?;
    // The journal's socket may be missing (a container that passes the variable on): the text is better than nothing.
    let (layer, destination) = match standard_error_is_the_journal().then(tracing_journald::layer) {
        Some(Ok(journal)) => (journal_layer(journal), Destination::Journal),
        _ => (text_layer(), Destination::StandardError),
    };
    let subscriber = tracing_subscriber::registry().with(filter).with(layer);
    subscriber.try_init().map(|()| destination).map_err(|_| TelemetryError::AlreadySet)
}

fn filter(settings: &Settings) -> Result<EnvFilter, ParseError> {
    // Without patterns: a filter compares fields as texts, so no setting can make a record expensive.
    let builder = EnvFilter::builder().with_regex(false);
    // What comes later wins, so this holds for what the settings do not name.
    builder.parse(format!("info,{}", settings.filter))
}

/// Field names without a prefix, so that `message_id` arrives as `MESSAGE_ID`; levels as the words that they are.
fn journal_layer<S>(journal: tracing_journald::Layer) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let priorities = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
        ..PriorityMappings::new()
    };
    let journal = journal.with_field_prefix(None).with_syslog_identifier(SYSLOG_IDENTIFIER.to_owned());
    journal.with_priority_mappings(priorities).boxed()
}

fn text_layer<S>() -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fmt::layer().with_writer(std::io::stderr).boxed()
}

/// systemd.exec(5): `JOURNAL_STREAM` names the device and inode of the stream that it gave us. The variable alone says
/// nothing, since children inherit it, whatever their standard error is.
fn standard_error_is_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    fs::metadata("/proc/self/fd/2").is_ok_and(|stderr| is_stream(&stream, stderr.dev(), stderr.ino()))
}

fn is_stream(stream: &str, device: u64, inode: u64) -> bool {
    let pair = stream.split_once(':').and_then(|(dev, ino)| Some((dev.parse().ok()?, ino.parse().ok()?)));
    pair == Some((device, inode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// Runs itself once more in a process of its own, so that the other tests' records go nowhere.
    #[test]
    fn records_reach_standard_error_with_their_fields_and_a_second_call_changes_nothing() {
        const ALONE: &str = "BUDKAVLE_TEST_ALONE";
        if std::env::var_os(ALONE).is_some() {
            assert!(matches!(init(&Settings::default()), Ok(Destination::StandardError)));
            assert!(matches!(init(&Settings::default()), Err(TelemetryError::AlreadySet)));
            tracing::info!(cases = 3, "all is well");
            return;
        }
        let name = "telemetry::tests::records_reach_standard_error_with_their_fields_and_a_second_call_changes_nothing";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", name])
            .env(ALONE, "1")
            .env_remove("JOURNAL_STREAM")
            .stdout(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(child.stderr).unwrap();
        assert!(child.status.success() && text.contains(" INFO ") && text.contains("all is well cases=3"), "{text}");
    }

    #[test]
    fn info_is_logged_unless_the_filter_says_otherwise() {
        let shown = |text: &str| filter(&Settings { filter: text.to_owned() }).unwrap().to_string();
        assert_eq!(shown(""), "info");
        assert_eq!(shown("warn"), "warn");
        assert_eq!(shown("budkavle::outbox=debug"), "budkavle::outbox=debug,info");
        let error = filter(&Settings { filter: "budkavle=loud".into() }).map_err(TelemetryError::from).unwrap_err();
        assert!(error.to_string().starts_with("the log filter is not understood: "), "{error}");
    }

    #[test]
    fn only_the_very_stream_that_systemd_gave_is_the_journal() {
        assert!(is_stream("8:4711", 8, 4711));
        for other in ["8:4712", "9:4711", "8", "", ":", "8:4711:1", "8:x", "-8:4711"] {
            assert!(!is_stream(other, 8, 4711), "{other}");
        }
    }
}
