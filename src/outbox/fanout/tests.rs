//! Notices from the act to the letter, over real stores.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::domain::language::Language;
use crate::domain::mail_address::MailAddress;
use crate::domain::status::Audience;
use crate::domain::status::act::Act;
use crate::domain::status::choice::{Choices, Mode, Subscription, Target};
use crate::domain::status::subject::IncidentStatus;
use crate::domain::status::subscriber::{Asked, Subscriber};
use crate::mail::{Cause, EnhancedCode, Phase, Reply, Sender, Trouble};
use crate::outbox::{self, Outbox};
use crate::render::Service;
use crate::store::record::encode;
use crate::store::{Change, key};
use crate::usecase::fanout::{DeliveryReport, Returned};
use crate::usecase::letters::LetterStore;
use crate::usecase::status::tests::{Region, region};

/// Longer than any of these takes; whoever waits so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

struct House {
    region: Region,
    mail: tempfile::TempDir,
}

struct Running {
    fanout: tokio::task::JoinHandle<()>,
    stop: watch::Sender<bool>,
}

fn subscriber(number: u128, now: Timestamp) -> Subscriber {
    let subscriptions = vec![Subscription::of(Target::All)];
    let asked = Asked {
        at: now,
        choices: Choices { language: Language::Sv, mode: Mode::AtOnce, subscriptions },
        consent_version: 1,
        source: "form".into(),
    };
    let address = MailAddress::parse(&format!("s{number}@d{}.example.test", number % 7)).unwrap();
    let mut subscriber = Subscriber::pending(Uuid::from_u128(number), address, Audience::Public, asked);
    subscriber.confirm(0, 0, now).unwrap();
    subscriber
}

pub fn service() -> Service {
    Service {
        name: "Region Exempel".into(),
        portal_url: "https://portal.region.example/".into(),
        staff_url: "https://staff.region.example/".into(),
        public_url: "https://status.region.example".into(),
        support_telephone: "0771-00 00 00".into(),
        support_hours: crate::domain::clinic::Texts::default(),
        staff_link: None,
        public_link: None,
        card_test_url: None,
        local_it: Vec::new(),
    }
}

impl House {
    async fn of(subscribers: u128) -> House {
        let house = House { region: region().await, mail: tempfile::tempdir().unwrap() };
        house.subscribe(1..=subscribers).await;
        house
    }

    async fn subscribe(&self, numbers: std::ops::RangeInclusive<u128>) {
        let gateway = &self.region.gateway;
        for chunk in numbers.collect::<Vec<_>>().chunks(500) {
            let mut change = Change::new();
            for number in chunk {
                let subscriber = subscriber(*number, gateway.now());
                change.create(key::subscriber(subscriber.id), encode(&subscriber));
            }
            gateway.common.commit(change).await.unwrap();
        }
    }

    fn start(&self, strict: bool) -> Running {
        let mailer = Arc::new(Mailer::new(mail::Settings::Directory { path: self.mail.path().to_owned() }).unwrap());
        self.start_with(mailer, strict, 3)
    }

    fn start_with(&self, mailer: Arc<Mailer>, strict: bool, connections_max: usize) -> Running {
        let address = MailAddress::parse("driftinfo@status.region.example").unwrap();
        let letters = LetterSettings {
            from: Sender { name: Some("Driftinformation".into()), address },
            domain: "status.region.example".into(),
            public_url: "https://status.region.example".into(),
        };
        let settings = Settings { letters, connections_max, strict };
        let renderer = Arc::new(Renderer::new(service(), None).unwrap());
        let fanout = Arc::new(Fanout::new(self.region.gateway.clone(), mailer, renderer, settings));
        let (stop, stopped) = watch::channel(false);
        Running { fanout: tokio::spawn(fanout.run(stopped)), stop }
    }

    /// Sends the letters that are owed besides notices.
    fn outbox(&self) -> Outbox {
        let mailer = Arc::new(Mailer::new(mail::Settings::Directory { path: self.mail.path().to_owned() }).unwrap());
        let address = MailAddress::parse("driftinfo@status.region.example").unwrap();
        let settings = outbox::Settings {
            from: Sender { name: None, address: address.clone() },
            envelope_from: address,
            bounce_domain: "status.region.example".into(),
            at_once_max: 1,
        };
        let (gateway, renderer) = (self.region.gateway.clone(), Arc::new(Renderer::new(service(), None).unwrap()));
        Outbox::new(gateway, LetterStore::Common, mailer, renderer, settings, Arc::default())
    }

    async fn report(&self, seq: u64) -> Option<DeliveryReport> {
        self.region.gateway.delivery_report(seq).await.ok()
    }

    /// Waits until nothing of a notice is left to do.
    async fn done(&self, seq: u64) -> DeliveryReport {
        let done = async {
            loop {
                match self.report(seq).await {
                    Some(report) if report.oldest_unsent.is_none() => return report,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, done).await.unwrap()
    }

    async fn restarted(self) -> House {
        House { region: self.region.restarted().await, mail: self.mail }
    }
}

impl Running {
    async fn stop(self) {
        self.stop.send_replace(true);
        tokio::time::timeout(PATIENCE, self.fanout).await.unwrap().unwrap();
    }
}

/// Letters in a directory, by notice.
fn letters(dir: &Path) -> HashMap<String, usize> {
    let mut out = HashMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        *out.entry(name.split('.').next().unwrap().to_owned()).or_default() += 1;
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_has_one_letter_and_the_report_says_so() {
    for strict in [false, true] {
        let house = House::of(703).await;
        let running = house.start(strict);
        let seq = house.region.open(house.region.opening()).await.seq;
        let report = house.done(seq).await;
        assert_eq!((report.tally.targeted, report.tally.accepted), (703, 703), "{report:?}");
        assert_eq!(letters(house.mail.path()), HashMap::from([("1".to_owned(), 703)]));
        assert_eq!(house.region.gateway.oldest_unsent_notice(), None);
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_has_what_mail_systems_and_readers_need_to_sort_answer_and_leave() {
    let house = House::of(1).await;
    let running = house.start(false);
    let published = house.region.open(house.region.opening()).await;
    house.done(published.seq).await;
    running.stop().await;
    let id = Uuid::from_u128(1).simple();
    let file = house.mail.path().join(format!("1.{id}.1.eml"));
    let letter = fs::read_to_string(file).unwrap();
    for line in [
        format!("Message-ID: <1.{id}.1@status.region.example>"),
        format!("References: <{}.root.{id}@status.region.example>", published.subject.simple()),
        "To: s1@d1.example.test".to_owned(),
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click".to_owned(),
        "List-Id: Driftinformation <driftinfo.status.region.example>".to_owned(),
    ] {
        assert!(letter.contains(&format!("\r\n{line}\r\n")), "{line}\n{letter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reader_is_led_to_the_page_that_is_theirs() {
    let house = House::of(1).await;
    let staff = Subscriber { audience: Audience::Staff, ..subscriber(2, house.region.gateway.now()) };
    let mut change = Change::new();
    change.create(key::subscriber(staff.id), encode(&staff));
    house.region.gateway.common.commit(change).await.unwrap();
    let running = house.start(false);
    let published = house.region.open(house.region.opening()).await;
    house.done(published.seq).await;
    running.stop().await;
    for (number, page) in [(1_u128, "/invanare/status/handelse/"), (2, "/status/handelse/")] {
        let file = house.mail.path().join(format!("1.{}.1.eml", Uuid::from_u128(number).simple()));
        let letter = fs::read_to_string(file).unwrap().replace("=\r\n", "");
        let line = format!("\r\n{page}{}\r\n", published.subject);
        assert_eq!(letter.matches(&line).count(), 1, "{line} in the text: {letter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_loses_nobody_and_doubles_nobody() {
    let house = House::of(2_000).await;
    let running = house.start(false);
    let seq = house.region.open(house.region.opening()).await.seq;
    while letters(house.mail.path()).is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    running.stop().await;
    let before = letters(house.mail.path())["1"];
    assert!(before < 2_000, "the stop came too late to show anything");
    let house = house.restarted().await;
    let running = house.start(false);
    let report = house.done(seq).await;
    assert_eq!((report.tally.accepted, report.tally.in_doubt), (2_000, 0));
    assert_eq!(letters(house.mail.path())["1"], 2_000);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_told_to_those_who_know_of_the_beginning_and_to_nobody_else() {
    let house = House::of(20).await;
    let running = house.start(false);
    let opened = house.region.open(house.region.opening()).await;
    house.done(opened.seq).await;
    house.subscribe(21..=30).await;
    let (gateway, leaver) = (&house.region.gateway, Uuid::from_u128(3));
    let at = gateway.subscriber(leaver).await.unwrap().unwrap();
    let mut left = at.record.clone();
    left.leave(gateway.now());
    let mut change = Change::new();
    change.replace(key::subscriber(leaver), at.version, encode(&left));
    gateway.common.commit(change).await.unwrap();
    let resolved = Act::UpdateIncident(Box::new(house.region.update(opened.subject, IncidentStatus::Resolved)));
    let preview = gateway.preview(&crate::usecase::status::tests::operator(), &resolved).await.unwrap();
    assert_eq!(gateway.recipients_of(&preview.event).await.unwrap().at_once, 19);
    let resolved = house.region.publish(resolved).await;
    assert_eq!(house.done(resolved.seq).await.tally.accepted, 19);
    assert_eq!(letters(house.mail.path()), HashMap::from([("1".to_owned(), 20), ("2".to_owned(), 19)]));
    running.stop().await;
}

fn report_of(to: &str, status: &str) -> String {
    format!(
        "To: {to}\r\nFrom: MAILER-DAEMON@mail.example.test\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"=_b\"\r\n\r\n\
         --=_b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n\
         --=_b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example.test\r\n\r\n\
         Final-Recipient: rfc822; s1@d1.example.test\r\nAction: failed\r\nStatus: {status}\r\n\
         Diagnostic-Code: smtp; 550 {status} no\r\n\r\n--=_b--\r\n"
    )
}

fn returned(letter: &str) -> crate::mail::incoming::Bounce {
    let mailboxes = crate::mail::incoming::Mailboxes { bounce: "b".into(), leave: "avsluta".into() };
    match crate::mail::incoming::read(letter.as_bytes(), &mailboxes).unwrap() {
        crate::mail::incoming::Incoming::Bounce(bounce) => bounce,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hard_bounce_ends_the_mail_a_soft_one_counts_and_a_forged_one_does_nothing() {
    let house = House::of(2).await;
    let running = house.start(false);
    let seq = house.region.open(house.region.opening()).await.seq;
    house.done(seq).await;
    running.stop().await;
    let gateway = &house.region.gateway;
    let [one, two] = [1, 2].map(Uuid::from_u128);
    let to = |token: &str| format!("b+{token}@status.region.example");
    let forged = returned(&report_of(&to(&"a".repeat(52)), "5.1.1"));
    assert_eq!(gateway.returned(&forged).await.unwrap(), Returned::Forged);
    let hard = returned(&report_of(&to(&gateway.bounce_token(one, seq, gateway.now())), "5.1.1"));
    assert_eq!(gateway.returned(&hard).await.unwrap(), Returned::Quarantined);
    assert_eq!(gateway.returned(&hard).await.unwrap(), Returned::Noted);
    assert!(gateway.recipient(one).await.unwrap().is_none());
    let soft = |notice| returned(&report_of(&to(&gateway.bounce_token(two, notice, gateway.now())), "5.2.2"));
    for notice in [seq, seq, 11, 12, 13] {
        assert_eq!(gateway.returned(&soft(notice)).await.unwrap(), Returned::Counted);
    }
    assert!(gateway.recipient(two).await.unwrap().is_some());
    assert_eq!(gateway.returned(&soft(14)).await.unwrap(), Returned::Quarantined);
    let tally = house.report(seq).await.unwrap().tally;
    assert_eq!((tally.targeted, tally.accepted, tally.bounced), (2, 0, 2));
}

impl House {
    /// Puts a subscriber who wants one mail a day.
    async fn subscribe_daily(&self, number: u128, confirmed_seq: u64) {
        let mut daily = subscriber(number, self.region.gateway.now());
        daily.mode = Mode::Digest { hour: 10, minute: 0 };
        daily.confirmed_seq = confirmed_seq;
        let mut change = Change::new();
        change.create(key::subscriber(daily.id), encode(&daily));
        self.region.gateway.common.commit(change).await.unwrap();
    }

    /// The complete letters that are owed besides notices.
    async fn owed(&self) -> Vec<String> {
        let gateway = &self.region.gateway;
        let letters = gateway.due_letters(LetterStore::Common, gateway.now(), 100).await.unwrap();
        letters.into_iter().filter_map(|letter| letter.record.message).collect()
    }

    async fn owes(&self, count: usize) -> Vec<String> {
        let owes = async {
            loop {
                let owed = self.owed().await;
                if owed.len() >= count {
                    return owed;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, owes).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_tells_once_a_day_what_happened_and_the_end_of_what_it_told() {
    let house = House::of(0).await;
    house.subscribe_daily(1, 0).await;
    let running = house.start(false);
    let opened = house.region.open(house.region.opening()).await;
    house.done(opened.seq).await;
    assert_eq!(house.report(opened.seq).await.unwrap().tally.targeted, 0);
    assert!(house.owed().await.is_empty());
    // Ten in the morning in Sweden.
    house.region.set("2026-11-22T09:00:01Z");
    house.region.gateway.fanout.news_owed.notify_one();
    let first = house.owes(1).await;
    assert!(first[0].contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{}", first[0]);
    let resolved = Act::UpdateIncident(Box::new(house.region.update(opened.subject, IncidentStatus::Resolved)));
    let resolved = house.region.publish(resolved).await;
    house.done(resolved.seq).await;
    house.region.set("2026-11-23T09:00:01Z");
    house.region.gateway.fanout.news_owed.notify_one();
    assert_eq!(house.owes(2).await.len(), 2);
    // Nothing happened: nothing is sent.
    house.region.set("2026-11-24T09:00:01Z");
    house.region.gateway.fanout.news_owed.notify_one();
    running.stop().await;
    assert_eq!(house.owed().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_of_a_summary_counts_against_its_subscriber_whichever_try_it_was() {
    let house = House::of(0).await;
    for number in [1, 2] {
        house.subscribe_daily(number, 0).await;
    }
    let running = house.start(false);
    let opened = house.region.open(house.region.opening()).await;
    house.done(opened.seq).await;
    house.region.set("2026-11-22T09:00:01Z");
    house.region.gateway.fanout.news_owed.notify_one();
    house.owes(2).await;
    running.stop().await;
    let gateway = &house.region.gateway;
    let outbox = house.outbox();
    let letters = gateway.due_letters(LetterStore::Common, gateway.now(), 100).await.unwrap();
    let of = |number| letters.iter().map(|at| &at.record).find(|one| one.about == Uuid::from_u128(number)).unwrap();
    let sender = outbox.sender(of(1));
    assert_ne!(sender, outbox.sender(of(2)));
    house.region.set("2026-11-24T09:00:01Z");
    assert_eq!(outbox.sender(of(1)), sender, "a later try has the same sender");
    let back = returned(&report_of(sender.expose(), "5.1.1"));
    assert_eq!(gateway.returned(&back).await.unwrap(), Returned::Quarantined);
    assert!(gateway.recipient(Uuid::from_u128(1)).await.unwrap().is_none());
    // Refused on the spot, it is the same.
    let reply = Reply { code: 550, enhanced: Some(EnhancedCode(5, 1, 1)) };
    let trouble = Trouble { phase: Phase::RcptTo, cause: Cause::Reply(reply) };
    outbox.note_refusal(of(2), &Delivery::Rejected { class: Class::Recipient, trouble }).await;
    assert!(gateway.recipient(Uuid::from_u128(2)).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_to_subscribe_is_told_what_goes_on_and_then_when_it_is_over() {
    let house = House::of(0).await;
    let gateway = &house.region.gateway;
    let opened = house.region.open(house.region.opening()).await;
    let late = Subscriber { confirmed_seq: opened.seq, ..subscriber(7, gateway.now()) };
    let mut change = Change::new();
    change.create(key::subscriber(late.id), encode(&late));
    gateway.welcome(&mut change, &late).await.unwrap();
    gateway.common.commit(change).await.unwrap();
    let running = house.start(false);
    let owed = house.owes(1).await;
    assert!(owed[0].contains("To: s7@d0.example.test"), "{}", owed[0]);
    // Nothing was updated since the beginning: who comes late reads that it goes on, not that it changed.
    let text = owed[0].replace("=\r\n", "");
    assert!(text.contains("P=C3=A5g=C3=A5r: ") && !text.contains("Uppdaterad"), "{text}");
    let resolved = Act::UpdateIncident(Box::new(house.region.update(opened.subject, IncidentStatus::Resolved)));
    let resolved = house.region.publish(resolved).await;
    assert_eq!(house.done(resolved.seq).await.tally.accepted, 1);
    running.stop().await;
}
