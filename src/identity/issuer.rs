//! Issuing CAs: those that a door trusts, and those that are known only to be refused by name.

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use x509_parser::asn1_rs::FromDer;
use x509_parser::certificate::X509Certificate;

use super::Door;
use super::certificate::{Certificate, CertificateError, describe};
use super::known::KnownIssuer;
use super::ocsp::RevocationSource;

/// A CA file holds one certificate.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What an issuer's certificates are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerKind {
    /// Staff, the subject's serialNumber being the HSA-id, with the issuer's level of assurance.
    PersonHsaId {
        loa: u8,
    },
    /// The same cards' other certificate, whose serialNumber is the personnummer.
    PersonId,
    /// Mobilt SITHS, whose serialNumber is the personnummer.
    PersonIdMobile,
    /// Systems.
    Function,
    /// The private e-identification that SITHS cards carry besides.
    TeliaELegitimation,
    /// Signs other authorities only.
    Root,
    Other,
}

/// Test and production never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Test,
    Production,
}

/// One issuing CA in a door's allow-list. Roots don't belong here: a root would let every kind of certificate in.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// PEM or DER, one certificate.
    pub file: PathBuf,
    pub kind: IssuerKind,
    pub environment: Environment,
    /// Without a fresh revocation list of this issuer nobody comes in.
    pub crl_required: bool,
    /// Where its lists are published, beside what its certificates name. Plain HTTP.
    pub crl_urls: Vec<String>,
    pub revocation: RevocationSource,
    /// Whom to ask by OCSP, in place of whom its certificates name. Plain HTTP.
    pub ocsp_url: Option<String>,
    /// From this day on, Swedish time, the door takes it no longer.
    pub ends: Option<Date>,
}

/// An issuer that is refused by its own name rather than as an unknown one.
#[derive(Debug, Clone)]
pub enum RefusedIssuer {
    /// The CA's certificate, PEM or DER.
    File { path: PathBuf, kind: IssuerKind },
    /// A part of the CA's common name.
    Pattern { text: String, kind: IssuerKind },
}

/// Why a CA file does not hold up.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    #[error("cannot be read: {0}")]
    Io(std::io::ErrorKind),
    #[error("is larger than 64 KiB")]
    TooLarge,
    #[error("holds no certificate, or more than one")]
    NotOne,
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    #[error("is not the certificate of a CA")]
    NoCa,
    #[error("is a root: allow-lists name issuing CAs, or every kind of certificate would come in")]
    Root,
    #[error("cannot serve as a trust anchor")]
    Anchor,
    #[error("has TEST in its name but is listed for production")]
    TestAsProduction,
    #[error("issues certificates that this door refuses")]
    WrongDoor,
    #[error("bears the name \"{0}\", but its fingerprint is not the one published for that authority")]
    NotAsPublished(String),
    #[error("is not signed by any of the roots given")]
    NotUnderRoot,
}

/// An allow-listed issuer, ready for judging.
#[derive(Debug, Clone)]
pub(super) struct Issuer {
    pub name: String,
    pub kind: IssuerKind,
    pub environment: Environment,
    pub door: Door,
    pub crl_required: bool,
    pub crl_urls: Vec<String>,
    pub revocation: RevocationSource,
    pub ocsp_url: Option<String>,
    pub ends: Option<Date>,
    pub der: CertificateDer<'static>,
    pub certificate: Certificate,
    pub anchor: TrustAnchor<'static>,
}

impl Issuer {
    pub fn load(settings: &IssuerSettings, door: Door) -> Result<Issuer, IssuerError> {
        let der = read_certificate(&settings.file)?;
        let certificate = describe(&der)?;
        if !certificate.is_ca || certificate.key_usage.is_some_and(|usage| !usage.certificate_sign) {
            return Err(IssuerError::NoCa);
        }
        if certificate.issuer_der == certificate.subject_der {
            return Err(IssuerError::Root);
        }
        let fits = matches!(
            (door, settings.kind),
            (Door::Portal, IssuerKind::Function) | (Door::Staff, IssuerKind::PersonHsaId { .. })
        );
        if !fits {
            return Err(IssuerError::WrongDoor);
        }
        let name = certificate.common_name.as_ref().map(|name| name.expose().to_owned()).unwrap_or_default();
        if settings.environment == Environment::Production && names_test(&name) {
            return Err(IssuerError::TestAsProduction);
        }
        let anchor = webpki::anchor_from_trusted_cert(&der).map_err(|_| IssuerError::Anchor)?.to_owned();
        Ok(Issuer {
            name,
            kind: settings.kind,
            environment: settings.environment,
            door,
            crl_required: match settings.revocation {
                RevocationSource::Crl => settings.crl_required,
                RevocationSource::Ocsp => false,
                RevocationSource::CrlThenOcsp => true,
            },
            crl_urls: settings.crl_urls.clone(),
            revocation: settings.revocation,
            ocsp_url: settings.ocsp_url.clone(),
            ends: settings.ends,
            certificate,
            anchor,
            der,
        })
    }

    /// In production, whoever bears a published name has its published fingerprint too. Imitations are what tests are
    /// made of.
    pub fn unless_impostor(self, known: &[KnownIssuer]) -> Result<Issuer, IssuerError> {
        let impostor = known.iter().any(|known| {
            known.common_name == self.name
                && known.fingerprint.is_some_and(|published| published != self.certificate.fingerprint)
        });
        if impostor && self.environment == Environment::Production {
            return Err(IssuerError::NotAsPublished(self.name));
        }
        Ok(self)
    }

    /// Without any roots every issuer stands on its own.
    pub fn under(self, roots: &[Root]) -> Result<Issuer, IssuerError> {
        if !roots.is_empty() && !roots.iter().any(|root| root.has_signed(&self)) {
            return Err(IssuerError::NotUnderRoot);
        }
        Ok(self)
    }
}

/// A root's certificate, to hold issuing CAs against. It lets nobody in.
pub(super) struct Root {
    certificate: Certificate,
    der: CertificateDer<'static>,
}

impl Root {
    pub fn load(file: &Path) -> Result<Root, IssuerError> {
        let der = read_certificate(file)?;
        let certificate = describe(&der)?;
        if !certificate.is_ca {
            return Err(IssuerError::NoCa);
        }
        Ok(Root { certificate, der })
    }

    fn has_signed(&self, issuer: &Issuer) -> bool {
        let (Ok((_, root)), Ok((_, signed))) =
            (X509Certificate::from_der(&self.der), X509Certificate::from_der(&issuer.der))
        else {
            return false;
        };
        issuer.certificate.issuer_der == self.certificate.subject_der
            && signed.verify_signature(Some(root.public_key())).is_ok()
    }
}

/// What the first certificate of a file says: our own, a chain.
pub(super) fn first_certificate(file: &Path) -> Result<Certificate, IssuerError> {
    let bytes = read_file(file)?;
    let der = CertificateDer::pem_slice_iter(&bytes).next().and_then(Result::ok).ok_or(IssuerError::NotOne)?;
    Ok(describe(&der)?)
}

/// SITHS's test CAs say so in their names.
pub(super) fn names_test(name: &str) -> bool {
    name.split(|c: char| !c.is_alphanumeric()).any(|word| matches!(word, "TEST" | "SYSTEMTEST" | "PP"))
}

/// A refused issuer, ready for comparing.
#[derive(Debug, Clone)]
pub(super) enum Refused {
    Name { subject_der: Vec<u8>, kind: IssuerKind },
    Pattern { text: String, kind: IssuerKind },
}

impl Refused {
    pub fn load(settings: &RefusedIssuer) -> Result<Refused, IssuerError> {
        match settings {
            RefusedIssuer::File { path, kind } => {
                let subject_der = describe(&read_certificate(path)?)?.subject_der;
                Ok(Refused::Name { subject_der, kind: *kind })
            }
            RefusedIssuer::Pattern { text, kind } => Ok(Refused::Pattern { text: text.clone(), kind: *kind }),
        }
    }

    /// The patterns by which the SITHS cards' own issuers are told apart, whatever their version.
    pub fn built_in() -> Vec<Refused> {
        let pattern = |text: &str, kind| Refused::Pattern { text: text.to_owned(), kind };
        vec![
            pattern("Telia", IssuerKind::TeliaELegitimation),
            pattern("SITHS e-id Person ID", IssuerKind::PersonId),
            pattern("SITHS e-id Function", IssuerKind::Function),
            pattern("SITHS e-id Person HSA-id", IssuerKind::PersonHsaId { loa: 0 }),
        ]
    }

    /// Whether `certificate` claims to come from this issuer, and what that one issues.
    pub fn kind_of(&self, certificate: &Certificate) -> Option<IssuerKind> {
        match self {
            Refused::Name { subject_der, kind } => (*subject_der == certificate.issuer_der).then_some(*kind),
            Refused::Pattern { text, kind } => {
                certificate.issuer_name.as_ref().is_some_and(|name| name.contains(text)).then_some(*kind)
            }
        }
    }
}

/// One certificate from a PEM or DER file.
fn read_certificate(path: &Path) -> Result<CertificateDer<'static>, IssuerError> {
    let bytes = read_file(path)?;
    if !is_pem(&bytes) {
        return Ok(CertificateDer::from(bytes));
    }
    let mut certificates = CertificateDer::pem_slice_iter(&bytes);
    match (certificates.next(), certificates.next()) {
        (Some(Ok(certificate)), None) => Ok(certificate),
        _ => Err(IssuerError::NotOne),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, IssuerError> {
    read_bounded(path, FILE_BYTES_MAX).map_err(|error| match error {
        ReadError::Io(kind) => IssuerError::Io(kind),
        ReadError::TooLarge => IssuerError::TooLarge,
    })
}

pub(super) enum ReadError {
    Io(std::io::ErrorKind),
    TooLarge,
}

pub(super) fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, ReadError> {
    use std::io::Read;
    let io = |error: std::io::Error| ReadError::Io(error.kind());
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(io)?.take(bytes_max + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > bytes_max { Err(ReadError::TooLarge) } else { Ok(bytes) }
}

/// DER begins with a SEQUENCE, never with a dash or a comment.
pub(super) fn is_pem(bytes: &[u8]) -> bool {
    bytes.first() != Some(&0x30)
}
