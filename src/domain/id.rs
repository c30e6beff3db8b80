//! Identifiers, parsed once into types. Those of citizens mask themselves wherever they might be printed.

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

/// The longest HSA-id (HSA's own limit), in characters.
const HSA_ID_LEN_MAX: usize = 31;
/// Test directories use this prefix where production has `SE`.
const TEST_PREFIX: &str = "TSTNMT";

/// The HSA-id of a person, a system or a care unit: `SE` (test: `TSTNMT`) + organisation number + `-` + suffix.
///
/// May stand in URLs and logs: it names staff and systems, never a citizen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HsaId(String);

/// Why a text is no HSA-id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HsaIdError {
    #[error("an HSA-id begins with SE (in test: TSTNMT)")]
    Prefix,
    #[error("an HSA-id is at most 31 characters")]
    Length,
    #[error("the organisation number in an HSA-id is 10 digits (or 16 and 10 digits) with a right check digit")]
    OrganisationNumber,
    #[error("after the organisation number of an HSA-id come a hyphen and letters A-Z or digits")]
    Suffix,
}

impl HsaId {
    /// Blanks around the text are trimmed (people paste), letters become capitals: the directory looks them up without regard to case.
    pub fn parse(text: &str) -> Result<HsaId, HsaIdError> {
        let id = text.trim().to_ascii_uppercase();
        if id.len() > HSA_ID_LEN_MAX {
            return Err(HsaIdError::Length);
        }
        let rest = id.strip_prefix(TEST_PREFIX).or_else(|| id.strip_prefix("SE")).ok_or(HsaIdError::Prefix)?;
        let (organisation, suffix) = rest.split_once('-').ok_or(HsaIdError::Suffix)?;
        // Seen in the wild: the century-like 16 of a twelve-digit organisation number.
        let ten = match organisation.len() {
            12 => organisation.strip_prefix("16").ok_or(HsaIdError::OrganisationNumber)?,
            _ => organisation,
        };
        if ten.len() != 10 || !digits(ten).is_some_and(|d| luhn_ok(&d)) {
            return Err(HsaIdError::OrganisationNumber);
        }
        if suffix.is_empty() || !suffix.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(HsaIdError::Suffix);
        }
        Ok(HsaId(id))
    }

    /// Ids of the test directory never meet production, nor the reverse.
    pub fn is_test(&self) -> bool {
        self.0.starts_with(TEST_PREFIX)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HsaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for HsaId {
    type Error = HsaIdError;
    fn try_from(text: String) -> Result<HsaId, HsaIdError> {
        HsaId::parse(&text)
    }
}

impl From<HsaId> for String {
    fn from(id: HsaId) -> String {
        id.0
    }
}

/// Which register an identity number belongs to. Identity is system and value, never the value alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PersonIdSystem {
    #[serde(rename = "urn:oid:1.2.752.129.2.1.3.1")]
    Personnummer,
    #[serde(rename = "urn:oid:1.2.752.129.2.1.3.3")]
    Samordningsnummer,
}

impl PersonIdSystem {
    /// The OID as FHIR writes it in `Identifier.system`.
    pub fn urn(self) -> &'static str {
        match self {
            PersonIdSystem::Personnummer => "urn:oid:1.2.752.129.2.1.3.1",
            PersonIdSystem::Samordningsnummer => "urn:oid:1.2.752.129.2.1.3.3",
        }
    }
}

/// A citizen's identity number, twelve digits without separator. Prints as `•`: no log, URL or message can hold it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PersonId {
    system: PersonIdSystem,
    value: String,
}

/// Why a text is no identity number. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PersonIdError {
    #[error("an identity number is twelve digits with the century, ÅÅÅÅMMDDNNNK")]
    Shape,
    #[error("the identity number's date does not exist")]
    Date,
    #[error("the identity number's check digit is wrong")]
    CheckDigit,
    #[error("the number is of another register than `system` says")]
    System,
}

impl PersonId {
    /// Reads a personnummer or samordningsnummer: twelve digits, or twelve with a hyphen before the last four.
    /// Blanks around it are trimmed. Ten-digit numbers are refused: the century is part of the identity.
    pub fn parse(text: &str) -> Result<PersonId, PersonIdError> {
        let trimmed = text.trim();
        let compact = match trimmed.split_once('-') {
            Some((date, last)) if date.len() == 8 && last.len() == 4 => format!("{date}{last}"),
            Some(_) => return Err(PersonIdError::Shape),
            None => trimmed.to_owned(),
        };
        let all = digits(&compact).filter(|d| d.len() == 12).ok_or(PersonIdError::Shape)?;
        let number = |from: usize, to: usize| all[from..to].iter().fold(0_i16, |n, d| n * 10 + i16::from(*d));
        let day = number(6, 8);
        let (system, day) = match day {
            61..=91 => (PersonIdSystem::Samordningsnummer, day - 60),
            _ => (PersonIdSystem::Personnummer, day),
        };
        let (Ok(month), Ok(day)) = (i8::try_from(number(4, 6)), i8::try_from(day)) else {
            return Err(PersonIdError::Date);
        };
        if number(0, 4) < YEAR_MIN || jiff::civil::Date::new(number(0, 4), month, day).is_err() {
            return Err(PersonIdError::Date);
        }
        // The century stands outside the check digit (Skatteverket).
        if !luhn_ok(&all[2..]) {
            return Err(PersonIdError::CheckDigit);
        }
        Ok(PersonId { system, value: compact })
    }

    /// As `parse`, and the register must be the one that the sender named.
    pub fn parse_in(system: PersonIdSystem, text: &str) -> Result<PersonId, PersonIdError> {
        let id = PersonId::parse(text)?;
        if id.system == system { Ok(id) } else { Err(PersonIdError::System) }
    }

    pub fn system(&self) -> PersonIdSystem {
        self.system
    }

    /// The twelve digits: for the answer to the one who may read them and for keyed hashing, nothing else.
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// One of Skatteverket's published test persons, which are never assigned to anybody.
    pub fn is_test_person(&self) -> bool {
        TEST_PERSONS.split_ascii_whitespace().any(|number| number == self.value)
    }
}

/// Nobody in care has an older one; earlier years are slips of the pen.
const YEAR_MIN: i16 = 1870;

/// Skatteverket's published test persons that we know of, one a line.
const TEST_PERSONS: &str = include_str!("test_persons.txt");

impl fmt::Debug for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(•)", self.system)
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•")
    }
}

#[derive(Serialize, Deserialize)]
struct PersonIdRecord {
    system: PersonIdSystem,
    value: String,
}

impl Serialize for PersonId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PersonIdRecord { system: self.system, value: self.value.clone() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PersonId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<PersonId, D::Error> {
        let record = PersonIdRecord::deserialize(deserializer)?;
        PersonId::parse_in(record.system, &record.value).map_err(serde::de::Error::custom)
    }
}

/// A text about a person that must not be printed: a name, a telephone number, an address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Private(String);

impl Private {
    pub fn new(text: String) -> Private {
        Private(text)
    }

    /// The text itself, for the one who may read it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•")
    }
}

fn digits(text: &str) -> Option<Vec<u8>> {
    text.bytes().map(|b| b.is_ascii_digit().then(|| b - b'0')).collect()
}

/// Luhn's check over all digits, the last being the check digit.
fn luhn_ok(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| {
            let n = u32::from(*d) << (i % 2);
            n / 10 + n % 10
        })
        .sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}

/// Digits that may be an identity number: twelve, or ten with the sign between date and birth number or without it.
static NUMBER_LIKE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b(?:\d{8}[- ]?\d{4}|\d{6}[-+]\d{4}|[1-9]\d{9})\b").ok());

/// Whether a text holds a citizen's identity number: a date that exists and a right check digit, in the spellings
/// that people use. Ten bare digits that begin with 0 are a telephone number; the rest of what is mistaken for one (one
/// in some 140 ten-digit numbers) is let in by writing it in groups.
pub fn holds_person_id(text: &str) -> bool {
    let Some(pattern) = LazyLock::force(&NUMBER_LIKE) else { return true };
    pattern.find_iter(text).any(|found| {
        let digits: String = found.as_str().chars().filter(char::is_ascii_digit).collect();
        match digits.len() {
            12 => PersonId::parse(&digits).is_ok(),
            _ => ["19", "20"].iter().any(|century| PersonId::parse(&format!("{century}{digits}")).is_ok()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_test_persons_are_read_and_told_apart_from_coordination_numbers() {
        let tolvan = PersonId::parse(" 19121212-1212 ").unwrap();
        assert_eq!((tolvan.system(), tolvan.expose()), (PersonIdSystem::Personnummer, "191212121212"));
        assert!(tolvan.is_test_person());
        assert_eq!(PersonId::parse("198001910002").unwrap().system(), PersonIdSystem::Samordningsnummer);
    }

    #[test]
    fn a_number_without_century_a_wrong_date_and_a_wrong_check_digit_are_refused_by_name() {
        for (text, why) in [
            ("1212121212", PersonIdError::Shape),
            ("121212-1212", PersonIdError::Shape),
            ("", PersonIdError::Shape),
            ("1912121212١2", PersonIdError::Shape),
            ("191213121212", PersonIdError::Date),
            ("190002291212", PersonIdError::Date),
            ("191212121213", PersonIdError::CheckDigit),
        ] {
            assert_eq!(PersonId::parse(text), Err(why), "{text}");
        }
        assert_eq!(PersonId::parse_in(PersonIdSystem::Samordningsnummer, "191212121212"), Err(PersonIdError::System));
    }

    #[test]
    fn a_citizens_number_never_prints() {
        let id = PersonId::parse("191212121212").unwrap();
        for printed in [format!("{id}"), format!("{id:?}"), format!("{:?}", Some(&id))] {
            assert!(!printed.contains("1212"), "{printed}");
        }
        assert_eq!(format!("{:?}", Private::new("Anna".into())), "•");
    }

    #[test]
    fn hsa_ids_in_the_spellings_seen() {
        for good in ["TSTNMT2321000156-1019", " tstnmt2321000156-a001 ", "SE2321000016-1A2B", "SE165565594230-1000"] {
            HsaId::parse(good).unwrap();
        }
        for (bad, why) in [
            ("2321000156-1019", HsaIdError::Prefix),
            ("SE2321000157-1019", HsaIdError::OrganisationNumber),
            ("SE2321000156", HsaIdError::Suffix),
            ("SE2321000156-", HsaIdError::Suffix),
            ("SE2321000156-Å1", HsaIdError::Suffix),
            ("TSTNMT2321000156-123456789012345", HsaIdError::Length),
        ] {
            assert_eq!(HsaId::parse(bad), Err(why), "{bad}");
        }
        assert_eq!(HsaId::parse(" tstnmt2321000156-a001 ").unwrap().as_str(), "TSTNMT2321000156-A001");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in ".{0,40}") {
            let _ = PersonId::parse(&text);
            let _ = HsaId::parse(&text);
        }

        #[test]
        fn one_wrong_digit_is_always_caught(at in 2_usize..12, by in 1_u8..10) {
            let mut digits = b"191212121212".to_vec();
            digits[at] = b'0' + (digits[at] - b'0' + by) % 10;
            let text = String::from_utf8(digits).unwrap();
            prop_assert!(PersonId::parse(&text).is_err());
        }
    }

    #[test]
    fn identity_numbers_are_seen_in_every_spelling() {
        for text in [
            "191212121212",
            "Patienten (19121212-1212) kan inte logga in",
            "pnr:19121212 1212.",
            "121212-1212",
            "121212+1212",
            "1212121212",
            "samordningsnummer 198001910002",
        ] {
            assert!(holds_person_id(text), "{text}");
        }
    }

    #[test]
    fn telephone_numbers_hsa_ids_dates_and_own_case_numbers_are_not_taken_for_one() {
        for text in [
            "Ring 0771-25 10 10 eller 031-390 06 10",
            "0701011230",
            "070-123 45 67",
            "+46701234567",
            "TSTNMT2321000156-1006",
            "SE165565594230-1000",
            "2026-11-23 kl. 07.40",
            "2026-11-23T07:40:00",
            "INC0012345678",
            "CS2404231234",
            "191212121213",
            "0193a7c4-5b1e-7c3d-8f00-1912121a1212",
        ] {
            assert!(!holds_person_id(text), "{text}");
        }
    }
}
