//! Planned work as iCalendar (RFC 5545): a window that moves keeps its UID and raises its SEQUENCE, a cancelled one says
//! so. Times are in UTC, which every calendar shows in its owner's own.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::Offset;

use super::Renderer;
use super::words::{pick, said};
use crate::domain::language::Language;
use crate::domain::status::edition::Edition;
use crate::domain::status::subject::{Maintenance, MaintenanceStatus, Subject};

/// Octets of a line, its end not counted (RFC 5545 section 3.1).
const LINE_OCTETS_MAX: usize = 75;

impl Renderer {
    /// A calendar of these works.
    pub(super) fn calendar<'a>(&self, works: impl Iterator<Item = &'a Maintenance>, edition: Edition) -> String {
        let mut out = Lines(String::new());
        let name = pick(edition.language, "Planerade arbeten", "Planned work");
        let name = escaped(&format!("{name} – {}", self.service.name));
        for line in ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Budkavle//Driftstatus//SV", "CALSCALE:GREGORIAN"] {
            out.push(line);
        }
        out.push("METHOD:PUBLISH");
        out.push(&format!("NAME:{name}"));
        out.push(&format!("X-WR-CALNAME:{name}"));
        out.push("REFRESH-INTERVAL;VALUE=DURATION:PT15M");
        out.push("X-PUBLISHED-TTL:PT15M");
        for work in works {
            let stamp = work.updates.iter().map(|update| update.at).max().unwrap_or(work.published_at);
            self.push_work(&mut out, work, edition, stamp);
        }
        out.push("END:VCALENDAR");
        out.0
    }

    /// One work as a mail carries it, stamped with the moment of its notice.
    pub(super) fn invitation(&self, work: &Maintenance, edition: Edition, stamp: Timestamp) -> String {
        let mut out = Lines(String::new());
        for line in ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Budkavle//Driftstatus//SV", "METHOD:PUBLISH"] {
            out.push(line);
        }
        self.push_work(&mut out, work, edition, stamp);
        out.push("END:VCALENDAR");
        out.0
    }

    fn push_work(&self, out: &mut Lines, work: &Maintenance, edition: Edition, stamp: Timestamp) {
        let Edition { language, .. } = edition;
        let link = self.address_of(&Subject::Maintenance(work.clone()), edition);
        let title = said(&work.title, language).text;
        // Work that had begun was done for a while: it ends early in the calendar, and does not go.
        let is_cancelled = work.status == MaintenanceStatus::Cancelled && !work.was_broken_off();
        let summary = match (is_cancelled, language) {
            (false, _) => title,
            (true, Language::Sv) => format!("Inställt: {title}"),
            (true, Language::En) => format!("Cancelled: {title}"),
        };
        let body = work.updates.last().map(|update| said(&update.body, language).text).unwrap_or_default();
        let from = work.started_at.unwrap_or(work.scheduled_for);
        let until = work.ended_at.unwrap_or(work.scheduled_until);
        out.push("BEGIN:VEVENT");
        out.push(&format!("UID:{}@{}", work.id, self.host()));
        out.push(&format!("SEQUENCE:{}", work.revision));
        out.push(&format!("DTSTAMP:{}", utc(stamp)));
        out.push(&format!("LAST-MODIFIED:{}", utc(stamp)));
        out.push(&format!("DTSTART:{}", utc(from)));
        // One that ended in its first second, or before it began, has no end: then it is a moment.
        if until.as_second() > from.as_second() {
            out.push(&format!("DTEND:{}", utc(until)));
        }
        out.push(&format!("SUMMARY:{}", escaped(&summary)));
        out.push(&format!("DESCRIPTION:{}", escaped(&format!("{body}\n\n{link}"))));
        out.push(&format!("URL:{link}"));
        out.push(if is_cancelled { "STATUS:CANCELLED" } else { "STATUS:CONFIRMED" });
        out.push("TRANSP:TRANSPARENT");
        out.push("END:VEVENT");
    }

    /// The name of the public door, for identifiers that must be ours.
    pub(super) fn host(&self) -> &str {
        let rest = self.service.public_url.strip_prefix("https://").unwrap_or(&self.service.public_url);
        rest.split(['/', ':']).next().unwrap_or(rest)
    }
}

/// Lines that end with CRLF, folded.
struct Lines(String);

impl Lines {
    fn push(&mut self, line: &str) {
        let mut octets = 0;
        for c in line.chars() {
            if octets + c.len_utf8() > LINE_OCTETS_MAX {
                self.0.push_str("\r\n ");
                octets = 1;
            }
            self.0.push(c);
            octets += c.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

/// A text value (RFC 5545 section 3.3.11); what cannot stand in one is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

fn utc(at: Timestamp) -> String {
    let at = Offset::UTC.to_datetime(at);
    let mut out = String::with_capacity(16);
    let _ = write!(out, "{:04}{:02}{:02}T", at.year(), at.month(), at.day());
    let _ = write!(out, "{:02}{:02}{:02}Z", at.hour(), at.minute(), at.second());
    out
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::super::tests::{published, renderer};
    use super::*;
    use crate::domain::clinic::Texts;
    use crate::domain::status::Audience;
    use crate::domain::status::event::{Event, EventKind};

    const EDITION: Edition = Edition { language: Language::Sv, audience: Audience::Public };

    /// Unfolded content lines, as a calendar reads them.
    fn lines(text: &str) -> Vec<String> {
        assert!(text.ends_with("\r\n") && !text.replace("\r\n", "").contains(['\r', '\n']));
        for line in text.split("\r\n") {
            assert!(line.len() <= 75, "{} octets: {line}", line.len());
        }
        text.replace("\r\n ", "").lines().map(str::to_owned).collect()
    }

    fn value<'a>(lines: &'a [String], name: &str) -> &'a str {
        let begin = format!("{name}:");
        lines.iter().find_map(|line| line.strip_prefix(&begin)).unwrap_or_else(|| panic!("no {name}"))
    }

    fn of(event: &Event) -> Vec<String> {
        lines(&renderer().notice(event, Language::Sv).unwrap().calendar.unwrap())
    }

    #[test]
    fn a_moved_window_moves_in_the_calendar_and_a_cancelled_one_goes() {
        let planned = of(&sample::event(EventKind::Scheduled));
        let mut moved = sample::event(EventKind::Rescheduled);
        let Subject::Maintenance(work) = &mut moved.subject else { unreachable!() };
        work.scheduled_for = "2026-12-01T21:00:00Z".parse().unwrap();
        work.scheduled_until = "2026-12-01T23:00:00Z".parse().unwrap();
        work.revision += 1;
        let moved = of(&moved);
        let cancelled = of(&sample::event(EventKind::Cancelled));
        for later in [&moved, &cancelled] {
            assert_eq!(value(&planned, "UID"), value(later, "UID"));
            assert!(value(&planned, "SEQUENCE").parse::<u32>().unwrap() < value(later, "SEQUENCE").parse().unwrap());
            assert_eq!(value(later, "METHOD"), "PUBLISH");
        }
        assert_eq!((value(&moved, "DTSTART"), value(&moved, "DTEND")), ("20261201T210000Z", "20261201T230000Z"));
        assert_eq!((value(&planned, "STATUS"), value(&cancelled, "STATUS")), ("CONFIRMED", "CANCELLED"));
        assert_eq!(value(&planned, "DTSTAMP"), "20261123T065500Z");
    }

    #[test]
    fn what_ended_in_its_first_second_has_no_end_beside_its_beginning() {
        let Subject::Maintenance(mut work) = sample::event(EventKind::Started).subject else { unreachable!() };
        work.started_at = Some("2026-12-01T21:00:00.1Z".parse().unwrap());
        work.ended_at = Some("2026-12-01T21:00:00.9Z".parse().unwrap());
        let calendar = lines(&renderer().invitation(&work, EDITION, sample::now()));
        assert_eq!(value(&calendar, "DTSTART"), "20261201T210000Z");
        assert!(!calendar.iter().any(|line| line.starts_with("DTEND")), "{calendar:?}");
    }

    #[test]
    fn long_and_odd_texts_are_folded_and_escaped() {
        let Subject::Maintenance(mut work) = sample::event(EventKind::Scheduled).subject else { unreachable!() };
        let title = format!("a;b,c\\d {}", "å".repeat(90));
        work.title = Texts { sv: title.clone(), en: None };
        let calendar = lines(&renderer().invitation(&work, EDITION, sample::now()));
        let unescaped = value(&calendar, "SUMMARY").replace("\\;", ";").replace("\\,", ",").replace("\\\\", "\\");
        assert_eq!(unescaped, title);
        assert!(
            value(&calendar, "DESCRIPTION").contains("\\n\\nhttps://status.region.example/invanare/status/handelse/")
        );
    }

    #[test]
    fn the_feed_holds_every_work_and_no_incident() {
        let documents = published();
        let feed = documents.iter().find(|document| document.path == "/status/underhall.ics").unwrap();
        let feed = lines(std::str::from_utf8(&feed.bytes).unwrap());
        let count = |line: &str| feed.iter().filter(|one| *one == line).count();
        assert_eq!((count("BEGIN:VEVENT"), count("END:VEVENT"), count("END:VCALENDAR")), (2, 2, 1));
    }
}
