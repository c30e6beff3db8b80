//! How records are encoded: one byte of version, then JSON. Newer versions than the code knows are refused, older
//! ones are lifted; a golden file stands for each version.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ReadError;
use crate::domain::case::{Case, Document};
use crate::domain::clinic::{CaseType, Clinic, NotificationChoice, Portal, RoleGrant};
use crate::domain::faq::FaqEntry;
use crate::domain::letter::Letter;
use crate::domain::staff::Post;
use crate::domain::support::{SupportDesk, SupportService};

/// Something that is kept in a store.
pub trait Record: Serialize + DeserializeOwned {
    /// Version that is written now. Raised whenever an older program could misread what is written.
    const VERSION: u8;

    /// Lifts an older version's JSON to the one above; None where there was no such version.
    fn lift(_version: u8, _value: serde_json::Value) -> Option<serde_json::Value> {
        None
    }
}

macro_rules! first_version {
    ($($record:ty),* $(,)?) => {
        $(impl Record for $record {
            const VERSION: u8 = 1;
        })*
    };
}

first_version!(Document, Clinic, CaseType, Portal, RoleGrant, NotificationChoice, Post, SupportService, FaqEntry);

/// The second has `event`.
impl Record for Letter {
    const VERSION: u8 = 2;

    fn lift(version: u8, value: serde_json::Value) -> Option<serde_json::Value> {
        (version == 1).then_some(value)
    }
}

/// The second has `urgentRoundTheClock`.
impl Record for SupportDesk {
    const VERSION: u8 = 2;

    fn lift(version: u8, value: serde_json::Value) -> Option<serde_json::Value> {
        (version == 1).then_some(value)
    }
}

/// Cases of citizens and of support alike.
impl<E: Serialize + DeserializeOwned> Record for Case<E> {
    const VERSION: u8 = 1;
}

/// The bytes of a record. Fails only for a type that JSON cannot hold, which a golden test would show.
pub fn encode<R: Record>(record: &R) -> Vec<u8> {
    let mut out = vec![R::VERSION];
    if serde_json::to_writer(&mut out, record).is_err() {
        out.truncate(1);
    }
    out
}

/// Reads a record back.
pub fn decode<R: Record>(bytes: &[u8]) -> Result<R, ReadError> {
    let (version, json) = bytes.split_first().ok_or(ReadError::Damaged)?;
    if *version == R::VERSION {
        return serde_json::from_slice(json).map_err(|_| ReadError::Damaged);
    }
    if *version > R::VERSION {
        return Err(ReadError::Newer);
    }
    let mut value: serde_json::Value = serde_json::from_slice(json).map_err(|_| ReadError::Damaged)?;
    for step in *version..R::VERSION {
        value = R::lift(step, value).ok_or(ReadError::Damaged)?;
    }
    serde_json::from_value(value).map_err(|_| ReadError::Damaged)
}

/// Holds a record to its golden file: what is written now is what the file has, and the file reads back as it.
#[cfg(test)]
pub fn assert_golden<R: Record + PartialEq + std::fmt::Debug>(record: &R, golden: &str) {
    let written = encode(record);
    let json: serde_json::Value = serde_json::from_slice(&written[1..]).unwrap();
    let (version, expected) = golden.split_once('\n').unwrap();
    assert_eq!(
        (format!("version {}", written[0]), json),
        (version.to_owned(), serde_json::from_str(expected).unwrap())
    );
    let stored = [&[written[0]], expected.as_bytes()].concat();
    assert_eq!(decode::<R>(&stored).unwrap(), *record);
}

/// Holds what an older version wrote, its golden file, to what it reads as now.
#[cfg(test)]
pub fn assert_lifted<R: Record + PartialEq + std::fmt::Debug>(record: &R, golden: &str) {
    let (version, written) = golden.split_once('\n').unwrap();
    let version: u8 = version.strip_prefix("version ").unwrap().parse().unwrap();
    assert!(version < R::VERSION);
    let stored = [&[version], written.as_bytes()].concat();
    assert_eq!(decode::<R>(&stored).unwrap(), *record);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::case::tests::{at, hsa, received};
    use crate::domain::case::{DocumentBody, DocumentKind};
    use crate::domain::clinic::{Channel, Promise, Role, Scope, Texts};
    use crate::domain::id::Private;
    use crate::domain::language::Language;
    use crate::domain::letter::LetterKind;
    use crate::domain::mail_address::MailAddress;
    use serde::Deserialize;

    #[test]
    fn records_of_cases_are_the_golden_ones() {
        let mut case = received();
        case.distribute(hsa("1002"), hsa("1001"), at("2026-11-23T09:00:00Z")).unwrap();
        case.answer(hsa("1002"), at("2026-11-24T09:00:00Z")).unwrap();
        assert_golden(&case, include_str!("golden/case-1.txt"));
        let document = Document { kind: DocumentKind::Message, body: DocumentBody::Text(Private::new("Hej".into())) };
        assert_golden(&document, include_str!("golden/document-1.txt"));
        let to = MailAddress::parse("tolvan@example.test").unwrap();
        let id = uuid::Uuid::from_u128(3);
        let letter = Letter::new(id, case.id, LetterKind::NewCase, to, Language::En, at("2026-11-23T09:00:00Z"));
        assert_lifted(&letter, include_str!("golden/letter-1.txt"));
        assert_golden(&Letter { event: Some(7), ..letter }, include_str!("golden/letter-2.txt"));
    }

    #[test]
    fn records_of_the_region_are_the_golden_ones() {
        let form = received().errand.question_form;
        let texts = Texts { sv: "Rådgivning".into(), en: Some("Advice".into()) };
        let opening =
            r#"{"hours": [{"days": ["monday"], "from": "08:00", "to": "17:00"}], "closedDays": ["2026-12-24"]}"#;
        let clinic = Clinic {
            hsa_id: hsa("A001"),
            name: "Vårdcentralen Ängen".into(),
            telephone: "031-390 06 10".into(),
            opening: serde_json::from_str(opening).unwrap(),
            open: true,
            information: texts.clone(),
        };
        assert_golden(&clinic, include_str!("golden/clinic-1.txt"));
        let case_type = CaseType {
            id: "radgivning".into(),
            clinic: hsa("A001"),
            title: texts.clone(),
            description: texts.clone(),
            terms: texts.clone(),
            fees: texts,
            promise: Promise { distributed_within_minutes: 60, answered_within_minutes: 960 },
            follow_up_days: 14,
            question_form: form.clone(),
            answer_form: form,
            active: true,
        };
        assert_golden(&case_type, include_str!("golden/case-type-1.txt"));
        let portal = Portal {
            hsa_id: hsa("P001"),
            name: "Invånarportalen".into(),
            channel: Channel::Citizen,
            clinics: Scope::All,
            case_types: Scope::Only(["radgivning".to_owned()].into()),
            suspended: false,
        };
        assert_golden(&portal, include_str!("golden/portal-1.txt"));
        let grant = RoleGrant {
            clinic: hsa("A001"),
            person: hsa("1001"),
            roles: [Role::Receiver, Role::Handler, Role::Administrator, Role::Manager, Role::LogReviewer].into(),
            granted_by: "operator root".into(),
            granted_at: at("2026-11-23T09:00:00Z"),
        };
        assert_golden(&grant, include_str!("golden/role-grant-1.txt"));
        assert_golden(&NotificationChoice::default(), include_str!("golden/notification-choice-1.txt"));
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Third {
        name: String,
    }

    impl Record for Third {
        const VERSION: u8 = 3;
        fn lift(version: u8, mut value: serde_json::Value) -> Option<serde_json::Value> {
            let object = value.as_object_mut()?;
            let (from, to) = match version {
                1 => ("n", "nam"),
                2 => ("nam", "name"),
                _ => return None,
            };
            let moved = object.remove(from)?;
            object.insert(to.into(), moved);
            Some(value)
        }
    }

    #[test]
    fn older_records_are_lifted_and_newer_ones_refused() {
        let third = Third { name: "x".into() };
        assert_eq!(decode::<Third>(&encode(&third)), Ok(Third { name: "x".into() }));
        assert_eq!(decode::<Third>(b"\x01{\"n\":\"x\"}"), Ok(third));
        assert_eq!(decode::<Third>(b"\x04{}"), Err(ReadError::Newer));
        assert_eq!(decode::<Third>(b"\x00{}"), Err(ReadError::Damaged));
        assert_eq!(decode::<Third>(b""), Err(ReadError::Damaged));
    }
}
