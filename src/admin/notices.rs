//! What operators ask of notices, and what they hand in.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Operations;
use crate::jobs::bounces::{self, Taken};

/// Notices of one list.
const LIST_MAX: u64 = 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum NoticeCommand {
    /// The latest notices and what became of them.
    List,
    Show {
        seq: u64,
    },
    /// A letter that came back, as it lies in a mailbox.
    Returned {
        letter: String,
    },
}

pub async fn carry_out(operations: &Operations, command: NoticeCommand) -> Result<Value, String> {
    let gateway = &operations.gateway;
    match command {
        NoticeCommand::List => {
            let after = gateway.board().seq.saturating_sub(LIST_MAX);
            let reports = gateway.delivery_reports(after, usize::try_from(LIST_MAX).unwrap_or_default()).await;
            reports.map(|reports| json!(reports)).map_err(|refusal| refusal.to_string())
        }
        NoticeCommand::Show { seq } => {
            gateway.delivery_report(seq).await.map(|report| json!(report)).map_err(|refusal| refusal.to_string())
        }
        NoticeCommand::Returned { letter } => match bounces::take(gateway, letter.as_bytes()).await {
            Ok(Taken::Bounce(returned)) => Ok(json!({ "read": "bounce", "followed": returned })),
            Ok(Taken::Left) => Ok(json!({ "read": "leave", "followed": "left" })),
            Err(fault) => Err(fault.to_string()),
        },
    }
}
