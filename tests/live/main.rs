//! Tests against a real Kafka broker, two BigQuery emulators, PostgreSQL, InfluxDB, servers of buckets and Google's Python clients:
//! `cargo test --test live`. A test fails if it cannot start the service it needs.

#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod bigquery_limits;
mod chaos;
mod check;
mod clients;
mod dashboard;
mod dashboard_influxdb;
mod dead_letters;
mod dead_share;
mod dlq;
mod drill;
mod event_api;
mod influx;
mod influx_chaos;
mod influx_errors;
mod kafka_facts;
mod kafka_sink;
mod kafka_sink_chaos;
mod lifecycle;
mod locations;
mod memory;
mod offsets;
mod opentelemetry;
mod other_bigquery;
mod other_statements;
mod outage;
mod postgres;
mod postgres_chaos;
mod postgres_errors;
mod postgres_harness;
mod produce;
mod rebalance;
mod redrive;
mod redrive_through;
mod reload;
mod replaced_topic;
mod replay;
mod soak;
mod sql_proxy;
mod tokens;
mod transactions;
mod transfer;
mod transfer_postgres;
mod transfer_postgres_faults;
mod two_bigqueries;
mod verify;
