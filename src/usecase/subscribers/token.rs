//! Links of subscribers. A token says whose it is and is sealed with a keyed hash: nothing is kept of it, and nobody can
//! make one. Base32 in lower case, read in either, because two of the kinds stand before the `@` of a mail address.
//!
//! | kind | says | good for |
//! |---|---|---|
//! | confirm | subscriber, minute of its end, generation | `CONFIRM_HOURS`, once |
//! | manage | subscriber | as long as the subscription |
//! | leave | subscriber | as long as the subscription, and ever after the same answer |
//! | bounce | subscriber, day of its end, event | `BOUNCE_DAYS` |

use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use uuid::Uuid;

use crate::crypto;
use crate::store::Store;

/// RFC 5321 section 4.5.3.1.1: a token and the prefix before it fit a local part.
const TOKEN_CHARS_MAX: usize = 64;
/// 128 bits of the keyed hash.
const MAC_BYTES: usize = 16;
/// A bounce that comes later than this tells nothing any more.
const BOUNCE_DAYS: i64 = 60;

const CONFIRM: &[u8] = b"confirm";
const MANAGE: &[u8] = b"manage";
const LEAVE: &[u8] = b"leave";
const BOUNCE: &[u8] = b"bounce";

/// What a confirm token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirm {
    pub subscriber: Uuid,
    pub generation: u16,
}

pub fn confirm(store: &Store, subscriber: Uuid, generation: u16, until: Timestamp) -> String {
    let minute = u32::try_from(until.as_second() / 60).unwrap_or(u32::MAX);
    seal(store, CONFIRM, &[subscriber.as_bytes(), &minute.to_be_bytes(), &generation.to_be_bytes()])
}

pub fn read_confirm(store: &Store, token: &str, now: Timestamp) -> Option<Confirm> {
    let body = open(store, CONFIRM, token)?;
    let (subscriber, rest) = body.split_first_chunk()?;
    let (minute, generation) = rest.split_first_chunk()?;
    let is_fresh = now.as_second() / 60 < i64::from(u32::from_be_bytes(*minute));
    let generation = u16::from_be_bytes(generation.try_into().ok()?);
    is_fresh.then_some(Confirm { subscriber: Uuid::from_bytes(*subscriber), generation })
}

pub fn manage(store: &Store, subscriber: Uuid) -> String {
    seal(store, MANAGE, &[subscriber.as_bytes()])
}

pub fn read_manage(store: &Store, token: &str) -> Option<Uuid> {
    Uuid::from_slice(&open(store, MANAGE, token)?).ok()
}

pub fn leave(store: &Store, subscriber: Uuid) -> String {
    seal(store, LEAVE, &[subscriber.as_bytes()])
}

pub fn read_leave(store: &Store, token: &str) -> Option<Uuid> {
    Uuid::from_slice(&open(store, LEAVE, token)?).ok()
}

pub fn bounce(store: &Store, subscriber: Uuid, event: u64, now: Timestamp) -> String {
    let event = u32::try_from(event).unwrap_or(u32::MAX);
    let day = u16::try_from(days(now) + BOUNCE_DAYS).unwrap_or(u16::MAX);
    seal(store, BOUNCE, &[subscriber.as_bytes(), &event.to_be_bytes(), &day.to_be_bytes()])
}

/// Subscriber and event. None for a forgery, and for what is too old to be believed.
pub fn read_bounce(store: &Store, token: &str, now: Timestamp) -> Option<(Uuid, u64)> {
    let body = open(store, BOUNCE, token)?;
    let (subscriber, rest) = body.split_first_chunk()?;
    let (event, day) = rest.split_first_chunk()?;
    let until = i64::from(u16::from_be_bytes(day.try_into().ok()?));
    (days(now) <= until).then_some((Uuid::from_bytes(*subscriber), u64::from(u32::from_be_bytes(*event))))
}

fn days(at: Timestamp) -> i64 {
    at.as_second().div_euclid(24 * 60 * 60)
}

fn seal(store: &Store, kind: &[u8], parts: &[&[u8]]) -> String {
    let mut bytes = parts.concat();
    let mac = store.hash(&[b"token", kind, &bytes]);
    bytes.extend_from_slice(mac.get(..MAC_BYTES).unwrap_or_default());
    BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
}

fn open(store: &Store, kind: &[u8], token: &str) -> Option<Vec<u8>> {
    if token.len() > TOKEN_CHARS_MAX {
        return None;
    }
    let mut bytes = BASE32_NOPAD.decode(token.to_ascii_uppercase().as_bytes()).ok()?;
    let mac = bytes.split_off(bytes.len().checked_sub(MAC_BYTES)?);
    let expected = store.hash(&[b"token", kind, &bytes]);
    crypto::same(&mac, expected.get(..MAC_BYTES)?).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usecase::testing::TestGateway;
    use jiff::SignedDuration;

    #[tokio::test]
    async fn tokens_fit_a_mail_address_live_through_a_change_of_case_and_end_when_they_should() {
        let TestGateway { gateway, .. } = &TestGateway::start().await;
        let (store, now, id) = (&gateway.common, gateway.now(), Uuid::max());
        let hours = |hours| now + SignedDuration::from_hours(hours);

        let token = confirm(store, id, 7, hours(24));
        let said = Some(Confirm { subscriber: id, generation: 7 });
        assert_eq!(read_confirm(store, &token, hours(23)), said);
        assert_eq!(read_confirm(store, &token, hours(24)), None);

        let token = format!("b+{}", bounce(store, id, 4_711, now));
        assert!(token.len() <= 64, "{} octets", token.len());
        let token = token.trim_start_matches("b+").to_ascii_uppercase();
        assert_eq!(read_bounce(store, &token, hours(60 * 24)), Some((id, 4_711)));
        assert_eq!(read_bounce(store, &token, hours(61 * 24)), None);

        let token = leave(store, id);
        assert!(format!("avsluta+{token}").len() <= 64);
        assert_eq!(read_leave(store, &token.to_ascii_uppercase()), Some(id));
        assert_eq!(read_manage(store, &manage(store, id)), Some(id));
    }

    #[tokio::test]
    async fn a_token_is_good_for_its_own_kind_and_no_letter_of_it_can_be_changed() {
        let TestGateway { gateway, .. } = &TestGateway::start().await;
        let store = &gateway.common;
        let token = leave(store, Uuid::from_u128(9));
        assert_eq!(read_manage(store, &token), None);
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'a' { b'b' } else { b'a' };
            assert_eq!(read_leave(store, std::str::from_utf8(&forged).unwrap()), None, "letter {at}");
        }
        for odd in ["", "a", "åäö", &"a".repeat(65), &token[1..]] {
            assert_eq!(read_leave(store, odd), None);
        }
        let other = TestGateway::start().await;
        assert_eq!(read_leave(&other.gateway.common, &token), None, "another region's key");
    }
}
