//! Authorities that issue certificates and revocation lists. Their keys live in memory only, so that nothing more can be
//! issued once the demo is prepared. Which certificates there are, and where they go, is the parent's.

use p12_keystore::{KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason,
    RevokedCertParams, SanType, SerialNumber,
};
use time::OffsetDateTime;

use crate::crypto;

/// 2.5.4.5, where SITHS keeps the HSA-id and an e-legitimation the identity number.
const SERIAL_NUMBER: &[u64] = &[2, 5, 4, 5];
/// 2.5.4.42 and 2.5.4.4.
const GIVEN_NAME: &[u64] = &[2, 5, 4, 42];
const SURNAME: &[u64] = &[2, 5, 4, 4];
/// Not Inera's name: a browser that holds real test cards must not offer them here, nor anyone take these for Inera's.
const AUTHORITY_ORGANISATION: &str = "Budkavle demo";
const HOLDER_ORGANISATION: &str = "Region Exempel";
/// The password is public, so a costly derivation protects nothing and would only delay the start.
const KEYSTORE_ITERATIONS: u32 = 2048;

/// From the first instant to the last, both included.
#[derive(Clone, Copy)]
pub struct Validity {
    pub from: OffsetDateTime,
    pub until: OffsetDateTime,
}

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
    is_root: bool,
}

impl Authority {
    pub fn root(common_name: &str, validity: Validity) -> Result<Authority, rcgen::Error> {
        let key = KeyPair::generate()?;
        let params = authority_params(common_name, &key, BasicConstraints::Unconstrained, validity)?;
        let certificate = params.self_signed(&key)?;
        Ok(Authority { issuer: Issuer::new(params, key), certificate, is_root: true })
    }

    pub fn subordinate(&self, common_name: &str, validity: Validity) -> Result<Authority, rcgen::Error> {
        let key = KeyPair::generate()?;
        let params = authority_params(common_name, &key, BasicConstraints::Constrained(0), validity)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Authority { issuer: Issuer::new(params, key), certificate, is_root: false })
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate; `usage` is what its key signs: handshakes or documents. It names no policy: those of SITHS are not ours to use and its full
    /// list is not public, so the level of assurance follows from the issuer.
    pub fn issue(
        &self,
        subject: DistinguishedName,
        names: Vec<SanType>,
        usage: KeyUsagePurpose,
        purposes: &[ExtendedKeyUsagePurpose],
        validity: Validity,
    ) -> Result<Leaf, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = params(subject, &key, validity);
        params.subject_alt_names = names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![usage];
        params.extended_key_usages = purposes.to_vec();
        let mut chain = vec![params.signed_by(&key, &self.issuer)?];
        if !self.is_root {
            chain.push(self.certificate.clone());
        }
        Ok(Leaf { serial: serial_of(&key), chain, key })
    }

    /// A revocation list in DER that names `revoked`, all of them since its own beginning.
    pub fn revocation_list(&self, revoked: &[&Leaf], validity: Validity) -> Result<Vec<u8>, rcgen::Error> {
        let revoked_certs = revoked.iter().map(|leaf| RevokedCertParams {
            serial_number: leaf.serial.clone(),
            revocation_time: validity.from,
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: validity.from,
            next_update: validity.until,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.der().to_vec())
    }
}

/// A certificate with its key.
pub struct Leaf {
    serial: SerialNumber,
    /// The certificate first, then its issuer; never a root, which the other side has or refuses.
    chain: Vec<Certificate>,
    key: KeyPair,
}

impl Leaf {
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(Certificate::pem).collect()
    }

    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Key and chain as PKCS#12 with PBES2 (AES-256, HMAC-SHA-256), as browsers import it.
    pub fn keystore(&self, friendly_name: &str, password: &str) -> Result<Vec<u8>, p12_keystore::error::Error> {
        let key = PrivateKey::from_der(self.key.serialized_der())?;
        let chain = self.chain.iter().map(|certificate| p12_keystore::Certificate::from_der(certificate.der()));
        let entry = PrivateKeyChain::new(self.serial.to_bytes(), key, chain.collect::<Result<Vec<_>, _>>()?);
        let mut store = KeyStore::new();
        store.add_entry(friendly_name, KeyStoreEntry::PrivateKeyChain(entry));
        store.writer(password).encryption_iterations(KEYSTORE_ITERATIONS).mac_iterations(KEYSTORE_ITERATIONS).write()
    }
}

/// A system's subject: its name and its HSA-id.
pub fn system(common_name: &str, hsa_id: &str) -> Result<DistinguishedName, rcgen::Error> {
    let mut subject = organisation(HOLDER_ORGANISATION)?;
    subject.push(DnType::CommonName, common_name);
    subject.push(DnType::CustomDnType(SERIAL_NUMBER.to_vec()), printable(hsa_id)?);
    Ok(subject)
}

/// A person's subject: names and, by issuer, HSA-id or identity number.
pub fn person(given_name: &str, surname: &str, identifier: &str) -> Result<DistinguishedName, rcgen::Error> {
    let mut subject = organisation(HOLDER_ORGANISATION)?;
    subject.push(DnType::CommonName, format!("{given_name} {surname}"));
    subject.push(DnType::CustomDnType(SURNAME.to_vec()), surname);
    subject.push(DnType::CustomDnType(GIVEN_NAME.to_vec()), given_name);
    if !identifier.is_empty() {
        subject.push(DnType::CustomDnType(SERIAL_NUMBER.to_vec()), printable(identifier)?);
    }
    Ok(subject)
}

fn organisation(name: &str) -> Result<DistinguishedName, rcgen::Error> {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, printable("SE")?);
    subject.push(DnType::OrganizationName, name);
    Ok(subject)
}

/// RFC 5280 appendix A demands this type for countryName and serialNumber.
fn printable(text: &str) -> Result<DnValue, rcgen::Error> {
    Ok(DnValue::PrintableString(text.try_into()?))
}

fn authority_params(
    common_name: &str,
    key: &KeyPair,
    path: BasicConstraints,
    validity: Validity,
) -> Result<CertificateParams, rcgen::Error> {
    let mut subject = organisation(AUTHORITY_ORGANISATION)?;
    subject.push(DnType::CommonName, common_name);
    let mut params = params(subject, key, validity);
    params.is_ca = IsCa::Ca(path);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn params(subject: DistinguishedName, key: &KeyPair, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = validity.from;
    params.not_after = validity.until;
    params.serial_number = Some(serial_of(key));
    params.distinguished_name = subject;
    params.use_authority_key_identifier_extension = true;
    params
}

/// Sixteen octets, as unique as the fresh key. The first is held within 0x40 to 0x7f: positive, and never shortened.
fn serial_of(key: &KeyPair) -> SerialNumber {
    let digest = crypto::sha256(&[key.public_key_raw()]);
    let [first, rest @ ..] = digest;
    let octets = std::iter::once(first & 0x3f | 0x40).chain(rest);
    SerialNumber::from(octets.take(16).collect::<Vec<u8>>())
}
