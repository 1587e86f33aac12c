//! What a plan expects at each place of a payload, and what it writes for it.
//!
//! There is an [`ObjectPlan`] for each object of the contract, with a [`FieldPlan`] for each of its
//! fields. `compile` makes them once; they do not change afterwards.
//!
//! An object and a field take exactly one cache line (64 bytes) each. With hundreds of event types
//! the plan is larger than the processor's nearest cache, and each field should be loaded from
//! memory with one access.

use super::bounds::QuickBounds;
use super::key::Key;
use super::names::Names;
use super::seen::Required;
use super::wire::Tag;

/// An object that the contract declares.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct ObjectPlan {
    /// Boxed, because they are needed only for a key that was not guessed (`guess`).
    pub(super) names: Box<Names>,
    /// In the order of `names`.
    pub(super) fields: Box<[FieldPlan]>,
    pub(super) required: Required,
    pub(super) undeclared: Undeclared,
    /// The object's first place in `Guesses`.
    pub(super) first_guess: usize,
}

const _: () = assert!(size_of::<ObjectPlan>() == 64);

/// What happens to a member that the contract does not declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undeclared {
    /// It is copied to `_extra`.
    Extra,
    /// It is read and not copied: it is part of a JSON column's text, or there is no column for
    /// the object at all.
    Skip,
}

/// A field that the contract declares.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct FieldPlan {
    pub(super) key: Key,
    pub(super) value: ValuePlan,
}

const _: () = assert!(size_of::<FieldPlan>() == 64);

/// What is expected at one place, and what is written for it.
#[derive(Debug)]
pub(super) struct ValuePlan {
    /// `null` is allowed and means that the value is absent.
    pub(super) nullable: bool,
    /// The tag of the column that the value is written to; `None` if it is only checked.
    pub(super) tag: Option<Tag>,
    pub(super) expected: Expected,
    /// Rules of the JSON Schema that `bounds` can check quickly.
    pub(super) bounds: Option<Box<QuickBounds>>,
}

/// The expected JSON type, and how such a value is written.
#[derive(Debug)]
pub(super) enum Expected {
    /// Any JSON, written as its text.
    Any,
    /// Any JSON for a column of text: a string is written as it is, another value as its JSON text.
    AnyAsText,
    Boolean,
    Number {
        to: NumberAs,
        /// Only integers are allowed. Their column is not always INT64.
        whole: bool,
    },
    /// A string, written as it is.
    String,
    /// A string that is converted to the column's type. Only this conversion checks the string's
    /// format: a string without a column is [`Expected::String`].
    ConvertedString(StringAs),
    /// An object; the index of its [`ObjectPlan`] in the plan.
    Object(usize),
    /// An array; the plan of its items, which has the column's tag.
    Array(Box<ValuePlan>),
    /// A value that is checked by the inner plan, which writes nothing, and written as JSON text.
    JsonText(Box<ValuePlan>),
}

/// The column type that a number is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberAs {
    Int64,
    Float64,
    Numeric,
    BigNumeric,
}

/// What a string is converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StringAs {
    /// The bytes that the string encodes in base64.
    Bytes,
    Timestamp,
    Date,
    Datetime,
    Time,
    Number(NumberAs),
    /// A TIMESTAMP that the table is partitioned by; it must be within the partition's window.
    PartitionTimestamp,
    /// A DATE that the table is partitioned by; it must be within the partition's window.
    PartitionDate,
}

impl Expected {
    /// The expected JSON type, as a rejection names it.
    pub(super) fn json_type(&self) -> &'static str {
        match self {
            Self::Any | Self::AnyAsText => "any value",
            Self::Boolean => "boolean",
            Self::Number { whole: true, .. } => "integer",
            Self::Number { whole: false, .. } => "number",
            Self::String | Self::ConvertedString(_) => "string",
            Self::Object(_) => "object",
            Self::Array(_) => "array",
            Self::JsonText(inner) => inner.expected.json_type(),
        }
    }
}
