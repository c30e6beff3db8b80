//! What operators can have done about the support.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::command::{list, told};
use crate::domain::faq::FaqEntry;
use crate::domain::id::HsaId;
use crate::domain::support::{SupportDesk, SupportService};
use crate::domain::ticket::TicketNumber;
use crate::usecase::Gateway;
use crate::usecase::region::Author;

/// One request about the support.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SupportCommand {
    DeskPut {
        desk: Box<SupportDesk>,
    },
    DeskShow,
    ServicePut {
        service: SupportService,
    },
    ServiceList,
    FaqPut {
        entry: Box<FaqEntry>,
    },
    FaqList,
    TicketList,
    TicketTie {
        ticket: TicketNumber,
        incident: Option<Uuid>,
    },
    /// Shows what the order would make, or makes it.
    ClinicConnect {
        order: TicketNumber,
        by: Option<HsaId>,
        make: bool,
    },
}

pub async fn carry_out(gateway: &Gateway, command: SupportCommand, author: &Author) -> Result<Value, String> {
    match command {
        SupportCommand::DeskPut { desk } => {
            gateway.put_support_desk(author, &desk).await.map_err(told)?;
            Ok(json!({ "support": desk.unit }))
        }
        SupportCommand::DeskShow => Ok(json!(gateway.catalog().support.as_ref().map(|at| &at.record))),
        SupportCommand::ServicePut { service } => {
            gateway.put_support_service(author, &service).await.map_err(told)?;
            Ok(json!({ "service": service.slug }))
        }
        SupportCommand::ServiceList => Ok(list(gateway.catalog().services.values().map(|at| &at.record))),
        SupportCommand::FaqPut { entry } => {
            let slug = entry.slug.clone();
            gateway.put_faq(author, *entry, None).await.map_err(|refusal| format!("{slug}: {}", told(refusal)))?;
            Ok(json!({ "faq": slug }))
        }
        SupportCommand::FaqList => Ok(list(gateway.catalog().faq.values().map(|at| &at.record))),
        SupportCommand::TicketList => {
            let open = gateway.open_tickets(author).await.map_err(told)?;
            let lines = open.iter().map(|ticket| {
                json!({
                    "number": ticket.errand.number,
                    "kind": ticket.errand.matter.kind(),
                    "priority": ticket.errand.priority,
                    "service": ticket.errand.service,
                    "state": ticket.state,
                    "receivedAt": ticket.received_at,
                    "answeredBy": ticket.answered_by,
                    "handler": ticket.handler,
                    "incident": ticket.errand.incident,
                    "reference": ticket.errand.reporter.reference.as_ref().map(|text| text.expose()),
                })
            });
            Ok(json!(lines.collect::<Vec<_>>()))
        }
        SupportCommand::TicketTie { ticket, incident } => {
            let id = gateway.ticket_by_number(ticket).await.map_err(told)?;
            gateway.tie_ticket(author, id, None, incident).await.map_err(told)?;
            Ok(json!({ "ticket": ticket, "incident": incident }))
        }
        SupportCommand::ClinicConnect { order, by, make } => {
            let id = gateway.ticket_by_number(order).await.map_err(told)?;
            let connection = gateway.connect_clinic(author, id, by.as_ref(), make).await.map_err(told)?;
            Ok(json!(connection))
        }
    }
}
