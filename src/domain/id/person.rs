//! A citizen's identity: a register and the number in it.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::hsa::HsaId;
use super::pasted::{compact, plain};
use super::register::PersonIdSystem;
use super::{civic, reserve};
use crate::domain::language::Language;

/// A citizen's identity number as its register writes it: capitals and digits, without separator. Prints as `•`: no
/// log, URL or message can hold it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PersonId {
    system: PersonIdSystem,
    value: String,
}

/// Why a text is no identity number. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonIdError {
    /// It is not written as the register writes its numbers.
    Shape(PersonIdSystem),
    /// No register writes its numbers so.
    Unknown,
    /// Ten digits: the century is part of the identity.
    Century,
    Date,
    BirthNumber,
    CheckDigit,
    /// Born after today.
    Future,
    /// `+` although the century says that the person is under a hundred.
    Sign,
    /// The number is of another register.
    System,
}

impl PersonIdError {
    /// The rule that the number breaks, as the end of "The rule: ".
    pub fn text(self, language: Language) -> &'static str {
        let (sv, en) = match self {
            PersonIdError::Shape(system) => return system.shape(language),
            PersonIdError::Unknown => (
                "numret ska vara ett personnummer, ett samordningsnummer eller ett reservnummer som gatewayen känner",
                "the number is a personnummer, a samordningsnummer or a reserve number that the gateway knows",
            ),
            PersonIdError::Century => (
                "numret skrivs med sekel, tolv siffror, ÅÅÅÅMMDDNNNK: tio siffror kan vara två personer",
                "write the century, twelve digits, ÅÅÅÅMMDDNNNK: ten digits may be two people",
            ),
            PersonIdError::Date => ("numrets datum ska finnas", "the identity number's date does not exist"),
            PersonIdError::BirthNumber => ("födelsenumret är 001–999", "the birth number is 001–999"),
            PersonIdError::CheckDigit => ("kontrollsiffran ska stämma", "the identity number's check digit is wrong"),
            PersonIdError::Future => {
                ("födelsedatumet kan inte ligga i framtiden", "the date of birth lies in the future")
            }
            PersonIdError::Sign => (
                "plustecken skrivs för den som fyllt eller i år fyller hundra: seklet eller tecknet är fel",
                "a plus sign is for who is or turns a hundred this year: the century or the sign is wrong",
            ),
            PersonIdError::System => (
                "numret ska höra till det register som system säger",
                "the number is of another register than `system` says",
            ),
        };
        match language {
            Language::Sv => sv,
            Language::En => en,
        }
    }

    /// How far the reading came: of several registers' errors the one that came furthest tells most.
    fn depth(self) -> u8 {
        match self {
            PersonIdError::Unknown => 0,
            PersonIdError::Shape(_) | PersonIdError::System => 1,
            PersonIdError::Century => 2,
            PersonIdError::Date => 3,
            PersonIdError::BirthNumber | PersonIdError::CheckDigit => 4,
            PersonIdError::Future | PersonIdError::Sign => 5,
        }
    }
}

impl fmt::Display for PersonIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(Language::En))
    }
}

impl std::error::Error for PersonIdError {}

impl PersonId {
    /// Reads a number of the register that the sender names. Pasted blanks around it go, one separator before the last
    /// four characters goes, letters become capitals. `today` is the day in Sweden: nobody is born after it.
    pub fn parse_in(system: PersonIdSystem, text: &str, today: Date) -> Result<PersonId, PersonIdError> {
        let value = read(system, &plain(text), Some(today))?;
        Ok(PersonId { system, value })
    }

    pub fn system(&self) -> PersonIdSystem {
        self.system
    }

    /// The number: for the answer to the one who may read it and for keyed hashing, nothing else.
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// Numbers for tests, which are never assigned to anybody: Skatteverket's published test persons that we know of,
    /// Värmland's with a digit last, those given by an organisation of the test directory.
    pub fn is_test_person(&self) -> bool {
        match self.system {
            PersonIdSystem::VarmlandReserve => self.value.ends_with(|last: char| last.is_ascii_digit()),
            PersonIdSystem::Local => {
                let issuer = self.value.split(':').next().and_then(|issuer| HsaId::parse(issuer).ok());
                issuer.is_some_and(|issuer| issuer.is_test())
            }
            _ => test_persons().any(|number| number == self.value),
        }
    }
}

/// Skatteverket's published test persons that we know of, one a line, with their sources.
const TEST_PERSONS: &str = include_str!("test_persons.txt");

pub(super) fn test_persons() -> impl Iterator<Item = &'static str> {
    TEST_PERSONS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The number as the register writes it. Without `today` nothing is asked of the future.
pub(super) fn read(system: PersonIdSystem, plain: &str, today: Option<Date>) -> Result<String, PersonIdError> {
    if system == PersonIdSystem::Local {
        return reserve::local(plain);
    }
    let (number, sign) = compact(plain).ok_or(PersonIdError::Shape(system))?;
    match (system, sign) {
        (PersonIdSystem::Personnummer | PersonIdSystem::Samordningsnummer, _) => {
            civic::judge(system, &number, sign == Some('+'), today)?;
        }
        (_, Some('+')) => return Err(PersonIdError::Shape(system)),
        _ => reserve::judge(system, &number)?,
    }
    Ok(number)
}

/// What a number is, when nobody says which register it is of. No right number is right in two registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognised {
    In(PersonIdSystem),
    /// An interim number: somebody's only together with who gave it (`PersonIdSystem::Local`).
    Interim,
}

/// Says what a number is; the error is of the register that the number came nearest to.
pub fn recognise(text: &str, today: Date) -> Result<Recognised, PersonIdError> {
    let plain = plain(text);
    let mut nearest = PersonIdError::Unknown;
    for system in PersonIdSystem::ALL {
        match read(system, &plain, Some(today)) {
            Ok(_) => return Ok(Recognised::In(system)),
            Err(error) if error.depth() > nearest.depth() => nearest = error,
            Err(_) => {}
        }
    }
    match nearest {
        _ if civic::is_interim(&plain, today) => Ok(Recognised::Interim),
        PersonIdError::Shape(_) | PersonIdError::System => Err(PersonIdError::Unknown),
        nearest => Err(nearest),
    }
}

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

/// Records only: what was accepted once stays readable, whatever rule has been sharpened since.
impl<'de> Deserialize<'de> for PersonId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<PersonId, D::Error> {
        let PersonIdRecord { system, value } = PersonIdRecord::deserialize(deserializer)?;
        Ok(PersonId { system, value })
    }
}
