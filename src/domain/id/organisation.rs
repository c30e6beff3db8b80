//! Organisation numbers.

use std::fmt;

use super::pasted::{compact, digits, luhn_ok, plain};

/// A Swedish organisation number, ten digits. Prints with its hyphen, as authorities write it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganisationNumber(String);

/// Why a text is no organisation number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrganisationNumberError {
    #[error("an organisation number is ten digits, NNNNNN-NNNN (or 16 and ten digits)")]
    Shape,
    #[error("the third digit of an organisation number is at least 2: this is a person's number")]
    Person,
    #[error("the organisation number's check digit is wrong")]
    CheckDigit,
}

impl OrganisationNumber {
    /// Reads `NNNNNNNNNN` and `NNNNNN-NNNN`, both also with the `16` that stands for a century in twelve-digit fields.
    /// The third digit is 2 or more, so that no personnummer is taken for one (Skatteverket, SKV 709).
    pub fn parse(text: &str) -> Result<OrganisationNumber, OrganisationNumberError> {
        let (number, sign) = compact(&plain(text)).ok_or(OrganisationNumberError::Shape)?;
        let ten = without_century(&number);
        let digits = digits(ten).filter(|d| d.len() == LEN && sign != Some('+'));
        let digits = digits.ok_or(OrganisationNumberError::Shape)?;
        if digits.get(2).is_none_or(|third| *third < 2) {
            return Err(OrganisationNumberError::Person);
        }
        if !luhn_ok(&digits) {
            return Err(OrganisationNumberError::CheckDigit);
        }
        Ok(OrganisationNumber(ten.to_owned()))
    }

    /// The ten digits between an HSA-id's prefix and its hyphen, if the check digit is right.
    pub(super) fn in_hsa_id(part: &str) -> Option<OrganisationNumber> {
        let ten = without_century(part);
        let is_right = digits(ten).is_some_and(|d| d.len() == LEN && luhn_ok(&d));
        is_right.then(|| OrganisationNumber(ten.to_owned()))
    }

    /// The ten digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrganisationNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_at_checked(6) {
            Some((group, rest)) => write!(f, "{group}-{rest}"),
            None => f.write_str(&self.0),
        }
    }
}

const LEN: usize = 10;

fn without_century(number: &str) -> &str {
    number.strip_prefix("16").filter(|rest| rest.len() == LEN).unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organisation_number_is_one_in_all_its_spellings() {
        for text in ["2321000016", "232100-0016", "162321000016", "16232100-0016", "\u{a0}232100\u{2013}0016\t"] {
            let number = OrganisationNumber::parse(text).unwrap();
            assert_eq!((number.as_str(), number.to_string().as_str()), ("2321000016", "232100-0016"), "{text}");
        }
        assert!(OrganisationNumber::parse("5565594230").is_ok());
    }

    #[test]
    fn what_is_no_organisation_number_is_refused_by_name() {
        for (text, why) in [
            ("", OrganisationNumberError::Shape),
            ("23210000", OrganisationNumberError::Shape),
            ("232100+0016", OrganisationNumberError::Shape),
            ("23-21000016", OrganisationNumberError::Shape),
            ("٢321000016", OrganisationNumberError::Shape),
            ("232100-0017", OrganisationNumberError::CheckDigit),
            ("121212-1212", OrganisationNumberError::Person),
        ] {
            assert_eq!(OrganisationNumber::parse(text), Err(why), "{text}");
        }
    }
}
