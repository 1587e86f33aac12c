//! Decodes rows, given the descriptor that the writer sent and the table's columns.

use std::collections::HashMap;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto};

use super::cell::{Scalar, convert};
use super::field_schema::{self, FieldMode, FieldSchema, FieldType};
use super::wire::{WireFields, WireValue, is_packable, scalar, unpack};
use crate::row::Cell;

/// A row's values in the order of the table's columns; `None` is NULL.
pub type Cells = Vec<Option<Cell>>;

/// Decodes messages of one descriptor into the columns of a table or the fields of a RECORD.
#[derive(Debug, Clone)]
pub struct RowDecoder {
    /// In ascending order of their numbers.
    fields: Vec<ProtoField>,
    /// The names of the columns.
    names: Vec<String>,
    /// The indices of the columns that must have a value.
    required: Vec<usize>,
}

#[derive(Debug, Clone)]
struct ProtoField {
    number: u32,
    /// The index of its column.
    column: usize,
    kind: FieldType,
    wire: Type,
    repeated: bool,
    encoding: FieldEncoding,
}

/// How a field's content is decoded.
#[derive(Debug, Clone)]
enum FieldEncoding {
    Scalar,
    Record(RowDecoder),
    /// An enum for a STRING column: the name of each number.
    EnumNames(HashMap<i32, String>),
    /// A wrapper such as `google.protobuf.Int64Value`, with the type of the value inside.
    Wrapper(Type),
    /// `google.protobuf.Timestamp`
    Timestamp,
}

/// Why a descriptor does not fit the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaMismatch {
    /// Fields that the table does not have.
    Extra(Vec<String>),
    Invalid(String),
}

impl RowDecoder {
    pub fn new(
        descriptor: &DescriptorProto,
        columns: &[FieldSchema],
    ) -> Result<Self, SchemaMismatch> {
        let mut extra = Vec::new();
        let decoder = Self::level(descriptor, columns, &mut extra, &[descriptor])?;
        if extra.is_empty() { Ok(decoder) } else { Err(SchemaMismatch::Extra(extra)) }
    }

    /// The decoder of one message. `scope` is the message and those around it, outermost first; the
    /// names of fields that the table does not have are added to `extra`.
    fn level(
        descriptor: &DescriptorProto,
        columns: &[FieldSchema],
        extra: &mut Vec<String>,
        scope: &[&DescriptorProto],
    ) -> Result<Self, SchemaMismatch> {
        let is_required = |column: &FieldSchema| column.mode == FieldMode::Required;
        let mut required: Vec<usize> =
            (0..columns.len()).filter(|index| is_required(&columns[*index])).collect();
        let mut fields = Vec::with_capacity(descriptor.field.len());
        for field in &descriptor.field {
            let name = field.name();
            let Some(index) = field_schema::position(columns, name) else {
                extra.push(name.to_owned());
                continue;
            };
            let column = &columns[index];
            let named = named_type(field.type_name(), scope);
            let wire = wire_type(field, named)?;
            let mismatch = || {
                SchemaMismatch::Invalid(format!(
                    "The proto field mismatched with BigQuery field at {}.{name}, the proto field \
                     type {}, BigQuery field type {}",
                    descriptor.name(),
                    wire.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
                    column.kind.name(),
                ))
            };
            let repeated = field.label() == Label::Repeated;
            if repeated != (column.mode == FieldMode::Repeated) {
                return Err(SchemaMismatch::Invalid(format!(
                    "The proto field mismatched with BigQuery field at {}.{name}, one of them is \
                     repeated and the other is not",
                    descriptor.name(),
                )));
            }
            if field.label() == Label::Required && !required.contains(&index) {
                required.push(index);
            }
            let encoding = match (wire, named) {
                (Type::Message, Some(NamedType::Message(inner))) => match column.kind {
                    FieldType::Record => {
                        let mut scope = scope.to_vec();
                        scope.push(inner);
                        FieldEncoding::Record(Self::level(inner, &column.fields, extra, &scope)?)
                    }
                    kind => well_known(inner, kind).ok_or_else(mismatch)?,
                },
                (Type::Message, _) => return Err(not_self_contained(field)),
                (Type::Enum, Some(NamedType::Enum(inner))) if column.kind == FieldType::String => {
                    FieldEncoding::EnumNames(enum_names(inner))
                }
                (wire, _) if accepts(column.kind, wire) => FieldEncoding::Scalar,
                _ => return Err(mismatch()),
            };
            fields.push(ProtoField {
                number: field.number() as u32,
                column: index,
                kind: column.kind,
                wire,
                repeated,
                encoding,
            });
        }
        fields.sort_by_key(|field| field.number);
        let names = columns.iter().map(|column| column.name.clone()).collect();
        Ok(Self { fields, names, required })
    }

    /// Decodes one row. The error names the field that is wrong.
    pub fn decode(&self, bytes: &[u8]) -> Result<Cells, String> {
        let mut cells: Cells = vec![None; self.names.len()];
        let mut wire = WireFields::new(bytes);
        // Writers usually send fields in ascending order, so the next field is usually at this index.
        let mut at = 0;
        while let Some((number, value)) = wire.next()? {
            match self.fields.get(at) {
                Some(field) if field.number == number => {}
                _ => match self.fields.binary_search_by_key(&number, |field| field.number) {
                    Ok(found) => at = found,
                    Err(_) => continue,
                },
            }
            let field = &self.fields[at];
            let failed = |error: String| format!("Field {}: {error}", self.names[field.column]);
            field.decode_into(value, &mut cells[field.column]).map_err(failed)?;
            at += usize::from(!field.repeated);
        }
        match self.required.iter().find(|column| cells[**column].is_none()) {
            Some(column) => Err(format!("Field value of {} cannot be empty.", self.names[*column])),
            None => Ok(cells),
        }
    }

    fn record(&self, bytes: &[u8]) -> Result<Cell, String> {
        let cells = self.decode(bytes)?;
        let named = self.names.iter().zip(cells);
        Ok(Cell::Record(named.filter_map(|(name, cell)| Some((name.clone(), cell?))).collect()))
    }
}

impl ProtoField {
    fn decode_into(&self, value: WireValue<'_>, cell: &mut Option<Cell>) -> Result<(), String> {
        if !self.repeated {
            // If a field occurs twice, the last one counts, as protobuf specifies.
            *cell = Some(self.value(value)?);
            return Ok(());
        }
        let list = cell.get_or_insert_with(|| Cell::Array(Vec::new()));
        let Cell::Array(list) = list else { return Ok(()) };
        match value {
            WireValue::Bytes(bytes) if is_packable(self.wire) => {
                for item in unpack(bytes, self.wire)? {
                    list.push(self.value(item)?);
                }
            }
            value => list.push(self.value(value)?),
        }
        Ok(())
    }

    fn value(&self, value: WireValue<'_>) -> Result<Cell, String> {
        use FieldEncoding as E;
        match (&self.encoding, value) {
            (E::Scalar, value) => convert(scalar(value, self.wire)?, self.kind),
            (E::Record(decoder), WireValue::Bytes(bytes)) => decoder.record(bytes),
            (E::Wrapper(wire), WireValue::Bytes(bytes)) => {
                convert(unwrap(bytes, *wire)?, self.kind)
            }
            (E::Timestamp, WireValue::Bytes(bytes)) => convert(timestamp(bytes)?, self.kind),
            (E::EnumNames(names), WireValue::Varint(number)) => match names.get(&(number as i32)) {
                Some(name) => Ok(Cell::from(name.as_str())),
                None => Err(format!("{} is not a value of the enum", number as i32)),
            },
            (E::Record(_) | E::Wrapper(_) | E::Timestamp | E::EnumNames(_), _) => {
                Err("The row does not fit its descriptor".to_owned())
            }
        }
    }
}

/// Whether a column accepts a protobuf type (Google's list of supported protocol buffer data types).
fn accepts(kind: FieldType, wire: Type) -> bool {
    let signed32 = matches!(wire, Type::Int32 | Type::Sint32 | Type::Sfixed32);
    let signed64 = matches!(wire, Type::Int64 | Type::Sint64 | Type::Sfixed64);
    let unsigned32 = matches!(wire, Type::Uint32 | Type::Fixed32);
    let unsigned64 = matches!(wire, Type::Uint64 | Type::Fixed64);
    let float = matches!(wire, Type::Double | Type::Float);
    let text = wire == Type::String;
    match kind {
        FieldType::Boolean => {
            wire == Type::Bool || signed32 || signed64 || unsigned32 || unsigned64
        }
        FieldType::Bytes => text || wire == Type::Bytes,
        FieldType::Date => signed32 || signed64 || text,
        FieldType::Datetime | FieldType::Time => text || signed64,
        FieldType::Float => float,
        FieldType::String | FieldType::Geography | FieldType::Json => text,
        FieldType::Integer => signed32 || signed64 || unsigned32 || wire == Type::Enum,
        FieldType::Numeric | FieldType::BigNumeric => {
            signed32 || signed64 || unsigned32 || unsigned64 || float || text || wire == Type::Bytes
        }
        FieldType::Timestamp => signed32 || signed64 || unsigned32,
        FieldType::Record => false,
    }
}

/// The encoding of one of protobuf's well-known types. A self-contained descriptor contains such a
/// type under a name with the same ending, for example `google_protobuf_Int64Value`.
fn well_known(inner: &DescriptorProto, kind: FieldType) -> Option<FieldEncoding> {
    let field = |name: &str| inner.field.iter().find(|field| field.name() == name);
    if kind == FieldType::Timestamp && inner.name().ends_with("Timestamp") {
        return field("seconds").map(|_| FieldEncoding::Timestamp);
    }
    let value = field("value").filter(|field| field.number() == 1)?;
    let fits = inner.name().ends_with("Value") && accepts(kind, value.r#type());
    fits.then_some(FieldEncoding::Wrapper(value.r#type()))
}

/// The value in a wrapper, or the type's default if it is absent.
fn unwrap(bytes: &[u8], wire: Type) -> Result<Scalar<'_>, String> {
    let mut value = match wire {
        Type::String => Scalar::Text(""),
        Type::Bytes => Scalar::Bytes(&[]),
        Type::Bool => Scalar::Bool(false),
        Type::Double | Type::Float => Scalar::Double(0.0),
        _ => Scalar::Int(0),
    };
    let mut fields = WireFields::new(bytes);
    while let Some((number, content)) = fields.next()? {
        if number == 1 {
            value = scalar(content, wire)?;
        }
    }
    Ok(value)
}

/// The microseconds of a `google.protobuf.Timestamp`.
fn timestamp(bytes: &[u8]) -> Result<Scalar<'_>, String> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    let mut fields = WireFields::new(bytes);
    while let Some((number, content)) = fields.next()? {
        match (number, content) {
            (1, WireValue::Varint(value)) => seconds = value as i64,
            (2, WireValue::Varint(value)) => nanos = value as i64,
            _ => {}
        }
    }
    Ok(Scalar::Int(seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000)))
}

/// The type that a field's `type_name` names.
#[derive(Clone, Copy)]
enum NamedType<'a> {
    Message(&'a DescriptorProto),
    Enum(&'a EnumDescriptorProto),
}

/// The type of this name, from the innermost message of `scope` that contains it. A fully qualified
/// name (`.package.Row.Inner`) begins with parts that are not in the descriptor; they are left out one
/// by one.
fn named_type<'a>(name: &str, scope: &[&'a DescriptorProto]) -> Option<NamedType<'a>> {
    let parts: Vec<&str> = name.trim_start_matches('.').split('.').collect();
    let mut suffixes = (0..parts.len()).map(|start| &parts[start..]);
    suffixes.find_map(|suffix| scope.iter().rev().find_map(|message| nested_type(message, suffix)))
}

/// The type `A.B.C` in a message, given its parts.
fn nested_type<'a>(message: &'a DescriptorProto, parts: &[&str]) -> Option<NamedType<'a>> {
    let (first, rest) = parts.split_first()?;
    let inner = message.nested_type.iter().find(|nested| nested.name() == *first);
    match (inner, rest) {
        (Some(inner), []) => Some(NamedType::Message(inner)),
        (Some(inner), rest) => nested_type(inner, rest),
        (None, []) => {
            let found = message.enum_type.iter().find(|nested| nested.name() == *first);
            found.map(NamedType::Enum)
        }
        (None, _) => None,
    }
}

/// The type of a field. Google's Java writer sets only `type_name` for messages and enums, which
/// BigQuery accepts.
fn wire_type(
    field: &FieldDescriptorProto,
    named: Option<NamedType<'_>>,
) -> Result<Type, SchemaMismatch> {
    match (field.r#type, named) {
        (Some(_), _) => Ok(field.r#type()),
        (None, Some(NamedType::Message(_))) => Ok(Type::Message),
        (None, Some(NamedType::Enum(_))) => Ok(Type::Enum),
        (None, None) => Err(not_self_contained(field)),
    }
}

fn not_self_contained(field: &FieldDescriptorProto) -> SchemaMismatch {
    SchemaMismatch::Invalid(format!(
        "The proto descriptor is not self-contained: no type {:?} of field {}",
        field.type_name(),
        field.name()
    ))
}

/// The names of an enum's numbers.
fn enum_names(named: &EnumDescriptorProto) -> HashMap<i32, String> {
    named.value.iter().map(|value| (value.number(), value.name().to_owned())).collect()
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
