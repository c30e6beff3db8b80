//! Everything that many read, as documents: made anew at each change and each minute, read from memory or from a disk.

use jiff::Timestamp;

use super::page::{FaqFacts, FaqItem, Page, SupportFacts};
use super::view::View;
use super::when::Month;
use super::{RenderError, Renderer};
use crate::domain::faq::FaqEntry;
use crate::domain::status::board::{Board, OwnHealth};
use crate::domain::status::edition::Edition;
use crate::domain::status::subject::Subject;

/// Pages that are older say so to who can run our script; a health check fails.
pub const STALE_AFTER_MINUTES: i64 = 5;
/// Months with a page of their own: this one and a year back.
const MONTHS: usize = 13;
/// How long a reader may keep what tells of now; what lies still; and what changes with the program only.
const LIVE_SECONDS: u32 = 10;
const STILL_SECONDS: u32 = 300;
const ASSET_SECONDS: u32 = 3_600;

/// Forms that somebody may look for in the copy.
const CLOSED: [&str; 5] =
    ["/support", "/support/felanmalan", "/support/anvandarstod", "/support/bestallning", "/status/prenumerera"];

pub(super) const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// Something to serve as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// As in the URL: `/en/invanare/status`.
    pub path: String,
    pub content_type: &'static str,
    pub bytes: Vec<u8>,
    pub max_age_seconds: u32,
}

impl Renderer {
    /// The status in every edition: pages, JSON, feeds, badge, and what they look like.
    pub fn publish(&self, board: &Board, own: &OwnHealth, now: Timestamp) -> Result<Vec<Document>, RenderError> {
        let mut documents = vec![
            document("/status/style.css", "text/css; charset=utf-8", include_str!("assets/style.css"), ASSET_SECONDS),
            document(
                "/status/live.js",
                "text/javascript; charset=utf-8",
                include_str!("assets/live.js"),
                ASSET_SECONDS,
            ),
        ];
        for edition in Edition::ALL {
            let board = board.for_audience(edition.audience);
            let view = View::new(&board, own, edition, now);
            self.edition_pages(&view, &mut documents)?;
            self.edition_data(&view, &board, &mut documents)?;
        }
        Ok(documents)
    }

    /// What only the copy has: the pages that the gateway makes when somebody asks, as they read while nothing can be
    /// sent. `faq` are the shown questions in the order of their page.
    pub fn publish_standing(
        &self,
        board: &Board,
        faq: &[FaqEntry],
        now: Timestamp,
    ) -> Result<Vec<Document>, RenderError> {
        let mut documents = Vec::new();
        for edition in Edition::ALL {
            let Edition { language, audience } = edition;
            let entries: Vec<FaqItem> =
                faq.iter().filter(|entry| audience.sees(entry.audience)).map(FaqItem::from).collect();
            let ongoing = self.ongoing(board, language, audience, now);
            let mut pages = vec![("/".to_owned(), Page::Home)];
            pages.extend(
                CLOSED.map(|path| (path.to_owned(), Page::Closed(path, SupportFacts { ongoing: ongoing.clone() }))),
            );
            pages.extend(
                entries.iter().map(|entry| (format!("/fragor-och-svar/{}", entry.slug), Page::FaqEntry(entry.clone()))),
            );
            pages.push(("/fragor-och-svar".to_owned(), Page::Faq(FaqFacts { entries })));
            for (path, page) in pages {
                let html = self.page(&page, language, audience)?;
                documents.push(document(&edition.path(&path), HTML, html, LIVE_SECONDS));
            }
        }
        Ok(documents)
    }

    fn edition_pages(&self, view: &View, documents: &mut Vec<Document>) -> Result<(), RenderError> {
        let at = |path: &str| view.edition.path(path);
        documents.push(document(&at("/status"), HTML, self.status_page(view)?, LIVE_SECONDS));
        for subject in &view.subjects {
            let seconds = if subject.is_over { STILL_SECONDS } else { LIVE_SECONDS };
            documents.push(document(&subject.path, HTML, self.subject_page(view, subject)?, seconds));
        }
        let months: Vec<Month> =
            std::iter::successors(Some(Month::of(view.now)), |month| Some(month.before())).take(MONTHS).collect();
        for (place, month) in months.iter().enumerate() {
            let path = format!("/status/historik/{}", month.tag());
            let page = self.history_page(view, &path, *month, &months)?;
            if place == 0 {
                let index = "/status/historik";
                let page = self.history_page(view, index, *month, &months)?;
                documents.push(document(&at(index), HTML, page, LIVE_SECONDS));
            }
            documents.push(document(&at(&path), HTML, page, STILL_SECONDS));
        }
        Ok(())
    }

    fn edition_data(&self, view: &View, board: &Board, documents: &mut Vec<Document>) -> Result<(), RenderError> {
        let at = |path: &str| view.edition.path(path);
        for (name, bytes) in self.statuspage(view, board)? {
            documents.push(document(&at(&format!("/api/v2/{name}.json")), JSON, bytes, LIVE_SECONDS));
        }
        let atom = "application/atom+xml; charset=utf-8";
        documents.push(document(&at("/status/historik.atom"), atom, self.atom(view)?, LIVE_SECONDS));
        let calendar = self.calendar(board.maintenances.iter().map(AsRef::as_ref), view.edition);
        documents.push(document(&at("/status/underhall.ics"), "text/calendar; charset=utf-8", calendar, LIVE_SECONDS));
        documents.push(document(&at("/status/badge.svg"), "image/svg+xml", self.badge(view)?, LIVE_SECONDS));
        Ok(())
    }

    /// The permanent address of an incident or a maintenance, whole, in the edition of those it is meant for.
    pub(super) fn address_of(&self, subject: &Subject, edition: Edition) -> String {
        format!("{}{}", self.service.public_url, edition.path(&format!("/status/handelse/{}", subject.id())))
    }
}

fn document(path: &str, content_type: &'static str, bytes: impl Into<Vec<u8>>, max_age_seconds: u32) -> Document {
    Document { path: path.to_owned(), content_type, bytes: bytes.into(), max_age_seconds }
}
