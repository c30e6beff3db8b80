//! What is told of services: read as a board, told as events.
//!
//! | file | holds |
//! |---|---|
//! | `records` | what is kept, by version |

mod records;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use super::catalog::read_all;
use super::{Gateway, Refusal};
use crate::crypto::sha256;
use crate::domain::status::board::Board;
use crate::domain::status::component::{Component, Group};
use crate::domain::status::event::Event;
use crate::domain::status::subject::{Incident, Maintenance};
use crate::store::record::{decode, encode};
use crate::store::{Append, Chain, Change, ReadError, Store, key};

/// What the gateway holds in memory of what is told.
pub struct Desk {
    board: ArcSwap<Board>,
    /// Counts the boards; who renders them waits here.
    changed: watch::Sender<u64>,
    /// Wakes the fan-out after a commit that owes notices.
    pub notices_owed: Arc<Notify>,
}

impl Desk {
    pub(super) async fn start(common: &Store) -> Result<Desk, ReadError> {
        let board = ArcSwap::from_pointee(load_board(common).await?);
        Ok(Desk { board, changed: watch::Sender::new(1), notices_owed: Arc::default() })
    }
}

impl Gateway {
    /// What is told now.
    pub fn board(&self) -> Arc<Board> {
        self.desk.board.load_full()
    }

    /// Hears of each new board.
    pub fn board_changes(&self) -> watch::Receiver<u64> {
        self.desk.changed.subscribe()
    }

    /// Events after a number, oldest first, at most `limit`, with their numbers.
    pub async fn notices_after(&self, after: u64, limit: usize) -> Result<Vec<(u64, Event)>, Refusal> {
        let entries = self.common.entries(Chain::Notices, after, limit).await?;
        let read = entries.into_iter().map(|entry| Ok((entry.stamp.sequence, decode(&entry.payload)?)));
        Ok(read.collect::<Result<_, ReadError>>()?)
    }

    /// Takes up what is told as `common` has it.
    pub(super) async fn reload_board(&self) -> Result<(), ReadError> {
        self.desk.board.store(Arc::new(load_board(&self.common).await?));
        self.desk.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Adds an event to a change; the commit gives its number.
    pub(super) fn tell(&self, change: &mut Change, event: &Event) -> Result<(), Refusal> {
        let payload = encode(event);
        let digest = sha256(&[&payload]);
        change.append(Append { chain: Chain::Notices, entry: self.new_id(event.at)?, digest, payload, pointer: None });
        Ok(())
    }
}

async fn load_board(common: &Store) -> Result<Board, ReadError> {
    let mut groups: Vec<Group> = read_all(common, &key::groups()).await?.into_iter().map(|(_, at)| at.record).collect();
    groups.sort_by_key(|group| (group.position, group.id));
    let components = read_all::<Component>(common, &key::components()).await?.into_iter().map(|(_, at)| at.record);
    let mut components: Vec<Component> = components.filter(|component| !component.archived).collect();
    components.sort_by_key(|component| (component.position, component.id));
    let incidents = read_all::<Incident>(common, &key::incidents()).await?;
    let incidents = incidents.into_iter().rev().map(|(_, at)| Arc::new(at.record)).collect();
    let maintenances = read_all::<Maintenance>(common, &key::maintenances()).await?;
    let mut maintenances: Vec<_> = maintenances.into_iter().map(|(_, at)| Arc::new(at.record)).collect();
    maintenances.sort_by_key(|maintenance| maintenance.scheduled_for);
    let seq = common.chain_head(Chain::Notices).await?.map_or(0, |(seq, _)| seq);
    Ok(Board { seq, groups, components, incidents, maintenances })
}
