//! Tests that need nothing but the binary.

mod command_line;
mod contracts;
