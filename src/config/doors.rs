//! The tables of the doors: where each listens, with which certificate, how many it lets in at once.

use std::path::Path;

use jiff::SignedDuration;
use toml::Spanned;

use super::check::bounded;
use super::diagnostic::Scrutiny;
use super::file;
use super::{DoorSettings, PublicDoorSettings};
use crate::net::ServerTlsSettings;
use crate::render::staff::SessionLimits;

const CONNECTIONS_DEFAULT: usize = 2_000;
const CONNECTIONS_MAX: usize = 20_000;
const CONNECTIONS_PER_ADDRESS_DEFAULT: usize = 64;
/// Whoever tries a card holds a connection for as long as typing a PIN takes.
const CARD_TEST_CONNECTIONS_DEFAULT: usize = 200;
const SESSION_IDLE_MINUTES: u32 = 30;
const SESSION_IDLE_MINUTES_MAX: u32 = 8 * 60;
const SESSION_HOURS: u32 = 12;
const SESSION_HOURS_MAX: u32 = 24;

fn door(scrutiny: &mut Scrutiny, base: &Path, door: file::Door) -> Option<DoorSettings> {
    let connections_max = bounded(scrutiny, door.connections_max.as_ref(), CONNECTIONS_DEFAULT, 1, CONNECTIONS_MAX);
    let listen = door.listen.get_ref().parse();
    if listen.is_err() {
        let remedy = "such as \"0.0.0.0:8440\" or \"[::]:8440\"";
        scrutiny.fault(door.listen.span(), "an IP address and a port to listen on", remedy);
    }
    let tls = ServerTlsSettings {
        certificate: base.join(door.certificate),
        key: base.join(door.key),
        card_compat: door.card_compat.is_some_and(Spanned::into_inner),
    };
    Some(DoorSettings { listen: listen.ok()?, tls, connections_max })
}

pub fn staff_door(scrutiny: &mut Scrutiny, base: &Path, staff: file::StaffDoor) -> Option<DoorSettings> {
    let file::StaffDoor { listen, certificate, key, connections_max, card_compat, .. } = staff;
    door(scrutiny, base, file::Door { listen, certificate, key, connections_max, card_compat })
}

pub fn sessions(scrutiny: &mut Scrutiny, staff: &file::StaffDoor) -> SessionLimits {
    let idle =
        bounded(scrutiny, staff.session_idle_minutes.as_ref(), SESSION_IDLE_MINUTES, 1, SESSION_IDLE_MINUTES_MAX);
    let age = bounded(scrutiny, staff.session_max_hours.as_ref(), SESSION_HOURS, 1, SESSION_HOURS_MAX);
    SessionLimits {
        idle_max: SignedDuration::from_mins(i64::from(idle)),
        age_max: SignedDuration::from_hours(i64::from(age)),
    }
}

pub fn portal_door(scrutiny: &mut Scrutiny, base: &Path, portal: file::Door) -> Option<DoorSettings> {
    if let Some(compat) = &portal.card_compat {
        scrutiny.fault(compat.span(), "systems have no cards", "leave `card-compat` out here");
    }
    door(scrutiny, base, portal)
}

pub fn public_door(scrutiny: &mut Scrutiny, base: &Path, public: file::PublicDoor) -> Option<PublicDoorSettings> {
    let each = public.connections_per_address_max.as_ref();
    let connections_per_address_max = bounded(scrutiny, each, CONNECTIONS_PER_ADDRESS_DEFAULT, 1, CONNECTIONS_MAX);
    let file::PublicDoor { listen, certificate, key, connections_max, .. } = public;
    let door = door(scrutiny, base, file::Door { listen, certificate, key, connections_max, card_compat: None })?;
    Some(PublicDoorSettings { door, connections_per_address_max })
}

/// `Some(None)` where the table was left out, and with it the door.
pub fn card_test_door(
    scrutiny: &mut Scrutiny,
    base: &Path,
    card_test: Option<file::CardTestDoor>,
) -> Option<Option<DoorSettings>> {
    let Some(card_test) = card_test else { return Some(None) };
    let file::CardTestDoor { listen, certificate, key, connections_max, card_compat, .. } = card_test;
    let connections = bounded(scrutiny, connections_max.as_ref(), CARD_TEST_CONNECTIONS_DEFAULT, 1, CONNECTIONS_MAX);
    let door = door(scrutiny, base, file::Door { listen, certificate, key, connections_max: None, card_compat })?;
    Some(Some(DoorSettings { connections_max: connections, ..door }))
}
