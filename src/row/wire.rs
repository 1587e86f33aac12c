//! Reading protobuf's wire format, as far as rows use it.

/// The fields of one message, read from front to back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire<'r> {
    rest: &'r [u8],
}

/// A field's value before its column says what it means.
#[derive(Debug, Clone, Copy)]
pub(super) enum RawValue<'r> {
    Varint(u64),
    Fixed64(u64),
    /// What follows a length: text, bytes or a nested message.
    Delimited(&'r [u8]),
}

/// Why bytes are not a protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("the bytes end inside a field")]
    Truncated,
    #[error("a varint is larger than 64 bits")]
    Varint,
    #[error("field {number} has wire type {wire_type}, which rows do not use")]
    WireType { number: u64, wire_type: u8 },
}

impl<'r> Wire<'r> {
    pub(super) fn new(message: &'r [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field's number and value, or `None` at the end of the message.
    #[inline]
    pub(super) fn field(&mut self) -> Result<Option<(u64, RawValue<'r>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let (number, wire_type) = (key >> 3, (key & 7) as u8);
        let value = match wire_type {
            0 => RawValue::Varint(self.varint()?),
            1 => RawValue::Fixed64(self.fixed64()?),
            2 => RawValue::Delimited(self.delimited()?),
            _ => return Err(WireError::WireType { number, wire_type }),
        };
        Ok(Some((number, value)))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(WireError::Truncated)?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte holds the 64th bit alone.
            if shift == 63 && bits > 1 {
                return Err(WireError::Varint);
            }
            value |= bits << shift;
            if *byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::Varint)
    }

    fn fixed64(&mut self) -> Result<u64, WireError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    #[inline]
    fn delimited(&mut self) -> Result<&'r [u8], WireError> {
        let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }
}
