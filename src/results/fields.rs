//! The fields that a contract of reports has to declare.

use crate::contract::{Contract, Schema, SchemaKind};

/// A contract whose events are no reports.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{contract} declares no {fields}")]
pub struct MissingFields {
    contract: String,
    fields: String,
}

/// Where organization, cluster and rules are in a report, and what is said of them.
const FIELDS: &[(&[&str], &str)] = &[
    (&["organization"], "`/organization` (a string)"),
    (&["cluster"], "`/cluster` (a string)"),
    (&["findings", "*", "rule"], "`/findings/*/rule` (a string)"),
];

/// Fails if an event type that is not ignored lacks one of the fields that reports are kept by.
pub fn check(contract: &Contract, ignored: &[String]) -> Result<(), MissingFields> {
    let events: Vec<_> = contract.not_ignored(ignored).collect();
    let is_declared = |path: &[&str]| {
        !events.is_empty() && events.iter().all(|event| declares(&event.schema, path))
    };
    let missing: Vec<&str> =
        FIELDS.iter().filter(|(path, _)| !is_declared(path)).map(|(_, said)| *said).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(MissingFields { contract: contract.id.clone(), fields: missing.join(", no ") })
}

/// Whether there may be a string at the path; `*` are the items of an array.
fn declares(schema: &Schema, path: &[&str]) -> bool {
    match (&schema.kind, path) {
        (SchemaKind::Any, _) | (SchemaKind::String, []) => true,
        (SchemaKind::Array(items), ["*", rest @ ..]) => declares(items, rest),
        (SchemaKind::Object(fields), [name, rest @ ..]) => {
            let field = fields.iter().find(|field| field.name == *name);
            field.is_some_and(|field| declares(&field.schema, rest))
        }
        (
            SchemaKind::Boolean
            | SchemaKind::Integer
            | SchemaKind::Number
            | SchemaKind::String
            | SchemaKind::Object(_)
            | SchemaKind::Array(_),
            _,
        ) => false,
    }
}
