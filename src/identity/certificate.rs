//! The few fields that we read of a certificate, for judging reasons and for telling people. Decides nothing: the
//! parser is lenient. Fields that may name a person are [`Private`].

use std::fmt;

use jiff::Timestamp;
use x509_parser::asn1_rs::{Any, FromDer, Oid, Tag, oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::oid_registry::{
    OID_PKIX_ACCESS_DESCRIPTOR_OCSP, OID_X509_GIVEN_NAME, OID_X509_SERIALNUMBER, OID_X509_SURNAME,
};
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::crypto::sha256;
use crate::domain::id::Private;

/// Larger than any certificate of the trees we know.
const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;
/// RFC 5280 gives names at most 64 characters; some CAs take more.
const TEXT_CHARS_MAX: usize = 256;
/// Policies, distribution points, serial numbers in a subject: more than this is no certificate for people or systems.
const LIST_MAX: usize = 32;
/// A run of digits as long as the shortest personal number, in what claims to be a CA's name, is not repeated.
const PERSONAL_DIGITS_MIN: usize = 6;
/// A serial number's most octets (RFC 5280 section 4.1.2.2).
const SERIAL_BYTES: usize = 20;
/// The number printed on the card, by SITHS's own extension.
const CARD_NUMBER: Oid<'static> = oid!(1.2.752.34.2.1);

/// What a certificate says about itself. Nothing in here is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The issuer's name as DER, the form in which names are compared.
    pub issuer_der: Vec<u8>,
    /// The issuer's whole name as text. In a self-signed certificate it is the holder's: hence private.
    pub issuer: Private,
    /// The issuer's common name where it is fit for a log: not self-issued, nothing that looks like a person's number.
    pub issuer_name: Option<String>,
    /// The issuer's organisation, under the same condition.
    pub issuer_organisation: Option<String>,
    pub subject_der: Vec<u8>,
    /// Every serialNumber (2.5.4.5) of the subject: the HSA-id, or on other cards the personnummer.
    pub subject_serial_numbers: Vec<Private>,
    pub common_name: Option<Private>,
    pub given_name: Option<Private>,
    pub surname: Option<Private>,
    pub organisation: Option<Private>,
    pub serial: Serial,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// None where the extension is missing.
    pub key_usage: Option<KeyUsage>,
    /// None where the extension is missing.
    pub extended_key_usage: Option<ExtendedKeyUsage>,
    /// Policy OIDs, dotted.
    pub policies: Vec<String>,
    /// Where its issuer says that revocations are published.
    pub crl_uris: Vec<String>,
    /// Where its issuer says that it may be asked about (OCSP).
    pub ocsp_uris: Vec<String>,
    pub card_number: Option<Private>,
    pub is_ca: bool,
    /// SHA-256 of the DER.
    pub fingerprint: [u8; 32],
}

impl Certificate {
    /// The holder's name as the certificate writes it.
    pub fn display_name(&self) -> Option<Private> {
        match (&self.given_name, &self.surname) {
            (Some(given), Some(surname)) => Some(Private::new(format!("{} {}", given.expose(), surname.expose()))),
            _ => self.common_name.clone(),
        }
    }
}

/// The bits of key usage that we ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage {
    pub digital_signature: bool,
    pub non_repudiation: bool,
    pub certificate_sign: bool,
    pub crl_sign: bool,
}

/// The purposes of extended key usage that we ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedKeyUsage {
    pub client_authentication: bool,
    pub server_authentication: bool,
    pub any: bool,
}

/// Why bytes are no certificate that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("the certificate is larger than 16 KiB")]
    TooLarge,
    #[error("not a certificate in DER")]
    Der,
    #[error("the certificate's {0} cannot be read")]
    Field(&'static str),
}

/// A certificate's serial number, without leading zeros, right-aligned: comparable and of one width.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial([u8; SERIAL_BYTES]);

impl Serial {
    /// `raw` is the INTEGER's content, big-endian. None for more than 20 octets.
    pub fn from_raw(raw: &[u8]) -> Option<Serial> {
        let zeros = raw.iter().take_while(|byte| **byte == 0).count();
        let significant = raw.get(zeros..)?;
        let mut bytes = [0; SERIAL_BYTES];
        bytes.get_mut(SERIAL_BYTES.checked_sub(significant.len())?..)?.copy_from_slice(significant);
        Some(Serial(bytes))
    }

    /// The content of the INTEGER that it is in DER.
    pub(super) fn to_integer(self) -> Vec<u8> {
        let significant: Vec<u8> = self.0.into_iter().skip_while(|byte| *byte == 0).collect();
        match significant.first() {
            Some(first) if *first < 0x80 => significant,
            // Without a zero before it, it would be negative, or nothing.
            _ => [&[0], significant.as_slice()].concat(),
        }
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = hex(&self.0);
        let significant = text.trim_start_matches("00");
        f.write_str(if significant.is_empty() { "00" } else { significant })
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the certificate `der`. For people and for our own warnings; judging is [`super::Trust::judge`].
pub fn describe(der: &[u8]) -> Result<Certificate, CertificateError> {
    if der.len() > CERTIFICATE_BYTES_MAX {
        return Err(CertificateError::TooLarge);
    }
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| CertificateError::Der)?;
    if !rest.is_empty() {
        return Err(CertificateError::Der);
    }
    let subject = certificate.subject();
    let issuer = certificate.issuer();
    let not_before = timestamp(certificate.validity().not_before)?;
    let not_after = timestamp(certificate.validity().not_after)?;
    if not_before > not_after {
        return Err(CertificateError::Field("validity"));
    }
    let key_usage = certificate.key_usage().map_err(|_| CertificateError::Field("key usage"))?;
    let extended = certificate.extended_key_usage().map_err(|_| CertificateError::Field("extended key usage"))?;
    let constraints = certificate.basic_constraints().map_err(|_| CertificateError::Field("basic constraints"))?;
    let issuer_name = if issuer.as_raw() == subject.as_raw() { None } else { ca_name(issuer) };
    Ok(Certificate {
        issuer_der: issuer.as_raw().to_vec(),
        issuer: Private::new(bounded(&issuer.to_string())),
        issuer_organisation: issuer_name.as_ref().and_then(|_| issuer.iter_organization().next().and_then(text)),
        issuer_name,
        subject_der: subject.as_raw().to_vec(),
        subject_serial_numbers: subject
            .iter_by_oid(&OID_X509_SERIALNUMBER)
            .take(LIST_MAX)
            .map(|attribute| Private::new(text(attribute).unwrap_or_default()))
            .collect(),
        common_name: private(subject.iter_common_name().next()),
        given_name: private(subject.iter_by_oid(&OID_X509_GIVEN_NAME).next()),
        surname: private(subject.iter_by_oid(&OID_X509_SURNAME).next()),
        organisation: private(subject.iter_organization().next()),
        serial: Serial::from_raw(certificate.raw_serial()).ok_or(CertificateError::Field("serial number"))?,
        not_before,
        not_after,
        key_usage: key_usage.map(|extension| KeyUsage {
            digital_signature: extension.value.digital_signature(),
            non_repudiation: extension.value.non_repudiation(),
            certificate_sign: extension.value.key_cert_sign(),
            crl_sign: extension.value.crl_sign(),
        }),
        extended_key_usage: extended.map(|extension| ExtendedKeyUsage {
            client_authentication: extension.value.client_auth,
            server_authentication: extension.value.server_auth,
            any: extension.value.any,
        }),
        policies: policies(&certificate),
        crl_uris: crl_uris(&certificate),
        ocsp_uris: ocsp_uris(&certificate),
        card_number: card_number(&certificate),
        is_ca: constraints.is_some_and(|extension| extension.value.ca),
        fingerprint: sha256(&[der]),
    })
}

pub(super) fn timestamp(time: ASN1Time) -> Result<Timestamp, CertificateError> {
    Timestamp::from_second(time.timestamp()).map_err(|_| CertificateError::Field("time"))
}

fn text(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    any_text(attribute.attr_value())
}

fn any_text(value: &Any<'_>) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            std::str::from_utf8(value.as_bytes()).ok().map(bounded)
        }
        // What old cards wrote as T.61 was Latin-1 in truth.
        Tag::TeletexString => Some(bounded(&value.as_bytes().iter().map(|byte| char::from(*byte)).collect::<String>())),
        _ => None,
    }
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
}

fn private(attribute: Option<&AttributeTypeAndValue<'_>>) -> Option<Private> {
    attribute.and_then(text).map(Private::new)
}

/// A CA's common name, unless it could be a person's.
pub(super) fn ca_name(name: &X509Name<'_>) -> Option<String> {
    let name = name.iter_common_name().next().and_then(text)?;
    let personal = name.split(|c: char| !c.is_ascii_digit()).any(|run| run.len() >= PERSONAL_DIGITS_MIN);
    (!personal).then_some(name)
}

fn policies(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for extension in certificate.extensions() {
        if let ParsedExtension::CertificatePolicies(policies) = extension.parsed_extension() {
            found.extend(policies.iter().take(LIST_MAX).map(|policy| policy.policy_id.to_id_string()));
        }
    }
    found
}

fn crl_uris(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for extension in certificate.extensions() {
        if let ParsedExtension::CRLDistributionPoints(points) = extension.parsed_extension() {
            found.extend(points.iter().take(LIST_MAX).filter_map(|p| p.distribution_point.as_ref()).flat_map(uris));
        }
    }
    found
}

fn ocsp_uris(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for extension in certificate.extensions() {
        if let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() {
            let responders = access.iter().filter(|one| one.access_method == OID_PKIX_ACCESS_DESCRIPTOR_OCSP);
            found.extend(responders.take(LIST_MAX).filter_map(|one| uri(&one.access_location)));
        }
    }
    found
}

/// The URIs of a distribution point's full name.
pub(super) fn uris(name: &DistributionPointName<'_>) -> Vec<String> {
    let DistributionPointName::FullName(names) = name else { return Vec::new() };
    names.iter().take(LIST_MAX).filter_map(uri).collect()
}

fn uri(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(uri) => Some(bounded(uri)),
        _ => None,
    }
}

fn card_number(certificate: &X509Certificate<'_>) -> Option<Private> {
    let in_subject = certificate.subject().iter_by_oid(&CARD_NUMBER).next().and_then(text);
    let in_extension = || {
        let extension = certificate.get_extension_unique(&CARD_NUMBER).ok()??;
        Any::from_der(extension.value).ok().and_then(|(_, value)| any_text(&value))
    };
    in_subject.or_else(in_extension).map(Private::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::testing::{Tree, at};
    use proptest::prelude::*;

    #[test]
    fn a_card_is_read_field_by_field_and_prints_nobody() {
        let tree = Tree::grow();
        let card = describe(&tree.card("TSTNMT2321000156-P001").der()).unwrap();
        assert_eq!(card.subject_serial_numbers[0].expose(), "TSTNMT2321000156-P001");
        assert_eq!(card.given_name.as_ref().unwrap().expose(), "Anna");
        assert_eq!(card.surname.as_ref().unwrap().expose(), "Åkesson");
        assert_eq!(card.organisation.as_ref().unwrap().expose(), "Region Test");
        assert_eq!(card.issuer_name.as_deref(), Some("TEST SITHS e-id Person HSA-id 3 CA v1"));
        assert_eq!(card.card_number.as_ref().unwrap().expose(), "9752269875705018125");
        assert_eq!(card.policies, ["1.2.752.74.8.500"]);
        assert_eq!((card.not_before, card.not_after), (at("2025-01-01"), at("2030-01-01")));
        assert!(card.key_usage.unwrap().digital_signature && !card.key_usage.unwrap().non_repudiation);
        assert!(card.extended_key_usage.unwrap().client_authentication && !card.is_ca);
        let printed = format!("{card:?}");
        for personal in ["Anna", "Åkesson", "9752269875705018125"] {
            assert!(!printed.contains(personal), "{printed}");
        }
    }

    #[test]
    fn the_holder_of_a_self_signed_certificate_is_not_taken_for_a_ca() {
        let own = Tree::self_signed("Anna Åkesson 191212121212");
        assert_eq!(describe(&own).unwrap().issuer_name, None);
    }

    #[test]
    fn serial_numbers_compare_without_leading_zeros_and_end_at_twenty_octets() {
        assert_eq!(Serial::from_raw(&[0, 0x9f, 1]), Serial::from_raw(&[0x9f, 1]));
        assert_eq!(Serial::from_raw(&[0, 0x9f, 1]).unwrap().to_string(), "9f01");
        assert_eq!(Serial::from_raw(&[]).unwrap().to_string(), "00");
        assert!(Serial::from_raw(&[0x7f; 20]).is_some() && Serial::from_raw(&[0x7f; 21]).is_none());
    }

    proptest! {
        #[test]
        fn no_damage_to_a_certificate_makes_the_reader_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut der = CARD.to_vec();
            for (place, byte) in changes {
                let place = place.index(der.len());
                der[place] = byte;
            }
            let _ = describe(&der);
            let _ = describe(&der[..cut.index(der.len())]);
        }
    }

    static CARD: std::sync::LazyLock<Vec<u8>> =
        std::sync::LazyLock::new(|| Tree::grow().card("TSTNMT2321000156-P001").der().to_vec());
}
