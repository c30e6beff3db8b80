//! How the demo prints commands and what came back, in lines that fit a terminal.

use serde_json::Value;

use super::readme::quoted;
use super::steps::{Body, Request};

const COLUMNS_MAX: usize = 110;
/// Of a digest, as much as tells it from others.
const DIGEST_CHARS: usize = 11;

/// A command with its words quoted, broken before flags and addresses so that a shell still reads it.
pub fn command(words: &[String]) -> String {
    let mut lines = vec![String::from("  ")];
    for (at, word) in words.iter().enumerate() {
        // What belongs to a flag stays with it.
        let next = words.get(at + 1).filter(|next| word.starts_with('-') && !next.starts_with('-'));
        let needs = 1 + word.chars().count() + next.map_or(0, |next| 1 + next.chars().count()) + " \\".len();
        let breaks = word.starts_with('-') || word.contains("https://");
        match lines.last_mut() {
            Some(line) if !breaks || line.chars().count() + needs <= COLUMNS_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("      {word}")),
        }
    }
    lines.join(" \\\n")
}

pub fn curl(request: &Request<'_>) -> Vec<String> {
    let mut words: Vec<String> = ["curl", "--cacert", "tls/server-ca.pem"].map(str::to_owned).into();
    if let Some(who) = request.who {
        words.extend(["--cert".to_owned(), format!("{who}.pem"), "--key".to_owned(), format!("{who}.key")]);
    }
    for (name, value) in &request.headers {
        words.extend(["-H".to_owned(), quoted(&format!("{name}: {value}"))]);
    }
    match &request.body {
        Body::Nothing if request.method == "GET" => {}
        Body::Nothing => words.extend(["-X".to_owned(), request.method.to_owned()]),
        Body::Json(file, _) => {
            words.extend(["-H".to_owned(), quoted("content-type: application/json")]);
            words.extend(["--data-binary".to_owned(), format!("@{file}")]);
        }
        Body::Form(fields) => fields.iter().for_each(|field| words.extend(["-d".to_owned(), quoted(field)])),
    }
    words.push(quoted(&format!("https://localhost:{}{}", request.port, request.path)));
    words
}

/// What of an answer fits on a few lines.
pub fn summary(body: &[u8]) -> String {
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        return heading(&String::from_utf8_lossy(body));
    };
    let text = |name: &str| json[name].as_str().unwrap_or_default();
    if let Some(rejection) = json.get("rejection") {
        let cure = rejection["cure"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let steps: Vec<_> = cure.enumerate().map(|(n, step)| folded(&format!("{}. {step}", n + 1), 6, 9)).collect();
        let said = folded(&format!("{} – {}", text("title"), text("detail")), 7, 7);
        return format!("{}\n{}", said.trim_start(), steps.join("\n"));
    }
    if let Some(items) = json.get("items").and_then(Value::as_array) {
        let line = |item: &Value| {
            let shown = ["type", "caseType", "state", "caseId", "id", "distributedBy"];
            let shown = shown.iter().filter_map(|name| item.get(*name).and_then(Value::as_str));
            format!("\n      {}", shown.collect::<Vec<_>>().join("  "))
        };
        return format!("{} items{}", items.len(), items.iter().map(line).collect::<String>());
    }
    let names = ["id", "state", "revision", "handler", "distributedBy", "answeredBy", "title"];
    let facts = names.iter().filter_map(|name| json.get(*name).map(|value| format!("{name}={value}")));
    let mut told = folded(&facts.collect::<Vec<_>>().join(" "), 7, 7).trim_start().to_owned();
    if let Some(receipt) = json.get("receipt") {
        told.push_str(&format!("\n      receipt {}", shortened(receipt)));
    }
    told
}

/// A receipt without most of its digests.
fn shortened(receipt: &Value) -> Value {
    let mut receipt = receipt.clone();
    for member in receipt.as_object_mut().into_iter().flat_map(|members| members.values_mut()) {
        if let Some(digest) = member.as_str() {
            *member = Value::String(digest.chars().take(DIGEST_CHARS).chain(['…']).collect());
        }
    }
    receipt
}

/// A page's heading.
pub fn heading(html: &str) -> String {
    words_between(html, "<h1", "</h1>").unwrap_or_default()
}

/// What a page says from one place to another, without its markup.
pub fn words_between(html: &str, from: &str, until: &str) -> Option<String> {
    let (_, rest) = html.split_once(from)?;
    let (inner, _) = rest.split_once(until)?;
    // The beginning may lie inside a tag.
    let parts = format!("<{inner}");
    let words: Vec<&str> = parts.split('<').filter_map(|part| part.split_once('>')).map(|(_, words)| words).collect();
    let words = words.join(" ");
    let words = words.replace("&#x2f;", "/").replace("&#x27;", "'").replace("&quot;", "\"").replace("&amp;", "&");
    Some(words.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// In lines that fit, the first indented by `first` blanks and those after it by `rest`.
pub fn folded(text: &str, first: usize, rest: usize) -> String {
    let mut lines = vec![" ".repeat(first)];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.trim().is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{}{word}", " ".repeat(rest))),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_is_broken_where_a_shell_goes_on_reading() {
        let words: Vec<String> = ["budkavle", "incident", "open"].map(str::to_owned).into();
        let flags = (0..8).flat_map(|n| [format!("--flag-{n}"), quoted("tre ord här")]);
        let words: Vec<String> = words.into_iter().chain(flags).collect();
        let told = command(&words);
        assert!(told.lines().count() > 1 && told.lines().all(|line| line.chars().count() <= COLUMNS_MAX), "{told}");
        let script = format!("budkavle() {{ printf '%s|' \"$@\"; }}\n{told}");
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        let read = String::from_utf8(output.stdout).unwrap();
        let flags: String = (0..8).map(|n| format!("--flag-{n}|tre ord här|")).collect();
        assert_eq!(read, format!("incident|open|{flags}"));
    }

    #[test]
    fn a_page_is_read_without_its_markup() {
        let page = "<h1 class=\"state ok\"><span>✓</span> 24&#x2f;7 &amp; mer</h1><p>x</p>";
        assert_eq!(heading(page), "✓ 24/7 & mer");
        assert_eq!(words_between(page, "<h2", "</h2>"), None);
    }
}
