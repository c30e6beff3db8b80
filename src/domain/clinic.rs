//! A region's clinics, what may be sent to them, who may send it and who works there with which role.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::calendar::{ClinicHours, NeverOpen, promise};
use super::id::HsaId;
use super::language::Language;
use super::mail_address::MailAddress;

/// A text for people: Swedish always, English where somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    pub sv: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub en: Option<String>,
}

impl Texts {
    /// The words in a language; Swedish where nobody wrote them in that one.
    pub fn in_language(&self, language: Language) -> &str {
        match (language, &self.en) {
            (Language::En, Some(en)) => en,
            _ => &self.sv,
        }
    }
}

/// A care unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Clinic {
    pub hsa_id: HsaId,
    pub name: String,
    /// Told to citizens wherever the gateway cannot help: international or national form.
    pub telephone: String,
    pub opening: ClinicHours,
    /// A closed clinic takes no new cases; those it has go on.
    pub open: bool,
    /// "Övrig information": nothing is shown while it is empty.
    #[serde(default)]
    pub information: Texts,
}

/// A form by what identifies it: the copy that a case was sent with never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FormRef {
    pub url: String,
    pub version: String,
    /// SHA-256 of the questionnaire's bytes, hexadecimal.
    pub digest: String,
}

impl FormRef {
    /// As a `QuestionnaireResponse` names it.
    pub fn canonical(&self) -> String {
        format!("{}|{}", self.url, self.version)
    }
}

/// What the clinic promises, in minutes of its working hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Promise {
    pub distributed_within_minutes: u32,
    pub answered_within_minutes: u32,
}

/// The two promised moments of one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promised {
    pub distributed_by: Timestamp,
    pub answered_by: Timestamp,
}

impl Promise {
    /// Both promises run from the same moment.
    pub fn from(&self, start: Timestamp, opening: &ClinicHours) -> Result<Promised, NeverOpen> {
        Ok(Promised {
            distributed_by: promise(start, self.distributed_within_minutes, opening)?,
            answered_by: promise(start, self.answered_within_minutes, opening)?,
        })
    }

    /// Both promises where somebody answers at any hour: minutes of the clock.
    pub fn at_any_hour(&self, start: Timestamp) -> Promised {
        let after = |minutes: u32| {
            start.saturating_add(SignedDuration::from_mins(i64::from(minutes))).unwrap_or(Timestamp::MAX)
        };
        Promised {
            distributed_by: after(self.distributed_within_minutes),
            answered_by: after(self.answered_within_minutes),
        }
    }
}

/// What may be sent to one clinic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaseType {
    /// Lower case and hyphens: stands in URLs.
    pub id: String,
    pub clinic: HsaId,
    pub title: Texts,
    #[serde(default)]
    pub description: Texts,
    #[serde(default)]
    pub terms: Texts,
    #[serde(default)]
    pub fees: Texts,
    pub promise: Promise,
    /// How long after the answer the citizen may come back to the same case.
    pub follow_up_days: u16,
    pub question_form: FormRef,
    pub answer_form: FormRef,
    /// Switched off: nothing new is taken, what is there goes on.
    pub active: bool,
}

/// Longest id of a case type, in characters.
const CASE_TYPE_ID_LEN_MAX: usize = 64;

/// Case type ids stand in URLs and keys: `a-z`, digits and single hyphens.
pub fn is_case_type_id(text: &str) -> bool {
    let parts = text.split('-');
    text.len() <= CASE_TYPE_ID_LEN_MAX
        && parts.clone().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

/// Whom a registered system speaks for. A case keeps the channel that it came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    Citizen,
    Staff,
}

/// All, or those named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub enum Scope {
    All,
    Only(BTreeSet<String>),
}

impl Scope {
    pub fn holds(&self, name: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Only(names) => names.contains(name),
        }
    }
}

impl TryFrom<Vec<String>> for Scope {
    type Error = &'static str;
    fn try_from(names: Vec<String>) -> Result<Scope, &'static str> {
        match names.as_slice() {
            [] => Err("a scope names at least one, or is [\"*\"] for all"),
            [all] if all == "*" => Ok(Scope::All),
            _ if names.iter().any(|n| n == "*") => Err("\"*\" stands alone"),
            _ => Ok(Scope::Only(names.into_iter().collect())),
        }
    }
}

impl From<Scope> for Vec<String> {
    fn from(scope: Scope) -> Vec<String> {
        match scope {
            Scope::All => vec!["*".into()],
            Scope::Only(names) => names.into_iter().collect(),
        }
    }
}

/// A registered upstream system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Portal {
    pub hsa_id: HsaId,
    pub name: String,
    pub channel: Channel,
    pub clinics: Scope,
    pub case_types: Scope,
    #[serde(default)]
    pub suspended: bool,
}

/// What a person may be at a clinic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Ärendemottagare.
    Receiver,
    /// Ärendehanterare, vårdgivare.
    Handler,
    /// Lokal administratör.
    Administrator,
    /// Verksamhetschef.
    Manager,
    /// Granskare.
    LogReviewer,
    /// Support: writes what is told of services, answers tickets. At a unit that takes no cases.
    Support,
}

impl Role {
    pub const ALL: [Role; 6] =
        [Role::Receiver, Role::Handler, Role::Administrator, Role::Manager, Role::LogReviewer, Role::Support];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Receiver => "receiver",
            Role::Handler => "handler",
            Role::Administrator => "administrator",
            Role::Manager => "manager",
            Role::LogReviewer => "log-reviewer",
            Role::Support => "support",
        }
    }

    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// A person's roles at one clinic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleGrant {
    pub clinic: HsaId,
    pub person: HsaId,
    pub roles: BTreeSet<Role>,
    pub granted_by: String,
    pub granted_at: Timestamp,
}

/// Which letters a member of the staff wants, where and in which language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotificationChoice {
    pub new_case: bool,
    pub assigned_case: bool,
    /// Instead of the directory's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<MailAddress>,
    #[serde(default)]
    pub language: Language,
}

impl Default for NotificationChoice {
    /// Who has chosen nothing is told of everything: a case must not lie unseen.
    fn default() -> NotificationChoice {
        NotificationChoice { new_case: true, assigned_case: true, email: None, language: Language::Sv }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_all_or_a_list_and_never_empty() {
        let read = |json: &str| serde_json::from_str::<Scope>(json);
        assert!(read(r#"["*"]"#).unwrap().holds("anything"));
        let only = read(r#"["a", "b"]"#).unwrap();
        assert!(only.holds("a") && !only.holds("c"));
        assert!(read("[]").is_err());
        assert!(read(r#"["*", "a"]"#).is_err());
    }

    #[test]
    fn ids_of_case_types_can_stand_in_urls() {
        for (id, good) in
            [("fornya-recept", true), ("a1", true), ("", false), ("a--b", false), ("Å", false), ("a/b", false)]
        {
            assert_eq!(is_case_type_id(id), good, "{id}");
        }
    }
}
