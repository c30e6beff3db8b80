//! What operators can have done with probes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Operations;
use crate::domain::status::probe::ProbeSettings;
use crate::domain::status::probe::state::Step;
use crate::usecase::probes::ProbeRefusal;
use crate::usecase::status::Author;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum ProbeCommand {
    Put { probe: Box<ProbeSettings> },
    List,
    Pause { slug: String },
    Resume { slug: String },
    Remove { slug: String },
    Check { slug: String },
}

pub async fn carry_out(operations: &Operations, command: ProbeCommand, user: &str) -> Result<Value, String> {
    let gateway = &operations.gateway;
    let author = Author::Operator { user: user.to_owned() };
    let done = match command {
        ProbeCommand::Put { probe } => {
            let slug = probe.slug.clone();
            let put = gateway.put_probe(&author, *probe).await;
            return put.map(|put| json!(put)).map_err(|refusal| format!("probe {slug}: {refusal}"));
        }
        ProbeCommand::List => Ok(json!(gateway.probe_reports().await)),
        ProbeCommand::Pause { slug } => gateway.pause_probe(&author, &slug, true).await.map(|left| json!(left)),
        ProbeCommand::Resume { slug } => gateway.pause_probe(&author, &slug, false).await.map(|left| json!(left)),
        ProbeCommand::Remove { slug } => gateway.remove_probe(&author, &slug).await.map(|left| json!(left)),
        ProbeCommand::Check { slug } => check(operations, &slug).await,
    };
    done.map_err(|refusal| refusal.to_string())
}

async fn check(operations: &Operations, slug: &str) -> Result<Value, ProbeRefusal> {
    let (outcome, step) = operations.prober.look_now(slug).await?;
    let told = match step {
        Step::Nothing => "nothing",
        Step::Open(_) => "opened",
        Step::Update(_) => "updated",
        Step::Unstable => "unstable",
        Step::Resolve => "resolved",
    };
    Ok(match outcome {
        Err(reason) => json!({ "probe": slug, "blind": reason }),
        Ok(look) => json!({
            "probe": slug,
            "verdict": look.verdict,
            "cause": look.cause.map(|cause| cause.to_string()),
            "milliseconds": look.milliseconds,
            "told": told,
        }),
    })
}
