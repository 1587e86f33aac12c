//! The Storage Write API over gRPC.

mod append_quota;
mod append_schemas;
mod calls;
mod connection;
mod names;
mod server;
mod state;
mod stream_owners;
mod target;

pub use server::write_service;
