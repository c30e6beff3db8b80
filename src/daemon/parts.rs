//! How the parts of a running gateway are built from its configuration.

use std::net::IpAddr;
use std::sync::Arc;

use super::connected::Connected;
use super::door::{DoorCounters, DoorState};
use super::trust::TrustState;
use super::{Addresses, StartError};
use crate::admin;
use crate::admit::{Limits, Places};
use crate::config::{Config, DoorSettings};
use crate::domain::status::probe::target::HttpTarget;
use crate::http::live::Live;
use crate::http::request::Door;
use crate::http::session::Sessions;
use crate::http::shelf::Shelf;
use crate::http::{self, Api};
use crate::mail::Mailer;
use crate::net::{ClientAuth, Listener, ServerTls};
use crate::outbox::fanout::{Fanout, LetterSettings};
use crate::outbox::{self, Outbox};
use crate::render::Renderer;
use crate::usecase::Gateway;
use crate::usecase::letters::LetterStore;

/// Cards that are tried at once behind one address.
const CARD_TESTS_PER_ADDRESS_MAX: usize = 64;

/// What the doors answer requests with.
pub fn api(
    config: &Config,
    gateway: &Arc<Gateway>,
    limits: &Arc<Limits>,
    renderer: &Arc<Renderer>,
    (shelf, live): (&Arc<Shelf>, &Arc<Live>),
    connected: &Arc<Connected>,
) -> Result<Arc<Api>, StartError> {
    let connected = connected.clone();
    Ok(Arc::new(Api {
        gateway: gateway.clone(),
        limits: limits.clone(),
        renderer: renderer.clone(),
        shelf: shelf.clone(),
        live: live.clone(),
        sessions: Sessions::new(config.sessions)?,
        hang_up: Arc::new(move |certificate| connected.hang_up(certificate)),
    }))
}

pub fn open_doors(
    config: &Config,
    trust: &Arc<TrustState>,
    limits: &Arc<Limits>,
    api: &Arc<Api>,
    connected: &Arc<Connected>,
) -> Result<(Vec<Arc<DoorState>>, Addresses), StartError> {
    let portal = build_door(Door::Portal, &config.portal, Some(trust), limits, api)?;
    let mut staff = build_door(Door::Staff, &config.staff, Some(trust), limits, api)?;
    staff.connected = Some(connected.clone());
    let mut public = build_door(Door::Public, &config.public.door, None, limits, api)?;
    public.places = Some(Places::new(config.public.connections_per_address_max, config.public.door.connections_max));
    let card_test = match &config.card_test {
        None => None,
        Some(settings) => {
            let mut door = build_door(Door::CardTest, settings, Some(trust), limits, api)?;
            door.places = Some(Places::new(CARD_TESTS_PER_ADDRESS_MAX, settings.connections_max));
            Some(door)
        }
    };
    let addresses = Addresses {
        portal: portal.listener.address(),
        staff: staff.listener.address(),
        public: public.listener.address(),
        card_test: card_test.as_ref().map(|door| door.listener.address()),
    };
    let doors = [portal, staff, public].into_iter().chain(card_test);
    Ok((doors.map(Arc::new).collect(), addresses))
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
        Door::Portal | Door::Staff | Door::CardTest => Listener::bind(settings.listen, settings.connections_max),
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
        connected: None,
    })
}

pub fn fanout(config: &Config, gateway: &Arc<Gateway>, mailer: &Arc<Mailer>, renderer: &Arc<Renderer>) -> Arc<Fanout> {
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
pub fn own_name(config: &Config) -> String {
    match HttpTarget::parse(&config.service.public_url) {
        Ok(public) if public.host.parse::<IpAddr>().is_err() => public.host,
        _ => "localhost".to_owned(),
    }
}

pub fn facts(config: &Config, addresses: Addresses) -> admin::Facts {
    admin::Facts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        mode: format!("{:?}", config.mode).to_lowercase(),
        portal: addresses.portal,
        staff: addresses.staff,
        public: addresses.public,
        card_test: addresses.card_test,
    }
}

/// One a store, settled alike and counted together.
pub fn outboxes(
    config: &Config,
    gateway: &Arc<Gateway>,
    mailer: &Arc<Mailer>,
    renderer: &Arc<Renderer>,
    counters: &Arc<outbox::Counters>,
) -> [Arc<Outbox>; 2] {
    let settings = outbox_settings(config);
    LetterStore::ALL.map(|of| {
        let (mailer, renderer) = (mailer.clone(), renderer.clone());
        Arc::new(Outbox::new(gateway.clone(), of, mailer, renderer, settings.clone(), counters.clone()))
    })
}

pub fn outbox_settings(config: &Config) -> outbox::Settings {
    outbox::Settings {
        from: config.mail_from.clone(),
        envelope_from: config.bounce_address.clone(),
        bounce_domain: config.mail_domain.clone(),
        at_once_max: config.letters_at_once,
    }
}
