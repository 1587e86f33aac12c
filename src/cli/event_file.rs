//! Events from a file, one a line, and what becomes of each by the domain's contract: shared by
//! `validate`, `produce` and `run --events`.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::failure::{Exit, Failure};
use crate::app::Domain;
use crate::clock::Clock;
use crate::record::{Position, Rejection, Transcoded, UnsentRecord};
use crate::row::{Fields, RowBuffer};
use crate::transcode::Ingestion;

/// Bad lines that a message has; it counts the rest.
const SHOWN: usize = 20;

/// An event and the line of the file that it stands on.
#[derive(Debug, PartialEq, Eq)]
pub struct FileEvent {
    /// Counted from 1.
    pub line: usize,
    pub record: UnsentRecord,
}

/// What becomes of an event.
#[derive(Debug)]
pub enum Verdict<'a> {
    Row(Fields<'a>),
    /// Holds the event type, or `tombstone`.
    Ignored(&'a str),
    Rejected(Rejection),
}

/// A line of `--envelope`. `value` is any JSON, or `null` for a tombstone; `value_base64` is bytes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    value_base64: Option<String>,
}

/// The events of a file, or of standard input if it is called `-`. Each line is an event's value;
/// with `envelope` it is `{"key": …, "headers": {…}, "value": …}`. Empty lines are left out.
pub fn read(file: &Path, envelope: bool) -> Result<Vec<FileEvent>, Failure> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(file).map(|read| bytes = read)
    };
    read.map_err(|error| {
        Failure::new(Exit::Usage, format!("read {}", file.display())).source(error)
    })?;
    parse(&bytes, envelope)
}

fn parse(text: &[u8], envelope: bool) -> Result<Vec<FileEvent>, Failure> {
    let mut events = Vec::new();
    let mut wrong = Vec::new();
    for (index, text) in text.split(|byte| *byte == b'\n').enumerate() {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            continue;
        }
        let line = index + 1;
        if !envelope {
            let record = UnsentRecord { value: Some(text.to_vec()), ..UnsentRecord::default() };
            events.push(FileEvent { line, record });
            continue;
        }
        match unwrap(text) {
            Ok(record) => events.push(FileEvent { line, record }),
            Err(what) => wrong.push(format!("line {line}: {what}")),
        }
    }
    if wrong.is_empty() {
        return Ok(events);
    }
    let total = events.len() + wrong.len();
    let what = format!("{} of {total} lines are not envelopes{}", wrong.len(), listed(&wrong));
    let hint = "a line is {\"key\": …, \"headers\": {…}, \"value\": …}";
    Err(Failure::new(Exit::Usage, what).hint(hint))
}

fn unwrap(line: &[u8]) -> Result<UnsentRecord, String> {
    let envelope: Envelope = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let value = match (envelope.value, envelope.value_base64) {
        (Some(_), Some(_)) => return Err("value and value_base64 exclude each other".to_owned()),
        (Some(value), None) => Some(value.get().as_bytes().to_vec()),
        (None, Some(text)) => Some(STANDARD.decode(text).map_err(|error| error.to_string())?),
        (None, None) => None,
    };
    let headers = envelope.headers.into_iter().map(|(name, value)| match value {
        Value::Null => (name, None),
        Value::String(text) => (name, Some(text.into_bytes())),
        other => (name, Some(other.to_string().into_bytes())),
    });
    Ok(UnsentRecord {
        key: envelope.key.map(String::into_bytes),
        headers: headers.collect(),
        value,
    })
}

/// Runs each event through the transcoder, as the domain's consumer would, with the columns that
/// the contract asks for, and hands over what becomes of it. The line number stands for the offset.
pub fn judge(
    events: &[FileEvent],
    domain: &Domain,
    each: &mut dyn FnMut(&FileEvent, Verdict<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut plan = domain.plan(&domain.columns)?;
    let now = Clock::System.now_micros();
    let mut rows = RowBuffer::default();
    for event in events {
        let record = event.record.at(Position::new(0, event.line as i64), now / 1_000);
        rows.clear();
        let verdict = match plan.transcode(&record, Ingestion::at(now), &mut rows) {
            Transcoded::Rejected(rejection) => Verdict::Rejected(*rejection),
            Transcoded::Ignored(label) => {
                Verdict::Ignored(plan.ignored_labels().get(label).map_or("", String::as_str))
            }
            Transcoded::Row => {
                let row = rows.rows().next().map(|(_, bytes)| bytes).unwrap_or_default();
                Verdict::Row(Fields::new(&domain.columns.columns, row))
            }
        };
        each(event, verdict)?;
    }
    Ok(())
}

/// The first lines of a list of bad ones, each on a line of its own.
pub fn listed(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines.iter().take(SHOWN) {
        text.push_str("\n  ");
        text.push_str(line);
    }
    if lines.len() > SHOWN {
        text.push_str("\n  …");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::RowOptions;
    use crate::cli::row_json;
    use crate::config::RowLayout;
    use crate::contract;
    use crate::record::Reason;

    fn domain(layout: RowLayout, partition_by: &str, ignore: &[&str]) -> Domain {
        let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
        let document = "contracts.delivery.delivery_events_v10";
        let contract = contract::load(&contracts, document, "DeliveryEventsV10Topic");
        let partition_by = partition_by.to_owned();
        let ignore = ignore.iter().map(|name| (*name).to_owned()).collect();
        let options = RowOptions { layout, partition_by, ignore, ..RowOptions::default() };
        Domain::new(contract.expect("loads"), options).expect("columns")
    }

    fn assigned(occurred_at: &str) -> [FileEvent; 1] {
        let sample = "contracts/delivery/delivery_events_v10/accept/assigned.json";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(sample);
        let text = std::fs::read_to_string(path).expect("the sample");
        let mut event: Value = serde_json::from_str(&text).expect("JSON");
        event["occurred_at"] = occurred_at.into();
        let value = Some(event.to_string().into_bytes());
        [FileEvent { line: 1, record: UnsentRecord { value, ..UnsentRecord::default() } }]
    }

    /// What becomes of the only event: its reason and detail if it is rejected.
    fn judged(events: &[FileEvent; 1], domain: &Domain) -> Result<String, (Reason, String)> {
        let mut found = None;
        judge(events, domain, &mut |_, verdict| {
            found = Some(match verdict {
                Verdict::Row(fields) => {
                    Ok(row_json::cells(fields).expect("a row").len().to_string())
                }
                Verdict::Ignored(event_type) => Ok(event_type.to_owned()),
                Verdict::Rejected(why) => Err((why.reason, why.detail)),
            });
            Ok(())
        })
        .expect("a plan");
        found.expect("one event")
    }

    /// The same event is checked by the domain's own layout and partition column.
    #[test]
    fn events_are_checked_as_the_domain_writes_them() {
        let old = assigned("2001-01-01T00:00:00Z");
        let by_ingestion = domain(RowLayout::Columns, "_ingested_at", &[]);
        assert!(judged(&old, &by_ingestion).is_ok());
        let by_event_time = domain(RowLayout::Columns, "occurred_at", &[]);
        let (reason, detail) = judged(&old, &by_event_time).expect_err("rejected");
        assert_eq!(reason, Reason::OutOfRange);
        assert!(detail.contains("/occurred_at"), "{detail}");

        // A format is checked only where a column needs it.
        let vague = assigned("yesterday");
        let envelope = domain(RowLayout::Envelope, "_ingested_at", &[]);
        assert!(judged(&vague, &envelope).is_ok());
        let (reason, detail) = judged(&vague, &by_ingestion).expect_err("rejected");
        assert_eq!(reason, Reason::BadFormat);
        assert!(detail.contains("/occurred_at"), "{detail}");
    }

    #[test]
    fn an_ignored_event_is_named_by_its_type() {
        let ignoring = domain(RowLayout::Columns, "_ingested_at", &["DeliveryAssignedEvent"]);
        let found = judged(&assigned("yesterday"), &ignoring);
        assert_eq!(found.as_deref(), Ok("DeliveryAssignedEvent"));
    }

    #[test]
    fn envelopes_carry_key_headers_and_any_value() {
        let text = br#"{"key":"k","headers":{"h":"x","n":null},"value":{"a": 1}}
{"value":null}
{"value_base64":"AAE="}
"#;
        let read: Vec<UnsentRecord> =
            parse(text, true).expect("reads").into_iter().map(|event| event.record).collect();
        assert_eq!(read[0].key.as_deref(), Some(&b"k"[..]));
        assert_eq!(
            read[0].headers,
            [("h".to_owned(), Some(b"x".to_vec())), ("n".to_owned(), None)]
        );
        assert_eq!(read[0].value.as_deref(), Some(&br#"{"a": 1}"#[..]));
        assert_eq!(read[1].value, None);
        assert_eq!(read[2].value.as_deref(), Some(&[0, 1][..]));
    }

    #[test]
    fn every_bad_envelope_is_named_by_its_line() {
        let error = parse(b"{}\n{\"val\":1}\nnope\n", true).expect_err("refused").to_string();
        assert!(
            error.contains("2 of 3 lines") && error.contains("line 2") && error.contains("line 3"),
            "{error}"
        );
    }

    #[test]
    fn plain_lines_are_values_and_blank_lines_nothing() {
        let read = parse(b"{\"a\":1}\r\n\n{}\n", false).expect("reads");
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].line, read[1].line), (1, 3));
        assert_eq!(read[0].record.value.as_deref(), Some(&b"{\"a\":1}"[..]));
    }
}
