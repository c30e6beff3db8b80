//! What was fetched, on disk: a file a list, and an index of the addresses with what they are asked with next time. The
//! lists are verified anew whenever they are read; the index says nothing that anybody trusts.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::crypto::{hex, sha256};
use crate::domain::status::probe::target::HttpTarget;
use crate::fetch::http::Validators;

const INDEX: &str = "index.json";
/// Far more than all issuers may have addresses.
const INDEX_BYTES_MAX: u64 = 4 << 20;

/// An address, as the index has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The fingerprint of the issuer's certificate.
    pub issuer: [u8; 32],
    pub url: String,
    pub validators: Validators,
}

/// The directory. Everything in here blocks.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
}

impl Cache {
    pub fn new(dir: PathBuf) -> Cache {
        Cache { dir }
    }

    /// Where the list of an address is kept. The host is for people; the digest tells addresses apart.
    pub fn file_of(&self, target: &HttpTarget) -> PathBuf {
        let authority = target.authority();
        let digest = hex(&sha256(&[authority.as_bytes(), b"\0", target.path.as_bytes()]));
        let host = target.host.replace(':', "_");
        self.dir.join(format!("{host}-{}.crl", digest.get(..16).unwrap_or(&digest)))
    }

    pub fn keep_list(&self, file: &Path, list: &[u8]) -> io::Result<()> {
        self.write(file, list)
    }

    pub fn keep_index(&self, known: &[Known]) -> io::Result<()> {
        self.write(&self.dir.join(INDEX), &serde_json::to_vec_pretty(known)?)
    }

    /// None when there is no index or it cannot be read: then addresses are learned anew, and files stay.
    pub fn index(&self) -> Option<Vec<Known>> {
        let mut bytes = Vec::new();
        File::open(self.dir.join(INDEX)).ok()?.take(INDEX_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Removes lists that belong to none of `files`.
    pub fn sweep(&self, files: &BTreeSet<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "crl") && !files.contains(&path) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// All of it or what was there before, also after a power cut.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let unfinished = path.with_extension("new");
        let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&unfinished, path)?;
        File::open(&self.dir)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> HttpTarget {
        HttpTarget::parse(url).unwrap()
    }

    #[test]
    fn each_address_has_a_file_of_its_own_that_names_its_host() {
        let cache = Cache::new("/cache".into());
        let name = |url: &str| cache.file_of(&target(url)).to_str().unwrap().to_owned();
        assert!(name("http://crl1.siths.se/a.crl").starts_with("/cache/crl1.siths.se-"));
        assert_eq!(name("http://crl1.siths.se/a.crl"), name("http://CRL1.siths.se:80/a.crl"));
        let all = ["http://a/x", "http://a/y", "http://a:8080/x", "http://b/x", "http://[::1]/x"].map(name);
        assert_eq!(BTreeSet::from(all).len(), 5);
    }

    #[test]
    fn what_was_kept_is_read_again_and_a_damaged_index_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().join("crl-cache"));
        assert_eq!(cache.index(), None);
        let validators = Validators { etag: Some("\"7\"".into()), last_modified: None };
        let known = [Known { issuer: [7; 32], url: "http://a/x".into(), validators }];
        cache.keep_index(&known).unwrap();
        assert_eq!(cache.index().unwrap(), known);
        fs::write(dir.path().join("crl-cache/index.json"), "[{").unwrap();
        assert_eq!(cache.index(), None);
    }

    #[test]
    fn lists_of_nobody_are_swept_away_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().to_owned());
        let [kept, swept] = ["http://a/x", "http://a/y"].map(|url| cache.file_of(&target(url)));
        cache.keep_list(&kept, b"one").unwrap();
        cache.keep_list(&swept, b"other").unwrap();
        cache.keep_index(&[]).unwrap();
        cache.sweep(&BTreeSet::from([kept.clone()])).unwrap();
        assert!(kept.exists() && !swept.exists() && cache.index().is_some());
    }
}
