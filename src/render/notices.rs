//! Mails of what happened to services. One text for all recipients of a language; what is a recipient's own are marks
//! that whoever sends replaces.

use std::collections::HashMap;

use minijinja::{Value, context};
use uuid::Uuid;

use super::environment::value;
use super::markup::lower_first;
use super::view::{AffectedView, SubjectView, UpdateView};
use super::when::When;
use super::words::{event_sentence, event_word, listed, pick, said};
use super::{LetterTexts, RenderError, Renderer, sample};
use crate::domain::clinic::Texts;
use crate::domain::language::Language;
use crate::domain::status::Audience;
use crate::domain::status::edition::Edition;
use crate::domain::status::event::{Event, EventKind};
use crate::domain::status::subject::{Reminder, Subject};

/// Stand in a notice's texts where a recipient's own links are to stand: private code points, which no template, no
/// escaping and no author's text holds. The first ends the subscription, the second is where to choose anew, the third
/// is the page of what the notice is about.
pub const LEAVE_MARK: &str = "\u{f8f0}";
pub const MANAGE_MARK: &str = "\u{f8f1}";
pub const PAGE_MARK: &str = "\u{f8f2}";

/// Of what was told before, a mail repeats so much.
const TIMELINE_MAX: usize = 10;
/// Components that a subject line names.
const NAMED_MAX: usize = 2;
/// Things that a digest tells of; more are on the page.
const DIGEST_MAX: usize = 100;

/// A notice's texts, the same for all its recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeTexts {
    pub subject: String,
    pub text: String,
    pub html: String,
    /// An iCalendar object whose method is PUBLISH, for planned work.
    pub calendar: Option<String>,
}

impl NoticeTexts {
    /// The text as a preview shows it: it has no recipient, and what is not told yet has no page.
    pub fn without_links(&self) -> String {
        [LEAVE_MARK, MANAGE_MARK, PAGE_MARK].into_iter().fold(self.text.clone(), |text, mark| text.replace(mark, "…"))
    }
}

/// What one mail sums up.
#[derive(Debug, Clone)]
pub struct DigestFacts {
    /// Oldest first.
    pub items: Vec<Event>,
    /// Whose pages the reader is led to.
    pub audience: Audience,
    /// A subscriber's own links, or their marks.
    pub manage_url: String,
    pub leave_url: String,
}

impl Renderer {
    /// The mail of an event. Complete in itself: nothing but the event is read.
    pub fn notice(&self, event: &Event, language: Language) -> Result<NoticeTexts, RenderError> {
        let edition = Edition { language, audience: event.subject.audience() };
        let told = Told { link: PAGE_MARK.to_owned(), ..self.told(event, edition) };
        let facts = context! { told => told.facts(self), leave_url => LEAVE_MARK, manage_url => MANAGE_MARK, ..self.site(edition, None) };
        let calendar = match &event.subject {
            Subject::Maintenance(work) => Some(self.invitation(work, edition, event.at)),
            Subject::Incident(_) => None,
        };
        Ok(NoticeTexts {
            subject: told.subject_line(),
            text: tidy(&self.rendered("notice/notice.txt", facts.clone())?),
            html: self.rendered("notice/notice.html", facts)?,
            calendar,
        })
    }

    /// The mail of a day's events, for who wants one mail a day.
    pub fn digest(&self, facts: &DigestFacts, language: Language) -> Result<LetterTexts, RenderError> {
        let count = facts.items.len();
        let subject = match (language, count) {
            (Language::Sv, 1) => "Driftbesked: en händelse det senaste dygnet".to_owned(),
            (Language::Sv, _) => format!("Driftbesked: {count} händelser det senaste dygnet"),
            (Language::En, 1) => "Service notices: one event in the last day".to_owned(),
            (Language::En, _) => format!("Service notices: {count} events in the last day"),
        };
        let lead = pick(language, "Det här har hänt sedan förra mejlet.", "This has happened since the last mail.");
        self.several(facts, language, subject, lead)
    }

    /// What goes on at the moment when somebody begins to subscribe.
    pub fn open_now(&self, facts: &DigestFacts, language: Language) -> Result<LetterTexts, RenderError> {
        let subject = pick(language, "Det här pågår nu", "This is going on now").to_owned();
        let lead = pick(
            language,
            "Du har börjat prenumerera. Det här pågår redan, och du får besked när det ändras eller är över.",
            "You have begun to subscribe. This is going on already; you are told when it changes or is over.",
        );
        self.several(facts, language, subject, lead)
    }

    fn several(
        &self,
        facts: &DigestFacts,
        language: Language,
        subject: String,
        lead: &str,
    ) -> Result<LetterTexts, RenderError> {
        let newest = facts.items.iter().rev().take(DIGEST_MAX);
        let edition = Edition { language, audience: facts.audience };
        let told: Vec<Value> = newest.map(|event| self.told(event, edition).facts(self)).collect();
        let context = context! {
            subject => &subject, lead, told,
            more => facts.items.len().saturating_sub(DIGEST_MAX),
            leave_url => &facts.leave_url,
            manage_url => &facts.manage_url,
            ..self.site(edition, None),
        };
        let text = tidy(&self.rendered("notice/several.txt", context.clone())?);
        Ok(LetterTexts { subject, text, html: self.rendered("notice/several.html", context)? })
    }

    fn told(&self, event: &Event, edition: Edition) -> Told {
        let language = edition.language;
        // The year of the event: the mail is read then.
        let when = When::new(language, event.at);
        let names: HashMap<Uuid, &Texts> = event.components.iter().map(|c| (c.id, &c.name)).collect();
        let view = SubjectView::new(&event.subject, edition, when, event.at, &|id| names.get(&id).copied());
        let components = event.components.iter().map(|component| said(&component.name, language).text).collect();
        let sentence = event_sentence(event, when);
        let news = match event.update {
            Some(number) => view.updates.iter().position(|update| update.number == number),
            None => None,
        };
        let link = self.address_of(&event.subject, edition);
        let zone = when.zone(event.at);
        Told { word: event_word(event, language), view, components, sentence, news, link, zone, language }
    }

    /// Renders every notice once.
    pub(super) fn try_notices(&self, language: Language) -> Result<(), RenderError> {
        let items = sample::events();
        for event in &items {
            self.notice(event, language)?;
        }
        let (manage_url, leave_url) = (MANAGE_MARK.to_owned(), LEAVE_MARK.to_owned());
        let facts = DigestFacts { items, audience: Audience::Staff, manage_url, leave_url };
        self.digest(&facts, language)?;
        self.open_now(&facts, language).map(drop)
    }
}

/// An event in one language.
struct Told {
    word: &'static str,
    view: SubjectView,
    components: Vec<String>,
    sentence: String,
    /// Where in the view's updates the one is that this event tells.
    news: Option<usize>,
    link: String,
    zone: String,
    language: Language,
}

impl Told {
    /// *Pågår: inloggning med SITHS-kort – Personalverktyget*; components that the title names already are left out.
    fn subject_line(&self) -> String {
        let title = &self.view.title.text;
        let in_title = |name: &String| title.to_lowercase().contains(&name.to_lowercase());
        let named: Vec<String> = self.components.iter().filter(|name| !in_title(name)).cloned().collect();
        let where_ = listed(&named, NAMED_MAX, self.language);
        let line = if where_.is_empty() {
            format!("{}: {title}", self.word)
        } else {
            format!("{}: {title} – {where_}", self.word)
        };
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    /// Whether anything that an author wrote lacks the reader's language.
    fn is_swedish_only(&self) -> bool {
        let view = &self.view;
        let bodies = view.updates.iter().map(|update| &update.body);
        let more = [&view.workaround, &view.reason].into_iter().flatten();
        [&view.title].into_iter().chain(bodies).chain(more).any(|said| said.lang.is_some())
    }

    fn facts(&self, renderer: &Renderer) -> Value {
        let news = self.news.and_then(|at| self.view.updates.get(at));
        let older = self.view.updates.iter().enumerate().filter(|(at, _)| Some(*at) != self.news);
        let older: Vec<&UpdateView> = older.map(|(_, update)| update).take(TIMELINE_MAX).collect();
        // What is over works again, whatever was told of it.
        let state = |one: &AffectedView| {
            if self.view.is_over { String::new() } else { format!(" ({})", lower_first(one.state.word)) }
        };
        let affected: Vec<String> =
            self.view.affected.iter().map(|one| format!("{}{}", one.name.text, state(one))).collect();
        context! {
            word => self.word,
            line => self.subject_line(),
            sentence => &self.sentence,
            subject => value(&self.view),
            news => value(news),
            older => value(older),
            affected => affected.join(", "),
            components => self.components.join(", "),
            zone => &self.zone,
            link => &self.link,
            is_swedish_only => self.is_swedish_only(),
            service_name => &renderer.service.name,
        }
    }
}

/// Templates leave empty lines where they had nothing to say: at most one stands between paragraphs.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = true;
    for line in text.lines().map(str::trim_end) {
        if !(line.is_empty() && blank) {
            out.push_str(line);
            out.push('\n');
        }
        blank = line.is_empty();
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// All kinds, for who must try each.
pub(super) const KINDS: [EventKind; 14] = [
    EventKind::Opened,
    EventKind::Updated,
    EventKind::Resolved,
    EventKind::Corrected,
    EventKind::Withdrawn,
    EventKind::Scheduled,
    EventKind::Rescheduled,
    EventKind::Reminder(Reminder::SevenDays),
    EventKind::Reminder(Reminder::Day),
    EventKind::Reminder(Reminder::Hour),
    EventKind::Started,
    EventKind::Overrun,
    EventKind::Completed,
    EventKind::Cancelled,
];

#[cfg(test)]
mod tests {
    use super::super::tests::renderer;
    use super::*;
    use crate::domain::status::subject::Window;

    #[test]
    fn the_subject_line_says_state_what_and_where() {
        let line = |kind, language| renderer().notice(&sample::event(kind), language).unwrap().subject;
        assert_eq!(
            line(EventKind::Opened, Language::Sv),
            "Pågår: Det går inte att logga in med SITHS-kort – Personalverktyget och Inloggning med SITHS-kort"
        );
        assert_eq!(
            line(EventKind::Rescheduled, Language::En),
            "Changed: Change of database server – Support and treatment"
        );
        let words: std::collections::BTreeSet<String> =
            KINDS.iter().map(|kind| line(*kind, Language::Sv).split(':').next().unwrap().to_owned()).collect();
        assert_eq!(words.len(), 12, "each kind has its word, the reminders one: {words:?}");
    }

    #[test]
    fn a_moved_window_says_from_when_to_when() {
        let mut event = sample::event(EventKind::Rescheduled);
        let Subject::Maintenance(work) = &mut event.subject else { unreachable!() };
        let text = |event: &Event, language| renderer().notice(event, language).unwrap().text.replace('\n', " ");
        let at = |text: &str| text.parse().unwrap();
        (work.scheduled_for, work.scheduled_until) = (at("2026-12-01T21:00:00Z"), at("2026-12-01T23:00:00Z"));
        let old = Window { from: at("2026-11-24T21:00:00Z"), until: at("2026-11-24T23:00:00Z") };
        work.updates.last_mut().unwrap().moved_from = Some(old);
        let said = text(&event, Language::Sv);
        let moved = "Flyttat från tisdag 24 november kl. 22.00–24.00 till tisdag 1 december kl. 22.00–24.00, svensk";
        assert!(said.contains(moved), "{said}");
        let said = text(&event, Language::En);
        assert!(said.contains("Moved from Tuesday 24 November, 22:00–24:00 to Tuesday 1 December, 22:00–"), "{said}");
        // Longer, and begun when it was to begin.
        let Subject::Maintenance(work) = &mut event.subject else { unreachable!() };
        let old = Window { from: work.scheduled_for, until: at("2026-12-01T22:00:00Z") };
        work.updates.last_mut().unwrap().moved_from = Some(old);
        let said = text(&event, Language::Sv);
        assert!(said.contains("Ändrat från tisdag 1 december kl. 22.00–23.00 till tisdag 1 december kl."), "{said}");
    }

    #[test]
    fn work_that_is_broken_off_ended_early_and_was_not_called_off() {
        let mut event = sample::event(EventKind::Cancelled);
        let Subject::Maintenance(work) = &mut event.subject else { unreachable!() };
        work.started_at = Some("2026-11-23T05:00:00Z".parse().unwrap());
        work.ended_at = Some(event.at);
        let notice = renderer().notice(&event, Language::Sv).unwrap();
        assert!(notice.subject.starts_with("Avbruten: "), "{}", notice.subject);
        assert!(notice.text.contains("Avbröts i förtid") && !notice.text.contains("Inställt"), "{}", notice.text);
        let calendar = notice.calendar.unwrap();
        assert!(calendar.contains("STATUS:CONFIRMED") && calendar.contains("DTEND:20261123T065500Z"), "{calendar}");
        assert!(!calendar.contains("Inställt"), "{calendar}");
    }

    #[test]
    fn the_text_is_complete_and_fits_72_columns() {
        for language in [Language::Sv, Language::En] {
            for event in sample::events() {
                let notice = renderer().notice(&event, language).unwrap();
                let first = said(event.subject.title(), language).text;
                assert!(notice.text.starts_with(&first), "{}", notice.text);
                let is_prose = |line: &&str| !line.contains("https://");
                let longest = notice.text.lines().filter(is_prose).map(|line| line.chars().count()).max().unwrap();
                assert!(longest <= 72, "{:?} has a line of {longest} columns", event.kind);
                assert!(!notice.text.contains("\n\n\n") && !notice.text.contains("{{"), "{}", notice.text);
                for mark in [LEAVE_MARK, MANAGE_MARK, PAGE_MARK] {
                    assert_eq!(notice.text.lines().filter(|line| *line == mark).count(), 1);
                    assert!(notice.html.contains(&format!("href=\"{mark}\"")));
                }
                assert_eq!(notice.calendar.is_some(), matches!(event.subject, Subject::Maintenance(_)));
                assert!(!notice.html.contains("<img") && !notice.html.contains("src="));
            }
        }
    }

    #[test]
    fn a_mail_repeats_the_timeline_newest_first_without_the_news() {
        let notice = renderer().notice(&sample::event(EventKind::Updated), Language::Sv).unwrap();
        let place = |text: &str| notice.text.find(text).unwrap_or_else(|| panic!("no {text}: {}", notice.text));
        assert!(place("Felet gäller alla kort") < place("\n\nTidigare besked"));
        assert!(place("Tidigare besked") < place("kl. 07.47 – Orsaken är hittad"));
        assert!(place("kl. 07.47 – Orsaken är hittad") < place("kl. 07.42 – Undersöks"));
        assert_eq!(notice.text.matches("Felet gäller alla kort").count(), 1);
    }

    #[test]
    fn a_notice_of_a_swedish_text_says_so_in_english() {
        let notice = renderer().notice(&sample::event(EventKind::Resolved), Language::En).unwrap();
        assert!(notice.text.contains("in Swedish only") && notice.text.contains("Bilderna visas igen."));
        assert!(notice.text.starts_with("Bilder i meddelanden visas inte. Resolved on Sunday 22 November, 07:55"));
    }

    #[test]
    fn any_text_without_english_is_said_to_be_swedish_in_summaries_too() {
        let mut event = sample::event(EventKind::Opened);
        let Subject::Incident(incident) = &mut event.subject else { unreachable!() };
        incident.title.en = Some("Login by SITHS card fails".to_owned());
        let both = |sv: &str| Texts { sv: sv.to_owned(), en: Some("English.".to_owned()) };
        incident.workaround = None;
        incident.updates.iter_mut().for_each(|update| update.body = both("Svenska."));
        let told = |event: &Event| {
            let (manage_url, leave_url) = (MANAGE_MARK.to_owned(), LEAVE_MARK.to_owned());
            let facts = DigestFacts { items: vec![event.clone()], audience: Audience::Staff, manage_url, leave_url };
            let welcome = renderer().open_now(&facts, Language::En).unwrap();
            [renderer().notice(event, Language::En).unwrap().text, welcome.text, welcome.html]
        };
        assert!(told(&event).iter().all(|text| !text.contains("Swedish only")));
        let Subject::Incident(incident) = &mut event.subject else { unreachable!() };
        incident.workaround = Some(Texts { sv: "Använd telefon.".to_owned(), en: None });
        assert!(told(&event)[0].contains("Swedish only"));
        incident_body(&mut event).en = None;
        for text in told(&event) {
            assert!(text.contains("Swedish only"), "{text}");
        }
    }

    fn incident_body(event: &mut Event) -> &mut Texts {
        let Subject::Incident(incident) = &mut event.subject else { unreachable!() };
        &mut incident.updates.last_mut().unwrap().body
    }

    #[test]
    fn a_digest_counts_what_it_tells_of_and_links_each() {
        let facts = DigestFacts {
            items: sample::events(),
            audience: Audience::Staff,
            manage_url: "https://m.example/".into(),
            leave_url: LEAVE_MARK.into(),
        };
        let digest = renderer().digest(&facts, Language::Sv).unwrap();
        assert_eq!(digest.subject, "Driftbesked: 14 händelser det senaste dygnet");
        assert_eq!(digest.text.matches("/status/handelse/").count(), 14);
        assert!(digest.text.contains("https://m.example/") && digest.html.contains("https://m.example"));
    }
}
