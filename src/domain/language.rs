//! The two languages in which the gateway speaks to people.

use serde::{Deserialize, Serialize};

/// Swedish is the default everywhere; English is offered everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    Sv,
    En,
}

impl Language {
    /// The tag of RFC 5646, as in `Content-Language`.
    pub fn tag(self) -> &'static str {
        match self {
            Language::Sv => "sv",
            Language::En => "en",
        }
    }

    /// Picks by an `Accept-Language` value (RFC 9110 section 12.5.4); Swedish unless English is preferred.
    pub fn from_accept_language(value: &str) -> Language {
        let mut best = (Language::Sv, -1.0_f32);
        for range in value.split(',').take(RANGES_MAX) {
            let mut parts = range.split(';');
            let tag = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
            let weight =
                parts.find_map(|p| p.trim().strip_prefix("q=").and_then(|q| q.parse().ok())).unwrap_or(1.0_f32);
            let language = match tag.split('-').next() {
                Some("sv") => Language::Sv,
                Some("en") => Language::En,
                _ => continue,
            };
            if weight > best.1 && weight > 0.0 {
                best = (language, weight);
            }
        }
        best.0
    }
}

/// More ranges than any browser sends; the rest of a longer header is not read.
const RANGES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swedish_unless_english_is_preferred() {
        for (header, expected) in [
            ("", Language::Sv),
            ("de", Language::Sv),
            ("en-GB,en;q=0.9", Language::En),
            ("sv-SE, en;q=0.8", Language::Sv),
            ("en;q=0.2, sv;q=0.1", Language::En),
            ("en;q=0", Language::Sv),
            ("*", Language::Sv),
        ] {
            assert_eq!(Language::from_accept_language(header), expected, "{header}");
        }
    }
}
