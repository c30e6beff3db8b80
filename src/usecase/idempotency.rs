//! The same request twice has one effect: the stored answer is given again for the same key and body.
//!
//! The answer is stored without its receipt, which the commit only makes; a replay joins the two.

use std::sync::{Mutex, PoisonError};

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Gateway, Refusal};
use crate::crypto::{Digest, hex};
use crate::domain::case::State;
use crate::domain::id::HsaId;
use crate::store::record::{Record, decode, encode};
use crate::store::{Chain, Change, Stamp, key};

/// How long a stored answer is kept, in hours: seven days.
pub const KEPT_HOURS: i64 = 7 * 24;

/// What a portal is told of what it created, but for the receipt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Acknowledgement {
    pub case: Uuid,
    pub document: u32,
    pub state: State,
    pub received_at: Timestamp,
    pub distributed_by: Timestamp,
    pub answered_by: Timestamp,
    /// The case's version after the act, for its `ETag`.
    pub version: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredAnswer {
    /// Digest of the request that it answers, hexadecimal.
    pub fingerprint: String,
    pub answer: Acknowledgement,
}

impl Record for StoredAnswer {
    const VERSION: u8 = 1;
}

/// A portal's creating request: who, under which key, and what exactly.
pub struct Request<'a> {
    pub portal: &'a HsaId,
    pub key: &'a str,
    /// Method and path.
    pub target: &'a str,
    /// SHA-256 of the raw body.
    pub body_digest: Digest,
    pub request: &'a str,
}

/// An answer, made now or given again.
#[derive(Debug, Clone, PartialEq)]
pub struct Acknowledged {
    pub answer: Acknowledgement,
    pub receipt: Stamp,
    pub replayed: bool,
}

/// Held while a request is carried out: its key is not carried out twice at once.
pub(super) struct Running<'a> {
    set: &'a Mutex<HashSet<Uuid>>,
    pub id: Uuid,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.set.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Gateway {
    /// The key is the caller's own: scope is certificate, method and path.
    fn idempotency_id(&self, request: &Request<'_>) -> Result<Uuid, Refusal> {
        let parts =
            [b"idempotency", request.portal.as_str().as_bytes(), request.target.as_bytes(), request.key.as_bytes()];
        let hash = self.cases_hash(&parts)?;
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        Ok(Uuid::from_bytes(id))
    }

    /// Takes the key for this request, or says what it already stands for.
    pub(super) async fn begin<'a>(
        &'a self,
        request: &Request<'_>,
    ) -> Result<Result<Running<'a>, Acknowledged>, Refusal> {
        let id = self.idempotency_id(request)?;
        if !self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id) {
            return Err(Refusal::IdempotencyRunning);
        }
        let running = Running { set: &self.running, id };
        match self.replay(id, request).await? {
            Some(stored) => Ok(Err(stored)),
            None => Ok(Ok(running)),
        }
    }

    /// The answer that stands under a key, if there is one.
    pub(super) async fn replay(&self, id: Uuid, request: &Request<'_>) -> Result<Option<Acknowledged>, Refusal> {
        let Some(stored) = self.cases.get(&key::idempotency(id)).await? else { return Ok(None) };
        let stored: StoredAnswer = decode(&stored.value)?;
        if stored.fingerprint != hex(&request.body_digest) {
            return Err(Refusal::IdempotencyReused);
        }
        let answer = stored.answer;
        let receipt = self.receipt(request.portal, answer.case, answer.document).await?;
        let receipt = receipt.ok_or(Refusal::Read(crate::store::ReadError::Damaged))?;
        Ok(Some(Acknowledged { answer, receipt, replayed: true }))
    }

    /// The receipt of what a portal created.
    pub async fn receipt(&self, portal: &HsaId, case: Uuid, document: u32) -> Result<Option<Stamp>, Refusal> {
        let Some(pointer) = self.cases.get(&key::receipt(case, document)).await? else { return Ok(None) };
        let chain = Chain::Receipts(portal.as_str().to_owned());
        let entries = self.cases.entries(chain, pointer.version.saturating_sub(1), 1).await?;
        Ok(entries.first().map(|e| e.stamp).filter(|stamp| stamp.sequence == pointer.version))
    }

    /// Stores the answer with the change that it answers.
    pub(super) fn store_answer(
        change: &mut Change,
        running: &Running<'_>,
        request: &Request<'_>,
        answer: &Acknowledgement,
        now: Timestamp,
    ) {
        let stored = StoredAnswer { fingerprint: hex(&request.body_digest), answer: answer.clone() };
        change.create(key::idempotency(running.id), encode(&stored));
        let until = now.saturating_add(SignedDuration::from_hours(KEPT_HOURS)).unwrap_or(Timestamp::MAX);
        change.index(key::idempotency_expiry(until, running.id));
    }
}
