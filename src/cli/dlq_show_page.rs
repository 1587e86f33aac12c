//! What `dlq show` says of a letter.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indicatif::HumanCount;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::dlq_list_page::second;
use super::page::pieces;
use crate::config::on_one_line;
use crate::letters::{Kept, Letter};
use crate::sink::dead_letter::headers_value;

/// Columns before a value.
const INDENT: usize = 12;

/// For people. `payload`: the value was read and is printed. `terminal` is its width.
pub fn text(letter: &Letter, payload: bool, terminal: Option<usize>) -> String {
    let at = letter.at();
    let mut text = format!("{}/{}  {}\n", at.partition, at.offset, on_one_line(&letter.reason));
    let mut say = |name: &str, value: &str| {
        let value = on_one_line(value);
        let lines = match terminal {
            Some(columns) => pieces(&value, columns.saturating_sub(INDENT).max(20)),
            None => vec![value],
        };
        for (index, line) in lines.iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:10}{line}");
        }
    };
    say("detail", &letter.detail);
    say("event", letter.event_type.as_deref().unwrap_or("no event type"));
    let written = letter.event.timestamp_ms.map(|ms| format!(", {}", second(ms * 1_000)));
    say("topic", &format!("{}{}", letter.topic, written.unwrap_or_default()));
    let rejected = letter.written_micros.map_or("at an unknown time".to_owned(), second);
    say("rejected", &format!("{rejected}, by {}", letter.group.as_deref().unwrap_or("?")));
    say("contract", letter.contract.as_deref().unwrap_or("unknown"));
    if let Some(message) = letter.message {
        say("letter", &format!("{}/{} of its topic", message.partition, message.offset));
    }
    match &letter.record().key {
        Some(key) => say("key", &shown(key)),
        None => say("key", "none"),
    }
    for (index, (name, value)) in letter.record().headers.iter().enumerate() {
        let value = value.as_deref().map_or("no value".to_owned(), shown);
        say(if index == 0 { "headers" } else { "" }, &format!("{name}: {value}"));
    }
    let bytes = HumanCount(letter.value_bytes);
    say("value", &format!("{bytes} bytes, sha256 {}", letter.value_sha256));
    if let Some(part) = kept(letter, payload) {
        say("", &part);
    }
    if payload && let Some(value) = &letter.record().value {
        match std::str::from_utf8(value) {
            Ok(value) => value.lines().for_each(|line| say("", line)),
            Err(_) => say("", &shown(value)),
        }
    }
    text.push('\n');
    text
}

/// What a letter lacks of its record.
fn kept(letter: &Letter, payload: bool) -> Option<String> {
    let left_out = letter.left_out.as_ref();
    let left_out = left_out.map(|parts| format!("left out, because it was too large: {parts}"));
    if !payload {
        return left_out;
    }
    match letter.kept() {
        Kept::Beginning(bytes) => {
            Some(format!("only its first {} bytes are kept", HumanCount(bytes as u64)))
        }
        Kept::Value => left_out,
        Kept::Whole | Kept::NotRead => None,
    }
}

/// Bytes as text, or in base64 where they are none.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("base64 {}", STANDARD.encode(bytes)),
    }
}

/// For programs: key, headers and value as in an envelope of `produce`.
pub fn json(letter: &Letter, payload: bool) -> String {
    let place =
        |at: crate::record::Position| json!({ "partition": at.partition.0, "offset": at.offset.0 });
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let mut all = json!({
        "partition": letter.at().partition.0,
        "offset": letter.at().offset.0,
        "topic": letter.topic,
        "timestamp": time(letter.event.timestamp_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok())),
        "reason": letter.reason,
        "detail": letter.detail,
        "place": letter.place(),
        "event_type": letter.event_type,
        "contract": letter.contract,
        "consumer_group": letter.group,
        "rejected": time(letter.written_micros.and_then(|at| Timestamp::from_microsecond(at).ok())),
        "letter": letter.message.map(place),
        "headers": headers_value(&letter.record().headers),
        "value_bytes": letter.value_bytes,
        "value_sha256": letter.value_sha256,
        "left_out": letter.left_out,
    });
    let mut put = |name: &str, bytes: Option<&[u8]>| match bytes.map(std::str::from_utf8) {
        None => all[name] = Value::Null,
        Some(Ok(text)) => all[name] = json!(text),
        Some(Err(_)) => {
            all[format!("{name}_base64")] = json!(bytes.map(|bytes| STANDARD.encode(bytes)));
        }
    };
    put("key", letter.record().key.as_deref());
    if payload {
        put("value", letter.record().value.as_deref());
        all["whole"] = json!(letter.kept() == Kept::Whole);
    }
    format!("{all}\n")
}

#[cfg(test)]
mod tests {
    use super::super::page::width;
    use super::*;
    use crate::record::{OwnedEvent, Position, UnsentRecord};

    fn letter(value: &[u8]) -> Letter {
        let headers = vec![
            ("source".to_owned(), Some(b"app\x1b[31m".to_vec())),
            ("raw".to_owned(), Some(vec![0xff])),
            ("none".to_owned(), None),
        ];
        let record =
            UnsentRecord { key: Some(b"order-17".to_vec()), headers, value: Some(value.to_vec()) };
        Letter {
            topic: "orders".to_owned(),
            event: OwnedEvent {
                at: Position::new(0, 17),
                timestamp_ms: Some(1_795_255_200_000),
                record,
            },
            value_bytes: value.len() as u64,
            value_sha256: "ab".repeat(32),
            previous: None,
            reason: "wrong_type".to_owned(),
            detail: "/items/1/sku: found array, expected string".to_owned(),
            event_type: Some("OrderPlaced".to_owned()),
            contract: Some("contracts.orders#Orders@1.0.0".to_owned()),
            group: Some("orders-prod".to_owned()),
            written_micros: Some(1_795_255_201_000_000),
            message: Some(Position::new(0, 3)),
            left_out: None,
            tries: 0,
            standing: None,
        }
    }

    #[test]
    fn a_page_fits_its_terminal_and_has_no_value_unless_it_is_wanted() {
        let value = format!("{{\"secret\": \"{}\"}}\n\x07", "x".repeat(300));
        let letter = letter(value.as_bytes());
        let page = text(&letter, false, Some(80));
        assert!(page.lines().all(|line| width(line) <= 80), "{page}");
        assert!(!page.contains("secret") && page.contains("316 bytes, sha256 abab"), "{page}");
        assert!(page.contains("  headers   source: app\\u{1b}[31m\n"), "{page}");
        assert!(page.contains("raw: base64 /w==") && page.contains("none: no value"), "{page}");
        assert!(page.starts_with("0/17  wrong_type\n  detail    /items/1/sku: "), "{page}");
        let page = text(&letter, true, Some(80));
        assert!(page.lines().all(|line| width(line) <= 80), "{page}");
        assert!(page.contains("secret") && page.contains("\\u{7}"), "{page}");
        assert!(!text(&letter, true, None).contains('\u{1b}'));
    }

    #[test]
    fn a_cut_value_says_so() {
        let cut = Letter { value_bytes: 5_000, ..letter(b"{\"a\":") };
        assert!(text(&cut, true, None).contains("only its first 5 bytes are kept"));
        let found: Value = serde_json::from_str(&json(&cut, true)).expect("JSON");
        assert_eq!((&found["whole"], &found["value_bytes"]), (&json!(false), &json!(5_000)));
        let less = Letter { left_out: Some("headers,key".to_owned()), ..letter(b"{}") };
        assert!(
            text(&less, false, None).contains("left out, because it was too large: headers,key")
        );
    }

    #[test]
    fn json_has_the_record_as_an_envelope_has_it() {
        let found: Value = serde_json::from_str(&json(&letter(&[0xfe]), true)).expect("JSON");
        assert_eq!(found["key"], "order-17");
        assert_eq!(found["value_base64"], "/g==");
        assert_eq!(found["headers"]["raw"], json!([{ "base64": "/w==" }]));
        assert_eq!(found["headers"]["none"], json!([null]));
        assert_eq!((&found["place"], &found["whole"]), (&json!("/items/1/sku"), &json!(true)));
        let found: Value = serde_json::from_str(&json(&letter(b"{}"), false)).expect("JSON");
        assert_eq!((found.get("value"), found.get("whole")), (None, None));
    }
}
