//! One SMTP connection, phase by phase, over any stream. Who opens it and when it is used again is `pool`'s matter.
//!
//! `Session::send` takes the session by value and gives it back only when it is fit for another letter: a send that
//! is dropped half-way, by a timer or a stop, takes its connection with it. A connection that were used again would
//! read the old letter's replies as the new one's.

use std::{borrow::Cow, future::Future, io, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::FutureExt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use zeroize::Zeroizing;

use crate::net::outgoing::{TlsFault, TlsStream};

use super::{
    Envelope,
    body::Body,
    classify::{Cause, Class, Delivery, Phase, Trouble, failure, refusal},
    reply::{FullReply, Reply, ReplyParser},
    settings::{Credentials, Timeouts},
};

/// Octets asked of the stream at once.
const READ_OCTETS: usize = 4096;
/// How long a server that cut the letter short may take to say why.
const LAST_WORDS_SECONDS: Duration = Duration::from_secs(1);
/// How long QUIT may take: nothing depends on its reply.
const QUIT_SECONDS: Duration = Duration::from_secs(2);

/// What the server announced in its answer to EHLO, as far as it matters here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Extensions {
    pipelining: bool,
    start_tls: bool,
    auth_plain: bool,
    auth_login: bool,
    /// RFC 3461.
    dsn: bool,
    /// Octets; `None` when not announced or unlimited.
    size_max: Option<usize>,
}

impl Extensions {
    fn read(hello: &FullReply) -> Extensions {
        let mut extensions = Extensions::default();
        for line in hello.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("PIPELINING") => extensions.pipelining = true,
                Some("STARTTLS") => extensions.start_tls = true,
                Some("DSN") => extensions.dsn = true,
                Some("SIZE") => {
                    extensions.size_max = words.next().and_then(|n| n.parse().ok()).filter(|octets| *octets > 0);
                }
                Some("AUTH") => {
                    for mechanism in words {
                        extensions.auth_plain |= mechanism == "PLAIN";
                        extensions.auth_login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        extensions
    }
}

/// What a transaction leaves behind.
enum After {
    /// MAIL may follow.
    Ready,
    /// RSET must come first.
    Reset,
    Close,
}

/// A transaction that began behind the last letter's end; its replies are read.
struct Opened {
    envelope: Envelope,
    /// What became of it already. Otherwise the server waits for the letter.
    refused: Option<Delivery>,
}

/// A connection between letters, greeted.
pub(super) struct Session<S> {
    stream: S,
    parser: ReplyParser,
    extensions: Extensions,
    timeouts: Timeouts,
    needs_reset: bool,
    opened: Option<Opened>,
    letters: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Waits for the greeting and says EHLO.
    pub(super) async fn greeted(stream: S, hello_name: &str, timeouts: &Timeouts) -> Result<Session<S>, Trouble> {
        let mut session = Session::new(stream, timeouts);
        let greeting = session.reply(Phase::Greeting).await?;
        wanted(Phase::Greeting, greeting.reply, 220)?;
        session.hello(hello_name).await?;
        Ok(session)
    }

    /// Goes on with EHLO on a stream that has become private by STARTTLS: what was announced before does not count.
    pub(super) async fn upgraded(stream: S, hello_name: &str, timeouts: &Timeouts) -> Result<Session<S>, Trouble> {
        let mut session = Session::new(stream, timeouts);
        session.hello(hello_name).await?;
        Ok(session)
    }

    fn new(stream: S, timeouts: &Timeouts) -> Session<S> {
        Session {
            stream,
            parser: ReplyParser::default(),
            extensions: Extensions::default(),
            timeouts: timeouts.clone(),
            needs_reset: false,
            opened: None,
            letters: 0,
        }
    }

    async fn hello(&mut self, name: &str) -> Result<(), Trouble> {
        let hello = self.command(Phase::Hello, &format!("EHLO {name}\r\n")).await?;
        wanted(Phase::Hello, hello.reply, 250)?;
        self.extensions = Extensions::read(&hello);
        Ok(())
    }

    /// Says STARTTLS and gives the bare stream for the handshake.
    pub(super) async fn start_tls(mut self) -> Result<S, Trouble> {
        if !self.extensions.start_tls {
            return Err(Trouble { phase: Phase::StartTls, cause: Cause::NoStartTls });
        }
        let reply = self.command(Phase::StartTls, "STARTTLS\r\n").await?.reply;
        wanted(Phase::StartTls, reply, 220)?;
        // Whatever came with the 220 was said in the clear and would be believed as if said in private.
        if !self.parser.is_empty() {
            return Err(Trouble { phase: Phase::StartTls, cause: Cause::OutOfTurn });
        }
        Ok(self.stream)
    }

    /// Letters that were begun on this connection.
    pub(super) fn letters(&self) -> u32 {
        self.letters
    }

    /// Whose transaction has begun, when one has.
    pub(super) fn opened(&self) -> Option<&Envelope> {
        self.opened.as_ref().map(|opened| &opened.envelope)
    }

    /// Whether the server has said nothing since the last reply: no farewell, no end, nothing out of turn.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut octet = [0; 1];
        self.parser.is_empty() && self.stream.read(&mut octet).now_or_never().is_none()
    }

    /// Offers one letter to one recipient. The session comes back only when it can take another.
    ///
    /// With `next`, and where the server can take it, that letter's transaction begins behind this one's end: RFC 2920
    /// section 3.1 lets the letter itself be the first of a group. The session is then good for that letter only.
    pub(super) async fn send(
        mut self,
        envelope: &Envelope,
        body: &Body,
        next: Option<&Envelope>,
    ) -> (Delivery, Option<Session<S>>) {
        let next = next.filter(|_| self.extensions.pipelining);
        let (delivery, after) = self.transaction(envelope, body, next).await;
        self.letters = self.letters.saturating_add(1);
        match after {
            After::Close => return (delivery, None),
            After::Reset => self.needs_reset = true,
            After::Ready => {}
        }
        (delivery, Some(self))
    }

    async fn transaction(&mut self, envelope: &Envelope, body: &Body, next: Option<&Envelope>) -> (Delivery, After) {
        let opened = self.opened.take();
        let is_opened = opened.is_some();
        match opened {
            Some(opened) if opened.envelope != *envelope => {
                return (failure(Trouble { phase: Phase::MailFrom, cause: Cause::OutOfTurn }), After::Close);
            }
            Some(Opened { refused: Some(delivery), .. }) => return (delivery, After::Reset),
            _ => {}
        }
        if self.extensions.size_max.is_some_and(|max| body.size() > max) {
            let trouble = Trouble { phase: Phase::Check, cause: Cause::TooLarge };
            return (failure(trouble), if is_opened { After::Close } else { After::Ready });
        }
        if self.needs_reset {
            let reset = self.command(Phase::Reset, "RSET\r\n").await;
            if let Err(trouble) = reset.and_then(|full| wanted(Phase::Reset, full.reply, 250)) {
                return (failure(trouble), After::Close);
            }
            self.needs_reset = false;
        }
        if !is_opened && let Err(ended) = self.open(envelope, false).await {
            return ended;
        }
        let (delivery, after) = self.letter(body, next).await;
        match (next, after) {
            (Some(next), After::Ready | After::Reset) => self.follow(delivery, next).await,
            (_, after) => (delivery, after),
        }
    }

    /// Reads the replies to what was said behind the letter's end, before its own verdict counts: an answer in the wrong
    /// place means that the one before may have been another's too, and a 250 to MAIL is no 250 to a letter.
    async fn follow(&mut self, delivery: Delivery, next: &Envelope) -> (Delivery, After) {
        let refused = match self.open(next, true).await {
            Ok(()) => None,
            // MAIL is not refused in the middle of a session but where its reply is another's: RCPT's.
            Err((refused, After::Reset)) if refused.trouble().is_some_and(|why| why.phase != Phase::MailFrom) => {
                Some(refused)
            }
            // The server was done with the connection after this letter.
            Err((ended, _)) if grew_stale(&ended) => return (delivery, After::Close),
            Err(_) => {
                let trouble = Trouble { phase: Phase::Dot, cause: Cause::OutOfTurn };
                return (Delivery::InDoubt { trouble }, After::Close);
            }
        };
        self.opened = Some(Opened { envelope: next.clone(), refused });
        // A letter's end ends its transaction, whatever the reply: no RSET is owed (RFC 5321 section 4.1.1.4).
        (delivery, After::Ready)
    }

    /// MAIL, RCPT and DATA.
    fn commands(&self, envelope: &Envelope) -> [(Phase, String); 3] {
        let (id, notify) = match &envelope.id {
            Some(id) if self.extensions.dsn => (format!(" RET=HDRS ENVID={}", id.as_str()), " NOTIFY=FAILURE,DELAY"),
            _ => (String::new(), ""),
        };
        [
            (Phase::MailFrom, format!("MAIL FROM:<{}>{id}\r\n", envelope.from.expose())),
            (Phase::RcptTo, format!("RCPT TO:<{}>{notify}\r\n", envelope.to.expose())),
            (Phase::Data, "DATA\r\n".to_owned()),
        ]
    }

    /// Says them, in one write where the server can take it and unless they are said. `Ok` when it waits for the letter.
    async fn open(&mut self, envelope: &Envelope, are_said: bool) -> Result<(), (Delivery, After)> {
        let steps = self.commands(envelope);
        let pipelining = self.extensions.pipelining;
        if pipelining && !are_said {
            let all: String = steps.iter().map(|(_, line)| line.as_str()).collect();
            self.write(Phase::MailFrom, &all).await.map_err(|trouble| (failure(trouble), After::Close))?;
        }
        let mut refused = None;
        for (phase, line) in &steps {
            let answer = if pipelining { self.reply(*phase).await } else { self.command(*phase, line).await };
            let reply = match answer {
                Ok(full) => full.reply,
                // What was refused before stays refused, whatever became of the connection after it.
                Err(trouble) => return Err((refused.unwrap_or_else(|| failure(trouble)), After::Close)),
            };
            let accepted = if *phase == Phase::Data { reply.code == 354 } else { reply.class() == 2 };
            if !accepted {
                let delivery = *refused.get_or_insert_with(|| refusal(*phase, reply));
                if reply.code == 421 || !reply.is_refusal() {
                    return Err((delivery, After::Close));
                }
                if !pipelining {
                    return Err((delivery, After::Reset));
                }
            } else if let (Phase::Data, Some(delivery)) = (phase, refused) {
                return Err((delivery, self.nothing().await));
            }
        }
        refused.map_or(Ok(()), |delivery| Err((delivery, After::Reset)))
    }

    /// Answers a 354 that came although the recipient was refused (RFC 2920 section 3.1): a lone dot.
    async fn nothing(&mut self) -> After {
        // By RSET's timer: the verdict is known and must not wait ten minutes.
        match self.command(Phase::Reset, ".\r\n").await {
            Ok(full) if full.reply.code != 421 => After::Reset,
            _ => After::Close,
        }
    }

    /// The letter, its final dot and the commands of the next one in one write, then the reply that counts.
    async fn letter(&mut self, body: &Body, next: Option<&Envelope>) -> (Delivery, After) {
        // A reply before its cause can only be a refusal; taken for the dot's, a 250 would lose the letter.
        if !self.parser.is_empty() {
            return match self.reply(Phase::Body).await {
                Ok(full) if full.reply.is_refusal() => (refusal(Phase::Body, full.reply), After::Close),
                Ok(_) => (failure(Trouble { phase: Phase::Body, cause: Cause::OutOfTurn }), After::Close),
                Err(trouble) => (failure(trouble), After::Close),
            };
        }
        let bytes = match next {
            None => Cow::Borrowed(body.as_bytes()),
            Some(next) => {
                let commands = self.commands(next).map(|(_, line)| line).concat();
                Cow::Owned([body.as_bytes(), commands.as_bytes()].concat())
            }
        };
        let mut sent = 0;
        let written = timeout(self.timeouts.body, write_counted(&mut self.stream, &bytes, &mut sent)).await;
        let phase = if body.dot_begun(sent) { Phase::Dot } else { Phase::Body };
        let whole = matches!(written, Ok(Ok(())));
        let answer = match written {
            Ok(Ok(())) => self.reply(Phase::Dot).await,
            // A server that stopped reading may have said why: without its words a letter that it will never take
            // would pass for trouble with the connection, again and again.
            Ok(Err(error)) => {
                let trouble = Trouble { phase, cause: Cause::Io(error.kind()) };
                timeout(LAST_WORDS_SECONDS, self.reply(phase)).await.unwrap_or(Err(trouble)).map_err(|_| trouble)
            }
            Err(_) => Err(Trouble { phase, cause: Cause::TimedOut }),
        };
        match answer {
            Ok(FullReply { reply, .. }) if phase == Phase::Dot && reply.class() == 2 => {
                (Delivery::Accepted { reply }, if whole { After::Ready } else { After::Close })
            }
            Ok(FullReply { reply, .. }) => {
                let usable = whole && reply.is_refusal() && reply.code != 421;
                (refusal(phase, reply), if usable { After::Reset } else { After::Close })
            }
            Err(trouble) => (failure(trouble), After::Close),
        }
    }

    /// Says goodbye, as far as the server listens. One that waits for a letter does not: it is left without a word.
    pub(super) async fn quit(mut self) {
        if self.opened.is_some() {
            return;
        }
        let goodbye = async {
            self.stream.write_all(b"QUIT\r\n").await?;
            self.stream.flush().await?;
            // Waited for only so that the server sees no reset; what it says does not matter.
            self.stream.read_u8().await?;
            self.stream.shutdown().await
        };
        let _ = timeout(QUIT_SECONDS, goodbye).await;
    }

    async fn command(&mut self, phase: Phase, line: &str) -> Result<FullReply, Trouble> {
        self.write(phase, line).await?;
        self.reply(phase).await
    }

    async fn write(&mut self, phase: Phase, line: &str) -> Result<(), Trouble> {
        let limit = timer(&self.timeouts, phase);
        let writing = async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.flush().await
        };
        in_time(phase, limit, writing).await
    }

    async fn reply(&mut self, phase: Phase) -> Result<FullReply, Trouble> {
        let trouble = |cause| Trouble { phase, cause };
        let limit = timer(&self.timeouts, phase);
        let reading = async {
            loop {
                if let Some(reply) = self.parser.next_reply().map_err(|why| trouble(Cause::Garbage(why)))? {
                    return Ok(reply);
                }
                let mut octets = [0; READ_OCTETS];
                match self.stream.read(&mut octets).await {
                    Ok(0) => return Err(trouble(Cause::Closed)),
                    Ok(count) => self.parser.feed(octets.get(..count).unwrap_or_default()),
                    Err(error) => return Err(trouble(lost(&error))),
                }
            }
        };
        timeout(limit, reading).await.unwrap_or(Err(trouble(Cause::TimedOut)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<TlsStream<S>> {
    /// AUTH PLAIN, or LOGIN where that is all there is. Exists on private streams only.
    pub(super) async fn authenticate(&mut self, credentials: &Credentials) -> Result<(), Trouble> {
        let secret = |text: &str| Zeroizing::new(STANDARD.encode(text));
        let last = if self.extensions.auth_plain {
            let pair = Zeroizing::new(format!("\0{}\0{}", credentials.user, credentials.password.as_str()));
            Zeroizing::new(format!("AUTH PLAIN {}\r\n", secret(&pair).as_str()))
        } else if self.extensions.auth_login {
            let user = format!("{}\r\n", secret(&credentials.user).as_str());
            for line in ["AUTH LOGIN\r\n", user.as_str()] {
                wanted(Phase::Auth, self.command(Phase::Auth, line).await?.reply, 334)?;
            }
            Zeroizing::new(format!("{}\r\n", secret(&credentials.password).as_str()))
        } else {
            return Err(Trouble { phase: Phase::Auth, cause: Cause::NoMechanism });
        };
        wanted(Phase::Auth, self.command(Phase::Auth, &last).await?.reply, 235)
    }
}

/// Runs one step of opening a connection under its timer.
pub(super) async fn in_time<T>(
    phase: Phase,
    limit: Duration,
    step: impl Future<Output = io::Result<T>>,
) -> Result<T, Trouble> {
    match timeout(limit, step).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Trouble { phase, cause: lost(&error) }),
        Err(_) => Err(Trouble { phase, cause: Cause::TimedOut }),
    }
}

/// Whether a failure on a connection that had been idle says only that the server was tired of it.
pub(super) fn grew_stale(delivery: &Delivery) -> bool {
    let Delivery::Deferred { class: Class::Session, trouble } = delivery else {
        return false;
    };
    let gone = match trouble.cause {
        Cause::Closed | Cause::Io(_) => true,
        Cause::Reply(reply) => reply.code == 421,
        _ => false,
    };
    gone && matches!(trouble.phase, Phase::Reset | Phase::MailFrom)
}

fn wanted(phase: Phase, reply: Reply, code: u16) -> Result<(), Trouble> {
    if reply.code == code { Ok(()) } else { Err(Trouble { phase, cause: Cause::Reply(reply) }) }
}

/// A TLS peer that cuts the connection without a farewell is one that closed it.
fn lost(error: &io::Error) -> Cause {
    match (TlsFault::of(error), error.kind()) {
        (Some(fault), _) => Cause::Tls(fault),
        (None, io::ErrorKind::UnexpectedEof) => Cause::Closed,
        (None, kind) => Cause::Io(kind),
    }
}

/// Counts outside the future, so that the count survives a timer.
async fn write_counted<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8], sent: &mut usize) -> io::Result<()> {
    while let Some(rest) = bytes.get(*sent..).filter(|rest| !rest.is_empty()) {
        match stream.write(rest).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => *sent += count,
        }
    }
    stream.flush().await
}

fn timer(timeouts: &Timeouts, phase: Phase) -> Duration {
    match phase {
        Phase::Check | Phase::Connect | Phase::File => timeouts.connect,
        Phase::Greeting => timeouts.greeting,
        Phase::Hello | Phase::StartTls => timeouts.hello,
        Phase::Tls => timeouts.tls,
        Phase::Auth => timeouts.auth,
        Phase::Reset | Phase::MailFrom => timeouts.mail,
        Phase::RcptTo => timeouts.rcpt,
        Phase::Data => timeouts.data,
        Phase::Body => timeouts.body,
        Phase::Dot => timeouts.dot,
    }
}
