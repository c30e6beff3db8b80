//! One small function a rule about one answer's value. To add a rule is to write its function and name it in the table.

use std::cmp::Ordering;

use super::{
    answer::{Answer, Attachment, Coding, Quantity, Reference},
    code::IssueCode,
    options::{Choices, Membership},
    questionnaire::{Item, ItemType},
    terminology,
};

/// A rule broken: its code, and what the rule asks for.
pub type Broken = (IssueCode, String);
type Rule = fn(&Item, &Answer) -> Option<Broken>;

const RULES: [Rule; 18] = [
    option,
    value_set,
    min_length,
    max_length,
    one_line,
    pattern,
    min_value,
    max_value,
    min_value_unit,
    max_value_unit,
    decimal_places,
    unit,
    unit_value_set,
    attachment_type,
    attachment_size,
    attachment_said_size,
    reference_form,
    reference_type,
];

/// Every rule that an answer of an accepted type breaks.
pub fn broken<'a>(item: &'a Item, answer: &'a Answer) -> impl Iterator<Item = Broken> + 'a {
    RULES.iter().filter_map(move |rule| rule(item, answer))
}

fn option(item: &Item, answer: &Answer) -> Option<Broken> {
    let is_free_text = item.kind == ItemType::OpenChoice && matches!(answer, Answer::Text(_));
    let is_off = matches!(item.choices, Choices::Options(_)) && !is_free_text;
    (is_off && item.choices.membership(answer) != Membership::Member)
        .then(|| (IssueCode::InvalidAnswerOption, String::new()))
}

fn value_set(item: &Item, answer: &Answer) -> Option<Broken> {
    let Choices::Set(_) = item.choices else { return None };
    match item.choices.membership(answer) {
        Membership::Member => None,
        Membership::NotMember => Some((IssueCode::InvalidCoding, String::new())),
        Membership::Unknown => Some((IssueCode::TsError, String::new())),
    }
}

/// FHIR counts Unicode characters.
fn characters(answer: &Answer) -> Option<u64> {
    u64::try_from(answer.text()?.chars().count()).ok()
}

fn min_length(item: &Item, answer: &Answer) -> Option<Broken> {
    let limit = item.limits.min_length?;
    (characters(answer)? < limit).then(|| (IssueCode::MinLength, limit.to_string()))
}

fn max_length(item: &Item, answer: &Answer) -> Option<Broken> {
    let limit = item.limits.max_length?;
    (characters(answer)? > limit).then(|| (IssueCode::MaxLength, limit.to_string()))
}

/// FHIR: `string` is a short entry, `text` one of several lines.
fn one_line(item: &Item, answer: &Answer) -> Option<Broken> {
    let is_broken = item.kind == ItemType::String && answer.text()?.contains(['\r', '\n']);
    is_broken.then(|| (IssueCode::InvalidNewLine, String::new()))
}

fn pattern(item: &Item, answer: &Answer) -> Option<Broken> {
    let regex = item.limits.regex.as_ref()?;
    (!regex.is_match(&answer.written()?)).then(|| (IssueCode::Regex, String::new()))
}

/// How a limit is written for people. It is the form's, so it may be shown.
fn shown(limit: &Answer) -> String {
    match limit {
        Answer::Quantity(Quantity { value, unit, code, .. }) => {
            format!("{value} {}", unit.as_ref().or(code.as_ref()).map_or("", String::as_str)).trim_end().to_owned()
        }
        limit => limit.written().unwrap_or_default().into_owned(),
    }
}

fn min_value(item: &Item, answer: &Answer) -> Option<Broken> {
    let limit = item.limits.min_value.as_ref()?;
    (answer.order(limit)? == Ordering::Less).then(|| (IssueCode::MinValue, shown(limit)))
}

fn max_value(item: &Item, answer: &Answer) -> Option<Broken> {
    let limit = item.limits.max_value.as_ref()?;
    (answer.order(limit)? == Ordering::Greater).then(|| (IssueCode::MaxValue, shown(limit)))
}

fn is_in_another_unit(answer: &Answer, limit: &Answer) -> bool {
    matches!((answer, limit), (Answer::Quantity(a), Answer::Quantity(b)) if !a.is_comparable(b))
}

fn min_value_unit(item: &Item, answer: &Answer) -> Option<Broken> {
    let limit = item.limits.min_value.as_ref()?;
    is_in_another_unit(answer, limit).then(|| (IssueCode::MinValueIncompatUnits, shown(limit)))
}

fn max_value_unit(item: &Item, answer: &Answer) -> Option<Broken> {
    let limit = item.limits.max_value.as_ref()?;
    is_in_another_unit(answer, limit).then(|| (IssueCode::MaxValueIncompatUnits, shown(limit)))
}

/// Rust writes a number in full and without needless zeros: `0.0000001`, `5.6`.
fn decimal_places(item: &Item, answer: &Answer) -> Option<Broken> {
    let limit = item.limits.max_decimal_places?;
    let number = answer.number()?.to_string();
    let places = number.split_once('.').map_or(0, |(_, places)| places.len());
    (u64::try_from(places).ok()? > limit).then(|| (IssueCode::MaxDecimalPlaces, limit.to_string()))
}

/// The unit as a coding: what `unitOption` and unit value sets are about.
fn unit_of(quantity: &Quantity) -> Coding {
    Coding { system: quantity.system.clone(), code: quantity.code.clone(), display: quantity.unit.clone() }
}

fn unit(item: &Item, answer: &Answer) -> Option<Broken> {
    let Answer::Quantity(quantity) = answer else { return None };
    let unit = unit_of(quantity);
    let units = &item.limits.units;
    (!units.is_empty() && !units.iter().any(|allowed| allowed.equals(&unit))).then(|| {
        let names: Vec<_> = units.iter().filter_map(|u| u.display.as_deref().or(u.code.as_deref())).collect();
        (IssueCode::InvalidUnit, names.join(", "))
    })
}

/// The unit's text is for people, so only system and code count.
fn unit_value_set(item: &Item, answer: &Answer) -> Option<Broken> {
    let (Some(set), Answer::Quantity(quantity)) = (&item.limits.unit_set, answer) else { return None };
    match set.membership(&Coding { display: None, ..unit_of(quantity) }) {
        Membership::Member => None,
        Membership::NotMember => Some((IssueCode::InvalidUnitValueSet, String::new())),
        Membership::Unknown => Some((IssueCode::TsError, String::new())),
    }
}

fn attachment_type(item: &Item, answer: &Answer) -> Option<Broken> {
    let Answer::Attachment(Attachment { content_type, .. }) = answer else { return None };
    let allowed = &item.limits.mime_types;
    let essence = content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let fits = |allowed: &String| match allowed.strip_suffix('*') {
        Some(family) => essence.starts_with(family),
        None => *allowed == essence,
    };
    (!allowed.is_empty() && !allowed.iter().any(fits)).then(|| (IssueCode::InvalidAttachmentType, allowed.join(", ")))
}

fn attachment_size(item: &Item, answer: &Answer) -> Option<Broken> {
    let (Some(limit), Answer::Attachment(file)) = (item.limits.max_size_bytes, answer) else { return None };
    let bytes = file.data_bytes.max(file.size)?;
    (bytes as f64 > limit).then(|| (IssueCode::MaxAttachmentSize, limit.to_string()))
}

fn attachment_said_size(_: &Item, answer: &Answer) -> Option<Broken> {
    let Answer::Attachment(file) = answer else { return None };
    (file.size? != file.data_bytes?).then(|| (IssueCode::AttachmentSizeInconsistent, String::new()))
}

/// What a reference points at: a resource type, or something that has none.
enum Target<'a> {
    Type(&'a str),
    Opaque,
    Malformed,
}

/// `#id`, a URN, or `[base/]Type/id[/_history/version]` (FHIR R4, "References").
fn target(reference: &str) -> Target<'_> {
    if reference.contains(char::is_whitespace) || reference.is_empty() {
        return Target::Malformed;
    }
    if reference.starts_with('#') || reference.starts_with("urn:uuid:") || reference.starts_with("urn:oid:") {
        return Target::Opaque;
    }
    let path = reference.split_once("://").map_or(Some(reference), |(scheme, rest)| {
        let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        is_web.then_some(rest).and_then(|rest| rest.split_once('/')).map(|(_, path)| path)
    });
    let path = path.map(|path| path.split_once("/_history/").map_or(path, |(current, _)| current));
    match path.and_then(|path| path.rsplit_once('/')) {
        Some((base, id)) if !id.is_empty() => Target::Type(base.rsplit('/').next().unwrap_or(base)),
        _ => Target::Malformed,
    }
}

fn reference_form(_: &Item, answer: &Answer) -> Option<Broken> {
    let Answer::Reference(Reference { reference: Some(reference), .. }) = answer else { return None };
    matches!(target(reference), Target::Malformed).then(|| (IssueCode::InvalidRefValue, String::new()))
}

fn reference_type(item: &Item, answer: &Answer) -> Option<Broken> {
    let Answer::Reference(reference) = answer else { return None };
    let pointed_at = match reference.reference.as_deref().map(target) {
        Some(Target::Type(name)) => Some(name),
        _ => None,
    };
    let said = reference.resource_type.as_deref();
    let mut names = [pointed_at, said].into_iter().flatten();
    if names.clone().any(|name| !terminology::is_resource_type(name)) {
        return Some((IssueCode::InvalidRefResourceType, String::new()));
    }
    let allowed = &item.limits.reference_types;
    let is_barred = !allowed.is_empty() && names.any(|name| !allowed.iter().any(|a| a == name));
    is_barred.then(|| (IssueCode::InvalidRefResourceTypeRestriction, allowed.join(", ")))
}
