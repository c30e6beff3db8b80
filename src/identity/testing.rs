//! A SITHS-like tree for the tests of this room: issuing CAs, cards, function certificates, revocation lists.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SerialNumber, SigningKey, date_time_ymd,
};
use rustls_pki_types::CertificateDer;

use super::certificate::describe;
use super::{Environment, IssuerKind, IssuerSettings, RevocationSource, TrustSettings};

pub type Ca = CertifiedIssuer<'static, KeyPair>;

pub const PERSON_CA: &str = "TEST SITHS e-id Person HSA-id 3 CA v1";
pub const FUNCTION_CA: &str = "TEST SITHS e-id Function CA v1";
const SERIAL_NUMBER: &[u64] = &[2, 5, 4, 5];
const SURNAME: &[u64] = &[2, 5, 4, 4];
const GIVEN_NAME: &[u64] = &[2, 5, 4, 42];
const CARD_NUMBER: &[u64] = &[1, 2, 752, 34, 2, 1];
const POLICIES: &[u64] = &[2, 5, 29, 32];

/// Midnight UTC.
pub fn at(day: &str) -> Timestamp {
    day.parse::<Date>().unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp()
}

pub fn now() -> Timestamp {
    at("2026-11-22")
}

pub struct Tree {
    pub dir: tempfile::TempDir,
    pub root: Ca,
    pub person: Ca,
    pub function: Ca,
}

impl Tree {
    pub fn grow() -> Tree {
        let root = Ca::self_signed(ca_params("TEST SITHS e-id Root CA v2"), KeyPair::generate().unwrap()).unwrap();
        Tree {
            dir: tempfile::tempdir().unwrap(),
            person: Ca::signed_by(ca_params(PERSON_CA), KeyPair::generate().unwrap(), &root).unwrap(),
            function: Ca::signed_by(ca_params(FUNCTION_CA), KeyPair::generate().unwrap(), &root).unwrap(),
            root,
        }
    }

    /// Another CA under the same root.
    pub fn ca(&self, name: &str) -> Ca {
        self.ca_with(ca_params(name))
    }

    pub fn ca_with(&self, params: CertificateParams) -> Ca {
        Ca::signed_by(params, KeyPair::generate().unwrap(), &self.root).unwrap()
    }

    pub fn card(&self, serial_number: &str) -> Leaf<'_> {
        Leaf::card(&self.person, serial_number)
    }

    pub fn system(&self, serial_number: &str) -> Leaf<'_> {
        Leaf::system(&self.function, serial_number)
    }

    pub fn self_signed(name: &str) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name_of(name);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// An allow-list entry for `ca`, its file named by the CA.
    pub fn issuer(&self, ca: &Ca, kind: IssuerKind) -> IssuerSettings {
        let file = self.write(&format!("{}.pem", hex_name(ca)), ca.pem());
        let (environment, crl_urls) = (Environment::Test, Vec::new());
        IssuerSettings {
            file,
            kind,
            environment,
            crl_required: false,
            crl_urls,
            revocation: RevocationSource::Crl,
            ocsp_url: None,
            ends: None,
        }
    }

    /// Both doors open for the tree's own CAs, no revocation lists asked for.
    pub fn settings(&self) -> TrustSettings {
        TrustSettings {
            environment: Environment::Test,
            portal: vec![self.issuer(&self.function, IssuerKind::Function)],
            staff: vec![self.issuer(&self.person, IssuerKind::PersonHsaId { loa: 3 })],
            refused: Vec::new(),
            known: Vec::new(),
            roots: Vec::new(),
            least_level: 2,
            own_certificates: Vec::new(),
            crls: Vec::new(),
            crl_cache: None,
            crl_max_stale: Duration::ZERO,
            ocsp_cache_max: Duration::from_secs(3_600),
            loa_policies: Default::default(),
        }
    }
}

fn hex_name(ca: &Ca) -> String {
    super::certificate::hex(&describe(ca.der()).unwrap().fingerprint[..8])
}

pub fn name_of(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CountryName, "SE");
    name.push(DnType::OrganizationName, "Inera AB");
    name.push(DnType::CommonName, common_name);
    name
}

pub fn ca_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name_of(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
    params
}

/// A certificate about to be signed.
pub struct Leaf<'t> {
    pub params: CertificateParams,
    issuer: &'t Ca,
}

impl<'t> Leaf<'t> {
    /// As on a card: valid 2025 through 2029, for signing in.
    pub fn card(issuer: &'t Ca, serial_number: &str) -> Leaf<'t> {
        let mut leaf = Leaf::blank(issuer, "Anna Åkesson", serial_number);
        let name = &mut leaf.params.distinguished_name;
        name.push(DnType::from_oid(GIVEN_NAME), "Anna");
        name.push(DnType::from_oid(SURNAME), "Åkesson");
        let number = tlv(0x13, b"9752269875705018125");
        leaf.params.custom_extensions = vec![
            CustomExtension::from_oid_content(CARD_NUMBER, number),
            // 1.2.752.74.8.500
            CustomExtension::from_oid_content(
                POLICIES,
                tlv(0x30, &tlv(0x30, &tlv(0x06, &[0x2a, 0x85, 0x70, 0x4a, 0x08, 0x83, 0x74]))),
            ),
        ];
        leaf
    }

    pub fn system(issuer: &'t Ca, serial_number: &str) -> Leaf<'t> {
        Leaf::blank(issuer, "portal.region.example", serial_number)
    }

    fn blank(issuer: &'t Ca, common_name: &str, serial_number: &str) -> Leaf<'t> {
        let mut params = CertificateParams::default();
        let mut name = DistinguishedName::new();
        name.push(DnType::CountryName, "SE");
        name.push(DnType::OrganizationName, "Region Test");
        name.push(DnType::CommonName, common_name);
        if !serial_number.is_empty() {
            name.push(DnType::from_oid(SERIAL_NUMBER), serial_number);
        }
        params.distinguished_name = name;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(2030, 1, 1));
        params.serial_number = Some(SerialNumber::from_slice(&[0x4a, 1]));
        Leaf { params, issuer }
    }

    pub fn with(mut self, change: impl FnOnce(&mut CertificateParams)) -> Leaf<'t> {
        change(&mut self.params);
        self
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.params.signed_by(&KeyPair::generate().unwrap(), self.issuer).unwrap().der().clone()
    }
}

/// A revocation list written octet by octet, so that it can be wrong in every way.
pub struct CrlSketch {
    /// `YYMMDD`.
    pub this_update: &'static str,
    pub next_update: Option<&'static str>,
    pub revoked: Vec<Vec<u8>>,
    pub entry_extensions: Vec<Vec<u8>>,
    pub extensions: Vec<Vec<u8>>,
}

impl CrlSketch {
    pub fn new(number: u8, revoked: &[&[u8]]) -> CrlSketch {
        CrlSketch {
            this_update: "261120",
            next_update: Some("261124"),
            revoked: revoked.iter().map(|serial| serial.to_vec()).collect(),
            entry_extensions: Vec::new(),
            extensions: vec![extension(20, false, &tlv(0x02, &[number]))],
        }
    }

    pub fn signed_by(&self, ca: &Ca) -> Vec<u8> {
        self.signed_as(&describe(ca.der()).unwrap().subject_der, ca.key())
    }

    /// Under a name and with a key that need not belong together.
    pub fn signed_as(&self, issuer_der: &[u8], key: &KeyPair) -> Vec<u8> {
        // ecdsa-with-SHA256
        let algorithm = tlv(0x30, &tlv(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]));
        let time = |day: &str| tlv(0x17, format!("{day}000000Z").as_bytes());
        let mut body = [tlv(0x02, &[1]), algorithm.clone(), issuer_der.to_vec(), time(self.this_update)].concat();
        body.extend(self.next_update.map(time).unwrap_or_default());
        let entries: Vec<u8> = self.revoked.iter().flat_map(|serial| self.entry(serial, &time("261101"))).collect();
        if !entries.is_empty() {
            body.extend(tlv(0x30, &entries));
        }
        body.extend(tlv(0xa0, &tlv(0x30, &self.extensions.concat())));
        let signed = tlv(0x30, &body);
        let signature = tlv(0x03, &[vec![0], key.sign(&signed).unwrap()].concat());
        tlv(0x30, &[signed, algorithm, signature].concat())
    }

    fn entry(&self, serial: &[u8], time: &[u8]) -> Vec<u8> {
        let mut entry = [tlv(0x02, serial), time.to_vec()].concat();
        if !self.entry_extensions.is_empty() {
            entry.extend(tlv(0x30, &self.entry_extensions.concat()));
        }
        tlv(0x30, &entry)
    }
}

/// An extension of the arc id-ce, 2.5.29.
pub fn extension(id: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let flag = if critical { tlv(0x01, &[0xff]) } else { Vec::new() };
    tlv(0x30, &[tlv(0x06, &[0x55, 0x1d, id]), flag, tlv(0x04, value)].concat())
}

pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let mut out = vec![tag];
    match content.len() {
        0..128 => out.push(length.to_be_bytes()[1]),
        128..256 => out.extend([0x81, length.to_be_bytes()[1]]),
        _ => out.extend([[0x82].as_slice(), &length.to_be_bytes()].concat()),
    }
    out.extend(content);
    out
}
