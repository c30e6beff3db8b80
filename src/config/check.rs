//! From the file's shape to settings: paths made whole, defaults filled in, the rules between settings kept. Nothing
//! is repaired silently; each fault names its key and what to write instead.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::Date;
use toml::Spanned;

use super::diagnostic::Scrutiny;
use super::doors::{card_test_door, portal_door, public_door, sessions, staff_door};
use super::file;
use super::{Config, MasterKeyPlace, Mode, pki, revocation};
use crate::admit::{LimitsSettings, Period};
use crate::domain::clinic::Texts;
use crate::domain::id::HsaId;
use crate::domain::mail_address::MailAddress;
use crate::identity::{Environment, IssuerKind, IssuerSettings, RefusedIssuer, TrustSettings};
use crate::render::{ExternalPage, LocalIt, Service};
use crate::telemetry;
use crate::usecase::status;

const CACHE_MIB_DEFAULT: u64 = 64;
const CACHE_MIB_MAX: u64 = 4_096;
/// What the Swedish rules for access to patient data ask for.
const LEAST_LEVEL_DEFAULT: u8 = 3;
const STALE_HOURS_DEFAULT: u64 = 24;
const STALE_HOURS_MAX: u64 = 24 * 14;
const SILENT_MINUTES_MAX: u32 = 7 * 24 * 60;
const HOLD_SECONDS_DEFAULT: u32 = 60;
const HOLD_SECONDS_MAX: u32 = 3_600;
const NOTICE_DAYS_MAX: u16 = 90;
/// Above the seven days ahead of which windows are mailed.
const HORIZON_DAYS_MIN: u16 = 14;
const HORIZON_DAYS_MAX: u16 = 366;
/// A ticket is looked up for a while after its end, and nobody needs it after ten years.
const TICKETS_KEPT_DAYS_MIN: u16 = 30;
const TICKETS_KEPT_DAYS_MAX: u16 = 3_660;
const OPERATORS_MAX: usize = 10;
const LOG_DEFAULT: &str = "info";

pub fn check(scrutiny: &mut Scrutiny, base: &Path, file: file::File) -> Option<Config> {
    let mode = match file.mode {
        file::Mode::Test => Mode::Test,
        file::Mode::Production => Mode::Production,
    };
    let service = service(scrutiny, &file);
    let operators = operators(scrutiny, &file.trust.operators_addresses);
    let portal = portal_door(scrutiny, base, file.portal);
    let sessions = sessions(scrutiny, &file.staff);
    let least_level = bounded(scrutiny, file.staff.least_level.as_ref(), LEAST_LEVEL_DEFAULT, 1, pki::LEVEL_MAX);
    let staff = staff_door(scrutiny, base, file.staff);
    let public = public_door(scrutiny, base, file.public);
    let card_test = card_test_door(scrutiny, base, file.card_test);
    let crl_cache = base.join(&file.data_dir).join("crl-cache");
    let revocation = revocation::settings(scrutiny, &file.trust.revocation, crl_cache.clone());
    let ocsp = revocation::ocsp(scrutiny, &file.trust.ocsp, &revocation);
    let own = [&portal, &staff].into_iter().flatten().chain(public.as_ref().map(|public| &public.door));
    let own_certificates = own.map(|door| door.tls.certificate.clone()).collect();
    let trust = trust(scrutiny, base, mode, file.trust);
    let trust = TrustSettings { crl_cache: Some(crl_cache), least_level, own_certificates, ..trust };
    let letters = super::letters::letters(scrutiny, base, mode, &file.mail);
    let portal_silence = portal_silence(scrutiny, &file.status.portal_silent_minutes);
    let limits = limits(scrutiny, &file.limits);
    let directory = super::directory::check(scrutiny, base, &file.directory);
    let allowed_domains = allowed_domains(scrutiny, &file.status.allowed_domains);
    let cache = bounded(scrutiny, file.store.cache_mib.as_ref(), CACHE_MIB_DEFAULT, 8, CACHE_MIB_MAX);
    let status = status(scrutiny, &file.status);
    let (portal, staff, public, card_test) = (portal?, staff?, public?, card_test?);
    let letters = letters?;
    let data_dir = base.join(file.data_dir);
    Some(Config {
        mode,
        snapshot_dir: file.status.snapshot_dir.map_or_else(|| data_dir.join("snapshot"), |dir| base.join(dir)),
        data_dir,
        master_key: match file.master_key_file {
            Some(path) => MasterKeyPlace::File(base.join(path)),
            None => MasterKeyPlace::Credential,
        },
        cache_bytes: cache << 20,
        service,
        template_dir: file.service.template_dir.map(|dir| base.join(dir)),
        portal,
        staff,
        sessions,
        public,
        card_test,
        admin_socket: base.join(file.admin.socket),
        trust,
        revocation,
        ocsp,
        operators,
        mail: letters.transport,
        mail_from: letters.from,
        bounce_address: letters.bounce_address,
        letters_at_once: letters.at_once,
        portal_silence,
        mail_domain: letters.domain,
        mail_strict: letters.strict,
        incoming_maildir: file.mail.get_ref().incoming_maildir.as_ref().map(|path| base.join(path)),
        directory,
        limits,
        status,
        allowed_domains,
        log: telemetry::Settings { filter: file.log.filter.unwrap_or_else(|| LOG_DEFAULT.to_owned()) },
    })
}

fn service(scrutiny: &mut Scrutiny, file: &file::File) -> Service {
    Service {
        name: text(scrutiny, &file.service.name),
        portal_url: url(scrutiny, &file.service.portal_url),
        staff_url: url(scrutiny, &file.service.staff_url),
        public_url: url(scrutiny, &file.public.url).trim_end_matches('/').to_owned(),
        card_test_url: file.card_test.as_ref().map(|door| url(scrutiny, &door.url).trim_end_matches('/').to_owned()),
        support_telephone: text(scrutiny, &file.service.support_telephone),
        support_hours: match &file.service.support_hours {
            Some(hours) => texts(scrutiny, hours, file.service.support_hours_en.as_ref()),
            None => Texts::default(),
        },
        staff_link: file.service.staff_link.as_ref().map(|link| external_page(scrutiny, link)),
        public_link: file.service.public_link.as_ref().map(|link| external_page(scrutiny, link)),
        local_it: file.local_it.iter().map(|helper| local_it(scrutiny, helper)).collect(),
    }
}

fn text(scrutiny: &mut Scrutiny, value: &Spanned<String>) -> String {
    let text = value.get_ref();
    if text.trim().is_empty() || text.chars().any(char::is_control) || text.chars().count() > 100 {
        scrutiny.fault(value.span(), "a text of 1 to 100 characters on one line", "write it as people are to read it");
    }
    text.clone()
}

fn texts(scrutiny: &mut Scrutiny, sv: &Spanned<String>, en: Option<&Spanned<String>>) -> Texts {
    Texts { sv: text(scrutiny, sv), en: en.map(|en| text(scrutiny, en)) }
}

fn external_page(scrutiny: &mut Scrutiny, page: &file::ExternalPage) -> ExternalPage {
    let label = texts(scrutiny, &page.label, page.label_en.as_ref());
    ExternalPage { url: url(scrutiny, &page.url), label }
}

fn local_it(scrutiny: &mut Scrutiny, helper: &file::LocalIt) -> LocalIt {
    let organisation: String = helper.organisation.get_ref().chars().filter(|c| *c != '-').collect();
    if organisation.len() != 10 || !organisation.bytes().all(|digit| digit.is_ascii_digit()) {
        let remedy = "as it stands in the HSA-ids of its staff: \"2321000156\"";
        scrutiny.fault(helper.organisation.span(), "an organisation number of ten digits", remedy);
    }
    LocalIt {
        organisation,
        name: text(scrutiny, &helper.name),
        telephone: text(scrutiny, &helper.telephone),
        url: helper.url.as_ref().map(|address| url(scrutiny, address)),
    }
}

fn url(scrutiny: &mut Scrutiny, value: &Spanned<String>) -> String {
    let text = value.get_ref();
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>\\".contains(&b));
    if !text.starts_with("https://") || !plain || text.len() > 200 {
        scrutiny.fault(
            value.span(),
            "an address that begins with https://",
            "such as \"https://portal.region.example/\"",
        );
    }
    text.clone()
}

pub(super) fn address(scrutiny: &mut Scrutiny, value: &Spanned<String>) -> Option<MailAddress> {
    MailAddress::parse(value.get_ref())
        .map_err(|error| scrutiny.fault(value.span(), error.to_string(), "such as \"noreply@region.example\""))
        .ok()
}

pub(super) fn bounded<T: PartialOrd + Copy + std::fmt::Display>(
    scrutiny: &mut Scrutiny,
    value: Option<&Spanned<T>>,
    default: T,
    min: T,
    max: T,
) -> T {
    let Some(value) = value else { return default };
    if *value.get_ref() < min || *value.get_ref() > max {
        let remedy = format!("leave it out for {default}");
        scrutiny.fault(value.span(), format!("a number from {min} to {max}"), remedy);
    }
    *value.get_ref()
}

fn trust(scrutiny: &mut Scrutiny, base: &Path, mode: Mode, trust: file::Trust) -> TrustSettings {
    let environment = match mode {
        Mode::Test => Environment::Test,
        Mode::Production => Environment::Production,
    };
    let hours = bounded(scrutiny, trust.crl_max_stale_hours.as_ref(), STALE_HOURS_DEFAULT, 0, STALE_HOURS_MAX);
    for (list, what) in [(&trust.portal_issuer, "portal-issuer"), (&trust.staff_issuer, "staff-issuer")] {
        if list.get_ref().is_empty() {
            let message = format!("`trust.{what}` names no issuing CA: nobody could come in by that door");
            scrutiny.fault(list.span(), message, format!("add a [[trust.{what}]] table with file and kind"));
        }
    }
    let portal = issuers(scrutiny, base, environment, trust.portal_issuer.into_inner(), file::IssuerKind::Function);
    let staff = issuers(scrutiny, base, environment, trust.staff_issuer.into_inner(), file::IssuerKind::PersonHsaId);
    TrustSettings {
        environment,
        portal,
        staff,
        refused: refused_issuers(scrutiny, base, trust.refused_issuer),
        known: pki::known_issuers(scrutiny, base, &trust.known_issuers),
        roots: trust.root_files.iter().map(|file| base.join(file)).collect(),
        least_level: LEAST_LEVEL_DEFAULT,
        own_certificates: Vec::new(),
        crls: trust.crl_files.iter().map(|file| base.join(file)).collect(),
        crl_cache: None,
        crl_max_stale: Duration::from_secs(hours * 3_600),
        ocsp_cache_max: revocation::ocsp_cache_max(scrutiny, &trust.ocsp),
        loa_policies: pki::loa_policies(scrutiny, &trust.loa_policies),
    }
}

/// Who is told by letter of what ends soon.
fn operators(scrutiny: &mut Scrutiny, addresses: &[Spanned<String>]) -> Vec<MailAddress> {
    if let Some(extra) = addresses.get(OPERATORS_MAX) {
        scrutiny.fault(extra.span(), format!("at most {OPERATORS_MAX} addresses"), "name a list of your own");
    }
    addresses.iter().filter_map(|one| address(scrutiny, one)).collect()
}

fn issuers(
    scrutiny: &mut Scrutiny,
    base: &Path,
    environment: Environment,
    list: Vec<file::Issuer>,
    fits: file::IssuerKind,
) -> Vec<IssuerSettings> {
    let mut out = Vec::new();
    for issuer in list {
        if *issuer.kind.get_ref() != fits {
            let remedy = "portals come with kind = \"function\", staff with kind = \"person-hsa-id\"";
            scrutiny.fault(issuer.kind.span(), "an issuer of this kind does not belong at this door", remedy);
        }
        let kind = match (issuer.kind.get_ref(), &issuer.loa) {
            (file::IssuerKind::Function, Some(loa)) => {
                scrutiny.fault(loa.span(), "systems have no level of assurance", "leave `loa` out");
                IssuerKind::Function
            }
            (file::IssuerKind::Function, None) => IssuerKind::Function,
            (file::IssuerKind::PersonHsaId, loa) => {
                let loa = bounded(scrutiny, loa.as_ref(), 3, 1, 4);
                IssuerKind::PersonHsaId { loa }
            }
        };
        let crl_required = issuer.crl_required.unwrap_or(true);
        let crl_urls = revocation::crl_urls(scrutiny, &issuer.crl_urls);
        let (revocation, ocsp_url) = revocation::source(scrutiny, &issuer);
        let ends = issuer.ends.as_ref().and_then(|ends| day(scrutiny, ends));
        let file = base.join(issuer.file);
        out.push(IssuerSettings { file, kind, environment, crl_required, crl_urls, revocation, ocsp_url, ends });
    }
    out
}

fn day(scrutiny: &mut Scrutiny, value: &Spanned<String>) -> Option<Date> {
    let day = value.get_ref().parse();
    if day.is_err() {
        scrutiny.fault(value.span(), "a day, YYYY-MM-DD", "the first day on which it is no longer taken");
    }
    day.ok()
}

fn refused_issuers(scrutiny: &mut Scrutiny, base: &Path, list: Vec<file::RefusedIssuer>) -> Vec<RefusedIssuer> {
    let mut out = Vec::new();
    for issuer in list {
        let kind = match issuer.kind.get_ref() {
            file::RefusedKind::TeliaELegitimation => IssuerKind::TeliaELegitimation,
            file::RefusedKind::PersonId => IssuerKind::PersonId,
            file::RefusedKind::Other => IssuerKind::Other,
        };
        match (issuer.file, issuer.name_part) {
            (Some(path), None) => out.push(RefusedIssuer::File { path: base.join(path), kind }),
            (None, Some(part)) => out.push(RefusedIssuer::Pattern { text: part.into_inner(), kind }),
            _ => {
                let message = "a refused issuer is named by `file` or by `name-part`";
                scrutiny.fault(issuer.kind.span(), message, "give one of the two");
            }
        }
    }
    out
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be read: {error}", path.display())
}

fn portal_silence(
    scrutiny: &mut Scrutiny,
    minutes: &BTreeMap<String, Spanned<u32>>,
) -> BTreeMap<HsaId, SignedDuration> {
    let mut out = BTreeMap::new();
    for (portal, minutes) in minutes {
        if !(1..=SILENT_MINUTES_MAX).contains(minutes.get_ref()) {
            let message = format!("minutes from 1 to {SILENT_MINUTES_MAX}");
            scrutiny.fault(minutes.span(), message, "leave the portal out if it may be silent");
        }
        match HsaId::parse(portal) {
            Ok(portal) => {
                out.insert(portal, SignedDuration::from_mins(i64::from(*minutes.get_ref())));
            }
            Err(error) => scrutiny.fault(minutes.span(), error.to_string(), "the key is the portal's HSA-id, quoted"),
        }
    }
    out
}

fn status(scrutiny: &mut Scrutiny, file: &file::Status) -> status::Settings {
    let defaults = status::Settings::default();
    let hold = bounded(scrutiny, file.hold_seconds.as_ref(), HOLD_SECONDS_DEFAULT, 0, HOLD_SECONDS_MAX);
    status::Settings {
        minimum_notice_days: bounded(
            scrutiny,
            file.minimum_notice_days.as_ref(),
            defaults.minimum_notice_days,
            0,
            NOTICE_DAYS_MAX,
        ),
        hold: jiff::SignedDuration::from_secs(i64::from(hold)),
        series_horizon_days: bounded(
            scrutiny,
            file.series_horizon_days.as_ref(),
            defaults.series_horizon_days,
            HORIZON_DAYS_MIN,
            HORIZON_DAYS_MAX,
        ),
        tickets_kept_days: bounded(
            scrutiny,
            file.tickets_kept_days.as_ref(),
            defaults.tickets_kept_days,
            TICKETS_KEPT_DAYS_MIN,
            TICKETS_KEPT_DAYS_MAX,
        ),
    }
}

/// Domains whose addresses may subscribe, as addresses have them.
fn allowed_domains(scrutiny: &mut Scrutiny, domains: &[Spanned<String>]) -> Vec<String> {
    let mut known = Vec::new();
    for domain in domains {
        match MailAddress::parse(&format!("a@{}", domain.get_ref())) {
            Ok(address) => known.push(address.domain().to_owned()),
            Err(_) => {
                scrutiny.fault(domain.span(), "a mail domain", "write what stands after the @: \"region.example\"")
            }
        }
    }
    known
}

fn limits(scrutiny: &mut Scrutiny, limits: &file::Limits) -> LimitsSettings {
    let mut settings = LimitsSettings::default();
    let chosen = [
        (&limits.certificate_per_minute, &mut settings.certificate, Period::Minute),
        (&limits.submission_per_minute, &mut settings.submission, Period::Minute),
        (&limits.citizen_per_hour, &mut settings.citizen, Period::Hour),
        (&limits.address_per_minute, &mut settings.address, Period::Minute),
        (&limits.replay_per_minute, &mut settings.replay, Period::Minute),
        (&limits.public_connection_per_minute, &mut settings.public_connection, Period::Minute),
        (&limits.public_request_per_minute, &mut settings.public_request, Period::Minute),
        (&limits.public_write_per_minute, &mut settings.public_write, Period::Minute),
        (&limits.public_page_per_minute, &mut settings.public_page, Period::Minute),
        (&limits.card_test_per_minute, &mut settings.card_test, Period::Minute),
        (&limits.sign_up_network_per_hour, &mut settings.sign_up_network, Period::Hour),
        (&limits.sign_up_per_hour, &mut settings.sign_up, Period::Hour),
        (&limits.ticket_per_hour, &mut settings.tickets, Period::Hour),
        (&limits.reporter_per_hour, &mut settings.reporter, Period::Hour),
    ];
    for (value, setting, period) in chosen {
        let Some(value) = value else { continue };
        match NonZeroU32::new(*value.get_ref()).filter(|n| n.get() <= 1_000_000) {
            Some(burst) => *setting = crate::admit::Settings::new(burst, period, setting.keys_max),
            None => scrutiny.fault(value.span(), "a number from 1 to 1000000", "leave it out for the default"),
        }
    }
    settings
}
