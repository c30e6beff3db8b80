//! Stories of two smarthosts, of rests, and of connections kept for many letters.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use futures_util::FutureExt;
use tokio::task::JoinSet;

use super::{
    fault_server::{Act, FaultServer, Script},
    lease::Lease,
    smarthost::Smarthosts,
    tests::{LETTER, Region, envelope, region, served, verdict},
    *,
};

/// Smarthosts that say this after EHLO.
async fn two(first: Vec<Script>, second: Vec<Script>) -> (FaultServer, FaultServer, Arc<Smarthosts>) {
    let (first, first_pool) = served(first, |_| {}).await;
    let (second, second_pool) = served(second, |_| {}).await;
    (first, second, Arc::new(Smarthosts::new(vec![first_pool, second_pool])))
}

async fn lease(region: &Region) -> Lease {
    Lease::smtp(region.smarthosts.clone(), region.smarthosts.lease().await.unwrap())
}

async fn sent(lease: &mut Lease) -> String {
    verdict(&lease.deliver(&envelope(), LETTER, None).await)
}

fn quits(server: &FaultServer) -> usize {
    server.heard().iter().filter(|line| *line == "QUIT").count()
}

fn broken() -> Script {
    Script::but(|s| s.hello = Act::SayAndClose("421 4.3.2 restarting\r\n"))
}

#[tokio::test]
async fn the_second_smarthost_takes_what_the_first_cannot_and_the_first_is_left_in_peace() {
    let (first, second, smarthosts) = two(vec![broken()], vec![Script::good()]).await;
    for _ in 0..5 {
        assert_eq!(verdict(&smarthosts.deliver(&envelope(), LETTER).await), "accepted 250 2.0.0");
    }
    assert_eq!((first.opened.load(SeqCst), second.opened.load(SeqCst)), (3, 1));
    let [first, second] = smarthosts.report().try_into().unwrap();
    assert_eq!((first.breaker, first.session_faults, first.rests, first.accepted), ("open", 3, 1, 0));
    assert_eq!(first.last_trouble.as_deref(), Some("at EHLO: the server answered 421 4.3.2"));
    assert!(first.retry_in_seconds.is_some_and(|seconds| seconds <= 15));
    assert_eq!((second.breaker, second.session_faults, second.accepted), ("closed", 0, 5));
}

#[tokio::test]
async fn when_none_works_a_letter_is_deferred_at_once_with_the_time_to_wait() {
    let mut settings = SmtpSettings::new("127.0.0.1".into(), "gateway.region.example".into());
    settings.port = 1;
    let client = crate::net::outgoing::fixture::TlsServer::new("localhost").client();
    let smarthosts = Smarthosts::new(vec![Pool::new(settings, client)]);
    for _ in 0..3 {
        assert_eq!(verdict(&smarthosts.deliver(&envelope(), LETTER).await), "deferred Session gone");
    }
    let delivery = smarthosts.deliver(&envelope(), LETTER).await;
    let Delivery::Deferred { class: Class::Session, trouble } = delivery else { panic!("{delivery:?}") };
    assert!(trouble.retry_in().is_some_and(|wait| wait.as_secs() >= 14), "{trouble}");
    assert_eq!(smarthosts.report()[0].rests, 1);
}

#[tokio::test]
async fn refused_letters_and_unfit_ones_are_no_fault_of_the_smarthost() {
    let refusing = Script::but(|s| s.rcpt = Act::Say("550 5.1.1 unknown\r\n"));
    let (first, second, smarthosts) = two(vec![refusing], vec![Script::good()]).await;
    for _ in 0..5 {
        assert_eq!(verdict(&smarthosts.deliver(&envelope(), LETTER).await), "rejected Recipient 550 5.1.1");
        assert_eq!(verdict(&smarthosts.deliver(&envelope(), b"a").await), "rejected Message Unfit(Unfinished)");
    }
    assert_eq!((first.opened.load(SeqCst), second.opened.load(SeqCst)), (1, 0));
    assert_eq!((smarthosts.report()[0].breaker, smarthosts.report()[0].refused), ("closed", 5));
}

#[tokio::test]
async fn a_sender_that_is_not_wanted_stops_no_other_letters() {
    let refusing = Script::but(|s| s.mail = Act::Say("553 5.7.1 not your address\r\n"));
    let region = region(vec![refusing], |_| {}).await;
    for _ in 0..5 {
        assert_eq!(region.deliver().await, "deferred Session 553 5.7.1");
    }
    assert_eq!((region.smarthosts.report()[0].breaker, region.opened()), ("closed", 1));
}

#[tokio::test]
async fn a_letter_that_may_have_been_taken_is_never_offered_to_the_second() {
    let (_first, second, smarthosts) = two(vec![Script::but(|s| s.dot = Act::Close)], vec![Script::good()]).await;
    for _ in 0..3 {
        assert_eq!(verdict(&smarthosts.deliver(&envelope(), LETTER).await), "in doubt gone");
    }
    assert_eq!(second.opened.load(SeqCst), 0);
    assert_eq!((smarthosts.report()[0].in_doubt, smarthosts.report()[0].breaker), (3, "open"));
}

#[tokio::test]
async fn a_lease_keeps_one_connection_through_its_letters_and_gives_it_back() {
    let region = region(vec![Script::good()], |_| {}).await;
    let mut lease = lease(&region).await;
    for _ in 0..20 {
        assert_eq!(sent(&mut lease).await, "accepted 250 2.0.0");
    }
    lease.end();
    assert_eq!(region.deliver().await, "accepted 250 2.0.0");
    assert_eq!((region.opened(), quits(&region.server)), (1, 0));
}

#[tokio::test]
async fn a_lease_replaces_a_connection_that_is_spent_or_was_given_up() {
    let spent = region(vec![Script::good()], |s| s.messages_per_connection_max = 2).await;
    let farewell = Script::but(|s| s.dot = Act::SayAndClose("250 2.0.0 taken\r\n"));
    let given_up = region(vec![farewell, Script::good()], |_| {}).await;
    for region in [spent, given_up] {
        let mut lease = lease(&region).await;
        for _ in 0..3 {
            assert_eq!(sent(&mut lease).await, "accepted 250 2.0.0");
        }
        assert_eq!(region.opened(), 2);
    }
}

#[tokio::test]
async fn a_lease_goes_over_to_the_second_smarthost_in_the_middle() {
    let dying = Script::but(|s| s.dot = Act::SayAndClose("250 2.0.0 taken\r\n"));
    let (first, second, smarthosts) = two(vec![dying, broken()], vec![Script::good()]).await;
    let mut lease = Lease::smtp(smarthosts.clone(), smarthosts.lease().await.unwrap());
    for _ in 0..4 {
        assert_eq!(sent(&mut lease).await, "accepted 250 2.0.0");
    }
    assert_eq!((first.opened.load(SeqCst), second.opened.load(SeqCst)), (2, 1));
}

#[tokio::test]
async fn a_letter_dropped_half_way_takes_the_leases_connection_and_the_lease_goes_on() {
    let region = region(
        vec![Script::but(|s| s.dot = Act::Silent), Script::but(|s| s.dot = Act::Say("554 5.6.0 no\r\n"))],
        |_| {},
    )
    .await;
    let mut lease = lease(&region).await;
    tokio::select! {
        biased;
        _ = sent(&mut lease) => panic!("a silent server was taken for one that answered"),
        () = async { while !region.server.heard().iter().any(|line| line.contains("Hej!")) { tokio::task::yield_now().await } } => {}
    }
    assert_eq!((sent(&mut lease).await.as_str(), region.opened()), ("rejected Message 554 5.6.0", 2));
}

#[tokio::test]
async fn single_letters_never_wait_behind_leases() {
    let region = region(vec![Script::good()], |s| s.connections_max = 3).await;
    let mut leases = vec![lease(&region).await, lease(&region).await];
    for lease in &mut leases {
        assert_eq!(sent(lease).await, "accepted 250 2.0.0");
    }
    assert!(region.smarthosts.lease().now_or_never().is_none(), "the last connection was leased too");
    assert_eq!(region.deliver().await, "accepted 250 2.0.0");
    assert!(region.server.peak.load(SeqCst) <= 3);
    leases.clear();
    assert!(region.smarthosts.lease().await.is_ok());
}

#[tokio::test]
async fn where_one_connection_may_be_open_all_share_it_letter_by_letter() {
    let region = region(vec![Script::good()], |s| s.connections_max = 1).await;
    let mut kept = lease(&region).await;
    let mut letters = JoinSet::new();
    for _ in 0..10 {
        let smarthosts = region.smarthosts.clone();
        letters.spawn(async move { verdict(&smarthosts.deliver(&envelope(), LETTER).await) });
    }
    for _ in 0..10 {
        assert_eq!(sent(&mut kept).await, "accepted 250 2.0.0");
        if let Some(letter) = letters.join_next().await {
            assert_eq!(letter.unwrap(), "accepted 250 2.0.0");
        }
    }
    assert_eq!((region.opened(), region.server.peak.load(SeqCst)), (1, 1));
}

#[tokio::test]
async fn after_closing_a_lease_says_goodbye_and_takes_no_more() {
    let region = region(vec![Script::good()], |_| {}).await;
    let mut kept = lease(&region).await;
    assert_eq!(sent(&mut kept).await, "accepted 250 2.0.0");
    region.smarthosts.close().await;
    assert_eq!(sent(&mut kept).await, "deferred Session Closing");
    assert_eq!(quits(&region.server), 1);
    assert!(region.smarthosts.lease().await.is_err());
}

#[tokio::test]
async fn a_lease_writes_files_where_letters_become_files() {
    let place = tempfile::tempdir().unwrap();
    let mailer = Mailer::new(Settings::Directory { path: place.path().to_owned() }).unwrap();
    let mut lease = mailer.lease().await.unwrap();
    assert_eq!(sent(&mut lease).await, "accepted 250 2.0.0");
    lease.end();
    assert!(place.path().join("1.eml").exists() && mailer.report().is_empty());
}

// --- the next letter's transaction behind this one's end

fn to(local: &str) -> Envelope {
    Envelope { to: MailAddress::parse(&format!("{local}@example.test")).unwrap(), ..envelope() }
}

async fn sent_before(lease: &mut Lease, envelope: &Envelope, next: Option<&Envelope>) -> String {
    verdict(&lease.deliver(envelope, LETTER, next).await)
}

/// What the server heard: recipients, letters and resets, in order.
fn heard(server: &FaultServer) -> String {
    let short = |line: String| match line {
        line if line.starts_with("RCPT TO:<") => line[9..10].to_owned(),
        line if line.contains("Hej!") => "!".to_owned(),
        line if line == "RSET" => "R".to_owned(),
        _ => String::new(),
    };
    server.heard().into_iter().map(short).collect()
}

#[tokio::test]
async fn letters_in_a_row_open_each_other_and_each_gets_its_own_answer() {
    let region = region(vec![Script::good()], |_| {}).await;
    let mut lease = lease(&region).await;
    let envelopes = ["a", "b", "c"].map(to);
    for (at, envelope) in envelopes.iter().enumerate() {
        assert_eq!(sent_before(&mut lease, envelope, envelopes.get(at + 1)).await, "accepted 250 2.0.0");
    }
    lease.end();
    assert_eq!(region.deliver().await, "accepted 250 2.0.0");
    assert_eq!((heard(&region.server).as_str(), region.opened()), ("a!b!c!a!", 1));
}

#[tokio::test]
async fn a_refused_letter_is_not_taken_for_its_successor() {
    for (script, expected) in [
        (Script::but(|s| s.rcpt = Act::Say("550 5.1.1 unknown\r\n")), "rejected Recipient 550 5.1.1"),
        (Script::but(|s| s.dot = Act::Say("450 4.2.0 later\r\n")), "deferred Message 450 4.2.0"),
        (Script::but(|s| s.dot = Act::Say("554 5.6.0 no\r\n")), "rejected Message 554 5.6.0"),
    ] {
        let region = region(vec![script], |_| {}).await;
        let mut lease = lease(&region).await;
        let (a, b) = (to("a"), to("b"));
        assert_eq!(sent_before(&mut lease, &a, Some(&b)).await, expected);
        assert_eq!(sent_before(&mut lease, &b, None).await, expected);
        assert_eq!(region.opened(), 1);
    }
}

#[tokio::test]
async fn another_letter_than_the_one_announced_takes_another_connection() {
    let region = region(vec![Script::good()], |_| {}).await;
    let mut lease = lease(&region).await;
    assert_eq!(sent_before(&mut lease, &to("a"), Some(&to("b"))).await, "accepted 250 2.0.0");
    assert_eq!(sent_before(&mut lease, &to("c"), Some(&to("d"))).await, "accepted 250 2.0.0");
    lease.end();
    assert_eq!(region.deliver().await, "accepted 250 2.0.0");
    assert_eq!(region.opened(), 3);
    assert_eq!(region.server.heard().iter().filter(|line| line.contains("Hej!")).count(), 3);
    assert_eq!(quits(&region.server), 0, "a server that waits for a letter would take QUIT for one");
}

#[tokio::test]
async fn an_end_of_the_connection_leaves_doubt_of_the_sent_letter_only() {
    let (a, b) = (to("a"), to("b"));
    for (dot, expected) in [
        (Act::Close, "in doubt gone"),
        (Act::SayAndClose("421 4.3.2 restarting\r\n"), "deferred Message 421 4.3.2"),
        (Act::SayAndClose("250 2.0.0 taken\r\n"), "accepted 250 2.0.0"),
    ] {
        let region = region(vec![Script::but(|s| s.dot = dot), Script::good()], |_| {}).await;
        let mut lease = lease(&region).await;
        assert_eq!(sent_before(&mut lease, &a, Some(&b)).await, expected);
        assert_eq!(sent_before(&mut lease, &b, None).await, "accepted 250 2.0.0");
    }
}

/// A server that says one thing too many, or in another order, puts every later answer in the wrong place: none may
/// count as a yes.
#[tokio::test]
async fn an_answer_in_the_wrong_place_leaves_doubt_of_the_letter_before() {
    let (a, b) = (to("a"), to("b"));
    for (dot, expected) in [
        ("250 2.0.0 taken\r\n250 2.0.0 taken\r\n", "in doubt OutOfTurn"),
        ("250 2.0.0 taken\r\n354 go\r\n", "in doubt OutOfTurn"),
        ("250 2.1.0 MAIL\r\n250 2.1.5 RCPT\r\n354 go\r\n554 5.6.0 no\r\n", "in doubt OutOfTurn"),
        ("250 2.1.0 MAIL\r\n550 5.1.1 RCPT\r\n554 5.5.1 DATA\r\n554 5.6.0 no\r\n", "in doubt OutOfTurn"),
        ("250 2.0.0 taken\r\nwhat?\r\n", "in doubt OutOfTurn"),
        ("250 2.0.0 taken\r\n421 4.3.2 restarting\r\n", "accepted 250 2.0.0"),
    ] {
        let region = region(vec![Script::but(|s| s.dot = Act::Say(dot)), Script::good()], |_| {}).await;
        let mut lease = lease(&region).await;
        assert_eq!(sent_before(&mut lease, &a, Some(&b)).await, expected, "{dot:?}");
        assert_eq!(sent_before(&mut lease, &b, None).await, "accepted 250 2.0.0", "{dot:?}");
        assert_eq!(region.opened(), 2, "{dot:?}");
    }
}

#[tokio::test]
async fn nothing_is_announced_to_a_server_without_pipelining_nor_on_a_connection_that_is_spent() {
    let plain = Script::but(|s| s.hello = Act::Say(super::fault_server::HELLO_WITHOUT_PIPELINING));
    let slow = region(vec![plain], |_| {}).await;
    let spent = region(vec![Script::good()], |s| s.messages_per_connection_max = 1).await;
    for region in [slow, spent] {
        let mut lease = lease(&region).await;
        assert_eq!(sent_before(&mut lease, &to("a"), Some(&to("b"))).await, "accepted 250 2.0.0");
        assert_eq!(heard(&region.server), "a!");
        assert_eq!(sent_before(&mut lease, &to("b"), None).await, "accepted 250 2.0.0");
    }
}
