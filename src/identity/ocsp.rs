//! Asking an issuer's responder about one certificate (RFC 6960, as RFC 5019 narrows it): the question, and a bounded
//! memory of answers. [`answer`] reads and verifies what comes back. Sending is not here.

mod answer;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use x509_parser::asn1_rs::FromDer;
use x509_parser::certificate::X509Certificate;

use super::certificate::{Certificate, Serial};
use super::issuer::Issuer;
use super::revocation::IssuerKey;
use super::trust::Trust;
use crate::crypto::sha1_name;

pub use answer::OcspError;

/// Longest answer that is read, in bytes: an answer and its signer's certificate are about three thousand.
pub const OCSP_ANSWER_BYTES_MAX: usize = 64 << 10;
/// Certificates that are remembered: more than come in a shift.
const REMEMBERED_MAX: usize = 20_000;
/// So long nothing is asked again after no answer, or after one that says nothing.
const UNANSWERED_SECONDS: Duration = Duration::from_secs(10);
/// SEQUENCE { OBJECT IDENTIFIER 1.3.14.3.2.26 (SHA-1), NULL }
const SHA1_ALGORITHM: [u8; 11] = [0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00];

/// By what an issuer tells of revocations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RevocationSource {
    #[default]
    Crl,
    /// Each certificate is asked about.
    Ocsp,
    /// Asked about where there is no list, or none that is fresh.
    CrlThenOcsp,
}

/// A certificate as its issuer's responder knows it.
pub type OcspKey = (IssuerKey, Serial);

/// One certificate to ask about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcspQuestion {
    pub about: OcspKey,
    /// Where: as an operator wrote it, else as the verified certificate has it.
    pub url: String,
    /// What: an OCSPRequest in DER.
    pub request: Vec<u8>,
    /// The CertID in it: the answer has to repeat it.
    id: Vec<u8>,
}

impl OcspQuestion {
    /// `certificate` is known to be signed by `issuer`. None where nobody says whom to ask.
    pub(super) fn about(issuer: &Issuer, certificate: &Certificate) -> Option<OcspQuestion> {
        let url = issuer.ocsp_url.as_ref().or(certificate.ocsp_uris.first())?.clone();
        let key = key_bytes(&issuer.der)?;
        let id = element(
            0x30,
            &[
                &SHA1_ALGORITHM,
                &element(0x04, &[&sha1_name(&issuer.certificate.subject_der)]),
                &element(0x04, &[&sha1_name(&key)]),
                &element(0x02, &[&certificate.serial.to_integer()]),
            ],
        );
        // OCSPRequest, TBSRequest, requestList, Request: one in the other, nothing beside.
        let request = (0..4).fold(id.clone(), |inner, _| element(0x30, &[&inner]));
        Some(OcspQuestion { about: (issuer.certificate.fingerprint, certificate.serial), url, request, id })
    }
}

/// The public key of a certificate as responders hash it: without algorithm and tag.
fn key_bytes(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.public_key().subject_public_key.data.to_vec())
}

/// One element of DER. None of ours is longer than 127 octets.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    [&[tag, length], content.as_slice()].concat()
}

/// What a responder has said of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OcspSaid {
    Good,
    Revoked { at: Timestamp },
}

/// What responders have said, as long as it holds. All snapshots of a process share one.
#[derive(Debug, Default)]
pub(super) struct OcspAnswers(Mutex<HashMap<OcspKey, Remembered>>);

#[derive(Debug, Clone, Copy)]
struct Remembered {
    /// None where there was no answer.
    said: Option<OcspSaid>,
    until: Timestamp,
}

impl OcspAnswers {
    pub fn said(&self, about: &OcspKey, now: Timestamp) -> Option<OcspSaid> {
        self.remembered(about, now)?.said
    }

    fn remembered(&self, about: &OcspKey, now: Timestamp) -> Option<Remembered> {
        self.all().get(about).copied().filter(|remembered| now < remembered.until)
    }

    /// What is full forgets what is over, else what ends first.
    fn remember(&self, about: OcspKey, remembered: Remembered, now: Timestamp) {
        let mut all = self.all();
        if all.len() >= REMEMBERED_MAX && !all.contains_key(&about) {
            all.retain(|_, held| now < held.until);
            let first = all.iter().min_by_key(|(_, held)| held.until).map(|(key, _)| *key);
            if let Some(first) = first.filter(|_| all.len() >= REMEMBERED_MAX) {
                all.remove(&first);
            }
        }
        all.insert(about, remembered);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<OcspKey, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trust {
    /// Whether nothing is to be asked: there is an answer, or there was none a moment ago.
    pub fn ocsp_is_settled(&self, question: &OcspQuestion, now: Timestamp) -> bool {
        self.revocations.answers().remembered(&question.about, now).is_some()
    }

    /// Verifies an answer and remembers it to its end, or to the longest that answers are kept.
    pub fn take_ocsp_answer(&self, question: &OcspQuestion, der: &[u8], now: Timestamp) -> Result<OcspSaid, OcspError> {
        let key = question.about.0;
        let issuer = self.issuers.iter().find(|issuer| issuer.certificate.fingerprint == key);
        let answer = answer::read(der, issuer.ok_or(OcspError::Signer)?, question, now)?;
        let longest = now.saturating_add(self.ocsp_cache_max).unwrap_or(now);
        let of_the_moment = || now.checked_add(answer::WITHOUT_NEXT_UPDATE).unwrap_or(now);
        let until = answer.next_update.unwrap_or_else(of_the_moment).min(longest);
        let remembered = Remembered { said: Some(answer.said), until };
        self.revocations.answers().remember(question.about, remembered, now);
        Ok(answer.said)
    }

    /// Remembers for a moment that there was no answer, so that a dead responder is not asked for each request.
    pub fn note_no_ocsp_answer(&self, question: &OcspQuestion, now: Timestamp) {
        let until = now.saturating_add(UNANSWERED_SECONDS).unwrap_or(now);
        self.revocations.answers().remember(question.about, Remembered { said: None, until }, now);
    }
}

#[cfg(test)]
mod tests;
