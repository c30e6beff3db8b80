//! The keys of one store: a data key a month and one key for hashing, wrapped by the master key, in a file beside
//! the journal. Rotating the master key only wraps them anew.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::crypto::{CryptoError, Digest, HashingKey, SealingKey, SecretBytes};

/// Format of the keyring file and of sealed values.
const FORMAT: u8 = 1;
/// Clear bytes in front of a sealed value: format u8, key id u32, record version u64.
const ENVELOPE_BYTES: usize = 13;

#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: this is no keyring of format 1. Put back the keyring from the backup", path = path.display())]
    Unreadable { path: PathBuf },
    #[error("{path}: the master key does not open this keyring. Give the master key that it was made with", path = path.display())]
    WrongMaster { path: PathBuf },
    #[error("no random bytes from the operating system")]
    Random,
}

/// Why a sealed value could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("sealed by a newer program")]
    Newer,
    #[error("sealed with a key that the keyring does not hold")]
    UnknownKey,
    #[error("the value was changed or belongs elsewhere")]
    Broken,
}

/// The operator's key, from a file or a systemd credential.
#[derive(Debug, Clone)]
pub struct MasterKey(SecretBytes);

impl MasterKey {
    /// Reads 32 bytes: raw, as 64 hexadecimal digits or as base64.
    pub fn load(path: &Path) -> io::Result<MasterKey> {
        let bytes = zeroize::Zeroizing::new(fs::read(path)?);
        let text = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
        let hex = || -> Option<Vec<u8>> {
            (text.len() == 64).then_some(())?;
            (0..64).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
        };
        SecretBytes::from_slice(&bytes)
            .or_else(|| SecretBytes::from_slice(&hex()?))
            .or_else(|| SecretBytes::from_slice(&STANDARD.decode(text).ok()?))
            .map(MasterKey)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a master key is 32 bytes: raw, hex or base64"))
    }

    #[cfg(test)]
    pub fn new(secret: SecretBytes) -> MasterKey {
        MasterKey(secret)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyringFile {
    format: u8,
    store: Uuid,
    hashing_key: String,
    data_keys: Vec<DataKey>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DataKey {
    id: u32,
    /// `2026-11`: the month in which it seals.
    month: String,
    wrapped: String,
}

pub struct Keyring {
    path: PathBuf,
    pub store: Uuid,
    master: SealingKey,
    hashing: HashingKey,
    state: Mutex<State>,
}

struct State {
    file: KeyringFile,
    keys: HashMap<u32, Arc<SealingKey>>,
    current: Option<(String, u32)>,
}

impl Keyring {
    /// Opens the keyring, or makes one where there is none and `fresh` says that there is no journal either.
    pub fn open(path: &Path, master: &MasterKey, fresh: bool) -> Result<Keyring, KeyringError> {
        let wrap = SealingKey::new(&master.0).map_err(|_| KeyringError::Random)?;
        let io = |source| KeyringError::Io { path: path.to_owned(), source };
        let file = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice::<KeyringFile>(&bytes)
                .ok()
                .filter(|f| f.format == FORMAT)
                .ok_or_else(|| KeyringError::Unreadable { path: path.to_owned() })?,
            Err(e) if e.kind() == io::ErrorKind::NotFound && fresh => {
                let bytes = crate::crypto::random_bytes().map_err(|_| KeyringError::Random)?;
                let store = uuid::Builder::from_random_bytes(bytes).into_uuid();
                let secret = SecretBytes::random().map_err(|_| KeyringError::Random)?;
                let hashing_key = wrap_key(&wrap, store, "hashing", &secret).map_err(|_| KeyringError::Random)?;
                let file = KeyringFile { format: FORMAT, store, hashing_key, data_keys: Vec::new() };
                write_file(path, &file).map_err(io)?;
                file
            }
            Err(e) => return Err(io(e)),
        };
        let open = |name: &str, wrapped: &str| {
            unwrap_key(&wrap, file.store, name, wrapped)
                .ok_or_else(|| KeyringError::WrongMaster { path: path.to_owned() })
        };
        let hashing = HashingKey::new(&open("hashing", &file.hashing_key)?);
        let mut keys = HashMap::new();
        for key in &file.data_keys {
            let secret = open(&data_key_name(key.id), &key.wrapped)?;
            keys.insert(key.id, Arc::new(SealingKey::new(&secret).map_err(|_| KeyringError::Random)?));
        }
        let current = file.data_keys.last().map(|k| (k.month.clone(), k.id));
        Ok(Keyring {
            path: path.to_owned(),
            store: file.store,
            master: wrap,
            hashing,
            state: Mutex::new(State { file, keys, current }),
        })
    }

    /// A keyed hash under the store's own key: finds a citizen, says nobody's number.
    pub fn hash(&self, parts: &[&[u8]]) -> Digest {
        self.hashing.hash(parts)
    }

    /// Seals with the month's key, which is made and synced first if it is the month's first value.
    pub fn seal(&self, name: &[u8], version: u64, plain: &[u8], now: Timestamp) -> Result<Vec<u8>, KeyringError> {
        let (id, key) = self.key_for(now)?;
        let mut out = Vec::with_capacity(ENVELOPE_BYTES + plain.len() + crate::crypto::SEAL_OVERHEAD_BYTES);
        out.push(FORMAT);
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&version.to_be_bytes());
        let associated = [out.as_slice(), name].concat();
        key.seal(&associated, plain, &mut out).map_err(|_| KeyringError::Random)?;
        Ok(out)
    }

    /// Opens what `seal` wrote under the same name.
    pub fn open_value(&self, name: &[u8], sealed: &[u8]) -> Result<(u64, Vec<u8>), SealError> {
        let (envelope, body) = sealed.split_at_checked(ENVELOPE_BYTES).ok_or(SealError::Broken)?;
        let version = version_of(sealed)?;
        let id = envelope[1..5].try_into().map(u32::from_be_bytes).map_err(|_| SealError::Broken)?;
        let key = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.keys.get(&id).cloned().ok_or(SealError::UnknownKey)?
        };
        let plain = key.open(&[envelope, name].concat(), body).map_err(|_| SealError::Broken)?;
        Ok((version, plain))
    }

    fn key_for(&self, now: Timestamp) -> Result<(u32, Arc<SealingKey>), KeyringError> {
        let month = now.strftime("%Y-%m").to_string();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((current, id)) = &state.current
            // A clock that goes back keeps the newest key.
            && *current >= month
            && let Some(key) = state.keys.get(id)
        {
            return Ok((*id, key.clone()));
        }
        let id = state.file.data_keys.last().map_or(1, |k| k.id + 1);
        let secret = SecretBytes::random().map_err(|_| KeyringError::Random)?;
        let key = Arc::new(SealingKey::new(&secret).map_err(|_| KeyringError::Random)?);
        let wrapped =
            wrap_key(&self.master, self.store, &data_key_name(id), &secret).map_err(|_| KeyringError::Random)?;
        state.file.data_keys.push(DataKey { id, month: month.clone(), wrapped });
        if let Err(source) = write_file(&self.path, &state.file) {
            state.file.data_keys.pop();
            return Err(KeyringError::Io { path: self.path.clone(), source });
        }
        state.keys.insert(id, key.clone());
        state.current = Some((month, id));
        Ok((id, key))
    }
}

/// The record version in front of a sealed value, readable without its key.
pub fn version_of(sealed: &[u8]) -> Result<u64, SealError> {
    if sealed.first() != Some(&FORMAT) {
        return Err(if sealed.is_empty() { SealError::Broken } else { SealError::Newer });
    }
    sealed.get(5..13).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes).ok_or(SealError::Broken)
}

fn data_key_name(id: u32) -> String {
    format!("data/{id}")
}

fn wrap_key(master: &SealingKey, store: Uuid, name: &str, secret: &SecretBytes) -> Result<String, CryptoError> {
    let mut out = Vec::new();
    master.seal(format!("budkavle keyring {store} {name}").as_bytes(), secret.expose(), &mut out)?;
    Ok(STANDARD.encode(out))
}

fn unwrap_key(master: &SealingKey, store: Uuid, name: &str, wrapped: &str) -> Option<SecretBytes> {
    let sealed = STANDARD.decode(wrapped).ok()?;
    let plain = master.open(format!("budkavle keyring {store} {name}").as_bytes(), &sealed).ok()?;
    SecretBytes::from_slice(&zeroize::Zeroizing::new(plain))
}

fn write_file(path: &Path, file: &KeyringFile) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    out.write_all(&serde_json::to_vec_pretty(file)?)?;
    out.sync_all()?;
    fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn each_month_has_its_key_and_old_values_open_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyring.json");
        let master = MasterKey::new(SecretBytes::random().unwrap());
        let ring = Keyring::open(&path, &master, true).unwrap();
        let november = ring.seal(b"k", 1, b"a", at("2026-11-22T10:00:00Z")).unwrap();
        let december = ring.seal(b"k", 2, b"b", at("2026-12-01T10:00:00Z")).unwrap();
        assert_ne!(november[1..5], december[1..5]);
        let again = Keyring::open(&path, &master, false).unwrap();
        assert_eq!(again.open_value(b"k", &november), Ok((1, b"a".to_vec())));
        assert_eq!(again.open_value(b"k", &december), Ok((2, b"b".to_vec())));
        assert_eq!(again.open_value(b"other", &november), Err(SealError::Broken));
        assert_eq!(again.hash(&[b"x"]), ring.hash(&[b"x"]));
    }

    #[test]
    fn a_wrong_master_key_and_a_lost_keyring_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyring.json");
        Keyring::open(&path, &MasterKey::new(SecretBytes::random().unwrap()), true).unwrap();
        let wrong = Keyring::open(&path, &MasterKey::new(SecretBytes::random().unwrap()), true);
        assert!(matches!(wrong, Err(KeyringError::WrongMaster { .. })));
        fs::remove_file(&path).unwrap();
        let lost = Keyring::open(&path, &MasterKey::new(SecretBytes::random().unwrap()), false);
        assert!(matches!(lost, Err(KeyringError::Io { .. })));
    }

    #[test]
    fn a_version_that_was_changed_in_the_clear_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let master = MasterKey::new(SecretBytes::random().unwrap());
        let ring = Keyring::open(&dir.path().join("k"), &master, true).unwrap();
        let mut sealed = ring.seal(b"k", 3, b"a", at("2026-11-22T10:00:00Z")).unwrap();
        assert_eq!(version_of(&sealed), Ok(3));
        sealed[12] = 4;
        assert_eq!(ring.open_value(b"k", &sealed), Err(SealError::Broken));
    }
}
