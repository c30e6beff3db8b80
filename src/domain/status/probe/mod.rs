//! Probes: what looks by itself whether a component works. What to look at and how often is here; `target` reads
//! addresses, `state` decides what is to be told, `network` whether the fault is our own, `words` has the texts. The
//! looking itself is elsewhere.

pub mod network;
pub mod state;
pub mod target;
pub mod words;

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::target::{HttpTarget, TargetFault, is_host};
use super::Audience;
use super::component::ComponentStatus;
use crate::domain::clinic::{Texts, is_case_type_id};

/// Shortest and longest time between two looks.
const INTERVAL_SECONDS: (u32, u32) = (15, 86_400);
/// Longest that one look may take.
const TIMEOUT_SECONDS_MAX: u32 = 60;
/// Results in a row that a threshold may ask for.
const THRESHOLD_MAX: u32 = 20;
const TITLE_CHARS_MAX: usize = 120;
/// Longest text that is looked for in an answer.
const EXPECTED_BYTES_MAX: usize = 1_000;
const CERTIFICATE_DAYS_MAX: u16 = 365;
/// Heartbeats: how often, and how long one may be late.
const HEARTBEAT_SECONDS: (u32, u32) = (15, 7 * 86_400);
const GRACE_SECONDS_MAX: u32 = 86_400;
const PROMISE_MINUTES_MAX: u32 = 24 * 60;

/// A probe as an operator writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeSettings {
    /// `a-z`, digits and single hyphens; what operators type.
    pub slug: String,
    /// The component's slug.
    pub component: String,
    pub kind: ProbeKind,
    #[serde(default = "default_interval")]
    pub interval_seconds: u32,
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u32,
    /// Failures in a row before an incident is opened: three, of a heartbeat one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures_to_open: Option<u32>,
    /// Successes in a row before it is closed: two, of a heartbeat one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successes_to_close: Option<u32>,
    #[serde(default = "default_status")]
    pub status_when_failing: ComponentStatus,
    /// The incident's; made of the component's name when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Texts>,
    #[serde(default = "default_audience")]
    pub audience: Audience,
    /// Whether subscribers are mailed.
    #[serde(default = "default_notify")]
    pub notify: bool,
    /// When the next word of a person is promised in the incident; no promise when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_update_minutes: Option<u32>,
}

fn default_interval() -> u32 {
    60
}

fn default_timeout() -> u32 {
    10
}

fn default_status() -> ComponentStatus {
    ComponentStatus::MajorOutage
}

fn default_audience() -> Audience {
    Audience::Staff
}

fn default_notify() -> bool {
    true
}

/// What is looked at. CA files are read when it is looked; without one the system's store is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ProbeKind {
    Http {
        url: String,
        #[serde(default)]
        method: HttpMethod,
        /// Any 2xx when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expect_status: Option<u16>,
        /// Somewhere in the first 64 KiB of the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expect_text: Option<String>,
        /// An answer that takes longer is worse than usual, though no failure.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slow_milliseconds: Option<u32>,
        /// To the same host only, never from TLS to plain text.
        #[serde(default)]
        follow_redirects: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca_file: Option<String>,
    },
    Tcp {
        host: String,
        port: u16,
    },
    /// The certificate's last day: operators are warned first, readers are told when it is near.
    TlsExpiry {
        host: String,
        port: u16,
        #[serde(default = "default_days_warned")]
        days_warned: u16,
        #[serde(default = "default_days_critical")]
        days_critical: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca_file: Option<String>,
    },
    /// Greeting, EHLO and TLS; no letter.
    Smtp {
        host: String,
        port: u16,
        security: SmtpSecurity,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca_file: Option<String>,
    },
    /// Somebody else says that it works; silence is failure.
    Heartbeat {
        every_seconds: u32,
        grace_seconds: u32,
    },
}

fn default_days_warned() -> u16 {
    30
}

fn default_days_critical() -> u16 {
    7
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    #[default]
    Get,
    Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmtpSecurity {
    ImplicitTls,
    Starttls,
    /// Another organisation's server that takes mail on port 25: nothing is said to it that could be overheard.
    None,
}

/// A probe as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    pub id: Uuid,
    /// What `settings.component` was the slug of when it was put.
    pub component: Uuid,
    pub settings: ProbeSettings,
    #[serde(default)]
    pub paused: bool,
    /// Keyed hash of the token by which a heartbeat is known, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_hash: Option<String>,
}

/// What is wrong with a probe's settings, and what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProbeFault {
    #[error("slug: a-z, digits and single hyphens, at most 64 characters")]
    Slug,
    #[error("intervalSeconds: 15 to 86400")]
    Interval,
    #[error("timeoutSeconds: 1 to 60, and shorter than the interval")]
    Timeout,
    #[error("failuresToOpen, successesToClose: 1 to 20")]
    Threshold,
    #[error("statusWhenFailing: degraded_performance, partial_outage or major_outage")]
    Status,
    #[error("title: 1 to 120 characters on one line")]
    Title,
    #[error("nextUpdateMinutes: 1 to 1440")]
    Promise,
    #[error("kind.url: {0}")]
    Url(#[from] TargetFault),
    #[error("kind.expectStatus: 200 to 599")]
    ExpectedStatus,
    #[error("kind.expectText: 1 to 1000 bytes, and not with method HEAD, which gives no text")]
    ExpectedText,
    #[error("kind.slowMilliseconds: at least 1, and shorter than the timeout")]
    Slow,
    #[error("kind.caFile: an absolute path")]
    CaFile,
    #[error("kind.host: a DNS name or an IP address, without brackets")]
    Host,
    #[error("kind.port: 1 to 65535")]
    Port,
    #[error(
        "kind.daysCritical, kind.daysWarned: the former at least 1 and fewer than the latter, which is at most 365"
    )]
    Days,
    #[error("kind.everySeconds: 15 to 604800; kind.graceSeconds: at most 86400")]
    Heartbeat,
}

impl ProbeSettings {
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), ProbeFault> {
        let within = |value: u32, (least, most): (u32, u32)| (least..=most).contains(&value);
        let rules = [
            (is_case_type_id(&self.slug), ProbeFault::Slug),
            (within(self.interval_seconds, INTERVAL_SECONDS), ProbeFault::Interval),
            (within(self.timeout_seconds, (1, TIMEOUT_SECONDS_MAX)), ProbeFault::Timeout),
            (self.timeout_seconds < self.interval_seconds, ProbeFault::Timeout),
            (within(self.failures_to_open(), (1, THRESHOLD_MAX)), ProbeFault::Threshold),
            (within(self.successes_to_close(), (1, THRESHOLD_MAX)), ProbeFault::Threshold),
            (self.status_when_failing >= ComponentStatus::DegradedPerformance, ProbeFault::Status),
            (self.title.as_ref().is_none_or(is_title), ProbeFault::Title),
            (self.next_update_minutes.is_none_or(|m| within(m, (1, PROMISE_MINUTES_MAX))), ProbeFault::Promise),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, fault)) => Err(fault),
            None => self.check_kind(),
        }
    }

    fn check_kind(&self) -> Result<(), ProbeFault> {
        let needed = |holds: bool, fault: ProbeFault| if holds { Ok(()) } else { Err(fault) };
        needed(self.kind.ca_file().is_none_or(|path| path.starts_with('/')), ProbeFault::CaFile)?;
        match &self.kind {
            ProbeKind::Http { url, method, expect_status, expect_text, slow_milliseconds, .. } => {
                HttpTarget::parse(url)?;
                needed(expect_status.is_none_or(|s| (200..=599).contains(&s)), ProbeFault::ExpectedStatus)?;
                let text = expect_text.as_ref();
                let sound = text.is_none_or(|t| !t.is_empty() && t.len() <= EXPECTED_BYTES_MAX);
                needed(sound && (text.is_none() || *method == HttpMethod::Get), ProbeFault::ExpectedText)?;
                let whole = self.timeout_seconds.saturating_mul(1_000);
                needed(slow_milliseconds.is_none_or(|ms| (1..whole).contains(&ms)), ProbeFault::Slow)
            }
            ProbeKind::Tcp { host, port } | ProbeKind::Smtp { host, port, .. } => check_place(host, *port),
            ProbeKind::TlsExpiry { host, port, days_warned, days_critical, .. } => {
                check_place(host, *port)?;
                let ordered =
                    *days_critical >= 1 && days_critical < days_warned && *days_warned <= CERTIFICATE_DAYS_MAX;
                needed(ordered, ProbeFault::Days)
            }
            ProbeKind::Heartbeat { every_seconds, grace_seconds } => {
                let (least, most) = HEARTBEAT_SECONDS;
                let sound = (least..=most).contains(every_seconds) && *grace_seconds <= GRACE_SECONDS_MAX;
                needed(sound, ProbeFault::Heartbeat)
            }
        }
    }

    pub fn failures_to_open(&self) -> u32 {
        self.failures_to_open.unwrap_or(if self.is_heartbeat() { 1 } else { 3 })
    }

    pub fn successes_to_close(&self) -> u32 {
        self.successes_to_close.unwrap_or(if self.is_heartbeat() { 1 } else { 2 })
    }

    pub fn is_heartbeat(&self) -> bool {
        matches!(self.kind, ProbeKind::Heartbeat { .. })
    }
}

impl ProbeKind {
    pub fn as_str(&self) -> &'static str {
        match self {
            ProbeKind::Http { .. } => "http",
            ProbeKind::Tcp { .. } => "tcp",
            ProbeKind::TlsExpiry { .. } => "tls-expiry",
            ProbeKind::Smtp { .. } => "smtp",
            ProbeKind::Heartbeat { .. } => "heartbeat",
        }
    }

    pub fn ca_file(&self) -> Option<&str> {
        match self {
            ProbeKind::Http { ca_file, .. }
            | ProbeKind::TlsExpiry { ca_file, .. }
            | ProbeKind::Smtp { ca_file, .. } => ca_file.as_deref(),
            ProbeKind::Tcp { .. } | ProbeKind::Heartbeat { .. } => None,
        }
    }
}

impl ProbeSettings {
    /// The host that it reaches out to; a heartbeat comes by itself.
    pub fn host(&self) -> Option<String> {
        match &self.kind {
            ProbeKind::Http { url, .. } => HttpTarget::parse(url).ok().map(|target| target.host),
            ProbeKind::Tcp { host, .. } | ProbeKind::TlsExpiry { host, .. } | ProbeKind::Smtp { host, .. } => {
                Some(host.to_ascii_lowercase())
            }
            ProbeKind::Heartbeat { .. } => None,
        }
    }

    /// Where it looks, in one word.
    pub fn target(&self) -> String {
        match &self.kind {
            ProbeKind::Http { url, .. } => url.clone(),
            ProbeKind::Tcp { host, port }
            | ProbeKind::TlsExpiry { host, port, .. }
            | ProbeKind::Smtp { host, port, .. } => format!("{host}:{port}"),
            ProbeKind::Heartbeat { every_seconds, .. } => format!("every {every_seconds} s"),
        }
    }
}

fn check_place(host: &str, port: u16) -> Result<(), ProbeFault> {
    match (is_host(host), port) {
        (false, _) => Err(ProbeFault::Host),
        (true, 0) => Err(ProbeFault::Port),
        (true, _) => Ok(()),
    }
}

fn is_title(title: &Texts) -> bool {
    let sound = |text: &String| {
        (1..=TITLE_CHARS_MAX).contains(&text.chars().count())
            && !text.contains(char::is_control)
            && !text.trim().is_empty()
    };
    sound(&title.sv) && title.en.as_ref().is_none_or(sound)
}

/// What one look came to; the worse the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Works,
    /// Worse than usual: slow, or about to fail.
    Weak,
    Fails,
}

/// Why a look did not go well: for operators, never for readers. Holds nothing that the other side said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The name has no address, or nobody could be asked.
    Dns,
    Refused,
    Unreachable,
    /// Nobody answered the connection.
    ConnectTimeout,
    /// The connection stood, the answer did not come.
    AnswerTimeout,
    /// The connection ended before the answer did.
    Closed,
    /// The certificate is for another name.
    TlsName,
    TlsIssuer,
    /// The certificate is not valid at this time.
    TlsValidity,
    Tls,
    /// HTTP's status, or SMTP's code.
    Status(u16),
    TextMissing,
    /// Not what the protocol says.
    Garbage,
    /// To another host, from TLS to plain text, or too many in a row.
    Redirect,
    Slow {
        milliseconds: u64,
    },
    CertificateEnds {
        days: i64,
    },
    NoHeartbeat,
}

impl Cause {
    /// Nobody was there to answer: the way to it may be what fails.
    pub fn is_unreached(self) -> bool {
        matches!(self, Cause::Dns | Cause::Unreachable | Cause::ConnectTimeout)
    }

    /// The class, as it stands in logs and lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Dns => "dns",
            Cause::Refused => "connection-refused",
            Cause::Unreachable => "unreachable",
            Cause::ConnectTimeout => "connect-timeout",
            Cause::AnswerTimeout => "answer-timeout",
            Cause::Closed => "connection-closed",
            Cause::TlsName => "certificate-name",
            Cause::TlsIssuer => "certificate-issuer",
            Cause::TlsValidity => "certificate-validity",
            Cause::Tls => "tls",
            Cause::Status(_) => "status",
            Cause::TextMissing => "text-missing",
            Cause::Garbage => "protocol",
            Cause::Redirect => "redirect",
            Cause::Slow { .. } => "slow",
            Cause::CertificateEnds { .. } => "certificate-ends",
            Cause::NoHeartbeat => "no-heartbeat",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Cause::Status(code) => write!(f, " {code}"),
            Cause::Slow { milliseconds } => write!(f, " {milliseconds} ms"),
            Cause::CertificateEnds { days } => write!(f, " in {days} days"),
            _ => Ok(()),
        }
    }
}

/// One look at one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    pub verdict: Verdict,
    /// Why it did not go well; with `Works`, what operators are warned of.
    pub cause: Option<Cause>,
    pub milliseconds: u64,
}

impl Look {
    /// Whether the host was there, whatever it answered.
    pub fn has_reached(self) -> bool {
        !self.cause.is_some_and(Cause::is_unreached)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use serde_json::json;

    pub fn settings(kind: serde_json::Value) -> ProbeSettings {
        serde_json::from_value(json!({ "slug": "siths", "component": "siths", "kind": kind })).unwrap()
    }

    fn http(more: serde_json::Value) -> Result<(), ProbeFault> {
        let mut kind = json!({ "type": "http", "url": "https://siths.example.test/health" });
        kind.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        settings(kind).check()
    }

    #[test]
    fn what_is_left_out_gets_its_default() {
        let probe = settings(json!({ "type": "tcp", "host": "siths.example.test", "port": 443 }));
        assert_eq!((probe.interval_seconds, probe.timeout_seconds), (60, 10));
        assert_eq!((probe.failures_to_open(), probe.successes_to_close()), (3, 2));
        assert_eq!(probe.status_when_failing, ComponentStatus::MajorOutage);
        assert_eq!((probe.audience, probe.notify), (Audience::Staff, true));
        assert_eq!(probe.check(), Ok(()));
        let beat = settings(json!({ "type": "heartbeat", "everySeconds": 300, "graceSeconds": 60 }));
        assert_eq!((beat.failures_to_open(), beat.successes_to_close(), beat.check()), (1, 1, Ok(())));
    }

    #[test]
    fn every_unfit_setting_is_told_by_its_key() {
        let tcp = || settings(json!({ "type": "tcp", "host": "siths.example.test", "port": 443 }));
        let spoilt = |spoil: fn(&mut ProbeSettings)| {
            let mut probe = tcp();
            spoil(&mut probe);
            probe.check().unwrap_err()
        };
        assert_eq!(spoilt(|p| p.slug = "SITHS".into()), ProbeFault::Slug);
        assert_eq!(spoilt(|p| p.interval_seconds = 14), ProbeFault::Interval);
        assert_eq!(spoilt(|p| p.timeout_seconds = 0), ProbeFault::Timeout);
        assert_eq!(spoilt(|p| p.timeout_seconds = 60), ProbeFault::Timeout);
        assert_eq!(spoilt(|p| p.failures_to_open = Some(0)), ProbeFault::Threshold);
        assert_eq!(spoilt(|p| p.successes_to_close = Some(21)), ProbeFault::Threshold);
        assert_eq!(spoilt(|p| p.status_when_failing = ComponentStatus::UnderMaintenance), ProbeFault::Status);
        let title = |sv: &str| Some(Texts { sv: sv.into(), en: None });
        let mut titled = tcp();
        titled.title = title("SITHS\nsvarar inte");
        assert_eq!(titled.check(), Err(ProbeFault::Title));
        titled.title = title(" ");
        assert_eq!(titled.check(), Err(ProbeFault::Title));
        assert_eq!(spoilt(|p| p.next_update_minutes = Some(0)), ProbeFault::Promise);
        assert_eq!(http(json!({ "url": "ftp://siths.example.test/" })), Err(ProbeFault::Url(TargetFault::Scheme)));
        assert_eq!(http(json!({ "expectStatus": 101 })), Err(ProbeFault::ExpectedStatus));
        assert_eq!(http(json!({ "expectText": "" })), Err(ProbeFault::ExpectedText));
        assert_eq!(http(json!({ "expectText": "ok", "method": "HEAD" })), Err(ProbeFault::ExpectedText));
        assert_eq!(http(json!({ "slowMilliseconds": 10_000 })), Err(ProbeFault::Slow));
        assert_eq!(http(json!({ "caFile": "ca.pem" })), Err(ProbeFault::CaFile));
        assert_eq!(http(json!({ "expectStatus": 302, "slowMilliseconds": 800, "caFile": "/ca.pem" })), Ok(()));
        let at = |host: &str, port: u16| settings(json!({ "type": "tcp", "host": host, "port": port })).check();
        assert_eq!(at("[::1]", 25), Err(ProbeFault::Host));
        assert_eq!((at("::1", 25), at("::1", 0)), (Ok(()), Err(ProbeFault::Port)));
        let days = |warned: u16, critical: u16| {
            let kind =
                json!({ "type": "tls-expiry", "host": "a", "port": 1, "daysWarned": warned, "daysCritical": critical });
            settings(kind).check()
        };
        assert_eq!((days(30, 7), days(7, 7), days(7, 0)), (Ok(()), Err(ProbeFault::Days), Err(ProbeFault::Days)));
        let beat = settings(json!({ "type": "heartbeat", "everySeconds": 1, "graceSeconds": 60 }));
        assert_eq!(beat.check(), Err(ProbeFault::Heartbeat));
    }

    #[test]
    fn the_example_that_operators_copy_is_fit() {
        let all: Vec<ProbeSettings> =
            serde_json::from_str(include_str!("../../../../config/reference-probes.json")).unwrap();
        assert!(all.iter().all(|probe| probe.check() == Ok(())));
        let mut kinds: Vec<&str> = all.iter().map(|probe| probe.kind.as_str()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["heartbeat", "http", "smtp", "tcp", "tls-expiry"]);
    }

    #[test]
    fn unknown_members_are_refused_wherever_they_stand() {
        let read = |value| serde_json::from_value::<ProbeSettings>(value);
        let kind = json!({ "type": "tcp", "host": "a", "port": 1 });
        assert!(read(json!({ "slug": "a", "component": "a", "kind": kind })).is_ok());
        assert!(read(json!({ "slug": "a", "component": "a", "kind": kind, "interval": 5 })).is_err());
        let odd = json!({ "type": "tcp", "host": "a", "port": 1, "url": "https://a/" });
        assert!(read(json!({ "slug": "a", "component": "a", "kind": odd })).is_err());
    }
}
