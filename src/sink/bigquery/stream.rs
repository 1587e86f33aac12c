//! Write streams and places in them, and the promises that these are outside of this sink.

use std::sync::Arc;

use crate::sink::{Promise, SinkName};

/// This sink in the metadata of offset commits.
pub const NAME: SinkName = SinkName("bigquery");

/// Full name of a write stream: `projects/P/datasets/D/tables/T/streams/S`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamName(pub Arc<str>);

/// The first `rows` rows of a write stream. `rows` is never 0: `FlushRows` takes the offset of the
/// last of them, `rows - 1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPlace {
    pub stream: StreamName,
    pub rows: u64,
}

impl From<StreamPlace> for Promise {
    fn from(place: StreamPlace) -> Self {
        Self::new(NAME, place.stream.0, place.rows)
    }
}

/// Promises of other sinks are refused before they reach this one.
impl From<Promise> for StreamPlace {
    fn from(promise: Promise) -> Self {
        Self { stream: StreamName(promise.series().clone()), rows: promise.rows() }
    }
}
