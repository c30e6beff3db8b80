//! From what was typed to acts: texts, times and components as people write them.

use std::io::Read;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;

use super::{
    Act as Typed, Ask, ComponentAct, ComponentFlags, Correction, GroupAct, IncidentAct, IncidentFlags, MaintenanceAct,
    PendingAct, Reading, SeriesAct, Step, Telling, Wanted,
};
use crate::admin::status::{ComponentPatch, NamedAffected, SeriesFile, StatusCommand};
use crate::cli::offline::{self, Offline};
use crate::cli::region;
use crate::cli::say::complain;
use crate::daemon::SystemClock;
use crate::domain::clinic::Texts;
use crate::domain::status::act::{
    Act, ChangeMaintenance, Correct, OpenIncident, ScheduleMaintenance, UpdateIncident, UpdateMaintenance, Withdraw,
};
use crate::domain::status::component::ComponentStatus;
use crate::domain::status::subject::{IncidentStatus, MaintenanceStatus, Origin};
use crate::domain::status::swedish_time;
use crate::domain::time::Clock;
use crate::exit::Exit;
use crate::usecase::status::{ComponentDraft, GroupDraft};

/// Longest text read from standard input, in bytes; the rules allow less.
const TEXT_BYTES_MAX: u64 = 64 << 10;
/// How long mails may take to go out where no gateway runs; what is left goes when one does.
const SEND: Duration = Duration::from_secs(300);

pub fn told(typed: Typed) -> Wanted {
    match typed {
        Typed::Component(act) => component(act),
        Typed::Group(act) => Ok(group(act)),
        Typed::Incident(act) => incident(act),
        Typed::Maintenance(act) => maintenance(act),
        Typed::Series(act) => series(act),
        Typed::Pending(PendingAct::List(reading)) => Ok((vec![StatusCommand::PendingList], reading.ask())),
        Typed::Pending(PendingAct::TakeBack { id, ask }) => Ok((vec![StatusCommand::TakeBack { id }], ask)),
        // Not about services: it is sent by itself.
        Typed::Clock(_) => Err(Exit::Usage),
    }
}

fn component(act: ComponentAct) -> Wanted {
    Ok(match act {
        ComponentAct::Add(flags) => {
            let name = flags.name.clone().ok_or_else(|| usage("a new component needs a --name"))?;
            let audience = flags.audience.as_deref().ok_or_else(|| usage("--audience is staff or public"))?;
            let draft = ComponentDraft {
                slug: flags.slug,
                name: texts(name, flags.name_en),
                description: flags.description.map(|sv| texts(sv, flags.description_en)).unwrap_or_default(),
                group: flags.group.filter(|slug| !slug.is_empty()),
                position: flags.position.unwrap_or(0),
                audience: word("audience", audience)?,
                external: flags.external.unwrap_or(false),
            };
            (vec![StatusCommand::ComponentPut { draft: Box::new(draft) }], flags.ask)
        }
        ComponentAct::Change(flags) => {
            let ComponentFlags { slug, name, name_en, description, description_en, group, position, .. } = flags;
            let patch = ComponentPatch {
                name: name.map(|sv| texts(sv, name_en)),
                description: description.map(|sv| texts(sv, description_en)),
                group,
                position,
                audience: flags.audience.as_deref().map(|text| word("audience", text)).transpose()?,
                external: flags.external,
            };
            (vec![StatusCommand::ComponentChange { slug, patch: Box::new(patch) }], flags.ask)
        }
        ComponentAct::Archive { slug, ask } => (vec![StatusCommand::ComponentArchive { slug, archived: true }], ask),
        ComponentAct::Restore { slug, ask } => (vec![StatusCommand::ComponentArchive { slug, archived: false }], ask),
        ComponentAct::Import { file, ask } => {
            let read = region::read_json::<region::ComponentsFile>(&file);
            let components = read.map_err(|error| unfit(&error.to_string()))?;
            let groups = components.groups.into_iter().map(|draft| StatusCommand::GroupPut { draft });
            let components = components.components.into_iter().map(Box::new);
            let components = components.map(|draft| StatusCommand::ComponentPut { draft });
            (groups.chain(components).collect(), ask)
        }
        ComponentAct::List(ask) => (vec![StatusCommand::ComponentList], ask),
    })
}

fn group(act: GroupAct) -> (Vec<StatusCommand>, super::Ask) {
    match act {
        GroupAct::Add { slug, name, name_en, position, ask } => {
            let draft = GroupDraft { slug, name: texts(name, name_en), position };
            (vec![StatusCommand::GroupPut { draft }], ask)
        }
        GroupAct::Remove { slug, ask } => (vec![StatusCommand::GroupRemove { slug }], ask),
        GroupAct::List(ask) => (vec![StatusCommand::GroupList], ask),
    }
}

fn incident(act: IncidentAct) -> Wanted {
    match act {
        IncidentAct::Open { title, title_en, audience, status, started, reference, flags, telling } => {
            let (facts, affected) = facts(flags)?;
            let act = OpenIncident {
                title: texts(title, title_en),
                audience: word("audience", &audience)?,
                status: word("status", &status)?,
                affected: Vec::new(),
                body: telling.body()?,
                started_at: optional_time(started)?,
                impact_override: facts.impact_override,
                expected_end: facts.expected_end,
                next_update_by: facts.next_update_by,
                reference,
                workaround: facts.workaround,
                origin: Origin::Person,
                notify: facts.notify,
            };
            telling.publish(Act::OpenIncident(Box::new(act)), affected)
        }
        IncidentAct::Update { id, status, title, title_en, flags, telling } => {
            let (facts, affected) = facts(flags)?;
            let act = UpdateIncident {
                id,
                status: status.as_deref().map_or(Ok(facts.status), |text| word("status", text))?,
                body: telling.body()?,
                title: title.map(|sv| texts(sv, title_en)),
                ..facts
            };
            telling.publish_keeping(Act::UpdateIncident(Box::new(act)), affected, status.is_none())
        }
        IncidentAct::Resolve { id, no_mail, telling } => {
            let (status, body, notify) = (IncidentStatus::Resolved, telling.body()?, !no_mail);
            telling
                .publish(Act::UpdateIncident(Box::new(UpdateIncident { id, status, body, notify, ..blank() })), vec![])
        }
        IncidentAct::Correct(correction) => {
            let (correct, telling) = corrected(correction)?;
            telling.publish(Act::CorrectIncident(correct), vec![])
        }
        IncidentAct::Withdraw { id, telling } => {
            let withdraw = Withdraw { id, seen: None, body: telling.body()? };
            telling.publish(Act::WithdrawIncident(withdraw), vec![])
        }
        IncidentAct::List { all, reading } => Ok((vec![StatusCommand::IncidentList { all }], reading.ask())),
        IncidentAct::Show { id, reading } => Ok((vec![StatusCommand::Show { id }], reading.ask())),
    }
}

fn maintenance(act: MaintenanceAct) -> Wanted {
    use MaintenanceStatus::{Completed, InProgress, Verifying};
    match act {
        MaintenanceAct::Schedule {
            title,
            title_en,
            audience,
            components,
            from,
            until,
            emergency,
            emergency_en,
            started_by_hand,
            ended_by_hand,
            quiet_transitions,
            telling,
        } => {
            let act = ScheduleMaintenance {
                title: texts(title, title_en),
                audience: word("audience", &audience)?,
                affected: Vec::new(),
                body: telling.body()?,
                scheduled_for: time(&from)?,
                scheduled_until: time(&until)?,
                emergency_reason: emergency.map(|sv| texts(sv, emergency_en)),
                starts_by_itself: !started_by_hand,
                ends_by_itself: !ended_by_hand,
                tell_transitions: !quiet_transitions,
                series: None,
            };
            let affected = named(components, Some(ComponentStatus::UnderMaintenance))?;
            telling.publish(Act::ScheduleMaintenance(Box::new(act)), affected)
        }
        MaintenanceAct::Change { id, title, title_en, components, from, until, emergency, emergency_en, telling } => {
            let act = ChangeMaintenance {
                id,
                seen: None,
                body: telling.body()?,
                title: title.map(|sv| texts(sv, title_en)),
                affected: None,
                scheduled_for: optional_time(from)?,
                scheduled_until: optional_time(until)?,
                emergency_reason: emergency.map(|sv| texts(sv, emergency_en)),
            };
            let affected = named(components, Some(ComponentStatus::UnderMaintenance))?;
            telling.publish(Act::ChangeMaintenance(Box::new(act)), affected)
        }
        MaintenanceAct::Start(step) => stepped(step, Some(InProgress)),
        MaintenanceAct::Verify(step) => stepped(step, Some(Verifying)),
        MaintenanceAct::Complete(step) => stepped(step, Some(Completed)),
        MaintenanceAct::Say(step) => stepped(step, None),
        MaintenanceAct::Cancel { id, telling } => {
            let withdraw = Withdraw { id, seen: None, body: telling.body()? };
            telling.publish(Act::CancelMaintenance(withdraw), vec![])
        }
        MaintenanceAct::Correct(correction) => {
            let (correct, telling) = corrected(correction)?;
            telling.publish(Act::CorrectMaintenance(correct), vec![])
        }
        MaintenanceAct::List { all, reading } => Ok((vec![StatusCommand::MaintenanceList { all }], reading.ask())),
        MaintenanceAct::Show { id, reading } => Ok((vec![StatusCommand::Show { id }], reading.ask())),
    }
}

fn series(act: SeriesAct) -> Wanted {
    let read = |file: &std::path::Path| {
        region::read_json::<SeriesFile>(file).map(Box::new).map_err(|error| unfit(&error.to_string()))
    };
    Ok(match act {
        SeriesAct::Begin { file, preview, ask } => {
            (vec![StatusCommand::SeriesBegin { file: read(&file)?, preview }], ask)
        }
        SeriesAct::Change { id, file, text, text_en, preview, ask } => {
            let reason = texts(text, text_en);
            (vec![StatusCommand::SeriesChange { id, file: read(&file)?, reason, preview }], ask)
        }
        SeriesAct::End { id, text, text_en, preview, ask } => {
            (vec![StatusCommand::SeriesEnd { id, reason: texts(text, text_en), preview }], ask)
        }
        SeriesAct::List(ask) => (vec![StatusCommand::SeriesList], ask),
    })
}

impl Reading {
    fn ask(self) -> Ask {
        let Reading { offline, ask } = self;
        Ask { offline: offline.then_some(Offline::Read), ..ask }
    }
}

impl Telling {
    fn body(&self) -> Result<Texts, Exit> {
        if self.offline {
            offline::with_key(&self.ask.config)?;
        }
        if self.text != "-" {
            return Ok(texts(self.text.clone(), self.text_en.clone()));
        }
        let mut sv = String::new();
        let read = std::io::stdin().lock().take(TEXT_BYTES_MAX).read_to_string(&mut sv);
        read.map_err(|error| unfit(&format!("standard input: {error}")))?;
        Ok(texts(sv.trim_end().replace("\r\n", "\n"), self.text_en.clone()))
    }

    fn publish(self, wanted: Act, affected: Vec<NamedAffected>) -> Wanted {
        self.publish_keeping(wanted, affected, false)
    }

    /// With `keep_status` whatever status the subject has stays.
    fn publish_keeping(self, wanted: Act, affected: Vec<NamedAffected>, keep_status: bool) -> Wanted {
        let hold = self.hold.as_deref().map(length).transpose()?;
        let hold = hold.map(|hold| u32::try_from(hold.as_secs()).map_err(|_| usage("--hold is a length of time")));
        let (mut hold, preview, mut ask) = (hold.transpose()?, self.preview, self.ask);
        if self.offline {
            if hold.is_some_and(|seconds| seconds > 0) {
                return Err(usage("nobody is there to publish what is held: with --offline it is told at once"));
            }
            (hold, ask.offline) = (Some(0), Some(Offline::Tell { send: self.send.then_some(SEND) }));
        }
        Ok((vec![StatusCommand::Publish { wanted: Box::new(wanted), affected, keep_status, hold, preview }], ask))
    }
}

/// What open and update have in common, as an update.
fn facts(flags: IncidentFlags) -> Result<(UpdateIncident, Vec<NamedAffected>), Exit> {
    let facts = UpdateIncident {
        impact_override: flags.impact.as_deref().map(|text| word("impact", text)).transpose()?,
        expected_end: optional_time(flags.expected_end)?,
        next_update_by: optional_time(flags.next_update)?,
        workaround: flags.workaround.map(|sv| texts(sv, flags.workaround_en)),
        notify: !flags.no_mail,
        ..blank()
    };
    Ok((facts, named(flags.components, None)?))
}

fn blank() -> UpdateIncident {
    UpdateIncident {
        id: uuid::Uuid::nil(),
        seen: None,
        status: IncidentStatus::Investigating,
        body: Texts::default(),
        title: None,
        affected: None,
        impact_override: None,
        expected_end: None,
        next_update_by: None,
        workaround: None,
        notify: true,
    }
}

fn corrected(correction: Correction) -> Result<(Correct, Telling), Exit> {
    let Correction { id, update: number, no_mail, telling } = correction;
    Ok((Correct { id, number, body: telling.body()?, notify: !no_mail }, telling))
}

fn stepped(step: Step, next: Option<MaintenanceStatus>) -> Wanted {
    let Step { id, no_mail, telling } = step;
    let status = next.unwrap_or(MaintenanceStatus::Scheduled);
    let act = UpdateMaintenance { id, seen: None, status, body: telling.body()?, notify: !no_mail };
    telling.publish_keeping(Act::UpdateMaintenance(Box::new(act)), vec![], next.is_none())
}

/// `SLUG=STATUS`, or `SLUG` where there is a usual status.
fn named(typed: Vec<String>, usual: Option<ComponentStatus>) -> Result<Vec<NamedAffected>, Exit> {
    let one = |text: String| {
        let (component, status) = match (text.split_once('='), usual) {
            (Some((slug, status)), _) => (slug.to_owned(), word("status", status)?),
            (None, Some(usual)) => (text, usual),
            (None, None) => {
                return Err(usage(&format!("{text}: write SLUG=STATUS, such as {text}=major_outage")));
            }
        };
        Ok(NamedAffected { component, status })
    };
    typed.into_iter().map(one).collect()
}

/// One of a vocabulary, by the word that the API has for it.
fn word<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Exit> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|error| {
        let known =
            error.to_string().split_once("expected ").map(|(_, known)| known.replace('`', "")).unwrap_or_default();
        usage(&format!("{text}: {what} is {known}"))
    })
}

pub fn time(text: &str) -> Result<Timestamp, Exit> {
    swedish_time::parse(text, SystemClock.now()).map_err(|fault| usage(&format!("{text}: {fault}")))
}

fn optional_time(text: Option<String>) -> Result<Option<Timestamp>, Exit> {
    text.map(|text| time(&text)).transpose()
}

/// `90s`, `2m`, `1h 30m`, `7d`; a bare number is seconds.
pub fn length(text: &str) -> Result<SignedDuration, Exit> {
    let refused = || usage(&format!("{text}: a length of time is like 90s, 2m, 1h or 7d"));
    let mut total = SignedDuration::ZERO;
    for part in text.split_whitespace() {
        let (number, unit) = part.split_at(part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len()));
        let seconds = match unit {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(refused()),
        };
        let number: i64 = number.parse().map_err(|_| refused())?;
        let part = SignedDuration::from_secs(number.checked_mul(seconds).ok_or_else(refused)?);
        total = total.checked_add(part).ok_or_else(refused)?;
    }
    if text.trim().is_empty() { Err(refused()) } else { Ok(total) }
}

fn texts(sv: String, en: Option<String>) -> Texts {
    Texts { sv, en }
}

fn usage(reason: &str) -> Exit {
    complain(reason);
    Exit::Usage
}

fn unfit(reason: &str) -> Exit {
    complain(reason);
    Exit::DataErr
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        for (text, seconds) in [("0", 0), ("90", 90), ("2m", 120), ("1h 30m", 5_400), ("7d", 604_800)] {
            assert_eq!(length(text).unwrap().as_secs(), seconds, "{text}");
        }
        for text in ["", "m", "2 weeks", "-1m", "1.5h", "99999999999999999999d"] {
            assert!(length(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_component_is_named_with_its_status() {
        let told = named(vec!["siths=major_outage".into()], None).unwrap();
        assert_eq!(told, [NamedAffected { component: "siths".into(), status: ComponentStatus::MajorOutage }]);
        assert!(named(vec!["siths".into()], None).is_err());
        assert!(named(vec!["siths=broken".into()], None).is_err());
        assert_eq!(named(vec!["siths".into()], Some(ComponentStatus::UnderMaintenance)).unwrap().len(), 1);
    }
}
