//! Addresses with what they subscribe to, from a CSV file (RFC 4180, UTF-8, header first). Faults are told by line and
//! rule, never with the content. Whether the named services exist is the gateway's question.

use csv::{ReaderBuilder, StringRecord};

use crate::domain::language::Language;
use crate::domain::mail_address::{MailAddress, MailAddressError};
use crate::domain::status::choice::Mode;

/// The header, in this order; all but the first may be left out from the right.
pub const COLUMNS: [&str; 4] = ["address", "language", "targets", "dailyAt"];
/// Longest file, in bytes, and the most rows in it.
const FILE_BYTES_MAX: usize = 32 << 20;
const ROWS_MAX: usize = 200_000;

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRow {
    /// The header being line 1.
    pub line: u64,
    pub address: MailAddress,
    pub language: Language,
    /// `all`, `group:slug`, `component:slug`; everything where there are none.
    pub targets: Vec<String>,
    pub mode: Mode,
}

/// Why a row is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    #[error("{0}")]
    Address(#[from] MailAddressError),
    #[error("a language is sv or en; left empty it is sv")]
    Language,
    #[error("a time of a day is 00:00 to 23:59; left empty mail comes at once")]
    Time,
    #[error("a row is UTF-8 text with at most four fields, fields with commas in double quotes")]
    Row,
}

/// Why a file cannot be gone through at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressFileError {
    #[error("a file is at most 32 MiB")]
    TooLong,
    #[error("more than 200000 rows")]
    TooManyRows,
    #[error("the first line must begin with address, then language, targets, dailyAt as far as they are wanted")]
    Header,
}

/// The sound rows, and the line and fault of each other.
pub type AddressFile = (Vec<AddressRow>, Vec<(u64, AddressFault)>);

/// Reads a whole file.
pub fn read(file: &[u8]) -> Result<AddressFile, AddressFileError> {
    if file.len() > FILE_BYTES_MAX {
        return Err(AddressFileError::TooLong);
    }
    let file = file.strip_prefix("\u{feff}".as_bytes()).unwrap_or(file);
    // With CRLF the csv reader counts a line behind.
    let lines: Vec<_> =
        file.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    let file = lines.join(&b'\n');
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file.as_slice());
    let mut rows = reader.records();
    let header = rows.next().and_then(Result::ok).ok_or(AddressFileError::Header)?;
    let is_header = !header.is_empty() && header.iter().map(str::trim).eq(COLUMNS.iter().copied().take(header.len()));
    if !is_header || header.len() > COLUMNS.len() {
        return Err(AddressFileError::Header);
    }
    let (mut sound, mut faults) = (Vec::new(), Vec::new());
    for (count, row) in rows.enumerate() {
        if count >= ROWS_MAX {
            return Err(AddressFileError::TooManyRows);
        }
        let (line, read) = match &row {
            Ok(row) => (row.position().map_or(0, csv::Position::line), read_row(row)),
            Err(error) => (error.position().map_or(0, csv::Position::line), Err(AddressFault::Row)),
        };
        match read {
            Ok(row) => sound.push(AddressRow { line, ..row }),
            Err(fault) => faults.push((line, fault)),
        }
    }
    Ok((sound, faults))
}

fn read_row(row: &StringRecord) -> Result<AddressRow, AddressFault> {
    if row.len() > COLUMNS.len() {
        return Err(AddressFault::Row);
    }
    let field = |place: usize| row.get(place).unwrap_or_default().trim();
    let language = match field(1) {
        "" | "sv" => Language::Sv,
        "en" => Language::En,
        _ => return Err(AddressFault::Language),
    };
    let mode = match field(3) {
        "" => Mode::AtOnce,
        time => Mode::daily_at(time).ok_or(AddressFault::Time)?,
    };
    let targets = field(2).split([' ', ';']).filter(|target| !target.is_empty()).map(str::to_owned).collect();
    Ok(AddressRow { line: 0, address: MailAddress::parse(field(0))?, language, targets, mode })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_faults_told_by_their_line() {
        let file = "\u{feff}address,language,targets,dailyAt\r\n\
                    tolvan@example.test,en,group:e-tjanster siths,07:30\r\n\
                    elvan@example.test\r\n\
                    inte en adress,sv,,\r\n\
                    tian@example.test,de,,\r\n\
                    nian@example.test,,,7.30\r\n\
                    attan@example.test,,,,för mycket\r\n";
        let (rows, faults) = read(file.as_bytes()).unwrap();
        let [tolvan, elvan] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((tolvan.line, tolvan.language, tolvan.targets.len()), (2, Language::En, 2));
        assert_eq!(tolvan.mode, Mode::Digest { hour: 7, minute: 30 });
        assert_eq!((elvan.line, elvan.language, elvan.targets.is_empty()), (3, Language::Sv, true));
        let told: Vec<_> = faults.iter().map(|(line, fault)| (*line, *fault)).collect();
        assert_eq!(
            told,
            [
                (4, AddressFault::Address(MailAddressError::Control)),
                (5, AddressFault::Language),
                (6, AddressFault::Time),
                (7, AddressFault::Row)
            ]
        );
    }

    #[test]
    fn what_is_no_such_file_is_refused_whole() {
        for file in ["", "tolvan@example.test\n", "address,targets\n", "address,language,targets,dailyAt,x\n"] {
            assert_eq!(read(file.as_bytes()), Err(AddressFileError::Header), "{file:?}");
        }
        assert_eq!(read(b"address\n\xff\xfe\n").unwrap().1, [(2, AddressFault::Row)]);
    }
}
