//! The pages for people who do something: what each of them needs to know, as plain facts. Whoever handles the request
//! fills them, in the language of the page; the words around them are in the templates.
//!
//! Forms are all made of the same fields, so that they read and behave alike: one question a line, its label above, its
//! help below, its error beside it and in a list on top. What was typed comes back in `value`.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use uuid::Uuid;

use crate::domain::clinic::Texts;
use crate::domain::faq::FaqEntry;
pub use crate::domain::ticket::TicketKind;

/// A page and what it says.
#[derive(Debug, Clone)]
pub enum Page {
    /// The form to subscribe.
    Subscribe(SubscribeFacts),
    /// Said to everybody who asked, whether the address was known or not.
    SubscribeAsked,
    /// Behind the link of the letter: nothing is confirmed before the button.
    ConfirmAsk(ConfirmFacts),
    Confirmed(ConfirmedFacts),
    /// What one subscriber gets, to change or to end.
    Manage(ManageFacts),
    /// Behind a link to leave: nothing is ended before the button.
    LeaveAsk(LeaveFacts),
    Left(LeftFacts),
    /// A link that is too old, was never ours, or is used up. Says the same in each case.
    LinkUnknown,
    /// Where to begin: what is known, the telephone, the three forms.
    Support(SupportFacts),
    TicketForm(TicketFormFacts),
    TicketReceived(TicketReceivedFacts),
    /// One's own ticket, by its link.
    Ticket(TicketFacts),
    Faq(FaqFacts),
    FaqEntry(FaqItem),
    NotFound,
    /// Leads to the status page: for servers of the copy, which cannot redirect.
    Home,
    /// Stands where the copy has no forms: at this unprefixed path.
    Closed(&'static str, SupportFacts),
    /// The gateway does not answer; shown by whatever stands in for it.
    Down,
    /// A request that cannot be met, in words for people.
    Fault(FaultFacts),
}

/// A form as it is shown, the first time or again with errors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Form {
    /// Where it is sent: a path with its prefix.
    pub action: String,
    pub fields: Vec<FormField>,
    /// What the button does: *Skicka felanmälan*.
    pub submit: String,
    /// Names and values that go along unseen.
    pub hidden: Vec<(String, String)>,
}

/// One question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FormField {
    /// `a-z`, digits and hyphens; also the element's id.
    pub name: String,
    pub label: String,
    /// Empty for none.
    pub help: String,
    pub kind: FieldKind,
    /// As it was typed; unused by kinds with options.
    pub value: String,
    /// What is wrong and how to right it, as a sentence.
    pub error: Option<String>,
    pub options: Vec<FieldOption>,
    pub required: bool,
    /// HTML's autofill token (`email`, `name`, `tel`); empty for none.
    pub autocomplete: &'static str,
    /// Characters; 0 for no limit.
    pub length_max: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    #[default]
    Text,
    Email,
    Telephone,
    /// Several lines.
    LongText,
    /// A time of day.
    Time,
    /// One of few, all seen.
    Radio,
    /// Any of them.
    Checkboxes,
    /// One of many.
    Select,
}

/// One answer to choose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FieldOption {
    pub value: String,
    pub label: String,
    /// Empty for none.
    pub help: String,
    pub chosen: bool,
    /// A heading over it and its neighbours of the same name; empty for none.
    pub group: String,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct SubscribeFacts {
    pub form: Form,
    /// The incident or maintenance that the form is about, when it is about one.
    pub subject: Option<Texts>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct ConfirmFacts {
    /// Of the page itself, with its prefix: the button posts to it.
    pub path: String,
    /// What was chosen, each as a line.
    pub choices: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct ConfirmedFacts {
    pub manage_path: String,
    /// By an earlier use of the link.
    pub already: bool,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct ManageFacts {
    pub path: String,
    /// Masked: enough for its owner to know it, such as `k…@region.example`.
    pub address: String,
    /// The list that put the subscriber on it, when one did.
    pub managed_by: Option<String>,
    /// What was sent has been kept.
    pub saved: bool,
    pub form: Form,
    /// The page to leave from.
    pub leave_path: String,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct LeaveFacts {
    pub path: String,
    pub managed_by: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct LeftFacts {
    /// Leaving such a list is a wish that its keeper is told of.
    pub managed_by: Option<String>,
}

/// What goes on, as the support pages show it above their forms: see `Renderer::ongoing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ongoing {
    pub id: Uuid,
    pub title: String,
    /// Of the title, when that is not the page's.
    pub title_language: Option<&'static str>,
    pub sentence: String,
    /// Of its own page, with its prefix.
    pub path: String,
    /// Where to follow just this.
    pub follow_path: String,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct SupportFacts {
    pub ongoing: Vec<Ongoing>,
}

/// Where a kind's form stands, without a prefix.
pub fn ticket_form_path(kind: TicketKind) -> &'static str {
    match kind {
        TicketKind::FaultReport => "/support/felanmalan",
        TicketKind::UserSupport => "/support/anvandarstod",
        TicketKind::Order => "/support/bestallning",
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct TicketFormFacts {
    pub kind: TicketKind,
    pub ongoing: Vec<Ongoing>,
    /// What was answered so far makes it the most urgent kind: the telephone comes first of all.
    pub call_first: bool,
    /// What to do or know before sending, each as a paragraph.
    pub notes: Vec<String>,
    pub form: Form,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct TicketReceivedFacts {
    pub number: String,
    /// The reporter's own case number.
    pub reference: Option<String>,
    /// The ticket's own page, with its prefix.
    pub path: String,
    pub call_first: bool,
    /// What happens next and when, each as a sentence.
    pub next: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct TicketFacts {
    pub path: String,
    pub number: String,
    /// The reporter's own case number.
    pub reference: Option<String>,
    pub kind: TicketKind,
    /// Which service it is about, in words.
    pub service: String,
    /// How far it has come, in words.
    pub state: String,
    /// Oldest first.
    pub messages: Vec<TicketMessage>,
    pub saved: bool,
    /// None when nothing more can be written to it.
    pub form: Option<Form>,
    pub call_first: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TicketMessage {
    pub own: bool,
    /// Who wrote it, as readers are told: *Du*, *Supporten*.
    pub from: String,
    pub at: Timestamp,
    pub text: String,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct FaqFacts {
    /// In the order of the page.
    pub entries: Vec<FaqItem>,
}

/// A question and its answer: paragraphs, `- ` and `1. ` lists, bare links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaqItem {
    pub slug: String,
    pub question: Texts,
    pub answer: Texts,
    pub updated: Date,
}

impl From<&FaqEntry> for FaqItem {
    fn from(entry: &FaqEntry) -> FaqItem {
        FaqItem {
            slug: entry.slug.clone(),
            question: entry.question.clone(),
            answer: entry.answer.clone(),
            updated: entry.updated,
        }
    }
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct FaultFacts {
    pub title: String,
    pub text: String,
    pub cure: Vec<String>,
    pub code: String,
    pub request_id: String,
}
