//! Reserve numbers: for patients without personnummer or samordningsnummer, national or of a region.
//!
//! Sources: Inera, "Nationellt reservidformat" (national), "Lokala reservid" (Stockholm, Västra Götaland, Värmland,
//! Carelink); HL7 Sweden, base profiles R4 (Skåne). Their published examples are in the tests.

use jiff::civil::Date;

use super::civic::YEAR_MIN;
use super::hsa::HsaId;
use super::pasted::{compact, luhn_ok};
use super::person::PersonIdError;
use super::register::PersonIdSystem;

/// From 2200 on, eight digits are no date but begin a national reserve number.
const YEAR_MAX: i16 = 2199;
/// The longest number within an organisation, in characters.
const LOCAL_LEN_MAX: usize = 20;

type Twelve = [u8; 12];

/// Judges a number of capitals and digits, without its hyphen.
pub(super) fn judge(system: PersonIdSystem, number: &str) -> Result<(), PersonIdError> {
    let shape = PersonIdError::Shape(system);
    if system == PersonIdSystem::SkaneReserve {
        return skane(number.as_bytes()).ok_or(shape)?;
    }
    let twelve = Twelve::try_from(number.as_bytes()).map_err(|_| shape)?;
    match system {
        PersonIdSystem::NationalReserve => national(&twelve),
        PersonIdSystem::StockholmReserve => stockholm(&twelve),
        PersonIdSystem::VastraGotalandReserve => vastra_gotaland(&twelve),
        PersonIdSystem::VarmlandReserve => varmland(&twelve),
        PersonIdSystem::CarelinkReserve => carelink(&twelve),
        _ => None,
    }
    .ok_or(shape)?
}

/// Some: the number is written as the register writes it, and right or not. None: it is written otherwise.
type Judged = Option<Result<(), PersonIdError>>;

/// `XXYYMMDDNNGC`. XX is the century of birth + 3, 6, 9 … 78, or 00 with a serial number (month 20–99, day 40–59) for who
/// was born nobody knows when. The check digit is Luhn's with a weight of 2 first, a letter counting as its ASCII code.
fn national(n: &Twelve) -> Judged {
    let is_letter = |b: u8| b.is_ascii_uppercase() && !b"IOQVW".contains(&b);
    let fits = is_letter(n[8]) && is_letter(n[9]) && (is_letter(n[10]) || n[10].is_ascii_digit());
    let (century, year, month, day) = (pair(n, 0)?, pair(n, 2)?, pair(n, 4)?, pair(n, 6)?);
    if !fits || !n[11].is_ascii_digit() {
        return None;
    }
    let has_date = match century {
        0 => (20..=99).contains(&month) && (40..=59).contains(&day),
        22.. => date((18 + i16::from(century % 3)) * 100 + i16::from(year), month, day).is_some(),
        _ => return None,
    };
    let weighed = n[..11].iter().zip([2, 1].into_iter().cycle()).map(|(b, weight)| {
        let value = if b.is_ascii_digit() { b - b'0' } else { *b };
        let n = u32::from(value) * weight;
        n / 100 + n / 10 % 10 + n % 10
    });
    let sum = weighed.sum::<u32>() + u32::from(n[11] - b'0');
    Some(dated(has_date, sum.is_multiple_of(10)))
}

/// `99yyyyNNNNNC`: the year in which it was given, a serial number, Luhn over positions 5–12.
fn stockholm(n: &Twelve) -> Judged {
    let digits = digits(n)?;
    (n[..2] == *b"99").then(|| dated(true, luhn_ok(&digits[4..])))
}

/// `yyyymmddGggC`, Luhn over positions 3–12 with K = 5, M = 7, X = 8.
fn vastra_gotaland(n: &Twelve) -> Judged {
    let (serial, mut all) = (pair(n, 9)?, *n);
    let (fits, value) = match n[8] {
        b'M' => ((6..=79).contains(&serial) && serial % 2 == 1, b'7'),
        b'K' => ((6..=79).contains(&serial) && serial.is_multiple_of(2), b'5'),
        b'X' => ((80..=89).contains(&serial), b'8'),
        _ => return None,
    };
    all[8] = value;
    let digits = digits(&all)?;
    fits.then(|| dated(birthday(n).is_some(), luhn_ok(&digits[2..])))
}

/// `yyyymmddSBNC`: no check digit; C numbers them in order, with digits where the number is for tests.
fn varmland(n: &Twelve) -> Judged {
    let order_fits = (n[11].is_ascii_uppercase() && n[11] != b'V') || (b'1'..=b'9').contains(&n[11]);
    let fits = n[8] == b'S' && b"FUXPL".contains(&n[9]) && n[10].is_ascii_digit() && order_fits;
    let is_dated = n[..8].iter().all(u8::is_ascii_digit);
    (fits && is_dated).then(|| dated(birthday(n).is_some(), true))
}

/// A date and four characters without a check digit. Where the century is left out the number stays as it is written:
/// only the region knows which one it would be.
fn skane(n: &[u8]) -> Judged {
    let (born, rest) = n.split_at_checked(n.len().checked_sub(4)?)?;
    let [first, second, third, fourth] = rest else { return None };
    let fits = b"DEF".contains(first) && second.is_ascii_uppercase() && b"01".contains(third);
    if !fits || !fourth.is_ascii_uppercase() || !born.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let has_date = match born {
        [year @ .., m1, m2, d1, d2] if matches!(year.len(), 2 | 4) => {
            let year = year.iter().fold(0, |n, digit| n * 10 + i16::from(digit - b'0'));
            // A leap year of one of the two centuries, where neither is said.
            let year = if born.len() == 6 { 2000 + year } else { year };
            date(year, (m1 - b'0') * 10 + m2 - b'0', (d1 - b'0') * 10 + d2 - b'0').is_some()
        }
        _ => return None,
    };
    Some(dated(has_date, true))
}

/// `yyyymmxxNNNC`: xx is 32–59 where a day would stand, Luhn over positions 3–12.
fn carelink(n: &Twelve) -> Judged {
    let (digits, month, day) = (digits(n)?, pair(n, 4)?, pair(n, 6)?);
    let fits = (17..=20).contains(&pair(n, 0)?) && (32..=59).contains(&day);
    fits.then(|| dated((1..=12).contains(&month), luhn_ok(&digits[2..])))
}

/// `HSA-id:number`, made plain: who gave the number, and the number without its hyphen.
pub(super) fn local(plain: &str) -> Result<String, PersonIdError> {
    let shape = PersonIdError::Shape(PersonIdSystem::Local);
    let (issuer, number) = plain.split_once(':').ok_or(shape)?;
    let issuer = HsaId::parse(issuer).map_err(|_| shape)?;
    let (number, sign) = compact(number.trim()).ok_or(shape)?;
    if sign == Some('+') || !(1..=LOCAL_LEN_MAX).contains(&number.len()) {
        return Err(shape);
    }
    // Who has a number in one of Skatteverket's registers is known by that one, whoever wrote it down.
    let civic = [PersonIdSystem::Personnummer, PersonIdSystem::Samordningsnummer];
    if civic.into_iter().any(|system| super::civic::judge(system, &number, false, None).is_ok()) {
        return Err(PersonIdError::System);
    }
    Ok(format!("{issuer}:{number}"))
}

fn dated(has_date: bool, has_check_digit: bool) -> Result<(), PersonIdError> {
    match (has_date, has_check_digit) {
        (false, _) => Err(PersonIdError::Date),
        (true, false) => Err(PersonIdError::CheckDigit),
        (true, true) => Ok(()),
    }
}

fn birthday(n: &Twelve) -> Option<Date> {
    let year = i16::from(pair(n, 0)?) * 100 + i16::from(pair(n, 2)?);
    (YEAR_MIN..=YEAR_MAX).contains(&year).then(|| date(year, pair(n, 4)?, pair(n, 6)?))?
}

pub(super) fn date(year: i16, month: u8, day: u8) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn digits(n: &Twelve) -> Option<Twelve> {
    n.iter().all(u8::is_ascii_digit).then(|| n.map(|b| b - b'0'))
}

/// The two digits at a place, as a number.
fn pair(n: &Twelve, at: usize) -> Option<u8> {
    let [tens, ones] = <[u8; 2]>::try_from(n.get(at..at + 2)?).ok()?;
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + ones - b'0')
}
