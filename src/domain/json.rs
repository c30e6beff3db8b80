//! Strict reading of JSON from outside: bounded, and without the ambiguities that let two readers see two documents.
//! What the document means is judged elsewhere.
//!
//! Numbers become `f64` or 64-bit integers, as in every JSON reader in use: `5.60` reads as `5.6`.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Containers within containers. Ten levels of questions need 44: `item`, its object, `answer`, its object, each time.
const DEPTH_MAX: usize = 64;
/// Values in a document, containers included; the largest form that we know has some 4,000.
const NODES_MAX: usize = 20_000;
/// Longer keys are in no format that we read, so they are taken for content.
const KEY_SHOWN_CHARS_MAX: usize = 64;
/// More digits in a row may be an identity or telephone number.
const KEY_SHOWN_DIGITS_MAX: usize = 5;

/// Why bytes from outside were refused, and where. Holds nothing of the input but harmless key names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} at line {line}, column {column} ({pointer:?})", kind.code())]
pub struct Fault {
    pub kind: FaultKind,
    /// RFC 6901, as deep as the keys on the way may be shown; empty is the whole document.
    pub pointer: String,
    /// From 1.
    pub line: usize,
    /// From 1, in bytes; 0 when a line has just begun.
    pub column: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    NotUtf8,
    NotJson,
    TooDeep,
    DuplicateKey,
    TooLarge,
}

impl FaultKind {
    /// The stable code of the API.
    pub fn code(self) -> &'static str {
        match self {
            FaultKind::NotUtf8 => "not-utf8",
            FaultKind::NotJson => "not-json",
            FaultKind::TooDeep => "too-deep",
            FaultKind::DuplicateKey => "duplicate-key",
            FaultKind::TooLarge => "too-large",
        }
    }
}

/// Reads exactly one JSON document. The caller bounds the bytes; depth and number of values are bounded here.
pub fn parse(bytes: &[u8]) -> Result<Value, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    let mut reading = Reading::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Place { reading: &mut reading, depth: 0 }.deserialize(&mut json).and_then(|value| {
        json.end()?;
        Ok(value)
    });
    read.map_err(|error| Fault {
        kind: reading.refused.unwrap_or(FaultKind::NotJson),
        pointer: pointer(&reading.path),
        line: error.line(),
        column: error.column(),
    })
}

/// Whether a key from outside may be shown: a name in some format, hardly a person's data.
pub fn is_showable(key: &str) -> bool {
    let digits = key.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or_default();
    (1..=KEY_SHOWN_CHARS_MAX).contains(&key.len())
        && digits <= KEY_SHOWN_DIGITS_MAX
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn not_utf8(bytes: &[u8], valid_up_to: usize) -> Fault {
    let before = bytes.get(..valid_up_to).unwrap_or_default();
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
    Fault {
        kind: FaultKind::NotUtf8,
        pointer: String::new(),
        line: before.iter().filter(|b| **b == b'\n').count() + 1,
        column: valid_up_to - line_start + 1,
    }
}

fn pointer(path: &[Step]) -> String {
    let shown = path.iter().take_while(|step| match step {
        Step::Key(key) => is_showable(key),
        Step::Index(_) => true,
    });
    shown.fold(String::new(), |pointer, step| match step {
        Step::Key(key) => pointer + "/" + key,
        Step::Index(index) => format!("{pointer}/{index}"),
    })
}

enum Step {
    Key(String),
    Index(usize),
}

/// What is common to the whole document. A step stays on the path when reading fails below it: that is the place.
#[derive(Default)]
struct Reading {
    path: Vec<Step>,
    nodes: usize,
    refused: Option<FaultKind>,
}

impl Reading {
    fn refuse<E: serde::de::Error>(&mut self, kind: FaultKind) -> E {
        self.refused = Some(kind);
        E::custom(kind.code())
    }
}

/// One value still to be read.
struct Place<'a> {
    reading: &'a mut Reading,
    depth: usize,
}

impl Place<'_> {
    fn inside<E: serde::de::Error>(&mut self) -> Result<usize, E> {
        let depth = self.depth + 1;
        if depth > DEPTH_MAX { Err(self.reading.refuse(FaultKind::TooDeep)) } else { Ok(depth) }
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.reading.nodes == NODES_MAX {
            return Err(self.reading.refuse(FaultKind::TooLarge));
        }
        self.reading.nodes += 1;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let depth = self.inside()?;
        let mut values = Vec::new();
        loop {
            self.reading.path.push(Step::Index(values.len()));
            let next = seq.next_element_seed(Place { reading: self.reading, depth })?;
            self.reading.path.pop();
            match next {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let depth = self.inside()?;
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            self.reading.path.push(Step::Key(key.clone()));
            if values.contains_key(&key) {
                return Err(self.reading.refuse(FaultKind::DuplicateKey));
            }
            let value = map.next_value_seed(Place { reading: self.reading, depth })?;
            self.reading.path.pop();
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> (FaultKind, String) {
        let fault = parse(text.as_bytes()).unwrap_err();
        (fault.kind, fault.pointer)
    }

    #[test]
    fn a_document_reads_as_it_is_written() {
        let value = parse(br#" {"a":[1,-2,5.60,"\u00e5",null,true],"b":{}} "#).unwrap();
        assert_eq!(value, serde_json::json!({"a": [1, -2, 5.6, "å", null, true], "b": {}}));
    }

    #[test]
    fn each_kind_of_fault_is_named_with_its_place() {
        for (text, kind, pointer) in [
            ("", FaultKind::NotJson, ""),
            ("{} x", FaultKind::NotJson, ""),
            ("{\"a\":[1,}", FaultKind::NotJson, "/a/1"),
            ("{\"a\":NaN}", FaultKind::NotJson, "/a"),
            ("1e999", FaultKind::NotJson, ""),
            ("\u{feff}{}", FaultKind::NotJson, ""),
            ("{\"a\":[{\"b\":1,\"b\":1}]}", FaultKind::DuplicateKey, "/a/0/b"),
            ("{\"a\":1,\"\\u0061\":1}", FaultKind::DuplicateKey, "/a"),
        ] {
            assert_eq!(refused(text), (kind, pointer.to_owned()), "{text}");
        }
        let latin1 = parse(b"{\n \"\xe5\": 1}").unwrap_err();
        assert_eq!((latin1.kind, latin1.line, latin1.column), (FaultKind::NotUtf8, 2, 3));
        let syntax = parse(b"{\n \"a\": tru}").unwrap_err();
        assert_eq!((syntax.line, syntax.column), (2, 10));
    }

    #[test]
    fn depth_and_size_end_exactly_where_they_are_said_to() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(refused(&nested(DEPTH_MAX + 1)).0, FaultKind::TooDeep);
        let wide = |nodes: usize| format!("[{}]", vec!["0"; nodes - 1].join(","));
        assert!(parse(wide(NODES_MAX).as_bytes()).is_ok());
        assert_eq!(refused(&wide(NODES_MAX + 1)).0, FaultKind::TooLarge);
    }

    #[test]
    fn a_fault_never_shows_a_key_that_may_be_about_a_person() {
        for key in ["Anna Andersson", "191212121212", "anna@example.test", &"a".repeat(65), "å"] {
            let text = format!(r#"{{"item":{{"{key}":1,"{key}":2}}}}"#);
            let fault = parse(text.as_bytes()).unwrap_err();
            assert_eq!((fault.kind, fault.pointer.as_str()), (FaultKind::DuplicateKey, "/item"));
            assert!(!format!("{fault} {fault:?}").contains(key), "{fault}");
        }
    }

    fn any_json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|b| b.to_string()),
            any::<i64>().prop_map(|n| n.to_string()),
            any::<u64>().prop_map(|n| n.to_string()),
            "-?[0-9]{1,3}(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
            "[a-zåäö \\\\\"n]{0,6}".prop_map(|s| format!("\"{s}\"")),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|values| format!("[{}]", values.join(","))),
                prop::collection::vec(("[ab]{1,2}", inner), 0..5).prop_map(|members| {
                    let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                    format!("{{{}}}", members.join(", "))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_it_accepts_is_what_serde_json_accepts_less_the_refused(text in any_json(), cut in 0_usize..400) {
            let cut = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= cut).last().unwrap_or(0);
            for text in [text.as_str(), &text[..cut]] {
                match (parse(text.as_bytes()), serde_json::from_str::<Value>(text)) {
                    (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
                    (Err(fault), Ok(_)) => prop_assert_eq!(fault.kind, FaultKind::DuplicateKey),
                    (Err(fault), Err(_)) => {
                        prop_assert!(matches!(fault.kind, FaultKind::NotJson | FaultKind::DuplicateKey));
                    }
                    (Ok(_), Err(error)) => prop_assert!(false, "{error}"),
                }
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }
    }
}
