//! What became of notices, as the API shows it to the staff.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::region::WireTexts;
use crate::domain::status::event::EventKind;
use crate::usecase::fanout::DeliveryReport;

/// How many were to get it, and what became of their letters. The counts add up to `targeted`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireNotice {
    /// The event's number.
    pub seq: u64,
    #[schema(value_type = String)]
    pub kind: EventKind,
    /// The incident or maintenance.
    pub subject: Uuid,
    pub title: WireTexts,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What has not gone by then is not sent any more.
    #[schema(value_type = String, format = DateTime)]
    pub not_after: Timestamp,
    /// False where its mail could not be made, and nobody was told.
    pub made: bool,
    /// Its recipients are still being found.
    pub is_expanding: bool,
    pub targeted: u64,
    pub waiting: u64,
    /// Put off by the recipient's server, to be tried again.
    pub deferred: u64,
    /// May have been taken without our hearing so; sent again.
    pub in_doubt: u64,
    /// Stopped by the smarthost's policy, to be tried again.
    pub held: u64,
    pub accepted: u64,
    pub rejected: u64,
    pub bounced: u64,
    /// A newer notice stood for it.
    pub superseded: u64,
    pub expired: u64,
    /// The recipient had left, or its address is dead.
    pub suppressed: u64,
    /// About the end of what the recipient was never told of.
    pub cancelled: u64,
    /// When it was told, while its letters have not all gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_unsent: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoticeList {
    /// Oldest first.
    pub items: Vec<WireNotice>,
    /// What `after` is to be for those that follow; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

impl WireNotice {
    pub fn of(report: &DeliveryReport) -> WireNotice {
        let tally = report.tally;
        WireNotice {
            seq: report.seq,
            kind: report.kind,
            subject: report.subject,
            title: WireTexts::of(&report.title),
            at: report.at,
            not_after: report.not_after,
            made: report.made,
            is_expanding: report.is_expanding,
            targeted: tally.targeted,
            waiting: tally.waiting,
            deferred: tally.deferred,
            in_doubt: tally.in_doubt,
            held: tally.held,
            accepted: tally.accepted,
            rejected: tally.rejected,
            bounced: tally.bounced,
            superseded: tally.superseded,
            expired: tally.expired,
            suppressed: tally.suppressed,
            cancelled: tally.cancelled,
            oldest_unsent: report.oldest_unsent,
        }
    }
}
