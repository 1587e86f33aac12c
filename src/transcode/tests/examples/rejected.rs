//! Records that are rejected, and for which reason.

use serde_json::json as schema;

use super::{booked, cell, delivery, json, rejected, row, text};
use crate::record::{Event, NoHeaders, Position, Reason, Transcoded};
use crate::row::RowBuffer;
use crate::transcode::Ingestion;
use crate::transcode::scan::MAX_DEPTH;
use crate::transcode::tests::descriptor::Cell;
use crate::transcode::tests::support::{Became, Setup};

#[test]
fn an_empty_value_is_rejected() {
    let fixture = &mut delivery().build();
    assert_eq!(rejected(fixture, "").0, Reason::Empty);
    assert_eq!(rejected(fixture, " \n").0, Reason::InvalidJson);
}

#[test]
fn bytes_that_are_not_utf8_are_rejected() {
    let fixture = &mut delivery().build();
    let (reason, detail) = rejected(fixture, b"{\"event_type\":\"Booked\",\"id\":\"\xc3\x28\"}");
    assert_eq!((reason, detail.as_str()), (Reason::NotUtf8, "byte 29: not UTF-8"));
}

#[test]
fn a_registry_framed_value_is_rejected() {
    let fixture = &mut delivery().build();
    assert_eq!(rejected(fixture, b"\0\0\0\0\x07\x02abc").0, Reason::RegistryFramed);
    assert_eq!(
        rejected(fixture, b"\0\0\0\0\x07{\"event_type\":\"Booked\"}").0,
        Reason::RegistryFramed
    );
    // Too short for a registry's frame.
    assert_eq!(rejected(fixture, b"\0\0").0, Reason::InvalidJson);
}

#[test]
fn what_is_not_json_is_rejected() {
    let fixture = &mut delivery().build();
    for value in [
        r#"{"event_type":"Booked","id":"1""#,
        r#"{"event_type":"Booked","id":"1",}"#,
        r#"{"event_type":"Booked","id":"1"} x"#,
        r#"{"event_type":"Booked",'id':"1"}"#,
        "{\"event_type\":\"Booked\",\"id\":\"a\nb\"}",
        "\u{feff}{\"event_type\":\"Booked\",\"id\":\"1\"}",
        r#"{"event_type":"Booked","id":"1","count":01}"#,
        r#"["Booked"]"#,
        r#""Booked""#,
        "Booked",
    ] {
        assert_eq!(rejected(fixture, value).0, Reason::InvalidJson, "{value}");
    }
    // A syntax error is reported before a field's fault, wherever it is.
    let (reason, detail) = rejected(fixture, booked(r#""count":"x","weight":.5"#));
    assert_eq!((reason, detail.as_str()), (Reason::InvalidJson, "byte 53: expected a value"));
}

#[test]
fn nan_and_infinity_are_not_json() {
    let fixture = &mut delivery().build();
    for word in ["NaN", "Infinity", "-Infinity", "+1", "nan"] {
        let value = booked(&format!(r#""weight":{word}"#));
        assert_eq!(rejected(fixture, value).0, Reason::InvalidJson, "{word}");
    }
}

#[test]
fn half_a_surrogate_pair_is_not_json() {
    let fixture = &mut delivery().build();
    for text in [r"\ud800", r"\udc00", r"\ud800\u0041", r"\ud800\ud800"] {
        let value = booked(&format!(r#""either":"{text}""#));
        assert_eq!(rejected(fixture, value).0, Reason::InvalidJson, "{text}");
        let value = booked(&format!(r#""undeclared":"{text}""#));
        assert_eq!(rejected(fixture, value).0, Reason::InvalidJson, "{text}");
    }
    assert_eq!(cell(fixture, "id", r#""id":"\ud83d\ude00\u0000""#), text("😀\0"));
}

#[test]
fn nesting_ends_at_a_limit() {
    let fixture = &mut delivery().build();
    let nested = |depth: usize| {
        booked(&format!(r#""free":{{"a":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth)))
    };
    // The event and `free` are two of the levels.
    row(fixture, nested(MAX_DEPTH - 2));
    assert_eq!(rejected(fixture, nested(MAX_DEPTH - 1)).0, Reason::TooDeep);
    assert_eq!(rejected(fixture, "[".repeat(1_000_000)).0, Reason::TooDeep);
}

#[test]
fn an_event_without_a_type_is_rejected() {
    let fixture = &mut delivery().build();
    for value in ["{}", r#"{"id":"1"}"#, r#"{"event_type":null}"#, r#"{"event_type":7}"#] {
        assert_eq!(rejected(fixture, value).0, Reason::NoEventType, "{value}");
    }
}

#[test]
fn an_unknown_type_is_rejected_by_its_name() {
    let fixture = &mut delivery().build();
    match fixture.value(r#"{"event_type":"Ün\u006bnown","id":"1"}"#) {
        Became::Rejected(rejection) => {
            assert_eq!(rejection.reason, Reason::UnknownEventType);
            assert_eq!(rejection.event_type.as_deref(), Some("Ünknown"));
        }
        other => panic!("{other:?}"),
    }
    // Upper and lower case are different.
    assert_eq!(rejected(fixture, r#"{"event_type":"booked"}"#).0, Reason::UnknownEventType);
}

#[test]
fn a_missing_field_is_named() {
    let fixture = &mut delivery().build();
    let (reason, detail) = rejected(fixture, r#"{"event_type":"Booked"}"#);
    assert_eq!((reason, detail.as_str()), (Reason::MissingField, "/id: required, but missing"));
    let (reason, detail) = rejected(fixture, booked(r#""address":{"zip":"1"}"#));
    assert_eq!(reason, Reason::MissingField);
    assert_eq!(detail, "/address/city: required, but missing");
}

#[test]
fn a_wrong_type_is_named_with_its_place() {
    let fixture = &mut delivery().build();
    for (members, detail) in [
        (r#""count":"7""#, "/count: found string, expected integer"),
        (r#""count":1.5"#, "/count: found a number with a fraction, expected integer"),
        (r#""weight":true"#, "/weight: found boolean, expected number"),
        (r#""fragile":0"#, "/fragile: found number, expected boolean"),
        (r#""at":1795255200"#, "/at: found number, expected string"),
        (r#""address":[]"#, "/address: found array, expected object"),
        (r#""tags":"a""#, "/tags: found string, expected array"),
        (r#""tags":["a",{}]"#, "/tags/1: found object, expected string"),
        (r#""items":[{"sku":"x"},{"sku":[]}]"#, "/items/1/sku: found array, expected string"),
        (r#""holes":[1,"x"]"#, "/holes/1: found string, expected integer"),
        // The column is JSON, because two event types declare it differently; the event's own type
        // still counts.
        (r#""either":7"#, "/either: found number, expected string"),
    ] {
        assert_eq!(rejected(fixture, booked(members)), (Reason::WrongType, detail.to_owned()));
    }
}

#[test]
fn null_among_items_is_rejected() {
    let fixture = &mut delivery().build();
    let (reason, detail) = rejected(fixture, booked(r#""tags":["a",null]"#));
    assert_eq!(reason, Reason::NullInArray);
    assert_eq!(detail, "/tags/1: found null, expected string");
    assert_eq!(rejected(fixture, booked(r#""items":[null]"#)).0, Reason::NullInArray);
    assert_eq!(cell(fixture, "holes", r#""holes":[null]"#), json("[null]"));
}

#[test]
fn integers_beyond_int64_are_rejected() {
    let fixture = &mut delivery().build();
    for (number, value) in [
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
        ("1.0", 1),
        ("1e2", 100),
        ("-0.0", 0),
        ("12.50e1", 125),
    ] {
        let members = format!(r#""count":{number}"#);
        assert_eq!(cell(fixture, "count", &members), Some(Cell::Int(value)), "{number}");
    }
    for number in ["9223372036854775808", "-9223372036854775809", "1e19", "1e400"] {
        let (reason, detail) = rejected(fixture, booked(&format!(r#""count":{number}"#)));
        assert_eq!(reason, Reason::OutOfRange);
        assert_eq!(detail, "/count: a number beyond INT64");
    }
}

#[test]
fn numbers_beyond_float64_are_rejected() {
    let fixture = &mut delivery().build();
    for members in [r#""weight":1e309"#, r#""free":{"a":-1e309}"#, r#""undeclared":[1e309]"#] {
        assert_eq!(rejected(fixture, booked(members)).0, Reason::OutOfRange, "{members}");
    }
    let smallest = Some(Cell::Float(0.0f64.to_bits()));
    assert_eq!(cell(fixture, "weight", r#""weight":1e-400"#), smallest);
}

#[test]
fn decimals_beyond_their_column_are_rejected() {
    let fixture = &mut delivery().build();
    let whole = "9".repeat(29);
    assert_eq!(
        cell(fixture, "price", &format!(r#""price":"{whole}.999999999000""#)),
        text(&format!("{whole}.999999999")),
    );
    assert_eq!(cell(fixture, "price", r#""price":"1.5e-8""#), text("0.000000015"));
    for decimal in [format!("1{whole}"), "0.0000000001".to_owned(), "1e999999999999".to_owned()] {
        let (reason, detail) = rejected(fixture, booked(&format!(r#""price":"{decimal}""#)));
        assert_eq!(reason, Reason::OutOfRange);
        assert_eq!(detail, "/price: NUMERIC holds 29 digits before and 9 after the point");
    }
}

#[test]
fn dates_beyond_their_column_are_rejected() {
    let fixture = &mut delivery().build();
    for members in [
        r#""at":"0000-12-31T23:59:59Z""#,
        r#""at":"0001-01-01T00:00:00+00:01""#,
        r#""at":"9999-12-31T23:59:59-00:01""#,
        r#""day":"0000-01-01""#,
    ] {
        assert_eq!(rejected(fixture, booked(members)).0, Reason::OutOfRange, "{members}");
    }
}

#[test]
fn a_format_is_checked_where_a_column_needs_it() {
    let fixture = &mut delivery().build();
    for (members, detail) in [
        (r#""at":"2026-11-21""#, "/at: found a string that is not a date-time of RFC 3339"),
        (r#""day":"2026-02-30""#, "/day: found a string that is not a date"),
        (r#""price":"1,50""#, "/price: found a string that is not a decimal"),
        (r#""label":"a b""#, "/label: found a string that is not base64 of RFC 4648"),
        (r#""label":"AAEC=""#, "/label: found a string that is not base64 of RFC 4648"),
    ] {
        assert_eq!(rejected(fixture, booked(members)), (Reason::BadFormat, detail.to_owned()));
    }
}

#[test]
fn a_row_outside_the_partition_window_is_rejected() {
    let mut setup = delivery();
    setup.partition_by = "at";
    let fixture = &mut setup.build();
    for (at, inside) in [
        ("2026-11-21T10:00:00Z", true),
        ("2021-11-22T10:00:00Z", true),
        ("2021-11-22T09:59:59.999999Z", false),
        ("2027-11-22T10:00:00Z", true),
        ("2027-11-22T10:00:00.000001Z", false),
    ] {
        let value = booked(&format!(r#""at":"{at}""#));
        if inside {
            row(fixture, value);
        } else {
            assert_eq!(rejected(fixture, value).0, Reason::OutOfRange, "{at}");
        }
    }
    // Without the field the row is accepted; the column is NULL.
    row(fixture, booked(""));

    let mut setup = delivery();
    setup.partition_by = "day";
    let fixture = &mut setup.build();
    row(fixture, booked(r#""day":"2021-11-22""#));
    assert_eq!(rejected(fixture, booked(r#""day":"2021-11-21""#)).0, Reason::OutOfRange);
    let (_, detail) = rejected(fixture, booked(r#""day":"2027-11-23""#));
    assert_eq!(detail, "/day: the table's day partition takes 1825 days back to 366 days ahead");

    let mut setup = delivery();
    setup.partition_by = "day";
    setup.window = Some((1, 2));
    let fixture = &mut setup.build();
    row(fixture, booked(r#""day":"2026-11-20""#));
    row(fixture, booked(r#""day":"2026-11-23""#));
    let (reason, detail) = rejected(fixture, booked(r#""day":"2026-11-19""#));
    assert_eq!(reason, Reason::OutOfRange);
    assert_eq!(detail, "/day: the table's day partition takes 1 days back to 2 days ahead");
    assert_eq!(rejected(fixture, booked(r#""day":"2026-11-24""#)).0, Reason::OutOfRange);

    let mut setup = delivery();
    setup.partition_by = "_kafka_timestamp";
    let fixture = &mut setup.build();
    let value = booked("");
    let mut event = Event {
        at: Position::new(0, 1),
        timestamp_ms: Some(0),
        key: None,
        value: Some(value.as_bytes()),
        headers: &NoHeaders,
    };
    assert!(matches!(fixture.event(&event), Became::Rejected(r) if r.reason == Reason::OutOfRange));
    event.timestamp_ms = None;
    assert!(matches!(fixture.event(&event), Became::Row(_)));
}

#[test]
fn rules_beyond_types_are_the_json_schemas() {
    let schema = schema!({
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["ok"]},
            "count": {"type": "integer", "minimum": 1},
        },
    });
    let fixture = &mut Setup::of(vec![("A", schema)]).build();
    row(fixture, r#"{"event_type":"A","status":"ok","count":1}"#);
    row(fixture, r#"{"event_type":"A","status":null}"#);
    let (reason, detail) = rejected(fixture, r#"{"event_type":"A","status":"secret"}"#);
    assert_eq!(reason, Reason::ContractViolation);
    assert_eq!(detail, r#"/status: value is not one of "ok""#);
    let (reason, detail) = rejected(fixture, r#"{"event_type":"A","count":0}"#);
    assert_eq!(reason, Reason::ContractViolation);
    assert_eq!(detail, "/count: value is less than the minimum of 1");

    // A null that the type allows and the `enum` does not, in a JSON column.
    let strict = schema!({"type": "object", "required": ["status"], "properties": {
        "status": {"type": ["string", "null"], "enum": ["ok"]},
    }});
    let other = schema!({"type": "object", "properties": {"status": {"type": "integer"}}});
    let fixture = &mut Setup::of(vec![("A", strict), ("B", other)]).build();
    row(fixture, r#"{"event_type":"A","status":"ok"}"#);
    let (reason, _) = rejected(fixture, r#"{"event_type":"A","status":null}"#);
    assert_eq!(reason, Reason::ContractViolation);

    // A null that a rule requires does not count as absent. (The oracle does not know `oneOf`.)
    let schema = schema!({
        "type": "object",
        "oneOf": [
            {"properties": {"gone": {"type": "null"}}, "required": ["gone"]},
            {"properties": {"there": {"type": "string"}}, "required": ["there"]},
        ],
    });
    let fixture = &mut Setup::of(vec![("A", schema)]).build();
    for members in [r#""gone":null"#, r#""there":"x""#] {
        let value = format!(r#"{{"event_type":"A",{members}}}"#);
        assert_eq!(fixture.alone(&value), Transcoded::Row, "{value}");
    }
}

#[test]
fn a_value_or_row_over_the_limit_is_rejected() {
    let mut setup = delivery();
    setup.max_bytes = 400;
    let fixture = &mut setup.build();
    let value = booked(&format!(r#""undeclared":"{}""#, "x".repeat(400)));
    let (reason, detail) = rejected(fixture, value);
    assert_eq!(reason, Reason::TooLarge);
    assert_eq!(detail, "the value has 448 bytes, the limit is 400");
    // A value within the limit whose row is not, and an ignored record over the limit.
    let key = vec![b'k'; 400];
    let value = booked("");
    let event = Event {
        at: Position::new(0, 1),
        timestamp_ms: None,
        key: Some(&key),
        value: Some(value.as_bytes()),
        headers: &NoHeaders,
    };
    let mut rows = RowBuffer::default();
    match fixture.plan.transcode(&event, Ingestion::at(0), &mut rows) {
        Transcoded::Rejected(rejection) => {
            assert_eq!(rejection.reason, Reason::TooLarge);
            assert!(rejection.detail.starts_with("the row has "));
        }
        other => panic!("{other:?}"),
    }
    assert!(rows.is_empty());
    let value = format!(r#"{{"event_type":"Ignored","x":"{}"}}"#, "x".repeat(400));
    assert!(matches!(fixture.value(value), Became::Ignored(_)));
}

#[test]
fn a_detail_never_contains_a_payload_value() {
    let fixture = &mut delivery().build();
    for members in [
        r#""at":"s3cret""#,
        r#""day":"s3cret""#,
        r#""price":"s3cret""#,
        r#""label":"s3cret!""#,
        r#""tags":{"s3cret":1}"#,
        r#""free":{"s3cret":1e999}"#,
        r#""free":"s3cret""#,
        r#""count":"s3cret",,"#,
    ] {
        let (_, detail) = rejected(fixture, booked(members));
        assert!(!detail.contains("s3cret"), "{detail}");
    }
}

/// One case for each kind of the validator's errors that an event can cause.
#[test]
fn a_detail_of_the_validator_has_no_key_and_no_value_of_the_payload() {
    let (text, number) = (schema!("s3cret"), schema!(731_731));
    let member = schema!({"s3cret": 1});
    for (v, value) in [
        (schema!({"additionalProperties": false}), &member),
        (schema!({"additionalProperties": {"type": "boolean"}}), &member),
        (
            schema!({"additionalProperties": {"additionalProperties": {"type": "boolean"}}}),
            &schema!({"s3cret": {"s3cret": "s3cret"}}),
        ),
        (schema!({"patternProperties": {"^s": {"type": "boolean"}}}), &member),
        (schema!({"unevaluatedProperties": false}), &member),
        (schema!({"unevaluatedItems": false}), &schema!(["s3cret"])),
        (schema!({"items": [{}], "additionalItems": false}), &schema!([1, "s3cret"])),
        (schema!({"items": [{"type": "integer"}]}), &schema!(["s3cret"])),
        (schema!({"prefixItems": [{"type": "integer"}]}), &schema!(["s3cret"])),
        (schema!({"propertyNames": {"maxLength": 3}}), &member),
        (schema!({"propertyNames": {"minLength": 30}}), &member),
        (schema!({"propertyNames": {"pattern": "^a"}}), &member),
        (schema!({"propertyNames": {"enum": ["a", "b"]}}), &member),
        (schema!({"propertyNames": {"const": "a"}}), &member),
        (schema!({"propertyNames": {"not": {"type": "string"}}}), &member),
        (schema!({"propertyNames": {"anyOf": [{"const": "a"}, {"maxLength": 1}]}}), &member),
        (schema!({"propertyNames": {"oneOf": [{"const": "a"}, {"maxLength": 1}]}}), &member),
        (schema!({"propertyNames": {"oneOf": [{"minLength": 1}, {"minLength": 2}]}}), &member),
        (schema!({"propertyNames": {"type": "integer"}}), &member),
        (schema!({"propertyNames": false}), &member),
        (schema!({"required": ["a"], "minProperties": 1}), &member),
        (schema!({"maxProperties": 0}), &member),
        (schema!({"minProperties": 3}), &member),
        (schema!({"dependentRequired": {"a": ["b"]}}), &schema!({"a": "s3cret"})),
        (
            schema!({"dependentSchemas": {"a": {"maxProperties": 1}}}),
            &schema!({"a": "s3cret", "s3cret": 1}),
        ),
        (schema!({"dependencies": {"a": ["b"]}}), &schema!({"a": "s3cret"})),
        (schema!({"enum": ["a", 1]}), &text),
        (schema!({"const": 1}), &text),
        (schema!({"type": ["integer", "boolean"]}), &text),
        (schema!({"anyOf": [{"type": "integer"}, {"maxLength": 1}]}), &text),
        (schema!({"oneOf": [{"type": "integer"}, {"maxLength": 1}]}), &text),
        (schema!({"oneOf": [{"minLength": 1}, {"minLength": 2}]}), &text),
        (schema!({"not": {"type": "string"}}), &text),
        (schema!({"if": {"type": "string"}, "then": {"maxLength": 1}}), &text),
        (schema!(false), &text),
        (schema!({"type": "string", "pattern": "^a"}), &text),
        (schema!({"type": "string", "minLength": 30}), &text),
        (schema!({"type": "string", "maxLength": 3}), &text),
        (schema!({"minimum": 1_000_000}), &number),
        (schema!({"maximum": 5}), &number),
        (schema!({"exclusiveMinimum": 1_000_000}), &number),
        (schema!({"exclusiveMaximum": 5}), &number),
        (schema!({"multipleOf": 2}), &number),
        (schema!({"contains": {"type": "integer"}}), &schema!(["s3cret"])),
        (
            schema!({"contains": {"type": "string"}, "minContains": 2, "maxContains": 3}),
            &schema!(["s3cret"]),
        ),
        (schema!({"uniqueItems": true}), &schema!(["s3cret", "s3cret"])),
        (schema!({"type": "array", "minItems": 3}), &schema!(["s3cret"])),
        (schema!({"type": "array", "maxItems": 0}), &schema!(["s3cret"])),
    ] {
        let event = schema!({"type": "object", "properties": {
            "event_type": {"type": "string"}, "v": v,
        }});
        let mut fixture = Setup::of(vec![("E", event)]).build();
        let value = schema!({"event_type": "E", "v": value}).to_string();
        let Transcoded::Rejected(rejection) = fixture.alone(&value) else {
            panic!("a row of {value} by {v}")
        };
        let detail = rejection.detail;
        assert!(!detail.contains("s3cret") && !detail.contains("731"), "{v}: {detail}");
        assert!(detail.starts_with("/v"), "{v}: {detail}");
    }
}

#[test]
fn a_detail_names_the_keys_that_the_contract_declares() {
    let event = schema!({"type": "object", "properties": {
        "event_type": {"type": "string"},
        "map/of": {"additionalProperties": {"properties": {"a~b": {"items": [{"multipleOf": 2}]}}}},
    }});
    let mut fixture = Setup::of(vec![("E", event)]).build();
    let Transcoded::Rejected(rejection) =
        fixture.alone(r#"{"event_type":"E","map/of":{"0":{"a~b":[1]}}}"#)
    else {
        panic!("a row")
    };
    assert_eq!(rejection.detail, "/map~1of/*/a~0b/0: value is not a multiple of 2");
}

#[test]
fn a_detail_and_its_pointer_are_cut() {
    let long = "k".repeat(2_000);
    let event = schema!({"type": "object", "properties": {
        "event_type": {"type": "string"},
        long.clone(): {"type": "integer"},
        "enum": {"enum": [1, "long ".repeat(2_000)]},
        "x": {"type": "object", "properties": {long.clone(): {"type": "string", "pattern": "^a"}}},
    }});
    let mut fixture = Setup::of(vec![("E", event)]).build();
    for (members, end) in [
        (format!(r#""{long}":"x""#), "found string, expected integer"),
        (r#""enum":2"#.to_owned(), "…"),
        (format!(r#""x":{{"{long}":"b"}}"#), r#"value does not match "^a""#),
    ] {
        let value = format!(r#"{{"event_type":"E",{members}}}"#);
        let Transcoded::Rejected(rejection) = fixture.alone(&value) else { panic!("a row") };
        let detail = rejection.detail;
        assert!(detail.chars().count() <= 1_000 && detail.contains('…'), "{detail}");
        assert!(detail.ends_with(end), "{detail}");
    }
}

#[test]
fn a_private_key_of_the_json_library_is_a_key_like_any_other() {
    let event = schema!({"type": "object", "properties": {
        "event_type": {"type": "string"}, "v": {"not": {"type": "string"}},
    }});
    let mut fixture = Setup::of(vec![("E", event)]).build();
    for text in [r#"\"ok\""#, r#"s3cret"#] {
        let value =
            format!(r#"{{"event_type":"E","v":{{"$serde_json::private::RawValue":"{text}"}}}}"#);
        assert_eq!(fixture.alone(&value), Transcoded::Row, "{value}");
    }
}
