//! What portals get: receipts, the event feed, a day's reconciliation.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::crypto::hex;
use crate::store::Stamp;
use crate::usecase::feed::{FeedPage, Reconciliation};
use crate::usecase::idempotency::Acknowledged;

/// Proof of acceptance: digest = SHA-256 of the raw body, chain = SHA-256(previous chain ‖ digest ‖ sequence as 8
/// bytes big-endian), the first previous chain being 32 zero bytes.
#[derive(Serialize, ToSchema)]
pub struct Receipt {
    pub epoch: u64,
    /// From 1, without gaps, one more for each 201.
    pub sequence: u64,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    pub chain: String,
}

impl Receipt {
    fn of(stamp: &Stamp) -> Receipt {
        Receipt {
            epoch: stamp.epoch,
            sequence: stamp.sequence,
            digest: format!("sha256:{}", hex(&stamp.digest)),
            chain: format!("sha256:{}", hex(&stamp.chain)),
        }
    }
}

/// The answer to a submission or a message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// The case.
    pub id: Uuid,
    /// Number of what was written, in the case; 0 for the submission itself.
    pub document: u32,
    pub state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub distributed_by: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub answered_by: Timestamp,
    pub receipt: Receipt,
}

impl Accepted {
    pub fn of(acknowledged: &Acknowledged) -> Accepted {
        let answer = &acknowledged.answer;
        Accepted {
            id: answer.case,
            document: answer.document,
            state: answer.state.as_str(),
            received_at: answer.received_at,
            distributed_by: answer.distributed_by,
            answered_by: answer.answered_by,
            receipt: Receipt::of(&acknowledged.receipt),
        }
    }
}

/// Thin: what happened, to which case, when. The case is fetched by its id.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireEvent {
    pub seq: u64,
    pub case_id: Uuid,
    #[schema(value_type = String)]
    pub r#type: crate::usecase::owe::EventType,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

#[derive(Serialize, ToSchema)]
pub struct EventPage {
    pub items: Vec<WireEvent>,
    /// Give it back as `after`.
    pub next: String,
}

impl EventPage {
    pub fn of(page: &FeedPage) -> EventPage {
        let items = page.events.iter();
        let items = items.map(|e| WireEvent { seq: e.sequence, case_id: e.case, r#type: e.kind, at: e.at });
        EventPage { items: items.collect(), next: page.next.to_string() }
    }
}

/// What the gateway accepted from the portal on a day, to be compared with what the portal sent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireReconciliation {
    /// A day in Europe/Stockholm.
    #[schema(value_type = String, format = Date)]
    pub date: jiff::civil::Date,
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    pub epoch: u64,
    pub count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sequence: Option<u64>,
    pub chain_before: String,
    pub chain_after: String,
}

impl WireReconciliation {
    pub fn of(day: &Reconciliation) -> WireReconciliation {
        WireReconciliation {
            date: day.date,
            from: day.from,
            until: day.until,
            epoch: day.epoch,
            count: day.count,
            first_sequence: day.first,
            last_sequence: day.last,
            chain_before: format!("sha256:{}", hex(&day.chain_before)),
            chain_after: format!("sha256:{}", hex(&day.chain_after)),
        }
    }
}
