use serde_json::{Value, json};

use super::{NOW, form, issues, response, told};
use crate::domain::{
    form::{ANSWERS_MAX, DEPTH_MAX, IssueCode, Questionnaire},
    json,
    language::Language,
};

fn check(form: &Questionnaire, response: &Value) -> Vec<String> {
    told(&form.check(response, NOW.parse().unwrap()))
}

fn one_string() -> Questionnaire {
    form(&json!([{"linkId": "a", "type": "string", "required": true}]))
}

#[test]
fn what_is_no_response_is_refused_before_its_answers_are_read() {
    let form = one_string();
    for (value, expected) in [
        (json!(null), vec!["structure "]),
        (json!({"resourceType": "Bundle"}), vec!["resourceType /resourceType"]),
        (json!({"resourceType": "QuestionnaireResponse"}), vec!["invalidStatus /status"]),
        (response(&json!({})), vec!["structure /item"]),
        (response(&json!([1])), vec!["structure /item/0"]),
        (response(&json!([{}])), vec!["missingElement /item/0"]),
        (response(&json!([{"linkId": 1}])), vec!["structure /item/0/linkId"]),
        (response(&json!([{"linkId": "a", "answer": {}}])), vec!["structure /item/0/answer"]),
        (response(&json!([{"linkId": "a", "answer": null}])), vec!["structure /item/0/answer"]),
        (response(&json!([{"linkId": "a", "answers": []}])), vec!["unknownElement /item/0"]),
        (response(&json!([{"linkId": "a", "answer": [{}]}])), vec!["missingValue /item/0/answer/0"]),
        (
            response(&json!([{"linkId": "a", "answer": [{"valueString": "x", "valueInteger": 1}]}])),
            vec!["multipleValues /item/0/answer/0"],
        ),
        (
            response(&json!([{"linkId": "a", "answer": [{"valueString": "x", "modifierExtension": []}]}])),
            vec!["notUnderstood /item/0/answer/0/modifierExtension"],
        ),
    ] {
        assert_eq!(check(&form, &value), expected, "{value}");
    }
}

#[test]
fn a_response_is_bounded_in_answers() {
    let form = form(&json!([{"linkId": "a", "type": "integer", "repeats": true}]));
    let answers = |count: usize| json!([{"linkId": "a", "answer": vec![json!({"valueInteger": 1}); count]}]);
    assert!(issues(&form, &answers(ANSWERS_MAX)).is_empty());
    assert_eq!(issues(&form, &answers(ANSWERS_MAX + 1)), [format!("tooLarge /item/0/answer/{ANSWERS_MAX}")]);
}

#[test]
fn only_a_finished_response_must_be_whole_and_only_a_finished_one_can_be_submitted() {
    let form = one_string();
    for (status, checked, submitted) in [
        ("completed", vec!["required "], vec!["required "]),
        ("amended", vec!["required "], vec!["required ", "notCompleted /status"]),
        ("in-progress", vec![], vec!["notCompleted /status"]),
        ("stopped", vec![], vec!["notCompleted /status"]),
        ("entered-in-error", vec![], vec!["notCompleted /status"]),
    ] {
        let response = json!({"resourceType": "QuestionnaireResponse", "status": status});
        assert_eq!(check(&form, &response), checked, "{status}");
        assert_eq!(told(&form.check_submission(&response, NOW.parse().unwrap())), submitted, "{status}");
    }
}

#[test]
fn a_response_to_another_form_or_another_version_is_refused() {
    let form = Questionnaire::parse(&json!({"resourceType": "Questionnaire", "status": "active",
        "url": "https://region.example/forms/a", "version": "2"}))
    .unwrap();
    for (canonical, fits) in [
        ("https://region.example/forms/a", true),
        ("https://region.example/forms/a|2", true),
        ("https://region.example/forms/a|1", false),
        ("https://region.example/forms/b", false),
    ] {
        let response =
            json!({"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": canonical});
        assert_eq!(check(&form, &response).is_empty(), fits, "{canonical}");
    }
}

#[test]
fn a_form_out_of_force_or_in_draft_is_told_and_accepted() {
    let form = |status: &str, period: Value| {
        Questionnaire::parse(&json!({"resourceType": "Questionnaire", "status": status, "effectivePeriod": period}))
            .unwrap()
    };
    let unsigned = json!({"resourceType": "QuestionnaireResponse", "status": "completed"});
    assert_eq!(check(&form("draft", json!({})), &unsigned), ["questionnaireDraft /questionnaire"]);
    assert_eq!(check(&form("active", json!({"end": "2026-11-21"})), &unsigned), ["questionnaireInactive /authored"]);
    assert!(check(&form("active", json!({"start": "2026-11-22", "end": "2026-11-22"})), &unsigned).is_empty());
    let signed =
        json!({"resourceType": "QuestionnaireResponse", "status": "completed", "authored": "2026-11-21T22:59:59Z"});
    assert!(
        check(&form("active", json!({"end": "2026-11-21"})), &signed).is_empty(),
        "the day's last second in Sweden"
    );
}

#[test]
fn items_stand_in_the_forms_places_and_order() {
    let form = form(&json!([
        {"linkId": "a", "type": "string"},
        {"linkId": "g", "type": "group", "repeats": true, "item": [{"linkId": "b", "type": "string"}]},
        {"linkId": "d", "type": "display"}]));
    let text = json!([{"valueString": "x"}]);
    for (items, expected) in [
        (
            json!([{"linkId": "a", "answer": text}, {"linkId": "g", "item": [{"linkId": "b", "answer": text}]}, {"linkId": "d"}]),
            vec![],
        ),
        (json!([{"linkId": "g"}, {"linkId": "a"}]), vec!["itemOrder /item/1"]),
        (json!([{"linkId": "g"}, {"linkId": "d"}, {"linkId": "g"}]), vec!["itemOrder /item/2"]),
        (json!([{"linkId": "b", "answer": text}]), vec!["invalidLinkId /item/0"]),
        (json!([{"linkId": "g", "item": [{"linkId": "a"}]}]), vec!["invalidLinkId /item/0/item/0"]),
        (json!([{"linkId": "g", "answer": text}]), vec!["groupShouldNotHaveAnswers /item/0"]),
        (json!([{"linkId": "a", "item": [{"linkId": "b"}]}]), vec!["questionShouldNotHaveItems /item/0"]),
        (json!([{"linkId": "d", "answer": text}]), vec!["displayAnswer /item/0"]),
        (json!([{"linkId": "d", "item": [{"linkId": "b"}]}]), vec!["invalidLinkId /item/0/item/0"]),
        (
            json!([{"linkId": "a", "answer": text}, {"linkId": "a", "answer": text}]),
            vec!["duplicateItem /item/1", "repeats /item/1/answer/0"],
        ),
    ] {
        assert_eq!(issues(&form, &items), expected, "{items}");
    }
}

#[test]
fn numbers_of_answers_and_of_groups_are_kept() {
    let hl7 = "http://hl7.org/fhir/StructureDefinition/questionnaire-";
    let bounds = json!([{"url": format!("{hl7}minOccurs"), "valueInteger": 2}, {"url": format!("{hl7}maxOccurs"), "valueInteger": 3}]);
    let question =
        form(&json!([{"linkId": "a", "type": "integer", "repeats": true, "required": true, "extension": bounds}]));
    let answers = |count: usize| json!([{"linkId": "a", "answer": vec![json!({"valueInteger": 1}); count]}]);
    assert_eq!(issues(&question, &answers(0)), ["required /item/0"]);
    assert_eq!(issues(&question, &answers(1)), ["minCount /item/0"]);
    assert!(issues(&question, &answers(2)).is_empty() && issues(&question, &answers(3)).is_empty());
    assert_eq!(issues(&question, &answers(4)), ["maxCount /item/0/answer/3"]);

    let group = form(&json!([{"linkId": "g", "type": "group", "repeats": true, "extension": bounds,
        "item": [{"linkId": "a", "type": "integer"}]}]));
    let groups = |count: usize| vec![json!({"linkId": "g"}); count].into_iter().collect::<Value>();
    assert_eq!(issues(&group, &groups(1)), ["minCount /item/0"]);
    assert_eq!(issues(&group, &groups(4)), ["maxCount /item/3"]);
    let single = form(&json!([{"linkId": "g", "type": "group", "item": [{"linkId": "a", "type": "integer"}]}]));
    assert_eq!(issues(&single, &groups(2)), ["repeats /item/1"]);
}

#[test]
fn a_required_group_must_hold_an_answer_and_an_absent_optional_one_asks_for_none() {
    let items = |required: bool| {
        form(&json!([{"linkId": "g", "type": "group", "required": required,
            "item": [{"linkId": "a", "type": "string", "required": true}]}]))
    };
    assert_eq!(issues(&items(true), &json!([])), ["required "]);
    assert_eq!(issues(&items(true), &json!([{"linkId": "g"}])), ["required /item/0", "required /item/0"]);
    assert!(issues(&items(false), &json!([])).is_empty());
    assert_eq!(issues(&items(false), &json!([{"linkId": "g"}])), ["required /item/0"]);
}

#[test]
fn what_follows_a_question_is_asked_under_each_of_its_answers() {
    let form = form(&json!([{"linkId": "a", "type": "string", "repeats": true,
        "item": [{"linkId": "b", "type": "integer", "required": true}]}]));
    let full = json!({"valueString": "x", "item": [{"linkId": "b", "answer": [{"valueInteger": 1}]}]});
    assert!(issues(&form, &json!([])).is_empty());
    assert!(issues(&form, &json!([{"linkId": "a", "answer": [full]}])).is_empty());
    let half = json!([{"linkId": "a", "answer": [full, {"valueString": "y"}]}]);
    assert_eq!(issues(&form, &half), ["required /item/0/answer/1"]);
}

#[test]
fn no_issue_ever_holds_what_was_answered_or_sent_as_a_name() {
    let form = form(&json!([{"linkId": "a", "type": "integer"}, {"linkId": "b", "type": "string", "maxLength": 1}]));
    let secret = "191212121212";
    let items = json!([
        {"linkId": "a", "answer": [{"valueString": secret}]},
        {"linkId": "b", "answer": [{"valueString": secret}]},
        {"linkId": secret, "answer": [{"valueString": secret}]}]);
    let broken = json!([{"linkId": "a", secret: 1}]);
    for items in [items, broken] {
        let issues = form.check(&response(&items), NOW.parse().unwrap());
        assert!(!issues.is_empty());
        for issue in issues {
            let shown = format!("{issue:?} {} {}", issue.text(Language::Sv), serde_json::to_string(&issue).unwrap());
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn a_known_link_id_is_always_told_even_when_it_looks_like_a_number() {
    let form = form(&json!([{"linkId": "100200300", "type": "string", "required": true}]));
    let issues = form.check(&response(&json!([])), NOW.parse().unwrap());
    assert_eq!(issues[0].code, IssueCode::Required);
    assert_eq!(issues[0].link_id.as_deref(), Some("100200300"));
}

#[test]
fn as_many_levels_as_a_form_may_have_fit_through_the_json_reader() {
    let question = |n: usize| json!([{"linkId": n.to_string(), "type": "choice", "item": []}]);
    let (mut items, mut nodes) = (json!([]), json!([]));
    for n in 0..DEPTH_MAX {
        let mut level = question(n);
        level[0]["item"] = items;
        items = level;
        nodes = json!([{"linkId": n.to_string(), "answer": [{"valueCoding": {"code": "a", "extension": [{"url": "urn:x"}]}, "item": nodes}]}]);
    }
    let read = json::parse(response(&nodes).to_string().as_bytes()).unwrap();
    assert!(check(&form(&items), &read).is_empty());
}
