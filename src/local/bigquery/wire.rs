//! Reads protobuf's wire format, as far as rows need it.

use prost_types::field_descriptor_proto::Type;

use super::cell::Scalar;

/// A field's content, by wire type.
#[derive(Debug, Clone, Copy)]
pub enum WireValue<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// The fields of a message, read one after another.
pub struct WireFields<'a> {
    /// The bytes not read yet.
    bytes: &'a [u8],
}

const TRUNCATED: &str = "The row is not a protobuf message: it is truncated";

impl<'a> WireFields<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Number and content of the next field; `None` at the end of the message.
    pub fn next(&mut self) -> Result<Option<(u32, WireValue<'a>)>, String> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => WireValue::Varint(self.varint()?),
            1 => self.fixed64()?,
            5 => self.fixed32()?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| TRUNCATED)?;
                WireValue::Bytes(self.take(length)?)
            }
            other => return Err(format!("The row is not a protobuf message: wire type {other}")),
        };
        Ok(Some(((key >> 3) as u32, value)))
    }

    fn varint(&mut self) -> Result<u64, String> {
        prost::encoding::decode_varint(&mut self.bytes)
            .map_err(|error| format!("The row is not a protobuf message: {error}"))
    }

    fn fixed64(&mut self) -> Result<WireValue<'a>, String> {
        Ok(WireValue::Fixed64(u64::from_le_bytes(self.array()?)))
    }

    fn fixed32(&mut self) -> Result<WireValue<'a>, String> {
        Ok(WireValue::Fixed32(u32::from_le_bytes(self.array()?)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(TRUNCATED)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| TRUNCATED.to_owned())
    }
}

/// Whether the values of a repeated field of this type may be packed into one field.
pub fn is_packable(kind: Type) -> bool {
    !matches!(kind, Type::String | Type::Bytes | Type::Message | Type::Group)
}

/// The values of a packed field.
pub fn unpack(bytes: &[u8], kind: Type) -> Result<Vec<WireValue<'_>>, String> {
    let mut packed = WireFields::new(bytes);
    let mut values = Vec::new();
    while !packed.bytes.is_empty() {
        values.push(match kind {
            Type::Double | Type::Fixed64 | Type::Sfixed64 => packed.fixed64()?,
            Type::Float | Type::Fixed32 | Type::Sfixed32 => packed.fixed32()?,
            _ => WireValue::Varint(packed.varint()?),
        });
    }
    Ok(values)
}

/// A field's content as a value of its declared type.
pub fn scalar(value: WireValue<'_>, kind: Type) -> Result<Scalar<'_>, String> {
    let zigzag = |value: u64| (value >> 1) as i64 ^ -((value & 1) as i64);
    Ok(match (kind, value) {
        (Type::Int64, WireValue::Varint(value)) => Scalar::Int(value as i64),
        // A varint has 64 bits; a 32-bit field keeps the lower half, as protobuf specifies.
        (Type::Int32 | Type::Enum, WireValue::Varint(value)) => {
            Scalar::Int(i64::from(value as i32))
        }
        (Type::Uint64, WireValue::Varint(value)) => Scalar::Unsigned(value),
        (Type::Uint32, WireValue::Varint(value)) => Scalar::Unsigned(u64::from(value as u32)),
        (Type::Sint64 | Type::Sint32, WireValue::Varint(value)) => Scalar::Int(zigzag(value)),
        (Type::Bool, WireValue::Varint(value)) => Scalar::Bool(value != 0),
        (Type::Double, WireValue::Fixed64(value)) => Scalar::Double(f64::from_bits(value)),
        (Type::Float, WireValue::Fixed32(value)) => {
            Scalar::Double(f64::from(f32::from_bits(value)))
        }
        (Type::Sfixed64, WireValue::Fixed64(value)) => Scalar::Int(value as i64),
        (Type::Fixed64, WireValue::Fixed64(value)) => Scalar::Unsigned(value),
        (Type::Sfixed32, WireValue::Fixed32(value)) => Scalar::Int(i64::from(value as i32)),
        (Type::Fixed32, WireValue::Fixed32(value)) => Scalar::Unsigned(u64::from(value)),
        (Type::String, WireValue::Bytes(bytes)) => {
            Scalar::Text(std::str::from_utf8(bytes).map_err(|_| "Invalid UTF-8")?)
        }
        (Type::Bytes, WireValue::Bytes(bytes)) => Scalar::Bytes(bytes),
        (kind, value) => {
            let found = match value {
                WireValue::Varint(_) => "a varint",
                WireValue::Fixed64(_) => "64 bits",
                WireValue::Fixed32(_) => "32 bits",
                WireValue::Bytes(_) => "bytes",
            };
            return Err(format!("{found} on the wire for a field of type {kind:?}"));
        }
    })
}
