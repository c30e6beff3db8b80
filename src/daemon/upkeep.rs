//! What goes on beside the doors as long as the gateway runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::admit::Limits;
use crate::mail::Mailer;
use crate::outbox::Outbox;
use crate::usecase::Gateway;

/// How often what time demands is looked after.
const UPKEEP: Duration = Duration::from_secs(60);
/// How often a store that could not take a leaving is tried again.
const LEAVINGS_AGAIN: Duration = Duration::from_secs(2);
/// Batches of one round of upkeep: far more than a region makes due in a minute.
const BATCHES_A_ROUND: u32 = 1_000;
/// How often the region is read again, for posts that began or ended.
const REFRESH_ROUNDS: u64 = 10;

/// Both outboxes, until both are told to stop and are done; then the mailer, which they share.
pub async fn send_letters(outboxes: [Arc<Outbox>; 2], mailer: Arc<Mailer>, stop: watch::Receiver<bool>) {
    let [common, cases] = outboxes.map(|outbox| outbox.run(stop.clone()));
    tokio::join!(common, cases);
    mailer.close().await;
}

/// People who leave while the store cannot write are written down as soon as it can.
pub async fn write_leavings_down(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = gateway.leavings_wait() => {}
            _ = stop.changed() => return,
        }
        while !gateway.retry_leavings().await {
            tokio::select! {
                () = tokio::time::sleep(LEAVINGS_AGAIN) => {}
                _ = stop.changed() => return,
            }
        }
    }
}

/// What time demands: limits swept, stories lapsed and forgotten, the region read again.
pub async fn upkeep(gateway: Arc<Gateway>, limits: Arc<Limits>, mut stop: watch::Receiver<bool>) {
    let mut rounds = 0_u64;
    loop {
        tokio::select! {
            () = tokio::time::sleep(UPKEEP) => {}
            _ = stop.changed() => return,
        }
        rounds += 1;
        limits.sweep();
        for _ in 0..BATCHES_A_ROUND {
            match gateway.keep_up().await {
                Ok(done) => {
                    tracing::debug!(event = "upkeep", lapsed = done.lapsed, forgotten = done.forgotten, "upkeep");
                    if !done.more {
                        break;
                    }
                }
                Err(error) => {
                    tracing::error!(event = "upkeep.failed", %error, "upkeep failed; the next round tries again");
                    break;
                }
            }
        }
        forget_subscribers(&gateway).await;
        forget_notices(&gateway).await;
        if rounds.is_multiple_of(REFRESH_ROUNDS)
            && let Err(error) = gateway.refresh_catalog().await
        {
            tracing::error!(event = "catalog.refresh", %error, "the region could not be read again");
        }
        if rounds.is_multiple_of(REFRESH_ROUNDS)
            && let Err(error) = gateway.end_followings().await
        {
            tracing::error!(event = "upkeep.followings", %error, "what was followed to its end could not be ended");
        }
    }
}

async fn forget_notices(gateway: &Gateway) {
    for _ in 0..BATCHES_A_ROUND {
        match gateway.forget_notices().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::error!(event = "upkeep.notices", %error, "upkeep of notices failed; the next round tries again");
                return;
            }
        }
    }
}

async fn forget_subscribers(gateway: &Gateway) {
    for _ in 0..BATCHES_A_ROUND {
        match gateway.keep_up_subscribers().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::error!(event = "upkeep.subscribers", %error, "upkeep of subscribers failed; the next round tries again");
                return;
            }
        }
    }
}
