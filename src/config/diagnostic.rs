//! A fault in the configuration, told as `path:line:col: message`, the line, a caret, the remedy. All faults at once.
//!
//! What is a fault is the business of the shape and the checks; here they only get their place and their words.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// More faults than anyone reads at a time; the first found are told.
const FAULTS_MAX: usize = 20;
/// Lines are cut here, in characters: a terminal shows no more.
const LINE_CHARS_MAX: usize = 200;

/// One fault and its place. `Display` is the whole text, without a line break at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    path: Arc<Path>,
    source: Arc<str>,
    span: Range<usize>,
    message: String,
    remedy: Option<String>,
}

/// All faults found in one file, in the file's order, at least one. `Display` parts them with an empty line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.0.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n\n"))]
pub struct Faults(Vec<Diagnostic>);

/// A file under scrutiny: its text, and the faults found so far.
pub struct Scrutiny {
    path: Arc<Path>,
    source: Arc<str>,
    faults: Vec<Diagnostic>,
}

impl Scrutiny {
    /// Of a file that has been read; the path is only shown.
    pub fn new(path: impl Into<PathBuf>, source: &str) -> Scrutiny {
        Scrutiny { path: path.into().into(), source: source.into(), faults: Vec::new() }
    }

    /// Notes a fault at a range of bytes, as a `toml::Spanned` value has it. The message says the rule, the remedy what to
    /// write instead; neither may hold a secret, and neither ends with a full stop.
    pub fn fault(&mut self, span: Range<usize>, message: impl Into<String>, remedy: impl Into<String>) {
        self.note(span, message.into(), Some(remedy.into()));
    }

    /// Reads the text as TOML of the shape. None if that shows faults, which are noted: every break of the syntax; else
    /// unknown keys, with the nearest known one, values that do not fit, and the first missing key. Each key with a fault
    /// is put aside to see what else is wrong.
    pub fn read<T: DeserializeOwned>(&mut self) -> Option<T> {
        let source = Arc::clone(&self.source);
        let (mut table, broken) = DeTable::parse_recoverable(&source);
        if !broken.is_empty() {
            broken.iter().for_each(|error| self.toml(error));
            return None;
        }
        let mut aside: Vec<String> = Vec::new();
        for _ in 0..FAULTS_MAX {
            let error = match T::deserialize(toml::Deserializer::from(table.clone())) {
                Ok(value) => return self.faults.is_empty().then_some(value),
                Err(error) => error,
            };
            // What was put aside is missing because of us: that is no news, but its table goes too, to see the others.
            if !missing_key(error.message()).is_some_and(|key| aside.iter().any(|told| told == key)) {
                self.toml(&error);
            }
            aside.push(put_aside(table.get_mut(), &error.span()?)?);
        }
        None
    }

    /// The end: the faults, if there are any.
    pub fn finish(mut self) -> Result<(), Faults> {
        self.faults.sort_by_key(|fault| fault.span.start);
        if self.faults.is_empty() { Ok(()) } else { Err(Faults(self.faults)) }
    }

    /// The end with what was read: the faults, if there are any. Nothing read without a fault told is a fault of its own.
    pub fn finish_with<T>(mut self, read: Option<T>) -> Result<T, Faults> {
        match read {
            Some(value) => self.finish().map(|()| value),
            None => {
                if self.faults.is_empty() {
                    self.note(0..0, "this is no configuration".into(), None);
                }
                Err(self.finish().err().unwrap_or(Faults(Vec::new())))
            }
        }
    }

    fn toml(&mut self, error: &toml::de::Error) {
        let span = error.span().unwrap_or_default();
        match unknown_key(error.message()) {
            Some((key, known)) => {
                let remedy = match nearest(key, &known) {
                    Some(near) => format!("did you mean `{near}`? {}", known_keys(&known)),
                    None => known_keys(&known),
                };
                self.note(span, format!("unknown key `{key}`"), Some(remedy));
            }
            None => {
                let missing = missing_key(error.message());
                let remedy = missing.map(|key| format!("add `{key} = …`"));
                let message = missing.map_or_else(|| error.message().to_owned(), |key| format!("`{key}` is missing"));
                self.note(span, message, remedy);
            }
        }
    }

    fn note(&mut self, span: Range<usize>, message: String, remedy: Option<String>) {
        if self.faults.len() >= FAULTS_MAX {
            return;
        }
        let (path, source) = (Arc::clone(&self.path), Arc::clone(&self.source));
        self.faults.push(Diagnostic { path, source, span, message, remedy });
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { path, source, span, message, remedy } = self;
        let start = char_boundary(source, span.start);
        let (before, after) = source.split_at(start);
        let number = before.matches('\n').count() + 1;
        let lead = before.rsplit('\n').next().unwrap_or_default();
        let rest = after.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let column = lead.chars().count() + 1;
        write!(f, "{}:{number}:{column}: {message}", path.display())?;

        // Of a very long line the end of what leads to the fault is shown.
        let lead: Vec<char> = lead.chars().skip(column.saturating_sub(LINE_CHARS_MAX)).collect();
        let shown: String = lead.iter().copied().chain(rest.chars()).take(LINE_CHARS_MAX).map(visible).collect();
        // Tabs stay tabs, so that the caret stands right whatever their width.
        let indent: String = lead.iter().map(|c| if *c == '\t' { '\t' } else { ' ' }).collect();
        let length = char_boundary(source, span.end).saturating_sub(start).min(rest.len());
        let width = rest.get(..length).unwrap_or_default().chars().count();
        let carets = "^".repeat(width.clamp(1, LINE_CHARS_MAX.saturating_sub(lead.len()).max(1)));
        write!(f, "\n{shown}\n{indent}{carets}")?;
        remedy.iter().try_for_each(|remedy| write!(f, "\nhelp: {remedy}"))
    }
}

/// The last boundary between letters at or before that byte.
fn char_boundary(source: &str, byte: usize) -> usize {
    (0..=byte.min(source.len())).rev().find(|byte| source.is_char_boundary(*byte)).unwrap_or_default()
}

/// TOML forbids control characters; where one is the fault it must not steer the terminal.
fn visible(c: char) -> char {
    if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}

/// The key and the known ones, from serde's message (stable: it is what its derive writes).
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let (key, rest) = message.strip_prefix("unknown field `")?.split_once('`')?;
    Some((key, rest.split('`').skip(1).step_by(2).collect()))
}

fn missing_key(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

fn known_keys(known: &[&str]) -> String {
    let quoted: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
    if quoted.is_empty() { "no key belongs here".to_owned() } else { format!("known here: {}", quoted.join(", ")) }
}

/// The known key that a slip of the pen might have meant: at most one letter in three is another.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|candidate| (distance(key, candidate), *candidate)).min()?;
    (near.0 <= near.1.chars().count().div_ceil(3)).then_some(near.1)
}

/// Levenshtein's distance: letters to change, add or leave out.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().take(LINE_CHARS_MAX).enumerate() {
        let mut next = vec![i + 1];
        for ((b, pair), left) in to.iter().zip(row.windows(2)).zip(i + 1..) {
            let [diagonal, above] = pair else { continue };
            let left = next.last().copied().unwrap_or(left);
            next.push((diagonal + usize::from(a != *b)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Takes the entry whose key or value has that place out of the table or one within it, and tells its key. As deep as
/// the parser lets tables nest.
fn put_aside(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let here = table.iter().find(|(key, value)| key.span() == *span || value.span() == *span);
    if let Some(key) = here.map(|(key, _)| key.get_ref().to_string()) {
        return table.remove(key.as_str()).map(|_| key);
    }
    table.iter_mut().find_map(|(_, value)| put_aside_within(value, span))
}

fn put_aside_within(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<String> {
    match value.get_mut() {
        DeValue::Table(table) => put_aside(table, span),
        DeValue::Array(array) => array.iter_mut().find_map(|value| put_aside_within(value, span)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only its shape is used")]
    struct Shape {
        service_name: Spanned<String>,
        portal: Door,
        #[serde(default)]
        smarthost: Vec<Smarthost>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only its shape is used")]
    struct Door {
        listen: Spanned<String>,
        connections_max: Option<u16>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape is used")]
    struct Smarthost {
        host: String,
    }

    fn told(source: &str) -> String {
        let mut scrutiny = Scrutiny::new("budkavle.toml", source);
        let read = scrutiny.read::<Shape>();
        match scrutiny.finish() {
            Ok(()) => format!("{:?}", read.map(|shape| shape.service_name.into_inner())),
            Err(faults) => {
                assert!(read.is_none());
                faults.to_string()
            }
        }
    }

    #[test]
    fn a_file_that_fits_is_read() {
        assert_eq!(told("service-name = \"Ängen\"\n[portal]\nlisten = \"[::]:8443\"\n"), "Some(\"Ängen\")");
    }

    #[test]
    fn every_unknown_key_and_every_value_that_does_not_fit_is_told_with_the_nearest_known_key() {
        let source = "\
service-nam = \"x\"
service-name = \"x\"
[portal]
lissen = \"[::]:1\"
listen = \"[::]:8443\"
connections-max = 70000
[[smarthost]]
host = \"mx.region.example\"
colour = \"blue\"
";
        assert_eq!(
            told(source),
            "\
budkavle.toml:1:1: unknown key `service-nam`
service-nam = \"x\"
^^^^^^^^^^^
help: did you mean `service-name`? known here: `service-name`, `portal`, `smarthost`

budkavle.toml:4:1: unknown key `lissen`
lissen = \"[::]:1\"
^^^^^^
help: did you mean `listen`? known here: `listen`, `connections-max`

budkavle.toml:6:19: invalid value: integer `70000`, expected u16
connections-max = 70000
                  ^^^^^

budkavle.toml:9:1: unknown key `colour`
colour = \"blue\"
^^^^^^
help: known here: `host`"
        );
    }

    #[test]
    fn a_key_that_was_told_once_is_not_told_again_as_missing() {
        assert_eq!(
            told("service-name = 3\nportal = {listen = true}\n"),
            "\
budkavle.toml:1:16: invalid type: integer `3`, expected a string
service-name = 3
               ^

budkavle.toml:2:20: invalid type: boolean `true`, expected a string
portal = {listen = true}
                   ^^^^"
        );
    }

    #[test]
    fn a_missing_key_is_told_at_its_table_and_a_missing_table_at_the_files_beginning() {
        assert_eq!(
            told("service-name = \"x\"\n\n[portal]\nconnections-max = 8\n"),
            "\
budkavle.toml:3:1: `listen` is missing
[portal]
^^^^^^^^
help: add `listen = …`"
        );
        assert_eq!(
            told("# The gateway\nservice-name = \"x\"\n"),
            "\
budkavle.toml:1:1: `portal` is missing
# The gateway
^
help: add `portal = …`"
        );
    }

    #[test]
    fn every_break_of_the_syntax_is_told() {
        assert_eq!(
            told("service-name = Ängen\r\nportal = {}\r\nportal = {}\r\n[smarthost\r\n"),
            "\
budkavle.toml:1:16: string values must be quoted, expected literal string
service-name = Ängen
               ^^^^^

budkavle.toml:3:1: duplicate key
portal = {}
^^^^^^

budkavle.toml:4:11: unclosed table, expected `]`
[smarthost
          ^"
        );
    }

    #[test]
    fn the_caret_stands_under_its_value_behind_tabs_and_letters_of_several_bytes() {
        let source = "\tåäö = \"Hälsö\" # €\n";
        let mut scrutiny = Scrutiny::new("/etc/budkavle/budkavle.toml", source);
        let at = source.find("\"Hälsö\"").unwrap();
        scrutiny.fault(at..at + "\"Hälsö\"".len(), "no clinic is called that", "write an HSA-id");
        assert_eq!(
            scrutiny.finish().unwrap_err().to_string(),
            "\
/etc/budkavle/budkavle.toml:1:8: no clinic is called that
\tåäö = \"Hälsö\" # €
\t      ^^^^^^^
help: write an HSA-id"
        );
    }

    #[test]
    fn faults_of_the_checks_come_in_the_files_order_and_one_over_several_lines_is_marked_on_its_first() {
        let source = "a = 1\nb = [\n  2,\n]\n";
        let mut scrutiny = Scrutiny::new("b.toml", source);
        scrutiny.fault(10..18, "`b` holds too few", "name two");
        scrutiny.fault(4..5, "`a` and `b` clash", "leave one out");
        assert_eq!(
            scrutiny.finish().unwrap_err().to_string(),
            "\
b.toml:1:5: `a` and `b` clash
a = 1
    ^
help: leave one out

b.toml:2:5: `b` holds too few
b = [
    ^
help: name two"
        );
    }

    #[test]
    fn a_very_long_line_is_cut_around_the_fault_and_control_characters_are_shown_as_such() {
        let source = format!("{}\u{1b}[2J{}", "x".repeat(1_000), "y".repeat(1_000));
        let mut scrutiny = Scrutiny::new("b.toml", &source);
        scrutiny.fault(1_000..1_001, "a control character", "take it out");
        let expected = format!(
            "b.toml:1:1001: a control character\n{}\u{fffd}\n{}^\nhelp: take it out",
            "x".repeat(LINE_CHARS_MAX - 1),
            " ".repeat(LINE_CHARS_MAX - 1)
        );
        assert_eq!(scrutiny.finish().unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_strange_key_gets_no_guess() {
        assert_eq!(nearest("colour", &["host", "port"]), None);
        assert_eq!(nearest("prot", &["host", "port"]), Some("port"));
        assert_eq!((distance("", "abc"), distance("abc", ""), distance("kitten", "sitting")), (3, 3, 3));
    }

    proptest! {
        #[test]
        fn no_text_and_no_span_make_it_panic(source in "(\\PC|[\t\r\n\"=\\[\\]åé]){0,60}", a in 0_usize..80, b in 0_usize..80) {
            let mut scrutiny = Scrutiny::new("b.toml", &source);
            scrutiny.read::<Shape>();
            scrutiny.fault(a..b, "rule", "remedy");
            let text = scrutiny.finish().unwrap_err().to_string();
            prop_assert!(text.starts_with("b.toml:"));
        }
    }
}
