//! The contract of a topic: its event types, and what an event of each looks like.

mod schema;

pub use schema::{Contract, Discriminator, EventSchema, Property, Schema, SchemaKind};
