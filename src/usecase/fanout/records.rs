//! What is kept of the fan-out besides its batches, by version.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::clinic::Texts;
use crate::domain::language::Language;
use crate::domain::status::delivery::Batch;
use crate::domain::status::event::{Event, EventKind};
use crate::domain::status::ledger::Facts;
use crate::mail::notice::PreparedNotice;
use crate::store::record::Record;

/// How far events have become batches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Cursor {
    /// This event and all before it are done with.
    pub done: u64,
    /// The one being made into batches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walk: Option<Walk>,
}

/// A walk through all subscribers for one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Walk {
    pub seq: u64,
    /// Batches written so far.
    pub batches: u32,
    /// The last subscriber that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Uuid>,
}

/// A notice as all its recipients get it, whatever becomes of templates, addresses and code since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notice {
    pub seq: u64,
    pub kind: EventKind,
    pub subject: Uuid,
    pub revision: u32,
    pub title: Texts,
    pub at: Timestamp,
    pub not_after: Timestamp,
    /// None where its mail could not be made: nobody was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
}

/// Its mail in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frozen {
    pub sv: PreparedNotice,
    pub en: PreparedNotice,
}

impl Notice {
    pub(super) fn of(seq: u64, event: &Event, frozen: Option<Frozen>) -> Notice {
        Notice {
            seq,
            kind: event.kind,
            subject: event.subject.id(),
            revision: event.subject.revision(),
            title: event.subject.title().clone(),
            at: event.at,
            not_after: event.not_after,
            frozen,
        }
    }

    pub(super) fn facts(&self) -> Facts {
        Facts { subject: self.subject, kind: self.kind, at: self.at, not_after: self.not_after }
    }
}

impl Frozen {
    pub fn in_language(&self, language: Language) -> &PreparedNotice {
        match language {
            Language::Sv => &self.sv,
            Language::En => &self.en,
        }
    }
}

impl Record for Cursor {
    const VERSION: u8 = 1;
}

impl Record for Notice {
    const VERSION: u8 = 1;
}

impl Record for Batch {
    const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mail_address::MailAddress;
    use crate::domain::status::delivery::{Code, Entry, State};
    use crate::mail::notice::{List, Notice as Common};
    use crate::mail::{MessageId, Sender};
    use crate::store::record::assert_golden;

    fn prepared(language: Language) -> PreparedNotice {
        let common = Common {
            id: MessageId::new("7.2", "status.region.example").unwrap(),
            from: Sender { name: None, address: MailAddress::parse("driftinfo@status.region.example").unwrap() },
            subject: "Pågår: Journalen".into(),
            date: "2026-11-22T08:00:00Z".parse().unwrap(),
            language,
            list: List {
                name: "Driftinformation".into(),
                id: "driftinfo.status.region.example".into(),
                help_url: "https://status.region.example/status/prenumerera".into(),
                archive_url: "https://status.region.example/status/historik".into(),
            },
            text: "Journalen är nere.\n".into(),
            html: "<p>Journalen är nere.</p>".into(),
            calendar: None,
        };
        PreparedNotice::new(&common).unwrap()
    }

    #[test]
    fn records_of_the_fan_out_are_the_golden_ones() {
        let walk = Walk { seq: 7, batches: 2, after: Some(Uuid::from_u128(9)) };
        assert_golden(&Cursor { done: 6, walk: Some(walk) }, include_str!("../golden/fanout-cursor-1.txt"));
        let notice = Notice {
            seq: 7,
            kind: EventKind::Opened,
            subject: Uuid::from_u128(5),
            revision: 2,
            title: Texts { sv: "Journalen".into(), en: None },
            at: "2026-11-22T08:00:00Z".parse().unwrap(),
            not_after: "2026-11-23T08:00:00Z".parse().unwrap(),
            frozen: Some(Frozen { sv: prepared(Language::Sv), en: prepared(Language::En) }),
        };
        assert_golden(&notice, include_str!("../golden/notice-1.txt"));
        let waiting = Entry::new(Uuid::from_u128(1), Language::Sv, 0x0102_0304, false);
        let code = Some(Code { basic: 550, enhanced: (1, 1) });
        let told = Entry { attempts: 2, doubts: 1, next_at: 1_795_334_400, code, outdated: true, ..waiting };
        let entries = vec![
            waiting,
            Entry { subscriber: Uuid::from_u128(2), language: Language::En, state: State::Rejected, ..told },
            Entry { subscriber: Uuid::from_u128(3), if_told: true, state: State::Cancelled, ..waiting },
        ];
        let batch = Batch { seq: 7, number: 1, subject: Uuid::from_u128(5), entries };
        assert_golden(&batch, include_str!("../golden/batch-1.txt"));
    }
}
