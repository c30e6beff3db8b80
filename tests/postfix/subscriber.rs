//! Subscribers behind a real Postfix: what they get of planned work and of a fault while the clock is moved, that they
//! get nothing once they have left, and what follows when an address turns out to be dead.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use hyper::body::Bytes;
use jiff::Timestamp;
use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders};
use serde_json::{Value, json};

use crate::client::Caller;
use crate::gateway::{Gateway, comes_true};
use crate::server::FORWARDED;
use crate::{LETTER_WAIT, Post, headers};

const URL: &str = "https://status.region.example";
const DOMAIN: &str = "status.region.example";
const TOLVAN: &str = "tolvan@example.test";
/// Reads English.
const VERA: &str = "vera@example.test";
/// Subscribes as the others do and stays: once her letter is there, theirs would be.
const MAJA: &str = "maja@example.test";
/// Seven days before the window as it was planned first.
const ANNOUNCED: &str = "2031-10-13T20:00:00Z";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// What a letter has on its way from us to a mailbox.
const OF_POSTFIX: [&str; 4] = ["Return-Path", "X-Original-To", "Delivered-To", "Received"];

/// A gateway whose notices go through Postfix.
struct Stage {
    post: Post,
    gateway: Gateway,
    anyone: Caller,
}

/// One subscriber's letters.
struct Mailbox {
    address: &'static str,
    /// Message-IDs of what was read.
    read: BTreeSet<String>,
}

/// A letter as it lies in a mailbox.
struct Letter {
    headers: Vec<(String, String)>,
    message: Message<'static>,
}

impl Post {
    /// Notices come from the status page's own domain.
    fn telling(self) -> Post {
        let post = self.configured("implicit-tls", "tls/server-ca.pem");
        post.region.edit(|config| {
            let from = format!("from-address = \"driftinfo@{DOMAIN}\"\ndomain = \"{DOMAIN}\"");
            let config = config.replace("url = \"https://localhost:0\"", &format!("url = \"{URL}\""));
            let config = config
                .replace("from-name = \"e-tjänsterna i Region Exempel\"", "from-name = \"1177 Driftinformation\"");
            config.replace("from-address = \"noreply@region.example\"", &from)
        });
        post
    }

    /// Bounces and wishes to leave are picked up.
    fn picking_up(self) -> Post {
        let line = format!("[mail]\nincoming-maildir = {:?}\n", self.postfix.maildir("returned"));
        self.region.edit(|config| config.replace("[mail]\n", &line));
        self
    }

    /// What is kept of an address, which is typed and not an argument.
    fn shown(&self, address: &str) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_budkavle"));
        command.args(["subscriber", "show", "--json", "--config"]).arg(self.region.config());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(address.as_bytes()).unwrap();
        let told = child.wait_with_output().unwrap();
        assert!(told.status.success(), "{}", self.region.said());
        serde_json::from_slice::<Value>(&told.stdout).unwrap()["subscribers"][0].clone()
    }
}

impl Stage {
    fn set(post: Post) -> Stage {
        let gateway = post.region.start();
        let door = post.region.told(&["status"])["doors"]["public"].as_str().unwrap().parse().unwrap();
        // The public door asks for no certificate; who has one offers it in vain.
        let anyone = Caller::new(&post.region.dir, "tls/portal", door);
        Stage { post, gateway, anyone }
    }

    fn told(&self, words: &[&str]) -> Value {
        self.post.region.told(words)
    }

    /// Each has one more.
    #[track_caller]
    fn letters(&self, mailboxes: &mut [Mailbox]) -> Vec<Letter> {
        mailboxes.iter_mut().map(|mailbox| mailbox.next(&self.post)).collect()
    }

    fn clock(&self, now: &str) {
        self.told(&["clock", "set", now]);
    }

    /// Signs up by form and confirms by the link of the letter.
    async fn subscribe(&mut self, address: &'static str, language: &str) -> Mailbox {
        let mut mailbox = Mailbox { address, read: BTreeSet::new() };
        let fields = format!("epost={}&tjanster=all&slag=alla&sprak={language}", address.replace('@', "%40"));
        let told = self.anyone.post("/status/prenumerera", &[FORM], Bytes::from(fields)).await.unwrap();
        assert_eq!(told.status, 202, "{told:?}");
        let letter = mailbox.next(&self.post);
        assert_eq!(letter.header("Auto-Submitted"), "auto-generated");
        assert!(!letter.headers.iter().any(|(name, _)| name.starts_with("List-")), "{:?}", letter.headers);
        let text = letter.text();
        let link = text.lines().find(|line| line.starts_with(URL)).unwrap_or_else(|| panic!("no link: {text}"));
        let path = link.strip_prefix(URL).unwrap();
        assert_eq!(self.anyone.get(path).await.unwrap().status, 200);
        assert_eq!(self.post.shown(address)["state"], "pending");
        assert_eq!(self.anyone.post(path, &[FORM], Bytes::new()).await.unwrap().status, 200);
        assert_eq!(self.post.shown(address)["state"], "active");
        mailbox
    }

    /// Opens an incident; its id.
    fn open(&self, title: &str) -> String {
        let words = ["incident", "open", "--title", title, "--audience", "staff", "--component", "siths=major_outage"];
        let opened =
            self.told(&[&words[..], &["--text", "Du som är inloggad kan arbeta vidare.", "--hold", "0"]].concat());
        opened["id"].as_str().unwrap().to_owned()
    }

    fn resolve(&self, id: &str) {
        self.told(&["incident", "resolve", id, "--text", "Inloggningen fungerar igen.", "--hold", "0"]);
    }
}

impl Mailbox {
    /// All that has come, read or not.
    fn all(&self, post: &Post) -> Vec<Letter> {
        let letters = post.postfix.letters("citizens").into_iter().map(|letter| Letter::of(&letter));
        letters.filter(|letter| letter.header("To") == self.address).collect()
    }

    /// The one letter that comes next.
    #[track_caller]
    fn next(&mut self, post: &Post) -> Letter {
        let unread = || {
            let is_new = |letter: &Letter| !self.read.contains(letter.header("Message-ID"));
            self.all(post).into_iter().filter(is_new).collect::<Vec<_>>()
        };
        let came = comes_true(LETTER_WAIT, || !unread().is_empty());
        let mut unread = unread();
        let subjects: Vec<_> = unread.iter().map(Letter::subject).collect();
        assert!(
            came && unread.len() == 1,
            "{}: {subjects:?}\n{}\n{}",
            self.address,
            post.region.said(),
            post.postfix.log()
        );
        let letter = unread.remove(0);
        self.read.insert(letter.header("Message-ID").to_owned());
        self.has_no_more(post);
        letter
    }

    /// Everything was read, and nothing came twice.
    #[track_caller]
    fn has_no_more(&self, post: &Post) {
        let subjects: Vec<_> = self.all(post).iter().map(Letter::subject).collect();
        assert_eq!(subjects.len(), self.read.len(), "{}: {subjects:?}", self.address);
    }
}

impl Letter {
    fn of(raw: &str) -> Letter {
        let message = MessageParser::default().parse(raw).unwrap().into_owned();
        Letter { headers: headers(raw), message }
    }

    /// The value of a header that stands there once.
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(header, _)| header == name);
        let (Some((_, value)), None) = (found.next(), found.next()) else { panic!("{name}: {:?}", self.headers) };
        value
    }

    fn subject(&self) -> String {
        self.message.subject().unwrap_or_default().to_owned()
    }

    fn part(&self, subtype: &str) -> Option<&MessagePart<'static>> {
        let is_it = |part: &&MessagePart| part.content_type().is_some_and(|kind| kind.subtype() == Some(subtype));
        self.message.parts.iter().find(is_it)
    }

    fn text(&self) -> String {
        self.part("plain").unwrap().text_contents().unwrap().to_owned()
    }

    /// A property of the letter's event.
    fn calendar(&self, property: &str) -> String {
        let calendar = self.part("calendar").unwrap().text_contents().unwrap().replace("\r\n", "\n").replace("\n ", "");
        let line = calendar.lines().find_map(|line| line.strip_prefix(property)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {property}: {calendar}")).to_owned()
    }

    /// The addresses by which to leave: by one click, and by mail.
    fn leave(&self) -> (String, String) {
        let (click, mail) = self.header("List-Unsubscribe").split_once(", ").unwrap();
        let inner = |link: &str| link.trim_start_matches('<').trim_end_matches('>').to_owned();
        (inner(click).strip_prefix(URL).unwrap().to_owned(), inner(mail).strip_prefix("mailto:").unwrap().to_owned())
    }
}

/// Without hyphens, as in Message-IDs.
fn simple(id: &Value) -> String {
    id.as_str().unwrap().replace('-', "")
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_get_each_letter_of_a_window_that_moves_and_of_one_that_is_called_off() {
    let name = "subscribers_get_each_letter_of_a_window_that_moves_and_of_one_that_is_called_off";
    let Some(post) = Post::new(name) else { return };
    let mut stage = Stage::set(post.telling());
    stage.clock("2031-10-01T10:00:00Z");
    let mut mailboxes = vec![stage.subscribe(TOLVAN, "sv").await, stage.subscribe(VERA, "en").await];
    let title = ["--title", "Byte av databasserver", "--title-en", "Change of database server"];
    let schedule =
        [&["maintenance", "schedule", "--audience", "staff", "--component", "e-tjanster"], &title[..]].concat();
    let text = ["--text", "Ärenden kan inte skickas.", "--text-en", "Cases cannot be sent.", "--hold", "0"];
    let at = |from, until| ["--from", from, "--until", until];
    let window = stage.told(&[&schedule[..], &at("2031-10-20 22:00", "2031-10-20 23:30"), &text].concat());
    let id = window["id"].as_str().unwrap();
    // On the page from now on, mailed when seven days remain.
    stage.clock(ANNOUNCED);
    let mut heard = vec![stage.letters(&mut mailboxes)];
    let change = ["maintenance", "change", id];
    stage.told(&[&change[..], &at("2031-10-27 22:00", "2031-10-27 23:30"), &text].concat());
    heard.push(stage.letters(&mut mailboxes));
    // The clocks go back on the 26th.
    for now in ["20T21:00:00", "26T21:00:00", "27T20:00:00", "27T21:00:00", "27T22:30:00"] {
        stage.clock(&format!("2031-10-{now}Z"));
        heard.push(stage.letters(&mut mailboxes));
    }
    let (letters, english): (Vec<Letter>, Vec<Letter>) =
        heard.into_iter().map(|pair| <[Letter; 2]>::try_from(pair).ok().unwrap().into()).unzip();
    let words = ["Planerad", "Ändrad", "Påminnelse", "Påminnelse", "Påminnelse", "Påbörjad", "Klar"];
    let subjects: Vec<_> = letters.iter().map(Letter::subject).collect();
    assert_eq!(subjects, words.map(|word| format!("{word}: Byte av databasserver – 1177 e-tjänster")));
    let words = ["Planned", "Changed", "Reminder", "Reminder", "Reminder", "Started", "Completed"];
    let subjects: Vec<_> = english.iter().map(Letter::subject).collect();
    assert_eq!(subjects, words.map(|word| format!("{word}: Change of database server – 1177 e-services")));
    assert!(english.iter().all(|letter| letter.header("Content-Language") == "en"));

    has_exactly_these_headers(&stage, &letters[0], id);
    belong_together(&letters, &simple(&window["id"]), &simple(&stage.post.shown(TOLVAN)["id"]));
    moves_in_a_calendar(&letters, id);
    for (letter, zone) in [(&letters[0], "sommartid"), (&letters[1], "normaltid")] {
        assert!(letter.text().contains("22.00") && letter.text().contains(zone), "{}", letter.text());
    }

    let other = stage.told(&[&schedule[..], &at("2031-11-20 22:00", "2031-11-20 23:30"), &text].concat());
    stage.clock("2031-11-13T21:00:00Z");
    let [announced, _] = stage.letters(&mut mailboxes).try_into().ok().unwrap();
    let cancel = ["maintenance", "cancel", other["id"].as_str().unwrap(), "--text", "Leveransen är försenad."];
    stage.told(&[&cancel[..], &["--hold", "0"]].concat());
    let [cancelled, _] = stage.letters(&mut mailboxes).try_into().ok().unwrap();
    assert_eq!(cancelled.subject(), "Inställd: Byte av databasserver – 1177 e-tjänster");
    assert_eq!((announced.calendar("STATUS"), cancelled.calendar("STATUS")), ("CONFIRMED".into(), "CANCELLED".into()));
    assert_eq!(announced.calendar("UID"), cancelled.calendar("UID"));
    assert_ne!(announced.calendar("UID"), letters[0].calendar("UID"));
    assert_eq!((announced.calendar("SEQUENCE"), cancelled.calendar("SEQUENCE")), ("1".into(), "2".into()));
    // Its day comes and goes, and what is told next is about something else.
    stage.clock("2031-11-21T12:00:00Z");
    stage.open("Inloggning fungerar inte");
    let next = stage.letters(&mut mailboxes);
    assert!(next[0].subject().starts_with("Pågår: Inloggning"), "{}", next[0].subject());
    stage.gateway.stop();
}

/// All that stands above a notice, but for what mail systems on the way add.
fn has_exactly_these_headers(stage: &Stage, letter: &Letter, id: &str) {
    let (click, mailto) = letter.leave();
    let subscriber = simple(&stage.post.shown(TOLVAN)["id"]);
    let expected = [
        ("From", format!("\"1177 Driftinformation\" <driftinfo@{DOMAIN}>")),
        ("To", TOLVAN.into()),
        ("Subject", letter.header("Subject").into()),
        ("Date", letter.header("Date").into()),
        ("Message-ID", letter.header("Message-ID").into()),
        ("References", format!("<{}.root.{subscriber}@{DOMAIN}>", id.replace('-', ""))),
        ("Auto-Submitted", "auto-generated".into()),
        ("X-Auto-Response-Suppress", "OOF, AutoReply, RN, NRN".into()),
        ("Precedence", "bulk".into()),
        ("List-Id", format!("Driftinformation <driftinfo.{DOMAIN}>")),
        ("List-Unsubscribe", format!("<{URL}{click}>, <mailto:{mailto}>")),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into()),
        ("List-Help", format!("<{URL}/status/prenumerera>")),
        ("List-Archive", format!("<{URL}/status/historik>")),
        ("List-Post", "NO".into()),
        ("Content-Language", "sv".into()),
        ("MIME-Version", "1.0".into()),
        ("Content-Type", letter.header("Content-Type").into()),
    ];
    let ours = letter.headers.iter().filter(|(name, _)| !OF_POSTFIX.contains(&name.as_str()));
    let ours: Vec<_> = ours.map(|(name, value)| (name.as_str(), value.clone())).collect();
    assert_eq!(ours, expected);
    let token = click.strip_prefix("/u/").unwrap();
    assert_eq!(mailto, format!("avsluta+{token}@{DOMAIN}"));
    assert!(token.len() >= 32 && token.bytes().all(|b| b.is_ascii_alphanumeric()), "{token}");
    assert!(letter.header("Content-Type").starts_with("multipart/alternative; boundary="));
    let kinds: Vec<_> =
        letter.message.parts.iter().skip(1).map(|p| p.content_type().unwrap().subtype().unwrap()).collect();
    assert_eq!(kinds, ["plain", "html", "calendar"]);
    let announced = ANNOUNCED.parse::<Timestamp>().unwrap().as_second();
    let late = letter.message.date().unwrap().to_timestamp() - announced;
    assert!((0..60).contains(&late), "{late} s");
}

/// One thread in a mail program, no two letters the same, each with a way back of its own.
fn belong_together(letters: &[Letter], subject: &str, subscriber: &str) {
    let mut notices = Vec::new();
    for letter in letters {
        assert_eq!(letter.header("References"), format!("<{subject}.root.{subscriber}@{DOMAIN}>"));
        let id = letter.header("Message-ID").strip_prefix('<').unwrap().strip_suffix(&format!("@{DOMAIN}>")).unwrap();
        let [notice, of, revision] = id.split('.').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((of, revision.parse()), (subscriber, letter.calendar("SEQUENCE").parse::<u32>()));
        notices.push(notice.parse::<u64>().unwrap());
        let sender = letter.header("Return-Path");
        assert!(sender.starts_with("<b+") && sender.ends_with(&format!("@{DOMAIN}>")), "{sender}");
        assert!(sender.find('@').unwrap() <= 65, "a local part has 64 octets: {sender}");
    }
    assert!(notices.is_sorted_by(|a, b| a < b), "{notices:?}");
    let senders: BTreeSet<_> = letters.iter().map(|letter| letter.header("Return-Path")).collect();
    assert_eq!(senders.len(), letters.len());
}

fn moves_in_a_calendar(letters: &[Letter], id: &str) {
    let uid = format!("{id}@{DOMAIN}");
    assert!(letters.iter().all(|letter| letter.calendar("UID") == uid && letter.calendar("METHOD") == "PUBLISH"));
    let times = |letter: &Letter| (letter.calendar("DTSTART"), letter.calendar("DTEND"));
    assert_eq!(times(&letters[0]), ("20311020T200000Z".into(), "20311020T213000Z".into()));
    assert_eq!(times(&letters[1]), ("20311027T210000Z".into(), "20311027T223000Z".into()));
    let sequence: Vec<u32> = letters.iter().map(|letter| letter.calendar("SEQUENCE").parse().unwrap()).collect();
    assert_eq!(sequence, [1, 2, 2, 2, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_told_until_it_is_over_and_who_left_by_click_or_by_mail_hears_no_more() {
    let name = "a_fault_is_told_until_it_is_over_and_who_left_by_click_or_by_mail_hears_no_more";
    let Some(post) = Post::new(name) else { return };
    let mut stage = Stage::set(post.telling().picking_up());
    let mut mailboxes = Vec::new();
    for (address, language) in [(TOLVAN, "sv"), (VERA, "en"), (MAJA, "sv")] {
        mailboxes.push(stage.subscribe(address, language).await);
    }
    let mut heard = Vec::new();
    let title = "Inloggning fungerar inte";
    let id = stage.open(title);
    heard.push(stage.letters(&mut mailboxes));
    stage.told(&["incident", "update", &id, "--status", "identified", "--text", "Felet är funnet.", "--hold", "0"]);
    heard.push(stage.letters(&mut mailboxes));
    stage.resolve(&id);
    heard.push(stage.letters(&mut mailboxes));
    let mine: Vec<&Letter> = heard.iter().map(|letters| &letters[0]).collect();
    let subjects: Vec<_> = mine.iter().map(|letter| letter.subject()).collect();
    assert_eq!(subjects, ["Pågår", "Uppdaterad", "Åtgärdad"].map(|word| format!("{word}: {title} – SITHS")));
    let threads: BTreeSet<_> = mine.iter().map(|letter| letter.header("References")).collect();
    assert_eq!(threads.len(), 1);
    assert!(mine.iter().all(|letter| letter.part("calendar").is_none()));
    assert!(
        mine[1].text().contains("Felet är funnet.") && mine[1].text().contains("arbeta vidare"),
        "{}",
        mine[1].text()
    );

    // As mail providers do it, and do it again: with nothing but the link.
    let (click, _) = mine[2].leave();
    for _ in 0..2 {
        let body = Bytes::from_static(b"List-Unsubscribe=One-Click");
        let told = stage.anyone.post(&click, &[FORM], body).await.unwrap();
        assert_eq!(told.status, 200, "{told:?}");
    }
    assert_eq!(stage.post.shown(TOLVAN)["state"], "left");
    // From an address that is not even the one that subscribed.
    let (_, mailto) = heard[0][1].leave();
    stage.post.postfix.send("vera.private@region.example", &mailto, "unsubscribe");
    let left = comes_true(LETTER_WAIT, || stage.post.shown(VERA)["state"] == "left");
    assert!(left, "{}\n{}", stage.post.region.said(), stage.post.postfix.log());
    assert!(comes_true(LETTER_WAIT, || stage.post.postfix.letters("returned").is_empty()));

    let [tolvan, vera, mut maja] = mailboxes.try_into().ok().unwrap();
    let id = stage.open("Kort läses inte");
    assert_eq!(maja.next(&stage.post).subject(), "Pågår: Kort läses inte – SITHS");
    stage.resolve(&id);
    assert_eq!(maja.next(&stage.post).subject(), "Åtgärdad: Kort läses inte – SITHS");
    tolvan.has_no_more(&stage.post);
    vera.has_no_more(&stage.post);
    // Nor is anybody told that they left: no machine answers a machine.
    assert_eq!(stage.post.postfix.letters("staff"), Vec::<String>::new());
    stage.gateway.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_bounces_is_quarantined_with_the_evidence_of_a_report_that_postfix_wrote() {
    let name = "an_address_that_bounces_is_quarantined_with_the_evidence_of_a_report_that_postfix_wrote";
    let Some(post) = Post::new(name) else { return };
    // Nobody picks up at first: the report waits, as it does while a gateway is down.
    let mut stage = Stage::set(post.telling());
    let mut maja = stage.subscribe(MAJA, "sv").await;
    let file = stage.post.region.dir.join("confirmed-elsewhere.csv");
    fs::write(&file, format!("address,language,targets,dailyAt\n{FORWARDED},sv,all,\n")).unwrap();
    let import = ["subscriber", "import", file.to_str().unwrap(), "--source", "gamla-listan", "--confirmed"];
    assert_eq!(stage.told(&import)["new"], 1);
    let id = stage.open("Inloggning fungerar inte");
    let sent = maja.next(&stage.post);
    let came = comes_true(LETTER_WAIT, || !stage.post.postfix.letters("returned").is_empty());
    assert!(came, "{}\n{}", stage.post.region.said(), stage.post.postfix.log());
    let dead = stage.post.shown(FORWARDED);
    let notice: u64 = sent.header("Message-ID").trim_start_matches('<').split('.').next().unwrap().parse().unwrap();
    is_a_report_about(&stage.post.postfix.letters("returned")[0], &format!("{notice}.{}.1", simple(&dead["id"])));
    assert_eq!(dead["state"], "active");

    stage.gateway.stop();
    let stage = Stage::set(stage.post.picking_up());
    let quarantined = comes_true(LETTER_WAIT, || stage.post.shown(FORWARDED)["state"] == "quarantined");
    assert!(quarantined, "{}\n{}", stage.post.region.said(), stage.post.postfix.log());
    let evidence = stage.post.shown(FORWARDED)["evidence"].clone();
    let told = (&evidence["reason"], &evidence["code"], &evidence["event"]);
    assert_eq!(told, (&json!("hard-bounce"), &json!("5.1.1"), &json!(notice)));
    assert!(comes_true(LETTER_WAIT, || stage.post.postfix.letters("returned").is_empty()));
    assert_eq!(stage.told(&["subscriber", "count"])["staff"]["quarantined"], 1);
    let report = || stage.told(&["notice", "show", &notice.to_string()]);
    let marked = comes_true(LETTER_WAIT, || report()["bounced"] == 1);
    assert!(marked && report()["accepted"] == 1 && report()["targeted"] == 2, "{}", report());

    stage.resolve(&id);
    maja.next(&stage.post);
    let offered = stage.post.postfix.log().matches(&format!("orig_to=<{FORWARDED}>")).count();
    assert_eq!(offered, 1, "{}", stage.post.postfix.log());
    assert_eq!(stage.post.postfix.letters("returned"), Vec::<String>::new());
    stage.gateway.stop();
}

/// A delivery status notification (RFC 3464) that came back to the letter's own sender, and holds no more of it than
/// its headers.
fn is_a_report_about(report: &str, delivery: &str) {
    let letter = Letter::of(report);
    assert_eq!(letter.header("Return-Path"), "<>");
    let to = letter.header("X-Original-To");
    assert!(to.starts_with("b+") && to.ends_with(&format!("@{DOMAIN}")), "{to}");
    let kind = letter.header("Content-Type");
    assert!(kind.starts_with("multipart/report; report-type=delivery-status"), "{kind}");
    for line in ["Action: failed", "Status: 5.1.1", &format!("Original-Envelope-Id: {delivery}")] {
        assert!(report.lines().any(|told| told == line), "{line}: {report}");
    }
    assert!(report.contains("text/rfc822-headers") && !report.contains("arbeta vidare"), "{report}");
}
