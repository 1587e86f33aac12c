//! Decodes a row with prost-reflect, by a descriptor made from the table's schema.

use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage, Value};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};

use crate::row::{Column, ColumnType, Mode, TableSchema};

/// What a column holds, in a form that can be compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Bool(bool),
    Int(i64),
    Float(u64),
    Text(String),
    Bytes(Vec<u8>),
    /// JSON text, parsed so that white space and escapes do not matter.
    Json(super::plain::Plain),
    Record(Vec<(String, Cell)>),
    Repeated(Vec<Cell>),
}

/// The columns that a row has, in the table's order.
pub(super) fn decode(table: &TableSchema, row: &[u8]) -> Vec<(String, Cell)> {
    let message = DynamicMessage::decode(descriptor(table), row).expect("the row is protobuf");
    assert_eq!(message.unknown_fields().count(), 0, "every field of the row is a column's");
    assert_eq!(
        message.encoded_len(),
        row.len(),
        "no column is written twice or longer than necessary"
    );
    cells(&table.columns, &message)
}

fn cells(columns: &[Column], message: &DynamicMessage) -> Vec<(String, Cell)> {
    assert_eq!(message.unknown_fields().count(), 0);
    let mut cells = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let field = message.descriptor().get_field(index as u32 + 1).unwrap();
        if message.has_field(&field) {
            let value = message.get_field(&field);
            let cell = match &*value {
                Value::List(items) => {
                    Cell::Repeated(items.iter().map(|item| cell(&column.kind, item)).collect())
                }
                value => cell(&column.kind, value),
            };
            cells.push((column.name.clone(), cell));
        }
    }
    cells
}

fn cell(kind: &ColumnType, value: &Value) -> Cell {
    match (kind, value) {
        (ColumnType::Record(fields), Value::Message(message)) => {
            Cell::Record(cells(fields, message))
        }
        (ColumnType::Json, Value::String(text)) => {
            Cell::Json(super::plain::Plain::read(text.as_bytes()).expect("the column is JSON"))
        }
        (_, Value::Bool(value)) => Cell::Bool(*value),
        (_, Value::I64(value)) => Cell::Int(*value),
        (_, Value::I32(value)) => Cell::Int(i64::from(*value)),
        (_, Value::F64(value)) => Cell::Float(value.to_bits()),
        (_, Value::String(value)) => Cell::Text(value.clone()),
        (_, Value::Bytes(value)) => Cell::Bytes(value.to_vec()),
        (kind, value) => panic!("{kind:?} column holds {value:?}"),
    }
}

pub(super) fn descriptor(table: &TableSchema) -> MessageDescriptor {
    let file = FileDescriptorProto {
        name: Some("row.proto".to_owned()),
        syntax: Some("proto2".to_owned()),
        message_type: vec![message("Row", &table.columns)],
        ..Default::default()
    };
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_proto(file).unwrap();
    pool.get_message_by_name("Row").unwrap()
}

fn message(name: &str, columns: &[Column]) -> DescriptorProto {
    let mut nested = Vec::new();
    let field = (0..).zip(columns).map(|(index, column)| {
        let mut field = FieldDescriptorProto {
            name: Some(column.name.clone()),
            number: Some(index + 1),
            label: Some(match column.mode {
                Mode::Nullable => Label::Optional,
                Mode::Required => Label::Required,
                Mode::Repeated => Label::Repeated,
            } as i32),
            ..Default::default()
        };
        let kind = match &column.kind {
            ColumnType::Bytes => Type::Bytes,
            ColumnType::Int64 | ColumnType::Timestamp => Type::Int64,
            ColumnType::Float64 => Type::Double,
            ColumnType::Bool => Type::Bool,
            ColumnType::Date => Type::Int32,
            ColumnType::String
            | ColumnType::Datetime
            | ColumnType::Time
            | ColumnType::Numeric
            | ColumnType::BigNumeric
            | ColumnType::Json => Type::String,
            ColumnType::Record(fields) => {
                let name = format!("Record{index}");
                nested.push(message(&name, fields));
                field.type_name = Some(name);
                Type::Message
            }
        };
        field.r#type = Some(kind as i32);
        field
    });
    let field = field.collect();
    DescriptorProto {
        name: Some(name.to_owned()),
        field,
        nested_type: nested,
        ..Default::default()
    }
}
