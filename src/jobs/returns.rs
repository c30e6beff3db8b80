//! Brings back what lies with people who have gone: after each change of posts and roles, and at midnight when posts end
//! by their last day. The region is read again every ten minutes, which counts as a change.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::calendar::local_date;
use crate::usecase::Gateway;
use crate::usecase::returns::Returned;

/// How often it is looked whether another day has begun.
const LOOK: Duration = Duration::from_secs(60);

/// Runs until told to stop.
pub async fn run(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    let (mut today, mut moved) = (None, true);
    loop {
        let day = Some(local_date(gateway.now()));
        if day != today {
            // Rings, too.
            match gateway.refresh_catalog().await {
                Ok(()) => today = day,
                Err(error) => tracing::error!(event = "catalog.refresh", %error, "the region could not be read again"),
            }
        }
        if moved {
            walk(&gateway).await;
        }
        moved = tokio::select! {
            () = tokio::time::sleep(LOOK) => false,
            () = gateway.directory.moved.notified() => true,
            _ = stop.changed() => return,
        };
    }
}

async fn walk(gateway: &Gateway) {
    match gateway.return_stranded().await {
        Ok(Returned { cases: 0, tickets: 0 }) => {}
        Ok(Returned { cases, tickets }) => {
            tracing::warn!(
                event = "returns.returned",
                cases,
                tickets,
                "their handlers have gone: back to the receivers"
            );
        }
        Err(error) => tracing::error!(event = "returns.walk", %error, "what lies with whom could not be looked at"),
    }
}
