//! `[mail]`: how letters go out, and who sends them.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use zeroize::Zeroizing;

use super::Mode;
use super::check::{address, bounded, unreadable};
use super::diagnostic::Scrutiny;
use super::file;
use crate::domain::mail_address::MailAddress;
use crate::mail;

const LETTERS_AT_ONCE: usize = 4;

/// What the table comes to.
pub struct Letters {
    pub transport: mail::Settings,
    pub from: mail::Sender,
    pub bounce_address: MailAddress,
    pub at_once: usize,
    pub domain: String,
    pub strict: bool,
}

pub fn letters(scrutiny: &mut Scrutiny, base: &Path, mode: Mode, table: &Spanned<file::Mail>) -> Option<Letters> {
    let mail = table.get_ref();
    let at_once = bounded(scrutiny, mail.connections_max.as_ref(), LETTERS_AT_ONCE, 1, 50);
    let transport = transport(scrutiny, base, mode, table, at_once);
    let from = address(scrutiny, &mail.from_address);
    let bounce = mail.bounce_address.as_ref().map(|bounce| address(scrutiny, bounce));
    let from = from?;
    let domain = domain(scrutiny, mail, &from);
    Some(Letters {
        transport: transport?,
        bounce_address: bounce.unwrap_or_else(|| Some(from.clone()))?,
        from: mail::Sender { name: mail.from_name.clone(), address: from },
        at_once,
        domain,
        strict: mail.strict,
    })
}

fn transport(
    scrutiny: &mut Scrutiny,
    base: &Path,
    mode: Mode,
    mail: &Spanned<file::Mail>,
    connections_max: usize,
) -> Option<mail::Settings> {
    let table = mail.get_ref();
    if *table.transport.get_ref() == file::Transport::Directory {
        if mode == Mode::Production {
            let remedy = "transport = \"smtp\" and the smarthost's `host`; letters in a directory reach nobody";
            scrutiny.fault(table.transport.span(), "production sends letters", remedy);
        }
        let Some(path) = &table.directory else {
            scrutiny.fault(mail.span(), "transport \"directory\" needs `directory`", "add `directory = \"mail\"`");
            return None;
        };
        if let Some(second) = &table.second {
            scrutiny.fault(second.span(), "a second smarthost goes with transport \"smtp\"", "leave it out");
        }
        return Some(mail::Settings::Directory { path: base.join(path) });
    }
    let first = smarthost(scrutiny, base, mail.span(), table.first(), connections_max);
    let second = table.second.as_ref().map(|second| {
        let mut table = second.get_ref().clone();
        table.hello_name = table.hello_name.or_else(|| mail.get_ref().hello_name.clone());
        smarthost(scrutiny, base, second.span(), table, connections_max)
    });
    let second = match second {
        None => None,
        Some(second) => Some(second?),
    };
    Some(mail::Settings::Smtp { first: first?, second })
}

fn smarthost(
    scrutiny: &mut Scrutiny,
    base: &Path,
    place: Range<usize>,
    table: file::Smarthost,
    connections_max: usize,
) -> Option<Box<mail::SmtpSettings>> {
    let credentials = credentials(scrutiny, base, &place, &table);
    let (Some(host), Some(hello_name)) = (table.host, table.hello_name) else {
        let remedy = "add `host = \"smtp.region.example\"` and `hello-name = \"gateway.region.example\"`";
        scrutiny.fault(place, "transport \"smtp\" needs `host` and `hello-name`", remedy);
        return None;
    };
    let mut smtp = mail::SmtpSettings::new(host, hello_name);
    if table.security == Some(file::Security::Starttls) {
        smtp.security = mail::Security::StartTls;
        smtp.port = 587;
    }
    smtp.port = table.port.unwrap_or(smtp.port);
    smtp.ca_file = table.ca_file.as_ref().map(|file| base.join(file));
    smtp.connections_max = connections_max;
    smtp.credentials = credentials;
    if let Err(error) = smtp.check() {
        scrutiny.fault(place, error.to_string().replace('_', "-"), "see the reference file for each key");
    }
    Some(Box::new(smtp))
}

/// The domain in Message-IDs and in the addresses that bounces go to.
fn domain(scrutiny: &mut Scrutiny, mail: &file::Mail, from: &MailAddress) -> String {
    let Some(domain) = &mail.domain else { return from.domain().to_owned() };
    match MailAddress::parse(&format!("b@{}", domain.get_ref())) {
        Ok(address) => address.domain().to_owned(),
        Err(error) => {
            scrutiny.fault(domain.span(), error.to_string(), "such as \"status.region.example\"");
            domain.get_ref().clone()
        }
    }
}

fn credentials(
    scrutiny: &mut Scrutiny,
    base: &Path,
    place: &Range<usize>,
    table: &file::Smarthost,
) -> Option<mail::Credentials> {
    let (user, path) = match (&table.user, &table.password_file) {
        (None, None) => return None,
        (Some(user), Some(path)) => (user.clone(), base.join(path)),
        _ => {
            scrutiny.fault(place.clone(), "`user` and `password-file` go together", "give both or neither");
            return None;
        }
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let password = Zeroizing::new(Zeroizing::new(text).trim_end_matches(['\r', '\n']).to_owned());
            Some(mail::Credentials { user, password })
        }
        Err(error) => {
            scrutiny.fault(place.clone(), unreadable(&path, &error), "make it readable for the service's user");
            None
        }
    }
}
