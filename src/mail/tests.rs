//! The room's stories: faults of a smarthost, told by Postfix's own `smtp-sink` and by a scripted server.

use std::{
    process::{Child, Command, Stdio},
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, duplex},
    net::{TcpListener, UnixStream},
};

use super::{
    body::Body,
    connection::Session,
    fault_server::{Act, FaultServer, HELLO, HELLO_WITHOUT_PIPELINING, Log, Script, serve},
    *,
};
use crate::net::outgoing::{TlsFault, fixture::TlsServer};

pub(super) const LETTER: &[u8] = b"Message-ID: <1@region.example>\r\n\r\nHej!\r\n.en punkt\r\n";
const HOST: &str = "localhost";
/// Shorter than anybody's patience, longer than a busy machine's hiccup.
pub(super) const SHORT: Duration = Duration::from_millis(200);

pub(super) fn envelope() -> Envelope {
    let address = |text| MailAddress::parse(text).unwrap();
    Envelope { from: address("budkavle@region.example"), to: address("anna.test@example.test"), id: None }
}

/// Outcome, class and cause in short; a connection that ended is `gone`, however the operating system puts it.
pub(super) fn verdict(delivery: &Delivery) -> String {
    let cause = |trouble: &Trouble| match trouble.cause {
        Cause::Reply(reply) => reply.to_string(),
        Cause::Closed | Cause::Io(_) => "gone".to_owned(),
        other => format!("{other:?}"),
    };
    match delivery {
        Delivery::Accepted { reply } => format!("accepted {reply}"),
        Delivery::Deferred { class, trouble } => format!("deferred {class:?} {}", cause(trouble)),
        Delivery::Rejected { class, trouble } => format!("rejected {class:?} {}", cause(trouble)),
        Delivery::InDoubt { trouble } => format!("in doubt {}", cause(trouble)),
    }
}

/// One letter on a fresh connection without TLS.
async fn attempt<S>(stream: S, timeouts: &Timeouts, next: Option<&Envelope>) -> (Delivery, Option<Session<S>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match Session::greeted(stream, "gateway.region.example", timeouts).await {
        Ok(session) => session.send(&envelope(), &Body::new(LETTER).unwrap(), next).await,
        Err(trouble) => (classify::failure(trouble), None),
    }
}

/// The same against a scripted server; what it heard, too.
async fn scripted(script: Script, timeouts: &Timeouts) -> (Delivery, bool, Vec<String>) {
    scripted_before(script, timeouts, None).await
}

async fn scripted_before(
    script: Script,
    timeouts: &Timeouts,
    next: Option<&Envelope>,
) -> (Delivery, bool, Vec<String>) {
    let (near, far) = duplex(64 * 1024);
    let log = Log::default();
    let heard = log.clone();
    let server = tokio::spawn(async move { serve(far, &script, &log, true).await.map(|_| ()) });
    let (delivery, session) = attempt(near, timeouts, next).await;
    let is_usable = session.is_some();
    drop(session);
    let _ = server.await.unwrap();
    let heard = heard.lock().unwrap().clone();
    (delivery, is_usable, heard)
}

/// One fault, as `smtp-sink` is told to make it and as our script makes it.
struct Fault {
    sink: &'static [&'static str],
    script: fn(&mut Script),
    verdict: &'static str,
}

fn fault(sink: &'static [&'static str], script: fn(&mut Script), verdict: &'static str) -> Fault {
    Fault { sink, script, verdict }
}

fn faults() -> Vec<Fault> {
    use Act::{Close, Say, SayAndClose, Silent};
    vec![
        fault(&[], |_| {}, "accepted 250 2.0.0"),
        fault(&["-p"], |s| s.hello = Say(HELLO_WITHOUT_PIPELINING), "accepted 250 2.0.0"),
        fault(&["-r", "RCPT"], |s| s.rcpt = Say("450 4.3.0 later\r\n"), "deferred Recipient 450 4.3.0"),
        fault(&["-f", "RCPT"], |s| s.rcpt = Say("500 5.3.0 no\r\n"), "deferred Recipient 500 5.3.0"),
        fault(
            &["-f", "RCPT", "-B", "550 5.1.1 no such user"],
            |s| s.rcpt = Say("550 5.1.1 no such user\r\n"),
            "rejected Recipient 550 5.1.1",
        ),
        fault(
            &["-f", "RCPT", "-B", "552 5.2.2 full"],
            |s| s.rcpt = Say("552 5.2.2 full\r\n"),
            "deferred Recipient 552 5.2.2",
        ),
        fault(
            &["-f", "RCPT", "-B", "554 5.7.1 relay access denied"],
            |s| s.rcpt = Say("554 5.7.1 relay access denied\r\n"),
            "rejected Policy 554 5.7.1",
        ),
        fault(&["-r", "DATA"], |s| s.data = Say("450 4.3.0 later\r\n"), "deferred Message 450 4.3.0"),
        fault(&["-r", "."], |s| s.dot = Say("450 4.3.0 later\r\n"), "deferred Message 450 4.3.0"),
        fault(&["-f", "."], |s| s.dot = Say("500 5.3.0 no\r\n"), "deferred Message 500 5.3.0"),
        fault(
            &["-f", ".", "-B", "554 5.6.0 unreadable"],
            |s| s.dot = Say("554 5.6.0 unreadable\r\n"),
            "rejected Message 554 5.6.0",
        ),
        fault(&["-r", "CONNECT"], |s| s.greeting = Say("450 4.3.0 later\r\n"), "deferred Session 450 4.3.0"),
        fault(&["-f", "CONNECT"], |s| s.greeting = Say("500 5.3.0 no\r\n"), "deferred Session 500 5.3.0"),
        fault(&["-f", "EHLO"], |s| s.hello = Say("500 5.3.0 no\r\n"), "deferred Session 500 5.3.0"),
        fault(&["-f", "MAIL"], |s| s.mail = Say("500 5.3.0 no\r\n"), "deferred Session 500 5.3.0"),
        fault(&["-Q", "MAIL"], |s| s.mail = SayAndClose("421 4.0.0 bye\r\n"), "deferred Session 421 4.0.0"),
        fault(&["-Q", "RCPT"], |s| s.rcpt = SayAndClose("421 4.0.0 bye\r\n"), "deferred Session 421 4.0.0"),
        fault(&["-Q", "."], |s| s.dot = SayAndClose("421 4.0.0 bye\r\n"), "deferred Message 421 4.0.0"),
        fault(&["-q", "CONNECT"], |s| s.greeting = Close, "deferred Session gone"),
        fault(&["-q", "MAIL"], |s| s.mail = Close, "deferred Session gone"),
        fault(&["-q", "DATA"], |s| s.data = Close, "deferred Session gone"),
        fault(&["-q", "."], |s| s.dot = Close, "in doubt gone"),
        fault(&["-A", "0"], |s| s.data = SayAndClose("354 go\r\n550 no\r\n"), "rejected Message 550"),
        fault(&["-p", "-w", "20"], |s| s.data = Silent, "deferred Session TimedOut"),
        fault(&["-W", ".:20"], |s| s.dot = Silent, "in doubt TimedOut"),
    ]
}

impl Fault {
    /// Patient with everything but a silence that the row is about.
    fn timeouts(&self) -> Timeouts {
        let patient = Timeouts::default();
        if self.verdict.ends_with("TimedOut") { Timeouts { data: SHORT, dot: SHORT, ..patient } } else { patient }
    }
}

#[tokio::test]
async fn every_fault_of_a_scripted_server_is_judged_by_the_table() {
    for fault in faults() {
        for next in [None, Some(&envelope())] {
            let (delivery, ..) = scripted_before(Script::but(fault.script), &fault.timeouts(), next).await;
            assert_eq!(verdict(&delivery), fault.verdict, "{:?} {}", fault.sink, next.is_some());
        }
    }
}

struct Sink(Child);

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn every_fault_of_smtp_sink_is_judged_by_the_same_table() {
    const SINK: &str = "/usr/sbin/smtp-sink";
    if !std::path::Path::new(SINK).exists() {
        let note =
            "SKIPPED: every_fault_of_smtp_sink_is_judged_by_the_same_table: no /usr/sbin/smtp-sink (Debian: postfix)";
        assert!(std::env::var_os("BUDKAVLE_NOTHING_SKIPPED").is_none(), "{note}");
        eprintln!("{note}");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    let faults = faults();
    let next = envelope();
    let attempts = faults.iter().flat_map(|fault| [(fault, None), (fault, Some(&next))]);
    for (number, (fault, next)) in attempts.enumerate() {
        let socket = place.path().join(number.to_string());
        let mut command = Command::new(SINK);
        command.args(if is_root { ["-u", "nobody"].as_slice() } else { &[] }).args(fault.sink);
        command.arg(format!("unix:{}", socket.display())).arg("10").stderr(Stdio::null());
        let mut sink = Sink(command.spawn().unwrap());
        let stream = loop {
            match UnixStream::connect(&socket).await {
                Ok(stream) => break stream,
                Err(_) => assert!(sink.0.try_wait().unwrap().is_none(), "smtp-sink {:?} did not start", fault.sink),
            }
            tokio::task::yield_now().await;
        };
        let (delivery, _) = attempt(stream, &fault.timeouts(), next).await;
        // It goes on reading while it delays: then it answers out of order, which is a fault of another kind.
        let out_of_order = next.is_some() && fault.sink == ["-W", ".:20"];
        let expected = if out_of_order { "in doubt OutOfTurn" } else { fault.verdict };
        assert_eq!(verdict(&delivery), expected, "{:?} {}", fault.sink, next.is_some());
    }
}

#[tokio::test]
async fn silence_ends_each_phase_by_its_own_timer() {
    type Case = (fn(&mut Script), fn(&mut Timeouts), &'static str);
    let cases: [Case; 6] = [
        (|s| s.greeting = Act::Silent, |t| t.greeting = SHORT, "deferred Session TimedOut"),
        (|s| s.hello = Act::Silent, |t| t.hello = SHORT, "deferred Session TimedOut"),
        (|s| s.mail = Act::Silent, |t| t.mail = SHORT, "deferred Session TimedOut"),
        (|s| s.rcpt = Act::Silent, |t| t.rcpt = SHORT, "deferred Session TimedOut"),
        (|s| s.data = Act::Silent, |t| t.data = SHORT, "deferred Session TimedOut"),
        (|s| s.dot = Act::Silent, |t| t.dot = SHORT, "in doubt TimedOut"),
    ];
    for (number, (silence, shorten, expected)) in cases.into_iter().enumerate() {
        let mut timeouts = Timeouts::default();
        shorten(&mut timeouts);
        let (delivery, is_usable, _) = scripted(Script::but(silence), &timeouts).await;
        assert_eq!((verdict(&delivery).as_str(), is_usable), (expected, false), "{number}");
    }
}

#[tokio::test]
async fn garbage_and_endlessness_are_the_sessions_trouble_and_end_it() {
    for (act, why) in [
        (Act::Say("HTTP/1.1 400 Bad Request\r\n"), ReplyError::NoCode),
        (Act::EndlessLine, ReplyError::LineTooLong),
        (Act::EndlessReply, ReplyError::TooManyLines),
    ] {
        let (delivery, is_usable, _) = scripted(Script::but(|s| s.mail = act), &Timeouts::default()).await;
        let expected = format!("deferred Session Garbage({why:?})");
        assert_eq!((verdict(&delivery), is_usable), (expected, false));
    }
    let (delivery, ..) = scripted(Script::but(|s| s.dot = Act::Say("what?\r\n")), &Timeouts::default()).await;
    assert_eq!(verdict(&delivery), "in doubt Garbage(NoCode)");
}

#[tokio::test]
async fn a_yes_that_comes_before_the_letter_is_not_believed() {
    let early = Script::but(|s| s.data = Act::SayAndClose("354 go\r\n250 2.0.0 taken\r\n"));
    let (delivery, is_usable, _) = scripted(early, &Timeouts::default()).await;
    assert_eq!((verdict(&delivery).as_str(), is_usable), ("deferred Session OutOfTurn", false));
}

#[tokio::test]
async fn a_server_that_cuts_a_letter_short_is_heard_and_leaves_no_doubt() {
    let large = b"Hej!\r\n".repeat(10_000);
    for (last_words, expected) in [
        ("552 5.3.4 too large\r\n", "deferred Message 552 5.3.4"),
        ("554 5.6.0 unreadable\r\n", "rejected Message 554 5.6.0"),
        ("421 4.3.2 restarting\r\n", "deferred Session 421 4.3.2"),
        ("250 2.0.0 taken\r\n", "deferred Session 250 2.0.0"),
        ("", "deferred Session gone"),
    ] {
        let (near, far) = duplex(1024);
        let script = Script::but(|s| s.data = Act::CutShort("354 go\r\n", last_words));
        let server = tokio::spawn(async move { serve(far, &script, &Log::default(), true).await.map(|_| ()) });
        let session = Session::greeted(near, "gateway.region.example", &Timeouts::default()).await.unwrap();
        let (delivery, session) = session.send(&envelope(), &Body::new(&large).unwrap(), None).await;
        assert_eq!((verdict(&delivery).as_str(), session.is_none()), (expected, true));
        server.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_refused_recipient_is_followed_by_rset_and_the_connection_goes_on() {
    let (near, far) = duplex(64 * 1024);
    let log = Log::default();
    let heard = log.clone();
    tokio::spawn(async move {
        let refusing = Script::but(|s| {
            s.rcpt = Act::Say("550 5.1.1 <anna.test@example.test> unknown\r\n");
            s.data = Act::Say("554 5.5.1 no valid recipients\r\n");
        });
        serve(far, &refusing, &log, true).await
    });
    let (delivery, session) = attempt(near, &Timeouts::default(), None).await;
    assert_eq!(verdict(&delivery), "rejected Recipient 550 5.1.1");
    assert!(!format!("{delivery:?} {}", delivery.trouble().unwrap()).contains("anna"), "{delivery:?}");
    let (delivery, session) = session.unwrap().send(&envelope(), &Body::new(LETTER).unwrap(), None).await;
    assert_eq!((verdict(&delivery).as_str(), session.unwrap().letters()), ("rejected Recipient 550 5.1.1", 2));
    let transaction = ["MAIL FROM:<budkavle@region.example>", "RCPT TO:<anna.test@example.test>", "DATA"];
    let expected = [["EHLO gateway.region.example"].as_slice(), &transaction, &["RSET"], &transaction].concat();
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_354_after_a_refused_recipient_gets_a_lone_dot_and_the_refusal_stands() {
    let script = Script::but(|s| s.rcpt = Act::Say("550 5.1.1 unknown\r\n"));
    let (delivery, is_usable, heard) = scripted(script, &Timeouts::default()).await;
    assert_eq!((verdict(&delivery).as_str(), is_usable), ("rejected Recipient 550 5.1.1", true));
    assert_eq!(heard.last().map(String::as_str), Some(""));
}

#[tokio::test]
async fn a_farewell_or_a_refused_rset_ends_the_connection() {
    let farewell = Script::but(|s| s.rcpt = Act::Say("421 4.3.2 restarting\r\n"));
    assert!(!scripted(farewell, &Timeouts::default()).await.1);
    let (near, far) = duplex(64 * 1024);
    tokio::spawn(async move {
        let script = Script::but(|s| {
            s.dot = Act::Say("450 4.2.0 later\r\n");
            s.reset = Act::Say("500 5.5.2 what?\r\n");
        });
        serve(far, &script, &Log::default(), true).await
    });
    let (_, session) = attempt(near, &Timeouts::default(), None).await;
    let (delivery, session) = session.unwrap().send(&envelope(), &Body::new(LETTER).unwrap(), None).await;
    assert_eq!((verdict(&delivery).as_str(), session.is_none()), ("deferred Session 500 5.5.2", true));
}

#[tokio::test]
async fn a_letter_above_the_announced_size_is_refused_unsent() {
    let script = Script::but(|s| s.hello = Act::Say("250-mail.region.example\r\n250 SIZE 10\r\n"));
    let (delivery, is_usable, heard) = scripted(script, &Timeouts::default()).await;
    assert_eq!((verdict(&delivery).as_str(), is_usable), ("rejected Message TooLarge", true));
    assert_eq!(heard, ["EHLO gateway.region.example"]);
}

#[tokio::test]
async fn reports_are_asked_for_of_a_server_that_can_and_of_no_other() {
    let mut named = envelope();
    named.id = EnvelopeId::new("17.0193a1b2-1");
    let with_dsn = Act::Say("250-mail.region.example\r\n250-dsn\r\n250 PIPELINING\r\n");
    let asked = [
        "MAIL FROM:<budkavle@region.example> RET=HDRS ENVID=17.0193a1b2-1",
        "RCPT TO:<anna.test@example.test> NOTIFY=FAILURE,DELAY",
    ];
    let plain = ["MAIL FROM:<budkavle@region.example>", "RCPT TO:<anna.test@example.test>"];
    for (hello, envelope, expected) in
        [(with_dsn, &named, asked), (with_dsn, &envelope(), plain), (Act::Say(HELLO), &named, plain)]
    {
        let (near, far) = duplex(64 * 1024);
        let log = Log::default();
        let heard = log.clone();
        tokio::spawn(async move { serve(far, &Script::but(|s| s.hello = hello), &log, true).await });
        let session = Session::greeted(near, "gateway.region.example", &Timeouts::default()).await.unwrap();
        let (delivery, _) = session.send(envelope, &Body::new(LETTER).unwrap(), None).await;
        assert_eq!(verdict(&delivery), "accepted 250 2.0.0");
        assert_eq!(heard.lock().unwrap()[1..3], expected);
    }
    for bad in ["", "a b", "a+b", "a>b", &"x".repeat(101)] {
        assert_eq!(EnvelopeId::new(bad), None, "{bad}");
    }
}

#[tokio::test]
async fn a_letter_reaches_the_server_as_it_was() {
    let (_, _, heard) = scripted(Script::good(), &Timeouts::default()).await;
    assert_eq!(heard.last().unwrap().as_bytes(), LETTER);
}

// --- behind TLS, through the pool

pub(super) struct Region {
    pub(super) server: FaultServer,
    pub(super) smarthosts: Arc<Smarthosts>,
}

pub(super) async fn region(scripts: Vec<Script>, change: impl FnOnce(&mut SmtpSettings)) -> Region {
    let (server, pool) = served(scripts, change).await;
    Region { server, smarthosts: Arc::new(Smarthosts::new(vec![pool])) }
}

/// A scripted server behind TLS, and the pool of connections to it.
pub(super) async fn served(scripts: Vec<Script>, change: impl FnOnce(&mut SmtpSettings)) -> (FaultServer, Arc<Pool>) {
    let tls = TlsServer::new(HOST);
    let mut settings = SmtpSettings::new(HOST.into(), "gateway.region.example".into());
    change(&mut settings);
    let client = tls.client();
    let server = FaultServer::start(tls, scripts, settings.security == Security::StartTls).await;
    settings.port = server.port;
    (server, Pool::new(settings, client))
}

impl Region {
    pub(super) async fn deliver(&self) -> String {
        verdict(&self.smarthosts.deliver(&envelope(), LETTER).await)
    }

    pub(super) fn opened(&self) -> usize {
        self.server.opened.load(SeqCst)
    }
}

#[tokio::test]
async fn two_hundred_letters_at_once_never_open_more_than_the_connections_allowed() {
    let region = region(vec![Script::good()], |s| s.connections_max = 3).await;
    let mut deliveries = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let smarthosts = region.smarthosts.clone();
        deliveries.spawn(async move { verdict(&smarthosts.deliver(&envelope(), LETTER).await) });
    }
    while let Some(delivery) = deliveries.join_next().await {
        assert_eq!(delivery.unwrap(), "accepted 250 2.0.0");
    }
    assert!(region.server.peak.load(SeqCst) <= 3 && region.opened() <= 3, "{} opened", region.opened());
    assert_eq!(region.server.heard().iter().filter(|line| line.contains("Hej!")).count(), 200);
}

#[tokio::test]
async fn a_cancelled_delivery_takes_its_connection_with_it() {
    let region = region(
        vec![Script::but(|s| s.dot = Act::Silent), Script::but(|s| s.dot = Act::Say("554 5.6.0 no\r\n"))],
        |_| {},
    )
    .await;
    tokio::select! {
        biased;
        _ = region.deliver() => panic!("a silent server was taken for one that answered"),
        () = async { while !region.server.heard().iter().any(|line| line.contains("Hej!")) { tokio::task::yield_now().await } } => {}
    }
    // Were the connection used again, the first letter's replies would pass for the second's.
    assert_eq!((region.deliver().await.as_str(), region.opened()), ("rejected Message 554 5.6.0", 2));
}

#[tokio::test]
async fn a_connection_that_the_server_gave_up_while_idle_is_replaced_without_a_word() {
    for farewell in [Act::SayAndClose("250 2.0.0 taken\r\n"), Act::SayAndClose("250 2.0.0 taken\r\n421 4.4.2 idle\r\n")]
    {
        let region = region(vec![Script::but(|s| s.dot = farewell), Script::good()], |_| {}).await;
        for _ in 0..2 {
            assert_eq!(region.deliver().await, "accepted 250 2.0.0");
        }
        assert_eq!(region.opened(), 2);
    }
}

#[tokio::test]
async fn a_connection_carries_its_number_of_letters_and_then_says_goodbye() {
    let region = region(vec![Script::good()], |s| s.messages_per_connection_max = 2).await;
    for _ in 0..3 {
        assert_eq!(region.deliver().await, "accepted 250 2.0.0");
    }
    assert_eq!((region.opened(), region.server.heard().iter().filter(|line| *line == "QUIT").count()), (2, 1));
}

#[tokio::test]
async fn an_idle_connection_is_let_go_in_time_and_the_next_letter_opens_another() {
    let (server, mut pool) = served(vec![Script::good()], |_| {}).await;
    Arc::get_mut(&mut pool).unwrap().idle_max = SHORT;
    let region = Region { server, smarthosts: Arc::new(Smarthosts::new(vec![pool])) };
    for letters in 1..=2 {
        assert_eq!(region.deliver().await, "accepted 250 2.0.0");
        while region.server.heard().iter().filter(|line| *line == "QUIT").count() < letters {
            tokio::task::yield_now().await;
        }
        assert_eq!(region.opened(), letters);
    }
}

#[tokio::test]
async fn closing_says_goodbye_and_takes_no_more_letters() {
    let region = region(vec![Script::good()], |_| {}).await;
    region.deliver().await;
    region.smarthosts.close().await;
    assert_eq!(region.server.heard().last().map(String::as_str), Some("QUIT"));
    assert_eq!(region.deliver().await, "deferred Session Closing");
}

#[tokio::test]
async fn starttls_is_required_and_followed_by_a_new_ehlo() {
    let good = region(vec![Script::good()], |s| s.security = Security::StartTls).await;
    assert_eq!(good.deliver().await, "accepted 250 2.0.0");
    let ehlo = "EHLO gateway.region.example";
    assert_eq!(good.server.heard()[..3], [ehlo, "STARTTLS", ehlo]);

    let stripped = Script::but(|s| s.hello = Act::Say("250 mail.region.example\r\n"));
    let region = region(vec![stripped], |s| s.security = Security::StartTls).await;
    assert_eq!((region.deliver().await.as_str(), region.server.heard().len()), ("deferred Session NoStartTls", 1));
}

#[tokio::test]
async fn words_in_the_clear_behind_the_yes_to_starttls_are_an_attack() {
    let injected = Script::but(|s| s.start_tls = Act::Say("220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n"));
    let region = region(vec![injected], |s| s.security = Security::StartTls).await;
    assert_eq!(region.deliver().await, "deferred Session OutOfTurn");
}

#[tokio::test]
async fn a_certificate_for_another_name_or_from_another_ca_is_the_sessions_trouble() {
    let region = region(vec![Script::good()], |s| s.host = "127.0.0.1".into()).await;
    assert_eq!(region.deliver().await, format!("deferred Session {:?}", Cause::Tls(TlsFault::Name)));
    let mut settings = SmtpSettings::new(HOST.into(), "gateway.region.example".into());
    settings.port = region.server.port;
    let stranger = Smarthosts::new(vec![Pool::new(settings, TlsServer::new(HOST).client())]);
    let delivery = stranger.deliver(&envelope(), LETTER).await;
    assert_eq!(verdict(&delivery), format!("deferred Session {:?}", Cause::Tls(TlsFault::Issuer)));
    assert!(region.server.heard().is_empty());
}

#[tokio::test]
async fn a_host_that_refuses_and_one_that_never_shakes_hands_are_told_apart() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut settings = SmtpSettings::new("127.0.0.1".into(), "gateway.region.example".into());
    settings.port = listener.local_addr().unwrap().port();
    settings.timeouts.tls = SHORT;
    let pool = Smarthosts::new(vec![Pool::new(settings, TlsServer::new(HOST).client())]);
    let phase = |delivery: Delivery| delivery.trouble().map(|trouble| (trouble.phase, trouble.cause));
    assert_eq!(phase(pool.deliver(&envelope(), LETTER).await), Some((Phase::Tls, Cause::TimedOut)));
    drop(listener);
    let refused = Some((Phase::Connect, Cause::Io(std::io::ErrorKind::ConnectionRefused)));
    assert_eq!(phase(pool.deliver(&envelope(), LETTER).await), refused);
}

#[tokio::test]
async fn the_gateway_proves_who_it_is_by_plain_or_else_by_login() {
    fn credentials(settings: &mut SmtpSettings) {
        settings.credentials = Some(Credentials { user: "gateway".into(), password: String::from("hemligt").into() });
    }
    let plain = region(vec![Script::good()], credentials).await;
    assert_eq!(plain.deliver().await, "accepted 250 2.0.0");
    assert_eq!(plain.server.heard()[1], "AUTH PLAIN AGdhdGV3YXkAaGVtbGlndA==");

    let only_login = Script::but(|s| s.hello = Act::Say("250-mail.region.example\r\n250 AUTH CRAM-MD5 LOGIN\r\n"));
    let login = region(vec![only_login], credentials).await;
    assert_eq!(login.deliver().await, "accepted 250 2.0.0");
    assert_eq!(login.server.heard()[1..4], ["AUTH LOGIN", "Z2F0ZXdheQ==", "aGVtbGlndA=="]);

    let neither = Script::but(|s| s.hello = Act::Say("250-mail.region.example\r\n250 AUTH GSSAPI\r\n"));
    assert_eq!(region(vec![neither], credentials).await.deliver().await, "deferred Session NoMechanism");
    let refusing = Script::but(|s| s.auth = Act::Say("535 5.7.8 no\r\n"));
    assert_eq!(region(vec![refusing], credentials).await.deliver().await, "deferred Session 535 5.7.8");
}

#[tokio::test]
async fn bytes_unfit_for_the_wire_open_no_connection() {
    let region = region(vec![Script::good()], |_| {}).await;
    let delivery = region.smarthosts.deliver(&envelope(), b"a\n.\nb\r\n").await;
    assert_eq!((verdict(&delivery).as_str(), region.opened()), ("rejected Message Unfit(BareLineBreak)", 0));
}

#[test]
fn a_mailer_is_not_made_of_unfit_settings() {
    let settings = SmtpSettings::new(String::new(), "gateway.region.example".into());
    assert!(matches!(
        Mailer::new(Settings::Smtp { first: settings.into(), second: None }),
        Err(MailerError::Settings(SettingsError::Host))
    ));
    assert!(HELLO.contains("PIPELINING"));
}
