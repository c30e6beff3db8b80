//! The forms of the support: their questions, what was answered, and what is wrong with it. Without a script: an order
//! asks first what is wanted and then what that needs.

use std::collections::BTreeMap;

use crate::domain::clinic::CaseType;
use crate::domain::id::{HsaId, Private};
use crate::domain::language::Language;
use crate::domain::mail_address::MailAddress;
use crate::domain::rejection::RejectionCode;
use crate::domain::support::SupportService;
use crate::domain::ticket::{
    ClinicOrder, Extent, Fault, LocalItem, LoginFault, Matter, Order, Priority, Reporter, TicketKind,
};
use crate::http::form::Fields;
use crate::http::wire::ticket::{LINE_LEN_MAX, TEXT_LEN_MAX};
use crate::render::page::{FieldKind, FieldOption, Form, FormField};
use crate::usecase::tickets::Report;

/// Carries the form's own key: sent twice, it makes one ticket.
pub const NONCE: &str = "nyckel";
/// What is ordered.
pub const WHAT: &str = "vad";
/// What the form's texts are called when the story finds fault with one.
const DESCRIPTION: &str = "beskrivning";
const LOCAL_IT: &str = "lokal-it";
const SERVICE: &str = "tjanst";

/// What is asked in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Fault,
    Help,
    /// First of all what is ordered.
    What,
    Clinic,
    Service,
}

impl Asked {
    /// The form that a kind begins with, or that what was sent goes on with.
    pub fn of(kind: TicketKind, fields: &Fields) -> Asked {
        match (kind, value(fields, WHAT)) {
            (TicketKind::FaultReport, _) => Asked::Fault,
            (TicketKind::UserSupport, _) => Asked::Help,
            (TicketKind::Order, "connect-clinic") => Asked::Clinic,
            (TicketKind::Order, "service") => Asked::Service,
            (TicketKind::Order, _) => Asked::What,
        }
    }
}

/// A form as it was sent or is shown, in one language.
pub struct TicketForm<'a> {
    pub asked: Asked,
    pub language: Language,
    pub fields: &'a Fields,
    pub services: Vec<&'a SupportService>,
    /// Each once, as some clinic has it.
    pub case_types: Vec<&'a CaseType>,
    /// What is wrong, by field.
    pub errors: BTreeMap<&'static str, String>,
}

fn value<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).and_then(|values| values.first()).map(|value| value.trim()).unwrap_or_default()
}

impl TicketForm<'_> {
    fn say(&self, sv: &str, en: &str) -> String {
        match self.language {
            Language::Sv => sv.to_owned(),
            Language::En => en.to_owned(),
        }
    }

    fn wrong(&mut self, field: &'static str, sv: &str, en: &str) {
        let error = self.say(sv, en);
        self.errors.entry(field).or_insert(error);
    }

    /// What the story found wrong with a text of the report.
    pub fn holds_person_id(&mut self, field: &str) {
        let field = match field {
            "reference" => "referens",
            "environment" => "miljo",
            "name" => "mottagning",
            _ => DESCRIPTION,
        };
        self.wrong(
            field,
            "Ta bort personnumret. Supporten ska inte veta vem patienten är.",
            "Remove the identity number. The support must not know who the patient is.",
        );
    }

    pub fn local_it_first(&mut self) {
        self.wrong(
            LOCAL_IT,
            "Be lokal IT kontrollera först, och kryssa i att det är gjort.",
            "Have local IT check first, and tick that it is done.",
        );
    }

    pub fn unknown_service(&mut self) {
        self.wrong(SERVICE, "Välj en av tjänsterna.", "Choose one of the services.");
    }

    pub fn clinic_exists(&mut self) {
        self.wrong(
            "hsa-id",
            "Mottagningen är redan ansluten. Kontrollera HSA-id:t, eller välj användarstöd.",
            "The clinic is connected already. Check the HSA-id, or ask for user support instead.",
        );
    }

    /// Something that local IT provides and this support does not, if that was chosen.
    pub fn local_item(&self) -> Option<LocalItem> {
        LocalItem::parse(value(self.fields, WHAT))
    }

    pub fn nothing_chosen(&mut self) {
        self.wrong(WHAT, "Välj vad du vill beställa.", "Choose what you want to order.");
    }

    /// Whether what was answered so far is of the most urgent kind.
    pub fn is_most_urgent(&self) -> bool {
        self.asked == Asked::Fault && self.priority() == Some(Priority::One)
    }

    fn priority(&self) -> Option<Priority> {
        let harm = self.value("patientsakerhet") == "ja";
        let extent = match self.value("omfattning") {
            "alla" => Extent::Everyone,
            "flera" => Extent::Many,
            "jag" => Extent::One,
            _ if harm => Extent::One,
            _ => return None,
        };
        Some(Priority::of(extent, self.value("arbete") != "nej", harm))
    }

    fn value(&self, name: &str) -> &str {
        value(self.fields, name)
    }

    /// What was sent as a report; none when something is wrong, which `errors` then says.
    pub fn read(&mut self) -> Option<Report> {
        let matter = match self.asked {
            Asked::Fault => self.read_fault().map(Matter::FaultReport),
            Asked::Help => Some(Matter::UserSupport),
            Asked::What => None,
            Asked::Clinic => self.read_clinic().map(|clinic| Matter::Order(Order::ConnectClinic(clinic))),
            Asked::Service => Some(Matter::Order(Order::Service)),
        };
        let service = self.value(SERVICE).to_owned();
        if !self.services.iter().any(|offered| offered.slug == service) {
            self.unknown_service();
        }
        let text = match self.asked {
            // A clinic's order says all by its answers.
            Asked::Clinic if self.value(DESCRIPTION).is_empty() => {
                Some(Private::new(self.say("Ansluta mottagningen.", "Connect the clinic.")))
            }
            _ => self.text(DESCRIPTION, TEXT_LEN_MAX),
        };
        let reporter = self.read_reporter();
        match (matter, text, reporter) {
            (Some(matter), Some(text), Some(reporter)) if self.errors.is_empty() => {
                Some(Report { matter, service, reporter, text })
            }
            _ => None,
        }
    }

    fn read_fault(&mut self) -> Option<Fault> {
        let extent = match self.value("omfattning") {
            "alla" => Some(Extent::Everyone),
            "flera" => Some(Extent::Many),
            "jag" => Some(Extent::One),
            _ => None,
        };
        if extent.is_none() {
            self.wrong("omfattning", "Välj vilka felet drabbar.", "Choose whom the fault meets.");
        }
        let work = self.yes_or_no("arbete");
        let harm = self.yes_or_no("patientsakerhet");
        let login = self.yes_or_no("inloggning");
        let rejection = match self.value("kod") {
            "" => None,
            code => {
                let known = RejectionCode::parse(&code.to_ascii_lowercase());
                if known.is_none() {
                    self.wrong(
                        "kod",
                        "Koden finns inte. Skriv den som på sidan, till exempel no-post, eller lämna fältet tomt.",
                        "There is no such code. Write it as on the page, such as no-post, or leave it empty.",
                    );
                }
                known
            }
        };
        let environment = self.line("miljo");
        let local_it_checked = self.value(LOCAL_IT) == "ja";
        Some(Fault {
            extent: extent?,
            work_goes_on: work?,
            patient_safety: harm?,
            login: login?.then_some(LoginFault { local_it_checked, rejection }),
            environment,
        })
    }

    fn read_clinic(&mut self) -> Option<ClinicOrder> {
        let clinic = self.hsa_id("hsa-id", true);
        let manager = self.hsa_id("chef", true);
        let name = self.text("mottagning", LINE_LEN_MAX);
        let telephone = self.text("mottagning-telefon", LINE_LEN_MAX);
        let wished = self.fields.get("arendetyper").map(Vec::as_slice).unwrap_or_default();
        let known = |id: &&String| self.case_types.iter().any(|case_type| case_type.id == **id);
        let case_types = wished.iter().filter(known).cloned().collect();
        Some(ClinicOrder {
            clinic: clinic?,
            name: name?.expose().to_owned(),
            telephone: telephone?.expose().to_owned(),
            manager: manager?,
            case_types,
        })
    }

    fn read_reporter(&mut self) -> Option<Reporter> {
        let name = self.text("namn", LINE_LEN_MAX);
        let email = MailAddress::parse(self.value("e-post")).ok();
        if email.is_none() {
            self.wrong(
                "e-post",
                "Skriv en e-postadress, till exempel namn@region.example.",
                "Write an e-mail address, such as name@region.example.",
            );
        }
        let unit = self.hsa_id("enhet", false);
        let (telephone, reference) = (self.line("telefon"), self.line("referens"));
        Some(Reporter { name: name?, email: email?, language: self.language, telephone, unit, person: None, reference })
    }

    fn yes_or_no(&mut self, field: &'static str) -> Option<bool> {
        let answer = match self.value(field) {
            "ja" => Some(true),
            "nej" => Some(false),
            _ => None,
        };
        if answer.is_none() {
            self.wrong(field, "Välj ja eller nej.", "Choose yes or no.");
        }
        answer
    }

    fn hsa_id(&mut self, field: &'static str, required: bool) -> Option<HsaId> {
        let text = self.value(field);
        if text.is_empty() && !required {
            return None;
        }
        let id = HsaId::parse(text).ok();
        if id.is_none() {
            self.wrong(
                field,
                "Ett HSA-id börjar med SE och organisationsnumret, till exempel SE2321000016-1A2B.",
                "An HSA-id begins with SE and the organisation number, such as SE2321000016-1A2B.",
            );
        }
        id
    }

    fn text(&mut self, field: &'static str, len_max: usize) -> Option<Private> {
        let text = self.value(field);
        let clean = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t'));
        if clean && !text.is_empty() && text.chars().count() <= len_max {
            return Some(Private::new(text.to_owned()));
        }
        self.wrong(
            field,
            &format!("Fyll i fältet, högst {len_max} tecken."),
            &format!("Fill this in, at most {len_max} characters."),
        );
        None
    }

    fn line(&mut self, field: &'static str) -> Option<Private> {
        if self.value(field).is_empty() { None } else { self.text(field, LINE_LEN_MAX) }
    }

    /// The form to show, with what was answered and what is wrong.
    pub fn shown(&self, action: String, nonce: String) -> Form {
        let (fields, submit) = match self.asked {
            Asked::Fault => (self.fault_fields(), self.say("Skicka felanmälan", "Send the fault report")),
            Asked::Help => (self.plain_fields(), self.say("Skicka frågan", "Send the question")),
            Asked::What => (vec![self.what_field()], self.say("Gå vidare", "Go on")),
            Asked::Clinic => (self.clinic_fields(), self.say("Beställ anslutning", "Order the connection")),
            Asked::Service => (self.plain_fields(), self.say("Skicka beställningen", "Send the order")),
        };
        let mut hidden = vec![(NONCE.to_owned(), nonce)];
        if matches!(self.asked, Asked::Clinic | Asked::Service) {
            hidden.push((WHAT.to_owned(), self.value(WHAT).to_owned()));
            hidden.push(("steg".to_owned(), "2".to_owned()));
        }
        Form { action, fields, submit, hidden }
    }

    fn what_field(&self) -> FormField {
        let local = self.say("Beställs hos lokal IT", "Ordered from local IT");
        let ours = [
            ("connect-clinic", "Ansluta en mottagning (kostar ingenting)", "To connect a clinic (costs nothing)"),
            ("service", "Något annat av oss", "Something else from us"),
        ];
        let theirs = [
            ("card", "E-tjänstekort", "A SITHS card"),
            ("pin", "Pinkod", "A PIN"),
            ("reader", "Kortläsare", "A card reader"),
            ("net-id", "Net iD", "Net iD"),
        ];
        let mut field = self.choice(WHAT, "Vad vill du beställa?", "What do you want to order?", &ours);
        field
            .options
            .extend(self.options(WHAT, &theirs).into_iter().map(|o| FieldOption { group: local.clone(), ..o }));
        field
    }

    fn fault_fields(&self) -> Vec<FormField> {
        let yes_no = [("ja", "Ja", "Yes"), ("nej", "Nej", "No")];
        let whom = [
            ("alla", "Alla, så vitt jag kan se", "Everybody, as far as I can see"),
            ("flera", "Flera på min arbetsplats", "Several at my workplace"),
            ("jag", "Bara mig", "Only me"),
        ];
        let mut checked = self.choice(
            LOCAL_IT,
            "Om det gäller inloggning: är en lokal orsak utesluten?",
            "If it is about logging in: has a local cause been ruled out?",
            &[(
                "ja",
                "Lokal IT har kontrollerat kort, läsare, pinkod, Net iD och dator",
                "Local IT has checked card, reader, PIN, Net iD and computer",
            )],
        );
        checked.kind = FieldKind::Checkboxes;
        checked.required = false;
        let mut fields = vec![
            self.service_field(),
            self.long_text("Vad händer, och sedan när?", "What happens, and since when?"),
            self.choice("omfattning", "Vilka drabbar felet?", "Whom does it meet?", &whom),
            self.choice(
                "arbete",
                "Kan arbetet göras på annat sätt så länge?",
                "Can the work be done in another way meanwhile?",
                &yes_no,
            ),
            self.choice("patientsakerhet", "Kan patienter komma till skada?", "May patients come to harm?", &yes_no),
            self.choice("inloggning", "Gäller det inloggning?", "Is it about logging in?", &yes_no),
            checked,
            self.line_field(
                "kod",
                ("Avvisningskod", "Rejection code"),
                ("Står på sidan som inte släppte in dig.", "Stands on the page that did not let you in."),
            ),
            self.line_field(
                "miljo",
                ("Webbläsare och dator", "Browser and computer"),
                ("Till exempel Edge på Windows 11.", "Such as Edge on Windows 11."),
            ),
        ];
        fields.extend(self.reporter_fields());
        fields
    }

    fn plain_fields(&self) -> Vec<FormField> {
        let words = match self.asked {
            Asked::Service => ("Vad vill du beställa?", "What do you want to order?"),
            _ => ("Vad vill du veta?", "What do you want to know?"),
        };
        let mut fields = vec![self.service_field(), self.long_text(words.0, words.1)];
        fields.extend(self.reporter_fields());
        fields
    }

    fn clinic_fields(&self) -> Vec<FormField> {
        let required = |field| FormField { required: true, ..field };
        let offered: Vec<(&str, &str, &str)> = self
            .case_types
            .iter()
            .map(|case_type| {
                let title = &case_type.title;
                (case_type.id.as_str(), title.in_language(Language::Sv), title.in_language(Language::En))
            })
            .collect();
        let mut case_types =
            self.choice("arendetyper", "Vilka ärenden vill ni ta emot?", "Which cases do you want to take?", &offered);
        case_types.kind = FieldKind::Checkboxes;
        case_types.required = false;
        let chosen = self.fields.get("arendetyper").map(Vec::as_slice).unwrap_or_default();
        case_types.options.iter_mut().for_each(|option| option.chosen = chosen.contains(&option.value));
        let hsa = ("Börjar med SE och organisationsnumret.", "Begins with SE and the organisation number.");
        let none = ("", "");
        let mut telephone = required(self.line_field(
            "mottagning-telefon",
            ("Mottagningens telefonnummer", "The clinic's telephone number"),
            ("Visas för invånare.", "Shown to citizens."),
        ));
        telephone.kind = FieldKind::Telephone;
        let mut fields = vec![
            required(self.line_field("mottagning", ("Mottagningens namn", "The clinic's name"), none)),
            required(self.line_field("hsa-id", ("Mottagningens HSA-id", "The clinic's HSA-id"), hsa)),
            telephone,
            required(self.line_field("chef", ("Verksamhetschefens HSA-id", "The clinic manager's HSA-id"), hsa)),
            case_types,
            self.service_field(),
            FormField { required: false, ..self.long_text("Något mer att säga?", "Anything else?") },
        ];
        fields.extend(self.reporter_fields());
        fields
    }

    fn reporter_fields(&self) -> Vec<FormField> {
        let none = ("", "");
        vec![
            FormField {
                required: true,
                autocomplete: "name",
                ..self.line_field("namn", ("Ditt namn", "Your name"), none)
            },
            FormField {
                required: true,
                kind: FieldKind::Email,
                autocomplete: "email",
                ..self.line_field(
                    "e-post",
                    ("Din e-postadress", "Your e-mail address"),
                    ("Hit skickar vi kvittot.", "The receipt goes there."),
                )
            },
            FormField {
                kind: FieldKind::Telephone,
                autocomplete: "tel",
                ..self.line_field("telefon", ("Ditt telefonnummer", "Your telephone number"), none)
            },
            self.line_field("enhet", ("Din enhets HSA-id", "Your unit's HSA-id"), none),
            self.line_field(
                "referens",
                ("Ert eget ärendenummer", "Your own case number"),
                ("Om ni har ett hos lokal IT.", "If local IT gave you one."),
            ),
        ]
    }

    fn service_field(&self) -> FormField {
        let mut options =
            vec![FieldOption { label: self.say("Välj en tjänst", "Choose a service"), ..Default::default() }];
        options.extend(self.services.iter().map(|service| FieldOption {
            value: service.slug.clone(),
            label: service.name.in_language(self.language).to_owned(),
            chosen: self.value(SERVICE) == service.slug,
            ..Default::default()
        }));
        let label = self.say("Vilken tjänst gäller det?", "Which service is it about?");
        self.field(SERVICE, label, FieldKind::Select, FormField { options, required: true, ..Default::default() })
    }

    fn long_text(&self, sv: &str, en: &str) -> FormField {
        let rest = FormField { required: true, length_max: limit(TEXT_LEN_MAX), ..Default::default() };
        self.field(DESCRIPTION, self.say(sv, en), FieldKind::LongText, rest)
    }

    fn choice(&self, name: &'static str, sv: &str, en: &str, options: &[(&str, &str, &str)]) -> FormField {
        let rest = FormField { options: self.options(name, options), required: true, ..Default::default() };
        self.field(name, self.say(sv, en), FieldKind::Radio, rest)
    }

    fn options(&self, name: &str, options: &[(&str, &str, &str)]) -> Vec<FieldOption> {
        let option = |(value, sv, en): &(&str, &str, &str)| FieldOption {
            value: (*value).to_owned(),
            label: self.say(sv, en),
            chosen: self.value(name) == *value,
            ..Default::default()
        };
        options.iter().map(option).collect()
    }

    fn line_field(&self, name: &'static str, label: (&str, &str), help: (&str, &str)) -> FormField {
        let rest = FormField { help: self.say(help.0, help.1), length_max: limit(LINE_LEN_MAX), ..Default::default() };
        self.field(name, self.say(label.0, label.1), FieldKind::Text, rest)
    }

    fn field(&self, name: &'static str, label: String, kind: FieldKind, rest: FormField) -> FormField {
        let error = self.errors.get(name).cloned();
        FormField { name: name.to_owned(), label, kind, value: self.value(name).to_owned(), error, ..rest }
    }
}

fn limit(len_max: usize) -> u32 {
    u32::try_from(len_max).unwrap_or(0)
}
