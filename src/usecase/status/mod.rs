//! What is told of services: written by authors, probes and the clock, read as a board, told as events.
//!
//! | file | holds |
//! |---|---|
//! | `alarm` | letters about promises that were not kept |
//! | `author` | who acts |
//! | `publish` | an act at once: one change with record, event and log line |
//! | `preview` | what an act would come to, and for how many |
//! | `pending` | an act held, taken back, or published when its time has come |
//! | `clock` | what time demands, in time's order |
//! | `series` | maintenances that come again |
//! | `components` | components and groups |
//! | `board` | the board in memory |
//! | `records` | what is kept, by version |

mod alarm;
pub mod author;
mod board;
mod clock;
mod components;
mod pending;
mod preview;
mod publish;
mod records;
mod series;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};

use super::{Gateway, Refusal};
use crate::crypto::sha256;
use crate::domain::status::board::Board;
use crate::domain::status::component::Component;
use crate::domain::status::event::Event;
use crate::domain::status::words::Circumstances;
use crate::store::record::{decode, encode};
use crate::store::{Append, Chain, Change, ReadError, Store};

pub use self::author::Author;
pub use self::components::{ComponentDraft, GroupDraft};
pub use self::preview::Preview;
pub use self::publish::{Outcome, Publication};
pub use self::records::Pending;
pub use self::series::SeriesPreview;

/// The region's own rules of telling, and of the support that stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long ahead a maintenance is asked for; sooner needs the reason of the emergency.
    pub minimum_notice_days: u16,
    /// How long a person's act that mails somebody can be taken back, where its author doesn't say.
    pub hold: SignedDuration,
    /// How long ahead a series becomes maintenances.
    pub series_horizon_days: u16,
    /// A ticket is forgotten so long after its end.
    pub tickets_kept_days: u16,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            minimum_notice_days: 10,
            hold: SignedDuration::from_secs(60),
            series_horizon_days: 35,
            tickets_kept_days: 730,
        }
    }
}

/// What the gateway holds in memory of what is told.
pub struct Desk {
    settings: Settings,
    board: ArcSwap<Board>,
    /// Counts the boards; who renders them waits here.
    changed: watch::Sender<u64>,
    /// One act at a time, from reading to the new board: each sees the one before.
    writing: tokio::sync::Mutex<()>,
    /// Wakes the fan-out after a commit that owes notices.
    pub notices_owed: Arc<Notify>,
    /// Wakes the clock of status after a commit that it may have to do with.
    pub clock_moved: Arc<Notify>,
}

impl Desk {
    pub(super) async fn start(common: &Store, now: Timestamp) -> Result<Desk, ReadError> {
        Ok(Desk {
            settings: Settings::default(),
            board: ArcSwap::from_pointee(board::load(common, now).await?),
            changed: watch::Sender::new(1),
            writing: tokio::sync::Mutex::default(),
            notices_owed: Arc::default(),
            clock_moved: Arc::default(),
        })
    }
}

impl Gateway {
    /// The region's rules of telling instead of the defaults.
    #[must_use]
    pub fn with_status(mut self, settings: Settings) -> Gateway {
        self.desk.settings = settings;
        self
    }

    /// What ended before is forgotten, of tickets.
    pub(super) fn tickets_kept_from(&self, now: Timestamp) -> Timestamp {
        let kept = SignedDuration::from_hours(i64::from(self.desk.settings.tickets_kept_days) * 24);
        now.saturating_sub(kept).unwrap_or(Timestamp::MIN)
    }

    /// Events after a number, oldest first, at most `limit`, with their numbers.
    pub async fn notices_after(&self, after: u64, limit: usize) -> Result<Vec<(u64, Event)>, Refusal> {
        let entries = self.common.entries(Chain::Notices, after, limit).await?;
        let read = entries.into_iter().map(|entry| Ok((entry.stamp.sequence, decode(&entry.payload)?)));
        Ok(read.collect::<Result<_, ReadError>>()?)
    }

    /// Adds an event to a change; the commit gives its number.
    pub(super) fn tell(&self, change: &mut Change, event: &Event) -> Result<(), Refusal> {
        let payload = encode(event);
        let digest = sha256(&[&payload]);
        change.append(Append { chain: Chain::Notices, entry: self.new_id(event.at)?, digest, payload, pointer: None });
        Ok(())
    }

    fn circumstances<'a>(
        &self,
        now: Timestamp,
        by: &'a str,
        author: &Author,
        components: &'a [Component],
    ) -> Circumstances<'a> {
        let minimum_notice_days = self.desk.settings.minimum_notice_days;
        Circumstances { now, by, is_person: author.is_person(), components, minimum_notice_days }
    }

    /// The region's components, archived ones too.
    fn all_components(&self) -> Vec<Component> {
        let board = self.board();
        board.components.iter().chain(&board.archived).cloned().collect()
    }
}
