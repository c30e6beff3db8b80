//! What operators can have done about subscribers, and how it is done. Addresses come in the request, never in an
//! argument, and go out only where they were asked for.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::language::Language;
use crate::domain::mail_address::MailAddress;
use crate::domain::status::Audience;
use crate::domain::status::board::Board;
use crate::domain::status::choice::{Choices, Mode, Subscription, Target};
use crate::domain::status::subject::Impact;
use crate::domain::status::subscriber::{Evidence, List, Reason, Subscriber};
use crate::usecase::Gateway;
use crate::usecase::subscribers::SubscribeError;
use crate::usecase::subscribers::import::ImportRow;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum SubscriberCommand {
    Count,
    Show { address: MailAddress },
    Forget { address: MailAddress },
    Suppress { address: MailAddress },
    Allow { address: MailAddress },
    Import { source: String, audience: Audience, rows: Vec<ImportLine> },
    ListPut { list: Box<ListFile> },
    Lists,
    ListShow { list: String },
    ListAdd { list: String, addresses: Vec<MailAddress> },
    ListRemove { list: String, addresses: Vec<MailAddress> },
}

/// One address of an import.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportLine {
    pub line: u64,
    pub address: MailAddress,
    pub language: Language,
    pub targets: Vec<String>,
    pub mode: Mode,
}

/// A managed list as an operator gives it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListFile {
    pub slug: String,
    pub title: String,
    pub audience: Audience,
    pub owner: MailAddress,
    pub targets: Vec<String>,
    pub least_impact: Impact,
}

pub async fn carry_out(gateway: &Gateway, command: SubscriberCommand, user: &str) -> Result<Value, String> {
    match command {
        SubscriberCommand::Count => count(gateway).await,
        SubscriberCommand::Show { address } => {
            let (found, suppression) = gateway.look_up(&address, user).await.map_err(told)?;
            let board = gateway.board();
            let subscribers: Vec<_> = found.iter().map(|subscriber| shown(subscriber, &board)).collect();
            let suppressed = suppression.map(|s| json!({ "evidence": s.evidence, "until": s.until }));
            Ok(json!({ "subscribers": subscribers, "suppressed": suppressed }))
        }
        SubscriberCommand::Forget { address } => {
            let forgotten = gateway.forget_address(&address, user).await.map_err(told)?;
            Ok(json!({ "forgotten": forgotten }))
        }
        SubscriberCommand::Suppress { address } => {
            let evidence = Evidence { at: gateway.now(), reason: Reason::Manual, code: None, event: None };
            gateway.suppress(&address, evidence, user).await.map_err(told)?;
            Ok(json!({ "suppressed": true }))
        }
        SubscriberCommand::Allow { address } => {
            let allowed = gateway.allow(&address, user).await.map_err(told)?;
            Ok(json!({ "wasSuppressed": allowed }))
        }
        SubscriberCommand::Import { source, audience, rows } => import(gateway, &source, audience, rows, user).await,
        SubscriberCommand::ListPut { list } => {
            let list = read_list(*list, &gateway.board())?;
            gateway.put_list(user, &list).await.map_err(told)?;
            Ok(json!({ "list": list.slug }))
        }
        SubscriberCommand::Lists => {
            let lists = gateway.lists().await.map_err(|refusal| refusal.to_string())?;
            let board = gateway.board();
            Ok(json!(lists.iter().map(|list| list_shown(list, &board)).collect::<Vec<_>>()))
        }
        SubscriberCommand::ListShow { list } => {
            let (list, members) = gateway.read_list(user, &list).await.map_err(told)?;
            let board = gateway.board();
            let members: Vec<_> = members.iter().map(|member| member_shown(member, &list.slug)).collect();
            Ok(json!({ "list": list_shown(&list, &board), "members": members }))
        }
        SubscriberCommand::ListAdd { list, addresses } => {
            let joined = gateway.join_list(user, &list, &addresses).await.map_err(told)?;
            Ok(json!({
                "added": joined.added, "already": joined.already,
                "suppressed": joined.suppressed, "onTooManyLists": joined.full,
            }))
        }
        SubscriberCommand::ListRemove { list, addresses } => {
            let removed = gateway.drop_from_list(user, &list, &addresses).await.map_err(told)?;
            Ok(json!({ "removed": removed }))
        }
    }
}

fn told(error: SubscribeError) -> String {
    error.to_string()
}

async fn count(gateway: &Gateway) -> Result<Value, String> {
    let counts = gateway.count_subscribers().await.map_err(|refusal| refusal.to_string())?;
    let shown = counts.into_iter().map(|(audience, count)| {
        let states = json!({
            "active": count.active, "pending": count.pending, "quarantined": count.quarantined, "left": count.left,
        });
        (audience.as_str().to_owned(), states)
    });
    Ok(Value::Object(shown.collect()))
}

async fn import(
    gateway: &Gateway,
    source: &str,
    audience: Audience,
    lines: Vec<ImportLine>,
    user: &str,
) -> Result<Value, String> {
    let board = gateway.board();
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for ImportLine { line, address, language, targets, mode } in lines {
        match subscriptions(&targets, Impact::None, &board) {
            Ok(subscriptions) => {
                rows.push(ImportRow { line, address, choices: Choices { language, mode, subscriptions } });
            }
            Err(target) => faults.push(json!({ "line": line, "fault": unknown(&target) })),
        }
    }
    let imported = gateway.import_subscribers(user, source, audience, &rows).await.map_err(told)?;
    faults.extend(imported.faults.iter().map(|(line, fault)| json!({ "line": line, "fault": fault })));
    Ok(json!({ "new": imported.new, "known": imported.known, "leftOut": imported.left_out, "faults": faults }))
}

fn read_list(file: ListFile, board: &Board) -> Result<List, String> {
    let subscriptions = subscriptions(&file.targets, file.least_impact, board).map_err(|target| unknown(&target))?;
    let ListFile { slug, title, audience, owner, .. } = file;
    Ok(List { slug, title, audience, owner, subscriptions })
}

/// Everything where nothing is named; the name that the board does not know otherwise.
fn subscriptions(targets: &[String], least_impact: Impact, board: &Board) -> Result<Vec<Subscription>, String> {
    let of = |target| Subscription { least_impact, ..Subscription::of(target) };
    if targets.is_empty() {
        return Ok(vec![of(Target::All)]);
    }
    targets.iter().map(|name| Target::named(name, board).map(of).ok_or_else(|| name.clone())).collect()
}

fn unknown(target: &str) -> String {
    format!("{target:?}: there is no such component or group; write all, group:SLUG or component:SLUG")
}

fn names(subscriptions: &[Subscription], board: &Board) -> Vec<String> {
    subscriptions.iter().map(|subscription| subscription.target.name(board)).collect()
}

fn shown(subscriber: &Subscriber, board: &Board) -> Value {
    let lists: Vec<_> = subscriber.lists.iter().map(|membership| &membership.list).collect();
    json!({
        "id": subscriber.id,
        "address": subscriber.address.expose(),
        "audience": subscriber.audience,
        "state": subscriber.state,
        "since": subscriber.since,
        "createdAt": subscriber.created_at,
        "confirmedAt": subscriber.confirmed_at,
        "consentVersion": subscriber.consent_version,
        "source": subscriber.source,
        "language": subscriber.language,
        "dailyAt": subscriber.mode.time(),
        "targets": names(&subscriber.subscriptions, board),
        "lists": lists,
        "evidence": subscriber.evidence,
        "forgottenAt": subscriber.forget_at(),
    })
}

fn list_shown(list: &List, board: &Board) -> Value {
    json!({
        "list": list.slug,
        "title": list.title,
        "audience": list.audience,
        "ownerMailDomain": list.owner.domain(),
        "targets": names(&list.subscriptions, board),
    })
}

fn member_shown(member: &Subscriber, slug: &str) -> Value {
    let place = member.lists.iter().find(|membership| membership.list == slug);
    json!({
        "address": member.address.expose(),
        "state": member.state,
        "leaveWishedAt": place.and_then(|membership| membership.leave_wished_at),
    })
}
