//! Judging without a running gateway: a configuration, a filled-in form, numbers.

use std::io::{BufRead, Read};
use std::path::Path;

use serde_json::json;

use super::config_fault;
use super::grammar::Tongue;
use super::say::{complain, say};
use crate::config::Config;
use crate::daemon::SystemClock;
use crate::domain::calendar::local_date;
use crate::domain::form::{Issue, Questionnaire, is_valid};
use crate::domain::id::{HsaId, OrganisationNumber, Recognised, recognise};
use crate::domain::language::Language;
use crate::domain::time::Clock;
use crate::exit::Exit;

/// Far longer than any number; what is longer is no list of numbers.
const LINE_BYTES_MAX: u64 = 4096;

pub fn config(file: &Path) -> Exit {
    match Config::load(file) {
        Ok(_) => {
            say(&format!("{}: fit", file.display()));
            Exit::Ok
        }
        Err(error) => config_fault(&error),
    }
}

pub fn form(questionnaire: &Path, response: &Path, json: bool, language: Tongue) -> Exit {
    let language = match language {
        Tongue::Sv => Language::Sv,
        Tongue::En => Language::En,
    };
    let read = |path: &Path| {
        super::region::read_json::<serde_json::Value>(path).map_err(|error| {
            complain(&error.to_string());
            Exit::DataErr
        })
    };
    let (questionnaire, response) = match (read(questionnaire), read(response)) {
        (Ok(questionnaire), Ok(response)) => (questionnaire, response),
        (Err(exit), _) | (_, Err(exit)) => return exit,
    };
    let (form, issues) = match Questionnaire::parse(&questionnaire) {
        Ok(form) => {
            let issues = form.check(&response, SystemClock.now());
            (Some(form), issues)
        }
        Err(issues) => (None, issues),
    };
    let asked = |issue: &Issue| {
        let item = form.as_ref()?.item(issue.link_id.as_deref()?)?;
        item.text.clone()
    };
    let valid = is_valid(&issues);
    if json {
        let issues: Vec<_> = issues.iter().map(|issue| as_json(issue, asked(issue), language)).collect();
        say(&json!({ "valid": valid, "issues": issues }).to_string());
    } else {
        for issue in &issues {
            let link_id = issue.link_id.as_deref().unwrap_or("-");
            let (severity, code) = (issue.severity.as_str(), issue.code.as_str());
            say(&format!("{severity}\t{code}\t{link_id}\t{}", issue.text(language)));
            if let Some(question) = asked(issue) {
                say(&format!("\t\t\t“{question}”"));
            }
        }
        say(if valid { "valid" } else { "invalid" });
    }
    if valid { Exit::Ok } else { Exit::Invalid }
}

fn as_json(issue: &Issue, question: Option<String>, language: Language) -> serde_json::Value {
    json!({
        "severity": issue.severity.as_str(),
        "code": issue.code.as_str(),
        "linkId": issue.link_id,
        "question": question,
        "pointer": issue.pointer,
        "text": issue.text(language),
    })
}

/// The verdict names the register or the rule, never the number.
pub fn person_ids() -> Exit {
    let today = local_date(SystemClock.now());
    each_line(|text| match recognise(text, today) {
        Ok(Recognised::In(system)) => Ok(format!("valid\t{}", system.word())),
        Ok(Recognised::Interim) => Ok("valid\tinterimsnummer\tsend it as HSA-ID-OF-WHO-GAVE-IT:NUMBER".to_owned()),
        Err(error) => Err(format!("invalid\t{error}")),
    })
}

pub fn hsa_ids() -> Exit {
    each_line(|text| match HsaId::parse(text) {
        Ok(id) => Ok(format!("valid\t{id}")),
        Err(error) => Err(format!("invalid\t{error}")),
    })
}

pub fn organisation_numbers() -> Exit {
    each_line(|text| match OrganisationNumber::parse(text) {
        Ok(number) => Ok(format!("valid\t{number}")),
        Err(error) => Err(format!("invalid\t{error}")),
    })
}

/// A verdict for every line, empty ones too, so that verdicts and lines stay side by side. What is not UTF-8 in a line
/// makes that line invalid, not the rest.
fn each_line(judge: impl Fn(&str) -> Result<String, String>) -> Exit {
    let mut exit = Exit::Ok;
    let mut input = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        match input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) if line.ends_with(b"\n") || u64::try_from(line.len()).is_ok_and(|len| len < LINE_BYTES_MAX) => {}
            Ok(_) => {
                complain(&format!("a line on standard input is longer than {LINE_BYTES_MAX} bytes"));
                return Exit::DataErr;
            }
            Err(error) => {
                complain(&format!("standard input cannot be read: {error}"));
                return Exit::IoErr;
            }
        }
        match judge(&String::from_utf8_lossy(&line)) {
            Ok(verdict) => say(&verdict),
            Err(verdict) => {
                exit = Exit::Invalid;
                say(&verdict);
            }
        }
    }
    exit
}
