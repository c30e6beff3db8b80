//! The questions of the support's forms, one a line, in the language of the page, with what was answered.

use super::ticket::{LINE_LEN_MAX, TEXT_LEN_MAX};
use super::ticket_form::{Asked, DESCRIPTION, LOCAL_IT, NONCE, SERVICE, TicketForm, WHAT};
use crate::domain::language::Language;
use crate::render::page::{FieldKind, FieldOption, Form, FormField};

impl TicketForm<'_> {
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
