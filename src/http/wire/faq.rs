//! Questions asked often, on the wire.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::region::WireTexts;
use crate::domain::clinic::Texts;
use crate::domain::faq::FaqEntry;
use crate::domain::status::Audience;

/// A question as it is put.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutFaq {
    /// `staff`, or `public` for both.
    #[schema(value_type = String)]
    pub audience: Audience,
    pub question: WireTexts,
    /// Paragraphs parted by empty lines; lines that begin with `- ` or `1. ` are lists; `https://…` becomes a link.
    pub answer: WireTexts,
    pub shown: bool,
    /// Lower comes first.
    #[serde(default)]
    pub position: u32,
}

impl PutFaq {
    /// The day is the story's to set.
    pub fn read(self, slug: String) -> FaqEntry {
        let texts = |wire: WireTexts| Texts { sv: wire.sv, en: wire.en };
        FaqEntry {
            slug,
            audience: self.audience,
            question: texts(self.question),
            answer: texts(self.answer),
            updated: Date::MIN,
            shown: self.shown,
            position: self.position,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireFaq {
    pub slug: String,
    #[schema(value_type = String)]
    pub audience: Audience,
    pub question: WireTexts,
    pub answer: WireTexts,
    /// The day on which what people read was changed.
    #[schema(value_type = String, format = Date)]
    pub updated: Date,
    pub shown: bool,
    pub position: u32,
}

impl WireFaq {
    pub fn of(entry: &FaqEntry) -> WireFaq {
        WireFaq {
            slug: entry.slug.clone(),
            audience: entry.audience,
            question: WireTexts::of(&entry.question),
            answer: WireTexts::of(&entry.answer),
            updated: entry.updated,
            shown: entry.shown,
            position: entry.position,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct FaqList {
    pub items: Vec<WireFaq>,
}
