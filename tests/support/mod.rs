//! The support of the live tests: starts real peers as processes on free loopback ports, and prints
//! their logs when a test fails.

pub mod bigquery;
pub mod collector;
pub mod cuts;
pub mod domain;
pub mod emulator;
pub mod events;
pub mod folder;
pub mod http;
pub mod influx;
pub mod kafka;
pub mod messages;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod prometheus;
pub mod proof;
pub mod records;
pub mod signal;
pub mod stored;
pub mod stores;
pub mod timescale;
pub mod tls;
pub mod until;
