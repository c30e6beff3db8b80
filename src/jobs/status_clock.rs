//! The clock of what is told: sleeps until something is due, and is woken when something is told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::usecase::Gateway;

/// Longest between two looks: a machine that slept, or a clock that was set, is not noticed otherwise.
const LOOK_MAX: Duration = Duration::from_secs(15);
/// Shortest between two looks: what cannot be done is not tried in a circle.
const LOOK_MIN: Duration = Duration::from_millis(20);

/// Runs until told to stop.
pub async fn run(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    loop {
        let wait = match gateway.status_clock().await {
            Ok(ticked) => ticked.next_at.map_or(LOOK_MAX, |at| {
                let until = Duration::try_from(at.duration_since(gateway.now())).unwrap_or_default();
                until.clamp(LOOK_MIN, LOOK_MAX)
            }),
            Err(error) => {
                tracing::error!(event = "status.clock", %error, "the clock of status could not look; it tries again");
                LOOK_MAX
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = gateway.desk.clock_moved.notified() => {}
            _ = stop.changed() => return,
        }
    }
}
