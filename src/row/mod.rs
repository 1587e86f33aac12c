//! The row: the columns of a table, the buffer of encoded rows, and reading a row's fields back.
//!
//! A row is a protobuf message whose fields are the table's columns. The transcoder writes it, and
//! a sink either sends it as it is or reads its fields with [`Fields`].

mod buffer;
mod cell;
mod fields;
pub mod json;
mod schema;
#[cfg(test)]
pub(crate) mod tests;
mod wire;

pub use buffer::RowBuffer;
pub use cell::{Cell, NamedRows};
pub use fields::{FieldError, FieldValue, Fields, Items, ItemsIter};
pub use schema::{Column, ColumnRules, ColumnType, Mode, TableSchema, fitting_name};
pub use wire::WireError;
