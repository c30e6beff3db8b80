//! A letter's bytes as they go after DATA: proven fit for the wire, dots stuffed, the final dot at the end.

/// Far above any letter of ours, in octets before stuffing.
pub(super) const LETTER_OCTETS_MAX: usize = 1024 * 1024;
/// RFC 5321 section 4.5.3.1.6, in octets without the CRLF.
const LINE_OCTETS_MAX: usize = 998;
/// What ends the letter, after a line end.
const FINAL_DOT: &[u8] = b".\r\n";

/// Why bytes may not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("a CR or LF stands alone in the letter, which another server could take for its end")]
    BareLineBreak,
    #[error("the letter holds a NUL or an octet above 127")]
    NotSevenBit,
    #[error("a line of the letter is longer than {LINE_OCTETS_MAX} octets")]
    LineTooLong,
    #[error("the letter does not end with a line break")]
    Unfinished,
    #[error("the letter is larger than {LETTER_OCTETS_MAX} octets")]
    TooLarge,
}

/// Stuffed bytes with the final dot, ready for one write.
pub(super) struct Body {
    bytes: Vec<u8>,
    size: usize,
}

impl Body {
    /// Refuses whatever two servers could read in two ways (SMTP smuggling, VU#302671).
    pub(super) fn new(letter: &[u8]) -> Result<Body, Unfit> {
        if letter.len() > LETTER_OCTETS_MAX {
            return Err(Unfit::TooLarge);
        }
        if !letter.ends_with(b"\r\n") {
            return Err(Unfit::Unfinished);
        }
        // As text, which is searched many octets at a time: thousands of letters a second pass here.
        let seven_bit = |text: &&str| text.is_ascii() && !text.contains('\0');
        let text = std::str::from_utf8(letter).ok().filter(seven_bit).ok_or(Unfit::NotSevenBit)?;
        let mut bytes = Vec::with_capacity(letter.len() + letter.len() / 64 + FINAL_DOT.len());
        for line in text.split_terminator('\n') {
            let content = line.strip_suffix('\r').filter(|content| !content.contains('\r'));
            if content.ok_or(Unfit::BareLineBreak)?.len() > LINE_OCTETS_MAX {
                return Err(Unfit::LineTooLong);
            }
            if line.starts_with('.') {
                bytes.push(b'.');
            }
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(FINAL_DOT);
        Ok(Body { bytes, size: letter.len() })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Octets of the letter as SIZE counts them: before stuffing.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Whether a server that was sent this many octets may have seen the end of the letter.
    pub(super) fn dot_begun(&self, sent: usize) -> bool {
        sent > self.bytes.len() - FINAL_DOT.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dots_are_stuffed_at_line_starts_only() {
        for (letter, wire) in [
            ("\r\n", "\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            ("a\r\n.b\r\n..\r\nc.d\r\n", "a\r\n..b\r\n...\r\nc.d\r\n.\r\n"),
        ] {
            assert_eq!(Body::new(letter.as_bytes()).unwrap().as_bytes(), wire.as_bytes());
        }
    }

    #[test]
    fn bytes_that_two_servers_may_read_in_two_ways_are_refused() {
        let long = [vec![b'x'; LINE_OCTETS_MAX + 1], b"\r\n".to_vec()].concat();
        let large = b"x\r\n".repeat(LETTER_OCTETS_MAX / 3 + 1);
        for (letter, why) in [
            (b"a\n.\r\nb\r\n".as_slice(), Unfit::BareLineBreak),
            (b"a\r.\r\n", Unfit::BareLineBreak),
            (b"a\r\r\n", Unfit::BareLineBreak),
            (b"\n\r\n", Unfit::BareLineBreak),
            (b"a\0\r\n", Unfit::NotSevenBit),
            ("å\r\n".as_bytes(), Unfit::NotSevenBit),
            (b"", Unfit::Unfinished),
            (b"a", Unfit::Unfinished),
            (b"a\n", Unfit::Unfinished),
            (&long, Unfit::LineTooLong),
            (&large, Unfit::TooLarge),
        ] {
            assert_eq!(
                Body::new(letter).err(),
                Some(why),
                "{:?}",
                String::from_utf8_lossy(&letter[..letter.len().min(40)])
            );
        }
    }

    #[test]
    fn the_dot_has_begun_when_its_first_octet_is_sent() {
        let body = Body::new(b"a\r\n").unwrap();
        assert_eq!((body.size(), body.dot_begun(3), body.dot_begun(4)), (3, false, true));
    }

    proptest! {
        #[test]
        fn a_server_gets_back_what_was_sent(lines in prop::collection::vec("[.a ]{0,6}", 1..12)) {
            let letter = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
            let body = Body::new(letter.as_bytes()).unwrap();
            let wire = std::str::from_utf8(body.as_bytes()).unwrap();
            let mut read = String::new();
            let mut rest = wire;
            loop {
                let (line, after) = rest.split_once("\r\n").unwrap();
                rest = after;
                if line == "." {
                    break;
                }
                read += line.strip_prefix('.').unwrap_or(line);
                read += "\r\n";
            }
            prop_assert_eq!(rest, "");
            prop_assert_eq!(read, letter);
        }
    }
}
