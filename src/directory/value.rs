//! What a value of a post has to be, whichever file or directory it comes from, and what to do where it is not.

use jiff::civil::Date;

use crate::domain::id::{HsaId, Private};

const TEXT_CHARS_MAX: usize = 254;
/// RFC 5321's longest path.
const MAIL_BYTES_MAX: usize = 254;

/// A broken rule. Never holds the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueFault {
    Fields,
    RowTooLong,
    NotUtf8,
    Missing,
    TooLong,
    ControlCharacter,
    HsaId,
    Mail,
    Date,
    EndBeforeStart,
    Protected,
    Duplicate,
    Moment,
    Unit,
}

impl ValueFault {
    /// The rule that the row breaks.
    pub fn rule(self) -> &'static str {
        match self {
            ValueFault::Fields => "a row has nine fields",
            ValueFault::RowTooLong => "a row is at most 64 KiB",
            ValueFault::NotUtf8 => "text is UTF-8",
            ValueFault::Missing => "the field may not be empty",
            ValueFault::TooLong => "the field is at most 254 characters",
            ValueFault::ControlCharacter => "text holds no line breaks or other control characters",
            ValueFault::HsaId => "an HSA-id is SE (in test: TSTNMT), the organisation number, a hyphen, a suffix",
            ValueFault::Mail => "a mail address is one address with one @",
            ValueFault::Date => "a date is YYYY-MM-DD and exists",
            ValueFault::EndBeforeStart => "a post does not end before it starts",
            ValueFault::Protected => "protected is true or false",
            ValueFault::Duplicate => "a person has one post at a unit from a given day",
            ValueFault::Moment => "a time is 20261231230000Z, a day 20261231 or 2026-12-31",
            ValueFault::Unit => "a person stands below a unit with an HSA-id",
        }
    }

    /// What to do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            ValueFault::Fields => "put fields that contain commas in double quotes, and double the quotes inside",
            ValueFault::RowTooLong => "look for a double quote that is never closed",
            ValueFault::NotUtf8 => "export the file as UTF-8",
            ValueFault::Missing => "fill it in",
            ValueFault::TooLong => "shorten it",
            ValueFault::ControlCharacter => "remove them",
            ValueFault::HsaId => "copy the HSA-id from the directory",
            ValueFault::Mail => "correct it, or leave it empty",
            ValueFault::Date => "write it as 2026-01-31",
            ValueFault::EndBeforeStart => "correct the dates, or leave the end empty",
            ValueFault::Protected => "write true or false",
            ValueFault::Duplicate => "keep one of the rows",
            ValueFault::Moment => "correct it, or leave it out",
            ValueFault::Unit => "export the units, too, or name the attribute that holds the unit's HSA-id",
        }
    }
}

/// Text without blanks around it; none where it is empty.
pub fn text(bytes: &[u8]) -> Result<Option<&str>, ValueFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| ValueFault::NotUtf8)?.trim();
    if text.chars().any(char::is_control) {
        return Err(ValueFault::ControlCharacter);
    }
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(ValueFault::TooLong);
    }
    Ok((!text.is_empty()).then_some(text))
}

/// The shape only: whether letters reach it shows when one is sent.
pub fn mail(text: &str) -> Result<Private, ValueFault> {
    let fits = text.len() <= MAIL_BYTES_MAX
        && !text.contains([' ', ',', ';', '<', '>'])
        && text
            .split_once('@')
            .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'));
    if fits { Ok(Private::new(text.to_owned())) } else { Err(ValueFault::Mail) }
}

pub fn hsa_id(text: &str) -> Result<HsaId, ValueFault> {
    HsaId::parse(text).map_err(|_| ValueFault::HsaId)
}

/// `2026-12-31`.
pub fn date(text: &str) -> Option<Date> {
    // jiff alone would take a time behind the date, too.
    (text.len() == 10).then(|| text.parse().ok()).flatten()
}
