//! What a responder answered, read octet by octet and believed only when everything about it fits: it is about the
//! certificate asked about, it is of now, and the issuer or whom it has appointed has signed it.

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;
use webpki::KeyUsage as Purpose;
use x509_parser::asn1_rs::{Any, BitString, FromDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::time::ASN1Time;
use x509_parser::verify::verify_signature;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::{OCSP_ANSWER_BYTES_MAX, OcspQuestion, OcspSaid};
use crate::crypto::sha1_name;
use crate::identity::certificate::timestamp;
use crate::identity::issuer::Issuer;
use crate::identity::revocation::SHA1_SIGNATURES;
use crate::identity::rules::verify;

/// Single answers, and certificates, in one answer: one was asked for.
const LIST_MAX: usize = 8;
/// So far a responder's clock may be ahead of ours.
const SLACK: SignedDuration = SignedDuration::from_mins(5);
/// An answer that names no next update is one of the moment it was made.
pub(super) const WITHOUT_NEXT_UPDATE: SignedDuration = SignedDuration::from_mins(10);
/// 1.3.6.1.5.5.7.48.1.1, id-pkix-ocsp-basic.
const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
/// 1.3.6.1.5.5.7.3.9, id-kp-OCSPSigning.
const OCSP_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09];

const BOOLEAN: u8 = 0x01;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const ENUMERATED: u8 = 0x0a;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// `[0]` and `[1]`, constructed; `[2]`, constructed.
const TAG_0: u8 = 0xa0;
const TAG_1: u8 = 0xa1;
const TAG_2: u8 = 0xa2;
/// `[0]` and `[2]` of type NULL.
const NULL_0: u8 = 0x80;
const NULL_2: u8 = 0x82;

/// Why an answer says nothing about the certificate asked about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OcspError {
    #[error("is no OCSP answer")]
    Malformed,
    #[error("says that the responder {0}")]
    Refused(&'static str),
    #[error("is about another certificate")]
    OtherCertificate,
    #[error("has a critical extension that we do not know")]
    CriticalExtension,
    #[error("says that the responder does not know the certificate")]
    UnknownCertificate,
    #[error("is of a time that is yet to come")]
    NotYet,
    #[error("is older than it may be")]
    Stale,
    #[error("is signed by nobody whom the issuer has appointed")]
    Signer,
    #[error("is signed with SHA-1")]
    WeakSignature,
    #[error("has a signature that does not hold")]
    BadSignature,
}

/// What holds of an answer.
pub struct Answer {
    pub said: OcspSaid,
    pub next_update: Option<Timestamp>,
}

/// The parts of a BasicOCSPResponse.
struct Basic<'a> {
    /// What is signed, tag and length included.
    signed: &'a [u8],
    data: Der<'a>,
    algorithm: &'a [u8],
    signature: &'a [u8],
    certificates: Vec<&'a [u8]>,
}

pub fn read(der: &[u8], issuer: &Issuer, question: &OcspQuestion, now: Timestamp) -> Result<Answer, OcspError> {
    if der.len() > OCSP_ANSWER_BYTES_MAX {
        return Err(OcspError::Malformed);
    }
    let Basic { signed, mut data, algorithm, signature, certificates } = basic(der)?;
    if data.next_is(TAG_0) {
        // Version 1 is the only one, and need not be said.
        data.take(TAG_0)?;
    }
    let responder = data.take_any()?;
    data.take(GENERALIZED_TIME)?;
    let mut responses = Der(data.take(SEQUENCE)?);
    data.extensions()?;
    data.end()?;
    check_signature(issuer, responder, &certificates, (signed, algorithm, signature), now)?;
    for _ in 0..LIST_MAX {
        if responses.0.is_empty() {
            break;
        }
        let mut single = Der(responses.take(SEQUENCE)?);
        let (id, _) = single.take_whole(SEQUENCE)?;
        if is_same(id, &question.id)? {
            return single_answer(single, now);
        }
    }
    Err(OcspError::OtherCertificate)
}

fn basic(der: &[u8]) -> Result<Basic<'_>, OcspError> {
    let mut outer = Der(der);
    let mut response = Der(outer.take(SEQUENCE)?);
    outer.end()?;
    match response.take(ENUMERATED)? {
        [0] => {}
        [1] => return Err(OcspError::Refused("finds our question malformed")),
        [2] => return Err(OcspError::Refused("has an error of its own")),
        [3] => return Err(OcspError::Refused("wants to be asked later")),
        [5] => return Err(OcspError::Refused("wants questions to be signed")),
        [6] => return Err(OcspError::Refused("answers no questions of ours, or none about this issuer")),
        _ => return Err(OcspError::Malformed),
    }
    let mut bytes = Der(Der(response.take(TAG_0)?).take(SEQUENCE)?);
    if bytes.take(OBJECT_IDENTIFIER)? != BASIC {
        return Err(OcspError::Malformed);
    }
    let mut basic = Der(Der(bytes.take(OCTET_STRING)?).take(SEQUENCE)?);
    let (signed, data) = basic.take_whole(SEQUENCE)?;
    let (algorithm, _) = basic.take_whole(SEQUENCE)?;
    let [0, signature @ ..] = basic.take(BIT_STRING)? else { return Err(OcspError::Malformed) };
    let mut certificates = Vec::new();
    if basic.next_is(TAG_0) {
        let mut list = Der(Der(basic.take(TAG_0)?).take(SEQUENCE)?);
        while !list.0.is_empty() && certificates.len() < LIST_MAX {
            certificates.push(list.take_whole(SEQUENCE)?.0);
        }
    }
    basic.end()?;
    Ok(Basic { signed, data: Der(data), algorithm, signature, certificates })
}

/// Whether two CertIDs are the same. A responder may leave the parameters of the hash out.
fn is_same(theirs: &[u8], ours: &[u8]) -> Result<bool, OcspError> {
    let parts = |id| -> Result<_, OcspError> {
        let mut id = Der(Der(id).take(SEQUENCE)?);
        let algorithm = Der(id.take(SEQUENCE)?).take(OBJECT_IDENTIFIER)?;
        Ok((algorithm, id.0))
    };
    Ok(parts(theirs)? == parts(ours)?)
}

/// What stands after the CertID.
fn single_answer(mut single: Der<'_>, now: Timestamp) -> Result<Answer, OcspError> {
    let said = if single.next_is(NULL_0) {
        single.take(NULL_0)?;
        OcspSaid::Good
    } else if single.next_is(TAG_1) {
        OcspSaid::Revoked { at: Der(single.take(TAG_1)?).time()? }
    } else {
        single.take(NULL_2)?;
        return Err(OcspError::UnknownCertificate);
    };
    let this_update = single.time()?;
    let next_update = match single.next_is(TAG_0) {
        true => Some(Der(single.take(TAG_0)?).time()?),
        false => None,
    };
    single.extensions()?;
    single.end()?;
    if this_update > now.saturating_add(SLACK).unwrap_or(Timestamp::MAX) {
        return Err(OcspError::NotYet);
    }
    let end = next_update.or_else(|| this_update.checked_add(WITHOUT_NEXT_UPDATE).ok());
    if end.is_none_or(|end| end <= now) {
        return Err(OcspError::Stale);
    }
    Ok(Answer { said, next_update })
}

/// `responder` says who has signed: the issuer itself, or a certificate that comes along, which the issuer has signed for
/// this purpose and which is valid now.
fn check_signature(
    issuer: &Issuer,
    responder: &[u8],
    certificates: &[&[u8]],
    (signed, algorithm, signature): (&[u8], &[u8], &[u8]),
    now: Timestamp,
) -> Result<(), OcspError> {
    let (_, algorithm) = AlgorithmIdentifier::from_der(algorithm).map_err(|_| OcspError::Malformed)?;
    if SHA1_SIGNATURES.contains(&algorithm.algorithm.to_id_string().as_str()) {
        return Err(OcspError::WeakSignature);
    }
    let holds = |key: &SubjectPublicKeyInfo<'_>| {
        let signature = BitString::new(0, signature);
        verify_signature(key, &algorithm, &signature, signed).map_err(|_| OcspError::BadSignature)
    };
    let (_, own) = X509Certificate::from_der(&issuer.der).map_err(|_| OcspError::Signer)?;
    if is_of(responder, &own)? {
        return holds(own.public_key());
    }
    for der in certificates {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { continue };
        if is_of(responder, &certificate)? {
            let purpose = Purpose::required(OCSP_SIGNING);
            verify(issuer, &CertificateDer::from(*der), now, purpose).map_err(|_| OcspError::Signer)?;
            return holds(certificate.public_key());
        }
    }
    Err(OcspError::Signer)
}

/// Whether a ResponderID names the holder of a certificate.
fn is_of(responder: &[u8], certificate: &X509Certificate<'_>) -> Result<bool, OcspError> {
    let mut id = Der(responder);
    if id.next_is(TAG_1) {
        return Ok(id.take(TAG_1)? == certificate.subject().as_raw());
    }
    let hash = Der(id.take(TAG_2)?).take(OCTET_STRING)?;
    Ok(hash == sha1_name(&certificate.public_key().subject_public_key.data))
}

/// DER, read from the front.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn next_is(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The content of the next element, which has to be of this tag.
    fn take(&mut self, tag: u8) -> Result<&'a [u8], OcspError> {
        self.take_whole(tag).map(|(_, content)| content)
    }

    /// The next element with its tag and length, and its content.
    fn take_whole(&mut self, tag: u8) -> Result<(&'a [u8], &'a [u8]), OcspError> {
        if !self.next_is(tag) {
            return Err(OcspError::Malformed);
        }
        let (rest, element) = Any::from_der(self.0).map_err(|_| OcspError::Malformed)?;
        let whole = self.0.get(..self.0.len().saturating_sub(rest.len())).ok_or(OcspError::Malformed)?;
        self.0 = rest;
        Ok((whole, element.data))
    }

    /// The next element, whatever it is, with its tag and length.
    fn take_any(&mut self) -> Result<&'a [u8], OcspError> {
        let tag = self.0.first().copied().ok_or(OcspError::Malformed)?;
        self.take_whole(tag).map(|(whole, _)| whole)
    }

    fn time(&mut self) -> Result<Timestamp, OcspError> {
        let (whole, _) = self.take_whole(GENERALIZED_TIME)?;
        let (_, time) = ASN1Time::from_der(whole).map_err(|_| OcspError::Malformed)?;
        timestamp(time).map_err(|_| OcspError::Malformed)
    }

    /// `[1]` extensions, where there are any: none may be critical.
    fn extensions(&mut self) -> Result<(), OcspError> {
        if !self.next_is(TAG_1) {
            return Ok(());
        }
        let mut list = Der(Der(self.take(TAG_1)?).take(SEQUENCE)?);
        while !list.0.is_empty() {
            let mut extension = Der(list.take(SEQUENCE)?);
            extension.take(OBJECT_IDENTIFIER)?;
            if extension.next_is(BOOLEAN) && extension.take(BOOLEAN)? != [0] {
                return Err(OcspError::CriticalExtension);
            }
        }
        Ok(())
    }

    fn end(&self) -> Result<(), OcspError> {
        if self.0.is_empty() { Ok(()) } else { Err(OcspError::Malformed) }
    }
}
