//! A letter's facts made into MIME bytes, the same bytes each time. What a letter says is `render`'s matter.

use std::{fmt, time::SystemTime};

use jiff::Timestamp;
use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};

use crate::domain::{language::Language, mail_address::MailAddress};

/// Longer subjects and names are cut by every reader; one line of a header stays far below 998 octets. In characters.
const HEADER_TEXT_CHARS_MAX: usize = 200;
/// Octets of a Message-ID before and after the @, so that it fits one line and a file name.
const MESSAGE_ID_SIDE_OCTETS_MAX: usize = 120;
/// Octets of a Message-ID that go into the MIME boundary.
const BOUNDARY_ID_OCTETS_MAX: usize = 60;
/// Octets of a link, so that it fits one line of a header.
pub(super) const LINK_OCTETS_MAX: usize = 500;
/// How much of a letter is searched for its Message-ID, in lines.
const HEADER_LINES_MAX: usize = 200;

/// Everything a letter to one person is made of; a notice to many is `notice`'s. Two letters of the same facts are byte-identical.
pub struct Letter {
    pub from: Sender,
    pub to: MailAddress,
    pub subject: String,
    /// When the letter was owed, frozen with it; not when it is sent.
    pub date: Timestamp,
    pub message_id: MessageId,
    pub language: Language,
    /// Complete by itself, not stripped from `html`.
    pub text: String,
    pub html: String,
}

/// Who writes.
#[derive(Debug, Clone)]
pub struct Sender {
    /// As `1177 Driftinformation`.
    pub name: Option<String>,
    pub address: MailAddress,
}

/// The left side and the domain of a Message-ID: letters, digits, `.`, `-` and `_`. Names no person: may be logged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageId {
    left: String,
    domain: String,
}

/// Why a letter cannot be built. Never holds its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LetterError {
    #[error("{0} holds a line break, a control character or a mark that turns the reading direction")]
    Control(HeaderText),
    #[error("{0} looks like an encoded word, which readers would decode into something else")]
    EncodedWord(HeaderText),
    #[error("{0} is longer than {HEADER_TEXT_CHARS_MAX} characters")]
    TooLong(HeaderText),
    #[error("the subject is empty")]
    NoSubject,
    #[error("an address is none that a header can hold")]
    Address,
    #[error("a Message-ID is made of letters, digits and single . - _ between them, at most 120 on each side of the @")]
    MessageId,
    #[error("the date lies before 1970")]
    Date,
    #[error("the list's name is words of letters and digits, its id a domain name such as driftinfo.region.example")]
    List,
    #[error("a link is at most {LINK_OCTETS_MAX} octets of letters, digits and :/.-_~+@%?")]
    Link,
    #[error("the texts hold a link to leave by, and this recipient has none")]
    NoLeave,
    #[error("the letter could not be put together")]
    Build,
}

/// The texts in a header that come from people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderText {
    Subject,
    SenderName,
}

impl fmt::Display for HeaderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeaderText::Subject => "the subject",
            HeaderText::SenderName => "the sender's name",
        })
    }
}

impl MessageId {
    /// `left` must come from the letter's own identity and nothing else, so that a resend carries the same.
    pub fn new(left: &str, domain: &str) -> Result<MessageId, LetterError> {
        let sound = |side: &str| {
            side.len() <= MESSAGE_ID_SIDE_OCTETS_MAX
                && side.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
                && side.split('.').all(|atom| !atom.is_empty())
        };
        if sound(left) && sound(domain) {
            Ok(MessageId { left: left.to_owned(), domain: domain.to_owned() })
        } else {
            Err(LetterError::MessageId)
        }
    }

    /// Reads the Message-ID from a letter's header.
    pub(super) fn of(letter: &[u8]) -> Option<MessageId> {
        let header = letter.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end).take(HEADER_LINES_MAX);
        let line = header.take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix(b"Message-ID: "))?;
        MessageId::read(std::str::from_utf8(line).ok()?)
    }

    /// Reads one with its angle brackets, of the kind that we make.
    pub(super) fn read(text: &str) -> Option<MessageId> {
        let (left, domain) = text.strip_prefix('<')?.strip_suffix('>')?.split_once('@')?;
        MessageId::new(left, domain).ok()
    }

    pub(super) fn left(&self) -> &str {
        &self.left
    }

    /// At most 70 octets (RFC 2046 section 5.1.1). The end of an id tells more than its beginning.
    pub(super) fn boundary(&self) -> String {
        let tail = self.left.len().saturating_sub(BOUNDARY_ID_OCTETS_MAX);
        format!("=_{}", self.left.get(tail..).unwrap_or_default())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}@{}>", self.left, self.domain)
    }
}

impl Letter {
    /// The bytes to store and to hand to `Mailer::deliver`, as often as needed.
    ///
    /// Both parts are quoted-printable: the wire is 7-bit, and the boundary, which holds `=_`, cannot occur in them
    /// (RFC 2045 section 6.7).
    pub fn to_bytes(&self) -> Result<Vec<u8>, LetterError> {
        check_facts(&self.from, &self.subject, self.date)?;
        let parts = MultiPart::alternative()
            .boundary(self.message_id.boundary())
            .singlepart(part(ContentType::TEXT_PLAIN, &self.text))
            .singlepart(part(ContentType::TEXT_HTML, &self.html));
        let message = Message::builder()
            .from(mailbox(self.from.name.clone(), &self.from.address)?)
            .to(mailbox(None, &self.to)?)
            .subject(self.subject.clone())
            .date(SystemTime::from(self.date))
            .message_id(Some(self.message_id.to_string()))
            // RFC 3834 section 5: no machine should answer.
            .raw_header(header("Auto-Submitted", "auto-generated"))
            // Exchange's way to say the same; `All` would silence bounces too.
            .raw_header(header("X-Auto-Response-Suppress", "OOF, AutoReply, RN, NRN"))
            .raw_header(header("Content-Language", self.language.tag()))
            .multipart(parts)
            .map_err(|_| LetterError::Build)?;
        Ok(message.formatted())
    }
}

pub(super) fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

pub(super) fn mailbox(name: Option<String>, address: &MailAddress) -> Result<Mailbox, LetterError> {
    let address = address.expose().parse::<Address>().map_err(|_| LetterError::Address)?;
    Ok(Mailbox::new(name, address))
}

/// What every letter's header is made of.
pub(super) fn check_facts(from: &Sender, subject: &str, date: Timestamp) -> Result<(), LetterError> {
    if subject.trim().is_empty() {
        return Err(LetterError::NoSubject);
    }
    check_text(HeaderText::Subject, subject)?;
    from.name.as_deref().map_or(Ok(()), |name| check_text(HeaderText::SenderName, name))?;
    // The header library panics on earlier dates; later ones than it can write are no `Timestamp`.
    if date < Timestamp::UNIX_EPOCH { Err(LetterError::Date) } else { Ok(()) }
}

fn part(kind: ContentType, text: &str) -> SinglePart {
    SinglePart::builder().header(kind).header(ContentTransferEncoding::QuotedPrintable).body(text.to_owned())
}

/// The library encodes a line break rather than refuse it; nothing good comes with one.
fn check_text(which: HeaderText, text: &str) -> Result<(), LetterError> {
    if text.chars().count() > HEADER_TEXT_CHARS_MAX {
        return Err(LetterError::TooLong(which));
    }
    if text.chars().any(|c| c.is_control() || turns_direction(c) || is_line_separator(c)) {
        return Err(LetterError::Control(which));
    }
    if text.contains("=?") {
        return Err(LetterError::EncodedWord(which));
    }
    Ok(())
}

/// The bidirectional controls of Unicode (UAX 9 section 2), by which a text reads as another one.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_line_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn letter() -> Letter {
        Letter {
            from: Sender {
                name: Some("Region Exempel".into()),
                address: MailAddress::parse("budkavle@region.example").unwrap(),
            },
            to: MailAddress::parse("anna.test@example.test").unwrap(),
            subject: "Något väntar på dig – åtgärd behövs".into(),
            date: "2026-11-22T08:00:00Z".parse().unwrap(),
            message_id: MessageId::new("0193a1b2.1", "gateway.region.example").unwrap(),
            language: Language::Sv,
            text: "Hej!\n\n.Ett ärende väntar på dig: logga in som vanligt. Å Ä Ö å ä ö – ”så”\n--=_0193a1b2.1--\n"
                .into(),
            html: "<p>Ett ärende väntar på dig.</p>\n".into(),
        }
    }

    fn built(letter: &Letter) -> String {
        String::from_utf8(letter.to_bytes().unwrap()).unwrap()
    }

    /// Header lines unfolded, and the rest.
    fn split(letter: &str) -> (Vec<String>, &str) {
        let (header, body) = letter.split_once("\r\n\r\n").unwrap();
        (header.replace("\r\n ", " ").split("\r\n").map(str::to_owned).collect(), body)
    }

    /// Reads quoted-printable (RFC 2045 section 6.7) and the Q of encoded words, without the library that wrote it.
    fn unquoted(text: &str) -> String {
        let text = text.replace("=\r\n", "");
        let mut octets = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            if *first == b'=' {
                let (pair, after) = rest.split_at(2);
                octets.push(u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
                rest = after;
            } else {
                octets.push(*first);
            }
        }
        String::from_utf8(octets).unwrap()
    }

    /// Reads RFC 2047 base64 words.
    fn words(value: &str) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let mut text = Vec::new();
        for word in value.split(' ') {
            match word.strip_prefix("=?utf-8?b?").and_then(|w| w.strip_suffix("?=")) {
                Some(coded) => text.extend(STANDARD.decode(coded).unwrap()),
                None => text.extend([b" ", word.as_bytes(), b" "].concat()),
            }
        }
        String::from_utf8(text).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_case_letter_has_these_headers_in_this_order_and_no_others() {
        let built = built(&letter());
        let (headers, _) = split(&built);
        let names: Vec<&str> = headers.iter().map(|line| line.split_once(':').unwrap().0).collect();
        let expected = [
            ("From", "\"Region Exempel\" <budkavle@region.example>"),
            ("To", "anna.test@example.test"),
            ("Subject", ""),
            ("Date", "Sun, 22 Nov 2026 08:00:00 +0000"),
            ("Message-ID", "<0193a1b2.1@gateway.region.example>"),
            ("Auto-Submitted", "auto-generated"),
            ("X-Auto-Response-Suppress", "OOF, AutoReply, RN, NRN"),
            ("Content-Language", "sv"),
            ("MIME-Version", "1.0"),
            ("Content-Type", "multipart/alternative; boundary=\"=_0193a1b2.1\""),
        ];
        assert_eq!(names, expected.map(|(name, _)| name));
        for (line, (name, value)) in headers.iter().zip(expected) {
            assert!(line.starts_with(&format!("{name}: {value}")), "{line}");
            assert!(name == "Subject" || line.len() == name.len() + 2 + value.len(), "{line}");
        }
    }

    #[test]
    fn two_builds_are_byte_identical_and_fit_for_the_wire() {
        let bytes = letter().to_bytes().unwrap();
        assert_eq!(bytes, letter().to_bytes().unwrap());
        super::super::body::Body::new(&bytes).unwrap();
        assert_eq!(MessageId::of(&bytes), Some(letter().message_id));
    }

    #[test]
    fn swedish_letters_come_out_as_they_went_in() {
        let (built, letter) = (built(&letter()), letter());
        let (headers, body) = split(&built);
        assert_eq!(words(headers[2].strip_prefix("Subject: ").unwrap()), letter.subject);
        let parts: Vec<&str> = body.split("--=_0193a1b2.1\r\n").skip(1).collect();
        assert_eq!(parts.len(), 2, "the boundary occurs in the text: {body}");
        for (part, (kind, text)) in parts.iter().zip([("plain", &letter.text), ("html", &letter.html)]) {
            let (headers, content) = split(part);
            assert_eq!(headers[0], format!("Content-Type: text/{kind}; charset=utf-8"));
            assert_eq!(headers[1], "Content-Transfer-Encoding: quoted-printable");
            assert!(
                unquoted(content.strip_suffix("--=_0193a1b2.1--\r\n").unwrap_or(content))
                    .starts_with(&text.replace('\n', "\r\n"))
            );
        }
    }

    #[test]
    fn what_could_break_or_disguise_a_header_is_refused_by_name() {
        for bad in [
            "a\r\nBcc: b@example.test",
            "a\nb",
            "a\rb",
            "a\0b",
            "a\u{1b}b",
            "a\u{85}b",
            "a\u{7f}",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{2028}b",
        ] {
            let mut spoilt = letter();
            spoilt.subject = bad.into();
            assert_eq!(spoilt.to_bytes(), Err(LetterError::Control(HeaderText::Subject)), "{bad:?}");
            let mut spoilt = letter();
            spoilt.from.name = Some(bad.into());
            assert_eq!(spoilt.to_bytes(), Err(LetterError::Control(HeaderText::SenderName)), "{bad:?}");
        }
        for (bad, why) in [
            ("=?utf-8?q?=0D=0A?=", LetterError::EncodedWord(HeaderText::Subject)),
            (" ", LetterError::NoSubject),
            (&"å".repeat(201), LetterError::TooLong(HeaderText::Subject)),
        ] {
            let mut spoilt = letter();
            spoilt.subject = bad.into();
            assert_eq!(spoilt.to_bytes(), Err(why));
        }
        let mut spoilt = letter();
        spoilt.date = "1969-12-31T23:59:59Z".parse().unwrap();
        assert_eq!(spoilt.to_bytes(), Err(LetterError::Date));
        let mut late = letter();
        late.date = Timestamp::MAX;
        late.to_bytes().unwrap();
    }

    #[test]
    fn a_message_id_is_plain_and_its_boundary_short() {
        for bad in ["", ".a", "a.", "a..b", "a b", "a@b", "a>b", "å", "a/b", &"x".repeat(121)] {
            assert_eq!(MessageId::new(bad, "region.example"), Err(LetterError::MessageId), "{bad}");
        }
        let long = MessageId::new(&"x".repeat(120), "region.example").unwrap();
        assert!(long.boundary().len() <= 70);
    }

    proptest! {
        #[test]
        fn whatever_the_texts_the_letter_is_fit_for_the_wire_and_has_one_recipient(
            subject in "\\PC{1,60}", name in "\\PC{0,40}", text in "(?s).{0,400}", html in "(?s).{0,400}") {
            let mut letter = letter();
            (letter.subject, letter.from.name, letter.text, letter.html) = (subject, Some(name), text, html);
            if let Ok(bytes) = letter.to_bytes() {
                prop_assert!(super::super::body::Body::new(&bytes).is_ok());
                let built = String::from_utf8(bytes).unwrap();
                let (headers, body) = split(&built);
                prop_assert_eq!(headers.len(), 10);
                prop_assert_eq!(body.matches("--=_0193a1b2.1").count(), 3);
            }
        }
    }
}
