//! A Maildir that others deliver into and we empty. What its letters say is `incoming`'s matter.

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::incoming::INCOMING_OCTETS_MAX;

/// Letters picked up at a time.
const FOUND_MAX: usize = 100;
/// Directory entries looked at for them: more would be somebody filling the disk.
const ENTRIES_MAX: usize = 100_000;
/// A subfolder (Maildir++), so that an operator's mail reader shows what could not be read.
const UNREADABLE: &str = ".unreadable";

/// The directory, and how much of it could not be read since the start.
#[derive(Debug, Clone)]
pub struct Maildir {
    path: PathBuf,
    unreadable: Arc<AtomicU64>,
}

/// A letter that lies in the Maildir.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    folder: Folder,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folder {
    New,
    Current,
}

/// What became of a letter, once what followed from it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Not needed any more.
    Removed,
    /// Put aside for a person, and counted.
    Unreadable,
}

/// What went wrong, and at which step; never a letter's name, which mail systems make of whatever they like.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {source}")]
pub struct MaildirError {
    step: &'static str,
    source: io::Error,
}

impl Maildir {
    /// Touches nothing: a Maildir that is not there yet is told when it is looked into.
    pub fn new(path: PathBuf) -> Maildir {
        Maildir { path, unreadable: Arc::default() }
    }

    /// The oldest letters that nobody has seen, those in `new/` first.
    pub async fn list(&self) -> Result<Vec<Found>, MaildirError> {
        self.blocking("looking into the Maildir", |maildir| {
            let mut found = maildir.entries(Folder::New)?;
            if found.len() < FOUND_MAX {
                found.extend(maildir.entries(Folder::Current)?);
            }
            found.truncate(FOUND_MAX);
            Ok(found)
        })
        .await
    }

    /// The letter's bytes. One that is larger than `INCOMING_OCTETS_MAX` is an error, to be settled as `Unreadable`.
    pub async fn read(&self, found: &Found) -> Result<Vec<u8>, MaildirError> {
        let found = found.clone();
        self.blocking("reading a letter", move |maildir| {
            let mut letter = Vec::new();
            let limit = u64::try_from(INCOMING_OCTETS_MAX).unwrap_or(u64::MAX).saturating_add(1);
            fs::File::open(maildir.place(&found))?.take(limit).read_to_end(&mut letter)?;
            if letter.len() > INCOMING_OCTETS_MAX { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(letter) }
        })
        .await
    }

    /// Takes the letter from where `list` would find it again.
    pub async fn settle(&self, found: Found, settled: Settled) -> Result<(), MaildirError> {
        self.blocking("settling a letter", move |maildir| {
            let place = maildir.place(&found);
            match settled {
                Settled::Removed => fs::remove_file(place),
                Settled::Unreadable => {
                    maildir.unreadable.fetch_add(1, Relaxed);
                    let aside = maildir.path.join(UNREADABLE);
                    for folder in ["cur", "new", "tmp"] {
                        fs::create_dir_all(aside.join(folder))?;
                    }
                    fs::rename(place, aside.join("new").join(unflagged(&found.name)))
                }
            }
        })
        .await
    }

    /// Letters put aside since the start.
    #[cfg(test)]
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Relaxed)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        step: &'static str,
        act: impl FnOnce(&Maildir) -> io::Result<T> + Send + 'static,
    ) -> Result<T, MaildirError> {
        let maildir = self.clone();
        let done = tokio::task::spawn_blocking(move || act(&maildir)).await;
        done.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into())).map_err(|source| MaildirError { step, source })
    }

    /// Unseen regular files, the oldest first: a Maildir's names begin with the time. Others are none of ours.
    fn entries(&self, folder: Folder) -> io::Result<Vec<Found>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path.join(folder.name()))?.take(ENTRIES_MAX) {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_seen = folder == Folder::Current && flags(&name).contains('S');
            if !name.starts_with('.') && !is_seen && entry.file_type()?.is_file() {
                names.push(name);
            }
        }
        names.sort_unstable();
        names.truncate(FOUND_MAX);
        Ok(names.into_iter().map(|name| Found { folder, name }).collect())
    }

    fn place(&self, found: &Found) -> PathBuf {
        Path::new(&self.path).join(found.folder.name()).join(&found.name)
    }
}

impl Folder {
    fn name(self) -> &'static str {
        match self {
            Folder::New => "new",
            Folder::Current => "cur",
        }
    }
}

fn unflagged(name: &str) -> &str {
    name.split_once(":2,").map_or(name, |(name, _)| name)
}

fn flags(name: &str) -> &str {
    name.split_once(":2,").map_or("", |(_, flags)| flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maildir() -> (tempfile::TempDir, Maildir) {
        let place = tempfile::tempdir().unwrap();
        for folder in ["cur", "new", "tmp"] {
            fs::create_dir(place.path().join(folder)).unwrap();
        }
        let maildir = Maildir::new(place.path().to_owned());
        (place, maildir)
    }

    fn names(place: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn letters_are_found_oldest_first_and_not_again_once_seen() {
        let (place, maildir) = maildir();
        for file in ["new/2.b", "new/1.a", "cur/0.c:2,", "cur/0.d:2,S", "cur/0.e:2,F", "tmp/3.f", "new/.hidden"] {
            fs::write(place.path().join(file), file).unwrap();
        }
        fs::create_dir(place.path().join("new/9.directory")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", place.path().join("new/9.link")).unwrap();
        let found = maildir.list().await.unwrap();
        let mut read = Vec::new();
        for letter in &found {
            read.push(String::from_utf8(maildir.read(letter).await.unwrap()).unwrap());
        }
        assert_eq!(read, ["new/1.a", "new/2.b", "cur/0.c:2,", "cur/0.e:2,F"]);
        for letter in found {
            maildir.settle(letter, Settled::Removed).await.unwrap();
        }
        assert_eq!(maildir.list().await.unwrap(), []);
        assert_eq!(names(&place.path().join("cur")), ["0.d:2,S"]);
    }

    #[tokio::test]
    async fn what_cannot_be_read_lies_aside_and_is_counted() {
        let (place, maildir) = maildir();
        fs::write(place.path().join("new/1.large"), vec![b'x'; INCOMING_OCTETS_MAX + 1]).unwrap();
        fs::write(place.path().join("new/2.done"), "x").unwrap();
        let [large, done] = maildir.list().await.unwrap().try_into().unwrap();
        assert_eq!(maildir.read(&large).await.unwrap_err().source.kind(), io::ErrorKind::FileTooLarge);
        maildir.settle(large, Settled::Unreadable).await.unwrap();
        maildir.settle(done, Settled::Removed).await.unwrap();
        assert_eq!((maildir.list().await.unwrap(), maildir.unreadable()), (vec![], 1));
        assert_eq!(names(&place.path().join(".unreadable/new")), ["1.large"]);
        assert_eq!(names(&place.path().join("cur")), [""; 0]);
    }

    #[tokio::test]
    async fn a_hundred_letters_are_taken_at_a_time_and_a_missing_maildir_is_told() {
        let (place, maildir) = maildir();
        for number in 0..FOUND_MAX + 5 {
            fs::write(place.path().join(format!("new/{number:04}")), "x").unwrap();
        }
        assert_eq!(maildir.list().await.unwrap().len(), FOUND_MAX);
        let told = Maildir::new("/nonexistent/mail".into()).list().await.unwrap_err().to_string();
        assert!(told.starts_with("looking into the Maildir: "), "{told}");
    }
}
