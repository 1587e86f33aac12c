//! Generates contracts and records. The plan and the oracle have to agree about every record: on
//! the row's columns, or on the reason for its rejection (`Fixture::event` compares them).

use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{Became, Setup};
use crate::config::RowLayout;
use crate::contract::Discriminator;
use crate::record::NoHeaders;
use crate::row::tests::damage::{damage, damages};

/// Generates the JSON Schema of a field: typed, converted, of any type, with further rules, nested.
fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop::sample::select(vec![
        json!({"type": "string"}),
        json!({"type": "integer"}),
        json!({"type": "number"}),
        json!({"type": "boolean"}),
        json!({"type": "string", "format": "date-time"}),
        json!({"type": "string", "format": "date"}),
        json!({"type": "string", "format": "decimal"}),
        json!({"type": "string", "format": "uuid"}),
        json!({"type": "string", "contentEncoding": "base64"}),
        json!({"type": "number", "x-bigquery-type": "NUMERIC"}),
        json!({"type": "string", "x-bigquery-type": "BIGNUMERIC"}),
        json!({"type": "integer", "x-bigquery-type": "FLOAT64"}),
        json!({"type": "string", "x-bigquery-type": "INT64"}),
        json!({"type": "integer", "x-bigquery-type": "STRING"}),
        json!({"type": ["string", "integer"], "x-bigquery-type": "STRING"}),
        json!({"type": "string", "x-bigquery-type": "JSON"}),
        json!({"type": "string", "x-bigquery-type": "DATETIME"}),
        json!({"type": "string", "x-bigquery-type": "TIME"}),
        json!({"type": ["string", "integer"]}),
        json!({"type": "object"}),
        json!({}),
        json!({"type": "integer", "minimum": 0}),
        json!({"type": "string", "enum": ["a", "2026-11-21"]}),
        json!({"type": "string", "const": "a"}),
        json!({"type": "string", "minLength": 1, "maxLength": 3}),
        json!({"type": "string", "enum": ["é", "\n", null], "maxLength": 1}),
        json!({"type": "integer", "exclusiveMinimum": 0, "maximum": 100}),
        json!({"type": "number", "minimum": -1, "exclusiveMaximum": 12}),
        json!({"type": "number", "minimum": 0.5}),
    ]);
    let nullable = (leaf, prop::bool::weighted(0.3)).prop_map(|(mut schema, nullable)| {
        if nullable && schema["type"].is_string() {
            schema["type"] = json!([schema["type"], "null"]);
        }
        schema
    });
    nullable.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            2 => object(inner.clone()),
            1 => inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
            1 => (inner, 0..3, 0..3).prop_map(|(items, least, most)| {
                json!({"type": "array", "items": items, "minItems": least, "maxItems": most})
            }),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["a", "b", "c", "d", "é", "long_name_of_a_field"]);
    prop::collection::btree_map(name, (inner, any::<bool>()), 0..5).prop_map(|fields| {
        let required: Vec<_> =
            fields.iter().filter(|(_, (_, required))| *required).map(|(name, _)| *name).collect();
        let properties: serde_json::Map<_, _> =
            fields.iter().map(|(name, (schema, _))| ((*name).to_owned(), schema.clone())).collect();
        json!({"type": "object", "properties": properties, "required": required})
    })
}

/// Generates a value as text: usually one that fits the schema, sometimes any other.
fn value_for(schema: &Value) -> BoxedStrategy<String> {
    let kind = match &schema["type"] {
        Value::String(kind) => kind.as_str(),
        Value::Array(kinds) => kinds[0].as_str().unwrap(),
        _ => "any",
    };
    let quoted = |text: BoxedStrategy<String>| text.prop_map(|text| format!("{text:?}")).boxed();
    let texts = |all: &[&'static str]| prop::sample::select(all.to_vec()).prop_map(String::from);
    let fitting = match kind {
        "integer" => integer(),
        "number" => number(),
        "boolean" => texts(&["true", "false"]).boxed(),
        "array" => prop::collection::vec(value_for(&schema["items"]), 0..4)
            .prop_map(|items| format!("[{}]", items.join(", ")))
            .boxed(),
        "object" => members(schema),
        "string" => match (schema["format"].as_str(), schema["x-bigquery-type"].as_str()) {
            (Some("date-time"), _) => quoted(moment()),
            (Some("date"), _) => quoted(
                texts(&["2026-11-21", "0001-01-01", "9999-12-31", "0000-01-01", "2026-02-30"])
                    .boxed(),
            ),
            (Some("decimal"), _) => quoted(prop_oneof![number(), Just("x".to_owned())].boxed()),
            (_, Some("BIGNUMERIC")) => quoted(number()),
            (_, Some("INT64")) => quoted(integer()),
            (_, Some("DATETIME")) => quoted(
                texts(&["2026-11-21T10:00:00.5", "0000-01-01 00:00:00", "2026-11-21", "-"]).boxed(),
            ),
            (_, Some("TIME")) => {
                quoted(texts(&["10:00:00", "23:59:59.9999999", "24:00:00", "10:00"]).boxed())
            }
            _ if schema["contentEncoding"] == "base64" => {
                let padded = ["", "AAEC", "AA==", "AA=", "AA", "/+8="];
                let faulty = ["A", "AB==", "-_8=", "=", "AAEC=", "AA===", "/+8=="];
                quoted(texts(&[&padded[..], &faulty[..]].concat()).boxed())
            }
            _ => string(),
        },
        _ => any_json(),
    };
    prop_oneof![12 => fitting, 1 => Just("null".to_owned()), 1 => any_json()].boxed()
}

fn members(schema: &Value) -> BoxedStrategy<String> {
    let mut parts = Vec::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let key = format!("{name:?}");
        let one =
            (Just(key), value_for(property)).prop_map(|(key, value)| format!("{key}:{value}"));
        // Absent, present, or present twice.
        parts.push(
            prop_oneof![
                1 => Just(Vec::new()),
                12 => one.clone().prop_map(|member| vec![member]),
                1 => (one.clone(), one).prop_map(|(first, last)| vec![first, last]),
            ]
            .boxed(),
        );
    }
    let key = prop::sample::select(vec!["\"x\"", "\"y\"", "\"\\u0061\"", "\"x \\n\""]);
    let free = (key, any_json()).prop_map(|(key, value)| format!("{key} : {value}"));
    parts.push(prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(free, 1..3)].boxed());
    (parts, any::<bool>())
        .prop_flat_map(|(parts, shuffled)| {
            let all: Vec<String> = parts.concat();
            if shuffled { Just(all).prop_shuffle().boxed() } else { Just(all).boxed() }
        })
        .prop_map(|members| format!("{{{}}}", members.join(" ,\n")))
        .boxed()
}

fn integer() -> BoxedStrategy<String> {
    prop_oneof![
        any::<i64>().prop_map(|value| value.to_string()),
        (-200..200).prop_map(|value: i32| value.to_string()),
        prop::sample::select(vec![
            "1.0",
            "1e2",
            "-0",
            "-0.0",
            "1.50",
            "15e-1",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "-9223372036854775809",
            "1e18",
            "1e19",
            "1e400",
            "120e-1",
            "0e999999999999999999999",
        ])
        .prop_map(String::from),
    ]
    .boxed()
}

fn number() -> BoxedStrategy<String> {
    prop_oneof![
        integer(),
        "-?(0|[1-9][0-9]{0,32})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?".prop_map(String::from),
        prop::sample::select(vec!["1e308", "1.8e308", "-1e309", "1e-400", "0.1", "2.5e-9"])
            .prop_map(String::from),
    ]
    .boxed()
}

fn moment() -> BoxedStrategy<String> {
    prop_oneof![
        "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
            .prop_map(String::from),
        prop::sample::select(vec![
            "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.999999999Z",
            "9999-12-31T23:59:59-00:01", "2026-02-30T00:00:00Z", "2026-11-21T10:00:00", "now", "2016-12-31T23:59:60.5Z",
            "2016-12-31T23:58:60Z", "2017-01-01t05:29:60+05:30", "2026-11-21T10:00:00.5z",
        ])
        .prop_map(String::from),
    ]
    .boxed()
}

fn string() -> BoxedStrategy<String> {
    prop_oneof![
        "[ -~éß日😀\u{1}\u{0}]{0,20}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        prop::sample::select(vec![
            "\"\"",
            "\"a\"",
            "\"2026-11-21\"",
            "\"\\ud83d\\ude00\"",
            "\"\\/\\b\\f\\n\\r\\t\"",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "\"\\u0000\"",
            "\"\\x\"",
        ])
        .prop_map(String::from),
        "[a-z]{120,140}".prop_map(|text| format!("{text:?}")),
    ]
    .boxed()
}

fn any_json() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false", "[]", "{}", "NaN", "1e999", "-"])
            .prop_map(String::from),
        number(),
        string(),
    ];
    leaf.prop_recursive(3, 10, 4, |inner| {
        let key = prop::sample::select(vec!["\"a\"", "\"b\"", "\"\\u0061\"", "\"event_type\""]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((key, inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(k, v)| format!("{k}:{v}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
    .boxed()
}

/// Generates the member with the event type.
fn event_type() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => Just("\"event_type\":\"A\""),
        20 => Just("\"event_type\":\"B\""),
        2 => Just("\"event_type\" : \"\\u0041\""),
        2 => Just("\"event_type\":\"Ignored\""),
        1 => Just("\"event_type\":\"a\\\"b\""),
        1 => Just("\"event_type\":\"Unknown\""),
        1 => Just("\"event_type\":7"),
        1 => Just("\"other\":1"),
        1 => Just("\"event_type\":\"Ignored\",\"event_type\":\"A\""),
        1 => Just("\"event_type\":\"A\",\"event_type\":\"B\""),
        1 => Just("\"event_type\":\"A\",\"event\\u005ftype\":\"Ignored\""),
    ]
    .prop_map(String::from)
}

/// Generates two event types, and records meant for one of them.
pub(super) fn case() -> impl Strategy<Value = (Value, Value, Vec<String>)> {
    (object(schema()), object(schema()), any::<[bool; 2]>()).prop_flat_map(
        |(mut a, mut b, typed)| {
            for (schema, typed) in [&mut a, &mut b].into_iter().zip(typed) {
                if typed {
                    schema["properties"]["event_type"] = json!({"type": "string"});
                }
            }
            let bodies = prop_oneof![members_of(&a), members_of(&b)];
            let record = (event_type(), bodies, any::<bool>()).prop_map(
                |(event_type, body, first)| match (body.as_str(), first) {
                    ("", _) => format!("{{{event_type}}}"),
                    (body, true) => format!("{{{event_type},{body}}}"),
                    (body, false) => format!("{{{body},{event_type}}}"),
                },
            );
            (Just(a), Just(b), prop::collection::vec(record, 1..12))
        },
    )
}

/// Generates an object's members without the braces and without the event type.
fn members_of(schema: &Value) -> BoxedStrategy<String> {
    let mut schema = schema.clone();
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.remove("event_type");
    }
    members(&schema).prop_map(|text| text[1..text.len() - 1].to_owned()).boxed()
}

proptest! {
    #[test]
    fn rows_and_reasons_agree((a, b, records) in case(), envelope in prop::bool::weighted(0.2)) {
        let mut setup = Setup::of(vec![("A", a), ("B", b)]);
        if envelope {
            setup.layout = RowLayout::Envelope;
        }
        let mut fixture = setup.build();
        for record in records {
            fixture.value(record);
        }
    }

    #[test]
    fn mutated_records_agree(
        (a, b, records) in case(),
        damages in damages(),
    ) {
        let mut fixture = Setup::of(vec![("A", a), ("B", b)]).build();
        for record in records {
            let mut bytes = record.into_bytes();
            damage(&mut bytes, &damages);
            fixture.value(bytes);
        }
    }

    #[test]
    fn any_bytes_agree(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
        Setup::of(vec![("A", schema)]).build().value(bytes);
    }

    #[test]
    fn records_with_the_type_in_a_header_agree(
        (a, b, records) in case(), types in prop::collection::vec("A|B|Ignored|Unknown", 0..3),
    ) {
        let mut setup = Setup::of(vec![("A", a), ("B", b)]);
        setup.discriminator = Discriminator::Header("type".to_owned());
        let mut fixture = setup.build();
        let headers: Vec<_> =
            types.into_iter().map(|name| ("type".to_owned(), Some(name.into_bytes()))).collect();
        for record in records {
            fixture.record(Some(record.as_bytes()), &headers);
        }
    }

    #[test]
    fn records_of_the_only_type_agree((a, _, records) in case()) {
        let mut setup = Setup::of(vec![("A", a)]);
        setup.discriminator = Discriminator::Only("A".to_owned());
        let mut fixture = setup.build();
        for record in records {
            fixture.value(record);
        }
    }

    #[test]
    fn records_with_the_type_in_a_nested_object_agree((a, b, records) in case(), meta in "A|B|Ignored|Unknown") {
        let mut setup = Setup::of(vec![("A", a), ("B", b)]);
        setup.discriminator = Discriminator::Payload(vec!["meta".to_owned(), "type".to_owned()]);
        let mut fixture = setup.build();
        for record in records {
            let record = record.replace("\"event_type\":", "\"meta\":{\"type\":");
            fixture.value(record.replacen("\"A\"", &format!("{meta:?}}}"), 1));
        }
    }
}

#[test]
fn generated_records_have_every_outcome() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut rows, mut reasons) = (0, std::collections::BTreeMap::new());
    for _ in 0..200 {
        let (a, b, records) = case().new_tree(&mut runner).unwrap().current();
        let mut fixture = Setup::of(vec![("A", a), ("B", b)]).build();
        for record in records {
            match fixture.record(Some(record.as_bytes()), &NoHeaders) {
                Became::Row(_) => rows += 1,
                Became::Ignored(_) => *reasons.entry("ignored").or_insert(0) += 1,
                Became::Rejected(rejection) => {
                    *reasons.entry(rejection.reason.code()).or_insert(0) += 1;
                }
            }
        }
    }
    assert!(rows > 200, "{rows} rows, {reasons:?}");
    for reason in [
        "ignored",
        "invalid_json",
        "no_event_type",
        "unknown_event_type",
        "missing_field",
        "wrong_type",
        "out_of_range",
        "bad_format",
        "null_in_array",
        "contract_violation",
    ] {
        assert!(reasons.contains_key(reason), "{rows} rows, {reasons:?}");
    }
}
