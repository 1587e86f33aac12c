//! A dead letter in a topic: the opposite of `sink::dead_letter::letter_message`.

use super::letter::Letter;
use crate::record::{Event, Offset, OwnedEvent, Position};

/// Our headers begin with this one, after the record's own.
const FIRST: &str = "dead_letter.reason";

/// In a letter that was written again as it was: when it was written first, in milliseconds since the epoch.
const WRITTEN: &str = "written_ms";

/// Reads a message of a topic of dead letters; `None` if it is no dead letter.
pub fn read(message: &Event<'_>) -> Option<Letter> {
    let OwnedEvent { at, timestamp_ms, mut record } = OwnedEvent::of(message);
    // A record may have been a dead letter before: its headers have the same names.
    let first = record.headers.iter().rposition(|(name, _)| name == FIRST)?;
    let facts = record.headers.split_off(first);
    let text = |name: &str| {
        let found =
            facts.iter().find(|(other, _)| other.strip_prefix("dead_letter.") == Some(name));
        let value = found.and_then(|(_, value)| value.as_deref());
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let number = |name: &str| text(name)?.parse::<i64>().ok();
    let partition = i32::try_from(number("partition")?).ok()?;
    Some(Letter {
        topic: text("topic").unwrap_or_default(),
        event: OwnedEvent {
            at: Position::new(partition, number("offset")?),
            timestamp_ms: number("timestamp_ms"),
            record,
        },
        value_bytes: number("value_bytes").and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
        value_sha256: text("value_sha256").unwrap_or_default(),
        previous: number("previous").map(Offset),
        reason: text("reason").unwrap_or_default(),
        detail: text("detail").unwrap_or_default(),
        event_type: text("event_type"),
        contract: text("contract"),
        group: text("consumer_group"),
        written_micros: number(WRITTEN)
            .or(timestamp_ms)
            .and_then(|millis| millis.checked_mul(1_000)),
        message: Some(at),
        left_out: text("left_out"),
        tries: number("tries").and_then(|tries| u64::try_from(tries).ok()).unwrap_or(0),
        standing: None,
    })
}

/// The headers of a letter's message that is written again as it is. When it was written first stays
/// known.
pub fn headers_again(message: &OwnedEvent) -> Vec<(String, Option<Vec<u8>>)> {
    let mut headers = message.record.headers.clone();
    let written = format!("dead_letter.{WRITTEN}");
    let first = headers.iter().rposition(|(name, _)| name == FIRST).unwrap_or(0);
    let is_known = headers[first..].iter().any(|(name, _)| *name == written);
    if let (false, Some(millis)) = (is_known, message.timestamp_ms) {
        headers.push((written, Some(millis.to_string().into_bytes())));
    }
    headers
}
