//! The pages' editions: one for each language and audience, told apart by the beginning of the path.

use super::Audience;
use crate::domain::language::Language;

/// Which language, for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Edition {
    pub language: Language,
    pub audience: Audience,
}

impl Edition {
    pub const ALL: [Edition; 4] = [
        Edition { language: Language::Sv, audience: Audience::Staff },
        Edition { language: Language::En, audience: Audience::Staff },
        Edition { language: Language::Sv, audience: Audience::Public },
        Edition { language: Language::En, audience: Audience::Public },
    ];

    /// What its paths begin with; nothing for the staff's in Swedish.
    pub fn prefix(self) -> &'static str {
        match (self.language, self.audience) {
            (Language::Sv, Audience::Staff) => "",
            (Language::En, Audience::Staff) => "/en",
            (Language::Sv, Audience::Public) => "/invanare",
            (Language::En, Audience::Public) => "/en/invanare",
        }
    }

    /// Where a page stands in this edition; `path` is the one in the staff's Swedish edition.
    pub fn path(self, path: &str) -> String {
        match (self.prefix(), path) {
            ("", path) => path.to_owned(),
            (prefix, "/") => prefix.to_owned(),
            (prefix, path) => format!("{prefix}{path}"),
        }
    }

    /// The edition that a path belongs to.
    pub fn of_path(path: &str) -> Edition {
        let begins = |edition: &Edition| {
            let rest = path.strip_prefix(edition.prefix());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let fitting = Edition::ALL.into_iter().filter(begins);
        fitting.max_by_key(|edition| edition.prefix().len()).unwrap_or(Edition::ALL[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_its_edition_and_an_edition_its_path() {
        for edition in Edition::ALL {
            for path in ["/", "/status", "/status/handelse/x"] {
                assert_eq!(Edition::of_path(&edition.path(path)), edition, "{path}");
            }
        }
        assert_eq!(Edition::ALL.map(|e| e.path("/")), ["/", "/en", "/invanare", "/en/invanare"]);
        assert_eq!(Edition::of_path("/entré"), Edition::ALL[0]);
    }
}
