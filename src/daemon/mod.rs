//! Start and stop as a story, top to bottom.

mod cases;
mod clock;
mod door;
mod fallback;
pub mod offline;
mod publishing;
mod trust;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use self::cases::CasesKeeper;
use self::clock::SteeredClock;
pub use self::clock::SystemClock;
use self::door::{DoorCounters, DoorState};
pub use self::fallback::serve_snapshot;
use self::publishing::{live_of, publisher};
use self::trust::TrustState;
use crate::admin::{self, Operations};
use crate::admit::{Limits, Places};
use crate::config::{Config, DoorSettings, MasterKeyPlace, Mode};
use crate::domain::status::probe::target::HttpTarget;
use crate::domain::time::Clock;
use crate::http::connection::Drain;
use crate::http::live::Live;
use crate::http::request::Door;
use crate::http::shelf::Shelf;
use crate::http::{self, Api};
use crate::identity::TrustError;
use crate::jobs;
use crate::jobs::probes::Prober;
use crate::mail::{Mailer, MailerError};
use crate::net::{ClientAuth, ListenError, Listener, ServerTls, TlsError};
use crate::notify;
use crate::outbox::fanout::{Fanout, LetterSettings};
use crate::outbox::{self, Outbox};
use crate::render::{RenderError, Renderer};
use crate::signal::{Signal, Signals};
use crate::store::{self, MasterKey, OpenError, ReadError, Store};
use crate::usecase::Gateway;
use crate::usecase::letters::LetterStore;
use crate::usecase::subscribers::SignUpRules;

/// How long open requests may go on after a stop; a second TERM ends it.
const DRAIN: Duration = Duration::from_secs(20);
/// How often what time demands is looked after.
const UPKEEP: Duration = Duration::from_secs(60);
/// How often a store that could not take a leaving is tried again.
const LEAVINGS_AGAIN: Duration = Duration::from_secs(2);
/// Batches of one round of upkeep: far more than a region makes due in a minute.
const BATCHES_A_ROUND: u32 = 1_000;
/// How often the region is read again, for posts that began or ended.
const REFRESH_ROUNDS: u64 = 10;

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
    trust: Arc<TrustState>,
    doors: Vec<Arc<DoorState>>,
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
        let prober = Arc::new(Prober::new(gateway.clone(), own_name(&config)));
        let renderer = Arc::new(Renderer::new(config.service.clone(), config.template_dir.as_deref())?);
        let mailer = Arc::new(Mailer::new(config.mail.clone())?);
        let trust = {
            // Certificates are judged by the wall's clock, wherever the gateway's is moved.
            let settings = config.trust.clone();
            blocking(move || TrustState::load(settings, Arc::new(SystemClock))).await?
        };
        let (shelf, live) = (Arc::<Shelf>::default(), Arc::new(live_of(&config)));
        let mut publisher = publisher(&config, &gateway, &renderer, &shelf, &live);
        if let Err(error) = publisher.publish().await {
            // What cannot be copied to a full disk is on the shelf all the same.
            tracing::error!(event = "publish.failed", %error, "the public pages are not renewed everywhere");
        }
        let api = Arc::new(Api {
            gateway: gateway.clone(),
            limits: limits.clone(),
            renderer: renderer.clone(),
            shelf,
            live: live.clone(),
        });
        let (doors, addresses) = open_doors(&config, &trust, &limits, &api)?;
        let settings = outbox_settings(&config);
        let fanout = fanout(&config, &gateway, &mailer, &renderer);
        let counters = Arc::<outbox::Counters>::default();
        let outboxes = LetterStore::ALL.map(|of| {
            let (mailer, renderer) = (mailer.clone(), renderer.clone());
            Arc::new(Outbox::new(gateway.clone(), of, mailer, renderer, settings.clone(), counters.clone()))
        });
        let operations = Operations {
            gateway: gateway.clone(),
            outbox: counters,
            fanout: fanout.counters.clone(),
            prober: prober.clone(),
            mailer: mailer.clone(),
            facts: Arc::new(facts(&config, addresses)),
            trust: {
                let (trust, doors) = (trust.clone(), doors.clone());
                Arc::new(move || trust::report(&trust, &doors))
            },
            renderer: renderer.clone(),
            steer,
        };
        let admin = admin::bind(&config.admin_socket)
            .map_err(|source| StartError::Admin { path: config.admin_socket.clone(), source })?;
        let (stop_doors, stopped) = watch::channel(false);
        let (stop_outbox, outbox_stopped) = watch::channel(false);
        let drain = Arc::new(Drain::new());
        let mut tasks = JoinSet::new();
        for door in &doors {
            tasks.spawn(door.clone().run(drain.clone(), stopped.clone()));
        }
        tasks.spawn(admin::serve(admin, operations, stopped.clone()));
        tasks.spawn(fanout.run(outbox_stopped.clone()));
        tasks.spawn(jobs::bounces::run(gateway.clone(), config.incoming_maildir.clone(), stopped.clone()));
        tasks.spawn(jobs::status_clock::run(gateway.clone(), stopped.clone()));
        tasks.spawn(jobs::tickets::run(gateway.clone(), stopped.clone()));
        let (cases_bell, letters) = (keeper.bell(), gateway.letters_owed(LetterStore::Cases).clone());
        tasks.spawn(publisher.run(stopped.clone()));
        tasks.spawn(keeper.run(move || letters.notify_one(), stopped.clone()));
        tasks.spawn(prober.run(stopped.clone()));
        tasks.spawn(send_letters(outboxes, mailer, outbox_stopped));
        tasks.spawn(write_leavings_down(gateway.clone(), stopped.clone()));
        tasks.spawn(upkeep(gateway.clone(), limits, stopped));
        Ok(Daemon { addresses, gateway, trust, doors, live, drain, cases_bell, tasks, stop_doors, stop_outbox })
    }

    /// Certificates, keys, issuers and revocation lists are read again; what is unfit leaves the old in use.
    pub async fn reload(&self) {
        notify::reloading();
        self.cases_bell.notify_one();
        let trust = self.trust.clone();
        if let Err(error) = blocking(move || trust.reload()).await {
            tracing::error!(event = "daemon.reload.trust", %error, "trust was not renewed: the old stays");
        }
        for door in &self.doors {
            let door = door.clone();
            let reloaded = blocking(move || door.tls.reload(door.client_auth())).await;
            if let Err(error) = reloaded {
                tracing::error!(event = "daemon.reload.tls", %error, "a certificate was not renewed: the old stays");
            }
        }
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
    let gateway = gateway.expecting(config.portal_silence.clone());
    Ok(Arc::new(gateway.with_status(config.status).with_sign_up_rules(SignUpRules {
        public_url: config.service.public_url.clone(),
        allowed_domains: config.allowed_domains.clone(),
    })))
}

fn open_doors(
    config: &Config,
    trust: &Arc<TrustState>,
    limits: &Arc<Limits>,
    api: &Arc<Api>,
) -> Result<(Vec<Arc<DoorState>>, Addresses), StartError> {
    let portal = build_door(Door::Portal, &config.portal, Some(trust), limits, api)?;
    let staff = build_door(Door::Staff, &config.staff, Some(trust), limits, api)?;
    let mut public = build_door(Door::Public, &config.public.door, None, limits, api)?;
    public.places = Some(Places::new(config.public.connections_per_address_max, config.public.door.connections_max));
    let addresses = Addresses {
        portal: portal.listener.address(),
        staff: staff.listener.address(),
        public: public.listener.address(),
    };
    Ok(([portal, staff, public].map(Arc::new).to_vec(), addresses))
}

fn build_door(
    door: Door,
    settings: &DoorSettings,
    trust: Option<&Arc<TrustState>>,
    limits: &Arc<Limits>,
    api: &Arc<Api>,
) -> Result<DoorState, StartError> {
    let name = door.as_str();
    let client_auth = trust.map_or(ClientAuth::None, |trust| trust.client_auth(door));
    let tls =
        ServerTls::load(settings.tls.clone(), client_auth).map_err(|error| StartError::Tls { door: name, error })?;
    let listener = match door {
        Door::Portal | Door::Staff => Listener::bind(settings.listen, settings.connections_max),
        // Whoever serves the copy while we are down gives the door back when we have it.
        Door::Public => Listener::bind_shared(settings.listen, settings.connections_max),
    };
    let listener = listener.map_err(|error| StartError::Listen { door: name, error })?;
    Ok(DoorState {
        door,
        listener,
        tls,
        trust: trust.cloned(),
        limits: limits.clone(),
        places: None,
        routes: http::router(api, door),
        counters: DoorCounters::default(),
    })
}

fn fanout(config: &Config, gateway: &Arc<Gateway>, mailer: &Arc<Mailer>, renderer: &Arc<Renderer>) -> Arc<Fanout> {
    let letters = LetterSettings {
        from: config.mail_from.clone(),
        domain: config.mail_domain.clone(),
        public_url: config.service.public_url.clone(),
    };
    // One connection stays free for single letters.
    let connections_max = config.letters_at_once.saturating_sub(1).max(1);
    let settings = outbox::fanout::Settings { letters, connections_max, strict: config.mail_strict };
    Arc::new(Fanout::new(gateway.clone(), mailer.clone(), renderer.clone(), settings))
}

/// How the gateway names itself to mail servers that it only looks at.
fn own_name(config: &Config) -> String {
    match HttpTarget::parse(&config.service.public_url) {
        Ok(public) if public.host.parse::<IpAddr>().is_err() => public.host,
        _ => "localhost".to_owned(),
    }
}

fn facts(config: &Config, addresses: Addresses) -> admin::Facts {
    admin::Facts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        mode: format!("{:?}", config.mode).to_lowercase(),
        portal: addresses.portal,
        staff: addresses.staff,
        public: addresses.public,
    }
}

/// Both outboxes, until both are told to stop and are done; then the mailer, which they share.
fn outbox_settings(config: &Config) -> outbox::Settings {
    outbox::Settings {
        from: config.mail_from.clone(),
        envelope_from: config.bounce_address.clone(),
        at_once_max: config.letters_at_once,
    }
}

async fn send_letters(outboxes: [Arc<Outbox>; 2], mailer: Arc<Mailer>, stop: watch::Receiver<bool>) {
    let [common, cases] = outboxes.map(|outbox| outbox.run(stop.clone()));
    tokio::join!(common, cases);
    mailer.close().await;
}

/// People who leave while the store cannot write are written down as soon as it can.
async fn write_leavings_down(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
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

async fn upkeep(gateway: Arc<Gateway>, limits: Arc<Limits>, mut stop: watch::Receiver<bool>) {
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
