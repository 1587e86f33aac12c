//! Tests of the embedded BigQuery over the network, through the Storage Write API and REST.
//! tests/python tests it with Google's Python clients.
#![cfg(feature = "local")]

mod connections;
mod copies;
mod durability;
mod expiration;
mod faults;
mod job_client;
mod jobs;
mod load_objects;
mod loads;
mod offsets;
mod partitions;
mod peer;
mod rest;
mod rows;
mod schemas;
mod visibility;
