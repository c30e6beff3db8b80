//! A notice to many: made once, finished for each recipient by splicing in what is theirs. How many there are, and when
//! each is due, is not here.
//!
//! Whoever sends thousands of letters a second encodes their common part once. What differs (address, Message-ID, ways
//! to leave) are slots between the fixed pieces; the result is the same bytes each time.

use std::time::SystemTime;

use jiff::Timestamp;
use lettre::message::{
    Body as Encoded, Mailboxes,
    header::{ContentTransferEncoding, Date, From as FromHeader, Headers, Subject},
};
use serde::{Deserialize, Serialize};

use crate::domain::{language::Language, mail_address::MailAddress};

use super::message::{LINK_OCTETS_MAX, LetterError, MessageId, Sender, check_facts, header, mailbox};

/// Octets of a line of quoted-printable before its soft break (RFC 2045 section 6.7).
const QUOTED_LINE_OCTETS_MAX: usize = 75;
/// Characters of a list's name, octets of its id (RFC 2919 section 3).
const LIST_CHARS_MAX: usize = 100;

/// What all recipients of a notice in one language get alike.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Stands in the MIME boundary; that of no recipient in particular.
    pub id: MessageId,
    pub from: Sender,
    pub subject: String,
    /// When the update was published, not when the letter is sent.
    pub date: Timestamp,
    pub language: Language,
    pub list: List,
    /// Complete by itself. Holds the marks of `Link` where a recipient's own links are to stand, as does `html`.
    pub text: String,
    pub html: String,
    /// An iCalendar object whose method is PUBLISH.
    pub calendar: Option<String>,
}

/// The list by which readers sort and leave (RFC 2369, RFC 2919).
#[derive(Debug, Clone)]
pub struct List {
    /// Words of letters and digits.
    pub name: String,
    /// As `driftinfo.status.region.example`.
    pub id: String,
    pub help_url: String,
    pub archive_url: String,
}

/// A recipient's own links, which the bodies hold as marks until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// Where to leave.
    Leave,
    /// Where to choose anew.
    Manage,
    /// What the notice is about, in the edition that the recipient reads.
    Page,
}

impl Link {
    const ALL: [Link; 3] = [Link::Leave, Link::Manage, Link::Page];

    /// What a template is given for the link: a code point for private use, which HTML and escaping leave as it is.
    pub const fn mark(self) -> &'static str {
        match self {
            Link::Leave => "\u{f8f0}",
            Link::Manage => "\u{f8f1}",
            Link::Page => "\u{f8f2}",
        }
    }
}

/// What is one recipient's own. Does not print: whoever has the links may leave in another's name.
#[derive(Clone, Copy)]
pub struct Recipient<'a> {
    pub to: &'a MailAddress,
    /// Comes from event, subscription and revision and nothing else.
    pub message_id: &'a MessageId,
    /// The root of the thread: the same for all letters about one subject.
    pub references: Option<&'a MessageId>,
    /// None for a list that is managed by others: such a letter says nothing of leaving.
    pub leave: Option<Leave<'a>>,
    pub manage_url: &'a str,
    /// Where the text has its mark.
    pub page_url: Option<&'a str>,
}

/// The two ways to leave (RFC 8058, RFC 2369).
#[derive(Clone, Copy)]
pub struct Leave<'a> {
    pub url: &'a str,
    pub mailto: &'a MailAddress,
}

/// A notice ready for its recipients. Can be kept: what is spliced from a kept one is byte-identical whatever has become
/// of templates and code since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedNotice {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Piece {
    Fixed(String),
    To,
    MessageId,
    References,
    ListUnsubscribe,
    Link(Link),
}

impl PreparedNotice {
    /// Checks and encodes what is common.
    pub fn new(notice: &Notice) -> Result<PreparedNotice, LetterError> {
        check_facts(&notice.from, &notice.subject, notice.date)?;
        notice.list.check()?;
        let from = FromHeader::from(Mailboxes::from(mailbox(notice.from.name.clone(), &notice.from.address)?));
        let mut pieces = vec![
            fixed(|headers| headers.set(from)),
            Piece::To,
            fixed(|headers| {
                headers.set(Subject::from(notice.subject.clone()));
                headers.set(Date::from(SystemTime::from(notice.date)));
            }),
            Piece::MessageId,
            Piece::References,
            fixed(|headers| {
                // RFC 3834 section 5: no machine should answer.
                headers.insert_raw(header("Auto-Submitted", "auto-generated"));
                // Exchange's way to say the same; `All` would silence bounces too.
                headers.insert_raw(header("X-Auto-Response-Suppress", "OOF, AutoReply, RN, NRN"));
                headers.insert_raw(header("Precedence", "bulk"));
                headers.insert_raw(header("List-Id", &format!("{} <{}>", notice.list.name, notice.list.id)));
            }),
            Piece::ListUnsubscribe,
            fixed(|headers| {
                headers.insert_raw(header("List-Help", &format!("<{}>", notice.list.help_url)));
                headers.insert_raw(header("List-Archive", &format!("<{}>", notice.list.archive_url)));
                headers.insert_raw(header("List-Post", "NO"));
                headers.insert_raw(header("Content-Language", notice.language.tag()));
                headers.insert_raw(header("MIME-Version", "1.0"));
            }),
        ];
        let boundary = notice.id.boundary();
        pieces.push(Piece::Fixed(format!("Content-Type: multipart/alternative; boundary=\"{boundary}\"\r\n\r\n")));
        let calendar = notice.calendar.as_deref().map(|text| ("text/calendar; method=PUBLISH", text));
        let parts = [("text/plain", notice.text.as_str()), ("text/html", &notice.html)].into_iter().chain(calendar);
        for (kind, text) in parts {
            pieces.push(Piece::Fixed(format!(
                "--{boundary}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            )));
            quote(text, &mut pieces)?;
            pieces.push(Piece::Fixed("\r\n".to_owned()));
        }
        pieces.push(Piece::Fixed(format!("--{boundary}--\r\n")));
        Ok(PreparedNotice { pieces: joined(pieces) })
    }

    /// The bytes to hand to a `Mailer`, the same for the same recipient each time.
    pub fn bytes_for(&self, recipient: &Recipient<'_>) -> Result<Vec<u8>, LetterError> {
        let leave_url = recipient.leave.map(|leave| leave.url);
        let mailto = recipient.leave.map(|leave| leave.mailto.expose());
        let links = [Some(recipient.manage_url), recipient.page_url, leave_url, mailto];
        if links.into_iter().flatten().any(|link| !is_link(link)) {
            return Err(LetterError::Link);
        }
        let fixed: usize =
            self.pieces.iter().map(|piece| if let Piece::Fixed(text) = piece { text.len() } else { 0 }).sum();
        let mut out = String::with_capacity(fixed + 2 * LINK_OCTETS_MAX);
        for piece in &self.pieces {
            match piece {
                Piece::Fixed(text) => out.push_str(text),
                Piece::To => line(&mut out, &["To: ", recipient.to.expose()]),
                Piece::MessageId => line(&mut out, &["Message-ID: ", &recipient.message_id.to_string()]),
                Piece::References => {
                    if let Some(root) = recipient.references {
                        line(&mut out, &["References: ", &root.to_string()]);
                    }
                }
                Piece::ListUnsubscribe => {
                    if let Some(leave) = recipient.leave {
                        line(&mut out, &["List-Unsubscribe: <", leave.url, ">,"]);
                        line(&mut out, &[" <mailto:", leave.mailto.expose(), ">"]);
                        line(&mut out, &["List-Unsubscribe-Post: List-Unsubscribe=One-Click"]);
                    }
                }
                Piece::Link(Link::Leave) => push_quoted(&mut out, leave_url.ok_or(LetterError::NoLeave)?),
                Piece::Link(Link::Manage) => push_quoted(&mut out, recipient.manage_url),
                Piece::Link(Link::Page) => push_quoted(&mut out, recipient.page_url.ok_or(LetterError::Link)?),
            }
        }
        Ok(out.into_bytes())
    }
}

impl List {
    fn check(&self) -> Result<(), LetterError> {
        let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '-');
        let named = self.name.chars().count() <= LIST_CHARS_MAX && self.name.split(' ').all(is_word);
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let identified = self.id.len() <= LIST_CHARS_MAX && self.id.contains('.') && self.id.split('.').all(is_label);
        if !named || !identified {
            return Err(LetterError::List);
        }
        let urls = [&self.help_url, &self.archive_url];
        if urls.into_iter().all(|url| is_link(url)) { Ok(()) } else { Err(LetterError::Link) }
    }
}

/// Whether a link may stand in a header, in HTML and in quoted-printable as it is: none of `<>&"'=` and no blank.
fn is_link(link: &str) -> bool {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b":/.-_~+@%?".contains(&b);
    (1..=LINK_OCTETS_MAX).contains(&link.len()) && link.bytes().all(sound)
}

fn fixed(fill: impl FnOnce(&mut Headers)) -> Piece {
    let mut headers = Headers::new();
    fill(&mut headers);
    Piece::Fixed(headers.to_string())
}

fn line(out: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| out.push_str(part));
    out.push_str("\r\n");
}

/// Encodes what stands between marks; each piece ends with a soft break, so that whatever is spliced in after it begins a
/// line and breaks no other.
fn quote(text: &str, pieces: &mut Vec<Piece>) -> Result<(), LetterError> {
    let mut rest = text;
    loop {
        let next =
            Link::ALL.into_iter().filter_map(|link| Some((rest.find(link.mark())?, link))).min_by_key(|(at, _)| *at);
        let (before, link) = match next {
            None => (rest, None),
            Some((at, link)) => (rest.get(..at).unwrap_or_default(), Some(link)),
        };
        let encoded = Encoded::new_with_encoding(before.to_owned(), ContentTransferEncoding::QuotedPrintable)
            .map_err(|_| LetterError::Build)?;
        let mut encoded = String::from_utf8(encoded.into_vec()).map_err(|_| LetterError::Build)?;
        let Some(link) = link else {
            pieces.push(Piece::Fixed(encoded));
            return Ok(());
        };
        end_softly(&mut encoded);
        pieces.push(Piece::Fixed(encoded));
        pieces.push(Piece::Link(link));
        rest = rest.get(before.len() + link.mark().len()..).unwrap_or_default();
    }
}

/// Adds a soft break; where the last line has no room for its `=`, what stands last goes to the next one.
fn end_softly(encoded: &mut String) {
    let last_line = encoded.rfind('\n').map_or(0, |at| at + 1);
    if encoded.len() - last_line > QUOTED_LINE_OCTETS_MAX {
        let octet_ends_it = encoded.as_bytes().iter().rev().nth(2) == Some(&b'=');
        encoded.insert_str(encoded.len() - if octet_ends_it { 3 } else { 1 }, "=\r\n");
    }
    encoded.push_str("=\r\n");
}

/// A link as quoted-printable, which is itself, on lines of its own.
fn push_quoted(out: &mut String, link: &str) {
    let mut rest = link;
    while !rest.is_empty() {
        let (now, later) = rest.split_at_checked(QUOTED_LINE_OCTETS_MAX).unwrap_or((rest, ""));
        out.push_str(now);
        out.push_str("=\r\n");
        rest = later;
    }
}

/// Neighbouring fixed pieces as one.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match (out.last_mut(), piece) {
            (Some(Piece::Fixed(before)), Piece::Fixed(text)) => before.push_str(&text),
            (_, piece) => out.push(piece),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use mail_parser::{MessageParser, MimeHeaders};
    use proptest::prelude::*;

    use super::{super::body::Body, *};

    fn address(text: &str) -> MailAddress {
        MailAddress::parse(text).unwrap()
    }

    fn id(left: &str) -> MessageId {
        MessageId::new(left, "status.region.example").unwrap()
    }

    fn notice() -> Notice {
        let (leave, manage) = (Link::Leave.mark(), Link::Manage.mark());
        Notice {
            id: id("17.sv"),
            from: Sender {
                name: Some("1177 Driftinformation".into()),
                address: address("driftinfo@status.region.example"),
            },
            subject: "Pågår: inloggning med SITHS – alla mottagningar".into(),
            date: "2026-11-22T08:00:00Z".parse().unwrap(),
            language: Language::Sv,
            list: List {
                name: "Driftinformation för vården".into(),
                id: "driftinfo.status.region.example".into(),
                help_url: "https://status.region.example/fragor-och-svar".into(),
                archive_url: "https://status.region.example/status/historik".into(),
            },
            text: format!("Hej!\n\nDet går inte att logga in.\n\nÄndra: {manage}\nAvsluta: {leave}\n"),
            html: format!(
                "<p>Det går inte att logga in.</p><p><a href=\"{manage}\">Ändra</a> <a href=\"{leave}\">Avsluta</a></p>\n"
            ),
            calendar: Some("BEGIN:VCALENDAR\r\nMETHOD:PUBLISH\r\nEND:VCALENDAR\r\n".into()),
        }
    }

    struct Anna {
        to: MailAddress,
        mailto: MailAddress,
        message_id: MessageId,
        references: MessageId,
    }

    const LEAVE: &str = "https://status.region.example/u/k1d5f7a9c3k1d5f7a9c3k1d5f7a9c3k1d5f7a9c3k1d5f7a9c3k1d5f7a9c3";
    const MANAGE: &str = "https://status.region.example/status/prenumeration/k1d5f7a9c3";

    fn anna() -> Anna {
        Anna {
            to: address("anna.test@example.test"),
            mailto: address("avsluta+k1d5f7a9c3@status.region.example"),
            message_id: id("17.0193a1b2.1"),
            references: id("3.root.0193a1b2"),
        }
    }

    impl Anna {
        fn recipient(&self) -> Recipient<'_> {
            Recipient {
                to: &self.to,
                message_id: &self.message_id,
                references: Some(&self.references),
                leave: Some(Leave { url: LEAVE, mailto: &self.mailto }),
                manage_url: MANAGE,
                page_url: None,
            }
        }
    }

    fn bytes(notice: &Notice) -> Vec<u8> {
        PreparedNotice::new(notice).unwrap().bytes_for(&anna().recipient()).unwrap()
    }

    #[test]
    fn a_notice_has_these_headers_in_this_order_and_no_others() {
        let bytes = bytes(&notice());
        let text = std::str::from_utf8(&bytes).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        let mailto = "<mailto:avsluta+k1d5f7a9c3@status.region.example>";
        let expected = [
            ("From", "\"1177 Driftinformation\" <driftinfo@status.region.example>"),
            ("To", "anna.test@example.test"),
            ("Subject", "*"),
            ("Date", "Sun, 22 Nov 2026 08:00:00 +0000"),
            ("Message-ID", "<17.0193a1b2.1@status.region.example>"),
            ("References", "<3.root.0193a1b2@status.region.example>"),
            ("Auto-Submitted", "auto-generated"),
            ("X-Auto-Response-Suppress", "OOF, AutoReply, RN, NRN"),
            ("Precedence", "bulk"),
            ("List-Id", "*"),
            ("List-Unsubscribe", &format!("<{LEAVE}>, {mailto}")),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ("List-Help", "<https://status.region.example/fragor-och-svar>"),
            ("List-Archive", "<https://status.region.example/status/historik>"),
            ("List-Post", "NO"),
            ("Content-Language", "sv"),
            ("MIME-Version", "1.0"),
            ("Content-Type", "multipart/alternative; boundary=\"=_17.sv\""),
        ];
        let head = head.replace("\r\n ", " ");
        let lines: Vec<(&str, &str)> = head.split("\r\n").map(|line| line.split_once(": ").unwrap()).collect();
        assert_eq!(lines.iter().map(|line| line.0).collect::<Vec<_>>(), expected.map(|line| line.0));
        for ((name, value), (_, wanted)) in lines.iter().zip(expected) {
            assert!(wanted == "*" || *value == wanted, "{name}: {value}");
        }
        let message = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(message.subject(), Some(notice().subject.as_str()));
        let list = message.list_id().as_address().unwrap().first().unwrap();
        assert_eq!(list.name(), Some("Driftinformation för vården"));
        assert_eq!(list.address(), Some("driftinfo.status.region.example"));
    }

    #[test]
    fn a_reader_finds_text_html_and_calendar_with_the_recipients_own_links() {
        let notice = notice();
        let bytes = bytes(&notice);
        let message = MessageParser::default().parse(&bytes).unwrap();
        let filled = |text: &str| {
            text.replace(Link::Leave.mark(), LEAVE).replace(Link::Manage.mark(), MANAGE).replace('\n', "\r\n")
        };
        let parts: Vec<_> = message.parts.iter().skip(1).collect();
        let kinds = ["plain", "html", "calendar"].map(Some);
        assert_eq!(parts.iter().map(|part| part.content_type().unwrap().subtype()).collect::<Vec<_>>(), kinds);
        assert_eq!(parts[0].text_contents(), Some(filled(&notice.text).as_str()));
        assert_eq!(parts[1].text_contents(), Some(filled(&notice.html).as_str()));
        assert_eq!(parts[2].text_contents(), notice.calendar.as_deref());
        assert_eq!(parts[2].content_type().unwrap().attribute("method"), Some("PUBLISH"));
        assert!(parts.iter().all(|part| part.content_type().unwrap().attribute("charset") == Some("utf-8")));
    }

    #[test]
    fn two_builds_are_byte_identical_also_through_a_record_and_fit_for_the_wire() {
        let prepared = PreparedNotice::new(&notice()).unwrap();
        let kept: PreparedNotice = serde_json::from_str(&serde_json::to_string(&prepared).unwrap()).unwrap();
        let bytes = prepared.bytes_for(&anna().recipient()).unwrap();
        assert_eq!(kept.bytes_for(&anna().recipient()).unwrap(), bytes);
        assert_eq!(PreparedNotice::new(&notice()).unwrap().bytes_for(&anna().recipient()).unwrap(), bytes);
        Body::new(&bytes).unwrap();
        assert_eq!(MessageId::of(&bytes), Some(anna().message_id));
    }

    #[test]
    fn a_managed_list_says_nothing_of_leaving_and_its_text_may_not_either() {
        let anna = anna();
        let managed = Recipient { leave: None, references: None, ..anna.recipient() };
        assert_eq!(PreparedNotice::new(&notice()).unwrap().bytes_for(&managed), Err(LetterError::NoLeave));
        let mut notice = notice();
        (notice.text, notice.html) = ("Hej!\n".into(), "<p>Hej!</p>\n".into());
        let letter = PreparedNotice::new(&notice).unwrap().bytes_for(&managed).unwrap();
        let letter = String::from_utf8(letter).unwrap();
        assert!(!letter.contains("Unsubscribe") && !letter.contains("References") && letter.contains("List-Id"));
    }

    #[test]
    fn links_and_lists_that_could_break_a_header_or_a_page_are_refused() {
        let prepared = PreparedNotice::new(&notice()).unwrap();
        let anna = anna();
        for bad in [
            "",
            "https://a/\r\nBcc: b",
            "https://a/?x=1&y",
            "https://a/\"onclick",
            "https://å/",
            "a>b",
            &"x".repeat(501),
        ] {
            let recipient = Recipient { manage_url: bad, ..anna.recipient() };
            assert_eq!(prepared.bytes_for(&recipient), Err(LetterError::Link), "{bad}");
        }
        for (name, id) in [
            ("", "a.b"),
            ("A, B", "a.b"),
            ("A <b>", "a.b"),
            ("A\r\nB", "a.b"),
            ("A", "a"),
            ("A", "a..b"),
            ("A", "a b.c"),
        ] {
            let mut notice = notice();
            (notice.list.name, notice.list.id) = (name.into(), id.into());
            assert_eq!(PreparedNotice::new(&notice), Err(LetterError::List), "{name} {id}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_texts_the_letter_is_fit_for_the_wire_and_reads_as_written(
            before in "\\PC{0,90}", between in "(?s)[\\PC\n .=-]{0,200}", after in "\\PC{0,90}", tail in 60_usize..80) {
            let mut notice = notice();
            let (leave, manage) = (Link::Leave.mark(), Link::Manage.mark());
            let width = "x".repeat(tail);
            notice.text = format!("{width}{leave}{before}{manage}{between}{leave}{after}å{width}{leave}\n");
            let bytes = bytes(&notice);
            prop_assert!(Body::new(&bytes).is_ok());
            let (_, body) = std::str::from_utf8(&bytes).unwrap().split_once("\r\n\r\n").unwrap();
            prop_assert!(body.split("\r\n").all(|line| line.len() <= 76));
            let message = MessageParser::default().parse(&bytes).unwrap();
            let filled = notice.text.replace(leave, LEAVE).replace(manage, MANAGE).replace('\n', "\r\n");
            prop_assert_eq!(message.parts[1].text_contents(), Some(filled.as_str()));
        }
    }
}
