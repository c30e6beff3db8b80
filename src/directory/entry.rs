//! Entries of a directory, out of a file or over the network, and the posts that they tell of. An entry with an HSA-id
//! and a surname is a person's post; one with an HSA-id alone is a unit, and whoever stands below it works there.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, date};

use super::value::{self, ValueFault};
use crate::domain::calendar::local_date;
use crate::domain::id::{HsaId, Private};
use crate::domain::staff::Post;

/// The first day of a post of which the directory tells no beginning.
const SINCE_EVER: Date = date(1900, 1, 1);
/// Values of one attribute; more are no person's.
const VALUES_MAX: usize = 1_000;

/// Under which names the directory keeps what a post is made of. Compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    pub hsa_id: String,
    pub given_name: String,
    pub middle_name: String,
    pub surname: String,
    pub title: String,
    pub mail: String,
    pub start: String,
    pub end: String,
    pub protected: String,
    /// The unit's HSA-id in the person's own entry; none where the tree says it.
    pub unit: Option<String>,
}

impl Default for Attributes {
    /// As the HSA schema names them.
    fn default() -> Attributes {
        Attributes {
            hsa_id: "hsaIdentity".into(),
            given_name: "givenName".into(),
            middle_name: "middleName".into(),
            surname: "sn".into(),
            title: "hsaTitle".into(),
            mail: "mail".into(),
            start: "hsaStartDate".into(),
            end: "hsaEndDate".into(),
            protected: "hsaProtectedPerson".into(),
            unit: None,
        }
    }
}

impl Attributes {
    /// All of them, for a search that asks for no more than it needs.
    pub fn names(&self) -> Vec<&str> {
        let mut names = vec![
            self.hsa_id.as_str(),
            &self.given_name,
            &self.middle_name,
            &self.surname,
            &self.title,
            &self.mail,
            &self.start,
            &self.end,
            &self.protected,
        ];
        names.extend(self.unit.as_deref());
        names
    }
}

/// One entry. Holds names of people: it prints as its place alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The line on which it begins; in the answer to a search its number.
    pub place: u64,
    dn: String,
    values: Vec<(String, Vec<u8>)>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({})", self.place)
    }
}

impl Entry {
    pub fn new(place: u64, dn: String) -> Entry {
        Entry { place, dn, values: Vec::new() }
    }

    /// Adds a value; `description` is the attribute's name, with options behind it or without.
    pub fn add(&mut self, description: &str, value: Vec<u8>) {
        if self.values.len() < VALUES_MAX {
            self.values.push((description.to_ascii_lowercase(), value));
        }
    }

    /// The first value; one without options (`;lang-sv`) before one with.
    fn first(&self, name: &str) -> Option<&[u8]> {
        let name = name.to_ascii_lowercase();
        let is = |description: &str| description.split(';').next() == Some(name.as_str());
        let plain = self.values.iter().find(|(description, _)| *description == name);
        plain.or_else(|| self.values.iter().find(|(description, _)| is(description))).map(|(_, value)| value.as_slice())
    }

    fn text(&self, name: &str) -> Result<Option<&str>, Fault> {
        self.first(name).map_or(Ok(None), value::text).map_err(|fault| (name.to_owned(), fault))
    }

    fn hsa_id(&self, name: &str) -> Result<Option<HsaId>, Fault> {
        let id = self.text(name)?.map(value::hsa_id).transpose();
        id.map_err(|fault| (name.to_owned(), fault))
    }

    fn required(&self, name: &str) -> Result<&str, Fault> {
        self.text(name)?.ok_or_else(|| (name.to_owned(), ValueFault::Missing))
    }
}

/// Attribute and broken rule.
type Fault = (String, ValueFault);

/// What is unfit in an entry: then it gives no post, or one without title or mail address. Never holds a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryFault {
    /// As `Entry::place`.
    pub place: u64,
    pub attribute: String,
    pub fault: ValueFault,
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, attribute {}: {}; {}", self.place, self.attribute, self.fault.rule(), self.fault.remedy())
    }
}

/// The posts that entries tell of, and what is unfit in them. A title or a mail address that is unfit costs only itself:
/// nobody is put out for it.
pub fn posts(entries: &[Entry], attributes: &Attributes, now: Timestamp) -> (Vec<Post>, Vec<EntryFault>) {
    let mut units = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.first(&attributes.surname).is_none()) {
        if let Ok(Some(unit)) = entry.hsa_id(&attributes.hsa_id) {
            units.insert(names_upwards(&entry.dn).join(","), unit);
        }
    }
    let (mut posts, mut faults, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for entry in entries.iter().filter(|entry| entry.first(&attributes.surname).is_some()) {
        let mut unfit = |(attribute, fault): Fault| faults.push(EntryFault { place: entry.place, attribute, fault });
        match post(entry, attributes, &units, now, &mut unfit) {
            Ok(post) if seen.insert((post.person.clone(), post.unit.clone(), post.start, post.end)) => posts.push(post),
            Ok(_) => unfit((attributes.hsa_id.clone(), ValueFault::Duplicate)),
            Err(fault) => unfit(fault),
        }
    }
    (posts, faults)
}

fn post(
    entry: &Entry,
    names: &Attributes,
    units: &HashMap<String, HsaId>,
    now: Timestamp,
    unfit: &mut impl FnMut(Fault),
) -> Result<Post, Fault> {
    let person = value::hsa_id(entry.required(&names.hsa_id)?).map_err(|fault| (names.hsa_id.clone(), fault))?;
    let unit = match &names.unit {
        Some(attribute) => entry.hsa_id(attribute)?.ok_or_else(|| (attribute.clone(), ValueFault::Missing))?,
        None => unit_above(&entry.dn, units).ok_or_else(|| (names.hsa_id.clone(), ValueFault::Unit))?,
    };
    let given_name = entry.required(&names.given_name)?;
    let surname = entry.required(&names.surname)?;
    let surname = match entry.text(&names.middle_name)? {
        Some(middle) => format!("{middle} {surname}"),
        None => surname.to_owned(),
    };
    let day = |name: &str, read: fn(&str, Timestamp) -> Option<Date>| match entry.text(name)? {
        Some(text) => read(text, now).map(Some).ok_or_else(|| (name.to_owned(), ValueFault::Moment)),
        None => Ok(None),
    };
    let start = day(&names.start, first_day)?.unwrap_or(SINCE_EVER);
    let end = day(&names.end, last_day)?;
    let mail = entry
        .text(&names.mail)
        .and_then(|text| text.map(value::mail).transpose().map_err(|fault| (names.mail.clone(), fault)));
    let mail = mail.unwrap_or_else(|fault| {
        unfit(fault);
        None
    });
    let title = entry.text(&names.title).unwrap_or_else(|fault| {
        unfit(fault);
        None
    });
    Ok(Post {
        person,
        given_name: Private::new(given_name.to_owned()),
        surname: Private::new(surname),
        title: title.map(str::to_owned),
        mail,
        unit,
        start,
        // A post that ended before it began never was one: it ends where it begins, the day before.
        end: end.map(|end| end.max(start.saturating_sub(jiff::Span::new().days(1)))),
        protected: match entry.text(&names.protected)? {
            None => false,
            Some(text) if text.eq_ignore_ascii_case("false") => false,
            Some(text) if text.eq_ignore_ascii_case("true") => true,
            Some(_) => return Err((names.protected.clone(), ValueFault::Protected)),
        },
    })
}

fn first_day(text: &str, _now: Timestamp) -> Option<Date> {
    match value::date(text) {
        Some(day) => Some(day),
        None => moment(text).map(|moment| moment.map_or_else(|day| day, local_date)),
    }
}

/// A day counts whole. A moment counts to the second: once it has passed, the last day was yesterday at the latest.
fn last_day(text: &str, now: Timestamp) -> Option<Date> {
    if let Some(day) = value::date(text) {
        return Some(day);
    }
    let end = match moment(text)? {
        Ok(end) => end,
        Err(day) => return Some(day),
    };
    let before = local_date(end.saturating_sub(jiff::SignedDuration::from_secs(1)).ok()?);
    let yesterday = local_date(now).saturating_sub(jiff::Span::new().days(1));
    Some(if end <= now { before.min(yesterday) } else { before })
}

/// GeneralizedTime in UTC (RFC 4517, 3.3.13), or the eight digits of a day.
fn moment(text: &str) -> Option<Result<Timestamp, Date>> {
    let digits = text.strip_suffix('Z').unwrap_or(text);
    let digits = digits.split_once(['.', ',']).map_or(digits, |(whole, _)| whole);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let day = || {
        let (day, time) = digits.split_at_checked(8)?;
        let (year, rest) = day.split_at_checked(4)?;
        let (month, day) = rest.split_at_checked(2)?;
        Some((Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?, time))
    };
    let (day, time) = day()?;
    if time.is_empty() && !text.ends_with('Z') {
        return Some(Err(day));
    }
    // Minutes and seconds may be left out; a time that is not in UTC is not guessed at.
    let part = |from: usize| time.get(from..from + 2).map_or(Some(0), |two| two.parse::<i8>().ok());
    if !text.ends_with('Z') || !matches!(time.len(), 2 | 4 | 6) {
        return None;
    }
    let at = jiff::civil::Time::new(part(0)?, part(2)?, part(4)?, 0).ok()?;
    let at = day.to_datetime(at).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Ok(at.timestamp()))
}

/// The HSA-id of the nearest unit above a name.
fn unit_above(dn: &str, units: &HashMap<String, HsaId>) -> Option<HsaId> {
    let names = names_upwards(dn);
    (1..names.len()).find_map(|from| units.get(&names.get(from..)?.join(","))).cloned()
}

/// The parts of a distinguished name, its own first, comparable: without blanks around them, in small letters.
fn names_upwards(dn: &str) -> Vec<String> {
    let (mut names, mut name, mut escaped, mut quoted) = (Vec::new(), String::new(), false, false);
    for c in dn.chars() {
        match c {
            ',' | ';' if !escaped && !quoted => names.push(std::mem::take(&mut name)),
            _ => name.push(c),
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    names.push(name);
    names.iter().map(|name| name.trim().to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T09:15:00Z".parse().unwrap()
    }

    fn entry(place: u64, dn: &str, values: &[(&str, &str)]) -> Entry {
        let mut entry = Entry::new(place, dn.to_owned());
        for (name, value) in values {
            entry.add(name, value.as_bytes().to_vec());
        }
        entry
    }

    fn unit() -> Entry {
        entry(1, "ou=Vårdcentralen Ängen, o=Region Test, c=SE", &[("hsaIdentity", "TSTNMT2321000156-A001")])
    }

    fn anna(more: &[(&str, &str)]) -> Entry {
        let values = [("hsaIdentity", "TSTNMT2321000156-1001"), ("givenName", "Anna"), ("sn", "Åkesson")];
        entry(2, "cn=Anna Åkesson,OU=Vårdcentralen Ängen,o=Region Test,c=SE", &[&values, more].concat())
    }

    fn read(entries: &[Entry]) -> (Vec<Post>, Vec<EntryFault>) {
        posts(entries, &Attributes::default(), now())
    }

    #[test]
    fn a_person_works_at_the_nearest_unit_above() {
        let between = entry(3, "ou=Rum 3,ou=Vårdcentralen Ängen,o=Region Test,c=SE", &[]);
        let mut deep = anna(&[]);
        deep.dn = "cn=Anna\\, Åkesson,ou=Rum 3,ou=vårdcentralen ängen,o=Region Test,c=SE".into();
        for person in [anna(&[]), deep] {
            let (posts, faults) = read(&[person, between.clone(), unit()]);
            assert_eq!(faults, []);
            assert_eq!(posts[0].unit.as_str(), "TSTNMT2321000156-A001");
            assert_eq!((posts[0].start, posts[0].end, posts[0].protected), (SINCE_EVER, None, false));
        }
        let (posts, faults) = read(&[anna(&[])]);
        assert_eq!((posts.len(), faults[0].fault), (0, ValueFault::Unit));
    }

    #[test]
    fn the_unit_may_stand_in_the_entry_itself() {
        let attributes = Attributes { unit: Some("hsaUnit".into()), ..Attributes::default() };
        let person = anna(&[("HSAUNIT", "TSTNMT2321000156-B001")]);
        let (found, _) = posts(&[person], &attributes, now());
        assert_eq!(found[0].unit.as_str(), "TSTNMT2321000156-B001");
    }

    #[test]
    fn middle_name_title_mail_and_protection_are_taken_and_options_yield_to_the_plain_value() {
        let person = anna(&[
            ("sn;lang-en", "Akesson"),
            ("middleName", "von"),
            ("hsaTitle;lang-sv", "Läkare"),
            ("mail", "anna@region.example"),
            ("hsaProtectedPerson", "TRUE"),
        ]);
        let post = &read(&[unit(), person]).0[0];
        assert_eq!((post.surname.expose(), post.title.as_deref()), ("von Åkesson", Some("Läkare")));
        assert!(post.protected && post.mail.is_some());
    }

    #[test]
    fn a_post_ends_at_its_moment_and_not_at_the_end_of_that_day() {
        let ended = |text: &str| read(&[unit(), anna(&[("hsaEndDate", text)])]).0.first().and_then(|post| post.end);
        for (text, end) in [
            // Passed a minute ago; comes in an hour; midnight in Sweden; a day.
            ("20261122091400Z", date(2026, 11, 21)),
            ("20261122101500.5Z", date(2026, 11, 22)),
            ("20261231230000Z", date(2026, 12, 31)),
            ("2026123122Z", date(2026, 12, 31)),
            ("20261231", date(2026, 12, 31)),
            ("2026-12-31", date(2026, 12, 31)),
        ] {
            assert_eq!(ended(text), Some(end), "{text}");
        }
        for text in ["20261322091400Z", "20261122", "2026112209140", "20261122091400+0100", "i morgon", "Z", "å2345678"]
        {
            let (posts, faults) = read(&[unit(), anna(&[("hsaEndDate", text)])]);
            if text == "20261122" {
                assert!(faults.is_empty());
                continue;
            }
            assert_eq!((posts.len(), faults[0].fault), (0, ValueFault::Moment), "{text}");
        }
    }

    #[test]
    fn a_fault_names_place_attribute_and_rule_and_never_the_value() {
        for (name, value, fault, posts_left) in [
            ("mail", "anna@x@region.example", ValueFault::Mail, 1),
            ("hsaTitle", "Läk\u{7}are", ValueFault::ControlCharacter, 1),
            ("middleName", "vo\u{7}n", ValueFault::ControlCharacter, 0),
            ("hsaProtectedPerson", "kanske", ValueFault::Protected, 0),
        ] {
            let (posts, faults) = read(&[unit(), anna(&[(name, value)])]);
            assert_eq!(posts.len(), posts_left, "{name}");
            assert!(posts.iter().all(|post| post.mail.is_none() && post.title.is_none()));
            assert_eq!(faults, [EntryFault { place: 2, attribute: name.into(), fault }]);
            assert!(!format!("{} {:?}", faults[0], faults[0]).contains(value));
        }
        let twice = read(&[unit(), anna(&[]), anna(&[])]).1;
        assert_eq!(twice[0].fault, ValueFault::Duplicate);
        assert_eq!(format!("{:?}", anna(&[])), "Entry(2)");
    }
}
