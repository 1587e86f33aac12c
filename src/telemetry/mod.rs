//! What the process reports about itself: logs, metrics, traces, health.

pub mod contract;
pub mod contract_metrics;
pub mod exposition;
pub mod health;
mod hold_back;
mod label_text;
pub mod logs;
pub mod metrics;
pub mod otlp;
mod repeats;
pub mod status_line;
mod transfer_metrics;
pub mod undeclared;

pub use contract::ContractStatus;
pub use contract_metrics::ContractMetrics;
pub use health::{Health, Waits};
pub use metrics::{ApiMetrics, Metrics, ResultsMetrics, StepMetrics};
pub use transfer_metrics::{PhaseLabel, TransferLabel, TransferMetrics};
