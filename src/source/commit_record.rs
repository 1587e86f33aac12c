//! What an offset commit carries beside the offset: which rows it promises to make visible.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::sink::{StreamName, StreamPlace};

/// Version of the metadata this program writes and reads.
const VERSION: u32 = 1;

/// Brokers keep 4,096 bytes of metadata by default (`offset.metadata.max.bytes`).
const MOST_BYTES: usize = 4096;

/// The metadata of a commit as JSON: `{"v":1,"stream":"projects/…","flush_to":41}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitRecord {
    v: u32,
    stream: String,
    /// Offset in the stream of the last promised row, as `FlushRows` takes it.
    flush_to: u64,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecordError {
    /// Written by a later version of this program: guessing could lose rows.
    #[error("the committed metadata has version {0}, this program reads version {VERSION}")]
    Version(u32),
    #[error("the committed metadata is damaged: {0:?}")]
    Damaged(String),
    #[error("the stream name does not fit into {MOST_BYTES} bytes of metadata")]
    TooLong,
}

impl CommitRecord {
    /// Metadata for a promise; empty where nothing is promised.
    pub fn write(promise: Option<&StreamPlace>) -> Result<String, RecordError> {
        let Some(place) = promise else { return Ok(String::new()) };
        let record = Self {
            v: VERSION,
            stream: place.stream.0.to_string(),
            flush_to: place.rows.saturating_sub(1),
        };
        let text = serde_json::to_string(&record).unwrap_or_default();
        if text.is_empty() || text.len() > MOST_BYTES {
            Err(RecordError::TooLong)
        } else {
            Ok(text)
        }
    }

    /// Reads metadata back. What is no record of ours (another consumer's note, nothing at all)
    /// promises nothing; a record of another version is an error.
    pub fn read(metadata: &str) -> Result<Option<StreamPlace>, RecordError> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        // Taking a damaged record of ours for a stranger's note would lose the rows it promises.
        if !metadata.trim_start().starts_with("{\"v\":") {
            return Ok(None);
        }
        match serde_json::from_str::<Version>(metadata) {
            Ok(Version { v }) if v != VERSION => return Err(RecordError::Version(v)),
            Ok(_) => {}
            Err(_) => return Err(RecordError::Damaged(metadata.to_owned())),
        }
        let record = serde_json::from_str::<Self>(metadata)
            .map_err(|_| RecordError::Damaged(metadata.to_owned()))?;
        Ok(Some(StreamPlace {
            stream: StreamName(Arc::from(record.stream)),
            rows: record.flush_to.saturating_add(1),
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(stream in "projects/[a-z]{1,40}/streams/[A-Za-z0-9:_-]{1,80}", rows in 1..u64::MAX) {
            let place = StreamPlace { stream: StreamName(Arc::from(stream)), rows };
            let text = CommitRecord::write(Some(&place)).expect("fits");
            prop_assert_eq!(CommitRecord::read(&text), Ok(Some(place)));
        }

        #[test]
        fn strangers_metadata_promises_nothing(text in "[^{]*") {
            prop_assert_eq!(CommitRecord::read(&text), Ok(None));
        }
    }

    #[test]
    fn nothing_promised_is_no_metadata() {
        assert_eq!(CommitRecord::write(None), Ok(String::new()));
        assert_eq!(CommitRecord::read(""), Ok(None));
    }

    #[test]
    fn a_later_version_is_refused() {
        let text = r#"{"v":2,"stream":"s","flush_to":1}"#;
        assert_eq!(CommitRecord::read(text), Err(RecordError::Version(2)));
    }

    #[test]
    fn a_damaged_record_is_refused() {
        for text in [
            "{\"v\":1,\"stream\":\"s\",\"flush_to\":4",
            "{\"v\":1,\"stream\":\"s\",\"flush_to\":4}V",
            "{\"v\":1}",
        ] {
            assert!(matches!(CommitRecord::read(text), Err(RecordError::Damaged(_))), "{text}");
        }
    }

    #[test]
    fn a_name_too_long_for_the_broker_is_refused() {
        let place = StreamPlace { stream: StreamName(Arc::from("s".repeat(5000))), rows: 1 };
        assert_eq!(CommitRecord::write(Some(&place)), Err(RecordError::TooLong));
    }
}
