//! Where rows go: one variant for each sink, with the settings of that sink.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::secret::Secret;

/// The sink, with what it needs.
#[derive(Debug, Clone)]
pub enum SinkSettings {
    BigQuery(BigQuerySettings),
    Postgres(PostgresSettings),
    Influx(InfluxSettings),
    Kafka(KafkaSettings),
}

impl SinkSettings {
    /// The settings of BigQuery, if that is the sink.
    pub fn bigquery(&self) -> Option<&BigQuerySettings> {
        match self {
            Self::BigQuery(settings) => Some(settings),
            Self::Postgres(_) | Self::Influx(_) | Self::Kafka(_) => None,
        }
    }

    /// The sink's name, as `SINK` has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::BigQuery(_) => "bigquery",
            Self::Postgres(_) => "postgres",
            Self::Influx(_) => "influxdb",
            Self::Kafka(_) => "kafka",
        }
    }

    /// The table or topic, for people.
    pub fn target(&self) -> String {
        match self {
            Self::BigQuery(bigquery) => bigquery.table.to_string(),
            Self::Postgres(postgres) => postgres.table.to_string(),
            Self::Influx(influx) => influx.target(),
            Self::Kafka(kafka) => format!("topic {}", kafka.topic),
        }
    }
}

/// What the columns of a contract's rows depend on, next to the contract.
#[derive(Debug, Clone)]
pub struct RowSettings {
    pub layout: RowLayout,
    pub table: TableRules,
}

/// The sink whose table the rows have to fit, and the columns that the sink's keys name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableRules {
    /// With the column of the day partitions.
    BigQuery { partition_by: String },
    /// With the time column of a hypertable.
    Postgres { time_column: Option<String> },
    /// With what becomes tags, fields and time of a point.
    Influx(PointRules),
    /// With the field that becomes the key of a message: the keys that lead to it.
    Kafka { key: Option<Vec<String>> },
}

/// How an event becomes a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowLayout {
    /// A typed column for each field of the payload.
    Columns,
    /// The whole payload as JSON in one column.
    Envelope,
}

/// One table of BigQuery.
#[derive(Debug, Clone)]
pub struct BigQuerySettings {
    pub table: TableId,
    pub endpoint: Endpoint,
    /// The credentials file. `None`: the metadata server issues the tokens.
    pub credentials: Option<PathBuf>,
    pub partition_by: String,
    pub guarantee: Guarantee,
    /// US dollars for a GiB written. `None`: what is published for the table's location.
    pub price_per_gib: Option<f64>,
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

/// The delivery guarantee of BigQuery rows. Those of other sinks are what the sink makes durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    ExactlyOnce,
    AtLeastOnce,
}

/// One table of PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    pub server: PostgresServer,
    pub table: PostgresTable,
    /// The time column of a hypertable, where the server has TimescaleDB.
    pub time_column: Option<String>,
    /// After which age TimescaleDB compresses chunks.
    pub compress_after: Option<Duration>,
    /// After which age TimescaleDB drops chunks.
    pub retention: Option<Duration>,
}

/// How to reach a PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresServer {
    /// A connection URI of libpq, without `sslmode` and `sslrootcert`.
    pub url: Secret,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub tls: PostgresTls,
    /// The most connections of an instance.
    pub connections: usize,
}

/// Whether and how the connection is encrypted: `sslmode` of libpq.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresTls {
    pub mode: SslMode,
    /// A file of certificates in PEM form to trust instead of the system's.
    pub root_certificate: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    Disable,
    /// Encrypted if the server can, whoever it is.
    Prefer,
    /// Encrypted. Without a root certificate, whoever the server is; with one, as `VerifyCa`.
    Require,
    /// The server's certificate is signed by the root.
    VerifyCa,
    /// And it is for the host of the URL.
    VerifyFull,
}

/// The full name of a PostgreSQL table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PostgresTable {
    pub schema: String,
    pub table: String,
}

impl PostgresTable {
    /// Another table in the same schema.
    pub fn beside(&self, table: impl Into<String>) -> Self {
        Self { schema: self.schema.clone(), table: table.into() }
    }

    /// The table for the dead letters of this one.
    pub fn dead_letters(&self) -> Self {
        self.beside(format!("{}_dead_letters", self.table))
    }
}

impl std::fmt::Display for PostgresTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// One measurement of InfluxDB.
#[derive(Debug, Clone)]
pub struct InfluxSettings {
    pub server: InfluxServer,
    pub measurement: String,
    pub point: PointRules,
}

impl InfluxSettings {
    /// The measurement with its bucket or database, for people: `events/low`.
    pub fn target(&self) -> String {
        format!("{}/{}", self.server.place(), self.measurement)
    }

    /// The measurement for the dead letters of this one.
    pub fn dead_letters(&self) -> String {
        format!("{}_dead_letters", self.measurement)
    }
}

/// Which columns of a row become what of a point. Columns within records have the names of all
/// records around them: `address.city`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointRules {
    /// Columns whose values are tags, next to topic and partition.
    pub tags: Vec<String>,
    /// Columns that become fields, next to the offset; `None`: all that are no tags.
    pub fields: Option<Vec<String>>,
    /// The payload's field that is the time: the keys that lead to it. `None`: the record's timestamp.
    pub time: Option<Vec<String>>,
}

/// How to reach an InfluxDB, and what to write to or read from there.
#[derive(Debug, Clone)]
pub struct InfluxServer {
    /// `https://host:port`, without a slash at the end. `http://` where it is this machine, or where
    /// the settings say that points and token may be sent in clear.
    pub url: String,
    pub api: InfluxApi,
    /// Whether requests are compressed.
    pub gzip: bool,
}

/// The API, with what names the place of the points.
#[derive(Debug, Clone)]
pub enum InfluxApi {
    /// `/api/v2/write`: InfluxDB 2 and later, and 1.8, where a bucket is `database/retention-policy`.
    V2 { org: Option<String>, bucket: String, token: Option<Secret> },
    /// `/write`: InfluxDB 1.
    V1 { database: String, retention_policy: Option<String>, login: Option<InfluxLogin> },
}

/// A user of InfluxDB 1.
#[derive(Debug, Clone)]
pub struct InfluxLogin {
    pub user: String,
    pub password: Secret,
}

impl InfluxServer {
    /// The bucket, or database and retention policy, for people.
    pub fn place(&self) -> String {
        match &self.api {
            InfluxApi::V2 { bucket, .. } => bucket.clone(),
            InfluxApi::V1 { database, retention_policy: None, .. } => database.clone(),
            InfluxApi::V1 { database, retention_policy: Some(policy), .. } => {
                format!("{database}/{policy}")
            }
        }
    }
}

/// One topic that rows are written to.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    pub server: KafkaServer,
    pub topic: String,
    /// The field of the row that becomes the key: the keys that lead to it. `None`: the key of the
    /// record.
    pub key: Option<Vec<String>>,
}

impl KafkaSettings {
    /// The topic for the dead letters of this one.
    pub fn dead_letters(&self) -> String {
        format!("{}_dead_letters", self.topic)
    }
}

/// How to reach the Kafka cluster that rows are written to.
#[derive(Debug, Clone)]
pub struct KafkaServer {
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// librdkafka properties by their dotted names. Any value may be secret.
    pub properties: BTreeMap<String, Secret>,
}
