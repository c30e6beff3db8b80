//! The extensions that limit answers, read once into values. Other extensions do not concern us, save those that would
//! decide what is asked and that we can't evaluate.

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::{
    answer::{Answer, Coding, Datatype},
    code::IssueCode,
    options::{Contained, ValueSet},
    questionnaire::ItemType,
    read::{Findings, Object},
};

const HL7: &str = "http://hl7.org/fhir/StructureDefinition/";
const SDC: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-";
/// FHIR's maxSize counts megabytes; the larger reading, so that nobody who kept to the smaller is refused.
const MEGABYTE_BYTES: f64 = 1_048_576.0;
/// Characters of a pattern.
const REGEX_CHARS_MAX: usize = 1_000;
/// Bytes of a compiled pattern.
const REGEX_BYTES_MAX: usize = 256 * 1024;

/// What an item's answers must keep to. Absent is unlimited.
#[derive(Default)]
pub struct Limits {
    /// Answers of a question, occurrences of a group.
    pub min_occurs: Option<u64>,
    pub max_occurs: Option<u64>,
    /// Characters.
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub min_value: Option<Answer>,
    pub max_value: Option<Answer>,
    pub max_decimal_places: Option<u64>,
    /// Matches whole answers only.
    pub regex: Option<Regex>,
    /// `image/png`, or `image/*`; empty is any.
    pub mime_types: Vec<String>,
    pub max_size_bytes: Option<f64>,
    /// Empty is any.
    pub units: Vec<Coding>,
    pub unit_set: Option<ValueSet>,
    /// Names of resource types; empty is any.
    pub reference_types: Vec<String>,
}

/// What an extension's value is read with.
struct Extension<'a, 'o> {
    name: &'a str,
    value: &'a Value,
    suffix: &'a str,
    kind: ItemType,
    contained: &'a Contained<'o>,
}

impl Limits {
    /// Reads an item's extensions and `maxLength`. A limit that does not fit the item's type is a fault of the form.
    pub fn read(item: &Object<'_>, kind: ItemType, contained: &Contained<'_>, findings: &mut Findings) -> Limits {
        let mut limits = Limits { max_length: item.count("maxLength", findings), ..Limits::default() };
        for object in item.objects("extension", findings) {
            let Some(url) = object.text("url", findings) else {
                findings.add(IssueCode::MissingElement, &object.pointer, None, "url");
                continue;
            };
            let Some(name) = url.strip_prefix(HL7).or_else(|| url.strip_prefix(SDC)) else { continue };
            let (suffix, value) = object.choice("value").first().copied().unwrap_or(("", &Value::Null));
            let extension = Extension { name, value, suffix, kind, contained };
            if let Err(code) = limits.take(&extension, findings) {
                let detail = if code == IssueCode::InvalidRegex { regex_fault(value) } else { name.to_owned() };
                findings.add(code, &object.pointer, None, detail);
            }
        }
        limits
    }

    fn take(&mut self, extension: &Extension<'_, '_>, findings: &mut Findings) -> Result<(), IssueCode> {
        match extension.name {
            "questionnaire-minOccurs" => self.min_occurs = Some(extension.count()?),
            "questionnaire-maxOccurs" => self.max_occurs = Some(extension.count()?),
            "minLength" => self.min_length = Some(extension.count()?),
            "maxDecimalPlaces" => self.max_decimal_places = Some(extension.count()?),
            "minValue" | "minQuantity" => self.min_value = Some(extension.bound()?),
            "maxValue" | "maxQuantity" => self.max_value = Some(extension.bound()?),
            "regex" => self.regex = Some(anchored(extension.text()?).map_err(|_| IssueCode::InvalidRegex)?),
            "mimeType" => self.mime_types.push(extension.text()?.to_ascii_lowercase()),
            "maxSize" => {
                let megabytes = extension.value.as_f64().ok_or(IssueCode::InvalidExtension)?;
                self.max_size_bytes = Some(megabytes * MEGABYTE_BYTES);
            }
            "questionnaire-unit" | "questionnaire-unitOption" => self.units.push(extension.coding()?),
            "questionnaire-unitValueSet" => {
                let set = extension.contained.resolve(extension.text()?, findings);
                self.unit_set = Some(set.ok_or(IssueCode::MissingValueSet)?);
            }
            "questionnaire-referenceResource" => self.reference_types.push(extension.text()?.to_owned()),
            // It hides questions: whoever passes it over would demand answers that nobody was asked for.
            "enableWhenExpression" => return Err(IssueCode::UnsupportedExpression),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Extension<'a, '_> {
    fn count(&self) -> Result<u64, IssueCode> {
        self.value.as_u64().ok_or(IssueCode::InvalidExtension)
    }

    fn text(&self) -> Result<&'a str, IssueCode> {
        self.value.as_str().filter(|text| !text.is_empty()).ok_or(IssueCode::InvalidExtension)
    }

    fn coding(&self) -> Result<Coding, IssueCode> {
        match Answer::read(Datatype::Coding, self.value) {
            Ok(Answer::Coding(coding)) => Ok(coding),
            _ => Err(IssueCode::InvalidExtension),
        }
    }

    /// A value that answers of the item's type can be compared with.
    fn bound(&self) -> Result<Answer, IssueCode> {
        let datatype = Datatype::of_suffix(self.suffix).ok_or(IssueCode::InvalidExtension)?;
        let fits = match self.kind.datatype() {
            Some(Datatype::Integer | Datatype::Decimal) => matches!(datatype, Datatype::Integer | Datatype::Decimal),
            Some(Datatype::Date | Datatype::DateTime) => matches!(datatype, Datatype::Date | Datatype::DateTime),
            Some(own @ (Datatype::Time | Datatype::Quantity)) => datatype == own,
            _ => false,
        };
        let bound = Answer::read(datatype, self.value).ok();
        bound.filter(|_| fits).ok_or(IssueCode::InvalidExtension)
    }
}

/// The pattern for the whole answer. It must stand alone first: `a)|(b` would break out of the brackets put around it.
fn anchored(pattern: &str) -> Result<Regex, regex::Error> {
    if pattern.chars().count() > REGEX_CHARS_MAX {
        return Err(regex::Error::CompiledTooBig(REGEX_CHARS_MAX));
    }
    let build =
        |pattern: &str| RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX).build();
    build(pattern)?;
    // The line break ends a comment that the pattern may have opened with (?x).
    build(&format!(r"\A(?:{pattern})\z")).or_else(|_| build(&format!("\\A(?:{pattern}\n)\\z")))
}

/// Short, for a form's owner; the pattern itself stands in the form.
fn regex_fault(value: &Value) -> String {
    match value.as_str().map(anchored) {
        Some(Err(regex::Error::CompiledTooBig(_))) => format!("> {REGEX_CHARS_MAX} / {REGEX_BYTES_MAX}"),
        Some(Err(regex::Error::Syntax(text))) => text.lines().last().unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_speaks_about_the_whole_answer_and_cannot_break_out() {
        let regex = anchored("[0-9]{2}|x").unwrap();
        assert!(regex.is_match("12") && regex.is_match("x"));
        assert!(!regex.is_match("123") && !regex.is_match("xx") && !regex.is_match("12\n"));
        assert!(anchored("^a$").unwrap().is_match("a"));
        assert!(anchored("a)|(?:b").is_err());
        assert!(anchored("(?x) a # comment").unwrap().is_match("a"));
    }

    #[test]
    fn a_pattern_that_costs_too_much_or_looks_around_is_refused_with_a_reason() {
        for pattern in ["(?=a)b", r"(a)\1", "(", r"(\w{100}){100}", &"a".repeat(1_001)] {
            assert!(anchored(pattern).is_err(), "{pattern}");
            assert!(!regex_fault(&Value::from(pattern)).is_empty(), "{pattern}");
        }
    }
}
