//! What is sent to an OpenTelemetry collector, as OpenTelemetry's own variables say (`OTEL_*`). They are
//! read from the environment of the process alone, as every program does that knows them.

mod read;
mod variable;

use std::path::PathBuf;
use std::time::Duration;

use super::secret::Secret;

pub use read::read;

/// What is sent, and where to. `None` of a signal: it is not sent.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpSettings {
    /// The attributes that `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` name.
    pub resource: Vec<(String, String)>,
    pub traces: Option<TraceSettings>,
    pub metrics: Option<MetricSettings>,
    pub logs: Option<LogSettings>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    pub target: OtlpTarget,
    pub sampler: Sampler,
    pub queue: QueueSettings,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MetricSettings {
    pub target: OtlpTarget,
    pub interval: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    pub target: OtlpTarget,
    pub queue: QueueSettings,
}

/// The collector, as one signal reaches it.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpTarget {
    pub protocol: Protocol,
    /// The URL: with the signal's path where the protocol is HTTP.
    pub endpoint: String,
    /// Sent with each request. Values may be credentials.
    pub headers: Vec<(String, Secret)>,
    /// How long one request may take.
    pub timeout: Duration,
    pub gzip: bool,
    /// The certificates to trust; `None`: those of the system.
    pub certificate: Option<PathBuf>,
    /// What this process shows: its certificate and the key of it.
    pub identity: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    HttpProtobuf,
}

/// Which traces are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// The share of traces that begin here: 0 to 1.
    pub ratio: f64,
    /// Whether a trace that began elsewhere is sent as its beginning says.
    pub parent_based: bool,
}

/// What waits to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSettings {
    /// The most spans or log records that wait. What comes on top is dropped.
    pub size: usize,
    /// The most of one request.
    pub batch: usize,
    /// The time between two requests.
    pub delay: Duration,
}
