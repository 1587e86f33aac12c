//! Tests that need only the program and its sources.

mod allocations;
#[cfg(feature = "local")]
mod check;
#[cfg(feature = "local")]
mod claim_check;
mod command_line;
mod contracts;
mod dashboard;
#[cfg(feature = "local")]
mod dlq;
#[cfg(feature = "local")]
mod event_api;
mod first_run;
mod generated;
mod import;
#[cfg(feature = "local")]
mod otlp;
mod programs;
#[cfg(feature = "local")]
mod reload;
mod results;
mod rules;
#[path = "../support/signal.rs"]
mod signal;
#[cfg(all(feature = "local", target_os = "linux"))]
mod sql_proxy;
mod structure;
#[cfg(target_os = "linux")]
mod terminal;
#[cfg(feature = "local")]
mod transfer;
#[cfg(feature = "local")]
mod transfer_pages;
#[cfg(feature = "local")]
mod transfer_parquet;
mod tutorial;
#[cfg(feature = "local")]
mod verify;
