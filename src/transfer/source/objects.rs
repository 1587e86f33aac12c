//! Objects of buckets, as files that are read on a thread.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::runtime::Handle;

use crate::config::location::Remote;
use crate::remote::{Fault, FetchError, Fetcher};

/// Where objects are read from. Its readers block the thread, which is none of the runtime's.
#[derive(Clone)]
pub struct Objects {
    fetcher: Arc<Fetcher>,
    runtime: Handle,
}

impl Objects {
    /// Has to be called inside the tokio runtime.
    pub fn new(fetcher: Fetcher) -> Self {
        Self { fetcher: Arc::new(fetcher), runtime: Handle::current() }
    }

    /// The bytes of an object; `None` if there is none.
    pub async fn size(&self, at: &Remote) -> Result<Option<u64>, FetchError> {
        match self.fetcher.open(at).await {
            Ok(object) => Ok(Some(object.size)),
            Err(FetchError { fault: Fault::NoSuchDocument(_), .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An object whose ranges are read, and its bytes.
    pub fn ranges(&self, at: &Remote) -> Result<(ObjectRanges, u64), FetchError> {
        let object = self.runtime.block_on(self.fetcher.open(at))?;
        let (of, etag) = (self.clone(), object.etag);
        Ok((ObjectRanges { of, at: at.clone(), etag }, object.size))
    }

    /// Begins to read an object.
    pub fn open(&self, at: &Remote) -> Result<impl Read + 'static, FetchError> {
        let object = self.runtime.block_on(self.fetcher.open(at))?;
        Ok(Reader {
            bytes: object.bytes,
            current: Bytes::new(),
            left: object.size,
            runtime: self.runtime.clone(),
        })
    }
}

/// An object of which any range can be read.
pub struct ObjectRanges {
    of: Objects,
    at: Remote,
    etag: Option<String>,
}

impl ObjectRanges {
    /// These bytes of the object. One that was replaced meanwhile is an error.
    pub fn read(&self, range: Range<u64>) -> Result<Bytes, FetchError> {
        let Objects { fetcher, runtime } = &self.of;
        runtime.block_on(fetcher.range(&self.at, range, self.etag.as_deref()))
    }
}

/// An object whose bytes are on their way.
struct Reader {
    bytes: BoxStream<'static, object_store::Result<Bytes>>,
    current: Bytes,
    /// Bytes that are to come.
    left: u64,
    runtime: Handle,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.runtime.block_on(self.bytes.next()) {
                Some(next) => self.current = next.map_err(io::Error::other)?,
                // A connection that is cut must not look like the end of a shorter file.
                None if self.left > 0 => {
                    let missing = format!("the object ends {} bytes too early", self.left);
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, missing));
                }
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        self.left = self.left.saturating_sub(length as u64);
        Ok(length)
    }
}
