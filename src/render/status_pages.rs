//! The pages that many read: the status now, the history by month, one page for each incident and maintenance.

use minijinja::context;

use super::environment::value;
use super::publish::STALE_AFTER_MINUTES;
use super::view::{SubjectView, View};
use super::when::{Month, iso};
use super::words::component_state;
use super::{RenderError, Renderer};

/// Of what is planned, so much stands on the first page; all of it stands in the calendar and the history.
const AHEAD_MAX: usize = 20;
/// And of what goes on.
const ONGOING_MAX: usize = 50;

impl Renderer {
    pub(super) fn status_page(&self, view: &View) -> Result<String, RenderError> {
        let list = |subjects: Vec<&SubjectView>| value(subjects);
        let facts = context! {
            state => value(component_state(view.status, view.edition.language)),
            headline => &view.headline,
            checked_at => context! { iso => iso(view.checked_at), words => view.when.words_in_zone(view.checked_at) },
            stale_minutes => STALE_AFTER_MINUTES,
            ongoing => list(view.ongoing().take(ONGOING_MAX).collect()),
            ahead => list(view.ahead().take(AHEAD_MAX).collect()),
            groups => value(&view.groups),
            lately => list(view.lately().collect()),
            ..self.site(view.edition, Some("/status")),
        };
        self.rendered("page/status.html", facts)
    }

    pub(super) fn subject_page(&self, view: &View, subject: &SubjectView) -> Result<String, RenderError> {
        let path = format!("/status/handelse/{}", subject.id);
        let facts = context! {
            subject => value(subject),
            // Of its own days: what is over is read in another season.
            zone => view.when.zone(subject.touched_at),
            written_at => value(view.when.moment(view.now)),
            ..self.site(view.edition, Some(&path)),
        };
        self.rendered("page/subject.html", facts)
    }

    /// One month; `path` is where it is read, `months` are all that have a page, newest first.
    pub(super) fn history_page(
        &self,
        view: &View,
        path: &str,
        month: Month,
        months: &[Month],
    ) -> Result<String, RenderError> {
        let subjects = view.subjects.iter().filter(|subject| !subject.is_withdrawn && !subject.is_ahead);
        let subjects: Vec<&SubjectView> = subjects.filter(|subject| Month::of(subject.began_at) == month).collect();
        let words = |month: Month| view.when.month(month);
        let months = months.iter().map(|month| context! { tag => month.tag(), words => words(*month) });
        let facts = context! {
            month => words(month),
            subjects => value(subjects),
            months => months.collect::<Vec<_>>(),
            ..self.site(view.edition, Some(path)),
        };
        self.rendered("page/history.html", facts)
    }
}
