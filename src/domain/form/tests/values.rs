use serde_json::{Value, json};

use super::{form, issues};

const HL7: &str = "http://hl7.org/fhir/StructureDefinition/";

/// The codes that an answer to a question gets: `extensions` by the name's last part and the value's element.
fn codes(question: &Value, extensions: &[(&str, &str, Value)], answer: (&str, Value)) -> Vec<String> {
    let extensions: Vec<Value> = extensions
        .iter()
        .map(|(name, element, value)| json!({"url": format!("{HL7}{name}"), *element: value}))
        .collect();
    let mut item = question.clone();
    item["linkId"] = json!("a");
    item["extension"] = json!(extensions);
    let told = issues(&form(&json!([item])), &json!([{"linkId": "a", "answer": [{answer.0: answer.1}]}]));
    told.into_iter().map(|told| told.replace(" /item/0/answer/0", "")).collect()
}

#[test]
fn each_type_of_question_takes_its_own_type_of_answer_only() {
    let values = [
        ("valueBoolean", json!(true)),
        ("valueDecimal", json!(1.5)),
        ("valueInteger", json!(1)),
        ("valueDate", json!("2024-01-01")),
        ("valueDateTime", json!("2024-01-01T10:00:00Z")),
        ("valueTime", json!("10:00:00")),
        ("valueString", json!("x")),
        ("valueUri", json!("https://region.example")),
        ("valueAttachment", json!({"url": "https://region.example/a"})),
        ("valueCoding", json!({"system": "urn:x", "code": "a"})),
        ("valueQuantity", json!({"value": 1})),
        ("valueReference", json!({"reference": "Patient/1"})),
        ("valueCode", json!("a")),
    ];
    for (kind, accepted) in [
        ("boolean", &["valueBoolean"][..]),
        ("decimal", &["valueDecimal"]),
        ("integer", &["valueInteger"]),
        ("date", &["valueDate"]),
        ("dateTime", &["valueDateTime"]),
        ("time", &["valueTime"]),
        ("string", &["valueString"]),
        ("text", &["valueString"]),
        ("url", &["valueUri"]),
        ("attachment", &["valueAttachment"]),
        ("choice", &["valueCoding"]),
        ("open-choice", &["valueCoding", "valueString"]),
        ("quantity", &["valueQuantity"]),
        ("reference", &["valueReference"]),
    ] {
        for (element, value) in &values {
            let told = codes(&json!({"type": kind}), &[], (element, value.clone()));
            let expected: &[&str] = if accepted.contains(element) { &[] } else { &["invalidAnswerType"] };
            assert_eq!(told, expected, "{kind} {element}");
        }
    }
}

#[test]
fn texts_keep_to_length_line_and_pattern() {
    let string = json!({"type": "string", "maxLength": 3});
    let text = |value: &str| ("valueString", json!(value));
    assert!(codes(&string, &[], text("åäö")).is_empty(), "characters, not bytes");
    assert_eq!(codes(&string, &[], text("åäöx")), ["maxLength"]);
    assert_eq!(codes(&string, &[], text("a\nb")), ["invalidNewLine"]);
    assert!(codes(&json!({"type": "text"}), &[], text("a\nb")).is_empty());
    assert_eq!(codes(&string, &[], text("  ")), ["emptyAnswer"]);
    assert_eq!(codes(&string, &[("minLength", "valueInteger", json!(2))], text("a")), ["minLength"]);
    let pattern = [("regex", "valueString", json!("[0-9]+"))];
    assert!(codes(&string, &pattern, text("12")).is_empty());
    assert_eq!(codes(&string, &pattern, text("12x")), ["regex"]);
    assert_eq!(codes(&json!({"type": "integer"}), &pattern, ("valueInteger", json!(-1))), ["regex"]);
    assert_eq!(codes(&json!({"type": "text"}), &[], text(&"x".repeat(100_001))), ["tooLarge"]);
    assert_eq!(codes(&json!({"type": "url"}), &[], ("valueUri", json!("a b"))), ["invalidUrlValue"]);
}

#[test]
fn values_keep_between_their_limits() {
    for (kind, element, low, inside, high) in [
        ("integer", "valueInteger", json!(1), json!(2), json!(4)),
        ("decimal", "valueDecimal", json!(1.9), json!(2.0), json!(3.1)),
        ("date", "valueDate", json!("2023-12-31"), json!("2024"), json!("2025-01")),
        ("dateTime", "valueDateTime", json!("2023-12-31T22:59:59Z"), json!("2024-06-01T00:00:00Z"), json!("2025")),
        ("time", "valueTime", json!("07:59:59"), json!("08:00:00"), json!("17:00:01")),
        ("quantity", "valueQuantity", json!({"value": 1}), json!({"value": 2}), json!({"value": 4})),
    ] {
        let limits = match kind {
            "integer" | "decimal" => (json!(2), json!(3)),
            "date" | "dateTime" => (json!("2024-01-01"), json!("2024-12-31")),
            "time" => (json!("08:00:00"), json!("17:00:00")),
            _ => (json!({"value": 2}), json!({"value": 3})),
        };
        let limits = [("minValue", element, limits.0), ("maxValue", element, limits.1)];
        assert!(codes(&json!({"type": kind}), &limits, (element, inside)).is_empty(), "{kind}");
        assert_eq!(codes(&json!({"type": kind}), &limits, (element, low)), ["minValue"], "{kind}");
        assert_eq!(codes(&json!({"type": kind}), &limits, (element, high)), ["maxValue"], "{kind}");
    }
    let kilograms = json!({"value": 2, "unit": "kg"});
    let limits = [("minValue", "valueQuantity", kilograms.clone()), ("maxValue", "valueQuantity", kilograms)];
    let grams = ("valueQuantity", json!({"value": 1, "unit": "g"}));
    assert_eq!(codes(&json!({"type": "quantity"}), &limits, grams), ["minValueIncompatUnits", "maxValueIncompatUnits"]);
}

#[test]
fn decimals_are_counted_as_the_number_is_worth() {
    let places = [("maxDecimalPlaces", "valueInteger", json!(2))];
    for (number, expected) in [("5", 0), ("5.25", 0), ("5.250", 0), ("5.251", 1), ("1e-3", 1), ("1e-2", 0)] {
        let number: Value = serde_json::from_str(number).unwrap();
        assert_eq!(
            codes(&json!({"type": "decimal"}), &places, ("valueDecimal", number.clone())).len(),
            expected,
            "{number}"
        );
    }
}

#[test]
fn a_choice_is_one_of_its_options_and_an_open_one_may_be_in_own_words() {
    let options = json!([{"valueCoding": {"system": "urn:x", "code": "a", "display": "A"}}]);
    let closed = json!({"type": "choice", "answerOption": options});
    let open = json!({"type": "open-choice", "answerOption": options});
    let coding = |system: &str, code: &str| ("valueCoding", json!({"system": system, "code": code}));
    assert!(codes(&closed, &[], coding("urn:x", "a")).is_empty());
    assert_eq!(codes(&closed, &[], coding("urn:x", "b")), ["invalidAnswerOption"]);
    assert_eq!(codes(&closed, &[], coding("urn:y", "a")), ["invalidAnswerOption"]);
    assert_eq!(codes(&closed, &[], ("valueString", json!("A"))), ["invalidAnswerType"]);
    assert!(codes(&open, &[], ("valueString", json!("annat"))).is_empty());
    assert_eq!(codes(&open, &[], coding("urn:x", "b")), ["invalidAnswerOption"]);
    let numbers = json!({"type": "choice", "answerOption": [{"valueInteger": 1}, {"valueInteger": 2}]});
    assert!(codes(&numbers, &[], ("valueInteger", json!(2))).is_empty());
    assert_eq!(codes(&numbers, &[], ("valueInteger", json!(3))), ["invalidAnswerOption"]);
    assert_eq!(codes(&numbers, &[], coding("urn:x", "a")), ["invalidAnswerType"]);
}

#[test]
fn an_exclusive_option_stands_alone() {
    let exclusive = json!([{"url": format!("{HL7}questionnaire-optionExclusive"), "valueBoolean": true}]);
    let form = form(&json!([{"linkId": "a", "type": "choice", "repeats": true, "answerOption": [
        {"valueString": "hosta"}, {"valueString": "feber"}, {"valueString": "inget av dem", "extension": exclusive}]}]));
    let answers = |texts: &[&str]| {
        let answers: Vec<Value> = texts.iter().map(|text| json!({"valueString": text})).collect();
        issues(&form, &json!([{"linkId": "a", "answer": answers}]))
    };
    assert!(answers(&["hosta", "feber"]).is_empty() && answers(&["inget av dem"]).is_empty());
    assert_eq!(answers(&["hosta", "inget av dem"]), ["exclusiveAnswerOption /item/0/answer/1"]);
}

#[test]
fn files_keep_to_type_and_size_and_say_their_size_truly() {
    let file = |body: Value| ("valueAttachment", body);
    let item = json!({"type": "attachment"});
    let types = [("mimeType", "valueCode", json!("image/*")), ("mimeType", "valueCode", json!("application/pdf"))];
    for (content_type, fits) in
        [("image/png", true), ("Application/PDF; x=1", true), ("text/html", false), ("image", false)]
    {
        let told = codes(&item, &types, file(json!({"contentType": content_type, "data": "aGVq"})));
        assert_eq!(told.is_empty(), fits, "{content_type}");
    }
    assert_eq!(codes(&item, &types, file(json!({"url": "urn:x"}))), ["invalidAttachmentType"]);
    let size = [("maxSize", "valueDecimal", json!(0.000_001))];
    assert_eq!(codes(&item, &size, file(json!({"contentType": "text/plain", "data": "aGVq"}))), ["maxAttachmentSize"]);
    assert_eq!(codes(&item, &size, file(json!({"url": "urn:x", "size": 2}))), ["maxAttachmentSize"]);
    let lie = file(json!({"contentType": "text/plain", "data": "aGVq", "size": 2}));
    assert_eq!(codes(&item, &[], lie), ["attachmentSizeInconsistent"]);
}

#[test]
fn units_are_those_that_the_question_lists() {
    let item = json!({"type": "quantity"});
    let units =
        [("questionnaire-unitOption", "valueCoding", json!({"system": "urn:u", "code": "kg", "display": "kilo"}))];
    let amount = |system: &str, code: &str| ("valueQuantity", json!({"value": 1, "system": system, "code": code}));
    assert!(codes(&item, &units, amount("urn:u", "kg")).is_empty());
    assert_eq!(codes(&item, &units, amount("urn:u", "g")), ["invalidUnit"]);
    assert_eq!(codes(&item, &units, ("valueQuantity", json!({"value": 1, "unit": "kilo"}))), ["invalidUnit"]);
    let known = "http://hl7.org/fhir/ValueSet/jurisdiction";
    let set = [("questionnaire-unitValueSet", "valueCanonical", json!(known))];
    assert_eq!(codes(&item, &set, amount("urn:iso:std:iso:3166", "XX")), ["invalidUnitValueSet"]);
    let unknown = [("questionnaire-unitValueSet", "valueCanonical", json!("urn:nowhere"))];
    assert_eq!(codes(&item, &unknown, amount("urn:u", "kg")), ["tsError"]);
}

#[test]
fn references_point_at_resources_that_fhir_has_and_the_question_allows() {
    let item = json!({"type": "reference"});
    let to = |reference: &str| ("valueReference", json!({"reference": reference}));
    for reference in [
        "Patient/1",
        "https://fhir.example/r4/Patient/1/_history/2",
        "#p",
        "urn:uuid:0193c1d0-0000-7000-8000-000000000000",
    ] {
        assert!(codes(&item, &[], to(reference)).is_empty(), "{reference}");
    }
    for (reference, code) in [
        ("Chicken/1", "invalidRefResourceType"),
        ("https://fhir.example/Chicken/1", "invalidRefResourceType"),
        ("Patient", "invalidRefValue"),
        ("Patient/", "invalidRefValue"),
        ("https://fhir.example", "invalidRefValue"),
        ("ftp://fhir.example/Patient/1", "invalidRefValue"),
        ("Patient/1 2", "invalidRefValue"),
    ] {
        assert_eq!(codes(&item, &[], to(reference)), [code], "{reference}");
    }
    let only_patients = [("questionnaire-referenceResource", "valueCode", json!("Patient"))];
    assert!(codes(&item, &only_patients, to("Patient/1")).is_empty());
    assert_eq!(codes(&item, &only_patients, to("Device/1")), ["invalidRefResourceTypeRestriction"]);
    let said = ("valueReference", json!({"identifier": {}, "type": "Device"}));
    assert_eq!(codes(&item, &only_patients, said), ["invalidRefResourceTypeRestriction"]);
}
