//! The protobuf descriptor of a table's rows. BigQuery gets it with the first append of a
//! connection.

use bytes::Bytes;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::ProtoSchema;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto};

use crate::row::{Column, ColumnType, Mode, TableSchema};

/// Returns the table's `ProtoSchema`, encoded; all writers of the table share it.
pub fn writer_schema(schema: &TableSchema) -> Bytes {
    let descriptor = message("Row", &schema.columns);
    ProtoSchema { proto_descriptor: Some(descriptor) }.encode_to_vec().into()
}

/// Describes a message of these columns: a column's field number is its index + 1.
fn message(name: &str, columns: &[Column]) -> DescriptorProto {
    let mut descriptor = DescriptorProto { name: Some(name.to_owned()), ..Default::default() };
    for (index, column) in columns.iter().enumerate() {
        let nested = format!("R{}", index + 1);
        let (kind, type_name) = match &column.kind {
            ColumnType::String
            | ColumnType::Datetime
            | ColumnType::Time
            | ColumnType::Numeric
            | ColumnType::BigNumeric
            | ColumnType::Json => (Type::String, None),
            ColumnType::Bytes => (Type::Bytes, None),
            ColumnType::Int64 | ColumnType::Timestamp => (Type::Int64, None),
            ColumnType::Float64 => (Type::Double, None),
            ColumnType::Bool => (Type::Bool, None),
            ColumnType::Date => (Type::Int32, None),
            ColumnType::Record(fields) => {
                descriptor.nested_type.push(message(&nested, fields));
                (Type::Message, Some(nested))
            }
        };
        let label = match column.mode {
            Mode::Nullable => Label::Optional,
            Mode::Required => Label::Required,
            Mode::Repeated => Label::Repeated,
        };
        descriptor.field.push(FieldDescriptorProto {
            name: Some(column.name.clone()),
            number: Some(index as i32 + 1),
            label: Some(label as i32),
            r#type: Some(kind as i32),
            type_name,
            ..Default::default()
        });
    }
    descriptor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_columns_and_records_nest() {
        let inner = vec![Column::nullable("a", ColumnType::Int64)];
        let mut record = Column::nullable("r", ColumnType::Record(inner));
        record.mode = Mode::Repeated;
        let descriptor = message("Row", &[Column::nullable("s", ColumnType::Json), record]);
        assert_eq!(descriptor.field[0].number(), 1);
        assert_eq!(descriptor.field[0].r#type(), Type::String);
        assert_eq!(descriptor.field[1].number(), 2);
        assert_eq!(descriptor.field[1].label(), Label::Repeated);
        assert_eq!(descriptor.field[1].type_name(), descriptor.nested_type[0].name());
    }
}
