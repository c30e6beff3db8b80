//! The card test: what somebody's certificate is, and what each door would say to it. Asks what the doors ask, and lets
//! nobody in.

use std::sync::Arc;

use super::super::Api;
use super::super::card::{AtDoor, Shown};
use super::super::problem::Problem;
use super::super::request::{Call, Caller, CallerFacts, RejectionFacts};
use super::super::response::Answer;
use super::super::wire::card_test::{CardTest, WireCertificate, WireDoor, WireRefusal};
use crate::domain::card::{DoorRule, TriedDoor};
use crate::domain::rejection::Verdict;
use crate::render::card_test::{CardTestFacts, DoorFacts};
use crate::usecase::Refusal;

/// A door's whole answer: to the certificate, and to what the region knows of its holder.
struct Told {
    door: TriedDoor,
    rules: Vec<(DoorRule, Verdict)>,
    refused: Option<RejectionFacts>,
}

/// As JSON.
pub async fn tell(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let shown = shown(&call)?;
    let doors = ask_all(&api, shown).await?;
    let doors = doors.iter().map(|told| {
        let rejection = told.refused.as_ref().map(|refused| {
            let words = api.renderer.rejection_at_card_test(&refused.told(), call.language);
            let text = [Some(words.text), words.detail].into_iter().flatten().collect::<Vec<_>>().join(" ");
            let cure = words.cure.into_iter().map(|step| step.text).collect();
            WireRefusal { code: refused.code, title: words.title, text, cure }
        });
        WireDoor::of(told.door, &told.rules, rejection)
    });
    let known_as = shown.known_as.as_ref().map(|known| known.label.in_language(call.language).to_owned());
    let certificate = shown.certificate.as_ref().map(|facts| WireCertificate::of(facts, known_as, level(shown)));
    Ok(Answer::ok(&CardTest { certificate, doors: doors.collect() }))
}

/// As a page.
pub async fn page(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let shown = shown(&call)?;
    let doors = ask_all(&api, shown).await?;
    let facts = CardTestFacts {
        certificate: shown.certificate.as_ref(),
        known_as: shown.known_as.as_ref(),
        level: level(shown),
        doors: doors.iter().map(door_facts).collect(),
        request: &call.request_id,
    };
    let page = api.renderer.card_test_page(&facts, call.language).map_err(|error| {
        tracing::error!(event = "http.page", %error, "a page that was fit at the start is not now");
        Problem::new("internal")
    })?;
    Ok(Answer::html(200, page))
}

fn door_facts(told: &Told) -> DoorFacts<'_> {
    DoorFacts { door: told.door, rules: &told.rules, refused: told.refused.as_ref().map(RejectionFacts::told) }
}

fn shown(call: &Call) -> Result<&Shown, Problem> {
    match &call.caller {
        Caller::Shown(shown) => Ok(shown),
        Caller::Known(_) | Caller::Anyone => Err(Problem::new("not-found")),
    }
}

/// The level of assurance: as judged, else as the issuer's name promises.
fn level(shown: &Shown) -> Option<u8> {
    let judged = shown.doors.iter().find_map(|at| at.judged.as_ref().ok()?.loa);
    judged.or_else(|| shown.known_as.as_ref()?.level)
}

async fn ask_all(api: &Api, shown: &Shown) -> Result<Vec<Told>, Problem> {
    let mut doors = Vec::new();
    for at in &shown.doors {
        doors.push(ask(api, at).await?);
    }
    Ok(doors)
}

/// Directory and register are asked for a proven, trusted certificate only.
async fn ask(api: &Api, at: &AtDoor) -> Result<Told, Problem> {
    let refused = match &at.judged {
        Err(rejection) => Some(rejection.clone()),
        Ok(caller) => match standing(api, at.door, caller).await {
            Ok(()) => None,
            Err(Refusal::Rejected(code)) => {
                Some(RejectionFacts { organisation: caller.organisation(), ..RejectionFacts::bare(code) })
            }
            Err(other) => return Err(other.into()),
        },
    };
    let certificate = at.rules.iter().map(|(rule, verdict)| (DoorRule::Certificate(*rule), *verdict));
    let own = at.door.own_verdicts(at.judged.is_ok(), refused.as_ref().map(|refused| refused.code));
    Ok(Told { door: at.door, rules: certificate.chain(own).collect(), refused })
}

async fn standing(api: &Api, door: TriedDoor, caller: &CallerFacts) -> Result<(), Refusal> {
    match door {
        TriedDoor::Staff => api.gateway.admit_staff(&caller.hsa_id).await,
        TriedDoor::Portal => api.gateway.registered_portal(&caller.hsa_id).map(drop),
    }
}
