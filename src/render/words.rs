//! What is said of a state: its word, its mark and its colour's name, and the sentences that answer first.

use serde::Serialize;

use super::when::When;
use crate::domain::clinic::Texts;
use crate::domain::language::Language;
use crate::domain::status::component::ComponentStatus;
use crate::domain::status::event::{Event, EventKind};
use crate::domain::status::subject::{Impact, Incident, IncidentStatus, Maintenance, MaintenanceStatus, Subject};

/// A state as it is shown: never by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct State {
    /// The colour's token in the style sheet.
    pub token: &'static str,
    pub mark: &'static str,
    pub word: &'static str,
}

/// One of the two languages.
pub(super) fn pick<T>(language: Language, sv: T, en: T) -> T {
    match language {
        Language::Sv => sv,
        Language::En => en,
    }
}

/// A text for a reader, and its language when that is not the page's.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Said {
    pub text: String,
    pub lang: Option<&'static str>,
}

pub(super) fn said(texts: &Texts, language: Language) -> Said {
    match (language, &texts.en) {
        (Language::En, Some(en)) => Said { text: en.clone(), lang: None },
        (Language::En, None) => Said { text: texts.sv.clone(), lang: Some("sv") },
        (Language::Sv, _) => Said { text: texts.sv.clone(), lang: None },
    }
}

pub(super) fn component_state(status: ComponentStatus, language: Language) -> State {
    let (token, mark, sv, en) = match status {
        ComponentStatus::Operational => ("works", "●", "Fungerar", "Working"),
        ComponentStatus::UnderMaintenance => ("planned", "▲", "Planerat arbete", "Planned work"),
        ComponentStatus::DegradedPerformance => ("minor", "◐", "Störning", "Degraded"),
        ComponentStatus::PartialOutage => ("major", "◆", "Delvis nere", "Partly down"),
        ComponentStatus::MajorOutage => ("critical", "■", "Ligger nere", "Down"),
    };
    State { token, mark, word: pick(language, sv, en) }
}

pub(super) fn incident_state(incident: &Incident, language: Language) -> State {
    let working = |sv, en| State { token: "works", mark: "●", word: pick(language, sv, en) };
    if incident.withdrawn_at.is_some() {
        return working("Återkallad", "Withdrawn");
    }
    if incident.status == IncidentStatus::Resolved {
        return working("Åtgärdad", "Resolved");
    }
    let (token, mark, sv, en) = match incident.impact() {
        Impact::None => ("minor", "◐", "Information", "Information"),
        Impact::Minor => ("minor", "◐", "Störning", "Degraded"),
        Impact::Major => ("major", "◆", "Delvis nere", "Partly down"),
        Impact::Critical => ("critical", "■", "Ligger nere", "Down"),
    };
    State { token, mark, word: pick(language, sv, en) }
}

pub(super) fn maintenance_state(maintenance: &Maintenance, language: Language) -> State {
    let (token, mark, sv, en) = match maintenance.status {
        MaintenanceStatus::Scheduled => ("planned", "▲", "Planerat arbete", "Planned work"),
        MaintenanceStatus::InProgress => ("planned", "▲", "Arbete pågår", "Work in progress"),
        MaintenanceStatus::Verifying => ("planned", "▲", "Kontrolleras", "Being checked"),
        MaintenanceStatus::Completed => ("works", "●", "Klart", "Completed"),
        MaintenanceStatus::Cancelled if maintenance.was_broken_off() => ("works", "●", "Avbrutet", "Ended early"),
        MaintenanceStatus::Cancelled => ("works", "●", "Inställt", "Cancelled"),
    };
    State { token, mark, word: pick(language, sv, en) }
}

/// How far an update says that it has come.
pub(super) fn incident_stage(status: IncidentStatus, language: Language) -> &'static str {
    match status {
        IncidentStatus::Investigating => pick(language, "Undersöks", "Investigating"),
        IncidentStatus::Identified => pick(language, "Orsaken är hittad", "Cause found"),
        IncidentStatus::Monitoring => pick(language, "Åtgärdat, bevakas", "Fixed, being watched"),
        IncidentStatus::Resolved => pick(language, "Åtgärdat", "Resolved"),
    }
}

/// `broken_off` when the work that is cancelled had begun.
pub(super) fn maintenance_stage(status: MaintenanceStatus, broken_off: bool, language: Language) -> &'static str {
    match status {
        MaintenanceStatus::Cancelled if broken_off => pick(language, "Avbrutet", "Ended early"),
        MaintenanceStatus::Scheduled => pick(language, "Planerat", "Scheduled"),
        MaintenanceStatus::InProgress => pick(language, "Pågår", "In progress"),
        MaintenanceStatus::Verifying => pick(language, "Kontrolleras", "Being checked"),
        MaintenanceStatus::Completed => pick(language, "Klart", "Completed"),
        MaintenanceStatus::Cancelled => pick(language, "Inställt", "Cancelled"),
    }
}

/// The first word of a notice's subject line.
pub(super) fn event_word(event: &Event, language: Language) -> &'static str {
    let broken_off = matches!(&event.subject, Subject::Maintenance(work) if work.was_broken_off());
    let (sv, en) = match event.kind {
        EventKind::Opened => ("Pågår", "Ongoing"),
        EventKind::Updated => ("Uppdaterad", "Updated"),
        EventKind::Resolved => ("Åtgärdad", "Resolved"),
        EventKind::Corrected => ("Rättad", "Corrected"),
        EventKind::Withdrawn => ("Återkallad", "Withdrawn"),
        EventKind::Scheduled => ("Planerad", "Planned"),
        EventKind::Rescheduled => ("Ändrad", "Changed"),
        EventKind::Reminder(_) => ("Påminnelse", "Reminder"),
        EventKind::Started => ("Påbörjad", "Started"),
        EventKind::Overrun => ("Tar längre tid", "Taking longer"),
        EventKind::Completed => ("Klar", "Completed"),
        EventKind::Cancelled if broken_off => ("Avbruten", "Ended early"),
        EventKind::Cancelled => ("Inställd", "Cancelled"),
    };
    pick(language, sv, en)
}

/// The sentence that stands first, on the subject's page as in its mails.
pub(super) fn sentence(subject: &Subject, when: When) -> String {
    match subject {
        Subject::Incident(incident) => incident_sentence(incident, when),
        Subject::Maintenance(maintenance) => maintenance_sentence(maintenance, when),
    }
}

fn incident_sentence(incident: &Incident, when: When) -> String {
    let language = when.language;
    if incident.withdrawn_at.is_some() {
        return pick(language, "Återkallad: det vi skrev stämde inte.", "Withdrawn: what we wrote was wrong.")
            .to_owned();
    }
    if let (IncidentStatus::Resolved, Some(at)) = (incident.status, incident.resolved_at) {
        let (at_words, span) = (when.words(at), when.span(incident.started_at, at));
        return pick(
            language,
            format!("Åtgärdad {at_words}, efter {span}."),
            format!("Resolved on {at_words}, after {span}."),
        );
    }
    let since = when.words(incident.started_at);
    let now = match incident.status {
        IncidentStatus::Investigating => pick(language, "Orsaken undersöks.", "The cause is being investigated."),
        IncidentStatus::Identified => pick(language, "Orsaken är hittad.", "The cause has been found."),
        IncidentStatus::Monitoring | IncidentStatus::Resolved => pick(
            language,
            "Felet är åtgärdat och vi ser efter att det håller.",
            "It has been fixed and we are watching that it holds.",
        ),
    };
    pick(language, format!("Pågår sedan {since}. {now}"), format!("Ongoing since {since}. {now}"))
}

fn maintenance_sentence(maintenance: &Maintenance, when: When) -> String {
    let language = when.language;
    let range = when.range(maintenance.scheduled_for, maintenance.scheduled_until);
    let began = maintenance.started_at.unwrap_or(maintenance.scheduled_for);
    let until = when.clock_or_day(maintenance.scheduled_until, began);
    match maintenance.status {
        MaintenanceStatus::Scheduled => pick(language, format!("Planerat {range}."), format!("Planned for {range}.")),
        MaintenanceStatus::InProgress if maintenance.overrun_told => pick(
            language,
            format!("Arbetet tar längre tid än planerat. Det skulle ha varit klart {until}."),
            format!("The work is taking longer than planned. It was to be done by {until}."),
        ),
        MaintenanceStatus::InProgress => pick(
            language,
            format!("Arbetet pågår och ska vara klart {until}."),
            format!("The work is in progress and is to be done by {until}."),
        ),
        MaintenanceStatus::Verifying => pick(
            language,
            "Arbetet är gjort. Vi kontrollerar att allt fungerar.".to_owned(),
            "The work is done. We are checking that everything works.".to_owned(),
        ),
        MaintenanceStatus::Completed => {
            let ended = when.words(maintenance.ended_at.unwrap_or(maintenance.scheduled_until));
            pick(language, format!("Arbetet blev klart {ended}."), format!("The work was completed on {ended}."))
        }
        MaintenanceStatus::Cancelled if maintenance.was_broken_off() => {
            let ended = when.words(maintenance.ended_at.unwrap_or(maintenance.scheduled_until));
            pick(
                language,
                format!("Avbröts i förtid {ended}. Arbetet var planerat till {range}."),
                format!("Ended early on {ended}. The work was planned for {range}."),
            )
        }
        MaintenanceStatus::Cancelled => pick(
            language,
            format!("Inställt. Arbetet var planerat till {range}."),
            format!("Cancelled. The work was planned for {range}."),
        ),
    }
}

/// The sentence of a notice: the page's, said as news.
pub(super) fn event_sentence(event: &Event, when: When) -> String {
    let Event { kind, at, subject, .. } = event;
    let (kind, at) = (*kind, *at);
    let language = when.language;
    let page = sentence(subject, when);
    if kind == EventKind::Corrected {
        return format!(
            "{} {page}",
            pick(language, "Rättelse av ett tidigare besked.", "Correction of an earlier update.")
        );
    }
    let Subject::Maintenance(maintenance) = subject else { return page };
    let range = when.range(maintenance.scheduled_for, maintenance.scheduled_until);
    match kind {
        EventKind::Rescheduled => match event.moved_from() {
            Some(old) => {
                let now = maintenance.window();
                let (old, is_moved) = (when.former(old, now), old.from != now.from);
                let (sv, en) = if is_moved { ("Flyttat", "Moved") } else { ("Ändrat", "Changed") };
                pick(language, format!("{sv} från {old} till {range}."), format!("{en} from {old} to {range}."))
            }
            None => pick(language, format!("Ändrat. Planerat {range}."), format!("Changed. Planned for {range}.")),
        },
        EventKind::Reminder(_) => {
            let ahead = when.ahead(at, maintenance.scheduled_for);
            pick(language, format!("Om {ahead}: {range}."), format!("In {ahead}: {range}."))
        }
        _ => page,
    }
}

/// What the headline is made of.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Names of the components with a disturbance, each with its state, the worst first.
    pub disturbed: Vec<(String, ComponentStatus)>,
    /// Whether an incident goes on, affecting components or not.
    pub incident: bool,
    /// Whether planned work goes on.
    pub maintenance: bool,
}

/// The one sentence that answers, and how bad it is.
pub(super) fn headline(tally: &Tally, language: Language) -> (ComponentStatus, String) {
    let worst = tally.disturbed.iter().map(|(_, status)| *status).max();
    let status = match worst {
        Some(status) => status,
        None if tally.incident => ComponentStatus::DegradedPerformance,
        None if tally.maintenance => ComponentStatus::UnderMaintenance,
        None => ComponentStatus::Operational,
    };
    let text = match (tally.disturbed.as_slice(), status) {
        ([], ComponentStatus::Operational) => pick(language, "Allt fungerar", "Everything works").to_owned(),
        ([], ComponentStatus::UnderMaintenance) => {
            pick(language, "Planerat arbete pågår, allt annat fungerar", "Planned work in progress, all else works")
                .to_owned()
        }
        ([], _) => pick(language, "En störning pågår", "There is a disturbance").to_owned(),
        ([(name, status)], _) => one(name, *status, language),
        (several, _) => many(several, language),
    };
    (status, text)
}

fn one(name: &str, status: ComponentStatus, language: Language) -> String {
    let verb = match status {
        ComponentStatus::MajorOutage => pick(language, "ligger nere", "is down"),
        ComponentStatus::PartialOutage => pick(language, "ligger delvis nere", "is partly down"),
        _ => pick(language, "har störningar", "has problems"),
    };
    format!("{name} {verb}")
}

fn many(several: &[(String, ComponentStatus)], language: Language) -> String {
    let down = several.iter().filter(|(_, status)| *status == ComponentStatus::MajorOutage).count();
    let all = number(several.len(), language);
    if down == several.len() {
        return capitalised(&pick(language, format!("{all} tjänster ligger nere"), format!("{all} services are down")));
    }
    let tail = match down {
        0 => String::new(),
        down => {
            let down_words = number(down, language);
            let are = if down == 1 { "is" } else { "are" };
            pick(language, format!(", {down_words} av dem ligger nere"), format!(", {down_words} of them {are} down"))
        }
    };
    capitalised(&pick(
        language,
        format!("{all} tjänster har störningar{tail}"),
        format!("{all} services have problems{tail}"),
    ))
}

/// Up to twelve in words.
fn number(count: usize, language: Language) -> String {
    let sv = ["noll", "en", "två", "tre", "fyra", "fem", "sex", "sju", "åtta", "nio", "tio", "elva", "tolv"];
    let en = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    pick(language, sv, en).get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Names in a row: at most `limit`, then how many more.
pub(super) fn listed(names: &[String], limit: usize, language: Language) -> String {
    let and = pick(language, "och", "and");
    match names {
        [] => String::new(),
        [one] => one.clone(),
        many if many.len() > limit => {
            let shown = many.get(..limit).unwrap_or_default().join(", ");
            let more = many.len() - limit;
            format!("{shown} {and} {more} {}", pick(language, "till", "more"))
        }
        [first @ .., last] => format!("{} {and} {last}", first.join(", ")),
    }
}
