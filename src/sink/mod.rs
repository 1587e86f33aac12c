//! Where rows go: the protocol that every sink speaks, and the sinks.
//!
//! The pipeline opens one *lane* for each partition, or one for all of them, depending on what the
//! sink makes durable ([`Durability`]). Each lane has a writer task of the sink, which
//! takes [`Command`]s through its [`Writer`] handle and answers with [`Report`]s. A writer retries outages itself; it never decides what
//! is committed. Dead letters are the sink's business too: a batch counts as settled only when its
//! dead letters are durable.

mod batch;
pub mod bigquery;
pub mod dead_letter;
mod dead_limit;
pub mod influxdb;
pub mod kafka;
mod look;
mod messages;
pub mod postgres;
mod promise;
mod protocol;
mod reports;
mod reread;

pub use batch::{Batch, BatchId, Span};
pub use dead_limit::DeadLimit;
pub use look::TableLook;
pub use messages::{Command, Lane, Report, Start, StoredOffset};
pub use promise::{Promise, SinkName};
pub use protocol::{Durability, Sink};
pub use reports::{Reports, Writer};
pub use reread::Reread;
