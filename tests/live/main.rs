//! Tests against a real Kafka broker, two BigQuery emulators, servers of buckets and Google's Python clients:
//! `cargo test --test live`. A test fails if it cannot start the service it needs.

#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod bigquery_limits;
mod chaos;
mod clients;
mod dead_letters;
mod kafka_facts;
mod lifecycle;
mod locations;
mod memory;
mod offsets;
mod other_bigquery;
mod outage;
mod produce;
mod rebalance;
mod replaced_topic;
mod tokens;
mod transactions;
