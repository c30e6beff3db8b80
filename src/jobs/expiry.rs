//! Says in time what ends: to the log at each step, to the operators by a letter a day.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::expiry::{Ending, EndingKind};
use crate::domain::language::Language;
use crate::domain::mail_address::MailAddress;
use crate::usecase::Gateway;

/// How often it is looked: what can be late is a step of whole days.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// Runs until told to stop. `ours` are certificates and issuers as they are in use now.
pub async fn run(
    gateway: Arc<Gateway>,
    ours: Arc<dyn Fn() -> Vec<Ending> + Send + Sync>,
    operators: Vec<MailAddress>,
    mut stop: watch::Receiver<bool>,
) {
    let mut told = HashMap::new();
    loop {
        if let Err(error) = gateway.keep_certificates().await {
            tracing::error!(event = "identity.expiry.keep", %error, "ends of certificates could not be kept; tried again");
        }
        let mut endings = ours();
        endings.extend(gateway.system_endings());
        warn(&endings, &mut told, &gateway);
        match gateway.tell_of_endings(&endings, &operators).await {
            Ok(true) => {
                tracing::info!(event = "identity.expiry.letter", "operators are told by letter of what ends soon")
            }
            Ok(false) => {}
            Err(error) => {
                tracing::error!(event = "identity.expiry.letter", %error, "operators could not be told; tried again")
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = gateway.expiry_bell().notified() => {}
            _ = stop.changed() => return,
        }
    }
}

/// Once a step, and once more after each start.
fn warn(endings: &[Ending], told: &mut HashMap<Ending, i64>, gateway: &Gateway) {
    let now = gateway.now();
    // What is not there just now may be back: a system may show two certificates in turn.
    told.retain(|ending, _| endings.contains(ending) || ending.ends > now);
    for ending in endings {
        let Some(step) = ending.step(now) else { continue };
        if told.insert(ending.clone(), step) == Some(step) {
            continue;
        }
        let (what, name, ends, days) = (ending.kind.as_str(), &ending.name, ending.ends, ending.days_left(now));
        let text = ending.text(now, Language::En);
        if step == 0 && ending.kind != EndingKind::System {
            tracing::error!(event = "identity.expiry", what, name, %ends, days, "{text}");
        } else {
            tracing::warn!(event = "identity.expiry", what, name, %ends, days, "{text}");
        }
    }
}
