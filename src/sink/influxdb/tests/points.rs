//! Rows become points that an independent reader reads back as they were.

use proptest::prelude::*;

use super::reader::{Field, Point, read};
use super::rows::{TOPIC, Value, array, push, schema};
use crate::config::PointRules;
use crate::record::Position;
use crate::row::{Column, ColumnType, RowBuffer, TableSchema};
use crate::sink::influxdb::layout::{Layout, Role};
use crate::sink::influxdb::lines::Lines;
use crate::sink::influxdb::points::{PointError, Points, TimeOf};

/// 2026-11-21 10:00:00.123456 UTC
const MICROS: i64 = 1_795_255_200_123_456;

fn rules(tags: &[&str]) -> PointRules {
    let tags = tags.iter().map(|name| (*name).to_owned()).collect();
    PointRules { tags, fields: None, time: None }
}

/// The points of one row each, or why it is none.
fn points(
    schema: &TableSchema,
    rules: &PointRules,
    rows: &[(Position, Option<i64>, Vec<Value>)],
) -> (Vec<Point>, Vec<PointError>) {
    let points = Points::new(("a m,e=a", TOPIC), schema.clone(), rules).expect("a layout");
    let mut buffer = RowBuffer::default();
    for (at, micros, values) in rows {
        push(&mut buffer, *at, *micros, values);
    }
    let mut lines = Lines::default();
    let failed = points.append(0, &buffer, TimeOf::Row, &mut lines);
    let text = std::str::from_utf8(lines.text(0..lines.len())).expect("UTF-8");
    let failed = failed.into_iter().map(|(_, error)| error).collect();
    (read(text), failed)
}

fn one(schema: &TableSchema, rules: &PointRules, values: Vec<Value>) -> Result<Point, PointError> {
    let (mut points, mut failed) =
        points(schema, rules, &[(Position::new(3, 7), Some(MICROS), values)]);
    points.pop().ok_or_else(|| failed.pop().expect("one of them"))
}

#[test]
fn a_row_becomes_a_point() {
    let inner = vec![
        Column::nullable("city", ColumnType::String),
        Column::nullable("zip", ColumnType::Int64),
    ];
    let schema = schema(vec![
        Column::nullable("region", ColumnType::String),
        Column::nullable("amount", ColumnType::Float64),
        Column::nullable("count", ColumnType::Int64),
        Column::nullable("paid", ColumnType::Bool),
        Column::nullable("price", ColumnType::Numeric),
        Column::nullable("at", ColumnType::Timestamp),
        Column::nullable("day", ColumnType::Date),
        Column::nullable("address", ColumnType::Record(inner.clone())),
        Column::nullable("before", ColumnType::Record(inner.clone())),
        Column::nullable("blob", ColumnType::Bytes),
        array("names", ColumnType::String),
        array("places", ColumnType::Record(inner)),
        array("none", ColumnType::String),
        Column::nullable("_extra", ColumnType::Json),
    ]);
    let address = Value::Record(vec![Value::text("Porto"), Value::None]);
    let values = vec![
        Value::text("north west"),
        Value::Float(12.0),
        Value::Integer(5),
        Value::Integer(1),
        Value::text("1.10"),
        Value::Integer(MICROS),
        Value::Integer(20_000),
        address.clone(),
        Value::None,
        Value::Bytes(vec![0, 255]),
        Value::Array(vec![Value::text("a\"b"), Value::text("c")]),
        Value::Array(vec![address.clone(), Value::Record(vec![Value::None, Value::Integer(1)])]),
        Value::Array(Vec::new()),
        Value::text(r#"{"x": 1.50}"#),
    ];
    let point = one(&schema, &rules(&["region", "address.city", "_event_type"]), values).unwrap();
    assert_eq!(point.measurement, "a m,e=a");
    let tags: Vec<(&str, &str)> =
        point.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(
        tags,
        [
            ("_event_type", "E"),
            ("_kafka_partition", "3"),
            ("_kafka_topic", TOPIC),
            ("address.city", "Porto"),
            ("region", "north west"),
        ]
    );
    let text = |text: &str| Field::Text(text.to_owned());
    let fields: Vec<(&str, Field)> =
        point.fields.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    assert_eq!(
        fields,
        [
            ("_extra", text(r#"{"x": 1.50}"#)),
            ("_ingested_at", text("2026-11-21T10:00:00Z")),
            ("_kafka_offset", Field::Integer(7)),
            ("_kafka_previous", Field::Integer(6)),
            ("amount", Field::Float(12.0)),
            ("at", text("2026-11-21T10:00:00.123456Z")),
            ("blob", text("AP8=")),
            ("count", Field::Integer(5)),
            ("day", text("2024-10-04")),
            ("names", text(r#"["a\"b","c"]"#)),
            ("paid", Field::Flag(true)),
            ("places", text(r#"[{"city":"Porto"},{"zip":1}]"#)),
            ("price", Field::Float(1.1)),
        ]
    );
    assert_eq!(point.time, 1_795_255_200_123_000_007);
}

#[test]
fn fields_and_time_can_be_chosen() {
    let schema = schema(vec![
        Column::nullable("amount", ColumnType::Float64),
        Column::nullable("other", ColumnType::Float64),
        Column::nullable("at", ColumnType::Timestamp),
    ]);
    let rules = PointRules {
        tags: Vec::new(),
        fields: Some(vec!["amount".to_owned()]),
        time: Some(vec!["at".to_owned()]),
    };
    let values = |at| vec![Value::Float(-0.5), Value::Float(1.0), at];
    let point = one(&schema, &rules, values(Value::Integer(-1))).unwrap();
    let keys: Vec<&str> = point.fields.keys().map(String::as_str).collect();
    assert_eq!(keys, ["_kafka_offset", "_kafka_previous", "amount"]);
    // The millisecond before 1970, and the offset in it.
    assert_eq!(point.time, -1_000_000 + 7);
    let column = "at".to_owned();
    assert_eq!(
        one(&schema, &rules, values(Value::None)),
        Err(PointError::NoTime { column: column.clone() })
    );
    for micros in [-9_300_000_000_000_000, 9_300_000_000_000_000] {
        let error = one(&schema, &rules, values(Value::Integer(micros))).unwrap_err();
        assert_eq!(error, PointError::TimeOutOfRange { column: column.clone() });
    }
}

/// The partition and the offset tell any two records of one topic apart, within the documented limit.
#[test]
fn records_of_one_millisecond_are_different_points() {
    let schema = schema(Vec::new());
    let rows: Vec<_> = [(0, 5), (0, 6), (1, 5), (0, 1_000_004)]
        .map(|(partition, offset)| (Position::new(partition, offset), Some(MICROS), Vec::new()))
        .to_vec();
    let (points, failed) = points(&schema, &rules(&[]), &rows);
    assert!(failed.is_empty());
    let mut identities: Vec<_> =
        points.iter().map(|point| (point.tags.clone(), point.time)).collect();
    identities.sort();
    identities.dedup();
    assert_eq!(identities.len(), rows.len());
}

#[test]
fn tags_that_cannot_be_written_are_refused() {
    let schema = schema(vec![Column::nullable("t", ColumnType::String)]);
    for value in ["a\nb", "a\rb", "a\\", "a\\ b", "a\\,b", "a\\=b"] {
        let error = one(&schema, &rules(&["t"]), vec![Value::text(value)]).unwrap_err();
        assert!(error.to_string().starts_with("t: a tag cannot have a line break"), "{error}");
        // As a field it is no problem.
        let point = one(&schema, &rules(&[]), vec![Value::text(value)]).unwrap();
        assert_eq!(point.fields["t"], Field::Text(value.to_owned()));
    }
    for value in [Value::text(""), Value::None] {
        let point = one(&schema, &rules(&["t"]), vec![value]).unwrap();
        assert!(!point.tags.contains_key("t"));
    }
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    let schema = schema(vec![Column::nullable("n", ColumnType::Float64)]);
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = one(&schema, &rules(&[]), vec![Value::Float(value)]).unwrap_err();
        assert_eq!(error.to_string(), "n: the number is not finite");
    }
}

#[test]
fn what_keys_name_is_checked() {
    let inner = vec![Column::nullable("city", ColumnType::String)];
    let schema = schema(vec![
        Column::nullable("region", ColumnType::String),
        Column::nullable("amount", ColumnType::Float64),
        Column::nullable("address", ColumnType::Record(inner)),
        Column::nullable("at", ColumnType::Timestamp),
    ]);
    let problem = |rules: PointRules| {
        let mut problems = Layout::new(&schema, &rules).expect_err("a problem");
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.remove(0)
    };
    for (tag, found) in [
        ("regoin", "the column `regoin`: there is no such column"),
        ("address", "the column `address`: there is no such column"),
        ("amount", "the column `amount`: its values are no tags"),
        ("_kafka_partition", "the column `_kafka_partition`: it is a tag of every point"),
        ("_ingested_at", "the column `_ingested_at`: it may differ"),
    ] {
        let problem = problem(rules(&[tag]));
        assert_eq!(problem.role, Role::Tag);
        assert!(problem.found.starts_with(found), "{problem:?}");
        assert!(problem.accepted.contains("region, address.city"), "{problem:?}");
        let meant = problem.accepted.contains("did you mean `region`?");
        assert_eq!(meant, tag == "regoin", "{problem:?}");
    }
    let with_field =
        |name: &str| PointRules { fields: Some(vec![name.to_owned()]), ..rules(&["region"]) };
    assert!(problem(with_field("region")).found.contains("it is a tag already"));
    assert_eq!(problem(with_field("x")).role, Role::Field);
    let with_time = |keys: &[&str]| PointRules {
        time: Some(keys.iter().map(|key| (*key).to_owned()).collect()),
        ..rules(&[])
    };
    let no_time = problem(with_time(&["region"]));
    assert_eq!(
        (no_time.role, no_time.found.as_str()),
        (Role::Time, "/region, which is a string field")
    );
    assert!(no_time.accepted.ends_with("/at"), "{no_time:?}");
    assert!(problem(with_time(&["_kafka_timestamp"])).found.contains("no field"));
}

proptest! {
    /// Texts with every character that means something, integers at their limits, all finite floats.
    #[test]
    fn values_are_read_back(
        tag in "[a\\\\,= \"#\u{e9}\u{0}\t]{0,12}",
        text in "(?s)[a\\\\,= \"\n\r\u{e9}\u{1f600}]{0,24}|.{0,40}",
        integer in prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)],
        float in any::<f64>().prop_filter("finite", |value| value.is_finite()),
        flag in any::<bool>(),
        offset in 0..i64::MAX,
        micros in -9_000_000_000_000_000i64..9_000_000_000_000_000,
    ) {
        let schema = schema(vec![
            Column::nullable("a tag,=", ColumnType::String),
            Column::nullable("text\"s, =", ColumnType::String),
            Column::nullable("integer", ColumnType::Int64),
            Column::nullable("float", ColumnType::Float64),
            Column::nullable("flag", ColumnType::Bool),
        ]);
        let values = vec![
            Value::Text(tag.clone()),
            Value::Text(text.clone()),
            Value::Integer(integer),
            Value::Float(float),
            Value::Integer(flag.into()),
        ];
        // The line after it must be untouched.
        let after = vec![Value::None, Value::text("after"), Value::None, Value::None, Value::None];
        let at = Position::new(9, offset);
        let rows = [(at, Some(micros), values), (Position::new(9, 0), Some(0), after)];
        let (mut points, failed) = points(&schema, &rules(&["a tag,="]), &rows);
        let last = points.pop().expect("the line after it");
        prop_assert_eq!(&last.fields["text\"s, ="], &Field::Text("after".to_owned()));
        let writable = !tag.ends_with('\\')
            && !["\\,", "\\=", "\\ "].iter().any(|pair| tag.contains(pair));
        if !writable {
            prop_assert!(points.is_empty() && failed.len() == 1);
            return Ok(());
        }
        let point = points.pop().expect("a point");
        prop_assert_eq!(point.tags.get("a tag,=").cloned().unwrap_or_default(), tag);
        prop_assert_eq!(&point.fields["text\"s, ="], &Field::Text(text));
        prop_assert_eq!(&point.fields["integer"], &Field::Integer(integer));
        let Field::Float(read) = point.fields["float"] else { panic!("a float") };
        prop_assert_eq!(read.to_bits(), float.to_bits());
        prop_assert_eq!(&point.fields["flag"], &Field::Flag(flag));
        prop_assert_eq!(point.time.div_euclid(1_000_000), micros.div_euclid(1_000));
        prop_assert_eq!(point.time.rem_euclid(1_000_000), offset % 1_000_000);
    }
}
