//! Who is at fault, and what follows: pure, from the phase and what happened in it. Connections are not here.
//!
//! The rules are RFC 5321 sections 4.2 and 4.5.3.2 for phases, RFC 3463 and RFC 5248 for enhanced codes. The three
//! digits alone are not enough: a 550 may mean a dead address, a full mailbox or a smarthost that distrusts us.

use std::{fmt, io, time::Duration};

use crate::net::outgoing::TlsFault;

use super::{
    body::Unfit,
    reply::{EnhancedCode, Reply, ReplyError},
};

/// Where in the dialogue something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before anything is sent: the letter itself is looked at.
    Check,
    Connect,
    Greeting,
    Hello,
    StartTls,
    Tls,
    Auth,
    Reset,
    MailFrom,
    RcptTo,
    Data,
    /// The letter's bytes, up to where the final dot begins.
    Body,
    /// From the first octet of the final dot to the reply.
    Dot,
    /// A letter written to a directory.
    File,
}

/// Who is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The smarthost or the way there: no attempt of the recipient is used up, nobody is bounced.
    Session,
    /// The address.
    Recipient,
    /// This letter.
    Message,
    /// The smarthost's policy against us: hold and alarm, never suppress the address.
    Policy,
}

/// What happened. Holds codes and our own words only: a server's text may hold addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Reply(Reply),
    TimedOut,
    /// The server closed the connection without a reply.
    Closed,
    Io(io::ErrorKind),
    Tls(TlsFault),
    Garbage(ReplyError),
    /// The server spoke when it was not its turn, as STARTTLS injection does (CVE-2011-0411).
    OutOfTurn,
    /// STARTTLS is required and not offered.
    NoStartTls,
    /// Credentials are configured and neither PLAIN nor LOGIN is offered.
    NoMechanism,
    Unfit(Unfit),
    /// The letter is larger than the SIZE that the server announced.
    TooLarge,
    /// A file is named by it.
    NoMessageId,
    /// Every smarthost is left in peace after faults; for so long yet.
    Resting(Duration),
    /// `Mailer::close` has been called.
    Closing,
}

/// A phase and what happened in it; its text may be logged and stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    pub phase: Phase,
    pub cause: Cause,
}

/// What became of one delivery to one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Delivery {
    /// The smarthost has taken the letter over.
    Accepted { reply: Reply },
    /// Not now. With `Class::Session` it says nothing about the recipient.
    Deferred { class: Class, trouble: Trouble },
    /// Never, as it stands. With `Class::Recipient` the address is dead; with `Class::Policy` a person must look.
    Rejected { class: Class, trouble: Trouble },
    /// The server may have the letter: resend the same bytes, count a possible duplicate (RFC 1047).
    InDoubt { trouble: Trouble },
}

/// Judges a reply that is not the one wanted in this phase.
pub(super) fn refusal(phase: Phase, reply: Reply) -> Delivery {
    let trouble = Trouble { phase, cause: Cause::Reply(reply) };
    let deferred = |class| Delivery::Deferred { class, trouble };
    let rejected = |class| Delivery::Rejected { class, trouble };
    let class = match phase {
        Phase::RcptTo => Class::Recipient,
        Phase::Data | Phase::Body | Phase::Dot => Class::Message,
        // A letter too big for the server is not the server's trouble, or one letter would hold up all.
        Phase::MailFrom if reply.code == 552 => return rejected(Class::Message),
        _ => return deferred(Class::Session),
    };
    match (reply.class(), phase) {
        (4, Phase::Dot) => deferred(class),
        (4, _) if reply.code == 421 => deferred(Class::Session),
        (4, _) => deferred(class),
        (5, _) => match verdict(reply) {
            Verdict::Dead => rejected(Class::Recipient),
            Verdict::Soft => deferred(class),
            Verdict::Policy => rejected(Class::Policy),
            Verdict::Unfit => rejected(Class::Message),
            Verdict::Unsaid if phase == Phase::RcptTo && !matches!(reply.code, 501 | 550 | 551 | 553) => {
                rejected(Class::Message)
            }
            Verdict::Unsaid => rejected(class),
        },
        // Neither yes nor no where one of them must come; after the dot the letter may have been taken.
        (_, Phase::Dot) => Delivery::InDoubt { trouble },
        _ => deferred(Class::Session),
    }
}

/// Judges a connection that failed.
pub(super) fn failure(trouble: Trouble) -> Delivery {
    match trouble.phase {
        Phase::Dot => Delivery::InDoubt { trouble },
        Phase::Check => Delivery::Rejected { class: Class::Message, trouble },
        _ => Delivery::Deferred { class: Class::Session, trouble },
    }
}

/// What a 5xx means.
pub(super) enum Verdict {
    Dead,
    Soft,
    Policy,
    Unfit,
    Unsaid,
}

/// By the enhanced code first.
pub(super) fn verdict(reply: Reply) -> Verdict {
    match reply.enhanced {
        // 5.1.7 and 5.1.8 are about the sender: ours.
        Some(EnhancedCode(_, 1, 7 | 8) | EnhancedCode(_, 7, _)) => Verdict::Policy,
        Some(EnhancedCode(_, 1, 1 | 2 | 3 | 10) | EnhancedCode(_, 2, 1)) => Verdict::Dead,
        Some(EnhancedCode(_, 2, 2 | 4) | EnhancedCode(_, 3 | 4, _)) => Verdict::Soft,
        Some(EnhancedCode(_, 2, 3) | EnhancedCode(_, 5 | 6, _)) => Verdict::Unfit,
        _ if reply.code == 552 => Verdict::Soft,
        // Authentication required: no word about the address.
        _ if reply.code == 530 => Verdict::Policy,
        _ => Verdict::Unsaid,
    }
}

impl Delivery {
    /// What happened, when it was not simply accepted.
    pub fn trouble(&self) -> Option<&Trouble> {
        match self {
            Delivery::Accepted { .. } => None,
            Delivery::Deferred { trouble, .. } | Delivery::Rejected { trouble, .. } | Delivery::InDoubt { trouble } => {
                Some(trouble)
            }
        }
    }
}

impl Trouble {
    /// What the server answered, where it did.
    pub fn reply(&self) -> Option<Reply> {
        if let Cause::Reply(reply) = self.cause { Some(reply) } else { None }
    }

    /// How long to wait before another letter is worth a try, when that is known.
    pub fn retry_in(&self) -> Option<Duration> {
        if let Cause::Resting(left) = self.cause { Some(left) } else { None }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Check => "before sending",
            Phase::Connect => "connecting",
            Phase::Greeting => "at the greeting",
            Phase::Hello => "at EHLO",
            Phase::StartTls => "at STARTTLS",
            Phase::Tls => "in the TLS handshake",
            Phase::Auth => "at AUTH",
            Phase::Reset => "at RSET",
            Phase::MailFrom => "at MAIL FROM",
            Phase::RcptTo => "at RCPT TO",
            Phase::Data => "at DATA",
            Phase::Body => "in the letter",
            Phase::Dot => "after the letter",
            Phase::File => "writing the file",
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Reply(reply) => write!(f, "the server answered {reply}"),
            Cause::TimedOut => f.write_str("no answer in time"),
            Cause::Closed => f.write_str("the server closed the connection without an answer"),
            Cause::Io(kind) => write!(f, "{kind}"),
            Cause::Tls(TlsFault::Name) => f.write_str("the server's certificate is for another name"),
            Cause::Tls(TlsFault::Issuer) => f.write_str("the server's certificate has an issuer that is not trusted"),
            Cause::Tls(TlsFault::Validity) => f.write_str("the server's certificate is not valid at this time"),
            Cause::Tls(TlsFault::Handshake) => f.write_str("TLS could not be agreed upon"),
            Cause::Garbage(why) => write!(f, "the server's answer is no SMTP: {why}"),
            Cause::OutOfTurn => f.write_str("the server spoke out of turn"),
            Cause::NoStartTls => f.write_str("the server does not offer STARTTLS, which is required"),
            Cause::NoMechanism => f.write_str("the server offers neither AUTH PLAIN nor AUTH LOGIN"),
            Cause::Unfit(why) => write!(f, "{why}"),
            Cause::TooLarge => f.write_str("the letter is larger than the server takes"),
            Cause::NoMessageId => f.write_str("the letter has no plain Message-ID"),
            Cause::Resting(left) => write!(f, "no smarthost works, the next try comes in {} s", left.as_secs()),
            Cause::Closing => f.write_str("the gateway is stopping"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.phase, self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(phase: Phase, code: u16, enhanced: Option<(u16, u16)>) -> String {
        let enhanced = enhanced.map(|(subject, detail)| EnhancedCode(code / 100, subject, detail));
        match refusal(phase, Reply { code, enhanced }) {
            Delivery::Accepted { .. } => "accepted".into(),
            Delivery::Deferred { class, .. } => format!("deferred {class:?}"),
            Delivery::Rejected { class, .. } => format!("rejected {class:?}"),
            Delivery::InDoubt { .. } => "in doubt".into(),
        }
    }

    #[test]
    fn replies_are_judged_by_phase_and_enhanced_code() {
        use Phase::{Auth, Data, Dot, Greeting, Hello, MailFrom, RcptTo, StartTls};
        for (phase, code, enhanced, expected) in [
            (Greeting, 554, None, "deferred Session"),
            (Hello, 550, None, "deferred Session"),
            (StartTls, 454, None, "deferred Session"),
            (Auth, 535, Some((7, 8)), "deferred Session"),
            (MailFrom, 550, Some((1, 8)), "deferred Session"),
            (MailFrom, 452, None, "deferred Session"),
            (MailFrom, 552, Some((3, 4)), "rejected Message"),
            (RcptTo, 421, None, "deferred Session"),
            (RcptTo, 450, Some((3, 0)), "deferred Recipient"),
            (RcptTo, 451, Some((7, 1)), "deferred Recipient"),
            (RcptTo, 550, None, "rejected Recipient"),
            (RcptTo, 552, None, "deferred Recipient"),
            (RcptTo, 530, None, "rejected Policy"),
            (RcptTo, 554, None, "rejected Message"),
            (RcptTo, 550, Some((1, 1)), "rejected Recipient"),
            (RcptTo, 550, Some((1, 2)), "rejected Recipient"),
            (RcptTo, 550, Some((1, 3)), "rejected Recipient"),
            (RcptTo, 550, Some((1, 10)), "rejected Recipient"),
            (RcptTo, 550, Some((2, 1)), "rejected Recipient"),
            (RcptTo, 552, Some((2, 2)), "deferred Recipient"),
            (RcptTo, 550, Some((3, 2)), "deferred Recipient"),
            (RcptTo, 550, Some((4, 1)), "deferred Recipient"),
            (RcptTo, 553, Some((1, 8)), "rejected Policy"),
            (RcptTo, 550, Some((7, 1)), "rejected Policy"),
            (RcptTo, 354, None, "deferred Session"),
            (Data, 421, None, "deferred Session"),
            (Data, 451, None, "deferred Message"),
            (Data, 554, Some((5, 1)), "rejected Message"),
            (Data, 250, None, "deferred Session"),
            (Dot, 421, None, "deferred Message"),
            (Dot, 452, None, "deferred Message"),
            (Dot, 550, None, "rejected Message"),
            (Dot, 550, Some((1, 1)), "rejected Recipient"),
            (Dot, 550, Some((7, 1)), "rejected Policy"),
            (Dot, 554, Some((6, 0)), "rejected Message"),
            (Dot, 354, None, "in doubt"),
        ] {
            assert_eq!(judged(phase, code, enhanced), expected, "{phase:?} {code} {enhanced:?}");
        }
    }

    #[test]
    fn only_a_connection_lost_after_the_dot_leaves_doubt() {
        for phase in [Phase::Connect, Phase::Greeting, Phase::MailFrom, Phase::RcptTo, Phase::Data, Phase::Body] {
            let trouble = Trouble { phase, cause: Cause::Closed };
            assert_eq!(failure(trouble), Delivery::Deferred { class: Class::Session, trouble });
        }
        let trouble = Trouble { phase: Phase::Dot, cause: Cause::TimedOut };
        assert_eq!(failure(trouble), Delivery::InDoubt { trouble });
    }

    #[test]
    fn a_trouble_tells_phase_codes_and_our_own_words() {
        let reply = Reply { code: 550, enhanced: Some(EnhancedCode(5, 1, 1)) };
        let trouble = Trouble { phase: Phase::RcptTo, cause: Cause::Reply(reply) };
        assert_eq!(trouble.to_string(), "at RCPT TO: the server answered 550 5.1.1");
    }
}
