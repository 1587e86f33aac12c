//! What the process says of itself: logs, metrics, health. Metric names stand in one file.

pub mod metrics;

pub use metrics::Metrics;
