//! Addresses that were confirmed elsewhere: taken over as they are, never against anybody's will. Who left, bounced or
//! is kept from all mail stays so; importing the same file twice changes nothing.

use super::{SubscribeError, TRIES, is_overtaken, rewrite};
use crate::domain::mail_address::MailAddress;
use crate::domain::status::Audience;
use crate::domain::status::choice::Choices;
use crate::domain::status::subscriber::{Asked, CONSENT_VERSION, Subscriber, SubscriberState};
use crate::store::Change;
use crate::usecase::Gateway;
use crate::usecase::access::AccessEntry;

/// Subscribers that one change makes; small enough that others get their turn.
const ROWS_A_CHANGE: usize = 200;

/// One address with what its owner chose elsewhere.
#[derive(Debug, Clone)]
pub struct ImportRow {
    /// Of the file, for telling faults.
    pub line: u64,
    pub address: MailAddress,
    pub choices: Choices,
}

/// What an import came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    pub new: usize,
    /// Subscribe already: their own choices stay.
    pub known: usize,
    /// Left, bounced or kept from all mail: not brought back.
    pub left_out: usize,
    /// Lines whose choices are unfit, each with why.
    pub faults: Vec<(u64, String)>,
}

impl Gateway {
    /// Takes over confirmed addresses. `source` is the system that had them, as the evidence of their consent.
    pub async fn import_subscribers(
        &self,
        operator: &str,
        source: &str,
        audience: Audience,
        rows: &[ImportRow],
    ) -> Result<Imported, SubscribeError> {
        let line = AccessEntry::new(operator, "operator", &format!("subscriber-import: {source}"), "");
        self.log_operator(&self.common, &line).await?;
        let mut imported = Imported::default();
        let board = self.board();
        let mut sound = Vec::new();
        for row in rows {
            let faults = row.choices.faults(&board, audience, false);
            if faults.is_empty() {
                sound.push(row);
            } else {
                imported.faults.push((row.line, SubscribeError::Unfit(faults).to_string()));
            }
        }
        for batch in sound.chunks(ROWS_A_CHANGE) {
            let mut tried = 1;
            loop {
                match self.import_batch(source, audience, batch).await {
                    Err(error) if is_overtaken(&error) && tried < TRIES => tried += 1,
                    done => {
                        let [new, known, left_out] = done?;
                        imported.new += new;
                        imported.known += known;
                        imported.left_out += left_out;
                        break;
                    }
                }
            }
        }
        Ok(imported)
    }

    /// How many are new, known and left out.
    async fn import_batch(
        &self,
        source: &str,
        audience: Audience,
        rows: &[&ImportRow],
    ) -> Result<[usize; 3], SubscribeError> {
        let (now, head) = (self.now(), self.notices_head().await?);
        let mut change = Change::new();
        let mut seen = std::collections::HashSet::new();
        let [mut new, mut known, mut left_out] = [0; 3];
        for row in rows {
            if !seen.insert(row.address.folded()) {
                known += 1;
                continue;
            }
            if self.suppression(&row.address).await?.is_some() {
                left_out += 1;
                continue;
            }
            let asked = Asked {
                at: now,
                choices: row.choices.clone(),
                consent_version: CONSENT_VERSION,
                source: format!("import {source}"),
            };
            let before = self.subscriber_of(&row.address, audience).await?;
            let (state, mut subscriber) = match &before {
                None => {
                    let fresh = Subscriber::pending(self.new_id(now)?, row.address.clone(), audience, asked);
                    (SubscriberState::Pending, fresh)
                }
                Some(at) => {
                    let mut subscriber = at.record.clone();
                    subscriber.ask(asked);
                    (at.record.state, subscriber)
                }
            };
            match state {
                SubscriberState::Active => known += 1,
                SubscriberState::Left | SubscriberState::Quarantined => left_out += 1,
                SubscriberState::Pending => {
                    subscriber.confirm(subscriber.generation, head, now).map_err(|_| SubscribeError::LinkUnknown)?;
                    match &before {
                        Some(at) => rewrite(&mut change, at, &subscriber),
                        None => self.create_subscriber(&mut change, &subscriber),
                    }
                    new += 1;
                }
            }
        }
        if new > 0 {
            self.commit_common(change).await?;
        }
        Ok([new, known, left_out])
    }
}
