//! Tests of the row buffer and of the field reader.

mod buffer;
pub mod damage;
mod fields;
