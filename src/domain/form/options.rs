//! What may be chosen: a question's own options, or a value set that came with the form or is known by heart.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    answer::{Answer, Coding, Datatype},
    code::IssueCode,
    questionnaire::ItemType,
    read::{Findings, Object},
    terminology::{self, CodeSystem, KnownSet},
};

/// Lists within an expansion's lists.
const EXPANSION_DEPTH_MAX: usize = 10;
/// The types that an option may have (FHIR R4, `Questionnaire.item.answerOption.value[x]`).
const OPTION_TYPES: [Datatype; 6] =
    [Datatype::Integer, Datatype::Date, Datatype::Time, Datatype::String, Datatype::Coding, Datatype::Reference];
const OPTION_EXCLUSIVE: &str = "http://hl7.org/fhir/StructureDefinition/questionnaire-optionExclusive";

/// What a choice question offers.
pub enum Choices {
    /// The form does not say: any coding.
    Any,
    Options(Vec<AnswerOption>),
    Set(ValueSet),
}

/// One option of a question.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "read for its faults too; pages that show the rest come with the staff web")
)]
pub struct AnswerOption {
    pub value: Answer,
    /// Chosen until the person chooses otherwise.
    pub initial_selected: bool,
    /// Can't be chosen together with another.
    pub exclusive: bool,
}

/// Whether a coding is in a value set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    Member,
    NotMember,
    /// The set's content is not all known here.
    Unknown,
}

/// The codes of a value set, as far as they are known.
#[derive(Default)]
pub struct ValueSet {
    /// By system and code: the displays that may stand beside it, none if any may.
    concepts: HashMap<(Option<String>, String), Vec<String>>,
    excluded: Vec<(Option<String>, String)>,
    /// Systems of which it holds codes that are not listed; `None` is any system.
    unlisted: Vec<Option<String>>,
    jurisdiction: bool,
}

/// The value sets in a form's `contained`.
pub struct Contained<'a>(Vec<(Option<&'a str>, Option<&'a str>, Object<'a>)>);

impl<'a> Contained<'a> {
    pub fn read(form: &Object<'a>, findings: &mut Findings) -> Contained<'a> {
        let mut sets = form.objects("contained", findings);
        sets.retain(|set| set.fields.get("resourceType").and_then(Value::as_str) == Some("ValueSet"));
        let named = sets.into_iter().map(|set| (set.text("id", findings), set.text("url", findings), set));
        Contained(named.collect())
    }

    /// The set that a canonical names: `#id`, or a URL with or without `|version`. A fragment must be there;
    /// a URL that nobody here knows is a set of unknown content.
    pub fn resolve(&self, canonical: &str, findings: &mut Findings) -> Option<ValueSet> {
        let url = canonical.split('|').next().unwrap_or(canonical);
        let found = self.0.iter().find(|(id, set_url, _)| match canonical.strip_prefix('#') {
            Some(fragment) => *id == Some(fragment),
            None => *set_url == Some(url),
        });
        match (found, terminology::known_set(url)) {
            (Some((.., set)), _) => Some(ValueSet::read(set, findings)),
            (None, Some(known)) => Some(ValueSet::known(&known)),
            (None, None) if canonical.starts_with('#') => None,
            (None, None) => Some(ValueSet { unlisted: vec![None], ..ValueSet::default() }),
        }
    }
}

impl ValueSet {
    fn known(known: &KnownSet) -> ValueSet {
        let mut set = ValueSet { jurisdiction: matches!(known, KnownSet::Jurisdiction), ..ValueSet::default() };
        if let KnownSet::Whole(system) = known {
            set.include_whole(system);
        }
        set
    }

    /// An expansion says it all; otherwise what `compose` lists.
    fn read(object: &Object<'_>, findings: &mut Findings) -> ValueSet {
        let mut set = ValueSet::default();
        if let Some(expansion) = object.object("expansion", findings) {
            set.include_expansion(&expansion, EXPANSION_DEPTH_MAX, findings);
        } else if let Some(compose) = object.object("compose", findings) {
            for include in compose.objects("include", findings) {
                set.include(&include, findings);
            }
            for exclude in compose.objects("exclude", findings) {
                set.exclude(&exclude, findings);
            }
        }
        set
    }

    fn include_whole(&mut self, system: &CodeSystem) {
        for (code, display) in system.concepts {
            let key = (Some(system.system.to_owned()), (*code).to_owned());
            self.concepts.insert(key, vec![(*display).to_owned()]);
        }
    }

    fn include(&mut self, include: &Object<'_>, findings: &mut Findings) {
        let system = include.owned("system", findings);
        let concepts = include.objects("concept", findings);
        let is_filtered = include.fields.contains_key("filter") || include.fields.contains_key("valueSet");
        match system.as_deref().and_then(terminology::known_system) {
            _ if !concepts.is_empty() => {
                concepts.iter().for_each(|c| self.include_concept(system.clone(), c, findings))
            }
            Some(known) if !is_filtered => self.include_whole(known),
            _ => self.unlisted.push(system),
        }
    }

    fn include_concept(&mut self, system: Option<String>, concept: &Object<'_>, findings: &mut Findings) {
        let Some(code) = concept.owned("code", findings) else { return };
        let mut displays: Vec<String> = concept.owned("display", findings).into_iter().collect();
        for designation in concept.objects("designation", findings) {
            displays.extend(designation.owned("value", findings));
        }
        self.concepts.insert((system, code), displays);
    }

    fn include_expansion(&mut self, list: &Object<'_>, depth: usize, findings: &mut Findings) {
        if depth == 0 {
            return findings.add(IssueCode::TooLarge, &list.pointer, None, format!("{EXPANSION_DEPTH_MAX} contains"));
        }
        for concept in list.objects("contains", findings) {
            // FHIR: an abstract or inactive entry groups others, and can't be chosen itself.
            if !concept.flag("abstract", findings) && !concept.flag("inactive", findings) {
                self.include_concept(concept.owned("system", findings), &concept, findings);
            }
            self.include_expansion(&concept, depth - 1, findings);
        }
    }

    fn exclude(&mut self, exclude: &Object<'_>, findings: &mut Findings) {
        let system = exclude.owned("system", findings);
        let concepts = exclude.objects("concept", findings);
        if concepts.is_empty() {
            // What else it takes away is not known, so nothing of that system is certain any more.
            self.concepts.retain(|(of, _), _| system.is_some() && *of != system);
            self.unlisted.push(system.clone());
        }
        for code in concepts.iter().filter_map(|concept| concept.owned("code", findings)) {
            self.excluded.push((system.clone(), code));
        }
    }

    /// By system and code; a display beside them must be one of the concept's, in any case and spacing.
    pub fn membership(&self, coding: &Coding) -> Membership {
        let shown = |display: &str| display.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let Some(code) = &coding.code else { return Membership::NotMember };
        let key = (coding.system.clone(), code.clone());
        if self.excluded.contains(&key) {
            return Membership::NotMember;
        }
        if let Some(displays) = self.concepts.get(&key) {
            let fits = |display: &String| displays.is_empty() || displays.iter().any(|d| shown(d) == shown(display));
            return if coding.display.as_ref().is_none_or(fits) { Membership::Member } else { Membership::NotMember };
        }
        let in_unlisted = self.unlisted.iter().any(|system| system.is_none() || *system == coding.system);
        match self.jurisdiction.then(|| terminology::is_jurisdiction(coding.system.as_deref(), code)) {
            Some(Some(true)) => Membership::Member,
            Some(None) => Membership::Unknown,
            _ if in_unlisted => Membership::Unknown,
            _ => Membership::NotMember,
        }
    }
}

impl Choices {
    /// Reads `answerOption` and `answerValueSet`; with neither, anything of the type may be answered.
    pub fn read(item: &Object<'_>, kind: ItemType, contained: &Contained<'_>, findings: &mut Findings) -> Choices {
        let options = item.objects("answerOption", findings);
        let set = item.text("answerValueSet", findings);
        if !matches!(kind, ItemType::Choice | ItemType::OpenChoice) {
            for element in ["answerOption", "answerValueSet"].into_iter().filter(|e| item.fields.contains_key(*e)) {
                findings.add(IssueCode::MisplacedElement, &item.at(element), None, element);
            }
            return Choices::Any;
        }
        if !options.is_empty() && set.is_some() {
            findings.add(IssueCode::OptionsAndValueSet, &item.pointer, None, "");
        }
        match set {
            Some(canonical) => contained.resolve(canonical, findings).map_or_else(
                || {
                    findings.add(IssueCode::MissingValueSet, &item.at("answerValueSet"), None, "");
                    Choices::Any
                },
                Choices::Set,
            ),
            None if options.is_empty() => Choices::Any,
            None => Choices::Options(answer_options(&options, findings)),
        }
    }

    /// Whether an answer of an accepted type is offered. Free text of an open choice is not asked about.
    pub fn membership(&self, answer: &Answer) -> Membership {
        match (self, answer) {
            (Choices::Options(options), _) if !options.iter().any(|o| o.value.equals(answer)) => Membership::NotMember,
            (Choices::Set(set), Answer::Coding(coding)) => set.membership(coding),
            _ => Membership::Member,
        }
    }
}

fn answer_options(options: &[Object<'_>], findings: &mut Findings) -> Vec<AnswerOption> {
    let mut read: Vec<AnswerOption> = Vec::new();
    for option in options {
        option.only(&["value[x]", "initialSelected"], findings);
        let value = match option.choice("value")[..] {
            [(suffix, value)] => Datatype::of_suffix(suffix)
                .filter(|datatype| OPTION_TYPES.contains(datatype))
                .and_then(|datatype| Answer::read(datatype, value).ok()),
            _ => None,
        };
        let Some(value) = value else {
            let expected = OPTION_TYPES.map(Datatype::name).join("|");
            findings.add(IssueCode::Structure, &option.at("value[x]"), None, expected);
            continue;
        };
        if read.iter().any(|other| other.value.equals(&value)) {
            findings.add(IssueCode::DuplicateOption, &option.pointer, None, "");
        }
        let exclusive = option.objects("extension", findings).iter().any(|extension| {
            extension.fields.get("url").and_then(Value::as_str) == Some(OPTION_EXCLUSIVE)
                && extension.flag("valueBoolean", findings)
        });
        read.push(AnswerOption { value, initial_selected: option.flag("initialSelected", findings), exclusive });
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(body: &Value) -> ValueSet {
        let mut findings = Findings::default();
        let form = json!({"contained": [{"resourceType": "Patient"}, body]});
        let object = Object::read(&form, String::new(), &mut findings).unwrap();
        let set = Contained::read(&object, &mut findings).resolve("#vs", &mut findings).unwrap();
        assert!(findings.into_issues().is_empty());
        set
    }

    fn coding(system: &str, code: &str, display: Option<&str>) -> Coding {
        Coding { system: Some(system.into()), code: Some(code.into()), display: display.map(str::to_owned) }
    }

    #[test]
    fn a_composed_set_knows_its_concepts_and_any_of_their_displays() {
        let set = set(&json!({"resourceType": "ValueSet", "id": "vs", "compose": {
            "include": [
                {"system": "urn:x", "concept": [
                    {"code": "a", "display": "Ja", "designation": [{"language": "en", "value": "Yes"}]}, {"code": "b"}]},
                {"system": "urn:whole"}],
            "exclude": [{"system": "urn:whole", "concept": [{"code": "z"}]}]}}));
        for (system, code, display, expected) in [
            ("urn:x", "a", None, Membership::Member),
            ("urn:x", "a", Some("  ja "), Membership::Member),
            ("urn:x", "a", Some("YES"), Membership::Member),
            ("urn:x", "a", Some("Nej"), Membership::NotMember),
            ("urn:x", "b", Some("whatever"), Membership::Member),
            ("urn:x", "c", None, Membership::NotMember),
            ("urn:y", "a", None, Membership::NotMember),
            ("urn:whole", "q", None, Membership::Unknown),
            ("urn:whole", "z", None, Membership::NotMember),
        ] {
            assert_eq!(set.membership(&coding(system, code, display)), expected, "{system} {code} {display:?}");
        }
    }

    #[test]
    fn an_expansion_counts_before_what_it_was_composed_of_and_its_headings_cannot_be_chosen() {
        let set = set(&json!({"resourceType": "ValueSet", "id": "vs",
            "compose": {"include": [{"system": "urn:x"}]},
            "expansion": {"contains": [
                {"system": "urn:x", "code": "heading", "abstract": true, "contains": [{"system": "urn:x", "code": "a"}]}]}}));
        assert_eq!(set.membership(&coding("urn:x", "a", None)), Membership::Member);
        assert_eq!(set.membership(&coding("urn:x", "heading", None)), Membership::NotMember);
        assert_eq!(set.membership(&coding("urn:x", "b", None)), Membership::NotMember);
    }

    #[test]
    fn an_exclusion_that_cannot_be_worked_out_leaves_the_system_unknown() {
        let set = set(&json!({"resourceType": "ValueSet", "id": "vs", "compose": {
            "include": [{"system": "urn:x", "concept": [{"code": "a"}]}, {"system": "urn:y", "concept": [{"code": "b"}]}],
            "exclude": [{"system": "urn:x", "filter": []}]}}));
        assert_eq!(set.membership(&coding("urn:x", "a", None)), Membership::Unknown);
        assert_eq!(set.membership(&coding("urn:y", "b", None)), Membership::Member);
    }

    #[test]
    fn countries_are_known_and_their_parts_are_not() {
        let set = ValueSet::known(&KnownSet::Jurisdiction);
        for (system, code, expected) in [
            ("urn:iso:std:iso:3166", "SE", Membership::Member),
            ("urn:iso:std:iso:3166", "XX", Membership::NotMember),
            ("urn:iso:std:iso:3166:-2", "SE-AB", Membership::Unknown),
            ("urn:x", "SE", Membership::NotMember),
        ] {
            assert_eq!(set.membership(&coding(system, code, None)), expected, "{system} {code}");
        }
    }
}
