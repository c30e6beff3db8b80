//! A smarthost for tests that answers by a script and can do every wrong thing.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::AbortHandle,
};

use crate::net::outgoing::fixture::TlsServer;

#[derive(Clone, Copy)]
pub(super) enum Act {
    Say(&'static str),
    SayAndClose(&'static str),
    Close,
    /// Nothing more on this connection.
    Silent,
    EndlessLine,
    EndlessReply,
    /// Says the first, reads a little, says the second and is gone.
    CutShort(&'static str, &'static str),
}

/// What is done at each step.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) greeting: Act,
    pub(super) hello: Act,
    pub(super) start_tls: Act,
    pub(super) auth: Act,
    pub(super) mail: Act,
    pub(super) rcpt: Act,
    pub(super) data: Act,
    pub(super) dot: Act,
    pub(super) reset: Act,
}

impl Script {
    /// Everything well, but for this.
    pub(super) fn but(change: impl FnOnce(&mut Script)) -> Script {
        let mut script = Script {
            greeting: Act::Say("220 mail.region.example ESMTP\r\n"),
            hello: Act::Say(HELLO),
            start_tls: Act::Say("220 2.0.0 go\r\n"),
            auth: Act::Say("235 2.7.0 ok\r\n"),
            mail: Act::Say("250 2.1.0 ok\r\n"),
            rcpt: Act::Say("250 2.1.5 ok\r\n"),
            data: Act::Say("354 go\r\n"),
            dot: Act::Say("250 2.0.0 taken\r\n"),
            reset: Act::Say("250 2.0.0 ok\r\n"),
        };
        change(&mut script);
        script
    }

    pub(super) fn good() -> Script {
        Script::but(|_| {})
    }
}

pub(super) const HELLO: &str =
    "250-mail.region.example\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 100000\r\n";
pub(super) const HELLO_WITHOUT_PIPELINING: &str = "250-mail.region.example\r\n250 STARTTLS\r\n";

/// Command lines, and letters as they came, in order.
pub(super) type Log = Arc<Mutex<Vec<String>>>;

/// Serves one connection. Gives the stream back when it said yes to STARTTLS.
pub(super) async fn serve<S>(stream: S, script: &Script, log: &Log, greets: bool) -> io::Result<Option<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    if greets && !perform(&mut stream, script.greeting).await? {
        return Ok(None);
    }
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        log.lock().unwrap().push(line.clone());
        let goes_on = match line.split([' ', ':']).next().unwrap() {
            "EHLO" => perform(&mut stream, script.hello).await?,
            "STARTTLS" => {
                perform(&mut stream, script.start_tls).await?;
                return Ok(Some(stream.into_inner()));
            }
            "AUTH" => {
                for _ in 0..if line == "AUTH LOGIN" { 2 } else { 0 } {
                    perform(&mut stream, Act::Say("334 \r\n")).await?;
                    let mut answer = String::new();
                    stream.read_line(&mut answer).await?;
                    log.lock().unwrap().push(answer.trim_end().to_owned());
                }
                perform(&mut stream, script.auth).await?
            }
            "MAIL" => perform(&mut stream, script.mail).await?,
            "RCPT" => perform(&mut stream, script.rcpt).await?,
            "RSET" => perform(&mut stream, script.reset).await?,
            "DATA" => {
                let goes_on = perform(&mut stream, script.data).await?;
                if goes_on && matches!(script.data, Act::Say(text) if text.starts_with("354")) {
                    let letter = read_letter(&mut stream).await?;
                    log.lock().unwrap().push(letter);
                    perform(&mut stream, script.dot).await?
                } else {
                    goes_on
                }
            }
            "QUIT" => perform(&mut stream, Act::SayAndClose("221 2.0.0 bye\r\n")).await?,
            _ => perform(&mut stream, Act::Say("500 5.5.2 what?\r\n")).await?,
        };
        if !goes_on {
            return Ok(None);
        }
    }
}

async fn read_letter<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> io::Result<String> {
    let mut letter = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(letter);
        }
        letter += line.strip_prefix('.').unwrap_or(&line);
    }
}

/// Whether the connection goes on.
async fn perform<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, act: Act) -> io::Result<bool> {
    match act {
        Act::Say(text) => {
            stream.write_all(text.as_bytes()).await?;
            stream.flush().await?;
            return Ok(true);
        }
        Act::SayAndClose(text) => {
            stream.write_all(text.as_bytes()).await?;
            stream.shutdown().await?;
        }
        Act::CutShort(first, last_words) => {
            stream.write_all(first.as_bytes()).await?;
            stream.read_u8().await?;
            stream.write_all(last_words.as_bytes()).await?;
        }
        Act::Close => {}
        Act::Silent => {
            stream.read_to_end(&mut Vec::new()).await?;
        }
        Act::EndlessLine => loop {
            stream.write_all(&[b'2'; 512]).await?;
        },
        Act::EndlessReply => loop {
            stream.write_all(b"250-and more\r\n").await?;
        },
    }
    Ok(false)
}

/// The same on a port of its own, behind TLS.
pub(super) struct FaultServer {
    pub(super) port: u16,
    pub(super) log: Log,
    /// Connections accepted, ever.
    pub(super) opened: Arc<AtomicUsize>,
    /// The most that were open at once.
    pub(super) peak: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

impl FaultServer {
    /// Each connection takes the next script, the last one for all that follow. With `starts_plain` TLS begins at
    /// STARTTLS.
    pub(super) async fn start(tls: TlsServer, scripts: Vec<Script>, starts_plain: bool) -> FaultServer {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (log, opened, peak) = (Log::default(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let open_now = Arc::new(AtomicUsize::new(0));
        let counters = (log.clone(), opened.clone(), peak.clone());
        let accepting = tokio::spawn(async move {
            let (log, opened, peak) = counters;
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let script = scripts[opened.fetch_add(1, SeqCst).min(scripts.len() - 1)].clone();
                peak.fetch_max(open_now.fetch_add(1, SeqCst) + 1, SeqCst);
                let (tls, log, open_now) = (tls.clone(), log.clone(), open_now.clone());
                tokio::spawn(async move {
                    let _ = serve_tls(stream, &tls, &script, &log, starts_plain).await;
                    open_now.fetch_sub(1, SeqCst);
                });
            }
        });
        FaultServer { port, log, opened, peak, accepting: accepting.abort_handle() }
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve_tls(
    stream: tokio::net::TcpStream,
    tls: &TlsServer,
    script: &Script,
    log: &Log,
    starts_plain: bool,
) -> io::Result<()> {
    let stream = if starts_plain {
        match serve(stream, script, log, true).await? {
            Some(stream) => stream,
            None => return Ok(()),
        }
    } else {
        stream
    };
    serve(tls.accept(stream).await?, script, log, !starts_plain).await?;
    Ok(())
}
