//! Reading: one case with what was written, the inbox, a search. Each reading is in the access log before its answer
//! goes out. Opening a case never changes it.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use uuid::Uuid;

use super::access::{AccessEntry, Visitor};
use super::act_on_case::role;
use super::kept::{Held, Kept};
use super::{Gateway, Refusal};
use crate::crypto::Digest;
use crate::domain::case::{Case, CitizenErrand, Document, DocumentEntry, State};
use crate::domain::id::{HsaId, PersonId};
use crate::domain::policy::{Actor, Deed, decide};
use crate::store::{Key, Range, key};

/// Index keys looked at for one page of a search: what is rarer is found on a later page.
const LOOKED_AT_MAX: usize = 2_000;

/// Who reads: the door decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reader {
    Portal(Visitor),
    Staff(Visitor),
}

impl Reader {
    fn visitor(&self) -> &Visitor {
        match self {
            Reader::Portal(visitor) | Reader::Staff(visitor) => visitor,
        }
    }
}

/// A case as one reader may see it.
pub struct CaseView<E = CitizenErrand> {
    pub version: u64,
    pub case: Case<E>,
    /// Content and citizen may be shown.
    pub readable: bool,
    pub documents: Vec<(DocumentEntry, Document)>,
    /// State at the moment of reading.
    pub state: State,
}

/// One line of a list.
pub struct Envelope<E = CitizenErrand> {
    pub version: u64,
    pub case: Case<E>,
    pub readable: bool,
    pub state: State,
}

pub struct Page<E = CitizenErrand> {
    pub items: Vec<Envelope<E>>,
    /// Where the next page begins; none at the end.
    pub next: Option<String>,
}

/// The inbox's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxList {
    Undistributed,
    Mine,
    Overdue,
    AwaitingCitizen,
}

/// What a search is for; every field given must fit.
#[derive(Clone, Default)]
pub struct Search {
    pub citizen: Option<PersonId>,
    pub clinic: Option<HsaId>,
    pub states: Vec<State>,
    pub handler: Option<HsaId>,
    pub received_from: Option<Timestamp>,
    pub received_before: Option<Timestamp>,
}

impl Gateway {
    /// One case; for the portal that sent it or for staff as the policy says.
    pub async fn read_case(&self, reader: &Reader, id: Uuid) -> Result<CaseView, Refusal> {
        if let Reader::Portal(visitor) = reader {
            self.admit_portal(&visitor.hsa_id)?;
        }
        self.view(reader, id).await
    }

    /// One case of either kind, as the policy says.
    pub(super) async fn view<E: Kept>(&self, reader: &Reader, id: Uuid) -> Result<CaseView<E>, Refusal> {
        let visitor = reader.visitor();
        let Held { version, mut case } = self.hold::<E>(id).await?;
        let actor = self.actor::<E>(reader, &case.clinic);
        let permit = decide(&actor, Deed::See, &case)?;
        let readable = decide(&actor, Deed::Read, &case).is_ok();
        self.shield(reader, &mut case).await?;
        let documents = if readable { self.documents(&case).await? } else { Vec::new() };
        let act = if readable { "read" } else { "see" };
        let line = AccessEntry::new(visitor.hsa_id.as_str(), role(permit), act, &visitor.request);
        let patient = case.errand.patient(self)?;
        self.log_reading::<E>(&line.at(&case.clinic).of(vec![id]).about_any(patient.as_ref())).await?;
        let state = case.state_at(self.now());
        Ok(CaseView { version, case, readable, documents, state })
    }

    /// A page of the inbox, oldest promise first. `clinic` is required but for the own cases.
    pub async fn inbox<E: Kept>(
        &self,
        visitor: &Visitor,
        list: InboxList,
        clinic: Option<&HsaId>,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<E>, Refusal> {
        let me = &visitor.hsa_id;
        let prefixes = match (list, clinic) {
            (InboxList::Mine, _) => vec![key::all_mine(me)],
            (_, None) => return Err(Refusal::UnknownClinic),
            (_, Some(clinic)) if E::roles(&self.catalog(), clinic, me).is_empty() => {
                return Err(Refusal::NotPermitted);
            }
            (InboxList::Undistributed, Some(clinic)) => vec![key::all_undistributed(clinic)],
            (InboxList::AwaitingCitizen, Some(clinic)) => vec![key::all_awaiting_citizen(clinic)],
            (InboxList::Overdue, Some(clinic)) => vec![key::all_undistributed(clinic), key::all_unanswered(clinic)],
        };
        let until = (list == InboxList::Overdue).then(|| self.now());
        let reader = Reader::Staff(visitor.clone());
        let fits = |case: &Case<E>| clinic.is_none_or(|clinic| case.clinic == *clinic);
        let page = self.page(&reader, &prefixes, until, limit, cursor, fits).await?;
        self.log_list(&reader, clinic, "inbox", None, &page).await?;
        Ok(page)
    }

    /// A page of cases by what they are, in the order in which they came.
    pub async fn search_cases(
        &self,
        reader: &Reader,
        search: &Search,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page, Refusal> {
        let prefix = match (reader, &search.citizen, &search.clinic) {
            (_, Some(citizen), _) => key::all_by_citizen(&self.citizen_hash(citizen)?),
            (Reader::Portal(visitor), None, _) => key::all_by_portal(&visitor.hsa_id),
            (Reader::Staff(_), None, Some(clinic)) => key::all_by_clinic(clinic),
            // Without clinic or citizen: a handler's own.
            (Reader::Staff(visitor), None, None) => key::all_mine(search.handler.as_ref().unwrap_or(&visitor.hsa_id)),
        };
        if let Reader::Portal(visitor) = reader {
            self.admit_portal(&visitor.hsa_id)?;
        }
        let now = self.now();
        let fits = |case: &Case| {
            search.clinic.as_ref().is_none_or(|clinic| case.clinic == *clinic)
                && (search.states.is_empty() || search.states.contains(&case.state_at(now)))
                && search.handler.as_ref().is_none_or(|handler| case.handler.as_ref() == Some(handler))
                && search.received_from.is_none_or(|from| case.received_at >= from)
                && search.received_before.is_none_or(|before| case.received_at < before)
        };
        let page = self.page(reader, &[prefix], None, limit, cursor, fits).await?;
        // Whom somebody looked for is logged whether or not anything was found.
        let patient = search.citizen.as_ref().map(|citizen| self.citizen_hash(citizen)).transpose()?;
        self.log_list(reader, search.clinic.as_ref(), "search", patient, &page).await?;
        Ok(page)
    }

    fn actor<E: Kept>(&self, reader: &Reader, clinic: &HsaId) -> Actor {
        match reader {
            Reader::Portal(visitor) => Actor::Portal { system: visitor.hsa_id.clone() },
            Reader::Staff(visitor) => {
                let roles = E::roles(&self.catalog(), clinic, &visitor.hsa_id);
                Actor::Staff { person: visitor.hsa_id.clone(), roles }
            }
        }
    }

    /// A portal, and through it the citizen, learns nothing of staff whose identity is protected: not even the HSA-id,
    /// under which others keep names.
    pub(super) async fn shield<E>(&self, reader: &Reader, case: &mut Case<E>) -> Result<(), Refusal> {
        if matches!(reader, Reader::Staff(_)) {
            return Ok(());
        }
        let staff = case.handler.iter().chain(case.documents.iter().filter_map(|entry| entry.by.as_ref()));
        let staff = staff.chain(case.history.iter().flat_map(|line| line.by.iter().chain(&line.to)));
        let mut shielded = BTreeSet::new();
        for person in staff.cloned().collect::<BTreeSet<_>>() {
            // A line also leads to another clinic, which is nobody.
            if self.catalog().clinic(&person).is_none() && self.is_shielded(&person).await? {
                shielded.insert(person);
            }
        }
        let hide = |person: &mut Option<HsaId>| {
            person.take_if(|person| shielded.contains(person));
        };
        hide(&mut case.handler);
        case.documents.iter_mut().for_each(|entry| hide(&mut entry.by));
        for line in &mut case.history {
            hide(&mut line.by);
            hide(&mut line.to);
        }
        Ok(())
    }

    /// Merges the indexes by time, keeps what fits and may be seen.
    pub(super) async fn page<E: Kept>(
        &self,
        reader: &Reader,
        prefixes: &[Key],
        until: Option<Timestamp>,
        limit: usize,
        cursor: Option<&str>,
        fits: impl Fn(&Case<E>) -> bool,
    ) -> Result<Page<E>, Refusal> {
        let mut after = cursor.map(decode_cursor).transpose()?;
        let mut items = Vec::new();
        let mut looked_at = 0;
        while items.len() < limit {
            let batch = (limit + 1).min(LOOKED_AT_MAX);
            let mut found = BTreeSet::new();
            for prefix in prefixes {
                found.extend(self.tails::<E>(prefix, until, after, batch).await?);
            }
            if found.is_empty() {
                return Ok(Page { items, next: None });
            }
            for (at, id) in found.into_iter().take(batch) {
                if items.len() == limit {
                    break;
                }
                after = Some((at, id));
                looked_at += 1;
                items.extend(self.envelope(reader, id, &fits).await?);
            }
            if looked_at >= LOOKED_AT_MAX {
                break;
            }
        }
        let mut more = false;
        for prefix in prefixes {
            more |= !self.tails::<E>(prefix, until, after, 1).await?.is_empty();
        }
        let next = after.filter(|_| more).map(|(at, id)| encode_cursor(at, id));
        Ok(Page { items, next })
    }

    async fn tails<E: Kept>(
        &self,
        prefix: &Key,
        until: Option<Timestamp>,
        after: Option<(Timestamp, Uuid)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, Uuid)>, Refusal> {
        let mut range = Range::prefix(prefix);
        if let Some(until) = until {
            range = range.until(&key::timed_bound(prefix, until));
        }
        if let Some((at, id)) = after {
            range = range.after(&key::timed_key(prefix, at, id));
        }
        let found = E::store(self).scan(range, limit).await?;
        Ok(found.iter().filter_map(|(key, _)| key::timed_target(key)).collect())
    }

    async fn envelope<E: Kept>(
        &self,
        reader: &Reader,
        id: Uuid,
        fits: &impl Fn(&Case<E>) -> bool,
    ) -> Result<Option<Envelope<E>>, Refusal> {
        let mut held = match self.hold(id).await {
            Ok(held) => held,
            // Taken out of the list between the two looks.
            Err(Refusal::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let actor = self.actor::<E>(reader, &held.case.clinic);
        if !fits(&held.case) || decide(&actor, Deed::See, &held.case).is_err() {
            return Ok(None);
        }
        let readable = decide(&actor, Deed::Read, &held.case).is_ok();
        let state = held.case.state_at(self.now());
        self.shield(reader, &mut held.case).await?;
        Ok(Some(Envelope { version: held.version, case: held.case, readable, state }))
    }

    pub(super) async fn log_list<E: Kept>(
        &self,
        reader: &Reader,
        clinic: Option<&HsaId>,
        act: &str,
        patient: Option<Digest>,
        page: &Page<E>,
    ) -> Result<(), Refusal> {
        let role = match reader {
            Reader::Portal(_) => "portal",
            Reader::Staff(_) => "staff",
        };
        let visitor = reader.visitor();
        let mut line = AccessEntry::new(visitor.hsa_id.as_str(), role, act, &visitor.request);
        line.clinic = clinic.cloned();
        let line = line.about_any(patient.as_ref());
        self.log_reading::<E>(&line.of(page.items.iter().map(|item| item.case.id).collect())).await
    }
}

fn encode_cursor(at: Timestamp, id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(key::timed_tail(at, id))
}

fn decode_cursor(text: &str) -> Result<(Timestamp, Uuid), Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::CursorMalformed)?;
    key::read_timed_tail(&bytes).ok_or(Refusal::CursorMalformed)
}
