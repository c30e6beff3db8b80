//! The public pages on disk, so that anything can serve them when the gateway does not: each version is a directory of
//! its own, whole and synced before `current` points at it. Where a page has no file type in its path it stands as
//! `…/index.html`, as every web server expects. `snapshot.json` says what is there, as of when, and until when it is to
//! be trusted.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::crypto::{Digest, sha256};
use crate::render::publish::Document;

/// What a reader opens: always a whole version.
const CURRENT: &str = "current";
const VERSION: &str = "version-";
const MANIFEST: &str = "snapshot.json";
/// The one in use, and the one before it, which somebody may be reading.
const VERSIONS_KEPT: usize = 2;
/// A manifest longer than this is none of ours.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;
/// A file longer than this is none of ours.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What is in a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub generated_at: Timestamp,
    pub stale_after: Timestamp,
    pub files: Vec<ManifestFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestFile {
    /// As in an address.
    pub path: String,
    /// Below the version's directory.
    pub file: String,
    pub content_type: String,
    pub max_age_seconds: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: not a list of a snapshot's files", path = path.display())]
    Manifest { path: PathBuf },
    #[error("{0}: no path of a page")]
    Path(String),
}

/// The writing side. One a directory.
#[derive(Debug)]
pub struct Snapshot {
    dir: PathBuf,
    last: Mutex<Option<Version>>,
}

#[derive(Debug)]
struct Version {
    dir: PathBuf,
    digests: HashMap<String, Digest>,
}

impl Snapshot {
    pub fn new(dir: PathBuf) -> Snapshot {
        Snapshot { dir, last: Mutex::default() }
    }

    /// Writes a version and makes it the current one; on an error the one before stays. Blocking.
    pub fn write(
        &self,
        documents: &[Document],
        generated_at: Timestamp,
        stale_after: Timestamp,
    ) -> Result<(), SnapshotError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        make_dir(&self.dir)?;
        let name = self.next_name(generated_at);
        let version = self.dir.join(&name);
        if version.exists() {
            fs::remove_dir_all(&version).map_err(at(&version))?;
        }
        make_dir(&version)?;
        let mut dirs = BTreeSet::from([version.clone()]);
        let mut files = Vec::with_capacity(documents.len());
        let mut digests = HashMap::with_capacity(documents.len());
        for document in documents {
            let file = file_of(&document.path)?;
            let (path, digest) = (version.join(&file), sha256(&[&document.bytes]));
            let parents = path.ancestors().skip(1).take_while(|dir| dir.starts_with(&version));
            for dir in parents.collect::<Vec<_>>().into_iter().rev() {
                if dirs.insert(dir.to_owned()) {
                    make_dir(dir)?;
                }
            }
            let same = last.as_ref().filter(|last| last.digests.get(&file) == Some(&digest));
            // What has not changed is the file of before: it is on disk already.
            let linked = same.is_some_and(|last| fs::hard_link(last.dir.join(&file), &path).is_ok());
            if !linked {
                write_file(&path, &document.bytes)?;
            }
            digests.insert(file.clone(), digest);
            files.push(ManifestFile {
                path: document.path.clone(),
                file,
                content_type: document.content_type.to_owned(),
                max_age_seconds: document.max_age_seconds,
            });
        }
        let manifest = Manifest { generated_at, stale_after, files };
        let manifest = serde_json::to_vec(&manifest).map_err(|_| SnapshotError::Manifest { path: version.clone() })?;
        write_file(&version.join(MANIFEST), &manifest)?;
        dirs.iter().try_for_each(|dir| sync_dir(dir))?;
        self.point_at(&name)?;
        *last = Some(Version { dir: version, digests });
        self.forget_old();
        Ok(())
    }

    /// By the time, and above the current one's also where the clock was set back: the greatest is the newest.
    fn next_name(&self, now: Timestamp) -> String {
        let current = current(&self.dir).ok();
        let current = current.as_ref().and_then(|path| path.to_str()?.strip_prefix(VERSION)?.parse::<i64>().ok());
        let number = now.as_millisecond().max(current.map_or(0, |number| number.saturating_add(1)));
        format!("{VERSION}{number:015}")
    }

    fn point_at(&self, name: &str) -> Result<(), SnapshotError> {
        let (next, current) = (self.dir.join("next"), self.dir.join(CURRENT));
        if let Err(error) = fs::remove_file(&next)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(at(&next)(error));
        }
        symlink(name, &next).map_err(at(&next))?;
        fs::rename(&next, &current).map_err(at(&current))?;
        sync_dir(&self.dir)
    }

    /// Versions that nobody reads any more. One that cannot be removed now is removed the next time.
    fn forget_old(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        let names = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut versions: Vec<PathBuf> = names
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(VERSION)))
            .collect();
        versions.sort();
        let old = versions.len().saturating_sub(VERSIONS_KEPT);
        for version in versions.iter().take(old) {
            let _ = fs::remove_dir_all(version);
        }
    }
}

/// A version as it is read back.
#[derive(Debug)]
pub struct Copy {
    /// Names the version: another one, and there is something new.
    pub version: PathBuf,
    pub manifest: Manifest,
    /// In the manifest's order.
    pub bytes: Vec<Vec<u8>>,
}

/// Which version is current. Blocking.
pub fn current(dir: &Path) -> Result<PathBuf, SnapshotError> {
    let link = dir.join(CURRENT);
    fs::read_link(&link).map_err(at(&link))
}

/// Reads the current version whole. Blocking.
pub fn read(dir: &Path) -> Result<Copy, SnapshotError> {
    let version = current(dir)?;
    let root = dir.join(&version);
    let path = root.join(MANIFEST);
    let manifest = read_file(&path, MANIFEST_BYTES_MAX)?;
    let manifest: Manifest = serde_json::from_slice(&manifest).map_err(|_| SnapshotError::Manifest { path })?;
    let mut bytes = Vec::with_capacity(manifest.files.len());
    for file in &manifest.files {
        // What a path of ours can be is what its file has to be.
        if file_of(&file.path)? != file.file {
            return Err(SnapshotError::Path(file.path.clone()));
        }
        bytes.push(read_file(&root.join(&file.file), FILE_BYTES_MAX)?);
    }
    Ok(Copy { version, manifest, bytes })
}

fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, SnapshotError> {
    let length = fs::metadata(path).map_err(at(path))?.len();
    if length > bytes_max {
        return Err(at(path)(io::Error::other("longer than any file of a snapshot")));
    }
    fs::read(path).map_err(at(path))
}

/// Where a document lies below its version.
fn file_of(path: &str) -> Result<String, SnapshotError> {
    let Some(inner) = path.strip_prefix('/') else { return Err(SnapshotError::Path(path.to_owned())) };
    if inner.is_empty() {
        return Ok("index.html".to_owned());
    }
    let plain = |part: &str| {
        let known = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        !part.is_empty() && !part.starts_with('.') && known
    };
    if !inner.split('/').all(plain) {
        return Err(SnapshotError::Path(path.to_owned()));
    }
    let has_type = inner.rsplit('/').next().is_some_and(|last| last.contains('.'));
    Ok(if has_type { inner.to_owned() } else { format!("{inner}/index.html") })
}

/// Readable by whoever serves it, whatever the service's umask: nothing in it is a secret.
fn make_dir(path: &Path) -> Result<(), SnapshotError> {
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(at(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(at(path)(error)),
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), SnapshotError> {
    let write = || {
        let mut file = File::create(path)?;
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(at(path))
}

fn sync_dir(path: &Path) -> Result<(), SnapshotError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SnapshotError + '_ {
    |source| SnapshotError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(path: &str, text: &str) -> Document {
        let content_type = "text/html; charset=utf-8";
        Document { path: path.into(), content_type, bytes: text.as_bytes().to_vec(), max_age_seconds: 15 }
    }

    fn moment(minute: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + minute * 60).unwrap()
    }

    fn texts(dir: &Path) -> Vec<(String, String)> {
        let copy = read(dir).unwrap();
        let paths = copy.manifest.files.iter().map(|file| file.path.clone());
        paths.zip(copy.bytes.into_iter().map(|bytes| String::from_utf8(bytes).unwrap())).collect()
    }

    #[test]
    fn what_was_written_is_read_back_and_any_web_server_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = Snapshot::new(dir.path().join("snapshot"));
        let dir = dir.path().join("snapshot");
        let documents = [
            document("/status", "now"),
            document("/en/status/historik/2026-11", "then"),
            document("/api/v2/a.json", "{}"),
        ];
        snapshot.write(&documents, moment(0), moment(5)).unwrap();
        let pairs = documents.iter().map(|d| (d.path.clone(), String::from_utf8(d.bytes.clone()).unwrap()));
        assert_eq!(texts(&dir), pairs.collect::<Vec<_>>());
        for (file, text) in [("status/index.html", "now"), ("api/v2/a.json", "{}")] {
            let path = dir.join("current").join(file);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        }
        assert_eq!(fs::metadata(dir.join("current/status")).unwrap().permissions().mode() & 0o777, 0o755);
        let manifest = read(&dir).unwrap().manifest;
        assert_eq!((manifest.generated_at, manifest.stale_after), (moment(0), moment(5)));
    }

    #[test]
    fn a_new_version_takes_the_place_of_the_old_at_once_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = Snapshot::new(dir.path().to_owned());
        for minute in 0..5 {
            let documents = [document("/status", &format!("minute {minute}")), document("/status/style.css", "same")];
            snapshot.write(&documents, moment(minute), moment(minute + 5)).unwrap();
            assert_eq!(texts(dir.path())[0].1, format!("minute {minute}"));
            assert_eq!(texts(dir.path())[1].1, "same");
        }
        let versions = fs::read_dir(dir.path()).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir());
        // `current` is a directory too, seen through its link.
        assert_eq!(versions.count(), VERSIONS_KEPT + 1);
    }

    #[test]
    fn a_half_written_version_is_never_current_and_the_next_one_does_not_mind_it() {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = Snapshot::new(dir.path().to_owned());
        snapshot.write(&[document("/status", "good")], moment(0), moment(5)).unwrap();
        let half = [document("/status", "half"), document("/status/../../etc/passwd", "never")];
        assert!(matches!(snapshot.write(&half, moment(1), moment(6)), Err(SnapshotError::Path(_))));
        assert_eq!(texts(dir.path())[0].1, "good");
        Snapshot::new(dir.path().to_owned()).write(&[document("/status", "next")], moment(1), moment(6)).unwrap();
        assert_eq!(texts(dir.path()), [("/status".to_owned(), "next".to_owned())]);
    }

    #[test]
    fn only_plain_paths_become_files() {
        for (path, file) in
            [("/", "index.html"), ("/status", "status/index.html"), ("/status/historik.atom", "status/historik.atom")]
        {
            assert_eq!(file_of(path).unwrap(), file);
        }
        for path in ["status", "//x", "/a/../b", "/a/.b", "/å", "/a b", "/a/"] {
            assert!(file_of(path).is_err(), "{path}");
        }
    }
}
