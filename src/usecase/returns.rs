//! What lies with people who have gone goes back to the receivers: their post has ended, by the directory or by its own
//! last day, or they have lost the role at that clinic. Nobody else would notice: the case is in no list of theirs.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::access::AccessEntry;
use super::catalog::{Catalog, posts_of};
use super::kept::{Held, Kept};
use super::owe::{EventType, relist};
use super::{Gateway, Refusal};
use crate::domain::calendar::local_date;
use crate::domain::case::{Case, CitizenErrand};
use crate::domain::id::HsaId;
use crate::domain::letter::LetterKind;
use crate::domain::ticket::SupportErrand;
use crate::store::record::encode;
use crate::store::{Change, CommitError, Range, key};

/// Cases looked at in one go.
const BATCH: usize = 200;

/// What a walk brought back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Returned {
    pub cases: usize,
    pub tickets: usize,
}

/// What a walk over one kind of cases keeps in mind.
struct Walk<'w> {
    catalog: &'w Catalog,
    now: Timestamp,
    /// Units whose receivers have been written to: a second letter of the same walk would tell them nothing new.
    told: BTreeSet<HsaId>,
}

impl Gateway {
    /// Walks once over all that lies with anybody. One change a case: whatever interrupts it, the next walk goes on.
    pub async fn return_stranded(&self) -> Result<Returned, Refusal> {
        let catalog = self.catalog();
        let mut returned = Returned::default();
        let walk = || Walk { catalog: &catalog, now: self.now(), told: BTreeSet::new() };
        let (mut tickets, mut range) = (walk(), Range::prefix(&key::all_handled()));
        while let Some(batch) = self.handled::<SupportErrand>(&mut range).await? {
            for id in batch {
                returned.tickets += usize::from(settled(id, self.return_ticket(&mut tickets, id).await));
            }
        }
        if self.cases.ready().is_err() {
            return Ok(returned);
        }
        let (mut cases, mut range) = (walk(), Range::prefix(&key::all_handled()));
        while let Some(batch) = self.handled::<CitizenErrand>(&mut range).await? {
            for id in batch {
                returned.cases += usize::from(settled(id, self.return_case(&mut cases, id).await));
            }
        }
        Ok(returned)
    }

    /// The next cases that lie with anybody; none at the end.
    async fn handled<E: Kept>(&self, range: &mut Range) -> Result<Option<Vec<Uuid>>, Refusal> {
        let page = E::store(self).scan(range.clone(), BATCH).await?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        *range = range.clone().after(last);
        Ok(Some(page.iter().filter_map(|(index, _)| key::timed_target(index)).map(|(_, id)| id).collect()))
    }

    async fn return_case(&self, walk: &mut Walk<'_>, id: Uuid) -> Result<bool, Refusal> {
        let Held { version, case: before } = self.hold::<CitizenErrand>(id).await?;
        let Some(handler) = gone(walk.catalog, &before) else { return Ok(false) };
        let mut case = before.clone();
        case.give_back(None, walk.now)?;
        let mut change = Change::new();
        change.replace(key::case(id), version, encode(&case));
        relist(&mut change, Some(&before), &case);
        self.tell_portal(&mut change, &case, EventType::Returned, walk.now)?;
        if !walk.told.contains(&case.clinic) {
            self.tell_receivers(&mut change, walk.catalog, &case, None, walk.now)?;
        }
        let act = format!("return: {}", self.why_gone(handler, walk.now).await?);
        let line = AccessEntry::new("budkavle", "system", &act, "").at(&case.clinic).of(vec![id]);
        self.log_in(&mut change, &line.about(&self.citizen_hash(&case.errand.citizen.identifier)?), walk.now)?;
        match self.cases.commit(change).await {
            Ok(_) => {
                walk.told.insert(case.clinic);
                self.feed_of(&case.errand.portal).notify_waiters();
                self.letters_owed.notify_one();
                Ok(true)
            }
            // Somebody acted on it at the same moment.
            Err(CommitError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn return_ticket(&self, walk: &mut Walk<'_>, id: Uuid) -> Result<bool, Refusal> {
        let Held { version, case: before } = self.hold::<SupportErrand>(id).await?;
        let Some(handler) = gone(walk.catalog, &before) else { return Ok(false) };
        let mut ticket = before.clone();
        ticket.give_back(None, walk.now)?;
        let mut change = Change::new();
        change.replace(key::case(id), version, encode(&ticket));
        relist(&mut change, Some(&before), &ticket);
        // The letter names its ticket: each has its own.
        self.tell_support(&mut change, walk.catalog, &ticket, LetterKind::TicketGiven, None)?;
        let act = format!("ticket-return: {}", self.why_gone(handler, walk.now).await?);
        let line = AccessEntry::new("budkavle", "system", &act, "").at(&ticket.clinic).of(vec![id]);
        self.log_in(&mut change, &line, walk.now)?;
        match self.commit_common(change).await {
            Ok(_) => Ok(true),
            Err(Refusal::Stale { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// For the access log: what the handler no longer has.
    async fn why_gone(&self, handler: &HsaId, now: Timestamp) -> Result<&'static str, Refusal> {
        let today = local_date(now);
        let works = posts_of(&self.common, handler).await?.iter().any(|post| post.is_current(today));
        Ok(if works { "role-ended" } else { "post-ended" })
    }
}

/// The handler of a case, if it may no longer lie with them.
fn gone<'c, E: Kept>(catalog: &Catalog, case: &'c Case<E>) -> Option<&'c HsaId> {
    case.handler.as_ref().filter(|handler| !E::may_lie_with(catalog, &case.clinic, handler))
}

/// One case that cannot go back holds up no other.
fn settled(id: Uuid, outcome: Result<bool, Refusal>) -> bool {
    match outcome {
        Ok(returned) => returned,
        // Taken out of the list between the two looks.
        Err(Refusal::NotFound) => false,
        Err(error) => {
            tracing::error!(event = "returns.failed", case = %id, %error, "a case could not go back; it is tried again");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::case::State;
    use crate::domain::case::tests::{hsa, received};
    use crate::domain::clinic::Role;
    use crate::domain::id::Private;
    use crate::domain::staff::Post;
    use crate::store::{Chain, Store};
    use crate::usecase::directory::{Intake, IntakeError, Source};
    use crate::usecase::letters::LetterStore;
    use crate::usecase::region::Author;
    use crate::usecase::testing::TestGateway;
    use jiff::SignedDuration;
    use jiff::civil::date;

    const RECEIVER: &str = "1001";
    const HANDLER: &str = "1002";

    fn operator() -> Author {
        Author::Operator("root".into())
    }

    fn post(person: &str) -> Post {
        Post {
            person: hsa(person),
            given_name: Private::new("Fatima".into()),
            surname: Private::new("Rahimi".into()),
            title: None,
            mail: Some(Private::new(format!("p{person}@region.example"))),
            unit: hsa("A001"),
            start: date(2020, 1, 1),
            end: None,
            protected: false,
        }
    }

    async fn import(gateway: &Gateway, posts: &[Post], accept_loss: bool) -> Result<(), IntakeError> {
        let intake = Intake { posts, source: Source::Import, whole: true, accept_loss };
        gateway.import_directory(&operator(), intake).await.map(|_| ())
    }

    /// A clinic with a receiver and a handler, with whom lie so many cases.
    async fn region(cases: u128) -> (TestGateway, Vec<Uuid>) {
        let region = TestGateway::start().await;
        let gateway = &region.gateway;
        import(gateway, &[post(RECEIVER), post(HANDLER)], false).await.unwrap();
        let clinic = include_str!("../../config/region/clinics.json");
        let clinics: Vec<crate::domain::clinic::Clinic> = serde_json::from_str(clinic).unwrap();
        for clinic in &clinics {
            gateway.put_clinic(&operator(), clinic).await.unwrap();
        }
        for (person, role) in [(RECEIVER, Role::Receiver), (HANDLER, Role::Handler)] {
            gateway.put_roles(&operator(), &hsa("A001"), &hsa(person), [role].into(), None).await.unwrap();
        }
        let mut ids = Vec::new();
        for number in 1..=cases {
            let mut case = Case { id: Uuid::from_u128(number), ..received() };
            case.distribute(hsa(HANDLER), hsa(RECEIVER), gateway.now()).unwrap();
            let mut change = Change::new();
            change.create(key::case(case.id), encode(&case));
            relist(&mut change, None, &case);
            gateway.cases.commit(change).await.unwrap();
            ids.push(case.id);
        }
        (region, ids)
    }

    async fn state(gateway: &Gateway, id: Uuid) -> (State, Option<HsaId>) {
        let held: Held = gateway.hold(id).await.unwrap();
        (held.case.state, held.case.handler)
    }

    async fn last_line(gateway: &Gateway, store: &Store) -> AccessEntry {
        gateway.access_log(store, 0, 1_000).await.unwrap().pop().unwrap().entry
    }

    #[tokio::test]
    async fn what_lies_with_somebody_who_left_goes_back_with_event_log_line_and_one_letter_a_clinic() {
        let (region, ids) = region(3).await;
        let gateway = &region.gateway;
        assert_eq!(gateway.return_stranded().await.unwrap(), Returned::default());
        import(gateway, &[post(RECEIVER)], true).await.unwrap();
        assert_eq!(gateway.return_stranded().await.unwrap(), Returned { cases: 3, tickets: 0 });
        for id in &ids {
            assert_eq!(state(gateway, *id).await, (State::Received, None));
        }
        let portal = received().errand.portal;
        let events = gateway.cases.entries(Chain::Events(portal.to_string()), 0, 10).await.unwrap();
        assert_eq!(events.len(), 3);
        let line = last_line(gateway, &gateway.cases).await;
        assert_eq!((line.who.as_str(), line.act.as_str(), line.cases.len()), ("budkavle", "return: post-ended", 1));
        assert_eq!(gateway.count_letters(LetterStore::Cases).await.unwrap().queued, 1);
        assert_eq!(gateway.return_stranded().await.unwrap(), Returned::default(), "once is enough");
    }

    #[tokio::test]
    async fn a_post_that_ends_by_its_last_day_and_a_role_that_is_taken_away_have_the_same_end() {
        let (region, ids) = region(1).await;
        let gateway = &region.gateway;
        let last_day = Post { end: Some(date(2026, 11, 23)), ..post(HANDLER) };
        import(gateway, &[post(RECEIVER), last_day], false).await.unwrap();
        assert_eq!(gateway.return_stranded().await.unwrap().cases, 0, "the last day counts");
        region.clock.advance(SignedDuration::from_hours(24));
        gateway.refresh_catalog().await.unwrap();
        assert_eq!(gateway.return_stranded().await.unwrap().cases, 1);
        assert_eq!(state(gateway, ids[0]).await, (State::Received, None));

        let (region, ids) = self::region(1).await;
        let gateway = &region.gateway;
        gateway.put_roles(&operator(), &hsa("A001"), &hsa(HANDLER), BTreeSet::new(), None).await.unwrap();
        assert_eq!(gateway.return_stranded().await.unwrap().cases, 1);
        assert_eq!(state(gateway, ids[0]).await, (State::Received, None));
        assert_eq!(last_line(gateway, &gateway.cases).await.act, "return: role-ended");
    }

    #[tokio::test]
    async fn an_answered_case_stays_answered_and_what_somebody_acts_on_meanwhile_is_left_alone() {
        let (region, ids) = region(2).await;
        let gateway = &region.gateway;
        let Held { version, case: before } = gateway.hold::<CitizenErrand>(ids[0]).await.unwrap();
        let mut case = before.clone();
        case.answer(hsa(HANDLER), gateway.now()).unwrap();
        let mut change = Change::new();
        change.replace(key::case(case.id), version, encode(&case));
        relist(&mut change, Some(&before), &case);
        gateway.cases.commit(change).await.unwrap();
        import(gateway, &[post(RECEIVER)], true).await.unwrap();
        assert_eq!(gateway.return_stranded().await.unwrap().cases, 1);
        assert_eq!(state(gateway, ids[0]).await, (State::Answered, Some(hsa(HANDLER))));
    }
}
