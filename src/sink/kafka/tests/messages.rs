//! What the transcoder made of a payload comes out of the message again.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::app::{Domain, RowOptions};
use crate::config::TableRules;
use crate::contract;
use crate::record::{Event, Position, Transcoded};
use crate::row::RowBuffer;
use crate::sink::kafka::columns::{KeyError, key_path};
use crate::sink::kafka::message::{Layout, Message};
use crate::transcode::Ingestion;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn domain(key: Option<&[&str]>) -> Domain {
    let folder = tempfile::tempdir().expect("temporary folder");
    let document = json!({
        "asyncapi": "3.0.0",
        "channels": { "C": { "address": "in", "messages": { "E": { "payload": {
            "type": "object",
            "properties": {
                "event_type": { "type": "string" },
                "text": { "type": "string" },
                "count": { "type": "integer" },
                "size": { "type": "number" },
                "flag": { "type": "boolean" },
                "list": { "type": "array", "items": { "type": "string" } },
                "day": { "type": "string", "format": "date" },
                "any": { "type": ["object", "array", "string", "number"] },
                "inner": { "type": "object", "properties": {
                    "id": { "type": "string" }, "n": { "type": "integer" },
                    "deep": { "type": "object", "properties": { "x": { "type": "boolean" } } },
                    "names": { "type": "array", "items": { "type": "string" } },
                } },
                "items": { "type": "array", "items": {
                    "type": "object", "properties": {
                        "n": { "type": "integer" },
                        "names": { "type": "array", "items": { "type": "string" } },
                    },
                } },
            },
        } } } } },
    });
    std::fs::write(folder.path().join("c.json"), document.to_string()).expect("written");
    let contract = contract::load(folder.path(), "c", "C", &[]).expect("loads");
    let key = key.map(|key| key.iter().map(|name| (*name).to_owned()).collect());
    let options = RowOptions { table: TableRules::Kafka { key }, ..RowOptions::default() };
    Domain::new(contract, options).unwrap_or_else(|error| panic!("columns: {error:?}"))
}

/// The message of a record with this value, if it becomes a row.
fn message(domain: &Domain, key: Option<&[String]>, value: &Value) -> Option<Message> {
    let mut plan = domain.plan(&domain.columns).expect("compiles");
    let headers: Vec<(String, Option<Vec<u8>>)> =
        [("other", "x"), ("traceparent", "first"), ("traceparent", TRACE)]
            .map(|(name, value)| (name.to_owned(), Some(value.as_bytes().to_vec())))
            .into();
    let value = value.to_string();
    let event = Event {
        at: Position::new(3, 41),
        timestamp_ms: Some(1_795_255_200_000),
        key: Some(b"the record's"),
        value: Some(value.as_bytes()),
        headers: &headers,
    };
    let mut rows = RowBuffer::default();
    let made = plan.transcode(&event, Ingestion::at(1_795_255_200_000_000), &mut rows);
    if made != Transcoded::Row {
        return None;
    }
    let layout = Layout::new(&domain.columns, key, "in").expect("a layout");
    let (at, row) = rows.rows().next().expect("a row");
    Some(layout.message(at, row).expect("a message"))
}

fn parsed(message: &Message) -> Value {
    let text = message.value.as_deref().expect("a value");
    assert!(!text.contains(&b'\n'), "on one line");
    serde_json::from_slice(text).expect("JSON")
}

/// The value without null, which a row does not tell from nothing.
fn without_nothing(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, member)| !member.is_null());
            kept.map(|(name, member)| (name.clone(), without_nothing(member))).collect()
        }
        Value::Array(items) => items.iter().map(without_nothing).collect(),
        _ => value.clone(),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-c \"\\\\\n]{1,3}", inner, 1..3)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn or_null(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    proptest::option::of(value).prop_map(|value| value.unwrap_or(Value::Null))
}

fn payload() -> impl Strategy<Value = Value> {
    let text = || ".{0,12}".prop_map(Value::from);
    let names = || vec(".{0,3}", 0..2);
    let inner = (or_null(text()), any::<i64>(), any::<bool>(), names()).prop_map(
        |(id, n, x, names)| json!({ "id": id, "n": n, "deep": { "x": x }, "names": names }),
    );
    let item = (any::<i64>(), names()).prop_map(|(n, names)| json!({ "n": n, "names": names }));
    let items = vec(item, 0..3);
    (
        or_null(text()),
        or_null(any::<i64>().prop_map(Value::from)),
        or_null((-1e15..1e15f64).prop_map(Value::from)),
        or_null(any::<bool>().prop_map(Value::from)),
        vec(".{0,5}", 0..4),
        or_null(Just("2026-11-21".into())),
        or_null(any_json().prop_filter("a type of the contract", |any| !any.is_boolean())),
        or_null(inner),
        items,
    )
        .prop_map(|(text, count, size, flag, list, day, any, inner, items)| {
            json!({
                "event_type": "E", "text": text, "count": count, "size": size, "flag": flag,
                "list": list, "day": day, "any": any, "inner": inner, "items": items,
            })
        })
}

proptest! {
    #[test]
    fn a_payload_is_the_same_after_its_way_through_a_row(payload in payload()) {
        let written = message(&domain(None), None, &payload);
        let written = written.expect("the payload keeps the contract");
        // The column `any` is JSON as it came.
        let mut expected = without_nothing(&payload);
        if !payload["any"].is_null() {
            expected["any"] = payload["any"].clone();
        }
        prop_assert_eq!(parsed(&written), expected);
    }
}

#[test]
fn what_the_contract_does_not_declare_stands_apart() {
    let payload = json!({ "event_type": "E", "new": 1.50, "inner": { "id": "a", "more": [] } });
    let written = message(&domain(None), None, &payload).expect("a row");
    let written = parsed(&written);
    assert_eq!(written["inner"], json!({ "id": "a", "names": [] }));
    assert_eq!(written["_extra"]["new"], json!(1.5));
}

#[test]
fn an_array_is_there_whether_the_event_has_it_or_not() {
    for payload in [json!({ "event_type": "E" }), json!({ "event_type": "E", "list": [] })] {
        let written = parsed(&message(&domain(None), None, &payload).expect("a row"));
        assert_eq!(written, json!({ "event_type": "E", "list": [], "items": [] }));
    }
}

#[test]
fn headers_say_where_the_record_stood_and_its_key_is_passed_on() {
    let written = message(&domain(None), None, &json!({ "event_type": "E" })).expect("a row");
    let expected = [
        ("source_topic", "in"),
        ("source_partition", "3"),
        ("source_offset", "41"),
        ("event_type", "E"),
        ("traceparent", TRACE),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), Some(value.as_bytes().to_vec())));
    assert_eq!(written.headers, expected);
    assert_eq!(written.key.as_deref(), Some(&b"the record's"[..]));
}

#[test]
fn a_field_of_the_row_can_be_the_key() {
    let payload = json!({
        "event_type": "E", "text": "a \"b\"", "count": 7, "flag": true, "day": "2026-11-21",
        "inner": { "deep": { "x": false } },
    });
    for (pointer, key) in [
        (&["text"][..], Some("a \"b\"")),
        (&["count"], Some("7")),
        (&["flag"], Some("true")),
        (&["day"], Some("2026-11-21")),
        (&["inner", "deep", "x"], Some("false")),
        (&["inner", "id"], None),
        (&["size"], None),
    ] {
        let names: Vec<String> = pointer.iter().map(|name| (*name).to_owned()).collect();
        let written = message(&domain(Some(pointer)), Some(&names), &payload).expect("a row");
        assert_eq!(written.key, key.map(|key| key.as_bytes().to_vec()), "{pointer:?}");
    }
}

#[test]
fn what_is_not_one_value_is_no_key() {
    let columns = domain(None).columns;
    let path = |pointer: &[&str]| {
        let names: Vec<String> = pointer.iter().map(|name| (*name).to_owned()).collect();
        key_path(&columns, &names)
    };
    for pointer in [&["nothing"][..], &["inner", "nothing"], &["text", "more"], &["items", "n"]] {
        assert!(matches!(path(pointer), Err(KeyError::NoField(_))), "{pointer:?}");
    }
    for pointer in [&["inner"][..], &["items"], &["list"], &["any"]] {
        assert!(matches!(path(pointer), Err(KeyError::Type { .. })), "{pointer:?}");
    }
    assert!(path(&["_event_type"]).is_ok());
}
