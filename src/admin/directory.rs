//! The staff directory in operators' hands: imported from a file, and how old it is.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Operations;
use crate::domain::staff::Post;
use crate::usecase::Gateway;
use crate::usecase::directory::{Imported, Intake, Source};
use crate::usecase::region::Author;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirectoryCommand {
    Status,
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

pub async fn carry_out(operations: &Operations, command: DirectoryCommand) -> Result<Value, String> {
    match command {
        DirectoryCommand::Status => std::future::ready(Ok(report(&operations.gateway))).await,
    }
}

fn told(done: Imported) -> Value {
    json!({ "new": done.new, "changed": done.changed, "unchanged": done.unchanged, "removed": done.removed })
}

/// How old the directory is.
pub fn report(gateway: &Gateway) -> Value {
    let catalog = gateway.catalog();
    let Some(at) = &catalog.directory else { return json!({ "asOf": null }) };
    json!({
        "asOf": at.record.as_of,
        "ageMinutes": at.record.as_of.duration_until(gateway.now()).as_mins(),
        "source": at.record.source,
        "posts": at.record.posts,
        "tooOld": gateway.directory_overdue().is_some(),
    })
}
