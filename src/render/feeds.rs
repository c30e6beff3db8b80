//! The news feed (Atom, RFC 4287), incidents and maintenances alike, and the badge.

use std::fmt::Write;

use minijinja::context;
use serde::Serialize;

use super::environment::value;
use super::view::{SubjectView, View};
use super::when::iso;
use super::words::{component_state, pick};
use super::{RenderError, Renderer, markup};

/// Newest entries first; a reader that was away longer finds the rest in the history.
const ENTRIES_MAX: usize = 50;

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    link: String,
    title: String,
    published: String,
    updated: String,
    /// HTML, which the template escapes once more as Atom asks.
    content: String,
    lang: &'static str,
}

impl Renderer {
    pub(super) fn atom(&self, view: &View) -> Result<String, RenderError> {
        let mut subjects: Vec<&SubjectView> = view.subjects.iter().collect();
        subjects.sort_by_key(|subject| std::cmp::Reverse((subject.touched_at, subject.uuid)));
        subjects.truncate(ENTRIES_MAX);
        let updated = subjects.first().map_or(view.started_at, |subject| subject.touched_at);
        let entries: Vec<Entry<'_>> = subjects.into_iter().map(|subject| self.entry(view, subject)).collect();
        let facts = context! {
            updated => iso(updated),
            entries => value(entries),
            ..self.site(view.edition, Some("/status")),
        };
        self.rendered("feed/atom.xml", facts)
    }

    fn entry<'a>(&self, view: &View, subject: &'a SubjectView) -> Entry<'a> {
        let language = view.edition.language;
        let mut content = format!("<p><strong>{}</strong></p>", markup::escaped(&subject.sentence));
        for update in &subject.updates {
            let (at, stage) = (markup::escaped(&update.at.words), update.stage);
            let _ = write!(content, "<p>{at} – {stage}</p>{}", markup::paragraphs(&update.body.text));
        }
        Entry {
            id: &subject.id,
            link: format!("{}{}", self.service.public_url, subject.path),
            title: without_controls(&format!("{}: {}", subject.state.word, subject.title.text)),
            published: iso(subject.published_at),
            updated: iso(subject.touched_at),
            content: without_controls(&content),
            lang: subject.title.lang.unwrap_or(language.tag()),
        }
    }

    /// The status as a small picture for somebody else's page: the state's mark and word.
    pub(super) fn badge(&self, view: &View) -> Result<String, RenderError> {
        let language = view.edition.language;
        let state = component_state(view.status, language);
        let colour = match state.token {
            "works" => "#1d6b3a",
            "minor" => "#7a5200",
            "major" => "#a33b00",
            "critical" => "#a4161a",
            _ => "#3b4aa0",
        };
        let label = pick(language, "Driftstatus", "Service status");
        // Seven units a letter is what the widest common font takes at this size.
        let width = |text: &str| 16 + 7 * text.chars().count();
        let (left, right) = (width(label), width(state.word) + 14);
        let facts = context! {
            label, colour, left, right,
            width => left + right,
            language => language.tag(),
            mark => state.mark,
            word => state.word,
            headline => &view.headline,
        };
        self.rendered("feed/badge.xml", facts)
    }
}

/// XML has no place for control characters, escaped or not.
fn without_controls(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}'))
        .collect()
}
