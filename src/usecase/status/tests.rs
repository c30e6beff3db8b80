//! What is told, over real stores and a clock that stands still until it is moved.

mod goldens;
mod stories;

use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use uuid::Uuid;

use super::publish::Published;
use super::{Author, ComponentDraft, GroupDraft, Settings};
use crate::admit::{Limits, LimitsSettings};
use crate::crypto::SecretBytes;
use crate::domain::clinic::Texts;
use crate::domain::status::Audience;
use crate::domain::status::act::{Act, OpenIncident, ScheduleMaintenance, UpdateIncident};
use crate::domain::status::component::ComponentStatus;
use crate::domain::status::event::{Event, EventKind};
use crate::domain::status::subject::{Affected, IncidentStatus, Maintenance, Origin, Subject};
use crate::domain::time::Clock;
use crate::store::{self, MasterKey, Store};
use crate::usecase::Gateway;

pub struct HeldClock(Mutex<Timestamp>);

impl Clock for HeldClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub struct Region {
    pub gateway: Arc<Gateway>,
    clock: Arc<HeldClock>,
    dir: tempfile::TempDir,
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn texts(sv: &str) -> Texts {
    Texts { sv: sv.into(), en: None }
}

pub fn operator() -> Author {
    Author::Operator { user: "root".into() }
}

async fn gateway(dir: &Path, clock: Arc<HeldClock>) -> Arc<Gateway> {
    let master = MasterKey::new(SecretBytes::from_slice(&[9; 32]).unwrap());
    let open = |name: &str| {
        let settings = store::Settings { dir: dir.join(name), cache_bytes: 16 << 20 };
        Store::open(&settings, &master, clock.clone()).unwrap()
    };
    let limits = Arc::new(Limits::new(LimitsSettings::default()));
    let gateway = Gateway::start(open("cases"), open("common"), clock.clone(), limits, false).await.unwrap();
    Arc::new(gateway.with_status(Settings { hold: jiff::SignedDuration::from_secs(60), ..Settings::default() }))
}

/// A Sunday in November, eight in the morning by UTC.
pub async fn region() -> Region {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(HeldClock(Mutex::new(at("2026-11-22T08:00:00Z"))));
    let gateway = gateway(dir.path(), clock.clone()).await;
    let group = GroupDraft { slug: "external".into(), name: texts("Andras system"), position: 1 };
    gateway.put_group(&operator(), group, None).await.unwrap();
    for (slug, group, audience) in [
        ("journal", None, Audience::Public),
        ("siths", Some("external".to_owned()), Audience::Public),
        ("staff-tool", None, Audience::Staff),
    ] {
        let (slug, name) = (slug.to_owned(), texts(slug));
        let draft =
            ComponentDraft { slug, name, description: Texts::default(), group, position: 0, audience, external: false };
        gateway.put_component(&operator(), draft, Some(None)).await.unwrap();
    }
    Region { gateway, clock, dir }
}

impl Region {
    pub fn set(&self, now: &str) {
        *self.clock.0.lock().unwrap() = at(now);
    }

    /// The same stores after a stop and a start.
    pub async fn restarted(self) -> Region {
        self.gateway.cases.close();
        self.gateway.common.close();
        let Region { gateway: old, clock, dir } = self;
        drop(old);
        let gateway = gateway(dir.path(), clock.clone()).await;
        Region { gateway, clock, dir }
    }

    pub fn component(&self, slug: &str) -> Uuid {
        self.gateway.board().component_by_slug(slug).unwrap().id
    }

    pub fn affected(&self, slug: &str, status: ComponentStatus) -> Vec<Affected> {
        vec![Affected { component: self.component(slug), status }]
    }

    pub fn opening(&self) -> OpenIncident {
        OpenIncident {
            title: texts("Inloggning med SITHS-kort fungerar inte"),
            audience: Audience::Public,
            status: IncidentStatus::Investigating,
            affected: self.affected("siths", ComponentStatus::MajorOutage),
            body: texts("Du som redan är inloggad kan arbeta vidare."),
            started_at: None,
            impact_override: None,
            expected_end: None,
            next_update_by: None,
            reference: None,
            workaround: None,
            origin: Origin::Person,
            notify: true,
        }
    }

    pub fn window(&self, from: &str, until: &str) -> ScheduleMaintenance {
        ScheduleMaintenance {
            title: texts("Uppgradering av journalen"),
            audience: Audience::Public,
            affected: self.affected("journal", ComponentStatus::UnderMaintenance),
            body: texts("Journalen är stängd."),
            scheduled_for: at(from),
            scheduled_until: at(until),
            emergency_reason: None,
            starts_by_itself: true,
            ends_by_itself: true,
            tell_transitions: true,
            series: None,
        }
    }

    pub async fn open(&self, act: OpenIncident) -> Published {
        self.publish(Act::OpenIncident(Box::new(act))).await
    }

    pub async fn schedule(&self, act: ScheduleMaintenance) -> Published {
        self.publish(Act::ScheduleMaintenance(Box::new(act))).await
    }

    pub async fn publish(&self, act: Act) -> Published {
        self.gateway.publish_at_once(&operator(), &act).await.unwrap()
    }

    pub fn update(&self, id: Uuid, status: IncidentStatus) -> UpdateIncident {
        UpdateIncident {
            id,
            seen: None,
            status,
            body: texts("Vi har hittat felet."),
            title: None,
            affected: None,
            impact_override: None,
            expected_end: None,
            next_update_by: None,
            workaround: None,
            notify: true,
        }
    }

    pub async fn events(&self) -> Vec<Event> {
        self.gateway.notices_after(0, 1_000).await.unwrap().into_iter().map(|(_, event)| event).collect()
    }

    /// What was told of a subject, and whether it was mailed.
    pub async fn told(&self, id: Uuid) -> Vec<(EventKind, bool)> {
        let events = self.events().await;
        events.iter().filter(|event| event.subject.id() == id).map(|event| (event.kind, event.notify)).collect()
    }

    pub async fn maintenance(&self, id: Uuid) -> Maintenance {
        match self.gateway.find_subject(id).await.unwrap().unwrap().record {
            Subject::Maintenance(maintenance) => maintenance,
            Subject::Incident(_) => panic!("an incident"),
        }
    }
}
