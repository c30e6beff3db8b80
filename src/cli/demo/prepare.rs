//! `demo --prepare DIR`: a directory from which `run --config DIR/budkavle.toml` starts: certificates, keys,
//! configuration, and stores that hold the sample region.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::admit::{Limits, LimitsSettings};
use crate::cli::region::{self, RegionError};
use crate::config::{Config, ConfigError};
use crate::daemon::{self, StartError, SystemClock};
use crate::domain::time::Clock;
use crate::usecase::Gateway;

use super::pki::{self, PkiError};
use super::readme;

#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Pki(#[from] PkiError),
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("sample region: {0}")]
    Region(#[from] RegionError),
}

/// The sample region, as it lies in `config/region`.
const REGION: &[(&str, &str)] = &[
    ("clinics.json", include_str!("../../../config/region/clinics.json")),
    ("case-types.json", include_str!("../../../config/region/case-types.json")),
    ("components.json", include_str!("../../../config/region/components.json")),
    ("directory.csv", include_str!("../../../config/region/directory.csv")),
    ("roles.json", include_str!("../../../config/region/roles.json")),
    ("portals.json", include_str!("../../../config/region/portals.json")),
    ("support.json", include_str!("../../../config/region/support.json")),
    ("services.json", include_str!("../../../config/region/services.json")),
    ("faq.json", include_str!("../../../config/region/faq.json")),
    ("forms/av-omboka-tid.answer.json", include_str!("../../../config/region/forms/av-omboka-tid.answer.json")),
    ("forms/av-omboka-tid.question.json", include_str!("../../../config/region/forms/av-omboka-tid.question.json")),
    ("forms/bestall-tid.answer.json", include_str!("../../../config/region/forms/bestall-tid.answer.json")),
    ("forms/bestall-tid.question.json", include_str!("../../../config/region/forms/bestall-tid.question.json")),
    ("forms/fornya-recept.answer.json", include_str!("../../../config/region/forms/fornya-recept.answer.json")),
    ("forms/fornya-recept.question.json", include_str!("../../../config/region/forms/fornya-recept.question.json")),
    ("forms/kontakta-mig.answer.json", include_str!("../../../config/region/forms/kontakta-mig.answer.json")),
    ("forms/kontakta-mig.question.json", include_str!("../../../config/region/forms/kontakta-mig.question.json")),
    ("forms/radgivning.answer.json", include_str!("../../../config/region/forms/radgivning.answer.json")),
    ("forms/radgivning.question.json", include_str!("../../../config/region/forms/radgivning.question.json")),
];

/// Writes everything; returns the configuration's path. The directory may not hold an earlier region.
pub async fn prepare(dir: &Path, port_base: u16) -> Result<PathBuf, PrepareError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| PrepareError::Io { path, source }
    };
    fs::create_dir_all(dir).map_err(io(dir))?;
    let dir = fs::canonicalize(dir).map_err(io(dir))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    pki::write(&dir, clock.now())?;
    let mail = dir.join("mail");
    fs::create_dir_all(&mail).map_err(io(&mail))?;
    for (name, text) in REGION {
        let path = dir.join("region").join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io(parent))?;
        }
        fs::write(&path, text).map_err(io(&path))?;
    }
    let path = dir.join("budkavle.toml");
    fs::write(&path, configuration(port_base)).map_err(io(&path))?;
    let readme = dir.join("README.txt");
    fs::write(&readme, readme::text(&dir, port_base)).map_err(io(&readme))?;
    let config = Config::load(&path)?;
    let stores = daemon::open_stores(&config, &clock)?;
    let limits = Arc::new(Limits::new(LimitsSettings::default()));
    let gateway = Gateway::start(stores.cases, stores.common, clock, limits, false).await.map_err(StartError::from)?;
    region::load(&gateway, &dir.join("region"), "demo").await?;
    gateway.cases.close();
    gateway.common.close();
    Ok(path)
}

/// With `port_base` 0 the doors take free ports, which `budkavle status` tells.
fn configuration(port_base: u16) -> String {
    let port = |step: u16| if port_base == 0 { 0 } else { port_base + step };
    let (portal, staff, public, card_test) = (port(0), port(1), port(2), port(3));
    format!(
        r#"# A throwaway region to try Budkavle with. See README.txt beside this file.
mode = "test"
data-dir = "data"
master-key-file = "master.key"

[service]
name = "e-tjänsterna i Region Exempel"
portal-url = "https://portal.region.example/"
staff-url = "https://staff.region.example/"
support-telephone = "0771-25 10 10"
support-hours = "vardagar kl. 8–17, det mest brådskande dygnet runt"
support-hours-en = "weekdays 8–17, the most urgent round the clock"
public-link = {{ url = "https://www.1177.se/", label = "1177.se", label-en = "1177.se" }}

[portal]
listen = "127.0.0.1:{portal}"
certificate = "tls/server.pem"
key = "tls/server.key"

[staff]
listen = "127.0.0.1:{staff}"
certificate = "tls/server.pem"
key = "tls/server.key"

[public]
url = "https://localhost:{public}"
listen = "127.0.0.1:{public}"
certificate = "tls/server.pem"
key = "tls/server.key"

[card-test]
listen = "127.0.0.1:{card_test}"
certificate = "tls/server.pem"
key = "tls/server.key"
url = "https://localhost:{card_test}"

[admin]
socket = "admin.sock"

[trust]
crl-files = ["ca/function.crl", "ca/person-hsa-id-2.crl", "ca/person-hsa-id-3.crl"]

[[trust.portal-issuer]]
file = "ca/function.pem"
kind = "function"

[[trust.staff-issuer]]
file = "ca/person-hsa-id-3.pem"
kind = "person-hsa-id"
loa = 3

# Reserve cards: known, and below the door's least-level.
[[trust.staff-issuer]]
file = "ca/person-hsa-id-2.pem"
kind = "person-hsa-id"
loa = 2

[[local-it]]
organisation = "2321000156"
name = "Region Exempels IT-support"
telephone = "010-000 00 00"

[mail]
from-name = "e-tjänsterna i Region Exempel"
from-address = "noreply@region.example"
transport = "directory"
directory = "mail"

[log]
filter = "warn"
"#
    )
}
