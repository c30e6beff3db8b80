//! A small server of the copy of the public pages, for the time when the gateway is down. It opens no store and needs no
//! key but TLS's. Standing by, it watches the gateway's admin socket and holds the public door only while nobody answers
//! there: it takes over within a moment of any end, and gives the door back when the gateway is up again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::watch;

use super::clock::SystemClock;
use super::door::{DoorCounters, DoorState};
use super::{StartError, blocking};
use crate::admit::{Limits, Places};
use crate::config::Config;
use crate::http::connection::Drain;
use crate::http::fallback::{self, routes};
use crate::http::request::Door;
use crate::http::shelf::{Entry, Shelf};
use crate::jobs::leavings::Leavings;
use crate::jobs::snapshot::{self, Copy};
use crate::net::{ClientAuth, Listener, ServerTls};
use crate::notify;
use crate::render::Renderer;
use crate::signal::{Signal, Signals};

/// How often the gateway is looked for, and the copy.
const LOOK: Duration = Duration::from_millis(250);
/// How long open requests may go on when the door is given back.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves until a signal stops it; `opened` hears of each time the door is taken.
pub async fn serve_snapshot(
    config: Config,
    standing_by: bool,
    opened: impl Fn(SocketAddr) + Send,
) -> Result<(), StartError> {
    let mut signals = Signals::new().map_err(StartError::Signals)?;
    let renderer = Arc::new(Renderer::new(config.service.clone(), config.template_dir.as_deref())?);
    let mut fallback = Fallback { copy: Follow::new(config.snapshot_dir.clone()), renderer, config };
    // Unfit files are told now, not when they are needed.
    fallback.tls()?;
    notify::ready();
    loop {
        if standing_by {
            notify::status("standing by");
            match until(&mut signals, || async { !answers(&fallback.config.admin_socket).await }).await {
                Next::Stop => return Ok(()),
                Next::Reload => continue,
                Next::Holds => {}
            }
        }
        let door = match fallback.open(standing_by) {
            Ok(door) => Arc::new(door),
            // The gateway's own socket may still be on its way out.
            Err(StartError::Listen { .. }) if standing_by => {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        tracing::warn!(event = "fallback.open", "the copy of the public pages is served");
        notify::status("serving the copy of the public pages");
        opened(door.listener.address());
        if fallback.serve(door, standing_by, &mut signals).await {
            return Ok(());
        }
        tracing::warn!(event = "fallback.closed", "the gateway answers again: the public door is its own");
    }
}

/// Why waiting ended.
enum Next {
    Stop,
    Reload,
    Holds,
}

async fn until<F: Future<Output = bool>>(signals: &mut Signals, holds: impl Fn() -> F) -> Next {
    loop {
        if holds().await {
            return Next::Holds;
        }
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::Reload => return Next::Reload,
                Signal::Stop | Signal::StopNow => return Next::Stop,
            },
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Whether a gateway is up: its admin socket is opened after its doors.
async fn answers(socket: &Path) -> bool {
    UnixStream::connect(socket).await.is_ok()
}

struct Fallback {
    config: Config,
    copy: Follow,
    renderer: Arc<Renderer>,
}

impl Fallback {
    fn tls(&self) -> Result<ServerTls, StartError> {
        let door = Door::Public.as_str();
        ServerTls::load(self.config.public.door.tls.clone(), ClientAuth::None)
            .map_err(|error| StartError::Tls { door, error })
    }

    fn answers(&self) -> fallback::Fallback {
        let leavings = Leavings::new(self.config.leavings_dir());
        fallback::Fallback {
            renderer: self.renderer.clone(),
            clock: Arc::new(SystemClock),
            keep: Box::new(move |token| leavings.keep(token)),
            mail_domain: self.config.mail_domain.clone(),
        }
    }

    /// Beside a gateway that is coming up or going down both hold the port for a moment, so that nobody is refused.
    fn open(&self, shared: bool) -> Result<DoorState, StartError> {
        let settings = &self.config.public;
        let (address, most) = (settings.door.listen, settings.door.connections_max);
        let listener = if shared { Listener::bind_shared(address, most) } else { Listener::bind(address, most) };
        let listener = listener.map_err(|error| StartError::Listen { door: Door::Public.as_str(), error })?;
        let limits = Arc::new(Limits::new(self.config.limits));
        Ok(DoorState {
            door: Door::Public,
            listener,
            tls: self.tls()?,
            trust: None,
            limits: limits.clone(),
            places: Some(Places::new(settings.connections_per_address_max, most)),
            routes: routes(self.copy.shelf.clone(), limits, self.answers()),
            counters: DoorCounters::default(),
            connected: None,
        })
    }

    /// True when a signal said to stop; false when the gateway is back.
    async fn serve(&mut self, door: Arc<DoorState>, standing_by: bool, signals: &mut Signals) -> bool {
        self.copy.renew().await;
        let (stop, stopped) = watch::channel(false);
        let drain = Arc::<Drain>::default();
        let serving = tokio::spawn(door.clone().run(drain.clone(), stopped));
        let stopping = loop {
            let back = || async { standing_by && answers(&self.config.admin_socket).await };
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Reload => reload(&door).await,
                    Signal::Stop | Signal::StopNow => break true,
                },
                () = tokio::time::sleep(LOOK) => {
                    if back().await {
                        break false;
                    }
                    self.copy.renew().await;
                }
            }
        };
        stop.send_replace(true);
        let _ = tokio::time::timeout(DRAIN, drain.begin()).await;
        let _ = serving.await;
        stopping
    }
}

async fn reload(door: &Arc<DoorState>) {
    let door = door.clone();
    if let Err(error) = blocking(move || door.tls.reload(ClientAuth::None)).await {
        tracing::error!(event = "fallback.reload", %error, "the certificate was not renewed: the old stays");
    }
}

/// Follows the copy on disk onto a shelf.
struct Follow {
    dir: PathBuf,
    shelf: Arc<Shelf>,
    version: Option<PathBuf>,
    /// The fault that was told last, told once.
    fault: Option<String>,
}

impl Follow {
    fn new(dir: PathBuf) -> Follow {
        Follow { dir, shelf: Arc::default(), version: None, fault: None }
    }

    async fn renew(&mut self) {
        let (dir, known) = (self.dir.clone(), self.version.clone());
        let read = blocking(move || {
            let current = snapshot::current(&dir)?;
            if known.as_ref() == Some(&current) { Ok(None) } else { snapshot::read(&dir).map(Some) }
        });
        match read.await {
            Ok(None) => {}
            Ok(Some(copy)) => {
                self.shelf.fill(entries(&copy), copy.manifest.stale_after);
                tracing::info!(event = "fallback.copy", generated_at = %copy.manifest.generated_at, "a copy was read");
                (self.version, self.fault) = (Some(copy.version), None);
            }
            Err(error) => {
                let fault = error.to_string();
                if self.fault.as_ref() != Some(&fault) {
                    tracing::error!(event = "fallback.copy", %error, "the copy of the public pages cannot be read");
                    self.fault = Some(fault);
                }
            }
        }
    }
}

fn entries(copy: &Copy) -> impl Iterator<Item = Entry<'_>> {
    copy.manifest.files.iter().zip(&copy.bytes).map(|(file, bytes)| Entry {
        path: &file.path,
        content_type: &file.content_type,
        bytes,
        max_age_seconds: file.max_age_seconds,
    })
}
