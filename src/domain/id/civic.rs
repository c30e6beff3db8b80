//! Skatteverket's numbers: personnummer and samordningsnummer, and the interim numbers that imitate them.

use jiff::civil::Date;

use super::pasted::{compact, digits, luhn_ok};
use super::person::PersonIdError;
use super::register::PersonIdSystem;

/// The first personnummer were given in 1947; nobody who lived then was born before this year.
pub(super) const YEAR_MIN: i16 = 1840;
/// What is added to the day of birth in a samordningsnummer.
const COORDINATION_DAYS: u8 = 60;
/// Letters that stand for the first digit of an interim number's birth number, where each counts as 1.
const INTERIM_LETTERS: &[u8] = b"JKLMNPRSTUWX";

/// When somebody was born, as far as the number tells.
struct Birth {
    year: i16,
    date: Option<Date>,
}

/// Judges a number without its sign; `plus` is whether the sign was `+`. Without `today` nothing is asked of the future
/// and of the sign.
///
/// The rules: a date that exists, a birth number 001–999 (Skatteverket, Rättslig vägledning: "Personnumrets olika
/// delar"), Luhn's check digit over the last ten digits. A samordningsnummer adds 60 to the day (SKV 707) and may leave
/// month or day 00, when they are unknown: Skatteverket's own test data have such numbers. Its birth number is 001–999
/// too, but care's shared test patients have one with 000 (sklintyg), so that it is let pass. Nobody is born tomorrow. `+`
/// stands from the year in which somebody turns 100 (folkbokföringslagen 18 §); beside a century that says otherwise it
/// is a slip in one of the two, and each would be another person. The hyphen says nothing beside a century.
pub(super) fn judge(
    system: PersonIdSystem,
    number: &str,
    plus: bool,
    today: Option<Date>,
) -> Result<(), PersonIdError> {
    let all = digits(number).ok_or(PersonIdError::Shape(system))?;
    let all = match <[u8; 12]>::try_from(all) {
        Ok(all) => all,
        Err(ten) if ten.len() == 10 => return Err(PersonIdError::Century),
        Err(_) => return Err(PersonIdError::Shape(system)),
    };
    let (month, day) = (pair(all[4], all[5]), pair(all[6], all[7]));
    let is_coordination = day >= COORDINATION_DAYS;
    if is_coordination != (system == PersonIdSystem::Samordningsnummer) {
        return Err(PersonIdError::System);
    }
    let day = if is_coordination { day - COORDINATION_DAYS } else { day };
    let birth = birth(year(&all), month, day, is_coordination).ok_or(PersonIdError::Date)?;
    if !is_coordination && all[8..11] == [0, 0, 0] {
        return Err(PersonIdError::BirthNumber);
    }
    // The century stands outside the check digit (Skatteverket).
    if !luhn_ok(&all[2..]) {
        return Err(PersonIdError::CheckDigit);
    }
    match today {
        Some(today) if birth.is_after(today) => Err(PersonIdError::Future),
        Some(today) if plus && today.year() - birth.year < 100 => Err(PersonIdError::Sign),
        _ => Ok(()),
    }
}

/// Whether a plain text is an interim number: a personnummer with a letter for the first digit of the birth number, as
/// given by universities and others who cannot wait for a personnummer. No register names them all, so that one is
/// somebody's only together with who gave it (`PersonIdSystem::Local`).
pub(super) fn is_interim(plain: &str, today: Date) -> bool {
    let Some((number, None | Some('-'))) = compact(plain) else { return false };
    let Ok(mut all) = <[u8; 12]>::try_from(number.into_bytes()) else { return false };
    if !INTERIM_LETTERS.contains(&all[8]) {
        return false;
    }
    all[8] = b'1';
    if !all.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let all = all.map(|b| b - b'0');
    let birth = birth(year(&all), pair(all[4], all[5]), pair(all[6], all[7]), false);
    birth.is_some_and(|birth| !birth.is_after(today)) && luhn_ok(&all[2..])
}

impl Birth {
    fn is_after(&self, today: Date) -> bool {
        match self.date {
            Some(date) => date > today,
            None => self.year > today.year(),
        }
    }
}

fn birth(year: i16, month: u8, day: u8, may_be_unknown: bool) -> Option<Birth> {
    if year < YEAR_MIN {
        return None;
    }
    let is_unknown = may_be_unknown && month <= 12 && day <= 31 && (month == 0 || day == 0);
    let date = if is_unknown { None } else { Some(super::reserve::date(year, month, day)?) };
    Some(Birth { year, date })
}

fn year(all: &[u8; 12]) -> i16 {
    i16::from(pair(all[0], all[1])) * 100 + i16::from(pair(all[2], all[3]))
}

/// Two digits as a number.
fn pair(tens: u8, ones: u8) -> u8 {
    tens * 10 + ones
}
