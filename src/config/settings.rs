//! The validated settings, which the rest of the program uses.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::location::Location;
use super::secret::Secret;
use crate::topic_id::TopicId;

/// The settings of one instance.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The domain's name in upper case: `DELIVERY`.
    pub domain: String,
    pub contract: ContractSettings,
    pub consume: ConsumeSettings,
    pub write: WriteSettings,
    pub dead_letter: DeadLetterTarget,
    pub limits: Limits,
    pub metrics_addr: SocketAddr,
    /// Whether the instance only stays up and healthy, without using Kafka or BigQuery.
    pub disabled: bool,
}

/// The contract, and which of its event types to ignore.
#[derive(Debug, Clone)]
pub struct ContractSettings {
    pub dir: Location,
    /// The document's path in `dir`, with dots for slashes and without its ending. It may begin with
    /// `contracts` or the folder's own name: `contracts.delivery.delivery_events_v10`.
    pub import_path: String,
    /// The channel in that document.
    pub import_object: String,
    pub ignore_events: Vec<String>,
}

/// Where events come from.
#[derive(Debug, Clone)]
pub struct ConsumeSettings {
    pub environment: String,
    pub broker: Broker,
    /// Whether `produce` refuses this environment unless `--to` names it.
    pub protected: bool,
    /// librdkafka properties by their dotted names. Any value may be secret.
    pub properties: BTreeMap<String, Secret>,
    pub group_id: String,
    pub start_from: StartFrom,
    /// The topic to read in place of the one that the group has read so far.
    pub accept_topic: Option<TopicId>,
}

/// How to reach Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broker {
    /// librdkafka's mock cluster inside this process (feature `local`).
    Embedded,
    /// `bootstrap.servers`.
    Servers(String),
}

/// Where a group without a committed offset begins to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFrom {
    Earliest,
    Latest,
}

/// Where rows go.
#[derive(Debug, Clone)]
pub struct WriteSettings {
    pub environment: String,
    pub table: TableId,
    pub endpoint: Endpoint,
    /// The credentials file. `None`: the metadata server issues the tokens.
    pub credentials: Option<PathBuf>,
    pub manage_table: bool,
    pub partition_by: String,
    pub layout: RowLayout,
    pub guarantee: Guarantee,
}

/// The full name of a BigQuery table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableId {
    pub project: String,
    pub dataset: String,
    pub table: String,
}

impl TableId {
    /// The table's name in the Storage Write API: `projects/P/datasets/D/tables/T`.
    pub fn path(&self) -> String {
        format!("projects/{}/datasets/{}/tables/{}", self.project, self.dataset, self.table)
    }

    /// The table in the same dataset for the dead letters of this one.
    pub fn dead_letters(&self) -> TableId {
        TableId { table: format!("{}_dead_letters", self.table), ..self.clone() }
    }
}

impl std::fmt::Display for TableId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.project, self.dataset, self.table)
    }
}

/// How to reach BigQuery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// `https://bigquery.googleapis.com`, `https://bigquerystorage.googleapis.com`.
    Google,
    /// The embedded BigQuery inside this process (feature `local`), with its rows in a SQLite file.
    Embedded,
    /// Two URLs. `http://` is accepted for loopback addresses only.
    Custom {
        rest: String,
        storage: String,
        /// Whether the access tokens may go there: not to a host that only a `.env` names, unless
        /// it is Google's.
        trusted: bool,
    },
}

/// How an event becomes a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowLayout {
    /// A typed column for each field of the payload.
    Columns,
    /// The whole payload as JSON in one column.
    Envelope,
}

/// The delivery guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    ExactlyOnce,
    AtLeastOnce,
}

/// Where rejected events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterTarget {
    /// The table [`TableId::dead_letters`].
    BigQuery,
    /// This topic of the consume environment.
    Kafka(String),
}

/// When batches end, when reading pauses, and how long a shutdown may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of rows and dead letters that may be read but not yet acknowledged.
    pub in_flight_bytes: usize,
    /// Bytes of rows in one append.
    pub batch_bytes: usize,
    pub batch_rows: usize,
    /// How long the first row of a batch waits for more rows.
    pub batch_age: Duration,
    /// The minimum time between two offset commits.
    pub commit_interval: Duration,
    /// How long a shutdown or a revoked partition may take to write what was read.
    pub drain: Duration,
}
