//! Just enough of MIME to find the parts of a report: fields, boundaries, kinds. Bodies are not decoded: a report's parts
//! may not be encoded (RFC 2046 section 5.2, RFC 3464 section 2.1).
//!
//! A library would know more. The one we tried recurses once for each level of nesting, and a letter of one megabyte has
//! room for thirty thousand levels: a stranger could end the process by its stack. Here depth and number are bounds.

/// Multiparts within multiparts.
const DEPTH_MAX: usize = 4;
/// A report has three parts (RFC 6522); a gateway on the way may add its own.
const PARTS_MAX: usize = 20;
/// Fields of one header that are looked at.
const FIELDS_MAX: usize = 500;

/// A header: names and values, unfolded.
pub(super) struct Header<'a> {
    fields: Vec<(&'a str, String)>,
}

/// A part that is no multipart.
pub(super) struct Part<'a> {
    /// Lower case, such as `message/delivery-status`; `text/plain` where nothing is said.
    pub(super) kind: String,
    pub(super) content: &'a str,
}

/// Deeper or more parts than any report has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManyParts;

impl<'a> Header<'a> {
    /// Splits a message, whose lines end with LF, into its header and the rest.
    pub(super) fn split(message: &'a str) -> (Header<'a>, &'a str) {
        // A part without a header begins with the blank line.
        let (head, body) = match message.strip_prefix('\n') {
            Some(body) => ("", body),
            None => message.split_once("\n\n").unwrap_or((message, "")),
        };
        let mut fields: Vec<(&str, String)> = Vec::new();
        for line in head.lines() {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = fields.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if fields.len() == FIELDS_MAX {
                break;
            } else if let Some((name, value)) = line.split_once(':') {
                fields.push((name.trim_end(), value.trim().to_owned()));
            }
        }
        (Header { fields }, body)
    }

    /// Values of the field, in order.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }
}

/// The leaves of a message's tree of parts, in order.
pub(super) fn parts<'a>(header: &Header<'_>, body: &'a str) -> Result<Vec<Part<'a>>, TooManyParts> {
    let mut found = Vec::new();
    collect(header, body, DEPTH_MAX, &mut found)?;
    Ok(found)
}

fn collect<'a>(
    header: &Header<'_>,
    body: &'a str,
    depth: usize,
    found: &mut Vec<Part<'a>>,
) -> Result<(), TooManyParts> {
    let content_type = header.first("Content-Type").unwrap_or("text/plain");
    let kind = content_type.split([';', ' ', '\t']).next().unwrap_or_default().to_ascii_lowercase();
    let boundary = if kind.starts_with("multipart/") { boundary(content_type) } else { None };
    let Some(boundary) = boundary else {
        if found.len() == PARTS_MAX {
            return Err(TooManyParts);
        }
        found.push(Part { kind, content: body });
        return Ok(());
    };
    let depth = depth.checked_sub(1).ok_or(TooManyParts)?;
    let mut sections = Sections { rest: body, boundary };
    // What stands before the first boundary is for readers without MIME.
    sections.next();
    // A report without its last boundary was cut short; what is there still counts.
    for section in sections {
        let (header, body) = Header::split(section);
        collect(&header, body, depth, found)?;
    }
    Ok(())
}

/// What stands between boundary lines.
struct Sections<'a> {
    rest: &'a str,
    boundary: String,
}

impl<'a> Iterator for Sections<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let mut end = 0;
        for line in self.rest.split_inclusive('\n') {
            let after = line.strip_prefix("--").and_then(|line| line.strip_prefix(self.boundary.as_str()));
            let goes_on = match after.map(str::trim_end) {
                Some("") => true,
                Some("--") => false,
                _ => {
                    end += line.len();
                    continue;
                }
            };
            let section = self.rest.get(..end).unwrap_or_default();
            self.rest = if goes_on { self.rest.get(end + line.len()..).unwrap_or_default() } else { "" };
            return Some(section);
        }
        let last = std::mem::take(&mut self.rest);
        (!last.is_empty()).then_some(last)
    }
}

/// The parameter (RFC 2045 section 5.1), as a token or between quotes.
fn boundary(content_type: &str) -> Option<String> {
    let (_, mut rest) = content_type.split_once(';')?;
    loop {
        let (name, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find([';', ' ', '\t']).unwrap_or(value.len())),
        };
        if name.trim_matches([';', ' ', '\t']).eq_ignore_ascii_case("boundary") {
            return (!value.is_empty()).then(|| value.to_owned());
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds(message: &str) -> Result<Vec<String>, TooManyParts> {
        let (header, body) = Header::split(message);
        Ok(parts(&header, body)?.into_iter().map(|part| format!("{} {:?}", part.kind, part.content)).collect())
    }

    #[test]
    fn parts_are_found_between_boundaries_of_every_spelling() {
        for content_type in [
            "multipart/report; report-type=delivery-status; boundary=b",
            "Multipart/Report;\n\treport-type=\"delivery-status; x=y\";\n\tBOUNDARY=\"b\"",
            "multipart/mixed;boundary = b ; charset=utf-8",
        ] {
            let message = format!(
                "Subject: x\nContent-Type: {content_type}\n\npreamble\n--b\n\nhej\n--bb\n--b \nContent-Type: TEXT/Html; x=y\n\n<p>\n--b--\nepilogue\n--b\n"
            );
            let expected = vec!["text/plain \"hej\\n--bb\\n\"".to_owned(), "text/html \"<p>\\n\"".to_owned()];
            assert_eq!(kinds(&message), Ok(expected), "{content_type}");
        }
    }

    #[test]
    fn multiparts_within_multiparts_are_flat_up_to_four() {
        let nested = |depth: usize| {
            (0..depth).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect::<String>()
        };
        assert_eq!(kinds(&format!("{}\nhej", nested(4))), Ok(vec!["text/plain \"hej\"".to_owned()]));
        assert_eq!(kinds(&format!("{}\nhej", nested(5))), Err(TooManyParts));
        let many =
            |parts: usize| format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(parts));
        assert_eq!((kinds(&many(20)).map(|parts| parts.len()), kinds(&many(21))), (Ok(20), Err(TooManyParts)));
    }

    #[test]
    fn fields_are_unfolded_and_found_whatever_their_case() {
        let (header, body) = Header::split("To: a,\n\t b\nX: 1\nx : 2\nnonsense\n\nbody\n\nmore");
        assert_eq!((header.first("to"), body), (Some("a, b"), "body\n\nmore"));
        assert_eq!(header.all("x").collect::<Vec<_>>(), ["1", "2"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(head in "(content-type: multipart/x;boundary=\"?b\"?|[a-z:; =\"\n]){0,3}", body in "(--b\n|--b--|[a-z\n: -]|\\PC){0,60}") {
            let _ = kinds(&format!("{head}\n\n{body}"));
        }
    }
}
