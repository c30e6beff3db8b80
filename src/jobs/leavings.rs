//! Who leaves while only the copy of the pages is served: the leave link's token lies in a directory until the gateway
//! runs again. The copy's server has no key and cannot know a true token from a forged one; the gateway does.
//!
//! A token is the name of an empty file, so that it is there whole or not at all, and once however often it comes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::usecase::Gateway;
use crate::usecase::subscribers::manage::Left;

/// Tokens that may wait: far more than leave in a night, and no more than a scan of the directory bears.
const WAITING_MAX: usize = 10_000;
/// A token's letters and digits: as many as fit before the `@` of a mail address.
const TOKEN_CHARS_MAX: usize = 64;
/// How often it is looked for what came late: the copy's server goes on with open requests when we are back.
const LOOK: Duration = Duration::from_secs(30);

/// The directory. Its tokens let whoever reads them leave in another's name, and so it is its owner's alone.
#[derive(Debug, Clone)]
pub struct Leavings {
    dir: PathBuf,
}

impl Leavings {
    pub fn new(dir: PathBuf) -> Leavings {
        Leavings { dir }
    }

    /// Writes a token down; on disk when it returns. What can be no token is nobody's, and nothing is written. Blocking.
    pub fn keep(&self, token: &str) -> io::Result<()> {
        if !is_token(token) {
            return Ok(());
        }
        make_dir(&self.dir)?;
        let path = self.dir.join(token.to_ascii_lowercase());
        if path.exists() {
            return Ok(());
        }
        if fs::read_dir(&self.dir)?.take(WAITING_MAX).count() >= WAITING_MAX {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "as many wish to leave as can be kept"));
        }
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?.sync_all()?;
        File::open(&self.dir)?.sync_all()
    }

    /// Blocking.
    fn waiting(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let name = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        Ok(entries.take(WAITING_MAX).filter_map(name).filter(|name| is_token(name)).collect())
    }
}

/// Has those leave who wrote it down; how many. What the store cannot take now waits on. To be done before any notice is
/// sent, so that nobody who left gets one.
pub async fn take_up(gateway: &Gateway, leavings: &Leavings) -> io::Result<usize> {
    let list = leavings.clone();
    let tokens = tokio::task::spawn_blocking(move || list.waiting()).await.map_err(io::Error::other)??;
    let mut left = 0;
    for token in tokens {
        match gateway.leave_by_token(&token, "copy").await {
            Ok(Left::Gone | Left::OnLists(_)) => {}
            Ok(Left::Waiting) => continue,
            Err(error) => {
                tracing::error!(event = "leavings.refused", %error, "a leaving cannot be written down yet");
                continue;
            }
        }
        let path = leavings.dir.join(token);
        tokio::task::spawn_blocking(move || fs::remove_file(path)).await.map_err(io::Error::other)??;
        left += 1;
    }
    Ok(left)
}

/// Takes up what lies there, before anything is sent; what comes later is `run`'s.
pub async fn begin(gateway: &Gateway, dir: PathBuf) -> Leavings {
    let leavings = Leavings::new(dir);
    look(gateway, &leavings).await;
    leavings
}

async fn look(gateway: &Gateway, leavings: &Leavings) {
    match take_up(gateway, leavings).await {
        Ok(0) => {}
        Ok(left) => tracing::info!(event = "leavings.taken-up", left, "people left while the gateway was down"),
        Err(error) => {
            tracing::error!(event = "leavings.failed", %error, "who left while the gateway was down cannot be read");
        }
    }
}

/// Works until told to stop.
pub async fn run(gateway: Arc<Gateway>, leavings: Leavings, mut stop: watch::Receiver<bool>) {
    loop {
        look(&gateway, &leavings).await;
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stop.changed() => return,
        }
    }
}

fn is_token(text: &str) -> bool {
    (1..=TOKEN_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn make_dir(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    use crate::usecase::testing::TestGateway;

    fn leavings() -> (tempfile::TempDir, Leavings) {
        let dir = tempfile::tempdir().unwrap();
        let leavings = Leavings::new(dir.path().join("leavings"));
        (dir, leavings)
    }

    #[test]
    fn a_token_is_kept_once_for_its_owner_alone_and_what_is_none_is_not_kept() {
        let (_dir, leavings) = leavings();
        for token in ["abc234", "ABC234", "", "../../etc", "a b", "å", &"a".repeat(65)] {
            leavings.keep(token).unwrap();
        }
        assert_eq!(leavings.waiting().unwrap(), ["abc234"]);
        assert_eq!(fs::metadata(&leavings.dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(leavings.dir.join("abc234")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn too_many_are_refused_and_those_that_wait_are_kept() {
        let (_dir, leavings) = leavings();
        fs::create_dir(&leavings.dir).unwrap();
        for number in 0..WAITING_MAX {
            File::create(leavings.dir.join(format!("t{number}"))).unwrap();
        }
        leavings.keep("t7").unwrap();
        assert_eq!(leavings.keep("fresh").unwrap_err().kind(), io::ErrorKind::QuotaExceeded);
        assert_eq!(leavings.waiting().unwrap().len(), WAITING_MAX);
    }

    #[tokio::test]
    async fn a_forged_token_is_done_with_like_a_true_one() {
        let test = TestGateway::start().await;
        let (_dir, leavings) = leavings();
        assert_eq!(take_up(&test.gateway, &leavings).await.unwrap(), 0, "nobody ever left by the copy");
        leavings.keep(&"a".repeat(52)).unwrap();
        assert_eq!(take_up(&test.gateway, &leavings).await.unwrap(), 1);
        assert!(leavings.waiting().unwrap().is_empty());
    }
}
