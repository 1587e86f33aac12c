//! What a running instance takes of a changed contract, and what it refuses.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::app::RowOptions;
use crate::contract;

/// The domain of a contract with these messages; a message is its payload's properties.
fn domain_at(topic: &str, messages: &Value) -> Domain {
    let messages: serde_json::Map<String, Value> = messages
        .as_object()
        .expect("messages")
        .iter()
        .map(|(name, properties)| {
            let mut properties = properties.clone();
            properties["event_type"] = json!({"type": "string"});
            let payload = json!({"type": "object", "properties": properties});
            (name.clone(), json!({ "payload": payload }))
        })
        .collect();
    let document = json!({
        "asyncapi": "3.0.0", "info": {"title": "t", "version": "1"},
        "channels": {"C": {"address": topic, "messages": messages}},
    });
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("c.json"), document.to_string()).expect("written");
    let contract = contract::load(folder.path(), "c", "C", &[]).expect("loads");
    Domain::new(contract, RowOptions::default()).expect("columns")
}

fn domain(messages: Value) -> Domain {
    domain_at("t", &messages)
}

fn of(before: Value, after: Value) -> Changes {
    changes(&domain(before), &domain(after))
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn what_adds_is_taken() {
    let before =
        json!({"A": {"id": {"type": "string"}, "at": {"properties": {"x": {"type": "number"}}}}});
    let mut after = before.clone();
    after["A"]["note"] = json!({"type": "string"});
    after["A"]["at"]["properties"]["y"] = json!({"type": "array", "items": {"type": "number"}});
    after["B"] = json!({"n": {"type": "integer"}});
    let changes = of(before, after);
    assert_eq!(changes.refusals, [""; 0]);
    assert_eq!(changes.new_types, texts(&["B"]));
    let mut columns = changes.new_columns.clone();
    columns.sort();
    assert_eq!(columns, texts(&["at.y: ARRAY<FLOAT64>", "n: INT64", "note: STRING"]));
    assert_eq!(changes.columns_left, [""; 0]);
}

#[test]
fn a_column_that_goes_is_named_and_taken() {
    let before = json!({"A": {"id": {"type": "string"}, "at": {"properties": {
        "x": {"type": "number"}, "y": {"type": "number"}}}}});
    let after = json!({"A": {"at": {"properties": {"y": {"type": "number"}}}}});
    let changes = of(before, after);
    let mut left = changes.columns_left.clone();
    left.sort();
    assert_eq!((changes.refusals, left), (Vec::new(), texts(&["at.x", "id"])));
}

#[test]
fn another_type_is_refused_with_both() {
    let string = json!({"type": "string"});
    let x = |kind: Value| json!({"A": {"x": kind}});
    for (was, is, said) in [
        (string.clone(), json!({"type": "integer"}), "x is INT64, and was STRING"),
        (
            string.clone(),
            json!({"type": "array", "items": string}),
            "x is ARRAY<STRING>, and was STRING",
        ),
        (
            json!({"type": "array", "items": string}),
            json!({"type": "array", "items": {"type": "number"}}),
            "x is ARRAY<FLOAT64>, and was ARRAY<STRING>",
        ),
        (
            json!({"properties": {"a": string}}),
            json!({"type": "object"}),
            "x is JSON, and was RECORD",
        ),
        (
            json!({"properties": {"a": string}}),
            json!({"properties": {"a": {"type": "number"}}}),
            "x.a is FLOAT64, and was STRING",
        ),
    ] {
        assert_eq!(of(x(was), x(is)).refusals, [format!("the column {said}")]);
    }
}

#[test]
fn another_topic_and_events_that_would_be_dead_letters_are_refused_all_at_once() {
    let before = json!({"A": {"x": {"type": "string"}}, "B": {}, "C": {}});
    let after = domain_at("u", &json!({"A": {"x": {"type": "boolean"}}}));
    let refusals = changes(&domain(before), &after).refusals;
    let beginnings = [
        "the topic is u, and was t",
        "the event type B is gone: its events would",
        "the event type C is gone",
        "the column x is BOOL, and was STRING",
    ];
    assert_eq!(refusals.len(), beginnings.len(), "{refusals:?}");
    for (refusal, beginning) in refusals.iter().zip(beginnings) {
        assert!(refusal.starts_with(beginning), "{refusal}");
    }
}

#[test]
fn a_column_keeps_the_field_that_it_has() {
    let named = |field: &str| json!({"A": {field: {"type": "string"}}});
    let refusals = of(named("a-b"), named("a+b")).refusals;
    assert_eq!(
        refusals,
        ["the column a_b would have the values of the field a+b, and has those of a-b"]
    );
}

#[test]
fn what_rows_do_not_depend_on_makes_no_difference() {
    let before = domain(json!({"A": {"x": {"type": "string"}}}));
    assert!(same_rows(&before, &domain(json!({"A": {"x": {"type": "string"}}}))));
    for other in [
        json!({"A": {"x": {"type": "string", "maxLength": 3}}}),
        json!({"A": {"x": {"type": "string", "pattern": "a"}}}),
        json!({"A": {"x": {"type": "string"}, "y": {"type": "string"}}}),
        json!({"B": {"x": {"type": "string"}}}),
    ] {
        assert!(!same_rows(&before, &domain(other.clone())), "{other}");
    }
}

/// Fields with types, of up to three event types.
fn messages() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec!["string", "integer", "number", "boolean"]);
    // A field has the same type wherever it is declared.
    let kinds = prop::collection::vec(kind, 6);
    let declared = prop::collection::vec(prop::collection::vec(any::<bool>(), 6), 1..4);
    (kinds, declared).prop_map(|(kinds, declared)| {
        let messages = declared.iter().enumerate().map(|(event, fields)| {
            let fields = fields.iter().enumerate().filter(|(_, is_there)| **is_there);
            let properties: serde_json::Map<String, Value> = fields
                .map(|(field, _)| (format!("f{field}"), json!({"type": kinds[field]})))
                .collect();
            (format!("E{event}"), Value::Object(properties))
        });
        Value::Object(messages.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is taken keeps every event type and the type of every column; and a contract that only
    /// adds to another is always taken.
    #[test]
    fn only_what_keeps_types_and_events_is_taken(before in messages(), after in messages()) {
        let (one, other) = (domain(before.clone()), domain(after.clone()));
        let found = changes(&one, &other);
        let keeps = one.contract.events.iter().all(|event| {
            other.contract.events.iter().any(|it| it.name == event.name)
        }) && one.columns.columns.iter().all(|column| {
            other.columns.columns.iter().all(|it| it.name != column.name || it.kind == column.kind)
        });
        prop_assert_eq!(found.refusals.is_empty(), keeps, "{:?}", found.refusals);
        prop_assert_eq!(changes(&one, &one), Changes::default());

        let mut both = before.clone();
        for (name, properties) in after.as_object().expect("messages") {
            let merged = both[name].as_object().cloned().unwrap_or_default();
            let mut merged = Value::Object(merged);
            for (field, schema) in properties.as_object().expect("properties") {
                let known = before.as_object().expect("messages").values();
                let known = known.filter_map(|event| event.get(field)).next();
                merged[field] = known.unwrap_or(schema).clone();
            }
            both[name] = merged;
        }
        let grown = changes(&one, &domain(both));
        prop_assert!(grown.refusals.is_empty() && grown.columns_left.is_empty(), "{:?}", grown);
    }
}
