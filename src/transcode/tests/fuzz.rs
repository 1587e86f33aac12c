//! What the fuzzer calls (`make fuzz`). `cargo test` runs it on the corpus that the fuzzer has
//! found.

use std::cell::RefCell;

use serde_json::json;

use super::examples::delivery;
use super::support::{Fixture, Setup};
use crate::config::RowLayout;
use crate::contract::Discriminator;

thread_local! {
    static FIXTURES: RefCell<Vec<Fixture>> = RefCell::new(fixtures());
}

/// The first byte chooses a contract, the others are a record's value. Panics if the plan and the
/// oracle disagree.
pub fn agree(data: &[u8]) {
    let Some((which, value)) = data.split_first() else { return };
    FIXTURES.with_borrow_mut(|fixtures| {
        let count = fixtures.len();
        fixtures[usize::from(*which) % count].value(value);
    });
}

/// All column types, an envelope, a day partition, rules beyond types, and many unusual names with
/// the event type in a nested object.
fn fixtures() -> Vec<Fixture> {
    let mut enveloped = delivery();
    enveloped.layout = RowLayout::Envelope;
    let mut partitioned = delivery();
    partitioned.partition_by = "at";
    partitioned.lacking = vec!["count", "tags", "_extra"];
    let mut nested = Setup::of(vec![("A", many_unusual_names())]);
    nested.discriminator = Discriminator::Payload(vec!["meta".to_owned(), "type".to_owned()]);
    let ruled = Setup::of(vec![("A", ruled())]);
    [delivery(), enveloped, partitioned, ruled, nested].map(Setup::build).into()
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

fn many_unusual_names() -> serde_json::Value {
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
fn plan_and_oracle_agree_on_the_corpus() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus/transcode");
    let mut inputs = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        agree(&std::fs::read(file.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs > 100, "the corpus has only {inputs} inputs");
}
