//! The region on the wire: clinics, case types, roles, choices of letters, who one is.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::domain::clinic::{CaseType, Clinic, NotificationChoice, Promise, Role, RoleGrant, Texts};
use crate::domain::id::HsaId;
use crate::domain::language::Language;
use crate::domain::mail_address::MailAddress;
use crate::http::problem::Problem;
use crate::usecase::region::CaseTypeDraft;

/// Longest text about a clinic or case type, in characters.
const TEXT_LEN_MAX: usize = 20_000;

/// A text for people: Swedish always, English where somebody wrote it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WireTexts {
    pub sv: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub en: Option<String>,
}

impl WireTexts {
    pub fn of(texts: &Texts) -> WireTexts {
        WireTexts { sv: texts.sv.clone(), en: texts.en.clone() }
    }

    pub fn read(self, pointer: &str) -> Result<Texts, Problem> {
        for text in std::iter::once(&self.sv).chain(&self.en) {
            let clean = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
            if !clean || text.chars().count() > TEXT_LEN_MAX {
                return Err(Problem::new("malformed-value").at(
                    pointer,
                    format!("Högst {TEXT_LEN_MAX} tecken, inga styrtecken."),
                    format!("At most {TEXT_LEN_MAX} characters, no control characters."),
                ));
            }
        }
        Ok(Texts { sv: self.sv, en: self.en })
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireClinic {
    #[schema(value_type = String)]
    pub hsa_id: HsaId,
    pub name: String,
    pub telephone: String,
    /// `hours` and `closedDays`, in Swedish local time.
    #[schema(value_type = Object)]
    pub opening: Value,
    /// A closed clinic takes no new cases.
    pub open: bool,
    pub information: WireTexts,
}

impl WireClinic {
    pub fn of(clinic: &Clinic) -> WireClinic {
        WireClinic {
            hsa_id: clinic.hsa_id.clone(),
            name: clinic.name.clone(),
            telephone: clinic.telephone.clone(),
            opening: serde_json::to_value(&clinic.opening).unwrap_or_default(),
            open: clinic.open,
            information: WireTexts::of(&clinic.information),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ClinicList {
    pub items: Vec<WireClinic>,
}

/// What may be sent to a clinic.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireCaseType {
    pub id: String,
    #[schema(value_type = String)]
    pub clinic: HsaId,
    pub title: WireTexts,
    pub description: WireTexts,
    pub terms: WireTexts,
    pub fees: WireTexts,
    pub promise: WirePromise,
    pub follow_up_days: u16,
    pub active: bool,
    /// Canonical address and version: what a response names.
    pub question_form: String,
    pub answer_form: String,
    /// The forms themselves, FHIR R4 `Questionnaire`; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub question_questionnaire: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub answer_questionnaire: Option<Value>,
}

impl WireCaseType {
    pub fn of(case_type: &CaseType) -> WireCaseType {
        WireCaseType {
            id: case_type.id.clone(),
            clinic: case_type.clinic.clone(),
            title: WireTexts::of(&case_type.title),
            description: WireTexts::of(&case_type.description),
            terms: WireTexts::of(&case_type.terms),
            fees: WireTexts::of(&case_type.fees),
            promise: WirePromise::of(&case_type.promise),
            follow_up_days: case_type.follow_up_days,
            active: case_type.active,
            question_form: case_type.question_form.canonical(),
            answer_form: case_type.answer_form.canonical(),
            question_questionnaire: None,
            answer_questionnaire: None,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct CaseTypeList {
    pub items: Vec<WireCaseType>,
}

/// Minutes of the clinic's working hours.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WirePromise {
    pub distributed_within_minutes: u32,
    pub answered_within_minutes: u32,
}

impl WirePromise {
    fn of(promise: &Promise) -> WirePromise {
        WirePromise {
            distributed_within_minutes: promise.distributed_within_minutes,
            answered_within_minutes: promise.answered_within_minutes,
        }
    }
}

/// A case type as it is put in.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutCaseType {
    pub title: WireTexts,
    #[serde(default)]
    pub description: Option<WireTexts>,
    #[serde(default)]
    pub terms: Option<WireTexts>,
    #[serde(default)]
    pub fees: Option<WireTexts>,
    pub promise: WirePromise,
    pub follow_up_days: u16,
    pub active: bool,
    #[schema(value_type = Object)]
    pub question_questionnaire: Value,
    #[schema(value_type = Object)]
    pub answer_questionnaire: Value,
}

impl PutCaseType {
    pub fn read(self, clinic: HsaId, id: String) -> Result<CaseTypeDraft, Problem> {
        if !crate::domain::clinic::is_case_type_id(&id) {
            return Err(Problem::new("malformed-value").detail(
                "En ärendetyps namn är a–z, siffror och enkla bindestreck.",
                "A case type's id is a-z, digits and single hyphens.",
            ));
        }
        let optional = |texts: Option<WireTexts>, pointer: &str| match texts {
            Some(texts) => texts.read(pointer),
            None => Ok(Texts::default()),
        };
        Ok(CaseTypeDraft {
            id,
            clinic,
            title: self.title.read("/title")?,
            description: optional(self.description, "/description")?,
            terms: optional(self.terms, "/terms")?,
            fees: optional(self.fees, "/fees")?,
            promise: Promise {
                distributed_within_minutes: self.promise.distributed_within_minutes,
                answered_within_minutes: self.promise.answered_within_minutes,
            },
            follow_up_days: self.follow_up_days,
            active: self.active,
            question_form: self.question_questionnaire,
            answer_form: self.answer_questionnaire,
        })
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutRoles {
    /// `receiver`, `handler`, `administrator`, `manager`, `log-reviewer`.
    #[schema(value_type = Vec<String>)]
    pub roles: BTreeSet<Role>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireRoles {
    #[schema(value_type = String)]
    pub clinic: HsaId,
    #[schema(value_type = String)]
    pub person: HsaId,
    #[schema(value_type = Vec<String>)]
    pub roles: BTreeSet<Role>,
    pub granted_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub granted_at: Timestamp,
    pub etag: String,
}

impl WireRoles {
    pub fn of(grant: &RoleGrant, version: u64) -> WireRoles {
        WireRoles {
            clinic: grant.clinic.clone(),
            person: grant.person.clone(),
            roles: grant.roles.clone(),
            granted_by: grant.granted_by.clone(),
            granted_at: grant.granted_at,
            etag: format!("\"{version}\""),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct RoleList {
    pub items: Vec<WireRoles>,
}

/// Which letters I want, where and in which language.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireNotifications {
    pub new_case: bool,
    pub assigned_case: bool,
    /// Instead of the directory's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Email)]
    pub email: Option<MailAddress>,
    #[serde(default)]
    #[schema(value_type = String)]
    pub language: Language,
}

impl WireNotifications {
    pub fn of(choice: &NotificationChoice) -> WireNotifications {
        WireNotifications {
            new_case: choice.new_case,
            assigned_case: choice.assigned_case,
            email: choice.email.clone(),
            language: choice.language,
        }
    }

    pub fn read(self) -> NotificationChoice {
        NotificationChoice {
            new_case: self.new_case,
            assigned_case: self.assigned_case,
            email: self.email,
            language: self.language,
        }
    }
}

/// The caller as the gateway sees it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Whoami {
    #[schema(value_type = String)]
    pub hsa_id: HsaId,
    pub door: &'static str,
    pub issuer: String,
    #[schema(value_type = String, format = DateTime)]
    pub certificate_expires: Timestamp,
    /// Level of assurance, where the issuer has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loa: Option<u8>,
    /// Staff: roles by clinic. Portals: none.
    pub roles: Vec<WireMyRoles>,
    /// Staff: when the directory that says who works where was last taken in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub directory_as_of: Option<Timestamp>,
    /// Portals: the name under which the system is registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub channel: Option<crate::domain::clinic::Channel>,
    /// What should be done before long, in the caller's language.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<WireWarning>,
}

#[derive(Serialize, ToSchema)]
pub struct WireWarning {
    /// `certificate-expires-soon`: within 30 days.
    pub code: &'static str,
    pub message: String,
}

#[derive(Serialize, ToSchema)]
pub struct WireMyRoles {
    #[schema(value_type = String)]
    pub clinic: HsaId,
    #[schema(value_type = Vec<String>)]
    pub roles: BTreeSet<Role>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiInfo {
    pub api_name: &'static str,
    pub api_version: &'static str,
    pub api_released: &'static str,
    pub api_documentation: &'static str,
    pub api_status: &'static str,
}

/// How the gateway is, for who watches over it.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `working`, `degraded` (status and support work, cases do not), `failing` or `stopping`.
    pub status: &'static str,
    pub stores: StoresHealth,
}

/// Each `working`, `failing` or `closed`.
#[derive(Serialize, ToSchema)]
pub struct StoresHealth {
    pub common: &'static str,
    pub cases: &'static str,
}
