//! The compiled form of a contract over a table: what the walk is led by.

use super::names::{Key, Names};
use super::seen::Required;
use super::wire::Tag;
use crate::contract::Bounds;

/// An object that the contract declares; a line of a processor's cache, as a field is.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Object {
    /// Apart, because a walk that guesses every key does not need them.
    pub(super) names: Box<Names>,
    /// In the order of `names`.
    pub(super) fields: Box<[Field]>,
    pub(super) required: Required,
    pub(super) rest: Rest,
    /// Where its fields' usual order stands among all objects' (`Scratch::order`).
    pub(super) order: usize,
}

const _: () = assert!(size_of::<Object>() == 64);

/// What becomes of a member that the contract does not declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// It goes whole into `_extra`.
    Extra,
    /// It is passed over: it stands in a JSON column's text anyway, or no column would hold it.
    Pass,
}

/// A line of a processor's cache: of hundreds of event types none stays in the nearest.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Field {
    pub(super) key: Key,
    pub(super) node: Node,
}

const _: () = assert!(size_of::<Field>() == 64);

/// What is expected in one place, and what is written for it.
#[derive(Debug)]
pub(super) struct Node {
    /// `null` counts as absent here.
    pub(super) nullable: bool,
    /// The column's key in the row; `None`: the value is checked and not written.
    pub(super) tag: Option<Tag>,
    pub(super) kind: Kind,
    /// Further rules that most values are quickly seen to keep.
    pub(super) bounds: Option<Box<Bounds>>,
}

/// What is expected, by its JSON type.
#[derive(Debug)]
pub(super) enum Kind {
    /// Any JSON; written as its text.
    Any,
    Boolean,
    /// `whole`: only an integer is one, though not all columns of whole numbers are INT64.
    Number {
        to: NumberAs,
        whole: bool,
    },
    String,
    /// A string that its column turns into something else. Without a column it is a `String`:
    /// formats are asserted only where they are converted by.
    Converted(Converted),
    /// Index into the plan's objects.
    Object(usize),
    /// With a tag on its items.
    Array(Box<Node>),
    /// Checked by the inner node, which writes nothing; written as JSON text.
    Text(Box<Node>),
}

/// What a number becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberAs {
    Int64,
    Float64,
    Numeric,
    BigNumeric,
}

/// What a string becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Converted {
    Base64,
    Timestamp,
    Date,
    Datetime,
    Time,
    Number(NumberAs),
    /// The column of the table's day partition, which takes only days near today.
    PartitionTimestamp,
    PartitionDate,
}

impl Kind {
    /// What people call it in a rejection.
    pub(super) fn expected(&self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Boolean => "boolean",
            Self::Number { whole: true, .. } => "integer",
            Self::Number { whole: false, .. } => "number",
            Self::String | Self::Converted(_) => "string",
            Self::Object(_) => "object",
            Self::Array(_) => "array",
            Self::Text(inner) => inner.kind.expected(),
        }
    }
}
