//! The letters that the demo's gateway writes as files, as they come.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::say::say;
use super::steps::{Failed, failed};

/// Longest wait for letters.
const WAIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub struct Inbox {
    dir: PathBuf,
    read: BTreeSet<PathBuf>,
}

/// One letter, its long header fields and lines put together again.
pub struct Letter {
    head: String,
    body: String,
}

impl Inbox {
    pub fn new(dir: PathBuf) -> Inbox {
        Inbox { dir, read: BTreeSet::new() }
    }

    /// Waits until so many new ones lie there, no fewer and no more, and prints whom they are to and what about.
    pub async fn receive(&mut self, step: &str, count: usize) -> Result<Vec<Letter>, Failed> {
        let deadline = Instant::now() + WAIT;
        let mut new = self.new_files();
        while new.len() < count && Instant::now() < deadline {
            tokio::time::sleep(LOOK_AGAIN).await;
            new = self.new_files();
        }
        let mut letters = Vec::new();
        for path in &new {
            let raw = fs::read_to_string(path).map_err(|error| failed(step, &error.to_string()))?;
            let letter = Letter::read(&raw);
            say(&format!("   mail to {:<28}  {}", letter.header("To"), letter.header("Subject")));
            letters.push(letter);
        }
        self.read.extend(new);
        if letters.len() == count {
            return Ok(letters);
        }
        Err(failed(step, &format!("expected {count} new letters, there are {}", letters.len())))
    }

    fn new_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let letters = entries.filter(|path| path.extension().is_some_and(|ending| ending == "eml"));
        let mut new: Vec<_> = letters.filter(|path| !self.read.contains(path)).collect();
        new.sort();
        new
    }
}

impl Letter {
    fn read(raw: &str) -> Letter {
        let (head, body) = raw.split_once("\r\n\r\n").unwrap_or((raw, ""));
        // Long header fields go on in lines that begin with a blank (RFC 5322), long lines after a = (RFC 2045).
        Letter { head: head.replace("\r\n ", " "), body: body.replace("=\r\n", "") }
    }

    /// As a mail program shows it.
    pub fn header(&self, name: &str) -> String {
        let begins = format!("{name}: ");
        let value = self.head.lines().find_map(|line| line.strip_prefix(&begins));
        decoded(value.unwrap_or_default())
    }

    /// The path of its first link that begins so.
    pub fn link(&self, path: &str) -> Option<String> {
        let (_, rest) = self.body.split_once(path)?;
        let token: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
        Some(format!("{path}{token}"))
    }
}

/// A Subject as a mail program shows it: blanks between encoded words are not part of the text (RFC 2047).
fn decoded(subject: &str) -> String {
    let mut out = String::new();
    let mut after_encoded = false;
    for word in subject.split_whitespace() {
        let inner = word.strip_prefix("=?utf-8?b?").and_then(|w| w.strip_suffix("?="));
        let bytes = inner.and_then(|w| STANDARD.decode(w).ok());
        let plain = bytes.and_then(|b| String::from_utf8(b).ok());
        let between_encoded = after_encoded && plain.is_some();
        if !out.is_empty() && !between_encoded {
            out.push(' ');
        }
        after_encoded = plain.is_some();
        out.push_str(plain.as_deref().unwrap_or(word));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_headers_and_wrapped_links_are_read_whole() {
        let raw = "To: a@example.test\r\nSubject: Klar: e-t =?utf-8?b?asOk?=\r\n =?utf-8?b?bnN0?=\r\nDate: x\r\n\r\n\
                   Hej!\r\nhttps://localhost:1/status/bekrafta/ab=\r\ncd\r\nHej\r\n";
        let letter = Letter::read(raw);
        assert_eq!(letter.header("Subject"), "Klar: e-t jänst");
        assert_eq!(letter.link("/status/bekrafta/").as_deref(), Some("/status/bekrafta/abcd"));
        assert_eq!(letter.link("/u/"), None);
    }
}
