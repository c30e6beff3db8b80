//! How our own parts are, looked at when somebody asks: told on the status page as components of ourselves, in words
//! that mean something to people. Nobody writes it and nobody is mailed about it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::Gateway;
use super::letters::LetterStore;
use crate::domain::clinic::Texts;
use crate::domain::id::HsaId;
use crate::domain::language::Language;
use crate::domain::status::board::{OwnComponent, OwnHealth};
use crate::domain::status::component::ComponentStatus;
use crate::domain::status::swedish_time;

/// A look counts for so long.
const FRESH: SignedDuration = SignedDuration::from_secs(5);
/// Mail that waits longer is late, and then does not come for now.
const MAIL_LATE: SignedDuration = SignedDuration::from_mins(5);
const MAIL_STUCK: SignedDuration = SignedDuration::from_mins(30);
/// Portals named in one sentence.
const NAMED_MAX: usize = 3;

/// What is noted of ourselves between two looks. In memory: a restart begins anew.
pub struct Pulse {
    started: Timestamp,
    looked: Mutex<Option<(Timestamp, OwnHealth)>>,
    /// Since when no smarthost does its work.
    smarthost_fails_since: Mutex<Option<Timestamp>>,
    /// Whether certificates are refused because nobody can say which of them are revoked.
    revocation_unknown: AtomicBool,
    /// When each registered portal was heard last; never more than there are portals.
    heard: Mutex<HashMap<HsaId, Timestamp>>,
    /// Portals that are never silent for longer, by the region's own word.
    silent_after: BTreeMap<HsaId, SignedDuration>,
}

impl Pulse {
    pub(super) fn new(now: Timestamp) -> Pulse {
        Pulse {
            started: now,
            looked: Mutex::default(),
            smarthost_fails_since: Mutex::default(),
            revocation_unknown: AtomicBool::new(false),
            heard: Mutex::default(),
            silent_after: BTreeMap::new(),
        }
    }
}

impl Gateway {
    /// Portals that are expected to be heard at least so often.
    #[must_use]
    pub fn expecting(mut self, silent_after: BTreeMap<HsaId, SignedDuration>) -> Gateway {
        self.pulse.silent_after = silent_after;
        self
    }

    /// How our own parts are; looked at anew after five seconds at the earliest.
    pub async fn own_health(&self, now: Timestamp) -> OwnHealth {
        let looked = self.pulse.looked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, health)) = looked
            && (SignedDuration::ZERO..FRESH).contains(&at.duration_until(now))
        {
            return health;
        }
        let mut components = vec![
            receiving(self.cases.health().is_failing()),
            mail(self.mail_delay(now).await),
            telling(self.common.health().is_failing()),
        ];
        components.extend(self.portals(now));
        components.extend(self.pulse.revocation_unknown.load(Ordering::Relaxed).then(shut_for_certificates));
        components.extend(self.has_lost_network(now).then(cut_off));
        let health = OwnHealth { checked_at: Some(now), started_at: Some(self.pulse.started), components };
        *self.pulse.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, health.clone()));
        health
    }

    /// Notes whether a smarthost did its work just now, whatever it thought of the letter.
    pub fn note_smarthost(&self, works: bool) {
        let mut since = self.pulse.smarthost_fails_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if works { None } else { since.or(Some(self.now())) };
    }

    /// Notes whether every issuer that needs a revocation list has one that counts.
    pub fn note_revocation_lists(&self, count: bool) {
        self.pulse.revocation_unknown.store(!count, Ordering::Relaxed);
    }

    /// Notes that a registered portal was here.
    pub(super) fn note_portal(&self, portal: &HsaId) {
        let now = self.now();
        self.pulse.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(portal.clone(), now);
    }

    /// How late the mail is: letters that should have gone and lie, or that wait for a smarthost that fails.
    async fn mail_delay(&self, now: Timestamp) -> SignedDuration {
        // A store that cannot be read says so as a component of its own.
        let (cases, common) =
            tokio::join!(self.next_letter_due(LetterStore::Cases), self.next_letter_due(LetterStore::Common));
        let notices = self.oldest_unsent_notice();
        let next = [cases, common].into_iter().filter_map(Result::ok).flatten().chain(notices).min();
        let Some(next) = next else { return SignedDuration::ZERO };
        let failing_since = *self.pulse.smarthost_fails_since.lock().unwrap_or_else(PoisonError::into_inner);
        let since = failing_since.map_or(next, |failing| failing.min(next));
        since.duration_until(now)
    }

    /// Whether registered systems are silent that never are.
    fn portals(&self, now: Timestamp) -> Option<OwnComponent> {
        if self.pulse.silent_after.is_empty() {
            return None;
        }
        let catalog = self.catalog();
        let heard = self.pulse.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut silent = Vec::new();
        for (id, allowed) in &self.pulse.silent_after {
            let last = heard.get(id).copied().unwrap_or(self.pulse.started);
            if let Some(portal) = catalog.portals.get(id).filter(|at| !at.record.suspended)
                && last.duration_until(now) > *allowed
            {
                silent.push((portal.record.name.clone(), last));
            }
        }
        Some(connected(&silent))
    }
}

fn texts(sv: impl Into<String>, en: impl Into<String>) -> Texts {
    Texts { sv: sv.into(), en: Some(en.into()) }
}

fn works(slug: &'static str, name: Texts) -> OwnComponent {
    OwnComponent { slug, name, status: ComponentStatus::Operational, detail: Texts::default() }
}

fn receiving(failing: bool) -> OwnComponent {
    let well = works("cases", texts("Ärenden", "Cases"));
    if !failing {
        return well;
    }
    let detail = texts(
        "Ärenden kan inte tas emot eller läsas just nu. Det som redan är mottaget finns kvar. Ring mottagningen om det är bråttom.",
        "Cases cannot be received or read at the moment. What has been received already is safe. If it is urgent, telephone the clinic.",
    );
    OwnComponent { status: ComponentStatus::MajorOutage, detail, ..well }
}

fn mail(delay: SignedDuration) -> OwnComponent {
    let well = works("mail", texts("E-post från oss", "E-mail from us"));
    if delay > MAIL_STUCK {
        let detail = texts(
            "E-post från oss kommer inte fram just nu. Den skickas när det fungerar igen. Det som står på den här sidan gäller.",
            "E-mail from us is not getting through at the moment. It will be sent once it works again. What this page says holds.",
        );
        OwnComponent { status: ComponentStatus::PartialOutage, detail, ..well }
    } else if delay > MAIL_LATE {
        let detail = texts(
            "E-post från oss kommer fram senare än vanligt. Det som står på den här sidan gäller.",
            "E-mail from us arrives later than usual. What this page says holds.",
        );
        OwnComponent { status: ComponentStatus::DegradedPerformance, detail, ..well }
    } else {
        well
    }
}

fn telling(failing: bool) -> OwnComponent {
    let well = works("status", texts("Driftinformation", "Service information"));
    if !failing {
        return well;
    }
    let detail = texts(
        "Driftinformationen kan inte ändras just nu. Det som står på den här sidan kan vara gammalt. Ring oss om du är osäker.",
        "Service information cannot be changed at the moment. What this page says may be out of date. Telephone us if in doubt.",
    );
    OwnComponent { status: ComponentStatus::PartialOutage, detail, ..well }
}

/// Only there while it is so: who comes in is nobody's question before.
fn shut_for_certificates() -> OwnComponent {
    let well = works("certificates", texts("Inloggning med kort", "Login by card"));
    let detail = texts(
        "Inloggning med kort kan misslyckas just nu, också för system, eftersom uppgifter om spärrade kort saknas. Felet ligger inte i kortet.",
        "Login by card may fail at the moment, for systems too, because information on revoked cards is missing. Nothing is wrong with the card.",
    );
    OwnComponent { status: ComponentStatus::MajorOutage, detail, ..well }
}

/// Only there while it is so.
fn cut_off() -> OwnComponent {
    let well = works("network", texts("Vårt eget nät", "Our own network"));
    let detail = texts(
        "Vi når inga andra system just nu. Vi kan därför inte se om de fungerar, och det som står om dem kan vara gammalt.",
        "We reach no other systems at the moment. So we cannot see whether they work, and what is said of them may be out of date.",
    );
    OwnComponent { status: ComponentStatus::PartialOutage, detail, ..well }
}

/// `silent` by name, with when each was heard last.
fn connected(silent: &[(String, Timestamp)]) -> OwnComponent {
    let well = works("portals", texts("Anslutna system", "Connected systems"));
    if silent.is_empty() {
        return well;
    }
    let one = |language: Language| {
        let named = silent.iter().take(NAMED_MAX).map(|(name, last)| {
            let at = swedish_time::moment(*last, language);
            match language {
                Language::Sv => format!("{name} har inte hörts av sedan {at}."),
                Language::En => format!("{name} has not been heard from since {at}."),
            }
        });
        named.collect::<Vec<_>>().join(" ")
    };
    let advice = texts("Ärenden därifrån kan dröja.", "Cases from there may be delayed.");
    let sv = format!("{} {}", one(Language::Sv), advice.sv);
    let en = format!("{} {}", one(Language::En), advice.en.unwrap_or_default());
    OwnComponent { status: ComponentStatus::DegradedPerformance, detail: texts(sv, en), ..well }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_is_late_after_five_minutes_and_stuck_after_thirty() {
        let status = |minutes: i64| mail(SignedDuration::from_mins(minutes)).status;
        assert_eq!((status(0), status(5)), (ComponentStatus::Operational, ComponentStatus::Operational));
        assert_eq!(
            (status(6), status(30)),
            (ComponentStatus::DegradedPerformance, ComponentStatus::DegradedPerformance)
        );
        assert_eq!((status(31), status(-5)), (ComponentStatus::PartialOutage, ComponentStatus::Operational));
    }

    #[test]
    fn what_works_needs_no_words_and_what_does_not_says_what_to_do_in_both_languages() {
        let at: Timestamp = "2026-11-23T09:40:00Z".parse().unwrap();
        for (well, ill) in [
            (receiving(false), receiving(true)),
            (mail(SignedDuration::ZERO), mail(SignedDuration::from_hours(1))),
            (telling(false), telling(true)),
            (works("network", texts("Nät", "Network")), cut_off()),
            (connected(&[]), connected(&[("Invånarportalen".into(), at)])),
        ] {
            assert_eq!((well.status, well.detail), (ComponentStatus::Operational, Texts::default()));
            assert!(ill.status > ComponentStatus::Operational && !ill.detail.sv.is_empty());
            assert!(ill.detail.en.is_some_and(|en| !en.is_empty()) && well.name.en.is_some());
        }
        let told = connected(&[("Invånarportalen".into(), at)]).detail.sv;
        let expected =
            "Invånarportalen har inte hörts av sedan måndag 23 november kl. 10.40. Ärenden därifrån kan dröja.";
        assert_eq!(told, expected);
    }
}
