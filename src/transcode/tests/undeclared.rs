//! What producers have added is counted by the paths at which `_extra` has it.

use serde_json::{Value, json};

use super::support::{Fixture, Setup};
use crate::config::RowLayout;
use crate::record::Transcoded;

fn setup() -> Setup {
    let address = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    Setup::of(vec![(
        "A",
        json!({"type": "object", "required": ["n"], "properties": {
            "event_type": {"type": "string"},
            "n": {"type": "integer"},
            "address": address,
            "stops": {"type": "array", "items": address},
            "free": {"type": "object"},
        }}),
    )])
}

fn row(fixture: &mut Fixture, event: &Value) {
    let became = fixture.alone(&event.to_string());
    assert!(matches!(became, Transcoded::Row), "{event}");
}

/// The paths, each with its number of events.
fn taken(fixture: &mut Fixture) -> Vec<(String, u64)> {
    let fields = fixture.plan.take_undeclared().into_iter();
    fields
        .map(|field| {
            assert_eq!(field.event_type, "A");
            (field.path, field.events)
        })
        .collect()
}

fn paths(found: &[(&str, u64)]) -> Vec<(String, u64)> {
    found.iter().map(|(path, events)| ((*path).to_owned(), *events)).collect()
}

#[test]
fn a_field_is_counted_once_an_event_at_the_highest_undeclared_place() {
    let mut fixture = setup().build();
    row(
        &mut fixture,
        &json!({"event_type": "A", "n": 1, "address": {"city": "x"}, "free": {"a": 1}}),
    );
    assert_eq!(taken(&mut fixture), [], "all of it is declared");
    let event = json!({
        "event_type": "A", "n": 1, "note": "x", "a/b": {"c": {"d": 1}}, "free": {"a": 1},
        "address": {"city": "x", "geo": {"lat": 1.5}},
        "stops": [{"city": "x"}, {"zip": 1, "geo": 2}, {"zip": 3}],
    });
    row(&mut fixture, &event);
    row(&mut fixture, &json!({"event_type": "A", "n": 1, "note": null}));
    let expected =
        [("/address/geo", 1), ("/a~1b", 1), ("/note", 2), ("/stops/*/geo", 1), ("/stops/*/zip", 1)];
    assert_eq!(taken(&mut fixture), paths(&expected));
    assert_eq!(taken(&mut fixture), [], "taken once");
}

#[test]
fn most_events_stand_for_others() {
    let mut fixture = setup().build();
    let event = json!({"event_type": "A", "n": 1, "note": "x"});
    (0..64).for_each(|_| row(&mut fixture, &event));
    assert_eq!(taken(&mut fixture), paths(&[("/note", 64)]));
    (0..640).for_each(|_| row(&mut fixture, &event));
    assert_eq!(taken(&mut fixture), paths(&[("/note", 640)]));
}

#[test]
fn paths_that_are_many_or_long_are_counted_together() {
    let mut fixture = setup().build();
    let mut event = json!({"event_type": "A", "n": 1});
    for number in 0..250 {
        event[format!("k{number:03}")] = json!(1);
    }
    row(&mut fixture, &event);
    let found = taken(&mut fixture);
    assert_eq!(found.len(), 101);
    let others: u64 =
        found.iter().filter(|(path, _)| path == "other").map(|(_, events)| events).sum();
    assert_eq!(others, 150);
    let long = "k".repeat(300);
    row(&mut fixture, &json!({"event_type": "A", "n": 1, long: 1}));
    row(&mut fixture, &json!({"event_type": "A", "n": 1, "large": "x".repeat(100_000)}));
    assert_eq!(taken(&mut fixture), paths(&[("other", 2)]));
}

#[test]
fn what_is_no_row_or_has_no_extra_is_not_counted() {
    let mut fixture = setup().build();
    let rejected = fixture.alone(r#"{"event_type":"A","n":"x","note":1}"#);
    assert!(matches!(rejected, Transcoded::Rejected(_)));
    let ignored = fixture.alone(r#"{"event_type":"Ignored","note":1}"#);
    assert!(matches!(ignored, Transcoded::Ignored(_)));
    assert_eq!(taken(&mut fixture), []);
    // The table lacks the column: it is counted all the same.
    let mut fixture = Setup { lacking: vec!["_extra"], ..setup() }.build();
    row(&mut fixture, &json!({"event_type": "A", "n": 1, "note": 1}));
    assert_eq!(taken(&mut fixture), paths(&[("/note", 1)]));
    let mut fixture = Setup { layout: RowLayout::Envelope, ..setup() }.build();
    row(&mut fixture, &json!({"event_type": "A", "n": 1, "note": 1}));
    assert_eq!(taken(&mut fixture), [], "the payload is one column");
}
