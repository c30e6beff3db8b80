//! The demo's throwaway keys: an imitation of the SITHS test tree, the certificates that it issued to systems and cards,
//! a server certificate, revocation lists, and the master key. Nothing here outlives the demo; configuration, sample
//! region and stores are written elsewhere.
//!
//! Every card that is to be refused breaks one rule only, so that the page that it meets names that rule.

use std::{
    fs,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType};
use time::OffsetDateTime;

use crate::crypto::{self, SecretBytes};
use authority::{Authority, Leaf, Validity};

mod authority;
#[cfg(test)]
mod tests;

/// What opens every `.p12`.
const KEYSTORE_PASSWORD: &str = "demo";

const HOUR_SECONDS: i64 = 3_600;
const DAY_HOURS: i64 = 24;
const LEAF_DAYS: i64 = 90;
const REVOCATION_LIST_DAYS: i64 = 30;
const AUTHORITY_DAYS: i64 = 3_653;
/// Authorities began before the card that has expired did.
const AUTHORITY_AGE_DAYS: i64 = 365;
/// A browser on another machine may have a slow clock.
const CLOCK_SLACK_HOURS: i64 = 1;

const PUBLIC_MODE: u32 = 0o644;
const PRIVATE_MODE: u32 = 0o600;
const PUBLIC_DIR_MODE: u32 = 0o755;
const PRIVATE_DIR_MODE: u32 = 0o700;

struct System {
    file: &'static str,
    name: &'static str,
    hsa_id: &'static str,
}

const SYSTEMS: [System; 3] = [
    System { file: "portal", name: "Invånarportalen (demo)", hsa_id: "TSTNMT2321000156-P001" },
    System { file: "staff-system", name: "Personalsystemet (demo)", hsa_id: "TSTNMT2321000156-P002" },
    System { file: "stranger", name: "Okänt system (demo)", hsa_id: "TSTNMT2321000156-P999" },
];

struct Person {
    given_name: &'static str,
    surname: &'static str,
    /// The certificate's subject serialNumber: HSA-id or identity number.
    identifier: &'static str,
}

impl Person {
    const fn new(given_name: &'static str, surname: &'static str, identifier: &'static str) -> Person {
        Person { given_name, surname, identifier }
    }
}

/// As in the sample region's `directory.csv`.
const ANNA: Person = Person::new("Anna", "Åkesson", "TSTNMT2321000156-1001");
const BJORN: Person = Person::new("Björn", "Öberg", "TSTNMT2321000156-1002");
const CECILIA: Person = Person::new("Cecilia", "Lindqvist", "TSTNMT2321000156-1003");
const DAVID: Person = Person::new("David", "Sjöholm", "TSTNMT2321000156-1004");
const EVA: Person = Person::new("Eva", "Hedström", "TSTNMT2321000156-1005");
const FATIMA: Person = Person::new("Fatima", "Rahimi", "TSTNMT2321000156-1006");
const IVAR: Person = Person::new("Ivar", "Ek", "TSTNMT2321000156-1009");
/// In no directory.
const NILS: Person = Person::new("Nils", "Norling", "TSTNMT2321000156-1999");
/// Without a number, and with half of one.
const ANNA_UNNUMBERED: Person = Person::new("Anna", "Åkesson", "");
const ANNA_MISNUMBERED: Person = Person::new("Anna", "Åkesson", "TSTNMT2321000156");
/// Skatteverket's test person.
const TOLVAN: Person = Person::new("Tolvan", "Tolvansson", "191212121212");

#[derive(Clone, Copy)]
enum CardIssuer {
    PersonHsaId,
    /// Of reserve cards.
    PersonHsaId2,
    PersonId,
    Mobile,
    Telia,
}

#[derive(Clone, Copy)]
enum Life {
    Current,
    Ended,
    Coming,
}

struct Card {
    file: &'static str,
    holder: Person,
    issuer: CardIssuer,
    life: Life,
    use_: CardUse,
    is_revoked: bool,
}

/// A card's two certificates of one issuer.
#[derive(Clone, Copy)]
enum CardUse {
    Identification,
    Signing,
}

impl Card {
    const fn good(file: &'static str, holder: Person) -> Card {
        Card {
            file,
            holder,
            issuer: CardIssuer::PersonHsaId,
            life: Life::Current,
            use_: CardUse::Identification,
            is_revoked: false,
        }
    }
}

const CARDS: [Card; 18] = [
    Card::good("receiver", ANNA),
    Card::good("handler", BJORN),
    Card::good("other-handler", CECILIA),
    Card::good("administrator", DAVID),
    Card::good("manager", EVA),
    Card::good("support", FATIMA),
    Card { issuer: CardIssuer::Telia, ..Card::good("telia", TOLVAN) },
    Card { issuer: CardIssuer::PersonId, ..Card::good("person-id", TOLVAN) },
    Card { life: Life::Ended, ..Card::good("expired", ANNA) },
    Card { life: Life::Coming, ..Card::good("not-yet", ANNA) },
    Card { is_revoked: true, ..Card::good("revoked", ANNA) },
    Card::good("no-post", NILS),
    Card::good("no-role", IVAR),
    Card { issuer: CardIssuer::Mobile, ..Card::good("mobile", TOLVAN) },
    Card { use_: CardUse::Signing, ..Card::good("signing", ANNA) },
    Card { issuer: CardIssuer::PersonHsaId2, ..Card::good("loa-2", ANNA) },
    Card::good("no-hsa-id", ANNA_UNNUMBERED),
    Card::good("malformed-hsa-id", ANNA_MISNUMBERED),
];

/// Why the demo's keys were not written, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A second set of keys would shut the stores of the first.
    #[error("{path}: is there already. Keys are written once: give another directory, or remove this one", path = .0.display())]
    Exists(PathBuf),
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("a certificate or a revocation list could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("a .p12 could not be made: {0}")]
    Keystore(#[from] p12_keystore::error::Error),
    #[error("the clock is beyond what a certificate can say: {0}")]
    Clock(#[from] time::error::ComponentRange),
    #[error("the operating system gives no randomness")]
    Randomness,
}

/// Writes `master.key`, `ca/`, `tls/` and `cards/` into `dir`, which is made when missing. Leaves count their 90 days
/// from `now`. What exists is never overwritten: the first file that does ends it, the master key being the first.
pub fn write(dir: &Path, now: Timestamp) -> Result<(), PkiError> {
    let tree = Tree::new(now)?;
    let master = SecretBytes::random().map_err(|_| PkiError::Randomness)?;
    fs::create_dir_all(dir).map_err(|source| PkiError::Io { path: dir.to_owned(), source })?;
    write_file(&dir.join("master.key"), PRIVATE_MODE, crypto::hex(master.expose()).as_bytes())?;
    let revoked = write_cards(&make_dir(dir, "cards", PRIVATE_DIR_MODE)?, &tree, now)?;
    write_systems(&make_dir(dir, "tls", PRIVATE_DIR_MODE)?, &tree, now)?;
    write_authorities(&make_dir(dir, "ca", PUBLIC_DIR_MODE)?, &tree, &revoked, now)
}

/// The authorities, with the names that the real ones bear in the test environment.
struct Tree {
    root: Authority,
    person_hsa_id: Authority,
    person_hsa_id_2: Authority,
    person_id: Authority,
    mobile: Authority,
    function: Authority,
    telia: Authority,
    /// No part of SITHS: what the gateway itself shows.
    server: Authority,
}

impl Tree {
    fn new(now: Timestamp) -> Result<Tree, PkiError> {
        let years = days(now, -AUTHORITY_AGE_DAYS, AUTHORITY_DAYS - AUTHORITY_AGE_DAYS)?;
        let root = Authority::root("TEST SITHS e-id Root CA v2", years)?;
        Ok(Tree {
            person_hsa_id: root.subordinate("TEST SITHS e-id Person HSA-id 3 CA v1", years)?,
            person_hsa_id_2: root.subordinate("TEST SITHS e-id Person HSA-id 2 CA v1", years)?,
            person_id: root.subordinate("TEST SITHS e-id Person ID 3 CA v1", years)?,
            mobile: root.subordinate("TEST SITHS e-id Person ID Mobile CA v1", years)?,
            function: root.subordinate("TEST SITHS e-id Function CA v1", years)?,
            telia: Authority::root("TEST Telia e-legitimation HW CA v3", years)?,
            server: Authority::root("TEST Budkavle demo Server CA v1", years)?,
            root,
        })
    }

    fn issuer(&self, issuer: CardIssuer) -> &Authority {
        match issuer {
            CardIssuer::PersonHsaId => &self.person_hsa_id,
            CardIssuer::PersonHsaId2 => &self.person_hsa_id_2,
            CardIssuer::PersonId => &self.person_id,
            CardIssuer::Mobile => &self.mobile,
            CardIssuer::Telia => &self.telia,
        }
    }
}

/// Returns what the authority for persons has to revoke.
fn write_cards(dir: &Path, tree: &Tree, now: Timestamp) -> Result<Vec<Leaf>, PkiError> {
    let mut revoked = Vec::new();
    for Card { file, holder, issuer, life, use_, is_revoked } in &CARDS {
        let validity = match life {
            Life::Current => from_now(now, LEAF_DAYS)?,
            Life::Ended => days(now, -1 - LEAF_DAYS, -1)?,
            Life::Coming => days(now, 2, 2 + LEAF_DAYS)?,
        };
        let subject = authority::person(holder.given_name, holder.surname, holder.identifier)?;
        let purposes = [ExtendedKeyUsagePurpose::ClientAuth];
        let usage = match use_ {
            CardUse::Identification => KeyUsagePurpose::DigitalSignature,
            CardUse::Signing => KeyUsagePurpose::ContentCommitment,
        };
        let leaf = tree.issuer(*issuer).issue(subject, Vec::new(), usage, &purposes, validity)?;
        write_pair(dir, file, &leaf)?;
        let friendly_name = format!("{} {} ({file}, Budkavle demo)", holder.given_name, holder.surname);
        let keystore = leaf.keystore(&friendly_name, KEYSTORE_PASSWORD)?;
        write_file(&dir.join(format!("{file}.p12")), PRIVATE_MODE, &keystore)?;
        if *is_revoked {
            revoked.push(leaf);
        }
    }
    Ok(revoked)
}

fn write_systems(dir: &Path, tree: &Tree, now: Timestamp) -> Result<(), PkiError> {
    let validity = from_now(now, LEAF_DAYS)?;
    let both = [ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    for System { file, name, hsa_id } in &SYSTEMS {
        let leaf = tree.function.issue(
            authority::system(name, hsa_id)?,
            Vec::new(),
            KeyUsagePurpose::DigitalSignature,
            &both,
            validity,
        )?;
        write_pair(dir, file, &leaf)?;
    }
    let names = vec![
        SanType::DnsName("localhost".try_into()?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    let subject = authority::system("localhost", "TSTNMT2321000156-G001")?;
    let purposes = [ExtendedKeyUsagePurpose::ServerAuth];
    let server = tree.server.issue(subject, names, KeyUsagePurpose::DigitalSignature, &purposes, validity)?;
    write_pair(dir, "server", &server)?;
    write_file(&dir.join("server-ca.pem"), PUBLIC_MODE, tree.server.pem().as_bytes())
}

fn write_authorities(dir: &Path, tree: &Tree, revoked: &[Leaf], now: Timestamp) -> Result<(), PkiError> {
    let certificates = [
        ("root.pem", &tree.root),
        ("person-hsa-id-3.pem", &tree.person_hsa_id),
        ("person-hsa-id-2.pem", &tree.person_hsa_id_2),
        ("person-id-3.pem", &tree.person_id),
        ("function.pem", &tree.function),
        ("telia.pem", &tree.telia),
    ];
    for (file, authority) in certificates {
        write_file(&dir.join(file), PUBLIC_MODE, authority.pem().as_bytes())?;
    }
    let validity = from_now(now, REVOCATION_LIST_DAYS)?;
    let persons = tree.person_hsa_id.revocation_list(&revoked.iter().collect::<Vec<_>>(), validity)?;
    write_file(&dir.join("person-hsa-id-3.crl"), PUBLIC_MODE, &persons)?;
    let reserves = tree.person_hsa_id_2.revocation_list(&[], validity)?;
    write_file(&dir.join("person-hsa-id-2.crl"), PUBLIC_MODE, &reserves)?;
    write_file(&dir.join("function.crl"), PUBLIC_MODE, &tree.function.revocation_list(&[], validity)?)
}

fn write_pair(dir: &Path, file: &str, leaf: &Leaf) -> Result<(), PkiError> {
    write_file(&dir.join(format!("{file}.pem")), PUBLIC_MODE, leaf.chain_pem().as_bytes())?;
    write_file(&dir.join(format!("{file}.key")), PRIVATE_MODE, leaf.key_pem().as_bytes())
}

fn write_file(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), PkiError> {
    let created = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    created.and_then(|mut file| file.write_all(bytes)).map_err(|error| refused(path, error))
}

fn make_dir(parent: &Path, name: &str, mode: u32) -> Result<PathBuf, PkiError> {
    let path = parent.join(name);
    match fs::DirBuilder::new().mode(mode).create(&path) {
        Ok(()) => Ok(path),
        Err(error) => Err(refused(&path, error)),
    }
}

fn refused(path: &Path, source: io::Error) -> PkiError {
    match source.kind() {
        io::ErrorKind::AlreadyExists => PkiError::Exists(path.to_owned()),
        _ => PkiError::Io { path: path.to_owned(), source },
    }
}

fn days(now: Timestamp, from: i64, until: i64) -> Result<Validity, PkiError> {
    Ok(Validity { from: hours_after(now, from * DAY_HOURS)?, until: hours_after(now, until * DAY_HOURS)? })
}

fn from_now(now: Timestamp, days: i64) -> Result<Validity, PkiError> {
    Ok(Validity { from: hours_after(now, -CLOCK_SLACK_HOURS)?, until: hours_after(now, days * DAY_HOURS)? })
}

fn hours_after(now: Timestamp, hours: i64) -> Result<OffsetDateTime, PkiError> {
    Ok(OffsetDateTime::from_unix_timestamp(now.as_second() + hours * HOUR_SECONDS)?)
}
