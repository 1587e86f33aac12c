//! Tests of the transcoder against a second implementation that is slow and easy to check: the
//! `oracle`. The fuzzer is built with these modules too.
//!
//! - `support` builds a contract, its table, the plan and the oracle; every record that a test
//!   transcodes with it is also judged by the oracle.
//! - `agreement` generates contracts and records, `examples` names single inputs and their
//!   outcomes, `fuzz` is what the fuzzer calls.
//! - `schemas` generates any schemas and holds the outcome against the `jsonschema` crate; `cases` has
//!   single contracts with their events in `cases.yaml`.
//! - `content` holds what becomes of fields whose text is JSON.
//! - `filter` holds what `FILTER` leaves out and refuses.
//! - `grammar` and `values` test the scanner, numbers, dates and names on their own.
#![cfg_attr(fuzzing, allow(unused, missing_docs, clippy::all))]

mod agreement;
mod cases;
mod content;
mod descriptor;
mod examples;
mod fields;
mod filter;
pub mod fuzz;
mod grammar;
mod named;
mod oracle;
mod plain;
mod scalar;
mod schemas;
mod support;
mod undeclared;
mod values;

use serde_json::value::RawValue;

/// An object's members in order, including duplicate keys; their values as text.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> serde::de::Visitor<'de> for Visitor<'a> {
            type Value = Members<'a>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    members.push((key, map.next_value::<&'de RawValue>()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor(std::marker::PhantomData))
    }
}
