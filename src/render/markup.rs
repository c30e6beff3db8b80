//! The little markup that authors may use: blank lines part paragraphs, line breaks stay, addresses that begin with
//! `https://` become links. Where lists are wanted (answers to questions), lines that begin with `- ` or `1. ` are items.
//! Everything else is text and is escaped.

use std::fmt::Write;

/// Paragraphs, line breaks and links.
pub(super) fn paragraphs(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8 + 16);
    for block in blocks(text) {
        out.push_str("<p>");
        for (at, line) in block.into_iter().enumerate() {
            out.push_str(if at == 0 { "" } else { "<br>" });
            inline(&mut out, line);
        }
        out.push_str("</p>");
    }
    out
}

/// Paragraphs, lists, line breaks and links.
pub(super) fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8 + 16);
    for block in blocks(text) {
        let mut open: Option<&'static str> = None;
        for line in block {
            let (kind, content) = item(line);
            if open == Some(kind) {
                out.push_str(if kind == "p" { "<br>" } else { "" });
            } else {
                close(&mut out, open.replace(kind));
                let _ = write!(out, "<{kind}>");
            }
            if kind == "p" {
                inline(&mut out, content);
            } else {
                out.push_str("<li>");
                inline(&mut out, content);
                out.push_str("</li>");
            }
        }
        close(&mut out, open);
    }
    out
}

fn close(out: &mut String, kind: Option<&str>) {
    if let Some(kind) = kind {
        let _ = write!(out, "</{kind}>");
    }
}

/// The element that a line belongs in, and its text without the item's mark.
fn item(line: &str) -> (&'static str, &str) {
    if let Some(rest) = line.strip_prefix("- ") {
        return ("ul", rest);
    }
    let after_digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
    match after_digits.strip_prefix(". ") {
        Some(rest) if after_digits.len() < line.len() => ("ol", rest),
        _ => ("p", line),
    }
}

/// Runs of lines that hold something, trimmed.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let mut out: Vec<Vec<&str>> = Vec::new();
    let mut fresh = true;
    for line in text.lines().map(str::trim) {
        match (line.is_empty(), fresh, out.last_mut()) {
            (true, ..) => fresh = true,
            (false, false, Some(block)) => block.push(line),
            (false, ..) => {
                out.push(vec![line]);
                fresh = false;
            }
        }
    }
    out
}

fn inline(out: &mut String, mut line: &str) {
    while let Some(at) = line.find("https://") {
        let (before, rest) = line.split_at(at);
        let end = rest.find(|c: char| c.is_whitespace() || "<>\"'".contains(c)).unwrap_or(rest.len());
        // What ends a sentence does not end its link.
        let link = rest.split_at(end).0.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
        escape(out, before);
        if link.len() > "https://".len() {
            let link = escaped(link);
            let _ = write!(out, "<a href=\"{link}\">{link}</a>");
        } else {
            escape(out, link);
        }
        line = rest.split_at(link.len()).1;
    }
    escape(out, line);
}

/// As text in HTML and XML, attributes' values included.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    escape(&mut out, text);
    out
}

/// *Planerat* in the midst of a sentence; abbreviations such as *SITHS* stay.
pub(super) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

/// Fills lines of at most `width` columns; line breaks and blank lines of the text stay. A word that is longer, such as a
/// link, stands whole on a line of its own.
pub(super) fn wrap(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for (at, line) in text.trim().lines().enumerate() {
        out.push_str(if at == 0 { "" } else { "\n" });
        let mut column = 0;
        for word in line.split_whitespace() {
            let length = word.chars().count();
            if column > 0 && column + 1 + length > width {
                out.push('\n');
                column = 0;
            } else if column > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += length;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authors_text_becomes_paragraphs_breaks_and_links_and_nothing_else() {
        let html = paragraphs("Ring <b>oss</b>.\nSe https://a.example/x?a=1&b=2.\n\n\nNästa stycke");
        let link = "https://a.example/x?a=1&amp;b=2";
        assert_eq!(
            html,
            format!("<p>Ring &lt;b&gt;oss&lt;/b&gt;.<br>Se <a href=\"{link}\">{link}</a>.</p><p>Nästa stycke</p>")
        );
        assert_eq!(
            paragraphs("javascript:alert(1) http://x https:// "),
            "<p>javascript:alert(1) http://x https://</p>"
        );
        assert_eq!(
            paragraphs("https://a.example/\"onclick=\"x"),
            "<p><a href=\"https://a.example/\">https://a.example/</a>&quot;onclick=&quot;x</p>"
        );
        assert_eq!(paragraphs(" \n\n "), "");
    }

    #[test]
    fn answers_may_hold_lists() {
        assert_eq!(
            prose("Gör så här:\n1. Ta ut kortet.\n2. Sätt i det.\nKlart.\n\n- ett\n- två"),
            "<p>Gör så här:</p><ol><li>Ta ut kortet.</li><li>Sätt i det.</li></ol><p>Klart.</p><ul><li>ett</li><li>två</li></ul>"
        );
        assert_eq!(prose(". 1 2026 - "), "<p>. 1 2026 -</p>");
    }

    #[test]
    fn lines_are_filled_and_links_never_broken() {
        let link = format!("https://status.region.example/{}", "a".repeat(60));
        let text = wrap(&format!("ett två tre fyra fem {link} sex\n\nsju"), 20);
        assert_eq!(text, format!("ett två tre fyra fem\n{link}\nsex\n\nsju"));
    }
}
