use serde_json::{Value, json};

use super::{form, issues};

/// Whether a required question with that condition on a question is asked, given answers to it.
fn is_asked(question: &Value, operator: &str, expected: (&str, &Value), answers: &[(&str, &Value)]) -> bool {
    let mut question = question.clone();
    question["linkId"] = json!("a");
    question["repeats"] = json!(true);
    let form = form(&json!([
        question,
        {"linkId": "b", "type": "string", "required": true,
         "enableWhen": [{"question": "a", "operator": operator, format!("answer{}", expected.0): expected.1}]}]));
    let answers: Vec<Value> = answers.iter().map(|(kind, value)| json!({format!("value{kind}"): value})).collect();
    match issues(&form, &json!([{"linkId": "a", "answer": answers}]))[..] {
        [] => false,
        [ref told] if told == "required " => true,
        ref others => panic!("{others:?}"),
    }
}

#[test]
fn every_order_holds_for_every_ordered_type() {
    for (kind, datatype, less, same, greater) in [
        ("integer", "Integer", json!(1), json!(2), json!(3)),
        ("decimal", "Decimal", json!(1.5), json!(2), json!(2.01)),
        ("date", "Date", json!("2024-01-31"), json!("2024-02-01"), json!("2024-02-02")),
        (
            "dateTime",
            "DateTime",
            json!("2024-02-01T09:59:59Z"),
            json!("2024-02-01T11:00:00+01:00"),
            json!("2024-02-01T10:00:01Z"),
        ),
        ("time", "Time", json!("09:59:59"), json!("10:00:00"), json!("10:00:01")),
        (
            "quantity",
            "Quantity",
            json!({"value": 1, "unit": "kg"}),
            json!({"value": 2, "unit": "kg"}),
            json!({"value": 3, "unit": "kg"}),
        ),
    ] {
        for (operator, on_less, on_same, on_greater) in [
            ("=", false, true, false),
            ("!=", true, false, true),
            (">", false, false, true),
            ("<", true, false, false),
            (">=", false, true, true),
            ("<=", true, true, false),
            ("exists", true, true, true),
        ] {
            let boolean = json!(true);
            let expected = if operator == "exists" { ("Boolean", &boolean) } else { (datatype, &same) };
            for (answer, outcome) in [(&less, on_less), (&same, on_same), (&greater, on_greater)] {
                let asked = is_asked(&json!({"type": kind}), operator, expected, &[(datatype, answer)]);
                assert_eq!(asked, outcome, "{kind} {answer} {operator} {same}");
            }
        }
    }
}

#[test]
fn what_has_no_order_can_be_equal_or_not() {
    let coding = |code: &str| json!({"system": "urn:x", "code": code, "display": "whatever"});
    for (kind, datatype, same, other) in [
        ("boolean", "Boolean", json!(true), json!(false)),
        ("string", "String", json!("a"), json!("A")),
        ("text", "String", json!("a"), json!("b")),
        ("choice", "Coding", coding("a"), coding("b")),
        ("open-choice", "Coding", coding("a"), coding("b")),
        ("open-choice", "String", json!("a"), json!("b")),
        ("reference", "Reference", json!({"reference": "Patient/1"}), json!({"reference": "Patient/2"})),
    ] {
        let asked = |operator: &str, answer: &Value| {
            is_asked(&json!({"type": kind}), operator, (datatype, &same), &[(datatype, answer)])
        };
        assert!(asked("=", &same) && !asked("=", &other), "{kind} =");
        assert!(!asked("!=", &same) && asked("!=", &other), "{kind} !=");
    }
    let url = is_asked(&json!({"type": "url"}), "=", ("String", &json!("urn:x")), &[("Uri", &json!("urn:x"))]);
    assert!(url, "an address is compared as a string");
}

#[test]
fn an_unanswered_question_exists_not_equals_nothing_and_has_no_order() {
    let integer = json!({"type": "integer"});
    let two = json!(2);
    assert!(!is_asked(&integer, "exists", ("Boolean", &json!(true)), &[]));
    assert!(is_asked(&integer, "exists", ("Boolean", &json!(false)), &[]));
    for (operator, asked) in [("=", false), ("!=", true), (">", false), ("<", false), (">=", false), ("<=", false)] {
        assert_eq!(is_asked(&integer, operator, ("Integer", &two), &[]), asked, "{operator}");
    }
}

#[test]
fn of_several_answers_one_is_enough_but_for_unequal_none_may_be_equal() {
    let integer = json!({"type": "integer"});
    let (one, two, three) = (json!(1), json!(2), json!(3));
    let both = [("Integer", &one), ("Integer", &three)];
    for (operator, expected, asked) in [
        ("=", &three, true),
        ("=", &two, false),
        ("!=", &three, false),
        ("!=", &two, true),
        (">", &two, true),
        ("<", &one, false),
    ] {
        assert_eq!(is_asked(&integer, operator, ("Integer", expected), &both), asked, "{operator} {expected}");
    }
}

#[test]
fn any_takes_one_condition_and_all_takes_each() {
    let yes = |question: &str| json!({"question": question, "operator": "=", "answerBoolean": true});
    let items = |behaviour: &str| {
        form(&json!([
            {"linkId": "a", "type": "boolean"}, {"linkId": "b", "type": "boolean"},
            {"linkId": "c", "type": "string", "required": true, "enableBehavior": behaviour, "enableWhen": [yes("a"), yes("b")]}]))
    };
    for (a, b, any, all) in
        [(true, true, true, true), (true, false, true, false), (false, true, true, false), (false, false, false, false)]
    {
        let answers =
            json!([{"linkId": "a", "answer": [{"valueBoolean": a}]}, {"linkId": "b", "answer": [{"valueBoolean": b}]}]);
        assert_eq!(!issues(&items("any"), &answers).is_empty(), any, "{a} {b}");
        assert_eq!(!issues(&items("all"), &answers).is_empty(), all, "{a} {b}");
    }
}

#[test]
fn what_is_not_asked_may_not_be_answered_and_asks_for_nothing_below() {
    let form = form(&json!([
        {"linkId": "a", "type": "boolean"},
        {"linkId": "g", "type": "group", "required": true,
         "enableWhen": [{"question": "a", "operator": "=", "answerBoolean": true}],
         "item": [{"linkId": "b", "type": "string", "required": true}]}]));
    let no = json!({"linkId": "a", "answer": [{"valueBoolean": false}]});
    assert!(issues(&form, &json!([no])).is_empty());
    assert!(issues(&form, &json!([no, {"linkId": "g", "item": [{"linkId": "b"}]}])).is_empty());
    let answered = json!([no, {"linkId": "g", "item": [{"linkId": "b", "answer": [{"valueString": "x"}]}]}]);
    assert_eq!(issues(&form, &answered), ["disabledAnswer /item/1"]);
}

#[test]
fn each_occurrence_of_a_group_is_judged_by_its_own_answers() {
    let form = form(&json!([{"linkId": "g", "type": "group", "repeats": true, "item": [
        {"linkId": "a", "type": "boolean"},
        {"linkId": "h", "type": "group", "item": [
            {"linkId": "b", "type": "string", "required": true,
             "enableWhen": [{"question": "a", "operator": "=", "answerBoolean": true}]}]}]}]));
    let group = |a: &[bool], b: Option<&str>| {
        let a: Vec<Value> = a.iter().map(|a| json!({"valueBoolean": a})).collect();
        let b: Vec<Value> = b.iter().map(|b| json!({"valueString": b})).collect();
        json!({"linkId": "g", "item": [{"linkId": "a", "answer": a}, {"linkId": "h", "item": [{"linkId": "b", "answer": b}]}]})
    };
    assert!(issues(&form, &json!([group(&[true], Some("x")), group(&[false], None), group(&[], None)])).is_empty());
    assert_eq!(
        issues(&form, &json!([group(&[true], None), group(&[false], Some("x")), group(&[], Some("x"))])),
        [
            "required /item/0/item/1/item/0",
            "disabledAnswer /item/1/item/1/item/0",
            "disabledAnswer /item/2/item/1/item/0"
        ]
    );
}

#[test]
fn a_follow_up_question_is_judged_by_the_answer_that_it_follows() {
    let form = form(&json!([{"linkId": "a", "type": "string", "repeats": true, "item": [
        {"linkId": "b", "type": "string", "required": true,
         "enableWhen": [{"question": "a", "operator": "=", "answerString": "annat"}]}]}]));
    let specified = json!([{"linkId": "b", "answer": [{"valueString": "x"}]}]);
    let answers = |answers: Value| issues(&form, &json!([{"linkId": "a", "answer": answers}]));
    assert!(answers(json!([{"valueString": "hosta"}, {"valueString": "annat", "item": specified}])).is_empty());
    assert_eq!(
        answers(json!([{"valueString": "hosta", "item": specified}, {"valueString": "annat"}])),
        ["disabledAnswer /item/0/answer/0/item/0", "required /item/0/answer/1"]
    );
}

#[test]
fn a_question_elsewhere_counts_wherever_it_was_answered() {
    let form = form(&json!([
        {"linkId": "g", "type": "group", "repeats": true, "item": [
            {"linkId": "p", "type": "string", "item": [{"linkId": "a", "type": "boolean"}]}]},
        {"linkId": "b", "type": "string", "required": true,
         "enableWhen": [{"question": "a", "operator": "=", "answerBoolean": true}]}]));
    let group = |a: bool| {
        json!({"linkId": "g", "item": [{"linkId": "p", "answer": [
            {"valueString": "x", "item": [{"linkId": "a", "answer": [{"valueBoolean": a}]}]}]}]})
    };
    assert!(issues(&form, &json!([group(false), group(false)])).is_empty());
    assert_eq!(issues(&form, &json!([group(false), group(true)])), ["required "]);
}
