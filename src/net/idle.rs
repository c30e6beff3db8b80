//! A stream that fails with `TimedOut` when nothing has moved in either direction for too long: readers that stop
//! reading, HTTP/2 connections that nobody uses. A deadline for a whole request is not here.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Wraps a connection. One task must drive both halves: the deadline wakes whoever polled last.
#[derive(Debug)]
pub struct IdleIo<S> {
    stream: S,
    idle: Duration,
    moved: Instant,
    deadline: Pin<Box<Sleep>>,
}

impl<S> IdleIo<S> {
    /// Reads and writes of `stream` fail once no byte has moved for `idle`.
    pub fn new(stream: S, idle: Duration) -> IdleIo<S> {
        IdleIo { stream, idle, moved: Instant::now(), deadline: Box::pin(sleep(idle)) }
    }

    fn progress(&mut self) {
        self.moved = Instant::now();
    }

    /// Called when the stream is pending. The timer is set anew only when it fires: progress costs a clock reading.
    fn poll_deadline<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        while self.deadline.as_mut().poll(cx).is_ready() {
            let until = self.moved + self.idle;
            if Instant::now() >= until {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.deadline.as_mut().reset(until);
        }
        Poll::Pending
    }

    fn written(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Ready(Ok(bytes)) => {
                if bytes > 0 {
                    self.progress();
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_deadline(cx),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for IdleIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                if buf.filled().len() > before {
                    self.progress();
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_deadline(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for IdleIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => self.poll_deadline(cx),
            ready => ready,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Pending => self.poll_deadline(cx),
            ready => ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const IDLE: Duration = Duration::from_millis(400);

    #[tokio::test]
    async fn a_peer_that_says_nothing_times_out() {
        let (ours, _theirs) = duplex(64);
        let started = Instant::now();
        let error = IdleIo::new(ours, IDLE).read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= IDLE);
    }

    #[tokio::test]
    async fn a_peer_that_stops_reading_times_out() {
        let (ours, _theirs) = duplex(64);
        let error = IdleIo::new(ours, IDLE).write_all(&[0; 65]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn progress_in_one_direction_gives_the_other_its_time_too() {
        let (ours, mut theirs) = duplex(64);
        let mut ours = IdleIo::new(ours, IDLE);
        let started = Instant::now();
        for _ in 0..3 {
            tokio::time::sleep(IDLE / 2).await;
            ours.write_u8(1).await.unwrap();
            theirs.read_u8().await.unwrap();
        }
        assert_eq!(ours.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= IDLE / 2 * 3 + IDLE);
    }
}
