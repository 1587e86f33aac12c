//! A dead letter in a topic: the opposite of `sink::dead_letter::letter_message`.

use super::letter::Letter;
use crate::record::{Event, Offset, OwnedEvent, Position};
use crate::sink::dead_letter::letter_message::PASSED;

/// Our headers begin with this one, after the record's own.
const FIRST: &str = "dead_letter.reason";

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
        written_micros: timestamp_ms.and_then(|millis| millis.checked_mul(1_000)),
        message: Some(at),
        left_out: text("left_out"),
        tries: number("tries").and_then(|tries| u64::try_from(tries).ok()).unwrap_or(0),
        standing: None,
    })
}

/// Reads a mark: before which offset of its partition all letters are dealt with.
pub fn passed(message: &Event<'_>) -> Option<Offset> {
    let headers = message.headers;
    let mark = (0..headers.len()).map(|index| headers.get(index)).find(|(name, _)| *name == PASSED);
    let (_, value) = mark.filter(|_| headers.len() == 1)?;
    std::str::from_utf8(value?).ok()?.parse().ok().map(Offset)
}
