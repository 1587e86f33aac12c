//! What the rest of the program is told: one type, validated, units in the types.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Secret;

/// Everything one instance needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `DELIVERY`, upper case.
    pub domain: String,
    pub contract: ContractSettings,
    pub consume: ConsumeSettings,
    pub write: WriteSettings,
    pub dead_letter: DeadLetterTarget,
    pub limits: Limits,
    pub metrics_addr: SocketAddr,
    /// Stay up and healthy, touch neither Kafka nor BigQuery.
    pub disabled: bool,
}

/// Which contract, and which of its event types to leave out.
#[derive(Debug, Clone)]
pub struct ContractSettings {
    pub dir: PathBuf,
    /// `contracts.delivery.delivery_events_v10`: dots are folders under the parent of `dir`.
    pub import_path: String,
    /// Channel in that document.
    pub import_object: String,
    pub ignore_events: Vec<String>,
}

/// Where events come from.
#[derive(Debug, Clone)]
pub struct ConsumeSettings {
    pub environment: String,
    pub broker: Broker,
    /// `produce` refuses such an environment unless told its name.
    pub protected: bool,
    /// librdkafka properties by their dotted names; all may be secret.
    pub properties: BTreeMap<String, Secret>,
    pub group_id: String,
    pub start_from: StartFrom,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broker {
    /// librdkafka's mock cluster in this process (`local`).
    Embedded,
    /// `bootstrap.servers`.
    Servers(String),
}

/// Where a group without a committed offset begins.
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
    /// BigQuery location of a dataset that has to be made by hand; only reported.
    pub location: Option<String>,
    pub endpoint: Endpoint,
    /// `GOOGLE_APPLICATION_CREDENTIALS`; without one the metadata server is asked.
    pub credentials: Option<PathBuf>,
    pub manage_table: bool,
    pub partition_by: String,
    pub layout: RowLayout,
    pub guarantee: Guarantee,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableId {
    pub project: String,
    pub dataset: String,
    pub table: String,
}

impl TableId {
    /// `projects/P/datasets/D/tables/T`, as the Storage Write API names it.
    pub fn path(&self) -> String {
        format!("projects/{}/datasets/{}/tables/{}", self.project, self.dataset, self.table)
    }

    /// The table beside this one that takes its dead letters.
    pub fn dead_letters(&self) -> TableId {
        TableId { table: format!("{}_dead_letters", self.table), ..self.clone() }
    }
}

impl std::fmt::Display for TableId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.project, self.dataset, self.table)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// `https://bigquery.googleapis.com`, `https://bigquerystorage.googleapis.com`.
    Google,
    /// The embedded BigQuery in this process (`local`), strict, its rows in a SQLite file.
    Embedded,
    /// URLs; `http://` is accepted for loopback addresses only.
    Custom { rest: String, storage: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowLayout {
    Columns,
    Envelope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    ExactlyOnce,
    AtLeastOnce,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterTarget {
    /// `<BQ_TABLE>_dead_letters` beside the table.
    BigQuery,
    /// A topic of the consume environment.
    Kafka(String),
}

/// Where batches end and reading pauses.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of rows and dead letters between the broker and their acknowledgement (64 MiB).
    pub in_flight_bytes: usize,
    /// Bytes of rows in one append (1 MiB; BigQuery takes 20 MB at most).
    pub batch_bytes: usize,
    pub batch_rows: usize,
    /// How long the first row of a batch waits for company.
    pub batch_age: Duration,
    /// Least time between two offset commits.
    pub commit_interval: Duration,
    /// How long a shutdown or a revoked partition may take to drain.
    pub drain: Duration,
}
