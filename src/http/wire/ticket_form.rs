//! The forms of the support: what was answered, and what is wrong with it. Without a script: an order asks first what is
//! wanted and then what that needs. The questions themselves are in `ticket_questions`.

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
use crate::usecase::tickets::Report;

/// Carries the form's own key: sent twice, it makes one ticket.
pub const NONCE: &str = "nyckel";
/// What is ordered.
pub const WHAT: &str = "vad";
/// What the form's texts are called when the story finds fault with one.
pub(super) const DESCRIPTION: &str = "beskrivning";
pub(super) const LOCAL_IT: &str = "lokal-it";
pub(super) const SERVICE: &str = "tjanst";

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
    pub(super) fn say(&self, sv: &str, en: &str) -> String {
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

    pub(super) fn value(&self, name: &str) -> &str {
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
        // What a clinic's order is about it says itself.
        let is_clinic = self.asked == Asked::Clinic;
        let service = if is_clinic { String::new() } else { self.value(SERVICE).to_owned() };
        if !is_clinic && !self.services.iter().any(|offered| offered.slug == service) {
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
        match (text.is_empty(), clean) {
            (true, _) => self.wrong(field, "Fyll i fältet.", "Fill this in."),
            (_, false) => self.wrong(
                field,
                "Texten innehåller tecken som inte går att läsa. Skriv om den.",
                "The text holds characters that cannot be read. Write it anew.",
            ),
            (_, true) => self.wrong(
                field,
                &format!("Skriv högst {len_max} tecken."),
                &format!("Write at most {len_max} characters."),
            ),
        }
        None
    }

    fn line(&mut self, field: &'static str) -> Option<Private> {
        if self.value(field).is_empty() { None } else { self.text(field, LINE_LEN_MAX) }
    }
}
