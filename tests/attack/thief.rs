//! Somebody who holds a public copy of a good certificate, and another key.

use rustls::AlertDescription;

use crate::client::Caller;
use crate::common::{Gateway, Region};
use crate::doors_for_certificates;
use crate::handshakes::NO_LIMITS;

/// Certificates are public: whose it is must not matter to who has not got the key.
const STOLEN: [&str; 12] = [
    "tls/portal",
    "tls/staff-system",
    "tls/stranger",
    "cards/receiver",
    "cards/handler",
    "cards/telia",
    "cards/person-id",
    "cards/expired",
    "cards/not-yet",
    "cards/revoked",
    "cards/no-post",
    "cards/no-role",
];

pub fn thief(gateway: &Gateway, door: std::net::SocketAddr, certificate: &str) -> Caller {
    let region = &gateway.region;
    let [authority, certificate, key] = ["tls/server-ca.pem", certificate, "tls/server"].map(|name| region.path(name));
    Caller::showing(door, &authority, Some((&certificate, &key)))
}

#[tokio::test]
async fn a_certificate_without_its_key_meets_the_same_alert_at_every_door_whoever_it_is_of() {
    let gateway = Region::prepare().with(NO_LIMITS).run();
    for (name, door, _) in doors_for_certificates(&gateway) {
        for certificate in STOLEN {
            let told = thief(&gateway, door, certificate).alert().await;
            assert_eq!(told, AlertDescription::DecryptError, "{certificate} at the {name} door");
        }
    }
    // Where nobody is asked for a certificate, none makes anybody known.
    let told = thief(&gateway, gateway.public_door, "tls/portal").get("/v1/whoami").await;
    told.refused(404, "not-found");
}
