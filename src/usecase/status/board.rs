//! The board in memory: read once at the start by its indexes, then kept up with each commit.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::domain::status::board::Board;
use crate::domain::status::component::{Component, Group};
use crate::domain::status::subject::{Incident, Maintenance, Subject};
use crate::store::record::{Record, decode, encode};
use crate::store::{Chain, Change, Key, Range, ReadError, Store, key};
use crate::usecase::catalog::{At, read_all};
use crate::usecase::{Gateway, Refusal};

/// What is over stays on the pages for thirteen months.
const KEPT: SignedDuration = SignedDuration::from_hours(396 * 24);
/// Index keys read at a time.
const PAGE: usize = 1_000;

impl Gateway {
    /// What is told now.
    pub fn board(&self) -> Arc<Board> {
        self.desk.board.load_full()
    }

    /// Hears of each new board.
    pub fn board_changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.desk.changed.subscribe()
    }

    /// An incident or maintenance with the version of its record, however old.
    pub async fn find_subject(&self, id: Uuid) -> Result<Option<At<Subject>>, Refusal> {
        if let Some(at) = get::<Incident>(&self.common, key::incident(id)).await? {
            return Ok(Some(At { version: at.version, record: Subject::Incident(at.record) }));
        }
        let at = get::<Maintenance>(&self.common, key::maintenance(id)).await?;
        Ok(at.map(|at| At { version: at.version, record: Subject::Maintenance(at.record) }))
    }

    /// The board as it stands after a commit. The caller holds the desk.
    pub(super) fn take_up(&self, subject: Subject, seq: u64) {
        let board = self.desk.board.load().with(subject, seq, kept_from(self.now()));
        self.show(board);
    }

    /// Reads groups and components again. The caller holds the desk.
    pub(super) async fn take_up_components(&self) -> Result<(), ReadError> {
        let mut board = Board::clone(&self.desk.board.load());
        load_components(&self.common, &mut board).await?;
        self.show(board);
        Ok(())
    }

    fn show(&self, board: Board) {
        self.desk.board.store(Arc::new(board));
        self.desk.changed.send_modify(|count| *count += 1);
    }
}

/// Writes a subject as it stands, with the index keys by which the start and the clock find it.
pub(super) fn write_subject(change: &mut Change, before: Option<&At<Subject>>, after: &Subject) {
    let (at, bytes) = match after {
        Subject::Incident(incident) => (key::incident(incident.id), encode(incident)),
        Subject::Maintenance(maintenance) => (key::maintenance(maintenance.id), encode(maintenance)),
    };
    match before {
        Some(before) => change.replace(at, before.version, bytes),
        None => change.create(at, bytes),
    }
    let old = before.map(|at| index_of(&at.record)).unwrap_or_default();
    let new = index_of(after);
    for key in old.iter().filter(|key| !new.contains(key)) {
        change.unindex(key.clone());
    }
    for key in new.into_iter().filter(|key| !old.contains(key)) {
        change.index(key);
    }
}

fn index_of(subject: &Subject) -> Vec<Key> {
    let id = subject.id();
    let (open, ended, due) = match subject {
        Subject::Incident(_) => (key::incident_open(id), key::incident_ended as fn(_, _) -> Key, key::Due::Incident),
        Subject::Maintenance(_) => {
            (key::maintenance_open(id), key::maintenance_ended as fn(_, _) -> Key, key::Due::Maintenance)
        }
    };
    let place = subject.ended_at().map_or(open, |at| ended(at, id));
    std::iter::once(place).chain(subject.due().map(|at| key::status_due(due, at, id))).collect()
}

pub(super) async fn load(common: &Store, now: Timestamp) -> Result<Board, ReadError> {
    let mut board = Board::default();
    load_components(common, &mut board).await?;
    for id in listed(common, &key::incidents_open(), &key::incidents_ended(), now).await? {
        board.incidents.extend(get(common, key::incident(id)).await?.map(|at| Arc::new(at.record)));
    }
    for id in listed(common, &key::maintenances_open(), &key::maintenances_ended(), now).await? {
        board.maintenances.extend(get(common, key::maintenance(id)).await?.map(|at| Arc::new(at.record)));
    }
    board.seq = common.chain_head(Chain::Notices).await?.map_or(0, |(seq, _)| seq);
    board.sort();
    Ok(board)
}

async fn load_components(common: &Store, board: &mut Board) -> Result<(), ReadError> {
    board.groups = read_all::<Group>(common, &key::groups()).await?.into_iter().map(|(_, at)| at.record).collect();
    let components = read_all::<Component>(common, &key::components()).await?.into_iter().map(|(_, at)| at.record);
    (board.archived, board.components) = components.partition(|component| component.archived);
    board.sort();
    Ok(())
}

/// Everything that is open, and what has ended lately.
async fn listed(common: &Store, open: &Key, ended: &Key, now: Timestamp) -> Result<Vec<Uuid>, ReadError> {
    let mut out: Vec<Uuid> = keys(common, Range::prefix(open)).await?.iter().filter_map(key::trailing_id).collect();
    let recent = Range::prefix(ended).after(&key::timed_bound(ended, kept_from(now)));
    out.extend(keys(common, recent).await?.iter().filter_map(key::timed_target).map(|(_, id)| id));
    Ok(out)
}

async fn keys(common: &Store, mut range: Range) -> Result<Vec<Key>, ReadError> {
    let mut out = Vec::new();
    loop {
        let page = common.scan(range.clone(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(out) };
        range = range.after(last);
        out.extend(page.into_iter().map(|(key, _)| key));
    }
}

pub(super) async fn get<R: Record>(common: &Store, key: Key) -> Result<Option<At<R>>, ReadError> {
    let Some(held) = common.get(&key).await? else { return Ok(None) };
    Ok(Some(At { version: held.version, record: decode(&held.value)? }))
}

fn kept_from(now: Timestamp) -> Timestamp {
    now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN)
}
