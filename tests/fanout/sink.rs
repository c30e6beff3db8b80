//! A smarthost that takes everything and counts: each letter by its Message-ID, noted before it says 250, so that a
//! letter which the gateway may believe in is never missed here.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader as AsyncBufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What came, by Message-ID.
#[derive(Default)]
pub struct Counted {
    pub letters: HashMap<String, u32>,
    pub connections: usize,
}

#[derive(Clone)]
pub struct Sink {
    pub port: u16,
    counted: Arc<Mutex<Counted>>,
}

impl Sink {
    /// With a region's certificate, each reply after `delay`.
    pub async fn start(region: &Path, delay: Duration) -> Sink {
        let file = |name: &str| BufReader::new(File::open(region.join("tls").join(name)).unwrap());
        let chain = CertificateDer::pem_reader_iter(file("server.pem")).collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_reader(file("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = Sink { port: listener.local_addr().unwrap().port(), counted: Arc::default() };
        let counting = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, counting) = (acceptor.clone(), counting.clone());
                tokio::spawn(async move {
                    // The gateway is killed again and again: how a connection ends says nothing.
                    let _ = counting.serve(acceptor, stream, delay).await;
                });
            }
        });
        sink
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut Counted) -> T) -> T {
        look(&mut self.counted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn serve(&self, acceptor: TlsAcceptor, stream: TcpStream, delay: Duration) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let (read, mut write) = tokio::io::split(acceptor.accept(stream).await?);
        let mut lines = AsyncBufReader::new(read.take(u64::MAX)).lines();
        self.with(|counted| counted.connections += 1);
        say(&mut write, "220 sink.region.example ESMTP\r\n").await?;
        while let Some(line) = lines.next_line().await? {
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => say(&mut write, "250-sink.region.example\r\n250-PIPELINING\r\n250 DSN\r\n").await?,
                "DATA" => {
                    say(&mut write, "354 go on\r\n").await?;
                    let mut id = None;
                    while let Some(line) = lines.next_line().await? {
                        if line == "." {
                            break;
                        }
                        if id.is_none() {
                            id = line.strip_prefix("Message-ID: ").map(str::to_owned);
                        }
                    }
                    if !delay.is_zero() {
                        tokio::time::sleep(delay).await;
                    }
                    self.with(|counted| *counted.letters.entry(id.unwrap_or_default()).or_default() += 1);
                    say(&mut write, "250 2.0.0 taken\r\n").await?;
                }
                "QUIT" => return say(&mut write, "221 2.0.0 bye\r\n").await,
                _ => say(&mut write, "250 2.0.0 ok\r\n").await?,
            }
        }
        Ok(())
    }
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> std::io::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}
