//! Descriptions of issuers: the tree of SITHS, built in, and the region's own files beside it. They give names, never
//! trust.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::Deserialize;
use toml::Spanned;

use super::diagnostic::Scrutiny;
use crate::domain::clinic::Texts;
use crate::identity::{Environment, IssuerKind, IssuerState, KnownIssuer};

const SITHS: &str = include_str!("../../config/pki/siths.toml");
const FILE_BYTES_MAX: u64 = 256 * 1024;
pub const LEVEL_MAX: u8 = 4;

/// Why a description is not used.
#[derive(Debug, thiserror::Error)]
enum PkiError {
    #[error("{} cannot be read: {reason}", path.display())]
    Io { path: PathBuf, reason: std::io::ErrorKind },
    #[error("{} is larger than 256 KiB", path.display())]
    TooLarge { path: PathBuf },
    #[error("{}: {reason}", path.display())]
    Shape { path: PathBuf, reason: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    issuer: Vec<Issuer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Issuer {
    common_name: String,
    organisation: Option<String>,
    kind: Kind,
    environment: Place,
    level: Option<u8>,
    sha256: Option<String>,
    parent: Option<String>,
    #[serde(default)]
    state: State,
    ended: Option<String>,
    label: Texts,
    #[serde(default)]
    crl: Vec<String>,
    ocsp: Option<String>,
    certificate: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Root,
    PersonHsaId,
    PersonId,
    PersonIdMobile,
    Function,
    TeliaELegitimation,
    Other,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Place {
    Production,
    Test,
}

#[derive(Deserialize, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum State {
    #[default]
    Current,
    Ended,
}

/// The region's descriptions and ours.
pub fn known_issuers(scrutiny: &mut Scrutiny, base: &Path, files: &[Spanned<PathBuf>]) -> Vec<KnownIssuer> {
    // The region's own words go before ours for the same name.
    let mut known = Vec::new();
    for file in files {
        match read(&base.join(file.get_ref())) {
            Ok(read) => known.extend(read),
            Err(error) => scrutiny.fault(file.span(), error.to_string(), "the shape is that of config/pki/siths.toml"),
        }
    }
    known.extend(built_in());
    known
}

/// Levels of assurance by policy.
pub fn loa_policies(scrutiny: &mut Scrutiny, policies: &BTreeMap<String, Spanned<u8>>) -> BTreeMap<String, u8> {
    let mut levels = BTreeMap::new();
    for (policy, level) in policies {
        let dotted = policy.split('.').count() > 2 && policy.split('.').all(|arc| arc.parse::<u64>().is_ok());
        if !dotted || !(1..=LEVEL_MAX).contains(level.get_ref()) {
            let remedy = "such as { \"1.2.752.74.8.512\" = 3 }";
            scrutiny.fault(level.span(), "a policy's dotted OID with a level from 1 to 4", remedy);
        }
        levels.insert(policy.clone(), *level.get_ref());
    }
    levels
}

/// What is known without any file. Built in, and read by a test: an unreadable one would leave rejections without names.
fn built_in() -> Vec<KnownIssuer> {
    parse(Path::new("siths.toml"), SITHS).unwrap_or_default()
}

/// One file of the region's own. Blocking.
fn read(path: &Path) -> Result<Vec<KnownIssuer>, PkiError> {
    let io = |error: std::io::Error| PkiError::Io { path: path.to_owned(), reason: error.kind() };
    let mut source = String::new();
    let file = std::fs::File::open(path).map_err(io)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut source).map_err(io)?;
    if source.len() as u64 > FILE_BYTES_MAX {
        return Err(PkiError::TooLarge { path: path.to_owned() });
    }
    parse(path, &source)
}

fn parse(path: &Path, source: &str) -> Result<Vec<KnownIssuer>, PkiError> {
    let unfit = |reason: String| PkiError::Shape { path: path.to_owned(), reason };
    let file: File = toml::from_str(source).map_err(|error| unfit(error.to_string()))?;
    file.issuer.into_iter().map(|issuer| known(issuer).map_err(unfit)).collect()
}

fn known(issuer: Issuer) -> Result<KnownIssuer, String> {
    let name = issuer.common_name;
    let fingerprint = match &issuer.sha256 {
        None => None,
        Some(hex) => Some(fingerprint(hex).ok_or_else(|| format!("{name}: sha256 is 64 hexadecimal digits"))?),
    };
    let level = match (issuer.kind, issuer.level) {
        (Kind::PersonHsaId | Kind::PersonId | Kind::PersonIdMobile, Some(level @ 1..=LEVEL_MAX)) => Some(level),
        (Kind::PersonHsaId | Kind::PersonId | Kind::PersonIdMobile, Some(_)) => {
            return Err(format!("{name}: level is 1 to 4"));
        }
        (_, Some(_)) => return Err(format!("{name}: only certificates of people have a level")),
        (_, None) => None,
    };
    let day = |text: &String| text.parse::<Date>().map_err(|_| format!("{name}: ended is a day, YYYY-MM-DD"));
    let state = match (issuer.state, &issuer.ended) {
        (State::Current, None) => IssuerState::Current,
        (State::Current, Some(_)) => return Err(format!("{name}: `ended` goes with state = \"ended\"")),
        (State::Ended, ended) => IssuerState::Ended(ended.as_ref().map(day).transpose()?),
    };
    Ok(KnownIssuer {
        organisation: issuer.organisation,
        kind: match issuer.kind {
            Kind::Root => IssuerKind::Root,
            Kind::PersonHsaId => IssuerKind::PersonHsaId { loa: level.unwrap_or_default() },
            Kind::PersonId => IssuerKind::PersonId,
            Kind::PersonIdMobile => IssuerKind::PersonIdMobile,
            Kind::Function => IssuerKind::Function,
            Kind::TeliaELegitimation => IssuerKind::TeliaELegitimation,
            Kind::Other => IssuerKind::Other,
        },
        environment: match issuer.environment {
            Place::Production => Environment::Production,
            Place::Test => Environment::Test,
        },
        level,
        fingerprint,
        parent: issuer.parent,
        state,
        label: issuer.label,
        crls: issuer.crl,
        ocsp: issuer.ocsp,
        certificate: issuer.certificate,
        common_name: name,
    })
}

/// 64 hexadecimal digits, with or without colons between the octets.
fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut octets = [0; 32];
    for (place, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(digits.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_tree_of_siths_is_whole_and_each_name_stands_once() {
        let known = parse(Path::new("siths.toml"), SITHS).unwrap();
        let names: BTreeSet<_> = known.iter().map(|issuer| issuer.common_name.as_str()).collect();
        assert_eq!(names.len(), known.len());
        for issuer in &known {
            let name = &issuer.common_name;
            if let Some(parent) = &issuer.parent {
                let above = known.iter().find(|other| other.common_name == *parent).unwrap();
                assert_eq!((above.kind, above.environment), (IssuerKind::Root, issuer.environment), "{name}");
            }
            assert!(issuer.label.en.is_some(), "{name} has no English label");
            let test = name.starts_with("TEST ") || name.starts_with("SYSTEMTEST ");
            assert_eq!(test, issuer.environment == Environment::Test, "{name}");
            let person = matches!(issuer.kind, IssuerKind::PersonHsaId { .. } | IssuerKind::PersonId);
            assert!(!person || issuer.level.is_some() || issuer.state != IssuerState::Current, "{name} has no level");
        }
        for prefix in ["", "TEST "] {
            for name in
                ["Person HSA-id 3", "Person HSA-id 2", "Person ID 3", "Person ID 2", "Person ID Mobile", "Function"]
            {
                let whole = format!("{prefix}SITHS e-id {name} CA v1");
                assert!(names.contains(whole.as_str()), "{whole}");
            }
        }
    }

    #[test]
    fn published_fingerprints_are_read_as_published() {
        let known = parse(Path::new("siths.toml"), SITHS).unwrap();
        let of = |name: &str| known.iter().find(|issuer| issuer.common_name == name).unwrap().fingerprint.unwrap();
        assert_eq!(of("SITHS e-id Root CA v2")[..4], [0x87, 0x67, 0x26, 0x0a]);
        assert_eq!(of("TEST SITHS e-id Function CA v1")[28..], [0xe6, 0x69, 0xa5, 0x5e]);
    }

    #[test]
    fn the_examples_of_other_authorities_are_fit() {
        for file in ["efos.toml", "expitrust.toml"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/pki").join(file);
            let known = read(&path).unwrap();
            assert!(!known.is_empty() && known.iter().all(|issuer| issuer.kind == IssuerKind::Function), "{file}");
        }
    }

    #[test]
    fn an_unfit_description_names_the_authority_and_the_rule() {
        let issuer = |more: &str| {
            let source =
                format!("[[issuer]]\ncommon-name = \"X\"\nenvironment = \"test\"\nlabel = {{ sv = \"x\" }}\n{more}\n");
            parse(Path::new("x.toml"), &source).unwrap_err().to_string()
        };
        for (more, told) in [
            ("kind = \"function\"\nsha256 = \"abc\"", "X: sha256 is 64"),
            ("kind = \"function\"\nlevel = 3", "only certificates of people"),
            ("kind = \"person-id\"\nlevel = 9", "1 to 4"),
            ("kind = \"function\"\nended = \"2020-02-11\"", "goes with state"),
            ("kind = \"function\"\nstate = \"ended\"\nended = \"in 2020\"", "YYYY-MM-DD"),
            ("kind = \"functon\"", "functon"),
            ("kind = \"function\"\nlevels = 3", "levels"),
        ] {
            let message = issuer(more);
            assert!(message.starts_with("x.toml: ") && message.contains(told), "{message}");
        }
    }
}
