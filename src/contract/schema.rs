//! A contract as the transcoder reads it: references resolved, `allOf`, `anyOf` and `oneOf` merged.

use serde_json::Value;

/// One channel of a contract document.
#[derive(Debug, Clone)]
pub struct Contract {
    /// What `_contract` says of a row: document, object and version.
    pub id: String,
    /// The channel's address.
    pub topic: String,
    pub discriminator: Discriminator,
    /// Names are distinct.
    pub events: Vec<EventSchema>,
}

/// Where an event says its type (`x-event-type`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discriminator {
    /// Keys from the outside in: `$message.payload#/meta/type` is `["meta", "type"]`.
    Payload(Vec<String>),
    /// `$message.header#/NAME`.
    Header(String),
}

/// One event type.
#[derive(Debug, Clone)]
pub struct EventSchema {
    pub name: String,
    pub schema: Schema,
    /// The payload's JSON Schema, complete in itself.
    pub json_schema: Value,
    /// The JSON Schema asks for more than types, required fields and what columns are converted by.
    pub needs_full_validation: bool,
}

/// What is declared about one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// `null` is one of its types.
    pub nullable: bool,
    pub kind: SchemaKind,
}

/// The JSON type. What becomes of the value is the column's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaKind {
    /// No one type: free, of several types, or a recursion cut off.
    Any,
    Boolean,
    /// Any number without a fraction, `1.0` too.
    Integer,
    Number,
    String,
    /// Empty where nothing is declared about its members. Names are distinct.
    Object(Vec<Property>),
    Array(Box<Schema>),
}

/// A declared member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    pub name: String,
    pub required: bool,
    pub schema: Schema,
}
