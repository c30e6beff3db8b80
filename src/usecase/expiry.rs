//! Certificates of registered systems are remembered, so that their end can be told; the operators' letter of what ends
//! soon. What else ends, whoever holds it says.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Gateway, Refusal};
use crate::domain::calendar::local_date;
use crate::domain::expiry::{Ending, EndingKind};
use crate::domain::id::HsaId;
use crate::domain::language::Language;
use crate::domain::letter::LetterKind;
use crate::domain::mail_address::MailAddress;
use crate::store::record::{Record, decode, encode};
use crate::store::{Change, Range, ReadError, Store, key};

/// Systems whose certificates are remembered; a region has a handful.
const SYSTEMS_MAX: usize = 10_000;
/// Lines of one letter.
const LINES_MAX: usize = 50;

/// The end of the certificate that a system showed last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SystemCertificate {
    pub system: HsaId,
    pub not_after: Timestamp,
    /// Written once a day at most.
    pub written_on: Date,
}

impl Record for SystemCertificate {
    const VERSION: u8 = 1;
}

/// When the operators were told by letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExpiryLetter {
    pub sent_on: Date,
}

impl Record for ExpiryLetter {
    const VERSION: u8 = 1;
}

/// What certificates registered systems have shown.
#[derive(Debug, Default)]
pub struct Certificates {
    /// By system, and never more than are registered: only they are noted.
    seen: Mutex<HashMap<HsaId, Seen>>,
    /// Rung when one is seen that was not seen before, and when the clock was moved.
    pub bell: Notify,
}

#[derive(Debug)]
struct Seen {
    not_after: Timestamp,
    /// What the store has, and when it was written.
    kept: Option<(Date, Timestamp)>,
}

impl Certificates {
    pub(super) async fn start(common: &Store) -> Result<Certificates, ReadError> {
        let mut seen = HashMap::new();
        for (_, found) in common.scan(Range::prefix(&key::system_certificates()), SYSTEMS_MAX).await? {
            let record: SystemCertificate = decode(&found.value)?;
            let kept = Some((record.written_on, record.not_after));
            seen.insert(record.system, Seen { not_after: record.not_after, kept });
        }
        Ok(Certificates { seen: Mutex::new(seen), bell: Notify::new() })
    }
}

impl Gateway {
    /// Notes until when the certificate of a registered system is good.
    pub fn note_certificate(&self, system: &HsaId, not_after: Timestamp) {
        let mut seen = self.certificates.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get_mut(system) {
            // Two certificates in turn, as in a renewal, are no news at each request: the next look finds the last one.
            Some(seen) => seen.not_after = not_after,
            None => {
                seen.insert(system.clone(), Seen { not_after, kept: None });
                self.certificates.bell.notify_one();
            }
        }
    }

    /// Writes down what has changed of it, each system once a day at most: a system that shows two certificates in turn
    /// does not keep the disk busy.
    pub async fn keep_certificates(&self) -> Result<(), Refusal> {
        let today = local_date(self.now());
        let due: Vec<(HsaId, Timestamp)> = {
            let seen = self.certificates.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = |seen: &Seen| seen.kept.is_none_or(|(on, kept)| kept != seen.not_after && on < today);
            seen.iter()
                .filter(|(_, seen)| is_due(seen))
                .map(|(system, seen)| (system.clone(), seen.not_after))
                .collect()
        };
        for (system, not_after) in due {
            let record = SystemCertificate { system: system.clone(), not_after, written_on: today };
            let (place, value) = (key::system_certificate(&system), encode(&record));
            let mut change = Change::new();
            match self.common.get(&place).await? {
                Some(found) => change.replace(place, found.version, value),
                None => change.create(place, value),
            }
            self.common.commit(change).await?;
            let mut seen = self.certificates.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(seen) = seen.get_mut(&system) {
                seen.kept = Some((today, not_after));
            }
        }
        Ok(())
    }

    /// When the certificates of registered systems end that are not suspended.
    pub fn system_endings(&self) -> Vec<Ending> {
        let catalog = self.catalog();
        let seen = self.certificates.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let ending = |(system, seen): (&HsaId, &Seen)| {
            let portal = &catalog.portals.get(system)?.record;
            let name = format!("{} ({system})", portal.name);
            (!portal.suspended).then_some(Ending { ends: seen.not_after, kind: EndingKind::System, name })
        };
        seen.iter().filter_map(ending).collect()
    }

    /// Rung when what ends is to be looked at before its time.
    pub fn expiry_bell(&self) -> &Notify {
        &self.certificates.bell
    }

    /// Owes the operators today's letter of what ends soon, if something does and they have none of today; whether it
    /// did.
    pub async fn tell_of_endings(&self, endings: &[Ending], operators: &[MailAddress]) -> Result<bool, Refusal> {
        let now = self.now();
        let mut worth: Vec<&Ending> = endings.iter().filter(|ending| ending.is_worth_a_letter(now)).collect();
        if worth.is_empty() || operators.is_empty() {
            return Ok(false);
        }
        worth.sort_unstable();
        let today = local_date(now);
        let (place, value) = (key::expiry_letter(), encode(&ExpiryLetter { sent_on: today }));
        let mut change = Change::new();
        match self.common.get(&place).await? {
            Some(found) if decode::<ExpiryLetter>(&found.value)?.sent_on >= today => return Ok(false),
            Some(found) => change.replace(place, found.version, value),
            None => change.create(place, value),
        }
        let language = Language::Sv;
        let lines: Vec<_> = worth.into_iter().take(LINES_MAX).map(|ending| ending.text(now, language)).collect();
        for to in operators {
            let facts = Some(json!({ "lines": lines }));
            self.owe_common(&mut change, LetterKind::ExpiresSoon, to.clone(), language, facts, Uuid::nil())?;
        }
        self.commit_common(change).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::domain::case::tests::{at, hsa};
    use crate::domain::clinic::{Channel, Portal, Scope};
    use crate::store::record::assert_golden;
    use crate::usecase::letters::LetterStore;
    use crate::usecase::region::Author;
    use crate::usecase::testing::TestGateway;

    #[test]
    fn records_of_what_ends_are_the_golden_ones() {
        let written_on = "2026-11-22".parse().unwrap();
        let certificate = SystemCertificate { system: hsa("P001"), not_after: at("2026-12-04T12:00:00Z"), written_on };
        assert_golden(&certificate, include_str!("golden/system-certificate-1.txt"));
        assert_golden(&ExpiryLetter { sent_on: written_on }, include_str!("golden/expiry-letter-1.txt"));
    }

    #[tokio::test]
    async fn a_systems_certificate_is_remembered_and_written_once_a_day() {
        let TestGateway { gateway, clock, .. } = &TestGateway::start().await;
        let portal = Portal {
            hsa_id: hsa("P001"),
            name: "Invånarportalen".into(),
            channel: Channel::Citizen,
            clinics: Scope::All,
            case_types: Scope::All,
            suspended: false,
        };
        gateway.put_portal(&Author::Operator("root".into()), &portal).await.unwrap();
        let kept = async || Certificates::start(&gateway.common).await.unwrap().seen.into_inner().unwrap();
        let (first, second) = (at("2026-12-04T12:00:00Z"), at("2028-12-04T12:00:00Z"));
        gateway.note_certificate(&hsa("P001"), first);
        gateway.expiry_bell().notified().await;
        gateway.keep_certificates().await.unwrap();
        assert_eq!(kept().await[&hsa("P001")].not_after, first);

        gateway.note_certificate(&hsa("P001"), second);
        gateway.keep_certificates().await.unwrap();
        assert_eq!(kept().await[&hsa("P001")].not_after, first, "written today already");
        let name = "Invånarportalen (TSTNMT2321000156-P001)".to_owned();
        assert_eq!(gateway.system_endings(), [Ending { ends: second, kind: EndingKind::System, name }]);
        clock.advance(SignedDuration::from_hours(24));
        gateway.keep_certificates().await.unwrap();
        assert_eq!(kept().await[&hsa("P001")].not_after, second);

        gateway.note_certificate(&hsa("P002"), first);
        assert_eq!(gateway.system_endings().len(), 1, "of who is registered");
    }

    #[tokio::test]
    async fn operators_get_one_letter_a_day_while_something_ends_soon() {
        let TestGateway { gateway, clock, .. } = &TestGateway::start().await;
        let ending = |kind, ends: &str| Ending { ends: at(ends), kind, name: "portal".into() };
        let endings = [
            ending(EndingKind::Issuer, "2028-12-04T12:00:00Z"),
            ending(EndingKind::Door, "2026-12-04T12:00:00Z"),
            ending(EndingKind::System, "2026-11-28T12:00:00Z"),
        ];
        let to = [MailAddress::parse("drift@region.example").unwrap()];
        assert!(!gateway.tell_of_endings(&endings[..1], &to).await.unwrap(), "nothing ends soon");
        assert!(!gateway.tell_of_endings(&endings, &[]).await.unwrap(), "nobody to tell");
        assert!(gateway.tell_of_endings(&endings, &to).await.unwrap());
        assert!(!gateway.tell_of_endings(&endings, &to).await.unwrap());
        let letters = gateway.due_letters(LetterStore::Common, gateway.now(), 10).await.unwrap();
        let [letter] = letters.as_slice() else { panic!("{} letters", letters.len()) };
        let lines = &letter.record.facts.as_ref().unwrap().expose()["lines"];
        assert_eq!(lines.as_array().unwrap().len(), 2);
        assert!(lines[0].as_str().unwrap().starts_with("Certifikatet som portal visade senast går ut"), "{lines}");
        clock.advance(SignedDuration::from_hours(24));
        assert!(gateway.tell_of_endings(&endings, &to).await.unwrap());
    }
}
