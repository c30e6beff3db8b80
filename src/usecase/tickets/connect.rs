//! An order to connect a clinic becomes the clinic: one change makes it, gives it the case types that were wished, gives
//! its manager the roles to go on from there, and answers the order.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::SupportRefusal;
use crate::domain::case::{Document, DocumentBody, DocumentKind, State};
use crate::domain::clinic::{CaseType, Clinic, Role, RoleGrant, Texts};
use crate::domain::id::{HsaId, Private};
use crate::domain::language::Language;
use crate::domain::letter::LetterKind;
use crate::domain::ticket::{ClinicOrder, Matter, Order, SupportErrand, Ticket};
use crate::store::record::encode;
use crate::store::{Change, key};
use crate::usecase::catalog::{Catalog, posts_of};
use crate::usecase::kept::Held;
use crate::usecase::letters::LetterStore;
use crate::usecase::owe::relist;
use crate::usecase::region::Author;
use crate::usecase::{Gateway, Refusal};

/// What an order comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    pub clinic: Clinic,
    pub case_types: Vec<String>,
    /// Wished, and no clinic of the region has them: they are put by hand.
    pub unknown_case_types: Vec<String>,
    pub manager: HsaId,
    /// Without a post in the directory the manager gets no roles: import the directory, then grant them.
    pub manager_has_post: bool,
    /// Whether it was done, or only shown.
    pub done: bool,
}

impl Gateway {
    /// Shows what an order would make, or makes it. The answer is given by who has the ticket, or by `by`.
    pub async fn connect_clinic(
        &self,
        author: &Author,
        ticket: Uuid,
        by: Option<&HsaId>,
        make: bool,
    ) -> Result<Connection, Refusal> {
        let Held { version, case: before } = self.hold::<SupportErrand>(ticket).await?;
        let Matter::Order(Order::ConnectClinic(order)) = &before.errand.matter else {
            return Err(SupportRefusal::NotAClinicOrder.into());
        };
        let catalog = self.catalog();
        if catalog.clinic(&order.clinic).is_some() {
            return Err(SupportRefusal::ClinicExists.into());
        }
        let opening = self.support_desk(&catalog)?.record.opening;
        let wished: BTreeSet<&String> = order.case_types.iter().collect();
        let (offered, unknown): (Vec<_>, Vec<_>) =
            wished.into_iter().map(|id| (id, model(&catalog, id))).partition(|(_, model)| model.is_some());
        let manager_has_post = !posts_of(&self.common, &order.manager).await?.is_empty();
        let connection = Connection {
            clinic: Clinic {
                hsa_id: order.clinic.clone(),
                name: order.name.clone(),
                telephone: order.telephone.clone(),
                // Ordinary office hours until the clinic says otherwise.
                opening,
                open: true,
                information: Texts::default(),
            },
            case_types: offered.iter().map(|(id, _)| (*id).clone()).collect(),
            unknown_case_types: unknown.into_iter().map(|(id, _)| id.clone()).collect(),
            manager: order.manager.clone(),
            manager_has_post,
            done: make,
        };
        let line = |act| author.line(act).at(&order.clinic).of(vec![ticket]);
        if !make {
            self.log_reading::<SupportErrand>(&line("clinic-connect-shown")).await?;
            return Ok(connection);
        }
        let models = offered.into_iter().filter_map(|(_, model)| model);
        let mut change = self.new_clinic(author, &connection, models);
        self.answer_order(author, &mut change, &catalog, (version, &before), order, by)?;
        self.commit_region(change, line("clinic-connect")).await?;
        self.letters_owed(LetterStore::Common).notify_one();
        Ok(connection)
    }

    fn new_clinic<'a>(
        &self,
        author: &Author,
        connection: &Connection,
        models: impl Iterator<Item = &'a CaseType>,
    ) -> Change {
        let clinic = &connection.clinic.hsa_id;
        let mut change = Change::new();
        change.create(key::clinic(clinic), encode(&connection.clinic));
        for model in models {
            let case_type = CaseType { clinic: clinic.clone(), active: true, ..model.clone() };
            change.create(key::case_type(clinic, &case_type.id), encode(&case_type));
        }
        if connection.manager_has_post {
            let grant = RoleGrant {
                clinic: clinic.clone(),
                person: connection.manager.clone(),
                roles: BTreeSet::from([Role::Administrator, Role::Manager]),
                granted_by: author.name(),
                granted_at: self.now(),
            };
            change.create(key::role(clinic, &connection.manager), encode(&grant));
        }
        change
    }

    fn answer_order(
        &self,
        author: &Author,
        change: &mut Change,
        catalog: &Catalog,
        (version, before): (u64, &Ticket),
        order: &ClinicOrder,
        by: Option<&HsaId>,
    ) -> Result<(), Refusal> {
        let who = before.handler.as_ref().or(by).ok_or(SupportRefusal::NobodyAnswers)?;
        if !catalog.is_support(who) {
            return Err(SupportRefusal::NotSupport(who.clone()).into());
        }
        let now = self.now();
        let mut ticket = before.clone();
        if ticket.state == State::Received {
            ticket.distribute(who.clone(), who.clone(), now)?;
        }
        let (number, _) = ticket.answer(who.clone(), now)?;
        let text = answer_text(order, before.errand.reporter.language);
        let document = Document { kind: DocumentKind::Answer, body: DocumentBody::Text(Private::new(text)) };
        change.create(key::document(ticket.id, number), encode(&document));
        change.replace(key::case(ticket.id), version, encode(&ticket));
        relist(change, Some(before), &ticket);
        self.tell_reporter(change, &ticket, LetterKind::TicketAnswer, json!({}))?;
        self.log_in(change, &author.line("ticket-answer").at(&ticket.clinic).of(vec![ticket.id]), now)
    }
}

/// A case type of that name as another clinic of the region has it.
fn model<'a>(catalog: &'a Catalog, id: &str) -> Option<&'a CaseType> {
    catalog.case_types.values().map(|at| &at.record).find(|case_type| case_type.id == id && case_type.active)
}

fn answer_text(order: &ClinicOrder, language: Language) -> String {
    let ClinicOrder { name, clinic, .. } = order;
    match language {
        Language::Sv => format!(
            "{name} ({clinic}) är ansluten.\n\nVerksamhetschefen kan logga in med sitt e-tjänstekort, ge medarbetare roller \
             och anpassa ärendetyper och texter. Kontrollera öppettiderna: de är satta till vanlig kontorstid."
        ),
        Language::En => format!(
            "{name} ({clinic}) is connected.\n\nThe clinic manager can log in with a SITHS card, give colleagues their roles \
             and adapt case types and texts. Check the opening hours: they are set to ordinary office hours."
        ),
    }
}
