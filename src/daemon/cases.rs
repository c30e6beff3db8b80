//! The store of cases may fail to open: the gateway starts without it, tells the operator, and tries again each minute
//! and when told to reload, until it is there. Everything that lives in `common` works meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};

use super::StartError;
use crate::store::Store;

/// A start does not wait longer for `cases`; a large store whose view is rebuilt takes longer and is taken up then.
const START_WAIT: Duration = Duration::from_secs(30);
/// Between two attempts that nobody asked for.
const AGAIN: Duration = Duration::from_secs(60);

/// Opens the store; blocking, and for as long as it takes.
pub type Open = Arc<dyn Fn() -> Result<Store, StartError> + Send + Sync>;

type Opening = oneshot::Receiver<Result<Store, StartError>>;

/// Sees to it that `cases` comes up.
pub struct CasesKeeper {
    store: Store,
    open: Open,
    opening: Option<Opening>,
    again: Arc<Notify>,
}

impl CasesKeeper {
    /// The store that everybody is given, open or absent, and its keeper.
    pub async fn begin(open: Open) -> (Store, CasesKeeper) {
        let mut opening = attempt(&open);
        let (store, opening) = match tokio::time::timeout(START_WAIT, &mut opening).await {
            Ok(opened) => match told(opened) {
                Ok(store) => (store, None),
                Err(reason) => (Store::absent(reason), None),
            },
            Err(_) => {
                tracing::warn!(event = "cases.opening", "cases is still being opened; everything else starts");
                (Store::absent("it is still being opened, see the log for progress"), Some(opening))
            }
        };
        let keeper = CasesKeeper { store: store.clone(), open, opening, again: Arc::default() };
        (store, keeper)
    }

    /// Rung, the keeper tries again at once.
    pub fn bell(&self) -> Arc<Notify> {
        self.again.clone()
    }

    /// Works until the store is open, then rests until told to stop. `opened` is called once it is.
    pub async fn run(mut self, opened: impl FnOnce() + Send, mut stop: watch::Receiver<bool>) {
        while self.store.absence().is_some() {
            let opening = match self.opening.take() {
                Some(opening) => opening,
                None => {
                    tokio::select! {
                        () = tokio::time::sleep(AGAIN) => {}
                        () = self.again.notified() => {}
                        _ = stop.changed() => return,
                    }
                    attempt(&self.open)
                }
            };
            let result = tokio::select! {
                result = opening => result,
                _ = stop.changed() => return,
            };
            match told(result) {
                Ok(store) => self.store.take_up(&store),
                Err(reason) => self.store.take_up(&Store::absent(reason)),
            }
            if self.store.ready().is_ok() {
                tracing::warn!(
                    event = "cases.open",
                    "cases is open again: the portals' and the staff's doors give all"
                );
                opened();
                break;
            }
        }
        let _ = stop.changed().await;
    }
}

/// On a thread of its own: one that waits for a broken disk must not hold up a stop.
fn attempt(open: &Open) -> Opening {
    let (sender, receiver) = oneshot::channel();
    let open = open.clone();
    let spawned = std::thread::Builder::new().name("open-cases".into()).spawn(move || {
        let _ = sender.send(open());
    });
    if let Err(error) = spawned {
        tracing::error!(event = "cases.thread", %error, "no thread to open cases on");
    }
    receiver
}

fn told(opened: Result<Result<Store, StartError>, oneshot::error::RecvError>) -> Result<Store, String> {
    let reason = match opened {
        Ok(Ok(store)) => return Ok(store),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "opening it ended without a word; see the log".to_owned(),
    };
    tracing::error!(
        event = "cases.absent",
        reason,
        "cases cannot be opened: portals and staff get 503, status and support work. Repair it, then reload \
         (systemctl reload budkavle); it is tried again every minute"
    );
    Err(reason)
}
