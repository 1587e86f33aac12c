//! Tests on real peers: `cargo test --test live`. A peer that cannot be had fails its tests.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod kafka_facts;
