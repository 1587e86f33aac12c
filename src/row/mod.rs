//! The row: its columns (shared by the table, the descriptor and the encoder) and the buffer that
//! carries encoded rows from the encoder to the append request.

mod buffer;
mod schema;
#[cfg(test)]
mod tests;

pub use buffer::RowBuffer;
pub use schema::{Column, ColumnType, Mode, TableSchema};
