//! Posts from a CSV file (RFC 4180, UTF-8, header first). Every faulty row is told with line, column, rule and remedy,
//! never with its content. Who may import, and what becomes of posts that are missing, is not decided here.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read};

use csv::{ByteRecord, Position, ReaderBuilder};
use jiff::civil::Date;

use super::value::{self, ValueFault};
use crate::domain::id::{HsaId, Private};
use crate::domain::staff::Post;

/// The header, in this order.
const COLUMNS: [&str; 9] = ["hsaId", "givenName", "surname", "title", "mail", "unit", "start", "end", "protected"];
const ROWS_MAX: usize = 200_000;
const ROW_BYTES_MAX: u64 = 64 * 1024;
/// More faults than anybody corrects by hand: the file as a whole is wrong then.
const FAULTS_MAX: usize = 1_000;
const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// What to do with the sound rows of a file that has faulty ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultyRows {
    /// One faulty row, and nothing is imported.
    RefuseFile,
    /// The sound rows are imported all the same.
    Skip,
}

/// What a file came to. `posts` is empty when there are faults and those are not to be skipped.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    pub posts: Vec<Post>,
    pub faults: Vec<RowFault>,
}

/// One fault, fit to be shown to whoever made the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFault {
    /// The line on which the row begins, the header being line 1.
    pub line: u64,
    /// The column's name; none where the row as a whole is wrong.
    pub column: Option<&'static str>,
    pub fault: ValueFault,
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}; {}", self.fault.rule(), self.fault.remedy())
    }
}

/// Why a file could not be gone through at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the file cannot be read: {0}")]
    Io(io::ErrorKind),
    #[error("the first line must be {}", COLUMNS.join(","))]
    Header,
    #[error("more than 200000 rows")]
    TooManyRows,
    #[error("more than 1000 faults; the first: {0}")]
    TooManyFaults(RowFault),
}

/// Reads posts from `file`. Blocking.
pub fn import(file: impl Read, faulty_rows: FaultyRows) -> Result<Import, ImportError> {
    // The budget also stops a row without an end before it fills the memory.
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(RowBudget::new(file));
    let mut row = ByteRecord::new();
    if !matches!(next(&mut reader, &mut row)?, Row::Read) || !is_header(&row) {
        return Err(ImportError::Header);
    }
    let mut import = Import { posts: Vec::new(), faults: Vec::new() };
    let mut seen = BTreeSet::new();
    let mut rows = 0_usize;
    loop {
        let verdict = match next(&mut reader, &mut row)? {
            Row::End => break,
            Row::TooLong => Err((None, ValueFault::RowTooLong)),
            Row::Read => post(&row),
        };
        rows += 1;
        if rows > ROWS_MAX {
            return Err(ImportError::TooManyRows);
        }
        let too_long = verdict == Err((None, ValueFault::RowTooLong));
        let line = row.position().map_or(0, Position::line);
        match verdict {
            Ok(post) if seen.insert((post.person.clone(), post.unit.clone(), post.start)) => import.posts.push(post),
            Ok(_) => import.faults.push(RowFault { line, column: Some("hsaId"), fault: ValueFault::Duplicate }),
            Err((column, fault)) => import.faults.push(RowFault { line, column, fault }),
        }
        if too_long {
            // Where the next row begins is anybody's guess.
            break;
        }
        if import.faults.len() > FAULTS_MAX {
            return Err(ImportError::TooManyFaults(import.faults.swap_remove(0)));
        }
    }
    if !import.faults.is_empty() && faulty_rows == FaultyRows::RefuseFile {
        import.posts.clear();
    }
    Ok(import)
}

enum Row {
    Read,
    TooLong,
    End,
}

fn next(reader: &mut csv::Reader<RowBudget<impl Read>>, row: &mut ByteRecord) -> Result<Row, ImportError> {
    let begin = reader.position().clone();
    reader.get_mut().left = ROW_BYTES_MAX;
    match reader.read_byte_record(row) {
        Ok(true) if row.as_slice().len() as u64 > ROW_BYTES_MAX => Ok(Row::TooLong),
        Ok(true) => Ok(Row::Read),
        Ok(false) => Ok(Row::End),
        Err(error) => match error.into_kind() {
            csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                row.clear();
                row.set_position(Some(begin));
                Ok(Row::TooLong)
            }
            csv::ErrorKind::Io(error) => Err(ImportError::Io(error.kind())),
            // A reader of bytes with rows of any width has no other errors.
            _ => Err(ImportError::Io(io::ErrorKind::InvalidData)),
        },
    }
}

/// Fails when more is read than one row may have. The csv reader's own buffer is filled in single reads of a few KiB,
/// each of which is paid from the budget of the row that needed it.
struct RowBudget<R> {
    file: R,
    left: u64,
}

impl<R> RowBudget<R> {
    fn new(file: R) -> RowBudget<R> {
        RowBudget { file, left: ROW_BYTES_MAX }
    }
}

impl<R: Read> Read for RowBudget<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.file.read(buf)?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

/// Spreadsheets put a byte order mark before the first name.
fn is_header(row: &ByteRecord) -> bool {
    let names = row.iter().enumerate().map(|(place, name)| match place {
        0 => name.strip_prefix(BYTE_ORDER_MARK).unwrap_or(name),
        _ => name,
    });
    names.map(<[u8]>::trim_ascii).eq(COLUMNS.iter().map(|name| name.as_bytes()))
}

type Fault = (Option<&'static str>, ValueFault);

fn post(row: &ByteRecord) -> Result<Post, Fault> {
    if row.len() != COLUMNS.len() {
        return Err((None, ValueFault::Fields));
    }
    let start = required(row, "start").and_then(|text| date(text, "start"))?;
    let end = field(row, "end")?.map(|text| date(text, "end")).transpose()?;
    if end.is_some_and(|end| end < start) {
        return Err((Some("end"), ValueFault::EndBeforeStart));
    }
    Ok(Post {
        person: hsa_id(row, "hsaId")?,
        given_name: Private::new(required(row, "givenName")?.to_owned()),
        surname: Private::new(required(row, "surname")?.to_owned()),
        title: field(row, "title")?.map(str::to_owned),
        mail: mail(row)?,
        unit: hsa_id(row, "unit")?,
        start,
        end,
        protected: match required(row, "protected")? {
            "true" => true,
            "false" => false,
            _ => return Err((Some("protected"), ValueFault::Protected)),
        },
    })
}

/// The field's text without blanks around it; none where it is empty.
fn field<'r>(row: &'r ByteRecord, column: &'static str) -> Result<Option<&'r str>, Fault> {
    let bytes = COLUMNS.iter().position(|name| *name == column).and_then(|place| row.get(place)).unwrap_or_default();
    value::text(bytes).map_err(|fault| (Some(column), fault))
}

fn required<'r>(row: &'r ByteRecord, column: &'static str) -> Result<&'r str, Fault> {
    field(row, column)?.ok_or((Some(column), ValueFault::Missing))
}

fn hsa_id(row: &ByteRecord, column: &'static str) -> Result<HsaId, Fault> {
    value::hsa_id(required(row, column)?).map_err(|fault| (Some(column), fault))
}

fn date(text: &str, column: &'static str) -> Result<Date, Fault> {
    value::date(text).ok_or((Some(column), ValueFault::Date))
}

fn mail(row: &ByteRecord) -> Result<Option<Private>, Fault> {
    field(row, "mail")?.map(value::mail).transpose().map_err(|fault| (Some("mail"), fault))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date as day;
    use proptest::prelude::*;

    const HEADER: &str = "hsaId,givenName,surname,title,mail,unit,start,end,protected\n";
    const ANNA: &str = "TSTNMT2321000156-P001,Anna,Åkesson,\"Läkare, \"\"ST\"\"\",anna@region.example,\
                        TSTNMT2321000156-A001,2026-01-01,,false\n";

    fn read(rows: &str) -> Import {
        import(format!("{HEADER}{rows}").as_bytes(), FaultyRows::RefuseFile).unwrap()
    }

    #[test]
    fn a_spreadsheets_file_with_quotes_commas_and_a_byte_order_mark_is_read() {
        let file = format!("\u{feff}{HEADER}{ANNA}").replace('\n', "\r\n");
        let import = import(file.as_bytes(), FaultyRows::RefuseFile).unwrap();
        assert_eq!(import.faults, []);
        let post = &import.posts[0];
        assert_eq!(post.title.as_deref(), Some("Läkare, \"ST\""));
        assert_eq!((post.start, post.end), (day(2026, 1, 1), None));
        assert_eq!(post.mail.as_ref().unwrap().expose(), "anna@region.example");
    }

    #[test]
    fn every_broken_rule_is_told_by_line_and_column() {
        let good = ANNA.trim_end();
        for (from, to, column, fault) in [
            (",false", "", None, ValueFault::Fields),
            ("Anna", "", Some("givenName"), ValueFault::Missing),
            ("Anna", "An\u{7}na", Some("givenName"), ValueFault::ControlCharacter),
            ("Anna", &"A".repeat(255), Some("givenName"), ValueFault::TooLong),
            ("TSTNMT2321000156-P001", "SE2321000157-P001", Some("hsaId"), ValueFault::HsaId),
            ("-A001", "", Some("unit"), ValueFault::HsaId),
            ("anna@", "anna@x@", Some("mail"), ValueFault::Mail),
            ("anna@", "a,b@", None, ValueFault::Fields),
            ("2026-01-01", "2026-02-30", Some("start"), ValueFault::Date),
            ("2026-01-01", "2026-01-01T10:00", Some("start"), ValueFault::Date),
            ("01,,false", "01,2025-12-31,false", Some("end"), ValueFault::EndBeforeStart),
            ("false", "nej", Some("protected"), ValueFault::Protected),
        ] {
            let import = read(&format!("{ANNA}{}\n", good.replacen(from, to, 1).replace("-P001", "-P002")));
            assert_eq!(import.faults, [RowFault { line: 3, column, fault }], "{from} -> {to}");
            assert_eq!(import.posts, [], "a faulty row keeps the whole file out");
        }
        let latin1 = [HEADER.as_bytes(), &ANNA.replace('Å', "?").into_bytes()].concat();
        let latin1: Vec<u8> = latin1.into_iter().map(|byte| if byte == b'?' { 0xC5 } else { byte }).collect();
        let faults = import(latin1.as_slice(), FaultyRows::RefuseFile).unwrap().faults;
        assert_eq!(faults, [RowFault { line: 2, column: Some("surname"), fault: ValueFault::NotUtf8 }]);
    }

    #[test]
    fn faulty_rows_are_skipped_only_when_asked() {
        let file = format!("{HEADER}{ANNA}x,y\n{}", ANNA.replace("P001", "P002"));
        let skipped = import(file.as_bytes(), FaultyRows::Skip).unwrap();
        assert_eq!((skipped.posts.len(), skipped.faults.len()), (2, 1));
    }

    #[test]
    fn the_same_post_twice_is_refused_and_a_line_break_inside_quotes_keeps_the_count_of_lines() {
        let broken = ANNA.replace("P001", "P002").replace("Läkare, ", "Läkare,\n");
        let faults = read(&format!("{broken}{ANNA}{ANNA}")).faults;
        assert_eq!(
            faults,
            [
                RowFault { line: 2, column: Some("title"), fault: ValueFault::ControlCharacter },
                RowFault { line: 5, column: Some("hsaId"), fault: ValueFault::Duplicate },
            ]
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_ends_at_the_bound_not_in_memory() {
        let endless = HEADER.as_bytes().chain(&b"TSTNMT2321000156-P001,\""[..]).chain(io::repeat(b'a'));
        let faults = import(endless, FaultyRows::Skip).unwrap().faults;
        assert_eq!(faults, [RowFault { line: 2, column: None, fault: ValueFault::RowTooLong }]);
    }

    #[test]
    fn a_file_of_something_else_is_refused_as_a_whole() {
        for file in ["", "hsaId;givenName\n", "a,b,c,d,e,f,g,h,i\n"] {
            assert!(matches!(import(file.as_bytes(), FaultyRows::Skip), Err(ImportError::Header)), "{file}");
        }
        let rubbish = format!("{HEADER}{}", "x\n".repeat(FAULTS_MAX + 1));
        assert!(matches!(import(rubbish.as_bytes(), FaultyRows::Skip), Err(ImportError::TooManyFaults(_))));
    }

    #[test]
    fn a_fault_is_told_without_the_persons_data() {
        let faults = read(&ANNA.replace("anna@", "anna@x@")).faults;
        let told = format!("{} {:?}", faults[0], faults[0]);
        assert!(told.starts_with("line 2, column mail: ") && !told.contains("anna"), "{told}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_import_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let file = [HEADER.as_bytes(), &bytes].concat();
            let _ = import(file.as_slice(), FaultyRows::Skip);
        }
    }
}
