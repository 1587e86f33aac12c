//! What the process reports about itself: logs, metrics, traces, health.

pub mod exposition;
pub mod health;
mod hold_back;
pub mod logs;
pub mod metrics;
pub mod otlp;
mod repeats;
pub mod status_line;
mod transfer_metrics;

pub use health::{Health, Waits};
pub use metrics::{ApiMetrics, Metrics, ResultsMetrics, StepMetrics};
pub use transfer_metrics::{PhaseLabel, TransferLabel, TransferMetrics};
