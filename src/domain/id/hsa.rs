//! HSA-ids.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::organisation::OrganisationNumber;
use super::pasted::plain;

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
    /// Blanks around the text are trimmed and dashes become hyphens (people paste), letters become capitals: the
    /// directory looks them up without regard to case. `SE16` + ten digits is another id than `SE` + the same ten.
    pub fn parse(text: &str) -> Result<HsaId, HsaIdError> {
        let id = plain(text);
        if id.len() > HSA_ID_LEN_MAX {
            return Err(HsaIdError::Length);
        }
        let (organisation, suffix) = parts(&id)?;
        OrganisationNumber::in_hsa_id(organisation).ok_or(HsaIdError::OrganisationNumber)?;
        if suffix.is_empty() || !suffix.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(HsaIdError::Suffix);
        }
        Ok(HsaId(id))
    }

    /// Ids of the test directory never meet production, nor the reverse.
    pub fn is_test(&self) -> bool {
        self.0.starts_with(TEST_PREFIX)
    }

    /// Whose id it is: the organisation that answers for the person, system or unit.
    pub fn organisation(&self) -> Option<OrganisationNumber> {
        OrganisationNumber::in_hsa_id(parts(&self.0).ok()?.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The organisation number and what follows its hyphen.
fn parts(id: &str) -> Result<(&str, &str), HsaIdError> {
    let rest = id.strip_prefix(TEST_PREFIX).or_else(|| id.strip_prefix("SE")).ok_or(HsaIdError::Prefix)?;
    rest.split_once('-').ok_or(HsaIdError::Suffix)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hsa_ids_in_the_spellings_seen() {
        for (good, id) in [
            ("TSTNMT2321000156-1019", "TSTNMT2321000156-1019"),
            (" tstnmt2321000156-a001 ", "TSTNMT2321000156-A001"),
            ("SE2321000016-1A2B", "SE2321000016-1A2B"),
            ("se2321000016-1a2b\r", "SE2321000016-1A2B"),
            ("\u{feff}SE2321000016\u{2011}1A2B\u{a0}", "SE2321000016-1A2B"),
            ("SE165565594230-1000", "SE165565594230-1000"),
            ("TSTNMT2321000156-12345678901234", "TSTNMT2321000156-12345678901234"),
        ] {
            assert_eq!(HsaId::parse(good).unwrap().as_str(), id);
        }
    }

    #[test]
    fn what_is_no_hsa_id_is_refused_by_name() {
        for (bad, why) in [
            ("", HsaIdError::Prefix),
            ("2321000156-1019", HsaIdError::Prefix),
            ("SE2321000157-1019", HsaIdError::OrganisationNumber),
            ("SE172321000156-1019", HsaIdError::OrganisationNumber),
            ("SE٢321000156-1019", HsaIdError::OrganisationNumber),
            ("SE2321000156", HsaIdError::Suffix),
            ("SE2321000156-", HsaIdError::Suffix),
            ("SE2321000156-Å1", HsaIdError::Suffix),
            ("SE2321000156-A 1", HsaIdError::Suffix),
            ("SE2321000156-A-1", HsaIdError::Suffix),
            ("TSTNMT2321000156-123456789012345", HsaIdError::Length),
        ] {
            assert_eq!(HsaId::parse(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn an_hsa_id_names_its_organisation_whether_or_not_16_stands_before_it() {
        for (id, organisation) in [("SE165565594230-1000", "556559-4230"), ("TSTNMT2321000156-P001", "232100-0156")] {
            assert_eq!(HsaId::parse(id).unwrap().organisation().unwrap().to_string(), organisation);
        }
    }

    proptest! {
        #[test]
        fn whatever_reads_as_an_hsa_id_reads_the_same_again(text in "(SE|tstnmt|SE16)(2321000016|5565594230)-[A-Za-z0-9]{1,9}") {
            let id = HsaId::parse(&text).unwrap();
            prop_assert_eq!(HsaId::parse(id.as_str()).unwrap(), id);
        }
    }
}
