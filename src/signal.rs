//! What the operator tells the process: stop, stop now, reload.

use std::io;

use futures_util::StreamExt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals as Stream;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The first TERM or INT: take nothing new, finish what runs, go.
    Stop,
    /// Another TERM or INT: go without finishing.
    StopNow,
    /// HUP: read certificates, trust and limits again.
    Reload,
}

/// The process's signals in one place. There is no queue to fill: what arrives twice before it is read is told once.
pub struct Signals {
    stream: Stream,
    stopping: bool,
}

impl Signals {
    /// From here on TERM, INT and HUP no longer end the process by themselves. Needs a running tokio runtime; fails
    /// where the system gives no socket pair or no handler.
    pub fn new() -> io::Result<Signals> {
        Ok(Signals { stream: Stream::new([SIGTERM, SIGINT, SIGHUP])?, stopping: false })
    }

    /// Waits for the next one. Loses nothing when dropped in a `select!`.
    pub async fn next(&mut self) -> Signal {
        let number = self.stream.next().await;
        self.meaning(number)
    }

    /// A stream that has ended means that we would hear no operator any more, so it reads as a stop.
    fn meaning(&mut self, number: Option<i32>) -> Signal {
        match number {
            Some(SIGHUP) => Signal::Reload,
            _ if std::mem::replace(&mut self.stopping, true) => Signal::StopNow,
            _ => Signal::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_hook::low_level::raise;

    #[tokio::test]
    async fn hup_reloads_term_stops_and_a_second_one_of_either_kind_stops_now() {
        let mut signals = Signals::new().unwrap();
        for (number, signal) in [
            (SIGHUP, Signal::Reload),
            (SIGTERM, Signal::Stop),
            (SIGHUP, Signal::Reload),
            (SIGINT, Signal::StopNow),
            (SIGTERM, Signal::StopNow),
        ] {
            raise(number).unwrap();
            assert_eq!(signals.next().await, signal);
        }
        assert_eq!(signals.meaning(None), Signal::StopNow);
    }
}
