//! Records that become rows, and records that are ignored.

use serde_json::json as schema;

use super::{booked, cell, delivery, json, rejected, row, text};
use crate::config::RowLayout;
use crate::contract::Discriminator;
use crate::record::{Event, NoHeaders, Position, Reason};
use crate::transcode::tests::descriptor::Cell;
use crate::transcode::tests::support::{Became, NOW, Setup};

#[test]
fn a_row_has_its_columns() {
    let fixture = &mut delivery().build();
    let members = r#""count":-3,"weight":0.5,"fragile":false,"at":"2026-11-21T11:00:00.1234567+01:00",
        "day":"1969-12-31","price":"-012.50","label":"AAEC","address":{"city":"Porto","zip":null},
        "tags":["a",""],"items":[{},{"sku":"x"}],"free":{"a":[1, 2]},"holes":[1,null]"#;
    let cells = row(fixture, booked(members));
    let expected = |name: &str| cells.iter().find(|(n, _)| n == name).map(|(_, c)| c.clone());
    assert_eq!(expected("_event_type"), text("Booked"));
    assert_eq!(expected("_contract"), text("test#Topic@1"));
    assert_eq!(expected("_kafka_partition"), Some(Cell::Int(3)));
    assert_eq!(expected("_kafka_offset"), Some(Cell::Int(41)));
    assert_eq!(expected("count"), Some(Cell::Int(-3)));
    assert_eq!(expected("weight"), Some(Cell::Float(0.5f64.to_bits())));
    assert_eq!(expected("fragile"), Some(Cell::Bool(false)));
    assert_eq!(expected("at"), Some(Cell::Int(NOW + 123_456)));
    assert_eq!(expected("day"), Some(Cell::Int(-1)));
    assert_eq!(expected("price"), text("-12.5"));
    assert_eq!(expected("label"), Some(Cell::Bytes(vec![0, 1, 2])));
    let city = ("city".to_owned(), Cell::Text("Porto".to_owned()));
    assert_eq!(expected("address"), Some(Cell::Record(vec![city])));
    let tags = ["a", ""].map(|tag| Cell::Text(tag.to_owned()));
    assert_eq!(expected("tags"), Some(Cell::Repeated(tags.to_vec())));
    let sku = ("sku".to_owned(), Cell::Text("x".to_owned()));
    let items = vec![Cell::Record(vec![]), Cell::Record(vec![sku])];
    assert_eq!(expected("items"), Some(Cell::Repeated(items)));
    assert_eq!(expected("free"), json(r#"{"a":[1,2]}"#));
    assert_eq!(expected("holes"), json("[1,null]"));
    assert_eq!(expected("_extra"), None);
}

#[test]
fn a_tombstone_is_ignored() {
    let fixture = &mut delivery().build();
    assert!(
        matches!(fixture.record(None, &NoHeaders), Became::Ignored(label) if label == "tombstone")
    );
    assert_eq!(fixture.plan.ignored_labels().last().unwrap(), "tombstone");
}

#[test]
fn an_ignored_event_is_read_only_as_far_as_its_type() {
    let fixture = &mut delivery().build();
    for value in [
        &br#"{"event_type":"Ignored"}"#[..],
        br#"{"event_type":"Ignored","id":NaN"#,
        b"{\"event_type\":\"Ignored\",\"id\":\"\xff\"}",
        br#"{"id":7,"event_type" : "Ignored","text":"\n"}"#,
        br#"{"event_type":"a\"b"}"#,
        // The last duplicate of the type counts.
        br#"{"event_type":"Unknown","event_type":"Ignored"}"#,
        // In a text that is not JSON, the first counts.
        br#"{"event_type":"Ignored","event_type":"Booked","#,
    ] {
        assert!(matches!(fixture.value(value), Became::Ignored(_)));
    }
    row(fixture, r#"{"event_type":"Ignored","id":"1","event_type":"Booked"}"#);
    row(fixture, r#"{"event_type":"Ignored","id":"1","event\u005ftype":"Booked"}"#);
    // A type that is both ignored and in the contract is ignored.
    let mut setup = delivery();
    setup.ignore = vec!["Booked", "Booked"];
    let fixture = &mut setup.build();
    assert!(matches!(fixture.value(booked("")), Became::Ignored(label) if label == "Booked"));
    assert_eq!(fixture.plan.ignored_labels(), ["Booked", "tombstone"]);
}

#[test]
fn a_channel_with_one_message_needs_no_type_in_its_records() {
    let schema =
        schema!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
    let mut setup = Setup::of(vec![("Only", schema)]);
    setup.discriminator = Discriminator::Only("Only".to_owned());
    let fixture = &mut setup.build();
    assert!(matches!(fixture.value(r#"{"n":1}"#), Became::Row(_)));
    assert!(matches!(fixture.value(r#"{"n":1,"event_type":"Another"}"#), Became::Row(_)));
    for (value, reason) in
        [("{}", Reason::MissingField), ("[1]", Reason::InvalidJson), ("", Reason::Empty)]
    {
        match fixture.value(value) {
            Became::Rejected(rejection) => assert_eq!(rejection.reason, reason, "{value}"),
            other => panic!("{value}: {other:?}"),
        }
    }
}

#[test]
fn the_type_in_a_header() {
    let mut setup = delivery();
    setup.discriminator = Discriminator::Header("type".to_owned());
    let fixture = &mut setup.build();
    let header = |value: &[u8]| ("type".to_owned(), Some(value.to_vec()));
    let value = Some(&br#"{"event_type":"whatever","id":"1"}"#[..]);
    assert!(matches!(fixture.record(value, &vec![header(b"Booked")]), Became::Row(_)));
    let no_object = fixture.record(Some(b"[1]"), &vec![header(b"Booked")]);
    assert!(matches!(no_object, Became::Rejected(r) if r.reason == Reason::InvalidJson));
    // Of several headers with the name, the last that has a value counts.
    let repeated = vec![header(b"Unknown"), header(b"Booked"), ("type".to_owned(), None)];
    assert!(matches!(fixture.record(value, &repeated), Became::Row(_)));
    // The value of an ignored event is not read.
    assert!(matches!(fixture.record(Some(b"\xff"), &vec![header(b"Ignored")]), Became::Ignored(_)));
    assert!(matches!(fixture.record(Some(b""), &vec![header(b"Ignored")]), Became::Ignored(_)));
    for (headers, reason) in
        [(vec![], Reason::NoEventType), (vec![header(b"\xff")], Reason::UnknownEventType)]
    {
        match fixture.record(value, &headers) {
            Became::Rejected(rejection) => assert_eq!(rejection.reason, reason),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn null_is_absent_where_a_field_is_optional() {
    let fixture = &mut delivery().build();
    assert_eq!(cell(fixture, "count", r#""count":null"#), None);
    assert_eq!(cell(fixture, "tags", r#""tags":null"#), None);
    assert_eq!(cell(fixture, "free", r#""free":null"#), None);
    let (reason, detail) = rejected(fixture, r#"{"event_type":"Booked","id":null}"#);
    assert_eq!((reason, detail.as_str()), (Reason::WrongType, "/id: found null, expected string"));
}

#[test]
fn the_last_of_duplicate_keys_counts() {
    let fixture = &mut delivery().build();
    assert_eq!(cell(fixture, "count", r#""count":1,"count":2"#), Some(Cell::Int(2)));
    // The first may be anything.
    assert_eq!(cell(fixture, "count", r#""count":"x","count":2"#), Some(Cell::Int(2)));
    assert_eq!(rejected(fixture, booked(r#""count":2,"count":"x""#)).0, Reason::WrongType);
    assert_eq!(rejected(fixture, booked(r#""id":null"#)).0, Reason::WrongType);
    assert_eq!(cell(fixture, "count", r#""count":2,"count":null"#), None);
    // Two arrays are not joined.
    let tags = r#""tags":["a","b"],"tags":["c"]"#;
    let last = Cell::Repeated(vec![Cell::Text("c".to_owned())]);
    assert_eq!(cell(fixture, "tags", tags), Some(last));
    // A duplicate may be written with escapes, and anywhere in the payload.
    assert_eq!(cell(fixture, "count", r#""count":1,"c\u006funt":2"#), Some(Cell::Int(2)));
    assert_eq!(cell(fixture, "free", r#""free":{"a":1,"b":2,"a":3}"#), json(r#"{"b":2,"a":3}"#));
    assert_eq!(cell(fixture, "_extra", r#""x":[{"a":1,"a":2}]"#), json(r#"{"x":[{"a":2}]}"#));
    assert_eq!(cell(fixture, "_extra", r#""x":1,"x":2"#), json(r#"{"x":2}"#));
}

#[test]
fn undeclared_fields_go_into_extra() {
    let fixture = &mut delivery().build();
    let members = r#""new":{"a":[1, "\u00e9"]},"address":{"city":"x","geo":{"lat":1}},
        "items":[{"sku":"a"},{"sku":"b","gift":true},{}],"only_here":"is another type's""#;
    assert_eq!(
        cell(fixture, "_extra", members),
        json(
            r#"{"new":{"a":[1,"é"]},"address":{"geo":{"lat":1}},"items":[null,{"gift":true}],
                "only_here":"is another type's"}"#
        ),
    );
    assert_eq!(cell(fixture, "only_here", members), None);
}

#[test]
fn a_field_of_two_types_is_json() {
    let fixture = &mut delivery().build();
    assert_eq!(cell(fixture, "either", r#""either":"a""#), json(r#""a""#));
    let cells = row(fixture, r#"{"event_type":"Moved","either":7}"#);
    assert!(cells.contains(&("either".to_owned(), json("7").unwrap())));
}

#[test]
fn a_field_without_a_column_is_checked_and_not_written() {
    let mut setup = delivery();
    setup.lacking = vec!["count", "at", "address", "_extra", "_kafka_key"];
    let fixture = &mut setup.build();
    let value = booked(r#""count":1,"at":"no time","address":{"city":"x","new":1},"new":1"#);
    let cells = row(fixture, value);
    let names: Vec<&str> = cells.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"id"));
    for lacking in ["count", "at", "address", "_extra", "_kafka_key"] {
        assert!(!names.contains(&lacking), "{lacking}");
    }
    assert_eq!(rejected(fixture, booked(r#""count":"x""#)).0, Reason::WrongType);
    assert_eq!(rejected(fixture, booked(r#""address":{}"#)).0, Reason::MissingField);
}

#[test]
fn an_envelope_is_checked_and_written_unchanged() {
    let mut setup = delivery();
    setup.layout = RowLayout::Envelope;
    let fixture = &mut setup.build();
    let value = booked(r#""at":"no time","new":[1.0, 1e2],"count":9223372036854775808"#);
    let cells = row(fixture, &value);
    assert_eq!(cells.last().unwrap(), &("payload".to_owned(), json(&value).unwrap()));
    assert_eq!(rejected(fixture, r#"{"event_type":"Booked"}"#).0, Reason::MissingField);
}

#[test]
fn headers_are_json() {
    let fixture = &mut delivery().build();
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let headers = vec![
        header("trace", Some(b"a\"\n\\")),
        header("raw", Some(b"\xff\x00")),
        header("twice", Some(b"1")),
        header("none", None),
        header("twice", Some(b"2")),
    ];
    match fixture.record(Some(booked("").as_bytes()), &headers) {
        Became::Row(cells) => {
            let expected =
                r#"{"trace":"a\"\n\\","raw":{"base64":"/wA="},"twice":["1","2"],"none":null}"#;
            assert!(cells.contains(&("_kafka_headers".to_owned(), json(expected).unwrap())));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_partition_window_any_day_is_accepted() {
    let value = booked(r#""at":"0001-01-01T00:00:00Z","day":"9999-12-31""#);
    for partition_by in ["at", "day", "_kafka_timestamp"] {
        let mut setup = delivery();
        setup.partition_by = partition_by;
        setup.window = None;
        let fixture = &mut setup.build();
        let event = Event {
            at: Position::new(0, 1),
            timestamp_ms: Some(0),
            key: None,
            value: Some(value.as_bytes()),
            headers: &NoHeaders,
        };
        assert!(matches!(fixture.event(&event), Became::Row(_)), "{partition_by}");
    }
}

#[test]
fn hundreds_of_fields_and_event_types() {
    let names: Vec<String> = (0..300).map(|i| format!("field_{i}")).collect();
    let properties: serde_json::Map<_, _> =
        names.iter().map(|name| (name.clone(), schema!({"type": "integer"}))).collect();
    let schema = schema!({"type": "object", "properties": properties, "required": names});
    let types: Vec<&'static str> =
        (0..120).map(|i| &*Box::leak(format!("Type{i}").into_boxed_str())).collect();
    let fixture =
        &mut Setup::of(types.iter().map(|name| (*name, schema.clone())).collect()).build();
    for event_type in &types {
        let all = |names: &[String]| {
            let members: Vec<_> = names.iter().map(|name| format!(r#""{name}":7"#)).collect();
            format!(r#"{{"event_type":"{event_type}",{}}}"#, members.join(","))
        };
        let cells = row(fixture, all(&names));
        assert_eq!(cells.iter().filter(|(_, cell)| *cell == Cell::Int(7)).count(), 300);
        let (reason, detail) = rejected(fixture, all(&names[..299]));
        assert_eq!(reason, Reason::MissingField);
        assert!(detail.starts_with("/field_"));
    }
}

#[test]
fn a_timestamp_outside_the_years_1_to_9999_is_left_out() {
    let fixture = &mut delivery().build();
    let value = booked("");
    for (timestamp_ms, micros) in [
        (Some(-1), Some(-1_000)),
        (Some(253_402_300_799_999), Some(253_402_300_799_999_000)),
        (Some(253_402_300_800_000), None),
        (Some(i64::MAX), None),
        (Some(i64::MIN), None),
        (None, None),
    ] {
        let at = Position::new(0, 0);
        let value = Some(value.as_bytes());
        let event = Event { at, timestamp_ms, key: None, value, headers: &NoHeaders };
        match fixture.event(&event) {
            Became::Row(cells) => {
                let found = cells.into_iter().find(|(name, _)| name == "_kafka_timestamp");
                assert_eq!(found.map(|(_, cell)| cell), micros.map(Cell::Int));
            }
            other => panic!("{other:?}"),
        }
    }
}
