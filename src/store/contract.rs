//! What every engine must do, told without knowing which it is; then what only the journal with its view can do.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::change::Append;
use super::{Chain, Change, CommitError, Key, MasterKey, OpenError, Range, ReadError, Settings, Store};
use crate::crypto::{SecretBytes, sha256};
use crate::domain::time::Clock;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        "2026-11-22T08:00:00Z".parse().unwrap()
    }
}

fn key(text: &str) -> Key {
    Key(text.as_bytes().to_vec())
}

fn open_with(dir: &Path, master: &MasterKey) -> Result<Store, OpenError> {
    Store::open(&Settings { dir: dir.to_owned(), cache_bytes: 16 << 20 }, master, Arc::new(Fixed))
}

fn master() -> MasterKey {
    MasterKey::new(SecretBytes::from_slice(&[9; 32]).unwrap())
}

fn open(dir: &Path) -> Store {
    open_with(dir, &master()).unwrap()
}

fn create(name: &str, value: &[u8]) -> Change {
    let mut change = Change::new();
    change.create(key(name), value.to_vec());
    change
}

fn receipt(text: &str) -> Append {
    Append {
        chain: Chain::Receipts("P1".into()),
        entry: Uuid::from_u128(text.len() as u128),
        digest: sha256(&[text.as_bytes()]),
        payload: text.as_bytes().to_vec(),
        pointer: Some(key(&format!("receipt/{text}"))),
    }
}

async fn value(store: &Store, name: &str) -> Option<(u64, Vec<u8>)> {
    store.get(&key(name)).await.unwrap().map(|v| (v.version, v.value))
}

#[tokio::test]
async fn what_was_committed_is_read_back_at_once_with_its_version() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let large = vec![7; 50_000];
    store.commit(create("a", b"one")).await.unwrap();
    store.commit(create("large", &large)).await.unwrap();
    let mut change = Change::new();
    change.replace(key("a"), 1, b"two".to_vec());
    change.index(key("i/1"));
    store.commit(change).await.unwrap();
    assert_eq!(value(&store, "a").await, Some((2, b"two".to_vec())));
    assert_eq!(value(&store, "large").await, Some((1, large)));
    assert_eq!(value(&store, "i/1").await, Some((0, Vec::new())));
    assert_eq!(value(&store, "b").await, None);
}

#[tokio::test]
async fn a_change_that_expects_what_is_not_so_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(create("a", b"one")).await.unwrap();
    let conflict = |name: &str| Err(CommitError::Conflict { key: key(name) });
    let mut absent = create("a", b"again");
    absent.create(key("b"), b"b".to_vec());
    assert_eq!(store.commit(absent).await.map(|_| ()), conflict("a"));
    let mut stale = Change::new();
    stale.replace(key("a"), 2, b"x".to_vec());
    assert_eq!(store.commit(stale).await.map(|_| ()), conflict("a"));
    let mut missing = create("b", b"b");
    missing.replace(key("c"), 1, b"c".to_vec());
    assert_eq!(store.commit(missing).await.map(|_| ()), conflict("c"));
    assert_eq!(value(&store, "b").await, None);
    assert_eq!(value(&store, "a").await, Some((1, b"one".to_vec())));
}

#[tokio::test]
async fn of_many_who_want_the_same_key_at_once_exactly_one_gets_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let tries = (0..50_u8).map(|n| store.commit(create("one", &[n])));
    let won = futures_util::future::join_all(tries).await.iter().filter(|r| r.is_ok()).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_value_is_only_written_over_what_was_seen_and_within_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut blind = Change::new();
    blind.put.push((key("a"), b"x".to_vec()));
    assert_eq!(store.commit(blind).await.map(|_| ()), Err(CommitError::Malformed));
    let huge = create("a", &vec![0; super::change::CHANGE_BYTES_MAX + 1]);
    assert_eq!(store.commit(huge).await.map(|_| ()), Err(CommitError::Malformed));
}

#[tokio::test]
async fn ranges_are_scanned_in_order_and_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for name in ["p\0b", "p\0a", "p\0c", "q\0a"] {
        store.commit(create(name, name.as_bytes())).await.unwrap();
    }
    let range = Range::prefix(&key("p\0"));
    let page = store.scan(range.clone(), 2).await.unwrap();
    let names: Vec<_> = page.iter().map(|(k, _)| k.clone()).collect();
    assert_eq!(names, [key("p\0a"), key("p\0b")]);
    let rest = store.scan(range.after(&names[1]), 9).await.unwrap();
    assert_eq!(rest.iter().map(|(k, _)| k.clone()).collect::<Vec<_>>(), [key("p\0c")]);
}

#[tokio::test]
async fn chains_are_numbered_and_bound_as_the_api_promises() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut previous = [0; 32];
    for (sequence, text) in [(1_u64, "first"), (2, "second!")] {
        let mut change = Change::new();
        change.append(receipt(text));
        let stamp = store.commit(change).await.unwrap().stamps[0];
        let digest = sha256(&[text.as_bytes()]);
        previous = sha256(&[&previous, &digest, &sequence.to_be_bytes()]);
        assert_eq!((stamp.epoch, stamp.sequence, stamp.digest, stamp.chain), (1, sequence, digest, previous));
    }
    let entries = store.entries(Chain::Receipts("P1".into()), 1, 10).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].stamp.sequence, entries[0].payload.as_slice()), (2, &b"second!"[..]));
    assert_eq!(store.chain_head(Chain::Receipts("P1".into())).await.unwrap(), Some((2, previous)));
    assert_eq!(store.chain_head(Chain::Receipts("P2".into())).await.unwrap(), None);
    assert_eq!(value(&store, "receipt/second!").await, Some((2, Vec::new())));
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(create("a", b"one")).await.unwrap();
    let mut change = Change::new();
    change.append(Append { chain: Chain::AccessLog, ..receipt("read") });
    store.commit(change).await.unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(value(&store, "a").await, Some((1, b"one".to_vec())));
    let log = store.entries(Chain::AccessLog, 0, 10).await.unwrap();
    assert_eq!(log[0].payload, b"read");
    let report = store.verify().await.unwrap();
    assert_eq!((report.groups, report.records, report.faults.len()), (2, 1, 0));
}

#[tokio::test]
async fn a_destroyed_view_is_rebuilt_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..100 {
        store.commit(create(&format!("k/{n}"), &vec![n; 2_000])).await.unwrap();
    }
    let mut change = Change::new();
    change.append(receipt("r"));
    store.commit(change).await.unwrap();
    drop(store);
    for damage in ["removed", "overwritten", "emptied"] {
        let database = dir.path().join("view/db");
        match damage {
            "removed" => fs::remove_dir_all(dir.path().join("view")).unwrap(),
            "overwritten" => fs::write(&database, vec![0xa5; fs::read(&database).unwrap().len()]).unwrap(),
            _ => fs::write(&database, b"").unwrap(),
        }
        let store = open(dir.path());
        for n in 0..100 {
            assert_eq!(value(&store, &format!("k/{n}")).await, Some((1, vec![n; 2_000])), "{damage}");
        }
        assert!(store.chain_head(Chain::Receipts("P1".into())).await.unwrap().is_some());
        assert_eq!(store.verify().await.unwrap().faults, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_journal_shorter_than_what_was_acknowledged_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(create("a", b"one")).await.unwrap();
    store.commit(create("b", b"two")).await.unwrap();
    drop(store);
    let path = dir.path().join("journal/00000000000000000001.log");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
    let error = open_with(dir.path(), &master()).err().unwrap();
    assert!(matches!(error, OpenError::JournalShort { journal: 1, view: 2, .. }), "{error}");
}

#[tokio::test]
async fn one_store_is_opened_once_and_only_with_its_master_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(matches!(open_with(dir.path(), &master()), Err(OpenError::Locked { .. })));
    drop(store);
    let other = MasterKey::new(SecretBytes::from_slice(&[1; 32]).unwrap());
    assert!(matches!(open_with(dir.path(), &other), Err(OpenError::Keyring(_))));
}

#[tokio::test]
async fn nothing_that_was_stored_can_be_read_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(create("a", b"en hemlighet om 191212121212")).await.unwrap();
    drop(store);
    let mut files = vec![dir.path().to_owned()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else {
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(9).any(|w| w == b"hemlighet"), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn a_closed_store_refuses_instead_of_hanging() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.close();
    assert_eq!(store.commit(create("a", b"x")).await.map(|_| ()), Err(CommitError::Unavailable));
}

#[tokio::test]
async fn an_absent_store_answers_nothing_until_an_open_one_takes_its_place_for_all_clones() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::absent("the disk is away");
    let clone = store.clone();
    assert_eq!(clone.absence().as_deref(), Some("the disk is away"));
    assert!(clone.health().is_failing());
    assert_eq!(clone.ready(), Err(ReadError::Absent));
    assert_eq!(clone.get(&key("a")).await, Err(ReadError::Absent));
    assert_eq!(clone.commit(create("a", b"1")).await.unwrap_err(), CommitError::Absent);
    store.take_up(&Store::absent("still away"));
    assert_eq!(clone.absence().as_deref(), Some("still away"));
    let opened = open(dir.path());
    store.take_up(&opened);
    assert_eq!((clone.absence(), clone.ready(), clone.health().is_failing()), (None, Ok(()), false));
    assert_eq!(clone.hash(&[b"x"]), opened.hash(&[b"x"]));
    clone.commit(create("a", b"1")).await.unwrap();
    assert_eq!(value(&store, "a").await, Some((1, b"1".to_vec())));
    store.take_up(&Store::absent("too late"));
    assert_eq!(clone.ready(), Ok(()));
}
