//! What a directory's server may send, held to bounds before the LDAP library sees it: whole messages of a bounded size
//! and depth, whose envelope is as RFC 4511 has it. And the plain request that TLS begin (4.14), which the library would
//! make without bounds on a connection that anybody may write to.

use std::convert::Infallible;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

/// Largest message: an entry with all the attributes that are asked for is a few hundred bytes.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// All messages of one connection.
const CONNECTION_BYTES_MAX: usize = 256 << 20;
/// An entry's values stand at the fifth.
const DEPTH_MAX: usize = 16;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const ENUMERATED: u8 = 0x0A;
const EXTENDED_RESPONSE: u8 = 0x78;
const CONSTRUCTED: u8 = 0x20;
/// Message 1: ExtendedRequest 1.3.6.1.4.1.1466.20037.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// What is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("the directory broke the connection")]
    Cut(io::ErrorKind),
    #[error("the directory sent a message of more than 1 MiB")]
    TooLong,
    #[error("the directory sent more than 256 MiB")]
    TooMuch,
    #[error("the directory does not speak LDAP")]
    Malformed,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken::Cut(error.kind())
    }
}

/// Passes on what either side says, the server's messages only if they are sound. A server that ends between two
/// messages is the library's to notice, once it has read them: this ends only where something is wrong.
pub async fn pass_on<S: AsyncRead + AsyncWrite + Unpin>(server: S, library: UnixStream) -> Broken {
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let (mut from_library, mut to_library) = library.into_split();
    let answers = async {
        let mut passed = 0;
        loop {
            let Some(message) = read_message(&mut from_server).await? else { break };
            passed += message.len();
            if passed > CONNECTION_BYTES_MAX {
                return Err(Broken::TooMuch);
            }
            to_library.write_all(&message).await?;
        }
        to_library.shutdown().await?;
        std::future::pending().await
    };
    let requests = async {
        tokio::io::copy(&mut from_library, &mut to_server).await?;
        std::future::pending().await
    };
    let broken: Result<Infallible, Broken> = tokio::select! {
        broken = answers => broken,
        broken = requests => broken,
    };
    match broken {
        Err(broken) => broken,
    }
}

/// Asks for TLS on a fresh connection; the result code.
pub async fn start_tls<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<u32, Broken> {
    stream.write_all(START_TLS).await?;
    let message = read_message(stream).await?.ok_or(Broken::Cut(io::ErrorKind::UnexpectedEof))?;
    let (_, message, _) = element(&message).ok_or(Broken::Malformed)?;
    let (_, _, rest) = element(message).ok_or(Broken::Malformed)?;
    match element(rest) {
        Some((EXTENDED_RESPONSE, response, _)) => match element(response) {
            Some((ENUMERATED, [code], _)) => Ok(u32::from(*code)),
            _ => Err(Broken::Malformed),
        },
        _ => Err(Broken::Malformed),
    }
}

/// The next message; none where the server ended between two.
async fn read_message(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Vec<u8>>, Broken> {
    let mut message = vec![0; 2];
    let Some((tag, rest)) = message.split_first_mut() else { return Err(Broken::Malformed) };
    if stream.read(std::slice::from_mut(tag)).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(rest).await?;
    let length = match message.as_slice() {
        [SEQUENCE, short @ ..=0x7f] => usize::from(*short),
        [SEQUENCE, long @ 0x81..=0x84] => {
            let mut bytes = vec![0; usize::from(long & 0x7f)];
            stream.read_exact(&mut bytes).await?;
            message.extend_from_slice(&bytes);
            bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
        }
        _ => return Err(Broken::Malformed),
    };
    if length > MESSAGE_BYTES_MAX {
        return Err(Broken::TooLong);
    }
    let head = message.len();
    message.resize(head + length, 0);
    stream.read_exact(message.get_mut(head..).unwrap_or_default()).await?;
    if is_sound(&message) { Ok(Some(message)) } else { Err(Broken::Malformed) }
}

/// A number, an operation, perhaps controls; everything within its parent, nothing too deep.
fn is_sound(message: &[u8]) -> bool {
    let Some((SEQUENCE, content, [])) = element(message) else { return false };
    let Some((INTEGER, [_, ..], rest)) = element(content) else { return false };
    if rest.is_empty() {
        return false;
    }
    let mut open = vec![rest];
    while let Some(level) = open.pop() {
        if level.is_empty() {
            continue;
        }
        let Some((tag, value, rest)) = element(level) else { return false };
        open.push(rest);
        if tag & CONSTRUCTED != 0 {
            open.push(value);
        }
        if open.len() > DEPTH_MAX {
            return false;
        }
    }
    true
}

/// The first element of BER with a definite length: its tag, its content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        ..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// SearchResultDone, success, of message 2.
    const DONE: &[u8] = &[0x30, 0x0c, 0x02, 0x01, 0x02, 0x65, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00];

    async fn passed(sent: &[u8]) -> (Vec<u8>, Option<Broken>) {
        let (server, mut wire) = tokio::io::duplex(4 << 20);
        let (library, far) = UnixStream::pair().unwrap();
        wire.write_all(sent).await.unwrap();
        drop(wire);
        let reading = tokio::spawn(async move {
            let (mut far, mut got) = (far, Vec::new());
            far.read_to_end(&mut got).await.unwrap();
            got
        });
        let mut reading = reading;
        tokio::select! {
            got = &mut reading => (got.unwrap(), None),
            broken = pass_on(server, library) => (reading.await.unwrap(), Some(broken)),
        }
    }

    #[tokio::test]
    async fn sound_messages_pass_and_the_first_unsound_one_ends_it() {
        let twice = [DONE, DONE].concat();
        assert_eq!(passed(&twice).await, (twice, None));
        let nested = |depth: usize| {
            (0..depth)
                .fold(vec![0x04, 0x00], |inner, _| [&[0x30, u8::try_from(inner.len()).unwrap()], &inner[..]].concat())
        };
        let message = |operation: Vec<u8>| {
            let content = [&[0x02, 0x01, 0x02][..], &operation].concat();
            [&[0x30, u8::try_from(content.len()).unwrap()], &content[..]].concat()
        };
        let (got, ended) = passed(&message(nested(5))).await;
        assert!(!got.is_empty() && ended.is_none());
        for (unsound, why) in [
            (message(nested(40)), Broken::Malformed),
            (message(Vec::new()), Broken::Malformed),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), Broken::Malformed),
            (vec![0x30, 0x80, 0x02, 0x01, 0x02, 0x00, 0x00], Broken::Malformed),
            (vec![0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Broken::Malformed),
            (vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff], Broken::TooLong),
            (DONE[..9].to_vec(), Broken::Cut(io::ErrorKind::UnexpectedEof)),
            (message(vec![0x65, 0x7f, 0x0a]), Broken::Malformed),
        ] {
            let (got, ended) = passed(&[DONE, &unsound].concat()).await;
            assert_eq!((got.as_slice(), ended), (DONE, Some(why)), "{unsound:x?}");
        }
    }

    #[tokio::test]
    async fn tls_is_asked_for_as_the_rfc_writes_it_and_the_answers_code_is_told() {
        for (code, answer) in [(0, 0_u8), (52, 52)] {
            let (mut near, mut far) = tokio::io::duplex(1024);
            let server = tokio::spawn(async move {
                let mut request = vec![0; START_TLS.len()];
                far.read_exact(&mut request).await.unwrap();
                let response = [0x30, 0x0c, 0x02, 0x01, 0x01, 0x78, 0x07, 0x0a, 0x01, answer, 0x04, 0x00, 0x04, 0x00];
                far.write_all(&response).await.unwrap();
                request
            });
            assert_eq!(start_tls(&mut near).await, Ok(code));
            let request = server.await.unwrap();
            assert_eq!(request.len(), 2 + usize::from(request[1]));
            assert!(is_sound(&request));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_check_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = is_sound(&bytes);
        }
    }
}
