//! Partitions that decorators name in requests.

use serde_json::Value;

use super::api::ApiError;
use super::paths::TablePath;
use crate::local::bigquery::field_schema::FieldSchema;
use crate::local::bigquery::partition::{DecoratorError, Partition, decorated};

/// The partition of a table to read from, if the decorator names one.
pub fn read_partition(
    path: &TablePath,
    id: Option<&str>,
    table: &Value,
    columns: &[FieldSchema],
) -> Result<Option<Partition>, ApiError> {
    partition(id, table, columns, |id| {
        format!(
            "Cannot read partition information from a table that is not partitioned: {}${id}",
            path.shown()
        )
    })
}

/// The partition of a table to write to, if the decorator names one.
pub fn written_partition(
    path: &TablePath,
    id: Option<&str>,
    table: &Value,
    columns: &[FieldSchema],
) -> Result<Option<Partition>, ApiError> {
    partition(id, table, columns, |_| {
        format!(
            "Cannot add storage to a non-partitioned table with a partition reference: {}",
            path.shown()
        )
    })
}

/// `not_partitioned` is the refusal of a table without partitions.
fn partition(
    id: Option<&str>,
    table: &Value,
    columns: &[FieldSchema],
    not_partitioned: impl FnOnce(&str) -> String,
) -> Result<Option<Partition>, ApiError> {
    let Some(id) = id else { return Ok(None) };
    decorated(table, columns, id).map(Some).map_err(|error| match error {
        DecoratorError::NotPartitioned => ApiError::invalid(not_partitioned(id)),
        DecoratorError::Invalid(message) => ApiError::invalid(message),
        DecoratorError::Unsupported => ApiError::unimplemented(format!(
            "The embedded BigQuery does not support the partition decorator ${id}."
        )),
    })
}

/// Refuses a decorator where the embedded BigQuery does not support one.
pub fn refuse_decorator(path: &TablePath, call: &str) -> Result<(), ApiError> {
    match path.split().1 {
        Some(id) => Err(ApiError::unimplemented(format!(
            "The embedded BigQuery does not support the partition decorator ${id} in {call}."
        ))),
        None => Ok(()),
    }
}
