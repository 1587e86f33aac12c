//! Peers that live in this program: for the first run and for the tests, off in the image.

pub mod bigquery;
pub mod broker;
