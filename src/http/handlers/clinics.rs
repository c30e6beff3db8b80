//! Clinics, their case types and texts.

use std::sync::Arc;

use super::super::Api;
use super::super::problem::Problem;
use super::super::request::{Call, Door};
use super::super::response::Answer;
use super::super::wire::region::{CaseTypeList, ClinicList, PutCaseType, WireCaseType, WireClinic, WireTexts};
use crate::domain::clinic::CaseType;
use crate::usecase::Refusal;
use crate::usecase::region::Author;

pub async fn list(api: Arc<Api>, _call: Call) -> Result<Answer, Problem> {
    let catalog = api.gateway.catalog();
    let items = catalog.clinics.values().map(|at| WireClinic::of(&at.record)).collect();
    Ok(Answer::ok(&ClinicList { items }))
}

pub async fn read(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let id = call.hsa_id("hsaId")?;
    let catalog = api.gateway.catalog();
    let at = catalog.clinics.get(&id).ok_or(Refusal::NotFound)?;
    Ok(Answer::ok(&WireClinic::of(&at.record)).etag(at.version))
}

pub async fn case_types(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let clinic = call.hsa_id("hsaId")?;
    let catalog = api.gateway.catalog();
    catalog.clinic(&clinic).ok_or(Refusal::NotFound)?;
    let here = catalog.case_types.values().filter(|at| at.record.clinic == clinic);
    // What is switched off is the administrators' matter.
    let shown = here.filter(|at| at.record.active || call.door == Door::Staff);
    Ok(Answer::ok(&CaseTypeList { items: shown.map(|at| WireCaseType::of(&at.record)).collect() }))
}

pub async fn case_type(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let clinic = call.hsa_id("hsaId")?;
    let id = call.parameter("caseType")?.to_owned();
    let catalog = api.gateway.catalog();
    let at = catalog.case_types.get(&(clinic, id)).ok_or(Refusal::NotFound)?;
    let wire = match call.door {
        Door::Portal | Door::Staff => with_forms(&api, &at.record).await?,
        // Who only wants to know what can be sent needs no form, and nothing that is switched off.
        Door::Public if at.record.active => WireCaseType::of(&at.record),
        Door::Public | Door::CardTest => return Err(Refusal::NotFound.into()),
    };
    Ok(Answer::ok(&wire).etag(at.version))
}

async fn with_forms(api: &Api, case_type: &CaseType) -> Result<WireCaseType, Problem> {
    let mut wire = WireCaseType::of(case_type);
    wire.question_questionnaire = Some(api.gateway.case_form(&case_type.question_form).await?);
    wire.answer_questionnaire = Some(api.gateway.case_form(&case_type.answer_form).await?);
    Ok(wire)
}

pub async fn put_case_type(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let clinic = call.hsa_id("hsaId")?;
    let id = call.parameter("caseType")?.to_owned();
    let seen = call.expected_version()?;
    let draft = call.read::<PutCaseType>()?.read(clinic, id)?;
    let version = api.gateway.put_case_type(&Author::Administrator(call.visitor()?), draft, Some(seen)).await?;
    Ok(Answer::no_content().etag(version))
}

pub async fn put_information(api: Arc<Api>, call: Call) -> Result<Answer, Problem> {
    let clinic = call.hsa_id("hsaId")?;
    let seen = call.if_match()?;
    let texts = call.read::<WireTexts>()?.read("")?;
    let author = Author::Administrator(call.visitor()?);
    let version = api.gateway.put_information(&author, &clinic, texts, seen).await?;
    Ok(Answer::no_content().etag(version))
}
