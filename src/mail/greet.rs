//! One look at a mail server: does it greet, answer EHLO and, where it should, speak TLS? No letter is begun.

use std::time::Duration;

use tokio::net::TcpStream;

use super::{
    classify::{Cause, Phase, Trouble},
    connection::{Session, in_time},
    settings::Timeouts,
};
use crate::{
    domain::status::probe::{Cause as Seen, SmtpSecurity},
    net::outgoing::{TlsClient, TlsFault},
};

/// Greets the server on a connected stream and says goodbye. `within` is each phase's time; who calls bounds the whole.
pub async fn greet(
    stream: TcpStream,
    host: &str,
    hello_name: &str,
    security: SmtpSecurity,
    tls: &TlsClient,
    within: Duration,
) -> Result<(), Seen> {
    let timeouts = Timeouts { greeting: within, hello: within, tls: within, ..Timeouts::default() };
    let greeted = async {
        match security {
            SmtpSecurity::None => {
                Session::greeted(stream, hello_name, &timeouts).await?.quit().await;
            }
            SmtpSecurity::ImplicitTls => {
                let stream = in_time(Phase::Tls, within, tls.connect_tls(stream, host)).await?;
                Session::greeted(stream, hello_name, &timeouts).await?.quit().await;
            }
            SmtpSecurity::Starttls => {
                let stream = Session::greeted(stream, hello_name, &timeouts).await?.start_tls().await?;
                let stream = in_time(Phase::Tls, within, tls.connect_tls(stream, host)).await?;
                Session::upgraded(stream, hello_name, &timeouts).await?.quit().await;
            }
        }
        Ok(())
    };
    greeted.await.map_err(|trouble: Trouble| seen(trouble.cause))
}

fn seen(cause: Cause) -> Seen {
    match cause {
        Cause::Reply(reply) => Seen::Status(reply.code),
        Cause::TimedOut => Seen::AnswerTimeout,
        Cause::Closed | Cause::Io(_) => Seen::Closed,
        Cause::Tls(TlsFault::Name) => Seen::TlsName,
        Cause::Tls(TlsFault::Issuer) => Seen::TlsIssuer,
        Cause::Tls(TlsFault::Validity) => Seen::TlsValidity,
        Cause::Tls(TlsFault::Handshake) | Cause::NoStartTls => Seen::Tls,
        _ => Seen::Garbage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::fault_server::{Act, FaultServer, Script};
    use crate::net::outgoing::fixture::TlsServer;

    const NAME: &str = "localhost";
    const PATIENCE: Duration = Duration::from_millis(800);

    async fn look(script: Script, starts_plain: bool, security: SmtpSecurity) -> (Result<(), Seen>, Vec<String>) {
        let tls = TlsServer::new(NAME);
        let server = FaultServer::start(tls.clone(), vec![script], starts_plain).await;
        let stream = TcpStream::connect((NAME, server.port)).await.unwrap();
        let seen = greet(stream, NAME, "gateway.region.example", security, &tls.client(), PATIENCE).await;
        (seen, server.heard())
    }

    #[tokio::test]
    async fn a_server_that_works_is_greeted_and_left_politely() {
        let (seen, heard) = look(Script::good(), false, SmtpSecurity::ImplicitTls).await;
        assert_eq!((seen, heard), (Ok(()), vec!["EHLO gateway.region.example".to_owned(), "QUIT".to_owned()]));
        let (seen, heard) = look(Script::good(), true, SmtpSecurity::Starttls).await;
        assert_eq!((seen, heard.len(), heard.last().unwrap().as_str()), (Ok(()), 4, "QUIT"));
        let (seen, _) = look(Script::good(), true, SmtpSecurity::None).await;
        assert_eq!(seen, Ok(()));
    }

    #[tokio::test]
    async fn each_way_of_not_working_has_its_class() {
        for (greeting, expected) in [
            (Act::Say("554 5.3.2 closed\r\n"), Seen::Status(554)),
            (Act::Close, Seen::Closed),
            (Act::Silent, Seen::AnswerTimeout),
            (Act::Say("hello\r\n"), Seen::Garbage),
            (Act::EndlessLine, Seen::Garbage),
        ] {
            let (seen, _) = look(Script::but(|s| s.greeting = greeting), false, SmtpSecurity::ImplicitTls).await;
            assert_eq!(seen, Err(expected));
        }
        let without = Script::but(|s| s.hello = Act::Say("250 mail.region.example\r\n"));
        assert_eq!(look(without, true, SmtpSecurity::Starttls).await.0, Err(Seen::Tls));
        // Plain text where TLS should be.
        assert_eq!(look(Script::good(), true, SmtpSecurity::ImplicitTls).await.0, Err(Seen::Tls));
    }

    #[tokio::test]
    async fn a_certificate_of_another_ca_is_told() {
        let server = FaultServer::start(TlsServer::new(NAME), vec![Script::good()], false).await;
        let stream = TcpStream::connect((NAME, server.port)).await.unwrap();
        let stranger = TlsServer::new(NAME).client();
        let seen = greet(stream, NAME, "gateway.region.example", SmtpSecurity::ImplicitTls, &stranger, PATIENCE).await;
        assert_eq!(seen, Err(Seen::TlsIssuer));
    }
}
