//! A contract in memory.

use serde_json::Value;

use super::bounds::Bounds;

/// What one topic carries.
#[derive(Debug, Clone)]
pub struct Contract {
    /// Import path, channel and version, as `_contract` has it in every row:
    /// `contracts.delivery.delivery_events_v10#DeliveryEventsV10Topic@10.0.0`.
    pub id: String,
    /// The channel's `address`.
    pub topic: String,
    pub discriminator: Discriminator,
    pub events: Vec<EventSchema>,
}

/// Where a record names its event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discriminator {
    /// In the payload: the keys that lead to it from the root.
    Payload(Vec<String>),
    /// In the header of this name.
    Header(String),
}

/// One event type.
#[derive(Debug, Clone)]
pub struct EventSchema {
    pub name: String,
    /// The part of the JSON Schema that the transcoder checks by itself.
    pub schema: Schema,
    /// The whole JSON Schema of the payload (2020-12), self-contained: what it refers to stands
    /// under `$defs`.
    pub json_schema: Value,
    pub validation: Validation,
}

/// For which values a JSON Schema validator must run, because [`Schema`] does not say everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    Never,
    /// For values that are not clearly within their [`Bounds`].
    OutsideBounds,
    Always,
}

/// What the transcoder checks at one place of a payload. A schema that contains itself is cut off
/// with [`SchemaKind::Any`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// `null` is allowed.
    pub nullable: bool,
    pub kind: SchemaKind,
    pub bounds: Option<Bounds>,
}

/// The JSON type of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaKind {
    /// Any type, or one of several.
    Any,
    Boolean,
    /// A number without a fraction; `1.0` has none.
    Integer,
    Number,
    String,
    /// The declared properties. Undeclared ones are allowed and go to `_extra`.
    Object(Vec<Property>),
    Array(Box<Schema>),
}

/// A declared property of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    pub name: String,
    pub required: bool,
    pub schema: Schema,
}
