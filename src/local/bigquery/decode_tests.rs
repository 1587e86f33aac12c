//! Decodes rows that prost-reflect encoded with the same descriptor.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind as WrittenKind, MessageDescriptor, Value as WrittenValue,
};
use prost_types::{EnumDescriptorProto, EnumValueDescriptorProto, FileDescriptorProto};
use serde_json::{Map, Value, json};

use super::super::field_schema;
use super::*;

fn field(name: &str, number: i32, kind: Type, label: Label) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(label as i32),
        r#type: Some(kind as i32),
        ..Default::default()
    }
}

fn optional(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    field(name, number, kind, Label::Optional)
}

fn of_type(name: &str, number: i32, kind: Type, type_name: &str) -> FieldDescriptorProto {
    FieldDescriptorProto { type_name: Some(type_name.to_owned()), ..optional(name, number, kind) }
}

fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.to_owned()), field, ..Default::default() }
}

fn table(fields: &Value) -> Vec<FieldSchema> {
    field_schema::parse(fields.as_array().expect("an array")).expect("a schema")
}

/// A message given as JSON, encoded by prost-reflect.
fn encoded(descriptor: &DescriptorProto, value: Value) -> Vec<u8> {
    let mut top = descriptor.clone();
    // In a file, a field names its type by the full path.
    fn qualify(message: &mut DescriptorProto, path: &str) {
        let path = format!("{path}.{}", message.name());
        for field in &mut message.field {
            if let Some(name) = &mut field.type_name {
                *name = format!("{path}.{name}");
            }
        }
        message.nested_type.iter_mut().for_each(|nested| qualify(nested, &path));
    }
    qualify(&mut top, "");
    let file = FileDescriptorProto {
        name: Some("row.proto".to_owned()),
        message_type: vec![top],
        ..Default::default()
    };
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_proto(file).expect("a valid file");
    let kind = pool.get_message_by_name(descriptor.name()).expect("the row's type");
    filled(kind, &value).encode_to_vec()
}

fn filled(kind: MessageDescriptor, value: &Value) -> DynamicMessage {
    let mut message = DynamicMessage::new(kind.clone());
    for (name, value) in value.as_object().expect("an object") {
        let field = kind.get_field_by_name(name).expect("a field");
        let value = match value {
            Value::Array(items) => {
                WrittenValue::List(items.iter().map(|item| single(&field.kind(), item)).collect())
            }
            value => single(&field.kind(), value),
        };
        message.set_field(&field, value);
    }
    message
}

fn single(kind: &WrittenKind, value: &Value) -> WrittenValue {
    let text = || value.as_str().expect("text");
    let int = || value.as_i64().expect("an integer");
    let float = || value.as_f64().expect("a float");
    match kind {
        WrittenKind::Double => WrittenValue::F64(float()),
        WrittenKind::Float => WrittenValue::F32(float() as f32),
        WrittenKind::Int64 | WrittenKind::Sint64 | WrittenKind::Sfixed64 => {
            WrittenValue::I64(int())
        }
        WrittenKind::Int32 | WrittenKind::Sint32 | WrittenKind::Sfixed32 => {
            WrittenValue::I32(int() as i32)
        }
        WrittenKind::Uint32 | WrittenKind::Fixed32 => WrittenValue::U32(int() as u32),
        WrittenKind::Uint64 | WrittenKind::Fixed64 => {
            WrittenValue::U64(text().parse().expect("a number"))
        }
        WrittenKind::Bool => WrittenValue::Bool(value.as_bool().expect("a flag")),
        WrittenKind::String => WrittenValue::String(text().to_owned()),
        WrittenKind::Bytes => WrittenValue::Bytes(STANDARD.decode(text()).expect("base64").into()),
        WrittenKind::Message(kind) => WrittenValue::Message(filled(kind.clone(), value)),
        WrittenKind::Enum(kind) => {
            WrittenValue::EnumNumber(kind.get_value_by_name(text()).expect("a value").number())
        }
    }
}

/// The cells as parsed JSON.
fn parsed(cells: &Cells) -> Vec<Option<Value>> {
    let parsed = |cell: &Cell| serde_json::to_value(cell).expect("JSON");
    cells.iter().map(|cell| cell.as_ref().map(parsed)).collect()
}

#[test]
fn every_scalar_type_is_decoded() {
    let kinds = [
        ("double", Type::Double, "FLOAT", json!(1.5)),
        ("float", Type::Float, "FLOAT", json!(-0.25)),
        ("int64", Type::Int64, "INTEGER", json!(-9_007_199_254_740_993_i64)),
        ("int32", Type::Int32, "INTEGER", json!(-7)),
        ("uint32", Type::Uint32, "INTEGER", json!(4_294_967_295_u32)),
        ("sint64", Type::Sint64, "INTEGER", json!(-3)),
        ("sint32", Type::Sint32, "INTEGER", json!(3)),
        ("sfixed64", Type::Sfixed64, "INTEGER", json!(-5)),
        ("sfixed32", Type::Sfixed32, "INTEGER", json!(-6)),
        ("fixed32", Type::Fixed32, "INTEGER", json!(8)),
        ("fixed64", Type::Fixed64, "NUMERIC", json!("18446744073709551615")),
        ("bool", Type::Bool, "BOOLEAN", json!(true)),
        ("string", Type::String, "STRING", json!("größe")),
        ("bytes", Type::Bytes, "BYTES", json!("AP8=")),
    ];
    let numbered = kinds.iter().zip(1..);
    let fields = numbered.map(|((name, kind, ..), number)| optional(name, number, *kind)).collect();
    let descriptor = message("Row", fields);
    let schema: Vec<Value> =
        kinds.iter().map(|(name, _, kind, _)| json!({ "name": name, "type": kind })).collect();
    let values: Map<String, Value> =
        kinds.iter().map(|(name, .., value)| ((*name).to_owned(), value.clone())).collect();
    let decoder = RowDecoder::new(&descriptor, &table(&json!(schema))).expect("matches");
    let row = decoder.decode(&encoded(&descriptor, Value::Object(values))).expect("a row");
    for ((name, .., expected), cell) in kinds.iter().zip(parsed(&row)) {
        assert_eq!(cell.as_ref(), Some(expected), "{name}");
    }
}

fn order() -> (DescriptorProto, Vec<FieldSchema>) {
    let mut line = message(
        "Line",
        vec![optional("sku", 1, Type::String), field("tags", 2, Type::String, Label::Repeated)],
    );
    line.nested_type.push(message("Unused", vec![]));
    let lines = FieldDescriptorProto {
        type_name: Some("Line".to_owned()),
        ..field("lines", 3, Type::Message, Label::Repeated)
    };
    let mut row = message(
        "Row",
        vec![
            optional("id", 1, Type::String),
            field("counts", 2, Type::Int64, Label::Repeated),
            lines,
        ],
    );
    row.nested_type.push(line);
    let columns = table(&json!([
        { "name": "id", "type": "STRING", "mode": "REQUIRED" },
        { "name": "absent", "type": "JSON" },
        { "name": "Counts", "type": "INTEGER", "mode": "REPEATED" },
        { "name": "lines", "type": "RECORD", "mode": "REPEATED", "fields": [
            { "name": "sku", "type": "STRING" },
            { "name": "tags", "type": "STRING", "mode": "REPEATED" },
            { "name": "price", "type": "NUMERIC" },
        ]},
    ]));
    (row, columns)
}

#[test]
fn records_and_repeated_fields_nest_and_absent_fields_are_null() {
    let (descriptor, columns) = order();
    let decoder = RowDecoder::new(&descriptor, &columns).expect("matches, names ignore case");
    let row = json!({
        "id": "a", "counts": [1, 2, -3],
        "lines": [{ "sku": "x", "tags": ["p", "q"] }, {}],
    });
    let cells = decoder.decode(&encoded(&descriptor, row)).expect("a row");
    assert_eq!(
        parsed(&cells),
        [
            Some(json!("a")),
            None,
            Some(json!([1, 2, -3])),
            Some(json!([{ "sku": "x", "tags": ["p", "q"] }, {}])),
        ]
    );
    // The same numbers, packed into one field: 0x12 is field 2, length-delimited.
    let packed = [&[0x0a, 1, b'a'][..], &[0x12, 3, 1, 2, 3]].concat();
    assert_eq!(parsed(&decoder.decode(&packed).expect("a row"))[2], Some(json!([1, 2, 3])));
}

#[test]
fn a_required_column_must_have_a_value() {
    let (descriptor, columns) = order();
    let decoder = RowDecoder::new(&descriptor, &columns).expect("matches");
    let error = decoder.decode(&[]).expect_err("refused");
    assert_eq!(error, "Field value of id cannot be empty.");
    let without = message("Row", vec![optional("absent", 1, Type::String)]);
    let decoder = RowDecoder::new(&without, &columns)
        .expect("a column that the descriptor leaves out is not a mismatch");
    assert!(decoder.decode(&[]).expect_err("refused").contains("id cannot be empty"));
}

#[test]
fn the_error_of_a_mismatched_descriptor_names_the_field() {
    let columns = table(&json!([
        { "name": "n", "type": "INTEGER" },
        { "name": "at", "type": "TIMESTAMP" },
        { "name": "r", "type": "RECORD", "fields": [{ "name": "x", "type": "STRING" }] },
    ]));
    let refused =
        |field| RowDecoder::new(&message("Row", vec![field]), &columns).expect_err("refused");
    assert_eq!(
        refused(optional("more", 1, Type::String)),
        SchemaMismatch::Extra(vec!["more".to_owned()])
    );
    let SchemaMismatch::Invalid(said) = refused(optional("at", 1, Type::String)) else {
        panic!("no extra field")
    };
    assert_eq!(
        said,
        "The proto field mismatched with BigQuery field at Row.at, the proto field type string, \
         BigQuery field type TIMESTAMP"
    );
    for wrong in [
        optional("n", 1, Type::Uint64),
        field("n", 1, Type::Int64, Label::Repeated),
        optional("r", 1, Type::String),
        of_type("r", 1, Type::Message, "Nowhere"),
    ] {
        assert!(matches!(refused(wrong), SchemaMismatch::Invalid(_)));
    }
    let mut nested = message("Row", vec![of_type("r", 1, Type::Message, "R")]);
    nested.nested_type.push(message("R", vec![optional("y", 1, Type::String)]));
    let extra = RowDecoder::new(&nested, &columns).expect_err("refused");
    assert_eq!(extra, SchemaMismatch::Extra(vec!["y".to_owned()]));
}

#[test]
fn enums_and_wrappers_are_decoded_as_documented() {
    let columns = table(&json!([
        { "name": "state", "type": "STRING" },
        { "name": "code", "type": "INTEGER" },
        { "name": "amount", "type": "INTEGER" },
        { "name": "at", "type": "TIMESTAMP" },
    ]));
    let mut row = message(
        "Row",
        vec![
            of_type("state", 1, Type::Enum, "State"),
            of_type("code", 2, Type::Enum, "State"),
            of_type("amount", 3, Type::Message, "google_protobuf_Int64Value"),
            of_type("at", 4, Type::Message, "google_protobuf_Timestamp"),
        ],
    );
    let value = |name: &str, number| EnumValueDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        ..Default::default()
    };
    row.enum_type.push(EnumDescriptorProto {
        name: Some("State".to_owned()),
        value: vec![value("NEW", 0), value("DONE", 1)],
        ..Default::default()
    });
    row.nested_type.extend([
        message("google_protobuf_Int64Value", vec![optional("value", 1, Type::Int64)]),
        message(
            "google_protobuf_Timestamp",
            vec![optional("seconds", 1, Type::Int64), optional("nanos", 2, Type::Int32)],
        ),
    ]);
    let decoder = RowDecoder::new(&row, &columns).expect("matches");
    let bytes = encoded(
        &row,
        json!({ "state": "DONE", "code": "DONE", "amount": { "value": 5 }, "at": { "seconds": 1, "nanos": 500_000_000 } }),
    );
    let cells = decoder.decode(&bytes).expect("a row");
    assert_eq!(
        parsed(&cells),
        [
            Some(json!("DONE")),
            Some(json!(1)),
            Some(json!(5)),
            Some(json!("1970-01-01T00:00:01.500000Z")),
        ]
    );
    // An empty wrapper holds the default. A number that the enum does not have is an error.
    let cells = decoder.decode(&[0x1a, 0]).expect("a row");
    assert_eq!(parsed(&cells)[2], Some(json!(0)));
    assert!(decoder.decode(&[0x08, 9]).expect_err("refused").contains("not a value of the enum"));
}

/// Google's Java writer sets only `type_name`, and puts an enum into a message of its own.
#[test]
fn a_field_without_a_type_has_the_type_that_it_names() {
    fn without_types(message: &mut DescriptorProto) {
        for field in message.field.iter_mut().filter(|field| field.type_name.is_some()) {
            field.r#type = None;
        }
        message.nested_type.iter_mut().for_each(without_types);
    }
    let (typed, columns) = order();
    let mut untyped = typed.clone();
    without_types(&mut untyped);
    assert_ne!(typed, untyped);
    let row = encoded(&typed, json!({ "id": "a", "lines": [{ "sku": "x" }, {}] }));
    let [with, without] = [&typed, &untyped].map(|descriptor| {
        let decoder = RowDecoder::new(descriptor, &columns).expect("matches");
        parsed(&decoder.decode(&row).expect("a row"))
    });
    assert_eq!(with, without);
    assert_eq!(with[3], Some(json!([{ "sku": "x" }, {}])));

    let mut row = message("Row", vec![of_type("state", 1, Type::Enum, "pkg_State_E.pkg_State")]);
    let mut enclosing = message("pkg_State_E", vec![]);
    enclosing.enum_type.push(EnumDescriptorProto {
        name: Some("pkg_State".to_owned()),
        value: vec![EnumValueDescriptorProto {
            name: Some("DONE".to_owned()),
            number: Some(1),
            ..Default::default()
        }],
        ..Default::default()
    });
    row.nested_type.push(enclosing);
    without_types(&mut row);
    let columns = table(&json!([{ "name": "state", "type": "STRING" }]));
    let decoder = RowDecoder::new(&row, &columns).expect("matches");
    assert_eq!(parsed(&decoder.decode(&[0x08, 1]).expect("a row")), [Some(json!("DONE"))]);
    row.field[0].type_name = None;
    let SchemaMismatch::Invalid(message) = RowDecoder::new(&row, &columns).expect_err("refused")
    else {
        panic!("no extra field")
    };
    assert!(message.contains("not self-contained") && message.contains("state"), "{message}");
}

#[test]
fn invalid_protobuf_is_an_error_and_never_a_panic() {
    let (descriptor, columns) = order();
    let decoder = RowDecoder::new(&descriptor, &columns).expect("matches");
    for wrong in [
        &[0x0a, 5, b'a'][..],
        &[0x0a],
        &[0xff; 11],
        &[0x0b],
        &[0x0a, 2, 0xff, 0xfe],
        &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x08, 1],
    ] {
        assert!(decoder.decode(wrong).is_err(), "{wrong:x?}");
    }
    // Unknown fields are skipped, and the last of two occurrences counts, as protobuf specifies.
    let twice = [&[0x0a, 1, b'a'][..], &[0x50, 1], &[0x0a, 1, b'b']].concat();
    assert_eq!(parsed(&decoder.decode(&twice).expect("a row"))[0], Some(json!("b")));
}
