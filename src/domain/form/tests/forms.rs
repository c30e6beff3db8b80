use serde_json::{Value, json};

use super::{faults, faults_of, form};
use crate::domain::form::{Answer, Choices, DEPTH_MAX, ITEMS_MAX, ItemType, PublicationStatus, Questionnaire};

#[test]
fn a_sound_form_keeps_what_people_are_shown() {
    let form = Questionnaire::parse(&json!({
        "resourceType": "Questionnaire", "url": "https://region.example/forms/a", "version": "3", "title": "Kontakta mig",
        "status": "draft", "meta": {}, "_title": {"extension": []},
        "item": [
            {"linkId": "0", "type": "display", "text": "Ring 112 vid fara för liv."},
            {"linkId": "1", "prefix": "1", "type": "choice", "text": "När?", "repeats": true, "answerOption": [
                {"valueCoding": {"system": "urn:x", "code": "fm", "display": "Förmiddag"}, "initialSelected": true},
                {"valueCoding": {"system": "urn:x", "code": "em"}}]},
            {"linkId": "2", "type": "group", "item": [
                {"linkId": "2.1", "type": "integer", "required": true, "initial": [{"valueInteger": 3}]}]}]}))
    .unwrap();
    assert_eq!(form.canonical().as_deref(), Some("https://region.example/forms/a|3"));
    assert_eq!((form.title.as_deref(), form.status), (Some("Kontakta mig"), PublicationStatus::Draft));
    let Choices::Options(options) = &form.items[1].choices else { panic!("options expected") };
    assert_eq!((options.len(), options[0].initial_selected, options[1].initial_selected), (2, true, false));
    let nested = form.item("2.1").unwrap();
    assert_eq!((nested.kind, nested.required), (ItemType::Integer, true));
    assert!(nested.initial == [Answer::Integer(3)]);
    assert!(form.is_below("2.1", "2") && !form.is_below("2", "2.1") && !form.is_below("1", "2"));
}

#[test]
fn every_item_type_of_fhir_is_known_and_its_abstract_one_is_not() {
    for name in
        "boolean decimal integer date dateTime time string text url choice open-choice attachment reference quantity"
            .split(' ')
    {
        assert_eq!(form(&json!([{"linkId": "a", "type": name}])).items[0].kind.name(), name);
    }
    for name in ["question", "Boolean", "coding", ""] {
        assert!(!faults(&json!([{"linkId": "a", "type": name}])).is_empty(), "{name}");
    }
    assert_eq!(faults(&json!([{"linkId": "a", "type": "question"}])), ["unknownItemType /item/0/type"]);
}

#[test]
fn what_is_no_form_is_refused_at_its_root() {
    assert_eq!(faults_of(&json!([])), ["structure "]);
    assert_eq!(faults_of(&json!({"resourceType": "Patient"})), ["resourceType /resourceType"]);
    assert_eq!(faults_of(&json!({"resourceType": "Questionnaire", "status": "on"})), ["invalidStatus /status"]);
    assert_eq!(
        faults_of(&json!({"resourceType": "Questionnaire", "status": "active", "implicitRules": "urn:x", "itm": []})),
        ["notUnderstood /implicitRules", "unknownElement "]
    );
    assert_eq!(
        faults_of(&json!({"resourceType": "Questionnaire", "status": "active", "effectivePeriod": {"end": "soon"}})),
        ["structure /effectivePeriod/end"]
    );
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn each_fault_of_an_item_is_named_where_it_is() {
    let enabled_by = |condition: Value| json!([{"linkId": "a", "type": "boolean"}, {"linkId": "b", "type": "string", "enableWhen": [condition]}]);
    for (items, expected) in [
        (json!({}), "structure /item"),
        (json!(["a"]), "structure /item/0"),
        (json!([{"type": "string"}]), "missingElement /item/0"),
        (json!([{"linkId": 1, "type": "string"}]), "structure /item/0/linkId"),
        (json!([{"linkId": "a".repeat(256), "type": "string"}]), "tooLarge /item/0/linkId"),
        (
            json!([{"linkId": "a", "type": "string"}, {"linkId": "a", "type": "string"}]),
            "duplicateLinkId /item/1/linkId",
        ),
        (json!([{"linkId": "a", "type": "string", "requierd": true}]), "unknownElement /item/0"),
        (
            json!([{"linkId": "a", "type": "string", "modifierExtension": []}]),
            "notUnderstood /item/0/modifierExtension",
        ),
        (json!([{"linkId": "a", "type": "string", "required": "yes"}]), "structure /item/0/required"),
        (json!([{"linkId": "a", "type": "group"}]), "itemNesting /item/0"),
        (
            json!([{"linkId": "a", "type": "display", "item": [{"linkId": "b", "type": "string"}]}]),
            "itemNesting /item/0",
        ),
        (json!([{"linkId": "a", "type": "display", "required": true}]), "misplacedElement /item/0/required"),
        (json!([{"linkId": "a", "type": "date", "maxLength": 3}]), "misplacedElement /item/0/maxLength"),
        (
            json!([{"linkId": "a", "type": "string", "answerOption": [{"valueString": "x"}]}]),
            "misplacedElement /item/0/answerOption",
        ),
        (
            json!([{"linkId": "a", "type": "choice", "answerValueSet": "urn:x", "answerOption": [{"valueString": "x"}]}]),
            "optionsAndValueSet /item/0",
        ),
        (
            json!([{"linkId": "a", "type": "choice", "answerValueSet": "#none"}]),
            "missingValueSet /item/0/answerValueSet",
        ),
        (
            json!([{"linkId": "a", "type": "choice", "answerOption": [{"valueString": "x"}, {"valueString": "x"}]}]),
            "duplicateOption /item/0/answerOption/1",
        ),
        (
            json!([{"linkId": "a", "type": "choice", "answerOption": [{"valueBoolean": true}]}]),
            "structure /item/0/answerOption/0/value[x]",
        ),
        (
            json!([{"linkId": "a", "type": "integer", "initial": [{"valueString": "x"}]}]),
            "invalidInitial /item/0/initial/0",
        ),
        (
            json!([{"linkId": "a", "type": "integer", "initial": [{"valueInteger": 1}, {"valueInteger": 2}]}]),
            "invalidInitial /item/0/initial",
        ),
        (
            enabled_by(json!({"question": "x", "operator": "=", "answerBoolean": true})),
            "enableQuestion /item/1/enableWhen/0",
        ),
        (
            enabled_by(json!({"question": "b", "operator": "=", "answerString": "x"})),
            "enableQuestion /item/1/enableWhen/0",
        ),
        (
            enabled_by(json!({"question": "a", "operator": "~", "answerBoolean": true})),
            "enableOperator /item/1/enableWhen/0",
        ),
        (
            enabled_by(json!({"question": "a", "operator": ">", "answerBoolean": true})),
            "enableOperator /item/1/enableWhen/0",
        ),
        (
            enabled_by(json!({"question": "a", "operator": "=", "answerString": "ja"})),
            "enableAnswer /item/1/enableWhen/0",
        ),
        (
            enabled_by(json!({"question": "a", "operator": "exists", "answerString": "ja"})),
            "enableAnswer /item/1/enableWhen/0",
        ),
        (enabled_by(json!({"question": "a", "operator": "="})), "enableAnswer /item/1/enableWhen/0"),
    ] {
        assert_eq!(faults(&items), [expected], "{items}");
    }
}

#[test]
fn a_condition_on_a_choice_must_name_one_of_its_options_with_its_system() {
    let items = |coding: Value| {
        json!([
            {"linkId": "a", "type": "choice", "answerOption": [{"valueCoding": {"system": "urn:x", "code": "ja"}}]},
            {"linkId": "b", "type": "string", "enableWhen": [{"question": "a", "operator": "=", "answerCoding": coding}]}])
    };
    assert!(faults(&items(json!({"system": "urn:x", "code": "ja"}))).is_empty());
    assert_eq!(faults(&items(json!({"code": "ja"}))), ["enableAnswer /item/1/enableWhen/0"]);
}

#[test]
fn several_conditions_need_to_say_how_they_join() {
    let when = json!({"question": "a", "operator": "exists", "answerBoolean": true});
    let items = |behaviour: Value| {
        json!([{"linkId": "a", "type": "string"},
            {"linkId": "b", "type": "string", "enableWhen": [when, when], "enableBehavior": behaviour}])
    };
    assert!(faults(&items(json!("any"))).is_empty());
    assert_eq!(faults(&items(json!("some"))), ["enableBehavior /item/1"]);
}

#[test]
fn a_question_cannot_hang_on_one_that_it_holds() {
    let items = json!([{"linkId": "a", "type": "group",
        "enableWhen": [{"question": "b", "operator": "exists", "answerBoolean": true}],
        "item": [{"linkId": "b", "type": "string"}]}]);
    assert_eq!(faults(&items), ["enableQuestion /item/0/enableWhen/0"]);
}

#[test]
fn limits_that_do_not_fit_are_refused_and_foreign_extensions_are_passed_over() {
    let hl7 = "http://hl7.org/fhir/StructureDefinition/";
    for (kind, extension, expected) in [
        ("string", json!({"url": format!("{hl7}regex"), "valueString": "(?=a)"}), Some("invalidRegex")),
        ("string", json!({"url": format!("{hl7}minLength"), "valueString": "3"}), Some("invalidExtension")),
        ("string", json!({"url": format!("{hl7}minValue"), "valueInteger": 3}), Some("invalidExtension")),
        ("date", json!({"url": format!("{hl7}minValue"), "valueInteger": 3}), Some("invalidExtension")),
        ("date", json!({"url": format!("{hl7}minValue"), "valueDate": "2024-02-30"}), Some("invalidExtension")),
        (
            "quantity",
            json!({"url": format!("{hl7}questionnaire-unitValueSet"), "valueCanonical": "#x"}),
            Some("missingValueSet"),
        ),
        ("string", json!({"valueString": "x"}), Some("missingElement")),
        ("string", json!({"url": format!("{hl7}entryFormat"), "valueString": "x"}), None),
        ("string", json!({"url": "https://elsewhere.example/regex", "valueString": "("}), None),
        (
            "string",
            json!({"url": "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression", "valueExpression": {}}),
            Some("unsupportedExpression"),
        ),
    ] {
        let told = faults(&json!([{"linkId": "a", "type": kind, "extension": [extension]}]));
        let expected: Vec<_> = expected.iter().map(|code| format!("{code} /item/0/extension/0")).collect();
        assert_eq!(told, expected, "{extension}");
    }
}

#[test]
fn a_form_is_bounded_in_items_and_depth() {
    let wide = |count: usize| (0..count).map(|n| json!({"linkId": n.to_string(), "type": "string"})).collect::<Value>();
    assert!(faults(&wide(ITEMS_MAX)).is_empty());
    assert_eq!(faults(&wide(ITEMS_MAX + 1)), [format!("tooLarge /item/{ITEMS_MAX}/linkId")]);
    let deep = |depth: usize| {
        (0..depth).fold(json!([]), |inner, n| match n {
            0 => json!([{"linkId": "0", "type": "string"}]),
            _ => json!([{"linkId": n.to_string(), "type": "group", "item": inner}]),
        })
    };
    assert!(faults(&deep(DEPTH_MAX)).is_empty());
    assert_eq!(faults(&deep(DEPTH_MAX + 1))[0].split(' ').next(), Some("tooLarge"));
}
