//! Contracts: an AsyncAPI 3 document becomes the topic, its event types with their schemas, and
//! the columns of a table.
//!
//! [`load`] reads the document and every file it refers to, and bundles the schema of each payload
//! into one self-contained JSON Schema. Everything else is derived from that bundle: what the
//! transcoder checks, the columns, the sample events.
//!
//! ```text
//! files ─► asyncapi ─► bundle ─► tree ─► schema (what the transcoder checks)
//!                                   └──► columns (what the table has)
//! ```

mod asyncapi;
mod bounds;
mod bundle;
mod columns;
mod files;
mod node;
mod problem;
pub mod sample;
mod schema;
mod tree;
mod type_place;

pub use asyncapi::load;
pub use bounds::{Bounds, Range};
pub use columns::TableSchemaError;
pub use problem::{ContractError, Problem};
pub use schema::{Contract, Discriminator, EventSchema, Property, Schema, SchemaKind, Validation};

#[cfg(test)]
mod tests;
