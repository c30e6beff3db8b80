//! Letters as files: one `.eml` each, complete or not there at all, named by the Message-ID and never by an address.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    body::Body,
    classify::{Cause, Class, Delivery, Phase, Trouble, failure},
    message::MessageId,
    reply::{EnhancedCode, Reply},
};

/// Letters hold personal data: for the owner alone.
const FILE_MODE: u32 = 0o600;

/// A directory that takes letters.
pub struct Directory {
    path: PathBuf,
    writes: AtomicU64,
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Directory {
        Directory { path, writes: AtomicU64::new(0) }
    }

    /// Durable when accepted. The same letter again takes the same file's place.
    pub(super) async fn deliver(&self, letter: &[u8]) -> Delivery {
        if let Err(why) = Body::new(letter) {
            return failure(Trouble { phase: Phase::Check, cause: Cause::Unfit(why) });
        }
        let deferred = |kind| {
            let trouble = Trouble { phase: Phase::File, cause: Cause::Io(kind) };
            Delivery::Deferred { class: Class::Session, trouble }
        };
        let Some(id) = MessageId::of(letter) else {
            let trouble = Trouble { phase: Phase::Check, cause: Cause::NoMessageId };
            return failure(trouble);
        };
        let directory = self.path.clone();
        let half = directory.join(format!(".half-{}", self.writes.fetch_add(1, Ordering::Relaxed)));
        let whole = directory.join(format!("{}.eml", id.left()));
        let letter = letter.to_owned();
        let written = tokio::task::spawn_blocking(move || {
            write(&directory, &half, &whole, &letter).inspect_err(|_| drop(fs::remove_file(&half)))
        });
        match written.await {
            Ok(Ok(())) => Delivery::Accepted { reply: Reply { code: 250, enhanced: Some(EnhancedCode(2, 0, 0)) } },
            Ok(Err(error)) => deferred(error.kind()),
            Err(_) => deferred(io::ErrorKind::Interrupted),
        }
    }
}

fn write(directory: &Path, half: &Path, whole: &Path, letter: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(half)?;
    file.write_all(letter)?;
    file.sync_all()?;
    fs::rename(half, whole)?;
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTER: &[u8] = b"To: anna@example.test\r\nMessage-ID: <0193.1@gateway.region.example>\r\n\r\nhej\r\n";

    #[tokio::test]
    async fn a_letter_lies_whole_under_its_message_id_and_again_in_the_same_place() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::new(place.path().to_owned());
        for _ in 0..2 {
            assert!(matches!(directory.deliver(LETTER).await, Delivery::Accepted { .. }));
        }
        let names: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["0193.1.eml"]);
        assert_eq!(fs::read(place.path().join("0193.1.eml")).unwrap(), LETTER);
    }

    #[tokio::test]
    async fn a_letter_without_a_plain_message_id_never_becomes_a_path() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::new(place.path().to_owned());
        for id in ["<../../etc/cron@x.example>", "<@x.example>", "<.hidden@x.example>", "none"] {
            let letter = format!("Message-ID: {id}\r\n\r\nhej\r\n");
            assert!(matches!(
                directory.deliver(letter.as_bytes()).await,
                Delivery::Rejected { class: Class::Message, .. }
            ));
        }
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_directory_that_is_gone_defers_and_blames_no_recipient() {
        let directory = Directory::new("/nonexistent/mail".into());
        let Delivery::Deferred { class: Class::Session, trouble } = directory.deliver(LETTER).await else {
            panic!("not deferred");
        };
        assert_eq!(trouble.cause, Cause::Io(io::ErrorKind::NotFound));
    }
}
