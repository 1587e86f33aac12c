//! The metadata of an offset commit: which topic and which record the offset belongs to, and which
//! rows the commit promises to make visible.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ledger::CommitPoint;
use crate::record::{Bookmark, Offset, Reached};
use crate::sink::{Promise, SinkName};
use crate::topic_id::TopicId;

/// Version of the metadata that this program writes. It reads this one and those before.
const VERSION: u32 = 2;

/// Brokers keep 4,096 bytes of metadata by default (`offset.metadata.max.bytes`).
const MOST_BYTES: usize = 4096;

/// The sink of a promise that names none: early releases supported only this one.
const UNNAMED: &str = "bigquery";

const AUTHOR: &str = "generic-consumer";

/// What a group's commits say of its topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TopicNote {
    /// `None`: the brokers have no topic ids.
    pub id: Option<TopicId>,
    /// Number of the topic's partitions when the group began to read it. A partition with a number
    /// from here on was added later.
    pub began_with: Option<usize>,
}

/// What a commit says of its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    pub topic: TopicNote,
    pub reached: Reached,
    pub promise: Option<Promise>,
}

/// The metadata as JSON: `{"v":2,"by":"generic-consumer","topic":"…","began_with":12,"last":{…},
/// "last_row":40,"sink":"bigquery","stream":"projects/…","flush_to":41}`.
#[derive(Debug, Serialize, Deserialize)]
struct Metadata {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began_with: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Last>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_row: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sink: Option<String>,
    /// The promise's series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    /// Index of the last promised row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flush_to: Option<u64>,
}

/// The last record before the committed offset.
#[derive(Debug, Serialize, Deserialize)]
struct Last {
    offset: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<i64>,
    /// Sixteen hexadecimal digits: not every reader of JSON keeps 64 bits of a number.
    hash: String,
}

#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum MetadataError {
    /// Guessing what it means could lose rows.
    #[error(
        "the committed metadata was written by a newer version of {AUTHOR} (format {0}, this \
         program reads formats up to {VERSION})"
    )]
    Version(u32),
    #[error("the committed metadata is damaged: {0:?}")]
    Damaged(String),
    /// Rows that only another sink can make visible.
    #[error("the committed metadata promises rows in {promised}, this instance writes to {ours}")]
    OtherSink { promised: String, ours: &'static str },
    #[error("the promise does not fit into {MOST_BYTES} bytes of metadata")]
    TooLong,
}

/// The metadata of a commit.
pub fn write(topic: TopicNote, point: &CommitPoint) -> Result<String, MetadataError> {
    let CommitPoint { reached, promise } = point;
    let promise = promise.as_ref();
    let metadata = Metadata {
        v: VERSION,
        by: Some(AUTHOR.to_owned()),
        topic: topic.id.map(|id| id.to_string()),
        began_with: topic.began_with,
        last: reached.last.map(|last| Last {
            offset: last.offset.0,
            timestamp: last.timestamp_ms,
            hash: format!("{:016x}", last.hash),
        }),
        last_row: reached.last_row.map(|offset| offset.0),
        sink: promise.map(|promise| promise.sink().0.to_owned()),
        stream: promise.map(|promise| promise.series().to_string()),
        flush_to: promise.map(|promise| promise.rows().saturating_sub(1)),
    };
    let text = serde_json::to_string(&metadata).unwrap_or_default();
    if text.is_empty() || text.len() > MOST_BYTES {
        return Err(MetadataError::TooLong);
    }
    Ok(text)
}

/// Reads the metadata of an offset that the group has committed. Metadata that this program did not
/// write (another consumer's text, nothing at all) says nothing beyond the offset.
pub fn read(next: Offset, metadata: &str, ours: SinkName) -> Result<Noted, MetadataError> {
    // Some clients count the terminating NUL as part of the text.
    let metadata = metadata.trim_end_matches('\0');
    let Some(version) = version(metadata) else {
        let topic = TopicNote::default();
        return Ok(Noted { topic, reached: Reached::at(next), promise: None });
    };
    if version > VERSION {
        return Err(MetadataError::Version(version));
    }
    let damaged = || MetadataError::Damaged(metadata.to_owned());
    let read: Metadata = serde_json::from_str(metadata).map_err(|_| damaged())?;
    let id = read.topic.map(|id| id.parse()).transpose().map_err(|_| damaged())?;
    let last = |last: Last| {
        let hash = u64::from_str_radix(&last.hash, 16).ok()?;
        Some(Bookmark { offset: Offset(last.offset), timestamp_ms: last.timestamp, hash })
    };
    let last = read.last.map(|it| last(it).ok_or_else(damaged)).transpose()?;
    let last_row = read.last_row.map(Offset);
    let promise = match (read.stream, read.flush_to) {
        (None, None) if version > 1 => None,
        (Some(series), Some(flush_to)) => {
            let promised = read.sink.unwrap_or_else(|| UNNAMED.to_owned());
            if promised != ours.0 {
                return Err(MetadataError::OtherSink { promised, ours: ours.0 });
            }
            Some(Promise::new(ours, Arc::from(series), flush_to.saturating_add(1)))
        }
        _ => return Err(damaged()),
    };
    let topic = TopicNote { id, began_with: read.began_with };
    Ok(Noted { topic, reached: Reached { next, last, last_row }, promise })
}

/// The last row before a committed offset, as its metadata has it, whatever the sink.
pub fn last_row(metadata: &str) -> Result<Option<Offset>, MetadataError> {
    let metadata = metadata.trim_end_matches('\0');
    match version(metadata) {
        None => Ok(None),
        Some(version) if version > VERSION => Err(MetadataError::Version(version)),
        Some(_) => {
            let read: Metadata = serde_json::from_str(metadata)
                .map_err(|_| MetadataError::Damaged(metadata.to_owned()))?;
            Ok(read.last_row.map(Offset))
        }
    }
}

/// The topic of a committed offset, as its metadata has it.
pub fn topic_id(metadata: &str) -> Option<TopicId> {
    let read: Metadata = serde_json::from_str(metadata.trim_end_matches('\0')).ok()?;
    read.topic.filter(|_| read.v > 1)?.parse().ok()
}

/// Whether the metadata of a committed offset says which row is the last before it, or that there is none.
pub fn is_noted(metadata: &str) -> bool {
    version(metadata.trim_end_matches('\0')).is_some_and(|version| version > 1)
}

/// Whether all rows before a committed offset were visible when it was committed, as its metadata has it,
/// whatever the sink. What another program has committed does not say.
pub fn promises_nothing(metadata: &str) -> bool {
    let metadata = metadata.trim_end_matches('\0');
    let read = serde_json::from_str::<Metadata>(metadata);
    is_noted(metadata) && read.is_ok_and(|read| read.stream.is_none())
}

/// The version of metadata that this program wrote. It is recognised by how it begins, so that
/// metadata that was damaged further on does not pass as another program's: its rows would be lost.
fn version(metadata: &str) -> Option<u32> {
    let rest = metadata.strip_prefix("{\"v\":")?;
    let (number, rest) = rest.split_once(',')?;
    let number = number.parse().ok()?;
    let first_key = if number == 1 {
        &["\"stream\":", "\"sink\":"][..]
    } else {
        &["\"by\":\"generic-consumer\""]
    };
    first_key.iter().any(|key| rest.starts_with(key)).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BIGQUERY: SinkName = SinkName("bigquery");
    const OTHER: SinkName = SinkName("other");
    const NEXT: Offset = Offset(100);

    fn plain(next: Offset) -> Noted {
        Noted { topic: TopicNote::default(), reached: Reached::at(next), promise: None }
    }

    fn bookmarks() -> impl Strategy<Value = Bookmark> {
        (any::<i64>(), any::<Option<i64>>(), any::<u64>()).prop_map(
            |(offset, timestamp_ms, hash)| Bookmark { offset: Offset(offset), timestamp_ms, hash },
        )
    }

    fn notes() -> impl Strategy<Value = (SinkName, Noted)> {
        let series = "projects/[a-z]{1,40}/streams/[A-Za-z0-9:_-]{1,80}";
        (
            (any::<u128>(), any::<Option<usize>>()),
            (any::<i64>(), prop::option::of(bookmarks()), any::<Option<i64>>()),
            prop_oneof![Just(BIGQUERY), Just(OTHER)],
            prop::option::of((series, 1..u64::MAX)),
        )
            .prop_map(|((id, began_with), (next, last, row), sink, promise)| {
                let topic = TopicNote { id: TopicId::new(id), began_with };
                let reached = Reached { next: Offset(next), last, last_row: row.map(Offset) };
                let promise =
                    promise.map(|(series, rows)| Promise::new(sink, Arc::from(series), rows));
                (sink, Noted { topic, reached, promise })
            })
    }

    fn written(noted: &Noted) -> Result<String, MetadataError> {
        let point = CommitPoint { reached: noted.reached, promise: noted.promise.clone() };
        write(noted.topic, &point)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read((sink, noted) in notes()) {
            let text = written(&noted).expect("fits");
            prop_assert_eq!(read(noted.reached.next, &text, sink), Ok(noted.clone()));
            prop_assert_eq!(read(noted.reached.next, &format!("{text}\0"), sink), Ok(noted));
        }

        /// Any text of another program is a plain offset.
        #[test]
        fn metadata_of_other_programs_says_nothing(text in ".*") {
            prop_assume!(version(&text).is_none());
            prop_assert_eq!(read(NEXT, &text, BIGQUERY), Ok(plain(NEXT)));
        }

        /// What is cut off, or changed behind its beginning, is never taken for another program's.
        #[test]
        fn damaged_metadata_is_refused(
            (sink, noted) in notes(), cut in any::<prop::sample::Index>(),
        ) {
            let text = written(&noted).expect("fits");
            let head = r#"{"v":2,"by":"generic-consumer""#.len();
            let cut = head + cut.index(text.len() - head);
            let refused = read(NEXT, &text[..cut], sink);
            prop_assert!(matches!(refused, Err(MetadataError::Damaged(_))), "{refused:?}");
        }
    }

    #[test]
    fn json_of_other_programs_is_a_plain_offset() {
        for text in [
            "",
            "\0",
            "{}",
            "null",
            "[1]",
            r#"{"v":1}"#,
            r#"{"v":7,"note":"x"}"#,
            r#"{"version":2,"stream":"s"}"#,
            r#"{"v":"2","by":"generic-consumer"}"#,
        ] {
            assert_eq!(read(NEXT, text, BIGQUERY), Ok(plain(NEXT)), "{text}");
        }
    }

    /// Groups of released versions have this text in their offsets.
    #[test]
    fn version_1_is_read() {
        let text = r#"{"v":1,"stream":"projects/p/streams/s","flush_to":41}"#;
        let promise = Promise::new(BIGQUERY, Arc::from("projects/p/streams/s"), 42);
        let noted = Noted { promise: Some(promise), ..plain(NEXT) };
        assert_eq!(read(NEXT, text, BIGQUERY), Ok(noted));
        for text in [
            r#"{"v":1,"stream":"s","flush_to":4"#,
            r#"{"v":1,"stream":"s","flush_to":4}V"#,
            r#"{"v":1,"stream":"s"}"#,
        ] {
            let refused = read(NEXT, text, BIGQUERY);
            assert!(matches!(refused, Err(MetadataError::Damaged(_))), "{text}: {refused:?}");
        }
    }

    /// The text that the first release with this format writes.
    #[test]
    fn version_2_is_written_like_this() {
        let last = Bookmark { offset: Offset(98), timestamp_ms: Some(5), hash: 0xab };
        let reached = Reached { next: NEXT, last: Some(last), last_row: Some(Offset(97)) };
        let topic = TopicNote { id: TopicId::new(1), began_with: Some(12) };
        let promise = Promise::new(BIGQUERY, Arc::from("s"), 42);
        let text = written(&Noted { topic, reached, promise: Some(promise) }).expect("fits");
        assert_eq!(
            text,
            concat!(
                r#"{"v":2,"by":"generic-consumer","topic":"AAAAAAAAAAAAAAAAAAAAAQ","#,
                r#""began_with":12,"last":{"offset":98,"timestamp":5,"hash":"00000000000000ab"},"#,
                r#""last_row":97,"sink":"bigquery","stream":"s","flush_to":41}"#
            )
        );
    }

    #[test]
    fn a_promise_of_another_sink_is_refused() {
        let text = r#"{"v":1,"stream":"s","flush_to":0}"#;
        let refused = MetadataError::OtherSink { promised: "bigquery".to_owned(), ours: "other" };
        assert_eq!(read(NEXT, text, OTHER), Err(refused));
    }

    #[test]
    fn a_newer_version_is_refused() {
        let text = r#"{"v":3,"by":"generic-consumer","anything":["else"]}"#;
        let refused = read(NEXT, text, BIGQUERY);
        assert_eq!(refused, Err(MetadataError::Version(3)));
        let message = refused.expect_err("as above").to_string();
        assert!(message.contains("written by a newer version"), "{message}");
    }

    #[test]
    fn a_promise_too_long_for_the_broker_is_refused() {
        let promise = Promise::new(BIGQUERY, Arc::from("s".repeat(5000)), 1);
        let noted = Noted { promise: Some(promise), ..plain(NEXT) };
        assert_eq!(written(&noted), Err(MetadataError::TooLong));
    }
}
