//! What news and time demand of tickets: reporters hear when their incident is over, answered tickets lapse.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::usecase::Gateway;

/// How often it is looked although nothing was told.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Runs until told to stop.
pub async fn run(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    let mut news = gateway.board_changes();
    loop {
        match gateway.tell_mended().await {
            Ok(0) => {}
            Ok(told) => tracing::info!(event = "tickets.mended", told, "reporters hear that their incident is over"),
            Err(error) => tracing::error!(event = "tickets.mended", %error, "reporters could not be told; tried again"),
        }
        if let Err(error) = gateway.keep_up_tickets().await {
            tracing::error!(event = "tickets.upkeep", %error, "upkeep of tickets failed; tried again");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            Ok(()) = news.changed() => {}
            _ = stop.changed() => return,
        }
    }
}
