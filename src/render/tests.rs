//! What everything that many read has in common: every edition of every document, tried as a reader would.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::publish::Document;
use super::*;
use crate::domain::status::board::{Board, OwnHealth};
use crate::domain::status::event::{Event, EventKind};
use crate::domain::status::subject::Subject;

fn service() -> Service {
    Service {
        name: "e-tjänsterna i Region Exempel".into(),
        portal_url: "https://portal.region.example/".into(),
        staff_url: "https://staff.region.example/".into(),
        public_url: "https://status.region.example".into(),
        support_telephone: "0771-00 00 00".into(),
        support_hours: Texts { sv: "vardagar kl. 8–17".into(), en: Some("weekdays 8–17".into()) },
        staff_link: None,
        public_link: Some(ExternalPage {
            url: "https://www.1177.se/".into(),
            label: Texts { sv: "1177.se".into(), en: None },
        }),
        card_test_url: None,
        local_it: Vec::new(),
    }
}

pub(super) fn renderer() -> Renderer {
    Renderer::new(service(), None).unwrap()
}

pub(super) fn published() -> Vec<Document> {
    renderer().publish(&sample::board(), &sample::own_health(), sample::now()).unwrap()
}

fn at<'a>(documents: &'a [Document], path: &str) -> &'a str {
    let found = documents.iter().find(|document| document.path == path).unwrap_or_else(|| panic!("no {path}"));
    std::str::from_utf8(&found.bytes).unwrap()
}

fn pages(documents: &[Document]) -> impl Iterator<Item = (&str, &str)> {
    let pages = documents.iter().filter(|document| document.content_type == publish::HTML);
    pages.map(|document| (document.path.as_str(), std::str::from_utf8(&document.bytes).unwrap()))
}

#[test]
fn every_edition_has_its_pages_its_json_and_its_feeds() {
    let documents = published();
    let paths: BTreeSet<&str> = documents.iter().map(|document| document.path.as_str()).collect();
    assert_eq!(paths.len(), documents.len(), "one document a path");
    for prefix in ["", "/en", "/invanare", "/en/invanare"] {
        for path in [
            "/status",
            "/status/historik",
            "/status/historik/2026-11",
            "/status/historik/2025-11",
            "/status/historik.atom",
            "/status/underhall.ics",
            "/status/badge.svg",
            "/api/v2/status.json",
            "/api/v2/summary.json",
            "/api/v2/components.json",
            "/api/v2/incidents.json",
            "/api/v2/incidents/unresolved.json",
            "/api/v2/scheduled-maintenances.json",
            "/api/v2/scheduled-maintenances/upcoming.json",
            "/api/v2/scheduled-maintenances/active.json",
        ] {
            assert!(paths.contains(format!("{prefix}{path}").as_str()), "{prefix}{path}");
        }
    }
    assert!(paths.contains("/status/style.css") && paths.contains("/status/live.js"));
}

#[test]
fn what_is_meant_for_staff_is_nowhere_on_the_residents_pages() {
    let documents = published();
    let staff = sample::board().incidents.iter().find(|i| i.audience == Audience::Staff).unwrap().clone();
    assert!(at(&documents, "/status").contains(&staff.title.sv));
    for document in documents.iter().filter(|document| document.path.contains("/invanare")) {
        let text = std::str::from_utf8(&document.bytes).unwrap();
        assert!(!text.contains(&staff.title.sv) && !text.contains(&staff.id.to_string()), "{}", document.path);
        assert!(!text.contains("SITHS"), "{}", document.path);
    }
}

#[test]
fn a_page_with_everything_it_needs_is_small_and_needs_nothing_from_elsewhere() {
    let documents = published();
    let assets = at(&documents, "/status/style.css").len() + at(&documents, "/status/live.js").len();
    for (path, html) in pages(&documents) {
        assert!(html.len() + assets < 50_000, "{path}: {} bytes", html.len() + assets);
        // The door's policy lets neither run.
        assert!(!html.contains("<style") && !html.contains(" style=") && !html.contains(" onclick="), "{path}");
        let scripts: Vec<_> =
            html.match_indices("<script").map(|(at, _)| html[at..].split('>').next().unwrap()).collect();
        assert!(scripts.iter().all(|script| script.contains("src=\"/status/live.js\"")), "{path}: {scripts:?}");
    }
    let links = pages(&documents).flat_map(|(path, html)| {
        html.match_indices("href=\"").map(move |(at, _)| (path, html[at + 6..].split('"').next().unwrap()))
    });
    let paths: BTreeSet<&str> = documents.iter().map(|document| document.path.as_str()).collect();
    // The rest is answered by whoever is asked, not read from the shelf.
    let asked = ["/status/prenumerera", "/support", "/fragor-och-svar"];
    for (page, link) in links.filter(|(_, link)| link.starts_with('/')) {
        let plain = link.trim_start_matches("/en").trim_start_matches("/invanare");
        let is_known = paths.contains(link) || asked.iter().any(|path| plain.starts_with(path));
        assert!(is_known, "{page} links to {link}");
    }
}

#[test]
fn what_is_over_is_said_once() {
    let documents = published();
    let resolved = &sample::board().incidents[1];
    let page = at(&documents, &format!("/status/handelse/{}", resolved.id));
    assert!(page.contains("Åtgärdad") && !page.contains("– åtgärdat"), "{page}");
}

#[test]
fn nothing_is_told_of_a_time_before_we_were_there() {
    let documents = renderer().publish(&Board::default(), &sample::own_health(), sample::now()).unwrap();
    for path in ["/api/v2/summary.json", "/status/historik.atom"] {
        let text = at(&documents, path);
        assert!(!text.contains("1970-") && text.contains("2026-11-22T06:55:00.000Z"), "{text}");
    }
}

#[test]
fn what_authors_write_stays_text() {
    let evil = "</title><script>alert(1)</script>\"'&";
    let mut board = sample::board();
    let incident = Arc::make_mut(&mut board.incidents[0]);
    incident.title.sv = evil.to_owned();
    incident.title.en = None;
    incident.updates[2].body.sv = evil.to_owned();
    incident.workaround = Some(Texts { sv: evil.to_owned(), en: None });
    board.components[0].name.sv = evil.to_owned();
    let documents = renderer().publish(&board, &sample::own_health(), sample::now()).unwrap();
    let escaped = "&lt;/title&gt;&lt;script&gt;alert(1)";
    assert!(at(&documents, "/status").contains(escaped));
    for (path, html) in pages(&documents) {
        assert!(!html.contains("<script>"), "{path}");
    }
    roxmltree::Document::parse(at(&documents, "/status/historik.atom")).unwrap();
    roxmltree::Document::parse(at(&documents, "/en/status/badge.svg")).unwrap();
    let event =
        Event { subject: Subject::Incident(board.incidents[0].as_ref().clone()), ..sample::event(EventKind::Opened) };
    let notice = renderer().notice(&event, Language::Sv).unwrap();
    assert!(!notice.html.contains("<script>") && notice.text.contains(evil));
}

#[test]
fn the_first_sentence_answers() {
    let headline = |board: &Board| {
        let documents = renderer().publish(board, &OwnHealth::default(), sample::now()).unwrap();
        let sentence = |path: &str| {
            let page = at(&documents, path);
            let title = page.split("<title>").nth(1).unwrap();
            title.split(" – ").next().unwrap().to_owned()
        };
        (sentence("/status"), sentence("/en/status"))
    };
    let both = |sv: &str, en: &str| (sv.to_owned(), en.to_owned());
    let mut board = sample::board();
    let name = "Inloggning med SITHS-kort";
    assert_eq!(
        headline(&board),
        both("Två tjänster har störningar, en av dem ligger nere", "Two services have problems, one of them is down")
    );
    Arc::make_mut(&mut board.incidents[0]).affected.truncate(1);
    assert_eq!(headline(&board), both(&format!("{name} ligger nere"), "Login with SITHS card is down"));
    Arc::make_mut(&mut board.incidents[0]).affected.clear();
    assert_eq!(headline(&board), both("En störning pågår", "There is a disturbance"));
    board.incidents.remove(0);
    assert_eq!(
        headline(&board),
        both("Planerat arbete pågår, allt annat fungerar", "Planned work in progress, all else works")
    );
    board.maintenances.clear();
    assert_eq!(headline(&board), both("Allt fungerar", "Everything works"));
}

#[test]
fn a_text_without_english_is_shown_in_swedish_and_says_so() {
    let documents = published();
    let resolved = sample::board().incidents[1].id;
    let page = at(&documents, &format!("/en/status/handelse/{resolved}"));
    assert!(page.contains("<span lang=\"sv\">Bilder i meddelanden visas inte</span>"));
    assert!(page.contains("<html lang=\"en\">") && page.contains("in Swedish only"));
}

#[test]
fn a_correction_replaces_no_text_but_says_which_one_was_wrong() {
    let documents = published();
    let page = at(&documents, &format!("/status/handelse/{}", sample::board().incidents[0].id));
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(place("Ersätter texten från måndag 23 november kl. 07.47") < place("Felet gäller alla kort"));
    assert!(place("Texten är rättad måndag 23 november kl. 07.50") < place("Felet gäller nya kort."));
}

#[test]
fn the_feed_tells_of_incidents_and_planned_work_alike() {
    let documents = published();
    for prefix in ["", "/en", "/invanare", "/en/invanare"] {
        let feed = at(&documents, &format!("{prefix}/status/historik.atom"));
        let xml = roxmltree::Document::parse(feed).unwrap();
        let child = |node: roxmltree::Node<'_, '_>, name: &str| {
            node.children().find(|c| c.has_tag_name(name)).and_then(|c| c.text().map(str::to_owned)).unwrap()
        };
        let root = xml.root_element();
        assert_eq!(root.tag_name().namespace(), Some("http://www.w3.org/2005/Atom"));
        assert_eq!(child(root, "id"), format!("https://status.region.example{prefix}/status/historik.atom"));
        let entries: Vec<_> = root.children().filter(|c| c.has_tag_name("entry")).collect();
        let subjects = if prefix.contains("invanare") { 4 } else { 5 };
        assert_eq!(entries.len(), subjects);
        let updated: Vec<String> = entries.iter().map(|entry| child(*entry, "updated")).collect();
        assert!(updated.is_sorted_by(|a, b| a >= b) && child(root, "updated") == updated[0]);
        for entry in entries {
            assert!(child(entry, "id").starts_with("urn:uuid:"));
            let content = entry.children().find(|c| c.has_tag_name("content")).unwrap();
            assert_eq!(content.attribute("type"), Some("html"));
            assert!(content.text().unwrap().starts_with("<p><strong>"));
        }
        assert!(feed.contains(if prefix.contains("en") { "Planned work" } else { "Planerat arbete" }));
    }
}

#[test]
fn every_letter_and_every_rejection_has_its_words_in_both_languages() {
    let renderer = Renderer::new(service(), None).unwrap();
    let samples: serde_json::Value = serde_json::from_str(SAMPLE_FACTS).unwrap();
    for kind in LetterKind::ALL {
        let sv = renderer.letter(kind, Language::Sv, samples.get(kind.as_str())).unwrap();
        let en = renderer.letter(kind, Language::En, samples.get(kind.as_str())).unwrap();
        assert_ne!(sv.text, en.text);
        assert!(!sv.subject.contains('\n') && !sv.subject.is_empty());
        // A link is on a line of its own and cannot be broken.
        let prose = sv.text.lines().chain(en.text.lines()).filter(|line| !line.starts_with("https://"));
        let longest = prose.map(|l| l.chars().count()).max().unwrap();
        assert!(longest <= 72, "{kind:?} has a line of {longest} columns");
        assert!(sv.html.contains("lang=\"sv\"") && en.html.contains("lang=\"en\""));
    }
}

#[test]
fn a_regions_own_template_stands_in_and_an_unfit_one_is_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sv")).unwrap();
    let own = dir.path().join("sv/new-case.txt");
    std::fs::write(&own, "Ett ärende väntar. {{ staff_url }}\n").unwrap();
    let renderer = Renderer::new(service(), Some(dir.path())).unwrap();
    assert!(renderer.letter(LetterKind::NewCase, Language::Sv, None).unwrap().text.starts_with("Ett ärende väntar."));
    std::fs::write(&own, "{{ citizen_name }}").unwrap();
    let error = Renderer::new(service(), Some(dir.path())).err().unwrap();
    assert!(error.to_string().contains("sv/new-case.txt"), "{error}");
}
