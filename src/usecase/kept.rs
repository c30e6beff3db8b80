//! Cases wherever they are kept: those of citizens in `cases`, those of the region's support in `common`. Keys, lists,
//! states and the access log are the same for both; what differs is said here, once.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::access::AccessEntry;
use super::catalog::Catalog;
use super::{Gateway, Refusal};
use crate::crypto::Digest;
use crate::domain::case::{Case, CitizenErrand, Document, DocumentEntry, Errand};
use crate::domain::clinic::Role;
use crate::domain::id::HsaId;
use crate::domain::ticket::SupportErrand;
use crate::store::record::decode;
use crate::store::{ReadError, Store, key};

/// A kind of case, as the stories need to know it.
pub trait Kept: Errand + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The store that its cases are in.
    fn store(gateway: &Gateway) -> &Store;

    /// The roles by which a person stands to the cases of a unit.
    fn roles(catalog: &Catalog, unit: &HsaId, person: &HsaId) -> BTreeSet<Role>;

    /// Whether a case of a unit may lie with a person: current post and role.
    fn may_lie_with(catalog: &Catalog, unit: &HsaId, person: &HsaId) -> bool;

    /// The patient whom the access log names by a keyed hash.
    fn patient(&self, gateway: &Gateway) -> Result<Option<Digest>, Refusal>;
}

impl Kept for CitizenErrand {
    fn store(gateway: &Gateway) -> &Store {
        &gateway.cases
    }

    fn roles(catalog: &Catalog, unit: &HsaId, person: &HsaId) -> BTreeSet<Role> {
        catalog.roles_at(unit, person)
    }

    fn may_lie_with(catalog: &Catalog, unit: &HsaId, person: &HsaId) -> bool {
        catalog.may_handle(unit, person)
    }

    fn patient(&self, gateway: &Gateway) -> Result<Option<Digest>, Refusal> {
        gateway.citizen_hash(&self.citizen.identifier).map(Some)
    }
}

impl Kept for SupportErrand {
    fn store(gateway: &Gateway) -> &Store {
        &gateway.common
    }

    /// Who is of the support takes in, hands out and answers.
    fn roles(catalog: &Catalog, _unit: &HsaId, person: &HsaId) -> BTreeSet<Role> {
        match catalog.is_support(person) {
            true => BTreeSet::from([Role::Receiver, Role::Handler]),
            false => BTreeSet::new(),
        }
    }

    fn may_lie_with(catalog: &Catalog, _unit: &HsaId, person: &HsaId) -> bool {
        catalog.is_support(person)
    }

    fn patient(&self, _gateway: &Gateway) -> Result<Option<Digest>, Refusal> {
        Ok(None)
    }
}

/// A case with the version to expect when it is changed.
pub(super) struct Held<E = CitizenErrand> {
    pub version: u64,
    pub case: Case<E>,
}

impl Gateway {
    pub(super) async fn hold<E: Kept>(&self, id: Uuid) -> Result<Held<E>, Refusal> {
        let found = E::store(self).get(&key::case(id)).await?.ok_or(Refusal::NotFound)?;
        Ok(Held { version: found.version, case: decode(&found.value)? })
    }

    /// Everything that was written in a case, in its order.
    pub(super) async fn documents<E: Kept>(&self, case: &Case<E>) -> Result<Vec<(DocumentEntry, Document)>, Refusal> {
        let mut out = Vec::new();
        for entry in &case.documents {
            let found = E::store(self).get(&key::document(case.id, entry.number)).await?;
            let found = found.ok_or(Refusal::Read(ReadError::Damaged))?;
            out.push((entry.clone(), decode(&found.value)?));
        }
        Ok(out)
    }

    /// Reading is logged too, durably, before the answer goes out.
    pub(super) async fn log_reading<E: Kept>(&self, entry: &AccessEntry) -> Result<(), Refusal> {
        self.log_operator(E::store(self), entry).await
    }
}
