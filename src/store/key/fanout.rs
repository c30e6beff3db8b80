//! Keys of notices and of who is owed them, in the store `common`.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Key, key, prefix, timed};
use crate::domain::status::delivery::BatchId;

/// Octets with which a key of `batch_of_subject` ends: notice, number, last recipient.
const BATCH_TAIL_OCTETS: usize = 28;

/// How far events have been made into batches.
pub fn fanout_cursor() -> Key {
    key(&[b"fanout-cursor"])
}

/// A notice as it was frozen, by its event's number.
pub fn notice(seq: u64) -> Key {
    key(&[b"notice", &seq.to_be_bytes()])
}

pub fn notices() -> Key {
    prefix(&[b"notice"])
}

pub fn batch(id: BatchId) -> Key {
    key(&[b"batch", id.to_uuid().as_bytes()])
}

/// All batches of one notice.
pub fn batches_of(seq: u64) -> Key {
    let mut key = prefix(&[b"batch"]);
    key.0.extend(seq.to_be_bytes());
    key
}

/// Batches with something left to do.
pub fn batch_open(id: BatchId) -> Key {
    key(&[b"i-batch-open", id.to_uuid().as_bytes()])
}

pub fn batches_open() -> Key {
    prefix(&[b"i-batch-open"])
}

/// The batch that a key of `batch` or `batch_open` names.
pub fn batch_target(key: &Key) -> Option<BatchId> {
    let bytes = key.as_bytes();
    BatchId::from_uuid(Uuid::from_slice(bytes.get(bytes.len().checked_sub(16)?..)?).ok()?)
}

/// Batches about one subject, with the last recipient of each.
pub fn batch_of_subject(subject: Uuid, id: BatchId, last: Uuid) -> Key {
    let mut key = batches_of_subject(subject);
    key.0.extend(id.seq.to_be_bytes());
    key.0.extend(id.number.to_be_bytes());
    key.0.extend(last.as_bytes());
    key
}

pub fn batches_of_subject(subject: Uuid) -> Key {
    prefix(&[b"i-batch-of-subject", subject.as_bytes()])
}

/// Reads a key of `batch_of_subject` back.
pub fn batch_of_subject_target(key: &Key) -> Option<(BatchId, Uuid)> {
    let bytes = key.as_bytes();
    let tail = bytes.get(bytes.len().checked_sub(BATCH_TAIL_OCTETS)?..)?;
    let (seq, rest) = tail.split_first_chunk()?;
    let (number, last) = rest.split_first_chunk()?;
    let id = BatchId { seq: u64::from_be_bytes(*seq), number: u32::from_be_bytes(*number) };
    Some((id, Uuid::from_slice(last).ok()?))
}

/// Told of a subject by a digest or a welcome, which no batch shows.
pub fn told(subject: Uuid, subscriber: Uuid) -> Key {
    key(&[b"i-told", subject.as_bytes(), subscriber.as_bytes()])
}

pub fn told_of(subject: Uuid) -> Key {
    prefix(&[b"i-told", subject.as_bytes()])
}

/// What a subscriber is to be told by digest or welcome, and from where on.
pub fn news(subscriber: Uuid) -> Key {
    key(&[b"news", subscriber.as_bytes()])
}

/// Subscribers by when they are to be told their news.
pub fn news_due(at: Timestamp, subscriber: Uuid) -> Key {
    timed(&[b"i-news-due"], at, subscriber)
}

pub fn all_news_due() -> Key {
    prefix(&[b"i-news-due"])
}

/// Bounces that count against an address, and not alone.
pub fn bounce_score(subscriber: Uuid) -> Key {
    key(&[b"bounce-score", subscriber.as_bytes()])
}

/// Scores by when nothing of them counts any more.
pub fn bounce_score_end(at: Timestamp, subscriber: Uuid) -> Key {
    timed(&[b"i-bounce-score-end"], at, subscriber)
}

pub fn bounce_score_ends() -> Key {
    prefix(&[b"i-bounce-score-end"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Range;

    #[test]
    fn keys_of_batches_are_read_back_and_lie_under_their_notice_and_subject() {
        let (subject, last) = (Uuid::from_u128(7), Uuid::from_u128(9));
        let id = BatchId { seq: 0x0100, number: 3 };
        assert_eq!(batch_target(&batch(id)), Some(id));
        assert_eq!(batch_target(&batch_open(id)), Some(id));
        let key = batch_of_subject(subject, id, last);
        assert_eq!(batch_of_subject_target(&key), Some((id, last)));
        let holds = |prefix: &Key, key: &Key| {
            let range = Range::prefix(prefix);
            range.from.as_slice() <= key.as_bytes() && key.as_bytes() < range.to.as_slice()
        };
        assert!(holds(&batches_of_subject(subject), &key));
        assert!(holds(&batches_of(0x0100), &batch(id)));
        assert!(!holds(&batches_of(0x0101), &batch(id)) && !holds(&batches_of(0xff), &batch(id)));
    }
}
