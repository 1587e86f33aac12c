//! Tests that need only the program and its sources.

mod allocations;
mod command_line;
mod contracts;
mod first_run;
mod structure;
#[cfg(target_os = "linux")]
mod terminal;
mod tutorial;
