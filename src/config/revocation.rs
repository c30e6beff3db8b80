//! `[trust.revocation]`, `[trust.ocsp]` and each issuer's keys of revocation: where lists are fetched from and responders
//! asked, and through whom.

use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::check::bounded;
use super::diagnostic::Scrutiny;
use super::file;
use crate::domain::status::probe::target::{HttpTarget, is_host};
use crate::identity::{POINTS_PER_ISSUER_MAX, RevocationSource};
use crate::jobs::ocsp;
use crate::jobs::revocation::Settings;

const EVERY_MINUTES_DEFAULT: u64 = 60;
const EVERY_MINUTES_MAX: u64 = 24 * 60;
const TIMEOUT_SECONDS_DEFAULT: u64 = 5;
const TIMEOUT_SECONDS_MAX: u64 = 30;
const CACHE_SECONDS_DEFAULT: u64 = 3_600;
const CACHE_SECONDS_MAX: u64 = 7 * 24 * 3_600;
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

/// How responders are asked: through whom lists are fetched too, and no other hosts.
pub fn ocsp(scrutiny: &mut Scrutiny, ocsp: &file::Ocsp, lists: &Settings) -> ocsp::Settings {
    let timeout = bounded(scrutiny, ocsp.timeout_seconds.as_ref(), TIMEOUT_SECONDS_DEFAULT, 1, TIMEOUT_SECONDS_MAX);
    ocsp::Settings { proxy: lists.proxy.clone(), hosts: lists.hosts.clone(), timeout: Duration::from_secs(timeout) }
}

pub fn ocsp_cache_max(scrutiny: &mut Scrutiny, ocsp: &file::Ocsp) -> Duration {
    let seconds = bounded(scrutiny, ocsp.cache_seconds_max.as_ref(), CACHE_SECONDS_DEFAULT, 1, CACHE_SECONDS_MAX);
    Duration::from_secs(seconds)
}

/// By what an issuer tells of revocations, and whom to ask in place of whom its certificates name.
pub fn source(scrutiny: &mut Scrutiny, issuer: &file::Issuer) -> (RevocationSource, Option<String>) {
    let source = match issuer.revocation {
        file::RevocationSource::Crl => RevocationSource::Crl,
        file::RevocationSource::Ocsp => RevocationSource::Ocsp,
        file::RevocationSource::CrlThenOcsp => RevocationSource::CrlThenOcsp,
    };
    let Some(url) = &issuer.ocsp_url else { return (source, None) };
    if source == RevocationSource::Crl {
        let remedy = "add `revocation = \"ocsp\"` or \"crl-then-ocsp\", or leave `ocsp-url` out";
        scrutiny.fault(url.span(), "nobody is asked by OCSP while `revocation` is \"crl\"", remedy);
    }
    plain_http(scrutiny, url, "such as \"http://ocsp1.siths.se/\"");
    (source, Some(url.get_ref().clone()))
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
