//! The staff directory in operators' hands: imported from a file, refreshed, and how old it is.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Operations;
use crate::domain::staff::Post;
use crate::jobs::directory::Refreshed;
use crate::usecase::Gateway;
use crate::usecase::directory::{Imported, Intake, Source};
use crate::usecase::region::Author;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirectoryCommand {
    Status,
    Refresh { accept_loss: bool },
}

pub async fn import(
    gateway: &Gateway,
    author: &Author,
    posts: &[Post],
    whole: bool,
    accept_loss: bool,
) -> Result<Value, String> {
    let intake = Intake { posts, source: Source::Import, whole, accept_loss };
    gateway.import_directory(author, intake).await.map(told).map_err(|error| error.to_string())
}

pub async fn carry_out(operations: &Operations, command: DirectoryCommand, author: &Author) -> Result<Value, String> {
    match command {
        DirectoryCommand::Status => Ok(report(operations)),
        DirectoryCommand::Refresh { accept_loss } => {
            let refreshed = operations.refresher.refresh(author, accept_loss).await;
            let Refreshed { imported, unfit } = refreshed.map_err(|error| error.to_string())?;
            let mut value = told(imported);
            value["unfit"] = json!(unfit);
            value["asOf"] = json!(operations.gateway.directory_as_of());
            Ok(value)
        }
    }
}

fn told(done: Imported) -> Value {
    json!({ "new": done.new, "changed": done.changed, "unchanged": done.unchanged, "removed": done.removed })
}

/// How old the directory is, and how the last try to refresh it went.
pub fn report(operations: &Operations) -> Value {
    let gateway = &operations.gateway;
    let catalog = gateway.catalog();
    let mut value = match &catalog.directory {
        None => json!({ "asOf": null }),
        Some(at) => json!({
            "asOf": at.record.as_of,
            "ageMinutes": at.record.as_of.duration_until(gateway.now()).as_mins(),
            "source": at.record.source,
            "posts": at.record.posts,
            "tooOld": gateway.directory_overdue().is_some(),
        }),
    };
    if let Some(last) = operations.refresher.last_try() {
        value["lastTry"] = json!({ "at": last.at, "unfit": last.unfit, "fault": last.fault });
    }
    value
}
