//! Reads SMTP replies from whatever bytes come: bounded in line length and line count, tolerant of a bare LF.

use std::fmt;

/// RFC 5321 allows 512; servers with long texts exist, endless ones must not cost memory. In octets, without the LF.
const LINE_OCTETS_MAX: usize = 2048;
/// Far above any EHLO answer.
const LINES_MAX: usize = 128;

/// What may be kept of a server's reply: the codes. The text may hold addresses and is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// As RFC 2034 puts it in front of the text, when it does and fits the code.
    pub enhanced: Option<EnhancedCode>,
}

/// An enhanced status code of RFC 3463: class, subject, detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnhancedCode(pub u16, pub u16, pub u16);

impl Reply {
    /// 2 done, 3 go on, 4 not now, 5 no.
    pub fn class(self) -> u16 {
        self.code / 100
    }

    /// A refusal proper, after which the session can go on (unless it is 421).
    pub fn is_refusal(self) -> bool {
        matches!(self.class(), 4 | 5)
    }
}

impl EnhancedCode {
    /// Reads `5.1.1`, and nothing more than that.
    pub(super) fn read(text: &str) -> Option<EnhancedCode> {
        let mut numbers = text.split('.').map(|digits| {
            let sound = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            if sound { digits.parse::<u16>().ok() } else { None }
        });
        let code = EnhancedCode(numbers.next()??, numbers.next()??, numbers.next()??);
        (numbers.next().is_none() && matches!(code.0, 2 | 4 | 5)).then_some(code)
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        self.enhanced.map_or(Ok(()), |enhanced| write!(f, " {enhanced}"))
    }
}

/// A reply with its text, for the one exchange that reads it (EHLO). Never leaves `mail`.
pub(super) struct FullReply {
    pub(super) reply: Reply,
    pub(super) lines: Vec<String>,
}

/// What the server sent is no SMTP reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    #[error("a line does not begin with a reply code")]
    NoCode,
    #[error("the lines of one reply carry different codes")]
    CodeChanged,
    #[error("a line is longer than {LINE_OCTETS_MAX} octets")]
    LineTooLong,
    #[error("a reply has more than {LINES_MAX} lines")]
    TooManyLines,
}

/// Takes bytes in any portions, gives replies one at a time.
#[derive(Default)]
pub(super) struct ReplyParser {
    unread: Vec<u8>,
    /// No LF stands before this place in `unread`: a dripping server must not make us look twice.
    searched: usize,
    lines: Vec<String>,
    code: Option<u16>,
}

impl ReplyParser {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// Whether everything that came has been given out as replies.
    pub(super) fn is_empty(&self) -> bool {
        self.unread.is_empty() && self.lines.is_empty()
    }

    /// The next whole reply, `None` until more bytes come. After an error the connection is of no more use.
    pub(super) fn next_reply(&mut self) -> Result<Option<FullReply>, ReplyError> {
        while let Some(line) = self.next_line()? {
            if self.lines.len() == LINES_MAX {
                return Err(ReplyError::TooManyLines);
            }
            let (code, is_last, text) = split_line(&line)?;
            if self.code.is_some_and(|first| first != code) {
                return Err(ReplyError::CodeChanged);
            }
            self.code = Some(code);
            self.lines.push(text);
            if is_last {
                self.code = None;
                let lines = std::mem::take(&mut self.lines);
                let enhanced = lines.first().and_then(|text| enhanced_code(code, text));
                return Ok(Some(FullReply { reply: Reply { code, enhanced }, lines }));
            }
        }
        Ok(None)
    }

    fn next_line(&mut self) -> Result<Option<Vec<u8>>, ReplyError> {
        let fresh = self.unread.get(self.searched..).unwrap_or_default();
        let end = fresh.iter().position(|b| *b == b'\n').map(|at| self.searched + at);
        if end.unwrap_or(self.unread.len()) > LINE_OCTETS_MAX {
            return Err(ReplyError::LineTooLong);
        }
        let Some(end) = end else {
            self.searched = self.unread.len();
            return Ok(None);
        };
        let mut line: Vec<u8> = self.unread.drain(..=end).collect();
        self.searched = 0;
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }
}

/// Code, whether the reply ends here, text.
fn split_line(line: &[u8]) -> Result<(u16, bool, String), ReplyError> {
    let (code, rest) = line.split_first_chunk::<3>().ok_or(ReplyError::NoCode)?;
    let [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9'] = code else {
        return Err(ReplyError::NoCode);
    };
    let code = code.iter().fold(0, |n, digit| n * 10 + u16::from(digit - b'0'));
    match rest.split_first() {
        None => Ok((code, true, String::new())),
        Some((b' ', text)) => Ok((code, true, String::from_utf8_lossy(text).into_owned())),
        Some((b'-', text)) => Ok((code, false, String::from_utf8_lossy(text).into_owned())),
        Some(_) => Err(ReplyError::NoCode),
    }
}

/// The enhanced code at the beginning of a text, if its class is the code's own (RFC 2034 section 4).
fn enhanced_code(code: u16, text: &str) -> Option<EnhancedCode> {
    EnhancedCode::read(text.split_ascii_whitespace().next()?).filter(|enhanced| enhanced.0 == code / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Option<(Reply, Vec<String>)>, ReplyError> {
        let mut parser = ReplyParser::default();
        parser.feed(bytes);
        Ok(parser.next_reply()?.map(|full| (full.reply, full.lines)))
    }

    #[test]
    fn replies_in_the_spellings_seen() {
        for (text, printed, lines) in [
            ("250 2.1.5 Ok\r\n", "250 2.1.5", 1),
            ("250 ok\n", "250", 1),
            ("354\r\n", "354", 1),
            ("250-mail.region.example\r\n250-PIPELINING\r\n250 SIZE 1000\r\n", "250", 3),
            ("550-5.1.1 no\r\n550 5.1.1 such user\r\n", "550 5.1.1", 2),
            ("550 4.1.1 a class that lies\r\n", "550", 1),
            ("550 5.1 short\r\n", "550", 1),
            ("550 5.1.1.1 long\r\n", "550", 1),
            ("550 5.1.9999 wide\r\n", "550", 1),
            ("250 gr\u{fffd}t\r\n", "250", 1),
        ] {
            let (reply, all) = read(text.as_bytes()).unwrap().unwrap();
            assert_eq!((reply.to_string().as_str(), all.len()), (printed, lines), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused_by_name() {
        let long = [b"250 ".as_slice(), &[b'x'; LINE_OCTETS_MAX]].concat();
        let many = "250-x\r\n".repeat(LINES_MAX + 1);
        for (bytes, why) in [
            (b"HTTP/1.1 400 Bad Request\r\n".as_slice(), ReplyError::NoCode),
            (b"\r\n", ReplyError::NoCode),
            (b"25\r\n", ReplyError::NoCode),
            (b"150 x\r\n", ReplyError::NoCode),
            (b"650 x\r\n", ReplyError::NoCode),
            (b"250x\r\n", ReplyError::NoCode),
            (b"\xff\xfe\x00\n", ReplyError::NoCode),
            (b"250-a\r\n550 b\r\n", ReplyError::CodeChanged),
            (&long, ReplyError::LineTooLong),
            (many.as_bytes(), ReplyError::TooManyLines),
        ] {
            assert_eq!(read(bytes), Err(why), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn an_unfinished_reply_waits_and_pipelined_ones_come_one_by_one() {
        assert_eq!(read(b"250-a\r\n250"), Ok(None));
        let mut parser = ReplyParser::default();
        parser.feed(b"250 a\r\n550 5.1.1 b\r\n35");
        assert_eq!(parser.next_reply().unwrap().unwrap().reply.code, 250);
        assert_eq!(parser.next_reply().unwrap().unwrap().reply.code, 550);
        assert!(parser.next_reply().unwrap().is_none() && !parser.is_empty());
        parser.feed(b"4 go\r\n");
        assert_eq!(parser.next_reply().unwrap().unwrap().reply.code, 354);
        assert!(parser.is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic_or_grow(portions in prop::collection::vec(prop::collection::vec(
            prop_oneof![Just(b'2'), Just(b'5'), Just(b'0'), Just(b'-'), Just(b' '), Just(b'\n'), any::<u8>()], 0..600), 0..40)) {
            let mut parser = ReplyParser::default();
            for portion in portions {
                parser.feed(&portion);
                loop {
                    match parser.next_reply() {
                        Ok(Some(full)) => prop_assert!((200..600).contains(&full.reply.code)),
                        Ok(None) => break,
                        Err(_) => return Ok(()),
                    }
                }
                prop_assert!(parser.unread.len() <= LINE_OCTETS_MAX && parser.lines.len() <= LINES_MAX);
            }
        }

        #[test]
        fn the_portions_in_which_bytes_come_change_nothing(cuts in prop::collection::vec(0_usize..40, 0..6)) {
            let text = b"250-a\r\n250-b\r\n250 2.0.0 c\r\n";
            let mut parser = ReplyParser::default();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let mut found = None;
            for pair in cuts.windows(2) {
                parser.feed(&text[pair[0]..pair[1]]);
                found = parser.next_reply().unwrap().or(found);
            }
            prop_assert_eq!(found.map(|full| full.lines.len()), Some(3));
        }
    }
}
