use super::*;
use crate::domain::status::board::Board;
use crate::domain::status::choice::{ChoiceFault, Target};
use crate::domain::status::subject::Impact;
use proptest::prelude::*;

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn later(hours: i64) -> Timestamp {
    at("2026-11-23T08:00:00Z") + SignedDuration::from_hours(hours)
}

fn asked(now: Timestamp, target: Target) -> Asked {
    let subscriptions = vec![Subscription::of(target)];
    let choices = Choices { language: Language::Sv, mode: Mode::AtOnce, subscriptions };
    Asked { at: now, choices, consent_version: CONSENT_VERSION, source: "form".into() }
}

fn address() -> MailAddress {
    MailAddress::parse("tolvan@example.test").unwrap()
}

fn pending() -> Subscriber {
    Subscriber::pending(Uuid::from_u128(1), address(), Audience::Staff, asked(later(0), Target::All))
}

fn active() -> Subscriber {
    let mut subscriber = pending();
    subscriber.confirm(0, 10, later(1)).unwrap();
    subscriber
}

fn list() -> List {
    let subscriptions = vec![Subscription { least_impact: Impact::Major, ..Subscription::of(Target::All) }];
    let title = "Chefer i beredskap".into();
    List { slug: "beredskap".into(), title, audience: Audience::Staff, owner: address(), subscriptions }
}

#[test]
fn nothing_is_agreed_to_before_the_link_is_used_and_using_it_twice_is_once() {
    let mut subscriber = pending();
    assert!(subscriber.subscriptions.is_empty() && !subscriber.is_active());
    assert_eq!(subscriber.confirm(0, 10, later(1)), Ok(Confirmed::New));
    assert_eq!((subscriber.confirmed_seq, subscriber.subscriptions.len()), (10, 1));
    let before = subscriber.clone();
    assert_eq!(subscriber.confirm(0, 11, later(2)), Ok(Confirmed::Already));
    assert_eq!(subscriber, before);
}

#[test]
fn a_link_from_before_leaving_brings_nobody_back() {
    let mut subscriber = active();
    assert_eq!(subscriber.leave(later(2)), Leaving::Gone);
    assert_eq!(subscriber.confirm(0, 11, later(3)), Err(LinkSpent));
    // Not even when somebody else asks for the address meanwhile: only the new letter's link counts.
    subscriber.ask(asked(later(3), Target::All));
    assert_eq!(subscriber.confirm(0, 11, later(3)), Err(LinkSpent));
    assert_eq!(subscriber.confirm(subscriber.generation, 11, later(3)), Ok(Confirmed::New));
    assert_eq!(subscriber.leave(later(4)), Leaving::Gone);
    assert_eq!(subscriber.leave(later(5)), Leaving::AlreadyGone);
}

#[test]
fn signing_up_again_changes_nothing_until_confirmed_and_then_adds() {
    let mut subscriber = active();
    let component = Target::Component(Uuid::from_u128(5));
    subscriber.ask(asked(later(2), component));
    assert_eq!(subscriber.subscriptions.len(), 1);
    assert_eq!(subscriber.confirm(1, 20, later(3)), Ok(Confirmed::Added));
    let targets: Vec<_> = subscriber.subscriptions.iter().map(|s| s.target).collect();
    assert_eq!((targets, subscriber.confirmed_seq), (vec![Target::All, component], 10));
}

#[test]
fn a_member_of_a_list_leaves_with_its_own_choices_and_the_owner_hears_of_the_wish_once() {
    let mut subscriber = active();
    assert!(subscriber.join(&list(), 20, later(2)));
    assert_eq!(subscriber.leave(later(3)), Leaving::OnLists);
    assert!(subscriber.is_active() && subscriber.subscriptions.is_empty());
    assert_eq!(subscriber.wish_to_leave_lists(later(3)), ["beredskap"]);
    assert!(subscriber.wish_to_leave_lists(later(4)).is_empty());
    subscriber.drop_from("beredskap", later(5));
    assert_eq!(subscriber.state, SubscriberState::Left);
}

#[test]
fn who_has_chosen_besides_stays_when_the_list_goes_and_the_list_stays_when_the_address_bounces() {
    let mut subscriber = active();
    subscriber.join(&list(), 20, later(2));
    subscriber.drop_from("beredskap", later(3));
    assert!(subscriber.is_active());
    subscriber.join(&list(), 20, later(4));
    let evidence = Evidence { at: later(5), reason: Reason::HardBounce, code: Some("5.1.1".into()), event: Some(21) };
    assert!(subscriber.quarantine(evidence.clone(), later(5)));
    assert!(!subscriber.quarantine(evidence, later(6)), "evidence is kept as it was first seen");
    // A list does not lift a quarantine, a confirmation does.
    subscriber.join(&list(), 22, later(7));
    assert!(!subscriber.is_active());
    subscriber.ask(asked(later(8), Target::All));
    assert_eq!(subscriber.confirm(subscriber.generation, 23, later(8)), Ok(Confirmed::New));
    assert_eq!((subscriber.evidence.clone(), subscriber.confirmed_seq), (None, 23));
}

#[test]
fn each_state_is_forgotten_by_its_rule_but_not_under_a_link_that_still_works() {
    let mut subscriber = pending();
    assert_eq!(subscriber.forget_at(), Some(later(7 * 24)));
    subscriber.ask(asked(later(6 * 24), Target::All));
    assert_eq!(subscriber.forget_at(), Some(later(13 * 24)));
    assert_eq!(active().forget_at(), None);
    let mut left = active();
    left.leave(later(24));
    assert_eq!(left.forget_at(), Some(later(31 * 24)));
    left.ask(asked(later(31 * 24 - 1), Target::All));
    assert_eq!(left.forget_at(), Some(later(32 * 24 - 1)));
    let mut bounced = active();
    let evidence = Evidence { at: later(24), reason: Reason::SoftBounces, code: None, event: None };
    bounced.quarantine(evidence, later(24));
    assert_eq!(bounced.forget_at(), Some(later(91 * 24)));
}

#[test]
fn choices_are_judged_by_what_the_page_shows() {
    let board = Board::default();
    let unknown = Subscription::of(Target::Component(Uuid::from_u128(9)));
    let choices = |subscriptions, mode| Choices { language: Language::En, mode, subscriptions };
    let faults = |choices: Choices| choices.faults(&board, Audience::Public, false);
    assert_eq!(faults(choices(vec![], Mode::AtOnce)), [ChoiceFault::Nothing]);
    assert_eq!(faults(choices(vec![unknown.clone()], Mode::AtOnce)), [ChoiceFault::UnknownTarget(0)]);
    assert_eq!(faults(choices(vec![unknown; SUBSCRIPTIONS_MAX + 1], Mode::AtOnce)), [ChoiceFault::TooMany]);
    let silent = Subscription { incidents: false, maintenances: false, ..Subscription::of(Target::All) };
    let never = Mode::Digest { hour: 24, minute: 0 };
    assert_eq!(faults(choices(vec![silent], never)), [ChoiceFault::NoKind(0), ChoiceFault::DigestTime]);
    assert_eq!(choices(vec![], Mode::AtOnce).faults(&board, Audience::Staff, true), []);
}

#[derive(Debug, Clone)]
enum Act {
    Ask,
    Confirm(u16),
    Leave,
    Join,
    Drop,
    Quarantine,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        Just(Act::Ask),
        (0_u16..6).prop_map(Act::Confirm),
        Just(Act::Leave),
        Just(Act::Join),
        Just(Act::Drop),
        Just(Act::Quarantine),
    ];
    proptest::collection::vec(act, 0..40)
}

proptest! {
    #[test]
    fn whatever_happens_only_who_agreed_or_is_on_a_list_gets_mail(acts in acts()) {
        let mut subscriber = pending();
        for (hour, act) in acts.into_iter().enumerate() {
            let now = later(i64::try_from(hour).unwrap());
            let (waited, was) = (subscriber.asked.is_some(), subscriber.clone());
            match act {
                Act::Ask => subscriber.ask(asked(now, Target::All)),
                Act::Confirm(generation) => {
                    let confirmed = subscriber.confirm(generation, 1, now);
                    let fresh = matches!(confirmed, Ok(Confirmed::New | Confirmed::Added));
                    prop_assert_eq!(fresh, waited && was.generation == generation);
                    prop_assert!(fresh || subscriber == was);
                }
                Act::Leave => {
                    subscriber.leave(now);
                    prop_assert!(subscriber.subscriptions.is_empty() && subscriber.asked.is_none());
                }
                Act::Join => {
                    subscriber.join(&list(), 1, now);
                }
                Act::Drop => subscriber.drop_from("beredskap", now),
                Act::Quarantine => {
                    let evidence = Evidence { at: now, reason: Reason::HardBounce, code: None, event: None };
                    subscriber.quarantine(evidence, now);
                }
            }
            let agreed = subscriber.confirmed_at.is_some() && !subscriber.subscriptions.is_empty();
            prop_assert!(!subscriber.is_active() || agreed || subscriber.is_managed());
            prop_assert_eq!(subscriber.forget_at().is_none(), subscriber.is_active());
        }
    }
}
