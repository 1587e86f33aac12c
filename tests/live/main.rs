//! Tests on real peers: `cargo test --test live`. A peer that cannot be had fails its tests.

#[path = "../support/mod.rs"]
mod support;

mod bigquery_limits;
mod chaos;
mod clients;
mod dead_letters;
mod kafka_facts;
mod lifecycle;
mod memory;
mod other_bigquery;
mod outage;
mod produce;
mod rebalance;
mod transactions;
