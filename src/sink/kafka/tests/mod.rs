//! Rows as messages, read back by a JSON parser; errors and their verdicts; a writer on librdkafka's
//! mock cluster.

mod errors;
mod messages;
mod writer;
