//! What all lanes of an instance share.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use rdkafka::ClientConfig;

use super::message::Layout;
use super::progress::Progress;
use crate::sink::Reread;
use crate::sink::dead_letter::{About, DeadLetters};
use crate::telemetry::Metrics;

/// The cluster, its topics, and where dead letters go.
pub(super) struct Target {
    /// Of the producers, without their transactional ids.
    pub producer: ClientConfig,
    /// Of the clients that read offsets, without their groups.
    pub offsets: ClientConfig,
    pub progress: Progress,
    /// The topic of the rows.
    pub topic: String,
    pub layout: Layout,
    pub letters: Letters,
    pub reread: Arc<dyn Reread>,
    pub metrics: Metrics,
    /// Bytes of the largest batch of messages, less once the broker refused one.
    pub batch_bytes: AtomicUsize,
    /// The topic that is read begins anew with each run: what is stored of an earlier one means other
    /// records.
    pub source_is_new: bool,
}

/// Where dead letters go.
pub(super) enum Letters {
    /// A topic next to that of the rows, in the same transaction.
    Topic { topic: String, about: About },
    /// Somewhere else, before the transaction.
    Elsewhere(DeadLetters),
}
