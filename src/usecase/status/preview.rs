//! What an act would come to: the event as it would be told, and how many would be mailed. Nothing is changed.

use super::author::Author;
use crate::domain::status::act::Act;
use crate::domain::status::event::Event;
use crate::usecase::fanout::Matching;
use crate::usecase::{Gateway, Refusal};

/// What an act would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// As it would be told now.
    pub event: Event,
    pub revision: u32,
}

impl Gateway {
    /// What would be told; nothing is changed.
    pub async fn preview(&self, author: &Author, act: &Act) -> Result<Preview, Refusal> {
        self.permit_telling(author)?;
        let now = self.now();
        let event = self.compose(author, act, self.new_id(now)?, now).await?.event;
        Ok(Preview { revision: event.subject.revision(), event })
    }

    /// Who would be mailed of it; for pages alone, nobody.
    pub async fn count_recipients(&self, event: &Event) -> Result<Matching, Refusal> {
        if event.notify { self.recipients_of(event).await } else { Ok(Matching::default()) }
    }
}
