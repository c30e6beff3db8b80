//! The form itself: a FHIR R4 `Questionnaire`, read once, and sound or refused with every fault at once.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
};

use serde_json::Value;

use super::{
    DEPTH_MAX, ITEMS_MAX,
    answer::{Answer, Datatype},
    code::IssueCode,
    enable::Enable,
    issue::Issue,
    limits::Limits,
    moment::Moment,
    options::{Choices, Contained, Membership},
    read::{Findings, Object},
};

/// Bytes of a linkId (FHIR recommends at most 255).
const LINK_ID_BYTES_MAX: usize = 255;
/// Compiled patterns are the dearest part of a form.
const REGEXES_MAX: usize = 50;

/// A form that can be filled in and checked.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "read for its faults too; pages that show the rest come with the staff web")
)]
pub struct Questionnaire {
    pub url: Option<String>,
    pub version: Option<String>,
    pub title: Option<String>,
    pub status: PublicationStatus,
    pub items: Vec<Item>,
    pub(super) effective_from: Option<Moment>,
    pub(super) effective_to: Option<Moment>,
    /// By linkId: the linkId of the item that holds it.
    parents: HashMap<String, Option<String>>,
}

/// FHIR's `Questionnaire.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicationStatus {
    Draft,
    Active,
    Retired,
    Unknown,
}

/// A group, a question or a text to show.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "read for its faults too; pages that show the rest come with the staff web")
)]
pub struct Item {
    pub link_id: String,
    pub text: Option<String>,
    pub kind: ItemType,
    pub required: bool,
    /// A question: several answers; a group: several occurrences.
    pub repeats: bool,
    pub choices: Choices,
    /// Filled in beforehand.
    pub initial: Vec<Answer>,
    pub items: Vec<Item>,
    pub(super) limits: Limits,
    pub(super) enable: Enable,
}

/// FHIR R4's item types; its abstract `question` is none that a form may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemType {
    Group,
    Display,
    Boolean,
    Decimal,
    Integer,
    Date,
    DateTime,
    Time,
    String,
    Text,
    Url,
    Choice,
    OpenChoice,
    Attachment,
    Reference,
    Quantity,
}

/// Type, its name in FHIR, the type of its answers unless options say otherwise.
const ITEM_TYPES: [(ItemType, &str, Option<Datatype>); 16] = [
    (ItemType::Group, "group", None),
    (ItemType::Display, "display", None),
    (ItemType::Boolean, "boolean", Some(Datatype::Boolean)),
    (ItemType::Decimal, "decimal", Some(Datatype::Decimal)),
    (ItemType::Integer, "integer", Some(Datatype::Integer)),
    (ItemType::Date, "date", Some(Datatype::Date)),
    (ItemType::DateTime, "dateTime", Some(Datatype::DateTime)),
    (ItemType::Time, "time", Some(Datatype::Time)),
    (ItemType::String, "string", Some(Datatype::String)),
    (ItemType::Text, "text", Some(Datatype::String)),
    (ItemType::Url, "url", Some(Datatype::Uri)),
    (ItemType::Choice, "choice", Some(Datatype::Coding)),
    (ItemType::OpenChoice, "open-choice", Some(Datatype::Coding)),
    (ItemType::Attachment, "attachment", Some(Datatype::Attachment)),
    (ItemType::Reference, "reference", Some(Datatype::Reference)),
    (ItemType::Quantity, "quantity", Some(Datatype::Quantity)),
];

impl ItemType {
    /// By FHIR's name.
    pub fn parse(name: &str) -> Option<ItemType> {
        ITEM_TYPES.iter().find(|(_, known, _)| *known == name).map(|(kind, ..)| *kind)
    }

    #[cfg(test)]
    /// FHIR's name.
    pub fn name(self) -> &'static str {
        ITEM_TYPES.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, _)| name)
    }

    /// `None` for what can't be answered: groups and displays.
    pub fn datatype(self) -> Option<Datatype> {
        ITEM_TYPES.iter().find(|(kind, ..)| *kind == self).and_then(|(.., datatype)| *datatype)
    }
}

impl Item {
    /// The types that an answer may have: those of the options where there are any, and free text in an open choice.
    pub fn accepts(&self) -> Vec<Datatype> {
        let mut accepted: Vec<Datatype> = match &self.choices {
            Choices::Options(options) => options.iter().map(|option| option.value.datatype()).collect(),
            Choices::Any | Choices::Set(_) => self.kind.datatype().into_iter().collect(),
        };
        if self.kind == ItemType::OpenChoice {
            accepted.push(Datatype::String);
        }
        let mut seen = Vec::new();
        accepted.retain(|datatype| {
            !seen.contains(datatype) && {
                seen.push(*datatype);
                true
            }
        });
        accepted
    }
}

impl Questionnaire {
    /// Reads a form. The issues are its faults, pointers into the form.
    pub fn parse(value: &Value) -> Result<Questionnaire, Vec<Issue>> {
        let mut findings = Findings::default();
        let form = Object::read(value, String::new(), &mut findings).and_then(|object| {
            match object.fields.get("resourceType").and_then(Value::as_str) {
                Some("Questionnaire") => read_form(&object, &mut findings),
                _ => {
                    findings.add(IssueCode::ResourceType, "/resourceType", None, "Questionnaire");
                    None
                }
            }
        });
        let issues = findings.into_issues();
        form.filter(|_| issues.is_empty()).ok_or(issues)
    }

    /// `url|version`, `url`, or nothing for a form without a name.
    pub fn canonical(&self) -> Option<String> {
        match (&self.url, &self.version) {
            (Some(url), Some(version)) => Some(format!("{url}|{version}")),
            (url, _) => url.clone(),
        }
    }

    /// The item of that linkId, on whatever level.
    pub fn item(&self, link_id: &str) -> Option<&Item> {
        fn find<'a>(items: &'a [Item], link_id: &str) -> Option<&'a Item> {
            items.iter().find_map(|item| if item.link_id == link_id { Some(item) } else { find(&item.items, link_id) })
        }
        find(&self.items, link_id)
    }

    /// Whether the one item is somewhere within the other.
    pub(super) fn is_below(&self, link_id: &str, ancestor: &str) -> bool {
        let parent = |of: &str| self.parents.get(of).and_then(Option::as_deref);
        let mut at = parent(link_id);
        for _ in 0..DEPTH_MAX {
            match at {
                Some(above) if above == ancestor => return true,
                Some(above) => at = parent(above),
                None => return false,
            }
        }
        false
    }
}

impl fmt::Debug for Questionnaire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Questionnaire({:?})", self.canonical())
    }
}

/// The elements of FHIR R4 on a form, and on its items.
const FORM_ELEMENTS: &[&str] = &[
    "resourceType",
    "meta",
    "language",
    "text",
    "contained",
    "url",
    "identifier",
    "version",
    "name",
    "title",
    "derivedFrom",
    "status",
    "experimental",
    "subjectType",
    "date",
    "publisher",
    "contact",
    "description",
    "useContext",
    "jurisdiction",
    "purpose",
    "copyright",
    "approvalDate",
    "lastReviewDate",
    "effectivePeriod",
    "code",
    "item",
];
const ITEM_ELEMENTS: &[&str] = &[
    "linkId",
    "definition",
    "code",
    "prefix",
    "text",
    "type",
    "enableWhen",
    "enableBehavior",
    "required",
    "repeats",
    "readOnly",
    "maxLength",
    "answerValueSet",
    "answerOption",
    "initial",
    "item",
];

fn read_form(object: &Object<'_>, findings: &mut Findings) -> Option<Questionnaire> {
    object.only(FORM_ELEMENTS, findings);
    let contained = Contained::read(object, findings);
    let mut reading = Reading { contained: &contained, parents: HashMap::new(), regexes: 0, findings };
    let items = reading.items(object, None, 1);
    let parents = reading.parents;
    let (effective_from, effective_to) = effective_period(object, findings);
    // Of these only the type is judged here.
    object.owned("description", findings);
    let form = Questionnaire {
        url: object.owned("url", findings),
        version: object.owned("version", findings),
        title: object.owned("title", findings),
        status: status(object, findings)?,
        items,
        effective_from,
        effective_to,
        parents,
    };
    check_conditions(&form, &form.items, "", findings);
    Some(form)
}

fn status(object: &Object<'_>, findings: &mut Findings) -> Option<PublicationStatus> {
    let status = match object.fields.get("status").and_then(Value::as_str) {
        Some("draft") => Some(PublicationStatus::Draft),
        Some("active") => Some(PublicationStatus::Active),
        Some("retired") => Some(PublicationStatus::Retired),
        Some("unknown") => Some(PublicationStatus::Unknown),
        _ => None,
    };
    if status.is_none() {
        findings.add(IssueCode::InvalidStatus, "/status", None, "draft, active, retired, unknown");
    }
    status
}

fn effective_period(object: &Object<'_>, findings: &mut Findings) -> (Option<Moment>, Option<Moment>) {
    let Some(period) = object.object("effectivePeriod", findings) else { return (None, None) };
    period.only(&["start", "end"], findings);
    let mut moment = |element: &str| {
        let moment = Moment::date_time(period.text(element, findings)?);
        if moment.is_none() {
            findings.add(IssueCode::Structure, &period.at(element), None, "dateTime");
        }
        moment
    };
    (moment("start"), moment("end"))
}

/// Recursion is bounded by the depth that reading allowed.
fn check_conditions(form: &Questionnaire, items: &[Item], pointer: &str, findings: &mut Findings) {
    for (index, item) in items.iter().enumerate() {
        let pointer = format!("{pointer}/item/{index}");
        item.enable.check(form, item, &pointer, findings);
        check_conditions(form, &item.items, &pointer, findings);
    }
}

/// What the items of a form have in common while they are read.
struct Reading<'a, 'o> {
    contained: &'a Contained<'o>,
    parents: HashMap<String, Option<String>>,
    regexes: usize,
    findings: &'a mut Findings,
}

impl Reading<'_, '_> {
    fn items(&mut self, parent: &Object<'_>, parent_id: Option<&str>, depth: usize) -> Vec<Item> {
        let objects = parent.objects("item", self.findings);
        if depth > DEPTH_MAX && !objects.is_empty() {
            self.findings.add(IssueCode::TooLarge, &parent.at("item"), parent_id, format!("{DEPTH_MAX} item/item"));
            return Vec::new();
        }
        // An item that can't be read keeps its index from the others: the form is refused anyhow.
        objects.iter().filter_map(|object| self.item(object, parent_id, depth)).collect()
    }

    fn item(&mut self, object: &Object<'_>, parent_id: Option<&str>, depth: usize) -> Option<Item> {
        object.only(ITEM_ELEMENTS, self.findings);
        let link_id = self.link_id(object, parent_id);
        let kind = object.text("type", self.findings).and_then(ItemType::parse);
        if kind.is_none() {
            self.findings.add(IssueCode::UnknownItemType, &object.at("type"), link_id.as_deref(), "");
        }
        let (link_id, kind) = (link_id?, kind?);
        let items = self.items(object, Some(&link_id), depth + 1);
        let findings = &mut *self.findings;
        let is_rightly_nested = match kind {
            ItemType::Group => !items.is_empty() || findings.is_fatal(),
            ItemType::Display => items.is_empty(),
            _ => true,
        };
        if !is_rightly_nested {
            findings.add(IssueCode::ItemNesting, &object.pointer, Some(&link_id), "");
        }
        misplaced(object, kind, &link_id, findings);
        // Of these only the type is judged here.
        object.owned("prefix", findings);
        object.flag("readOnly", findings);
        let item = Item {
            text: object.owned("text", findings),
            required: object.flag("required", findings),
            repeats: object.flag("repeats", findings),
            choices: Choices::read(object, kind, self.contained, findings),
            initial: Vec::new(),
            limits: Limits::read(object, kind, self.contained, findings),
            enable: Enable::read(object, findings),
            link_id,
            kind,
            items,
        };
        self.regexes += usize::from(item.limits.regex.is_some());
        if self.regexes == REGEXES_MAX + 1 {
            findings.add(IssueCode::TooLarge, &object.pointer, Some(&item.link_id), format!("{REGEXES_MAX} regex"));
        }
        let initial = initial(object, &item, findings);
        Some(Item { initial, ..item })
    }

    fn link_id(&mut self, object: &Object<'_>, parent_id: Option<&str>) -> Option<String> {
        if !object.fields.contains_key("linkId") {
            self.findings.add(IssueCode::MissingElement, &object.pointer, None, "linkId");
        }
        let link_id = object.owned("linkId", self.findings)?;
        let pointer = object.at("linkId");
        if link_id.len() > LINK_ID_BYTES_MAX {
            self.findings.add(IssueCode::TooLarge, &pointer, None, format!("{LINK_ID_BYTES_MAX} bytes"));
        }
        if self.parents.len() == ITEMS_MAX {
            self.findings.add(IssueCode::TooLarge, &pointer, None, format!("{ITEMS_MAX} item"));
            return None;
        }
        match self.parents.entry(link_id.clone()) {
            Entry::Occupied(_) => self.findings.add(IssueCode::DuplicateLinkId, &pointer, Some(&link_id), ""),
            Entry::Vacant(entry) => {
                entry.insert(parent_id.map(str::to_owned));
            }
        }
        Some(link_id)
    }
}

/// FHIR R4's rules que-6, que-8, que-9 and que-10: elements that say nothing on that type of item.
fn misplaced(object: &Object<'_>, kind: ItemType, link_id: &str, findings: &mut Findings) {
    let elements: &[&str] = match kind {
        ItemType::Display => &["required", "repeats", "readOnly", "initial", "maxLength"],
        ItemType::Group => &["initial", "maxLength"],
        ItemType::Boolean
        | ItemType::Decimal
        | ItemType::Integer
        | ItemType::String
        | ItemType::Text
        | ItemType::Url
        | ItemType::OpenChoice => &[],
        _ => &["maxLength"],
    };
    for element in elements.iter().filter(|element| object.fields.contains_key(**element)) {
        findings.add(IssueCode::MisplacedElement, &object.at(element), Some(link_id), *element);
    }
}

/// Answers given beforehand must be answers that could be given (and que-11, que-13).
fn initial(object: &Object<'_>, item: &Item, findings: &mut Findings) -> Vec<Answer> {
    let objects = object.objects("initial", findings);
    let has_options = matches!(item.choices, Choices::Options(_));
    if !objects.is_empty() && (has_options || (objects.len() > 1 && !item.repeats)) {
        findings.add(IssueCode::InvalidInitial, &object.at("initial"), Some(&item.link_id), "");
    }
    let accepted = item.accepts();
    let mut answers = Vec::new();
    for object in objects {
        object.only(&["value[x]"], findings);
        let answer = match object.choice("value")[..] {
            [(suffix, value)] => Datatype::of_suffix(suffix)
                .filter(|datatype| accepted.contains(datatype))
                .and_then(|datatype| Answer::read(datatype, value).ok())
                .filter(|answer| item.choices.membership(answer) != Membership::NotMember),
            _ => None,
        };
        if answer.is_none() {
            findings.add(IssueCode::InvalidInitial, &object.pointer, Some(&item.link_id), "");
        }
        answers.extend(answer);
    }
    answers
}
