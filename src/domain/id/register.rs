//! The registers that number people: which system names each, and how each writes its numbers. The rules themselves are
//! in `civic` and `reserve`.

use serde::{Deserialize, Serialize};

use crate::domain::language::Language;

/// Which register an identity number belongs to. Identity is system and value, never the value alone.
///
/// OIDs: Skatteverket's and Inera's as in "Identifierare på Inera" and "Lokala reservid"; Skåne's as in HL7 Sweden's base
/// profiles; `Local` as in the RIV-TA contracts (the HSA-id within which the number is unique, a colon, the number).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PersonIdSystem {
    #[serde(rename = "urn:oid:1.2.752.129.2.1.3.1")]
    Personnummer,
    #[serde(rename = "urn:oid:1.2.752.129.2.1.3.3")]
    Samordningsnummer,
    #[serde(rename = "urn:oid:1.2.752.74.9.1")]
    NationalReserve,
    #[serde(rename = "urn:oid:1.2.752.97.3.1.3")]
    StockholmReserve,
    #[serde(rename = "urn:oid:1.2.752.113.11.0.2.1.1.1")]
    VastraGotalandReserve,
    #[serde(rename = "urn:oid:1.2.752.74.9.2")]
    VarmlandReserve,
    #[serde(rename = "urn:oid:1.2.752.219.1.10.10.1")]
    SkaneReserve,
    #[serde(rename = "urn:oid:1.2.752.129.2.1.3.2")]
    CarelinkReserve,
    #[serde(rename = "urn:oid:1.2.752.129.2.1.2.1")]
    Local,
}

impl PersonIdSystem {
    pub const ALL: [PersonIdSystem; 9] = [
        PersonIdSystem::Personnummer,
        PersonIdSystem::Samordningsnummer,
        PersonIdSystem::NationalReserve,
        PersonIdSystem::StockholmReserve,
        PersonIdSystem::VastraGotalandReserve,
        PersonIdSystem::VarmlandReserve,
        PersonIdSystem::SkaneReserve,
        PersonIdSystem::CarelinkReserve,
        PersonIdSystem::Local,
    ];

    /// The OID as FHIR writes it in `Identifier.system`.
    pub fn urn(self) -> &'static str {
        match self {
            PersonIdSystem::Personnummer => "urn:oid:1.2.752.129.2.1.3.1",
            PersonIdSystem::Samordningsnummer => "urn:oid:1.2.752.129.2.1.3.3",
            PersonIdSystem::NationalReserve => "urn:oid:1.2.752.74.9.1",
            PersonIdSystem::StockholmReserve => "urn:oid:1.2.752.97.3.1.3",
            PersonIdSystem::VastraGotalandReserve => "urn:oid:1.2.752.113.11.0.2.1.1.1",
            PersonIdSystem::VarmlandReserve => "urn:oid:1.2.752.74.9.2",
            PersonIdSystem::SkaneReserve => "urn:oid:1.2.752.219.1.10.10.1",
            PersonIdSystem::CarelinkReserve => "urn:oid:1.2.752.129.2.1.3.2",
            PersonIdSystem::Local => "urn:oid:1.2.752.129.2.1.2.1",
        }
    }

    /// The register in a word that programs and people tell apart.
    pub fn word(self) -> &'static str {
        match self {
            PersonIdSystem::Personnummer => "personnummer",
            PersonIdSystem::Samordningsnummer => "samordningsnummer",
            PersonIdSystem::NationalReserve => "nationellt-reservnummer",
            PersonIdSystem::StockholmReserve => "reservnummer-stockholm",
            PersonIdSystem::VastraGotalandReserve => "reservnummer-vastra-gotaland",
            PersonIdSystem::VarmlandReserve => "reservnummer-varmland",
            PersonIdSystem::SkaneReserve => "reservnummer-skane",
            PersonIdSystem::CarelinkReserve => "reservnummer-carelink",
            PersonIdSystem::Local => "lokalt-reservnummer",
        }
    }

    /// How the register writes its numbers, as the end of "The rule: ".
    pub(super) fn shape(self, language: Language) -> &'static str {
        let (sv, en) = match self {
            PersonIdSystem::Personnummer | PersonIdSystem::Samordningsnummer => (
                "numret är tolv siffror med sekel, ÅÅÅÅMMDDNNNK",
                "an identity number is twelve digits with the century, ÅÅÅÅMMDDNNNK",
            ),
            PersonIdSystem::NationalReserve => (
                "ett nationellt reservnummer är XXÅÅMMDDNNGC: XX är 00 eller 22–99, NN bokstäver utom I, O, Q, V och W, \
                 G en siffra eller en sådan bokstav, C en siffra",
                "a national reserve number is XXÅÅMMDDNNGC: XX is 00 or 22–99, NN letters except I, O, Q, V and W, \
                 G a digit or such a letter, C a digit",
            ),
            PersonIdSystem::StockholmReserve => (
                "Stockholms reservnummer är tolv siffror, 99ÅÅÅÅNNNNNC",
                "a reserve number of Stockholm is twelve digits, 99ÅÅÅÅNNNNNC",
            ),
            PersonIdSystem::VastraGotalandReserve => (
                "Västra Götalands reservnummer är ÅÅÅÅMMDDGNNC: G är M (NN 07–79, udda), K (NN 06–78, jämnt) eller X \
                 (NN 80–89)",
                "a reserve number of Västra Götaland is ÅÅÅÅMMDDGNNC: G is M (NN 07–79, odd), K (NN 06–78, even) or X \
                 (NN 80–89)",
            ),
            PersonIdSystem::VarmlandReserve => (
                "Värmlands reservnummer är ÅÅÅÅMMDDSBNC: B är F, U, X, P eller L, N en siffra, C en bokstav utom V (i \
                 test 1–9)",
                "a reserve number of Värmland is ÅÅÅÅMMDDSBNC: B is F, U, X, P or L, N a digit, C a letter except V (in \
                 test 1–9)",
            ),
            PersonIdSystem::SkaneReserve => (
                "Skånes reservnummer är ett datum (ÅÅÅÅMMDD eller ÅÅMMDD), D, E eller F, en bokstav, 0 eller 1, en bokstav",
                "a reserve number of Skåne is a date (ÅÅÅÅMMDD or ÅÅMMDD), D, E or F, a letter, 0 or 1, a letter",
            ),
            PersonIdSystem::CarelinkReserve => (
                "Carelinks reservnummer är tolv siffror, ÅÅÅÅMMXXNNNC, där XX är 32–59",
                "a reserve number of Carelink is twelve digits, ÅÅÅÅMMXXNNNC, where XX is 32–59",
            ),
            PersonIdSystem::Local => (
                "ett lokalt reservnummer är utgivarens HSA-id, ett kolon och numret (1–20 bokstäver A–Z och siffror)",
                "a local reserve number is the HSA-id of who gave it, a colon and the number (1–20 letters A–Z and digits)",
            ),
        };
        match language {
            Language::Sv => sv,
            Language::En => en,
        }
    }
}
