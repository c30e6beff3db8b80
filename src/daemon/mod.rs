//! Start and stop as a story, top to bottom.

mod cases;
mod clock;
mod connected;
mod door;
mod expiry;
mod fallback;
pub mod offline;
mod parts;
mod publishing;
mod refusals;
mod renewal;
mod trust;
mod upkeep;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use self::cases::CasesKeeper;
use self::clock::SteeredClock;
pub use self::clock::SystemClock;
use self::connected::Connected;
pub use self::fallback::serve_snapshot;
use self::parts::{api, facts, fanout, open_doors, outboxes, own_name};
use self::publishing::{live_of, publisher};
use self::renewal::Renewal;
use self::trust::TrustState;
use self::upkeep::{send_letters, upkeep, write_leavings_down};
use crate::admin::{self, Operations};
use crate::admit::Limits;
use crate::config::{Config, MasterKeyPlace, Mode};
use crate::crypto::CryptoError;
use crate::domain::time::Clock;
use crate::http::connection::Drain;
use crate::http::live::Live;
use crate::http::shelf::Shelf;
use crate::identity::TrustError;
use crate::jobs;
use crate::jobs::directory::Refresher;
use crate::jobs::probes::Prober;
use crate::jobs::revocation::Fetcher;
use crate::mail::{Mailer, MailerError};
use crate::net::{ListenError, TlsError};
use crate::notify;
use crate::outbox;
use crate::render::{RenderError, Renderer};
use crate::signal::{Signal, Signals};
use crate::store::{self, MasterKey, OpenError, ReadError, Store};
use crate::usecase::Gateway;
use crate::usecase::letters::LetterStore;
use crate::usecase::subscribers::SignUpRules;

/// How long open requests may go on after a stop; a second TERM ends it.
const DRAIN: Duration = Duration::from_secs(20);

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("master key: {0}")]
    MasterKey(String),
    #[error("store {name}: {error}")]
    Store { name: &'static str, error: Box<OpenError> },
    #[error("store common cannot be read: {0}")]
    Catalog(#[from] ReadError),
    #[error("templates: {0}")]
    Render(#[from] RenderError),
    #[error("mail: {0}")]
    Mail(#[from] MailerError),
    #[error("trust: {0}")]
    Trust(#[from] TrustError),
    #[error("{door} door: {error}")]
    Tls { door: &'static str, error: TlsError },
    #[error("{door} door: {error}")]
    Listen { door: &'static str, error: ListenError },
    #[error("admin socket {path}: {source}", path = path.display())]
    Admin { path: PathBuf, source: io::Error },
    #[error("the operating system gave no random bytes for the form key")]
    Random(#[from] CryptoError),
    #[error("signals: {0}")]
    Signals(io::Error),
    #[error("a part of the gateway ended that never should: please report it with the log before this")]
    TaskEnded,
}

/// Where the doors were bound, and who is behind them.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    pub portal: SocketAddr,
    pub staff: SocketAddr,
    pub public: SocketAddr,
    /// None where the region has no card test.
    pub card_test: Option<SocketAddr>,
}

/// The two stores, open.
pub struct Stores {
    pub cases: Store,
    pub common: Store,
}

/// Opens both stores. Blocking.
pub fn open_stores(config: &Config, clock: &Arc<dyn Clock>) -> Result<Stores, StartError> {
    Ok(Stores { common: open_store(config, "common", clock)?, cases: open_store(config, "cases", clock)? })
}

/// Opens one store under the master key, which is read anew each time and kept by nobody. Blocking.
fn open_store(config: &Config, name: &'static str, clock: &Arc<dyn Clock>) -> Result<Store, StartError> {
    let path = match &config.master_key {
        MasterKeyPlace::File(path) => path.clone(),
        MasterKeyPlace::Credential => match std::env::var_os("CREDENTIALS_DIRECTORY") {
            Some(dir) => PathBuf::from(dir).join("master-key"),
            None => {
                let text = "there is no $CREDENTIALS_DIRECTORY: set `master-key-file`, or LoadCredential=master-key:… in the unit";
                return Err(StartError::MasterKey(text.into()));
            }
        },
    };
    let master = MasterKey::load(&path).map_err(|e| StartError::MasterKey(format!("{}: {e}", path.display())))?;
    let settings = store::Settings { dir: config.data_dir.join(name), cache_bytes: config.cache_bytes };
    Store::open(&settings, &master, clock.clone()).map_err(|error| StartError::Store { name, error: Box::new(error) })
}

/// Runs the gateway until a signal stops it. `ready` hears where the doors are.
pub async fn run(config: Config, ready: impl FnOnce(Addresses) + Send) -> Result<(), StartError> {
    let mut signals = Signals::new().map_err(StartError::Signals)?;
    let mut daemon = Daemon::start(config).await?;
    notify::ready();
    notify::status("serving");
    tracing::info!(
        event = "daemon.ready",
        portal = %daemon.addresses.portal,
        staff = %daemon.addresses.staff,
        public = %daemon.addresses.public,
        "ready"
    );
    ready(daemon.addresses);
    let watchdog = notify::watchdog_interval().unwrap_or(Duration::from_secs(3_600));
    let mut beat = tokio::time::interval(watchdog);
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::Reload => daemon.reload().await,
                Signal::Stop | Signal::StopNow => break,
            },
            _ = beat.tick() => notify::watchdog(),
            // None of them ends by itself: systemd is to start us anew.
            _ = daemon.tasks.join_next() => {
                daemon.stop(DRAIN).await;
                return Err(StartError::TaskEnded);
            }
        }
    }
    notify::stopping();
    notify::status("draining");
    tokio::select! {
        () = daemon.stop(DRAIN) => {}
        () = hurried(&mut signals) => tracing::warn!(event = "daemon.hurried", "a second signal: not waiting for open requests"),
    }
    Ok(())
}

async fn hurried(signals: &mut Signals) {
    loop {
        if matches!(signals.next().await, Signal::StopNow | Signal::Stop) {
            return;
        }
    }
}

/// A running gateway.
pub struct Daemon {
    pub addresses: Addresses,
    pub gateway: Arc<Gateway>,
    renewal: Arc<Renewal>,
    live: Arc<Live>,
    drain: Arc<Drain>,
    /// Rung when `cases` is to be tried again.
    cases_bell: Arc<Notify>,
    tasks: JoinSet<()>,
    /// Doors and admin socket listen to the first, the outbox to the second: it goes on while requests finish.
    stop_doors: watch::Sender<bool>,
    stop_outbox: watch::Sender<bool>,
}

impl Daemon {
    /// Builds every part, binds the doors, begins to serve.
    pub async fn start(config: Config) -> Result<Daemon, StartError> {
        let (clock, steer) = clocks(config.mode);
        let limits = Arc::new(Limits::new(config.limits));
        let (gateway, keeper) = open_gateway(&config, &clock, &limits).await?;
        let refresher = Arc::new(Refresher::new(gateway.clone(), config.directory.refresh.clone()));
        let prober = Arc::new(Prober::new(gateway.clone(), own_name(&config)));
        let renderer = Arc::new(Renderer::new(config.service.clone(), config.template_dir.as_deref())?);
        let mailer = Arc::new(Mailer::new(config.mail.clone())?);
        let trust = {
            // Certificates are judged by the wall's clock, wherever the gateway's is moved.
            let (settings, ocsp) = (config.trust.clone(), config.ocsp.clone());
            blocking(move || TrustState::load(settings, ocsp, Arc::new(SystemClock))).await?
        };
        let (shelf, live) = (Arc::<Shelf>::default(), Arc::new(live_of(&config)));
        let mut publisher = publisher(&config, &gateway, &renderer, &shelf, &live);
        if let Err(error) = publisher.publish().await {
            // What cannot be copied to a full disk is on the shelf all the same.
            tracing::error!(event = "publish.failed", %error, "the public pages are not renewed everywhere");
        }
        let connected = Arc::<Connected>::default();
        let api = api(&config, &gateway, &limits, &renderer, (&shelf, &live), &connected)?;
        let (doors, addresses) = open_doors(&config, &trust, &limits, &api, &connected)?;
        let fanout = fanout(&config, &gateway, &mailer, &renderer);
        let counters = Arc::<outbox::Counters>::default();
        let outboxes = outboxes(&config, &gateway, &mailer, &renderer, &counters);
        let (renewal, endings) = (Renewal::new(trust.clone(), doors.clone()), expiry::endings(&config, &trust, &doors));
        let operations = Operations {
            gateway: gateway.clone(),
            outbox: counters,
            fanout: fanout.counters.clone(),
            prober: prober.clone(),
            refresher: refresher.clone(),
            mailer: mailer.clone(),
            facts: Arc::new(facts(&config, addresses)),
            trust: trust::reporter(&trust, &doors, &renewal),
            endings: endings.clone(),
            renderer: renderer.clone(),
            steer,
        };
        let admin = admin::bind(&config.admin_socket)
            .map_err(|source| StartError::Admin { path: config.admin_socket.clone(), source })?;
        let leavings = jobs::leavings::begin(&gateway, config.leavings_dir()).await;
        let (stop_doors, stopped) = watch::channel(false);
        let (stop_outbox, outbox_stopped) = watch::channel(false);
        let drain = Arc::<Drain>::default();
        let mut tasks = JoinSet::new();
        for door in &doors {
            tasks.spawn(door.clone().run(drain.clone(), stopped.clone()));
        }
        tasks.spawn(admin::serve(admin, operations, stopped.clone()));
        tasks.spawn(fanout.run(outbox_stopped.clone()));
        tasks.spawn(jobs::bounces::run(gateway.clone(), config.incoming_maildir.clone(), stopped.clone()));
        tasks.spawn(jobs::leavings::run(gateway.clone(), leavings, stopped.clone()));
        tasks.spawn(jobs::status_clock::run(gateway.clone(), stopped.clone()));
        tasks.spawn(renewal.clone().run(stopped.clone()));
        tasks.spawn(jobs::expiry::run(gateway.clone(), endings, config.operators, stopped.clone()));
        let lists = Fetcher::new(trust.clone(), gateway.clone(), config.revocation.clone(), trust.board.clone());
        tasks.spawn(lists.run(stopped.clone()));
        tasks.spawn(jobs::tickets::run(gateway.clone(), stopped.clone()));
        tasks.spawn(refresher.run(stopped.clone()));
        tasks.spawn(jobs::returns::run(gateway.clone(), stopped.clone()));
        let (cases_bell, letters) = (keeper.bell(), gateway.letters_owed(LetterStore::Cases).clone());
        tasks.spawn(publisher.run(stopped.clone()));
        tasks.spawn(keeper.run(move || letters.notify_one(), stopped.clone()));
        tasks.spawn(prober.run(stopped.clone()));
        tasks.spawn(send_letters(outboxes, mailer, outbox_stopped));
        tasks.spawn(write_leavings_down(gateway.clone(), stopped.clone()));
        tasks.spawn(upkeep(gateway.clone(), limits, stopped));
        Ok(Daemon { addresses, gateway, renewal, live, drain, cases_bell, tasks, stop_doors, stop_outbox })
    }

    /// Certificates, keys, issuers and revocation lists are read again; what is unfit leaves the old in use.
    pub async fn reload(&self) {
        notify::reloading();
        self.cases_bell.notify_one();
        self.renewal.all().await;
        tracing::info!(event = "daemon.reloaded", "certificates and revocation lists were read again");
        notify::ready();
    }

    /// Doors shut, open requests finish, letters under way finish, stores close.
    pub async fn stop(mut self, drain: Duration) {
        self.stop_doors.send_replace(true);
        self.gateway.end_polls();
        self.live.end();
        let drained = tokio::time::timeout(drain, self.drain.begin()).await.is_ok();
        self.stop_outbox.send_replace(true);
        let _ = tokio::time::timeout(drain, async { while self.tasks.join_next().await.is_some() {} }).await;
        let gateway = self.gateway.clone();
        blocking(move || {
            gateway.cases.close();
            gateway.common.close();
        })
        .await;
        tracing::info!(event = "daemon.stopped", drained, "stopped");
    }
}

/// The gateway's clock. Production has no other than the wall's.
fn clocks(mode: Mode) -> (Arc<dyn Clock>, Option<admin::Steer>) {
    match mode {
        Mode::Production => (Arc::new(SystemClock), None),
        Mode::Test => {
            let clock = Arc::new(SteeredClock::default());
            let steered = clock.clone();
            (clock, Some(Arc::new(move |to| steered.set(to))))
        }
    }
}

/// Runs what waits for the disk off the workers that serve callers.
async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(act).await {
        Ok(value) => value,
        // Only a panic in `act` brings us here; it goes on as one.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// `common` first: without it nothing starts, and nothing else has been touched then.
async fn open_gateway(
    config: &Config,
    clock: &Arc<dyn Clock>,
    limits: &Arc<Limits>,
) -> Result<(Arc<Gateway>, CasesKeeper), StartError> {
    let open = {
        let (config, clock) = (config.clone(), clock.clone());
        move |name| open_store(&config, name, &clock)
    };
    let (common, open) = blocking(move || (open("common"), open)).await;
    let common = common?;
    let (cases, keeper) = CasesKeeper::begin(Arc::new(move || open("cases"))).await;
    Ok((build_gateway(config, cases, common, clock, limits).await?, keeper))
}

/// As the configuration has it, with doors or without.
async fn build_gateway(
    config: &Config,
    cases: Store,
    common: Store,
    clock: &Arc<dyn Clock>,
    limits: &Arc<Limits>,
) -> Result<Arc<Gateway>, StartError> {
    let production = config.mode == Mode::Production;
    let gateway = Gateway::start(cases, common, clock.clone(), limits.clone(), production).await?;
    let gateway = gateway.expecting(config.portal_silence.clone()).with_directory(config.directory.rules);
    Ok(Arc::new(gateway.with_status(config.status).with_sign_up_rules(SignUpRules {
        public_url: config.service.public_url.clone(),
        allowed_domains: config.allowed_domains.clone(),
    })))
}
