//! Rows from the wire: read by the descriptor that the writer sent, against the table's columns.

use std::collections::HashMap;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto};
use serde_json::{Map, Value};

use super::cell::{Scalar, convert};
use super::columns::{Column, Kind, Mode};

/// How to read one message: a plan a field number.
#[derive(Debug, Clone)]
pub struct Reader {
    fields: HashMap<u32, Field>,
    columns: Vec<Column>,
}

#[derive(Debug, Clone)]
struct Field {
    column: Column,
    kind: Type,
    repeated: bool,
    nested: Option<Reader>,
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
        let mut fields = HashMap::new();
        for field in &descriptor.field {
            let name = field.name();
            let found = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
            let Some(column) = found else {
                extra.push(name.to_owned());
                continue;
            };
            let repeated = field.label() == Label::Repeated;
            if repeated != (column.mode == Mode::Repeated) {
                return Err(Mismatch::Invalid(format!(
                    "The field {name} is repeated in one of descriptor and table only"
                )));
            }
            let nested = match (field.r#type(), column.kind) {
                (Type::Message | Type::Group, Kind::Record) => {
                    let inner = find(field, scope).ok_or_else(|| {
                        Mismatch::Invalid(format!(
                            "no message type {} for field {name}",
                            field.type_name()
                        ))
                    })?;
                    let mut scope = scope.to_vec();
                    scope.push(inner);
                    Some(Self::level(inner, &column.fields, extra, &scope)?)
                }
                (Type::Message | Type::Group, kind) => {
                    return Err(Mismatch::Invalid(format!(
                        "field {name}: a message for a {kind:?} column"
                    )));
                }
                (_, Kind::Record) => {
                    return Err(Mismatch::Invalid(format!(
                        "field {name}: no message for a RECORD column"
                    )));
                }
                _ => None,
            };
            let plan = Field { column: column.clone(), kind: field.r#type(), repeated, nested };
            fields.insert(field.number() as u32, plan);
        }
        Ok(Self { fields, columns: columns.to_vec() })
    }

    /// One row as a JSON object of the columns that have a value.
    pub fn read(&self, bytes: &[u8]) -> Result<Map<String, Value>, String> {
        let mut row = Map::new();
        let mut wire = Wire { bytes };
        while let Some((number, raw)) = wire.next()? {
            let Some(field) = self.fields.get(&number) else { continue };
            let name = &field.column.name;
            let failed = |error: String| format!("Field {name}: {error}");
            if field.repeated {
                let items = match (&raw, packed(field.kind)) {
                    (Raw::Bytes(bytes), true) => unpack(bytes, field.kind)?,
                    _ => vec![raw],
                };
                let list = row.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
                for item in items {
                    let value = field.value(item).map_err(failed)?;
                    if let Value::Array(list) = list {
                        list.push(value);
                    }
                }
            } else {
                // Of a field that comes twice the last counts, as protobuf says.
                row.insert(name.clone(), field.value(raw).map_err(failed)?);
            }
        }
        let missing = self
            .columns
            .iter()
            .find(|column| column.mode == Mode::Required && !row.contains_key(&column.name));
        match missing {
            Some(column) => Err(format!("Field {}: required field is missing", column.name)),
            None => Ok(row),
        }
    }
}

impl Field {
    fn value(&self, raw: Raw<'_>) -> Result<Value, String> {
        if let (Some(reader), Raw::Bytes(bytes)) = (&self.nested, &raw) {
            return reader.read(bytes).map(Value::Object);
        }
        convert(scalar(raw, self.kind)?, self.column.kind)
    }
}

/// The nested type a field names, in the innermost scope that has it.
fn find<'a>(
    field: &FieldDescriptorProto,
    scope: &[&'a DescriptorProto],
) -> Option<&'a DescriptorProto> {
    let last = field.type_name().rsplit('.').next()?;
    scope
        .iter()
        .rev()
        .find_map(|message| message.nested_type.iter().find(|nested| nested.name() == last))
}

/// A field's bytes by wire type.
#[derive(Debug)]
enum Raw<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

struct Wire<'a> {
    bytes: &'a [u8],
}

impl<'a> Wire<'a> {
    fn next(&mut self) -> Result<Option<(u32, Raw<'a>)>, String> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let raw = match key & 7 {
            0 => Raw::Varint(self.varint()?),
            1 => Raw::Fixed64(u64::from_le_bytes(self.array()?)),
            5 => Raw::Fixed32(u32::from_le_bytes(self.array()?)),
            2 => {
                let length = self.varint()? as usize;
                Raw::Bytes(self.take(length)?)
            }
            other => return Err(format!("the row is no protobuf: wire type {other}")),
        };
        Ok(Some(((key >> 3) as u32, raw)))
    }

    fn varint(&mut self) -> Result<u64, String> {
        prost::encoding::decode_varint(&mut self.bytes).map_err(|error| error.to_string())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(length)
            .ok_or("the row is no protobuf: it ends too soon")?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "the row is no protobuf".to_owned())
    }
}

fn packed(kind: Type) -> bool {
    !matches!(kind, Type::String | Type::Bytes | Type::Message | Type::Group)
}

fn unpack(bytes: &[u8], kind: Type) -> Result<Vec<Raw<'_>>, String> {
    let mut wire = Wire { bytes };
    let mut items = Vec::new();
    while !wire.bytes.is_empty() {
        items.push(match kind {
            Type::Double | Type::Fixed64 | Type::Sfixed64 => {
                Raw::Fixed64(u64::from_le_bytes(wire.array()?))
            }
            Type::Float | Type::Fixed32 | Type::Sfixed32 => {
                Raw::Fixed32(u32::from_le_bytes(wire.array()?))
            }
            _ => Raw::Varint(wire.varint()?),
        });
    }
    Ok(items)
}

fn scalar(raw: Raw<'_>, kind: Type) -> Result<Scalar, String> {
    let zigzag = |value: u64| (value >> 1) as i64 ^ -((value & 1) as i64);
    Ok(match (kind, raw) {
        (Type::Int64 | Type::Int32 | Type::Enum, Raw::Varint(value)) => Scalar::Int(value as i64),
        (Type::Uint64 | Type::Uint32, Raw::Varint(value)) => Scalar::Unsigned(value),
        (Type::Sint64 | Type::Sint32, Raw::Varint(value)) => Scalar::Int(zigzag(value)),
        (Type::Bool, Raw::Varint(value)) => Scalar::Bool(value != 0),
        (Type::Double, Raw::Fixed64(value)) => Scalar::Double(f64::from_bits(value)),
        (Type::Float, Raw::Fixed32(value)) => Scalar::Double(f64::from(f32::from_bits(value))),
        (Type::Sfixed64, Raw::Fixed64(value)) => Scalar::Int(value as i64),
        (Type::Fixed64, Raw::Fixed64(value)) => Scalar::Unsigned(value),
        (Type::Sfixed32, Raw::Fixed32(value)) => Scalar::Int(i64::from(value as i32)),
        (Type::Fixed32, Raw::Fixed32(value)) => Scalar::Unsigned(u64::from(value)),
        (Type::String, Raw::Bytes(bytes)) => {
            Scalar::Text(String::from_utf8(bytes.to_vec()).map_err(|_| "not UTF-8".to_owned())?)
        }
        (Type::Bytes, Raw::Bytes(bytes)) => Scalar::Bytes(bytes.to_vec()),
        (kind, raw) => {
            return Err(format!("{raw:?} for a field of type {kind:?}").chars().take(80).collect());
        }
    })
}
