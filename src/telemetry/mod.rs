//! What the process reports about itself: logs, metrics, health.

pub mod health;
pub mod logs;
pub mod metrics;
pub mod status_line;

pub use health::Health;
pub use metrics::Metrics;
