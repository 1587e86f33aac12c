//! Events from a file, and what becomes of each by the domain's contract: shared by
//! `validate`, `produce` and `run --events`.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::envelope;
use super::failure::{Exit, Failure};
use crate::app::{Domain, Judge, Verdict};
use crate::clock::Clock;
use crate::record::UnsentRecord;

/// Bad lines that a message has; it counts the rest.
const SHOWN: usize = 20;

/// An event and the line of the file that it begins on.
#[derive(Debug, PartialEq, Eq)]
pub struct FileEvent {
    /// Counted from 1.
    pub line: usize,
    pub record: UnsentRecord,
}

/// The events of a file, or of standard input if it is called `-`. Each line is an event's value,
/// or an envelope if `envelope` is set; a JSON value may also extend over several lines. Empty lines
/// are left out.
///
/// A file in `accept/` or `reject/` is a sample of a contract and may have a sample's form.
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
    let form = match file.parent().and_then(Path::file_name).and_then(OsStr::to_str) {
        _ if envelope => Form::Envelope,
        Some("accept" | "reject") => Form::Sample,
        _ => Form::Value,
    };
    parse(&bytes, form)
}

/// What the text of an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The record's value.
    Value,
    /// A line of `--envelope`.
    Envelope,
    /// The value, or what [`envelope::sample`] reads.
    Sample,
}

fn parse(text: &[u8], form: Form) -> Result<Vec<FileEvent>, Failure> {
    if form != Form::Envelope && is_list_of_objects(text) {
        let hint = "write one event per line: `jq -c '.[]' FILE`";
        return Err(Failure::new(Exit::Usage, "the file is one JSON array").hint(hint));
    }
    let mut events = Vec::new();
    let mut wrong = Vec::new();
    for (line, text) in split(text) {
        let value = || UnsentRecord { value: Some(text.to_vec()), ..UnsentRecord::default() };
        let record = match form {
            Form::Value => Ok(value()),
            Form::Sample => Ok(envelope::sample(text).unwrap_or_else(value)),
            Form::Envelope => envelope::record(text),
        };
        match record {
            Ok(record) => events.push(FileEvent { line, record }),
            Err(what) => wrong.push(format!("line {line}: {what}")),
        }
    }
    if wrong.is_empty() {
        return Ok(events);
    }
    let total = events.len() + wrong.len();
    let what = format!("{} of {total} lines are not envelopes{}", wrong.len(), listed(&wrong));
    Err(Failure::new(Exit::Usage, what).hint(format!("a line is {}", envelope::FORM)))
}

/// The texts of the events, each with the line that it begins on: the lines, or, where the text
/// consists of JSON values of which some extend over several lines, those values.
fn split(text: &[u8]) -> Vec<(usize, &[u8])> {
    let lines = text.split(|byte| *byte == b'\n').zip(1..);
    let lines = lines.map(|(text, line)| (line, text.strip_suffix(b"\r").unwrap_or(text)));
    let lines: Vec<(usize, &[u8])> = lines.filter(|(_, text)| !text.is_empty()).collect();
    let is_json = |text: &[u8]| serde_json::from_slice::<IgnoredAny>(text).is_ok();
    if lines.iter().all(|(_, text)| is_json(text)) {
        return lines;
    }
    values_on_lines_of_their_own(text).unwrap_or(lines)
}

/// The JSON values that the text consists of; `None` if it has anything else, or two values on one
/// line.
fn values_on_lines_of_their_own(text: &[u8]) -> Option<Vec<(usize, &[u8])>> {
    let mut values = Vec::new();
    let mut stream = serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>();
    let (mut line, mut before) = (1, 0);
    while let Some(value) = stream.next() {
        let value = value.ok()?.get().as_bytes();
        let end = stream.byte_offset();
        let begin = end.checked_sub(value.len())?;
        let breaks = text[before..begin].iter().filter(|byte| **byte == b'\n').count();
        if breaks == 0 && before > 0 {
            return None;
        }
        line += breaks;
        values.push((line, value));
        line += value.iter().filter(|byte| **byte == b'\n').count();
        before = end;
    }
    Some(values)
}

/// Whether the text is a JSON array of objects, as a program writes that exports events.
fn is_list_of_objects(text: &[u8]) -> bool {
    if text.trim_ascii_start().first() != Some(&b'[') {
        return false;
    }
    let items = serde_json::from_slice::<Vec<&RawValue>>(text).unwrap_or_default();
    !items.is_empty() && items.iter().all(|item| item.get().starts_with('{'))
}

/// Hands over what becomes of each event. The line number stands for the offset.
pub fn judge(
    events: &[FileEvent],
    domain: &Domain,
    each: &mut dyn FnMut(&FileEvent, Verdict<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut judge = Judge::new(domain, Clock::System.now_micros())?;
    events.iter().try_for_each(|event| each(event, judge.verdict(&event.record, event.line as i64)))
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
    use serde_json::Value;

    use super::*;
    use crate::app::RowOptions;
    use crate::config::{RowLayout, TableRules};
    use crate::contract;
    use crate::record::Reason;
    use crate::row::json;

    fn domain(layout: RowLayout, partition_by: &str, ignore: &[&str]) -> Domain {
        let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
        let document = "contracts.delivery.delivery_events_v10";
        let contract = contract::load(&contracts, document, "DeliveryEventsV10Topic", &[]);
        let table = TableRules::BigQuery { partition_by: partition_by.to_owned() };
        let ignore = ignore.iter().map(|name| (*name).to_owned()).collect();
        let options = RowOptions { layout, table, ignore, ..RowOptions::default() };
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
                Verdict::Row(fields) => Ok(json::cells(fields).expect("a row").len().to_string()),
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

    fn values(text: &str, form: Form) -> Vec<(usize, String)> {
        let events = parse(text.as_bytes(), form).expect("reads").into_iter();
        let value = |event: FileEvent| event.record.value.expect("a value");
        let text = |value: Vec<u8>| String::from_utf8(value).expect("UTF-8");
        events.map(|event| (event.line, text(value(event)))).collect()
    }

    #[test]
    fn envelopes_carry_key_headers_and_any_value() {
        let text = br#"{"key":"k","headers":{"h":"x","n":null},"value":{"a": 1}}
{"value":null}
{"value_base64":"AAE="}
"#;
        let read: Vec<UnsentRecord> = parse(text, Form::Envelope)
            .expect("reads")
            .into_iter()
            .map(|event| event.record)
            .collect();
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
        let text = b"{}\n{\"val\":1}\nnope\n{\"headers\":{\"h\":7}}\n";
        let error = parse(text, Form::Envelope).expect_err("refused").to_string();
        for part in ["3 of 4 lines", "line 2", "line 3", "line 4: header h is neither"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn plain_lines_are_values_and_blank_lines_nothing() {
        let expected = [(1, "{\"a\":1}".to_owned()), (3, "{}".to_owned())];
        assert_eq!(values("{\"a\":1}\r\n\n{}\n", Form::Value), expected);
    }

    #[test]
    fn a_value_may_extend_over_several_lines() {
        let pretty = "{\n  \"n\": 1.10\n}";
        let two = format!("{pretty}\n\n{pretty}\n{{}}\n");
        let expected = [(1, pretty.to_owned()), (5, pretty.to_owned()), (8, "{}".to_owned())];
        assert_eq!(values(&two, Form::Value), expected);
        let envelope = "{\n\"value\": {\"a\":\n1}\n}\n";
        assert_eq!(values(envelope, Form::Envelope), [(1, "{\"a\":\n1}".to_owned())]);
    }

    /// A bad line must not make events of its neighbours.
    #[test]
    fn lines_stay_events_where_the_text_is_not_json() {
        for text in ["{}\n{\n{}", "{\"a\":\nnope\n{}", "{} {}\n{}\n7"] {
            assert_eq!(values(text, Form::Value).len(), 3, "{text}");
        }
    }

    #[test]
    fn an_array_of_events_is_refused_with_a_hint() {
        for text in ["[{\"a\":1},{}]", "[\n  {}\n]\n"] {
            let error = parse(text.as_bytes(), Form::Value).expect_err("refused").to_string();
            assert!(error.contains("one JSON array") && error.contains("jq -c"), "{error}");
        }
        assert_eq!(values("[1]\n", Form::Value), [(1, "[1]".to_owned())], "a bad event");
    }

    #[test]
    fn a_sample_is_what_the_tests_of_contracts_take_it_for() {
        assert_eq!(values("{\n  \"text\": \"{\"\n}\n", Form::Sample), [(1, "{".to_owned())]);
        assert_eq!(values("{\"a\":1}", Form::Sample), [(1, "{\"a\":1}".to_owned())]);
        let text = "{\"text\": \"{\"}";
        assert_eq!(values(text, Form::Value), [(1, text.to_owned())], "elsewhere an event");
    }
}
