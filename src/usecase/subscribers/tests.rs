//! Stories of subscribers over a real store and a held clock.

use jiff::SignedDuration;

use super::import::ImportRow;
use super::manage::Left;
use super::sign_up::SignUp;
use super::*;
use crate::admit::IpKey;
use crate::domain::language::Language;
use crate::domain::letter::{Letter, LetterFacts, LetterKind};
use crate::domain::status::choice::{Choices, Mode, Subscription, Target};
use crate::domain::status::subscriber::{Confirmed, Reason, SubscriberState};
use crate::store::record::assert_golden;
use crate::usecase::letters::LetterStore;
use crate::usecase::testing::TestGateway;

const TOLVAN: &str = "Tolvan.Test@example.test";

fn mail(text: &str) -> MailAddress {
    MailAddress::parse(text).unwrap()
}

fn network(last: u8) -> IpKey {
    IpKey::new(std::net::IpAddr::from([192, 0, last, 7]))
}

fn everything() -> Choices {
    Choices { language: Language::Sv, mode: Mode::AtOnce, subscriptions: vec![Subscription::of(Target::All)] }
}

fn evidence(test: &TestGateway, reason: Reason) -> Evidence {
    Evidence { at: test.gateway.now(), reason, code: Some("5.1.1".into()), event: Some(3) }
}

fn beredskap() -> List {
    List {
        slug: "beredskap".into(),
        title: "Chefer i beredskap".into(),
        audience: Audience::Staff,
        owner: mail("agare@region.example"),
        subscriptions: vec![Subscription::of(Target::All)],
    }
}

struct Region {
    test: TestGateway,
    networks: std::cell::Cell<u8>,
}

impl Region {
    async fn start() -> Region {
        let public_url = "https://status.region.example".to_owned();
        let rules = SignUpRules { public_url, allowed_domains: Vec::new() };
        let test = TestGateway::made(|gateway| gateway.with_sign_up_rules(rules)).await;
        Region { test, networks: std::cell::Cell::new(0) }
    }

    fn gateway(&self) -> &Gateway {
        &self.test.gateway
    }

    fn wait(&self, hours: i64) {
        self.test.clock.advance(SignedDuration::from_hours(hours));
    }

    async fn sign_up(&self, address: &str) {
        let sign_up =
            SignUp { address: mail(address), audience: Audience::Staff, choices: everything(), source: "form" };
        let from = network(self.networks.replace(self.networks.get() + 1));
        self.gateway().sign_up(from, &sign_up).await.unwrap();
    }

    /// The letters that were owed since they were last asked for.
    async fn letters(&self) -> Vec<Letter> {
        let due = self.gateway().due_letters(LetterStore::Common, self.gateway().now(), 100).await.unwrap();
        let mut letters = Vec::new();
        for at in due {
            letters.push(at.record.clone());
            let delivered = crate::usecase::letters::Settlement::Delivered;
            self.gateway().settle_letter(LetterStore::Common, &at, delivered).await.unwrap();
        }
        letters
    }

    /// The one letter that was owed, its kind and the token of its link.
    async fn link(&self, kind: LetterKind, name: &str) -> String {
        let letters = self.letters().await;
        let [letter] = letters.as_slice() else { panic!("{} letters", letters.len()) };
        assert_eq!(letter.kind, kind);
        let facts = letter.facts.as_ref().map(LetterFacts::expose).unwrap();
        facts[name].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }

    async fn confirm_link(&self) -> String {
        self.link(LetterKind::ConfirmSubscription, "confirm_link").await
    }

    async fn subscribe(&self, address: &str) -> Subscriber {
        self.sign_up(address).await;
        let link = self.confirm_link().await;
        self.gateway().confirm(&link).await.unwrap().1
    }

    async fn found(&self, address: &str) -> Option<Subscriber> {
        self.gateway().subscriber_of(&mail(address), Audience::Staff).await.unwrap().map(|at| at.record)
    }

    async fn forget(&self) {
        while self.gateway().keep_up_subscribers().await.unwrap() {}
    }
}

#[tokio::test]
async fn an_address_is_asked_once_and_subscribes_by_its_link_and_by_nothing_else() {
    let region = Region::start().await;
    region.sign_up(TOLVAN).await;
    let link = region.confirm_link().await;
    // Looking at the page changes nothing, however often a scanner does it.
    for _ in 0..3 {
        let (would, asked) = region.gateway().asked_by_link(&link).await.unwrap();
        assert_eq!((would, asked.state), (Confirmed::New, SubscriberState::Pending));
    }
    let (confirmed, subscriber) = region.gateway().confirm(&link).await.unwrap();
    assert_eq!((confirmed, subscriber.address.expose()), (Confirmed::New, TOLVAN));
    assert_eq!(region.gateway().confirm(&link).await.unwrap().0, Confirmed::Already);
    assert_eq!(region.gateway().asked_by_link(&link).await.unwrap().0, Confirmed::Already);
    assert!(region.gateway().may_be_mailed(&subscriber.id).await.unwrap());
    region.wait(24);
    assert!(matches!(region.gateway().confirm(&link).await, Err(SubscribeError::LinkUnknown)));
}

#[tokio::test]
async fn the_answer_is_the_same_whatever_is_known_of_the_address() {
    let region = Region::start().await;
    let subscriber = region.subscribe("aktiv@example.test").await;
    let left = region.subscribe("borta@example.test").await;
    region.gateway().leave_by_token(&region.gateway().leave_token(left.id), "page").await.unwrap();
    let bounced = region.subscribe("studsar@example.test").await;
    let hard = evidence(&region.test, Reason::HardBounce);
    assert!(region.gateway().quarantine(bounced.id, hard).await.unwrap());
    let complained = evidence(&region.test, Reason::Complaint);
    region.gateway().suppress(&mail("aldrig@example.test"), complained, "root").await.unwrap();
    region.sign_up("vantar@example.test").await;
    region.letters().await;

    for (address, kind) in [
        ("AKTIV@example.test", Some(LetterKind::ManageSubscription)),
        ("borta@example.test", Some(LetterKind::ConfirmSubscription)),
        ("studsar@example.test", Some(LetterKind::ConfirmSubscription)),
        ("aldrig@example.test", None),
        ("vantar@example.test", Some(LetterKind::ConfirmSubscription)),
        ("ny@example.test", Some(LetterKind::ConfirmSubscription)),
    ] {
        region.sign_up(address).await;
        let kinds: Vec<_> = region.letters().await.iter().map(|letter| letter.kind).collect();
        assert_eq!(kinds, Vec::from_iter(kind), "{address}");
        // The same is written down for each.
        assert!(region.found(address).await.unwrap().asked.is_some(), "{address}");
    }
    assert!(region.found("aktiv@example.test").await.unwrap().is_active());
    assert_eq!(region.found("borta@example.test").await.unwrap().state, SubscriberState::Left);
    assert!(!region.gateway().may_be_mailed(&bounced.id).await.unwrap());
    assert!(region.gateway().may_be_mailed(&subscriber.id).await.unwrap());
}

#[tokio::test]
async fn a_quarantined_address_comes_back_by_confirming_anew() {
    let region = Region::start().await;
    let subscriber = region.subscribe(TOLVAN).await;
    region.gateway().quarantine(subscriber.id, evidence(&region.test, Reason::SoftBounces)).await.unwrap();
    assert!(!region.gateway().may_be_mailed(&subscriber.id).await.unwrap());
    region.subscribe(TOLVAN).await;
    assert!(region.gateway().may_be_mailed(&subscriber.id).await.unwrap());
}

#[tokio::test]
async fn nobodys_mailbox_is_filled_and_no_network_signs_up_the_world() {
    let region = Region::start().await;
    for _ in 0..5 {
        region.sign_up(TOLVAN).await;
    }
    assert_eq!(region.letters().await.len(), 3, "and the answer was the same five times");
    let from = network(250);
    let sign_up = |number: u32| SignUp {
        address: mail(&format!("a{number}@example.test")),
        audience: Audience::Public,
        choices: everything(),
        source: "api",
    };
    for number in 0..120 {
        region.gateway().sign_up(from, &sign_up(number)).await.unwrap();
    }
    let refused = region.gateway().sign_up(from, &sign_up(120)).await;
    assert!(matches!(refused, Err(SubscribeError::Limited(_))));
}

#[tokio::test]
async fn only_the_allowed_domains_subscribe() {
    let rules = SignUpRules { public_url: String::new(), allowed_domains: vec!["region.example".into()] };
    let test = TestGateway::made(|gateway| gateway.with_sign_up_rules(rules)).await;
    let ask = async |address: &str| {
        let sign_up =
            SignUp { address: mail(address), audience: Audience::Staff, choices: everything(), source: "form" };
        test.gateway.sign_up(network(1), &sign_up).await
    };
    ask("tolvan@Region.Example").await.unwrap();
    assert!(matches!(ask("tolvan@example.test").await, Err(SubscribeError::DomainNotAllowed)));
}

#[tokio::test]
async fn one_click_ends_it_at_once_is_idempotent_and_says_the_same_to_strangers() {
    let region = Region::start().await;
    let subscriber = region.subscribe(TOLVAN).await;
    let token = region.gateway().leave_token(subscriber.id).to_ascii_uppercase();
    for _ in 0..2 {
        assert_eq!(region.gateway().leave_by_token(&token, "one-click").await.unwrap(), Left::Gone);
        assert!(region.gateway().has_left(&subscriber.id));
    }
    assert_eq!(region.gateway().leave_by_token("aaaa", "one-click").await.unwrap(), Left::Gone);
    assert!(!region.gateway().may_be_mailed(&subscriber.id).await.unwrap());
    let link = token::manage(&region.gateway().common, subscriber.id);
    assert!(matches!(region.gateway().subscriber_by_link(&link).await, Err(SubscribeError::HasLeft)));
    assert!(region.letters().await.is_empty(), "nobody is mailed for having left");
}

#[tokio::test]
async fn who_leaves_while_the_store_cannot_write_is_not_mailed_and_is_told_so() {
    let region = Region::start().await;
    let subscriber = region.subscribe(TOLVAN).await;
    let token = region.gateway().leave_token(subscriber.id);
    region.gateway().common.close();
    assert_eq!(region.gateway().leave_by_token(&token, "one-click").await.unwrap(), Left::Waiting);
    region.gateway().leavings_wait().await;
    assert!(!region.gateway().may_be_mailed(&subscriber.id).await.unwrap());
    assert!(!region.gateway().retry_leavings().await, "it waits as long as the store cannot take it");
    assert!(region.gateway().departures().is_waiting());
}

#[tokio::test]
async fn choices_are_replaced_by_the_manage_link_and_must_be_some() {
    let region = Region::start().await;
    let subscriber = region.subscribe(TOLVAN).await;
    let link = region.gateway().manage_link(&subscriber);
    assert!(link.starts_with("https://status.region.example/status/prenumeration/"), "{link}");
    let link = link.rsplit('/').next().unwrap();
    let daily = Mode::Digest { hour: 7, minute: 30 };
    let choices = Choices { language: Language::En, mode: daily, ..everything() };
    region.gateway().choose(link, &choices).await.unwrap();
    let now = region.gateway().subscriber_by_link(link).await.unwrap().record;
    assert_eq!((now.language, now.mode), (Language::En, daily));
    let none = Choices { subscriptions: vec![], ..choices };
    assert!(matches!(region.gateway().choose(link, &none).await, Err(SubscribeError::Unfit(_))));
}

#[tokio::test]
async fn signing_up_again_adds_what_was_chosen_after_a_confirmation() {
    let region = Region::start().await;
    region.subscribe(TOLVAN).await;
    region.sign_up(TOLVAN).await;
    let link = region.link(LetterKind::ManageSubscription, "confirm_link").await;
    assert_eq!(region.gateway().confirm(&link).await.unwrap().0, Confirmed::Added);
}

#[tokio::test]
async fn a_list_is_not_left_by_a_slip_and_its_owner_hears_of_the_wish_once() {
    let region = Region::start().await;
    region.gateway().put_list("root", &beredskap()).await.unwrap();
    let members = [mail(TOLVAN), mail("chef@region.example")];
    let joined = region.gateway().join_list("root", "beredskap", &members).await.unwrap();
    assert_eq!((joined.added, joined.already), (2, 0));
    assert_eq!(region.gateway().join_list("root", "beredskap", &members).await.unwrap().already, 2);

    let member = region.found(TOLVAN).await.unwrap();
    let token = region.gateway().leave_token(member.id);
    let titles = Left::OnLists(vec!["Chefer i beredskap".into()]);
    assert_eq!(region.gateway().leave_by_token(&token, "one-click").await.unwrap(), titles);
    assert_eq!(region.gateway().leave_by_token(&token, "one-click").await.unwrap(), titles);
    assert!(region.gateway().may_be_mailed(&member.id).await.unwrap());
    let letters = region.letters().await;
    let told: Vec<_> = letters.iter().map(|letter| (letter.kind, letter.to.expose())).collect();
    assert_eq!(told, [(LetterKind::ListLeaveWish, "agare@region.example")]);

    assert_eq!(region.gateway().drop_from_list("root", "beredskap", &members[..1]).await.unwrap(), 1);
    assert!(!region.gateway().may_be_mailed(&member.id).await.unwrap());
    let (_, left) = region.gateway().read_list("root", "beredskap").await.unwrap();
    assert_eq!(left.len(), 1);
}

#[tokio::test]
async fn a_changed_list_changes_what_its_members_get() {
    let region = Region::start().await;
    region.gateway().put_list("root", &beredskap()).await.unwrap();
    region.gateway().join_list("root", "beredskap", &[mail(TOLVAN)]).await.unwrap();
    let heavy = Subscription {
        least_impact: crate::domain::status::subject::Impact::Critical,
        ..Subscription::of(Target::All)
    };
    region.gateway().put_list("root", &List { subscriptions: vec![heavy.clone()], ..beredskap() }).await.unwrap();
    assert_eq!(region.found(TOLVAN).await.unwrap().lists[0].subscriptions, [heavy]);
    let unfit = List { slug: "Fel slug".into(), ..beredskap() };
    assert!(matches!(region.gateway().put_list("root", &unfit).await, Err(SubscribeError::ListMalformed)));
}

#[tokio::test]
async fn an_import_is_idempotent_and_brings_nobody_back_who_left() {
    let region = Region::start().await;
    let left = region.subscribe("borta@example.test").await;
    region.gateway().leave_by_token(&region.gateway().leave_token(left.id), "mail").await.unwrap();
    let manual = evidence(&region.test, Reason::Manual);
    region.gateway().suppress(&mail("aldrig@example.test"), manual, "root").await.unwrap();
    let row = |line, address| ImportRow { line, address: mail(address), choices: everything() };
    let rows = [
        row(2, "ny@example.test"),
        row(3, "NY@example.test"),
        row(4, "borta@example.test"),
        row(5, "aldrig@example.test"),
        ImportRow { choices: Choices { subscriptions: vec![], ..everything() }, ..row(6, "tom@example.test") },
    ];
    let import =
        async || region.gateway().import_subscribers("root", "gamla-listan", Audience::Staff, &rows).await.unwrap();
    let first = import().await;
    assert_eq!((first.new, first.known, first.left_out), (1, 1, 2));
    assert_eq!(first.faults, [(6, "choose something to be told of".to_owned())]);
    let again = import().await;
    assert_eq!((again.new, again.known, again.left_out), (0, 2, 2));
    let known = region.found("ny@example.test").await.unwrap();
    assert!(known.is_active() && known.source == "import gamla-listan");

    // Not even after the address itself was forgotten.
    region.wait(31 * 24);
    region.forget().await;
    assert!(region.found("borta@example.test").await.is_none());
    assert_eq!(import().await.left_out, 2);
    // But its owner may always come back.
    region.subscribe("borta@example.test").await;
    assert!(region.found("borta@example.test").await.unwrap().is_active());
}

#[tokio::test]
async fn what_has_had_its_time_is_forgotten_and_what_has_not_stays() {
    let region = Region::start().await;
    let active = region.subscribe("aktiv@example.test").await;
    region.sign_up("vantar@example.test").await;
    let bounced = region.subscribe_after_letters("studsar@example.test").await;
    region.gateway().quarantine(bounced.id, evidence(&region.test, Reason::HardBounce)).await.unwrap();
    region.wait(7 * 24 - 1);
    region.forget().await;
    assert!(region.found("vantar@example.test").await.is_some());
    region.wait(2);
    region.forget().await;
    assert!(region.found("vantar@example.test").await.is_none());
    assert!(region.gateway().suppression(&mail("vantar@example.test")).await.unwrap().is_none());
    region.wait(83 * 24);
    region.forget().await;
    assert!(region.found("studsar@example.test").await.is_none());
    let kept = region.gateway().suppression(&mail("studsar@example.test")).await.unwrap().unwrap().record;
    assert_eq!((kept.evidence.reason, kept.evidence.event), (Reason::HardBounce, Some(3)));
    region.wait(3 * 365 * 24 + 1);
    region.forget().await;
    assert!(region.gateway().suppression(&mail("studsar@example.test")).await.unwrap().is_none());
    assert!(region.gateway().may_be_mailed(&active.id).await.unwrap());
    let count = region.gateway().count_subscribers().await.unwrap();
    assert_eq!(count[&Audience::Staff], upkeep::SubscriberCount { active: 1, ..Default::default() });
}

impl Region {
    /// As `subscribe`, where letters to others lie about.
    async fn subscribe_after_letters(&self, address: &str) -> Subscriber {
        self.letters().await;
        self.subscribe(address).await
    }
}

#[tokio::test]
async fn who_followed_one_event_only_is_let_go_when_it_has_long_been_over() {
    let region = Region::start().await;
    let subscriber = region.subscribe(TOLVAN).await;
    let list = region.subscribe_after_letters("lista@example.test").await;
    let follow = |subscriber: &Subscriber, subject: Target| {
        let choices = Choices { subscriptions: vec![Subscription::of(subject)], ..everything() };
        Subscriber { subscriptions: choices.subscriptions, ..subscriber.clone() }
    };
    for (who, subject) in [(&subscriber, Target::Subject(Uuid::from_u128(7))), (&list, Target::All)] {
        let before = region.gateway().subscriber(who.id).await.unwrap().unwrap();
        let mut change = Change::new();
        rewrite(&mut change, &before, &follow(who, subject));
        region.gateway().commit_common(change).await.unwrap();
    }
    // The board does not keep what is so long over; what it keeps, it judges itself.
    region.gateway().end_followings().await.unwrap();
    assert_eq!(region.found(TOLVAN).await.unwrap().state, SubscriberState::Left);
    assert!(region.found("lista@example.test").await.unwrap().is_active());
    assert!(!region.gateway().may_be_mailed(&subscriber.id).await.unwrap());
    let left = region.gateway().common.scan(crate::store::Range::prefix(&key::subject_followers()), 10).await.unwrap();
    assert!(left.is_empty());
}

#[tokio::test]
async fn an_operators_readings_and_acts_are_in_the_access_log_without_the_address() {
    let region = Region::start().await;
    let subscriber = region.subscribe(TOLVAN).await;
    let (found, _) = region.gateway().look_up(&mail(TOLVAN), "root").await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(region.gateway().forget_address(&mail(TOLVAN), "root").await.unwrap());
    assert!(region.found(TOLVAN).await.is_none());
    let log = region.gateway().access_log(&region.gateway().common, 0, 100).await.unwrap();
    let acts: Vec<_> = log.iter().map(|line| (line.entry.act.as_str(), line.entry.cases.as_slice())).collect();
    assert_eq!(acts, [("subscriber-read", &[subscriber.id][..]), ("subscriber-read", &[subscriber.id])]);
    assert!(!format!("{log:?}").to_lowercase().contains("tolvan"));
}

#[tokio::test]
async fn two_who_sign_the_same_address_up_at_once_make_one_subscriber() {
    let region = Region::start().await;
    let sign_up = SignUp { address: mail(TOLVAN), audience: Audience::Staff, choices: everything(), source: "form" };
    let (gateway, sign_up) = (region.gateway(), &sign_up);
    let (one, other) = tokio::join!(gateway.sign_up(network(1), sign_up), gateway.sign_up(network(2), sign_up));
    one.unwrap();
    other.unwrap();
    assert_eq!(gateway.count_subscribers().await.unwrap()[&Audience::Staff].pending, 1);
    assert_eq!(region.letters().await.len(), 2);
}

#[test]
fn records_of_subscribers_are_the_golden_ones() {
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let asked = crate::domain::status::subscriber::Asked {
        at: at("2026-11-23T08:00:00Z"),
        choices: Choices { mode: Mode::Digest { hour: 7, minute: 30 }, ..everything() },
        consent_version: 1,
        source: "form".into(),
    };
    let mut subscriber = Subscriber::pending(Uuid::from_u128(1), mail(TOLVAN), Audience::Staff, asked.clone());
    subscriber.confirm(0, 10, at("2026-11-23T09:00:00Z")).unwrap();
    subscriber.join(&beredskap(), 11, at("2026-11-23T10:00:00Z"));
    subscriber.ask(asked);
    let evidence = Evidence {
        at: at("2026-11-24T08:00:00Z"),
        reason: Reason::HardBounce,
        code: Some("5.1.1".into()),
        event: Some(12),
    };
    subscriber.quarantine(evidence.clone(), at("2026-11-24T08:00:00Z"));
    assert_golden(&subscriber, include_str!("golden/subscriber-1.txt"));
    assert_golden(&beredskap(), include_str!("golden/list-1.txt"));
    assert_golden(&AddressEntry { subscriber: Uuid::from_u128(1) }, include_str!("golden/address-1.txt"));
    let suppression = Suppression { evidence, until: Some(at("2029-11-23T08:00:00Z")) };
    assert_golden(&suppression, include_str!("golden/suppression-1.txt"));
}
