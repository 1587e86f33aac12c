//! Hands an object's bytes from the download to a reader on a thread of its own, and checks size and
//! digest on the way. A few chunks are in memory at a time.

use std::io::{self, Read};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::fault::Fault;
use super::opened::Opened;
use crate::record::Reason;

/// Chunks that may wait for the reader. A chunk is what came with one read of a connection.
const WAITING: usize = 4;

/// What is checked while an object arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checks {
    /// The most bytes of an object.
    pub most_bytes: u64,
    /// How long the store may send nothing.
    pub idle: Duration,
    /// Bytes that the object has to have.
    pub size: Option<u64>,
    /// The SHA-256 that it has to have, in hex.
    pub sha256: Option<String>,
}

/// Reads an object with `read`, which runs on a thread for blocking work. What it returns counts only
/// if the whole object has arrived and is the right one; what it leaves unread is read for that.
/// Where it fails, the rest is not fetched.
pub async fn read<T: Send + 'static, E: Send + 'static>(
    mut opened: Opened,
    checks: &Checks,
    read: impl FnOnce(&mut dyn Read) -> Result<T, E> + Send + 'static,
) -> Result<Result<T, E>, Fault> {
    check_size(&opened, checks)?;
    let (chunks, incoming) = mpsc::channel(WAITING);
    let reader = spawn_blocking(move || {
        let mut chunks = Chunks { incoming, current: Bytes::new() };
        let result = read(&mut chunks);
        if result.is_ok() {
            // Padding behind an archive's end is part of the object.
            let _ = io::copy(&mut chunks, &mut io::sink());
        }
        result
    });
    let arrived = arrive(&mut opened, checks, chunks).await;
    // It panicked, as it would again.
    let panicked = |_| Fault::rejected(Reason::ObjectUnreadable, "the reader failed (a bug)");
    let (arrived, result) = (arrived?, reader.await.map_err(panicked)?);
    match (arrived, result) {
        // The reader has given up, so what it says is of the part that it read.
        (Arrival::NotWanted, Ok(_)) => Err(Fault::Away("the reader is gone".to_owned())),
        (Arrival::NotWanted, Err(error)) => Ok(Err(error)),
        // A mismatch explains an archive that cannot be read.
        (Arrival::Whole { bytes, sha256 }, result) => {
            check_whole(bytes, &sha256, checks)?;
            Ok(result)
        }
    }
}

enum Arrival {
    Whole { bytes: u64, sha256: String },
    NotWanted,
}

fn check_size(opened: &Opened, checks: &Checks) -> Result<(), Fault> {
    match (opened.size, checks.size) {
        (Some(found), _) if found > checks.most_bytes => Err(too_large(checks)),
        (Some(found), Some(expected)) if found != expected => {
            Err(mismatch(format!("the object has {found} bytes, and the event says {expected}")))
        }
        _ => Ok(()),
    }
}

async fn arrive(
    opened: &mut Opened,
    checks: &Checks,
    chunks: mpsc::Sender<io::Result<Bytes>>,
) -> Result<Arrival, Fault> {
    let (mut bytes, mut digest) = (0_u64, Sha256::new());
    let ended = loop {
        let next = match timeout(checks.idle, opened.bytes.next()).await {
            Ok(None) => break None,
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => break Some(Fault::Away(error)),
            Err(_) => break Some(Fault::Away(format!("no bytes for {:?}", checks.idle))),
        };
        bytes += next.len() as u64;
        if bytes > checks.most_bytes {
            break Some(too_large(checks));
        }
        digest.update(&next);
        if chunks.send(Ok(next)).await.is_err() {
            return Ok(Arrival::NotWanted);
        }
    };
    match ended {
        None => {
            let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(Arrival::Whole { bytes, sha256 })
        }
        Some(fault) => {
            // Without it the reader would take the end of the bytes for the end of the object.
            let _ = chunks.send(Err(io::ErrorKind::ConnectionAborted.into())).await;
            Err(fault)
        }
    }
}

fn check_whole(bytes: u64, sha256: &str, checks: &Checks) -> Result<(), Fault> {
    if let Some(expected) = checks.size.filter(|expected| *expected != bytes) {
        let detail = format!("the object has {bytes} bytes, and the event says {expected}");
        return Err(mismatch(detail));
    }
    match &checks.sha256 {
        Some(expected) if !expected.eq_ignore_ascii_case(sha256) => {
            Err(mismatch("the object has another SHA-256 than the event says".to_owned()))
        }
        Some(_) | None => Ok(()),
    }
}

fn too_large(checks: &Checks) -> Fault {
    let detail = format!("the object has more than {} bytes", checks.most_bytes);
    Fault::rejected(Reason::ObjectTooLarge, detail)
}

fn mismatch(detail: String) -> Fault {
    Fault::rejected(Reason::ObjectMismatch, detail)
}

/// The chunks as one text of bytes.
struct Chunks {
    incoming: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.incoming.blocking_recv() {
                Some(chunk) => self.current = chunk?,
                None => return Ok(0),
            }
        }
        let length = into.len().min(self.current.len());
        self.current.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn opened(chunks: Vec<Result<&'static str, String>>, size: Option<u64>) -> Opened {
        let chunks = chunks.into_iter().map(|chunk| chunk.map(Bytes::from));
        Opened { size, content_type: None, bytes: stream::iter(chunks).boxed() }
    }

    fn checks() -> Checks {
        let idle = Duration::from_millis(50);
        Checks { most_bytes: 10, idle, size: None, sha256: None }
    }

    fn text(from: &mut dyn Read) -> io::Result<String> {
        let mut text = String::new();
        from.read_to_string(&mut text)?;
        Ok(text)
    }

    fn detail(fault: Fault) -> String {
        match fault {
            Fault::Rejected { reason, detail } => format!("{}: {detail}", reason.code()),
            Fault::Away(why) => format!("away: {why}"),
            Fault::Stop(stop) => stop.what,
        }
    }

    #[tokio::test]
    async fn a_whole_object_is_read_and_checked() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned();
        let right = Checks { size: Some(3), sha256: Some(sha256.to_uppercase()), ..checks() };
        let abc = || opened(vec![Ok("a"), Ok("bc")], None);
        let whole = read(abc(), &right, text).await.expect("arrived");
        assert_eq!(whole.expect("read"), "abc");
        let part = |from: &mut dyn Read| {
            let mut one = [0];
            from.read_exact(&mut one).map(|()| one[0])
        };
        assert_eq!(read(abc(), &right, part).await.expect("arrived").expect("read"), b'a');
        for (wrong, why) in [
            (Checks { size: Some(4), ..checks() }, "object_mismatch: the object has 3 bytes"),
            (
                Checks { sha256: Some("00".to_owned()), ..checks() },
                "object_mismatch: the object has another",
            ),
            (Checks { most_bytes: 2, ..checks() }, "object_too_large: the object has more than 2"),
        ] {
            let fault = read(abc(), &wrong, text).await.expect_err("refused");
            let detail = detail(fault);
            assert!(detail.starts_with(why), "{detail}");
        }
    }

    #[tokio::test]
    async fn what_the_store_says_of_the_size_is_checked_before_a_byte_is_read() {
        let unread = |_: &mut dyn Read| -> io::Result<()> { panic!("it is read") };
        for (size, expected, why) in
            [(11, None, "object_too_large"), (3, Some(4), "object_mismatch")]
        {
            let checks = Checks { size: expected, ..checks() };
            let fault =
                read(opened(vec![], Some(size)), &checks, unread).await.expect_err("refused");
            assert!(detail(fault).starts_with(why));
        }
    }

    #[tokio::test]
    async fn a_connection_that_ends_early_or_is_silent_is_an_outage_and_no_end_of_the_object() {
        let cut = opened(vec![Ok("a"), Err("reset".to_owned())], None);
        let fault = read(cut, &checks(), |from: &mut dyn Read| {
            let ended = text(from).expect_err("not the end");
            assert_eq!(ended.kind(), io::ErrorKind::ConnectionAborted);
            Err::<(), _>(ended)
        })
        .await;
        assert_eq!(detail(fault.expect_err("away")), "away: reset");
        let silent = Opened { size: None, content_type: None, bytes: stream::pending().boxed() };
        let fault = read(silent, &checks(), text).await.expect_err("away");
        assert_eq!(detail(fault), "away: no bytes for 50ms");
    }

    #[tokio::test]
    async fn a_reader_that_fails_ends_the_download() {
        let endless = stream::repeat_with(|| Ok(Bytes::from_static(b"x")));
        let endless = Opened { size: None, content_type: None, bytes: endless.boxed() };
        let checks = Checks { most_bytes: u64::MAX, ..checks() };
        let result = read(endless, &checks, |_: &mut dyn Read| Err::<(), _>("no archive")).await;
        assert_eq!(result.expect("no outage"), Err("no archive"));
    }
}
