//! The validated settings of a dashboard.

use std::net::SocketAddr;

use crate::config::otlp::OtlpSettings;
use crate::config::sink_settings::{InfluxServer, PostgresServer, PostgresTable};

/// The settings of a dashboard. A store's server is there if a series is read from it.
#[derive(Debug, Clone)]
pub struct DashboardSettings {
    pub address: SocketAddr,
    /// At least one.
    pub series: Vec<SeriesSettings>,
    pub instances: Vec<InstanceSettings>,
    pub postgres: Option<PostgresServer>,
    pub influxdb: Option<InfluxServer>,
    /// What is sent to an OpenTelemetry collector. `None`: nothing.
    pub otlp: Option<OtlpSettings>,
}

/// One line of the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesSettings {
    /// Unique in its file.
    pub name: String,
    /// What the page shows; the name by default.
    pub label: String,
    /// What follows the values on the page; may be empty.
    pub unit: String,
    pub aggregate: Aggregate,
    /// The column or the field that is aggregated.
    pub value: String,
    pub source: SeriesSource,
}

/// The store of a series, and where in it the values are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeriesSource {
    Postgres {
        table: PostgresTable,
        /// The column by whose time rows belong to buckets.
        time: String,
    },
    Influx {
        measurement: String,
    },
}

impl SeriesSource {
    /// The store's name, as `store` in the file.
    pub fn store(&self) -> &'static str {
        match self {
            Self::Postgres { .. } => "postgres",
            Self::Influx { .. } => "influxdb",
        }
    }
}

impl std::fmt::Display for SeriesSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Postgres { table, .. } => write!(f, "{} {table}", self.store()),
            Self::Influx { measurement } => write!(f, "{} {measurement}", self.store()),
        }
    }
}

/// What becomes of the values of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    Mean,
    Sum,
    Count,
    Min,
    Max,
}

impl Aggregate {
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("mean", Self::Mean),
        ("sum", Self::Sum),
        ("count", Self::Count),
        ("min", Self::Min),
        ("max", Self::Max),
    ];

    /// Its name in the file, which is also that of InfluxQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Sum => "sum",
            Self::Count => "count",
            Self::Min => "min",
            Self::Max => "max",
        }
    }
}

/// An instance of this program, or all behind one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceSettings {
    pub name: String,
    /// `http://host:port` of its `METRICS_ADDR`, without a slash at the end.
    pub url: String,
}
