//! Protobuf's wire format, as far as reading rows needs it.

use prost_types::field_descriptor_proto::Type;

use super::cell::Scalar;

/// A field's bytes by wire type.
#[derive(Debug, Clone, Copy)]
pub enum Raw<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// A message not yet read to its end.
pub struct Wire<'a> {
    bytes: &'a [u8],
}

const CUT: &str = "The row is no protobuf message: it ends too soon";

impl<'a> Wire<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next field: number and content.
    pub fn next(&mut self) -> Result<Option<(u32, Raw<'a>)>, String> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let raw = match key & 7 {
            0 => Raw::Varint(self.varint()?),
            1 => Raw::Fixed64(u64::from_le_bytes(self.array()?)),
            5 => Raw::Fixed32(u32::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| CUT)?;
                Raw::Bytes(self.take(length)?)
            }
            other => return Err(format!("The row is no protobuf message: wire type {other}")),
        };
        Ok(Some(((key >> 3) as u32, raw)))
    }

    fn varint(&mut self) -> Result<u64, String> {
        prost::encoding::decode_varint(&mut self.bytes)
            .map_err(|error| format!("The row is no protobuf message: {error}"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(CUT)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| CUT.to_owned())
    }
}

/// Whether a repeated field of this type may come packed into one.
pub fn packs(kind: Type) -> bool {
    !matches!(kind, Type::String | Type::Bytes | Type::Message | Type::Group)
}

pub fn unpack(bytes: &[u8], kind: Type) -> Result<Vec<Raw<'_>>, String> {
    let mut wire = Wire::new(bytes);
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

/// A field's content as its declared type says.
pub fn scalar(raw: Raw<'_>, kind: Type) -> Result<Scalar<'_>, String> {
    let zigzag = |value: u64| (value >> 1) as i64 ^ -((value & 1) as i64);
    Ok(match (kind, raw) {
        (Type::Int64, Raw::Varint(value)) => Scalar::Int(value as i64),
        // The wire has 64 bits; of a 32-bit field protobuf keeps the lower half.
        (Type::Int32 | Type::Enum, Raw::Varint(value)) => Scalar::Int(i64::from(value as i32)),
        (Type::Uint64, Raw::Varint(value)) => Scalar::Unsigned(value),
        (Type::Uint32, Raw::Varint(value)) => Scalar::Unsigned(u64::from(value as u32)),
        (Type::Sint64 | Type::Sint32, Raw::Varint(value)) => Scalar::Int(zigzag(value)),
        (Type::Bool, Raw::Varint(value)) => Scalar::Bool(value != 0),
        (Type::Double, Raw::Fixed64(value)) => Scalar::Double(f64::from_bits(value)),
        (Type::Float, Raw::Fixed32(value)) => Scalar::Double(f64::from(f32::from_bits(value))),
        (Type::Sfixed64, Raw::Fixed64(value)) => Scalar::Int(value as i64),
        (Type::Fixed64, Raw::Fixed64(value)) => Scalar::Unsigned(value),
        (Type::Sfixed32, Raw::Fixed32(value)) => Scalar::Int(i64::from(value as i32)),
        (Type::Fixed32, Raw::Fixed32(value)) => Scalar::Unsigned(u64::from(value)),
        (Type::String, Raw::Bytes(bytes)) => {
            Scalar::Text(std::str::from_utf8(bytes).map_err(|_| "Invalid UTF-8")?)
        }
        (Type::Bytes, Raw::Bytes(bytes)) => Scalar::Bytes(bytes),
        (kind, raw) => {
            let wire_type = match raw {
                Raw::Varint(_) => "a varint",
                Raw::Fixed64(_) => "64 bits",
                Raw::Fixed32(_) => "32 bits",
                Raw::Bytes(_) => "bytes",
            };
            return Err(format!("{wire_type} on the wire for a field of type {kind:?}"));
        }
    })
}
