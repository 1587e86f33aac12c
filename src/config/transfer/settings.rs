//! The validated settings of a transfer.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::config::location::Location;
use crate::config::otlp::OtlpSettings;
use crate::config::settings::{
    ConsumeSettings, ContractSettings, DeadLetterTarget, Limits, WriteSettings,
};
use crate::config::sink_settings::PostgresServer;

/// A transfer: which rows of which days go into which table.
#[derive(Debug, Clone)]
pub struct TransferSettings {
    /// `orders`, of `[transfer.orders]`.
    pub name: String,
    /// The contract, the target and the environments, as a domain has them.
    pub domain: BatchSettings,
    pub source: SourceSettings,
    /// The column of the target whose value says to which day a row belongs. `None` where a run
    /// writes the whole table.
    pub date_column: Option<String>,
    /// The time zone in which days begin.
    pub time_zone: TimeZone,
    pub scope: Scope,
    /// The columns that tell rows apart. Empty: of a topic, the position does; of other sources, nothing.
    pub key: Vec<String>,
    pub duplicates: Duplicates,
    /// In mode delta: whether rows of the days that the source no longer has are deleted.
    pub delete_missing: bool,
    /// How long a run that was killed keeps the next one away.
    pub lease: Duration,
    /// Statements of one's own, run before the rows are staged and after the target is changed.
    pub before: Option<PathBuf>,
    pub after: Option<PathBuf>,
    /// What is sent to an OpenTelemetry collector. `None`: nothing.
    pub otlp: Option<OtlpSettings>,
}

/// What a transfer needs of a domain.
#[derive(Debug, Clone)]
pub struct BatchSettings {
    pub contract: ContractSettings,
    /// `None` where the source is no topic.
    pub consume: Option<ConsumeSettings>,
    pub write: WriteSettings,
    pub dead_letter: DeadLetterTarget,
    pub limits: Limits,
}

/// Where rows come from.
#[derive(Debug, Clone)]
pub enum SourceSettings {
    /// The domain's topic.
    Topic,
    Files(FilesSource),
    Query(QuerySource),
}

#[derive(Debug, Clone)]
pub struct FilesSource {
    /// With `{date}` where the day is: `20261121`. Local paths may have `*`.
    pub files: Vec<String>,
    pub format: FileFormat,
    /// `None`: as the ending of the name says.
    pub compression: Option<Compression>,
    /// Whether a day may have no file.
    pub optional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    Ndjson,
    Csv { delimiter: u8 },
    Parquet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

#[derive(Debug, Clone)]
pub struct QuerySource {
    pub server: PostgresServer,
    /// The file with the query, in which `{start}` and `{end}` stand for the times of the run.
    pub sql: Location,
    /// Where the SQL proxy listens: `host:port`, or a folder of sockets.
    pub proxy: Option<String>,
    /// `project:region:instance`, for a SQL proxy that the run starts.
    pub instance: Option<String>,
}

/// What a run writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The rows of its days.
    Day,
    /// A table without partitions, of which the source has all rows.
    Table,
}

/// What is done about rows with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// Nothing is written.
    Refuse,
    /// The last one in the order of the source counts.
    Last,
}
