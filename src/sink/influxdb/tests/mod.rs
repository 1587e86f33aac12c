//! Points against an independent reader, and the writer against a server that fails on purpose.

mod failures;
mod fake;
mod letters;
mod points;
mod reader;
mod rig;
mod rows;
