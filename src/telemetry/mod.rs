//! What the process reports about itself: logs, metrics, health.

pub mod contract;
pub mod health;
mod hold_back;
pub mod logs;
pub mod metrics;
mod repeats;
pub mod status_line;
mod transfer_metrics;
pub mod undeclared;

pub use contract::{ContractMetrics, ContractStatus};
pub use health::{Health, Waits};
pub use metrics::{ApiMetrics, Metrics, ResultsMetrics, StepMetrics};
pub use transfer_metrics::{PhaseLabel, TransferLabel, TransferMetrics};
