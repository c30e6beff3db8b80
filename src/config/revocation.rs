//! `[trust.revocation]` and each issuer's `crl-urls`: where revocation lists are fetched from, and through whom.

use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::check::bounded;
use super::diagnostic::Scrutiny;
use super::file;
use crate::domain::status::probe::target::{HttpTarget, is_host};
use crate::identity::POINTS_PER_ISSUER_MAX;
use crate::jobs::revocation::Settings;

const EVERY_MINUTES_DEFAULT: u64 = 60;
const EVERY_MINUTES_MAX: u64 = 24 * 60;
const HOSTS_MAX: usize = 64;

pub fn settings(scrutiny: &mut Scrutiny, revocation: &file::Revocation, dir: PathBuf) -> Settings {
    let every = bounded(scrutiny, revocation.fetch_every_minutes.as_ref(), EVERY_MINUTES_DEFAULT, 1, EVERY_MINUTES_MAX);
    if let Some(extra) = revocation.hosts.get(HOSTS_MAX) {
        scrutiny.fault(extra.span(), format!("at most {HOSTS_MAX} hosts"), "leave `hosts` out to ask every host");
    }
    let mut hosts = Vec::new();
    for host in revocation.hosts.iter().take(HOSTS_MAX) {
        if !is_host(host.get_ref()) {
            scrutiny.fault(host.span(), "a DNS name or an IP address", "without scheme and port: \"crl1.siths.se\"");
        }
        hosts.push(host.get_ref().to_ascii_lowercase());
    }
    let remedy = "such as \"http://proxy.region.example:3128\"";
    let proxy = revocation.proxy.as_ref().and_then(|proxy| {
        let target = plain_http(scrutiny, proxy, remedy)?;
        if target.path != "/" {
            scrutiny.fault(proxy.span(), "a proxy has a host and a port, and no path", remedy);
        }
        Some(target)
    });
    Settings { fetch: revocation.fetch.unwrap_or(true), proxy, hosts, every: Duration::from_secs(every * 60), dir }
}

/// Addresses that operators have written beside those in certificates.
pub fn crl_urls(scrutiny: &mut Scrutiny, urls: &[Spanned<String>]) -> Vec<String> {
    if let Some(extra) = urls.get(POINTS_PER_ISSUER_MAX) {
        let message = format!("at most {POINTS_PER_ISSUER_MAX} addresses of one issuer");
        scrutiny.fault(extra.span(), message, "leave out what its certificates name themselves");
    }
    for url in urls {
        plain_http(scrutiny, url, "such as \"http://crl1.siths.se/list.crl\"");
    }
    urls.iter().take(POINTS_PER_ISSUER_MAX).map(|url| url.get_ref().clone()).collect()
}

fn plain_http(scrutiny: &mut Scrutiny, url: &Spanned<String>, remedy: &str) -> Option<HttpTarget> {
    match HttpTarget::parse(url.get_ref()) {
        Ok(target) if !target.tls => Some(target),
        Ok(_) => {
            scrutiny.fault(url.span(), "plain HTTP: lists are signed, and TLS would ask for lists itself", remedy);
            None
        }
        Err(error) => {
            scrutiny.fault(url.span(), error.to_string(), remedy);
            None
        }
    }
}
