//! The pages of the staff door: what each of them needs to know, as plain facts, and how they are put into words.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use minijinja::{Value, context};
use serde::Serialize;

use super::environment::value;
use super::page::{FaultFacts, Form};
use super::when::{Moment, When};
use super::words::{Said, pick, said};
use super::{RenderError, Renderer};
use crate::domain::case::State;
use crate::domain::clinic::{Role, Texts};
use crate::domain::id::{HsaId, Private};
use crate::domain::language::Language;
use crate::domain::status::Audience;
use crate::domain::status::edition::Edition;
use crate::domain::status::swedish_time;

/// The field of every form that holds its token.
pub const FORM_TOKEN: &str = "blankett";

/// A page and what it says.
#[derive(Debug, Clone)]
pub enum StaffPage {
    LogIn(LogInFacts),
    Start(Box<StartFacts>),
    /// Which letters somebody wants.
    Letters(LettersFacts),
    /// Stands alone: it needs nothing that would have to be fetched with the card.
    LoggedOut,
    /// A request that cannot be met, in words for people.
    Fault(FaultFacts),
}

#[derive(Debug, Clone, Serialize)]
pub struct LogInFacts {
    pub name: Option<Private>,
    pub hsa_id: HsaId,
    pub token: String,
    /// Why somebody who was logged in is it no more.
    #[serde(skip)]
    pub ended: Option<EndedHow>,
    #[serde(skip)]
    pub limits: SessionLimits,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedHow {
    Idle,
    Old,
    OtherCard,
    Unknown,
}

/// When sessions end by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    pub idle_max: SignedDuration,
    pub age_max: SignedDuration,
}

#[derive(Debug, Clone, Serialize)]
pub struct StartFacts {
    pub name: Option<Private>,
    pub hsa_id: HsaId,
    /// The clinic whose inbox is shown; none where the own cases of all are, or nobody's.
    pub clinic: Option<String>,
    #[serde(skip)]
    pub clinics: Vec<ClinicFacts>,
    #[serde(skip)]
    pub inbox: Vec<ListFacts>,
    /// The cases cannot be reached now.
    pub is_down: bool,
    #[serde(skip)]
    pub log_out: String,
    #[serde(skip)]
    pub limits: SessionLimits,
    #[serde(skip)]
    pub begun: Timestamp,
    #[serde(skip)]
    pub now: Timestamp,
}

/// A unit at which somebody has roles.
#[derive(Debug, Clone)]
pub struct ClinicFacts {
    pub name: String,
    pub roles: BTreeSet<Role>,
    /// Where its inbox is, unprefixed; none where it is shown already, or has none.
    pub path: Option<String>,
}

/// The inbox's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    Undistributed,
    Mine,
    Overdue,
    AwaitingCitizen,
}

#[derive(Debug, Clone)]
pub struct ListFacts {
    pub kind: ListKind,
    pub rows: Vec<RowFacts>,
    pub has_more: bool,
}

/// One case of a list: nothing that it says.
#[derive(Debug, Clone)]
pub struct RowFacts {
    /// The case type's title.
    pub title: Texts,
    pub state: State,
    pub awaits_citizen: bool,
    pub received_at: Timestamp,
    /// The next promised time.
    pub due: Timestamp,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct LettersFacts {
    pub saved: bool,
    /// What was sent was made from choices that do not hold any more.
    pub overtaken: bool,
    #[serde(skip)]
    pub form: Form,
    #[serde(skip)]
    pub log_out: String,
}

#[derive(Serialize)]
struct ListView {
    title: &'static str,
    rows: Vec<RowView>,
    has_more: bool,
}

#[derive(Serialize)]
struct RowView {
    title: Said,
    state: &'static str,
    received: Moment,
    left: String,
    is_late: bool,
}

impl Renderer {
    /// A page of the staff door, as HTML.
    pub fn staff_page(&self, page: &StaffPage, language: Language) -> Result<String, RenderError> {
        let edition = Edition { language, audience: Audience::Staff };
        let (name, path, facts) = parts(page, language);
        let around = context! {
            home => edition.path("/"),
            login_guide => self.login_guide(language),
            token_name => FORM_TOKEN,
            log_out => match page {
                StaffPage::Start(facts) => Some(&facts.log_out),
                StaffPage::Letters(facts) => Some(&facts.log_out),
                _ => None,
            },
        };
        self.rendered(name, context! { ..facts, ..around, ..self.site(edition, path) })
    }

    /// Renders every page once.
    pub(super) fn try_staff_pages(&self, language: Language) -> Result<(), RenderError> {
        super::sample::staff::pages().iter().try_for_each(|page| self.staff_page(page, language).map(drop))
    }
}

/// Template, unprefixed path where the page can be fetched in the other language, facts.
fn parts(page: &StaffPage, language: Language) -> (&'static str, Option<&'static str>, Value) {
    let length = |length| swedish_time::duration(length, language);
    match page {
        StaffPage::LogIn(facts) => {
            let SessionLimits { idle_max, age_max } = facts.limits;
            let ended = facts.ended.map(|ended| match ended {
                EndedHow::Idle => "idle",
                EndedHow::Old => "old",
                EndedHow::OtherCard => "other-card",
                EndedHow::Unknown => "unknown",
            });
            let facts = value(facts);
            let facts = context! { facts, ended, idle => length(idle_max), age => length(age_max) };
            ("staff/log-in.html", Some("/"), facts)
        }
        StaffPage::Start(facts) => {
            let when = When::new(language, facts.now);
            let until = facts.begun.saturating_add(facts.limits.age_max).unwrap_or(Timestamp::MAX);
            let facts = context! {
                facts => value(facts),
                clinics => facts.clinics.iter().map(|clinic| clinic_view(clinic, language)).collect::<Vec<_>>(),
                inbox => value(facts.inbox.iter().map(|list| list_view(list, facts.now, when)).collect::<Vec<_>>()),
                idle => length(facts.limits.idle_max),
                until => when.moment(until).short,
            };
            ("staff/start.html", Some("/"), facts)
        }
        StaffPage::Letters(facts) => {
            let facts = context! { form => value(&facts.form), facts => value(facts) };
            ("staff/letters.html", Some("/installningar"), facts)
        }
        StaffPage::LoggedOut => ("staff/logged-out.html", None, context! {}),
        StaffPage::Fault(facts) => ("staff/fault.html", None, context! { facts => value(facts) }),
    }
}

fn clinic_view(clinic: &ClinicFacts, language: Language) -> Value {
    let edition = Edition { language, audience: Audience::Staff };
    let roles: Vec<_> = clinic.roles.iter().map(|role| role_name(*role, language)).collect();
    let path = clinic.path.as_ref().map(|path| edition.path(path));
    context! { name => &clinic.name, roles => roles.join(", "), path }
}

fn role_name(role: Role, language: Language) -> &'static str {
    match role {
        Role::Receiver => pick(language, "ärendemottagare", "receiver"),
        Role::Handler => pick(language, "ärendehanterare", "handler"),
        Role::Administrator => pick(language, "lokal administratör", "administrator"),
        Role::Manager => pick(language, "verksamhetschef", "manager"),
        Role::LogReviewer => pick(language, "granskare av åtkomstloggen", "reviewer of the access log"),
        Role::Support => pick(language, "support", "support"),
    }
}

fn list_view(list: &ListFacts, now: Timestamp, when: When) -> ListView {
    let title = match list.kind {
        ListKind::Undistributed => pick(when.language, "Att fördela", "To distribute"),
        ListKind::Mine => pick(when.language, "Mina", "Mine"),
        ListKind::Overdue => pick(when.language, "Försenade", "Overdue"),
        ListKind::AwaitingCitizen => pick(when.language, "Väntar på invånaren", "Awaiting the citizen"),
    };
    let row = |row: &RowFacts| RowView {
        title: said(&row.title, when.language),
        state: state_name(row, when.language),
        received: when.moment(row.received_at),
        left: time_left(row.due, now, when.language),
        is_late: row.due < now,
    };
    ListView { title, rows: list.rows.iter().map(row).collect(), has_more: list.has_more }
}

fn state_name(row: &RowFacts, language: Language) -> &'static str {
    match row.state {
        State::Received => pick(language, "Inte fördelat", "Not distributed"),
        State::Distributed if row.awaits_citizen => pick(language, "Väntar på invånaren", "Awaiting the citizen"),
        State::Distributed => pick(language, "Fördelat", "Distributed"),
        State::Answered => pick(language, "Besvarat", "Answered"),
        State::Closed => pick(language, "Avslutat", "Closed"),
        State::Withdrawn => pick(language, "Återtaget", "Withdrawn"),
    }
}

/// *1 timme 20 minuter kvar*, *försenat 15 minuter*
fn time_left(due: Timestamp, now: Timestamp, language: Language) -> String {
    let left = due.duration_since(now);
    let length = swedish_time::duration(left.abs(), language);
    match (left.is_negative(), language) {
        (false, Language::Sv) => format!("{length} kvar"),
        (false, Language::En) => format!("{length} left"),
        (true, Language::Sv) => format!("försenat {length}"),
        (true, Language::En) => format!("{length} late"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::renderer;
    use super::*;

    fn start(language: Language) -> String {
        let pages = super::super::sample::staff::pages();
        let start = pages.iter().find(|page| matches!(page, StaffPage::Start(_))).unwrap();
        renderer().staff_page(start, language).unwrap()
    }

    #[test]
    fn the_inbox_says_what_is_due_in_words_and_nothing_of_what_anybody_wrote() {
        let (sv, en) = (start(Language::Sv), start(Language::En));
        for words in
            ["Förnya recept", "1 timme 20 minuter kvar", "försenat 15 minuter", "kl. 07.40", "lokal administratör"]
        {
            assert!(sv.contains(words), "{words} in {sv}");
        }
        for words in ["1 hour 20 minutes left", "15 minutes late", "lang=\"sv\">Förnya recept", "/en/installningar"] {
            assert!(en.contains(words), "{words} in {en}");
        }
    }

    #[test]
    fn every_page_with_a_form_has_its_token_and_none_has_a_script() {
        for page in super::super::sample::staff::pages() {
            let html = renderer().staff_page(&page, Language::Sv).unwrap();
            let (forms, tokens) = (html.matches("<form").count(), html.matches("name=\"blankett\"").count());
            assert_eq!(forms, tokens, "{html}");
            assert!(!html.contains("<script") && !html.contains(" style=") && !html.contains(" onclick="), "{html}");
        }
    }

    #[test]
    fn a_debug_print_of_a_page_holds_no_name() {
        for page in super::super::sample::staff::pages() {
            assert!(!format!("{page:?}").contains("Åkesson"), "{page:?}");
        }
    }
}
