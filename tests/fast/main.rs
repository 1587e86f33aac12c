//! Tests that need nothing but the binary.

mod allocations;
mod command_line;
mod contracts;
