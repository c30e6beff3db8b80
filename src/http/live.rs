//! Who watches a page is told at once: a stream of server-sent events for each, all fed from one place. A stream begins
//! after the last event that its reader has seen, as `Last-Event-ID` says.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use serde_json::json;
use tokio::sync::broadcast;

use super::problem::Problem;
use crate::admit::{IpKey, Place, Places, Taken};
use crate::domain::status::Audience;
use crate::domain::status::event::{Event, EventKind};
use crate::usecase::Gateway;

/// Events that a slow reader may be behind; one who is further behind is sent away and comes back.
const BEHIND_MAX: usize = 64;
/// Events told again to a reader who comes back. Who missed more sees them on the page.
const AGAIN_MAX: usize = 100;
/// A comment now and then tells both ends, and everything between them, that the other one lives.
const BEAT: Duration = Duration::from_secs(20);
/// What a browser waits before it comes back.
const COME_BACK: &str = "retry: 5000\n\n";

/// Feeds the streams, and counts them.
pub struct Live {
    sender: broadcast::Sender<Told>,
    places: Arc<Places>,
}

#[derive(Debug, Clone)]
enum Told {
    Event(Frame),
    End,
}

/// An event as it goes over the wire, and whose page may hear it.
#[derive(Debug, Clone)]
struct Frame {
    seq: u64,
    audience: Audience,
    bytes: Bytes,
}

impl Live {
    /// At most so many streams in all, and of one address.
    pub fn new(streams_max: usize, of_one_address_max: usize) -> Live {
        Live { sender: broadcast::Sender::new(BEHIND_MAX), places: Places::new(of_one_address_max, streams_max) }
    }

    /// Tells everybody. To be called when the pages show it.
    pub fn tell(&self, seq: u64, event: &Event) {
        // Nobody listening is no fault.
        let _ = self.sender.send(Told::Event(frame(seq, event)));
    }

    /// Ends every stream: the gateway stops.
    pub fn end(&self) {
        let _ = self.sender.send(Told::End);
    }

    /// A stream for a reader of one audience's pages, after the event that it saw last.
    pub async fn stream(
        &self,
        gateway: &Gateway,
        audience: Audience,
        seen: Option<u64>,
        address: IpKey,
    ) -> Result<Body, Problem> {
        let place = self.places.take(address).map_err(|taken| match taken {
            Taken::ByThisAddress => Problem::new("too-many-streams").retry_after(BEAT),
            Taken::ByAll => Problem::new("overloaded").retry_after(BEAT),
        })?;
        // Listening begins before the store is read: what happens between the two comes twice and is told once.
        let receiver = self.sender.subscribe();
        let newest = gateway.board().seq;
        let seen = seen.filter(|seen| *seen <= newest).unwrap_or(newest);
        let from = seen.max(newest.saturating_sub(AGAIN_MAX as u64));
        let missed = if from < newest { gateway.notices_after(from, AGAIN_MAX).await? } else { Vec::new() };
        let mut first = COME_BACK.as_bytes().to_vec();
        for (seq, event) in &missed {
            let frame = frame(*seq, event);
            if audience.sees(frame.audience) {
                first.extend_from_slice(&frame.bytes);
            }
        }
        let told = missed.last().map_or(from, |(seq, _)| *seq);
        let reader = Reader { receiver, audience, told, first: Some(first.into()), beat: BEAT, _place: place };
        Ok(Body::from_stream(stream::unfold(reader, Reader::next)))
    }
}

struct Reader {
    receiver: broadcast::Receiver<Told>,
    audience: Audience,
    /// The newest event that the reader has.
    told: u64,
    first: Option<Bytes>,
    beat: Duration,
    _place: Place,
}

impl Reader {
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Reader)> {
        if let Some(first) = self.first.take() {
            return Some((Ok(first), self));
        }
        loop {
            match tokio::time::timeout(self.beat, self.receiver.recv()).await {
                Err(_) => return Some((Ok(Bytes::from_static(b":\n\n")), self)),
                Ok(Ok(Told::Event(frame))) if frame.seq > self.told && self.audience.sees(frame.audience) => {
                    self.told = frame.seq;
                    return Some((Ok(frame.bytes), self));
                }
                Ok(Ok(Told::Event(_))) => {}
                // Too far behind, or the gateway stops: who comes back says what it saw last.
                Ok(Ok(Told::End) | Err(_)) => return None,
            }
        }
    }
}

fn frame(seq: u64, event: &Event) -> Frame {
    let subject = &event.subject;
    let data = json!({
        "kind": kind(event.kind),
        "at": event.at,
        "subject": subject.id(),
        "title": subject.title(),
        "impact": event.impact().as_str(),
        "over": subject.is_over(),
    });
    let bytes = format!("id: {seq}\ndata: {data}\n\n").into();
    Frame { seq, audience: subject.audience(), bytes }
}

fn kind(kind: EventKind) -> serde_json::Value {
    match kind {
        EventKind::Reminder(_) => json!("reminder"),
        kind => json!(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn told(frame: &Bytes) -> &str {
        std::str::from_utf8(frame).unwrap()
    }

    fn frame_of(seq: u64, audience: Audience) -> Told {
        Told::Event(Frame { seq, audience, bytes: format!("id: {seq}\n\n").into() })
    }

    fn reader(live: &Live, audience: Audience, told: u64) -> Body {
        let address = IpKey::new(std::net::IpAddr::from([192, 0, 2, 1]));
        let place = live.places.take(address).unwrap();
        let (receiver, beat) = (live.sender.subscribe(), Duration::from_millis(1));
        let reader = Reader { receiver, audience, told, first: None, beat, _place: place };
        Body::from_stream(stream::unfold(reader, Reader::next))
    }

    async fn next(body: &mut Body) -> Option<String> {
        Some(told(&body.frame().await?.unwrap().into_data().unwrap()).to_owned())
    }

    #[tokio::test]
    async fn each_reader_hears_what_its_pages_show_once_and_the_stop_ends_all() {
        let live = Live::new(10, 10);
        let (mut staff, mut public) = (reader(&live, Audience::Staff, 4), reader(&live, Audience::Public, 0));
        for (seq, audience) in [(4, Audience::Public), (5, Audience::Staff), (6, Audience::Public)] {
            live.sender.send(frame_of(seq, audience)).unwrap();
        }
        live.end();
        assert_eq!(next(&mut staff).await.as_deref(), Some("id: 5\n\n"));
        assert_eq!(next(&mut staff).await.as_deref(), Some("id: 6\n\n"));
        assert_eq!(next(&mut staff).await, None);
        assert_eq!(next(&mut public).await.as_deref(), Some("id: 4\n\n"));
        assert_eq!(next(&mut public).await.as_deref(), Some("id: 6\n\n"));
        assert_eq!(next(&mut public).await, None);
        drop((staff, public));
        assert_eq!(live.places.held(), 0);
    }

    #[tokio::test]
    async fn a_quiet_stream_beats_and_one_that_falls_behind_ends() {
        let live = Live::new(10, 10);
        let mut stream = reader(&live, Audience::Staff, 0);
        assert_eq!(next(&mut stream).await.as_deref(), Some(":\n\n"));
        for seq in 1..=BEHIND_MAX as u64 + 1 {
            live.sender.send(frame_of(seq, Audience::Staff)).unwrap();
        }
        assert_eq!(next(&mut stream).await, None);
    }
}
