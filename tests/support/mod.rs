//! What the live tests stand on: real peers as processes of their own, started on free loopback
//! ports, their logs shown when a test fails.

pub mod bigquery;
pub mod domain;
pub mod emulator;
pub mod events;
pub mod folder;
pub mod http;
pub mod kafka;
pub mod ports;
pub mod process;
pub mod proof;
pub mod records;
pub mod until;
