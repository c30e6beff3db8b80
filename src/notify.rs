//! What the process tells systemd: ready, reloading, stopping, alive. Without `NOTIFY_SOCKET` every call does nothing.
//!
//! The variables of systemd stay in the environment: taking them out would need `unsafe`, and the children that we
//! start are our own.

use std::time::Duration;

use sd_notify::NotifyState;

/// What `systemctl status` shows in a line.
const STATUS_CHARS_MAX: usize = 200;

/// The doors are open; also the end of a reload.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// A reload has begun: `ready` must follow. `Type=notify-reload` wants the monotonic time in the same message.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "no monotonic clock: systemd is not told of the reload"),
    }
}

/// The doors close.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`: numbers and states, never anything about a person.
pub fn status(text: &str) {
    // A line break would begin another message to systemd.
    let line: String = text.chars().take(STATUS_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    send(&[NotifyState::Status(&line)]);
}

/// Says that the process is alive; to be called once every [`watchdog_interval`].
pub fn watchdog() {
    send(&[NotifyState::Watchdog]);
}

/// Half of the unit's `WatchdogSec`, as systemd advises; none where no watchdog waits for this process.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|interval| !interval.is_zero())
}

/// A message that gets lost is no reason to stop: systemd acts on what it misses.
fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told about our state");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::process::{Command, Stdio};

    /// Without the variables it shows that nothing happens; the next test runs it once more with them.
    #[test]
    fn without_systemd_every_call_does_nothing() {
        ready();
        reloading();
        status("8 cases\nSTOPPING=1");
        watchdog();
        stopping();
        let expected = std::env::var_os("NOTIFY_SOCKET").map(|_| Duration::from_secs(15));
        assert_eq!(watchdog_interval(), expected);
    }

    #[test]
    fn systemd_hears_each_call_in_its_own_words() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "notify::tests::without_systemd_every_call_does_nothing"])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "30000000")
            .env_remove("WATCHDOG_PID")
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(child.success());

        systemd.set_nonblocking(true).unwrap();
        let mut buffer = [0; 512];
        let heard: Vec<String> = std::iter::from_fn(|| {
            let length = systemd.recv(&mut buffer).ok()?;
            Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
        })
        .collect();
        let [ready, reloading, status, watchdog, stopping] = heard.try_into().unwrap();
        assert_eq!(ready, "READY=1\n");
        let clock = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(clock.trim_end().parse::<u64>().unwrap() > 0);
        assert_eq!(status, "STATUS=8 cases STOPPING=1\n");
        assert_eq!((watchdog.as_str(), stopping.as_str()), ("WATCHDOG=1\n", "STOPPING=1\n"));
    }
}
