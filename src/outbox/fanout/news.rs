//! News that are told together, at their time: composed here, then owed as single letters.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Fanout, LOOK_AGAIN, PAUSE};
use crate::usecase::Refusal;

/// News composed between two looks at the clock.
const ROUND: usize = 100;
/// Shortest between two looks.
const LOOK_MIN: Duration = Duration::from_millis(50);

impl Fanout {
    /// Works until told to stop.
    pub(super) async fn tell_news(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let wait = match self.tell_due_news().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::error!(event = "fanout.news", %error, "news cannot be told now; it is tried again");
                    PAUSE
                }
            };
            tokio::select! {
                () = self.gateway.fanout.news_owed.notified() => {}
                () = tokio::time::sleep(wait) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// How long until there is more to tell.
    async fn tell_due_news(&self) -> Result<Duration, Refusal> {
        let due = self.gateway.news_due(ROUND).await?;
        for news in &due {
            let letter = self.letters.of_news(news).inspect_err(|error| {
                let subscriber = news.subscriber.id;
                tracing::error!(event = "fanout.news.letter", %subscriber, %error, "a digest cannot be made: it is left out");
            });
            match self.gateway.settle_news(news, letter.ok()).await {
                // The subscriber, or what waits for it, changed meanwhile: composed anew.
                Ok(()) | Err(Refusal::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let next = self.gateway.next_news_due().await?;
        let until = next.map(|at| Duration::try_from(at.duration_since(self.gateway.now())).unwrap_or_default());
        Ok(until.unwrap_or(LOOK_AGAIN).clamp(LOOK_MIN, LOOK_AGAIN))
    }
}
