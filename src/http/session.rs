//! Sessions of browsers at the staff door: a random token in a cookie, bound to the certificate that it was given to.
//! They end by log-out, by time and by another card. In memory only: a restart logs everybody out.
//!
//! A program has no session: its certificate speaks for it at each request, as at the portal door.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use super::problem::Problem;
use super::request::CallerFacts;
use super::response::Answer;
use crate::crypto::{CryptoError, Digest, HashingKey, SecretBytes, hex, random_bytes, same, sha256};
use crate::render::staff::SessionLimits;

/// Browsers take a cookie of such a name only from this host, by TLS, for all paths.
const COOKIE: &str = "__Host-budkavle";
/// What the problem says beside its words for people.
const FOR_PROGRAMS: &str = "A program that sends neither cookies nor Sec-Fetch-Site and Sec-Fetch-Mode needs no session: its certificate is enough.";
/// Sessions at once: more than a region has staff at work. Beyond it the longest idle one ends.
const SESSIONS_MAX: usize = 50_000;
/// Of one certificate: windows and computers that somebody forgot. Beyond it the oldest ends.
const SESSIONS_PER_CERTIFICATE_MAX: usize = 8;
/// How long it is remembered that time ended a session, so that its holder is told so.
const ENDED_REMEMBERED: SignedDuration = SignedDuration::from_hours(12);
/// A token is 256 random bits.
const TOKEN_BYTES: usize = 32;

/// How a browser stands, for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// No session was shown.
    LoggedOut,
    LoggedIn(LiveSession),
    Ended(Ended),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSession {
    /// Names the session to us; the token cannot be told from it.
    id: Digest,
    pub begun: Timestamp,
}

/// Why the session that was shown is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Idle,
    Old,
    /// Its cookie came with another certificate; the session was of the one named.
    OtherCard(Digest),
    /// Logged out, given up for a newer one, or from before a restart.
    Unknown,
}

/// All sessions of the staff door.
pub struct Sessions {
    limits: SessionLimits,
    /// Makes form tokens; of this process only.
    form_key: HashingKey,
    open: Mutex<HashMap<Digest, Session>>,
}

struct Session {
    certificate: Digest,
    begun: Timestamp,
    last_used: Timestamp,
}

impl Session {
    fn ended_at(&self, limits: &SessionLimits, now: Timestamp) -> Option<Ended> {
        if now.duration_since(self.begun) >= limits.age_max {
            return Some(Ended::Old);
        }
        (now.duration_since(self.last_used) >= limits.idle_max).then_some(Ended::Idle)
    }
}

impl Sessions {
    pub fn new(limits: SessionLimits) -> Result<Sessions, CryptoError> {
        let form_key = HashingKey::new(&SecretBytes::random()?);
        Ok(Sessions { limits, form_key, open: Mutex::default() })
    }

    pub fn limits(&self) -> SessionLimits {
        self.limits
    }

    /// Begins a session of this certificate and gives its token, which is kept nowhere.
    pub fn begin(&self, certificate: &Digest, now: Timestamp) -> Result<String, CryptoError> {
        let token = hex(&random_bytes::<TOKEN_BYTES>()?);
        let mut open = self.lock();
        open.retain(|_, session| {
            let over = session.last_used.saturating_add(self.limits.idle_max + ENDED_REMEMBERED);
            over.is_ok_and(|over| now < over)
        });
        let own = |session: &Session| session.certificate == *certificate;
        if open.values().filter(|session| own(session)).count() >= SESSIONS_PER_CERTIFICATE_MAX {
            remove_first(&mut open, own, |session| session.begun);
        }
        if open.len() >= SESSIONS_MAX {
            remove_first(&mut open, |_| true, |session| session.last_used);
        }
        open.insert(id_of(&token), Session { certificate: *certificate, begun: now, last_used: now });
        Ok(token)
    }

    /// How the sender of these headers stands; a live session is used by being asked for, one that is over is taken away.
    pub fn standing(&self, headers: &HeaderMap, certificate: &Digest, now: Timestamp) -> Standing {
        let Some(token) = shown(headers) else { return Standing::LoggedOut };
        let id = id_of(token);
        let mut open = self.lock();
        let Some(session) = open.get_mut(&id) else { return Standing::Ended(Ended::Unknown) };
        let ended = match session.ended_at(&self.limits, now) {
            None if session.certificate == *certificate => {
                session.last_used = now;
                return Standing::LoggedIn(LiveSession { id, begun: session.begun });
            }
            None => Ended::OtherCard(session.certificate),
            Some(ended) => ended,
        };
        open.remove(&id);
        Standing::Ended(ended)
    }

    pub fn end(&self, session: &LiveSession) {
        self.lock().remove(&session.id);
    }

    /// What a form sent to `path` carries while nobody needs to be logged in: bound to the certificate.
    pub fn open_form_token(&self, facts: &CallerFacts, path: &str) -> String {
        self.token(b"certificate", &facts.fingerprint, path)
    }

    /// What a form sent to `path` carries within a session.
    pub fn form_token(&self, session: &LiveSession, path: &str) -> String {
        self.token(b"session", &session.id, path)
    }

    fn token(&self, kind: &[u8], of: &Digest, path: &str) -> String {
        hex(&self.form_key.hash(&[kind, of, path.as_bytes()]))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove_first(
    open: &mut HashMap<Digest, Session>,
    fits: impl Fn(&Session) -> bool,
    order: impl Fn(&Session) -> Timestamp,
) {
    let fitting = open.iter().filter(|(_, session)| fits(session));
    if let Some(first) = fitting.min_by_key(|(_, session)| order(session)).map(|(id, _)| *id) {
        open.remove(&first);
    }
}

/// The server keeps the digest only: who reads its memory cannot take a session over.
fn id_of(token: &str) -> Digest {
    sha256(&[token.as_bytes()])
}

/// The token of our cookie; a second one of that name is none of ours.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all("cookie").iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, token)| token)
}

/// Whether a browser sent this: its fetch metadata cannot be left out by a page, and programs have no cookies of ours.
pub fn is_of_browser(headers: &HeaderMap) -> bool {
    ["sec-fetch-site", "sec-fetch-mode", "cookie"].iter().any(|name| headers.contains_key(*name))
}

/// Whether what was sent as a form's token is the one that the form was given.
pub fn check_form_token(sent: &str, expected: &str) -> Result<(), Problem> {
    if same(sent.as_bytes(), expected.as_bytes()) { Ok(()) } else { Err(Problem::new("form-token-wrong")) }
}

/// Why a request that needs a session has none.
pub fn problem(standing: &Standing) -> Problem {
    let ended = |sv: &str, en: &str| Problem::new("session-ended").detail(sv, en);
    match standing {
        Standing::Ended(Ended::Idle) => ended(
            "Du har inte gjort något på en stund och loggades därför ut.",
            "You had not done anything for a while and were logged out.",
        ),
        Standing::Ended(Ended::Old) => {
            ended("Du hade varit inloggad så länge som är tillåtet.", "You had been logged in as long as is allowed.")
        }
        Standing::Ended(Ended::OtherCard(_)) => ended(
            "Ett annat kort sitter i än det som loggade in.",
            "Another card is inserted than the one that logged in.",
        ),
        Standing::Ended(Ended::Unknown) => Problem::new("session-ended"),
        Standing::LoggedOut | Standing::LoggedIn(_) => Problem::new("session-required").with("programs", FOR_PROGRAMS),
    }
}

impl Answer {
    /// Hands the browser its session.
    pub fn with_session(self, token: &str) -> Answer {
        self.header("set-cookie", format!("{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Strict"))
    }

    /// Has the browser forget everything that it kept of us.
    pub fn forgetting_session(self) -> Answer {
        self.header("set-cookie", format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"))
            .header("clear-site-data", r#""cache", "cookies", "storage""#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Digest = [1; 32];
    const B: Digest = [2; 32];

    fn sessions() -> Sessions {
        let limits = SessionLimits { idle_max: SignedDuration::from_mins(30), age_max: SignedDuration::from_hours(12) };
        Sessions::new(limits).unwrap()
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    fn cookie(token: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append("cookie", "theme=dark; other=1".parse().unwrap());
        headers.append("cookie", format!("x=y; {COOKIE}={token}").parse().unwrap());
        headers
    }

    fn is_live(sessions: &Sessions, token: &str, certificate: &Digest, now: Timestamp) -> bool {
        matches!(sessions.standing(&cookie(token), certificate, now), Standing::LoggedIn(_))
    }

    #[test]
    fn a_session_lives_by_being_used_and_ends_by_rest_and_by_age() {
        let sessions = sessions();
        let rested = sessions.begin(&A, at(0)).unwrap();
        assert!(is_live(&sessions, &rested, &A, at(29)) && is_live(&sessions, &rested, &A, at(58)));
        let ended = sessions.standing(&cookie(&rested), &A, at(88));
        assert_eq!(ended, Standing::Ended(Ended::Idle));
        assert_eq!(sessions.standing(&cookie(&rested), &A, at(88)), Standing::Ended(Ended::Unknown), "told once");
        let busy = sessions.begin(&A, at(0)).unwrap();
        assert!((1..=35).all(|n| is_live(&sessions, &busy, &A, at(n * 20))));
        assert_eq!(sessions.standing(&cookie(&busy), &A, at(12 * 60)), Standing::Ended(Ended::Old));
    }

    #[test]
    fn another_certificate_ends_the_session_for_both() {
        let sessions = sessions();
        let token = sessions.begin(&A, at(0)).unwrap();
        assert_eq!(sessions.standing(&cookie(&token), &B, at(1)), Standing::Ended(Ended::OtherCard(A)));
        assert!(!is_live(&sessions, &token, &A, at(1)) && !is_live(&sessions, &token, &B, at(1)));
    }

    #[test]
    fn a_session_that_was_logged_out_is_none_and_others_go_on() {
        let sessions = sessions();
        let [leaving, staying] = [0, 1].map(|minute| sessions.begin(&A, at(minute)).unwrap());
        let Standing::LoggedIn(live) = sessions.standing(&cookie(&leaving), &A, at(2)) else { panic!("not logged in") };
        sessions.end(&live);
        assert!(!is_live(&sessions, &leaving, &A, at(2)) && is_live(&sessions, &staying, &A, at(2)));
        assert_eq!(sessions.standing(&HeaderMap::new(), &A, at(2)), Standing::LoggedOut);
        for forged in ["", "0", &"0".repeat(64), &hex(&id_of(&staying))] {
            assert!(!is_live(&sessions, forged, &A, at(2)), "{forged}");
        }
    }

    #[test]
    fn one_certificate_holds_so_many_sessions_and_no_more() {
        let sessions = sessions();
        let other = sessions.begin(&B, at(0)).unwrap();
        let of_a: Vec<_> = (0..=8).map(|minute| sessions.begin(&A, at(minute)).unwrap()).collect();
        assert!(!is_live(&sessions, &of_a[0], &A, at(9)) && of_a[1..].iter().all(|t| is_live(&sessions, t, &A, at(9))));
        assert!(is_live(&sessions, &other, &B, at(9)));
    }

    #[test]
    fn a_forms_token_is_of_one_session_one_form_and_one_process() {
        let (sessions, others) = (sessions(), sessions());
        let live = [A, B].map(|id| LiveSession { id, begun: at(0) });
        let token = sessions.form_token(&live[0], "/installningar");
        assert!(check_form_token(&token, &sessions.form_token(&live[0], "/installningar")).is_ok());
        for other in [
            sessions.form_token(&live[1], "/installningar"),
            sessions.form_token(&live[0], "/logga-ut"),
            others.form_token(&live[0], "/installningar"),
            String::new(),
        ] {
            assert_eq!(check_form_token(&other, &token).unwrap_err().code, "form-token-wrong", "{other}");
        }
    }

    #[test]
    fn a_browser_is_known_by_its_fetch_metadata_or_a_cookie() {
        let sent = |pairs: &[(&'static str, &str)]| {
            let headers =
                pairs.iter().map(|(name, value)| (axum::http::HeaderName::from_static(name), value.parse().unwrap()));
            is_of_browser(&headers.collect())
        };
        assert!(
            sent(&[("sec-fetch-site", "none")])
                && sent(&[("sec-fetch-mode", "navigate")])
                && sent(&[("cookie", "a=b")])
        );
        assert!(!sent(&[("accept", "text/html"), ("origin", "https://staff.region.example")]));
    }
}
