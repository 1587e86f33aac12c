//! A connection whose small writes go out together.
//!
//! HTTP/2 cuts a request into frames of 16 KiB, unless the peer allows more, and `h2` flushes
//! behind every frame. A megabyte is 64 system calls then, each with its own way through the
//! kernel, which is most of what an append costs. Here a flush that follows a write is put off
//! until the next call, whatever it is, and asks to be called again at once, so that nothing waits:
//! in a row of frames the next call brings the next frame.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

/// What is written at once: the most that the kernel passes down its stack as one segment.
const AT_ONCE: usize = 64 << 10;

/// `inner` with a buffer before it.
pub(super) struct Coalesced<C> {
    inner: C,
    /// Written to us and not to `inner` yet, from `sent` on.
    held: Vec<u8>,
    sent: usize,
    /// Something was written since the last flush.
    fresh: bool,
}

impl<C: Write + Unpin> Coalesced<C> {
    pub(super) fn new(inner: C) -> Self {
        Self { inner, held: Vec::new(), sent: 0, fresh: false }
    }

    /// Writes out all that is held.
    fn send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.held.len() {
            let rest = &self.held[self.sent..];
            match ready!(Pin::new(&mut self.inner).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sent += count,
            }
        }
        self.held.clear();
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
        if self.held.len() >= AT_ONCE {
            ready!(self.send(context))?;
        }
        let taken = bytes.len().min(AT_ONCE - self.held.len());
        self.held.extend_from_slice(&bytes[..taken]);
        self.fresh = true;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.fresh) && self.held.len() < AT_ONCE {
            context.waker().wake_by_ref();
            return Poll::Ready(Ok(()));
        }
        ready!(self.send(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send(context))?;
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
        // What a flush was asked for goes before an answer is awaited. What has come already is
        // taken first: an error of writing must not hide it.
        if read.is_pending()
            && !self.fresh
            && let Poll::Ready(Err(error)) = self.send(context)
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

    fn connected(room: usize) -> (Ours, DuplexStream) {
        let (ours, theirs) = duplex(room);
        (TokioIo::new(Coalesced::new(TokioIo::new(ours))), theirs)
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let within = Duration::from_secs(30);
        runtime.block_on(async { tokio::time::timeout(within, test).await.expect("no stall") });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_comes_in_order(
            writes in prop::collection::vec((0..3 * FRAME, any::<bool>()), 0..20), room in 1..200_000usize,
        ) {
            run(async {
                let (mut ours, mut theirs) = connected(room);
                let sent: Vec<u8> = (0..writes.iter().map(|(count, _)| count).sum())
                    .map(|at: usize| (at % 251) as u8)
                    .collect();
                let expected = sent.clone();
                let reading = tokio::spawn(async move {
                    let mut came = Vec::new();
                    theirs.read_to_end(&mut came).await.unwrap();
                    assert!(came == expected, "{} of {} bytes", came.len(), expected.len());
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

    /// As TLS shakes hands: one flush, and then only an answer is awaited.
    #[test]
    fn one_flush_is_enough() {
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

    /// Takes all it is given, and notes how much that was each time.
    #[derive(Default)]
    struct Noting(Vec<usize>);

    impl AsyncWrite for Noting {
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
    fn frames_go_out_together() {
        run(async {
            let mut ours = TokioIo::new(Coalesced::new(TokioIo::new(Noting::default())));
            for _ in 0..2 * AT_ONCE / FRAME + 2 {
                ours.write_all(&[7; FRAME]).await.unwrap();
                ours.flush().await.unwrap();
            }
            ours.flush().await.unwrap();
            assert_eq!(ours.inner().inner.inner().0, [AT_ONCE, AT_ONCE, 2 * FRAME]);
        });
    }
}
