//! Posts from an LDIF file (RFC 2849): folded lines, Base64, comments, options, either line end. Content records only:
//! records of changes are refused by name, files that a value points at are never opened. Faults are told by line, rule
//! and remedy, never with content.

use std::fmt;
use std::iter::{Peekable, Zip};
use std::ops::RangeFrom;
use std::slice::Split;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::FaultyRows;
use super::entry::{self, Attributes, Entry, EntryFault};
use crate::domain::staff::Post;

/// Longest file, in bytes, and the most entries in it.
pub const FILE_BYTES_MAX: u64 = 256 << 20;
const ENTRIES_MAX: usize = 400_000;
/// Longest line, unfolded, in bytes: photographs and certificates may stand in it.
const LINE_BYTES_MAX: usize = 1 << 20;
/// More faults than anybody corrects by hand: the file as a whole is wrong then.
const FAULTS_MAX: usize = 1_000;
const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// What a file came to. `posts` is empty when there are faults and those are not to be skipped.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    pub posts: Vec<Post>,
    pub faults: Vec<Fault>,
}

/// One fault, fit to be shown to whoever made the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A record that cannot be read; the line on which it goes wrong.
    Record { line: u64, fault: RecordFault },
    /// An entry that gives no post, by its first line.
    Entry(EntryFault),
}

/// A broken rule of LDIF. Never holds the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFault {
    NoName,
    NoColon,
    Base64,
    NameNotUtf8,
    Reference,
    Change,
    LineTooLong,
}

impl RecordFault {
    pub fn rule(self) -> &'static str {
        match self {
            RecordFault::NoName => "a record begins with dn:",
            RecordFault::NoColon => "a line is an attribute, a colon and a value, or goes on with a blank",
            RecordFault::Base64 => "what stands after two colons is Base64",
            RecordFault::NameNotUtf8 => "a name after dn: is UTF-8",
            RecordFault::Reference => "a value that points at a file (:<) is not followed",
            RecordFault::Change => "records of changes (changetype:) are not carried out",
            RecordFault::LineTooLong => "a line is at most 1 MiB",
        }
    }

    pub fn remedy(self) -> &'static str {
        match self {
            RecordFault::NoName => "put an empty line between records, and none within one",
            RecordFault::NoColon => "export the file anew",
            RecordFault::Base64 => "export the file anew",
            RecordFault::NameNotUtf8 => "export it as UTF-8, in Base64",
            RecordFault::Reference => "put the value itself in its place",
            RecordFault::Change => "export the entries themselves, as ldapsearch -LLL does",
            RecordFault::LineTooLong => "leave photographs and certificates out of the export",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Record { line, fault } => write!(f, "line {line}: {}; {}", fault.rule(), fault.remedy()),
            Fault::Entry(fault) => write!(f, "line {fault}"),
        }
    }
}

/// Why a file could not be gone through at all.
#[derive(Debug, thiserror::Error)]
pub enum LdifError {
    #[error("a file is at most 256 MiB")]
    TooLong,
    #[error("line {0}: the version of an LDIF file is 1")]
    Version(u64),
    #[error("more than 400000 entries")]
    TooManyEntries,
    #[error("more than 1000 faults; the first: {0}")]
    TooManyFaults(Fault),
}

/// Whether a file begins as LDIF does.
pub fn is_ldif(file: &[u8]) -> bool {
    let file = file.strip_prefix(BYTE_ORDER_MARK).unwrap_or(file);
    let mut lines = file.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#")).unwrap_or_default();
    [b"version:".as_slice(), b"dn:"]
        .iter()
        .any(|begin| first.get(..begin.len()).is_some_and(|b| b.eq_ignore_ascii_case(begin)))
}

/// Reads posts from a whole file.
pub fn import(file: &[u8], attributes: &Attributes, faulty: FaultyRows, now: Timestamp) -> Result<Import, LdifError> {
    let (entries, mut faults) = read(file)?;
    let (mut posts, unfit) = entry::posts(&entries, attributes, now);
    faults.extend(unfit.into_iter().map(Fault::Entry));
    if faults.len() > FAULTS_MAX {
        return Err(LdifError::TooManyFaults(faults.swap_remove(0)));
    }
    faults.sort_by_key(|fault| match fault {
        Fault::Record { line, .. } => *line,
        Fault::Entry(fault) => fault.place,
    });
    if !faults.is_empty() && faulty == FaultyRows::RefuseFile {
        posts.clear();
    }
    Ok(Import { posts, faults })
}

fn read(file: &[u8]) -> Result<(Vec<Entry>, Vec<Fault>), LdifError> {
    if file.len() as u64 > FILE_BYTES_MAX {
        return Err(LdifError::TooLong);
    }
    let file = file.strip_prefix(BYTE_ORDER_MARK).unwrap_or(file);
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    let mut record: Vec<Line> = Vec::new();
    let mut begun = false;
    for line in Lines::new(file).chain([Line { number: 0, text: Vec::new() }]) {
        if !line.text.is_empty() {
            match version(&line.text).filter(|_| !begun) {
                Some(version) if version != b"1" => return Err(LdifError::Version(line.number)),
                Some(_) => {}
                None => record.push(line),
            }
            begun = true;
            continue;
        }
        match take_record(&record) {
            _ if record.is_empty() => {}
            Ok(entry) => entries.push(entry),
            Err((line, fault)) => faults.push(Fault::Record { line, fault }),
        }
        record.clear();
        if entries.len() > ENTRIES_MAX {
            return Err(LdifError::TooManyEntries);
        }
        if faults.len() > FAULTS_MAX {
            return Err(LdifError::TooManyFaults(faults.swap_remove(0)));
        }
    }
    Ok((entries, faults))
}

fn version(line: &[u8]) -> Option<&[u8]> {
    let (name, version) = line.split_at_checked(8)?;
    name.eq_ignore_ascii_case(b"version:").then(|| version.trim_ascii())
}

fn take_record(lines: &[Line]) -> Result<Entry, (u64, RecordFault)> {
    let Some((first, rest)) = lines.split_first() else { return Err((0, RecordFault::NoName)) };
    let (name, dn) = value_of(first)?;
    if !name.eq_ignore_ascii_case("dn") {
        return Err((first.number, RecordFault::NoName));
    }
    let dn = String::from_utf8(dn).map_err(|_| (first.number, RecordFault::NameNotUtf8))?;
    let mut entry = Entry::new(first.number, dn);
    for line in rest {
        let (name, value) = value_of(line)?;
        if ["changetype", "control"].iter().any(|word| name.eq_ignore_ascii_case(word)) {
            return Err((line.number, RecordFault::Change));
        }
        entry.add(name, value);
    }
    Ok(entry)
}

/// An attribute with its options, and its value.
fn value_of(line: &Line) -> Result<(&str, Vec<u8>), (u64, RecordFault)> {
    let fault = |fault| (line.number, fault);
    if line.text.len() > LINE_BYTES_MAX {
        return Err(fault(RecordFault::LineTooLong));
    }
    let colon = line.text.iter().position(|byte| *byte == b':').ok_or(fault(RecordFault::NoColon))?;
    let (name, value) = line.text.split_at(colon);
    let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty()).ok_or(fault(RecordFault::NoColon))?;
    match value {
        [b':', b':', value @ ..] => {
            STANDARD.decode(value.trim_ascii()).map(|value| (name, value)).map_err(|_| fault(RecordFault::Base64))
        }
        [b':', b'<', ..] => Err(fault(RecordFault::Reference)),
        [_, value @ ..] => Ok((name, value.trim_ascii_start().to_vec())),
        [] => Err(fault(RecordFault::NoColon)),
    }
}

/// A line as it was before it was folded.
struct Line {
    /// The first of its lines in the file, from 1.
    number: u64,
    text: Vec<u8>,
}

/// The file's lines, unfolded, without comments. An empty one ends a record.
struct Lines<'f> {
    lines: Peekable<Zip<RangeFrom<u64>, FileLines<'f>>>,
}

type FileLines<'f> = Split<'f, u8, fn(&u8) -> bool>;

impl<'f> Lines<'f> {
    fn new(file: &'f [u8]) -> Lines<'f> {
        let split: fn(&u8) -> bool = |byte| *byte == b'\n';
        Lines { lines: (1..).zip(file.split(split)).peekable() }
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        loop {
            let (number, first) = self.lines.next()?;
            let mut text = first.strip_suffix(b"\r").unwrap_or(first).to_vec();
            while let Some((_, more)) = self.lines.next_if(|(_, line)| line.starts_with(b" ")) {
                // One byte over the bound is enough to tell.
                if text.len() <= LINE_BYTES_MAX {
                    text.extend(more.strip_suffix(b"\r").unwrap_or(more).get(1..).unwrap_or_default());
                }
            }
            if !text.starts_with(b"#") {
                return Some(Line { number, text });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::value::ValueFault;
    use proptest::prelude::*;

    const UNIT: &str = "dn: ou=Ängen,o=Region Test,c=SE\nhsaIdentity: TSTNMT2321000156-A001\n\n";
    const ANNA: &str = "dn: cn=Anna,ou=Ängen,o=Region Test,c=SE\nhsaIdentity: TSTNMT2321000156-1001\n\
                        givenName: Anna\nsn:: w4VrZXNzb24=\nmail: anna@region.example\nhsaStartDate: 20240101000000Z\n";

    fn read_all(file: &str) -> Import {
        let now = "2026-11-22T09:15:00Z".parse().unwrap();
        import(file.as_bytes(), &Attributes::default(), FaultyRows::RefuseFile, now).unwrap()
    }

    #[test]
    fn an_export_with_folds_comments_base64_and_either_line_end_is_read() {
        let file = format!("\u{feff}version: 1\n# exported at night,\n  by a program\n\n{UNIT}{ANNA}")
            .replace("anna@region.example", "anna@\n region.example");
        for file in [file.clone(), file.replace('\n', "\r\n"), format!("{file}\n\n\n")] {
            let import = read_all(&file);
            assert_eq!(import.faults, []);
            let [post] = import.posts.as_slice() else { panic!("{}", import.posts.len()) };
            assert_eq!((post.surname.expose(), post.unit.as_str()), ("Åkesson", "TSTNMT2321000156-A001"));
            assert_eq!(post.mail.as_ref().unwrap().expose(), "anna@region.example");
            assert_eq!(post.start, jiff::civil::date(2024, 1, 1));
        }
    }

    #[test]
    fn every_broken_rule_is_told_by_its_line_and_nothing_is_imported() {
        for (from, to, line, fault) in [
            ("dn: cn", "xn: cn", 4, RecordFault::NoName),
            ("givenName: Anna", "givenName Anna", 6, RecordFault::NoColon),
            ("sn:: w4V", "sn:: !4V", 7, RecordFault::Base64),
            ("givenName: Anna", "givenName:< file:///etc/passwd", 6, RecordFault::Reference),
            ("givenName: Anna", "changetype: delete", 6, RecordFault::Change),
        ] {
            let import = read_all(&format!("{UNIT}{}", ANNA.replacen(from, to, 1)));
            assert_eq!(import.faults, [Fault::Record { line, fault }], "{to}");
            assert_eq!(import.posts, []);
            assert!(import.faults[0].to_string().starts_with(&format!("line {line}: ")));
        }
        let long = read_all(&format!("{UNIT}{ANNA}jpegPhoto: {}\n", "a\n ".repeat(LINE_BYTES_MAX + 1)));
        assert_eq!(long.faults, [Fault::Record { line: 10, fault: RecordFault::LineTooLong }]);
    }

    #[test]
    fn an_unfit_entry_is_told_by_its_first_line_and_the_sound_ones_come_in_only_when_asked() {
        let file = format!("{UNIT}{ANNA}\n{}", ANNA.replace("-1001", "-100").replace("20240101", "20241301"));
        let import_as = |faulty| {
            let now = "2026-11-22T09:15:00Z".parse().unwrap();
            import(file.as_bytes(), &Attributes::default(), faulty, now).unwrap()
        };
        let refused = import_as(FaultyRows::RefuseFile);
        let fault = EntryFault { place: 11, attribute: "hsaStartDate".into(), fault: ValueFault::Moment };
        assert_eq!((refused.posts.len(), refused.faults), (0, vec![Fault::Entry(fault)]));
        assert_eq!(import_as(FaultyRows::Skip).posts.len(), 1);
    }

    #[test]
    fn another_version_and_a_file_of_something_else_are_refused_as_a_whole() {
        let now = "2026-11-22T09:15:00Z".parse().unwrap();
        let read = |file: &str| import(file.as_bytes(), &Attributes::default(), FaultyRows::Skip, now);
        assert!(matches!(read("version: 2\n\ndn: c=SE\n"), Err(LdifError::Version(1))));
        assert!(matches!(read(&"rubbish\n\n".repeat(FAULTS_MAX + 1)), Err(LdifError::TooManyFaults(_))));
        assert!(is_ldif(b"# comment\n\nDN: c=SE\n") && is_ldif(b"version: 1") && !is_ldif(b"hsaId,givenName\n"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let file = [UNIT.as_bytes(), ANNA.as_bytes(), b"\n", &bytes].concat();
            let now = "2026-11-22T09:15:00Z".parse().unwrap();
            let _ = import(&file, &Attributes::default(), FaultyRows::Skip, now);
        }
    }
}
