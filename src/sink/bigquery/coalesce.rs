//! A connection that combines small writes into large ones.
//!
//! HTTP/2 splits a request into frames of 16 KiB, unless the peer allows more, and `h2` flushes
//! after every frame. A megabyte then takes 64 system calls, and the kernel's work for each of them
//! is most of the cost of an append.
//!
//! Here a flush that follows a write does not write yet. It returns success and wakes the task, so
//! that the connection is polled again at once. If that poll writes the next frame, the frame joins
//! the buffer; otherwise it writes the buffer out. Flushed bytes never wait in the buffer while the
//! task sleeps.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

/// Size of a combined write: the most that the kernel passes down its network stack as one segment.
const BUFFER_BYTES: usize = 64 << 10;

/// `inner` with a write buffer.
pub(super) struct Coalesced<C> {
    inner: C,
    /// Bytes accepted by `poll_write`. The first `sent` of them are written to `inner`.
    buffer: Vec<u8>,
    sent: usize,
    /// There was a write since the last flush.
    written_since_flush: bool,
}

impl<C: Write + Unpin> Coalesced<C> {
    pub(super) fn new(inner: C) -> Self {
        Self { inner, buffer: Vec::new(), sent: 0, written_since_flush: false }
    }

    /// Writes the whole buffer to `inner`.
    fn write_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.buffer.len() {
            let rest = &self.buffer[self.sent..];
            match ready!(Pin::new(&mut self.inner).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sent += count,
            }
        }
        self.buffer.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

impl<C: Write + Unpin> Write for Coalesced<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.buffer.len() >= BUFFER_BYTES {
            ready!(self.write_out(context))?;
        }
        let accepted = bytes.len().min(BUFFER_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..accepted]);
        self.written_since_flush = true;
        Poll::Ready(Ok(accepted))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.written_since_flush) && self.buffer.len() < BUFFER_BYTES {
            context.waker().wake_by_ref();
            return Poll::Ready(Ok(()));
        }
        ready!(self.write_out(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_out(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<C: Read + Write + Unpin> Read for Coalesced<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(context, into);
        // With nothing to read, bytes that were flushed have to go out before we wait for an
        // answer. The read comes first, so that a failing write does not hide an answer that has
        // arrived.
        if read.is_pending()
            && !self.written_since_flush
            && let Poll::Ready(Err(error)) = self.write_out(context)
        {
            return Poll::Ready(Err(error));
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper_util::rt::TokioIo;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const FRAME: usize = 16 << 10;

    type Ours = TokioIo<Coalesced<TokioIo<DuplexStream>>>;

    fn connected(capacity: usize) -> (Ours, DuplexStream) {
        let (ours, theirs) = duplex(capacity);
        (TokioIo::new(Coalesced::new(TokioIo::new(ours))), theirs)
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let within = Duration::from_secs(30);
        runtime
            .block_on(async { tokio::time::timeout(within, test).await.expect("does not hang") });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn all_bytes_arrive_in_order(
            writes in prop::collection::vec((0..3 * FRAME, any::<bool>()), 0..20),
            capacity in 1..200_000usize,
        ) {
            run(async {
                let (mut ours, mut theirs) = connected(capacity);
                let sent: Vec<u8> = (0..writes.iter().map(|(count, _)| count).sum())
                    .map(|at: usize| (at % 251) as u8)
                    .collect();
                let expected = sent.clone();
                let reading = tokio::spawn(async move {
                    let mut received = Vec::new();
                    theirs.read_to_end(&mut received).await.unwrap();
                    assert!(received == expected, "{} of {} bytes", received.len(), expected.len());
                });
                let mut rest = &sent[..];
                for (count, flush) in writes {
                    let (now, later) = rest.split_at(count);
                    ours.write_all(now).await.unwrap();
                    if flush {
                        ours.flush().await.unwrap();
                    }
                    rest = later;
                }
                ours.shutdown().await.unwrap();
                drop(ours);
                reading.await.unwrap();
            });
        }
    }

    /// A TLS handshake writes, flushes once, and then only waits for the answer.
    #[test]
    fn one_flush_before_a_read_sends_everything() {
        run(async {
            let (mut ours, mut theirs) = connected(1 << 10);
            let peer = tokio::spawn(async move {
                for _ in 0..3 {
                    let mut question = [0; 4];
                    theirs.read_exact(&mut question).await.unwrap();
                    theirs.write_all(&question).await.unwrap();
                }
            });
            for _ in 0..3 {
                ours.write_all(b"ping").await.unwrap();
                ours.flush().await.unwrap();
                let mut answer = [0; 4];
                ours.read_exact(&mut answer).await.unwrap();
                assert_eq!(&answer, b"ping");
            }
            peer.await.unwrap();
        });
    }

    /// Accepts every write and records its size.
    #[derive(Default)]
    struct RecordedWrites(Vec<usize>);

    impl AsyncWrite for RecordedWrites {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.push(bytes.len());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn flushed_frames_are_combined() {
        run(async {
            let mut ours = TokioIo::new(Coalesced::new(TokioIo::new(RecordedWrites::default())));
            for _ in 0..2 * BUFFER_BYTES / FRAME + 2 {
                ours.write_all(&[7; FRAME]).await.unwrap();
                ours.flush().await.unwrap();
            }
            ours.flush().await.unwrap();
            assert_eq!(ours.inner().inner.inner().0, [BUFFER_BYTES, BUFFER_BYTES, 2 * FRAME]);
        });
    }
}
