use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{NOW, faults_of, form, response};
use crate::domain::{
    form::{IssueCode, Questionnaire},
    language::Language,
};

#[expect(clippy::too_many_lines, reason = "a table")]
/// JSON in the words of FHIR, so that the readers get beyond the first object.
fn fhir_like() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "a",
        "b",
        "group",
        "string",
        "choice",
        "integer",
        "date",
        "2024",
        "10:00:00",
        "=",
        "exists",
        "active",
        "completed",
        "",
        "any",
        "#v",
        "Questionnaire",
        "QuestionnaireResponse",
        "ValueSet",
        "http://hl7.org/fhir/StructureDefinition/minValue",
        "http://hl7.org/fhir/StructureDefinition/regex",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "linkId",
        "type",
        "item",
        "answer",
        "url",
        "extension",
        "valueString",
        "valueInteger",
        "valueCoding",
        "valueDate",
        "valueQuantity",
        "valueReference",
        "valueAttachment",
        "code",
        "system",
        "value",
        "reference",
        "data",
        "enableWhen",
        "question",
        "operator",
        "answerBoolean",
        "answerOption",
        "answerValueSet",
        "required",
        "contained",
        "compose",
        "include",
        "concept",
        "expansion",
        "contains",
        "id",
        "initial",
        "maxLength",
        "authored",
        "effectivePeriod",
    ]);
    leaf.prop_recursive(6, 120, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((keys.clone(), inner), 0..6).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>()
            )),
        ]
    })
}

fn resource(resource_type: &str, status: &str, mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.insert("resourceType".into(), json!(resource_type));
        fields.insert("status".into(), json!(status));
    }
    value
}

fn a_form() -> Questionnaire {
    form(&json!([
        {"linkId": "a", "type": "choice", "repeats": true, "answerOption": [{"valueString": "a"}],
         "item": [{"linkId": "b", "type": "integer", "required": true}]},
        {"linkId": "group", "type": "group", "item": [{"linkId": "date", "type": "date"}]}]))
}

/// The items of a subtree, each required, and the node of a response that may or may not answer it.
fn subtree() -> impl Strategy<Value = Vec<(bool, u8)>> {
    prop::collection::vec((any::<bool>(), 0_u8..4), 1..8)
}

proptest! {
    #[test]
    fn no_json_makes_reading_a_form_panic(value in fhir_like()) {
        faults_of(&value);
        faults_of(&resource("Questionnaire", "active", value.clone()));
        faults_of(&json!({"resourceType": "Questionnaire", "status": "active", "item": [value.clone()], "contained": [value]}));
    }

    #[test]
    fn no_json_makes_checking_a_response_panic_or_be_valid_without_being_one(value in fhir_like()) {
        let form = a_form();
        let now = NOW.parse().unwrap();
        prop_assert!(!form.check(&value, now).is_empty());
        for value in [resource("QuestionnaireResponse", "completed", value.clone()), response(&json!([value])), response(&value)] {
            for issue in form.check(&value, now) {
                let is_whole = !issue.text(Language::Sv).contains("{}");
                prop_assert!(is_whole);
            }
        }
    }

    #[test]
    fn what_is_not_asked_is_never_required(items in subtree(), is_asked in any::<bool>()) {
        let when = json!([{"question": "gate", "operator": "=", "answerBoolean": true}]);
        let mut inner = json!([{"linkId": "leaf", "type": "string", "required": true}]);
        let mut nodes = json!([]);
        for (n, (is_group, shape)) in items.iter().enumerate() {
            let kind = if *is_group { "group" } else { "string" };
            inner = json!([{"linkId": n.to_string(), "type": kind, "required": true, "item": inner}]);
            nodes = match shape {
                0 => json!([]),
                1 => json!([{"linkId": n.to_string()}]),
                _ if *is_group => json!([{"linkId": n.to_string(), "item": nodes}]),
                _ => json!([{"linkId": n.to_string(), "answer": [{"valueString": "x", "item": nodes}]}]),
            };
        }
        inner[0]["enableWhen"] = when;
        let items: Vec<Value> = [json!({"linkId": "gate", "type": "boolean"})].into_iter().chain(inner.as_array().unwrap().clone()).collect();
        let gate = json!({"linkId": "gate", "answer": [{"valueBoolean": is_asked}]});
        let nodes: Vec<Value> = [gate].into_iter().chain(nodes.as_array().unwrap().clone()).collect();
        let issues = form(&json!(items)).check(&response(&json!(nodes)), NOW.parse().unwrap());
        let is_required = issues.iter().any(|issue| issue.code == IssueCode::Required);
        let is_refused = issues.iter().any(|issue| issue.code == IssueCode::DisabledAnswer);
        prop_assert_eq!(is_required, is_asked, "{:?}", issues);
        prop_assert!(!(is_asked && is_refused));
    }
}
