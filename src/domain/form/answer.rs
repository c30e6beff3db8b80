//! `value[x]`: the answer types of FHIR R4, read by shape and compared. What an item allows is judged elsewhere.

use std::{borrow::Cow, cmp::Ordering, fmt};

use base64::Engine as _;
use jiff::civil;
use serde_json::{Map, Value};

use super::{
    TEXT_CHARS_MAX,
    code::IssueCode,
    moment::{self, Moment},
};

/// The types that an answer may have in FHIR R4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datatype {
    Boolean,
    Decimal,
    Integer,
    Date,
    DateTime,
    Time,
    String,
    Uri,
    Attachment,
    Coding,
    Quantity,
    Reference,
}

type Read = fn(&Value) -> Result<Answer, IssueCode>;

/// Type, its name in FHIR, how its values are read.
const DATATYPES: [(Datatype, &str, Read); 12] = [
    (Datatype::Boolean, "boolean", boolean),
    (Datatype::Decimal, "decimal", decimal),
    (Datatype::Integer, "integer", integer),
    (Datatype::Date, "date", date),
    (Datatype::DateTime, "dateTime", date_time),
    (Datatype::Time, "time", time),
    (Datatype::String, "string", string),
    (Datatype::Uri, "uri", uri),
    (Datatype::Attachment, "Attachment", attachment),
    (Datatype::Coding, "Coding", coding),
    (Datatype::Quantity, "Quantity", quantity),
    (Datatype::Reference, "Reference", reference),
];

impl Datatype {
    /// By what follows `value` in an element's name: `Coding`, `DateTime`.
    pub fn of_suffix(suffix: &str) -> Option<Datatype> {
        let is_capital = suffix.starts_with(|c: char| c.is_ascii_uppercase());
        let named = |name: &str| is_capital && name.eq_ignore_ascii_case(suffix) && name.get(1..) == suffix.get(1..);
        DATATYPES.iter().find(|(_, name, _)| named(name)).map(|(datatype, ..)| *datatype)
    }

    /// As FHIR writes it.
    pub fn name(self) -> &'static str {
        DATATYPES.iter().find(|(datatype, ..)| *datatype == self).map_or("", |(_, name, _)| name)
    }
}

/// One value. Never prints: it is what a citizen or a clinic wrote.
#[derive(Clone, PartialEq)]
pub enum Answer {
    Boolean(bool),
    Decimal(f64),
    Integer(i32),
    Date(Moment),
    DateTime(Moment),
    Time(civil::Time),
    Text(String),
    Uri(String),
    Attachment(Attachment),
    Coding(Coding),
    Quantity(Quantity),
    Reference(Reference),
}

/// A code of a code system. Has a code or, for lack of one, a display.
#[derive(Clone, PartialEq, Eq)]
pub struct Coding {
    pub system: Option<String>,
    pub code: Option<String>,
    pub display: Option<String>,
}

/// A measured amount.
#[derive(Clone, PartialEq)]
pub struct Quantity {
    pub value: f64,
    /// `<`, `<=`, `>=`, `>`: the value is a bound.
    pub comparator: Option<String>,
    pub unit: Option<String>,
    pub system: Option<String>,
    pub code: Option<String>,
}

/// A file, in the document or elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    pub content_type: Option<String>,
    pub title: Option<String>,
    pub url: Option<String>,
    /// Bytes, as the sender says.
    pub size: Option<u64>,
    /// Bytes that came along.
    pub data_bytes: Option<u64>,
}

/// A pointer to another resource.
#[derive(Clone, PartialEq, Eq)]
pub struct Reference {
    pub reference: Option<String>,
    pub resource_type: Option<String>,
    pub display: Option<String>,
}

impl Answer {
    /// Reads a value of a type. The errors are the codes for a response: the value is not of that type, or is empty.
    pub fn read(datatype: Datatype, value: &Value) -> Result<Answer, IssueCode> {
        let read = DATATYPES.iter().find(|(of, ..)| *of == datatype).map(|(.., read)| read);
        read.ok_or(IssueCode::InvalidAnswerType)?(value)
    }

    pub fn datatype(&self) -> Datatype {
        match self {
            Answer::Boolean(_) => Datatype::Boolean,
            Answer::Decimal(_) => Datatype::Decimal,
            Answer::Integer(_) => Datatype::Integer,
            Answer::Date(_) => Datatype::Date,
            Answer::DateTime(_) => Datatype::DateTime,
            Answer::Time(_) => Datatype::Time,
            Answer::Text(_) => Datatype::String,
            Answer::Uri(_) => Datatype::Uri,
            Answer::Attachment(_) => Datatype::Attachment,
            Answer::Coding(_) => Datatype::Coding,
            Answer::Quantity(_) => Datatype::Quantity,
            Answer::Reference(_) => Datatype::Reference,
        }
    }

    /// Whether two values mean the same: codings by system and code, quantities in the same unit, instants in any zone.
    pub fn equals(&self, other: &Answer) -> bool {
        match (self, other) {
            (Answer::Boolean(a), Answer::Boolean(b)) => a == b,
            (Answer::Text(a) | Answer::Uri(a), Answer::Text(b) | Answer::Uri(b)) => a == b,
            (Answer::Coding(a), Answer::Coding(b)) => a.equals(b),
            (Answer::Reference(a), Answer::Reference(b)) => a.reference.is_some() && a.reference == b.reference,
            _ => self.order(other) == Some(Ordering::Equal),
        }
    }

    /// `None` where there is no order, or none that is certain: other types, other units, dates of another precision.
    pub fn order(&self, other: &Answer) -> Option<Ordering> {
        match (self, other) {
            (Answer::Date(a) | Answer::DateTime(a), Answer::Date(b) | Answer::DateTime(b)) => match () {
                () if a.is_before(b) => Some(Ordering::Less),
                () if b.is_before(a) => Some(Ordering::Greater),
                () => a.equals(b).then_some(Ordering::Equal),
            },
            (Answer::Time(a), Answer::Time(b)) => Some(a.cmp(b)),
            (Answer::Quantity(a), Answer::Quantity(b)) => {
                a.is_comparable(b).then(|| a.value.partial_cmp(&b.value)).flatten()
            }
            _ => self.number()?.partial_cmp(&other.number()?),
        }
    }

    /// A value of a numeric type.
    pub fn number(&self) -> Option<f64> {
        match self {
            Answer::Decimal(number) => Some(*number),
            Answer::Integer(number) => Some(f64::from(*number)),
            Answer::Quantity(quantity) => Some(quantity.value),
            _ => None,
        }
    }

    /// A string or a URI: what lengths are about.
    pub fn text(&self) -> Option<&str> {
        match self {
            Answer::Text(text) | Answer::Uri(text) => Some(text),
            _ => None,
        }
    }

    /// A value of a primitive type as it is written: what patterns are about.
    pub fn written(&self) -> Option<Cow<'_, str>> {
        match self {
            Answer::Text(text) | Answer::Uri(text) => Some(text.into()),
            Answer::Date(moment) | Answer::DateTime(moment) => Some(moment.expose().into()),
            Answer::Time(time) => Some(time.to_string().into()),
            Answer::Decimal(number) => Some(number.to_string().into()),
            Answer::Integer(number) => Some(number.to_string().into()),
            Answer::Boolean(truth) => Some(truth.to_string().into()),
            Answer::Attachment(_) | Answer::Coding(_) | Answer::Quantity(_) | Answer::Reference(_) => None,
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(•)", self.datatype().name())
    }
}

impl Coding {
    /// By system and code; displays count only where neither has a code.
    pub fn equals(&self, other: &Coding) -> bool {
        self.system == other.system && self.code == other.code && (self.code.is_some() || self.display == other.display)
    }
}

impl Quantity {
    /// In the same unit, and both exact.
    pub fn is_comparable(&self, other: &Quantity) -> bool {
        let same_code = self.system == other.system && self.code == other.code;
        let same_unit = if self.code.is_some() { same_code } else { same_code && self.unit == other.unit };
        same_unit && self.comparator.is_none() && other.comparator.is_none()
    }
}

fn boolean(value: &Value) -> Result<Answer, IssueCode> {
    value.as_bool().map(Answer::Boolean).ok_or(IssueCode::InvalidAnswerType)
}

fn decimal(value: &Value) -> Result<Answer, IssueCode> {
    value.as_f64().map(Answer::Decimal).ok_or(IssueCode::InvalidAnswerType)
}

fn integer(value: &Value) -> Result<Answer, IssueCode> {
    let number = value.as_i64().and_then(|n| i32::try_from(n).ok());
    number.map(Answer::Integer).ok_or(IssueCode::InvalidAnswerType)
}

fn date(value: &Value) -> Result<Answer, IssueCode> {
    value.as_str().and_then(Moment::date).map(Answer::Date).ok_or(IssueCode::InvalidAnswerType)
}

fn date_time(value: &Value) -> Result<Answer, IssueCode> {
    value.as_str().and_then(Moment::date_time).map(Answer::DateTime).ok_or(IssueCode::InvalidAnswerType)
}

fn time(value: &Value) -> Result<Answer, IssueCode> {
    value.as_str().and_then(moment::time).map(Answer::Time).ok_or(IssueCode::InvalidAnswerType)
}

fn string(value: &Value) -> Result<Answer, IssueCode> {
    let text = value.as_str().ok_or(IssueCode::InvalidAnswerType)?;
    if text.trim().is_empty() {
        return Err(IssueCode::EmptyAnswer);
    }
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(IssueCode::TooLarge);
    }
    if text.chars().any(|c| c.is_ascii_control() && !matches!(c, '\t' | '\r' | '\n')) {
        return Err(IssueCode::InvalidAnswerType);
    }
    Ok(Answer::Text(text.to_owned()))
}

fn uri(value: &Value) -> Result<Answer, IssueCode> {
    let Answer::Text(text) = string(value)? else { return Err(IssueCode::InvalidAnswerType) };
    if text.contains(char::is_whitespace) { Err(IssueCode::InvalidUrlValue) } else { Ok(Answer::Uri(text)) }
}

/// A value of one of FHIR's complex types: an object with no other elements than these.
struct Complex<'a>(&'a Map<String, Value>);

impl<'a> Complex<'a> {
    fn read(value: &'a Value, known: &[&str]) -> Result<Complex<'a>, IssueCode> {
        let fields = value.as_object().ok_or(IssueCode::InvalidAnswerType)?;
        let is_known = |key: &str| ["id", "extension"].contains(&key) || known.contains(&key);
        if !fields.keys().all(|key| is_known(key.strip_prefix('_').unwrap_or(key))) {
            return Err(IssueCode::InvalidAnswerType);
        }
        Ok(Complex(fields))
    }

    fn text(&self, element: &str) -> Result<Option<String>, IssueCode> {
        match self.0.get(element).map(string) {
            None => Ok(None),
            Some(Ok(Answer::Text(text))) => Ok(Some(text)),
            Some(_) => Err(IssueCode::InvalidAnswerType),
        }
    }
}

fn coding(value: &Value) -> Result<Answer, IssueCode> {
    let complex = Complex::read(value, &["system", "version", "code", "display", "userSelected"])?;
    let coding =
        Coding { system: complex.text("system")?, code: complex.text("code")?, display: complex.text("display")? };
    if coding.code.is_none() && coding.display.is_none() {
        return Err(IssueCode::EmptyAnswer);
    }
    Ok(Answer::Coding(coding))
}

fn quantity(value: &Value) -> Result<Answer, IssueCode> {
    let complex = Complex::read(value, &["value", "comparator", "unit", "system", "code"])?;
    let comparator = complex.text("comparator")?;
    if comparator.as_deref().is_some_and(|c| !["<", "<=", ">=", ">"].contains(&c)) {
        return Err(IssueCode::InvalidAnswerType);
    }
    let amount = complex.0.get("value").ok_or(IssueCode::EmptyAnswer)?;
    Ok(Answer::Quantity(Quantity {
        value: amount.as_f64().ok_or(IssueCode::InvalidAnswerType)?,
        comparator,
        unit: complex.text("unit")?,
        system: complex.text("system")?,
        code: complex.text("code")?,
    }))
}

fn attachment(value: &Value) -> Result<Answer, IssueCode> {
    let known = ["contentType", "language", "data", "url", "size", "hash", "title", "creation"];
    let complex = Complex::read(value, &known)?;
    let size = complex.0.get("size").map(|size| size.as_u64().ok_or(IssueCode::InvalidAnswerType)).transpose()?;
    let data_bytes = complex.0.get("data").map(decoded_bytes).transpose()?;
    let content_type = complex.text("contentType")?;
    let url = complex.0.get("url").map(|url| uri(url).map_err(|_| IssueCode::InvalidAnswerType)).transpose()?;
    // FHIR's rule att-1: data without a type can't be shown to anybody.
    if data_bytes.is_some() && content_type.is_none() {
        return Err(IssueCode::InvalidAnswerType);
    }
    if data_bytes.is_none() && url.is_none() {
        return Err(IssueCode::EmptyAnswer);
    }
    let url = url.and_then(|url| url.text().map(str::to_owned));
    Ok(Answer::Attachment(Attachment { content_type, title: complex.text("title")?, url, size, data_bytes }))
}

/// The length of base64 once decoded; FHIR allows whitespace within it.
fn decoded_bytes(value: &Value) -> Result<u64, IssueCode> {
    let mut text = value.as_str().ok_or(IssueCode::InvalidAnswerType)?.as_bytes().to_vec();
    text.retain(|b| !b.is_ascii_whitespace());
    let data = base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| IssueCode::InvalidAnswerType)?;
    u64::try_from(data.len()).map_err(|_| IssueCode::InvalidAnswerType)
}

fn reference(value: &Value) -> Result<Answer, IssueCode> {
    let complex = Complex::read(value, &["reference", "type", "identifier", "display"])?;
    let identifier = complex.0.get("identifier");
    if identifier.is_some_and(|identifier| !identifier.is_object()) {
        return Err(IssueCode::InvalidAnswerType);
    }
    let reference = Reference {
        reference: complex.text("reference")?,
        resource_type: complex.text("type")?,
        display: complex.text("display")?,
    };
    if reference.reference.is_none() && reference.display.is_none() && identifier.is_none() {
        return Err(IssueCode::EmptyAnswer);
    }
    Ok(Answer::Reference(reference))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(suffix: &str, value: Value) -> Result<Answer, IssueCode> {
        Answer::read(Datatype::of_suffix(suffix).unwrap(), &value)
    }

    #[test]
    fn each_type_reads_its_own_values() {
        for (suffix, value) in [
            ("Boolean", json!(false)),
            ("Decimal", json!(5.6)),
            ("Decimal", json!(5)),
            ("Integer", json!(i32::MIN)),
            ("Date", json!("2024-02-29")),
            ("DateTime", json!("2024-02-29T10:00:00+01:00")),
            ("Time", json!("10:00:00")),
            ("String", json!("två\nrader")),
            ("Uri", json!("https://region.example/å")),
            ("Attachment", json!({"contentType": "text/plain", "data": "aGVq\naGVq", "size": 6})),
            ("Attachment", json!({"url": "https://region.example/a.png"})),
            ("Coding", json!({"system": "urn:x", "code": "a", "_code": {"extension": []}, "userSelected": true})),
            ("Quantity", json!({"value": 1.5, "unit": "kg", "comparator": "<"})),
            ("Reference", json!({"reference": "Patient/1"})),
            ("Reference", json!({"identifier": {"value": "x"}})),
        ] {
            let answer = read(suffix, value).unwrap();
            assert_eq!(Some(answer.datatype()), Datatype::of_suffix(suffix));
        }
    }

    #[test]
    fn a_value_of_another_shape_is_not_of_the_type() {
        for (suffix, value) in [
            ("Boolean", json!("true")),
            ("Decimal", json!("5.6")),
            ("Integer", json!(5.0)),
            ("Integer", json!(2_147_483_648_u32)),
            ("Date", json!("2023-02-29")),
            ("Date", json!(2024)),
            ("DateTime", json!("2024-02-29T10:00:00")),
            ("Time", json!("10:00")),
            ("String", json!(null)),
            ("String", json!("a\u{0}b")),
            ("Attachment", json!({"data": "aGVq"})),
            ("Attachment", json!({"contentType": "text/plain", "data": "a§"})),
            ("Attachment", json!({"url": "https://region.example/a b"})),
            ("Coding", json!("a")),
            ("Coding", json!({"code": 1})),
            ("Coding", json!({"code": "a", "kod": "b"})),
            ("Quantity", json!({"value": "1"})),
            ("Quantity", json!({"value": 1, "comparator": "="})),
            ("Reference", json!({"reference": 1})),
            ("Reference", json!({"identifier": "x"})),
        ] {
            assert_eq!(read(suffix, value.clone()), Err(IssueCode::InvalidAnswerType), "{suffix} {value}");
        }
    }

    #[test]
    fn a_value_that_says_nothing_is_empty() {
        for (suffix, value) in [
            ("String", json!(" \n")),
            ("Uri", json!("")),
            ("Coding", json!({"system": "urn:x"})),
            ("Quantity", json!({"unit": "kg"})),
            ("Attachment", json!({"title": "x"})),
            ("Reference", json!({})),
        ] {
            assert_eq!(read(suffix, value), Err(IssueCode::EmptyAnswer), "{suffix}");
        }
    }

    #[test]
    fn only_fhirs_answer_types_are_known_and_in_fhirs_spelling() {
        for suffix in ["Code", "coding", "CODING", "Datetime", "CodeableConcept", ""] {
            assert_eq!(Datatype::of_suffix(suffix), None, "{suffix}");
        }
        assert_eq!(Datatype::of_suffix("DateTime"), Some(Datatype::DateTime));
    }

    #[test]
    fn amounts_in_other_units_have_no_order() {
        let amount = |value: f64, unit: &str| read("Quantity", json!({"value": value, "unit": unit})).unwrap();
        assert_eq!(amount(1.0, "kg").order(&amount(2.0, "kg")), Some(Ordering::Less));
        assert_eq!(amount(1.0, "kg").order(&amount(2.0, "g")), None);
        assert!(!amount(1.0, "kg").equals(&amount(1.0, "g")));
    }

    #[test]
    fn an_answer_never_prints() {
        let answer = read("String", json!("hemligt")).unwrap();
        assert_eq!(format!("{answer:?}"), "string(•)");
    }
}
