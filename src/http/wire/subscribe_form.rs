//! The form of a subscription: its questions in words, what was typed, and what it means. The same for signing up and
//! for choosing anew.

use uuid::Uuid;

use crate::domain::clinic::Texts;
use crate::domain::language::Language;
use crate::domain::mail_address::{MailAddress, MailAddressError};
use crate::domain::status::board::Board;
use crate::domain::status::choice::{ChoiceFault, Choices, Mode, Subscription, Target};
use crate::domain::status::edition::Edition;
use crate::domain::status::subject::Impact;
use crate::http::request::Call;
use crate::http::wire::subscribe::fault_words;
use crate::render::page::{FieldKind, FieldOption, Form, FormField};

const ADDRESS: &str = "epost";
const TARGETS: &str = "tjanster";
const KINDS: &str = "slag";
const LEAST: &str = "vikt";
const WHEN: &str = "nar";
const TIME: &str = "klockan";
const LANGUAGE: &str = "sprak";
/// Goes along unseen where the form is about one incident or maintenance.
pub const SUBJECT: &str = "handelse";

/// Longest address, in characters.
const ADDRESS_CHARS_MAX: u32 = 254;
/// When a digest comes unless somebody chooses otherwise.
const TIME_DEFAULT: &str = "07:30";

/// A field and what is wrong with it, in Swedish and English.
pub type FieldFault = (&'static str, [&'static str; 2]);

/// A form as it was filled in; whatever was typed comes back.
#[derive(Debug, Clone, Default)]
pub struct Filled {
    address: String,
    targets: Vec<String>,
    kinds: String,
    least: String,
    when: String,
    time: String,
    language: String,
    /// The one thing that is followed instead of services.
    pub subject: Option<Uuid>,
}

impl Filled {
    /// As the form first stands.
    pub fn blank(language: Language, subject: Option<Uuid>) -> Filled {
        Filled {
            targets: vec!["all".into()],
            kinds: "alla".into(),
            least: Impact::None.as_str().into(),
            when: "genast".into(),
            time: TIME_DEFAULT.into(),
            language: language.tag().into(),
            subject,
            ..Filled::default()
        }
    }

    pub fn sent(call: &Call) -> Filled {
        let field = |name: &str| call.field(name).to_owned();
        Filled {
            address: field(ADDRESS),
            targets: call.form().get(TARGETS).cloned().unwrap_or_default(),
            kinds: field(KINDS),
            least: field(LEAST),
            when: field(WHEN),
            time: field(TIME),
            language: field(LANGUAGE),
            subject: Uuid::parse_str(call.field(SUBJECT)).ok(),
        }
    }

    /// What somebody has chosen. The form asks for kinds and weight once: of choices that differ in them, the first
    /// one's are shown.
    pub fn chosen(choices: &Choices, board: &Board) -> Filled {
        let mut filled = Filled::blank(choices.language, None);
        filled.targets = choices.subscriptions.iter().map(|subscription| subscription.target.name(board)).collect();
        if let Some(first) = choices.subscriptions.first() {
            filled.kinds = kinds_of(first).into();
            filled.least = first.least_impact.as_str().into();
        }
        if let Some(time) = choices.mode.time() {
            (filled.when, filled.time) = ("dagligen".into(), time);
        }
        filled
    }

    pub fn address(&self) -> Result<MailAddress, FieldFault> {
        MailAddress::parse(&self.address).map_err(|error| (ADDRESS, address_words(error)))
    }

    /// The choices; `language` where none was sent.
    pub fn choices(&self, board: &Board, language: Language) -> Result<Choices, Vec<FieldFault>> {
        let mut faults = Vec::new();
        let mode = match self.when.as_str() {
            "dagligen" => Mode::daily_at(&self.time).unwrap_or_else(|| {
                faults.push(field_fault(ChoiceFault::DigestTime));
                Mode::AtOnce
            }),
            _ => Mode::AtOnce,
        };
        let language = match self.language.as_str() {
            "sv" => Language::Sv,
            "en" => Language::En,
            _ => language,
        };
        let targets = match self.subject {
            Some(id) => vec![Some(Target::Subject(id))],
            None => self.targets.iter().map(|name| Target::named(name, board)).collect(),
        };
        if targets.contains(&None) {
            faults.push(field_fault(ChoiceFault::UnknownTarget(0)));
        }
        let (incidents, maintenances, only_resolved) = match self.kinds.as_str() {
            "storningar" => (true, false, false),
            "arbeten" => (false, true, false),
            "over" => (true, false, true),
            _ => (true, true, false),
        };
        let least_impact = Impact::ALL.into_iter().find(|impact| impact.as_str() == self.least).unwrap_or(Impact::None);
        let subscription = |target| Subscription { target, incidents, maintenances, only_resolved, least_impact };
        let subscriptions = targets.into_iter().flatten().map(subscription).collect();
        if faults.is_empty() { Ok(Choices { language, mode, subscriptions }) } else { Err(faults) }
    }

    /// The form to sign up with.
    pub fn sign_up_form(&self, board: &Board, edition: Edition, faults: &[FieldFault]) -> Form {
        let say = Say { language: edition.language, faults };
        let mut fields = vec![self.address_field(&say)];
        let mut hidden = Vec::new();
        match self.subject {
            Some(id) => hidden.push((SUBJECT.to_owned(), id.to_string())),
            None => fields.extend([self.targets_field(&say, board), self.kinds_field(&say), self.least_field(&say)]),
        }
        fields.extend([self.when_field(&say), self.time_field(&say), self.language_field(&say)]);
        let submit = say.text("Skicka bekräftelsemejlet", "Send the confirmation mail");
        Form { action: edition.path("/status/prenumerera"), fields, submit, hidden }
    }

    /// The form to choose anew with.
    pub fn manage_form(&self, board: &Board, edition: Edition, action: String, faults: &[FieldFault]) -> Form {
        let say = Say { language: edition.language, faults };
        let fields = vec![
            self.targets_field(&say, board),
            self.kinds_field(&say),
            self.least_field(&say),
            self.when_field(&say),
            self.time_field(&say),
            self.language_field(&say),
        ];
        Form { action, fields, submit: say.text("Spara mina val", "Save my choices"), hidden: Vec::new() }
    }

    fn address_field(&self, say: &Say<'_>) -> FormField {
        FormField {
            value: self.address.clone(),
            help: say.text(
                "Dit besked ska skickas. Använd gärna din adress i arbetet.",
                "Where notices are to be sent. Preferably your address at work.",
            ),
            required: true,
            autocomplete: "email",
            length_max: ADDRESS_CHARS_MAX,
            ..say.field(ADDRESS, "Din e-postadress", "Your e-mail address", FieldKind::Email)
        }
    }

    fn targets_field(&self, say: &Say<'_>, board: &Board) -> FormField {
        let option = |value: String, label: String, help: String, group: &str| FieldOption {
            chosen: self.targets.contains(&value),
            value,
            label,
            help,
            group: group.to_owned(),
        };
        let everything = say.text("Alla tjänster", "All services");
        let later = || say.text("Även sådana som kommer till.", "Also those added later.");
        let mut options = vec![option("all".into(), everything, later(), "")];
        for group in &board.groups {
            let members: Vec<_> = board.components.iter().filter(|c| c.group == Some(group.id)).collect();
            if members.is_empty() {
                continue;
            }
            let heading = say.of(&group.name);
            let whole = say.text("Hela gruppen", "The whole group");
            options.push(option(Target::Group(group.id).name(board), whole, later(), &heading));
            for component in members {
                let name = Target::Component(component.id).name(board);
                options.push(option(name, say.of(&component.name), String::new(), &heading));
            }
        }
        let others = say.text("Övrigt", "Other");
        for component in board.components.iter().filter(|component| component.group.is_none()) {
            let name = Target::Component(component.id).name(board);
            options.push(option(name, say.of(&component.name), String::new(), &others));
        }
        let single = say.text("Enskilda händelser", "Single events");
        for (id, title) in subjects(board) {
            let name = Target::Subject(id).name(board);
            // Offered to who follows it already; others begin at its own page.
            if self.targets.contains(&name) {
                options.push(option(name, say.of(title), String::new(), &single));
            }
        }
        FormField {
            options,
            ..say.field(TARGETS, "Vad vill du ha besked om?", "What do you want to hear about?", FieldKind::Checkboxes)
        }
    }

    fn kinds_field(&self, say: &Say<'_>) -> FormField {
        let options = vec![
            say.option("alla", &self.kinds, "Driftstörningar och planerade arbeten", "Incidents and planned work"),
            say.option("storningar", &self.kinds, "Bara driftstörningar", "Incidents only"),
            say.option("arbeten", &self.kinds, "Bara planerade arbeten", "Planned work only"),
            say.option("over", &self.kinds, "Bara när en driftstörning är över", "Only when an incident is over"),
        ];
        FormField {
            options,
            ..say.field(KINDS, "Vilka besked vill du ha?", "Which notices do you want?", FieldKind::Radio)
        }
    }

    fn least_field(&self, say: &Say<'_>) -> FormField {
        let options = vec![
            say.option("none", &self.least, "Alla", "All"),
            say.option(
                "minor",
                &self.least,
                "De som märks: något är långsamt eller krånglar",
                "Those that are felt: something is slow or fails at times",
            ),
            say.option(
                "major",
                &self.least,
                "De som är stora: något är delvis nere",
                "Large ones: something is partly down",
            ),
            say.option(
                "critical",
                &self.least,
                "De som är störst: något ligger helt nere",
                "The largest: something is wholly down",
            ),
        ];
        FormField { options, ..say.field(LEAST, "Vilka driftstörningar?", "Which incidents?", FieldKind::Radio) }
    }

    fn when_field(&self, say: &Say<'_>) -> FormField {
        let options = vec![
            say.option("genast", &self.when, "Genast, varje gång något händer", "At once, each time something happens"),
            say.option(
                "dagligen",
                &self.when,
                "Ett mejl om dagen, när något har hänt",
                "One mail a day, when something has happened",
            ),
        ];
        FormField {
            options,
            ..say.field(WHEN, "När ska mejlen komma?", "When are the mails to come?", FieldKind::Radio)
        }
    }

    fn time_field(&self, say: &Say<'_>) -> FormField {
        FormField {
            value: self.time.clone(),
            help: say.text("Bara för ett mejl om dagen. Svensk tid.", "Only for one mail a day. Swedish time."),
            ..say.field(TIME, "Klockslag", "Time of day", FieldKind::Time)
        }
    }

    fn language_field(&self, say: &Say<'_>) -> FormField {
        let options = vec![
            say.option("sv", &self.language, "Svenska", "Svenska"),
            say.option("en", &self.language, "English", "English"),
        ];
        FormField { options, ..say.field(LANGUAGE, "Språk i mejlen", "Language of the mails", FieldKind::Radio) }
    }
}

/// What goes on or lies ahead, and what it is called.
fn subjects(board: &Board) -> impl Iterator<Item = (Uuid, &Texts)> {
    let incidents = board.incidents.iter().filter(|incident| !incident.is_over()).map(|i| (i.id, &i.title));
    incidents.chain(board.maintenances.iter().filter(|m| !m.is_over()).map(|m| (m.id, &m.title)))
}

/// The title of what can still be followed.
pub fn title_of(board: &Board, subject: Uuid) -> Option<Texts> {
    subjects(board).find(|(id, _)| *id == subject).map(|(_, title)| title.clone())
}

/// What was chosen as sentences, one a line.
pub fn in_words(choices: &Choices, board: &Board, language: Language) -> Vec<String> {
    let say = Say { language, faults: &[] };
    let line = |subscription: &Subscription| {
        let target = match subscription.target {
            Target::All => say.text("Alla tjänster", "All services"),
            Target::Group(id) => {
                let group = board.groups.iter().find(|group| group.id == id);
                group.map_or_else(|| say.text("En grupp", "A group"), |group| say.of(&group.name))
            }
            Target::Component(id) => {
                let component = board.components.iter().find(|component| component.id == id);
                component.map_or_else(|| say.text("En tjänst", "A service"), |component| say.of(&component.name))
            }
            Target::Subject(id) => {
                title_of(board, id).map_or_else(|| say.text("En händelse", "An event"), |title| say.of(&title))
            }
        };
        let kinds = match kinds_of(subscription) {
            "storningar" => say.text("driftstörningar", "incidents"),
            "arbeten" => say.text("planerade arbeten", "planned work"),
            "over" => say.text("när driftstörningar är över", "when incidents are over"),
            _ => say.text("driftstörningar och planerade arbeten", "incidents and planned work"),
        };
        format!("{target}: {kinds}")
    };
    let when = match choices.mode.time() {
        None => say.text("Mejlen kommer genast", "The mails come at once"),
        Some(time) => match language {
            Language::Sv => format!("Ett mejl om dagen, kl. {}", time.replace(':', ".")),
            Language::En => format!("One mail a day, at {time}"),
        },
    };
    choices.subscriptions.iter().map(line).chain([when]).collect()
}

fn kinds_of(subscription: &Subscription) -> &'static str {
    match (subscription.incidents, subscription.maintenances, subscription.only_resolved) {
        (true, false, true) => "over",
        (true, false, false) => "storningar",
        (false, true, _) => "arbeten",
        _ => "alla",
    }
}

/// Where on the form a fault is shown.
pub fn field_fault(fault: ChoiceFault) -> FieldFault {
    let field = match fault {
        ChoiceFault::Nothing | ChoiceFault::TooMany | ChoiceFault::UnknownTarget(_) => TARGETS,
        ChoiceFault::NoKind(_) => KINDS,
        ChoiceFault::DigestTime => TIME,
    };
    (field, fault_words(fault))
}

/// The region takes no addresses of this domain.
pub fn domain_fault() -> FieldFault {
    let sv = "Adresser i den domänen kan inte prenumerera. Använd din adress hos regionen.";
    (ADDRESS, [sv, "Addresses of that domain cannot subscribe. Use your address at the region."])
}

fn address_words(error: MailAddressError) -> [&'static str; 2] {
    match error {
        MailAddressError::At => [
            "Adressen saknar @. Skriv den som namn@region.example.",
            "The address has no @. Write it as name@region.example.",
        ],
        MailAddressError::Control => {
            ["Adressen innehåller ett mellanrum. Ta bort det.", "The address holds a blank. Remove it."]
        }
        MailAddressError::Length => [
            "Adressen är för lång: högst 254 tecken, varav 64 före @.",
            "The address is too long: at most 254 characters, 64 of them before the @.",
        ],
        MailAddressError::LocalPartNotAscii => [
            "Före @ kan bara bokstäverna a–z stå, inte å, ä eller ö.",
            "Before the @ only the letters a–z may stand, not å, ä or ö.",
        ],
        MailAddressError::LocalPart => [
            "Det som står före @ går inte att skicka till. Kontrollera stavningen.",
            "What stands before the @ cannot be mailed. Check the spelling.",
        ],
        MailAddressError::Domain => [
            "Efter @ ska ett domännamn stå, som region.example.",
            "After the @ comes a domain name, such as region.example.",
        ],
    }
}

/// The reader's language, and what is wrong.
struct Say<'a> {
    language: Language,
    faults: &'a [FieldFault],
}

impl Say<'_> {
    fn pick<'t>(&self, sv: &'t str, en: &'t str) -> &'t str {
        match self.language {
            Language::Sv => sv,
            Language::En => en,
        }
    }

    fn text(&self, sv: &str, en: &str) -> String {
        self.pick(sv, en).to_owned()
    }

    fn of(&self, texts: &Texts) -> String {
        self.text(&texts.sv, texts.en.as_deref().unwrap_or(&texts.sv))
    }

    fn field(&self, name: &str, sv: &str, en: &str, kind: FieldKind) -> FormField {
        let fault = self.faults.iter().find(|(field, _)| *field == name);
        FormField {
            name: name.to_owned(),
            label: self.text(sv, en),
            kind,
            error: fault.map(|(_, [sv, en])| self.text(sv, en)),
            ..FormField::default()
        }
    }

    fn option(&self, value: &str, chosen: &str, sv: &str, en: &str) -> FieldOption {
        FieldOption {
            value: value.to_owned(),
            label: self.text(sv, en),
            chosen: value == chosen,
            ..FieldOption::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::status::Audience;

    const SV: Edition = Edition { language: Language::Sv, audience: Audience::Staff };

    #[test]
    fn a_blank_form_asks_for_everything_and_what_was_chosen_fills_it_again() {
        let board = Board::default();
        let blank = Filled::blank(Language::En, None).choices(&board, Language::Sv).unwrap();
        assert_eq!(blank.subscriptions, [Subscription::of(Target::All)]);
        assert_eq!((blank.language, blank.mode), (Language::En, Mode::AtOnce));

        let subscriptions = vec![Subscription {
            maintenances: false,
            only_resolved: true,
            least_impact: Impact::Major,
            ..Subscription::of(Target::All)
        }];
        let chosen = Choices { language: Language::Sv, mode: Mode::Digest { hour: 6, minute: 5 }, subscriptions };
        let again = Filled::chosen(&chosen, &board);
        assert_eq!(again.choices(&board, Language::En).unwrap(), chosen);
        assert_eq!(
            in_words(&chosen, &board, Language::Sv),
            ["Alla tjänster: när driftstörningar är över", "Ett mejl om dagen, kl. 06.05"]
        );
    }

    #[test]
    fn nothing_typed_is_lost_and_each_fault_stands_by_its_field() {
        let filled = Filled {
            address: "tolvan.example.test".into(),
            targets: vec!["group:okänd".into()],
            when: "dagligen".into(),
            time: "kvart i åtta".into(),
            ..Filled::blank(Language::Sv, None)
        };
        let mut faults = vec![filled.address().unwrap_err()];
        faults.extend(filled.choices(&Board::default(), Language::Sv).unwrap_err());
        let form = filled.sign_up_form(&Board::default(), SV, &faults);
        let wrong: Vec<_> = form.fields.iter().filter(|f| f.error.is_some()).map(|f| f.name.as_str()).collect();
        assert_eq!(wrong, [ADDRESS, TARGETS, TIME]);
        let value = |name: &str| form.fields.iter().find(|f| f.name == name).map(|f| f.value.as_str());
        assert_eq!((value(ADDRESS), value(TIME)), (Some("tolvan.example.test"), Some("kvart i åtta")));
    }

    #[test]
    fn a_form_about_one_event_asks_for_no_services() {
        let id = Uuid::from_u128(7);
        let form = Filled::blank(Language::Sv, Some(id)).sign_up_form(&Board::default(), SV, &[]);
        assert!(form.fields.iter().all(|field| field.name != TARGETS));
        assert_eq!(form.hidden, [(SUBJECT.to_owned(), id.to_string())]);
    }
}
