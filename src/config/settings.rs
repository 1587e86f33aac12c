//! The validated settings, which the rest of the program uses.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::allow::AllowList;
use super::location::Location;
use super::otlp::OtlpSettings;
use super::secret::Secret;
use super::share::Share;
use super::sink_settings::{
    BigQuerySettings, InfluxSettings, KafkaSettings, PostgresSettings, RowLayout, RowSettings,
    SinkSettings, TableRules,
};
use crate::topic_id::TopicId;

/// The settings of one instance.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The domain's name in upper case: `DELIVERY`.
    pub domain: String,
    pub contract: ContractSettings,
    /// How often a running instance looks whether the contract has changed. `None`: never.
    pub contract_refresh: Option<Duration>,
    /// What happens to an event before it becomes a row. `None`: it is the row.
    pub steps: Option<StepSettings>,
    pub consume: ConsumeSettings,
    pub write: WriteSettings,
    pub dead_letter: DeadLetterTarget,
    pub limits: Limits,
    pub api: ApiSettings,
    pub results: ResultsSettings,
    pub metrics_addr: SocketAddr,
    /// What is sent to an OpenTelemetry collector. `None`: nothing.
    pub otlp: Option<OtlpSettings>,
    /// Whether `check` is content where a run would alter something or make dead letters.
    pub accept_changes: bool,
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
    /// The topic to read; `None`: the channel's address.
    pub topic: Option<String>,
    pub ignore_events: Vec<String>,
    pub filter: Option<FilterSettings>,
}

/// Which of the events that are not ignored become rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterSettings {
    /// A CEL expression over the record. Its events become rows where it is true.
    pub expression: String,
    pub on_error: FilterOnError,
}

/// What becomes of an event for which the filter cannot be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterOnError {
    DeadLetter,
    Ignore,
}

/// What happens to an event before it becomes a row: rules are applied to the object that it names,
/// and the row is their report.
#[derive(Debug, Clone)]
pub struct StepSettings {
    /// The set of rules: the path of a folder in `rules_dir`, with dots for slashes. It may begin with
    /// `rules` or the folder's own name: `rules.ccx_v1`.
    pub rules: String,
    pub rules_dir: PathBuf,
    pub report: ReportSettings,
    /// `None`: rules see the event alone.
    pub fetch: Option<FetchSettings>,
    /// `None`: the payload tracker is not told.
    pub tracker: Option<TrackerSettings>,
}

/// What the payload tracker is told of each event. Pointers are the keys that lead to a value in the
/// payload.
#[derive(Debug, Clone)]
pub struct TrackerSettings {
    /// On the brokers from which events come.
    pub topic: String,
    /// What tells.
    pub service: String,
    pub request: Vec<String>,
    pub org: Option<Vec<String>>,
    pub account: Option<Vec<String>>,
}

/// The contract of the reports, in the folder of the contracts.
#[derive(Debug, Clone)]
pub struct ReportSettings {
    pub import_path: String,
    pub import_object: String,
}

/// Which object is fetched for an event, and within what limits.
#[derive(Debug, Clone)]
pub struct FetchSettings {
    /// The keys that lead to the URL in the payload.
    pub url: Vec<String>,
    pub allow: AllowList,
    /// The keys that lead to the size and the SHA-256 that the object has to have.
    pub size: Option<Vec<String>>,
    pub sha256: Option<Vec<String>>,
    /// The most bytes of an object.
    pub bytes: u64,
    /// The most bytes of it when it is unpacked.
    pub unpacked_bytes: u64,
    /// The most bytes of one file in it that rules read.
    pub entry_bytes: usize,
    /// The most files in it.
    pub entries: usize,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long the store may send nothing.
    pub idle: Duration,
    /// The most objects that are fetched at the same time.
    pub concurrency: usize,
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
    pub layout: RowLayout,
    /// Whether tables are created and their columns added.
    pub manage_table: bool,
    pub sink: SinkSettings,
}

impl WriteSettings {
    /// What the columns of the rows depend on.
    pub fn rows(&self) -> RowSettings {
        let table = match &self.sink {
            SinkSettings::BigQuery(BigQuerySettings { partition_by, .. }) => {
                TableRules::BigQuery { partition_by: partition_by.clone() }
            }
            SinkSettings::Postgres(PostgresSettings { time_column, .. }) => {
                TableRules::Postgres { time_column: time_column.clone() }
            }
            SinkSettings::Influx(InfluxSettings { point, .. }) => TableRules::Influx(point.clone()),
            SinkSettings::Kafka(KafkaSettings { key, .. }) => {
                TableRules::Kafka { key: key.clone() }
            }
        };
        RowSettings { layout: self.layout, table }
    }
}

/// Where rejected events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterTarget {
    /// The table or topic `…_dead_letters` next to the rows.
    Table,
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
    /// How old a record may be when its row becomes visible. `None`: nobody has said.
    pub freshness: Option<Duration>,
    /// How long a shutdown or a revoked partition may take to write what was read.
    pub drain: Duration,
    /// The largest share of the records of a batch that may become dead letters. `None`: all of them.
    pub most_dead: Option<Share>,
}

/// How the event API takes events.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    pub address: SocketAddr,
    /// The file with the bearer tokens. `None`: whoever reaches the address may publish.
    pub tokens_file: Option<PathBuf>,
    /// The largest body of a request.
    pub body_bytes: usize,
    /// How long a body may take to arrive, and then the broker to acknowledge its events.
    pub timeout: Duration,
    /// The field of the payload that becomes the record's key: the keys that lead to it.
    pub event_key: Option<Vec<String>>,
}

/// How the latest reports are kept and served.
#[derive(Debug, Clone)]
pub struct ResultsSettings {
    pub address: SocketAddr,
    /// The SQLite file with the reports. `None`: one in `.local`, named after the domain.
    pub store: Option<PathBuf>,
    /// The file with the bearer tokens that may read all organizations.
    pub tokens_file: Option<PathBuf>,
    /// Whether a gateway in front says in `x-rh-identity` who asks.
    pub identity: bool,
}
