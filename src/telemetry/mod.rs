//! What the process says of itself: logs, metrics, health. Metric names stand in one file.

pub mod health;
pub mod http;
pub mod logs;
pub mod metrics;

pub use health::Health;
pub use metrics::Metrics;
