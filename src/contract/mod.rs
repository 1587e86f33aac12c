//! Event contracts: an AsyncAPI 3 document becomes the topic, its event types and their schemas,
//! and from them the columns of a table.
//!
//! [`load`] reads the document and all it refers to and bundles each payload into one
//! self-contained JSON Schema; everything else (what the transcoder checks, the columns, sample
//! events) is derived from that bundle.

mod bounds;
mod bundle;
mod columns;
mod document;
mod name;
mod node;
pub mod sample;

pub use bounds::{Bounds, Range};

use std::fmt;
use std::path::Path;

use serde_json::Value;

/// What one topic carries.
#[derive(Debug, Clone)]
pub struct Contract {
    /// `contracts.delivery.delivery_events_v10#DeliveryEventsV10Topic@10.0.0`: the value of
    /// `_contract` in every row.
    pub id: String,
    /// The channel's `address`.
    pub topic: String,
    pub discriminator: Discriminator,
    pub events: Vec<EventSchema>,
}

/// Where the event type stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discriminator {
    /// Keys from the payload's root, a JSON pointer taken apart.
    Payload(Vec<String>),
    /// Name of a header.
    Header(String),
}

/// One event type.
#[derive(Debug, Clone)]
pub struct EventSchema {
    pub name: String,
    /// What the transcoder checks by itself.
    pub schema: Schema,
    /// The payload's whole JSON Schema, self-contained (2020-12, references under `$defs`).
    pub json_schema: Value,
    pub validation: Validation,
}

/// When the whole JSON Schema has to be asked, beyond types, required fields and nulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    Never,
    /// Where a value does not keep its [`Bounds`] for certain.
    InDoubt,
    Always,
}

/// A place in a payload. Recursion is cut to [`SchemaKind::Any`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// `null` is allowed.
    pub nullable: bool,
    pub kind: SchemaKind,
    pub bounds: Option<Bounds>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaKind {
    Any,
    Boolean,
    /// A number without a fraction; `1.0` is one.
    Integer,
    Number,
    String,
    /// Declared properties; others are allowed beside them and go to `_extra`.
    Object(Vec<Property>),
    Array(Box<Schema>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    pub name: String,
    pub required: bool,
    pub schema: Schema,
}

/// Everything that is wrong with a contract, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ContractError {
    pub mistakes: Vec<Mistake>,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// File and JSON pointer, or the import path.
    pub place: String,
    pub what: String,
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(f, "{gap}{}: {}", mistake.place, mistake.what)?;
        }
        Ok(())
    }
}

impl From<Mistake> for ContractError {
    fn from(mistake: Mistake) -> Self {
        Self { mistakes: vec![mistake] }
    }
}

impl Mistake {
    fn new(place: impl fmt::Display, what: impl Into<String>) -> Self {
        Self { place: place.to_string(), what: what.into() }
    }
}

/// Reads the channel `import_object` of the document `import_path` under `dir`.
///
/// The dots of `contracts.delivery.delivery_events_v10` are folders; a first segment `contracts`
/// stands for `dir` itself. The file ends in `.yaml`, `.yml` or `.json`.
pub fn load(dir: &Path, import_path: &str, import_object: &str) -> Result<Contract, ContractError> {
    document::load(dir, import_path, import_object)
}

#[cfg(test)]
mod tests;
