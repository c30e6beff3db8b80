//! The templates with what they may call. Ours are built in; a region's own stand in for them by the same path.

use std::path::Path;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, escape_formatter};
use serde::Serialize;

use super::{RenderError, markup, unfit};

/// A region's own template may be this long, in bytes.
const TEMPLATE_BYTES_MAX: u64 = 64 << 10;
/// Steps that rendering one template may take: a month with two hundred incidents stays far below.
const FUEL: u64 = 1_000_000;
/// Columns of a mail's text.
const TEXT_COLUMNS: usize = 72;

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("templates/", $name)))),*]
    };
}

const BUILT_IN: &[(&str, &str)] = built_in![
    "letter.html",
    "rejection.html",
    "card-test.html",
    "sv/answer-waits.subject",
    "sv/answer-waits.txt",
    "sv/answer-waits.html",
    "sv/question-waits.subject",
    "sv/question-waits.txt",
    "sv/question-waits.html",
    "sv/new-case.subject",
    "sv/new-case.txt",
    "sv/new-case.html",
    "sv/assigned-case.subject",
    "sv/assigned-case.txt",
    "sv/assigned-case.html",
    "en/answer-waits.subject",
    "en/answer-waits.txt",
    "en/answer-waits.html",
    "en/question-waits.subject",
    "en/question-waits.txt",
    "en/question-waits.html",
    "en/new-case.subject",
    "en/new-case.txt",
    "en/new-case.html",
    "en/assigned-case.subject",
    "en/assigned-case.txt",
    "en/assigned-case.html",
    "sv/confirm-subscription.subject",
    "sv/confirm-subscription.txt",
    "sv/confirm-subscription.html",
    "sv/manage-subscription.subject",
    "sv/manage-subscription.txt",
    "sv/manage-subscription.html",
    "sv/list-leave-wish.subject",
    "sv/list-leave-wish.txt",
    "sv/list-leave-wish.html",
    "en/confirm-subscription.subject",
    "en/confirm-subscription.txt",
    "en/confirm-subscription.html",
    "en/manage-subscription.subject",
    "en/manage-subscription.txt",
    "en/manage-subscription.html",
    "en/list-leave-wish.subject",
    "en/list-leave-wish.txt",
    "en/list-leave-wish.html",
    "sv/ticket-received.subject",
    "sv/ticket-received.txt",
    "sv/ticket-received.html",
    "sv/ticket-answer.subject",
    "sv/ticket-answer.txt",
    "sv/ticket-answer.html",
    "sv/ticket-question.subject",
    "sv/ticket-question.txt",
    "sv/ticket-question.html",
    "sv/ticket-mended.subject",
    "sv/ticket-mended.txt",
    "sv/ticket-mended.html",
    "sv/ticket-new.subject",
    "sv/ticket-new.txt",
    "sv/ticket-new.html",
    "sv/ticket-given.subject",
    "sv/ticket-given.txt",
    "sv/ticket-given.html",
    "sv/ticket-message.subject",
    "sv/ticket-message.txt",
    "sv/ticket-message.html",
    "sv/expires-soon.subject",
    "sv/expires-soon.txt",
    "sv/expires-soon.html",
    "sv/promise-broken.subject",
    "sv/promise-broken.txt",
    "sv/promise-broken.html",
    "en/ticket-received.subject",
    "en/ticket-received.txt",
    "en/ticket-received.html",
    "en/ticket-answer.subject",
    "en/ticket-answer.txt",
    "en/ticket-answer.html",
    "en/ticket-question.subject",
    "en/ticket-question.txt",
    "en/ticket-question.html",
    "en/ticket-mended.subject",
    "en/ticket-mended.txt",
    "en/ticket-mended.html",
    "en/ticket-new.subject",
    "en/ticket-new.txt",
    "en/ticket-new.html",
    "en/ticket-given.subject",
    "en/ticket-given.txt",
    "en/ticket-given.html",
    "en/ticket-message.subject",
    "en/ticket-message.txt",
    "en/ticket-message.html",
    "en/expires-soon.subject",
    "en/expires-soon.txt",
    "en/expires-soon.html",
    "en/promise-broken.subject",
    "en/promise-broken.txt",
    "en/promise-broken.html",
    "page/brief.html",
    "page/closed.html",
    "page/confirm-ask.html",
    "page/confirmed.html",
    "page/down.html",
    "page/facts.html",
    "page/faq-entry.html",
    "page/faq.html",
    "page/fault.html",
    "page/field.html",
    "page/form.html",
    "page/history.html",
    "page/home.html",
    "page/layout.html",
    "page/leave-ask.html",
    "page/left.html",
    "page/link-unknown.html",
    "page/manage.html",
    "page/not-found.html",
    "page/ongoing.html",
    "page/state.html",
    "page/status.html",
    "page/subject.html",
    "page/subscribe-asked.html",
    "page/subscribe.html",
    "page/support.html",
    "page/telephone.html",
    "page/ticket-form.html",
    "page/ticket-received.html",
    "page/ticket.html",
    "staff/fault.html",
    "staff/layout.html",
    "staff/letters.html",
    "staff/logged-out.html",
    "staff/log-in.html",
    "staff/start.html",
    "notice/notice.txt",
    "notice/notice.html",
    "notice/several.txt",
    "notice/several.html",
    "notice/letter.html",
    "notice/why.txt",
    "feed/atom.xml",
    "feed/badge.xml",
];

/// Reads the templates. Blocking.
pub(super) fn load(own: Option<&Path>) -> Result<Environment<'static>, RenderError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(write);
    environment.add_function("t", in_language);
    environment.add_filter("said", |said: Value| element("span", &said, markup::escaped));
    environment.add_filter("said_body", |said: Value| element("div", &said, markup::paragraphs));
    environment.add_filter("said_prose", |said: Value| element("div", &said, markup::prose));
    environment.add_filter("paragraphs", |text: &str| Value::from_safe_string(markup::paragraphs(text)));
    environment.add_filter("wrapped", |text: &str| markup::wrap(text, TEXT_COLUMNS));
    environment.add_filter("lower_first", markup::lower_first);
    for (name, source) in BUILT_IN {
        let source = match own {
            Some(dir) => read_own(&dir.join(name))?.unwrap_or_else(|| (*source).to_owned()),
            None => (*source).to_owned(),
        };
        environment.add_template_owned(*name, source).map_err(|e| unfit(name, &e))?;
    }
    Ok(environment)
}

/// As minijinja writes values, but for slashes in HTML, which need no escape: paths stay legible.
fn write(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if *state.auto_escape() == AutoEscape::Html && !value.is_safe() => {
            out.write_str(&markup::escaped(text)).map_err(Error::from)
        }
        _ => escape_formatter(out, state, value),
    }
}

/// What a template is given.
pub(super) fn value(facts: impl Serialize) -> Value {
    Value::from(Serde(facts))
}

/// `t("svenska", "English")`: the one of the page's language.
fn in_language(state: &State<'_, '_>, sv: Value, en: Value) -> Value {
    let language = state.lookup("language");
    if language.as_ref().and_then(Value::as_str) == Some("en") { en } else { sv }
}

/// A text in an element of its own, which names its language when that is not the page's.
fn element(tag: &str, said: &Value, html: fn(&str) -> String) -> Result<Value, Error> {
    let (text, lang) = (said.get_attr("text")?, said.get_attr("lang")?);
    let text = text.as_str().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "not a text of ours"))?;
    let html = html(text);
    Ok(Value::from_safe_string(match lang.as_str() {
        Some(lang) => format!("<{tag} lang=\"{lang}\">{html}</{tag}>"),
        None => html,
    }))
}

fn read_own(path: &Path) -> Result<Option<String>, RenderError> {
    let fault = |reason: String| RenderError::File { path: path.to_owned(), reason };
    match std::fs::metadata(path) {
        Err(_) => return Ok(None),
        Ok(meta) if meta.len() > TEMPLATE_BYTES_MAX => return Err(fault("longer than 64 KiB".into())),
        Ok(_) => {}
    }
    std::fs::read_to_string(path).map(Some).map_err(|e| fault(e.to_string()))
}
