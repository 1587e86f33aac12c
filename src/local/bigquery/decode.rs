//! Rows from the wire: read by the descriptor that the writer sent, against the table's columns.

use std::collections::HashMap;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto};
use serde_json::{Map, Value, json};

use super::cell::{Scalar, convert};
use super::columns::{Column, Kind, Mode};
use super::wire::{Raw, Wire, packs, scalar, unpack};

/// A row's values in the order of the table's columns, `None` for NULL.
pub type Cells = Vec<Option<Value>>;

/// How to read one message.
#[derive(Debug, Clone)]
pub struct Reader {
    /// By number, ascending.
    fields: Vec<Field>,
    /// Names of the columns.
    names: Vec<String>,
    /// Columns that must have a value.
    required: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Field {
    number: u32,
    /// Its column's place.
    column: usize,
    kind: Kind,
    wire: Type,
    repeated: bool,
    shape: Shape,
}

#[derive(Debug, Clone)]
enum Shape {
    Scalar,
    Record(Reader),
    /// Names of an enum that goes to a STRING column.
    Names(HashMap<i32, String>),
    /// `google.protobuf.Int64Value` and its like: the type of the value inside.
    Wrapper(Type),
    /// `google.protobuf.Timestamp`
    Instant,
}

/// Why a descriptor does not go with the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// Fields the table does not have.
    Extra(Vec<String>),
    Invalid(String),
}

impl Reader {
    pub fn new(descriptor: &DescriptorProto, columns: &[Column]) -> Result<Self, Mismatch> {
        let mut extra = Vec::new();
        let reader = Self::level(descriptor, columns, &mut extra, &[descriptor])?;
        if extra.is_empty() { Ok(reader) } else { Err(Mismatch::Extra(extra)) }
    }

    fn level(
        descriptor: &DescriptorProto,
        columns: &[Column],
        extra: &mut Vec<String>,
        scope: &[&DescriptorProto],
    ) -> Result<Self, Mismatch> {
        let is_required = |column: &Column| column.mode == Mode::Required;
        let mut required: Vec<usize> =
            (0..columns.len()).filter(|index| is_required(&columns[*index])).collect();
        let mut fields = Vec::with_capacity(descriptor.field.len());
        for field in &descriptor.field {
            let name = field.name();
            let found = columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
            let Some(index) = found else {
                extra.push(name.to_owned());
                continue;
            };
            let column = &columns[index];
            let mismatch = || {
                Mismatch::Invalid(format!(
                    "The proto field mismatched with BigQuery field at {}.{name}, the proto field \
                     type {}, BigQuery field type {}",
                    descriptor.name(),
                    field.r#type().as_str_name().trim_start_matches("TYPE_").to_lowercase(),
                    column.kind.name(),
                ))
            };
            let repeated = field.label() == Label::Repeated;
            if repeated != (column.mode == Mode::Repeated) {
                return Err(Mismatch::Invalid(format!(
                    "The proto field mismatched with BigQuery field at {}.{name}, one of them is \
                     repeated and the other is not",
                    descriptor.name(),
                )));
            }
            if field.label() == Label::Required && !required.contains(&index) {
                required.push(index);
            }
            let shape = match field.r#type() {
                Type::Message => match (find(field, scope), column.kind) {
                    (None, _) => {
                        return Err(Mismatch::Invalid(format!(
                            "The proto descriptor is not self-contained: no type {} of field {name}",
                            field.type_name()
                        )));
                    }
                    (Some(inner), Kind::Record) => {
                        let mut scope = scope.to_vec();
                        scope.push(inner);
                        Shape::Record(Self::level(inner, &column.fields, extra, &scope)?)
                    }
                    (Some(inner), kind) => well_known(inner, kind).ok_or_else(mismatch)?,
                },
                Type::Enum if column.kind == Kind::String => {
                    Shape::Names(enum_names(field, scope).ok_or_else(mismatch)?)
                }
                wire if takes(column.kind, wire) => Shape::Scalar,
                _ => return Err(mismatch()),
            };
            fields.push(Field {
                number: field.number() as u32,
                column: index,
                kind: column.kind,
                wire: field.r#type(),
                repeated,
                shape,
            });
        }
        fields.sort_by_key(|field| field.number);
        let names = columns.iter().map(|column| column.name.clone()).collect();
        Ok(Self { fields, names, required })
    }

    /// One row; its error says which field is wrong.
    pub fn read(&self, bytes: &[u8]) -> Result<Cells, String> {
        let mut cells: Cells = vec![None; self.names.len()];
        let mut wire = Wire::new(bytes);
        // Writers send fields in ascending order: the next one is nearly always where we stand.
        let mut at = 0;
        while let Some((number, raw)) = wire.next()? {
            match self.fields.get(at) {
                Some(field) if field.number == number => {}
                _ => match self.fields.binary_search_by_key(&number, |field| field.number) {
                    Ok(found) => at = found,
                    Err(_) => continue,
                },
            }
            let field = &self.fields[at];
            let failed = |error: String| format!("Field {}: {error}", self.names[field.column]);
            field.read(raw, &mut cells[field.column]).map_err(failed)?;
            at += usize::from(!field.repeated);
        }
        match self.required.iter().find(|column| cells[**column].is_none()) {
            Some(column) => Err(format!("Field value of {} cannot be empty.", self.names[*column])),
            None => Ok(cells),
        }
    }

    fn record(&self, bytes: &[u8]) -> Result<Value, String> {
        let cells = self.read(bytes)?;
        let named = self.names.iter().zip(cells);
        let object: Map<String, Value> =
            named.filter_map(|(name, value)| Some((name.clone(), value?))).collect();
        Ok(Value::Object(object))
    }
}

impl Field {
    fn read(&self, raw: Raw<'_>, cell: &mut Option<Value>) -> Result<(), String> {
        if !self.repeated {
            // Of a field that comes twice the last counts, as protobuf says.
            *cell = Some(self.value(raw)?);
            return Ok(());
        }
        let list = cell.get_or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(list) = list else { return Ok(()) };
        match raw {
            Raw::Bytes(bytes) if packs(self.wire) => {
                for item in unpack(bytes, self.wire)? {
                    list.push(self.value(item)?);
                }
            }
            raw => list.push(self.value(raw)?),
        }
        Ok(())
    }

    fn value(&self, raw: Raw<'_>) -> Result<Value, String> {
        match (&self.shape, raw) {
            (Shape::Scalar, raw) => convert(scalar(raw, self.wire)?, self.kind),
            (Shape::Record(reader), Raw::Bytes(bytes)) => reader.record(bytes),
            (Shape::Wrapper(wire), Raw::Bytes(bytes)) => convert(unwrap(bytes, *wire)?, self.kind),
            (Shape::Instant, Raw::Bytes(bytes)) => convert(instant(bytes)?, self.kind),
            (Shape::Names(names), Raw::Varint(number)) => match names.get(&(number as i32)) {
                Some(name) => Ok(json!(name)),
                None => Err(format!("{} is no value of the enum", number as i32)),
            },
            (Shape::Record(_) | Shape::Wrapper(_) | Shape::Instant | Shape::Names(_), _) => {
                Err("The row does not fit its descriptor".to_owned())
            }
        }
    }
}

/// What Google documents each column type to take (supported protocol buffer data types).
fn takes(kind: Kind, wire: Type) -> bool {
    let signed32 = matches!(wire, Type::Int32 | Type::Sint32 | Type::Sfixed32);
    let signed64 = matches!(wire, Type::Int64 | Type::Sint64 | Type::Sfixed64);
    let unsigned32 = matches!(wire, Type::Uint32 | Type::Fixed32);
    let unsigned64 = matches!(wire, Type::Uint64 | Type::Fixed64);
    let float = matches!(wire, Type::Double | Type::Float);
    let text = wire == Type::String;
    match kind {
        Kind::Boolean => wire == Type::Bool || signed32 || signed64 || unsigned32 || unsigned64,
        Kind::Bytes => text || wire == Type::Bytes,
        Kind::Date => signed32 || signed64 || text,
        Kind::Datetime | Kind::Time => text || signed64,
        Kind::Float => float,
        Kind::String | Kind::Geography | Kind::Json => text,
        Kind::Integer => signed32 || signed64 || unsigned32 || wire == Type::Enum,
        Kind::Numeric | Kind::BigNumeric => {
            signed32 || signed64 || unsigned32 || unsigned64 || float || text || wire == Type::Bytes
        }
        Kind::Timestamp => signed32 || signed64 || unsigned32,
        Kind::Record => false,
    }
}

/// Protobuf's well-known types, which a self-contained descriptor carries under a name that ends
/// like theirs (`google_protobuf_Int64Value`).
fn well_known(inner: &DescriptorProto, kind: Kind) -> Option<Shape> {
    let only = |name: &str| inner.field.iter().find(|field| field.name() == name);
    if kind == Kind::Timestamp && inner.name().ends_with("Timestamp") {
        return only("seconds").map(|_| Shape::Instant);
    }
    let value = only("value").filter(|field| field.number() == 1)?;
    let fits = inner.name().ends_with("Value") && takes(kind, value.r#type());
    fits.then_some(Shape::Wrapper(value.r#type()))
}

/// The value in a wrapper; absent, it is the type's default.
fn unwrap(bytes: &[u8], wire: Type) -> Result<Scalar<'_>, String> {
    let mut last = match wire {
        Type::String => Scalar::Text(""),
        Type::Bytes => Scalar::Bytes(&[]),
        Type::Bool => Scalar::Bool(false),
        Type::Double | Type::Float => Scalar::Double(0.0),
        _ => Scalar::Int(0),
    };
    let mut inner = Wire::new(bytes);
    while let Some((number, raw)) = inner.next()? {
        if number == 1 {
            last = scalar(raw, wire)?;
        }
    }
    Ok(last)
}

/// Microseconds of a `google.protobuf.Timestamp`.
fn instant(bytes: &[u8]) -> Result<Scalar<'_>, String> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    let mut inner = Wire::new(bytes);
    while let Some((number, raw)) = inner.next()? {
        match (number, raw) {
            (1, Raw::Varint(value)) => seconds = value as i64,
            (2, Raw::Varint(value)) => nanos = value as i64,
            _ => {}
        }
    }
    Ok(Scalar::Int(seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000)))
}

/// The nested message a field names, in the innermost scope that has it.
fn find<'a>(
    field: &FieldDescriptorProto,
    scope: &[&'a DescriptorProto],
) -> Option<&'a DescriptorProto> {
    let last = field.type_name().rsplit('.').next()?;
    let mut inside_out = scope.iter().rev();
    inside_out.find_map(|message| message.nested_type.iter().find(|nested| nested.name() == last))
}

fn enum_names(
    field: &FieldDescriptorProto,
    scope: &[&DescriptorProto],
) -> Option<HashMap<i32, String>> {
    let last = field.type_name().rsplit('.').next()?;
    let mut inside_out = scope.iter().rev();
    let found = inside_out
        .find_map(|message| message.enum_type.iter().find(|nested| nested.name() == last))?;
    Some(found.value.iter().map(|value| (value.number(), value.name().to_owned())).collect())
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
