//! A record as librdkafka's producer takes it.

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;

use crate::record::UnsentRecord;

/// The message that publishes the record to the topic. Its key decides about the partition.
pub fn message<'a>(topic: &'a str, record: &'a UnsentRecord) -> FutureRecord<'a, [u8], [u8]> {
    let mut message = FutureRecord::to(topic);
    if let Some(key) = &record.key {
        message = message.key(key.as_slice());
    }
    if let Some(value) = &record.value {
        message = message.payload(value.as_slice());
    }
    if let Some(headers) = headers(&record.headers) {
        message = message.headers(headers);
    }
    message
}

/// Headers as librdkafka takes them; `None` if there are none.
pub fn headers(list: &[(String, Option<Vec<u8>>)]) -> Option<OwnedHeaders> {
    let empty = || OwnedHeaders::new_with_capacity(list.len());
    (!list.is_empty()).then(|| {
        list.iter().fold(empty(), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_deref() })
        })
    })
}
