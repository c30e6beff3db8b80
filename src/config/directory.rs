//! The table `[directory]`: where staff come from. Its shape, and the rules between its settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;
use toml::Spanned;

use super::check::bounded;
use super::diagnostic::Scrutiny;
use crate::directory::{Attributes, LdapSettings, is_filter};
use crate::jobs::directory::Settings;
use crate::net::outgoing::is_server_name;
use crate::usecase::directory;

const REFRESH_MINUTES_DEFAULT: u64 = 15;
const REFRESH_MINUTES_MAX: u64 = 24 * 60;
const TIMEOUT_SECONDS_DEFAULT: u64 = 10;
const TIMEOUT_SECONDS_MAX: u64 = 120;
const ALARM_HOURS_DEFAULT: u32 = 24;
const ALARM_HOURS_MAX: u32 = 24 * 366;

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Table {
    source: Option<Spanned<Source>>,
    url: Option<Spanned<String>>,
    start_tls: Option<Spanned<bool>>,
    ca_file: Option<PathBuf>,
    bind_dn: Option<Spanned<String>>,
    password_file: Option<PathBuf>,
    base: Option<Spanned<String>>,
    filter: Option<Spanned<String>>,
    refresh_minutes: Option<Spanned<u64>>,
    timeout_seconds: Option<Spanned<u64>>,
    loss_max_percent: Option<Spanned<u8>>,
    alarm_hours: Option<Spanned<u32>>,
    #[serde(default)]
    attributes: Names,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Source {
    #[default]
    Import,
    Ldap,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Names {
    hsa_id: Option<Spanned<String>>,
    given_name: Option<Spanned<String>>,
    middle_name: Option<Spanned<String>>,
    surname: Option<Spanned<String>>,
    title: Option<Spanned<String>>,
    mail: Option<Spanned<String>>,
    start: Option<Spanned<String>>,
    end: Option<Spanned<String>>,
    protected: Option<Spanned<String>>,
    unit: Option<Spanned<String>>,
}

/// Where staff come from, as the start needs it.
#[derive(Debug, Clone)]
pub struct DirectorySettings {
    pub rules: directory::Settings,
    /// Of entries, from a file or over the network.
    pub attributes: Attributes,
    /// None where only operators bring staff in.
    pub refresh: Option<Settings>,
}

pub fn check(scrutiny: &mut Scrutiny, base: &Path, table: &Table) -> DirectorySettings {
    let source = table.source.as_ref().map_or(Source::Import, |source| *source.get_ref());
    let defaults = directory::Settings::default();
    let loss = bounded(scrutiny, table.loss_max_percent.as_ref(), defaults.loss_percent_max, 0, 100);
    let alarm = bounded(scrutiny, table.alarm_hours.as_ref(), ALARM_HOURS_DEFAULT, 1, ALARM_HOURS_MAX);
    let alarms = source == Source::Ldap || table.alarm_hours.is_some();
    let rules = directory::Settings {
        loss_percent_max: loss,
        alarm_after: alarms.then(|| SignedDuration::from_hours(i64::from(alarm))),
    };
    let attributes = attributes(scrutiny, &table.attributes);
    let refresh = match &table.source {
        Some(source) if *source.get_ref() == Source::Ldap => {
            refresh(scrutiny, base, table, attributes.clone(), source.span())
        }
        _ => {
            if let Some(url) = &table.url {
                scrutiny.fault(url.span(), "`url` goes with source = \"ldap\"", "set the source, or leave `url` out");
            }
            None
        }
    };
    DirectorySettings { rules, attributes, refresh }
}

fn refresh(
    scrutiny: &mut Scrutiny,
    base: &Path,
    table: &Table,
    attributes: Attributes,
    place: std::ops::Range<usize>,
) -> Option<Settings> {
    let minutes = bounded(scrutiny, table.refresh_minutes.as_ref(), REFRESH_MINUTES_DEFAULT, 1, REFRESH_MINUTES_MAX);
    let silence = bounded(scrutiny, table.timeout_seconds.as_ref(), TIMEOUT_SECONDS_DEFAULT, 1, TIMEOUT_SECONDS_MAX);
    let filter = match &table.filter {
        None => format!("({}=*)", attributes.hsa_id),
        Some(filter) => {
            if !is_filter(filter.get_ref()) {
                scrutiny.fault(filter.span(), "a filter as RFC 4515 has it", "such as \"(hsaIdentity=*)\"");
            }
            filter.get_ref().clone()
        }
    };
    let bind = bind(scrutiny, base, table, &place);
    let (Some(url), Some(search_base)) = (&table.url, &table.base) else {
        let remedy = "add `url = \"ldaps://katalog.region.example\"` and `base = \"c=SE\"`";
        scrutiny.fault(place, "source \"ldap\" needs `url` and `base`", remedy);
        return None;
    };
    let wants_start_tls = table.start_tls.as_ref().is_some_and(|wants| *wants.get_ref());
    let Some((start_tls, host, port)) = address(url.get_ref()).filter(|(start_tls, ..)| *start_tls == wants_start_tls)
    else {
        let remedy =
            "\"ldaps://katalog.region.example\", or \"ldap://…\" with `start-tls = true`: nothing is asked without TLS";
        scrutiny.fault(url.span(), "the address of a directory that is spoken to within TLS", remedy);
        return None;
    };
    let ldap = LdapSettings {
        host,
        port,
        start_tls,
        ca_file: table.ca_file.as_ref().map(|file| base.join(file)),
        bind,
        base: search_base.get_ref().clone(),
        filter,
        attributes,
        silence: Duration::from_secs(silence),
    };
    Some(Settings { ldap, every: Duration::from_secs(minutes * 60) })
}

fn bind(
    scrutiny: &mut Scrutiny,
    base: &Path,
    table: &Table,
    place: &std::ops::Range<usize>,
) -> Option<(String, PathBuf)> {
    let (name, file) = match (&table.bind_dn, &table.password_file) {
        (None, None) => return None,
        (Some(name), Some(file)) => (name, base.join(file)),
        _ => {
            scrutiny.fault(place.clone(), "`bind-dn` and `password-file` go together", "give both or neither");
            return None;
        }
    };
    // An empty password binds nobody, and a server calls that a success (RFC 4513, 5.1.2).
    match std::fs::metadata(&file) {
        Ok(found) if found.len() > 0 => {}
        Ok(_) => scrutiny.fault(name.span(), format!("{} is empty", file.display()), "put the password into it"),
        Err(error) => {
            let message = format!("{} cannot be read: {error}", file.display());
            scrutiny.fault(name.span(), message, "make it readable for the service's user");
        }
    }
    Some((name.get_ref().clone(), file))
}

/// Whether TLS is to be asked for, host and port.
fn address(url: &str) -> Option<(bool, String, u16)> {
    let (start_tls, rest, port) = match url.strip_prefix("ldaps://") {
        Some(rest) => (false, rest, 636),
        None => (true, url.strip_prefix("ldap://")?, 389),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => match rest.split_once(']')? {
            (host, "") => (host, port),
            (host, rest) => (host, rest.strip_prefix(':')?.parse().ok()?),
        },
        None => match rest.split_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (rest, port),
        },
    };
    is_server_name(host).then(|| (start_tls, host.to_owned(), port))
}

fn attributes(scrutiny: &mut Scrutiny, names: &Names) -> Attributes {
    let mut attributes = Attributes::default();
    let mut unit = String::new();
    let chosen = [
        (&names.hsa_id, &mut attributes.hsa_id),
        (&names.given_name, &mut attributes.given_name),
        (&names.middle_name, &mut attributes.middle_name),
        (&names.surname, &mut attributes.surname),
        (&names.title, &mut attributes.title),
        (&names.mail, &mut attributes.mail),
        (&names.start, &mut attributes.start),
        (&names.end, &mut attributes.end),
        (&names.protected, &mut attributes.protected),
        (&names.unit, &mut unit),
    ];
    for (name, attribute) in chosen {
        let Some(name) = name else { continue };
        let text = name.get_ref();
        if text.is_empty() || text.len() > 100 || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
        {
            scrutiny.fault(name.span(), "the name of an attribute, without options", "such as \"hsaIdentity\"");
        }
        attribute.clone_from(text);
    }
    attributes.unit = names.unit.is_some().then_some(unit);
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_tls_begins_and_where() {
        for (url, read) in [
            ("ldaps://katalog.region.example", Some((false, "katalog.region.example", 636))),
            ("ldaps://katalog.region.example:1636/", Some((false, "katalog.region.example", 1636))),
            ("ldap://127.0.0.1", Some((true, "127.0.0.1", 389))),
            ("ldaps://[::1]:3636", Some((false, "::1", 3636))),
            ("ldaps://", None),
            ("ldaps://katalog.region.example/c=SE", None),
            ("ldaps://katalog:port", None),
            ("https://katalog.region.example", None),
            ("ldapi://%2Frun", None),
        ] {
            let read = read.map(|(start_tls, host, port)| (start_tls, host.to_owned(), port));
            assert_eq!(address(url), read, "{url}");
        }
    }
}
