//! An object whose bytes are on their way.

use bytes::Bytes;
use futures_util::stream::BoxStream;

/// A response of a store: what it says of the object, and its bytes.
pub struct Opened {
    /// Bytes of the object, where the store says so.
    pub size: Option<u64>,
    /// Its type, as the store has it: `application/gzip`.
    pub content_type: Option<String>,
    /// An error is why no more bytes come; another attempt may succeed.
    pub bytes: BoxStream<'static, Result<Bytes, String>>,
}
