//! An event of a request, before it is checked.

use std::borrow::Cow;

use super::refusal::Refusal;

/// Names and values of a record's headers.
pub(super) type Headers = Vec<(String, Option<Vec<u8>>)>;

/// One event. What is published is a slice of the body, unless it was base64 there.
#[derive(Debug)]
pub(super) struct Incoming<'b> {
    pub value: Result<Cow<'b, [u8]>, Refusal>,
    /// The headers of this event alone.
    pub headers: Headers,
    /// The key that the event itself names.
    pub key: Option<Vec<u8>>,
}
