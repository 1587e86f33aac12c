//! Tests of the row buffer and of the field reader.

mod buffer;
mod fields;
