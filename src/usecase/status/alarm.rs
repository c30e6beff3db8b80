//! A promise that was not kept: whoever can still keep it is told by letter, once for each time that was promised.

use serde_json::json;

use crate::domain::clinic::Role;
use crate::domain::id::HsaId;
use crate::domain::language::Language;
use crate::domain::letter::LetterKind;
use crate::domain::mail_address::MailAddress;
use crate::domain::status::edition::Edition;
use crate::domain::status::subject::Incident;
use crate::domain::status::swedish_time;
use crate::store::Change;
use crate::usecase::{Gateway, Refusal};

/// Letters about one promise; a larger support has a mailbox of its own.
const ALARM_LETTERS_MAX: usize = 50;

impl Gateway {
    /// Owes a letter to who wrote last and to the support's mailbox; where there is none, to everybody of the support.
    pub(super) fn alarm(&self, change: &mut Change, incident: &Incident) -> Result<(), Refusal> {
        let Some(promised) = incident.next_update_by else { return Ok(()) };
        for (to, language) in self.who_is_alarmed(incident) {
            let path =
                Edition { language, audience: incident.audience }.path(&format!("/status/handelse/{}", incident.id));
            let facts = json!({
                "title": incident.title.in_language(language),
                "promised": swedish_time::moment_with_zone(promised, language),
                "path": path,
            });
            self.owe_common(change, LetterKind::PromiseBroken, to, language, Some(facts), incident.id)?;
        }
        Ok(())
    }

    fn who_is_alarmed(&self, incident: &Incident) -> Vec<(MailAddress, Language)> {
        let catalog = self.catalog();
        let of = |person: &HsaId| Some((catalog.address_of(person)?, catalog.choice(person).language));
        let author = incident.updates.last().and_then(|update| HsaId::parse(&update.by).ok());
        let author = author.filter(|person| catalog.is_support(person)).and_then(|person| of(&person));
        let mailbox = catalog.support.as_ref().and_then(|at| at.record.mailbox.clone());
        let mut told: Vec<_> = author.into_iter().collect();
        match mailbox {
            Some(mailbox) => told.push((mailbox, Language::Sv)),
            None => {
                let roles = catalog.roles.values().map(|at| &at.record);
                let people = roles.filter(|grant| grant.roles.contains(&Role::Support)).map(|grant| &grant.person);
                told.extend(people.filter(|person| catalog.is_support(person)).filter_map(of));
            }
        }
        told.sort_by(|(one, _), (other, _)| one.expose().cmp(other.expose()));
        told.dedup_by(|(one, _), (other, _)| one == other);
        told.truncate(ALARM_LETTERS_MAX);
        told
    }
}
