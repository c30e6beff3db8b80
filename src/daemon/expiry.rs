//! What of ours ends one day, as it is in use now: certificates of doors, issuers, the smarthosts' authorities.

use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::door::DoorState;
use super::trust::TrustState;
use crate::config::Config;
use crate::domain::calendar::day_bounds;
use crate::domain::expiry::{Ending, EndingKind};
use crate::identity;
use crate::mail;

/// Asked anew each time, as certificates and issuers are renewed meanwhile. Blocking at its making only.
pub fn endings(
    config: &Config,
    trust: &Arc<TrustState>,
    doors: &[Arc<DoorState>],
) -> Arc<dyn Fn() -> Vec<Ending> + Send + Sync> {
    let smarthosts = smarthosts(&config.mail);
    let (trust, doors) = (trust.clone(), doors.to_vec());
    Arc::new(move || {
        let shown = doors.iter().filter_map(|door| {
            let certificate = identity::describe(&door.tls.certificate()).ok()?;
            let name = door.door.as_str().to_owned();
            Some(Ending { ends: certificate.not_after, kind: EndingKind::Door, name })
        });
        let issuers = trust.issuers().into_iter().flat_map(|issuer| {
            let taken = issuer.ends.map(|day| (day_bounds(day).0, EndingKind::IssuerTaken));
            let ends = [Some((issuer.not_after, EndingKind::Issuer)), taken];
            ends.into_iter().flatten().map(move |(ends, kind)| Ending { ends, kind, name: issuer.issuer.clone() })
        });
        let mut endings: Vec<_> = shown.chain(issuers).chain(smarthosts.iter().cloned()).collect();
        // One CA may stand at several doors.
        endings.sort_unstable();
        endings.dedup();
        endings
    })
}

/// The authorities by which smarthosts are known, as the mailer has read them at its start.
fn smarthosts(settings: &mail::Settings) -> Vec<Ending> {
    let mail::Settings::Smtp { first, second } = settings else { return Vec::new() };
    let mut endings = Vec::new();
    for smtp in std::iter::once(first).chain(second) {
        let ends = smtp.ca_file.as_deref().and_then(first_end);
        endings.extend(ends.map(|ends| Ending { ends, kind: EndingKind::Smarthost, name: smtp.host.clone() }));
    }
    endings
}

/// When the first of the certificates in a file ends. One that cannot be read was the mailer's to refuse.
fn first_end(path: &Path) -> Option<jiff::Timestamp> {
    let certificates = CertificateDer::pem_file_iter(path).ok()?;
    certificates.filter_map(|certificate| identity::describe(&certificate.ok()?).ok()).map(|one| one.not_after).min()
}
