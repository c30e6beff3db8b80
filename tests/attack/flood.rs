//! Whoever floods a door with handshakes does not keep out who belongs there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustls::AlertDescription;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::common::{Gateway, Region};
use crate::handshakes::NO_LIMITS;
use crate::thief::thief;

const THIEVES: u8 = 16;
/// Fewer would be no flood.
const STOLEN_MIN: u64 = 300;
const HONEST: usize = 60;
const SILENT: usize = 700;

/// Shows stolen certificates until told to stop, each from an address of its own; how many were refused for their key.
fn flood(gateway: &Arc<Gateway>, from: [u8; 2]) -> (Arc<AtomicBool>, Arc<AtomicU64>, JoinSet<()>) {
    let (stop, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut thieves = JoinSet::new();
    for number in 1..=THIEVES {
        let (gateway, stop, refused) = (gateway.clone(), stop.clone(), refused.clone());
        thieves.spawn(async move {
            let address = [127, from[0], from[1], number];
            while !stop.load(Ordering::Relaxed) {
                let caller = thief(&gateway, gateway.portal_door, "tls/portal").from(address);
                if let Ok(AlertDescription::DecryptError) = caller.refusal().await {
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    (stop, refused, thieves)
}

/// Each on a connection of its own; all have to be answered.
async fn honest_callers_are_served(gateway: &Gateway) {
    for _ in 0..HONEST {
        gateway.portal().get("/v1/whoami").await.expect(200);
        gateway.receiver().get("/v1/whoami").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_stolen_certificates_keeps_nobody_out() {
    let gateway = Arc::new(Region::prepare().with(NO_LIMITS).run());
    let (stop, refused, thieves) = flood(&gateway, [20, 0]);
    honest_callers_are_served(&gateway).await;
    // The flood went on all the while, and was answered all the while.
    crate::common::until("the flood is one", std::time::Duration::from_secs(60), async || {
        (refused.load(Ordering::Relaxed) >= STOLEN_MIN).then_some(())
    })
    .await;
    honest_callers_are_served(&gateway).await;
    stop.store(true, Ordering::Relaxed);
    thieves.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_that_floods_meets_its_limit_before_any_handshake_and_others_do_not() {
    let gateway = Arc::new(Region::prepare().with("[limits]\naddress-per-minute = 60").run());
    let here = |number| [127, 30, 0, number];
    let mut refused = 0;
    for _ in 0..200 {
        let caller = thief(&gateway, gateway.portal_door, "tls/portal").from(here(1));
        refused += u32::from(caller.refusal().await.is_ok());
    }
    // A little more than the limit, as it fills again while the test runs.
    assert!((60..150).contains(&refused), "{refused}");
    for number in 2..30 {
        gateway.portal().from(here(number)).get("/v1/whoami").await.expect(200);
    }
}

/// Whoever connects and says nothing takes a place until its handshake has lasted too long; so many of one address leave
/// places enough.
#[tokio::test]
async fn silent_connections_of_one_address_leave_room_for_others() {
    let gateway = Region::prepare().run();
    for door in [gateway.portal_door, gateway.staff_door, gateway.public_door] {
        let mut silent = Vec::new();
        for _ in 0..SILENT {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.40.0.1:0".parse().unwrap()).unwrap();
            silent.push(socket.connect(door).await.unwrap());
        }
        for number in 2..12 {
            let here = [127, 40, 0, number];
            let (caller, path) = match door {
                door if door == gateway.portal_door => (gateway.portal(), "/v1/whoami"),
                door if door == gateway.staff_door => (gateway.receiver(), "/v1/whoami"),
                _ => (gateway.anyone(), "/status"),
            };
            caller.from(here).get(path).await.expect(200);
        }
        drop(silent);
    }
}
