//! What came of an act, in sentences. Lists and records are shown as elsewhere.

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::language::Language;
use crate::domain::status::swedish_time;

/// None where the reply is no act's.
pub fn sentences(value: &Value) -> Option<String> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let id = text("id");
    let mailed = match value.get("mailed").and_then(Value::as_bool) {
        Some(true) => "Subscribers are mailed.".to_owned(),
        _ => not_mailed(value, "Nobody is mailed."),
    };
    Some(match text("state") {
        "published" => format!("Published: {id}, revision {}. {mailed}", value["revision"]),
        "held" => format!(
            "Held until {}: {id}. {mailed}\nTake it back until then with: budkavle pending take-back {}",
            to_the_second(value, "publishAt").unwrap_or_default(),
            text("pending")
        ),
        "known" => format!("Published before: {id}, revision {}.", value["revision"]),
        "taken-back" => format!("Taken back: {} of {id}. Nobody was told.", text("act")),
        "preview" => format!("Nothing was done. {}", preview(value)),
        "series-preview" => series_preview(value),
        _ => return None,
    })
}

fn time(value: &Value, name: &str) -> Option<String> {
    let at: Timestamp = value.get(name)?.as_str()?.parse().ok()?;
    Some(swedish_time::moment_with_zone(at, Language::En))
}

/// A short hold ends between two minutes.
fn to_the_second(value: &Value, name: &str) -> Option<String> {
    let at: Timestamp = value.get(name)?.as_str()?.parse().ok()?;
    let (minute, zone) = (swedish_time::moment(at, Language::En), swedish_time::zone(at, Language::En));
    Some(format!("{minute}:{:02} ({zone})", at.as_second().rem_euclid(60)))
}

/// On the page only, and of work far ahead until when.
fn not_mailed(value: &Value, otherwise: &str) -> String {
    match time(value, "firstMailAt") {
        Some(at) => format!("On the page now; subscribers are mailed on {at}, seven days before it begins."),
        None => otherwise.to_owned(),
    }
}

/// Windows that a series' preview names; more are counted.
const WINDOWS_NAMED: usize = 10;

fn series_preview(value: &Value) -> String {
    let count = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
    let planned: Vec<&Value> = value["planned"].as_array().into_iter().flatten().collect();
    let mut text = format!(
        "Nothing was done. {} windows would be scheduled now, {} changed, {} cancelled.\n",
        planned.len(),
        count("changed"),
        count("cancelled")
    );
    for window in planned.iter().take(WINDOWS_NAMED) {
        let at = |name: &str| window.get(name).and_then(Value::as_str)?.parse::<Timestamp>().ok();
        if let (Some(from), Some(until)) = (at("from"), at("until")) {
            text.push_str(&format!("  {}\n", swedish_time::range_with_zone(from, until, Language::En)));
        }
    }
    if planned.len() > WINDOWS_NAMED {
        text.push_str(&format!("  and {} more\n", planned.len() - WINDOWS_NAMED));
    }
    if let Some(first) = value.get("first").filter(|first| first.is_object()) {
        text.push_str(&format!("\nThe first of these. {}", preview(first)));
    }
    text
}

fn preview(value: &Value) -> String {
    let kind = match &value["kind"] {
        Value::String(kind) => kind.clone(),
        other => other.to_string(),
    };
    let title = value.pointer("/title/sv").and_then(Value::as_str).unwrap_or_default();
    let names: Vec<_> = value["components"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let figure = |name: &str| value.pointer(&format!("/recipients/{name}")).and_then(Value::as_u64).unwrap_or(0);
    let count = format!(
        "{} at once, {} in their daily mail ({} in Swedish, {} in English)",
        figure("atOnce"),
        figure("digest"),
        figure("inSwedish"),
        figure("inEnglish")
    );
    let mut text = format!("It would be told as {kind}: {title} ({}).\n", names.join(", "));
    let is_mailed = value["mailed"] == true;
    if !is_mailed {
        text.push_str(&not_mailed(value, "Nobody would be mailed."));
    }
    let heard = figure("atOnce") + figure("digest") > 0;
    if is_mailed || heard {
        text.push_str(if is_mailed { "" } else { "\n" });
        let part = |name: &str| value.pointer(&format!("/mail/{name}")).and_then(Value::as_str).unwrap_or_default();
        text.push_str(&format!("Mailed to {count}"));
        for language in ["sv", "en"] {
            let (subject, said) = (part(&format!("{language}/subject")), part(&format!("{language}/text")));
            text.push_str(&format!("\n\n[{language}] {subject}\n\n{}", said.trim_end()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hold_of_half_a_minute_is_told_to_the_second() {
        let held = json!({ "state": "held", "publishAt": "2026-11-22T08:00:30Z", "id": "x", "pending": "y" });
        let told = sentences(&held).unwrap();
        assert!(told.starts_with("Held until Sunday 22 November, 09:00:30 (CET, UTC+1): x."), "{told}");
    }
}
