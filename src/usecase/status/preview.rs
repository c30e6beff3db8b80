//! What an act would come to: the event as it would be told, and how many would be mailed. Nothing is changed.

use super::author::Author;
use crate::domain::language::Language;
use crate::domain::status::act::Act;
use crate::domain::status::choice::Mode;
use crate::domain::status::event::Event;
use crate::domain::status::subscriber::Subscriber;
use crate::store::record::decode;
use crate::store::{Range, key};
use crate::usecase::{Gateway, Refusal};

/// Subscribers read at a time.
const PAGE: usize = 1_000;

/// What an act would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// As it would be told now.
    pub event: Event,
    pub revision: u32,
}

/// How many would be mailed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recipients {
    pub at_once: u64,
    /// In their daily mail.
    pub digest: u64,
    /// Of both.
    pub in_swedish: u64,
    pub in_english: u64,
}

impl Gateway {
    /// What would be told; nothing is changed.
    pub async fn preview(&self, author: &Author, act: &Act) -> Result<Preview, Refusal> {
        self.permit_telling(author)?;
        let now = self.now();
        let event = self.compose(author, act, self.new_id(now)?, now).await?.event;
        Ok(Preview { revision: event.subject.revision(), event })
    }

    /// Who would be mailed of it, counted by walking through all that subscribe.
    pub async fn count_recipients(&self, event: &Event) -> Result<Recipients, Refusal> {
        let mut recipients = Recipients::default();
        if !event.notify {
            return Ok(recipients);
        }
        let mut range = Range::prefix(&key::subscribers());
        loop {
            let page = self.common.scan(range.clone(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(recipients) };
            range = range.after(last);
            for (_, held) in page {
                recipients.add(&decode(&held.value)?, event);
            }
        }
    }
}

impl Recipients {
    fn add(&mut self, subscriber: &Subscriber, event: &Event) {
        if !subscriber.is_active() || !subscriber.wants(event) {
            return;
        }
        match subscriber.mode {
            Mode::AtOnce => self.at_once += 1,
            Mode::Digest { .. } => self.digest += 1,
        }
        match subscriber.language {
            Language::Sv => self.in_swedish += 1,
            Language::En => self.in_english += 1,
        }
    }
}
