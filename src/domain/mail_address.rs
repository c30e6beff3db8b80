//! The one reader of e-mail addresses. What it lets through is safe in an SMTP command and in a header as it stands.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest address that fits a path of RFC 5321 (section 4.5.3.1.3, less the angle brackets), in octets.
const ADDRESS_OCTETS_MAX: usize = 254;
/// RFC 5321 section 4.5.3.1.1, in octets.
const LOCAL_PART_OCTETS_MAX: usize = 64;
/// RFC 1035 section 2.3.4, in octets.
const LABEL_OCTETS_MAX: usize = 63;

/// An e-mail address: a dot-atom, `@`, and a domain of at least two labels in lower case, A-labels where needed.
///
/// Prints as `…@domain`: a first letter would still name somebody in a small domain.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailAddress {
    address: String,
    at: usize,
}

/// Why a text is no e-mail address. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailAddressError {
    #[error("an e-mail address holds no control characters or blanks")]
    Control,
    #[error("an e-mail address is at most 254 octets, 64 of them before the @")]
    Length,
    #[error("an e-mail address has one @ between the mailbox and the domain")]
    At,
    #[error("before the @ only the letters A-Z may stand, not å, ä or ö: mail systems on the way may not carry them")]
    LocalPartNotAscii,
    #[error(
        "before the @ stand letters, digits and !#$%&'*+-/=?^_`{{|}}~, with single dots between; no quotes or comments"
    )]
    LocalPart,
    #[error("after the @ comes a domain name such as region.example, not an address of a machine")]
    Domain,
}

impl MailAddress {
    /// Blanks around the text are trimmed (people paste). Quoted local parts, comments, address literals and domains
    /// of a single label are refused: valid in RFC 5321, never seen in earnest, and a way around every filter.
    pub fn parse(text: &str) -> Result<MailAddress, MailAddressError> {
        let text = text.trim_matches([' ', '\t']);
        if text.len() > ADDRESS_OCTETS_MAX {
            return Err(MailAddressError::Length);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(MailAddressError::Control);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(MailAddressError::At)?;
        check_local_part(local)?;
        let domain = parse_domain(domain)?;
        let address = format!("{local}@{domain}");
        if address.len() > ADDRESS_OCTETS_MAX {
            return Err(MailAddressError::Length);
        }
        Ok(MailAddress { address, at: local.len() })
    }

    /// The address itself: for the envelope, the header and keyed hashing, nothing else.
    pub fn expose(&self) -> &str {
        &self.address
    }

    /// The domain in lower case, which is nobody's personal data.
    pub fn domain(&self) -> &str {
        self.address.get(self.at + 1..).unwrap_or_default()
    }

    /// The form by which two spellings count as one subscriber; letters are still sent to the original.
    pub fn folded(&self) -> String {
        self.address.to_ascii_lowercase()
    }
}

fn check_local_part(local: &str) -> Result<(), MailAddressError> {
    if !local.is_ascii() {
        return Err(MailAddressError::LocalPartNotAscii);
    }
    if local.len() > LOCAL_PART_OCTETS_MAX {
        return Err(MailAddressError::Length);
    }
    let atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    if local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(atext)) {
        Ok(())
    } else {
        Err(MailAddressError::LocalPart)
    }
}

fn parse_domain(domain: &str) -> Result<String, MailAddressError> {
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| MailAddressError::Domain)?;
    let label_is_sound = |label: &str| {
        (1..=LABEL_OCTETS_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits is an address of a machine (RFC 3696 section 2).
    let named = ascii.rsplit_once('.').is_some_and(|(_, last)| !last.bytes().all(|b| b.is_ascii_digit()));
    if named && ascii.split('.').all(label_is_sound) { Ok(ascii) } else { Err(MailAddressError::Domain) }
}

impl fmt::Debug for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…@{}", self.domain())
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…@{}", self.domain())
    }
}

impl Serialize for MailAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.address)
    }
}

impl<'de> Deserialize<'de> for MailAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<MailAddress, D::Error> {
        let text = String::deserialize(deserializer)?;
        MailAddress::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_in_the_spellings_seen() {
        for (text, expected) in [
            (" Anna.Test@Example.TEST ", "Anna.Test@example.test"),
            ("o'brien+larm@mail.region.example", "o'brien+larm@mail.region.example"),
            ("larm@sjöbo.example", "larm@xn--sjbo-6qa.example"),
        ] {
            assert_eq!(MailAddress::parse(text).unwrap().expose(), expected);
        }
        assert_eq!(MailAddress::parse("Anna@Example.TEST").unwrap().folded(), "anna@example.test");
    }

    #[test]
    fn oddities_are_refused_by_name() {
        let long_label = format!("a@{}.test", "x".repeat(64));
        let long_local = format!("{}@example.test", "x".repeat(65));
        let long = format!("a@{}test", "abcdefg.".repeat(32));
        for (text, why) in [
            ("", MailAddressError::At),
            ("anna", MailAddressError::At),
            ("@example.test", MailAddressError::LocalPart),
            ("a@b@example.test", MailAddressError::LocalPart),
            ("a..b@example.test", MailAddressError::LocalPart),
            (".a@example.test", MailAddressError::LocalPart),
            ("\"a\"@example.test", MailAddressError::LocalPart),
            ("a(c)@example.test", MailAddressError::LocalPart),
            ("<a@example.test>", MailAddressError::LocalPart),
            ("a@example.test>", MailAddressError::Domain),
            ("åsa@example.test", MailAddressError::LocalPartNotAscii),
            ("a@[192.0.2.1]", MailAddressError::Domain),
            ("a@192.0.2.1", MailAddressError::Domain),
            ("a@localhost", MailAddressError::Domain),
            ("a@example.test.", MailAddressError::Domain),
            ("a@-example.test", MailAddressError::Domain),
            ("a@exa_mple.test", MailAddressError::Domain),
            (&long_label, MailAddressError::Domain),
            (&long_local, MailAddressError::Length),
            (&long, MailAddressError::Length),
            ("a@example.test\r\nRCPT TO:<b@example.test>", MailAddressError::Control),
            ("a@example.test\n", MailAddressError::Control),
            ("a b@example.test", MailAddressError::Control),
            ("a\0@example.test", MailAddressError::Control),
            ("a\u{85}@example.test", MailAddressError::Control),
        ] {
            assert_eq!(MailAddress::parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn an_address_prints_its_domain_only_and_keeps_itself_through_a_record() {
        let address = MailAddress::parse("anna.test@example.test").unwrap();
        assert_eq!((format!("{address}"), format!("{address:?}")), ("…@example.test".into(), "…@example.test".into()));
        let record = serde_json::to_string(&address).unwrap();
        assert_eq!(serde_json::from_str::<MailAddress>(&record).unwrap(), address);
        let refusal = serde_json::from_str::<MailAddress>("\"anna\"").unwrap_err().to_string();
        assert!(!refusal.contains("anna"), "{refusal}");
    }

    proptest! {
        #[test]
        fn whatever_passes_is_safe_in_a_command(text in "\\PC{0,20}@?\\PC{0,20}") {
            if let Ok(address) = MailAddress::parse(&text) {
                prop_assert!(address.expose().bytes().all(|b| b.is_ascii_graphic() && !b"<>\"\\".contains(&b)));
                prop_assert_eq!(MailAddress::parse(address.expose()), Ok(address));
            }
        }
    }
}
