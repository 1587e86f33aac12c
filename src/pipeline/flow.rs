//! What a run is made of: everything sessions share.

use std::sync::Arc;

use rdkafka::config::ClientConfig;

use crate::clock::Clock;
use crate::config::{Guarantee, Limits, StartFrom, TableId};
use crate::row::TableSchema;
use crate::shutdown::Shutdown;
use crate::sink::Reread;
use crate::sink::bigquery::BigQuery;
use crate::sink::dead_letter::DeadLetters;
use crate::telemetry::{Health, Metrics};
use crate::transcode::Plan;

/// When a run ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Stopped,
    /// The positions seen as the end at the start are settled and visible.
    CaughtUp,
}

/// The parts of a run, ready to flow.
pub struct Flow {
    pub topic: String,
    pub group: String,
    pub start_from: StartFrom,
    pub consumer: ClientConfig,
    /// Configuration of the transactional producer without its `transactional.id`.
    pub transactions: ClientConfig,
    pub guarantee: Guarantee,
    pub limits: Limits,
    pub until: Until,
    pub plan: Plan,
    pub sink: BigQuery,
    pub table: TableId,
    pub schema: Arc<TableSchema>,
    pub letters: DeadLetters,
    pub reread: Arc<dyn Reread>,
    pub metrics: Metrics,
    pub health: Health,
    pub clock: Clock,
    pub shutdown: Shutdown,
}
