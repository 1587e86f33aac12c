//! Tests of the embedded BigQuery over the network, through the Storage Write API and REST.
//! tests/python tests it with Google's Python clients.
#![cfg(feature = "local")]

mod connections;
mod durability;
mod faults;
mod offsets;
mod peer;
mod rest;
mod rows;
mod schemas;
mod visibility;
