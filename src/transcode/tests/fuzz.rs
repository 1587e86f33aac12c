//! What the fuzzer calls (`make fuzz`), and its corpus in every `cargo test`.

use std::cell::RefCell;

use serde_json::json;

use super::examples::delivery;
use super::support::{Fixture, Setup};
use crate::config::RowLayout;
use crate::contract::Discriminator;

thread_local! {
    static FIXTURES: RefCell<Vec<Fixture>> = RefCell::new(fixtures());
}

/// The first byte chooses a contract, the others are a record's value. Panics where the plan and
/// its twin disagree.
pub fn agree(data: &[u8]) {
    let Some((which, value)) = data.split_first() else { return };
    FIXTURES.with_borrow_mut(|fixtures| {
        let count = fixtures.len();
        fixtures[usize::from(*which) % count].value(value);
    });
}

/// Every column type, an envelope, a day partition, rules beyond types, and many odd names behind
/// a type that stands deeper.
fn fixtures() -> Vec<Fixture> {
    let mut enveloped = delivery();
    enveloped.layout = RowLayout::Envelope;
    let mut partitioned = delivery();
    partitioned.partition_by = "at";
    partitioned.lacking = vec!["count", "tags", "_extra"];
    let mut deeper = Setup::of(vec![("A", many_odd_names())]);
    deeper.discriminator = Discriminator::Payload(vec!["meta".to_owned(), "type".to_owned()]);
    let ruled = Setup::of(vec![("A", ruled())]);
    [delivery(), enveloped, partitioned, ruled, deeper].map(Setup::build).into()
}

fn ruled() -> serde_json::Value {
    json!({
        "type": "object",
        "required": ["event_type", "status"],
        "properties": {
            "event_type": {"const": "A", "type": "string"},
            "status": {"type": ["string", "null"], "enum": ["ok", "late", "é"]},
            "code": {"type": "string", "minLength": 2, "maxLength": 4},
            "name": {"type": "string", "pattern": "^[a-z]+$"},
            "count": {"type": "integer", "minimum": -5, "maximum": 5},
            "share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1.5},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
            "exact": {"type": "string", "x-bigquery-type": "BIGNUMERIC"},
            "clock": {"type": "string", "x-bigquery-type": "TIME"},
            "local": {"type": "string", "x-bigquery-type": "DATETIME"},
        },
    })
}

fn many_odd_names() -> serde_json::Value {
    let mut properties = json!({
        "meta": {"type": "object", "properties": {"type": {"type": "string"}}},
        "a\"b": {"type": "string"},
        "é": {"type": "integer"},
        "a_name_that_is_longer_than_one_block": {"type": "boolean"},
    });
    for number in 0..70 {
        properties[format!("f{number}")] = json!({"type": "integer"});
    }
    json!({"type": "object", "required": ["f69"], "properties": properties})
}

#[test]
fn the_corpus_still_agrees() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus/transcode");
    let mut inputs = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        agree(&std::fs::read(file.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs > 100, "{inputs} inputs are no corpus");
}
