//! The metadata of an offset commit: which rows the commit promises to make visible.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::sink::{Promise, SinkName};

/// Version of the metadata that this program writes and reads.
const VERSION: u32 = 1;

/// Brokers keep 4,096 bytes of metadata by default (`offset.metadata.max.bytes`).
const MOST_BYTES: usize = 4096;

/// The sink of metadata that names none: early releases supported only this one.
const UNNAMED: &str = "bigquery";

/// The metadata as JSON: `{"v":1,"stream":"projects/…","flush_to":41}`.
#[derive(Debug, Serialize, Deserialize)]
struct Metadata {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sink: Option<String>,
    /// The promise's series.
    stream: String,
    /// Index of the last promised row.
    flush_to: u64,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MetadataError {
    /// Written by a later version of this program: guessing could lose rows.
    #[error("the committed metadata has version {0}, this program reads version {VERSION}")]
    Version(u32),
    #[error("the committed metadata is damaged: {0:?}")]
    Damaged(String),
    /// Rows that only another sink can make visible.
    #[error("the committed metadata promises rows in {promised}, this instance writes to {ours}")]
    OtherSink { promised: String, ours: &'static str },
    #[error("the promise does not fit into {MOST_BYTES} bytes of metadata")]
    TooLong,
}

/// The metadata for a promise; empty where nothing is promised.
pub fn write(promise: Option<&Promise>) -> Result<String, MetadataError> {
    let Some(promise) = promise else { return Ok(String::new()) };
    let name = promise.sink().0;
    let metadata = Metadata {
        v: VERSION,
        sink: (name != UNNAMED).then(|| name.to_owned()),
        stream: promise.series().to_string(),
        flush_to: promise.rows().saturating_sub(1),
    };
    let text = serde_json::to_string(&metadata).unwrap_or_default();
    if text.is_empty() || text.len() > MOST_BYTES {
        return Err(MetadataError::TooLong);
    }
    Ok(text)
}

/// Reads metadata back. What this program did not write (another consumer's note, nothing at all)
/// promises nothing.
pub fn read(metadata: &str, ours: SinkName) -> Result<Option<Promise>, MetadataError> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    // Metadata of ours that is damaged must not pass as another program's: its rows would be lost.
    if !metadata.trim_start().starts_with("{\"v\":") {
        return Ok(None);
    }
    let damaged = |_| MetadataError::Damaged(metadata.to_owned());
    let Version { v } = serde_json::from_str(metadata).map_err(damaged)?;
    if v != VERSION {
        return Err(MetadataError::Version(v));
    }
    let read: Metadata = serde_json::from_str(metadata).map_err(damaged)?;
    let promised = read.sink.as_deref().unwrap_or(UNNAMED);
    if promised != ours.0 {
        return Err(MetadataError::OtherSink { promised: promised.to_owned(), ours: ours.0 });
    }
    Ok(Some(Promise::new(ours, Arc::from(read.stream), read.flush_to.saturating_add(1))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BIGQUERY: SinkName = SinkName("bigquery");
    const OTHER: SinkName = SinkName("other");

    proptest! {
        #[test]
        fn what_is_written_is_read(
            series in "projects/[a-z]{1,40}/streams/[A-Za-z0-9:_-]{1,80}", rows in 1..u64::MAX,
            sink in prop_oneof![Just(BIGQUERY), Just(OTHER)],
        ) {
            let promise = Promise::new(sink, Arc::from(series), rows);
            let text = write(Some(&promise)).expect("fits");
            prop_assert_eq!(read(&text, sink), Ok(Some(promise)));
        }

        #[test]
        fn metadata_of_other_programs_promises_nothing(text in "[^{]*") {
            prop_assert_eq!(read(&text, BIGQUERY), Ok(None));
        }
    }

    #[test]
    fn nothing_promised_is_no_metadata() {
        assert_eq!(write(None), Ok(String::new()));
        assert_eq!(read("", BIGQUERY), Ok(None));
    }

    /// Groups of released versions have this text in their offsets.
    #[test]
    fn bigquery_promises_read_and_write_as_they_always_did() {
        let text = r#"{"v":1,"stream":"projects/p/streams/s","flush_to":41}"#;
        let promise = Promise::new(BIGQUERY, Arc::from("projects/p/streams/s"), 42);
        assert_eq!(write(Some(&promise)).as_deref(), Ok(text));
        assert_eq!(read(text, BIGQUERY), Ok(Some(promise)));
    }

    #[test]
    fn a_promise_of_another_sink_is_refused() {
        let text = write(Some(&Promise::new(BIGQUERY, Arc::from("s"), 1))).expect("fits");
        let refused = MetadataError::OtherSink { promised: "bigquery".to_owned(), ours: "other" };
        assert_eq!(read(&text, OTHER), Err(refused));
        let text = write(Some(&Promise::new(OTHER, Arc::from("s"), 1))).expect("fits");
        assert!(matches!(read(&text, BIGQUERY), Err(MetadataError::OtherSink { .. })));
    }

    #[test]
    fn a_later_version_is_refused() {
        let text = r#"{"v":2,"stream":"s","flush_to":1}"#;
        assert_eq!(read(text, BIGQUERY), Err(MetadataError::Version(2)));
    }

    #[test]
    fn damaged_metadata_is_refused() {
        for text in [
            "{\"v\":1,\"stream\":\"s\",\"flush_to\":4",
            "{\"v\":1,\"stream\":\"s\",\"flush_to\":4}V",
            "{\"v\":1}",
        ] {
            assert!(matches!(read(text, BIGQUERY), Err(MetadataError::Damaged(_))), "{text}");
        }
    }

    #[test]
    fn a_promise_too_long_for_the_broker_is_refused() {
        let promise = Promise::new(BIGQUERY, Arc::from("s".repeat(5000)), 1);
        assert_eq!(write(Some(&promise)), Err(MetadataError::TooLong));
    }
}
