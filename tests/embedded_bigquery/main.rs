//! The embedded BigQuery, asked over the network like the real one: by the Storage Write API's own
//! messages and by REST. Google's Python clients ask it too (tests/python).
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
