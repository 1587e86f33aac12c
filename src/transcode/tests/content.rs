//! Fields whose text is JSON.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{COLUMN_RULES, NOW, load, plain_options, plain_plan};
use crate::config::{FilterOnError, FilterSettings, RowLayout};
use crate::contract::{Contract, Discriminator, sample};
use crate::record::{Event, Position, Reason, Transcoded};
use crate::row::{RowBuffer, TableSchema};
use crate::transcode::{Filter, Ingestion, Plan, PlanOptions};

/// What the field `who` says.
fn identity() -> Value {
    json!({
        "type": "object",
        "required": ["org"],
        "properties": {
            "org": {"type": "string", "pattern": "^[0-9]+$"},
            "number": {"type": ["integer", "null"]},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
    })
}

/// A contract whose field `who` has this schema, in the event and in its object `outer`.
fn contract(who: &Value) -> Contract {
    let outer = json!({"type": "object", "properties": {"who": who}});
    let properties = json!({"n": {"type": "integer"}, "who": who, "outer": outer});
    let payload = json!({"type": "object", "required": ["who"], "properties": properties});
    load(&[("Only", payload)], &Discriminator::Only(String::new()))
}

fn encoded_by(encoding: Option<&str>, types: &Value) -> Value {
    let mut schema = json!({
        "type": types,
        "contentMediaType": "application/json",
        "contentSchema": identity(),
    });
    if let Some(encoding) = encoding {
        schema["contentEncoding"] = json!(encoding);
    }
    schema
}

struct Subject {
    plan: Plan,
    table: TableSchema,
}

impl Subject {
    fn of(contract: &Contract, layout: RowLayout) -> Self {
        let table = contract.table_schema(layout, &[], &COLUMN_RULES).expect("columns");
        Self { plan: plain_plan(contract, &table, layout), table }
    }

    /// The row, or what became of the event instead.
    fn became(&mut self, value: &str) -> Result<Vec<u8>, String> {
        let event = Event { value: Some(value.as_bytes()), ..Event::unknown(Position::new(0, 1)) };
        let mut rows = RowBuffer::default();
        match self.plan.transcode(&event, Ingestion::at(NOW), &mut rows) {
            Transcoded::Row => Ok(rows.rows().next().expect("a row").1.to_vec()),
            Transcoded::Ignored(label) => Err(self.plan.ignored_labels()[label].clone()),
            Transcoded::Rejected(why) => Err(format!("{}: {}", why.reason.code(), why.detail)),
        }
    }

    fn rejects(&mut self, value: &str, reason: Reason, detail: &str) {
        let became = self.became(value).expect_err(value);
        assert!(became.starts_with(&format!("{}: ", reason.code())), "{value}: {became}");
        assert!(became.contains(detail), "{value}: {became}");
    }
}

/// A decoded value: right, wrong, or anything.
fn decoded() -> impl Strategy<Value = Value> {
    let org = prop_oneof![
        4 => "[0-9]{1,5}".prop_map(|org| json!(org)),
        1 => "\\PC{0,5}".prop_map(|org| json!(org)),
        1 => Just(Value::Null),
    ];
    let number =
        prop_oneof![any::<i64>().prop_map(|n| json!(n)), Just(json!(null)), Just(json!("1"))];
    let tags = prop::collection::vec("\\PC{0,8}", 0..3);
    let object =
        (org, prop::option::of(number), prop::option::of(tags), prop::option::of("\\PC{0,4}"));
    let object = object.prop_map(|(org, number, tags, extra)| {
        let mut object = json!({"org": org});
        for (name, value) in [("number", number), ("tags", tags.map(|tags| json!(tags)))] {
            if let Some(value) = value {
                object[name] = value;
            }
        }
        if let Some(extra) = extra {
            object["undeclared"] = json!(extra);
        }
        object
    });
    prop_oneof![8 => object, 1 => Just(json!([1])), 1 => Just(json!("text")), 1 => Just(json!({}))]
}

/// A text of a value, as producers write it.
fn text(value: &Value, style: u8) -> String {
    let compact = value.to_string();
    match style % 3 {
        0 => compact,
        1 => format!(" {}\n", serde_json::to_string_pretty(value).expect("JSON")),
        _ => {
            compact.chars().map(|c| if c.is_ascii() { c.to_string() } else { escaped(c) }).collect()
        }
    }
}

fn escaped(c: char) -> String {
    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

proptest! {
    /// Whether a value is there or encoded, its event becomes the same.
    #[test]
    fn an_encoded_value_is_as_the_value_itself(
        who in decoded(),
        inner in prop::option::of(decoded()),
        style in any::<u8>(),
        base64 in any::<bool>(),
        padded in any::<bool>(),
        envelope in any::<bool>(),
    ) {
        let encoding = base64.then_some("base64");
        let layout = if envelope { RowLayout::Envelope } else { RowLayout::Columns };
        let mut plain = Subject::of(&contract(&identity()), layout);
        let mut encoded = Subject::of(&contract(&encoded_by(encoding, &json!("string"))), layout);
        prop_assert_eq!(&plain.table, &encoded.table);
        let event = |written: &dyn Fn(&Value) -> String| match &inner {
            None => format!(r#"{{"n":1,"who":{}}}"#, written(&who)),
            Some(inner) => {
                format!(r#"{{"outer":{{"who":{}}} , "who":{}}}"#, written(inner), written(&who))
            }
        };
        let there = event(&|value| text(value, style));
        let encode = |value: &Value| {
            let text = text(value, style);
            let text = match (base64, padded) {
                (false, _) => text,
                (true, true) => STANDARD.encode(text),
                (true, false) => STANDARD_NO_PAD.encode(text),
            };
            json!(text).to_string()
        };
        let sent = event(&encode);
        prop_assert_eq!(encoded.became(&sent), plain.became(&there), "{}", sent);
    }
}

fn base64(text: impl AsRef<[u8]>) -> String {
    STANDARD.encode(text)
}

fn event(who: impl AsRef<[u8]>) -> String {
    format!(r#"{{"n":1,"who":"{}"}}"#, base64(who))
}

#[test]
fn what_cannot_be_decoded_is_rejected_at_its_place() {
    let schema = encoded_by(Some("base64"), &json!("string"));
    let mut subject = Subject::of(&contract(&schema), RowLayout::Columns);
    subject.rejects(
        r#"{"who":"e30*"}"#,
        Reason::BadFormat,
        "/who: found a string that is not base64",
    );
    subject.rejects(r#"{"who":""}"#, Reason::BadFormat, "/who: the decoded text is not JSON");
    subject.rejects(&event("{"), Reason::BadFormat, "/who: the decoded text is not JSON: byte 1");
    subject.rejects(
        &event([b'"', 0xff, b'"']),
        Reason::BadFormat,
        "/who: the decoded text is not JSON",
    );
    subject.rejects(&event("{} {}"), Reason::BadFormat, "/who: the decoded text is not JSON");
    let breaks_out = r#"{"org":"1"},"n":"2","other":{}"#;
    subject.rejects(&event(breaks_out), Reason::BadFormat, "/who: the decoded text is not JSON");
    subject.rejects(
        r#"{"who":{"org":"1"}}"#,
        Reason::WrongType,
        "/who: found object, expected a string",
    );
    subject.rejects(r#"{"who":null}"#, Reason::WrongType, "/who");
    subject.rejects(r#"{"n":1}"#, Reason::MissingField, "who");
    subject.rejects(&event(r#"{"org":"x"}"#), Reason::ContractViolation, "/who/org");
    subject.rejects(&event(r#"{"org":"1","number":"2"}"#), Reason::WrongType, "/who/number");
    let inner = format!(r#"{{"who":"{}","outer":{{"who":"?"}}}}"#, base64(r#"{"org":"1"}"#));
    subject.rejects(&inner, Reason::BadFormat, "/outer/who: found a string that is not base64");
    // What is wrong with the event itself is said of the event.
    subject.rejects(r#"{"who":"e30=""#, Reason::InvalidJson, "byte 13");
    let deep = format!("{}1{}", "[".repeat(127), "]".repeat(127));
    let deep = format!(r#"{{"org":"1","x":{deep}}}"#);
    subject.rejects(&event(deep), Reason::BadFormat, "more than 127 levels deep");
    let deep = format!("{}1{}", "[".repeat(126), "]".repeat(126));
    let deep = format!(r#"{{"org":"1","x":{deep}}}"#);
    subject.rejects(&event(deep), Reason::TooDeep, "127 levels deep");
}

#[test]
fn the_last_of_duplicate_keys_counts_in_the_event_and_in_the_decoded_text() {
    let schema = encoded_by(Some("base64"), &json!("string"));
    let mut subject = Subject::of(&contract(&schema), RowLayout::Columns);
    let once = subject.became(&event(r#"{"number":2,"org":"1"}"#));
    assert!(once.is_ok());
    let twice = event(r#"{"org":"x","number":2,"org":"1"}"#);
    assert_eq!(subject.became(&twice), once);
    let good = base64(r#"{"number":1,"org":"1","number":2}"#);
    let twice = format!(r#"{{"who":"?","n":2,"\u0077ho":"{good}","n":1}}"#);
    let once = format!(r#"{{"who":"{}","n":1}}"#, base64(r#"{"org":"1","number":2}"#));
    assert_eq!(subject.became(&twice), subject.became(&once));
    let last_is_wrong = format!(r#"{{"who":"{good}","who":"?"}}"#);
    subject.rejects(&last_is_wrong, Reason::BadFormat, "/who");
}

#[test]
fn null_stays_null_where_the_contract_allows_it() {
    for (types, nullable) in [(json!(["string", "null"]), false), (json!("string"), true)] {
        let mut schema = encoded_by(Some("base64"), &types);
        if nullable {
            schema["nullable"] = json!(true);
        }
        let mut subject = Subject::of(&contract(&schema), RowLayout::Columns);
        subject.became(r#"{"who":null}"#).expect("a row");
        subject.became(&event(r#"{"org":"1"}"#)).expect("a row");
        subject.rejects(r#"{"who":1}"#, Reason::WrongType, "/who");
    }
}

#[test]
fn a_filter_sees_the_decoded_value_and_so_does_who_asks_for_it() {
    let contract = contract(&encoded_by(Some("base64"), &json!("string")));
    let settings = FilterSettings {
        expression: "payload.who.org == '7'".to_owned(),
        on_error: FilterOnError::DeadLetter,
    };
    let filter = Filter::compile(&settings, &contract, &[]).expect("a filter");
    let mut subject = Subject::of(&contract, RowLayout::Columns);
    let options = PlanOptions { filter: Some(filter), ..plain_options(RowLayout::Columns) };
    subject.plan = Plan::compile(&contract, &subject.table, options).expect("a plan");
    subject.became(&event(r#"{"org":"7"}"#)).expect("a row");
    assert_eq!(subject.became(&event(r#"{"org":"8"}"#)), Err("filter".to_owned()));
    subject.rejects(r#"{"who":"?"}"#, Reason::BadFormat, "/who");

    let sent = event(r#"{"org":"7"}"#);
    let record = Event { value: Some(sent.as_bytes()), ..Event::unknown(Position::new(0, 1)) };
    let decoded = subject.plan.decoded(&record).expect("a decoded value");
    assert_eq!(String::from_utf8_lossy(&decoded), r#"{"n":1,"who":{"org":"7"}}"#);
    let plain = self::contract(&identity());
    assert_eq!(Subject::of(&plain, RowLayout::Columns).plan.decoded(&record), None);
}

#[test]
fn sample_events_are_encoded() {
    let contract = contract(&encoded_by(Some("base64"), &json!(["string", "null"])));
    let mut subject = Subject::of(&contract, RowLayout::Columns);
    let mut samples = sample::Samples::new(&contract, 7, 1_700_000_000_000);
    let mut encoded = 0;
    for _ in 0..200 {
        let sample = samples.event().expect("an event");
        let value = String::from_utf8(sample.value).expect("UTF-8");
        subject.became(&value).unwrap_or_else(|why| panic!("{value}: {why}"));
        encoded += usize::from(value.contains(r#""who":"ey"#));
    }
    assert!(encoded > 50, "{encoded} events have an encoded value");
}
