//! The support of the live tests: starts real peers as processes on free loopback ports, and prints
//! their logs when a test fails.

pub mod bigquery;
pub mod domain;
pub mod emulator;
pub mod events;
pub mod folder;
pub mod http;
pub mod kafka;
pub mod ports;
pub mod process;
pub mod prometheus;
pub mod proof;
pub mod records;
pub mod stores;
pub mod tls;
pub mod until;
