//! Renders the pages for people who do something, and what all pages say around their own matter.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use minijinja::{Value, context};
use serde::Serialize;

use super::environment::value;
use super::page::{FaqItem, FaultFacts, Form, Ongoing, Page, TicketFacts, ticket_form_path};
use super::view::{SubjectView, View};
use super::when::When;
use super::words::{Said, said};
use super::{RenderError, Renderer, sample};
use crate::domain::faq::LOGIN_GUIDE;
use crate::domain::language::Language;
use crate::domain::status::Audience;
use crate::domain::status::board::{Board, OwnHealth};
use crate::domain::status::edition::Edition;

/// Of what goes on, a support page shows so much; the status page has the rest.
const ONGOING_MAX: usize = 5;

impl Renderer {
    /// A page for somebody who does something, as HTML.
    pub fn page(&self, page: &Page, language: Language, audience: Audience) -> Result<String, RenderError> {
        let edition = Edition { language, audience };
        let (name, path, facts) = self.parts(page, language);
        // The path of a page with a secret in it is shown to its reader only, and to no search engine.
        let is_private = path.is_none();
        let facts = context! { ..context! { is_private }, ..facts, ..self.site(edition, path.as_deref()) };
        self.rendered(name, facts)
    }

    /// A refusal as a page of the public door: what people meet often has words of its own.
    pub fn problem_page(&self, facts: FaultFacts, edition: Edition) -> Option<String> {
        let page = match facts.code.as_str() {
            "not-found" => Page::NotFound,
            "gateway-down" => Page::Down,
            _ => Page::Fault(facts),
        };
        self.page(&page, edition.language, edition.audience).ok()
    }

    /// A time as pages write it.
    pub fn time_in_words(&self, at: Timestamp, language: Language, now: Timestamp) -> String {
        When::new(language, now).words(at)
    }

    /// What somebody does who came too often or at a bad time: *Vänta till kl. 14.05 och försök igen.*
    pub fn wait_in_words(&self, wait: Duration, language: Language, now: Timestamp) -> String {
        let minute = SignedDuration::from_mins(1);
        let wait = SignedDuration::try_from(wait).unwrap_or(minute);
        // A clock shows whole minutes: the next one is never too early.
        let until = now.saturating_add(wait + minute).unwrap_or(now);
        let until = When::new(language, now).moment(until).short;
        match language {
            Language::Sv => format!("Vänta till {until} och försök igen."),
            Language::En => format!("Wait until {until}, then try again."),
        }
    }

    /// What goes on now, for the pages that show it above a form.
    pub fn ongoing(&self, board: &Board, language: Language, audience: Audience, now: Timestamp) -> Vec<Ongoing> {
        let edition = Edition { language, audience };
        let view = View::new(&board.for_audience(audience), &OwnHealth::default(), edition, now);
        let brief = |subject: &SubjectView| Ongoing {
            id: subject.uuid,
            title: subject.title.text.clone(),
            title_language: subject.title.lang,
            sentence: subject.sentence.clone(),
            path: subject.path.clone(),
            follow_path: edition.path(&format!("/status/prenumerera?handelse={}", subject.id)),
        };
        view.ongoing().take(ONGOING_MAX).map(brief).collect()
    }

    /// Template, unprefixed path where it has one without a secret, facts.
    fn parts(&self, page: &Page, language: Language) -> (&'static str, Option<String>, Value) {
        let at = |path: &str| Some(path.to_owned());
        match page {
            Page::Subscribe(facts) => {
                let subject = facts.subject.as_ref().map(|texts| said(texts, language));
                let facts = context! { form => form(&facts.form), subject => value(subject) };
                ("page/subscribe.html", at("/status/prenumerera"), facts)
            }
            Page::SubscribeAsked => ("page/subscribe-asked.html", None, context! {}),
            Page::ConfirmAsk(facts) => ("page/confirm-ask.html", None, of(facts)),
            Page::Confirmed(facts) => ("page/confirmed.html", None, of(facts)),
            Page::Manage(facts) => ("page/manage.html", None, context! { form => form(&facts.form), ..of(facts) }),
            Page::LeaveAsk(facts) => ("page/leave-ask.html", None, of(facts)),
            Page::Left(facts) => ("page/left.html", None, of(facts)),
            Page::LinkUnknown => ("page/link-unknown.html", None, context! {}),
            Page::Support(facts) => {
                ("page/support.html", at("/support"), context! { ongoing => value(&facts.ongoing) })
            }
            Page::TicketForm(facts) => {
                let path = at(ticket_form_path(facts.kind));
                let ongoing = value(&facts.ongoing);
                ("page/ticket-form.html", path, context! { ongoing, form => form(&facts.form), ..of(facts) })
            }
            Page::TicketReceived(facts) => ("page/ticket-received.html", None, of(facts)),
            Page::Ticket(facts) => {
                let form = facts.form.as_ref().map(form);
                ("page/ticket.html", None, context! { form, messages => messages(facts, language), ..of(facts) })
            }
            Page::Faq(facts) => {
                let entries: Vec<FaqView> = facts.entries.iter().map(|entry| FaqView::of(entry, language)).collect();
                ("page/faq.html", at("/fragor-och-svar"), context! { entries => value(entries) })
            }
            Page::FaqEntry(entry) => {
                let path = Some(format!("/fragor-och-svar/{}", entry.slug));
                let card_test = self.card_test(language).filter(|_| entry.slug == LOGIN_GUIDE);
                let entry = value(FaqView::of(entry, language));
                ("page/faq-entry.html", path, context! { entry, card_test })
            }
            Page::NotFound => ("page/not-found.html", None, context! {}),
            Page::Home => ("page/home.html", at("/"), context! {}),
            Page::Closed(path, facts) => ("page/closed.html", at(path), context! { ongoing => value(&facts.ongoing) }),
            Page::Down => ("page/down.html", None, context! {}),
            Page::Fault(facts) => ("page/fault.html", None, of(facts)),
        }
    }

    /// What stands on every page. A page without a path of its own has no counterpart in the other language.
    pub(super) fn site(&self, edition: Edition, path: Option<&str>) -> Value {
        let Edition { language, audience } = edition;
        let other_language = match language {
            Language::Sv => Language::En,
            Language::En => Language::Sv,
        };
        let other_audience = match audience {
            Audience::Staff => Audience::Public,
            Audience::Public => Audience::Staff,
        };
        let telephone = &self.service.support_telephone;
        let digits: String = telephone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        let external = self.service.link_for(audience).map(|link| {
            context! { url => &link.url, label => value(said(&link.label, language)) }
        });
        context! {
            language => language.tag(),
            prefix => edition.prefix(),
            own_path => path.unwrap_or_default(),
            is_private => false,
            is_staff => audience == Audience::Staff,
            service_name => &self.service.name,
            public_url => &self.service.public_url,
            telephone,
            telephone_digits => digits,
            hours => value(said(&self.service.support_hours, language)),
            external,
            other_language_path => path.map(|path| Edition { language: other_language, audience }.path(path)),
            other_audience_path => Edition { language, audience: other_audience }.path("/status"),
        }
    }

    /// Renders every page once.
    pub(super) fn try_pages(&self, language: Language, audience: Audience) -> Result<(), RenderError> {
        sample::pages().iter().try_for_each(|page| self.page(page, language, audience).map(drop))
    }
}

fn of(facts: &impl Serialize) -> Value {
    context! { facts => value(facts) }
}

fn form(form: &Form) -> Value {
    value(form)
}

fn messages(facts: &TicketFacts, language: Language) -> Vec<Value> {
    let when = When::with_years(language);
    let message = |message: &super::page::TicketMessage| {
        context! { from => &message.from, at => value(when.moment(message.at)), text => &message.text }
    };
    facts.messages.iter().map(message).collect()
}

#[derive(Serialize)]
struct FaqView<'a> {
    slug: &'a str,
    question: Said,
    answer: Said,
    updated: String,
}

impl FaqView<'_> {
    fn of(item: &FaqItem, language: Language) -> FaqView<'_> {
        FaqView {
            slug: &item.slug,
            question: said(&item.question, language),
            answer: said(&item.answer, language),
            updated: When::with_years(language).day(item.updated),
        }
    }
}
