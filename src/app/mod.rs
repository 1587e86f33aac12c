//! Puts settings, contract, table, plan, source and sink together, once for every command.
//!
//! ```text
//! settings ─► Domain: contract, columns ─┬─► plan              config, produce, tests, benchmarks
//!          ─► Peers: broker, BigQuery  ──┴─► flow ─► run       run
//! ```

mod contract;
mod domain;
mod error;
mod flow;
mod judge;
mod peers;
#[cfg(feature = "local")]
mod samples;
mod thread;

pub use contract::{check_letters, domain};
pub use domain::{ColumnsError, Domain, DomainError, RowOptions};
pub use error::AppError;
pub use flow::{Assembly, flow};
pub use judge::{Judge, Verdict};
pub use peers::{LOCAL_STORE, Peers};
pub use thread::run;
