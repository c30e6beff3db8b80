//! The API about itself, and the caller about itself.

use std::sync::Arc;

use super::super::Api;
use super::super::openapi;
use super::super::problem::{CATALOGUE, Problem};
use super::super::request::{Call, Door};
use super::super::response::Answer;
use super::super::wire::region::{ApiInfo, Health, StoresHealth, Whoami, WireMyRoles, WireWarning};
use crate::domain::expiry::{Ending, EndingKind};
use crate::domain::language::Language;
use crate::domain::status::edition::Edition;
use crate::store::Store;

pub async fn api_info(_api: Arc<Api>, _call: Call) -> Result<Answer, Problem> {
    std::future::ready(Ok(Answer::ok(&ApiInfo {
        api_name: "budkavle",
        api_version: env!("CARGO_PKG_VERSION"),
        api_released: "2026-11-22",
        api_documentation: "/v1/openapi.json",
        api_status: "development",
    })))
    .await
}

pub async fn describe(_api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    std::future::ready(Ok(Answer::ok(&openapi::document(call.door)))).await
}

/// The catalogue of codes, as a page for engineers.
pub async fn problems(_api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let language = call.language;
    let heading = match language {
        Language::Sv => "Felkoder",
        Language::En => "Problem codes",
    };
    // Where styles within a page are not allowed there is a sheet of our own.
    let style = match call.door {
        Door::Portal | Door::Staff | Door::CardTest => {
            "<style>body{max-width:42rem;margin:2rem auto;padding:0 1rem;font:1.0625rem/1.55 system-ui,sans-serif;\
             color-scheme:light dark}code{font-size:1rem}</style>"
        }
        Door::Public => "<link rel=\"stylesheet\" href=\"/status/style.css\">",
    };
    let mut page = format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>{heading}</title>{style}</head>\
         <body><main><h1>{heading}</h1><dl>",
        language.tag()
    );
    for (code, entry) in CATALOGUE.iter() {
        let words = match language {
            Language::Sv => &entry.sv,
            Language::En => &entry.en,
        };
        let (title, remedy, status) = (escape(&words.title), escape(&words.remedy), entry.status);
        page.push_str(&format!("<dt id=\"{code}\"><code>{code}</code> ({status})</dt><dd>{title}. {remedy}</dd>"));
    }
    page.push_str("</dl></main></body></html>");
    std::future::ready(Ok(Answer::html(200, page))).await
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// `/` and the like: the status page is what people come for.
pub async fn home(_api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let Edition { language, audience } = call.edition();
    // The shortest address says no language: its reader's browser does.
    let language = match call.header("accept-language") {
        Some(wanted) if call.edition().prefix().is_empty() => Language::from_accept_language(wanted),
        _ => language,
    };
    std::future::ready(Ok(Answer::see_other(Edition { language, audience }.path("/status")))).await
}

/// Whether this gateway can do its work: 503 when what everybody needs does not, or when nobody renews the pages.
/// `cases` may be down while status and support work.
pub async fn health(api: Arc<Api>, _call: Call) -> Result<Answer, Problem> {
    let gateway = &api.gateway;
    let store = |store: &Store| match (store.absence(), store.health().is_failing()) {
        (Some(_), _) => "closed",
        (None, true) => "failing",
        (None, false) => "working",
    };
    let (common, cases) = (store(&gateway.common), store(&gateway.cases));
    let status = match (common, cases) {
        _ if gateway.is_closing() => "stopping",
        _ if api.shelf.stale_after().is_none_or(|stale_after| gateway.now() > stale_after) => "failing",
        ("working", "working") => "working",
        ("working", _) => "degraded",
        _ => "failing",
    };
    let code = if matches!(status, "working" | "degraded") { 200 } else { 503 };
    let health = Health { status, stores: StoresHealth { common, cases } };
    std::future::ready(Ok(Answer::json(code, "application/json", &health))).await
}

pub async fn whoami(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let catalog = api.gateway.catalog();
    let caller = call.known()?;
    let portal = match call.door {
        Door::Portal => Some(api.gateway.admit_portal(&caller.hsa_id)?),
        Door::Staff | Door::Public | Door::CardTest => None,
    };
    let roles = catalog.clinics_of(&caller.hsa_id);
    let roles = roles.map(|grant| WireMyRoles { clinic: grant.clinic.clone(), roles: grant.roles.clone() });
    let ending = Ending { ends: caller.not_after, kind: EndingKind::Caller, name: String::new() };
    let now = api.gateway.now();
    let warnings = ending
        .is_worth_a_letter(now)
        .then(|| WireWarning { code: "certificate-expires-soon", message: ending.text(now, call.language) });
    let answer = Whoami {
        hsa_id: caller.hsa_id.clone(),
        door: call.door.as_str(),
        issuer: caller.issuer.clone(),
        certificate_expires: caller.not_after,
        loa: caller.loa,
        roles: if call.door == Door::Staff { roles.collect() } else { Vec::new() },
        directory_as_of: api.gateway.directory_as_of().filter(|_| call.door == Door::Staff),
        portal: portal.as_ref().map(|p| p.name.clone()),
        channel: portal.as_ref().map(|p| p.channel),
        warnings: warnings.into_iter().collect(),
    };
    std::future::ready(Ok(Answer::ok(&answer))).await
}
