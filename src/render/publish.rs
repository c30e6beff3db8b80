//! What is read by many, rendered once for all of them: pages, JSON, feeds and what they need.

use jiff::Timestamp;
use minijinja::context;
use serde_json::json;

use super::{RenderError, Renderer, unfit};
use crate::domain::language::Language;
use crate::domain::status::board::{Board, OwnHealth};
use crate::domain::status::component::ComponentStatus;
use crate::domain::status::edition::Edition;

/// One file of the public pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Absolute, as it stands in an address: `/en/status`, `/api/v2/summary.json`.
    pub path: String,
    pub content_type: &'static str,
    pub bytes: Vec<u8>,
    /// How long a reader may keep it without asking again.
    pub max_age_seconds: u32,
}

impl Renderer {
    /// Everything that lies ready at the public door, as of `now`.
    pub fn publish(&self, board: &Board, own: &OwnHealth, now: Timestamp) -> Result<Vec<Document>, RenderError> {
        let mut documents = vec![
            document("/status/style.css", "text/css; charset=utf-8", include_str!("templates/style.css"), 3_600),
            document("/status/live.js", "text/javascript; charset=utf-8", include_str!("templates/live.js"), 3_600),
        ];
        for edition in Edition::ALL {
            let seen = board.for_audience(edition.audience);
            let page = self.status_page(&seen, own, edition, now)?;
            documents.push(document(&edition.path("/status"), "text/html; charset=utf-8", &page, 15));
            let status = status_json(&seen, &self.service.name, now).to_string();
            documents.push(document(&edition.path("/api/v2/status.json"), "application/json", &status, 15));
        }
        Ok(documents)
    }

    fn status_page(
        &self,
        board: &Board,
        own: &OwnHealth,
        edition: Edition,
        now: Timestamp,
    ) -> Result<String, RenderError> {
        let name = "status.html";
        let pick = |texts: &crate::domain::clinic::Texts| match (edition.language, &texts.en) {
            (Language::En, Some(en)) => en.clone(),
            _ => texts.sv.clone(),
        };
        let ongoing = board.ongoing().map(|incident| pick(&incident.title));
        let own = own.components.iter().filter(|part| part.status != ComponentStatus::Operational);
        let facts = context! {
            language => edition.language.tag(),
            service_name => &self.service.name,
            support_telephone => &self.service.support_telephone,
            ongoing => ongoing.collect::<Vec<_>>(),
            own => own.map(|part| pick(&part.detail)).collect::<Vec<_>>(),
            generated_at => now.to_string(),
        };
        let template = self.environment.get_template(name).map_err(|e| unfit(name, &e))?;
        template.render(facts).map_err(|e| unfit(name, &e))
    }
}

fn document(path: &str, content_type: &'static str, text: &str, max_age_seconds: u32) -> Document {
    Document { path: path.to_owned(), content_type, bytes: text.as_bytes().to_vec(), max_age_seconds }
}

fn status_json(board: &Board, name: &str, now: Timestamp) -> serde_json::Value {
    let worst = board.ongoing().map(|incident| incident.impact().as_str()).max().unwrap_or("none");
    json!({ "page": { "name": name, "updated_at": now }, "status": { "indicator": worst } })
}
