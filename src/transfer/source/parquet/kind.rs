//! What the values of a column mean, by its logical type, or the converted type of older files.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use parquet::schema::types::Type;

/// What the values of a column mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As the physical type has it: a number, `true` or bytes.
    Plain,
    Unsigned,
    Text,
    /// JSON in a text.
    Json,
    Uuid,
    /// `is_text`: the contract says that the field is a string.
    Decimal {
        scale: usize,
        is_text: bool,
    },
    Float16,
    Date,
    Time(Unit),
    /// `is_utc`: an instant, and not what a clock showed somewhere.
    Timestamp {
        unit: Unit,
        is_utc: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Kind {
    /// `is_text`: the contract says that the field is a string.
    pub fn of(column: &Type, is_text: bool) -> Self {
        let info = column.get_basic_info();
        match info.logical_type_ref() {
            Some(logical) => Self::of_logical(logical, is_text),
            None => {
                let scale = usize::try_from(column.get_scale()).unwrap_or(0);
                Self::of_converted(info.converted_type(), scale, is_text)
            }
        }
    }

    fn of_logical(logical: &LogicalType, is_text: bool) -> Self {
        match logical {
            LogicalType::String | LogicalType::Enum => Self::Text,
            LogicalType::Json if is_text => Self::Text,
            LogicalType::Json => Self::Json,
            LogicalType::Uuid => Self::Uuid,
            LogicalType::Float16 => Self::Float16,
            LogicalType::Date => Self::Date,
            LogicalType::Integer(integer) if !integer.is_signed => Self::Unsigned,
            LogicalType::Decimal(decimal) => {
                Self::Decimal { scale: usize::try_from(decimal.scale).unwrap_or(0), is_text }
            }
            LogicalType::Time(time) => Self::Time(Unit::of(&time.unit)),
            LogicalType::Timestamp(time) => {
                let is_utc = time.is_adjusted_to_u_t_c;
                Self::Timestamp { unit: Unit::of(&time.unit), is_utc }
            }
            // Types of later versions, too, are what their bytes are.
            _ => Self::Plain,
        }
    }

    /// Of files that were written before there were logical types.
    fn of_converted(converted: ConvertedType, scale: usize, is_text: bool) -> Self {
        match converted {
            ConvertedType::UTF8 | ConvertedType::ENUM => Self::Text,
            ConvertedType::JSON if is_text => Self::Text,
            ConvertedType::JSON => Self::Json,
            ConvertedType::DECIMAL => Self::Decimal { scale, is_text },
            ConvertedType::DATE => Self::Date,
            ConvertedType::TIME_MILLIS => Self::Time(Unit::Millis),
            ConvertedType::TIME_MICROS => Self::Time(Unit::Micros),
            ConvertedType::TIMESTAMP_MILLIS => Self::Timestamp { unit: Unit::Millis, is_utc: true },
            ConvertedType::TIMESTAMP_MICROS => Self::Timestamp { unit: Unit::Micros, is_utc: true },
            ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64 => Self::Unsigned,
            ConvertedType::NONE
            | ConvertedType::MAP
            | ConvertedType::MAP_KEY_VALUE
            | ConvertedType::LIST
            | ConvertedType::INT_8
            | ConvertedType::INT_16
            | ConvertedType::INT_32
            | ConvertedType::INT_64
            | ConvertedType::BSON
            | ConvertedType::INTERVAL => Self::Plain,
        }
    }
}

impl Unit {
    fn of(unit: &TimeUnit) -> Self {
        match unit {
            TimeUnit::MILLIS => Self::Millis,
            TimeUnit::MICROS => Self::Micros,
            TimeUnit::NANOS => Self::Nanos,
        }
    }

    pub fn nanos(self) -> i128 {
        match self {
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
            Self::Nanos => 1,
        }
    }

    /// Digits after the second.
    pub fn digits(self) -> usize {
        match self {
            Self::Millis => 3,
            Self::Micros => 6,
            Self::Nanos => 9,
        }
    }
}
