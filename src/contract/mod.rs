//! Contracts: an AsyncAPI 3 document becomes the topic, its event types with their schemas, and
//! the columns of a table.
//!
//! [`load`] reads the document and every file it refers to, and bundles the schema of each payload
//! into one self-contained JSON Schema. Everything else is derived from that bundle: what the
//! transcoder checks, the columns, the sample events.
//!
//! ```text
//! documents
//!   │
//! files ─► asyncapi ─► bundle ─► tree ─► schema (what the transcoder checks)
//!   │                    │         └────► columns (what the table has)
//! parse               dialect
//! ```
//!
//! Nothing in a schema is dropped: what the transcoder does not check itself, a JSON Schema
//! validator checks ([`Validation`]), and what neither understands is a [`Problem`].

mod asyncapi;
mod bounds;
mod bundle;
mod chosen;
mod circles;
mod columns;
mod cycles;
mod dialect;
mod documents;
pub mod encoded;
pub mod extensions;
mod files;
mod json_types;
mod keywords;
mod names;
mod node;
mod nullable;
mod parse;
mod places;
pub mod pointer;
mod problem;
pub mod sample;
mod schema;
mod tree;
mod type_place;

pub use asyncapi::{load, load_from};
pub use bounds::{Bounds, Range};
pub use columns::TableSchemaError;
pub use documents::{Digests, Documents, Library};
pub use encoded::{ContentEncoding, EncodedField};
pub use problem::{ContractError, Problem};
pub use schema::{Contract, Discriminator, EventSchema, Property, Schema, SchemaKind, Validation};

#[cfg(test)]
mod tests;
