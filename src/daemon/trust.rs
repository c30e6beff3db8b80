//! Whom we trust now: shared by the doors, renewed on reload, asked at the handshake and again at each request.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};

use super::door::DoorState;
use super::refusals::Refusals;
use super::renewal::Renewal;
use crate::admit::IpKey;
use crate::domain::card::{CertificateFacts, KnownAs, Purpose, TriedDoor};
use crate::domain::rejection::RejectionCode;
use crate::domain::time::Clock;
use crate::http::card::{AtDoor, Shown};
use crate::http::request::{Caller, CallerFacts, Door, Peer, RejectionFacts};
use crate::identity::{
    self, CrlError, CrlStatus, IssuerStatus, OcspQuestion, RefusedIssuer, RevocationSource, Trust, TrustError,
    TrustSettings,
};
use crate::jobs::ocsp::{self, Asker};
use crate::jobs::revocation::{Age, Board, TrustKeeper};
use crate::net::{Alert, ClientAuth, PeerJudge, Refused};

pub struct TrustState {
    settings: TrustSettings,
    current: ArcSwap<Trust>,
    refusals: Refusals,
    /// Held by whoever makes the next snapshot, so that none is made of one that is no longer the newest.
    renewing: Mutex<()>,
    clock: Arc<dyn Clock>,
    /// How the addresses of revocation lists do.
    pub board: Arc<Board>,
    asker: Asker,
}

impl TrustState {
    /// Reads issuers and revocation lists. Blocking.
    pub fn load(
        settings: TrustSettings,
        ocsp: ocsp::Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<TrustState>, TrustError> {
        let trust = Trust::load(&settings)?;
        tell_faults(&trust);
        let (current, renewing) = (ArcSwap::from_pointee(trust), Mutex::default());
        let (refusals, board) = (Refusals::default(), Arc::default());
        let asker = Asker::new(ocsp, clock.clone());
        Ok(Arc::new(TrustState { settings, current, refusals, renewing, clock, board, asker }))
    }

    /// Reads them again; on an error the ones in use stay. Blocking.
    pub fn reload(&self) -> Result<(), TrustError> {
        let _alone = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        let renewed = self.current.load().reload(&self.settings)?;
        tell_faults(&renewed);
        self.current.store(Arc::new(renewed));
        Ok(())
    }

    pub fn generation(&self) -> u64 {
        self.current.load().generation()
    }

    /// The files that [`TrustState::reload`] reads.
    pub fn files(&self) -> Vec<PathBuf> {
        let settings = &self.settings;
        let issuers = settings.portal.iter().chain(&settings.staff).map(|issuer| &issuer.file);
        let refused = settings.refused.iter().filter_map(|refused| match refused {
            RefusedIssuer::File { path, .. } => Some(path),
            RefusedIssuer::Pattern { .. } => None,
        });
        issuers.chain(refused).chain(&settings.crls).cloned().collect()
    }

    /// Issuers and their revocation lists as they are in use now.
    pub fn issuers(&self) -> Vec<IssuerStatus> {
        self.current.load().statuses()
    }

    /// By the clock that certificates are judged by.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What a door asks of who connects.
    pub fn client_auth(self: &Arc<TrustState>, door: Door) -> ClientAuth {
        match door {
            Door::Portal => ClientAuth::Required(Arc::new(PortalJudge { trust: self.clone() })),
            Door::Staff => ClientAuth::AskedFor { hints: self.current.load().hints(identity::Door::Staff) },
            Door::Public => ClientAuth::None,
            Door::CardTest => ClientAuth::Shown,
        }
    }

    /// The peer of a connection, as trust stands now. Waits only where the issuer's responder has to be asked.
    pub async fn judge(&self, door: Door, address: IpKey, chain: &[CertificateDer<'_>]) -> Peer {
        let at = match door {
            Door::Portal => identity::Door::Portal,
            Door::Staff => identity::Door::Staff,
            Door::Public => return Peer { door, address, identity: Ok(Caller::Anyone) },
            Door::CardTest => {
                let shown = Arc::new(self.show(chain).await);
                return Peer { door, address, identity: Ok(Caller::Shown(shown)) };
            }
        };
        let (trust, now) = (self.current.load_full(), self.clock.now());
        let mut judged = trust.judge(at, chain, now);
        if let Some(question) = open_question(&trust, at, chain, &judged, now) {
            self.asker.settle(&trust, &question).await;
            judged = self.current.load().judge(at, chain, self.clock.now());
        }
        if let Err(rejection) = &judged {
            self.refused(door, rejection);
        }
        Peer { door, address, identity: judged.map(caller_facts).map(Caller::Known).map_err(rejection_facts) }
    }

    /// What is shown at the card test, with what the other doors would say to it.
    async fn show(&self, chain: &[CertificateDer<'_>]) -> Shown {
        let (trust, now) = (self.current.load_full(), self.clock.now());
        let mut examined = trust.examine(chain, now);
        let outcomes =
            [(identity::Door::Staff, &examined.staff.outcome), (identity::Door::Portal, &examined.portal.outcome)];
        let asked = outcomes.map(|(door, judged)| open_question(&trust, door, chain, judged, now));
        let questions: Vec<OcspQuestion> = asked.into_iter().flatten().collect();
        for question in &questions {
            self.asker.settle(&trust, question).await;
        }
        if !questions.is_empty() {
            examined = self.current.load().examine(chain, self.clock.now());
        }
        let at = |door, examined: identity::DoorExamination| AtDoor {
            door,
            rules: examined.rules,
            judged: examined.outcome.map(caller_facts).map_err(rejection_facts),
        };
        let doors = [at(TriedDoor::Staff, examined.staff), at(TriedDoor::Portal, examined.portal)];
        let [staff, portal] =
            doors.each_ref().map(|at| at.judged.as_ref().err().map_or("good", |rejection| rejection.code.as_str()));
        let issuer = examined.certificate.as_ref().and_then(|certificate| certificate.issuer_name.as_deref());
        tracing::info!(event = "identity.shown", issuer, staff, portal, "a certificate was tried");
        Shown {
            certificate: examined.certificate.map(certificate_facts),
            known_as: examined.issuer.map(known_as),
            doors: doors.into(),
        }
    }
}

fn caller_facts(caller: identity::Caller) -> CallerFacts {
    CallerFacts {
        hsa_id: caller.hsa_id,
        name: caller.display,
        issuer: caller.issuer,
        not_after: caller.not_after,
        loa: caller.loa,
        fingerprint: caller.fingerprint,
    }
}

fn rejection_facts(rejection: identity::Rejection) -> RejectionFacts {
    let identity::Rejection { code, issuer, detail, organisation, .. } = rejection;
    RejectionFacts { code, issuer, detail, organisation }
}

fn known_as(issuer: identity::KnownIssuer) -> KnownAs {
    KnownAs { label: issuer.label, level: issuer.level }
}

fn certificate_facts(certificate: identity::Certificate) -> CertificateFacts {
    CertificateFacts {
        purpose: match certificate.key_usage {
            Some(usage) if usage.digital_signature => Purpose::Authentication,
            Some(usage) if usage.non_repudiation => Purpose::Signing,
            _ => Purpose::Other,
        },
        name: certificate.display_name(),
        identifiers: certificate.subject_serial_numbers,
        organisation: certificate.organisation,
        card_number: certificate.card_number,
        issuer: certificate.issuer_name,
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        serial: certificate.serial.to_string(),
    }
}

impl TrustState {
    /// For operators: each refused certificate once in a while, its repetitions counted.
    fn refused(&self, door: Door, rejection: &identity::Rejection) {
        let door_name = door.as_str();
        if self.refusals.note(door, rejection, self.clock.now()) {
            tracing::info!(event = "identity.rejected", door = door_name, reason = %rejection, "not let in");
        } else {
            tracing::debug!(event = "identity.rejected.again", door = door_name, reason = %rejection, "not let in");
        }
    }
}

/// What the issuer's responder is to be asked, where that alone keeps a certificate out.
fn open_question(
    trust: &Trust,
    door: identity::Door,
    chain: &[CertificateDer<'_>],
    judged: &Result<identity::Caller, identity::Rejection>,
    now: Timestamp,
) -> Option<OcspQuestion> {
    let code = judged.as_ref().err()?.code;
    let is_open = matches!(code, RejectionCode::RevocationUnknown | RejectionCode::CrlStale);
    is_open.then(|| trust.ocsp_question(door, chain, now)).flatten()
}

impl TrustKeeper for TrustState {
    fn current(&self) -> Arc<Trust> {
        self.current.load_full()
    }

    fn take_list(&self, source: &Path, list: &[u8]) -> Result<CrlStatus, CrlError> {
        let _alone = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        let (renewed, status) = self.current.load().with_list(source, list)?;
        self.current.store(Arc::new(renewed));
        Ok(status)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// What an operator wants to know before it ends: issuers, revocation lists, our own certificates.
pub fn reporter(
    trust: &Arc<TrustState>,
    doors: &[Arc<DoorState>],
    renewal: &Arc<Renewal>,
) -> Arc<dyn Fn() -> Value + Send + Sync> {
    let (trust, doors, renewal) = (trust.clone(), doors.to_vec(), renewal.clone());
    Arc::new(move || report(&trust, &doors, &renewal))
}

fn report(state: &TrustState, doors: &[Arc<DoorState>], renewal: &Renewal) -> Value {
    let now = state.clock.now();
    let trust = state.current.load();
    let issuers = trust.statuses().into_iter().map(|issuer| {
        let lists = issuer.crls.iter().map(|crl| {
            json!({
                "source": crl.source,
                "thisUpdate": crl.this_update,
                "nextUpdate": crl.next_update,
                "entries": crl.entries,
                "age": Age::of(crl, trust.crl_grace(), now).as_str(),
            })
        });
        json!({
            "issuer": issuer.issuer,
            "notAfter": issuer.not_after,
            "ends": issuer.ends,
            "revocationRequired": issuer.crl_required,
            "revocationLists": lists.collect::<Vec<_>>(),
        })
    });
    let certificates = doors.iter().map(|door| {
        let not_after = identity::describe(&door.tls.certificate()).ok().map(|certificate| certificate.not_after);
        json!({ "door": door.door.as_str(), "notAfter": not_after, "connections": door.counters.report() })
    });
    json!({
        "issuers": issuers.collect::<Vec<_>>(),
        "doors": certificates.collect::<Vec<_>>(),
        // Files that were read again, are unfit, and leave the old in use.
        "unfit": renewal.report(),
        "revocationAddresses": state.board.report(),
        "responders": state.asker.report(),
        "revocationAlarms": alarms(&trust, state, now),
        "refusals": state.refusals.report(),
    })
}

/// What operators should do something about before nobody comes in, in plain words.
fn alarms(trust: &Trust, state: &TrustState, now: Timestamp) -> Vec<String> {
    let mut alarms: Vec<String> = Vec::new();
    for issuer in trust.statuses() {
        let name = &issuer.issuer;
        if issuer.crl_required && issuer.crls.is_empty() {
            alarms.push(match issuer.revocation {
                RevocationSource::CrlThenOcsp => {
                    format!("{name}: there is no revocation list; all are asked about by OCSP")
                }
                _ => format!("{name}: there is no revocation list, and nobody of this issuer comes in"),
            });
        }
        for list in issuer.crls {
            let (source, next) = (list.source.display(), list.next_update);
            let consequence = match Age::of(&list, trust.crl_grace(), now) {
                Age::Fresh => continue,
                Age::Overdue => format!("should have been renewed by now; it ends {next}"),
                Age::Ended => format!("ended {next}; it counts for its grace only"),
                Age::Stale => format!("ended {next}, and its grace with it: nobody of this issuer comes in"),
            };
            alarms.push(format!("{name}: the revocation list {source} {consequence}"));
        }
    }
    let unfit = trust.crl_faults().iter().map(|fault| format!("{} {}", fault.file.display(), fault.error));
    alarms.extend(unfit);
    alarms.extend(state.asker.faults());
    for point in state.board.report() {
        if let (Some(fault), Some(remedy)) = (point.fault, point.remedy) {
            alarms.push(format!("{}: {fault}. {remedy}", point.url));
        }
    }
    // One CA may stand at two doors.
    alarms.sort_unstable();
    alarms.dedup();
    alarms
}

fn tell_faults(trust: &Trust) {
    for fault in trust.crl_faults() {
        let (file, error) = (fault.file.display(), &fault.error);
        tracing::error!(event = "identity.crl.unfit", %file, %error, "a revocation list was left out");
    }
}

/// What TLS has words for. What is wrong with us, not with the certificate, is left unspecified.
fn alert(code: RejectionCode) -> Alert {
    match code {
        RejectionCode::Expired | RejectionCode::NotYetValid => Alert::Expired,
        RejectionCode::Revoked => Alert::Revoked,
        RejectionCode::MalformedCertificate
        | RejectionCode::UntrustedSignature
        | RejectionCode::NoHsaId
        | RejectionCode::MalformedHsaId => Alert::Bad,
        RejectionCode::TeliaELegitimation
        | RejectionCode::PersonIdCertificate
        | RejectionCode::FunctionCertificateAtStaffDoor
        | RejectionCode::PersonCertificateAtPortalDoor
        | RejectionCode::WrongIssuer
        | RejectionCode::IssuerEnded
        | RejectionCode::TestInProduction
        | RejectionCode::ProductionInTest => Alert::UnknownIssuer,
        RejectionCode::SigningCertificate | RejectionCode::NotForClientAuthentication => Alert::WrongPurpose,
        RejectionCode::LevelTooLow => Alert::Denied,
        _ => Alert::Unspecified,
    }
}

/// Judges portals inside the handshake: whoever is not let in gets no further.
struct PortalJudge {
    trust: Arc<TrustState>,
}

impl std::fmt::Debug for PortalJudge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PortalJudge").finish_non_exhaustive()
    }
}

impl PeerJudge for PortalJudge {
    fn judge(&self, leaf: &CertificateDer<'_>) -> Result<(), Refused> {
        let now = self.trust.clock.now();
        let (trust, door) = (self.trust.current.load(), identity::Door::Portal);
        let leaves = std::slice::from_ref(leaf);
        let judged = trust.judge(door, leaves, now);
        if open_question(&trust, door, leaves, &judged, now).is_some() {
            // Nobody is asked while a handshake waits: the first request hears what comes of it.
            return Ok(());
        }
        judged.map(|_| ()).map_err(|rejection| {
            self.trust.refused(Door::Portal, &rejection);
            Refused { alert: alert(rejection.code), reason: rejection.to_string() }
        })
    }

    fn allowed_issuers(&self) -> Vec<Vec<u8>> {
        self.trust.current.load().hints(identity::Door::Portal)
    }
}
