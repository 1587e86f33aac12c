//! Generated schemas: whatever a schema says, the transcoder and the `jsonschema` crate, which gets
//! the document as it is, accept the same values.
//!
//! The layout `envelope` has no columns, so nothing but nulls may differ there: an optional field may
//! be null. In the layout `columns`, a value of a type that its column does not hold is rejected too.
//! Each difference is listed in docs/reference/contracts.md.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::support::{COLUMN_RULES, NOW, plain_plan};
use crate::config::RowLayout;
use crate::contract;
use crate::record::{Event, NoHeaders, Position, Reason, Rejection, Transcoded};
use crate::row::{Column, ColumnType, Mode, RowBuffer, TableSchema};
use crate::transcode::Ingestion;

/// A document with the channel `C` and the message `e`, whose type stands in /type.
pub(super) fn document(payload: &Value, schemas: &Value) -> Value {
    json!({
        "asyncapi": "3.0.0",
        "channels": {"C": {
            "address": "t",
            "x-event-type": "$message.payload#/type",
            "messages": {"e": {"payload": payload}},
        }},
        "components": {"schemas": schemas},
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Draft4,
    Draft7,
    Draft202012,
}

impl Dialect {
    fn format(self) -> &'static str {
        match self {
            Self::Draft4 => "application/schema+json;version=draft-04",
            Self::Draft7 => "application/schema+json;version=draft-07",
            Self::Draft202012 => "application/schema+json;version=draft-2020-12",
        }
    }

    fn uri(self) -> &'static str {
        match self {
            Self::Draft4 => "http://json-schema.org/draft-04/schema#",
            Self::Draft7 => "http://json-schema.org/draft-07/schema#",
            Self::Draft202012 => "https://json-schema.org/draft/2020-12/schema",
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c"]).prop_map(String::from)
}

fn names() -> impl Strategy<Value = Value> {
    prop::collection::btree_set(name(), 1..3).prop_map(|names| json!(names))
}

/// Values that schemas and events have in common, so that they often meet.
fn value() -> BoxedStrategy<Value> {
    let leaf = prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(2),
        json!(7),
        json!(-1),
        json!(1.0),
        json!(1.5),
        json!(""),
        json!("a"),
        json!("ab"),
        json!("xyz"),
        json!("2026-11-21"),
    ]);
    let tree = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(|items| json!(items)),
            2 => prop::collection::vec((name(), inner), 0..4)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    });
    tree.boxed()
}

/// Which keywords a schema has.
#[derive(Debug, Clone, Copy)]
struct Keywords {
    dialect: Dialect,
    /// The crate does not notice a circle of references through a schema with an `unevaluated…`
    /// keyword, unless it is a definition as in our bundle. So schemas that are referred to do not
    /// have them here; `cases.yaml` has such a circle.
    unevaluated: bool,
}

/// A keyword with its value, or several that belong together.
type Parts = Vec<(String, Value)>;

/// Generates one keyword with its value; some come in pairs.
fn keywords(inner: &BoxedStrategy<Value>, of: Keywords) -> BoxedStrategy<Parts> {
    let one = |keyword: &'static str, value: BoxedStrategy<Value>| {
        value.prop_map(move |value| vec![(keyword.to_owned(), value)]).boxed()
    };
    let number = || (-1..4i64).prop_map(|number| json!(number)).boxed();
    let count = || (0..3u64).prop_map(|number| json!(number)).boxed();
    let list = || prop::collection::vec(inner.clone(), 1..4).prop_map(|all| json!(all)).boxed();
    let by_name = || {
        prop::collection::btree_map(name(), inner.clone(), 0..3).prop_map(|all| json!(all)).boxed()
    };
    let kind = prop::sample::select(vec![
        "null", "boolean", "integer", "number", "string", "object", "array",
    ]);
    let kinds = prop_oneof![
        4 => kind.clone().prop_map(|kind| json!(kind)),
        1 => prop::sample::subsequence(vec!["null", "integer", "string", "object", "array"], 1..4)
            .prop_map(|kinds| json!(kinds)),
    ];
    let pattern = || prop::sample::select(vec!["^a", "b$", "^[ax]", "^$", "."]);
    let reference = prop::sample::select(vec!["A", "B", "C"])
        .prop_map(|name| json!(format!("#/components/schemas/{name}")))
        .boxed();
    let distinct_values = prop::collection::vec(value(), 1..4).prop_map(|mut all| {
        // Draft-04 refuses an `enum` with a value twice.
        let mut seen: Vec<Value> = Vec::new();
        all.retain(|one| !seen.contains(one) && (seen.push(one.clone()), true).1);
        json!(all)
    });
    let mut all: Vec<(u32, BoxedStrategy<Parts>)> = vec![
        (8, one("type", kinds.boxed())),
        (8, one("properties", by_name())),
        (4, one("required", names().boxed())),
        (3, one("items", inner.clone())),
        (1, one("enum", distinct_values.boxed())),
        (1, one("minimum", number())),
        (1, one("maximum", number())),
        (1, one("multipleOf", Just(json!(2)).boxed())),
        (1, one("minLength", count())),
        (1, one("maxLength", count())),
        (1, one("pattern", pattern().prop_map(|pattern| json!(pattern)).boxed())),
        (1, one("minItems", count())),
        (1, one("maxItems", count())),
        (1, one("uniqueItems", any::<bool>().prop_map(|unique| json!(unique)).boxed())),
        (1, one("minProperties", count())),
        (1, one("maxProperties", count())),
        (
            1,
            one(
                "patternProperties",
                (pattern(), inner.clone()).prop_map(|(pattern, one)| json!({pattern: one})).boxed(),
            ),
        ),
        (2, one("additionalProperties", inner.clone())),
        (2, one("allOf", list())),
        (2, one("anyOf", list())),
        (2, one("oneOf", list())),
        (1, one("not", inner.clone())),
        (1, one("format", Just(json!("date")).boxed())),
        (1, one("description", Just(json!("text")).boxed())),
    ];
    let lists = [
        (
            2,
            (list(), inner.clone())
                .prop_map(|(items, rest)| {
                    vec![("items".to_owned(), items), ("additionalItems".to_owned(), rest)]
                })
                .boxed(),
        ),
        (2, one("items", list())),
        (1, one("dependencies", by_name())),
        (1, one("dependencies", names().prop_map(|names| json!({"a": names})).boxed())),
    ];
    if of.dialect != Dialect::Draft4 {
        all.extend([
            (1, one("const", value())),
            (1, one("exclusiveMinimum", number())),
            (1, one("exclusiveMaximum", Just(json!(1.5)).boxed())),
            (1, one("contains", inner.clone())),
            (1, one("propertyNames", inner.clone())),
            (
                1,
                (inner.clone(), inner.clone(), inner.clone())
                    .prop_map(|(condition, then, otherwise)| {
                        vec![
                            ("if".to_owned(), condition),
                            ("then".to_owned(), then),
                            ("else".to_owned(), otherwise),
                        ]
                    })
                    .boxed(),
            ),
        ]);
    }
    match of.dialect {
        // Up to draft 7, a `$ref` stands alone: what is next to it counts with us, see `cases.yaml`.
        Dialect::Draft4 => {
            all.extend(lists);
            for (limit, exclusive) in
                [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")]
            {
                let both = (number(), any::<bool>()).prop_map(move |(number, flag)| {
                    vec![(limit.to_owned(), number), (exclusive.to_owned(), json!(flag))]
                });
                all.push((2, both.boxed()));
            }
        }
        Dialect::Draft7 => all.extend(lists),
        Dialect::Draft202012 => all.extend([
            (3, one("$ref", reference)),
            (2, one("prefixItems", list())),
            (1, one("dependentSchemas", by_name())),
            (1, one("dependentRequired", names().prop_map(|names| json!({"a": names})).boxed())),
            (
                1,
                // A reference, because the crate that decides what is right mistakes other keywords of
                // `contains` for those of the schema around it.
                ("[ABC]", count(), count())
                    .prop_map(|(one, least, most)| {
                        let one = json!({"$ref": format!("#/components/schemas/{one}")});
                        vec![
                            ("contains".to_owned(), one),
                            ("minContains".to_owned(), least),
                            ("maxContains".to_owned(), most),
                        ]
                    })
                    .boxed(),
            ),
        ]),
    }
    if of.unevaluated && of.dialect == Dialect::Draft202012 {
        all.push((1, one("unevaluatedProperties", inner.clone())));
        all.push((1, one("unevaluatedItems", inner.clone())));
    }
    proptest::strategy::Union::new_weighted(all).boxed()
}

fn schema(of: Keywords) -> BoxedStrategy<Value> {
    let reference = prop::sample::select(vec!["A", "B", "C"])
        .prop_map(|name| json!({"$ref": format!("#/components/schemas/{name}")}));
    // Draft-04 has no boolean schemas.
    let booleans = match of.dialect {
        Dialect::Draft4 => prop::sample::select(vec![json!({}), json!({"not": {}})]),
        Dialect::Draft7 | Dialect::Draft202012 => {
            prop::sample::select(vec![json!(true), json!(false)])
        }
    };
    let leaf = prop_oneof![
        3 => prop::sample::select(vec!["string", "integer", "number", "boolean", "null", "object"])
            .prop_map(|kind| json!({"type": kind})),
        2 => reference,
        1 => Just(json!({})),
        2 => booleans,
        1 => Just(json!({"type": "string", "format": "date"})),
        1 => Just(json!({"type": ["string", "null"], "minLength": 1})),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop::collection::vec(keywords(&inner.boxed(), of), 1..5)
            .prop_map(|parts| Value::Object(Map::from_iter(parts.concat())))
    })
    .boxed()
}

/// Generates a value for a schema: by its properties and items where it has some, else any.
fn value_for(schema: &Value, depth: usize) -> BoxedStrategy<Value> {
    let parts = ["allOf", "anyOf", "oneOf"].iter().flat_map(|keyword| schema[keyword].as_array());
    let mut properties: BTreeMap<String, Value> = BTreeMap::new();
    for part in parts.flatten().chain([schema, &schema["then"]]) {
        for (name, property) in part["properties"].as_object().into_iter().flatten() {
            properties.insert(name.clone(), property.clone());
        }
    }
    let typed = match schema["type"].as_str() {
        Some("string") => prop::sample::select(vec![json!("a"), json!("2026-11-21")]).boxed(),
        Some("integer") => (-1..4i64).prop_map(|number| json!(number)).boxed(),
        Some("number") => prop::sample::select(vec![json!(1), json!(1.5)]).boxed(),
        Some("boolean") => any::<bool>().prop_map(|value| json!(value)).boxed(),
        _ => value(),
    };
    if depth == 0 {
        return prop_oneof![2 => typed, 1 => value()].boxed();
    }
    let members: Vec<BoxedStrategy<Option<(String, Value)>>> = properties
        .into_iter()
        .map(|(name, property)| {
            let value = prop_oneof![1 => Just(Value::Null), 6 => value_for(&property, depth - 1)];
            prop::option::weighted(0.8, (Just(name), value)).boxed()
        })
        .collect();
    let object =
        (members, prop::option::weighted(0.3, (name(), value()))).prop_map(|(all, more)| {
            Value::Object(Map::from_iter(all.into_iter().flatten().chain(more)))
        });
    let lists = [&schema["prefixItems"], &schema["items"]].map(Value::as_array);
    let array = match (lists[0].or(lists[1]), &schema["items"]) {
        (Some(list), _) => {
            let items: Vec<_> = list.iter().map(|one| value_for(one, depth - 1)).collect();
            items.prop_map(|items| json!(items)).boxed()
        }
        (None, items) => prop::collection::vec(value_for(items, depth - 1), 0..3)
            .prop_map(|items| json!(items))
            .boxed(),
    };
    let is_array = schema.get("items").is_some() || schema.get("prefixItems").is_some();
    let (objects, arrays) = (if is_array { 1 } else { 4 }, if is_array { 4 } else { 1 });
    prop_oneof![objects => object, arrays => array, 2 => typed, 1 => value()].boxed()
}

/// In draft-04, `1.0` is no integer; with us it is one in every dialect, see `cases.yaml`.
fn replace_whole_floats(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() && number.as_f64() == Some(1.0) => {
            *value = json!(1.5);
        }
        Value::Array(items) => items.iter_mut().for_each(replace_whole_floats),
        Value::Object(members) => members.values_mut().for_each(replace_whole_floats),
        _ => {}
    }
}

#[derive(Debug, Clone)]
struct Case {
    dialect: Dialect,
    payload: Value,
    schemas: Value,
    events: Vec<Value>,
}

fn case() -> impl Strategy<Value = Case> {
    let dialects = vec![Dialect::Draft4, Dialect::Draft7, Dialect::Draft202012];
    prop::sample::select(dialects).prop_flat_map(|dialect| {
        let of = Keywords { dialect, unevaluated: true };
        let rest = prop::option::weighted(0.3, keywords(&schema(of), of));
        let referred = || schema(Keywords { unevaluated: false, ..of });
        (schema(of), schema(of), rest, [referred(), referred(), referred()])
            .prop_flat_map(move |(v, w, rest, [a, b, c])| {
                let schemas = json!({"A": a, "B": b, "C": c});
                let mut payload = json!({
                    "properties": {"type": {"type": "string"}, "v": v, "w": w},
                    "type": "object",
                });
                for (keyword, value) in rest.into_iter().flatten() {
                    // The event type stays declared, and the payload an object.
                    if !["properties", "type"].contains(&keyword.as_str()) {
                        payload[keyword] = value;
                    }
                }
                let event = |schema: &Value| prop::option::weighted(0.8, value_for(schema, 3));
                let events =
                    (event(&payload["properties"]["v"]), event(&payload["properties"]["w"]))
                        .prop_map(move |(v, w)| {
                            let mut event = json!({"type": "e"});
                            v.into_iter().for_each(|v| event["v"] = v);
                            w.into_iter().for_each(|w| event["w"] = w);
                            if dialect == Dialect::Draft4 {
                                replace_whole_floats(&mut event);
                            }
                            event
                        });
                let events = prop::collection::vec(events, 6);
                (Just(dialect), Just(payload), Just(schemas), events)
            })
            .prop_map(|(dialect, payload, schemas, events)| Case {
                dialect,
                payload,
                schemas,
                events,
            })
    })
}

/// The crate's validator of the document as it is. Keys are sorted, because the crate compares
/// objects in their order.
fn reference(case: &Case) -> jsonschema::Validator {
    let mut schema = case.payload.clone();
    schema["$schema"] = json!(case.dialect.uri());
    schema["components"] = json!({"schemas": case.schemas});
    split_limits(&mut schema);
    schema.sort_all_objects();
    let options = jsonschema::options().should_validate_formats(false);
    options.build(&schema).expect("a generated schema compiles")
}

/// Says the upper limit of `contains` apart from the lower one: where a schema has both, the crate takes
/// a reference in `contains` that leads back to the schema for one that is always kept.
fn split_limits(schema: &mut Value) {
    match schema {
        Value::Array(all) => all.iter_mut().for_each(split_limits),
        Value::Object(members) => {
            members.values_mut().for_each(split_limits);
            let most = members.get("maxContains").and_then(Value::as_u64);
            if let Some(most) = most.filter(|_| members.contains_key("minContains")) {
                members.shift_remove("maxContains");
                let of = members["contains"].clone();
                let more = json!({"type": "array", "contains": of, "minContains": most + 1});
                let all = members.entry("allOf").or_insert_with(|| json!([]));
                all.as_array_mut().expect("a list").push(json!({"not": more}));
            }
        }
        _ => {}
    }
}

/// Whether the value is valid without some of the members that are null.
fn is_valid_without_nulls(validator: &jsonschema::Validator, value: &Value) -> bool {
    fn nulls(value: &Value, pointer: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(key, value)| {
                let inner = format!("{pointer}/{key}");
                if value.is_null() {
                    found.push(inner);
                } else {
                    nulls(value, &inner, found);
                }
            }),
            Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| {
                nulls(item, &format!("{pointer}/{index}"), found);
            }),
            _ => {}
        }
    }
    let mut found = Vec::new();
    nulls(value, "", &mut found);
    found.truncate(10);
    (0..1_u32 << found.len()).any(|chosen| {
        let mut value = value.clone();
        let removed = found.iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1);
        for (_, pointer) in removed {
            let (object, key) = pointer.rsplit_once('/').expect("a member");
            let object = value.pointer_mut(object).and_then(Value::as_object_mut);
            object.expect("an object").shift_remove(key);
        }
        validator.is_valid(&value)
    })
}

/// Collects the schemas that apply to the same value.
fn applying<'c>(case: &'c Case, schema: &'c Value, all: &mut Vec<&'c Value>) {
    if all.iter().any(|known| std::ptr::eq(*known, schema)) {
        return;
    }
    all.push(schema);
    let referred = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next());
    let referred = referred.map(|name| &case.schemas[name]);
    let lists = ["allOf", "anyOf", "oneOf"].map(|keyword| schema[keyword].as_array());
    let named = ["dependentSchemas", "dependencies"].map(|keyword| schema[keyword].as_object());
    let parts = referred
        .into_iter()
        .chain([&schema["then"], &schema["else"]])
        .chain(lists.into_iter().flatten().flatten())
        .chain(named.into_iter().flatten().flat_map(Map::values));
    for part in parts {
        applying(case, part, all);
    }
}

/// Removes members that are null and that `properties` of a schema which applies there declares.
/// Returns whether there are any.
fn remove_optional_nulls(case: &Case, schemas: &[&Value], value: &mut Value) -> bool {
    let mut all = Vec::new();
    schemas.iter().for_each(|schema| applying(case, schema, &mut all));
    let mut changed = false;
    match value {
        Value::Object(members) => {
            members.retain(|name, member| {
                let declared = all.iter().any(|schema| schema["properties"].get(name).is_some());
                changed |= declared && member.is_null();
                !(declared && member.is_null())
            });
            for (name, member) in members {
                let inner: Vec<&Value> =
                    all.iter().flat_map(|schema| member_schemas(schema, name)).collect();
                changed |= remove_optional_nulls(case, &inner, member);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                let inner: Vec<&Value> =
                    all.iter().filter_map(|schema| item_schema(schema, index)).collect();
                changed |= remove_optional_nulls(case, &inner, item);
            }
        }
        _ => {}
    }
    changed
}

fn member_schemas<'c>(schema: &'c Value, name: &str) -> Vec<&'c Value> {
    let matches = |pattern: &str| match pattern {
        "^a" => name.starts_with('a'),
        "b$" => name.ends_with('b'),
        "^[ax]" => name.starts_with(['a', 'x']),
        "^$" => name.is_empty(),
        "." => !name.is_empty(),
        other => panic!("{other}"),
    };
    let patterns = schema["patternProperties"].as_object().into_iter().flatten();
    let found: Vec<&Value> = schema["properties"]
        .get(name)
        .into_iter()
        .chain(patterns.filter(|(pattern, _)| matches(pattern)).map(|(_, schema)| schema))
        .collect();
    let rest = schema.get("additionalProperties").or(schema.get("unevaluatedProperties"));
    if found.is_empty() { rest.into_iter().collect() } else { found }
}

fn item_schema(schema: &Value, index: usize) -> Option<&Value> {
    let items = schema.get("items");
    let list = schema.get("prefixItems").or(items).and_then(Value::as_array);
    let rest = match items {
        Some(Value::Array(_)) => schema.get("additionalItems"),
        items => items,
    };
    list.and_then(|list| list.get(index)).or(rest).or(schema.get("unevaluatedItems"))
}

/// Whether a value that is rejected with this pointer in the detail does not fit its column.
fn does_not_fit(table: &TableSchema, event: &Value, rejection: &Rejection) -> bool {
    let pointer = rejection.detail.split(':').next().unwrap_or_default();
    let Some(value) = event.pointer(pointer) else { return false };
    let mut columns: &[Column] = &table.columns;
    let mut column: Option<&Column> = None;
    let mut in_array = false;
    for part in pointer.split('/').skip(1) {
        match column {
            Some(one) if one.mode == Mode::Repeated && !in_array => in_array = true,
            _ => {
                let found = columns.iter().find(|column| column.source == part);
                let Some(found) = found else { return false };
                (column, in_array) = (Some(found), false);
                columns = match &found.kind {
                    ColumnType::Record(fields) => fields,
                    _ => &[],
                };
            }
        }
    }
    let Some(column) = column else { return false };
    if column.mode == Mode::Repeated && !in_array {
        return rejection.reason == Reason::WrongType && !value.is_array();
    }
    match rejection.reason {
        Reason::NullInArray => in_array && value.is_null(),
        Reason::BadFormat => column.kind == ColumnType::Date && value.is_string(),
        Reason::WrongType => match &column.kind {
            ColumnType::Json => false,
            ColumnType::String | ColumnType::Date => !value.is_string(),
            ColumnType::Bool => !value.is_boolean(),
            ColumnType::Int64 => value.as_f64().is_none_or(|number| number.fract() != 0.0),
            ColumnType::Float64 => !value.is_number(),
            ColumnType::Record(_) => !value.is_object(),
            _ => false,
        },
        _ => false,
    }
}

/// What the comparison met, so that a test can see that it compares something.
#[derive(Debug, Default)]
struct Tally {
    refused: usize,
    rows: usize,
    rejected: usize,
    by_validator: usize,
    nulls: usize,
    unfit: usize,
    unfit_nulls: usize,
}

fn compare(case: &Case, tally: &mut Tally) -> Result<(), TestCaseError> {
    let payload = json!({"schemaFormat": case.dialect.format(), "schema": case.payload});
    let document = document(&payload, &case.schemas);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c.json"), document.to_string()).unwrap();
    let contract = match contract::load(folder.path(), "c", "C", &[]) {
        Ok(contract) => contract,
        // References may form a circle, and a payload may exclude objects.
        Err(error) => {
            let report = error.to_string();
            prop_assert!(
                report.contains("circle") || report.contains("has to be an object"),
                "{}",
                report
            );
            tally.refused += 1;
            return Ok(());
        }
    };
    let reference = reference(case);
    for layout in [RowLayout::Columns, RowLayout::Envelope] {
        let table = contract.table_schema(layout, &[], &COLUMN_RULES).unwrap();
        let mut plan = plain_plan(&contract, &table, layout);
        for event in &case.events {
            let text = event.to_string();
            let record = Event {
                at: Position::new(0, 1),
                timestamp_ms: None,
                key: None,
                value: Some(text.as_bytes()),
                headers: &NoHeaders,
            };
            let mut sorted = event.clone();
            sorted.sort_all_objects();
            let is_valid = reference.is_valid(&sorted);
            match plan.transcode(&record, Ingestion::at(NOW), &mut RowBuffer::default()) {
                Transcoded::Row if is_valid => tally.rows += 1,
                Transcoded::Row => {
                    tally.nulls += 1;
                    let without_nulls = is_valid_without_nulls(&reference, &sorted);
                    prop_assert!(without_nulls, "{layout:?}: a row of {text}");
                }
                Transcoded::Rejected(rejection) if is_valid => {
                    tally.unfit += 1;
                    let is_meant =
                        layout == RowLayout::Columns && does_not_fit(&table, event, &rejection);
                    prop_assert!(is_meant, "{layout:?}: {rejection:?} of {text}");
                }
                Transcoded::Rejected(rejection) => {
                    tally.rejected += 1;
                    tally.by_validator += usize::from(rejection.detail.contains("value"));
                    let mut absent = sorted;
                    if remove_optional_nulls(case, &[&case.payload], &mut absent)
                        && reference.is_valid(&absent)
                    {
                        tally.unfit_nulls += 1;
                        let is_meant =
                            layout == RowLayout::Columns && does_not_fit(&table, event, &rejection);
                        prop_assert!(is_meant, "{layout:?}: {rejection:?} of {text}");
                    }
                }
                Transcoded::Ignored(_) => prop_assert!(false, "nothing is ignored"),
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_outcome_is_that_of_the_unmodified_schema(case in case()) {
        compare(&case, &mut Tally::default())?;
    }
}

#[test]
fn generated_schemas_accept_and_reject() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut tally = Tally::default();
    for _ in 0..400 {
        let case = case().new_tree(&mut runner).unwrap().current();
        compare(&case, &mut tally).unwrap();
    }
    let all = [tally.rows, tally.rejected, tally.by_validator, tally.nulls, tally.unfit];
    assert!(all.iter().all(|count| *count > 5) && tally.refused < 200, "{tally:?}");
}
