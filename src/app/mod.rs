//! Puts settings, contract, table, plan, source and sink together, once for every command.
//!
//! ```text
//! settings ─► Domain: contract, columns ─┬─► plan              config, produce, tests, benchmarks
//!          ─► Peers: broker, BigQuery  ──┴─► flow ─► run       run
//! ```

mod assembly;
mod broker;
mod check;
mod contract;
mod database;
mod domain;
mod embedded;
mod error;
mod event_api;
mod fields;
mod fill;
mod flow;
mod generator;
mod judge;
mod letters;
mod origin;
mod peers;
mod redrive;
mod redrive_through;
mod reload;
mod replay;
mod results;
mod samples;
mod sink;
mod thread;
mod transfer;
mod verify;

pub use assembly::Assembly;
pub use broker::ApiBroker;
pub use check::{CheckRequest, check};
pub use contract::{check_settings, domain, domain_and_origin, transfer_domain};
pub use domain::{ColumnsError, Domain, DomainError, KeyProblem, Reports, RowOptions};
pub use error::AppError;
pub use event_api::{EventApiAssembly, event_api, first_event};
pub use flow::flow;
pub use generator::Generator;
pub use judge::{Judge, Verdict};
pub use letters::{HowLetters, OpenedLetters, is_through_sink, letters_group, open_letters};
pub use origin::{Origin, Unread};
pub use peers::{LOCAL_STORE, Peers};
pub use redrive::{OpenedRedrive, RedriveOf, open_redrive, pass_letters, try_letters};
pub use redrive_through::{OpenedThrough, open_through, redrive_through};
pub use reload::{ContractReport, ContractWatch};
pub use replay::{Edge, Left, OpenedReplay, ReplayOf, Why, open_replay};
pub use results::{ResultsAssembly, follow, follower, store as results_store};
pub use thread::run;
pub use transfer::{OpenedTransfer, open_transfer, transfer_status};
pub use verify::{OpenedTable, committed_rows, open_table, reread_spans};
